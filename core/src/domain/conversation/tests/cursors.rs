//! Read and delivered cursors.

use super::*;

fn read(seq: u64) -> Event {
    Event::ReadUpTo { seq }
}

fn delivered(seq: u64) -> Event {
    Event::DeliveredUpTo { seq }
}

/// Three messages by `ann`.
fn talk() -> Talk {
    let mut talk = Talk::direct();
    talk.posts("ann", 3);
    talk
}

#[test]
fn cursors_only_move_forward() {
    let mut talk = talk();
    assert_eq!(talk.run("bob", cursors(0, 2)), [delivered(2)]);
    assert_eq!(talk.run("bob", cursors(1, 0)), [read(1)]);
    assert_eq!(talk.run("bob", cursors(1, 2)), []);
    assert_eq!(talk.run("bob", cursors(0, 1)), []);
    assert_eq!(talk.run("bob", cursors(2, 3)), [read(2), delivered(3)]);
    assert_eq!(
        (
            talk.member("bob").read_seq,
            talk.member("bob").delivered_seq
        ),
        (2, 3)
    );
    assert_eq!(talk.run("bob", cursors(0, 0)), []);
}

#[test]
fn reading_says_received_too() {
    let mut talk = talk();
    assert_eq!(talk.run("bob", cursors(3, 2)), [read(3)]);
    assert_eq!(talk.member("bob").delivered_seq, 3);
    assert_eq!(talk.run("bob", cursors(0, 3)), []);
}

#[test]
fn nothing_beyond_the_last_message_is_read_or_received() {
    let talk = talk();
    for command in [
        cursors(4, 0),
        cursors(0, 4),
        cursors(3, u64::MAX),
        cursors(u64::MAX, 3),
    ] {
        let answer = talk.ask("bob", command.clone());
        assert!(
            matches!(answer, Err(Refusal::Invalid(_))),
            "{command:?}: {answer:?}"
        );
    }
}

#[test]
fn posting_reads_nothing() {
    let mut talk = talk();
    talk.posts("bob", 1);
    assert_eq!(talk.member("bob").read_seq, 0);
    assert_eq!(talk.member("ann").read_seq, 0);
}

#[test]
fn leaving_reads_everything_and_an_older_cursor_comes_too_late() {
    let mut talk = Talk::group();
    talk.posts("ann", 3);
    talk.run("bob", cursors(1, 1));
    talk.run("bob", leave());
    assert_eq!(talk.ask("bob", cursors(2, 2)), Err(Refusal::NotMember));
    talk.posts("ann", 2);
    talk.run("olga", add(&["bob"]));
    assert_eq!(talk.run("bob", cursors(4, 4)), [], "not even over the gap");
    assert_eq!(talk.member("bob").read_seq, 5);
}
