//! Which of some people fit: what somebody who watches a result page is told when people come online. It
//! costs what looking these people up costs, however many there are besides.

use std::collections::HashSet;

use tantivy::DocSet as _;
use tantivy::query::EnableScoring;

use super::compile::compile;
use super::gate::Gate;
use super::search::SearchError;
use super::{PeopleIndex, Viewer};
use crate::query::Filter;

impl PeopleIndex {
    /// Those of `users` who fit a filter and may be found, in the order given. Whether they are online is
    /// not looked at.
    pub fn matching<'u>(
        &self,
        filter: &Filter,
        viewer: &Viewer<'_>,
        users: &[&'u str],
    ) -> Result<Vec<&'u str>, SearchError> {
        let compiled = compile(&self.fields, filter, viewer.may_see_private)?;
        let exclude: HashSet<&str> = viewer.exclude.iter().map(String::as_str).collect();
        // Under one lock, so that places are those of the view.
        let (view, places) = {
            let online = self.online.lock();
            let view = self.view.load_full();
            let mut places: Vec<Vec<(u32, usize)>> = vec![Vec::new(); view.segments.len()];
            for (at, user) in users.iter().enumerate() {
                if exclude.contains(user) {
                    continue;
                }
                let segments = view.segments.iter().map(|segment| &segment.online);
                for (segment, doc) in online.places(user, segments) {
                    places[segment].push((doc, at));
                }
            }
            drop(online);
            (view, places)
        };
        let scoring = EnableScoring::disabled_from_searcher(&view.searcher);
        let weight = compiled.query.weight(scoring)?;
        let mut fit = vec![false; users.len()];
        let readers = view.searcher.segment_readers().iter();
        for ((reader, segment), mut places) in readers.zip(&view.segments).zip(places) {
            if places.is_empty() {
                continue;
            }
            places.sort_unstable();
            let hidden = match viewer.may_see_private {
                true => &[][..],
                false => &segment.hidden,
            };
            let mut gate = Gate::new(reader.alive_bitset(), hidden, &[]);
            let mut scorer = weight.scorer(reader, 1.0)?;
            for (doc, at) in places {
                let found = match scorer.doc() < doc {
                    true => scorer.seek(doc),
                    false => scorer.doc(),
                };
                fit[at] |= found == doc && gate.lets_through(doc);
            }
        }
        let fitting = users.iter().zip(fit).filter(|(_, fit)| *fit);
        Ok(fitting.map(|(user, _)| *user).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::people::tests::{about, is, open, query, words};

    /// The same people as a search finds, of any selection, over many segments, replaced and removed ones.
    #[test]
    fn they_are_those_whom_a_search_finds() {
        let opened = open();
        let mut random = fastrand::Rng::with_seed(9);
        let some = ["tea", "rock climbing", "climbing and tea", "chess"];
        let name = |number: usize| format!("u{number}");
        for round in 0..12 {
            for _ in 0..40 {
                let user = name(random.usize(..120));
                match random.u8(..5) {
                    0 => opened.index.remove(&user).unwrap(),
                    _ => opened.put(&user, &about(some[random.usize(..some.len())])),
                }
            }
            opened.commit();
            let filters = [
                Filter::All(vec![]),
                words("climbing"),
                Filter::Not(Box::new(words("tea"))),
                is("city", "nowhere"),
            ];
            for filter in &filters {
                let exclude = [name(1), name(50)];
                let viewer = Viewer {
                    exclude: &exclude,
                    may_see_private: false,
                };
                let mut page = query(filter.clone());
                page.limit = 100;
                let mut expected: Vec<String> = Vec::new();
                loop {
                    let answer = opened.index.search(&page, &viewer).unwrap();
                    expected.extend(answer.hits.into_iter().map(|hit| hit.user));
                    match answer.next {
                        Some(next) => page.after = Some(next),
                        None => break,
                    }
                }
                let asked: Vec<String> = (0..125).rev().map(name).collect();
                let asked: Vec<&str> = asked.iter().map(String::as_str).collect();
                let found = opened.index.matching(filter, &viewer, &asked).unwrap();
                assert!(found.is_sorted_by_key(|user| asked.iter().position(|one| one == user)));
                let mut found: Vec<&str> = found;
                found.sort_unstable();
                expected.sort_unstable();
                assert_eq!(found, expected, "{round} {filter:?}");
            }
        }
    }
}
