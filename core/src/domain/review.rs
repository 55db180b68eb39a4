//! What moderation said of a command, before it was decided.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{command::Command, id::UserId};

/// What is to become of what somebody asked.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub enum Verdict {
    /// It happens as it is.
    #[default]
    Allow,
    /// It happens with another text.
    Replace,
    /// Only its author and moderators see it until it is settled.
    Hold,
    /// It does not happen.
    Reject,
}

impl Verdict {
    /// Name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Allow => "allow",
            Verdict::Replace => "replace",
            Verdict::Hold => "hold",
            Verdict::Reject => "reject",
        }
    }
}

/// What one extension said. Whoever allows without a label has said nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// Its id.
    pub extension: String,
    /// Its version.
    pub version: String,
    /// The strictest that it said.
    pub verdict: Verdict,
    /// Why, as the author is shown it; empty where nothing was held or rejected.
    pub reason: String,
    /// Labels that the message got.
    pub labels: Vec<String>,
    /// It failed, and the verdict is what its manifest says counts then.
    pub failed: bool,
}

/// A command that was reviewed: as it is to be carried out, and what was said of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reviewed {
    /// What is to be done: texts are replaced already.
    pub command: Command,
    /// What was asked, in four bytes, so that the same question is known again where its text was replaced.
    pub digest: u32,
    /// By extension; those that said nothing are left out.
    pub reviews: Vec<Review>,
}

impl Reviewed {
    /// The strictest verdict, and the reason of whoever said it first.
    pub fn verdict(&self) -> (Verdict, &str) {
        let strictest = self.reviews.iter().map(|review| review.verdict).max();
        let strictest = strictest.unwrap_or_default();
        let first = self
            .reviews
            .iter()
            .find(|review| review.verdict == strictest);
        (strictest, first.map_or("", |review| &*review.reason))
    }
}

/// Who settles what was held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Settler {
    /// A moderator or owner of the group.
    Moderator(UserId),
    /// The product's backend.
    Backend,
    /// An extension that held it.
    Extension(String),
}

impl fmt::Display for Settler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Settler::Moderator(user) => write!(f, "moderator {user}"),
            Settler::Backend => f.write_str("backend"),
            Settler::Extension(id) => write!(f, "extension {id}"),
        }
    }
}
