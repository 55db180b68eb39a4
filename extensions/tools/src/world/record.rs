//! Recording: what a call staged lands as a whole, and once for what it is about.

use std::collections::BTreeMap;

use tidings_extension_host::staged::{Effect, Staged, TimerChange};

use super::{Timer, World};

/// What is stored under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The value.
    pub value: Vec<u8>,
    /// Another number after each change.
    pub revision: u64,
    /// Whom it is about.
    pub subject: Option<String>,
}

/// What one call did to the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Batch {
    effects: Vec<Effect>,
}

/// What became of what a call staged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// It is recorded.
    Now,
    /// Something was recorded about the same before, so this is not.
    Before,
    /// A key has another revision than was expected: none of it is recorded, and the hook is called again.
    Stale,
}

/// What is recorded, to be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    kv: BTreeMap<String, Entry>,
    timers: BTreeMap<String, Timer>,
    batches: BTreeMap<String, Batch>,
}

impl World {
    /// Records what was staged about something, all of it or nothing.
    pub fn record(&mut self, about: &str, staged: &Staged) -> Recorded {
        if self.batches.contains_key(about) {
            return Recorded::Before;
        }
        let stale = staged.kv.iter().any(|change| {
            let revision = self.kv.get(&change.key).map_or(0, |entry| entry.revision);
            change.expect.is_some_and(|expect| expect != revision)
        });
        if stale {
            return Recorded::Stale;
        }
        for change in &staged.kv {
            self.set(&change.key, change.value.clone(), change.subject.clone());
        }
        for change in &staged.timers {
            match change {
                TimerChange::Set {
                    key,
                    when,
                    payload,
                    subject,
                } => {
                    let timer = Timer {
                        when: *when,
                        payload: payload.clone(),
                        subject: subject.clone(),
                    };
                    self.timers.insert(key.clone(), timer);
                }
                TimerChange::Cancel { key } => {
                    self.timers.remove(key);
                }
            }
        }
        for effect in &staged.effects {
            if let Effect::Release { held } | Effect::Reject { held, .. } = effect {
                self.held.remove(held);
            }
        }
        let effects = staged.effects.clone();
        self.batches.insert(about.to_owned(), Batch { effects });
        Recorded::Now
    }

    /// Sets a key of the store, or removes it.
    pub fn set(&mut self, key: &str, value: Option<Vec<u8>>, subject: Option<String>) {
        self.revision += 1;
        match value {
            Some(value) => {
                let revision = self.revision;
                let entry = Entry {
                    value,
                    revision,
                    subject,
                };
                self.kv.insert(key.to_owned(), entry);
            }
            None => {
                self.kv.remove(key);
            }
        }
    }

    /// Whether something was recorded about this.
    #[must_use]
    pub fn has_recorded(&self, about: &str) -> bool {
        self.batches.contains_key(about)
    }

    /// All that is recorded: what `http` and `rates` did at once is no part of it.
    pub(crate) fn state(&self) -> State {
        State {
            kv: self.kv.clone(),
            timers: self.timers.clone(),
            batches: self.batches.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_extension_host::staged::KvChange;

    fn change(key: &str, expect: Option<u64>) -> Staged {
        Staged {
            kv: vec![KvChange {
                key: key.to_owned(),
                value: Some(b"1".to_vec()),
                subject: None,
                expect,
            }],
            ..Staged::default()
        }
    }

    #[test]
    fn what_is_recorded_about_something_is_recorded_once() {
        let mut world = World::default();
        assert_eq!(world.record("event-1", &change("a", None)), Recorded::Now);
        let before = world.state();
        assert_eq!(
            world.record("event-1", &change("b", None)),
            Recorded::Before
        );
        assert_eq!(world.state(), before);
        assert_eq!(world.record("event-2", &change("b", None)), Recorded::Now);
    }

    #[test]
    fn a_key_that_has_changed_keeps_all_of_it_out() {
        let mut world = World::default();
        assert_eq!(
            world.record("event-1", &change("a", Some(0))),
            Recorded::Now
        );
        let mut both = change("a", Some(0));
        both.kv.extend(change("b", None).kv);
        let before = world.state();
        assert_eq!(world.record("event-2", &both), Recorded::Stale);
        assert_eq!(world.state(), before);
    }
}
