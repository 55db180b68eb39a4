//! Asking who there is.

use std::{collections::HashMap, ops::ControlFlow, sync::Arc, time::Instant};

use tidings_core::{
    content,
    domain::{UserId, event::Kind},
    node::Node,
    projections::{
        Table,
        read::{self, ProfileView, Text},
        rows::{self, Rows as _},
    },
};
use tidings_extensions::Extensions;
use tidings_protocol::{ErrorCode, query, view};
use tidings_search::{
    attributes::Attributes,
    people::{Answer, Highlighter, Hit, Presence, SearchError, Viewer},
    profile::{GeoPoint, Profile},
    query::{Context, Filter, MAX_LIMIT, Online, PeopleQuery, Sort, check, parse},
};

pub(super) mod index;
mod ranking;

use super::{Search, fitting};
use crate::{
    query::page_limit,
    translate::{self, Failure},
};
use index::Opened;

/// Most users that a question can leave out by name.
const EXCLUDED: usize = 1_000;

/// Most profiles asked for at a time.
const PROFILES: usize = 100;

/// Conversations looked at a time while it is found out who was contacted: nothing is folded meanwhile.
const LOOK: usize = 256;

/// A question, checked.
pub(super) struct Question {
    pub(super) query: PeopleQuery,
    pub(super) exclude: Vec<String>,
    /// Whoever asks may see what is not public, and who is hidden.
    all: bool,
}

