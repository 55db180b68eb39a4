//! The requests of the JetStream API that we make, all answered by a stream's leader.

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::RequestErrorKind;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::response::Response;
use async_nats::jetstream::stream::{Config, Info, RawMessage};
use async_nats::jetstream::{self, Context};
use async_nats::{Client, HeaderMap, StatusCode};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Fence of a publish.
const EXPECTED: &str = "Nats-Expected-Last-Subject-Sequence";

/// How long one request may take. A lost one is sent again, so short is better than patient.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// The server answered, and refused.
    #[error("{0}")]
    Refused(jetstream::Error),
    /// Nobody listens at present: no leader, no such stream, or no JetStream. Nothing was done.
    #[error("no server answers for it (no leader, or JetStream is off)")]
    NoResponders,
    /// Nothing was sent.
    #[error("{0}")]
    NotSent(String),
    /// Sent, but not answered.
    #[error("no answer: {0}")]
    Unanswered(String),
}

impl ApiError {
    pub(crate) fn code(&self) -> Option<ErrorCode> {
        match self {
            ApiError::Refused(error) => Some(error.error_code()),
            _ => None,
        }
    }
}

/// A connection and what we ask through it.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) context: Context,
    client: Client,
}

#[derive(Serialize)]
struct Get<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_by_subj: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_by_subj: Option<&'a str>,
}

#[derive(Deserialize)]
struct Got {
    message: RawMessage,
}

#[derive(Deserialize)]
struct PublishAck {
    seq: u64,
}

impl Api {
    pub(crate) fn new(client: Client, domain: Option<&str>) -> Api {
        let builder = jetstream::context::ContextBuilder::new();
        let context = match domain {
            Some(domain) => builder
                .domain(domain)
                .timeout(REQUEST_TIMEOUT)
                .build(client.clone()),
            None => builder.timeout(REQUEST_TIMEOUT).build(client.clone()),
        };
        Api { context, client }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) async fn ask<T, R>(&self, subject: String, payload: &T) -> Result<R, ApiError>
    where
        T: Serialize + ?Sized,
        R: DeserializeOwned,
    {
        // The client would keep the request for later, while the caller has long given up.
        self.connected()?;
        match self.context.request(subject, payload).await {
            Ok(Response::Ok(answer)) => Ok(answer),
            Ok(Response::Err { error }) => Err(ApiError::Refused(error)),
            Err(error) if error.kind() == RequestErrorKind::NoResponders => {
                Err(ApiError::NoResponders)
            }
            Err(error) => Err(ApiError::Unanswered(error.to_string())),
        }
    }

    pub(crate) async fn info(&self, stream: &str) -> Result<Info, ApiError> {
        self.ask(format!("STREAM.INFO.{stream}"), &()).await
    }

    /// Makes a stream. The same one again is no error, another one of that name is.
    pub(crate) async fn create(&self, config: &Config) -> Result<Info, ApiError> {
        self.ask(format!("STREAM.CREATE.{}", config.name), config)
            .await
    }

    /// The last message of a subject.
    pub(crate) async fn last_of(
        &self,
        stream: &str,
        subject: &str,
    ) -> Result<Option<StreamMessage>, ApiError> {
        self.get(
            stream,
            Get {
                seq: None,
                last_by_subj: Some(subject),
                next_by_subj: None,
            },
        )
        .await
    }

    /// The first message of a subject that stands at `from` or later.
    pub(crate) async fn first_of(
        &self,
        stream: &str,
        subject: &str,
        from: u64,
    ) -> Result<Option<StreamMessage>, ApiError> {
        let get = Get {
            seq: Some(from.max(1)),
            last_by_subj: None,
            next_by_subj: Some(subject),
        };
        self.get(stream, get).await
    }

