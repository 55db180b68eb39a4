//! Questions on their way: asked again after an interruption, given up after a while.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use tidings_protocol::ClientFrame;
use tidings_protocol::frame::{Outcome, Request};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::{Error, ErrorKind};

#[derive(Default)]
pub(super) struct Queries {
    /// By order of asking, which is also the order of deadlines.
    open: BTreeMap<u64, Query>,
    next: u64,
    /// Frame id to order.
    in_flight: HashMap<u64, u64>,
    unsent: Vec<u64>,
}

struct Query {
    request: Request,
    /// Absent where the client itself asks, for its state.
    answer: Option<oneshot::Sender<Result<Outcome, Error>>>,
    deadline: Instant,
}

/// A question and what came of it.
pub(super) struct Answered {
    pub(super) request: Request,
    pub(super) result: Result<Outcome, Error>,
    answer: Option<oneshot::Sender<Result<Outcome, Error>>>,
}

impl Answered {
    /// Hands the result to whoever asked, and gives the question back.
    pub(super) fn deliver(self) -> Request {
        if let Some(answer) = self.answer {
            // Who asked may have stopped waiting.
            let _ = answer.send(self.result);
        }
        self.request
    }

    /// Whether the client itself asked.
    pub(super) fn internal(&self) -> bool {
        self.answer.is_none()
    }
}

impl Queries {
    pub(super) fn ask(
        &mut self,
        request: Request,
        answer: Option<oneshot::Sender<Result<Outcome, Error>>>,
        deadline: Instant,
    ) {
        self.open.insert(
            self.next,
            Query {
                request,
                answer,
                deadline,
            },
        );
        self.unsent.push(self.next);
        self.next += 1;
    }

    pub(super) fn take_due(&mut self, next_id: &mut u64) -> Vec<ClientFrame> {
        let mut frames = Vec::with_capacity(self.unsent.len());
        for order in self.unsent.drain(..) {
            let Some(query) = self.open.get(&order) else {
                continue;
            };
            *next_id += 1;
            self.in_flight.insert(*next_id, order);
            let request = Some(query.request.clone());
            frames.push(ClientFrame {
                id: *next_id,
                request,
                ..ClientFrame::default()
            });
        }
        frames
    }

    /// The connection is gone. What the application asked is asked again; what the client asked for
    /// its state is dropped, since the state will want what it then lacks.
    pub(super) fn disconnected(&mut self) {
        self.in_flight.clear();
        self.open.retain(|_, query| query.answer.is_some());
        self.unsent = self.open.keys().copied().collect();
    }

    pub(super) fn answer(&mut self, frame_id: u64, outcome: Option<Outcome>) -> Option<Answered> {
        let order = self.in_flight.remove(&frame_id)?;
        let Query {
            request, answer, ..
        } = self.open.remove(&order)?;
        let result = match outcome {
            Some(Outcome::Error(error)) => Err(Error::refused(&error)),
            Some(outcome) => Ok(outcome),
            None => Err(Error::new(
                ErrorKind::Unavailable,
                "the server's answer is of an unknown kind",
            )),
        };
        Some(Answered {
            request,
            result,
            answer,
        })
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.open.first_key_value().map(|(_, query)| query.deadline)
    }

    /// Gives up on questions that have waited too long.
    pub(super) fn expire(&mut self, now: Instant, waited: Duration) -> Vec<Answered> {
        let mut expired = Vec::new();
        while let Some(first) = self.open.first_entry() {
            if first.get().deadline > now {
                break;
            }
            let order = *first.key();
            let Query {
                request, answer, ..
            } = first.remove();
            self.in_flight.retain(|_, sent| *sent != order);
            let message = format!("no answer within {waited:?}");
            let result = Err(Error::new(ErrorKind::Timeout, message));
            expired.push(Answered {
                request,
                result,
                answer,
            });
        }
        expired
    }

    pub(super) fn stop(self, error: &Error) {
        for answer in self.open.into_values().filter_map(|query| query.answer) {
            let _ = answer.send(Err(error.clone()));
        }
    }
}
