//! `tidings ext check`: what a component is, and where it and its manifest do not agree.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tidings_extension_host::{Hook, Limits, check as inspect};
use tidings_extension_manifest::Manifest;

use crate::project::{Built, ProjectError};

/// Says what an extension is, and what is wrong with it.
#[derive(Debug, Clone, clap::Args)]
pub struct Check {
    /// A component, or the folder of an extension that was built.
    #[arg(default_value = ".", value_name = "FILE|FOLDER")]
    pub place: PathBuf,
    /// Tells it as JSON.
    #[arg(long)]
    pub json: bool,
}

/// What an extension is, and what is wrong with it.
#[derive(Debug, Clone, Serialize)]
pub struct CheckReport {
    /// The component.
    pub file: PathBuf,
    /// `id@version`.
    pub name: String,
    /// What it is for.
    pub summary: String,
    /// SHA-256 of the component with its manifest.
    pub sha256: String,
    /// Bytes.
    pub bytes: usize,
    /// The version of `tidings:extension` that it was built against.
    pub api: String,
    /// The hooks that it exports.
    pub hooks: Vec<String>,
    /// The interfaces that it imports.
    pub imports: Vec<String>,
    /// What one call of it may use where the operator does not say otherwise.
    pub limits: Allowance,
    /// What it asks for, in sentences.
    pub asks: Vec<String>,
    /// What is to be changed, or known.
    pub findings: Vec<Finding>,
}

/// What one call may use.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Allowance {
    /// In wasmtime's units.
    pub fuel: u64,
    /// Milliseconds.
    pub time_ms: u128,
    /// MiB.
    pub memory_mib: usize,
}

/// Something to be changed, or known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// What it is, and what to do.
    pub what: String,
}

/// How much something matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// It cannot be installed so.
    Error,
    /// It can, but hardly as it was meant.
    Warning,
    /// Worth knowing.
    Note,
}

impl Check {
    /// Looks at the component.
    ///
    /// # Errors
    ///
    /// When there is none, or none that could be looked at. What is wrong with one stands in the report.
    pub fn run(&self) -> Result<CheckReport, ProjectError> {
        let built = Built::of(&self.place)?;
        Ok(report(&built.file, &built.component, &built.manifest))
    }
}

/// What the limits of an extension come to: what it asks for, as far as a host gives that if its operator says nothing.
#[must_use]
pub fn limits(manifest: &Manifest) -> Limits {
    let most = Limits::default();
    let asked = manifest.limits;
    let time = asked
        .time_ms
        .map(|ms| std::time::Duration::from_millis(ms.into()));
    let memory = asked
        .memory_mib
        .map(|mib| (mib as usize).saturating_mul(1 << 20));
    Limits {
        fuel: asked.fuel.unwrap_or(most.fuel).min(most.fuel),
        time: time.unwrap_or(most.time).min(most.time),
        memory: memory.unwrap_or(most.memory).min(most.memory),
    }
}

/// Looks at a component and what its manifest says.
pub(crate) fn report(file: &Path, component: &[u8], manifest: &Manifest) -> CheckReport {
    let limits = limits(manifest);
    let mut report = CheckReport {
        file: file.to_owned(),
        name: manifest.name(),
        summary: manifest.summary.clone(),
        sha256: tidings_extension_host::Digest::of(component).to_string(),
        bytes: component.len(),
        api: String::new(),
        hooks: Vec::new(),
        imports: Vec::new(),
        limits: Allowance {
            fuel: limits.fuel,
            time_ms: limits.time.as_millis(),
            memory_mib: limits.memory >> 20,
        },
        asks: manifest.asks().iter().map(ToString::to_string).collect(),
        findings: Vec::new(),
    };
    match inspect(component) {
        Ok(found) => {
            let (major, minor, patch) = found.version;
            report.api = format!("{major}.{minor}.{patch}");
            report.hooks = found.hooks.iter().map(ToString::to_string).collect();
            report.findings = disagreements(manifest, &found.hooks, &found.imports);
            report.imports = found.imports;
        }
        Err(error) => report.findings.push(Finding {
            severity: Severity::Error,
            what: error.to_string(),
        }),
    }
    report.findings.extend(beyond_limits(manifest));
    report.findings.sort_by_key(|finding| finding.severity);
    report
}

/// Where the component and its manifest do not agree.
fn disagreements(manifest: &Manifest, hooks: &[Hook], imports: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |severity, what: String| findings.push(Finding { severity, what });
    let named = manifest.hooks();
    for hook in hooks.iter().filter(|hook| !named.contains(&hook.name())) {
        let table = match hook {
            Hook::Command => "[command.NAME]".to_owned(),
            hook => format!("[{hook}]"),
        };
        let what = format!(
            "it exports the hook {hook}, which its manifest does not name: add {table} to extension.toml, or leave the hook out of wit/world.wit"
        );
        add(Severity::Error, what);
    }
    for name in named
        .iter()
        .filter(|name| !hooks.iter().any(|hook| hook.name() == **name))
    {
        let what = format!(
            "its manifest names the hook {name}, which it does not export: include tidings:extension/{name}-extension@0.1.0 in wit/world.wit and write it, or take it out of extension.toml"
        );
        add(Severity::Error, what);
    }
    let grants = &manifest.grants;
    let pairs = [
        ("effects", "grants.effects", !grants.effects.is_empty()),
        ("views", "grants.views", !grants.views.is_empty()),
        ("http", "http", !manifest.http.is_empty()),
        ("rates", "rates", !manifest.rates.is_empty()),
        ("metrics", "metrics", !manifest.metrics.is_empty()),
    ];
    for (interface, field, asked) in pairs {
        let imported = imports.iter().any(|import| import == interface);
        match (imported, asked) {
            (true, false) => add(
                Severity::Note,
                format!(
                    "it imports `{interface}`, and its manifest has nothing under `{field}`: calls of it are refused"
                ),
            ),
            (false, true) => add(
                Severity::Warning,
                format!(
                    "its manifest has `{field}`, but it never calls `{interface}`: take out what is not used, the operator is asked for it"
                ),
            ),
            _ => {}
        }
    }
    findings
}

