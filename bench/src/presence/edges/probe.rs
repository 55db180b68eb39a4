//! Clients that come and go.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tidings_protocol::{
    ClientFrame, Encoding, command,
    frame::{Body, Request},
};
use tidings_sdk::{Address, Connection, Connector, Tls};
use tokio::task::JoinSet;

use super::{
    observer::{self, Counted, Observer, Sightings},
    search,
};
use crate::presence::{PresenceError, Server, Token};

/// How long an edge may take to be seen, and a connection to open.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long each stays, and stays away after it was seen to have left.
const REST: Duration = Duration::from_millis(200);

/// Name of a probe.
pub(super) fn name(probe: u32) -> String {
    format!("probe-{probe}")
}

/// How clients connect.
#[derive(Clone)]
struct Door {
    connector: Arc<Connector>,
    address: Address,
    token: Token,
}

/// What the observers saw.
pub(super) struct Seen {
    pub(super) watch: Counted,
    pub(super) search: Counted,
}

/// Clients that come and go, and those who observe them.
pub(super) struct Probes {
    door: Door,
    count: u32,
    grace: Duration,
    sightings: Arc<Sightings>,
    observers: JoinSet<()>,
}

impl Probes {
    /// The observers are there; no probe is.
    pub(super) async fn begin(
        server: &Server,
        count: u32,
        grace: Duration,
    ) -> Result<Probes, PresenceError> {
        let connector =
            Connector::new(Encoding::Protobuf, &Tls::dangerous_accept_any_certificate());
        let connector = connector.map_err(|_| PresenceError::Options("TLS cannot be set up"))?;
        let address = Address::parse(&format!("ws://{}", server.address));
        let door = Door {
            connector: Arc::new(connector),
            address: address.map_err(|_| PresenceError::Options("the address is none"))?,
            token: server.token.clone(),
        };
        let sightings = Sightings::new(count);
        let watching = door.enter("observer").await?;
        let searching = door.enter("searcher").await?;
        let (tell, begun) = tokio::sync::oneshot::channel();
        let (show, found) = tokio::sync::oneshot::channel();
        let mut observers = JoinSet::new();
        observers.spawn(observer::watch(watching, count, sightings.clone(), tell));
        observers.spawn(search::search(searching, count, sightings.clone(), show));
        for (what, ready) in [
            ("snapshots of the probes", begun),
            ("profiles of the probes found", found),
        ] {
            if !matches!(tokio::time::timeout(PATIENCE, ready).await, Ok(Ok(()))) {
                return Err(PresenceError::Silence {
                    what,
                    done: 0,
                    of: 1,
                    seconds: PATIENCE.as_secs(),
                });
            }
        }
        Ok(Probes {
            door,
            count,
            grace,
            sightings,
            observers,
        })
    }

    /// All come and go until they are to stop.
    pub(super) async fn run(self, stop: &AtomicBool) -> Result<Seen, PresenceError> {
        let all = (0..self.count).map(|probe| self.one(probe, stop));
        let all = futures_util::future::try_join_all(all).await;
        drop(self.observers);
        all?;
        Ok(Seen {
            watch: self.sightings.counted(Observer::Watch),
            search: self.sightings.counted(Observer::Search),
        })
    }

    async fn one(&self, probe: u32, stop: &AtomicBool) -> Result<(), PresenceError> {
        let user = name(probe);
        // Not all at once.
        let turn = (2 * REST + self.grace) * probe / self.count;
        tokio::time::sleep(turn).await;
        while !stop.load(Ordering::Relaxed) {
            self.sightings.edge(probe, true, Instant::now());
            let connection = self.door.enter(&user).await?;
            self.sightings.seen(probe, PATIENCE).await;
            tokio::time::sleep(REST).await;
            let ends = Instant::now() + self.grace;
            self.sightings.edge(probe, false, ends);
            connection.close(1000, "").await;
            self.sightings.seen(probe, self.grace + PATIENCE).await;
            tokio::time::sleep(REST).await;
        }
        Ok(())
    }
}

impl Door {
    /// Connects somebody, whom the server then knows.
    async fn enter(&self, user: &str) -> Result<Connection, PresenceError> {
        let failed = |reason: String| PresenceError::Client {
            user: user.to_owned(),
            reason,
        };
        let entering = async {
            let connecting = self.connector.connect(&self.address).await;
            let mut connection = connecting.map_err(|error| failed(error.to_string()))?;
            let hello = ClientFrame {
                id: 1,
                request: Some(Request::Hello(command::Hello {
                    token: (self.token)(user),
                    ..command::Hello::default()
                })),
                ..ClientFrame::default()
            };
            let sent = connection.send(&hello).await;
            sent.map_err(|error| failed(error.to_string()))?;
            loop {
                let frame = connection.recv().await;
                match frame.map_err(|error| failed(error.to_string()))?.body {
                    Some(Body::Welcome(_)) => return Ok(connection),
                    Some(Body::Closing(closing)) => return Err(failed(closing.message)),
                    _ => {}
                }
            }
        };
        match tokio::time::timeout(PATIENCE, entering).await {
            Ok(entered) => entered,
            Err(_) => Err(failed(format!("not open after {PATIENCE:?}"))),
        }
    }
}
