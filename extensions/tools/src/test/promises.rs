//! What the server promises of every call, tried on each call of each case: that it is the same when it is run again, that it takes
//! effect once, and that nothing is left of one that breaks, wherever it does.

use std::collections::BTreeMap;

use tidings_extension_host::{CallError, Extension};

use super::kept::Kept;
use super::occasion::Occasion;
use super::report::Promise;
use super::run::{Came, Runner};
use crate::world::{Recorded, World};

/// At how many of its calls to the host a call is broken: all, or as many of them in equal steps.
const BREAKS: u32 = 64;
/// How many broken ones are told of each.
const TOLD: usize = 5;

const SAME: &str = "run again, a call comes to the same";
const ONCE: &str = "delivered twice, it takes effect once";
const CLEAN: &str =
    "broken off at any call to the host, nothing is left of it, and it can be run again";
const FUEL: &str = "within its fuel";
const KEPT: &str =
    "kept warm, in any order and one after the other, calls come to what they come to alone";

/// What was looked at, and what did not hold.
#[derive(Debug, Default)]
pub(super) struct Promises {
    looked: BTreeMap<&'static str, u64>,
    broken: Vec<(&'static str, String)>,
    fuel: u64,
}

impl Promises {
    fn look_at(&mut self, promise: &'static str, holds: bool, told: impl FnOnce() -> String) {
        *self.looked.entry(promise).or_default() += 1;
        if !holds {
            self.broken.push((promise, told()));
        }
    }

    /// Tries all of them on a call that came to `came`, after which the world is `after`.
    #[expect(
        clippy::too_many_arguments,
        reason = "what a call begins with and what it comes to"
    )]
    pub(super) fn look(
        &mut self,
        runner: &Runner,
        extension: &Extension,
        before: &World,
        occasion: &Occasion,
        came: &Came,
        after: &World,
        case: &str,
    ) {
        self.fuel = self.fuel.max(came.usage.fuel);
        let spent = came.result == Err(CallError::Fuel);
        self.look_at(FUEL, !spent, || format!("{case}: it used up its fuel"));

        let again = runner.call(extension, before, occasion);
        self.look_at(SAME, is_same(came, &again), || {
            format!("{case}: {}", differs(came, &again))
        });

        let staged = again
            .result
            .as_ref()
            .ok()
            .and_then(|decided| decided.staged());
        if let Some(staged) = staged {
            let mut twice = after.clone();
            let recorded = twice.record(&occasion.id, staged);
            let once = recorded == Recorded::Before && twice.state() == after.state();
            self.look_at(ONCE, once, || format!("{case}: it was recorded twice"));
        }
        self.breaks(runner, extension, before, occasion, came, case);
    }

    fn breaks(
        &mut self,
        runner: &Runner,
        extension: &Extension,
        before: &World,
        occasion: &Occasion,
        came: &Came,
        case: &str,
    ) {
        let calls = came.usage.host_calls;
        let step = calls.div_ceil(BREAKS).max(1);
        for at in (1..=calls).step_by(step as usize) {
            let broken = runner.call(&extension.breaking_at(at), before, occasion);
            let ended = broken.result.is_err();
            let clean = broken.world.state() == before.state();
            // What it asked of others at once has been asked; what they answer is as before.
            let mut world = broken.world;
            world.http.clone_from(&before.http);
            let again = runner.call(extension, &world, occasion);
            let recovers = again.result == came.result;
            self.look_at(CLEAN, ended && clean && recovers, || {
                let what = match (ended, clean) {
                    (false, _) => "it went on as if nothing had been",
                    (true, false) => "something was recorded",
                    (true, true) => "run again it came to something else",
                };
                format!("{case}: at call {at} of {calls}: {what}")
            });
        }
    }

    /// Tries calls in instances that are kept.
    pub(super) fn look_at_kept(&mut self, runner: &Runner, kept: &Kept) {
        kept.run(runner, |holds, told| self.look_at(KEPT, holds, || told));
    }

    /// What is told of it; of instances that are kept, where they are to be.
    pub(super) fn told(self, fuel_limit: u64, warm: bool) -> Vec<Promise> {
        let names = [SAME, ONCE, CLEAN, FUEL]
            .into_iter()
            .chain(warm.then_some(KEPT));
        let promises = names.map(|name| {
            let of_it = self.broken.iter().filter(|(promise, _)| *promise == name);
            let broken: Vec<String> = of_it.map(|(_, what)| what.clone()).collect();
            let beside = match name {
                FUEL => Some(format!("{} of {fuel_limit} at most", self.fuel)),
                _ => None,
            };
            Promise {
                name: name.to_owned(),
                looked: self.looked.get(name).copied().unwrap_or(0),
                broken: broken.len(),
                beside,
                told: broken.into_iter().take(TOLD).collect(),
            }
        });
        promises.collect()
    }
}

/// The result, what was said on the way, and what it took but for time.
fn is_same(one: &Came, other: &Came) -> bool {
    one.result == other.result
        && one.usage.log == other.usage.log
        && one.usage.metrics == other.usage.metrics
        && one.usage.fuel == other.usage.fuel
        && one.world.requests == other.world.requests
}

fn differs(one: &Came, other: &Came) -> String {
    if one.result != other.result {
        return format!("{:?}, then {:?}", one.result, other.result);
    }
    if one.usage.log != other.usage.log {
        return format!("it logged {:?}, then {:?}", one.usage.log, other.usage.log);
    }
    if one.usage.fuel != other.usage.fuel {
        return format!("{} fuel, then {}", one.usage.fuel, other.usage.fuel);
    }
    "other metrics or requests".to_owned()
}
