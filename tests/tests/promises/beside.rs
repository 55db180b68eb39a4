//! Tools beside a server that runs: they look at the log, and build the projections anew, while
//! messages go through.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

use tidings_core::{
    commit::{Batch, Commit},
    domain::{Content, ConversationId, Event, Stream, UserId},
    log::{
        Append, EventLog as _, Lane, Shard,
        embedded::{Embedded, Options},
    },
};
use tidings_tests::{Session, Way, World, ask, fleet::Fleet, http, server::program};
use uuid::Uuid;

use crate::kill_rounds::{check, sound, urls, whole};

on_both_logs! {
    the_log_is_read_and_the_projections_are_rebuilt,
    what_a_tool_prints_is_for_its_reader,
}

fn printed(world: &World, arguments: &[&str]) -> String {
    let output = world.tool(arguments);
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn build_in_use(world: &World) -> String {
    let current = world.data.join("projections").join("CURRENT");
    std::fs::read_to_string(current).unwrap_or_else(|_| "build-1".to_owned())
}

async fn the_log_is_read_and_the_projections_are_rebuilt(world: World) {
    let server = world.start().await;
    let fleet = Fleet::muster(&urls(&server)).await;
    let mut histories = BTreeMap::new();
    fleet.go();
    fleet.until_promised(100).await;

    let before = build_in_use(&world);
    printed(&world, &["log", "verify"]);
    assert!(printed(&world, &["log", "stats"]).contains("messages"));
    assert_eq!(
        printed(&world, &["log", "tail", "--after", "0", "--json"])
            .lines()
            .next()
            .map(|line| {
                let event: serde_json::Value = serde_json::from_str(line).unwrap();
                event["position"].as_u64()
            }),
        Some(Some(1))
    );
    for _ in 0..5 {
        followed(&world, 100);
    }
    let rebuilt = printed(&world, &["projections", "rebuild"]);
    assert!(rebuilt.contains("at its next start"), "{rebuilt}");
    let built = build_in_use(&world);
    assert_ne!(before, built);
    // The server has gone on with the rows it has.
    fleet.until_promised(fleet.promised() + 100).await;
    check(&fleet, &server, &mut histories).await;
    // Once more, and nothing of the server's is removed under it.
    printed(&world, &["projections", "rebuild"]);
    fleet.until_promised(fleet.promised() + 100).await;
    server.kill();

    sound(&world);
    let server = world.start().await;
    check(&fleet, &server, &mut histories).await;
    fleet.until_promised(fleet.promised() + 10).await;
    fleet.rest().await;
    whole(&fleet, &server, histories).await;
    fleet.disband().await;
    let projections = std::fs::read_dir(world.data.join("projections")).unwrap();
    let builds = projections.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().starts_with("build-")
    });
    assert_eq!(builds.count(), 1, "old builds are removed");
}

/// Looks at the log while it grows: each event is there once, in order.
fn followed(world: &World, events: usize) {
    let mut child = Command::new(program())
        .args(["log", "tail", "--follow", "--json", "--config"])
        .arg(world.config())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let places: Vec<_> = lines
        .take(events)
        .map(|line| {
            let event: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
            (event["position"].as_u64(), event["index"].as_u64())
        })
        .collect();
    assert_eq!(places.len(), events, "it goes on");
    assert!(places.is_sorted_by(|a, b| a < b), "{places:?}");
    // Nobody reads any more, and the log goes on growing.
    assert!(child.wait().unwrap().success());
}

/// Tools that read the log.
const READERS: [[&str; 2]; 6] = [
    ["log", "verify"],
    ["log", "stats"],
    ["log", "tail"],
    ["projections", "list"],
    ["projections", "audit"],
    ["projections", "rebuild"],
];

/// What a tool that fails says.
fn failure(world: &World, tool: &[&str]) -> String {
    let output = world.tool(tool);
    assert!(!output.status.success(), "{tool:?} succeeded");
    let printed = String::from_utf8_lossy(&output.stdout);
    format!("{printed}{}", String::from_utf8_lossy(&output.stderr))
}

