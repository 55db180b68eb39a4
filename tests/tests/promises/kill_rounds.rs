//! Servers killed at any moment, under load: nothing acknowledged is lost, doubled or reordered, and
//! what is on disk is sound.
//!
//! Twenty rounds here; `cargo xtask kill-rounds` runs as many as one likes.

use std::{collections::BTreeMap, env, time::Duration};

use fastrand::Rng;
use tidings_protocol::view::Message;
use tidings_tests::{
    Log, Server, Session, Way, World,
    fleet::{Account, Fleet},
    history,
    views::View,
    wait,
};
use uuid::Uuid;

/// Rounds on one log; after them a new one is begun, so that the checks do not take longer and
/// longer.
const LOT: usize = 20;

/// Who is killed in a round.
#[derive(Clone, Copy, Debug)]
enum Victim {
    /// The server.
    Server,
    /// The server, and once more while it starts.
    Starting,
    /// The nats-server, which comes back; then the server.
    Log,
    /// Both at once.
    Both,
    /// The leader of the log's three nats-servers, and then the server.
    Leader,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn embedded_kill_rounds() {
    let mut random = Rng::with_seed(wait::seed());
    for rounds in lots(20) {
        let world = World::embedded();
        lot(
            world,
            rounds,
            &[Victim::Server, Victim::Server, Victim::Starting],
            &mut random,
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jetstream_kill_rounds() {
    let mut random = Rng::with_seed(wait::seed());
    let victims = [Victim::Server, Victim::Log, Victim::Both, Victim::Starting];
    for rounds in lots(20) {
        let world = World::jetstream().await;
        lot(world, rounds, &victims, &mut random).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jetstream_replicated_kill_rounds() {
    let mut random = Rng::with_seed(wait::seed());
    for rounds in lots(4) {
        let world = World::replicated().await;
        lot(
            world,
            rounds,
            &[Victim::Leader, Victim::Server],
            &mut random,
        )
        .await;
    }
}

/// The rounds asked for in `TIDINGS_ROUNDS`, or `usual`.
pub(crate) fn rounds(usual: usize) -> usize {
    match env::var("TIDINGS_ROUNDS") {
        Ok(text) => text.parse().expect("TIDINGS_ROUNDS is a number"),
        Err(_) => usual,
    }
}

/// The rounds, in lots.
fn lots(usual: usize) -> Vec<usize> {
    let rounds = rounds(usual);
    (0..rounds)
        .step_by(LOT)
        .map(|done| LOT.min(rounds - done))
        .collect()
}

/// Addresses of a fleet's clients: several transports and encodings.
pub(crate) fn urls(server: &Server) -> Vec<String> {
    let ways = [
        Way::WebSocketProtobuf,
        Way::QuicProtobuf,
        Way::WebSocketJson,
    ];
    (0..6).map(|n| ways[n % 3].url(server)).collect()
}

async fn lot(mut world: World, rounds: usize, victims: &[Victim], random: &mut Rng) {
    let mut server = world.start().await;
    let fleet = Fleet::muster(&urls(&server)).await;
    let mut histories = BTreeMap::new();
    fleet.go();
    let first = random.usize(..victims.len());
    for round in 0..rounds {
        let victim = victims[(first + round) % victims.len()];
        fleet
            .until_promised(fleet.promised() + random.usize(1..150))
            .await;
        // Anywhere between two acknowledgements.
        tokio::time::sleep(Duration::from_micros(random.u64(..3_000))).await;
        kill(&mut world, server, victim, &fleet, random).await;
        let promised = fleet.promised();
        sound(&world);
        server = world.start().await;
        check(&fleet, &server, &mut histories).await;
        println!("round {round}: {victim:?} killed after {promised} messages");
    }
    fleet.until_promised(fleet.promised() + 10).await;
    fleet.rest().await;
    whole(&fleet, &server, histories).await;
    fleet.disband().await;
}

async fn kill(world: &mut World, server: Server, victim: Victim, fleet: &Fleet, random: &mut Rng) {
    match victim {
        Victim::Server => server.kill(),
        Victim::Starting => {
            server.kill();
            let starting = world.starting();
            tokio::time::sleep(Duration::from_micros(random.u64(..150_000))).await;
            starting.kill();
        }
        Victim::Log => {
            world.nats().kill();
            world.nats().restart().await;
            // The server has survived it.
            fleet.until_promised(fleet.promised() + 20).await;
            server.kill();
        }
        Victim::Both => {
            server.kill();
            world.nats().kill();
            world.nats().restart().await;
        }
        Victim::Leader => {
            let leader = leader(world).await;
            world.cluster().named(&leader).kill();
            // The two others go on.
            fleet.until_promised(fleet.promised() + 20).await;
            world.cluster().named(&leader).restart().await;
            server.kill();
        }
    }
}

/// Name of the nats-server that leads the journal.
async fn leader(world: &World) -> String {
    let Log::Replicated(cluster) = &world.log else {
        panic!("not replicated");
    };
    tidings_tests::eventually("the journal has a leader", || async {
        for server in &cluster.servers {
            let text = tidings_tests::http::get(&server.monitor_url(), "/jsz?streams=true").await?;
            let found: serde_json::Value = serde_json::from_str(&text).unwrap();
            let streams = found["account_details"][0]["stream_detail"]
                .as_array()?
                .clone();
            let journal = streams.iter().find(|s| s["name"] == "tidings-journal")?;
            if let Some(leader) = journal["cluster"]["leader"].as_str() {
                return Some(leader.to_owned());
            }
        }
        None
    })
    .await
}

/// What is on disk passes every check there is.
pub(crate) fn sound(world: &World) {
    for tool in [["log", "verify"], ["projections", "audit"]] {
        let output = world.tool(&tool);
        assert!(
            output.status.success(),
            "{tool:?}: {}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
    }
}

/// Reads what was added to the histories, and holds it against what was promised before.
pub(crate) async fn check(
    fleet: &Fleet,
    server: &Server,
    histories: &mut BTreeMap<Uuid, Vec<Message>>,
) {
    let account = fleet.account();
    for conversation in &fleet.conversations {
        let known = histories.entry(*conversation).or_default();
        let member = fleet.member_of(*conversation);
        let mut session = Session::open(server, Way::WebSocketProtobuf, member).await;
        let last = known.last().map_or(0, |message| message.seq);
        known.extend(history::after(&mut session, *conversation, last).await);
        kept(&account, *conversation, known);
    }
}

fn kept(account: &Account, conversation: Uuid, history: &[Message]) {
    let broken = account.broken(conversation, history);
    assert!(
        broken.is_empty(),
        "{} promises are broken in {conversation}: {:#?}",
        broken.len(),
        &broken[..broken.len().min(10)],
    );
}

/// At the end: whole histories are what was read piece by piece, and every client's view is what a
/// new one is shown.
pub(crate) async fn whole(
    fleet: &Fleet,
    server: &Server,
    mut histories: BTreeMap<Uuid, Vec<Message>>,
) {
    check(fleet, server, &mut histories).await;
    for (conversation, known) in &histories {
        let member = fleet.member_of(*conversation);
        let mut session = Session::open(server, Way::QuicProtobuf, member).await;
        let read = history::all(&mut session, *conversation).await;
        assert_eq!(read.len(), known.len(), "{conversation}");
        for (read, known) in read.iter().zip(known) {
            assert_eq!(read, known, "{conversation}");
        }
    }
    for (user, client) in fleet.clients() {
        let expected: Vec<String> = Vec::new();
        wait::becomes(&format!("differences of {user}"), &expected, || async {
            let fresh = View::fresh(server, user).await;
            client.with_state(|state| fresh.differences(state))
        })
        .await;
    }
}
