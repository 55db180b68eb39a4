//! HTTP: the WebSocket endpoint, the backend API, imports, health, metrics, the console page, development tokens.

use std::{pin::pin, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::ConnectInfo,
    http::{Request, StatusCode},
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
    health, import,
    session::Gateway,
    transport::{
        tcp::{Accepted, Listener},
        websocket,
    },
};

/// What the demo offers beside the gateway itself.
#[derive(Clone, Debug, Default)]
pub struct Development {
    /// Users the page offers to sign in as: id and name.
    pub users: Vec<(String, String)>,
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
    if let Some(development) = development {
        let users = Arc::new(development);
        router = router
            .route("/v1/dev/token", post(development_token))
            .route(
                "/v1/dev/users",
                get(move || development_users(users.clone())),
            );
    }
    router.with_state(gateway).merge(assets::routes(assets))
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
            accepted,
            http.clone(),
            router.clone(),
            stopped.clone(),
        ));
    }
    drop((listener, stopped));
    stopping.send_replace(());
    // Every connection holds the other end.
    stopping.closed().await;
}

/// Serves one connection.
async fn connection(
    accepted: Accepted,
    http: http1::Builder,
    router: Router,
    mut stopped: watch::Receiver<()>,
) {
    let peer = accepted.peer;
    let Some(stream) = accepted.secured().await else {
        return;
    };
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        router.call(request)
    });
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
        tracing::debug!(address = %peer.0, %error, "an HTTP connection ended");
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
    })
}
