//! Requests a second, per connection.

use std::num::NonZeroU32;

use governor::{
    Quota, RateLimiter,
    clock::{Clock, MonotonicClock},
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed},
};

/// A bucket that refills steadily.
pub(crate) struct Rate {
    limiter:
        RateLimiter<NotKeyed, InMemoryState, MonotonicClock, NoOpMiddleware<std::time::Instant>>,
}

impl Rate {
    /// So many requests a second, and `burst` at once.
    pub(crate) fn new(per_second: u32, burst: u32) -> Rate {
        let per_second = NonZeroU32::new(per_second).unwrap_or(NonZeroU32::MIN);
        let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(per_second).allow_burst(burst);
        Rate {
            limiter: RateLimiter::direct_with_clock(quota, MonotonicClock),
        }
    }

    /// Takes one; otherwise says when there will be one, in milliseconds.
    pub(crate) fn take(&self) -> Result<(), u32> {
        self.limiter.check().map_err(|not_until| {
            let wait = not_until.wait_time_from(MonotonicClock.now());
            u32::try_from(wait.as_millis()).unwrap_or(u32::MAX).max(1)
        })
    }
}
