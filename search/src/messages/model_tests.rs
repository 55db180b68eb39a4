//! Messages written, edited and removed, conversations growing, commits, merges and purges, while it is
//! searched: nothing is found that should not be there, and nothing that lasts is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::tests::{Opened, conversation, open, viewer, words};
use super::*;

const CONVERSATIONS: u8 = 6;
/// Conversations from here on are large.
const LARGE: u8 = 4;
/// Messages of each conversation.
const SEQS: u64 = 12;
/// Commits at most, on a machine too busy to compare much between two of them.
const MOST: u64 = 300;

/// What one message is and was, as a version that grows: odd while it is being changed; when even, half of
/// it says which text it has, as a word of its own, or that it is removed.
struct Truth {
    /// What was written, or removed, and is obeyed from then on.
    said: AtomicU64,
    /// Which version the last commit holds.
    committed: AtomicU64,
}

/// A version of a message as a text; every third is a removal.
fn is_removal(version: u64) -> bool {
    version.is_multiple_of(3)
}

fn text_of(version: u64) -> String {
    format!("lunch v{version}")
}

fn run(seed: u64) {
    println!("seed {seed}");
    let opened = open();
    let truth: Vec<Truth> = (0..u64::from(CONVERSATIONS) * SEQS)
        .map(|_| Truth {
            said: AtomicU64::new(0),
            committed: AtomicU64::new(0),
        })
        .collect();
    let (done, known) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for searcher in 0..2 {
            let (opened, truth, done, known) = (&opened, &truth, &done, &known);
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed ^ (searcher + 1));
                while !done.load(Ordering::Relaxed) {
                    known.fetch_add(ask(opened, truth, &mut random), Ordering::Relaxed);
                }
            });
        }
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                opened.index.refresh().unwrap();
                std::thread::yield_now();
                opened.index.purge(&|| false).unwrap();
            }
        });
        write(&opened, &truth, &known, seed);
        done.store(true, Ordering::Relaxed);
    });
    // What is there in the end is found, and nothing else.
    let mut random = fastrand::Rng::with_seed(seed);
    assert!(ask(&opened, &truth, &mut random) > 0);
    assert!(known.into_inner() > 500, "hardly anything was compared");
}

fn place(at: usize) -> (u8, u64) {
    ((at as u64 / SEQS) as u8, at as u64 % SEQS + 1)
}

fn write(opened: &Opened, truth: &[Truth], known: &AtomicU64, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    for commit in 0..MOST {
        if commit >= 30 && known.load(Ordering::Relaxed) > 500 {
            break;
        }
        for _ in 0..random.usize(1..40) {
            let at = random.usize(..truth.len());
            let (number, seq) = place(at);
            let change = |at: usize, version: u64, act: &dyn Fn()| {
                truth[at].said.store(version * 2 - 1, Ordering::SeqCst);
                act();
                truth[at].said.store(version * 2, Ordering::SeqCst);
            };
            let version = truth[at].said.load(Ordering::SeqCst) / 2 + 1;
            if is_removal(version) {
                let remove = || opened.index.remove(conversation(number), seq).unwrap();
                change(at, version, &remove);
            } else {
                let members: &[&str] = match number {
                    LARGE.. => &[],
                    // Somebody joins.
                    _ if version > 4 => &["alice", "bob"],
                    _ => &["alice"],
                };
                let put = || {
                    let document = Document {
                        conversation: conversation(number),
                        seq,
                        author: "alice",
                        at_ms: (seq as i64 * 7 + i64::from(number)) % 40,
                        text: &text_of(version),
                        members,
                    };
                    opened.index.put(&document).unwrap();
                };
                change(at, version, &put);
            }
        }
        opened.index.commit(commit, [0; 16]).unwrap();
        for truth in truth {
            let said = truth.said.load(Ordering::SeqCst) / 2;
            truth.committed.store(said, Ordering::SeqCst);
        }
    }
}

