//! The console's protocol: lines for machines start with `@tess`, a kind, and words that are `key=value` or bare; a value
//! with spaces stands in quotes, with `\"`, `\\` and `\n` inside. Pure.

/// The beginning of a line for machines.
const PREFIX: &str = "@tess ";

/// A line for machines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) kind: String,
    words: Vec<(Option<String>, String)>,
}

impl Message {
    /// Reads a line; `None` if it is not for machines. Never fails: what is malformed is kept as bare words.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut rest = line.trim_end_matches(['\r', '\n']).strip_prefix(PREFIX)?.trim_start();
        let mut words = Vec::new();
        while !rest.is_empty() {
            let (word, after) = next_word(rest);
            words.push(word);
            rest = after.trim_start();
        }
        if words.is_empty() || words[0].0.is_some() {
            return None;
        }
        let kind = words.remove(0).1;
        Some(Self { kind, words })
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.words.iter().find(|(name, _)| name.as_deref() == Some(key)).map(|(_, value)| value.as_str())
    }

    /// The value of a key as a number, decimal or with `0x`.
    pub(crate) fn number(&self, key: &str) -> Option<u64> {
        self.get(key).and_then(parse_number)
    }

    /// The words without a key.
    pub(crate) fn bare(&self) -> impl Iterator<Item = &str> {
        self.words.iter().filter(|(key, _)| key.is_none()).map(|(_, value)| value.as_str())
    }

    /// All keys with their values.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.words.iter().filter_map(|(key, value)| Some((key.as_deref()?, value.as_str())))
    }
}

fn parse_number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Splits off one word: its key, if it has one, and its value.
fn next_word(text: &str) -> ((Option<String>, String), &str) {
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    match text[..end].find('=') {
        Some(at) if at > 0 && !text[..at].contains('"') => {
            let (value, rest) = next_value(&text[at + 1..]);
            ((Some(text[..at].to_owned()), value), rest)
        }
        _ => {
            let (value, rest) = next_value(text);
            ((None, value), rest)
        }
    }
}

/// Splits off a value, quoted or not.
fn next_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => match letters.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, escaped)) => value.push(escaped),
                None => break,
            },
            letter => value.push(letter),
        }
    }
    // No closing quote: the line was cut. What there is, is the value.
    (value, "")
}

/// One measurement: a figure's name and its values, in the unit that the name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) values: Vec<u64>,
}

impl Sample {
    /// Reads `@tess sample NAME v1 v2 ...`; `None` if there is no name or a value is no number.
    pub(crate) fn from_message(message: &Message) -> Option<Self> {
        let mut words = message.bare();
        let name = words.next()?.to_owned();
        Some(Self { name, values: words.map(parse_number).collect::<Option<_>>()? })
    }
}

/// One check of a system test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Check {
    pub(crate) name: String,
    pub(crate) pass: bool,
    pub(crate) detail: String,
}

impl Check {
    pub(crate) fn from_message(message: &Message) -> Self {
        let text = |key| message.get(key).unwrap_or_default().to_owned();
        Self { name: text("name"), pass: message.get("pass") == Some("true"), detail: text("detail") }
    }
}

/// A crash, as reported line by line until `crash-end`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Crash {
    pub(crate) cell: String,
    pub(crate) hart: u64,
    pub(crate) reason: String,
    /// Program counters, innermost first; the first is exact, the others are return addresses.
    pub(crate) frames: Vec<u64>,
    /// In the kernel's order.
    pub(crate) registers: Vec<(String, u64)>,
}

/// Puts crashes together. Reports of several cells may interleave.
#[derive(Debug, Default)]
pub(crate) struct CrashCollector {
    open: Vec<Crash>,
}

