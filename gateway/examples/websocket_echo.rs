//! A server with [the echo](tidings_gateway::transport::websocket::conformance) beside its own routes, for
//! suites that examine how it speaks WebSocket. `cargo xtask test --only websocket` runs one.
//!
//! It prints where it listens, and stops when its standard input ends, as it does with whoever started it.

use std::{error::Error, io, sync::Arc};

use ring::rand::SystemRandom;
use tidings_core::{
    clock::{Clock as _, SystemClock},
    embedded::{self, Folder},
    handler::{Config, Parts, ids::Ids},
    keys::seal::OperatorKey,
    node::Node,
};
use tidings_extensions::Extensions;
use tidings_gateway::{
    Limits,
    auth::{AuthConfig, Authenticator},
    search::{self, Search},
    server::{Builder, Server},
    tls::{ServerCertificate, TlsConfig},
    transport::websocket::conformance,
};

/// Longest message. The longest of the cases that are to be passed are a quarter of it.
const MESSAGE_BYTES: usize = 1024 * 1024;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let data = tempfile::tempdir()?;
    let server = start(data.path()).await?;
    println!("listening {}", server.http);
    tokio::task::spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink())).await??;
    server.stop().await;
    Ok(())
}

async fn start(data: &std::path::Path) -> Result<Server, Box<dyn Error>> {
    let random: Arc<SystemRandom> = Arc::new(SystemRandom::new());
    let folder = Folder::open(data, &(random.clone() as _)).await?;
    let operator = OperatorKey::load_or_generate(&data.join("operator.key"), &*random)?;
    let (log, keys) = folder.unlock(operator, random.clone())?;
    let projections = embedded::projections(data, &log, &mut |_| {}).await?;
    let parts = Parts {
        log,
        keys,
        projections: Arc::new(projections),
        clock: Arc::new(SystemClock),
        random: random.clone(),
        config: Config::default(),
    };
    let limits = Limits {
        frame_bytes: MESSAGE_BYTES,
        ..Limits::default()
    };
    let auth = AuthConfig {
        development: true,
        ..AuthConfig::default()
    };
    let presence = tidings_core::presence::Config::default();
    // Nobody writes anything, so no id is ever derived.
    let node = Arc::new(Node::start(parts, Ids::new(&[0; 32]), presence, None)?);
    let search = Search::start(search::Config::default(), data, node.clone())?;
    let extensions = Extensions::start(
        tidings_extensions::Config::default(),
        data,
        node.clone(),
        None,
        Box::new(|_| false),
    )
    .await?;
    let server = Builder {
        node,
        search,
        extensions,
        auth: Authenticator::new(&auth)?,
        routes: conformance::routes(&limits),
        limits,
        random,
        listen: ([127, 0, 0, 1], 0).into(),
        certificate: ServerCertificate::load(&TlsConfig::default(), data, SystemClock.now_ms())?,
        tls_on_tcp: false,
        development: None,
        assets: &[],
    };
    Ok(server.start().await?)
}
