//! How a system test or a benchmark is to be run and what it must bring: the comments `# test: key=value ...` (or
//! `# bench: ...`) of its manifest. Pure.

use std::time::Duration;

use crate::console::Message;
use crate::machine::{self, Apic, Mode};

/// The beginning of a system test's comment.
pub(crate) const TEST: &str = "# test:";

/// The beginning of a benchmark's comment.
pub(crate) const BENCH: &str = "# bench:";

/// The status with which QEMU ends when the kernel reports success.
const STATUS_SUCCESS: i32 = 33;

/// What the comments say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) mode: Mode,
    pub(crate) smp: u32,
    pub(crate) apic: Option<Apic>,
    pub(crate) memory: String,
    /// In the host's time.
    pub(crate) timeout: Duration,
    /// The log level of the kernel.
    pub(crate) log: Option<String>,
    /// QEMU's status.
    pub(crate) expect_exit: i32,
    /// Each must be in a line of the console or in a symbolised report.
    pub(crate) expect_output: Vec<String>,
    /// None may be.
    pub(crate) refuse_output: Vec<String>,
    /// How often it is run; each run must pass.
    pub(crate) repeat: u32,
}

impl Default for Header {
    fn default() -> Self {
        Self {
            mode: Mode::Deterministic,
            smp: 2,
            apic: None,
            memory: machine::DEFAULT_MEMORY.to_owned(),
            timeout: Duration::from_secs(60),
            log: None,
            expect_exit: STATUS_SUCCESS,
            expect_output: Vec::new(),
            refuse_output: Vec::new(),
            repeat: 1,
        }
    }
}

impl Header {
    /// Reads all comments of a manifest that begin with `prefix`. They may be spread over several lines.
    ///
    /// # Errors
    /// The line number and what is wrong there, and what would be right.
    pub(crate) fn parse(manifest: &str, prefix: &str) -> Result<Self, (usize, String)> {
        let mut header = Self::default();
        let mut seen = false;
        for (index, line) in manifest.lines().enumerate() {
            let Some(text) = line.strip_prefix(prefix) else { continue };
            seen = true;
            let fail = |message: String| (index + 1, message);
            let words = Message::parse(&format!("@tess test {text}"))
                .ok_or_else(|| fail("the comment cannot be read".to_owned()))?;
            if let Some(word) = words.bare().next() {
                return Err(fail(format!("`{word}` has no value; write key=value")));
            }
            for (key, value) in words.pairs() {
                header.set(key, value).map_err(fail)?;
            }
        }
        if !seen {
            return Err((1, format!("its manifest needs a comment `{prefix} mode=deterministic smp=2 timeout_s=60`")));
        }
        Ok(header)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let wrong = |right: &str| format!("{key}={value} is not understood; {right}");
        match key {
            "mode" => {
                self.mode = match value {
                    "deterministic" => Mode::Deterministic,
                    "parallel" => Mode::Parallel,
                    _ => return Err(wrong("it is deterministic or parallel")),
                }
            }
            "apic" => {
                self.apic = match value {
                    "xapic" => Some(Apic::Xapic),
                    "x2apic" => Some(Apic::X2apic),
                    _ => return Err(wrong("it is xapic or x2apic")),
                }
            }
            "smp" => {
                let smp = value.parse().ok().filter(|smp| (1..=64).contains(smp));
                self.smp = smp.ok_or_else(|| wrong("it is 1 to 64"))?;
            }
            "timeout_s" => {
                let seconds = value.parse().ok().filter(|seconds| (1..=3600).contains(seconds));
                self.timeout = Duration::from_secs(seconds.ok_or_else(|| wrong("it is 1 to 3600"))?);
            }
            "repeat" => {
                let repeat = value.parse().ok().filter(|repeat| (1..=1000).contains(repeat));
                self.repeat = repeat.ok_or_else(|| wrong("it is 1 to 1000"))?;
            }
            "expect-exit" => self.expect_exit = value.parse().map_err(|_| wrong("it is QEMU's exit status"))?,
            "memory" => value.clone_into(&mut self.memory),
            "log" => self.log = Some(value.to_owned()),
            "expect-output" => self.expect_output.push(value.to_owned()),
            "refuse-output" => self.refuse_output.push(value.to_owned()),
            _ => {
                return Err(format!(
                    "there is no key `{key}`; there are mode, smp, apic, memory, timeout_s, log, repeat, expect-exit, \
                     expect-output, refuse-output"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_comments_count_and_outputs_add_up() {
        let text = "# A test.\n# test: mode=parallel smp=4 apic=x2apic\n# test: expect-output=\"cell a\" expect-output=b\n[system]\n";
        let header = Header::parse(text, TEST).unwrap();
        assert_eq!((header.mode, header.smp, header.apic), (Mode::Parallel, 4, Some(Apic::X2apic)));
        assert_eq!(header.expect_output, ["cell a", "b"]);
        assert_eq!(header.expect_exit, 33);
    }

    #[test]
    fn a_mistake_is_reported_with_its_line() {
        let error = |text: &str| Header::parse(text, TEST).unwrap_err();
        assert_eq!(error("\n# test: smp=0").0, 2);
        assert!(error("# test: smp=65").1.contains("1 to 64"));
        assert!(error("# test: timeot_s=5").1.contains("no key `timeot_s`"));
        assert!(error("# test: parallel").1.contains("key=value"));
        assert!(error("[system]\n").1.contains("needs a comment"));
    }
}
