//! Connection tokens.
//!
//! The input is a token as it is; or, where it has a line break, a header and claims, which are then signed by the
//! issuer and by somebody else. No fuzzer finds a signature, so without the second form nothing behind it would be
//! reached.

use std::sync::LazyLock;

use ring::signature::KeyPair;
use serde_json::Value;
use tempfile::TempDir;
use tidings_gateway::auth::{
    AuthConfig, AuthError, Authenticator, Identity, JwksConfig, LEEWAY_MS, MAX_TOKEN_BYTES,
    SYSTEM_PREFIX, SecretConfig,
};

use crate::{
    Meter,
    issuer::{self, NOW, SECRET, base64, token},
    meter::Allowance,
};

/// A header of empty lists is the worst.
const ALLOWANCE: Allowance = Allowance {
    fixed: 16 * 1024,
    per_byte: 128,
};

/// The issuer's keys and those who check tokens with them.
struct World {
    anyone: Authenticator,
    /// Asks for issuer and audience.
    strict: Authenticator,
    /// The tokens there are.
    signed: [String; 3],
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let folder = TempDir::new().expect("a temporary folder");
    let file = folder.path().join("keys.json");
    let set = issuer::key_set(&issuer::ed25519(1)).to_string();
    std::fs::write(&file, set).expect("the keys are written");
    let config = |strict: Option<&str>| AuthConfig {
        issuer: strict.map(|_| "issuer".to_owned()),
        audience: strict.map(str::to_owned),
        secrets: vec![SecretConfig {
            kid: Some("s".to_owned()),
            secret: Some(SECRET.to_owned().into()),
            ..SecretConfig::default()
        }],
        jwks: Some(JwksConfig {
            file: Some(file.clone()),
            ..JwksConfig::default()
        }),
        ..AuthConfig::default()
    };
    let make = |strict| Authenticator::new(&config(strict)).expect("the keys are good");
    let world = World {
        anyone: make(None),
        strict: make(Some("tidings")),
        signed: issuer::tokens(),
    };
    for token in &world.signed {
        for authenticator in [&world.anyone, &world.strict] {
            assert!(authenticator.authenticate(token, NOW).is_ok());
        }
    }
    world
});

/// What the issuer has not signed is refused; what it has signed is believed exactly as it says.
pub fn check(data: &[u8], meter: Meter) {
    let world = &*WORLD;
    let text = String::from_utf8_lossy(data);
    match text.split_once('\n') {
        Some((header, claims)) => signed(world, header, claims, meter),
        None => {
            let answer = authenticate(&world.anyone, &text, meter);
            assert!(answer.is_err() || world.signed.iter().any(|good| *good == text));
            // An API key is no secret here: without any, the backend API believes tokens only.
            let caller = world.anyone.caller(&text, NOW);
            assert_eq!(caller.is_ok(), answer.is_ok());
        }
    }
}

fn signed(world: &World, header: &str, claims: &str, meter: Meter) {
    let message = issuer::message(header, claims);
    let (pair, secret) = (issuer::ed25519(1), SECRET.as_bytes());
    let of_secret = issuer::hs256(secret, &message);
    let of_pair = issuer::eddsa(&pair, &message);
    for (algorithm, signature) in [("HS256", &of_secret), ("EdDSA", &of_pair)] {
        let token = token(&message, signature);
        for (authenticator, strict) in [(&world.anyone, false), (&world.strict, true)] {
            if let Ok(identity) = authenticate(authenticator, &token, meter) {
                assert_eq!(json(header)["alg"], algorithm);
                believed(&identity, &json(claims), strict);
            }
        }
    }
    let flipped = |signature: &[u8]| {
        let mut signature = signature.to_vec();
        signature[header.len() % 32] ^= 1 << (claims.len() % 8);
        signature
    };
    for signature in [
        &flipped(&of_secret)[..],
        &flipped(&of_pair),
        &of_secret[..31],
        // By somebody else.
        &issuer::hs256(b"another secret that is as long as ours", &message),
        &issuer::eddsa(&issuer::ed25519(2), &message),
        // With what everybody knows as the secret.
        &issuer::hs256(pair.public_key().as_ref(), &message),
        &issuer::hs256(&issuer::rsa_modulus(), &message),
        &[],
    ] {
        let answer = authenticate(&world.anyone, &token(&message, signature), meter);
        assert!(answer.is_err(), "forged: {answer:?}");
    }
    let unsigned = authenticate(&world.anyone, &message, meter);
    assert!(unsigned.is_err(), "unsigned: {unsigned:?}");
}

