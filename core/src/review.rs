//! Commands that moderation looks at before they get to the writer.
//!
//! What somebody asks of one stream leaves in the order in which it came, whatever each takes: while something of theirs is
//! looked at, what comes behind it waits. What others ask, or they ask of another stream, passes.
//!
//! A review usually takes microseconds, so it is done right where the command is submitted; if it does not end at once it
//! goes on as a task.

use std::{
    collections::VecDeque,
    future::Future,
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use async_trait::async_trait;
use futures_util::FutureExt as _;
use hashbrown::HashMap;
use parking_lot::{Mutex, RwLock};

use uuid::Uuid;

use crate::{
    domain::{Command, CommandId, Reviewed, Stream, UserId},
    handler::{Answer, Handler, Submission, text_bytes},
};

#[cfg(test)]
mod tests;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A user's client.
    Client,
    /// The product's backend, in a user's name.
    Backend,
    /// An extension.
    Extension,
}

/// What is asked, as a reviewer is shown it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// In whose name.
    pub actor: &'a UserId,
    /// By whom.
    pub origin: Origin,
    /// What names it.
    pub id: Option<CommandId>,
    /// What for.
    pub command: &'a Command,
    /// The trace that it is part of.
    pub trace: Option<Uuid>,
}

/// Moderation.
#[async_trait]
pub trait Reviewer: Send + Sync {
    /// Whether it wants to see such a command. Asked of every one: answers at once.
    fn looks_at(&self, command: &Command) -> bool;

    /// What is to become of it; `None` where there is nothing to say.
    async fn review(&self, asked: Asked<'_>) -> Option<Reviewed>;
}

/// Where commands of clients and backends go in. Cheap to clone.
#[derive(Clone)]
pub struct Reviewing(Arc<Inner>);

struct Inner {
    handler: Handler,
    reviewer: RwLock<Option<Arc<dyn Reviewer>>>,
    lines: Mutex<Lines>,
    /// Whether there is anything to look into: a reviewer, or a line that one has left.
    concerned: AtomicBool,
    /// How many lines there are: while there are none, what nobody looks at need not look for one.
    open: AtomicUsize,
    /// Most commands and bytes of text that wait behind others that are looked at.
    most: (usize, usize),
}

/// Whose, and where to.
type Place = (UserId, Stream);

#[derive(Default)]
struct Lines {
    /// What waits behind something that is looked at.
    waiting: HashMap<Place, VecDeque<(Origin, Submission)>>,
    commands: usize,
    bytes: usize,
}

impl Reviewing {
    /// Commands pass until there is a reviewer.
    pub fn new(handler: Handler, commands: usize, bytes: usize) -> Reviewing {
        Reviewing(Arc::new(Inner {
            handler,
            reviewer: RwLock::default(),
            lines: Mutex::default(),
            concerned: AtomicBool::new(false),
            open: AtomicUsize::new(0),
            most: (commands, bytes),
        }))
    }

    /// Has commands looked at from now on, or no more. What is being looked at is looked at to the end.
    pub fn set_reviewer(&self, reviewer: Option<Arc<dyn Reviewer>>) {
        let mut place = self.0.reviewer.write();
        if reviewer.is_some() {
            self.0.concerned.store(true, Ordering::Release);
        }
        *place = reviewer;
    }

