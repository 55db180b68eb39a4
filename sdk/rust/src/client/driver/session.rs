//! One session: what comes in, what goes out, and whether it is alive.

use std::future::{Future, pending};
use std::pin::Pin;
use std::time::Duration;

use tidings_protocol::event::{Event, Kind};
use tidings_protocol::frame::{
    Body, Closing, Cursor, Outcome, Pong, Reply, Request, Reset, Welcome,
};
use tidings_protocol::{ClientFrame, ServerFrame, command, id};
use tokio::time::Instant;

use super::super::{Status, Update};
use super::{Driver, Input, Link};
use crate::connection::{Receiver, Sender};
use crate::{Connection, Disconnect, Token};

/// Where the server names no heartbeat.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// Where an answer is owed and nothing at all is heard, the server is asked after this long whether it is
/// there.
const PROBE: Duration = Duration::from_secs(1);
/// And is left after this long.
const GONE: Duration = Duration::from_secs(5);
/// Over QUIC nobody tells that a server has been killed, but one that lives acknowledges what is sent within
/// a round trip and [25 ms](https://www.rfc-editor.org/rfc/rfc9000#section-18.2), whatever else it does. One
/// that has not by this time, in which what was sent has been sent again several times, is left.
const UNACKNOWLEDGED: Duration = Duration::from_millis(1_200);
/// The same on a slow path, in round trips.
const UNACKNOWLEDGED_TRIPS: u32 = 8;
/// After the application could not come up with a new token.
const ASK_AGAIN: Duration = Duration::from_secs(5);

pub(super) struct Session {
    sender: Sender,
    receiver: Receiver,
    outgoing: Vec<ClientFrame>,
    pub(super) closing: Option<Closing>,
    catching_up: CatchingUp,
    heartbeat: Duration,
    heard: Instant,
    sent: Instant,
    pinged: Instant,
    /// When a frame was sent that asks for an answer, unless something has been heard since.
    owed: Option<Instant>,
    /// When something was sent that no datagram has followed, how many had come by then, and how long the
    /// next may take.
    unacknowledged: Option<(Instant, u64, Duration)>,
    renew_at: Option<Instant>,
    renewing: Option<Renewing>,
    renewal: u64,
}

type Renewing = Pin<Box<dyn Future<Output = Result<String, String>> + Send>>;

enum CatchingUp {
    /// This many events are still to come, then the session stands at the cursor.
    Events(u32, Option<Cursor>),
    Reset,
    Done,
}

impl Session {
    pub(super) fn new(connection: Connection, welcome: Welcome, now: Instant) -> Session {
        let (sender, receiver) = connection.split();
        let heartbeat = match welcome.heartbeat_ms {
            0 => HEARTBEAT,
            ms => Duration::from_millis(ms.into()),
        };
        let catching_up = match welcome.resumed {
            true => CatchingUp::Events(welcome.replayed, welcome.cursor),
            false => CatchingUp::Reset,
        };
        Session {
            sender,
            receiver,
            outgoing: Vec::new(),
            closing: None,
            catching_up,
            heartbeat,
            heard: now,
            sent: now,
            pinged: now,
            owed: None,
            unacknowledged: None,
            renew_at: renew_at(welcome.now_ms, welcome.token_expires_ms, now),
            renewing: None,
            renewal: 0,
        }
    }

    /// Cancel-safe.
    pub(super) async fn input(&mut self) -> Input {
        let renewed = async {
            match &mut self.renewing {
                Some(renewing) => renewing.await,
                None => pending().await,
            }
        };
        tokio::select! {
            frame = self.receiver.recv() => Input::Frame(frame),
            token = renewed => Input::Renewed(token),
        }
    }

    pub(super) fn queue(&mut self, frames: Vec<ClientFrame>) {
        self.outgoing.extend(frames);
    }

    /// Something that asks for no reply.
    pub(super) fn volatile(&mut self, request: Request) {
        self.outgoing.push(ClientFrame {
            request: Some(request),
            ..ClientFrame::default()
        });
    }

