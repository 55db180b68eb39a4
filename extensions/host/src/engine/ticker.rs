//! The thread that counts time for calls. It rests while there are none.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::warm::{REST, Resting};

/// How many ticks without a call the thread waits before it rests: waking it costs a call more than ticking costs the machine.
const IDLE_TICKS: u32 = 256;
/// How often it is looked whether instances have rested for long.
const SWEEP: Duration = Duration::from_secs(10);

pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    running: AtomicUsize,
    resting: AtomicBool,
    stopping: AtomicBool,
}

impl Ticker {
    pub(crate) fn start(
        engine: &wasmtime::Engine,
        tick: Duration,
        resting: Arc<Resting>,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (theirs, engine) = (shared.clone(), engine.weak());
        let thread = thread::Builder::new()
            .name("extension-tick".to_owned())
            .spawn(move || {
                let (mut idle, mut swept) = (0, Instant::now());
                while !theirs.stopping.load(SeqCst) {
                    if theirs.running.load(SeqCst) > 0 {
                        idle = 0;
                    } else if idle < IDLE_TICKS {
                        idle += 1;
                    } else {
                        theirs.rest(&resting);
                        idle = 0;
                    }
                    if swept.elapsed() >= SWEEP {
                        swept = Instant::now();
                        resting.sweep(REST);
                    }
                    thread::sleep(tick);
                    let Some(engine) = engine.upgrade() else {
                        return;
                    };
                    engine.increment_epoch();
                }
            })?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Says that a call begins; it ends when what this answers is dropped.
    pub(crate) fn run(&self) -> Running<'_> {
        self.shared.running.fetch_add(1, SeqCst);
        if self.shared.resting.load(SeqCst) {
            self.wake();
        }
        Running(&self.shared)
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Shared {
    /// Until there is a call. Who comes between the two lines sees that somebody rests, and wakes in advance.
    fn rest(&self, instances: &Resting) {
        self.resting.store(true, SeqCst);
        while self.running.load(SeqCst) == 0 && !self.stopping.load(SeqCst) {
            match instances.sweep(REST) {
                true => thread::park_timeout(SWEEP),
                false => thread::park(),
            }
        }
        self.resting.store(false, SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stopping.store(true, SeqCst);
        self.wake();
        if let Some(thread) = self.thread.take() {
            // The last clone of an engine may be dropped by a call that this thread holds the engine for.
            if thread.thread().id() != thread::current().id() {
                drop(thread.join());
            }
        }
    }
}

pub(crate) struct Running<'a>(&'a Shared);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, SeqCst);
    }
}