impl Search {
    /// Finds people for a user, or for the backend, which sees everything.
    ///
    /// # Errors
    /// A question that cannot be asked, with what would do; or an index that is being built or unreadable.
    pub async fn find(
        &self,
        node: &Arc<Node>,
        viewer: Option<&UserId>,
        asked: query::SearchPeople,
        ranker: Option<&Extensions>,
    ) -> Result<query::People, Failure> {
        let written = asked.query.clone();
        let opened = self.opened()?;
        self.is_public(&opened, viewer)?;
        let question = self.question(node, &opened, viewer, asked).await?;
        let Ok(slot) = self.slots.clone().acquire_owned().await else {
            return Err(Failure::new(
                ErrorCode::Unavailable,
                "the server is stopping",
            ));
        };
        let asked = opened.clone();
        let searched = tokio::task::spawn_blocking(move || {
            let viewer = Viewer {
                exclude: &question.exclude,
                may_see_private: question.all,
            };
            // Held to the end also where nobody waits for it any more.
            let _slot = slot;
            let began = Instant::now();
            let answer = asked.index.search(&question.query, &viewer);
            (answer, question, began.elapsed())
        });
        let (answer, question, took) = searched.await.map_err(|error| {
            tracing::error!(%error, "a search ended in a panic");
            Failure::new(ErrorCode::Internal, "the search failed")
        })?;
        self.took[0].observe(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        let answer = answer.map_err(refused)?;
        let by_relevance = matches!(question.query.sort, Sort::Relevance);
        let ranker = ranker.filter(|ranker| by_relevance && ranker.ranks());
        let ranker = ranker.map(|ranker| (ranker, written.as_str()));
        people(node, &opened, viewer, &question, answer, ranker).await
    }

    /// Profiles as a user sees them, or the backend.
    pub(crate) async fn profiles(
        &self,
        node: &Node,
        viewer: Option<&UserId>,
        users: &[String],
    ) -> Result<query::Profiles, Failure> {
        if users.len() > PROFILES {
            let message = format!(
                "{} users are asked for, the limit is {PROFILES}",
                users.len()
            );
            return Err(Failure::new(ErrorCode::Invalid, message));
        }
        let users = translate::user_ids(users)?;
        let loaded = load(node, viewer, users.iter().cloned()).await?;
        let profiles = users.iter().filter_map(|user| {
            let Loaded { profile, .. } = loaded.get(user)?;
            Some(view::Profile {
                user: user.to_string(),
                attributes: attributes(&self.attributes, profile.as_deref()?, viewer.is_none()),
            })
        });
        Ok(query::Profiles {
            profiles: profiles.collect(),
        })
    }

    /// Checks a question. What is declared and the index does not know yet is no mistake of whoever asks.
    pub(super) async fn question(
        &self,
        node: &Node,
        opened: &Opened,
        viewer: Option<&UserId>,
        asked: query::SearchPeople,
    ) -> Result<Question, Failure> {
        if opened.attributes == self.attributes {
            return question(node, &self.attributes, viewer, asked).await;
        }
        let checked = question(node, &opened.attributes, viewer, asked.clone()).await;
        if checked.is_err()
            && question(node, &self.attributes, viewer, asked)
                .await
                .is_ok()
        {
            return Err(Failure::new(
                ErrorCode::Unavailable,
                "the index of people is being built anew, for what is declared now: try again",
            ));
        }
        checked
    }

    /// An index that was made while something was public which is not any more is for the backend alone.
    pub(super) fn is_public(
        &self,
        opened: &Opened,
        viewer: Option<&UserId>,
    ) -> Result<(), Failure> {
        let withdrawn = self.attributes.iter().any(|(name, attribute)| {
            let before = opened.attributes.get(name);
            !attribute.public && before.is_some_and(|before| before.public)
        });
        if viewer.is_some() && withdrawn {
            return Err(Failure::new(
                ErrorCode::Unavailable,
                "the index of people is being built anew: try again",
            ));
        }
        Ok(())
    }

    pub(crate) fn opened(&self) -> Result<Arc<Opened>, Failure> {
        self.people.current().ok_or_else(|| {
            let done = self.status().building.unwrap_or(0);
            Failure::new(
                ErrorCode::Unavailable,
                format!("the index of people is being built ({done} profiles so far): try again"),
            )
        })
    }
}

async fn question(
    node: &Node,
    attributes: &Attributes,
    viewer: Option<&UserId>,
    asked: query::SearchPeople,
) -> Result<Question, Failure> {
    let all = viewer.is_none();
    let filter = filter(node, attributes, all, &asked)?;
    let online = match asked.online.as_str() {
        "" | "any" => Online::Any,
        "first" => Online::First,
        "only" => Online::Only,
        other => {
            let message = format!("online is {other:?}: use any, first or only");
            return Err(Failure::new(ErrorCode::Invalid, message));
        }
    };
    let sort = sort(attributes, all, &filter, &asked)?;
    // Who is here is active now; when the others were is known from when they left.
    let online = match (&sort, online) {
        (Sort::Active, Online::Any) => Online::First,
        (_, online) => online,
    };
    let query = PeopleQuery {
        online,
        away: !asked.without_away,
        sort,
        filter,
        facets: asked.facets,
        limit: page_limit(asked.limit, 20, MAX_LIMIT)?,
        after: Some(asked.after).filter(|after| !after.is_empty()),
        highlight: asked.highlight,
        explain: asked.explain,
    };
    check(&query, attributes, all)
        .map_err(|error| Failure::new(ErrorCode::Invalid, error.to_string()))?;
    if asked.exclude.len() > EXCLUDED {
        let message = format!(
            "{} users are excluded, the limit is {EXCLUDED}",
            asked.exclude.len()
        );
        return Err(Failure::new(ErrorCode::Invalid, message));
    }
    let mut exclude = asked.exclude;
    if let Some(viewer) = viewer {
        exclude.push(viewer.to_string());
        exclude.extend(unseen(node, viewer)?);
        if asked.without_contacted {
            exclude.extend(contacted(node, viewer).await?);
        }
    } else if asked.without_contacted {
        let message = "without_contacted is for a user who looks: say who";
        return Err(Failure::new(ErrorCode::Invalid, message));
    }
    exclude.sort_unstable();
    exclude.dedup();
    Ok(Question {
        query,
        exclude,
        all,
    })
}

fn filter(
    node: &Node,
    attributes: &Attributes,
    all: bool,
    asked: &query::SearchPeople,
) -> Result<Filter, Failure> {
    let context = Context {
        attributes,
        all,
        now_ms: i64::try_from(node.clock.now_ms()).unwrap_or(i64::MAX),
    };
    let written = parse(&asked.query, &context).map_err(|error| {
        let message = format!("query:\n{}", error.render(&asked.query));
        Failure::new(ErrorCode::Invalid, message)
    })?;
    if asked.filter.is_empty() {
        return Ok(written);
    }
    let tree = Filter::from_json(&asked.filter)
        .map_err(|error| Failure::new(ErrorCode::Invalid, error.to_string()))?;
    if asked.query.trim().is_empty() {
        return Ok(tree);
    }
    Ok(Filter::All(vec![tree, written]))
}

fn sort(
    attributes: &Attributes,
    all: bool,
    filter: &Filter,
    asked: &query::SearchPeople,
) -> Result<Sort, Failure> {
    let invalid = |message: String| Err(Failure::new(ErrorCode::Invalid, message));
    if !asked.from.is_empty() && asked.sort != "distance" {
        return invalid("from is given, and only sort = \"distance\" looks at it".to_owned());
    }
    match asked.sort.as_str() {
        "" | "relevance" => Ok(Sort::Relevance),
        "active" => Ok(Sort::Active),
        "newest" => Ok(Sort::Newest),
        "distance" if asked.from.is_empty() => match near(filter) {
            Some((attribute, from)) => Ok(Sort::Distance {
                attribute: attribute.to_owned(),
                from,
            }),
            None => invalid(
                "sort is \"distance\": say from where, with from or with near: in the query"
                    .to_owned(),
            ),
        },
        "distance" => {
            let place = asked.from.split_once(',').and_then(|(lat, lon)| {
                let (lat, lon) = (lat.trim().parse().ok()?, lon.trim().parse().ok()?);
                Some(GeoPoint { lat, lon }).filter(|at| at.is_valid())
            });
            let Some(from) = place else {
                return invalid(format!(
                    "from is {:?}: it is a latitude and a longitude, as in 52.52,13.40",
                    asked.from
                ));
            };
            let places = attributes.iter().filter(|(_, attribute)| {
                attribute.kind == tidings_search::attributes::Kind::GeoPoint
                    && (all || attribute.public)
            });
            let places: Vec<&str> = places.map(|(name, _)| name).collect();
            let attribute = match (near(filter), &places[..]) {
                (Some((attribute, _)), _) => attribute.to_owned(),
                (None, [only]) => (*only).to_owned(),
                (None, []) => return invalid("no attribute is a place".to_owned()),
                (None, several) => {
                    return invalid(format!(
                        "several attributes are places ({}): say in the query which is to be near",
                        several.join(", ")
                    ));
                }
            };
            Ok(Sort::Distance { attribute, from })
        }
        other => invalid(format!(
            "sort is {other:?}: use relevance, distance, active or newest"
        )),
    }
}

/// The first place that everybody is to be near to.
fn near(filter: &Filter) -> Option<(&str, GeoPoint)> {
    match filter {
        Filter::Near { attribute, at, .. } => Some((attribute, *at)),
        Filter::All(all) => all.iter().find_map(near),
        _ => None,
    }
}

/// Who blocks a user, and whom they block.
fn unseen(node: &Node, user: &UserId) -> Result<Vec<String>, Failure> {
    let rows = node.projections.read();
    let mut users = Vec::new();
    for (from, to) in [rows::blocks_range(user), rows::blocked_by_range(user)] {
        rows.scan(Table::Users, &from, &to, false, &mut |key, _| {
            users.push(rows::other_user(user, key).to_string());
            ControlFlow::Continue(())
        })?;
    }
    Ok(users)
}

/// Whom a user has a direct conversation with.
async fn contacted(node: &Node, user: &UserId) -> Result<Vec<String>, Failure> {
    let all = read::memberships(&node.projections.read(), user)?;
    let mut users = Vec::new();
    for some in all.chunks(LOOK) {
        {
            let rows = node.projections.read();
            for (id, _) in some {
                if let Some(row) = read::row(&rows, *id)?
                    && let Kind::Direct { pair, .. } = row.kind
                {
                    let other = if pair.0 == *user { pair.1 } else { pair.0 };
                    users.push(other.to_string());
                }
            }
        }
        tokio::task::yield_now().await;
    }
    Ok(users)
}

fn refused(error: SearchError) -> Failure {
    match error {
        SearchError::Index(error) => {
            tracing::error!(%error, "the index of people cannot be searched");
            Failure::new(
                ErrorCode::Internal,
                "the index of people cannot be searched",
            )
        }
        SearchError::Filter(_)
        | SearchError::Page(_)
        | SearchError::Limit(_)
        | SearchError::Facets(_) => Failure::new(ErrorCode::Invalid, error.to_string()),
    }
}

/// What is known of a user beside the index.
struct Loaded {
    /// What the profile says, if there is one.
    profile: Option<String>,
    seen_ms: u64,
    invisible: bool,
    hidden: bool,
}

/// Loads users; those who block the viewer, or are blocked, are left out.
async fn load(
    node: &Node,
    viewer: Option<&UserId>,
    users: impl Iterator<Item = UserId>,
) -> Result<HashMap<UserId, Loaded>, Failure> {
    let mut views: Vec<ProfileView> = Vec::new();
    {
        let rows = node.projections.read();
        for user in users {
            if let Some(viewer) = viewer {
                let blocks = |one: &UserId, other: &UserId| {
                    rows.get(Table::Users, &rows::blocks(one, other))
                        .map_err(tidings_core::projections::ReadError::from)
                        .map(|row| row.is_some())
                };
                if blocks(viewer, &user)? || blocks(&user, viewer)? {
                    continue;
                }
            }
            views.push(read::profile(&rows, &user)?);
        }
    }
    content::open_profiles(&*node.keys, &mut views).await?;
    let loaded = views.into_iter().map(|view| {
        let profile = view.set.and_then(|set| match set.text {
            Text::Open(text) => Some(text),
            Text::Sealed { .. } | Text::Retracted | Text::Erased => None,
        });
        let loaded = Loaded {
            profile,
            seen_ms: view.seen_ms,
            invisible: node.projections.is_invisible(&view.user),
            hidden: view.hidden,
        };
        (view.user, loaded)
    });
    Ok(loaded.collect())
}

fn attributes(declared: &Attributes, text: &str, all: bool) -> String {
    let profile = fitting(declared, text);
    serde_json::Value::Object(profile.to_json(declared, all)).to_string()
}

/// The page. What has changed since the index was written counts as it is now: nobody is shown who is
/// gone, hidden, or invisible where only those online are looked for.
async fn people(
    node: &Node,
    opened: &Opened,
    viewer: Option<&UserId>,
    question: &Question,
    mut answer: Answer,
    ranker: Option<(&Extensions, &str)>,
) -> Result<query::People, Failure> {
    let users = answer
        .hits
        .iter()
        .filter_map(|hit| UserId::new(&hit.user).ok());
    let loaded = load(node, viewer, users).await?;
    if let Some((extensions, query)) = ranker {
        let asked = ranking::Asked {
            query,
            viewer,
            declared: &opened.attributes,
            online_first: question.query.online == Online::First,
        };
        let profiles = |user: &str| {
            let user = loaded.get(user).filter(|user| is_shown(user, question))?;
            Some((user.profile.as_deref()?, user.invisible))
        };
        ranking::rank(extensions, asked, &mut answer.hits, profiles).await;
    }
    let highlighter = Highlighter::with(
        &opened.attributes,
        &question.query.filter,
        opened.index.analyzer(),
    );
    let people = answer.hits.into_iter().filter_map(|hit| {
        let user = loaded.get(hit.user.as_str())?;
        let text = user.profile.as_deref()?;
        if !is_shown(user, question) {
            return None;
        }
        let profile = fitting(&opened.attributes, text);
        Some(person(opened, question, &highlighter, hit, user, &profile))
    });
    let people = people.collect();
    let facets = question.query.facets.iter().map(|name| {
        let facet = answer.facets.get(name).cloned().unwrap_or_default();
        let values = facet.values.into_iter().map(|value| view::FacetValue {
            value: value.value,
            count: value.count,
        });
        view::Facet {
            attribute: name.clone(),
            values: values.collect(),
            more: facet.more,
        }
    });
    Ok(query::People {
        people,
        total: answer.total.count,
        at_least: !answer.total.exact,
        next: answer.next.unwrap_or_default(),
        facets: facets.collect(),
        cut: answer.cut,
    })
}

/// Whether somebody is on the page as they are now.
fn is_shown(user: &Loaded, question: &Question) -> bool {
    let gone = user.invisible && question.query.online == Online::Only;
    !gone && (question.all || !user.hidden)
}

fn person(
    opened: &Opened,
    question: &Question,
    highlighter: &Highlighter<'_>,
    hit: Hit,
    user: &Loaded,
    profile: &Profile,
) -> view::Person {
    let presence = match user.invisible {
        true => Presence::Offline,
        false => hit.presence,
    };
    let state = match presence {
        Presence::Available => "available",
        Presence::Away => "away",
        Presence::Offline => "offline",
    };
    let mut highlights = Vec::new();
    if question.query.highlight {
        for (attribute, values) in highlighter.of(profile, question.all) {
            for (value, places) in values.into_iter().enumerate() {
                highlights.extend(places.into_iter().map(|place| view::Highlight {
                    attribute: attribute.clone(),
                    value: value as u32,
                    from: place.start as u32,
                    to: place.end as u32,
                }));
            }
        }
    }
    let explanation = hit.explanation.as_ref().map(|explanation| {
        serde_json::to_string(explanation).expect("an explanation is always written")
    });
    let attributes = profile.to_json(&opened.attributes, question.all);
    view::Person {
        user: hit.user,
        state: state.to_owned(),
        seen_ms: match presence {
            Presence::Offline => user.seen_ms,
            Presence::Available | Presence::Away => 0,
        },
        attributes: serde_json::Value::Object(attributes).to_string(),
        // To the centimetre: what is beyond it is noise.
        distance_m: hit
            .distance_m
            .map(|metres| (metres * 100.0).round() / 100.0),
        score: (f64::from(hit.score) * 10_000.0).round() / 10_000.0,
        highlights,
        explanation: explanation.unwrap_or_default(),
    }
}
