//! Connections that arrive: behind a proxy clients are counted by their own addresses, as far as the proxy is
//! trusted, and who says nothing keeps nobody from a TLS handshake.

#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::Arc,
    time::Duration,
};

use ring::rand::SystemRandom;
use tidings_core::{
    clock::{Clock as _, SystemClock},
    embedded::{self, Folder},
    handler::{Config, Parts, ids::Ids},
    keys::seal::OperatorKey,
    node::Node,
};
use tidings_gateway::{
    Limits,
    auth::{AuthConfig, Authenticator},
    server::{Builder, Server},
    tls::{ServerCertificate, TlsConfig},
};

async fn start(data: &Path, limits: Limits, tls_on_tcp: bool) -> Server {
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
    let server = Builder {
        node: Arc::new(Node::start(parts, Ids::new(&[0; 32]), None).unwrap()),
        auth: Authenticator::new(&auth).unwrap(),
        limits,
        random,
        listen: ([127, 0, 0, 1], 0).into(),
        certificate: ServerCertificate::load(&tls, data, SystemClock.now_ms()).unwrap(),
        tls_on_tcp,
        development: None,
        assets: &[],
        routes: Default::default(),
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
    let server = start(data.path(), one_of_an_address("127.0.0.0/8"), false).await;
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
    let server = start(data.path(), one_of_an_address("10.0.0.0/8"), false).await;
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
    let data = tempfile::tempdir().unwrap();
    let server = start(data.path(), Limits::default(), true).await;
    let http = server.http;
    let asked = tokio::task::spawn_blocking(move || {
        // More than there are handshakes at a time.
        let silent: Vec<_> = (0..300)
            .map(|_| TcpStream::connect(http).unwrap())
            .collect();
        let mut stream = TcpStream::connect(http).unwrap();
        // Less than a handshake may take, so that it is not over before the silent ones are given up.
        stream
            .set_read_timeout(Some(Duration::from_secs(8)))
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
        let answered = stream.read_exact(&mut first);
        drop(silent);
        (answered.is_ok(), first)
    });
    // A record of a handshake: the server's hello.
    assert_eq!(asked.await.unwrap(), (true, [22]));
    server.stop().await;
}
