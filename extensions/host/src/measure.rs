//! What a verdict costs, from the host's call to its return: the same component on an engine as it is set up here and on one with
//! wasmtime's own settings of the pool, in turns, so that what else the machine does falls on both.
//!
//! `cargo run --release -p tidings-extension-host --example measure` prints it for a word filter in Rust.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::input::{About, Draft, DraftKind, Place};
use crate::{
    Answer, Ask, Conversation, Definition, Engine, EngineError, Entry, Extension, ExtensionError,
    Host, HttpError, Limits, Message, Presence, Request, Settings, Staging,
};

/// Calls in a row on one of the two engines: enough that the first ones, which find the caches full of the other one's, are less
/// than the slowest percent.
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
    /// It gave no verdict.
    #[error("the moderator gave no verdict: {0}")]
    Call(#[from] crate::CallError),
}

/// Has the component review a message `calls` times on either engine. Takes about `calls` times 50 microseconds.
///
/// # Errors
///
/// When the component cannot be used, or a call fails.
pub fn verdicts(component: &[u8], text: &str, calls: usize) -> Result<Verdicts, MeasureError> {
    let (draft, host) = (message(text), Arc::new(Silent) as Arc<dyn Host>);
    let load = |tuned| -> Result<Extension, MeasureError> {
        let engine = Engine::new(Settings {
            tuned,
            ..Settings::default()
        })?;
        let definition = Definition {
            id: "measured".to_owned(),
            version: "1".to_owned(),
            config: "{}".to_owned(),
            limits: Limits::default(),
        };
        Ok(Extension::load(&engine, component, definition)?)
    };
    let (tuned, plain) = (load(true)?, load(false)?);
    let (mut of_tuned, mut of_plain) = (Vec::with_capacity(calls), Vec::with_capacity(calls));
    // The first turn of each is for getting warm.
    for turn in 0..=calls.div_ceil(TURN) {
        for (extension, times) in [(&tuned, &mut of_tuned), (&plain, &mut of_plain)] {
            for _ in 0..TURN {
                let took = once(extension, &draft, &host)?;
                if turn > 0 {
                    times.push(took);
                }
            }
        }
    }
    Ok(Verdicts {
        tuned: spread(of_tuned),
        plain: spread(of_plain),
    })
}

/// One call, as the thread that serves a session makes it.
fn once(
    extension: &Extension,
    draft: &Draft,
    host: &Arc<dyn Host>,
) -> Result<Duration, MeasureError> {
    let (about, draft, host) = (About::default(), draft.clone(), host.clone());
    let begun = Instant::now();
    let called = wait(extension.review(about, draft, host));
    let took = begun.elapsed();
    called.result?;
    Ok(took)
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

fn spread(mut times: Vec<Duration>) -> Spread {
    times.sort_unstable();
    let at = |part: usize| {
        times
            .get(times.len() * part / 100)
            .copied()
            .unwrap_or_default()
    };
    Spread {
        p50: at(50),
        p99: at(99),
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

/// A server that knows nothing and grants nothing, so that what is measured is the sandbox.
struct Silent;

impl Host for Silent {
    fn as_of(&self) -> Result<u64, Ask> {
        Ok(0)
    }

    fn conversation(&self, _: &str) -> Result<Option<Conversation>, Ask> {
        Ok(None)
    }

    fn members(&self, _: &str, _: Option<&str>, _: u32) -> Result<Vec<String>, Ask> {
        Ok(Vec::new())
    }

    fn is_member(&self, _: &str, _: &str) -> Result<bool, Ask> {
        Ok(false)
    }

    fn recent(&self, _: &str, _: Option<u64>, _: u32) -> Result<Vec<Message>, Ask> {
        Ok(Vec::new())
    }

    fn unread(&self, _: &str, _: &str) -> Result<u32, Ask> {
        Ok(0)
    }

    fn presence(&self, _: &str) -> Result<Presence, Ask> {
        Ok(Presence::Offline)
    }

    fn profile_attribute(&self, _: &str, _: &str) -> Result<Option<String>, Ask> {
        Ok(None)
    }

    fn is_blocked_between(&self, _: &str, _: &str) -> Result<bool, Ask> {
        Ok(false)
    }

    fn kv_get(&self, _: &str) -> Result<Option<Entry>, Ask> {
        Ok(None)
    }

    fn kv_scan(&self, _: &str, _: Option<&str>, _: u32) -> Result<Vec<Entry>, Ask> {
        Ok(Vec::new())
    }

    fn bump(&self, _: &str, _: &str, _: u32, by: u32) -> Result<u32, Ask> {
        Ok(by)
    }

    fn has_secret(&self, _: &str) -> bool {
        false
    }

    fn has_metric(&self, _: &str) -> bool {
        false
    }

    fn admit(&self, _: Staging<'_>) -> Result<(), Ask> {
        Ok(())
    }

    fn http(&self, _: Request) -> Answer {
        Box::pin(std::future::ready(Err(HttpError::Timeout)))
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
        let spread = spread(times);
        assert_eq!(spread.p50, Duration::from_micros(51));
        assert_eq!(spread.p99, Duration::from_micros(100));
    }
}
