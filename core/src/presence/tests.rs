//! Several nodes on one journal and one lane, each as far in both as it happens to be: none ever shows who it
//! knows to be invisible, and once all have caught up they say the same of everybody.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::{
    clock::Clock,
    handler,
    history::play::batch,
    log::{Identity, Position, Record as Logged, Shard},
};

const NODES: usize = 3;
const USERS: usize = 4;

/// A clock that is set by hand, backwards as well.
#[derive(Default)]
struct Jumps(AtomicU64);

impl Clock for Jumps {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a watch or the listener was told, and whether it was ever told of somebody who is hidden there.
struct Sees {
    viewer: UserId,
    projections: Arc<Projections>,
    version: AtomicU64,
    view: Mutex<BTreeMap<UserId, State>>,
    wrong: Mutex<Vec<String>>,
}

impl Sees {
    fn new(viewer: UserId, projections: Arc<Projections>) -> Arc<Sees> {
        Arc::new(Sees {
            viewer,
            projections,
            version: AtomicU64::new(0),
            view: Mutex::default(),
            wrong: Mutex::default(),
        })
    }

    fn told(&self, user: &UserId, state: State) {
        let hidden = *user != self.viewer && self.projections.is_invisible(user);
        if hidden && state != State::Offline {
            let wrong = format!("{} is told that {user} is {state:?}", self.viewer);
            self.wrong.lock().push(wrong);
        }
        self.view.lock().insert(user.clone(), state);
    }
}

impl Watcher for Sees {
    fn takes_presence(&self) -> bool {
        true
    }

    fn presence(&self, diff: Diff) {
        let before = self.version.swap(diff.version, Ordering::Relaxed);
        if diff.version != before + 1 {
            let wrong = format!("version {} after {before}", diff.version);
            self.wrong.lock().push(wrong);
        }
        if diff.snapshot {
            self.view.lock().clear();
        }
        for seen in &diff.users {
            self.told(&seen.user, seen.state);
        }
    }
}

/// A node.
struct Place {
    presence: Arc<Presence>,
    clock: Arc<Jumps>,
    /// How far it is in the lane.
    at: usize,
    sessions: Vec<(usize, Attendance)>,
    watching: Option<(usize, bool, Arc<Sees>, Attendance)>,
    listener: Arc<Sees>,
    _folder: tempfile::TempDir,
}

/// All of them, and what they share.
struct World {
    places: Vec<Place>,
    journal: Vec<Bytes>,
    lane: Vec<Record>,
    invisible: HashSet<usize>,
    blocks: HashSet<(usize, usize)>,
    added: HashSet<(usize, usize)>,
}

fn user(number: usize) -> UserId {
    UserId::new(&format!("user {number}")).expect("an id")
}

impl World {
    fn new() -> World {
        let identity = Identity {
            epoch: Uuid::from_u128(1),
            shards: 1,
        };
        let places = (0..NODES).map(|_| {
            let folder = tempfile::tempdir().expect("there is room");
            let projections = Projections::open(folder.path(), identity).expect("it opens");
            let projections = Arc::new(projections);
            let clock = Arc::new(Jumps::default());
            // Its commands are answered by nobody: when somebody was here last is not looked at.
            let handler = Handler::new(identity, &handler::Config::default(), None);
            #[allow(clippy::disallowed_methods, reason = "names of nodes, no keys")]
            let random = Arc::new(ring::rand::SystemRandom::new());
            let presence = Arc::new(Presence::new(
                Config::default(),
                projections.clone(),
                handler,
                clock.clone(),
                random,
            ));
            let listener = Sees::new(user(99), projections);
            let hears = listener.clone();
            presence.listen(move |user, state| hears.told(user, state));
            Place {
                presence,
                clock,
                at: 0,
                sessions: Vec::new(),
                watching: None,
                listener,
                _folder: folder,
            }
        });
        World {
            places: places.collect(),
            journal: Vec::new(),
            lane: Vec::new(),
            invisible: HashSet::new(),
            blocks: HashSet::new(),
            added: HashSet::new(),
        }
    }

    fn record(&mut self, who: usize, event: Event) {
        let batch = batch(Stream::User(user(who)), &user(who), vec![event]);
        self.journal.push(Commit::encode(5, &[batch]));
    }

    /// A node folds the journal up to a position.
    fn fold(&mut self, node: usize, to: usize) {
        let presence = &self.places[node].presence;
        for at in presence.projections.cursor() as usize..to.min(self.journal.len()) {
            let commit = Commit::decode(&Logged {
                position: Position(at as u64 + 1),
                shard: Shard(0),
                id: Uuid::from_u128(at as u128),
                payload: self.journal[at].clone(),
            });
            let commit = commit.expect("it was encoded");
            let applied = presence.projections.apply(std::slice::from_ref(&commit));
            assert_eq!(applied.expect("it folds"), []);
            presence.folded(&commit);
        }
    }

