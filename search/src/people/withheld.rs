//! Who is not to be found any more and still stands in the view: until the next commit they are left out of
//! every search, so that nobody is counted after being hidden or removed.

use std::collections::HashMap;

use parking_lot::Mutex;

/// From whom somebody is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// From clients.
    Hidden,
    /// From everybody.
    Removed,
}

/// Who is withheld, and since which commit.
#[derive(Default)]
pub(super) struct Withheld(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    users: HashMap<String, (Kept, u64)>,
    commits: u64,
}

impl Withheld {
    pub(super) fn add(&self, user: &str, kept: Kept) {
        let mut inner = self.0.lock();
        let commits = inner.commits;
        inner.users.insert(user.to_owned(), (kept, commits));
    }

    pub(super) fn remove(&self, user: &str) {
        self.0.lock().users.remove(user);
    }

    /// What was added until now is committed; what is added from now on is not.
    pub(super) fn turn(&self) -> u64 {
        let mut inner = self.0.lock();
        inner.commits += 1;
        inner.commits
    }

    /// Lets go of whom a commit covers, once searches see it.
    pub(super) fn release(&self, covered: u64) {
        let mut inner = self.0.lock();
        inner.users.retain(|_, (_, since)| *since >= covered);
    }

    /// Whom a search is to leave out.
    pub(super) fn users(&self, may_see_private: bool) -> Vec<String> {
        let inner = self.0.lock();
        let users = inner.users.iter();
        let kept = users.filter(|(_, (kept, _))| !may_see_private || *kept == Kept::Removed);
        kept.map(|(user, _)| user.clone()).collect()
    }
}
