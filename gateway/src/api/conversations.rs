//! Conversations: starting them, reading them, members and titles.

use axum::{
    Json,
    http::Method,
    routing::{delete, get, post, put},
};
use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidings_protocol::{
    command,
    frame::{Outcome, Request},
    id, query,
};
use uuid::Uuid;

use super::{
    Endpoint, Refused,
    answer::Changed,
    request::{Acting, Ask, At, Body, Call, Looking},
    shape::{Conversation, Member},
    users::unexpected,
};
use crate::auth::Scope;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let scope = Scope::Conversations;
    vec![
        Endpoint::new::<Changed>(
            Method::PUT,
            "/v1/conversations/direct",
            scope,
            "Starts the direct conversation of two users about a context, or names the one there is.",
            put(direct),
        )
        .takes::<Direct>()
        .changes(),
        Endpoint::new::<Changed>(
            Method::POST,
            "/v1/conversations/groups",
            scope,
            "Starts a group.",
            post(group),
        )
        .takes::<Group>()
        .changes(),
        Endpoint::new::<Conversation>(
            Method::GET,
            "/v1/conversations/{conversation}",
            scope,
            "Shows a conversation as a member sees it.",
            get(conversation),
        )
        .asks::<Looking>(),
        Endpoint::new::<Members>(
            Method::GET,
            "/v1/conversations/{conversation}/members",
            scope,
            "Lists members.",
            get(members),
        )
        .asks::<ListMembers>(),
        Endpoint::new::<Changed>(
            Method::POST,
            "/v1/conversations/{conversation}/members",
            scope,
            "Adds members to a group.",
            post(add),
        )
        .asks::<Acting>()
        .takes::<NewMembers>()
        .changes(),
        Endpoint::new::<Changed>(
            Method::DELETE,
            "/v1/conversations/{conversation}/members/{user}",
            scope,
            "Removes a member from a group; who removes themselves leaves.",
            delete(remove),
        )
        .asks::<Acting>()
        .changes(),
        Endpoint::new::<Changed>(
            Method::PUT,
            "/v1/conversations/{conversation}/members/{user}/role",
            scope,
            "Gives a member a role.",
            put(role),
        )
        .asks::<Acting>()
        .takes::<NewRole>()
        .changes(),
        Endpoint::new::<Changed>(
            Method::PUT,
            "/v1/conversations/{conversation}/title",
            scope,
            "Gives a group a title.",
            put(title),
        )
        .asks::<Acting>()
        .takes::<NewTitle>()
        .changes(),
    ]
}

/// A conversation's id, out of the path.
pub(super) fn wire(conversation: &str) -> Result<Bytes, Refused> {
    match Uuid::parse_str(conversation) {
        Ok(uuid) => Ok(id::to_wire(uuid)),
        Err(_) => Err(Refused::invalid(format!(
            "conversation is {conversation:?}, which is no UUID"
        ))),
    }
}

/// Which two, and about what.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Direct {
    /// The two; the first is the one who starts it.
    users: [String; 2],
    /// What it is about, such as a listing: one conversation for each.
    #[serde(default)]
    context: String,
}

async fn direct(call: Call, Body(direct): Body<Direct>) -> Result<Json<Changed>, Refused> {
    let [user, peer] = direct.users;
    let user = call.acting(&user)?;
    let request = Request::StartDirect(command::StartDirect {
        user: peer,
        context: direct.context,
    });
    call.change(&user, request).await.map(Json)
}

/// A group to start.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Group {
    /// Who starts it, and is its first owner.
    owner: String,
    /// Its title.
    #[serde(default)]
    title: String,
    /// The other members.
    #[serde(default)]
    members: Vec<String>,
    /// Whether members see history from before they joined.
    #[serde(default)]
    history_from_start: bool,
    /// Most members, 0 for the server's limit.
    #[serde(default)]
    max_members: u32,
}

async fn group(call: Call, Body(group): Body<Group>) -> Result<Json<Changed>, Refused> {
    let owner = call.acting(&group.owner)?;
    let request = Request::CreateGroup(command::CreateGroup {
        title: group.title,
        members: group.members,
        history_from_start: group.history_from_start,
        max_members: group.max_members,
    });
    call.change(&owner, request).await.map(Json)
}

