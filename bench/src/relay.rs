//! A bare relay: the least that any server on this stack could cost, to measure beside the real one.
//!
//! It speaks Tidings frames over WebSocket and keeps everything in memory behind one lock: no log, no
//! projections, no authorisation beyond taking the name in a development token, nothing sealed, no
//! limits. What is left is reading and writing frames and sockets, which no server can do without.
//! Only as much of the protocol is here as the load generator uses.

mod connection;
mod world;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::net::TcpListener;

use world::World;

/// Begins the tokens that are taken: the user's name follows.
pub const TOKEN: &str = "dev:";

/// A relay that listens. It trusts whoever reaches it, so it is to be bound to loopback.
pub struct Relay {
    listener: TcpListener,
    address: SocketAddr,
}

impl Relay {
    /// Listens; port 0 lets the system choose.
    pub async fn bind(address: SocketAddr) -> io::Result<Relay> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Relay { listener, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until accepting fails. Connections that are open outlive this.
    pub async fn serve(self) -> io::Result<()> {
        let world = Arc::new(Mutex::new(World::new()));
        loop {
            let (stream, _) = self.listener.accept().await?;
            tokio::spawn(connection::serve(stream, world.clone()));
        }
    }
}

#[cfg(test)]
mod tests;
