//! What is tried in a random history. Much of it is refused, as it should be.

use proptest::prelude::*;

use crate::domain::{ConversationId, UserId, Verdict, event::Role};

/// The users. One's name is the beginning of another's, so that keys run into each other if they can.
pub(crate) const USERS: [&str; 5] = ["a", "ab", "b", "c", "cé"];

/// The conversations: three direct ones, a group with history from joining, two with all of it.
pub(crate) const PLACES: usize = 6;

/// One thing somebody tries.
#[derive(Clone, Debug)]
pub(crate) struct Act {
    /// Index of who, in [`USERS`], or among the present members.
    pub(crate) who: usize,
    /// Whether it is one of the present members, if there are any.
    pub(crate) by_member: bool,
    /// Number of the conversation, below [`PLACES`].
    pub(crate) place: usize,
    /// What.
    pub(crate) deed: Deed,
    /// Whether the commit ends with it.
    pub(crate) ends_commit: bool,
}

/// What somebody tries. `back` counts from the last message, `user` is an index in [`USERS`].
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub(crate) enum Deed {
    Start,
    Post {
        reply_back: Option<u64>,
        mention: Option<usize>,
    },
    /// Posts, or with `edit_back` edits, something that moderation says something about.
    Reviewed {
        edit_back: Option<u64>,
        verdict: Verdict,
    },
    /// Settles the oldest that is held of somebody: a moderator, or the backend.
    Settle {
        by: Option<usize>,
        release: bool,
    },
    Edit {
        back: u64,
        mention: Option<usize>,
    },
    Retract {
        back: u64,
    },
    React {
        back: u64,
        which: usize,
    },
    Unreact {
        back: u64,
        which: usize,
    },
    Cursors {
        read_back: Option<u64>,
        delivered_back: Option<u64>,
    },
    Add {
        users: Vec<usize>,
    },
    Remove {
        user: usize,
    },
    Join,
    Leave {
        force: bool,
    },
    SetRole {
        user: usize,
        role: Role,
    },
    SetTitle {
        n: u8,
    },
    Mute {
        muted: bool,
    },
    Block {
        user: usize,
    },
    Unblock {
        user: usize,
    },
    Hide {
        invisible: bool,
    },
    Seen {
        after_ms: u64,
    },
    Contact {
        user: usize,
    },
    Uncontact {
        user: usize,
    },
    Profile {
        /// Whether the one who asks believes that it says the same already.
        same: bool,
        hidden: Option<bool>,
    },
    Unprofile,
    Toast {
        collapse: Option<u8>,
        about: Option<usize>,
        of_place: bool,
        lasts_ms: u64,
    },
    /// Sees some of those that wait, and one that may not.
    See {
        nth: usize,
    },
    Badge {
        name: usize,
        count: u32,
    },
}

/// The user of an index.
pub(crate) fn user(index: usize) -> UserId {
    UserId::new(USERS[index]).expect("a user id")
}

/// Everybody.
pub(crate) fn users() -> impl Iterator<Item = UserId> {
    (0..USERS.len()).map(user)
}

/// The conversation of a number.
pub(crate) fn place(number: usize) -> ConversationId {
    // Neighbours as keys, to the last byte.
    ConversationId(uuid::Uuid::from_u128(
        0xfffe_ffff_ffff_fffd + number as u128,
    ))
}

/// All conversations, started or not.
pub(crate) fn places() -> impl Iterator<Item = ConversationId> {
    (0..PLACES).map(place)
}

/// Random acts.
pub(crate) fn acts(
    count: impl Into<prop::collection::SizeRange>,
) -> impl Strategy<Value = Vec<Act>> {
    let who = (0..USERS.len(), prop::bool::weighted(0.8));
    // Most of it in three of them, so that they grow.
    let place = prop_oneof![5 => Just(0), 1 => Just(1), 1 => Just(2), 5 => Just(3), 5 => Just(4), 1 => Just(5)];
    let act = (who, place, deed(), prop::bool::weighted(0.4));
    let act = act.prop_map(|((who, by_member), place, deed, ends_commit)| Act {
        who,
        by_member,
        place,
        deed,
        ends_commit,
    });
    prop::collection::vec(act, count)
}

fn deed() -> impl Strategy<Value = Deed> {
    let any_user = || 0..USERS.len();
    // 0 is the last message; a few reach before the first one.
    let back = || prop_oneof![6 => 0..4_u64, 2 => 0..16_u64];
    let maybe_back = || prop::option::of(back());
    let verdict = prop_oneof![
        1 => Just(Verdict::Allow),
        1 => Just(Verdict::Replace),
        3 => Just(Verdict::Hold),
        1 => Just(Verdict::Reject),
    ];
    let role = prop_oneof![Just(Role::Member), Just(Role::Moderator), Just(Role::Owner)];
    prop_oneof![
        6 => Just(Deed::Start),
        30 => (prop::option::weighted(0.2, back()), prop::option::weighted(0.2, any_user()))
            .prop_map(|(reply_back, mention)| Deed::Post { reply_back, mention }),
        6 => (back(), prop::option::of(any_user()))
            .prop_map(|(back, mention)| Deed::Edit { back, mention }),
        5 => (prop::option::weighted(0.3, back()), verdict)
            .prop_map(|(edit_back, verdict)| Deed::Reviewed { edit_back, verdict }),
        4 => (prop::option::of(any_user()), prop::bool::weighted(0.7))
            .prop_map(|(by, release)| Deed::Settle { by, release }),
        6 => back().prop_map(|back| Deed::Retract { back }),
        8 => (back(), 0..3_usize).prop_map(|(back, which)| Deed::React { back, which }),
        6 => (back(), 0..3_usize).prop_map(|(back, which)| Deed::Unreact { back, which }),
        12 => (maybe_back(), maybe_back())
            .prop_map(|(read_back, delivered_back)| Deed::Cursors { read_back, delivered_back }),
        6 => prop::collection::vec(any_user(), 1..4).prop_map(|users| Deed::Add { users }),
        5 => any_user().prop_map(|user| Deed::Remove { user }),
        3 => Just(Deed::Join),
        4 => prop::bool::weighted(0.3).prop_map(|force| Deed::Leave { force }),
        3 => (any_user(), role).prop_map(|(user, role)| Deed::SetRole { user, role }),
        3 => (0..3_u8).prop_map(|n| Deed::SetTitle { n }),
        3 => any::<bool>().prop_map(|muted| Deed::Mute { muted }),
        3 => any_user().prop_map(|user| Deed::Block { user }),
        2 => any_user().prop_map(|user| Deed::Unblock { user }),
        3 => any::<bool>().prop_map(|invisible| Deed::Hide { invisible }),
        1 => (0..100_u64).prop_map(|after_ms| Deed::Seen { after_ms }),
        2 => any_user().prop_map(|user| Deed::Contact { user }),
        2 => any_user().prop_map(|user| Deed::Uncontact { user }),
        2 => (any::<bool>(), any::<Option<bool>>())
            .prop_map(|(same, hidden)| Deed::Profile { same, hidden }),
        1 => Just(Deed::Unprofile),
        6 => (prop::option::of(0..2_u8), prop::option::of(any_user()), prop::bool::weighted(0.3), 1..60_000_u64)
            .prop_map(|(collapse, about, of_place, lasts_ms)| Deed::Toast {
                collapse,
                about,
                of_place,
                lasts_ms,
            }),
        3 => (0..6_usize).prop_map(|nth| Deed::See { nth }),
        2 => (0..2_usize, 0..3_u32).prop_map(|(name, count)| Deed::Badge { name, count }),
    ]
}
