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

use super::super::standing::Refused;
use super::super::{Status, Update};
use super::silence::{Silence, Verdict};
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
    /// Whether what is sent is acknowledged, where that can be seen.
    silence: Silence,
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
            silence: Silence::default(),
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
        if let Some(datagrams) = self.receiver.datagrams() {
            self.silence.sending(datagrams, now);
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
        self.owed.map_or(dead, |owed| dead.min(owed + GONE))
    }

    /// A frame has come.
    fn heard(&mut self, now: Instant) {
        self.heard = now;
        self.owed = None;
    }

    pub(super) fn deadline(&self) -> Instant {
        let own = self.gone_at().min(self.ping_at());
        let others = [self.silence.deadline(), self.renew_at];
        others.into_iter().flatten().fold(own, Instant::min)
    }

    pub(super) fn time(
        &mut self,
        now: Instant,
        token: &Token,
        next_id: &mut u64,
    ) -> Result<(), Disconnect> {
        let silence = match self.receiver.datagrams() {
            Some(datagrams) => self.silence.look(datagrams, now),
            None => Verdict::Wait,
        };
        if now >= self.gone_at() || silence == Verdict::Leave {
            return Err(Disconnect::new("the server does not answer"));
        }
        if now >= self.ping_at() || silence == Verdict::Ask {
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
        // Errors of frames that asked for no reply bear the id 0, as a renewal does that was never asked for.
        if reply.id == 0 || reply.id != self.renewal {
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
            Some(Body::Presence(presence)) => {
                self.ends.updates.push(Update::Presence(presence));
            }
            Some(Body::PeopleOnline(online)) if self.standing.watches_people() => {
                self.ends.updates.push(Update::PeopleOnline(online));
            }
            Some(Body::Looking(looking)) => {
                if looking.user != self.state().user() {
                    self.standing.looks(&looking, now);
                }
                self.ends.updates.push(Update::Looking(looking));
            }
            Some(Body::Closing(closing)) => session.closing = Some(closing),
            Some(Body::Nodes(nodes)) => self.policy.nodes(&nodes.nodes),
            Some(Body::PeopleOnline(_) | Body::Welcome(_)) | None => {}
        }
        self.fetch_wanted(now);
    }

    fn reply(&mut self, reply: Reply, now: Instant) {
        if let (0, Some(Outcome::Error(error))) = (reply.id, &reply.outcome) {
            // Of what asks for no reply, only reading is worth another try.
            if error.retry {
                let wait = Duration::from_millis(error.retry_after_ms.into());
                self.receipts.refused(wait, now);
            }
            return;
        }
        if self.standing.is_in_flight(reply.id) {
            if let Some(refused) = self.standing.answer(reply.id, &reply.outcome, now) {
                let Refused { request, error } = refused;
                self.ends.updates.push(Update::Refused { request, error });
            }
        } else if self.commands.is_in_flight(reply.id) {
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
