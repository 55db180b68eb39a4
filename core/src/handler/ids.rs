//! Ids that follow from what they name, so that every retry, on every node, reaches the same stream.

use ring::hmac;
use uuid::Uuid;

use crate::domain::{CommandId, ConversationId, UserId};

/// Derives ids under a server secret: nobody outside can confirm a guess.
#[derive(Clone, Debug)]
pub struct Ids {
    key: hmac::Key,
}

impl Ids {
    /// From the server secret of this log. It must never change: ids depend on it.
    pub fn new(secret: &[u8; 32]) -> Ids {
        Ids {
            key: hmac::Key::new(hmac::HMAC_SHA256, secret),
        }
    }

    /// The direct conversation of two users about a context. Either order gives the same.
    pub fn direct(&self, a: &UserId, b: &UserId, context: &str) -> ConversationId {
        let (first, second) = if a <= b { (a, b) } else { (b, a) };
        ConversationId(self.derive(
            b"direct",
            &[first.as_bytes(), second.as_bytes(), context.as_bytes()],
        ))
    }

    /// The group a command creates: a retry names the same one.
    pub fn group(&self, creator: &UserId, command: CommandId) -> ConversationId {
        ConversationId(self.derive(b"group", &[creator.as_bytes(), command.0.as_bytes()]))
    }

    /// A command that follows from something named by `parts` (an imported line, an extension's
    /// intent): done once however often it is tried, and never too old.
    pub fn command(&self, purpose: &str, parts: &[&[u8]]) -> CommandId {
        let mut all = vec![purpose.as_bytes()];
        all.extend_from_slice(parts);
        CommandId(self.derive(b"command", &all))
    }

    /// A secret for something else that has to stay the same through restarts.
    pub fn secret(&self, purpose: &str) -> [u8; 32] {
        let tag = self.tag(b"secret", &[purpose.as_bytes()]);
        tag.as_ref().try_into().expect("a SHA-256 tag has 32 bytes")
    }

    /// A value by which another secret is recognised as such. It tells nothing of this one.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.secret("fingerprint")
    }

    fn derive(&self, label: &[u8], parts: &[&[u8]]) -> Uuid {
        let tag = self.tag(label, parts);
        let bytes: [u8; 16] = tag.as_ref()[..16]
            .try_into()
            .expect("a SHA-256 tag has 32 bytes");
        uuid::Builder::from_custom_bytes(bytes).into_uuid()
    }

    fn tag(&self, label: &[u8], parts: &[&[u8]]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(label);
        for part in parts {
            // Lengths keep ("ab", "c") and ("a", "bc") apart.
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        context.sign()
    }
}

#[cfg(test)]
mod tests;
