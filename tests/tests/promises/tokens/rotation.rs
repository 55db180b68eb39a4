//! Keys that come and go at the issuer while a server runs, and an issuer that is not there.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    time::Instant,
};

use futures_util::future::join_all;
use tidings_protocol::frame::Outcome;
use tidings_sdk::{Client, Token};
use tidings_tests::{
    Server, Session, Way, World, ask, eventually,
    fleet::options,
    http,
    server::Starting,
    session::{Closed, Raw},
    token::{self, LEEWAY_MS, now_ms},
    within,
};

use super::{
    SHORT_MS,
    issuer::{Issuer, Key, by_url, set},
};

const KEY: &str = "an api key of the tests, 32 bytes or more";

/// A server of these keys: `auth` is what follows the API key in its configuration.
async fn server(world: &World, auth: &str) -> Server {
    let folder = world.folder.path();
    fs::write(folder.join("backend.key"), KEY).unwrap();
    let config = folder.join("own.toml");
    let text = format!(
        "data = \"own-data\"\nport = {}\n[[auth.api_keys]]\nname = \"backend\"\n\
         file = \"backend.key\"\nscopes = [\"tokens\", \"users\"]\n{auth}",
        world.port
    );
    fs::write(&config, text).unwrap();
    Starting::new(&config, &world.server_log())
        .listening()
        .await
}

/// Puts a file in the place of another in one step, as an operator should.
fn replace(path: &Path, text: &str) {
    let fresh = path.with_extension("new");
    fs::write(&fresh, text).unwrap();
    fs::rename(fresh, path).unwrap();
}

async fn hello(server: &Server, way: Way, token: &str) -> Result<Session, Closed> {
    let raw = Raw::connect(server, way).await;
    // Not on the stack: futures that hold it hold each other.
    Box::pin(raw.hello(ask::hello(token))).await
}

/// Tries until a token is let in; whatever is said before is to be temporary.
async fn let_in(server: &Server, way: Way, token: &str) -> Session {
    let known = eventually("the key is known", || async {
        match hello(server, way, token).await {
            Ok(session) => Some(session),
            Err(closed) => {
                let name = closed.name().to_owned();
                assert!(["internal", "unauthenticated"].contains(&&*name), "{name}");
                None
            }
        }
    });
    Box::pin(known).await
}

/// Tries until a token is refused for good.
async fn shut_out(server: &Server, way: Way, token: &str) {
    let forgotten = eventually("the key is forgotten", || async {
        let closed = hello(server, way, token).await.err()?;
        assert_eq!(
            (closed.name(), closed.code()),
            ("unauthenticated", Some(4001))
        );
        Some(())
    });
    Box::pin(forgotten).await;
}

