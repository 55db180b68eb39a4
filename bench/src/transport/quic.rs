//! QUIC: quinn's protocol core driven by hand, a few UDP sockets for all users, no tasks or locks.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use quinn_proto::crypto::rustls::QuicClientConfig;
use quinn_proto::{
    ClientConfig, Connection, ConnectionError, ConnectionHandle, DatagramEvent, Dir, Endpoint,
    EndpointConfig, Event, ReadError, StreamEvent, StreamId, TransportConfig, VarInt,
};
use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSocketState};
use rustix::event::epoll::EventFlags;
use tidings_protocol::{Encoding, codec::delimited, version};
use tidings_sdk::Tls;

use super::poller::Poller;
use super::{Arrival, Transport};

/// Users that share a socket, at most this many sockets.
const PER_SOCKET: u32 = 1250;
const SOCKETS: u32 = 8;
const SOCKET_BUFFER: usize = 4 * 1024 * 1024;
const IDLE: Duration = Duration::from_secs(120);
const MAX_FRAME: usize = 16 * 1024 * 1024;

/// Connections by user number.
pub(crate) struct Quic {
    poller: Poller,
    sockets: Vec<Socket>,
    users: Vec<Option<User>>,
    config: ClientConfig,
    server_name: String,
    /// When connections want to be woken, at the latest: at most two entries each.
    timers: BinaryHeap<Reverse<(Instant, u32)>>,
    /// Users with something to look at.
    dirty: Vec<u32>,
    receive: Box<[u8]>,
    transmit: Vec<u8>,
}

struct Socket {
    socket: UdpSocket,
    state: UdpSocketState,
    endpoint: Endpoint,
    user_of: HashMap<ConnectionHandle, u32>,
}

struct User {
    socket: usize,
    handle: ConnectionHandle,
    connection: Connection,
    stream: Option<StreamId>,
    /// The beginning of a frame whose end has not come.
    partial: BytesMut,
    /// Written, not taken by the stream.
    outgoing: Vec<u8>,
    /// The earliest timer entry of this connection.
    timer: Option<Instant>,
    dirty: bool,
}

impl Quic {
    pub(crate) fn new(
        users: u32,
        encoding: Encoding,
        tls: &Tls,
        server_name: &str,
        ipv6: bool,
    ) -> io::Result<Quic> {
        let alpn = match encoding {
            Encoding::Json => version::ALPN_JSON,
            Encoding::Protobuf => version::ALPN_PROTOBUF,
        };
        let mut tls = tls.client_config(&[alpn]).map_err(io::Error::other)?;
        // Each connection is another user's: none resumes another's session.
        tls.resumption = rustls::client::Resumption::disabled();
        let tls = QuicClientConfig::try_from(tls).map_err(io::Error::other)?;
        let mut config = ClientConfig::new(Arc::new(tls));
        let mut transport = TransportConfig::default();
        transport.max_idle_timeout(IDLE.try_into().ok());
        transport.mtu_discovery_config(None);
        config.transport_config(Arc::new(transport));

        let poller = Poller::new()?;
        let any: IpAddr = if ipv6 {
            Ipv6Addr::UNSPECIFIED.into()
        } else {
            Ipv4Addr::UNSPECIFIED.into()
        };
        let sockets = users.div_ceil(PER_SOCKET).clamp(1, SOCKETS);
        let sockets: Vec<_> = (0..sockets)
            .map(|_| Socket::bind(any))
            .collect::<io::Result<_>>()?;
        for (i, socket) in sockets.iter().enumerate() {
            poller.add(&socket.socket, i as u64, EventFlags::IN)?;
        }
        let segments = sockets[0].state.gro_segments();
        Ok(Quic {
            poller,
            sockets,
            users: (0..users).map(|_| None).collect(),
            config,
            server_name: server_name.to_owned(),
            timers: BinaryHeap::new(),
            dirty: Vec::new(),
            receive: vec![0; BATCH_SIZE * 1500 * segments].into_boxed_slice(),
            transmit: Vec::with_capacity(2048),
        })
    }

    fn mark(&mut self, user: u32) {
        if let Some(state) = &mut self.users[user as usize]
            && !std::mem::replace(&mut state.dirty, true)
        {
            self.dirty.push(user);
        }
    }

