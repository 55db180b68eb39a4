//! Stored commits of every kind and schema that was ever written, kept in `core/golden/` and read
//! for ever. `UPDATE_GOLDEN=1` adds what is missing; it never changes what is there.

use std::{collections::BTreeSet, fs, path::PathBuf};

use serde_json::{Value, json};

use super::*;
use crate::domain::{ExtensionEvent, ExtensionId, Reaction, Settler, extension};

fn folder() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "golden"].iter().collect()
}

/// Every kind and schema the program reads, found by asking it.
fn known() -> BTreeSet<Schema> {
    let all = (0..256).flat_map(|kind| (0..16).map(move |schema| Schema { kind, schema }));
    let reads = |schema: &Schema| match decode_event(*schema, &[], &Bytes::new()) {
        Ok(_) => true,
        Err(why) => !why.contains("newer version"),
    };
    all.filter(reads).collect()
}

/// Events of a kind in its present schema: every form that it has.
fn samples(kind: u16) -> Vec<Event> {
    let sealed = |text: &str| Content::Sealed(Bytes::copy_from_slice(text.as_bytes()));
    let (seq, reaction) = (70_000, "🎉".to_owned());
    let direct = Kind::Direct {
        pair: (user("ann"), user("bób")),
        context: "listing 4".to_owned(),
    };
    let group = |history_from_start| Kind::Group {
        history_from_start,
        max_members: 10_000,
    };
    let started = |kind, title: &str| Event::ConversationStarted {
        kind,
        title: title.to_owned(),
    };
    let joined = |role| Event::MemberJoined {
        user: user("bób"),
        role,
    };
    let changed = |role| Event::RoleChanged {
        user: user("bób"),
        role,
    };
    let roles = [Role::Member, Role::Moderator, Role::Owner];
    match kind {
        1 => vec![
            started(direct, ""),
            started(group(false), "Gärten"),
            started(group(true), ""),
        ],
        2 => roles.map(joined).to_vec(),
        3 => vec![Event::MemberLeft { user: user("bób") }],
        4 => vec![Event::MemberRemoved { user: user("bób") }],
        5 => roles.map(changed).to_vec(),
        6 => vec![Event::TitleChanged {
            title: "Gärten".to_owned(),
        }],
        7 => vec![
            Event::ToastQueued {
                toast: 300,
                source: "likes".to_owned(),
                collapse: Some("today".to_owned()),
                content: sealed("a sealed object"),
                about_user: Some(user("bób")),
                about_conversation: Some(conversation()),
                expires_ms: 1_700_000_000_123,
                replaces: vec![3, 299],
            },
            Event::ToastQueued {
                toast: 1,
                source: "backend".to_owned(),
                collapse: None,
                content: sealed(""),
                about_user: None,
                about_conversation: None,
                expires_ms: 1_700_000_000_123,
                replaces: vec![],
            },
        ],
        8 => vec![Event::ToastsSeen {
            toasts: vec![3, 300],
        }],
        9 => [0, 300]
            .map(|count| Event::BadgeSet {
                source: "likes".to_owned(),
                name: "new".to_owned(),
                count,
            })
            .to_vec(),
        10 => vec![
            Event::MessagePosted {
                seq,
                countable_seq: 69_999,
                content: sealed("a sealed text"),
                reply_to: 300,
                mentions: vec![user("ann"), user("bób")],
            },
            Event::MessagePosted {
                seq: 1,
                countable_seq: 0,
                content: sealed(""),
                reply_to: 0,
                mentions: vec![],
            },
        ],
        11 => vec![Event::MessageEdited {
            seq,
            content: sealed("another"),
            mentions: vec![user("ann")],
        }],
        12 => vec![Event::MessageRetracted {
            seq,
            author: user("bób"),
            countable_seq: 69_999,
        }],
        13 => vec![Event::ReactionAdded { seq, reaction }],
        14 => vec![Event::ReactionRemoved { seq, reaction }],
        15 => vec![Event::MessageReviewed {
            seq,
            reviews: reviews(),
        }],
        16 => vec![
            Event::MessageHeld {
                held: 3,
                edits: 300,
                content: sealed("a sealed text"),
                reply_to: 0,
                mentions: vec![],
                reviews: reviews(),
            },
            Event::MessageHeld {
                held: 70_000,
                edits: 0,
                content: sealed(""),
                reply_to: 300,
                mentions: vec![user("ann"), user("bób")],
                reviews: vec![],
            },
        ],
        17 => settlers()
            .map(|by| Event::MessageReleased { held: 300, by })
            .to_vec(),
        18 => settlers()
            .map(|by| Event::MessageRejected {
                held: 300,
                reason: "höflich bleiben".to_owned(),
                by,
            })
            .to_vec(),
        20 => vec![Event::ReadUpTo { seq }],
        21 => vec![Event::DeliveredUpTo { seq }],
        30 => [true, false]
            .map(|muted| Event::ConversationMuted {
                conversation: conversation(),
                muted,
            })
            .to_vec(),
        31 => vec![Event::UserBlocked { user: user("bób") }],
        32 => vec![Event::UserUnblocked { user: user("bób") }],
        33 => [true, false]
            .map(|invisible| Event::VisibilityChanged { invisible })
            .to_vec(),
        34 => vec![Event::Seen {
            at_ms: 1_700_000_000_123,
        }],
        35 => vec![Event::ContactAdded { user: user("bób") }],
        36 => vec![Event::ContactRemoved { user: user("bób") }],
        37 => vec![
            Event::ProfileSet {
                attributes: sealed("a sealed object"),
            },
            Event::ProfileSet {
                attributes: sealed(""),
            },
        ],
        38 => vec![Event::ProfileRemoved],
        39 => [true, false]
            .map(|hidden| Event::HiddenChanged { hidden })
            .to_vec(),
        41 => vec![Event::UserErased],
        40 => vec![
            Event::AppEventRecorded {
                kind: "profile.viewed".to_owned(),
                payload: sealed("a sealed object"),
            },
            Event::AppEventRecorded {
                kind: "x".to_owned(),
                payload: sealed(""),
            },
        ],
        50..=56 => extension(kind),
        _ => panic!("kind {kind} has no example here: add one"),
    }
}

