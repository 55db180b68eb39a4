//! Tokens as a product's backend makes them, put together by hand.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;

/// The secret that the servers of these tests trust.
pub const SECRET: &str = "a secret of the tests, long enough for HS256";

/// How long the server honours a token beyond its end, in milliseconds.
pub const LEEWAY_MS: u64 = 30_000;

/// Now, in milliseconds since 1970.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("it is after 1970").as_millis() as u64
}

/// A token for a user that ends at a time in milliseconds since 1970, signed with a secret.
pub fn sign(secret: &str, user: &str, expires_ms: u64) -> String {
    let seconds = expires_ms as f64 / 1000.0;
    sign_claims(secret, &format!(r#"{{"sub":"{user}","exp":{seconds}}}"#))
}

/// A token for a user that also allows what a scope names.
pub fn with_scope(user: &str, scope: &str, expires_ms: u64) -> String {
    let seconds = expires_ms as f64 / 1000.0;
    let claims = format!(r#"{{"sub":"{user}","exp":{seconds},"scope":"{scope}"}}"#);
    sign_claims(SECRET, &claims)
}

fn sign_claims(secret: &str, claims: &str) -> String {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let claims = URL_SAFE_NO_PAD.encode(claims);
    let message = format!("{header}.{claims}");
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, message.as_bytes()));
    format!("{message}.{signature}")
}

/// A token for a user, good for an hour.
pub fn of(user: &str) -> String {
    sign(SECRET, user, now_ms() + 3_600_000)
}
