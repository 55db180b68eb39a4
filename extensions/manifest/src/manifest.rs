//! The manifest itself, as data.

use std::collections::{BTreeMap, BTreeSet};

use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::grants::Grants;
use crate::hooks::{Command, Moderation, Plain, Reactor};

/// What an extension says of itself and asks for. Whatever is not in one is not granted.
///
/// Made by [`Manifest::parse_toml`], [`Manifest::read`] and [`Manifest::from_json`], which check it; one put together by hand is
/// checked by [`Manifest::check`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Manifest {
    /// Its name: 1 to 64 of a-z, 0-9 and `-`. The account it posts as and the events it emits are named after it.
    pub id: String,
    /// Which version, as in `1.2.0` (<https://semver.org>).
    pub version: Version,
    /// What it is for, in a sentence of up to 200 bytes.
    pub summary: String,

    /// The hook `moderation`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moderation: Option<Moderation>,
    /// The hook `reactor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reactor: Option<Reactor>,
    /// The hook `presence-watcher`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence_watcher: Option<Plain>,
    /// The hook `recall`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recall: Option<Plain>,
    /// The hook `timer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timer: Option<Plain>,
    /// The hook `command`: what can be called, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub command: BTreeMap<String, Command>,
    /// The hook `ranker`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranker: Option<Plain>,

    /// What it may read and do.
    #[serde(default, skip_serializing_if = "Grants::is_none")]
    pub grants: Grants,
    /// Names of badges.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub badges: BTreeSet<String>,
    /// Names of metrics, 32 at most.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub metrics: BTreeSet<String>,
    /// The windows of `rates`, 16 at most: the length of each in milliseconds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rates: BTreeMap<String, u32>,
    /// Ways of the product's own to reach somebody, for `notify`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub channels: BTreeSet<String>,
    /// The events it may record, by their kinds without `ext.` and its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub emits: BTreeMap<String, Emit>,
    /// Hosts it may ask.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub http: Vec<HttpHost>,
    /// Secrets that the operator is to give.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<Secret>,
    /// A JSON Schema of an object: what the operator may set. Its defaults are filled in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Value>,
    /// What its calls run in.
    #[serde(default, skip_serializing_if = "Instances::is_fresh")]
    pub instances: Instances,
    /// What a call of it takes, where that is more than the host gives if nothing is said. The host has the last word.
    #[serde(default, skip_serializing_if = "Limits::is_none")]
    pub limits: Limits,
    /// Where it would stand among others with the same hook: the lowest first. A hint: the operator orders them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub order: i32,
}

/// What the calls of an extension run in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Instances {
    /// Each in an instance of its own: nothing gets from one to the next.
    #[default]
    Fresh,
    /// One after the other in instances that are kept. What the code leaves in its memory its next call finds, whoever that is
    /// about: it has to see to it that nothing comes of it.
    Warm,
}

impl Instances {
    fn is_fresh(&self) -> bool {
        *self == Self::Fresh
    }
}

fn is_zero(order: &i32) -> bool {
    *order == 0
}

/// An event that the extension may record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Emit {
    /// The number of the payload's schema, from 1: raised when a field changes its meaning.
    pub schema: u32,
    /// A JSON Schema that payloads fit; without one any object does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
}

/// A host that the extension may ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpHost {
    /// Its name in small letters, such as `api.example.org`, with a port where that is not the usual one.
    pub host: String,
    /// What for: the operator is shown it.
    pub reason: String,
    /// Whether `http://` will do. It can be read and changed on its way.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub plain: bool,
}

/// A secret that the operator is to give. The extension never sees its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// 1 to 64 of a-z, 0-9, `_` and `-`.
    pub name: String,
    /// What for: the operator is shown it.
    pub reason: String,
}

/// What one call of it takes. Nothing said is what the host gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Fuel, in wasmtime's units: roughly one for each instruction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    /// Milliseconds, waiting for `http` included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_ms: Option<u32>,
    /// Linear memory, in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u32>,
}

impl Limits {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl Manifest {
    /// The hooks it names, in the order of the WIT package's list.
    #[must_use]
    pub fn hooks(&self) -> Vec<&'static str> {
        let named = [
            ("moderation", self.moderation.is_some()),
            ("reactor", self.reactor.is_some()),
            ("presence-watcher", self.presence_watcher.is_some()),
            ("recall", self.recall.is_some()),
            ("timer", self.timer.is_some()),
            ("command", !self.command.is_empty()),
            ("ranker", self.ranker.is_some()),
        ];
        let named = named.into_iter().filter(|(_, named)| *named);
        named.map(|(hook, _)| hook).collect()
    }

    /// `id@version`, as on the command line.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}@{}", self.id, self.version)
    }

    /// Whether this kind of event, recorded with this schema, is told to the hook `reactor`.
    #[must_use]
    pub fn is_told(&self, kind: &str, schema: u32) -> bool {
        self.reactor.as_ref().is_some_and(|reactor| {
            let mut events = reactor.events.iter();
            events.any(|event| event.kind == kind && event.schema == schema)
        })
    }
}