fn word_filter() -> ExtensionId {
    ExtensionId::new("word-filter").expect("an id")
}

/// What happens to extensions.
fn extension(kind: u16) -> Vec<Event> {
    let activation = extension::Activation {
        version: "1.2.3".to_owned(),
        settings: "{\"words\":[\"höflich\"]}".to_owned(),
        order: 1_000,
    };
    let sealed = |subjects: &[&str]| extension::Sealed {
        subjects: subjects.iter().map(|name| user(name)).collect(),
        bytes: vec![1, 2, 3],
    };
    let command = |number| CommandId(Uuid::from_u128(number));
    let events = match kind {
        50 => vec![ExtensionEvent::Installed(extension::Version {
            version: "1.2.3".to_owned(),
            digest: [7; 32],
            size: 20_000,
            manifest: "{\"id\":\"word-filter\"}".to_owned(),
        })],
        51 => [true, false]
            .map(|shadow| ExtensionEvent::Activated {
                activation: activation.clone(),
                shadow,
            })
            .to_vec(),
        52 => [true, false]
            .map(|shadow| ExtensionEvent::Deactivated { shadow })
            .to_vec(),
        53 => vec![ExtensionEvent::Quarantined(extension::Quarantine {
            version: "1.2.3".to_owned(),
            hook: "moderation".to_owned(),
            cause: "used up its time".to_owned(),
        })],
        54 => vec![ExtensionEvent::Removed {
            version: "1.2.3".to_owned(),
        }],
        55 => vec![
            ExtensionEvent::Reacted(Box::default()),
            ExtensionEvent::Reacted(Box::new(Reaction {
                revision: 300,
                version: "1.2.3".to_owned(),
                upto: (70_000, u32::MAX),
                waiting: vec![extension::Waiting {
                    at: (70_000, 3),
                    attempts: 2,
                    again_ms: Some(1_700_000_000_123),
                    cause: "trapped".to_owned(),
                }],
                done: vec![(69_000, 1)],
                kv: vec![
                    extension::KvChange {
                        key: "seen/ann".to_owned(),
                        value: Some(sealed(&["ann"])),
                        revision: 301 << 20 | 1,
                    },
                    extension::KvChange {
                        key: "gone".to_owned(),
                        value: None,
                        revision: 301 << 20 | 2,
                    },
                ],
                timers: vec![extension::TimerChange {
                    key: "later".to_owned(),
                    timer: Some(extension::Timer {
                        due_ms: 1_700_000_000_123,
                        payload: sealed(&[]),
                    }),
                }],
                intents: vec![extension::Intent {
                    id: command(5),
                    actor: user("extension:word-filter"),
                    what: sealed(&["ann", "bób"]),
                }],
                failed: vec![command(6)],
            })),
        ],
        _ => vec![ExtensionEvent::Answered(Box::new(extension::Answered {
            asked: 0x0102_0304,
            name: "score".to_owned(),
            answer: sealed(&["ann"]),
            reaction: Reaction {
                revision: 300,
                version: "1.2.3".to_owned(),
                upto: (70_000, u32::MAX),
                ..Reaction::default()
            },
        }))],
    };
    events.into_iter().map(Event::Extension).collect()
}

