//! Where public keys are read from, again and again. A failure keeps the last good set.

use std::{
    fs, io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::{
    config::{AuthConfigError, Refresh},
    jwks,
    keys::Keys,
};

/// How often a file is looked at, in milliseconds.
const LOOK_MS: u64 = 1000;
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_SET_BYTES: u64 = 1024 * 1024;

/// A set in a file, read again when the file has changed.
#[derive(Debug)]
pub(super) struct FileSource {
    path: PathBuf,
    keys: ArcSwap<Keys>,
    looked_ms: AtomicU64,
    seen: Mutex<Stamp>,
}

/// Tells one state of a file from the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    len: u64,
}

impl FileSource {
    pub(super) fn open(path: PathBuf) -> Result<FileSource, AuthConfigError> {
        let read = |error| AuthConfigError::Read {
            path: path.clone(),
            error,
        };
        let seen = stamp(&path).map_err(read)?;
        let text = fs::read(&path).map_err(read)?;
        let keys = jwks::parse(&text).map_err(|reason| AuthConfigError::Jwks {
            path: path.clone(),
            reason,
        })?;
        Ok(FileSource {
            keys: ArcSwap::from_pointee(keys),
            looked_ms: AtomicU64::new(0),
            seen: Mutex::new(seen),
            path,
        })
    }

    /// The present keys. At most once a second of the caller's clock it looks at the file, which
    /// costs that caller one `stat`, and one small read when it has changed.
    pub(super) fn keys(&self, now_ms: u64) -> Arc<Keys> {
        let looked = self.looked_ms.load(Ordering::Relaxed);
        let due = now_ms.abs_diff(looked) >= LOOK_MS;
        // One of those who come at the same time looks.
        if due
            && self
                .looked_ms
                .compare_exchange(looked, now_ms, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        {
            self.look();
        }
        self.keys.load_full()
    }

    fn look(&self) {
        let mut seen = self.seen.lock();
        let answer = stamp(&self.path).and_then(|stamp| {
            if stamp == *seen {
                Ok(None)
            } else {
                fs::read(&self.path).map(|text| Some((stamp, text)))
            }
        });
        match answer {
            Ok(None) => {}
            Ok(Some((stamp, text))) => {
                // A set that cannot be used is complained of once, not every second.
                *seen = stamp;
                match jwks::parse(&text) {
                    Ok(keys) => {
                        self.keys.store(Arc::new(keys));
                        tracing::info!(path = %self.path.display(), "token keys read again");
                    }
                    Err(reason) => {
                        tracing::warn!(path = %self.path.display(), %reason, "token keys cannot be used, keeping the last good set");
                    }
                }
            }
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "token keys cannot be read, keeping the last good set");
            }
        }
    }
}

fn stamp(path: &PathBuf) -> io::Result<Stamp> {
    let metadata = fs::metadata(path)?;
    Ok(Stamp {
        modified: metadata.modified().ok(),
        len: metadata.len(),
    })
}

/// A set behind a URL, fetched by a thread of its own: on a timer, and out of turn when asked. The
/// thread ends with this.
#[derive(Debug)]
pub(super) struct UrlSource {
    shared: Arc<Shared>,
    ask: SyncSender<()>,
}

#[derive(Debug)]
struct Shared {
    keys: ArcSwap<Keys>,
    /// When the last successful fetch began; `None` before the first.
    fetched: Mutex<Option<Instant>>,
    refresh: Refresh,
}

impl UrlSource {
    /// Fetches once and starts the thread.
    pub(super) fn start(url: &str, refresh: Refresh) -> Result<UrlSource, AuthConfigError> {
        let https = url.starts_with("https://");
        if (!https && !url.starts_with("http://")) || url.parse::<ureq::http::Uri>().is_err() {
            return Err(AuthConfigError::Url {
                url: url.to_owned(),
            });
        }
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_global(Some(FETCH_TIMEOUT))
            // Keys that came in the clear would be anybody's.
            .https_only(https)
            .max_redirects(3)
            .build()
            .into();
        let shared = Arc::new(Shared {
            keys: ArcSwap::default(),
            fetched: Mutex::new(None),
            refresh,
        });
        let (ask, asked) = sync_channel(1);
        let fetcher = Fetcher {
            agent,
            url: url.to_owned(),
            shared: shared.clone(),
        };
        let good = fetcher.fetch();
        thread::Builder::new()
            .name("token-keys".to_owned())
            .spawn(move || fetcher.run(&asked, good))
            .expect("a thread can be started");
        Ok(UrlSource { shared, ask })
    }

    pub(super) fn keys(&self) -> Arc<Keys> {
        self.shared.keys.load_full()
    }

    /// Asks for a fetch out of turn; false when the last good one is so fresh that the answer stands.
    pub(super) fn refetch(&self) -> bool {
        if let Some(fetched) = *self.shared.fetched.lock()
            && fetched.elapsed() < self.shared.refresh.at_least
        {
            return false;
        }
        // When it is full the thread is about to fetch anyway.
        let _ = self.ask.try_send(());
        true
    }
}

struct Fetcher {
    agent: ureq::Agent,
    url: String,
    shared: Arc<Shared>,
}

impl Fetcher {
    fn run(&self, asked: &Receiver<()>, mut good: bool) {
        let Refresh { every, at_least } = self.shared.refresh;
        let mut last = Instant::now();
        loop {
            // After a failure soon again, but never more often than this.
            let wait = if good {
                every
            } else {
                at_least.max(Duration::from_secs(1))
            };
            match asked.recv_timeout(wait.saturating_sub(last.elapsed())) {
                Ok(()) if last.elapsed() < at_least => continue,
                Ok(()) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            last = Instant::now();
            good = self.fetch();
        }
    }

    /// Whether a good set was fetched; it is in force then.
    fn fetch(&self) -> bool {
        let began = Instant::now();
        let answer = self.get().and_then(|text| jwks::parse(&text));
        match answer {
            Ok(keys) => {
                self.shared.keys.store(Arc::new(keys));
                *self.shared.fetched.lock() = Some(began);
                true
            }
            Err(reason) => {
                tracing::warn!(url = self.url, %reason, "token keys cannot be fetched, keeping the last good set");
                false
            }
        }
    }

    fn get(&self) -> Result<Vec<u8>, String> {
        let mut response = self
            .agent
            .get(&self.url)
            .call()
            .map_err(|error| error.to_string())?;
        let body = response.body_mut().with_config().limit(MAX_SET_BYTES);
        body.read_to_vec().map_err(|error| error.to_string())
    }
}
