//! A message on its way: from a browser to another client, durable before it is acknowledged, told
//! to everyone once, found again after whatever happens.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tidings_protocol::{
    event::Kind,
    frame::{Cursor, Outcome},
    view::Message,
};
use tidings_tests::{
    Server, Session, Way, World, ask, history, session::conversation_of, token, within,
};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message as Frame, client::IntoClientRequest as _},
};
use uuid::Uuid;

on_both_logs! {
    a_browser_and_a_quic_client_chat,
    what_is_acknowledged_is_durable,
    a_client_resumes_where_it_was,
    a_cursor_that_leads_nowhere_is_answered_with_a_reset,
    reads_include_what_was_acknowledged_before,
    history_is_paged_both_ways,
}

/// With three servers the log has many shards, and what one command did another looks at across them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jetstream_replicated_reads_include_what_was_acknowledged_before() {
    reads_include_what_was_acknowledged_before(World::replicated().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jetstream_replicated_what_is_acknowledged_is_durable() {
    what_is_acknowledged_is_durable(World::replicated().await).await;
}

/// A client as a web page writes it: a WebSocket and JSON, no code of ours.
struct Browser(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Browser {
    async fn connect(server: &Server) -> Browser {
        let mut request = format!("ws://{}/v1/ws", server.http)
            .into_client_request()
            .unwrap();
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", "tidings.1.json".parse().unwrap());
        let (socket, response) = within("a WebSocket", connect_async(request)).await.unwrap();
        assert_eq!(
            response.headers()["sec-websocket-protocol"],
            "tidings.1.json"
        );
        Browser(socket)
    }

    async fn send(&mut self, frame: Value) {
        self.0.send(Frame::text(frame.to_string())).await.unwrap();
    }

    async fn frame(&mut self) -> Value {
        match within("a frame", self.0.next()).await.unwrap().unwrap() {
            Frame::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("not a text: {other:?}"),
        }
    }

    /// The next frame of a kind.
    async fn next(&mut self, kind: &str) -> Value {
        loop {
            let mut frame = self.frame().await;
            if let Some(body) = frame.get_mut(kind) {
                return body.take();
            }
        }
    }
}

async fn a_browser_and_a_quic_client_chat(world: World) {
    let server = world.start().await;
    let mut alice = Browser::connect(&server).await;
    alice
        .send(json!({ "id": 1, "request": { "hello": { "token": token::of("alice") } } }))
        .await;
    let welcome = alice.next("welcome").await;
    assert_eq!(
        (&welcome["id"], &welcome["user"]),
        (&json!(1), &json!("alice"))
    );
    assert_eq!(welcome["resumed"], false);
    let reset = alice.next("reset").await;
    assert_eq!(
        (&reset["reason"], &reset["conversations"]),
        (&json!("first"), &json!([]))
    );
    let mut bob = Session::open(&server, Way::QuicProtobuf, "bob").await;

    alice
        .send(json!({
            "id": 2, "command_id": Uuid::now_v7(),
            "request": { "start_direct": { "user": "bob", "context": "listing 4" } }
        }))
        .await;
    let reply = alice.next("reply").await;
    let conversation = reply["outcome"]["accepted"]["conversation"].clone();
    let id: Uuid = conversation.as_str().unwrap().parse().unwrap();
    match bob.event().await.kind {
        Some(Kind::ConversationAdded(view)) => {
            assert_eq!(
                (view.peer.as_str(), view.context.as_str()),
                ("alice", "listing 4")
            );
            assert_eq!((view.kind.as_str(), view.member_count), ("direct", 2));
        }
        other => panic!("{other:?}"),
    }

    let command_id = Uuid::now_v7();
    alice
        .send(json!({
            "id": 3, "command_id": command_id,
            "request": { "post_message": { "conversation": conversation, "text": "Still available? 🚲" } }
        }))
        .await;
    let posted = bob.event().await;
    let Some(Kind::MessagePosted(message)) = posted.kind else {
        panic!("{posted:?}");
    };
    assert_eq!((message.seq, message.author.as_str()), (1, "alice"));
    assert_eq!(message.text, "Still available? 🚲");
    assert!(message.countable);

    let answered = bob.command(ask::post(id, "Yes, it is")).await;
    assert_eq!((answered.seq, answered.duplicate), (2, false));
    assert!(answered.position > posted.position);
    // Her own message comes to her as an event, too, and bears the command's id.
    let own = loop {
        let event = alice.next("event").await;
        if event["kind"].get("message_posted").is_some() {
            break event;
        }
    };
    assert_eq!(
        own["kind"]["message_posted"]["command_id"],
        json!(command_id)
    );
    let theirs = alice.next("event").await;
    let message = &theirs["kind"]["message_posted"];
    assert_eq!(
        (&message["text"], &message["seq"]),
        (&json!("Yes, it is"), &json!(2))
    );
    assert_eq!(
        (&theirs["actor"], &theirs["conversation"]),
        (&json!("bob"), &conversation)
    );

    alice
        .send(json!({ "id": 4, "request": { "get_unread": {} } }))
        .await;
    assert_eq!(alice.next("reply").await["outcome"]["unread"]["total"], 1);
    alice
        .send(json!({ "request": { "mark_read": { "conversation": conversation, "seq": 2 } } }))
        .await;
    let read = bob
        .event_where(
            |event| matches!(&event.kind, Some(Kind::ReadUpTo(read)) if read.user == "alice"),
        )
        .await;
    assert!(matches!(read.kind, Some(Kind::ReadUpTo(read)) if read.seq == 2));
}

async fn what_is_acknowledged_is_durable(world: World) {
    let mut server = world.start().await;
    let mut alice = Session::open(&server, Way::WebSocketJson, "alice").await;
    let conversation = alice.start(ask::direct("bob")).await;
    drop(alice);
    for round in 1..=5 {
        // Bob stands where the log does, before the message.
        let mut bob = Session::open(&server, Way::QuicProtobuf, "bob").await;
        let cursor = bob.cursor.clone();
        let mut alice = Session::open(&server, Way::ALL[round % 4], "alice").await;
        let (command_id, text) = (Uuid::now_v7(), format!("message {round}"));
        let request = ask::post(conversation, &text);
        let Outcome::Accepted(accepted) = alice.command_as(command_id, request.clone()).await
        else {
            panic!("not accepted");
        };
        server.kill();

        server = world.start().await;
        bob = Session::resume(&server, Way::WebSocketProtobuf, "bob", cursor).await;
        assert!(
            bob.welcome.resumed,
            "the cursor is good on the restarted server"
        );
        let event = bob.event().await;
        assert_eq!(event.position, accepted.position);
        let Some(Kind::MessagePosted(message)) = event.kind else {
            panic!("{event:?}");
        };
        assert_eq!((message.seq, &message.text), (accepted.seq, &text));

        // The client has not seen the answer, perhaps: it asks once more.
        let mut alice = Session::open(&server, Way::QuicJson, "alice").await;
        match alice.command_as(command_id, request).await {
            Outcome::Accepted(again) => {
                assert_eq!(
                    (again.seq, again.position, again.at_ms, again.duplicate),
                    (accepted.seq, accepted.position, accepted.at_ms, true)
                );
            }
            other => panic!("{other:?}"),
        }
        let texts: Vec<_> = texts(&history::all(&mut bob, conversation).await);
        let expected: Vec<_> = (1..=round).map(|n| format!("message {n}")).collect();
        assert_eq!(texts, expected, "each is there once");
    }
}

fn texts(messages: &[Message]) -> Vec<String> {
    messages
        .iter()
        .map(|message| message.text.clone())
        .collect()
}

async fn a_client_resumes_where_it_was(world: World) {
    let mut server = world.start().await;
    let mut alice = Session::open(&server, Way::WebSocketProtobuf, "alice").await;
    let group = alice.start(ask::group("bikes", &["bob"])).await;
    alice.command(ask::post(group, "one")).await;
    let mut bob = Session::open(&server, Way::WebSocketJson, "bob").await;
    alice.command(ask::post(group, "two")).await;
    bob.event_where(|event| matches!(event.kind, Some(Kind::MessagePosted(_))))
        .await;
    let cursor = bob.cursor.clone();
    drop(bob);

    alice.command(ask::edit(group, 1, "one, edited")).await;
    alice.command(ask::react(group, 2, "+1")).await;
    let last = alice.command(ask::post(group, "three")).await;
    alice.command(ask::title(group, "more bikes")).await;

    // On another transport, in another encoding, before and after a restart: the same changes.
    let mut seen: Option<Vec<String>> = None;
    for way in Way::ALL {
        if way == Way::QuicJson {
            server.kill();
            server = world.start().await;
        }
        let mut bob = Session::resume(&server, way, "bob", cursor.clone()).await;
        assert!(bob.welcome.resumed && bob.reset.is_none(), "{way:?}");
        assert_eq!(bob.welcome.replayed, 4, "{way:?}");
        let mut changes = Vec::new();
        for _ in 0..4 {
            let event = bob.event().await;
            assert!(event.position > cursor.position, "{way:?}: {event:?}");
            changes.push(format!("{event:?}"));
        }
        assert!(changes[0].contains("one, edited"), "{changes:?}");
        assert!(changes[3].contains("more bikes"), "{changes:?}");
        assert_eq!(
            *seen.get_or_insert_with(|| changes.clone()),
            changes,
            "{way:?}"
        );
    }
    // And then whatever happens.
    let mut bob = Session::resume(&server, Way::QuicProtobuf, "bob", cursor).await;
    let mut alice = Session::open(&server, Way::WebSocketJson, "alice").await;
    let next = alice.command(ask::post(group, "four")).await;
    assert!(next.position > last.position);
    let event = bob
        .event_where(|event| event.position >= next.position)
        .await;
    assert!(matches!(event.kind, Some(Kind::MessagePosted(message)) if message.text == "four"));
}

async fn a_cursor_that_leads_nowhere_is_answered_with_a_reset(world: World) {
    let server = world.start().await;
    let mut alice = Session::open(&server, Way::WebSocketProtobuf, "alice").await;
    let conversation = alice.start(ask::direct("bob")).await;
    alice.event().await;
    let first = alice.cursor.clone();
    alice.command(ask::post(conversation, "hello")).await;
    let reason = async |cursor: Cursor| {
        let session = Session::resume(&server, Way::WebSocketProtobuf, "alice", cursor).await;
        let reset = session.reset.expect("a reset");
        assert_eq!(reset.conversations.len(), 1);
        assert_eq!(reset.conversations[0].last_seq, 1);
        reset.reason
    };
    let other_epoch = Cursor {
        epoch: tidings_protocol::id::to_wire(Uuid::from_u128(7)),
        ..first.clone()
    };
    assert_eq!(reason(other_epoch).await, "epoch");
    let ahead = Cursor {
        position: first.position + 1_000_000,
        ..first.clone()
    };
    assert_eq!(reason(ahead).await, "ahead");
}

async fn reads_include_what_was_acknowledged_before(world: World) {
    let server = world.start().await;
    let mut alice = Session::open(&server, Way::WebSocketProtobuf, "alice").await;
    let mut tablet = Session::open(&server, Way::QuicProtobuf, "alice").await;
    let mut bob = Session::open(&server, Way::WebSocketProtobuf, "bob").await;
    let conversation = alice.start(ask::direct("bob")).await;
    for round in 1..=100 {
        let accepted = alice
            .command(ask::post(conversation, &format!("message {round}")))
            .await;
        // On this session, on another of the same user, on somebody else's: any of this node.
        for reader in [&mut alice, &mut tablet, &mut bob] {
            let Outcome::Messages(page) = reader.ask(ask::latest(conversation, 1)).await else {
                panic!("no messages");
            };
            assert_eq!(page.messages[0].seq, accepted.seq);
            assert!(page.position >= accepted.position);
            assert_eq!(
                history::conversation(reader, conversation).await.last_seq,
                accepted.seq
            );
        }
    }
    // Nor does a read cursor run ahead of what it marks.
    for _ in 0..100 {
        let accepted = alice.command(ask::post(conversation, "and another")).await;
        let read = alice.ask(ask::read(conversation, accepted.seq)).await;
        assert!(matches!(read, Outcome::Pong(_)), "{read:?}");
    }
    for round in 0..20 {
        let started = alice
            .command(ask::group(&format!("group {round}"), &["bob"]))
            .await;
        let typing = alice
            .ask(ask::typing(conversation_of(&started), true))
            .await;
        assert!(matches!(typing, Outcome::Pong(_)), "{typing:?}");
        alice
            .command(ask::mute(conversation_of(&started), true))
            .await;
    }
}

async fn history_is_paged_both_ways(world: World) {
    const MESSAGES: usize = 230;
    let server = world.start().await;
    let mut alice = Session::open(&server, Way::WebSocketJson, "alice").await;
    let conversation = alice.start(ask::direct("bob")).await;
    let mut expected = Vec::new();
    let mut asked = std::collections::VecDeque::new();
    let mut seqs = 1..;
    for n in 0..MESSAGES {
        // As long as is pushed in full, so that a page of 200 is far longer than a frame may be.
        let text = format!("{n} {}", "long \u{7} ".repeat(n % 3 * 250));
        asked.push_back(
            alice
                .send(Some(Uuid::now_v7()), ask::post(conversation, &text))
                .await,
        );
        expected.push(text);
        // Many at once, but never so many that a client which does not read meanwhile is cut.
        while asked.len() > if n + 1 == MESSAGES { 0 } else { 20 } {
            let id = asked.pop_front().unwrap();
            match alice.answer(id).await.unwrap() {
                // Commands of one connection take effect in the order in which they were sent.
                Outcome::Accepted(accepted) => assert_eq!(accepted.seq, seqs.next().unwrap()),
                other => panic!("{other:?}"),
            }
        }
    }
    let mut bob = Session::open(&server, Way::QuicProtobuf, "bob").await;
    for reader in [&mut alice, &mut bob] {
        assert_eq!(texts(&history::all(reader, conversation).await), expected);
        for page in [1, 7, 200] {
            let read = history::backwards(reader, conversation, page).await;
            assert_eq!(texts(&read), expected, "in pages of {page}");
        }
        let Outcome::Messages(page) = reader.ask(ask::after(conversation, 100, 10)).await else {
            panic!("no messages");
        };
        let seqs: Vec<_> = page.messages.iter().map(|message| message.seq).collect();
        assert_eq!(seqs, (101..=110).collect::<Vec<_>>());
        assert!(page.more);
        // Also many pages asked for at once.
        let mut asked = Vec::new();
        for _ in 0..8 {
            asked.push(reader.send(None, ask::latest(conversation, 200)).await);
        }
        for id in asked {
            let answer = reader.answer(id).await;
            assert!(matches!(answer, Ok(Outcome::Messages(_))), "{answer:?}");
        }
    }
}
