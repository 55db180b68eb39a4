//! What changed for one user since a cursor: the answer to a reconnecting client.
//!
//! The cost follows what changed for this user, not what the log holds: conversations that have
//! not changed since the cursor are passed over by one look at their row, and posted messages are
//! read backwards from the end.

use std::ops::ControlFlow;

use super::{
    ReadError,
    read::{self, ConversationView, HeldView, MessageView, Text, Viewer},
    rows::{self, Rows},
    store::Table,
    unread,
};
use crate::{
    commit::{self, Schema},
    domain::{Content, ConversationId, Event, TICKS_MEMBERS, UserId, event::Role},
};

/// Members that one change names at most as having joined: their ids fit into a frame.
pub const JOINED: usize = 250;

/// An event as one viewer sees it. Everything in it is an absolute fact: applying it twice, or
/// after a newer view of the same thing, changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// (Position, index) in the log.
    pub at: (u64, u32),
    /// Its conversation; `None` for the viewer's own stream.
    pub conversation: Option<ConversationId>,
    /// Who caused it.
    pub actor: UserId,
    /// When, milliseconds since 1970.
    pub at_ms: u64,
    /// What happened.
    pub what: What,
}

/// What happened, as one viewer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    missing_docs,
    reason = "the names are those of the protocol, where each is described"
)]
pub enum What {
    MessagePosted(Box<MessageView>),
    MessageEdited {
        seq: u64,
        author: UserId,
        text: Text,
        mentions: Vec<UserId>,
    },
    /// `settles`: the viewer is not its author, and may settle it.
    MessageHeld {
        held: Box<HeldView>,
        settles: bool,
    },
    MessageReleased {
        held: u64,
    },
    MessageRejected {
        held: u64,
        reason: String,
    },
    MessageRetracted {
        seq: u64,
        author: UserId,
        countable: bool,
    },
    ReactionAdded {
        seq: u64,
        reaction: String,
        count: u32,
    },
    ReactionRemoved {
        seq: u64,
        reaction: String,
        count: u32,
    },
    /// `unread`: what is left and as of which position, in the reader's own.
    ReadUpTo {
        user: UserId,
        seq: u64,
        unread: Option<(u64, u64)>,
    },
    DeliveredUpTo {
        user: UserId,
        seq: u64,
    },
    ConversationAdded(Box<ConversationView>),
    /// Others, by one command: at most [`JOINED`] of them.
    MembersJoined {
        users: Vec<UserId>,
        member_count: u32,
    },
    MemberLeft {
        user: UserId,
        member_count: u32,
        removed: bool,
    },
    RoleChanged {
        user: UserId,
        role: Role,
    },
    TitleChanged {
        title: String,
    },
    MutedChanged {
        conversation: ConversationId,
        muted: bool,
    },
    UserBlocked {
        user: UserId,
    },
    UserUnblocked {
        user: UserId,
    },
    VisibilityChanged {
        invisible: bool,
    },
    ContactChanged(read::ContactView),
    ToastQueued {
        toast: Box<read::ToastView>,
        replaces: Vec<u64>,
    },
    ToastsSeen {
        toasts: Vec<u64>,
    },
    BadgeSet(read::BadgeView),
}

/// What a cursor leads to.
#[derive(Debug)]
pub enum Resume {
    /// Everything since, in order.
    Changes(Vec<Change>),
    /// More than fits: the client gets a reset.
    Gap,
}

/// The changes for the viewer after `cursor`, at most `limit`. `as_of` is the position of `rows`.
pub fn since(
    rows: &dyn Rows,
    as_of: u64,
    viewer: &Viewer,
    cursor: (u64, u32),
    limit: usize,
) -> Result<Resume, ReadError> {
    let mut since = Since {
        rows,
        as_of,
        viewer,
        cursor,
        limit,
        found: Vec::new(),
    };
    if !since.own_stream()? {
        return Ok(Resume::Gap);
    }
    for (id, _) in read::memberships(rows, &viewer.user)? {
        let Some(row) = read::row(rows, id)? else {
            continue;
        };
        if row.changed_position >= cursor.0 && !since.conversation(id, &row)? {
            return Ok(Resume::Gap);
        }
    }
    let mut found = since.found;
    found.sort_by_key(|change| change.at);
    Ok(Resume::Changes(found))
}

