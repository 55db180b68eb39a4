//! Connections that arrive: behind a proxy clients are counted by their own addresses, as far as the proxy is
//! trusted, who says nothing keeps nobody from a TLS handshake, and who does not read keeps nobody out.

#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::{
    convert::Infallible,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::get,
};
use futures_util::stream;
use ring::rand::SystemRandom;
use tidings_core::{
    clock::{Clock as _, SystemClock},
    embedded::{self, Folder},
    handler::{Config, Parts, ids::Ids},
    keys::seal::OperatorKey,
    node::Node,
};
use tidings_extensions::Extensions;
use tidings_gateway::{
    Limits,
    auth::{AuthConfig, Authenticator},
    search::{self, Search},
    server::{Builder, Server},
    tls::{ServerCertificate, TlsConfig},
};

async fn start(data: &Path, limits: Limits, tls_on_tcp: bool, routes: Router) -> Server {
    let random: Arc<SystemRandom> = Arc::new(SystemRandom::new());
    let folder = Folder::open(data, &(random.clone() as _)).await.unwrap();
    let operator = OperatorKey::load_or_generate(&data.join("operator.key"), &*random).unwrap();
    let (log, keys) = folder.unlock(operator, random.clone()).unwrap();
    let projections = embedded::projections(data, &log, &mut |_| {})
        .await
        .unwrap();
    let parts = Parts {
        log,
        keys,
        projections: Arc::new(projections),
        clock: Arc::new(SystemClock),
        random: random.clone(),
        config: Config::default(),
    };
    let auth = AuthConfig {
        development: true,
        ..AuthConfig::default()
    };
    let tls = TlsConfig::default();
    let presence = tidings_core::presence::Config::default();
    let node = Arc::new(Node::start(parts, Ids::new(&[0; 32]), presence, None).unwrap());
    let search = Search::start(search::Config::default(), data, node.clone()).unwrap();
    let extensions = Extensions::start(
        tidings_extensions::Config::default(),
        data,
        node.clone(),
        None,
        Box::new(|_| false),
    )
    .await
    .unwrap();
    let server = Builder {
        node,
        search,
        extensions,
        auth: Authenticator::new(&auth).unwrap(),
        limits,
        random,
        listen: ([127, 0, 0, 1], 0).into(),
        certificate: ServerCertificate::load(&tls, data, SystemClock.now_ms()).unwrap(),
        tls_on_tcp,
        development: None,
        assets: &[],
        routes,
    };
    server.start().await.unwrap()
}

/// A WebSocket whose request says that it comes from there; `None` if it is one too many of that address.
fn connect(server: SocketAddr, forwarded: &str) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(server).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    write!(
        stream,
        "GET /v1/ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: tidings.1.json\r\nX-Forwarded-For: {forwarded}\r\n\r\n"
    )
    .unwrap();
    // A ping, masked with nothing: its pong comes first, or the reason why there is none.
    stream.write_all(&[0x89, 0x80, 0, 0, 0, 0]).unwrap();
    let mut said = Vec::new();
    loop {
        if said.ends_with(b"\r\n\r\n\x8a\0") {
            return Some(stream);
        }
        if String::from_utf8_lossy(&said).contains("too many connections from this address") {
            return None;
        }
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        said.extend(byte);
    }
}

