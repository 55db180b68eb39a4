//! Events to rows. A pure function of the log: nothing here could send or run anything.

use std::{collections::VecDeque, ops::ControlFlow};

use bytes::Bytes;
use hashbrown::{HashMap, HashSet, hash_map::Entry};
use serde::Serialize;

use super::{
    ReadError,
    rows::{self, Rows},
    store::{Table, WriteTx},
};
use crate::{
    commit::{self, Batch, Commit},
    domain::{
        Content, ConversationId, Event, Stream, UserId,
        conversation::Interval,
        event::{Kind, Role},
    },
};

mod extensions;
mod feed;
mod toasts;

/// Why an event could not be folded.
#[derive(Debug, thiserror::Error)]
pub enum FoldError {
    /// The rows do not agree with the event: its stream is parked.
    #[error("{0}")]
    Poison(String),
    /// The rows could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// A stream that was set aside, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// Which.
    pub stream: Stream,
    /// Position of the event that could not be folded.
    pub position: u64,
    /// What was wrong with it.
    pub reason: String,
}

/// What the projector keeps between transactions: it alone writes the rows, so what it has written
/// last is what they say.
#[derive(Debug, Default)]
pub struct Kept {
    /// The streams set aside so far.
    pub parked: HashSet<Stream>,
    conversations: HashMap<ConversationId, rows::Conversation>,
    ordinals: HashMap<(ConversationId, UserId), Ordinal>,
    /// Who is invisible, once it has been asked for.
    invisible: Option<HashSet<UserId>>,
}

/// Countable messages of an author in a conversation.
#[derive(Debug, Default)]
struct Ordinal {
    /// How many there are.
    count: u64,
    /// Countable seqs of the last few.
    recent: VecDeque<u64>,
}

/// Countable seqs remembered of an author: enough for what they write between two times they read.
const RECENT: usize = 32;

impl Ordinal {
    fn add(&mut self, countable_seq: u64) -> u64 {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(countable_seq);
        self.count += 1;
        self.count
    }

    fn after(&self, read: u64) -> Option<u64> {
        let complete = self.recent.len() as u64 == self.count;
        let reaches_back = self.recent.front().is_some_and(|first| *first <= read);
        (complete || reaches_back).then(|| {
            self.recent
                .iter()
                .rev()
                .take_while(|seq| **seq > read)
                .count() as u64
        })
    }
}

impl Kept {
    /// Nothing but the streams set aside.
    pub fn new(parked: HashSet<Stream>) -> Kept {
        Kept {
            parked,
            ..Kept::default()
        }
    }

    /// How many countable messages of a user come after a countable seq, if that is remembered.
    pub fn own_after(&self, id: ConversationId, user: &UserId, read: u64) -> Option<u64> {
        self.ordinals.get(&(id, user.clone()))?.after(read)
    }
}

/// Earlier versions kept at most, of a message and of a reaction: a row is read whole. Whoever leaves
/// after so many that others had missed reads the next one, too.
const EARLIER: usize = 16;

/// Conversations and authors kept.
const KEPT: usize = 200_000;

/// Folds commits, in order, into one transaction.
pub struct Fold<'t, 's> {
    tx: &'t mut WriteTx<'s>,
    kept: &'t mut Kept,
    /// Conversations whose rows have changed, written back once by `finish`.
    touched: HashSet<ConversationId>,
    newly_parked: Vec<Parked>,
}

impl<'t, 's> Fold<'t, 's> {
    /// Begins. A transaction that is dropped uncommitted must take what is kept with it.
    pub fn new(tx: &'t mut WriteTx<'s>, kept: &'t mut Kept) -> Fold<'t, 's> {
        if kept.conversations.len() > KEPT {
            kept.conversations.clear();
        }
        if kept.ordinals.len() > KEPT {
            kept.ordinals.clear();
        }
        Fold {
            tx,
            kept,
            touched: HashSet::new(),
            newly_parked: Vec::new(),
        }
    }

