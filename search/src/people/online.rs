//! The join of the index with who is online, which never is in the index.
//!
//! Queries read one bit per document ([`super::bits`]). A transition has to find the bits of its user:
//!
//! * Every user has a number (ordinal), every segment that is in use a slot of its own, and every ordinal
//!   at most two *places* (slot, document): where its live document is in the view that queries see, and
//!   where it will be in the view that is being made.
//! * All writers (transitions, filling a new segment, publishing a view) hold one lock; readers hold none.
//!
//! Why no transition is lost and no bit is wrong. A view is made in this order: its new segments get slots
//! (under the lock), then for each of their live documents, in short turns under the lock, the place is
//! entered and the bits are set from the user's state; then, under the lock once more, the view is
//! published and slots that it does not use are dropped.
//!
//! 1. *Places are complete.* Let a user's live document be `p` in the published view and `n` in the one
//!    being made. Either `n` is `p` (same segment), then nothing was entered since `p` was: entering
//!    happens only for a live document of a new segment, and a document that is dead in a view is dead in
//!    all later ones, so whatever was entered after `p` would have made `p` dead in the published view or
//!    would be `n`. Or `n` is in a new segment and is entered as the newest place, and what was the newest
//!    until then, `p`, becomes the other. A user has one live document per view, so nothing is entered
//!    twice between two views, and `p` stays until the next view is made, when it is not published any more.
//! 2. *Bits follow states.* State, places and bits are written under the same lock. A transition before a
//!    document was entered is seen by the filling, which reads the state; one after it sets the bits at
//!    both places. So whenever the lock is free, the bits of every entered place of a used slot agree with
//!    the state, and with 1. so do the bits of every live document of the published view; on publishing,
//!    of the new one.
//! 3. *The next query sees it.* The published view is replaced as one pointer, searcher and bits together;
//!    whoever loads it after a transition has returned reads bits that were set before.
//!
//! A failure while a view is made must leave no half-entered segment, so everything that can fail (reading
//! columns) happens before the first slot is given.

use std::sync::Arc;

use hashbrown::HashMap;

use super::Presence;
use super::bits::AtomicBits;
use super::interner::Interner;

/// The bits of one segment, shared by every view that has the segment.
pub(super) struct SegmentOnline {
    slot: u32,
    /// Who is available.
    pub(super) available: Arc<AtomicBits>,
    /// Who is available or away.
    pub(super) reachable: Arc<AtomicBits>,
}

impl SegmentOnline {
    fn set(&self, doc: u32, presence: Presence) {
        self.available.set(doc, presence == Presence::Available);
        self.reachable.set(doc, presence != Presence::Offline);
    }
}

#[derive(Clone, Copy)]
struct Place {
    slot: u32,
    doc: u32,
}

const NOWHERE: Place = Place {
    slot: u32::MAX,
    doc: 0,
};

#[derive(Clone, Copy)]
struct User {
    newest: Place,
    other: Place,
    presence: Presence,
    /// Whether a document was ever written: who has none needs no deletion before the first.
    written: bool,
}

/// What stands behind the lock.
#[derive(Default)]
pub(super) struct OnlineState {
    interner: Interner,
    users: Vec<User>,
    slots: HashMap<u32, Arc<SegmentOnline>>,
    next_slot: u32,
}

impl OnlineState {
    fn user(&mut self, user: &str) -> &mut User {
        let ordinal = self.interner.intern(user) as usize;
        if ordinal == self.users.len() {
            self.users.push(User {
                newest: NOWHERE,
                other: NOWHERE,
                presence: Presence::Offline,
                written: false,
            });
        }
        &mut self.users[ordinal]
    }

    /// A transition; says what was said before.
    pub(super) fn set_presence(&mut self, user: &str, presence: Presence) -> Presence {
        let user = self.user(user);
        let before = std::mem::replace(&mut user.presence, presence);
        for place in [user.newest, user.other] {
            if let Some(segment) = self.slots.get(&place.slot) {
                segment.set(place.doc, presence);
            }
        }
        before
    }

    /// What was said last of a user.
    pub(super) fn presence(&self, user: &str) -> Presence {
        match self.interner.get(user) {
            Some(ordinal) => self.users[ordinal as usize].presence,
            None => Presence::Offline,
        }
    }

    /// Notes that a document is written. Returns whether there may be an earlier one.
    pub(super) fn written(&mut self, user: &str) -> bool {
        std::mem::replace(&mut self.user(user).written, true)
    }

    /// Gives a new segment its bits, all unset.
    pub(super) fn add_segment(&mut self, documents: u32) -> Arc<SegmentOnline> {
        let segment = Arc::new(SegmentOnline {
            slot: self.next_slot,
            available: Arc::new(AtomicBits::new(documents)),
            reachable: Arc::new(AtomicBits::new(documents)),
        });
        self.next_slot += 1;
        self.slots.insert(segment.slot, Arc::clone(&segment));
        segment
    }

    /// Enters a live document of a new segment.
    pub(super) fn enter(&mut self, segment: &SegmentOnline, user: &str, doc: u32) {
        let user = self.user(user);
        user.other = user.newest;
        user.newest = Place {
            slot: segment.slot,
            doc,
        };
        user.written = true;
        if user.presence != Presence::Offline {
            segment.set(doc, user.presence);
        }
    }

    /// Forgets the slots that `kept` does not say are in use.
    pub(super) fn retain(&mut self, kept: &[Arc<SegmentOnline>]) {
        self.slots
            .retain(|slot, _| kept.iter().any(|segment| segment.slot == *slot));
    }

    /// Where the document of a user may be: the segment's place in `segments`, and the document.
    pub(super) fn places<'a>(
        &self,
        user: &str,
        segments: impl Iterator<Item = &'a Arc<SegmentOnline>> + Clone,
    ) -> impl Iterator<Item = (usize, u32)> {
        let user = self
            .interner
            .get(user)
            .map(|ordinal| self.users[ordinal as usize]);
        user.into_iter()
            .flat_map(|user| [user.newest, user.other])
            .filter_map(move |place| {
                let segment = segments
                    .clone()
                    .position(|segment| segment.slot == place.slot)?;
                Some((segment, place.doc))
            })
    }
}
