//! Who must not be found, whatever fits: deleted documents, hidden people, who the viewer excludes.

use tantivy::DocId;
use tantivy::fastfield::AliveBitSet;

/// Asked for one document after the other, ascending.
pub(super) struct Gate<'a> {
    alive: Option<&'a AliveBitSet>,
    barred: [Cursor<'a>; 2],
}

impl<'a> Gate<'a> {
    pub(super) fn new(
        alive: Option<&'a AliveBitSet>,
        hidden: &'a [DocId],
        excluded: &'a [DocId],
    ) -> Gate<'a> {
        Gate {
            alive,
            barred: [Cursor { docs: hidden }, Cursor { docs: excluded }],
        }
    }

    #[inline]
    pub(super) fn lets_through(&mut self, doc: DocId) -> bool {
        self.alive.is_none_or(|alive| alive.is_alive(doc))
            && !self.barred.iter_mut().any(|cursor| cursor.contains(doc))
    }

    /// The same in any order, as long as nobody was asked for in order: takes longer.
    pub(super) fn lets_through_any(&self, doc: DocId) -> bool {
        let barred = |cursor: &Cursor<'_>| cursor.docs.binary_search(&doc).is_ok();
        self.alive.is_none_or(|alive| alive.is_alive(doc)) && !self.barred.iter().any(barred)
    }

    /// Who is not deleted and does not get through, each once, as long as nobody was asked for.
    pub(super) fn into_barred(self) -> impl Iterator<Item = DocId> + use<'a> {
        let [hidden, excluded] = self.barred;
        let mut also_hidden = Cursor { docs: hidden.docs };
        let only_excluded = excluded
            .docs
            .iter()
            .filter(move |doc| !also_hidden.contains(**doc));
        let alive = self.alive;
        hidden
            .docs
            .iter()
            .chain(only_excluded)
            .copied()
            .filter(move |doc| alive.is_none_or(|alive| alive.is_alive(*doc)))
    }
}

/// How many of a list are looked at one after the other, before it is halved again and again.
const NEAR: usize = 4;

/// What is left of an ascending list.
struct Cursor<'a> {
    docs: &'a [DocId],
}

impl Cursor<'_> {
    #[inline]
    fn contains(&mut self, doc: DocId) -> bool {
        match self.docs.first() {
            None => false,
            Some(first) if *first >= doc => *first == doc,
            Some(_) => {
                // Mostly it is one of the next few, where many are asked for.
                let near = &self.docs[..self.docs.len().min(NEAR)];
                let passed = match near.iter().position(|barred| *barred >= doc) {
                    Some(passed) => passed,
                    None => self.docs.partition_point(|barred| *barred < doc),
                };
                self.docs = &self.docs[passed..];
                self.docs.first() == Some(&doc)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_on_a_list_gets_through() {
        let hidden: Vec<DocId> = (0..1_000).filter(|doc| doc % 7 == 0).collect();
        let excluded = [3, 4, 14, 999];
        let mut gate = Gate::new(None, &hidden, &excluded);
        for doc in (0..1_000).filter(|doc| doc % 3 != 1) {
            let wanted = doc % 7 != 0 && !excluded.contains(&doc);
            assert_eq!(gate.lets_through(doc), wanted, "{doc}");
        }
        let gate = Gate::new(None, &hidden, &excluded);
        for doc in (0..1_000).rev() {
            let wanted = doc % 7 != 0 && !excluded.contains(&doc);
            assert_eq!(gate.lets_through_any(doc), wanted, "{doc}");
        }
        let mut barred: Vec<DocId> = gate.into_barred().collect();
        barred.sort_unstable();
        let wanted = (0..1_000).filter(|doc| doc % 7 == 0 || excluded.contains(doc));
        assert_eq!(barred, wanted.collect::<Vec<_>>());
    }
}
