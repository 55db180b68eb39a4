//! What a version asks for that the one before it did not.

use crate::manifest::Manifest;

/// What is otherwise in another version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Diff {
    /// What weighs most first.
    pub changes: Vec<Change>,
}

/// One thing that is otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It asks for this, and did not before.
    Wider(String),
    /// It does not ask for this any more.
    Narrower(String),
    /// Something else is otherwise, that gives nothing and takes nothing.
    Other(String),
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Wider(what) => write!(f, "+ {what}"),
            Self::Narrower(what) => write!(f, "- {what}"),
            Self::Other(what) => write!(f, "~ {what}"),
        }
    }
}

impl Diff {
    /// Whether it asks for more: who runs the server has to agree to that.
    #[must_use]
    pub fn widens(&self) -> bool {
        let mut changes = self.changes.iter();
        changes.any(|change| matches!(change, Change::Wider(_)))
    }

    /// Whether nothing is otherwise.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

/// What is otherwise in `after`.
#[must_use]
pub fn diff(before: &Manifest, after: &Manifest) -> Diff {
    let (asked, asks) = (before.asks(), after.asks());
    let mut changes = Vec::new();
    for ask in &asks {
        if !asked.iter().any(|other| other.key == ask.key) {
            changes.push(Change::Wider(ask.sentence.clone()));
        }
    }
    limits(before, after, &mut changes);
    for ask in &asked {
        if !asks.iter().any(|other| other.key == ask.key) {
            changes.push(Change::Narrower(ask.sentence.clone()));
        }
    }
    for ask in &asks {
        let other = asked.iter().find(|other| other.key == ask.key);
        if other.is_some_and(|other| other.sentence != ask.sentence) {
            changes.push(Change::Other(ask.sentence.clone()));
        }
    }
    others(before, after, &mut changes);
    // Limits may have put a narrower one between: what weighs most stands first.
    changes.sort_by_key(|change| match change {
        Change::Wider(_) => 0,
        Change::Narrower(_) => 1,
        Change::Other(_) => 2,
    });
    Diff { changes }
}

fn limits(before: &Manifest, after: &Manifest, changes: &mut Vec<Change>) {
    let (had, has) = (before.limits, after.limits);
    let limits = [
        ("fuel", had.fuel, has.fuel),
        (
            "ms a call",
            had.time_ms.map(u64::from),
            has.time_ms.map(u64::from),
        ),
        (
            "MiB of memory",
            had.memory_mib.map(u64::from),
            has.memory_mib.map(u64::from),
        ),
    ];
    for (what, had, has) in limits {
        changes.extend(match (had, has) {
            (had, has) if had == has => None,
            (Some(had), Some(has)) if has < had => {
                Some(Change::Narrower(format!("{had} {what}; now {has}.")))
            }
            (Some(had), None) => Some(Change::Other(format!(
                "No longer asks for {had} {what}, but for what the host gives."
            ))),
            (_, Some(has)) => Some(Change::Wider(format!("Asks for {has} {what}."))),
            (None, None) => None,
        });
    }
}

fn others(before: &Manifest, after: &Manifest, changes: &mut Vec<Change>) {
    let differs = [
        ("settings", before.settings != after.settings),
        ("badges", before.badges != after.badges),
        ("metrics", before.metrics != after.metrics),
        ("rates", before.rates != after.rates),
        ("events it records", before.emits != after.emits),
        ("summary", before.summary != after.summary),
        ("place among others", before.order != after.order),
        ("commands' arguments", commands(before) != commands(after)),
    ];
    for (what, differs) in differs {
        if differs {
            changes.push(Change::Other(format!("Other {what}.")));
        }
    }
}

fn commands(manifest: &Manifest) -> Vec<(&String, Option<&serde_json::Value>)> {
    let commands = manifest.command.iter();
    commands
        .map(|(name, command)| (name, command.args.as_ref()))
        .collect()
}
