//! From nothing to an open session: token, connection, `hello`, `welcome`.

use std::sync::Arc;
use std::time::Duration;

use tidings_protocol::frame::{Body, Closing, Outcome, Request, Welcome};
use tidings_protocol::{ClientFrame, command};

use crate::connection::ConnectError;
use crate::{Address, Connection, Connector, Disconnect, Error, Token};

/// An attempt to open a session.
pub(super) struct Attempt {
    pub(super) connector: Arc<Connector>,
    pub(super) address: Address,
    pub(super) token: Token,
    /// Everything but the token.
    pub(super) hello: command::Hello,
    pub(super) timeout: Duration,
}

/// Why there is no session, or not any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("no session within {0:?}")]
    Timeout(Duration),
    #[error("no token: {0}")]
    Token(String),
    #[error("hello refused: {0}")]
    Refused(Error),
    #[error("closed by the server: {}", if .0.message.is_empty() { &.0.code } else { &.0.message })]
    Closing(Closing),
    #[error(transparent)]
    Disconnect(#[from] Disconnect),
}

impl Attempt {
    pub(super) async fn make(self) -> Result<(Connection, Welcome), Ended> {
        let timeout = self.timeout;
        let session = async {
            let token = self.token.get().await.map_err(Ended::Token)?;
            let mut connection = self.connector.connect(&self.address).await?;
            let welcome = hello(
                &mut connection,
                command::Hello {
                    token,
                    ..self.hello
                },
            )
            .await?;
            Ok((connection, welcome))
        };
        tokio::time::timeout(timeout, session)
            .await
            .unwrap_or(Err(Ended::Timeout(timeout)))
    }
}

async fn hello(connection: &mut Connection, hello: command::Hello) -> Result<Welcome, Ended> {
    let request = Some(Request::Hello(hello));
    // Also where sending fails the server may have said why.
    let sent = connection
        .send(&ClientFrame {
            id: 1,
            request,
            ..Default::default()
        })
        .await;
    let mut refusal = None;
    loop {
        let frame = match connection.recv().await {
            Ok(frame) => frame,
            Err(disconnect) => {
                let disconnect = Ended::Disconnect(sent.err().unwrap_or(disconnect));
                return Err(refusal.map(Ended::Refused).unwrap_or(disconnect));
            }
        };
        match frame.body {
            Some(Body::Welcome(welcome)) => return Ok(welcome),
            Some(Body::Closing(closing)) => return Err(Ended::Closing(closing)),
            Some(Body::Reply(reply)) => {
                if let Some(Outcome::Error(error)) = reply.outcome {
                    // A `closing` with more to say usually follows.
                    refusal = Some(Error::refused(&error));
                }
            }
            _ => {}
        }
    }
}
