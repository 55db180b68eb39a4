//! The exam every log takes. A backend joins with one line in its tests:
//!
//! ```ignore
//! tidings_core::log_conformance!(MyFactory::new());
//! ```
//!
//! Each case gets a log of its own. What a crash of the machine does cannot be tried here; each
//! backend has tests of its own for that.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt;
use uuid::Uuid;

use super::{
    Append, AppendError, Lane, MAX_RECORD_BYTES, Position, ReadError, Record, Shard, SharedLog,
    Tail,
};

/// Makes logs of the backend under test. It panics if it cannot.
#[async_trait]
pub trait Factory: Send + Sync {
    /// Makes an empty log. `name` is one of its kind within this factory.
    async fn create(&self, name: &str) -> SharedLog;

    /// Opens a log made before, as after a restart of the process. Nobody has it open.
    async fn open(&self, name: &str) -> SharedLog;
}

/// Defines one test for each case. The argument is an expression that makes a [`Factory`].
#[macro_export]
macro_rules! log_conformance {
    ($factory:expr) => {
        $crate::log_conformance! { @cases $factory;
            starts_empty
            keeps_order_and_content
            refuses_a_wrong_fence
            answers_a_retry_with_the_position
            refuses_a_retry_after_another_commit
            concurrent_writers_get_each_commit_in_once
            shards_have_fences_of_their_own
            takes_all_sizes_up_to_the_limit
            tails_from_anywhere
            a_waiting_tail_wakes
            tails_miss_nothing_while_appending
            a_dropped_next_loses_nothing
            reads_far_behind_the_head
            survives_reopening
            the_presence_lane_is_separate
            the_presence_lane_orders_concurrent_writers
        }
    };
    (@cases $factory:expr; $($case:ident)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let factory = $factory;
                $crate::log::conformance::$case(&factory).await;
            }
        )+
    };
}

/// A commit id never used before in this process.
pub fn new_id() -> Uuid {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    Uuid::from_u64_pair(0x7e57, NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Waits for what must come, but not for ever.
pub async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(60), future).await {
        Ok(value) => value,
        Err(_) => panic!("waited in vain for {what}"),
    }
}

/// An append to the journal.
pub fn commit(shard: Shard, expected: Position, payload: impl Into<Bytes>) -> Append {
    let payload = payload.into();
    Append {
        lane: Lane::Journal,
        shard,
        expected,
        id: new_id(),
        payload,
    }
}

/// Appends, trying again after unclear outcomes.
pub async fn append(log: &SharedLog, append: Append) -> Result<Position, AppendError> {
    loop {
        match in_time("an append", log.append(append.clone())).await {
            Err(AppendError::Unclear(_) | AppendError::Unavailable(_)) => {
                tokio::task::yield_now().await;
            }
            other => return other,
        }
    }
}

/// Appends at the end of shard 0 of the journal and returns the record that should be there.
pub async fn append_next(log: &SharedLog, after: Position, payload: impl Into<Bytes>) -> Record {
    let commit = commit(Shard(0), after, payload);
    let position = append(log, commit.clone())
        .await
        .expect("the fence is right");
    record(&commit, position)
}

/// Appends `n` small records to shard 0 of an empty journal.
async fn fill(log: &SharedLog, n: usize) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    for i in 0..n {
        let after = records
            .last()
            .map_or(Position::START, |record| record.position);
        records.push(append_next(log, after, format!("record {i}")).await);
    }
    records
}

/// The next `n` records of a tail.
pub async fn take(tail: &mut dyn Tail, n: usize) -> Vec<Record> {
    let mut records = Vec::new();
    while records.len() < n {
        let batch = in_time("a record", next(tail)).await;
        assert!(!batch.is_empty(), "a batch has at least one record");
        records.extend(batch);
    }
    records
}

