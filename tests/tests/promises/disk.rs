//! The disk is full, or can only be read: what was acknowledged is kept, senders are told to come again,
//! and with the space everything goes on.
//!
//! The disk is an image file with a file system of its own. Where mounting is not allowed the tests say so
//! and prove nothing.

use std::{collections::BTreeMap, fs};

use serde_json::Value;
use tidings_protocol::{frame::Outcome, id};
use tidings_tests::{
    Server, Session, Way, World, ask, disk::Disk, eventually, fleet::Fleet, history, http,
};
use uuid::Uuid;

use crate::kill_rounds::{check, sound, urls, whole};

/// Room for a few segments of the log and everything else.
const BYTES: u64 = 64 << 20;

/// A disk, if there can be one here.
fn disk(folder: &tempfile::TempDir) -> Option<Disk> {
    match Disk::of(folder.path(), BYTES) {
        Ok(disk) => Some(disk),
        Err(why) => {
            println!("SKIPPED, no disk can be made here: {why}");
            None
        }
    }
}

/// Somebody who writes long texts, one after another, to a conversation.
struct Writer {
    session: Session,
    conversation: Uuid,
    /// What was acknowledged, by seq.
    kept: BTreeMap<u64, Uuid>,
    /// What was refused, to be tried again.
    refused: Option<Uuid>,
}

impl Writer {
    async fn new(server: &Server) -> Writer {
        let mut session = Session::open(server, Way::WebSocketProtobuf, "writer").await;
        let conversation = session.start(ask::direct("reader")).await;
        Writer {
            session,
            conversation,
            kept: BTreeMap::new(),
            refused: None,
        }
    }

    /// Writes under an id; the refusal, if there is one.
    async fn write(&mut self, id: Uuid) -> Result<bool, (String, String)> {
        let text = format!("{id} {}", "long ".repeat(3_000));
        match self
            .session
            .command_as(id, ask::post(self.conversation, &text))
            .await
        {
            Outcome::Accepted(accepted) => {
                let before = self.kept.insert(accepted.seq, id);
                assert!(before.is_none_or(|before| before == id), "{}", accepted.seq);
                Ok(accepted.duplicate)
            }
            Outcome::Error(error) => Err((error.code, error.message)),
            other => panic!("{other:?}"),
        }
    }

    /// Writes until that does not go any more, and says why.
    async fn until_refused(&mut self) -> (String, String) {
        loop {
            let id = Uuid::now_v7();
            if let Err(why) = self.write(id).await {
                self.refused = Some(id);
                return why;
            }
        }
    }
}

async fn readiness(server: &Server) -> (u16, Value) {
    let answer = http::request(server, "GET", "/readyz", &[], b"").await;
    (answer.status, serde_json::from_str(&answer.body).unwrap())
}

/// Holds a history against what was acknowledged.
async fn kept(writer: &Writer, server: &Server) {
    let mut session = Session::open(server, Way::QuicProtobuf, "reader").await;
    let all = history::all(&mut session, writer.conversation).await;
    let ids: Vec<_> = all
        .iter()
        .map(|message| id::from_wire(&message.command_id).unwrap())
        .collect();
    let mut once = ids.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), ids.len(), "a message is there twice");
    for (seq, id) in &writer.kept {
        assert_eq!(ids.get(*seq as usize - 1), Some(id), "message {seq}");
    }
    for (message, seq) in all.iter().zip(1..) {
        assert_eq!(message.seq, seq);
    }
}

/// What a server has logged at these levels since a place in the file.
fn logged(world: &World, from: usize) -> Vec<String> {
    let text = fs::read_to_string(world.server_log()).unwrap();
    let lines = text[from..]
        .lines()
        .filter(|line| line.contains("WARN") || line.contains("ERROR"));
    lines.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_and_goes_on_with_space() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = disk(&folder) else { return };
    let mut world = World::embedded();
    world.data = disk.path().join("data");
    let server = world.start().await;
    let fleet = Fleet::muster(&urls(&server)[..3]).await;
    let mut histories = BTreeMap::new();
    fleet.go();
    let mut writer = Writer::new(&server).await;
    writer.write(Uuid::now_v7()).await.unwrap();
    let mut reader = Session::open(&server, Way::WebSocketJson, "reader").await;
    let cursor = reader.cursor.clone();
    fleet.until_promised(200).await;
    let from = fs::metadata(world.server_log()).unwrap().len() as usize;

    disk.fill();
    let (code, message) = writer.until_refused().await;
    assert_eq!(code, "unavailable", "{message}");
    assert!(message.contains("no space left"), "{message}");
    // Somebody who has never written needs a key, too.
    let outcome = reader
        .command_as(Uuid::now_v7(), ask::post(writer.conversation, "new here"))
        .await;
    assert!(
        matches!(&outcome, Outcome::Error(error) if error.code == "unavailable"),
        "{outcome:?}"
    );

    // An operator is told why.
    let (status, why) = readiness(&server).await;
    assert_eq!(
        (status, &why["log_writable"]),
        (503, &Value::Bool(false)),
        "{why}"
    );
    assert!(
        why["why"]
            .to_string()
            .contains("the data folder has no space left"),
        "{why}"
    );
    assert_eq!(http::metric(&server, "tidings_log_writable").await, 0);
    assert!(
        http::metric(
            &server,
            "tidings_append_failures_total{reason=\"unavailable\"}"
        )
        .await
            > 0
    );

    // What is there can be read, and a session that was interrupted resumes.
    kept(&writer, &server).await;
    let mut resumed = Session::resume(&server, Way::QuicProtobuf, "reader", cursor).await;
    resumed.event().await;
    let unread = resumed.ask(ask::unread()).await;
    assert!(matches!(unread, Outcome::Unread(_)), "{unread:?}");

    // Many commands later the log has not been filled with it.
    let refused = http::metric(
        &server,
        "tidings_append_failures_total{reason=\"unavailable\"}",
    )
    .await;
    for _ in 0..50 {
        writer.write(Uuid::now_v7()).await.unwrap_err();
    }
    let now = http::metric(
        &server,
        "tidings_append_failures_total{reason=\"unavailable\"}",
    )
    .await;
    assert!(now > refused, "{now}");
    let lines = logged(&world, from);
    assert!(lines.len() <= 6, "{lines:#?}");

    // With the space everything goes on by itself, and what was refused is written once.
    let promised = fleet.promised();
    disk.free();
    fleet.until_promised(promised + 50).await;
    let id = writer.refused.unwrap();
    assert!(!writer.write(id).await.unwrap());
    assert!(writer.write(id).await.unwrap(), "it is a duplicate now");
    let outcome = reader
        .command_as(Uuid::now_v7(), ask::post(writer.conversation, "new here"))
        .await;
    assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
    eventually("it is ready again", || async {
        (readiness(&server).await.0 == 200).then_some(())
    })
    .await;
    kept(&writer, &server).await;
    check(&fleet, &server, &mut histories).await;

    fleet.rest().await;
    whole(&fleet, &server, histories).await;
    fleet.disband().await;
    server.terminate();
    assert!(server.ended().await.success());
    sound(&world);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_on_a_full_disk_starts_with_space() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = disk(&folder) else { return };
    let mut world = World::embedded();
    world.data = disk.path().join("data");
    let server = world.start().await;
    let mut writer = Writer::new(&server).await;
    writer.write(Uuid::now_v7()).await.unwrap();
    disk.fill();
    writer.until_refused().await;
    server.kill();
    let said = world.starting().refused().await;
    assert!(
        said.contains("the data folder has no space left: free some"),
        "{said}"
    );
    looks(&world);

    disk.free();
    sound(&world);
    let server = world.start().await;
    writer.session = Session::open(&server, Way::WebSocketProtobuf, "writer").await;
    kept(&writer, &server).await;
    let again = writer.write(writer.refused.unwrap()).await.unwrap();
    assert!(!again, "what was refused had not been written");
    kept(&writer, &server).await;
}

