//! Presence through whatever happens: people come, drop out, are away, become invisible, block each other, add
//! and remove contacts, send heartbeats to one node and the other, while servers are killed, stopped and paused
//! for longer than they are missed. After each round every watch, every search and the API say the same, and
//! what is so; and at no time has anybody seen somebody who was invisible, as soon as their server knew.
//!
//! A few rounds here, of other times each time: `TIDINGS_ROUNDS` and `TIDINGS_SEED` say how many and which.

use std::{
    cell::Cell,
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use fastrand::Rng;
use tidings_protocol::{
    command,
    frame::{Outcome, Request},
    query,
};
use tidings_tests::{Way, World, ask, wait};
use uuid::Uuid;

use crate::{kill_rounds::rounds, two_nodes::worlds_of};

mod device;
mod judge;
mod stage;

use stage::{Order, Stage, USERS, with_people};

/// Rounds on one log; after them a new one is begun.
const LOT: usize = 10;

/// Most devices of one user.
const DEVICES: usize = 3;

/// What is done to servers in a round. A server is named by its number.
#[derive(Clone, Copy, Debug)]
enum Disturbance {
    Nothing,
    Kill(usize),
    Stop(usize),
    /// For so many milliseconds, for which nobody misses it, or it is declared gone.
    Pause(usize, u64),
    KillAll,
}

impl Disturbance {
    /// All there are, in any order, the costly ones less often.
    fn deck(nodes: usize, random: &mut Rng) -> Vec<Disturbance> {
        use Disturbance as D;
        let mut node = || random.usize(..nodes);
        let nodes = [node(), node(), node(), node()];
        let mut deck = vec![
            D::Nothing,
            D::Kill(nodes[0]),
            D::Stop(nodes[1]),
            D::Pause(nodes[2], random.u64(100..1_500)),
            D::Pause(nodes[3], random.u64(3_500..5_500)),
            D::KillAll,
        ];
        random.shuffle(&mut deck);
        deck
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_agree_on_presence_whatever_happens() {
    let all = rounds(4);
    lots(all, async |grace_ms| {
        let world = with_people(World::jetstream().await, grace_ms);
        let (one, two) = worlds_of(world).await;
        vec![one, two]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_agrees_with_itself_on_presence_whatever_happens() {
    let all = rounds(3);
    lots(all, async |grace_ms| {
        vec![with_people(World::embedded(), grace_ms)]
    })
    .await;
}

async fn lots(all: usize, worlds: impl AsyncFn(u64) -> Vec<World>) {
    let seed = wait::seed();
    let begun = Instant::now();
    // Each lot has a seed of its own, so that it can be tried again alone.
    for (lot, first) in (0..all).step_by(LOT).enumerate() {
        let seed = seed.wrapping_add(lot as u64);
        let mut random = Rng::with_seed(seed);
        let grace_ms = random.u64(300..700);
        let stage = Stage::set(worlds(grace_ms).await).await;
        stage.know_each_other().await;
        let mut deck = Vec::new();
        for round in first..all.min(first + LOT) {
            if deck.is_empty() {
                deck = Disturbance::deck(stage.nodes.len(), &mut random);
            }
            let disturbance = deck.pop().unwrap();
            println!("round {round} (lot seed {seed}, grace {grace_ms} ms): {disturbance:?}");
            self::round(&stage, disturbance, &mut random).await;
        }
        for node in 0..stage.nodes.len() {
            stage.end(node, false).await;
        }
    }
    println!("{all} rounds in {:?}", begun.elapsed());
}

async fn round(stage: &Arc<Stage>, disturbance: Disturbance, random: &mut Rng) {
    let place = place(stage, random).await;
    let begun = Instant::now();
    let over = Cell::new(false);
    let fork = random.fork();
    let disturb = async {
        disturb(stage, disturbance, fork).await;
        over.set(true);
    };
    let act = async {
        let mut steps = 0;
        // A while before, during and after it.
        let mut left = random.usize(10..60);
        while left > 0 {
            if over.get() {
                left -= 1;
            }
            step(stage, place, random).await;
            steps += 1;
            tokio::time::sleep(Duration::from_micros(random.u64(..40_000))).await;
        }
        steps
    };
    let ((), steps) = tokio::join!(disturb, act);
    let acted = begun.elapsed();
    stage.quiet().await;
    stage.know_each_other().await;
    let quiet = Instant::now();
    let none = Vec::<String>::new();
    wait::becomes("differences when all is quiet", &none, async || {
        judge::differences(stage).await
    })
    .await;
    let leaks = judge::leaks(stage);
    assert!(
        leaks.is_empty(),
        "{} times something was seen: {:#?}",
        leaks.len(),
        &leaks[..leaks.len().min(10)]
    );
    println!(
        "  {steps} steps in {acted:.1?}, {} devices; agreed {:.1?} after",
        stage.here(None).len(),
        quiet.elapsed()
    );
}

/// Where everybody is, and somebody who may be asked for it.
async fn place(stage: &Arc<Stage>, random: &mut Rng) -> Uuid {
    for user in USERS {
        let node = random.usize(..stage.nodes.len());
        if stage.here(Some(user)).is_empty() {
            let opened = stage
                .open(user, node, random.choice(Way::ALL).unwrap())
                .await;
            opened
                .expect("nothing keeps it out")
                .say(ask::watch(&USERS, true))
                .await;
        }
    }
    let host = stage.here(Some(USERS[0])).pop().expect("it was opened");
    let others = &USERS[1..];
    match host
        .command(Uuid::now_v7(), ask::group("all", others))
        .await
    {
        Some(Outcome::Accepted(accepted)) => tidings_tests::session::conversation_of(&accepted),
        other => panic!("{other:?}"),
    }
}

async fn disturb(stage: &Stage, disturbance: Disturbance, mut random: Rng) {
    let mut spell = |most: u64| {
        let ms = random.u64(..most);
        tokio::time::sleep(Duration::from_millis(ms))
    };
    spell(600).await;
    match disturbance {
        Disturbance::Nothing => {}
        Disturbance::Kill(node) => {
            stage.end(node, false).await;
            spell(1_500).await;
            stage.start(node).await;
        }
        Disturbance::Stop(node) => {
            stage.end(node, true).await;
            spell(1_500).await;
            stage.start(node).await;
        }
        Disturbance::Pause(node, ms) => {
            let (server, _) = stage.server(node).expect("it runs");
            server.freeze().await;
            tokio::time::sleep(Duration::from_millis(ms)).await;
            server.thaw();
        }
        Disturbance::KillAll => {
            for node in 0..stage.nodes.len() {
                stage.end(node, false).await;
            }
            spell(800).await;
            for node in 0..stage.nodes.len() {
                stage.start(node).await;
            }
        }
    }
    spell(300).await;
}

/// Somebody does something.
async fn step(stage: &Arc<Stage>, place: Uuid, random: &mut Rng) {
    let user = random.choice(USERS).unwrap();
    let devices = stage.here(Some(user));
    let device = random.choice(&devices);
    let other = *random.choice(&USERS).unwrap();
    match (random.u32(..100), device) {
        (0..16, _) if devices.len() < DEVICES => {
            let node = random.usize(..stage.nodes.len());
            let way = random.choice(Way::ALL).unwrap();
            let list = some(random);
            let (opening, roster) = (stage.clone(), random.bool());
            stage.beside(async move {
                if let Some(device) = opening.open(user, node, way).await {
                    let list: Vec<&str> = list.into_iter().collect();
                    device.say(ask::watch(&list, roster)).await;
                }
            });
        }
        (16..26, Some(device)) => device.close().await,
        (26..36, Some(device)) => {
            let state = random.choice(["away", "away", "available"]).unwrap();
            device.say(ask::presence(state)).await;
        }
        (36..42, Some(device)) => {
            let list: Vec<&str> = some(random).into_iter().collect();
            device.say(ask::watch(&list, random.bool())).await;
        }
        (42..62, _) => {
            let hidden = stage.model.lock().unwrap().hides(user);
            stage.order(Order::Invisible(user, hidden));
        }
        (62..68, _) if other != user => {
            let blocks = stage.model.lock().unwrap().blocks.contains(&(user, other));
            stage.order(Order::Block(user, other, !blocks));
        }
        (68..76, _) if other != user => {
            // Rather added than removed.
            stage.order(Order::Contact(user, other, random.u32(..4) > 0));
        }
        (76..81, _) => {
            let beats = &mut stage.model.lock().unwrap().beats;
            match random.choice(["available", "away", ""]).unwrap() {
                "" => beats.remove(user),
                state => beats.insert(user, state),
            };
        }
        (81..100, Some(device)) => act(device, place, random).await,
        _ => {}
    }
}

/// What is seen by others, or shows others.
async fn act(device: &device::Device, place: Uuid, random: &mut Rng) {
    let (last_seq, cursor, looks_for) = {
        let mut held = device.held();
        let looks_for = std::mem::replace(&mut held.looks_for, true);
        (held.last_seq, held.cursor, looks_for)
    };
    let online = query::SearchPeople {
        online: "only".to_owned(),
        facets: vec!["city".to_owned()],
        limit: 100,
        ..query::SearchPeople::default()
    };
    match random.u32(..8) {
        0 => device.say(ask::typing(place, true)).await,
        1 => device.say(ask::look(place)).await,
        2 => device.say(ask::read(place, last_seq)).await,
        3 => device.say(ask::ack(cursor.0, cursor.1)).await,
        4 => {
            let post = ask::post(place, "whoever reads this");
            device.begin(Uuid::now_v7(), post).await;
        }
        5 if !looks_for => {
            let search = Some(online);
            let watch = Request::WatchPeople(query::WatchPeople { search });
            device.look_for(watch).await;
        }
        6 => {
            let nowhere = command::Look::default();
            device.say(Request::Look(nowhere)).await;
        }
        _ => device.look_for(Request::SearchPeople(online)).await,
    }
}

/// Some users.
fn some(random: &mut Rng) -> BTreeSet<&'static str> {
    let count = random.usize(..USERS.len());
    (0..count).map(|_| random.choice(USERS).unwrap()).collect()
}