    async fn get(&self, stream: &str, get: Get<'_>) -> Result<Option<StreamMessage>, ApiError> {
        match self
            .ask::<_, Got>(format!("STREAM.MSG.GET.{stream}"), &get)
            .await
        {
            Ok(got) => StreamMessage::try_from(got.message)
                .map(Some)
                .map_err(|e| ApiError::Unanswered(format!("an answer that cannot be read: {e}"))),
            Err(error) if error.code() == Some(ErrorCode::NO_MESSAGE_FOUND) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Publishes a message that must follow the one at `expected` on its subject, and returns its
    /// sequence once the stream has it.
    pub(crate) async fn publish(
        &self,
        subject: String,
        expected: u64,
        mut headers: HeaderMap,
        payload: Bytes,
    ) -> Result<u64, ApiError> {
        self.connected()?;
        headers.insert(EXPECTED, expected.to_string());
        let request = async_nats::Request::new()
            .headers(headers)
            .payload(payload)
            .timeout(Some(REQUEST_TIMEOUT));
        let answer =
            self.client
                .send_request(subject, request)
                .await
                .map_err(|error| match error.kind() {
                    async_nats::RequestErrorKind::NoResponders => ApiError::NoResponders,
                    async_nats::RequestErrorKind::MaxPayloadExceeded
                    | async_nats::RequestErrorKind::InvalidSubject => {
                        ApiError::NotSent(error.to_string())
                    }
                    _ => ApiError::Unanswered(error.to_string()),
                })?;
        if answer.status == Some(StatusCode::NO_RESPONDERS) {
            return Err(ApiError::NoResponders);
        }
        match serde_json::from_slice(&answer.payload) {
            Ok(Response::Ok(PublishAck { seq })) => Ok(seq),
            Ok(Response::Err { error }) => Err(ApiError::Refused(error)),
            Err(error) => Err(ApiError::Unanswered(format!(
                "an answer that cannot be read: {error}"
            ))),
        }
    }

    /// The same for a message that the server does not answer, being part of a batch.
    pub(super) async fn publish_unanswered(
        &self,
        subject: String,
        expected: u64,
        mut headers: HeaderMap,
        payload: Bytes,
    ) -> Result<(), ApiError> {
        self.connected()?;
        headers.insert(EXPECTED, expected.to_string());
        let published = self
            .client
            .publish_with_headers(subject, headers, payload)
            .await;
        published.map_err(|e| ApiError::NotSent(e.to_string()))
    }

    /// Deletes a message, overwriting it on every replica's disk.
    pub(crate) async fn erase(&self, stream: &str, sequence: u64) -> Result<(), ApiError> {
        #[derive(Deserialize)]
        struct Done {}
        let payload = serde_json::json!({ "seq": sequence, "no_erase": false });
        let erased = self
            .ask(format!("STREAM.MSG.DELETE.{stream}"), &payload)
            .await;
        erased.map(|Done {}| ())
    }

    fn connected(&self) -> Result<(), ApiError> {
        match self.client.connection_state() {
            async_nats::connection::State::Connected => Ok(()),
            _ => Err(ApiError::NotSent("not connected to any server".to_owned())),
        }
    }
}

/// Repeats a request that can be repeated until it is answered for good, or patience ends.
pub(crate) async fn insist<T, F: Future<Output = Result<T, ApiError>>>(
    patience: Duration,
    request: impl Fn() -> F,
) -> Result<T, ApiError> {
    let mut last = None;
    let mut pause = Duration::from_millis(1);
    let attempts = async {
        loop {
            match request().await {
                Err(error) if passing(&error) => {
                    last = Some(error);
                }
                answer => return answer,
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    };
    match tokio::time::timeout(patience, attempts).await {
        Ok(answer) => answer,
        Err(_) => {
            Err(last.unwrap_or_else(|| ApiError::Unanswered("the server is silent".to_owned())))
        }
    }
}

fn passing(error: &ApiError) -> bool {
    match error {
        ApiError::Refused(error) => matches!(
            error.error_code(),
            ErrorCode::CLUSTER_NOT_AVAILABLE
                | ErrorCode::CLUSTER_NOT_ACTIVE
                | ErrorCode::CLUSTER_NO_PEERS
                | ErrorCode::STREAM_OFFLINE
        ),
        ApiError::NoResponders | ApiError::NotSent(_) | ApiError::Unanswered(_) => true,
    }
}
