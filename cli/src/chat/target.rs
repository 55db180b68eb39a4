//! Which conversation the user asked for.

use anyhow::bail;
use tidings_protocol::{command, id};
use tidings_sdk::Client;
use uuid::Uuid;

/// As many conversations as a page may hold.
const PAGE: u32 = 100;

#[derive(Debug, Default)]
pub(super) struct Target {
    pub(super) to: Option<String>,
    pub(super) about: String,
    pub(super) group: Option<String>,
    pub(super) with: Vec<String>,
    pub(super) conversation: Option<Uuid>,
}

impl Target {
    /// Finds the conversation, or makes it; none where none was asked for.
    pub(super) async fn find(&self, client: &Client) -> anyhow::Result<Option<Uuid>> {
        if let Some(user) = &self.to {
            let started = client.start_direct(user, &self.about).await?;
            client
                .until(|state| state.conversation(started.conversation).is_some())
                .await?;
            return Ok(Some(started.conversation));
        }
        if let Some(title) = &self.group {
            return self.group(client, title).await.map(Some);
        }
        let Some(conversation) = self.conversation else {
            return Ok(None);
        };
        // The answer becomes part of the client's view.
        client.get_conversation(conversation).await?;
        Ok(Some(conversation))
    }

    async fn group(&self, client: &Client, title: &str) -> anyhow::Result<Uuid> {
        loop {
            let (found, oldest, more) = client.with_state(|state| {
                let list = state.conversations();
                let found: Vec<Uuid> = list
                    .iter()
                    .filter(|one| one.view().kind == "group" && one.view().title == title)
                    .filter_map(|one| id::from_wire(&one.view().id))
                    .collect();
                let oldest = list.last().map_or(0, |one| one.view().activity_position);
                (found, oldest, state.more())
            });
            match found.as_slice() {
                [] if more => client.list_conversations(oldest, PAGE).await?,
                [] if !self.with.is_empty() => return self.make(client, title).await,
                [] => bail!("you are in no group {title:?}; name members with --with to make it"),
                [one] => return Ok(*one),
                several => {
                    let ids: Vec<_> = several.iter().map(Uuid::to_string).collect();
                    bail!(
                        "there are {} groups {title:?}; choose with --conversation: {}",
                        ids.len(),
                        ids.join(", ")
                    )
                }
            };
        }
    }

    async fn make(&self, client: &Client, title: &str) -> anyhow::Result<Uuid> {
        let group = command::CreateGroup {
            title: title.to_owned(),
            members: self.with.clone(),
            history_from_start: true,
            max_members: 0,
        };
        let made = client.create_group(group).await?;
        client
            .until(|state| state.conversation(made.conversation).is_some())
            .await?;
        Ok(made.conversation)
    }
}
