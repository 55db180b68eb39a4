//! The ways to a page of people who are online.

use rustix::time::{ClockId, clock_gettime};
use tidings_search::people::{Answer, PeopleIndex, Presence, SearchError, Viewer};
use tidings_search::query::{MAX_LIMIT, Online, PeopleQuery};

use super::crowd::Statuses;
use super::shapes::PAGE;

/// CPU time of this thread, in milliseconds.
pub(super) fn cpu_ms() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e3 + now.tv_nsec as f64 / 1e6
}

/// A first page: CPU milliseconds, and hits.
pub(super) fn page(
    people: &PeopleIndex,
    query: &PeopleQuery,
    online: Online,
) -> Result<(f64, usize), SearchError> {
    let asked = PeopleQuery {
        online,
        ..query.clone()
    };
    let before = cpu_ms();
    let answer = people.search(&asked, &Viewer::default())?;
    Ok((cpu_ms() - before, answer.hits.len()))
}

/// All pages of a query, or as many as `enough` lets.
pub(super) fn pages(
    people: &PeopleIndex,
    query: &PeopleQuery,
    mut enough: impl FnMut(Answer) -> bool,
) -> Result<(), SearchError> {
    let mut query = query.clone();
    loop {
        let mut answer = people.search(&query, &Viewer::default())?;
        query.after = answer.next.take();
        if enough(answer) || query.after.is_none() {
            return Ok(());
        }
    }
}

/// How many hits a page is to have for a share in percent, so that few pages are needed and few hits are
/// looked up for nothing.
pub(super) fn page_for(share: u32) -> usize {
    (PAGE * 100 / share.max(1) as usize).clamp(PAGE, MAX_LIMIT)
}

/// The first `wanted` who are online, found without the index knowing of it: pages of everybody who fits,
/// each hit's user looked up in a status cache.
pub(super) fn post_filter(
    people: &PeopleIndex,
    query: &PeopleQuery,
    statuses: &Statuses,
    limit: usize,
    wanted: usize,
) -> Result<Vec<String>, SearchError> {
    let query = PeopleQuery {
        online: Online::Any,
        limit,
        ..query.clone()
    };
    let mut found = Vec::new();
    pages(people, &query, |answer| {
        for hit in answer.hits {
            let status = statuses.get(&hit.user).unwrap_or(Presence::Offline);
            if status != Presence::Offline && found.len() < wanted {
                found.push(hit.user);
            }
        }
        found.len() >= wanted
    })?;
    Ok(found)
}