    /// Takes in every datagram that has come to a socket.
    fn receive(&mut self, index: usize) -> io::Result<()> {
        let now = Instant::now();
        let socket = &mut self.sockets[index];
        let size = self.receive.len() / BATCH_SIZE;
        loop {
            let mut metas = [RecvMeta::default(); BATCH_SIZE];
            let mut chunks = self.receive.chunks_mut(size).map(IoSliceMut::new);
            let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
                std::array::from_fn(|_| chunks.next().expect("as many chunks as slices"));
            let received = match socket
                .state
                .recv((&socket.socket).into(), &mut slices, &mut metas)
            {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // An unreachable port shows here; the connection times out by itself.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
                Err(error) => return Err(error),
            };
            for (slice, meta) in slices.iter().zip(&metas).take(received) {
                for datagram in slice[..meta.len].chunks(meta.stride.max(1)) {
                    self.transmit.clear();
                    let ecn = meta
                        .ecn
                        .and_then(|ecn| quinn_proto::EcnCodepoint::from_bits(ecn as u8));
                    let event = socket.endpoint.handle(
                        now,
                        meta.addr,
                        meta.dst_ip,
                        ecn,
                        datagram.into(),
                        &mut self.transmit,
                    );
                    if let Some(DatagramEvent::ConnectionEvent(handle, event)) = event
                        && let Some(&user) = socket.user_of.get(&handle)
                        && let Some(state) = &mut self.users[user as usize]
                    {
                        state.connection.handle_event(event);
                        if !std::mem::replace(&mut state.dirty, true) {
                            self.dirty.push(user);
                        }
                    }
                }
            }
            if received < BATCH_SIZE {
                return Ok(());
            }
        }
    }

    /// Looks at what a connection has to say.
    fn look(&mut self, user: u32, arrived: &mut dyn FnMut(u32, Arrival<'_>)) {
        let Some(mut state) = self.users[user as usize].take() else {
            return;
        };
        state.dirty = false;
        let socket = &mut self.sockets[state.socket];
        let mut lost = None;
        while let Some(event) = state.connection.poll() {
            match event {
                Event::Connected => {
                    state.stream = state.connection.streams().open(Dir::Bi);
                    match state.stream {
                        Some(_) => arrived(user, Arrival::Open),
                        None => lost = Some("no stream allowed".to_owned()),
                    }
                }
                Event::Stream(StreamEvent::Readable { id }) => {
                    if let Err(reason) = read(&mut state, user, id, arrived) {
                        lost = Some(reason);
                    }
                }
                Event::Stream(StreamEvent::Writable { .. }) => write(&mut state),
                Event::ConnectionLost { reason } => lost = Some(reason_of(&reason)),
                _ => {}
            }
        }
        while let Some(event) = state.connection.poll_endpoint_events() {
            if let Some(event) = socket.endpoint.handle_event(state.handle, event) {
                state.connection.handle_event(event);
            }
        }
        if let Some(reason) = lost {
            // What is left of it in the endpoint answers late datagrams with a reset, or with
            // silence: nobody waits for either.
            socket.user_of.remove(&state.handle);
            arrived(user, Arrival::Closed(reason));
            return;
        }
        self.users[user as usize] = Some(state);
        self.transmit(user);
    }

    /// Sends whatever a connection wants to send, and notes when it wants to be woken.
    fn transmit(&mut self, user: u32) {
        let now = Instant::now();
        let Some(state) = &mut self.users[user as usize] else {
            return;
        };
        let socket = &self.sockets[state.socket];
        let most = socket.state.max_gso_segments();
        loop {
            self.transmit.clear();
            let Some(transmit) = state
                .connection
                .poll_transmit(now, most, &mut self.transmit)
            else {
                break;
            };
            let datagram = quinn_udp::Transmit {
                destination: transmit.destination,
                ecn: transmit
                    .ecn
                    .and_then(|ecn| quinn_udp::EcnCodepoint::from_bits(ecn as u8)),
                contents: &self.transmit[..transmit.size],
                segment_size: transmit.segment_size,
                src_ip: transmit.src_ip,
            };
            // A datagram the kernel does not take is lost, which QUIC is made for.
            let _ = socket.state.try_send((&socket.socket).into(), &datagram);
        }
        if let Some(at) = state.connection.poll_timeout()
            && state.timer.is_none_or(|timer| at < timer)
        {
            state.timer = Some(at);
            self.timers.push(Reverse((at, user)));
        }
    }

    fn fire_timers(&mut self) {
        let now = Instant::now();
        while let Some(&Reverse((at, user))) = self.timers.peek() {
            if at > now {
                break;
            }
            self.timers.pop();
            let Some(state) = &mut self.users[user as usize] else {
                continue;
            };
            if state.timer != Some(at) {
                continue;
            }
            state.timer = None;
            // It may have been put off since: then this only plans it anew.
            if state
                .connection
                .poll_timeout()
                .is_some_and(|due| due <= now)
            {
                state.connection.handle_timeout(now);
            }
            self.mark(user);
        }
    }
}

impl Socket {
    fn bind(any: IpAddr) -> io::Result<Socket> {
        let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
        let state = UdpSocketState::new((&socket).into())?;
        state.set_recv_buffer_size((&socket).into(), SOCKET_BUFFER)?;
        state.set_send_buffer_size((&socket).into(), SOCKET_BUFFER)?;
        let endpoint = Endpoint::new(Arc::new(EndpointConfig::default()), None, false, None);
        Ok(Socket {
            socket,
            state,
            endpoint,
            user_of: HashMap::new(),
        })
    }
}

impl Transport for Quic {
    fn open(&mut self, user: u32, target: SocketAddr) -> io::Result<()> {
        let index = user as usize % self.sockets.len();
        let socket = &mut self.sockets[index];
        let (handle, connection) = socket
            .endpoint
            .connect(
                Instant::now(),
                self.config.clone(),
                target,
                &self.server_name,
            )
            .map_err(io::Error::other)?;
        socket.user_of.insert(handle, user);
        self.users[user as usize] = Some(User {
            socket: index,
            handle,
            connection,
            stream: None,
            partial: BytesMut::new(),
            outgoing: Vec::new(),
            timer: None,
            dirty: false,
        });
        self.transmit(user);
        Ok(())
    }

