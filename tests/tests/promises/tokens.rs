//! Tokens that end in mid-session: renewed on the connection, or the connection ends and says why; what
//! their scopes allow; and, in `rotation`, keys that come and go.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tidings_protocol::{event::Kind, frame::Outcome};
use tidings_sdk::{Client, Token, Update};
use tidings_tests::{
    Session, Way, World, ask,
    fleet::options,
    http,
    server::Starting,
    token::{self, LEEWAY_MS, SECRET, now_ms, sign},
    within,
};
use uuid::Uuid;

mod issuer;
mod rotation;

/// How long a short token is honoured.
const SHORT_MS: u64 = 2_000;

/// A token that ends soon, honoured for [`SHORT_MS`] and not longer.
fn short(user: &str) -> (String, u64) {
    let until = now_ms() + SHORT_MS;
    (sign(SECRET, user, until - LEEWAY_MS), until)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_ends_with_its_token() {
    let world = World::embedded();
    let server = world.start().await;
    let each = Way::ALL.map(|way| {
        let server = &server;
        async move {
            let (token, until) = short("ann");
            let session = Session::hello(server, way, ask::hello(&token)).await;
            let cursor = session.cursor.clone();
            let closed = session.closed().await;
            assert_eq!(
                (closed.name(), closed.code()),
                ("token_expired", Some(4002)),
                "{way:?}"
            );
            assert!(!closed.closing.unwrap().reconnect, "not with this token");
            assert!(now_ms() >= until, "{way:?}: not before its time");
            // With a new one it resumes.
            let hello = tidings_protocol::command::Hello {
                cursor: Some(cursor),
                ..ask::hello(&token::of("ann"))
            };
            Session::hello(server, way, hello).await;
            let late = tidings_tests::session::Raw::connect(server, way).await;
            let refused = late.hello(ask::hello(&token)).await.err().unwrap();
            assert_eq!(
                refused.code(),
                Some(4001),
                "{way:?}: the old one is refused"
            );
        }
    });
    futures_util::future::join_all(each).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_renewed_on_the_connection() {
    let world = World::embedded();
    let server = world.start().await;
    let mut ben = Session::open(&server, Way::WebSocketProtobuf, "ben").await;
    let conversation = ben.start(ask::direct("ann")).await;
    let (token, until) = short("ann");
    let mut ann = Session::hello(&server, Way::QuicProtobuf, ask::hello(&token)).await;
    assert_eq!(ann.welcome.token_expires_ms, until - LEEWAY_MS);

    // Of somebody else, of another key, or none at all: the session stays what it was.
    let another = sign(
        "a secret that nobody here has ever heard of",
        "ann",
        now_ms() + 60_000,
    );
    for bad in [
        token::of("mallory"),
        // As its end and the leeway have passed.
        sign(SECRET, "ann", now_ms() - LEEWAY_MS - 1_000),
        token::of("system:shop"),
        another,
        String::new(),
        "dev:ann".to_owned(),
    ] {
        match ann.ask(ask::renew(&bad)).await {
            Outcome::Error(error) => assert_eq!(error.code, "unauthenticated", "{error:?}"),
            other => panic!("{other:?}"),
        }
    }
    let expires = (now_ms() / 1000 + 600) * 1000;
    match ann.ask(ask::renew(&sign(SECRET, "ann", expires))).await {
        Outcome::Pong(pong) => assert_eq!(pong.token_expires_ms, expires),
        other => panic!("{other:?}"),
    }
    // Beyond the first one's end, on the same connection.
    loop {
        match ann.ask(ask::ping()).await {
            Outcome::Pong(pong) if pong.now_ms > until + 300 => break,
            Outcome::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
    let text = Uuid::now_v7().to_string();
    ben.command(ask::post(conversation, &text)).await;
    let heard = ann.event_where(
        |event| matches!(&event.kind, Some(Kind::MessagePosted(message)) if message.text == text),
    );
    heard.await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sdk_renews_by_itself() {
    let world = World::embedded();
    let server = world.start().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let mut options = options(
        &Way::QuicProtobuf.url(&server),
        "ann",
        Way::QuicProtobuf.encoding(),
    );
    options.token = Token::provider({
        let asked = asked.clone();
        move || {
            asked.fetch_add(1, Ordering::Relaxed);
            // Good for so short a time that it is renewed again and again.
            async { Ok(sign(SECRET, "ann", now_ms() + 1_500)) }
        }
    });
    let (client, mut updates) = within("a client", Client::connect(options)).await.unwrap();
    while asked.load(Ordering::Relaxed) < 4 {
        within("an answer", client.ping()).await.unwrap();
    }
    within("an answer", client.ping()).await.unwrap();
    while let Some(update) = updates.try_recv() {
        assert!(!matches!(update, Update::Disconnected { .. }), "{update:?}");
    }
    client.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_may_shorten_a_session() {
    let world = World::embedded();
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketJson, "ann").await;
    let (token, until) = short("ann");
    match ann.ask(ask::renew(&token)).await {
        Outcome::Pong(pong) => assert_eq!(pong.token_expires_ms, until - LEEWAY_MS),
        other => panic!("{other:?}"),
    }
    let closed = ann.closed().await;
    assert_eq!(
        (closed.name(), closed.code()),
        ("token_expired", Some(4002))
    );
    assert!(now_ms() >= until, "not before its time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scopes_are_those_of_the_token_that_is_shown() {
    let world = World::embedded();
    let server = world.start().await;
    let later = now_ms() + 600_000;
    let wide = token::with_scope("ann", "tidings:users tidings:messages", later);
    let narrow = token::with_scope("ann", "tidings:users", later);
    let none = token::of("ann");
    let mut ann = Session::open(&server, Way::WebSocketJson, "ann").await;
    let mut ben = Session::open(&server, Way::QuicProtobuf, "ben").await;
    let hers = ann.start(ask::direct("cleo")).await;
    let his = ben.start(ask::direct("cleo")).await;
    let users = "/v1/users/ann/unread".to_owned();
    let messages = format!("/v1/conversations/{his}/messages?as=ben");
    let status = async |path: &str, token: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [("Authorization", bearer.as_str())];
        http::request(&server, "GET", path, &headers, b"")
            .await
            .status
    };
    // Wider, narrower and back: each request by what it shows. A session on the socket is its user's,
    // whatever else the token allows.
    for (token, of_users, of_messages) in [
        (&none, 403, 403),
        (&wide, 200, 200),
        (&narrow, 200, 403),
        (&wide, 200, 200),
        (&none, 403, 403),
    ] {
        assert!(matches!(ann.ask(ask::renew(token)).await, Outcome::Pong(_)));
        assert_eq!(status(&users, token).await, of_users, "{token}");
        assert_eq!(status(&messages, token).await, of_messages, "{token}");
        ann.command(ask::post(hers, "as ever")).await;
        match ann.ask(ask::latest(his, 10)).await {
            Outcome::Error(error) => assert_eq!(error.code, "not_found"),
            other => panic!("{other:?}"),
        }
    }
}

/// What stands in a table's place may be a secret: it is said what is wrong, and not repeated.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_table_is_refused_and_not_shown() {
    let world = World::embedded();
    let config = world.folder.path().join("own.toml");
    let hidden = "hunter2".repeat(5);
    for (line, said) in [
        (
            "jwks = [\"keys.json\"]".to_owned(),
            "is a table of settings",
        ),
        ("jwks = \"keys.json\"".to_owned(), "is a table of settings"),
        (
            format!("secrets = [[\"kid\", {hidden:?}]]"),
            "it is a list, and is to be a table: { ... } with the keys kid, secret, file",
        ),
        (
            format!("secrets = [{hidden:?}]"),
            "it is text, and is to be a table",
        ),
        (
            "secrets = [7, true]".to_owned(),
            "it is a number, and is to be a table",
        ),
        (
            format!("api_keys = [{hidden:?}]"),
            "it is text, and is to be a table",
        ),
        (
            "api_keys = [[\"backend\", \"x.key\", [\"import\"]]]".to_owned(),
            "it is a list, and is to be a table",
        ),
    ] {
        std::fs::write(&config, format!("data = \"data\"\n[auth]\n{line}\n")).unwrap();
        let refused = Starting::new(&config, &world.server_log()).refused().await;
        assert!(refused.contains(said), "{line}: {refused}");
        assert!(refused.contains("own.toml:3"), "{refused}");
    }
    let log = std::fs::read_to_string(world.server_log()).unwrap();
    assert!(!log.contains("hunter2"), "{log}");
}
