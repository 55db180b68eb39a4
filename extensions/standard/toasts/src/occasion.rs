//! What an event is an occasion for.

/// Why somebody is shown a toast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// Somebody looked at their profile.
    ProfileViewed,
    /// Somebody flirts with them.
    Flirted,
    /// Somebody likes them.
    Liked,
    /// They and somebody like each other.
    Matched,
    /// Somebody whom they had asked is their contact now.
    ContactAccepted,
    /// Somebody wrote to them.
    Message,
}

impl Occasion {
    /// All there are.
    pub const ALL: [Self; 6] = [
        Self::ProfileViewed,
        Self::Flirted,
        Self::Liked,
        Self::Matched,
        Self::ContactAccepted,
        Self::Message,
    ];

    /// Of an event's kind. That a contact was accepted is seen from two events.
    #[must_use]
    pub fn of(kind: &str) -> Option<Self> {
        Some(match kind {
            "app.profile.viewed" => Self::ProfileViewed,
            "app.profile.flirted" => Self::Flirted,
            "app.profile.liked" => Self::Liked,
            "app.match.made" => Self::Matched,
            "contact_added" => Self::ContactAccepted,
            "message_posted" => Self::Message,
            _ => return None,
        })
    }

    /// The setting with its texts; keys in the store and of toasts begin with it, too.
    #[must_use]
    pub fn setting(self) -> &'static str {
        match self {
            Self::ProfileViewed => "profile_viewed",
            Self::Flirted => "flirted",
            Self::Liked => "liked",
            Self::Matched => "matched",
            Self::ContactAccepted => "contact_accepted",
            Self::Message => "message",
        }
    }
}
