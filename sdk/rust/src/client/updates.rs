//! From the driver to the application: what happened, in order, bounded in bytes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use prost::Message;
use tidings_protocol::event::{Event, Looking, PeopleOnline, Presence, Typing};
use tidings_protocol::frame::{Request, Reset};
use tokio::sync::Notify;
use uuid::Uuid;

use super::Accepted;
use crate::Error;

/// Something the application may want to know. The client's state includes it already.
#[derive(Clone, Debug, PartialEq)]
pub enum Update {
    /// A session is open; what was missed follows, then `CaughtUp`.
    Connected {
        /// True when the changes since the last session follow, false when a `Reset` does.
        resumed: bool,
    },
    /// Everything missed has been delivered: from here on updates are live.
    CaughtUp,
    /// What is held is replaced by this window.
    Reset(Reset),
    /// A recorded event.
    Event(Event),
    /// Somebody is typing.
    Typing(Typing),
    /// How users are who are watched: all of them, or those who changed.
    Presence(Presence),
    /// People have come online whom the page of people that is watched does not show.
    PeopleOnline(PeopleOnline),
    /// Somebody is looking at a conversation, or is not any more.
    Looking(Looking),
    /// A command nobody waited for (it was in the outbox of an earlier run) has been answered.
    Settled {
        /// Its id.
        command_id: Uuid,
        /// What it was.
        request: Request,
        /// What came of it.
        result: Result<Accepted, Error>,
    },
    /// What was to hold in each session (`set_away`, `watch_presence`, `look`, or a page of `watch_people` that
    /// was asked for again) is refused, and holds no more.
    Refused {
        /// What it was.
        request: Request,
        /// Why.
        error: Error,
    },
    /// The connection is gone; the client comes back by itself.
    Disconnected {
        /// Why, for people.
        reason: String,
        /// When the next attempt begins.
        retry_in: Duration,
    },
    /// Updates were not taken for so long that they were dropped: read the client's state instead.
    /// Updates after this one are complete again.
    Lagged,
    /// The client has ended for good. Nothing follows.
    Stopped(Error),
}

/// Position and index of an event.
pub(super) type At = (u64, u32);

/// The application's end.
pub struct Updates(Arc<Shared>);

/// The driver's end.
pub(super) struct Sender(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    /// Something was pushed, or the sender is gone.
    pushed: Notify,
    /// Something that is to be acknowledged was taken.
    taken: Notify,
}

#[derive(Default)]
struct Queue {
    updates: VecDeque<Entry>,
    bytes: usize,
    limit: usize,
    /// Up to where the application has taken events.
    taken: Option<At>,
    /// The receiver, or the sender, was dropped.
    closed: bool,
}

struct Entry {
    update: Update,
    bytes: usize,
    at: Option<At>,
}

pub(super) fn channel(limit: usize) -> (Sender, Updates) {
    let shared = Arc::new(Shared {
        queue: Mutex::new(Queue {
            limit,
            ..Queue::default()
        }),
        pushed: Notify::new(),
        taken: Notify::new(),
    });
    (Sender(shared.clone()), Updates(shared))
}

impl Updates {
    /// The next update; `None` after the client has ended. Taking an event acknowledges it and
    /// everything before it: messages among them count as delivered. Cancel-safe.
    pub async fn recv(&mut self) -> Option<Update> {
        loop {
            if let Some(update) = self.try_recv() {
                return Some(update);
            }
            if self.0.lock().closed {
                return None;
            }
            self.0.pushed.notified().await;
        }
    }

    /// The next update, if there is one now.
    pub fn try_recv(&mut self) -> Option<Update> {
        let mut queue = self.0.lock();
        let entry = queue.updates.pop_front()?;
        queue.bytes -= entry.bytes;
        if entry.at.is_some() {
            queue.taken = entry.at;
            self.0.taken.notify_one();
        }
        Some(entry.update)
    }
}

