//! `/healthz` and `/readyz`: whether the process is alive, and whether clients should be sent to it.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::session::Gateway;

/// Most milliseconds that the projections of a node may be behind that clients are sent to.
const LAG_MS: u64 = 5_000;

/// For so many milliseconds after an append that failed no clients are sent here. Then they are, unless
/// another one fails: without their messages nobody would learn that the log can be written again.
const UNWRITABLE_MS: u64 = 10_000;

/// How long the log may take to say where it ends.
const ASKED: Duration = Duration::from_secs(2);

/// Whether clients should be sent to a node, and if not why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Readiness {
    /// Whether they should.
    pub ready: bool,
    /// Why not, a sentence each; empty if they should.
    pub why: Vec<String>,
    /// The server has been asked to stop.
    pub draining: bool,
    /// Whether the log could be written when that was last tried; beside other nodes, within the last minute.
    pub log_writable: bool,
    /// Position of the log's last record; `null` if the log cannot be asked.
    pub log_position: Option<u64>,
    /// Position that the projections are folded through.
    pub projection_position: u64,
    /// How far that is behind, in seconds; `null` if the log cannot be asked.
    pub projection_lag_seconds: Option<f64>,
}

impl Readiness {
    /// How a node is at present.
    pub async fn of(gateway: &Gateway) -> Readiness {
        let node = &gateway.node;
        let mut why = Vec::new();
        let draining = gateway.is_draining();
        if draining {
            why.push("the server is stopping".to_owned());
        }
        let lag = match tokio::time::timeout(ASKED, node.lag()).await {
            Ok(Ok(lag)) => Some(lag),
            Ok(Err(error)) => {
                why.push(error.to_string());
                None
            }
            Err(_) => {
                why.push("the log does not answer".to_owned());
                None
            }
        };
        if node.is_failing() {
            why.push("the projections cannot be folded, the server's log says why".to_owned());
        }
        if let Some(lag) = lag.filter(|lag| lag.ms > LAG_MS) {
            why.push(format!("the projections are {} ms behind", lag.ms));
        }
        let metrics = node.handler.metrics();
        if let Some((ms, reason)) = metrics.trouble() {
            let ago = node.clock.now_ms().saturating_sub(ms);
            if ago < UNWRITABLE_MS {
                why.push(format!(
                    "commands could not be carried out {ago} ms ago: {reason}"
                ));
            }
        }
        Readiness {
            ready: why.is_empty(),
            why,
            draining,
            log_writable: metrics.is_log_writable(node.clock.now_ms(), node.others()),
            log_position: lag.map(|lag| lag.head),
            projection_position: node.projections.cursor(),
            projection_lag_seconds: lag.map(|lag| lag.ms as f64 / 1_000.0),
        }
    }
}

/// What `/healthz` says.
#[derive(Serialize)]
struct Health {
    alive: bool,
    version: &'static str,
}

/// Handles `GET /healthz`: whoever answers is alive. A node that lost a thread it needs ends by itself.
pub(crate) async fn healthz() -> Response {
    let version = env!("CARGO_PKG_VERSION");
    Json(Health {
        alive: true,
        version,
    })
    .into_response()
}

/// Handles `GET /readyz`.
pub(crate) async fn readyz(State(gateway): State<Arc<Gateway>>) -> Response {
    let readiness = Readiness::of(&gateway).await;
    let status = match readiness.ready {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(readiness)).into_response()
}

/// Handles `GET /metrics`.
pub(crate) async fn metrics(State(gateway): State<Arc<Gateway>>) -> Response {
    let lag = tokio::time::timeout(ASKED, gateway.node.lag()).await;
    let text = crate::metrics::render(&gateway, lag.ok().and_then(Result::ok));
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(axum::http::header::CONTENT_TYPE, kind)], text).into_response()
}