impl CrashCollector {
    /// Takes a line; returns the crash that it completes.
    pub(crate) fn take(&mut self, message: &Message) -> Option<Crash> {
        let cell = message.get("cell").unwrap_or("?");
        match message.kind.as_str() {
            "crash" => {
                let superseded = self.close(cell);
                self.open.push(Crash {
                    cell: cell.to_owned(),
                    hart: message.number("hart").unwrap_or(0),
                    reason: message.get("reason").unwrap_or("no reason given").to_owned(),
                    frames: message.number("rip").into_iter().collect(),
                    registers: Vec::new(),
                });
                superseded
            }
            "frame" => {
                let crash = self.open.iter_mut().find(|crash| crash.cell == cell)?;
                if let Some(pc) = message.number("pc") {
                    // The kernel may or may not repeat the instruction pointer as frame 0.
                    let repeats = crash.frames.len() == 1 && crash.frames[0] == pc;
                    if !repeats {
                        crash.frames.push(pc);
                    }
                }
                None
            }
            "register" => {
                let crash = self.open.iter_mut().find(|crash| crash.cell == cell)?;
                let named = message.pairs().filter(|(key, _)| !["cell", "hart"].contains(key));
                crash.registers.extend(named.filter_map(|(name, value)| Some((name.to_owned(), parse_number(value)?))));
                None
            }
            "crash-end" => self.close(cell),
            _ => None,
        }
    }

    /// Reports that never ended (the machine stopped).
    pub(crate) fn rest(&mut self) -> Vec<Crash> {
        std::mem::take(&mut self.open)
    }

    fn close(&mut self, cell: &str) -> Option<Crash> {
        let at = self.open.iter().position(|crash| crash.cell == cell)?;
        Some(self.open.remove(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(line: &str) -> Message {
        Message::parse(line).unwrap_or_else(|| panic!("not for machines: {line}"))
    }

    #[test]
    fn quoted_values_keep_spaces_and_escapes() {
        let check = message(r#"@tess check name="no window missed" pass=false detail="expected \"0\" saw 3""#);
        assert_eq!(check.kind, "check");
        let check = Check::from_message(&check);
        assert_eq!(check.name, "no window missed");
        assert!(!check.pass);
        assert_eq!(check.detail, r#"expected "0" saw 3"#);
    }

    #[test]
    fn other_lines_are_not_for_machines() {
        assert_eq!(Message::parse("hello"), None);
        assert_eq!(Message::parse("  @tess status"), None);
        assert_eq!(Message::parse("@tess "), None);
        assert_eq!(Message::parse("@tess key=value"), None);
    }

    #[test]
    fn a_cut_line_is_kept_as_far_as_it_goes() {
        assert_eq!(message("@tess status text=\"cells 3 ru").get("text"), Some("cells 3 ru"));
        assert_eq!(message("@tess status text=\"ends in \\").get("text"), Some("ends in "));
    }

    #[test]
    fn a_sample_has_a_name_and_integers() {
        let sample = Sample::from_message(&message("@tess sample gang.skew_ns.idle 270 310 1200\r\n")).unwrap();
        assert_eq!((sample.name.as_str(), sample.values.as_slice()), ("gang.skew_ns.idle", &[270, 310, 1200][..]));
        assert_eq!(Sample::from_message(&message("@tess sample gang.skew_ns 27O")), None);
    }

    #[test]
    fn interleaved_crashes_are_told_apart_by_their_cells() {
        let mut collector = CrashCollector::default();
        let lines = [
            r#"@tess crash cell=a hart=1 reason="page fault" rip=0x40001000"#,
            r#"@tess crash cell=b hart=0 reason="invalid opcode" rip=0x40002000"#,
            "@tess frame cell=a n=0 pc=0x40001000",
            "@tess frame cell=a n=1 pc=0x40001100",
            "@tess register cell=b rax=0x1 rbx=2",
        ];
        for line in lines {
            assert_eq!(collector.take(&message(line)), None);
        }
        let b = collector.take(&message("@tess crash-end cell=b")).unwrap();
        assert_eq!(b.registers, [("rax".to_owned(), 1), ("rbx".to_owned(), 2)]);
        assert_eq!(b.frames, [0x4000_2000]);
        let rest = collector.rest();
        assert_eq!(rest.len(), 1);
        assert_eq!((rest[0].cell.as_str(), rest[0].hart), ("a", 1));
        assert_eq!(rest[0].frames, [0x4000_1000, 0x4000_1100]);
    }

    #[test]
    fn no_line_is_too_strange_to_be_read() {
        for line in ["@tess x =", "@tess x \"", "@tess x a=\"b\"c", "@tess x =\"", "@tess é=ü ß", "@tess \"a b\" c"]
        {
            let _ = Message::parse(line);
        }
    }
}
