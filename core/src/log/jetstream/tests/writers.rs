//! Writers that both believe a shard to be theirs, and retries.

use super::*;

async fn exactly_one_wins(config: Config) {
    const COMMITS: usize = 200;
    let writers = [connect(config.clone()).await, connect(config).await];
    let race = |n: usize| {
        let log = &writers[n];
        async move {
            let mut last = Position::START;
            let mut won = Vec::new();
            let mut conflicts = 0;
            while won.len() < COMMITS {
                let id = ((n as u128 + 1) << 64) + won.len() as u128;
                match log.append(journal(0, last, id)).await {
                    Ok(position) => {
                        won.push((position, id));
                        last = position;
                    }
                    Err(AppendError::Conflict { last: found }) => {
                        conflicts += 1;
                        last = found;
                    }
                    Err(error) => panic!("writer {n}: {error}"),
                }
            }
            (won, conflicts)
        }
    };
    let ((mut all, a), (other, b)) = tokio::join!(race(0), race(1));
    assert!(a + b > 0, "the writers met");
    all.extend(other);
    all.sort();

    let read = read(&writers[0], Lane::Journal, all.len()).await;
    let read: Vec<_> = read.iter().map(|r| (r.position, r.id.as_u128())).collect();
    assert_eq!(
        read, all,
        "each position has the record of the one writer it was given to"
    );
    assert_eq!(
        writers[1].head(Lane::Journal).await.unwrap(),
        all[all.len() - 1].0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_writers_one_wins_each_position() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    exactly_one_wins(server.config()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_writers_one_wins_each_position_with_three_replicas() {
    let folder = folder();
    let cluster = Cluster::start(folder.path()).await;
    exactly_one_wins(cluster.config()).await;
}

async fn retries_are_recognised(config: Config) {
    let log = connect(config).await;
    let first = log.append(journal(0, Position::START, 1)).await.unwrap();
    let second = log.append(journal(0, first, 2)).await.unwrap();
    // The same append, a stale fence, and a fence at the record itself.
    for expected in [first, Position::START, second] {
        assert_eq!(log.append(journal(0, expected, 2)).await.unwrap(), second);
    }
    let third = log.append(journal(0, second, 3)).await.unwrap();
    // The last two: something has been appended on top, so the retry is too late.
    for (expected, id) in [
        (first, 4),
        (Position(third.0 + 5), 4),
        (first, 2),
        (Position::START, 2),
    ] {
        let refused = log.append(journal(0, expected, id)).await;
        assert!(
            matches!(refused, Err(AppendError::Conflict { last }) if last == third),
            "commit {id} after {expected}: {refused:?}"
        );
    }
    assert_eq!(ids(&read(&log, Lane::Journal, 3).await), [1, 2, 3]);
    assert_eq!(log.head(Lane::Journal).await.unwrap(), third);
}

#[tokio::test]
async fn a_retry_is_answered_with_the_first_position() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    retries_are_recognised(server.config()).await;
}

#[tokio::test]
async fn a_retry_is_answered_with_the_first_position_with_three_replicas() {
    let folder = folder();
    let cluster = Cluster::start(folder.path()).await;
    retries_are_recognised(cluster.config()).await;
}

/// A caller that goes away in the middle of an append leaves it to the shard's next one to find out.
async fn a_dropped_append_is_in_the_log_or_not(config: Config) {
    let log = connect(config).await;
    let mut last = Position::START;
    let mut appended = Vec::new();
    for round in 0..40 {
        let id = 2 * round + 1;
        let dropped = log.append(journal(0, last, id));
        let some_time = Duration::from_micros(40 * round as u64);
        if tokio::time::timeout(some_time, dropped).await.is_ok() {
            appended.push(id);
            last = log.last(Lane::Journal, Shard(0)).await.unwrap();
        }
        last = loop {
            match log.append(journal(0, last, id + 1)).await {
                Ok(position) => break position,
                Err(AppendError::Conflict { last: found }) => {
                    assert!(
                        appended.last() != Some(&id),
                        "it conflicts with the dropped one only"
                    );
                    assert!(found > last);
                    appended.push(id);
                    last = found;
                }
                Err(error) => panic!("{error}"),
            }
        };
        appended.push(id + 1);
    }
    let read = read(&log, Lane::Journal, appended.len()).await;
    assert_eq!(ids(&read), appended);
    assert_eq!(log.head(Lane::Journal).await.unwrap(), last);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_append_leaves_the_shard_in_order() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    a_dropped_append_is_in_the_log_or_not(server.config()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_append_leaves_the_shard_in_order_with_three_replicas() {
    let folder = folder();
    let cluster = Cluster::start(folder.path()).await;
    a_dropped_append_is_in_the_log_or_not(cluster.config()).await;
}
