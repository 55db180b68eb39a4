//! What a token claims, and which of it is believed.

use jsonwebtoken::{Validation, errors::ErrorKind};
use serde::Deserialize;
use serde_json::Number;

use super::{AuthError, Identity, LEEWAY_MS, keys::Key};

/// The claims we read. The decoder checks issuer and audience itself.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    sub: Option<String>,
    exp: Option<Number>,
    nbf: Option<Number>,
    /// Text by RFC 8693; what some issuers write instead grants nothing here and harms nobody.
    #[serde(default)]
    scope: serde_json::Value,
}

impl Claims {
    pub(super) fn identity(self, now_ms: u64, require_exp: bool) -> Result<Identity, AuthError> {
        let not_before_ms = self
            .nbf
            .as_ref()
            .map(|nbf| millis("nbf", nbf))
            .transpose()?;
        if let Some(not_before_ms) = not_before_ms
            && now_ms.saturating_add(LEEWAY_MS) < not_before_ms
        {
            return Err(AuthError::NotYetValid {
                not_before_ms,
                now_ms,
            });
        }
        let expires_ms = self
            .exp
            .as_ref()
            .map(|exp| millis("exp", exp))
            .transpose()?;
        let honoured_until_ms = expires_ms.map(|exp| exp.saturating_add(LEEWAY_MS));
        match (expires_ms, honoured_until_ms) {
            (Some(expired_ms), Some(until)) if now_ms >= until => {
                return Err(AuthError::Expired { expired_ms, now_ms });
            }
            (None, _) if require_exp => {
                return Err(AuthError::Malformed("claim `exp` is missing".to_owned()));
            }
            _ => {}
        }
        let Some(sub) = self.sub else {
            return Err(AuthError::Malformed("claim `sub` is missing".to_owned()));
        };
        Ok(Identity {
            user: user(&sub)?,
            expires_ms,
            honoured_until_ms,
            scope: self.scope.as_str().unwrap_or_default().to_owned(),
        })
    }
}

/// A user id, checked.
pub(super) fn user(id: &str) -> Result<String, AuthError> {
    if id.is_empty() || id.len() > 128 {
        let len = id.len();
        return Err(AuthError::Malformed(format!(
            "user id of {len} bytes, allowed are 1 to 128"
        )));
    }
    if id.chars().any(char::is_control) {
        return Err(AuthError::Malformed(format!(
            "user id {id:?} holds a control character"
        )));
    }
    Ok(id.to_owned())
}

/// A NumericDate: seconds since 1970, which may have decimals.
fn millis(claim: &str, seconds: &Number) -> Result<u64, AuthError> {
    // What clients are told stays below 2^53: beyond it lie the next 285,000 years.
    const MOST: u64 = (1 << 53) - 1;
    if let Some(seconds) = seconds.as_u64() {
        return Ok(seconds.saturating_mul(1000).min(MOST));
    }
    match seconds.as_f64() {
        // Saturates; a date before 1970 is refused.
        Some(seconds) if seconds >= 0.0 => Ok(((seconds * 1000.0) as u64).min(MOST)),
        _ => Err(AuthError::Malformed(format!(
            "claim `{claim}` is {seconds}"
        ))),
    }
}

/// Issuer and audience asked for, ready for the decoder.
#[derive(Debug)]
pub(super) struct Checks {
    issuer: Option<String>,
    audience: Option<String>,
}

impl Checks {
    pub(super) fn new(issuer: Option<String>, audience: Option<String>) -> Checks {
        Checks { issuer, audience }
    }

    /// Checks signature, issuer and audience.
    pub(super) fn verify(&self, token: &str, key: &Key) -> Result<Claims, AuthError> {
        let mut validation = Validation::new(key.algorithm);
        validation.required_spec_claims.clear();
        // The decoder would ask the system's clock; `Claims::identity` goes by the caller's.
        validation.validate_exp = false;
        validation.validate_aud = self.audience.is_some();
        if let Some(issuer) = &self.issuer {
            validation.set_issuer(&[issuer]);
            validation.required_spec_claims.insert("iss".to_owned());
        }
        if let Some(audience) = &self.audience {
            validation.set_audience(&[audience]);
            validation.required_spec_claims.insert("aud".to_owned());
        }
        let issuer = || AuthError::Issuer {
            expected: self.issuer.clone().unwrap_or_default(),
        };
        let audience = || AuthError::Audience {
            expected: self.audience.clone().unwrap_or_default(),
        };
        match jsonwebtoken::decode::<Claims>(token, &key.decoding, &validation) {
            Ok(data) => Ok(data.claims),
            Err(error) => Err(match error.into_kind() {
                ErrorKind::InvalidIssuer => issuer(),
                ErrorKind::InvalidAudience => audience(),
                ErrorKind::MissingRequiredClaim(claim) if claim == "iss" => issuer(),
                ErrorKind::MissingRequiredClaim(claim) if claim == "aud" => audience(),
                ErrorKind::InvalidSignature => AuthError::Signature,
                ErrorKind::InvalidAlgorithm => AuthError::Algorithm,
                kind => AuthError::Malformed(format!("{kind:?}")),
            }),
        }
    }
}
