//! What is shown of a log that grows meanwhile.

use async_trait::async_trait;
use tidings_core::log::{
    Append, AppendError, Identity, ReadError, Shard, Tail as Reader,
    embedded::{Embedded, Options},
};
use uuid::Uuid;

use super::*;

/// A log that has grown whenever one has asked it for something.
struct Growing(Embedded);

impl Growing {
    async fn grow(&self) {
        let fence = self.0.last(Lane::Journal, Shard(0)).await.unwrap();
        let append = Append {
            lane: Lane::Journal,
            shard: Shard(0),
            expected: fence,
            id: Uuid::from_u128(u128::from(fence.0) + 1),
            payload: vec![0; 3].into(),
        };
        self.0.append(append).await.unwrap();
    }
}

#[async_trait]
impl EventLog for Growing {
    fn identity(&self) -> Identity {
        self.0.identity()
    }

    fn incarnation(&self, lane: Lane) -> Uuid {
        self.0.incarnation(lane)
    }

    async fn append(&self, append: Append) -> Result<Position, AppendError> {
        self.0.append(append).await
    }

    async fn last(&self, lane: Lane, shard: Shard) -> Result<Position, ReadError> {
        self.0.last(lane, shard).await
    }

    async fn head(&self, lane: Lane) -> Result<Position, ReadError> {
        let head = self.0.head(lane).await;
        self.grow().await;
        head
    }

    async fn tail(&self, lane: Lane, after: Position) -> Result<Box<dyn Reader>, ReadError> {
        let tail = self.0.tail(lane, after).await;
        self.grow().await;
        tail
    }
}

/// One of thirty records.
async fn growing() -> (tempfile::TempDir, Growing) {
    let folder = tempfile::tempdir().unwrap();
    let options = Options::new(Uuid::from_u128(1), Uuid::from_u128(2));
    let log = Growing(Embedded::open_or_create(folder.path(), &options).unwrap());
    for _ in 0..30 {
        log.grow().await;
    }
    (folder, log)
}

/// The positions of the first lines that are shown.
async fn shown(log: &Growing, after: Option<u64>, follow: bool, lines: usize) -> Vec<u64> {
    let tail = Tail {
        place: Place::default(),
        after,
        follow,
        json: true,
    };
    let mut positions = Vec::new();
    let mut print = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        positions.push(line["position"].as_u64().unwrap());
        match positions.len() == lines {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    };
    let whole = tail.show(log, &mut print).await.unwrap();
    assert!(!whole, "nobody could read these records");
    positions
}

#[tokio::test]
async fn each_record_is_shown_once() {
    let (_folder, log) = growing().await;
    assert_eq!(
        shown(&log, None, true, 22).await,
        (11..=32).collect::<Vec<_>>()
    );
    assert_eq!(shown(&log, Some(29), true, 3).await, [30, 31, 32]);
}

#[tokio::test]
async fn whoever_has_seen_enough_is_shown_no_more() {
    let (_folder, log) = growing().await;
    assert_eq!(shown(&log, Some(0), false, 5).await, [1, 2, 3, 4, 5]);
}
