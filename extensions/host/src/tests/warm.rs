//! Instances that are kept from one call to the next: what stays, what does not, and when they go.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use super::*;
use crate::CallError;
use crate::staged::Verdict;
use crate::usage::Usage;

/// Counts its calls in a global, and traps in the third.
const COUNTS: &str = r#"(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (if (i32.eq (global.get $calls) (i32.const 3)) (then unreachable))"#;

fn counting() -> Extension {
    load_text(
        &moderator("(global $calls (mut i32) (i32.const 0))", COUNTS),
        patient(),
    )
}

async fn review(extension: &Extension) -> Result<Verdict, CallError> {
    extension
        .review(about(), draft("hello"), server())
        .await
        .result
}

#[tokio::test]
async fn what_a_guest_wrote_stays_until_it_traps() {
    let fresh = counting();
    for _ in 0..5 {
        assert!(review(&fresh).await.is_ok(), "each call is the first");
    }
    let warm = fresh.kept_warm();
    let mut ended = Vec::new();
    for _ in 0..7 {
        ended.push(review(&warm).await.is_ok());
    }
    assert_eq!(ended, [true, true, false, true, true, false, true]);
    for _ in 0..5 {
        assert!(review(&fresh).await.is_ok(), "others have nothing of it");
    }
}

#[tokio::test]
async fn a_clone_shares_what_rests_and_another_one_does_not() {
    let one = counting().kept_warm();
    let (clone, other) = (one.clone(), one.kept_warm());
    assert!(review(&one).await.is_ok());
    assert!(review(&clone).await.is_ok());
    assert!(review(&other).await.is_ok());
    assert!(review(&one).await.is_err(), "the third of this instance");
    assert!(review(&other).await.is_ok(), "the second of that one");
}

#[tokio::test]
async fn fuel_and_time_are_each_calls_own() {
    // A call takes more than half of the fuel.
    let body = "(local $n i32) (local.set $n (i32.const 1000)) \
        (loop $again (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))";
    let text = moderator("", "(call $work)").replace(
        "(func (export \"review\")",
        &format!("(func $work {body}) (func (export \"review\")"),
    );
    let fuel = load_text(&text, patient())
        .review(about(), draft(""), server())
        .await
        .usage
        .fuel;
    let warm = load_text(
        &text,
        Limits {
            fuel: fuel + fuel / 2,
            ..patient()
        },
    )
    .kept_warm();
    let mut took = Vec::new();
    for _ in 0..4 {
        let called = warm.review(about(), draft(""), server()).await;
        assert_eq!(called.result, Ok(Verdict::default()));
        took.push(called.usage.fuel);
    }
    assert!(took.iter().all(|took| *took > fuel / 2), "{took:?}");
}

#[tokio::test]
async fn one_whose_memory_grew_makes_room_for_a_new_one() {
    // Grows by a page each call, and traps where it gets none.
    let grows = "(if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))";
    let limits = Limits {
        memory: 4 << 16,
        ..patient()
    };
    let warm = load_text(&moderator("", grows), limits).kept_warm();
    let mut peaks = Vec::new();
    for _ in 0..6 {
        let called = warm.review(about(), draft(""), server()).await;
        assert_eq!(called.result, Ok(Verdict::default()));
        let Usage { memory_peak, .. } = called.usage;
        peaks.push(memory_peak >> 16);
    }
    assert_eq!(peaks, [2, 3, 2, 3, 2, 3]);
}

/// Makes a request in its first call and keeps the handle; each call adds to it.
fn hoarding() -> String {
    r#"(component
        (import "tidings:extension/types@0.1.0" (instance $types
            (type $error (variant (case "retry" (option u32)) (case "park" string)))
            (export "hook-error" (type (eq $error)))))
        (import "tidings:extension/context@0.1.0" (instance $context
            (export "call" (type (sub resource)))))
        (import "tidings:extension/drafts@0.1.0" (instance $drafts
            (export "draft" (type (sub resource)))))
        (import "tidings:extension/http@0.1.0" (instance $http
            (export "request" (type $request (sub resource)))
            (export "[constructor]request" (func (param "method" string) (param "url" string) (result (own $request))))
            (export "[method]request.timeout" (func (param "self" (borrow $request)) (param "ms" u32)))))
        (alias export $types "hook-error" (type $hook-error))
        (alias export $context "call" (type $call))
        (alias export $drafts "draft" (type $draft))
        (core func $drop-call (canon resource.drop $call))
        (core func $drop-draft (canon resource.drop $draft))
        (core module $memory (memory (export "memory") 1))
        (core instance $memory (instantiate $memory))
        (core func $new (canon lower (func $http "[constructor]request") (memory $memory "memory")))
        (core func $timeout (canon lower (func $http "[method]request.timeout")))
        (core module $module
            (import "host" "call" (func $drop-call (param i32)))
            (import "host" "draft" (func $drop-draft (param i32)))
            (import "host" "new" (func $new (param i32 i32 i32 i32) (result i32)))
            (import "host" "timeout" (func $timeout (param i32 i32)))
            (global $held (mut i32) (i32.const 0))
            (func (export "review") (param i32 i32) (result i32)
                (call $drop-call (local.get 0))
                (call $drop-draft (local.get 1))
                (if (i32.eqz (global.get $held)) (then
                    (global.set $held (call $new (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))))
                (call $timeout (global.get $held) (i32.const 5))
                (i32.const 256)))
        (core instance $core (instantiate $module (with "host" (instance
            (export "call" (func $drop-call))
            (export "draft" (func $drop-draft))
            (export "new" (func $new))
            (export "timeout" (func $timeout))))))
        (func $review
            (param "call" (borrow $call)) (param "draft" (borrow $draft))
            (result (result (error $hook-error)))
            (canon lift (core func $core "review") (memory $memory "memory")))
        (instance $hook (export "review" (func $review)))
        (export "tidings:extension/moderation@0.1.0" (instance $hook)))"#
        .to_owned()
}

