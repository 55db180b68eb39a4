//! Connecting: which server is refused, and with which sentence.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::account::Account;
use async_nats::jetstream::stream::Info;
use async_nats::{Client, ConnectOptions, ServerAddr, ServerInfo};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::api::insist;
use super::error::{ConnectError, Warning};
use super::link::Link;
use super::presence::Presence;
use super::{Api, ApiError, Auth, Config, JetStream, Shared, monitor, streams};
use crate::log::{Identity, Lane, MAX_RECORD_BYTES};

/// Oldest server whose fences and stream settings are all there.
const OLDEST: (u64, u64) = (2, 12);

/// Room for the headers of a record.
const HEADER_BYTES: usize = 4 * 1024;

/// Shards of a new log, with one replica and with several (the design's section 3 has the measurements).
const SHARDS_SINGLE: u16 = 1;
const SHARDS_REPLICATED: u16 = 64;

/// Messages that wait for their reader, at most. What is beyond is dropped and then asked for again,
/// so this must hold what the server sends before it wants a sign: up to 32 MiB.
const SUBSCRIPTION_CAPACITY: usize = 262_144;

/// Connects to a log. Without an epoch to make a new one with, it must exist.
pub(super) async fn connect(
    config: Config,
    epoch: Option<Uuid>,
) -> Result<JetStream, ConnectError> {
    let link = Link::default();
    let api = api_over(&config, &link).await?;
    let readers = open(&config, "tidings tail", &link).await?;

    let identity = journal(&api, &config, epoch).await?;
    let wanted = streams::wanted(&config.prefix, Lane::Presence, config.replicas, identity);
    let info = existing_or_new(&api, &wanted, config.patience).await?;
    streams::check(&info.config, &wanted)?;
    let marker = streams::marker(&config.prefix);
    // A stream that has just been made may have no leader yet.
    let presence = insist(config.patience, || {
        Presence::open(&api, wanted.clone(), marker.clone(), identity.epoch)
    });
    let presence = presence.await.map_err(|e| ConnectError::Unavailable {
        patience: config.patience,
        reason: e.to_string(),
    })?;

    let warnings = sync_warnings(&config).await;
    let turns = || (0..identity.shards).map(|_| Mutex::new(None)).collect();
    Ok(JetStream {
        warnings,
        shared: Arc::new(Shared {
            journal_turns: turns(),
            presence_turns: turns(),
            seen: (0..identity.shards).map(|_| AtomicU64::new(0)).collect(),
            replaced: std::sync::OnceLock::new(),
            config,
            identity,
            api,
            readers,
            presence,
        }),
    })
}

/// A connection to a server that will do.
pub(super) async fn api(config: &Config) -> Result<Api, ConnectError> {
    api_over(config, &Link::default()).await
}

async fn api_over(config: &Config, link: &Link) -> Result<Api, ConnectError> {
    config.check()?;
    let client = open(config, "tidings", link).await?;
    check_server(&client.server_info())?;
    let api = Api::new(client, config.domain.as_deref());
    check_account(&api, config).await?;
    Ok(api)
}

impl Config {
    /// Refuses a configuration that cannot be right whatever NATS says, and files that cannot be opened.
    /// Nobody is asked: neither NATS, nor whether the names of its servers can be resolved.
    pub fn check(&self) -> Result<(), ConnectError> {
        let fine = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if self.prefix.is_empty() || !self.prefix.chars().all(fine) {
            return Err(ConnectError::Config(format!(
                "the prefix {:?} must be made of letters, digits, - and _",
                self.prefix
            )));
        }
        if self.replicas != 1 && self.replicas != 3 {
            return Err(ConnectError::Config(format!(
                "replicas = {} is not supported: use 1 or 3",
                self.replicas
            )));
        }
        if let Some(domain) = &self.domain
            && (domain.is_empty() || !domain.chars().all(fine))
        {
            return Err(ConnectError::Config(format!(
                "the domain {domain:?} must be made of letters, digits, - and _"
            )));
        }
        if self.shards == Some(0) {
            return Err(ConnectError::Config(
                "a log needs at least one shard".to_owned(),
            ));
        }
        addresses(self)?;
        for path in files(self) {
            std::fs::File::open(path).map_err(|e| ConnectError::File {
                path: path.clone(),
                reason: e.to_string(),
            })?;
        }
        Ok(())
    }
}

