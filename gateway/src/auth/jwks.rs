//! A JSON Web Key Set to keys.

use jsonwebtoken::{
    Algorithm, DecodingKey, DecodingKeyKind,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;

use super::keys::{Key, Keys};

/// More would only make every token without a `kid` expensive.
const MAX_KEYS: usize = 64;

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

/// The usable keys of a set. Keys of other kinds are skipped, as sets are shared with others.
///
/// # Errors
/// Says why there is none.
pub(super) fn parse(text: &[u8]) -> Result<Keys, String> {
    let set: Set =
        serde_json::from_slice(text).map_err(|error| format!("not a key set: {error}"))?;
    if set.keys.len() > MAX_KEYS {
        return Err(format!(
            "{} keys, at most {MAX_KEYS} are read",
            set.keys.len()
        ));
    }
    let mut reasons = Vec::new();
    let mut keys = Vec::new();
    for (number, value) in set.keys.into_iter().enumerate() {
        let kid = value["kid"]
            .as_str()
            .map_or_else(|| format!("#{number}"), str::to_owned);
        match serde_json::from_value(value)
            .map_err(|error| error.to_string())
            .and_then(key)
        {
            Ok(key) => keys.push(key),
            Err(reason) => reasons.push(format!("{kid}: {reason}")),
        }
    }
    if keys.is_empty() {
        return Err(if reasons.is_empty() {
            "the set is empty".to_owned()
        } else {
            reasons.join("; ")
        });
    }
    if !reasons.is_empty() {
        tracing::debug!(
            skipped = reasons.join("; "),
            "keys of the set that are not used"
        );
    }
    Ok(Keys::new(keys))
}

fn key(jwk: Jwk) -> Result<Key, String> {
    if matches!(&jwk.common.public_key_use, Some(other) if *other != PublicKeyUse::Signature) {
        return Err("not for signatures".to_owned());
    }
    let (algorithm, allowed) = match &jwk.algorithm {
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        // A secret in a set that is published would let anyone sign.
        AlgorithmParameters::OctetKey(_) => {
            return Err("a secret does not belong in a set".to_owned());
        }
        _ => return Err("neither Ed25519 nor RSA".to_owned()),
    };
    if matches!(jwk.common.key_algorithm, Some(other) if other != allowed) {
        return Err(format!("for another algorithm than {algorithm:?}"));
    }
    let mut decoding = DecodingKey::from_jwk(&jwk).map_err(|error| error.to_string())?;
    match decoding.kind() {
        DecodingKeyKind::SecretOrDer(point) if point.len() != 32 => {
            return Err(format!("an Ed25519 key of {} bytes", point.len()));
        }
        DecodingKeyKind::SecretOrDer(_) => {}
        DecodingKeyKind::RsaModulusExponent { n, e } => {
            // Some issuers write the sign byte of their big integers, which `ring` does not take.
            let trim = |number: &[u8]| {
                let zeros = number.iter().take_while(|byte| **byte == 0).count();
                number[zeros..].to_vec()
            };
            let (n, e) = (trim(n), trim(e));
            if n.len() < 256 {
                return Err(format!(
                    "an RSA key of {} bits, at least 2048 are needed",
                    n.len() * 8
                ));
            }
            decoding = DecodingKey::from_rsa_raw_components(&n, &e);
        }
    }
    Ok(Key {
        kid: jwk.common.key_id,
        algorithm,
        decoding,
    })
}
