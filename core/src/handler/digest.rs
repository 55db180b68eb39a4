//! What a command asks, in four bytes: kept with its id, so that an id used for something else is noticed.

use crate::domain::Command;

#[cfg(test)]
mod tests;

/// Digest of a command. It stands in the log: were it to change, a retry that spans an upgrade would
/// be taken for another command.
pub(super) fn digest(command: &Command) -> u32 {
    let bytes = postcard::to_allocvec(command).expect("commands encode");
    crc32fast::hash(&bytes)
}
