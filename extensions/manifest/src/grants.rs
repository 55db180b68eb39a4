//! What an extension may read and do.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// What an extension asks to read and to do. Nothing said is nothing granted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grants {
    /// Whether it may read what people write: texts of messages, titles, reasons, profiles and payloads in events. What
    /// moderation looks at it reads either way.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub content: bool,
    /// The functions of `views` that it may call.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub views: BTreeSet<View>,
    /// Attributes of profiles that it may read though they are not public.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub attributes: BTreeSet<String>,
    /// What it may do.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub effects: BTreeSet<EffectKind>,
    /// Whom views may tell of and effects concern.
    #[serde(default, skip_serializing_if = "Reach::is_involved")]
    pub users: Reach,
    /// Which conversations views may tell of and effects concern.
    #[serde(default, skip_serializing_if = "Reach::is_involved")]
    pub conversations: Reach,
}

impl Grants {
    pub(crate) fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// How far views and effects reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// What the call is about. Of conversations: the one of the draft, event or invocation, and those of the absence. Of users: the
    /// author, actor, caller, subject, those mentioned, the people on the page, and present members of those conversations.
    #[default]
    Involved,
    /// All there are.
    All,
}

impl Reach {
    fn is_involved(&self) -> bool {
        *self == Self::Involved
    }
}

/// Declares an enum whose cases have names, as in the WIT package.
macro_rules! named {
    ($(#[$doc:meta])* $type:ident { $($(#[$case_doc:meta])* $case:ident = $name:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $type {
            $($(#[$case_doc])* #[serde(rename = $name)] $case,)+
        }

        impl $type {
            /// All there are.
            pub const ALL: &[Self] = &[$(Self::$case),+];

            /// As in the WIT package and the manifest.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$case => $name,)+
                }
            }
        }
    };
}

named! {
    /// A function of `views`.
    View {
        /// A conversation's kind, title, context and size.
        GetConversation = "get-conversation",
        /// Who the members are.
        Members = "members",
        /// Whether somebody is one.
        IsMember = "is-member",
        /// The latest messages.
        Recent = "recent",
        /// How much somebody has not read.
        Unread = "unread",
        /// Whether somebody is here.
        Presence = "presence",
        /// What a profile says.
        ProfileAttribute = "profile-attribute",
        /// Whether one of two blocks the other.
        IsBlockedBetween = "is-blocked-between",
    }
}

named! {
    /// A kind of effect.
    EffectKind {
        /// Shows something on somebody's screen.
        Toast = "toast",
        /// Sets a number on it.
        Badge = "badge",
        /// Wakes devices.
        Push = "push",
        /// Hands something to the product's backend.
        Notify = "notify",
        /// Posts.
        Post = "post",
        /// Puts labels on messages.
        Label = "label",
        /// Releases and rejects what it held: `release` and `reject`.
        Settle = "settle",
        /// Records events of its own.
        Emit = "emit",
    }
}
