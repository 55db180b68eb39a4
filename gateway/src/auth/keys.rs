//! Keys that verify, and which of them fit a token.

use jsonwebtoken::{Algorithm, DecodingKey};

/// A key. What it is made of decides its one algorithm.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) kid: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) decoding: DecodingKey,
}

impl Key {
    /// A secret shared with the issuer.
    pub(super) fn secret(kid: Option<String>, secret: &[u8]) -> Key {
        Key {
            kid,
            algorithm: Algorithm::HS256,
            decoding: DecodingKey::from_secret(secret),
        }
    }
}

/// Every key of one origin.
#[derive(Debug, Default)]
pub(super) struct Keys(Vec<Key>);

impl Keys {
    pub(super) fn new(keys: Vec<Key>) -> Keys {
        Keys(keys)
    }

    /// The keys a token of this algorithm and `kid` may be signed with: those of its name, those
    /// without a name, and for a token that names none the only one of its algorithm.
    pub(super) fn fitting(
        &self,
        algorithm: Algorithm,
        kid: Option<&str>,
    ) -> impl Iterator<Item = &Key> {
        let of_algorithm = move |key: &&Key| key.algorithm == algorithm;
        let only = self.0.iter().filter(of_algorithm).count() == 1;
        self.0
            .iter()
            .filter(of_algorithm)
            .filter(move |key| match (&key.kid, kid) {
                (None, _) => true,
                (Some(key), Some(token)) => key == token,
                (Some(_), None) => only,
            })
    }
}
