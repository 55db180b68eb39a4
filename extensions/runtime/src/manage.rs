//! What operators do with extensions: install, activate, look.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};

use bytes::Bytes;
use schemars::JsonSchema;
use serde::Serialize;
use tidings_core::{
    domain::{
        Command, CommandId, ExtensionCommand, ExtensionId, Refusal, UserId,
        extension::{Activation, ExtensionIdError, Quarantine, Version},
    },
    handler::Answer,
    projections::{
        ReadError, Table,
        rows::{self as core_rows, extensions as rows},
    },
};
use tidings_extension_host::{CompileError, Digest, Hook};
use tidings_extension_manifest::{self as manifest, EmbedError, Manifest, SettingsErrors};

use crate::{
    acting::One,
    components::ComponentsError,
    server::{Extensions, Shared, refresh},
};

/// Who operators' commands are by.
pub const OPERATOR: &str = "system:operator";

/// Users who are named of those for whom alone a hook is left alone.
const USERS_SHOWN: usize = 100;

/// Why something was not done with an extension.
#[derive(Debug, thiserror::Error)]
pub enum ManageError {
    /// Not a component that can be used.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// It says nothing of itself.
    #[error(
        "the component has no manifest: build it with `tidings ext build`, which puts extension.toml into it"
    )]
    NoManifest,
    /// What it says of itself cannot be read.
    #[error(transparent)]
    Manifest(#[from] EmbedError),
    /// Manifest and component do not agree.
    #[error(
        "the manifest names the hooks {named}, the component has {has}: name those it has, or export those it names"
    )]
    Hooks {
        /// Named by the manifest.
        named: String,
        /// Exported by the component.
        has: String,
    },
    /// The settings.
    #[error(transparent)]
    Settings(#[from] SettingsErrors),
    /// It asks for more than the version before it.
    #[error("it asks for more than the version before: {}; say that this is wanted", .0.join("; "))]
    Wider(Vec<String>),
    /// Not an id.
    #[error(transparent)]
    Id(#[from] ExtensionIdError),
    /// There is none.
    #[error("no such {0}")]
    NotFound(String),
    /// The core refused.
    #[error(transparent)]
    Refused(Refusal),
    /// Not now.
    #[error("{0}")]
    Unavailable(String),
    /// Where components are.
    #[error(transparent)]
    Components(#[from] ComponentsError),
    /// The rows.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// What was installed.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Installed {
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the component.
    pub digest: String,
    /// Bytes of the component.
    pub size: u64,
    /// What it is for.
    pub summary: String,
    /// Its hooks.
    pub hooks: Vec<&'static str>,
    /// What it asks for, in sentences.
    pub asks: Vec<String>,
    /// What changed since the version that acts, or acted last.
    pub changes: Vec<String>,
    /// Whether it asks for more than that.
    pub widens: bool,
    /// Whether it was installed already.
    pub duplicate: bool,
    /// Position of the log at which it is known.
    pub position: u64,
}

/// How an extension is.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Status {
    /// Its id.
    pub id: String,
    /// What it is for, as the version says that acts or was installed last.
    pub summary: String,
    /// Versions that are installed.
    pub versions: Vec<VersionStatus>,
    /// The version that acts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<ActiveStatus>,
    /// The version in its shadow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ActiveStatus>,
    /// Why none acts, if it failed too often.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<QuarantineStatus>,
    /// The version that a rollback lets act again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback: Option<String>,
    /// Positions of the log that it has not been told of yet, on the server that tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag: Option<u64>,
    /// Events that it is to be told again.
    pub waiting: u64,
    /// Events set aside since it could not deal with them.
    pub parked: u64,
    /// Bytes in its store.
    pub store_bytes: u64,
    /// Timers that wait.
    pub timers: u64,
    /// What it counts of its own, on this server since it was started.
    pub counters: BTreeMap<String, f64>,
}

/// A version that is installed.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct VersionStatus {
    /// Which.
    pub version: String,
    /// SHA-256 of the component.
    pub digest: String,
    /// Bytes of the component.
    pub size: u64,
    /// When it was installed, milliseconds since 1970.
    pub at_ms: u64,
}

