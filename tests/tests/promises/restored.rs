//! A log that was restored from a backup: its positions repeat with other content, and nobody goes on
//! from a position that means something else now.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tidings_tests::{Server, Session, Way, World, ask, history, world::Log};
use uuid::Uuid;

on_both_logs! {
    a_restored_log_begins_another_history,
}

/// Where the log's files are.
fn files(world: &mut World) -> PathBuf {
    match world.log {
        Log::Embedded => world.data.join("log"),
        _ => world.nats().store(),
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// Puts one folder in the place of another, with nobody running on either.
async fn replace(world: &mut World, from: &Path, to: &Path) {
    let has_nats = !matches!(world.log, Log::Embedded);
    if has_nats {
        world.nats().kill();
    }
    if to.exists() {
        fs::remove_dir_all(to).unwrap();
    }
    copy(from, to);
    if has_nats {
        world.nats().restart().await;
    }
}

async fn stop(server: Server) {
    server.terminate();
    let status = server.ended().await;
    assert!(status.success(), "{status}");
}

/// What a tool that fails says.
fn failure(world: &World, arguments: &[&str]) -> String {
    let output = world.tool(arguments);
    assert!(!output.status.success(), "{arguments:?} succeeded");
    String::from_utf8(output.stderr).unwrap()
}

fn printed(world: &World, arguments: &[&str]) -> String {
    let output = world.tool(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

async fn a_restored_log_begins_another_history(mut world: World) {
    world.limits("drain_ms = 1\n");
    let backup = world.folder.path().join("backup");
    let files = files(&mut world);
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketProtobuf, "ann").await;
    let conversation = ann.start(ask::direct("ben")).await;
    ann.command(ask::post(conversation, "kept")).await;
    drop(ann);
    stop(server).await;
    replace(&mut world, &files, &backup).await;

    let server = world.start().await;
    let mut ann = Session::open(&server, Way::QuicProtobuf, "ann").await;
    for n in 1..=3 {
        ann.command(ask::post(conversation, &format!("lost {n}")))
            .await;
    }
    let ben = Session::open(&server, Way::WebSocketJson, "ben").await;
    let cursor = ben.cursor.clone();
    let refused = failure(&world, &["log", "new-epoch", "--yes"]);
    let expected = match world.log {
        Log::Embedded => "is in use by process",
        _ => "stop every server and tool that runs on this log",
    };
    assert!(refused.contains(expected), "{refused}");
    drop((ann, ben));
    stop(server).await;
    replace(&mut world, &backup, &files).await;

    let refused = world.starting().refused().await;
    assert!(
        refused.contains("this server has seen the log up to position")
            && refused.contains("run `tidings log new-epoch` once"),
        "{refused}"
    );
    let refused = failure(&world, &["projections", "rebuild"]);
    assert!(refused.contains("run `tidings log new-epoch`"), "{refused}");
    let refused = failure(&world, &["log", "new-epoch"]);
    assert!(refused.contains("add --yes to do it"), "{refused}");
    let said = printed(&world, &["log", "new-epoch", "--yes"]);
    let epoch = |name: &str| -> Uuid {
        let line = said.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().parse().unwrap()
    };
    let (old, new) = (epoch("old epoch"), epoch("new epoch"));
    assert_eq!(tidings_protocol::id::to_wire(old), cursor.epoch);
    let verified = printed(&world, &["log", "verify"]);
    assert!(verified.contains(&format!("epoch {new}")), "{verified}");

    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketProtobuf, "ann").await;
    let mut last = 0;
    for n in 1..=5 {
        let posted = ann
            .command(ask::post(conversation, &format!("new {n}")))
            .await;
        last = posted.position;
    }
    assert!(
        last > cursor.position,
        "the position that ben knows is taken, by something else"
    );
    let mut ben = Session::resume(&server, Way::WebSocketProtobuf, "ben", cursor).await;
    assert!(!ben.welcome.resumed);
    assert_eq!(
        ben.reset.as_ref().map(|reset| &*reset.reason),
        Some("epoch")
    );
    let texts: Vec<String> = history::all(&mut ben, conversation)
        .await
        .into_iter()
        .map(|message| message.text)
        .collect();
    assert_eq!(texts, ["kept", "new 1", "new 2", "new 3", "new 4", "new 5"]);
    // From here on everything is as ever.
    let cursor = ben.cursor.clone();
    drop((ann, ben));
    let ben = Session::resume(&server, Way::QuicJson, "ben", cursor).await;
    assert!(ben.welcome.resumed);
    drop(ben);
    stop(server).await;
    printed(&world, &["projections", "audit"]);
}

/// A log whose end is gone, as after a disk that lied: what a server noted when it stopped tells.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn embedded_a_log_that_has_lost_its_end_goes_on_in_another_epoch() {
    let mut world = World::embedded();
    world.limits("drain_ms = 1\n");
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketProtobuf, "ann").await;
    let conversation = ann.start(ask::direct("ben")).await;
    ann.command(ask::post(conversation, "kept")).await;
    drop(ann);
    stop(server).await;
    let log = world.data.join("log");
    let before = world.folder.path().join("before");
    copy(&log, &before);
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketProtobuf, "ann").await;
    let lost = ann.command(ask::post(conversation, "lost")).await.position;
    drop(ann);
    stop(server).await;
    let mut noted = false;
    for entry in fs::read_dir(&before).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name() == "reached.json" {
            noted = true;
        } else {
            fs::copy(entry.path(), log.join(entry.file_name())).unwrap();
        }
    }
    assert!(noted, "the first stop was noted, too");
    fs::remove_dir_all(world.data.join("projections")).unwrap();

    let refused = world.starting().refused().await;
    assert!(
        refused.contains(&format!("although it had reached {lost}"))
            && refused.contains("run `tidings log new-epoch`"),
        "{refused}"
    );
    let refused = failure(&world, &["log", "verify"]);
    assert!(refused.contains("run `tidings log new-epoch`"), "{refused}");
    let said = printed(&world, &["log", "new-epoch", "--yes"]);
    assert!(said.contains("new epoch "), "{said}");
    printed(&world, &["log", "verify"]);
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketProtobuf, "ann").await;
    let messages = history::all(&mut ann, conversation).await;
    let texts: Vec<&str> = messages.iter().map(|message| &*message.text).collect();
    assert_eq!(texts, ["kept"]);
}
