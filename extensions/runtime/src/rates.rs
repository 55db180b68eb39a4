//! Windows that moderators count in: in memory, at once, shared by all calls of an extension.
//!
//! A window of a key is sixteen steps, so what counts is at most a sixteenth too old. What a draft added is remembered for as
//! long as it is looked at, so that looking again does not add again.

use std::collections::VecDeque;

use hashbrown::HashMap;
use parking_lot::Mutex;

/// Steps of a window.
const STEPS: u64 = 16;

/// Keys of a name that are remembered.
const KEYS: usize = 100_000;

/// The windows of one extension.
#[derive(Default)]
pub(crate) struct Rates {
    names: Mutex<HashMap<String, Name>>,
}

#[derive(Default)]
struct Name {
    keys: HashMap<String, Window>,
}

/// What was added lately: (step, how much), the oldest first.
#[derive(Default)]
struct Window {
    steps: VecDeque<(u64, u32)>,
    last_ms: u64,
}

/// What one draft has added so far.
#[derive(Default)]
pub(crate) struct Added(Mutex<HashMap<(String, String), u32>>);

impl Added {
    /// How much of `by` is new: what was added before is not added again.
    fn new_part(
        &self,
        name: &str,
        key: &str,
        by: u32,
        seen: &mut HashMap<(String, String), u32>,
    ) -> u32 {
        let key = (name.to_owned(), key.to_owned());
        let so_far = seen.entry(key.clone()).or_default();
        *so_far = so_far.saturating_add(by);
        let mut added = self.0.lock();
        let before = added.entry(key).or_default();
        let new = so_far.saturating_sub(*before);
        *before = (*before).max(*so_far);
        new
    }
}

/// One look at a draft.
pub(crate) struct Look<'a> {
    /// What this look has asked for.
    pub(crate) seen: &'a Mutex<HashMap<(String, String), u32>>,
    /// What the draft has added in all looks.
    pub(crate) added: &'a Added,
}

impl Rates {
    /// Adds to a window and says what it comes to.
    pub(crate) fn bump(
        &self,
        look: &Look<'_>,
        (name, key): (&str, &str),
        window_ms: u32,
        by: u32,
        now_ms: u64,
    ) -> u32 {
        let new = look.added.new_part(name, key, by, &mut look.seen.lock());
        let step_ms = (u64::from(window_ms) / STEPS).max(1);
        let step = now_ms / step_ms;
        let mut names = self.names.lock();
        let name = names.entry_ref(name).or_default();
        if name.keys.len() >= KEYS && !name.keys.contains_key(key) {
            name.forget();
        }
        let window = name.keys.entry_ref(key).or_default();
        while window
            .steps
            .front()
            .is_some_and(|(at, _)| at + STEPS < step)
        {
            window.steps.pop_front();
        }
        if new > 0 {
            window.last_ms = now_ms;
            match window.steps.back_mut() {
                Some((at, count)) if *at >= step => *count = count.saturating_add(new),
                _ => window.steps.push_back((step, new)),
            }
        }
        let counts = window.steps.iter().map(|(_, count)| *count);
        counts.fold(0, u32::saturating_add)
    }
}

impl Name {
    /// The tenth that was not added to for longest.
    fn forget(&mut self) {
        let mut last: Vec<u64> = self.keys.values().map(|window| window.last_ms).collect();
        let tenth = last.len() / 10;
        let (_, until, _) = last.select_nth_unstable(tenth);
        let until = *until;
        self.keys.retain(|_, window| window.last_ms > until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bump(rates: &Rates, added: &Added, by: u32, now_ms: u64) -> u32 {
        let seen = Mutex::default();
        let look = Look { seen: &seen, added };
        rates.bump(&look, ("posts", "ann"), 16_000, by, now_ms)
    }

    #[test]
    fn what_is_older_than_the_window_does_not_count() {
        let rates = Rates::default();
        assert_eq!(bump(&rates, &Added::default(), 2, 100_000), 2);
        assert_eq!(bump(&rates, &Added::default(), 1, 110_000), 3);
        assert_eq!(bump(&rates, &Added::default(), 0, 116_000), 3);
        assert_eq!(bump(&rates, &Added::default(), 1, 118_000), 2);
        assert_eq!(bump(&rates, &Added::default(), 0, 140_000), 0);
    }

    #[test]
    fn a_draft_that_is_looked_at_again_adds_nothing() {
        let rates = Rates::default();
        let draft = Added::default();
        assert_eq!(bump(&rates, &draft, 3, 100_000), 3);
        assert_eq!(bump(&rates, &draft, 3, 100_000), 3);
        assert_eq!(bump(&rates, &draft, 5, 100_000), 5, "only what is new");
        assert_eq!(bump(&rates, &Added::default(), 1, 100_000), 6);
    }

    #[test]
    fn those_not_added_to_for_longest_are_forgotten() {
        let mut name = Name::default();
        for at in 0..1_000 {
            let window = Window {
                last_ms: at,
                ..Window::default()
            };
            name.keys.insert(at.to_string(), window);
        }
        name.forget();
        assert!(name.keys.len() < 1_000 && name.keys.len() >= 890);
        assert!(name.keys.contains_key("999") && !name.keys.contains_key("0"));
    }
}
