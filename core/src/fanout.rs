//! From the log to the sessions of this node: who is to be told of an event, and what.
//!
//! Runs right after folding, on the projector's thread, so whatever a client is told of it can
//! also read.

mod looks;

use std::{
    ops::ControlFlow,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use hashbrown::{HashMap, HashSet};
use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::{
    commit::{Batch, Commit},
    content,
    domain::{
        ConversationId, Event, Stream, TICKS_MEMBERS, UserId,
        event::{Kind, Role},
    },
    keys::KeyStore,
    projections::{
        Projections, ReadError, Snapshot, Table,
        read::{self, BadgeView, MessageView, Text, Viewer},
        resume::{self, Change, JOINED, What, sealed_text},
        rows::{self, Rows},
        unread,
    },
};

/// A change on its way to sessions, shared by all that see the same.
#[derive(Debug)]
pub struct Notice {
    /// What they are told.
    pub change: Change,
    /// Its frame in each encoding, made once by whoever needs it first.
    pub frames: [OnceLock<Bytes>; 2],
}

/// What somebody does at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Doing {
    /// They type.
    Typing,
    /// They look at the conversation.
    Looking,
}

/// A volatile signal: shed first, never stored.
#[derive(Debug)]
pub struct Signal {
    /// What they do.
    pub doing: Doing,
    /// Where.
    pub conversation: ConversationId,
    /// Who.
    pub user: UserId,
    /// Started or stopped.
    pub active: bool,
    /// Its frame in each encoding.
    pub frames: [OnceLock<Bytes>; 2],
}

impl Signal {
    fn new(doing: Doing, conversation: ConversationId, user: &UserId, active: bool) -> Signal {
        Signal {
            doing,
            conversation,
            user: user.clone(),
            active,
            frames: [OnceLock::new(), OnceLock::new()],
        }
    }
}

/// Where clients reach the other nodes.
#[derive(Debug)]
pub struct Nodes {
    /// Base URLs.
    pub urls: Vec<String>,
    /// Its frame in each encoding.
    pub frames: [OnceLock<Bytes>; 2],
}

/// A session as the fan-out sees it. Called on the projector's thread: never block.
pub trait Session: Send + Sync {
    /// A recorded change.
    fn notify(&self, notice: &Arc<Notice>);
    /// Somebody is typing, or looking.
    fn signal(&self, signal: &Arc<Signal>);
    /// Other nodes have come or gone.
    fn nodes(&self, nodes: &Arc<Nodes>);
    /// Something may have been missed: the session is to be closed so that its client resumes.
    fn interrupt(&self);
    /// Its user is no more.
    fn erased(&self);
    /// What was put aside for it may go: see [`Fanout::wake_when_told`].
    fn wake(&self);
    /// Whether its user looks at a conversation on this node, on whichever device.
    fn looks_at(&self, conversation: ConversationId) -> bool;
    /// Its user need not be shown a toast: they look at what it tells of. That is to be recorded.
    fn sees(&self, toast: u64);
}

/// A session and the number of its registration.
type Registered = (u64, Arc<dyn Session>);

/// The sessions of this node.
pub struct Fanout {
    sessions: RwLock<HashMap<UserId, Vec<Registered>>>,
    next: std::sync::atomic::AtomicU64,
    /// Present members of conversations lately active, so that a message costs its recipients and
    /// not a walk over the member rows.
    ///
    /// Only the projector's thread writes here, and it evolves what is kept event by event: who is
    /// told of an event are the members at that event, not those at the end of its commit.
    audiences: Mutex<HashMap<ConversationId, Arc<Audience>>>,
    /// Who blocks a user, of users lately active. Written and emptied like the audiences.
    blockers: Mutex<HashMap<UserId, Arc<[UserId]>>>,
    /// Who is invisible. Evolved like the audiences: what somebody read invisibly is told of neither now nor,
    /// where this is behind, once they are visible again.
    invisible: Mutex<HashSet<UserId>>,
    /// Whom a user blocks, of users lately active, as the rows have it.
    blocked: Mutex<HashMap<UserId, Arc<[UserId]>>>,
    /// Who may have toasts that tell of users whom these commits erase.
    toasted: Mutex<HashMap<UserId, Vec<UserId>>>,
    answered: Mutex<Answered>,
    looks: Mutex<looks::Looks>,
    /// Position of the last commit that all sessions have been told of.
    told: watch::Sender<u64>,
    projections: Arc<Projections>,
    keys: Arc<dyn KeyStore>,
}

#[derive(Clone, Debug)]
struct Audience {
    members: Vec<UserId>,
    direct: bool,
    /// Whether members see what was said before they joined.
    sees_all: bool,
}

/// Members who join by one command, on the way to being told of. Told one by one they would cost a
/// frame for each pair of members.
struct Joining<'c> {
    id: ConversationId,
    batch: &'c Batch,
    /// Who was there before.
    earlier: Arc<Audience>,
    /// Who is there now: made once there are so many that looking through a list takes long.
    known: HashSet<UserId>,
    /// New members so far, and those of them who are to be told of.
    joined: Vec<UserId>,
    users: Vec<UserId>,
    /// Those of `earlier` who are among the new ones, where it was read too late to know.
    except: Vec<UserId>,
    at: (u64, u32),
    at_ms: u64,
}

