//! The kernel's command line: `key=value` words.

use core::fmt;

/// The most detailed level of messages to log, as on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Level {
    /// Only errors.
    Error,
    /// And warnings.
    Warn,
    /// And what a user may want to know.
    #[default]
    Info,
    /// And what a developer may want to know.
    Debug,
    /// And all there is.
    Trace,
}

/// What the command line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Arguments {
    /// `log=`.
    pub level: Level,
}

/// A word of the command line that means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mistake<'a> {
    /// The word.
    pub word: &'a str,
    /// What would be right.
    pub right: &'static str,
}

impl fmt::Display for Mistake<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` on the command line means nothing; {}", self.word, self.right)
    }
}

/// Reads a command line. A word that means nothing is reported to `complain` and passed over: the kernel boots all the same.
pub fn parse<'a>(line: &'a str, mut complain: impl FnMut(Mistake<'a>)) -> Arguments {
    let mut arguments = Arguments::default();
    for word in line.split_ascii_whitespace() {
        match word.split_once('=') {
            Some(("log", "error")) => arguments.level = Level::Error,
            Some(("log", "warn")) => arguments.level = Level::Warn,
            Some(("log", "info")) => arguments.level = Level::Info,
            Some(("log", "debug")) => arguments.level = Level::Debug,
            Some(("log", "trace")) => arguments.level = Level::Trace,
            Some(("log", _)) => complain(Mistake { word, right: "log= takes error, warn, info, debug or trace" }),
            _ => complain(Mistake { word, right: "the only key is log=" }),
        }
    }
    arguments
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    #[test]
    fn mistakes_are_reported_and_passed_over() {
        let mut mistakes = std::vec::Vec::new();
        let arguments = parse(" quiet  log=debug log=loud", |mistake| mistakes.push(mistake.word));
        assert_eq!(arguments.level, Level::Debug);
        assert_eq!(mistakes, ["quiet", "log=loud"]);
    }
}
