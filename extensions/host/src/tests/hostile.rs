//! Extensions that mean harm, or are broken in ways that look like it. Each ends in the error that names what it did, and the
//! next call on the same engine is as if nothing had been.

use super::*;
use crate::staged::Decision;
use crate::usage::Usage;
use crate::{CallError, Called};

/// Reviews with limits, then makes sure that the engine is well.
async fn review(text: &str, limits: Limits) -> (CallError, Usage) {
    let probe = load(PROBE, limits);
    end(&probe, text).await
}

async fn end(extension: &Extension, text: &str) -> (CallError, Usage) {
    let called = extension.review(about(), draft(text), server()).await;
    let error = called.result.expect_err("it does harm");
    well().await;
    (error, called.usage)
}

async fn well() {
    let probe = load(PROBE, patient());
    let called = probe
        .review(about(), draft("reject: as ever"), server())
        .await;
    let reason = "as ever".to_owned();
    let verdict = called.result.expect("a verdict");
    assert_eq!(verdict.decision, Decision::Reject { reason });
}

fn trap(why: &str) -> CallError {
    CallError::Trap(why.to_owned())
}

#[tokio::test]
async fn an_endless_loop_ends_by_time() {
    let limits = Limits {
        fuel: u64::MAX,
        time: Duration::from_millis(20),
        ..Limits::default()
    };
    assert_eq!(review("loop", limits).await.0, CallError::Deadline);
}

#[tokio::test]
async fn an_endless_loop_ends_by_fuel() {
    let (error, usage) = review("loop", patient()).await;
    assert_eq!(error, CallError::Fuel);
    assert_eq!(usage.fuel, patient().fuel);
}

#[tokio::test]
async fn an_endless_loop_gives_way_to_others() {
    let limits = Limits {
        fuel: u64::MAX,
        time: Duration::from_millis(100),
        ..Limits::default()
    };
    let probe = load(PROBE, limits);
    let turns = std::cell::Cell::new(0);
    // One thread for both: the other gets its turn each time the loop gives way.
    let others = async {
        loop {
            turns.set(turns.get() + 1);
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        called = probe.review(about(), draft("loop"), server()) => {
            assert_eq!(called.result, Err(CallError::Deadline));
        }
        () = others => unreachable!("it has no end"),
    }
    assert!(turns.get() > 1, "{} turns", turns.get());
}

#[tokio::test]
async fn a_call_that_is_dropped_stops() {
    let limits = Limits {
        fuel: u64::MAX,
        ..patient()
    };
    let probe = load(PROBE, limits);
    tokio::select! {
        biased;
        _ = probe.review(about(), draft("loop"), server()) => unreachable!("it has no end"),
        () = std::future::ready(()) => {}
    }
    well().await;
}

#[tokio::test]
async fn a_memory_bomb_ends_at_its_limit() {
    let limits = Limits {
        memory: 8 << 20,
        ..patient()
    };
    let (error, usage) = review("memory", limits).await;
    assert_eq!(error, CallError::Memory);
    assert!(usage.memory_peak <= limits.memory, "{}", usage.memory_peak);
}

#[tokio::test]
async fn a_component_that_begins_with_more_memory_than_it_may_have_is_not_begun() {
    let limits = Limits {
        memory: 64 << 10,
        ..patient()
    };
    assert_eq!(review("allow", limits).await.0, CallError::Memory);
}

#[tokio::test]
async fn deep_recursion_traps() {
    let error = review("recurse", patient()).await.0;
    assert!(matches!(error, CallError::Trap(_)), "{error}");
}

#[tokio::test]
async fn a_panic_traps() {
    let error = review("panic", patient()).await.0;
    assert_eq!(error, trap("panicked or aborted"));
}

#[tokio::test]
async fn a_flood_of_calls_ends_at_its_limit() {
    let (error, usage) = review("calls", patient()).await;
    assert_eq!(error, trap("more than 10000 calls to the host"));
    assert_eq!(usage.host_calls, 10_001);
}

#[tokio::test]
async fn a_flood_of_lines_ends_at_its_limit_and_a_hundred_are_kept() {
    let (error, usage) = review("log-flood", patient()).await;
    assert_eq!(error, trap("more than 10000 calls to the host"));
    assert_eq!(usage.log.len(), 100);
    assert_eq!(usage.log_dropped, 9_899);
}

#[tokio::test]
async fn a_long_line_is_cut() {
    let probe = load(PROBE, patient());
    let called = probe.review(about(), draft("log-long"), server()).await;
    assert_eq!(called.result.expect("a verdict").decision, Decision::Allow);
    assert_eq!(called.usage.log[0].line.len(), 4_096);
}

#[tokio::test]
async fn copies_without_end_end_at_their_limit() {
    let text = format!("copies:{}", "x".repeat(10_000));
    let (error, usage) = review(&text, patient()).await;
    assert_eq!(error, trap("more than 4194304 bytes asked of the host"));
    assert!(usage.host_calls < 500, "{}", usage.host_calls);
}

#[tokio::test]
async fn a_giant_string_is_not_even_copied() {
    let error = review("big-string", patient()).await.0;
    let CallError::Trap(why) = &error else {
        panic!("{error}");
    };
    assert!(why.contains("too much data"), "{why}");
}

#[tokio::test]
async fn a_table_grows_no_further_than_it_may() {
    // Asks for a thousand more elements until there are none, and says by a trap that there never came an end.
    let grows = moderator(
        "(table $table 1 funcref)",
        "(loop $more
            (br_if $more (i32.ne (i32.const -1) (table.grow $table (ref.null func) (i32.const 1000)))))
         unreachable",
    );
    let error = end(&load_text(&grows, patient()), "").await.0;
    assert_eq!(error, CallError::Memory);
}

