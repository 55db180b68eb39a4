//! Users who exchange messages at a steady rate, on a thread of their own, while something else happens to the server.
//!
//! As in [`crate::run`], times count from when a message was due, so that a stall shows in full.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tidings_protocol::{Encoding, command, frame::Request};
use uuid::Uuid;

use super::{
    PresenceError, Server,
    crowd::{Crowd, Heard, Patience},
};
use crate::{
    compose::Composer,
    report::{Quantiles, Times},
    scan::Seen,
};

/// Connections opened at the same time.
const AT_ONCE: u32 = 64;
/// Frame ids of those that make conversations begin here.
const FIRST_ID: u64 = 16;
/// Frame ids of messages begin here.
const MESSAGES: u64 = 1 << 32;
/// Bytes of each text.
const TEXT: usize = 100;
/// How long what is still to come may take after the last message.
const SETTLE: Duration = Duration::from_secs(10);
/// Longest wait for something to arrive while nothing is due.
const TICK: Duration = Duration::from_millis(2);
/// Messages a second above which waking up for each would cost more than the work itself, and how often this wakes up then.
const BUSY: (u32, Duration) = (4_000, Duration::from_micros(200));

/// Users who talk, until they are asked to end.
pub(crate) struct Talk {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Said, PresenceError>>,
    ready: mpsc::Receiver<()>,
}

impl Talk {
    /// So many users, an even number, in pairs, with so many messages a second together.
    pub(crate) fn start(server: &Server, users: u32, rate: u32) -> Talk {
        let stop = Arc::new(AtomicBool::new(false));
        let (tell, ready) = mpsc::channel();
        let (server, stopping) = (server.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            // Whoever waits finds out.
            let ready = || tell.send(()).unwrap_or_default();
            talk(&server, users, rate, &stopping, ready)
        });
        Talk {
            stop,
            thread,
            ready,
        }
    }

    /// Waits until they talk. An error is told by [`Talk::end`].
    pub(crate) fn is_ready(&self) -> bool {
        self.ready.recv().is_ok()
    }

    /// Ends it.
    pub(crate) fn end(self) -> Result<Said, PresenceError> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("it does not panic")
    }
}

/// What was said, and when it was heard.
pub(crate) struct Said {
    start: Instant,
    rate: u64,
    /// By message, nanoseconds from when it was due until it was heard.
    heard: Vec<Option<u64>>,
    /// Messages that were heard more than once.
    pub(crate) doubled: u64,
}

impl Said {
    /// How long the messages took that were due between two moments, and how many they are.
    pub(crate) fn between(&self, from: Instant, to: Instant) -> (Quantiles, u64) {
        let mut times = Times::new();
        let mut count = 0;
        for (number, heard) in self.heard.iter().enumerate() {
            let due = self.start + Duration::from_nanos(due_ns(number as u64, self.rate));
            if let (true, Some(ns)) = (from <= due && due < to, heard) {
                times.record_ns(*ns);
                count += 1;
            }
        }
        (times.quantiles(), count)
    }

    /// How many messages there were.
    pub(crate) fn count(&self) -> u64 {
        self.heard.len() as u64
    }

    /// Messages that nobody heard.
    pub(crate) fn missing(&self) -> u64 {
        self.heard.iter().filter(|heard| heard.is_none()).count() as u64
    }
}

fn due_ns(number: u64, rate: u64) -> u64 {
    (u128::from(number) * 1_000_000_000 / u128::from(rate)) as u64
}