#[tokio::test]
async fn what_an_earlier_call_was_given_leads_nowhere() {
    let fresh = load_text(&hoarding(), patient());
    for _ in 0..2 {
        assert_eq!(review(&fresh).await, Ok(Verdict::default()));
    }
    let warm = fresh.kept_warm();
    assert_eq!(review(&warm).await, Ok(Verdict::default()));
    let why = "a request that there is not".to_owned();
    assert_eq!(review(&warm).await, Err(CallError::Trap(why)));
    assert_eq!(review(&warm).await, Ok(Verdict::default()), "a new one");
}

/// An engine with room for four calls, of which one may rest.
fn small() -> Engine {
    Engine::new(Settings {
        calls: 4,
        ..Settings::default()
    })
    .expect("an engine")
}

fn on(engine: &Engine, text: &str) -> Extension {
    let definition = Definition {
        id: "warm".to_owned(),
        version: "1".to_owned(),
        config: "{}".to_owned(),
        limits: patient(),
    };
    Extension::load(engine, &component(text), definition).expect("it can be used")
}

#[tokio::test]
async fn what_rests_makes_room_for_what_works() {
    let engine = small();
    let rests = on(&engine, &moderator("", "")).kept_warm();
    assert_eq!(review(&rests).await, Ok(Verdict::default()));
    assert_eq!(engine.inner.resting.count(), 1);

    let works = on(
        &engine,
        &moderator("", "(loop $again (br $again)) unreachable"),
    );
    let mut calls: Vec<Pin<Box<dyn Future<Output = _>>>> = Vec::new();
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..4 {
        let mut call: Pin<Box<dyn Future<Output = _>>> = Box::pin(review(&works));
        assert_eq!(call.as_mut().poll(&mut context), Poll::Pending);
        calls.push(call);
    }
    assert_eq!(engine.inner.resting.count(), 0, "the last place was needed");
    let mut fifth = pin!(review(&works));
    assert_eq!(
        fifth.as_mut().poll(&mut context),
        Poll::Ready(Err(CallError::Busy))
    );
    drop(calls);
    assert_eq!(review(&rests).await, Ok(Verdict::default()));
}

#[tokio::test]
async fn few_rest_and_none_for_long() {
    let engine = small();
    let (one, other) = (
        on(&engine, &moderator("", "")).kept_warm(),
        on(&engine, &moderator("", "")).kept_warm(),
    );
    assert_eq!(review(&one).await, Ok(Verdict::default()));
    assert_eq!(review(&other).await, Ok(Verdict::default()));
    let resting = &engine.inner.resting;
    assert_eq!(resting.count(), 1, "a quarter of the calls");
    assert!(resting.sweep(Duration::from_hours(1)));
    assert!(!resting.sweep(Duration::ZERO));
    assert_eq!(resting.count(), 0);

    assert_eq!(review(&other).await, Ok(Verdict::default()));
    assert_eq!(resting.count(), 1);
    drop(other);
    assert_eq!(resting.count(), 0, "with its extension");
}

#[tokio::test]
async fn as_many_calls_as_there_may_be_find_their_tables_and_instances() {
    let engine = small();
    let tables = "(table 1 funcref)".repeat(8);
    let works = on(
        &engine,
        &moderator(&tables, "(loop $again (br $again)) unreachable"),
    );
    let mut context = Context::from_waker(Waker::noop());
    let mut calls: Vec<Pin<Box<dyn Future<Output = _>>>> = Vec::new();
    for _ in 0..4 {
        let mut call: Pin<Box<dyn Future<Output = _>>> = Box::pin(review(&works));
        assert_eq!(call.as_mut().poll(&mut context), Poll::Pending);
        calls.push(call);
    }
    for (declared, what) in [
        ("(table 1 funcref)".repeat(9), "tables"),
        ("(memory 1)".repeat(4), "memories"),
    ] {
        let refused = engine.compile(&component(&moderator(&declared, "")));
        let why = refused.expect_err("it is too large").to_string();
        assert!(why.contains(what), "{why}");
    }
}
