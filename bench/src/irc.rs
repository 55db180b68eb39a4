//! Made-up IRC logs to import: the same for the same number of messages, every time.
//!
//! Several channels, some thousand nicks of which few talk much, hundreds of them in a channel at a
//! time, people coming and going, texts of 10 to 200 bytes. A file holds a day of a channel, as the logs of irclogs.ubuntu.com do.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Channels there are.
pub const CHANNELS: u32 = 8;
/// Nicks there are, over all channels.
pub const NICKS: u32 = 4_000;
/// Most messages of a day of a channel.
const DAY: u32 = 2_000;
/// Nicks that are seen in one channel. Neighbouring channels share some.
const CHANNEL_NICKS: u32 = 1_000;
/// How far apart the busiest nicks of two channels are.
const APART: u32 = 450;
/// Begins the sequence that everything is drawn from.
const SEED: u64 = 0x7469_6469_6e67_7321;

const SYLLABLES: [&str; 16] = [
    "ba", "de", "fi", "go", "hu", "ka", "le", "mi", "no", "pu", "ra", "se", "ti", "vo", "wu", "za",
];
const WORDS: [&str; 48] = [
    "a",
    "the",
    "to",
    "and",
    "is",
    "it",
    "you",
    "of",
    "i",
    "in",
    "that",
    "can",
    "with",
    "not",
    "do",
    "how",
    "my",
    "install",
    "package",
    "ubuntu",
    "kernel",
    "driver",
    "try",
    "sudo",
    "file",
    "what",
    "does",
    "work",
    "thanks",
    "after",
    "reboot",
    "error",
    "when",
    "desktop",
    "mount",
    "partition",
    "network",
    "server",
    "version",
    "anyone",
    "know",
    "config",
    "yes",
    "wireless",
    "update",
    "broken",
    "again",
    "ok",
];

/// A log of one day.
#[derive(Clone, Debug)]
pub struct LogFile {
    /// Where it was written.
    pub path: PathBuf,
    /// Which channel's, from 0.
    pub channel: u32,
}

/// Writes logs with so many messages into a folder: the files in the order of their days.
pub fn write(folder: &Path, messages: u32) -> io::Result<Vec<LogFile>> {
    let mut random = Random(SEED);
    let mut channels: Vec<Channel> = (0..CHANNELS).map(Channel::new).collect();
    let a_day = (messages / CHANNELS).clamp(1, DAY);
    let mut files = Vec::new();
    let mut left = messages;
    while left > 0 {
        let number = files.len() as u32;
        let (channel, day) = (number % CHANNELS, number / CHANNELS);
        // Months of 28 days spare a calendar.
        let (year, month, date) = (2000 + day / 336, day / 28 % 12 + 1, day % 28 + 1);
        let name = format!("#channel-{channel}-{year}-{month:02}-{date:02}.log");
        let path = folder.join(name);
        let count = left.min(a_day);
        let mut out = BufWriter::new(File::create(&path)?);
        channels[channel as usize].write_day(count, &mut random, &mut out)?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?;
        files.push(LogFile { path, channel });
        left -= count;
    }
    Ok(files)
}

/// Who is in a channel.
struct Channel {
    number: u32,
    present: Vec<u32>,
    is_present: Vec<bool>,
}

impl Channel {
    fn new(number: u32) -> Channel {
        Channel {
            number,
            present: Vec::new(),
            is_present: vec![false; NICKS as usize],
        }
    }

