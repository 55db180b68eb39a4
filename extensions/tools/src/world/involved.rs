//! Whom and which conversations a call is about: as far as an extension reaches that does not ask for all.

use std::collections::BTreeSet;

use tidings_extension_host::Refusal;
use tidings_extension_manifest::{Manifest, Reach};

use super::World;

/// Whom and which conversations a call is about.
#[derive(Debug, Clone, Default)]
pub struct Involved {
    users: BTreeSet<String>,
    conversations: BTreeSet<String>,
}

impl Involved {
    /// These, and the present members of these conversations.
    pub fn new(
        world: &World,
        users: impl IntoIterator<Item = String>,
        conversations: impl IntoIterator<Item = String>,
    ) -> Self {
        let mut users: BTreeSet<String> = users.into_iter().collect();
        let conversations: BTreeSet<String> = conversations.into_iter().collect();
        for conversation in &conversations {
            let room = world.conversations.get(conversation);
            users.extend(
                room.into_iter()
                    .flat_map(|room| room.members.iter().cloned()),
            );
        }
        Self {
            users,
            conversations,
        }
    }

    pub(super) fn user(&self, manifest: &Manifest, user: &str) -> Result<(), Refusal> {
        if manifest.grants.users == Reach::All || self.users.contains(user) {
            return Ok(());
        }
        Err(Refusal::Denied(format!(
            "the call is not about {user}: that takes grants.users = \"all\""
        )))
    }

    pub(super) fn conversation(
        &self,
        manifest: &Manifest,
        conversation: &str,
    ) -> Result<(), Refusal> {
        if manifest.grants.conversations == Reach::All || self.conversations.contains(conversation)
        {
            return Ok(());
        }
        Err(Refusal::Denied(format!(
            "the call is not about {conversation}: that takes grants.conversations = \"all\""
        )))
    }
}
