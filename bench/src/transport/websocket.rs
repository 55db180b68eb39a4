//! WebSocket by hand over epoll: one read and one write a frame at most, no task, no copy where a
//! frame is whole. Masks are zero, which RFC 6455 allows and spares the work.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use rustix::event::epoll::EventFlags;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};
use tidings_protocol::{Encoding, version};

use super::poller::Poller;
use super::{Arrival, Transport};

/// Sources on loopback are taken in turn: each has some 28,000 ports.
const PER_SOURCE: u32 = 15_000;
const READ: usize = 64 * 1024;
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Connections by user number.
pub(crate) struct WebSocket {
    poller: Poller,
    encoding: Encoding,
    connections: Vec<Option<Connection>>,
    buffer: Box<[u8]>,
    /// Connections that failed outside `poll`.
    failed: VecDeque<(u32, String)>,
}

struct Connection {
    stream: TcpStream,
    stage: Stage,
    /// The beginning of a frame whose end has not come.
    partial: Vec<u8>,
    /// Written, not sent.
    outgoing: Vec<u8>,
    /// Waiting until the kernel takes more.
    blocked: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connecting,
    Upgrading,
    Open,
}

impl WebSocket {
    pub(crate) fn new(users: u32, encoding: Encoding) -> io::Result<WebSocket> {
        Ok(WebSocket {
            poller: Poller::new()?,
            encoding,
            connections: (0..users).map(|_| None).collect(),
            buffer: vec![0; READ].into_boxed_slice(),
            failed: VecDeque::new(),
        })
    }

    fn subprotocol(&self) -> &'static str {
        match self.encoding {
            Encoding::Json => version::SUBPROTOCOL_JSON,
            Encoding::Protobuf => version::SUBPROTOCOL_PROTOBUF,
        }
    }

    fn watch(&self, user: u32, connection: &Connection, writable: bool) -> io::Result<()> {
        let mut flags = EventFlags::IN;
        flags.set(EventFlags::OUT, writable);
        self.poller.modify(&connection.stream, user.into(), flags)
    }

    /// Writes as much as the kernel takes.
    fn push(&mut self, user: u32) -> io::Result<()> {
        let Some(mut connection) = self.connections[user as usize].take() else {
            return Ok(());
        };
        let result = self.push_to(user, &mut connection);
        self.connections[user as usize] = Some(connection);
        result
    }

    fn push_to(&mut self, user: u32, connection: &mut Connection) -> io::Result<()> {
        let mut sent = 0;
        let blocked = loop {
            if sent == connection.outgoing.len() {
                break false;
            }
            match connection.stream.write(&connection.outgoing[sent..]) {
                Ok(n) => sent += n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        };
        connection.outgoing.drain(..sent);
        if blocked != connection.blocked {
            connection.blocked = blocked;
            self.watch(user, connection, blocked)?;
        }
        Ok(())
    }

    /// Reads once; more is reported again by epoll.
    fn pull(&mut self, user: u32, arrived: &mut dyn FnMut(u32, Arrival<'_>)) -> Result<(), String> {
        let Some(connection) = &mut self.connections[user as usize] else {
            return Ok(());
        };
        let n = match connection.stream.read(&mut self.buffer) {
            Ok(0) => return Err("end of stream".to_owned()),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error.kind().to_string()),
        };
        if connection.partial.is_empty() {
            let used = consume(connection, &self.buffer[..n], user, arrived)?;
            connection.partial.extend_from_slice(&self.buffer[used..n]);
        } else {
            let mut whole = std::mem::take(&mut connection.partial);
            whole.extend_from_slice(&self.buffer[..n]);
            let used = consume(connection, &whole, user, arrived)?;
            whole.drain(..used);
            connection.partial = whole;
        }
        if !connection.outgoing.is_empty() && !connection.blocked {
            self.push(user).map_err(|error| error.kind().to_string())?;
        }
        Ok(())
    }

    fn connected(&mut self, user: u32) -> io::Result<()> {
        let subprotocol = self.subprotocol();
        let Some(mut connection) = self.connections[user as usize].take() else {
            return Ok(());
        };
        let result = (|| {
            sockopt::socket_error(&connection.stream)??;
            let peer = connection.stream.peer_addr()?;
            connection.stage = Stage::Upgrading;
            write!(
                connection.outgoing,
                "GET /v1/ws HTTP/1.1\r\nHost: {peer}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Protocol: {subprotocol}\r\n\r\n"
            )?;
            self.watch(user, &connection, false)?;
            self.push_to(user, &mut connection)
        })();
        self.connections[user as usize] = Some(connection);
        result
    }
}

