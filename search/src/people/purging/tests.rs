//! What is in the files before and after, for both indexes.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use tantivy::schema::FieldType;

use crate::messages::{self, MessageIndex, MessageQuery, Sight};
use crate::people::tests::{about, profile, query};
use crate::people::{Facts, MIN_WRITER_MEMORY, PeopleIndex, Viewer};
use crate::profile::Value;
use crate::query::Filter;

/// Every term that stands in any file of a folder, whatever is marked as removed: the files say it, not an
/// open index.
fn terms(folder: &Path) -> BTreeSet<String> {
    let index = tantivy::Index::open_in_dir(folder).unwrap();
    let segments = index.searchable_segments().unwrap();
    let known: Vec<String> = segments
        .iter()
        .map(|segment| segment.id().uuid_string())
        .collect();
    for file in std::fs::read_dir(folder).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".term") {
            assert!(
                known.iter().any(|id| name.starts_with(id)),
                "{name} is left over"
            );
        }
    }
    let mut terms = BTreeSet::new();
    for segment in &segments {
        let reader = tantivy::SegmentReader::open(segment).unwrap();
        for (field, entry) in index.schema().fields() {
            if !matches!(entry.field_type(), FieldType::Str(_)) || !entry.is_indexed() {
                continue;
            }
            let inverted = reader.inverted_index(field).unwrap();
            let mut stream = inverted.terms().stream().unwrap();
            while stream.advance() {
                terms.insert(String::from_utf8(stream.key().to_vec()).unwrap());
            }
        }
    }
    terms
}

/// The files of a folder in which some bytes stand.
fn files_with(folder: &Path, bytes: &str) -> Vec<String> {
    let files = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let has = |file: &std::fs::DirEntry| {
        let read = std::fs::read(file.path()).unwrap();
        read.windows(bytes.len())
            .any(|window| window == bytes.as_bytes())
    };
    files
        .filter(has)
        .map(|file| file.file_name().into_string().unwrap())
        .collect()
}

const SECRET: &str = "xylophonquartz";

fn name(number: usize) -> String {
    format!("user-{number}")
}

fn put(index: &PeopleIndex, number: usize, text: &str) {
    let facts = Facts::default();
    index.put(&name(number), &about(text), &facts).unwrap();
}

/// How many people an index finds, all pages.
fn everybody(index: &PeopleIndex) -> BTreeSet<String> {
    let mut asked = query(Filter::All(Vec::new()));
    asked.limit = 100;
    let mut found = BTreeSet::new();
    loop {
        let answer = index.search(&asked, &Viewer::default()).unwrap();
        for hit in answer.hits {
            assert!(found.insert(hit.user), "somebody is found twice");
        }
        asked.after = answer.next;
        if asked.after.is_none() {
            return found;
        }
    }
}

#[test]
fn nothing_of_a_removed_person_is_in_the_files() {
    let opened = crate::people::tests::open();
    let (index, folder) = (&opened.index, opened.folder());
    for number in 0..20 {
        put(index, number, "rock climbing");
    }
    let secret = profile(&[
        ("about", Value::Text(format!("I play {SECRET}"))),
        ("notes", Value::Text("owes us brontosaurus".to_owned())),
        ("city", Value::Keyword("Quetzaltenango".to_owned())),
    ]);
    index.put("mrs-zyx", &secret, &Facts::default()).unwrap();
    put(index, 3, "formerly gobbledygook");
    opened.commit();
    // What somebody said before is replaced.
    put(index, 3, "rock climbing");
    opened.commit();
    index.remove("mrs-zyx").unwrap();
    opened.commit();
    let words = [
        SECRET,
        "brontosaurus",
        "quetzaltenango",
        "mrs-zyx",
        "gobbledygook",
    ];
    for word in words {
        assert!(terms(folder).contains(word), "{word} was never there");
    }
    for column in ["Quetzaltenango", "mrs-zyx"] {
        assert_ne!(files_with(folder, column), [""; 0], "{column}");
    }
    assert!(index.purge(&|| false).unwrap());
    for word in words {
        assert!(!terms(folder).contains(word), "{word} is still there");
    }
    for column in ["Quetzaltenango", "mrs-zyx"] {
        assert_eq!(files_with(folder, column), [""; 0], "{column}");
    }
    assert_eq!(everybody(index).len(), 20);
    // It can be written on, and with nothing to do nothing is done.
    put(index, 20, "rock climbing");
    opened.commit();
    let before = files(folder);
    assert!(index.purge(&|| false).unwrap());
    assert_eq!(files(folder), before);
    assert_eq!(everybody(index).len(), 21);
}

fn files(folder: &Path) -> BTreeSet<String> {
    let files = std::fs::read_dir(folder).unwrap();
    files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect()
}