    fn write(&mut self, user: u32, frame: &[u8]) {
        if let Some(state) = &mut self.users[user as usize] {
            prost::encoding::encode_varint(frame.len() as u64, &mut state.outgoing);
            state.outgoing.put_slice(frame);
        }
    }

    fn flush(&mut self, user: u32) {
        if let Some(state) = &mut self.users[user as usize] {
            write(state);
            self.transmit(user);
        }
    }

    fn poll(
        &mut self,
        timeout: Duration,
        arrived: &mut dyn FnMut(u32, Arrival<'_>),
    ) -> io::Result<()> {
        let now = Instant::now();
        let timer = self
            .timers
            .peek()
            .map(|Reverse((at, _))| at.saturating_duration_since(now));
        let timeout = match self.dirty.is_empty() {
            true => timeout.min(timer.unwrap_or(timeout)),
            false => Duration::ZERO,
        };
        let events = self.poller.wait(timeout)?;
        for event in &events {
            self.receive(event.data.u64() as usize)?;
        }
        self.poller.done(events);
        self.fire_timers();
        let dirty = std::mem::take(&mut self.dirty);
        for &user in &dirty {
            self.look(user, arrived);
        }
        // Keeps the allocation; `look` marks nobody.
        self.dirty = dirty;
        self.dirty.clear();
        Ok(())
    }

    fn nap(&mut self, time: Duration) -> io::Result<()> {
        self.poller.nap(time)
    }

    fn close(&mut self) {
        for user in 0..self.users.len() as u32 {
            if let Some(state) = &mut self.users[user as usize] {
                let now = Instant::now();
                state
                    .connection
                    .close(now, VarInt::from_u32(1000), Bytes::from_static(b"done"));
                self.transmit(user);
            }
        }
        self.users.iter_mut().for_each(|user| *user = None);
    }
}

fn write(state: &mut User) {
    let Some(stream) = state.stream.filter(|_| !state.outgoing.is_empty()) else {
        return;
    };
    // Blocked: the event that it is writable again brings us back here. Other errors come with the
    // end of the connection.
    if let Ok(n) = state.connection.send_stream(stream).write(&state.outgoing) {
        state.outgoing.drain(..n);
    }
}

fn read(
    state: &mut User,
    user: u32,
    id: StreamId,
    arrived: &mut dyn FnMut(u32, Arrival<'_>),
) -> Result<(), String> {
    let mut stream = state.connection.recv_stream(id);
    let Ok(mut chunks) = stream.read(true) else {
        return Ok(());
    };
    let result = loop {
        match chunks.next(usize::MAX) {
            Ok(Some(chunk)) => match state.partial.is_empty() {
                true => state.partial = chunk.bytes.into(),
                false => state.partial.extend_from_slice(&chunk.bytes),
            },
            Ok(None) => break Err("end of stream".to_owned()),
            Err(ReadError::Blocked) => break Ok(()),
            Err(ReadError::Reset(code)) => break Err(format!("closed {code}")),
        }
        loop {
            match delimited::read(&mut state.partial, MAX_FRAME) {
                Ok(Some(frame)) => arrived(user, Arrival::Frame(&frame)),
                Ok(None) => break,
                Err(error) => return Err(error.to_string()),
            }
        }
    };
    // Whatever it wants transmitted goes out with everything else.
    let _ = chunks.finalize();
    result
}

fn reason_of(reason: &ConnectionError) -> String {
    match reason {
        ConnectionError::ApplicationClosed(close) => format!("closed {}", close.error_code),
        reason => reason.to_string(),
    }
}
