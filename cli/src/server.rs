//! The composition root: which parts a server is made of, and in which order they start and stop.

use std::{
    fs, io::Write as _, net::SocketAddr, os::unix::fs::OpenOptionsExt as _, path::Path, sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use tidings_core::{
    clock::{Clock as _, SystemClock},
    handler::{self, Parts, ids::Ids},
    keys::{self, KeyStore, seal::OperatorKey},
    log::{self, Lane, Position, SharedLog, embedded::Embedded, jetstream::JetStream},
    node::Node,
    projections::{OpenError, Projections, rebuild},
};
use tidings_gateway::{
    Gateway,
    auth::Authenticator,
    http::{self, Asset, Development},
    tls::ServerCertificate,
    transport::{quic, tcp::Listener},
};
use uuid::Uuid;

use crate::config::{Config, LogConfig};

/// The console page and the SDK it uses.
static ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// Randomness of the system.
pub(crate) type Random = Arc<dyn ring::rand::SecureRandom + Send + Sync>;

/// The log and its keys, opened.
pub(crate) struct Storage {
    pub(crate) log: SharedLog,
    pub(crate) keys: Arc<dyn KeyStore>,
    pub(crate) ids: Ids,
    pub(crate) random: Random,
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
    serving: tokio::task::JoinHandle<std::io::Result<()>>,
    endpoint: quinn::Endpoint,
}

/// Opens the log and the key store.
pub(crate) async fn storage(config: &Config) -> anyhow::Result<Storage> {
    let random: Random = Arc::new(ring::rand::SystemRandom::new());
    fs::create_dir_all(&config.data)
        .with_context(|| format!("cannot make {}", config.data.display()))?;
    let ids = Ids::new(&ids_secret(&config.data.join("ids.secret"), &*random)?);
    let operator_path = config
        .operator_key
        .clone()
        .unwrap_or_else(|| config.data.join("operator.key"));
    match &config.log {
        LogConfig::Embedded => {
            let options = log::embedded::Options::new(uuid(&*random), uuid(&*random));
            let log = Embedded::open_or_create(&config.data.join("log"), &options)?;
            let keys_folder = config.data.join("keys");
            let operator = if config.operator_key.is_some() || keys::embedded::exists(&keys_folder)
            {
                OperatorKey::load(&operator_path)?
            } else {
                OperatorKey::load_or_generate(&operator_path, &*random)?
            };
            let keys = keys::embedded::Embedded::open(&keys_folder, operator, random.clone())?;
            Ok(Storage {
                log: Arc::new(log),
                keys: Arc::new(keys),
                ids,
                random,
            })
        }
        LogConfig::JetStream(settings) => {
            let auth = match (&settings.credentials, &settings.token) {
                (None, None) => log::jetstream::Auth::None,
                (Some(file), None) => log::jetstream::Auth::Credentials(file.clone()),
                (None, Some(token)) => log::jetstream::Auth::Token(token.clone()),
                (Some(_), Some(_)) => {
                    bail!("log.credentials and log.token exclude each other: set one")
                }
            };
            let connection = log::jetstream::Config {
                servers: settings.servers.clone(),
                auth,
                prefix: settings.prefix.clone(),
                replicas: settings.replicas,
                shards: settings.shards,
                monitor_urls: settings.monitor_urls.clone(),
                ..log::jetstream::Config::default()
            };
            let log = JetStream::connect(connection, uuid(&*random)).await?;
            for warning in log.warnings() {
                tracing::warn!("{warning}");
            }
            let operator = if config.operator_key.is_some() {
                OperatorKey::load(&operator_path)?
            } else {
                OperatorKey::load_or_generate(&operator_path, &*random)?
            };
            let keys = keys::jetstream::JetStream::open(&log, operator, random.clone()).await?;
            Ok(Storage {
                log: Arc::new(log),
                keys: Arc::new(keys),
                ids,
                random,
            })
        }
    }
}

/// Opens the projections, and brings them to the end of the log: from where they stand, or, if they
/// are of another version or cannot be read, built anew beside the old ones.
pub(crate) async fn projections(
    config: &Config,
    log: &SharedLog,
) -> anyhow::Result<Arc<Projections>> {
    let root = config.data.join("projections");
    fs::create_dir_all(&root).with_context(|| format!("cannot make {}", root.display()))?;
    rebuild::tidy(&root).context("cannot tidy the projections")?;
    let head = log.head(Lane::Journal).await?;
    let projections = match Projections::open(&rebuild::current(&root), log.identity()) {
        Ok(projections) => projections,
        Err(
            error @ (OpenError::Version { .. } | OpenError::Epoch { .. } | OpenError::Corrupt(_)),
        ) => {
            tracing::warn!(%error, "the projections are built anew");
            return Ok(Arc::new(rebuild_projections(&root, log, head).await?.0));
        }
        Err(error) => return Err(error.into()),
    };
    if projections.cursor() > head.0 {
        tracing::warn!(
            "the projections are ahead of the log, which must have been restored: they are built anew"
        );
        drop(projections);
        return Ok(Arc::new(rebuild_projections(&root, log, head).await?.0));
    }
    let bar = progress(head.0 - projections.cursor(), "folding the log");
    let from = projections.cursor();
    rebuild::fold(&**log, &projections, head, &mut |position, _| {
        bar.set_position(position.0 - from)
    })
    .await?;
    bar.finish_and_clear();
    Ok(Arc::new(projections))
}

/// Builds the projections anew beside the present ones and puts them in their place. Also says how
/// many events were folded.
pub(crate) async fn rebuild_projections(
    root: &Path,
    log: &SharedLog,
    head: Position,
) -> anyhow::Result<(Projections, usize)> {
    let folder = rebuild::next(root);
    let green = Projections::open(&folder, log.identity())?;
    let bar = progress(head.0, "rebuilding the projections");
    let mut folded = 0;
    let mut tell = |position: Position, events| {
        bar.set_position(position.0);
        folded += events;
    };
    rebuild::fold(&**log, &green, head, &mut tell).await?;
    bar.finish_and_clear();
    drop(green);
    rebuild::switch(root, &folder).context("cannot switch to the new projections")?;
    Ok((Projections::open(&folder, log.identity())?, folded))
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
    Ok((
        Arc::new(Node::start(parts, ids).context("cannot start the node's threads")?),
        random,
    ))
}

impl Server {
    /// Starts everything and listens.
    pub(crate) async fn start(
        config: &Config,
        development: Option<Development>,
    ) -> anyhow::Result<Server> {
        let auth = config.auth.clone();
        // Fetching keys may block for seconds.
        let auth = tokio::task::spawn_blocking(move || Authenticator::new(&auth)).await??;
        let certificate = ServerCertificate::load(&config.tls, &config.data, SystemClock.now_ms())?;
        let (node, random) = node(config).await?;
        let gateway = Gateway::new(node.clone(), auth, config.limits.clone(), random);
        let tls = config
            .tls_on_tcp
            .then(|| certificate.server_config(&["http/1.1"]));
        let listener = Listener::bind(config.listen(), tls)
            .await
            .with_context(|| {
                format!(
                    "cannot listen on {} (TCP): choose another --port",
                    config.listen()
                )
            })?;
        let http = listener.address();
        let endpoint =
            quic::listen(gateway.clone(), http, certificate.quic_config(&quic::ALPNS))
                .with_context(|| format!("cannot listen on {http} (UDP): choose another --port"))?;
        let quic = endpoint.local_addr()?;
        let router = http::router(gateway.clone(), development, ASSETS);
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let serving = tokio::spawn(http::serve(
            listener,
            router,
            async move { drop(stopped.await) },
        ));
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

fn uuid(random: &dyn ring::rand::SecureRandom) -> Uuid {
    let mut bytes = [0; 16];
    random.fill(&mut bytes).expect("the system has randomness");
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

/// The secret that derived ids depend on: made once, never changed.
fn ids_secret(path: &Path, random: &dyn ring::rand::SecureRandom) -> anyhow::Result<[u8; 32]> {
    match fs::read(path) {
        Ok(bytes) => match bytes.try_into() {
            Ok(secret) => return Ok(secret),
            Err(_) => bail!(
                "{} is to have 32 bytes: restore it from a backup",
                path.display()
            ),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
    let mut secret = [0; 32];
    random.fill(&mut secret).expect("the system has randomness");
    let new = path.with_extension("new");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(&secret)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    if let Some(folder) = path.parent() {
        fs::File::open(folder)?.sync_all()?;
    }
    Ok(secret)
}
