//! Devices of a few users who do all sorts of things through whatever happens, and keep account of
//! every answer and of everything they are told.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use fastrand::Rng;
use tidings_protocol::{Encoding, event::Kind, frame::Request, id};
use tidings_sdk::{Accepted, Client, Error, ErrorKind, Options, State, Status, Update, Updates};
use tokio::{
    sync::{Semaphore, watch},
    task::JoinHandle,
};
use uuid::Uuid;

use crate::{Server, Session, Way, ask, fleet::options, journal::Journal, within};

/// Those who act.
pub const USERS: [&str; 4] = ["ann", "ben", "cleo", "dan"];

/// Owns the hall; does nothing else, and blocks nobody.
pub const HOST: &str = "host";

/// Another member of the hall who does nothing else.
pub const GUEST: &str = "guest";

/// Commands of one device that are unanswered, at most.
const UNANSWERED: usize = 4;

/// Who holds so many conversations makes no more, so that a window shows all of them.
const CONVERSATIONS: usize = 20;

/// A command and what came of it.
pub struct Answered {
    /// Who gave it.
    pub user: &'static str,
    /// Its id.
    pub command_id: Uuid,
    /// What it was.
    pub request: Request,
    /// What was answered.
    pub result: Result<Accepted, Error>,
}

#[derive(Default)]
struct Ledger {
    answered: Vec<Answered>,
    /// Messages as they were told, by conversation and number.
    told: BTreeMap<(Uuid, u64), Uuid>,
    /// How far users have said they have read the hall.
    read: BTreeMap<&'static str, u64>,
    wrong: Vec<String>,
}

/// One client installation.
#[derive(Clone)]
pub struct Device {
    /// Whose it is.
    pub user: &'static str,
    /// What runs on it.
    pub client: Client,
    encoding: Encoding,
    unanswered: Arc<Semaphore>,
    ledger: Arc<Mutex<Ledger>>,
}

/// The devices.
pub struct Crowd {
    /// In no order.
    pub devices: Vec<Device>,
    /// A group of everybody that nobody leaves.
    pub hall: Uuid,
    ledger: Arc<Mutex<Ledger>>,
    running: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    random: Rng,
}

impl Crowd {
    /// Two devices of each user, by every way, at these servers in turn.
    pub async fn gather(servers: &[Server], random: &mut Rng) -> Crowd {
        let mut host = Session::open(&servers[0], Way::WebSocketJson, HOST).await;
        let all = [&USERS[..], &[GUEST]].concat();
        let hall = host.start(ask::group("the hall", &all)).await;
        for title in ["from joining", "another"] {
            let group = host.start(ask::group(title, &USERS)).await;
            for user in &USERS[..2] {
                host.command(ask::role(group, user, "owner")).await;
            }
        }
        let (running, _) = watch::channel(false);
        let mut crowd = Crowd {
            devices: Vec::new(),
            hall,
            ledger: Arc::default(),
            running,
            tasks: Vec::new(),
            random: random.fork(),
        };
        for (n, user) in USERS.into_iter().enumerate() {
            for (m, way) in [Way::ALL[n % 4], Way::ALL[(n + 2) % 4]]
                .into_iter()
                .enumerate()
            {
                let url = way.url(&servers[(n + m) % servers.len()]);
                let device = crowd.arrive(user, &url, way.encoding()).await;
                let known = device
                    .client
                    .until(|state| state.conversation(hall).is_some());
                within("the hall is known", known).await.expect("it lives");
                crowd.act(device);
            }
        }
        crowd
    }

    /// One more device, which does nothing but look on.
    pub async fn arrive(&mut self, user: &'static str, url: &str, encoding: Encoding) -> Device {
        let device = self.connect(user, options(url, user, encoding)).await;
        self.devices.push(device.clone());
        device
    }

    /// The same, of a device that knows what another of its user knows, and goes on from there.
    pub async fn follow(&mut self, number: usize, url: &str) {
        let Device {
            user,
            client,
            encoding,
            ..
        } = self.devices[number].clone();
        let mut options = options(url, user, encoding);
        options.state = Some(client.state());
        let device = self.connect(user, options).await;
        self.devices.push(device);
    }

    /// How far a user has said they have read the hall.
    pub fn read(&self, user: &str) -> u64 {
        let ledger = self.ledger.lock().expect("nothing panics here");
        ledger.read.get(user).copied().unwrap_or_default()
    }

    async fn connect(&mut self, user: &'static str, options: Options) -> Device {
        let encoding = options.encoding;
        let connecting = Client::connect(options);
        let connected = within("a client connects", connecting).await;
        let (client, updates) = connected.unwrap_or_else(|error| panic!("{user}: {error}"));
        let listening = listen(user, updates, self.ledger.clone());
        self.tasks.push(tokio::spawn(listening));
        Device {
            user,
            client,
            encoding,
            unanswered: Arc::new(Semaphore::new(UNANSWERED)),
            ledger: self.ledger.clone(),
        }
    }

