//! What the screen is made of beside the client's view, and what happens to it.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use jiff::tz::TimeZone;
use tidings_protocol::{event::Kind, frame::Request, id};
use tidings_sdk::{Error, State, Update};
use uuid::Uuid;

use super::{
    draft::Draft,
    pending::{Fate, Pending},
    thread::{Anchor, Seen},
    typing::Typing,
};
use crate::chat::{
    act::Done,
    command::Command,
    plain::in_words,
    text::{by_flag, one_line},
};

/// After something could not be loaded it is tried again, not before this.
const AGAIN: Duration = Duration::from_secs(3);

/// What keys act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Focus {
    List,
    Text,
    /// A message is selected.
    Message(u64),
    /// A reaction to it is being written.
    React(u64),
    /// It is to be taken back, if that is meant.
    Retract(u64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Link {
    Connecting,
    Online,
    Offline { reason: String, until: Instant },
}

/// How a conversation is being looked at.
#[derive(Debug, Default)]
pub(super) struct Talk {
    pub(super) draft: Draft,
    pub(super) anchor: Anchor,
    /// What was new when it was opened: others' messages after this one.
    pub(super) new_after: Option<u64>,
    /// Who may be named; absent until asked for.
    pub(super) members: Option<Vec<String>>,
    /// The server was told that it is read up to here.
    marked: u64,
}

/// Something to be done outside.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Effect {
    Submit(Uuid, Request),
    Command(Option<Uuid>, String, Command),
    MarkRead(Uuid, u64),
    Typing(Uuid, bool),
    Load(Load),
    Quit,
}

/// Something to be asked for, once at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Load {
    /// Messages before this one.
    Messages(Uuid, u64),
    /// The text of a long one.
    Text(Uuid, u64),
    Members(Uuid),
    /// Conversations before this position.
    Conversations(u64),
}

/// What came of an effect.
#[derive(Debug)]
pub(super) enum Outcome {
    Submitted(Uuid, Result<u64, Error>),
    Commanded(Option<Uuid>, String, Result<Done, String>),
    Loaded(Load, Result<(), Error>),
    Members(Uuid, Vec<String>),
    /// The conversation asked for on the command line.
    Found(Result<Option<Uuid>, String>),
}

pub(super) struct App {
    pub(super) place: String,
    pub(super) zone: TimeZone,
    pub(super) link: Link,
    pub(super) focus: Focus,
    pub(super) open: Option<Uuid>,
    /// Selected in the list.
    pub(super) chosen: Option<Uuid>,
    pub(super) talks: HashMap<Uuid, Talk>,
    pub(super) pending: Vec<Pending>,
    pub(super) typing: Typing,
    pub(super) reaction: Draft,
    pub(super) notice: String,
    /// The help, from this line on, where it is shown.
    pub(super) help: Option<usize>,
    /// Whether somebody looks: terminals that can tell do.
    pub(super) attentive: bool,
    /// What was drawn last.
    pub(super) seen: Option<Seen>,
    pub(super) effects: Vec<Effect>,
    loading: HashSet<Load>,
    /// What could not be loaded, and when to try again.
    failed: HashMap<Load, Instant>,
}

impl App {
    pub(super) fn new(place: String, zone: TimeZone, pending: Vec<Pending>) -> App {
        App {
            place,
            zone,
            link: Link::Connecting,
            focus: Focus::List,
            open: None,
            chosen: None,
            talks: HashMap::new(),
            pending,
            typing: Typing::default(),
            reaction: Draft::default(),
            notice: String::new(),
            help: None,
            attentive: true,
            seen: None,
            effects: Vec::new(),
            loading: HashSet::new(),
            failed: HashMap::new(),
        }
    }

    /// The open conversation, as it is looked at.
    pub(super) fn talk(&mut self) -> Option<&mut Talk> {
        self.open.map(|id| self.talks.entry(id).or_default())
    }