/// A review of every verdict.
fn reviews() -> Vec<Review> {
    use crate::domain::Verdict::{Allow, Hold, Reject, Replace};
    let review = |verdict| Review {
        extension: "word-filter".to_owned(),
        version: "1.2.3".to_owned(),
        verdict,
        reason: "höflich bleiben".to_owned(),
        labels: vec!["insult".to_owned(), "spam-2".to_owned()],
        failed: verdict == Hold,
    };
    [Allow, Replace, Hold, Reject].map(review).to_vec()
}

fn settlers() -> [Settler; 3] {
    [
        Settler::Moderator(user("bób")),
        Settler::Backend,
        Settler::Extension("word-filter".to_owned()),
    ]
}

/// A stored commit with the samples of a kind: one batch with a full envelope, one with a bare one.
fn example(kind: u16) -> Bytes {
    let events = samples(kind);
    let stream = match kind {
        50..=56 => Stream::Extension(word_filter()),
        7..=9 | 30.. => Stream::User(user("ann")),
        _ => Stream::Conversation(conversation()),
    };
    let bare = Batch {
        command: None,
        happened_ms: None,
        correlation: None,
        causation: None,
        events: events[..1].to_vec(),
        ..full(stream.clone(), vec![])
    };
    Commit::encode(1_750_000_000_000, &[full(stream, events), bare])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Bytes {
    let digit = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal");
    (0..text.len()).step_by(2).map(digit).collect()
}

/// What a commit says, as text.
fn said(commit: &Commit) -> Value {
    let batch = |batch: &Batch| {
        let Batch {
            stream,
            actor,
            command,
            happened_ms,
            correlation,
            causation,
            ..
        } = batch;
        assert_eq!(batch.poison, None);
        json!({
            "envelope": format!(
                "{stream:?} {actor:?} {command:?} {happened_ms:?} {correlation:?} {causation:?}"
            ),
            "events": batch.events.iter().map(|event| format!("{event:?}")).collect::<Vec<_>>(),
        })
    };
    json!({
        "recorded_ms": commit.recorded_ms,
        "batches": commit.batches.iter().map(batch).collect::<Vec<_>>(),
    })
}

fn read(schema: Schema) -> Option<Value> {
    let name = format!("{}-{}.json", schema.kind, schema.schema);
    let text = fs::read_to_string(folder().join(name)).ok()?;
    Some(serde_json::from_str(&text).expect("a golden is JSON"))
}

#[test]
fn every_schema_ever_written_is_read() {
    for schema in known() {
        let Schema {
            kind,
            schema: number,
        } = schema;
        let golden = read(schema).unwrap_or_else(|| {
            let asked = std::env::var_os("UPDATE_GOLDEN").is_some();
            assert!(
                asked,
                "no golden of kind {kind} schema {number}: UPDATE_GOLDEN=1 adds it"
            );
            let bytes = example(kind);
            let commit = decoded(bytes.clone());
            let written = schema_of(&commit.batches[0].events[0]);
            assert_eq!(written, schema, "the old form can no longer be written");
            let name = format!("{:?}", commit.batches[0].events[0]);
            let name = name.split([' ', '{']).next().expect("a name");
            let golden = json!({ "name": name, "hex": hex(&bytes), "says": said(&commit) });
            let mut text = serde_json::to_string_pretty(&golden).expect("JSON");
            text.push('\n');
            let path = folder().join(format!("{kind}-{number}.json"));
            fs::write(path, text).expect("the golden is written");
            golden
        });
        let bytes = unhex(golden["hex"].as_str().expect("text"));
        let commit = decoded(bytes.clone());
        assert_eq!(said(&commit), golden["says"], "kind {kind} schema {number}");
        let events = commit.batches.iter().flat_map(|batch| &batch.events);
        for event in events {
            assert_eq!(schema_of(event).kind, kind);
        }
        if schema_of(&commit.batches[0].events[0]) == schema {
            assert_eq!(
                hex(&Commit::encode(commit.recorded_ms, &commit.batches)),
                hex(&bytes),
                "kind {kind} is written otherwise: that is a new schema"
            );
            assert_eq!(
                hex(&example(kind)),
                hex(&bytes),
                "the golden has every form"
            );
        }
    }
}

#[test]
fn nothing_that_was_written_is_forgotten() {
    let names = fs::read_dir(folder()).expect("the goldens").map(|entry| {
        let name = entry
            .expect("an entry")
            .file_name()
            .into_string()
            .expect("text");
        let numbers = name
            .strip_suffix(".json")
            .and_then(|name| name.split_once('-'));
        let (kind, schema) = numbers.expect(&name);
        Schema {
            kind: kind.parse().expect("a kind"),
            schema: schema.parse().expect("a schema"),
        }
    });
    assert_eq!(names.collect::<BTreeSet<_>>(), known());
}
