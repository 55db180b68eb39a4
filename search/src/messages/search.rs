//! One search, from the question to the page.

use std::sync::atomic::Ordering;

use tantivy::TantivyError;
use tantivy::query::EnableScoring;

use super::Viewer;
use super::answer::{Answer, Hit};
use super::check::check;
use super::coarse::Coarse;
use super::compile::{Compiled, compile};
use super::page::{Page, PageError};
use super::query::{Filter, MessageQuery, Sort};
use super::run::Run;
use super::schema::Fields;
use super::top::{Found, Top};
use super::view::View;
use crate::people::page::Statistics;
use crate::people::top::score_of_value;
use crate::query::{How, QueryError};

/// Messages that are ranked by how well they fit, and some more: the newest. What more of them fit is rather
/// too common a word to tell one from another.
pub const MAX_RANKED: usize = 7_000;

/// The same where a phrase is asked for: to find each of these, many are looked at that hold its words apart.
pub const MAX_RANKED_PHRASES: usize = 1_000;

fn most_ranked(filter: &Filter) -> usize {
    fn has_phrase(filter: &Filter) -> bool {
        match filter {
            Filter::All(all) | Filter::Any(all) => all.iter().any(has_phrase),
            Filter::Not(not) => has_phrase(not),
            Filter::Text { how, .. } => *how == How::Phrase,
            Filter::From(_) | Filter::In(_) | Filter::Sent { .. } => false,
        }
    }
    match has_phrase(filter) {
        true => MAX_RANKED_PHRASES,
        false => MAX_RANKED,
    }
}

/// Why a search is refused, or fails.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The query is too large, or says what cannot be.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The page to go on from.
    #[error(transparent)]
    Page(#[from] PageError),
    /// The index cannot be read.
    #[error("the index cannot be read: {0}")]
    Index(#[from] TantivyError),
}

/// Answers a question.
pub(super) fn search(
    fields: &Fields,
    view: &View,
    query: &MessageQuery,
    viewer: &Viewer<'_>,
) -> Result<Answer, SearchError> {
    check(query)?;
    let page = query
        .after
        .as_deref()
        .map(|token| Page::decode(token, query))
        .transpose()?;
    let Compiled {
        query: compiled,
        scored,
        from_ms,
        to_ms,
        cut,
    } = compile(fields, &query.filter, viewer);
    let scores = query.sort == Sort::Relevance && !scored.is_empty();
    let statistics = match &page {
        _ if !scores => None,
        Some(page) => Some(page.statistics.clone().ok_or(PageError::Unknown)?),
        None => Some(Statistics::of(&Coarse(&view.searcher), &scored)?),
    };
    let pinned = match &statistics {
        Some(statistics) => Some(statistics.pinned(&scored).ok_or(PageError::Unknown)?),
        None => None,
    };
    let weight = compiled.weight(match &pinned {
        Some(pinned) => EnableScoring::enabled_from_statistics_provider(pinned, &view.searcher),
        None => EnableScoring::disabled_from_searcher(&view.searcher),
    })?;
    let (after, since_ms) = page.map_or((None, None), |page| (Some(page.after), page.since_ms));
    let from_ms = from_ms.max(since_ms.unwrap_or(i64::MIN));
    // One more than asked for tells whether there is a next page.
    let top = Top::new(query.limit + 1, after);
    let mut run = Run::new(view, viewer, weight.as_ref(), (from_ms, to_ms), top);
    let since_ms = match scores {
        // All pages rank the same.
        true if after.is_some() => {
            run.best(usize::MAX)?;
            since_ms
        }
        true => run.best(most_ranked(&query.filter))?,
        false => {
            run.newest()?;
            None
        }
    };
    let mut found = run.top.into_sorted();
    let more = found.len() > query.limit;
    found.truncate(query.limit);
    let next = found.last().filter(|_| more);
    let next = next.map(|last| Page::new(query, last.key, statistics, since_ms).encode());
    Ok(Answer {
        hits: found
            .iter()
            .map(|found| hit(view, found))
            .collect::<tantivy::Result<_>>()?,
        next,
        since_ms,
        cut: cut.load(Ordering::Relaxed),
    })
}

fn hit(view: &View, found: &Found) -> tantivy::Result<Hit> {
    let authors = &view.segments[found.segment].authors;
    let mut author = String::new();
    if let Some(ordinal) = authors.ords().first(found.doc) {
        authors.ord_to_str(ordinal, &mut author)?;
    }
    Ok(Hit {
        conversation: found.key.conversation,
        seq: found.key.seq,
        author,
        at_ms: found.key.at_ms,
        score: score_of_value(found.key.value),
    })
}
