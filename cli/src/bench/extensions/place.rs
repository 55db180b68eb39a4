//! Where a server of a run lives, and what an operator asks of it.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use tidings_bench::{extensions::load::Calls, presence::Server};
use tidings_core::clock::{Clock as _, SystemClock};
use tidings_gateway::auth::TokenSigner;

use super::{
    super::{
        Ending,
        messages::LogKind,
        server::{SECRET, nats, server, stop},
        temporary,
    },
    Extensions,
};
use crate::backend::{Endpoint, Failed, Pass};

/// Users' tokens are valid for so long.
const TOKENS_MS: u64 = 3_600_000;

/// What the run asks servers for.
const SCOPES: &str = "tidings:operate tidings:events tidings:notifications";

/// A folder for one server after the other, and its log. Fields are dropped in order: NATS ends before its folder.
pub(super) struct Place {
    nats: Option<Ending>,
    log: String,
    folder: tempfile::TempDir,
}

impl Place {
    pub(super) fn new(options: &Extensions) -> anyhow::Result<Place> {
        let folder = temporary(options.scratch.as_deref())?;
        let (nats, log) = match options.log {
            LogKind::Embedded => (None, String::new()),
            LogKind::Jetstream => {
                let (nats, log) = nats(&options.nats_server, folder.path())?;
                (Some(nats), log)
            }
        };
        Ok(Place { nats, log, folder })
    }

    /// Starts a server on what is there.
    pub(super) fn start(&self) -> anyhow::Result<Running> {
        let folder: &Path = self.folder.path();
        let (process, address) = server(folder, "data", &self.log)?;
        let signer = TokenSigner::new(SECRET);
        let pass = Pass::Signer(Box::new(TokenSigner::new(SECRET).with_scope(SCOPES)));
        let url = format!("http://{address}");
        Ok(Running {
            server: Server {
                address: address.parse().context("the server's address")?,
                token: Arc::new(move |user| signer.sign(user, SystemClock.now_ms() + TOKENS_MS)),
                pid: process.0.id(),
                nats_pid: self.nats.as_ref().map(|nats| nats.0.id()),
                progress: false,
            },
            endpoint: Endpoint::new(&url, "tidings-bench", pass, None)?,
            process,
        })
    }
}

/// A server that runs.
pub(super) struct Running {
    pub(super) server: Server,
    pub(super) endpoint: Endpoint,
    process: Ending,
}

impl Running {
    pub(super) fn stop(self) -> anyhow::Result<()> {
        stop(self.process)
    }

    /// What it says of calls.
    pub(super) fn calls(&self) -> anyhow::Result<Vec<Calls>> {
        let all = read(self.endpoint.get("/v1/extensions"))?;
        let calls = all["calls"].as_array().into_iter().flatten();
        let text = |one: &Value, name: &str| one[name].as_str().unwrap_or_default().to_owned();
        let number = |one: &Value, name: &str| one[name].as_f64().unwrap_or_default();
        let calls = calls.map(|one| Calls {
            extension: text(one, "extension"),
            hook: text(one, "hook"),
            calls: one["calls"].as_u64().unwrap_or_default(),
            failed: failed(&one["outcomes"]),
            p50_us: number(one, "p50_us"),
            p99_us: number(one, "p99_us"),
        });
        Ok(calls.collect())
    }

    /// Refuses a server on which not so many extensions act.
    pub(super) fn acts(&self, count: u32) -> anyhow::Result<()> {
        let all = read(self.endpoint.get("/v1/extensions"))?;
        let all = all["extensions"].as_array();
        let active = all.into_iter().flatten();
        let active = active.filter(|one| !one["active"].is_null()).count();
        ensure!(
            active == count as usize,
            "{active} extensions act on the server, not {count}"
        );
        Ok(())
    }
}

/// How calls ended that came to nothing, as the host calls it.
const FAILED: [&str; 8] = [
    "breaker", "busy", "deadline", "fuel", "host", "memory", "refused", "trap",
];

fn failed(outcomes: &Value) -> BTreeMap<String, u64> {
    let all = outcomes.as_object().into_iter().flatten();
    let failed = all.filter(|(outcome, _)| FAILED.contains(&outcome.as_str()));
    failed
        .filter_map(|(outcome, count)| Some((outcome.clone(), count.as_u64()?)))
        .collect()
}

/// An answer as JSON.
pub(super) fn read(answer: Result<bytes::Bytes, Failed>) -> anyhow::Result<Value> {
    match answer {
        Ok(body) => serde_json::from_slice(&body).context("the server's answer is no JSON"),
        Err(Failed::Lost(why) | Failed::Busy(why, _) | Failed::Refused(why)) => bail!(why),
    }
}
