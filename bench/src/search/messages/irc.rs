//! Chat logs: each file is a conversation, whoever talks in it a member.
//!
//! A line that holds a message is a time, `<nick>` and a text, or a time, `* nick` and what that one does; the time
//! may be of any form, with brackets or none. All other lines are left out. Messages are spread evenly over three
//! years in the order of the files' names, so that questions for a month find some whatever the logs' times are.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fs, io,
    path::{Path, PathBuf},
};

use tidings_search::messages::{Conversation, Document, MAX_MEMBERS, MAX_TEXT_BYTES};

use super::corpus::{Corpus, Material, Put, SEARCHERS, SPAN_MS, START_MS, Searcher};
use crate::search::SearchBenchError;

/// Longest nick that is taken for one.
const NICK_BYTES: usize = 64;
/// Longest time before a nick.
const TIME_BYTES: usize = 32;
/// Of so many messages pairs of words are asked for as phrases.
const PHRASES: usize = 2_000;

/// A file.
struct Room {
    id: Conversation,
    /// Who wrote, and what.
    messages: Vec<(String, String)>,
    nicks: BTreeSet<String>,
    /// Those who search here, by number.
    searchers: Vec<usize>,
}

impl Room {
    fn is_large(&self) -> bool {
        self.nicks.len() + SEARCHERS.len() > MAX_MEMBERS
    }
}

/// All of them.
pub(super) struct Logs {
    rooms: Vec<Room>,
    messages: u64,
    /// In how many conversations each of those who search is.
    sizes: Vec<usize>,
}

impl Logs {
    /// Reads files, and those in folders.
    pub(super) fn read(paths: &[PathBuf]) -> Result<Logs, SearchBenchError> {
        let mut files = Vec::new();
        for path in paths {
            if path.is_dir() {
                for entry in fs::read_dir(path)? {
                    files.push(entry?.path());
                }
            } else {
                files.push(path.clone());
            }
        }
        files.retain(|path| !path.is_dir());
        files.sort();
        let mut rooms = Vec::new();
        for file in &files {
            let messages = read(file)?;
            if messages.is_empty() {
                continue;
            }
            rooms.push(Room {
                id: (0x0198_u128 << 112 | rooms.len() as u128).to_be_bytes(),
                nicks: messages.iter().map(|(nick, _)| nick.clone()).collect(),
                messages,
                searchers: Vec::new(),
            });
        }
        if rooms.is_empty() {
            return Err(SearchBenchError::NoLogs);
        }
        let sizes = SEARCHERS.iter().map(|size| rooms.len().min(*size as usize));
        let mut sizes: Vec<usize> = sizes.collect();
        sizes.dedup();
        for (searcher, size) in sizes.iter().enumerate() {
            // Evenly over all files.
            for place in 0..*size {
                let room = place * rooms.len() / size;
                rooms[room].searchers.push(searcher);
            }
        }
        Ok(Logs {
            messages: rooms.iter().map(|room| room.messages.len() as u64).sum(),
            rooms,
            sizes,
        })
    }
}

fn read(file: &Path) -> io::Result<Vec<(String, String)>> {
    let bytes = fs::read(file)?;
    let text = String::from_utf8_lossy(&bytes);
    let messages = text.lines().filter_map(message);
    Ok(messages
        .map(|(nick, text)| (nick.to_owned(), text.to_owned()))
        .collect())
}

/// Who says what in a line.
fn message(line: &str) -> Option<(&str, &str)> {
    let at = line.find(['<', '*'])?;
    let (time, rest) = line.split_at(at);
    let is_time = |letter: char| letter.is_ascii_digit() || "[]()-:./,T+Z ".contains(letter);
    if time.len() > TIME_BYTES || !time.chars().all(is_time) {
        return None;
    }
    let (nick, text) = match rest.strip_prefix('<') {
        Some(rest) => rest.split_once('>')?,
        None => rest.strip_prefix("* ")?.split_once(' ')?,
    };
    // Some clients put a sign before the nick, which says what somebody may do.
    let (nick, text) = (nick.trim_start_matches(['@', '+', '%', ' ']), text.trim());
    let is_nick = (1..=NICK_BYTES).contains(&nick.len()) && !nick.contains(char::is_whitespace);
    let is_text = (1..=MAX_TEXT_BYTES).contains(&text.len());
    (is_nick && is_text).then_some((nick, text))
}

fn words(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|letter: char| !letter.is_alphanumeric());
    words.filter(|word| word.len() > 1).map(str::to_lowercase)
}

/// With a space, which no nick has.
fn searcher(number: usize) -> String {
    format!("searcher {number}")
}

impl Corpus for Logs {
    fn len(&self) -> u64 {
        self.messages
    }

