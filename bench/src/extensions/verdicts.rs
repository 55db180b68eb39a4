//! What a verdict takes: of a word filter in the sandbox, and of the same word filter behind HTTP.

use std::fmt;

use serde::Serialize;
use tidings_extension_host::measure::{in_turns, reviewing};

use super::{ExtensionsError, Micros, service::Service};
use crate::presence::line;

/// What is looked at: nothing is wrong with it.
const TEXT: &str = "shall we meet at eight?";

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Verdicts of each way.
    pub calls: usize,
    /// So many in a row: of one that caches are filled by, before the next one's turn.
    pub turn: usize,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Verdicts of each way.
    pub calls: usize,
    /// In a fresh instance, as servers run them.
    pub fresh_us: Micros,
    /// The same component with wasmtime's own settings of the pool.
    pub default_pool_us: Micros,
    /// The same check asked of a service over HTTP.
    pub http_us: Micros,
    /// Medians: as servers run them, of wasmtime's own settings.
    pub fresh_to_default_pool: f64,
    /// Medians: over HTTP, of the fresh instance.
    pub http_to_fresh: f64,
}

/// Measures all ways in turns.
pub fn run(component: &[u8], options: &Options) -> Result<Report, ExtensionsError> {
    let service = Service::start()?;
    let mut client = service.client(TEXT)?;
    let (tuned, plain) = (
        reviewing(component, TEXT, true)?,
        reviewing(component, TEXT, false)?,
    );
    let of = in_turns(
        &mut [
            &mut || tuned.once().map_err(ExtensionsError::from),
            &mut || plain.once().map_err(ExtensionsError::from),
            &mut || client.once(),
        ],
        options.turn,
        options.calls,
    )?;
    let [fresh_us, default_pool_us, http_us] = [of[0], of[1], of[2]].map(Micros::from);
    Ok(Report {
        calls: options.calls,
        fresh_us,
        default_pool_us,
        http_us,
        fresh_to_default_pool: fresh_us.p50 / default_pool_us.p50,
        http_to_fresh: http_us.p50 / fresh_us.p50,
    })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "a verdict, {} of each", self.calls)?;
        line(f, "fresh instance", self.fresh_us.to_string())?;
        let ratio = format!(
            "{} (the fresh instance takes {:.2} times that)",
            self.default_pool_us, self.fresh_to_default_pool
        );
        line(f, "  wasmtime's own pool", ratio)?;
        let ratio = format!("{} ({:.1} times)", self.http_us, self.http_to_fresh);
        line(f, "HTTP on loopback", ratio)
    }
}
