//! The load that measures who is told of whom finds nothing missing, on a small scale, that of search and that of extensions
//! measure what they say. Times are not looked at here.

use std::process::Command;

use serde_json::Value;
use tidings_tests::server::program;

const SMALL: &str = "--togglers 20 --watchers 10 --toggle-roster 6 --toggle-rate 20 \
    --logins 40 --login-roster 6 --talkers 4 --messages 20 \
    --probes 3 --others 20 --edge-rate 20 --seconds 2";

/// The line of figures of a small run.
fn figures(log: &str, more: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Command::new(program());
    bench
        .args(["bench", "presence", "--json", "--log", log, "--scratch"])
        .arg(folder.path())
        .args(SMALL.split_whitespace())
        .args(more.split_whitespace());
    last_line(&mut bench)
}

/// What a bench says last, which has to pass.
fn last_line(bench: &mut Command) -> Value {
    let output = bench.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let why = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{why}");
    serde_json::from_str(said.lines().last().unwrap()).unwrap()
}

fn nothing_is_missing(log: &str) {
    let figures = figures(log, "");
    assert_eq!(figures["log"], log);
    let toggles = &figures["toggles"];
    // Each of the 20 is watched by 3.
    assert_eq!(toggles["toggles"], 40);
    assert_eq!(toggles["told"], 120, "{toggles}");
    let logins = &figures["logins"];
    assert_eq!(logins["snapshots"], 40, "{logins}");
    // The storm of so few is over within a message's time: they talked before it.
    assert_eq!(logins["messages_missing"], 0, "{logins}");
    let before = logins["message_before_ms"]["max"].as_f64().unwrap();
    assert!(before > 0.0, "{logins}");
    let edges = &figures["edges"];
    assert_eq!(edges["changes"], 40, "{edges}");
    assert_eq!(edges["watched_told"], 40, "{edges}");
    // Each probe came and went once at least.
    assert!(edges["edges"].as_u64().unwrap() >= 6, "{edges}");
    for part in [toggles, logins, edges] {
        assert_eq!(
            (&part["missing"], &part["wrong"]),
            (&0.into(), &0.into()),
            "{part}"
        );
    }
    assert!(figures["edge_to_watch_ms"]["p99"].is_number(), "{figures}");
    let found = figures["edge_to_search_ms"]["max"].as_f64().unwrap();
    assert!(found > 0.0, "{figures}");
}

#[test]
fn searches_are_measured_while_many_come_and_go_without_sessions() {
    let more = "--part edges --join-transitions 60000 --join-users 300";
    let figures = figures("embedded", more);
    let edges = &figures["edges"];
    assert!(edges["edges"].as_u64().unwrap() >= 6, "{edges}");
    assert_eq!(
        (&edges["missing"], &edges["wrong"]),
        (&0.into(), &0.into()),
        "{edges}"
    );
    for way in ["connect_to_search_ms", "disconnect_to_search_ms"] {
        assert!(edges[way]["max"].as_f64().unwrap() > 0.0, "{edges}");
    }
    let applied = edges["join_transitions_per_minute"].as_f64().unwrap();
    assert!(applied > 0.0, "{edges}");
    assert!(figures["toggles"].is_null(), "{figures}");
}

#[test]
fn search_of_people_and_of_messages_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("channel.log");
    std::fs::write(
        &log,
        "=== ann [~ann@host.example]  has joined #channel\n[12:34] <ann> hello there\n[12:35] <ben> hello\n",
    )
    .unwrap();
    let mut bench = Command::new(program());
    bench
        .args(["bench", "search", "--quick", "--json", "--profiles", "1000"])
        .args([
            "--queries",
            "2",
            "--messages",
            "500",
            "--message-queries",
            "2",
        ])
        .arg("--irc")
        .arg(&log)
        .arg("--folder")
        .arg(folder.path().join("made"));
    let figures = last_line(&mut bench);
    assert_eq!(figures["profiles"], 1_000);
    let messages = &figures["messages"];
    assert_eq!(messages["synthetic"]["messages"], 500, "{messages}");
    assert_eq!(messages["irc"]["messages"], 2, "{messages}");
    for part in ["synthetic", "irc"] {
        let worst = messages[part]["worst_p99_ms"].as_f64().unwrap();
        assert!(worst > 0.0, "{messages}");
    }
}

#[test]
fn presence_is_measured_on_the_embedded_log() {
    nothing_is_missing("embedded");
}

#[test]
fn presence_is_measured_on_jetstream() {
    nothing_is_missing("jetstream");
}

/// Both figures of how long calls took are there, and say something.
fn took(figures: &Value) {
    for figure in ["p50", "p99"] {
        assert!(figures[figure].as_f64().unwrap() > 0.0, "{figures}");
    }
}

fn extensions_are_measured(log: &str, parts: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Command::new(program());
    bench
        .args(["bench", "extensions", "--quick", "--json", "--log", log])
        .args(["--only", parts, "--scratch"])
        .arg(folder.path());
    last_line(&mut bench)
}

#[test]
fn a_verdict_is_measured_in_the_sandbox_and_over_http() {
    let figures = extensions_are_measured("embedded", "verdicts");
    took(&figures["moderation_fresh_us"]);
    took(&figures["http_hook_us"]);
    took(&figures["verdicts"]["default_pool_us"]);
    assert!(figures["load"].is_null(), "{figures}");
}

#[test]
fn messages_are_measured_with_extensions_and_without() {
    let figures = extensions_are_measured("embedded", "load,idle,start");
    for ratio in ["throughput_ratio", "delivery_p99_ratio"] {
        assert!(figures[ratio].as_f64().unwrap() > 0.0, "{figures}");
    }
    let acts = figures["load"]["extensions"].as_array().unwrap();
    assert_eq!(acts.len(), 5, "{figures}");
    assert!(figures["idle_extensions_us_a_message"].is_number());
    assert_eq!(figures["idle_extensions"]["extensions"], 5, "{figures}");
    let start = &figures["start"];
    assert_eq!(start["extensions"], 2, "{start}");
    assert!(start["with_s"].as_f64().unwrap() > 0.0, "{start}");
}

fn swaps_lose_nothing(log: &str) {
    let figures = extensions_are_measured(log, "swap");
    let swap = &figures["swap"];
    assert_eq!(swap["swaps"], 2, "{swap}");
    assert!(swap["messages"].as_u64().unwrap() > 50, "{swap}");
    assert_eq!(
        (&swap["missing"], &swap["doubled"]),
        (&0.into(), &0.into()),
        "{swap}"
    );
    let effects = &swap["effects"];
    assert!(effects["events"].as_u64().unwrap() > 0, "{swap}");
    assert_eq!(effects["events"], effects["found"], "{swap}");
}

#[test]
fn swapped_versions_lose_nothing_on_the_embedded_log() {
    swaps_lose_nothing("embedded");
}

#[test]
fn swapped_versions_lose_nothing_on_jetstream() {
    swaps_lose_nothing("jetstream");
}