fn beyond_limits(manifest: &Manifest) -> Option<Finding> {
    let (asked, most) = (manifest.limits, Limits::default());
    let beyond = asked.fuel.is_some_and(|fuel| fuel > most.fuel)
        || asked
            .time_ms
            .is_some_and(|ms| u128::from(ms) > most.time.as_millis())
        || asked
            .memory_mib
            .is_some_and(|mib| mib as usize > most.memory >> 20);
    beyond.then(|| Finding {
        severity: Severity::Note,
        what: format!(
            "it asks for more than a host gives if its operator says nothing ({} fuel, {} ms, {} MiB)",
            most.fuel,
            most.time.as_millis(),
            most.memory >> 20
        ),
    })
}

impl CheckReport {
    /// Whether it can be installed.
    #[must_use]
    pub fn is_fine(&self) -> bool {
        let mut findings = self.findings.iter();
        !findings.any(|finding| finding.severity == Severity::Error)
    }
}

impl fmt::Display for CheckReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}  {}", self.name, self.summary)?;
        writeln!(
            f,
            "  file     {} ({})",
            self.file.display(),
            size(self.bytes)
        )?;
        writeln!(f, "  sha256   {}", self.sha256)?;
        if !self.hooks.is_empty() {
            writeln!(f, "  api      tidings:extension@{}", self.api)?;
            writeln!(f, "  hooks    {}", self.hooks.join(", "))?;
            writeln!(f, "  imports  {}", self.imports.join(", "))?;
        }
        let limits = &self.limits;
        writeln!(
            f,
            "  limits   {} fuel, {} ms, {} MiB a call",
            limits.fuel, limits.time_ms, limits.memory_mib
        )?;
        writeln!(f, "  asks")?;
        for ask in &self.asks {
            writeln!(f, "    {ask}")?;
        }
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        write!(f, "{severity}: {}", self.what)
    }
}

/// Bytes as people read them.
#[must_use]
pub fn size(bytes: usize) -> String {
    match bytes {
        0..=9_999 => format!("{bytes} bytes"),
        10_000..=999_999 => format!("{} KB", bytes / 1_000),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Exports all hooks and imports every interface.
    const EVERY_HOOK: &[u8] = include_bytes!("../../guests/built/every-hook.wasm");
    /// A moderator that imports little.
    const WORDS: &[u8] = include_bytes!("../../guests/built/words.wasm");

    fn manifest(more: &str) -> Manifest {
        let text = format!("id = \"a\"\nversion = \"1.0.0\"\nsummary = \"x\"\n{more}");
        Manifest::parse_toml(&text).expect("it is right")
    }

    fn said(component: &[u8], more: &str) -> (bool, Vec<String>) {
        let report = report(Path::new("a.wasm"), component, &manifest(more));
        let findings = report.findings.iter();
        let lines = findings.map(|finding| format!("{:?} {}", finding.severity, finding.what));
        (report.is_fine(), lines.collect())
    }

    #[test]
    fn agreement_is_fine() {
        let (fine, said) = said(WORDS, "[moderation]\nkinds = [\"message\"]");
        assert!(fine && said.is_empty(), "{said:?}");
    }

    #[test]
    fn hooks_are_compared_both_ways() {
        let (fine, lines) = said(WORDS, "[timer]");
        assert!(!fine);
        assert!(
            lines[0].starts_with("Error it exports the hook moderation"),
            "{lines:?}"
        );
        assert!(
            lines[1].starts_with("Error its manifest names the hook timer"),
            "{lines:?}"
        );
    }

    #[test]
    fn grants_are_compared_with_imports() {
        let (fine, lines) = said(
            WORDS,
            "[moderation]\nkinds = [\"edit\"]\n[grants]\nviews = [\"members\"]",
        );
        assert!(fine);
        assert!(
            lines[0].starts_with("Warning its manifest has `grants.views`"),
            "{lines:?}"
        );
        let all = "[moderation]\nkinds = [\"edit\"]\n[reactor]\nevents = [\"message_posted\"]\n[presence-watcher]\n[recall]\n[timer]\n[ranker]\n[command.a]\ncallers = \"backend\"";
        let (fine, lines) = said(EVERY_HOOK, all);
        assert!(fine);
        assert!(
            lines
                .iter()
                .any(|line| line.starts_with("Note it imports `effects`")),
            "{lines:?}"
        );
    }

    #[test]
    fn what_is_no_extension_is_told_so() {
        let (fine, lines) = said(b"\0asm\x0d\0\x01\0", "[timer]");
        assert!(!fine);
        assert!(lines[0].contains("exports no hook"), "{lines:?}");
    }

    #[test]
    fn limits_are_those_of_the_host_at_most() {
        let asked = manifest("[timer]\n[limits]\nfuel = 5\ntime_ms = 100000");
        assert_eq!(limits(&asked).fuel, 5);
        assert_eq!(limits(&asked).time, Limits::default().time);
    }
}