/// An operator can look at the log.
fn looks(world: &World) {
    for tool in [["log", "verify"], ["log", "tail"], ["log", "stats"]] {
        let output = world.tool(&tool);
        assert!(output.status.success(), "{tool:?}: {output:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_can_only_be_read_is_not_started_on() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = disk(&folder) else { return };
    let mut world = World::embedded();
    world.data = disk.path().join("data");
    let server = world.start().await;
    let mut writer = Writer::new(&server).await;
    writer.write(Uuid::now_v7()).await.unwrap();
    server.kill();
    disk.read_only();
    let said = world.starting().refused().await;
    assert!(
        said.contains("the data folder can only be read: mount its disk"),
        "{said}"
    );
    looks(&world);
    disk.writable();
    let server = world.start().await;
    kept(&writer, &server).await;
    server.kill();
    sound(&world);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_breaks_loses_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = disk(&folder) else { return };
    let mut world = World::embedded();
    world.data = disk.path().join("data");
    let server = world.start().await;
    let mut writer = Writer::new(&server).await;
    for _ in 0..20 {
        writer.write(Uuid::now_v7()).await.unwrap();
    }
    let from = fs::metadata(world.server_log()).unwrap().len() as usize;
    if let Err(why) = disk.break_down() {
        println!("SKIPPED, no disk can be broken here: {why}");
        return;
    }
    let (code, message) = writer.until_refused().await;
    assert_eq!(code, "unavailable", "{message}");
    for _ in 0..20 {
        writer.write(Uuid::now_v7()).await.unwrap_err();
    }
    let (status, why) = readiness(&server).await;
    assert_eq!(status, 503, "{why}");
    assert!(
        why["why"].to_string().contains("the data folder can"),
        "{why}"
    );
    kept(&writer, &server).await;
    let lines = logged(&world, from);
    assert!(lines.len() <= 6, "{lines:#?}");
    server.kill();
    looks(&world);
    disk.repair();
    sound(&world);
    let server = world.start().await;
    writer.session = Session::open(&server, Way::WebSocketProtobuf, "writer").await;
    kept(&writer, &server).await;
    // It may have been written before the disk broke, and nobody could be sure.
    writer.write(writer.refused.unwrap()).await.unwrap();
    kept(&writer, &server).await;
    server.kill();
    sound(&world);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_of_nats_refuses_and_goes_on_with_space() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = disk(&folder) else { return };
    let mut world = World::jetstream_in(disk.path()).await;
    let server = world.start().await;
    let fleet = Fleet::muster(&urls(&server)[..3]).await;
    let mut writer = Writer::new(&server).await;
    writer.write(Uuid::now_v7()).await.unwrap();
    fleet.go();
    fleet.until_promised(50).await;

    disk.fill();
    let (code, message) = writer.until_refused().await;
    assert_eq!(code, "unavailable", "{message}");
    let (status, why) = readiness(&server).await;
    assert_eq!(status, 503, "{why}");
    kept(&writer, &server).await;

    let promised = fleet.promised();
    disk.free();
    // NATS does not begin again by itself, our server does.
    world.nats().kill();
    world.nats().restart().await;
    fleet.until_promised(promised + 20).await;
    writer.write(writer.refused.unwrap()).await.unwrap();
    kept(&writer, &server).await;
    fleet.rest().await;
    whole(&fleet, &server, BTreeMap::new()).await;
    fleet.disband().await;
    server.kill();
    sound(&world);
    world.nats().kill();
}
