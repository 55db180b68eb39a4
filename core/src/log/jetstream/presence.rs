//! The life of the presence lane.
//!
//! Its stream is in memory: it is empty again after its servers were all down at once, and a lone
//! server has then even forgotten that it existed. The first message of each life is a marker, on a
//! subject of its own. The lane's incarnation is made of the epoch and of the time at which the
//! server stored that marker, so that all nodes name the same life without asking each other.

use async_nats::HeaderMap;
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::stream::Config;
use bytes::Bytes;
use parking_lot::Mutex;
use uuid::Uuid;

use super::{Api, ApiError, is_wrong_sequence};
use crate::log::Position;

pub(super) struct Presence {
    /// The stream, to make it again.
    stream: Config,
    marker: String,
    epoch: Uuid,
    life: Mutex<Life>,
}

#[derive(Clone, Copy)]
struct Life {
    incarnation: Uuid,
    marker: u64,
}

impl Presence {
    /// Finds out the present life of the stream, which exists, and begins one if it has none.
    pub(super) async fn open(
        api: &Api,
        stream: Config,
        marker: String,
        epoch: Uuid,
    ) -> Result<Presence, ApiError> {
        let life = Mutex::new(find(api, &stream.name, &marker, epoch).await?);
        Ok(Presence {
            stream,
            marker,
            epoch,
            life,
        })
    }

    pub(super) fn incarnation(&self) -> Uuid {
        self.life.lock().incarnation
    }

    /// The last position of the lane's records, where `last` is that of its messages.
    pub(super) fn without_marker(&self, last: u64) -> Position {
        let marker = self.life.lock().marker;
        Position(if last == marker { marker - 1 } else { last })
    }

    /// Looks again, after something has failed in a way that a lost lane would explain. Begins a new
    /// life if the old one is gone, and returns the incarnation.
    pub(super) async fn refresh(&self, api: &Api) -> Result<Uuid, ApiError> {
        let life = match find(api, &self.stream.name, &self.marker, self.epoch).await {
            Err(error) if error.code() == Some(ErrorCode::STREAM_NOT_FOUND) => {
                api.create(&self.stream).await?;
                find(api, &self.stream.name, &self.marker, self.epoch).await?
            }
            found => found?,
        };
        *self.life.lock() = life;
        Ok(life.incarnation)
    }
}

async fn find(api: &Api, stream: &str, marker: &str, epoch: Uuid) -> Result<Life, ApiError> {
    loop {
        if let Some(found) = api.last_of(stream, marker).await? {
            return Ok(Life {
                incarnation: incarnation(epoch, found.time.unix_timestamp_nanos()),
                marker: found.sequence,
            });
        }
        match api
            .publish(marker.to_owned(), 0, HeaderMap::new(), Bytes::new())
            .await
        {
            // Whoever was first: the server's own time of it is what counts.
            Ok(_) => {}
            Err(error) if error.code().is_some_and(is_wrong_sequence) => {}
            Err(error) => return Err(error),
        }
    }
}

fn incarnation(epoch: Uuid, nanos: i128) -> Uuid {
    let mut bytes = *epoch.as_bytes();
    for (byte, time) in bytes[8..].iter_mut().zip((nanos as u64).to_be_bytes()) {
        *byte ^= time;
    }
    Uuid::new_v8(bytes)
}
