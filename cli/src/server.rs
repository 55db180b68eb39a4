//! The composition root: which parts a server is made of, and in which order they start and stop.

use std::{fs, io, path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, anyhow, bail, ensure};
use indicatif::{HumanCount, ProgressBar, ProgressState, ProgressStyle};
use tidings_core::{
    clock::{Clock as _, SystemClock},
    cluster,
    embedded::{self, Folder, FolderError, ProjectError, Step},
    handler::{self, Parts, ids::Ids},
    keys::{self, KeyStore},
    log::{
        self, EventLog as _, Lane, Position, SharedLog,
        jetstream::{ConnectError, JetStream, objects::Objects},
    },
    node::Node,
    projections::{
        OpenError, Projections,
        rebuild::{self, RebuildError},
    },
    room,
};
use tidings_extensions::{Extensions, IsPublic, Shelf};
use tidings_gateway::{
    assets::Asset,
    http::Development,
    search::Search,
    server::{Builder, Server},
    tls::ServerCertificate,
};
use uuid::Uuid;

use crate::{
    config::{Config, JetStreamConfig, LogConfig, limits::everybody_is_a_proxy},
    secrets::{self, Secrets},
};

pub(crate) mod check;
mod port;
mod shelf;

use shelf::OnJetStream;

/// The console page and the SDK it uses.
static ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// Randomness of the system.
pub(crate) type Random = Arc<dyn ring::rand::SecureRandom + Send + Sync>;

/// Positions that a rebuild may leave to be folded at the next start.
const SMALL_GAP: u64 = 1_000;

/// How long a server waits before it listens until people can be searched. Where they are many it listens
/// before the index is built.
const SEARCH_READY: Duration = Duration::from_secs(2);

/// The log and its keys, opened.
pub(crate) struct Storage {
    pub(crate) log: SharedLog,
    pub(crate) keys: Arc<dyn KeyStore>,
    pub(crate) ids: Ids,
    pub(crate) random: Random,
    /// Where other servers may be on the same log.
    pub(crate) cluster: Option<cluster::Config>,
    /// Where components of extensions are that all servers of the log share.
    pub(crate) shelf: Option<Box<dyn Shelf>>,
}

/// Opens the log and the key store.
pub(crate) async fn storage(config: &Config) -> anyhow::Result<Storage> {
    let random: Random = Arc::new(ring::rand::SystemRandom::new());
    match &config.log {
        LogConfig::Embedded => {
            let folder = Folder::open(&config.data, &random).await;
            let folder = folder.map_err(|error| match error {
                FolderError::Log(error) => unreadable(error),
                error => error.into(),
            })?;
            let Secrets { operator, ids } =
                Secrets::load(&config.secrets, &config.data, folder.is_new(), &*random)?;
            let (log, keys) = folder.unlock(operator, random.clone())?;
            Ok(Storage {
                log,
                ids: ids.check(&*keys).await?,
                keys,
                random,
                cluster: None,
                shelf: None,
            })
        }
        LogConfig::JetStream(settings) => {
            fs::create_dir_all(&config.data)
                .with_context(|| format!("cannot make {}", config.data.display()))?;
            let log = jetstream(settings, &random).await?;
            // In this order: a server that begins the log meanwhile makes the keys before it appends.
            let is_empty = log.head(Lane::Journal).await? == Position::START;
            let is_new = !keys::jetstream::exists(&log).await?;
            ensure!(
                is_empty || !is_new,
                "there are no content keys in NATS' stream {}, so no text of this log can be read: restore \
                 the stream from a backup, as the log's was",
                keys::jetstream::stream_of(&log)
            );
            let Secrets { operator, ids } =
                Secrets::load(&config.secrets, &config.data, is_new, &*random)?;
            let keys = keys::jetstream::JetStream::open(&log, operator, random.clone()).await?;
            let shelf = OnJetStream(Objects::open(&log, "extensions").await?);
            let cluster = cluster::Config {
                client: log.client(),
                prefix: log.config().prefix.clone(),
                node: uuid(&*random),
                epoch: log.identity().epoch,
            };
            Ok(Storage {
                log: Arc::new(log),
                ids: ids.check(&keys).await?,
                keys: Arc::new(keys),
                random,
                cluster: Some(cluster),
                shelf: Some(Box::new(shelf)),
            })
        }
    }
}

