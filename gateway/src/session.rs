//! One connection's session: who, limits, resume; frames in, frames out.
//!
//! A transport makes a [`Session`] for each connection it accepts, gives it every frame it reads
//! ([`Session::receive`]) and writes what [`Outgoing::next`] yields. The session does the rest.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;
use tidings_core::{
    content,
    domain::{Command, CommandId, ConversationId, Settler, UserCommand, UserId},
    fanout::{self, Doing, Notice, Registration},
    handler::{Answer, Submission},
    node::Node,
    presence::{self, Attendance, LISTED, record::State as Presence},
    projections::{
        read::{self, Viewer},
        resume::{self, Resume, What},
    },
    review::Origin,
};
use tidings_extensions::Extensions;
use tidings_protocol::{
    ClientFrame, CloseCode, DecodeError, Encoding, ErrorCode, ServerFrame, command, event,
    frame::{self, Body, Outcome, Request},
    id,
};
use tokio::{sync::Semaphore, time::Instant};

use crate::{
    arrivals::{Arrival, Arrivals, counted},
    auth::{Authenticator, Identity},
    commands,
    config::Limits,
    held,
    looking::{Looking, Looks},
    metrics::Metrics,
    notifications,
    outgoing::Outgoing,
    query,
    rate::Rate,
    search::{
        Search,
        live::{self, Watch},
    },
    translate::{self, Failure},
    transport::Transport,
};

/// How long a session waits for projections that are behind its cursor.
const CATCH_UP: Duration = Duration::from_secs(2);

/// Requests refused for their rate after which the connection is closed, less those forgiven.
const STRIKES: u32 = 500;

/// Refusals forgiven for each request that is let through: who stays below ten times the limit is
/// slowed down only.
const FORGIVEN: u32 = 10;

/// Bytes waiting to be sent above which presence waits: then what is told is what is so by then.
const PRESENCE_WAITS: usize = 32 * 1024;

/// Longest device id, in bytes.
const DEVICE_BYTES: usize = 64;

/// What all sessions of a node share.
pub struct Gateway {
    /// The core.
    pub node: Arc<Node>,
    /// Who is who.
    pub auth: Authenticator,
    /// Limits in force.
    pub limits: Limits,
    /// Counters.
    pub metrics: Metrics,
    /// Search.
    pub search: Arc<Search>,
    /// Extensions.
    pub extensions: Arc<Extensions>,
    /// Who looks at which conversation here.
    pub(crate) looking: Arc<Looking>,
    logins: Semaphore,
    pub(crate) queries: Semaphore,
    /// The last position that a command was accepted at on this node: reads include it.
    pub(crate) accepted: AtomicU64,
    open: Mutex<Open>,
    arrivals: Arc<Arrivals>,
    random: Arc<dyn ring::rand::SecureRandom + Send + Sync>,
}

/// Connections there are that have come as far as frames.
#[derive(Default)]
struct Open {
    next: u64,
    draining: bool,
    connections: HashMap<u64, Arc<Shared>>,
    by_address: HashMap<IpAddr, usize>,
    by_user: HashMap<UserId, usize>,
}

/// The part of a session that the fan-out and answers reach from other threads.
pub(crate) struct Shared {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) outgoing: Outgoing,
    pub(crate) encoding: Encoding,
    user: std::sync::OnceLock<UserId>,
    /// Where the connection comes from, if there is one.
    from: Option<(IpAddr, Transport)>,
    /// Names the session to its client and in logs.
    session: std::sync::OnceLock<uuid::Uuid>,
}

/// One connection, from its acceptance to its end.
pub struct Session {
    shared: Arc<Shared>,
    id: u64,
    address: IpAddr,
    transport: Transport,
    state: State,
    rate: Rate,
    strikes: u32,
    accepted: Instant,
    heard: Instant,
    /// When the user last did something, and whether they count as away.
    active: Instant,
    away: bool,
    expires: Option<Instant>,
    /// The conversation that is looked at, and the result page that is watched.
    looks: Option<Looks>,
    watched: Option<Watch>,
}

enum State {
    New,
    Open {
        user: UserId,
        attendance: Attendance,
        _registration: Registration,
    },
}

impl Gateway {
    /// A gateway to a running node.
    pub fn new(
        node: Arc<Node>,
        search: Arc<Search>,
        extensions: Arc<Extensions>,
        auth: Authenticator,
        limits: Limits,
        random: Arc<dyn ring::rand::SecureRandom + Send + Sync>,
    ) -> Arc<Gateway> {
        let looking = Looking::new(node.clone());
        {
            let looking = looking.clone();
            node.presence.listen(move |user, state| {
                if state == Presence::Offline {
                    looking.hide(user);
                }
            });
        }
        Arc::new(Gateway {
            looking,
            node,
            search,
            extensions,
            auth,
            logins: Semaphore::new(limits.logins),
            queries: Semaphore::new(limits.queries),
            arrivals: Arrivals::new(&limits),
            limits,
            metrics: Metrics::default(),
            accepted: AtomicU64::new(0),
            open: Mutex::default(),
            random,
        })
    }

    /// Takes a place for a connection that has just arrived, to be kept as long as it is there. `None`:
    /// it is to be dropped.
    pub(crate) fn arrive(&self, address: IpAddr) -> Option<Arrival> {
        let arrival = self.arrivals.arrive(counted(address));
        if arrival.is_none() {
            tracing::debug!(%address, "a connection too many");
            self.metrics.close(CloseCode::TooManyConnections);
        }
        arrival
    }

    /// Whether a connection is to show that it comes from where it says before it gets a place.
    pub(crate) fn doubts(&self, address: IpAddr) -> bool {
        self.connections() > 1_000 || self.arrivals.is_doubtful(counted(address))
    }

