//! Torn appends, flipped bits, missing files.

use std::ops::Range;

use proptest::prelude::*;

use super::*;

/// A log of some records in one segment, closed; where in the file each record stands.
fn sample(payloads: &[usize]) -> (tempfile::TempDir, Vec<Record>, Vec<Range<usize>>) {
    let dir = tempfile::tempdir().unwrap();
    let log = Embedded::create(dir.path(), &small()).unwrap();
    let mut places = Vec::new();
    for (i, len) in payloads.iter().enumerate() {
        let (_, _, start) = log.journal.size();
        append(&log, vec![0x11 * (i as u8 + 1); *len]);
        let (_, _, end) = log.journal.size();
        places.push(start as usize..end as usize);
    }
    let records = read_all(&log);
    drop(log);
    (dir, records, places)
}

/// Opens a log whose segment has been tampered with as if a crash had done it, expecting the last
/// record to be cut off; then appends, closes and verifies.
fn expect_cut(dir: &Path, records: &[Record], what: &str) {
    let log = Embedded::open(dir, &small()).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(read_all(&log), records[..records.len() - 1], "{what}");
    let position = append(&log, "in its place");
    assert_eq!(position, records[records.len() - 1].position, "{what}");
    drop(log);
    let report = verify(dir, &mut |_| ()).unwrap();
    assert_eq!(
        (report.records, report.torn),
        (records.len() as u64, None),
        "{what}"
    );
}

#[test]
fn an_append_torn_at_any_byte_is_cut_off() {
    let (dir, records, places) = sample(&[30, 0, 90]);
    forget_close(dir.path());
    let path = segments(dir.path())[0].clone();
    let whole = std::fs::read(&path).unwrap();
    let last = places[2].clone();
    for cut in last.clone() {
        // The file ends there: it had not been allocated in advance.
        std::fs::write(&path, &whole[..cut]).unwrap();
        expect_cut(dir.path(), &records, &format!("file cut at {cut}"));
        forget_close(dir.path());
        // Only the bytes before, or only the bytes after, have reached the disk.
        let mut bytes = whole.clone();
        bytes[cut..last.end].fill(0);
        std::fs::write(&path, &bytes).unwrap();
        expect_cut(dir.path(), &records, &format!("zeros from {cut}"));
        forget_close(dir.path());
        if cut > last.start {
            let mut bytes = whole.clone();
            bytes[last.start..cut].fill(0);
            std::fs::write(&path, &bytes).unwrap();
            expect_cut(dir.path(), &records, &format!("zeros up to {cut}"));
            forget_close(dir.path());
        }
        let mut bytes = whole.clone();
        bytes[cut] ^= 0x40;
        std::fs::write(&path, &bytes).unwrap();
        let report = verify(dir.path(), &mut |_| ()).unwrap();
        let torn = report.torn.expect("verifying reports a torn append");
        assert_eq!((torn.offset, report.records), (last.start as u64, 2));
        expect_cut(dir.path(), &records, &format!("garbled at {cut}"));
        forget_close(dir.path());
    }
}

#[test]
fn a_torn_append_may_contain_what_looks_like_a_record() {
    let dir = tempfile::tempdir().unwrap();
    let log = Embedded::create(dir.path(), &small()).unwrap();
    append(&log, "first");
    let mut payload = Vec::new();
    format::encode_record(&mut payload, 3, 0, new_id(), b"a record in a record");
    payload.extend_from_slice(b"and more");
    append(&log, payload);
    let records = read_all(&log);
    let (_, _, end) = log.journal.size();
    drop(log);
    forget_close(dir.path());
    let path = segments(dir.path())[0].clone();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[end as usize - 1] = 0;
    std::fs::write(&path, &bytes).unwrap();
    expect_cut(dir.path(), &records, "last byte missing");
}

#[test]
fn damage_with_a_record_after_it_is_refused() {
    let (dir, _, places) = sample(&[30, 0, 90]);
    forget_close(dir.path());
    let path = segments(dir.path())[0].clone();
    let whole = std::fs::read(&path).unwrap();
    for (index, place) in places[..2].iter().enumerate() {
        for at in place.clone() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            std::fs::write(&path, &bytes).unwrap();
            for refused in [
                Embedded::open(dir.path(), &small()).err().unwrap(),
                verify(dir.path(), &mut |_| ()).unwrap_err(),
            ] {
                let OpenError::Damaged {
                    path: file,
                    offset,
                    position,
                    ..
                } = &refused
                else {
                    panic!("byte {at}: {refused}")
                };
                assert_eq!(file, &path);
                assert_eq!(*offset, place.start as u64, "byte {at}");
                assert_eq!(*position, index as u64 + 1, "byte {at}");
            }
            assert!(
                std::fs::read(&path).unwrap() == bytes,
                "a damaged log is left as it is"
            );
        }
    }
}

