//! What only real servers can show: crashes, elections, wrong settings.

use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use super::testing::{Cluster, Server};
use super::{Config, JetStream};
use crate::log::{
    Append, AppendError, EventLog, Lane, Position, ReadError, Record, Shard, SharedLog,
};

mod crash;
mod epoch;
mod exam;
mod settings;
mod writers;

const EPOCH: Uuid = Uuid::from_u128(0xe0);
const LONG: Duration = Duration::from_secs(90);

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

async fn connect(config: Config) -> JetStream {
    JetStream::connect(config, EPOCH).await.unwrap()
}

fn commit(lane: Lane, shard: u16, expected: Position, id: u128) -> Append {
    let id = Uuid::from_u128(id);
    let payload = Bytes::copy_from_slice(id.as_bytes());
    Append {
        lane,
        shard: Shard(shard),
        expected,
        id,
        payload,
    }
}

fn journal(shard: u16, expected: Position, id: u128) -> Append {
    commit(Lane::Journal, shard, expected, id)
}

/// Reads a lane from its start until there are `count` records, or the test's time is over.
async fn read(log: &dyn EventLog, lane: Lane, count: usize) -> Vec<Record> {
    let reading = async {
        let mut tail = log.tail(lane, Position::START).await.unwrap();
        let mut records = Vec::new();
        while records.len() < count {
            records.extend(tail.next().await.unwrap());
        }
        records
    };
    tokio::time::timeout(LONG, reading)
        .await
        .expect("the records arrive")
}

fn ids(records: &[Record]) -> Vec<u128> {
    records.iter().map(|r| r.id.as_u128()).collect()
}
