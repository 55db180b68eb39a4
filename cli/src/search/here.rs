//! People searched in the folder of a server that is stopped, by a node and an index of this process.

use std::{sync::Arc, time::Duration};

use tidings_core::{domain::UserId, log::Lane, node::Node};
use tidings_gateway::search::{self, Search};

use super::{
    ask::{Question, wrong},
    found::Found,
};
use crate::{config::Config, server};

/// How often it is looked whether the index has come to the end of the log.
const LOOK: Duration = Duration::from_millis(20);

/// Searches, with all that the log holds.
pub(super) async fn people(config: &Config, question: Question) -> anyhow::Result<Found> {
    // Where there is no log none is to be made.
    drop(server::log_to_read(config).await?);
    let (node, ..) = server::node(config).await?;
    let settings = match &config.search {
        // Nothing is said of it: not that what is there is to be made anew.
        default if *default == search::Config::default() => {
            search::Config::as_made(&config.data).unwrap_or_default()
        }
        said => said.clone(),
    };
    let search = Search::start(settings, &config.data, node.clone())?;
    let found = search_it(&node, &search, question).await;
    tokio::task::spawn_blocking(move || {
        search.stop();
        node.stop();
    })
    .await?;
    found
}

async fn search_it(node: &Arc<Node>, search: &Search, question: Question) -> anyhow::Result<Found> {
    let head = node.log.head(Lane::Journal).await?;
    node.projections.reached(head.0).await;
    let bar = server::progress(0, "building the index of people");
    loop {
        let status = search.status();
        if status.ready && status.position >= head.0 && status.building.is_none() {
            break;
        }
        bar.set_position(status.building.unwrap_or(status.count));
        tokio::time::sleep(LOOK).await;
    }
    bar.finish_and_clear();
    let (viewer, request) = question.into_request();
    let viewer = viewer.map(|viewer| UserId::new(&viewer)).transpose()?;
    let found = search.find(node, viewer.as_ref(), request, None).await;
    found
        .map(Found::from)
        .map_err(|failure| wrong(&failure.message))
}
