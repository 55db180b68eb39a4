//! Clients that do everything wrong: each gets a clear answer, and nobody else notices.
//!
//! In every test a bystander on the same server goes on as if nothing were.

use std::{
    io::ErrorKind,
    time::{Duration, Instant},
};

use bytes::Bytes;
use fastrand::Rng;
use futures_util::{SinkExt as _, StreamExt as _};
use tidings_protocol::{
    ClientFrame, Encoding,
    event::Kind,
    frame::{Cursor, Outcome},
};
use tidings_tests::{
    Server, Session, Way, World, ask, eventually, history,
    http::{self, metric},
    session::{self, Closed, Raw},
    token, wait, within,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message as Frame, client::IntoClientRequest as _},
};
use uuid::Uuid;

/// Two people who are not concerned.
struct Bystanders {
    ann: Session,
    ben: Session,
    conversation: Uuid,
}

impl Bystanders {
    async fn meet(server: &Server) -> Bystanders {
        let mut ann = Session::open(server, Way::WebSocketJson, "ann").await;
        let mut ben = Session::open(server, Way::QuicProtobuf, "ben").await;
        let conversation = ann.start(ask::direct("ben")).await;
        ben.event().await;
        Bystanders {
            ann,
            ben,
            conversation,
        }
    }

    /// A message goes from one to the other on the connections they have had all along.
    async fn are_well(&mut self) {
        let text = Uuid::now_v7().to_string();
        self.ann.command(ask::post(self.conversation, &text)).await;
        let heard = self.ben.event_where(|event| {
            matches!(&event.kind, Some(Kind::MessagePosted(message)) if message.text == text)
        });
        heard.await;
    }
}