    pub(super) async fn send(&mut self, now: Instant) -> Result<(), Disconnect> {
        if self.outgoing.is_empty() {
            return Ok(());
        }
        for frame in self.outgoing.drain(..) {
            if frame.id != 0 {
                self.owed.get_or_insert(now);
            }
            self.sender.feed(&frame).await?;
        }
        self.sent = now;
        if let Some((datagrams, trip)) = self.receiver.acknowledged()
            && self
                .unacknowledged
                .is_none_or(|(_, known, _)| known != datagrams)
        {
            let patience = UNACKNOWLEDGED.max(trip * UNACKNOWLEDGED_TRIPS);
            self.unacknowledged = Some((now, datagrams, patience));
        }
        self.sender.flush().await
    }

    pub(super) async fn close(&mut self, last: Vec<Request>) {
        last.into_iter().for_each(|request| self.volatile(request));
        // The connection may be gone already, which is what was wanted.
        let _ = self.send(Instant::now()).await;
        self.sender.close(1000, "done").await;
    }

    fn ping_at(&self) -> Instant {
        let silent = self.sent + self.heartbeat * 2 / 3;
        // Frames without replies keep the server content, but tell nothing about the server.
        let unheard = self.heard.max(self.pinged) + self.heartbeat;
        let probe = self
            .owed
            .filter(|owed| self.pinged < *owed)
            .map(|owed| owed + PROBE);
        probe.unwrap_or(silent).min(silent).min(unheard)
    }

    /// When the server is taken for gone.
    fn gone_at(&self) -> Instant {
        let dead = self.heard + self.heartbeat * 2;
        let owed = self.owed.map_or(dead, |owed| dead.min(owed + GONE));
        let unacknowledged = self.unacknowledged;
        unacknowledged.map_or(owed, |(sent, _, patience)| owed.min(sent + patience))
    }

    /// A frame has come.
    fn heard(&mut self, now: Instant) {
        self.heard = now;
        self.owed = None;
    }

    pub(super) fn deadline(&self) -> Instant {
        let gone = self.gone_at();
        [Some(self.ping_at()), Some(gone), self.renew_at]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(gone)
    }

    pub(super) fn time(
        &mut self,
        now: Instant,
        token: &Token,
        next_id: &mut u64,
    ) -> Result<(), Disconnect> {
        if let (Some((datagrams, _)), Some((_, known, _))) =
            (self.receiver.acknowledged(), self.unacknowledged)
            && datagrams != known
        {
            self.unacknowledged = None;
        }
        if now >= self.gone_at() {
            return Err(Disconnect::new("the server does not answer"));
        }
        if now >= self.ping_at() {
            *next_id += 1;
            let request = Some(Request::Ping(command::Ping {}));
            self.outgoing.push(ClientFrame {
                id: *next_id,
                request,
                ..ClientFrame::default()
            });
            self.pinged = now;
            self.sent = now;
        }
        if self.renew_at.is_some_and(|at| now >= at) {
            self.renew_at = None;
            if let Token::Provider(provide) = token {
                self.renewing = Some(provide());
            }
        }
        Ok(())
    }

    /// The application came up with a new token, or not.
    pub(super) fn renewed(&mut self, token: Result<String, String>, frame_id: u64) {
        self.renewing = None;
        match token {
            Ok(token) => {
                self.renewal = frame_id;
                let request = Some(Request::RenewToken(command::RenewToken { token }));
                self.outgoing.push(ClientFrame {
                    id: frame_id,
                    request,
                    ..Default::default()
                });
            }
            Err(error) => {
                tracing::warn!(%error, "no new token");
                self.renew_at = Some(Instant::now() + ASK_AGAIN);
            }
        }
    }

