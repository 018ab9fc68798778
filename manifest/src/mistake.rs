//! Mistakes in a manifest, each with its place.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

/// One mistake: where, what is wrong, and what would be right. Shown as `file:line:column: message`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The file, as it was named to [`crate::parse`].
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
    /// The sentence.
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)
    }
}

impl core::error::Error for Mistake {}

/// Collects mistakes and finds their places in the text.
pub(crate) struct Mistakes<'a> {
    text: &'a str,
    file: &'a str,
    found: Vec<(usize, String)>,
}

impl<'a> Mistakes<'a> {
    pub(crate) fn new(text: &'a str, file: &'a str) -> Self {
        Self { text, file, found: Vec::new() }
    }

    /// Notes a mistake at these bytes of the text.
    pub(crate) fn add(&mut self, span: &Range<usize>, message: impl Into<String>) {
        self.found.push((span.start, message.into()));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// All of them in the order of the text.
    pub(crate) fn finish(mut self) -> Vec<Mistake> {
        self.found.sort_by_key(|(place, _)| *place);
        self.found.into_iter().map(|(place, message)| locate(self.text, self.file, place, message)).collect()
    }
}

fn locate(text: &str, file: &str, place: usize, message: String) -> Mistake {
    let before = text.get(..place.min(text.len())).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Mistake {
        file: file.to_owned(),
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        message,
    }
}
