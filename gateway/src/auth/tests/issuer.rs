//! An issuer for tests: keys, tokens made by hand, and a server on the loopback interface.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    rand::SystemRandom,
    rsa::PublicKeyComponents,
    signature::{Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};
use serde_json::{Value, json};

/// A token put together without the crate that takes it apart.
pub(super) fn jwt(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(sign(message.as_bytes()));
    format!("{message}.{signature}")
}

pub(super) fn hmac(secret: &[u8], message: &[u8]) -> Vec<u8> {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
    ring::hmac::sign(&key, message).as_ref().to_vec()
}

pub(super) fn jwks(keys: &[Value]) -> Value {
    json!({ "keys": keys })
}

pub(super) struct Ed(Ed25519KeyPair);

impl Ed {
    pub(super) fn new(seed: u8) -> Ed {
        Ed(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap())
    }

    pub(super) fn public(&self) -> Vec<u8> {
        self.0.public_key().as_ref().to_vec()
    }

    pub(super) fn jwk(&self, kid: &str) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.public());
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "use": "sig", "alg": "EdDSA", "x": x })
    }

    pub(super) fn token(&self, kid: &str, claims: &Value) -> String {
        let header = json!({ "alg": "EdDSA", "typ": "JWT", "kid": kid });
        jwt(&header, claims, |message| {
            self.0.sign(message).as_ref().to_vec()
        })
    }
}

pub(super) struct Rsa(RsaKeyPair);

impl Rsa {
    /// Always the same key: `ring` makes none.
    pub(super) fn new() -> Rsa {
        let lines = include_str!("rsa-2048.pkcs8.base64")
            .lines()
            .collect::<String>();
        Rsa(RsaKeyPair::from_pkcs8(&STANDARD.decode(lines).unwrap()).unwrap())
    }

    fn components(&self) -> PublicKeyComponents<Vec<u8>> {
        PublicKeyComponents::from(self.0.public())
    }

    pub(super) fn modulus(&self) -> Vec<u8> {
        self.components().n
    }

    /// With the sign byte some issuers leave before the modulus.
    pub(super) fn jwk(&self, kid: &str) -> Value {
        let PublicKeyComponents { n, e } = self.components();
        let n = URL_SAFE_NO_PAD.encode([&[0][..], &n].concat());
        json!({ "kty": "RSA", "kid": kid, "n": n, "e": URL_SAFE_NO_PAD.encode(e) })
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.0.public().modulus_len()];
        self.0
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                message,
                &mut signature,
            )
            .unwrap();
        signature
    }

    pub(super) fn token(&self, kid: &str, claims: &Value) -> String {
        let header = json!({ "alg": "RS256", "kid": kid });
        jwt(&header, claims, |message| self.sign(message))
    }
}

/// Serves one answer to whoever asks, until it is given another. Its thread ends with the process.
pub(super) struct Issuer {
    address: SocketAddr,
    answer: Arc<Mutex<(u16, String)>>,
    requests: Arc<AtomicUsize>,
}

impl Issuer {
    pub(super) fn start(status: u16, body: &str) -> Issuer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let answer = Arc::new(Mutex::new((status, body.to_owned())));
        let requests = Arc::new(AtomicUsize::new(0));
        let (shared, counter) = (answer.clone(), requests.clone());
        thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = BufReader::new(connection.unwrap());
                let mut line = String::new();
                // The head ends with an empty line; a client that left early reads as one.
                while connection.read_line(&mut line).is_ok_and(|read| read > 2) {
                    line.clear();
                }
                counter.fetch_add(1, Ordering::SeqCst);
                let (status, body) = shared.lock().unwrap().clone();
                let head = format!(
                    "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let _ = connection.get_mut().write_all((head + &body).as_bytes());
            }
        });
        Issuer {
            address,
            answer,
            requests,
        }
    }

    pub(super) fn serve(&self, status: u16, body: &str) {
        *self.answer.lock().unwrap() = (status, body.to_owned());
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/.well-known/jwks.json", self.address)
    }

    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// Waits for a condition that another thread makes true.
pub(super) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        thread::yield_now();
    }
}