    /// Folds one commit. A stream whose events make no sense is parked: nothing of it is folded
    /// from there on, and nothing is skipped in silence.
    pub fn commit(&mut self, commit: &Commit) -> Result<(), ReadError> {
        for batch in &commit.batches {
            if !self.kept.parked.is_empty() && self.kept.parked.contains(&batch.stream) {
                continue;
            }
            match self.batch(commit, batch) {
                Ok(()) => {}
                Err(FoldError::Read(error)) => return Err(error),
                Err(FoldError::Poison(reason)) => self.park(commit, batch, reason),
            }
            if let Some(reason) = &batch.poison {
                self.park(commit, batch, reason.clone());
            }
        }
        Ok(())
    }

    /// Gives up: the transaction will not be, so neither may anything be kept of it.
    pub fn abandon(self) {
        let mut parked = std::mem::take(&mut self.kept.parked);
        for newly in &self.newly_parked {
            parked.remove(&newly.stream);
        }
        *self.kept = Kept::new(parked);
    }

    /// Writes what was kept back, and says which streams were parked.
    pub fn finish(self) -> Vec<Parked> {
        for id in self.touched {
            put(
                self.tx,
                Table::Conversations,
                rows::conversation(id),
                &self.kept.conversations[&id],
            );
        }
        self.newly_parked
    }

    fn park(&mut self, commit: &Commit, batch: &Batch, reason: String) {
        let position = commit.position.0;
        put(
            self.tx,
            Table::Meta,
            rows::parked(&batch.stream),
            &(position, &reason),
        );
        self.kept.parked.insert(batch.stream.clone());
        self.newly_parked.push(Parked {
            stream: batch.stream.clone(),
            position,
            reason,
        });
    }

    fn batch(&mut self, commit: &Commit, batch: &Batch) -> Result<(), FoldError> {
        let at_ms = commit.at_ms(batch);
        let (mut posted, mut kept_back) = (0, 0);
        for (index, event) in (batch.first_index..).zip(&batch.events) {
            let at = (commit.position.0, index);
            match &batch.stream {
                Stream::Conversation(id) => {
                    self.conversation_event(*id, batch, at, at_ms, event)?;
                    match event {
                        Event::MessagePosted { seq, .. } => posted = *seq,
                        Event::MessageHeld { held, .. } => kept_back = *held,
                        _ => {}
                    }
                }
                Stream::User(user) => self.user_event(user, batch, at, at_ms, event)?,
                Stream::Extension(id) => extensions::event(self.tx, id, at, at_ms, event)?,
            }
        }
        if let Some(command) = batch.command {
            let conversation = match &batch.stream {
                Stream::Conversation(id) => Some(*id),
                Stream::User(_) | Stream::Extension(_) => None,
            };
            extensions::done(self.tx, command.id)?;
            let row = rows::Command {
                digest: command.digest,
                position: commit.position.0,
                at_ms,
                conversation,
                seq: posted,
                held: kept_back,
            };
            put(
                self.tx,
                Table::Commands,
                rows::command(command.id, &batch.actor),
                &row,
            );
        }
        Ok(())
    }

