//! Servers that die, freeze and come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

/// Appends commits 1, 2, 3, ... to one shard, one after another, until it is told to stop. Every
/// commit is tried until it is acknowledged, as a writer does.
async fn append_until(log: SharedLog, shard: u16, base: u128, stop: Arc<AtomicBool>) -> Acked {
    let mut acked = Acked::default();
    let mut last = Position::START;
    while !stop.load(Ordering::Relaxed) {
        let id = base + acked.records.len() as u128 + 1;
        last = loop {
            match log.append(journal(shard, last, id)).await {
                Ok(position) => break position,
                Err(AppendError::Unclear(_)) => acked.unclear += 1,
                Err(AppendError::Unavailable(_)) => acked.unavailable += 1,
                Err(error) => panic!("commit {id} after {last}: {error}"),
            }
        };
        acked.records.push((last, id));
    }
    acked
}

#[derive(Default)]
struct Acked {
    records: Vec<(Position, u128)>,
    unclear: u32,
    unavailable: u32,
}

/// Reads from the start until `stop`, then up to the log's head.
async fn tail_until(log: SharedLog, stop: Arc<AtomicBool>) -> Vec<Record> {
    let mut tail = log.tail(Lane::Journal, Position::START).await.unwrap();
    let mut records: Vec<Record> = Vec::new();
    loop {
        let head = match stop.load(Ordering::Relaxed) {
            true => log.head(Lane::Journal).await.unwrap(),
            false => Position(u64::MAX),
        };
        if records.last().map_or(Position::START, |r| r.position) >= head {
            return records;
        }
        match tokio::time::timeout(Duration::from_millis(200), tail.next()).await {
            Ok(Ok(batch)) => records.extend(batch),
            Ok(Err(ReadError::Unavailable(_))) | Err(_) => {}
            Ok(Err(error)) => panic!("{error}"),
        }
    }
}

