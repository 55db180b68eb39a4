//! Sealing: AES-256-GCM, and what is bound to what.
//!
//! A sealed text is one version byte (1), the nonce, the ciphertext and its tag. The same form
//! wraps content keys under the operator key.

use std::fmt;
use std::hint::black_box;

use bytes::Bytes;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::SecureRandom;
use uuid::Uuid;

mod operator;

pub use operator::{OperatorKey, OperatorKeyError, WRAPPED};

const VERSION: u8 = 1;
const TAG: usize = 16;
const HEADER: usize = 1 + NONCE_LEN;

/// Bytes that sealing adds to a text.
pub const OVERHEAD: usize = HEADER + TAG;

/// Bytes of a key.
pub const KEY: usize = 32;

/// Why a sealed text could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Sealed by a later version of this program.
    #[error("sealed text of version {0} is not known")]
    Version(u8),
    /// Not sealed with this key for this place, or damaged.
    #[error("the sealed text does not belong to this key and place, or is damaged")]
    Rejected,
}

/// A key in the clear, while it is made or unwrapped. Overwritten when dropped.
pub struct RawKey([u8; KEY]);

impl RawKey {
    /// A new key.
    pub fn generate(random: &dyn SecureRandom) -> Self {
        let mut key = RawKey([0; KEY]);
        random.fill(&mut key.0).expect("the system has randomness");
        key
    }

    /// A key from elsewhere.
    pub fn from_bytes(bytes: [u8; KEY]) -> Self {
        RawKey(bytes)
    }
}

impl Drop for RawKey {
    fn drop(&mut self) {
        self.0.fill(0);
        // So that the compiler does not drop the writes as dead.
        black_box(&self.0);
    }
}

impl fmt::Debug for RawKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RawKey")
    }
}

/// A key in use. The cipher's tables are computed each time, which costs a tenth of a microsecond: kept,
/// they would take twenty times the memory of the key.
pub struct ContentKey(RawKey);

impl fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentKey")
    }
}

impl ContentKey {
    /// A key from the clear.
    pub fn new(raw: &RawKey) -> Self {
        ContentKey(RawKey(raw.0))
    }

    fn cipher(&self) -> LessSafeKey {
        let key = UnboundKey::new(&AES_256_GCM, &self.0.0).expect("the key has the right length");
        LessSafeKey::new(key)
    }

    /// Seals `plain` and binds it to `aad`. A nonce is never used twice with one key: random ones
    /// are good for four thousand million texts a key.
    pub fn seal(&self, aad: &[u8], nonce: [u8; NONCE_LEN], plain: &[u8]) -> Bytes {
        let mut out = Vec::with_capacity(plain.len() + OVERHEAD);
        out.push(VERSION);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(plain);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self
            .cipher()
            .seal_in_place_separate_tag(nonce, Aad::from(aad), &mut out[HEADER..])
            .expect("a text is shorter than the cipher's limit of 64 GiB");
        out.extend_from_slice(tag.as_ref());
        out.into()
    }

    /// Opens what [`ContentKey::seal`] made with the same key and `aad`.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, OpenError> {
        match sealed.first() {
            Some(&VERSION) => {}
            Some(&version) => return Err(OpenError::Version(version)),
            None => return Err(OpenError::Rejected),
        }
        let (header, body) = sealed.split_at_checked(HEADER).ok_or(OpenError::Rejected)?;
        let nonce = Nonce::try_assume_unique_for_key(&header[1..]).expect("the length is right");
        let mut out = body.to_vec();
        let plain = self.cipher().open_in_place(nonce, Aad::from(aad), &mut out);
        let len = plain.map_err(|_| OpenError::Rejected)?.len();
        out.truncate(len);
        Ok(out)
    }
}

/// What the content of a message is bound to: its place, its author and the command that brought
/// it. So sealed content copied elsewhere does not open.
pub fn content_aad(conversation: Uuid, author: &str, command: Option<Uuid>) -> Vec<u8> {
    const DOMAIN: &[u8] = b"tidings content 1";
    let mut aad = Vec::with_capacity(DOMAIN.len() + 33 + author.len());
    aad.extend_from_slice(DOMAIN);
    aad.extend_from_slice(conversation.as_bytes());
    aad.push(u8::from(command.is_some()));
    aad.extend_from_slice(command.unwrap_or_default().as_bytes());
    aad.extend_from_slice(author.as_bytes());
    aad
}

/// What the payload of an app event is bound to: whom it concerns, what sort of fact it is, who caused
/// it and the command that brought it.
pub fn app_event_aad(subject: &str, kind: &str, actor: &str, command: Option<Uuid>) -> Vec<u8> {
    const DOMAIN: &[u8] = b"tidings app event 1";
    let mut aad = DOMAIN.to_vec();
    aad.push(u8::from(command.is_some()));
    aad.extend_from_slice(command.unwrap_or_default().as_bytes());
    for part in [subject, kind, actor] {
        // Lengths keep ("ab", "c") and ("a", "bc") apart.
        aad.extend_from_slice(&(part.len() as u32).to_be_bytes());
        aad.extend_from_slice(part.as_bytes());
    }
    aad
}

