//! What a command asks, in four bytes: kept with its id, so that an id used for something else is noticed.

use crate::domain::{Command, UserCommand};

#[cfg(test)]
mod tests;

/// Digest of a command. It stands in the log: were it to change, a retry that spans an upgrade would
/// be taken for another command.
pub(super) fn digest(command: &Command) -> u32 {
    // What the one who asks has seen meanwhile is no part of what is asked.
    if let Command::User(UserCommand::SetProfile {
        attributes,
        hidden,
        same_as: Some(_),
    }) = command
    {
        let (attributes, hidden) = (attributes.clone(), *hidden);
        return digest(&Command::User(UserCommand::SetProfile {
            attributes,
            hidden,
            same_as: None,
        }));
    }
    let bytes = postcard::to_allocvec(command).expect("commands encode");
    crc32fast::hash(&bytes)
}
