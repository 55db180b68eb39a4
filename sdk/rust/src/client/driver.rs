//! The task behind a client: one loop that owns everything.

mod policy;
mod session;
mod silence;

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tidings_protocol::frame::{Outcome, Request, Welcome};
use tidings_protocol::{ServerFrame, command, id, query};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::commands::{Commands, Job};
use super::handshake::{Attempt, Ended};
use super::queries::{Answered, Queries};
use super::receipts::Receipts;
use super::standing::Standing;
use super::updates;
use super::{Instruction, Status, Update};
use crate::state::Ask;
use crate::{Address, Connection, Connector, Disconnect, Error, ErrorKind, Options, State, Token};
use policy::{Next, Policy};
use session::Session;

/// Instructions taken at once before anything is sent.
const BATCH: usize = 256;
/// Conversations fetched where some may not be held: the most a page has.
const LISTED: u32 = 100;
/// After something the state wants could not be fetched.
const FETCH_AGAIN: Duration = Duration::from_secs(1);

/// The driver's ends of what connects it to the handles.
pub(super) struct Ends {
    pub(super) inbox: mpsc::Receiver<Instruction>,
    pub(super) updates: updates::Sender,
    pub(super) status: watch::Sender<Status>,
    pub(super) state: Arc<Mutex<State>>,
    pub(super) changed: watch::Sender<()>,
}

pub(super) struct Driver {
    ends: Ends,
    connector: Arc<Connector>,
    token: Token,
    hello: command::Hello,
    /// What each session is told when it begins.
    standing: Standing,
    connect_timeout: Duration,
    query_timeout: Duration,
    keep_messages: usize,
    policy: Policy,
    link: Link,
    commands: Commands,
    queries: Queries,
    receipts: Receipts,
    /// What the state wants could not be fetched: not again before this.
    fetch_again: Option<Instant>,
    next_id: u64,
}

type Connecting = Pin<Box<dyn Future<Output = Result<(Connection, Welcome), Ended>> + Send>>;

enum Link {
    Waiting(Instant),
    Connecting(Connecting),
    Open(Box<Session>),
}

/// What the loop reacts to.
enum Input {
    Instruction(Option<Instruction>),
    Stored(Result<Job, Error>),
    Connected(Result<(Connection, Welcome), Ended>),
    Frame(Result<ServerFrame, Disconnect>),
    Renewed(Result<String, String>),
    Taken,
    Time,
}

impl Driver {
    pub(super) async fn new(
        options: Options,
        connector: Connector,
        ends: Ends,
    ) -> Result<Driver, Error> {
        let invalid = |message: String| Error::new(ErrorKind::Invalid, message);
        let addresses = options.addresses.iter().map(|text| Address::parse(text));
        let addresses: Vec<_> = addresses
            .collect::<Result<_, _>>()
            .map_err(|error| invalid(error.to_string()))?;
        if addresses.is_empty() {
            return Err(invalid("no address to connect to".to_owned()));
        }
        let renewable = matches!(options.token, Token::Provider(_));
        Ok(Driver {
            commands: Commands::new(options.outbox, options.pipeline, options.backoff).await?,
            ends,
            connector: Arc::new(connector),
            token: options.token,
            hello: command::Hello {
                token: String::new(),
                device: options.device,
                cursor: None,
                client: options.client,
                window: options.window,
            },
            standing: Standing::default(),
            connect_timeout: options.connect_timeout,
            query_timeout: options.query_timeout,
            keep_messages: options.keep_messages,
            policy: Policy::new(addresses, options.backoff, renewable),
            link: Link::Waiting(Instant::now()),
            queries: Queries::default(),
            receipts: Receipts::new(options.backoff),
            fetch_again: None,
            next_id: 1,
        })
    }

    /// Runs until every handle is gone, the client is closed, or it must stop.
    pub(super) async fn run(mut self) {
        let error = loop {
            let input = self.input().await;
            if let Err(error) = self.react(input).await {
                break error;
            }
            self.commands.store();
            if let Err(disconnect) = self.send().await
                && let Err(error) = self.ended(Ended::Disconnect(disconnect))
            {
                break error;
            }
        };
        self.stop(error).await;
    }

    async fn stop(mut self, error: Error) {
        if let Link::Open(session) = &mut self.link {
            self.receipts
                .hurry(self.ends.updates.taken(), Instant::now());
            let receipts =
                self.receipts
                    .take_due(self.ends.updates.taken(), &self.ends.state, Instant::now());
            session.close(receipts).await;
        }
        self.ends
            .status
            .send_replace(Status::Stopped(error.clone()));
        self.queries.stop(&error);
        self.commands.stop(&error).await;
        self.ends.updates.push(Update::Stopped(error.clone()));
        // Whoever asks from now on is refused; whoever has asked already is told why.
        self.ends.inbox.close();
        while let Some(instruction) = self.ends.inbox.recv().await {
            match instruction {
                Instruction::Command { stored, .. } => drop(stored.send(Err(error.clone()))),
                Instruction::Query { answer, .. } => drop(answer.send(Err(error.clone()))),
                _ => {}
            }
        }
    }