    /// Takes on a connection that carries frames. `Err`: it is to be closed at once, with this code and last frame.
    pub fn accept(
        self: &Arc<Gateway>,
        address: IpAddr,
        encoding: Encoding,
        transport: Transport,
    ) -> Result<Session, (CloseCode, Bytes)> {
        let address = address.to_canonical();
        let refuse = |code, why: &str, after_ms| {
            self.metrics.close(code);
            Err((code, closing(encoding, code, why, after_ms, String::new())))
        };
        let mut open = self.open.lock();
        if open.draining {
            let after = self.jitter_ms(self.limits.drain_ms);
            return refuse(CloseCode::Draining, "the server is stopping", after);
        }
        let from_address = open.by_address.get(&counted(address)).copied().unwrap_or(0);
        if open.connections.len() >= self.limits.connections {
            let after = 1_000 + self.jitter_ms(4_000);
            return refuse(
                CloseCode::TooManyConnections,
                "the server holds as many connections as it may",
                after,
            );
        }
        if from_address >= self.limits.connections_per_address {
            let after = 5_000 + self.jitter_ms(10_000);
            return refuse(
                CloseCode::TooManyConnections,
                "too many connections from this address",
                after,
            );
        }
        open.next += 1;
        let id = open.next;
        let shared = Arc::new(Shared {
            gateway: self.clone(),
            outgoing: Outgoing::new(self.limits.outgoing_bytes),
            encoding,
            user: std::sync::OnceLock::new(),
            from: Some((address, transport)),
            session: std::sync::OnceLock::new(),
        });
        open.connections.insert(id, shared.clone());
        *open.by_address.entry(counted(address)).or_default() += 1;
        self.metrics.connections[transport as usize].fetch_add(1, Ordering::Relaxed);
        self.metrics.opened[transport as usize].fetch_add(1, Ordering::Relaxed);
        let accepted = Instant::now();
        let rate = Rate::new(self.limits.requests_per_second, self.limits.request_burst);
        Ok(Session {
            shared,
            id,
            address,
            transport,
            state: State::New,
            rate,
            strikes: 0,
            accepted,
            heard: accepted,
            active: accepted,
            away: false,
            expires: None,
            looks: None,
            watched: None,
        })
    }

    /// Stops taking connections and tells every client when to come back, spread over the window in
    /// [`Limits::drain_ms`].
    pub fn drain(&self) {
        let connections: Vec<_> = {
            let mut open = self.open.lock();
            open.draining = true;
            open.connections.values().cloned().collect()
        };
        for shared in connections {
            shared.close(
                CloseCode::Draining,
                "the server is stopping",
                self.jitter_ms(self.limits.drain_ms),
            );
        }
    }

    /// Whether it takes no more connections.
    pub fn is_draining(&self) -> bool {
        self.open.lock().draining
    }

    /// Connections open now.
    pub fn connections(&self) -> usize {
        self.open.lock().connections.len()
    }

    /// Bytes waiting to be sent, on all connections.
    pub fn outgoing_bytes(&self) -> usize {
        self.open
            .lock()
            .connections
            .values()
            .map(|shared| shared.outgoing.bytes())
            .sum()
    }

    fn jitter_ms(&self, within: u32) -> u32 {
        let mut bytes = [0; 4];
        self.random
            .fill(&mut bytes)
            .expect("the system has randomness");
        u32::from_be_bytes(bytes) % within.max(1)
    }

    /// Base URL of one of the other nodes, empty without any: they share those who have to go.
    fn another_node(&self) -> String {
        let mut nodes = self.node.other_nodes();
        if nodes.is_empty() {
            return String::new();
        }
        let one = self.jitter_ms(nodes.len() as u32) as usize;
        nodes.swap_remove(one)
    }

    fn session_id(&self) -> uuid::Uuid {
        let mut bytes = [0; 16];
        self.random
            .fill(&mut bytes)
            .expect("the system has randomness");
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    /// The id of a command that whoever asked gave none: it is not tried again.
    pub(crate) fn fresh_command_id(&self) -> CommandId {
        let mut bytes = [0; 10];
        self.random
            .fill(&mut bytes)
            .expect("the system has randomness");
        let now_ms = self.node.clock.now_ms();
        CommandId(uuid::Builder::from_unix_timestamp_millis(now_ms, &bytes).into_uuid())
    }

    /// Counts a session of a user; false when they have as many as they may.
    fn count_user(&self, user: &UserId) -> bool {
        let mut open = self.open.lock();
        let count = open.by_user.entry(user.clone()).or_default();
        if *count >= self.limits.connections_per_user {
            return false;
        }
        *count += 1;
        true
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let gateway = &self.shared.gateway;
        let mut open = gateway.open.lock();
        open.connections.remove(&self.id);
        decrement(&mut open.by_address, &counted(self.address));
        let at = self.transport as usize;
        if let Some(user) = self.shared.user.get() {
            decrement(&mut open.by_user, user);
            gateway.metrics.sessions[at].fetch_sub(1, Ordering::Relaxed);
        }
        gateway.metrics.connections[at].fetch_sub(1, Ordering::Relaxed);
        drop(open);
        self.shared.tell_end();
    }
}

fn decrement<K: Eq + std::hash::Hash + Clone>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

impl Session {
    /// What is to be sent.
    pub fn outgoing(&self) -> Outgoings {
        Outgoings(self.shared.clone())
    }

    /// When [`Session::check_time`] is to be called next.
    pub fn deadline(&self) -> Instant {
        let limits = &self.shared.gateway.limits;
        let until = match self.state {
            // Whatever else was heard: nobody stays without saying who they are.
            State::New => self.accepted + Duration::from_millis(limits.hello_ms),
            State::Open { .. } => {
                self.heard + Duration::from_millis(u64::from(limits.heartbeat_ms) * 2)
            }
        };
        let until = self.expires.map_or(until, |expires| until.min(expires));
        self.leaves_at().map_or(until, |leaves| until.min(leaves))
    }

