//! `tidings ext dev`: at every change of a folder the extension is built, tried out, put to work on a running server, and what it writes is
//! shown.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tidings_extension_manifest::{embed, read as manifest_of};
use tidings_extension_tools::build::Build;

use super::operate::{endpoint, read, settings, text};
use crate::{
    backend::{At, Endpoint},
    say::say,
};

/// How often the folder and the server's lines are looked at.
const LOOK: Duration = Duration::from_millis(300);

/// Folders that hold what is built.
const BUILT: [&str; 6] = [
    "dist",
    "target",
    "node_modules",
    ".git",
    "__pycache__",
    "gen",
];

/// Builds an extension at every change of its folder, has it act on a running server, and shows what it does and writes.
#[derive(Debug, clap::Args)]
pub(crate) struct Dev {
    /// The folder of the extension.
    #[arg(default_value = ".", value_name = "FOLDER")]
    folder: PathBuf,
    /// File with its settings (JSON).
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// Build it, have it act, and end.
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    at: At,
}

impl Dev {
    /// Runs until it is interrupted. Blocking.
    pub(super) fn run(self) -> anyhow::Result<bool> {
        let endpoint = endpoint(&self.at)?;
        let settings = settings(self.settings.as_ref())?;
        let mut seen = None;
        let mut acts: Option<String> = None;
        let mut shown = Shown::default();
        loop {
            let now = stamp(&self.folder)?;
            if seen != Some(now) {
                seen = Some(now);
                match self.put_to_work(&endpoint, settings.as_ref(), &mut shown) {
                    Ok(id) => acts = Some(id),
                    Err(error) if self.once => return Err(error),
                    // The version before goes on acting; the next change is another try.
                    Err(error) => say!("{error:#}"),
                }
                if self.once {
                    return Ok(true);
                }
                say!("waiting for changes of {}", self.folder.display());
            }
            if let Some(id) = &acts
                && let Err(error) = shown.more(&endpoint, id)
            {
                say!("{error:#}");
                thread::sleep(LOOK * 10);
            }
            thread::sleep(LOOK);
        }
    }

    fn put_to_work(
        &self,
        endpoint: &Endpoint,
        settings: Option<&Value>,
        shown: &mut Shown,
    ) -> anyhow::Result<String> {
        let build = Build {
            folder: self.folder.clone(),
            out: None,
            component: None,
        };
        let built = build.run(&mut |step| say!("{step}"))?;
        let component = fs::read(&built.file).with_context(|| built.file.display().to_string())?;
        let mut manifest = manifest_of(&component)?.context("the component has no manifest")?;
        // A version of its own each time: what is installed under one never becomes something else.
        let ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis();
        let version = &manifest.version;
        let version = format!(
            "{}.{}.{}-dev.{ms}",
            version.major, version.minor, version.patch
        );
        manifest.version = version.parse()?;
        let component = embed(&component, &manifest)?;
        read(endpoint.post("/v1/extensions", "application/wasm", None, &component))?;
        let mut body = json!({ "version": version, "accept_wider": true });
        if let Some(settings) = settings {
            body["settings"] = settings.clone();
        }
        let id = manifest.id;
        if !self.once {
            shown.begin(endpoint, &id)?;
        }
        let path = format!("/v1/extensions/{id}/active");
        read(endpoint.put(&path, &body))?;
        say!("{id}@{version} acts");
        forget_others(endpoint, &id, &version);
        Ok(id)
    }
}

/// Versions of earlier changes are not kept.
fn forget_others(endpoint: &Endpoint, id: &str, version: &str) {
    let Ok(all) = read(endpoint.get("/v1/extensions")) else {
        return;
    };
    let all = all["extensions"].as_array().cloned().unwrap_or_default();
    let found = all.into_iter().find(|one| text(one, "id") == id);
    let versions = found.and_then(|one| one["versions"].as_array().cloned());
    for other in versions.into_iter().flatten() {
        let other = text(&other, "version");
        if other != version && other.contains("-dev.") {
            // One that looks on is kept; nothing else can be in the way.
            let _ = endpoint.delete(&format!("/v1/extensions/{id}/versions/{other}"));
        }
    }
}

/// What was shown so far.
#[derive(Default)]
struct Shown {
    begun: bool,
    since_ms: u64,
    calls: std::collections::BTreeMap<(String, String), u64>,
}

impl Shown {
    /// What was written before this began is nothing to it.
    fn begin(&mut self, endpoint: &Endpoint, id: &str) -> anyhow::Result<()> {
        if !self.begun {
            self.look(endpoint, id, &mut |_| ())?;
            self.begun = true;
        }
        Ok(())
    }

    /// Shows lines that were written and calls that ended since.
    fn more(&mut self, endpoint: &Endpoint, id: &str) -> anyhow::Result<()> {
        self.look(endpoint, id, &mut |line| say!("  {line}"))
    }

    fn look(
        &mut self,
        endpoint: &Endpoint,
        id: &str,
        show: &mut dyn FnMut(String),
    ) -> anyhow::Result<()> {
        let path = format!("/v1/extensions/{id}/logs?since_ms={}", self.since_ms);
        let lines = read(endpoint.get(&path))?;
        for line in lines["lines"].as_array().into_iter().flatten() {
            let at_ms = line["at_ms"].as_u64().unwrap_or_default();
            self.since_ms = self.since_ms.max(at_ms);
            let (level, hook) = (text(line, "level"), text(line, "hook"));
            show(format!("{level:<5} {hook}  {}", text(line, "line")));
        }
        let all = read(endpoint.get("/v1/extensions"))?;
        let calls = all["calls"].as_array().into_iter().flatten();
        for row in calls.filter(|row| text(row, "extension") == id) {
            let hook = text(row, "hook");
            for (outcome, count) in row["outcomes"].as_object().into_iter().flatten() {
                let key = (format!("{} {hook}", text(row, "version")), outcome.clone());
                let count = count.as_u64().unwrap_or_default();
                let before = self.calls.insert(key, count).unwrap_or_default();
                // Why one failed is among the lines.
                if count > before {
                    show(format!("{hook} {outcome} (+{})", count - before));
                }
            }
        }
        Ok(())
    }
}

/// When anything in a folder changed last, and how many files there are: enough to notice every change.
fn stamp(folder: &Path) -> anyhow::Result<(Option<SystemTime>, usize)> {
    let mut last = None;
    let mut count = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            if kind.is_dir() {
                if !BUILT.iter().any(|built| name == *built) {
                    folders.push(entry.path());
                }
            } else if let Ok(changed) = entry.metadata().and_then(|metadata| metadata.modified()) {
                count += 1;
                last = last.max(Some(changed));
            }
        }
    }
    if count == 0 {
        bail!(
            "{} is empty: `tidings ext new NAME` makes an extension",
            folder.display()
        );
    }
    Ok((last, count))
}