    fn conversation_event(
        &mut self,
        id: ConversationId,
        batch: &Batch,
        at: (u64, u32),
        at_ms: u64,
        event: &Event,
    ) -> Result<(), FoldError> {
        if let Event::ConversationStarted { kind, title } = event {
            return self.started(id, batch, at, at_ms, kind, title);
        }
        self.load(id)?;
        self.touched.insert(id);
        let tx = &mut *self.tx;
        let moves = matches!(event, Event::ReadUpTo { .. } | Event::DeliveredUpTo { .. });
        let is_hidden = moves && hidden(tx, &mut self.kept.invisible)?.contains(&batch.actor);
        let Kept {
            conversations,
            ordinals,
            ..
        } = &mut *self.kept;
        let row = conversations.get_mut(&id).expect("loaded above");
        row.changed_position = at.0;
        match event {
            Event::ConversationStarted { .. } => {}
            Event::MemberJoined { user, role } => {
                let mut member = find_member(tx, id, user)?.unwrap_or_else(new_member);
                if member.role.is_some() {
                    return Err(FoldError::Poison(format!("{user} joins twice")));
                }
                row.member_count += 1;
                row.owner_count += u32::from(*role == Role::Owner);
                let from_start = matches!(
                    row.kind,
                    Kind::Group {
                        history_from_start: true,
                        ..
                    }
                );
                let after = if from_start { 0 } else { row.last_seq };
                let last_seq = row.last_seq;
                if from_start {
                    member.intervals.clear();
                }
                member.role = Some(*role);
                member.intervals.push(Interval { after, until: None });
                member.spans.push(rows::Span {
                    from: at,
                    until: None,
                });
                member.read_seq = last_seq;
                member.delivered_seq = last_seq;
                member.joined_ms = at_ms;
                member.left = None;
                member.shown = None;
                put(tx, Table::Members, rows::member(id, user), &member);
                let key = rows::membership(user, id);
                if Rows::get(tx, Table::Memberships, &key)?.is_none() {
                    put(tx, Table::Memberships, key, &rows::Membership::default());
                }
            }
            Event::MemberLeft { user } | Event::MemberRemoved { user } => {
                let last_seq = row.last_seq;
                let mut member = need_present(tx, id, user)?;
                row.left_at = at;
                row.member_count -= 1;
                row.owner_count -= u32::from(member.role == Some(Role::Owner));
                member.role = None;
                member.left = Some(rows::Left {
                    title: row.title.clone(),
                    member_count: row.member_count,
                });
                if let Some(interval) = member.intervals.last_mut() {
                    interval.until = Some(last_seq);
                }
                member
                    .intervals
                    .retain(|interval| interval.until != Some(interval.after));
                if let Some(span) = member.spans.last_mut() {
                    span.until = Some(at);
                }
                member.read_seq = last_seq;
                member.delivered_seq = last_seq;
                put(tx, Table::Members, rows::member(id, user), &member);
            }
            Event::RoleChanged { user, role } => {
                let mut member = need_present(tx, id, user)?;
                row.owner_count -= u32::from(member.role == Some(Role::Owner));
                row.owner_count += u32::from(*role == Role::Owner);
                member.role = Some(*role);
                put(tx, Table::Members, rows::member(id, user), &member);
            }
            Event::TitleChanged { title } => row.title.clone_from(title),
            Event::MessagePosted {
                seq,
                countable_seq,
                content,
                reply_to,
                mentions,
            } => {
                if *seq != row.last_seq + 1 {
                    let last = row.last_seq;
                    return Err(FoldError::Poison(format!(
                        "message {seq} follows message {last}"
                    )));
                }
                if *countable_seq != 0 && *countable_seq != row.last_countable_seq + 1 {
                    let last = row.last_countable_seq;
                    return Err(FoldError::Poison(format!(
                        "countable message {countable_seq} follows countable message {last}"
                    )));
                }
                row.last_seq = *seq;
                row.activity_position = at.0;
                if *countable_seq != 0 {
                    row.last_countable_seq = *countable_seq;
                    if let Kind::Direct { pair, .. } = &row.kind {
                        row.wrote.0 |= pair.0 == batch.actor;
                        row.wrote.1 |= pair.1 == batch.actor;
                    }
                    let ordinal = match ordinals.entry((id, batch.actor.clone())) {
                        Entry::Occupied(entry) => entry.into_mut(),
                        Entry::Vacant(entry) => {
                            let found = super::unread::last_by(tx, id, &batch.actor, u64::MAX)?;
                            entry.insert(Ordinal {
                                count: found.map_or(0, |last| last.count),
                                recent: VecDeque::new(),
                            })
                        }
                    };
                    let count = ordinal.add(*countable_seq);
                    let key = rows::author(id, &batch.actor, *countable_seq);
                    put(tx, Table::Authors, key, &rows::Author { count, seq: *seq });
                }
                let command = batch.command.map(|command| command.id);
                let message = rows::Message {
                    author: &batch.actor,
                    at_ms,
                    at,
                    countable_seq: *countable_seq,
                    countable_total: row.last_countable_seq,
                    sealed: sealed(content),
                    sealed_by: command,
                    command,
                    reply_to: *reply_to,
                    mentions: mentions.clone(),
                    edited_ms: 0,
                    retracted: false,
                    reactions: Vec::new(),
                    reacted: None,
                    earlier: Vec::new(),
                };
                put(tx, Table::Messages, rows::message(id, *seq), &message);
                return Ok(());
            }
            Event::MessageEdited {
                seq,
                content,
                mentions,
            } => {
                let bytes = need_message(tx, id, *seq)?;
                let mut message: rows::Message<'_> = rows::decode(Table::Messages, &bytes)?;
                let since = message.earlier.last().map_or(message.at, |last| last.until);
                if row.left_at > since && message.earlier.len() < EARLIER {
                    message.earlier.push(rows::Version {
                        until: at,
                        sealed: message.sealed.to_vec(),
                        sealed_by: message.sealed_by,
                        mentions: std::mem::take(&mut message.mentions),
                        edited_ms: message.edited_ms,
                    });
                }
                message.sealed = sealed(content);
                message.sealed_by = batch.command.map(|command| command.id);
                message.mentions.clone_from(mentions);
                message.edited_ms = at_ms;
                put(tx, Table::Messages, rows::message(id, *seq), &message);
            }
            Event::MessageReviewed { seq, reviews } => {
                put(tx, Table::Reviews, rows::reviews(id, *seq, at), reviews);
                return Ok(());
            }
            Event::MessageHeld {
                held,
                edits,
                content,
                reply_to,
                mentions,
                reviews,
            } => {
                if *held != row.last_held + 1 {
                    let last = row.last_held;
                    return Err(FoldError::Poison(format!(
                        "held message {held} follows held message {last}"
                    )));
                }
                row.last_held = *held;
                let message = rows::Held {
                    author: &batch.actor,
                    at_ms,
                    at,
                    edits: *edits,
                    sealed: sealed(content),
                    command: batch.command.map(|command| command.id),
                    reply_to: *reply_to,
                    mentions: mentions.clone(),
                    reviews: reviews.clone(),
                };
                put(tx, Table::Held, rows::held(id, *held), &message);
            }
            Event::MessageReleased { held, by } | Event::MessageRejected { held, by, .. } => {
                let key = rows::held(id, *held);
                let Some(row) = Rows::get(tx, Table::Held, &key)? else {
                    return Err(FoldError::Poison(format!("message {held} is not held")));
                };
                let row: rows::Held<'_> = rows::decode(Table::Held, &row)?;
                let command = row.command;
                tx.delete(Table::Held, &key);
                let settled = rows::Settled {
                    author: batch.actor.clone(),
                    command,
                    by: by.clone(),
                    released: matches!(event, Event::MessageReleased { .. }),
                };
                put(tx, Table::Settled, key, &settled);
            }
            Event::MessageRetracted {
                seq,
                author,
                countable_seq,
            } => {
                let bytes = need_message(tx, id, *seq)?;
                let mut message: rows::Message<'_> = rows::decode(Table::Messages, &bytes)?;
                if message.reacted.take().is_some() {
                    message.reactions.clear();
                    delete_reactions(tx, id, *seq)?;
                }
                if row.left_at > message.at {
                    change(tx, rows::past_change(id, at), batch, at_ms, event);
                }
                message.sealed = &[];
                message.earlier.clear();
                message.mentions.clear();
                message.edited_ms = 0;
                message.retracted = true;
                put(tx, Table::Messages, rows::message(id, *seq), &message);
                if *countable_seq != 0 {
                    row.retracted += 1;
                    put(
                        tx,
                        Table::Retracted,
                        rows::retracted(id, *countable_seq),
                        author,
                    );
                }
            }
            Event::ReactionAdded { seq, reaction } | Event::ReactionRemoved { seq, reaction } => {
                let added = matches!(event, Event::ReactionAdded { .. });
                let bytes = need_message(tx, id, *seq)?;
                let mut message: rows::Message<'_> = rows::decode(Table::Messages, &bytes)?;
                let key = rows::reaction(id, *seq, reaction, &batch.actor);
                match message
                    .reactions
                    .iter_mut()
                    .find(|(name, _)| name == reaction)
                {
                    Some((_, count)) if added => *count += 1,
                    Some((_, count)) => *count -= 1,
                    None if added => message.reactions.push((reaction.clone(), 1)),
                    None => {
                        return Err(FoldError::Poison(format!("no {reaction} on message {seq}")));
                    }
                }
                message.reactions.retain(|(_, count)| *count > 0);
                message.reacted = Some(at);
                let mut given: rows::Reaction =
                    rows::get(tx, Table::Reactions, &key)?.unwrap_or_default();
                let before = std::mem::replace(&mut given.since, added.then_some(at));
                if let Some(since) = before
                    && row.left_at > since
                    && given.earlier.len() < EARLIER
                {
                    given.earlier.push((since, at));
                }
                if given == rows::Reaction::default() {
                    tx.delete(Table::Reactions, &key);
                } else {
                    put(tx, Table::Reactions, key, &given);
                }
                put(tx, Table::Messages, rows::message(id, *seq), &message);
            }
            Event::ReadUpTo { seq } => {
                let mut member = need_present(tx, id, &batch.actor)?;
                need_posted(row, *seq)?;
                moved(&mut member, is_hidden, |cursors| cursors.read(*seq, at));
                put(tx, Table::Members, rows::member(id, &batch.actor), &member);
                return Ok(());
            }
            Event::DeliveredUpTo { seq } => {
                let mut member = need_present(tx, id, &batch.actor)?;
                need_posted(row, *seq)?;
                moved(&mut member, is_hidden, |cursors| cursors.receive(*seq, at));
                put(tx, Table::Members, rows::member(id, &batch.actor), &member);
                return Ok(());
            }
            Event::ConversationMuted { .. }
            | Event::UserBlocked { .. }
            | Event::UserUnblocked { .. }
            | Event::VisibilityChanged { .. }
            | Event::Seen { .. }
            | Event::ContactAdded { .. }
            | Event::ContactRemoved { .. }
            | Event::ProfileSet { .. }
            | Event::ProfileRemoved
            | Event::HiddenChanged { .. }
            | Event::UserErased
            | Event::Extension(_)
            | Event::AppEventRecorded { .. }
            | Event::ToastQueued { .. }
            | Event::ToastsSeen { .. }
            | Event::BadgeSet { .. } => {
                return Err(FoldError::Poison(
                    "a user's event in a conversation's stream".to_owned(),
                ));
            }
        }
        change(tx, rows::conversation_change(id, at), batch, at_ms, event);
        Ok(())
    }

