//! `tidings bench search`: what it costs to know who is online when people are searched, and what a page of messages
//! costs, without a server.

use std::path::PathBuf;

use anyhow::Context as _;
use tidings_bench::search::{self, Options};

use super::temporary;
use crate::say::say;

#[derive(Debug, clap::Args)]
pub(crate) struct Search {
    /// Made-up people to search among.
    #[arg(
        long,
        default_value_t = 100_000,
        value_parser = clap::value_parser!(u32).range(i64::from(search::MIN_PROFILES)..=10_000_000)
    )]
    profiles: u32,
    /// Questions of each kind at each share of people online.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    queries: u32,
    /// What people and questions are made of: the same for the same seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Made-up messages to search among; none with 0.
    #[arg(
        long,
        default_value_t = 200_000,
        value_parser = clap::value_parser!(u32).range(..=50_000_000)
    )]
    messages: u32,
    /// Questions of each kind for messages, by people who are in few and in many conversations.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    message_queries: u32,
    /// Folder of the index of made-up messages, which stays: what is there already is measured as it is.
    #[arg(long, value_name = "DIR")]
    message_folder: Option<PathBuf>,
    /// Chat logs to search among, too, or folders of such: each file is a conversation, with lines as
    /// `[12:34] <nick> text`.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    irc: Vec<PathBuf>,
    /// Folder to make the indexes in, empty or not there yet, which stays. A temporary one otherwise.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Only a little of what takes long, to see that it works: its figures mean nothing.
    #[arg(long)]
    quick: bool,
    /// Print the figures as one line of JSON, last.
    #[arg(long)]
    json: bool,
}

impl Search {
    pub(super) fn run(self) -> anyhow::Result<bool> {
        let scratch = match self.folder {
            Some(_) => None,
            None => Some(temporary(None)?),
        };
        let made = scratch.as_ref().map(|scratch| scratch.path().join("index"));
        let folder = self.folder.or(made).context("there is no folder")?;
        let mut options = Options::new(folder, self.profiles);
        options.queries = self.queries as usize;
        options.seed = self.seed;
        options.messages = search::messages::Options {
            synthetic: self.messages,
            folder: self.message_folder,
            irc: self.irc,
            queries: self.message_queries as usize,
        };
        if self.quick {
            options = options.quick();
        }
        options.progress = true;
        let report = search::run(&options)
            .with_context(|| format!("cannot measure in {}", options.folder.display()))?;
        say!("{report}");
        if self.json {
            say!("{}", serde_json::to_string(&report)?);
        }
        Ok(true)
    }
}
