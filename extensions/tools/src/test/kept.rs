//! Whether calls come to the same in instances that are kept: all of them once more, in other orders, one after the other.

use std::collections::BTreeMap;

use tidings_extension_host::{Digest, Extension};

use super::occasion::Occasion;
use super::run::{Came, Runner};
use crate::world::World;

/// In how many orders.
const ORDERS: u32 = 3;

/// A call, and what it came to in an instance of its own.
struct Seen {
    case: String,
    /// Those of an extension that acts are the same for all of its calls.
    settings: String,
    before: World,
    occasion: Occasion,
    came: Came,
}

/// All calls of all cases.
#[derive(Default)]
pub(super) struct Kept {
    seen: Vec<Seen>,
    /// By settings.
    warm: BTreeMap<String, Extension>,
}

impl Kept {
    /// Remembers a call.
    pub(super) fn see(
        &mut self,
        (case, settings): (&str, &str),
        extension: &Extension,
        before: &World,
        occasion: &Occasion,
        came: Came,
    ) {
        self.warm
            .entry(settings.to_owned())
            .or_insert_with(|| extension.kept_warm());
        self.seen.push(Seen {
            case: case.to_owned(),
            settings: settings.to_owned(),
            before: before.clone(),
            occasion: occasion.clone(),
            came,
        });
    }

    /// Runs them in orders that are the same each time. Tells of each whether it came to the same, or what it came to.
    pub(super) fn run(&self, runner: &Runner, mut look: impl FnMut(bool, String)) {
        for order in 0..ORDERS {
            let mut shuffled: Vec<(Digest, &Seen)> = (0_u64..)
                .zip(&self.seen)
                .map(|(at, seen)| (Digest::of(format!("{order} {at}").as_bytes()), seen))
                .collect();
            shuffled.sort_by_key(|(digest, _)| *digest);
            for (_, seen) in shuffled {
                let warm = &self.warm[&seen.settings];
                let again = runner.call(warm, &seen.before, &seen.occasion);
                look(seen.is_same(&again), seen.told(&again));
            }
        }
    }
}

impl Seen {
    /// But for fuel: what an earlier call has prepared need not be done again.
    fn is_same(&self, again: &Came) -> bool {
        self.came.result == again.result
            && self.came.usage.log == again.usage.log
            && self.came.usage.metrics == again.usage.metrics
            && self.came.world.requests == again.world.requests
    }

    fn told(&self, again: &Came) -> String {
        let (one, other) = (&self.came, again);
        if one.result != other.result {
            return format!("{}: {:?}, then {:?}", self.case, one.result, other.result);
        }
        format!("{}: other lines, metrics or requests", self.case)
    }
}