    pub(super) fn say(&mut self, notice: impl Into<String>) {
        self.notice = notice.into();
    }

    pub(super) fn open(&mut self, id: Uuid, state: &State) {
        if self.open != Some(id) {
            let view = state.conversation(id).map(|one| one.view());
            let talk = self.talks.entry(id).or_default();
            talk.anchor = Anchor::End;
            talk.new_after = view
                .filter(|view| view.unread > 0)
                .map(|view| view.read_seq);
            self.seen = None;
        }
        self.open = Some(id);
        self.chosen = Some(id);
        self.focus = Focus::Text;
    }

    /// Takes in what the client tells.
    pub(super) fn update(&mut self, update: Update, state: &State, now: Instant) {
        match update {
            Update::Connected { .. } => self.link = Link::Connecting,
            Update::CaughtUp => self.link = Link::Online,
            Update::Disconnected { reason, retry_in } => {
                self.typing.disconnected();
                self.link = Link::Offline {
                    reason: by_flag(&one_line(&reason)),
                    until: now + retry_in,
                };
            }
            Update::Typing(typing) => {
                if let Some(conversation) = id::from_wire(&typing.conversation) {
                    self.typing
                        .heard(conversation, &typing.user, typing.active, now);
                }
            }
            Update::Event(event) => {
                let conversation = id::from_wire(&event.conversation);
                if let (Some(Kind::MessagePosted(message)), Some(there)) =
                    (&event.kind, conversation)
                {
                    self.typing.heard(there, &message.author, false, now);
                }
                if let (Some(kind), Some(there)) = (&event.kind, conversation) {
                    self.happened(&event, kind, there, state);
                }
            }
            Update::Settled {
                command_id, result, ..
            } => self.answered(command_id, result.map(|accepted| accepted.seq)),
            Update::Reset(_) | Update::Lagged => {
                self.talks.values_mut().for_each(|talk| talk.members = None);
            }
            // The terminal shows nobody's presence.
            Update::Stopped(_)
            | Update::Presence(_)
            | Update::PeopleOnline(_)
            | Update::Looking(_)
            | Update::Refused { .. } => {}
        }
    }

    /// What is seen nowhere else is told.
    fn happened(
        &mut self,
        event: &tidings_protocol::event::Event,
        kind: &Kind,
        conversation: Uuid,
        state: &State,
    ) {
        let concerns_members = matches!(
            kind,
            Kind::MembersJoined(_)
                | Kind::MemberLeft(_)
                | Kind::RoleChanged(_)
                | Kind::TitleChanged(_)
        );
        if concerns_members {
            if let Some(talk) = self.talks.get_mut(&conversation) {
                talk.members = None;
            }
            if self.open == Some(conversation) && event.actor != state.user() {
                self.notice = in_words(event, kind).unwrap_or_default();
            }
        }
    }

    /// Takes in what came of an effect.
    pub(super) fn outcome(&mut self, outcome: Outcome, state: &State, now: Instant) {
        match outcome {
            Outcome::Submitted(command, result) => self.answered(command, result),
            Outcome::Commanded(_, _, Ok(done)) => {
                self.notice = done.said;
                if let Some(id) = done.open {
                    self.open(id, state);
                }
            }
            Outcome::Commanded(conversation, line, Err(error)) => {
                self.say(format!("{}: {error}", one_line(&line)));
                let talk = conversation.map(|id| self.talks.entry(id).or_default());
                if let Some(talk) = talk.filter(|talk| talk.draft.is_empty()) {
                    talk.draft = Draft::of(line);
                }
            }
            Outcome::Loaded(load, result) => {
                self.loading.remove(&load);
                if let Err(error) = result {
                    self.failed.insert(load, now + AGAIN);
                    self.say(format!("cannot load: {error}"));
                }
            }
            Outcome::Members(conversation, members) => {
                self.talks.entry(conversation).or_default().members = Some(members);
            }
            Outcome::Found(Ok(Some(id))) => self.open(id, state),
            Outcome::Found(Ok(None)) => {}
            Outcome::Found(Err(error)) => self.say(error),
        }
    }