/// A version that acts.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ActiveStatus {
    /// Which.
    pub version: String,
    /// Its settings.
    pub settings: serde_json::Value,
    /// Its place among others.
    pub order: u32,
    /// Since which position of the log.
    pub position: u64,
    /// Since when, milliseconds since 1970.
    pub at_ms: u64,
    /// Its hooks.
    pub hooks: Vec<&'static str>,
    /// Why it cannot act on this server, if it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken: Option<String>,
    /// Secrets that it may send, and that the configuration of this server does not have (`extensions.secrets`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lacks_secrets: Vec<String>,
    /// Hooks that are left alone at present, since they keep failing.
    pub left_alone: Vec<&'static str>,
    /// By hook, the users for whom alone it keeps failing and is left alone on this server, 100 of them at most.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub left_alone_for: BTreeMap<&'static str, Vec<String>>,
}

/// Why none acts.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct QuarantineStatus {
    /// Which version failed.
    pub version: String,
    /// In which hook.
    pub hook: String,
    /// What happened.
    pub cause: String,
    /// Since when, milliseconds since 1970.
    pub at_ms: u64,
}

/// How a version is to act.
#[derive(Clone, Debug, Default)]
pub struct Activate {
    /// Its settings; those that the version before it had, if nothing is said.
    pub settings: Option<serde_json::Value>,
    /// Its place among others: the lowest is asked first.
    pub order: Option<u32>,
    /// Only look on.
    pub shadow: bool,
    /// It may ask for more than the version before it.
    pub accept_wider: bool,
}

impl Extensions {
    /// Installs a component: looks at it, compiles it, keeps it, records it.
    ///
    /// # Errors
    /// When it cannot be used, or not be kept.
    pub async fn install(
        &self,
        component: Bytes,
        id: Option<CommandId>,
    ) -> Result<Installed, ManageError> {
        let read = manifest::read(&component)?.ok_or(ManageError::NoManifest)?;
        let engine = self.shared.engine.clone();
        let bytes = component.clone();
        let compiled = tokio::task::spawn_blocking(move || engine.compile(&bytes)).await;
        let artifact = compiled.map_err(|error| ManageError::Unavailable(error.to_string()))??;
        let has: Vec<&str> = artifact
            .inspection()
            .hooks
            .iter()
            .map(|hook| hook.name())
            .collect();
        let named = read.hooks();
        if has != named {
            return Err(ManageError::Hooks {
                named: named.join(", "),
                has: has.join(", "),
            });
        }
        let extension = ExtensionId::new(&read.id)?;
        let digest = self.shared.components.put(&component).await?;
        let version = Version {
            version: read.version.to_string(),
            digest: digest.0,
            size: component.len() as u64,
            manifest: read.to_json(),
        };
        let before = self.before(&extension)?;
        let command = ExtensionCommand::Install(version);
        let accepted = self.command(&extension, command, id).await?;
        let (changes, widens) = changes(before.as_ref(), &read);
        Ok(Installed {
            id: read.id.clone(),
            version: read.version.to_string(),
            digest: digest.to_string(),
            size: component.len() as u64,
            summary: read.summary.clone(),
            hooks: named,
            asks: read.asks().iter().map(ToString::to_string).collect(),
            changes,
            widens,
            duplicate: accepted.duplicate,
            position: accepted.position,
        })
    }

    /// Lets a version act. It does on this server once this returns.
    ///
    /// # Errors
    /// When it is not installed, its settings do not fit, or it asks for more than the version before and nobody said that this is
    /// wanted.
    pub async fn activate(
        &self,
        extension: &ExtensionId,
        version: &str,
        how: Activate,
        id: Option<CommandId>,
    ) -> Result<u64, ManageError> {
        let (row, json) = {
            let view = self.shared.node.projections.read();
            let row = rows::of(&view, extension)?;
            (row, rows::manifest_of(&view, extension, version)?)
        };
        let row = row.ok_or_else(|| ManageError::NotFound(format!("extension {extension}")))?;
        let json = json.ok_or_else(|| {
            ManageError::NotFound(format!(
                "version {version} of {extension}: install it first"
            ))
        })?;
        let read = Manifest::from_json(&json)
            .map_err(|error| ManageError::Unavailable(error.to_string()))?;
        let before = self.before(extension)?;
        let (changes, widens) = changes(before.as_ref(), &read);
        if widens && !how.accept_wider && !how.shadow {
            return Err(ManageError::Wider(changes));
        }
        let last = row
            .active
            .as_ref()
            .map(|active| &active.activation)
            .or(row.before.last());
        let settings = match (how.settings, last) {
            (Some(settings), _) => settings,
            (None, Some(last)) => serde_json::from_str(&last.settings).unwrap_or_default(),
            (None, None) => serde_json::json!({}),
        };
        let settings = read.check_settings(&settings)?;
        let usual = u32::try_from(i64::from(read.order) + 1_000).unwrap_or_default();
        let activation = Activation {
            version: version.to_owned(),
            settings: settings.to_string(),
            order: how.order.or(last.map(|last| last.order)).unwrap_or(usual),
        };
        let command = ExtensionCommand::Activate {
            activation,
            shadow: how.shadow,
        };
        let accepted = self.command(extension, command, id).await?;
        refresh(&self.shared).await?;
        Ok(accepted.position)
    }