    /// Makes a device act whenever the crowd does.
    fn act(&mut self, device: Device) {
        let acting = device.act(self.random.fork(), self.hall, self.running.subscribe());
        self.tasks.push(tokio::spawn(acting));
    }

    /// Every device is started anew with what it knew, at one of these addresses. Only at rest.
    pub async fn spread(&mut self, url: impl Fn(usize, Encoding) -> String) {
        for number in 0..self.devices.len() {
            let Device {
                user,
                client,
                encoding,
                ..
            } = self.devices[number].clone();
            let state = client.state();
            within("a client closes", client.close()).await;
            let mut options = options(&url(number, encoding), user, encoding);
            options.state = Some(state);
            let device = self.connect(user, options).await;
            self.devices[number] = device.clone();
            self.act(device);
        }
    }

    /// Those who came last go, so that so many are left.
    pub async fn leave_but(&mut self, many: usize) {
        for device in self.devices.drain(many..) {
            within("a client closes", device.client.close()).await;
        }
    }

    /// Everybody acts from now on.
    pub fn go(&self) {
        self.running.send_replace(true);
    }

    /// Nobody begins anything any more; waits until all that was begun is answered.
    pub async fn rest(&self) {
        self.running.send_replace(false);
        for device in &self.devices {
            let all = device.unanswered.acquire_many(UNANSWERED as u32);
            drop(within("every command is answered", all).await);
        }
    }

    /// Every device posts to the hall and is answered.
    pub async fn get_through(&self) {
        let posting = self.devices.iter().cloned().map(|device| {
            let hall = self.hall;
            tokio::spawn(async move {
                let said = ask::post(hall, &format!("{} is here", device.user));
                let user = device.user;
                within(&format!("{user} gets through"), device.give(said, false)).await;
            })
        });
        for posting in posting.collect::<Vec<_>>() {
            posting.await.expect("everybody gets through");
        }
    }

    /// How many commands have been answered.
    pub fn answered(&self) -> usize {
        self.ledger
            .lock()
            .expect("nothing panics here")
            .answered
            .len()
    }

    /// Some of the commands that were carried out, to be given again.
    pub fn some_done(
        &self,
        many: usize,
        random: &mut Rng,
    ) -> Vec<(&'static str, Uuid, Request, Accepted)> {
        let ledger = self.ledger.lock().expect("nothing panics here");
        let done = ledger.answered.iter().filter_map(|answered| {
            let accepted = answered.result.as_ref().ok()?;
            let request = answered.request.clone();
            Some((
                answered.user,
                answered.command_id,
                request,
                accepted.clone(),
            ))
        });
        random.choose_multiple(done, many)
    }

    /// Everything that is wrong with what was answered and told, given what the log holds. `late`: a server
    /// has been silent for a while, so that what lies in its sockets may be carried out by it later, when the command
    /// has long been refused elsewhere. A refusal is not recorded; that is seen then, and is not broken.
    pub fn broken(&self, journal: &Journal, late: bool) -> Vec<String> {
        let ledger = self.ledger.lock().expect("nothing panics here");
        let mut broken = [&ledger.wrong[..], &journal.wrong].concat();
        for (command, positions) in &journal.commands {
            if positions.len() > 1 {
                broken.push(format!("{command:?} is recorded at {positions:?}"));
            }
        }
        for answered in &ledger.answered {
            let key = (answered.command_id, answered.user.to_owned());
            let recorded = journal.commands.get(&key).map(|all| all[0]);
            match &answered.result {
                Ok(accepted) if recorded == Some(accepted.position) => {}
                // A refusal is final.
                Err(error) if error.kind() != ErrorKind::Closed && recorded.is_none() => {}
                Err(error) if error.kind() == ErrorKind::Closed => {}
                Err(error) if late => println!(
                    "  {} was refused {:?} ({error}), which a late copy did at {recorded:?}",
                    answered.user, answered.request
                ),
                result => broken.push(format!(
                    "{} was answered {result:?} to {:?} {:?}, which is recorded at {recorded:?}",
                    answered.user, answered.command_id, answered.request
                )),
            }
        }
        for (message, command_id) in &ledger.told {
            if journal.messages.get(message) != Some(&Some(*command_id)) {
                broken.push(format!("{message:?} was told as {command_id}"));
            }
        }
        broken
    }

    /// Ends every client.
    pub async fn disperse(self) {
        for device in &self.devices {
            within("a client closes", device.client.close()).await;
        }
        for task in self.tasks {
            task.abort();
        }
    }
}

