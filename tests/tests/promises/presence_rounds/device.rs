//! A session that writes down everything it is told, and keeps what it watches by what it is told of it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tidings_protocol::{
    ClientFrame,
    event::{Kind, Presence},
    frame::{Body, Outcome, Request},
    id, query,
};
use tidings_sdk::{
    Address, Connector, Tls,
    connection::{Receiver, Sender},
};
use tidings_tests::{Server, Way, ask, token};
use tokio::{sync::oneshot, task::JoinHandle};
use uuid::Uuid;

/// How long it may take to be let in: at a server that is paused or dying nobody is.
const LET_IN: Duration = Duration::from_secs(8);

/// What a session was told, or did.
#[derive(Clone, Debug)]
pub(super) enum Entry {
    /// From here on it may not see this user as of this spell of being invisible.
    Fenced(String, usize),
    /// It asked something, which is answered under this number.
    Asked(u64),
    /// It was told that somebody is, or does something, now.
    Saw(&'static str, String),
    /// This is in the answer to what it asked.
    Found(u64, &'static str, String),
    /// It was told at this position of the log how far somebody has read or received.
    Tick(u64, String),
}

/// Where a device connects to.
pub(super) struct Place {
    url: String,
    certificate: [u8; 32],
    way: Way,
    pub node: usize,
    pub instance: u64,
}

impl Place {
    pub(super) fn new(server: &Server, way: Way, node: usize, instance: u64) -> Place {
        Place {
            url: way.url(server),
            certificate: server.certificate,
            way,
            node,
            instance,
        }
    }
}

/// The session.
pub(super) struct Device {
    pub user: String,
    pub node: usize,
    /// Which of the processes of that node, one after the other.
    pub instance: u64,
    way: Way,
    held: Arc<Mutex<Held>>,
    sender: tokio::sync::Mutex<Option<Sender>>,
    next_id: AtomicU64,
    reader: JoinHandle<()>,
}

/// What it holds.
#[derive(Default)]
pub(super) struct Held {
    pub ended: bool,
    pub records: Vec<(Instant, Entry)>,
    /// What should not have been.
    pub wrong: Vec<String>,
    /// Whether its user counts as away by it.
    pub away: bool,
    /// Whom it watches.
    pub list: BTreeSet<String>,
    pub roster: bool,
    pub view: BTreeMap<String, String>,
    version: u64,
    /// How many came online of those whom it looks for, and whether it looks.
    announced: u64,
    pub looks_for: bool,
    pub last_seq: u64,
    pub cursor: (u64, u32),
    fences: HashMap<u64, (String, usize)>,
    asked: HashMap<u64, oneshot::Sender<Outcome>>,
}

impl Held {
    fn note(&mut self, entry: Entry) {
        self.records.push((Instant::now(), entry));
    }

    fn told(&mut self, own: &str, body: Body) {
        match body {
            Body::Presence(presence) => self.presence(presence),
            Body::Typing(typing) if typing.active => self.note(Entry::Saw("typing", typing.user)),
            Body::Looking(looks) if looks.active => self.note(Entry::Saw("looking", looks.user)),
            Body::PeopleOnline(news) => {
                let new = news.count.saturating_sub(self.announced) as usize;
                self.announced = news.count;
                for user in news.users.iter().rev().take(new) {
                    self.note(Entry::Saw("coming online", user.clone()));
                }
            }
            Body::Event(event) => {
                self.cursor = (event.position, event.index);
                match event.kind {
                    Some(Kind::ReadUpTo(tick) | Kind::DeliveredUpTo(tick)) if tick.user != own => {
                        self.note(Entry::Tick(event.position, tick.user));
                    }
                    Some(Kind::MessagePosted(message)) => self.last_seq = message.seq,
                    _ => {}
                }
            }
            Body::Reply(reply) => {
                if let Some((user, spell)) = self.fences.remove(&reply.id) {
                    self.note(Entry::Fenced(user, spell));
                }
                if let Some(Outcome::People(page)) = &reply.outcome {
                    self.found(reply.id, page);
                }
                if let Some(tell) = self.asked.remove(&reply.id)
                    && let Some(outcome) = reply.outcome
                {
                    let _ = tell.send(outcome);
                }
            }
            _ => {}
        }
    }

    fn presence(&mut self, told: Presence) {
        if told.version != self.version + 1 {
            let wrong = format!("version {} came after {}", told.version, self.version);
            self.wrong.push(wrong);
        }
        self.version = told.version;
        if told.snapshot {
            self.view.clear();
        }
        for seen in told.users {
            match seen.state.as_str() {
                "available" => self.note(Entry::Saw("available", seen.user.clone())),
                "away" => self.note(Entry::Saw("away", seen.user.clone())),
                _ => {}
            }
            self.view.insert(seen.user, seen.state);
        }
    }

    fn found(&mut self, asked: u64, page: &query::People) {
        for person in &page.people {
            if person.state != "offline" {
                self.note(Entry::Found(asked, "a hit", person.user.clone()));
            }
        }
        // Only those online are counted, and each has a city of their own.
        for value in page.facets.iter().flat_map(|facet| &facet.values) {
            self.note(Entry::Found(asked, "a facet", value.value.clone()));
        }
    }
}

impl Device {
    /// A session of a user, if it is let in.
    pub(super) async fn open(place: Place, user: &str) -> Option<Device> {
        let opening = Device::connect(place, user);
        tokio::time::timeout(LET_IN, opening).await.ok()?
    }

    async fn connect(place: Place, user: &str) -> Option<Device> {
        let tls = Tls::certificate_sha256(place.certificate);
        let connector = Connector::new(place.way.encoding(), &tls).expect("TLS can be set up");
        let address = Address::parse(&place.url).expect("it is an address");
        let (mut sender, mut receiver) = connector.connect(&address).await.ok()?.split();
        let frame = ClientFrame {
            id: 1,
            request: Some(Request::Hello(ask::hello(&token::of(user)))),
            ..ClientFrame::default()
        };
        sender.send(&frame).await.ok()?;
        loop {
            match receiver.recv().await.ok()?.body? {
                Body::Welcome(_) => break,
                Body::Closing(_) => return None,
                _ => {}
            }
        }
        let held = Arc::new(Mutex::new(Held::default()));
        let reader = tokio::spawn(read(user.to_owned(), receiver, held.clone()));
        Some(Device {
            user: user.to_owned(),
            node: place.node,
            instance: place.instance,
            way: place.way,
            held,
            sender: tokio::sync::Mutex::new(Some(sender)),
            next_id: AtomicU64::new(1),
            reader,
        })
    }

    pub(super) fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().expect("nothing panics under this lock")
    }

    pub(super) fn is_here(&self) -> bool {
        !self.held().ended
    }

    /// What it is called in what a failed test says.
    pub(super) fn name(&self) -> String {
        let Device {
            user,
            node,
            instance,
            way,
            ..
        } = self;
        format!("{user} at node {node} (start {instance}, {way:?})")
    }

    /// Leaves.
    pub(super) async fn close(&self) {
        self.reader.abort();
        *self.sender.lock().await = None;
        let mut held = self.held();
        held.ended = true;
        held.asked.clear();
    }

    /// Asks something whose answer nobody waits for.
    pub(super) async fn say(&self, request: Request) {
        self.send(None, request, |_, _| {}).await;
    }

    /// Gives a command whose answer nobody waits for.
    pub(super) async fn begin(&self, command_id: Uuid, request: Request) {
        self.send(Some(command_id), request, |_, _| {}).await;
    }

    /// Asks for people, and notes what is answered.
    pub(super) async fn look_for(&self, request: Request) {
        self.send(None, request, |held, id| held.note(Entry::Asked(id)))
            .await;
    }

    /// Everything that it is told behind the answer to this is told by a server that knows that a user is
    /// invisible.
    pub(super) async fn fence(&self, user: &str, spell: usize) {
        let fence = |held: &mut Held, id| drop(held.fences.insert(id, (user.to_owned(), spell)));
        self.send(None, ask::ping(), fence).await;
    }

    /// It was let in by a server that knows that a user is invisible.
    pub(super) fn fenced(&self, user: &str, spell: usize) {
        self.held().note(Entry::Fenced(user.to_owned(), spell));
    }

    /// Gives a command; no answer where the session ends instead.
    pub(super) async fn command(&self, command_id: Uuid, request: Request) -> Option<Outcome> {
        let (tell, told) = oneshot::channel();
        let wait = |held: &mut Held, id| drop(held.asked.insert(id, tell));
        self.send(Some(command_id), request, wait).await;
        told.await.ok()
    }

    async fn send(
        &self,
        command_id: Option<Uuid>,
        request: Request,
        before: impl FnOnce(&mut Held, u64),
    ) {
        let mut sender = self.sender.lock().await;
        let Some(sender) = &mut *sender else { return };
        let request_id = self.next_id.fetch_add(1, Ordering::Relaxed) + 1;
        {
            let mut held = self.held();
            if held.ended {
                return;
            }
            before(&mut held, request_id);
            match &request {
                Request::SetPresence(set) => held.away = set.state == "away",
                Request::WatchPresence(watch) => {
                    held.list = watch.users.iter().cloned().collect();
                    held.roster = watch.roster;
                }
                Request::Ping(_) | Request::Ack(_) | Request::Look(_) => {}
                // Whoever does something is here.
                _ => held.away = false,
            }
        }
        let frame = ClientFrame {
            id: request_id,
            command_id: command_id.map(id::to_wire).unwrap_or_default(),
            request: Some(request),
        };
        // If the connection has ended, the reader learns it.
        let _ = sender.send(&frame).await;
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn read(user: String, mut receiver: Receiver, held: Arc<Mutex<Held>>) {
    while let Ok(frame) = receiver.recv().await {
        let mut held = held.lock().expect("nothing panics under this lock");
        if let Some(body) = frame.body {
            held.told(&user, body);
        }
    }
    let mut held = held.lock().expect("nothing panics under this lock");
    held.ended = true;
    // Whoever waits learns that there will be no answer.
    held.asked.clear();
}
