//! The domain: what may happen and what it means. Pure: no clock, no randomness, no I/O.
//!
//! `decide(state, command) -> events`, `evolve(state, event) -> state`. A state may hold only the
//! part of the truth a command needs ([`Needs`]): whoever calls `decide` loads that part first.

pub mod command;
pub mod conversation;
pub mod event;
pub mod extension;
pub mod id;
pub mod refusal;
pub mod review;
pub mod toast;
pub mod user;

pub use command::{Command, ConversationCommand, Needs, UserCommand};
pub use conversation::Conversation;
pub use event::{Content, Event, Kind};
pub use extension::{Extension, ExtensionCommand, ExtensionEvent, ExtensionId, Reaction};
pub use id::{CommandId, ConversationId, Stream, UserId};
pub use refusal::Refusal;
pub use review::{Review, Reviewed, Settler, Verdict};
pub use toast::NewToast;
pub use user::User;

/// Limits of the domain. The gateway's own (frames, rates) are elsewhere.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Longest message text in bytes of UTF-8.
    pub text_bytes: usize,
    /// Most members of a group.
    pub group_members: u32,
    /// Most users named in one `create_group` or `add_members`.
    pub members_at_once: usize,
    /// Most mentions of one message.
    pub mentions: usize,
    /// Longest title in bytes.
    pub title_bytes: usize,
    /// Longest reaction in bytes.
    pub reaction_bytes: usize,
    /// Most different reactions on one message.
    pub reactions: usize,
    /// Most users one user can block.
    pub blocked: u32,
    /// Most contacts of one user, those asked and asking included.
    pub contacts: u32,
    /// Most toasts of one source that wait for one user: older ones go.
    pub toasts: u32,
    /// Most badges of one source for one user.
    pub badges: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            text_bytes: 16 * 1024,
            group_members: 10_000,
            members_at_once: 1_000,
            mentions: 50,
            title_bytes: 256,
            reaction_bytes: 32,
            reactions: 20,
            blocked: 10_000,
            contacts: 5_000,
            toasts: 50,
            badges: 100,
        }
    }
}

/// Conversations of up to this many members show everyone's ticks; in larger ones they are
/// answered on request only.
pub const TICKS_MEMBERS: u32 = 32;
