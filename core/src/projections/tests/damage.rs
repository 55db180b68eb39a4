//! Events that make no sense, and transactions that fail: what is set aside, and what goes on.

use std::sync::Arc;

use parking_lot::Mutex;
use tracing::{Level, Metadata, span};

use super::*;
use crate::{
    commit::Batch,
    domain::{
        Content, ConversationId, Event, UserId,
        event::{Kind, Role},
    },
    history::{
        Play,
        act::{place, user},
        play::{batch, commit},
    },
    projections::read::{Page, Viewer},
};

fn stream(number: usize) -> Stream {
    Stream::Conversation(place(number))
}

fn posted(seq: u64) -> Event {
    Event::MessagePosted {
        seq,
        countable_seq: seq,
        content: Content::Sealed(bytes::Bytes::from_static(b"text")),
        reply_to: 0,
        mentions: Vec::new(),
    }
}

/// A commit whose batch cannot be read to its end.
fn unreadable(position: u64, batch: Batch) -> Commit {
    let mut commit = commit(position, &[batch]);
    commit.batches[0].poison = Some("of the future".to_owned());
    commit
}

/// The start of all histories: a direct conversation and two groups.
fn started() -> (TempDir, Projections) {
    let (folder, projections) = empty();
    fold(&projections, Play::new().commit().expect("the start"));
    (folder, projections)
}

/// The messages `user(0)` sees.
fn seen(projections: &Projections, id: ConversationId) -> Vec<u64> {
    let rows = projections.read();
    let viewer = Viewer::load(&rows, &user(0)).expect("read");
    let page = read::messages(&rows, &viewer, id, Page::Latest, 100, 100).expect("read");
    page.expect("a member")
        .messages
        .into_iter()
        .map(|message| message.seq)
        .collect()
}

#[test]
fn a_stream_with_an_unreadable_event_is_parked_and_the_others_go_on() {
    let (folder, projections) = started();
    let future = unreadable(2, batch(stream(3), "a", vec![posted(1)]));
    let other = commit(3, &[batch(stream(0), "a", vec![posted(1)])]);
    let later = commit(4, &[batch(stream(3), "a", vec![posted(2)])]);
    let parked = projections.apply(&[future, other, later]).expect("folds");
    let expected = Parked {
        stream: stream(3),
        position: 2,
        reason: "of the future".to_owned(),
    };
    assert_eq!(parked, [expected]);
    assert_eq!(projections.cursor(), 4);
    assert_eq!(
        seen(&projections, place(3)),
        [1],
        "what could be read was folded"
    );
    assert_eq!(seen(&projections, place(0)), [1]);
    assert!(projections.is_parked(&stream(3)));
    assert!(!projections.is_parked(&stream(0)));

    // It stays so after a restart.
    projections.flush().expect("flushes");
    drop(projections);
    let projections = Projections::open(folder.path(), identity()).expect("opens");
    assert_eq!(projections.parked(), [stream(3)]);
    assert!(projections.is_parked(&stream(3)));
    let more = [
        batch(stream(3), "a", vec![posted(3)]),
        batch(stream(0), "b", vec![Event::ReadUpTo { seq: 9 }]),
        batch(stream(0), "a", vec![posted(2)]),
        batch(stream(4), "a", vec![posted(1)]),
    ];
    let parked = projections.apply(&[commit(5, &more)]).expect("folds");
    assert_eq!(
        parked.len(),
        1,
        "the one that reads what is not there: {parked:?}"
    );
    assert_eq!(seen(&projections, place(3)), [1]);
    assert_eq!(
        seen(&projections, place(0)),
        [1],
        "parked within the same commit"
    );
    assert_eq!(seen(&projections, place(4)), [1]);
    let rows = fold::parked(&projections.read()).expect("read");
    assert_eq!(
        rows.iter()
            .map(|parked| parked.position)
            .collect::<Vec<_>>(),
        [5, 2]
    );
    let report = audit::compare(&projections, &projections).expect("reads");
    assert!(!report.is_clean(), "an audit says so as well");
    assert_eq!((report.parked, report.differences), (2, 0));
}

