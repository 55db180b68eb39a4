//! What others have written, made fit to be shown in a terminal, and times.

use jiff::{Timestamp, Zoned, tz::TimeZone};

/// A text without what would do something to a terminal or turn what stands around it: control
/// characters become visible, line ends stay.
pub(super) fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let text = text.replace("\r\n", "\n");
    for c in text.chars() {
        match c {
            '\n' => shown.push('\n'),
            '\t' => shown.push_str("    "),
            // Overrides of the direction of writing: what they turn may be somebody else's name.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            c if c.is_control() => shown.push('\u{fffd}'),
            c => shown.push(c),
        }
    }
    shown
}

/// The same on one line.
pub(crate) fn one_line(text: &str) -> String {
    harmless(text).replace('\n', " ")
}

/// What the SDK says to programs, said to whoever has flags instead.
pub(super) fn by_flag(text: &str) -> String {
    text.replace("`Tls::certificate_hex`", "`--certificate`")
}

/// When that was, where the user is.
pub(super) fn local(at_ms: u64, zone: &TimeZone) -> Zoned {
    let at = i64::try_from(at_ms)
        .ok()
        .and_then(|at| Timestamp::from_millisecond(at).ok())
        .unwrap_or(Timestamp::UNIX_EPOCH);
    at.to_zoned(zone.clone())
}

/// `11:06`.
pub(super) fn clock(at_ms: u64, zone: &TimeZone) -> String {
    local(at_ms, zone).strftime("%H:%M").to_string()
}

/// `Sunday 22 November 2026`.
pub(super) fn day(at_ms: u64, zone: &TimeZone) -> String {
    local(at_ms, zone).strftime("%A %-d %B %Y").to_string()
}

/// `2026-11-22 11:06`.
pub(super) fn date_and_clock(at_ms: u64, zone: &TimeZone) -> String {
    local(at_ms, zone).strftime("%Y-%m-%d %H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_written_commands_the_terminal() {
        assert_eq!(
            harmless("a\x1b[2Jb\r\n\tc\u{202e}d"),
            "a\u{fffd}[2Jb\n    cd"
        );
        assert_eq!(one_line("a\nb"), "a b");
    }

    #[test]
    fn a_way_out_is_one_that_a_user_has() {
        let error = tidings_sdk::connection::ConnectError::Certificate {
            address: tidings_sdk::Address::parse("quic://a.test:443").unwrap(),
            reason: "UnknownIssuer".to_owned(),
        };
        let said = by_flag(&error.to_string());
        assert!(said.contains("give that (`--certificate`)"), "{said}");
        assert!(!said.contains("::certificate"), "{said}");
    }

    #[test]
    fn times_are_local() {
        let at = 1_764_000_000_123;
        assert_eq!(date_and_clock(at, &TimeZone::UTC), "2025-11-24 16:00");
        assert_eq!(day(at, &TimeZone::UTC), "Monday 24 November 2025");
        let east = TimeZone::fixed(jiff::tz::offset(9));
        assert_eq!(clock(at, &east), "01:00");
        assert_eq!(day(at, &east), "Tuesday 25 November 2025");
        // No time a server sends breaks anything.
        assert_eq!(clock(u64::MAX, &TimeZone::UTC), "00:00");
    }
}
