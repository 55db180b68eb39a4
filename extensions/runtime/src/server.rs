//! Extensions of one server: started with it, kept in step with the log.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use tidings_core::{node::Node, projections::ReadError};
use tidings_extension_host::{Cache, Engine, EngineError, Settings};
use tokio::task::JoinHandle;

use crate::{
    acting::{self, Acting},
    components::{Components, Shelf},
    moderation::Moderators,
    reactor, recall,
    stats::Stats,
};

/// How extensions are run.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Calls under way at a time, of all extensions together. Each reserves 4 GiB of address space.
    pub calls: u32,
    /// Fuel that a call gets at most, whatever its manifest asks for: roughly one for each instruction.
    pub fuel: u64,
    /// How long a call may take at most, whatever its manifest asks for, in milliseconds.
    pub time_ms: u64,
    /// How long all moderators together may take about one thing, in milliseconds: whoever is not done by then has failed.
    pub moderation_ms: u64,
    /// Memory that a call may have at most, whatever its manifest asks for, in MiB.
    pub memory_mib: u32,
    /// What an extension may keep in its store, in MiB.
    pub store_mib: u32,
    /// Timers of one extension that may wait.
    pub timers: u32,
    /// How long somebody has to be absent with unread messages before they are called back (the hook `recall`), in seconds; 0 for
    /// never.
    pub recall_after_s: u32,
    /// Whether the server calls back by itself where no extension says anything: a delivery in the feed.
    pub recall_nudge: bool,
    /// Hosts that extensions may ask though they are at private addresses, as their manifests name them.
    pub private_hosts: Vec<String>,
    /// Secrets that extensions may send with requests, and never see.
    pub secrets: Vec<Secret>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            calls: 256,
            fuel: 10_000_000_000,
            time_ms: 10_000,
            moderation_ms: 2_000,
            memory_mib: 256,
            store_mib: 64,
            timers: 10_000,
            recall_after_s: 900,
            recall_nudge: false,
            private_hosts: Vec::new(),
            secrets: Vec::new(),
        }
    }
}

/// A secret of an extension.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// Whose.
    pub extension: String,
    /// Its name in the manifest.
    pub name: String,
    /// The file that it is in.
    pub file: PathBuf,
}

/// How often what cannot be made ready is tried again.
const BROKEN: Duration = Duration::from_secs(5);

/// What is given at most.
pub(crate) struct Cap {
    pub(crate) fuel: u64,
    pub(crate) time: Duration,
    /// Of all moderators together.
    pub(crate) moderation: Duration,
    pub(crate) memory: usize,
    pub(crate) store: u64,
    pub(crate) timers: u64,
}

/// Whether an attribute of profiles is public.
pub type IsPublic = Box<dyn Fn(&str) -> bool + Send + Sync>;

