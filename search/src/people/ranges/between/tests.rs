//! Ranges against the values themselves, asked in every way and order.

use tantivy::columnar::MonotonicallyMappableToU64 as _;
use tantivy::schema::{FAST, Schema};
use tantivy::{Index, Searcher, TantivyDocument};

use super::*;

/// More than a few blocks in one segment, of documents that have so many values each.
fn index(values: &[Vec<i64>]) -> Searcher {
    let mut schema = Schema::builder();
    let field = schema.add_i64_field("value", FAST);
    let index = Index::create_in_ram(schema.build());
    let mut writer = index.writer_with_num_threads(1, 30_000_000).unwrap();
    for values in values {
        let mut document = TantivyDocument::default();
        for value in values {
            document.add_i64(field, *value);
        }
        writer.add_document(document).unwrap();
    }
    writer.commit().unwrap();
    index.reader().unwrap().searcher()
}

fn scorer(searcher: &Searcher, range: &RangeInclusive<i64>) -> Box<dyn Scorer> {
    let query = BetweenQuery::new(
        "value",
        ColumnType::I64,
        range.start().to_u64()..=range.end().to_u64(),
    );
    let weight = query
        .weight(EnableScoring::disabled_from_searcher(searcher))
        .unwrap();
    weight.scorer(searcher.segment_reader(0), 1.0).unwrap()
}

#[test]
fn what_is_found_are_those_in_the_range() {
    const MANY: usize = 10_500;
    let mut random = fastrand::Rng::with_seed(5);
    for least in [0, 1] {
        for most in [1, 3] {
            // Narrow and wide values, and such as rise with the documents, nearly: they are kept and compared
            // in different ways.
            for (wide, rising) in [(1, false), (86_400_000_000, false), (86_400_000_000, true)] {
                let values: Vec<Vec<i64>> = (0..MANY as i64)
                    .map(|at| {
                        let count = random.usize(least..=most);
                        let day = |random: &mut fastrand::Rng| match rising {
                            true => (at * 100 / MANY as i64 - 50) * wide + random.i64(0..1_000),
                            false => random.i64(-50..50) * wide + random.i64(0..wide),
                        };
                        (0..count).map(|_| day(&mut random)).collect()
                    })
                    .collect();
                let searcher = index(&values);
                for range in [
                    -50..=-49,
                    -10..=10,
                    -50..=50,
                    3..=3,
                    49..=70,
                    60..=70,
                    -90..=-60,
                ] {
                    let range = *range.start() * wide..=*range.end() * wide;
                    let fits: Vec<bool> = values
                        .iter()
                        .map(|values| values.iter().any(|value| range.contains(value)))
                        .collect();
                    all(&searcher, &range, &fits);
                    for often in [2, 5, 30, 400] {
                        asked(&searcher, &range, &fits, often, &mut random);
                        sought(&searcher, &range, &fits, often, &mut random);
                    }
                }
            }
        }
    }
}

fn all(searcher: &Searcher, range: &RangeInclusive<i64>, fits: &[bool]) {
    let mut scorer = scorer(searcher, range);
    for doc in (0..fits.len()).filter(|doc| fits[*doc]) {
        assert_eq!(scorer.doc(), doc as DocId, "{range:?}");
        scorer.advance();
    }
    assert_eq!(scorer.doc(), TERMINATED, "{range:?}");
    assert_eq!(scorer.advance(), TERMINATED);
}

/// One document in `often`, as another condition asks that leads; going on from some of those found.
fn asked(
    searcher: &Searcher,
    range: &RangeInclusive<i64>,
    fits: &[bool],
    often: u32,
    random: &mut fastrand::Rng,
) {
    let mut scorer = scorer(searcher, range);
    let mut doc = scorer.doc();
    while (doc as usize) < fits.len() {
        match scorer.seek_danger(doc) {
            SeekDangerResult::Found => {
                assert!(fits[doc as usize], "{range:?}: {doc}");
                assert_eq!(scorer.doc(), doc);
                if random.u32(..50) == 0 {
                    let next = next(fits, doc + 1);
                    assert_eq!(scorer.advance(), next, "{range:?}: after {doc}");
                    doc = next;
                    continue;
                }
                doc += 1;
            }
            SeekDangerResult::SeekLowerBound(bound) => {
                assert!(bound > doc, "{range:?}: {doc}");
                assert!(bound <= next(fits, doc), "{range:?}: {doc} to {bound}");
                doc = bound;
            }
        }
        doc = doc.saturating_add(random.u32(..often));
    }
}

fn sought(
    searcher: &Searcher,
    range: &RangeInclusive<i64>,
    fits: &[bool],
    often: u32,
    random: &mut fastrand::Rng,
) {
    let mut scorer = scorer(searcher, range);
    let mut doc = scorer.doc();
    while doc != TERMINATED {
        doc = (doc + random.u32(1..=often)).min(TERMINATED);
        let found = next(fits, doc);
        assert_eq!(scorer.seek(doc), found, "{range:?}: {doc}");
        assert_eq!(scorer.doc(), found);
        doc = found;
    }
}

fn next(fits: &[bool], doc: DocId) -> DocId {
    let rest = fits.get(doc as usize..).unwrap_or_default();
    match rest.iter().position(|fits| *fits) {
        Some(gap) => doc + gap as DocId,
        None => TERMINATED,
    }
}
