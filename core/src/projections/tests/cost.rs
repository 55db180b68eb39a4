//! What resuming costs follows what has changed for the user, not what the log holds.

use std::{cell::Cell, ops::ControlFlow};

use bytes::Bytes;

use super::*;
use crate::{
    domain::{
        Content, ConversationId, Event, UserId,
        event::{Kind, Role},
    },
    history::play::{batch, commit},
    projections::{
        read::{Page, Viewer},
        resume::{Resume, since},
        rows::Rows,
    },
};

/// Rows that count how many of them are looked at.
struct Counted<'a> {
    rows: &'a Snapshot<'a>,
    touched: Cell<usize>,
}

impl Counted<'_> {
    fn touch(&self) {
        self.touched.set(self.touched.get() + 1);
    }
}

impl Rows for Counted<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        self.touch();
        Rows::get(self.rows, table, key)
    }

    fn scan(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        reverse: bool,
        visit: &mut dyn FnMut(&[u8], &Bytes) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        // An empty range is looked for as well.
        self.touch();
        Rows::scan(self.rows, table, from, to, reverse, &mut |key, value| {
            self.touch();
            visit(key, value)
        })
    }
}

fn reader() -> UserId {
    UserId::new("reader").expect("a user id")
}

fn place(n: u64) -> ConversationId {
    ConversationId(Uuid::from_u128(u128::from(n) << 64 | 7))
}

fn posted(seq: u64) -> Event {
    Event::MessagePosted {
        seq,
        countable_seq: seq,
        content: Content::Sealed(Bytes::from_static(b"some text of a common length, sealed")),
        reply_to: 0,
        mentions: Vec::new(),
    }
}

/// Conversations of the reader with others; every second one is not theirs.
const PLACES: u64 = 40;

/// A log with so many messages in every conversation and as many reactions, flushed to disk.
fn history(messages: u64) -> (TempDir, Projections) {
    let (folder, projections) = empty();
    let kind = || Kind::Group {
        history_from_start: false,
        max_members: 9,
    };
    let joined = |id: &str| Event::MemberJoined {
        user: UserId::new(id).expect("a user id"),
        role: Role::Member,
    };
    let start = |n: u64| {
        let mut events = vec![
            Event::ConversationStarted {
                kind: kind(),
                title: String::new(),
            },
            joined("writer"),
        ];
        events.extend(n.is_multiple_of(2).then(|| joined("reader")));
        batch(Stream::Conversation(place(n)), "writer", events)
    };
    let mut commits = vec![commit(1, &(0..PLACES).map(start).collect::<Vec<_>>())];
    for seq in 1..=messages {
        let reaction = Event::ReactionAdded {
            seq,
            reaction: "+1".to_owned(),
        };
        let events = |n| {
            let events = vec![posted(seq), reaction.clone()];
            batch(Stream::Conversation(place(n)), "writer", events)
        };
        commits.push(commit(
            seq + 1,
            &(0..PLACES).map(events).collect::<Vec<_>>(),
        ));
    }
    assert_eq!(projections.apply(&commits).expect("folds"), []);
    projections.flush().expect("flushes");
    (folder, projections)
}

/// Resumes after five messages and five reactions to old ones in ten of the reader's conversations,
/// and as many in ten of others. Returns the number of changes told and of rows looked at.
fn resuming(messages: u64) -> (usize, usize) {
    let (_folder, projections) = history(messages);
    let cursor = (projections.cursor(), u32::MAX);
    for n in 0..20 {
        let mut events: Vec<Event> = (1..=5).map(|k| posted(messages + k)).collect();
        let reaction = "-1".to_owned();
        events.extend((1..=5).map(|seq| Event::ReactionAdded {
            seq,
            reaction: reaction.clone(),
        }));
        let batch = batch(Stream::Conversation(place(n)), "writer", events);
        fold(&projections, commit(projections.cursor() + 1, &[batch]));
    }
    let rows = projections.read();
    let viewer = Viewer::load(&rows, &reader()).expect("read");
    let counted = Counted {
        rows: &rows,
        touched: Cell::new(0),
    };
    match since(&counted, rows.cursor(), &viewer, cursor, 1_000).expect("read") {
        Resume::Changes(changes) => (changes.len(), counted.touched.get()),
        Resume::Gap => panic!("there is room"),
    }
}

#[test]
fn resuming_costs_what_has_changed_and_not_what_there_is() {
    let (changes, touched) = resuming(20);
    assert_eq!(changes, 100);
    // A look at each conversation of the reader's, and a few at each change.
    assert!(
        touched < PLACES as usize * 2 + changes * 6,
        "{touched} rows"
    );
    assert_eq!(resuming(200), (changes, touched), "ten times the log");
}

/// A client that is too far behind is told so without everything being read.
#[test]
fn a_gap_is_found_before_all_of_it_is_read() {
    let touched = |messages| {
        let (_folder, projections) = history(messages);
        let rows = projections.read();
        let viewer = Viewer::load(&rows, &reader()).expect("read");
        let counted = Counted {
            rows: &rows,
            touched: Cell::new(0),
        };
        let found = since(&counted, rows.cursor(), &viewer, (1, u32::MAX), 10).expect("read");
        assert!(matches!(found, Resume::Gap));
        counted.touched.get()
    };
    assert!(touched(20) < 100, "{}", touched(20));
    assert_eq!(touched(20), touched(200));
}

/// However much somebody sends to one who blocks them, it costs that one next to nothing.
#[test]
fn what_a_blocked_user_sends_is_not_read_one_by_one() {
    let (_folder, projections) = empty();
    let user = |id: &str| UserId::new(id).expect("a user id");
    let kind = Kind::Direct {
        pair: (user("reader"), user("writer")),
        context: String::new(),
    };
    let id = Stream::Conversation(place(1));
    let start = Event::ConversationStarted {
        kind,
        title: String::new(),
    };
    let blocked = Event::UserBlocked {
        user: user("writer"),
    };
    let first = [
        batch(id.clone(), "reader", vec![start, posted(1)]),
        batch(Stream::User(reader()), "reader", vec![blocked]),
    ];
    fold(&projections, commit(1, &first));
    fold(
        &projections,
        commit(2, &[batch(id, "writer", (2..=2_000).map(posted).collect())]),
    );
    let rows = projections.read();
    let viewer = Viewer::load(&rows, &reader()).expect("read");
    let counted = Counted {
        rows: &rows,
        touched: Cell::new(0),
    };
    let view = read::conversation(&counted, 2, &viewer, place(1))
        .expect("read")
        .expect("shown");
    assert_eq!(
        (view.last_seq, view.unread, view.activity_position),
        (1, 0, 1)
    );
    assert!(counted.touched.get() < 20, "{} rows", counted.touched.get());
    counted.touched.set(0);
    let page = read::messages(&counted, &viewer, place(1), Page::Latest, 10, 100).expect("read");
    assert_eq!(
        page.map(|page| (page.messages.len(), page.more, page.rest)),
        Some((1, false, None))
    );
    assert!(counted.touched.get() < 20, "{} rows", counted.touched.get());
    // A resume does not go through all of them either.
    counted.touched.set(0);
    let found = since(&counted, 2, &viewer, (1, u32::MAX), 100).expect("read");
    assert!(matches!(found, Resume::Gap), "{found:?}");
    assert!(
        counted.touched.get() < 500,
        "{} rows",
        counted.touched.get()
    );
}