fn document<'a>(seq: u64, author: &'a str, text: &'a str) -> messages::Document<'a> {
    messages::Document {
        conversation: [7; 16],
        seq,
        author,
        at_ms: seq as i64,
        text,
        members: &["alice"],
    }
}

#[test]
fn nothing_of_a_removed_message_is_in_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let index = MessageIndex::open(folder, MIN_WRITER_MEMORY).unwrap();
    for seq in 1..20 {
        index.put(&document(seq, "alice", "lunch")).unwrap();
    }
    index.put(&document(20, "mrs-zyx", SECRET)).unwrap();
    index.commit(1, [0; 16]).unwrap();
    index.remove([7; 16], 20).unwrap();
    index.commit(2, [0; 16]).unwrap();
    for word in [SECRET, "mrs-zyx"] {
        assert!(terms(folder).contains(word), "{word} was never there");
    }
    assert_ne!(files_with(folder, "mrs-zyx"), [""; 0]);
    assert!(index.purge(&|| false).unwrap());
    for word in [SECRET, "mrs-zyx"] {
        assert!(!terms(folder).contains(word), "{word} is still there");
    }
    assert_eq!(files_with(folder, "mrs-zyx"), [""; 0]);
    assert_eq!(index.len(), 19);
    assert_eq!(index.position().position, 2);
}

/// Runs until what is written meanwhile was purged a few times.
fn while_purging(purge: impl Fn() + Sync, mut write: impl FnMut(u64)) {
    let (done, purged) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                purge();
                purged.store(true, Ordering::SeqCst);
            }
        });
        let mut rounds = 0;
        let mut commit = 0;
        while rounds < 5 || commit < 40 {
            commit += 1;
            write(commit);
            rounds += u32::from(purged.swap(false, Ordering::SeqCst));
        }
        done.store(true, Ordering::SeqCst);
    });
}

#[test]
fn what_is_written_while_people_are_purged_is_not_lost() {
    let opened = crate::people::tests::open();
    let index = &opened.index;
    let mut random = fastrand::Rng::with_seed(11);
    let mut there = BTreeSet::new();
    while_purging(
        || assert!(index.purge(&|| false).unwrap()),
        |commit| {
            for _ in 0..30 {
                let number = random.usize(..200);
                if random.u32(..3) == 0 {
                    index.remove(&name(number)).unwrap();
                    there.remove(&name(number));
                } else {
                    put(index, number, &format!("said-at-{commit}"));
                    there.insert(name(number));
                }
            }
            index.commit(commit, [0; 16]).unwrap();
            assert_eq!(everybody(index), there);
        },
    );
    // Afterwards no word is there that nobody says any more.
    assert!(index.purge(&|| false).unwrap());
    let said: BTreeSet<String> = there
        .iter()
        .map(|user| user.trim_start_matches("user-").to_owned())
        .collect();
    let terms = terms(opened.folder());
    let users = terms.iter().filter_map(|term| term.strip_prefix("user-"));
    assert_eq!(users.map(str::to_owned).collect::<BTreeSet<_>>(), said);
}

#[test]
fn what_is_written_while_messages_are_purged_is_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let index = MessageIndex::open(folder.path(), MIN_WRITER_MEMORY).unwrap();
    let mut random = fastrand::Rng::with_seed(12);
    let mut there = BTreeSet::new();
    let found = || -> BTreeSet<u64> {
        let sees = |_, seq| Sight::among(seq, [(0, u64::MAX)]);
        let viewer = messages::Viewer {
            user: "alice",
            large: &[],
            sees: &sees,
            all: false,
        };
        let mut asked = MessageQuery::new(messages::Filter::All(Vec::new()));
        asked.limit = 100;
        let mut found = BTreeSet::new();
        loop {
            let answer = index.search(&asked, &viewer).unwrap();
            for hit in answer.hits {
                assert!(found.insert(hit.seq), "{} is found twice", hit.seq);
            }
            asked.after = answer.next;
            if asked.after.is_none() {
                return found;
            }
        }
    };
    while_purging(
        || assert!(index.purge(&|| false).unwrap()),
        |commit| {
            for _ in 0..30 {
                let seq = random.u64(1..200);
                if random.u32(..3) == 0 {
                    index.remove([7; 16], seq).unwrap();
                    there.remove(&seq);
                } else {
                    let text = format!("number{seq}");
                    index.put(&document(seq, "alice", &text)).unwrap();
                    there.insert(seq);
                }
            }
            index.commit(commit, [0; 16]).unwrap();
            assert_eq!(found(), there);
        },
    );
    assert!(index.purge(&|| false).unwrap());
    let terms = terms(folder.path());
    let said = terms.iter().filter_map(|term| term.strip_prefix("number"));
    assert_eq!(
        said.map(|seq| seq.parse().unwrap())
            .collect::<BTreeSet<u64>>(),
        there
    );
}
