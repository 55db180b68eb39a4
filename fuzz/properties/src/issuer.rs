//! Keys of an issuer, and what it signs with them.

use std::sync::LazyLock;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    hmac,
    rand::SystemRandom,
    rsa::PublicKeyComponents,
    signature::{Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};
use serde_json::{Value, json};

/// The present, in milliseconds since 1970.
pub(crate) const NOW: u64 = 1_764_000_000_000;

/// The secret shared with the issuer.
pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";

pub(crate) fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// `header.claims`, which is what is signed.
pub(crate) fn message(header: &str, claims: &str) -> String {
    format!(
        "{}.{}",
        base64(header.as_bytes()),
        base64(claims.as_bytes())
    )
}

/// The token of a message and its signature.
pub(crate) fn token(message: &str, signature: &[u8]) -> String {
    format!("{message}.{}", base64(signature))
}

pub(crate) fn hs256(secret: &[u8], message: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    hmac::sign(&key, message.as_bytes()).as_ref().to_vec()
}

/// A pair of Ed25519 keys made from 32 times the same byte.
pub(crate) fn ed25519(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("any seed makes a pair")
}

pub(crate) fn eddsa(pair: &Ed25519KeyPair, message: &str) -> Vec<u8> {
    pair.sign(message.as_bytes()).as_ref().to_vec()
}

/// Always the same pair of RSA keys: `ring` makes none.
pub(crate) static RSA: LazyLock<RsaKeyPair> = LazyLock::new(|| {
    let lines = include_str!("../../../gateway/src/auth/tests/rsa-2048.pkcs8.base64");
    let der = STANDARD.decode(lines.lines().collect::<String>());
    RsaKeyPair::from_pkcs8(&der.expect("the file is Base64")).expect("it holds a pair of keys")
});

pub(crate) fn rsa_modulus() -> Vec<u8> {
    PublicKeyComponents::from(RSA.public()).n
}

/// Slow: a millisecond or more.
pub(crate) fn rs256(message: &str) -> Vec<u8> {
    let mut signature = vec![0; RSA.public().modulus_len()];
    RSA.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        message.as_bytes(),
        &mut signature,
    )
    .expect("a pair of keys signs");
    signature
}

/// The public keys, as the issuer publishes them.
pub(crate) fn key_set(ed25519: &Ed25519KeyPair) -> Value {
    let x = base64(ed25519.public_key().as_ref());
    let PublicKeyComponents::<Vec<u8>> { n, e } = RSA.public().into();
    json!({ "keys": [
        { "kty": "OKP", "crv": "Ed25519", "kid": "ed", "use": "sig", "alg": "EdDSA", "x": x },
        { "kty": "RSA", "kid": "rsa", "n": base64(&n), "e": base64(&e) },
    ] })
}

/// Claims of a token that is good for another minute.
pub(crate) fn claims() -> Value {
    json!({ "sub": "ann", "exp": NOW / 1000 + 60, "iss": "issuer", "aud": "tidings" })
}

/// A token of each algorithm that is accepted.
pub(crate) fn tokens() -> [String; 3] {
    let claims = claims().to_string();
    let signed = |header: Value, sign: &dyn Fn(&str) -> Vec<u8>| {
        let message = message(&header.to_string(), &claims);
        token(&message, &sign(&message))
    };
    [
        signed(
            json!({ "alg": "HS256", "typ": "JWT", "kid": "s" }),
            &|message| hs256(SECRET.as_bytes(), message),
        ),
        signed(json!({ "alg": "EdDSA", "kid": "ed" }), &|message| {
            eddsa(&ed25519(1), message)
        }),
        signed(json!({ "alg": "RS256", "kid": "rsa" }), &rs256),
    ]
}