    async fn input(&mut self) -> Input {
        let deadline = self.deadline();
        let link = async {
            match &mut self.link {
                Link::Waiting(_) => pending().await,
                Link::Connecting(attempt) => Input::Connected(attempt.await),
                Link::Open(session) => session.input().await,
            }
        };
        tokio::select! {
            // In this order, so that answers overtake new work.
            biased;
            input = link => input,
            job = self.commands.job() => Input::Stored(job),
            () = self.ends.updates.on_taken() => Input::Taken,
            instruction = self.ends.inbox.recv() => Input::Instruction(instruction),
            () = at(deadline) => Input::Time,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let link = match &self.link {
            Link::Waiting(until) => Some(*until),
            Link::Connecting(_) => None,
            Link::Open(session) => {
                let own = [Some(session.deadline()), self.commands.deadline()];
                let others = [
                    self.receipts.deadline(),
                    self.fetch_again,
                    self.standing.deadline(),
                ];
                own.into_iter().chain(others).flatten().min()
            }
        };
        link.into_iter().chain(self.queries.deadline()).min()
    }

    /// An error ends the client.
    async fn react(&mut self, input: Input) -> Result<(), Error> {
        match input {
            Input::Instruction(None) => return Err(super::closed()),
            Input::Instruction(Some(instruction)) => {
                self.instruct(instruction)?;
                for _ in 1..BATCH {
                    let Ok(instruction) = self.ends.inbox.try_recv() else {
                        break;
                    };
                    self.instruct(instruction)?;
                }
            }
            Input::Stored(job) => self.commands.stored(job?),
            Input::Connected(Ok((connection, welcome))) => self.open(connection, welcome),
            Input::Connected(Err(ended)) => self.ended(ended)?,
            Input::Frame(Ok(frame)) => {
                self.frame(frame);
                self.ends.changed.send_replace(());
            }
            Input::Frame(Err(disconnect)) => self.ended(Ended::Disconnect(disconnect))?,
            Input::Renewed(token) => {
                if let Link::Open(session) = &mut self.link {
                    self.next_id += 1;
                    session.renewed(token, self.next_id);
                }
            }
            Input::Taken => self
                .receipts
                .taken(self.ends.updates.taken(), Instant::now()),
            Input::Time => self.time()?,
        }
        Ok(())
    }

    fn instruct(&mut self, instruction: Instruction) -> Result<(), Error> {
        let now = Instant::now();
        match instruction {
            Instruction::Command {
                frame,
                stored,
                answer,
            } => {
                self.commands.give(frame, stored, answer);
            }
            Instruction::Query { request, answer } => {
                if let Request::WatchPeople(_) = request {
                    self.standing.asks(&request);
                }
                self.queries
                    .ask(request, Some(answer), now + self.query_timeout);
            }
            Instruction::MarkRead { conversation, seq } => {
                self.receipts.read(conversation, seq, now);
            }
            Instruction::Volatile(request) => {
                if let Link::Open(session) = &mut self.link {
                    session.volatile(request);
                }
            }
            Instruction::Standing(request) => self.standing.hold(request, now),
            Instruction::Over { kind, told } => {
                if self.standing.forget(&kind)
                    && let Link::Open(session) = &mut self.link
                {
                    session.volatile(told);
                }
            }
            Instruction::Close => return Err(super::closed()),
        }
        Ok(())
    }

    fn time(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        for expired in self.queries.expire(now, self.query_timeout) {
            self.answered(expired);
        }
        if self.fetch_again.is_some() {
            self.fetch_wanted(now);
        }
        match &mut self.link {
            Link::Waiting(until) if *until <= now => self.connect(),
            Link::Open(session) => {
                if let Err(disconnect) = session.time(now, &self.token, &mut self.next_id) {
                    self.ended(Ended::Disconnect(disconnect))?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn connect(&mut self) {
        let cursor = self.state().cursor().cloned();
        let attempt = Attempt {
            connector: self.connector.clone(),
            address: self.policy.address().clone(),
            token: self.token.clone(),
            hello: command::Hello {
                cursor,
                ..self.hello.clone()
            },
            timeout: self.connect_timeout,
        };
        self.link = Link::Connecting(Box::pin(attempt.make()));
    }

    fn open(&mut self, connection: Connection, welcome: Welcome) {
        self.state().set_user(&welcome.user);
        self.policy.opened(Instant::now());
        self.policy.nodes(&welcome.nodes);
        self.receipts
            .connected(self.ends.updates.taken(), Instant::now());
        self.ends.updates.push(Update::Connected {
            resumed: welcome.resumed,
        });
        let (now, resumed) = (Instant::now(), welcome.resumed);
        self.link = Link::Open(Box::new(Session::new(connection, welcome, now)));
        self.standing.connected(now);
        self.caught_up();
        if resumed {
            // What was being fetched when the last session ended; a reset brings it otherwise.
            self.fetch_wanted(now);
        }
    }

    /// The session, or the attempt at one, is over: plan the next, or stop.
    fn ended(&mut self, ended: Ended) -> Result<(), Error> {
        let ended = match &mut self.link {
            // What the server announced says more than how the connection then ended.
            Link::Open(session) => session.closing.take().map(Ended::Closing).unwrap_or(ended),
            _ => ended,
        };
        self.commands.disconnected();
        self.queries.disconnected();
        self.state().wants().unask();
        let now = Instant::now();
        match self.policy.next(&ended, now, fastrand::f64()) {
            Next::Stop(error) => Err(error),
            Next::Wait(delay) => {
                tracing::debug!(%ended, ?delay, "disconnected");
                self.link = Link::Waiting(now + delay);
                self.ends.status.send_replace(Status::Connecting);
                let reason = ended.to_string();
                self.ends.updates.push(Update::Disconnected {
                    reason,
                    retry_in: delay,
                });
                Ok(())
            }
        }
    }

    /// Sends everything that may be sent now.
    async fn send(&mut self) -> Result<(), Disconnect> {
        let Link::Open(session) = &mut self.link else {
            return Ok(());
        };
        let now = Instant::now();
        let taken = self.ends.updates.taken();
        for request in self.receipts.take_due(taken, &self.ends.state, now) {
            session.volatile(request);
        }
        session.queue(self.standing.take_due(now, &mut self.next_id));
        session.queue(self.commands.take_due(now, &mut self.next_id));
        session.queue(self.queries.take_due(&mut self.next_id));
        session.send(now).await
    }

    fn answered(&mut self, answered: Answered) {
        let internal = answered.internal();
        if let Ok(outcome) = &answered.result {
            self.take_in(&answered.request, outcome);
        }
        let failed = answered.result.as_ref().err().cloned();
        if let Request::WatchPeople(_) = answered.request {
            let over = self
                .standing
                .asked(&answered.request, failed.is_none(), Instant::now());
            if let (true, Link::Open(session)) = (over, &mut self.link) {
                session.volatile(Request::UnwatchPeople(query::UnwatchPeople {}));
            }
        }
        let request = answered.deliver();
        if let (true, Some(error)) = (internal, failed) {
            self.not_fetched(&request, &error);
        }
    }

    /// What a query brought becomes part of the state.
    fn take_in(&mut self, request: &Request, outcome: &Outcome) {
        let mut state = self.state();
        match (request, outcome) {
            (Request::ListConversations(asked), Outcome::Conversations(page)) => {
                state.apply_conversations(asked, page);
            }
            (_, Outcome::Conversation(view)) => state.apply_conversation(view),
            (Request::ListMessages(asked), Outcome::Messages(page)) => {
                state.apply_messages(asked, page);
            }
            (Request::GetMessage(asked), Outcome::Message(message)) => {
                if let Some(conversation) = id::from_wire(&asked.conversation) {
                    state.apply_message(conversation, message);
                }
            }
            (_, Outcome::Unread(unread)) => state.apply_unread(unread),
            _ => {}
        }
    }

    /// Something the state wanted could not be fetched.
    fn not_fetched(&mut self, request: &Request, error: &Error) {
        if error.retry() {
            self.state().wants().unask();
            let pause = error.retry_after().unwrap_or_default().max(FETCH_AGAIN);
            self.fetch_again = Some(Instant::now() + pause);
        } else if let Request::GetConversation(asked) = request
            && let Some(conversation) = id::from_wire(&asked.conversation)
        {
            self.state().apply_gone(conversation);
        }
    }

    /// Asks for what the state lacks.
    fn fetch_wanted(&mut self, now: Instant) {
        if self.fetch_again.is_some_and(|at| at > now) {
            return;
        }
        self.fetch_again = None;
        let asks = self.state().wants().ask();
        for ask in asks {
            let request = match ask {
                Ask::Conversation(id) => {
                    let conversation = id::to_wire(id);
                    Request::GetConversation(query::GetConversation { conversation })
                }
                Ask::UnreadTotal => Request::GetUnread(query::GetUnread {}),
                Ask::Conversations => Request::ListConversations(query::ListConversations {
                    before: 0,
                    limit: LISTED,
                }),
            };
            self.queries.ask(request, None, now + self.query_timeout);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        super::lock(&self.ends.state)
    }
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}
