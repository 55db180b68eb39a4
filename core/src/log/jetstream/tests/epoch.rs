//! A new epoch for a log on real servers.

use super::*;
use crate::log::jetstream::{NewEpochError, new_epoch};

const NEXT: Uuid = Uuid::from_u128(0xe1);

#[tokio::test]
async fn a_new_epoch_keeps_the_records_and_names_another_history() {
    let folder = folder();
    let mut server = Server::start(folder.path()).await;
    let missing = new_epoch(server.config(), NEXT).await.unwrap_err();
    assert!(
        matches!(missing, NewEpochError::Missing { .. }),
        "{missing}"
    );

    let log = connect(Config {
        shards: Some(3),
        ..server.config()
    })
    .await;
    let first = log.append(journal(2, Position::START, 1)).await.unwrap();
    let presence = log.incarnation(Lane::Presence);
    let tail = log.tail(Lane::Journal, Position::START).await.unwrap();
    let refused = new_epoch(server.config(), NEXT).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the stream tidings-journal is being followed: stop every server and tool that runs on \
         this log, and try again"
    );
    drop(tail);
    drop(log);

    // Whoever followed it is gone as soon as the server has noticed.
    let changed = async {
        loop {
            match new_epoch(server.config(), NEXT).await {
                Err(NewEpochError::InUse { .. }) => tokio::task::yield_now().await,
                other => return other,
            }
        }
    };
    let old = tokio::time::timeout(LONG, changed).await.expect("in time");
    assert_eq!(old.unwrap(), EPOCH);

    // Durably, and whoever comes next takes it as it is.
    server.kill();
    server.restart().await;
    let log = connect(server.config()).await;
    assert_eq!(
        (log.identity().epoch, log.identity().shards),
        (NEXT, 3),
        "only the epoch is another"
    );
    assert_ne!(log.incarnation(Lane::Presence), presence);
    assert_eq!(ids(&read(&log, Lane::Journal, 1).await), [1]);
    log.append(journal(2, first, 2)).await.unwrap();
}

/// A process that did not follow the log while it got a new epoch, as one that had lost its connection.
#[tokio::test]
async fn a_process_of_the_old_epoch_neither_reads_nor_appends() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let log = connect(Config {
        patience: Duration::from_secs(1),
        ..server.config()
    })
    .await;
    let first = log.append(journal(0, Position::START, 1)).await.unwrap();
    new_epoch(server.config(), NEXT).await.unwrap();
    let unread = log.tail(Lane::Journal, Position::START).await.err();
    let unread = unread.expect("another history").to_string();
    assert!(unread.contains("restart this process"), "{unread}");
    let refused = log.append(journal(0, first, 2)).await.unwrap_err();
    assert!(
        matches!(&refused, AppendError::Unavailable(why) if why.contains("restart this process")),
        "{refused}"
    );
    let fresh = connect(server.config()).await;
    assert_eq!(ids(&read(&fresh, Lane::Journal, 1).await), [1]);
}

/// A stream that is restored under a process that has seen more of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_appended_to_a_log_that_went_back() {
    let folder = folder();
    let mut server = Server::start(folder.path()).await;
    let config = Config {
        patience: Duration::from_secs(1),
        shards: Some(2),
        ..server.config()
    };
    // One has appended the later record, another has read it.
    let (writer, reader) = (connect(config.clone()).await, connect(config.clone()).await);
    let kept = writer.append(journal(1, Position::START, 1)).await.unwrap();
    server.kill();
    let backup = folder.path().join("backup");
    copy(&server.store(), &backup);
    server.restart().await;
    // The client is told once the connection is there again.
    let later = async {
        loop {
            match writer.append(journal(1, kept, 2)).await {
                Ok(position) => return position,
                Err(AppendError::Unclear(_) | AppendError::Unavailable(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
    };
    let later = tokio::time::timeout(LONG, later).await.expect("in time");
    assert_eq!(ids(&read(&reader, Lane::Journal, 2).await), [1, 2]);
    server.kill();
    std::fs::remove_dir_all(server.store()).unwrap();
    copy(&backup, &server.store());
    server.restart().await;

    for log in [&writer, &reader] {
        let told = async {
            loop {
                let refused = log.append(journal(1, later, 3)).await.unwrap_err();
                assert!(
                    !matches!(refused, AppendError::Conflict { .. }),
                    "{refused}"
                );
                if refused.to_string().contains("run `tidings log new-epoch`") {
                    return;
                }
            }
        };
        tokio::time::timeout(LONG, told).await.expect("in time");
        let refused = log.last(Lane::Journal, Shard(1)).await.unwrap_err();
        assert!(refused.to_string().contains("had come to"), "{refused}");
    }
    let fresh = connect(config).await;
    assert_eq!(fresh.last(Lane::Journal, Shard(1)).await.unwrap(), kept);
    assert_eq!(ids(&read(&fresh, Lane::Journal, 1).await), [1]);
    fresh.append(journal(1, kept, 4)).await.unwrap();
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}
