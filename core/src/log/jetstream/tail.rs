//! Following a lane: a push consumer of our own making, unfiltered, begun anew wherever it breaks.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, push};
use async_nats::{Message, StatusCode, Subject, Subscriber};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use tokio::task::JoinSet;
use tokio::time::Interval;
use uuid::Uuid;

use super::append::commit_id;
use super::{ApiError, Shared, streams};
use crate::log::{Lane, Position, ReadError, Record, Shard, Tail};

/// How often the server says that it is there when there is nothing else to say.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// After which silence the consumer is taken for lost.
const SILENCE: Duration = Duration::from_secs(3);

/// How long the server keeps a consumer that nobody listens to.
const ABANDONED: Duration = Duration::from_secs(30);

/// Payload bytes of one batch, about.
const BATCH_BYTES: usize = 2 * 1024 * 1024;

/// A tail of one lane.
pub(super) struct JetStreamTail {
    followed: Arc<Followed>,
    /// Sequence of the last message that was yielded, or passed over.
    last: u64,
    state: State,
}

enum State {
    Following(Consumer),
    /// In a task of its own, so that a caller who waits a little at a time gets there too.
    Beginning(JoinSet<Result<Consumer, ReadError>>),
}

/// What a tail follows.
struct Followed {
    shared: Arc<Shared>,
    lane: Lane,
    stream: String,
    marker: String,
    /// Of the lane when the tail was opened.
    incarnation: Uuid,
}

struct Consumer {
    messages: Subscriber,
    /// How many messages it has delivered.
    delivered: u64,
    /// Where it waits for a sign that we keep up.
    owed: Option<Subject>,
    /// Ticks when nothing has come for too long. Kept here, for callers who wait a little at a time.
    silence: Interval,
}

/// What a message of the consumer means.
enum Step {
    /// A record.
    Record(Record),
    /// Nothing to yield.
    Nothing,
    /// One is missing: the consumer is to be begun anew.
    Gap,
    /// The lane is not what it was.
    Broken(ReadError),
}

impl JetStreamTail {
    pub(super) async fn open(
        shared: Arc<Shared>,
        lane: Lane,
        after: Position,
    ) -> Result<JetStreamTail, ReadError> {
        let followed = Arc::new(Followed {
            lane,
            stream: shared.stream(lane),
            marker: streams::marker(&shared.config.prefix),
            incarnation: match lane {
                Lane::Journal => shared.identity.epoch,
                Lane::Presence => shared.presence.incarnation(),
            },
            shared,
        });
        let consumer = followed.begin(after.0).await?;
        Ok(JetStreamTail {
            followed,
            last: after.0,
            state: State::Following(consumer),
        })
    }

    fn begin_anew(&mut self) {
        let (followed, last) = (self.followed.clone(), self.last);
        let mut task = JoinSet::new();
        task.spawn(async move { followed.begin(last).await });
        self.state = State::Beginning(task);
    }

    fn at_hand(&mut self) -> Option<Message> {
        match &mut self.state {
            // Without this the runtime would end each batch after 128 messages.
            State::Following(consumer) => tokio::task::unconstrained(consumer.messages.next())
                .now_or_never()
                .flatten(),
            State::Beginning(_) => None,
        }
    }

    fn step(&mut self, message: Message) -> Step {
        let State::Following(consumer) = &mut self.state else {
            return Step::Nothing;
        };
        if let Some(status) = message.status {
            return consumer.control(status, message);
        }
        let Some((sequence, delivery)) = message.reply.as_deref().and_then(sequences) else {
            return Step::Gap;
        };
        if delivery != consumer.delivered + 1 {
            return Step::Gap;
        }
        consumer.delivered = delivery;
        if sequence <= self.last {
            return Step::Nothing;
        }
        // Nothing is ever deleted from a journal: what is not there has been lost.
        if sequence > self.last + 1 && self.followed.lane == Lane::Journal {
            let reason = format!("the next record is {sequence}");
            return Step::Broken(self.followed.damaged(self.last + 1, reason));
        }
        if *message.subject == *self.followed.marker {
            self.last = sequence;
            return Step::Nothing;
        }
        let shard = message
            .subject
            .rsplit('.')
            .next()
            .and_then(|s| s.parse().ok());
        let id = message.headers.as_ref().and_then(commit_id);
        let (Some(shard), Some(id)) = (shard, id) else {
            let reason = format!("not a record, yet published to {}", message.subject);
            return Step::Broken(self.followed.damaged(sequence, reason));
        };
        self.last = sequence;
        let followed = &*self.followed;
        followed.shared.saw(followed.lane, Shard(shard), sequence);
        Step::Record(Record {
            position: Position(sequence),
            shard: Shard(shard),
            id,
            payload: message.payload,
        })
    }
}

