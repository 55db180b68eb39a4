//! Clients that chat without pause, through whatever happens, and keep account of what they were
//! promised and of what they were told.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tidings_protocol::{
    Encoding,
    event::Kind,
    id,
    view::{self, Message},
};
use tidings_sdk::{Backoff, Client, ErrorKind, Options, Tls, Update, Updates};
use tokio::{sync::watch, task::JoinHandle};
use uuid::Uuid;

use crate::{ask, token, within};

/// An acknowledged message.
#[derive(Clone, Debug)]
pub struct Promise {
    /// Where.
    pub conversation: Uuid,
    /// Its number there.
    pub seq: u64,
    /// Its position in the log.
    pub position: u64,
    /// The command that posted it.
    pub command_id: Uuid,
    /// What it says.
    pub text: String,
}

/// What all clients were promised and told.
#[derive(Default)]
struct Ledger {
    promises: Vec<Promise>,
    /// By user and conversation: the messages told live, in the order they were told.
    told: BTreeMap<(String, Uuid), Vec<(u64, Uuid)>>,
    /// What should not have been.
    wrong: Vec<String>,
}

impl Ledger {
    /// A user is told of a message, after `before`.
    fn tell(&mut self, user: &str, conversation: Uuid, before: u64, message: &Message) {
        let seq = message.seq;
        if seq != before + 1 {
            self.wrong.push(format!(
                "{user} was told message {seq} after {before} in {conversation}"
            ));
        }
        let command_id = id::from_wire(&message.command_id).unwrap_or_default();
        let told = self
            .told
            .entry((user.to_owned(), conversation))
            .or_default();
        told.push((seq, command_id));
    }
}

fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().expect("nothing panics under this lock")
}

/// The clients.
pub struct Fleet {
    clients: Vec<(String, Client)>,
    /// Between neighbours, and last the group of all.
    pub conversations: Vec<Uuid>,
    ledger: Arc<Mutex<Ledger>>,
    promised: watch::Receiver<usize>,
    running: watch::Sender<bool>,
    posting: watch::Receiver<usize>,
    tasks: Vec<JoinHandle<()>>,
}

/// Options of a client that comes back quickly.
pub fn options(url: &str, user: &str, encoding: Encoding) -> Options {
    let mut options = Options::new(url, token::of(user));
    options.encoding = encoding;
    // The server's certificate is of its own making, and a restart may make another.
    options.tls = Tls::dangerous_accept_any_certificate();
    options.window = 100;
    options.connect_timeout = Duration::from_secs(2);
    options.backoff = Backoff {
        first: Duration::from_millis(20),
        longest: Duration::from_millis(200),
    };
    options
}

impl Fleet {
    /// Clients at these addresses, one each, with conversations between them.
    pub async fn muster(urls: &[String]) -> Fleet {
        Fleet::muster_at(urls, Duration::ZERO).await
    }

    /// The same, of clients who think for up to so long before each message.
    pub async fn muster_at(urls: &[String], pace: Duration) -> Fleet {
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let (promise, promised) = watch::channel(0);
        let (running, run) = watch::channel(false);
        let (post, posting) = watch::channel(0);
        let mut clients = Vec::new();
        let mut tasks = Vec::new();
        for (number, url) in urls.iter().enumerate() {
            let user = format!("user-{number}");
            let encoding = [Encoding::Protobuf, Encoding::Json][number % 2];
            let connecting = Client::connect(options(url, &user, encoding));
            let connected = within("a client connects", connecting).await;
            let (client, updates) = connected.unwrap_or_else(|error| panic!("{user}: {error}"));
            let listen = listen(user.clone(), client.clone(), updates, ledger.clone());
            tasks.push(tokio::spawn(listen));
            clients.push((user, client));
        }
        let mut conversations = Vec::new();
        let mut members = Vec::new();
        for (number, (_, client)) in clients.iter().enumerate() {
            let next = (number + 1) % clients.len();
            if clients.len() > 2 || next > number {
                let started = within("a start", client.start_direct(&clients[next].0, "")).await;
                conversations.push(started.expect("it is started").conversation);
                members.push(vec![number, next]);
            }
        }
        let others: Vec<_> = clients[1..].iter().map(|(user, _)| user.as_str()).collect();
        let group = within("a group", clients[0].1.execute(ask::group("all", &others))).await;
        conversations.push(group.expect("it is created").conversation);
        members.push((0..clients.len()).collect());

        for (conversation, members) in conversations.iter().zip(members) {
            for number in members {
                // Known to all before anything is said, so that every message is told as an event.
                let known = clients[number]
                    .1
                    .until(|state| state.conversation(*conversation).is_some());
                within("a conversation is told", known)
                    .await
                    .expect("the client lives");
                let (user, client) = clients[number].clone();
                let poster = Poster {
                    user,
                    client,
                    conversation: *conversation,
                    ledger: ledger.clone(),
                    promise: promise.clone(),
                    post: post.clone(),
                    pace,
                };
                tasks.push(tokio::spawn(poster.run(run.clone())));
            }
        }
        Fleet {
            clients,
            conversations,
            ledger,
            promised,
            running,
            posting,
            tasks,
        }
    }

