//! Times as people write them in cases: `10m`, `1h 30m`, `2026-01-05T10:00:00Z`.

use jiff::Timestamp;

const UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// Milliseconds.
pub(super) fn duration(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no duration: write it as 500ms, 10s, 5m, 1h 30m or 7d");
    let mut sum = 0_u64;
    let mut parts = text.split_whitespace().peekable();
    parts.peek().ok_or_else(wrong)?;
    for part in parts {
        let digits = part
            .find(|letter: char| !letter.is_ascii_digit())
            .ok_or_else(wrong)?;
        let (number, unit) = part.split_at(digits);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let (_, ms) = UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .ok_or_else(wrong)?;
        sum = number
            .checked_mul(*ms)
            .and_then(|ms| sum.checked_add(ms))
            .ok_or_else(wrong)?;
    }
    Ok(sum)
}

/// As people read it: the largest unit that leaves nothing over.
pub(super) fn written(ms: u64) -> String {
    let fits = UNITS
        .iter()
        .rev()
        .find(|(_, unit)| ms != 0 && ms.is_multiple_of(*unit));
    match fits {
        Some((name, unit)) => format!("{}{name}", ms / unit),
        None => format!("{ms}ms"),
    }
}

/// Milliseconds since 1970.
pub(super) fn instant(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no time: write it as 2026-01-05T10:00:00Z");
    let time: Timestamp = text.parse().map_err(|_| wrong())?;
    u64::try_from(time.as_millisecond()).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        assert_eq!(duration("10m"), Ok(600_000));
        assert_eq!(duration("1h 30m 5ms"), Ok(5_400_005));
        for wrong in ["", "10", "m", "1y", "-1m", "99999999999999999999d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert_eq!(written(5_400_000), "90m");
        assert_eq!(written(0), "0ms");
        assert_eq!(instant("2026-01-05T10:00:00Z"), Ok(1_767_607_200_000));
        assert!(instant("yesterday").is_err());
    }
}
