//! `cargo xtask check`: what must hold of the source: format, lints, and the design's rules.

mod arrows;
mod rooms;
mod size;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;

use crate::builder::{self, CELL_TARGET};
use crate::process;
use crate::project::Project;

pub(crate) use size::{kernel_lines, pulse_lines, unsafe_blocks};

/// Check format, lints, and the design's rules: dependencies, unsafe code, the budgets of the kernel and of Pulse.
///
/// Warnings are errors. It needs no set-up.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only the rules that need no compiler: format, dependencies, unsafe code, sizes.
    #[arg(long)]
    quick: bool,
}

/// A package of ours, as cargo describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Package {
    name: String,
    /// Its folder below the project's root.
    folder: String,
    /// The folders of ours that it depends on; for tests only is not counted.
    dependencies: Vec<String>,
    /// The first file of each of its targets.
    roots: Vec<PathBuf>,
    is_default: bool,
}

pub(crate) fn run(project: &Project, arguments: &Arguments) -> Result<ExitCode> {
    let cargo = std::env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from);
    let packages = packages(project, &builder::metadata(project, &cargo, &["--no-deps"])?);
    let mut failed = 0;
    let mut say = |name: &str, result: Result<String>| match result {
        Ok(remark) => println!("ok      {name}{}{remark}", if remark.is_empty() { "" } else { ": " }),
        Err(error) => {
            failed += 1;
            println!("FAILED  {name}: {error:#}");
        }
    };
    say("format", format(project, &cargo));
    say("dependencies", listed(arrows::violations(&packages)));
    say("unsafe code", rooms::violations(project, &packages).and_then(listed));
    say("kernel's size", size::kernel(project));
    say("Pulse's size", size::pulse(project));
    say("file sizes", Ok(size::long_files(project)));
    if !arguments.quick {
        say("lints of host crates", lint(project, &cargo, &packages, true));
        say("lints of kernel and cells", lint(project, &cargo, &packages, false));
    }
    if failed > 0 {
        println!("{failed} checks failed");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn listed(violations: Vec<String>) -> Result<String> {
    if violations.is_empty() {
        return Ok(String::new());
    }
    bail!("\n  {}", violations.join("\n  "))
}

fn format(project: &Project, cargo: &Path) -> Result<String> {
    let mut command = Command::new(cargo);
    command.current_dir(project.root()).args(["fmt", "--all", "--", "--check", "-l"]);
    match command.output().context("cannot run cargo fmt")? {
        output if output.status.success() => Ok(String::new()),
        output => {
            let files = String::from_utf8_lossy(&output.stdout).trim().replace('\n', "\n  ");
            let files = files.replace(&format!("{}/", project.root().display()), "");
            let complaint = String::from_utf8_lossy(&output.stderr);
            let text = if files.is_empty() { complaint.trim().to_owned() } else { files };
            bail!("run `cargo fmt --all`; it would change\n  {text}")
        }
    }
}

/// Clippy over the packages that run on the host, with their tests, or over those that do not.
fn lint(project: &Project, cargo: &Path, packages: &[Package], host: bool) -> Result<String> {
    let mut command = Command::new(cargo);
    command.current_dir(project.root()).env_remove("CARGO_MANIFEST_DIR").args(["clippy", "--quiet", "--keep-going"]);
    for package in packages.iter().filter(|package| package.is_default == host) {
        command.args(["--package", &package.name]);
    }
    if host {
        command.arg("--all-targets");
    } else {
        // The kernel's own target may not be installed; for lints any target of the same processor will do.
        command.args(["--target", CELL_TARGET]);
    }
    command.arg("--target-dir").arg(project.target("lint")).args(["--", "-D", "warnings"]);
    process::attended(&mut command).map(|()| String::new())
}

fn packages(project: &Project, metadata: &Value) -> Vec<Package> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let below = |path: &Path| path.strip_prefix(project.root()).unwrap_or(path).display().to_string();
    let defaults = list(&metadata["workspace_default_members"]);
    let mut packages = Vec::new();
    for package in list(&metadata["packages"]) {
        let manifest = PathBuf::from(package["manifest_path"].as_str().unwrap_or_default());
        let ours = list(&package["dependencies"]).into_iter().filter(|dependency| dependency["kind"] != "dev");
        let ours = ours.filter_map(|dependency| Some(below(Path::new(dependency["path"].as_str()?))));
        let targets = list(&package["targets"]);
        packages.push(Package {
            name: package["name"].as_str().unwrap_or_default().to_owned(),
            folder: manifest.parent().map(below).unwrap_or_default(),
            dependencies: ours.collect(),
            roots: targets.iter().filter_map(|target| Some(PathBuf::from(target["src_path"].as_str()?))).collect(),
            is_default: defaults.contains(&package["id"]),
        });
    }
    packages
}
