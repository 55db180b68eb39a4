//! Two nodes under load, one of which dies or is stopped: how long until its clients are at the other, what that does to
//! those who were there, and whether anything is lost or doubled.
//!
//! The clients are the SDK's, because coming back is theirs to do. They chat in pairs, of which a third
//! lives on the node that stays, a third on the one that dies, and a third on both.

use std::{
    collections::HashMap,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use serde::Serialize;
use tidings_protocol::{Encoding, command::PostMessage, event::Kind, frame::Request, id, query};
use tidings_sdk::{Client, Error, Options as ClientOptions, Tls, Update, Updates};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::report::{Quantiles, Times};

/// How long the last messages may take to be answered and received.
const PATIENCE: Duration = Duration::from_secs(30);

/// Around the death this much is counted as while it lasted, even if clients were back sooner.
const MEANWHILE: Duration = Duration::from_secs(2);

/// What is to be done.
pub struct Options {
    /// URLs of the node that dies and of the one that stays, by the transport to use.
    pub nodes: [String; 2],
    /// A user's token.
    pub token: Box<dyn Fn(&str) -> String>,
    /// Connected users, a multiple of six.
    pub users: u32,
    /// Messages a second, all users together.
    pub rate: u32,
    /// Load before the death, and after it.
    pub duration: [Duration; 2],
    /// Whom to trust.
    pub tls: Tls,
    /// How frames are written.
    pub encoding: Encoding,
    /// Whether the node is asked to stop, and not killed.
    pub graceful: bool,
}

/// What came of it. Times are in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Connected users.
    pub users: u32,
    /// Messages a second.
    pub rate: u32,
    /// Whether the node was asked to stop, and not killed: its clients then come to the other one by and
    /// by, within the window that the server announces (`limits.drain_ms`).
    pub graceful: bool,
    /// Clients that lost their node.
    pub moved: usize,
    /// Of these, resumed at the other node with all that they had missed.
    pub resumed: usize,
    /// Of these, given a reset instead.
    pub reset: usize,
    /// From the death until a client that lost its node had all it missed.
    pub resume_ms: Quantiles,
    /// Sending to receiving between users of the node that stays, before.
    pub before_delivery_ms: Quantiles,
    /// The same while the others were on their way.
    pub meanwhile_delivery_ms: Quantiles,
    /// The same until acknowledged.
    pub meanwhile_ack_ms: Quantiles,
    /// Messages sent, and of these acknowledged.
    pub sent: usize,
    /// Acknowledged.
    pub acknowledged: usize,
    /// Commands that ended in an error at a client.
    pub errors: usize,
    /// Acknowledged, and not in the conversation's history afterwards, or never told to the other member.
    pub lost: usize,
    /// In the history, or told, more than once.
    pub doubled: usize,
    /// Each sender's messages stand in the order of sending.
    pub in_order: bool,
}

