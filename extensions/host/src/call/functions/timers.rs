//! `timers`: sets and cancels.

use crate::bindings::tidings::extension::timers::Host;
use crate::bindings::tidings::extension::types;
use crate::call::State;
use crate::call::text::{id, key as check_key};
use crate::host::{Ask, Refusal, Staging};
use crate::limits::{TIMER_AHEAD_MS, TIMER_PAYLOAD_BYTES, TIMERS};
use crate::staged::TimerChange;

impl State {
    fn timer(&mut self, key: &str, change: TimerChange) -> Result<(), Ask> {
        if self.used.timers >= TIMERS {
            return Err(Refusal::exhausted(format!("{TIMERS} timers")).into());
        }
        self.host.admit(Staging::Timer(&change))?;
        self.used.timers += 1;
        self.staging.timers.insert(key.to_owned(), change);
        Ok(())
    }
}

impl Host for State {
    fn at(
        &mut self,
        key: String,
        when: u64,
        payload: Vec<u8>,
        subject: Option<String>,
    ) -> wasmtime::Result<Result<(), types::Refusal>> {
        self.asked(|state| {
            state.acts()?;
            check_key(&key)?;
            if let Some(subject) = &subject {
                id("the subject", subject)?;
            }
            if payload.len() > TIMER_PAYLOAD_BYTES {
                let bytes = payload.len();
                let why = format!("the payload has {bytes} bytes, more than {TIMER_PAYLOAD_BYTES}");
                return Err(Refusal::Invalid(why).into());
            }
            if when > state.about.now.saturating_add(TIMER_AHEAD_MS) {
                return Err(Refusal::invalid("more than 400 days ahead").into());
            }
            let change = TimerChange::Set {
                key: key.clone(),
                when,
                payload,
                subject,
            };
            state.timer(&key, change)
        })
    }

    fn cancel(&mut self, key: String) -> wasmtime::Result<Result<(), types::Refusal>> {
        self.asked(|state| {
            state.acts()?;
            check_key(&key)?;
            state.timer(&key, TimerChange::Cancel { key: key.clone() })
        })
    }
}
