//! The store against a model, and across crashes.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use bytes::Bytes;
use proptest::prelude::*;
use tempfile::TempDir;

use super::{Direction, MAX_KEY, OpenError, Snapshot, Store, Table};

const VERSION: u32 = 3;
const EPOCH: u128 = 0x0123_4567_89ab_cdef_0000_1111_2222_3333;

fn open(path: &Path) -> Store {
    Store::open(path, VERSION, EPOCH).expect("open")
}

fn fresh() -> (TempDir, Store) {
    let dir = TempDir::new().expect("temporary folder");
    let store = open(dir.path());
    (dir, store)
}

fn put(store: &Store, cursor: u64, rows: &[(Table, &str, &str)]) {
    let mut tx = store.write();
    for (table, key, value) in rows {
        tx.put(*table, key.as_bytes(), value.as_bytes().to_vec());
    }
    tx.commit(cursor);
}

fn text(store: &Store, table: Table, key: &str) -> Option<String> {
    let value = store.read().get(table, key.as_bytes()).expect("read");
    value.map(|value| String::from_utf8(value.to_vec()).expect("text"))
}

fn rows(
    snapshot: &Snapshot<'_>,
    table: Table,
    bounds: (Bound<&[u8]>, Bound<&[u8]>),
    direction: Direction,
) -> Vec<Row> {
    let rows = snapshot
        .range(table, bounds, direction)
        .map(|row| row.expect("read"));
    rows.map(|(key, value)| (key.to_vec(), value.to_vec()))
        .collect()
}

type Row = (Vec<u8>, Vec<u8>);

const ALL: (Bound<&[u8]>, Bound<&[u8]>) = (Bound::Unbounded, Bound::Unbounded);

#[test]
fn commits_show_at_once_and_survive_only_with_a_flush() {
    let (dir, store) = fresh();
    put(
        &store,
        5,
        &[(Table::Users, "ann", "1"), (Table::Messages, "ann", "2")],
    );
    assert!(store.flush().expect("flush"));
    put(
        &store,
        9,
        &[(Table::Users, "ann", "3"), (Table::Users, "bob", "4")],
    );
    assert_eq!((store.cursor(), store.flushed()), (9, 5));
    assert_eq!(text(&store, Table::Users, "ann").as_deref(), Some("3"));

    drop(store);
    let store = open(dir.path());
    assert_eq!((store.cursor(), store.flushed()), (5, 5));
    assert_eq!(text(&store, Table::Users, "ann").as_deref(), Some("1"));
    assert_eq!(text(&store, Table::Users, "bob"), None);
    assert_eq!(text(&store, Table::Messages, "ann").as_deref(), Some("2"));
}

#[test]
fn a_transaction_is_private_until_commit_and_gone_when_dropped() {
    let (_dir, store) = fresh();
    put(
        &store,
        1,
        &[(Table::Users, "a", "old"), (Table::Users, "b", "old")],
    );
    let mut tx = store.write();
    tx.put(Table::Users, b"a", "new");
    tx.delete(Table::Users, b"b");
    tx.put(Table::Users, b"c", "new");
    assert_eq!(
        tx.get(Table::Users, b"a").expect("read").as_deref(),
        Some(&b"new"[..])
    );
    assert_eq!(tx.get(Table::Users, b"b").expect("read"), None);
    let own: Vec<Row> = vec![
        (b"a".to_vec(), b"new".to_vec()),
        (b"c".to_vec(), b"new".to_vec()),
    ];
    assert_eq!(rows(&tx.read(), Table::Users, ALL, Direction::Forward), own);
    assert_eq!(text(&store, Table::Users, "a").as_deref(), Some("old"));
    assert_eq!(text(&store, Table::Users, "c"), None);
    drop(tx);
    assert_eq!(text(&store, Table::Users, "b").as_deref(), Some("old"));
    assert_eq!(store.cursor(), 1);
}

#[test]
fn a_flush_says_whether_it_had_something_to_do() {
    let (_dir, store) = fresh();
    assert!(!store.flush().expect("flush"));
    put(&store, 4, &[]);
    assert!(store.flush().expect("flush"), "a cursor alone is something");
    assert_eq!(store.flushed(), 4);
    assert!(!store.flush().expect("flush"));
}

#[test]
fn the_overlay_is_counted_and_empties_on_flush() {
    let (_dir, store) = fresh();
    put(&store, 1, &[(Table::Users, "a", &"x".repeat(1000))]);
    let one = store.overlay_bytes();
    assert!((1000..1500).contains(&one), "{one}");
    put(&store, 2, &[(Table::Users, "a", "y")]);
    assert_eq!(store.overlay_bytes(), one - 999);
    store.flush().expect("flush");
    assert_eq!(store.overlay_bytes(), 0);
}