    /// Lets no version act any more.
    ///
    /// # Errors
    /// When there is no such extension.
    pub async fn deactivate(
        &self,
        extension: &ExtensionId,
        shadow: bool,
        id: Option<CommandId>,
    ) -> Result<u64, ManageError> {
        self.exists(extension)?;
        let accepted = self
            .command(extension, ExtensionCommand::Deactivate { shadow }, id)
            .await?;
        refresh(&self.shared).await?;
        Ok(accepted.position)
    }

    /// Lets the version act again that did before the one that does.
    ///
    /// # Errors
    /// When none did.
    pub async fn rollback(
        &self,
        extension: &ExtensionId,
        id: Option<CommandId>,
    ) -> Result<(String, u64), ManageError> {
        let row = self.exists(extension)?;
        if let Some(done) = id.and_then(|id| self.done(id).transpose()) {
            // Asked again: what acts now is what it led to.
            let active = row.active.map(|active| active.activation.version);
            return Ok((active.unwrap_or_default(), done?));
        }
        let to = acted_before(&row).ok_or_else(|| {
            ManageError::NotFound(format!("version of {extension} that acted before"))
        })?;
        let how = Activate {
            settings: serde_json::from_str(&to.settings).ok(),
            order: Some(to.order),
            shadow: false,
            // It acted before: its grants were accepted then.
            accept_wider: true,
        };
        let position = self
            .activate(extension, &to.version.clone(), how, id)
            .await?;
        Ok((to.version.clone(), position))
    }

    /// Forgets a version, and with the last one all that the extension kept, where that is wanted.
    ///
    /// # Errors
    /// When it acts, or there is none; when it is the last one, something is kept, and it is not to go.
    pub async fn remove(
        &self,
        extension: &ExtensionId,
        version: &str,
        with_store: bool,
        id: Option<CommandId>,
    ) -> Result<u64, ManageError> {
        if let Some(done) = id.and_then(|id| self.done(id).transpose()) {
            // Asked again: it may be gone with all of the extension.
            return done;
        }
        let row = self.exists(extension)?;
        let is_last = matches!(row.versions.as_slice(), [last] if last.version == version);
        if is_last && !with_store {
            let view = self.shared.node.projections.read();
            let lane = rows::lane_of(&view, extension)?;
            let waiting = lane.waiting + lane.parked;
            if lane.kv_bytes > 0 || lane.timers > 0 || waiting > 0 {
                return Err(ManageError::Refused(Refusal::Invalid(format!(
                    "version {version} is the last one of {extension}, and with it go {} bytes of its store, {} timers and {waiting} \
                     events that wait or are set aside: say that this is wanted (with_store)",
                    lane.kv_bytes, lane.timers
                ))));
            }
        }
        if row
            .quarantine
            .is_some_and(|(quarantine, _)| quarantine.version == version)
        {
            return Err(ManageError::Refused(Refusal::Invalid(format!(
                "version {version} is in quarantine and stands for what it would look at: deactivate it first"
            ))));
        }
        let command = ExtensionCommand::Remove {
            version: version.to_owned(),
        };
        Ok(self.command(extension, command, id).await?.position)
    }