async fn conversation(
    call: Call,
    At(conversation): At<String>,
    Ask(looking): Ask<Looking>,
) -> Result<Json<Conversation>, Refused> {
    let user = call.acting(&looking.user)?;
    let request = Request::GetConversation(query::GetConversation {
        conversation: wire(&conversation)?,
    });
    match call.read(&user, looking.at_least, request).await? {
        Outcome::Conversation(view) => Ok(Json(view.into())),
        other => Err(unexpected(&other)),
    }
}

/// Which page of members.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListMembers {
    /// The user who looks: a member of the conversation.
    #[serde(rename = "as")]
    user: String,
    /// Those after this user id, in the order of their bytes.
    #[serde(default)]
    after: String,
    /// How many, at most 1000; 0 for 100.
    #[serde(default)]
    limit: u32,
    /// A position that an earlier answer gave: the answer holds everything up to it.
    #[serde(default)]
    at_least: u64,
}

/// A page of members.
#[derive(Serialize, JsonSchema)]
struct Members {
    /// By user id.
    members: Vec<Member>,
    /// Whether there are more: ask with `after` of the last one.
    more: bool,
    /// Everything up to this position is in it.
    position: u64,
}

async fn members(
    call: Call,
    At(conversation): At<String>,
    Ask(asked): Ask<ListMembers>,
) -> Result<Json<Members>, Refused> {
    let user = call.acting(&asked.user)?;
    let request = Request::ListMembers(query::ListMembers {
        conversation: wire(&conversation)?,
        after: asked.after,
        limit: asked.limit,
    });
    match call.read(&user, asked.at_least, request).await? {
        Outcome::Members(page) => Ok(Json(Members {
            members: page.members.into_iter().map(Into::into).collect(),
            more: page.more,
            position: page.position,
        })),
        other => Err(unexpected(&other)),
    }
}

/// Whom to add.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewMembers {
    /// Their ids.
    users: Vec<String>,
}

async fn add(
    call: Call,
    At(conversation): At<String>,
    Ask(acting): Ask<Acting>,
    Body(NewMembers { users }): Body<NewMembers>,
) -> Result<Json<Changed>, Refused> {
    let user = call.acting(&acting.user)?;
    let conversation = wire(&conversation)?;
    let request = Request::AddMembers(command::AddMembers {
        conversation,
        users,
    });
    call.change(&user, request).await.map(Json)
}

async fn remove(
    call: Call,
    At((conversation, member)): At<(String, String)>,
    Ask(acting): Ask<Acting>,
) -> Result<Json<Changed>, Refused> {
    let user = call.acting(&acting.user)?;
    let conversation = wire(&conversation)?;
    let request = if *member == *user {
        Request::Leave(command::Leave { conversation })
    } else {
        Request::RemoveMember(command::RemoveMember {
            conversation,
            user: member,
        })
    };
    call.change(&user, request).await.map(Json)
}

/// A role to give.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewRole {
    /// `owner`, `moderator` or `member`.
    role: String,
}

async fn role(
    call: Call,
    At((conversation, member)): At<(String, String)>,
    Ask(acting): Ask<Acting>,
    Body(NewRole { role }): Body<NewRole>,
) -> Result<Json<Changed>, Refused> {
    let user = call.acting(&acting.user)?;
    let request = Request::SetRole(command::SetRole {
        conversation: wire(&conversation)?,
        user: member,
        role,
    });
    call.change(&user, request).await.map(Json)
}

/// A title to give.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewTitle {
    /// The new one.
    title: String,
}

async fn title(
    call: Call,
    At(conversation): At<String>,
    Ask(acting): Ask<Acting>,
    Body(NewTitle { title }): Body<NewTitle>,
) -> Result<Json<Changed>, Refused> {
    let user = call.acting(&acting.user)?;
    let request = Request::SetTitle(command::SetTitle {
        conversation: wire(&conversation)?,
        title,
    });
    call.change(&user, request).await.map(Json)
}
