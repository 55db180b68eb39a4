//! The network between two programs, to be broken: cut, held up in either direction, let go.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream, UdpSocket,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

/// What the network is like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Weather {
    /// Nothing comes through from the client.
    hold_up: bool,
    /// Nothing comes through to the client.
    hold_down: bool,
    /// Connections made before this generation are cut.
    generation: u64,
}

/// Which way bytes go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

impl Weather {
    fn holds(&self, direction: Direction) -> bool {
        match direction {
            Direction::Up => self.hold_up,
            Direction::Down => self.hold_down,
        }
    }
}

/// A proxy. TCP bytes that are held up wait, as in a network that is gone for a while; UDP packets
/// are lost.
pub struct Proxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Carries TCP connections to `target`.
    pub async fn tcp(target: SocketAddr) -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a loopback port is free");
        let address = listener.local_addr().expect("it is bound");
        let (weather, seen) = watch::channel(Weather::default());
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(connect(client, target, seen.clone()));
            }
        });
        Proxy {
            address,
            weather,
            task,
        }
    }

    /// Carries UDP packets to `target`.
    pub async fn udp(target: SocketAddr) -> Proxy {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let socket = Arc::new(socket.expect("a loopback port is free"));
        let address = socket.local_addr().expect("it is bound");
        let (weather, seen) = watch::channel(Weather::default());
        let task = tokio::spawn(packets(socket, target, seen));
        Proxy {
            address,
            weather,
            task,
        }
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts every connection there is.
    pub fn cut(&self) {
        self.weather.send_modify(|weather| weather.generation += 1);
    }

    /// Holds up what clients send.
    pub fn hold_up(&self) {
        self.weather.send_modify(|weather| weather.hold_up = true);
    }

    /// Holds up what is sent to clients.
    pub fn hold_down(&self) {
        self.weather.send_modify(|weather| weather.hold_down = true);
    }

    /// Lets everything through again.
    pub fn release(&self) {
        self.weather.send_modify(|weather| {
            (weather.hold_up, weather.hold_down) = (false, false);
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn connect(client: TcpStream, target: SocketAddr, weather: watch::Receiver<Weather>) {
    // A server that is away refuses: the client sees its connection end.
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    let generation = weather.borrow().generation;
    // What is sent in one piece is to arrive in one.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) =
        (client.into_split(), server.into_split());
    // Whichever ends first takes the other with it: both halves of both connections are dropped.
    tokio::select! {
        () = carry(from_client, to_server, Direction::Up, generation, weather.clone()) => {}
        () = carry(from_server, to_client, Direction::Down, generation, weather) => {}
    }
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    direction: Direction,
    generation: u64,
    mut weather: watch::Receiver<Weather>,
) {
    let mut buffer = vec![0; 16 * 1024];
    let mut held = 0;
    loop {
        let now = *weather.borrow_and_update();
        if now.generation != generation {
            return;
        }
        if held > 0 && !now.holds(direction) {
            let mut cutting = weather.clone();
            let written = tokio::select! {
                written = to.write_all(&buffer[..held]) => written.is_ok(),
                // Half a frame may have gone: that is what cutting is like.
                () = cut(&mut cutting, generation) => false,
            };
            if !written {
                return;
            }
            held = 0;
        }
        tokio::select! {
            changed = weather.changed() => if changed.is_err() { return },
            read = from.read(&mut buffer), if held == 0 && !now.holds(direction) => match read {
                Ok(bytes @ 1..) => held = bytes,
                _ => return,
            },
        }
        if held > 0 {
            // Looks at the weather before it passes on what it has.
            weather.mark_changed();
        }
    }
}

async fn cut(weather: &mut watch::Receiver<Weather>, generation: u64) {
    let _ = weather
        .wait_for(|weather| weather.generation != generation)
        .await;
}

async fn packets(socket: Arc<UdpSocket>, target: SocketAddr, weather: watch::Receiver<Weather>) {
    let mut clients: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        // An error here tells of an earlier packet that nobody received.
        let Ok((bytes, client)) = socket.recv_from(&mut buffer).await else {
            continue;
        };
        if weather.borrow().hold_up {
            continue;
        }
        let server = match clients.get(&client) {
            Some(server) => server.clone(),
            None => {
                let Ok(server) = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await else {
                    continue;
                };
                if server.connect(target).await.is_err() {
                    continue;
                }
                let server = Arc::new(server);
                tokio::spawn(answers(
                    server.clone(),
                    socket.clone(),
                    client,
                    weather.clone(),
                ));
                clients.insert(client, server.clone());
                server
            }
        };
        // Lost, as packets are.
        let _ = server.send(&buffer[..bytes]).await;
    }
}

async fn answers(
    server: Arc<UdpSocket>,
    socket: Arc<UdpSocket>,
    client: SocketAddr,
    mut weather: watch::Receiver<Weather>,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let bytes = tokio::select! {
            received = server.recv(&mut buffer) => match received {
                Ok(bytes) => bytes,
                Err(_) => continue,
            },
            // The proxy is gone.
            changed = weather.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
        };
        if !weather.borrow().hold_down {
            let _ = socket.send_to(&buffer[..bytes], client).await;
        }
    }
}
