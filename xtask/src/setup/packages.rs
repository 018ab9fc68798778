//! The distribution's package manager: installs when we are root or may become it without a password, else says the
//! exact command.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};

use super::toolchain::{MINIMUM, TARGET};
use crate::process;
use crate::project::Project;

/// Package lists older than this are fetched again before an installation.
const LISTS_MAX_AGE: Duration = Duration::from_secs(24 * 3600);

/// How we may install packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permission {
    Root,
    /// `sudo` works without a password.
    Sudo,
    None,
}

/// Finds out whether we may install packages. Never asks for a password.
pub(crate) fn permission() -> Permission {
    if std::fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0) {
        return Permission::Root;
    }
    let sudo = Command::new("sudo")
        .args(["-n", "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if sudo.is_ok_and(|status| status.success()) { Permission::Sudo } else { Permission::None }
}

/// A package manager that we know, and what QEMU is called there.
struct Manager {
    program: &'static str,
    install: &'static [&'static str],
    qemu: &'static str,
}

const MANAGERS: [Manager; 5] = [
    Manager { program: "apt-get", install: &["install", "--yes", "--no-install-recommends"], qemu: "qemu-system-x86" },
    Manager { program: "dnf", install: &["install", "--assumeyes"], qemu: "qemu-system-x86-core" },
    Manager { program: "pacman", install: &["-S", "--noconfirm", "--needed"], qemu: "qemu-system-x86" },
    Manager { program: "zypper", install: &["--non-interactive", "install"], qemu: "qemu-x86" },
    Manager { program: "apk", install: &["add"], qemu: "qemu-system-x86_64" },
];

fn manager() -> Result<&'static Manager> {
    MANAGERS
        .iter()
        .find(|manager| process::find_program(manager.program).is_some())
        .context("no package manager that I know (apt-get, dnf, pacman, zypper, apk)")
}

/// A command of the package manager, as root.
fn privileged(program: &str, permission: Permission) -> Command {
    let mut command = match permission {
        Permission::Root | Permission::None => Command::new(program),
        Permission::Sudo => {
            let mut command = Command::new("sudo");
            command.args(["-n", "env", "DEBIAN_FRONTEND=noninteractive", program]);
            command
        }
    };
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

/// The command that the user should type when we may not.
fn advice(manager: &Manager, packages: &[&str]) -> String {
    format!("sudo {} {} {}", manager.program, manager.install.join(" "), packages.join(" "))
}

/// What set-up would do about a missing compiler, for `doctor`.
pub(crate) fn rust_plan() -> &'static str {
    if permission() == Permission::None {
        "print the command that installs the distribution's Rust with its library source, and stop"
    } else {
        "install the distribution's Rust with its library source and build the bare-metal library"
    }
}

/// What set-up would do about a missing QEMU, for `doctor`.
pub(crate) fn qemu_plan() -> String {
    match manager() {
        Err(error) => format!("{error:#}: install qemu-system-x86_64 7.2 or later"),
        Ok(manager) if permission() == Permission::None => {
            format!("print `{}` and stop: installing needs root", advice(manager, &[manager.qemu]))
        }
        Ok(manager) => format!("install the package {} with {}", manager.qemu, manager.program),
    }
}

/// Installs QEMU; on Debian 12 from the backports where they can be reached.
///
/// # Errors
/// We may not (the error holds the command), or the installation fails.
pub(crate) fn install_qemu(project: &Project) -> Result<()> {
    let manager = manager()?;
    let permission = allowed(manager, &[manager.qemu])?;
    if manager.program == "apt-get" {
        refresh_lists(project, permission)?;
        if codename().as_deref() == Some("bookworm") {
            match install_from_backports(project, permission, manager.qemu) {
                Ok(()) => return Ok(()),
                Err(error) => eprintln!("{error:#}\nThe backports cannot be used; I take the distribution's own QEMU."),
            }
        }
    }
    install(project, manager, permission, &[manager.qemu], &[])
}

