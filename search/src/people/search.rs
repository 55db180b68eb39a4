//! One search, from the question to the page.
//!
//! Words alone, best first, are left to Tantivy's pruning (Block-WAND): it stops looking at documents that
//! cannot be among the best any more. Everything else goes through all who fit, which also counts them.
//! Who is online is asked where it costs least: where they are few, they lead and the query is asked
//! about them ([`super::bits::OnlineScorer`]); where they are many and the query can be pruned, only online
//! documents are passed on, so that the bound of the pruning is made of them.

use std::sync::atomic::Ordering;

use tantivy::query::{BooleanQuery, EnableScoring, Occur, Query, TermQuery};
use tantivy::{DocId, TantivyError};

use super::Viewer;
use super::answer::{Answer, Hit, Presence, Total};
use super::browse::is_everybody;
use super::compile::{Compiled, compile};
use super::either::Pruning;
use super::facets::Facets;
use super::geo::Origin;
use super::page::{Page, PageError, Pinned, Statistics};
use super::reasons::Reasons;
use super::refusal::{FilterError, kind_error};
use super::run::Run;
use super::schema::Fields;
use super::sort::Order;
use super::top::{After, Found, Top, score_of_value};
use super::view::{SegmentView, View};
use crate::attributes::Kind;
use crate::query::{Filter, MAX_LIMIT, Online, PeopleQuery, Sort};

/// Most facets of a query.
pub const MAX_FACETS: usize = 16;

/// Whoever is online leads through words alone if they are fewer than the documents with those words,
/// divided by this: looking a document up costs several times what reading the next one does.
const LEAD: u64 = 4;

/// Why a search is refused, or fails.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The filter, sort or facets do not fit what is declared, or are too large.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The page to go on from.
    #[error(transparent)]
    Page(#[from] PageError),
    /// The number of hits.
    #[error("{0} hits are asked for, a page has 1 to {MAX_LIMIT}")]
    Limit(usize),
    /// Too many facets.
    #[error("{0} facets are asked for, the limit is {MAX_FACETS}")]
    Facets(usize),
    /// The index cannot be read.
    #[error("the index cannot be read: {0}")]
    Index(#[from] TantivyError),
}

/// A question, checked.
pub(super) struct Search<'a> {
    query: &'a PeopleQuery,
    compiled: Compiled,
    order: Order,
    facets: Vec<String>,
    page: Option<Page>,
    private: bool,
    /// What distances are measured from.
    near: Option<(String, Origin)>,
}

