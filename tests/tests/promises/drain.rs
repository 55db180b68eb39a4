//! A server that is asked to stop: everyone is told when to come back, nothing acknowledged is lost,
//! and whoever comes back goes on where they were.

use std::collections::BTreeMap;

use tidings_tests::{Session, Way, World, ask, fleet::Fleet, token};

use crate::kill_rounds::{check, sound, urls, whole};

on_both_logs! {
    everyone_is_told_when_to_come_back,
}

/// Connections beside the fleet: enough that times spread over a window cannot be close together by
/// accident.
const WATCHERS: usize = 60;

/// The window, in milliseconds.
const WINDOW: u32 = 1_500;

async fn everyone_is_told_when_to_come_back(mut world: World) {
    world.limits(&format!("drain_ms = {WINDOW}\n"));
    let server = world.start().await;
    let fleet = Fleet::muster(&urls(&server)).await;
    let mut watchers = Vec::new();
    for n in 0..WATCHERS {
        // Some of them in the middle of everything.
        let user = format!("user-{}", n % 8);
        let session = Session::open(&server, Way::ALL[n % 4], &user).await;
        let cursor = session.cursor.clone();
        watchers.push((user, cursor, tokio::spawn(session.closed())));
    }
    fleet.go();
    fleet.until_promised(200).await;
    server.terminate();

    let mut after = Vec::new();
    let mut cursors = Vec::new();
    for (user, cursor, closed) in watchers {
        let closed = closed.await.unwrap();
        assert_eq!(
            (closed.name(), closed.code()),
            ("draining", Some(4004)),
            "{user}: {closed:?}"
        );
        let closing = closed.closing.unwrap();
        assert!(
            closing.reconnect && closing.after_ms < WINDOW,
            "{closing:?}"
        );
        after.push(closing.after_ms);
        cursors.push((user, cursor));
    }
    let (first, last) = (after.iter().min().unwrap(), after.iter().max().unwrap());
    assert!(
        last - first > WINDOW / 2,
        "not spread over the window: {after:?}"
    );
    let status = server.ended().await;
    assert!(status.success(), "{status}");
    sound(&world);

    let server = world.start().await;
    let mut histories = BTreeMap::new();
    check(&fleet, &server, &mut histories).await;
    for (user, cursor) in cursors {
        let session = Session::resume(&server, Way::WebSocketProtobuf, &user, cursor).await;
        let reason = session.reset.map(|reset| reset.reason);
        assert!(
            session.welcome.resumed || reason.as_deref() == Some("gap"),
            "{user}: {reason:?}"
        );
    }
    fleet.until_promised(fleet.promised() + 50).await;
    fleet.rest().await;
    whole(&fleet, &server, histories).await;
    fleet.disband().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_nobody_is_connected_to_stops_at_once() {
    let world = World::embedded();
    let server = world.start().await;
    let mut session = Session::open(&server, Way::WebSocketJson, "ann").await;
    session.command(ask::direct("ben")).await;
    drop(session);
    server.terminate();
    let status = server.ended().await;
    assert!(status.success(), "{status}");
    sound(&world);
    // And comes back as it was.
    let server = world.start().await;
    let session = Session::hello(&server, Way::QuicProtobuf, ask::hello(&token::of("ben"))).await;
    assert_eq!(session.reset.unwrap().conversations.len(), 1);
}
