//! The local view: what this user sees, kept current by the changes the server sends.
//!
//! [`State`] is a pure reducer: no clock, no I/O. Feeding it a reset and every event after it gives
//! what a fresh reset would show; where an event does not carry enough for that (a conversation
//! outside the window, a block, leaving), the state *wants* something fetched, and
//! [`Client`](crate::Client) fetches it.

mod conversation;
mod ranges;
mod wants;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tidings_protocol::event::{Event, Kind};
use tidings_protocol::frame::{Cursor, Reset};
use tidings_protocol::{id, query, view};
use uuid::Uuid;

pub use conversation::Conversation;
pub(crate) use wants::Ask;
pub use wants::Wants;

/// Position of a commit and index within it.
type At = (u64, u32);

/// What one user sees. Serialise it to resume in a later run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    user: String,
    cursor: Option<Cursor>,
    conversations: BTreeMap<Uuid, Conversation>,
    more: bool,
    unread_total: u64,
    blocked: BTreeSet<String>,
    wants: Wants,
}

/// What came of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It was new, and the state has it now.
    New,
    /// It lies before the cursor: the state had it already.
    Known,
}

impl State {
    /// A state that knows nothing, of this user.
    pub fn new(user: impl Into<String>) -> State {
        State {
            user: user.into(),
            ..State::default()
        }
    }

    /// Whose view this is; empty before the first session.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Everything up to here is known: where a session resumes. `None` before the first reset.
    pub fn cursor(&self) -> Option<&Cursor> {
        self.cursor.as_ref()
    }

    /// Unread messages over all conversations that are not muted, held here or not.
    pub fn unread_total(&self) -> u64 {
        self.unread_total
    }

    /// Users this user has blocked.
    pub fn blocked(&self) -> &BTreeSet<String> {
        &self.blocked
    }

    /// Whether there are conversations older than those held.
    pub fn more(&self) -> bool {
        self.more
    }

    /// A conversation, if it is held.
    pub fn conversation(&self, id: Uuid) -> Option<&Conversation> {
        self.conversations.get(&id)
    }

    /// Every conversation held, latest activity first.
    pub fn conversations(&self) -> Vec<&Conversation> {
        let mut list: Vec<_> = self.conversations.values().collect();
        list.sort_by(|a, b| {
            let key = |c: &Conversation| (c.view().activity_position, c.view().id.clone());
            key(b).cmp(&key(a))
        });
        list
    }

    /// What should be fetched for this state to be exact.
    pub fn wants(&mut self) -> &mut Wants {
        &mut self.wants
    }

    /// Another user's session begins: nothing known applies to it.
    pub fn set_user(&mut self, user: &str) {
        if self.user != user {
            *self = State::new(user);
        }
    }

    /// Moves the cursor to where a resume has ended.
    pub fn advance(&mut self, cursor: Cursor) {
        let same_epoch = self
            .cursor
            .as_ref()
            .is_some_and(|c| c.epoch == cursor.epoch);
        if !same_epoch || at_of(&cursor) > self.at() {
            self.cursor = Some(cursor);
        }
    }

    fn at(&self) -> At {
        self.cursor.as_ref().map(at_of).unwrap_or_default()
    }

    /// Replaces everything.
    pub fn apply_reset(&mut self, reset: &Reset) {
        let cursor = reset.cursor.clone().unwrap_or_default();
        let at = at_of(&cursor);
        self.cursor = Some(cursor);
        self.conversations = reset
            .conversations
            .iter()
            .filter_map(|view| Some((id::from_wire(&view.id)?, Conversation::new(view, at))))
            .collect();
        self.more = reset.more;
        self.unread_total = reset.unread_total;
        self.blocked = reset.blocked.iter().cloned().collect();
        self.wants = Wants::default();
    }

    /// Applies an event of the session. Events come in order; one that is known changes nothing.
    pub fn apply_event(&mut self, event: &Event) -> Applied {
        let at = (event.position, event.index);
        if at <= self.at() {
            return Applied::Known;
        }
        if let Some(cursor) = &mut self.cursor {
            (cursor.position, cursor.index) = at;
        }
        match (&event.kind, id::from_wire(&event.conversation)) {
            (Some(Kind::UserBlocked(who)), _) => {
                self.blocked.insert(who.user.clone());
                self.want_everything();
            }
            (Some(Kind::UserUnblocked(who)), _) => {
                self.blocked.remove(&who.user);
                self.want_everything();
                // What they had begun meanwhile was not shown at all.
                self.wants.list();
            }
            (Some(Kind::ConversationAdded(view)), Some(id)) => {
                if !self.conversations.contains_key(&id) && view.unread > 0 {
                    // A return: some of these may be part of the total already.
                    self.wants.unread_total();
                }
                if let Some(held) = self.conversations.get_mut(&id) {
                    // Of what was changed between leaving and coming back nobody was told.
                    held.forget_messages();
                }
                self.insert(id, Conversation::new(view, at));
            }
            (Some(kind), Some(id)) => self.apply_to_conversation(id, event, kind),
            // Of a kind this version does not know.
            (_, _) => {}
        }
        Applied::New
    }

