//! Durations and sizes, as people write them.

use core::fmt;

/// A duration in ns; shown with the largest unit that needs at most three decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nanoseconds(pub u64);

/// A size in bytes; shown with the largest unit that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

const DURATIONS: [(&str, u64); 4] = [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000), ("ns", 1)];
const SIZES: [(&str, u64); 5] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl fmt::Display for Nanoseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(f, self.0, &DURATIONS)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(f, self.0, &SIZES)
    }
}

/// Three decimals at most, rounded down, without trailing zeroes.
fn show(f: &mut fmt::Formatter<'_>, value: u64, units: &[(&str, u64)]) -> fmt::Result {
    let (name, unit) = units.iter().find(|(_, unit)| value >= *unit).or(units.last()).copied().unwrap_or(("", 1));
    let (whole, thousandths) = (value / unit, u128::from(value % unit) * 1000 / u128::from(unit));
    match (thousandths, thousandths % 10, thousandths % 100) {
        (0, ..) => write!(f, "{whole} {name}"),
        (_, _, 0) => write!(f, "{whole}.{} {name}", thousandths / 100),
        (_, 0, _) => write!(f, "{whole}.{:02} {name}", thousandths / 10),
        _ => write!(f, "{whole}.{thousandths:03} {name}"),
    }
}

/// Reads a duration such as `10 ms`, `0.5 s` or `100us`, in ns. Units: `s`, `ms`, `us`, `ns`.
///
/// `None` if it is not one, not a whole number of ns, or more than 64 bits hold.
#[cfg(feature = "host")]
#[must_use]
pub fn parse_duration(text: &str) -> Option<u64> {
    read(text, &DURATIONS)
}

/// Reads a size such as `16 MiB`, `64KiB` or `4096 B`, in bytes. Units: `B`, `KiB`, `MiB`, `GiB`, `TiB`.
///
/// `None` if it is not one, not a whole number of bytes, or more than 64 bits hold.
#[cfg(feature = "host")]
#[must_use]
pub fn parse_size(text: &str) -> Option<u64> {
    read(text, &SIZES)
}

#[cfg(feature = "host")]
fn read(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let (number, name) = text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.')?);
    let unit = units.iter().find(|(candidate, _)| *candidate == name.trim_start())?.1;
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || decimals.is_empty() || decimals.len() > 9 || decimals.contains('.') {
        return None;
    }
    let scale = 10_u128.pow(u32::try_from(decimals.len()).ok()?);
    let part = decimals.parse::<u128>().ok()?.checked_mul(u128::from(unit))?;
    if part % scale != 0 {
        return None;
    }
    let whole = whole.parse::<u64>().ok()?.checked_mul(unit)?;
    whole.checked_add(u64::try_from(part / scale).ok()?)
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn quantities_read_as_people_write_them() {
        assert_eq!(parse_duration("10 ms"), Some(10_000_000));
        assert_eq!(parse_duration("100us"), Some(100_000));
        assert_eq!(parse_duration("0.5 s"), Some(500_000_000));
        assert_eq!(parse_duration("0 s"), Some(0));
        assert_eq!(parse_size("16 MiB"), Some(16 << 20));
        assert_eq!(parse_size("1.5KiB"), Some(1536));
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in [
            "",
            "10",
            "ms",
            "-1 ms",
            "1.2.3 s",
            ". s",
            "1. s",
            "0.5 ns",
            "10 parsecs",
            "99999999999999999999 s",
            "18446744073709551615 s",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
        assert_eq!(parse_size("16 MB"), None);
    }

    #[test]
    fn quantities_are_shown_with_a_fitting_unit() {
        assert_eq!(Nanoseconds(50_000_000).to_string(), "50 ms");
        assert_eq!(Nanoseconds(1_500).to_string(), "1.5 us");
        assert_eq!(Nanoseconds(1_050_000_000).to_string(), "1.05 s");
        assert_eq!(Nanoseconds(1_001).to_string(), "1.001 us");
        assert_eq!(Nanoseconds(0).to_string(), "0 ns");
        assert_eq!(Bytes(16 << 20).to_string(), "16 MiB");
        assert_eq!(Bytes(u64::MAX).to_string(), "16777215.999 TiB");
    }
}
