//! A page of people in the order that a ranker gives it.

use tidings_core::{domain::UserId, presence::record::State};
use tidings_extensions::{
    Extensions,
    rank::{Page, Person},
};
use tidings_search::{
    attributes::Attributes,
    people::{Explanation, Hit, Presence},
};

use super::fitting;

/// What the page is an answer to.
pub(super) struct Asked<'a> {
    pub(super) query: &'a str,
    pub(super) viewer: Option<&'a UserId>,
    pub(super) declared: &'a Attributes,
    /// Those online stay before the others.
    pub(super) online_first: bool,
}

/// Orders a page anew; what is paged through stays as it was, since a ranker sees one page at a time. `profiles` knows what a profile
/// says, and whether its user is invisible.
pub(super) async fn rank<'a>(
    extensions: &Extensions,
    asked: Asked<'_>,
    hits: &mut Vec<Hit>,
    profiles: impl Fn(&str) -> Option<(&'a str, bool)>,
) {
    let mut people = Vec::with_capacity(hits.len());
    // Who is not shown is not ranked.
    hits.retain(|hit| {
        let (Ok(user), Some((text, invisible))) = (UserId::new(&hit.user), profiles(&hit.user))
        else {
            return false;
        };
        people.push(Person {
            user,
            score: hit.score,
            presence: match hit.presence {
                _ if invisible => State::Offline,
                Presence::Available => State::Available,
                Presence::Away => State::Away,
                Presence::Offline => State::Offline,
            },
            distance: hit.distance_m,
            attributes: fitting(asked.declared, text).to_json(asked.declared, true),
        });
        true
    });
    if people.is_empty() {
        return;
    }
    let online: Vec<bool> = people
        .iter()
        .map(|person| person.presence != State::Offline)
        .collect();
    let page = Page {
        query: asked.query.to_owned(),
        viewer: asked.viewer.cloned(),
        people,
    };
    let Some(ranked) = extensions.rank(page).await else {
        return;
    };
    let mut scored: Vec<_> = std::mem::take(hits)
        .into_iter()
        .zip(ranked.scores)
        .zip(online)
        .collect();
    scored.sort_by(|((_, a), a_online), ((_, b), b_online)| {
        let by_online = match asked.online_first {
            true => b_online.cmp(a_online),
            false => std::cmp::Ordering::Equal,
        };
        by_online.then(b.total_cmp(a))
    });
    hits.extend(scored.into_iter().map(|((mut hit, score), _)| {
        if let Some(base) = hit.explanation.take() {
            hit.explanation = Some(Explanation {
                what: format!("ranked on this page by {}", ranked.by),
                value: Some(f64::from(score)),
                details: vec![base],
            });
        }
        hit.score = score;
        hit
    }));
}
