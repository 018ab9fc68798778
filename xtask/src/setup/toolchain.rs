//! The compiler for the kernel's bare-metal target, found in the order that costs the user least: the target is
//! installed, rustup gets it, the toolchain's own library source builds it, the distribution's Rust builds it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{library, packages};
use crate::process;
use crate::project::Project;

/// The kernel's target.
pub(crate) const TARGET: &str = "x86_64-unknown-none";

/// The oldest compiler that the project builds with, as `rust-version` says.
pub(crate) const MINIMUM: (u32, u32) = (1, 88);

/// A compiler and what belongs to it.
#[derive(Debug, Clone)]
pub(crate) struct Host {
    pub(crate) cargo: PathBuf,
    pub(crate) rustc: PathBuf,
    pub(crate) sysroot: PathBuf,
    /// All of `rustc -vV`: tells one compiler from another.
    pub(crate) identity: String,
    /// The target that the compiler itself runs on.
    pub(crate) triple: String,
    /// Release as `(major, minor)`.
    pub(crate) release: (u32, u32),
}

impl Host {
    /// The compiler that runs us: cargo's own, or the one in the path.
    pub(crate) fn detect() -> Result<Self> {
        let cargo = std::env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from);
        let rustc = std::env::var_os("RUSTC").map_or_else(|| "rustc".into(), PathBuf::from);
        Self::inspect(cargo, rustc)
    }

    /// The distribution's compiler, if it is installed and not too old.
    fn of_distribution() -> Option<Self> {
        let (cargo, rustc) = (Path::new("/usr/bin/cargo"), Path::new("/usr/bin/rustc"));
        if !cargo.is_file() || !rustc.is_file() {
            return None;
        }
        Self::inspect(cargo.into(), rustc.into()).ok().filter(|host| host.release >= MINIMUM)
    }

    fn inspect(cargo: PathBuf, rustc: PathBuf) -> Result<Self> {
        let ask = |arguments: &[&str]| process::query(clean(&mut Command::new(&rustc)).args(arguments));
        let identity = ask(&["-vV"])?;
        let sysroot = PathBuf::from(ask(&["--print", "sysroot"])?.trim());
        let field = |name: &str| identity.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let triple = field("host:").context("`rustc -vV` names no host")?.to_owned();
        let release = parse_release(field("release:").unwrap_or_default())
            .with_context(|| format!("`rustc -vV` of {} names no release", rustc.display()))?;
        Ok(Self { cargo, rustc, sysroot, triple, release, identity })
    }

    fn has_target(&self) -> bool {
        let dir = self.sysroot.join("lib/rustlib").join(TARGET).join("lib");
        std::fs::read_dir(dir).is_ok_and(|mut files| {
            files.any(|file| file.is_ok_and(|file| file.file_name().to_string_lossy().starts_with("libcore-")))
        })
    }

    /// Where the standard library's source would be.
    pub(crate) fn library_source(&self) -> Option<PathBuf> {
        let dir = self.sysroot.join("lib/rustlib/src/rust/library");
        dir.join("core/Cargo.toml").is_file().then_some(dir)
    }

    /// The linker that comes with rustup's toolchains.
    fn rust_lld(&self) -> Option<PathBuf> {
        let linker = self.sysroot.join("lib/rustlib").join(&self.triple).join("bin/rust-lld");
        linker.is_file().then_some(linker)
    }

    /// The linker for kernel and cells: this toolchain's own, or one in the path.
    pub(crate) fn linker(&self) -> Option<PathBuf> {
        self.rust_lld().or_else(|| process::find_program("ld.lld")).or_else(|| process::find_program("rust-lld"))
    }

    fn version(&self) -> String {
        format!("{}.{}", self.release.0, self.release.1)
    }
}

/// How the kernel is compiled.
#[derive(Debug, Clone)]
pub(crate) struct Kernel {
    pub(crate) cargo: PathBuf,
    pub(crate) rustc: PathBuf,
    /// The sysroot with the bare-metal library, where it is not the compiler's own.
    pub(crate) sysroot: Option<PathBuf>,
    pub(crate) linker: PathBuf,
    /// One line for the user: which compiler, which library.
    pub(crate) label: String,
}

/// What a look at the machine says about the kernel's compiler, without changing anything.
#[derive(Debug)]
pub(crate) enum Found {
    /// Ready to use.
    Ready(Kernel),
    /// Not ready; the sentence says what set-up would do.
    Missing(String),
}

/// Looks for a compiler that is ready.
pub(crate) fn look(project: &Project, host: &Host) -> Result<Found> {
    if host.has_target() {
        return Ok(Found::Ready(kernel(host, host, None)?));
    }
    let distribution = Host::of_distribution();
    // Of several kept libraries, the one of the compiler that runs us comes first.
    for compiler in std::iter::once(host).chain(distribution.as_ref()) {
        if let Some(sysroot) = library::kept(project, compiler) {
            return Ok(Found::Ready(kernel(compiler, host, Some(sysroot))?));
        }
    }
    let mut plan = Vec::new();
    if rustup_manages(host) && !rustup_failure(project, host).is_file() {
        plan.push(format!("try `rustup target add {TARGET}`"));
    }
    if host.library_source().is_some() {
        plan.push("build the bare-metal library from the toolchain's source (about 30 s)".to_owned());
    } else if distribution.as_ref().is_some_and(|compiler| compiler.library_source().is_some()) {
        plan.push("build the bare-metal library with the distribution's Rust (about 30 s)".to_owned());
    } else {
        plan.push(packages::rust_plan().to_owned());
    }
    Ok(Found::Missing(plan.join(", else ")))
}

