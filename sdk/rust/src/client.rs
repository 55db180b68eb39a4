//! The client an application talks to.

mod commands;
mod driver;
mod handshake;
mod queries;
mod receipts;
mod requests;
mod standing;
mod updates;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidings_protocol::frame::{self, Outcome, Request};
use tidings_protocol::{ClientFrame, id};
use tokio::sync::{mpsc, oneshot, watch};
use uuid::Uuid;

use crate::{Connector, Error, ErrorKind, Options, State};

pub use updates::{Update, Updates};

/// Instructions waiting for the driver before callers have to wait themselves.
const INSTRUCTIONS: usize = 1024;

/// A user's connection to Tidings, for as long as any clone of it lives.
#[derive(Clone)]
pub struct Client {
    instructions: mpsc::Sender<Instruction>,
    status: watch::Receiver<Status>,
    state: Arc<Mutex<State>>,
    changes: watch::Receiver<()>,
}

/// How the client is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Not connected, or not caught up yet; commands wait in the outbox.
    Connecting,
    /// Connected and caught up.
    Ready,
    /// Ended for good: closed, or refused in a way that trying again does not help.
    Stopped(Error),
}

/// The command is durable in the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Position of its commit.
    pub position: u64,
    /// Recorded time, milliseconds since 1970 (UTC).
    pub at_ms: u64,
    /// The conversation concerned, also when it was just made; nil if none is.
    pub conversation: Uuid,
    /// For a message: its number in the conversation, from 1.
    pub seq: u64,
    /// For a message or a new text of one: its number among those that moderation holds in the conversation; 0 where
    /// it is not held.
    pub held: u64,
    /// The command had been executed before, and this is what came of it then.
    pub duplicate: bool,
    /// For a command of an extension: its answer, JSON; empty otherwise.
    pub answer: String,
}

impl Accepted {
    fn new(accepted: &frame::Accepted) -> Accepted {
        Accepted {
            position: accepted.position,
            at_ms: accepted.at_ms,
            conversation: id::from_wire(&accepted.conversation).unwrap_or_default(),
            seq: accepted.seq,
            held: accepted.held,
            duplicate: accepted.duplicate,
            answer: accepted.answer.clone(),
        }
    }
}

/// A command that is in the outbox. It will be carried out whether or not anybody waits for it.
pub struct Submitted {
    command_id: Uuid,
    answer: oneshot::Receiver<Result<Accepted, Error>>,
}

impl Submitted {
    /// Names the command for ever: the message it makes bears it.
    pub fn command_id(&self) -> Uuid {
        self.command_id
    }

    /// What came of it; waits for as long as that takes.
    pub async fn accepted(self) -> Result<Accepted, Error> {
        self.answer.await.unwrap_or_else(|_| Err(closed()))
    }
}

/// What a handle asks of the driver.
enum Instruction {
    Command {
        frame: ClientFrame,
        stored: oneshot::Sender<Result<(), Error>>,
        answer: oneshot::Sender<Result<Accepted, Error>>,
    },
    Query {
        request: Request,
        answer: oneshot::Sender<Result<Outcome, Error>>,
    },
    MarkRead {
        conversation: Uuid,
        seq: u64,
    },
    /// Sent if connected, else forgotten.
    Volatile(Request),
    /// Holds from now on: told each session anew, until another one of its kind takes its place.
    Standing(Request),
    /// What is of this kind does not hold any more, which a session is told so.
    Over {
        kind: Request,
        told: Request,
    },
    Close,
}