/// Members that are looked for one by one.
const FEW: usize = 16;

impl<'c> Joining<'c> {
    fn new(id: ConversationId, batch: &'c Batch, earlier: Arc<Audience>) -> Joining<'c> {
        Joining {
            id,
            batch,
            earlier,
            known: HashSet::new(),
            joined: Vec::new(),
            users: Vec::new(),
            except: Vec::new(),
            at: (0, 0),
            at_ms: 0,
        }
    }

    /// Adds a member; false if they were there already.
    fn add(&mut self, user: &UserId) -> bool {
        if self.joined.len() == FEW && self.known.is_empty() {
            let known = self.earlier.members.iter().chain(&self.joined);
            self.known = known.cloned().collect();
        }
        let new = if self.joined.len() < FEW {
            !self.earlier.members.contains(user) && !self.joined.contains(user)
        } else {
            self.known.insert(user.clone())
        };
        if new {
            self.joined.push(user.clone());
        } else {
            self.except.push(user.clone());
        }
        self.users.push(user.clone());
        new
    }

    fn tell(&mut self, fanout: &Fanout) {
        if self.users.is_empty() {
            return;
        }
        let change = Change {
            at: self.at,
            conversation: Some(self.id),
            actor: self.batch.actor.clone(),
            at_ms: self.at_ms,
            what: What::MembersJoined {
                users: std::mem::take(&mut self.users),
                member_count: (self.earlier.members.len() + self.joined.len()) as u32,
            },
        };
        fanout.tell(&self.earlier.members, &self.except, change);
    }
}

/// Audiences and lists of blockers kept.
const KEPT: usize = 100_000;

/// Sessions with an answer put aside.
#[derive(Default)]
struct Answered {
    /// Position of what was answered, the tick it was put aside at, and whose it is.
    waiting: Vec<(u64, u64, Arc<dyn Session>)>,
    ticks: u64,
}

/// Ends a session's registration when dropped.
pub struct Registration {
    fanout: Arc<Fanout>,
    user: UserId,
    id: u64,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut sessions = self.fanout.sessions.write();
        if let Some(of_user) = sessions.get_mut(&self.user) {
            of_user.retain(|(id, _)| *id != self.id);
            if of_user.is_empty() {
                sessions.remove(&self.user);
            }
        }
    }
}

impl Fanout {
    /// Over the state it reads from and the keys that open content.
    pub fn new(projections: Arc<Projections>, keys: Arc<dyn KeyStore>) -> Fanout {
        Fanout {
            sessions: RwLock::default(),
            next: std::sync::atomic::AtomicU64::new(0),
            audiences: Mutex::default(),
            blockers: Mutex::default(),
            invisible: Mutex::new(projections.invisible()),
            blocked: Mutex::default(),
            toasted: Mutex::default(),
            answered: Mutex::default(),
            looks: Mutex::default(),
            told: watch::Sender::new(projections.cursor()),
            projections,
            keys,
        }
    }

    /// Adds a session of a user: it is told of everything from now on.
    pub fn register(self: &Arc<Fanout>, user: &UserId, session: Arc<dyn Session>) -> Registration {
        let id = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.sessions
            .write()
            .entry(user.clone())
            // Most have one.
            .or_insert_with(|| Vec::with_capacity(1))
            .push((id, session));
        Registration {
            fanout: self.clone(),
            user: user.clone(),
            id,
        }
    }

    /// Makes every session resume, after something has gone amiss on the projector's thread: what is
    /// kept may lack events that nobody was told of.
    pub fn interrupt(&self) {
        self.audiences.lock().clear();
        self.blockers.lock().clear();
        self.blocked.lock().clear();
        for (_, session) in self.sessions.read().values().flatten() {
            session.interrupt();
        }
    }

    /// Tells every session where the other nodes are now.
    pub fn nodes(&self, urls: Vec<String>) {
        let frames = [OnceLock::new(), OnceLock::new()];
        let nodes = Arc::new(Nodes { urls, frames });
        for (_, session) in self.sessions.read().values().flatten() {
            session.nodes(&nodes);
        }
    }

    /// Sessions of a user.
    pub fn sessions_of(&self, user: &str) -> usize {
        self.sessions.read().get(user).map_or(0, Vec::len)
    }

    /// Tells the other members' sessions what somebody does. Nobody learns of it across a block.
    pub fn signal(
        &self,
        doing: Doing,
        conversation: ConversationId,
        user: &UserId,
        active: bool,
    ) -> Result<(), ReadError> {
        // The node that tells may be behind this one.
        if active && self.projections.is_invisible(user) {
            return Ok(());
        }
        let kept = self.audiences.lock().get(&conversation).cloned();
        let rows = self.projections.read();
        let members = match &kept {
            Some(audience) => audience.members.len(),
            None => read::row(&rows, conversation)?.map_or(0, |row| row.member_count as usize),
        };
        if members > TICKS_MEMBERS as usize {
            // In a crowd somebody always does.
            return Ok(());
        }
        let audience = match kept {
            Some(audience) => audience,
            None => Arc::new(load_audience(&rows, conversation)?),
        };
        drop(rows);
        if doing == Doing::Looking {
            // Before it is read who blocks whom: a block in between finds it.
            let mut looks = self.looks.lock();
            looks.told(user, conversation, active, crate::clock::moment());
        }
        let members = self.unblocked(user, &audience.members)?;
        let signal = Signal::new(doing, conversation, user, active);
        self.hand_out(signal, members.into_iter());
        Ok(())
    }