    /// A node says what it has to, long after whoever has left.
    fn speak(&mut self, node: usize) {
        let said = self.places[node]
            .presence
            .inner
            .lock()
            .local
            .take(u64::MAX / 2);
        if said.is_empty() {
            return;
        }
        if said.iter().any(|(_, state)| *state != State::Offline) {
            self.fold(node, self.journal.len());
        }
        let words = said.into_iter().map(|(user, state)| Said::Is(user, state));
        self.say(node, words.collect());
    }

    fn say(&mut self, node: usize, said: Vec<Said>) {
        let Place {
            presence, clock, ..
        } = &self.places[node];
        self.lane.push(Record {
            node: presence.inner.lock().incarnation,
            as_of: presence.projections.cursor(),
            at_ms: clock.now_ms(),
            said,
        });
    }

    /// A node follows the lane by a record, once it has folded what that rests on.
    fn follow(&mut self, node: usize) {
        let Some(record) = self.lane.get(self.places[node].at) else {
            return;
        };
        let record = record.clone();
        self.fold(node, record.as_of as usize);
        self.places[node].at += 1;
        self.places[node].presence.fold(&record);
    }

    /// Everybody says and follows everything.
    fn quiet(&mut self) {
        loop {
            (0..NODES).for_each(|node| self.speak(node));
            if self.places.iter().all(|place| place.at == self.lane.len()) {
                break;
            }
            while self.places.iter().any(|place| place.at < self.lane.len()) {
                (0..NODES).for_each(|node| self.follow(node));
            }
        }
        for node in 0..NODES {
            self.fold(node, self.journal.len());
            self.places[node].presence.tell_some(usize::MAX);
        }
    }

    /// What all nodes have said, folded as simply as can be.
    fn naive(&self) -> BTreeMap<UserId, State> {
        let mut table: BTreeMap<(Uuid, UserId), State> = BTreeMap::new();
        let mut lost = HashSet::new();
        for record in &self.lane {
            if lost.contains(&record.node) {
                continue;
            }
            for said in &record.said {
                match said {
                    Said::Is(user, state) => {
                        table.insert((record.node, user.clone()), *state);
                    }
                    Said::Lost(node) => {
                        lost.insert(*node);
                        table.retain(|(at, _), _| at != node);
                    }
                }
            }
        }
        let mut best = BTreeMap::new();
        for ((_, user), state) in table {
            let is: &mut State = best.entry(user).or_default();
            *is = state.max(*is);
        }
        best
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Come(node, who) => {
                let session =
                    self.places[node]
                        .presence
                        .attend(&user(who), "a device", State::Available);
                self.places[node].sessions.push((who, session));
            }
            Step::Go(node) => drop(self.places[node].sessions.pop()),
            Step::Set(node, state) => {
                if let Some((_, session)) = self.places[node].sessions.last() {
                    session.set(state);
                }
            }
            Step::Hide(who) => {
                let invisible = self.invisible.insert(who) || !self.invisible.remove(&who);
                self.record(who, Event::VisibilityChanged { invisible });
            }
            Step::Block(one, other) if one != other => {
                let blocks = self.blocks.insert((one, other)) || !self.blocks.remove(&(one, other));
                let user = user(other);
                self.record(
                    one,
                    match blocks {
                        true => Event::UserBlocked { user },
                        false => Event::UserUnblocked { user },
                    },
                );
            }
            Step::Contact(one, other) if one != other && !self.added.contains(&(one, other)) => {
                self.added.insert((one, other));
                self.record(one, Event::ContactAdded { user: user(other) });
            }
            Step::Contact(one, other) if one != other => {
                self.added.remove(&(one, other));
                self.added.remove(&(other, one));
                self.record(one, Event::ContactRemoved { user: user(other) });
            }
            Step::Block(..) | Step::Contact(..) => {}
            Step::Watch(node, who, listed) => {
                let place = &mut self.places[node];
                let projections = place.presence.projections.clone();
                let sees = Sees::new(user(who), projections);
                // Watching is no way of being here.
                let mut attendance = place.presence.attend(&user(who), "another", State::Offline);
                let list: Vec<UserId> = if listed {
                    (0..USERS).map(user).collect()
                } else {
                    Vec::new()
                };
                let watched = attendance.watch(sees.clone(), &list, !listed);
                watched.expect("it can be read");
                place.watching = Some((who, listed, sees, attendance));
            }
            Step::Fold(node) => {
                let next = self.places[node].presence.projections.cursor() as usize + 1;
                self.fold(node, next);
            }
            Step::Speak(node) => self.speak(node),
            Step::Follow(node) => self.follow(node),
            Step::Tell(node) => drop(self.places[node].presence.tell_some(usize::MAX)),
            Step::Lose(node, other) if node != other => {
                let other = self.places[other].presence.inner.lock().incarnation;
                self.say(node, vec![Said::Lost(other)]);
            }
            // No node takes itself for gone.
            Step::Lose(..) => {}
            Step::Forget => {
                self.lane.clear();
                for place in &mut self.places {
                    place.at = 0;
                    place.presence.lane_lost();
                    // The grace is over at once.
                    if let Some(before) = &mut place.presence.inner.lock().before {
                        before.until = crate::clock::moment();
                    }
                }
            }
            Step::LetGo(node) => self.places[node].presence.let_go(),
            Step::Jump(node, to) => self.places[node].clock.0.store(to, Ordering::Relaxed),
        }
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        self.quiet();
        (0..NODES).for_each(|node| self.places[node].presence.let_go());
        self.quiet();
        let all = self.naive();
        let is = |who: usize| all.get(&user(who)).copied().unwrap_or_default();
        for (node, place) in self.places.iter().enumerate() {
            for who in 0..USERS {
                prop_assert_eq!(place.presence.inner.lock().state(&user(who)), is(who));
                let here = self.places.iter().flat_map(|place| &place.sessions);
                let here = here.filter(|(at, _)| *at == who).count();
                prop_assert_eq!(is(who) != State::Offline, here > 0, "user {}", who);
                let shown = if self.invisible.contains(&who) {
                    State::Offline
                } else {
                    is(who)
                };
                let told = place.listener.view.lock().get(&user(who)).copied();
                prop_assert_eq!(
                    told.unwrap_or_default(),
                    shown,
                    "node {}, user {}",
                    node,
                    who
                );
            }
            prop_assert_eq!(&*place.listener.wrong.lock(), &Vec::<String>::new());
            let Some((viewer, listed, sees, _)) = &place.watching else {
                continue;
            };
            prop_assert_eq!(&*sees.wrong.lock(), &Vec::<String>::new());
            for who in (0..USERS).filter(|who| who != viewer) {
                let both = |of: &HashSet<(usize, usize)>| {
                    (of.contains(&(*viewer, who)), of.contains(&(who, *viewer)))
                };
                let watched = *listed || both(&self.added) == (true, true);
                let unseen = both(&self.blocks) != (false, false) || self.invisible.contains(&who);
                let shown = if watched && !unseen {
                    is(who)
                } else {
                    State::Offline
                };
                let told = sees
                    .view
                    .lock()
                    .get(&user(who))
                    .copied()
                    .unwrap_or_default();
                prop_assert_eq!(
                    told,
                    shown,
                    "user {} at node {} sees user {}",
                    viewer,
                    node,
                    who
                );
            }
        }
        Ok(())
    }
}

