//! Several that are one toast: who it was so far, as kept in the store between the calls.

use serde::{Deserialize, Serialize};

/// People told apart. More are counted without asking whether they were there before.
const PEOPLE: usize = 64;

/// What happened to somebody since a toast was first shown.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Tally {
    since: u64,
    pub(crate) count: u32,
    /// Hashes of their ids, so that the store holds nothing that names them.
    people: Vec<u64>,
}

impl Tally {
    /// What is stored, if it is not too old to go on with.
    pub(crate) fn read(stored: Option<Vec<u8>>, now: u64, together_ms: u64) -> Self {
        let stored: Option<Self> = stored.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        match stored {
            Some(tally) if now < tally.since.saturating_add(together_ms) => tally,
            _ => Self {
                since: now,
                ..Self::default()
            },
        }
    }

    /// Counts somebody; `false` if they were counted before.
    pub(crate) fn add(&mut self, person: &str) -> bool {
        let hash = hash(person);
        if self.people.contains(&hash) {
            return false;
        }
        if self.people.len() < PEOPLE {
            self.people.push(hash);
        }
        self.count = self.count.saturating_add(1);
        true
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// FNV-1a.
pub(crate) fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_count_once_until_the_time_is_over() {
        let mut tally = Tally::read(None, 1_000, 500);
        assert!(tally.add("ann") && tally.add("bob") && !tally.add("ann"));
        let mut again = Tally::read(Some(tally.write()), 1_499, 500);
        assert!(!again.add("bob"));
        assert_eq!(again.count, 2);
        assert_eq!(Tally::read(Some(tally.write()), 1_500, 500).count, 0);
    }

    #[test]
    fn what_is_stored_stays_small() {
        let mut tally = Tally::default();
        for person in 0..1_000 {
            assert!(tally.add(&format!("user-{person}")));
        }
        assert_eq!(tally.count, 1_000);
        assert!(tally.write().len() < 2_000);
    }

    #[test]
    fn what_cannot_be_read_begins_anew() {
        assert_eq!(
            Tally::read(Some(b"?".to_vec()), 7, 1),
            Tally {
                since: 7,
                ..Tally::default()
            }
        );
    }
}
