//! `rates`: how often something has happened lately.

use crate::bindings::tidings::extension::rates::Host;
use crate::bindings::tidings::extension::types;
use crate::call::State;
use crate::call::text::sized;
use crate::hook::Hook;
use crate::host::Refusal;
use crate::limits::{KEY_BYTES, NAME_BYTES, RATE_CALLS};

/// A second to a day, in milliseconds.
const WINDOW_MS: std::ops::RangeInclusive<u32> = 1_000..=86_400_000;

impl Host for State {
    fn bump(
        &mut self,
        name: String,
        key: String,
        window_ms: u32,
        by: u32,
    ) -> wasmtime::Result<Result<u32, types::Refusal>> {
        self.asked(|state| {
            if state.hook != Hook::Moderation {
                return Err(Refusal::denied(format!("not in the hook {}", state.hook)).into());
            }
            sized("the name", &name, 1, NAME_BYTES)?;
            sized("the key", &key, 0, KEY_BYTES)?;
            if !WINDOW_MS.contains(&window_ms) {
                let why = format!(
                    "a window of {window_ms} ms is shorter than a second or longer than a day"
                );
                return Err(Refusal::Invalid(why).into());
            }
            state.used.rates += 1;
            if state.used.rates > RATE_CALLS {
                return Err(Refusal::exhausted(format!("{RATE_CALLS} calls of rates")).into());
            }
            state.host.bump(&name, &key, window_ms, by)
        })
    }
}
