//! Plans made of hand-made files and of the sample.

use proptest::prelude::*;

use super::super::tests::{log, read, samples};
use super::*;

fn one(files: Vec<File>) -> Plan {
    let mut plans = plan(files).expect("files go together");
    assert_eq!(plans.len(), 1);
    plans.remove(0)
}

/// A step as `line nick +` (joins), `~` (carried), `-` (leaves), `.` (leaves at the end) or `: text`.
fn show(file: &PlannedFile) -> Vec<String> {
    let show = |step: &Step| {
        let act = match &step.act {
            Act::Join { carried: false } => "+".to_owned(),
            Act::Join { carried: true } => "~".to_owned(),
            Act::Leave { at_end: false } => "-".to_owned(),
            Act::Leave { at_end: true } => ".".to_owned(),
            Act::Post { text } => format!(": {text}"),
        };
        format!("{} {} {act}", step.line, step.nick)
    };
    file.steps.iter().map(show).collect()
}

/// Replays a plan as a group would see it.
fn check(plan: &Plan) {
    let mut members = HashSet::new();
    let mut keys = HashSet::new();
    for file in &plan.files {
        for step in &file.steps {
            let nick = step.nick.as_str();
            match step.act {
                Act::Join { carried: true } => assert!(members.contains(nick), "{step:?}"),
                Act::Join { carried: false } => assert!(members.insert(nick), "{step:?}"),
                Act::Leave { .. } => assert!(members.remove(nick), "{step:?}"),
                Act::Post { .. } => assert!(members.contains(nick), "{step:?}"),
            }
            assert!(keys.insert(file.key(step)), "{}", file.key(step));
        }
        let in_order = file
            .steps
            .windows(2)
            .all(|two| two[0].at_ms <= two[1].at_ms);
        assert!(in_order, "{}", file.name);
    }
    assert_eq!(members.len(), 0, "nobody is in after the last file");
}

/// What must not depend on the other files: posts and joins, with their keys.
fn own(file: &PlannedFile) -> Vec<(String, i64, String, Option<String>)> {
    let own = |step: &Step| {
        let text = match &step.act {
            Act::Leave { .. } => return None,
            Act::Join { .. } => None,
            Act::Post { text } => Some(text.clone()),
        };
        Some((file.key(step), step.at_ms, step.nick.clone(), text))
    };
    file.steps.iter().filter_map(own).collect()
}

#[test]
fn who_talks_unseen_joins_just_before_and_leaves_at_the_end() {
    let text =
        "[09:14] <b> hi\n[09:14] <a> ho\n=== a [x@y] has joined #test\n[09:15]  * b waves\n\n";
    let plan = one(vec![read("2005-01-01.txt", text)]);
    assert_eq!(
        show(&plan.files[0]),
        [
            "1 b +",
            "1 b : hi",
            "2 a +",
            "2 a : ho",
            "4 b : * b waves",
            "5 a .",
            "5 b ."
        ]
    );
    check(&plan);
}

#[test]
fn who_is_renamed_leaves_and_joins_unless_in_already() {
    let text = "=== a [x@y] has joined #test\n=== a is now known as b\n=== c is now known as b\n\
                === b is now known as b\n=== b [x@y] has left #test []\n=== d [x@y] has left #test []\n\
                [09:00] <b> back";
    let plan = one(vec![read("2005-01-01.txt", text)]);
    assert_eq!(
        show(&plan.files[0]),
        [
            "1 a +",
            "2 a -",
            "2 b +",
            "5 b -",
            "7 b +",
            "7 b : back",
            "7 b ."
        ]
    );
    check(&plan);
}

#[test]
fn who_is_seen_again_stays() {
    let files = [
        (
            "2005-01-03.txt",
            "[09:00] <a> three\n=== d [x@y] has left #test []",
        ),
        (
            "2005-01-01.txt",
            "[09:00] <a> one\n[09:00] <b> one\n[09:00] <d> one",
        ),
        ("2005-01-02.txt", "[09:00] <c> two"),
    ];
    let plan = one(files.map(|(name, text)| read(name, text)).into());
    let shown: Vec<_> = plan.files.iter().map(show).collect();
    assert_eq!(
        shown[0],
        [
            "1 a +",
            "1 a : one",
            "2 b +",
            "2 b : one",
            "3 d +",
            "3 d : one",
            "3 b ."
        ]
    );
    assert_eq!(shown[1], ["1 c +", "1 c : two", "1 c ."]);
    assert_eq!(shown[2], ["1 a ~", "1 a : three", "2 d -", "2 a ."]);
    check(&plan);
}

