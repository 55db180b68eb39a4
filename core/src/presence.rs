//! Who is here, and who is told of it.
//!
//! Every node says in the presence lane how its own users are ([`local`]), and folds what all nodes say
//! ([`roll`]). A user's state is the best of theirs at any node. What others see of it is decided where it
//! is read, from the journal: whoever has chosen to be invisible, and whoever blocks or is blocked, reads as
//! offline. So that nobody is shown before that is known, a record of the lane names the journal's position
//! that it rests on, and is folded after it.
//!
//! A node that is silent for the grace is declared gone by those who notice, and its users with it; should
//! it live, it finds that in the lane, takes a new name and says again who is there.

use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hashbrown::{HashMap, HashSet};
use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use tokio::{sync::Notify, time::Instant};
use uuid::Uuid;

use crate::{
    clock::SharedClock,
    commit::Commit,
    domain::{Command, Event, Stream, UserCommand, UserId},
    handler::{Answer, Handler, Submission},
    projections::{Projections, ReadError, Table, read, rows},
};

pub mod local;
pub mod record;
pub mod roll;
mod run;
mod tell;
pub mod watch;

use local::{Device, Local, SessionId};
use record::{Record, Said, State};
use roll::Roll;
use watch::{Diff, Seen, WatchId, Watching, Why};

/// Most users of one explicit watch list.
pub const LISTED: usize = 500;

/// Users that a new listener is told of at a time.
const TOLD_AT_ONCE: usize = 256;

/// How presence is kept.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How long somebody whose last session has ended goes on being shown, in milliseconds: a reload or a
    /// tunnel is no news. A node that is silent for so long is declared gone, too.
    pub grace_ms: u64,
    /// How long a session asks for nothing but heartbeats before its user counts as away, in milliseconds.
    pub away_ms: u64,
    /// How long a heartbeat without a connection holds, in milliseconds.
    pub heartbeat_ms: u64,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            grace_ms: 15_000,
            away_ms: 300_000,
            heartbeat_ms: 60_000,
        }
    }
}

/// Where a watch's news goes.
pub trait Watcher: Send + Sync {
    /// Whether it takes something at present.
    fn takes_presence(&self) -> bool;

    /// Tells it.
    fn presence(&self, diff: Diff);
}

type Random = Arc<dyn ring::rand::SecureRandom + Send + Sync>;

/// Who is told of everybody, such as a search: the user and how they look to those who may see them.
type Listener = Box<dyn Fn(&UserId, State) + Send + Sync>;

/// Presence on one node.
pub struct Presence {
    config: Config,
    inner: Mutex<Inner>,
    /// There is something to say in the lane.
    news: Notify,
    /// There is something to tell watches.
    due: Notify,
    next_session: AtomicU64,
    projections: Arc<Projections>,
    handler: Handler,
    clock: SharedClock,
    random: Random,
    began: Instant,
    listeners: RwLock<Vec<Listener>>,
    /// What sessions run on, if this was made there.
    sessions: Option<tokio::runtime::Handle>,
    /// Who is about to be invisible: from before the rows say so until that is folded, too.
    hiding: Mutex<hashbrown::HashSet<UserId>>,
}

struct Inner {
    /// This node's name in the lane.
    incarnation: Uuid,
    roll: Roll,
    /// What was so before the lane was lost, and until when it counts beside the roll.
    before: Option<Before>,
    local: Local,
    watching: Watching<Arc<dyn Watcher>>,
    /// Counts what the journal says of contacts and blocks, as it is followed: what was read before may be out
    /// of date when this is another one.
    relations: u64,
    /// Counts how often somebody may have begun to look gone, likewise.
    left: u64,
}

/// Who was here, and how, before the lane was lost.
struct Before {
    states: HashMap<UserId, State>,
    until: Instant,
}

impl Before {
    fn state(&self, user: &str) -> State {
        self.states.get(user).copied().unwrap_or_default()
    }
}

/// What a user is to others, for a watch.
struct Relations {
    /// Both have added each other.
    contacts: Vec<UserId>,
    /// Whom the user blocks, and who blocks the user.
    unseen: HashSet<UserId>,
}

/// When some who look gone were here last.
struct SeenBefore {
    left: u64,
    seen: HashMap<UserId, u64>,
}

