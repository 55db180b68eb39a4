//! The way of one search through the segments.
//!
//! It goes through chunks of documents by when their latest was sent, a few at first and then more and more.
//! Newest first, it stops when no other chunk can hold anything newer than what was found; best first, when
//! so many were ranked that older ones are left out. So what many messages fit costs little, and what few
//! fit has short lists anyway.
//!
//! Whether the viewer sees a message is asked last, and of those alone that would come on the page.

use std::collections::{BinaryHeap, HashMap};

use tantivy::query::{Scorer, Weight};
use tantivy::{DocId, DocSet as _, TERMINATED, TantivyError};

use super::Viewer;
use super::answer::Sight;
use super::id::Conversation;
use super::schema::Id;
use super::top::{Found, Key, Top};
use super::view::{Chunk, View};
use crate::people::top::value_of_score;

/// Chunks that are gone through first.
const FIRST: usize = 2;
/// So many times as many are gone through next.
const GROWTH: usize = 4;

/// A search on its way through the segments.
pub(super) struct Run<'a> {
    pub(super) view: &'a View,
    pub(super) viewer: &'a Viewer<'a>,
    pub(super) weight: &'a dyn Weight,
    /// When what is found was sent; both ends belong to it.
    pub(super) from_ms: i64,
    pub(super) to_ms: i64,
    pub(super) top: Top,
    /// By segment, before which document there is nothing, as far as that is known.
    begins: Vec<DocId>,
    /// By segment and ordinal.
    conversations: HashMap<(usize, u64), Conversation>,
    sights: HashMap<Conversation, Vec<Sight>>,
}

/// Documents of a segment, the last one not in it.
type Range = (DocId, DocId);

