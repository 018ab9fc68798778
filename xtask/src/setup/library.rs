//! The bare-metal library (`core`, `alloc`, `compiler_builtins`), built once for each compiler from its own source and
//! kept in a sysroot of ours, so that a rebuild of the kernel does not rebuild it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::toolchain::{Host, TARGET, clean};
use crate::process;
use crate::project::Project;

/// The crates that are kept.
const CRATES: [&str; 3] = ["core", "alloc", "compiler_builtins"];

/// The same code generation as the kernel's: it is linked into the top 2 GiB, and backtraces walk frame pointers.
const RUSTFLAGS: &str = "-Crelocation-model=static -Ccode-model=kernel -Cforce-frame-pointers=yes";

/// A short name for a compiler: equal exactly when `rustc -vV` and the flags are.
pub(crate) fn key(compiler: &Host) -> String {
    // FNV-1a. A collision would need two compilers on one machine to meet in 64 bits.
    let text = format!("{}{}{RUSTFLAGS}", compiler.identity, compiler.sysroot.display());
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{}.{}-{hash:016x}", compiler.release.0, compiler.release.1)
}

fn path(project: &Project, compiler: &Host) -> PathBuf {
    project.state().join(format!("sysroot-{}", key(compiler)))
}

/// The kept sysroot for this compiler, if it has been built.
pub(crate) fn kept(project: &Project, compiler: &Host) -> Option<PathBuf> {
    Some(path(project, compiler)).filter(|path| path.is_dir())
}

/// Builds the library with this compiler and keeps it. Takes about half a minute on two cores.
///
/// # Errors
/// The compiler has no library source, or the build fails.
pub(crate) fn build(project: &Project, compiler: &Host) -> Result<PathBuf> {
    let work = project.state().join(format!("library-{}", std::process::id()));
    let result = build_in(project, compiler, &work);
    let _ = fs::remove_dir_all(&work);
    result
}

fn build_in(project: &Project, compiler: &Host, work: &Path) -> Result<PathBuf> {
    fs::create_dir_all(work.join("src"))?;
    fs::write(
        work.join("Cargo.toml"),
        "[package]\nname = \"bare\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\n[workspace]\n\n\
         [profile.release]\npanic = \"abort\"\ndebug = \"line-tables-only\"\n",
    )?;
    fs::write(work.join("src/lib.rs"), "#![no_std]\n")?;
    let mut command = Command::new(paired_cargo(compiler));
    clean(&mut command)
        .current_dir(work)
        .env("RUSTC", &compiler.rustc)
        // Lets a stable compiler build its own library; only here, because crates that probe for nightly features
        // would find them.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", RUSTFLAGS)
        .args(["build", "--release", "-Zbuild-std=core,alloc", "-Zbuild-std-features=compiler-builtins-mem"])
        .args(["--target", TARGET, "--target-dir"])
        .arg(work.join("target"));
    let log = project.logs().join("library.log");
    process::step("Building the bare-metal library, once (about 30 s)", &mut command, &log)?;

    let fresh = work.join("sysroot");
    let destination = fresh.join("lib/rustlib").join(TARGET).join("lib");
    fs::create_dir_all(&destination)?;
    let mut copied = 0;
    for entry in fs::read_dir(work.join("target").join(TARGET).join("release/deps"))? {
        let file = entry?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if CRATES.iter().any(|stem| name.starts_with(&format!("lib{stem}-")) && name.ends_with(".rlib")) {
            fs::copy(&file, destination.join(name))?;
            copied += 1;
        }
    }
    if copied != CRATES.len() {
        bail!(
            "the bare-metal library's build left {copied} libraries, {} were expected; see {}",
            CRATES.len(),
            log.display()
        );
    }
    let path = path(project, compiler);
    // Another xtask may have been faster: then its result serves as well.
    if let Err(error) = fs::rename(&fresh, &path)
        && !path.is_dir()
    {
        return Err(error).with_context(|| format!("cannot keep the library in {}", path.display()));
    }
    Ok(path)
}

/// The cargo that belongs to the compiler: `-Zbuild-std` needs the two to agree.
fn paired_cargo(compiler: &Host) -> PathBuf {
    let paired = compiler.sysroot.join("bin/cargo");
    if paired.is_file() { paired } else { compiler.cargo.clone() }
}