    fn started(
        &mut self,
        id: ConversationId,
        batch: &Batch,
        at: (u64, u32),
        at_ms: u64,
        kind: &Kind,
        title: &str,
    ) -> Result<(), FoldError> {
        match self.load(id) {
            Ok(()) => {
                return Err(FoldError::Poison(
                    "the conversation is started twice".to_owned(),
                ));
            }
            Err(FoldError::Poison(_)) => {}
            Err(error) => return Err(error),
        }
        let mut row = rows::Conversation {
            kind: kind.clone(),
            title: title.to_owned(),
            last_seq: 0,
            last_countable_seq: 0,
            last_held: 0,
            retracted: 0,
            member_count: 0,
            owner_count: 0,
            activity_position: at.0,
            changed_position: at.0,
            left_at: (0, 0),
            wrote: (false, false),
        };
        if let Kind::Direct { pair, .. } = kind {
            row.member_count = 2;
            for user in [&pair.0, &pair.1] {
                let member = rows::Member {
                    role: Some(Role::Member),
                    intervals: vec![Interval {
                        after: 0,
                        until: None,
                    }],
                    spans: vec![rows::Span {
                        from: at,
                        until: None,
                    }],
                    joined_ms: at_ms,
                    ..new_member()
                };
                put(self.tx, Table::Members, rows::member(id, user), &member);
                put(
                    self.tx,
                    Table::Memberships,
                    rows::membership(user, id),
                    &rows::Membership::default(),
                );
            }
        }
        self.kept.conversations.insert(id, row);
        self.touched.insert(id);
        let event = Event::ConversationStarted {
            kind: kind.clone(),
            title: title.to_owned(),
        };
        change(
            self.tx,
            rows::conversation_change(id, at),
            batch,
            at_ms,
            &event,
        );
        Ok(())
    }

