//! Aggregates for deciding: loaded from the projections at the fence, kept while they are used.

use hashbrown::HashMap;

use crate::{
    domain::{
        Conversation, ConversationId, Extension, ExtensionId, Needs, User, UserCommand, UserId,
        Verdict,
        conversation::{Head, Held, Member, Message},
        toast::{Toasts, Waiting},
        user::{Contact, Profile, Set},
    },
    projections::{
        ReadError, Table, read,
        rows::{self, Rows},
    },
};

/// Two generations of aggregates: when the young one is full the old one is forgotten.
pub(super) struct Aggregates {
    young: HashMap<ConversationId, Conversation>,
    old: HashMap<ConversationId, Conversation>,
    capacity: usize,
}

/// Loaded facts of one conversation beyond which they are forgotten again.
const FACTS: usize = 4_096;

impl Aggregates {
    pub(super) fn new(capacity: usize) -> Aggregates {
        Aggregates {
            young: HashMap::new(),
            old: HashMap::new(),
            capacity,
        }
    }

    /// Forgets everything: what was kept may have been decided on and not appended.
    pub(super) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }

    /// The conversation if it is kept, or one of which nothing is loaded.
    pub(super) fn entry(&mut self, id: ConversationId) -> &mut Conversation {
        let old = &mut self.old;
        self.young
            .entry(id)
            .or_insert_with(|| old.remove(&id).unwrap_or_else(|| Conversation::new(id)))
    }

    /// Forgets what has not been used for long. Only between rounds: within one, what is kept may
    /// differ from what the projections know.
    pub(super) fn trim(&mut self, touched: impl Iterator<Item = ConversationId>) {
        for id in touched {
            if let Some(conversation) = self.young.get_mut(&id) {
                if conversation.messages.len() > FACTS {
                    conversation.messages.clear();
                }
                if conversation.held.len() > FACTS {
                    conversation.held.clear();
                }
                if conversation.reactions.len() > FACTS {
                    conversation.reactions.clear();
                }
                if conversation.members.len() > 4 * FACTS {
                    conversation.members.clear();
                }
            }
        }
        if self.young.len() >= self.capacity {
            self.old = std::mem::take(&mut self.young);
        }
    }
}

/// What of a conversation is not loaded yet.
pub(super) fn missing(conversation: &Conversation, actor: &UserId, needs: &Needs) -> bool {
    conversation.head.is_none()
        || !conversation.members.contains_key(actor)
        || needs
            .members
            .iter()
            .any(|user| !conversation.members.contains_key(user))
        || needs
            .messages
            .iter()
            .any(|seq| !conversation.messages.contains_key(seq))
        || needs
            .held
            .iter()
            .any(|held| !conversation.held.contains_key(held))
        || needs.reactions.iter().any(|(seq, reaction)| {
            !conversation
                .reactions
                .contains_key(&(*seq, actor.clone(), reaction.clone()))
        })
}

/// Loads the head of a conversation, if it exists.
pub(super) fn head(rows: &dyn Rows, conversation: &mut Conversation) -> Result<(), ReadError> {
    if conversation.head.is_some() {
        return Ok(());
    }
    let row: Option<rows::Conversation> = rows::get(
        rows,
        Table::Conversations,
        &rows::conversation(conversation.id),
    )?;
    conversation.head = row.map(|row| Head {
        kind: row.kind,
        title: row.title,
        last_seq: row.last_seq,
        last_countable_seq: row.last_countable_seq,
        last_held: row.last_held,
        member_count: row.member_count,
        owner_count: row.owner_count,
    });
    Ok(())
}

