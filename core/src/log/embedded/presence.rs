//! The presence lane: in memory only, the newest records of this life of the process.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::Notify;
use uuid::Uuid;

use super::journal::Recent;
use crate::log::{Append, AppendError, Position, ReadError, Record, Tail};

pub(super) struct Presence {
    limit: usize,
    state: Mutex<State>,
    grown: Notify,
}

#[derive(Default)]
struct State {
    last: u64,
    last_id: Uuid,
    recent: Recent,
    closed: bool,
}

impl Presence {
    /// Keeps records of `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Presence {
            limit,
            state: Mutex::default(),
            grown: Notify::new(),
        }
    }

    pub(super) fn append(&self, append: Append) -> Result<Position, AppendError> {
        let Append {
            shard,
            expected,
            id,
            payload,
            ..
        } = append;
        let position = {
            let state = &mut *self.state.lock();
            if id == state.last_id && state.last > 0 {
                return Ok(Position(state.last));
            }
            if expected.0 != state.last {
                return Err(AppendError::Conflict {
                    last: Position(state.last),
                });
            }
            state.last += 1;
            state.last_id = id;
            let position = Position(state.last);
            state.recent.push(
                Record {
                    position,
                    shard,
                    id,
                    payload,
                },
                self.limit,
            );
            position
        };
        self.grown.notify_waiters();
        Ok(position)
    }

    pub(super) fn last(&self) -> u64 {
        self.state.lock().last
    }

    /// No more records will come: its tails end.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.grown.notify_waiters();
    }

    pub(super) fn tail(self: &Arc<Self>, after: Position) -> PresenceTail {
        PresenceTail {
            presence: self.clone(),
            next: after.0 + 1,
            from_start: after == Position::START,
        }
    }
}

/// A reader following the presence lane.
pub(super) struct PresenceTail {
    presence: Arc<Presence>,
    next: u64,
    /// It was started before everything and has yielded nothing yet.
    from_start: bool,
}

#[async_trait]
impl Tail for PresenceTail {
    async fn next(&mut self) -> Result<Vec<Record>, ReadError> {
        loop {
            let presence = self.presence.clone();
            let mut grown = std::pin::pin!(presence.grown.notified());
            grown.as_mut().enable();
            if let Some(records) = self.ready()? {
                return Ok(records);
            }
            grown.await;
        }
    }
}

impl PresenceTail {
    fn ready(&mut self) -> Result<Option<Vec<Record>>, ReadError> {
        let state = self.presence.state.lock();
        if self.next > state.last {
            return match state.closed {
                true => Err(ReadError::Unavailable("it has been closed".into())),
                false => Ok(None),
            };
        }
        if self.from_start {
            // What has been forgotten is not missed by who has seen nothing.
            self.next = self
                .next
                .max(state.recent.first().unwrap_or(state.last + 1));
            self.from_start = false;
        }
        if self.next > state.last {
            return Ok(None);
        }
        // It has fallen behind what is kept, so what it knows is no longer to be relied on.
        let records = state.recent.from(self.next).ok_or(ReadError::Lost)?;
        self.next += records.len() as u64;
        Ok(Some(records))
    }
}
