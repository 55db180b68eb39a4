//! Commands on their way: into the outbox, to the server, until answered.
//!
//! Commands about one conversation form a lane and go out in the order they were given, a few (by
//! default one) at a time; lanes do not wait for each other. After an interruption whatever is
//! unanswered goes out again, in order, under the same ids.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use tidings_protocol::frame::{Outcome, Request};
use tidings_protocol::{ClientFrame, ErrorCode, id};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use uuid::Uuid;

use super::Accepted;
use crate::outbox::{Outbox, OutboxError};
use crate::{Backoff, Error, ErrorKind};

/// A server that keeps failing at one command must not hold up those behind it for ever.
const INTERNAL_TRIES: u32 = 10;

type Answer = oneshot::Sender<Result<Accepted, Error>>;

pub(super) struct Commands {
    /// Absent while a blocking thread has it.
    outbox: Option<Box<dyn Outbox>>,
    job: Option<JoinHandle<Job>>,
    /// Given, not stored yet.
    fresh: Vec<Fresh>,
    /// Answered, not removed yet.
    answered: Vec<Uuid>,
    /// Stored, by order of giving.
    waiting: BTreeMap<u64, Waiting>,
    next: u64,
    lanes: HashMap<Uuid, Lane>,
    /// Lanes that may have something to send.
    ready: BTreeSet<Uuid>,
    /// Lanes that wait after a refusal.
    paused: BTreeSet<(Instant, Uuid)>,
    /// Until then the server wants nothing at all on this connection.
    held: Option<Instant>,
    /// Frame id to order.
    in_flight: HashMap<u64, u64>,
    pipeline: usize,
    backoff: Backoff,
}

struct Fresh {
    frame: ClientFrame,
    stored: oneshot::Sender<Result<(), Error>>,
    answer: Answer,
}

struct Waiting {
    frame: ClientFrame,
    lane: Uuid,
    answer: Option<Answer>,
    sent: bool,
    refusals: u32,
}

#[derive(Default)]
struct Lane {
    /// In order; those sent are a prefix unless one was refused for a moment.
    queue: VecDeque<u64>,
    in_flight: usize,
    paused: bool,
}

/// What a blocking thread did.
pub(super) struct Job {
    outbox: Box<dyn Outbox>,
    batch: Vec<Fresh>,
    put: Result<(), OutboxError>,
    removed: Result<(), OutboxError>,
}

/// A command that is settled, where nobody waits for it.
pub(super) struct Unclaimed {
    pub(super) command_id: Uuid,
    pub(super) request: Request,
    pub(super) result: Result<Accepted, Error>,
}

impl Commands {
    pub(super) async fn new(
        mut outbox: Box<dyn Outbox>,
        pipeline: usize,
        backoff: Backoff,
    ) -> Result<Commands, Error> {
        let load = move || (outbox.load(), outbox);
        let (loaded, outbox) = tokio::task::spawn_blocking(load).await.map_err(storage)?;
        let mut commands = Commands {
            outbox: Some(outbox),
            job: None,
            fresh: Vec::new(),
            answered: Vec::new(),
            waiting: BTreeMap::new(),
            next: 0,
            lanes: HashMap::new(),
            ready: BTreeSet::new(),
            paused: BTreeSet::new(),
            held: None,
            in_flight: HashMap::new(),
            pipeline: pipeline.max(1),
            backoff,
        };
        for frame in loaded.map_err(storage)? {
            commands.enqueue(frame, None);
        }
        Ok(commands)
    }

    /// Takes a command; [`store`](Commands::store) makes it durable.
    pub(super) fn give(
        &mut self,
        frame: ClientFrame,
        stored: oneshot::Sender<Result<(), Error>>,
        answer: Answer,
    ) {
        self.fresh.push(Fresh {
            frame,
            stored,
            answer,
        });
    }

    /// Brings the outbox up to date, everything given since the last time in one go. Does nothing
    /// while that is still going on.
    pub(super) fn store(&mut self) {
        if self.fresh.is_empty() && self.answered.is_empty() {
            return;
        }
        let Some(mut outbox) = self.outbox.take() else {
            return;
        };
        let batch = std::mem::take(&mut self.fresh);
        let answered = std::mem::take(&mut self.answered);
        let blocking = outbox.blocking();
        let work = move || {
            let frames: Vec<_> = batch.iter().map(|fresh| fresh.frame.clone()).collect();
            let put = if frames.is_empty() {
                Ok(())
            } else {
                outbox.put(&frames)
            };
            let removed = if answered.is_empty() {
                Ok(())
            } else {
                outbox.remove(&answered)
            };
            Job {
                outbox,
                batch,
                put,
                removed,
            }
        };
        if blocking {
            self.job = Some(tokio::task::spawn_blocking(work));
        } else {
            self.stored(work());
        }
    }