/// Loads what a command needs and is not there yet. The snapshot is at the fence or later.
pub(super) fn facts(
    rows: &dyn Rows,
    conversation: &mut Conversation,
    actor: &UserId,
    needs: &Needs,
) -> Result<(), ReadError> {
    if conversation.head.is_none() {
        return Ok(());
    }
    let id = conversation.id;
    for user in std::iter::once(actor).chain(&needs.members) {
        if !conversation.members.contains_key(user) {
            let row: Option<rows::Member> =
                rows::get(rows, Table::Members, &rows::member(id, user))?;
            let member = row.map(|row| Member {
                role: row.role,
                intervals: row.intervals,
                read_seq: row.read_seq,
                delivered_seq: row.delivered_seq,
            });
            conversation.members.insert(user.clone(), member);
        }
    }
    for seq in &needs.messages {
        if !conversation.messages.contains_key(seq) {
            let message = match rows.get(Table::Messages, &rows::message(id, *seq))? {
                None => None,
                Some(bytes) => {
                    let row: rows::Message<'_> = rows::decode(Table::Messages, &bytes)?;
                    Some(Message {
                        author: UserId::trusted(row.author),
                        countable_seq: row.countable_seq,
                        retracted: row.retracted,
                        reactions: row.reactions.into_iter().collect(),
                    })
                }
            };
            conversation.messages.insert(*seq, message);
        }
    }
    for number in &needs.held {
        if conversation.held.contains_key(number) {
            continue;
        }
        let held = match rows.get(Table::Held, &rows::held(id, *number))? {
            None => None,
            Some(bytes) => {
                let row: rows::Held<'_> = rows::decode(Table::Held, &bytes)?;
                let by = row.reviews.into_iter();
                let by = by.filter(|review| review.verdict == Verdict::Hold);
                Some(Held {
                    author: UserId::trusted(row.author),
                    edits: row.edits,
                    reply_to: row.reply_to,
                    by: by.map(|review| review.extension).collect(),
                })
            }
        };
        conversation.held.insert(*number, held);
    }
    for (seq, reaction) in &needs.reactions {
        let fact = (*seq, actor.clone(), reaction.clone());
        if !conversation.reactions.contains_key(&fact) {
            let given = rows::gives(rows, id, *seq, reaction, actor)?;
            conversation.reactions.insert(fact, given);
        }
    }
    Ok(())
}

/// Loads what deciding looks at of an extension.
pub(super) fn extension(rows: &dyn Rows, id: &ExtensionId) -> Result<Extension, ReadError> {
    let row = rows::extensions::of(rows, id)?.unwrap_or_default();
    let versions = row.versions.into_iter();
    Ok(Extension {
        versions: versions
            .map(|version| (version.version, version.digest))
            .collect(),
        active: row.active.map(|active| active.activation),
        shadow: row.shadow.map(|shadow| shadow.activation),
        quarantined: row.quarantine.is_some(),
        revision: rows::extensions::lane_of(rows, id)?.revision,
    })
}

/// Loads what a command to a user's own stream needs and is not there yet.
pub(super) fn user(
    rows: &dyn Rows,
    user: &mut User,
    command: &UserCommand,
) -> Result<(), ReadError> {
    let id = user.id.clone();
    if !matches!(command, UserCommand::RecordSeen { .. }) {
        profile(rows, user)?;
    }
    match command {
        UserCommand::SetMuted { conversation, .. } => {
            muted(rows, user, *conversation)?;
        }
        UserCommand::Block { user: other } | UserCommand::Unblock { user: other } => {
            if !user.blocked.contains_key(other) {
                let blocked = rows.get(Table::Users, &rows::blocks(&id, other))?.is_some();
                user.blocked.insert(other.clone(), blocked);
            }
            if user.blocked_count.is_none() {
                user.blocked_count = Some(count(rows, rows::blocks_range(&id))?);
            }
            // Those that tell of whoever is blocked go.
            toasts(rows, user)?;
        }
        UserCommand::SetInvisible { .. } | UserCommand::RecordSeen { .. } => {
            if user.invisible.is_none() {
                let row = rows.get(Table::Users, &rows::invisible_key(&id))?;
                user.invisible = Some(row.is_some());
            }
            if user.seen_ms.is_none() {
                user.seen_ms = Some(read::seen_ms(rows, &id)?);
            }
        }
        UserCommand::AddContact { user: other } | UserCommand::RemoveContact { user: other } => {
            if !user.blocked.contains_key(other) {
                let blocked = rows.get(Table::Users, &rows::blocks(&id, other))?.is_some();
                user.blocked.insert(other.clone(), blocked);
            }
            if !user.contacts.contains_key(other) {
                let row: Option<rows::Contact> =
                    rows::get(rows, Table::Users, &rows::contact(&id, other))?;
                let row = row.unwrap_or_default();
                let contact = Contact {
                    added: row.added,
                    adds: row.adds,
                };
                user.contacts.insert(other.clone(), contact);
            }
            if user.contact_count.is_none() {
                user.contact_count = Some(count(rows, rows::contacts_range(&id))?);
            }
        }
        UserCommand::SetProfile { .. } | UserCommand::RemoveProfile => {}
        UserCommand::QueueToast(new) => {
            if let Some(about) = &new.about_user {
                if !user.blocked.contains_key(about) {
                    let blocked = rows.get(Table::Users, &rows::blocks(&id, about))?.is_some();
                    user.blocked.insert(about.clone(), blocked);
                }
                // Facts of another stream, as of now: what was so a command before may not be any more.
                let blocks = rows.get(Table::Users, &rows::blocks(about, &id))?.is_some();
                let untold = blocks || read::is_erased(rows, about)?;
                user.untold.insert(about.clone(), untold);
            }
            if let Some(conversation) = new.about_conversation {
                muted(rows, user, conversation)?;
            }
            toasts(rows, user)?;
        }
        UserCommand::SeeToasts { .. } => toasts(rows, user)?,
        UserCommand::SetBadge { .. } => {
            if user.badges.is_none() {
                let badges = read::badges(rows, &id)?.into_iter();
                let badges = badges.map(|badge| ((badge.source, badge.name), badge.count));
                user.badges = Some(badges.collect());
            }
        }
        UserCommand::Erase => {
            if user.invisible.is_none() {
                let row = rows.get(Table::Users, &rows::invisible_key(&id))?;
                user.invisible = Some(row.is_some());
            }
            contacts(rows, user)?;
        }
    }
    Ok(())
}

