//! Searching people, for backends: as a user sees them, or everything.

use axum::{
    Json,
    http::Method,
    routing::{get, post},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tidings_protocol::{
    ErrorCode,
    frame::{Outcome, Request},
    id, query,
};

use super::{
    Endpoint, Refused,
    request::{Ask, Body, Call},
    shape::Message,
};
use crate::{auth::Scope, search, session::Shared};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new::<People>(
            Method::POST,
            "/v1/search/people",
            Scope::Users,
            "Finds people by what their profiles say and by whether they are here.",
            post(people),
        )
        .takes::<SearchPeople>(),
        Endpoint::new::<Declaration>(
            Method::GET,
            "/v1/search/attributes",
            Scope::Users,
            "Says what profiles may hold.",
            get(attributes),
        ),
        Endpoint::new::<Messages>(
            Method::POST,
            "/v1/search/messages",
            Scope::Messages,
            "Finds messages of a user's conversations.",
            post(messages),
        )
        .takes::<SearchMessages>(),
        Endpoint::new::<Status>(
            Method::GET,
            "/v1/search/status",
            Scope::Operate,
            "Says how far the indexes of people and of messages are.",
            get(status),
        ),
        Endpoint::new::<Rebuilding>(
            Method::POST,
            "/v1/search/rebuild",
            Scope::Operate,
            "Builds the indexes anew, or one, beside the present ones, which are searched meanwhile.",
            post(rebuild),
        )
        .asks::<Rebuild>(),
    ]
}

/// A question.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SearchPeople {
    /// The user who looks: sees what is public, and neither who blocks them nor whom they block. Without one
    /// everything is seen, hidden people and attributes that are not public included.
    #[serde(rename = "as")]
    viewer: Option<String>,
    /// In the query language; empty for everybody.
    #[serde(default)]
    query: String,
    /// A filter as a tree, for programs. With `query` both have to fit.
    filter: Option<Map<String, Value>>,
    /// `any`, `first` (who is online comes first) or `only` (who is not is left out).
    #[serde(default)]
    online: String,
    /// Whether who is away counts as online; true if it is left out.
    away: Option<bool>,
    /// `relevance`, `distance` (from where the query is near to, or from `from`), `active` (last seen) or
    /// `newest` (the profile).
    #[serde(default)]
    sort: String,
    /// With `distance`: latitude and longitude, as in `52.52,13.40`.
    #[serde(default)]
    from: String,
    /// Keyword and boolean attributes whose values are to be counted, at most 16.
    #[serde(default)]
    facets: Vec<String>,
    /// At most this many, 1 to 100; 0 for 20.
    #[serde(default)]
    limit: u32,
    /// Goes on after an earlier page: its `next`.
    #[serde(default)]
    after: String,
    /// Whether to say where the words stand.
    #[serde(default)]
    highlight: bool,
    /// Whether to say why each ranks where they do.
    #[serde(default)]
    explain: bool,
    /// Whether to leave out whom the user has a direct conversation with.
    #[serde(default)]
    without_contacted: bool,
    /// Users to leave out, at most 1,000.
    #[serde(default)]
    exclude: Vec<String>,
}

/// A page of people.
#[derive(Serialize, JsonSchema)]
struct People {
    /// Best first.
    people: Vec<Person>,
    /// How many fit, on all pages.
    total: u64,
    /// Whether there are at least `total`, perhaps more.
    at_least: bool,
    /// Goes on after the last one; empty where there are no more.
    next: String,
    /// The values of each attribute of `facets`.
    facets: Vec<Facet>,
    /// Whether the beginning of a word stood for too many words, so that people may be missing.
    cut: bool,
}

/// A person who was found.
#[derive(Serialize, JsonSchema)]
struct Person {
    /// Who.
    user: String,
    /// `available`, `away` or `offline`.
    state: String,
    /// Where offline: when they were here last, milliseconds since 1970; 0 where that is not known or not
    /// shown.
    seen_ms: u64,
    /// What the profile says.
    attributes: Value,
    /// How far they are from where the query is near to, in metres.
    #[serde(skip_serializing_if = "Option::is_none")]
    distance_m: Option<f64>,
    /// How well the words fit (BM25); 0 where none were looked for or the order is another.
    score: f64,
    /// Where the words stand, if that was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    highlights: Vec<Highlight>,
    /// Why they rank where they do, if that was asked for.
    #[serde(skip_serializing_if = "Value::is_null")]
    explanation: Value,
}

