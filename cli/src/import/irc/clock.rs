//! From a time of day on each line to a time.
//!
//! A line only has hours and minutes, and `===` lines not even that. So a line without a clock takes the time of the
//! line before (at the start of a file, of the first line that has one; in a file without any, midnight), and within a
//! minute each line is a millisecond later than the one before: times strictly increase and keep the order of the file.
//!
//! A clock that runs back by more than an hour has passed midnight; by less, it was set back, and the time stands still
//! until it is caught up.
//!
//! Logs on a **12-hour clock** do not say which half of the day it is (#ubuntu until October 2007; there noon and
//! midnight are written as `00` or `12`). A file on which no hour is above 12 is taken to be one: when its clock runs
//! back half a day has gone by, and the half it begins in is taken to be the one written. Such times can be half a day
//! off, and as that logger stood in central Europe, one or two hours more; their order and distances hold.

use super::name::{Date, DateIs};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// Seconds since midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clock(i64);

impl Clock {
    /// Reads `[HH:MM]` or `[HH:MM:SS]` and returns what follows; `None` if that is not a time of day.
    pub(super) fn read(text: &str) -> Option<(Self, &str)> {
        let (inner, rest) = text.strip_prefix('[')?.split_once(']')?;
        let mut parts = inner.split(':');
        let hour = two_digits(parts.next()?, 23)?;
        let minute = two_digits(parts.next()?, 59)?;
        let second = parts.next().map_or(Some(0), |s| two_digits(s, 59))?;
        let clock = Self(hour * HOUR + minute * 60 + second);
        parts.next().is_none().then_some((clock, rest))
    }
}

fn two_digits(text: &str, max: i64) -> Option<i64> {
    let two = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|n| two && *n <= max)
}

/// The time of each line in milliseconds since 1970, strictly increasing.
pub(super) fn times(date: Date, date_is: DateIs, clocks: &[Option<Clock>]) -> Vec<i64> {
    let half_days = clocks.iter().flatten().all(|clock| clock.0 < 13 * HOUR);
    let period = if half_days { DAY / 2 } else { DAY };
    let first = clocks.iter().flatten().next().map_or(0, |clock| clock.0);

    // Seconds since the midnight before the first line.
    let mut now = first;
    let mut seconds = Vec::with_capacity(clocks.len());
    for clock in clocks {
        if let Some(Clock(read)) = clock {
            // The earliest moment with this reading, from an hour ago on.
            let from = now - HOUR;
            let next = from + (read - from).rem_euclid(period);
            now = now.max(next);
        }
        seconds.push(now);
    }

    let day = match date_is {
        DateIs::FirstLine => date.days(),
        DateIs::LastLine => date.days() - now / DAY,
    };
    let mut last = i64::MIN;
    for at in &mut seconds {
        *at = ((day * DAY + *at) * 1_000).max(last.saturating_add(1));
        last = *at;
    }
    seconds
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    /// Times in milliseconds since midnight of 2005-02-08; `-` is a line without a clock.
    fn check(date_is: DateIs, lines: &str, wanted: &[i64]) {
        let date = Date::new(2005, 2, 8).expect("a date");
        let clocks: Vec<_> = lines
            .split(' ')
            .map(|text| Clock::read(&format!("[{text}]")).map(|(clock, _)| clock))
            .collect();
        let midnight = date.days() * DAY * 1_000;
        let times: Vec<_> = times(date, date_is, &clocks)
            .into_iter()
            .map(|at| at - midnight)
            .collect();
        assert_eq!(times, wanted, "{lines}");
    }

    fn at(hour: i64, minute: i64, ms: i64) -> i64 {
        (hour * 60 + minute) * MINUTE + ms
    }

    #[test]
    fn only_a_time_of_day_is_a_clock() {
        let read = |text| Clock::read(text).map(|(clock, rest)| (clock.0, rest));
        assert_eq!(read("[09:14] <a> b"), Some((9 * HOUR + 14 * 60, " <a> b")));
        assert_eq!(read("[23:59:07]"), Some((DAY - 53, "")));
        for text in [
            "[24:00]",
            "[09:60]",
            "[9:14]",
            "[+9:14]",
            "[09:14:60]",
            "[09:14:00:1]",
            "[09]",
            "[]",
            "[09:14",
            "09:14]",
            "[é:14]",
            "",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }

    #[test]
    fn lines_of_a_minute_keep_their_order() {
        let wanted = [at(9, 14, 0), at(9, 14, 1), at(9, 14, 2), at(9, 15, 0)];
        check(DateIs::FirstLine, "09:14 09:14 - 09:15", &wanted);
    }

    #[test]
    fn lines_before_the_first_clock_take_its_time() {
        let wanted = [at(13, 4, 0), at(13, 4, 1), at(13, 4, 2)];
        check(DateIs::FirstLine, "- - 13:04", &wanted);
        check(DateIs::FirstLine, "- -", &[0, 1]);
    }

    #[test]
    fn a_clock_running_back_has_passed_midnight() {
        let wanted = [at(23, 59, 0), at(24, 0, 0), at(24, 0, 1)];
        check(
            DateIs::FirstLine,
            "23:59 - 00:00",
            &[wanted[0], wanted[0] + 1, wanted[1]],
        );
        check(DateIs::FirstLine, "23:59 00:00 -", &wanted);
        check(
            DateIs::FirstLine,
            "20:00 06:00 05:00",
            &[at(20, 0, 0), at(30, 0, 0), at(30, 0, 1)],
        );
    }

    #[test]
    fn the_date_can_be_that_of_the_last_line() {
        check(DateIs::LastLine, "23:59 00:00", &[at(-1, 59, 0), 0]);
        check(
            DateIs::LastLine,
            "22:00 23:00",
            &[at(22, 0, 0), at(23, 0, 0)],
        );
    }

    #[test]
    fn a_clock_set_back_a_little_stands_still() {
        let wanted = [at(14, 30, 0), at(14, 30, 1), at(14, 30, 2), at(14, 31, 0)];
        check(DateIs::FirstLine, "14:30 14:29 13:30 14:31", &wanted);
        // Also across midnight: a line from before it does not make another day.
        let wanted = [at(23, 59, 0), at(24, 0, 0), at(24, 0, 1), at(24, 1, 0)];
        check(DateIs::FirstLine, "23:59 00:00 23:59 00:01", &wanted);
    }

    #[test]
    fn a_12_hour_clock_running_back_has_gone_half_a_day() {
        // Noon as 12, as on 2005-02-08.
        let wanted = [at(12, 57, 0), at(13, 3, 0), at(14, 0, 0)];
        check(DateIs::FirstLine, "12:57 01:03 02:00", &wanted);
        check(
            DateIs::FirstLine,
            "11:59 12:00 12:59 01:00",
            &[at(11, 59, 0), at(12, 0, 0), at(12, 59, 0), at(13, 0, 0)],
        );
        // Noon as 00, as on 2006-07-01; and on through the next midnight.
        let wanted = [
            at(11, 59, 0),
            at(12, 0, 0),
            at(12, 0, 1),
            at(22, 0, 0),
            at(24, 1, 0),
        ];
        check(DateIs::FirstLine, "11:59 00:00 11:59 10:00 00:01", &wanted);
    }

    #[test]
    fn more_lines_than_milliseconds_in_a_minute_still_increase() {
        let mut clocks = vec![Some(Clock(0)); 60_002];
        clocks.push(Some(Clock(60)));
        let date = Date::new(1970, 1, 1).expect("a date");
        let times = times(date, DateIs::FirstLine, &clocks);
        assert_eq!(times.last(), Some(&60_002));
    }
}
