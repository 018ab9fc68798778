//! A copy of the project to make things in. It stays, with what was built in it, so that the next run builds little.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The copy, as long as a test uses it: others wait.
#[derive(Debug)]
pub(crate) struct Copy {
    root: PathBuf,
    _alone: MutexGuard<'static, ()>,
}

/// How a command ended, and all that it printed.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) success: bool,
    pub(crate) output: String,
}

static ALONE: Mutex<()> = Mutex::new(());

impl Copy {
    /// The copy, as the project is now. Files that are the same are left alone, so that cargo sees that nothing has changed.
    pub(crate) fn fresh() -> Self {
        // A test that failed leaves nothing that the next one would not put right.
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the project");
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("new/project");
        fs::create_dir_all(&root).expect("a folder for the copy");
        let (there, wanted) = (files(&root), files(project));
        for path in there.keys().filter(|path| !wanted.contains_key(*path)) {
            fs::remove_file(root.join(path)).expect("an old file goes");
        }
        for (path, text) in &wanted {
            if there.get(path) != Some(text) {
                write(&root.join(path), text);
            }
        }
        remove_empty(&root);
        Self { root, _alone: alone }
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path} cannot be read: {error}"))
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        write(&self.path(path), text.as_bytes());
    }

    pub(crate) fn remove(&self, folder: &str) {
        fs::remove_dir_all(self.path(folder)).expect("a folder goes");
    }

    /// All files of the project with what is in them, by their paths below its root. Cargo's list of packages is left out: cargo itself keeps it right.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = files(&self.root);
        files.remove(Path::new("Cargo.lock"));
        files
    }

    /// Runs xtask as `cargo xtask` does.
    pub(crate) fn xtask(&self, arguments: &[&str]) -> Ended {
        self.run(Command::new(env!("CARGO_BIN_EXE_xtask")).args(arguments))
    }

    /// Runs cargo. It may not ask the network: a new package needs nothing that the project has not.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Ended {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        self.run(Command::new(cargo).args(arguments))
    }

    fn run(&self, command: &mut Command) -> Ended {
        command
            .current_dir(&self.root)
            .env_remove("CARGO_MANIFEST_DIR")
            .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("new/target"))
            .env("CARGO_NET_OFFLINE", "true")
            .env("CARGO_TERM_COLOR", "never")
            .env("RUST_BACKTRACE", "0");
        let ended = command.output().unwrap_or_else(|error| panic!("{command:?} cannot be run: {error}"));
        let output = String::from_utf8_lossy(&ended.stdout) + String::from_utf8_lossy(&ended.stderr);
        Ended { success: ended.status.success(), output: output.into_owned() }
    }
}

fn write(path: &Path, text: &[u8]) {
    fs::create_dir_all(path.parent().expect("a file lies in a folder")).expect("a folder for it");
    fs::write(path, text).unwrap_or_else(|error| panic!("{} cannot be written: {error}", path.display()));
}

/// All files below a folder, but what is built and what is hidden.
fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder can be read").flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            if name == "target" || name.to_string_lossy().starts_with('.') {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                files.insert(path.strip_prefix(root).expect("below the root").to_owned(), text);
            }
        }
    }
    files
}

/// Removes folders in which nothing is left; says whether this one is empty. A folder of the workspace without a `Cargo.toml` would be a mistake.
fn remove_empty(folder: &Path) -> bool {
    let mut empty = true;
    for entry in fs::read_dir(folder).expect("a folder can be read").flatten() {
        let path = entry.path();
        let gone = path.is_dir() && remove_empty(&path) && fs::remove_dir(&path).is_ok();
        empty &= gone;
    }
    empty
}
