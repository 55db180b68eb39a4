//! An issuer of tokens: Ed25519 keys, the sets that publish them, and a server that hands a set out.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

/// A key that signs, and its name.
pub(super) struct Key {
    kid: String,
    pair: Ed25519KeyPair,
}

impl Key {
    pub(super) fn new(kid: &str, seed: u8) -> Key {
        Key {
            kid: kid.to_owned(),
            pair: Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap(),
        }
    }

    /// A token of these claims until a time in milliseconds since 1970.
    pub(super) fn token(&self, user: &str, scope: &str, expires_ms: u64) -> String {
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = part(json!({ "alg": "EdDSA", "typ": "JWT", "kid": self.kid }));
        let seconds = expires_ms as f64 / 1000.0;
        let claims = part(json!({ "sub": user, "exp": seconds, "scope": scope }));
        let message = format!("{header}.{claims}");
        let signature = URL_SAFE_NO_PAD.encode(self.pair.sign(message.as_bytes()));
        format!("{message}.{signature}")
    }
}

/// The set that publishes these keys.
pub(super) fn set(keys: &[&Key]) -> String {
    let jwk = |key: &&Key| {
        let x = URL_SAFE_NO_PAD.encode(key.pair.public_key().as_ref());
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": key.kid, "use": "sig", "alg": "EdDSA", "x": x })
    };
    json!({ "keys": keys.iter().map(jwk).collect::<Vec<_>>() }).to_string()
}

/// Gives one answer to whoever asks, until it is given another. Its thread ends with the process.
pub(super) struct Issuer {
    pub(super) address: SocketAddr,
    answer: Arc<Mutex<(u16, String)>>,
    requests: Arc<AtomicUsize>,
}

impl Issuer {
    /// One that answers with a set; at an address, port 0 for any.
    pub(super) fn at(address: SocketAddr, set: String) -> Issuer {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let answer = Arc::new(Mutex::new((200, set)));
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
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
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

    /// How often it was asked.
    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// The part of a server's configuration that names a set behind a URL.
pub(super) fn by_url(address: SocketAddr, min_refresh_s: u64) -> String {
    format!(
        "[auth.jwks]\nurl = \"http://{address}/jwks.json\"\nrefresh_s = 3600\nmin_refresh_s = {min_refresh_s}\n"
    )
}