    /// Waits for the blocking thread; never returns while there is none. Cancel-safe.
    pub(super) async fn job(&mut self) -> Result<Job, Error> {
        let Some(job) = &mut self.job else {
            return std::future::pending().await;
        };
        let done = job.await;
        self.job = None;
        done.map_err(storage)
    }

    /// Takes in what the blocking thread did.
    pub(super) fn stored(&mut self, job: Job) {
        self.outbox = Some(job.outbox);
        if let Err(error) = job.removed {
            // Sent once more after a restart, and recognised by the server.
            tracing::warn!(%error, "answered commands stay in the outbox");
        }
        match job.put {
            Ok(()) => {
                for fresh in job.batch {
                    // Who gave up waiting has lost nothing: the command is carried out.
                    let _ = fresh.stored.send(Ok(()));
                    self.enqueue(fresh.frame, Some(fresh.answer));
                }
            }
            Err(error) => {
                let error = storage(error);
                for fresh in job.batch {
                    let _ = fresh.stored.send(Err(error.clone()));
                }
            }
        }
    }

    fn enqueue(&mut self, frame: ClientFrame, answer: Option<Answer>) {
        let lane = frame.request.as_ref().map(lane_of).unwrap_or_default();
        self.lanes
            .entry(lane)
            .or_default()
            .queue
            .push_back(self.next);
        self.ready.insert(lane);
        self.waiting.insert(
            self.next,
            Waiting {
                frame,
                lane,
                answer,
                sent: false,
                refusals: 0,
            },
        );
        self.next += 1;
    }

    /// What may be sent now, each frame with an id from `next_id`.
    pub(super) fn take_due(&mut self, now: Instant, next_id: &mut u64) -> Vec<ClientFrame> {
        while let Some(&(at, lane)) = self.paused.first() {
            if at > now {
                break;
            }
            self.paused.pop_first();
            if let Some(state) = self.lanes.get_mut(&lane) {
                state.paused = false;
                self.ready.insert(lane);
            }
        }
        if self.held.is_some_and(|until| until > now) {
            return Vec::new();
        }
        self.held = None;
        let mut orders = Vec::new();
        for lane in std::mem::take(&mut self.ready) {
            let Some(lane) = self.lanes.get_mut(&lane).filter(|lane| !lane.paused) else {
                continue;
            };
            for order in &lane.queue {
                if lane.in_flight >= self.pipeline {
                    break;
                }
                if self.waiting.get(order).is_some_and(|waiting| !waiting.sent) {
                    lane.in_flight += 1;
                    orders.push(*order);
                }
            }
        }
        orders.sort_unstable();
        let mut frames = Vec::with_capacity(orders.len());
        for order in orders {
            let Some(waiting) = self.waiting.get_mut(&order) else {
                continue;
            };
            *next_id += 1;
            waiting.sent = true;
            waiting.frame.id = *next_id;
            self.in_flight.insert(*next_id, order);
            frames.push(waiting.frame.clone());
        }
        frames
    }

    /// The connection is gone: everything unanswered is to be sent again.
    pub(super) fn disconnected(&mut self) {
        self.in_flight.clear();
        self.held = None;
        self.waiting
            .values_mut()
            .for_each(|waiting| waiting.sent = false);
        for (id, lane) in &mut self.lanes {
            lane.in_flight = 0;
            self.ready.insert(*id);
        }
    }

