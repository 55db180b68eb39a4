//! Contacts: whom a user has asked, who asks them, and who are each other's.

use axum::{
    Json,
    http::Method,
    routing::{delete, get, put},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidings_protocol::{
    command,
    frame::{Outcome, Request},
    query, view,
};

use super::{
    Endpoint, Refused,
    answer::Changed,
    request::{Ask, At, Call},
    users::unexpected,
};
use crate::auth::Scope;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new::<Contacts>(
            Method::GET,
            "/v1/users/{user}/contacts",
            Scope::Users,
            "Lists a user's contacts, those asked and asking included, in the order of their ids.",
            get(list),
        )
        .asks::<ListContacts>(),
        Endpoint::new::<Changed>(
            Method::PUT,
            "/v1/users/{user}/contacts/{other}",
            Scope::Users,
            "Asks another user to be a contact of a user, or accepts that they ask.",
            put(add),
        )
        .changes(),
        Endpoint::new::<Changed>(
            Method::DELETE,
            "/v1/users/{user}/contacts/{other}",
            Scope::Users,
            "Ends a contact for both, takes a request back, or declines one.",
            delete(remove),
        )
        .changes(),
    ]
}

/// Which of a user's contacts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ListContacts {
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

/// A page of contacts.
#[derive(Serialize, JsonSchema)]
struct Contacts {
    /// The page.
    contacts: Vec<Contact>,
    /// Whether there are more.
    more: bool,
}

/// What another user is to a user.
#[derive(Serialize, JsonSchema)]
struct Contact {
    /// Who.
    user: String,
    /// `contact` (both have added each other), `asked` (by the user) or `asking` (the user).
    state: String,
    /// Since when, milliseconds since 1970.
    at_ms: u64,
}

async fn list(
    call: Call,
    At(user): At<String>,
    Ask(asked): Ask<ListContacts>,
) -> Result<Json<Contacts>, Refused> {
    let user = call.acting(&user)?;
    let ListContacts {
        after,
        limit,
        at_least,
    } = asked;
    let request = Request::ListContacts(query::ListContacts { after, limit });
    match call.read(&user, at_least, request).await? {
        Outcome::Contacts(query::Contacts { contacts, more, .. }) => {
            let contacts = contacts.into_iter();
            let contacts =
                contacts.map(|view::Contact { user, state, at_ms }| Contact { user, state, at_ms });
            Ok(Json(Contacts {
                contacts: contacts.collect(),
                more,
            }))
        }
        other => Err(unexpected(&other)),
    }
}

async fn add(
    call: Call,
    At((user, other)): At<(String, String)>,
) -> Result<Json<Changed>, Refused> {
    let user = call.acting(&user)?;
    let request = Request::AddContact(command::AddContact { user: other });
    call.change(&user, request).await.map(Json)
}

async fn remove(
    call: Call,
    At((user, other)): At<(String, String)>,
) -> Result<Json<Changed>, Refused> {
    let user = call.acting(&user)?;
    let request = Request::RemoveContact(command::RemoveContact { user: other });
    call.change(&user, request).await.map(Json)
}
