//! Two servers on one log: their clients are one, and who loses a server goes on at the other.

use std::collections::BTreeMap;

use fastrand::Rng;
use tidings_protocol::{event::Kind, frame::Body};
use tidings_tests::{Server, Session, Way, World, ask, fleet::Fleet, http, wait, within};

use crate::kill_rounds::{check, rounds, sound, whole};

/// Two worlds with one log and one set of secrets.
async fn worlds() -> (World, World) {
    worlds_of(World::jetstream().await).await
}

/// The same, with one of them as it is to be.
pub(crate) async fn worlds_of(one: World) -> (World, World) {
    // The first start makes the secrets that both share.
    one.start().await.kill();
    let mut two = one.twin();
    two.log_servers.clone_from(&one.log_servers);
    (one, two)
}

/// Waits until a server knows of so many others.
pub(crate) async fn others(server: &Server, count: u64) {
    wait::becomes("the other nodes are known", &count, async || {
        http::metric(server, "tidings_other_nodes").await
    })
    .await;
}

pub(crate) async fn both(one: &World, two: &World) -> [Server; 2] {
    let servers = [one.start().await, two.start().await];
    for server in &servers {
        others(server, 1).await;
    }
    servers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_two_servers_are_one() {
    let (one, two) = worlds().await;
    let [first, second] = both(&one, &two).await;
    // A server is heard before it knows where it listens.
    let told = async |server: &Server, other: &Server| {
        wait::becomes(
            "clients are told where the other one is",
            &vec![format!("http://{}", other.http)],
            async || {
                let asks = Session::open(server, Way::WebSocketJson, "somebody").await;
                asks.welcome.nodes
            },
        )
        .await;
    };
    told(&first, &second).await;
    told(&second, &first).await;
    let mut ann = Session::open(&first, Way::WebSocketProtobuf, "ann").await;
    let mut ben = Session::open(&second, Way::QuicProtobuf, "ben").await;

    let conversation = ann.start(ask::direct("ben")).await;
    ben.event_where(|event| matches!(event.kind, Some(Kind::ConversationAdded(_))))
        .await;
    for n in 0..20 {
        let text = format!("message {n}");
        let (writes, reads) = match n % 2 {
            0 => (&mut ann, &mut ben),
            _ => (&mut ben, &mut ann),
        };
        let accepted = writes.command(ask::post(conversation, &text)).await;
        assert_eq!(accepted.seq, n + 1);
        let told = |event: &tidings_protocol::event::Event| match &event.kind {
            Some(Kind::MessagePosted(message)) => message.text == text,
            _ => false,
        };
        reads.event_where(told).await;
    }
    // What nobody records crosses, too.
    ben.send(None, ask::typing(conversation, true)).await;
    let typing = within("ann is told who types", async {
        loop {
            if let Body::Typing(typing) = ann.next().await {
                return typing;
            }
        }
    })
    .await;
    assert_eq!((&*typing.user, typing.active), ("ben", true));

    // Whoever is told to go is told where, and goes on there.
    let cursor = ann.cursor.clone();
    first.terminate();
    let closed = ann.closed().await;
    let address = closed.closing.as_ref().map(|closing| &*closing.address);
    assert_eq!(address, Some(&*format!("http://{}", second.http)));
    let mut ann = Session::resume(&second, Way::WebSocketProtobuf, "ann", cursor).await;
    assert!(ann.welcome.resumed);
    let accepted = ann.command(ask::post(conversation, "elsewhere")).await;
    assert_eq!(accepted.seq, 21);
    let gone = within("ben is told that the other server has gone", async {
        loop {
            if let Body::Nodes(nodes) = ben.next().await {
                return nodes.nodes;
            }
        }
    })
    .await;
    assert_eq!(gone, Vec::<String>::new());
    assert!(first.ended().await.success());
}

/// Kills one server after the other, under load, and lets them come back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_loses_a_server_goes_on_at_the_other() {
    let mut random = Rng::with_seed(wait::seed());
    let (one, two) = worlds().await;
    let worlds = [&one, &two];
    let mut servers = both(&one, &two).await.map(Some);
    let ways = [
        Way::WebSocketProtobuf,
        Way::QuicProtobuf,
        Way::WebSocketJson,
    ];
    let urls: Vec<_> = (0..6)
        .map(|n| ways[n % 3].url(servers[n % 2].as_ref().unwrap()))
        .collect();
    let fleet = Fleet::muster(&urls).await;
    let mut histories = BTreeMap::new();
    fleet.go();
    for round in 0..rounds(5) {
        let (dies, stays) = (round % 2, (round + 1) % 2);
        fleet
            .until_promised(fleet.promised() + random.usize(20..150))
            .await;
        servers[dies].take().unwrap().kill();
        // Every conversation goes on: its members are all at the other one by then.
        for _ in &fleet.conversations {
            fleet.until_promised(fleet.promised() + 20).await;
        }
        let here = servers[stays].as_ref().unwrap();
        check(&fleet, here, &mut histories).await;
        let back = worlds[dies].start().await;
        others(&back, 1).await;
        others(here, 1).await;
        servers[dies] = Some(back);
    }
    fleet.until_promised(fleet.promised() + 50).await;
    fleet.rest().await;
    for server in servers.iter().flatten() {
        let mut histories = BTreeMap::new();
        check(&fleet, server, &mut histories).await;
        whole(&fleet, server, histories).await;
    }
    fleet.disband().await;
    for server in servers.into_iter().flatten() {
        server.kill();
    }
    sound(&one);
    sound(&two);
}