    /// Of these, those who may know what somebody does: not across a block, nor themselves.
    fn unblocked<'a>(
        &self,
        user: &UserId,
        members: &'a [UserId],
    ) -> Result<Vec<&'a UserId>, ReadError> {
        let rows = self.projections.read();
        let blockers = load_blockers(&rows, user)?;
        let blocked = Viewer::load(&rows, user)?;
        let members = members.iter().filter(|member| {
            *member != user && !blockers.contains(member) && !blocked.blocks(member)
        });
        Ok(members.collect())
    }

    fn hand_out<'a>(&self, signal: Signal, to: impl Iterator<Item = &'a UserId>) {
        let signal = Arc::new(signal);
        let sessions = self.sessions.read();
        for (_, session) in to.filter_map(|user| sessions.get(user)).flatten() {
            session.signal(&signal);
        }
    }

    /// Somebody is not to be seen any more by another: nor where they were said to look.
    fn look_away(&self, user: &UserId, other: &UserId) -> Result<(), ReadError> {
        if !self.sessions.read().contains_key(other) {
            return Ok(());
        }
        let looked_at = self.looks.lock().of(user, crate::clock::moment());
        for conversation in looked_at {
            let member = read::member(&self.projections.read(), conversation, other)?;
            if member.is_some_and(|member| member.role.is_some()) {
                let over = Signal::new(Doing::Looking, conversation, user, false);
                self.hand_out(over, std::iter::once(other));
            }
        }
        Ok(())
    }

    /// Wakes a session once it has been told of everything up to a position, or a moment later if
    /// that takes long. Who posts a message is so sent the answer and the event in one piece: two
    /// would cost as much again as the delivery to the other side.
    pub fn wake_when_told(&self, position: u64, session: Arc<dyn Session>) {
        let mut answered = self.answered.lock();
        if *self.told.borrow() < position {
            let tick = answered.ticks;
            answered.waiting.push((position, tick, session));
            return;
        }
        drop(answered);
        session.wake();
    }

    /// Wakes the sessions that have waited through a whole turn, from one call to the next: an answer
    /// waits for a projector that is busy, not for one that has to catch up.
    pub fn wake_overdue(&self) {
        let mut answered = self.answered.lock();
        answered.ticks += 1;
        if answered.waiting.is_empty() {
            return;
        }
        let now = answered.ticks;
        let overdue = answered
            .waiting
            .extract_if(.., |(_, tick, _)| *tick + 1 < now);
        let overdue: Vec<_> = overdue.collect();
        drop(answered);
        for (_, _, session) in overdue {
            session.wake();
        }
    }

    fn wake_told(&self, position: u64) {
        let mut answered = self.answered.lock();
        if answered.waiting.is_empty() {
            return;
        }
        let told = answered
            .waiting
            .extract_if(.., |(of, _, _)| *of <= position);
        let told: Vec<_> = told.collect();
        drop(answered);
        for (_, _, session) in told {
            session.wake();
        }
    }

    /// To be called before commits are folded: keeps the audiences that they change as they are now.
    pub fn prepare(&self, commits: &[Commit]) -> Result<(), ReadError> {
        self.toasted.lock().clear();
        let mut audiences = self.audiences.lock();
        if audiences.len() > KEPT {
            audiences.clear();
        }
        drop(audiences);
        let mut blockers = self.blockers.lock();
        if blockers.len() > KEPT {
            blockers.clear();
        }
        drop(blockers);
        let mut blocked = self.blocked.lock();
        if blocked.len() > KEPT {
            blocked.clear();
        }
        for (_, batch, event) in commits.iter().flat_map(Commit::events) {
            if let (Stream::User(user), Event::UserBlocked { .. } | Event::UserUnblocked { .. }) =
                (&batch.stream, event)
            {
                // Read anew from the rows that these commits will have changed.
                blocked.remove(user);
            }
            if let (Stream::User(user), Event::UserErased) = (&batch.stream, event) {
                self.toasted_about(user, commits)?;
            }
            let changes = matches!(
                event,
                Event::MemberJoined { .. } | Event::MemberLeft { .. } | Event::MemberRemoved { .. }
            );
            if let Stream::Conversation(id) = &batch.stream
                && changes
            {
                self.audience(*id)?;
            }
        }
        Ok(())
    }

    /// Keeps who has toasts that tell of somebody, before they are erased: in the rows, and in the commits that
    /// are about to become rows.
    fn toasted_about(&self, about: &UserId, commits: &[Commit]) -> Result<(), ReadError> {
        let mut users = read::toasted_about(&self.projections.read(), about)?;
        for (_, batch, event) in commits.iter().flat_map(Commit::events) {
            if let (Stream::User(user), Event::ToastQueued { about_user, .. }) =
                (&batch.stream, event)
                && about_user.as_ref() == Some(about)
            {
                users.push(user.clone());
            }
        }
        users.sort_unstable();
        users.dedup();
        self.toasted.lock().insert(about.clone(), users);
        Ok(())
    }

    /// Tells everyone concerned of a commit that has just been folded.
    pub async fn commit(&self, commit: &Commit) -> Result<(), ReadError> {
        let told = self.tell_all(commit).await;
        // Also where nobody was told, or not of all of it.
        for (_, batch, event) in commit.events() {
            self.see(batch, event);
        }
        self.told.send_replace(commit.position.0);
        self.wake_told(commit.position.0);
        told
    }

    /// Waits until the sessions have been told of everything up to a position. What they are answered
    /// after that, they can tell from what they were told before it.
    pub async fn told(&self, position: u64) {
        if *self.told.borrow() < position {
            let mut told = self.told.subscribe();
            // The sender is ours: it outlives the wait.
            let _ = told.wait_for(|told| *told >= position).await;
        }
    }

    async fn tell_all(&self, commit: &Commit) -> Result<(), ReadError> {
        if self.sessions.read().is_empty() {
            // Nobody is here, as during an import. Who comes now reads what is folded, this included.
            self.follow(commit);
            return Ok(());
        }
        let mut joining: Option<Joining<'_>> = None;
        for (index, batch, event) in commit.events() {
            self.see(batch, event);
            if self.projections.is_parked(&batch.stream) {
                // What is not folded cannot be read, so nobody is told of it either.
                continue;
            }
            let at = (commit.position.0, index);
            let at_ms = commit.at_ms(batch);
            if let (Stream::Conversation(id), Event::MemberJoined { user, .. }) =
                (&batch.stream, event)
            {
                let mut run = match joining.take() {
                    Some(run) if std::ptr::eq(run.batch, batch) => run,
                    other => {
                        self.tell_joined(other);
                        Joining::new(*id, batch, self.audience(*id)?)
                    }
                };
                self.joined(&mut run, user, at, at_ms).await?;
                joining = Some(run);
                continue;
            }
            self.tell_joined(joining.take());
            match &batch.stream {
                Stream::Conversation(id) => {
                    self.conversation_event(*id, batch, at, at_ms, event)
                        .await?
                }
                Stream::User(user) => self.user_event(user, at, at_ms, event).await?,
                Stream::Extension(_) => {}
            }
        }
        self.tell_joined(joining);
        Ok(())
    }

    /// Keeps what is kept of members and blocks right, and tells nobody.
    fn follow(&self, commit: &Commit) {
        for (_, batch, event) in commit.events() {
            if self.projections.is_parked(&batch.stream) {
                continue;
            }
            match (&batch.stream, event) {
                (Stream::Conversation(id), Event::MemberJoined { user, .. }) => {
                    self.change_audience(*id, |members| {
                        if !members.contains(user) {
                            members.push(user.clone());
                        }
                    });
                }
                (
                    Stream::Conversation(id),
                    Event::MemberLeft { user } | Event::MemberRemoved { user },
                ) => self.change_audience(*id, |members| members.retain(|member| member != user)),
                (_, Event::UserBlocked { user } | Event::UserUnblocked { user }) => {
                    self.blockers.lock().remove(user);
                }
                _ => {}
            }
        }
    }

    /// Shows a new member the conversation; those who were there before are told of all together.
    async fn joined(
        &self,
        run: &mut Joining<'_>,
        user: &UserId,
        at: (u64, u32),
        at_ms: u64,
    ) -> Result<(), ReadError> {
        if run.add(user) {
            // A large group may gain a thousand in one commit: added in place, not reloaded.
            self.change_audience(run.id, |members| members.push(user.clone()));
        }
        self.added(run.id, user, run.batch, at, at_ms).await?;
        (run.at, run.at_ms) = (at, at_ms);
        if run.users.len() == JOINED {
            run.tell(self);
        }
        Ok(())
    }

    fn tell_joined(&self, joining: Option<Joining<'_>>) {
        if let Some(mut run) = joining {
            run.tell(self);
        }
    }

    async fn user_event(
        &self,
        user: &UserId,
        at: (u64, u32),
        at_ms: u64,
        event: &Event,
    ) -> Result<(), ReadError> {
        let what = match event {
            Event::ConversationMuted {
                conversation,
                muted,
            } => What::MutedChanged {
                conversation: *conversation,
                muted: *muted,
            },
            Event::UserBlocked { user: other } => {
                self.blockers.lock().remove(other);
                // Where the other one blocked already, neither was told anything.
                if !load_blockers(&self.projections.read(), user)?.contains(other) {
                    self.look_away(user, other)?;
                    self.look_away(other, user)?;
                }
                let user = other;
                What::UserBlocked { user: user.clone() }
            }
            Event::UserUnblocked { user } => {
                self.blockers.lock().remove(user);
                What::UserUnblocked { user: user.clone() }
            }
            Event::VisibilityChanged { invisible } => What::VisibilityChanged {
                invisible: *invisible,
            },
            Event::ContactAdded { user: other } | Event::ContactRemoved { user: other } => {
                return self.contact_event((user, other), at, at_ms);
            }
            Event::UserErased => {
                for (_, session) in self.sessions.read().get(user).into_iter().flatten() {
                    session.erased();
                }
                return self.erased(user, at, at_ms);
            }
            Event::ToastQueued {
                toast,
                about_conversation,
                replaces,
                ..
            } => {
                let told = self.toast(user, (*toast, replaces), *about_conversation);
                match told.await? {
                    Some(what) => what,
                    None => return Ok(()),
                }
            }
            Event::ToastsSeen { toasts } => What::ToastsSeen {
                toasts: toasts.clone(),
            },
            Event::BadgeSet {
                source,
                name,
                count,
            } => What::BadgeSet(BadgeView {
                source: source.clone(),
                name: name.clone(),
                count: *count,
                at_ms,
                at,
            }),
            _ => return Ok(()),
        };
        let change = Change {
            at,
            conversation: None,
            actor: user.clone(),
            at_ms,
            what,
        };
        self.tell(std::slice::from_ref(user), &[], change);
        Ok(())
    }

    /// What a user is told of a toast that was queued just now.
    async fn toast(
        &self,
        user: &UserId,
        (toast, replaces): (u64, &[u64]),
        conversation: Option<ConversationId>,
    ) -> Result<Option<What>, ReadError> {
        let session = {
            let sessions = self.sessions.read();
            sessions
                .get(user)
                .and_then(|of_user| of_user.first())
                .map(|(_, session)| session.clone())
        };
        let Some(session) = session else {
            return Ok(None);
        };
        // All that is left to say where it is not shown: what it took the place of is gone.
        let rest = || {
            (!replaces.is_empty()).then(|| What::ToastsSeen {
                toasts: replaces.to_vec(),
            })
        };
        if conversation.is_some_and(|conversation| session.looks_at(conversation)) {
            session.sees(toast);
            return Ok(rest());
        }
        // Commits are folded several at a time: it may be gone.
        let Some(view) = read::toast(&self.projections.read(), user, toast)? else {
            return Ok(rest());
        };
        let mut opened = [view];
        if let Err(error) = content::open_toasts(&*self.keys, &mut opened).await {
            // Where a message goes out as a stub a toast would be nothing: they come again, and are told then.
            tracing::error!(%error, "a toast could not be opened for delivery");
            for (_, session) in self.sessions.read().get(user).into_iter().flatten() {
                session.interrupt();
            }
            return Ok(None);
        }
        let [view] = opened;
        match view.text {
            Text::Open(_) => Ok(Some(What::ToastQueued {
                toast: Box::new(view),
                replaces: replaces.to_vec(),
            })),
            Text::Sealed { .. } | Text::Retracted | Text::Erased => Ok(rest()),
        }
    }

    /// Tells those who were to be shown something of a user who was erased that it is gone.
    fn erased(&self, user: &UserId, at: (u64, u32), at_ms: u64) -> Result<(), ReadError> {
        let others = self.toasted.lock().remove(user).unwrap_or_default();
        for other in others {
            if self.sessions_of(&other) == 0 {
                continue;
            }
            let toasts = {
                let rows = self.projections.read();
                resume::went_at(&rows, &other, at)?
            };
            if toasts.is_empty() {
                continue;
            }
            let change = Change {
                at,
                conversation: None,
                actor: user.clone(),
                at_ms,
                what: What::ToastsSeen { toasts },
            };
            self.tell(std::slice::from_ref(&other), &[], change);
        }
        Ok(())
    }

    /// Tells both what they are to each other now.
    fn contact_event(
        &self,
        (actor, other): (&UserId, &UserId),
        at: (u64, u32),
        at_ms: u64,
    ) -> Result<(), ReadError> {
        for (user, with) in [(actor, other), (other, actor)] {
            if self.sessions_of(user) == 0 {
                continue;
            }
            let contact = {
                let rows = self.projections.read();
                let viewer = Viewer::load(&rows, user)?;
                read::contact(&rows, &viewer, with)?
            };
            let Some(contact) = contact else { continue };
            let change = Change {
                at,
                conversation: None,
                actor: actor.clone(),
                at_ms,
                what: What::ContactChanged(contact),
            };
            self.tell(std::slice::from_ref(user), &[], change);
        }
        Ok(())
    }

    async fn conversation_event(
        &self,
        id: ConversationId,
        batch: &Batch,
        at: (u64, u32),
        at_ms: u64,
        event: &Event,
    ) -> Result<(), ReadError> {
        match event {
            Event::ConversationStarted {
                kind: Kind::Direct { pair, .. },
                ..
            } => {
                for user in [&pair.0, &pair.1] {
                    self.added(id, user, batch, at, at_ms).await?;
                }
                return Ok(());
            }
            // A group's members join by events of their own.
            Event::ConversationStarted { .. } => return Ok(()),
            Event::MemberLeft { user } | Event::MemberRemoved { user } => {
                self.change_audience(id, |members| members.retain(|member| member != user));
            }
            _ => {}
        }
        let audience = self.audience(id)?;
        let past = match event {
            Event::MessageRetracted { seq, .. } => self.past(id, *seq, &audience)?,
            _ => Vec::new(),
        };
        if past.is_empty() && !self.anyone_here(&audience, event) {
            return Ok(());
        }
        let change = |what| Change {
            at,
            conversation: Some(id),
            actor: batch.actor.clone(),
            at_ms,
            what,
        };
        match event {
            Event::MessagePosted {
                seq,
                countable_seq,
                content,
                reply_to,
                mentions,
            } => {
                let message = MessageView {
                    conversation: id,
                    seq: *seq,
                    author: batch.actor.clone(),
                    at_ms,
                    at,
                    text: sealed_text(content, batch.command.map(|command| command.id)),
                    reply_to: *reply_to,
                    mentions: mentions.clone(),
                    edited_ms: 0,
                    countable: *countable_seq != 0,
                    reactions: Vec::new(),
                    command: batch.command.map(|command| command.id.0),
                };
                let blockers = self.blockers(&batch.actor)?;
                let change = self
                    .open(change(What::MessagePosted(Box::new(message))))
                    .await;
                self.tell(&audience.members, &blockers, change);
            }
            Event::MessageEdited {
                seq,
                content,
                mentions,
            } => {
                let blockers = self.unseeing(id, *seq, &audience, &batch.actor)?;
                let what = What::MessageEdited {
                    seq: *seq,
                    author: batch.actor.clone(),
                    text: sealed_text(content, batch.command.map(|command| command.id)),
                    mentions: mentions.clone(),
                };
                let change = self.open(change(what)).await;
                self.tell(&audience.members, &blockers, change);
            }
            Event::MessageHeld { held, .. } => {
                // Settled by now, and then told of so.
                let view = read::held(&self.projections.read(), id, *held)?;
                if let Some(view) = view {
                    let shown = |settles| What::MessageHeld {
                        held: Box::new(view.clone()),
                        settles,
                    };
                    let (own, others) = (change(shown(false)), change(shown(true)));
                    let settlers = self.settlers(id, &batch.actor)?;
                    let is_author = |user: &&UserId| **user == batch.actor;
                    let author = Vec::from_iter(settlers.iter().find(is_author).cloned());
                    let own = self.open(own).await;
                    self.tell(&author, &[], own);
                    let others = self.open(others).await;
                    self.tell(&settlers, &author, others);
                }
            }
            Event::MessageReleased { held, .. } => {
                let what = What::MessageReleased { held: *held };
                self.tell(&self.settlers(id, &batch.actor)?, &[], change(what));
            }
            Event::MessageRejected { held, reason, .. } => {
                let what = What::MessageRejected {
                    held: *held,
                    reason: reason.clone(),
                };
                self.tell(&self.settlers(id, &batch.actor)?, &[], change(what));
            }
            Event::MessageRetracted {
                seq,
                author,
                countable_seq,
            } => {
                let unseeing = self.unseeing(id, *seq, &audience, author)?;
                let what = What::MessageRetracted {
                    seq: *seq,
                    author: author.clone(),
                    countable: *countable_seq != 0,
                };
                self.tell(&audience.members, &unseeing, change(what.clone()));
                self.tell(&past, &unseeing, change(what));
            }
            Event::ReactionAdded { seq, reaction } | Event::ReactionRemoved { seq, reaction } => {
                let (author, count) = self.reaction(id, *seq, reaction)?;
                let unseeing = self.unseeing(id, *seq, &audience, &author)?;
                let (seq, reaction) = (*seq, reaction.clone());
                let what = if matches!(event, Event::ReactionAdded { .. }) {
                    What::ReactionAdded {
                        seq,
                        reaction,
                        count,
                    }
                } else {
                    What::ReactionRemoved {
                        seq,
                        reaction,
                        count,
                    }
                };
                self.tell(&audience.members, &unseeing, change(what));
            }
            Event::ReadUpTo { seq } => {
                let user = &batch.actor;
                let own = What::ReadUpTo {
                    user: user.clone(),
                    seq: *seq,
                    unread: self.unread(id, user)?,
                };
                self.tell(std::slice::from_ref(user), &[], change(own));
                let delivered = What::ReadUpTo {
                    user: user.clone(),
                    seq: *seq,
                    unread: None,
                };
                if self.shows(user) {
                    self.tick(&audience, user, change(delivered));
                }
            }
            Event::DeliveredUpTo { seq } => {
                let user = &batch.actor;
                let what = What::DeliveredUpTo {
                    user: user.clone(),
                    seq: *seq,
                };
                self.tell(std::slice::from_ref(user), &[], change(what.clone()));
                if self.shows(user) {
                    self.tick(&audience, user, change(what));
                }
            }
            Event::MemberLeft { user } | Event::MemberRemoved { user } => {
                let what = What::MemberLeft {
                    user: user.clone(),
                    member_count: audience.members.len() as u32,
                    removed: matches!(event, Event::MemberRemoved { .. }),
                };
                self.tell(&audience.members, &[], change(what.clone()));
                self.tell(std::slice::from_ref(user), &[], change(what));
                if self.looks.lock().take(user, id, crate::clock::moment()) {
                    let over = Signal::new(Doing::Looking, id, user, false);
                    let to = self.unblocked(user, &audience.members)?;
                    self.hand_out(over, to.into_iter());
                }
            }
            Event::RoleChanged { user, role } => {
                let role: Role = *role;
                let what = What::RoleChanged {
                    user: user.clone(),
                    role,
                };
                self.tell(&audience.members, &[], change(what));
            }
            Event::TitleChanged { title } => {
                self.tell(
                    &audience.members,
                    &[],
                    change(What::TitleChanged {
                        title: title.clone(),
                    }),
                );
            }
            // For those who look into the log.
            Event::MessageReviewed { .. } => {}
            // Told of by `joined`.
            Event::MemberJoined { .. }
            | Event::ConversationStarted { .. }
            | Event::ConversationMuted { .. }
            | Event::UserBlocked { .. }
            | Event::UserUnblocked { .. }
            | Event::VisibilityChanged { .. }
            | Event::Seen { .. }
            | Event::ContactAdded { .. }
            | Event::ContactRemoved { .. }
            | Event::ProfileSet { .. }
            | Event::ProfileRemoved
            | Event::HiddenChanged { .. }
            | Event::UserErased
            | Event::Extension(_)
            | Event::AppEventRecorded { .. }
            | Event::ToastQueued { .. }
            | Event::ToastsSeen { .. }
            | Event::BadgeSet { .. } => {}
        }
        Ok(())
    }

    /// Shows a user a conversation they are now in.
    async fn added(
        &self,
        id: ConversationId,
        user: &UserId,
        batch: &Batch,
        at: (u64, u32),
        at_ms: u64,
    ) -> Result<(), ReadError> {
        if self.sessions_of(user) == 0 {
            return Ok(());
        }
        let view = {
            let rows = self.projections.read();
            let viewer = Viewer::load(&rows, user)?;
            read::conversation(&rows, rows.cursor(), &viewer, id)?
        };
        // A conversation begun by somebody the user blocks is not shown.
        let Some(view) = view else { return Ok(()) };
        let what = What::ConversationAdded(Box::new(view));
        let change = Change {
            at,
            conversation: Some(id),
            actor: batch.actor.clone(),
            at_ms,
            what,
        };
        let change = self.open(change).await;
        self.tell(std::slice::from_ref(user), &[], change);
        Ok(())
    }

    async fn open(&self, mut change: Change) -> Change {
        if let Err(error) =
            content::open_changes(&*self.keys, std::slice::from_mut(&mut change)).await
        {
            // The event must not be lost: it goes out sealed, which clients are told as text to be fetched.
            tracing::error!(%error, "content could not be opened for delivery");
        }
        change
    }

    /// Ticks go to the other members of small conversations only.
    fn tick(&self, audience: &Audience, user: &UserId, change: Change) {
        if audience.members.len() <= TICKS_MEMBERS as usize {
            self.tell(&audience.members, std::slice::from_ref(user), change);
        }
    }

    /// Whether the others may see where a member's cursor goes now: who is invisible reads unseen.
    fn shows(&self, user: &UserId) -> bool {
        !self.invisible.lock().contains(user)
    }

    /// Whether somebody is visible from now on.
    fn see(&self, batch: &Batch, event: &Event) {
        if let (Stream::User(user), Event::VisibilityChanged { invisible }) = (&batch.stream, event)
        {
            match invisible {
                true => self.invisible.lock().insert(user.clone()),
                false => self.invisible.lock().remove(user),
            };
        }
    }

    fn tell(&self, users: &[UserId], except: &[UserId], change: Change) {
        let sessions = self.sessions.read();
        let mut notice = None;
        let mut change = Some(change);
        let many: HashSet<&UserId> = match except.len() {
            ..=FEW => HashSet::new(),
            _ => except.iter().collect(),
        };
        for user in users {
            let is_excepted = match except.len() {
                ..=FEW => except.contains(user),
                _ => many.contains(user),
            };
            if is_excepted {
                continue;
            }
            for (_, session) in sessions.get(user).into_iter().flatten() {
                let notice = notice.get_or_insert_with(|| {
                    let change = change.take().expect("made once");
                    Arc::new(Notice {
                        change,
                        frames: [OnceLock::new(), OnceLock::new()],
                    })
                });
                session.notify(notice);
            }
        }
    }

    /// Members who are not told of a change to a message: it was posted before they joined, or they
    /// block its author.
    fn unseeing(
        &self,
        id: ConversationId,
        seq: u64,
        audience: &Audience,
        author: &UserId,
    ) -> Result<Vec<UserId>, ReadError> {
        let mut unseeing = self.blockers(author)?.to_vec();
        if !audience.sees_all {
            let rows = self.projections.read();
            let here: Vec<UserId> = {
                let sessions = self.sessions.read();
                audience
                    .members
                    .iter()
                    .filter(|user| sessions.contains_key(*user))
                    .cloned()
                    .collect()
            };
            for user in here {
                if read::member(&rows, id, &user)?.is_none_or(|member| !member.sees(seq)) {
                    unseeing.push(user);
                }
            }
        }
        Ok(unseeing)
    }

    /// Those of this node's users who have left and may still see a message.
    fn past(
        &self,
        id: ConversationId,
        seq: u64,
        audience: &Audience,
    ) -> Result<Vec<UserId>, ReadError> {
        let mut past = Vec::new();
        if audience.direct {
            return Ok(past);
        }
        let rows = self.projections.read();
        if read::row(&rows, id)?.is_none_or(|row| row.left_at == (0, 0)) {
            return Ok(past);
        }
        let sessions = self.sessions.read();
        read::each_member(&rows, id, "", &mut |user, row| {
            // Who was there at the event is told as a member, also if they have left in the same commit.
            if row.role.is_none() && row.sees(seq) && sessions.contains_key(user) {
                let user = UserId::trusted(user);
                if !audience.members.contains(&user) {
                    past.push(user);
                }
            }
            ControlFlow::Continue(())
        })?;
        Ok(past)
    }

    fn reaction(
        &self,
        id: ConversationId,
        seq: u64,
        reaction: &str,
    ) -> Result<(UserId, u32), ReadError> {
        let rows = self.projections.read();
        let Some(value) = rows::Rows::get(&rows, Table::Messages, &rows::message(id, seq))? else {
            return Err(ReadError::Corrupt(format!(
                "message {seq} of {id} is missing"
            )));
        };
        let message: rows::Message<'_> = rows::decode(Table::Messages, &value)?;
        let count = message
            .reactions
            .iter()
            .find(|(name, _)| name == reaction)
            .map_or(0, |(_, count)| *count);
        Ok((UserId::trusted(message.author), count))
    }

    fn unread(&self, id: ConversationId, user: &UserId) -> Result<Option<(u64, u64)>, ReadError> {
        if self.sessions_of(user) == 0 {
            return Ok(None);
        }
        let rows = self.projections.read();
        let (Some(row), Some(member)) = (read::row(&rows, id)?, read::member(&rows, id, user)?)
        else {
            return Ok(None);
        };
        if member.read_seq == row.last_seq {
            return Ok(Some((0, rows.cursor())));
        }
        let blocked = self.blocked(&rows, user)?;
        let own_after = |read| self.projections.own_after(id, user, read);
        let left = unread::in_conversation(&rows, id, &row, user, &member, &blocked, own_after)?;
        Ok(Some((left, rows.cursor())))
    }

    fn anyone_here(&self, audience: &Audience, event: &Event) -> bool {
        let sessions = self.sessions.read();
        let gone = match event {
            Event::MemberLeft { user } | Event::MemberRemoved { user } => Some(user),
            _ => None,
        };
        audience
            .members
            .iter()
            .chain(gone)
            .any(|user| sessions.contains_key(user))
    }

    fn audience(&self, id: ConversationId) -> Result<Arc<Audience>, ReadError> {
        if let Some(audience) = self.audiences.lock().get(&id) {
            return Ok(audience.clone());
        }
        let audience = Arc::new(load_audience(&self.projections.read(), id)?);
        self.audiences.lock().insert(id, audience.clone());
        Ok(audience)
    }

    /// Who sees what is held of somebody: they themselves, moderators and owners.
    fn settlers(&self, id: ConversationId, author: &UserId) -> Result<Vec<UserId>, ReadError> {
        let mut users = Vec::new();
        read::each_member(&self.projections.read(), id, "", &mut |user, row| {
            let moderates = row.role.is_some_and(|role| role >= Role::Moderator);
            if moderates || (row.role.is_some() && *user == **author) {
                users.push(UserId::trusted(user));
            }
            ControlFlow::Continue(())
        })?;
        Ok(users)
    }

    fn blockers(&self, user: &UserId) -> Result<Arc<[UserId]>, ReadError> {
        if let Some(blockers) = self.blockers.lock().get(user) {
            return Ok(blockers.clone());
        }
        let blockers: Arc<[UserId]> = load_blockers(&self.projections.read(), user)?.into();
        self.blockers.lock().insert(user.clone(), blockers.clone());
        Ok(blockers)
    }

    /// Whom a user blocks.
    fn blocked(&self, rows: &Snapshot<'_>, user: &UserId) -> Result<Arc<[UserId]>, ReadError> {
        if let Some(blocked) = self.blocked.lock().get(user) {
            return Ok(blocked.clone());
        }
        let blocked: Arc<[UserId]> = Viewer::load(rows, user)?.blocked.into();
        self.blocked.lock().insert(user.clone(), blocked.clone());
        Ok(blocked)
    }

    fn change_audience(&self, id: ConversationId, change: impl FnOnce(&mut Vec<UserId>)) {
        if let Some(audience) = self.audiences.lock().get_mut(&id) {
            // Copies only while somebody types, or members join.
            change(&mut Arc::make_mut(audience).members);
        }
    }
}

fn load_audience(rows: &dyn Rows, id: ConversationId) -> Result<Audience, ReadError> {
    let mut members = Vec::new();
    read::each_member(rows, id, "", &mut |user, row| {
        if row.role.is_some() {
            members.push(UserId::trusted(user));
        }
        ControlFlow::Continue(())
    })?;
    let kind = read::row(rows, id)?.map(|row| row.kind);
    Ok(Audience {
        members,
        direct: matches!(kind, Some(Kind::Direct { .. })),
        // Not known of one that these very commits start: then each member is looked at.
        sees_all: match kind {
            Some(Kind::Direct { .. }) => true,
            Some(Kind::Group {
                history_from_start, ..
            }) => history_from_start,
            None => false,
        },
    })
}

/// Who blocks a user.
fn load_blockers(rows: &dyn Rows, user: &UserId) -> Result<Vec<UserId>, ReadError> {
    let (from, to) = rows::blocked_by_range(user);
    let mut found = Vec::new();
    rows.scan(Table::Users, &from, &to, false, &mut |key, _| {
        found.push(rows::other_user(user, key));
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests;