    /// All extensions.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn list(&self) -> Result<Vec<Status>, ManageError> {
        let all = {
            let view = self.shared.node.projections.read();
            let all = rows::all(&view)?.into_iter();
            let all = all.map(|(id, row)| {
                let last = row.versions.last().map(|last| last.version.as_str());
                let active = row.active.as_ref();
                let shown = active
                    .map(|active| active.activation.version.as_str())
                    .or(last);
                let manifest = rows::manifest_of(&view, &id, shown.unwrap_or_default())?;
                Ok((rows::lane_of(&view, &id)?, manifest, id, row))
            });
            all.collect::<Result<Vec<_>, ReadError>>()?
        };
        let counted = self.shared.stats.metrics();
        let status = all.into_iter().map(|(lane, manifest, id, row)| {
            let manifest = manifest.and_then(|json| Manifest::from_json(&json).ok());
            let own = counted.iter().filter(|((of, _), _)| **of == *id);
            Status {
                summary: manifest.map(|read| read.summary).unwrap_or_default(),
                counters: own.map(|((_, name), sum)| (name.clone(), *sum)).collect(),
                ..self.status(&id, &row, lane)
            }
        });
        Ok(status.collect())
    }

    /// What a version says of itself.
    ///
    /// # Errors
    /// When there is no such version.
    pub fn manifest(
        &self,
        extension: &ExtensionId,
        version: &str,
    ) -> Result<serde_json::Value, ManageError> {
        let view = self.shared.node.projections.read();
        let json = rows::manifest_of(&view, extension, version)?;
        let json =
            json.ok_or_else(|| ManageError::NotFound(format!("version {version} of {extension}")))?;
        Ok(serde_json::from_str(&json).unwrap_or_default())
    }

    fn status(&self, id: &ExtensionId, row: &rows::Extension, lane: rows::Lane) -> Status {
        let acting = self.shared.acting.load();
        let progress = self.shared.lanes.progress(id);
        let now = tokio::time::Instant::now();
        let of = |active: &rows::Active, shadow: bool| {
            let one = acting
                .all
                .iter()
                .find(|one| one.id == *id && one.shadow == shadow);
            let left_alone = Hook::ALL.into_iter();
            let left_alone =
                left_alone.filter(|hook| one.is_some_and(|one| one.breaker(*hook).is_open(now)));
            let for_users = |hook: Hook| {
                let users = one.map_or_else(Vec::new, |one| one.breaker(hook).users());
                let shown = users.iter().take(USERS_SHOWN);
                (hook.name(), shown.map(ToString::to_string).collect())
            };
            let left_alone_for = Hook::ALL.into_iter().map(for_users);
            ActiveStatus {
                version: active.activation.version.clone(),
                settings: serde_json::from_str(&active.activation.settings).unwrap_or_default(),
                order: active.activation.order,
                position: active.position,
                at_ms: active.at_ms,
                hooks: one.map_or_else(Vec::new, |one| one.manifest.hooks()),
                lacks_secrets: one.map_or_else(Vec::new, |one| lacks_secrets(&self.shared, one)),
                broken: one.and_then(|one| one.ready.as_ref().err().cloned()),
                left_alone: left_alone.map(Hook::name).collect(),
                left_alone_for: left_alone_for
                    .filter(|(_, users): &(_, Vec<String>)| !users.is_empty())
                    .collect(),
            }
        };
        let here = progress.here.load(Ordering::Relaxed);
        let told = progress.told.load(Ordering::Relaxed);
        let cursor = self.shared.node.projections.cursor();
        Status {
            id: id.to_string(),
            summary: String::new(),
            counters: BTreeMap::new(),
            rollback: acted_before(row).map(|to| to.version.clone()),
            versions: row
                .versions
                .iter()
                .map(|installed| VersionStatus {
                    version: installed.version.clone(),
                    digest: Digest(installed.digest).to_string(),
                    size: installed.size,
                    at_ms: installed.at_ms,
                })
                .collect(),
            active: row.active.as_ref().map(|active| of(active, false)),
            shadow: row.shadow.as_ref().map(|shadow| of(shadow, true)),
            quarantine: row
                .quarantine
                .as_ref()
                .map(|(quarantine, at_ms)| QuarantineStatus {
                    version: quarantine.version.clone(),
                    hook: quarantine.hook.clone(),
                    cause: quarantine.cause.clone(),
                    at_ms: *at_ms,
                }),
            lag: (here && row.active.is_some()).then(|| cursor.saturating_sub(told)),
            waiting: lane.waiting,
            parked: lane.parked,
            store_bytes: lane.kv_bytes,
            timers: lane.timers,
        }
    }

    /// What is known of an extension.
    ///
    /// # Errors
    /// When there is none of that id.
    pub fn exists(&self, extension: &ExtensionId) -> Result<rows::Extension, ManageError> {
        let row = rows::of(&self.shared.node.projections.read(), extension)?;
        row.ok_or_else(|| ManageError::NotFound(format!("extension {extension}")))
    }

    /// The manifest of the version that acts, or acted last.
    fn before(&self, extension: &ExtensionId) -> Result<Option<Manifest>, ManageError> {
        let view = self.shared.node.projections.read();
        let Some(row) = rows::of(&view, extension)? else {
            return Ok(None);
        };
        let active = row.active.as_ref().map(|active| &active.activation);
        let Some(last) = active.or(row.before.last()) else {
            return Ok(None);
        };
        let json = rows::manifest_of(&view, extension, &last.version)?;
        Ok(json.and_then(|json| Manifest::from_json(&json).ok()))
    }

    /// Position at which a command was carried out, if it was.
    fn done(&self, id: CommandId) -> Result<Option<u64>, ManageError> {
        let view = self.shared.node.projections.read();
        let key = core_rows::command(id, OPERATOR);
        let row: Option<core_rows::Command> = core_rows::get(&view, Table::Commands, &key)?;
        Ok(row.map(|row| row.position))
    }

    async fn command(
        &self,
        extension: &ExtensionId,
        command: ExtensionCommand,
        id: Option<CommandId>,
    ) -> Result<tidings_core::handler::Accepted, ManageError> {
        let node = &self.shared.node;
        let actor = operator();
        let command = Command::Extension(extension.clone(), command);
        match node.handler.execute(actor, command, id, None).await {
            Answer::Accepted(accepted) => {
                node.projections.reached(accepted.position).await;
                Ok(accepted)
            }
            Answer::Refused(refusal) => Err(ManageError::Refused(refusal)),
            Answer::Unavailable(why) => Err(ManageError::Unavailable(why)),
        }
    }
}

