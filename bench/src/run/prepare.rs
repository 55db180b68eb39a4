//! Before the load: everybody connects, every conversation is made.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tidings_protocol::command;
use tidings_protocol::frame::Request;
use uuid::Uuid;

use super::{Run, RunError};
use crate::scan::{Seen, with_seen};
use crate::transport::{Arrival, Transport};

/// Longest silence, in either stage, before the run is given up.
const PATIENCE: Duration = Duration::from_secs(20);
/// Attempts for one user.
const ATTEMPTS: u8 = 3;
/// Conversations being made at the same time.
const MAKING: usize = 256;
/// Before a refused preparation is repeated.
const AGAIN: Duration = Duration::from_millis(50);
/// Frame ids of preparations start here.
const FIRST_ID: u64 = 16;

/// What came in while connecting.
enum Came {
    Open(u32),
    Welcome(u32, Duration),
    Refused(String),
    Closed(u32, String),
}

impl<T: Transport> Run<'_, T> {
    /// Connects everybody, a limited number at a time.
    pub(super) fn connect(&mut self) -> Result<(), RunError> {
        let users = self.plan.users();
        let bar = self.progress("connecting", users);
        let mut waiting: VecDeque<u32> = (0..users).collect();
        let mut attempts = vec![0u8; users as usize];
        let mut welcome = vec![false; users as usize];
        let (mut opening, mut connected) = (0, 0);
        let mut last = Instant::now();
        while connected < users {
            while opening < self.options.connecting {
                let Some(user) = waiting.pop_front() else {
                    break;
                };
                let target = self.targets[user as usize % self.targets.len()];
                attempts[user as usize] += 1;
                self.transport.open(user, target)?;
                opening += 1;
            }
            let mut came = Vec::new();
            let encoding = self.options.encoding;
            self.transport.poll(
                Duration::from_millis(100),
                &mut |user, arrival| match arrival {
                    Arrival::Open => came.push(Came::Open(user)),
                    Arrival::Closed(reason) => came.push(Came::Closed(user, reason)),
                    Arrival::Frame(frame) => {
                        let seen = with_seen(encoding, frame, |seen| match seen {
                            Seen::Welcome { heartbeat_ms } => {
                                Some(Came::Welcome(user, Duration::from_millis(heartbeat_ms)))
                            }
                            Seen::Refused { code, .. } | Seen::Closing { code, .. } => {
                                Some(Came::Refused(code.to_owned()))
                            }
                            _ => None,
                        });
                        match seen {
                            Ok(seen) => came.extend(seen),
                            Err(error) => came.push(Came::Refused(error.to_string())),
                        }
                    }
                },
            )?;
            for came in came {
                last = Instant::now();
                match came {
                    Came::Open(user) => {
                        let name = self.plan.user_name(user);
                        let token = (self.options.token)(&name);
                        let hello = self.composer.hello(token, format!("device-{user}"));
                        self.transport.write(user, &hello);
                        self.transport.flush(user);
                        self.spoke[user as usize] = Instant::now();
                    }
                    Came::Welcome(user, heartbeat) => {
                        if !std::mem::replace(&mut welcome[user as usize], true) {
                            if !heartbeat.is_zero() {
                                self.heartbeat = self.heartbeat.min(heartbeat);
                            }
                            connected += 1;
                            opening -= 1;
                            bar.inc(1);
                        }
                    }
                    Came::Refused(code) => self.error(&code),
                    Came::Closed(user, reason) => {
                        self.error(&reason);
                        match std::mem::replace(&mut welcome[user as usize], false) {
                            true => connected -= 1,
                            false => opening -= 1,
                        }
                        if attempts[user as usize] >= ATTEMPTS {
                            return Err(self.connect_error(connected));
                        }
                        waiting.push_back(user);
                    }
                }
            }
            self.keep_all_alive();
            if last.elapsed() > PATIENCE {
                return Err(self.connect_error(connected));
            }
        }
        bar.finish_and_clear();
        Ok(())
    }

    fn connect_error(&self, connected: u32) -> RunError {
        RunError::Connect {
            connected,
            users: self.plan.users(),
            errors: self.errors_in_words(),
        }
    }

    /// Makes every conversation and waits until all members know theirs.
    pub(super) fn converse(&mut self) -> Result<(), RunError> {
        let conversations = self.plan.conversations();
        let bar = self.progress("conversations", conversations);
        let mut waiting: VecDeque<u32> = (0..conversations).collect();
        let mut again: VecDeque<(Instant, u32)> = VecDeque::new();
        let (mut making, mut made) = (0, 0);
        let mut added = vec![false; self.plan.users() as usize];
        let mut to_be_added = self.plan.users();
        let mut last = Instant::now();
        while made < conversations || to_be_added > 0 {
            let now = Instant::now();
            while again.front().is_some_and(|&(at, _)| at <= now) {
                waiting.extend(again.pop_front().map(|(_, conversation)| conversation));
            }
            while making < MAKING {
                let Some(conversation) = waiting.pop_front() else {
                    break;
                };
                self.make(conversation);
                making += 1;
            }
            let mut answers = Vec::new();
            let mut joined = Vec::new();
            let mut closed = None;
            let encoding = self.options.encoding;
            let receipts = &mut self.receipts;
            self.transport.poll(
                Duration::from_millis(20),
                &mut |user, arrival| match arrival {
                    Arrival::Open => {}
                    Arrival::Closed(reason) => closed = Some(reason),
                    Arrival::Frame(frame) => {
                        let read = with_seen(encoding, frame, |seen| match seen {
                            Seen::Accepted {
                                id, conversation, ..
                            } => {
                                answers.push((id, Ok(Uuid::from_slice(conversation).ok())));
                            }
                            Seen::Refused { id, code, retry } => {
                                answers.push((id, Err((code.to_owned(), retry))));
                            }
                            Seen::Added {
                                position,
                                index,
                                conversation,
                            } => {
                                receipts.event(user, position, index);
                                joined.extend(Uuid::from_slice(conversation).map(|id| (user, id)));
                            }
                            Seen::Posted {
                                position, index, ..
                            }
                            | Seen::Event { position, index } => {
                                receipts.event(user, position, index);
                            }
                            Seen::Closing { code, .. } => closed = Some(code.to_owned()),
                            Seen::Welcome { .. } | Seen::Other => {}
                        });
                        if let Err(error) = read {
                            closed = Some(error.to_string());
                        }
                    }
                },
            )?;
            if let Some(reason) = closed {
                self.error(&reason);
                return Err(self.converse_error(made));
            }
            for (id, answer) in answers {
                let Some(conversation) = id.checked_sub(FIRST_ID).map(|number| number as u32)
                else {
                    continue;
                };
                last = Instant::now();
                making -= 1;
                match answer {
                    Ok(Some(id)) => {
                        self.ledger.set_conversation(conversation, id);
                        made += 1;
                        bar.inc(1);
                    }
                    Ok(None) => {
                        self.error("accepted without a conversation");
                        return Err(self.converse_error(made));
                    }
                    Err((code, retry)) => {
                        self.error(&code);
                        if !retry {
                            return Err(self.converse_error(made));
                        }
                        again.push_back((Instant::now() + AGAIN, conversation));
                    }
                }
            }
            for (user, _) in joined {
                if !std::mem::replace(&mut added[user as usize], true) {
                    last = Instant::now();
                    to_be_added -= 1;
                }
            }
            self.keep_all_alive();
            if last.elapsed() > PATIENCE {
                if made == conversations {
                    self.error(&format!(
                        "{to_be_added} members not told of their conversation"
                    ));
                }
                return Err(self.converse_error(made));
            }
        }
        bar.finish_and_clear();
        // What came up here was overcome.
        self.errors.clear();
        Ok(())
    }

    fn make(&mut self, conversation: u32) {
        let members = self.plan.members(conversation);
        let creator = members.start;
        let mut others = members.skip(1).map(|user| self.plan.user_name(user));
        let request = match self.options.group {
            None => Request::StartDirect(command::StartDirect {
                user: others.next().unwrap_or_default(),
                context: String::new(),
            }),
            Some(_) => Request::CreateGroup(command::CreateGroup {
                title: format!("group {conversation}"),
                members: others.collect(),
                ..command::CreateGroup::default()
            }),
        };
        let id = FIRST_ID + u64::from(conversation);
        let frame = self.composer.preparation(id, conversation, request);
        self.transport.write(creator, &frame);
        self.transport.flush(creator);
        self.spoke[creator as usize] = Instant::now();
    }

    /// Preparing many users takes longer than a heartbeat.
    fn keep_all_alive(&mut self) {
        if self.kept_alive.elapsed() > Duration::from_secs(1) {
            self.kept_alive = Instant::now();
            (0..self.plan.users()).for_each(|user| self.keep_alive(user));
        }
    }

    fn converse_error(&self, made: u32) -> RunError {
        let conversations = self.plan.conversations();
        RunError::Converse {
            made,
            conversations,
            errors: self.errors_in_words(),
        }
    }
}
