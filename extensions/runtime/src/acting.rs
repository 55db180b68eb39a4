//! Which extensions act, as the log says, made ready to be called.

use std::sync::Arc;

use hashbrown::HashMap;
use tidings_core::{
    domain::ExtensionId,
    projections::{ReadError, rows::extensions as rows},
};
use tidings_extension_host::{Definition, Digest, Extension, Hook, Limits};
use tidings_extension_manifest::{DraftKind, Instances, Manifest};

use crate::{
    breaker::Breaker,
    manage,
    rates::Rates,
    server::{Cap, Shared},
};

/// One version of an extension that acts, or is to stand in for itself while it cannot.
pub(crate) struct One {
    pub(crate) id: ExtensionId,
    pub(crate) manifest: Manifest,
    pub(crate) settings: String,
    pub(crate) version: String,
    pub(crate) order: u32,
    /// Only looks on: nothing that it says has an effect.
    pub(crate) shadow: bool,
    /// What is called; why not, where it cannot be: then what its manifest says of failures counts.
    pub(crate) ready: Result<Extension, String>,
    /// It failed too often, and stands in for itself.
    quarantined: bool,
    pub(crate) rates: Arc<Rates>,
    breakers: [Breaker; Hook::ALL.len()],
}

impl One {
    pub(crate) fn breaker(&self, hook: Hook) -> &Breaker {
        let at = Hook::ALL.iter().position(|other| *other == hook);
        &self.breakers[at.unwrap_or_default()]
    }

    /// Whether it is to act and cannot: not since it was given up.
    pub(crate) fn is_broken(&self) -> bool {
        self.ready.is_err() && !self.quarantined
    }

    /// Whether it was made by `tidings ext dev`: its author looks on, and is told everything that it says and wants.
    pub(crate) fn is_being_written(&self) -> bool {
        // `1.0.0-dev.` and the milliseconds at which it was built.
        let built = self.version.split_once("-dev.").map(|(_, built)| built);
        built.is_some_and(|built| {
            built.len() >= 13 && built.bytes().all(|byte| byte.is_ascii_digit())
        })
    }

    /// Whether it is ready and has the hook.
    pub(crate) fn has(&self, hook: Hook) -> bool {
        self.ready.as_ref().is_ok_and(|ready| ready.has(hook))
    }
}

/// All that act.
#[derive(Default)]
pub(crate) struct Acting {
    /// In the operator's order.
    pub(crate) all: Vec<Arc<One>>,
    /// Those that look at drafts, by kind.
    moderators: [Vec<Arc<One>>; 4],
}

impl Acting {
    fn new(mut all: Vec<Arc<One>>) -> Acting {
        all.sort_by(|a, b| (a.order, &a.id, a.shadow).cmp(&(b.order, &b.id, b.shadow)));
        let of = |kind: DraftKind| -> Vec<Arc<One>> {
            let looks = |one: &&Arc<One>| {
                let moderation = one.manifest.moderation.as_ref();
                moderation.is_some_and(|moderation| moderation.kinds.contains(&kind))
            };
            all.iter().filter(looks).cloned().collect()
        };
        let moderators = [
            of(DraftKind::Message),
            of(DraftKind::Edit),
            of(DraftKind::Name),
            of(DraftKind::Profile),
        ];
        Acting { all, moderators }
    }

    /// Those that look at drafts of a kind, in the operator's order.
    pub(crate) fn moderators(&self, kind: DraftKind) -> &[Arc<One>] {
        &self.moderators[kind as usize]
    }

    /// The one that acts under an id.
    pub(crate) fn named(&self, id: &str) -> Option<&Arc<One>> {
        self.all.iter().find(|one| !one.shadow && *one.id == *id)
    }
}

/// What is to act.
struct Wanted {
    id: ExtensionId,
    version: String,
    digest: Option<Digest>,
    manifest: String,
    settings: String,
    order: u32,
    shadow: bool,
    quarantine: Option<String>,
}

/// What the log says is to act.
fn wanted(shared: &Shared) -> Result<Vec<Wanted>, ReadError> {
    let view = shared.node.projections.read();
    let mut wanted = Vec::new();
    for (id, row) in rows::all(&view)? {
        let last = row.before.last();
        // One in quarantine still stands where it stood, so that nothing gets past a moderator because it broke.
        let quarantined = row.quarantine.as_ref().map(|(quarantine, _)| {
            let before = last.filter(|before| before.version == quarantine.version);
            (
                before.cloned(),
                format!("it is in quarantine: {}", quarantine.cause),
            )
        });
        let active = row.active.as_ref();
        let active = active.map(|active| (active.activation.clone(), false, None));
        let shadow = row.shadow.as_ref();
        let shadow = shadow.map(|shadow| (shadow.activation.clone(), true, None));
        let quarantined = quarantined.and_then(|(before, why)| Some((before?, false, Some(why))));
        for (activation, shadow, quarantine) in [active, quarantined, shadow].into_iter().flatten()
        {
            let manifest = rows::manifest_of(&view, &id, &activation.version)?;
            let installed = row.versions.iter();
            let mut installed = installed.filter(|other| other.version == activation.version);
            wanted.push(Wanted {
                id: id.clone(),
                digest: installed.next().map(|installed| Digest(installed.digest)),
                manifest: manifest.unwrap_or_default(),
                version: activation.version,
                settings: activation.settings,
                order: activation.order,
                shadow,
                quarantine,
            });
        }
    }
    Ok(wanted)
}