/// Installs the distribution's Rust with its library source.
///
/// # Errors
/// We may not (the error holds the command), or the installation fails.
pub(crate) fn install_rust(project: &Project) -> Result<()> {
    let manager = manager()?;
    // Debian keeps a current compiler for its browsers beside the release's own.
    const CURRENT: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];
    const STOCK: [&str; 3] = ["rustc", "cargo", "rust-src"];
    if manager.program != "apt-get" {
        bail!(
            "the kernel's target is missing, and I know no package of {} for it; `rustup target add {TARGET}` adds it \
             where Rust's servers can be reached",
            manager.program
        );
    }
    let permission = permission();
    if permission != Permission::None {
        refresh_lists(project, permission)?;
    }
    let known = [CURRENT, STOCK].map(|packages| (packages, candidate(packages[0])));
    let Some((packages, _)) = known.iter().find(|(_, release)| release.is_some_and(|release| release >= MINIMUM))
    else {
        let seen =
            known.iter().filter_map(|(packages, release)| release.map(|(a, b)| format!("{} {a}.{b}", packages[0])));
        let seen = seen.collect::<Vec<_>>().join(", ");
        bail!(
            "the package lists have no Rust {}.{} or later (they have: {}). On Debian 12 its security updates have one: \
             see that apt has them as a source. Where Rust's servers can be reached, `rustup target add {TARGET}` is all \
             that is missing",
            MINIMUM.0,
            MINIMUM.1,
            if seen.is_empty() { "none" } else { &seen },
        );
    };
    allowed(manager, packages)?;
    install(project, manager, permission, packages, &[])
}

/// Checks that we may install, else fails with the command for everything that is missing.
fn allowed(manager: &Manager, packages: &[&str]) -> Result<Permission> {
    let mut packages = packages.to_vec();
    match permission() {
        Permission::None => {
            if !packages.contains(&manager.qemu) && super::qemu::find()?.is_none() {
                packages.push(manager.qemu);
            }
            bail!(
                "the packages {} are needed and installing them needs root. Please run\n\n    {}\n\nand then the same \
             command again",
                packages.join(" "),
                advice(manager, &packages)
            )
        }
        permission => Ok(permission),
    }
}

fn install(
    project: &Project,
    manager: &Manager,
    permission: Permission,
    packages: &[&str],
    options: &[String],
) -> Result<()> {
    let mut command = privileged(manager.program, permission);
    command.args(options).args(manager.install).args(packages);
    let what = format!("Installing {}", packages.join(" "));
    process::step(&what, &mut command, &project.logs().join("packages.log"))
}

/// Fetches the package lists if there are none or they are old.
fn refresh_lists(project: &Project, permission: Permission) -> Result<()> {
    let newest = std::fs::read_dir("/var/lib/apt/lists").ok().and_then(|entries| {
        let lists = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().contains("InRelease"));
        lists.filter_map(|entry| entry.metadata().ok()?.modified().ok()).max()
    });
    let fresh = newest.is_some_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age < LISTS_MAX_AGE));
    if fresh {
        return Ok(());
    }
    let log = project.logs().join("package-lists.log");
    let result = process::step("Fetching the package lists", privileged("apt-get", permission).arg("update"), &log);
    if let Err(error) = result {
        // One unreachable source of the user's does not mean that ours are.
        eprintln!("{error:#}\nI go on with the lists that are there.");
    }
    Ok(())
}

/// The version of the package that apt would install, as `(major, minor)`.
fn candidate(package: &str) -> Option<(u32, u32)> {
    let policy = process::query(Command::new("apt-cache").env("LC_ALL", "C").args(["policy", package])).ok()?;
    candidate_in(&policy)
}