impl<'a> Search<'a> {
    pub(super) fn new(
        fields: &Fields,
        query: &'a PeopleQuery,
        viewer: &Viewer<'_>,
    ) -> Result<Search<'a>, SearchError> {
        let private = viewer.may_see_private;
        if query.limit == 0 || query.limit > MAX_LIMIT {
            return Err(SearchError::Limit(query.limit));
        }
        if query.facets.len() > MAX_FACETS {
            return Err(SearchError::Facets(query.facets.len()));
        }
        let compiled = compile(fields, &query.filter, private)?;
        let order = Order::new(fields, &query.sort, private)?;
        let facets = query
            .facets
            .iter()
            .map(|name| {
                let attribute = fields.attributes.get(name);
                let attribute = attribute
                    .filter(|attribute| attribute.public || private)
                    .ok_or_else(|| FilterError::Unknown(name.clone()))?;
                match attribute.kind {
                    Kind::Keyword | Kind::Boolean => Ok(attribute.column_name.clone()),
                    kind => Err(kind_error(name, kind, "counting its values")),
                }
            })
            .collect::<Result<_, _>>()?;
        let page = query
            .after
            .as_deref()
            .map(|token| Page::decode(token, query))
            .transpose()?;
        let near = match &query.sort {
            Sort::Distance { attribute, from } => Some((attribute.as_str(), *from)),
            _ => near_of(&query.filter),
        };
        let near = near.and_then(|(name, from)| {
            let column = fields.attributes.get(name)?.column_name.clone();
            Some((column, Origin::new(from)))
        });
        Ok(Search {
            query,
            compiled,
            order,
            facets,
            page,
            private,
            near,
        })
    }

    pub(super) fn run(
        self,
        view: &View,
        excluded: &[Vec<DocId>],
        presence: impl Fn(&SegmentView, DocId) -> Presence,
    ) -> Result<Answer, SearchError> {
        let searcher = &view.searcher;
        let scores = matches!(self.order, Order::Score) && !self.compiled.scored.is_empty();
        let statistics = match &self.page {
            _ if !scores => None,
            Some(page) => Some(page.statistics.clone().ok_or(PageError::Unknown)?),
            None => Some(Statistics::of(searcher, &self.compiled.scored)?),
        };
        let pinned = match &statistics {
            Some(statistics) => Some(
                statistics
                    .pinned(&self.compiled.scored)
                    .ok_or(PageError::Unknown)?,
            ),
            None => None,
        };
        let scoring = match &pinned {
            Some(pinned) => EnableScoring::enabled_from_statistics_provider(pinned, searcher),
            None => EnableScoring::disabled_from_searcher(searcher),
        };
        let weight = self.compiled.query.weight(scoring)?;
        // One more than asked for tells whether there is a next page.
        let after = self.page.as_ref().map(|page| &page.after);
        let top = Top::new(self.query.limit + 1, after.cloned());
        let mut run = Run {
            view,
            excluded,
            private: self.private,
            away: self.query.away,
            online: self.query.online,
            order: &self.order,
            weight: weight.as_ref(),
            scores,
            facet_columns: &self.facets,
            facets: Facets::new(self.facets.len()),
            top,
            count: 0,
            exact: true,
            ordered: false,
        };
        let prunable = self.compiled.prunable && self.facets.is_empty();
        match &pinned {
            Some(pinned) if prunable => {
                let cost = words_cost(self.compiled.query.as_ref(), pinned);
                let query = self.compiled.query.as_ref();
                let pruning = Pruning::new(query, weight.as_ref(), scoring)?;
                run.pruned(&pruning, run.online_count() * LEAD < cost, after)?;
            }
            None if self.is_browsing() => run.browse(after)?,
            _ => run.all()?,
        }
        let Run {
            top,
            count,
            exact,
            facets,
            ..
        } = run;
        let mut found = top.into_sorted();
        let more = found.len() > self.query.limit;
        found.truncate(self.query.limit);
        // A query that can be pruned may not be on another page, when facets are asked for: listing whom
        // it showed is right in any case.
        let listed = pinned.is_some() && self.compiled.prunable;
        let next = After::page(&found, after, listed).filter(|_| more);
        let next = next.map(|after| Page::new(self.query, after, statistics.clone()).encode());
        let mut reasons = match self.query.explain {
            true => Some(Reasons::new(self.query, &self.compiled.scored, scoring)?),
            false => None,
        };
        let mut hits = Vec::with_capacity(found.len());
        for found in &found {
            let hit = self.hit(view, found, scores, &presence)?;
            // Who went offline since would be shown as offline among those who are online.
            let gone = matches!(
                (self.query.away, hit.presence),
                (_, Presence::Offline) | (false, Presence::Away)
            );
            if self.query.online == Online::Only && gone {
                continue;
            }
            hits.push(hit);
            if let (Some(reasons), Some(hit)) = (&mut reasons, hits.last_mut()) {
                let reader = searcher.segment_reader(found.segment as u32);
                hit.explanation = Some(reasons.of(reader, found, hit)?);
            }
        }
        let cut = self.compiled.cut.load(Ordering::Relaxed);
        Ok(Answer {
            hits,
            // Where not all words that begin so were looked for, there may be more.
            total: Total {
                count,
                exact: exact && !cut,
            },
            facets: facets.finish(&self.query.facets),
            next,
            cut,
        })
    }

    /// Whether whoever comes first is known beforehand.
    fn is_browsing(&self) -> bool {
        self.facets.is_empty()
            && !matches!(self.order, Order::Distance { .. })
            && is_everybody(&self.query.filter)
    }

    fn hit(
        &self,
        view: &View,
        found: &Found,
        scores: bool,
        presence: &impl Fn(&SegmentView, DocId) -> Presence,
    ) -> Result<Hit, SearchError> {
        let segment = &view.segments[found.segment];
        let mut user = String::new();
        if let Some(ord) = segment.users.ords().first(found.doc) {
            segment
                .users
                .ord_to_str(ord, &mut user)
                .map_err(TantivyError::from)?;
        }
        let mut distance_m = None;
        if let Some((column, origin)) = &self.near {
            let reader = view.searcher.segment_reader(found.segment as u32);
            let places = reader.fast_fields().column_opt::<u64>(column)?;
            let places = places
                .iter()
                .flat_map(|places| places.values_for_doc(found.doc));
            distance_m = places
                .map(|place| origin.distance_m(place))
                .min_by(f64::total_cmp);
        }
        Ok(Hit {
            user,
            score: if scores {
                score_of_value(found.key.value)
            } else {
                0.0
            },
            presence: presence(segment, found.doc),
            distance_m,
            explanation: None,
        })
    }
}

/// The first place that everybody who fits is near to.
fn near_of(filter: &Filter) -> Option<(&str, crate::profile::GeoPoint)> {
    match filter {
        Filter::Near { attribute, at, .. } => Some((attribute, *at)),
        Filter::All(all) => all.iter().find_map(near_of),
        _ => None,
    }
}

/// How many documents a query for words would read without pruning.
fn words_cost(query: &dyn Query, pinned: &Pinned) -> u64 {
    if let Some(word) = query.downcast_ref::<TermQuery>() {
        return pinned.frequency(word.term());
    }
    let Some(words) = query.downcast_ref::<BooleanQuery>() else {
        return 0;
    };
    let costs = words
        .clauses()
        .iter()
        .map(|(_, query)| words_cost(query.as_ref(), pinned));
    match words.clauses().first() {
        Some((Occur::Must, _)) => costs.min().unwrap_or(0),
        _ => costs.sum(),
    }
}