    /// The server has said what became of a text.
    fn answered(&mut self, command: Uuid, result: Result<u64, Error>) {
        let found = self.pending.iter().position(|one| one.command == command);
        let Some(at) = found else {
            if let Err(error) = result {
                self.say(format!("not done: {error}"));
            }
            return;
        };
        match result {
            Ok(seq) => self.pending[at].fate = Fate::Accepted(seq),
            Err(error) => {
                self.say(format!("not sent: {error}"));
                self.pending[at].fate = Fate::Refused(error.to_string());
                self.take_back(at);
            }
        }
    }

    /// Puts a refused text back to where it was written, unless something else is written there.
    fn take_back(&mut self, at: usize) {
        let conversation = self.pending[at].conversation;
        let talk = self.talks.entry(conversation).or_default();
        if talk.draft.is_empty() {
            talk.draft = self.pending.remove(at).draft();
        }
    }

    /// The same where the user asks for it, with the oldest that was refused here.
    pub(super) fn take_refused_back(&mut self) {
        let open = self.open;
        let refused =
            |one: &Pending| Some(one.conversation) == open && matches!(one.fate, Fate::Refused(_));
        match self.pending.iter().position(refused) {
            Some(at) => self.take_back(at),
            None => self.say("nothing was refused here"),
        }
    }

    /// Time has passed.
    pub(super) fn pass(&mut self, now: Instant) {
        let told = self.typing.pass(now);
        self.effects
            .extend(told.map(|(there, active)| Effect::Typing(there, active)));
    }

    /// Something was drawn: what follows from its having been seen.
    pub(super) fn drawn(&mut self, state: &State, now: Instant) {
        self.pending.retain(|pending| !pending.is_shown(state));
        if self.link != Link::Online {
            return;
        }
        let (Some(id), Some(seen)) = (self.open, self.seen.clone()) else {
            return;
        };
        let Some(conversation) = state.conversation(id) else {
            return;
        };
        let read = conversation.view().read_seq;
        let talk = self.talks.entry(id).or_default();
        if self.attentive && seen.read > read && seen.read > talk.marked {
            talk.marked = seen.read;
            self.effects.push(Effect::MarkRead(id, seen.read));
        }
        let mut wanted = Vec::new();
        if talk.members.is_none() && !conversation.view().role.is_empty() {
            wanted.push(Load::Members(id));
        }
        wanted.extend(seen.missing_before.map(|seq| Load::Messages(id, seq)));
        wanted.extend(seen.stubs.iter().map(|seq| Load::Text(id, *seq)));
        for load in wanted {
            self.load(load, now);
        }
    }

    pub(super) fn load(&mut self, load: Load, now: Instant) {
        let later = self.failed.get(&load).is_some_and(|at| *at > now);
        if !later && self.loading.insert(load) {
            self.failed.remove(&load);
            self.effects.push(Effect::Load(load));
        }
    }

    /// Texts that are nowhere but here, for people who leave.
    pub(super) fn unsent(&self) -> Vec<String> {
        let drafts = self.talks.values().filter(|talk| !talk.draft.is_empty());
        let drafts = drafts.map(|talk| format!("not sent, a draft: {}", talk.draft.text()));
        let refused = self.pending.iter().filter_map(|one| match &one.fate {
            Fate::Refused(reason) => Some(format!("not sent ({reason}): {}", one.text)),
            _ => None,
        });
        drafts.chain(refused).collect()
    }

    /// How many texts the outbox keeps for the next time.
    pub(super) fn kept(&self) -> usize {
        let waiting = |one: &&Pending| one.fate == Fate::Waiting;
        self.pending.iter().filter(waiting).count()
    }
}