#[test]
fn damage_in_an_older_segment_is_found_by_reading() {
    let dir = tempfile::tempdir().unwrap();
    let log = Embedded::create(dir.path(), &small()).unwrap();
    for i in 0..8 {
        append(&log, vec![i; 20_000]);
    }
    drop(log);
    let path = segments(dir.path())[0].clone();
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.len() - 5;
    bytes[at] ^= 1;
    std::fs::write(&path, &bytes).unwrap();

    let damaged = verify(dir.path(), &mut |_| ()).unwrap_err();
    assert!(
        matches!(
            damaged,
            OpenError::Damaged {
                position: 2 | 3,
                ..
            }
        ),
        "{damaged}"
    );
    // Opening reads the last segment only, but no reader gets a damaged record.
    let log = Embedded::open(dir.path(), &small()).unwrap();
    let mut tail = now(log.tail(Lane::Journal, Position::START)).unwrap();
    let error = loop {
        match now(tail.next()) {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(
        matches!(
            error,
            ReadError::Damaged {
                position: Position(2 | 3),
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_missing_or_shortened_segment_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let log = Embedded::create(dir.path(), &small()).unwrap();
    for i in 0..12 {
        append(&log, vec![i; 20_000]);
    }
    drop(log);
    let count = segments(dir.path()).len();
    assert!(count >= 4);
    for missing in 0..count {
        let hurt = copy(dir.path());
        let files = segments(hurt.path());
        std::fs::remove_file(&files[missing]).unwrap();
        let refused = Embedded::open(hurt.path(), &small()).err().unwrap();
        if missing < count - 1 {
            let name = files[missing].file_name().unwrap().to_str().unwrap();
            assert!(refused.to_string().contains(name), "{refused}");
        } else {
            // Nothing points to the last file, but the close was noted.
            assert!(matches!(refused, OpenError::Lost { .. }), "{refused}");
        }
        if missing < count - 1 {
            let hurt = copy(dir.path());
            let files = segments(hurt.path());
            let file = std::fs::OpenOptions::new()
                .write(true)
                .open(&files[missing])
                .unwrap();
            file.set_len(file.metadata().unwrap().len() - 1).unwrap();
            let refused = Embedded::open(hurt.path(), &small()).err().unwrap();
            assert!(refused.to_string().contains("cut short"), "{refused}");
        }
    }
}

#[test]
fn damage_to_the_last_record_after_an_orderly_close_is_refused() {
    let (dir, _, places) = sample(&[30, 50]);
    let path = segments(dir.path())[0].clone();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[places[1].end - 1] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    for refused in [
        Embedded::open(dir.path(), &small()).err().unwrap(),
        verify(dir.path(), &mut |_| ()).unwrap_err(),
    ] {
        assert!(
            matches!(
                refused,
                OpenError::Lost {
                    last: 1,
                    reached: 2,
                    ..
                }
            ),
            "{refused}"
        );
    }
    // Who restores a backup says so, and gets what there is under a new epoch.
    new_epoch(dir.path(), new_id()).unwrap();
    assert_eq!(
        Embedded::open(dir.path(), &small())
            .unwrap()
            .stats()
            .records,
        1
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Verifying a closed log notices any bit that has changed, wherever it is in its segments.
    #[test]
    fn verify_finds_any_flipped_bit(place in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let dir = tempfile::tempdir().unwrap();
        let log = Embedded::create(dir.path(), &small()).unwrap();
        for i in 0..40_usize {
            append(&log, vec![i as u8; i * 150]);
        }
        drop(log);
        prop_assert!(verify(dir.path(), &mut |_| ()).unwrap().torn.is_none());

        let files = segments(dir.path());
        let mut contents: Vec<Vec<u8>> =
            files.iter().map(|file| std::fs::read(file).unwrap()).collect();
        let mut at = place.index(contents.iter().map(Vec::len).sum());
        let file = contents.iter().position(|c| at.checked_sub(c.len()).map(|r| at = r).is_none());
        let file = file.unwrap();
        contents[file][at] ^= 1 << bit;
        std::fs::write(&files[file], &contents[file]).unwrap();
        let found = match verify(dir.path(), &mut |_| ()) {
            Ok(report) => report.torn.is_some(),
            Err(_) => true,
        };
        prop_assert!(found, "bit {bit} of byte {at} of {:?}", files[file]);
    }

    /// Whatever is done to the end of the file, opening either refuses or yields a prefix.
    #[test]
    fn opening_a_damaged_log_yields_a_prefix_or_nothing(
        from in any::<prop::sample::Index>(),
        garbage in prop::collection::vec(any::<u8>(), 1..400),
    ) {
        let (dir, records, places) = sample(&[100, 3000, 0, 700]);
        forget_close(dir.path());
        let path = segments(dir.path())[0].clone();
        let mut bytes = std::fs::read(&path).unwrap();
        let at = SEGMENT_HEADER + from.index(places[3].end + 500 - SEGMENT_HEADER);
        bytes[at..at + garbage.len()].copy_from_slice(&garbage);
        std::fs::write(&path, &bytes).unwrap();
        if let Ok(log) = Embedded::open(dir.path(), &small()) {
            let found = read_all(&log);
            prop_assert!(found.len() >= 3 || at < places[2].end);
            prop_assert_eq!(&found[..], &records[..found.len()]);
        }
    }
}
