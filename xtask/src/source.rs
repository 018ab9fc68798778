//! Rust source as text: what of it is code. Comments, the contents of strings, and tests are taken out, so that lines and
//! keywords can be counted. Pure; a lexer of its own because a parser would be most of xtask's build time.

/// The code of a file: comments and the contents of strings and characters blanked, line structure kept.
pub(crate) fn code(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < letters.len() {
        let rest = &letters[at..];
        let length = match rest {
            ['/', '/', ..] => rest.iter().position(|&letter| letter == '\n').unwrap_or(rest.len()),
            ['/', '*', ..] => block_comment(rest),
            ['"', ..] => string(rest),
            ['r', ..] | ['b', 'r', ..] | ['c', 'r', ..] if !follows_word(&out) => raw_string(rest).unwrap_or(0),
            ['\'', ..] => character(rest).unwrap_or(0),
            _ => 0,
        };
        if length == 0 {
            out.push(letters[at]);
            at += 1;
        } else {
            let comment = letters[at] == '/';
            // A string stays visible as a pair of quotes, so that its line still counts as code.
            out.push_str(if comment { "" } else { "\"\"" });
            out.extend(rest[..length].iter().filter(|&&letter| letter == '\n'));
            at += length;
        }
    }
    out
}

/// Whether the last letter belongs to a word, so that an `r` here does not begin a raw string.
fn follows_word(out: &str) -> bool {
    out.chars().next_back().is_some_and(|letter| letter.is_alphanumeric() || letter == '_')
}

fn block_comment(letters: &[char]) -> usize {
    let (mut at, mut depth) = (0, 0_usize);
    while at < letters.len() {
        match letters[at..] {
            ['/', '*', ..] => (at, depth) = (at + 2, depth + 1),
            ['*', '/', ..] if depth == 1 => return at + 2,
            ['*', '/', ..] => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
    }
    letters.len()
}

fn string(letters: &[char]) -> usize {
    let mut at = 1;
    while at < letters.len() {
        match letters[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    letters.len()
}

fn raw_string(letters: &[char]) -> Option<usize> {
    let start = letters.iter().position(|&letter| letter == 'r')? + 1;
    let hashes = letters[start..].iter().take_while(|&&letter| letter == '#').count();
    let open = start + hashes;
    if letters.get(open) != Some(&'"') {
        return None;
    }
    let ends = |at: usize| {
        letters[at] == '"' && letters[at + 1..].iter().take(hashes).filter(|&&l| l == '#').count() == hashes
    };
    let close = (open + 1..letters.len()).find(|&at| ends(at))?;
    Some(close + 1 + hashes)
}

/// A character in quotes; a lifetime is none.
fn character(letters: &[char]) -> Option<usize> {
    match letters {
        ['\'', '\\', _, rest @ ..] => Some(3 + rest.iter().position(|&letter| letter == '\'')? + 1),
        ['\'', _, '\'', ..] => Some(3),
        _ => None,
    }
}

/// The code without items under `#[cfg(test)]`. Takes the result of [`code`].
pub(crate) fn without_tests(code: &str) -> String {
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find("#[cfg(test)]") {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        rest = &rest[item_end(rest)..];
    }
    out + rest
}

/// Where an item ends: behind its outermost braces, or behind a semicolon outside of all brackets.
fn item_end(item: &str) -> usize {
    let mut depth = 0_i32;
    for (at, letter) in item.char_indices() {
        match letter {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => {
                depth -= 1;
                if depth == 0 && letter == '}' {
                    return at + 1;
                }
            }
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    item.len()
}

/// Lines of code: neither blank nor comment nor test.
pub(crate) fn lines_of_code(text: &str) -> usize {
    without_tests(&code(text)).lines().filter(|line| !line.trim().is_empty()).count()
}

/// How often a word stands in the code, with the text behind it. Takes the result of [`code`].
fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = &'a str> {
    let belongs = |letter: char| letter.is_alphanumeric() || letter == '_';
    code.match_indices(word).filter_map(move |(at, _)| {
        let (before, after) = (&code[..at], &code[at + word.len()..]);
        let alone = !before.chars().next_back().is_some_and(belongs) && !after.chars().next().is_some_and(belongs);
        alone.then_some(after)
    })
}

/// Whether the keyword `unsafe` stands anywhere in the code. Unsafe attributes are left to the compiler's lint, which
/// knows where a macro puts them. Takes the result of [`code`].
pub(crate) fn has_unsafe(code: &str) -> bool {
    words(code, "unsafe").any(|after| !after.starts_with('('))
}

/// Blocks of unsafe code, tests not counted.
pub(crate) fn unsafe_blocks(text: &str) -> usize {
    words(&without_tests(&code(text)), "unsafe").filter(|after| after.trim_start().starts_with('{')).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_strings_and_tests_are_not_code() {
        let text = "//! unsafe\n/* a /* nested */ unsafe { */\nfn f<'a>(x: &'a str) -> char {\n    g(\"unsafe { \\\" \", r#\"unsafe \"{\"#);\n\n    '{'\n}\n#[cfg(test)]\nmod tests {\n    fn t() { unsafe {} }\n}\nstatic A: u8 = b'\\'';\n";
        let code = code(text);
        assert!(!has_unsafe(&without_tests(&code)), "{code}");
        assert_eq!(code.lines().count(), text.lines().count());
        assert_eq!(lines_of_code(text), 5);
        assert_eq!(unsafe_blocks(text), 0);
    }

    #[test]
    fn unsafe_is_found_where_it_is_code() {
        let text = "fn f() { unsafe { g() } }\nunsafe fn h() {}\nconst unsafe_code: u8 = 0; // unsafe {\n";
        assert_eq!(unsafe_blocks(text), 1);
        assert!(has_unsafe(&code(text)));
        assert!(!has_unsafe(&code("#![forbid(unsafe_code)]")));
    }

    #[test]
    fn a_single_item_under_test_ends_at_its_semicolon() {
        assert_eq!(lines_of_code("#[cfg(test)]\nuse std::vec;\nfn f() {}\n"), 1);
    }
}
