//! Appending one commit: fenced, and clear about what became of it.

use std::cmp::Ordering;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::message::StreamMessage;
use uuid::Uuid;

use super::{ApiError, Shared};
use crate::log::{Append, AppendError, Lane, MAX_RECORD_BYTES, Position};

/// The commit's id. Not `Nats-Msg-Id`: see the module above.
const COMMIT: &str = "Tidings-Commit";

/// How often a fence beyond the shard's end is tried again with several replicas, before it is
/// believed to be wrong: a leader that has been deposed without knowing it does not know the end.
const AHEAD_TRIES: u32 = 8;

/// What has become of the tries so far.
#[derive(Default)]
struct Tries {
    /// One of them may have been appended, or may yet be.
    unclear: bool,
    /// What the last one ended with.
    reason: String,
}

/// What the shard says about an append that its fence refused.
enum Verdict {
    /// It had been appended by an earlier try.
    Ours(u64),
    /// Another record, up to `last`, stands after the fence: ours never will.
    Lost { last: u64 },
    /// The fence is beyond the shard's end.
    Ahead { last: u64 },
    /// The fence is right. With several replicas a leader refuses it all the same while it is busy
    /// with an append of the shard, our own last one included: for a moment after its answer.
    Busy,
}

pub(super) async fn append(shared: &Shared, append: Append) -> Result<Position, AppendError> {
    if append.payload.len() > MAX_RECORD_BYTES {
        return Err(AppendError::TooLarge {
            len: append.payload.len(),
        });
    }
    if let Some(why) = shared.replaced.get() {
        return Err(AppendError::Unavailable(why.clone()));
    }
    let turn = &shared.turns(append.lane)[usize::from(append.shard.0)];
    let mut tries = Tries::default();
    let attempts = async {
        let mut last = turn.lock().await;
        // The one retry that the fence lets through: at the record itself.
        if *last == Some((append.id, append.expected)) && append.lane == Lane::Journal {
            return Ok(append.expected);
        }
        let position = insist(shared, &append, &mut tries).await?;
        shared.saw(append.lane, append.shard, position.0);
        *last = Some((append.id, position));
        Ok(position)
    };
    match tokio::time::timeout(shared.config.patience, attempts).await {
        Ok(outcome) => outcome,
        Err(_) => Err(tries.give_up()),
    }
}

/// The id of the commit that a message of a shard carries.
pub(super) fn commit_id(headers: &HeaderMap) -> Option<Uuid> {
    headers
        .get(COMMIT)
        .and_then(|id| Uuid::try_parse(id.as_str()).ok())
}

/// Whether a publish was refused by its fence.
pub(crate) fn is_wrong_sequence(code: ErrorCode) -> bool {
    code == ErrorCode::STREAM_WRONG_LAST_SEQUENCE
        || code == ErrorCode::STREAM_WRONG_LAST_SEQUENCE_CONSTANT
}

async fn insist(
    shared: &Shared,
    append: &Append,
    tries: &mut Tries,
) -> Result<Position, AppendError> {
    let mut pause = Duration::from_millis(1);
    let mut ahead = 0;
    loop {
        let mut headers = HeaderMap::new();
        headers.insert(COMMIT, append.id.simple().to_string());
        let before = tries.unclear;
        // Until it is answered. Should the caller or the clock end the wait here, it stays so.
        tries.unclear = true;
        let sent = shared.api.publish(
            shared.subject(append.lane, append.shard),
            append.expected.0,
            headers,
            append.payload.clone(),
        );
        match sent.await {
            Ok(position) => return Ok(Position(position)),
            Err(error) if error.code().is_some_and(is_wrong_sequence) => {
                tries.unclear = before;
                tries.reason = error.to_string();
                match verdict(shared, append, before).await {
                    Ok(Verdict::Ours(position)) => return Ok(Position(position)),
                    Ok(Verdict::Lost { last }) => {
                        return Err(AppendError::Conflict {
                            last: Position(last),
                        });
                    }
                    Ok(Verdict::Ahead { last }) => {
                        if append.lane == Lane::Presence {
                            refresh_presence(shared, tries).await;
                        }
                        ahead += 1;
                        let certain = ahead >= AHEAD_TRIES || shared.config.replicas == 1;
                        let back = shared.went_back(append.lane, append.shard, last);
                        if let Some(why) = back {
                            // Of several leaders the next one may know better.
                            tries.reason = why;
                            if shared.config.replicas == 1 {
                                return Err(tries.give_up());
                            }
                        } else if certain && !tries.unclear {
                            return Err(AppendError::Conflict {
                                last: Position(last),
                            });
                        }
                    }
                    Ok(Verdict::Busy) => {}
                    Err(error) => tries.reason = error.to_string(),
                }
            }
            Err(error) => {
                tries.reason = error.to_string();
                match &error {
                    // Storing it failed half-way, perhaps.
                    ApiError::Refused(e) if e.error_code() == ErrorCode::STREAM_STORE_FAILED => {}
                    ApiError::Refused(e) => {
                        tries.unclear = before;
                        if is_full(e.error_code()) {
                            return Err(tries.give_up());
                        }
                    }
                    ApiError::NoResponders | ApiError::NotSent(_) => tries.unclear = before,
                    ApiError::Unanswered(_) => {}
                }
                if append.lane == Lane::Presence && matches!(error, ApiError::NoResponders) {
                    refresh_presence(shared, tries).await;
                }
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}

/// Asks the shard. If an earlier try may have got through, then what counts is the record right after
/// the fence, the only place where ours can stand: somebody may have appended on top of it since.
async fn verdict(shared: &Shared, append: &Append, unclear: bool) -> Result<Verdict, ApiError> {
    let stream = shared.stream(append.lane);
    let subject = shared.subject(append.lane, append.shard);
    let ours = |m: &StreamMessage| commit_id(&m.headers) == Some(append.id);

    let last = shared.api.last_of(&stream, &subject).await?;
    let end = last.as_ref().map_or(0, |m| m.sequence);
    if last.as_ref().is_some_and(ours) {
        return Ok(Verdict::Ours(end));
    }
    match end.cmp(&append.expected.0) {
        Ordering::Less => return Ok(Verdict::Ahead { last: end }),
        Ordering::Equal => return Ok(Verdict::Busy),
        Ordering::Greater => {}
    }
    if unclear {
        let first = shared
            .api
            .first_of(&stream, &subject, append.expected.0 + 1)
            .await?;
        if let Some(first) = first.filter(ours) {
            return Ok(Verdict::Ours(first.sequence));
        }
    }
    Ok(Verdict::Lost { last: end })
}

/// The presence lane may have been lost with its servers: it is then begun anew.
async fn refresh_presence(shared: &Shared, tries: &mut Tries) {
    if let Err(error) = shared.presence.refresh(&shared.api).await {
        tries.reason = error.to_string();
    }
}

fn is_full(code: ErrorCode) -> bool {
    code == ErrorCode::INSUFFICIENT_RESOURCES || code == ErrorCode::STORAGE_RESOURCES_EXCEEDED
}

impl Tries {
    fn give_up(&self) -> AppendError {
        if self.unclear {
            AppendError::Unclear(self.reason.clone())
        } else {
            AppendError::Unavailable(self.reason.clone())
        }
    }
}
