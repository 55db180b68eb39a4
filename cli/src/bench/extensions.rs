//! `tidings bench extensions`: what extensions cost, on servers of its own, with extensions installed as an operator does it.

mod place;
mod set;
mod swapping;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use tidings_bench::extensions::{Report, Start, load, runtimes, swap, verdicts};

use super::{messages::LogKind, server::enough_files};
use crate::say::say;
use place::Place;

/// A word filter in Rust, without a manifest.
const WORDS: &[u8] = include_bytes!("../../../extensions/guests/built/words.wasm");

#[derive(Debug, clap::Args)]
pub(crate) struct Extensions {
    /// Parts to run, separated by commas; all without it.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// As little of each as shows that it works: the figures say nothing.
    #[arg(long)]
    quick: bool,
    /// Load, idle, swap: connected users, an even number. [default: 200]
    #[arg(long)]
    users: Option<u32>,
    /// Load, idle: turns of each server. [default: 5]
    #[arg(long)]
    rounds: Option<u32>,
    /// Load, idle: seconds that each turn is measured. [default: 8]
    #[arg(long)]
    seconds: Option<u64>,
    /// Load: messages a second where times are measured. [default: half of what the slower server takes]
    #[arg(long)]
    rate: Option<u32>,
    /// Idle: extensions that have nothing to do. [default: 199]
    #[arg(long)]
    idle: Option<u32>,
    /// Swap: messages a second. [default: 5000]
    #[arg(long)]
    swap_rate: Option<u32>,
    /// Swap: how often versions take each other's places. [default: 8]
    #[arg(long)]
    swaps: Option<u32>,
    /// Start: extensions that are there. [default: 50]
    #[arg(long)]
    installed: Option<u32>,
    /// Runtimes: the folder with welcome-bot (JavaScript) and safety-nudge (Python), built.
    #[arg(long, value_name = "DIR", default_value = "examples/extensions/built")]
    examples: PathBuf,
    /// Log of the servers.
    #[arg(long, value_enum, default_value = "embedded")]
    pub(super) log: LogKind,
    /// The nats-server program, for `--log jetstream`.
    #[arg(
        long,
        value_name = "FILE",
        env = "TIDINGS_NATS_SERVER",
        default_value = "nats-server"
    )]
    pub(super) nats_server: PathBuf,
    /// Folder to make the servers' temporary ones in.
    #[arg(long, value_name = "DIR")]
    pub(super) scratch: Option<PathBuf>,
    /// Print the figures as one line of JSON, last.
    #[arg(long)]
    json: bool,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// A verdict of a moderator in Rust, and of a service over HTTP.
    Verdicts,
    /// Calls of extensions in JavaScript and Python, in fresh instances and in kept ones.
    Runtimes,
    /// Messages with three moderators and two reactors, and without.
    Load,
    /// Messages beside many extensions that have nothing to do.
    Idle,
    /// Messages while versions take each other's places.
    Swap,
    /// Starting a server that has many.
    Start,
}

impl Extensions {
    pub(super) fn run(self) -> anyhow::Result<bool> {
        let wanted = |part| self.only.is_empty() || self.only.contains(&part);
        if [Part::Load, Part::Idle, Part::Swap].into_iter().any(wanted) {
            enough_files(self.users())?;
        }
        let mut report = Report::new(format!("{:?}", self.log).to_lowercase());
        if wanted(Part::Verdicts) {
            let verdicts = verdicts::run(WORDS, &self.verdicts()).context("verdicts")?;
            report.set_verdicts(verdicts);
        }
        if wanted(Part::Runtimes) {
            report.runtimes = Some(self.runtimes().context("runtimes")?);
        }
        if wanted(Part::Load) {
            report.set_load(self.load().context("load")?);
        }
        if wanted(Part::Idle) {
            report.set_idle(self.idle().context("idle")?);
        }
        if wanted(Part::Swap) {
            report.swap = Some(self.swap().context("swap")?);
        }
        if wanted(Part::Start) {
            report.start = Some(self.start().context("start")?);
        }
        say!("{report}");
        if self.json {
            say!("{}", serde_json::to_string(&report)?);
        }
        Ok(report.passed())
    }

