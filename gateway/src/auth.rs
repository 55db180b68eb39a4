//! Who is connecting: the verification of connection tokens.
//!
//! A token is a JWT of the product's own backend. The key that fits it decides the algorithm, never
//! the token: secrets check HS256, public keys check EdDSA or RS256 by what they are, and there is
//! no way to present one as the other.

mod callers;
mod claims;
mod config;
mod crypto;
mod jwks;
mod keys;
mod mint;
mod source;
mod table;

use std::sync::Arc;

use jsonwebtoken::{Algorithm, decode_header, errors::ErrorKind};

use self::{
    callers::ApiKeys,
    claims::Claims,
    keys::{Key, Keys},
    source::{FileSource, UrlSource},
};
pub use self::{
    callers::{Caller, SYSTEM_PREFIX, Scope},
    config::{ApiKeyConfig, AuthConfig, AuthConfigError, JwksConfig, Secret, SecretConfig},
    mint::{TokenSigner, sign_hs256},
};

/// Longest token that is looked at, in bytes.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// Clocks of issuers may differ from ours by this much, in milliseconds.
pub const LEEWAY_MS: u64 = 30_000;

/// What a token says about its bearer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The user id: 1 to 128 bytes without control characters.
    pub user: String,
    /// When the token expires, milliseconds since 1970; `None` for never. Told to clients.
    pub expires_ms: Option<u64>,
    /// Until when it is honoured: `expires_ms` and the leeway. A session ends here unless renewed.
    pub honoured_until_ms: Option<u64>,
    /// What it allows beyond being the user: names separated by spaces (OAuth's `scope`).
    pub scope: String,
}

/// The scope of an operator's token, which may import conversations in anyone's name. Users' tokens
/// must not carry it. Its name begins with ours, for issuers may serve other programs as well.
pub const IMPORT_SCOPE: &str = "tidings:import";

impl Identity {
    /// Whether the token allows something beyond being the user.
    pub fn allows(&self, scope: &str) -> bool {
        self.scope.split(' ').any(|allowed| allowed == scope)
    }
}

/// Why a token was refused. The messages may be shown to clients: they never hold the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// It is no JWT, or a claim is missing or of the wrong kind.
    #[error("malformed token: {0}")]
    Malformed(String),
    /// Signed in a way that is not accepted here.
    #[error("token algorithm is not one of HS256, EdDSA, RS256")]
    Algorithm,
    /// Signed with a key that is not known.
    #[error("no key {kid:?} is configured for this token")]
    UnknownKey {
        /// The token's `kid`, empty when it has none.
        kid: String,
    },
    /// Signed with a key that is not known yet: the keys are being fetched again. Try again.
    #[error("key {kid:?} is not known yet, keys are being fetched again")]
    KeyPending {
        /// The token's `kid`, empty when it has none.
        kid: String,
    },
    /// The signature is not that of the key.
    #[error("token signature is wrong")]
    Signature,
    /// It has expired.
    #[error("token expired at {expired_ms} ms since 1970, it is {now_ms} now")]
    Expired {
        /// Its `exp` in milliseconds since 1970.
        expired_ms: u64,
        /// The time it was compared with.
        now_ms: u64,
    },
    /// It is not valid yet.
    #[error("token is not valid before {not_before_ms} ms since 1970, it is {now_ms} now")]
    NotYetValid {
        /// Its `nbf` in milliseconds since 1970.
        not_before_ms: u64,
        /// The time it was compared with.
        now_ms: u64,
    },
    /// It comes from another issuer.
    #[error("token is not issued by {expected:?}")]
    Issuer {
        /// The issuer configured.
        expected: String,
    },
    /// It is meant for somebody else.
    #[error("token is not meant for audience {expected:?}")]
    Audience {
        /// The audience configured.
        expected: String,
    },
    /// A development token where they are not allowed.
    #[error("development tokens are not accepted here")]
    Development,
    /// A token of a system account: these act through the backend API only, with an API key.
    #[error("{user:?} is a system account: nobody logs in as one")]
    System {
        /// Its user id.
        user: String,
    },
    /// Neither an API key that is known nor a token.
    #[error("this is no API key that is known here, and no token")]
    ApiKey,
}

impl AuthError {
    /// Whether the same token may be accepted a moment later.
    pub fn retry(&self) -> bool {
        matches!(self, AuthError::KeyPending { .. })
    }
}

/// Checks tokens. Cheap to share; every check is done in memory, in microseconds.
#[derive(Debug)]
pub struct Authenticator {
    development: bool,
    require_expiry: bool,
    checks: claims::Checks,
    secrets: Keys,
    public: Option<Public>,
    api_keys: ApiKeys,
    signer: Option<TokenSigner>,
}

/// Where public keys come from.
#[derive(Debug)]
enum Public {
    File(FileSource),
    Url(UrlSource),
}