    fn user_event(
        &mut self,
        user: &UserId,
        batch: &Batch,
        at: (u64, u32),
        at_ms: u64,
        event: &Event,
    ) -> Result<(), FoldError> {
        let tx = &mut *self.tx;
        match event {
            Event::ConversationMuted {
                conversation,
                muted,
            } => {
                let row = rows::Membership { muted: *muted };
                put(
                    tx,
                    Table::Memberships,
                    rows::membership(user, *conversation),
                    &row,
                );
            }
            Event::UserBlocked { user: other } => {
                put(tx, Table::Users, rows::blocks(user, other), &());
                put(tx, Table::Users, rows::blocked_by(other, user), &());
            }
            Event::UserUnblocked { user: other } => {
                tx.delete(Table::Users, &rows::blocks(user, other));
                tx.delete(Table::Users, &rows::blocked_by(other, user));
            }
            Event::VisibilityChanged { invisible } => {
                let key = rows::invisible_key(user);
                let all = hidden(tx, &mut self.kept.invisible)?;
                if *invisible {
                    all.insert(user.clone());
                    put(tx, Table::Users, key, &());
                } else {
                    all.remove(user);
                    tx.delete(Table::Users, &key);
                }
            }
            Event::Seen { at_ms: seen_ms } => {
                person(tx, user, |person| {
                    if !person.erased {
                        person.seen_ms = person.seen_ms.max(*seen_ms);
                    }
                })?;
                // Nobody's client is told: whoever watches them is told that they have gone.
                return Ok(());
            }
            Event::ContactAdded { user: other } => {
                let (own, theirs) = (rows::contact(user, other), rows::contact(other, user));
                let mut contact: rows::Contact =
                    rows::get(tx, Table::Users, &own)?.unwrap_or_default();
                (contact.added, contact.at_ms) = (true, at_ms);
                put(tx, Table::Users, own, &contact);
                let adds = rows::Contact {
                    added: contact.adds,
                    adds: true,
                    at_ms,
                };
                put(tx, Table::Users, theirs, &adds);
                change(tx, rows::user_change(other, at), batch, at_ms, event);
            }
            Event::ContactRemoved { user: other } => {
                tx.delete(Table::Users, &rows::contact(user, other));
                tx.delete(Table::Users, &rows::contact(other, user));
                change(tx, rows::user_change(other, at), batch, at_ms, event);
            }
            // No client is told of profiles as they change: search shows them as they are.
            Event::ProfileSet { attributes } => {
                let key = rows::profile(user);
                let before = Rows::get(tx, Table::Users, &key)?;
                let made_ms = match &before {
                    Some(bytes) => rows::decode::<rows::Profile<'_>>(Table::Users, bytes)?.made_ms,
                    None => at_ms,
                };
                let row = rows::Profile {
                    sealed: sealed(attributes),
                    sealed_by: batch.command.map(|command| command.id),
                    at,
                    made_ms,
                };
                put(tx, Table::Users, key, &row);
                return Ok(());
            }
            Event::ProfileRemoved => {
                tx.delete(Table::Users, &rows::profile(user));
                person(tx, user, |person| person.hidden = false)?;
                return Ok(());
            }
            Event::HiddenChanged { hidden } => {
                person(tx, user, |person| person.hidden = *hidden)?;
                return Ok(());
            }
            Event::UserErased => {
                tx.delete(Table::Users, &rows::profile(user));
                person(tx, user, |person| {
                    *person = rows::Person {
                        erased: true,
                        last_toast: person.last_toast,
                        ..rows::Person::default()
                    };
                })?;
                toasts::erased(tx, user, batch, at, at_ms)?;
                return Ok(());
            }
            // It is no state of ours and no client is told of it: it stands in the log, for those who
            // follow that, and what is for the backend in the feed.
            Event::AppEventRecorded { kind, payload } => {
                feed::event(tx, user, batch, at, at_ms, kind, payload)?;
                return Ok(());
            }
            // Those that wait, and badges, are found in their own rows.
            Event::ToastQueued { replaces, .. } => {
                toasts::queued(tx, user, batch, at, at_ms, event)?;
                if !replaces.is_empty() {
                    let seen = Event::ToastsSeen {
                        toasts: replaces.clone(),
                    };
                    change(tx, rows::user_change(user, at), batch, at_ms, &seen);
                }
                return Ok(());
            }
            Event::ToastsSeen { toasts } => toasts::gone(tx, user, toasts)?,
            Event::BadgeSet {
                source,
                name,
                count,
            } => {
                let row = rows::Badge {
                    count: *count,
                    at,
                    at_ms,
                };
                put(tx, Table::Badges, rows::badge(user, source, name), &row);
                return Ok(());
            }
            _ => {
                return Err(FoldError::Poison(
                    "a conversation's event in a user's stream".to_owned(),
                ));
            }
        }
        change(tx, rows::user_change(user, at), batch, at_ms, event);
        Ok(())
    }

