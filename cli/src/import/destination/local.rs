//! Deeds into a node in this process; no server may run on the same folder.

use std::sync::Arc;

use anyhow::bail;
use tidings_core::{
    domain::{Command, ConversationCommand, ConversationId, Refusal, UserId},
    handler::{Answer, Chain, Submission},
    log::Lane,
    node::Node,
};
use tokio::sync::oneshot;

use crate::{
    config::Config,
    import::deed::{Answered, Ask, Deed, Outcome},
    server,
};

/// Deeds on their way at a time.
pub(super) const BATCH: usize = 20_000;

/// Cap on members of a group, unless another is asked for.
pub(super) const MAX_MEMBERS: u32 = 100_000;

/// A node of the import's own.
pub(crate) struct Local(Arc<Node>);

impl Local {
    /// Starts the node. Its groups may have `max_members` whatever the configuration says: who can
    /// write it can also import.
    pub(crate) async fn start(
        mut config: Config,
        max_members: Option<u32>,
    ) -> anyhow::Result<Local> {
        let limit = max_members.unwrap_or(MAX_MEMBERS);
        config.messages.group_members = config.messages.group_members.max(limit);
        Ok(Local(server::node(&config).await?.0))
    }

    pub(super) async fn carry_out(&self, deeds: &[Deed]) -> anyhow::Result<Vec<Answered>> {
        let chain = Chain::default();
        let mut on_their_way = Vec::with_capacity(deeds.len());
        for deed in deeds {
            on_their_way.push(self.submit(deed, &chain)?);
        }
        let mut answers = Vec::with_capacity(deeds.len());
        for (group, told) in on_their_way {
            let outcome = match told.await? {
                Answer::Accepted(accepted) if accepted.duplicate => Outcome::Known,
                Answer::Accepted(_) => Outcome::Done,
                Answer::Refused(Refusal::NotMember) => Outcome::NotMember,
                Answer::Refused(Refusal::CommandIdReused) => Outcome::IdReused,
                Answer::Refused(refusal) => Outcome::Refused(refusal.to_string()),
                Answer::Unavailable(why) => bail!("{why}"),
            };
            let group = Some(group.0);
            answers.push(Answered { outcome, group });
        }
        Ok(answers)
    }

    fn submit(
        &self,
        deed: &Deed,
        chain: &Chain,
    ) -> anyhow::Result<(ConversationId, oneshot::Receiver<Answer>)> {
        let Local(node) = self;
        let actor = UserId::new(&deed.actor)?;
        let key: Vec<&[u8]> = deed.key.iter().map(String::as_bytes).collect();
        let id = node.ids.command(&format!("import {}", deed.source), &key);
        let (group, command) = match &deed.ask {
            Ask::CreateGroup { title, max_members } => (
                node.ids.group(&actor, id),
                ConversationCommand::CreateGroup {
                    title: title.clone(),
                    members: Vec::new(),
                    history_from_start: true,
                    max_members: *max_members,
                },
            ),
            Ask::AddMembers { group, users } => {
                let users = users.iter().map(|user| UserId::new(user));
                let users = users.collect::<Result<_, _>>()?;
                (
                    ConversationId(*group),
                    ConversationCommand::AddMembers { users },
                )
            }
            Ask::Join { group } => (ConversationId(*group), ConversationCommand::Join),
            Ask::Leave { group } => {
                let leave = ConversationCommand::Leave { force: true };
                (ConversationId(*group), leave)
            }
            Ask::Post { group, text } => {
                let post = ConversationCommand::Post {
                    text: text.clone(),
                    reply_to: 0,
                    mentions: Vec::new(),
                };
                (ConversationId(*group), post)
            }
        };
        let (tell, told) = oneshot::channel();
        let of = chain.clone();
        node.handler.submit(Submission {
            actor,
            command: Command::Conversation(group, command),
            id: Some(id),
            happened_ms: deed.happened_ms,
            known: 0,
            chain: Some(chain.clone()),
            trace: None,
            reply: Box::new(move |answer| {
                of.answered(&answer);
                drop(tell.send(answer));
            }),
        });
        Ok((group, told))
    }

    pub(super) async fn settle(&self) -> anyhow::Result<()> {
        let last = self.0.log.head(Lane::Journal).await?;
        self.0.projections.reached(last.0).await;
        Ok(())
    }

    pub(super) async fn stop(self) -> anyhow::Result<()> {
        Ok(tokio::task::spawn_blocking(move || self.0.stop()).await?)
    }
}