    fn apply_to_conversation(&mut self, id: Uuid, event: &Event, kind: &Kind) {
        self.wants.touched(id);
        let Some(conversation) = self.conversations.get_mut(&id) else {
            return self.apply_to_unknown(id, kind);
        };
        let before = conversation.counted();
        let context = conversation::Context {
            user: &self.user,
            blocked: &self.blocked,
        };
        let exact = conversation.apply(event, kind, context);
        let after = conversation.counted();
        self.count(before, after);
        if !exact {
            self.wants.conversation(id);
        }
    }

    /// Something happened in a conversation that is not held, such as one older than the window.
    fn apply_to_unknown(&mut self, id: Uuid, kind: &Kind) {
        match kind {
            Kind::MessagePosted(message) => {
                let counts = message.countable
                    && message.author != self.user
                    && !self.blocked.contains(&message.author);
                // Good enough until the answers come: it may be muted, or counted already.
                self.count(0, counts.into());
                self.wants.conversation(id);
                self.wants.unread_total();
            }
            Kind::MessageRetracted(_) | Kind::ReadUpTo(_) | Kind::MutedChanged(_) => {
                self.wants.unread_total();
            }
            Kind::MemberLeft(left) if left.users.contains(&self.user) => self.wants.unread_total(),
            _ => {}
        }
    }

    fn insert(&mut self, id: Uuid, fresh: Conversation) {
        let before = self
            .conversations
            .get(&id)
            .map(Conversation::counted)
            .unwrap_or_default();
        self.count(before, fresh.counted());
        match self.conversations.get_mut(&id) {
            Some(held) => held.renew(fresh),
            None => {
                self.conversations.insert(id, fresh);
            }
        }
    }

    fn count(&mut self, before: u64, after: u64) {
        self.unread_total = (self.unread_total + after).saturating_sub(before);
        if before != after {
            self.wants.total_touched();
        }
    }

    fn want_everything(&mut self) {
        for (id, conversation) in &mut self.conversations {
            // Messages may have become hidden or visible.
            conversation.forget_messages();
            self.wants.conversation(*id);
        }
        self.wants.unread_total();
    }

    /// Takes in the answer to `get_conversation`.
    pub fn apply_conversation(&mut self, view: &view::Conversation) {
        let Some(id) = id::from_wire(&view.id) else {
            return;
        };
        let fresh = Conversation::new(view, self.at());
        match self.conversations.entry(id) {
            Entry::Occupied(held) => {
                // Whether the total had the same is not known: the two were counted at different times.
                let corrected = held.get().counted() != fresh.counted();
                self.insert(id, fresh);
                if corrected {
                    self.wants.unread_total();
                }
            }
            // Its unread messages are part of the total already, but for those not told of yet.
            Entry::Vacant(place) => {
                place.insert(fresh);
                self.wants.unread_total();
            }
        }
        self.wants.fetched(id);
    }

    /// The conversation does not exist for this user any more.
    pub fn apply_gone(&mut self, id: Uuid) {
        if self.conversations.remove(&id).is_some() {
            self.wants.unread_total();
        }
        self.wants.gone(id);
    }

    /// Takes in the answer to `get_unread`.
    pub fn apply_unread(&mut self, unread: &query::Unread) {
        self.unread_total = unread.total;
        self.wants.total_fetched();
    }

    /// Takes in a page of `list_conversations`: those not held yet.
    pub fn apply_conversations(
        &mut self,
        asked: &query::ListConversations,
        page: &query::Conversations,
    ) {
        if asked.before == 0 {
            self.wants.listed();
        }
        let behind = page.position < self.at().0;
        for view in &page.conversations {
            let Some(id) = id::from_wire(&view.id) else {
                continue;
            };
            if self.conversations.contains_key(&id) {
                continue;
            }
            let conversation = Conversation::new(view, (page.position, u32::MAX));
            self.conversations.insert(id, conversation);
            if page.position > self.at().0 {
                // Of its unread messages some may have been told to nobody yet: they are not part of
                // the total.
                self.wants.unread_total();
            }
            if behind {
                // Events after the page was made may have passed unnoticed.
                self.wants.conversation(id);
            }
        }
        let oldest = self
            .conversations
            .values()
            .map(|c| c.view().activity_position)
            .min();
        let reached = page.conversations.last().map(|view| view.activity_position);
        if !page.more || (reached.is_some() && reached <= oldest) {
            self.more = page.more;
        }
    }

    /// Takes in a page of history, the answer to `asked`. A page older than what is known of the
    /// conversation is left out, since later changes to its messages would be undone.
    pub fn apply_messages(&mut self, asked: &query::ListMessages, page: &query::Messages) {
        let held =
            id::from_wire(&asked.conversation).and_then(|id| self.conversations.get_mut(&id));
        if let Some(conversation) = held {
            conversation.add_page(asked, page);
        }
    }

    /// Takes in the answer to `get_message`: the full text of what was a stub.
    pub fn apply_message(&mut self, conversation: Uuid, message: &view::Message) {
        if let Some(conversation) = self.conversations.get_mut(&conversation) {
            conversation.fill_stub(message);
        }
    }

    /// Keeps the latest `keep` messages of each conversation that `event` may have added to.
    pub fn trim(&mut self, conversation: Uuid, keep: usize) {
        if let Some(conversation) = self.conversations.get_mut(&conversation) {
            conversation.trim(keep);
        }
    }
}

fn at_of(cursor: &Cursor) -> At {
    (cursor.position, cursor.index)
}

#[cfg(test)]
mod tests;
