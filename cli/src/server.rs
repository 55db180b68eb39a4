//! The composition root: which parts a server is made of, and in which order they start and stop.

use std::{fs, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, anyhow, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use tidings_core::{
    clock::{Clock as _, SystemClock},
    cluster,
    handler::{self, Parts, ids::Ids},
    keys::{self, KeyStore},
    log::{
        self, EventLog as _, Lane, Position, SharedLog,
        embedded::Embedded,
        jetstream::{ConnectError, JetStream},
    },
    node::Node,
    projections::{
        OpenError, Projections,
        rebuild::{self, RebuildError},
    },
};
use tidings_gateway::{
    Gateway,
    auth::{AuthConfigError, Authenticator},
    http::{self, Asset, Development},
    tls::ServerCertificate,
    transport::{quic, tcp::Listener},
};
use uuid::Uuid;

use crate::{
    config::{Config, JetStreamConfig, LogConfig},
    secrets::{self, Secrets},
};

mod port;

/// The console page and the SDK it uses.
static ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// Randomness of the system.
pub(crate) type Random = Arc<dyn ring::rand::SecureRandom + Send + Sync>;

/// Positions that a rebuild may leave to be folded at the next start.
const SMALL_GAP: u64 = 1_000;

/// The log and its keys, opened.
pub(crate) struct Storage {
    pub(crate) log: SharedLog,
    pub(crate) keys: Arc<dyn KeyStore>,
    pub(crate) ids: Ids,
    pub(crate) random: Random,
    /// Where other servers may be on the same log.
    pub(crate) cluster: Option<cluster::Config>,
}

/// A server that is up.
pub(crate) struct Server {
    pub(crate) node: Arc<Node>,
    pub(crate) gateway: Arc<Gateway>,
    /// Where HTTP and WebSocket are.
    pub(crate) http: SocketAddr,
    /// Where QUIC is.
    pub(crate) quic: SocketAddr,
    /// SHA-256 of the certificate, in hexadecimal.
    pub(crate) certificate: String,
    stop: tokio::sync::oneshot::Sender<()>,
    serving: tokio::task::JoinHandle<()>,
    endpoint: quinn::Endpoint,
}

/// Opens the log and the key store.
pub(crate) async fn storage(config: &Config) -> anyhow::Result<Storage> {
    let random: Random = Arc::new(ring::rand::SystemRandom::new());
    fs::create_dir_all(&config.data)
        .with_context(|| format!("cannot make {}", config.data.display()))?;
    match &config.log {
        LogConfig::Embedded => {
            let options = log::embedded::Options::new(uuid(&*random), uuid(&*random));
            let log = Embedded::open_or_create(&config.data.join("log"), &options);
            let log = log.map_err(unreadable)?;
            let folder = config.data.join("keys");
            let is_new = !keys::embedded::exists(&folder);
            ensure!(
                !is_new || log.head(Lane::Journal).await? == Position::START,
                "there are no content keys in {}, so no text of this log can be read: put the folder back \
                 from where it was or from a backup",
                folder.display()
            );
            let Secrets { operator, ids } =
                Secrets::load(&config.secrets, &config.data, is_new, &*random)?;
            let keys = keys::embedded::Embedded::open(&folder, operator, random.clone())?;
            Ok(Storage {
                log: Arc::new(log),
                ids: ids.check(&keys).await?,
                keys: Arc::new(keys),
                random,
                cluster: None,
            })
        }
        LogConfig::JetStream(settings) => {
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
    let root = config.data.join("projections");
    fs::create_dir_all(&root).with_context(|| format!("cannot make {}", root.display()))?;
    let head = log.head(Lane::Journal).await?;
    let projections = match rebuild::open(&root, log.identity()) {
        Ok(projections) => projections,
        Err(error) if error.rebuildable() => {
            tracing::warn!(%error, "the projections are built anew");
            return Ok(Arc::new(rebuild_projections(&root, log, head).await?.0));
        }
        Err(error) => return Err(closed(config, error)),
    };
    to_the_end(config, log, &projections, head).await?;
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
    ensure!(
        projections.cursor() <= head.0,
        "this server has seen the log up to position {}, and now it ends at {head}: it was restored from \
         a backup, or has lost its end; run `tidings log new-epoch` once, with every server stopped, so \
         that no client goes on from a position that will hold something else",
        projections.cursor(),
    );
    Ok(())
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
        "{msg} [{bar:40}] {human_pos}/{human_len} ({per_sec}, {eta} left)",
    );
    ProgressBar::new(length)
        .with_style(style.expect("the template is valid"))
        .with_message(what)
}

/// Starts the node: the part that needs no network.
pub(crate) async fn node(config: &Config) -> anyhow::Result<(Arc<Node>, Random)> {
    let Storage {
        log,
        keys,
        ids,
        random,
        cluster,
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
    let node = Node::start(parts, ids, cluster).context("cannot start the node's threads")?;
    Ok((Arc::new(node), random))
}

impl Server {
    /// Starts everything and listens.
    pub(crate) async fn start(
        config: &Config,
        development: Option<Development>,
    ) -> anyhow::Result<Server> {
        port::is_free(config.listen())?;
        secrets::check_auth(&config.auth)?;
        config
            .private_files()
            .iter()
            .for_each(|path| secrets::warn_if_exposed(path));
        let auth = config.auth.clone();
        // Fetching keys may block for seconds.
        let auth = tokio::task::spawn_blocking(move || Authenticator::new(&auth)).await?;
        let auth = auth.map_err(|error| match error {
            AuthConfigError::NoKeys => anyhow!(
                "{error} (--development-tokens): auth.secrets = [{{ file = \"secret.txt\" }}] in the file that \
                 --config names will do, `openssl rand -hex 32` makes a secret"
            ),
            error => error.into(),
        })?;
        let certificate = ServerCertificate::load(&config.tls, &config.data, SystemClock.now_ms())?;
        let (node, random) = node(config).await?;
        let gateway = Gateway::new(node.clone(), auth, config.limits.clone(), random);
        let tls = config
            .tls_on_tcp
            .then(|| certificate.server_config(&["http/1.1"]));
        let listener = Listener::bind(config.listen(), tls)
            .await
            .map_err(|error| port::refused(config.listen(), "TCP", &error))?;
        let http = listener.address();
        let endpoint = quic::listen(gateway.clone(), http, certificate.quic_config(&quic::ALPNS))
            .map_err(|error| port::refused(http, "UDP", &error))?;
        let quic = endpoint.local_addr()?;
        let url = config.url(http);
        if url.is_empty() && matches!(config.log, LogConfig::JetStream(_)) {
            tracing::warn!(
                "clients of other servers on this log are not told of this one, which listens on {}: \
                 public_url in the configuration names it to them",
                http.ip()
            );
        }
        node.reachable_at(url);
        let router = http::router(gateway.clone(), development, ASSETS);
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let serving = tokio::spawn(http::serve(gateway.clone(), listener, router, async move {
            drop(stopped.await)
        }));
        let sha256 = certificate
            .sha256()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Ok(Server {
            node,
            gateway,
            http,
            quic,
            certificate: sha256,
            stop,
            serving,
            endpoint,
        })
    }

    /// Tells every client when and where to come back, waits until they are gone, writes what is left.
    pub(crate) async fn stop(self) {
        self.node.leave();
        self.gateway.drain();
        let _ = self.stop.send(());
        let gone = async {
            while self.gateway.connections() > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let patience = Duration::from_secs(10);
        if tokio::time::timeout(patience, gone).await.is_err() {
            tracing::warn!(
                connections = self.gateway.connections(),
                "some clients did not go"
            );
        }
        self.endpoint.close(0_u32.into(), b"");
        let _ = tokio::time::timeout(Duration::from_secs(1), self.endpoint.wait_idle()).await;
        self.serving.abort();
        let node = self.node.clone();
        let _ = tokio::task::spawn_blocking(move || node.stop()).await;
    }
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
