//! The hook `ranker`: a page of people that was found gets new scores.

use std::sync::Arc;

use serde_json::{Map, Value};
use tidings_core::{domain::UserId, presence::record::State};
use tidings_extension_host::{Hook, input};

use crate::{
    acting::One,
    calling::{self, Seen},
    moderation::about,
    server::Extensions,
    views::{self, Involved},
};

/// A page of people, in the server's order.
#[derive(Clone, Debug)]
pub struct Page {
    /// What was looked for, in the query language.
    pub query: String,
    /// Who is shown the page.
    pub viewer: Option<UserId>,
    /// Who was found.
    pub people: Vec<Person>,
}

/// Somebody on a page.
#[derive(Clone, Debug)]
pub struct Person {
    /// Who.
    pub user: UserId,
    /// How well the words fit (BM25).
    pub score: f32,
    /// As the viewer sees them.
    pub presence: State,
    /// In metres, where the query is near to something.
    pub distance: Option<f64>,
    /// The profile, what is not public included: the extension gets what it is granted.
    pub attributes: Map<String, Value>,
}

/// What a ranker said.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranked {
    /// A score for each on the page, in the page's order.
    pub scores: Vec<f32>,
    /// Whose: `id@version`.
    pub by: String,
}

impl Extensions {
    /// Whether pages are to be ranked.
    pub fn ranks(&self) -> bool {
        self.ranker().is_some()
    }

    /// Ranks a page: nothing where nobody does, or it failed. Then the order stands as it is.
    pub async fn rank(&self, page: Page) -> Option<Ranked> {
        let shared = &self.shared;
        let one = self.ranker()?;
        let now_ms = shared.node.clock.now_ms();
        let granted = &one.manifest.grants.attributes;
        let people = page.people.iter().map(|person| input::Person {
            user: person.user.to_string(),
            score: person.score,
            presence: views::presence(person.presence),
            distance: person.distance,
            attributes: person
                .attributes
                .iter()
                .filter(|(name, _)| granted.contains(*name) || (shared.is_public)(name))
                .map(|(name, value)| (name.clone(), value.to_string()))
                .collect(),
        });
        let viewer = page.viewer.as_ref();
        let asked = input::Page {
            query: page.query.clone(),
            viewer: viewer.map(ToString::to_string),
            people: people.collect(),
        };
        let users = page.people.iter().map(|person| person.user.clone());
        let seen = Seen {
            involved: Involved {
                users: users.chain(page.viewer.clone()).collect(),
                ..Involved::default()
            },
            by: page.viewer.clone(),
            overlay: None,
            now_ms,
            depth: 0,
            trace: None,
        };
        // Not asked twice about the same thing: whatever names it will do.
        let source = format!("{now_ms} {:?} {}", page.viewer, page.query);
        let about = about(&one, Hook::Ranker, source.as_bytes(), now_ms, 1, None);
        let called = calling::call(
            shared,
            &one,
            Hook::Ranker,
            seen,
            |ready, views| {
                let (about, asked) = (about.clone(), asked.clone());
                async move { ready.rank(about, asked, views).await }
            },
            |_| "ok",
        );
        match called.await {
            Ok(scores) => Some(Ranked {
                scores,
                by: format!("{}@{}", one.id, one.version),
            }),
            Err(error) => {
                tracing::warn!(extension = %one.id, version = one.version, %error, "a page was not ranked");
                None
            }
        }
    }

    /// The first in the operator's order.
    fn ranker(&self) -> Option<Arc<One>> {
        let acting = self.shared.acting.load();
        let mut rankers = acting.all.iter();
        rankers
            .find(|one| !one.shadow && one.has(Hook::Ranker))
            .cloned()
    }
}
