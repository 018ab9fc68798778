//! The boot archive: the manifest and the cells' programs.

use alloc::string::String;

use crate::abi::machine::MachineInfo;
use manifest::System;
use tar_no_std::TarArchiveRef;

/// The archive's entry with the manifest.
const MANIFEST: &str = "manifest";

/// The boot archive.
#[derive(Debug)]
pub struct Archive(TarArchiveRef<'static>);

impl Archive {
    /// Opens it. Only the root cell can. Switches `log` off for this cell: the tar library logs the end of an archive as an error.
    ///
    /// # Errors
    /// A sentence, if there is none or it is damaged.
    pub fn open(machine: &MachineInfo) -> Result<Self, String> {
        log::set_max_level(log::LevelFilter::Off);
        TarArchiveRef::new(cell::calls::archive(machine)).map(Self).map_err(|_| "the boot archive is damaged".into())
    }

    /// The contents of an entry. Costs a look at every entry before it.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&'static [u8]> {
        self.0.entries().find(|entry| entry.filename().as_str() == Ok(name)).map(|entry| entry.data())
    }

    /// The manifest of the system that was booted.
    ///
    /// # Errors
    /// A sentence, if there is none or this program cannot read it.
    pub fn manifest(&self) -> Result<System, String> {
        let bytes = self.find(MANIFEST).ok_or("the boot archive has no manifest")?;
        System::from_compact(bytes).map_err(|error| alloc::format!("{error}"))
    }

    /// A cell's program.
    #[must_use]
    pub fn program(&self, name: &str) -> Option<&'static [u8]> {
        self.find(&alloc::format!("cells/{name}"))
    }
}
