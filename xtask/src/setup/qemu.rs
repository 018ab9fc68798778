//! Finds QEMU, or has it installed; says what it can do.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::packages;
use crate::process;
use crate::project::Project;

/// The program, in the search path.
const PROGRAM: &str = "qemu-system-x86_64";

/// The oldest version that boots the kernel.
const MINIMUM: (u32, u32) = (7, 2);

/// The first version whose emulated processor has an x2APIC.
const X2APIC: (u32, u32) = (9, 0);

/// The QEMU to use.
#[derive(Debug, Clone)]
pub(crate) struct Qemu {
    pub(crate) program: PathBuf,
    /// Version as `(major, minor)`.
    pub(crate) version: (u32, u32),
    /// The fast firmware, where QEMU brings it.
    pub(crate) qboot: Option<PathBuf>,
}

impl Qemu {
    /// Whether the emulated processor has an x2APIC.
    pub(crate) fn has_x2apic(&self) -> bool {
        self.version >= X2APIC
    }

    /// One line for the user.
    pub(crate) fn label(&self) -> String {
        let x2apic = if self.has_x2apic() { "x2APIC" } else { "xAPIC only" };
        format!("{}.{} ({}), {x2apic}", self.version.0, self.version.1, self.program.display())
    }
}

/// Looks for QEMU without changing anything. `TESS_QEMU` names another program.
pub(crate) fn find() -> Result<Option<Qemu>> {
    let program = match std::env::var_os("TESS_QEMU") {
        Some(path) => PathBuf::from(path),
        None => match process::find_program(PROGRAM) {
            Some(path) => path,
            None => return Ok(None),
        },
    };
    let text = process::query(Command::new(&program).arg("--version"))?;
    let version = parse_version(&text).with_context(|| format!("{} tells no version", program.display()))?;
    let prefix = program.parent().and_then(|bin| bin.parent()).map_or_else(|| "/usr".into(), PathBuf::from);
    let qboot = Some(prefix.join("share/qemu/qboot.rom")).filter(|path| path.is_file());
    Ok(Some(Qemu { program, version, qboot }))
}

/// The QEMU to use; installed if there is none.
///
/// # Errors
/// It is missing and we may not install it, or it is too old.
pub(crate) fn ensure(project: &Project) -> Result<Qemu> {
    let qemu = match find()? {
        Some(qemu) => qemu,
        None => {
            eprintln!("{PROGRAM} is not installed.");
            packages::install_qemu(project)?;
            find()?.with_context(|| format!("the package is installed, but {PROGRAM} is not there"))?
        }
    };
    if qemu.version < MINIMUM {
        bail!(
            "{} is version {}.{}; {}.{} or later is needed (TESS_QEMU can name another one)",
            qemu.program.display(),
            qemu.version.0,
            qemu.version.1,
            MINIMUM.0,
            MINIMUM.1
        );
    }
    Ok(qemu)
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split_once("version ")?.1.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_whatever_the_distribution_adds() {
        assert_eq!(parse_version("QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)\nCopyright"), Some((10, 0)));
        assert_eq!(parse_version("QEMU emulator version 7.2.15 (Debian)"), Some((7, 2)));
        assert_eq!(parse_version("no emulator"), None);
    }
}
