//! Segments, locks, folders and epochs.

use super::*;

#[test]
fn goes_on_to_new_segments_and_opens_with_many() {
    let dir = tempfile::tempdir().unwrap();
    let log = Embedded::create(dir.path(), &small()).unwrap();
    for i in 0..200_usize {
        append(&log, vec![i as u8; (i * 37) % 3000]);
    }
    let before = read_all(&log);
    let stats = log.stats();
    assert_eq!(stats.records, 200);
    assert_eq!(stats.appends, 200);
    assert!(stats.segments >= 4, "{stats:?}");
    drop(log);

    let files = segments(dir.path());
    assert_eq!(files.len(), stats.segments);
    assert!(
        !dir.path().join("spare.seg").exists(),
        "a spare segment is removed at the close"
    );
    let log = Embedded::open(dir.path(), &small()).unwrap();
    assert!(read_all(&log) == before);
    for after in 0..200 {
        let mut tail = now(log.tail(Lane::Journal, Position(after))).unwrap();
        assert_eq!(now(tail.next()).unwrap()[0], before[after as usize]);
    }
    let report = verify(dir.path(), &mut |_| ()).unwrap();
    assert_eq!((report.records, report.segments), (200, files.len() as u64));
    assert_eq!(
        report.bytes,
        before.iter().map(|r| r.payload.len() as u64).sum::<u64>()
    );
    assert_eq!((report.epoch, report.torn), (log.identity().epoch, None));
}

#[test]
fn a_record_larger_than_a_segment_gets_a_larger_segment() {
    let dir = tempfile::tempdir().unwrap();
    let log = Embedded::create(dir.path(), &small()).unwrap();
    append(&log, "small");
    append(&log, vec![7; MAX_RECORD_BYTES]);
    append(&log, "small");
    assert_eq!(log.stats().segments, 3);
    drop(log);
    let log = Embedded::open(dir.path(), &small()).unwrap();
    let sizes: Vec<usize> = read_all(&log).iter().map(|r| r.payload.len()).collect();
    assert_eq!(sizes, [5, MAX_RECORD_BYTES, 5]);
}

#[test]
fn a_segment_that_was_begun_and_is_empty_keeps_the_last_id() {
    let dir = tempfile::tempdir().unwrap();
    let log = Embedded::create(dir.path(), &small()).unwrap();
    append(&log, vec![1; 40_000]);
    let last = commit(Shard(0), Position(1), vec![2; 20_000]);
    assert_eq!(now(log.append(last.clone())).unwrap(), Position(2));
    append(&log, vec![3; 20_000]);
    drop(log);
    forget_close(dir.path());
    // As if the machine had stopped between making the second segment and appending to it.
    let [_, second] = &segments(dir.path())[..] else {
        panic!("two segments")
    };
    let bytes = std::fs::read(second).unwrap();
    std::fs::write(second, &bytes[..SEGMENT_HEADER]).unwrap();

    let log = Embedded::open(dir.path(), &small()).unwrap();
    assert_eq!(now(log.head(Lane::Journal)).unwrap(), Position(2));
    assert_eq!(
        now(log.append(last)).unwrap(),
        Position(2),
        "a retry is still recognised"
    );
    assert_eq!(append(&log, "third"), Position(3));
    assert_eq!(read_all(&log).len(), 3);
}

#[test]
fn a_second_opener_is_told_who_holds_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let log = Embedded::create(dir.path(), &small()).unwrap();
    append(&log, "x");
    let refused = Embedded::open(dir.path(), &small()).err().unwrap();
    let holder = format!("is in use by process {}", std::process::id());
    assert!(refused.to_string().ends_with(&holder), "{refused}");
    assert!(matches!(
        new_epoch(dir.path(), new_id()),
        Err(OpenError::Locked { .. })
    ));
    assert_eq!(
        verify(dir.path(), &mut |_| ()).unwrap().records,
        1,
        "verifying needs no lock"
    );
    append(&log, "y");
    drop(log);
    assert_eq!(
        Embedded::open(dir.path(), &small())
            .unwrap()
            .stats()
            .records,
        2
    );
}