#[tokio::test]
async fn memory_grown_in_one_step_is_limited_too() {
    let grows = moderator(
        "",
        "(if (i32.eq (i32.const -1) (memory.grow (i32.const 60000))) (then unreachable))",
    );
    let error = end(&load_text(&grows, patient()), "").await.0;
    assert_eq!(error, CallError::Memory);
}

#[tokio::test]
async fn what_runs_before_the_hook_is_limited_as_well() {
    let starts = moderator(
        "(start $forever) (func $forever (loop $more (br $more)))",
        "",
    );
    let limits = Limits {
        time: Duration::from_millis(20),
        fuel: u64::MAX,
        ..Limits::default()
    };
    let error = end(&load_text(&starts, limits), "").await.0;
    assert_eq!(error, CallError::Deadline);
}

#[tokio::test]
async fn an_answer_that_is_none_traps() {
    // The host reads the answer where it is said to be: far beyond the memory.
    let lies = moderator("", "(return (i32.const 0x7fffff00))");
    let error = end(&load_text(&lies, patient()), "").await.0;
    assert!(matches!(error, CallError::Trap(_)), "{error}");
}

#[tokio::test]
async fn as_many_calls_as_there_are_places_and_then_none() {
    let engine = Engine::new(Settings {
        calls: 1,
        ..Settings::default()
    })
    .expect("an engine");
    let limits = Limits {
        fuel: u64::MAX,
        ..patient()
    };
    let definition = Definition {
        id: "probe".to_owned(),
        version: "1".to_owned(),
        config: "{}".to_owned(),
        limits,
    };
    let probe = Extension::load(&engine, PROBE, definition).expect("the probe");
    let second = async {
        let called = probe.review(about(), draft("allow"), server()).await;
        assert_eq!(called.result, Err(CallError::Busy));
    };
    tokio::select! {
        biased;
        _ = probe.review(about(), draft("loop"), server()) => unreachable!("it has no end"),
        () = second => {}
    }
    let called: Called<_> = probe.review(about(), draft("allow"), server()).await;
    assert!(called.result.is_ok());
}
