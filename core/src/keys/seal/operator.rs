//! The operator key: it wraps all others, and lives outside the store of what it wraps.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::aead::NONCE_LEN;
use ring::rand::SecureRandom;

use super::{ContentKey, KEY, OVERHEAD, OpenError, RawKey};
use crate::keys::KeyId;

/// Bytes of a wrapped key.
pub const WRAPPED: usize = KEY + OVERHEAD;

/// Why there is no operator key.
#[derive(Debug, thiserror::Error)]
pub enum OperatorKeyError {
    /// Neither 64 hexadecimal digits nor the base64 of 32 bytes.
    #[error("an operator key has 32 bytes, written as 64 hexadecimal digits or in base64")]
    Malformed,
    /// Others may read the file.
    #[error("others may read {path}, its mode is {mode:o}: make it 600")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file cannot be read or made.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The key that wraps all others.
pub struct OperatorKey(ContentKey);

impl fmt::Debug for OperatorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OperatorKey")
    }
}

impl OperatorKey {
    /// The key of these bytes.
    pub fn new(raw: &RawKey) -> Self {
        OperatorKey(ContentKey::new(raw))
    }

    /// Reads 64 hexadecimal digits or the base64 of 32 bytes, as they stand in a file or in the
    /// environment. White space around is ignored.
    pub fn parse(text: &str) -> Result<Self, OperatorKeyError> {
        let text = text.trim();
        let bytes = match text.len() {
            64 => from_hex(text),
            _ => STANDARD
                .decode(text)
                .ok()
                .and_then(|bytes| bytes.try_into().ok()),
        };
        bytes
            .map(|bytes| Self::new(&RawKey::from_bytes(bytes)))
            .ok_or(OperatorKeyError::Malformed)
    }

    /// Reads the key from a file that nobody but its owner may read.
    pub fn load(path: &Path) -> Result<Self, OperatorKeyError> {
        let io = |source| OperatorKeyError::Io {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(io)?;
        let mode = file.metadata().map_err(io)?.mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(OperatorKeyError::Exposed {
                path: path.to_owned(),
                mode,
            });
        }
        Self::parse(&io::read_to_string(file).map_err(io)?)
    }

    /// Makes a key and writes it to a new file that nobody but its owner may read. Of several
    /// processes doing this at once, one makes the file, and all get its key.
    pub fn load_or_generate(
        path: &Path,
        random: &dyn SecureRandom,
    ) -> Result<Self, OperatorKeyError> {
        match Self::load(path) {
            Err(OperatorKeyError::Io { source, .. })
                if source.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        let io = |source| OperatorKeyError::Io {
            path: path.to_owned(),
            source,
        };
        let raw = RawKey::generate(random);
        let mut text: String = raw.0.iter().map(|byte| format!("{byte:02x}")).collect();
        text.push('\n');
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}", std::process::id()));
        let new = PathBuf::from(name);
        let made = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new);
        let linked = made
            .and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_all()
            })
            // Unlike a rename this does not replace a file that another process has just made.
            .and_then(|()| match std::fs::hard_link(&new, path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                other => other,
            });
        let removed = std::fs::remove_file(&new);
        linked.and(removed).map_err(io)?;
        if let Some(parent) = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            File::open(parent)
                .and_then(|dir| dir.sync_all())
                .map_err(io)?;
        }
        Self::load(path)
    }

    /// Wraps a key for storage, bound to its id.
    pub fn wrap(&self, id: &KeyId, raw: &RawKey, random: &dyn SecureRandom) -> [u8; WRAPPED] {
        let mut nonce = [0; NONCE_LEN];
        random.fill(&mut nonce).expect("the system has randomness");
        let wrapped = self.0.seal(&aad(id), nonce, &raw.0);
        wrapped[..]
            .try_into()
            .expect("a wrapped key has a fixed length")
    }

    /// Unwraps a stored key.
    pub fn unwrap(&self, id: &KeyId, wrapped: &[u8]) -> Result<RawKey, OpenError> {
        let mut bytes = self.0.open(&aad(id), wrapped)?;
        let raw = bytes[..]
            .try_into()
            .map(RawKey::from_bytes)
            .map_err(|_| OpenError::Rejected);
        bytes.fill(0);
        std::hint::black_box(&bytes);
        raw
    }

    /// A value by which [`OperatorKey::recognises`] tells this key from others.
    pub fn mark(&self, random: &dyn SecureRandom) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        random.fill(&mut nonce).expect("the system has randomness");
        self.0.seal(MARK, nonce, b"").into()
    }

    /// Whether `mark` was made with this key.
    pub fn recognises(&self, mark: &[u8]) -> bool {
        self.0.open(MARK, mark).is_ok()
    }
}

