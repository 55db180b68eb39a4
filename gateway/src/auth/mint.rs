//! Makes tokens: for tools, tests and `tidings token`. In production the product's backend does.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

use super::{AuthConfig, AuthConfigError, crypto};

/// Signs HS256 tokens.
#[derive(Clone, Default)]
pub struct TokenSigner {
    kid: Option<String>,
    secret: Vec<u8>,
    issuer: Option<String>,
    audience: Option<String>,
    scope: Option<&'static str>,
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
}

impl TokenSigner {
    /// Signs with a secret, naming no key, issuer or audience.
    pub fn new(secret: &[u8]) -> TokenSigner {
        TokenSigner {
            secret: secret.to_vec(),
            ..TokenSigner::default()
        }
    }

    /// Signs as a server of this configuration expects, with its first secret; `None` where it has
    /// no secret.
    ///
    /// # Errors
    /// When the secret is too short or cannot be read.
    pub fn of(config: &AuthConfig) -> Result<Option<TokenSigner>, AuthConfigError> {
        let Some(secret) = config.secrets.first() else {
            return Ok(None);
        };
        Ok(Some(TokenSigner {
            kid: secret.kid.clone(),
            secret: secret.load()?,
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            scope: None,
        }))
    }

    /// Tokens that also allow `scope`, such as [`super::IMPORT_SCOPE`].
    pub fn with_scope(self, scope: &'static str) -> TokenSigner {
        TokenSigner {
            scope: Some(scope),
            ..self
        }
    }

    /// A token for `user` until `expires_ms` (milliseconds since 1970, counted in whole seconds).
    pub fn sign(&self, user: &str, expires_ms: u64) -> String {
        crypto::install();
        let header = Header {
            kid: self.kid.clone(),
            ..Header::new(Algorithm::HS256)
        };
        let claims = Claims {
            sub: user,
            exp: expires_ms / 1000,
            iss: self.issuer.as_deref(),
            aud: self.audience.as_deref(),
            scope: self.scope,
        };
        jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(&self.secret))
            .expect("plain claims serialise and HMAC signs")
    }
}

/// A token for `user`, signed with `secret`, until `expires_ms` (milliseconds since 1970).
pub fn sign_hs256(secret: &[u8], user: &str, expires_ms: u64) -> String {
    TokenSigner::new(secret).sign(user, expires_ms)
}

impl std::fmt::Debug for TokenSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenSigner")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}
