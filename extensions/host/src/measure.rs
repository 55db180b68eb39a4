//! What a call costs, from the host's call to its return: several ways in turns, so that what else the machine does falls on all.
//!
//! `cargo run --release -p tidings-extension-host --example measure` prints what a verdict of a word filter in Rust takes, on an
//! engine as it is set up here and on one with wasmtime's own settings of the pool. `tidings bench extensions` measures more.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::input::{About, Draft, DraftKind, Event, Place};
use crate::silent::Silent;
use crate::{
    CallError, Definition, Engine, EngineError, Extension, ExtensionError, Host, Limits, Settings,
};

/// Calls in a row of one way: enough that the first ones, which find the caches full of the other ones', are less than the slowest
/// percent.
const TURN: usize = 1_000;

/// What a verdict cost on either engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdicts {
    /// As extensions are run.
    pub tuned: Spread,
    /// With wasmtime's own settings of the pool.
    pub plain: Spread,
}

/// How long the calls took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread {
    /// Half of them took no longer.
    pub p50: Duration,
    /// Of a hundred, all but one.
    pub p99: Duration,
}

/// Why there is no measurement.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// There is no engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The component cannot be used.
    #[error(transparent)]
    Extension(#[from] ExtensionError),
    /// It did not do what it was asked.
    #[error("a call that is measured failed: {0}")]
    Call(#[from] CallError),
}

/// What the component is called about each time.
#[derive(Debug, Clone)]
pub enum Occasion {
    /// A message of this text, before it is recorded.
    Message(String),
    /// An event of this kind, with this in it (JSON).
    Event {
        /// Its kind.
        kind: String,
        /// What is in it.
        payload: String,
    },
}

/// A component that is called about one thing again and again, by a server that knows nothing.
pub struct Measured {
    extension: Extension,
    occasion: Occasion,
    host: Arc<dyn Host>,
}

impl Measured {
    /// With these settings (JSON) and what a call may use; each call in an instance of its own.
    ///
    /// # Errors
    ///
    /// When the component or its settings cannot be used.
    pub fn new(
        engine: &Engine,
        component: &[u8],
        settings: &str,
        limits: Limits,
        occasion: Occasion,
    ) -> Result<Self, MeasureError> {
        let definition = Definition {
            id: "measured".to_owned(),
            version: "1".to_owned(),
            config: settings.to_owned(),
            limits,
        };
        Ok(Self {
            extension: Extension::load(engine, component, definition)?,
            occasion,
            host: Arc::new(Silent),
        })
    }

    /// The same in instances that are kept from call to call.
    #[must_use]
    pub fn kept_warm(&self) -> Self {
        Self {
            extension: self.extension.kept_warm(),
            occasion: self.occasion.clone(),
            host: self.host.clone(),
        }
    }

    /// One call, as the thread that serves a session makes it.
    ///
    /// # Errors
    ///
    /// When it fails.
    pub fn once(&self) -> Result<Duration, MeasureError> {
        let (about, host) = (About::default(), self.host.clone());
        let took = match &self.occasion {
            Occasion::Message(text) => {
                let draft = message(text);
                let begun = Instant::now();
                let called = wait(self.extension.review(about, draft, host));
                let took = begun.elapsed();
                called.result?;
                took
            }
            Occasion::Event { kind, payload } => {
                let event = event(kind, payload);
                let begun = Instant::now();
                let called = wait(self.extension.on_event(about, event, host));
                let took = begun.elapsed();
                called.result?;
                took
            }
        };
        Ok(took)
    }
}

/// Has the component review a message `calls` times on either engine. Takes about `calls` times 50 microseconds.
///
/// # Errors
///
/// When the component cannot be used, or a call fails.
pub fn verdicts(component: &[u8], text: &str, calls: usize) -> Result<Verdicts, MeasureError> {
    let load = |tuned| reviewing(component, text, tuned);
    let (tuned, plain) = (load(true)?, load(false)?);
    let of = in_turns(
        &mut [&mut || tuned.once(), &mut || plain.once()],
        TURN,
        calls,
    )?;
    Ok(Verdicts {
        tuned: of[0],
        plain: of[1],
    })
}

/// The component as a moderator of messages of this text, on an engine of its own: one that is set up as extensions are run, or with
/// wasmtime's own settings of the pool.
///
/// # Errors
///
/// When the component cannot be used.
pub fn reviewing(component: &[u8], text: &str, tuned: bool) -> Result<Measured, MeasureError> {
    let engine = Engine::new(Settings {
        tuned,
        ..Settings::default()
    })?;
    let occasion = Occasion::Message(text.to_owned());
    Measured::new(&engine, component, "{}", Limits::default(), occasion)
}

/// Has each way do its work `calls` times, a turn of so many after the other; one more turn before is for getting warm.
///
/// # Errors
///
/// The first one of a way.
pub fn in_turns<E>(
    ways: &mut [&mut dyn FnMut() -> Result<Duration, E>],
    turn: usize,
    calls: usize,
) -> Result<Vec<Spread>, E> {
    let mut times: Vec<Vec<Duration>> = ways.iter().map(|_| Vec::new()).collect();
    for round in 0..=calls.div_ceil(turn) {
        for (way, times) in ways.iter_mut().zip(&mut times) {
            for _ in 0..turn {
                let took = way()?;
                if round > 0 {
                    times.push(took);
                }
            }
        }
    }
    Ok(times.into_iter().map(Spread::of).collect())
}

/// A call that gives way is gone on with at once: there is nothing else to do here.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(ready) = future.as_mut().poll(&mut context) {
            return ready;
        }
    }
}

impl Spread {
    /// Of these times.
    #[must_use]
    pub fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |part: usize| {
            times
                .get(times.len() * part / 100)
                .copied()
                .unwrap_or_default()
        };
        Self {
            p50: at(50),
            p99: at(99),
        }
    }
}

fn message(text: &str) -> Draft {
    Draft {
        id: "0198c0de-0000-7000-8000-000000000001".to_owned(),
        kind: DraftKind::Message,
        author: "user-1".to_owned(),
        place: Some(Place {
            conversation: "0198c0de-0000-7000-8000-000000000002".to_owned(),
            kind: "direct".to_owned(),
            members: 2,
        }),
        first_contact: false,
        text: text.to_owned(),
        text_limit: 8 << 10,
        reply_to: None,
        mentions: Vec::new(),
        attributes: Vec::new(),
        details: Vec::new(),
    }
}

fn event(kind: &str, payload: &str) -> Event {
    Event {
        id: "0198c0de-0000-7000-8000-000000000003".to_owned(),
        position: 1,
        kind: kind.to_owned(),
        schema: 1,
        at: 0,
        actor: Some("user-1".to_owned()),
        subject: None,
        conversation: Some("0198c0de-0000-7000-8000-000000000002".to_owned()),
        payload: payload.to_owned(),
        message: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_measured_on_either_engine() {
        let words = include_bytes!("../../guests/built/words.wasm");
        let found = verdicts(words, "shall we meet?", 1).expect("verdicts");
        assert!(found.tuned.p50 > Duration::ZERO && found.plain.p50 > Duration::ZERO);
    }

    #[test]
    fn of_a_hundred_calls_the_slowest_is_the_last_percent() {
        let times = (1..=100).rev().map(Duration::from_micros).collect();
        let spread = Spread::of(times);
        assert_eq!(spread.p50, Duration::from_micros(51));
        assert_eq!(spread.p99, Duration::from_micros(100));
    }
}
