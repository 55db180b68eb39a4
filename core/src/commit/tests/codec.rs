//! Any commit is read as it was written, and any bytes are either read or refused.

use proptest::prelude::*;

use super::*;

/// A kind that this version does not know.
const FUTURE: u16 = 9_999;

fn any_user() -> impl Strategy<Value = UserId> {
    prop_oneof![
        "[a-zé]{1,8}".prop_map(|text| user(&text)),
        Just(user(&"x".repeat(128))),
    ]
}

fn any_role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Member), Just(Role::Moderator), Just(Role::Owner)]
}

fn any_kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        (any_user(), any_user(), "[a-z]{0,128}").prop_map(|(a, b, context)| Kind::Direct {
            pair: (a, b),
            context
        }),
        any::<(bool, u32)>().prop_map(|(history_from_start, max_members)| Kind::Group {
            history_from_start,
            max_members
        }),
    ]
}

fn any_event() -> impl Strategy<Value = Event> {
    let sealed = prop::collection::vec(any::<u8>(), 0..300);
    let sealed = sealed
        .prop_map(|bytes| Content::Sealed(bytes.into()))
        .boxed();
    let payload = sealed.clone();
    let text = sealed.clone();
    let mentions = prop::collection::vec(any_user(), 0..50).boxed();
    prop_oneof![
        (any_kind(), ".{0,60}")
            .prop_map(|(kind, title)| Event::ConversationStarted { kind, title }),
        (any_user(), any_role()).prop_map(|(user, role)| Event::MemberJoined { user, role }),
        any_user().prop_map(|user| Event::MemberLeft { user }),
        any_user().prop_map(|user| Event::MemberRemoved { user }),
        (any_user(), any_role()).prop_map(|(user, role)| Event::RoleChanged { user, role }),
        ".{0,60}".prop_map(|title| Event::TitleChanged { title }),
        (any::<(u64, u64, u64)>(), sealed.clone(), mentions.clone()).prop_map(
            |((seq, countable_seq, reply_to), content, mentions)| Event::MessagePosted {
                seq,
                countable_seq,
                content,
                reply_to,
                mentions
            }
        ),
        (any::<u64>(), sealed, mentions).prop_map(|(seq, content, mentions)| {
            Event::MessageEdited {
                seq,
                content,
                mentions,
            }
        }),
        (any::<(u64, u64)>(), any_user()).prop_map(|((seq, countable_seq), author)| {
            Event::MessageRetracted {
                seq,
                author,
                countable_seq,
            }
        }),
        (any::<u64>(), "[^\u{0}-\u{1f}]{0,8}")
            .prop_map(|(seq, reaction)| Event::ReactionAdded { seq, reaction }),
        (any::<u64>(), "[^\u{0}-\u{1f}]{0,8}")
            .prop_map(|(seq, reaction)| Event::ReactionRemoved { seq, reaction }),
        any::<u64>().prop_map(|seq| Event::ReadUpTo { seq }),
        any::<u64>().prop_map(|seq| Event::DeliveredUpTo { seq }),
        any::<bool>().prop_map(|muted| Event::ConversationMuted {
            conversation: conversation(),
            muted
        }),
        any_user().prop_map(|user| Event::UserBlocked { user }),
        any_user().prop_map(|user| Event::UserUnblocked { user }),
        any::<bool>().prop_map(|hidden| Event::HiddenChanged { hidden }),
        Just(Event::ProfileRemoved),
        Just(Event::UserErased),
        (
            any::<(u64, u64, Option<u128>)>(),
            "[a-z]{1,64}",
            prop::option::of(".{1,60}"),
            text,
            prop::option::of(any_user()),
            prop::collection::vec(any::<u64>(), 0..60),
        )
            .prop_map(
                |((toast, expires_ms, about), source, collapse, content, about_user, replaces)| {
                    Event::ToastQueued {
                        toast,
                        source,
                        collapse,
                        content,
                        about_user,
                        about_conversation: about
                            .map(|id| crate::domain::ConversationId(Uuid::from_u128(id))),
                        expires_ms,
                        replaces,
                    }
                }
            ),
        prop::collection::vec(any::<u64>(), 0..60).prop_map(|toasts| Event::ToastsSeen { toasts }),
        ("[a-z]{1,64}", "[a-z_]{1,64}", any::<u32>()).prop_map(|(source, name, count)| {
            Event::BadgeSet {
                source,
                name,
                count,
            }
        }),
        payload
            .clone()
            .prop_map(|attributes| Event::ProfileSet { attributes }),
        ("[a-z0-9_.]{1,64}", payload)
            .prop_map(|(kind, payload)| Event::AppEventRecorded { kind, payload }),
    ]
}