    /// When the user counts as away if nothing is heard of them, unless they do.
    fn leaves_at(&self) -> Option<Instant> {
        let after = Duration::from_millis(self.shared.gateway.node.presence.config().away_ms);
        let is_here = matches!(self.state, State::Open { .. }) && !self.away;
        is_here.then(|| self.active + after)
    }

    /// The user does something, or has for long done nothing.
    fn attend(&mut self, away: bool) {
        if !away {
            self.active = Instant::now();
        }
        if let State::Open { attendance, .. } = &self.state
            && self.away != away
        {
            self.away = away;
            attendance.set(if away {
                Presence::Away
            } else {
                Presence::Available
            });
        }
    }

    /// Closes the session if its time is up.
    pub fn check_time(&mut self) {
        let now = Instant::now();
        if now < self.deadline() {
            return;
        }
        if self.leaves_at().is_some_and(|leaves| now >= leaves) {
            self.attend(true);
            if now < self.deadline() {
                return;
            }
        }
        if self.expires.is_some_and(|expires| now >= expires) {
            self.shared.close(
                CloseCode::TokenExpired,
                "the token has expired: connect with a new one",
                0,
            );
        } else if matches!(self.state, State::New) {
            self.shared.close(CloseCode::Protocol, "no hello came", 0);
        } else {
            self.shared
                .close(CloseCode::Idle, "nothing was heard for two heartbeats", 0);
        }
    }

    /// The transport could not read a frame: closes with a code that says why.
    pub fn unreadable(&mut self, code: CloseCode, why: &str) {
        self.shared.close(code, why, 0);
    }

    /// Handles one frame.
    pub async fn receive(&mut self, bytes: Bytes) {
        if self.shared.outgoing.is_closing() {
            // What came behind the frame that ended the session has no effect.
            return;
        }
        self.heard = Instant::now();
        let gateway = self.shared.gateway.clone();
        gateway.metrics.frames_in.fetch_add(1, Ordering::Relaxed);
        if bytes.len() > gateway.limits.frame_bytes {
            let why = format!(
                "a frame has {} bytes, the limit is {}",
                bytes.len(),
                gateway.limits.frame_bytes
            );
            return self.shared.close(CloseCode::TooLarge, &why, 0);
        }
        let (id, command_id, request) = match self.shared.encoding.decode_client(bytes) {
            Ok(frame) => {
                let ClientFrame {
                    id,
                    command_id,
                    request,
                } = frame;
                let unknown = "the frame holds no request known here".to_owned();
                (id, command_id, request.ok_or(unknown))
            }
            Err(DecodeError::UnknownRequest { id, name }) => {
                let unknown = format!("{name:?} is no request known here");
                (id, Bytes::new(), Err(unknown))
            }
            Err(DecodeError::Malformed(what)) => {
                return self.shared.close(CloseCode::Protocol, &what, 0);
            }
        };
        if let Err(wait_ms) = self.take() {
            let message = format!(
                "more than {} requests a second",
                gateway.limits.requests_per_second
            );
            let failure = Failure {
                code: ErrorCode::RateLimited,
                message,
                retry_after_ms: wait_ms,
            };
            return self.shared.refuse(id, failure);
        }
        match (&self.state, request) {
            (State::New, Ok(Request::Hello(hello))) => self.hello(id, hello).await,
            (State::New, _) => {
                self.shared
                    .refuse(id, Failure::new(ErrorCode::NotReady, "send hello first"));
                self.shared
                    .close(CloseCode::Protocol, "the first frame was not hello", 0);
            }
            (State::Open { .. }, Ok(Request::Hello(_))) => {
                let failure = Failure::new(ErrorCode::Invalid, "this connection has had its hello");
                self.shared.refuse(id, failure);
            }
            (State::Open { .. }, Err(unknown)) => {
                let failure = Failure::new(ErrorCode::UnknownRequest, unknown);
                self.shared.refuse(id, failure);
            }
            (State::Open { user, .. }, Ok(request)) => {
                let user = user.clone();
                if is_activity(&request) {
                    self.attend(false);
                }
                match self.command(id, &user, &command_id, request) {
                    Some(Request::SettleHeld(settle)) => {
                        self.settle_held(id, &user, &command_id, settle).await;
                    }
                    Some(Request::Invoke(invoke)) => self.invoke(id, &user, &command_id, invoke),
                    Some(request) => self.other(id, &user, request).await,
                    None => {}
                }
            }
        }
    }

    /// Counts a signal of the transport's own, such as a ping: it costs as much as a request.
    pub fn signalled(&mut self) {
        let _ = self.take();
    }

    /// Takes one request from what the client may ask; otherwise says how long to wait, in
    /// milliseconds, and closes once that was ignored too often.
    fn take(&mut self) -> Result<(), u32> {
        let Err(wait_ms) = self.rate.take() else {
            self.strikes = self.strikes.saturating_sub(FORGIVEN);
            return Ok(());
        };
        self.strikes += 1;
        if self.strikes > STRIKES {
            let after = wait_ms + self.shared.gateway.jitter_ms(5_000);
            self.shared.close(
                CloseCode::RateLimited,
                "far more requests than the limit",
                after,
            );
        }
        Err(wait_ms)
    }

