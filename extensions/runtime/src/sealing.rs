//! Sealing what an extension keeps about somebody: whoever of them is erased takes it along.

use tidings_core::{
    domain::{UserId, extension::Sealed},
    keys::{KeyError, KeyId, KeyState, KeyStore},
};

type Random = dyn ring::rand::SecureRandom + Send + Sync;

/// Why something could not be sealed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealError {
    /// The key store.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// Whom it is about was erased: there is nothing to keep.
    #[error("{0} was erased")]
    Erased(UserId),
}

fn aad(extension: &str, purpose: &str) -> Vec<u8> {
    [
        b"extension\0",
        extension.as_bytes(),
        b"\0",
        purpose.as_bytes(),
    ]
    .concat()
}

/// Seals bytes for each of `subjects` in turn. `purpose` binds them to where they stand.
pub(crate) async fn seal(
    keys: &dyn KeyStore,
    random: &Random,
    extension: &str,
    purpose: &str,
    subjects: Vec<UserId>,
    plain: Vec<u8>,
) -> Result<Sealed, SealError> {
    let mut bytes = plain;
    if !subjects.is_empty() {
        let ids: Vec<KeyId> = subjects
            .iter()
            .map(|user| KeyId::User(user.shared()))
            .collect();
        let states = keys.ensure(&ids).await?;
        for (user, state) in subjects.iter().zip(states) {
            let KeyState::Present(key) = state else {
                return Err(SealError::Erased(user.clone()));
            };
            let mut nonce = [0; 12];
            random.fill(&mut nonce).expect("the system has randomness");
            bytes = key.seal(&aad(extension, purpose), nonce, &bytes).to_vec();
        }
    }
    Ok(Sealed { subjects, bytes })
}

/// Opens what was sealed, if the keys are at hand: `Err` names those that have to be fetched first, `Ok(None)` says that somebody
/// was erased.
pub(crate) fn open_at_hand(
    keys: &dyn KeyStore,
    extension: &str,
    purpose: &str,
    sealed: &Sealed,
) -> Result<Option<Vec<u8>>, Vec<KeyId>> {
    let ids = sealed
        .subjects
        .iter()
        .map(|user| KeyId::User(user.shared()));
    let mut states = Vec::with_capacity(sealed.subjects.len());
    let mut missing = Vec::new();
    for id in ids {
        match keys.cached(&id) {
            Some(state) => states.push(state),
            None => missing.push(id),
        }
    }
    if !missing.is_empty() {
        return Err(missing);
    }
    Ok(opened(&states, extension, purpose, sealed))
}

/// Opens what was sealed; `None` where somebody was erased.
pub(crate) async fn open(
    keys: &dyn KeyStore,
    extension: &str,
    purpose: &str,
    sealed: &Sealed,
) -> Result<Option<Vec<u8>>, KeyError> {
    let ids: Vec<KeyId> = sealed
        .subjects
        .iter()
        .map(|user| KeyId::User(user.shared()))
        .collect();
    let states = if ids.is_empty() {
        Vec::new()
    } else {
        keys.get(&ids).await?
    };
    Ok(opened(&states, extension, purpose, sealed))
}

fn opened(states: &[KeyState], extension: &str, purpose: &str, sealed: &Sealed) -> Option<Vec<u8>> {
    let mut bytes = sealed.bytes.clone();
    for state in states.iter().rev() {
        let KeyState::Present(key) = state else {
            return None;
        };
        bytes = match key.open(&aad(extension, purpose), &bytes) {
            Ok(bytes) => bytes,
            Err(error) => {
                tracing::error!(%error, extension, "what an extension keeps does not open");
                return None;
            }
        };
    }
    Some(bytes)
}
