//! The list of mistakes, and how one is made in a file's text.

use anyhow::{Context, Result, anyhow, bail};
use toml::{Table, Value};

/// A mistake: a text that occurs exactly once in a file of the crate, and what stands there instead.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mutation {
    pub(super) name: String,
    pub(super) why: String,
    /// Below the crate's folder.
    pub(super) file: String,
    pub(super) find: String,
    pub(super) replace: String,
    /// Tests with this in their names are run first: those that are likely to notice. If they do not, all are run.
    pub(super) tests: Option<String>,
}

/// The keys of an entry.
const KEYS: [&str; 6] = ["name", "why", "file", "find", "replace", "tests"];

/// Reads the list.
///
/// # Errors
/// Which entry lacks what, has what too much, or has another one's name.
pub(super) fn parse(text: &str) -> Result<Vec<Mutation>> {
    let table: Table = text.parse()?;
    let entries = table.get("mutation").and_then(Value::as_array).context("there is no [[mutation]]")?;
    let mut list: Vec<Mutation> = Vec::new();
    for (number, entry) in (1..).zip(entries) {
        let entry = entry.as_table().ok_or_else(|| anyhow!("mutation {number} is no table"))?;
        if let Some(key) = entry.keys().find(|key| !KEYS.contains(&key.as_str())) {
            bail!("mutation {number} has a key `{key}`; there are only {}", KEYS.join(", "));
        }
        let optional = |key: &str| match entry.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => bail!("`{key}` of mutation {number} is no text"),
        };
        let text = |key: &str| optional(key)?.ok_or_else(|| anyhow!("mutation {number} has no `{key}`"));
        let mutation = Mutation {
            name: text("name")?,
            why: text("why")?,
            file: text("file")?,
            find: text("find")?,
            replace: text("replace")?,
            tests: optional("tests")?,
        };
        if mutation.find.trim().is_empty() {
            bail!("`{}` looks for nothing", mutation.name);
        }
        if list.iter().any(|other| other.name == mutation.name) {
            bail!("two mutations are named `{}`", mutation.name);
        }
        list.push(mutation);
    }
    Ok(list)
}

impl Mutation {
    /// Makes the mistake in the file's text. White space counts only as far as it divides words: a formatter may change
    /// the rest.
    ///
    /// # Errors
    /// What it looks for does not occur, or more than once.
    pub(super) fn apply(&self, text: &str) -> Result<String> {
        let words: Vec<&str> = self.find.split_whitespace().collect();
        let first = words.first().copied().context("it looks for nothing")?;
        let fits = |start: usize| {
            let mut rest = &text[start..];
            for (number, word) in words.iter().enumerate() {
                let trimmed = if number == 0 { rest } else { rest.trim_start() };
                rest = trimmed.strip_prefix(word)?;
            }
            Some((start, text.len() - rest.len()))
        };
        let places: Vec<_> = text.match_indices(first).filter_map(|(start, _)| fits(start)).collect();
        match places[..] {
            [(start, end)] => Ok(format!("{}{}{}", &text[..start], self.replace, &text[end..])),
            [] => bail!("`{}`: what it looks for is not in {}", self.name, self.file),
            _ => bail!("`{}`: what it looks for is in {} {} times, not once", self.name, self.file, places.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::subject::SUBJECTS;
    use super::*;

    fn mutation(find: &str) -> Mutation {
        let text = |text: &str| text.to_owned();
        Mutation {
            name: text("n"),
            why: text("w"),
            file: text("f.rs"),
            find: text(find),
            replace: text("b"),
            tests: None,
        }
    }

    #[test]
    fn a_mistake_is_made_where_its_text_stands_and_nowhere_else() {
        assert_eq!(mutation("x  + 1").apply("let y = x\n    + 1;").expect("once"), "let y = b;");
        assert_eq!(mutation("x + 1").apply("x + 2; x + 1").expect("once"), "x + 2; b");
        let missing = mutation("x + 1").apply("nothing").expect_err("it is not there").to_string();
        assert!(missing.contains("is not in f.rs"), "{missing}");
        let twice = mutation("x + 1").apply("x + 1; x + 1;").expect_err("it is there twice").to_string();
        assert!(twice.contains("2 times"), "{twice}");
    }

    #[test]
    fn the_list_says_what_is_wrong_with_it() {
        let whole = "[[mutation]]\nname = 'a'\nwhy = 'b'\nfile = 'c'\nfind = 'd'\nreplace = ''\n";
        let list = parse(whole).expect("whole");
        assert_eq!((list.len(), list[0].tests.as_deref()), (1, None));
        assert_eq!(parse(&format!("{whole}tests = 't'")).expect("whole")[0].tests.as_deref(), Some("t"));
        for (wrong, says) in [
            ("[[mutation]]\nname = 'a'\n".to_owned(), "no `why`"),
            (format!("{whole}test = 't'"), "key `test`"),
            (format!("{whole}tests = 3"), "`tests` of mutation 1 is no text"),
            (whole.replace("'d'", "' '"), "looks for nothing"),
            (whole.repeat(2), "two mutations are named `a`"),
            (String::new(), "no [[mutation]]"),
        ] {
            let error = parse(&wrong).expect_err(says).to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn each_crates_list_fits_its_code() {
        for subject in &SUBJECTS {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(subject.name);
            let list = std::fs::read_to_string(root.join("mutations.toml")).expect("the list is there");
            let list = parse(&list).expect("the list can be read");
            assert!(list.len() >= 12, "there are only {} in {}", list.len(), subject.name);
            for mutation in list {
                let text = std::fs::read_to_string(root.join(&mutation.file)).expect("the file is there");
                let changed = mutation.apply(&text).expect("it can be made");
                assert_ne!(changed, text, "`{}` changes nothing", mutation.name);
            }
        }
    }
}