/// What becomes of a frame that is not as it should be.
enum Fate {
    /// The connection is closed with this code.
    Closed(&'static str),
    /// It is answered with this code, and the connection goes on.
    Refused(&'static str),
}
use Fate::{Closed as Shut, Refused};

/// Malformed frames in JSON.
fn json() -> Vec<(Vec<u8>, Fate)> {
    let text = |text: &str| text.as_bytes().to_vec();
    let nested = |open: &str, close: &str, depth: usize| {
        let inside = [open.repeat(depth), close.repeat(depth)].concat();
        format!(r#"{{"id":7,"request":{{"ping":{inside}}}}}"#).into_bytes()
    };
    vec![
        (text(""), Shut("protocol")),
        (text("hello?"), Shut("protocol")),
        (text("{"), Shut("protocol")),
        (text(r#"{"id":7,"request":{"ping":{}"#), Shut("protocol")),
        (text(r#"{"id":-1,"request":{"ping":{}}}"#), Shut("protocol")),
        (
            text(r#"{"id":1.5,"request":{"ping":{}}}"#),
            Shut("protocol"),
        ),
        (
            text(r#"{"id":99999999999999999999,"request":{"ping":{}}}"#),
            Shut("protocol"),
        ),
        (
            text(r#"{"id":"7","request":{"ping":{}}}"#),
            Shut("protocol"),
        ),
        (text(r#"{"id":7,"request":"ping"}"#), Shut("protocol")),
        (text(r#"{"id":7,"request":[]}"#), Shut("protocol")),
        (
            text(r#"{"id":7,"request":{"ping":{},"get_unread":{}}}"#),
            Shut("protocol"),
        ),
        (
            text(r#"{"id":7,"command_id":"not a uuid","request":{"ping":{}}}"#),
            Shut("protocol"),
        ),
        (
            text(r#"{"id":7,"request":{"get_conversation":{"conversation":5}}}"#),
            Shut("protocol"),
        ),
        (text("null"), Shut("protocol")),
        (nested("[", "]", 10_000), Shut("protocol")),
        (nested("{\"a\":", "}", 10_000), Shut("protocol")),
        (text(r#"{"id":7}"#), Refused("unknown_request")),
        (
            text(r#"{"id":7,"request":null}"#),
            Refused("unknown_request"),
        ),
        (
            text(r#"{"id":7,"request":{"make_coffee":{}}}"#),
            Refused("unknown_request"),
        ),
        (
            text(r#"{"id":7,"request":{"hello":{}}}"#),
            Refused("invalid"),
        ),
        (
            text(r#"{"id":7,"request":{"get_conversation":{}}}"#),
            Refused("invalid"),
        ),
        (
            text(
                r#"{"id":7,"request":{"list_messages":{"conversation":"0198c0de-1234-7abc-8def-0123456789c1","limit":4000000000}}}"#,
            ),
            Refused("invalid"),
        ),
        (
            text(r#"{"id":7,"request":{"start_direct":{"user":"ben"}}}"#),
            Refused("invalid"),
        ),
        (
            text(
                r#"{"id":7,"command_id":"00000000-0000-4000-8000-000000000000","request":{"start_direct":{"user":"ben"}}}"#,
            ),
            Refused("invalid"),
        ),
    ]
}

/// Malformed frames in Protobuf.
fn protobuf() -> Vec<(Vec<u8>, Fate)> {
    let nested = |depth: usize| {
        let mut bytes = Vec::new();
        // A group within a group within a group: obsolete, and without an end.
        bytes.extend(std::iter::repeat_n(0x5b, depth));
        bytes
    };
    vec![
        // Field 10 is the hello: its length runs beyond the end.
        (vec![0x52, 0xff, 0x7f], Shut("protocol")),
        // Wire types 6 and 7 do not exist.
        (vec![0x0e, 0x00], Shut("protocol")),
        (vec![0x0f, 0x00], Shut("protocol")),
        // The id as a fixed64 that is cut off, and as a text.
        (vec![0x09, 1, 2], Shut("protocol")),
        (vec![0x0a, 0x01, b'7'], Shut("protocol")),
        // A varint of eleven bytes; a tag without a field.
        ([vec![0x08], vec![0xff; 11]].concat(), Shut("protocol")),
        (vec![0x00], Shut("protocol")),
        // Text that is not UTF-8 in a hello, and in a post.
        (vec![0x52, 0x04, 0x0a, 0x02, 0xff, 0xfe], Shut("protocol")),
        (nested(5_000), Shut("protocol")),
        (vec![0x08, 0x07], Refused("unknown_request")),
        // Field 99, of a later version.
        (
            vec![0x08, 0x07, 0x9a, 0x06, 0x00],
            Refused("unknown_request"),
        ),
        // A command id of three bytes, on a `start_direct`.
        (
            vec![
                0x08, 0x07, 0x12, 3, 1, 2, 3, 0xa2, 0x01, 0x05, 0x0a, 0x03, b'b', b'e', b'n',
            ],
            Refused("invalid"),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_frames_are_answered_clearly() {
    let world = World::embedded();
    let server = world.start().await;
    let mut bystanders = Bystanders::meet(&server).await;
    for way in Way::ALL {
        let frames = match way.encoding() {
            Encoding::Json => json(),
            Encoding::Protobuf => protobuf(),
        };
        for (bytes, fate) in frames {
            let what = format!(
                "{way:?} {:?}",
                String::from_utf8_lossy(&bytes[..bytes.len().min(90)])
            );
            let mut raw = Session::open(&server, way, "mallory").await.raw();
            raw.sender.feed_raw(bytes.into()).await.unwrap();
            raw.sender.flush().await.unwrap();
            match fate {
                Shut(name) => {
                    let closed = raw.closed().await;
                    assert_eq!(closed.name(), name, "{what}: {closed:?}");
                    assert_eq!(closed.code(), Some(4000), "{what}");
                }
                Refused(code) => {
                    let refused = refusal(&mut raw).await;
                    assert_eq!(refused.code, code, "{what}: {refused:?}");
                    assert!(
                        !refused.message.is_empty() && !refused.retry,
                        "{what}: {refused:?}"
                    );
                    alive(&mut raw, &what).await;
                }
            }
        }
        bystanders.are_well().await;
    }
}

/// The next refusal.
async fn refusal(raw: &mut Raw) -> tidings_protocol::frame::Error {
    use tidings_protocol::frame::Body;
    loop {
        let frame = within("a refusal", raw.receiver.recv()).await;
        if let Some(Body::Reply(reply)) = frame.unwrap().body
            && let Some(Outcome::Error(error)) = reply.outcome
        {
            return error;
        }
    }
}

/// The connection still answers.
async fn alive(raw: &mut Raw, what: &str) {
    use tidings_protocol::frame::Body;
    let ping = ClientFrame {
        id: 4242,
        request: Some(ask::ping()),
        ..Default::default()
    };
    raw.sender.send(&ping).await.unwrap();
    loop {
        let frame = within(what, raw.receiver.recv()).await.unwrap();
        if matches!(frame.body, Some(Body::Reply(reply)) if reply.id == 4242) {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_bytes_at_all_bring_the_server_down() {
    let mut random = Rng::with_seed(wait::seed());
    let world = World::embedded();
    let server = world.start().await;
    let mut bystanders = Bystanders::meet(&server).await;
    for round in 0..150 {
        let way = Way::ALL[round % 4];
        // Before the hello or after it; framed or not.
        let mut raw = match random.bool() {
            true => Raw::connect(&server, way).await,
            false => Session::open(&server, way, "mallory").await.raw(),
        };
        for _ in 0..random.usize(1..5) {
            let length = random.usize(..400);
            let mut bytes: Vec<u8> = std::iter::repeat_with(|| random.u8(..))
                .take(length)
                .collect();
            if random.bool() {
                // Nearly right: a good frame with a few bytes changed.
                bytes = way.encoding().encode_client(&good(&mut random)).to_vec();
                for _ in 0..random.usize(1..4) {
                    let at = random.usize(..bytes.len());
                    bytes[at] = random.u8(..);
                }
            }
            // The server may have hung up already.
            let _ = match random.bool() {
                true => raw.sender.feed_raw(bytes.into()).await,
                false => raw.sender.feed_unframed(bytes.into()).await,
            };
            let _ = raw.sender.flush().await;
        }
    }
    bystanders.are_well().await;
}

fn good(random: &mut Rng) -> ClientFrame {
    let conversation = Uuid::now_v7();
    let requests = [
        ask::hello(&token::of("mallory")).into_request(),
        ask::post(conversation, "hello"),
        ask::group("a group", &["ann", "ben"]),
        ask::latest(conversation, 10),
        ask::ack(5, 5),
    ];
    ClientFrame {
        id: random.u64(..),
        command_id: tidings_protocol::id::to_wire(Uuid::now_v7()),
        request: random.choice(requests),
    }
}

trait IntoRequest {
    fn into_request(self) -> tidings_protocol::frame::Request;
}

impl IntoRequest for tidings_protocol::command::Hello {
    fn into_request(self) -> tidings_protocol::frame::Request {
        tidings_protocol::frame::Request::Hello(self)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_that_is_too_long_ends_the_connection() {
    let mut world = World::embedded();
    world.limits("frame_bytes = 65536\n");
    let server = world.start().await;
    let mut bystanders = Bystanders::meet(&server).await;
    for way in Way::ALL {
        for length in [65_537, 200_000, 3_000_000] {
            let session = Session::open(&server, way, "mallory").await;
            assert_eq!(session.welcome.limits.as_ref().unwrap().frame_bytes, 65_536);
            let mut raw = session.raw();
            // The server need not wait for the end of it, so sending may fail.
            let _ = raw.sender.feed_raw(Bytes::from(vec![b' '; length])).await;
            let _ = raw.sender.flush().await;
            let closed = raw.closed().await;
            let what = format!("{length} bytes by {way:?}: {closed:?}");
            assert_eq!(
                (closed.name(), closed.code()),
                ("too_large", Some(4007)),
                "{what}"
            );
            assert!(!closed.closing.unwrap().reconnect, "{what}");
        }
        // The longest there may be.
        let mut raw = Session::open(&server, way, "mallory").await.raw();
        if way.encoding() == Encoding::Json {
            let ping = r#"{"id":1,"request":{"ping":{}}}"#;
            let frame = [ping, &" ".repeat(65_536 - ping.len())].concat();
            raw.sender.feed_raw(frame.into()).await.unwrap();
            raw.sender.flush().await.unwrap();
            alive(&mut raw, "a frame of the greatest length").await;
        }
        bystanders.are_well().await;
    }
    // Announced, and never sent: a length of 2^35.
    for way in [Way::QuicJson, Way::QuicProtobuf] {
        let mut raw = Session::open(&server, way, "mallory").await.raw();
        let prefix = Bytes::from_static(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x01]);
        raw.sender.feed_unframed(prefix).await.unwrap();
        raw.sender.flush().await.unwrap();
        let closed = raw.closed().await;
        assert_eq!((closed.name(), closed.code()), ("too_large", Some(4007)));
    }
    bystanders.are_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_say_hello_is_not_waited_for() {
    let mut world = World::embedded();
    world.limits("hello_ms = 200\n");
    let server = world.start().await;
    // Here nobody is closed for the time it takes.
    let mut patience = World::embedded();
    patience.limits("hello_ms = 3600000\n");
    let patient = patience.start().await;
    let mut bystanders = Bystanders::meet(&server).await;
    for way in [Way::WebSocketJson, Way::WebSocketProtobuf] {
        let closed = Raw::connect(&server, way).await.closed().await;
        assert_eq!(
            (closed.name(), closed.code()),
            ("protocol", Some(4000)),
            "{way:?}"
        );
    }
    // Whatever else is said does not do instead, whether it is understood or not.
    let unknown = [
        (Way::WebSocketJson, &br#"{"id":1,"request":{"x":{}}}"#[..]),
        (Way::QuicJson, &br#"{"id":1,"request":{"x":{}}}"#[..]),
        (Way::WebSocketProtobuf, &[0x08, 0x01, 0x9a, 0x06, 0x00]),
        (Way::QuicProtobuf, &[0x08, 0x01]),
    ];
    for (way, frame) in unknown {
        let mut raw = Raw::connect(&patient, way).await;
        let frame = Bytes::from_static(frame);
        raw.sender.feed_raw(frame).await.unwrap();
        raw.sender.flush().await.unwrap();
        let closed = raw.closed().await;
        assert_eq!(
            (closed.name(), closed.code()),
            ("protocol", Some(4000)),
            "{way:?}"
        );
        let refusals: Vec<_> = closed.refusals.iter().map(|error| &*error.code).collect();
        assert_eq!(refusals, ["not_ready"], "{way:?}");
    }
    // Over QUIC the stream itself does not begin before something is sent on it.
    let closed = Raw::connect(&server, Way::QuicProtobuf)
        .await
        .closed()
        .await;
    assert_eq!(closed.code(), Some(4000));
    bystanders.are_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_tokens_are_refused() {
    let world = World::embedded();
    let server = world.start().await;
    let mut bystanders = Bystanders::meet(&server).await;
    let now = token::now_ms();
    let good = token::of("mallory");
    let (head, signature) = good.rsplit_once('.').unwrap();
    let unsigned = {
        use base64::Engine as _;
        let coder = base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let header = coder.encode(r#"{"alg":"none","typ":"JWT"}"#);
        let claims = coder.encode(format!(r#"{{"sub":"ann","exp":{}}}"#, now / 1000 + 60));
        format!("{header}.{claims}.")
    };
    let tokens = [
        ("none", String::new()),
        ("no token", "hello".to_owned()),
        (
            "expired",
            token::sign(token::SECRET, "mallory", now - token::LEEWAY_MS - 5_000),
        ),
        (
            "of another key",
            token::sign(
                "a secret that nobody here has ever heard of",
                "ann",
                now + 60_000,
            ),
        ),
        ("without a signature", format!("{head}.")),
        (
            "with another's signature",
            format!("{head}.{}", signature.chars().rev().collect::<String>()),
        ),
        ("unsigned on purpose", unsigned),
        ("of nobody", token::sign(token::SECRET, "", now + 60_000)),
        (
            "of too long a name",
            token::sign(token::SECRET, &"m".repeat(129), now + 60_000),
        ),
    ];
    for (what, bad) in &tokens {
        for way in Way::ALL {
            let opened = Raw::connect(&server, way)
                .await
                .hello(ask::hello(bad))
                .await;
            let closed = opened.err().unwrap_or_else(|| panic!("{what}: let in"));
            assert_eq!(
                (closed.name(), closed.code()),
                ("unauthenticated", Some(4001)),
                "{what}, {way:?}"
            );
            assert!(!closed.closing.unwrap().reconnect, "{what}");
        }
    }
    bystanders.are_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn development_tokens_work_only_where_they_are_allowed() {
    let mut world = World::embedded();
    for allowed in [true, false] {
        world.development = allowed;
        let server = world.start().await;
        let opened = Raw::connect(&server, Way::WebSocketJson).await;
        match opened.hello(ask::hello("dev:mallory")).await {
            Ok(session) => {
                assert!(allowed);
                assert_eq!(session.welcome.user, "mallory");
            }
            Err(closed) => {
                assert!(!allowed);
                assert_eq!(closed.code(), Some(4001));
            }
        }
        let tokens = http::get(&format!("http://{}", server.http), "/v1/dev/users").await;
        assert_eq!(tokens.is_some(), allowed, "nor is anyone offered one");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn texts_and_names_have_limits() {
    let mut world = World::embedded();
    world.messages("text_bytes = 1000\n");
    let server = world.start().await;
    let mut bystanders = Bystanders::meet(&server).await;
    let mut mallory = Session::open(&server, Way::WebSocketJson, "mallory").await;
    let group = mallory.start(ask::group("a group", &["ann"])).await;
    let first = mallory.command(ask::post(group, &"x".repeat(1000))).await;
    let refused = [
        (ask::post(group, &"x".repeat(1001)), "too_large"),
        (ask::post(group, &"é".repeat(501)), "too_large"),
        (ask::edit(group, first.seq, &"x".repeat(1001)), "too_large"),
        (ask::title(group, &"x".repeat(257)), "too_large"),
        (ask::post(group, ""), "invalid"),
        (ask::post(group, " \n\t"), "invalid"),
        (ask::react(group, 1, ""), "invalid"),
        (ask::react(group, 1, &"x".repeat(33)), "invalid"),
        (ask::direct(""), "invalid"),
        (ask::direct(&"x".repeat(129)), "invalid"),
        (ask::direct("line\nbreak"), "invalid"),
        (ask::direct("mallory"), "invalid"),
        (ask::block("mallory"), "invalid"),
        (ask::role(group, "ann", "emperor"), "invalid"),
        (ask::read(group, 99), "invalid"),
        (ask::edit(group, 99, "nothing"), "not_found"),
        (ask::group("a group", &["x"; 1001]), "invalid"),
        (ask::latest(group, 201), "invalid"),
    ];
    for (request, code) in refused {
        let outcome = mallory.command_as(Uuid::now_v7(), request.clone()).await;
        match outcome {
            Outcome::Error(error) => assert_eq!(error.code, code, "{request:?}: {error:?}"),
            other => panic!("{request:?}: {other:?}"),
        }
    }
    // Nothing of it has left a trace.
    assert_eq!(history::all(&mut mallory, group).await.len(), 1);
    assert_eq!(
        history::conversation(&mut mallory, group).await.title,
        "a group"
    );
    bystanders.are_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_too_often_is_slowed_down_and_then_cut() {
    let world = World::embedded().with_limits("requests_per_second = 20\nrequest_burst = 40\n");
    let server = world.start().await;
    let mut bystanders = Bystanders::meet(&server).await;
    for way in [Way::WebSocketProtobuf, Way::QuicJson] {
        let mut mallory = Session::open(&server, way, "mallory").await;
        let mut asked = Vec::new();
        for _ in 0..60 {
            asked.push(mallory.send(None, ask::ping()).await);
        }
        let mut waits = Vec::new();
        for id in asked {
            match mallory.answer(id).await.unwrap() {
                Outcome::Pong(_) => {}
                Outcome::Error(error) if error.code == "rate_limited" && error.retry => {
                    waits.push(error.retry_after_ms);
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(
            !waits.is_empty() && waits.iter().all(|wait| *wait > 0),
            "{way:?}: {waits:?}"
        );
        // Who waits is let through again.
        let patient = async {
            loop {
                match mallory.ask(ask::ping()).await {
                    Outcome::Pong(_) => return,
                    Outcome::Error(error) => {
                        let wait = Duration::from_millis(error.retry_after_ms.into());
                        tokio::time::sleep(wait).await;
                    }
                    other => panic!("{other:?}"),
                }
            }
        };
        within("a ping is answered", patient).await;
        // Who does not is cut, and so is who asks for what there is not.
        let ping = ClientFrame {
            id: 1,
            request: Some(ask::ping()),
            ..Default::default()
        };
        let ping = way.encoding().encode_client(&ping);
        let unknown = match way.encoding() {
            Encoding::Json => Bytes::from_static(br#"{"id":1,"request":{"x":{}}}"#),
            Encoding::Protobuf => Bytes::from_static(&[0x08, 0x01]),
        };
        cut_for(way, mallory, ping).await;
        let mallory = Session::open(&server, way, "mallory").await;
        cut_for(way, mallory, unknown).await;
        bystanders.are_well().await;
    }
}

/// Sends one frame again and again, until it has been too often.
async fn cut_for(way: Way, session: Session, frame: Bytes) {
    let Raw {
        mut sender,
        mut receiver,
    } = session.raw();
    let flood = tokio::spawn(async move {
        while sender.feed_raw(frame.clone()).await.is_ok() && sender.flush().await.is_ok() {}
        sender
    });
    let closed = session::closed(&mut receiver).await;
    flood.abort();
    assert_eq!(
        (closed.name(), closed.code()),
        ("rate_limited", Some(4006)),
        "{way:?}"
    );
    let closing = closed.closing.unwrap();
    assert!(closing.reconnect && closing.after_ms > 0, "{closing:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_nothing_but_ping_is_cut_too() {
    let world = World::embedded().with_limits("requests_per_second = 20\nrequest_burst = 40\n");
    let server = world.start().await;
    let stream = within("a connection", TcpStream::connect(server.http)).await;
    let (mut sink, mut source) = websocket(&server, stream.unwrap()).await.split();
    // Those of WebSocket itself, which the library answers.
    let flood = tokio::spawn(async move {
        while sink.send(Frame::Ping(Bytes::new())).await.is_ok() {}
        sink
    });
    let closed = within("the end", async {
        loop {
            match source.next().await {
                Some(Ok(Frame::Close(close))) => return close.unwrap(),
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    });
    assert_eq!(u16::from(closed.await.code), 4006);
    flood.abort();
}

/// A WebSocket over a connection of the test's own, for JSON.
async fn websocket(server: &Server, stream: TcpStream) -> WebSocketStream<TcpStream> {
    let mut request = format!("ws://{}/v1/ws", server.http)
        .into_client_request()
        .unwrap();
    request
        .headers_mut()
        .insert("sec-websocket-protocol", "tidings.1.json".parse().unwrap());
    let (socket, _) = within("a WebSocket", client_async(request, stream))
        .await
        .unwrap();
    socket
}

/// So many connections of an address may be there besides those that may be sessions.
const BESIDE: usize = 64;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_ask_nothing_keep_nobody_out() {
    let mut world = World::embedded();
    world.limits("connections_per_address = 10\nhello_ms = 3600000\n");
    let server = world.start().await;
    let mut bystanders = Bystanders::meet(&server).await;
    // They say nothing, or have been answered and say nothing more.
    let mut quiet = Vec::new();
    for n in 0..10 + BESIDE + 40 {
        let stream = within("a connection", TcpStream::connect(server.http)).await;
        let mut stream = stream.unwrap();
        if n % 2 == 0 {
            let request = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
            stream.write_all(request).await.unwrap();
            let answer = within("an answer", stream.read(&mut [0; 1024])).await;
            assert!(answer.is_ok_and(|read| read > 0), "{n}");
        }
        quiet.push(stream);
    }
    // Whoever asks is answered, by one transport or another.
    let health = http::request(&server, "GET", "/healthz", &[], b"").await;
    assert_eq!(health.status, 200, "{health:?}");
    for way in Way::ALL {
        drop(Session::open(&server, way, "newcomer").await);
    }
    eventually("those that are too many are closed", async || {
        quiet.retain(|stream| {
            let read = stream.try_read(&mut [0]);
            matches!(read, Err(error) if error.kind() == ErrorKind::WouldBlock)
        });
        (quiet.len() <= 10 + BESIDE - 2).then_some(())
    })
    .await;
    bystanders.are_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_count_before_they_carry_anything() {
    let mut world = World::embedded();
    world.limits("connections_per_address = 10\nhello_ms = 3600000\n");
    let server = world.start().await;
    let mut bystanders = Bystanders::meet(&server).await;
    // Over QUIC without a stream; the last are not let in.
    let mut streamless = Vec::new();
    eventually("places are taken", async || {
        match Way::QuicProtobuf.try_connect(&server).await {
            Ok(stream) => streamless.push(stream),
            Err(_) => return (streamless.len() == 10 + BESIDE - 2).then_some(()),
        }
        None
    })
    .await;
    for way in [Way::QuicJson, Way::WebSocketJson] {
        assert!(way.try_connect(&server).await.is_err(), "{way:?}");
    }
    bystanders.are_well().await;
    streamless.pop();
    eventually("a place is free again", async || {
        Way::QuicProtobuf.try_connect(&server).await.ok()
    })
    .await;
    bystanders.are_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_breaks_the_protocol_holds_no_session() {
    let mut world = World::embedded();
    world.limits("heartbeat_ms = 3600000\nhello_ms = 3600000\n");
    let server = world.start().await;
    let mut bystanders = Bystanders::meet(&server).await;
    let before = http::metric(&server, "tidings_connections").await;
    let mut broken = Vec::new();
    for _ in 0..3 {
        let mut stream = TcpStream::connect(server.http).await.unwrap();
        let request = "GET /v1/ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: tidings.1.json\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        within("an upgrade", stream.read(&mut [0; 1024]))
            .await
            .unwrap();
        // A frame without a mask. Nothing is closed from here, nor read.
        stream.write_all(&[0x81, 0x01, b'x']).await.unwrap();
        broken.push(stream);
    }
    eventually("they are no connections", async || {
        let now = http::metric(&server, "tidings_connections").await;
        (now == before).then_some(())
    })
    .await;
    // They are told why all the same.
    for mut stream in broken {
        let mut frame = [0; 4];
        within("a close", stream.read_exact(&mut frame))
            .await
            .unwrap();
        assert_eq!((frame[0], &frame[2..]), (0x88, &[0x03, 0xEA][..]));
    }
    bystanders.are_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_request_is_not_waited_for() {
    let mut world = World::embedded();
    world.limits("hello_ms = 200\n");
    let server = world.start().await;
    let mut bystanders = Bystanders::meet(&server).await;
    for request in ["", "GET /healthz HTTP/1.1\r\nHost: a\r\n"] {
        let mut stream = within("a connection", TcpStream::connect(server.http))
            .await
            .unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A reset is as good.
        let _ = within("the end", stream.read_to_end(&mut answer)).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(!answer.contains(" 200 "), "{answer}");
    }
    bystanders.are_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_may_be_replayed_is_a_reset() {
    let mut world = World::embedded();
    world.limits("replay_bytes = 40000\n");
    let server = world.start().await;
    let mut poster = Session::open(&server, Way::WebSocketJson, "poster").await;
    let group = poster.start(ask::group("a group", &["away"])).await;
    for way in Way::ALL {
        let away = Session::open(&server, way, "away").await;
        let cursor = away.cursor.clone();
        drop(away);
        for (posts, resumed) in [(9, true), (3, false)] {
            for _ in 0..posts {
                poster.command(ask::post(group, &"x".repeat(4_000))).await;
            }
            let mut back = Session::resume(&server, way, "away", cursor.clone()).await;
            assert_eq!(back.welcome.resumed, resumed, "{way:?}: {posts}");
            match &back.reset {
                None => {
                    assert_eq!(back.welcome.replayed, posts);
                    back.event().await;
                }
                Some(reset) => {
                    assert_eq!((&*reset.reason, back.welcome.replayed), ("gap", 0));
                    let last = reset.conversations[0].last_message.as_ref().unwrap();
                    assert_eq!(last.text.len(), 4_000);
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_counted_by_user_and_by_address() {
    let mut world = World::embedded();
    world.limits("connections_per_user = 3\nconnections_per_address = 8\n");
    let server = world.start().await;
    let mut bystanders = Bystanders::meet(&server).await;
    let refused = |closed: &Closed| {
        assert_eq!(
            (closed.name(), closed.code()),
            ("too_many_connections", Some(4005)),
            "{closed:?}"
        );
        let closing = closed.closing.as_ref().unwrap();
        assert!(closing.reconnect && closing.after_ms > 0, "{closing:?}");
    };
    let mut own = Vec::new();
    for way in [
        Way::WebSocketJson,
        Way::WebSocketProtobuf,
        Way::QuicProtobuf,
    ] {
        own.push(Session::open(&server, way, "mallory").await);
    }
    for way in Way::ALL {
        let opened = Raw::connect(&server, way)
            .await
            .hello(ask::hello(&token::of("mallory")))
            .await;
        refused(&opened.err().unwrap());
    }
    // Whose connection ends has room for another.
    own.pop();
    eventually("there is room", async || {
        let opened = Raw::connect(&server, Way::WebSocketJson).await;
        own.push(opened.hello(ask::hello(&token::of("mallory"))).await.ok()?);
        Some(())
    })
    .await;

    // Bystanders and Mallory have five; three more are let in from this address, whoever they are.
    let mut others = Vec::new();
    eventually("three more are let in", async || {
        let name = format!("other-{}", others.len());
        let opened = Raw::connect(&server, Way::WebSocketJson).await;
        others.push(opened.hello(ask::hello(&token::of(&name))).await.ok()?);
        (others.len() == 3).then_some(())
    })
    .await;
    for way in Way::ALL {
        let opened = Raw::connect(&server, way)
            .await
            .hello(ask::hello(&token::of("last")))
            .await;
        refused(&opened.err().unwrap());
    }
    bystanders.are_well().await;
    assert_eq!(own.len() + others.len(), 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_nothing_is_given_up() {
    const HEARTBEAT: Duration = Duration::from_millis(500);
    let mut world = World::embedded();
    world.limits(&format!("heartbeat_ms = {}\n", HEARTBEAT.as_millis()));
    let server = world.start().await;
    let each = Way::ALL.map(|way| {
        let server = &server;
        async move {
            let silent = Session::open(server, way, "silent").await;
            let closed = tokio::spawn(silent.closed());
            // Who says something often enough stays, beyond the time at which the other is closed.
            let mut lively = Session::open(server, way, "lively").await;
            let mut said = Instant::now();
            while !closed.is_finished() {
                let asked = lively.send(None, ask::ping()).await;
                let paused = said.elapsed();
                said = Instant::now();
                match lively.answer(asked).await {
                    Ok(_) => tokio::time::sleep(HEARTBEAT / 5).await,
                    // On a machine that stood still this client was silent, too.
                    Err(_) if paused > HEARTBEAT => {
                        lively = Session::open(server, way, "lively").await;
                    }
                    Err(closed) => panic!("{way:?}: {closed:?} {paused:?} after a ping"),
                }
            }
            let closed = closed.await.unwrap();
            assert_eq!(
                (closed.name(), closed.code()),
                ("idle", Some(4008)),
                "{way:?}"
            );
            assert!(closed.closing.unwrap().reconnect);
        }
    });
    futures_util::future::join_all(each).await;
}

/// The text of the nth message: no two are alike. First long ones, because sockets and flow control hold
/// more than a megabyte; then short ones, so that whatever is full ends near the end of one.
fn nth_text(n: u64) -> String {
    let length = match n {
        ..280 => 4_000,
        _ => n as usize % 24,
    };
    format!("{n} {}", "slow ".repeat(length / 5))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_too_slowly_is_cut_and_resumes_without_loss() {
    let mut world = World::embedded();
    world.limits("replay_events = 20000\nreplay_bytes = 20000000\n");
    let server = world.start().await;
    let mut bystanders = Bystanders::meet(&server).await;
    // Where within a frame a stream is full is a matter of chance: the third time is better than the first.
    let ways = [&Way::ALL[..], &[Way::QuicProtobuf; 3]].concat();
    for (way, cuts) in ways.into_iter().zip(1..) {
        let mut poster = Session::open(&server, Way::WebSocketProtobuf, "poster").await;
        let mut reader = Session::open(&server, Way::WebSocketProtobuf, "reader").await;
        let group = poster
            .start(ask::group("a group", &["slow", "reader"]))
            .await;
        let slow = Session::open(&server, way, "slow").await;
        let cursor = slow.cursor.clone();
        // From here on the slow one reads nothing.
        let mut raw = slow.raw();
        let counted = "tidings_connections_closed_total{code=\"slow\"}";
        let mut posted = 0;
        while metric(&server, counted).await < cuts {
            assert!(posted < 15_000, "{way:?}: never cut");
            let mut asked = Vec::new();
            for _ in 0..50 {
                posted += 1;
                let post = ask::post(group, &nth_text(posted));
                asked.push(poster.send(Some(Uuid::now_v7()), post).await);
            }
            for id in asked {
                let answer = poster.answer(id).await;
                assert!(matches!(answer, Ok(Outcome::Accepted(_))), "{answer:?}");
            }
            // Others on the same server go on reading meanwhile.
            let told = reader.event_where(|event| {
                matches!(&event.kind, Some(Kind::MessagePosted(message)) if message.seq == posted)
            });
            told.await;
        }
        bystanders.are_well().await;

        // Now it reads: what was on its way, in order, and why it was cut.
        let (read, closed) = read_all(&mut raw, cursor).await;
        assert_eq!(closed.code(), Some(4003), "{way:?}: {closed:?}");
        let mut session = Session::resume(&server, Way::WebSocketJson, "slow", read.cursor).await;
        assert!(
            session.welcome.resumed,
            "{way:?}: {:?}",
            session.reset.map(|reset| reset.reason)
        );
        let mut messages = read.messages;
        while messages.last().is_none_or(|(seq, _)| *seq != posted) {
            if let Some(Kind::MessagePosted(message)) = session.event().await.kind {
                messages.push((message.seq, message.text));
            }
        }
        for (n, (seq, text)) in (1..).zip(&messages) {
            assert_eq!(*seq, n, "{way:?}: every message, once, in order");
            assert!(*text == nth_text(n), "{way:?}: message {n} is {text:?}");
        }
    }
}

/// What a client has read of a connection.
struct Read {
    /// Number and text.
    messages: Vec<(u64, String)>,
    cursor: Cursor,
}

async fn read_all(raw: &mut Raw, mut cursor: Cursor) -> (Read, Closed) {
    use tidings_protocol::frame::Body;
    let (mut messages, mut closing) = (Vec::new(), None);
    loop {
        match within("the end", raw.receiver.recv()).await {
            Ok(frame) => match frame.body {
                Some(Body::Event(event)) => {
                    (cursor.position, cursor.index) = (event.position, event.index);
                    if let Some(Kind::MessagePosted(message)) = event.kind {
                        messages.push((message.seq, message.text));
                    }
                }
                Some(Body::Closing(last)) => closing = Some(last),
                _ => {}
            },
            Err(disconnect) => {
                let closed = Closed {
                    closing,
                    disconnect,
                    refusals: Vec::new(),
                };
                return (Read { messages, cursor }, closed);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_stuck_with_little_to_read_is_given_up_too() {
    let mut world = World::embedded();
    world.limits("heartbeat_ms = 1000\n");
    let server = world.start().await;
    let mut poster = Session::open(&server, Way::WebSocketProtobuf, "poster").await;
    let group = poster.start(ask::group("a group", &["stuck"])).await;
    // A client whose window is so small that less than the queue holds fills it.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let stream: TcpStream = within("a connection", socket.connect(server.http))
        .await
        .unwrap();
    let mut stuck = websocket(&server, stream).await;
    let hello = ClientFrame {
        id: 1,
        request: Some(ask::hello(&token::of("stuck")).into_request()),
        ..Default::default()
    };
    let hello = Encoding::Json.encode_client(&hello);
    let hello = Frame::text(String::from_utf8(hello.to_vec()).unwrap());
    stuck.send(hello).await.unwrap();
    within("a welcome", stuck.next()).await.unwrap().unwrap();
    assert_eq!(metric(&server, "tidings_connections").await, 2);
    for _ in 0..60 {
        poster
            .command(ask::post(group, &"stuck ".repeat(650)))
            .await;
    }
    drop(poster);
    // It neither reads nor speaks, and there is too little for the queue to overflow.
    eventually("it is given up", async || {
        (metric(&server, "tidings_connections").await == 0).then_some(())
    })
    .await;
    let slow = metric(&server, "tidings_connections_closed_total{code=\"slow\"}").await;
    let idle = metric(&server, "tidings_connections_closed_total{code=\"idle\"}").await;
    assert_eq!((slow, idle), (0, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_given_up_in_the_middle_is_told_nothing_of_what_came_after() {
    use tidings_protocol::frame::{Body, Request};
    let mut world = World::embedded();
    world.limits("heartbeat_ms = 1000\n");
    let server = world.start().await;
    let mut poster = Session::open(&server, Way::WebSocketProtobuf, "poster").await;
    let away = Session::open(&server, Way::WebSocketJson, "stuck").await;
    let cursor = Some(away.cursor.clone());
    drop(away);
    let group = poster.start(ask::group("a group", &["stuck"])).await;
    for n in 1..=100 {
        let text = format!("{n} {}", "stuck ".repeat(600));
        poster.command(ask::post(group, &text)).await;
    }
    // It resumes, and stops reading within what it has missed.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let stream = within("a connection", socket.connect(server.http)).await;
    let mut stuck = websocket(&server, stream.unwrap()).await;
    let hello = tidings_protocol::command::Hello {
        cursor,
        ..ask::hello(&token::of("stuck"))
    };
    let hello = ClientFrame {
        id: 1,
        request: Some(Request::Hello(hello)),
        ..Default::default()
    };
    let hello = Encoding::Json.encode_client(&hello).to_vec();
    let hello = Frame::text(String::from_utf8(hello).unwrap());
    let sent = "tidings_frames_sent_total";
    let before = metric(&server, sent).await;
    stuck.send(hello).await.unwrap();
    eventually("it is being told", async || {
        (metric(&server, sent).await > before + 10).then_some(())
    })
    .await;
    // Meanwhile a little more happens.
    poster.command(ask::post(group, "101 at last")).await;
    let idle = "tidings_connections_closed_total{code=\"idle\"}";
    eventually("it is given up", async || {
        poster.ask(ask::ping()).await;
        (metric(&server, idle).await == 1).then_some(())
    })
    .await;
    // Now it reads all there is: a beginning of what happened, without a hole.
    let mut read = Vec::new();
    while let Some(Ok(frame)) = within("the end", stuck.next()).await {
        let Frame::Text(text) = frame else { continue };
        let frame = Encoding::Json.decode_server(Bytes::from(text)).unwrap();
        if let Some(Body::Event(event)) = frame.body
            && let Some(Kind::MessagePosted(message)) = event.kind
        {
            read.push(message.seq);
        }
    }
    assert!(!read.is_empty() && read.len() < 101, "{read:?}");
    assert_eq!(read, (1..=read.len() as u64).collect::<Vec<_>>());
}