/// A place in a text that was looked for.
#[derive(Serialize, JsonSchema)]
struct Highlight {
    /// In which attribute.
    attribute: String,
    /// In which of its values, from 0.
    value: u32,
    /// Where it begins, in bytes of UTF-8.
    from: u32,
    /// Where it ends, in bytes of UTF-8.
    to: u32,
}

/// The values of an attribute among all who were found.
#[derive(Serialize, JsonSchema)]
struct Facet {
    /// Which attribute.
    attribute: String,
    /// Most frequent first.
    values: Vec<FacetValue>,
    /// Whether there are more values.
    more: bool,
}

/// How many have a value.
#[derive(Serialize, JsonSchema)]
struct FacetValue {
    /// The value.
    value: String,
    /// How many people.
    count: u64,
}

/// What the server made itself is JSON.
fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

async fn people(call: Call, Body(asked): Body<SearchPeople>) -> Result<Json<People>, Refused> {
    let viewer = asked.viewer.as_deref();
    let viewer = viewer.map(|viewer| call.acting(viewer)).transpose()?;
    let request = query::SearchPeople {
        query: asked.query,
        filter: asked
            .filter
            .map(|filter| Value::Object(filter).to_string())
            .unwrap_or_default(),
        online: asked.online,
        without_away: asked.away == Some(false),
        sort: asked.sort,
        from: asked.from,
        facets: asked.facets,
        limit: asked.limit,
        after: asked.after,
        highlight: asked.highlight,
        explain: asked.explain,
        without_contacted: asked.without_contacted,
        exclude: asked.exclude,
    };
    let shared = Shared::detached(call.gateway.clone());
    let found = crate::query::search_people(&shared, viewer.as_ref(), request).await?;
    let people = found.people.into_iter().map(|person| Person {
        attributes: json(&person.attributes),
        explanation: json(&person.explanation),
        user: person.user,
        state: person.state,
        seen_ms: person.seen_ms,
        distance_m: person.distance_m,
        score: person.score,
        highlights: person
            .highlights
            .into_iter()
            .map(|place| Highlight {
                attribute: place.attribute,
                value: place.value,
                from: place.from,
                to: place.to,
            })
            .collect(),
    });
    let facets = found.facets.into_iter().map(|facet| Facet {
        attribute: facet.attribute,
        values: facet
            .values
            .into_iter()
            .map(|value| FacetValue {
                value: value.value,
                count: value.count,
            })
            .collect(),
        more: facet.more,
    });
    Ok(Json(People {
        people: people.collect(),
        total: found.total,
        at_least: found.at_least,
        next: found.next,
        facets: facets.collect(),
        cut: found.cut,
    }))
}

/// What profiles may hold, as this server is configured.
#[derive(Serialize, JsonSchema)]
struct Declaration {
    /// By name, in the order of their names.
    attributes: Vec<DeclaredAttribute>,
}

/// An attribute of profiles.
#[derive(Serialize, JsonSchema)]
struct DeclaredAttribute {
    /// What it is called in profiles and queries.
    name: String,
    /// `text`, `keyword`, `number`, `date`, `geo_point` or `boolean`.
    kind: String,
    /// Whether a profile may have several values.
    multiple: bool,
    /// Whether other people see it and may look for it.
    public: bool,
}

async fn attributes(call: Call) -> Json<Declaration> {
    let declared = call.gateway.search.attributes().iter();
    let attributes = declared.map(|(name, attribute)| DeclaredAttribute {
        name: name.to_owned(),
        kind: match serde_json::to_value(attribute.kind) {
            Ok(Value::String(kind)) => kind,
            _ => String::new(),
        },
        multiple: attribute.multiple,
        public: attribute.public,
    });
    Json(Declaration {
        attributes: attributes.collect(),
    })
}

/// A question for messages.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SearchMessages {
    /// The user who looks: what they may see is found.
    #[serde(rename = "as")]
    viewer: String,
    /// In the query language; empty for all messages.
    #[serde(default)]
    query: String,
    /// `newest` or `relevance`.
    #[serde(default)]
    sort: String,
    /// At most this many, 1 to 100; 0 for 20.
    #[serde(default)]
    limit: u32,
    /// Goes on after an earlier page: its `next`.
    #[serde(default)]
    after: String,
    /// Whether to say where the words stand.
    #[serde(default)]
    highlight: bool,
}

/// A page of messages.
#[derive(Serialize, JsonSchema)]
struct Messages {
    /// Newest or best first.
    messages: Vec<FoundMessage>,
    /// Goes on after the last one; empty where there are no more.
    next: String,
    /// With `relevance`, where very many fit: only messages since then were ranked, milliseconds since 1970; 0
    /// where all were.
    since_ms: u64,
    /// Whether the beginning of a word stood for too many words, so that messages may be missing.
    cut: bool,
}

