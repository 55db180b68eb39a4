//! Coming back after having missed something: what that costs the server, beside coming back after nothing.

use std::{fmt, time::Instant};

use bytes::Bytes;
use serde::Serialize;
use tidings_protocol::{
    ClientFrame, Encoding, command,
    frame::{Body, Cursor, Outcome, Request},
    id,
};
use tidings_sdk::{Address, Connection, Connector, Tls};
use uuid::Uuid;

use crate::{
    process,
    report::{Quantiles, Times},
};

/// What is to be done, on a server that may hold any other events.
pub struct Options {
    /// The server, by WebSocket.
    pub address: Address,
    /// Makes the token of a user.
    pub token: Box<dyn Fn(&str) -> String>,
    /// Messages the log holds before.
    pub messages: u32,
    /// Messages missed before each return.
    pub missed: u32,
    /// How often somebody returns.
    pub times: u32,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Messages the log held before.
    pub messages: u32,
    /// Messages missed before each return.
    pub missed: u32,
    /// How often somebody returned.
    pub times: u32,
    /// From connecting to the last missed message, milliseconds.
    pub resume_ms: Quantiles,
    /// Server CPU milliseconds a return, the connection's own included.
    pub server_cpu_ms: f64,
    /// The same where nothing was missed: milliseconds.
    pub baseline_ms: Quantiles,
    /// Server CPU milliseconds of that.
    pub baseline_cpu_ms: f64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} returns after {} missed messages, with {} others in the log",
            self.times, self.missed, self.messages
        )?;
        let mut line = |name: &str, cpu: f64, time: &Quantiles| {
            writeln!(
                f,
                "  {name:<16} {cpu:>7.3} ms of server CPU, {:.2} ms until it has them (p99 {:.2})",
                time.p50, time.p99
            )
        };
        line("these", self.server_cpu_ms, &self.resume_ms)?;
        line("nothing missed", self.baseline_cpu_ms, &self.baseline_ms)
    }
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls,
    /// The server did something else than resuming a session.
    #[error("{0}")]
    Server(String),
    /// The server's process is not there.
    #[error("process {0} is not there")]
    Process(u32),
}

fn server(error: impl fmt::Display) -> ResumeError {
    ResumeError::Server(error.to_string())
}

/// Returns again and again, and measures the server's process.
pub async fn run(options: &Options, pid: u32) -> Result<Report, ResumeError> {
    let connector = Connector::new(Encoding::Protobuf, &Tls::dangerous_accept_any_certificate())
        .map_err(|_| ResumeError::Tls)?;
    let visitor = Visitor { options, connector };
    let (mut poster, _) = visitor.open("resume-poster", None).await?;
    let start = Request::StartDirect(command::StartDirect {
        user: "resume-reader".to_owned(),
        ..command::StartDirect::default()
    });
    let (conversation, _) = command(&mut poster, start).await?;
    let (_, behind) = visitor.open("resume-reader", None).await?;
    let mut head = 0;
    for number in 0..options.missed {
        let post = Request::PostMessage(command::PostMessage {
            conversation: conversation.clone(),
            text: format!("message {number} of those that are missed"),
            ..command::PostMessage::default()
        });
        (_, head) = command(&mut poster, post).await?;
    }
    let ahead = Cursor {
        position: head,
        ..behind.cursor.clone()
    };
    // Both once before: what is read for the first time is not what a return costs.
    visitor.return_to(&behind.cursor, options.missed).await?;
    visitor.return_to(&ahead, 0).await?;
    let (baseline_ms, baseline_cpu_ms) = visitor.measure(&ahead, 0, pid).await?;
    let (resume_ms, server_cpu_ms) = visitor.measure(&behind.cursor, options.missed, pid).await?;
    Ok(Report {
        messages: options.messages,
        missed: options.missed,
        times: options.times,
        resume_ms,
        server_cpu_ms,
        baseline_ms,
        baseline_cpu_ms,
    })
}

