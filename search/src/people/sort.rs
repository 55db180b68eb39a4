//! What hits are sorted by, besides their scores.

use tantivy::columnar::Column;
use tantivy::{DocId, SegmentReader};

use super::geo::Origin;
use super::refusal::{FilterError, check_place, kind_error};
use super::schema::{ACTIVE, Fields, JOINED};
use super::top::Top;
use crate::attributes::Kind;
use crate::query::Sort;

/// A sort, checked.
pub(super) enum Order {
    Score,
    Time(&'static str),
    Distance { column: String, origin: Origin },
}

impl Order {
    pub(super) fn new(fields: &Fields, sort: &Sort, private: bool) -> Result<Order, FilterError> {
        Ok(match sort {
            Sort::Relevance => Order::Score,
            Sort::Active => Order::Time(ACTIVE),
            Sort::Newest => Order::Time(JOINED),
            Sort::Distance { attribute, from } => {
                let found = fields.attributes.get(attribute);
                let found = found
                    .filter(|found| found.public || private)
                    .ok_or_else(|| FilterError::Unknown(attribute.clone()))?;
                if found.kind != Kind::GeoPoint {
                    return Err(kind_error(attribute, found.kind, "sorting by distance"));
                }
                check_place(attribute, *from)?;
                Order::Distance {
                    column: found.column_name.clone(),
                    origin: Origin::new(*from),
                }
            }
        })
    }

    pub(super) fn of_segment(&self, reader: &SegmentReader) -> tantivy::Result<SegmentOrder> {
        Ok(match self {
            Order::Score => SegmentOrder::None,
            Order::Time(column) => SegmentOrder::Time(reader.fast_fields().i64(column)?),
            Order::Distance { column, origin } => match reader.fast_fields().column_opt(column)? {
                Some(places) => SegmentOrder::Distance(places, *origin),
                None => SegmentOrder::None,
            },
        })
    }
}

/// The values of one segment.
pub(super) enum SegmentOrder {
    None,
    Time(Column<i64>),
    Distance(Column<u64>, Origin),
}

impl SegmentOrder {
    /// The value of a document that greater ones come before, where that is cheap to tell: 0 for distances.
    #[inline]
    pub(super) fn rank(&self, doc: DocId) -> u64 {
        match self {
            SegmentOrder::None | SegmentOrder::Distance(..) => 0,
            SegmentOrder::Time(column) => {
                let time = column.first(doc).unwrap_or(i64::MIN);
                (time as u64) ^ (1 << 63)
            }
        }
    }

    /// The value of a document that greater ones come before; nothing if `top` does not want it.
    #[inline]
    pub(super) fn value(&self, doc: DocId, online: bool, top: &Top) -> Option<u64> {
        let value = match self {
            SegmentOrder::None | SegmentOrder::Time(_) => self.rank(doc),
            SegmentOrder::Distance(places, origin) => {
                // Most are too far north or south already: they need not be measured.
                let possible = places
                    .values_for_doc(doc)
                    .map(|place| nearer(origin.haversine_at_least(place)))
                    .max()
                    .unwrap_or(0);
                if top
                    .worst()
                    .is_some_and(|worst| (worst.online, worst.value) > (online, possible))
                {
                    return None;
                }
                places
                    .values_for_doc(doc)
                    .map(|place| nearer(origin.haversine(place)))
                    .max()
                    .unwrap_or(0)
            }
        };
        top.wants(online, value).then_some(value)
    }
}

/// Grows as distances shrink; who has no place comes last.
fn nearer(haversine: f64) -> u64 {
    // Floats that are not negative are ordered as their bits are.
    u64::MAX - haversine.max(0.0).to_bits()
}