#[derive(Clone, Debug)]
enum Step {
    Come(usize, usize),
    Go(usize),
    Set(usize, State),
    Hide(usize),
    Block(usize, usize),
    Contact(usize, usize),
    /// Everybody, or those who are contacts.
    Watch(usize, usize, bool),
    Fold(usize),
    Speak(usize),
    Follow(usize),
    Tell(usize),
    Lose(usize, usize),
    Forget,
    LetGo(usize),
    Jump(usize, u64),
}

fn step() -> impl Strategy<Value = Step> {
    let (node, who) = (|| 0..NODES, || 0..USERS);
    let state = prop_oneof![Just(State::Away), Just(State::Available)];
    prop_oneof![
        6 => (node(), who()).prop_map(|(node, who)| Step::Come(node, who)),
        3 => node().prop_map(Step::Go),
        3 => (node(), state).prop_map(|(node, state)| Step::Set(node, state)),
        4 => who().prop_map(Step::Hide),
        4 => (who(), who()).prop_map(|(one, other)| Step::Block(one, other)),
        6 => (who(), who()).prop_map(|(one, other)| Step::Contact(one, other)),
        3 => (node(), who(), any::<bool>()).prop_map(|(node, who, all)| Step::Watch(node, who, all)),
        6 => node().prop_map(Step::Fold),
        6 => node().prop_map(Step::Speak),
        8 => node().prop_map(Step::Follow),
        6 => node().prop_map(Step::Tell),
        1 => (node(), node()).prop_map(|(node, other)| Step::Lose(node, other)),
        1 => Just(Step::Forget),
        1 => node().prop_map(Step::LetGo),
        2 => (node(), any::<u64>()).prop_map(|(node, to)| Step::Jump(node, to)),
    ]
}

#[test]
fn a_contact_who_is_blocked_no_more_is_in_the_roster_again() {
    let mut world = World::new();
    for step in [
        Step::Come(0, 1),
        Step::Contact(0, 1),
        Step::Contact(1, 0),
        Step::Block(0, 1),
        Step::Fold(0),
        Step::Fold(0),
        Step::Fold(0),
        Step::Watch(0, 0, false),
        Step::Block(0, 1),
    ] {
        world.step(step);
    }
    world.check().expect("they are seen");
}

#[test]
fn who_left_while_the_lane_was_lost_twice_is_told_of() {
    let mut world = World::new();
    for step in [
        Step::Come(2, 0),
        Step::Speak(2),
        Step::Go(2),
        Step::Follow(0),
        Step::Forget,
        Step::Forget,
    ] {
        world.step(step);
    }
    world.check().expect("they are seen to leave");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn all_nodes_come_to_say_the_same_and_none_shows_the_invisible(
        steps in prop::collection::vec(step(), 0..80),
    ) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
        world.check()?;
    }
}