struct Since<'a> {
    rows: &'a dyn Rows,
    as_of: u64,
    viewer: &'a Viewer,
    cursor: (u64, u32),
    limit: usize,
    found: Vec<Change>,
}

impl Since<'_> {
    /// Adds the changes of the viewer's own stream; false when there are too many.
    fn own_stream(&mut self) -> Result<bool, ReadError> {
        let user = self.viewer.user.clone();
        let from = rows::user_change(&user, (self.cursor.0, self.cursor.1.saturating_add(1)));
        let to = rows::user_change(&user, (u64::MAX, u32::MAX));
        let Some(changes) = self.changes(&from, &to)? else {
            return Ok(false);
        };
        for (at, actor, at_ms, event) in changes {
            let what = match event {
                Event::ConversationMuted {
                    conversation,
                    muted,
                } => What::MutedChanged {
                    conversation,
                    muted,
                },
                Event::UserBlocked { user } => What::UserBlocked { user },
                Event::UserUnblocked { user } => What::UserUnblocked { user },
                Event::VisibilityChanged { invisible } => What::VisibilityChanged { invisible },
                Event::ContactAdded { user: other } | Event::ContactRemoved { user: other } => {
                    let own = actor == self.viewer.user;
                    let with = if own { other } else { actor.clone() };
                    match read::contact(self.rows, self.viewer, &with)? {
                        Some(contact) => What::ContactChanged(contact),
                        None => continue,
                    }
                }
                Event::ToastsSeen { toasts } => What::ToastsSeen { toasts },
                _ => continue,
            };
            if !self.add(Change {
                at,
                conversation: None,
                actor,
                at_ms,
                what,
            }) {
                return Ok(false);
            }
        }
        self.notifications()
    }

    /// Adds the toasts that wait and the badges, those set since; false when there are too many.
    fn notifications(&mut self) -> Result<bool, ReadError> {
        let user = self.viewer.user.clone();
        for toast in read::toasts(self.rows, &user, 0)? {
            if toast.at <= self.cursor {
                continue;
            }
            // What it took the place of is told with it: a cursor leads to one of both, or behind them.
            let same = |change: &Change| {
                change.at == toast.at && matches!(change.what, What::ToastsSeen { .. })
            };
            let replaces = match self.found.iter().position(same) {
                Some(at) => match self.found.remove(at).what {
                    What::ToastsSeen { toasts } => toasts,
                    _ => Vec::new(),
                },
                None => Vec::new(),
            };
            let change = Change {
                at: toast.at,
                conversation: None,
                actor: user.clone(),
                at_ms: toast.at_ms,
                what: What::ToastQueued {
                    toast: Box::new(toast),
                    replaces,
                },
            };
            if !self.add(change) {
                return Ok(false);
            }
        }
        for badge in read::badges(self.rows, &user)? {
            let change = Change {
                at: badge.at,
                conversation: None,
                actor: user.clone(),
                at_ms: badge.at_ms,
                what: What::BadgeSet(badge),
            };
            if change.at > self.cursor && !self.add(change) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Adds the changes of one conversation; false when there are too many.
    fn conversation(
        &mut self,
        id: ConversationId,
        row: &rows::Conversation,
    ) -> Result<bool, ReadError> {
        let Some(member) = read::member(self.rows, id, &self.viewer.user)? else {
            return Ok(true);
        };
        // Joined since: the whole view says more than its parts.
        let joined = member.joined();
        let mut after = self.cursor;
        if joined > self.cursor {
            match read::conversation(self.rows, self.as_of, self.viewer, id)? {
                Some(view) => {
                    let change = Change {
                        at: joined,
                        conversation: Some(id),
                        actor: self.viewer.user.clone(),
                        at_ms: member.joined_ms,
                        what: What::ConversationAdded(Box::new(view)),
                    };
                    if !self.add(change) {
                        return Ok(false);
                    }
                }
                None => return Ok(true),
            }
            after = joined;
        }
        // Messages posted since, newest first, down to the first one that is known.
        let visible = member.last_visible(row.last_seq);
        let mut first_new = visible + 1;
        loop {
            let seq = first_new - 1;
            if seq == 0 {
                break;
            }
            let Some(value) = self.rows.get(Table::Messages, &rows::message(id, seq))? else {
                break;
            };
            let at = rows::decode::<rows::Message<'_>>(Table::Messages, &value)?.at;
            if at <= after {
                break;
            }
            first_new = seq;
            // Hidden ones count too: they cost as much as those that are shown.
            if (visible - seq) as usize >= self.limit {
                return Ok(false);
            }
            if let Some(message) = read::message(self.rows, self.viewer, id, seq)? {
                let change = Change {
                    at,
                    conversation: Some(id),
                    actor: message.author.clone(),
                    at_ms: message.at_ms,
                    what: What::MessagePosted(Box::new(message)),
                };
                if !self.add(change) {
                    return Ok(false);
                }
            }
        }
        // Nothing earlier than the last span: see `after`. Nothing later than their leaving.
        let until = member
            .spans
            .last()
            .and_then(|span| span.until)
            .unwrap_or((u64::MAX, u32::MAX - 1));
        let from = rows::conversation_change(id, (after.0, after.1.saturating_add(1)));
        let to = rows::conversation_change(id, (until.0, until.1 + 1));
        if !self.told(id, row, &member, first_new, (&from, &to))? {
            return Ok(false);
        }
        if member.role.is_some() {
            return self.cursors(id, row, after);
        }
        // Whoever has left sees nobody's cursors move any more, but still what is taken back.
        let from = after.max(until);
        let from = rows::past_change(id, (from.0, from.1.saturating_add(1)));
        let to = rows::past_change(id, (u64::MAX, u32::MAX));
        self.told(id, row, &member, first_new, (&from, &to))
    }

    /// Adds the stored changes between two keys; false when there are too many.
    fn told(
        &mut self,
        id: ConversationId,
        row: &rows::Conversation,
        member: &rows::Member,
        first_new: u64,
        (from, to): (&[u8], &[u8]),
    ) -> Result<bool, ReadError> {
        let Some(changes) = self.changes(from, to)? else {
            return Ok(false);
        };
        for (at, actor, at_ms, event) in changes {
            let Some(what) = self.what((id, row), member, first_new, &actor, event)? else {
                continue;
            };
            let change = Change {
                at,
                conversation: Some(id),
                actor,
                at_ms,
                what,
            };
            if !self.add(change) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// An event as the viewer sees it now; `None` when it says nothing (more) to them. Messages from
    /// `first_new` on have been added as they are now.
    fn what(
        &self,
        (id, row): (ConversationId, &rows::Conversation),
        member: &rows::Member,
        first_new: u64,
        actor: &UserId,
        event: Event,
    ) -> Result<Option<What>, ReadError> {
        let hidden = |seq: u64| seq >= first_new || !member.sees(seq);
        let member_count = member
            .left
            .as_ref()
            .map_or(row.member_count, |left| left.member_count);
        // What is held is for its author and moderators.
        let moderates = member.role.is_some_and(|role| role >= Role::Moderator);
        let sees_held = *actor == self.viewer.user || moderates;
        Ok(match event {
            Event::MessageHeld { held, .. } if sees_held => {
                let held = read::held(self.rows, id, held)?;
                held.map(|held| What::MessageHeld {
                    settles: held.author != self.viewer.user,
                    held: Box::new(held),
                })
            }
            Event::MessageReleased { held, .. } if sees_held => {
                Some(What::MessageReleased { held })
            }
            Event::MessageRejected { held, reason, .. } if sees_held => {
                Some(What::MessageRejected { held, reason })
            }
            Event::MessageEdited { seq, .. } if !hidden(seq) => {
                // The row has the latest text: an older edit in between need not be shown. Where it was
                // taken back since there is none, and that follows.
                match read::message(self.rows, self.viewer, id, seq)? {
                    Some(message) => Some(What::MessageEdited {
                        seq,
                        author: message.author,
                        text: message.text,
                        mentions: message.mentions,
                    }),
                    None => None,
                }
            }
            Event::MessageRetracted {
                seq,
                author,
                countable_seq,
            } if !hidden(seq) => {
                let shown = !self.viewer.blocks(&author);
                shown.then_some(What::MessageRetracted {
                    seq,
                    author,
                    countable: countable_seq != 0,
                })
            }
            Event::ReactionAdded { seq, reaction } if !hidden(seq) => self
                .reaction(id, seq, &reaction)?
                .map(|count| What::ReactionAdded {
                    seq,
                    reaction,
                    count,
                }),
            Event::ReactionRemoved { seq, reaction } if !hidden(seq) => self
                .reaction(id, seq, &reaction)?
                .map(|count| What::ReactionRemoved {
                    seq,
                    reaction,
                    count,
                }),
            Event::MemberJoined { user, .. } => {
                (user != self.viewer.user).then(|| What::MembersJoined {
                    users: vec![user],
                    member_count,
                })
            }
            Event::MemberLeft { user } => Some(What::MemberLeft {
                user,
                member_count,
                removed: false,
            }),
            Event::MemberRemoved { user } => Some(What::MemberLeft {
                user,
                member_count,
                removed: true,
            }),
            Event::RoleChanged { user, role } => Some(What::RoleChanged { user, role }),
            Event::TitleChanged { title } => Some(What::TitleChanged { title }),
            _ => None,
        })
    }

    /// How many give a reaction now, if the message is shown.
    fn reaction(
        &self,
        id: ConversationId,
        seq: u64,
        reaction: &str,
    ) -> Result<Option<u32>, ReadError> {
        let message = read::message(self.rows, self.viewer, id, seq)?;
        Ok(message.map(|message| {
            message
                .reactions
                .iter()
                .find(|(name, ..)| name == reaction)
                .map_or(0, |(_, count, _)| *count)
        }))
    }

    /// Adds the cursors that moved: everyone's where ticks are shown to all, else only the viewer's.
    fn cursors(
        &mut self,
        id: ConversationId,
        row: &rows::Conversation,
        after: (u64, u32),
    ) -> Result<bool, ReadError> {
        let mut moved = Vec::new();
        let mut note = |user: &str, member: &rows::Member| {
            let cursors = self.shown(user, member);
            if member.role.is_some() && (cursors.read_at > after || cursors.delivered_at > after) {
                moved.push((UserId::trusted(user), member.clone()));
            }
        };
        if row.member_count <= TICKS_MEMBERS {
            read::each_member(self.rows, id, "", &mut |user, member| {
                note(user, &member);
                ControlFlow::Continue(())
            })?;
        } else if let Some(member) = read::member(self.rows, id, &self.viewer.user)? {
            note(&self.viewer.user, &member);
        }
        for (user, member) in moved {
            let unread = if user == self.viewer.user {
                let blocked = &self.viewer.blocked;
                let left =
                    unread::in_conversation(self.rows, id, row, &user, &member, blocked, |_| None)?;
                Some((left, self.as_of))
            } else {
                None
            };
            // Where a cursor moved before its member left and came back, it means nothing any more.
            let joined = member.joined();
            let cursors = self.shown(&user, &member);
            let delivered = What::DeliveredUpTo {
                user: user.clone(),
                seq: cursors.delivered_seq,
            };
            let read = What::ReadUpTo {
                user: user.clone(),
                seq: cursors.read_seq,
                unread,
            };
            let mut moves = vec![(cursors.delivered_at, delivered), (cursors.read_at, read)];
            if cursors.delivered_at == cursors.read_at {
                // One event moved both: reading says that it was received.
                moves.remove(0);
            }
            for (at, what) in moves {
                let change = Change {
                    at,
                    conversation: Some(id),
                    actor: user.clone(),
                    at_ms: 0,
                    what,
                };
                if at > after.max(joined) && !self.add(change) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// A member's cursors as the viewer sees them: their own as they are.
    fn shown(&self, user: &str, member: &rows::Member) -> rows::Shown {
        if user == &*self.viewer.user {
            member.cursors()
        } else {
            member.shown()
        }
    }

    fn add(&mut self, change: Change) -> bool {
        if let Some(last) = self.found.last_mut()
            && (last.conversation, last.at.0) == (change.conversation, change.at.0)
            && last.actor == change.actor
            && let (What::MembersJoined { users, .. }, What::MembersJoined { users: more, .. }) =
                (&mut last.what, &change.what)
            && users.len() < JOINED
        {
            // It stays where the first one is: changes of other streams may lie between them, and who is
            // cut off after one of those must not have passed a joining they were not told of.
            users.extend(more.iter().cloned());
            return true;
        }
        self.found.push(change);
        self.found.len() <= self.limit
    }

    /// The stored changes between two keys; `None` when there are too many. Those that will turn out
    /// to say nothing to the viewer count too: they cost as much as those that are shown.
    #[allow(clippy::type_complexity)]
    fn changes(
        &self,
        from: &[u8],
        to: &[u8],
    ) -> Result<Option<Vec<((u64, u32), UserId, u64, Event)>>, ReadError> {
        let mut found = Vec::new();
        let mut failed = None;
        let room = self.limit.saturating_sub(self.found.len());
        self.rows
            .scan(Table::Changes, from, to, false, &mut |key, value| {
                let row: rows::Change<'_> = match rows::decode(Table::Changes, value) {
                    Ok(row) => row,
                    Err(error) => {
                        failed = Some(error);
                        return ControlFlow::Break(());
                    }
                };
                let schema = Schema {
                    kind: row.kind,
                    schema: row.schema,
                };
                match commit::decode_event(schema, row.payload, value) {
                    Ok(event) => found.push((
                        rows::change_at(key),
                        UserId::trusted(row.actor),
                        row.at_ms,
                        event,
                    )),
                    Err(reason) => {
                        failed = Some(ReadError::Corrupt(reason));
                        return ControlFlow::Break(());
                    }
                }
                if found.len() > room {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            })?;
        match failed {
            Some(error) => Err(error),
            None => Ok((found.len() <= room).then_some(found)),
        }
    }
}

/// The toasts of a user that went with an event, whosever that is.
pub fn went_at(rows: &dyn Rows, user: &UserId, at: (u64, u32)) -> Result<Vec<u64>, ReadError> {
    let Some(bytes) = rows.get(Table::Changes, &rows::user_change(user, at))? else {
        return Ok(Vec::new());
    };
    let row: rows::Change<'_> = rows::decode(Table::Changes, &bytes)?;
    let schema = Schema {
        kind: row.kind,
        schema: row.schema,
    };
    match commit::decode_event(schema, row.payload, &bytes).map_err(ReadError::Corrupt)? {
        Event::ToastsSeen { toasts } => Ok(toasts),
        _ => Ok(Vec::new()),
    }
}

/// Takes the seal out of content that came from the log.
pub fn sealed_text(content: &Content, by: Option<crate::domain::CommandId>) -> Text {
    match content {
        Content::Sealed(sealed) => Text::Sealed {
            sealed: sealed.clone(),
            by,
        },
        Content::Plain(text) => Text::Open(text.clone()),
    }
}