impl Device {
    async fn act(self, mut random: Rng, hall: Uuid, mut run: watch::Receiver<bool>) {
        loop {
            // People think between two things they do.
            tokio::time::sleep(Duration::from_millis(random.u64(10..250))).await;
            if run.wait_for(|running| *running).await.is_err() {
                return;
            }
            let Ok(permit) = self.unanswered.clone().acquire_owned().await else {
                return;
            };
            if !*run.borrow() {
                continue;
            }
            if let Status::Stopped(_) = *self.client.status().borrow() {
                return;
            }
            let thought = |state: &State| something(state, self.user, hall, &mut random);
            match self.client.with_state(thought) {
                None => {}
                Some(Request::MarkRead(read)) => {
                    let conversation = id::from_wire(&read.conversation).unwrap_or_default();
                    // The client ends with the crowd.
                    let _ = self.client.mark_read(conversation, read.seq).await;
                    if conversation == hall {
                        let mut ledger = self.ledger.lock().expect("nothing panics here");
                        let before = ledger.read.entry(self.user).or_default();
                        *before = read.seq.max(*before);
                    }
                }
                Some(Request::Typing(typing)) => {
                    let conversation = id::from_wire(&typing.conversation).unwrap_or_default();
                    let _ = self.client.typing(conversation, typing.active).await;
                }
                Some(request) => {
                    let (device, doubled) = (self.clone(), random.u8(..8) == 0);
                    tokio::spawn(async move {
                        device.give(request, doubled).await;
                        drop(permit);
                    });
                }
            }
        }
    }

    /// Gives a command and notes what came of it; `doubled`, it is given again under the same id.
    async fn give(&self, request: Request, doubled: bool) {
        let command_id = Uuid::now_v7();
        let give = || async {
            let submitted = self.client.submit_as(command_id, request.clone()).await?;
            submitted.accepted().await
        };
        let mut results = vec![give().await];
        if doubled && results[0].is_ok() {
            results.push(give().await);
        }
        let mut ledger = self.ledger.lock().expect("nothing panics here");
        for result in results {
            ledger.answered.push(Answered {
                user: self.user,
                command_id,
                request: request.clone(),
                result,
            });
        }
    }
}

/// Takes what a device is told: messages in order, and the same ones as everybody else.
async fn listen(user: &'static str, mut updates: Updates, ledger: Arc<Mutex<Ledger>>) {
    let mut last: BTreeMap<Uuid, u64> = BTreeMap::new();
    while let Some(update) = updates.recv().await {
        let event = match update {
            Update::Event(event) => event,
            Update::Reset(reset) => {
                for view in &reset.conversations {
                    last.insert(id::from_wire(&view.id).unwrap_or_default(), view.last_seq);
                }
                continue;
            }
            Update::Lagged => {
                let wrong = format!("{user} does not keep up");
                ledger
                    .lock()
                    .expect("nothing panics here")
                    .wrong
                    .push(wrong);
                continue;
            }
            _ => continue,
        };
        let conversation = id::from_wire(&event.conversation).unwrap_or_default();
        let message = match event.kind {
            Some(Kind::MessagePosted(message)) => message,
            Some(Kind::ConversationAdded(_)) => {
                // The view may be of a moment after messages that are told next.
                last.remove(&conversation);
                continue;
            }
            _ => continue,
        };
        let mut ledger = ledger.lock().expect("nothing panics here");
        let before = last.insert(conversation, message.seq).unwrap_or_default();
        if message.seq <= before {
            let wrong = format!("{user}: {} after {before} in {conversation}", message.seq);
            ledger.wrong.push(wrong);
        }
        let command_id = id::from_wire(&message.command_id).unwrap_or_default();
        let place = (conversation, message.seq);
        let known = *ledger.told.entry(place).or_insert(command_id);
        if known != command_id {
            let wrong = format!("{user}: {place:?} is {command_id} here and {known} elsewhere");
            ledger.wrong.push(wrong);
        }
    }
}

/// Something that the user of a state may think of doing.
fn something(state: &State, user: &str, hall: Uuid, random: &mut Rng) -> Option<Request> {
    let other = random.choice(USERS)?;
    let conversations = state.conversations();
    if random.u8(..16) == 0 {
        return Some(match random.u8(..4) {
            0 if conversations.len() < CONVERSATIONS => ask::direct(other),
            1 if conversations.len() < CONVERSATIONS => {
                ask::group(&format!("{user}'s {}", random.u32(..)), &[other])
            }
            0..3 => ask::block(other),
            _ => ask::unblock(other),
        });
    }
    let view = random.choice(conversations)?.view();
    let conversation = id::from_wire(&view.id)?;
    let seq = random.u64(1..=view.last_seq.max(1));
    let reaction = random.choice(["+1", "heart", "laugh"])?;
    let text = format!("{user} says {}", random.u32(..));
    Some(match random.u8(..25) {
        0..9 => ask::post(conversation, &text),
        9 | 10 => ask::edit(conversation, seq, &text),
        11 => ask::retract(conversation, seq),
        12 | 13 => ask::react(conversation, seq, reaction),
        14 => ask::unreact(conversation, seq, reaction),
        // What nobody has said yet cannot be read.
        15 | 16 if view.last_seq == 0 => return None,
        15 | 16 => ask::read(conversation, seq),
        17 => ask::typing(conversation, random.bool()),
        18 => ask::mute(conversation, random.bool()),
        _ if conversation == hall => ask::post(conversation, &text),
        19 => ask::title(conversation, &text),
        20 => ask::remove(conversation, other),
        21 => ask::leave(conversation),
        22 => ask::role(
            conversation,
            other,
            random.choice(["owner", "moderator", "member"])?,
        ),
        _ => ask::add(conversation, &USERS),
    })
}