/// A mistyped folder is not found to be sound.
#[test]
fn embedded_tools_make_no_log_where_there_is_none() {
    let world = World::embedded();
    for tool in READERS.into_iter().chain([["log", "new-epoch"]]) {
        let said = failure(&world, &tool);
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains("there is no log in "), "{tool:?}: {said}");
        assert!(!world.data.exists(), "{tool:?} made something");
    }
}

/// Nor is a mistyped prefix or server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jetstream_tools_make_no_log_where_there_is_none() {
    let mut world = World::jetstream().await;
    for tool in READERS.into_iter().chain([["log", "new-epoch"]]) {
        let said = failure(&world, &tool);
        assert!(
            said.contains("there is no log at ") && said.contains("no stream tidings-journal"),
            "{tool:?}: {said}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(!world.data.exists(), "{tool:?} made something");
    }
    let monitor = world.nats().monitor_url();
    let state = http::get(&monitor, "/jsz").await.unwrap();
    let state: serde_json::Value = serde_json::from_str(&state).unwrap();
    assert_eq!(state["streams"], 0, "{state}");
}

/// Leaves a message in the log, and the server stopped.
async fn with_a_message(world: &World) -> Uuid {
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketProtobuf, "ann").await;
    let conversation = ann.start(ask::direct("ben")).await;
    ann.command(ask::post(conversation, "hello")).await;
    drop(ann);
    server.terminate();
    assert!(server.ended().await.success());
    conversation
}

async fn what_a_tool_prints_is_for_its_reader(world: World) {
    let conversation = with_a_message(&world).await;
    let output = world.tool(&["log", "tail"]);
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    let posted = said.lines().find(|line| line.contains("message_posted"));
    let posted = posted.unwrap();
    let expected =
        format!("  conversation {conversation}  message_posted by ann seq=1 text_bytes=5");
    assert!(posted.contains(&expected), "{posted}");
    assert!(!said.contains("hello"), "{said}");

    let json = printed(&world, &["log", "tail", "--json"]);
    let events: Vec<serde_json::Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(events.len(), said.lines().count());
    let posted = events
        .iter()
        .find(|event| event["kind"] == "message_posted");
    let posted = posted.unwrap();
    assert_eq!(posted["stream"]["conversation"], conversation.to_string());
    assert_eq!(posted["event"]["text_bytes"], 5);

    // Nobody asked for more.
    for tool in READERS {
        let output = world.tool(&tool);
        assert!(output.status.success(), "{tool:?}");
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(errors, "", "{tool:?}");
        assert!(!output.stdout.contains(&b'\x1b'), "{tool:?}");
    }
}

/// Runs a tool that prints to `to`; how it ended, and what it said to stderr.
fn printing_to(world: &World, tool: &[&str], to: Stdio, closed: bool) -> (ExitStatus, String) {
    let mut child = Command::new(program())
        .args(tool)
        .arg("--config")
        .arg(world.config())
        .stdin(Stdio::null())
        .stdout(to)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    if closed {
        drop(child.stdout.take());
    }
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status, said)
}

fn full_disk() -> Stdio {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
    full.unwrap().into()
}

/// Puts something into the log that is whole, and cannot be right: a message is missing before it.
async fn with_a_gap(world: &World, conversation: Uuid) {
    let unused = Options::new(Uuid::from_u128(1), Uuid::from_u128(2));
    let log = Embedded::open(&world.data.join("log"), &unused).unwrap();
    let event = Event::MessagePosted {
        seq: 5,
        countable_seq: 5,
        content: Content::Sealed(Vec::new().into()),
        reply_to: 0,
        mentions: Vec::new(),
    };
    let batch = Batch {
        stream: Stream::Conversation(ConversationId(conversation)),
        actor: UserId::new("ann").unwrap(),
        command: None,
        happened_ms: None,
        correlation: None,
        causation: None,
        first_index: 0,
        events: vec![event],
        poison: None,
    };
    let (lane, shard) = (Lane::Journal, Shard(0));
    let append = Append {
        lane,
        shard,
        expected: log.last(lane, shard).await.unwrap(),
        id: Uuid::from_u128(3),
        payload: Commit::encode(1, &[batch]),
    };
    log.append(append).await.unwrap();
}

