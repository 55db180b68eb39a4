//! What a moderator is told, and what becomes of what it says.

use super::*;
use crate::staged::{Decision, Verdict};
use crate::usage::{Level, Metric};
use crate::{CallError, Called, HookError};

async fn review(text: &str) -> Called<Verdict> {
    let probe = load(PROBE, patient());
    probe.review(about(), draft(text), server()).await
}

/// What the probe found out, which it says as a reason.
async fn said(text: &str) -> String {
    match review(text).await.result.expect("a verdict").decision {
        Decision::Reject { reason } => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn verdicts_come_out_as_they_were_said() {
    let verdict = async |text: &str| review(text).await.result.expect("a verdict");
    assert_eq!(verdict("good morning").await, Verdict::default());
    assert_eq!(
        verdict("hold: unsure").await.decision,
        Decision::Hold {
            reason: "unsure".to_owned()
        }
    );
    assert_eq!(
        verdict("replace: better").await.text.as_deref(),
        Some("better")
    );
    assert_eq!(verdict("label: spam").await.labels, ["spam"]);
}

#[tokio::test]
async fn the_strictest_counts_and_of_two_the_first() {
    let verdict = review("all").await.result.expect("a verdict");
    assert_eq!(verdict.labels, ["seen"]);
    assert_eq!(
        verdict.decision,
        Decision::Reject {
            reason: "first".to_owned()
        }
    );
}

#[tokio::test]
async fn what_can_never_be_right_is_invalid() {
    assert_eq!(
        said("replace:").await,
        "invalid: the text has 0 bytes, not 1 to 100"
    );
    let long = format!("replace: {}", "x".repeat(101));
    assert_eq!(
        said(&long).await,
        "invalid: the text has 101 bytes, not 1 to 100"
    );
    assert_eq!(
        said("label: Not So").await,
        "invalid: the label `Not So` has other letters than a-z, 0-9, _, -"
    );
}

#[tokio::test]
async fn texts_for_people_are_cut() {
    let reason = said("big-list").await;
    assert_eq!(reason, "é".repeat(256));
}

#[tokio::test]
async fn a_moderator_that_cannot_is_told_apart_from_one_that_broke() {
    assert_eq!(
        review("retry: 250").await.result,
        Err(CallError::Refused(HookError::Retry {
            after_ms: Some(250)
        }))
    );
    assert_eq!(
        review("park: no use").await.result,
        Err(CallError::Refused(HookError::Park {
            why: "no use".to_owned()
        }))
    );
}

#[tokio::test]
async fn a_draft_is_what_was_handed_in() {
    assert_eq!(
        said("draft").await,
        r#"draft-1 DraftKind::Message ann Some("room") Some("group") 3 true Some(4) ["bob"] ["about"] ["one", "two"] Some("client")"#
    );
    assert_eq!(said("context").await, "1000000 2 00-trace 32 key-1 true");
}

#[tokio::test]
async fn views_settings_and_the_store_are_read() {
    assert_eq!(
        said("views").await,
        r#"Ok(["ann", "bob"]) [(2, Some("second")), (1, Some("first"))] Some("The Room") Err("denied: not asked for in the manifest") Ok(PresenceState::Away) Ok(true)"#
    );
    assert_eq!(said("config: words").await, r#"["a","b"]"#);
    assert_eq!(said("config: none").await, "");
    assert_eq!(
        said("kv: a/1").await,
        r#"Some(([111, 110, 101], 5)) ["a/1", "a/2", "b"]"#
    );
}

#[tokio::test]
async fn rates_count_across_calls() {
    let (probe, server) = (load(PROBE, patient()), server());
    let mut counts = Vec::new();
    for _ in 0..3 {
        let called = probe
            .review(about(), draft("rate: ann"), server.clone())
            .await;
        counts.push(called.result.expect("a verdict").decision);
    }
    let rejected = |count: u32| Decision::Reject {
        reason: count.to_string(),
    };
    assert_eq!(counts, [rejected(1), rejected(2), rejected(3)]);
}

#[tokio::test]
async fn each_call_has_memory_of_its_own() {
    let probe = load(PROBE, patient());
    for _ in 0..5 {
        let called = probe
            .review(about(), draft("calls-of-this-instance"), server())
            .await;
        let decision = called.result.expect("a verdict").decision;
        let reason = "1".to_owned();
        assert_eq!(decision, Decision::Reject { reason });
    }
}

#[tokio::test]
async fn lines_and_numbers_are_reported() {
    let called = review("log: hello").await;
    let lines: Vec<_> = called
        .usage
        .log
        .iter()
        .map(|line| (line.level, line.line.as_str()))
        .collect();
    assert_eq!(lines, [(Level::Info, "hello")]);
    assert_eq!(
        called.usage.metrics,
        [
            Metric::Count {
                name: "logged".to_owned(),
                by: 1
            },
            Metric::Observe {
                name: "size".to_owned(),
                value: 5.0
            }
        ]
    );
}

#[tokio::test]
async fn what_a_call_took_is_told_and_is_the_same_each_time() {
    let (first, second) = (review("hold: x").await.usage, review("hold: x").await.usage);
    assert!(first.fuel > 0);
    assert!(first.memory_peak > 0);
    assert!(first.duration > Duration::ZERO);
    // The text is asked for, and the hold.
    assert_eq!(first.host_calls, 2);
    assert_eq!(first.given_bytes, "hold: x".len());
    assert_eq!(
        (first.fuel, first.memory_peak),
        (second.fuel, second.memory_peak)
    );
}

#[test]
fn calls_can_go_to_any_thread() {
    fn is_send<T: Send>(_: T) {}
    let probe = load(PROBE, patient());
    is_send(probe.review(about(), draft(""), server()));
}

#[tokio::test]
async fn the_servers_own_failure_is_not_held_against_the_extension() {
    let probe = load(PROBE, patient());
    let mut draft = draft("views");
    draft.place.as_mut().expect("it has one").conversation = "broken".to_owned();
    let error = probe.review(about(), draft, server()).await.result;
    let error = error.expect_err("the projections cannot be read");
    assert_eq!(
        error,
        CallError::Host("the projections cannot be read".to_owned())
    );
    assert!(!error.is_its_fault());
}