    /// Everybody posts from now on, one message after another in each conversation.
    pub fn go(&self) {
        self.running.send_replace(true);
    }

    /// Nobody begins another message; waits until what was begun is acknowledged.
    pub async fn rest(&self) {
        self.running.send_replace(false);
        let mut posting = self.posting.clone();
        let waiting = posting.wait_for(|posting| *posting == 0);
        let idle = within("every message is answered", waiting).await;
        drop(idle.expect("the fleet lives"));
    }

    /// How many messages have been acknowledged.
    pub fn promised(&self) -> usize {
        *self.promised.borrow()
    }

    /// Waits until so many messages have been acknowledged.
    pub async fn until_promised(&self, promises: usize) {
        let mut promised = self.promised.clone();
        let waiting = promised.wait_for(|now| *now >= promises);
        let reached = within("messages are acknowledged", waiting).await;
        drop(reached.expect("the fleet lives"));
    }

    /// The clients and their users.
    pub fn clients(&self) -> &[(String, Client)] {
        &self.clients
    }

    /// Members of a conversation, by number of the client.
    pub fn member_of(&self, conversation: Uuid) -> &str {
        let number = self.conversations.iter().position(|id| *id == conversation);
        // The group's first member is the first client.
        let number = number.expect("it is one of the fleet's") % self.clients.len();
        &self.clients[number].0
    }

    /// What has been promised and told so far.
    pub fn account(&self) -> Account {
        let ledger = lock(&self.ledger);
        Account(Ledger {
            promises: ledger.promises.clone(),
            told: ledger.told.clone(),
            wrong: ledger.wrong.clone(),
        })
    }

    /// Ends every client.
    pub async fn disband(self) {
        for (_, client) in &self.clients {
            within("a client closes", client.close()).await;
        }
        for task in self.tasks {
            task.abort();
        }
    }
}

/// What had been promised and told at one moment.
pub struct Account(Ledger);

impl Account {
    /// Everything that is wrong with a conversation's history, from its first message on, given
    /// what was promised and told.
    pub fn broken(&self, conversation: Uuid, history: &[Message]) -> Vec<String> {
        let ledger = &self.0;
        let mut broken = ledger.wrong.clone();
        let mut ids = BTreeSet::new();
        let mut next: BTreeMap<&str, u64> = BTreeMap::new();
        for (expected, message) in (1..).zip(history) {
            if message.seq != expected {
                broken.push(format!("message {} stands at {expected}", message.seq));
            }
            if !ids.insert(&message.command_id) {
                broken.push(format!("message {expected} is there twice"));
            }
            let number = next.entry(&message.author).or_default();
            if message.text != text_of(&message.author, *number) {
                broken.push(format!(
                    "{} is to say {number} next, and says {:?}",
                    message.author, message.text
                ));
            }
            *number += 1;
        }
        let mut last = (0, 0);
        let mut promises: Vec<_> = ledger
            .promises
            .iter()
            .filter(|promise| promise.conversation == conversation)
            .collect();
        promises.sort_by_key(|promise| promise.seq);
        for promise in promises {
            let found = usize::try_from(promise.seq)
                .ok()
                .and_then(|seq| history.get(seq.checked_sub(1)?));
            let kept = found.is_some_and(|message| {
                message.text == promise.text
                    && id::from_wire(&message.command_id) == Some(promise.command_id)
            });
            if !kept {
                broken.push(format!("promised {promise:?}, found {found:?}"));
            }
            if promise.position < last.1 || promise.seq == last.0 {
                broken.push(format!("{promise:?} comes after {last:?}"));
            }
            last = (promise.seq, promise.position);
        }
        for ((user, of), told) in &ledger.told {
            let differs = told.iter().find(|(seq, command_id)| {
                let message = history.get(*seq as usize - 1);
                message
                    .is_none_or(|message| id::from_wire(&message.command_id) != Some(*command_id))
            });
            if let (true, Some((seq, _))) = (*of == conversation, differs) {
                broken.push(format!("{user} was told another message {seq}"));
            }
        }
        broken
    }