#[test]
fn another_version_or_epoch_is_refused() {
    let (dir, store) = fresh();
    drop(store);
    let refused = Store::open(dir.path(), VERSION + 1, EPOCH).err();
    assert!(
        matches!(
            refused,
            Some(OpenError::Version {
                found: VERSION,
                expected: 4
            })
        ),
        "{refused:?}"
    );
    let refused = Store::open(dir.path(), VERSION, EPOCH + 1).err();
    assert!(
        matches!(refused, Some(OpenError::Epoch { found: EPOCH, .. })),
        "{refused:?}"
    );
    open(dir.path());
}

#[test]
fn a_folder_is_open_once() {
    let (dir, store) = fresh();
    assert!(matches!(
        Store::open(dir.path(), VERSION, EPOCH),
        Err(OpenError::Locked)
    ));
    drop(store);
    assert!(!OpenError::Locked.rebuildable());
    open(dir.path());
}

#[test]
fn a_failed_flush_loses_nothing_and_can_be_repeated() {
    let (dir, store) = fresh();
    put(&store, 7, &[(Table::Users, "a", "1")]);
    let (tables, aside) = (dir.path().join("rows/tables"), dir.path().join("aside"));
    fs::rename(&tables, &aside).expect("take the files away");
    store.flush().expect_err("nowhere to write");
    put(&store, 8, &[(Table::Users, "b", "2")]);
    assert_eq!(store.flushed(), 0);
    assert!(store.overlay_bytes() > 0);
    assert_eq!(text(&store, Table::Users, "a").as_deref(), Some("1"));
    fs::rename(&aside, &tables).expect("bring them back");
    while store.flush().expect("flush") {}
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.cursor(), 8);
    assert_eq!(text(&store, Table::Users, "a").as_deref(), Some("1"));
    assert_eq!(text(&store, Table::Users, "b").as_deref(), Some("2"));
}

#[test]
fn damaged_files_are_an_error_and_never_a_panic() {
    let (dir, store) = fresh();
    for cursor in 1..=3 {
        put(
            &store,
            cursor,
            &[
                (Table::Users, &format!("user {cursor}"), "x"),
                (Table::Meta, "m", &"y".repeat(9000)),
            ],
        );
        store.flush().expect("flush");
    }
    drop(store);
    let intact: Vec<(PathBuf, Vec<u8>)> = files(&dir.path().join("rows"));
    let mut refused = 0;
    for (path, bytes) in &intact {
        let flipped = |at: usize| {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0xff;
            damaged
        };
        let len = bytes.len();
        let damages = [
            Vec::new(),
            bytes[..len / 2].to_vec(),
            flipped(0),
            flipped(len / 2),
            flipped(len - 1),
        ];
        for damage in damages {
            fs::write(path, damage).expect("damage");
            match Store::open(dir.path(), VERSION, EPOCH) {
                // Damage in a block of rows shows when the rows are read.
                Ok(store) => refused += usize::from(read_everything(&store).is_err()),
                Err(OpenError::Corrupt(_)) => refused += 1,
                Err(other) => panic!("{}: {other:?}", path.display()),
            }
            for (path, bytes) in &intact {
                fs::create_dir_all(path.parent().expect("a folder")).expect("repair");
                fs::write(path, bytes).expect("repair");
            }
        }
    }
    assert!(
        refused >= intact.len(),
        "{refused} of {} damages seen",
        intact.len() * 5
    );
    read_everything(&open(dir.path())).expect("intact again");
}

fn read_everything(store: &Store) -> Result<(), super::ReadError> {
    Table::ALL
        .iter()
        .try_for_each(|table| store.iterate(*table, |_, _| true))
}

fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let bytes = fs::read(&path).expect("file");
            found.extend((!bytes.is_empty()).then_some((path, bytes)));
        }
    }
    found
}