/// The compiler for the kernel; sets it up if it is missing.
pub(crate) fn ensure_kernel(project: &Project, host: &Host) -> Result<Kernel> {
    if host.release < MINIMUM {
        bail!(
            "Rust {} is too old, {}.{} or later is needed: run `rustup update stable`",
            host.version(),
            MINIMUM.0,
            MINIMUM.1
        );
    }
    let reason = match look(project, host)? {
        Found::Ready(kernel) => return Ok(kernel),
        Found::Missing(reason) => reason,
    };
    eprintln!("The kernel's target {TARGET} is not installed; I will {reason}.");
    if rustup_manages(host) && add_target(project, host)? {
        return kernel(host, host, None);
    }
    if host.library_source().is_some() {
        eprintln!("Rust {} has its library source.", host.version());
        let sysroot = library::build(project, host)?;
        return kernel(host, host, Some(sysroot));
    }
    eprintln!("Rust {} has no library source (`rustup component add rust-src` would add it).", host.version());
    let distribution = distribution_with_source(project)?;
    let sysroot = library::build(project, &distribution)?;
    kernel(&distribution, host, Some(sysroot))
}

fn kernel(compiler: &Host, host: &Host, sysroot: Option<PathBuf>) -> Result<Kernel> {
    let linker = compiler.rust_lld().or_else(|| host.linker()).context(
        "no linker for the kernel: neither the toolchain's rust-lld nor ld.lld is there; install the package `lld`",
    )?;
    let library = if sysroot.is_some() { "bare-metal library built here" } else { "target installed" };
    let label = format!("Rust {} ({}), {library}", compiler.version(), compiler.rustc.display());
    Ok(Kernel { cargo: host.cargo.clone(), rustc: compiler.rustc.clone(), sysroot, linker, label })
}

/// Whether rustup looks after this toolchain.
fn rustup_manages(host: &Host) -> bool {
    host.sysroot.components().any(|part| part.as_os_str() == "toolchains") && process::find_program("rustup").is_some()
}

/// The file whose presence says that rustup could not get the target for this compiler.
fn rustup_failure(project: &Project, host: &Host) -> PathBuf {
    project.state().join(format!("no-target-{}", library::key(host)))
}

/// Asks rustup for the target, once for each compiler. Returns whether it is there now.
fn add_target(project: &Project, host: &Host) -> Result<bool> {
    let failure = rustup_failure(project, host);
    if failure.is_file() {
        eprintln!("rustup could not get the target before; not asked again (`cargo xtask clean` forgets that).");
        return Ok(false);
    }
    let mut command = Command::new("rustup");
    command.args(["target", "add", TARGET]);
    if let Some(name) = host.sysroot.file_name() {
        command.arg("--toolchain").arg(name);
    }
    match process::step("Asking rustup for the target", &mut command, &project.logs().join("rustup.log")) {
        Ok(()) if host.has_target() => return Ok(true),
        Ok(()) => eprintln!("rustup is content, but the target's library is not there."),
        Err(error) => eprintln!("{error:#}"),
    }
    std::fs::create_dir_all(project.state())?;
    std::fs::write(&failure, "`rustup target add` failed with this compiler; see logs/rustup.log\n")?;
    Ok(false)
}

/// The distribution's Rust with its library source, installed if we may.
fn distribution_with_source(project: &Project) -> Result<Host> {
    let with_source = |host: &Host| host.library_source().is_some();
    if let Some(host) = Host::of_distribution().filter(with_source) {
        eprintln!("The distribution's Rust {} has its library source.", host.version());
        return Ok(host);
    }
    packages::install_rust(project)?;
    Host::of_distribution().filter(with_source).with_context(|| {
        format!(
            "the packages are installed, but /usr/bin/rustc is not there, is older than {}.{}, or has no library source",
            MINIMUM.0, MINIMUM.1
        )
    })
}

/// Takes away what an outer cargo tells its children, so that an inner cargo or compiler starts fresh.
pub(crate) fn clean(command: &mut Command) -> &mut Command {
    const INHERITED: [&str; 9] = [
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_BUILD_TARGET",
        "CARGO_BUILD_RUSTFLAGS",
        "CARGO_TARGET_DIR",
        "CARGO_MANIFEST_DIR",
        "CARGO_MAKEFLAGS",
        "RUSTC_BOOTSTRAP",
        // Points into the running toolchain; another compiler must find its own libraries.
        "LD_LIBRARY_PATH",
    ];
    for name in INHERITED {
        command.env_remove(name);
    }
    command
}

fn parse_release(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split(['.', '-']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::parse_release;

    #[test]
    fn a_release_is_read_with_or_without_a_channel() {
        assert_eq!(parse_release("1.96.0"), Some((1, 96)));
        assert_eq!(parse_release("1.97.0-nightly"), Some((1, 97)));
        assert_eq!(parse_release("unknown"), None);
    }
}
