//! Extensions that servers of a run have: those of the standard set, examples and guests, installed and activated as an operator
//! does it.

use anyhow::Context as _;
use serde_json::{Value, json};
use tidings_extension_manifest::{Instances, Manifest, embed, read};

use super::{
    WORDS,
    place::{self, Running},
};

const MODERATION: &[u8] = include_bytes!("../../../../extensions/standard/built/moderation.wasm");
const TOASTS: &[u8] = include_bytes!("../../../../extensions/standard/built/toasts.wasm");
const BADGES: &[u8] = include_bytes!("../../../../extensions/standard/built/badges.wasm");
const WORD_FILTER: &[u8] = include_bytes!("../../../../examples/extensions/built/word-filter.wasm");
const SPAM_SCORE: &[u8] = include_bytes!("../../../../examples/extensions/built/spam-score.wasm");

/// How long a verdict may take here, in milliseconds. Time is the clock's, also while others have the CPU: with the generator beside the
/// server, and as fast as messages go, one in a hundred thousand would not be given the usual 50 ms, and its message be held.
const VERDICT_MS: u32 = 2_000;

/// A component with its manifest, and how it is to act.
pub(super) struct One {
    pub(super) component: Vec<u8>,
    pub(super) manifest: Manifest,
    pub(super) settings: Value,
}

impl One {
    /// As it was built, or under another name, version and hooks.
    fn of(
        component: &[u8],
        settings: Value,
        change: impl FnOnce(&mut Manifest),
    ) -> anyhow::Result<One> {
        let mut manifest = read(component)?.context("a component without a manifest")?;
        change(&mut manifest);
        One::with(component, settings, manifest)
    }

    fn with(component: &[u8], settings: Value, mut manifest: Manifest) -> anyhow::Result<One> {
        if manifest.moderation.is_some() {
            manifest.limits.time_ms = Some(VERDICT_MS);
        }
        manifest.check()?;
        Ok(One {
            component: embed(component, &manifest)?,
            manifest,
            settings,
        })
    }
}

/// Standard moderation with all its rules, none of which does anything about what it finds: the load's texts begin with numbers
/// that may look like anything, and everybody writes more than people do.
fn moderation(version: &str) -> anyhow::Result<One> {
    let nothing = json!({ "low": "none", "medium": "none", "high": "none", "critical": "none" });
    let version = version.parse()?;
    One::of(MODERATION, json!({ "actions": nothing }), |manifest| {
        manifest.version = version;
    })
}

/// Standard badges which count each view.
fn badges(version: &str) -> anyhow::Result<One> {
    let views = json!({ "distinct": false, "most": 1_000_000 });
    let version = version.parse()?;
    One::of(BADGES, json!({ "profile_views": views }), |manifest| {
        manifest.version = version;
    })
}

/// The first version of what is swapped: a moderator and a reactor.
pub(super) fn version(number: u32) -> anyhow::Result<[One; 2]> {
    let version = format!("1.{number}.0");
    Ok([moderation(&version)?, badges(&version)?])
}

/// Three moderators and two reactors. Those that are called about every message are kept warm, as the standard set asks for itself.
pub(super) fn working() -> anyhow::Result<Vec<One>> {
    let words = "id = \"words\"\nversion = \"1.0.0\"\nsummary = \"Refuses some words\"\ninstances = \"warm\"\n[moderation]\nkinds = [\"message\"]";
    let words = Manifest::parse_toml(words)?;
    let kept = |manifest: &mut Manifest| manifest.instances = Instances::Warm;
    let unchanged = |_: &mut Manifest| {};
    Ok(vec![
        moderation("1.0.0")?,
        One::of(WORD_FILTER, json!({}), kept)?,
        One::with(WORDS, json!({}), words)?,
        One::of(TOASTS, json!({}), unchanged)?,
        badges("1.0.0")?,
    ])
}

/// One that is called about every message.
pub(super) fn fires() -> anyhow::Result<One> {
    One::of(WORD_FILTER, json!({}), |_| {})
}

/// So many that nothing ever happens for: moderators of profiles, told of an event that the product never records, with a timer
/// that none of them sets.
pub(super) fn waiting(count: u32) -> anyhow::Result<Vec<One>> {
    let waits = |number| {
        One::of(SPAM_SCORE, json!({}), |manifest| {
            manifest.id = format!("waiting-{number}");
            if let Some(moderation) = &mut manifest.moderation {
                moderation.kinds = [tidings_extension_manifest::DraftKind::Profile].into();
            }
            if let Some(reactor) = &mut manifest.reactor {
                reactor.events = ["app.never.happens".parse().expect("a kind of event")].into();
            }
        })
    };
    (0..count).map(waits).collect()
}

/// Has all of them act, and names them.
pub(super) fn act(running: &Running, all: &[One]) -> anyhow::Result<Vec<String>> {
    all.iter()
        .map(|one| {
            install(running, one)?;
            activate(running, one)?;
            let hooks = one.manifest.hooks().join("+");
            Ok(format!("{} ({hooks})", one.manifest.id))
        })
        .collect()
}

pub(super) fn install(running: &Running, one: &One) -> anyhow::Result<()> {
    let name = one.manifest.name();
    let answer = running
        .endpoint
        .post("/v1/extensions", "application/wasm", None, &one.component);
    place::read(answer).with_context(|| format!("installing {name}"))?;
    Ok(())
}

pub(super) fn activate(running: &Running, one: &One) -> anyhow::Result<()> {
    let name = one.manifest.name();
    let path = format!("/v1/extensions/{}/active", one.manifest.id);
    let how = json!({
        "version": one.manifest.version.to_string(),
        "settings": one.settings,
        "accept_wider": true,
    });
    place::read(running.endpoint.put(&path, &how)).with_context(|| format!("activating {name}"))?;
    Ok(())
}