/// How a renewal is answered: the code, or nothing where it is accepted.
async fn renewed(session: &mut Session, token: &str) -> Option<String> {
    match session.ask(ask::renew(token)).await {
        Outcome::Pong(_) => None,
        Outcome::Error(error) => Some(error.code),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_come_and_go_in_a_file() {
    let world = World::embedded();
    let (one, two) = (Key::new("one", 1), Key::new("two", 2));
    let file = world.folder.path().join("jwks.json");
    fs::write(&file, set(&[&one])).unwrap();
    let server = server(&world, "[auth.jwks]\nfile = \"jwks.json\"\n").await;
    let way = Way::WebSocketProtobuf;
    let hour = now_ms() + 3_600_000;
    let (by_one, by_two) = (one.token("ann", "", hour), two.token("ann", "", hour));
    let mut ann = Session::hello(&server, way, ask::hello(&by_one)).await;
    // Nor is a secret made of what is public.
    let forged = token::sign(&set(&[&one]), "ann", hour);
    for unknown in [&by_two, &forged] {
        let refused = hello(&server, way, unknown).await.err().unwrap();
        assert_eq!(refused.code(), Some(4001));
    }

    // The second key comes, then the first one goes.
    replace(&file, &set(&[&one, &two]));
    let_in(&server, way, &by_two).await;
    let until = now_ms() + SHORT_MS;
    let short = one.token("ben", "", until - LEEWAY_MS);
    let ben = Session::hello(&server, Way::QuicProtobuf, ask::hello(&short)).await;
    replace(&file, &set(&[&two]));
    shut_out(&server, way, &by_one).await;

    // Who is in stays in, until the token that was shown ends; another by that key does not help.
    let again = one.token("ann", "", hour + 60_000);
    assert_eq!(renewed(&mut ann, &again).await.unwrap(), "unauthenticated");
    let conversation = ann.start(ask::direct("ben")).await;
    ann.command(ask::post(conversation, "still here")).await;
    let ended = ben.closed().await;
    assert_eq!((ended.name(), ended.code()), ("token_expired", Some(4002)));
    assert!(now_ms() >= until);
    assert_eq!(renewed(&mut ann, &by_two).await, None);

    // Half a file, or none: the last good set stays.
    fs::write(&file, "{\"keys\":[").unwrap();
    eventually("it is looked at", || async {
        drop(hello(&server, way, &by_two).await.map(drop));
        let log = fs::read_to_string(world.server_log()).unwrap();
        log.contains("keeping the last good set").then_some(())
    })
    .await;
    fs::remove_file(&file).unwrap();
    let_in(&server, way, &by_two).await;

    // A server that has no secret makes no tokens.
    let bearer = format!("Bearer {KEY}");
    let answer = http::request(
        &server,
        "POST",
        "/v1/users/ann/tokens",
        &[("Authorization", &bearer)],
        b"{\"ttl_s\":60}",
    )
    .await;
    assert_eq!(answer.status, 403, "{answer:?}");
    for said in ["\"forbidden\"", "auth.secrets"] {
        assert!(answer.body.contains(said), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_key_behind_a_url_is_fetched_when_it_is_first_used() {
    let world = World::embedded();
    let (one, two, three) = (Key::new("one", 1), Key::new("two", 2), Key::new("three", 3));
    let issuer = Issuer::at(any_port(), set(&[&one]));
    let server = server(&world, &by_url(issuer.address, 0)).await;
    let way = Way::QuicJson;
    let hour = now_ms() + 3_600_000;
    let token = |key: &Key| key.token("ann", "tidings:users", hour);
    let mut ann = Session::hello(&server, way, ask::hello(&token(&one))).await;
    assert_eq!(issuer.requests(), 1);

    // The first to come with a new key is asked to come back, by whatever door.
    issuer.serve(500, "");
    let closed = hello(&server, way, &token(&two)).await.err().unwrap();
    let last = closed.closing.clone().unwrap();
    assert_eq!(
        (closed.name(), closed.code(), last.reconnect),
        ("internal", Some(4010), true)
    );
    assert!(last.after_ms > 0);
    assert_eq!(
        renewed(&mut ann, &token(&two)).await.unwrap(),
        "unavailable"
    );
    let bearer = format!("Bearer {}", token(&two));
    let ask_api = async || {
        let headers = [("Authorization", bearer.as_str())];
        http::request(&server, "GET", "/v1/users/ann/unread", &headers, b"").await
    };
    let answer = ask_api().await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    // The issuer is down: who had a good token before has it still.
    Session::hello(&server, way, ask::hello(&token(&one))).await;

    issuer.serve(200, &set(&[&two]));
    let_in(&server, way, &token(&two)).await;
    assert_eq!(ask_api().await.status, 200);
    assert_eq!(renewed(&mut ann, &token(&two)).await, None);
    // The first key is gone with that set, and with it whoever shows it.
    let closed = hello(&server, way, &token(&one)).await.err().unwrap();
    assert!(["internal", "unauthenticated"].contains(&closed.name()));
    assert!(matches!(ann.ask(ask::ping()).await, Outcome::Pong(_)));

    // An app that is built on the SDK does not notice.
    issuer.serve(200, &set(&[&two, &three]));
    let mut options = options(&way.url(&server), "ann", way.encoding());
    options.token = Token::from(token(&three));
    let (client, _updates) = within("a client", Client::connect(options)).await.unwrap();
    within("an answer", client.ping()).await.unwrap();
    client.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_makes_up_keys_does_not_flood_the_issuer() {
    const REFRESH_S: u64 = 1;
    let world = World::embedded();
    let one = Key::new("one", 1);
    let issuer = Issuer::at(any_port(), set(&[&one]));
    let began = Instant::now();
    let server = server(&world, &by_url(issuer.address, REFRESH_S)).await;
    let hour = now_ms() + 3_600_000;
    let good = one.token("ann", "", hour);
    let mut tried = 0;
    // Until it has been asked again a few times.
    while issuer.requests() < 4 {
        let attempts = (0..20).map(|n| {
            let made_up = Key::new(&format!("made-up-{tried}-{n}"), 9).token("ann", "", hour);
            let server = &server;
            async move { hello(server, Way::WebSocketJson, &made_up).await.err() }
        });
        for closed in join_all(attempts).await {
            let closed = closed.unwrap();
            let name = closed.name();
            assert!(
                ["internal", "unauthenticated"].contains(&name),
                "{closed:?}"
            );
        }
        tried += 20;
        Session::hello(&server, Way::WebSocketJson, ask::hello(&good)).await;
    }
    // At its start, and from then on once in that time at the most.
    let most = 1 + began.elapsed().as_secs() / REFRESH_S;
    let asked = issuer.requests() as u64;
    assert!(asked <= most, "asked {asked} times, {most} are allowed");
    assert!(tried as u64 > asked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_starts_without_its_issuer_and_finds_it_later() {
    let world = World::embedded();
    let one = Key::new("one", 1);
    // Somewhere nobody answers.
    let address = TcpListener::bind(any_port()).unwrap().local_addr().unwrap();
    let secrets = format!("[[auth.secrets]]\nsecret = {:?}\n", token::SECRET);
    let server = server(&world, &format!("{secrets}{}", by_url(address, 1))).await;
    let by_one = one.token("ann", "", now_ms() + 3_600_000);
    let closed = hello(&server, Way::WebSocketJson, &by_one).await.err();
    let last = closed.unwrap().closing.unwrap();
    assert_eq!((last.code.as_str(), last.reconnect), ("internal", true));
    // Tokens of the secret do not depend on it.
    Session::open(&server, Way::WebSocketJson, "ben").await;
    let _issuer = Issuer::at(address, set(&[&one]));
    let_in(&server, Way::WebSocketJson, &by_one).await;
}

fn any_port() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}
