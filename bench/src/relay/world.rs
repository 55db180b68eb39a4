//! What the relay knows: who is connected, who talks to whom, how many messages there were.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tidings_protocol::event::{CursorMoved, Event, Kind};
use tidings_protocol::frame::{
    Accepted, Body, Cursor, Error, Outcome, Pong, Request, Reset, Welcome,
};
use tidings_protocol::{ClientFrame, Encoding, ErrorCode, ServerFrame, command, id, view};
use tokio::sync::mpsc::UnboundedSender;
use uuid::Uuid;

use super::TOKEN;

/// How often a client is to be heard of, as the real server asks.
const HEARTBEAT_MS: u32 = 30_000;

/// Frames on their way to one connection; both go out in one write. The acknowledgement of a message
/// and the message itself travel together: a server that sent them apart would pay for two writes.
pub(super) struct Outgoing {
    pub(super) reply: Option<Bytes>,
    pub(super) event: Option<Bytes>,
}

/// The client is not worth keeping: it cannot say who it is.
pub(super) struct Gone;

/// One connection.
pub(super) struct Session {
    /// Empty before `hello`.
    user: String,
    outgoing: UnboundedSender<Outgoing>,
    encoding: Encoding,
}

impl Session {
    pub(super) fn new(outgoing: UnboundedSender<Outgoing>, encoding: Encoding) -> Session {
        Session {
            user: String::new(),
            outgoing,
            encoding,
        }
    }

    pub(super) fn encoding(&self) -> Encoding {
        self.encoding
    }

    fn reply(&self, frame: &ServerFrame) {
        self.send(Some(self.encoding.encode(frame)), None);
    }

    fn send(&self, reply: Option<Bytes>, event: Option<Bytes>) {
        // The receiver ends with the connection; then there is nobody to tell.
        let _ = self.outgoing.send(Outgoing { reply, event });
    }
}

/// Everything, behind one lock.
pub(super) struct World {
    sessions: HashMap<String, (UnboundedSender<Outgoing>, Encoding)>,
    conversations: HashMap<Bytes, Conversation>,
    position: u64,
    epoch: Bytes,
}

struct Conversation {
    members: Vec<String>,
    seq: u64,
}

impl World {
    pub(super) fn new() -> World {
        World {
            sessions: HashMap::new(),
            conversations: HashMap::new(),
            position: 0,
            epoch: id::to_wire(Uuid::now_v7()),
        }
    }

    /// Forgets a connection, unless its user has made another since.
    pub(super) fn leave(&mut self, session: &Session) {
        let same = |(outgoing, _): &(UnboundedSender<Outgoing>, _)| {
            outgoing.same_channel(&session.outgoing)
        };
        if self.sessions.get(&session.user).is_some_and(same) {
            self.sessions.remove(&session.user);
        }
    }

    /// Does what a frame asks for.
    pub(super) fn handle(&mut self, session: &mut Session, frame: ClientFrame) -> Result<(), Gone> {
        let (frame_id, command_id) = (frame.id, frame.command_id);
        if session.user.is_empty() {
            let Some(Request::Hello(hello)) = frame.request else {
                return Err(Gone);
            };
            return self.hello(session, frame_id, &hello);
        }
        match frame.request {
            Some(Request::StartDirect(direct)) => {
                self.start(session, frame_id, vec![direct.user]);
            }
            Some(Request::CreateGroup(group)) => self.start(session, frame_id, group.members),
            Some(Request::PostMessage(post)) => self.post(session, frame_id, command_id, post),
            Some(Request::MarkRead(read)) => {
                let cursor = CursorMoved {
                    user: session.user.clone(),
                    seq: read.seq,
                    ..CursorMoved::default()
                };
                self.position += 1;
                self.tell(session, &read.conversation, None, Kind::ReadUpTo(cursor));
            }
            // Nobody is told what was received: there is nothing to resume.
            Some(Request::Ack(_)) => {}
            Some(Request::Ping(_)) => {
                if frame_id != 0 {
                    let pong = Pong {
                        now_ms: now_ms(),
                        ..Pong::default()
                    };
                    session.reply(&ServerFrame::reply(frame_id, Outcome::Pong(pong)));
                }
            }
            _ => refuse(session, frame_id, ErrorCode::UnknownRequest),
        }
        Ok(())
    }

