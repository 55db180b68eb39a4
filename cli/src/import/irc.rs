//! Reads IRC channel logs in the form of irclogs.ubuntu.com and of the irc-disentanglement corpus.
//!
//! Pure: lines in, operations out. [`parse`] reads one file; [`plan::plan`] turns the files of a channel into
//! joins, leaves and posts that a group can be given in order. Neither knows the server.
//!
//! A line is one of
//!
//! ```text
//! [13:56] <nick> text                           a message
//! [13:56]  * nick sips a coffee                 a message: an action
//! [13:56] -nick:#ubuntu- text                   a message: a notice to the channel
//! [13:56] (nick/#ubuntu) text                   a message: what the logger's own client sent
//! === nick [user@host]  has joined #ubuntu      also `has left #`, `was kicked off #`, `has quit`
//! === nick is now known as other
//! === nick sips a coffee                        an action of the older logger, which wrote no time
//! === mode/#ubuntu [+o nick]  by ChanServ       also topics, netjoins, the log being restarted
//! ```
//!
//! **What is a message.** Every line with a clock that holds one of the four forms, also when the text is
//! empty. That is the count published with the corpus: 196,646. The published 15,734 nicks are the different
//! texts between `<` and `>`, case counting: [`File::written_nicks`]. Actions without a clock are not among
//! the messages; they, modes and topics have no counterpart here and are counted in [`LeftOut`].
//!
//! **Nicks** keep their case: IRC would not tell `Abhijit` from `AbhijiT`, but the count above does, and a log
//! cannot say whether they were one person. The older logger wrote a space after every `]` inside a line, so
//! `g[r] eek` is `g[r]eek`; a nick cannot hold a space, so it is taken out again (two of the 15,734 differ from
//! another only by it). The text of messages is left as the logger wrote it, but for control codes.
//!
//! **The channel** is the one that `--channel` names, else the one most lines name (in lower case: IRC does
//! not tell `#Ubuntu` from `#ubuntu`), else a `#name` in the file's name, else that of a folder `name-irc`.
//!
//! **Times** are read as UTC; see the `clock` module for logs on a 12-hour clock. They strictly increase within a file.

mod clock;
mod encoding;
mod line;
mod name;
pub(crate) mod plan;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead};

pub(crate) use self::name::Date;

/// Longest nick in bytes, so that [`user_id`] keeps within 128.
const MAX_NICK: usize = 124;
/// Bytes read of one line. IRC allows 512.
const MAX_LINE: usize = 16 * 1024;
/// Warnings kept of one file; of the rest only the number.
const MAX_WARNINGS: usize = 100;

/// The user a nick is imported as, at most 128 bytes.
pub(crate) fn user_id(nick: &str) -> String {
    format!("irc:{nick}")
}

/// One log, read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct File {
    /// The file's name without its folders.
    pub(crate) name: String,
    /// The date in its name.
    pub(crate) date: Date,
    /// `#ubuntu`, in lower case.
    pub(crate) channel: String,
    /// In file order, times strictly increasing.
    pub(crate) ops: Vec<Op>,
    /// Lines that could not be read, and why; in file order.
    pub(crate) warnings: Vec<Warning>,
    /// Lines that were understood and have no counterpart.
    pub(crate) left_out: LeftOut,
    /// The different texts found between `<` and `>`, unrepaired.
    pub(crate) written_nicks: BTreeSet<String>,
    /// Lines in the file.
    pub(crate) lines: u32,
}

/// Something that happened in the channel.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Op {
    /// Counted from 1.
    pub(crate) line: u32,
    /// Milliseconds since 1970 in UTC.
    pub(crate) at_ms: i64,
    /// What it was.
    pub(crate) what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum What {
    /// Something was said.
    Message {
        /// By whom.
        nick: String,
        /// Without control codes; may be empty.
        text: String,
        /// `/me`: the text continues the nick.
        action: bool,
    },
    /// Someone came.
    Joined {
        /// Who.
        nick: String,
    },
    /// Someone left, quit or was kicked.
    Left {
        /// Who.
        nick: String,
    },
    /// Someone took another nick.
    Renamed {
        /// The nick given up.
        from: String,
        /// The nick taken.
        to: String,
    },
}

/// A line that could not be read, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Warning {
    /// Counted from 1.
    pub(crate) line: u32,
    /// For the operator.
    pub(crate) text: String,
}

/// Numbers of lines that were understood and have no counterpart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LeftOut {
    /// `=== nick sips a coffee`, which the older logger wrote without a time.
    pub(crate) untimed_actions: u32,
    /// Operators made, bans set.
    pub(crate) modes: u32,
    /// Topics set or shown.
    pub(crate) topics: u32,
    /// Servers joined again after a netsplit, the logger restarted.
    pub(crate) network: u32,
}

/// Why a file could not be read at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ParseError {
    /// The source failed.
    #[error("cannot read {name}: {source}")]
    Io {
        /// The file.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// Lines only have a time of day.
    #[error(
        "{name} carries no date; name it like 2004-12-25.txt or keep it in folders like 2004/12/25"
    )]
    NoDate {
        /// The file.
        name: String,
    },
    /// Nothing says which channel this is.
    #[error("nothing in {name} names its channel; say which with --channel")]
    NoChannel {
        /// The file.
        name: String,
    },
    /// Not one line is in a form known here.
    #[error("{name} is not an IRC log: none of its {lines} lines is like \"[12:34] <nick> text\"")]
    NotALog {
        /// The file.
        name: String,
        /// How many lines it has.
        lines: u32,
    },
}

