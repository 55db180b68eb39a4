//! Servers, devices on them, and what is known of who is here, who is invisible, who blocks whom.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tidings_protocol::frame::{Outcome, Request};
use tidings_tests::{Server, Way, World, ask, http, within};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::device::{Device, Place};
use crate::two_nodes::others;

pub(super) const USERS: [&str; 12] = [
    "ann", "ben", "carl", "dave", "eve", "finn", "gus", "hal", "ida", "jim", "kay", "lea",
];

const KEY: &str = "a key of the tests for everything there is";

/// How long a heartbeat without a connection holds, and how often one comes.
const BEATS: &str = "heartbeat_ms = 1500\n";
const BEAT: Duration = Duration::from_millis(300);

/// Before something that failed is tried again.
const AGAIN: Duration = Duration::from_millis(20);

/// A time during which somebody is invisible.
#[derive(Clone, Debug)]
pub(super) struct Spell {
    /// Position of the command that began it, once that is acknowledged.
    pub from: u64,
    /// When it was asked to be over: from then on they may be seen.
    pub ended: Option<Instant>,
    /// Position of the command that ended it.
    pub to: Option<u64>,
}

/// What is so, as far as it was acknowledged.
#[derive(Default)]
pub(super) struct Model {
    pub spells: BTreeMap<&'static str, Vec<Spell>>,
    pub invisible: BTreeSet<&'static str>,
    /// Who blocks whom.
    pub blocks: BTreeSet<(&'static str, &'static str)>,
    /// Who has added whom as a contact.
    pub added: BTreeSet<(&'static str, &'static str)>,
    /// Who is here by heartbeats over HTTP.
    pub beats: BTreeMap<&'static str, &'static str>,
    /// Who has been asked to be invisible last.
    asked: BTreeSet<&'static str>,
}

impl Model {
    /// Whether a user is to be invisible next: the other way than they were asked to be last.
    pub(super) fn hides(&mut self, user: &'static str) -> bool {
        let hides = self.asked.insert(user);
        if !hides {
            self.asked.remove(user);
        }
        hides
    }

    /// Whether one of two blocks the other.
    pub(super) fn unseen(&self, one: &'static str, other: &'static str) -> bool {
        self.blocks.contains(&(one, other)) || self.blocks.contains(&(other, one))
    }
}

/// Something that is to be asked until it is acknowledged.
#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    Invisible(&'static str, bool),
    Block(&'static str, &'static str, bool),
    Contact(&'static str, &'static str, bool),
}

/// A node, and what is known of the process that is running.
#[derive(Default)]
pub(super) struct Node {
    pub server: Option<Arc<Server>>,
    pub instance: u64,
    /// Spells that this process knows of.
    fences: BTreeSet<(&'static str, usize)>,
}

/// Everything.
pub(super) struct Stage {
    pub worlds: Vec<World>,
    pub nodes: Vec<Mutex<Node>>,
    pub devices: Mutex<Vec<Arc<Device>>>,
    pub model: Mutex<Model>,
    /// What was wrong that no device was told.
    pub wrong: Mutex<Vec<String>>,
    /// What is still going on.
    busy: AtomicUsize,
    /// Of each user, and one for all that is between users: in this order.
    orders: Mutex<Vec<mpsc::UnboundedSender<Order>>>,
}

fn lock<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().expect("nothing panics under this lock")
}

/// A world with people in it who are looked for, and a short grace.
pub(super) fn with_people(mut world: World, grace_ms: u64) -> World {
    let file = world.folder.path().join("backend.key");
    fs::write(&file, KEY).unwrap();
    world.messages(&format!(
        "[[auth.api_keys]]\nname = \"backend\"\nfile = {file:?}\nscopes = [\"users\", \"operate\"]\n"
    ));
    // A stopping server is quick.
    world.limits("drain_ms = 500\n");
    world.search("attributes = [{ name = \"city\", kind = \"keyword\" }]\n");
    world.presence(&format!("grace_ms = {grace_ms}\n{BEATS}"));
    world
}

pub(super) async fn call(
    server: &Server,
    method: &str,
    path: &str,
    key: &str,
    body: &Value,
) -> (u16, Value) {
    let bearer = format!("Bearer {KEY}");
    let mut headers = vec![("Authorization", bearer.as_str())];
    if !key.is_empty() {
        headers.push(("Idempotency-Key", key));
    }
    let body = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    let answer = http::request(server, method, path, &headers, body.as_bytes()).await;
    let said = serde_json::from_str(&answer.body).unwrap_or(Value::Null);
    (answer.status, said)
}

/// Whom a search finds, as the one who looks sees them: each with their state and when they were here last, and
/// those whom the facet counts.
pub(super) struct Found {
    pub people: Vec<(String, String, u64)>,
    pub total: u64,
    pub counted: BTreeSet<String>,
}

