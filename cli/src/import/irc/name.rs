//! What a log's name says: the date, and perhaps the channel.

/// A day of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Date {
    year: i64,
    month: i64,
    day: i64,
}

impl Date {
    /// `None` if there is no such day.
    pub(super) fn new(year: i64, month: i64, day: i64) -> Option<Self> {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days = match month {
            2 => 28 + i64::from(leap),
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        let exists = (1..=9_999).contains(&year) && (1..=days).contains(&day);
        exists.then_some(Self { year, month, day })
    }

    /// Days since 1970-01-01.
    pub(super) fn days(self) -> i64 {
        // Years are counted from March, so that the leap day is the last; 146,097 days are 400 years.
        let year = self.year - i64::from(self.month <= 2);
        let month = (self.month + 9) % 12;
        let day_of_year = (153 * month + 2) / 5 + self.day - 1;
        year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
    }
}

impl std::fmt::Display for Date {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// Which line the date in the name belongs to, in a file that runs past midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DateIs {
    FirstLine,
    /// In parts A and B of irc-disentanglement (`.train-a.`, `.train-b.`) the name has the date of the hour that was
    /// chosen, which is the last; the thousand lines before it are context. In part C it has that of the first line.
    LastLine,
}

/// A name, taken apart.
#[derive(Debug, PartialEq)]
pub(super) struct Name {
    /// Without folders.
    pub(super) base: String,
    pub(super) date: Date,
    pub(super) date_is: DateIs,
    /// In lower case.
    pub(super) channel: Option<String>,
}

impl Name {
    /// `None` if it holds no date: `2004-12-25` in the file's name, or folders `2004/12/25` above the file.
    pub(super) fn read(path: &str) -> Option<Self> {
        let parts: Vec<&str> = path.split(['/', '\\']).collect();
        let (base, folders) = parts.split_last()?;
        let in_base = date_in(base);
        let date = in_base.map(|(_, date)| date).or_else(|| date_of(folders))?;
        let last = [".train-a.", ".train-b."]
            .iter()
            .any(|part| base.contains(part));
        let in_name = channel_in(base, in_base.map(|(at, _)| at));
        let in_folder = || Some(format!("#{}", folders.last()?.strip_suffix("-irc")?));
        Some(Self {
            base: (*base).to_owned(),
            date,
            date_is: if last {
                DateIs::LastLine
            } else {
                DateIs::FirstLine
            },
            channel: in_name
                .or_else(in_folder)
                .filter(|channel| channel.len() > 1)
                .map(|channel| channel.to_lowercase()),
        })
    }
}

/// The first `YYYY-MM-DD` and where it stands.
fn date_in(base: &str) -> Option<(usize, Date)> {
    base.as_bytes()
        .windows(10)
        .enumerate()
        .find_map(|(at, text)| {
            let dashes = text[4] == b'-' && text[7] == b'-';
            let date = Date::new(
                number(&text[..4])?,
                number(&text[5..7])?,
                number(&text[8..])?,
            )?;
            dashes.then_some((at, date))
        })
}

/// The last three folders that are a year, a month and a day.
fn date_of(folders: &[&str]) -> Option<Date> {
    folders.windows(3).rev().find_map(|three| {
        let [year, month, day] = three else {
            return None;
        };
        let year = (year.len() == 4).then(|| number(year.as_bytes()))??;
        Date::new(year, number(month.as_bytes())?, number(day.as_bytes())?)
    })
}

/// Up to four digits.
fn number(text: &[u8]) -> Option<i64> {
    let digits = (1..=4).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    digits.then(|| {
        text.iter()
            .fold(0, |n, digit| n * 10 + i64::from(digit - b'0'))
    })
}

/// The `#ubuntu` of `#ubuntu.txt`, `%23ubuntu.txt`, `freenode_#ubuntu_2005-02-08.log` or `#ubuntu-2005-02-08.log`.
fn channel_in(base: &str, date_at: Option<usize>) -> Option<String> {
    let (before, name) = base.split_once('#').or_else(|| base.split_once("%23"))?;
    let start = base.len() - name.len();
    let end = name.find(['.', '_', ' ']).unwrap_or(name.len());
    let end = match date_at {
        Some(at) if at > before.len() => end.min(at.saturating_sub(start)),
        _ => end,
    };
    Some(format!("#{}", name[..end].trim_end_matches('-')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(year: i64, month: i64, day: i64) -> Date {
        Date::new(year, month, day).expect("a date")
    }

    #[test]
    fn days_are_counted_from_1970() {
        assert_eq!(date(1970, 1, 1).days(), 0);
        assert_eq!(date(1969, 12, 31).days(), -1);
        assert_eq!(date(2000, 2, 29).days(), 11_016);
        assert_eq!(date(2000, 3, 1).days(), 11_017);
        assert_eq!(date(2018, 2, 27).days(), 17_589);
        assert_eq!(Date::new(2005, 2, 29), None);
        assert_eq!(Date::new(1900, 2, 29), None);
        assert_eq!(Date::new(2005, 13, 1), None);
        assert_eq!(Date::new(2005, 4, 31), None);
        // Every day is one more than the day before.
        let all: Vec<_> = (1..=9_999)
            .flat_map(|y| {
                (1..=12).flat_map(move |m| (1..=31).filter_map(move |d| Date::new(y, m, d)))
            })
            .map(Date::days)
            .collect();
        assert!(all.windows(2).all(|two| two[1] == two[0] + 1));
    }

    #[test]
    fn the_date_comes_from_the_name_or_the_folders() {
        let of = |path| Name::read(path).map(|name| (name.base, name.date.to_string()));
        let found = |base: &str, date: &str| Some((base.to_owned(), date.to_owned()));
        assert_eq!(
            of("ubuntu-irc/2004-12-25.train-c.raw.txt"),
            found("2004-12-25.train-c.raw.txt", "2004-12-25")
        );
        assert_eq!(
            of("logs/2005/02/08/#ubuntu.txt"),
            found("#ubuntu.txt", "2005-02-08")
        );
        assert_eq!(of(r"logs\2005\2\8\x.txt"), found("x.txt", "2005-02-08"));
        assert_eq!(
            of("é2004-02-30-2004-03-01é"),
            found("é2004-02-30-2004-03-01é", "2004-03-01")
        );
        for path in [
            "",
            "x.txt",
            "2004-13-01.txt",
            "2004/02/30/x.txt",
            "2004-12-2x",
            "2004x12-25",
        ] {
            assert_eq!(of(path), None, "{path:?}");
        }
    }

    #[test]
    fn the_date_is_that_of_the_chosen_hour_in_parts_a_and_b() {
        let of = |path| Name::read(path).map(|name| name.date_is);
        assert_eq!(of("2005-02-08.train-a.raw.txt"), Some(DateIs::LastLine));
        assert_eq!(of("2015-01-20.train-b.raw.txt"), Some(DateIs::LastLine));
        assert_eq!(of("2004-12-25.train-c.raw.txt"), Some(DateIs::FirstLine));
        assert_eq!(of("2004-12-25.txt"), Some(DateIs::FirstLine));
    }

    #[test]
    fn the_channel_can_come_from_the_name_or_the_folder() {
        let of = |path| Name::read(path).and_then(|name| name.channel);
        let ubuntu = Some("#ubuntu".to_owned());
        for path in [
            "ubuntu-irc/2004-12-25.train-c.raw.txt",
            "2004/12/25/#Ubuntu.txt",
            "2004/12/25/%23ubuntu.txt",
            "x-irc/freenode_#ubuntu_2005-02-08.log",
            "#ubuntu-2005-02-08.log",
            "2005-02-08-#ubuntu.log",
        ] {
            assert_eq!(of(path), ubuntu, "{path:?}");
        }
        for path in [
            "2004-12-25.txt",
            "logs/2004-12-25.txt",
            "-irc/2004-12-25.txt",
            "#2004-12-25",
            // The date begins within the `%23`.
            "%2320-01-01.txt",
        ] {
            assert_eq!(of(path), None, "{path:?}");
        }
    }
}