    /// Takes the answer to a renewal, if that is what it is.
    fn renewal(&mut self, reply: &Reply, now: Instant) -> bool {
        if reply.id != self.renewal {
            return false;
        }
        match &reply.outcome {
            Some(Outcome::Pong(Pong {
                now_ms,
                token_expires_ms,
            })) => {
                self.renew_at = renew_at(*now_ms, *token_expires_ms, now);
            }
            Some(Outcome::Error(error)) => {
                tracing::warn!(
                    code = error.code,
                    message = error.message,
                    "new token refused"
                );
                self.renew_at = Some(now + ASK_AGAIN);
            }
            _ => {}
        }
        true
    }
}

/// A good while before the token expires, by the server's clock.
fn renew_at(now_ms: u64, expires_ms: u64, now: Instant) -> Option<Instant> {
    if expires_ms == 0 {
        return None;
    }
    let left = Duration::from_millis(expires_ms.saturating_sub(now_ms));
    Some(now + left - (left / 3).min(Duration::from_secs(60)))
}

/// What comes in.
impl Driver {
    pub(super) fn frame(&mut self, frame: ServerFrame) {
        let now = Instant::now();
        let Link::Open(session) = &mut self.link else {
            return;
        };
        session.heard(now);
        match frame.body {
            Some(Body::Reply(reply)) if session.renewal(&reply, now) => {}
            Some(Body::Reply(reply)) => self.reply(reply, now),
            Some(Body::Event(event)) => self.event(event),
            Some(Body::Reset(reset)) => self.reset(reset),
            Some(Body::Typing(typing)) => self.ends.updates.push(Update::Typing(typing)),
            Some(Body::Closing(closing)) => session.closing = Some(closing),
            Some(Body::Nodes(nodes)) => self.policy.nodes(&nodes.nodes),
            Some(Body::Welcome(_)) | None => {}
        }
        self.fetch_wanted(now);
    }

    fn reply(&mut self, reply: Reply, now: Instant) {
        if self.commands.is_in_flight(reply.id) {
            let unclaimed = self.commands.answer(reply.id, &reply.outcome, now);
            if let Some(settled) = unclaimed {
                let (command_id, request) = (settled.command_id, settled.request);
                let result = settled.result;
                self.ends.updates.push(Update::Settled {
                    command_id,
                    request,
                    result,
                });
            }
        } else if let Some(answered) = self.queries.answer(reply.id, reply.outcome) {
            self.answered(answered);
        }
    }

    fn event(&mut self, event: Event) {
        let keep = self.keep_messages;
        let new = {
            let mut state = self.state();
            let new = state.apply_event(&event) == crate::state::Applied::New;
            if let (Some(Kind::MessagePosted(_)), Some(conversation)) =
                (&event.kind, id::from_wire(&event.conversation))
            {
                state.trim(conversation, keep);
            }
            new
        };
        if let (Some(Kind::ReadUpTo(read)), Some(conversation)) =
            (&event.kind, id::from_wire(&event.conversation))
            && read.user == self.state().user()
        {
            self.receipts.confirmed(conversation, read.seq);
        }
        if new {
            self.ends.updates.push(Update::Event(event));
        }
        if let Link::Open(session) = &mut self.link
            && let CatchingUp::Events(left, _) = &mut session.catching_up
        {
            *left = left.saturating_sub(1);
        }
        self.caught_up();
    }

    fn reset(&mut self, reset: Reset) {
        self.state().apply_reset(&reset);
        self.ends.updates.push(Update::Reset(reset));
        if let Link::Open(session) = &mut self.link {
            session.catching_up = CatchingUp::Events(0, None);
        }
        self.caught_up();
    }

    /// Once everything missed is there.
    pub(super) fn caught_up(&mut self) {
        let Link::Open(session) = &mut self.link else {
            return;
        };
        let CatchingUp::Events(0, cursor) = &mut session.catching_up else {
            return;
        };
        let cursor = cursor.take();
        session.catching_up = CatchingUp::Done;
        if let Some(cursor) = cursor {
            self.state().advance(cursor);
        }
        self.ends.updates.push(Update::CaughtUp);
        self.ends.status.send_replace(Status::Ready);
    }
}