async fn jetstream(settings: &JetStreamConfig, random: &Random) -> anyhow::Result<JetStream> {
    let log = JetStream::connect(settings.connection()?, uuid(&**random)).await?;
    for warning in log.warnings() {
        tracing::warn!("{warning}");
    }
    Ok(log)
}

/// The log alone, to be read: beside a server that has it open, too. None is made where there is none.
pub(crate) async fn log_to_read(config: &Config) -> anyhow::Result<SharedLog> {
    match &config.log {
        LogConfig::Embedded => Ok(Arc::new(embedded_to_read(config)?)),
        LogConfig::JetStream(settings) => {
            let connection = settings.connection()?;
            let servers = connection.servers.join(", ");
            // What is wrong with how NATS writes is for those to hear who write.
            match JetStream::connect_existing(connection).await {
                Ok(log) => Ok(Arc::new(log)),
                Err(ConnectError::Missing { stream }) => bail!(
                    "there is no log at {servers}: NATS has no stream {stream}, so there is nothing to look \
                     at. A server makes the log when it first starts; if it was made, check log.servers, \
                     log.prefix and log.domain in the configuration"
                ),
                Err(error) => Err(error.into()),
            }
        }
    }
}

/// The files of the log, to be read.
pub(crate) fn embedded_to_read(config: &Config) -> anyhow::Result<log::embedded::Reading> {
    let folder = config.data.join("log");
    log::embedded::Reading::open(&folder).map_err(|error| match error {
        log::embedded::OpenError::Missing { .. } => anyhow!(
            "{error}: is {} the right folder? --data names another, --config a configuration",
            config.data.display()
        ),
        error => unreadable(error),
    })
}

/// What to do about files of the log that cannot be opened.
pub(crate) fn unreadable(error: log::embedded::OpenError) -> anyhow::Error {
    use log::embedded::OpenError;
    let advice = match &error {
        OpenError::Lost { .. } => {
            "restore it from a backup, or, if it is to go on from where it ends, run `tidings log new-epoch`"
        }
        OpenError::Meta { .. } | OpenError::Damaged { .. } => {
            "restore it from a backup, and then run `tidings log new-epoch`"
        }
        OpenError::Reached { .. } => {
            "it only says where the log ended when it was last closed, so that a lost end is noticed: remove it, \
             run `tidings log verify`, and compare where the log ends with what you expect"
        }
        OpenError::Locked { .. } => "stop that process first",
        _ => return error.into(),
    };
    anyhow!("{error}: {advice}")
}

/// Opens the projections, and brings them to the end of the log: from where they stand, or, if they
/// are of another version or cannot be read, built anew beside the old ones.
pub(crate) async fn projections(
    config: &Config,
    log: &SharedLog,
) -> anyhow::Result<Arc<Projections>> {
    let bar = progress(0, "");
    let mut begin = 0;
    let mut tell = |step| match step {
        Step::Fold(from, to) => {
            begin = from;
            bar.set_message("folding the log");
            bar.set_length(to.saturating_sub(from));
        }
        Step::Rebuild(to) => {
            bar.set_message("rebuilding the projections");
            bar.set_length(to);
        }
        Step::At(position) => bar.set_position(position - begin),
    };
    let projections = embedded::projections(&config.data, log, &mut tell).await;
    bar.finish_and_clear();
    let projections = projections.map_err(|error| match error {
        ProjectError::Open(error) => closed(config, error),
        ProjectError::Fold(error) => unfolded(config, error),
        ProjectError::Ahead { seen, head } => ahead(seen, head),
        error => error.into(),
    })?;
    Ok(Arc::new(projections))
}

/// The same for a tool: what is damaged, or of another version, is not replaced but said.
pub(crate) async fn present_projections(
    config: &Config,
    log: &SharedLog,
) -> anyhow::Result<Projections> {
    let head = log.head(Lane::Journal).await?;
    let projections = open_projections(config, log)?;
    to_the_end(config, log, &projections, head).await?;
    Ok(projections)
}

