//! One conversation of the local view.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tidings_protocol::event::{
    CursorMoved, Event, Kind, MessageEdited, MessageRetracted, ReactionChanged,
};
use tidings_protocol::{query, view};

use super::At;
use super::ranges::Ranges;

/// Conversations with more members than this show no cursors of others.
const TICKS_UP_TO: u32 = 32;

/// A conversation and those of its messages that are held.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    view: view::Conversation,
    messages: BTreeMap<u64, view::Message>,
    /// Numbers below `last_seq` of which it is known what this user may see there.
    known: Ranges,
    /// The view includes every event up to here, and may include later ones.
    as_of: At,
    /// `unread` includes every event up to this position, and no later one.
    counted_to: u64,
    /// Since the view was made messages before the last one may have come into sight.
    #[serde(default)]
    unsure: bool,
}

/// Whose view it is.
pub(super) struct Context<'a> {
    pub(super) user: &'a str,
    pub(super) blocked: &'a BTreeSet<String>,
}

impl Conversation {
    /// A view that includes every event up to `as_of`.
    pub(super) fn new(view: &view::Conversation, as_of: At) -> Conversation {
        let mut view = view.clone();
        view.cursors
            .retain(|cursor| cursor.read_seq > 0 || cursor.delivered_seq > 0);
        view.cursors.sort_by(|a, b| a.user.cmp(&b.user));
        let mut messages = BTreeMap::new();
        let mut known = Ranges::default();
        if let Some(last) = &view.last_message {
            messages.insert(last.seq, last.clone());
            known.add(last.seq, view.last_seq);
        }
        let counted_to = view.as_of.max(as_of.0);
        Conversation {
            view,
            messages,
            known,
            as_of,
            counted_to,
            unsure: false,
        }
    }

    /// The conversation as a list shows it. Members who have neither read nor received anything are
    /// left out of `cursors`; the others are in order of their ids.
    pub fn view(&self) -> &view::Conversation {
        &self.view
    }

    /// The messages held, by `seq`.
    pub fn messages(&self) -> &BTreeMap<u64, view::Message> {
        &self.messages
    }

    /// Ranges of `seq` (both ends included) that were not fetched: ask for them with `list_messages`.
    pub fn holes(&self) -> Vec<(u64, u64)> {
        self.known.holes(self.view.last_seq)
    }

    /// Its part of the unread total.
    pub(super) fn counted(&self) -> u64 {
        if self.view.muted { 0 } else { self.view.unread }
    }

    /// A newer view of the same conversation; messages held stay.
    pub(super) fn renew(&mut self, fresh: Conversation) {
        self.messages.extend(fresh.messages);
        if let Some(last) = &fresh.view.last_message {
            self.known.add(last.seq, fresh.view.last_seq);
        }
        self.view = fresh.view;
        (self.as_of, self.counted_to) = (fresh.as_of, fresh.counted_to);
        self.unsure = false;
    }

    pub(super) fn forget_messages(&mut self) {
        self.messages.clear();
        self.known.clear();
        self.unsure = true;
    }

    pub(super) fn trim(&mut self, keep: usize) {
        while self.messages.len() > keep.max(1) {
            if let Some((seq, _)) = self.messages.pop_first() {
                self.known.forget_up_to(seq);
            }
        }
    }

    /// Applies an event; false when the view cannot be exact without being fetched.
    pub(super) fn apply(&mut self, event: &Event, kind: &Kind, context: Context<'_>) -> bool {
        let at = (event.position, event.index);
        if at <= self.as_of {
            return true;
        }
        let exact = match kind {
            Kind::MessagePosted(message) => self.posted(event, message, &context),
            Kind::MessageEdited(edit) => self.edited(event, edit),
            Kind::MessageRetracted(retraction) => self.retracted(event, retraction, &context),
            Kind::ReactionAdded(change) => self.reacted(change, event.actor == context.user, true),
            Kind::ReactionRemoved(change) => {
                self.reacted(change, event.actor == context.user, false)
            }
            Kind::ReadUpTo(moved) if moved.user == context.user => self.read(event, moved),
            Kind::DeliveredUpTo(moved) if moved.user == context.user => {
                self.view.delivered_seq = self.view.delivered_seq.max(moved.seq);
                true
            }
            Kind::ReadUpTo(moved) => self.tick(moved, true),
            Kind::DeliveredUpTo(moved) => self.tick(moved, false),
            Kind::MembersJoined(joined) => {
                self.view.member_count = joined.member_count;
                if joined.member_count > TICKS_UP_TO {
                    self.view.cursors.clear();
                }
                true
            }
            Kind::MemberLeft(left) if left.users.iter().any(|user| user == context.user) => {
                // What remains visible, and counts, is for the server to say.
                self.view.role.clear();
                false
            }
            Kind::MemberLeft(left) => {
                let ticks_return =
                    self.view.member_count > TICKS_UP_TO && left.member_count <= TICKS_UP_TO;
                self.view.member_count = left.member_count;
                self.view
                    .cursors
                    .retain(|cursor| !left.users.contains(&cursor.user));
                !ticks_return
            }
            Kind::RoleChanged(change) => {
                if change.user == context.user {
                    self.view.role.clone_from(&change.role);
                }
                true
            }
            Kind::TitleChanged(change) => {
                self.view.title.clone_from(&change.title);
                true
            }
            Kind::MutedChanged(change) => {
                self.view.muted = change.muted;
                true
            }
            // Handled by the whole state.
            Kind::ConversationAdded(_)
            | Kind::UserBlocked(_)
            | Kind::UserUnblocked(_)
            | Kind::VisibilityChanged(_)
            // No part of the state: `list_held` shows them.
            | Kind::MessageHeld(_)
            | Kind::MessageReleased(_)
            | Kind::MessageRejected(_)
            | Kind::ContactChanged(_)
            | Kind::ToastQueued(_)
            | Kind::ToastsSeen(_)
            | Kind::BadgeSet(_) => true,
        };
        self.as_of = at;
        exact
    }