    /// Submits a request that is a command; gives back any other.
    fn command(
        &self,
        id: u64,
        user: &UserId,
        command_id: &[u8],
        request: Request,
    ) -> Option<Request> {
        let shared = &self.shared;
        let node = &shared.gateway.node;
        if !is_command(&request) {
            return Some(request);
        }
        let failure = match self.command_id(command_id) {
            Ok(command_id) => {
                match translate::command(request, user, Some(command_id), &node.ids) {
                    Ok(Some(command)) => {
                        if matches!(
                            command,
                            Command::User(UserCommand::SetInvisible { invisible: true })
                        ) {
                            // As far as others can see they leave now.
                            node.presence.hides(user);
                        }
                        let reply_to = shared.clone();
                        let submission = Submission {
                            actor: user.clone(),
                            command,
                            id: Some(command_id),
                            happened_ms: None,
                            known: shared.gateway.accepted.load(Ordering::Relaxed),
                            chain: None,
                            trace: None,
                            reply: Box::new(move |answer| reply_to.answer(id, answer)),
                        };
                        node.reviewing.submit(Origin::Client, submission);
                        return None;
                    }
                    // `is_command` and `translate::command` name the same requests.
                    Ok(None) => Failure::new(ErrorCode::UnknownRequest, "not a command"),
                    Err(failure) => failure,
                }
            }
            Err(failure) => failure,
        };
        shared.refuse(id, failure);
        None
    }

    /// Submits what settles a held message. It is carried out for its author, whose message it is.
    async fn settle_held(
        &self,
        id: u64,
        user: &UserId,
        command_id: &[u8],
        settle: command::SettleHeld,
    ) {
        let shared = &self.shared;
        let node = &shared.gateway.node;
        let settled = async {
            let command_id = self.command_id(command_id)?;
            let settlement = held::Settlement {
                conversation: translate::conversation_id(&settle.conversation)?,
                held: settle.held,
                by: Settler::Moderator(user.clone()),
                release: settle.release,
                reason: settle.reason,
            };
            let (author, command) = held::settle(&shared.gateway, settlement).await?;
            Ok((command_id, author, command))
        };
        match settled.await {
            Ok((command_id, author, command)) => {
                let reply_to = shared.clone();
                node.handler.submit(Submission {
                    actor: author,
                    command,
                    id: Some(command_id),
                    happened_ms: None,
                    known: shared.gateway.accepted.load(Ordering::Relaxed),
                    chain: None,
                    trace: None,
                    reply: Box::new(move |answer| reply_to.answer(id, answer)),
                });
            }
            Err(failure) => shared.refuse(id, failure),
        }
    }

    /// Calls a command of an extension. Nothing else of the session waits for it.
    fn invoke(&self, id: u64, user: &UserId, command_id: &[u8], invoke: command::Invoke) {
        let command_id = match self.command_id(command_id) {
            Ok(command_id) => command_id,
            Err(failure) => return self.shared.refuse(id, failure),
        };
        let (shared, user) = (self.shared.clone(), user.clone());
        tokio::spawn(async move {
            let gateway = &shared.gateway;
            match commands::invoke(gateway, &user, command_id, invoke).await {
                Ok(invoked) => {
                    // What is asked next finds it.
                    gateway
                        .accepted
                        .fetch_max(invoked.position, Ordering::Relaxed);
                    let accepted = frame::Accepted {
                        position: invoked.position,
                        at_ms: invoked.at_ms,
                        duplicate: invoked.duplicate,
                        answer: invoked.answer,
                        ..frame::Accepted::default()
                    };
                    shared.reply(id, Outcome::Accepted(accepted));
                }
                Err(failure) => shared.refuse(id, failure),
            }
        });
    }

    fn command_id(&self, bytes: &[u8]) -> Result<CommandId, Failure> {
        if bytes.is_empty() {
            return Err(translate::no_command_id());
        }
        let Some(command_id) = id::from_wire(bytes).map(CommandId) else {
            return Err(Failure::new(ErrorCode::Invalid, "command_id is no UUID"));
        };
        if !command_id.is_acceptable(self.shared.gateway.node.clock.now_ms()) {
            let message = "command_id is to be a UUIDv7 of the present: check the client's clock";
            return Err(Failure::new(ErrorCode::Invalid, message));
        }
        Ok(command_id)
    }

    /// Requests that are no commands to the log by themselves.
    async fn other(&mut self, id: u64, user: &UserId, request: Request) {
        let shared = self.shared.clone();
        let node = &shared.gateway.node;
        let outcome = match request {
            Request::Ping(_) => Ok(shared.pong(0)),
            Request::RenewToken(command::RenewToken { token }) => self
                .renew(user, &token)
                .map(|expires_ms| shared.pong(expires_ms)),
            Request::Ack(command::Ack { position, index }) => {
                for (conversation, seq) in shared.outgoing.acknowledged((position, index)) {
                    node.cursors.moved(conversation, user, 0, seq);
                }
                if id == 0 {
                    return;
                }
                Ok(shared.pong(0))
            }
            Request::MarkRead(command::MarkRead { conversation, seq }) => {
                match query::mark_read(&shared, user, &conversation, seq).await {
                    Ok(()) if id == 0 => return,
                    Ok(()) => Ok(shared.pong(0)),
                    Err(failure) => Err(failure),
                }
            }
            Request::Typing(command::Typing {
                conversation,
                active,
            }) => match query::typing(&shared, user, &conversation, active).await {
                Ok(()) if id == 0 => return,
                Ok(()) => Ok(shared.pong(0)),
                Err(failure) => Err(failure),
            },
            Request::Look(command::Look { conversation }) => {
                match query::look(&shared, user, &mut self.looks, &conversation).await {
                    Ok(()) if id == 0 => return,
                    Ok(()) => Ok(shared.pong(0)),
                    Err(failure) => Err(failure),
                }
            }
            Request::WatchPeople(watch) => {
                match query::watch_people(&shared, user, &mut self.watched, watch).await {
                    Ok((found, watching)) => {
                        let shown = found.people.iter();
                        let shown: Vec<String> = shown.map(|person| person.user.clone()).collect();
                        shared.reply(id, Outcome::People(found));
                        // Not before: news of a page that is not there yet would be lost on the client.
                        watching.shows(shown);
                        return;
                    }
                    Err(failure) => Err(failure),
                }
            }
            Request::UnwatchPeople(_) => {
                self.watched = None;
                if id == 0 {
                    return;
                }
                Ok(shared.pong(0))
            }
            Request::SetPresence(command::SetPresence { state }) => {
                match Presence::from_name(&state) {
                    Some(state) if state != Presence::Offline => {
                        self.attend(state == Presence::Away);
                        if id == 0 {
                            return;
                        }
                        Ok(shared.pong(0))
                    }
                    _ => {
                        let message =
                            format!("state is {state:?}: it is to be \"available\" or \"away\"");
                        Err(Failure::new(ErrorCode::Invalid, message))
                    }
                }
            }
            Request::WatchPresence(watch) => match self.watch_presence(watch).await {
                Ok(()) if id == 0 => return,
                Ok(()) => Ok(shared.pong(0)),
                Err(failure) => Err(failure),
            },
            request => query::answer(&shared, user, request).await,
        };
        match outcome {
            Ok(outcome) => shared.reply(id, outcome),
            Err(failure) => shared.refuse(id, failure),
        }
    }