#[test]
fn events_that_make_no_sense_park_their_stream() {
    let user = |id: &str| UserId::new(id).expect("a user id");
    let joined = |id: &str| Event::MemberJoined {
        user: user(id),
        role: Role::Member,
    };
    let edited = Event::MessageEdited {
        seq: 1,
        content: Content::Sealed(Default::default()),
        mentions: vec![],
    };
    let group = Kind::Group {
        history_from_start: false,
        max_members: 9,
    };
    let start = Event::ConversationStarted {
        kind: group,
        title: String::new(),
    };
    let countable = |countable_seq| match posted(1) {
        Event::MessagePosted {
            seq,
            content,
            reply_to,
            mentions,
            ..
        } => Event::MessagePosted {
            seq,
            countable_seq,
            content,
            reply_to,
            mentions,
        },
        other => other,
    };
    let reaction = || "+1".to_owned();
    let retracted = Event::MessageRetracted {
        seq: 1,
        author: user("a"),
        countable_seq: 1,
    };
    let cases = [
        (stream(3), posted(2), "message 2 follows message 0"),
        (
            stream(3),
            countable(2),
            "countable message 2 follows countable message 0",
        ),
        (stream(3), start, "the conversation is started twice"),
        (stream(1), posted(1), "the conversation was never started"),
        (stream(3), joined("a"), "a joins twice"),
        (
            stream(3),
            Event::MemberLeft { user: user("c") },
            "c is not a member",
        ),
        (
            stream(3),
            Event::MemberRemoved { user: user("c") },
            "c is not a member",
        ),
        (
            stream(3),
            Event::RoleChanged {
                user: user("c"),
                role: Role::Owner,
            },
            "c is not a member",
        ),
        (stream(3), edited, "message 1 does not exist"),
        (stream(3), retracted, "message 1 does not exist"),
        (
            stream(3),
            Event::ReactionAdded {
                seq: 1,
                reaction: reaction(),
            },
            "message 1 does not exist",
        ),
        (
            stream(3),
            Event::ReadUpTo { seq: 1 },
            "message 1 is read before it is posted",
        ),
        (
            stream(3),
            Event::DeliveredUpTo { seq: 1 },
            "message 1 is read before it is posted",
        ),
        (
            stream(3),
            Event::UserBlocked { user: user("b") },
            "a user's event in a conversation's stream",
        ),
        (
            Stream::User(user("a")),
            posted(1),
            "a conversation's event in a user's stream",
        ),
    ];
    for (stream, event, why) in cases {
        let (_folder, projections) = started();
        let parked = projections.apply(&[commit(2, &[batch(stream.clone(), "a", vec![event])])]);
        let reason = why.to_owned();
        assert_eq!(
            parked.expect("folds"),
            [Parked {
                stream,
                position: 2,
                reason
            }]
        );
    }
    let (_folder, projections) = started();
    let removed = Event::ReactionRemoved {
        seq: 1,
        reaction: reaction(),
    };
    let events = vec![posted(1), removed];
    let parked = projections.apply(&[commit(2, &[batch(stream(3), "a", events)])]);
    assert_eq!(parked.expect("folds")[0].reason, "no +1 on message 1");
}

#[test]
fn who_has_left_neither_leaves_again_nor_reads() {
    let left = || Event::MemberLeft { user: user(1) };
    for event in [
        left(),
        Event::ReadUpTo { seq: 0 },
        Event::DeliveredUpTo { seq: 0 },
    ] {
        let (_folder, projections) = started();
        fold(
            &projections,
            commit(2, &[batch(stream(3), "ab", vec![left()])]),
        );
        let parked = projections.apply(&[commit(3, &[batch(stream(3), "ab", vec![event])])]);
        assert_eq!(parked.expect("folds")[0].reason, "ab is not a member");
    }
}

/// A transaction that cannot be finished is as if it had never been, also for what is kept in memory.
#[test]
fn nothing_is_kept_of_a_transaction_that_fails() {
    let (_folder, projections) = started();
    let conversation = rows::conversation(place(4));
    let overwrite = |projections: &Projections, bytes: bytes::Bytes| {
        let mut tx = projections.store().write();
        tx.put(Table::Conversations, &conversation, bytes);
        tx.commit(projections.cursor());
    };
    let good = projections
        .read()
        .get(Table::Conversations, &conversation)
        .expect("read");
    let good = bytes::Bytes::copy_from_slice(&good.expect("it is started"));
    // Reopened, nothing of the conversation is kept in memory.
    let projections = {
        projections.flush().expect("flushes");
        drop(projections);
        Projections::open(_folder.path(), identity()).expect("opens")
    };
    let commits = [
        commit(2, &[batch(stream(0), "a", vec![posted(1)])]),
        unreadable(3, batch(stream(3), "a", vec![posted(1)])),
        commit(4, &[batch(stream(4), "a", vec![posted(1)])]),
    ];
    overwrite(&projections, bytes::Bytes::from_static(b"\xff"));
    let failed = projections.apply(&commits);
    assert!(matches!(failed, Err(ReadError::Corrupt(_))), "{failed:?}");
    assert_eq!((projections.cursor(), projections.parked()), (1, vec![]));
    assert!(seen(&projections, place(0)).is_empty());
    // Nor is a conversation that cannot be read taken for one that is not there.
    let start = Play::new()
        .commit()
        .expect("the start")
        .batches
        .pop()
        .expect("a batch");
    let again = projections.apply(&[commit(
        2,
        &[Batch {
            stream: stream(4),
            ..start
        }],
    )]);
    assert!(matches!(again, Err(ReadError::Corrupt(_))), "{again:?}");

    overwrite(&projections, good);
    assert_eq!(
        projections.apply(&commits).expect("folds").len(),
        1,
        "parked, and for good this time"
    );
    let (_other, afresh) = started();
    afresh.apply(&commits).expect("folds");
    assert_eq!(
        audit::compare(&projections, &afresh)
            .expect("reads")
            .differences,
        0
    );
}

/// Keeps the messages of errors.
struct Alarms(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Alarms {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::ERROR
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut text = String::new();
        event.record(
            &mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
                text += &format!("{field}={value:?} ");
            },
        );
        self.0.lock().push(text);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[test]
fn parking_a_stream_raises_an_alarm_then_and_at_every_start() {
    let alarms = Arc::new(Mutex::new(Vec::new()));
    let (folder, projections) = started();
    tracing::subscriber::with_default(Alarms(alarms.clone()), || {
        let future = unreadable(2, batch(stream(3), "a", vec![posted(1)]));
        projections.apply(&[future]).expect("folds");
        projections.flush().expect("flushes");
        drop(projections);
        Projections::open(folder.path(), identity()).expect("opens");
    });
    let alarms = alarms.lock();
    let names_it = |text: &String| text.contains("position=2") && text.contains("of the future");
    assert_eq!(
        (alarms.len(), alarms.iter().all(names_it)),
        (2, true),
        "{alarms:?}"
    );
}
