//! What holds until further notice, said anew in each session: how one is, whom one watches, where one looks.

use std::collections::HashMap;
use std::mem::discriminant;
use std::time::Duration;

use tidings_protocol::ClientFrame;
use tidings_protocol::event::Looking;
use tidings_protocol::frame::{Outcome, Request};
use tokio::time::Instant;

use crate::Error;

/// Least pause before something is said again that the server could not take.
const AGAIN: Duration = Duration::from_secs(1);
/// How often it is said where one looks.
const LOOK_REPEAT: Duration = Duration::from_secs(30);
/// Not more often than this, whoever comes.
const LOOK_LEAST: Duration = Duration::from_secs(2);
/// Who looks is forgotten after this long without a repeat.
const LOOKER_EXPIRES: Duration = Duration::from_secs(90);

/// One request of each kind at most.
#[derive(Default)]
pub(super) struct Standing {
    /// How one is stands last.
    held: Vec<Held>,
    /// Others who look where one looks oneself, and when they last said so.
    lookers: HashMap<String, Instant>,
}

struct Held {
    request: Request,
    /// How many times the application itself is asking: until it is answered nothing is repeated, since a
    /// question is asked again by itself.
    asking: u32,
    /// When it was said last, or answered.
    said: Option<Instant>,
    /// When it is to be said next.
    due: Option<Instant>,
    /// The frame it was said in, until that is answered.
    frame: Option<u64>,
}

impl Held {
    fn new(request: Request, asking: u32, due: Option<Instant>) -> Held {
        Held {
            request,
            asking,
            said: None,
            due,
            frame: None,
        }
    }
}

/// Something that does not hold any more: the server will not have it.
pub(super) struct Refused {
    pub(super) request: Request,
    pub(super) error: Error,
}

impl Standing {
    /// Holds from now on, in the place of another one of its kind.
    pub(super) fn hold(&mut self, request: Request, now: Instant) {
        if let Request::Look(_) = request {
            if self.held.iter().any(|held| held.request == request) {
                return;
            }
            self.lookers.clear();
        }
        self.put(Held::new(request, 0, Some(now)));
    }

    fn put(&mut self, held: Held) {
        self.forget(&held.request);
        self.held.push(held);
        self.held.sort_by_key(|held| is_state(&held.request));
    }

    /// The application asks for what is to be held once it is answered.
    pub(super) fn asks(&mut self, request: &Request) {
        let same = self.held.iter_mut().find(|held| held.request == *request);
        match same.filter(|held| held.asking > 0) {
            Some(held) => held.asking += 1,
            None => self.put(Held::new(request.clone(), 1, None)),
        }
    }

    /// It was answered, or will not be. Whether the server is to forget it, because nothing of its kind is
    /// wanted now.
    pub(super) fn asked(&mut self, request: &Request, taken: bool, now: Instant) -> bool {
        let position = self.held.iter().position(|held| held.request == *request);
        if let Some((at, held)) = position.map(|at| (at, &mut self.held[at])) {
            held.asking = held.asking.saturating_sub(1);
            if taken {
                held.said = Some(now);
            }
            if held.asking > 0 || held.said.is_some() {
                return false;
            }
            self.held.remove(at);
        }
        let kind = discriminant(request);
        self.held
            .iter()
            .all(|held| discriminant(&held.request) != kind)
    }

    /// Does not hold any more: what is of the kind of this request. Whether there was anything.
    pub(super) fn forget(&mut self, request: &Request) -> bool {
        let (kind, before) = (discriminant(request), self.held.len());
        self.held.retain(|held| discriminant(&held.request) != kind);
        self.held.len() < before
    }

    /// A session has begun, which knows nothing yet.
    pub(super) fn connected(&mut self, now: Instant) {
        self.lookers.clear();
        for held in self.held.iter_mut().filter(|held| held.asking == 0) {
            held.due = Some(now);
            held.frame = None;
        }
    }

    /// When something is to be said next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.held.iter().filter_map(|held| held.due).min()
    }

    /// What is to be said now.
    pub(super) fn take_due(&mut self, now: Instant, next_id: &mut u64) -> Vec<ClientFrame> {
        let mut frames = Vec::new();
        let mut asks = false;
        for held in &mut self.held {
            // Whoever asks who there is counts as not away, and here nobody did: how one is follows.
            let again = asks && is_state(&held.request);
            if !again && held.due.is_none_or(|due| due > now) {
                continue;
            }
            asks |= matches!(held.request, Request::WatchPeople(_));
            *next_id += 1;
            held.said = Some(now);
            held.frame = Some(*next_id);
            held.due = match held.request {
                Request::Look(_) => Some(now + LOOK_REPEAT),
                _ => None,
            };
            frames.push(ClientFrame {
                id: *next_id,
                request: Some(held.request.clone()),
                ..ClientFrame::default()
            });
        }
        frames
    }

    /// Whether a reply is to something said here.
    pub(super) fn is_in_flight(&self, frame: u64) -> bool {
        self.held.iter().any(|held| held.frame == Some(frame))
    }

    /// Takes in the reply to it. What is refused for now is said again later, what is refused for good does
    /// not hold any more.
    pub(super) fn answer(
        &mut self,
        frame: u64,
        outcome: &Option<Outcome>,
        now: Instant,
    ) -> Option<Refused> {
        let at = (self.held.iter()).position(|held| held.frame == Some(frame))?;
        let held = &mut self.held[at];
        held.frame = None;
        let Some(Outcome::Error(error)) = outcome else {
            return None;
        };
        let retry = error.retry;
        let error = Error::refused(error);
        if retry {
            let least = match held.request {
                Request::Look(_) => LOOK_LEAST,
                _ => AGAIN,
            };
            held.due = Some(now + error.retry_after().unwrap_or_default().max(least));
            return None;
        }
        let request = self.held.remove(at).request;
        Some(Refused { request, error })
    }

    /// Whether the application has a page of people that is watched. News of the one before may still come
    /// while it asks for another.
    pub(super) fn watches_people(&self) -> bool {
        let watches =
            |held: &Held| matches!(held.request, Request::WatchPeople(_)) && held.said.is_some();
        self.held.iter().any(watches)
    }

    /// Another user looks at a conversation, or does not any more. Who has come does not know yet who was here
    /// before: they are told, if it is where one looks.
    pub(super) fn looks(&mut self, looking: &Looking, now: Instant) {
        let here = self.held.iter_mut().find(|held| {
            matches!(&held.request, Request::Look(look) if look.conversation == looking.conversation)
        });
        let Some(held) = here else {
            return;
        };
        if !looking.active {
            self.lookers.remove(&looking.user);
            return;
        }
        let before = self.lookers.insert(looking.user.clone(), now);
        if before.is_some_and(|before| now < before + LOOKER_EXPIRES) {
            return;
        }
        let soon = held.said.map_or(now, |said| (said + LOOK_LEAST).max(now));
        held.due = Some(held.due.map_or(soon, |due| due.min(soon)));
    }
}

fn is_state(request: &Request) -> bool {
    matches!(request, Request::SetPresence(_))
}

#[cfg(test)]
mod tests;
