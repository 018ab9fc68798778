//! The name of something new, in the forms in which it is written. Pure.

use std::fmt::{self, Display, Formatter};

/// The longest name: what a system's manifest allows.
const LENGTH_MAX: usize = manifest::limits::NAME_MAX;

/// Words of the language, reserved ones included, which no module can be named by.
const KEYWORDS: [&str; 51] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn", "else",
    "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod",
    "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static", "struct", "super", "trait", "true",
    "try", "type", "typeof", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// Words that cargo or the compiler have taken for crates and folders.
const RESERVED: [&str; 9] = ["alloc", "build", "core", "deps", "examples", "incremental", "proc-macro", "std", "test"];

/// A good name: words of small letters and digits, the first of which begins with a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name(Vec<String>);

/// What is wrong with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BadName {
    Empty,
    TooLong { length: usize },
    Letter { letter: char },
    FirstLetter { letter: char },
    Separators,
    Mixed,
    Keyword,
    Reserved,
}

impl Display for BadName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "it is empty"),
            Self::TooLong { length } => write!(f, "it has {length} letters, {LENGTH_MAX} are the most"),
            Self::Letter { letter } => {
                write!(f, "`{letter}` is in it; small letters (a to z), digits and one kind of - and _ are allowed")
            }
            Self::FirstLetter { letter } => write!(f, "it begins with `{letter}`; it must begin with a letter"),
            Self::Separators => write!(f, "a - or _ stands at its end or beside another one"),
            Self::Mixed => write!(f, "both - and _ are in it; use one kind"),
            Self::Keyword => write!(f, "it is a keyword of Rust"),
            Self::Reserved => write!(f, "cargo or the compiler use it for something else"),
        }
    }
}

impl std::error::Error for BadName {}

impl Name {
    /// Reads a name as a user writes it: `my-name` or `my_name`.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, BadName> {
        let first = text.chars().next().ok_or(BadName::Empty)?;
        let allowed = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-_".contains(letter);
        if let Some(letter) = text.chars().find(|letter| !allowed(*letter)) {
            return Err(BadName::Letter { letter });
        }
        if !first.is_ascii_lowercase() {
            return Err(BadName::FirstLetter { letter: first });
        }
        if text.contains('-') && text.contains('_') {
            return Err(BadName::Mixed);
        }
        let words: Vec<String> = text.split(['-', '_']).map(str::to_owned).collect();
        if words.iter().any(String::is_empty) {
            return Err(BadName::Separators);
        }
        if text.len() > LENGTH_MAX {
            return Err(BadName::TooLong { length: text.len() });
        }
        let name = Self(words);
        if KEYWORDS.contains(&name.snake().as_str()) {
            return Err(BadName::Keyword);
        }
        if RESERVED.contains(&name.kebab().as_str()) {
            return Err(BadName::Reserved);
        }
        Ok(name)
    }

    /// `my-name`: packages, programs, systems, folders.
    pub(super) fn kebab(&self) -> String {
        self.0.join("-")
    }

    /// `my_name`: modules and their files.
    pub(super) fn snake(&self) -> String {
        self.0.join("_")
    }

    /// `MyName`: types.
    pub(super) fn camel(&self) -> String {
        let capital = |word: &String| word[..1].to_ascii_uppercase() + &word[1..];
        self.0.iter().map(capital).collect()
    }

    /// Fills a template: `{{name}}`, `{{module}}` and `{{Type}}` become the three forms.
    pub(super) fn fill(&self, template: &str) -> String {
        template
            .replace("{{name}}", &self.kebab())
            .replace("{{module}}", &self.snake())
            .replace("{{Type}}", &self.camel())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_three_forms() {
        for text in ["fair-share-2", "fair_share_2"] {
            let name = Name::parse(text).unwrap();
            assert_eq!((name.kebab().as_str(), name.snake().as_str()), ("fair-share-2", "fair_share_2"));
            assert_eq!(name.camel(), "FairShare2");
            assert_eq!(name.fill("{{name}} {{module}} {{Type}}"), "fair-share-2 fair_share_2 FairShare2");
        }
    }

    #[test]
    fn a_bad_name_is_refused_with_the_reason() {
        for (text, expected) in [
            ("", BadName::Empty),
            ("Lottery", BadName::Letter { letter: 'L' }),
            ("my lottery", BadName::Letter { letter: ' ' }),
            ("../lottery", BadName::Letter { letter: '.' }),
            ("a/b", BadName::Letter { letter: '/' }),
            ("{{name}}", BadName::Letter { letter: '{' }),
            ("lös", BadName::Letter { letter: 'ö' }),
            ("2nd", BadName::FirstLetter { letter: '2' }),
            ("_private", BadName::FirstLetter { letter: '_' }),
            ("-v", BadName::FirstLetter { letter: '-' }),
            ("a--b", BadName::Separators),
            ("a-", BadName::Separators),
            ("a-b_c", BadName::Mixed),
            ("yield", BadName::Keyword),
            ("async", BadName::Keyword),
            ("core", BadName::Reserved),
            ("proc_macro", BadName::Reserved),
        ] {
            assert_eq!(Name::parse(text), Err(expected), "{text:?}");
        }
        let long = "a".repeat(LENGTH_MAX + 1);
        assert_eq!(Name::parse(&long), Err(BadName::TooLong { length: LENGTH_MAX + 1 }));
        assert!(Name::parse(&long[1..]).is_ok());
    }
}
