//! Whether a system did what its manifest expects.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use manifest::Expect;

/// How a cell stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It runs.
    Running,
    /// It ended by itself with this code.
    Exited(u64),
    /// The kernel stopped it; the processor's exception vector.
    Faulted(u64),
    /// Someone at the console ended it.
    Killed,
    /// The root cell was started again meanwhile and does not know.
    Forgotten,
    /// It could not be started; why.
    NotStarted(String),
}

impl Fate {
    /// As an entry of a table.
    #[must_use]
    pub fn brief(&self) -> String {
        if let Self::NotStarted(_) = self { "did not start".to_string() } else { self.describe() }
    }

    /// As part of a sentence.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Running => "runs".to_string(),
            Self::Exited(code) => format!("ended with code {code}"),
            Self::Faulted(vector) => format!("faulted (exception {vector})"),
            Self::Killed => "was killed".to_string(),
            Self::Forgotten => "was gone when the root cell was started again".to_string(),
            Self::NotStarted(why) => format!("did not start: {why}"),
        }
    }
}

/// What happened to a cell.
#[derive(Clone, Debug)]
pub struct Outcome<'a> {
    /// The cell.
    pub name: &'a str,
    /// What the manifest expects.
    pub expect: Expect,
    /// It was to miss no window.
    pub no_missed: bool,
    /// Windows that it missed.
    pub missed: u64,
    /// How it stands now, or how it ended last.
    pub fate: Fate,
    /// Times that it ended with another code than 0, over all restarts.
    pub bad_exits: u64,
    /// Times that it faulted, over all restarts.
    pub faults: u64,
    /// Times that it ended with code 0, over all restarts.
    pub good_exits: u64,
}

/// One thing that was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What.
    pub name: String,
    /// Whether it is so.
    pub pass: bool,
    /// What was expected and what was seen.
    pub detail: String,
}

/// Checks what the manifest expects of a cell. A restarted cell that is expected to run may have ended before.
#[must_use]
pub fn checks(outcome: &Outcome<'_>) -> Vec<Check> {
    let name = outcome.name;
    let seen = outcome.fate.describe();
    let (wanted, pass) = match outcome.expect {
        Expect::Run => ("runs to the end", matches!(outcome.fate, Fate::Running | Fate::Killed)),
        Expect::Exit => ("ends with code 0", outcome.good_exits > 0 && outcome.bad_exits == 0 && outcome.faults == 0),
        Expect::Refused => ("does not start", matches!(outcome.fate, Fate::NotStarted(_))),
        Expect::Fault => ("faults", outcome.faults > 0 && outcome.bad_exits == 0),
    };
    let mut checks = Vec::from([Check {
        name: format!("{name} {wanted}"),
        pass,
        detail: format!("expected that it {wanted}, saw that it {seen}"),
    }]);
    if outcome.no_missed {
        let started = !matches!(outcome.fate, Fate::NotStarted(_));
        checks.push(Check {
            name: format!("{name} misses no window"),
            pass: started && outcome.missed == 0,
            detail: format!("expected 0 missed windows, saw {} ({seen})", outcome.missed),
        });
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(expect: Expect, fate: Fate) -> Outcome<'static> {
        let (bad_exits, good_exits, faults) = match fate {
            Fate::Exited(0) => (0, 1, 0),
            Fate::Exited(_) => (1, 0, 0),
            Fate::Faulted(_) => (0, 0, 1),
            _ => (0, 0, 0),
        };
        Outcome { name: "c", expect, no_missed: false, missed: 3, fate, bad_exits, faults, good_exits }
    }

    #[test]
    fn each_expectation_is_met_by_its_own_end_and_by_no_other() {
        let fates = [
            (Fate::Running, [true, false, false, false]),
            (Fate::Exited(0), [false, true, false, false]),
            (Fate::Exited(1), [false, false, false, false]),
            (Fate::Faulted(14), [false, false, true, false]),
            (Fate::Killed, [true, false, false, false]),
            (Fate::NotStarted("no such program".to_string()), [false, false, false, true]),
        ];
        for (fate, expected) in fates {
            for (expect, pass) in [Expect::Run, Expect::Exit, Expect::Fault, Expect::Refused].into_iter().zip(expected)
            {
                let checks = checks(&outcome(expect, fate.clone()));
                assert_eq!((checks.len(), checks[0].pass), (1, pass), "{expect:?} {fate:?}");
            }
        }
    }

    #[test]
    fn a_missed_window_fails_only_where_it_matters() {
        let mut victim = outcome(Expect::Run, Fate::Running);
        victim.no_missed = true;
        let found = checks(&victim);
        assert!(found[0].pass && !found[1].pass, "{found:?}");
        assert_eq!(found[1].detail, "expected 0 missed windows, saw 3 (runs)");
        victim.missed = 0;
        assert!(checks(&victim).iter().all(|check| check.pass));
        victim.fate = Fate::NotStarted(String::new());
        assert!(checks(&victim).iter().all(|check| !check.pass));
    }

    #[test]
    fn a_bad_end_is_not_forgotten_after_a_restart() {
        let mut twice = outcome(Expect::Exit, Fate::Exited(0));
        twice.faults = 1;
        assert!(!checks(&twice)[0].pass);
    }
}
