use super::*;

/// A program header.
#[derive(Clone, Copy)]
struct Segment {
    flags: u32,
    offset: u64,
    address: u64,
    file: u64,
    memory: u64,
}

/// An ELF file with these segments and `length` bytes in all, each with the low byte of its place.
fn program(entry: u64, segments: &[Segment], length: usize) -> Vec<u8> {
    let mut bytes = Vec::from(*b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    bytes.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    bytes.extend(entry.to_le_bytes());
    bytes.extend(64_u64.to_le_bytes());
    bytes.extend(0_u64.to_le_bytes());
    bytes.extend([0, 0, 0, 0, 64, 0, 56, 0, segments.len() as u8, 0, 0, 0, 0, 0, 0, 0]);
    for segment in segments {
        bytes.extend(PT_LOAD.to_le_bytes());
        bytes.extend(segment.flags.to_le_bytes());
        for word in [segment.offset, segment.address, segment.address, segment.file, segment.memory, 0x1000] {
            bytes.extend(word.to_le_bytes());
        }
    }
    (bytes.len()..length).for_each(|place| bytes.push(place as u8));
    bytes
}

const BASE: u64 = 0x4000_0000;
const CODE: Segment = Segment { flags: 5, offset: 0x1000, address: BASE + 0x1000, file: 0x1800, memory: 0x1800 };
const DATA: Segment = Segment { flags: 6, offset: 0x3000, address: BASE + 0x3000, file: 0x10, memory: 0x2_2000 };
const MEMORY: u64 = 16 << 20;

/// Carries out the steps, and checks that no page is mapped twice.
fn load(program: &[u8], image: &Image) -> std::collections::BTreeMap<u64, Vec<u8>> {
    let mut pages = std::collections::BTreeMap::new();
    for step in &image.steps {
        assert!(
            step.length > 0 && step.length <= MAP_MAX && step.length % PAGE_SIZE == 0 && step.address % PAGE_SIZE == 0
        );
        let mut bytes = vec![0; step.length as usize];
        match &step.content {
            Content::Zero => {}
            Content::File(range) => bytes.copy_from_slice(&program[range.clone()]),
            Content::Part { offset, bytes: range } => {
                assert_eq!(step.length, PAGE_SIZE);
                bytes[*offset..offset + range.len()].copy_from_slice(&program[range.clone()]);
            }
        }
        for (number, page) in bytes.chunks(PAGE_SIZE as usize).enumerate() {
            assert!(pages.insert(step.address + number as u64 * PAGE_SIZE, page.to_vec()).is_none());
        }
    }
    pages
}

#[test]
fn every_byte_of_a_program_arrives_and_the_rest_is_zero() {
    let unaligned = Segment { flags: 4, offset: 0x200, address: BASE + 0x10_0200, file: 0x1000, memory: 0x1000 };
    let file = program(BASE + 0x1000, &[CODE, DATA, unaligned], 0x4000);
    let image = lay_out(&file, MEMORY).expect("a good program");
    let pages = load(&file, &image);
    let byte = |address: u64| pages[&(address & !0xfff)][(address & 0xfff) as usize];
    for segment in [CODE, DATA, unaligned] {
        for offset in 0..segment.memory {
            let expected = if offset < segment.file { file[(segment.offset + offset) as usize] } else { 0 };
            assert_eq!(byte(segment.address + offset), expected, "{:#x} + {offset:#x}", segment.address);
        }
    }
    assert_eq!(byte(BASE + 0x10_0000), 0, "nothing else of the file is shown");
    assert_eq!(pages.len(), 2 + 0x22 + 2);
    assert_eq!(
        image.steps.iter().filter(|step| step.access == Access::ReadWrite).count(),
        1 + (0x21 * 0x1000_u64).div_ceil(crate::abi::call::MAP_MAX) as usize,
        "zeroes come in large steps"
    );
}

#[test]
fn each_impossible_program_is_refused_with_its_reason() {
    let refused =
        |segments: &[Segment]| lay_out(&program(BASE + 0x1000, segments, 0x4000), MEMORY).expect_err("it is wrong");
    assert_eq!(lay_out(b"#!/bin/sh", MEMORY), Err(ImageError::NotElf));
    assert_eq!(refused(&[]), ImageError::Empty);
    assert_eq!(refused(&[Segment { flags: 7, ..CODE }]), ImageError::WritableAndExecutable(BASE + 0x1000));
    assert_eq!(refused(&[Segment { offset: 0x3fff, ..CODE }]), ImageError::CutOff);
    assert_eq!(refused(&[Segment { offset: u64::MAX, ..CODE }]), ImageError::CutOff);
    assert_eq!(refused(&[Segment { memory: 0x10, ..CODE }]), ImageError::CutOff);
    assert_eq!(refused(&[Segment { address: 0x1000, ..CODE }]), ImageError::Outside(0x1000));
    assert_eq!(refused(&[Segment { address: u64::MAX - 1, ..CODE }]), ImageError::Outside(u64::MAX - 1));
    assert_eq!(refused(&[Segment { address: HART_AREAS - 1, ..CODE }]), ImageError::Outside(HART_AREAS - 1));
    assert_eq!(refused(&[CODE, Segment { address: BASE + 0x2fff, ..DATA }]), ImageError::Overlap(BASE + 0x2000));
    let huge = Segment { memory: 1 << 40, ..DATA };
    assert!(matches!(refused(&[CODE, huge]), ImageError::TooLarge { .. }));
    assert_eq!(refused(&[DATA]), ImageError::Entry(BASE + 0x1000));
    let mut other = program(BASE, &[CODE], 0x4000);
    other[18] = 3;
    assert_eq!(lay_out(&other, MEMORY), Err(ImageError::NotForCells));
}

#[test]
fn no_damaged_program_makes_the_loader_panic() {
    let file = program(BASE + 0x1000, &[CODE, DATA], 0x4000);
    for place in 0..176 {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut damaged = file.clone();
            damaged[place] = value;
            if let Ok(image) = lay_out(&damaged, MEMORY) {
                load(&damaged, &image);
            }
        }
    }
    for length in 0..300 {
        let _ = lay_out(&file[..length], MEMORY);
    }
}