    /// What is watched is told before this is answered, as any change of it later.
    async fn watch_presence(&mut self, watch: command::WatchPresence) -> Result<(), Failure> {
        let gateway = self.shared.gateway.clone();
        let State::Open { attendance, .. } = &mut self.state else {
            return Err(Failure::new(ErrorCode::NotReady, "send hello first"));
        };
        if watch.users.len() > LISTED {
            let message = format!(
                "users names {} users, the limit is {LISTED}: watch those on the screen",
                watch.users.len()
            );
            return Err(Failure::new(ErrorCode::Invalid, message));
        }
        let users = watch.users.iter().map(|user| translate::user_id(user));
        let users = users.collect::<Result<Vec<_>, _>>()?;
        // With their contacts everybody comes after logging in, and it is as much work.
        let _login = match watch.roster {
            true => Some(gateway.logins.acquire().await),
            false => None,
        };
        attendance.watch(self.shared.clone(), &users, watch.roster)?;
        Ok(())
    }

    fn renew(&mut self, user: &UserId, token: &str) -> Result<u64, Failure> {
        let identity = self.authenticate(token)?;
        if identity.user != **user {
            let message = "the new token is for another user";
            return Err(Failure::new(ErrorCode::Unauthenticated, message));
        }
        Ok(self.keep_until(&identity))
    }

    /// Notes when the session ends; returns when its token expires, 0 for never.
    fn keep_until(&mut self, identity: &Identity) -> u64 {
        let now_ms = self.shared.gateway.node.clock.now_ms();
        self.expires = identity.honoured_until_ms.map(|until_ms| {
            Instant::now() + Duration::from_millis(until_ms.saturating_sub(now_ms))
        });
        identity.expires_ms.unwrap_or(0)
    }

    fn authenticate(&self, token: &str) -> Result<Identity, Failure> {
        let gateway = &self.shared.gateway;
        gateway
            .auth
            .authenticate(token, gateway.node.clock.now_ms())
            .map_err(|error| {
                let code = if error.retry() {
                    ErrorCode::Unavailable
                } else {
                    ErrorCode::Unauthenticated
                };
                Failure::new(code, error.to_string())
            })
    }

    /// Opens the session: who it is, what they missed.
    async fn hello(&mut self, id: u64, hello: command::Hello) {
        let gateway = self.shared.gateway.clone();
        // What was acknowledged on this node before is shown, as by any other read. If that takes long,
        // it follows.
        let accepted = gateway.accepted.load(Ordering::Relaxed);
        let folded = gateway.node.projections.reached(accepted);
        let _ = tokio::time::timeout(CATCH_UP, folded).await;
        // Nor does anybody's place among those who log in wait for it.
        if let Some(cursor) = &hello.cursor
            && id::from_wire(&cursor.epoch) == Some(gateway.node.log.identity().epoch)
        {
            let folded = gateway.node.projections.reached(cursor.position);
            let _ = tokio::time::timeout(CATCH_UP, folded).await;
        }
        let Ok(_login) = gateway.logins.acquire().await else {
            return;
        };
        let checked = self.authenticate(&hello.token).and_then(|identity| {
            if hello.device.len() > DEVICE_BYTES || hello.client.len() > 128 {
                return Err(Failure::new(
                    ErrorCode::Invalid,
                    "device has at most 64 bytes, client at most 128",
                ));
            }
            let user = translate::user_id(&identity.user)?;
            match read::is_erased(&gateway.node.projections.read(), &user) {
                Ok(false) => Ok((user, identity)),
                Ok(true) => {
                    let message = "the user has been erased";
                    Err(Failure::new(ErrorCode::Unauthenticated, message))
                }
                Err(error) => Err(error.into()),
            }
        });
        let (user, identity) = match checked {
            Ok(checked) => checked,
            Err(failure) => {
                let code = match failure.code {
                    ErrorCode::Unavailable | ErrorCode::Internal => CloseCode::Internal,
                    ErrorCode::Invalid => CloseCode::Protocol,
                    _ => CloseCode::Unauthenticated,
                };
                return self
                    .shared
                    .close(code, &failure.message, 1_000 + gateway.jitter_ms(1_000));
            }
        };
        if !gateway.count_user(&user) {
            let after = 5_000 + gateway.jitter_ms(10_000);
            return self.shared.close(
                CloseCode::TooManyConnections,
                "too many connections of this user",
                after,
            );
        }
        let _ = self.shared.user.set(user.clone());
        gateway.metrics.sessions[self.transport as usize].fetch_add(1, Ordering::Relaxed);
        let token_expires_ms = self.keep_until(&identity);
        // From here on live events wait in the queue; what the opening includes is dropped from it.
        let registration = gateway.node.fanout.register(&user, self.shared.clone());
        match self.opening(id, &user, &hello, token_expires_ms).await {
            Ok(opening) => {
                self.shared.tell_opened();
                self.shared
                    .outgoing
                    .open(opening.frames, opening.position, opening.windows);
                self.active = Instant::now();
                self.state = State::Open {
                    attendance: gateway.node.presence.attend(
                        &user,
                        &hello.device,
                        Presence::Available,
                    ),
                    user,
                    _registration: registration,
                };
            }
            Err(why) => {
                tracing::warn!(%user, address = %self.address, %why, "a session could not be opened");
                let after = 500 + gateway.jitter_ms(2_000);
                self.shared.close(
                    CloseCode::Internal,
                    "the session cannot be opened at present",
                    after,
                );
            }
        }
    }

