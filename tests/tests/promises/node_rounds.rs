//! Two servers on one log, and everything that can happen to them: killed, stopped, paused for longer
//! than they are missed, with the nats-server killed or paused, two of these at once. After each round
//! everybody sees the same, and what a client that knows nothing is shown.
//!
//! Five rounds here; `cargo xtask kill-rounds --log two-nodes` runs as many as one likes.

use std::{
    collections::BTreeMap,
    env,
    time::{Duration, Instant},
};

use fastrand::Rng;
use tidings_protocol::frame::{Body, Outcome};
use tidings_tests::{
    Server, Session, Way, World, ask,
    crowd::{Crowd, GUEST, HOST, USERS},
    eventually,
    fleet::Fleet,
    history, http,
    journal::Journal,
    proxy::Proxy,
    views::View,
    wait, within,
};

use crate::{
    kill_rounds::{check, rounds, sound, whole},
    two_nodes::{both, others, worlds_of},
};

/// Rounds on one log; after them a new one is begun.
const LOT: usize = 10;

/// What is done in a round. A server is named by its number.
#[derive(Clone, Copy, Debug)]
enum Disturbance {
    Kill(usize),
    Stop(usize),
    /// Until everybody has gone to the other one.
    Pause(usize),
    /// For so many milliseconds, which may or may not be noticed.
    Doze(usize, u64),
    KillBoth,
    /// Both, the second a moment later.
    PauseBoth(u64),
    KillLog(u64),
    PauseLog(u64),
    KillWithLog(usize),
    /// When the servers have missed each other for want of it.
    KillWithoutLog(usize),
    /// It finds another nats-server process than the one it knew.
    PauseOverLogRestart(usize),
    StopWhileLogPauses(usize, u64),
    /// Those who are sent away are sent to one that does not answer.
    StopBesidePaused(usize),
    KillBesidePaused(usize),
    /// Comes back while the other one is silent.
    StartBesidePaused(usize),
    /// Comes back with nothing but its secrets.
    KillAndForget(usize),
    /// Again and again, sometimes for about as long as it takes to be missed.
    Flap(usize),
    /// The second server and the log do not hear each other.
    Part(u64),
    /// Their connection breaks, again and again.
    Cut,
}

impl Disturbance {
    /// Whether a server is silent for a while, to clients or to the other, and then goes on where it was.
    fn pauses(self) -> bool {
        use Disturbance as D;
        match self {
            D::Pause(_)
            | D::Doze(..)
            | D::PauseBoth(_)
            | D::PauseOverLogRestart(_)
            | D::StopBesidePaused(_)
            | D::KillBesidePaused(_)
            | D::StartBesidePaused(_)
            | D::Flap(_)
            | D::KillLog(_)
            | D::PauseLog(_)
            | D::KillWithLog(_)
            | D::KillWithoutLog(_)
            | D::StopWhileLogPauses(..)
            | D::Part(_)
            | D::Cut => true,
            D::Kill(_) | D::Stop(_) | D::KillBoth | D::KillAndForget(_) => false,
        }
    }

    /// All there are, in any order.
    fn deck(random: &mut Rng) -> Vec<Disturbance> {
        use Disturbance as D;
        let mut node = || random.usize(..2);
        let nodes: [usize; 13] = std::array::from_fn(|_| node());
        let mut ms = || random.u64(200..6_000);
        let mut deck = vec![
            D::Kill(nodes[0]),
            D::Stop(nodes[1]),
            D::Pause(nodes[2]),
            D::Pause(1 - nodes[2]),
            D::Doze(nodes[3], ms()),
            D::KillBoth,
            D::PauseBoth(ms()),
            D::KillLog(ms() / 2),
            D::PauseLog(ms()),
            D::KillWithLog(nodes[4]),
            D::PauseOverLogRestart(nodes[5]),
            D::StopWhileLogPauses(nodes[6], ms()),
            D::StopBesidePaused(nodes[7]),
            D::KillBesidePaused(nodes[8]),
            D::StartBesidePaused(nodes[9]),
            D::KillAndForget(nodes[10]),
            D::Flap(nodes[11]),
            D::KillWithoutLog(nodes[12]),
            D::Part(ms()),
            D::Cut,
        ];
        random.shuffle(&mut deck);
        deck
    }
}