    fn each(&mut self, put: &mut Put<'_>) -> Result<(), SearchBenchError> {
        let step = SPAN_MS / (self.messages as i64).max(1);
        let mut at_ms = START_MS;
        for room in &self.rooms {
            let own: Vec<String> = room.searchers.iter().copied().map(searcher).collect();
            let members: Vec<&str> = match room.is_large() {
                true => Vec::new(),
                false => room.nicks.iter().chain(&own).map(String::as_str).collect(),
            };
            for (seq, (author, text)) in (1..).zip(&room.messages) {
                put(&Document {
                    conversation: room.id,
                    seq,
                    author,
                    at_ms,
                    text,
                    members: &members,
                })?;
                at_ms += step;
            }
        }
        Ok(())
    }

    fn material(&self) -> Material {
        let texts = || self.rooms.iter().flat_map(|room| &room.messages);
        let mut counts: HashMap<String, u64> = HashMap::new();
        for word in texts().flat_map(|(_, text)| words(text)) {
            *counts.entry(word).or_default() += 1;
        }
        let mut ranked: Vec<_> = counts.into_iter().collect();
        ranked.sort_by(|(one, often), (other, more)| more.cmp(often).then(one.cmp(other)));
        let each = (self.messages as usize / PHRASES).max(1);
        let phrases = texts().step_by(each).filter_map(|(_, text)| {
            let mut words = text.split_whitespace();
            let pair = [words.next()?, words.next()?];
            let plain = |word: &str| word.chars().all(char::is_alphanumeric);
            pair.iter().all(|word| plain(word)).then(|| pair.join(" "))
        });
        Material {
            words: ranked.into_iter().map(|(word, _)| word).collect(),
            phrases: phrases.collect(),
            characters: Vec::new(),
        }
    }

    fn searchers(&self) -> Vec<Searcher> {
        let one = |number: usize| {
            let rooms = || {
                self.rooms
                    .iter()
                    .filter(move |room| room.searchers.contains(&number))
            };
            let authors = rooms().flat_map(|room| room.nicks.iter().take(13));
            let mut authors: Vec<String> = authors.take(50).cloned().collect();
            authors.extend(["nobody here".to_owned(), searcher(number)]);
            Searcher {
                user: searcher(number),
                conversations: rooms().map(|room| room.id).collect(),
                large: rooms()
                    .filter(|room| room.is_large())
                    .map(|room| room.id)
                    .collect(),
                all: false,
                authors,
            }
        };
        let mut searchers: Vec<Searcher> = (0..self.sizes.len()).map(one).collect();
        let last = searchers.last();
        let authors = last.map(|last| last.authors.clone()).unwrap_or_default();
        searchers.push(Searcher {
            user: "operator".to_owned(),
            conversations: HashSet::new(),
            large: Vec::new(),
            all: true,
            authors,
        });
        searchers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_several_clients_are_read() {
        let one = Some(("ann", "hello > you"));
        for line in [
            "[12:34] <ann> hello > you",
            "[12:34:56] <@ann> hello > you",
            "2004-11-15 12:34 <ann> hello > you",
            "2004-11-15T12:34:56+01:00 < ann> hello > you",
            "<ann>  hello > you ",
            "[12:34]  * ann hello > you",
        ] {
            assert_eq!(message(line), one, "{line}");
        }
        for line in [
            "=== ann [~ann@host.example]  has joined #channel",
            "--- Log opened Mon Nov 15 2004",
            "[12:34] <ann>",
            "[12:34] <> hello",
            "[12:34] -!- ben [ben@host] has quit [<gone>]",
            "ben says <ann> hello",
            "",
        ] {
            assert_eq!(message(line), None, "{line}");
        }
    }

    #[test]
    fn those_who_search_are_in_as_many_conversations_as_there_are() {
        let folder = tempfile::tempdir().unwrap();
        for file in 0..10 {
            let text = format!("[00:00] <nick-{file}> one two three\n=== x has quit\n");
            fs::write(folder.path().join(format!("{file}.log")), text).unwrap();
        }
        fs::write(folder.path().join("empty.log"), "=== nobody").unwrap();
        let logs = Logs::read(&[folder.path().to_owned()]).unwrap();
        assert_eq!((logs.rooms.len(), logs.len()), (10, 10));
        let searchers = logs.searchers();
        let sizes: Vec<usize> = searchers
            .iter()
            .map(|searcher| searcher.conversations.len())
            .collect();
        assert_eq!(sizes, [4, 10, 0]);
        assert!(searchers.last().unwrap().all);
        assert_eq!(logs.material().words, ["one", "three", "two"]);
        let empty = folder.path().join("empty.log");
        assert!(matches!(
            Logs::read(&[empty]),
            Err(SearchBenchError::NoLogs)
        ));
    }
}