#[test]
fn iterate_shows_every_row_once_in_order() {
    let (_dir, store) = fresh();
    let mut tx = store.write();
    for number in 0..1500_u32 {
        tx.put(
            Table::Changes,
            &number.to_be_bytes(),
            number.to_le_bytes().to_vec(),
        );
    }
    tx.put(Table::Commands, b"next table", "x");
    tx.commit(1);
    store.flush().expect("flush");
    let mut tx = store.write();
    tx.delete(Table::Changes, &700_u32.to_be_bytes());
    tx.commit(2);
    let mut seen = Vec::new();
    let collect = |key: &[u8], _: &[u8]| {
        seen.push(u32::from_be_bytes(key.try_into().expect("four bytes")));
        true
    };
    store.iterate(Table::Changes, collect).expect("read");
    let expected: Vec<u32> = (0..1500).filter(|number| *number != 700).collect();
    assert_eq!(seen, expected);
    let mut count = 0;
    let three = |_: &[u8], _: &[u8]| {
        count += 1;
        count < 3
    };
    store.iterate(Table::Changes, three).expect("read");
    assert_eq!(count, 3);
}

#[test]
fn table_numbers_are_distinct_and_leave_room_for_bounds() {
    for (place, table) in Table::ALL.iter().enumerate() {
        assert_eq!(usize::from(table.byte()), place + 1, "{}", table.name());
    }
}

/// Readers check, while the writer and the flusher run, that all tables stand at one position.
#[test]
fn a_snapshot_never_sees_half_a_commit() {
    const COMMITS: u64 = 3000;
    let (_dir, store) = fresh();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    let snapshot = store.read();
                    let expected = (snapshot.cursor() > 0)
                        .then(|| Bytes::copy_from_slice(&snapshot.cursor().to_be_bytes()));
                    for table in [Table::Users, Table::Messages] {
                        assert_eq!(snapshot.get(table, b"at").expect("read"), expected);
                    }
                    let rows = snapshot
                        .range(Table::Changes, .., Direction::Reverse)
                        .take(3)
                        .map(|row| row.expect("read").0);
                    let newest = (0..3).filter_map(|back| {
                        snapshot.cursor().checked_sub(back).filter(|at| *at > 0)
                    });
                    assert!(rows.eq(newest.map(|at| Bytes::copy_from_slice(&at.to_be_bytes()))));
                }
            });
        }
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                store.flush().expect("flush");
            }
        });
        for at in 1..=COMMITS {
            let mut tx = store.write();
            tx.put(Table::Users, b"at", at.to_be_bytes().to_vec());
            tx.put(Table::Changes, &at.to_be_bytes(), Bytes::new());
            tx.put(Table::Messages, b"at", at.to_be_bytes().to_vec());
            tx.commit(at);
        }
        done.store(true, Ordering::Release);
    });
    assert_eq!(store.cursor(), COMMITS);
}

type Model = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

#[derive(Clone, Debug)]
enum Step {
    /// Rows set or deleted in one transaction, and whether it commits.
    Write(Vec<(Table, Vec<u8>, Option<Vec<u8>>)>, bool),
    Flush,
    /// Memory is lost: what was flushed comes back.
    Crash,
    Range(Table, Bound<Vec<u8>>, Bound<Vec<u8>>),
    Prefix(Table, Vec<u8>),
}

fn table() -> impl Strategy<Value = Table> {
    prop::sample::select(vec![Table::Conversations, Table::Members, Table::Meta])
}

/// Few and short keys, so that steps meet; with the bytes where prefixes and bounds go wrong.
fn key() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop::sample::select(vec![0, 1, 7, 254, 255]), 0..3)
}

