//! Search of messages: what a page costs people who are in few and in many conversations, newest first and best
//! first, over made-up messages and over real chat logs.

mod cells;
mod corpus;
mod index;
mod irc;
mod report;
mod shapes;
mod synthetic;
#[cfg(test)]
mod tests;

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Serialize;
use tidings_search::messages::MessageIndex;

pub use cells::{Cell, User};
pub use index::Loading;
pub use report::Figures;

use super::{SearchBenchError, bar};
use corpus::Corpus;
use shapes::Shape;

/// Memory of an index's writer, as the server gives it.
const WRITER_MEMORY: usize = 64_000_000;

/// What is measured of it.
#[derive(Clone, Debug)]
pub struct Options {
    /// Made-up messages; none with 0.
    pub synthetic: u32,
    /// Where their index is made and stays; one that is there is measured as it is. Beside the others if it is not
    /// said.
    pub folder: Option<PathBuf>,
    /// Chat logs, or folders of such: each file is a conversation.
    pub irc: Vec<PathBuf>,
    /// Questions of each kind, by each user.
    pub queries: usize,
}

impl Options {
    /// So many made-up messages, and no logs.
    pub fn new(synthetic: u32) -> Options {
        Options {
            synthetic,
            folder: None,
            irc: Vec::new(),
            queries: 100,
        }
    }
}

/// What that came to; what was not measured is left out.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Of made-up messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synthetic: Option<Figures>,
    /// Of chat logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub irc: Option<Figures>,
}

/// Measures what is asked for.
pub(super) fn measure(options: &super::Options) -> Result<Report, SearchBenchError> {
    let wanted = &options.messages;
    let beside = options.folder.join("messages");
    let synthetic = (wanted.synthetic > 0 || wanted.folder.is_some()).then(|| {
        let folder = wanted.folder.as_ref().unwrap_or(&beside);
        let mut world = synthetic::World::new(options.seed, wanted.synthetic);
        one(&mut world, folder, options)
    });
    let irc = (!wanted.irc.is_empty()).then(|| {
        let mut logs = irc::Logs::read(&wanted.irc)?;
        one(&mut logs, &options.folder.join("irc"), options)
    });
    Ok(Report {
        synthetic: synthetic.transpose()?,
        irc: irc.transpose()?,
    })
}

fn one(
    corpus: &mut dyn Corpus,
    folder: &Path,
    options: &super::Options,
) -> Result<Figures, SearchBenchError> {
    fs::create_dir_all(folder)?;
    let index = MessageIndex::open(folder, WRITER_MEMORY)?;
    let loading = match index.is_empty() {
        true => Some(index::load(&index, corpus, folder, options)?),
        false => None,
    };
    let material = corpus.material();
    let searchers = corpus.searchers();
    let kinds = Shape::ALL.iter().filter(|shape| shape.fits(&material));
    let bar = bar(
        options,
        (searchers.len() * kinds.count()) as u64,
        "kinds of questions for messages",
    );
    let users = searchers
        .iter()
        .map(|searcher| cells::measure(&index, searcher, &material, options, &bar))
        .collect::<Result<_, _>>()?;
    bar.finish_and_clear();
    let bytes = super::load::size(folder)?.1;
    Ok(Figures::new(index.len(), bytes, loading, users))
}