#[test]
fn creating_and_opening_do_not_guess() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    assert!(matches!(
        Embedded::open(&path, &small()),
        Err(OpenError::Missing { .. })
    ));
    assert!(matches!(
        verify(&path, &mut |_| ()),
        Err(OpenError::Missing { .. })
    ));
    drop(Embedded::open_or_create(&path, &small()).unwrap());
    assert!(matches!(
        Embedded::create(&path, &small()),
        Err(OpenError::Exists { .. })
    ));
    let log = Embedded::open_or_create(&path, &small()).unwrap();
    append(&log, "x");
    drop(log);

    std::fs::remove_file(path.join("meta.json")).unwrap();
    let refused = Embedded::open_or_create(&path, &small());
    assert!(
        matches!(refused, Err(OpenError::Exists { .. })),
        "records are never overwritten"
    );
}

#[test]
fn an_interrupted_creation_is_begun_again() {
    let dir = tempfile::tempdir().unwrap();
    drop(Embedded::create(dir.path(), &small()).unwrap());
    std::fs::remove_file(dir.path().join("meta.json")).unwrap();
    let log = Embedded::open_or_create(dir.path(), &small()).unwrap();
    append(&log, "x");
    drop(log);
    assert_eq!(
        Embedded::open(dir.path(), &small())
            .unwrap()
            .stats()
            .records,
        1
    );
}

#[test]
fn an_unknown_format_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(Embedded::create(dir.path(), &small()).unwrap());
    std::fs::write(
        dir.path().join("meta.json"),
        r#"{"format":9,"colour":"red"}"#,
    )
    .unwrap();
    let refused = Embedded::open(dir.path(), &small()).err().unwrap();
    assert_eq!(
        refused.to_string(),
        "the log has format 9, this program knows format 1 only"
    );
    std::fs::write(
        dir.path().join("meta.json"),
        r#"{"format":1,"colour":"red"}"#,
    )
    .unwrap();
    assert!(matches!(
        Embedded::open(dir.path(), &small()),
        Err(OpenError::Meta { .. })
    ));
}

#[test]
fn a_new_epoch_keeps_the_records() {
    let dir = tempfile::tempdir().unwrap();
    let log = Embedded::create(dir.path(), &small()).unwrap();
    let old = log.identity().epoch;
    for _ in 0..5 {
        append(&log, vec![0; 20_000]);
    }
    let records = read_all(&log);
    drop(log);
    let new = new_id();
    new_epoch(dir.path(), new).unwrap();
    assert!(
        matches!(new_epoch(dir.path(), old), Err(OpenError::Meta { .. })),
        "had it before"
    );

    let log = Embedded::open(dir.path(), &small()).unwrap();
    assert_eq!(
        (log.identity().epoch, log.incarnation(Lane::Journal)),
        (new, new)
    );
    assert!(read_all(&log) == records);
    for _ in 0..5 {
        append(&log, vec![1; 20_000]);
    }
    drop(log);
    let report = verify(dir.path(), &mut |_| ()).unwrap();
    assert_eq!((report.records, report.epoch), (10, new));
}

#[test]
fn a_segment_of_another_log_is_refused() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    for dir in &dirs {
        append(&Embedded::create(dir.path(), &small()).unwrap(), "x");
    }
    std::fs::copy(&segments(dirs[0].path())[0], &segments(dirs[1].path())[0]).unwrap();
    let refused = Embedded::open(dirs[1].path(), &small()).err().unwrap();
    assert!(
        refused.to_string().contains("belongs to another log"),
        "{refused}"
    );
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    drop(Embedded::create(dir.path(), &small()).unwrap());
    let path = dir.path().join("lock");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
    let open = Embedded::open(dir.path(), &small());
    if std::fs::OpenOptions::new().write(true).open(&path).is_ok() {
        // The superuser may write anything: then a folder where the file should be will do.
        drop(open);
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
    }
    let refused = Embedded::open(dir.path(), &small()).err().unwrap();
    assert!(matches!(refused, OpenError::Io { .. }), "{refused:?}");
    assert!(refused.to_string().contains("lock"), "{refused}");
}

