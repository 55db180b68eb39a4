//! What moderation holds, in all conversations: for the product's own moderators.

use axum::{
    Json,
    http::Method,
    routing::{get, put},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidings_core::{
    content,
    domain::{self, ConversationId, Kind, Settler},
    projections::read,
};
use tidings_extensions::said::{Became, SaidError};
use tidings_protocol::ErrorCode;

use super::{
    Endpoint, Refused,
    answer::Changed,
    request::{Ask, At, Body, Call},
};
use crate::{
    auth::Scope,
    held,
    query::{caught_up, page_limit},
};

pub(super) fn endpoints() -> Vec<Endpoint> {
    let scope = Scope::Moderation;
    vec![
        Endpoint::new::<Held>(
            Method::GET,
            "/v1/held",
            scope,
            "Lists what moderation holds, in all conversations or in one.",
            get(list),
        )
        .asks::<ListHeld>(),
        Endpoint::new::<Changed>(
            Method::PUT,
            "/v1/conversations/{conversation}/held/{held}",
            scope,
            "Settles a held message: it is posted as if it were sent now, or its author is told that it will not be.",
            put(settle),
        )
        .takes::<Settle>()
        .changes(),
        Endpoint::new::<Reviews>(
            Method::GET,
            "/v1/conversations/{conversation}/messages/{seq}/reviews",
            scope,
            "Lists what extensions said of a message.",
            get(reviews),
        ),
        Endpoint::new::<SaidOf>(
            Method::GET,
            "/v1/messages/{message}/reviews",
            scope,
            "Lists what extensions said of a message by the id that they know it by, also where it is held.",
            get(said_of),
        ),
    ]
}

/// Which part of what is held.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListHeld {
    /// Only in this conversation.
    conversation: Option<String>,
    /// What an earlier answer gave as `next`.
    after: Option<String>,
    /// How many, at most 50; 0 for 20.
    #[serde(default)]
    limit: u32,
}

