//! Where a page ends, so that the next begins there: an opaque text with the place of the last hit and,
//! where words are scored, the statistics that they were scored by.

use serde::{Deserialize, Serialize};

use super::query::MessageQuery;
use super::top::Key;
use crate::people::page::{Statistics, read, write};
use crate::people::schema::spread;

/// Why a page cannot be gone on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// No token of this service, or of another version.
    #[error("`after` is not what an earlier page gave as `next`")]
    Unknown,
    /// Another query's.
    #[error("`after` belongs to another query: filter and sort have to be the same")]
    OtherQuery,
}

/// What a token says.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Page {
    version: u8,
    query: u64,
    pub(super) after: Key,
    pub(super) statistics: Option<Statistics>,
    /// Since when everything was ranked, if something older was left out.
    pub(super) since_ms: Option<i64>,
}

/// Others than of people search, so that neither takes the other's for its own.
const VERSION: u8 = 101;

/// Tells queries apart. What is shown of hits may differ between pages.
fn query_of(query: &MessageQuery) -> u64 {
    let said = serde_json::to_vec(&(&query.filter, query.sort));
    spread(said.unwrap_or_default().into_iter())
}

impl Page {
    pub(super) fn new(
        query: &MessageQuery,
        after: Key,
        statistics: Option<Statistics>,
        since_ms: Option<i64>,
    ) -> Page {
        Page {
            version: VERSION,
            query: query_of(query),
            after,
            statistics,
            since_ms,
        }
    }

    pub(super) fn encode(&self) -> String {
        write(self)
    }

    pub(super) fn decode(token: &str, query: &MessageQuery) -> Result<Page, PageError> {
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
