//! The join with who is online, under everything at once: profiles written and removed, commits, merges,
//! purges, views replaced, people coming and going, while it is asked.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::tests::{Opened, about, open, query, words};
use super::*;
use crate::query::Online;

impl PeopleIndex {
    /// Compares the bit of every live document with what was said of its user. Holds at any time: whoever
    /// writes either holds the lock. Returns how many were compared.
    fn verify(&self) -> usize {
        let online = self.online.lock();
        let view = self.view.load_full();
        let mut owners = HashMap::new();
        for (reader, segment) in view.searcher.segment_readers().iter().zip(&view.segments) {
            for doc in reader.doc_ids_alive() {
                let mut user = String::new();
                let ord = segment.users.ords().first(doc).unwrap();
                assert!(segment.users.ord_to_str(ord, &mut user).unwrap());
                let said = online.presence(&user);
                let available = segment.online.available.contains(doc);
                let reachable = segment.online.reachable.contains(doc);
                assert_eq!(available, said == Presence::Available, "{user} at {doc}");
                assert_eq!(reachable, said != Presence::Offline, "{user} at {doc}");
                let before = owners.insert(user, (reader.segment_id(), doc));
                assert_eq!(before, None, "somebody is there twice");
            }
        }
        owners.len()
    }
}

/// Replaces the view with much happening before it is published, and checks both views.
fn slowly_refresh(index: &PeopleIndex, mut happen: impl FnMut()) {
    let _refreshing = index.refreshing.lock();
    index.reader.reload().unwrap();
    let view = index.prepare().unwrap();
    for _ in 0..5 {
        happen();
        index.verify();
    }
    index.replace(view);
    index.verify();
}

const PRESENCES: [Presence; 3] = [Presence::Available, Presence::Away, Presence::Offline];

/// What is true of someone: twice a version, plus one while it is being changed, times three, plus the
/// presence. Who reads the same before and after a search knows what the search had to see.
struct Truth(AtomicU64);

impl Truth {
    fn change(&self, to: usize, set: impl FnOnce(Presence)) {
        let version = self.0.load(Ordering::SeqCst) / 3;
        self.0.store((version + 1) * 3, Ordering::SeqCst);
        set(PRESENCES[to]);
        self.0
            .store((version + 2) * 3 + to as u64, Ordering::SeqCst);
    }

    /// What is true now, unless it is being changed; and something to compare.
    fn read(&self) -> (Option<Presence>, u64) {
        let read = self.0.load(Ordering::SeqCst);
        let settled = (read / 3)
            .is_multiple_of(2)
            .then(|| PRESENCES[(read % 3) as usize]);
        (settled, read)
    }
}

/// People whose document is replaced again and again, and always is there.
const LASTING: usize = 60;
/// People whose document comes and goes.
const PASSING: usize = 30;
/// Commits at most, on a machine too busy to compare much between two of them.
const MOST: u64 = 300;

fn name(person: usize) -> String {
    format!("person-{person}")
}

fn run(seed: u64) {
    let people = open();
    let truth: Vec<Truth> = (0..LASTING + PASSING)
        .map(|_| Truth(AtomicU64::new(2)))
        .collect();
    for person in 0..LASTING {
        people.put(&name(person), &about("everybody"));
    }
    people.commit();
    let done = AtomicBool::new(false);
    let searches = AtomicU64::new(0);
    let settled = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for half in 0..2 {
            let (people, truth, done) = (&people, &truth, &done);
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed ^ (half + 1));
                while !done.load(Ordering::Relaxed) {
                    let person = random.usize(..truth.len() / 2) * 2 + half as usize;
                    let to = random.usize(..3);
                    truth[person].change(to, |presence| {
                        people.index.set_presence(&name(person), presence);
                    });
                    if random.u32(..4) == 0 {
                        std::thread::yield_now();
                    }
                }
            });
        }
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                slowly_refresh(&people.index, std::thread::yield_now);
                people.index.purge(&|| false).unwrap();
            }
        });
        scope.spawn(|| {
            let mut random = fastrand::Rng::with_seed(seed ^ 77);
            while !done.load(Ordering::Relaxed) {
                settled.fetch_add(ask(&people, &truth, &mut random), Ordering::Relaxed);
                searches.fetch_add(1, Ordering::Relaxed);
            }
        });
        let mut random = fastrand::Rng::with_seed(seed);
        let enough =
            || searches.load(Ordering::Relaxed) > 20 && settled.load(Ordering::Relaxed) > 200;
        for commit in 0..MOST {
            if commit >= 30 && enough() {
                break;
            }
            for _ in 0..random.usize(1..40) {
                let person = random.usize(..LASTING + PASSING);
                if person >= LASTING && random.bool() {
                    people.index.remove(&name(person)).unwrap();
                } else {
                    people.put(&name(person), &about("everybody"));
                }
            }
            people.index.commit(commit, [0; 16]).unwrap();
            assert!(people.index.verify() >= LASTING);
        }
        done.store(true, Ordering::Relaxed);
    });
    people.index.refresh().unwrap();
    people.index.verify();
    assert!(searches.into_inner() > 20, "hardly anything was asked");
    assert!(
        settled.into_inner() > 200,
        "hardly anything could be compared"
    );
}

