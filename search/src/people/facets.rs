//! How many of all who fit have each value.

use std::collections::{BTreeMap, HashMap};

use tantivy::columnar::StrColumn;
use tantivy::{DocId, SegmentReader};

use super::answer::{Facet, FacetValue};
use crate::text;

/// Most values of a facet that are listed.
pub const MAX_FACET_VALUES: usize = 100;

/// Most values of one segment that are looked up by name; the rarest beyond are left out.
const MAX_SEGMENT_VALUES: usize = 1_000;

/// The counts of one segment.
pub(super) struct SegmentFacets {
    columns: Vec<Option<(StrColumn, Vec<u32>)>>,
}

impl SegmentFacets {
    pub(super) fn new(
        reader: &SegmentReader,
        columns: &[String],
    ) -> tantivy::Result<SegmentFacets> {
        let columns = columns
            .iter()
            .map(|name| {
                Ok(reader.fast_fields().str(name)?.map(|column| {
                    let counts = vec![0; column.num_terms()];
                    (column, counts)
                }))
            })
            .collect::<tantivy::Result<_>>()?;
        Ok(SegmentFacets { columns })
    }

    /// Someone fits.
    #[inline]
    pub(super) fn count(&mut self, doc: DocId) {
        for (column, counts) in self.columns.iter_mut().flatten() {
            for value in column.ords().values_for_doc(doc) {
                if let Some(count) = counts.get_mut(value as usize) {
                    *count += 1;
                }
            }
        }
    }
}

/// How many have a value.
#[derive(Clone, Default)]
struct Counted {
    all: u64,
    /// As it is written.
    ways: BTreeMap<String, u64>,
}

/// The counts of all segments, by attribute in the order asked for.
pub(super) struct Facets {
    /// By folded value.
    counts: Vec<HashMap<String, Counted>>,
    more: Vec<bool>,
}

impl Facets {
    pub(super) fn new(attributes: usize) -> Facets {
        Facets {
            counts: vec![HashMap::new(); attributes],
            more: vec![false; attributes],
        }
    }

    pub(super) fn add(&mut self, segment: SegmentFacets) -> tantivy::Result<()> {
        for (attribute, column) in segment.columns.into_iter().enumerate() {
            let Some((column, counts)) = column else {
                continue;
            };
            let mut values: Vec<(u32, u64)> = counts
                .into_iter()
                .zip(0..)
                .filter(|(count, _)| *count > 0)
                .collect();
            if values.len() > MAX_SEGMENT_VALUES {
                values.sort_unstable_by(|left, right| right.cmp(left));
                values.truncate(MAX_SEGMENT_VALUES);
                self.more[attribute] = true;
            }
            let mut name = String::new();
            for (count, value) in values {
                name.clear();
                column.ord_to_str(value, &mut name)?;
                let of_all = self.counts[attribute].entry(text::fold(&name)).or_default();
                of_all.all += u64::from(count);
                *of_all.ways.entry(name.clone()).or_default() += u64::from(count);
            }
        }
        Ok(())
    }

    pub(super) fn finish(self, attributes: &[String]) -> BTreeMap<String, Facet> {
        let all = attributes.iter().zip(self.counts).zip(self.more);
        all.map(|((attribute, counts), mut more)| {
            let mut values: Vec<FacetValue> = counts
                .into_values()
                .filter_map(|Counted { all, ways }| {
                    // Of equally frequent ways, the first.
                    let (value, _) = ways.into_iter().rev().max_by_key(|(_, count)| *count)?;
                    Some(FacetValue { value, count: all })
                })
                .collect();
            values.sort_by(|left, right| {
                right
                    .count
                    .cmp(&left.count)
                    .then_with(|| left.value.cmp(&right.value))
            });
            more |= values.len() > MAX_FACET_VALUES;
            values.truncate(MAX_FACET_VALUES);
            (attribute.clone(), Facet { values, more })
        })
        .collect()
    }
}