/// The files that connecting needs.
fn files(config: &Config) -> impl Iterator<Item = &PathBuf> {
    let credentials = match &config.auth {
        Auth::Credentials(path) => Some(path),
        Auth::None | Auth::Token(_) | Auth::User { .. } => None,
    };
    let tls = config.tls.iter().flat_map(|tls| {
        let pair = tls.certificate.iter().flat_map(|(cert, key)| [cert, key]);
        tls.roots.iter().chain(pair)
    });
    credentials.into_iter().chain(tls)
}

/// The servers' addresses.
fn addresses(config: &Config) -> Result<Vec<ServerAddr>, ConnectError> {
    if config.servers.is_empty() {
        return Err(ConnectError::Config(
            "servers = [] names no server to connect to".to_owned(),
        ));
    }
    let mut addresses = Vec::new();
    for server in &config.servers {
        let address = server.parse::<ServerAddr>();
        let address = address.map_err(|e| {
            // It may hold a password all the same.
            let shown = server.rsplit('@').next().unwrap_or(server);
            ConnectError::Config(format!("{shown:?} is not a server address: {e}"))
        })?;
        // Addresses are shown in messages.
        if address.has_user_pass() || address.password().is_some() {
            return Err(ConnectError::Config(format!(
                "the address of {} holds a user or a token: configure it beside the address",
                address.host()
            )));
        }
        addresses.push(address);
    }
    Ok(addresses)
}

async fn open(config: &Config, name: &str, link: &Link) -> Result<Client, ConnectError> {
    let options = ConnectOptions::new()
        .name(name)
        .connection_timeout(Duration::from_secs(5))
        // A server that is frozen rather than dead is left after three of these.
        .ping_interval(Duration::from_secs(2))
        .subscription_capacity(SUBSCRIPTION_CAPACITY)
        .reconnect_delay_callback(|n| Duration::from_millis((n as u64 * 20).min(500)))
        .event_callback(link.listener());
    let options = match &config.auth {
        Auth::None => options,
        Auth::Token(token) => options.token(token.clone()),
        Auth::User { name, password } => options.user_and_password(name.clone(), password.clone()),
        Auth::Credentials(path) => {
            options
                .credentials_file(path)
                .await
                .map_err(|e| ConnectError::File {
                    path: path.clone(),
                    reason: e.to_string(),
                })?
        }
    };
    let options = match &config.tls {
        None => options,
        Some(tls) => {
            let mut options = options.require_tls(true);
            if let Some(roots) = &tls.roots {
                options = options.add_root_certificates(roots.clone());
            }
            if let Some((certificate, key)) = &tls.certificate {
                options = options.add_client_certificate(certificate.clone(), key.clone());
            }
            options
        }
    };
    let servers = config.servers.join(", ");
    let client = options.connect(addresses(config)?).await;
    client.map_err(|e| {
        let mut reason = e.to_string();
        let mut source = std::error::Error::source(&e);
        while let Some(cause) = source {
            if !reason.contains(&cause.to_string()) {
                reason = format!("{reason}: {cause}");
            }
            source = cause.source();
        }
        ConnectError::Unreachable { servers, reason }
    })
}

/// Refuses a server by what it says of itself.
pub(super) fn check_server(info: &ServerInfo) -> Result<(), ConnectError> {
    let server = if info.server_name.is_empty() {
        &info.server_id
    } else {
        &info.server_name
    };
    if version(&info.version).is_none_or(|version| version < OLDEST) {
        return Err(ConnectError::OldServer {
            server: server.clone(),
            version: info.version.clone(),
        });
    }
    let needed = MAX_RECORD_BYTES + HEADER_BYTES;
    if info.max_payload < needed {
        return Err(ConnectError::MaxPayload {
            server: server.clone(),
            value: info.max_payload,
            needed,
        });
    }
    Ok(())
}

fn version(text: &str) -> Option<(u64, u64)> {
    let mut parts = text
        .trim_start_matches('v')
        .split(['.', '-', '+'])
        .map(str::parse);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Some((major, minor)),
        _ => None,
    }
}