/// Such as `head`, or `grep -q`, once it has seen enough. A tool that checks goes on checking, and its
/// result is that of the whole check.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_may_stop_reading() {
    let world = World::embedded();
    let conversation = with_a_message(&world).await;
    for tool in READERS {
        let (status, said) = printing_to(&world, &tool, Stdio::piped(), true);
        assert!(status.success() && said.is_empty(), "{tool:?}: {said}");
    }
    with_a_gap(&world, conversation).await;
    // The last one finds it in the rows once they are folded.
    let (list, tail) = (["projections", "list"], ["log", "tail"]);
    let checks = READERS
        .into_iter()
        .filter(|tool| ![list, tail].contains(tool));
    for tool in checks.chain([list]) {
        let (status, said) = printing_to(&world, &tool, Stdio::piped(), true);
        assert_eq!(status.code(), Some(1), "{tool:?}: {said}");
        assert!(!said.contains("error: "), "{tool:?}: {said}");
    }
    let said = failure(&world, &["log", "verify"]);
    assert!(said.contains("all checksums right"), "{said}");
    assert!(said.contains("message 5 follows message 1"), "{said}");
}

/// Whoever wanted to read it has not got it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_written_is_no_success() {
    let world = World::embedded();
    with_a_message(&world).await;
    for tool in READERS {
        let (status, said) = printing_to(&world, &tool, full_disk(), false);
        assert_eq!(status.code(), Some(1), "{tool:?}: {said}");
        let begin = "error: not all that was to be printed could be written: ";
        assert!(said.starts_with(begin), "{tool:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{tool:?}: {said}");
    }
    let folder = world.folder.path().join("secrets");
    let output = Command::new(program())
        .args(["secrets", "new"])
        .arg(&folder)
        .stdout(full_disk())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_projections_are_said_to_be_and_can_be_rebuilt() {
    let world = World::embedded();
    with_a_message(&world).await;
    let rows = world.data.join("projections").join(build_in_use(&world));
    let mut damaged = 0;
    for file in files(&rows.join("rows")) {
        let mut bytes = std::fs::read(&file).unwrap();
        bytes.iter_mut().for_each(|byte| *byte ^= 0x55);
        std::fs::write(&file, bytes).unwrap();
        damaged += 1;
    }
    assert!(damaged > 0, "there are rows on disk");
    let advice = format!(
        "run `tidings projections rebuild --data {} --config {}`",
        world.data.display(),
        world.config().display()
    );
    for tool in [["projections", "list"], ["projections", "audit"]] {
        let said = failure(&world, &tool);
        assert!(said.contains(&advice), "{tool:?}: {said}");
    }
    printed(&world, &["projections", "rebuild"]);
    let said = printed(&world, &["projections", "audit"]);
    assert!(said.contains(" 0 differences"), "{said}");
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_port_is_taken_makes_nothing() {
    let world = World::embedded();
    let _taken = std::net::TcpListener::bind(("127.0.0.1", world.port)).unwrap();
    let refused = world.starting().refused().await;
    let begin = format!("error: cannot listen on 127.0.0.1:{} (TCP): ", world.port);
    assert!(refused.starts_with(&begin), "{refused}");
    assert!(refused.ends_with("choose another --port"), "{refused}");
    assert!(!world.data.exists());
}

#[test]
fn a_load_on_a_server_that_is_not_there_says_so() {
    let address = format!("127.0.0.1:{}", World::embedded().port);
    let output = Command::new(program())
        .args(["bench", "messages", "--server", &address])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    let begin = format!("error: no server can be reached at {address}: ");
    assert!(said.starts_with(&begin), "{said}");
}