/// Reads one log. `path` may hold folders (the date and the channel may come from them); `channel` overrides what the
/// file says.
pub(crate) fn parse(
    path: &str,
    channel: Option<&str>,
    mut reader: impl BufRead,
) -> Result<File, ParseError> {
    let name = name::Name::read(path).ok_or_else(|| ParseError::NoDate { name: path.into() })?;
    let mut entries: Vec<(u32, Option<clock::Clock>, Option<What>)> = Vec::new();
    let mut channels: BTreeMap<String, u32> = BTreeMap::new();
    let mut left_out = LeftOut::default();
    let mut written_nicks = BTreeSet::new();
    let mut warnings = Warnings::default();
    let mut foreign = None;
    let (mut lines, mut blank, mut bytes) = (0u32, 0u32, Vec::new());

    while read_line(&mut reader, &mut bytes).map_err(|source| ParseError::Io {
        name: path.into(),
        source,
    })? {
        lines = lines.saturating_add(1);
        if bytes.len() > MAX_LINE {
            warnings.push(
                lines,
                format!("the line is longer than {MAX_LINE} bytes and was left out; split it"),
            );
            continue;
        }
        let (text, utf8) = encoding::decode(&bytes);
        if !utf8 {
            foreign.get_or_insert((lines, 0u32)).1 += 1;
        }
        let read = line::read(&text);
        if let Some(channel) = read.channel {
            *channels.entry(channel).or_default() += 1;
        }
        written_nicks.extend(read.written);
        let what = match read.content {
            line::Content::Blank => {
                blank = blank.saturating_add(1);
                continue;
            }
            line::Content::What(what) => Some(what),
            line::Content::LeftOut(kind) => {
                *kind.count(&mut left_out) += 1;
                None
            }
            line::Content::Unread(why) => {
                warnings.push(lines, format!("{why}; the line was left out"));
                None
            }
        };
        entries.push((lines, read.clock, what));
    }

    let understood = left_out != LeftOut::default() || entries.iter().any(|(_, _, w)| w.is_some());
    if !understood && lines > blank {
        return Err(ParseError::NotALog {
            name: path.into(),
            lines,
        });
    }
    if let Some((first, count)) = foreign {
        warnings.note(
            first,
            format!(
                "{count} lines from here on are not UTF-8 and were read as Windows-1252; \
                 convert the file if that is wrong"
            ),
        );
    }
    let channel = channel
        .map(str::to_lowercase)
        .or_else(|| most_named(channels))
        .or(name.channel)
        .ok_or_else(|| ParseError::NoChannel { name: path.into() })?;
    let clocks: Vec<_> = entries.iter().map(|(_, clock, _)| *clock).collect();
    let times = clock::times(name.date, name.date_is, &clocks);
    let ops = entries
        .into_iter()
        .zip(times)
        .filter_map(|((line, _, what), at_ms)| what.map(|what| Op { line, at_ms, what }))
        .collect();
    Ok(File {
        name: name.base,
        date: name.date,
        channel,
        ops,
        warnings: warnings.finish(lines),
        left_out,
        written_nicks,
        lines,
    })
}

/// The channel named most often; of several the first in the alphabet.
fn most_named(channels: BTreeMap<String, u32>) -> Option<String> {
    channels
        .into_iter()
        .max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(&a.0)))
        .map(|(channel, _)| channel)
}

/// Reads the next line without its line feed; false at the end. Of a line longer than [`MAX_LINE`] only that much and a
/// byte are kept.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut any = false;
    loop {
        let buffer = match reader.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            buffer => buffer?,
        };
        if buffer.is_empty() {
            return Ok(any);
        }
        any = true;
        let end = buffer.iter().position(|&byte| byte == b'\n');
        let part = &buffer[..end.unwrap_or(buffer.len())];
        let room = (MAX_LINE + 1).saturating_sub(line.len());
        line.extend_from_slice(&part[..part.len().min(room)]);
        let read = part.len() + usize::from(end.is_some());
        reader.consume(read);
        if end.is_some() {
            return Ok(true);
        }
    }
}

/// Keeps the first [`MAX_WARNINGS`], so that a file of another kind does not fill the memory with them.
#[derive(Default)]
struct Warnings {
    kept: Vec<Warning>,
    more: u32,
}

impl Warnings {
    fn push(&mut self, line: u32, text: String) {
        if self.kept.len() < MAX_WARNINGS {
            self.note(line, text);
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    fn note(&mut self, line: u32, text: String) {
        self.kept.push(Warning { line, text });
    }

    fn finish(mut self, last: u32) -> Vec<Warning> {
        if self.more > 0 {
            let text = format!(
                "{} more lines were left out; is all of this an IRC log",
                self.more
            );
            self.note(last, text);
        }
        self.kept.sort_by_key(|warning| warning.line);
        self.kept
    }
}

#[cfg(test)]
mod tests;
