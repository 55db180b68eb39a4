//! What the disk makes anybody wait: a page of a file of its own is written again and synced, at a steady rate, in the
//! folder where the server's is. Beside the times of messages it tells a disk that stood still from a server that did.
//!
//! The file keeps its size, so that a sync is one of this page and not of the file system's books.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crate::report::{Quantiles, Times};

/// Bytes that are written.
const PAGE: [u8; 4096] = [7; 4096];
/// From one sync to the next, as long as they take less.
const EVERY: Duration = Duration::from_millis(20);

/// Syncs, until it is asked to end.
pub(crate) struct Probe {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<Syncs>>,
}

impl Probe {
    /// On the disk of a folder.
    pub(crate) fn start(folder: &Path) -> io::Result<Probe> {
        let file = File::create(folder.join("probe"))?;
        file.write_all_at(&PAGE, 0)?;
        file.sync_all()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut syncs = Vec::new();
            while !stopping.load(Ordering::Relaxed) {
                let began = Instant::now();
                file.write_all_at(&PAGE, 0)?;
                file.sync_data()?;
                let took = began.elapsed();
                syncs.push((began, took));
                std::thread::sleep(EVERY.saturating_sub(took));
            }
            Ok(Syncs(syncs))
        });
        Ok(Probe { stop, thread })
    }

    /// Ends it.
    pub(crate) fn end(self) -> io::Result<Syncs> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("it does not panic")
    }
}

/// When each began, and how long it took.
pub(crate) struct Syncs(Vec<(Instant, Duration)>);

impl Syncs {
    /// How long those took that began between two moments.
    pub(crate) fn between(&self, from: Instant, to: Instant) -> Quantiles {
        let mut times = Times::new();
        for (began, took) in &self.0 {
            if from <= *began && *began < to {
                times.record_ns(took.as_nanos() as u64);
            }
        }
        times.quantiles()
    }
}
