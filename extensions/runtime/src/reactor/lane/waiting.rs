//! Events that wait: they could not be dealt with, or stand behind one of the same stream that could not.

use std::{collections::VecDeque, sync::Arc};

use tidings_core::{
    commit::Commit,
    domain::{Stream, extension::Waiting},
    log::{Lane as LogLane, Position, Record, Tail},
};
use tidings_extension_host::{CallError, HookError};

use super::{ATTEMPTS, Due, Lane, LaneError};
use crate::{reactor::Batched, server::Shared};

/// First pause before something is told again, and the longest.
const AGAIN_MS: u64 = 1_000;
const AGAIN_MAX_MS: u64 = 15 * 60 * 1_000;

/// Where one stands. The log has it: however many wait, they take little memory.
#[derive(Clone, Copy)]
pub(super) struct Waits {
    at: (u64, u32),
    /// How often it was told.
    attempts: u32,
    /// When it is to be told again, if it is the first of its stream.
    pub(super) again_ms: u64,
}

impl Lane {
    /// Finds out what is to be told again.
    pub(super) async fn load_waiting(&mut self, waiting: Vec<Waiting>) -> Result<(), LaneError> {
        let mut reading = Reading::default();
        for one in waiting {
            let Some(again_ms) = one.again_ms else {
                continue;
            };
            let again_ms = again_from(again_ms, one.attempts, self.since_ms);
            let Some(commit) = reading.commit(&self.shared, one.at.0).await? else {
                tracing::error!(extension = %self.one.id, at = ?one.at, "what waits is not in the log: it is passed over");
                continue;
            };
            let due = Due {
                commit,
                index: one.at.1,
                attempts: one.attempts,
            };
            if let Some(stream) = due.stream() {
                self.waiting.entry(stream).or_default().push_back(Waits {
                    at: one.at,
                    attempts: one.attempts,
                    again_ms,
                });
            }
        }
        Ok(())
    }

    /// Tells one event, unless something before it of the same stream waits.
    pub(super) async fn tell_one(
        &mut self,
        batched: &mut Batched,
        due: Due,
        again: bool,
    ) -> Result<bool, LaneError> {
        let Some(stream) = due.stream() else {
            return Ok(true);
        };
        let now_ms = self.shared.node.clock.now_ms();
        if !again && let Some(before) = self.waiting.get_mut(&stream) {
            batched.wait(Waiting {
                at: due.at(),
                attempts: 0,
                again_ms: Some(now_ms),
                cause: "one before it waits".to_owned(),
            });
            before.push_back(Waits {
                at: due.at(),
                attempts: 0,
                again_ms: now_ms,
            });
            return Ok(true);
        }
        let called = self.call(batched, &due).await?;
        let Err(error) = called else {
            return Ok(true);
        };
        let attempts = due.attempts + 1;
        let again_ms = match &error {
            CallError::Refused(HookError::Park { .. }) => None,
            _ if attempts >= ATTEMPTS => None,
            CallError::Refused(HookError::Retry { after_ms }) => {
                let after_ms = after_ms.map_or(0, u64::from);
                Some(now_ms + backoff(attempts).max(after_ms))
            }
            _ => Some(now_ms + backoff(attempts)),
        };
        tracing::warn!(extension = %self.one.id, at = ?due.at(), attempts, %error, parked = again_ms.is_none(), "an event could not be dealt with");
        batched.wait(Waiting {
            at: due.at(),
            attempts,
            again_ms,
            // Not what it says: that may be what somebody wrote, and stands here unsealed.
            cause: match &error {
                CallError::Refused(HookError::Retry { .. }) => "it asked to be told again",
                CallError::Refused(HookError::Park { .. }) => "it gave up",
                error => error.kind(),
            }
            .to_owned(),
        });
        if let Some(again_ms) = again_ms {
            self.waiting.entry(stream).or_default().push_front(Waits {
                at: due.at(),
                attempts,
                again_ms,
            });
        }
        Ok(again_ms.is_none())
    }