impl Inner {
    fn state(&self, user: &str) -> State {
        best(&self.roll, self.before.as_ref(), user)
    }
}

/// How somebody is by the roll and by what counts beside it.
fn best(roll: &Roll, before: Option<&Before>, user: &str) -> State {
    let before = before.map_or(State::Offline, |before| before.state(user));
    roll.state(user).max(before)
}

/// A session's part in it: ends with it.
pub struct Attendance {
    presence: Arc<Presence>,
    user: UserId,
    session: SessionId,
    device: Device,
    watch: Option<WatchId>,
}

impl Drop for Attendance {
    fn drop(&mut self) {
        let now = self.presence.elapsed_ms();
        let mut inner = self.presence.inner.lock();
        inner.local.close(&self.user, self.session, now);
        if let Some(watch) = self.watch {
            inner.watching.close(watch);
        }
        drop(inner);
        self.presence.news.notify_one();
    }
}

impl Attendance {
    /// How the user is by this session from now on.
    pub fn set(&self, state: State) {
        let mut inner = self.presence.inner.lock();
        inner
            .local
            .set(&self.user, self.session, self.device, state);
        drop(inner);
        self.presence.news.notify_one();
    }

    /// Watches exactly these users, and with `roster` one's contacts, from now on. `to` is told how all of
    /// them are, before anything that changes later.
    pub fn watch(
        &mut self,
        to: Arc<dyn Watcher>,
        users: &[UserId],
        roster: bool,
    ) -> Result<(), ReadError> {
        let presence = self.presence.clone();
        let user = &self.user;
        let relations = presence.inner.lock().relations;
        let mut known = presence.relations(user, roster)?;
        let gone = presence.seen_before(users.iter().chain(&known.contacts));
        let mut inner = presence.inner.lock();
        if inner.relations != relations {
            // Something has changed since, perhaps for this user. It does not while it is read here.
            known = presence.relations(user, roster)?;
        }
        let inner = &mut *inner;
        let id = *self
            .watch
            .get_or_insert_with(|| inner.watching.open(user.clone(), to.clone()));
        let states = (&inner.roll, inner.before.as_ref());
        let holds = inner.left == gone.left;
        let seen_ms = |user: &UserId| {
            let known = gone.seen.get(user).filter(|_| holds);
            known.copied().unwrap_or_else(|| presence.seen_ms(user))
        };
        let see = |viewer: &UserId, user: &UserId, unseen: bool| {
            presence.see(states, viewer, user, unseen, &seen_ms)
        };
        let roster = roster.then_some(&known.contacts[..]);
        if let Some(diff) = inner.watching.set(id, users, roster, known.unseen, see) {
            to.presence(diff);
        }
        Ok(())
    }
}

impl Presence {
    /// Nobody is here yet.
    pub(crate) fn new(
        config: Config,
        projections: Arc<Projections>,
        handler: Handler,
        clock: SharedClock,
        random: Random,
    ) -> Presence {
        let inner = Inner {
            incarnation: fresh_id(&*random),
            roll: Roll::default(),
            before: None,
            local: Local::new(config.grace_ms),
            watching: Watching::default(),
            relations: 0,
            left: 0,
        };
        Presence {
            config,
            inner: Mutex::new(inner),
            news: Notify::new(),
            due: Notify::new(),
            next_session: AtomicU64::new(0),
            projections,
            handler,
            clock,
            random,
            began: crate::clock::moment(),
            listeners: RwLock::default(),
            sessions: tokio::runtime::Handle::try_current().ok(),
            hiding: Mutex::default(),
        }
    }

    /// From now on somebody else is told how everybody looks to those who may see them; first of all those
    /// who are here. Once.
    pub fn listen(&self, listener: impl Fn(&UserId, State) + Send + Sync + 'static) {
        let inner = self.inner.lock();
        let before = inner.before.iter().flat_map(|before| before.states.keys());
        for user in inner.roll.users().map(|(user, _)| user).chain(before) {
            listener(user, self.joined(user, inner.state(user)));
        }
        self.listeners.write().push(Box::new(listener));
    }

