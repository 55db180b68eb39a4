//! Messages as fast as a server takes them: everybody has a few under way, and sends the next one when one is acknowledged.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use tidings_protocol::Encoding;

use crate::{
    compose::Composer,
    presence::{
        Cpu, PresenceError, Server,
        crowd::{Crowd, Heard, Patience},
        talk::converse,
    },
    scan::Seen,
};

/// Connections opened at the same time.
const AT_ONCE: u32 = 64;
/// Frame ids of messages begin here.
const MESSAGES: u64 = 1 << 32;
/// Bytes of each text.
const TEXT: usize = 100;
/// Frames are sent and taken so often: waking up for each would take the CPU from the server.
const RESOLUTION: Duration = Duration::from_micros(200);

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Users, in pairs.
    pub users: u32,
    /// Messages that each has under way.
    pub window: u32,
    /// How long before it is measured.
    pub warm_up: Duration,
    /// How long it is measured.
    pub duration: Duration,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Closed {
    /// Messages received a second, while it was measured.
    pub messages_per_s: f64,
    /// The server's CPU for each, in microseconds; without that of its NATS.
    pub server_cpu_us: f64,
    /// This process's.
    pub generator_cpu_us: f64,
}

/// Who said a message, and whether it was heard.
struct Message {
    author: u32,
    heard: bool,
}

/// Everything that was sent has been received once when this returns.
pub fn run(server: &Server, options: &Options) -> Result<Closed, PresenceError> {
    if options.users < 2 || options.users % 2 == 1 || options.window == 0 {
        return Err(PresenceError::Options(
            "users come in pairs, with at least one message under way",
        ));
    }
    let mut quiet = server.clone();
    quiet.progress = false;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default();
    let tag = now.as_micros() as u64;
    let mut crowd = Crowd::new(&quiet, options.users, AT_ONCE, move |user| {
        format!("closed-{tag:x}-{user}")
    })?;
    crowd.enter()?;
    let composer = Composer::new(Encoding::Protobuf, tag, TEXT, now.as_millis() as u64);
    let conversations = converse(&mut crowd, &composer)?;

    let start = Instant::now();
    let (from, until) = (options.warm_up, options.warm_up + options.duration);
    let mut messages: Vec<Message> = Vec::new();
    let mut due: Vec<u32> = Vec::new();
    for _ in 0..options.window {
        due.extend(0..options.users);
    }
    let (mut heard, mut heard_before, mut doubled) = (0_u64, 0, 0_u64);
    let mut cpu_before: Option<(Duration, Cpu)> = None;
    let mut measured: Option<Closed> = None;
    let mut patience = Patience::new("messages received", 0);
    let mut frame = Vec::with_capacity(256);
    loop {
        let now = start.elapsed();
        match cpu_before {
            None if now >= from => {
                cpu_before = Some((now, Cpu::now(&quiet)?));
                heard_before = heard;
            }
            Some((began, before)) if measured.is_none() && now >= until => {
                let spent = Cpu::now(&quiet)?.since(before);
                let count = (heard - heard_before) as f64;
                measured = Some(Closed {
                    messages_per_s: count / (now - began).as_secs_f64(),
                    server_cpu_us: spent.server / count.max(1.0) * 1e6,
                    generator_cpu_us: spent.own / count.max(1.0) * 1e6,
                });
            }
            _ => {}
        }
        if measured.is_some() {
            due.clear();
            if heard == messages.len() as u64 {
                break;
            }
        }
        for user in due.drain(..) {
            let number = messages.len() as u32;
            frame.clear();
            composer.post(
                MESSAGES + u64::from(number),
                number,
                now.as_millis() as u64,
                &conversations[user as usize / 2],
                &mut frame,
            );
            crowd.say(user, &frame);
            messages.push(Message {
                author: user,
                heard: false,
            });
        }
        crowd.nap(RESOLUTION)?;
        crowd.turn(Duration::ZERO, &mut |user, told| match told {
            Heard::Other(Seen::Accepted { id, .. }) if id >= MESSAGES => due.push(user),
            Heard::Other(Seen::Posted { text, .. }) => {
                let number = composer.number(text).map(|number| number as usize);
                let message = number.and_then(|number| messages.get_mut(number));
                match message {
                    // Its author is told as well.
                    Some(message) if message.author == user => {}
                    Some(message) if !message.heard => {
                        message.heard = true;
                        heard += 1;
                    }
                    _ => doubled += 1,
                }
            }
            _ => {}
        })?;
        patience.has(heard)?;
    }
    crowd.leave();
    if doubled > 0 {
        return Err(PresenceError::Client {
            user: "somebody".to_owned(),
            reason: format!("{doubled} messages were received twice, or are none that was sent"),
        });
    }
    measured.ok_or(PresenceError::Options("nothing was measured"))
}
