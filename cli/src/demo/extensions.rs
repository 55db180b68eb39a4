//! The demo's extensions: the standard set, installed and activated as `tidings ext install --activate` does.

use anyhow::Context as _;
use bytes::Bytes;
use serde_json::{Value, json};
use tidings_core::domain::ExtensionId;
use tidings_extensions::{
    Extensions,
    manage::{Activate, Status},
};

/// Id and component. Beside each in the folder stands what it was built from.
const STANDARD: [(&str, &[u8]); 3] = [
    (
        "toasts",
        include_bytes!("../../../extensions/standard/built/toasts.wasm"),
    ),
    (
        "badges",
        include_bytes!("../../../extensions/standard/built/badges.wasm"),
    ),
    (
        "moderation",
        include_bytes!("../../../extensions/standard/built/moderation.wasm"),
    ),
];

/// Installs and activates the standard set. What somebody has done about an extension in this folder stays: one that
/// does not act any more, in whatever version, is not made to.
pub(crate) async fn activate(extensions: &Extensions) -> anyhow::Result<()> {
    for (id, component) in STANDARD {
        one(extensions, id, Bytes::from_static(component))
            .await
            .with_context(|| {
                format!("the extension {id} (without the standard ones: --no-extensions)")
            })?;
    }
    Ok(())
}

async fn one(extensions: &Extensions, id: &str, component: Bytes) -> anyhow::Result<()> {
    let known = extensions.list()?.into_iter().find(|known| known.id == id);
    let manifest = tidings_extension_manifest::read(&component)?;
    let version = manifest.context("it has no manifest")?.version.to_string();
    if known
        .as_ref()
        .is_some_and(|known| is_settled(known, &version))
    {
        return Ok(());
    }
    let installed = extensions.install(component, None).await?;
    let how = Activate {
        // Another version takes over those of the version before.
        settings: settings(id).filter(|_| known.is_none()),
        // Whoever starts the demo runs what comes with the program.
        accept_wider: true,
        ..Activate::default()
    };
    let id = ExtensionId::new(id)?;
    extensions
        .activate(&id, &installed.version, how, None)
        .await?;
    Ok(())
}

/// Whether there is nothing to be done: this version is known, or somebody wants none to act.
fn is_settled(known: &Status, version: &str) -> bool {
    let has_acted = known.quarantine.is_some() || known.rollback.is_some();
    match known.active {
        Some(_) => known.versions.iter().any(|one| one.version == version),
        // One that has never acted: the demo was ended before it was activated.
        None => has_acted || known.shadow.is_some(),
    }
}

/// What is other than by default: where a click on a toast leads, which the page understands.
fn settings(id: &str) -> Option<Value> {
    let person = json!({ "link": "/people/{id}" });
    (id == "toasts").then(|| {
        json!({
            "profile_viewed": person,
            "flirted": person,
            "liked": person,
            "matched": person,
            "contact_accepted": person,
        })
    })
}
