//! Everybody, without any condition: whoever comes first is known beforehand.
//!
//! A condition leaves some, who have to be gone through to find the first of them. Without any, a page is
//! the beginning of an order that every segment has ready, and the total is arithmetic; going through a
//! million people would take some ten milliseconds instead.

use std::cmp::Reverse;

use tantivy::{DocId, DocSet as _, SegmentReader, TERMINATED};

use super::bits::{AtomicBits, OnlineScorer};
use super::run::Run;
use super::schema::{ACTIVE, JOINED};
use super::sort::{Order, SegmentOrder};
use super::top::{After, Found, Key, Top};
use crate::query::{Filter, Online};

/// Whether a filter leaves everybody.
pub(super) fn is_everybody(filter: &Filter) -> bool {
    matches!(filter, Filter::All(all) if all.iter().all(is_everybody))
}

/// The documents of a segment in the orders that need nothing of a query, whoever comes first ahead.
pub(super) struct Ranks {
    ties: Box<[DocId]>,
    active: Box<[DocId]>,
    joined: Box<[DocId]>,
}

impl Ranks {
    pub(super) fn new(reader: &SegmentReader, keys: &[u64]) -> tantivy::Result<Ranks> {
        let ranked = |order: &SegmentOrder| -> Box<[DocId]> {
            let mut ranks: Vec<_> = keys
                .iter()
                .zip(0..)
                .map(|(tie, doc)| (Reverse((order.rank(doc), *tie)), doc))
                .collect();
            ranks.sort_unstable();
            ranks.into_iter().map(|(_, doc)| doc).collect()
        };
        Ok(Ranks {
            ties: ranked(&SegmentOrder::None),
            active: ranked(&Order::Time(ACTIVE).of_segment(reader)?),
            joined: ranked(&Order::Time(JOINED).of_segment(reader)?),
        })
    }

    /// The documents in an order, if they are ready in it.
    pub(super) fn of(&self, order: &Order) -> Option<&[DocId]> {
        match order {
            Order::Score => Some(&self.ties),
            Order::Time(ACTIVE) => Some(&self.active),
            Order::Time(JOINED) => Some(&self.joined),
            Order::Time(_) | Order::Distance { .. } => None,
        }
    }
}

/// Who is taken in one pass.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whom {
    /// Whoever.
    All,
    /// Who is online.
    Online,
    /// Who was not taken by a pass for who is online.
    Rest {
        /// That pass did not see all of them, as this goes on from an earlier page.
        again: bool,
    },
}

impl Run<'_> {
    /// The first of everybody, and how many they are.
    pub(super) fn browse(&mut self, after: Option<&After>) -> tantivy::Result<()> {
        self.count = self.everybody();
        match self.online {
            Online::Any => self.browse_pass(Whom::All, false, after),
            Online::Only => self.browse_pass(Whom::Online, false, after),
            Online::First => {
                // An earlier page may have come to those who are not online.
                if after.is_none_or(|after| after.key.online) {
                    self.browse_pass(Whom::Online, true, after)?;
                    if self.top.worst().is_some() {
                        return Ok(());
                    }
                }
                let again = after.is_some();
                self.browse_pass(Whom::Rest { again }, false, after)
            }
        }
    }

    /// How many fit.
    fn everybody(&self) -> u64 {
        let segments = self.segments().map(|(at, reader, segment)| {
            let barred = self.gate(at, reader, segment).into_barred();
            if self.online != Online::Only {
                return u64::from(reader.num_docs()) - barred.count() as u64;
            }
            let bits = self.bits(segment);
            // Bits of documents that were deleted since count, too.
            let online = match reader.alive_bitset() {
                None => u64::from(bits.count()),
                Some(alive) => online_docs(bits).filter(|doc| alive.is_alive(*doc)).count() as u64,
            };
            let barred = barred.filter(|doc| bits.contains(*doc)).count() as u64;
            // People come and go meanwhile.
            online.saturating_sub(barred)
        });
        segments.sum()
    }

    fn browse_pass(
        &mut self,
        whom: Whom,
        online: bool,
        after: Option<&After>,
    ) -> tantivy::Result<()> {
        for (at, reader, segment) in self.segments() {
            let bits = self.bits(segment);
            let order = self.order.of_segment(reader)?;
            let Some(ranks) = segment.ranks.of(self.order) else {
                continue;
            };
            let key = |doc: DocId| Key {
                online,
                value: order.rank(doc),
                tie: segment.keys[doc as usize],
            };
            let gate = self.gate(at, reader, segment);
            let top = &mut self.top;
            let take = |top: &mut Top, doc: DocId| {
                let wanted = match whom {
                    Whom::All => true,
                    Whom::Online => bits.contains(doc),
                    // Who changed since the pass before is neither repeated nor left out.
                    Whom::Rest { again } => {
                        (!again || !bits.contains(doc)) && !top.contains(at, doc)
                    }
                };
                if wanted && gate.lets_through_any(doc) {
                    top.add(Found {
                        key: key(doc),
                        segment: at,
                        doc,
                    });
                }
            };
            // Few who are online may stand anywhere in the order: walking along it must not take longer
            // than looking at each of them.
            let steps = match whom {
                Whom::Online => bits.count() as usize,
                Whom::All | Whom::Rest { .. } => usize::MAX,
            };
            let from =
                ranks.partition_point(|doc| after.is_some_and(|after| after.is_past(key(*doc))));
            let is_over =
                |top: &Top, doc: DocId| top.worst().is_some_and(|worst| key(doc) <= worst);
            let mut left = ranks[from..].iter();
            let mut walked = 0;
            let finished = loop {
                match left.next() {
                    None => break true,
                    Some(doc) if is_over(top, *doc) => break true,
                    Some(_) if walked == steps => break false,
                    Some(doc) => take(top, *doc),
                }
                walked += 1;
            };
            if !finished {
                for doc in online_docs(bits) {
                    if !is_over(top, doc) && !top.contains(at, doc) {
                        take(top, doc);
                    }
                }
            }
        }
        Ok(())
    }
}

/// Who is online, ascending.
fn online_docs(bits: &std::sync::Arc<AtomicBits>) -> impl Iterator<Item = DocId> + use<> {
    let mut scorer = OnlineScorer::new(std::sync::Arc::clone(bits));
    std::iter::from_fn(move || {
        let doc = scorer.doc();
        scorer.advance();
        (doc != TERMINATED).then_some(doc)
    })
}