/// The projections as they are; none are made.
pub(crate) fn open_projections(config: &Config, log: &SharedLog) -> anyhow::Result<Projections> {
    let folder = Projections::folder(&config.data);
    ensure!(
        folder.is_dir(),
        "there are no projections in {}: a server makes them when it starts, or {}",
        config.data.display(),
        config.rebuild()
    );
    Projections::open(&folder, log.identity()).map_err(|error| closed(config, error))
}

/// What to do about projections that do not open.
fn closed(config: &Config, error: OpenError) -> anyhow::Error {
    let folder = Projections::folder(&config.data);
    let advice = match &error {
        OpenError::Locked => "stop the server that runs on them first".to_owned(),
        error if error.rebuildable() => config.rebuild(),
        _ => return anyhow!(error).context(folder.display().to_string()),
    };
    anyhow!("{}: {error}: {advice}", folder.display())
}

async fn to_the_end(
    config: &Config,
    log: &SharedLog,
    projections: &Projections,
    head: Position,
) -> anyhow::Result<()> {
    not_ahead(projections, head)?;
    let bar = progress(head.0 - projections.cursor(), "folding the log");
    let from = projections.cursor();
    let mut tell = |position: Position, _| bar.set_position(position.0 - from);
    let folded = rebuild::fold(&**log, projections, head, &mut tell);
    folded.await.map_err(|error| unfolded(config, error))?;
    bar.finish_and_clear();
    Ok(())
}

/// What to do about projections that nothing can be folded into, or compared with.
pub(crate) fn unfolded(config: &Config, error: RebuildError) -> anyhow::Error {
    match error {
        RebuildError::Read(_) | RebuildError::Open(_) => {
            anyhow!("{error}: {}", config.rebuild())
        }
        error => error.into(),
    }
}

/// Refuses projections that have seen more than the log holds.
pub(crate) fn not_ahead(projections: &Projections, head: Position) -> anyhow::Result<()> {
    if projections.cursor() > head.0 {
        return Err(ahead(projections.cursor(), head));
    }
    Ok(())
}

/// What to do about projections that have seen more than the log holds.
fn ahead(seen: u64, head: Position) -> anyhow::Error {
    anyhow!(
        "this server has seen the log up to position {seen}, and now it ends at {head}: it was restored from \
         a backup, or has lost its end; run `tidings log new-epoch` once, with every server stopped, so \
         that no client goes on from a position that will hold something else"
    )
}

/// Builds the projections anew beside the present ones and puts them in their place. Also says how
/// many events were folded.
pub(crate) async fn rebuild_projections(
    root: &Path,
    log: &SharedLog,
    mut head: Position,
) -> anyhow::Result<(Projections, usize)> {
    let (folder, green) = rebuild::begin(root, log.identity())?;
    let bar = progress(head.0, "rebuilding the projections");
    let mut folded = 0;
    let mut tell = |position: Position, events| {
        bar.set_position(position.0);
        folded += events;
    };
    loop {
        rebuild::fold(&**log, &green, head, &mut tell).await?;
        // The log may have grown meanwhile: little is left to whoever opens this next.
        let now = log.head(Lane::Journal).await?;
        if now.0 <= head.0 + SMALL_GAP {
            break;
        }
        head = now;
    }
    bar.finish_and_clear();
    rebuild::switch(root, &folder).context("cannot switch to the new projections")?;
    Ok((green, folded))
}

/// A progress bar over positions; hidden where there is no terminal.
pub(crate) fn progress(length: u64, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{msg} [{bar:40}] {human_pos}/{human_len} ({rate}/s, {eta} left)",
    );
    let rate = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
        let _ = write!(out, "{}", HumanCount(state.per_sec().round() as u64));
    };
    ProgressBar::new(length)
        .with_style(style.expect("the template is valid").with_key("rate", rate))
        .with_message(what)
}