prop_compose! {
    fn any_batch()(
        of_user in any::<bool>(),
        actor in any_user(),
        command in any::<Option<(u128, u32)>>(),
        happened_ms in any::<Option<u64>>(),
        correlation in any::<Option<u128>>(),
        causation in any::<Option<(u64, u32)>>(),
        events in prop::collection::vec(any_event(), 0..6),
    ) -> Batch {
        let command = command.map(|(id, digest)| {
            CommandRef { id: CommandId(Uuid::from_u128(id)), digest }
        });
        let stream = match of_user {
            true => Stream::User(actor.clone()),
            false => Stream::Conversation(conversation()),
        };
        let correlation = correlation.map(Uuid::from_u128);
        Batch { stream, actor, command, happened_ms, correlation, causation, events, first_index: 0, poison: None }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_written_is_read(
        recorded_ms in any::<u64>(),
        batches in prop::collection::vec(any_batch(), 0..5),
    ) {
        let bytes = Commit::encode(recorded_ms, &batches);
        let commit = decoded(bytes.clone());
        prop_assert_eq!(commit.recorded_ms, recorded_ms);
        let indices: Vec<u32> = commit.events().map(|(index, ..)| index).collect();
        prop_assert!(indices.iter().copied().eq(0..indices.len() as u32));
        let mut first_index = 0;
        let expected: Vec<Batch> = batches
            .into_iter()
            .map(|batch| {
                let first = first_index;
                first_index += batch.events.len() as u32;
                Batch { first_index: first, ..batch }
            })
            .collect();
        prop_assert_eq!(&commit.batches, &expected);
        prop_assert_eq!(Commit::encode(recorded_ms, &commit.batches), bytes);
    }

    /// A round of the writer relies on it: a commit that does not fit is never made.
    #[test]
    fn sizes_are_estimated_from_above(batches in prop::collection::vec(any_batch(), 1..4)) {
        let estimated: usize = batches.iter().map(|batch| encoded_size(&batch.events)).sum();
        let size = Commit::encode(u64::MAX, &batches).len();
        prop_assert!(size <= estimated + 32, "{size} bytes, estimated {estimated}");
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Commit::decode(&record(bytes.clone().into()));
        let format = [&[FORMAT], &bytes[..]].concat();
        let _ = Commit::decode(&record(format.into()));
        for kind in 0..40 {
            let _ = decode_event(Schema { kind, schema: 1 }, &bytes, &Bytes::new());
        }
    }

    #[test]
    fn damaged_commits_are_read_or_refused(
        batches in prop::collection::vec(any_batch(), 1..4),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let whole = Commit::encode(7, &batches);
        let mut changed = whole.to_vec();
        changed[at.index(whole.len())] = byte;
        let _ = Commit::decode(&record(changed.into()));
        let cut = whole.slice(..at.index(whole.len()));
        prop_assert!(Commit::decode(&record(cut)).is_err(), "nothing is read from a part");
        let longer = [&whole[..], &[byte]].concat();
        prop_assert!(Commit::decode(&record(longer.into())).is_err(), "nor from more");
    }
}

/// A commit with one event of the future, the `nth`.
fn with_future_event(batches: &[Batch], nth: usize) -> Bytes {
    let bytes = Commit::encode(7, batches);
    let mut stored: StoredCommit<'_> = whole(&bytes[1..]).expect("just encoded");
    let event = stored
        .batches
        .iter_mut()
        .flat_map(|batch| &mut batch.events)
        .nth(nth);
    event.expect("there are as many").kind = FUTURE;
    postcard::to_extend(&stored, vec![FORMAT])
        .expect("encodes")
        .into()
}

#[test]
fn an_event_of_the_future_poisons_its_batch_from_there_on() {
    let batch = |events| full(Stream::Conversation(conversation()), events);
    let read = |seq| Event::ReadUpTo { seq };
    let batches = [
        batch(vec![read(1), read(2), read(3)]),
        batch(vec![read(4), read(5)]),
    ];
    let commit = decoded(with_future_event(&batches, 1));
    assert_eq!(commit.batches[0].events, [read(1)]);
    let why = commit.batches[0].poison.as_deref();
    assert_eq!(
        why,
        Some("event 1: kind 9999 schema 1 is of a newer version of this program")
    );
    assert_eq!(commit.batches[1].events, [read(4), read(5)]);
    assert_eq!(commit.batches[1].poison, None);
    let indices: Vec<u32> = commit.events().map(|(index, ..)| index).collect();
    assert_eq!(
        indices,
        [0, 3, 4],
        "numbers in the log do not depend on who can read them"
    );
}

#[test]
fn an_event_of_the_future_parks_only_its_stream() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let identity = crate::log::Identity {
        epoch: Uuid::nil(),
        shards: 1,
    };
    let rows = crate::projections::Projections::open(folder.path(), identity).expect("opens");
    let blocks = |who: &str| {
        let blocked = vec![Event::UserBlocked { user: user("eve") }];
        Batch {
            actor: user(who),
            ..full(Stream::User(user(who)), blocked)
        }
    };
    let commit = decoded(with_future_event(&[blocks("ann"), blocks("bob")], 0));
    assert_eq!(rows.apply(&[commit]).expect("folds").len(), 1);
    assert_eq!(rows.parked(), [Stream::User(user("ann"))]);
    let blocked_by = |who: &str| {
        let viewer = crate::projections::read::Viewer::load(&rows.read(), &user(who));
        viewer.expect("read").blocked.len()
    };
    assert_eq!((blocked_by("ann"), blocked_by("bob")), (0, 1));
}