fn talk(
    server: &Server,
    users: u32,
    rate: u32,
    stop: &AtomicBool,
    ready: impl FnOnce(),
) -> Result<Said, PresenceError> {
    let mut quiet = server.clone();
    quiet.progress = false;
    let mut crowd = Crowd::new(&quiet, users, AT_ONCE, |user| format!("talker-{user}"))?;
    crowd.enter()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default();
    let tag = now.as_micros() as u64;
    let composer = Composer::new(Encoding::Protobuf, tag, TEXT, now.as_millis() as u64);
    let conversations = converse(&mut crowd, &composer)?;
    ready();

    let pairs = conversations.len() as u64;
    let start = Instant::now();
    let mut said = Said {
        start,
        rate: rate.into(),
        heard: Vec::new(),
        doubled: 0,
    };
    let mut open: u64 = 0;
    let mut ended: Option<Instant> = None;
    let mut frame = Vec::with_capacity(256);
    loop {
        let now = start.elapsed().as_nanos() as u64;
        if stop.load(Ordering::Relaxed) {
            let ended = *ended.get_or_insert_with(Instant::now);
            if open == 0 || ended.elapsed() > SETTLE {
                break;
            }
        }
        while ended.is_none() && due_ns(said.heard.len() as u64, said.rate) <= now {
            let number = said.heard.len() as u64;
            let (pair, turn) = (number % pairs, number / pairs);
            let user = (2 * pair + turn % 2) as u32;
            frame.clear();
            composer.post(
                MESSAGES + number,
                number as u32,
                now / 1_000_000,
                &conversations[pair as usize],
                &mut frame,
            );
            crowd.say(user, &frame);
            said.heard.push(None);
            open += 1;
        }
        let next = Duration::from_nanos(due_ns(said.heard.len() as u64, said.rate));
        let mut wait = next.saturating_sub(start.elapsed()).min(TICK);
        if rate > BUSY.0 {
            crowd.nap(BUSY.1)?;
            wait = Duration::ZERO;
        }
        crowd.turn(wait, &mut |user, heard| {
            let Heard::Other(Seen::Posted { text, .. }) = heard else {
                return;
            };
            let Some(number) = composer.number(text).map(u64::from) else {
                return;
            };
            // Its author is told as well, when it comes back.
            if u64::from(user % 2) == number / pairs % 2 {
                return;
            }
            let now = start.elapsed().as_nanos() as u64;
            match said.heard.get_mut(number as usize) {
                Some(heard @ None) => {
                    *heard = Some(now.saturating_sub(due_ns(number, said.rate)));
                    open -= 1;
                }
                _ => said.doubled += 1,
            }
        })?;
    }
    crowd.leave();
    Ok(said)
}

/// Makes a conversation of each pair.
pub(crate) fn converse(crowd: &mut Crowd, composer: &Composer) -> Result<Vec<Uuid>, PresenceError> {
    let pairs = crowd.users() / 2;
    for pair in 0..pairs {
        let start = Request::StartDirect(command::StartDirect {
            user: crowd.name(2 * pair + 1),
            ..command::StartDirect::default()
        });
        let frame = composer.preparation(FIRST_ID + u64::from(pair), pair, start);
        crowd.say(2 * pair, &frame);
    }
    let mut conversations = vec![Uuid::nil(); pairs as usize];
    let mut patience = Patience::new("conversations made", pairs.into());
    let mut made = 0;
    while made < u64::from(pairs) {
        crowd.turn(Duration::from_millis(100), &mut |_, heard| {
            let Heard::Other(Seen::Accepted {
                id, conversation, ..
            }) = heard
            else {
                return;
            };
            let pair = id.checked_sub(FIRST_ID).map(|pair| pair as usize);
            let slot = pair.and_then(|pair| conversations.get_mut(pair));
            if let (Some(slot), Ok(conversation)) = (slot, Uuid::from_slice(conversation)) {
                *slot = conversation;
                made += 1;
            }
        })?;
        patience.has(made)?;
    }
    Ok(conversations)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_messages_of_the_time_asked_for_count() {
        let start = Instant::now();
        let ms = |ms: u64| Some(ms * 1_000_000);
        let said = Said {
            start,
            rate: 10,
            heard: vec![ms(1), ms(20), ms(30), None, ms(500)],
            doubled: 0,
        };
        let at = |ms| start + Duration::from_millis(ms);
        let (times, count) = said.between(at(100), at(400));
        assert_eq!(count, 2);
        assert!((times.max - 30.0).abs() < 0.1, "{times:?}");
        assert_eq!(said.missing(), 1);
    }
}
