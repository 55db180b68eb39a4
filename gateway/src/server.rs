//! A gateway that listens: what `tidings serve` runs, and what a program of one's own can run inside
//! itself, around a node that it has started.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use tidings_core::node::Node;
use tidings_extensions::Extensions;
use tokio::{sync::oneshot, task::JoinHandle};

use crate::{
    Gateway, Limits,
    assets::Asset,
    auth::Authenticator,
    http::{self, Development},
    search::Search,
    tls::ServerCertificate,
    transport::{quic, tcp::Listener},
};

/// How long clients may take to go when a server stops.
const PATIENCE: Duration = Duration::from_secs(10);

/// Everything a server is made of.
pub struct Builder {
    /// The core, running.
    pub node: Arc<Node>,
    /// Search of what it holds.
    pub search: Arc<Search>,
    /// Extensions that look at it and act on it.
    pub extensions: Arc<Extensions>,
    /// Who may connect.
    pub auth: Authenticator,
    /// Limits in force.
    pub limits: Limits,
    /// Randomness.
    pub random: Arc<dyn ring::rand::SecureRandom + Send + Sync>,
    /// Where to listen, TCP (HTTP, WebSocket) and UDP (QUIC) alike. Port 0 lets the system choose.
    pub listen: SocketAddr,
    /// The certificate: of QUIC, and of TCP if that is encrypted.
    pub certificate: ServerCertificate,
    /// Whether TCP is encrypted, too.
    pub tls_on_tcp: bool,
    /// What a demo offers; `None` in production.
    pub development: Option<Development>,
    /// Files of a page; none for no page.
    pub assets: &'static [Asset],
    /// Routes of one's own, beside those of the gateway. A path that is there twice panics at the start.
    pub routes: Router,
}

/// Why a server could not listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} ({over}): {error}")]
pub struct ListenError {
    /// Where.
    pub address: SocketAddr,
    /// `TCP` or `UDP`.
    pub over: &'static str,
    /// Why.
    #[source]
    pub error: io::Error,
}

/// A server that is up.
pub struct Server {
    /// The core.
    pub node: Arc<Node>,
    /// Sessions, limits, counters.
    pub gateway: Arc<Gateway>,
    /// Where HTTP and WebSocket are.
    pub http: SocketAddr,
    /// Where QUIC is.
    pub quic: SocketAddr,
    /// SHA-256 of the certificate, by which clients pin it.
    pub certificate_sha256: [u8; 32],
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
    endpoint: quinn::Endpoint,
}

impl Builder {
    /// Listens, and serves from now on.
    ///
    /// # Errors
    /// When it cannot listen. The node runs on then: see [`Node::stop`].
    pub async fn start(self) -> Result<Server, ListenError> {
        let gateway = Gateway::new(
            self.node.clone(),
            self.search,
            self.extensions,
            self.auth,
            self.limits,
            self.random,
        );
        let certificate = self.certificate;
        let tls = self
            .tls_on_tcp
            .then(|| certificate.server_config(&["http/1.1"]));
        let refused = |address, over| {
            move |error| ListenError {
                address,
                over,
                error,
            }
        };
        let listener = Listener::bind(self.listen, tls).await;
        let listener = listener.map_err(refused(self.listen, "TCP"))?;
        let http = listener.address();
        let endpoint = quic::listen(gateway.clone(), http, certificate.quic_config(&quic::ALPNS))
            .map_err(refused(http, "UDP"))?;
        let quic = endpoint.local_addr().map_err(refused(http, "UDP"))?;
        let router = http::router(gateway.clone(), self.development, self.assets);
        let router = self.routes.merge(router);
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(http::serve(gateway.clone(), listener, router, async move {
            drop(stopped.await)
        }));
        Ok(Server {
            node: self.node,
            gateway,
            http,
            quic,
            certificate_sha256: certificate.sha256(),
            stop,
            serving,
            endpoint,
        })
    }
}

impl Server {
    /// Tells every client when and where to come back, waits until they are gone, writes what is left
    /// and stops the node.
    pub async fn stop(self) {
        // While this node still writes what they have to record.
        self.gateway.extensions.stop().await;
        self.node.leave();
        self.gateway.drain();
        let _ = self.stop.send(());
        let gone = async {
            while self.gateway.connections() > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, gone).await.is_err() {
            tracing::warn!(
                connections = self.gateway.connections(),
                "some clients did not go"
            );
        }
        self.endpoint.close(0_u32.into(), b"");
        let _ = tokio::time::timeout(Duration::from_secs(1), self.endpoint.wait_idle()).await;
        self.serving.abort();
        let (node, search) = (self.node.clone(), self.gateway.search.clone());
        let stopped = tokio::task::spawn_blocking(move || {
            search.stop();
            node.stop();
        });
        let _ = stopped.await;
    }
}