    fn load(&mut self, id: ConversationId) -> Result<(), FoldError> {
        if !self.kept.conversations.contains_key(&id) {
            let row = rows::get(self.tx, Table::Conversations, &rows::conversation(id))?
                .ok_or_else(|| {
                    FoldError::Poison("the conversation was never started".to_owned())
                })?;
            self.kept.conversations.insert(id, row);
        }
        Ok(())
    }
}

/// The streams parked so far.
pub fn parked(rows: &dyn Rows) -> Result<Vec<Parked>, ReadError> {
    let mut found = Vec::new();
    let mut failed = None;
    rows.scan(
        Table::Meta,
        b"parked/",
        b"parked0",
        false,
        &mut |key, value| {
            let stream = rows::decode::<Stream>(Table::Meta, &key[b"parked/".len()..]);
            let row = rows::decode::<(u64, String)>(Table::Meta, value);
            match (stream, row) {
                (Ok(stream), Ok((position, reason))) => found.push(Parked {
                    stream,
                    position,
                    reason,
                }),
                (Err(error), _) | (_, Err(error)) => {
                    failed = Some(error);
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        },
    )?;
    failed.map_or(Ok(found), Err)
}

/// Room for most rows: what they grow out of while they are encoded is not paid for once more.
const ROW_BYTES: usize = 512;

fn put<T: Serialize + ?Sized>(tx: &mut WriteTx<'_>, table: Table, key: impl AsRef<[u8]>, row: &T) {
    let encoded = postcard::to_extend(row, Vec::with_capacity(ROW_BYTES)).expect("rows encode");
    tx.put(table, key.as_ref(), Bytes::copy_from_slice(&encoded));
}

fn change(tx: &mut WriteTx<'_>, key: Vec<u8>, batch: &Batch, at_ms: u64, event: &Event) {
    let commit::Schema { kind, schema } = commit::schema_of(event);
    let payload = commit::encode_payload(event);
    let command = batch.command.map(|command| command.id);
    let row = rows::Change {
        kind,
        schema,
        actor: &batch.actor,
        at_ms,
        command,
        payload: &payload,
    };
    put(tx, Table::Changes, key, &row);
}

/// Changes what is known of a user.
fn person(
    tx: &mut WriteTx<'_>,
    user: &str,
    change: impl FnOnce(&mut rows::Person),
) -> Result<(), ReadError> {
    let key = rows::person(user);
    let mut person: rows::Person = rows::get(tx, Table::Users, &key)?.unwrap_or_default();
    change(&mut person);
    put(tx, Table::Users, key, &person);
    Ok(())
}

/// Who is invisible, loaded when it is asked for the first time.
fn hidden<'k>(
    rows: &dyn Rows,
    kept: &'k mut Option<HashSet<UserId>>,
) -> Result<&'k mut HashSet<UserId>, ReadError> {
    if kept.is_none() {
        *kept = Some(rows::invisible(rows)?);
    }
    Ok(kept.get_or_insert_default())
}

