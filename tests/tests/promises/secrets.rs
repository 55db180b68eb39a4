//! The secrets of a log: every server that runs on it has the same, and none makes others.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use tidings_tests::{
    Session, Way, World, ask, history,
    server::{Starting, program},
    world::Log,
};

on_both_logs! {
    a_log_whose_content_keys_are_gone_is_not_served,
}

fn put(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jetstream_a_second_server_with_other_secrets_is_refused() {
    let one = World::jetstream().await;
    let server = one.start().await;
    let two = one.twin();
    let ids = two.data.join("ids.secret");
    let right = fs::read_to_string(&ids).unwrap();

    put(&ids, &"ab".repeat(32));
    let refused = two.starting().refused().await;
    let expected =
        "is not the ids secret that this log was begun with: this server needs a copy of";
    assert!(refused.contains(expected), "{refused}");
    fs::remove_file(&ids).unwrap();
    let refused = two.starting().refused().await;
    assert!(refused.contains("there is no ids.secret in "), "{refused}");
    assert!(!ids.exists(), "no other one is made");

    put(&ids, &right);
    put(&two.data.join("operator.key"), &"ab".repeat(32));
    let refused = two.starting().refused().await;
    let expected = "were wrapped with another operator key: this node needs a copy of";
    assert!(refused.contains(expected), "{refused}");
    fs::copy(one.data.join("operator.key"), two.data.join("operator.key")).unwrap();

    // With the right ones two people have one conversation, wherever they begin it.
    let second = two.start().await;
    let mut ann = Session::open(&server, Way::WebSocketProtobuf, "ann").await;
    let mut ben = Session::open(&second, Way::QuicProtobuf, "ben").await;
    let begun = ann.start(ask::direct("ben")).await;
    assert_eq!(ben.start(ask::direct("ann")).await, begun);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn embedded_a_log_that_is_in_use_gets_no_other_secrets() {
    let world = World::embedded();
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketProtobuf, "ann").await;
    ann.start(ask::direct("ben")).await;
    server.kill();
    let path = world.data.join("ids.secret");
    let right = fs::read_to_string(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let refused = world.starting().refused().await;
    assert!(refused.contains("there is no ids.secret in "), "{refused}");
    put(&path, &"ab".repeat(32));
    let refused = world.starting().refused().await;
    assert!(refused.contains("is not the ids secret"), "{refused}");
    put(&path, &right);
    world.start().await.kill();
}

/// Where the content keys of a world are.
fn keys(world: &mut World) -> PathBuf {
    match world.log {
        Log::Embedded => world.data.join("keys"),
        _ => {
            let streams = world.nats().store().join("jetstream/$G/streams");
            assert!(streams.join("tidings-journal").is_dir(), "{streams:?}");
            streams.join("KV_tidings-keys")
        }
    }
}

/// Moves a folder while nobody runs who has it open.
async fn put_aside(world: &mut World, from: &Path, to: &Path) {
    let has_nats = !matches!(world.log, Log::Embedded);
    if has_nats {
        world.nats().kill();
    }
    fs::rename(from, to).unwrap();
    if has_nats {
        world.nats().restart().await;
    }
}

/// Without them every text would be shown as erased, and what is written meanwhile would be lost.
async fn a_log_whose_content_keys_are_gone_is_not_served(mut world: World) {
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketProtobuf, "ann").await;
    let conversation = ann.start(ask::direct("ben")).await;
    ann.command(ask::post(conversation, "hello")).await;
    server.kill();
    let (keys, elsewhere) = (keys(&mut world), world.folder.path().join("elsewhere"));
    put_aside(&mut world, &keys, &elsewhere).await;
    let operator = world.data.join("operator.key");
    let secret = fs::read(&operator).unwrap();
    // With the secrets and without: others would be made for a log that is new.
    for _ in 0..2 {
        let refused = world.starting().refused().await;
        assert!(
            refused.contains("there are no content keys in "),
            "{refused}"
        );
        assert!(!keys.exists(), "no others are made");
        let _ = fs::remove_file(&operator);
    }
    assert!(!operator.exists(), "no other one is made");
    fs::write(&operator, secret).unwrap();
    fs::set_permissions(&operator, fs::Permissions::from_mode(0o600)).unwrap();
    put_aside(&mut world, &elsewhere, &keys).await;
    let server = world.start().await;
    let mut ben = Session::open(&server, Way::QuicJson, "ben").await;
    let messages = history::all(&mut ben, conversation).await;
    assert_eq!(messages[0].text, "hello");
}

/// The configuration of a world with lines added to it, and another folder and port if asked for.
fn config(world: &World, lines: &str, other: Option<&World>) -> PathBuf {
    let mut text = fs::read_to_string(world.config()).unwrap();
    if let Some(other) = other {
        let data = |world: &World| format!("{:?}", world.data.display());
        text = text.replace(&data(world), &data(other));
        let port = |world: &World| format!("port = {}\n", world.port);
        text = text.replace(&port(world), &port(other));
    }
    let folder = other.unwrap_or(world).folder.path();
    let path = folder.join("with-secrets.toml");
    fs::write(&path, text + lines).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jetstream_two_servers_share_secrets_that_were_made_before() {
    let (one, two) = (World::jetstream().await, World::embedded());
    let folder = one.folder.path().join("secrets");
    let made = Command::new(program())
        .args(["secrets", "new"])
        .arg(&folder)
        .output()
        .unwrap();
    assert!(made.status.success());
    let said = String::from_utf8(made.stdout).unwrap();
    let lines = &said[said.find("[secrets]").unwrap()..];

    let configs = [config(&one, lines, None), config(&one, lines, Some(&two))];
    let first = Starting::new(&configs[0], &one.server_log());
    let first = first.listening().await;
    let second = Starting::new(&configs[1], &two.server_log());
    let second = second.listening().await;
    for world in [&one, &two] {
        for name in ["operator.key", "ids.secret"] {
            assert!(!world.data.join(name).exists(), "{name} is elsewhere");
        }
    }
    let mut ben = Session::open(&second, Way::QuicProtobuf, "ben").await;
    let mut ann = Session::open(&first, Way::WebSocketProtobuf, "ann").await;
    let conversation = ann.start(ask::direct("ben")).await;
    ann.command(ask::post(conversation, "hello")).await;
    let text = ben
        .event_where(|event| format!("{event:?}").contains("hello"))
        .await;
    assert_eq!(text.actor, "ann");
}

/// Starts a server on a configuration of its own, which names a secret in a file beside it.
fn with_secret_file(world: &World) -> (PathBuf, PathBuf) {
    let path = world.folder.path().join("own.toml");
    let text = format!(
        "data = \"own-data\"\nport = {}\n[auth]\nsecrets = [{{ file = \"secret.txt\" }}]\n",
        world.port
    );
    fs::write(&path, text).unwrap();
    (path, world.folder.path().join("secret.txt"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_of_tokens_lies_beside_the_configuration() {
    let world = World::embedded();
    let (path, secret) = with_secret_file(&world);
    let starting = || Starting::new(&path, &world.server_log());
    let shown = secret.display();
    let refused = starting().refused().await;
    assert!(
        refused.contains(&format!("{shown}, does not exist")),
        "{refused}"
    );
    put(&secret, "short\n");
    let refused = starting().refused().await;
    assert!(
        refused.contains(&format!("the secret in {shown} has 5 bytes")),
        "{refused}"
    );
    let data = world.folder.path().join("own-data");
    assert!(!data.exists(), "nothing is made before");

    put(&secret, &format!("{}\n", tidings_tests::token::SECRET));
    let server = starting().listening().await;
    Session::open(&server, Way::WebSocketProtobuf, "ann").await;
    server.kill();
    assert!(data.is_dir());
    let warned = || {
        let log = fs::read_to_string(world.server_log()).unwrap();
        log.contains(&format!("others may read the secret in {shown}"))
    };
    assert!(!warned());
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).unwrap();
    starting().listening().await.kill();
    assert!(warned());
}