    /// Messages acknowledged.
    pub fn promises(&self) -> usize {
        self.0.promises.len()
    }
}

fn text_of(user: &str, number: u64) -> String {
    format!("{user} says {number}")
}

/// One client's part in one conversation.
struct Poster {
    user: String,
    client: Client,
    conversation: Uuid,
    ledger: Arc<Mutex<Ledger>>,
    promise: watch::Sender<usize>,
    post: watch::Sender<usize>,
    pace: Duration,
}

impl Poster {
    async fn run(self, mut run: watch::Receiver<bool>) {
        for number in 0.. {
            if !self.pace.is_zero() {
                tokio::time::sleep(self.pace.mul_f64(fastrand::f64())).await;
            }
            if run.wait_for(|running| *running).await.is_err() {
                return;
            }
            self.post.send_modify(|posting| *posting += 1);
            let text = text_of(&self.user, number);
            let submitted = self
                .client
                .submit(ask::post(self.conversation, &text))
                .await;
            let answer = match submitted {
                Ok(submitted) => {
                    let command_id = submitted.command_id();
                    submitted
                        .accepted()
                        .await
                        .map(|accepted| (command_id, accepted))
                }
                Err(error) => Err(error),
            };
            let mut ledger = lock(&self.ledger);
            match answer {
                Ok((command_id, accepted)) => ledger.promises.push(Promise {
                    conversation: self.conversation,
                    seq: accepted.seq,
                    position: accepted.position,
                    command_id,
                    text,
                }),
                Err(error) if error.kind() == ErrorKind::Closed => return,
                Err(error) => ledger.wrong.push(format!("{text:?} was refused: {error}")),
            }
            drop(ledger);
            self.promise.send_modify(|promised| *promised += 1);
            self.post.send_modify(|posting| *posting -= 1);
        }
    }
}

/// Takes what a client is told: every message once and in order, or a reset.
async fn listen(user: String, client: Client, mut updates: Updates, ledger: Arc<Mutex<Ledger>>) {
    let mut last: BTreeMap<Uuid, u64> = BTreeMap::new();
    let showing = |last: &mut BTreeMap<Uuid, u64>, view: &view::Conversation| {
        last.insert(id::from_wire(&view.id).unwrap_or_default(), view.last_seq);
    };
    while let Some(update) = updates.recv().await {
        let event = match update {
            Update::Event(event) => event,
            Update::Reset(reset) => {
                reset
                    .conversations
                    .iter()
                    .for_each(|view| showing(&mut last, view));
                continue;
            }
            Update::Lagged => panic!("the fleet does not keep up"),
            _ => continue,
        };
        let conversation = id::from_wire(&event.conversation).unwrap_or_default();
        let message = match event.kind {
            Some(Kind::MessagePosted(message)) => message,
            Some(Kind::ConversationAdded(view)) => {
                showing(&mut last, &view);
                continue;
            }
            _ => continue,
        };
        let before = last.insert(conversation, message.seq).unwrap_or_default();
        lock(&ledger).tell(&user, conversation, before, &message);
        if message.seq % 16 == 0 && message.author != user {
            // The client ends with the fleet: then there is nothing to read any more.
            let _ = client.mark_read(conversation, message.seq).await;
        }
    }
}