/// A member's cursor moves. Where they are invisible the others go on seeing what they saw; and moving one of
/// them visibly later does not show where the other went unseen.
fn moved(member: &mut rows::Member, is_hidden: bool, moves: impl Fn(&mut rows::Shown)) {
    let mut shown = member.shown();
    let mut cursors = member.cursors();
    moves(&mut cursors);
    if !is_hidden {
        moves(&mut shown);
    }
    member.read_seq = cursors.read_seq;
    member.read_at = cursors.read_at;
    member.delivered_seq = cursors.delivered_seq;
    member.delivered_at = cursors.delivered_at;
    member.shown = (shown != cursors).then_some(shown);
}

fn delete_reactions(tx: &mut WriteTx<'_>, id: ConversationId, seq: u64) -> Result<(), ReadError> {
    let mut keys = Vec::new();
    let (from, to) = (rows::message(id, seq), rows::message(id, seq + 1));
    Rows::scan(tx, Table::Reactions, &from, &to, false, &mut |key, _| {
        keys.push(key.to_vec());
        ControlFlow::Continue(())
    })?;
    for key in keys {
        tx.delete(Table::Reactions, &key);
    }
    Ok(())
}

fn new_member() -> rows::Member {
    rows::Member {
        role: None,
        intervals: Vec::new(),
        spans: Vec::new(),
        read_seq: 0,
        delivered_seq: 0,
        read_at: (0, 0),
        delivered_at: (0, 0),
        joined_ms: 0,
        left: None,
        shown: None,
    }
}