async fn next(tail: &mut dyn Tail) -> Vec<Record> {
    loop {
        match tail.next().await {
            Ok(batch) => return batch,
            Err(ReadError::Unavailable(_)) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

/// All records of a lane up to its present head.
pub async fn read_all(log: &SharedLog, lane: Lane) -> Vec<Record> {
    let head = log.head(lane).await.expect("the head can be read");
    let mut tail = log
        .tail(lane, Position::START)
        .await
        .expect("a tail starts");
    let mut records: Vec<Record> = Vec::new();
    while records
        .last()
        .map_or(Position::START, |record| record.position)
        < head
    {
        records.extend(in_time("a record", next(tail.as_mut())).await);
    }
    records
}

fn record(append: &Append, position: Position) -> Record {
    let Append {
        shard, id, payload, ..
    } = append.clone();
    Record {
        position,
        shard,
        id,
        payload,
    }
}

fn assert_conflict<T: Debug>(result: Result<T, AppendError>, at: Position) {
    match result {
        Err(AppendError::Conflict { last }) => assert_eq!(last, at, "the conflict names the last"),
        other => panic!("expected a conflict, not {other:?}"),
    }
}

fn assert_ascending(records: &[Record]) {
    let mut last = Position::START;
    for record in records {
        assert!(record.position > last, "{} after {last}", record.position);
        last = record.position;
    }
}

/// A new log has identity and shards, and no records.
pub async fn starts_empty(factory: &dyn Factory) {
    let log = factory.create("starts_empty").await;
    let identity = log.identity();
    assert!(identity.shards >= 1);
    assert_eq!(log.incarnation(Lane::Journal), identity.epoch);
    assert_ne!(log.incarnation(Lane::Presence), identity.epoch);
    for lane in [Lane::Journal, Lane::Presence] {
        assert_eq!(log.head(lane).await.expect("head"), Position::START);
        for shard in 0..identity.shards {
            assert_eq!(
                log.last(lane, Shard(shard)).await.expect("last"),
                Position::START
            );
        }
    }
    let other = factory.create("starts_empty_too").await;
    assert_ne!(
        other.identity().epoch,
        identity.epoch,
        "each log has an epoch of its own"
    );
}

/// Records come back as they were appended.
pub async fn keeps_order_and_content(factory: &dyn Factory) {
    let log = factory.create("order").await;
    let records = fill(&log, 50).await;
    assert_ascending(&records);
    assert_eq!(read_all(&log, Lane::Journal).await, records);
    let last = records[49].position;
    assert_eq!(log.last(Lane::Journal, Shard(0)).await.expect("last"), last);
    assert_eq!(log.head(Lane::Journal).await.expect("head"), last);
}

/// A fence behind or ahead of the shard's last record is a conflict and leaves no trace.
pub async fn refuses_a_wrong_fence(factory: &dyn Factory) {
    let log = factory.create("fence").await;
    let ahead = log.append(commit(Shard(0), Position(7), "x")).await;
    assert_conflict(ahead, Position::START);
    let records = fill(&log, 3).await;
    let last = records[2].position;
    for wrong in [
        Position::START,
        records[0].position,
        records[1].position,
        Position(last.0 + 1),
    ] {
        assert_conflict(log.append(commit(Shard(0), wrong, "x")).await, last);
    }
    assert_eq!(read_all(&log, Lane::Journal).await, records);
}

/// The shard's last commit, tried again, is answered with its position whatever its fence.
pub async fn answers_a_retry_with_the_position(factory: &dyn Factory) {
    let log = factory.create("retry").await;
    let before = append_next(&log, Position::START, "before").await;
    let first = commit(Shard(0), before.position, "again");
    let position = append(&log, first.clone()).await.expect("appended");
    for expected in [
        before.position,
        position,
        Position::START,
        Position(position.0 + 5),
    ] {
        let again = Append {
            expected,
            ..first.clone()
        };
        assert_eq!(
            append(&log, again).await.expect("a retry is answered"),
            position
        );
    }
    let after = append_next(&log, position, "after").await;
    let expected = vec![before, record(&first, position), after];
    assert_eq!(read_all(&log, Lane::Journal).await, expected);
}

/// Once another commit stands after it, a retry is a conflict; a reader sees the commit once.
pub async fn refuses_a_retry_after_another_commit(factory: &dyn Factory) {
    let log = factory.create("late_retry").await;
    let first = commit(Shard(0), Position::START, "first");
    let position = append(&log, first.clone()).await.expect("appended");
    let second = append_next(&log, position, "second").await;
    assert_conflict(append(&log, first.clone()).await, second.position);
    let expected = vec![record(&first, position), second];
    assert_eq!(read_all(&log, Lane::Journal).await, expected);
}

/// Writers that fight for one shard: what was acknowledged is in the log, once, where it was said
/// to be, and nothing else is.
pub async fn concurrent_writers_get_each_commit_in_once(factory: &dyn Factory) {
    let log = factory.create("writers").await;
    let mut expected = fight(&log, Lane::Journal).await;
    expected.sort_by_key(|record| record.position);
    assert_eq!(read_all(&log, Lane::Journal).await, expected);
}

async fn fight(log: &SharedLog, lane: Lane) -> Vec<Record> {
    let writer = |writer: usize| {
        let log = log.clone();
        async move {
            let mut acknowledged: Vec<Record> = Vec::new();
            let mut fence = Position::START;
            while acknowledged.len() < 20 {
                let payload = format!("{writer}/{}", acknowledged.len());
                let commit = Append {
                    lane,
                    ..commit(Shard(0), fence, payload)
                };
                match append(&log, commit.clone()).await {
                    Ok(position) => {
                        assert!(position > fence, "positions grow");
                        fence = position;
                        acknowledged.push(record(&commit, position));
                        // Let the others have a go.
                        tokio::task::yield_now().await;
                    }
                    Err(AppendError::Conflict { last }) => {
                        assert_ne!(last, fence, "a conflict has a cause");
                        fence = last;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            acknowledged
        }
    };
    let tasks: Vec<_> = (0..6).map(|n| tokio::spawn(writer(n))).collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(in_time("a writer", task).await.expect("no writer panics"));
    }
    all
}

/// Each shard has its own fence; the lane has one order.
pub async fn shards_have_fences_of_their_own(factory: &dyn Factory) {
    let log = factory.create("shards").await;
    let shards = log.identity().shards;
    let mut last: HashMap<u16, Position> = HashMap::new();
    let mut expected = Vec::new();
    for round in 0..5 {
        for shard in 0..shards {
            let fence = last.get(&shard).copied().unwrap_or(Position::START);
            let commit = commit(Shard(shard), fence, format!("{shard}/{round}"));
            let position = append(&log, commit.clone())
                .await
                .expect("the fence is right");
            last.insert(shard, position);
            expected.push(record(&commit, position));
        }
    }
    for (shard, position) in &last {
        let found = log.last(Lane::Journal, Shard(*shard)).await.expect("last");
        assert_eq!(found, *position, "shard {shard}");
        assert_conflict(
            log.append(commit(Shard(*shard), Position::START, "x"))
                .await,
            *position,
        );
    }
    assert_ascending(&expected);
    assert_eq!(read_all(&log, Lane::Journal).await, expected);
}

/// From nothing to the limit; one byte more is refused.
pub async fn takes_all_sizes_up_to_the_limit(factory: &dyn Factory) {
    let log = factory.create("sizes").await;
    let mut fence = Position::START;
    let mut expected = Vec::new();
    for len in [
        0,
        1,
        200,
        4095,
        4096,
        65_537,
        MAX_RECORD_BYTES - 1,
        MAX_RECORD_BYTES,
    ] {
        let payload: Vec<u8> = (0..len).map(|i| (i * 7 + len) as u8).collect();
        let record = append_next(&log, fence, payload).await;
        fence = record.position;
        expected.push(record);
    }
    match log
        .append(commit(Shard(0), fence, vec![0; MAX_RECORD_BYTES + 1]))
        .await
    {
        Err(AppendError::TooLarge { len }) => assert_eq!(len, MAX_RECORD_BYTES + 1),
        other => panic!("expected a refusal, not {other:?}"),
    }
    expected.push(append_next(&log, fence, "after").await);
    assert!(
        read_all(&log, Lane::Journal).await == expected,
        "every payload comes back whole"
    );
}

/// A tail may start after any position.
pub async fn tails_from_anywhere(factory: &dyn Factory) {
    let log = factory.create("anywhere").await;
    let records = fill(&log, 12).await;
    for skip in 0..records.len() {
        let after = if skip == 0 {
            Position::START
        } else {
            records[skip - 1].position
        };
        let mut tail = log.tail(Lane::Journal, after).await.expect("a tail starts");
        assert_eq!(
            take(tail.as_mut(), records.len() - skip).await,
            records[skip..]
        );
    }
    let head = records[11].position;
    let mut tail = log.tail(Lane::Journal, head).await.expect("a tail starts");
    assert!(
        tail.next().now_or_never().is_none(),
        "there is nothing after the head"
    );
}

/// A tail that waits at the head is woken by an append.
pub async fn a_waiting_tail_wakes(factory: &dyn Factory) {
    let log = factory.create("waiting").await;
    let mut tail = log
        .tail(Lane::Journal, Position::START)
        .await
        .expect("a tail starts");
    let mut fence = Position::START;
    for round in 0..20 {
        let waiting = tokio::spawn(async move {
            let batch = in_time("the append", next(tail.as_mut())).await;
            (tail, batch)
        });
        if round % 2 == 0 {
            tokio::task::yield_now().await;
        }
        let record = append_next(&log, fence, format!("{round}")).await;
        fence = record.position;
        let (back, batch) = waiting.await.expect("the reader does not panic");
        assert_eq!(batch, [record]);
        tail = back;
    }
}

/// Tails started at the beginning, in the middle and at the head see the same, while it grows.
pub async fn tails_miss_nothing_while_appending(factory: &dyn Factory) {
    const MORE: usize = 200;
    let log = factory.create("growing").await;
    let mut records = fill(&log, 40).await;
    let mut readers = Vec::new();
    for skip in [0, 0, 17, 40] {
        let after = if skip == 0 {
            Position::START
        } else {
            records[skip - 1].position
        };
        let mut tail = log.tail(Lane::Journal, after).await.expect("a tail starts");
        let reader = tokio::spawn(async move { take(tail.as_mut(), 40 + MORE - skip).await });
        readers.push((skip, reader));
    }
    for i in 0..MORE {
        let fence = records
            .last()
            .map_or(Position::START, |record| record.position);
        records.push(append_next(&log, fence, vec![i as u8; i * 10]).await);
    }
    for (skip, reader) in readers {
        let seen = in_time("a reader", reader).await.expect("no reader panics");
        assert!(
            seen == records[skip..],
            "a tail from record {skip} sees each record once"
        );
    }
}

/// `next` polled and dropped over and over, at any moment, loses and doubles nothing.
pub async fn a_dropped_next_loses_nothing(factory: &dyn Factory) {
    const N: usize = 150;
    let log = factory.create("dropped").await;
    let mut tail = log
        .tail(Lane::Journal, Position::START)
        .await
        .expect("a tail starts");
    let appender = {
        let log = log.clone();
        tokio::spawn(async move { fill(&log, N).await })
    };
    let mut seen = Vec::new();
    let reading = async {
        while seen.len() < N {
            // Polled once, then dropped unless ready.
            match tail.next().now_or_never() {
                Some(batch) => seen.extend(batch.expect("the log can be read")),
                None => tokio::task::yield_now().await,
            }
        }
    };
    in_time("all records", reading).await;
    assert_eq!(seen, appender.await.expect("the writer does not panic"));
}

/// A long history is read in bounded batches.
pub async fn reads_far_behind_the_head(factory: &dyn Factory) {
    let log = factory.create("behind").await;
    let mut records: Vec<Record> = Vec::new();
    for i in 0..160_usize {
        let fence = records
            .last()
            .map_or(Position::START, |record| record.position);
        let len = if i % 2 == 0 { 200_000 } else { 100 };
        records.push(append_next(&log, fence, vec![i as u8; len]).await);
    }
    let mut tail = log
        .tail(Lane::Journal, Position::START)
        .await
        .expect("a tail starts");
    let mut seen = Vec::new();
    while seen.len() < records.len() {
        let batch = in_time("a record", next(tail.as_mut())).await;
        let bytes: usize = batch.iter().map(|record| record.payload.len()).sum();
        assert!(
            bytes <= 8 << 20,
            "a batch has at most a few megabytes, not {bytes} bytes"
        );
        seen.extend(batch);
    }
    assert!(seen == records, "everything comes back");
}

/// Reopening keeps identity, positions, fences and the id of the last commit.
pub async fn survives_reopening(factory: &dyn Factory) {
    let name = "reopened";
    let log = factory.create(name).await;
    let identity = log.identity();
    drop(log);

    let log = factory.open(name).await;
    assert_eq!(log.identity(), identity);
    assert_eq!(
        log.head(Lane::Journal).await.expect("head"),
        Position::START
    );
    let mut records = fill(&log, 20).await;
    let fence = records[19].position;
    let last = commit(Shard(0), fence, vec![9; 100_000]);
    let position = append(&log, last.clone()).await.expect("appended");
    records.push(record(&last, position));
    drop(log);

    let log = factory.open(name).await;
    assert_eq!(log.identity(), identity);
    assert_eq!(log.incarnation(Lane::Journal), identity.epoch);
    assert_eq!(log.head(Lane::Journal).await.expect("head"), position);
    assert_eq!(
        log.last(Lane::Journal, Shard(0)).await.expect("last"),
        position
    );
    assert_eq!(
        append(&log, last).await.expect("a retry is answered"),
        position
    );
    assert_conflict(log.append(commit(Shard(0), fence, "stale")).await, position);
    records.push(append_next(&log, position, "after").await);
    assert!(
        read_all(&log, Lane::Journal).await == records,
        "everything is still there"
    );
}

/// The presence lane has positions, fences and an incarnation of its own.
pub async fn the_presence_lane_is_separate(factory: &dyn Factory) {
    let name = "presence";
    let log = factory.create(name).await;
    let journal = fill(&log, 5).await;
    let first = Append {
        lane: Lane::Presence,
        ..commit(Shard(0), Position::START, "edge")
    };
    let position = append(&log, first.clone())
        .await
        .expect("the lane is empty");
    assert_eq!(
        append(&log, first.clone())
            .await
            .expect("a retry is answered"),
        position
    );
    let stale = Append {
        id: new_id(),
        ..first.clone()
    };
    assert_conflict(log.append(stale).await, position);

    assert_eq!(
        read_all(&log, Lane::Presence).await,
        [record(&first, position)]
    );
    assert_eq!(log.head(Lane::Presence).await.expect("head"), position);
    assert_eq!(
        log.last(Lane::Presence, Shard(0)).await.expect("last"),
        position
    );
    assert_eq!(read_all(&log, Lane::Journal).await, journal);
    assert_eq!(
        log.head(Lane::Journal).await.expect("head"),
        journal[4].position
    );

    let incarnation = log.incarnation(Lane::Presence);
    drop(log);
    let log = factory.open(name).await;
    if log.incarnation(Lane::Presence) == incarnation {
        assert_eq!(
            read_all(&log, Lane::Presence).await,
            [record(&first, position)]
        );
    } else {
        assert_eq!(
            log.head(Lane::Presence).await.expect("head"),
            Position::START
        );
        let again = append(&log, first)
            .await
            .expect("a new incarnation knows nothing");
        assert!(again > Position::START);
    }
}

/// In the presence lane, too, what was acknowledged is there once.
pub async fn the_presence_lane_orders_concurrent_writers(factory: &dyn Factory) {
    let log = factory.create("presence_writers").await;
    let mut tail = log
        .tail(Lane::Presence, Position::START)
        .await
        .expect("a tail starts");
    let reader = tokio::spawn(async move { take(tail.as_mut(), 120).await });
    let mut expected = fight(&log, Lane::Presence).await;
    expected.sort_by_key(|record| record.position);
    assert_eq!(
        in_time("the reader", reader)
            .await
            .expect("it does not panic"),
        expected
    );
}