fn bound() -> impl Strategy<Value = Bound<Vec<u8>>> {
    prop_oneof![
        key().prop_map(Bound::Included),
        key().prop_map(Bound::Excluded),
        Just(Bound::Unbounded)
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let value = prop::option::weighted(0.7, prop::collection::vec(any::<u8>(), 0..4));
    let write = (
        prop::collection::vec((table(), key(), value), 0..8),
        prop::bool::weighted(0.85),
    );
    prop_oneof![
        4 => write.prop_map(|(rows, commit)| Step::Write(rows, commit)),
        2 => Just(Step::Flush),
        1 => Just(Step::Crash),
        3 => (table(), bound(), bound()).prop_map(|(table, lower, upper)| Step::Range(table, lower, upper)),
        1 => (table(), key()).prop_map(|(table, prefix)| Step::Prefix(table, prefix)),
    ]
}

fn expected(model: &Model, table: Table, holds: impl Fn(&[u8]) -> bool) -> Vec<Row> {
    let rows = model
        .iter()
        .filter(|((of, key), _)| *of == table && holds(key));
    rows.map(|((_, key), value)| (key.clone(), value.clone()))
        .collect()
}

fn above(bound: &Bound<Vec<u8>>, key: &[u8]) -> bool {
    match bound {
        Bound::Included(low) => key >= low.as_slice(),
        Bound::Excluded(low) => key > low.as_slice(),
        Bound::Unbounded => true,
    }
}

fn below(bound: &Bound<Vec<u8>>, key: &[u8]) -> bool {
    match bound {
        Bound::Included(high) => key <= high.as_slice(),
        Bound::Excluded(high) => key < high.as_slice(),
        Bound::Unbounded => true,
    }
}

fn check_all(snapshot: &Snapshot<'_>, model: &Model) {
    for table in [Table::Conversations, Table::Members, Table::Meta] {
        let mut expected = expected(model, table, |_| true);
        for (key, value) in &expected {
            assert_eq!(
                snapshot.get(table, key).expect("read").as_deref(),
                Some(value.as_slice())
            );
        }
        assert_eq!(snapshot.get(table, b"never put").expect("read"), None);
        assert_eq!(rows(snapshot, table, ALL, Direction::Forward), expected);
        expected.reverse();
        assert_eq!(rows(snapshot, table, ALL, Direction::Reverse), expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// The store against a plain map, through flushes and crashes.
    #[test]
    fn behaves_like_a_map(steps in prop::collection::vec(step(), 1..40)) {
        let (dir, mut store) = fresh();
        let (mut model, mut durable) = (Model::new(), Model::new());
        let (mut cursor, mut flushed) = (0, 0);
        for step in steps {
            match step {
                Step::Write(rows, commit) => {
                    let mut tx = store.write();
                    let mut after = model.clone();
                    for (table, key, value) in rows {
                        match value {
                            Some(value) => {
                                tx.put(table, &key, value.clone());
                                after.insert((table, key), value);
                            }
                            None => {
                                tx.delete(table, &key);
                                after.remove(&(table, key));
                            }
                        }
                    }
                    check_all(&tx.read(), &after);
                    if commit {
                        cursor += 1;
                        tx.commit(cursor);
                        model = after;
                    }
                }
                Step::Flush => {
                    prop_assert_eq!(store.flush().expect("flush"), cursor != flushed);
                    durable = model.clone();
                    flushed = cursor;
                }
                Step::Crash => {
                    drop(store);
                    store = open(dir.path());
                    model = durable.clone();
                    cursor = flushed;
                }
                Step::Range(table, lower, upper) => {
                    let mut expected = expected(&model, table, |key| above(&lower, key) && below(&upper, key));
                    let bounds = (lower.as_ref().map(Vec::as_slice), upper.as_ref().map(Vec::as_slice));
                    prop_assert_eq!(rows(&store.read(), table, bounds, Direction::Forward), expected.clone());
                    expected.reverse();
                    prop_assert_eq!(rows(&store.read(), table, bounds, Direction::Reverse), expected);
                }
                Step::Prefix(table, prefix) => {
                    let mut expected = expected(&model, table, |key| key.starts_with(&prefix));
                    expected.reverse();
                    let snapshot = store.read();
                    let found = snapshot.prefix(table, &prefix, Direction::Reverse).map(|row| row.expect("read"));
                    let found: Vec<Row> = found.map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
                    prop_assert_eq!(found, expected);
                }
            }
            prop_assert_eq!((store.cursor(), store.flushed()), (cursor, flushed));
            check_all(&store.read(), &model);
        }
    }
}

/// What is looked for comes from whoever asks, and may be as long as a frame.
#[test]
fn keys_of_any_length_can_be_looked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), VERSION, 1).expect("opens");
    let mut tx = store.write();
    tx.put(Table::Members, b"a", Bytes::from_static(b"1"));
    tx.put(Table::Members, &[b'b'; MAX_KEY], Bytes::from_static(b"2"));
    tx.put(Table::Members, b"c", Bytes::from_static(b"3"));
    tx.commit(1);
    for on_disk in [false, true] {
        if on_disk {
            assert!(store.flush().expect("flushes"));
        }
        for len in [MAX_KEY + 1, MAX_KEY + 2, 70_000, 200_000] {
            let long = vec![b'b'; len];
            assert_eq!(store.get(Table::Members, &long).expect("reads"), None);
            assert_eq!(
                store.read().get(Table::Members, &long).expect("reads"),
                None
            );
            let snapshot = store.read();
            let after = snapshot.range(Table::Members, &long[..].., Direction::Forward);
            let after: Vec<_> = after.map(|row| row.expect("reads").1).collect();
            assert_eq!(after, ["3"], "after {len} bytes");
            let before = snapshot.range(Table::Members, ..&long[..], Direction::Reverse);
            let before: Vec<_> = before.map(|row| row.expect("reads").1).collect();
            assert_eq!(before, ["2", "1"], "before {len} bytes");
        }
    }
}