impl Followed {
    /// Begins after the last message yielded, once that is known to be in the stream still.
    async fn begin(&self, last: u64) -> Result<Consumer, ReadError> {
        let patience = self.shared.config.patience;
        let mut failed = None;
        let attempts = async {
            loop {
                failed = Some(match self.attempt(last).await {
                    Ok(Ok(consumer)) => return Ok(consumer),
                    Ok(Err(lost @ ReadError::Lost)) => return Err(lost),
                    // Only if it persists: a deposed leader may not know the stream's end.
                    Ok(Err(error)) => error,
                    Err(error) => ReadError::Unavailable(format!("{}: {error}", self.stream)),
                });
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        match tokio::time::timeout(patience, attempts).await {
            Ok(outcome) => outcome,
            Err(_) => Err(failed.unwrap_or_else(|| {
                ReadError::Unavailable(format!("{}: no answer within {patience:?}", self.stream))
            })),
        }
    }

    async fn attempt(&self, last: u64) -> Result<Result<Consumer, ReadError>, ApiError> {
        let api = &self.shared.api;
        if self.lane == Lane::Presence
            && self.shared.presence.refresh(api).await? != self.incarnation
        {
            return Ok(Err(ReadError::Lost));
        }
        let info = api.info(&self.stream).await?;
        if self.lane == Lane::Journal
            && let Ok(now) = streams::identity(&info.config)
            && now.epoch != self.incarnation
        {
            return Ok(Err(self.replaced(now.epoch)));
        }
        let state = info.state;
        if state.last_sequence < last {
            return Ok(Err(self.damaged(
                state.last_sequence + 1,
                format!("the stream ends there, and {last} had been read"),
            )));
        }
        if self.lane == Lane::Journal && state.first_sequence > last + 1 {
            return Ok(Err(self.damaged(
                last + 1,
                format!("the stream begins at {} only", state.first_sequence),
            )));
        }
        self.consumer(last).await.map(Ok)
    }

    async fn consumer(&self, last: u64) -> Result<Consumer, ApiError> {
        let inbox = self.shared.readers.new_inbox();
        let failed = |e: &dyn std::fmt::Display| ApiError::Unanswered(e.to_string());
        let subscribed = self.shared.readers.subscribe(inbox.clone()).await;
        let messages = subscribed.map_err(|e| failed(&e))?;
        // The server must know the subscription before the consumer, which comes by another connection.
        self.shared.readers.flush().await.map_err(|e| failed(&e))?;
        let config = push::Config {
            deliver_subject: inbox,
            deliver_policy: match last {
                0 => DeliverPolicy::All,
                last => DeliverPolicy::ByStartSequence {
                    start_sequence: last + 1,
                },
            },
            ack_policy: AckPolicy::None,
            max_deliver: 1,
            flow_control: true,
            idle_heartbeat: HEARTBEAT,
            inactive_threshold: ABANDONED,
            memory_storage: true,
            num_replicas: 1,
            ..push::Config::default()
        };
        let context = &self.shared.api.context;
        let made = context
            .create_consumer_on_stream(config, &*self.stream)
            .await;
        made.map_err(|e| failed(&e))?;
        let mut silence = tokio::time::interval(SILENCE);
        silence.reset();
        Ok(Consumer {
            messages,
            delivered: 0,
            owed: None,
            silence,
        })
    }

    fn replaced(&self, epoch: Uuid) -> ReadError {
        let why = self.shared.replaced.get_or_init(|| {
            format!(
                "the stream {} had the epoch {} when this process opened it, and has {epoch} now: restart \
                 this process",
                self.stream, self.incarnation,
            )
        });
        ReadError::Unavailable(why.clone())
    }

    fn damaged(&self, position: u64, reason: String) -> ReadError {
        match self.lane {
            Lane::Journal => ReadError::Damaged {
                position: Position(position),
                reason,
            },
            Lane::Presence => ReadError::Lost,
        }
    }
}

impl Consumer {
    /// Waits for a message. `None`: the consumer is lost. A dropped call loses nothing.
    async fn next(&mut self, followed: &Followed) -> Option<Message> {
        if let Some(reply) = self.owed.clone() {
            // It fails with the connection only: then the consumer does, too.
            let _ = followed.shared.readers.publish(reply, Bytes::new()).await;
            self.owed = None;
        }
        let message = tokio::select! {
            biased;
            message = self.messages.next() => message,
            _ = self.silence.tick() => None,
        };
        self.silence.reset();
        message
    }

    fn control(&mut self, status: StatusCode, message: Message) -> Step {
        if status != StatusCode::IDLE_HEARTBEAT {
            return Step::Gap;
        }
        if let Some(reply) = message.reply {
            self.owed = Some(reply);
            return Step::Nothing;
        }
        let header = |name: &str| message.headers.as_ref().and_then(|h| h.get(name));
        if let Some(stalled) = header("Nats-Consumer-Stalled") {
            self.owed = Some(stalled.as_str().into());
        }
        match header("Nats-Last-Consumer").and_then(|n| n.as_str().parse::<u64>().ok()) {
            Some(delivered) if delivered != self.delivered => Step::Gap,
            _ => Step::Nothing,
        }
    }
}

#[async_trait]
impl Tail for JetStreamTail {
    async fn next(&mut self) -> Result<Vec<Record>, ReadError> {
        loop {
            let first = match &mut self.state {
                State::Beginning(task) => {
                    let begun = task.join_next().await;
                    match begun
                        .expect("there is one task")
                        .expect("it does not panic")
                    {
                        Ok(consumer) => self.state = State::Following(consumer),
                        Err(error) => {
                            self.begin_anew();
                            return Err(error);
                        }
                    }
                    continue;
                }
                State::Following(consumer) => match consumer.next(&self.followed).await {
                    Some(message) => message,
                    None => {
                        self.begin_anew();
                        continue;
                    }
                },
            };

            // From here on nothing is awaited, so that a dropped call loses nothing.
            let mut batch = Vec::new();
            let mut bytes = 0;
            let mut next = Some(first);
            while let Some(message) = next {
                match self.step(message) {
                    Step::Record(record) => {
                        bytes += record.payload.len();
                        batch.push(record);
                    }
                    Step::Nothing => {}
                    Step::Gap => self.begin_anew(),
                    Step::Broken(error) => {
                        self.begin_anew();
                        if batch.is_empty() {
                            return Err(error);
                        }
                        // It will be met again, after what comes before it.
                    }
                }
                next = if bytes < BATCH_BYTES {
                    self.at_hand()
                } else {
                    None
                };
            }
            if !batch.is_empty() {
                return Ok(batch);
            }
        }
    }
}

/// The stream's and the consumer's sequence of a delivered message, from its reply subject:
/// `$JS.ACK.<stream>.<consumer>.<tries>.<stream seq>.<consumer seq>.<time>.<pending>`, where newer
/// servers may put `<domain>.<account>` before the stream.
fn sequences(reply: &str) -> Option<(u64, u64)> {
    let rest = reply.strip_prefix("$JS.ACK.")?;
    let mut tokens = rest
        .split('.')
        .skip(if rest.split('.').count() == 7 { 3 } else { 5 });
    Some((tokens.next()?.parse().ok()?, tokens.next()?.parse().ok()?))
}
