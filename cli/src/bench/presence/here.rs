//! A server in this process, whose search can be told who is here without sessions.

use std::sync::Arc;

use anyhow::Context as _;
use tidings_bench::presence::{Server, edges};
use tidings_core::{domain::UserId, presence::record::State};

use super::Nodes;
use crate::{config::Config, server};

pub(super) struct Here {
    running: tidings_gateway::server::Server,
    /// As the bench reaches it.
    pub(super) server: Server,
}

impl Here {
    /// Starts one with more of a configuration. Blocking, on a thread that belongs to a runtime.
    pub(super) fn start(nodes: &Nodes, more: &str) -> anyhow::Result<Here> {
        // What the environment says is for another server.
        let config: Config = toml::from_str(&nodes.configuration(more)?)?;
        let runtime = tokio::runtime::Handle::current();
        let running = runtime
            .block_on(server::start(&config, None))
            .context("the server did not start")?;
        let server = nodes.reached(running.http, std::process::id());
        Ok(Here { running, server })
    }

    /// Transitions of so many people, so many a minute.
    pub(super) fn join(&self, users: u32, per_minute: u32) -> anyhow::Result<edges::Join> {
        let all = (0..users).map(|user| UserId::new(&edges::joined(user)));
        let all = all.collect::<Result<Vec<_>, _>>()?;
        let search = self.running.gateway.search.clone();
        let apply = move |user: u32, here: bool| {
            let state = if here {
                State::Available
            } else {
                State::Offline
            };
            search.set_presence(&all[user as usize], state);
        };
        Ok(edges::Join {
            users,
            per_minute,
            apply: Arc::new(apply),
        })
    }

    /// Ends it, when everything is written.
    pub(super) fn stop(self) {
        tokio::runtime::Handle::current().block_on(self.running.stop());
    }
}
