//! Where a page ends, so that the next begins there: an opaque text.
//!
//! It holds where the last hit stands and, where words are scored, the statistics of the index that they
//! were scored by. Every commit changes those a little, and with them the scores of people who have not
//! changed; the next page uses the same, so that nobody is repeated or left out for that.

use std::collections::HashMap;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use tantivy::Term;
use tantivy::query::Bm25StatisticsProvider;
use tantivy::schema::Field;

use super::compile::Scored;
use super::schema::spread;
use super::top::After;
use crate::query::PeopleQuery;

/// Longest token that is looked at.
const MAX_BYTES: usize = 8 * 1024;

/// Why a page cannot be gone on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// No token of this service, or of another version.
    #[error("`after` is not what an earlier page gave as `next`")]
    Unknown,
    /// Another query's.
    #[error("`after` belongs to another query: filter, online, away and sort have to be the same")]
    OtherQuery,
}

/// What a token says.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Page {
    version: u8,
    query: u64,
    pub(super) after: After,
    pub(super) statistics: Option<Statistics>,
}

const VERSION: u8 = 1;

/// Tells queries apart. What is shown of hits may differ between pages.
fn query_of(query: &PeopleQuery) -> u64 {
    let said = serde_json::to_vec(&(&query.filter, query.online, query.away, &query.sort));
    spread(said.unwrap_or_default().into_iter())
}

impl Page {
    pub(super) fn new(query: &PeopleQuery, after: After, statistics: Option<Statistics>) -> Page {
        Page {
            version: VERSION,
            query: query_of(query),
            after,
            statistics,
        }
    }

    pub(super) fn encode(&self) -> String {
        write(self)
    }

    pub(super) fn decode(token: &str, query: &PeopleQuery) -> Result<Page, PageError> {
        let page: Page = read(token).ok_or(PageError::Unknown)?;
        if page.version != VERSION {
            return Err(PageError::Unknown);
        }
        if page.query != query_of(query) {
            return Err(PageError::OtherQuery);
        }
        Ok(page)
    }
}

/// As an opaque text.
pub(crate) fn write(page: &impl Serialize) -> String {
    let bytes = postcard::to_stdvec(page).expect("a page is always written");
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// What was written, or nothing if it is something else.
pub(crate) fn read<T: serde::de::DeserializeOwned>(token: &str) -> Option<T> {
    if token.len() > MAX_BYTES {
        return None;
    }
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?;
    postcard::from_bytes(&bytes).ok()
}

/// What scores are made of, besides the documents themselves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Statistics {
    documents: u64,
    /// By field, in the order of their first word.
    tokens: Vec<u64>,
    /// By word, in the order of the query.
    frequencies: Vec<u64>,
}

impl Statistics {
    /// Of an index. Of people that says nothing that is not public: attributes that are not have fields of
    /// their own, which a client's query has no words in.
    pub(crate) fn of(
        provider: &dyn Bm25StatisticsProvider,
        scored: &[Scored],
    ) -> tantivy::Result<Statistics> {
        let terms = scored.iter().flat_map(|scored| &scored.terms);
        Ok(Statistics {
            documents: provider.total_num_docs()?,
            tokens: fields(scored)
                .into_iter()
                .map(|field| provider.total_num_tokens(field))
                .collect::<tantivy::Result<_>>()?,
            frequencies: terms
                .map(|term| provider.doc_freq(term))
                .collect::<tantivy::Result<_>>()?,
        })
    }

    /// For the words of a query; nothing if they are not for it.
    pub(crate) fn pinned(&self, scored: &[Scored]) -> Option<Pinned> {
        let fields = fields(scored);
        let terms = || scored.iter().flat_map(|scored| &scored.terms);
        if self.tokens.len() != fields.len() || self.frequencies.len() != terms().count() {
            return None;
        }
        // A token may have been tampered with: whatever it says, the arithmetic must hold.
        let documents = self.documents.clamp(1, 1 << 40);
        Some(Pinned {
            documents,
            tokens: fields
                .into_iter()
                .zip(self.tokens.iter().copied())
                .collect(),
            frequencies: terms()
                .cloned()
                .zip(self.frequencies.iter().map(|count| (*count).min(documents)))
                .collect(),
        })
    }
}

fn fields(scored: &[Scored]) -> Vec<Field> {
    let mut fields = Vec::new();
    for term in scored.iter().flat_map(|scored| &scored.terms) {
        if !fields.contains(&term.field()) {
            fields.push(term.field());
        }
    }
    fields
}

/// Statistics, looked up by what they are of.
pub(crate) struct Pinned {
    documents: u64,
    tokens: HashMap<Field, u64>,
    frequencies: HashMap<Term, u64>,
}

impl Pinned {
    pub(super) fn frequency(&self, term: &Term) -> u64 {
        self.frequencies.get(term).copied().unwrap_or(0)
    }
}

impl Bm25StatisticsProvider for Pinned {
    fn total_num_tokens(&self, field: Field) -> tantivy::Result<u64> {
        Ok(self.tokens.get(&field).copied().unwrap_or(0).max(1))
    }

    fn total_num_docs(&self) -> tantivy::Result<u64> {
        Ok(self.documents)
    }

    fn doc_freq(&self, term: &Term) -> tantivy::Result<u64> {
        Ok(self.frequency(term))
    }
}