    async fn opening(
        &self,
        id: u64,
        user: &UserId,
        hello: &command::Hello,
        token_expires_ms: u64,
    ) -> Result<Opening, Box<dyn std::error::Error + Send + Sync>> {
        let gateway = &self.shared.gateway;
        let (node, limits) = (&gateway.node, &gateway.limits);
        let epoch = node.log.identity().epoch;
        // Position 0 is a place like any other: a session may have begun before the first event.
        let known = hello
            .cursor
            .as_ref()
            .filter(|cursor| !cursor.epoch.is_empty());
        let mut reason = match known {
            None => Some("first"),
            Some(cursor) if id::from_wire(&cursor.epoch) != Some(epoch) => Some("epoch"),
            Some(_) => None,
        };
        let cursor = known.map_or((0, 0), |cursor| (cursor.position, cursor.index));
        // It was waited for before.
        if reason.is_none() && cursor.0 > node.projections.cursor() {
            let head = node.log.head(tidings_core::log::Lane::Journal).await?;
            if cursor.0 <= head.0 {
                return Err("the projections are behind the client's cursor".into());
            }
            reason = Some("ahead");
        }
        let mut opening = Opening::default();
        if reason.is_none() {
            let (position, found) = {
                let rows = node.projections.read();
                let position = rows.cursor();
                let viewer = Viewer::load(&rows, user)?;
                let limit = limits.replay_events;
                (
                    position,
                    resume::since(&rows, position, &viewer, cursor, limit)?,
                )
            };
            opening.position = position;
            reason = match found {
                Resume::Gap => Some("gap"),
                Resume::Changes(changes) => match self.replay(user, changes, &mut opening).await? {
                    true => None,
                    false => Some("gap"),
                },
            };
        }
        let mut reset = None;
        if let Some(reason) = reason {
            let (position, views, more, unread_total, blocked) = {
                let rows = node.projections.read();
                let position = rows.cursor();
                let viewer = Viewer::load(&rows, user)?;
                let window = if hello.window == 0 {
                    limits.window
                } else {
                    hello.window.min(100) as usize
                };
                let (views, more) = read::conversations(&rows, position, &viewer, 0, window)?;
                let unread_total = read::unread_total(&rows, &viewer)?;
                (position, views, more, unread_total, viewer.blocked)
            };
            opening = Opening {
                position,
                ..Opening::default()
            };
            reset = Some((reason, views, more, unread_total, blocked));
        }
        let replayed = opening.frames.len() as u32;
        let session = *self.shared.session.get_or_init(|| gateway.session_id());
        let at = frame::Cursor {
            epoch: id::to_wire(epoch),
            position: opening.position,
            index: u32::MAX,
        };
        let welcome = Body::Welcome(frame::Welcome {
            id,
            user: user.to_string(),
            session: id::to_wire(session),
            now_ms: node.clock.now_ms(),
            resumed: reset.is_none(),
            cursor: Some(at.clone()),
            heartbeat_ms: limits.heartbeat_ms,
            token_expires_ms,
            limits: Some(frame::Limits {
                frame_bytes: limits.frame_bytes as u32,
                text_bytes: node.config.limits.text_bytes as u32,
                requests_per_second: limits.requests_per_second,
                push_text_bytes: limits.push_text_bytes as u32,
            }),
            replayed,
            nodes: node.other_nodes(),
        });
        opening.frames.push_front(self.encode(welcome));
        gateway.metrics.resumed[usize::from(reset.is_some())].fetch_add(1, Ordering::Relaxed);
        if let Some((reason, mut views, more, unread_total, blocked)) = reset {
            content::open_conversations(&*node.keys, &mut views).await?;
            let mut conversations = views
                .iter()
                .map(|view| translate::conversation(view, limits.push_text_bytes))
                .collect();
            let cut = query::fit_conversations(&self.shared, &mut conversations);
            let shown = views.iter().take(conversations.len());
            let new = shown.filter(|view| view.delivered_seq < view.last_seq);
            opening
                .windows
                .extend(new.map(|view| (view.id, view.last_seq)));
            let reset = Body::Reset(frame::Reset {
                reason: reason.to_owned(),
                cursor: Some(at),
                conversations,
                more: more || cut,
                unread_total,
                blocked: blocked.iter().map(ToString::to_string).collect(),
                invisible: node.projections.is_invisible(user),
            });
            opening.frames.push_back(self.encode(reset));
        }
        Ok(opening)
    }