impl<'a> Run<'a> {
    pub(super) fn new(
        view: &'a View,
        viewer: &'a Viewer<'a>,
        weight: &'a dyn Weight,
        (from_ms, to_ms): (i64, i64),
        top: Top,
    ) -> Run<'a> {
        Run {
            view,
            viewer,
            weight,
            from_ms,
            to_ms,
            top,
            begins: vec![0; view.segments.len()],
            conversations: HashMap::new(),
            sights: HashMap::new(),
        }
    }

    /// The chunks in which something of the time may be, with their segments.
    fn chunks(&self, to_ms: i64) -> Vec<(usize, Chunk)> {
        let segments = self.view.segments.iter().enumerate();
        segments
            .flat_map(|(at, segment)| segment.chunks.iter().map(move |chunk| (at, *chunk)))
            .filter(|(_, chunk)| chunk.latest >= self.from_ms && chunk.earliest <= to_ms)
            .collect()
    }

    /// What fits best. Returns since when everything was ranked, if something older was left out: once
    /// `most` were ranked, if that is not to be known already.
    pub(super) fn best(&mut self, most: usize) -> tantivy::Result<Option<i64>> {
        let mut chunks = self.chunks(self.to_ms);
        chunks.sort_unstable_by_key(|(_, chunk)| std::cmp::Reverse(chunk.latest));
        let (mut rest, mut turn) = (&mut chunks[..], FIRST);
        let (mut gone, mut ranked) = (0, 0);
        while let Some((_, next)) = rest.first() {
            // Whoever sees little of it is not left with a page that is not full.
            if ranked >= most && self.top.earliest().is_some() {
                return Ok(Some(next.latest.saturating_add(1)));
            }
            // As many as probably hold what may still be ranked.
            let enough = most.saturating_sub(ranked).saturating_mul(gone) / ranked.max(1);
            let take = if ranked == 0 || ranked >= most {
                turn
            } else {
                turn.min(enough + 1)
            };
            let (now, later) = rest.split_at_mut(take.min(rest.len()));
            (rest, turn) = (later, turn.saturating_mul(GROWTH));
            gone += now.len();
            ranked += self.best_of(now)?;
        }
        Ok(None)
    }

    /// Returns how many fit.
    fn best_of(&mut self, chunks: &mut [(usize, Chunk)]) -> tantivy::Result<usize> {
        let mut ranked = 0;
        for (segment, ranges) in by_segment(chunks) {
            let Some(mut scorer) = self.scorer(segment, &ranges)? else {
                continue;
            };
            let alive = self
                .view
                .searcher
                .segment_reader(segment as u32)
                .alive_bitset();
            for (from, to) in ranges {
                let mut doc = seek(scorer.as_mut(), from);
                while doc < to {
                    ranked += 1;
                    let value = value_of_score(scorer.score());
                    if self.top.may_want_value(value)
                        && alive.is_none_or(|alive| alive.is_alive(doc))
                    {
                        let at_ms = self.view.segments[segment].at(doc);
                        if (self.from_ms..=self.to_ms).contains(&at_ms)
                            && self.top.may_want(value, at_ms)
                        {
                            self.offer(segment, doc, value, at_ms)?;
                        }
                    }
                    doc = scorer.advance();
                }
            }
        }
        Ok(ranked)
    }

    /// What was sent last.
    pub(super) fn newest(&mut self) -> tantivy::Result<()> {
        let to_ms = self.to_ms.min(self.top.latest());
        let mut chunks = self.chunks(to_ms);
        chunks.sort_unstable_by_key(|(_, chunk)| std::cmp::Reverse(chunk.latest));
        let (mut rest, mut turn, mut gone) = (&mut chunks[..], FIRST, 0);
        while let Some((_, next)) = rest.first() {
            // What was sent at the same time may come before.
            let worst = self.top.earliest();
            if worst.is_some_and(|worst| worst > next.latest) {
                break;
            }
            let take = match (worst, self.top.filled()) {
                // Those that may hold something newer.
                (Some(worst), _) => rest.partition_point(|(_, chunk)| chunk.latest >= worst),
                (None, (0, _)) => turn,
                // As many as probably hold what is missing, and some more.
                (None, (found, missing)) => turn.min(missing * gone * 5 / 4 / found + 1),
            };
            let (now, later) = rest.split_at_mut(take.min(rest.len()));
            (rest, turn) = (later, turn.saturating_mul(GROWTH));
            gone += now.len();
            self.newest_of(now, to_ms)?;
        }
        Ok(())
    }

    fn newest_of(&mut self, chunks: &mut [(usize, Chunk)], to_ms: i64) -> tantivy::Result<()> {
        let from_ms = self.from_ms.max(self.top.earliest().unwrap_or(i64::MIN));
        let mut candidates = Vec::new();
        for (segment, ranges) in by_segment(chunks) {
            let Some(mut scorer) = self.scorer(segment, &ranges)? else {
                continue;
            };
            let alive = self
                .view
                .searcher
                .segment_reader(segment as u32)
                .alive_bitset();
            let columns = &self.view.segments[segment];
            for (from, to) in ranges {
                let mut doc = seek(scorer.as_mut(), from);
                while doc < to {
                    let at_ms = columns.at(doc);
                    if (from_ms..=to_ms).contains(&at_ms)
                        && alive.is_none_or(|alive| alive.is_alive(doc))
                    {
                        candidates.push((at_ms, segment, doc));
                    }
                    doc = scorer.advance();
                }
            }
        }
        let mut candidates = BinaryHeap::from(candidates);
        while let Some((at_ms, segment, doc)) = candidates.pop() {
            if self.top.earliest().is_some_and(|worst| at_ms < worst) {
                break;
            }
            self.offer(segment, doc, 0, at_ms)?;
        }
        Ok(())
    }

    /// What finds documents in a segment, unless there are none in the ranges.
    fn scorer(
        &mut self,
        segment: usize,
        ranges: &[Range],
    ) -> tantivy::Result<Option<Box<dyn Scorer>>> {
        let end = ranges.last().map_or(0, |(_, to)| *to);
        if self.begins[segment] >= end {
            return Ok(None);
        }
        let reader = self.view.searcher.segment_reader(segment as u32);
        let scorer = self.weight.scorer(reader, 1.0)?;
        // Making one may already go through much until something fits: not more often than needed.
        self.begins[segment] = scorer.doc();
        Ok(Some(scorer))
    }

    /// Takes a document if it is among the best and may be seen.
    fn offer(&mut self, segment: usize, doc: DocId, value: u64, at_ms: i64) -> tantivy::Result<()> {
        let key = Key {
            value,
            at_ms,
            conversation: self.conversation(segment, doc)?,
            seq: self.view.segments[segment].seqs.first(doc).unwrap_or(0),
        };
        if self.top.wants(&key) && self.shows(&key) {
            self.top.add(Found { key, segment, doc });
        }
        Ok(())
    }

    fn conversation(&mut self, segment: usize, doc: DocId) -> tantivy::Result<Conversation> {
        let column = &self.view.segments[segment].conversations;
        let missing =
            || TantivyError::InternalError(format!("document {doc} lacks a conversation"));
        let ordinal = column.ords().first(doc).ok_or_else(missing)?;
        if let Some(known) = self.conversations.get(&(segment, ordinal)) {
            return Ok(*known);
        }
        let mut bytes = Vec::with_capacity(16);
        column.ord_to_bytes(ordinal, &mut bytes)?;
        let conversation = bytes.try_into().map_err(|_| missing())?;
        self.conversations.insert((segment, ordinal), conversation);
        Ok(conversation)
    }

    /// Whether a message is as the index says, and the viewer sees it.
    fn shows(&mut self, key: &Key) -> bool {
        let id = Id {
            conversation: key.conversation,
            seq: key.seq,
        };
        !self.view.changes.read().hold(&id) && (self.viewer.all || self.sees(&id))
    }

    fn sees(&mut self, id: &Id) -> bool {
        let known = self.sights.entry(id.conversation).or_default();
        let sight = known
            .iter()
            .find(|sight| (sight.from..=sight.to).contains(&id.seq));
        if let Some(sight) = sight {
            return sight.sees;
        }
        let sight = (self.viewer.sees)(id.conversation, id.seq);
        // Of single messages nothing is learnt of others.
        if sight.from < sight.to {
            known.push(sight);
        }
        sight.sees
    }
}

/// The first document from `from` on.
fn seek(scorer: &mut dyn Scorer, from: DocId) -> DocId {
    match scorer.doc() {
        doc if doc < from && doc != TERMINATED => scorer.seek(from),
        doc => doc,
    }
}

/// Chunks as ranges of each segment, ascending and apart.
fn by_segment(chunks: &mut [(usize, Chunk)]) -> Vec<(usize, Vec<Range>)> {
    chunks.sort_unstable_by_key(|(segment, chunk)| (*segment, chunk.from));
    let mut segments: Vec<(usize, Vec<Range>)> = Vec::new();
    for (segment, chunk) in chunks.iter() {
        let range = (chunk.from, chunk.to);
        match segments.last_mut() {
            Some((last, ranges)) if last == segment => match ranges.last_mut() {
                Some(before) if before.1 == range.0 => before.1 = range.1,
                _ => ranges.push(range),
            },
            _ => segments.push((*segment, vec![range])),
        }
    }
    segments
}