const MARK: &[u8] = b"tidings operator key 1";

fn aad(id: &KeyId) -> Vec<u8> {
    [b"tidings key 1", &id.to_bytes()[..]].concat()
}

fn from_hex(text: &str) -> Option<[u8; KEY]> {
    let mut bytes = [0; KEY];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = (digit(0)? * 16 + digit(1)?) as u8;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use ring::rand::SystemRandom;
    use uuid::Uuid;

    use super::*;

    fn id(author: &str) -> KeyId {
        KeyId::Content {
            conversation: Uuid::from_u128(1),
            author: author.into(),
        }
    }

    fn random() -> SystemRandom {
        #[expect(clippy::disallowed_methods, reason = "the test hands it in")]
        SystemRandom::new()
    }

    #[test]
    fn a_wrapped_key_is_bound_to_its_id_and_operator_key() {
        let operator = OperatorKey::new(&RawKey::from_bytes([1; KEY]));
        let raw = RawKey::generate(&random());
        let wrapped = operator.wrap(&id("eve"), &raw, &random());
        assert_eq!(operator.unwrap(&id("eve"), &wrapped).unwrap().0, raw.0);
        assert_eq!(
            operator.unwrap(&id("bob"), &wrapped).unwrap_err(),
            OpenError::Rejected
        );
        let other = OperatorKey::new(&RawKey::from_bytes([2; KEY]));
        assert_eq!(
            other.unwrap(&id("eve"), &wrapped).unwrap_err(),
            OpenError::Rejected
        );
        assert!(operator.recognises(&operator.mark(&random())));
        assert!(!operator.recognises(&other.mark(&random())));
    }

    #[test]
    fn reads_hex_and_base64() {
        let mark = OperatorKey::new(&RawKey::from_bytes([0xAB; KEY])).mark(&random());
        let hex = "aB".repeat(32);
        let base64 = "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=";
        for text in [hex.as_str(), base64, &format!("  {base64}\n")] {
            assert!(
                OperatorKey::parse(text).unwrap().recognises(&mark),
                "{text}"
            );
        }
        for text in [
            "",
            "ab",
            &"xy".repeat(32),
            &"ab".repeat(31),
            &"ä".repeat(32),
            "q6ur",
        ] {
            let refused = OperatorKey::parse(text);
            assert!(
                matches!(refused, Err(OperatorKeyError::Malformed)),
                "{text}"
            );
        }
    }

    #[test]
    fn the_first_start_makes_a_key_that_only_the_owner_may_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("operator.key");
        let mark = OperatorKey::load_or_generate(&path, &random())
            .unwrap()
            .mark(&random());
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(
            std::fs::read_dir(dir.path()).unwrap().count(),
            1,
            "nothing is left over"
        );
        let again = OperatorKey::load_or_generate(&path, &random()).unwrap();
        assert!(again.recognises(&mark), "the second start finds it");

        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let refused = OperatorKey::load_or_generate(&path, &random()).unwrap_err();
        assert!(
            refused
                .to_string()
                .ends_with("its mode is 640: make it 600"),
            "{refused}"
        );
    }
}
