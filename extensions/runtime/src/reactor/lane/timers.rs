//! Timers that are due.

use tidings_core::{
    domain::extension::{Timer, TimerChange},
    projections::rows::extensions as rows,
};
use tidings_extension_host::{CallError, Hook, HookError, input};

use super::{ATTEMPTS, Lane, LaneError, telling::Told, waiting::backoff};
use crate::{
    reactor::{
        Batched, Source,
        batch::{Armed, timer_purpose},
    },
    sealing,
    views::Involved,
};

impl Lane {
    /// Fires the timers that are due.
    pub(super) async fn fire(&mut self) -> Result<(), LaneError> {
        if !self.one.has(Hook::Timer) {
            return Ok(());
        }
        let now_ms = self.shared.node.clock.now_ms();
        let due = self.timers.range(..(now_ms + 1, String::new()));
        let due: Vec<(u64, String)> = due
            .take(self.together())
            .map(|(key, _)| key.clone())
            .collect();
        if due.is_empty() {
            return Ok(());
        }
        let turn = self.shared.lanes.turn(&self.one.id);
        let _turn = turn.lock().await;
        let mut batched = self.batched()?;
        let mut failed = None;
        for entry in due {
            let key = entry.1.clone();
            let touched = batched
                .reaction
                .timers
                .iter()
                .any(|change| change.key == key);
            if batched.is_full() || touched {
                // What another one has just made of it counts.
                continue;
            }
            let Some((due_ms, attempts)) = self.timers.remove(&entry) else {
                continue;
            };
            let row = rows::timer_of(&self.shared.node.projections.read(), &self.one.id, &key)?;
            let Some(timer) = row.filter(|timer| timer.due_ms == due_ms) else {
                // Set anew or cancelled meanwhile.
                continue;
            };
            match self.fire_one(&mut batched, &key, timer, attempts).await {
                Ok(true) => {}
                Ok(false) => {
                    let again = (now_ms + backoff(attempts + 1), key);
                    self.timers.insert(again, (due_ms, attempts + 1));
                }
                Err(error) => {
                    self.timers.insert(entry, (due_ms, attempts));
                    failed = Some(error);
                    break;
                }
            }
        }
        self.record(batched).await?;
        failed.map_or(Ok(()), Err)
    }

    /// Fires one. False where that is to be tried again.
    async fn fire_one(
        &mut self,
        batched: &mut Batched,
        key: &str,
        timer: Timer,
        attempts: u32,
    ) -> Result<bool, LaneError> {
        let keys = &*self.shared.node.keys;
        let subject = timer.payload.subjects.first().cloned();
        let plain = sealing::open(keys, &self.one.id, &timer_purpose(key), &timer.payload).await?;
        let gone = TimerChange {
            key: key.to_owned(),
            timer: None,
        };
        let Some(armed) = plain.map(Armed::decode) else {
            // Whom it is about was erased.
            batched.set_timer(gone);
            return Ok(true);
        };
        let source = Source {
            hook: Hook::Timer,
            id: format!("{key} {}", timer.due_ms).into_bytes(),
            at_ms: timer.due_ms,
            by: subject.clone(),
            depth: armed.depth,
            trace: armed.trace,
            history: None,
        };
        let involved = Involved {
            users: subject.iter().cloned().collect(),
            ..Involved::default()
        };
        let firing = input::Firing {
            key: key.to_owned(),
            due: timer.due_ms,
            payload: armed.payload,
            subject: subject.map(|user| user.to_string()),
        };
        let told = Told::Timer(firing);
        let called = self
            .invoke(batched, &source, involved, attempts + 1, told)
            .await?;
        if let Err(error) = called {
            let gives_up = matches!(error, CallError::Refused(HookError::Park { .. }));
            if !gives_up && attempts + 1 < ATTEMPTS {
                return Ok(false);
            }
            tracing::error!(extension = %self.one.id, key, %error, "a timer is given up");
        }
        // Unless the hook has set it again.
        if !batched
            .reaction
            .timers
            .iter()
            .any(|change| change.key == key)
        {
            batched.set_timer(gone);
        }
        Ok(true)
    }
}
