//! What is counted.

use super::*;

#[test]
fn outcomes_are_counted_by_what_was_asked() {
    let post = Act::Post {
        text: String::new(),
    };
    let join = |carried| Act::Join { carried };
    let leave = Act::Leave { at_end: false };
    let mut summary = Summary::default();
    let counted = [
        (&post, Outcome::Done),
        (&post, Outcome::Known),
        (&join(false), Outcome::Done),
        (&join(false), Outcome::Known),
        (&join(true), Outcome::Done),
        (&leave, Outcome::Done),
        (&leave, Outcome::NotMember),
        (&post, Outcome::NotMember),
        (&post, Outcome::IdReused),
        (&post, Outcome::Refused("no".to_owned())),
        (&join(false), Outcome::Refused("no".to_owned())),
    ];
    for (place, (act, outcome)) in (1..).zip(counted) {
        summary.count(act, outcome, || format!("f:{place}"));
    }
    let counted = (summary.messages, summary.known, summary.joins);
    assert_eq!(counted, (1, 1, 1));
    assert_eq!((summary.leaves, summary.refused), (1, 4));
    // The first place of each reason.
    assert_eq!(summary.why["no"], (2, "f:10".to_owned()));
    assert_eq!(summary.why.len(), 3);
}
