//! The tables, and how a table and a key become one key on disk.

use super::{MAX_KEY, key::Key};

/// A table of the store. The numbers are on disk: never reuse or change one, only add.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[allow(
    missing_docs,
    reason = "the rows of each are described where they are folded"
)]
pub enum Table {
    Conversations = 1,
    Members = 2,
    Memberships = 3,
    Messages = 4,
    Authors = 5,
    Retracted = 6,
    Changes = 7,
    Commands = 8,
    Users = 9,
    Meta = 10,
    Reactions = 11,
    Held = 12,
    Reviews = 13,
    Settled = 14,
    Toasts = 15,
    ToastsAbout = 16,
    Badges = 17,
    Extensions = 18,
    Feed = 19,
}

impl Table {
    /// Every table, in the order of their numbers.
    pub const ALL: &[Table] = &[
        Table::Conversations,
        Table::Members,
        Table::Memberships,
        Table::Messages,
        Table::Authors,
        Table::Retracted,
        Table::Changes,
        Table::Commands,
        Table::Users,
        Table::Meta,
        Table::Reactions,
        Table::Held,
        Table::Reviews,
        Table::Settled,
        Table::Toasts,
        Table::ToastsAbout,
        Table::Badges,
        Table::Extensions,
        Table::Feed,
    ];

    /// The name for people: in logs, in metrics and in the audit's output.
    pub fn name(self) -> &'static str {
        match self {
            Table::Conversations => "conversations",
            Table::Members => "members",
            Table::Memberships => "memberships",
            Table::Messages => "messages",
            Table::Authors => "authors",
            Table::Retracted => "retracted",
            Table::Changes => "changes",
            Table::Commands => "commands",
            Table::Users => "users",
            Table::Meta => "meta",
            Table::Reactions => "reactions",
            Table::Held => "held",
            Table::Reviews => "reviews",
            Table::Settled => "settled",
            Table::Toasts => "toasts",
            Table::ToastsAbout => "toasts_about",
            Table::Badges => "badges",
            Table::Extensions => "extensions",
            Table::Feed => "feed",
        }
    }

    /// The byte that stands before this table's keys; 0 is the store's own header.
    pub(super) fn byte(self) -> u8 {
        self as u8
    }

    /// The full key: all tables lie in one ordered space, so that one sorted run on disk can carry
    /// them together.
    ///
    /// What is looked for may be of any length. No row has a key that is longer than [`MAX_KEY`], so what
    /// lies beyond one byte more makes no difference to where it stands among them.
    pub(super) fn key(self, key: &[u8]) -> Key {
        let key = &key[..key.len().min(MAX_KEY + 1)];
        let mut full = Vec::with_capacity(1 + key.len());
        full.push(self.byte());
        full.extend_from_slice(key);
        full.into()
    }
}