/// Makes ready what is to act. What is ready already, as it is to be, is taken over from `before`.
pub(crate) async fn load(shared: &Shared, before: &Acting) -> Result<Acting, ReadError> {
    let mut all = Vec::new();
    let mut rates: HashMap<ExtensionId, Arc<Rates>> = HashMap::new();
    for one in before.all.iter().filter(|one| !one.shadow) {
        rates.insert(one.id.clone(), one.rates.clone());
    }
    for wanted in wanted(shared)? {
        let same = before.all.iter().find(|one| {
            one.id == wanted.id
                && one.version == wanted.version
                && one.settings == wanted.settings
                && one.order == wanted.order
                && one.shadow == wanted.shadow
                && one.ready.is_ok() == wanted.quarantine.is_none()
        });
        if let Some(same) = same {
            all.push(same.clone());
            continue;
        }
        let manifest = match Manifest::from_json(&wanted.manifest) {
            Ok(manifest) => manifest,
            Err(error) => {
                tracing::error!(extension = %wanted.id, version = wanted.version, %error, "a manifest cannot be read");
                continue;
            }
        };
        let ready = match &wanted.quarantine {
            Some(why) => Err(why.clone()),
            None => ready(shared, &wanted, &manifest).await,
        };
        match &ready {
            Ok(_) => {
                tracing::info!(extension = %wanted.id, version = wanted.version, shadow = wanted.shadow, "acts");
                let asks = manifest.limits.time_ms.map_or(0, u64::from);
                if manifest.moderation.is_some()
                    && u128::from(asks) > shared.cap.moderation.as_millis()
                {
                    tracing::warn!(extension = %wanted.id, time_ms = asks, "its time is more than extensions.moderation_ms gives all moderators together");
                }
            }
            Err(why) => {
                tracing::error!(extension = %wanted.id, version = wanted.version, why, "does not act");
            }
        }
        let rates = rates.entry(wanted.id.clone()).or_default().clone();
        let one = Arc::new(One {
            id: wanted.id,
            version: wanted.version,
            settings: wanted.settings,
            order: wanted.order,
            shadow: wanted.shadow,
            manifest,
            ready,
            quarantined: wanted.quarantine.is_some(),
            // Not those that count: it would add a second time.
            rates: if wanted.shadow { Arc::default() } else { rates },
            breakers: Default::default(),
        });
        for name in manage::lacks_secrets(shared, &one) {
            tracing::warn!(extension = %one.id, version = one.version, name, "lacks a secret here: name its file under extensions.secrets");
        }
        all.push(one);
    }
    Ok(Acting::new(all))
}

async fn ready(shared: &Shared, wanted: &Wanted, manifest: &Manifest) -> Result<Extension, String> {
    let digest = wanted.digest.ok_or("it is not installed")?;
    let component = shared.components.get(digest).await;
    let component = component.map_err(|error| error.to_string())?;
    let engine = shared.engine.clone();
    let compiled = tokio::task::spawn_blocking(move || engine.compile(&component)).await;
    let compiled = compiled.map_err(|error| error.to_string())?;
    let artifact = compiled.map_err(|error| error.to_string())?;
    let definition = Definition {
        id: wanted.id.to_string(),
        version: wanted.version.clone(),
        config: wanted.settings.clone(),
        limits: limits(manifest, &shared.cap),
    };
    let extension = Extension::new(artifact, definition).map_err(|error| error.to_string())?;
    Ok(match manifest.instances {
        Instances::Fresh => extension,
        Instances::Warm => extension.kept_warm(),
    })
}

/// What a call may use: what the manifest asks for, as far as the operator gives it.
fn limits(manifest: &Manifest, cap: &Cap) -> Limits {
    let usual = Limits::default();
    let asked = &manifest.limits;
    let time = asked.time_ms.map_or(usual.time, |ms| {
        std::time::Duration::from_millis(u64::from(ms))
    });
    let memory = asked
        .memory_mib
        .map_or(usual.memory, |mib| (mib as usize) << 20);
    Limits {
        fuel: asked.fuel.unwrap_or(usual.fuel).min(cap.fuel),
        time: time.min(cap.time),
        memory: memory.min(cap.memory),
    }
}