fn one_of_an_address(trusted: &str) -> Limits {
    Limits {
        connections_per_address: 1,
        trusted_proxies: trusted.parse().unwrap(),
        ..Limits::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_behind_a_trusted_proxy_are_counted_one_by_one() {
    let data = tempfile::tempdir().unwrap();
    let server = start(
        data.path(),
        one_of_an_address("127.0.0.0/8"),
        false,
        Router::new(),
    )
    .await;
    let http = server.http;
    let asked = tokio::task::spawn_blocking(move || {
        let first = connect(http, "192.0.2.1");
        let second = connect(http, "192.0.2.1, 192.0.2.2");
        let same = connect(http, "192.0.2.3, 192.0.2.1");
        (first.is_some(), second.is_some(), same.is_some())
    });
    assert_eq!(asked.await.unwrap(), (true, true, false));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_trusted_is_not_believed() {
    let data = tempfile::tempdir().unwrap();
    let server = start(
        data.path(),
        one_of_an_address("10.0.0.0/8"),
        false,
        Router::new(),
    )
    .await;
    let http = server.http;
    let asked = tokio::task::spawn_blocking(move || {
        let first = connect(http, "192.0.2.1");
        let other = connect(http, "192.0.2.2");
        (first.is_some(), other.is_some())
    });
    assert_eq!(asked.await.unwrap(), (true, false));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_takes_no_handshakes_from_others() {
    others_are_served_beside(b"").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_beginning_of_a_handshake_takes_none_from_others() {
    // The first byte of a record of a handshake.
    others_are_served_beside(&[22]).await;
}

/// Somebody is answered over TLS where more connections than there are handshakes at a time say this and no more.
async fn others_are_served_beside(said: &'static [u8]) {
    let data = tempfile::tempdir().unwrap();
    let server = start(data.path(), Limits::default(), true, Router::new()).await;
    let http = server.http;
    let asked = tokio::task::spawn_blocking(move || {
        let silent = (0..300).map(|_| {
            let mut stream = TcpStream::connect(http).unwrap();
            stream.write_all(said).unwrap();
            stream
        });
        let silent: Vec<_> = silent.collect();
        // One after the other: the first may still come before all the others are looked at.
        let answered: Vec<u8> = (0..10).map_while(|_| greeted(http)).collect();
        drop(silent);
        answered
    });
    // A record of a handshake each time: the server's hello.
    assert_eq!(asked.await.unwrap(), [22; 10]);
    server.stop().await;
}

/// Begins a handshake: the first byte of the answer.
fn greeted(server: SocketAddr) -> Option<u8> {
    let mut stream = TcpStream::connect(server).unwrap();
    // Half of what a first message may take, so that it is not over before the silent ones are given up.
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let name = "localhost".try_into().unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    client.write_tls(&mut stream).unwrap();
    let mut first = [0];
    stream.read_exact(&mut first).ok().map(|()| first[0])
}

/// Connections of an address that may be there where one of them may be a session.
const PLACES: usize = 1 + 64;

/// More than the buffers of a connection hold of which nothing is read.
const LONG: usize = 1 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_and_does_not_read_keeps_nobody_out() {
    let answer = || Body::from_stream(stream::repeat_with(|| Ok::<_, Infallible>(vec![0; LONG])));
    somebody_is_answered_beside(move || answer().into_response()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_who_does_not_read_that_it_may_go_on_as_something_else() {
    let answer = || {
        let headers = [
            ("connection", "upgrade".to_owned()),
            ("upgrade", "other".to_owned()),
            ("filled", "x".repeat(LONG)),
        ];
        (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
    };
    somebody_is_answered_beside(answer).await;
}

/// Somebody is answered where others have all the places, who have asked for this answer and do not read it.
async fn somebody_is_answered_beside(
    answer: impl Fn() -> Response + Clone + Send + Sync + 'static,
) {
    let data = tempfile::tempdir().unwrap();
    let answered = Arc::new(AtomicUsize::new(0));
    let count = answered.clone();
    let long = move || async move {
        count.fetch_add(1, Ordering::Relaxed);
        answer()
    };
    let routes = Router::new().route("/long", get(long));
    let server = start(data.path(), one_of_an_address("10.0.0.0/8"), false, routes).await;
    let http = server.http;
    let asked = tokio::task::spawn_blocking(move || {
        let request =
            b"GET /long HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n";
        let others = (0..PLACES).map(|_| {
            let mut stream = TcpStream::connect(http).unwrap();
            stream.write_all(request).unwrap();
            stream
        });
        let others: Vec<_> = others.collect();
        let deadline = Instant::now() + Duration::from_secs(30);
        while answered.load(Ordering::Relaxed) < PLACES {
            assert!(Instant::now() < deadline, "{answered:?} answers");
            thread::yield_now();
        }
        // The last of them may not be done yet.
        while !health(http) {
            assert!(Instant::now() < deadline, "nobody makes room");
        }
        drop(others);
    });
    asked.await.unwrap();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_and_who_is_being_answered_keep_their_places() {
    let data = tempfile::tempdir().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let never = move || {
        count.fetch_add(1, Ordering::Relaxed);
        std::future::pending::<()>()
    };
    let routes = Router::new().route("/never", get(never));
    let server = start(data.path(), one_of_an_address("10.0.0.0/8"), false, routes).await;
    let http = server.http;
    let tried = tokio::task::spawn_blocking(move || {
        let socket = connect(http, "").unwrap();
        let others = (1..PLACES).map(|_| {
            let mut stream = TcpStream::connect(http).unwrap();
            let request = b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n";
            stream.write_all(request).unwrap();
            stream
        });
        let mut others: Vec<_> = others.collect();
        let deadline = Instant::now() + Duration::from_secs(30);
        while asked.load(Ordering::Relaxed) < PLACES - 1 {
            assert!(Instant::now() < deadline, "{asked:?} ask");
            thread::yield_now();
        }
        assert!(!health(http), "somebody's place was taken");
        // Whoever goes before the answer leaves room for one, and no more than that.
        drop(others.pop());
        while !health(http) {
            assert!(Instant::now() < deadline, "there is no room");
        }
        drop((socket, others));
    });
    tried.await.unwrap();
    server.stop().await;
}

/// Whether the server says of itself that it is alive.
fn health(server: SocketAddr) -> bool {
    let mut stream = TcpStream::connect(server).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let mut said = String::new();
    let asked = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    // A reset is as good as an end.
    asked.is_ok() && stream.read_to_string(&mut said).is_ok() && said.starts_with("HTTP/1.1 200")
}
