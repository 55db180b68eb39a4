//! HTTP: the WebSocket endpoint, the backend API, imports, health, metrics, the console page, development tokens.

use std::{net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::ConnectInfo,
    http::{HeaderMap, Request, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::{
    api,
    assets::{self, Asset},
    forwarded::Networks,
    health, import,
    session::Gateway,
    transport::{
        tcp::{Accepted, Listener, Peer},
        websocket,
    },
};

/// What the demo offers beside the gateway itself.
#[derive(Clone, Debug, Default)]
pub struct Development {
    /// Users the page offers to sign in as: id and name.
    pub users: Vec<(String, String)>,
    /// The backend of the demo's product, which the page asks as a product's app asks its own.
    pub product: Option<Product>,
}

/// A product's backend within a server for development. In production it is a program of its own, with an API key.
#[derive(Clone, Copy, Debug)]
pub struct Product {
    /// What the paths of its routes begin with; the page is told.
    pub at: &'static str,
    /// Makes the routes.
    pub routes: fn(Arc<Gateway>) -> Router,
}

/// The routes of a node. Development routes exist only if `development` is given.
pub fn router(
    gateway: Arc<Gateway>,
    development: Option<Development>,
    assets: &'static [Asset],
) -> Router {
    let mut router = Router::new()
        .route("/v1/ws", get(websocket::upgrade))
        .merge(api::routes(&gateway))
        .merge(import::routes())
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics));
    let mut beside = assets::routes(assets, gateway.clone());
    if let Some(development) = development {
        if let Some(Product { at, routes }) = development.product {
            beside = beside.nest(at, routes(gateway.clone()));
        }
        let development = Arc::new(development);
        router = router
            .route("/v1/dev/token", post(development_token))
            .route(
                "/v1/dev/users",
                get(move || development_users(development.clone())),
            );
    }
    router.with_state(gateway).merge(beside)
}

/// Serves until `stop` ends; requests that are answered then are answered to the end, and WebSockets go on
/// until they are closed.
pub async fn serve(
    gateway: Arc<Gateway>,
    listener: Listener,
    router: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) {
    let mut http = http1::Builder::new();
    // Until a request's header is whole, the first one and any after it.
    http.timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(gateway.limits.hello_ms));
    let (stopping, stopped) = watch::channel(());
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept(&gateway) => accepted,
        };
        tokio::spawn(connection(
            gateway.clone(),
            accepted,
            http.clone(),
            router.clone(),
            stopped.clone(),
        ));
        // When everybody comes at once, those who are here go on between two of them.
        tokio::task::yield_now().await;
    }
    drop((listener, stopped));
    stopping.send_replace(());
    // Every connection holds the other end.
    stopping.closed().await;
}

/// Serves one connection. While nothing is asked on it, it goes when its place is needed.
async fn connection(
    gateway: Arc<Gateway>,
    accepted: Accepted,
    http: http1::Builder,
    router: Router,
    mut stopped: watch::Receiver<()>,
) {
    let Peer(address) = accepted.peer;
    let quiet = accepted.quiet();
    quiet.begin();
    let asks = quiet.clone();
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        asks.end();
        let client = client(address, &gateway.limits.trusted_proxies, request.headers());
        request.extensions_mut().insert(ConnectInfo(Peer(client)));
        let answer = router.call(request);
        let asks = asks.clone();
        async move {
            let answer = answer.await;
            // Answers are in memory as a whole: whether this one is read is not waited for, for whoever asks and
            // does not read would keep the place for good.
            asks.begin();
            answer
        }
    });
    let serving = async {
        let Some(stream) = accepted.secured().await else {
            return;
        };
        let serving = http.serve_connection(TokioIo::new(stream), service);
        let mut serving = pin!(serving.with_upgrades());
        let ended = tokio::select! {
            ended = &mut serving => ended,
            _ = stopped.changed() => {
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%address, %error, "an HTTP connection ended");
        }
        // If it is a WebSocket now, it is one until that is closed. Up to here it was quiet, also while its
        // client did not read that it may go on as one.
        quiet.stay();
    };
    tokio::select! {
        biased;
        () = quiet.lost() => tracing::debug!(%address, "a quiet connection made room"),
        () = serving => {}
    }
}

/// Who asks: whoever it is for whom a proxy does that is believed. Of that one the port is not known.
fn client(peer: SocketAddr, proxies: &Networks, headers: &HeaderMap) -> SocketAddr {
    // Where IPv6 is listened on, IPv4 addresses come as such of IPv6.
    let address = peer.ip().to_canonical();
    match proxies.client(address, headers) {
        client if client == address => SocketAddr::new(address, peer.port()),
        client => SocketAddr::new(client, 0),
    }
}

#[derive(Deserialize)]
struct TokenRequest {
    user: String,
}

#[derive(Serialize)]
struct TokenAnswer {
    token: String,
    expires_ms: u64,
}

async fn development_token(Json(TokenRequest { user }): Json<TokenRequest>) -> Response {
    match crate::translate::user_id(&user) {
        Ok(user) => Json(TokenAnswer {
            token: format!("dev:{user}"),
            expires_ms: 0,
        })
        .into_response(),
        Err(failure) => (StatusCode::BAD_REQUEST, failure.message).into_response(),
    }
}

#[derive(Serialize)]
struct Users {
    users: Vec<User>,
    #[serde(skip_serializing_if = "Option::is_none")]
    product: Option<&'static str>,
}

#[derive(Serialize)]
struct User {
    id: String,
    name: String,
}

async fn development_users(development: Arc<Development>) -> Json<Users> {
    let users = development.users.iter();
    Json(Users {
        users: users
            .map(|(id, name)| User {
                id: id.clone(),
                name: name.clone(),
            })
            .collect(),
        product: development.product.map(|product| product.at),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_that_of_the_address_it_stands_beside() {
        let proxies: Networks = "10.0.0.0/8".parse().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "192.0.2.1".parse().unwrap());
        for (peer, expected) in [
            ("192.0.2.7:4711", "192.0.2.7:4711"),
            ("[::ffff:192.0.2.7]:4711", "192.0.2.7:4711"),
            ("[2001:db8::7]:4711", "[2001:db8::7]:4711"),
            ("10.0.0.1:4711", "192.0.2.1:0"),
            ("[::ffff:10.0.0.1]:4711", "192.0.2.1:0"),
        ] {
            let client = client(peer.parse().unwrap(), &proxies, &headers);
            assert_eq!(client, expected.parse().unwrap(), "{peer}");
        }
    }
}
