//! Misuse does not compile, and the message says what to do.

#![forbid(unsafe_code)]

#[test]
fn misuse_does_not_compile_and_is_told_what_to_do() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