#[test]
fn keys_come_from_the_file_and_the_line() {
    let text = "[09:00] <a> one\n=== a is now known as b";
    let plan = one(vec![read("some/folder/2005-01-01.txt", text)]);
    let file = &plan.files[0];
    let keys: Vec<_> = file.steps.iter().map(|step| file.key(step)).collect();
    let prefix = "#test 2005-01-01 2005-01-01.txt";
    assert_eq!(
        keys,
        ["1:join", "1:post", "2:leave", "2:join", "2:end:b"].map(|end| format!("{prefix}:{end}"))
    );
}

#[test]
fn files_of_one_name_are_told_apart_by_their_date() {
    let files = ["2005/01/01/#test.txt", "2005/01/02/#test.txt"];
    let plan = one(files.map(|name| read(name, "[09:00] <a> b")).into());
    assert_eq!(plan.files.len(), 2);
    check(&plan);
}

#[test]
fn a_file_given_twice_counts_once_and_two_of_a_name_are_refused() {
    let file = |text| read("2005-01-01.txt", text);
    assert_eq!(
        one(vec![file("[09:00] <a> b"), file("[09:00] <a> b")])
            .files
            .len(),
        1
    );
    let error = plan(vec![file("[09:00] <a> b"), file("[09:00] <a> c")]).expect_err("keys clash");
    assert_eq!(
        error,
        PlanError::SameName("#test 2005-01-01 2005-01-01.txt".into())
    );
}

#[test]
fn channels_are_planned_apart() {
    let mut other = read("2005-01-01.txt", "[09:00] <a> b");
    other.channel = "#other".into();
    let plans = plan(vec![read("2005-01-01.txt", "[09:00] <a> b"), other]).expect("no clash");
    let channels: Vec<_> = plans.iter().map(|plan| plan.channel.as_str()).collect();
    assert_eq!(channels, ["#other", "#test"]);
    plans.iter().for_each(check);
}

#[test]
fn files_that_overlap_are_named() {
    let early = read("2005-01-01.a.txt", "[09:00] <a> b\n[11:00] <a> b");
    let plan = one(vec![read("2005-01-01.txt", "[10:00] <a> c"), early.clone()]);
    assert_eq!(plan.files[1].name, "2005-01-01.txt");
    assert_eq!(plan.files[1].warnings.len(), 1);
    let plan = one(vec![read("2005-01-01.txt", "[12:00] <a> c"), early]);
    assert_eq!(plan.files[1].warnings, []);
}

#[test]
fn the_sample_can_be_imported() {
    let plan = one(samples());
    check(&plan);
    let counts = plan.counts();
    let expected: usize = samples()
        .iter()
        .flat_map(|file| &file.ops)
        .filter(|op| matches!(op.what, What::Message { .. }))
        .count();
    assert_eq!(counts.posts, expected);
    assert_eq!(counts.posts, 162);
    assert_eq!((counts.blank_posts, counts.warnings), (0, 0));
    assert_eq!(counts.leaves, counts.joins);
    assert_eq!(counts.nicks, 99);
}

proptest! {
    #[test]
    fn any_logs_make_a_group_that_holds(texts in prop::collection::vec(log(), 1..5)) {
        let files: Vec<_> = texts
            .iter()
            .enumerate()
            .filter_map(|(day, text)| {
                let name = format!("2005-02-{:02}.txt", day + 1);
                super::super::parse(&name, Some("#x"), text.as_bytes()).ok()
            })
            .collect();
        prop_assume!(!files.is_empty());
        let together = one(files.clone());
        check(&together);
        for file in files {
            let alone = one(vec![file]);
            check(&alone);
            let alone = &alone.files[0];
            let same = together.files.iter().find(|file| file.name == alone.name);
            prop_assert_eq!(own(alone), own(same.expect("planned")));
        }
    }
}
