//! The boot archive: an uncompressed USTAR file with the system's manifest and the cells' programs, stripped.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail};
use object::Endianness;
use object::elf::FileHeader64;
use object::read::elf::{FileHeader, ProgramHeader};

use crate::project::Project;

/// A boot archive on disk; removed when dropped.
#[derive(Debug)]
pub(crate) struct Archive {
    path: PathBuf,
}

impl Archive {
    /// Packs the compact manifest and the programs (name in the archive, unstripped ELF).
    ///
    /// # Errors
    /// A program cannot be read or is no ELF file, or the archive cannot be written.
    pub(crate) fn pack(project: &Project, manifest: &[u8], programs: &BTreeMap<String, PathBuf>) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let dir = project.state().join("boot");
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        remove_stale(&dir);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let archive = Self { path: dir.join(format!("{}-{number}.tar", std::process::id())) };
        let mut tar = tar::Builder::new(Vec::new());
        append(&mut tar, "manifest", manifest)?;
        for (name, elf) in programs {
            let data = fs::read(elf).with_context(|| format!("cannot read {}", elf.display()))?;
            let data = strip(data).with_context(|| format!("{} cannot be loaded", elf.display()))?;
            append(&mut tar, &format!("cells/{name}"), &data)?;
        }
        fs::write(&archive.path, tar.into_inner()?)
            .with_context(|| format!("cannot write {}", archive.path.display()))?;
        Ok(archive)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes archives of processes that ended before they could do it themselves.
fn remove_stale(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_string_lossy().split('-').next().and_then(|owner| owner.parse::<u32>().ok());
        if owner.is_some_and(|owner| !Path::new(&format!("/proc/{owner}")).exists()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn append(tar: &mut tar::Builder<Vec<u8>>, name: &str, data: &[u8]) -> Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(data.len() as u64);
    header.set_mode(0o444);
    tar.append_data(&mut header, name, data).with_context(|| format!("cannot pack {name}"))
}

/// Bytes of a program that are loaded, headers included.
///
/// # Errors
/// It cannot be read or is no ELF file.
pub(crate) fn stripped_size(elf: &Path) -> Result<usize> {
    Ok(strip(fs::read(elf)?)?.len())
}

/// Cuts off what no loader reads: everything behind the last segment, and the reference to the section table. The linker
/// puts symbols and debug information there.
fn strip(mut data: Vec<u8>) -> Result<Vec<u8>> {
    let header = FileHeader64::<Endianness>::parse(&*data).context("not a 64-bit ELF file")?;
    let endian = header.endian()?;
    let segments = header.program_headers(endian, &*data)?;
    let table = header.e_phoff(endian) + (segments.len() * size_of_val(&segments[0])) as u64;
    let ends = segments.iter().map(|segment| segment.p_offset(endian) + segment.p_filesz(endian));
    let end = usize::try_from(ends.fold(table, u64::max))?;
    if end > data.len() {
        bail!("a segment lies behind the end of the file");
    }
    data.truncate(end);
    // e_shoff; then e_shnum and e_shstrndx (ELF-64 object file format, figure 2).
    data[0x28..0x30].fill(0);
    data[0x3c..0x40].fill(0);
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Our own test program serves as an ELF file with symbols.
    fn own_program() -> Vec<u8> {
        fs::read("/proc/self/exe").unwrap()
    }

    #[test]
    fn a_stripped_program_keeps_its_segments_and_loses_the_rest() {
        let original = own_program();
        let stripped = strip(original.clone()).unwrap();
        assert!(stripped.len() < original.len());
        let segments = |data: &[u8]| {
            let header = FileHeader64::<Endianness>::parse(data).unwrap();
            let endian = header.endian().unwrap();
            let segments = header.program_headers(endian, data).unwrap();
            segments.iter().map(|segment| segment.data(endian, data).unwrap().to_vec()).collect::<Vec<_>>()
        };
        // All but the header's own two fields, which a segment may cover.
        let (before, after) = (segments(&original), segments(&stripped));
        assert_eq!(before.len(), after.len());
        assert!(before.iter().zip(&after).all(|(before, after)| before.len() == after.len()));
    }

    #[test]
    fn what_is_no_program_is_refused() {
        assert!(strip(b"#!/bin/sh\n".to_vec()).is_err());
    }

    #[test]
    fn the_archive_holds_manifest_and_cells_and_is_removed_afterwards() {
        let project = Project::find().unwrap();
        let programs = BTreeMap::from([("root".to_owned(), PathBuf::from("/proc/self/exe"))]);
        let archive = Archive::pack(&project, b"compact", &programs).unwrap();
        let path = archive.path().to_owned();
        let mut tar = tar::Archive::new(fs::File::open(&path).unwrap());
        let names: Vec<_> = tar.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().into_owned()).collect();
        assert_eq!(names, [Path::new("manifest"), Path::new("cells/root")]);
        drop(archive);
        assert!(!path.exists());
    }
}