/// Two servers, who is on them, and what is known of both.
struct Scene {
    worlds: [World; 2],
    /// Between the second server and the log.
    proxy: Proxy,
    servers: [Option<Server>; 2],
    fleet: Fleet,
    crowd: Crowd,
    journal: Journal,
    /// Whether a server has been silent and gone on.
    paused: bool,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_kill_rounds() {
    let all = rounds(5);
    let seed = wait::seed();
    let begun = Instant::now();
    // Each lot has a seed of its own, so that it can be tried again alone.
    for (lot, first) in (0..all).step_by(LOT).enumerate() {
        let mut random = Rng::with_seed(seed.wrapping_add(lot as u64));
        let shards = random.choice([None, Some(8)]).unwrap();
        let mut scene = Scene::set(shards, &mut random).await;
        let mut deck = Vec::new();
        for round in first..all.min(first + LOT) {
            if deck.is_empty() {
                deck = Disturbance::deck(&mut random);
            }
            let disturbance = match env::var("DISTURBANCE") {
                Ok(wanted) => wanted_of(&mut random, &wanted),
                Err(_) => deck.pop().unwrap(),
            };
            println!(
                "round {round} (lot seed {}): {disturbance:?}, {} shards",
                seed.wrapping_add(lot as u64),
                shards.unwrap_or(1)
            );
            scene.round(disturbance, &mut random).await;
        }
        scene.end().await;
    }
    println!("{all} rounds in {:?}", begun.elapsed());
}

/// The disturbance of that name.
fn wanted_of(random: &mut Rng, name: &str) -> Disturbance {
    let deck = Disturbance::deck(random);
    let found = deck
        .into_iter()
        .find(|one| format!("{one:?}").split('(').next() == Some(name));
    found.unwrap_or_else(|| panic!("no disturbance {name:?}"))
}

impl Scene {
    async fn set(shards: Option<u16>, random: &mut Rng) -> Scene {
        let mut world = World::jetstream().await;
        // A silent server is noticed soon, and a stopping one is quick.
        world.limits("heartbeat_ms = 2000\ndrain_ms = 500\n");
        if let Some(shards) = shards {
            world.shards(shards);
        }
        let (one, mut two) = worlds_of(world).await;
        let log = one.log_servers[0].strip_prefix("nats://").unwrap();
        let proxy = Proxy::tcp(log.parse().unwrap()).await;
        two.log_servers = vec![format!("nats://{}", proxy.address())];
        let servers = both(&one, &two).await;
        let urls: Vec<_> = (0..4).map(|n| Way::ALL[n].url(&servers[n % 2])).collect();
        let fleet = Fleet::muster_at(&urls, Duration::from_millis(300)).await;
        let crowd = Crowd::gather(&servers, random).await;
        Scene {
            worlds: [one, two],
            proxy,
            servers: servers.map(Some),
            fleet,
            crowd,
            journal: Journal::default(),
            paused: false,
        }
    }

    fn server(&self, number: usize) -> &Server {
        self.servers[number].as_ref().expect("it runs")
    }

    /// Everybody gets a command through, as things are.
    async fn all_get_through(&self) {
        let fleet = self.fleet.until_promised(self.fleet.promised() + 20);
        tokio::join!(self.crowd.get_through(), fleet);
    }

    async fn start(&mut self, number: usize) {
        self.servers[number] = Some(self.worlds[number].start().await);
    }

    fn kill(&mut self, number: usize) {
        self.servers[number].take().expect("it runs").kill();
    }

    async fn stop(&mut self, number: usize) {
        let server = self.servers[number].take().expect("it runs");
        server.terminate();
        let status = server.ended().await;
        assert!(status.success(), "{status}");
    }

    async fn round(&mut self, disturbance: Disturbance, random: &mut Rng) {
        // They stay where they are as long as it is there.
        let first = random.usize(..2);
        let ways = [Way::WebSocketProtobuf, Way::QuicProtobuf]
            .map(|way| [0, 1].map(|number| way.url(self.server(number))));
        let url = |number: usize, _| ways[number / 2 % 2][(first + number) % 2].clone();
        self.crowd.spread(url).await;
        self.fleet.go();
        self.crowd.go();
        let (answered, promised) = (self.crowd.answered(), self.fleet.promised());
        let more = promised + random.usize(10..60);
        self.fleet.until_promised(more).await;
        // Anywhere between two acknowledgements.
        tokio::time::sleep(Duration::from_micros(random.u64(..20_000))).await;

        let begun = Instant::now();
        self.paused |= disturbance.pauses();
        self.disturb(disturbance, random).await;
        let disturbed = begun.elapsed();

        let over = Instant::now();
        // Whoever comes now comes to either of them, also to one that has been away.
        for number in 0..2 {
            let way = random.choice(Way::ALL).unwrap();
            let url = way.url(self.server(number));
            let user = random.choice(USERS).unwrap();
            self.crowd.arrive(user, &url, way.encoding()).await;
            self.crowd.follow(random.usize(..8), &url).await;
        }
        self.all_get_through().await;
        let back = over.elapsed();
        self.know_each_other().await;
        self.typing_crosses().await;
        let judged = Instant::now();
        tokio::join!(self.fleet.rest(), self.crowd.rest());
        self.judge(random).await;
        self.crowd.leave_but(8).await;
        println!(
            "  disturbed {disturbed:.1?}, everybody back after {back:.1?}; {} commands, {} messages of the fleet; judged in {:.1?}",
            self.crowd.answered() - answered,
            self.fleet.promised() - promised,
            judged.elapsed(),
        );
    }

