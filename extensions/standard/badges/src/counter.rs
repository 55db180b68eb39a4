//! What is kept of one badge of one user.

use serde::{Deserialize, Serialize};

/// People told apart. More are counted without asking whether they were there before.
const PEOPLE: usize = 128;

/// A number, and who it is of.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Counter {
    pub(crate) count: u32,
    /// Hashes of their ids, so that the store holds nothing that names them.
    #[serde(default)]
    people: Vec<u64>,
}

impl Counter {
    /// What is stored; what cannot be read begins anew.
    pub(crate) fn read(stored: Option<&[u8]>) -> Self {
        stored
            .and_then(|bytes| serde_json::from_slice(bytes).ok())
            .unwrap_or_default()
    }

    /// Counts somebody; `false` where the number stays as it is.
    pub(crate) fn add(&mut self, person: &str, distinct: bool, most: u32) -> bool {
        if self.count >= most {
            return false;
        }
        if distinct {
            // FNV-1a.
            let hash = person
                .bytes()
                .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
                    (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
                });
            if self.people.contains(&hash) {
                return false;
            }
            if self.people.len() < PEOPLE {
                self.people.push(hash);
            }
        }
        self.count += 1;
        true
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_person_counts_once_if_that_is_asked() {
        let mut counter = Counter::default();
        assert!(
            counter.add("ann", true, 9)
                && !counter.add("ann", true, 9)
                && counter.add("bob", true, 9)
        );
        assert!(counter.add("ann", false, 9));
        assert_eq!(counter.count, 3);
    }

    proptest! {
        #[test]
        fn it_is_read_as_it_was_written_and_never_beyond_its_most(
            people in prop::collection::vec("[a-z]{1,3}", 0..200), distinct: bool, most in 1u32..100,
        ) {
            let mut counter = Counter::default();
            for person in &people {
                counter.add(person, distinct, most);
            }
            prop_assert!(counter.count <= most && counter.count as usize <= people.len());
            prop_assert!(counter.write().len() < 4_096);
            prop_assert_eq!(Counter::read(Some(&counter.write())), counter);
        }
    }
}
