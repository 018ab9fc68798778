//! Builds the kernel and the cells, each with its own flags and its own target folder (the outer cargo that runs xtask
//! may hold the lock of the shared one).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde_json::Value;

use crate::process;
use crate::project::Project;
use crate::setup::Tools;
use crate::setup::toolchain::{TARGET, clean};

/// The target of the cells: it has vector registers, which the bare-metal target's calling convention forbids.
pub(crate) const CELL_TARGET: &str = "x86_64-unknown-linux-gnu";

/// The program of the root cell, where the manifest names no other.
const PACKAGE_KERNEL: &str = "tess-kernel";

/// Cargo's profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Profile {
    /// Optimised, with line numbers for backtraces.
    #[default]
    Release,
    /// Not optimised.
    Debug,
}

impl Profile {
    fn folder(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Debug => "debug",
        }
    }

    fn select(self, command: &mut Command) {
        if self == Self::Release {
            command.arg("--release");
        }
    }
}

/// What was built: unstripped ELF files.
#[derive(Debug, Clone)]
pub(crate) struct Built {
    pub(crate) kernel: PathBuf,
    /// By program name.
    pub(crate) programs: BTreeMap<String, PathBuf>,
}

/// The workspace as cargo describes it.
///
/// # Errors
/// A `Cargo.toml` is wrong.
pub(crate) fn metadata(project: &Project, cargo: &Path, extra: &[&str]) -> Result<Value> {
    let mut command = Command::new(cargo);
    clean(&mut command).current_dir(project.root()).args(["metadata", "--format-version", "1"]).args(extra);
    serde_json::from_str(&process::query(&mut command)?).context("cargo's metadata cannot be read")
}

/// Which package holds which program: program name to package name.
fn packages_of_programs(metadata: &Value) -> BTreeMap<String, String> {
    let mut programs = BTreeMap::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        for target in package["targets"].as_array().into_iter().flatten() {
            let is_program = target["kind"].as_array().into_iter().flatten().any(|kind| kind == "bin");
            if let (true, Some(program), Some(name)) = (is_program, target["name"].as_str(), package["name"].as_str()) {
                programs.insert(program.to_owned(), name.to_owned());
            }
        }
    }
    programs
}

/// Builds the kernel and these programs.
///
/// # Errors
/// A program is in no package, or the compiler refuses something (its messages were shown).
pub(crate) fn build(project: &Project, tools: &Tools, profile: Profile, programs: &BTreeSet<String>) -> Result<Built> {
    let kernel = build_kernel(project, tools, profile)?;
    let programs = build_cells(project, tools, profile, programs)?;
    Ok(Built { kernel, programs })
}

fn build_kernel(project: &Project, tools: &Tools, profile: Profile) -> Result<PathBuf> {
    let script = project.root().join("tess-kernel/kernel.ld");
    let mut flags = vec![
        "-Crelocation-model=static".to_owned(),
        "-Ccode-model=kernel".to_owned(),
        "-Cforce-frame-pointers=yes".to_owned(),
        format!("-Clink-arg=-T{}", script.display()),
        "-Clink-arg=--build-id=none".to_owned(),
        "-Clink-arg=-zmax-page-size=4096".to_owned(),
        format!("-Clinker={}", tools.kernel.linker.display()),
    ];
    if let Some(sysroot) = &tools.kernel.sysroot {
        flags.push(format!("--sysroot={}", sysroot.display()));
    }
    let target_dir = project.target("kernel");
    let mut command = Command::new(&tools.kernel.cargo);
    clean(&mut command)
        .current_dir(project.root())
        .env("RUSTC", &tools.kernel.rustc)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .args(["build", "--package", PACKAGE_KERNEL, "--target", TARGET, "--target-dir"])
        .arg(&target_dir);
    profile.select(&mut command);
    process::attended(&mut command).context("the kernel does not build")?;
    Ok(target_dir.join(TARGET).join(profile.folder()).join(PACKAGE_KERNEL))
}

fn build_cells(
    project: &Project,
    tools: &Tools,
    profile: Profile,
    programs: &BTreeSet<String>,
) -> Result<BTreeMap<String, PathBuf>> {
    let linker = tools.host.linker().context("no linker for the cells: install the package `lld`")?;
    let flags = [
        "-Crelocation-model=static".to_owned(),
        "-Crelro-level=off".to_owned(),
        "-Cforce-frame-pointers=yes".to_owned(),
        "-Cforce-unwind-tables=no".to_owned(),
        "-Ctarget-feature=+crt-static".to_owned(),
        "-Cpanic=abort".to_owned(),
        format!("-Clinker={}", linker.display()),
        "-Clinker-flavor=ld.lld".to_owned(),
        "-Clink-arg=--image-base=0x40000000".to_owned(),
        "-Clink-arg=-zseparate-loadable-segments".to_owned(),
        "-Clink-arg=--no-eh-frame-hdr".to_owned(),
        "-Clink-arg=--build-id=none".to_owned(),
        "-Clink-arg=-zstack-size=0".to_owned(),
    ];
    if programs.is_empty() {
        // Without a package cargo would take all.
        return Ok(BTreeMap::new());
    }
    let known = packages_of_programs(&metadata(project, &tools.host.cargo, &["--no-deps"])?);
    let target_dir = project.target("cells");
    let mut command = Command::new(&tools.host.cargo);
    clean(&mut command)
        .current_dir(project.root())
        .env("RUSTC", &tools.host.rustc)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .args(["build", "--target", CELL_TARGET, "--target-dir"])
        .arg(&target_dir);
    profile.select(&mut command);
    for program in programs {
        let Some(package) = known.get(program) else {
            bail!("no package of the workspace has a program `{program}`; there are: {}", names(&known));
        };
        command.args(["--package", package, "--bin", program]);
    }
    process::attended(&mut command).context("the cells do not build")?;
    let folder = target_dir.join(CELL_TARGET).join(profile.folder());
    Ok(programs.iter().map(|program| (program.clone(), folder.join(program))).collect())
}

fn names(known: &BTreeMap<String, String>) -> String {
    let cells = known.keys().filter(|name| !["xtask", PACKAGE_KERNEL].contains(&name.as_str()));
    cells.cloned().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_is_found_under_its_package() {
        let metadata = serde_json::json!({"packages": [
            {"name": "test-cells", "targets": [{"name": "victim", "kind": ["bin"]}, {"name": "spinner", "kind": ["bin"]}]},
            {"name": "abi", "targets": [{"name": "abi", "kind": ["lib"]}]},
        ]});
        let programs = packages_of_programs(&metadata);
        assert_eq!(programs.len(), 2);
        assert_eq!(programs["victim"], "test-cells");
    }
}
