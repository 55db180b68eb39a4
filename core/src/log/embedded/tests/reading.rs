//! Reading beside whoever appends.

use std::os::unix::fs::FileExt as _;

use super::*;
use crate::log::Tail;

fn reading(dir: &Path) -> Reading {
    Reading::open(dir).unwrap()
}

fn head(log: &Reading) -> u64 {
    now(log.head(Lane::Journal)).unwrap().0
}

fn tail(log: &Reading, after: u64) -> Box<dyn Tail> {
    now(log.tail(Lane::Journal, Position(after))).unwrap()
}

/// What can be had at once.
fn read(tail: &mut dyn Tail) -> Vec<Record> {
    let mut records = Vec::new();
    while let Some(more) = tail.next().now_or_never() {
        records.extend(more.unwrap());
    }
    records
}

#[tokio::test]
async fn what_is_appended_meanwhile_is_read_across_segments() {
    let dir = tempfile::tempdir().unwrap();
    let log = Embedded::create(dir.path(), &small()).unwrap();
    let reader = reading(dir.path());
    assert_eq!((head(&reader), reader.identity()), (0, log.identity()));
    let mut following = tail(&reader, 0);
    let mut followed = Vec::new();
    for n in 0..300_usize {
        append(&log, vec![n as u8; 1_000]);
        if n % 7 == 0 {
            followed.extend(read(&mut *following));
        }
    }
    assert!(segments(dir.path()).len() > 3, "several segments");
    followed.extend(read(&mut *following));
    assert_eq!(followed, read_all(&log));
    assert_eq!(head(&reader), 300);
    for after in [0, 1, 63, 64, 150, 299, 300] {
        let mut from = tail(&reader, after);
        assert_eq!(
            read(&mut *from),
            followed[after as usize..],
            "after {after}"
        );
    }
}

/// A tail at the end waits, and goes on.
#[tokio::test]
async fn a_tail_that_waits_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let log = Embedded::create(dir.path(), &small()).unwrap();
    append(&log, "one");
    let reader = reading(dir.path());
    let mut waiting = tail(&reader, 1);
    let (records, _) = tokio::join!(waiting.next(), async {
        tokio::task::yield_now().await;
        append(&log, "two")
    });
    assert_eq!(records.unwrap()[0].payload, "two");
}

#[tokio::test]
async fn a_record_that_is_being_written_is_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    let log = Embedded::create(dir.path(), &small()).unwrap();
    append(&log, "one");
    let end = log.journal.size().2;
    let path = &segments(dir.path())[0];
    let mut torn = Vec::new();
    format::encode_record(&mut torn, 2, 0, new_id(), b"half of it");
    let file = File::options().write(true).open(path).unwrap();
    file.write_all_at(&torn[..torn.len() / 2], end).unwrap();
    let reader = reading(dir.path());
    let mut following = tail(&reader, 0);
    assert_eq!((read(&mut *following).len(), head(&reader)), (1, 1));
    file.write_all_at(&torn, end).unwrap();
    assert_eq!((read(&mut *following).len(), head(&reader)), (1, 2));
}

#[test]
fn damage_before_the_last_segment_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let log = Embedded::create(dir.path(), &small()).unwrap();
    for _ in 0..200 {
        append(&log, vec![7; 1_000]);
    }
    let path = &segments(dir.path())[0];
    let file = File::options().write(true).open(path).unwrap();
    file.write_all_at(b"damage", 20_000).unwrap();
    let reader = reading(dir.path());
    assert_eq!(head(&reader), 200, "the end is whole");
    let mut following = tail(&reader, 0);
    let error = loop {
        match now(following.next()) {
            Ok(records) => assert!(records.len() < 30, "{}", records.len()),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, ReadError::Damaged { .. }), "{error}");
}

#[test]
fn it_neither_writes_nor_makes_a_log() {
    let dir = tempfile::tempdir().unwrap();
    let nothing = Reading::open(dir.path()).err().unwrap();
    assert!(matches!(nothing, OpenError::Missing { .. }), "{nothing}");
    drop(Embedded::create(dir.path(), &small()).unwrap());
    let reader = reading(dir.path());
    let refused = now(reader.append(commit(Shard(0), Position(0), "one")));
    assert!(matches!(refused, Err(AppendError::Unavailable(_))));
    let presence = now(reader.head(Lane::Presence));
    assert!(matches!(presence, Err(ReadError::Unavailable(_))));
}

#[test]
fn a_log_that_has_lost_something_is_not_opened() {
    let dir = tempfile::tempdir().unwrap();
    let log = Embedded::create(dir.path(), &small()).unwrap();
    for _ in 0..20 {
        append(&log, vec![7; 1_000]);
    }
    drop(log);
    let damaged = copy(dir.path());
    let path = &segments(damaged.path())[0];
    let file = File::options().write(true).open(path).unwrap();
    file.write_all_at(b"damage", 15_000).unwrap();
    let error = Reading::open(damaged.path()).err().unwrap();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");

    let cut = copy(dir.path());
    let path = &segments(cut.path())[0];
    let file = File::options().write(true).open(path).unwrap();
    file.set_len(15_000).unwrap();
    let error = Reading::open(cut.path()).err().unwrap();
    assert!(matches!(error, OpenError::Lost { .. }), "{error}");
}
