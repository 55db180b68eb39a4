//! Which carried joins are asked about, and what is counted.

use super::*;
use crate::import::irc::{parse, plan::plan};

fn planned(files: &[(&str, &str)]) -> Plan {
    let parsed = files
        .iter()
        .map(|(name, text)| parse(name, Some("#a"), text.as_bytes()).expect("a log"));
    let mut plans = plan(parsed.collect()).expect("a plan");
    plans.pop().expect("one channel")
}

#[test]
fn a_carried_join_is_for_what_its_nick_does_next() {
    let plan = planned(&[
        ("2005-01-01.txt", "[00:00] <ann> 1\n[00:00] <ben> 2"),
        (
            "2005-01-02.txt",
            "[00:00] <cas> 3\n=== ann [u@h]  has joined #a\n[00:01] <ben> 4",
        ),
        ("2005-01-03.txt", "[00:00] <ann> 5"),
    ]);
    let found: Vec<Vec<(String, String)>> = plan
        .files
        .iter()
        .zip(carried(&plan))
        .map(|(file, carried)| {
            let named = carried.into_iter().map(|(join, (next, at))| {
                let next = &plan.files[next];
                (file.key(&file.steps[join]), next.key(&next.steps[at]))
            });
            named.collect()
        })
        .collect();
    let key = |day: u32, line: &str| format!("#a 2005-01-0{day} 2005-01-0{day}.txt:{line}");
    assert_eq!(
        found,
        [
            vec![],
            // In no order that matters. Ann is seen on the second day and does nothing before the third.
            vec![
                (key(2, "3:join"), key(2, "3:post")),
                (key(2, "2:join"), key(3, "1:post")),
            ],
            vec![(key(3, "1:join"), key(3, "1:post"))],
        ]
    );
}

#[test]
fn a_probe_has_the_id_of_its_step_and_no_text() {
    let plan = planned(&[("2005-01-01.txt", "[00:00] <ann> hello")]);
    let (file, group) = (&plan.files[0], Uuid::from_u128(7));
    let post = &file.steps[1];
    let (real, probe) = (step(file, post, group), probe(file, post, group));
    let text = |text: &str| Ask::Post {
        group,
        text: text.to_owned(),
    };
    assert_eq!(
        (real.actor.as_str(), &real.ask),
        ("irc:ann", &text("hello"))
    );
    assert_eq!((&probe.key, &probe.actor), (&real.key, &real.actor));
    assert_eq!(probe.ask, text(""));
}

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
