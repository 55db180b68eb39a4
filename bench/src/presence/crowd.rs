//! Users who are connected, each by a connection of its own, all on the calling thread.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;
use indicatif::{ProgressBar, ProgressStyle};
use tidings_protocol::{ClientFrame, Encoding, command, frame::Request, id};
use uuid::Uuid;

use super::{PresenceError, Server, Token, scan};
use crate::{
    scan::{Seen, with_seen},
    transport::{Arrival, Transport as _, WebSocket},
};

/// Longest silence while something is to come.
const PATIENCE: Duration = Duration::from_secs(20);
/// Whoever has said nothing for so long says that they are there.
const QUIET: Duration = Duration::from_secs(20);
/// How often it is looked who that is.
const LOOK: Duration = Duration::from_secs(1);
/// Contacts being added at the same time.
const ADDING: usize = 1_024;

/// What somebody heard.
pub(crate) enum Heard<'a> {
    /// How others are.
    Presence(scan::Told<'a>),
    /// Anything else, but a refusal that is not to be repeated, which is an error.
    Other(Seen<'a>),
}

/// Connected users, by number.
pub(crate) struct Crowd {
    transport: WebSocket,
    target: SocketAddr,
    token: Token,
    name: Box<dyn Fn(u32) -> String>,
    users: u32,
    /// Connections opened at the same time.
    at_once: u32,
    next: u32,
    opening: u32,
    here: u32,
    /// When each said something last; nothing before their hello.
    spoke: Vec<Option<Instant>>,
    kept_alive: Instant,
    ping: Bytes,
    progress: bool,
}

impl Crowd {
    /// Nobody is connected yet: [`Crowd::turn`] connects them, so many at the same time.
    pub(crate) fn new(
        server: &Server,
        users: u32,
        at_once: u32,
        name: impl Fn(u32) -> String + 'static,
    ) -> Result<Crowd, PresenceError> {
        let now = Instant::now();
        Ok(Crowd {
            transport: WebSocket::new(users, Encoding::Protobuf)?,
            target: server.address,
            token: server.token.clone(),
            name: Box::new(name),
            users,
            at_once,
            next: 0,
            opening: 0,
            here: 0,
            spoke: vec![None; users as usize],
            kept_alive: now,
            ping: request(0, Request::Ping(command::Ping {})),
            progress: server.progress,
        })
    }

    /// How many are connected and known to the server.
    pub(crate) fn here(&self) -> u32 {
        self.here
    }

    /// How many have begun to connect.
    pub(crate) fn opened(&self) -> u32 {
        self.next
    }

    /// How many there are to be.
    pub(crate) fn users(&self) -> u32 {
        self.users
    }

    /// A user's name.
    pub(crate) fn name(&self, user: u32) -> String {
        (self.name)(user)
    }

    /// Sends a frame.
    pub(crate) fn say(&mut self, user: u32, frame: &[u8]) {
        self.transport.write(user, frame);
        self.transport.flush(user);
        self.spoke[user as usize] = Some(Instant::now());
    }

    /// Sleeps, whatever arrives.
    pub(crate) fn nap(&mut self, time: Duration) -> Result<(), PresenceError> {
        Ok(self.transport.nap(time)?)
    }

    /// Connects whoever is still to come, hands over what arrives within the time, and says who has been welcomed.
    pub(crate) fn turn(
        &mut self,
        wait: Duration,
        hear: &mut dyn FnMut(u32, Heard<'_>),
    ) -> Result<Vec<u32>, PresenceError> {
        while self.opening < self.at_once && self.next < self.users {
            self.transport.open(self.next, self.target)?;
            self.next += 1;
            self.opening += 1;
        }
        let mut opened = Vec::new();
        let mut welcome = Vec::new();
        let mut failed: Option<(u32, String)> = None;
        self.transport
            .poll(wait, &mut |user, arrival| match arrival {
                Arrival::Open => opened.push(user),
                // Why is said before it is closed.
                Arrival::Closed(reason) => drop(failed.get_or_insert((user, reason))),
                Arrival::Frame(frame) => match scan::presence(frame) {
                    Ok(Some(told)) => hear(user, Heard::Presence(told)),
                    Ok(None) => {
                        let seen = with_seen(Encoding::Protobuf, frame, |seen| match seen {
                            Seen::Welcome { .. } => welcome.push(user),
                            Seen::Refused {
                                code, retry: false, ..
                            } => drop(failed.get_or_insert((user, code.to_owned()))),
                            Seen::Closing { code, message } => {
                                failed.get_or_insert((user, format!("{code}: {message}")));
                            }
                            seen => hear(user, Heard::Other(seen)),
                        });
                        if let Err(error) = seen {
                            failed = Some((user, error.to_string()));
                        }
                    }
                    Err(error) => failed = Some((user, error.to_string())),
                },
            })?;
        if let Some((user, reason)) = failed {
            return Err(PresenceError::Client {
                user: self.name(user),
                reason,
            });
        }
        for user in opened {
            let name = self.name(user);
            let hello = Request::Hello(command::Hello {
                token: (self.token)(&name),
                client: concat!("tidings-bench/", env!("CARGO_PKG_VERSION")).to_owned(),
                ..command::Hello::default()
            });
            self.say(user, &request(1, hello));
        }
        let came = welcome.len() as u32;
        self.opening -= came;
        self.here += came;
        self.keep_alive();
        Ok(welcome)
    }

    /// Connects everybody.
    pub(crate) fn enter(&mut self) -> Result<(), PresenceError> {
        let bar = self.progress("connecting", self.users.into());
        let mut patience = Patience::new("users connected", self.users.into());
        while self.here < self.users {
            self.turn(Duration::from_millis(100), &mut |_, _| {})?;
            bar.set_position(self.here.into());
            patience.has(self.here.into())?;
        }
        bar.finish_and_clear();
        Ok(())
    }

    /// Has users add others to their contacts, as many as are said to come, and waits until all are added.
    pub(crate) fn add_contacts(
        &mut self,
        additions: impl Iterator<Item = (u32, String)>,
        bar: &ProgressBar,
    ) -> Result<(), PresenceError> {
        let mut additions = additions.fuse();
        // By the id of the frame, those whose answer has not come.
        let mut waiting: Vec<Option<(u32, Bytes)>> = Vec::new();
        let mut free: Vec<usize> = (0..ADDING).rev().collect();
        waiting.resize(ADDING, None);
        let mut patience = Patience::new("contacts added", 0);
        let mut done = 0;
        loop {
            while let Some(place) = free.pop() {
                let Some((user, other)) = additions.next() else {
                    free.push(place);
                    break;
                };
                let frame = addition(FIRST_ID + place as u64, other);
                self.say(user, &frame);
                waiting[place] = Some((user, frame));
            }
            if free.len() == ADDING {
                return Ok(());
            }
            let mut again = Vec::new();
            self.turn(Duration::from_millis(100), &mut |_, heard| {
                let (id, accepted) = match heard {
                    Heard::Other(Seen::Accepted { id, .. }) => (id, true),
                    Heard::Other(Seen::Refused { id, .. }) => (id, false),
                    _ => return,
                };
                let Some(place) = id.checked_sub(FIRST_ID).map(|place| place as usize) else {
                    return;
                };
                match waiting.get_mut(place) {
                    Some(slot) if accepted && slot.is_some() => {
                        *slot = None;
                        free.push(place);
                        done += 1;
                        bar.inc(1);
                    }
                    Some(Some((user, frame))) => again.push((*user, frame.clone())),
                    _ => {}
                }
            })?;
            if !again.is_empty() {
                // The server has more to do than it takes in.
                self.nap(Duration::from_millis(20))?;
            }
            for (user, frame) in again {
                self.say(user, &frame);
            }
            patience.has(done)?;
        }
    }

    /// Says of those who have been quiet that they are there.
    fn keep_alive(&mut self) {
        if self.kept_alive.elapsed() < LOOK {
            return;
        }
        self.kept_alive = Instant::now();
        for user in 0..self.next {
            if self.spoke[user as usize].is_some_and(|spoke| spoke.elapsed() > QUIET) {
                let ping = self.ping.clone();
                self.say(user, &ping);
            }
        }
    }

    pub(crate) fn progress(&self, what: &'static str, len: u64) -> ProgressBar {
        progress(self.progress, what, len)
    }

    /// Everybody leaves.
    pub(crate) fn leave(mut self) {
        self.transport.close();
    }
}

/// Frame ids of what is prepared begin here.
const FIRST_ID: u64 = 16;

pub(crate) fn progress(draw: bool, what: &'static str, len: u64) -> ProgressBar {
    if !draw {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{prefix:>14} {wide_bar} {pos}/{len} {elapsed}");
    let bar = ProgressBar::new(len).with_prefix(what);
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// A request that is no command.
pub(crate) fn request(id: u64, request: Request) -> Bytes {
    Encoding::Protobuf.encode_client(&ClientFrame {
        id,
        request: Some(request),
        ..ClientFrame::default()
    })
}

fn addition(id: u64, user: String) -> Bytes {
    Encoding::Protobuf.encode_client(&ClientFrame {
        id,
        command_id: id::to_wire(Uuid::now_v7()),
        request: Some(Request::AddContact(command::AddContact { user })),
    })
}

/// Watches one's contacts, and is answered.
pub(crate) fn watch_roster() -> Bytes {
    let watch = command::WatchPresence {
        users: Vec::new(),
        roster: true,
    };
    request(2, Request::WatchPresence(watch))
}

/// How one is from now on, which is not answered.
pub(crate) fn set_presence(state: &str) -> Bytes {
    let set = command::SetPresence {
        state: state.to_owned(),
    };
    request(0, Request::SetPresence(set))
}

/// Gives up when nothing comes for long.
pub(crate) struct Patience {
    what: &'static str,
    done: u64,
    of: u64,
    since: Instant,
}

impl Patience {
    pub(crate) fn new(what: &'static str, of: u64) -> Patience {
        Patience {
            what,
            done: 0,
            of,
            since: Instant::now(),
        }
    }

    /// So much has come.
    pub(crate) fn has(&mut self, done: u64) -> Result<(), PresenceError> {
        if done != self.done {
            self.done = done;
            self.since = Instant::now();
        }
        if self.since.elapsed() > PATIENCE {
            return Err(PresenceError::Silence {
                what: self.what,
                done,
                of: self.of,
                seconds: PATIENCE.as_secs(),
            });
        }
        Ok(())
    }
}
