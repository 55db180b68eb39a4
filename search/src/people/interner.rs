//! Small numbers for users.

use hashbrown::HashTable;

use super::schema::user_key;

/// Gives each user a number from 0 on. Names stand one after the other in few large blocks: for a million
/// users with ids of 36 bytes about 50 MB. Numbers are never given back while the process runs.
#[derive(Default)]
pub(super) struct Interner {
    /// Where each name is: its block, and its place there.
    names: Vec<(u32, u32, u32)>,
    blocks: Vec<Vec<u8>>,
    table: HashTable<u32>,
}

/// Blocks are never moved when they grow, so that adding a user costs the same always.
const BLOCK_BYTES: usize = 1 << 20;

impl Interner {
    /// The number of a user, if there is one.
    pub(super) fn get(&self, user: &str) -> Option<u32> {
        self.table
            .find(user_key(user), |ordinal| {
                self.name(*ordinal) == user.as_bytes()
            })
            .copied()
    }

    /// The number of a user, a new one if need be.
    pub(super) fn intern(&mut self, user: &str) -> u32 {
        if let Some(ordinal) = self.get(user) {
            return ordinal;
        }
        let ordinal = u32::try_from(self.names.len()).expect("there are less than 2^32 users");
        let full = self
            .blocks
            .last()
            .is_none_or(|block| block.len() + user.len() > block.capacity());
        if full {
            self.blocks
                .push(Vec::with_capacity(BLOCK_BYTES.max(user.len())));
        }
        let block = self.blocks.len() - 1;
        let from = self.blocks[block].len();
        self.blocks[block].extend_from_slice(user.as_bytes());
        self.names
            .push((block as u32, from as u32, user.len() as u32));
        let (names, blocks) = (&self.names, &self.blocks);
        self.table
            .insert_unique(user_key(user), ordinal, |ordinal| {
                let name = name_of(names, blocks, *ordinal);
                super::schema::spread(name.iter().copied())
            });
        ordinal
    }

    fn name(&self, ordinal: u32) -> &[u8] {
        name_of(&self.names, &self.blocks, ordinal)
    }
}

fn name_of<'a>(names: &[(u32, u32, u32)], blocks: &'a [Vec<u8>], ordinal: u32) -> &'a [u8] {
    let (block, from, length) = names[ordinal as usize];
    &blocks[block as usize][from as usize..(from + length) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_user_keeps_one_number() {
        let mut interner = Interner::default();
        let long = "x".repeat(3 * BLOCK_BYTES);
        assert_eq!(interner.intern(&long), 0);
        for user in 0..100_000 {
            assert_eq!(interner.intern(&format!("user-{user}")), user + 1);
        }
        assert_eq!(interner.get("user-77"), Some(78));
        assert_eq!(interner.intern("user-99999"), 100_000);
        assert_eq!(interner.get("user-100000"), None);
        assert_eq!(interner.get(&long), Some(0));
        assert_eq!(interner.names.len(), 100_001);
    }
}
