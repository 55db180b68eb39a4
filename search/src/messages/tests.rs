//! The index of messages, as those see it who search.

use std::collections::BTreeMap;

use super::*;
use crate::query::How;

mod asked;
mod changing;
mod chinese;
mod finding;
mod opening;
mod paging;

pub(super) struct Opened {
    pub(super) index: MessageIndex,
    pub(super) folder: tempfile::TempDir,
}

pub(super) fn open() -> Opened {
    let folder = tempfile::tempdir().unwrap();
    let index = MessageIndex::open(folder.path(), MIN_WRITER_MEMORY).unwrap();
    Opened { index, folder }
}

/// A conversation of a number.
pub(super) fn conversation(number: u8) -> Conversation {
    [number; 16]
}

/// Alice and Bob are in every small conversation.
const MEMBERS: [&str; 2] = ["alice", "bob"];

fn message(number: u8, seq: u64, text: &str) -> Document<'_> {
    Document {
        conversation: conversation(number),
        seq,
        author: "alice",
        at_ms: seq as i64 * 1_000,
        text,
        members: &MEMBERS,
    }
}

pub(super) fn text(words: &str, how: How) -> Filter {
    Filter::Text {
        words: words.to_owned(),
        how,
    }
}

pub(super) fn words(words: &str) -> Filter {
    text(words, How::Words)
}

fn everything() -> Filter {
    Filter::All(Vec::new())
}

fn everyone(_: Conversation, seq: u64) -> Sight {
    Sight::of(seq, true)
}

/// Somebody who sees whatever there is in the conversations.
pub(super) fn viewer(user: &str) -> Viewer<'_> {
    Viewer {
        user,
        large: &[],
        sees: &everyone,
        all: false,
    }
}

impl Opened {
    fn put(&self, message: &Document<'_>) {
        self.index.put(message).unwrap();
    }

    /// Messages of one conversation, one after the other, found.
    fn say(&self, texts: &[&str]) {
        for (seq, text) in (1..).zip(texts) {
            self.put(&message(1, seq, text));
        }
        self.commit();
    }

    pub(super) fn commit(&self) {
        self.index.commit(1, [0; 16]).unwrap();
    }

    fn ask(&self, query: &MessageQuery, viewer: &Viewer<'_>) -> Answer {
        self.index.search(query, viewer).unwrap()
    }

    /// What Alice finds: sequence numbers, newest first.
    fn finds(&self, filter: Filter) -> Vec<u64> {
        seqs(&self.ask(&MessageQuery::new(filter), &viewer("alice")))
    }

    /// The same for the language.
    fn finds_by(&self, query: &str) -> Vec<u64> {
        let filter = parse(query, &Context { now_ms: NOW_MS }).unwrap();
        self.finds(filter)
    }
}

/// 2026-11-22, the beginning of the day.
const NOW_MS: i64 = 1_795_305_600_000;

fn seqs(answer: &Answer) -> Vec<u64> {
    answer.hits.iter().map(|hit| hit.seq).collect()
}

/// By conversation.
fn by_conversation(answer: &Answer) -> BTreeMap<u8, Vec<u64>> {
    let mut found: BTreeMap<u8, Vec<u64>> = BTreeMap::new();
    for hit in &answer.hits {
        found.entry(hit.conversation[0]).or_default().push(hit.seq);
    }
    found
}
