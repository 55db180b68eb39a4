//! The way of one search through the segments.

use std::sync::Arc;

use tantivy::query::{EmptyScorer, Scorer, Weight, intersect_scorers};
use tantivy::{COLLECT_BLOCK_BUFFER_LEN, DocId, DocSet as _, Score, SegmentReader, TERMINATED};

use super::bits::{AtomicBits, OnlineScorer};
use super::either::Pruning;
use super::facets::{Facets, SegmentFacets};
use super::gate::Gate;
use super::sort::{Order, SegmentOrder};
use super::top::{After, Found, Key, Top, score_below, value_of_score};
use super::view::{SegmentView, View};
use crate::query::Online;

/// What finds documents, and who of those counts.
type LedOrOnly = (Box<dyn Scorer>, Option<Arc<AtomicBits>>);

/// A search on its way through the segments.
pub(super) struct Run<'a> {
    pub(super) view: &'a View,
    pub(super) excluded: &'a [Vec<DocId>],
    pub(super) private: bool,
    pub(super) away: bool,
    pub(super) online: Online,
    pub(super) order: &'a Order,
    pub(super) weight: &'a dyn Weight,
    pub(super) scores: bool,
    pub(super) facet_columns: &'a [String],
    pub(super) facets: Facets,
    pub(super) top: Top,
    pub(super) count: u64,
    /// Whether everybody who fits was counted.
    pub(super) exact: bool,
    /// Whether ties have to be in order although the query is pruned.
    pub(super) ordered: bool,
}