fn authenticate(
    authenticator: &Authenticator,
    token: &str,
    meter: Meter,
) -> Result<Identity, AuthError> {
    let answer = ALLOWANCE.hold(meter, token.len(), || {
        authenticator.authenticate(token, NOW)
    });
    match &answer {
        Ok(_) => assert!(token.len() <= MAX_TOKEN_BYTES),
        Err(error) => {
            let told = error.to_string();
            assert!(told.len() <= 512 + 8 * token.len().min(MAX_TOKEN_BYTES));
            assert!(token.len() < 64 || !told.contains(token), "a token is told");
        }
    }
    answer
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("what was believed is JSON")
}

/// Whether the identity is what the claims say, read by other means.
fn believed(identity: &Identity, claims: &Value, strict: bool) {
    assert_eq!(claims["sub"], identity.user);
    assert!((1..=128).contains(&identity.user.len()));
    assert!(!identity.user.chars().any(char::is_control));
    assert!(!identity.user.starts_with(SYSTEM_PREFIX));
    assert_eq!(identity.scope, claims["scope"].as_str().unwrap_or_default());

    let seconds = claims["exp"].as_f64().expect("an expiry is required");
    let expires_ms = identity.expires_ms.expect("it is told");
    assert!(expires_ms < 1 << 53);
    if seconds < 1e12 {
        assert!((seconds * 1000.0 - expires_ms as f64).abs() <= 1.0);
    }
    let until = identity.honoured_until_ms.expect("it is told");
    assert_eq!(until, expires_ms + LEEWAY_MS);
    assert!(NOW < until);
    if let Some(from) = claims["nbf"].as_f64() {
        assert!(from * 1000.0 <= (NOW + LEEWAY_MS) as f64 + 1.0);
    }
    if strict {
        let names = |claim: &Value, name: &str| match claim {
            Value::Array(all) => all.iter().any(|one| one == name),
            one => one == name,
        };
        assert!(names(&claims["iss"], "issuer") && names(&claims["aud"], "tidings"));
    }
}

/// Inputs of either form to begin with, by name.
pub fn seeds() -> Vec<(String, Vec<u8>)> {
    let mut seeds: Vec<(String, Vec<u8>)> = ["hs256", "eddsa", "rs256"]
        .into_iter()
        .zip(issuer::tokens())
        .map(|(name, token)| (format!("signed-{name}"), token.into_bytes()))
        .collect();
    let full = format!(
        r#"{{"sub":"ann","exp":{},"nbf":{},"iss":["issuer"],"aud":["other","tidings"],"scope":"tidings:import x"}}"#,
        NOW / 1000 + 60,
        NOW / 1000,
    );
    for (name, header, claims) in [
        ("hs256", r#"{"alg":"HS256"}"#, issuer::claims().to_string()),
        (
            "eddsa",
            r#"{"alg":"EdDSA","typ":"JWT","kid":"ed"}"#,
            issuer::claims().to_string(),
        ),
        (
            "full",
            r#"{"alg":"HS256","typ":"JWT","kid":"s"}"#,
            full.clone(),
        ),
        ("none", r#"{"alg":"none"}"#, full.clone()),
        (
            "crit",
            r#"{"alg":"HS256","crit":["exp"],"jku":"https://example.org","x5c":["AQAB"]}"#,
            full,
        ),
        (
            "expired",
            r#"{"alg":"HS256"}"#,
            r#"{"sub":"ann","exp":1}"#.to_owned(),
        ),
        (
            "decimals",
            r#"{"alg":"HS256"}"#,
            r#"{"sub":"ann","exp":1764000060.5,"nbf":1e3}"#.to_owned(),
        ),
        (
            "endless",
            r#"{"alg":"HS256"}"#,
            r#"{"sub":"ann","exp":18446744073709551615}"#.to_owned(),
        ),
        (
            "nobody",
            r#"{"alg":"EdDSA","kid":"ed"}"#,
            r#"{"sub":"","exp":1764000060}"#.to_owned(),
        ),
    ] {
        seeds.push((
            format!("claims-{name}"),
            format!("{header}\n{claims}").into_bytes(),
        ));
    }
    let unsigned = issuer::message(r#"{"alg":"none"}"#, &issuer::claims().to_string());
    seeds.push(("unsigned".to_owned(), format!("{unsigned}.").into_bytes()));
    seeds.push(("development".to_owned(), b"dev:ann".to_vec()));
    seeds.push((
        "short".to_owned(),
        format!("{}.e30.", base64(b"{}")).into_bytes(),
    ));
    seeds
}
