//! Each kind of question at each share of people online: what the ways to a page cost.

use serde::Serialize;
use tidings_search::{people::PeopleIndex, query::Online};

use super::{
    Options, SearchBenchError,
    crowd::Crowd,
    profiles::World,
    shapes::{Class, PAGE, Shape},
    ways::{cpu_ms, page, page_for, post_filter},
};

/// Post-filtering is measured until it has taken so long, CPU milliseconds, in a cell. It takes a hundred
/// times longer than all else.
const POST_FILTER_MS: f64 = 8_000.0;

/// But for so many questions in any case, so that there is a 99th percentile.
const POST_FILTER_LEAST: usize = 100;

/// CPU milliseconds of the thread that asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Cost {
    /// Median.
    pub p50: f64,
    /// 99th percentile.
    pub p99: f64,
}

impl Cost {
    pub(super) fn of(mut times: Vec<f64>) -> Cost {
        if times.is_empty() {
            return Cost::default();
        }
        times.sort_unstable_by(f64::total_cmp);
        let at = |part: f64| times[((times.len() - 1) as f64 * part).round() as usize];
        Cost {
            p50: at(0.5),
            p99: at(0.99),
        }
    }
}

/// One kind of question at one share. All ways in turn, for each question, so that whatever else the
/// machine does hits all of them.
#[derive(Clone, Debug, Serialize)]
pub struct Cell {
    /// What is asked.
    pub shape: &'static str,
    /// What it is looked at for.
    pub class: Class,
    /// How many people are online, percent.
    pub share: u32,
    /// Whoever fits.
    pub plain_ms: Cost,
    /// Who is online only.
    pub online_ms: Cost,
    /// Who is online first.
    pub online_first_ms: Cost,
    /// Pages of whoever fits, of which those are left who are online by a status cache, until there are 20.
    pub post_filter_ms: Cost,
    /// Questions that post-filtering was asked: fewer, where it takes long.
    pub post_filter_queries: usize,
    /// Medians, online only to plain.
    pub online_ratio: f64,
    /// Medians, online first to plain.
    pub online_first_ratio: f64,
    /// Medians, post-filtering to online only.
    pub post_filter_ratio: f64,
    /// How many questions had a full page of people online, of 1. Where there is none, post-filtering ends
    /// when there are no more pages, which may be the first.
    pub full_pages: f64,
}

/// Measures one cell.
pub(super) fn measure(
    people: &PeopleIndex,
    world: &World,
    crowd: &Crowd,
    shape: Shape,
    share: u32,
    options: &Options,
) -> Result<Cell, SearchBenchError> {
    // The same questions at every share.
    let mut random = world.random((1 << 48) | shape as u64);
    let ways = [Online::Any, Online::Only, Online::First];
    let mut times: [Vec<f64>; 3] = Default::default();
    let (mut filtered, mut spent, mut full) = (Vec::new(), 0.0, 0);
    for turn in 0..options.queries {
        let query = shape.query(world, &mut random);
        // Whoever is first finds the least in the processor's caches: each in turn.
        for step in 0..ways.len() {
            let way = (turn + step) % ways.len();
            let (took, hits) = page(people, &query, ways[way])?;
            times[way].push(took);
            full += usize::from(ways[way] == Online::Only && hits == PAGE);
        }
        if spent < POST_FILTER_MS || filtered.len() < POST_FILTER_LEAST {
            let before = cpu_ms();
            let found = post_filter(people, &query, &crowd.statuses, page_for(share), PAGE)?;
            let took = cpu_ms() - before;
            std::hint::black_box(found);
            spent += took;
            filtered.push(took);
        }
    }
    let [plain_ms, online_ms, online_first_ms] = times.map(Cost::of);
    let post_filter_queries = filtered.len();
    let post_filter_ms = Cost::of(filtered);
    Ok(Cell {
        shape: shape.name(),
        class: shape.class(),
        share,
        plain_ms,
        online_ms,
        online_first_ms,
        post_filter_ms,
        post_filter_queries,
        online_ratio: online_ms.p50 / plain_ms.p50,
        online_first_ratio: online_first_ms.p50 / plain_ms.p50,
        post_filter_ratio: post_filter_ms.p50 / online_ms.p50,
        full_pages: full as f64 / options.queries as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_sorted_times() {
        let times = (0..=100).rev().map(f64::from).collect();
        let cost = Cost::of(times);
        assert_eq!((cost.p50, cost.p99), (50.0, 99.0));
        assert_eq!(Cost::of(vec![3.0]).p99, 3.0);
        assert_eq!(Cost::of(Vec::new()), Cost::default());
    }
}