impl Transport for WebSocket {
    fn open(&mut self, user: u32, target: SocketAddr) -> io::Result<()> {
        let family = match target {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = net::socket_with(family, SocketType::STREAM, flags, None)?;
        sockopt::set_tcp_nodelay(&socket, true)?;
        if target.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST) && user >= PER_SOURCE {
            let source = Ipv4Addr::new(127, 0, 0, 1 + (user / PER_SOURCE) as u8);
            net::bind(&socket, &SocketAddr::from((source, 0)))?;
        }
        match net::connect(&socket, &target) {
            Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        self.poller.add(&socket, user.into(), EventFlags::OUT)?;
        self.connections[user as usize] = Some(Connection {
            stream: TcpStream::from(socket),
            stage: Stage::Connecting,
            partial: Vec::new(),
            outgoing: Vec::new(),
            blocked: false,
        });
        Ok(())
    }

    fn write(&mut self, user: u32, frame: &[u8]) {
        if let Some(connection) = &mut self.connections[user as usize] {
            let opcode = match self.encoding {
                Encoding::Json => TEXT,
                Encoding::Protobuf => BINARY,
            };
            write_frame(opcode, frame, &mut connection.outgoing);
        }
    }

    fn flush(&mut self, user: u32) {
        let open = self.connections[user as usize]
            .as_ref()
            .is_some_and(|c| !c.blocked);
        if let (true, Err(error)) = (open, self.push(user)) {
            self.failed.push_back((user, error.kind().to_string()));
        }
    }

    fn poll(
        &mut self,
        timeout: Duration,
        arrived: &mut dyn FnMut(u32, Arrival<'_>),
    ) -> io::Result<()> {
        let timeout = if self.failed.is_empty() {
            timeout
        } else {
            Duration::ZERO
        };
        let events = self.poller.wait(timeout)?;
        for event in &events {
            let (user, flags) = (event.data.u64() as u32, event.flags);
            let stage = self.connections[user as usize].as_ref().map(|c| c.stage);
            let result = match stage {
                None => Ok(()),
                Some(Stage::Connecting) => self
                    .connected(user)
                    .map_err(|error| error.kind().to_string()),
                Some(_) => {
                    let mut result = Ok(());
                    if flags.contains(EventFlags::OUT) {
                        result = self.push(user).map_err(|error| error.kind().to_string());
                    }
                    result.and_then(|()| self.pull(user, arrived))
                }
            };
            if let Err(reason) = result {
                self.connections[user as usize] = None;
                arrived(user, Arrival::Closed(reason));
            }
        }
        self.poller.done(events);
        while let Some((user, reason)) = self.failed.pop_front() {
            if self.connections[user as usize].take().is_some() {
                arrived(user, Arrival::Closed(reason));
            }
        }
        Ok(())
    }

    fn nap(&mut self, time: Duration) -> io::Result<()> {
        self.poller.nap(time)
    }

    fn close(&mut self) {
        let normal = 1000u16.to_be_bytes();
        for connection in self.connections.iter_mut().flatten() {
            write_frame(CLOSE, &normal, &mut connection.outgoing);
            // Whoever does not take it sees the connection end.
            let _ = connection.stream.write(&connection.outgoing);
        }
        self.connections
            .iter_mut()
            .for_each(|connection| *connection = None);
    }
}

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;

fn write_frame(opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.push(0x80 | opcode);
    match payload.len() {
        len @ 0..126 => out.push(0x80 | len as u8),
        len @ 126..0x1_0000 => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
}

/// Takes everything complete off `bytes`; returns how much that was.
fn consume(
    connection: &mut Connection,
    bytes: &[u8],
    user: u32,
    arrived: &mut dyn FnMut(u32, Arrival<'_>),
) -> Result<usize, String> {
    let mut used = 0;
    if connection.stage == Stage::Upgrading {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Ok(0);
        };
        check_upgrade(&bytes[..end])?;
        connection.stage = Stage::Open;
        arrived(user, Arrival::Open);
        used = end + 4;
    }
    while let Some(Frame {
        opcode,
        payload,
        end,
    }) = next_frame(&bytes[used..])?
    {
        match opcode {
            TEXT | BINARY => arrived(user, Arrival::Frame(payload)),
            PING => write_frame(10, payload, &mut connection.outgoing),
            CLOSE => {
                let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                return Err(code.map_or("closed".to_owned(), |code| format!("closed {code}")));
            }
            _ => {}
        }
        used += end;
    }
    Ok(used)
}

#[derive(Debug, PartialEq)]
struct Frame<'a> {
    opcode: u8,
    payload: &'a [u8],
    /// Length of the whole frame.
    end: usize,
}

/// The first frame, once it is complete.
fn next_frame(bytes: &[u8]) -> Result<Option<Frame<'_>>, String> {
    let [first, second, rest @ ..] = bytes else {
        return Ok(None);
    };
    if first & 0x80 == 0 || second & 0x80 != 0 {
        return Err("fragmented or masked frame".to_owned());
    }
    let (len, head) = match second & 0x7f {
        126 => match rest.first_chunk() {
            Some(len) => (u16::from_be_bytes(*len).into(), 4),
            None => return Ok(None),
        },
        127 => match rest.first_chunk() {
            Some(len) => (u64::from_be_bytes(*len) as usize, 10),
            None => return Ok(None),
        },
        len => (len.into(), 2),
    };
    let Some(payload) = bytes.get(head..).and_then(|rest| rest.get(..len)) else {
        return Ok(None);
    };
    Ok(Some(Frame {
        opcode: first & 0x0f,
        payload,
        end: head + len,
    }))
}

fn check_upgrade(head: &[u8]) -> Result<(), String> {
    let head = String::from_utf8_lossy(head);
    let status = head.lines().next().unwrap_or_default();
    if !status.contains(" 101") {
        return Err(format!("upgrade refused: {status}"));
    }
    match head.contains(ACCEPT) {
        true => Ok(()),
        false => Err("upgrade without the key's answer".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_every_length_come_out_again() {
        let mut bytes = Vec::new();
        let lens = [0, 1, 125, 126, 127, 65_535, 65_536, 70_000];
        for len in lens {
            let mut framed = Vec::new();
            write_frame(BINARY, &vec![7; len], &mut framed);
            // As a server writes it: without the mask.
            let head = framed.len() - len - 4;
            framed.drain(head..head + 4);
            framed[1] &= 0x7f;
            bytes.extend(framed);
        }
        let mut rest = &bytes[..];
        for len in lens {
            let Frame {
                opcode,
                payload,
                end,
            } = next_frame(rest).unwrap().unwrap();
            assert_eq!((opcode, payload.len()), (BINARY, len));
            for cut in [0, 1, 3, end - 1] {
                assert_eq!(next_frame(&rest[..cut.min(end - 1)]).unwrap(), None);
            }
            rest = &rest[end..];
        }
        assert!(rest.is_empty());
    }

    #[test]
    fn what_no_server_sends_is_refused() {
        assert!(next_frame(&[0x02, 1, 0]).is_err());
        assert!(next_frame(&[0x82, 0x81, 0, 0, 0, 0, 0]).is_err());
        assert!(check_upgrade(b"HTTP/1.1 503 Service Unavailable\r\n").is_err());
        assert!(check_upgrade(b"HTTP/1.1 101 Switching Protocols\r\nX: y").is_err());
    }
}