/// What moderation holds.
#[derive(Serialize, JsonSchema)]
struct Held {
    /// By conversation, in the order in which they were sent.
    held: Vec<HeldMessage>,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A message, or a new text of one, that moderation holds.
#[derive(Serialize, JsonSchema)]
struct HeldMessage {
    /// Its conversation.
    conversation: String,
    /// Whom it is to; absent in a group.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    /// What the group is called; absent in a direct conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    /// Its number among those held there.
    held: u64,
    /// Who wrote it.
    author: String,
    /// When it was sent, milliseconds since 1970.
    at_ms: u64,
    /// `seq` of the message that it is a new text of; absent for a new message.
    #[serde(skip_serializing_if = "Option::is_none")]
    edits: Option<u64>,
    /// What it says; empty when `erased`.
    text: String,
    /// Its content has been erased for good: it can only be rejected.
    erased: bool,
    /// What was said of it, by extension.
    reviews: Vec<Review>,
}

/// What extensions said of a message.
#[derive(Serialize, JsonSchema)]
struct Reviews {
    /// In the order in which they said it.
    reviews: Vec<Review>,
}

/// What became of a message, and what extensions said of it.
#[derive(Serialize, JsonSchema)]
struct SaidOf {
    /// Its conversation.
    conversation: String,
    /// What became of it.
    became: Became,
    /// Its `seq`, or that of the message that it is a new text of; absent for one that was held when it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    /// Its number among those held there, if it was held.
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<u64>,
    /// Who settled what was held: `moderator USER`, `backend` or `extension ID`.
    #[serde(skip_serializing_if = "Option::is_none")]
    settled_by: Option<String>,
    /// In the order in which they said it.
    reviews: Vec<Review>,
}

/// What an extension said of a message.
#[derive(Serialize, JsonSchema)]
struct Review {
    /// Its id.
    extension: String,
    /// Its version.
    version: String,
    /// `allow`, `replace`, `hold` or `reject`.
    verdict: String,
    /// Why.
    reason: String,
    /// Labels it gave.
    labels: Vec<String>,
    /// It failed, and this is what its manifest says counts then.
    failed: bool,
}

async fn list(call: Call, Ask(asked): Ask<ListHeld>) -> Result<Json<Held>, Refused> {
    let limit = page_limit(asked.limit, 20, 50)?;
    let after = asked.after.as_deref().map(place).transpose()?;
    let only = asked
        .conversation
        .as_deref()
        .map(conversation_id)
        .transpose()?;
    caught_up(&call.gateway).await?;
    let node = &call.gateway.node;
    let (mut found, more, places) = {
        let rows = node.projections.read();
        let found = match only {
            Some(id) => {
                let after = after
                    .filter(|(of, _)| *of == id)
                    .map_or(0, |(_, held)| held);
                read::held_in(&rows, id, None, after, limit)
            }
            None => read::held_anywhere(&rows, after, limit),
        };
        let (found, more) = found.map_err(|error| Refused(error.into()))?;
        let places = found.iter().map(|held| read::row(&rows, held.conversation));
        let places: Result<Vec<_>, _> = places.collect();
        (found, more, places.map_err(|error| Refused(error.into()))?)
    };
    content::open_held(&*node.keys, &mut found)
        .await
        .map_err(|error| Refused(error.into()))?;
    let last = found.last().filter(|_| more);
    let next = last.map(|held| format!("{}:{}", held.conversation, held.held));
    let held = found.iter().zip(places).map(|(view, place)| {
        let (to, title) = match place.map(|place| (place.kind, place.title)) {
            Some((Kind::Direct { pair: (a, b), .. }, _)) => {
                let other = if a == view.author { b } else { a };
                (Some(other.to_string()), None)
            }
            Some((Kind::Group { .. }, title)) => (None, Some(title)),
            None => (None, None),
        };
        let shown = held::shown(view, true);
        let reviews = shown.reviews.into_iter().map(|review| Review {
            extension: review.extension,
            version: review.version,
            verdict: review.verdict,
            reason: review.reason,
            labels: review.labels,
            failed: review.failed,
        });
        HeldMessage {
            conversation: view.conversation.to_string(),
            to,
            title,
            held: view.held,
            author: shown.author,
            at_ms: view.at_ms,
            edits: (view.edits != 0).then_some(view.edits),
            text: shown.text,
            erased: shown.erased,
            reviews: reviews.collect(),
        }
    });
    Ok(Json(Held {
        held: held.collect(),
        next,
    }))
}

/// A conversation's id, in a question or a body.
pub(super) fn conversation_id(conversation: &str) -> Result<ConversationId, Refused> {
    uuid::Uuid::parse_str(conversation)
        .map(ConversationId)
        .map_err(|_| {
            Refused::invalid(format!(
                "conversation is {conversation:?}, which is no UUID"
            ))
        })
}

fn place(after: &str) -> Result<(ConversationId, u64), Refused> {
    let place = after.split_once(':').and_then(|(conversation, held)| {
        let conversation = uuid::Uuid::parse_str(conversation).ok()?;
        Some((ConversationId(conversation), held.parse().ok()?))
    });
    place.ok_or_else(|| Refused::invalid("after is not what an earlier answer gave as next"))
}

async fn reviews(
    call: Call,
    At((conversation, seq)): At<(String, u64)>,
) -> Result<Json<Reviews>, Refused> {
    let conversation = conversation_id(&conversation)?;
    caught_up(&call.gateway).await?;
    let found = {
        let rows = call.gateway.node.projections.read();
        let message = read::stored_message(&rows, conversation, seq);
        if message.map_err(|error| Refused(error.into()))?.is_none() {
            return Err(Refused::new(ErrorCode::NotFound, "no such message"));
        }
        read::reviews(&rows, conversation, seq).map_err(|error| Refused(error.into()))?
    };
    Ok(Json(Reviews {
        reviews: found.into_iter().map(Review::from).collect(),
    }))
}

impl From<domain::Review> for Review {
    fn from(review: domain::Review) -> Review {
        Review {
            extension: review.extension,
            version: review.version,
            verdict: review.verdict.as_str().to_owned(),
            reason: review.reason,
            labels: review.labels,
            failed: review.failed,
        }
    }
}

impl From<SaidError> for Refused {
    fn from(error: SaidError) -> Refused {
        let message = error.to_string();
        match error {
            SaidError::Id(_) => Refused::invalid(message),
            SaidError::NotFound => Refused::new(ErrorCode::NotFound, message),
            SaidError::Read(_) => Refused::new(ErrorCode::Internal, message),
            SaidError::Log(_) => Refused::new(ErrorCode::Unavailable, message),
        }
    }
}

async fn said_of(call: Call, At(message): At<String>) -> Result<Json<SaidOf>, Refused> {
    caught_up(&call.gateway).await?;
    let said = call.gateway.extensions.said_of(&message).await?;
    Ok(Json(SaidOf {
        conversation: said.conversation.to_string(),
        became: said.became,
        seq: (said.seq != 0).then_some(said.seq),
        held: (said.held != 0).then_some(said.held),
        settled_by: said.settled_by.map(|by| by.to_string()),
        reviews: said.reviews.into_iter().map(Review::from).collect(),
    }))
}

/// What is to become of a held message.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settle {
    /// Whether it is let go; otherwise it is rejected.
    release: bool,
    /// Why it is rejected: its author is shown this. At most 512 bytes.
    #[serde(default)]
    reason: String,
}

async fn settle(
    call: Call,
    At((conversation, number)): At<(String, u64)>,
    Body(Settle { release, reason }): Body<Settle>,
) -> Result<Json<Changed>, Refused> {
    let settlement = held::Settlement {
        conversation: conversation_id(&conversation)?,
        held: number,
        by: Settler::Backend,
        release,
        reason,
    };
    let (author, command) = held::settle(&call.gateway, settlement).await?;
    call.change_as(&author, command).await.map(Json)
}
