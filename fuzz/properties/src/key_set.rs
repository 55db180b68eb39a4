//! The issuer's set of public keys, as it is found in a file or behind a URL.

use std::{fs, path::PathBuf, sync::LazyLock};

use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tidings_gateway::auth::{AuthConfig, AuthConfigError, Authenticator, JwksConfig};

use crate::{
    Meter,
    issuer::{self, NOW},
    meter::Allowance,
};

/// A list of empty lists is the worst.
const ALLOWANCE: Allowance = Allowance {
    fixed: 64 * 1024,
    per_byte: 192,
};

/// Tokens that no key in any set has signed.
static STRANGERS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let claims = issuer::claims().to_string();
    let mut tokens = Vec::new();
    for kid in [None, Some("ed")] {
        let header = json!({ "alg": "EdDSA", "kid": kid }).to_string();
        let message = issuer::message(&header, &claims);
        let signature = issuer::eddsa(&issuer::ed25519(99), &message);
        tokens.push(issuer::token(&message, &signature));
    }
    for kid in [None, Some("rsa")] {
        let header = json!({ "alg": "RS256", "kid": kid }).to_string();
        let message = issuer::message(&header, &claims);
        tokens.push(issuer::token(&message, &[1; 256]));
    }
    tokens
});

/// A set is read or refused, and whichever keys are in it, they let nobody in who has not signed with them.
pub fn check(data: &[u8], meter: Meter) {
    let strangers = &*STRANGERS;
    let held = match read(data, meter) {
        Ok(held) => held,
        Err(error) => {
            // For the operator; it names every key of the set, of which there are not many.
            let told = error.to_string().len();
            return assert!(told <= 16 * 1024 + 8 * data.len(), "{told} bytes");
        }
    };
    for token in strangers {
        assert!(held.authenticator.authenticate(token, NOW).is_err());
    }
    // How it is written makes no difference. What the set does not use is skipped, not looked at: there it
    // may hold characters that are none.
    let Ok(value) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    let again = read(value.to_string().as_bytes(), meter);
    if let Err(error) = again {
        panic!("refused when written anew: {error}");
    }
}

/// The set is in a file as long as it is used.
struct Held {
    authenticator: Authenticator,
    _file: NamedTempFile,
}

fn read(set: &[u8], meter: Meter) -> Result<Held, AuthConfigError> {
    // A disk makes this thirty times slower.
    static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
        let memory = PathBuf::from("/dev/shm");
        if memory.is_dir() {
            memory
        } else {
            std::env::temp_dir()
        }
    });
    let file = NamedTempFile::new_in(&*FOLDER).expect("a temporary file");
    fs::write(file.path(), set).expect("the keys are written");
    let config = AuthConfig {
        jwks: Some(JwksConfig {
            file: Some(file.path().to_owned()),
            ..JwksConfig::default()
        }),
        ..AuthConfig::default()
    };
    let authenticator = ALLOWANCE.hold(meter, set.len(), || Authenticator::new(&config))?;
    Ok(Held {
        authenticator,
        _file: file,
    })
}

/// Inputs to begin with, by name.
pub fn seeds() -> Vec<(String, Vec<u8>)> {
    let good = issuer::key_set(&issuer::ed25519(1));
    let (ed, rsa) = (&good["keys"][0], &good["keys"][1]);
    let with = |key: &Value, field: &str, value: Value| {
        let mut key = key.clone();
        key[field] = value;
        key
    };
    let signed = |number: &Value| {
        // With the sign byte that some issuers leave before a number: three Base64 bytes make four letters.
        json!(format!("AAAA{}", number.as_str().expect("text")))
    };
    let sets = [
        ("both", good.clone()),
        ("ed25519", json!({ "keys": [ed] })),
        ("rsa", json!({ "keys": [rsa] })),
        (
            "rsa-signed",
            json!({ "keys": [with(rsa, "n", signed(&rsa["n"]))] }),
        ),
        (
            "rsa-short",
            json!({ "keys": [with(rsa, "n", json!("AQAB"))] }),
        ),
        (
            "rsa-exponent",
            json!({ "keys": [with(rsa, "e", json!("Aw"))] }),
        ),
        (
            "other-use",
            json!({ "keys": [with(ed, "use", json!("enc")), with(rsa, "alg", json!("RS512"))] }),
        ),
        (
            "other-curve",
            json!({ "keys": [with(ed, "crv", json!("Ed448")),
            { "kty": "EC", "crv": "P-256", "x": "AQAB", "y": "AQAB" }] }),
        ),
        (
            "secret",
            json!({ "keys": [{ "kty": "oct", "k": "c2VjcmV0", "kid": "s" }] }),
        ),
        (
            "strange",
            json!({ "keys": [7, null, {}, { "kty": "LATTICE" }, ed], "more": [[]] }),
        ),
        (
            "low-order",
            json!({ "keys": [with(ed, "x", json!("A".repeat(43)))] }),
        ),
        ("empty", json!({ "keys": [] })),
    ];
    sets.map(|(name, set)| (name.to_owned(), set.to_string().into_bytes()))
        .to_vec()
}
