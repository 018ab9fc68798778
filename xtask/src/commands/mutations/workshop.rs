//! Copies of the crate outside the tree, in which mistakes are made.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use toml::{Table, Value};

use crate::project::Project;
use crate::session::Interrupts;

use super::list::Mutation;
use super::subject::Subject;
use super::trial::{Outcome, Trial};

/// The file that says which process a yard belongs to.
const OWNER: &str = "owner";

/// A folder for all copies; removed when dropped. It is the same each time, because cargo would build the crate under
/// another name if it were elsewhere, and keep all of them.
#[derive(Debug)]
pub(super) struct Yard {
    place: PathBuf,
    /// Where copies are built; this stays.
    target: PathBuf,
    subject: &'static Subject,
}

impl Yard {
    /// Takes a copy of the crate as it is now, with what it needs of the workspace.
    ///
    /// # Errors
    /// Something cannot be read or written, or another process does the same.
    pub(super) fn open(project: &Project, subject: &'static Subject) -> Result<Self> {
        let mut hasher = DefaultHasher::new();
        project.root().hash(&mut hasher);
        let place = std::env::temp_dir().join(format!("tess-mutations-{:016x}", hasher.finish()));
        claim(&place)?;
        let yard = Self { place, target: project.target("mutations").join(subject.name), subject };
        let original = yard.original();
        let members: Vec<&str> = subject.needs.iter().copied().chain([subject.name]).collect();
        for member in &members {
            copy_folder(&project.root().join(member), &original.join(member))?;
        }
        let manifest = project.root().join("Cargo.toml");
        let text = fs::read_to_string(&manifest).with_context(|| format!("cannot read {}", manifest.display()))?;
        fs::write(original.join("Cargo.toml"), workspace_of(&text, &members)?)?;
        fs::copy(project.root().join("Cargo.lock"), original.join("Cargo.lock")).context("cannot copy Cargo.lock")?;
        Ok(yard)
    }

    fn original(&self) -> PathBuf {
        self.place.join("original")
    }

    /// Whether each of these mistakes can be made.
    ///
    /// # Errors
    /// All that cannot.
    pub(super) fn check(&self, mutations: &[Mutation]) -> Result<()> {
        let crate_folder = self.original().join(self.subject.name);
        let problems: Vec<String> = mutations
            .iter()
            .filter_map(|mutation| {
                let text = fs::read_to_string(crate_folder.join(&mutation.file))
                    .map_err(|error| anyhow!("`{}`: {}: {error}", mutation.name, mutation.file));
                let changed = text.and_then(|text| Ok((mutation.apply(&text)? != text).then_some(())));
                match changed {
                    Ok(Some(())) => None,
                    Ok(None) => Some(format!("`{}` changes nothing", mutation.name)),
                    Err(error) => Some(error.to_string()),
                }
            })
            .collect();
        if !problems.is_empty() {
            bail!("\n  {}", problems.join("\n  "));
        }
        Ok(())
    }

    /// A copy to work in, whose test programs run so many tests at the same time. It is built in a folder that is kept from run to run.
    ///
    /// # Errors
    /// It cannot be made.
    pub(super) fn workshop(&self, number: usize, threads: usize, interrupts: &Interrupts) -> Result<Workshop> {
        let place = self.place.join(number.to_string());
        copy_folder(&self.original(), &place)?;
        Ok(Workshop {
            place: place.join(self.subject.name),
            target: self.target.join(number.to_string()),
            subject: self.subject,
            threads,
            interrupts: interrupts.clone(),
        })
    }
}

impl Drop for Yard {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.place);
    }
}

/// Creates the folder, also where a process left it that was killed.
fn claim(place: &Path) -> Result<()> {
    let cannot = || format!("cannot create {}", place.display());
    if let Err(error) = fs::create_dir(place) {
        let owner = fs::read_to_string(place.join(OWNER)).unwrap_or_default();
        if error.kind() != ErrorKind::AlreadyExists {
            return Err(error).with_context(cannot);
        }
        if !owner.is_empty() && Path::new("/proc").join(&owner).exists() {
            bail!("{} belongs to process {owner}, which is under way: let it end first", place.display());
        }
        fs::remove_dir_all(place).and_then(|()| fs::create_dir(place)).with_context(cannot)?;
    }
    fs::write(place.join(OWNER), std::process::id().to_string()).with_context(cannot)
}

