//! Seeds of the tests that choose at random: the same few at each change, and others for as long as one likes.

use std::time::{Duration, Instant};

/// Seeds at each change: half a minute or so.
const USUAL: u64 = 10;

/// Runs a test with seed after seed: the usual ones, or others until the seconds in `TIDINGS_SECONDS` are over;
/// or the one in `TIDINGS_SEED` alone.
pub(crate) fn each(mut run: impl FnMut(u64)) {
    let asked = |name: &str| {
        let text = std::env::var(name).ok()?;
        Some(text.parse::<u64>().expect("a number"))
    };
    let mut run = |seed| {
        println!("TIDINGS_SEED={seed}");
        run(seed);
    };
    if let Some(seed) = asked("TIDINGS_SEED") {
        return run(seed);
    }
    let Some(seconds) = asked("TIDINGS_SECONDS") else {
        return (1..=USUAL).for_each(run);
    };
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(seconds) {
        run(fastrand::u64(..));
    }
}
