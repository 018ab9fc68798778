//! What is typed at the console.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Bytes of a line, at most.
const LINE_MAX: usize = 128;

/// What someone wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// The list of commands.
    Help,
    /// The cells and how they do.
    Cells,
    /// The plan in force.
    Plan,
    /// How the broker works and what it has done.
    Broker,
    /// Why the cells have what they have.
    Why,
    /// The end of a cell.
    Kill(String),
    /// A notification to a cell.
    Notify(String),
    /// So many harts for a cell.
    Resize(String, u32),
    /// The end of everything, with a summary.
    Quit,
    /// Something else: what to say about it.
    Mistake(String),
}

/// What `help` says.
pub const HELP: [&str; 9] = [
    "help               this list",
    "cells              each cell: its hardware threads, state, time and progress",
    "plan               the plan in force",
    "broker             the broker: its optimizer, what it has done, what each cell needs and has",
    "why                why each cell has what it has: what was seen, what is expected",
    "kill NAME          stops a cell and takes back all that it has; the root cell is started again",
    "notify NAME        sends a cell a notification, which wakes it if it is idle",
    "resize NAME HARTS  gives a cell more harts, or has it release some; after 0.1 s they are taken",
    "quit               the summary, then the end",
];

impl Command {
    /// Reads a line; none if it is empty. A name may be any text: whether there is such a cell is for others to say.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let command = match (words.next()?, words.next(), words.next()) {
            _ if line.split_whitespace().nth(3).is_some() => Self::Mistake("that is too much; try `help`".to_string()),
            ("help" | "?", None, None) => Self::Help,
            ("cells", None, None) => Self::Cells,
            ("plan", None, None) => Self::Plan,
            ("broker", None, None) => Self::Broker,
            ("why", None, None) => Self::Why,
            ("quit" | "exit", None, None) => Self::Quit,
            ("kill", Some(name), None) => Self::Kill(name.to_string()),
            ("notify", Some(name), None) => Self::Notify(name.to_string()),
            ("resize", Some(name), Some(harts)) => match harts.parse() {
                Ok(harts) => Self::Resize(name.to_string(), harts),
                Err(_) => Self::Mistake(alloc::format!("`{}` is not a number of harts", harts.escape_debug())),
            },
            ("resize", ..) => Self::Mistake("say which cell and how many harts: resize NAME HARTS".to_string()),
            (word @ ("kill" | "notify"), ..) => Self::Mistake(alloc::format!("say which cell: {word} NAME")),
            (word @ ("help" | "cells" | "plan" | "broker" | "why" | "quit"), ..) => {
                Self::Mistake(alloc::format!("`{word}` stands alone"))
            }
            (word, ..) => Self::Mistake(alloc::format!("there is no command `{}`; try `help`", word.escape_debug())),
        };
        Some(command)
    }
}

/// Puts lines together from what comes byte by byte.
#[derive(Clone, Debug, Default)]
pub struct LineReader {
    line: Vec<u8>,
    too_long: bool,
}

impl LineReader {
    /// Takes a byte; returns the command that it completes. The end of a line is a carriage return or a line feed.
    pub fn push(&mut self, byte: u8) -> Option<Command> {
        match byte {
            b'\r' | b'\n' => {
                let line = core::mem::take(&mut self.line);
                if core::mem::take(&mut self.too_long) {
                    return Some(Command::Mistake(alloc::format!("a command has at most {LINE_MAX} characters")));
                }
                Command::parse(&String::from_utf8_lossy(&line))
            }
            // Control-C, control-D.
            3 | 4 => Some(Command::Quit),
            // Backspace, delete.
            8 | 127 => {
                self.line.pop();
                None
            }
            _ if self.line.len() >= LINE_MAX => {
                self.too_long = true;
                None
            }
            _ => {
                self.line.push(byte);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &[u8]) -> Vec<Command> {
        let mut reader = LineReader::default();
        text.iter().filter_map(|byte| reader.push(*byte)).collect()
    }

    #[test]
    fn commands_are_read_as_typed() {
        let expected = [Command::Help, Command::Kill("hog".to_string()), Command::Cells, Command::Plan, Command::Quit];
        assert_eq!(typed(b"help\n  kill  hog \r\n\ncells\rplax\x08n\nquit\n"), expected);
        assert_eq!(typed(b"he\x03"), [Command::Quit]);
        assert_eq!(typed(b"notify b-2\n"), [Command::Notify("b-2".to_string())]);
        assert_eq!(typed(b"resize b-2 3\n"), [Command::Resize("b-2".to_string(), 3)]);
        assert_eq!(typed(b"notify\n"), [Command::Mistake("say which cell: notify NAME".to_string())]);
    }

    #[test]
    fn whatever_is_typed_gets_an_answer() {
        for line in [
            &b"kill\n"[..],
            b"kill a b\n",
            b"notify a b\n",
            b"cells now\n",
            b"resize\n",
            b"resize a\n",
            b"resize a b\n",
            b"resize a -1\n",
            b"resize a 1 2\n",
            b"\xff\xfe\n",
            b"rm -rf /\n",
        ] {
            assert!(matches!(&typed(line)[..], [Command::Mistake(_)]), "{line:?}");
        }
        let mut long = Vec::from([b'a'; 1000]);
        long.extend(b"\nquit\n");
        assert!(matches!(&typed(&long)[..], [Command::Mistake(_), Command::Quit]));
    }
}