/// Why extensions cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The sandbox.
    #[error("extensions: {0}: lower extensions.calls")]
    Engine(#[from] EngineError),
    /// No moderator could be asked.
    #[error("extensions.moderation_ms is 0: no moderator could be asked; give them 1 or more")]
    NoTime,
    /// A secret.
    #[error("extensions.secrets ({extension}, {name}): {} cannot be read: {error}", path.display())]
    Secret {
        /// Whose.
        extension: String,
        /// Which.
        name: String,
        /// Where it was looked for.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The rows.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// What all parts share.
pub(crate) struct Shared {
    pub(crate) node: Arc<Node>,
    pub(crate) engine: Engine,
    pub(crate) components: Components,
    pub(crate) stats: Stats,
    pub(crate) is_public: IsPublic,
    pub(crate) acting: ArcSwap<Acting>,
    pub(crate) cap: Cap,
    pub(crate) recall: recall::Config,
    pub(crate) secrets: BTreeMap<String, BTreeMap<String, String>>,
    pub(crate) lanes: reactor::Lanes,
    pub(crate) http: crate::http::Client,
    /// Held by whoever finds out what is to act.
    pub(crate) refreshing: tokio::sync::Mutex<()>,
}

/// The extensions of a server.
pub struct Extensions {
    pub(crate) shared: Arc<Shared>,
    tasks: parking_lot::Mutex<Option<Tasks>>,
}

impl Extensions {
    /// Makes ready whatever is to act, and follows the log from then on. Commands are looked at once this returns. Components are kept in
    /// `data`, and on the shelf where other nodes are on the same log.
    ///
    /// # Errors
    /// When the sandbox cannot be set up or the rows cannot be read. An extension that cannot be made ready is no error.
    pub async fn start(
        config: Config,
        data: &Path,
        node: Arc<Node>,
        shelf: Option<Box<dyn Shelf>>,
        is_public: IsPublic,
    ) -> Result<Arc<Extensions>, StartError> {
        if config.moderation_ms == 0 {
            return Err(StartError::NoTime);
        }
        let folder = data.join("extensions").join("components");
        let components = Components::new(folder, shelf);
        let secrets = read_secrets(config.secrets)?;
        let secret = node.ids.secret("extension components");
        let engine = Engine::new(Settings {
            calls: config.calls,
            memory: (config.memory_mib as usize) << 20,
            cache: Some(Cache::new(
                data.join("extensions").join("compiled"),
                &secret,
            )),
            ..Settings::default()
        })?;
        let shared = Arc::new(Shared {
            engine,
            components,
            stats: Stats::default(),
            is_public,
            acting: ArcSwap::default(),
            cap: Cap {
                fuel: config.fuel,
                time: Duration::from_millis(config.time_ms),
                moderation: Duration::from_millis(config.moderation_ms),
                memory: (config.memory_mib as usize) << 20,
                store: u64::from(config.store_mib) << 20,
                timers: u64::from(config.timers),
            },
            recall: recall::Config {
                after_ms: u64::from(config.recall_after_s) * 1_000,
                nudge: config.recall_nudge,
            },
            secrets,
            lanes: reactor::Lanes::default(),
            refreshing: tokio::sync::Mutex::default(),
            http: crate::http::Client::new(config.private_hosts.into_iter().collect()),
            node,
        });
        let mut changes = shared.node.projections.extension_changes();
        refresh(&shared).await?;
        let moderators = Arc::new(Moderators::new(shared.clone()));
        shared.node.reviewing.set_reviewer(Some(moderators));
        let following = shared.clone();
        let follows = tokio::spawn(async move {
            loop {
                let broken = following
                    .acting
                    .load()
                    .all
                    .iter()
                    .any(|one| one.is_broken());
                // What could not be made ready may be by now: its component may have been out of reach.
                let patience = if broken { BROKEN } else { Duration::MAX };
                if let Ok(Err(_)) = tokio::time::timeout(patience, changes.changed()).await {
                    return;
                }
                while let Err(error) = refresh(&following).await {
                    tracing::error!(%error, "which extensions act cannot be read, trying again");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        });
        let reacts = tokio::spawn(reactor::run(shared.clone()));
        Ok(Arc::new(Extensions {
            shared,
            tasks: parking_lot::Mutex::new(Some(Tasks { follows, reacts })),
        }))
    }

    /// What extensions did.
    pub fn stats(&self) -> &Stats {
        &self.shared.stats
    }

    /// Tells nobody any more what happened: lanes record how far they are, so this comes before the node leaves its shards to others.
    /// Moderators go on looking at what clients who have not gone yet send.
    pub async fn stop(&self) {
        self.shared.lanes.stop();
        let tasks = self.tasks.lock().take();
        let Some(Tasks {
            follows,
            mut reacts,
        }) = tasks
        else {
            return;
        };
        follows.abort();
        if tokio::time::timeout(PATIENCE, &mut reacts).await.is_err() {
            reacts.abort();
        }
    }
}

/// What goes on beside.
struct Tasks {
    /// Follows which extensions act.
    follows: JoinHandle<()>,
    /// Keeps the lanes.
    reacts: JoinHandle<()>,
}

/// How long lanes may take to end.
const PATIENCE: Duration = Duration::from_secs(2);

/// By extension and name.
type Secrets = BTreeMap<String, BTreeMap<String, String>>;

fn read_secrets(files: Vec<Secret>) -> Result<Secrets, StartError> {
    let mut secrets = Secrets::new();
    for Secret {
        extension,
        name,
        file,
    } in files
    {
        match fs::read_to_string(&file) {
            Ok(text) => {
                let of = secrets.entry(extension).or_default();
                of.insert(name, text.trim_end().to_owned());
            }
            Err(error) => {
                return Err(StartError::Secret {
                    extension,
                    name,
                    path: file,
                    error,
                });
            }
        }
    }
    Ok(secrets)
}

/// Makes ready whatever the log says is to act.
pub(crate) async fn refresh(shared: &Arc<Shared>) -> Result<(), ReadError> {
    let _refreshing = shared.refreshing.lock().await;
    let acting = acting::load(shared, &shared.acting.load()).await?;
    shared.acting.store(Arc::new(acting));
    shared.lanes.changed();
    Ok(())
}
