//! What the muxers count, for people and for machines.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::abi::machine::MachineInfo;

/// The counters with the names that lines for machines give them.
#[must_use]
pub fn named(info: &MachineInfo) -> [(&'static str, u64); 5] {
    [
        ("ipis", info.ipis),
        ("inputs", info.inputs),
        ("late_inputs", info.late_inputs),
        ("divergences", info.divergences),
        ("repairs", info.repairs),
    ]
}

/// As words `key=value`.
#[must_use]
pub fn words(info: &MachineInfo) -> String {
    named(info).map(|(name, value)| format!("{name}={value}")).join(" ")
}

/// For the summary: what is not 0, besides the interrupts, which it tells anyway. None if nothing is.
#[must_use]
pub fn line(info: &MachineInfo) -> Option<String> {
    let counts = [
        (info.inputs, "wake or idle input", "wake or idle inputs"),
        (info.late_inputs, "input or plan published late", "inputs or plans published late"),
        (info.divergences, "divergence", "divergences"),
        (info.repairs, "repair", "repairs"),
    ];
    let told = counts.iter().filter(|(count, ..)| *count > 0);
    let parts: Vec<String> =
        told.map(|(count, one, many)| format!("{count} {}", if *count == 1 { one } else { many })).collect();
    (!parts.is_empty()).then(|| format!("  muxers: {}", parts.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_happened_is_told() {
        let mut info = MachineInfo { ipis: 3, ..MachineInfo::default() };
        assert_eq!(line(&info), None);
        info.inputs = 812;
        assert_eq!(line(&info).as_deref(), Some("  muxers: 812 wake or idle inputs"));
        (info.late_inputs, info.divergences, info.repairs) = (2, 1, 1);
        let expected = "  muxers: 812 wake or idle inputs, 2 inputs or plans published late, 1 divergence, 1 repair";
        assert_eq!(line(&info).as_deref(), Some(expected));
        assert_eq!(words(&info), "ipis=3 inputs=812 late_inputs=2 divergences=1 repairs=1");
    }
}
