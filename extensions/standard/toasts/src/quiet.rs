//! How many toasts somebody was shown lately: two hours are kept, and of the earlier one what is still within sixty minutes.

use serde::{Deserialize, Serialize};

const HOUR_MS: u64 = 3_600_000;

/// The toasts of this hour and of the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Quiet {
    hour: u64,
    shown: u32,
    before: u32,
}

impl Quiet {
    pub(crate) fn read(stored: Option<Vec<u8>>, now: u64) -> Self {
        let stored: Quiet = stored
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        let hour = now / HOUR_MS;
        match hour.saturating_sub(stored.hour) {
            0 => stored,
            1 => Self {
                hour,
                shown: 0,
                before: stored.shown,
            },
            _ => Self {
                hour,
                ..Self::default()
            },
        }
    }

    /// Counts one more, if there may be.
    pub(crate) fn admit(&mut self, now: u64, per_hour: u32) -> bool {
        let left = HOUR_MS - now % HOUR_MS;
        let earlier = u64::from(self.before) * left / HOUR_MS;
        if u64::from(self.shown) + earlier >= u64::from(per_hour) {
            return false;
        }
        self.shown += 1;
        true
    }

    pub(crate) fn write(self) -> Vec<u8> {
        serde_json::to_vec(&self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_has_its_number_and_no_more() {
        let begun = 10 * HOUR_MS;
        let mut quiet = Quiet::read(None, begun);
        assert!((0..3).all(|_| quiet.admit(begun, 3)));
        assert!(!quiet.admit(begun, 3));
        // Half an hour into the next one half of them still count.
        let later = begun + HOUR_MS + HOUR_MS / 2;
        let mut quiet = Quiet::read(Some(quiet.write()), later);
        assert!(quiet.admit(later, 3) && quiet.admit(later, 3) && !quiet.admit(later, 3));
        let next_day = begun + 24 * HOUR_MS;
        assert!(Quiet::read(Some(quiet.write()), next_day).admit(next_day, 1));
    }
}