    /// Tells a listener that is told of all changes already how everybody is who was here before: of each
    /// what holds then, and before anything that changes later. Others wait for a few users at most.
    pub fn everybody(&self, mut tell: impl FnMut(&UserId, State)) {
        let users: Vec<UserId> = {
            let inner = self.inner.lock();
            let before = inner.before.iter().flat_map(|before| before.states.keys());
            let users = inner.roll.users().map(|(user, _)| user).chain(before);
            users.cloned().collect()
        };
        for users in users.chunks(TOLD_AT_ONCE) {
            let inner = self.inner.lock();
            for user in users {
                tell(user, self.joined(user, inner.state(user)));
            }
        }
    }

    /// A session of a user begins, on the device with this id.
    pub fn attend(self: &Arc<Presence>, user: &UserId, device: &str, state: State) -> Attendance {
        let session = SessionId(self.next_session.fetch_add(1, Ordering::Relaxed));
        let device = Device::named(device);
        let mut inner = self.inner.lock();
        inner.local.set(user, session, device, state);
        drop(inner);
        self.news.notify_one();
        Attendance {
            presence: self.clone(),
            user: user.clone(),
            session,
            device,
            watch: None,
        }
    }

    /// Somebody is here who holds no connection. It holds for [`Config::heartbeat_ms`].
    pub fn beat(&self, user: &UserId, state: State) {
        let now = self.elapsed_ms();
        let mut inner = self.inner.lock();
        inner.local.beat(user, state, now, self.config.heartbeat_ms);
        drop(inner);
        self.news.notify_one();
    }

    /// How somebody is, as a viewer sees it; as they are for the backend, which is no viewer.
    pub fn seen(&self, viewer: Option<&UserId>, user: &UserId) -> Result<Seen, ReadError> {
        let unseen = match viewer {
            Some(viewer) => self.blocks(viewer, user)?,
            None => false,
        };
        let inner = self.inner.lock();
        match viewer {
            Some(viewer) => {
                let states = (&inner.roll, inner.before.as_ref());
                let seen_ms = |user: &UserId| self.seen_ms(user);
                Ok(self.see(states, viewer, user, unseen, &seen_ms))
            }
            None => {
                let state = inner.state(user);
                // Who hides has one, too, which says to others that they have left.
                let seen_ms = match state {
                    State::Offline => read::seen_ms(&self.projections.read(), user)?,
                    State::Available | State::Away => 0,
                };
                Ok(Seen {
                    user: user.clone(),
                    state,
                    seen_ms,
                })
            }
        }
    }

    /// How presence is kept.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// How many users are here, on all nodes, the invisible included.
    pub fn online(&self) -> usize {
        self.inner.lock().roll.len()
    }

    /// How many watches this node has.
    pub fn watches(&self) -> usize {
        self.inner.lock().watching.len()
    }

    /// Before commits are folded: the listener is told of whoever becomes invisible by them, so that who reads
    /// the rows afterwards, and then searches, does not count them. Watches are told once the rows say when
    /// they were here last.
    pub(crate) fn before(&self, commits: &[Commit]) {
        for (_, batch, event) in commits.iter().flat_map(Commit::events) {
            if let (Stream::User(user), Event::VisibilityChanged { invisible: true }) =
                (&batch.stream, event)
            {
                let _inner = self.inner.lock();
                self.hiding.lock().insert(user.clone());
                self.tell_listeners(user, State::Offline);
            }
        }
    }

    /// Follows what the journal says of visibility, blocks and contacts, after it is folded.
    pub(crate) fn folded(&self, commit: &Commit) {
        for (_, batch, event) in commit.events() {
            let Stream::User(actor) = &batch.stream else {
                continue;
            };
            match event {
                Event::VisibilityChanged { .. } => {
                    self.hiding.lock().remove(actor);
                    self.look_again(actor);
                }
                Event::UserBlocked { user } | Event::UserUnblocked { user } => {
                    self.block_changed(actor, user);
                }
                Event::ContactAdded { user } | Event::ContactRemoved { user } => {
                    self.contact_changed(actor, user);
                    self.contact_changed(user, actor);
                }
                _ => {}
            }
        }
    }

    fn look_again(&self, user: &UserId) {
        let mut inner = self.inner.lock();
        inner.left += 1;
        inner.watching.changed(user);
        self.tell_listeners(user, self.joined(user, inner.state(user)));
        drop(inner);
        self.due.notify_one();
    }

