//! A client without any comfort: one connection, frames as they are.

use std::collections::VecDeque;

use tidings_protocol::{
    ClientFrame, Encoding, ServerFrame, command,
    event::Event,
    frame::{self, Accepted, Body, Closing, Cursor, Outcome, Request, Reset, Welcome},
    id,
};
use tidings_sdk::{
    Address, Connection, Connector, Disconnect, Tls,
    connection::{ConnectError, Receiver, Sender},
};
use uuid::Uuid;

use crate::{Server, ask, token, within};

/// Transport and encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Way {
    WebSocketJson,
    WebSocketProtobuf,
    QuicJson,
    QuicProtobuf,
}

impl Way {
    /// All there are.
    pub const ALL: [Way; 4] = [
        Way::WebSocketJson,
        Way::WebSocketProtobuf,
        Way::QuicJson,
        Way::QuicProtobuf,
    ];

    /// How frames are written.
    pub fn encoding(self) -> Encoding {
        match self {
            Way::WebSocketJson | Way::QuicJson => Encoding::Json,
            Way::WebSocketProtobuf | Way::QuicProtobuf => Encoding::Protobuf,
        }
    }

    /// Whether frames travel over QUIC.
    pub fn is_quic(self) -> bool {
        matches!(self, Way::QuicJson | Way::QuicProtobuf)
    }

    /// Where this server is reached.
    pub fn url(self, server: &Server) -> String {
        match self.is_quic() {
            false => format!("ws://{}", server.http),
            true => format!("quic://{}", server.quic),
        }
    }

    /// Connects, trusting no certificate but the server's, if the server lets it.
    pub async fn try_connect(self, server: &Server) -> Result<Connection, ConnectError> {
        let tls = Tls::certificate_sha256(server.certificate);
        let connector = Connector::new(self.encoding(), &tls).expect("TLS can be set up");
        let address = Address::parse(&self.url(server)).expect("it is an address");
        within("a connection", connector.connect(&address)).await
    }

    /// Connects where nothing speaks against it.
    pub async fn connect(self, server: &Server) -> Connection {
        let connected = self.try_connect(server).await;
        connected.unwrap_or_else(|error| panic!("{self:?}: {error}"))
    }
}

/// An open session.
pub struct Session {
    sender: Sender,
    receiver: Receiver,
    next_id: u64,
    waiting: VecDeque<Body>,
    /// What the server answered to `hello`.
    pub welcome: Welcome,
    /// What followed it, unless it was resumed.
    pub reset: Option<Reset>,
    /// Up to where this client has come.
    pub cursor: Cursor,
}

/// How a connection ended.
#[derive(Clone, Debug)]
pub struct Closed {
    /// The last frame, if one came.
    pub closing: Option<Closing>,
    /// How the transport ended.
    pub disconnect: Disconnect,
    /// Refusals that came before.
    pub refusals: Vec<frame::Error>,
}

impl Closed {
    /// The code the transport was closed with.
    pub fn code(&self) -> Option<u16> {
        self.disconnect.code
    }

    /// The name in the last frame; empty if there was none.
    pub fn name(&self) -> &str {
        self.closing.as_ref().map_or("", |closing| &closing.code)
    }
}

/// A client that has not said hello.
pub struct Raw {
    /// The half that writes.
    pub sender: Sender,
    /// The half that reads.
    pub receiver: Receiver,
}

impl Raw {
    /// Connects.
    pub async fn connect(server: &Server, way: Way) -> Raw {
        let (sender, receiver) = way.connect(server).await.split();
        Raw { sender, receiver }
    }

    /// Reads until the connection ends.
    pub async fn closed(&mut self) -> Closed {
        closed(&mut self.receiver).await
    }

    /// Says hello, and waits for what follows it.
    pub async fn hello(mut self, hello: command::Hello) -> Result<Session, Closed> {
        let frame = ClientFrame {
            id: 1,
            request: Some(Request::Hello(hello)),
            ..Default::default()
        };
        // Where it cannot be sent the server may have said why.
        let _ = self.sender.send(&frame).await;
        let (mut closing, refusals) = (None, Vec::new());
        let mut waiting = VecDeque::new();
        let welcome = loop {
            match within("an answer to hello", self.receiver.recv()).await {
                Ok(frame) => match frame.body {
                    Some(Body::Welcome(welcome)) => break welcome,
                    Some(Body::Closing(last)) => closing = Some(last),
                    Some(body) => waiting.push_back(body),
                    None => {}
                },
                Err(disconnect) => {
                    return Err(Closed {
                        closing,
                        disconnect,
                        refusals,
                    });
                }
            }
        };
        let cursor = welcome.cursor.clone().expect("a welcome has a cursor");
        let mut session = Session {
            sender: self.sender,
            receiver: self.receiver,
            next_id: 1,
            waiting,
            welcome,
            reset: None,
            cursor,
        };
        if !session.welcome.resumed {
            match session.next().await {
                Body::Reset(reset) => session.reset = Some(reset),
                other => panic!("not a reset: {other:?}"),
            }
        }
        Ok(session)
    }
}

impl Session {
    /// A session of a user with a good token, from the beginning.
    pub async fn open(server: &Server, way: Way, user: &str) -> Session {
        Session::hello(server, way, ask::hello(&token::of(user))).await
    }

    /// A session of a user with a good token, resumed.
    pub async fn resume(server: &Server, way: Way, user: &str, cursor: Cursor) -> Session {
        let hello = command::Hello {
            cursor: Some(cursor),
            ..ask::hello(&token::of(user))
        };
        Session::hello(server, way, hello).await
    }