/// What a user's profile is bound to.
pub fn profile_aad(user: &str, command: Option<Uuid>) -> Vec<u8> {
    const DOMAIN: &[u8] = b"tidings profile 1";
    let mut aad = DOMAIN.to_vec();
    aad.push(u8::from(command.is_some()));
    aad.extend_from_slice(command.unwrap_or_default().as_bytes());
    aad.extend_from_slice(user.as_bytes());
    aad
}

/// What the text of a toast is bound to: whose it is, who wanted it shown, of whom it tells and the command that
/// brought it.
pub fn toast_aad(user: &str, source: &str, about: Option<&str>, command: Option<Uuid>) -> Vec<u8> {
    const DOMAIN: &[u8] = b"tidings toast 1";
    let mut aad = DOMAIN.to_vec();
    aad.push(u8::from(command.is_some()));
    aad.extend_from_slice(command.unwrap_or_default().as_bytes());
    // No user's id is empty.
    for part in [user, source, about.unwrap_or_default()] {
        // Lengths keep ("ab", "c") and ("a", "bc") apart.
        aad.extend_from_slice(&(part.len() as u32).to_be_bytes());
        aad.extend_from_slice(part.as_bytes());
    }
    aad
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(byte: u8) -> ContentKey {
        ContentKey::new(&RawKey::from_bytes([byte; KEY]))
    }

    /// Stored content is read for ever: these bytes still open.
    #[test]
    fn the_sealed_form_is_frozen() {
        let sealed = key(7).seal(b"place", [9; 12], b"hello");
        let hex: String = sealed.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, GOLDEN);
    }

    const GOLDEN: &str = "010909090909090909090909094fe0e8f8d17c1131fdda2a550b6a1a0e95041277b6";

    #[test]
    fn aads_differ_in_every_part() {
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let all = [
            content_aad(a, "eve", Some(a)),
            content_aad(b, "eve", Some(a)),
            content_aad(a, "eva", Some(a)),
            content_aad(a, "eve", Some(b)),
            content_aad(a, "eve", None),
            content_aad(a, "eve", Some(Uuid::nil())),
        ];
        for (i, one) in all.iter().enumerate() {
            assert!(!all[i + 1..].contains(one), "{i}");
        }
    }

    #[test]
    fn aads_of_app_events_differ_in_every_part() {
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let all = [
            app_event_aad("eve", "like", "ann", Some(a)),
            app_event_aad("eva", "like", "ann", Some(a)),
            app_event_aad("eve", "likes", "ann", Some(a)),
            app_event_aad("eve", "lik", "eann", Some(a)),
            app_event_aad("eve", "like", "anna", Some(a)),
            app_event_aad("eve", "like", "ann", Some(b)),
            app_event_aad("eve", "like", "ann", None),
            app_event_aad("eve", "like", "ann", Some(Uuid::nil())),
        ];
        for (i, one) in all.iter().enumerate() {
            assert!(!all[i + 1..].contains(one), "{i}");
        }
    }

    #[test]
    fn aads_of_toasts_differ_in_every_part() {
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let all = [
            toast_aad("eve", "likes", Some("ann"), Some(a)),
            toast_aad("eva", "likes", Some("ann"), Some(a)),
            toast_aad("eve", "like", Some("sann"), Some(a)),
            toast_aad("eve", "likes", Some("bob"), Some(a)),
            toast_aad("eve", "likes", None, Some(a)),
            toast_aad("eve", "likes", Some("ann"), Some(b)),
            toast_aad("eve", "likes", Some("ann"), None),
        ];
        for (i, one) in all.iter().enumerate() {
            assert!(!all[i + 1..].contains(one), "{i}");
        }
    }

    #[test]
    fn a_later_version_is_named() {
        let mut sealed = key(1).seal(b"", [0; 12], b"text").to_vec();
        sealed[0] = 2;
        assert_eq!(key(1).open(b"", &sealed), Err(OpenError::Version(2)));
        assert_eq!(key(1).open(b"", b""), Err(OpenError::Rejected));
    }

    proptest! {
        #[test]
        fn only_the_same_key_and_place_open(
            plain in prop::collection::vec(any::<u8>(), 0..300),
            aad in prop::collection::vec(any::<u8>(), 0..60),
            nonce in any::<[u8; 12]>(),
            flip in any::<prop::sample::Index>(),
        ) {
            let sealed = key(1).seal(&aad, nonce, &plain);
            prop_assert_eq!(sealed.len(), plain.len() + OVERHEAD);
            prop_assert_eq!(key(1).open(&aad, &sealed), Ok(plain));
            prop_assert_eq!(key(2).open(&aad, &sealed), Err(OpenError::Rejected));
            let elsewhere = [&aad[..], b"x"].concat();
            prop_assert_eq!(key(1).open(&elsewhere, &sealed), Err(OpenError::Rejected));
            let mut bad = sealed.to_vec();
            bad[flip.index(sealed.len())] ^= 1;
            prop_assert!(key(1).open(&aad, &bad).is_err());
            let short = &sealed[..flip.index(sealed.len())];
            prop_assert_eq!(key(1).open(&aad, short), Err(OpenError::Rejected));
        }
    }
}
