//! Turns program counters into function names and lines, from the unstripped ELF files that stay on the host, and lays
//! out crash reports for reading.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use addr2line::Loader;

use crate::console::{Crash, Message};

/// The cell name by which the kernel speaks of itself.
pub(crate) const KERNEL: &str = "kernel";

/// A place in the source.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    function: String,
    /// `file:line`, where known.
    line: Option<String>,
}

/// Which ELF file belongs to which cell.
#[derive(Debug, Clone)]
pub(crate) struct Symbols {
    kernel: PathBuf,
    /// By cell name.
    cells: BTreeMap<String, PathBuf>,
    /// The project's root, cut from file names.
    root: PathBuf,
}

impl Symbols {
    pub(crate) fn new(kernel: PathBuf, cells: BTreeMap<String, PathBuf>, root: &Path) -> Self {
        Self { kernel, cells, root: root.to_owned() }
    }

    fn elf(&self, cell: &str) -> Option<&Path> {
        if cell == KERNEL { Some(&self.kernel) } else { self.cells.get(cell).map(PathBuf::as_path) }
    }

    /// A crash as text of several lines: what, where, backtrace, registers.
    pub(crate) fn report(&self, crash: &Crash) -> String {
        let mut text = match crash.cell.as_str() {
            KERNEL => format!("The kernel crashed on hardware thread {}: {}\n", crash.hart, crash.reason),
            cell => format!("Cell {cell} crashed on hart {}: {}\n", crash.hart, crash.reason),
        };
        let loader = self.elf(&crash.cell).and_then(|elf| Loader::new(elf).ok());
        for (number, &pc) in crash.frames.iter().enumerate() {
            // A return address lies behind its call, perhaps in the next line or function.
            let probe = if number == 0 { pc } else { pc.saturating_sub(1) };
            let places = loader.as_ref().map_or_else(Vec::new, |loader| self.places(loader, probe));
            text.push_str(&frame(number, pc, &places));
        }
        text.push_str(&registers(&crash.registers));
        text
    }

    /// The places of a program counter: the innermost inlined function first. Empty if unknown.
    fn places(&self, loader: &Loader, pc: u64) -> Vec<Place> {
        let mut places = Vec::new();
        if let Ok(mut frames) = loader.find_frames(pc) {
            while let Ok(Some(frame)) = frames.next() {
                let function = frame.function.as_ref().and_then(|name| name.demangle().ok()).map(|name| plain(&name));
                let line = frame.location.as_ref().and_then(|place| Some((place.file?, place.line)));
                let line = line.map(|(file, line)| {
                    let file = Path::new(file).strip_prefix(&self.root).unwrap_or(Path::new(file)).display();
                    line.map_or_else(|| file.to_string(), |line| format!("{file}:{line}"))
                });
                places.push(Place { function: function.unwrap_or_default(), line });
            }
        }
        // Line tables alone know functions without their modules; the symbol of the outermost one has them.
        if let Some(symbol) = loader.find_symbol(pc) {
            let function = plain(&addr2line::demangle_auto(symbol.into(), None));
            match places.last_mut() {
                Some(place) if function.ends_with(&place.function) => place.function = function,
                Some(_) => {}
                None => places.push(Place { function, line: None }),
            }
        }
        places
    }
}

/// A panic's message for reading.
pub(crate) fn panic_line(message: &Message) -> String {
    let get = |key| message.get(key).unwrap_or("?");
    let who = if get("cell") == KERNEL { "The kernel".to_owned() } else { format!("Cell {}", get("cell")) };
    format!("{who} panicked on hart {}, {}:{}: {}", get("hart"), get("file"), get("line"), get("message"))
}

/// A function name without the compiler's hash.
fn plain(name: &str) -> String {
    match name.rsplit_once("::h") {
        Some((rest, hash)) if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => rest.to_owned(),
        _ => name.to_owned(),
    }
}

fn frame(number: usize, pc: u64, places: &[Place]) -> String {
    let mut text = String::new();
    for (depth, place) in places.iter().enumerate() {
        let head = if depth == 0 { format!("{number:>4}  {pc:#018x}") } else { " ".repeat(24) };
        let function = if place.function.is_empty() { "?" } else { &place.function };
        let inlined = if depth + 1 < places.len() { " (inlined)" } else { "" };
        let _ = writeln!(text, "{head}  {function}{inlined}");
        if let Some(line) = &place.line {
            let _ = writeln!(text, "{}    at {line}", " ".repeat(24));
        }
    }
    if places.is_empty() {
        let _ = writeln!(text, "{number:>4}  {pc:#018x}  ?");
    }
    text
}

/// Registers, four to a line.
fn registers(registers: &[(String, u64)]) -> String {
    let mut text = String::new();
    for row in registers.chunks(4) {
        for (name, value) in row {
            let _ = write!(text, "  {name:>6} {value:016x}");
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_shows_inlined_functions_with_their_lines() {
        let places = [
            Place { function: "core::ptr::read".into(), line: Some("ptr.rs:10".into()) },
            Place { function: "victim::main".into(), line: None },
        ];
        let text = frame(1, 0x4000_1234, &places);
        assert!(text.contains("core::ptr::read (inlined)\n"), "{text}");
        assert!(text.contains("at ptr.rs:10\n"), "{text}");
        assert!(text.contains("victim::main\n"), "{text}");
        assert_eq!(text.matches("0x0000000040001234").count(), 1);
    }

    #[test]
    fn an_unknown_frame_still_shows_its_address() {
        assert_eq!(frame(0, 0x10, &[]), "   0  0x0000000000000010  ?\n");
    }

    #[test]
    fn the_compilers_hash_is_not_shown() {
        assert_eq!(plain("victim::main::h0123456789abcdef"), "victim::main");
        assert_eq!(plain("victim::halt"), "victim::halt");
    }

    #[test]
    fn registers_stand_four_to_a_line() {
        let five: Vec<_> = ["rax", "rbx", "rcx", "rdx", "rsi"].iter().map(|name| ((*name).to_owned(), 1)).collect();
        assert_eq!(registers(&five).lines().count(), 2);
    }

    #[test]
    fn our_own_functions_are_found_by_their_address() {
        let symbols = Symbols::new("/proc/self/exe".into(), BTreeMap::new(), Path::new("/"));
        let loader = Loader::new("/proc/self/exe").unwrap();
        let here = our_own_functions_are_found_by_their_address as fn() as usize as u64;
        let base = here - {
            // The test program is position-independent: find where it was loaded.
            let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
            let first = maps.lines().next().unwrap().split('-').next().unwrap().to_owned();
            u64::from_str_radix(&first, 16).unwrap()
        };
        let places = symbols.places(&loader, base + 4);
        let names: Vec<_> = places.iter().map(|place| place.function.as_str()).collect();
        assert!(names.iter().any(|name| name.contains("our_own_functions_are_found")), "{names:?}");
    }
}