    /// Adds what has changed to the opening; false when that is more bytes than may be replayed.
    async fn replay(
        &self,
        user: &UserId,
        mut changes: Vec<resume::Change>,
        opening: &mut Opening,
    ) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
        let gateway = &self.shared.gateway;
        let limits = &gateway.limits;
        content::open_changes(&*gateway.node.keys, &mut changes).await?;
        let mut bytes = 0;
        let now_ms = gateway.node.clock.now_ms();
        for change in &changes {
            let rest = notifications::rest(change, now_ms);
            let Some(change) = rest.as_ref().map_or(Some(change), Option::as_ref) else {
                continue;
            };
            if let (Some(conversation), What::MessagePosted(message)) =
                (change.conversation, &change.what)
                && message.author != *user
            {
                opening.windows.push((conversation, message.seq));
            }
            let event = translate::event(change, limits.push_text_bytes);
            let frame = self.encode(Body::Event(event));
            bytes += frame.len();
            if bytes > limits.replay_bytes {
                return Ok(false);
            }
            opening.frames.push_back(frame);
        }
        Ok(true)
    }

    fn encode(&self, body: Body) -> Bytes {
        let frame = ServerFrame { body: Some(body) };
        self.shared.encoding.encode(&frame)
    }
}

/// What a session begins with.
#[derive(Default)]
struct Opening {
    frames: VecDeque<Bytes>,
    position: u64,
    /// Messages it shows: delivered once acknowledged.
    windows: Vec<(tidings_core::domain::ConversationId, u64)>,
}

/// The sending side of a session, for its transport.
pub struct Outgoings(Arc<Shared>);

impl std::ops::Deref for Outgoings {
    type Target = Outgoing;
    fn deref(&self) -> &Outgoing {
        &self.0.outgoing
    }
}

impl Outgoings {
    /// Counts frames written.
    pub fn sent(&self, frames: usize) {
        self.0
            .gateway
            .metrics
            .frames_out
            .fetch_add(frames as u64, Ordering::Relaxed);
    }
}

impl Shared {
    /// What a query is asked through where there is no session: nothing is sent there.
    pub(crate) fn detached(gateway: Arc<Gateway>) -> Arc<Shared> {
        Arc::new(Shared {
            outgoing: Outgoing::new(gateway.limits.outgoing_bytes),
            gateway,
            encoding: Encoding::Json,
            user: std::sync::OnceLock::new(),
            from: None,
            session: std::sync::OnceLock::new(),
        })
    }

    fn reply(&self, id: u64, outcome: Outcome) {
        if !self
            .outgoing
            .reply(self.encoding.encode(&ServerFrame::reply(id, outcome)))
        {
            self.cut();
        }
    }

    pub(crate) fn refuse(&self, id: u64, failure: Failure) {
        self.gateway.metrics.refuse(failure.code);
        self.reply(id, failure.outcome());
    }

    fn answer(self: &Arc<Shared>, id: u64, answer: Answer) {
        let told_at = match &answer {
            Answer::Accepted(accepted) => Some(accepted.position),
            Answer::Refused(_) | Answer::Unavailable(_) => None,
        };
        match &answer {
            Answer::Accepted(accepted) => {
                self.gateway
                    .accepted
                    .fetch_max(accepted.position, Ordering::Relaxed);
                self.gateway
                    .metrics
                    .accepted
                    .fetch_add(1, Ordering::Relaxed);
            }
            Answer::Refused(_) | Answer::Unavailable(_) => {}
        }
        let outcome = translate::answer(answer);
        if let Outcome::Error(error) = &outcome
            && let Some(code) = ErrorCode::from_name(&error.code)
        {
            self.gateway.metrics.refuse(code);
        }
        match told_at {
            None => self.reply(id, outcome),
            // Without an id only failures are answered.
            Some(_) if id == 0 => {}
            Some(position) => {
                let frame = self.encoding.encode(&ServerFrame::reply(id, outcome));
                if !self.outgoing.reply_aside(frame) {
                    return self.cut();
                }
                let fanout = &self.gateway.node.fanout;
                fanout.wake_when_told(position, self.clone());
            }
        }
    }

    fn address(&self) -> Option<tracing::field::DisplayValue<IpAddr>> {
        self.from
            .map(|(address, _)| tracing::field::display(address))
    }

    fn transport(&self) -> Option<&'static str> {
        self.from.map(|(_, transport)| transport.as_str())
    }

    /// Logs that a session is open.
    fn tell_opened(&self) {
        tracing::debug!(
            session = self.session.get().map(tracing::field::display),
            user = self.user.get().map(tracing::field::display),
            address = self.address(),
            transport = self.transport(),
            "a session is open"
        );
    }

    /// Logs that the server closes the connection, but not what it tells the client: that may repeat
    /// what came from it. Whoever was let in and then sent away is of interest, anybody else is not.
    fn tell_closed(&self, code: CloseCode) {
        macro_rules! tell {
            ($level:ident) => {
                tracing::$level!(
                    session = self.session.get().map(tracing::field::display),
                    user = self.user.get().map(tracing::field::display),
                    address = self.address(),
                    transport = self.transport(),
                    code = code.as_str(),
                    "the server closes a connection"
                )
            };
        }
        match code {
            CloseCode::Internal => tell!(warn),
            CloseCode::Slow | CloseCode::RateLimited => tell!(info),
            _ => tell!(debug),
        }
    }

    /// Logs that a connection has ended.
    fn tell_end(&self) {
        tracing::debug!(
            session = self.session.get().map(tracing::field::display),
            user = self.user.get().map(tracing::field::display),
            address = self.address(),
            transport = self.transport(),
            "a connection has ended"
        );
    }

    fn pong(&self, token_expires_ms: u64) -> Outcome {
        Outcome::Pong(frame::Pong {
            now_ms: self.gateway.node.clock.now_ms(),
            token_expires_ms,
        })
    }

    fn cut(&self) {
        self.close(
            CloseCode::Slow,
            "the client does not keep up: connect again and resume",
            0,
        );
    }

    fn close(&self, code: CloseCode, why: &str, after_ms: u32) {
        if !self.outgoing.is_closing() {
            self.gateway.metrics.close(code);
            self.tell_closed(code);
            let address = match code {
                CloseCode::Draining => self.gateway.another_node(),
                _ => String::new(),
            };
            let last = closing(self.encoding, code, why, after_ms, address);
            self.outgoing.close(code, last);
        }
    }

    fn frame_of(
        &self,
        frames: &[std::sync::OnceLock<Bytes>; 2],
        body: impl FnOnce() -> Body,
    ) -> Bytes {
        let slot = match self.encoding {
            Encoding::Json => &frames[0],
            Encoding::Protobuf => &frames[1],
        };
        slot.get_or_init(|| self.encoding.encode(&ServerFrame { body: Some(body()) }))
            .clone()
    }
}

