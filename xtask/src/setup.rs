//! Set-up: what must be on the machine before anything can be built and booted. Each part looks first, says what it
//! does, and remembers enough that a second run does nothing.

pub(crate) mod library;
pub(crate) mod packages;
pub(crate) mod qemu;
pub(crate) mod toolchain;

use anyhow::Result;

use crate::project::Project;

/// Everything that building and booting needs.
#[derive(Debug)]
pub(crate) struct Tools {
    pub(crate) host: toolchain::Host,
    pub(crate) kernel: toolchain::Kernel,
    pub(crate) qemu: qemu::Qemu,
}

/// Looks for the tools and sets up what is missing.
///
/// # Errors
/// Something is missing that we may not install; the error holds the command that does.
pub(crate) fn ensure(project: &Project) -> Result<Tools> {
    let host = toolchain::Host::detect()?;
    let kernel = toolchain::ensure_kernel(project, &host)?;
    let qemu = qemu::ensure(project)?;
    Ok(Tools { host, kernel, qemu })
}
