//! Limits at their edges: what is just allowed works, one more is refused with the code that is
//! documented, and the document lists every limit that can be set.

use std::collections::BTreeMap;

use tidings_protocol::{command, event::Kind, frame::Outcome, frame::Request, query};
use tidings_tests::{Server, Session, Way, World, ask, session::Raw, token};
use uuid::Uuid;

async fn code(session: &mut Session, request: Request) -> String {
    match session.command_as(Uuid::now_v7(), request).await {
        Outcome::Error(error) => error.code,
        _ => String::new(),
    }
}

fn x(length: usize) -> String {
    "x".repeat(length)
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("user-{n}")).collect()
}

fn about(context: &str) -> Request {
    Request::StartDirect(command::StartDirect {
        user: "ben".to_owned(),
        context: context.to_owned(),
    })
}

fn group(members: Vec<String>, max_members: u32) -> Request {
    Request::CreateGroup(command::CreateGroup {
        members,
        max_members,
        ..Default::default()
    })
}

fn mentioning(conversation: Uuid, mentions: usize) -> Request {
    let Request::PostMessage(message) = ask::post(conversation, "all of you") else {
        unreachable!("that is what it makes");
    };
    Request::PostMessage(command::PostMessage {
        mentions: vec!["ann".to_owned(); mentions],
        ..message
    })
}

fn listing(limit: u32) -> Request {
    Request::ListConversations(query::ListConversations { before: 0, limit })
}

fn members(conversation: Uuid, limit: u32) -> Request {
    Request::ListMembers(query::ListMembers {
        conversation: tidings_protocol::id::to_wire(conversation),
        after: String::new(),
        limit,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_at_their_limits_are_taken_and_beyond_them_refused() {
    let mut world = World::embedded();
    world.messages("text_bytes = 1000\ngroup_members = 1100\n");
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketJson, "ann").await;
    let id = ann.start(ask::group(&x(256), &["ben"])).await;
    let seq = ann.command(ask::post(id, "first")).await.seq;
    // What is just allowed, what is not, and the code of that.
    let edges = [
        (
            ask::post(id, &x(1000)),
            ask::post(id, &x(1001)),
            "too_large",
        ),
        (
            ask::edit(id, seq, &x(1000)),
            ask::edit(id, seq, &x(1001)),
            "too_large",
        ),
        (
            ask::title(id, &x(256)),
            ask::title(id, &x(257)),
            "too_large",
        ),
        (
            ask::group(&x(256), &[]),
            ask::group(&x(257), &[]),
            "too_large",
        ),
        (about(&x(128)), about(&x(129)), "invalid"),
        (ask::direct(&x(128)), ask::direct(&x(129)), "invalid"),
        (ask::block(&x(128)), ask::block(&x(129)), "invalid"),
        (
            ask::react(id, seq, &x(32)),
            ask::react(id, seq, &x(33)),
            "invalid",
        ),
        (mentioning(id, 50), mentioning(id, 51), "invalid"),
        (group(names(1000), 0), group(names(1001), 0), "invalid"),
        (group(Vec::new(), 1100), group(Vec::new(), 1101), "invalid"),
        (ask::latest(id, 200), ask::latest(id, 201), "invalid"),
        (listing(100), listing(101), "invalid"),
        (members(id, 1000), members(id, 1001), "invalid"),
    ];
    for (allowed, refused, expected) in edges {
        let shown = format!("{allowed:?}").chars().take(80).collect::<String>();
        assert_eq!(code(&mut ann, allowed).await, "", "{shown}");
        assert_eq!(code(&mut ann, refused).await, expected, "{shown}");
    }
    // Different reactions of one message: one is there.
    for n in 1..20 {
        ann.command(ask::react(id, seq, &format!("r{n}"))).await;
    }
    assert_eq!(
        code(&mut ann, ask::react(id, seq, "another")).await,
        "invalid"
    );
    assert_eq!(code(&mut ann, ask::react(id, seq, "r1")).await, "");
    // A group's own cap, and the server's.
    let small = ann.start(group(names(2), 3)).await;
    assert_eq!(code(&mut ann, ask::add(small, &["one more"])).await, "full");
    assert_eq!(code(&mut ann, ask::add(small, &["user-0"])).await, "");
    let large = ann.start(group(names(1000), 0)).await;
    let more: Vec<_> = (0..99).map(|n| format!("more-{n}")).collect();
    let more: Vec<_> = more.iter().map(String::as_str).collect();
    assert_eq!(code(&mut ann, ask::add(large, &more)).await, "");
    assert_eq!(code(&mut ann, ask::add(large, &["one more"])).await, "full");
    assert_eq!(code(&mut ann, group(names(3), 3)).await, "full");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hello_says_so_much_and_no_more() {
    let world = World::embedded();
    let server = world.start().await;
    let hello = |device: usize, client: usize| command::Hello {
        device: x(device),
        client: x(client),
        ..ask::hello(&token::of("ann"))
    };
    async fn opens(server: &Server, hello: command::Hello) -> Option<String> {
        let raw = Raw::connect(server, Way::WebSocketProtobuf).await;
        raw.hello(hello)
            .await
            .err()
            .map(|closed| closed.name().to_owned())
    }
    assert_eq!(opens(&server, hello(64, 128)).await, None);
    for (device, client) in [(65, 0), (0, 129)] {
        let closed = opens(&server, hello(device, client)).await;
        assert_eq!(closed.as_deref(), Some("protocol"), "{device} {client}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_is_pushed_up_to_a_limit_and_otherwise_fetched() {
    let world = World::embedded();
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::QuicProtobuf, "ann").await;
    let mut ben = Session::open(&server, Way::WebSocketJson, "ben").await;
    let limits = ann.welcome.limits.clone().unwrap();
    let most = limits.push_text_bytes as usize;
    let id = ann.start(ask::direct("ben")).await;
    for (length, stub) in [(most, false), (most + 1, true)] {
        ann.command(ask::post(id, &x(length))).await;
        let posted = ben
            .event_where(|event| matches!(event.kind, Some(Kind::MessagePosted(_))))
            .await;
        let Some(Kind::MessagePosted(message)) = posted.kind else {
            unreachable!("it was looked for");
        };
        assert_eq!((message.stub, message.text.is_empty()), (stub, stub));
        match ben.ask(ask::message(id, message.seq)).await {
            Outcome::Message(message) => assert_eq!(message.text.len(), length),
            other => panic!("{other:?}"),
        }
    }
}

fn document(name: &str) -> String {
    let path = format!("{}/../docs/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

/// Every limit that can be set is in the table, with its default.
#[test]
fn the_document_lists_every_limit() {
    let example: toml::Table = document("tidings.example.toml").parse().unwrap();
    let mut settings = BTreeMap::new();
    for table in ["limits", "messages"] {
        for (key, value) in example[table].as_table().unwrap() {
            settings.insert(format!("{table}.{key}"), value.to_string());
        }
    }
    let text = document("operating.md");
    let section = text.split("\n## Limits\n").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let mut listed = BTreeMap::new();
    for row in section
        .lines()
        .filter(|line| line.starts_with("| "))
        .skip(1)
    {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [_, default, _, key, _] = cells[..] else {
            panic!("{row}");
        };
        if let Some(key) = key.strip_prefix('`').and_then(|key| key.strip_suffix('`')) {
            let default = default.replace(',', "");
            listed.insert(key.to_owned(), default);
        } else {
            assert_eq!(key, "fixed", "{row}");
        }
    }
    assert_eq!(listed, settings);
}
