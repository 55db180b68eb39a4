//! Connections that do nothing but stay: what each costs the server in memory.
//!
//! Every user has conversations, a token of their own and an open session, and sends a heartbeat about as
//! often as an SDK does. The server is measured before anybody connects and after a while of idleness.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::Serialize;
use tidings_protocol::{
    ClientFrame, Encoding, command,
    frame::{self, Body, Outcome, Request},
    id,
};
use tidings_sdk::{Address, Connection, Connector, Tls};
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
};
use uuid::Uuid;

use crate::process;

/// Connections being opened at once.
const AT_ONCE: usize = 64;

/// How long one connection may take to open.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is to be done.
#[derive(Clone)]
pub struct Options {
    /// The server, by the transport to use.
    pub address: Address,
    /// Makes the token of a user.
    pub token: Arc<dyn Fn(&str) -> String + Send + Sync>,
    /// How many connections, each of another user.
    pub connections: u32,
    /// Conversations of each user, an even number.
    pub conversations: u32,
    /// How long they idle before the server is measured.
    pub idle: Duration,
    /// How frames are written.
    pub encoding: Encoding,
    /// Whom to trust.
    pub tls: Tls,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Connections asked for.
    pub connections: u32,
    /// Connections still open at the end.
    pub open: u32,
    /// `websocket` or `quic`.
    pub transport: &'static str,
    /// Conversations of each user.
    pub conversations: u32,
    /// Seconds of idleness.
    pub idle_s: f64,
    /// Seconds until all were connected.
    pub connect_s: f64,
    /// Server memory before, KiB.
    pub rss_before_kb: u64,
    /// Server memory at the end, KiB.
    pub rss_kb: u64,
    /// The difference, per connection, in bytes.
    pub rss_bytes_per_connection: u64,
    /// CPU seconds the server spent on idling, per 1,000 connections and minute.
    pub cpu_s_per_1000_minutes: f64,
}

impl Report {
    /// Whether all stayed.
    pub fn passed(&self) -> bool {
        self.open == self.connections
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} idle connections, {}, {} conversations each, idle for {:.0} s",
            self.connections, self.transport, self.conversations, self.idle_s
        )?;
        writeln!(f, "  connected in           {:.1} s", self.connect_s)?;
        writeln!(f, "  still open             {}", self.open)?;
        writeln!(
            f,
            "  server memory          {:.1} MiB, {:.1} MiB before",
            self.rss_kb as f64 / 1024.0,
            self.rss_before_kb as f64 / 1024.0
        )?;
        writeln!(
            f,
            "  per connection         {:.1} KB",
            self.rss_bytes_per_connection as f64 / 1000.0
        )?;
        writeln!(
            f,
            "  server CPU idling      {:.2} s a minute for 1,000 connections",
            self.cpu_s_per_1000_minutes
        )
    }
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum IdleError {
    /// The options make no sense.
    #[error("{0}")]
    Options(&'static str),
    /// A connection could not be opened.
    #[error("connection {user}: {reason}")]
    Connection {
        /// Whose.
        user: u32,
        /// Why.
        reason: String,
    },
    /// The server's process is not there.
    #[error("process {0} is not there")]
    Process(u32),
}

fn name(user: u32) -> String {
    format!("idle-{user}")
}

/// Gives every user their conversations, a message in each. The connections for that are closed again.
pub async fn seed(options: &Options) -> Result<(), IdleError> {
    if !options.conversations.is_multiple_of(2) || options.connections <= options.conversations {
        return Err(IdleError::Options(
            "there are to be an even number of conversations, and more connections than that",
        ));
    }
    let connector = Arc::new(connector(options)?);
    each(options, |options, user| {
        let connector = connector.clone();
        async move {
            let mut connection = open(&options, &connector, user).await?;
            // In a ring, so that everyone has as many.
            for step in 1..=options.conversations / 2 {
                let other = name((user + step) % options.connections);
                let start = Request::StartDirect(command::StartDirect {
                    user: other,
                    ..command::StartDirect::default()
                });
                let conversation = accepted(&mut connection, user, start).await?;
                let post = Request::PostMessage(command::PostMessage {
                    conversation,
                    text: "so that there is something".to_owned(),
                    ..command::PostMessage::default()
                });
                accepted(&mut connection, user, post).await?;
            }
            connection.close(1000, "").await;
            Ok(())
        }
    })
    .await?;
    // Once everything is there, everyone has it: what a client has not seen yet costs more.
    each(options, |options, user| {
        let connector = connector.clone();
        async move {
            let connection = open(&options, &connector, user).await?;
            connection.close(1000, "").await;
            Ok(())
        }
    })
    .await
}

/// Opens the connections, idles, and measures the server's process.
pub async fn run(options: &Options, pid: u32) -> Result<Report, IdleError> {
    let memory = || process::resident_kib_of(&[pid]).ok_or(IdleError::Process(pid));
    let cpu = || process::cpu_seconds(pid).ok_or(IdleError::Process(pid));
    let rss_before_kb = memory()?;
    let connector = Arc::new(connector(options)?);
    let (lost, open_now) = watch::channel(options.connections);
    let lost = Arc::new(lost);
    let begun = Instant::now();
    each(options, |options, user| {
        let (connector, lost) = (connector.clone(), lost.clone());
        async move {
            let connection = open(&options, &connector, user).await?;
            tokio::spawn(async move {
                hold(connection).await;
                lost.send_modify(|open| *open -= 1);
            });
            Ok(())
        }
    })
    .await?;
    let connect_s = begun.elapsed().as_secs_f64();
    let spent = cpu()?;
    tokio::time::sleep(options.idle).await;
    let spent = cpu()? - spent;
    let rss_kb = memory()?;
    let idle_s = options.idle.as_secs_f64();
    let per_connection = rss_kb.saturating_sub(rss_before_kb) * 1024;
    Ok(Report {
        connections: options.connections,
        open: *open_now.borrow(),
        transport: match options.address.transport {
            tidings_sdk::Transport::Quic => "quic",
            _ => "websocket",
        },
        conversations: options.conversations,
        idle_s,
        connect_s,
        rss_before_kb,
        rss_kb,
        rss_bytes_per_connection: per_connection / u64::from(options.connections.max(1)),
        cpu_s_per_1000_minutes: spent / idle_s.max(0.001) * 60.0 * 1000.0
            / f64::from(options.connections.max(1)),
    })
}

/// Does something for every user, a few at a time.
async fn each<F: Future<Output = Result<(), IdleError>> + Send + 'static>(
    options: &Options,
    work: impl Fn(Options, u32) -> F,
) -> Result<(), IdleError> {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    for user in 0..options.connections {
        let place = room.clone().acquire_owned().await;
        let working = work(options.clone(), user);
        tasks.spawn(async move {
            let _place = place;
            working.await
        });
        while let Some(done) = tasks.try_join_next() {
            done.expect("it does not panic")?;
        }
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("it does not panic")?;
    }
    Ok(())
}