pub(super) async fn search(server: &Server, viewer: &str, online: &str) -> Option<Found> {
    let asked = json!({ "as": viewer, "online": online, "facets": ["city"], "limit": 100 });
    let (status, page) = call(server, "POST", "/v1/search/people", "", &asked).await;
    // It may be gone, or its index not be there yet.
    if status == 0 || status == 503 {
        return None;
    }
    assert_eq!(status, 200, "{page}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let list = |value: &Value| value.as_array().unwrap().clone();
    let people = list(&page["people"]).into_iter().map(|one| {
        let seen_ms = one["seen_ms"].as_u64().unwrap();
        (text(&one["user"]), text(&one["state"]), seen_ms)
    });
    let values = list(&page["facets"][0]["values"]).into_iter();
    Some(Found {
        people: people.collect(),
        total: page["total"].as_u64().unwrap(),
        counted: values
            .map(|value| {
                assert_eq!(value["count"], 1, "{page}");
                text(&value["value"])
            })
            .collect(),
    })
}

impl Stage {
    pub(super) async fn set(worlds: Vec<World>) -> Arc<Stage> {
        let nodes = worlds.iter().map(|_| Mutex::default()).collect();
        let stage = Arc::new(Stage {
            worlds,
            nodes,
            devices: Mutex::default(),
            model: Mutex::default(),
            wrong: Mutex::default(),
            busy: AtomicUsize::new(0),
            orders: Mutex::default(),
        });
        for node in 0..stage.nodes.len() {
            stage.start(node).await;
        }
        for _ in 0..=USERS.len() {
            let (sender, mut orders) = mpsc::unbounded_channel();
            lock(&stage.orders).push(sender);
            let stage = Arc::downgrade(&stage);
            tokio::spawn(async move {
                while let Some(order) = orders.recv().await {
                    let Some(stage) = stage.upgrade() else { return };
                    stage.carry_out(order).await;
                    stage.busy.fetch_sub(1, Ordering::SeqCst);
                }
            });
        }
        for user in USERS {
            let profile = json!({ "attributes": { "city": user } });
            let path = format!("/v1/users/{user}/profile");
            stage.settled(0, "PUT", &path, &profile).await;
        }
        let beating = Arc::downgrade(&stage);
        tokio::spawn(async move {
            let mut tick = tokio::time::interval(BEAT);
            let mut turn = 0;
            loop {
                tick.tick().await;
                let Some(stage) = beating.upgrade() else {
                    return;
                };
                turn += 1;
                let beats = lock(&stage.model).beats.clone();
                for (user, state) in beats {
                    // At each node in turn.
                    let server = stage
                        .server(turn % stage.nodes.len())
                        .map(|(server, _)| server);
                    let stage = stage.clone();
                    tokio::spawn(async move {
                        let Some(server) = server else { return };
                        let path = format!("/v1/users/{user}/presence");
                        // Not if it was changed meanwhile.
                        if lock(&stage.model).beats.get(user) == Some(&state) {
                            drop(stage);
                            call(&server, "PUT", &path, "", &json!({ "state": state })).await;
                        }
                    });
                }
                let devices = lock(&stage.devices).clone();
                if turn % 8 == 0 {
                    tokio::spawn(async move {
                        for device in devices {
                            device.say(ask::ping()).await;
                        }
                    });
                }
            }
        });
        stage
    }

    /// The process of a node that is running, if one is.
    pub(super) fn server(&self, node: usize) -> Option<(Arc<Server>, u64)> {
        let node = lock(&self.nodes[node]);
        Some((node.server.clone()?, node.instance))
    }

    pub(super) async fn start(&self, node: usize) {
        let server = self.worlds[node].start().await;
        let mut node = lock(&self.nodes[node]);
        node.server = Some(Arc::new(server));
        node.instance += 1;
        node.fences.clear();
    }

    /// Waits until the nodes know each other.
    pub(super) async fn know_each_other(&self) {
        for node in 0..self.nodes.len() {
            if let Some((server, _)) = self.server(node) {
                others(&server, self.nodes.len() as u64 - 1).await;
            }
        }
    }

    /// Ends a node's process, and with it the sessions there.
    pub(super) async fn end(&self, node: usize, gently: bool) {
        let (taken, instance) = {
            let mut node = lock(&self.nodes[node]);
            (node.server.take().expect("it runs"), node.instance)
        };
        let signal = if gently { "-TERM" } else { "-KILL" };
        let id = taken.id().to_string();
        let sent = std::process::Command::new("kill")
            .args([signal, &id])
            .status();
        assert!(sent.expect("signals can be sent").success());
        // Whoever asks it something learns that it has ended.
        within("nobody asks it any more", async {
            while Arc::strong_count(&taken) > 1 {
                tokio::time::sleep(AGAIN).await;
            }
        })
        .await;
        let server = Arc::into_inner(taken).expect("nobody else has it");
        let status = server.ended().await;
        assert!(!gently || status.success(), "{status}");
        let here: Vec<_> = lock(&self.devices)
            .extract_if(.., |device| {
                (device.node, device.instance) == (node, instance)
            })
            .collect();
        for device in here {
            // Over UDP it does not learn it by itself.
            device.close().await;
            // What it was told is still looked at.
            lock(&self.devices).push(device);
        }
    }

    /// Devices that are here, of a user or of all.
    pub(super) fn here(&self, user: Option<&str>) -> Vec<Arc<Device>> {
        let devices = lock(&self.devices);
        let here = devices
            .iter()
            .filter(|device| user.is_none_or(|user| device.user == user) && device.is_here());
        here.cloned().collect()
    }

    /// Does something beside everything else; a round is not over before it is done.
    pub(super) fn beside(self: &Arc<Self>, what: impl Future<Output = ()> + Send + 'static) {
        self.busy.fetch_add(1, Ordering::SeqCst);
        let stage = self.clone();
        tokio::spawn(async move {
            what.await;
            stage.busy.fetch_sub(1, Ordering::SeqCst);
        });
    }

    /// Waits until nothing goes on any more.
    pub(super) async fn quiet(&self) {
        within("everything asked for is done", async {
            while self.busy.load(Ordering::SeqCst) > 0 {
                tokio::time::sleep(AGAIN).await;
            }
        })
        .await;
    }

    pub(super) fn order(&self, order: Order) {
        self.busy.fetch_add(1, Ordering::SeqCst);
        let queue = match order {
            Order::Invisible(user, _) => USERS.iter().position(|other| *other == user),
            Order::Block(..) | Order::Contact(..) => None,
        };
        let queue = queue.unwrap_or(USERS.len());
        let _ = lock(&self.orders)[queue].send(order);
    }

    /// A new device at a node, if that lets it in.
    pub(super) async fn open(
        &self,
        user: &'static str,
        node: usize,
        way: Way,
    ) -> Option<Arc<Device>> {
        let place = {
            let (server, instance) = self.server(node)?;
            Place::new(&server, way, node, instance)
        };
        let device = Arc::new(Device::open(place, user).await?);
        lock(&self.devices).push(device.clone());
        let (instance, fences) = {
            let node = lock(&self.nodes[node]);
            let runs = node.server.is_some().then_some(node.instance);
            (runs, node.fences.clone())
        };
        if instance != Some(device.instance) {
            device.close().await;
            return None;
        }
        for (user, spell) in fences {
            device.fenced(user, spell);
        }
        Some(device)
    }

    /// Asks over HTTP, at one node or the other, until it is acknowledged; says where it stands in the log.
    pub(super) async fn settled(
        &self,
        first: usize,
        method: &str,
        path: &str,
        body: &Value,
    ) -> u64 {
        let key = Uuid::now_v7().to_string();
        let what = format!("{method} {path} is acknowledged");
        within(&what, async {
            for node in (0..self.nodes.len()).cycle().skip(first) {
                if let Some((server, _)) = self.server(node) {
                    let (status, said) = call(&server, method, path, &key, body).await;
                    if status == 200 {
                        return said["position"].as_u64().expect("a position");
                    }
                    assert!(matches!(status, 0 | 503), "{path}: {status} {said}");
                }
                tokio::time::sleep(AGAIN).await;
            }
            unreachable!("it is tried without end");
        })
        .await
    }

    /// Asks over a session of the user until there is an answer; a new one where there is none.
    async fn answered(&self, user: &'static str, request: Request) -> Outcome {
        let command = Uuid::now_v7();
        let what = format!("{request:?} of {user} is answered");
        within(&what, async {
            loop {
                if let Some(outcome) = self.try_answered(user, command, &request).await {
                    return outcome;
                }
                tokio::time::sleep(AGAIN).await;
            }
        })
        .await
    }

    async fn try_answered(
        &self,
        user: &'static str,
        command: Uuid,
        request: &Request,
    ) -> Option<Outcome> {
        let device = match fastrand::choice(self.here(Some(user))) {
            Some(device) => device,
            None => {
                let node = fastrand::usize(..self.nodes.len());
                self.open(user, node, Way::WebSocketProtobuf).await?
            }
        };
        match device.command(command, request.clone()).await? {
            Outcome::Error(error) if error.code == "unavailable" => None,
            outcome => Some(outcome),
        }
    }

    async fn carry_out(self: &Arc<Self>, order: Order) {
        match order {
            Order::Invisible(user, true) => {
                let from = self.set_invisible(user, true).await;
                let spell = {
                    let mut model = lock(&self.model);
                    model.invisible.insert(user);
                    let spells = model.spells.entry(user).or_default();
                    let (ended, to) = (None, None);
                    spells.push(Spell { from, ended, to });
                    spells.len() - 1
                };
                for node in 0..self.nodes.len() {
                    self.beside(fence(self.clone(), user, spell, from, node));
                }
            }
            Order::Invisible(user, false) => {
                let ended = |spell: &mut Spell| spell.ended = Some(Instant::now());
                lock(&self.model)
                    .spells
                    .get_mut(user)
                    .and_then(|spells| spells.last_mut())
                    .map(ended);
                let to = self.set_invisible(user, false).await;
                let mut model = lock(&self.model);
                model.invisible.remove(user);
                if let Some(spell) = model
                    .spells
                    .get_mut(user)
                    .and_then(|spells| spells.last_mut())
                {
                    spell.to = Some(to);
                }
            }
            Order::Block(one, other, blocks) => {
                let method = if blocks { "PUT" } else { "DELETE" };
                let path = format!("/v1/users/{one}/blocks/{other}");
                let first = fastrand::usize(..self.nodes.len());
                self.settled(first, method, &path, &Value::Null).await;
                let all = &mut lock(&self.model).blocks;
                match blocks {
                    true => all.insert((one, other)),
                    false => all.remove(&(one, other)),
                };
            }
            Order::Contact(one, other, true) => {
                let outcome = self.answered(one, ask::add_contact(other)).await;
                if matches!(outcome, Outcome::Accepted(_)) {
                    lock(&self.model).added.insert((one, other));
                }
            }
            Order::Contact(one, other, false) => {
                let outcome = self.answered(one, ask::remove_contact(other)).await;
                assert!(matches!(outcome, Outcome::Accepted(_)), "{outcome:?}");
                let added = &mut lock(&self.model).added;
                added.remove(&(one, other));
                added.remove(&(other, one));
            }
        }
    }

    async fn set_invisible(&self, user: &'static str, invisible: bool) -> u64 {
        if fastrand::bool() && !self.here(Some(user)).is_empty() {
            match self.answered(user, ask::invisible(invisible)).await {
                Outcome::Accepted(accepted) => return accepted.position,
                other => panic!("{user}: {other:?}"),
            }
        }
        let path = format!("/v1/users/{user}/visibility");
        let first = fastrand::usize(..self.nodes.len());
        let body = json!({ "invisible": invisible });
        self.settled(first, "PUT", &path, &body).await
    }
}

/// As soon as a node has what somebody's invisibility stands in, nobody there may see them.
async fn fence(stage: Arc<Stage>, user: &'static str, spell: usize, from: u64, node: usize) {
    let is_over = || lock(&stage.model).spells[user][spell].ended.is_some();
    let path = format!("/v1/users/{user}/blocks?at_least={from}");
    let (server, instance) = loop {
        if is_over() {
            return;
        }
        if let Some((server, instance)) = stage.server(node) {
            let (status, said) = call(&server, "GET", &path, "", &Value::Null).await;
            match status {
                200 => break (server, instance),
                0 | 503 => {}
                _ => panic!("{path}: {status} {said}"),
            }
        }
        tokio::time::sleep(AGAIN).await;
    };
    {
        let mut node = lock(&stage.nodes[node]);
        if node.instance == instance {
            node.fences.insert((user, spell));
        }
    }
    let looks = |found: Option<Found>| {
        let found = found?;
        let hit = |(who, state, _): &(String, String, u64)| who == user && state != "offline";
        let seen = found.people.iter().any(hit) || found.counted.contains(user);
        seen.then_some((found.people, found.counted, found.total))
    };
    let viewer = USERS[usize::from(user == USERS[0])];
    // At once, before it can settle.
    let found = looks(search(&server, viewer, "only").await);
    if let Some(found) = found
        && !is_over()
    {
        let wrong = format!("{user}, invisible since {from}, is found at node {node}: {found:?}");
        lock(&stage.wrong).push(wrong);
    }
    let path = format!("/v1/users/{user}/presence?as={viewer}");
    let (status, said) = call(&server, "GET", &path, "", &Value::Null).await;
    if status == 200 && said["state"] != "offline" && !is_over() {
        let wrong = format!("{user}, invisible since {from}, is seen at node {node}: {said}");
        lock(&stage.wrong).push(wrong);
    }
    drop(server);
    for device in stage.here(None) {
        if (device.node, device.instance) == (node, instance) && device.user != user {
            device.fence(user, spell).await;
        }
    }
}
