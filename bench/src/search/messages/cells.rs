//! Each kind of question by each user: what a page costs.

use indicatif::ProgressBar;
use serde::Serialize;
use tidings_search::messages::{MessageIndex, MessageQuery, Sight, Sort, Viewer};

use super::{
    corpus::{Material, Searcher},
    shapes::Shape,
};
use crate::search::{Options, SearchBenchError, cells::Cost, ways::cpu_ms};

/// Each question is asked so often, both ways in turn.
const TIMES: usize = 3;

/// One kind of question by one user: CPU milliseconds of the thread that asks, for a page of 20.
#[derive(Clone, Debug, Serialize)]
pub struct Cell {
    /// What is asked.
    pub shape: &'static str,
    /// Newest first.
    pub newest_ms: Cost,
    /// Best first.
    pub relevance_ms: Cost,
    /// Messages on a page, on average.
    pub found: f64,
}

/// What a user's questions cost.
#[derive(Clone, Debug, Serialize)]
pub struct User {
    /// In how many conversations; nothing for who sees everything.
    pub conversations: Option<u64>,
    /// Each kind of question.
    pub shapes: Vec<Cell>,
}

/// Asks for one user.
pub(super) fn measure(
    index: &MessageIndex,
    searcher: &Searcher,
    material: &Material,
    options: &Options,
    bar: &ProgressBar,
) -> Result<User, SearchBenchError> {
    let sees = |conversation, seq| {
        let whole = (1, u64::MAX);
        let seen = searcher.conversations.contains(&conversation);
        Sight::among(seq, seen.then_some(whole))
    };
    let viewer = Viewer {
        user: &searcher.user,
        large: &searcher.large,
        sees: &sees,
        all: searcher.all,
    };
    let kinds = Shape::ALL.into_iter().filter(|shape| shape.fits(material));
    let shapes = kinds.map(|shape| {
        let mut random = fastrand::Rng::with_seed(options.seed ^ shape as u64);
        let (mut times, mut found): ([Vec<f64>; 2], _) = (Default::default(), 0);
        for _ in 0..options.messages.queries {
            let mut query =
                MessageQuery::new(shape.filter(material, &searcher.authors, &mut random));
            for turn in 0..2 * TIMES {
                let way = turn % 2;
                query.sort = [Sort::Newest, Sort::Relevance][way];
                let before = cpu_ms();
                let answer = index.search(&query, &viewer)?;
                times[way].push(cpu_ms() - before);
                found += answer.hits.len();
            }
        }
        bar.inc(1);
        let asked = options.messages.queries * 2 * TIMES;
        let [newest_ms, relevance_ms] = times.map(Cost::of);
        Ok(Cell {
            shape: shape.name(),
            newest_ms,
            relevance_ms,
            found: found as f64 / asked as f64,
        })
    });
    let shapes = shapes.collect::<Result<_, SearchBenchError>>()?;
    let conversations = (!searcher.all).then_some(searcher.conversations.len() as u64);
    Ok(User {
        conversations,
        shapes,
    })
}
