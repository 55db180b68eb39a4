//! What a command asks, in four bytes: kept with its id, so that an id used for something else is noticed.

use crate::domain::{Command, ConversationCommand, ExtensionCommand, UserCommand, command::Held};

#[cfg(test)]
mod tests;

/// Digest of a command. It stands in the log: were it to change, a retry that spans an upgrade would
/// be taken for another command.
pub fn digest(command: &Command) -> u32 {
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
    // What moderation said neither: it may say something else another time.
    if let Command::Reviewed(reviewed) = command {
        return reviewed.digest;
    }
    // Nor what an extension answered.
    if let Command::Extension(_, ExtensionCommand::Answer(answered)) = command {
        return answered.asked;
    }
    // Nor what is held, which cannot be read any more once it is settled.
    if let Command::Conversation(
        id,
        ConversationCommand::Settle {
            held,
            by,
            release: Some(release),
            reason,
        },
    ) = command
        && **release != Held::default()
    {
        let settle = ConversationCommand::Settle {
            held: *held,
            by: by.clone(),
            release: Some(Box::default()),
            reason: reason.clone(),
        };
        return digest(&Command::Conversation(*id, settle));
    }
    let bytes = postcard::to_allocvec(command).expect("commands encode");
    crc32fast::hash(&bytes)
}
