//! Waiting for a condition, never for a time.

use std::time::Duration;

/// How long anything may take: far longer than it does, also on a busy machine.
pub const LONG: Duration = Duration::from_secs(40);

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// Waits for something; panics when it does not come.
pub async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(LONG, work).await {
        Ok(done) => done,
        Err(_) => panic!("{what}: not within {LONG:?}"),
    }
}

/// Looks again and again until there is something; panics when it does not come.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    within(what, async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(LOOK).await;
        }
    })
    .await
}

/// Asks again and again for a value until it is as it should be; panics with the last value when
/// that does not come.
pub async fn becomes<T: PartialEq + std::fmt::Debug>(
    what: &str,
    expected: &T,
    mut ask: impl AsyncFnMut() -> T,
) {
    let mut last = None;
    let asking = async {
        loop {
            let now = ask().await;
            if now == *expected {
                return;
            }
            last = Some(now);
            tokio::time::sleep(LOOK).await;
        }
    };
    if tokio::time::timeout(LONG, asking).await.is_err() {
        panic!("{what}: it is {last:?}, not {expected:?}");
    }
}

/// The seed of this run: `TIDINGS_SEED`, or a random one. It is printed, so that a failure can be
/// tried again.
pub fn seed() -> u64 {
    let seed = match std::env::var("TIDINGS_SEED") {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("TIDINGS_SEED is {text:?}, not a number")),
        Err(_) => fastrand::u64(..),
    };
    println!("seed: TIDINGS_SEED={seed}");
    seed
}