    /// Tells again what is due to be.
    pub(super) async fn again(&mut self) -> Result<(), LaneError> {
        let now_ms = self.shared.node.clock.now_ms();
        let due = self
            .waiting
            .iter()
            .filter(|(_, waits)| waits.front().is_some_and(|first| first.again_ms <= now_ms));
        let due: Vec<Stream> = due.map(|(stream, _)| stream.clone()).collect();
        for stream in due {
            let turn = self.shared.lanes.turn(&self.one.id);
            let _turn = turn.lock().await;
            // What operators have said of it by now counts, and that there is nothing newer is seen when it is recorded.
            let mut batched = loop {
                self.look_around().await?;
                let batched = self.batched()?;
                if batched.reaction.revision == self.revision {
                    break batched;
                }
            };
            let mut waits = self.waiting.remove(&stream).unwrap_or_default();
            let mut reading = Reading::default();
            let mut calls = 0;
            let mut failed = None;
            while calls < self.together() && !batched.is_full() {
                let Some(first) = waits.pop_front_if(|first| first.again_ms <= now_ms) else {
                    break;
                };
                calls += 1;
                let over = match self.once_more(&mut batched, first, &mut reading).await {
                    Ok(over) => over,
                    Err(error) => {
                        waits.push_front(first);
                        failed = Some(error);
                        break;
                    }
                };
                let at = first.at;
                if !batched
                    .reaction
                    .waiting
                    .iter()
                    .any(|waiting| waiting.at == at)
                {
                    batched.reaction.done.push(at);
                }
                if !over {
                    break;
                }
            }
            if let Some(left) = self.waiting.get_mut(&stream) {
                left.extend(waits);
            } else if !waits.is_empty() {
                self.waiting.insert(stream, waits);
            }
            self.record(batched).await?;
            if let Some(failed) = failed {
                return Err(failed);
            }
        }
        Ok(())
    }

    /// Tells one, which is read from the log again. False where it goes on waiting.
    async fn once_more(
        &mut self,
        batched: &mut Batched,
        waits: Waits,
        reading: &mut Reading,
    ) -> Result<bool, LaneError> {
        let Some(commit) = reading.commit(&self.shared, waits.at.0).await? else {
            tracing::error!(extension = %self.one.id, at = ?waits.at, "what waits is not in the log: it is passed over");
            return Ok(true);
        };
        let due = Due {
            commit,
            index: waits.at.1,
            attempts: waits.attempts,
        };
        self.tell_one(batched, due, true).await
    }
}

/// Positions that are read on rather than looked for.
const NEAR: u64 = 2_000;

/// Commits of the log one after the other: what stands close together is read at once.
#[derive(Default)]
struct Reading {
    tail: Option<Box<dyn Tail>>,
    /// What was read and not looked at, in its order.
    ahead: VecDeque<Record>,
    /// Up to where it was looked at.
    at: u64,
    last: Option<Arc<Commit>>,
}

impl Reading {
    /// The commit at a position, if there is one.
    async fn commit(
        &mut self,
        shared: &Shared,
        position: u64,
    ) -> Result<Option<Arc<Commit>>, LaneError> {
        if let Some(last) = &self.last
            && last.position.0 == position
        {
            return Ok(Some(last.clone()));
        }
        if self.tail.is_none() || position <= self.at || position > self.at + NEAR {
            self.at = position.saturating_sub(1);
            let tail = shared.node.log.tail(LogLane::Journal, Position(self.at));
            self.tail = Some(tail.await?);
            self.ahead.clear();
        }
        while self.at < position {
            let Some(record) = self.ahead.pop_front() else {
                if let Some(tail) = &mut self.tail {
                    self.ahead.extend(tail.next().await?);
                }
                continue;
            };
            self.at = record.position.0;
            if self.at == position {
                self.last = Some(Arc::new(Commit::decode(&record)?));
                return Ok(self.last.clone());
            }
        }
        Ok(None)
    }
}

pub(super) fn backoff(attempts: u32) -> u64 {
    (AGAIN_MS << attempts.saturating_sub(1).min(20)).min(AGAIN_MAX_MS)
}

/// When something is to be told again, by a version that acts since then. What failed before is told at once: how long the version
/// before it, or it with other settings, was to be left in peace says nothing of this one.
fn again_from(again_ms: u64, attempts: u32, since_ms: u64) -> u64 {
    match again_ms.saturating_sub(backoff(attempts)) < since_ms {
        true => again_ms.min(since_ms),
        false => again_ms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_is_told_at_once() {
        // It failed for the fifth time at 100 s, and a version began to act then or at 105 s.
        let again_ms = 100_000 + backoff(5);
        assert_eq!(
            again_from(again_ms, 5, 100_000),
            again_ms,
            "it failed itself"
        );
        assert_eq!(again_from(again_ms, 5, 105_000), 105_000);
        // Due before it began to act.
        assert_eq!(again_from(again_ms, 5, 200_000), again_ms);
    }
}