/// One search, compared with what was true while it ran. Returns of how many people something was known.
fn ask(people: &Opened, truth: &[Truth], random: &mut fastrand::Rng) -> u64 {
    let online = [Online::Only, Online::First, Online::Any][random.usize(..3)];
    let away = random.bool();
    let facets = if random.bool() {
        vec!["city".to_owned()]
    } else {
        Vec::new()
    };
    let asked = PeopleQuery {
        online,
        away,
        facets,
        limit: 100,
        ..query(words("everybody"))
    };
    let before: Vec<_> = truth.iter().map(Truth::read).collect();
    let answer = people.ask(&asked);
    let mut found: BTreeMap<&str, &Hit> = BTreeMap::new();
    for hit in &answer.hits {
        assert!(
            found.insert(&hit.user, hit).is_none(),
            "{} is found twice",
            hit.user
        );
    }
    let mut known = 0;
    for (person, (truth, (presence, read))) in truth.iter().zip(before).enumerate() {
        let (Some(presence), true) = (presence, truth.read().1 == read) else {
            continue;
        };
        let is_online = presence == Presence::Available || (away && presence == Presence::Away);
        let name = name(person);
        let hit = found.get(name.as_str());
        if let Some(hit) = hit {
            assert_eq!(hit.presence, presence, "{name}");
            assert!(
                is_online || online != Online::Only,
                "{name} should not be there"
            );
        } else if person < LASTING {
            assert!(
                !is_online && online == Online::Only,
                "{name} is missing, {online:?}"
            );
        }
        known += 1;
    }
    known
}

/// One thread, so that what happens between entering documents and publishing them is the seed's choice.
#[test]
fn transitions_while_a_view_is_made_reach_both_views() {
    let mut random = fastrand::Rng::with_seed(9);
    let people = open();
    for commit in 0..60 {
        for _ in 0..random.usize(1..10) {
            let person = random.usize(..20);
            if random.u32(..4) == 0 {
                people.index.remove(&name(person)).unwrap();
            } else {
                people.put(&name(person), &about("everybody"));
            }
        }
        // What a commit does, but for publishing its view.
        let mut writer = people.index.writer.lock();
        writer.commit().unwrap();
        drop(writer);
        let mut random = fastrand::Rng::with_seed(commit);
        slowly_refresh(&people.index, || {
            for _ in 0..random.usize(..20) {
                let person = random.usize(..20);
                people
                    .index
                    .set_presence(&name(person), PRESENCES[random.usize(..3)]);
            }
        });
    }
}

#[test]
fn who_is_online_is_right_whatever_happens() {
    crate::seeds::each(run);
}

#[test]
fn who_is_online_is_right_in_a_large_merged_segment() {
    let people = open();
    let mut random = fastrand::Rng::with_seed(4);
    // More documents than one turn of entering takes, in several segments.
    for commit in 0..10 {
        for person in 0..1_500 {
            let person = commit * 1_000 + person;
            people.put(&name(person), &about("everybody"));
            people
                .index
                .set_presence(&name(person), PRESENCES[random.usize(..3)]);
        }
        people.commit();
    }
    assert_eq!(people.index.verify(), 10_500);
    let merged = || people.index.view.load().searcher.segment_readers().len() < 4;
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !merged() {
        assert!(
            std::time::Instant::now() < deadline,
            "the segments were never merged"
        );
        for _ in 0..1_000 {
            let person = random.usize(..10_500);
            people
                .index
                .set_presence(&name(person), PRESENCES[random.usize(..3)]);
        }
        people.index.refresh().unwrap();
    }
    assert_eq!(people.index.verify(), 10_500);
}
