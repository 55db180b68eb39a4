//! Why a hit ranks where it does.

use tantivy::query::{EnableScoring, Weight};
use tantivy::{DocSet as _, SegmentReader};

use super::answer::{Explanation, Hit, Presence};
use super::compile::Scored;
use super::top::Found;
use crate::query::{Online, PeopleQuery, Sort};

/// Explains the hits of one search.
pub(super) struct Reasons<'a> {
    query: &'a PeopleQuery,
    words: Vec<(&'a str, Box<dyn Weight>)>,
}

impl<'a> Reasons<'a> {
    pub(super) fn new(
        query: &'a PeopleQuery,
        scored: &'a [Scored],
        scoring: EnableScoring<'_>,
    ) -> tantivy::Result<Reasons<'a>> {
        let words = scored
            .iter()
            .map(|scored| Ok((scored.label.as_str(), scored.query.weight(scoring)?)))
            .collect::<tantivy::Result<_>>()?;
        Ok(Reasons { query, words })
    }

    pub(super) fn of(
        &mut self,
        reader: &SegmentReader,
        found: &Found,
        hit: &Hit,
    ) -> tantivy::Result<Explanation> {
        let mut details = Vec::new();
        if self.query.online == Online::First {
            let what = match (found.key.online, hit.presence) {
                (true, Presence::Away) => {
                    "is away, which counts as online: online people come first"
                }
                (true, _) => "is online: online people come first",
                (false, _) => "is not online: comes after all who are",
            };
            details.push(said(what));
        }
        details.push(match &self.query.sort {
            Sort::Relevance => self.words(reader, found, hit)?,
            Sort::Distance { attribute, .. } => match hit.distance_m {
                Some(metres) => Explanation {
                    what: format!("metres between `{attribute}` and the place asked for"),
                    value: Some(metres),
                    details: Vec::new(),
                },
                None => said(&format!("has no `{attribute}`: comes last")),
            },
            Sort::Active => Explanation {
                what: "last active, in milliseconds since 1970".to_owned(),
                value: Some(time(found.key.value)),
                details: Vec::new(),
            },
            Sort::Newest => Explanation {
                what: "joined, in milliseconds since 1970".to_owned(),
                value: Some(time(found.key.value)),
                details: Vec::new(),
            },
        });
        details.push(said(
            "among equals, in an order made of user ids that never changes",
        ));
        Ok(Explanation {
            what: format!("why {} ranks here", hit.user),
            value: None,
            details,
        })
    }

    fn words(
        &self,
        reader: &SegmentReader,
        found: &Found,
        hit: &Hit,
    ) -> tantivy::Result<Explanation> {
        if self.words.is_empty() {
            return Ok(said("no words were looked for: all who fit are equal"));
        }
        let mut details = Vec::new();
        for (label, weight) in &self.words {
            let mut scorer = weight.scorer(reader, 1.0)?;
            if scorer.doc() <= found.doc && scorer.seek(found.doc) == found.doc {
                details.push(Explanation {
                    what: format!("has {label}"),
                    value: Some(f64::from(scorer.score())),
                    details: Vec::new(),
                });
            }
        }
        Ok(Explanation {
            what: "words, the rarer and the shorter the text the more (BM25); the sum of"
                .to_owned(),
            value: Some(f64::from(hit.score)),
            details,
        })
    }
}

fn said(what: &str) -> Explanation {
    Explanation {
        what: what.to_owned(),
        value: None,
        details: Vec::new(),
    }
}

fn time(value: u64) -> f64 {
    (value ^ (1 << 63)).cast_signed() as f64
}