impl Authenticator {
    /// Reads the keys.
    ///
    /// With a JWKS URL this blocks for the first fetch, at most five seconds. Its failure is only
    /// logged: a server must be able to start while the issuer is down, and tokens are answered with
    /// [`AuthError::KeyPending`] until a fetch succeeds.
    ///
    /// # Errors
    /// When the configuration cannot work: no way to check tokens, a secret that is too short, a
    /// file that cannot be read or holds no usable key.
    pub fn new(config: &AuthConfig) -> Result<Authenticator, AuthConfigError> {
        crypto::install();
        if config.secrets.is_empty() && config.jwks.is_none() && !config.development {
            return Err(AuthConfigError::NoKeys);
        }
        let mut secrets = Vec::with_capacity(config.secrets.len());
        for secret in &config.secrets {
            secrets.push(Key::secret(secret.kid.clone(), &secret.load()?));
        }
        let public = match &config.jwks {
            None => None,
            Some(jwks) => Some(match (&jwks.file, &jwks.url) {
                (Some(file), None) => Public::File(FileSource::open(file.clone())?),
                (None, Some(url)) => Public::Url(UrlSource::start(url, jwks.refresh())?),
                _ => return Err(AuthConfigError::JwksSource),
            }),
        };
        Ok(Authenticator {
            development: config.development,
            require_expiry: config.require_expiry,
            checks: claims::Checks::new(config.issuer.clone(), config.audience.clone()),
            secrets: Keys::new(secrets),
            public,
            api_keys: ApiKeys::load(&config.api_keys)?,
            signer: TokenSigner::of(config)?,
        })
    }

    /// What signs tokens that are accepted here; `None` where there is no HS256 secret.
    pub fn signer(&self) -> Option<&TokenSigner> {
        self.signer.as_ref()
    }

    /// Who calls the backend API with this API key or token. `now_ms` is the present, milliseconds
    /// since 1970.
    ///
    /// # Errors
    /// Says why it is refused; [`AuthError::retry`] whether for good.
    pub fn caller(&self, bearer: &str, now_ms: u64) -> Result<Caller, AuthError> {
        if let Some(caller) = self.api_keys.find(bearer.as_bytes()) {
            return Ok(caller.clone());
        }
        if !bearer.starts_with("dev:") && bearer.split('.').count() != 3 {
            return Err(AuthError::ApiKey);
        }
        let identity = self.authenticate(bearer, now_ms)?;
        Ok(Caller::of(&identity))
    }

    /// Who the bearer of `token` is. `now_ms` is the present, milliseconds since 1970.
    ///
    /// # Errors
    /// Says why the token is refused; [`AuthError::retry`] whether for good.
    pub fn authenticate(&self, token: &str, now_ms: u64) -> Result<Identity, AuthError> {
        let identity = self.identify(token, now_ms)?;
        if identity.user.starts_with(SYSTEM_PREFIX) {
            return Err(AuthError::System {
                user: identity.user,
            });
        }
        Ok(identity)
    }

    fn identify(&self, token: &str, now_ms: u64) -> Result<Identity, AuthError> {
        if token.len() > MAX_TOKEN_BYTES {
            let (len, max) = (token.len(), MAX_TOKEN_BYTES);
            return Err(AuthError::Malformed(format!(
                "{len} bytes, the limit is {max}"
            )));
        }
        if let Some(user) = token.strip_prefix("dev:") {
            if !self.development {
                return Err(AuthError::Development);
            }
            return Ok(Identity {
                user: claims::user(user)?,
                expires_ms: None,
                honoured_until_ms: None,
                // Who can be anyone can be the operator.
                scope: Scope::ALL.map(|scope| format!("tidings:{scope}")).join(" "),
            });
        }
        let claims = self.verify(token, now_ms)?;
        claims.identity(now_ms, self.require_expiry)
    }

    /// The claims of a token whose signature, issuer and audience are right.
    fn verify(&self, token: &str, now_ms: u64) -> Result<Claims, AuthError> {
        let header = decode_header(token).map_err(|error| match error.kind() {
            // `none` is among those the decoder does not know.
            ErrorKind::Json(_) if names_an_algorithm(token) => AuthError::Algorithm,
            _ => AuthError::Malformed("not a JWT".to_owned()),
        })?;
        if header.crit.is_some() {
            // Extensions a verifier must understand: we understand none.
            return Err(AuthError::Malformed(
                "header `crit` is not supported".to_owned(),
            ));
        }
        let kid = header.kid.as_deref();
        let held;
        let keys: &Keys = match (header.alg, &self.public) {
            (Algorithm::HS256, _) => &self.secrets,
            (Algorithm::EdDSA | Algorithm::RS256, Some(public)) => {
                held = public.keys(now_ms);
                &held
            }
            (Algorithm::EdDSA | Algorithm::RS256, None) => {
                return Err(AuthError::UnknownKey {
                    kid: kid.unwrap_or_default().to_owned(),
                });
            }
            _ => return Err(AuthError::Algorithm),
        };
        let mut tried = false;
        for key in keys.fitting(header.alg, kid) {
            tried = true;
            match self.checks.verify(token, key) {
                Err(AuthError::Signature) => {}
                answer => return answer,
            }
        }
        if tried {
            return Err(AuthError::Signature);
        }
        let kid = kid.unwrap_or_default().to_owned();
        match (&self.public, header.alg) {
            (Some(Public::Url(source)), Algorithm::EdDSA | Algorithm::RS256)
                if source.refetch() =>
            {
                Err(AuthError::KeyPending { kid })
            }
            _ => Err(AuthError::UnknownKey { kid }),
        }
    }
}

impl Public {
    fn keys(&self, now_ms: u64) -> Arc<Keys> {
        match self {
            Public::File(source) => source.keys(now_ms),
            Public::Url(source) => source.keys(),
        }
    }
}

/// Whether the header is JSON with an `alg`, which then is one that is not known.
fn names_an_algorithm(token: &str) -> bool {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let header = token.split('.').next().unwrap_or_default();
    let Ok(header) = URL_SAFE_NO_PAD.decode(header) else {
        return false;
    };
    serde_json::from_slice::<serde_json::Value>(&header)
        .is_ok_and(|header| header["alg"].is_string())
}

#[cfg(test)]
mod tests;
