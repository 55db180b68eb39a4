//! Edits, retractions and erasing.

use super::*;

#[test]
fn edits_and_retractions_are_obeyed_at_once() {
    let opened = open();
    opened.say(&["lunch", "lunch", "lunch"]);
    for sort in [Sort::Newest, Sort::Relevance] {
        let query = MessageQuery {
            sort,
            ..MessageQuery::new(words("lunch"))
        };
        assert_eq!(seqs(&opened.ask(&query, &viewer("bob"))), [3, 2, 1]);
    }
    opened.put(&message(1, 2, "dinner"));
    assert_eq!(opened.finds(words("lunch")), [3, 1]);
    // Found after the commit.
    assert!(opened.finds(words("dinner")).is_empty());
    opened.index.remove(conversation(1), 3).unwrap();
    assert_eq!(opened.finds(words("lunch")), [1]);
    opened.index.refresh().unwrap();
    assert_eq!(opened.finds(words("lunch")), [1]);
    opened.commit();
    assert_eq!(opened.finds(words("lunch")), [1]);
    assert_eq!(opened.finds(words("dinner")), [2]);
    assert_eq!(opened.index.len(), 2);
    // Several times between two commits.
    opened.put(&message(1, 4, "one"));
    opened.put(&message(1, 4, "two"));
    opened.index.remove(conversation(1), 5).unwrap();
    opened.put(&message(1, 5, "three"));
    opened.put(&message(1, 6, "three"));
    opened.index.remove(conversation(1), 6).unwrap();
    opened.commit();
    assert!(opened.finds(words("one")).is_empty());
    assert_eq!(opened.finds(words("two")), [4]);
    assert_eq!(opened.finds(words("three")), [5]);
    assert_eq!(opened.finds(everything()), [5, 4, 2, 1]);
}

#[test]
fn who_joins_finds_what_is_written_anew() {
    let opened = open();
    opened.say(&["lunch", "lunch"]);
    let query = MessageQuery::new(words("lunch"));
    assert_eq!(opened.ask(&query, &viewer("carol")).hits, []);
    opened.put(&Document {
        members: &["alice", "bob", "carol"],
        ..message(1, 2, "lunch")
    });
    opened.commit();
    assert_eq!(seqs(&opened.ask(&query, &viewer("carol"))), [2]);
    assert_eq!(opened.finds(words("lunch")), [2, 1]);
}

/// A change that comes between a commit and its view belongs to the next commit.
#[test]
fn a_change_while_a_view_is_made_is_not_lost() {
    let opened = open();
    opened.say(&["lunch", "lunch", "lunch"]);
    let index = &opened.index;
    opened.put(&message(1, 1, "dinner"));
    // What a commit does, but for publishing its view.
    opening_commit(index);
    opened.put(&message(1, 2, "dinner"));
    index.remove(conversation(1), 3).unwrap();
    assert!(opened.finds(everything()).is_empty());
    index.refresh().unwrap();
    // The first is in the view, what came later is not.
    assert_eq!(opened.finds(everything()), [1]);
    index.refresh().unwrap();
    assert_eq!(opened.finds(everything()), [1]);
    opened.commit();
    assert_eq!(opened.finds(words("dinner")), [2, 1]);
    assert_eq!(opened.finds(everything()), [2, 1]);
}

fn opening_commit(index: &MessageIndex) {
    let mut writer = index.writer.lock();
    writer.commit().unwrap();
    index.turn.fetch_add(1, Ordering::SeqCst);
}
