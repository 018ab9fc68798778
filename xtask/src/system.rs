//! A system to boot: its manifest, read and checked, and which of its programs are to be built.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::archive::Archive;
use crate::builder::Built;
use crate::project::Project;
use crate::symbols::Symbols;

/// The root cell's name, in the archive and in reports.
pub(crate) const ROOT: &str = "root";

/// A checked manifest.
#[derive(Debug, Clone)]
pub(crate) struct System {
    pub(crate) path: PathBuf,
    manifest: manifest::System,
}

impl System {
    /// Loads a system by name (`systems/NAME.toml`) or path.
    ///
    /// # Errors
    /// There is no such file (the error lists what there is), or it has mistakes (each with file and line).
    pub(crate) fn load(project: &Project, name: &str) -> Result<Self> {
        let folder = project.root().join("systems");
        let is_path = name.contains('/') || Path::new(name).extension().is_some_and(|extension| extension == "toml");
        let path = if is_path { PathBuf::from(name) } else { folder.join(format!("{name}.toml")) };
        if !path.is_file() {
            bail!("there is no system {name}: {} does not exist; there are: {}", project.shown(&path), names(&folder));
        }
        Self::read(project, &path)
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// It cannot be read or has mistakes.
    pub(crate) fn read(project: &Project, path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let manifest = manifest::parse(&text, &project.shown(path)).map_err(|mistakes| {
            let mut message = String::from("the manifest has mistakes:");
            for mistake in mistakes {
                let _ = write!(message, "\n  {mistake}");
            }
            anyhow::anyhow!(message)
        })?;
        Ok(Self { path: path.to_owned(), manifest })
    }

    pub(crate) fn name(&self) -> &str {
        &self.manifest.name
    }

    pub(crate) fn about(&self) -> &str {
        &self.manifest.about
    }

    /// Runs for this long instead of what the manifest says.
    pub(crate) fn set_run_for(&mut self, duration: Duration) {
        self.manifest.run_for_ns = Some(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Activates gangs by interrupts at the instant instead of holding: what activation is measured against.
    pub(crate) fn activate_by_interrupt(&mut self) {
        self.manifest.activation = manifest::Activation::Ipi;
    }

    /// How long it runs; `None`: until someone ends it.
    pub(crate) fn run_for(&self) -> Option<Duration> {
        self.manifest.run_for_ns.map(Duration::from_nanos)
    }

    /// All programs that it names.
    pub(crate) fn programs(&self) -> BTreeSet<String> {
        let cells = self.manifest.cells.iter().map(|cell| cell.program.clone());
        cells.chain([self.manifest.root.program.clone()]).collect()
    }

    /// Packs the boot archive: the compact manifest, every program under its name, the root cell's as `root`.
    ///
    /// # Errors
    /// A program cannot be read, or the archive cannot be written.
    pub(crate) fn pack(&self, project: &Project, built: &Built) -> Result<Archive> {
        let mut programs = BTreeMap::new();
        for cell in &self.manifest.cells {
            programs.insert(cell.program.clone(), elf(built, &cell.program)?);
        }
        programs.insert(ROOT.to_owned(), elf(built, &self.manifest.root.program)?);
        Archive::pack(project, &manifest::compact(&self.manifest), &programs)
    }

    /// Where the names behind this system's addresses are found.
    pub(crate) fn symbols(&self, project: &Project, built: &Built) -> Symbols {
        let cells = self.manifest.cells.iter().map(|cell| (cell.name.as_str(), cell.program.as_str()));
        let all = cells.chain([(ROOT, self.manifest.root.program.as_str())]);
        let elves = all.filter_map(|(cell, program)| Some((cell.to_owned(), built.programs.get(program)?.clone())));
        Symbols::new(built.kernel.clone(), elves.collect(), project.root())
    }
}

fn elf(built: &Built, program: &str) -> Result<PathBuf> {
    built.programs.get(program).cloned().with_context(|| format!("the program {program} was not built"))
}

/// The manifests in a folder, sorted by name.
pub(crate) fn manifests(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut paths: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect();
    paths.sort();
    paths
}

fn names(folder: &Path) -> String {
    let stems = manifests(folder)
        .iter()
        .filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned()))
        .collect::<Vec<_>>();
    if stems.is_empty() { "none".to_owned() } else { stems.join(", ") }
}