fn find_member(
    tx: &WriteTx<'_>,
    id: ConversationId,
    user: &str,
) -> Result<Option<rows::Member>, ReadError> {
    rows::get(tx, Table::Members, &rows::member(id, user))
}

fn need_present(
    tx: &WriteTx<'_>,
    id: ConversationId,
    user: &str,
) -> Result<rows::Member, FoldError> {
    let member = find_member(tx, id, user)?.filter(|member| member.role.is_some());
    member.ok_or_else(|| FoldError::Poison(format!("{user} is not a member")))
}

fn need_posted(row: &rows::Conversation, seq: u64) -> Result<(), FoldError> {
    if seq > row.last_seq {
        return Err(FoldError::Poison(format!(
            "message {seq} is read before it is posted"
        )));
    }
    Ok(())
}

fn need_message(tx: &WriteTx<'_>, id: ConversationId, seq: u64) -> Result<Bytes, FoldError> {
    Rows::get(tx, Table::Messages, &rows::message(id, seq))?
        .ok_or_else(|| FoldError::Poison(format!("message {seq} does not exist")))
}

fn sealed(content: &Content) -> &[u8] {
    match content {
        Content::Sealed(sealed) => sealed,
        Content::Plain(_) => panic!("content in the log is sealed"),
    }
}
