//! `tidings ext test`: runs a component as files of cases say, and finds out whether what the server promises holds for it.

mod compiled;
mod duration;
mod expect;
mod fixture;
mod given;
mod kept;
mod occasion;
mod outcome;
mod promises;
mod report;
mod run;

pub use fixture::FixtureError;
pub use report::{CaseReport, Failure, Promise, Suite, TestReport};
pub use run::TestError;

use std::path::PathBuf;

/// Runs the cases of an extension in the sandbox.
#[derive(Debug, Clone, clap::Args)]
pub struct Test {
    /// A component, or the folder of an extension that was built.
    #[arg(default_value = ".", value_name = "FILE|FOLDER")]
    pub place: PathBuf,
    /// Where the cases are; `tests` in the folder if not said otherwise.
    #[arg(long, value_name = "FOLDER")]
    pub tests: Option<PathBuf>,
    /// Only cases whose name has this in it.
    #[arg(long, value_name = "TEXT")]
    pub only: Option<String>,
    /// Tells it as JSON.
    #[arg(long)]
    pub json: bool,
    /// Where compiled components are kept, so that the next test need not compile them.
    #[arg(skip)]
    pub compiled: Option<PathBuf>,
}
