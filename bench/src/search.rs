//! Search at the level of the library: what it costs to know who is online when people are searched, and what a
//! page of messages costs ([`messages`]).
//!
//! Everything that is compared is measured in the same run, on the same index, in CPU time
//! of the thread that asks: other processes then matter little, and ratios less. Nothing is asked over a
//! socket.

mod busy;
mod cells;
mod crowd;
mod field;
mod load;
pub mod messages;
mod profiles;
mod report;
mod shapes;
mod status;
#[cfg(test)]
mod tests;
mod vocabulary;
mod ways;

use std::{fs, io, path::PathBuf, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};
use tantivy::TantivyError;
use tidings_search::{
    messages as indexed,
    people::{OpenError, SearchError, WriteError},
};

pub use busy::Busy;
pub use cells::{Cell, Cost};
pub use field::{Staleness, Transitions};
pub use load::Loading;
pub use report::Report;
pub use shapes::Class;
pub use status::StatusCost;

use crowd::Crowd;
use profiles::World;
use shapes::Shape;

/// How many of all people are online, percent.
pub const SHARES: [u32; 3] = [1, 10, 50];

/// Fewest people, so that some are online at every share.
pub const MIN_PROFILES: u32 = 1_000;

/// What is measured while people come and go, and at which share.
const BUSY: [(Shape, u32); 2] = [(Shape::CommonWordAges, 10), (Shape::EitherOfTwoWords, 10)];

/// A run. [`Options::new`] fills in everything but the folder and how many people there are.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the indexes are made: an empty folder.
    pub folder: PathBuf,
    /// People in it.
    pub profiles: u32,
    /// Questions of each kind at each share.
    pub queries: usize,
    /// What people and questions are made of.
    pub seed: u64,
    /// Whether to wait until the index is merged.
    pub settle: bool,
    /// How long a part lasts of what is measured over a time.
    pub part: Duration,
    /// People in the index that has a field for who is online.
    pub field_profiles: u32,
    /// Users of the status cache.
    pub status_users: u32,
    /// How long a status holds there.
    pub status_ttl: Duration,
    /// What is measured of the search of messages.
    pub messages: messages::Options,
    /// Whether to draw progress on the terminal.
    pub progress: bool,
}

impl Options {
    /// 2,000 questions a cell, 100,000 people in the index with a field, a million statuses; no messages.
    pub fn new(folder: PathBuf, profiles: u32) -> Options {
        Options {
            folder,
            profiles,
            queries: 2_000,
            seed: 1,
            settle: true,
            part: Duration::from_millis(500),
            field_profiles: 100_000,
            status_users: 1_000_000,
            status_ttl: Duration::from_secs(10),
            messages: messages::Options::new(0),
            progress: false,
        }
    }

    /// With little of what takes long whatever there is to search: to see that it works.
    pub fn quick(self) -> Options {
        Options {
            settle: false,
            part: Duration::from_millis(1),
            field_profiles: 200,
            status_users: 500,
            status_ttl: Duration::from_millis(100),
            ..self
        }
    }
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum SearchBenchError {
    /// Too few people.
    #[error("{0} profiles are too few to measure, at least {MIN_PROFILES} are needed")]
    Profiles(u32),
    /// Too few questions.
    #[error("at least one query of each kind is needed")]
    Queries,
    /// Something is in the folder.
    #[error("the folder is not empty: an index is made in it")]
    NotEmpty,
    /// The folder cannot be used.
    #[error("the folder cannot be used: {0}")]
    Folder(#[from] io::Error),
    /// The index cannot be made.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The index cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A question was refused.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// The index with a field for who is online.
    #[error("the index with a field: {0}")]
    Field(#[from] TantivyError),
    /// The index of messages cannot be written.
    #[error("messages: {0}")]
    WriteMessages(#[from] indexed::WriteError),
    /// A question for messages was refused.
    #[error("messages: {0}")]
    SearchMessages(#[from] indexed::SearchError),
    /// Nobody says anything in them.
    #[error("there is no message in the chat logs")]
    NoLogs,
}

/// Makes the index and measures everything.
pub fn run(options: &Options) -> Result<Report, SearchBenchError> {
    if options.profiles < MIN_PROFILES {
        return Err(SearchBenchError::Profiles(options.profiles));
    }
    if options.queries == 0 || options.messages.queries == 0 {
        return Err(SearchBenchError::Queries);
    }
    fs::create_dir_all(&options.folder)?;
    if fs::read_dir(&options.folder)?.next().is_some() {
        return Err(SearchBenchError::NotEmpty);
    }
    let world = World::new(options.seed);
    let (people, loading) = load::load(options, &world)?;
    let load_before = load_average();
    let bar = bar(
        options,
        (SHARES.len() * Shape::ALL.len()) as u64,
        "kinds of questions",
    );
    let (mut shapes, mut busy) = (Vec::new(), Vec::new());
    for share in SHARES {
        let mut crowd = Crowd::gather(&people, &world, options.profiles, share);
        for shape in Shape::ALL {
            shapes.push(cells::measure(
                &people, &world, &crowd, shape, share, options,
            )?);
            bar.inc(1);
        }
        for (shape, _) in BUSY.into_iter().filter(|(_, at)| *at == share) {
            busy.push(busy::measure(
                &people, &world, &mut crowd, shape, share, options,
            )?);
        }
    }
    bar.finish_and_clear();
    let load_average = load_before
        .zip(load_average())
        .map(|(before, after)| [before, after]);
    let transitions = field::measure(&people, &world, options)?;
    let statuses = status::measure(&people, &world, options);
    drop(people);
    let messages = messages::measure(options)?;
    let mut report = Report {
        profiles: options.profiles,
        queries: options.queries,
        seed: options.seed,
        load_average,
        loading,
        worst_ratio_online_to_plain: 0.0,
        worst_ratio_online_to_plain_at_1: 0.0,
        worst_ratio_text_only: 0.0,
        worst_ratio_online_first: 0.0,
        worst_ratio_browse: 0.0,
        least_ratio_post_filter_at_1: 0.0,
        worst_page_p99_ms: 0.0,
        shapes,
        busy,
        transitions,
        statuses,
        messages,
    };
    report.conclude();
    Ok(report)
}

/// Over the last minute, as Linux counts it.
fn load_average() -> Option<f64> {
    let said = fs::read_to_string("/proc/loadavg").ok()?;
    said.split_whitespace().next()?.parse().ok()
}

fn bar(options: &Options, length: u64, of: &'static str) -> ProgressBar {
    if !options.progress {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30} {human_pos}/{human_len} {msg}, {eta} left")
        .expect("the template is valid");
    ProgressBar::new(length).with_style(style).with_message(of)
}