    fn block_changed(&self, one: &UserId, other: &UserId) {
        let unseen = self.blocks(one, other).unwrap_or_else(|error| {
            tracing::error!(%error, "a block could not be read for presence");
            // What cannot be read is not shown.
            true
        });
        let mut inner = self.inner.lock();
        inner.relations += 1;
        inner.watching.blocked(one, other, unseen);
        drop(inner);
        self.due.notify_one();
    }

    /// Whether one of two blocks the other.
    fn blocks(&self, one: &UserId, other: &UserId) -> Result<bool, ReadError> {
        let rows = self.projections.read();
        let row = |one, other| rows::Rows::get(&rows, Table::Users, &rows::blocks(one, other));
        Ok(row(one, other)?.is_some() || row(other, one)?.is_some())
    }

    fn contact_changed(&self, user: &UserId, other: &UserId) {
        let row = rows::get(
            &self.projections.read(),
            Table::Users,
            &rows::contact(user, other),
        );
        let row: rows::Contact = match row {
            Ok(row) => row.unwrap_or_default(),
            Err(error) => {
                tracing::error!(%error, "a contact could not be read for presence");
                return;
            }
        };
        let mut inner = self.inner.lock();
        inner.relations += 1;
        for id in inner.watching.rosters_of(user) {
            if row.added && row.adds {
                inner.watching.add(id, Why::Roster, other);
            } else {
                inner.watching.remove(id, Why::Roster, other);
            }
        }
        drop(inner);
        self.due.notify_one();
    }

    /// Reads what a user is to others.
    fn relations(&self, user: &UserId, roster: bool) -> Result<Relations, ReadError> {
        let rows = self.projections.read();
        let mut viewer = read::Viewer::load(&rows, user)?;
        let blocked = std::mem::take(&mut viewer.blocked);
        // Those whom the user blocks, too: they are not seen, and are again once they are not blocked.
        let contacts = match roster {
            true => read::contacts(&rows, &viewer, "", usize::MAX)?.0,
            false => Vec::new(),
        };
        let both = contacts
            .into_iter()
            .filter(|with| with.contact.added && with.contact.adds);
        let contacts = both.map(|with| with.user).collect();
        let mut unseen: HashSet<UserId> = blocked.into_iter().collect();
        let (from, to) = rows::blocked_by_range(user);
        rows::Rows::scan(&rows, Table::Users, &from, &to, false, &mut |key, _| {
            unseen.insert(rows::other_user(user, key));
            ControlFlow::Continue(())
        })?;
        Ok(Relations { contacts, unseen })
    }

    /// How somebody looks to those who may see them.
    fn shown(&self, user: &UserId, state: State) -> State {
        if self.projections.is_invisible(user) {
            State::Offline
        } else {
            state
        }
    }

    fn tell_listeners(&self, user: &UserId, state: State) {
        for listener in &*self.listeners.read() {
            listener(user, state);
        }
    }

    /// The same as listeners are told: who is about to be invisible is so already.
    fn joined(&self, user: &UserId, state: State) -> State {
        match self.hiding.lock().contains(user) {
            true => State::Offline,
            false => self.shown(user, state),
        }
    }

    fn see(
        &self,
        (roll, before): (&Roll, Option<&Before>),
        viewer: &UserId,
        user: &UserId,
        unseen: bool,
        seen_ms: &dyn Fn(&UserId) -> u64,
    ) -> Seen {
        let is = best(roll, before, user);
        let unseen = unseen && viewer != user;
        let state = match viewer == user {
            true => is,
            false if unseen => State::Offline,
            false => self.shown(user, is),
        };
        let seen_ms = match state {
            State::Offline if !unseen => seen_ms(user),
            _ => 0,
        };
        Seen {
            user: user.clone(),
            state,
            seen_ms,
        }
    }

    /// When somebody was here last, as far as that is recorded.
    fn seen_ms(&self, user: &UserId) -> u64 {
        // Read for a moment only: what is folded waits for whoever reads.
        read::seen_ms(&self.projections.read(), user).unwrap_or_default()
    }

