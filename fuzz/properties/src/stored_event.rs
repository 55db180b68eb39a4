//! Commits as they are stored, and the events in them.

use bytes::Bytes;
use tidings_core::{
    commit::{Batch, Commit, Schema, decode_event, encode_payload, schema_of},
    log::{Position, Record, Shard},
};
use uuid::Uuid;

use crate::{Meter, meter::Allowance};

/// Many events without content are the worst.
const ALLOWANCE: Allowance = Allowance {
    fixed: 16 * 1024,
    per_byte: 512,
};

/// A commit that is read can be stored and read again as the same one; so can a single event.
pub fn check(data: &[u8], meter: Meter) {
    let data = Bytes::copy_from_slice(data);
    commit(data.clone(), meter);
    event(&data, meter);
}

fn decode(payload: Bytes) -> Result<Commit, String> {
    let record = Record {
        position: Position(300),
        shard: Shard(0),
        id: Uuid::from_u128(1),
        payload,
    };
    Commit::decode(&record).map_err(|error| error.to_string())
}

fn commit(data: Bytes, meter: Meter) {
    let commit = match ALLOWANCE.hold(meter, data.len(), || decode(data.clone())) {
        Ok(commit) => commit,
        Err(why) => return assert!(why.len() <= 512, "{why}"),
    };
    let indices: Vec<u32> = commit.events().map(|(index, ..)| index).collect();
    assert!(indices.is_sorted_by(|one, next| one < next));

    let written = Commit::encode(commit.recorded_ms, &commit.batches);
    // What we write is the shortest form there is, and events that could not be read are not in it.
    assert!(written.len() <= data.len(), "{commit:?}");
    let again = decode(written.clone()).expect("what is written is read");
    assert_eq!(again, readable(&commit));
    assert_eq!(Commit::encode(again.recorded_ms, &again.batches), written);

    // Cut short anywhere or with something behind it, it is not read as something else.
    let end = written.len() - 1;
    assert!(decode(written.slice(..end)).is_err());
    assert!(decode([&written[..], &[0]].concat().into()).is_err());
}

/// The commit as it is when what could not be read was never there.
fn readable(commit: &Commit) -> Commit {
    let mut next = 0;
    let batches = commit.batches.iter().map(|batch| {
        let first_index = next;
        next += batch.events.len() as u32;
        Batch {
            first_index,
            poison: None,
            ..batch.clone()
        }
    });
    Commit {
        batches: batches.collect(),
        ..commit.clone()
    }
}

/// The first two bytes are kind and schema, the rest is its payload.
fn event(data: &Bytes, meter: Meter) {
    let [kind, schema, payload @ ..] = &data[..] else {
        return;
    };
    let schema = Schema {
        kind: u16::from(*kind),
        schema: u16::from(*schema),
    };
    let answer = ALLOWANCE.hold(meter, data.len(), || decode_event(schema, payload, data));
    let event = match answer {
        Ok(event) => event,
        Err(why) => return assert!(why.len() <= 512, "{why}"),
    };
    let now = schema_of(&event);
    assert_eq!(now.kind, schema.kind);
    let written = encode_payload(&event);
    let again = decode_event(now, &written, &Bytes::new());
    assert_eq!(again.as_ref(), Ok(&event));
    assert_eq!(again.map(|again| encode_payload(&again)), Ok(written));
}
