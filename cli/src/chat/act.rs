//! Carries commands out.

use tidings_protocol::{
    command::{CreateGroup, EditMessage, PostMessage},
    frame::Request,
    id,
};
use tidings_sdk::{Client, Error};
use uuid::Uuid;

use super::{command::Command, people, text};

/// What came of a command.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Done {
    /// What to tell the user; may be empty, where they see it anyway.
    pub(super) said: String,
    /// The conversation to show now.
    pub(super) open: Option<Uuid>,
}

impl Done {
    fn said(said: impl Into<String>) -> Done {
        Done {
            said: said.into(),
            open: None,
        }
    }
}

/// A command that was not carried out, in words for the user.
#[derive(Debug, thiserror::Error)]
pub(super) enum ActError {
    #[error("{0}")]
    Refused(#[from] Error),
    #[error("open a conversation first")]
    NoConversation,
    #[error("say whom")]
    NoUser,
}

/// Posting a message, naming whom it names.
pub(super) fn post(conversation: Uuid, text: &str, reply_to: u64, members: &[String]) -> Request {
    Request::PostMessage(PostMessage {
        conversation: id::to_wire(conversation),
        text: text.to_owned(),
        reply_to,
        mentions: people::named(text, members),
    })
}

/// Replacing the text of a message.
pub(super) fn edit(conversation: Uuid, seq: u64, text: &str, members: &[String]) -> Request {
    Request::EditMessage(EditMessage {
        conversation: id::to_wire(conversation),
        seq,
        text: text.to_owned(),
        mentions: people::named(text, members),
    })
}

/// Carries out a command in a conversation, if one is open. Returns when the server has answered.
pub(super) async fn carry_out(
    client: &Client,
    conversation: Option<Uuid>,
    members: &[String],
    command: Command,
) -> Result<Done, ActError> {
    let here = conversation.ok_or(ActError::NoConversation);
    match command {
        Command::Reply(seq, text) => {
            client.execute(post(here?, &text, seq, members)).await?;
        }
        Command::Edit(seq, text) => {
            client.execute(edit(here?, seq, &text, members)).await?;
        }
        Command::Retract(seq) => {
            client.retract_message(here?, seq).await?;
        }
        Command::React(seq, reaction) => react(client, here?, seq, &reaction).await?,
        Command::Receipts(seq) => return receipts(client, here?, seq).await,
        Command::Mute(muted) => {
            client.set_muted(here?, muted).await?;
            return Ok(Done::said(if muted {
                "muted"
            } else {
                "not muted any more"
            }));
        }
        Command::Block(user, block) => return set_blocked(client, here.ok(), user, block).await,
        Command::Blocked => {
            let users = client.list_blocked().await?;
            return Ok(Done::said(match users.as_slice() {
                [] => "you have blocked nobody".to_owned(),
                users => format!("blocked: {}", listed(users)),
            }));
        }
        Command::Members => {
            let members = people::of(client, here?).await?;
            let members = members.iter().map(|member| match member.role.as_str() {
                "member" => member.user.clone(),
                role => format!("{} ({role})", member.user),
            });
            return Ok(Done::said(listed(&members.collect::<Vec<_>>())));
        }
        Command::Invite(users) => {
            let said = format!("added {}", listed(&users));
            client.add_members(here?, users).await?;
            return Ok(Done::said(said));
        }
        Command::Remove(user) => {
            client.remove_member(here?, &user).await?;
            return Ok(Done::said(format!("removed {}", text::one_line(&user))));
        }
        Command::Role(user, role) => {
            client.set_role(here?, &user, &role).await?;
            return Ok(Done::said(format!(
                "{} is {role} now",
                text::one_line(&user)
            )));
        }
        Command::Title(title) => {
            client.set_title(here?, &title).await?;
        }
        Command::Leave => {
            client.leave(here?).await?;
            return Ok(Done::said("you have left"));
        }
        Command::Direct(user) => {
            let started = client.start_direct(&user, "").await?;
            return opened(client, started.conversation).await;
        }
        Command::Group(title) => {
            let group = CreateGroup {
                title,
                history_from_start: true,
                ..CreateGroup::default()
            };
            let made = client.create_group(group).await?;
            return opened(client, made.conversation).await;
        }
        // Nothing a server does.
        Command::Help | Command::Quit => {}
    }
    Ok(Done::default())
}

async fn opened(client: &Client, conversation: Uuid) -> Result<Done, ActError> {
    client
        .until(|state| state.conversation(conversation).is_some())
        .await?;
    Ok(Done {
        said: String::new(),
        open: Some(conversation),
    })
}

/// Adds a reaction, or takes it away where it is there.
async fn react(client: &Client, conversation: Uuid, seq: u64, reaction: &str) -> Result<(), Error> {
    let mine = client.with_state(|state| {
        let message = state.conversation(conversation)?.messages().get(&seq)?;
        let mine = |given: &&tidings_protocol::view::Reaction| given.reaction == reaction;
        message.reactions.iter().find(mine).map(|given| given.mine)
    });
    match mine {
        Some(true) => client.remove_reaction(conversation, seq, reaction).await?,
        _ => client.add_reaction(conversation, seq, reaction).await?,
    };
    Ok(())
}

async fn receipts(client: &Client, conversation: Uuid, seq: u64) -> Result<Done, ActError> {
    let receipts = client.get_receipts(conversation, seq).await?;
    let readers: Vec<_> = receipts
        .cursors
        .iter()
        .filter(|cursor| cursor.read_seq >= seq)
        .map(|cursor| cursor.user.clone())
        .collect();
    let mut said = format!(
        "#{seq}: read by {}, delivered to {} of {} others",
        receipts.read, receipts.delivered, receipts.members
    );
    if !readers.is_empty() {
        said = format!("{said}; read by {}", listed(&readers));
    }
    Ok(Done::said(said))
}

async fn set_blocked(
    client: &Client,
    conversation: Option<Uuid>,
    user: Option<String>,
    block: bool,
) -> Result<Done, ActError> {
    let peer = || {
        client.with_state(|state| {
            let peer = &state.conversation(conversation?)?.view().peer;
            (!peer.is_empty()).then(|| peer.clone())
        })
    };
    let user = user.or_else(peer).ok_or(ActError::NoUser)?;
    let shown = text::one_line(&user);
    if block {
        client.block_user(&user).await?;
        return Ok(Done::said(format!("{shown} is blocked")));
    }
    client.unblock_user(&user).await?;
    Ok(Done::said(format!("{shown} is not blocked any more")))
}

fn listed(names: &[String]) -> String {
    text::one_line(&names.join(", "))
}
