//! What the manifest's `args` say: words, some of them `key=value`.

use crate::system::pages;

/// All of them.
#[must_use]
pub fn text() -> &'static str {
    let parameters = pages::parameters();
    let length = (parameters.length as usize).min(parameters.arguments.len());
    core::str::from_utf8(&parameters.arguments[..length]).unwrap_or("")
}

/// The value of a key.
#[must_use]
pub fn get(key: &str) -> Option<&'static str> {
    text()
        .split_ascii_whitespace()
        .find_map(|word| word.split_once('=').filter(|(name, _)| *name == key).map(|(_, value)| value))
}

/// The value of a key as a number, or a default where it is missing or no number.
#[must_use]
pub fn number(key: &str, default: u64) -> u64 {
    get(key).and_then(|value| value.parse().ok()).unwrap_or(default)
}