    /// A session that is let in.
    pub async fn hello(server: &Server, way: Way, hello: command::Hello) -> Session {
        let opened = Raw::connect(server, way).await.hello(hello).await;
        opened.unwrap_or_else(|closed| panic!("not let in: {closed:?}"))
    }

    /// Sends a request and returns the id its answer will have.
    pub async fn send(&mut self, command_id: Option<Uuid>, request: Request) -> u64 {
        self.next_id += 1;
        let frame = ClientFrame {
            id: self.next_id,
            command_id: command_id.map(id::to_wire).unwrap_or_default(),
            request: Some(request),
        };
        // If the connection has ended, whoever waits for the answer learns it.
        let _ = self.sender.send(&frame).await;
        self.next_id
    }

    /// Waits for the answer to a request.
    pub async fn answer(&mut self, id: u64) -> Result<Outcome, Closed> {
        let is_it = |body: &Body| matches!(body, Body::Reply(reply) if reply.id == id);
        if let Some(at) = self.waiting.iter().position(is_it) {
            let Some(Body::Reply(reply)) = self.waiting.remove(at) else {
                unreachable!("it was found to be one");
            };
            return Ok(reply.outcome.expect("a reply has an outcome"));
        }
        let mut closing = None;
        loop {
            match within("an answer", self.receiver.recv()).await {
                Ok(frame) => match frame.body.expect("frames without a body are skipped") {
                    Body::Reply(reply) if reply.id == id => {
                        return Ok(reply.outcome.expect("a reply has an outcome"));
                    }
                    Body::Closing(last) => closing = Some(last),
                    other => self.waiting.push_back(other),
                },
                Err(disconnect) => {
                    return Err(Closed {
                        closing,
                        disconnect,
                        refusals: Vec::new(),
                    });
                }
            }
        }
    }

    /// Asks, and waits for the answer.
    pub async fn ask(&mut self, request: Request) -> Outcome {
        let id = self.send(None, request).await;
        let answer = self.answer(id).await;
        answer.unwrap_or_else(|closed| panic!("closed instead of answered: {closed:?}"))
    }

    /// Gives a command under an id, and waits for the answer.
    pub async fn command_as(&mut self, command_id: Uuid, request: Request) -> Outcome {
        let id = self.send(Some(command_id), request).await;
        let answer = self.answer(id).await;
        answer.unwrap_or_else(|closed| panic!("closed instead of answered: {closed:?}"))
    }

    /// Gives a new command that is to be accepted.
    pub async fn command(&mut self, request: Request) -> Accepted {
        match self.command_as(Uuid::now_v7(), request).await {
            Outcome::Accepted(accepted) => accepted,
            other => panic!("not accepted: {other:?}"),
        }
    }

    /// Starts a conversation and returns its id.
    pub async fn start(&mut self, request: Request) -> Uuid {
        conversation_of(&self.command(request).await)
    }

    /// The next thing that is no answer.
    pub async fn next(&mut self) -> Body {
        let is_reply = |body: &Body| matches!(body, Body::Reply(_));
        if let Some(at) = self.waiting.iter().position(|body| !is_reply(body)) {
            return self.waiting.remove(at).expect("it was found");
        }
        loop {
            let frame = within("something happens", self.receiver.recv()).await;
            let frame = frame.unwrap_or_else(|error| panic!("the connection ended: {error}"));
            match frame.body.expect("frames without a body are skipped") {
                reply @ Body::Reply(_) => self.waiting.push_back(reply),
                other => return other,
            }
        }
    }

    /// The next event that this client does not know; anything else that comes is passed over.
    pub async fn event(&mut self) -> Event {
        loop {
            let Body::Event(event) = self.next().await else {
                continue;
            };
            let (position, index) = (self.cursor.position, self.cursor.index);
            if self.welcome.replayed > 0 {
                // What was missed lies before the cursor that it leads to.
                self.welcome.replayed -= 1;
                return event;
            }
            if (event.position, event.index) > (position, index) {
                (self.cursor.position, self.cursor.index) = (event.position, event.index);
                return event;
            }
        }
    }

    /// The next event that satisfies a condition.
    pub async fn event_where(&mut self, mut wanted: impl FnMut(&Event) -> bool) -> Event {
        loop {
            let event = self.event().await;
            if wanted(&event) {
                return event;
            }
        }
    }

    /// Reads until the connection ends.
    pub async fn closed(self) -> Closed {
        let mut raw = Raw {
            sender: self.sender,
            receiver: self.receiver,
        };
        let mut closed = raw.closed().await;
        let last = self.waiting.into_iter().find_map(|body| match body {
            Body::Closing(closing) => Some(closing),
            _ => None,
        });
        closed.closing = closed.closing.or(last);
        closed
    }

    /// The halves of the connection.
    pub fn raw(self) -> Raw {
        Raw {
            sender: self.sender,
            receiver: self.receiver,
        }
    }
}

/// Reads until the connection ends.
pub async fn closed(receiver: &mut Receiver) -> Closed {
    let (mut closing, mut refusals) = (None, Vec::new());
    loop {
        match within("the connection ends", receiver.recv()).await {
            Ok(ServerFrame {
                body: Some(Body::Closing(last)),
            }) => closing = Some(last),
            Ok(ServerFrame {
                body: Some(Body::Reply(reply)),
            }) => {
                if let Some(Outcome::Error(error)) = reply.outcome {
                    refusals.push(error);
                }
            }
            Ok(_) => {}
            Err(disconnect) => {
                return Closed {
                    closing,
                    disconnect,
                    refusals,
                };
            }
        }
    }
}

/// The conversation in an answer.
pub fn conversation_of(accepted: &Accepted) -> Uuid {
    id::from_wire(&accepted.conversation).expect("a conversation was started")
}