/// A message that was found.
#[derive(Serialize, JsonSchema)]
struct FoundMessage {
    /// Where, a UUID.
    conversation: String,
    /// The message; a long text is a stub, to be read by itself.
    message: Message,
    /// How well the words fit (BM25); 0 where none were looked for or newest come first.
    score: f64,
    /// Where the words stand, if that was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    highlights: Vec<TextHighlight>,
}

/// A place in a text that was looked for.
#[derive(Serialize, JsonSchema)]
struct TextHighlight {
    /// Where it begins, in bytes of UTF-8.
    from: u32,
    /// Where it ends, in bytes of UTF-8.
    to: u32,
}

async fn messages(
    call: Call,
    Body(asked): Body<SearchMessages>,
) -> Result<Json<Messages>, Refused> {
    let viewer = call.acting(&asked.viewer)?;
    let request = Request::SearchMessages(query::SearchMessages {
        query: asked.query,
        sort: asked.sort,
        limit: asked.limit,
        after: asked.after,
        highlight: asked.highlight,
    });
    let Outcome::FoundMessages(found) = call.read(&viewer, 0, request).await? else {
        return Err(Refused::new(
            ErrorCode::Internal,
            "no messages were answered",
        ));
    };
    let messages = found.messages.into_iter().filter_map(|found| {
        Some(FoundMessage {
            conversation: id::from_wire(&found.conversation)?.to_string(),
            message: Message::from(found.message?),
            score: found.score,
            highlights: found
                .highlights
                .into_iter()
                .map(|place| TextHighlight {
                    from: place.from,
                    to: place.to,
                })
                .collect(),
        })
    });
    Ok(Json(Messages {
        messages: messages.collect(),
        next: found.next,
        since_ms: found.since_ms,
        cut: found.cut,
    }))
}

/// How far the indexes are.
#[derive(Serialize, JsonSchema)]
struct Status {
    /// That of people.
    people: IndexStatus,
    /// That of messages; `null` where messages cannot be searched (`search.messages` is false).
    messages: Option<IndexStatus>,
}

/// How far an index is.
#[derive(Serialize, JsonSchema)]
struct IndexStatus {
    /// Whether it can be searched.
    ready: bool,
    /// Position of the log up to which every change can be found.
    position: u64,
    /// How many profiles or messages are in it.
    count: u64,
    /// How many the one that is being built beside it, or for the first time, holds so far; `null` where none is.
    building: Option<u64>,
    /// How many were put in use since the server started: one more once an index is built.
    installed: u64,
}

impl From<search::Status> for IndexStatus {
    fn from(status: search::Status) -> IndexStatus {
        IndexStatus {
            ready: status.ready,
            position: status.position,
            count: status.count,
            building: status.building,
            installed: status.installed,
        }
    }
}

async fn status(call: Call) -> Json<Status> {
    let search = &call.gateway.search;
    Json(Status {
        people: search.status().into(),
        messages: search.messages_status().map(IndexStatus::from),
    })
}

/// What is to be built anew.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Rebuild {
    /// Which index; without it both.
    index: Option<Which>,
}

/// An index.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
enum Which {
    /// That of people.
    People,
    /// That of messages.
    Messages,
}

/// That indexes are being built.
#[derive(Serialize, JsonSchema)]
struct Rebuilding {
    /// Which of them this request began.
    begun: Begun,
}

/// For each index whether this request began to build it; otherwise that was being done already.
#[derive(Serialize, JsonSchema)]
struct Begun {
    /// That of people; `null` where it was not asked for.
    people: Option<bool>,
    /// That of messages; `null` where it was not asked for or messages cannot be searched.
    messages: Option<bool>,
}

async fn rebuild(
    call: Call,
    Ask(Rebuild { index }): Ask<Rebuild>,
) -> Result<Json<Rebuilding>, Refused> {
    let search = &call.gateway.search;
    let which = index.map(|index| match index {
        Which::People => search::Which::People,
        Which::Messages => search::Which::Messages,
    });
    if which == Some(search::Which::Messages) && search.messages_status().is_none() {
        return Err(Refused::invalid(
            "there is no index of messages here: search.messages is false",
        ));
    }
    let search::Begun { people, messages } = search.rebuild(which);
    let begun = Begun { people, messages };
    Ok(Json(Rebuilding { begun }))
}
