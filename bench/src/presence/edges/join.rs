//! Transitions of people who have no sessions, applied to what searches join people with.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// Sets whether somebody, by number, is here.
pub type Apply = Arc<dyn Fn(u32, bool) + Send + Sync>;

/// What is to be applied while clients come and go.
#[derive(Clone)]
pub struct Join {
    /// People who come and go in turn.
    pub users: u32,
    /// How often a minute, all together.
    pub per_minute: u32,
    /// Does it.
    pub apply: Apply,
}

/// Name of one of the people.
pub fn name(user: u32) -> String {
    format!("joined-{user}")
}

/// What was due is applied so often.
const STEP: Duration = Duration::from_millis(1);

impl Join {
    /// Applies transitions at their times until it is to stop. Returns how many there were a minute.
    pub(super) fn run(&self, stop: &AtomicBool) -> f64 {
        let (start, mut done) = (Instant::now(), 0_u64);
        while !stop.load(Ordering::Relaxed) {
            let passed = start.elapsed().as_micros();
            let due = (passed * u128::from(self.per_minute) / 60_000_000) as u64;
            while done < due && !stop.load(Ordering::Relaxed) {
                let turn = done / u64::from(self.users);
                let user = done % u64::from(self.users);
                (self.apply)(user as u32, turn.is_multiple_of(2));
                done += 1;
            }
            std::thread::sleep(STEP);
        }
        done as f64 / start.elapsed().as_secs_f64().max(0.001) * 60.0
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;

    #[test]
    fn everybody_comes_and_then_goes() {
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let (end, kept): (_, Arc<Mutex<Vec<_>>>) = (stop.clone(), Arc::clone(&seen));
        let join = Join {
            users: 3,
            per_minute: 6_000_000,
            apply: Arc::new(move |user, here| {
                let mut kept = kept.lock();
                kept.push((user, here));
                end.store(kept.len() == 7, Ordering::Relaxed);
            }),
        };
        assert!(join.run(&stop) > 0.0);
        let expected = [true, false, true].map(|here| [0, 1, 2].map(|user| (user, here)));
        assert_eq!(*seen.lock(), expected.as_flattened()[..7]);
    }
}