/// Starts the node: the part that needs no network.
pub(crate) async fn node(
    config: &Config,
) -> anyhow::Result<(Arc<Node>, Random, Option<Box<dyn Shelf>>)> {
    let Storage {
        log,
        keys,
        ids,
        random,
        cluster,
        shelf,
    } = storage(config).await?;
    let projections = projections(config, &log).await?;
    let mut settings = handler::Config {
        commit_interval_ms: config.messages.commit_interval_ms,
        ..handler::Config::default()
    };
    settings.limits.text_bytes = config.messages.text_bytes;
    settings.limits.group_members = config.messages.group_members;
    let parts = Parts {
        log,
        keys,
        projections,
        clock: Arc::new(SystemClock),
        random: random.clone(),
        config: settings,
    };
    let node = Node::start(parts, ids, config.presence.clone(), cluster)
        .context("cannot start the node's threads")?;
    Ok((Arc::new(node), random, shelf))
}

/// Starts everything and listens.
pub(crate) async fn start(
    config: &Config,
    development: Option<Development>,
) -> anyhow::Result<Server> {
    port::is_free(config.listen())?;
    has_room(&config.data)?;
    check::without_starting(config)?;
    config
        .private_files()
        .iter()
        .for_each(|path| secrets::warn_if_exposed(path));
    if let Some(warning) = everybody_is_a_proxy(&config.trusted_proxies) {
        tracing::warn!("{warning}");
    }
    let auth = config.auth.clone();
    // Fetching keys may block for seconds.
    let auth = tokio::task::spawn_blocking(move || check::authenticator(&auth)).await??;
    let certificate = ServerCertificate::load(&config.tls, &config.data, SystemClock.now_ms())?;
    let (node, random, shelf) = node(config).await?;
    let search = Search::start(config.search.clone(), &config.data, node.clone())?;
    search.ready(SEARCH_READY).await;
    let extensions = extensions(config, &node, &search, shelf).await?;
    let server = Builder {
        node,
        search,
        extensions,
        auth,
        limits: config.limits.clone(),
        random,
        listen: config.listen(),
        certificate,
        tls_on_tcp: config.tls_on_tcp,
        development,
        assets: ASSETS,
        routes: Default::default(),
    };
    let server = server.start().await;
    let server =
        server.map_err(|refused| port::refused(refused.address, refused.over, &refused.error))?;
    let url = config.url(server.http);
    if url.is_empty() && matches!(config.log, LogConfig::JetStream(_)) {
        tracing::warn!(
            "clients of other servers on this log are not told of this one, which listens on {}: \
             public_url in the configuration names it to them",
            server.http.ip()
        );
    }
    server.node.reachable_at(url);
    Ok(server)
}

/// Starts the extensions that act.
async fn extensions(
    config: &Config,
    node: &Arc<Node>,
    search: &Arc<Search>,
    shelf: Option<Box<dyn Shelf>>,
) -> anyhow::Result<Arc<Extensions>> {
    let attributes = search.clone();
    let is_public: IsPublic =
        Box::new(move |name| attributes.attributes().visible(name, false).is_some());
    let started = Extensions::start(
        config.extensions.clone(),
        &config.data,
        node.clone(),
        shelf,
        is_public,
    );
    Ok(started.await?)
}

/// Refuses a folder that nothing can be written to, before anything is touched.
fn has_room(data: &Path) -> anyhow::Result<()> {
    room::check(data, room::RESERVE).map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::ReadOnlyFilesystem => {
                "mount its disk so that it can be written; if it was, the system has found a fault on the disk \
                 (`dmesg` says which) and has to check it first"
                    .to_owned()
            }
            _ => format!(
                "free some on its disk, 200 MiB or more; less than {} MiB are left",
                room::RESERVE >> 20
            ),
        };
        anyhow!(
            "{}: {}: {advice}. Nothing was changed, and `tidings log verify|tail|stats` work meanwhile",
            data.display(),
            room::explain(&error)
        )
    })
}

/// Waits for SIGINT or SIGTERM.
pub(crate) async fn asked_to_stop() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    Ok(())
}

/// A random id, of the system's randomness.
pub(crate) fn random_uuid() -> Uuid {
    uuid(&ring::rand::SystemRandom::new())
}

fn uuid(random: &dyn ring::rand::SecureRandom) -> Uuid {
    let mut bytes = [0; 16];
    random.fill(&mut bytes).expect("the system has randomness");
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}