    /// When those were here last who look gone now. Read before the lock is taken, since that takes longer than
    /// all else that is done under it; `left` says whether it still holds then.
    fn seen_before<'a>(&self, users: impl Iterator<Item = &'a UserId>) -> SeenBefore {
        let (left, gone) = {
            let inner = self.inner.lock();
            let gone = users.filter(|user| self.shown(user, inner.state(user)) == State::Offline);
            let gone: Vec<UserId> = gone.cloned().collect();
            (inner.left, gone)
        };
        let seen = gone.into_iter().map(|user| {
            let seen_ms = self.seen_ms(&user);
            (user, seen_ms)
        });
        SeenBefore {
            left,
            seen: seen.collect(),
        }
    }

    /// Folds a record of the lane, whose `as_of` is folded.
    fn fold(&self, record: &Record) {
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        let changes = inner.roll.apply(record);
        inner.left += changes
            .iter()
            .filter(|change| change.state == State::Offline)
            .count() as u64;
        for change in &changes {
            let before = inner.before.as_ref();
            if before.is_some_and(|before| before.state(&change.user) > change.state) {
                // Not until what was known before the lane was lost is out of date.
                continue;
            }
            inner.watching.changed(&change.user);
            self.tell_listeners(&change.user, self.joined(&change.user, change.state));
        }
        let lost = record.said.contains(&Said::Lost(inner.incarnation));
        if lost {
            // Somebody had not heard of this node for long: what it had said counts no more.
            tracing::warn!("this node was taken for gone: it says again who is here");
            inner.incarnation = fresh_id(&*self.random);
            inner.local.say_all();
            self.news.notify_one();
        }
        if !changes.is_empty() {
            self.due.notify_one();
        }
    }

    /// The lane has lost what it held: everybody is said again. Until the grace is over those whom it held
    /// count as here.
    fn lane_lost(&self) {
        let mut inner = self.inner.lock();
        let grace = Duration::from_millis(self.config.grace_ms);
        // The lane may be lost again before the grace is over.
        let before = inner.before.take().map(|before| before.states);
        let mut states = before.unwrap_or_default();
        for (user, state) in std::mem::take(&mut inner.roll).users() {
            let was = states.entry(user.clone()).or_default();
            *was = state.max(*was);
        }
        inner.before = Some(Before {
            states,
            until: crate::clock::moment() + grace,
        });
        inner.local.say_all();
        drop(inner);
        self.news.notify_one();
    }

    /// Lets go of what was known before the lane was lost, once its time is up.
    fn let_go(&self) {
        let mut inner = self.inner.lock();
        let now = crate::clock::moment();
        let Some(before) = inner.before.take_if(|before| before.until <= now) else {
            return;
        };
        inner.left += 1;
        for (user, was) in &before.states {
            let is = inner.roll.state(user);
            if is < *was {
                inner.watching.changed(user);
                self.tell_listeners(user, self.joined(user, is));
            }
        }
        drop(inner);
        self.due.notify_one();
    }

    /// To be called before somebody becomes invisible: as far as others can see they leave, and who leaves
    /// is shown to have done so a grace ago. Whoever was not here leaves nothing.
    pub fn hides(&self, user: &UserId) {
        if self.inner.lock().state(user) == State::Offline {
            return;
        }
        let now_ms = self.clock.now_ms();
        self.record_seen(user, now_ms.saturating_sub(self.config.grace_ms), |_| {});
    }

    /// Records when somebody was here last, unless they are invisible.
    fn record_seen(&self, user: &UserId, at_ms: u64, reply: impl FnOnce(Answer) + Send + 'static) {
        self.handler.submit(Submission {
            actor: user.clone(),
            command: Command::User(UserCommand::RecordSeen { at_ms }),
            id: None,
            happened_ms: None,
            known: 0,
            chain: None,
            trace: None,
            reply: Box::new(reply),
        });
    }

    /// Milliseconds of a clock that only goes forward.
    fn elapsed_ms(&self) -> u64 {
        let elapsed = crate::clock::moment() - self.began;
        u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
    }
}

fn fresh_id(random: &dyn ring::rand::SecureRandom) -> Uuid {
    let mut bytes = [0; 16];
    random.fill(&mut bytes).expect("the system has randomness");
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests;
