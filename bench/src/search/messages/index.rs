//! Filling an index of messages: how long, and at what cost for whoever writes.

use std::{path::Path, time::Instant};

use serde::Serialize;
use tidings_search::messages::MessageIndex;

use super::corpus::Corpus;
use crate::{
    process,
    search::{Options, SearchBenchError, bar, load, ways::cpu_ms},
};

/// Messages between two commits.
const COMMIT: u64 = 50_000;

/// What filling an index came to.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Loading {
    /// Until all messages are found, making them up or reading them included.
    pub seconds: f64,
    /// Messages a second.
    pub messages_per_s: f64,
    /// CPU microseconds of the calling thread for one message, making it up not counted.
    pub caller_us: f64,
    /// CPU seconds of all threads.
    pub cpu_s: Option<f64>,
    /// Seconds until segments were merged.
    pub merged_s: f64,
}

/// Fills an index and waits until it is merged.
pub(super) fn load(
    index: &MessageIndex,
    corpus: &mut dyn Corpus,
    folder: &Path,
    options: &Options,
) -> Result<Loading, SearchBenchError> {
    let own = [std::process::id()];
    let (started, before) = (Instant::now(), process::cpu_seconds_of(&own));
    let messages = corpus.len();
    let bar = bar(options, messages, "messages");
    let (mut done, mut writing_ms) = (0, 0.0);
    corpus.each(&mut |message| {
        let began = cpu_ms();
        index.put(message)?;
        writing_ms += cpu_ms() - began;
        done += 1;
        if done % COMMIT == 0 {
            index.commit(done, [0; 16])?;
        }
        if done % 1_000 == 0 {
            bar.set_position(done);
        }
        Ok(())
    })?;
    index.commit(done + 1, [0; 16])?;
    bar.finish_and_clear();
    let seconds = started.elapsed().as_secs_f64();
    let cpu_s = process::cpu_seconds_of(&own)
        .zip(before)
        .map(|(after, before)| after - before);
    if options.settle {
        load::merged(folder, || Ok(index.refresh()?))?;
    }
    Ok(Loading {
        seconds,
        messages_per_s: done as f64 / seconds,
        caller_us: writing_ms * 1e3 / (done as f64).max(1.0),
        cpu_s,
        merged_s: started.elapsed().as_secs_f64() - seconds,
    })
}
