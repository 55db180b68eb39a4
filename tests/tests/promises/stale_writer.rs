//! Two servers that both believe the log to be theirs, one of which is sometimes frozen in the middle
//! of an append: the log knows better, and clients notice nothing.

use std::{collections::BTreeMap, time::Duration};

use fastrand::Rng;
use tidings_protocol::frame::Outcome;
use tidings_tests::{
    Session, Way, World, ask, fleet::Fleet, history, http, proxy::Proxy, wait, within,
};
use uuid::Uuid;

use crate::{
    kill_rounds::{check, sound, whole},
    two_nodes::others,
};

/// A second server on the same folder is refused, in words.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_embedded_log_has_one_server() {
    let mut world = World::embedded();
    let server = world.start().await;
    let first = world.port;
    world.port = tidings_tests::world::free_port();
    let second = world.tool(&["serve"]);
    assert!(!second.status.success());
    let words = String::from_utf8_lossy(&second.stderr);
    let error = words.lines().find(|line| line.starts_with("error: "));
    let error = error.unwrap_or_else(|| panic!("no error in {words}"));
    assert!(
        error.contains("in use") || error.contains("another process"),
        "{error}"
    );
    // Nor do the tools that write.
    let audit = world.tool(&["projections", "audit"]);
    assert!(!audit.status.success());
    // The first one is not disturbed.
    world.port = first;
    let mut ann = Session::open(&server, Way::WebSocketJson, "ann").await;
    ann.command(ask::direct("ben")).await;
}

/// Two servers on one log.
async fn pair(log_proxied: bool) -> (World, World, Option<Proxy>) {
    let mut one = World::jetstream().await;
    let proxy = match log_proxied {
        true => {
            let nats = one.log_servers[0].strip_prefix("nats://").unwrap();
            let proxy = Proxy::tcp(nats.parse().unwrap()).await;
            one.log_servers = vec![format!("nats://{}", proxy.address())];
            Some(proxy)
        }
        false => None,
    };
    // The first start makes the secrets that both share.
    one.start().await.kill();
    let mut two = one.twin();
    two.log_servers = vec![one.nats().url()];
    (one, two, proxy)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jetstream_of_two_writers_neither_loses_or_doubles() {
    let mut random = Rng::with_seed(wait::seed());
    let (one, two, _) = pair(false).await;
    let servers = [one.start().await, two.start().await];
    let urls: Vec<_> = (0..6)
        .map(|n| Way::WebSocketProtobuf.url(&servers[n % 2]))
        .collect();
    // Every conversation has members on both servers.
    let fleet = Fleet::muster(&urls).await;
    fleet.go();
    for round in 0..6 {
        let paused = &servers[round % 2];
        fleet
            .until_promised(fleet.promised() + random.usize(20..120))
            .await;
        tokio::time::sleep(Duration::from_micros(random.u64(..3_000))).await;
        paused.freeze().await;
        // The other one goes on, in the same conversations.
        fleet.until_promised(fleet.promised() + 60).await;
        paused.thaw();
    }
    fleet.until_promised(fleet.promised() + 100).await;
    fleet.rest().await;
    // Both tell the same, in the same order.
    for server in &servers {
        let mut histories = BTreeMap::new();
        check(&fleet, server, &mut histories).await;
        whole(&fleet, server, histories).await;
    }
    fleet.disband().await;
    let [first, second] = servers;
    first.kill();
    second.kill();
    sound(&one);
    sound(&two);
}

/// A post at one server, whose append has (or has not) arrived when that server freezes, and then the
/// client's retry at the other.
async fn retried_elsewhere(arrived: bool) {
    let (one, two, proxy) = pair(true).await;
    let proxy = proxy.unwrap();
    // The first is to be the writer, which is drawn from both names: with one of them kept, an unlucky one could lose
    // against every other for minutes.
    let (first, second) = loop {
        let first = one.start().await;
        let second = two.start().await;
        others(&first, 1).await;
        if http::metric(&first, "tidings_shards_written").await == 1 {
            break (first, second);
        }
        first.kill();
        second.kill();
    };
    let mut ann = Session::open(&first, Way::WebSocketProtobuf, "ann").await;
    let conversation = ann.start(ask::direct("ben")).await;
    ann.command(ask::post(conversation, "before")).await;
    let mut elsewhere = Session::open(&second, Way::QuicProtobuf, "ann").await;

    match arrived {
        true => proxy.hold_down(),
        false => proxy.hold_up(),
    }
    let (command_id, request) = (Uuid::now_v7(), ask::post(conversation, "in the middle"));
    let asked = ann.send(Some(command_id), request.clone()).await;
    if arrived {
        // The second server tells of it: so it is in the log, and the first one does not know.
        elsewhere
            .event_where(|event| format!("{event:?}").contains("in the middle"))
            .await;
    } else {
        // What is sent before the freeze is held up, or is not sent at all: either is a lost append.
        ann.send(None, ask::ping()).await;
        within("the first server has read on", async {
            let ping = ann.send(None, ask::ping()).await;
            ann.answer(ping).await.unwrap();
        })
        .await;
    }
    first.freeze().await;

    let answered = match elsewhere.command_as(command_id, request).await {
        Outcome::Accepted(accepted) => accepted,
        other => panic!("{other:?}"),
    };
    assert_eq!((answered.seq, answered.duplicate), (2, arrived));
    let next = elsewhere.command(ask::post(conversation, "after")).await;
    assert_eq!(next.seq, 3);

    first.thaw();
    proxy.release();
    // The first server finds out, and says the same.
    match ann.answer(asked).await.unwrap() {
        Outcome::Accepted(accepted) => {
            assert_eq!((accepted.seq, accepted.position), (2, answered.position));
            assert_eq!(accepted.duplicate, !arrived);
        }
        other => panic!("{other:?}"),
    }
    let last = ann.command(ask::post(conversation, "and after that")).await;
    assert_eq!(last.seq, 4);
    let expected = ["before", "in the middle", "after", "and after that"];
    for server in [&first, &second] {
        let what = "both servers tell the same";
        wait::becomes(what, &expected.map(str::to_owned).to_vec(), async || {
            let mut ben = Session::open(server, Way::WebSocketJson, "ben").await;
            let messages = history::all(&mut ben, conversation).await;
            messages.into_iter().map(|message| message.text).collect()
        })
        .await;
    }
    first.kill();
    second.kill();
    sound(&two);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jetstream_an_append_that_arrived_is_recognised_elsewhere() {
    retried_elsewhere(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jetstream_an_append_that_was_held_up_comes_too_late() {
    retried_elsewhere(false).await;
}