impl fanout::Session for Shared {
    fn notify(&self, notice: &Arc<Notice>) {
        let change = &notice.change;
        let push_bytes = self.gateway.limits.push_text_bytes;
        // It may have expired on its way here.
        let frame = match notifications::rest(change, self.gateway.node.clock.now_ms()) {
            None => self.frame_of(&notice.frames, || {
                Body::Event(translate::event(change, push_bytes))
            }),
            Some(None) => return,
            Some(Some(rest)) => self.encoding.encode(&ServerFrame {
                body: Some(Body::Event(translate::event(&rest, push_bytes))),
            }),
        };
        let message = match (&change.what, change.conversation) {
            (What::MessagePosted(message), Some(conversation))
                if self.user.get().is_none_or(|user| *user != message.author) =>
            {
                Some((conversation, message.seq))
            }
            _ => None,
        };
        if !self.outgoing.event(frame, change.at, message) {
            self.cut();
        }
    }

    fn signal(&self, signal: &Arc<fanout::Signal>) {
        let frame = self.frame_of(&signal.frames, || {
            let conversation = id::to_wire(signal.conversation.0);
            let (user, active) = (signal.user.to_string(), signal.active);
            match signal.doing {
                Doing::Typing => Body::Typing(event::Typing {
                    conversation,
                    user,
                    active,
                }),
                Doing::Looking => Body::Looking(event::Looking {
                    conversation,
                    user,
                    active,
                }),
            }
        });
        self.outgoing.volatile(frame);
    }

    fn nodes(&self, nodes: &Arc<fanout::Nodes>) {
        let frame = self.frame_of(&nodes.frames, || {
            let nodes = nodes.urls.clone();
            Body::Nodes(frame::Nodes { nodes })
        });
        // Not shed: it is needed when there is nobody left to ask.
        if !self.outgoing.reply(frame) {
            self.cut();
        }
    }

    fn wake(&self) {
        self.outgoing.wake();
    }

    fn looks_at(&self, conversation: ConversationId) -> bool {
        let looking = &self.gateway.looking;
        let user = self.user.get();
        user.is_some_and(|user| looking.looks_at(user, conversation))
    }

    fn sees(&self, toast: u64) {
        if let Some(user) = self.user.get() {
            notifications::see(&self.gateway, user, vec![toast]);
        }
    }

    fn erased(&self) {
        let message = "the user has been erased";
        self.close(CloseCode::Unauthenticated, message, 0);
    }

    fn interrupt(&self) {
        self.close(
            CloseCode::Internal,
            "something may have been missed: connect again and resume",
            0,
        );
    }
}

impl live::Watcher for Shared {
    fn people_online(&self, news: event::PeopleOnline) {
        let frame = self.encoding.encode(&ServerFrame {
            body: Some(Body::PeopleOnline(news)),
        });
        self.outgoing.volatile(frame);
    }
}

impl presence::Watcher for Shared {
    fn takes_presence(&self) -> bool {
        self.outgoing.bytes() < PRESENCE_WAITS
    }

    fn presence(&self, diff: presence::watch::Diff) {
        let frame = self.encoding.encode(&ServerFrame {
            body: Some(Body::Presence(translate::presence(diff))),
        });
        if !self.outgoing.reply(frame) {
            self.cut();
        }
    }
}

/// The last frame on a connection.
fn closing(
    encoding: Encoding,
    code: CloseCode,
    why: &str,
    after_ms: u32,
    address: String,
) -> Bytes {
    encoding.encode(&ServerFrame {
        body: Some(Body::Closing(frame::Closing {
            code: code.as_str().to_owned(),
            message: why.to_owned(),
            reconnect: code.reconnect(),
            after_ms,
            address,
        })),
    })
}

/// Requests that become events.
fn is_command(request: &Request) -> bool {
    matches!(
        request,
        Request::StartDirect(_)
            | Request::CreateGroup(_)
            | Request::AddMembers(_)
            | Request::RemoveMember(_)
            | Request::Leave(_)
            | Request::SetRole(_)
            | Request::SetTitle(_)
            | Request::SetMuted(_)
            | Request::PostMessage(_)
            | Request::EditMessage(_)
            | Request::RetractMessage(_)
            | Request::AddReaction(_)
            | Request::RemoveReaction(_)
            | Request::BlockUser(_)
            | Request::UnblockUser(_)
            | Request::AddContact(_)
            | Request::RemoveContact(_)
            | Request::SetInvisible(_)
            | Request::SeeToasts(_)
    )
}

/// Requests that show that somebody is there, rather than their device.
fn is_activity(request: &Request) -> bool {
    !matches!(
        request,
        Request::Ping(_)
            | Request::RenewToken(_)
            | Request::Ack(_)
            | Request::SetPresence(_)
            | Request::WatchPresence(_)
            | Request::Look(_)
    )
}