    /// Submits a command; its `reply` is called exactly once, possibly before this returns, unless the runtime ends
    /// first. To be called on a runtime's thread: what does not end at once goes on there.
    pub fn submit(&self, origin: Origin, submission: Submission) {
        let inner = &self.0;
        if !inner.concerned.load(Ordering::Acquire) {
            return inner.handler.submit(submission);
        }
        let reviewer = inner.reviewer.read().clone();
        let reviewer = reviewer.filter(|reviewer| reviewer.looks_at(&submission.command));
        if reviewer.is_none() && inner.open.load(Ordering::Acquire) == 0 {
            return inner.handler.submit(submission);
        }
        let place = (
            submission.actor.clone(),
            submission.command.stream(&submission.actor),
        );
        let mut lines = inner.lines.lock();
        if lines.waiting.contains_key(&place) {
            let full = lines.push(place, origin, submission, inner.most);
            drop(lines);
            if let Some(submission) = full {
                let why = "too many commands are waiting: try again later";
                (submission.reply)(Answer::Unavailable(why.to_owned()));
            }
            return;
        }
        if reviewer.is_none() {
            drop(lines);
            return inner.handler.submit(submission);
        }
        lines.waiting.insert(place.clone(), VecDeque::new());
        inner.open.fetch_add(1, Ordering::Release);
        drop(lines);
        let line = Line {
            inner: self.0.clone(),
            place: Some(place),
        };
        let mut going = Box::pin(line.go(origin, submission));
        if poll_once(going.as_mut()).is_pending() {
            tokio::spawn(going);
        }
    }
}

/// Polls without being told when to do so again: whoever takes it over polls anew.
fn poll_once(future: Pin<&mut impl Future<Output = ()>>) -> Poll<()> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// One place whose commands are looked at, until none waits there.
struct Line {
    inner: Arc<Inner>,
    /// `None` once none waits.
    place: Option<Place>,
}

impl Line {
    async fn go(mut self, origin: Origin, submission: Submission) {
        let mut next = Some((origin, submission));
        while let Some((origin, submission)) = next {
            let reviewer = self.inner.reviewer.read().clone();
            let submission = match reviewer {
                Some(reviewer) if reviewer.looks_at(&submission.command) => {
                    reviewed(&*reviewer, origin, submission).await
                }
                _ => Some(submission),
            };
            if let Some(submission) = submission {
                self.inner.handler.submit(submission);
            }
            next = self.next();
        }
    }

    /// What waits longest; with nothing there the place is free.
    fn next(&mut self) -> Option<(Origin, Submission)> {
        let place = self.place.as_ref()?;
        let mut lines = self.inner.lines.lock();
        let next = lines.waiting.get_mut(place).and_then(VecDeque::pop_front);
        match &next {
            Some((_, submission)) => {
                lines.commands -= 1;
                lines.bytes -= text_bytes(&submission.command);
            }
            None => {
                lines.waiting.remove(place);
                self.inner.open.fetch_sub(1, Ordering::Release);
                self.place = None;
            }
        }
        next
    }
}

/// Where its runtime ends before it does, whoever waits is told.
impl Drop for Line {
    fn drop(&mut self) {
        while let Some((_, submission)) = self.next() {
            fail(submission);
        }
    }
}

fn fail(submission: Submission) {
    let why = "moderation has failed: try again later";
    (submission.reply)(Answer::Unavailable(why.to_owned()));
}

/// Where the reviewer panics the command is refused: it is neither lost nor gets past.
async fn reviewed(
    reviewer: &dyn Reviewer,
    origin: Origin,
    submission: Submission,
) -> Option<Submission> {
    let asked = Asked {
        actor: &submission.actor,
        origin,
        id: submission.id,
        command: &submission.command,
        trace: submission.trace,
    };
    let review = AssertUnwindSafe(reviewer.review(asked)).catch_unwind();
    match review.await {
        Ok(None) => Some(submission),
        Ok(Some(reviewed)) => Some(Submission {
            command: Command::Reviewed(Box::new(reviewed)),
            ..submission
        }),
        Err(_) => {
            tracing::error!("a review ended in a panic");
            fail(submission);
            None
        }
    }
}

impl Lines {
    /// Gives back what there is no room for.
    fn push(
        &mut self,
        place: Place,
        origin: Origin,
        submission: Submission,
        (commands, bytes): (usize, usize),
    ) -> Option<Submission> {
        let size = text_bytes(&submission.command);
        if self.commands >= commands || self.bytes + size > bytes {
            return Some(submission);
        }
        self.commands += 1;
        self.bytes += size;
        let line = self.waiting.entry(place).or_default();
        line.push_back((origin, submission));
        None
    }
}
