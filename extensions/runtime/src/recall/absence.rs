//! What somebody has missed.

use tidings_core::{
    content,
    domain::{ConversationId, UserId},
    keys::KeyError,
    projections::{
        ReadError,
        read::{self, ConversationView, Viewer},
        rows,
    },
};
use tidings_extension_host::input;

use crate::{server::Shared, views};

/// Members of a group up to which all of them are looked after; of larger ones those who are mentioned.
pub(super) const MEMBERS: u32 = 256;

/// Conversations that an absence tells of.
const CONVERSATIONS: usize = 20;

/// Unread messages of a conversation that are looked at for mentions.
const MENTIONS: u64 = 100;

/// Conversations looked at a time: nothing is folded meanwhile.
const LOOK: usize = 64;

/// Why it cannot be told.
#[derive(Debug, thiserror::Error)]
pub(super) enum AbsenceError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Keys(#[from] KeyError),
}

/// What somebody has missed.
pub(super) struct Missed {
    /// With texts.
    pub(super) absence: input::Absence,
    /// The conversations it tells of.
    pub(super) conversations: Vec<ConversationId>,
}

/// What somebody has missed since they went; nothing where that is nothing.
pub(super) async fn missed(
    shared: &Shared,
    user: &UserId,
    since: u64,
) -> Result<Option<Missed>, AbsenceError> {
    let node = &shared.node;
    let (viewer, all) = {
        let rows = node.projections.read();
        if read::is_erased(&rows, user)? {
            return Ok(None);
        }
        let viewer = Viewer::load(&rows, user)?;
        (viewer, read::memberships(&rows, user)?)
    };
    let mut unread = 0;
    let mut found: Vec<(ConversationView, u32)> = Vec::new();
    for some in all.chunks(LOOK) {
        {
            let rows = node.projections.read();
            for (id, membership) in some {
                if membership.muted {
                    continue;
                }
                let view = read::conversation(&rows, rows.cursor(), &viewer, *id)?;
                let Some(view) = view.filter(|view| view.unread > 0 && view.role.is_some()) else {
                    continue;
                };
                let mentions = mentions(&rows, &viewer, &view)?;
                if view.member_count > MEMBERS && mentions == 0 {
                    continue;
                }
                unread += view.unread;
                found.push((view, mentions));
            }
        }
        // As many as are told, and no more texts than that in memory.
        found.sort_by_key(|(view, _)| std::cmp::Reverse(view.activity_position));
        found.truncate(CONVERSATIONS);
        tokio::task::yield_now().await;
    }
    if found.is_empty() {
        return Ok(None);
    }
    let count = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let conversations = found.iter().map(|(view, _)| view.id).collect();
    let mut told = Vec::with_capacity(found.len());
    for (view, mentions) in found {
        let mut last: Vec<_> = view.last_message.into_iter().collect();
        content::open_messages(&*node.keys, &mut last).await?;
        told.push(input::Missed {
            conversation: view.id.to_string(),
            unread: count(view.unread),
            mentions,
            last_message: last.first().map(views::message),
        });
    }
    Ok(Some(Missed {
        absence: input::Absence {
            user: user.to_string(),
            since,
            unread: count(unread),
            conversations: told,
        },
        conversations,
    }))
}

/// How many of the unread messages mention the viewer, of the last ones.
fn mentions(
    rows: &dyn rows::Rows,
    viewer: &Viewer,
    view: &ConversationView,
) -> Result<u32, ReadError> {
    let from = view.read_seq.max(view.last_seq.saturating_sub(MENTIONS)) + 1;
    let mut found = 0;
    for seq in from..=view.last_seq {
        let message = read::message(rows, viewer, view.id, seq)?;
        let of = |message: &read::MessageView| {
            message.mentions.contains(&viewer.user) && !viewer.blocks(&message.author)
        };
        found += u32::from(message.as_ref().is_some_and(of));
    }
    Ok(found)
}

/// How far somebody has read in all their conversations: another number once they have read something.
pub(super) fn read_so_far(shared: &Shared, user: &UserId) -> Result<u64, ReadError> {
    let rows = shared.node.projections.read();
    let mut sum: u64 = 0;
    for (id, _) in read::memberships(&rows, user)? {
        let member = read::member(&rows, id, user)?;
        sum = sum.wrapping_add(member.map_or(0, |member| member.read_seq));
    }
    Ok(sum)
}

/// The same for an extension that may not read texts.
pub(super) fn without_content(absence: &input::Absence) -> input::Absence {
    let mut absence = absence.clone();
    for missed in &mut absence.conversations {
        if let Some(message) = &mut missed.last_message {
            message.text = None;
        }
    }
    absence
}