impl<'a> Run<'a> {
    pub(super) fn segments(
        &self,
    ) -> impl Iterator<Item = (usize, &'a SegmentReader, &'a SegmentView)> + use<'a> {
        let readers = self.view.searcher.segment_readers().iter();
        let views = self.view.segments.iter();
        readers
            .zip(views)
            .enumerate()
            .map(|(at, (reader, view))| (at, reader, view.as_ref()))
    }

    pub(super) fn gate(
        &self,
        at: usize,
        reader: &'a SegmentReader,
        segment: &'a SegmentView,
    ) -> Gate<'a> {
        let hidden: &[DocId] = if self.private { &[] } else { &segment.hidden };
        let excluded = self.excluded.get(at).map_or(&[][..], Vec::as_slice);
        Gate::new(reader.alive_bitset(), hidden, excluded)
    }

    pub(super) fn bits<'b>(&self, segment: &'b SegmentView) -> &'b Arc<AtomicBits> {
        if self.away {
            &segment.online.reachable
        } else {
            &segment.online.available
        }
    }

    pub(super) fn online_count(&self) -> u64 {
        let segments = self.view.segments.iter();
        segments
            .map(|segment| u64::from(self.bits(segment).count()))
            .sum()
    }

    /// The query, asked only about who is online.
    fn led(
        &self,
        reader: &SegmentReader,
        segment: &SegmentView,
    ) -> tantivy::Result<Box<dyn Scorer>> {
        let online = self.bits(segment);
        if online.count() == 0 {
            return Ok(Box::new(EmptyScorer));
        }
        Ok(led_by(online, self.weight.scorer(reader, 1.0)?, reader))
    }

    /// The query, asked only about who is online; or, where these are more than whom it finds, all of it,
    /// with the bits that whoever it finds has to be in.
    fn led_or_only(
        &self,
        reader: &SegmentReader,
        segment: &SegmentView,
    ) -> tantivy::Result<LedOrOnly> {
        let online = self.bits(segment);
        if online.count() == 0 {
            return Ok((Box::new(EmptyScorer), None));
        }
        let scorer = self.weight.scorer(reader, 1.0)?;
        if scorer.cost() <= u64::from(online.count()) {
            return Ok((scorer, Some(Arc::clone(online))));
        }
        Ok((led_by(online, scorer, reader), None))
    }

    /// Everyone who fits.
    pub(super) fn all(&mut self) -> tantivy::Result<()> {
        for (at, reader, segment) in self.segments() {
            let (mut scorer, only) = match self.online {
                Online::Only => self.led_or_only(reader, segment)?,
                Online::First | Online::Any => (self.weight.scorer(reader, 1.0)?, None),
            };
            let is_absent = |doc| only.as_ref().is_some_and(|bits| !bits.contains(doc));
            if scorer.doc() == TERMINATED {
                continue;
            }
            let mut gate = self.gate(at, reader, segment);
            let first = (self.online == Online::First).then(|| Arc::clone(self.bits(segment)));
            let mut facets = SegmentFacets::new(reader, self.facet_columns)?;
            let order = self.order.of_segment(reader)?;
            let (top, count) = (&mut self.top, &mut self.count);
            let keys = &segment.keys;
            let mut take = |doc: DocId, score: Option<Score>, tie: Option<u64>| {
                if is_absent(doc) || !gate.lets_through(doc) {
                    return;
                }
                *count += 1;
                facets.count(doc);
                let online = first.as_ref().is_some_and(|bits| bits.contains(doc));
                let value = match score {
                    Some(score) => {
                        Some(value_of_score(score)).filter(|value| top.wants(online, *value))
                    }
                    None => order.value(doc, online, top),
                };
                if let Some(value) = value {
                    let tie = tie.unwrap_or_else(|| keys[doc as usize]);
                    top.add(Found {
                        key: Key { online, value, tie },
                        segment: at,
                        doc,
                    });
                }
            };
            if self.scores {
                while scorer.doc() != TERMINATED {
                    let doc = scorer.doc();
                    if !is_absent(doc) {
                        take(doc, Some(scorer.score()), None);
                    }
                    scorer.advance();
                }
            } else {
                let mut buffer = [0; COLLECT_BLOCK_BUFFER_LEN];
                let mut ties = [None; COLLECT_BLOCK_BUFFER_LEN];
                let all_tie = matches!(order, SegmentOrder::None);
                loop {
                    let filled = scorer.fill_buffer(&mut buffer);
                    if all_tie {
                        // All at once: to wait for each of these, which are far apart, takes longer than
                        // all else that is done for a document.
                        for (tie, doc) in ties.iter_mut().zip(&buffer[..filled]) {
                            *tie = Some(keys[*doc as usize]);
                        }
                    }
                    for (doc, tie) in buffer[..filled].iter().zip(&ties) {
                        take(*doc, None, *tie);
                    }
                    if filled < buffer.len() {
                        break;
                    }
                }
            }
            self.facets.add(facets)?;
        }
        Ok(())
    }

    /// The best, by words alone.
    pub(super) fn pruned(
        &mut self,
        pruning: &Pruning<'_>,
        lead: bool,
        after: Option<&After>,
    ) -> tantivy::Result<()> {
        self.ordered = after.is_some_and(After::is_ordered);
        match self.online {
            Online::Any => self.pruned_pass(pruning, None, false, false),
            Online::Only if lead => self.led_pass(false),
            Online::Only => self.pruned_pass(pruning, Some(true), false, false),
            Online::First => {
                // An earlier page may have come to those who are not online.
                if after.is_none_or(|after| after.key.online) {
                    if lead {
                        self.led_pass(true)?
                    } else {
                        self.pruned_pass(pruning, Some(true), true, false)?
                    }
                } else {
                    self.exact = false;
                }
                if self.top.worst().is_some() {
                    self.exact = false;
                    return Ok(());
                }
                // Whoever comes or goes between the two passes is shown once, but may be counted twice.
                self.exact &= after.is_none();
                self.pruned_pass(pruning, Some(false), false, after.is_some())
            }
        }
    }

    fn led_pass(&mut self, online: bool) -> tantivy::Result<()> {
        for (at, reader, segment) in self.segments() {
            let mut scorer = self.led(reader, segment)?;
            let mut gate = self.gate(at, reader, segment);
            while scorer.doc() != TERMINATED {
                let doc = scorer.doc();
                if gate.lets_through(doc) {
                    self.count += 1;
                    let value = value_of_score(scorer.score());
                    if self.top.wants(online, value) {
                        let tie = segment.keys[doc as usize];
                        self.top.add(Found {
                            key: Key { online, value, tie },
                            segment: at,
                            doc,
                        });
                    }
                }
                scorer.advance();
            }
        }
        Ok(())
    }

    /// `only` lets just those through who are online, or just those who were not found by a pass for who
    /// is; that pass found everybody unless this goes on from an earlier page, where it was made `again`.
    fn pruned_pass(
        &mut self,
        pruning: &Pruning<'_>,
        only: Option<bool>,
        online: bool,
        again: bool,
    ) -> tantivy::Result<()> {
        let passes = pruning.passes();
        let segments = self.segments();
        let segments = segments.flat_map(|segment| passes.iter().map(move |pass| (segment, *pass)));
        for ((at, reader, segment), pass) in segments {
            let bits = self.bits(segment);
            let mut gate = self.gate(at, reader, segment);
            let ordered = self.ordered;
            let (top, count) = (&mut self.top, &mut self.count);
            let bound = |top: &Top| match top.worst() {
                // Who ties with the worst is looked at only when ties have to be in order.
                Some(worst) if worst.online == online && ordered => score_below(worst.value),
                Some(worst) if worst.online == online => score_below(worst.value + 1),
                // All places are taken by better ones.
                Some(worst) if worst.online => Score::MAX,
                _ => Score::MIN,
            };
            let mut threshold = bound(top);
            pruning.for_each(pass, threshold, reader, &mut |doc, score| {
                let wanted = match only {
                    None => true,
                    Some(true) => bits.contains(doc),
                    // Who changed since the pass before is neither repeated nor left out.
                    Some(false) => (!again || !bits.contains(doc)) && !top.contains(at, doc),
                };
                if !wanted || !gate.lets_through(doc) {
                    return threshold;
                }
                *count += 1;
                let value = value_of_score(score);
                if top.wants(online, value) {
                    let tie = segment.keys[doc as usize];
                    top.add(Found {
                        key: Key { online, value, tie },
                        segment: at,
                        doc,
                    });
                    threshold = bound(top);
                }
                threshold
            })?;
        }
        // Until there are as many as wanted nobody is passed over.
        self.exact &= self.top.worst().is_none();
        Ok(())
    }
}

/// What a query finds of those who are online.
fn led_by(
    online: &Arc<AtomicBits>,
    scorer: Box<dyn Scorer>,
    reader: &SegmentReader,
) -> Box<dyn Scorer> {
    let online: Box<dyn Scorer> = Box::new(OnlineScorer::new(Arc::clone(online)));
    intersect_scorers(vec![scorer, online], reader.num_docs())
}
