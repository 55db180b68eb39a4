//! Whether a server could listen where it is to.

use std::{
    io::{self, ErrorKind},
    net::{SocketAddr, TcpListener, UdpSocket},
};

use anyhow::anyhow;

/// Refuses an address where something listens, or where nothing can. Asked before anything is made: who
/// starts a second server by mistake gets no second folder.
pub(super) fn is_free(address: SocketAddr) -> anyhow::Result<()> {
    // One that the system chooses is free.
    if address.port() != 0 {
        TcpListener::bind(address).map_err(|error| refused(address, "TCP", &error))?;
        UdpSocket::bind(address).map_err(|error| refused(address, "UDP", &error))?;
    }
    Ok(())
}

/// Why nobody can listen there, and what to do.
pub(super) fn refused(address: SocketAddr, over: &str, error: &io::Error) -> anyhow::Error {
    let advice = match error.kind() {
        ErrorKind::AddrInUse => "another program listens there: stop it, or choose another --port",
        ErrorKind::AddrNotAvailable => "this machine has no such address: choose another --address",
        ErrorKind::PermissionDenied => {
            "ports below 1024 are the system's: choose another --port, or give this program the right to it"
        }
        _ => "choose another --port",
    };
    anyhow!("cannot listen on {address} ({over}): {error}: {advice}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_taken_by_either_protocol() {
        let tcp = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = tcp.local_addr().unwrap();
        let said = is_free(address).unwrap_err().to_string();
        let begin = format!("cannot listen on {address} (TCP): ");
        assert!(said.starts_with(&begin), "{said}");
        assert!(said.ends_with("choose another --port"), "{said}");

        let udp = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        let address = udp.local_addr().unwrap();
        // Somebody else may have that number over TCP.
        let said = is_free(address).unwrap_err().to_string();
        assert!(said.ends_with("choose another --port"), "{said}");
        assert!(is_free(([127, 0, 0, 1], 0).into()).is_ok());
    }

    #[test]
    fn an_address_of_another_machine_is_named() {
        let address = ([192, 0, 2, 1], 8080).into();
        let said = is_free(address).unwrap_err().to_string();
        assert!(said.ends_with("choose another --address"), "{said}");
    }
}