/// One search, compared with what was true while it ran. Returns of how many messages something was known.
fn ask(opened: &Opened, truth: &[Truth], random: &mut fastrand::Rng) -> u64 {
    let large: Vec<Conversation> = (LARGE..CONVERSATIONS).map(conversation).collect();
    // Nobody sees the first two messages of the last conversation.
    let sees = |of: Conversation, seq| {
        let first = if of == conversation(CONVERSATIONS - 1) {
            3
        } else {
            1
        };
        Sight::among(seq, [(first, u64::MAX)])
    };
    let viewer = Viewer {
        large: &large,
        sees: &sees,
        ..viewer("alice")
    };
    let query = MessageQuery {
        sort: [Sort::Newest, Sort::Relevance][random.usize(..2)],
        limit: 100,
        ..MessageQuery::new(words("lunch"))
    };
    // A version that settled before the search is the oldest that may be found.
    let read = || -> Vec<(u64, u64)> {
        truth
            .iter()
            .map(|truth| {
                (
                    truth.committed.load(Ordering::SeqCst),
                    truth.said.load(Ordering::SeqCst),
                )
            })
            .collect()
    };
    let before = read();
    let answer = opened.index.search(&query, &viewer).unwrap();
    let after = read();
    let mut found = BTreeSet::new();
    for hit in &answer.hits {
        let place = (hit.conversation[0], hit.seq);
        assert!(found.insert(place), "{place:?} is found twice");
    }
    let mut known = 0;
    for (at, (before, after)) in before.into_iter().zip(after).enumerate() {
        let place = place(at);
        let (committed, said) = before;
        let settled = said.is_multiple_of(2) && said == after.1;
        if place.0 == CONVERSATIONS - 1 && place.1 < 3 {
            assert!(!found.contains(&place), "{place:?} is not seen");
        } else if settled && is_removal(said / 2) {
            assert!(!found.contains(&place), "{place:?} is removed");
            known += 1;
        } else if settled && committed == said / 2 {
            assert!(found.contains(&place), "{place:?} is missing");
            known += 1;
        }
    }
    // A message is found by the words that it has, and not by those that it had.
    let at = random.usize(..truth.len());
    let said = truth[at].said.load(Ordering::SeqCst);
    let version = said / 2;
    if said.is_multiple_of(2) && version > 1 && !is_removal(version - 1) {
        let query = MessageQuery::new(words(&text_of(version - 1)));
        let hits = opened.index.search(&query, &viewer).unwrap().hits;
        let old = hits
            .iter()
            .any(|hit| (hit.conversation[0], hit.seq) == place(at));
        assert!(!old, "{:?} is found by what it was", place(at));
        known += 1;
    }
    known
}

#[test]
fn nothing_wrong_is_found_and_nothing_is_missing_whatever_happens() {
    crate::seeds::each(run);
}

/// The same changes in the index and in a map, compared after each commit, and before it as far as it goes.
#[test]
fn the_index_is_what_a_map_is() {
    for seed in 1..=2 {
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let opened = open();
        let mut map: BTreeMap<(u8, u64), u64> = BTreeMap::new();
        let mut old = map.clone();
        for commit in 0..25 {
            let mut changed = BTreeSet::new();
            for _ in 0..random.usize(1..30) {
                let place = (random.u8(..4), random.u64(1..30));
                let to = conversation(place.0);
                if random.u32(..3) == 0 {
                    opened.index.remove(to, place.1).unwrap();
                    map.remove(&place);
                } else {
                    let word = random.u64(..3);
                    let document = Document {
                        conversation: to,
                        seq: place.1,
                        author: "alice",
                        at_ms: place.1 as i64,
                        text: &format!("w{word}"),
                        members: &["alice"],
                    };
                    opened.index.put(&document).unwrap();
                    map.insert(place, word);
                }
                changed.insert(place);
            }
            old.retain(|place, _| !changed.contains(place));
            compare(&opened, &old);
            opened.index.commit(commit, [0; 16]).unwrap();
            compare(&opened, &map);
            assert_eq!(opened.index.len(), map.len() as u64);
            old = map.clone();
        }
    }
}

fn compare(opened: &Opened, map: &BTreeMap<(u8, u64), u64>) {
    for word in 0..3 {
        let mut query = MessageQuery {
            limit: 7,
            ..MessageQuery::new(words(&format!("w{word}")))
        };
        let mut found = Vec::new();
        loop {
            let answer = opened.index.search(&query, &viewer("alice")).unwrap();
            found.extend(answer.hits.iter().map(|hit| (hit.seq, hit.conversation[0])));
            query.after = answer.next;
            if query.after.is_none() {
                break;
            }
        }
        let fits = map.iter().filter(|(_, has)| **has == word);
        let mut expected: Vec<(u64, u8)> = fits.map(|((number, seq), _)| (*seq, *number)).collect();
        expected.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(found, expected);
    }
}