impl Client {
    /// Starts a client and returns at once: it connects by itself, now and after every interruption.
    /// Fails on unusable options or an unreadable outbox.
    pub async fn start(options: Options) -> Result<(Client, Updates), Error> {
        let connector = Connector::new(options.encoding, &options.tls)
            .map_err(|error| Error::new(ErrorKind::Invalid, error.to_string()))?;
        let (instructions, inbox) = mpsc::channel(INSTRUCTIONS);
        let (status_sender, status) = watch::channel(Status::Connecting);
        let mut state = options.state.clone().unwrap_or_default();
        // What an earlier run had asked for and not been told.
        state.wants().unask();
        let state = Arc::new(Mutex::new(state));
        let (changed, changes) = watch::channel(());
        let (sender, updates) = updates::channel(options.updates_bytes);
        let driver = driver::Driver::new(
            options,
            connector,
            driver::Ends {
                inbox,
                updates: sender,
                status: status_sender,
                state: state.clone(),
                changed,
            },
        )
        .await?;
        tokio::spawn(driver.run());
        Ok((
            Client {
                instructions,
                status,
                state,
                changes,
            },
            updates,
        ))
    }

    /// Starts a client and waits until it is connected and caught up. Fails only where trying on would
    /// be in vain, such as a refused token; wrap it in a timeout where the server may be away.
    pub async fn connect(options: Options) -> Result<(Client, Updates), Error> {
        let (client, updates) = Client::start(options).await?;
        client.ready().await?;
        Ok((client, updates))
    }

    /// Waits until the client is connected and caught up.
    pub async fn ready(&self) -> Result<(), Error> {
        let mut status = self.status.clone();
        let status = status
            .wait_for(|status| *status != Status::Connecting)
            .await;
        match status.as_deref() {
            Ok(Status::Stopped(error)) => Err(error.clone()),
            Ok(_) => Ok(()),
            Err(_) => Err(closed()),
        }
    }

    /// How the client is doing, to look at or to wait on.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// The view as it is now. It may be ahead of the updates not taken yet.
    pub fn state(&self) -> State {
        self.with_state(State::clone)
    }

    /// Looks at the view without copying it. The client waits meanwhile: be quick.
    pub fn with_state<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&lock(&self.state))
    }

    /// Waits until the view is as `condition` wants it; fails when the client has ended first.
    pub async fn until(&self, mut condition: impl FnMut(&State) -> bool) -> Result<(), Error> {
        let mut changes = self.changes.clone();
        while !self.with_state(&mut condition) {
            changes.changed().await.map_err(|_| self.why_stopped())?;
        }
        Ok(())
    }

    /// Acknowledges what was taken, closes the connection and ends the client, all clones included.
    /// Commands not answered yet fail with [`ErrorKind::Closed`], and stay in a persistent outbox.
    pub async fn close(&self) {
        if self.instructions.send(Instruction::Close).await.is_ok() {
            self.instructions.closed().await;
        }
    }

    /// Puts a command into the outbox under a new id and returns when it is stored there.
    pub async fn submit(&self, request: Request) -> Result<Submitted, Error> {
        self.submit_as(Uuid::now_v7(), request).await
    }

    /// Like [`submit`](Client::submit), under an id of the caller's: a UUIDv7 made when the user
    /// acted. The same id never acts twice.
    pub async fn submit_as(&self, command_id: Uuid, request: Request) -> Result<Submitted, Error> {
        let (stored, is_stored) = oneshot::channel();
        let (sender, answer) = oneshot::channel();
        let frame = ClientFrame {
            id: 0,
            command_id: id::to_wire(command_id),
            request: Some(request),
        };
        self.instruct(Instruction::Command {
            frame,
            stored,
            answer: sender,
        })
        .await?;
        is_stored
            .await
            .unwrap_or_else(|_| Err(self.why_stopped()))?;
        Ok(Submitted { command_id, answer })
    }

    async fn query(&self, request: Request) -> Result<Outcome, Error> {
        let (sender, answer) = oneshot::channel();
        self.instruct(Instruction::Query {
            request,
            answer: sender,
        })
        .await?;
        answer.await.unwrap_or_else(|_| Err(self.why_stopped()))
    }

    async fn instruct(&self, instruction: Instruction) -> Result<(), Error> {
        self.instructions
            .send(instruction)
            .await
            .map_err(|_| self.why_stopped())
    }

    fn why_stopped(&self) -> Error {
        match &*self.status.borrow() {
            Status::Stopped(error) => error.clone(),
            _ => closed(),
        }
    }
}

/// Only read access is given to application code, so a panic there leaves the state whole.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the client was closed")
}