/// Secrets that one may send, by its manifest, and that this server's configuration does not have.
pub(crate) fn lacks_secrets(shared: &Shared, one: &One) -> Vec<String> {
    let given = shared.secrets.get(&*one.id);
    let names = one.manifest.secrets.iter().map(|secret| &secret.name);
    names
        .filter(|name| given.is_none_or(|given| !given.contains_key(*name)))
        .cloned()
        .collect()
}

/// Who does what operators do.
pub(crate) fn operator() -> UserId {
    UserId::new(OPERATOR).expect("an id")
}

/// The version that acted before the one that does, or that failed.
fn acted_before(row: &rows::Extension) -> Option<&Activation> {
    let active = row.active.as_ref();
    let active = active.map(|active| active.activation.version.as_str());
    let failed = row.quarantine.as_ref();
    let failed = failed.map(|(quarantine, _)| quarantine.version.as_str());
    let mut before = row.before.iter().rev();
    before.find(|before| Some(before.version.as_str()) != active.or(failed))
}

/// What changed since the version before, in sentences, and whether it asks for more.
fn changes(before: Option<&Manifest>, after: &Manifest) -> (Vec<String>, bool) {
    match before {
        None => (Vec::new(), false),
        Some(before) => {
            let diff = manifest::diff(before, after);
            let widens = diff.widens();
            (
                diff.changes.iter().map(ToString::to_string).collect(),
                widens,
            )
        }
    }
}

/// Gives an extension up that keeps failing: recorded, so that it does not begin again after a restart.
pub(crate) fn quarantine(shared: &Arc<Shared>, one: &One, hook: Hook, cause: &str) {
    tracing::error!(extension = %one.id, version = one.version, hook = hook.name(), cause, "is quarantined");
    if one.shadow {
        return;
    }
    let command = ExtensionCommand::Quarantine(Quarantine {
        version: one.version.clone(),
        hook: hook.name().to_owned(),
        cause: cause.chars().take(500).collect(),
    });
    let (shared, id) = (shared.clone(), one.id.clone());
    tokio::spawn(async move {
        let command = Command::Extension(id.clone(), command);
        let answer = shared
            .node
            .handler
            .execute(id.account(), command, None, None)
            .await;
        if !matches!(answer, Answer::Accepted(_)) {
            tracing::error!(extension = %id, ?answer, "the quarantine could not be recorded");
        }
    });
}
