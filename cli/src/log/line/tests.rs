//! Lines as they are read by people and programs.

use tidings_core::{
    commit::CommandRef,
    domain::{CommandId, ConversationId, UserId},
    log::Shard,
};
use uuid::Uuid;

use super::*;

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn batch(stream: Stream, first_index: u32, events: Vec<Event>) -> Batch {
    Batch {
        stream,
        actor: user("ann"),
        command: None,
        happened_ms: None,
        correlation: None,
        causation: None,
        first_index,
        events,
        poison: None,
    }
}

fn commit() -> Result<Commit, DecodeError> {
    let group = Stream::Conversation(ConversationId(Uuid::from_u128(7)));
    let said = Event::MessagePosted {
        seq: 3,
        countable_seq: 2,
        content: Content::Sealed(vec![0; OVERHEAD + 5].into()),
        reply_to: 0,
        mentions: vec![user("ben"), user("a b")],
    };
    let titled = Event::TitleChanged {
        title: "A \u{1b}[31mtitle".to_owned(),
    };
    let blocked = Event::UserBlocked { user: user("ben") };
    let mut first = batch(group, 0, vec![said, titled]);
    first.command = Some(CommandRef {
        id: CommandId(Uuid::from_u128(9)),
        digest: 1,
    });
    // 2005-02-08 09:00.
    first.happened_ms = Some(1_107_853_200_000);
    let left = Event::MemberLeft { user: user("ann") };
    let mut second = batch(Stream::User(user("ann")), 2, vec![blocked, left]);
    second.poison = Some("kind 99 is not known".to_owned());
    Ok(Commit {
        position: Position(12),
        shard: Shard(4),
        id: Uuid::from_u128(1),
        recorded_ms: 1_709_164_800_001,
        batches: vec![first, second],
    })
}

fn broken() -> Result<Commit, DecodeError> {
    Err(DecodeError {
        position: Position(13),
        reason: "the record is empty".to_owned(),
    })
}

#[test]
fn people_read_when_where_what_and_who() {
    let group = "conversation 00000000-0000-0000-0000-000000000007";
    assert_eq!(
        human(Position(12), &commit()),
        [
            format!(
                "2005-02-08T09:00:00.000Z  12.0  {group}  message_posted by ann seq=3 text_bytes=5 \
                 mentions=[\"ben\",\"a b\"] countable_seq=2"
            ),
            // What could do something to a terminal is escaped.
            format!(
                "2005-02-08T09:00:00.000Z  12.1  {group}  title_changed by ann title=\"A \\u001b[31mtitle\""
            ),
            "2024-02-29T00:00:00.001Z  12.2  user ann  user_blocked by ann user=ben".to_owned(),
            // Whose it is need not be said twice.
            "2024-02-29T00:00:00.001Z  12.3  user ann  member_left by ann".to_owned(),
            "2024-02-29T00:00:00.001Z  12.4  user ann  cannot be read: kind 99 is not known"
                .to_owned(),
        ]
    );
    assert_eq!(
        human(Position(13), &broken()),
        ["13  cannot be read: the record is empty"]
    );
}

#[test]
fn of_a_fact_there_is_its_kind_and_its_length() {
    let fact = Event::AppEventRecorded {
        kind: "profile.viewed".to_owned(),
        payload: Content::Sealed(vec![0; OVERHEAD + 17].into()),
    };
    let mut commit = commit().unwrap();
    commit.batches = vec![batch(Stream::User(user("ben")), 0, vec![fact])];
    assert_eq!(
        human(Position(12), &Ok(commit)),
        [
            "2024-02-29T00:00:00.001Z  12.0  user ben  app_event_recorded by ann kind=profile.viewed \
             payload_bytes=17"
        ]
    );
}

#[test]
fn programs_read_an_object_a_line() {
    let lines: Vec<Value> = json(Position(12), &commit())
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 5);
    assert_eq!(
        lines[0],
        json!({
            "position": 12,
            "index": 0,
            "shard": 4,
            "commit": "00000000-0000-0000-0000-000000000001",
            "at_ms": 1_107_853_200_000_u64,
            "recorded_ms": 1_709_164_800_001_u64,
            "stream": { "conversation": "00000000-0000-0000-0000-000000000007" },
            "actor": "ann",
            "command": "00000000-0000-0000-0000-000000000009",
            "kind": "message_posted",
            "schema": 1,
            "event": {
                "seq": 3,
                "text_bytes": 5,
                "reply_to": 0,
                "mentions": ["ben", "a b"],
                "countable_seq": 2,
            },
        })
    );
    assert_eq!(lines[2]["stream"], json!({ "user": "ann" }));
    assert_eq!(lines[2]["command"], Value::Null);
    assert_eq!(lines[3]["event"], json!({ "user": "ann" }));
    assert_eq!(lines[4]["index"], 4);
    assert_eq!(lines[4]["unreadable"], "kind 99 is not known");
    assert_eq!(lines[4].get("kind"), None);
    assert_eq!(
        json(Position(13), &broken()),
        [r#"{"position":13,"unreadable":"the record is empty"}"#]
    );
}

#[test]
fn times_are_those_of_the_calendar() {
    for (ms, text) in [
        (0, "1970-01-01T00:00:00.000Z"),
        (951_782_399_999, "2000-02-28T23:59:59.999Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (951_868_800_000, "2000-03-01T00:00:00.000Z"),
        (1_735_689_599_000, "2024-12-31T23:59:59.000Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
    ] {
        assert_eq!(time(ms), text);
    }
}
