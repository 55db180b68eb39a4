//! The hooks there are: one exported interface each.

use std::fmt;

/// The package that extensions are built against, without its version.
pub const PACKAGE: &str = "tidings:extension";
/// The version of the package that this host serves.
pub const VERSION: (u64, u64, u64) = (0, 1, 0);

/// Where an extension is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hook {
    /// Before anything is recorded.
    Moderation,
    /// After something was.
    Reactor,
    /// When somebody comes, goes or turns away.
    PresenceWatcher,
    /// When somebody absent has unread messages.
    Recall,
    /// When a timer fires.
    Timer,
    /// When a client or the backend calls it by name.
    Command,
    /// When people are ordered on a page.
    Ranker,
}

impl Hook {
    /// All there are.
    pub const ALL: [Self; 7] = [
        Self::Moderation,
        Self::Reactor,
        Self::PresenceWatcher,
        Self::Recall,
        Self::Timer,
        Self::Command,
        Self::Ranker,
    ];

    /// As in the WIT package, the manifest and the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Moderation => "moderation",
            Self::Reactor => "reactor",
            Self::PresenceWatcher => "presence-watcher",
            Self::Recall => "recall",
            Self::Timer => "timer",
            Self::Command => "command",
            Self::Ranker => "ranker",
        }
    }

    /// The hook of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|hook| hook.name() == name)
    }

    /// Whether what it stages takes effect. In the others `kv-write`, `effects`, `timers` and `http` answer `denied`.
    #[must_use]
    pub fn acts(self) -> bool {
        !matches!(self, Self::Moderation | Self::Recall | Self::Ranker)
    }

    /// The full name of an interface of the package.
    pub(crate) fn interface(name: &str) -> String {
        let (major, minor, patch) = VERSION;
        format!("{PACKAGE}/{name}@{major}.{minor}.{patch}")
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
