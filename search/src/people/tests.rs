//! The index of people against a naive evaluator.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::attributes::{Attribute, Kind};
use crate::profile::{GeoPoint, Value};
use crate::query::{Filter, How, Online, PeopleQuery, Sort, Words};

mod chinese;
mod finding;
mod keywords;
mod naive;
mod paging;
mod quick;

/// An attribute that is public, or not.
fn attribute(kind: Kind, multiple: bool, public: bool) -> Attribute {
    Attribute {
        kind,
        multiple,
        public,
    }
}

pub(super) fn attributes() -> Attributes {
    let declared = [
        ("about", attribute(Kind::Text, false, true)),
        ("work", attribute(Kind::Text, true, true)),
        ("notes", attribute(Kind::Text, false, false)),
        ("city", attribute(Kind::Keyword, true, true)),
        ("age", attribute(Kind::Number, false, true)),
        ("born", attribute(Kind::Date, false, true)),
        ("place", attribute(Kind::GeoPoint, true, true)),
        ("verified", attribute(Kind::Boolean, false, true)),
    ];
    Attributes::new(declared.map(|(name, attribute)| (name.to_owned(), attribute))).unwrap()
}

pub(super) fn profile(values: &[(&str, Value)]) -> Profile {
    let mut attributes: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (name, value) in values {
        attributes
            .entry((*name).to_owned())
            .or_default()
            .push(value.clone());
    }
    Profile { attributes }
}

pub(super) fn about(text: &str) -> Profile {
    profile(&[("about", Value::Text(text.to_owned()))])
}

pub(super) fn words(words: &str) -> Filter {
    Filter::Text(Words {
        words: words.to_owned(),
        how: How::Words,
        attribute: None,
    })
}

pub(super) fn is(attribute: &str, keyword: &str) -> Filter {
    Filter::Is {
        attribute: attribute.to_owned(),
        value: Value::Keyword(keyword.to_owned()),
    }
}

pub(super) fn query(filter: Filter) -> PeopleQuery {
    PeopleQuery {
        filter,
        online: Online::Any,
        away: true,
        sort: Sort::Relevance,
        facets: Vec::new(),
        limit: 20,
        after: None,
        highlight: false,
        explain: false,
    }
}

pub(super) fn users(answer: &Answer) -> Vec<&str> {
    answer.hits.iter().map(|hit| hit.user.as_str()).collect()
}

fn set(answer: &Answer) -> BTreeSet<&str> {
    users(answer).into_iter().collect()
}

pub(super) struct Opened {
    pub(super) index: PeopleIndex,
    folder: tempfile::TempDir,
}

pub(super) fn open() -> Opened {
    let folder = tempfile::tempdir().unwrap();
    let index = PeopleIndex::open(folder.path(), &attributes(), MIN_WRITER_MEMORY).unwrap();
    Opened { index, folder }
}

impl Opened {
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn put(&self, user: &str, profile: &Profile) {
        self.index.put(user, profile, &Facts::default()).unwrap();
    }

    pub(super) fn commit(&self) {
        self.index.commit(1, [0; 16]).unwrap();
    }

    pub(super) fn ask(&self, query: &PeopleQuery) -> Answer {
        self.index.search(query, &Viewer::default()).unwrap()
    }

    fn found(&self, filter: Filter) -> BTreeSet<String> {
        set(&self.ask(&query(filter)))
            .into_iter()
            .map(str::to_owned)
            .collect()
    }
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn people_are_found_after_a_commit_and_online_at_once() {
    let people = open();
    people.put("ada", &about("Climbing and jazz"));
    people.put("bob", &about("Jazz piano"));
    assert!(people.ask(&query(words("jazz"))).hits.is_empty());
    people.commit();
    assert_eq!(people.found(words("JAZZ")), names(&["ada", "bob"]));
    assert_eq!(people.found(words("jazz climbing")), names(&["ada"]));

    let only = PeopleQuery {
        online: Online::Only,
        ..query(words("jazz"))
    };
    assert!(people.ask(&only).hits.is_empty());
    people.index.set_presence("bob", Presence::Away);
    let answer = people.ask(&only);
    assert_eq!(users(&answer), ["bob"]);
    assert_eq!(answer.hits[0].presence, Presence::Away);
    assert!(
        people
            .ask(&PeopleQuery {
                away: false,
                ..only.clone()
            })
            .hits
            .is_empty()
    );
    people.index.set_presence("bob", Presence::Offline);
    assert!(people.ask(&only).hits.is_empty());

    // Of someone whose document comes later, and of a document that is replaced.
    people.index.set_presence("eve", Presence::Available);
    people.put("eve", &about("jazz"));
    people.commit();
    assert_eq!(users(&people.ask(&only)), ["eve"]);
    people.put("eve", &about("techno"));
    people.commit();
    assert!(people.ask(&only).hits.is_empty());
    let techno = PeopleQuery {
        online: Online::Only,
        ..query(words("techno"))
    };
    assert_eq!(users(&people.ask(&techno)), ["eve"]);
    people.index.remove("eve").unwrap();
    people.commit();
    assert!(people.ask(&techno).hits.is_empty());
}

#[test]
fn an_index_goes_on_where_its_last_commit_was() {
    let people = open();
    assert_eq!(people.index.position(), Position::default());
    people.put("ada", &about("jazz"));
    people.index.commit(41, [7; 16]).unwrap();
    people.put("bob", &about("jazz"));
    let Opened { index, folder } = people;
    // Nothing is said to the index when a process is killed; what was not committed is not there.
    drop(index);
    let index = PeopleIndex::open(folder.path(), &attributes(), MIN_WRITER_MEMORY).unwrap();
    assert_eq!(
        index.position(),
        Position {
            epoch: [7; 16],
            position: 41
        }
    );
    let people = Opened { index, folder };
    assert_eq!(people.found(words("jazz")), names(&["ada"]));
    // Who is in the index already is replaced, not doubled.
    people.put("ada", &about("jazz again"));
    people.put("bob", &about("jazz"));
    people.commit();
    assert_eq!(people.index.len(), 2);
    assert!(matches!(
        PeopleIndex::open(people.folder.path(), &attributes(), MIN_WRITER_MEMORY),
        Err(OpenError::Locked)
    ));
}

#[test]
fn an_index_of_another_declaration_is_told_apart() {
    let people = open();
    people.put("ada", &about("jazz"));
    people.commit();
    let Opened { index, folder } = people;
    drop(index);
    for changed in [
        attribute(Kind::Keyword, false, true),
        attribute(Kind::Text, false, false),
    ] {
        let attributes = Attributes::new(attributes().iter().map(|(name, attribute)| {
            let changed = if name == "about" { &changed } else { attribute };
            (name.to_owned(), changed.clone())
        }));
        let opened = PeopleIndex::open(folder.path(), &attributes.unwrap(), MIN_WRITER_MEMORY);
        assert!(matches!(opened, Err(OpenError::Other)));
    }
    let little = PeopleIndex::open(folder.path(), &attributes(), 1_000);
    assert!(matches!(little, Err(OpenError::Memory(1_000))));
    // It was not harmed by being looked at.
    let index = PeopleIndex::open(folder.path(), &attributes(), MIN_WRITER_MEMORY).unwrap();
    assert_eq!(index.len(), 1);
    std::fs::write(folder.path().join("meta.json"), "{").unwrap();
    drop(index);
    let broken = PeopleIndex::open(folder.path(), &attributes(), MIN_WRITER_MEMORY);
    assert!(matches!(broken, Err(OpenError::Broken(_))));
}