fn connector(options: &Options) -> Result<Connector, IdleError> {
    Connector::new(options.encoding, &options.tls)
        .map_err(|_| IdleError::Options("TLS cannot be set up"))
}

async fn open(
    options: &Options,
    connector: &Connector,
    user: u32,
) -> Result<Connection, IdleError> {
    let failed = |reason: String| IdleError::Connection { user, reason };
    let opening = async {
        let connecting = connector.connect(&options.address).await;
        let mut connection = connecting.map_err(|error| failed(error.to_string()))?;
        let hello = Request::Hello(command::Hello {
            token: (options.token)(&name(user)),
            window: 10,
            ..command::Hello::default()
        });
        send(&mut connection, user, 1, None, hello).await?;
        loop {
            let frame = connection.recv().await;
            match frame.map_err(|error| failed(error.to_string()))?.body {
                // Without a cursor the window follows the welcome. A client says that it has it.
                Some(Body::Reset(frame::Reset { cursor, .. })) => {
                    let cursor = cursor.unwrap_or_default();
                    let ack = Request::Ack(command::Ack {
                        position: cursor.position,
                        index: cursor.index,
                    });
                    send(&mut connection, user, 2, None, ack).await?;
                }
                Some(Body::Reply(_)) => return Ok(connection),
                Some(Body::Closing(closing)) => return Err(failed(closing.message)),
                _ => {}
            }
        }
    };
    match tokio::time::timeout(PATIENCE, opening).await {
        Ok(opened) => opened,
        Err(_) => Err(failed(format!("not open after {PATIENCE:?}"))),
    }
}

async fn send(
    connection: &mut Connection,
    user: u32,
    number: u64,
    command_id: Option<Uuid>,
    request: Request,
) -> Result<(), IdleError> {
    let frame = ClientFrame {
        id: number,
        command_id: command_id.map(id::to_wire).unwrap_or_default(),
        request: Some(request),
    };
    let sent = connection.send(&frame).await;
    sent.map_err(|error| IdleError::Connection {
        user,
        reason: error.to_string(),
    })
}

/// Sends a command and gives back the conversation it was for.
async fn accepted(
    connection: &mut Connection,
    user: u32,
    request: Request,
) -> Result<bytes::Bytes, IdleError> {
    let failed = |reason: String| IdleError::Connection { user, reason };
    send(connection, user, 2, Some(Uuid::now_v7()), request).await?;
    loop {
        let frame = connection.recv().await;
        match frame.map_err(|error| failed(error.to_string()))?.body {
            Some(Body::Reply(reply)) => match reply.outcome {
                Some(Outcome::Accepted(accepted)) => return Ok(accepted.conversation),
                Some(Outcome::Error(error)) => return Err(failed(error.message)),
                _ => {}
            },
            Some(Body::Closing(closing)) => return Err(failed(closing.message)),
            _ => {}
        }
    }
}

/// Keeps a connection alive until it ends.
async fn hold(connection: Connection) {
    let (mut sender, mut receiver) = connection.split();
    // The server asks for a sign every 30 seconds.
    let mut beat = tokio::time::interval(Duration::from_secs(20));
    beat.tick().await;
    let ping = ClientFrame {
        id: 3,
        request: Some(Request::Ping(command::Ping {})),
        ..ClientFrame::default()
    };
    loop {
        tokio::select! {
            frame = receiver.recv() => if frame.is_err() {
                return;
            },
            _ = beat.tick() => if sender.send(&ping).await.is_err() {
                return;
            },
        }
    }
}