    fn hello(
        &mut self,
        session: &mut Session,
        frame_id: u64,
        hello: &command::Hello,
    ) -> Result<(), Gone> {
        let user = hello.token.strip_prefix(TOKEN).unwrap_or_default();
        if user.is_empty() {
            return Err(Gone);
        }
        session.user = user.to_owned();
        let way_out = (session.outgoing.clone(), session.encoding);
        self.sessions.insert(session.user.clone(), way_out);
        let cursor = Some(Cursor {
            epoch: self.epoch.clone(),
            position: self.position,
            index: u32::MAX,
        });
        let welcome = Welcome {
            id: frame_id,
            user: session.user.clone(),
            now_ms: now_ms(),
            cursor: cursor.clone(),
            heartbeat_ms: HEARTBEAT_MS,
            ..Welcome::default()
        };
        let reset = Reset {
            reason: "first".to_owned(),
            cursor,
            ..Reset::default()
        };
        for body in [Body::Welcome(welcome), Body::Reset(reset)] {
            session.reply(&ServerFrame { body: Some(body) });
        }
        Ok(())
    }

    /// Makes a conversation with these others in it.
    fn start(&mut self, session: &Session, frame_id: u64, mut members: Vec<String>) {
        members.push(session.user.clone());
        let id = id::to_wire(Uuid::now_v7());
        let conversation = Conversation { members, seq: 0 };
        self.conversations.insert(id.clone(), conversation);
        self.position += 1;
        let reply = self.accepted(session, frame_id, &id, 0);
        let view = view::Conversation {
            id: id.clone(),
            ..view::Conversation::default()
        };
        self.tell(session, &id, Some(reply), Kind::ConversationAdded(view));
    }

    fn post(
        &mut self,
        session: &Session,
        frame_id: u64,
        command_id: Bytes,
        post: command::PostMessage,
    ) {
        let Some(conversation) = self.conversations.get_mut(&post.conversation) else {
            return refuse(session, frame_id, ErrorCode::NotFound);
        };
        conversation.seq += 1;
        let seq = conversation.seq;
        self.position += 1;
        let reply = self.accepted(session, frame_id, &post.conversation, seq);
        let message = view::Message {
            seq,
            author: session.user.clone(),
            at_ms: now_ms(),
            text: post.text,
            countable: true,
            command_id,
            ..view::Message::default()
        };
        let kind = Kind::MessagePosted(message);
        self.tell(session, &post.conversation, Some(reply), kind);
    }

    fn accepted(&self, session: &Session, frame_id: u64, conversation: &Bytes, seq: u64) -> Bytes {
        let accepted = Accepted {
            position: self.position,
            at_ms: now_ms(),
            conversation: conversation.clone(),
            seq,
            duplicate: false,
            held: 0,
            answer: String::new(),
        };
        let frame = ServerFrame::reply(frame_id, Outcome::Accepted(accepted));
        session.encoding.encode(&frame)
    }

    /// Sends an event to all members who are connected, encoded once for each encoding; to the one who
    /// caused it together with the reply.
    fn tell(&self, session: &Session, conversation: &Bytes, mut reply: Option<Bytes>, kind: Kind) {
        let frame = ServerFrame {
            body: Some(Body::Event(Event {
                position: self.position,
                index: 0,
                conversation: conversation.clone(),
                actor: session.user.clone(),
                at_ms: now_ms(),
                kind: Some(kind),
            })),
        };
        let members = match self.conversations.get(conversation) {
            Some(conversation) => &conversation.members[..],
            None => &[],
        };
        let (mut json, mut protobuf) = (None, None);
        for member in members {
            let Some((outgoing, encoding)) = self.sessions.get(member) else {
                continue;
            };
            let encoded = match encoding {
                Encoding::Json => &mut json,
                Encoding::Protobuf => &mut protobuf,
            };
            let event = Some(
                encoded
                    .get_or_insert_with(|| encoding.encode(&frame))
                    .clone(),
            );
            let own = outgoing.same_channel(&session.outgoing);
            let reply = if own { reply.take() } else { None };
            let _ = outgoing.send(Outgoing { reply, event });
        }
        // Who asked is no member, or has another connection since.
        if reply.is_some() {
            session.send(reply, None);
        }
    }
}

fn refuse(session: &Session, frame_id: u64, code: ErrorCode) {
    let error = Error {
        code: code.as_str().to_owned(),
        message: "the relay does not know this".to_owned(),
        ..Error::default()
    };
    session.reply(&ServerFrame::reply(frame_id, Outcome::Error(error)));
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_millis() as u64
}
