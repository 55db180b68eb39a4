//! Profiles, by which people are found; and erasing users.

use axum::{
    Json,
    http::Method,
    routing::{delete, get, post, put},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tidings_core::{
    domain::{Command, UserCommand, UserId, user::ENDED_AT_ONCE},
    erase,
    projections::read::ProfileSet,
};
use tidings_protocol::ErrorCode;
use tidings_search::profile;

use super::{
    Endpoint, Refused,
    answer::{Changed, Problem},
    request::{Ask, At, Body, Call},
};
use crate::{
    auth::Scope,
    query::caught_up,
    search::profiles::{self, Plan, Present, Wanted},
    translate::Failure,
};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new::<Shown>(
            Method::GET,
            "/v1/users/{user}/profile",
            Scope::Users,
            "Shows a user's profile.",
            get(show),
        )
        .asks::<Fresh>(),
        Endpoint::new::<Changed>(
            Method::PUT,
            "/v1/users/{user}/profile",
            Scope::Users,
            "Sets what a user is found by. What is the same already changes nothing.",
            put(set),
        )
        .takes::<NewProfile>()
        .changes(),
        Endpoint::new::<Changed>(
            Method::DELETE,
            "/v1/users/{user}/profile",
            Scope::Users,
            "Removes a user's profile.",
            delete(remove),
        )
        .changes(),
        Endpoint::new::<Outcomes>(
            Method::POST,
            "/v1/profiles",
            Scope::Users,
            "Sets many profiles, each as by itself.",
            post(set_many),
        )
        .takes::<NewProfiles>()
        .changes(),
        Endpoint::new::<Changed>(
            Method::DELETE,
            "/v1/users/{user}",
            Scope::Operate,
            "Erases a user for good: texts, profile and recorded facts cannot be read by anybody any more.",
            delete(erase_user),
        )
        .changes(),
    ]
}

/// Most profiles of one request.
const PROFILES: usize = 1_000;

/// How much must have happened.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Fresh {
    /// A position that an earlier answer gave: the answer holds everything up to it.
    #[serde(default)]
    at_least: u64,
}

/// A profile.
#[derive(Serialize, JsonSchema)]
struct Shown {
    /// All attributes, those that are not public included.
    attributes: Map<String, Value>,
    /// Whether people search leaves the user out.
    hidden: bool,
    /// When the user had a profile first, milliseconds since 1970.
    made_ms: u64,
}

async fn show(
    call: Call,
    At(user): At<String>,
    Ask(Fresh { at_least }): Ask<Fresh>,
) -> Result<Json<Shown>, Refused> {
    let user = call.user(&user)?;
    call.reached(at_least).await?;
    caught_up(&call.gateway).await?;
    let Present { set, hidden, .. } = present(&call, &user).await?;
    let Some((ProfileSet { made_ms, .. }, text)) = set else {
        let message = format!("{user} has no profile");
        return Err(Refused::new(ErrorCode::NotFound, message));
    };
    let attributes = call.gateway.search.attributes();
    let profile = crate::search::fitting(attributes, &text);
    Ok(Json(Shown {
        attributes: profile.to_json(attributes, true),
        hidden,
        made_ms,
    }))
}

async fn present(call: &Call, user: &UserId) -> Result<Present, Refused> {
    let mut all = profiles::present(&call.gateway.node, std::iter::once(user)).await?;
    Ok(all.remove(0))
}

/// What a user is found by.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewProfile {
    /// All attributes, by name; what is left out has no value. Without this they stay as they are.
    #[serde(default, deserialize_with = "profile::each_once")]
    attributes: Option<Map<String, Value>>,
    /// Whether people search leaves the user out. Without this it stays as it is.
    hidden: Option<bool>,
    /// When that was so, milliseconds since 1970, where it is not now: people are sorted by when they had a
    /// profile first.
    at_ms: Option<u64>,
}

fn check(call: &Call, user: &str, new: NewProfile) -> Result<Wanted, Refused> {
    let user = call.user(user)?;
    let NewProfile {
        attributes,
        hidden,
        at_ms,
    } = new;
    let declared = call.gateway.search.attributes();
    let now_ms = call.gateway.node.clock.now_ms();
    Wanted::check(declared, now_ms, user, attributes.as_ref(), hidden, at_ms)
        .map_err(|error| Refused::invalid(error.to_string()))
}

async fn set(
    call: Call,
    At(user): At<String>,
    Body(new): Body<NewProfile>,
) -> Result<Json<Changed>, Refused> {
    let wanted = check(&call, &user, new)?;
    let command = wanted.command(&present(&call, &wanted.user).await?);
    let id = call.command_id_of(&wanted.user, None, 0);
    let told = call.submit(&wanted.user, command, id, wanted.at_ms, None);
    call.settle(told).await.map(Changed::from).map(Json)
}

async fn remove(call: Call, At(user): At<String>) -> Result<Json<Changed>, Refused> {
    let user = call.user(&user)?;
    let command = Command::User(UserCommand::RemoveProfile);
    let id = call.command_id_of(&user, None, 0);
    let told = call.submit(&user, command, id, None, None);
    call.settle(told).await.map(Changed::from).map(Json)
}

