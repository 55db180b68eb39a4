//! Messages: posting, editing, taking back, reacting, reading.

use axum::{
    Json,
    http::Method,
    routing::{delete, get, post, put},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidings_protocol::{
    command,
    frame::{Outcome, Request},
    query,
};

use super::{
    Endpoint, Refused,
    answer::Changed,
    conversations::wire,
    request::{Acting, Ask, At, Body, Call, Looking},
    shape::Message,
    users::unexpected,
};
use crate::auth::Scope;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let scope = Scope::Messages;
    let all = "/v1/conversations/{conversation}/messages";
    let one = "/v1/conversations/{conversation}/messages/{seq}";
    let reaction = "/v1/conversations/{conversation}/messages/{seq}/reactions/{reaction}";
    vec![
        Endpoint::new::<Changed>(Method::POST, all, scope, "Posts a message.", post(send))
            .asks::<Acting>()
            .takes::<NewMessage>()
            .changes(),
        Endpoint::new::<Messages>(
            Method::GET,
            all,
            scope,
            "Lists messages, oldest first: the latest, or those before or after one.",
            get(list),
        )
        .asks::<ListMessages>(),
        Endpoint::new::<Message>(Method::GET, one, scope, "Shows a message.", get(message))
            .asks::<Looking>(),
        Endpoint::new::<Changed>(
            Method::PUT,
            one,
            scope,
            "Replaces the text of a message by its author.",
            put(edit),
        )
        .asks::<Acting>()
        .takes::<NewText>()
        .changes(),
        Endpoint::new::<Changed>(
            Method::DELETE,
            one,
            scope,
            "Takes a message back.",
            delete(retract),
        )
        .asks::<Acting>()
        .changes(),
        Endpoint::new::<Changed>(Method::PUT, reaction, scope, "Adds a reaction.", put(react))
            .asks::<Acting>()
            .changes(),
        Endpoint::new::<Changed>(
            Method::DELETE,
            reaction,
            scope,
            "Removes a reaction.",
            delete(unreact),
        )
        .asks::<Acting>()
        .changes(),
    ]
}

/// A message to post.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewMessage {
    /// What it says.
    text: String,
    /// `seq` of the message replied to; 0 for none.
    #[serde(default)]
    reply_to: u64,
    /// Members mentioned.
    #[serde(default)]
    mentions: Vec<String>,
}

async fn send(
    call: Call,
    At(conversation): At<String>,
    Ask(acting): Ask<Acting>,
    Body(message): Body<NewMessage>,
) -> Result<Json<Changed>, Refused> {
    let user = call.acting(&acting.user)?;
    let request = Request::PostMessage(command::PostMessage {
        conversation: wire(&conversation)?,
        text: message.text,
        reply_to: message.reply_to,
        mentions: message.mentions,
    });
    call.change(&user, request).await.map(Json)
}

/// Which page of messages.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListMessages {
    /// The user who looks: a member of the conversation.
    #[serde(rename = "as")]
    user: String,
    /// Those before this `seq`; 0 for the latest.
    #[serde(default)]
    before: u64,
    /// Those after this `seq`.
    after: Option<u64>,
    /// How many, at most 200; 0 for 50.
    #[serde(default)]
    limit: u32,
    /// A position that an earlier answer gave: the answer holds everything up to it.
    #[serde(default)]
    at_least: u64,
}

/// A page of messages.
#[derive(Serialize, JsonSchema)]
struct Messages {
    /// Oldest first.
    messages: Vec<Message>,
    /// Whether there are more in the direction that was asked for.
    more: bool,
    /// Everything up to this position is in it.
    position: u64,
}

async fn list(
    call: Call,
    At(conversation): At<String>,
    Ask(asked): Ask<ListMessages>,
) -> Result<Json<Messages>, Refused> {
    let user = call.acting(&asked.user)?;
    let request = Request::ListMessages(query::ListMessages {
        conversation: wire(&conversation)?,
        before: asked.before,
        after: asked.after,
        limit: asked.limit,
    });
    match call.read(&user, asked.at_least, request).await? {
        Outcome::Messages(page) => Ok(Json(Messages {
            messages: page.messages.into_iter().map(Into::into).collect(),
            more: page.more,
            position: page.position,
        })),
        other => Err(unexpected(&other)),
    }
}

async fn message(
    call: Call,
    At((conversation, seq)): At<(String, u64)>,
    Ask(looking): Ask<Looking>,
) -> Result<Json<Message>, Refused> {
    let user = call.acting(&looking.user)?;
    let request = Request::GetMessage(query::GetMessage {
        conversation: wire(&conversation)?,
        seq,
    });
    match call.read(&user, looking.at_least, request).await? {
        Outcome::Message(view) => Ok(Json(view.into())),
        other => Err(unexpected(&other)),
    }
}

/// A text to put in the place of another.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewText {
    /// What it is to say.
    text: String,
    /// Members mentioned now.
    #[serde(default)]
    mentions: Vec<String>,
}

async fn edit(
    call: Call,
    At((conversation, seq)): At<(String, u64)>,
    Ask(acting): Ask<Acting>,
    Body(NewText { text, mentions }): Body<NewText>,
) -> Result<Json<Changed>, Refused> {
    let user = call.acting(&acting.user)?;
    let request = Request::EditMessage(command::EditMessage {
        conversation: wire(&conversation)?,
        seq,
        text,
        mentions,
    });
    call.change(&user, request).await.map(Json)
}

async fn retract(
    call: Call,
    At((conversation, seq)): At<(String, u64)>,
    Ask(acting): Ask<Acting>,
) -> Result<Json<Changed>, Refused> {
    let user = call.acting(&acting.user)?;
    let conversation = wire(&conversation)?;
    let request = Request::RetractMessage(command::RetractMessage { conversation, seq });
    call.change(&user, request).await.map(Json)
}

async fn react(
    call: Call,
    At((conversation, seq, reaction)): At<(String, u64, String)>,
    Ask(acting): Ask<Acting>,
) -> Result<Json<Changed>, Refused> {
    let user = call.acting(&acting.user)?;
    let request = Request::AddReaction(command::AddReaction {
        conversation: wire(&conversation)?,
        seq,
        reaction,
    });
    call.change(&user, request).await.map(Json)
}

async fn unreact(
    call: Call,
    At((conversation, seq, reaction)): At<(String, u64, String)>,
    Ask(acting): Ask<Acting>,
) -> Result<Json<Changed>, Refused> {
    let user = call.acting(&acting.user)?;
    let request = Request::RemoveReaction(command::RemoveReaction {
        conversation: wire(&conversation)?,
        seq,
        reaction,
    });
    call.change(&user, request).await.map(Json)
}