    async fn disturb(&mut self, disturbance: Disturbance, random: &mut Rng) {
        use Disturbance as D;
        let spell = |ms| tokio::time::sleep(Duration::from_millis(ms));
        match disturbance {
            D::Kill(node) => {
                self.kill(node);
                self.all_get_through().await;
                self.start(node).await;
            }
            D::Stop(node) => {
                self.stop(node).await;
                self.all_get_through().await;
                self.start(node).await;
            }
            D::Pause(node) => {
                self.server(node).freeze().await;
                self.all_get_through().await;
                self.server(node).thaw();
            }
            D::Doze(node, ms) => {
                self.server(node).freeze().await;
                spell(ms).await;
                self.server(node).thaw();
            }
            D::KillBoth => {
                self.kill(0);
                self.kill(1);
                let (one, two) = tokio::join!(self.worlds[0].start(), self.worlds[1].start());
                self.servers = [Some(one), Some(two)];
            }
            D::PauseBoth(ms) => {
                self.server(0).freeze().await;
                spell(ms / 2).await;
                self.server(1).freeze().await;
                spell(ms).await;
                let first = random.usize(..2);
                self.server(first).thaw();
                spell(ms / 2).await;
                self.server(1 - first).thaw();
            }
            D::KillLog(ms) => {
                self.worlds[0].nats().kill();
                spell(ms).await;
                self.worlds[0].nats().restart().await;
            }
            D::PauseLog(ms) => {
                self.worlds[0].nats().freeze();
                spell(ms).await;
                self.worlds[0].nats().thaw();
            }
            D::KillWithLog(node) => {
                self.kill(node);
                self.worlds[0].nats().kill();
                self.worlds[0].nats().restart().await;
                self.all_get_through().await;
                self.start(node).await;
            }
            D::KillWithoutLog(node) => {
                self.worlds[0].nats().kill();
                others(self.server(node), 0).await;
                self.kill(node);
                self.worlds[0].nats().restart().await;
                self.all_get_through().await;
                self.start(node).await;
            }
            D::PauseOverLogRestart(node) => {
                self.server(node).freeze().await;
                self.worlds[0].nats().kill();
                self.worlds[0].nats().restart().await;
                self.all_get_through().await;
                self.server(node).thaw();
            }
            D::StopWhileLogPauses(node, ms) => {
                self.worlds[0].nats().freeze();
                self.server(node).terminate();
                spell(ms).await;
                self.worlds[0].nats().thaw();
                self.stop(node).await;
                self.all_get_through().await;
                self.start(node).await;
            }
            D::StopBesidePaused(node) => {
                self.server(1 - node).freeze().await;
                self.stop(node).await;
                self.server(1 - node).thaw();
                self.all_get_through().await;
                self.start(node).await;
            }
            D::KillBesidePaused(node) => {
                self.server(1 - node).freeze().await;
                self.kill(node);
                self.server(1 - node).thaw();
                self.all_get_through().await;
                self.start(node).await;
            }
            D::StartBesidePaused(node) => {
                self.kill(node);
                self.server(1 - node).freeze().await;
                self.start(node).await;
                // Who is on the other one may have been told that this one is gone: they wait.
                spell(random.u64(..5_000)).await;
                self.server(1 - node).thaw();
            }
            D::KillAndForget(node) => {
                self.kill(node);
                let folders = std::fs::read_dir(&self.worlds[node].data).unwrap();
                let folders = folders.map(|entry| entry.unwrap().path());
                for folder in folders.filter(|path| path.is_dir()) {
                    std::fs::remove_dir_all(folder).unwrap();
                }
                self.start(node).await;
            }
            D::Flap(node) => {
                for _ in 0..random.usize(3..7) {
                    self.server(node).freeze().await;
                    spell(random.u64(10..3_500)).await;
                    self.server(node).thaw();
                    spell(random.u64(10..600)).await;
                }
            }
            D::Part(ms) => {
                self.proxy.hold_up();
                self.proxy.hold_down();
                spell(ms).await;
                self.proxy.release();
            }
            D::Cut => {
                for _ in 0..random.usize(1..5) {
                    self.proxy.cut();
                    spell(random.u64(..800)).await;
                }
            }
        }
    }

