//! HTTP: the WebSocket endpoint, the backend API, imports, health, metrics, the console page, development tokens.

use std::{
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::ConnectInfo,
    http::{Request, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use hyper::{
    body::{Frame, Incoming, SizeHint},
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
    arrivals::Quiet,
    assets::{self, Asset},
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
    let pages = assets::routes(assets, gateway.clone());
    router.with_state(gateway).merge(pages)
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
        let answered = Answered(Some(asks.clone()));
        let proxies = &gateway.limits.trusted_proxies;
        let client = match proxies.client(address.ip(), request.headers()) {
            client if client == address.ip() => address,
            client => SocketAddr::new(client, 0),
        };
        request.extensions_mut().insert(ConnectInfo(Peer(client)));
        let answer = router.call(request);
        async { answer.await.map(|answer| answered.with(answer)) }
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
    };
    tokio::select! {
        () = serving => {}
        () = quiet.lost() => tracing::debug!(%address, "a quiet connection made room"),
    }
}

/// Dropped when a request has been answered: then the connection is quiet again.
struct Answered(Option<Quiet>);

/// An answer's body.
struct Body {
    inner: axum::body::Body,
    _answered: Answered,
}

impl Answered {
    fn with(mut self, answer: Response) -> Response<Body> {
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            // It is no longer for requests.
            self.0 = None;
        }
        answer.map(|inner| Body {
            inner,
            _answered: self,
        })
    }
}

impl Drop for Answered {
    fn drop(&mut self) {
        if let Some(quiet) = &self.0 {
            quiet.begin();
        }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.get_mut().inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
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