#[test]
fn a_schema_of_the_future_is_refused_and_so_is_a_payload_with_more_in_it() {
    let payload = encode_payload(&Event::ReadUpTo { seq: 4 });
    let read =
        |schema, payload: &[u8]| decode_event(Schema { kind: 20, schema }, payload, &Bytes::new());
    assert_eq!(read(1, &payload), Ok(Event::ReadUpTo { seq: 4 }));
    let newer = "kind 20 schema 2 is of a newer version of this program";
    assert_eq!(read(2, &payload), Err(newer.to_owned()));
    let more = [&payload[..], &[0]].concat();
    assert_eq!(read(1, &more), Err("1 bytes too many".to_owned()));
}

#[test]
fn a_commit_of_the_future_names_its_position() {
    let refused = |payload: &'static [u8]| {
        Commit::decode(&record(Bytes::from_static(payload)))
            .map(|_| ())
            .map_err(|e| e.to_string())
    };
    let says = |why: &str| Err(format!("the commit at position 300 cannot be read: {why}"));
    assert_eq!(
        refused(&[2, 0]),
        says("commit format 2 is of a newer version of this program")
    );
    assert_eq!(refused(&[]), says("the record is empty"));
}

#[test]
fn content_is_shared_with_the_record_and_not_copied() {
    let text = Bytes::from_static(b"a sealed text");
    let posted = Event::MessagePosted {
        seq: 1,
        countable_seq: 1,
        content: Content::Sealed(text),
        reply_to: 0,
        mentions: vec![],
    };
    let batch = full(Stream::Conversation(conversation()), vec![posted]);
    let bytes = Commit::encode(7, &[batch]);
    let commit = decoded(bytes.clone());
    let Event::MessagePosted {
        content: Content::Sealed(sealed),
        ..
    } = &commit.batches[0].events[0]
    else {
        panic!("a posted message");
    };
    assert!(bytes.as_ptr_range().contains(&sealed.as_ptr()));
}

#[test]
#[should_panic(expected = "content is sealed before it is encoded")]
fn plain_content_never_gets_into_the_log() {
    let content = Content::Plain("in the clear".to_owned());
    let edited = Event::MessageEdited {
        seq: 1,
        content,
        mentions: vec![],
    };
    let _ = Commit::encode(
        7,
        &[full(Stream::Conversation(conversation()), vec![edited])],
    );
}