/// How a session began.
struct Opened {
    cursor: Cursor,
    replayed: u32,
}

struct Visitor<'a> {
    options: &'a Options,
    connector: Connector,
}

impl Visitor<'_> {
    async fn measure(
        &self,
        cursor: &Cursor,
        missed: u32,
        pid: u32,
    ) -> Result<(Quantiles, f64), ResumeError> {
        let cpu = || process::cpu_seconds(pid).ok_or(ResumeError::Process(pid));
        let mut times = Times::new();
        let before = cpu()?;
        for _ in 0..self.options.times {
            let begun = Instant::now();
            self.return_to(cursor, missed).await?;
            times.record_ns(begun.elapsed().as_nanos() as u64);
        }
        let spent = cpu()? - before;
        let each = spent * 1000.0 / f64::from(self.options.times.max(1));
        Ok((times.quantiles(), each))
    }

    /// Returns to a cursor, takes what was missed, and goes.
    async fn return_to(&self, cursor: &Cursor, missed: u32) -> Result<(), ResumeError> {
        let (mut connection, opened) = self.open("resume-reader", Some(cursor.clone())).await?;
        if opened.replayed != missed {
            return Err(ResumeError::Server(format!(
                "{} events were replayed instead of {missed}",
                opened.replayed
            )));
        }
        for _ in 0..missed {
            match connection.recv().await.map_err(server)?.body {
                Some(Body::Event(_)) => {}
                other => {
                    return Err(ResumeError::Server(format!(
                        "instead of an event: {other:?}"
                    )));
                }
            }
        }
        connection.close(1000, "").await;
        Ok(())
    }

    async fn open(
        &self,
        user: &str,
        cursor: Option<Cursor>,
    ) -> Result<(Connection, Opened), ResumeError> {
        let connecting = self.connector.connect(&self.options.address);
        let mut connection = connecting.await.map_err(server)?;
        let hello = Request::Hello(command::Hello {
            token: (self.options.token)(user),
            cursor,
            ..command::Hello::default()
        });
        let frame = ClientFrame {
            id: 1,
            request: Some(hello),
            ..ClientFrame::default()
        };
        connection.send(&frame).await.map_err(server)?;
        loop {
            match connection.recv().await.map_err(server)?.body {
                Some(Body::Welcome(welcome)) => {
                    let opened = Opened {
                        cursor: welcome.cursor.unwrap_or_default(),
                        replayed: welcome.replayed,
                    };
                    if welcome.resumed {
                        return Ok((connection, opened));
                    }
                    // The window follows.
                    let reset = connection.recv().await.map_err(server)?;
                    return match reset.body {
                        Some(Body::Reset(_)) => Ok((connection, opened)),
                        other => Err(ResumeError::Server(format!(
                            "instead of a window: {other:?}"
                        ))),
                    };
                }
                Some(Body::Closing(closing)) => return Err(ResumeError::Server(closing.message)),
                _ => {}
            }
        }
    }
}

/// Sends a command; gives back the conversation it was for, and its position.
async fn command(
    connection: &mut Connection,
    request: Request,
) -> Result<(Bytes, u64), ResumeError> {
    let frame = ClientFrame {
        id: 2,
        command_id: id::to_wire(Uuid::now_v7()),
        request: Some(request),
    };
    connection.send(&frame).await.map_err(server)?;
    loop {
        match connection.recv().await.map_err(server)?.body {
            Some(Body::Reply(reply)) => match reply.outcome {
                Some(Outcome::Accepted(accepted)) => {
                    return Ok((accepted.conversation, accepted.position));
                }
                Some(Outcome::Error(error)) => return Err(ResumeError::Server(error.message)),
                _ => {}
            },
            Some(Body::Closing(closing)) => return Err(ResumeError::Server(closing.message)),
            _ => {}
        }
    }
}