    fn verdicts(&self) -> verdicts::Options {
        let (calls, turn) = self.or(None, (20, 10), (20_000, 1_000));
        verdicts::Options { calls, turn }
    }

    fn runtimes(&self) -> anyhow::Result<runtimes::Report> {
        let (calls, turn) = self.or(None, (4, 2), (600, 100));
        let component = |name: &str| {
            let file = self.examples.join(format!("{name}.wasm.zst"));
            runtimes::unpacked(&file).with_context(|| {
                format!(
                    "{}: --examples names the folder that it is in",
                    file.display()
                )
            })
        };
        let (javascript, python) = (component("welcome-bot")?, component("safety-nudge")?);
        let options = runtimes::Options { calls, turn };
        Ok(runtimes::run(&javascript, &python, &options)?)
    }

    /// One server with extensions and one without.
    fn load(&self) -> anyhow::Result<load::Report> {
        let (here, there) = (Place::new(self)?, Place::new(self)?);
        let (with, without) = (here.start()?, there.start()?);
        let named = set::act(&with, &set::working()?)?;
        let pair = load::Pair {
            with: with.server.clone(),
            without: without.server.clone(),
        };
        let mut report = load::run(&pair, &self.turns(self.rate), named)?;
        report.calls = with.calls()?;
        Ok(report)
    }

    /// Two servers on which the same one fires; on one of them are many beside it.
    fn idle(&self) -> anyhow::Result<load::Idle> {
        let count = self.or(self.idle, 5, 199);
        let (here, there) = (Place::new(self)?, Place::new(self)?);
        let (with, without) = (here.start()?, there.start()?);
        let fires = set::fires()?;
        for running in [&with, &without] {
            set::act(running, std::slice::from_ref(&fires))?;
        }
        set::act(&with, &set::waiting(count)?)?;
        let pair = load::Pair {
            with: with.server.clone(),
            without: without.server.clone(),
        };
        Ok(load::idle(&pair, &self.turns(self.rate), count)?)
    }

    fn swap(&self) -> anyhow::Result<swap::Report> {
        let place = Place::new(self)?;
        let options = swap::Options {
            users: self.users(),
            rate: self.or(self.swap_rate, 50, 5_000),
            swaps: self.or(self.swaps, 2, 8),
            between: self.or(None, 1, 3),
        };
        swapping::run(&place.start()?, &options)
    }

    fn start(&self) -> anyhow::Result<Start> {
        let extensions = self.or(self.installed, 2, 50);
        let (here, there) = (Place::new(self)?, Place::new(self)?);
        let with = here.start()?;
        set::act(&with, &set::waiting(extensions)?)?;
        with.stop()?;
        there.start()?.stop()?;
        let (mut of_with, mut of_without) = (Vec::new(), Vec::new());
        for _ in 0..self.or(None, 1, 5) {
            for (place, times) in [(&here, &mut of_with), (&there, &mut of_without)] {
                let begun = Instant::now();
                let running = place.start()?;
                times.push(begun.elapsed().as_secs_f64());
                running.acts(if std::ptr::eq(place, &here) {
                    extensions
                } else {
                    0
                })?;
                running.stop()?;
            }
        }
        Ok(Start {
            extensions,
            with_s: middle(of_with),
            without_s: middle(of_without),
        })
    }

    fn turns(&self, rate: Option<u32>) -> load::Options {
        load::Options {
            users: self.users(),
            rounds: self.or(self.rounds, 1, 5),
            window: 4,
            rate: if self.quick { rate.or(Some(50)) } else { rate },
            duration: Duration::from_secs(self.or(self.seconds, 1, 8)),
            warm_up: Duration::from_secs(self.or(None, 1, 2)),
        }
    }

    fn users(&self) -> u32 {
        self.or(self.users, 8, 200)
    }

    fn or<T>(&self, asked: Option<T>, quick: T, full: T) -> T {
        asked.unwrap_or(if self.quick { quick } else { full })
    }
}

fn middle(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of.get(of.len() / 2).copied().unwrap_or_default()
}