    fn write_day(
        &mut self,
        messages: u32,
        random: &mut Random,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let mut text = String::new();
        for message in 0..messages {
            let minute = u64::from(message) * 1_440 / u64::from(messages);
            let clock = format!("[{:02}:{:02}]", minute / 60, minute % 60);
            // Few talk much: the cube crowds them at the front.
            let rank = (random.fraction().powi(3) * f64::from(CHANNEL_NICKS)) as u32;
            let author = (rank + self.number * APART) % NICKS;
            let name = nick(author);
            if !self.is_present[author as usize] {
                self.is_present[author as usize] = true;
                self.present.push(author);
                // Logs miss some: who is not seen coming is seen talking.
                if !random.one_in(10) {
                    writeln!(
                        out,
                        "=== {name} [~{name}@host.example]  has joined #channel-{}",
                        self.number
                    )?;
                }
            }
            compose(random, &mut text);
            if random.one_in(50) {
                writeln!(out, "{clock}  * {name} {text}")?;
            } else {
                writeln!(out, "{clock} <{name}> {text}")?;
            }
            // About as much coming and going as in the logs of #ubuntu.
            if random.one_in(5) {
                let place = random.below(self.present.len() as u64) as usize;
                let gone = self.present.swap_remove(place);
                self.is_present[gone as usize] = false;
                let name = nick(gone);
                writeln!(
                    out,
                    "=== {name} [~{name}@host.example]  has quit [Quit: leaving]"
                )?;
            }
        }
        Ok(())
    }
}

/// A nick of its own for each number.
fn nick(number: u32) -> String {
    let syllable = |place: u32| SYLLABLES[(number >> (4 * place)) as usize % SYLLABLES.len()];
    [syllable(0), syllable(1), syllable(2)].concat()
}

/// Words up to a length of 10 to 200 bytes, more often short than long.
fn compose(random: &mut Random, text: &mut String) {
    let length = 10 + (random.fraction().powi(2) * 190.0) as usize;
    text.clear();
    while text.len() < length {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(WORDS[random.below(WORDS.len() as u64) as usize]);
    }
    text.truncate(200);
    // A cut may have left a space at the end, which importers would have to think about.
    text.truncate(text.trim_end().len());
}

/// SplitMix64: the same sequence on every machine and in every version.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to, but not including, 1.
    fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn texts(messages: u32) -> BTreeMap<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let files = write(folder.path(), messages).unwrap();
        let read = |file: LogFile| {
            let name = file.path.file_name().unwrap().to_string_lossy();
            let text = std::fs::read_to_string(&file.path).unwrap();
            (name.into_owned(), text)
        };
        files.into_iter().map(read).collect()
    }

    #[test]
    fn the_same_logs_come_out_every_time() {
        assert_eq!(texts(5_000), texts(5_000));
        assert_ne!(texts(5_000), texts(5_001));
        assert!(texts(0).is_empty());
    }

    #[test]
    fn logs_are_as_described() {
        let logs = texts(20_003);
        let of = |start: &'static str| {
            let lines = logs.values().flat_map(|text| text.lines());
            lines.filter(move |line| line.starts_with(start))
        };
        assert_eq!(of("[").count(), 20_003);
        let channels: BTreeSet<_> = logs.keys().map(|name| &name[..10]).collect();
        assert_eq!(channels.len(), CHANNELS as usize);

        let mut authors: BTreeMap<&str, u32> = BTreeMap::new();
        for line in of("[").filter(|line| line[7..].starts_with(" <")) {
            let (author, text) = line[9..].split_once("> ").unwrap();
            assert!((10..=200).contains(&text.len()), "{line}");
            *authors.entry(author).or_default() += 1;
        }
        assert!(authors.len() > 2_000, "{} authors", authors.len());
        let most = authors.values().max().copied().unwrap();
        assert!(most > 20, "somebody talks much: {most}");

        let events = |what: &str| of("===").filter(|line| line.contains(what)).count();
        let (joins, quits) = (events("has joined"), events("has quit"));
        assert!(
            joins > 1_000 && quits > 1_000,
            "{joins} joins, {quits} quits"
        );
        // Every day runs from its beginning to its end.
        assert!(logs.values().all(|text| text.contains("[00:0")));
        assert!(logs.values().filter(|text| text.contains("[23:5")).count() >= 8);
    }

    #[test]
    fn nicks_differ() {
        let nicks: BTreeSet<_> = (0..NICKS).map(nick).collect();
        assert_eq!(nicks.len(), NICKS as usize);
    }
}
