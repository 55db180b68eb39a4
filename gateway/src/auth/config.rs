//! The `[auth]` part of the configuration.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize, Serializer};

use super::{Scope, table};

/// HS256 wants a secret as long as its hash (RFC 7518, 3.2).
const MIN_SECRET_BYTES: usize = 32;

/// How connection tokens are checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuthConfig {
    /// Accepts `dev:<user>` as a token of any user. For development only.
    pub development: bool,
    /// When set, tokens must carry this `iss`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// When set, tokens must carry this `aud`, alone or among others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Refuses tokens without `exp`.
    pub require_expiry: bool,
    /// Secrets for HS256, several while one replaces another.
    #[serde(deserialize_with = "table::many")]
    pub secrets: Vec<SecretConfig>,
    /// Public keys for EdDSA and RS256.
    #[serde(
        deserialize_with = "table::maybe",
        skip_serializing_if = "Option::is_none"
    )]
    pub jwks: Option<JwksConfig>,
    /// Keys of the product's own programs, for the backend API.
    #[serde(
        deserialize_with = "table::many",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub api_keys: Vec<ApiKeyConfig>,
}

impl Default for AuthConfig {
    fn default() -> Self {
        AuthConfig {
            development: false,
            issuer: None,
            audience: None,
            require_expiry: true,
            secrets: Vec::new(),
            jwks: None,
            api_keys: Vec::new(),
        }
    }
}

/// A key of one of the product's programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKeyConfig {
    /// What it is called: 1 to 64 of a-z, 0-9, `_` and `-`. Idempotency keys are remembered under this
    /// name, so a new key under an old name carries on.
    pub name: String,
    /// A file that holds it, at least 32 bytes; white space at the end is not part of it.
    pub file: PathBuf,
    /// What it allows.
    pub scopes: Vec<Scope>,
}

/// One secret, given in place or in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SecretConfig {
    /// The `kid` of tokens signed with it; without one it is tried on every token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// The secret itself, at least 32 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// A file that holds it; white space at the end is not part of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
}

/// A JSON Web Key Set: a file that is read again when it changes, or a URL fetched regularly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JwksConfig {
    /// Path of the set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// `https` URL of the set (`http` for a trusted network only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Seconds between fetches of the URL.
    pub refresh_s: u64,
    /// An unknown key makes for a fetch out of turn, but not within this many seconds of the last.
    pub min_refresh_s: u64,
}

impl Default for JwksConfig {
    fn default() -> Self {
        JwksConfig {
            file: None,
            url: None,
            refresh_s: 300,
            min_refresh_s: 10,
        }
    }
}

/// Text that is never printed.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

/// When a URL is fetched again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refresh {
    pub(super) every: Duration,
    pub(super) at_least: Duration,
}

/// A configuration that cannot work.
#[derive(Debug, thiserror::Error)]
pub enum AuthConfigError {
    /// Nobody could ever log in.
    #[error(
        "no way to check tokens: set auth.secrets or auth.jwks, or auth.development on a developer's machine"
    )]
    NoKeys,
    /// A secret that could be guessed.
    #[error(
        "secret {kid:?} has {len} bytes, at least {MIN_SECRET_BYTES} are needed: make one with `openssl rand -base64 32`"
    )]
    ShortSecret {
        /// Its `kid`, empty when it has none.
        kid: String,
        /// Its length in bytes.
        len: usize,
    },
    /// Neither or both of two ways.
    #[error("secret {kid:?} needs either `secret` or `file`")]
    SecretSource {
        /// Its `kid`, empty when it has none.
        kid: String,
    },
    /// An API key that cannot be told from others.
    #[error("auth.api_keys: {name:?} is no name: use 1 to 64 of a-z, 0-9, _ and -")]
    ApiKeyName {
        /// What it is called.
        name: String,
    },
    /// Two API keys of one name, or one key under two names.
    #[error("auth.api_keys: {name:?} is there twice, or is the same key as another")]
    ApiKeyTwice {
        /// What it is called.
        name: String,
    },
    /// An API key that allows nothing.
    #[error("auth.api_keys: {name:?} has no scopes: name at least one")]
    ApiKeyScopes {
        /// What it is called.
        name: String,
    },
    /// An API key that could be guessed.
    #[error(
        "auth.api_keys: {} holds {len} bytes, at least {MIN_SECRET_BYTES} are needed: `tidings secrets api-key` prints one",
        path.display()
    )]
    ShortApiKey {
        /// Its file.
        path: PathBuf,
        /// Its length in bytes.
        len: usize,
    },
    /// Neither or both of two ways.
    #[error("auth.jwks needs either `file` or `url`")]
    JwksSource,
    /// A URL that cannot be fetched.
    #[error("auth.jwks.url {url:?} is not an http or https URL")]
    Url {
        /// What is configured.
        url: String,
    },
    /// A file that cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file that holds no key set.
    #[error("no usable keys in {}: {reason}", path.display())]
    Jwks {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// A file's contents but for white space at the end.
fn read(path: &Path) -> Result<Vec<u8>, AuthConfigError> {
    let read = fs::read(path).map_err(|error| AuthConfigError::Read {
        path: path.to_owned(),
        error,
    })?;
    Ok(read.trim_ascii_end().to_vec())
}

impl ApiKeyConfig {
    /// The key's bytes.
    pub(super) fn load(&self) -> Result<Vec<u8>, AuthConfigError> {
        let key = read(&self.file)?;
        if key.len() < MIN_SECRET_BYTES {
            let (path, len) = (self.file.clone(), key.len());
            return Err(AuthConfigError::ShortApiKey { path, len });
        }
        Ok(key)
    }
}

impl SecretConfig {
    /// The secret's bytes.
    pub(super) fn load(&self) -> Result<Vec<u8>, AuthConfigError> {
        let kid = || self.kid.clone().unwrap_or_default();
        let secret = match (&self.secret, &self.file) {
            (Some(secret), None) => secret.0.clone().into_bytes(),
            (None, Some(path)) => read(path)?,
            _ => return Err(AuthConfigError::SecretSource { kid: kid() }),
        };
        if secret.len() < MIN_SECRET_BYTES {
            return Err(AuthConfigError::ShortSecret {
                kid: kid(),
                len: secret.len(),
            });
        }
        Ok(secret)
    }
}

impl JwksConfig {
    pub(super) fn refresh(&self) -> Refresh {
        let at_least = Duration::from_secs(self.min_refresh_s);
        Refresh {
            every: Duration::from_secs(self.refresh_s.max(1)).max(at_least),
            at_least,
        }
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Secret {
        Secret(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("(hidden)")
    }
}