fn candidate_in(policy: &str) -> Option<(u32, u32)> {
    let version = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate:"))?.trim();
    // An epoch stands before a colon.
    let mut parts = version.rsplit(':').next()?.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn codename() -> Option<String> {
    let text = std::fs::read_to_string("/etc/os-release").ok()?;
    text.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")).map(|name| name.trim_matches('"').to_owned())
}

/// Installs from the backports: the user's own source where configured, else one derived from the user's mirror, in a
/// list of its own that leaves the user's sources untouched.
fn install_from_backports(project: &Project, permission: Permission, package: &str) -> Result<()> {
    let manager = &MANAGERS[0];
    let targets = process::query(Command::new("apt-get").args([
        "indextargets",
        "--format",
        "$(RELEASE)|$(REPO_URI)|$(SIGNED_BY)|$(COMPONENT)",
        "Created-By: Packages",
    ]))?;
    let release = ["--target-release".to_owned(), "bookworm-backports".to_owned()];
    let known = process::query(Command::new("apt-cache").args(["policy", package])).unwrap_or_default();
    if known.contains("bookworm-backports") {
        eprintln!("The backports are configured; QEMU comes from there (it emulates x2APIC).");
        return install(project, manager, permission, &[package], &release);
    }
    let source =
        backports_source(&targets).context("apt has no source for bookworm from which to derive the backports")?;
    eprintln!("QEMU comes from the backports of your mirror (it emulates x2APIC); your sources stay as they are.");
    let dir = project.state().join("apt");
    std::fs::create_dir_all(dir.join("lists/partial"))?;
    let list = dir.join("backports.list");
    std::fs::write(&list, source)?;
    let mut options = private_lists(&list, &dir.join("lists"));
    let mut update = privileged("apt-get", permission);
    update.args(&options).arg("update");
    process::step("Fetching the backports' list", &mut update, &project.logs().join("backports.log"))?;
    options.extend(release);
    let result = install(project, manager, permission, &[package], &options);
    let _ = std::fs::remove_dir_all(dir);
    result
}

/// Options that make apt use this source list and keep its package lists there, beside the user's.
fn private_lists(list: &Path, lists: &Path) -> Vec<String> {
    let settings: [(&str, PathBuf); 3] = [
        ("Dir::Etc::sourcelist", list.into()),
        ("Dir::Etc::sourceparts", "-".into()),
        ("Dir::State::lists", lists.into()),
    ];
    let mut options: Vec<String> =
        settings.iter().flat_map(|(name, value)| ["-o".to_owned(), format!("{name}={}", value.display())]).collect();
    // The package manager's own user cannot enter a private home folder.
    options.extend(["-o".to_owned(), "APT::Sandbox::User=root".to_owned()]);
    options
}

/// A source list for bookworm and its backports, derived from the index targets that apt has. Lines of `targets` are
/// `release|address|key|component`.
fn backports_source(targets: &str) -> Option<String> {
    let mut lines = targets.lines().map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    let main = lines.find(|fields| fields.len() == 4 && fields[0] == "bookworm" && fields[3] == "main")?;
    // apt leaves the placeholder where nothing is set.
    let signed = if main[2].is_empty() || main[2].starts_with("$(") {
        String::new()
    } else {
        format!("[signed-by={}] ", main[2])
    };
    Some(["bookworm", "bookworm-backports"].map(|release| format!("deb {signed}{} {release} main\n", main[1])).concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backports_are_derived_from_the_mirror_in_use() {
        let targets = "bookworm-security|http://mirror/debian-security/|/k.gpg|main\nbookworm|http://mirror/debian/|/k.gpg|main\n";
        let source = backports_source(targets).unwrap();
        assert_eq!(
            source,
            "deb [signed-by=/k.gpg] http://mirror/debian/ bookworm main\n\
             deb [signed-by=/k.gpg] http://mirror/debian/ bookworm-backports main\n"
        );
    }

    #[test]
    fn a_source_without_a_key_of_its_own_stays_so() {
        let source = backports_source("bookworm|http://mirror/debian/|$(SIGNED_BY)|main\n").unwrap();
        assert!(source.starts_with("deb http://mirror/debian/ bookworm main\n"), "{source}");
    }

    #[test]
    fn without_a_source_for_the_release_there_are_no_backports() {
        assert_eq!(backports_source("trixie|http://mirror/debian/||main\n"), None);
    }

    #[test]
    fn the_candidate_is_read_with_or_without_an_epoch() {
        let policy = |version: &str| format!("rustc:\n  Installed: (none)\n  Candidate: {version}\n  Version table:\n");
        assert_eq!(candidate_in(&policy("1.96.0+dfsg1-1~deb12u2")), Some((1, 96)));
        assert_eq!(candidate_in(&policy("1:10.0.2+ds-2")), Some((10, 0)));
        assert_eq!(candidate_in(&policy("(none)")), None);
        assert_eq!(candidate_in(""), None);
    }

    #[test]
    fn the_advice_can_be_pasted() {
        assert_eq!(
            advice(&MANAGERS[0], &["qemu-system-x86"]),
            "sudo apt-get install --yes --no-install-recommends qemu-system-x86"
        );
    }
}
