//! Who has whom in their contacts, as arithmetic: nothing is looked up for what is told tens of thousands of times a
//! second.

/// Viewers, of whom each watches a stretch of users in a ring.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rosters {
    viewers: u32,
    users: u32,
    /// From one viewer's stretch to the next.
    step: u32,
    /// How far each stretch begins before that.
    back: u32,
    width: u32,
    /// Viewers are the users themselves, and nobody is in their own contacts.
    without_self: bool,
}

impl Rosters {
    /// Viewers who are others than the users, with so many users each. `None` where they cannot be spread evenly.
    pub(super) fn of_others(viewers: u32, users: u32, size: u32) -> Option<Rosters> {
        let fits = viewers > 0 && users.is_multiple_of(viewers) && (1..=users).contains(&size);
        fits.then(|| Rosters {
            viewers,
            users,
            step: users / viewers,
            back: 0,
            width: size,
            without_self: false,
        })
    }

    /// Users who have each other, so many each, which is an even number below theirs.
    pub(super) fn of_each_other(users: u32, size: u32) -> Option<Rosters> {
        let fits = size > 0 && size.is_multiple_of(2) && size < users;
        fits.then(|| Rosters {
            viewers: users,
            users,
            step: 1,
            back: size / 2,
            width: size + 1,
            without_self: true,
        })
    }

    /// How many pairs there are.
    pub(super) fn pairs(&self) -> u64 {
        let each = self.width - u32::from(self.without_self);
        u64::from(self.viewers) * u64::from(each)
    }

    /// Places for all of them; some may be of nobody.
    pub(super) fn places(&self) -> usize {
        self.viewers as usize * self.width as usize
    }

    /// The place of a pair, if it is one.
    pub(super) fn place(&self, viewer: u32, user: u32) -> Option<usize> {
        if viewer >= self.viewers || user >= self.users || (self.without_self && viewer == user) {
            return None;
        }
        let begins = (viewer * self.step + self.users - self.back) % self.users;
        let into = (user + self.users - begins) % self.users;
        (into < self.width).then(|| viewer as usize * self.width as usize + into as usize)
    }

    /// Whom a viewer watches.
    pub(super) fn watched(&self, viewer: u32) -> impl Iterator<Item = u32> + use<> {
        let rosters = *self;
        let begins = (viewer * rosters.step + rosters.users - rosters.back) % rosters.users;
        let all = (0..rosters.width).map(move |into| (begins + into) % rosters.users);
        all.filter(move |user| !(rosters.without_self && *user == viewer))
    }

    /// How many watch each user, where all are watched by as many.
    pub(super) fn watchers_each(&self) -> f64 {
        self.pairs() as f64 / f64::from(self.users)
    }
}

/// An order of users, by number, in which neighbours are far apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    users: u64,
    /// Has no divisor in common with the users.
    stride: u64,
}

impl Order {
    pub(super) fn new(users: u32) -> Order {
        let users = u64::from(users).max(1);
        let about = (users * 618 / 1_000).max(1);
        let stride = (about..).find(|stride| divisor(*stride, users) == 1);
        Order {
            users,
            stride: stride.unwrap_or(1),
        }
    }

    /// Whose turn is the n-th, from 0. After the last one it is the first one's again.
    pub(super) fn user(self, turn: u64) -> u32 {
        (turn % self.users * self.stride % self.users) as u32
    }
}

/// The greatest in common.
fn divisor(a: u64, b: u64) -> u64 {
    match b {
        0 => a,
        _ => divisor(b, a % b),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Every pair has a place of its own, nobody else has one, and all are watched by as many.
    fn holds(rosters: Rosters, each: usize) {
        let mut places = HashSet::new();
        let mut watchers = vec![0; rosters.users as usize];
        for viewer in 0..rosters.viewers {
            let watched: HashSet<u32> = rosters.watched(viewer).collect();
            for user in 0..rosters.users {
                let place = rosters.place(viewer, user);
                assert_eq!(place.is_some(), watched.contains(&user), "{viewer} {user}");
                if let Some(place) = place {
                    assert!(place < rosters.places() && places.insert(place));
                    watchers[user as usize] += 1;
                }
            }
        }
        assert_eq!(places.len() as u64, rosters.pairs());
        assert!(watchers.iter().all(|count| *count == each), "{watchers:?}");
        assert!((rosters.watchers_each() - each as f64).abs() < 1e-9);
        assert_eq!(rosters.place(rosters.viewers, 0), None);
        assert_eq!(rosters.place(0, rosters.users), None);
    }

    #[test]
    fn places_are_of_pairs() {
        holds(Rosters::of_others(10, 20, 8).unwrap(), 4);
        holds(Rosters::of_others(5, 5, 5).unwrap(), 5);
        holds(Rosters::of_each_other(11, 6).unwrap(), 6);
        holds(Rosters::of_each_other(3, 2).unwrap(), 2);
    }

    #[test]
    fn what_cannot_be_spread_is_refused() {
        assert!(Rosters::of_others(3, 20, 8).is_none());
        assert!(Rosters::of_others(0, 20, 8).is_none());
        assert!(Rosters::of_others(5, 5, 6).is_none());
        assert!(Rosters::of_each_other(6, 6).is_none());
        assert!(Rosters::of_each_other(6, 3).is_none());
    }

    #[test]
    fn the_whole_size_is_told_to_fifty() {
        let rosters = Rosters::of_others(1_000, 2_000, 100).unwrap();
        assert!((rosters.watchers_each() - 50.0).abs() < 1e-9);
    }

    #[test]
    fn everybody_has_a_turn_and_neighbours_are_far_apart() {
        for users in [1, 2, 10, 300, 2_000, 15_000] {
            let order = Order::new(users);
            let turns: HashSet<u32> = (0..users).map(|turn| order.user(turn.into())).collect();
            assert_eq!(turns.len(), users as usize);
            assert_eq!(order.user(users.into()), order.user(0));
        }
        let order = Order::new(2_000);
        for turn in 0..100 {
            let (one, next) = (order.user(turn), order.user(turn + 1));
            assert!((100..1_900).contains(&one.abs_diff(next)), "{one} {next}");
        }
    }
}