async fn grows(log: &SharedLog, by: u64) {
    let growing = async {
        let mut from = None;
        loop {
            if let Ok(head) = log.head(Lane::Journal).await
                && head.0 >= *from.get_or_insert(head.0) + by
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LONG, growing)
        .await
        .expect("the log goes on");
}

fn same_in_order(acked: &Acked, read: &[Record], shard: u16) {
    let read: Vec<_> = read
        .iter()
        .filter(|r| r.shard == Shard(shard))
        .map(|r| (r.position, r.id.as_u128()))
        .collect();
    let differ = read
        .iter()
        .zip(&acked.records)
        .find(|(read, acked)| read != acked);
    assert_eq!(
        differ, None,
        "shard {shard}: what was read is what was acknowledged"
    );
    assert_eq!(read.len(), acked.records.len(), "shard {shard}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_loses_nothing_it_acknowledged() {
    let folder = folder();
    let mut server = Server::start(folder.path()).await;
    let config = Config {
        patience: Duration::from_secs(2),
        ..server.config()
    };
    let log: SharedLog = Arc::new(connect(config).await);
    let stop = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn(append_until(log.clone(), 0, 0, stop.clone()));
    let written = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn(tail_until(log.clone(), written.clone()));

    for _ in 0..4 {
        grows(&log, 150).await;
        server.kill();
        server.restart().await;
    }
    grows(&log, 150).await;

    stop.store(true, Ordering::Relaxed);
    let acked = writer.await.unwrap();
    written.store(true, Ordering::Relaxed);
    let read = reader.await.unwrap();
    assert!(
        acked.records.len() >= 750,
        "{} commits",
        acked.records.len()
    );
    same_in_order(&acked, &read, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_and_tails_go_on_when_a_leader_is_killed() {
    let folder = folder();
    let mut cluster = Cluster::start(folder.path()).await;
    let jetstream = Arc::new(connect(cluster.config()).await);
    assert!(
        jetstream.warnings().is_empty(),
        "{:?}",
        jetstream.warnings()
    );
    let log: SharedLog = jetstream.clone();
    let stop = Arc::new(AtomicBool::new(false));
    let shards = [0, 7, 63];
    let base = |shard: u16| (u128::from(shard) + 1) << 64;
    let writers = shards.map(|s| tokio::spawn(append_until(log.clone(), s, base(s), stop.clone())));
    let written = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn(tail_until(log.clone(), written.clone()));

    for round in 0..3 {
        grows(&log, 300).await;
        let info = jetstream.api().info("tidings-journal").await.unwrap();
        let leader = info
            .cluster
            .and_then(|c| c.leader)
            .expect("there is a leader");
        let server = cluster.named(&leader);
        match round {
            // Silent instead of dead: nobody is told, only the heartbeats stop.
            1 => {
                server.freeze();
                grows(&log, 300).await;
                cluster.named(&leader).thaw();
            }
            _ => {
                server.kill();
                grows(&log, 300).await;
                cluster.named(&leader).restart().await;
            }
        }
    }
    grows(&log, 300).await;

    stop.store(true, Ordering::Relaxed);
    let mut acked = Vec::new();
    for writer in writers {
        acked.push(writer.await.unwrap());
    }
    written.store(true, Ordering::Relaxed);
    let read = reader.await.unwrap();
    for (shard, acked) in shards.iter().zip(&acked) {
        same_in_order(acked, &read, *shard);
    }
    assert_eq!(
        read.len(),
        acked.iter().map(|a| a.records.len()).sum::<usize>()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_presence_lane_begins_a_new_incarnation() {
    let folder = folder();
    let mut server = Server::start(folder.path()).await;
    let log = connect(server.config()).await;
    let before = log.incarnation(Lane::Presence);
    assert_eq!(log.head(Lane::Presence).await.unwrap(), Position::START);
    let first = log
        .append(commit(Lane::Presence, 0, Position::START, 1))
        .await
        .unwrap();
    assert_eq!(log.head(Lane::Presence).await.unwrap(), first);
    let mut tail = log.tail(Lane::Presence, Position::START).await.unwrap();
    assert_eq!(ids(&tail.next().await.unwrap()), [1]);

    server.kill();
    server.restart().await;

    let lost = tokio::time::timeout(LONG, tail.next())
        .await
        .expect("the tail notices");
    assert!(matches!(lost, Err(ReadError::Lost)), "{lost:?}");
    assert_ne!(log.incarnation(Lane::Presence), before);
    assert_eq!(log.incarnation(Lane::Journal), EPOCH);
    let refused = log.append(commit(Lane::Presence, 0, first, 2)).await;
    assert!(
        matches!(
            refused,
            Err(AppendError::Conflict {
                last: Position::START
            })
        ),
        "{refused:?}"
    );
    log.append(commit(Lane::Presence, 0, Position::START, 2))
        .await
        .unwrap();
    assert_eq!(ids(&read(&log, Lane::Presence, 1).await), [2]);

    // The other way round: an append is what meets the loss first.
    let before = log.incarnation(Lane::Presence);
    server.kill();
    server.restart().await;
    log.append(commit(Lane::Presence, 0, Position::START, 3))
        .await
        .unwrap();
    assert_ne!(log.incarnation(Lane::Presence), before);
    assert_eq!(ids(&read(&log, Lane::Presence, 1).await), [3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_server_an_append_is_unavailable_and_leaves_nothing_behind() {
    let folder = folder();
    let mut server = Server::start(folder.path()).await;
    let config = Config {
        patience: Duration::from_millis(500),
        ..server.config()
    };
    let log = connect(config).await;
    server.kill();
    let disconnected = async {
        while log.client().connection_state() == async_nats::connection::State::Connected {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LONG, disconnected)
        .await
        .expect("the client notices");

    let refused = log.append(journal(0, Position::START, 1)).await;
    assert!(
        matches!(refused, Err(AppendError::Unavailable(_))),
        "{refused:?}"
    );
    let unread = log.last(Lane::Journal, Shard(0)).await;
    assert!(
        matches!(unread, Err(ReadError::Unavailable(_))),
        "{unread:?}"
    );

    server.restart().await;
    let connected = async {
        while log.head(Lane::Journal).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LONG, connected)
        .await
        .expect("the client reconnects");
    log.append(journal(0, Position::START, 2)).await.unwrap();
    assert_eq!(ids(&read(&log, Lane::Journal, 1).await), [2]);
}
