//! A disk that fails.

use super::*;

fn log_with_two() -> (tempfile::TempDir, Embedded) {
    let dir = tempfile::tempdir().unwrap();
    let log = Embedded::create(dir.path(), &small()).unwrap();
    append(&log, "one");
    append(&log, "two");
    (dir, log)
}

/// The next write of the record whose fate is unknown fails, too.
fn fail_once_more(log: &Embedded) {
    log.writer.inject(Faults {
        write: Some(10),
        ..Faults::default()
    });
}

fn payloads(log: &Embedded) -> Vec<bytes::Bytes> {
    read_all(log)
        .into_iter()
        .map(|record| record.payload)
        .collect()
}

#[test]
fn a_failed_write_is_taken_back() {
    for written in [0, 1, 44, 46, 47, usize::MAX] {
        let (dir, log) = log_with_two();
        log.writer.inject(Faults {
            write: Some(written),
            ..Faults::default()
        });
        let refused = try_append(&log, "lost");
        assert!(
            matches!(refused, Err(AppendError::Unavailable(_))),
            "{written}: {refused:?}"
        );
        assert_eq!(append(&log, "three"), Position(3), "the log goes on");
        assert_eq!(payloads(&log), ["one", "two", "three"]);
        drop(log);
        let log = Embedded::open(dir.path(), &small()).unwrap();
        assert_eq!(payloads(&log), ["one", "two", "three"]);
    }
}

#[test]
fn a_failed_write_that_cannot_be_taken_back_stays_unclear() {
    let (dir, log) = log_with_two();
    log.writer.inject(Faults {
        write: Some(20),
        undo: true,
        ..Faults::default()
    });
    assert!(matches!(
        try_append(&log, "torn"),
        Err(AppendError::Unclear(_))
    ));
    fail_once_more(&log);
    assert!(matches!(
        try_append(&log, "three"),
        Err(AppendError::Unavailable(_))
    ));
    drop(log);
    let log = Embedded::open(dir.path(), &small()).unwrap();
    assert_eq!(payloads(&log), ["one", "two"]);
    assert_eq!(append(&log, "three"), Position(3));
}

#[test]
fn after_a_failed_sync_nobody_concludes_anything_until_the_record_is_durable() {
    let (dir, log) = log_with_two();
    let mut tail = now(log.tail(Lane::Journal, Position(2))).unwrap();
    log.writer.inject(Faults {
        sync: true,
        ..Faults::default()
    });
    let third = commit(Shard(0), Position(2), "three");
    for _ in 0..2 {
        // A retry that fails is as unclear as the first try: the record may yet be found in the file.
        let outcome = now(log.append(third.clone()));
        fail_once_more(&log);
        assert!(
            matches!(outcome, Err(AppendError::Unclear(_))),
            "{outcome:?}"
        );
    }
    let other = try_append(&log, "other");
    assert!(
        matches!(other, Err(AppendError::Unavailable(_))),
        "{other:?}"
    );
    assert!(matches!(
        now(log.head(Lane::Journal)),
        Err(ReadError::Unavailable(_))
    ));
    assert!(matches!(
        now(log.last(Lane::Journal, Shard(0))),
        Err(ReadError::Unavailable(_))
    ));
    assert!(tail.next().now_or_never().is_none(), "it is not durable");
    drop(log);

    let log = Embedded::open(dir.path(), &small()).unwrap();
    assert_eq!(
        now(log.append(third)).unwrap(),
        Position(3),
        "here it had been written"
    );
    assert_eq!(payloads(&log), ["one", "two", "three"]);
}

#[test]
fn after_a_failed_sync_the_record_is_written_again_and_the_log_goes_on() {
    for same in [true, false] {
        let (dir, log) = log_with_two();
        let mut tail = now(log.tail(Lane::Journal, Position(2))).unwrap();
        log.writer.inject(Faults {
            sync: true,
            ..Faults::default()
        });
        let third = commit(Shard(0), Position(2), "three");
        let outcome = now(log.append(third.clone()));
        assert!(
            matches!(outcome, Err(AppendError::Unclear(_))),
            "{outcome:?}"
        );
        if same {
            assert_eq!(now(log.append(third)).unwrap(), Position(3));
        } else {
            // Whoever comes next finds that it stands where they meant to write.
            let other = try_append(&log, "other");
            let last = Position(3);
            assert!(
                matches!(&other, Err(AppendError::Conflict { last: found }) if *found == last),
                "{other:?}"
            );
        }
        assert_eq!(now(tail.next()).unwrap()[0].payload, "three");
        assert_eq!(append(&log, "four"), Position(4));
        assert_eq!(payloads(&log), ["one", "two", "three", "four"]);
        drop(log);
        let log = Embedded::open(dir.path(), &small()).unwrap();
        assert_eq!(payloads(&log), ["one", "two", "three", "four"]);
    }
}

#[test]
fn a_full_disk_refuses_and_then_goes_on() {
    let (dir, log) = log_with_two();
    log.writer.inject(Faults {
        rotate: true,
        ..Faults::default()
    });
    let large = vec![0; 62 << 10];
    let refused = try_append(&log, large.clone());
    assert!(
        matches!(refused, Err(AppendError::Unavailable(_))),
        "{refused:?}"
    );
    assert_eq!(append(&log, "three"), Position(3));
    assert_eq!(append(&log, large), Position(4));
    drop(log);
    let log = Embedded::open(dir.path(), &small()).unwrap();
    assert_eq!(log.stats().records, 4);
    verify(dir.path(), &mut |_| ()).unwrap();
}

#[test]
fn a_spare_segment_left_by_a_crash_is_not_used() {
    let (dir, log) = log_with_two();
    drop(log);
    std::fs::write(dir.path().join("spare.seg"), vec![0xAA; 200_000]).unwrap();
    let log = Embedded::open(dir.path(), &small()).unwrap();
    for _ in 0..5 {
        append(&log, vec![0; 30_000]);
    }
    drop(log);
    assert_eq!(verify(dir.path(), &mut |_| ()).unwrap().records, 7);
}

#[test]
fn a_record_written_but_not_synced_is_made_durable_by_opening() {
    // The process died between write and sync: the record is whole, nobody was told.
    let (dir, log) = log_with_two();
    let (_, _, end) = log.journal.size();
    let path = segments(dir.path())[0].clone();
    drop(log);
    let third = commit(Shard(0), Position(2), "three");
    let mut bytes = Vec::new();
    format::encode_record(&mut bytes, 3, 0, third.id, &third.payload);
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &bytes, end).unwrap();

    let log = Embedded::open(dir.path(), &small()).unwrap();
    assert_eq!(payloads(&log), ["one", "two", "three"]);
    assert_eq!(now(log.append(third)).unwrap(), Position(3));
    assert_eq!(append(&log, "four"), Position(4));
}