impl Drop for Updates {
    fn drop(&mut self) {
        let mut queue = self.0.lock();
        queue.closed = true;
        queue.updates.clear();
    }
}

impl Sender {
    pub(super) fn push(&self, update: Update) {
        let (bytes, at) = match &update {
            Update::Event(event) => (event.encoded_len(), Some((event.position, event.index))),
            Update::Reset(reset) => {
                let cursor = reset.cursor.clone().unwrap_or_default();
                (reset.encoded_len(), Some((cursor.position, cursor.index)))
            }
            Update::Settled { request, .. } | Update::Refused { request, .. } => {
                (request.encoded_len(), None)
            }
            _ => (0, None),
        };
        // Some decoded structures take several times their encoded size.
        let entry = Entry {
            update,
            bytes: 4 * bytes + size_of::<Entry>(),
            at,
        };

        let mut queue = self.0.lock();
        if queue.closed {
            // Nobody listens: the state is all the application wants, and that has it.
            if entry.at.is_some() {
                queue.taken = entry.at;
                self.0.taken.notify_one();
            }
            return;
        }
        if let Update::Reset(_) = entry.update {
            // Positions of another epoch mean nothing from here on.
            queue.taken = None;
            queue.updates.iter_mut().for_each(|entry| entry.at = None);
        }
        queue.bytes += entry.bytes;
        queue.updates.push_back(entry);
        if queue.bytes > queue.limit {
            let at = queue.updates.iter().rev().find_map(|entry| entry.at);
            queue.updates.clear();
            queue.updates.push_back(Entry {
                update: Update::Lagged,
                bytes: 0,
                at,
            });
            queue.bytes = 0;
        }
        self.0.pushed.notify_one();
    }

    /// Up to where the application has taken events.
    pub(super) fn taken(&self) -> Option<At> {
        self.0.lock().taken
    }

    /// Waits until `taken` has changed since this was last awaited.
    pub(super) async fn on_taken(&self) {
        self.0.taken.notified().await;
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.pushed.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect("nothing panics under this lock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(position: u64) -> Update {
        Update::Event(Event {
            position,
            actor: "ann".repeat(20),
            ..Event::default()
        })
    }

    #[tokio::test]
    async fn updates_come_in_order_and_count_as_taken() {
        let (sender, mut updates) = channel(1 << 20);
        sender.push(Update::Connected { resumed: true });
        sender.push(event(1));
        sender.push(event(2));
        assert_eq!(
            updates.recv().await,
            Some(Update::Connected { resumed: true })
        );
        assert_eq!(sender.taken(), None);
        assert_eq!(updates.recv().await, Some(event(1)));
        assert_eq!(sender.taken(), Some((1, 0)));
        drop(sender);
        assert_eq!(updates.recv().await, Some(event(2)));
        assert_eq!(updates.recv().await, None);
    }

    #[tokio::test]
    async fn who_does_not_take_updates_is_told_what_was_dropped() {
        let (sender, mut updates) = channel(10_000);
        (1..=100).for_each(|position| sender.push(event(position)));
        let mut taken = Vec::new();
        while let Some(update) = updates.try_recv() {
            taken.push(update);
        }
        assert_eq!(taken[0], Update::Lagged);
        let rest = taken.len() as u64 - 1;
        assert!(rest > 0 && rest < 100, "{rest}");
        let expected: Vec<_> = (101 - rest..=100).map(event).collect();
        assert_eq!(taken[1..], expected);
        assert_eq!(sender.taken(), Some((100, 0)));
    }

    #[tokio::test]
    async fn a_reset_makes_positions_before_it_meaningless() {
        let (sender, mut updates) = channel(1 << 20);
        sender.push(event(500));
        sender.push(Update::Reset(Reset::default()));
        assert_eq!(updates.recv().await, Some(event(500)));
        assert_eq!(sender.taken(), None);
    }
}