#[test]
fn a_trimmed_copy_can_be_opened() {
    let dir = tempfile::tempdir().unwrap();
    let log = Embedded::create(dir.path(), &small()).unwrap();
    append(&log, "x");
    let (_, _, end) = log.journal.size();
    drop(log);
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(&segments(dir.path())[0])
        .unwrap();
    file.set_len(end).unwrap();
    let log = Embedded::open(dir.path(), &small()).unwrap();
    append(&log, "y");
    assert_eq!(read_all(&log).len(), 2);
    assert_eq!(
        file.metadata().unwrap().len(),
        small().segment_bytes,
        "it is allocated again"
    );
}

#[test]
fn the_presence_lane_keeps_its_newest_records() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options {
        presence_bytes: 4096,
        ..small()
    };
    let log = Embedded::create(dir.path(), &options).unwrap();
    let mut tail = now(log.tail(Lane::Presence, Position::START)).unwrap();
    for position in 0..50 {
        let edge = commit(Shard(0), Position(position), vec![0; 200]);
        now(log.append(Append {
            lane: Lane::Presence,
            ..edge
        }))
        .unwrap();
        assert_eq!(
            now(tail.next()).unwrap()[0].position,
            Position(position + 1)
        );
    }
    let mut late = now(log.tail(Lane::Presence, Position(5))).unwrap();
    let outcome = now(late.next());
    assert!(
        matches!(outcome, Err(ReadError::Lost)),
        "a gap is reported, not {outcome:?}"
    );
    let mut fresh = now(log.tail(Lane::Presence, Position::START)).unwrap();
    let kept = now(fresh.next()).unwrap();
    assert!(kept.len() > 5 && kept.len() < 45, "{}", kept.len());
    assert_eq!(
        kept.last().unwrap().position,
        Position(50),
        "whoever starts gets what is kept"
    );
    drop(log);
    let other = Options {
        incarnation: new_id(),
        ..options
    };
    let file = dir.path().join("presence.lane");
    let reopened = || {
        let log = Embedded::open(dir.path(), &other).unwrap();
        let mut tail = now(log.tail(Lane::Presence, Position::START)).unwrap();
        let head = now(log.head(Lane::Presence)).unwrap();
        let kept = match head {
            Position::START => Vec::new(),
            _ => now(tail.next()).unwrap(),
        };
        (log.incarnation(Lane::Presence), head, kept)
    };
    // The process comes and goes, who is here stays, and positions go on.
    assert_eq!(
        reopened(),
        (options.incarnation, Position(50), kept.clone())
    );
    // What a machine that lost its power left: up to there.
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    let (incarnation, head, torn) = reopened();
    assert_eq!((incarnation, head), (options.incarnation, Position(49)));
    assert_eq!(torn, kept[..kept.len() - 1]);
    // Of another log, or gone: another life.
    let mut foreign = bytes.clone();
    foreign[8] ^= 1;
    for bytes in [Some(foreign), Some(bytes[..20].to_vec()), None] {
        match bytes {
            Some(bytes) => std::fs::write(&file, bytes).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }
        assert_eq!(reopened(), (other.incarnation, Position::START, Vec::new()));
    }
}

#[test]
fn a_tail_outliving_its_log_ends() {
    let dir = tempfile::tempdir().unwrap();
    let log = Embedded::create(dir.path(), &small()).unwrap();
    append(&log, "x");
    let mut tail = now(log.tail(Lane::Journal, Position::START)).unwrap();
    let mut presence = now(log.tail(Lane::Presence, Position::START)).unwrap();
    drop(log);
    assert_eq!(now(tail.next()).unwrap().len(), 1);
    assert!(matches!(now(tail.next()), Err(ReadError::Unavailable(_))));
    assert!(matches!(
        now(presence.next()),
        Err(ReadError::Unavailable(_))
    ));
    Embedded::open(dir.path(), &small()).expect("a tail does not hold the lock");
}
