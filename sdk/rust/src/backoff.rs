//! How long to wait before the next attempt.

use std::time::Duration;

/// Exponential backoff with jitter: half of each delay is fixed, half is random, so that clients
/// that failed together do not come back together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first delay.
    pub first: Duration,
    /// No delay is longer.
    pub longest: Duration,
}

impl Default for Backoff {
    /// From 200 ms to 30 s.
    fn default() -> Backoff {
        Backoff {
            first: Duration::from_millis(200),
            longest: Duration::from_secs(30),
        }
    }
}

impl Backoff {
    /// The delay after this many failures in a row (from 1), with `random` from 0 to 1.
    pub fn delay(&self, failures: u32, random: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let full = self.first.saturating_mul(1 << doublings).min(self.longest);
        full.mul_f64(0.5 + 0.5 * random.clamp(0.0, 1.0))
    }

    pub(crate) fn random_delay(&self, failures: u32) -> Duration {
        self.delay(failures, fastrand::f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff {
        first: Duration::from_millis(100),
        longest: Duration::from_secs(3),
    };

    #[test]
    fn delays_double_up_to_the_longest() {
        let full = |failures| BACKOFF.delay(failures, 1.0).as_millis();
        assert_eq!(
            [1, 2, 3, 4, 5, 6].map(full),
            [100, 200, 400, 800, 1600, 3000]
        );
        assert_eq!(full(u32::MAX), 3000);
    }

    #[test]
    fn jitter_takes_up_to_half() {
        assert_eq!(BACKOFF.delay(3, 0.0).as_millis(), 200);
        assert_eq!(BACKOFF.delay(3, 0.5).as_millis(), 300);
        for failures in 0..40 {
            let delay = BACKOFF.random_delay(failures);
            assert!(
                delay >= BACKOFF.first / 2 && delay <= BACKOFF.longest,
                "{delay:?}"
            );
        }
    }
}