    /// When something can be sent that cannot be sent now.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.held.or(self.paused.first().map(|&(at, _)| at))
    }

    /// Whether this is the id of a frame with a command.
    pub(super) fn is_in_flight(&self, frame_id: u64) -> bool {
        self.in_flight.contains_key(&frame_id)
    }

    /// Takes in an answer to a command; gives back what nobody waited for.
    pub(super) fn answer(
        &mut self,
        frame_id: u64,
        outcome: &Option<Outcome>,
        now: Instant,
    ) -> Option<Unclaimed> {
        let order = self.in_flight.remove(&frame_id)?;
        let waiting = self.waiting.get_mut(&order)?;
        let lane_id = waiting.lane;
        let lane = self.lanes.entry(lane_id).or_default();
        lane.in_flight = lane.in_flight.saturating_sub(1);
        self.ready.insert(lane_id);

        let result = match outcome {
            Some(Outcome::Accepted(accepted)) => Ok(Accepted::new(accepted)),
            Some(Outcome::Error(error)) => {
                let refusal = Error::refused(error);
                let failing = refusal.code() == Some(ErrorCode::Internal)
                    && waiting.refusals + 1 >= INTERNAL_TRIES;
                if error.retry && !failing {
                    waiting.sent = false;
                    waiting.refusals += 1;
                    let own = self.backoff.random_delay(waiting.refusals);
                    let delay = refusal.retry_after().unwrap_or(Duration::ZERO).max(own);
                    if refusal.code() == Some(ErrorCode::RateLimited) {
                        self.held = self.held.max(Some(now + delay));
                    }
                    if !lane.paused {
                        lane.paused = true;
                        self.paused.insert((now + delay, lane_id));
                    }
                    return None;
                }
                Err(refusal)
            }
            // Answered, but in words of a newer server: it was carried out.
            Some(_) | None => Ok(Accepted::default()),
        };
        self.settle(order, result)
    }

    fn settle(&mut self, order: u64, result: Result<Accepted, Error>) -> Option<Unclaimed> {
        let waiting = self.waiting.remove(&order)?;
        if let Some(lane) = self.lanes.get_mut(&waiting.lane) {
            lane.queue.retain(|&queued| queued != order);
            if lane.queue.is_empty() && !lane.paused {
                self.lanes.remove(&waiting.lane);
            }
        }
        let command_id = id::from_wire(&waiting.frame.command_id).unwrap_or_default();
        self.answered.push(command_id);
        let result = match waiting.answer {
            Some(answer) => match answer.send(result) {
                Ok(()) => return None,
                Err(result) => result,
            },
            None => result,
        };
        Some(Unclaimed {
            command_id,
            request: waiting.frame.request?,
            result,
        })
    }

    /// The client ends: what is unanswered stays in the outbox, and whoever waits is told.
    pub(super) async fn stop(mut self, error: &Error) {
        if self.job.is_some()
            && let Ok(job) = self.job().await
        {
            self.stored(job);
        }
        if let Some(mut outbox) = self.outbox.take() {
            let answered = std::mem::take(&mut self.answered);
            let remove = move || {
                if answered.is_empty() {
                    Ok(())
                } else {
                    outbox.remove(&answered)
                }
            };
            if let Ok(Err(error)) = tokio::task::spawn_blocking(remove).await {
                tracing::warn!(%error, "answered commands stay in the outbox");
            }
        }
        for fresh in self.fresh {
            let _ = fresh.stored.send(Err(error.clone()));
        }
        for answer in self
            .waiting
            .into_values()
            .filter_map(|waiting| waiting.answer)
        {
            let _ = answer.send(Err(error.clone()));
        }
    }
}

fn storage(error: impl ToString) -> Error {
    Error::new(ErrorKind::Storage, error.to_string())
}

/// The conversation a command is about; nil for all others, which form one lane too. Calls of extensions have a lane each.
fn lane_of(request: &Request) -> Uuid {
    let conversation = match request {
        Request::AddMembers(r) => &r.conversation,
        Request::RemoveMember(r) => &r.conversation,
        Request::Leave(r) => &r.conversation,
        Request::SetRole(r) => &r.conversation,
        Request::SetTitle(r) => &r.conversation,
        Request::SetMuted(r) => &r.conversation,
        Request::PostMessage(r) => &r.conversation,
        Request::EditMessage(r) => &r.conversation,
        Request::RetractMessage(r) => &r.conversation,
        Request::AddReaction(r) => &r.conversation,
        Request::RemoveReaction(r) => &r.conversation,
        // One that an extension cannot answer yet holds up no other, and no message.
        Request::Invoke(_) => return Uuid::now_v7(),
        _ => return Uuid::nil(),
    };
    id::from_wire(conversation).unwrap_or_default()
}

#[cfg(test)]
mod tests;
