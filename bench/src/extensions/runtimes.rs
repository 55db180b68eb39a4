//! What a call takes of extensions whose language brings its runtime along: in a fresh instance, and in one that is kept.

use std::{
    fmt, fs, io,
    path::Path,
    time::{Duration, Instant},
};

use serde::Serialize;
use tidings_extension_host::{
    Engine, Limits, Settings,
    measure::{Measured, Occasion, in_turns},
};

use super::{ExtensionsError, Micros};
use crate::presence::line;

/// Python takes the longest.
const COMPILE_TIME: Duration = Duration::from_mins(10);
/// So long that no call is broken off on a slow machine.
const TIME: Duration = Duration::from_secs(30);

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Calls of each way.
    pub calls: usize,
    /// So many in a row.
    pub turn: usize,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The welcome bot, told who joined.
    pub javascript: Runtime,
    /// The safety nudge, looking at a first message.
    pub python: Runtime,
}

/// Of one extension.
#[derive(Clone, Debug, Serialize)]
pub struct Runtime {
    /// Bytes of its component.
    pub bytes: usize,
    /// Seconds to compile it, on one thread.
    pub compile_s: f64,
    /// Each call in a fresh instance.
    pub fresh_us: Micros,
    /// Calls in instances that are kept.
    pub warm_us: Micros,
}

/// A component that is kept compressed.
pub fn unpacked(file: &Path) -> io::Result<Vec<u8>> {
    zstd::stream::decode_all(io::BufReader::new(fs::File::open(file)?))
}

/// Measures both, one after the other.
pub fn run(javascript: &[u8], python: &[u8], options: &Options) -> Result<Report, ExtensionsError> {
    let joined = Occasion::Event {
        kind: "member_joined".to_owned(),
        payload: r#"{"user":"bob","role":"member"}"#.to_owned(),
    };
    let first = Occasion::Message("shall we meet at eight?".to_owned());
    let (welcome, most) = (
        r#"{"text":"Welcome, {user}!"}"#,
        r#"{"first_contacts_an_hour":20}"#,
    );
    Ok(Report {
        javascript: measure(javascript, welcome, joined, options)?,
        python: measure(python, most, first, options)?,
    })
}

fn measure(
    component: &[u8],
    settings: &str,
    occasion: Occasion,
    options: &Options,
) -> Result<Runtime, ExtensionsError> {
    let engine = Engine::new(Settings {
        calls: 16,
        compile_time: COMPILE_TIME,
        ..Settings::default()
    })?;
    let limits = Limits {
        time: TIME,
        ..Limits::default()
    };
    let begun = Instant::now();
    let fresh = Measured::new(&engine, component, settings, limits, occasion)?;
    let compile_s = begun.elapsed().as_secs_f64();
    let warm = fresh.kept_warm();
    let of = in_turns(
        &mut [&mut || fresh.once(), &mut || warm.once()],
        options.turn,
        options.calls,
    )?;
    Ok(Runtime {
        bytes: component.len(),
        compile_s,
        fresh_us: of[0].into(),
        warm_us: of[1].into(),
    })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, of) in [("JavaScript", &self.javascript), ("Python", &self.python)] {
            writeln!(
                f,
                "{name}, {} MB, compiled in {:.1} s",
                of.bytes / 1_000_000,
                of.compile_s
            )?;
            line(f, "fresh instance", of.fresh_us.to_string())?;
            line(f, "kept instance", of.warm_us.to_string())?;
        }
        Ok(())
    }
}
