//! What is to be created and changed, decided before anything is written; and writing it, all or nothing.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::project::Project;

/// A file to be made. Paths are below the project's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Creation {
    pub(super) path: String,
    pub(super) text: String,
    /// What it is, for the user.
    pub(super) what: &'static str,
}

/// A file to be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) path: String,
    pub(super) text: String,
    /// The lines that are new.
    pub(super) lines: Vec<String>,
}

/// Files to be made, and those to be changed for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Skeleton {
    pub(super) creations: Vec<Creation>,
    pub(super) changes: Vec<Change>,
}

impl Skeleton {
    /// Writes it.
    ///
    /// # Errors
    /// A file exists already, or something cannot be written: then what was made is removed again, and nothing is changed.
    pub(super) fn write(&self, project: &Project) -> Result<()> {
        let root = project.root();
        let existing: Vec<_> =
            self.creations.iter().map(|file| file.path.as_str()).filter(|path| root.join(path).exists()).collect();
        if !existing.is_empty() {
            bail!("nothing was created: {} exists already, and nothing is overwritten", existing.join(", "));
        }
        let mut made = Made::default();
        for file in &self.creations {
            made.create(root, &file.path, &file.text).with_context(|| format!("cannot create {}", file.path))?;
        }
        for change in &self.changes {
            fs::write(root.join(&change.path), &change.text)
                .with_context(|| format!("cannot change {}", change.path))?;
        }
        made.keep();
        Ok(())
    }

    /// What was done, for the user.
    pub(super) fn told(&self) -> String {
        let paths = self.creations.iter().map(|file| &file.path).chain(self.changes.iter().map(|change| &change.path));
        let width = paths.map(String::len).max().unwrap_or(0);
        let mut told = String::from("Created\n");
        for Creation { path, what, .. } in &self.creations {
            told.push_str(&format!("  {path:<width$}  {what}\n"));
        }
        told.push_str("Changed\n");
        for Change { path, lines, .. } in &self.changes {
            for line in lines {
                told.push_str(&format!("  {path:<width$}  one more line: {line}\n"));
            }
        }
        told
    }
}

/// What was made so far, in order. It is removed again unless it is kept.
#[derive(Debug, Default)]
struct Made(Vec<PathBuf>);

impl Made {
    fn create(&mut self, root: &Path, path: &str, text: &str) -> std::io::Result<()> {
        let path = root.join(path);
        let missing: Vec<_> =
            path.ancestors().skip(1).take_while(|folder| !folder.exists()).map(Path::to_owned).collect();
        for folder in missing.into_iter().rev() {
            fs::create_dir(&folder)?;
            self.0.push(folder);
        }
        // Not over what someone else has made meanwhile.
        let mut file = File::create_new(&path)?;
        self.0.push(path);
        file.write_all(text.as_bytes())
    }

    fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for path in self.0.iter().rev() {
            // A folder in which something else has appeared stays.
            let _ = if path.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) };
        }
    }
}

/// A module's text with one more line `pub mod NAME;`, in order, as the formatter wants it. `None` if it declares no modules.
pub(super) fn with_module(text: &str, module: &str) -> Option<String> {
    let declared =
        |line: &str| Some(line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';')?.to_owned());
    let lines: Vec<&str> = text.lines().collect();
    let mut place = None;
    for (index, line) in lines.iter().enumerate() {
        let Some(other) = declared(line) else { continue };
        // A declaration begins with its attributes.
        let attributes = lines[..index].iter().rev().take_while(|line| line.starts_with("#[")).count();
        if other.as_str() > module {
            place = Some(index - attributes);
            break;
        }
        place = Some(index + 1);
    }
    let (before, after) = lines.split_at(place?);
    let new = format!("pub mod {module};");
    let all: Vec<&str> = before.iter().copied().chain([new.as_str()]).chain(after.iter().copied()).collect();
    Some(all.join("\n") + "\n")
}

/// Names of files and folders, without their endings.
pub(super) fn stems(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some(entry.path().file_stem()?.to_string_lossy().into_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_declared_in_order() {
        let text = "//! Some.\n\nextern crate alloc;\n\n#[cfg(some)]\nmod conform;\npub mod edf;\npub mod sync;\n\npub use x;\n";
        for (module, expected) in [
            ("batch", "alloc;\n\npub mod batch;\n#[cfg(some)]\nmod conform;\n"),
            ("dog", "#[cfg(some)]\nmod conform;\npub mod dog;\npub mod edf;\n"),
            ("lottery", "pub mod edf;\npub mod lottery;\npub mod sync;\n"),
            ("zoo", "pub mod sync;\npub mod zoo;\n\npub use x;\n"),
        ] {
            let changed = with_module(text, module).unwrap();
            assert!(changed.contains(expected), "{module}: expected {expected:?} in {changed}");
            assert_eq!(changed.len(), text.len() + format!("pub mod {module};\n").len());
        }
        assert_eq!(with_module("//! No modules.\n", "lottery"), None);
    }

    #[test]
    fn what_was_made_is_removed_if_something_fails() {
        let root = std::env::temp_dir().join(format!("tess-skeleton-{}", std::process::id()));
        fs::create_dir_all(root.join("there")).unwrap();
        fs::write(root.join("there/old"), "old").unwrap();
        {
            let mut made = Made::default();
            made.create(&root, "there/new/one", "1").unwrap();
            made.create(&root, "there/two", "2").unwrap();
            assert!(root.join("there/new/one").exists());
            assert!(made.create(&root, "there/old", "new").is_err(), "a file must not be overwritten");
        }
        assert_eq!(fs::read_to_string(root.join("there/old")).unwrap(), "old");
        assert!(!root.join("there/new").exists() && !root.join("there/two").exists());
        fs::remove_dir_all(&root).unwrap();
    }
}
