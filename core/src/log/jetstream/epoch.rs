//! A new epoch for a log whose stream was restored from a backup.
//!
//! The epoch stands in the journal's metadata, so a restored stream names the history it was copied
//! from, although its next positions will hold other records than that history had there.

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::consumer::Info;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::api::insist;
use super::error::{ConnectError, NewEpochError};
use super::{Api, ApiError, Config, connect, streams};
use crate::log::Lane;

/// Consumers the server tells of at once.
const PAGE: usize = 256;

#[derive(Serialize)]
struct Page {
    offset: usize,
}

#[derive(Deserialize)]
struct Consumers {
    consumers: Option<Vec<Info>>,
}

/// A stream as the server describes it: with settings that this client may not know.
#[derive(Deserialize)]
struct Described {
    config: Map<String, Value>,
}

/// Records a new epoch in the journal and returns the one it had. Nobody may be following the
/// journal: a server that runs would go on with the old epoch.
pub async fn new_epoch(config: Config, epoch: Uuid) -> Result<Uuid, NewEpochError> {
    let api = connect::api(&config).await?;
    let stream = streams::stream(&config.prefix, Lane::Journal);
    let unavailable = |error: ApiError| ConnectError::Unavailable {
        patience: config.patience,
        reason: error.to_string(),
    };
    let info = match insist(config.patience, || api.info(&stream)).await {
        Ok(info) => info,
        Err(error) if error.code() == Some(ErrorCode::STREAM_NOT_FOUND) => {
            return Err(NewEpochError::Missing { stream });
        }
        Err(error) => return Err(unavailable(error).into()),
    };
    let old = streams::identity(&info.config)?.epoch;
    let following = insist(config.patience, || followed(&api, &stream)).await;
    if following.map_err(unavailable)? > 0 {
        return Err(NewEpochError::InUse { stream });
    }
    let subject = format!("STREAM.INFO.{stream}");
    let described = insist(config.patience, || {
        api.ask::<_, Described>(subject.clone(), &())
    });
    let mut settings = described.await.map_err(unavailable)?.config;
    streams::set_epoch(&mut settings, epoch);
    let subject = format!("STREAM.UPDATE.{stream}");
    let updated = insist(config.patience, || {
        api.ask::<_, Described>(subject.clone(), &settings)
    });
    match updated.await {
        Ok(_) => Ok(old),
        Err(ApiError::Refused(error)) => Err(NewEpochError::Refused {
            stream,
            reason: error.to_string(),
        }),
        Err(error) => Err(unavailable(error).into()),
    }
}

/// How many are following the stream at present. The consumer of one that is gone stays for a while,
/// but nobody listens to it.
async fn followed(api: &Api, stream: &str) -> Result<usize, ApiError> {
    let subject = format!("CONSUMER.LIST.{stream}");
    let (mut bound, mut offset) = (0, 0);
    loop {
        let asked = Page { offset };
        let page = api.ask::<_, Consumers>(subject.clone(), &asked);
        let page = page.await?.consumers.unwrap_or_default();
        bound += page.iter().filter(|consumer| consumer.push_bound).count();
        offset += page.len();
        if page.len() < PAGE {
            return Ok(bound);
        }
    }
}