impl Report {
    /// Whether what was promised was kept.
    pub fn passed(&self) -> bool {
        self.lost == 0
            && self.doubled == 0
            && self.in_order
            && self.acknowledged == self.sent
            && self.errors == 0
            && self.sent > 0
            && self.resumed == self.moved
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |f: &mut fmt::Formatter<'_>, name: &str, times: &Quantiles| {
            let Quantiles { p50, p99, max, .. } = times;
            writeln!(f, "  {name:<40} {p50:>9.1} {p99:>9.1} {max:>9.1}  ms")
        };
        writeln!(
            f,
            "{} users on two nodes, {} messages/s; one node {}\n  {:<40} {:>9} {:>9} {:>9}",
            self.users,
            self.rate,
            if self.graceful { "stopped" } else { "killed" },
            "",
            "p50",
            "p99",
            "max"
        )?;
        line(f, "clients resumed at the other node", &self.resume_ms)?;
        line(
            f,
            "others: sent to received, before",
            &self.before_delivery_ms,
        )?;
        line(
            f,
            "others: sent to received, meanwhile",
            &self.meanwhile_delivery_ms,
        )?;
        line(
            f,
            "others: sent to acknowledged, meanwhile",
            &self.meanwhile_ack_ms,
        )?;
        writeln!(
            f,
            "  {} of {} clients resumed ({} with a reset); {} messages sent, {} acknowledged, {} errors, {} lost, {} doubled, {}",
            self.resumed,
            self.moved,
            self.reset,
            self.sent,
            self.acknowledged,
            self.errors,
            self.lost,
            self.doubled,
            if self.in_order {
                "in order"
            } else {
                "NOT IN ORDER"
            },
        )
    }
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum FailoverError {
    /// The options make no sense.
    #[error("{0}")]
    Options(&'static str),
    /// A client could not do what comes before the load.
    #[error("{user}: {error}")]
    Client {
        /// Whose.
        user: String,
        /// Why.
        error: Error,
    },
    /// The node could not be killed.
    #[error("the node could not be killed: {0}")]
    Kill(std::io::Error),
    /// Something took too long.
    #[error("{0} took more than {PATIENCE:?}")]
    Late(&'static str),
}

/// A message on its way.
#[derive(Clone, Copy)]
struct Message {
    pair: usize,
    sent: Instant,
    acknowledged: Option<Instant>,
    received: Option<Instant>,
    times_received: u32,
}

/// A client that lost its node.
#[derive(Clone, Copy, Default)]
struct Move {
    lost: bool,
    reset: bool,
    resumed: Option<Instant>,
}

#[derive(Default)]
struct Ledger {
    /// By author and number.
    messages: HashMap<(usize, u64), Message>,
    moves: HashMap<usize, Move>,
    errors: usize,
    killed: Option<Instant>,
}

/// Which nodes a pair lives on.
fn homes(pair: usize) -> [usize; 2] {
    [[1, 1], [0, 1], [0, 0]][pair % 3]
}

/// Runs it; `kill` is to kill the first node, or to ask it to stop.
pub async fn run(
    options: Options,
    kill: impl FnOnce() -> std::io::Result<()>,
) -> Result<Report, FailoverError> {
    if options.users == 0 || !options.users.is_multiple_of(6) {
        return Err(FailoverError::Options("--users is to be a multiple of six"));
    }
    let users = options.users as usize;
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let mut tasks = JoinSet::new();
    let mut clients = Vec::with_capacity(users);
    for user in 0..users {
        let home = homes(user / 2)[user % 2];
        let (client, updates) = connect(&options, user, home).await?;
        tasks.spawn(listen(user, updates, ledger.clone()));
        clients.push(client);
    }
    let mut conversations = Vec::with_capacity(users / 2);
    for pair in 0..users / 2 {
        let failed = |user: usize| {
            move |error| FailoverError::Client {
                user: name(user),
                error,
            }
        };
        let other = name(2 * pair + 1);
        let started = clients[2 * pair].start_direct(&other, "").await;
        let conversation = started.map_err(failed(2 * pair))?.conversation;
        let known = clients[2 * pair + 1].until(|state| state.conversation(conversation).is_some());
        known.await.map_err(failed(2 * pair + 1))?;
        conversations.push(conversation);
    }

    let begun = tokio::time::Instant::now();
    let ends = begun + options.duration[0] + options.duration[1];
    let every = Duration::from_secs_f64(users as f64 / f64::from(options.rate));
    let mut senders = JoinSet::new();
    for (user, client) in clients.iter().enumerate() {
        // Spread over the time between two of one user.
        let first = begun + every.mul_f64(user as f64 / users as f64);
        let sender = Sender {
            user,
            client: client.clone(),
            conversation: conversations[user / 2],
            ledger: ledger.clone(),
        };
        senders.spawn(sender.run(first, every, ends));
    }
    tokio::time::sleep_until(begun + options.duration[0]).await;
    let killed = {
        let mut ledger = ledger.lock();
        for user in (0..users).filter(|user| homes(user / 2)[user % 2] == 0) {
            ledger.moves.insert(user, Move::default());
        }
        let now = Instant::now();
        ledger.killed = Some(now);
        now
    };
    kill().map_err(FailoverError::Kill)?;
    let all_sent = async { while senders.join_next().await.is_some() {} };
    let sending = options.duration[1] + PATIENCE;
    if tokio::time::timeout(sending, all_sent).await.is_err() {
        return Err(FailoverError::Late("answering the last messages"));
    }
    received(&ledger).await;
    let told = ledger.lock().messages.clone();
    let mut report = Report::new(&options, &ledger.lock(), killed);
    for (pair, conversation) in conversations.iter().enumerate() {
        report
            .check(&clients[2 * pair], *conversation, pair, &told)
            .await?;
    }
    for client in &clients {
        client.close().await;
    }
    Ok(report)
}

/// Waits until every acknowledged message has been received, within reason.
async fn received(ledger: &Mutex<Ledger>) {
    let deadline = tokio::time::Instant::now() + PATIENCE / 2;
    while tokio::time::Instant::now() < deadline {
        let missing = ledger
            .lock()
            .messages
            .values()
            .any(|message| message.acknowledged.is_some() && message.received.is_none());
        if !missing {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn connect(
    options: &Options,
    user: usize,
    home: usize,
) -> Result<(Client, Updates), FailoverError> {
    let name = name(user);
    let mut client = ClientOptions::new(options.nodes[home].clone(), (options.token)(&name));
    client.tls = options.tls.clone();
    client.encoding = options.encoding;
    let connected = tokio::time::timeout(PATIENCE, Client::connect(client)).await;
    let connected = connected.map_err(|_| FailoverError::Late("connecting"))?;
    connected.map_err(|error| FailoverError::Client { user: name, error })
}

fn name(user: usize) -> String {
    format!("user-{user}")
}

/// What a message says: who, and which of theirs.
fn text(user: usize, number: u64) -> String {
    format!("{user} {number} {:x<100}", "")
}

fn author_and_number(text: &str) -> Option<(usize, u64)> {
    let mut words = text.split(' ');
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

struct Sender {
    user: usize,
    client: Client,
    conversation: Uuid,
    ledger: Arc<Mutex<Ledger>>,
}

impl Sender {
    async fn run(self, first: tokio::time::Instant, every: Duration, ends: tokio::time::Instant) {
        let mut answers = JoinSet::new();
        let mut due = first;
        for number in 0.. {
            if due >= ends {
                break;
            }
            tokio::time::sleep_until(due).await;
            let message = Message {
                pair: self.user / 2,
                // Counted from when it was to be sent: being late is not the server's merit.
                sent: due.into_std(),
                acknowledged: None,
                received: None,
                times_received: 0,
            };
            let key = (self.user, number);
            self.ledger.lock().messages.insert(key, message);
            let post = Request::PostMessage(PostMessage {
                conversation: id::to_wire(self.conversation),
                text: text(self.user, number),
                ..PostMessage::default()
            });
            // Given to the outbox at once and in order; answered whenever.
            let Ok(submitted) = self.client.submit(post).await else {
                break;
            };
            let ledger = self.ledger.clone();
            answers.spawn(async move {
                let answer = submitted.accepted().await;
                let now = Instant::now();
                let mut ledger = ledger.lock();
                if answer.is_err() {
                    ledger.errors += 1;
                } else if let Some(message) = ledger.messages.get_mut(&key) {
                    message.acknowledged = Some(now);
                }
            });
            due += every;
        }
        while answers.join_next().await.is_some() {}
    }
}

async fn listen(user: usize, mut updates: Updates, ledger: Arc<Mutex<Ledger>>) {
    while let Some(update) = updates.recv().await {
        let now = Instant::now();
        let mut ledger = ledger.lock();
        match update {
            Update::Event(event) => {
                let Some(Kind::MessagePosted(message)) = event.kind else {
                    continue;
                };
                if message.author == name(user) {
                    continue;
                }
                let key = author_and_number(&message.text);
                if let Some(message) = key.and_then(|key| ledger.messages.get_mut(&key)) {
                    message.received.get_or_insert(now);
                    message.times_received += 1;
                }
            }
            Update::Disconnected { .. } => {
                if let Some(moved) = ledger.moves.get_mut(&user) {
                    moved.lost = true;
                }
            }
            Update::Reset(_) => {
                if let Some(moved) = ledger.moves.get_mut(&user) {
                    moved.reset |= moved.lost;
                }
            }
            Update::CaughtUp => {
                if let Some(moved) = ledger.moves.get_mut(&user)
                    && moved.lost
                {
                    moved.resumed.get_or_insert(now);
                }
            }
            _ => {}
        }
    }
}

impl Report {
    fn new(options: &Options, ledger: &Ledger, killed: Instant) -> Report {
        let mut resume = Times::new();
        let resumed = ledger.moves.values().filter_map(|moved| moved.resumed);
        let resumed: Vec<Instant> = resumed.collect();
        let nanos = |from: Instant, to: Instant| {
            u64::try_from(to.saturating_duration_since(from).as_nanos()).unwrap_or(u64::MAX)
        };
        resumed
            .iter()
            .for_each(|at| resume.record_ns(nanos(killed, *at)));
        let last = resumed.iter().max().copied().unwrap_or(killed);
        let until = last.max(killed + MEANWHILE);
        let (mut before, mut meanwhile, mut acknowledged) =
            (Times::new(), Times::new(), Times::new());
        for message in ledger.messages.values() {
            if homes(message.pair) != [1, 1] {
                continue;
            }
            let while_it_lasted = (killed..until).contains(&message.sent);
            if let Some(received) = message.received {
                let times = match while_it_lasted {
                    true => &mut meanwhile,
                    false if message.sent < killed => &mut before,
                    false => continue,
                };
                times.record_ns(nanos(message.sent, received));
            }
            if let (true, Some(answered)) = (while_it_lasted, message.acknowledged) {
                acknowledged.record_ns(nanos(message.sent, answered));
            }
        }
        let all = ledger.messages.values();
        Report {
            users: options.users,
            rate: options.rate,
            graceful: options.graceful,
            errors: ledger.errors,
            moved: ledger.moves.len(),
            resumed: resumed.len(),
            reset: ledger.moves.values().filter(|moved| moved.reset).count(),
            resume_ms: resume.quantiles(),
            before_delivery_ms: before.quantiles(),
            meanwhile_delivery_ms: meanwhile.quantiles(),
            meanwhile_ack_ms: acknowledged.quantiles(),
            sent: ledger.messages.len(),
            acknowledged: all
                .clone()
                .filter(|message| message.acknowledged.is_some())
                .count(),
            lost: all
                .clone()
                .filter(|message| message.acknowledged.is_some() && message.received.is_none())
                .count(),
            doubled: all.filter(|message| message.times_received > 1).count(),
            in_order: true,
        }
    }

    /// Reads a whole conversation and compares it with what was sent.
    async fn check(
        &mut self,
        client: &Client,
        conversation: Uuid,
        pair: usize,
        told: &HashMap<(usize, u64), Message>,
    ) -> Result<(), FailoverError> {
        let mut found: HashMap<(usize, u64), u32> = HashMap::new();
        let mut last: HashMap<usize, u64> = HashMap::new();
        let mut after = 0;
        loop {
            let page = query::ListMessages {
                conversation: id::to_wire(conversation),
                after: Some(after),
                limit: 200,
                ..query::ListMessages::default()
            };
            let page = client.list_messages(page).await;
            let page = page.map_err(|error| FailoverError::Client {
                user: name(2 * pair),
                error,
            })?;
            for message in &page.messages {
                after = message.seq;
                let Some((author, number)) = author_and_number(&message.text) else {
                    continue;
                };
                *found.entry((author, number)).or_default() += 1;
                let before = last.insert(author, number);
                self.in_order &= before.is_none_or(|before| before < number);
            }
            if !page.more {
                break;
            }
        }
        self.doubled += found.values().filter(|times| **times > 1).count();
        let promised = told
            .iter()
            .filter(|(_, message)| message.pair == pair && message.acknowledged.is_some());
        self.lost += promised
            .filter(|(key, _)| !found.contains_key(*key))
            .count();
        Ok(())
    }
}