async fn check_account(api: &Api, config: &Config) -> Result<(), ConnectError> {
    let patience = config.patience;
    let info = api.client().server_info();
    let asked = insist(patience, || api.ask::<_, Account>("INFO".to_owned(), &())).await;
    let off = |reason: String| ConnectError::JetStreamOff {
        server: info.server_name.clone(),
        reason,
    };
    match asked {
        Ok(_) => Ok(()),
        Err(ApiError::NoResponders) => Err(match &config.domain {
            None => off("nobody answers for it".to_owned()),
            Some(domain) => ConnectError::Domain {
                server: info.server_name.clone(),
                domain: domain.clone(),
            },
        }),
        Err(error)
            if error.code().is_some_and(|code| {
                code == ErrorCode::JETSTREAM_NOT_ENABLED
                    || code == ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT
            }) =>
        {
            Err(off(error.to_string()))
        }
        Err(error) => Err(ConnectError::Unavailable {
            patience,
            reason: error.to_string(),
        }),
    }
}

/// The journal's identity: what is recorded in it, or what it has just been made with.
async fn journal(
    api: &Api,
    config: &Config,
    epoch: Option<Uuid>,
) -> Result<Identity, ConnectError> {
    let Some(epoch) = epoch else {
        let stream = streams::stream(&config.prefix, Lane::Journal);
        return match insist(config.patience, || api.info(&stream)).await {
            Ok(info) => streams::identity(&info.config),
            Err(error) if error.code() == Some(ErrorCode::STREAM_NOT_FOUND) => {
                Err(ConnectError::Missing { stream })
            }
            Err(error) => Err(ConnectError::Unavailable {
                patience: config.patience,
                reason: error.to_string(),
            }),
        };
    };
    let default = if config.replicas == 1 {
        SHARDS_SINGLE
    } else {
        SHARDS_REPLICATED
    };
    let new = Identity {
        epoch,
        shards: config.shards.unwrap_or(default),
    };
    let wanted = streams::wanted(&config.prefix, Lane::Journal, config.replicas, new);
    let info = existing_or_new(api, &wanted, config.patience).await?;
    // What the stream is like matters less than whose it is.
    let identity = streams::identity(&info.config)?;
    streams::check(&info.config, &wanted)?;
    match config.shards {
        Some(shards) if shards != identity.shards => Err(ConnectError::Shards {
            found: identity.shards,
            wanted: shards,
        }),
        _ => Ok(identity),
    }
}

/// The stream of that name as it is, made first if there is none. Of several nodes that make it at
/// once, one does.
pub(crate) async fn existing_or_new(
    api: &Api,
    wanted: &async_nats::jetstream::stream::Config,
    patience: Duration,
) -> Result<Info, ConnectError> {
    let unavailable = |e: ApiError| ConnectError::Unavailable {
        patience,
        reason: e.to_string(),
    };
    match insist(patience, || api.info(&wanted.name)).await {
        Ok(info) => return Ok(info),
        Err(error) if error.code() == Some(ErrorCode::STREAM_NOT_FOUND) => {}
        Err(error) => return Err(unavailable(error)),
    }
    match insist(patience, || api.create(wanted)).await {
        Ok(info) => Ok(info),
        Err(error) if error.code() == Some(ErrorCode::STREAM_NAME_EXIST) => {
            insist(patience, || api.info(&wanted.name))
                .await
                .map_err(unavailable)
        }
        Err(ApiError::Refused(error)) => Err(ConnectError::Refused {
            stream: wanted.name.clone(),
            reason: match error.error_code() {
                ErrorCode::STREAM_REPLICAS_NOT_SUPPORTED => format!(
                    "{} replicas need a cluster of servers; configure 1, or start a cluster",
                    wanted.num_replicas
                ),
                _ => error.to_string(),
            },
        }),
        Err(error) => Err(unavailable(error)),
    }
}

async fn sync_warnings(config: &Config) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for url in &config.monitor_urls {
        match monitor::settings(url).await {
            Ok(settings) if settings.sync_always => {}
            Ok(settings) => warnings.push(Warning::NotSynced {
                url: url.clone(),
                interval: settings.sync_interval(),
            }),
            Err(reason) => warnings.push(Warning::SyncUnknown {
                url: url.clone(),
                reason,
            }),
        }
    }
    if config.monitor_urls.len() < config.replicas {
        warnings.push(Warning::SyncUnchecked {
            urls: config.monitor_urls.len(),
            replicas: config.replicas,
        });
    }
    warnings
}
