//! Time, handed in: nothing in the core asks the machine for it on its own.

use std::sync::Arc;

/// A source of the time of day.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970 (UTC).
    fn now_ms(&self) -> u64;
}

/// The clock as it is handed around.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)] // The one place where ambient time enters.
    fn now_ms(&self) -> u64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(0, |since| since.as_millis() as u64)
    }
}

/// A moment for pacing work within this process: never recorded, never decided on.
#[expect(
    clippy::disallowed_methods,
    reason = "pacing needs no clock that is handed in"
)]
pub(crate) fn moment() -> tokio::time::Instant {
    tokio::time::Instant::now()
}
