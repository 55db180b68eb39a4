//! The stored form: goldens, and what may be asked of any of it.

use super::*;

mod codec;
mod golden;

fn user(id: &str) -> UserId {
    UserId::new(id).expect("a user id")
}

fn conversation() -> ConversationId {
    ConversationId(Uuid::from_u128(0x0123_4567_89ab_cdef_fedc_ba98_7654_3210))
}

fn record(payload: Bytes) -> Record {
    Record {
        position: Position(300),
        shard: Shard(0),
        id: Uuid::from_u128(1),
        payload,
    }
}

fn decoded(payload: Bytes) -> Commit {
    Commit::decode(&record(payload)).expect("it is a commit")
}

/// A batch with every part of the envelope that there is.
fn full(stream: Stream, events: Vec<Event>) -> Batch {
    Batch {
        stream,
        actor: user("ann"),
        command: Some(CommandRef {
            id: CommandId(Uuid::from_u128(2)),
            digest: 0xdead_beef,
        }),
        happened_ms: Some(1_700_000_000_123),
        correlation: Some(Uuid::from_u128(3)),
        causation: Some((299, 4)),
        first_index: 0,
        events,
        poison: None,
    }
}