    fn posted(&mut self, event: &Event, message: &view::Message, context: &Context<'_>) -> bool {
        let view = &mut self.view;
        if message.seq <= view.last_seq {
            return true;
        }
        // Every message this user may see comes as an event, in order: what was skipped is hidden.
        let from = match self.unsure {
            true => message.seq,
            false => view.last_seq + 1,
        };
        self.known.add(from, message.seq);
        let others = message.author != context.user && !context.blocked.contains(&message.author);
        view.unread += u64::from(message.countable && others && event.position > self.counted_to);
        view.last_seq = message.seq;
        view.last_message = Some(message.clone());
        view.activity_position = event.position;
        view.activity_ms = event.at_ms;
        self.messages.insert(message.seq, message.clone());
        true
    }

    /// Changes a message wherever it is held; false if it is not.
    fn change(&mut self, seq: u64, change: impl Fn(&mut view::Message)) -> bool {
        let in_list = self.messages.get_mut(&seq).map(&change).is_some();
        let last = self
            .view
            .last_message
            .as_mut()
            .filter(|last| last.seq == seq);
        last.map(&change).is_some() || in_list
    }

    fn edited(&mut self, event: &Event, edit: &MessageEdited) -> bool {
        self.change(edit.seq, |message| {
            message.text.clone_from(&edit.text);
            message.mentions.clone_from(&edit.mentions);
            message.stub = edit.stub;
            message.erased = edit.erased;
            message.edited_ms = event.at_ms;
        });
        true
    }

    fn retracted(
        &mut self,
        event: &Event,
        retraction: &MessageRetracted,
        context: &Context<'_>,
    ) -> bool {
        // A message that came as taken back was never counted.
        let held = self.messages.get(&retraction.seq);
        let known = held.is_some_and(|message| message.retracted);
        let counted = retraction.countable
            && !known
            && retraction.author != context.user
            && !context.blocked.contains(&retraction.author)
            && retraction.seq > self.view.read_seq
            && event.position > self.counted_to;
        if counted {
            self.view.unread = self.view.unread.saturating_sub(1);
        }
        self.change(retraction.seq, |message| {
            message.text.clear();
            message.mentions.clear();
            message.reactions.clear();
            message.edited_ms = 0;
            message.stub = false;
            message.countable = false;
            message.retracted = true;
        });
        true
    }

    fn reacted(&mut self, change: &ReactionChanged, mine: bool, added: bool) -> bool {
        self.change(change.seq, |message| {
            let list = &mut message.reactions;
            let found = list
                .iter()
                .position(|entry| entry.reaction == change.reaction);
            let was_mine = found.is_some_and(|i| list[i].mine);
            if let Some(i) = found {
                list.remove(i);
            }
            if change.count > 0 {
                list.push(view::Reaction {
                    reaction: change.reaction.clone(),
                    count: change.count,
                    mine: if mine { added } else { was_mine },
                });
            }
            list.sort_by(|a, b| {
                b.count
                    .cmp(&a.count)
                    .then_with(|| a.reaction.cmp(&b.reaction))
            });
        });
        true
    }

    fn read(&mut self, event: &Event, moved: &CursorMoved) -> bool {
        let view = &mut self.view;
        view.read_seq = view.read_seq.max(moved.seq);
        view.delivered_seq = view.delivered_seq.max(moved.seq);
        let counted_to = moved.as_of.max(event.position);
        if counted_to > self.counted_to {
            view.unread = moved.unread;
            self.counted_to = counted_to;
        }
        true
    }

    /// Another member has come further.
    fn tick(&mut self, moved: &CursorMoved, read: bool) -> bool {
        if self.view.member_count > TICKS_UP_TO {
            return true;
        }
        let cursors = &mut self.view.cursors;
        let i = match cursors.binary_search_by(|cursor| cursor.user.cmp(&moved.user)) {
            Ok(i) => i,
            Err(i) => {
                let user = moved.user.clone();
                cursors.insert(
                    i,
                    view::MemberCursor {
                        user,
                        ..Default::default()
                    },
                );
                i
            }
        };
        let cursor = &mut cursors[i];
        cursor.delivered_seq = cursor.delivered_seq.max(moved.seq);
        if read {
            cursor.read_seq = cursor.read_seq.max(moved.seq);
        }
        true
    }

    pub(super) fn add_page(&mut self, asked: &query::ListMessages, page: &query::Messages) {
        if page.position < self.as_of.0 {
            return;
        }
        let first = page.messages.first().map(|message| message.seq);
        let last = page.messages.last().map(|message| message.seq);
        // The page says what there is between the end it was asked from and, if there is no more,
        // the end of the history; else up to the last message it brings.
        let (from, to) = match (asked.after, asked.before) {
            (Some(after), _) if page.more => (after + 1, last.unwrap_or(after)),
            (Some(after), _) => (after + 1, self.view.last_seq),
            (None, before) => {
                let to = if before == 0 {
                    self.view.last_seq
                } else {
                    before - 1
                };
                (
                    if page.more {
                        first.unwrap_or(to + 1)
                    } else {
                        1
                    },
                    to,
                )
            }
        };
        self.known.add(from, to);
        for message in &page.messages {
            self.messages.insert(message.seq, message.clone());
        }
    }

    pub(super) fn fill_stub(&mut self, full: &view::Message) {
        self.change(full.seq, |message| {
            if message.stub && message.edited_ms == full.edited_ms {
                message.text.clone_from(&full.text);
                message.stub = false;
            }
        });
    }
}