    /// Both are heard, clients are told of both, and each shard has one writer.
    async fn know_each_other(&self) {
        let servers = [self.server(0), self.server(1)];
        for (server, other) in [(servers[0], servers[1]), (servers[1], servers[0])] {
            others(server, 1).await;
            let expected = vec![format!("http://{}", other.http)];
            wait::becomes(
                "clients are told where the other is",
                &expected,
                async || {
                    Session::open(server, Way::QuicJson, HOST)
                        .await
                        .welcome
                        .nodes
                },
            )
            .await;
        }
        let shards = http::metric(servers[0], "tidings_shards").await;
        wait::becomes("each shard has one writer", &shards, async || {
            let name = "tidings_shards_written";
            http::metric(servers[0], name).await + http::metric(servers[1], name).await
        })
        .await;
    }

    /// What nobody records crosses, both ways.
    async fn typing_crosses(&self) {
        for (from, to) in [(0, 1), (1, 0)] {
            let mut types = Session::open(self.server(from), Way::WebSocketProtobuf, HOST).await;
            let mut looks = Session::open(self.server(to), Way::QuicProtobuf, GUEST).await;
            eventually("typing is told at the other server", async || {
                types.send(None, ask::typing(self.crowd.hall, true)).await;
                let told = async {
                    loop {
                        match looks.next().await {
                            Body::Typing(typing) if typing.user == HOST => return,
                            _ => {}
                        }
                    }
                };
                // It may be shed: then it is said again.
                let said = tokio::time::timeout(Duration::from_millis(500), told).await;
                said.ok()
            })
            .await;
        }
    }

    /// Nobody acts any more: everything is as it was promised, and everybody sees the same.
    async fn judge(&mut self, random: &mut Rng) {
        // What is late, on another connection, is recognised.
        for (user, command_id, request, accepted) in self.crowd.some_done(10, random) {
            let server = self.server(random.usize(..2));
            let mut session = Session::open(server, random.choice(Way::ALL).unwrap(), user).await;
            match session.command_as(command_id, request.clone()).await {
                Outcome::Accepted(again) => assert_eq!(
                    (again.duplicate, again.position, again.seq),
                    (true, accepted.position, accepted.seq),
                    "{user}: {request:?}"
                ),
                other => panic!("{user}: {request:?}: {other:?}"),
            }
        }
        for number in 0..2 {
            check(&self.fleet, self.server(number), &mut BTreeMap::new()).await;
        }
        let config = self.worlds[0].nats().config();
        self.journal.read_on(config).await;
        let broken = self.crowd.broken(&self.journal, self.paused);
        assert!(
            broken.is_empty(),
            "{} things are broken: {:#?}",
            broken.len(),
            &broken[..broken.len().min(10)]
        );

        let fleet = self.fleet.clients().iter();
        let fleet = fleet.map(|(user, client)| (user.as_str(), client));
        let crowd = self.crowd.devices.iter();
        let crowd = crowd.map(|device| (device.user, &device.client));
        let mut clients: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for (user, client) in fleet.chain(crowd) {
            clients.entry(user).or_default().push(client);
        }
        for user in USERS {
            let read = self.crowd.read(user);
            let what = format!("what {user} has read, up to {read}, is recorded");
            eventually(&what, async || {
                let mut session = Session::open(self.server(0), Way::WebSocketJson, user).await;
                let hall = history::conversation(&mut session, self.crowd.hall).await;
                (hall.read_seq >= read).then_some(())
            })
            .await;
        }
        for (user, clients) in clients {
            let what = format!("differences of {user}");
            wait::becomes(&what, &Vec::<String>::new(), async || {
                let fresh = View::fresh(self.server(0), user).await;
                let mut found = Vec::new();
                if fresh != View::fresh(self.server(1), user).await {
                    found.push("the servers show different things".to_owned());
                }
                for client in &clients {
                    found.extend(client.with_state(|state| fresh.differences(state)));
                }
                found
            })
            .await;
        }
    }

    async fn end(self) {
        let Scene {
            worlds,
            servers,
            fleet,
            crowd,
            ..
        } = self;
        for server in servers.iter().flatten() {
            whole(&fleet, server, BTreeMap::new()).await;
        }
        within("the crowd disperses", crowd.disperse()).await;
        fleet.disband().await;
        for server in servers.into_iter().flatten() {
            server.kill();
        }
        worlds.iter().for_each(sound);
    }
}
