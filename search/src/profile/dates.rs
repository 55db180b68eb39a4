//! Days and moments in text, as milliseconds since 1970 (UTC).

use jiff::{SignedDuration, Timestamp, civil::Date};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// What can be written: the years 1 to 9999.
pub(crate) const RANGE: std::ops::RangeInclusive<i64> = -62_135_596_800_000..=253_402_300_799_999;

/// What a date in text covers: a year `2026`, month `2026-11`, day `2026-11-22`, or a moment (RFC 3339).
/// Both ends belong to it.
pub(crate) fn span(text: &str) -> Option<(i64, i64)> {
    if text.len() > 10 {
        let moment: Timestamp = text.parse().ok()?;
        let ms = moment.as_millisecond();
        return RANGE.contains(&ms).then_some((ms, ms));
    }
    let mut parts = text.split('-');
    let year = digits(parts.next()?, 4)?;
    let month = parts.next().map(|month| digits(month, 2));
    let day = parts.next().map(|day| digits(day, 2));
    if parts.next().is_some() || year == 0 {
        return None;
    }
    let start = |year: i16, month: i16, day: i16| {
        let date = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
        Some(date.duration_since(EPOCH).as_secs() * 1000)
    };
    let (from, to) = match (month, day) {
        (None, _) => (start(year, 1, 1)?, start(year, 12, 31)?),
        (Some(month), None) => {
            let month = month?;
            let last = Date::new(year, i8::try_from(month).ok()?, 1)
                .ok()?
                .days_in_month();
            (start(year, month, 1)?, start(year, month, last.into())?)
        }
        (Some(month), Some(day)) => {
            let start = start(year, month?, day?)?;
            (start, start)
        }
    };
    Some((from, to + DAY_MS - 1))
}

/// A day, at its beginning, or a moment.
pub(crate) fn moment(text: &str) -> Option<i64> {
    if text.len() < 10 {
        return None;
    }
    span(text).map(|(from, _)| from)
}

/// How a date is written: as the day if it is its beginning, otherwise as a moment.
pub(crate) fn write(ms: i64) -> String {
    let (day, rest) = (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS));
    let Some(date) = day.checked_mul(24).and_then(|hours| {
        EPOCH
            .checked_add(SignedDuration::try_from_hours(hours)?)
            .ok()
    }) else {
        // Nothing that was checked.
        return format!("{ms}ms");
    };
    if rest == 0 {
        return date.to_string();
    }
    let (hours, minutes) = (rest / 3_600_000, rest / 60_000 % 60);
    let (seconds, ms) = (rest / 1000 % 60, rest % 1000);
    match ms {
        0 => format!("{date}T{hours:02}:{minutes:02}:{seconds:02}Z"),
        _ => format!("{date}T{hours:02}:{minutes:02}:{seconds:02}.{ms:03}Z"),
    }
}

/// How the end of a range is written: as the day if it is its last millisecond.
pub(crate) fn write_end(ms: i64) -> String {
    match ms.rem_euclid(DAY_MS) {
        0 => write_moment(ms),
        rest if rest == DAY_MS - 1 => write(ms - rest),
        _ => write(ms),
    }
}

/// How a moment is written that may be the beginning of a day, and is not to be taken for all of it.
pub(crate) fn write_moment(ms: i64) -> String {
    let written = write(ms);
    if written.len() == 10 {
        format!("{written}T00:00:00Z")
    } else {
        written
    }
}

const EPOCH: Date = jiff::civil::date(1970, 1, 1);

fn digits(text: &str, len: usize) -> Option<i16> {
    let all = text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_cover_what_they_say() {
        let day = 20_779 * DAY_MS;
        assert_eq!(span("2026-11-22"), Some((day, day + DAY_MS - 1)));
        assert_eq!(span("1970"), Some((0, 365 * DAY_MS - 1)));
        assert_eq!(
            span("2024-02"),
            span("2024-02-01")
                .zip(span("2024-02-29"))
                .map(|(a, b)| (a.0, b.1))
        );
        assert_eq!(span("2026-11-22T01:00:00+01:00"), Some((day, day)));
        assert_eq!(span("1969-12-31T23:59:59.5Z"), Some((-500, -500)));
        assert_eq!(span("0001").map(|span| span.0), Some(*RANGE.start()));
        assert_eq!(span("9999-12-31").map(|span| span.1), Some(*RANGE.end()));
        for wrong in [
            "",
            "26",
            "2026-",
            "2026-13",
            "2026-02-30",
            "2026-1-1",
            "0000",
            "20261122",
            "-2026",
            "+202",
            "2026-11-22T25:00:00Z",
            "2026-11-22T10:00:00",
            "yesterday at noon",
            "２０２６",
            "2026-11-22-1",
            "-000001-01-01T00:00:00Z",
        ] {
            assert_eq!(span(wrong), None, "{wrong}");
        }
        assert_eq!(moment("2026-11"), None);
        assert_eq!(moment("2026-11-22"), Some(day));
    }

    #[test]
    fn what_is_written_is_read() {
        for ms in [
            0,
            1,
            -1,
            DAY_MS,
            -DAY_MS,
            1_764_000_000_123,
            1_764_000_000_000,
            *RANGE.start(),
        ] {
            assert_eq!(moment(&write(ms)), Some(ms), "{}", write(ms));
            assert_eq!(span(&write_end(ms)).map(|span| span.1), Some(ms));
            assert_eq!(span(&write_moment(ms)), Some((ms, ms)));
        }
        assert_eq!(write_end(*RANGE.end()), "9999-12-31");
        assert_eq!(write(i64::MAX), format!("{}ms", i64::MAX));
        assert_eq!(write(i64::MIN), format!("{}ms", i64::MIN));
    }
}