/// Many profiles.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewProfiles {
    /// At most 1,000, each user once.
    profiles: Vec<NewProfileOf>,
    /// Whether to check them only: nothing is written.
    #[serde(default)]
    dry_run: bool,
}

/// What one user is found by.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewProfileOf {
    /// Who.
    user: String,
    /// All attributes, by name; what is left out has no value. Without this they stay as they are.
    #[serde(default, deserialize_with = "profile::each_once")]
    attributes: Option<Map<String, Value>>,
    /// Whether people search leaves the user out. Without this it stays as it is.
    hidden: Option<bool>,
    /// When that was so, milliseconds since 1970, where it is not now.
    at_ms: Option<u64>,
}

/// What came of many.
#[derive(Serialize, JsonSchema)]
struct Outcomes {
    /// A read with `at_least` of this holds all of it.
    position: u64,
    /// For each, in the order they were given.
    results: Vec<Outcome>,
}

/// What came of one.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum Outcome {
    /// It was set, or with `dry_run` would be.
    Set,
    /// It said the same already, and nothing was recorded.
    Unchanged,
    /// It was refused, and nothing was changed for this user.
    Refused {
        /// Why.
        error: Problem,
    },
}

impl Outcome {
    fn refused(refused: Refused) -> Outcome {
        Outcome::Refused {
            error: refused.problem(),
        }
    }
}

async fn set_many(
    call: Call,
    Body(NewProfiles { profiles, dry_run }): Body<NewProfiles>,
) -> Result<Json<Outcomes>, Refused> {
    if profiles.is_empty() || profiles.len() > PROFILES {
        return Err(Refused::invalid(format!(
            "{} profiles are given: 1 to {PROFILES} can be",
            profiles.len()
        )));
    }
    let mut seen = std::collections::HashSet::new();
    if let Some(twice) = profiles.iter().find(|new| !seen.insert(new.user.as_str())) {
        return Err(Refused::invalid(format!(
            "{:?} is there twice: which one is to hold?",
            twice.user
        )));
    }
    let mut results: Vec<Option<Outcome>> = Vec::with_capacity(profiles.len());
    let (mut wanted, mut places) = (Vec::new(), Vec::new());
    for (nth, new) in profiles.into_iter().enumerate() {
        let NewProfileOf {
            user,
            attributes,
            hidden,
            at_ms,
        } = new;
        let new = NewProfile {
            attributes,
            hidden,
            at_ms,
        };
        results.push(match check(&call, &user, new) {
            Err(refused) => Some(Outcome::refused(refused)),
            Ok(checked) => {
                let id = call.command_id_of(&checked.user, None, nth);
                wanted.push((checked, id));
                places.push(nth);
                None
            }
        });
    }
    let node = &call.gateway.node;
    let plans = profiles::plan(node, &wanted).await?;
    // What was found to be so already is so up to here.
    let mut position = node.projections.cursor();
    let mut begun = Vec::with_capacity(plans.len());
    for ((nth, (wanted, id)), plan) in places.into_iter().zip(wanted).zip(plans) {
        results[nth] = match plan {
            Plan::Nothing => Some(Outcome::Unchanged),
            Plan::Refuse(failure) => Some(Outcome::refused(failure.into())),
            Plan::Submit(_) if dry_run => Some(Outcome::Set),
            Plan::Submit(command) => {
                begun.push((
                    nth,
                    call.submit(&wanted.user, command, id, wanted.at_ms, None),
                ));
                None
            }
        };
    }
    for (nth, told) in begun {
        results[nth] = Some(match call.settle(told).await {
            Err(refused) => Outcome::refused(refused),
            Ok(accepted) => {
                position = position.max(accepted.position);
                Outcome::Set
            }
        });
    }
    Ok(Json(Outcomes {
        position,
        results: results.into_iter().flatten().collect(),
    }))
}

async fn erase_user(call: Call, At(user): At<String>) -> Result<Json<Changed>, Refused> {
    let user = call.user(&user)?;
    let gateway = &call.gateway;
    caught_up(gateway).await?;
    let failed = |error: erase::EraseError| Refused(Failure::from(error));
    // Before it is recorded: if the server dies in between, whoever asked is told nothing and asks again.
    erase::keys(&gateway.node, &user).await.map_err(failed)?;
    let contacts = || erase::contacts(&gateway.node, &user).map_err(|error| failed(error.into()));
    let mut accepted = None;
    // Once more than needed: others may add them meanwhile, whom the last one ends, too.
    for nth in 0..contacts()? / ENDED_AT_ONCE + 2 {
        let command = Command::User(UserCommand::Erase);
        let id = call.command_id_of(&user, None, nth);
        let told = call.submit(&user, command, id, None, None);
        let told = call.settle(told).await?;
        call.reached(told.position).await?;
        accepted = Some(told);
        if contacts()? == 0 {
            break;
        }
    }
    let Some(accepted) = accepted.filter(|_| contacts().is_ok_and(|count| count < ENDED_AT_ONCE))
    else {
        let message = "others add them as fast as their contacts end: try again";
        return Err(Refused::new(ErrorCode::Unavailable, message));
    };
    // What they wrote meanwhile somewhere new.
    erase::keys(&gateway.node, &user).await.map_err(failed)?;
    Ok(Json(Changed::from(accepted)))
}