/// The workspace's manifest with these members only, made for tests that are built often and run for long.
fn workspace_of(manifest: &str, members: &[&str]) -> Result<String> {
    let mut manifest: Table = manifest.parse().context("Cargo.toml")?;
    let workspace = manifest.get_mut("workspace").and_then(Value::as_table_mut).context("Cargo.toml: no workspace")?;
    workspace.insert("members".into(), members.to_vec().into());
    workspace.remove("default-members");
    let profile: Table = "dev.opt-level = 1\ndev.debug = false".parse()?;
    manifest.insert("profile".into(), profile.into());
    Ok(manifest.to_string())
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target).with_context(|| format!("cannot copy {}", entry.path().display()))?;
        }
    }
    Ok(())
}

/// A copy in which one mistake at a time is made.
#[derive(Debug)]
pub(super) struct Workshop {
    place: PathBuf,
    target: PathBuf,
    subject: &'static Subject,
    threads: usize,
    interrupts: Interrupts,
}

impl Workshop {
    /// Makes a mistake, runs the tests, and makes it good again. The tests together may take as long as `limit`.
    ///
    /// # Errors
    /// Files or programs fail, its `tests` match none, or the user interrupts.
    pub(super) fn try_out(&self, mutation: &Mutation, limit: Duration) -> Result<Outcome> {
        let file = self.place.join(&mutation.file);
        let original = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        fs::write(&file, mutation.apply(&original)?)?;
        let outcome = self.test(mutation.tests.as_deref(), Some(limit));
        fs::write(&file, original)?;
        Ok(outcome?.0)
    }

    /// Runs the tests: first those that `first` selects, then, if none fails, all. Says how long they took, too.
    ///
    /// # Errors
    /// Programs fail, `first` selects no test, or the user interrupts.
    pub(super) fn test(&self, first: Option<&str>, limit: Option<Duration>) -> Result<(Outcome, Duration)> {
        let Self { place, target, subject, threads, interrupts } = self;
        let trial = Trial { place, target, subject, threads: *threads, interrupts };
        let programs = match trial.build()? {
            Ok(programs) => programs,
            Err(why) => return Ok((Outcome::DoesNotCompile(why), Duration::ZERO)),
        };
        let started = Instant::now();
        let deadline = limit.map(|limit| started + limit);
        if let Some(filter) = first {
            let (outcome, tests) = trial.run(&programs, Some(filter), deadline)?;
            if tests == 0 {
                bail!("no test has `{filter}` in its name");
            }
            if outcome != Outcome::Survived {
                return Ok((outcome, started.elapsed()));
            }
        }
        let (outcome, tests) = trial.run(&programs, None, deadline)?;
        if tests == 0 {
            bail!("there are no tests");
        }
        Ok((outcome, started.elapsed()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copys_workspace_has_the_members_that_are_needed_and_keeps_what_they_inherit() {
        let text = "[workspace]\nmembers = ['a', 'muxer']\ndefault-members = ['a']\n\
                    [workspace.package]\nedition = '2024'\n[workspace.dependencies]\na = { path = 'a' }\n\
                    [profile.dev]\npanic = 'abort'\n";
        let manifest: Table = workspace_of(text, &["muxer"]).expect("a workspace").parse().expect("toml");
        let workspace = manifest["workspace"].as_table().expect("a table");
        assert_eq!(workspace["members"], Value::from(vec!["muxer"]));
        assert_eq!(workspace["package"]["edition"].as_str(), Some("2024"));
        assert!(workspace.contains_key("dependencies") && !workspace.contains_key("default-members"));
        assert_eq!(manifest["profile"]["dev"]["opt-level"].as_integer(), Some(1));
        assert!(workspace_of("[package]", &[]).is_err());
    }

    #[test]
    fn a_yard_of_a_process_that_is_gone_is_taken_over_and_another_ones_is_not() {
        let place = std::env::temp_dir().join(format!("tess-yard-test-{}", std::process::id()));
        claim(&place).expect("it is not there");
        let error = claim(&place).expect_err("it is ours already").to_string();
        assert!(error.contains(&std::process::id().to_string()), "{error}");
        fs::write(place.join(OWNER), "4294967295").expect("it can be written");
        claim(&place).expect("no process has that number");
        fs::remove_dir_all(&place).expect("it is there");
    }
}