/// Whether a conversation is muted, and theirs at all.
fn muted(rows: &dyn Rows, user: &mut User, conversation: ConversationId) -> Result<(), ReadError> {
    if user.muted.contains_key(&conversation) {
        return Ok(());
    }
    let member: Option<rows::Member> =
        rows::get(rows, Table::Members, &rows::member(conversation, &user.id))?;
    let present = member.is_some_and(|member| member.role.is_some());
    let row: Option<rows::Membership> = rows::get(
        rows,
        Table::Memberships,
        &rows::membership(&user.id, conversation),
    )?;
    user.muted
        .insert(conversation, row.filter(|_| present).map(|row| row.muted));
    Ok(())
}

fn toasts(rows: &dyn Rows, user: &mut User) -> Result<(), ReadError> {
    if user.toasts.is_some() {
        return Ok(());
    }
    let person: rows::Person =
        rows::get(rows, Table::Users, &rows::person(&user.id))?.unwrap_or_default();
    let waiting = read::toasts(rows, &user.id, 0)?.into_iter().map(|toast| {
        let waiting = Waiting {
            source: toast.source,
            collapse: toast.collapse,
            about_user: toast.about_user,
            expires_ms: toast.expires_ms,
        };
        (toast.toast, waiting)
    });
    user.toasts = Some(Toasts {
        last: person.last_toast,
        waiting: waiting.collect(),
    });
    Ok(())
}

fn profile(rows: &dyn Rows, user: &mut User) -> Result<(), ReadError> {
    if user.profile.is_some() {
        return Ok(());
    }
    let person: rows::Person =
        rows::get(rows, Table::Users, &rows::person(&user.id))?.unwrap_or_default();
    let set = match rows.get(Table::Users, &rows::profile(&user.id))? {
        None => Set::Never,
        Some(bytes) => {
            let row: rows::Profile<'_> = rows::decode(Table::Users, &bytes)?;
            Set::At(row.at)
        }
    };
    user.profile = Some(Profile {
        set,
        hidden: person.hidden,
        erased: person.erased,
    });
    Ok(())
}

/// All contacts that were not loaded one by one before, and changed since perhaps.
fn contacts(rows: &dyn Rows, user: &mut User) -> Result<(), ReadError> {
    let (from, to) = rows::contacts_range(&user.id);
    let id = user.id.clone();
    let mut failed = None;
    rows.scan(Table::Users, &from, &to, false, &mut |key, value| {
        match rows::decode::<rows::Contact>(Table::Users, value) {
            Ok(row) => {
                let contact = Contact {
                    added: row.added,
                    adds: row.adds,
                };
                let other = rows::other_user(&id, key);
                user.contacts.entry(other).or_insert(contact);
            }
            Err(error) => {
                failed = Some(error);
                return std::ops::ControlFlow::Break(());
            }
        }
        std::ops::ControlFlow::Continue(())
    })?;
    failed.map_or(Ok(()), Err)
}

/// How many rows of `Users` there are in a range.
fn count(rows: &dyn Rows, (from, to): (Vec<u8>, Vec<u8>)) -> Result<u32, ReadError> {
    let mut count = 0;
    rows.scan(Table::Users, &from, &to, false, &mut |_, _| {
        count += 1;
        std::ops::ControlFlow::Continue(())
    })?;
    Ok(count)
}

#[cfg(test)]
mod tests;
