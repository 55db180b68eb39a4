//! Plays acts: the real domain decides, the naive model follows, commits come out.

use std::collections::BTreeMap;

use bytes::Bytes;
use uuid::Uuid;

use super::{
    act::{Act, Deed, place, user, users},
    model::Model,
};
use crate::{
    commit::{Batch, CommandRef, Commit},
    domain::{
        Command, CommandId, Content, Conversation, ConversationCommand, ConversationId, Event,
        Limits, NewToast, Review, Reviewed, Settler, Stream, User, UserCommand, UserId,
        command::Held, conversation::Context, event::Kind,
    },
    log::{Position, Record, Shard},
};

/// Seals a text, given where it is, whose it is and which command brought it.
type Seal = Box<dyn Fn(ConversationId, &UserId, Option<CommandId>, &str) -> Bytes>;

/// Seals what a toast says, given whose it is, who wants it shown, of whom it tells and which command brought it.
type SealToast = Box<dyn Fn(&UserId, &str, Option<&UserId>, Option<CommandId>, &str) -> Bytes>;

/// A history that is being made.
pub(crate) struct Play {
    /// Conversations with everything loaded.
    pub(crate) conversations: BTreeMap<ConversationId, Conversation>,
    /// Users with everything loaded.
    pub(crate) users: BTreeMap<UserId, User>,
    /// What the commits made so far, and the batches that wait for one, mean.
    pub(crate) model: Model,
    seal: Seal,
    seal_toast: SealToast,
    position: u64,
    waiting: Vec<Batch>,
    acted: u64,
}

/// The one command there is for each conversation to start it.
fn start(id: ConversationId) -> ConversationCommand {
    let direct = |a, b, context: &str| ConversationCommand::StartDirect {
        pair: (user(a), user(b)),
        context: context.to_owned(),
    };
    let group = |history_from_start, max_members| ConversationCommand::CreateGroup {
        title: "first".to_owned(),
        members: vec![user(1), user(2)],
        history_from_start,
        max_members,
    };
    match super::act::places().position(|place| place == id) {
        Some(0) => direct(0, 1, ""),
        Some(1) => direct(1, 2, "listing"),
        Some(2) => direct(0, 3, ""),
        Some(3) => group(false, 4),
        Some(4) => group(true, 0),
        _ => group(true, 3),
    }
}

impl Play {
    /// A history in which a direct conversation and two groups have been started, not committed yet.
    /// Texts are "sealed" by leaving them as they are: folding never looks inside.
    pub(crate) fn new() -> Play {
        let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        Play::sealed_by(
            Box::new(move |_, _, _, text| bytes(text)),
            Box::new(move |_, _, _, _, text| bytes(text)),
        )
    }

    /// The same with texts sealed by `seal`.
    pub(crate) fn sealed_by(seal: Seal, seal_toast: SealToast) -> Play {
        let known = |id: UserId| {
            let mut user = User::new(id.clone());
            user.blocked_count = Some(0);
            (id, user)
        };
        let mut play = Play {
            conversations: BTreeMap::new(),
            users: users().map(known).collect(),
            model: Model::default(),
            seal,
            seal_toast,
            position: 0,
            waiting: Vec::new(),
            acted: 0,
        };
        for number in [0, 3, 4] {
            let deed = Deed::Start;
            play.act(&Act {
                who: 0,
                by_member: false,
                place: number,
                deed,
                ends_commit: false,
            });
        }
        play
    }

    /// The position of the last commit.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Tries an act; what it leads to waits for the next commit.
    pub(crate) fn act(&mut self, act: &Act) {
        self.acted += 1;
        let id = place(act.place);
        let members = if act.by_member {
            self.model.roster(id)
        } else {
            Vec::new()
        };
        let actor = match members.len() {
            0 => user(act.who),
            count => members[act.who % count].clone(),
        };
        let (stream, events) = match self.user_command(&actor, id, &act.deed) {
            Some(command) => (Stream::User(actor.clone()), self.ask_user(&actor, command)),
            None => {
                let actor = match &act.deed {
                    // Of whoever has something held there.
                    Deed::Settle { .. } => {
                        self.model.first_held(id).map_or(actor, |(_, held)| held)
                    }
                    _ => actor,
                };
                let command = self.conversation_command(&actor, id, &act.deed);
                let events = self.ask(id, &actor, command, &act.deed);
                return self.happened(act, actor, Stream::Conversation(id), events);
            }
        };
        self.happened(act, actor, stream, events);
    }

    fn happened(&mut self, act: &Act, actor: UserId, stream: Stream, events: Vec<Event>) {
        if events.is_empty() {
            return;
        }
        let unnamed = matches!(act.deed, Deed::Cursors { .. });
        let id = CommandId(Uuid::from_u128(u128::from(self.acted)));
        let command = (!unnamed).then_some(CommandRef {
            id,
            digest: act.place as u32,
        });
        // Now and then something that happened before it was recorded, as in imports.
        let happened_ms = self.acted.is_multiple_of(5).then_some(self.acted * 100 + 7);
        let first_index: usize = self.waiting.iter().map(|batch| batch.events.len()).sum();
        for (at, event) in events.iter().enumerate() {
            let at = (self.position + 1, (first_index + at) as u32);
            let at_ms = happened_ms.unwrap_or(recorded_ms(self.position + 1));
            let command = command.map(|command| command.id);
            self.model.apply(&stream, &actor, command, at, at_ms, event);
        }
        self.waiting.push(Batch {
            stream,
            actor,
            command,
            happened_ms,
            correlation: None,
            causation: None,
            first_index: 0,
            events,
            poison: None,
        });
    }

    /// Makes a commit of what waits, if anything does: encoded and read again, as from a log.
    pub(crate) fn commit(&mut self) -> Option<Commit> {
        let mut batches = std::mem::take(&mut self.waiting);
        if batches.is_empty() {
            return None;
        }
        for batch in &mut batches {
            for event in &mut batch.events {
                // Sealed by leaving it as it is: how profiles are sealed is examined with the writer.
                if let Event::ProfileSet { attributes } = event
                    && let Content::Plain(text) = attributes
                {
                    *attributes = Content::Sealed(text.clone().into());
                }
            }
            let command = batch.command.map(|command| command.id);
            for event in &mut batch.events {
                if let Event::ToastQueued {
                    content,
                    source,
                    about_user,
                    ..
                } = event
                    && let Content::Plain(text) = content
                {
                    let about = about_user.as_ref();
                    let sealed = (self.seal_toast)(&batch.actor, source, about, command, text);
                    *content = Content::Sealed(sealed);
                }
            }
            let Stream::Conversation(id) = batch.stream else {
                continue;
            };
            for event in &mut batch.events {
                if let Event::MessagePosted { content, .. }
                | Event::MessageEdited { content, .. }
                | Event::MessageHeld { content, .. } = event
                    && let Content::Plain(text) = content
                {
                    *content = Content::Sealed((self.seal)(id, &batch.actor, command, text));
                }
            }
        }
        self.position += 1;
        Some(commit(self.position, &batches))
    }

    /// Plays everything.
    pub(crate) fn all(mut self, acts: &[Act]) -> (Play, Vec<Commit>) {
        let mut commits = Vec::from_iter(self.commit());
        for act in acts {
            self.act(act);
            if act.ends_commit {
                commits.extend(self.commit());
            }
        }
        commits.extend(self.commit());
        (self, commits)
    }

    fn ask(
        &mut self,
        id: ConversationId,
        actor: &UserId,
        command: ConversationCommand,
        deed: &Deed,
    ) -> Vec<Event> {
        let conversation = self
            .conversations
            .entry(id)
            .or_insert_with(|| Conversation::new(id));
        let kind = conversation.head.as_ref().map(|head| &head.kind);
        let peer = command.needs(actor, kind).blocked;
        let blocked = peer.is_some_and(|peer| self.model.blocks(actor, &peer));
        let limits = Limits {
            reactions: 2,
            ..Limits::default()
        };
        let context = Context {
            actor,
            limits: &limits,
            blocked,
        };
        let reviewed = match deed {
            Deed::Reviewed { verdict, .. } => Some(Reviewed {
                command: Command::Conversation(id, command.clone()),
                digest: 0,
                reviews: vec![Review {
                    extension: "rule".to_owned(),
                    version: "1.0.0".to_owned(),
                    verdict: *verdict,
                    reason: "why".to_owned(),
                    labels: vec!["label".to_owned()],
                    failed: false,
                }],
            }),
            _ => None,
        };
        let decided = conversation.decide(&context, command);
        let decided = match &reviewed {
            Some(reviewed) => decided.and_then(|events| conversation.reviewed(events, reviewed)),
            None => decided,
        };
        let events = decided.unwrap_or_default();
        for event in &events {
            conversation.evolve(actor, event);
        }
        events
    }

    fn ask_user(&mut self, actor: &UserId, command: UserCommand) -> Vec<Event> {
        let user = self.users.get_mut(actor).expect("everybody is there");
        if let UserCommand::SetMuted { conversation, .. } = &command {
            let present = self.model.is_present(actor, *conversation);
            let muted = self.model.has_muted(actor, *conversation);
            user.muted.insert(*conversation, present.then_some(muted));
        }
        if let UserCommand::AddContact { user: other }
        | UserCommand::RemoveContact { user: other } = &command
        {
            let contact = self.model.contact(actor, other);
            user.contacts.insert(other.clone(), contact);
        }
        if let UserCommand::QueueToast(new) = &command {
            if let Some(about) = &new.about_user {
                let untold = self.model.blocks(about, actor);
                user.untold.insert(about.clone(), untold);
            }
            if let Some(id) = new.about_conversation {
                let present = self.model.is_present(actor, id);
                let muted = self.model.has_muted(actor, id);
                user.muted.insert(id, present.then_some(muted));
            }
        }
        let limits = Limits {
            toasts: 3,
            ..Limits::default()
        };
        let now_ms = recorded_ms(self.position + 1);
        let events = user.decide(&limits, now_ms, command).unwrap_or_default();
        for event in &events {
            user.evolve(event);
        }
        events
    }

    fn user_command(&self, actor: &UserId, id: ConversationId, deed: &Deed) -> Option<UserCommand> {
        Some(match deed {
            Deed::Mute { muted } => UserCommand::SetMuted {
                conversation: id,
                muted: *muted,
            },
            Deed::Block { user: other } if user(*other) != *actor => {
                UserCommand::Block { user: user(*other) }
            }
            // Whoever would block themselves blocks the next one.
            Deed::Block { user: other } => UserCommand::Block {
                user: user((other + 1) % super::act::USERS.len()),
            },
            Deed::Unblock { user: other } => UserCommand::Unblock { user: user(*other) },
            Deed::Hide { invisible } => UserCommand::SetInvisible {
                invisible: *invisible,
            },
            Deed::Seen { after_ms } => UserCommand::RecordSeen { at_ms: *after_ms },
            Deed::Contact { user: other } => UserCommand::AddContact { user: user(*other) },
            Deed::Uncontact { user: other } => UserCommand::RemoveContact { user: user(*other) },
            Deed::Profile { same, hidden } => UserCommand::SetProfile {
                attributes: Some(format!("profile {}", self.acted)),
                hidden: *hidden,
                same_as: same.then_some((1, 0)),
            },
            Deed::Unprofile => UserCommand::RemoveProfile,
            Deed::Toast {
                collapse,
                about,
                of_place,
                lasts_ms,
            } => UserCommand::QueueToast(Box::new(NewToast {
                source: ["likes", "views"][self.acted as usize % 2].to_owned(),
                collapse: collapse.map(|key| format!("key {key}")),
                title: format!("toast {}", self.acted),
                body: String::new(),
                link: None,
                about_user: about.map(user),
                about_conversation: of_place.then_some(id),
                expires_ms: Some(recorded_ms(self.position + 1) + lasts_ms),
            })),
            Deed::See { nth } => {
                let waiting = self.users[actor].toasts.iter();
                let waiting = waiting.flat_map(|toasts| toasts.waiting.keys().copied());
                UserCommand::SeeToasts {
                    toasts: waiting.skip(*nth).step_by(2).chain([*nth as u64]).collect(),
                }
            }
            Deed::Badge { name, count } => UserCommand::SetBadge {
                source: "likes".to_owned(),
                name: ["new", "old"][*name].to_owned(),
                count: *count,
            },
            _ => return None,
        })
    }

    /// The reactions somebody gives.
    fn given(&self, actor: &UserId, id: ConversationId) -> Vec<(u64, String)> {
        let conversation = self.conversations.get(&id);
        let facts = conversation
            .into_iter()
            .flat_map(|conversation| &conversation.reactions);
        let given = facts.filter(|((_, user, _), given)| **given && user == actor);
        let mut given: Vec<_> = given
            .map(|((seq, _, name), _)| (*seq, name.clone()))
            .collect();
        given.sort();
        given
    }

    fn conversation_command(
        &self,
        actor: &UserId,
        id: ConversationId,
        deed: &Deed,
    ) -> ConversationCommand {
        use ConversationCommand as C;
        let last = self
            .conversations
            .get(&id)
            .and_then(|conversation| conversation.head.as_ref());
        let last = last.map_or(0, |head| head.last_seq);
        let seq = |back: u64| last.saturating_sub(back);
        let text = || format!("text {}", self.acted);
        let mentions = |mention: &Option<usize>| mention.iter().map(|index| user(*index)).collect();
        let reaction = |which: usize| ["+1", "+10", "🎉"][which].to_owned();
        match deed {
            Deed::Start => start(id),
            Deed::Post {
                reply_back,
                mention,
            } => C::Post {
                text: text(),
                reply_to: reply_back.map_or(0, seq),
                mentions: mentions(mention),
            },
            Deed::Reviewed { edit_back, .. } => match edit_back {
                None => C::Post {
                    text: text(),
                    reply_to: 0,
                    mentions: Vec::new(),
                },
                Some(back) => C::Edit {
                    seq: seq(*back),
                    text: text(),
                    mentions: Vec::new(),
                },
            },
            Deed::Settle { by, release } => {
                let held = self.model.first_held(id).map_or(1, |(held, _)| held);
                let edits = self.model.edits_of(id, held);
                C::Settle {
                    held,
                    by: by.map_or(Settler::Backend, |by| Settler::Moderator(user(by))),
                    release: release.then(|| {
                        Box::new(Held {
                            edits,
                            text: text(),
                            mentions: vec![user(0)],
                        })
                    }),
                    reason: "why not".to_owned(),
                }
            }
            Deed::Edit { back, mention } => C::Edit {
                seq: seq(*back),
                text: text(),
                mentions: mentions(mention),
            },
            Deed::Retract { back } => C::Retract { seq: seq(*back) },
            Deed::React { back, which } => C::React {
                seq: seq(*back),
                reaction: reaction(*which),
            },
            Deed::Unreact { back, which } => match &self.given(actor, id)[..] {
                [] => C::Unreact {
                    seq: seq(*back),
                    reaction: reaction(*which),
                },
                given => {
                    let (seq, reaction) = given[which % given.len()].clone();
                    C::Unreact { seq, reaction }
                }
            },
            Deed::Cursors {
                read_back,
                delivered_back,
            } => C::MoveCursors {
                read: read_back.map_or(0, seq),
                delivered: delivered_back.map_or(0, seq),
            },
            Deed::Add { users } => C::AddMembers {
                users: users.iter().map(|index| user(*index)).collect(),
            },
            Deed::Remove { user: index } => C::RemoveMember { user: user(*index) },
            Deed::Join => C::Join,
            Deed::Leave { force } => C::Leave { force: *force },
            Deed::SetRole { user: index, role } => C::SetRole {
                user: user(*index),
                role: *role,
            },
            Deed::SetTitle { n } => C::SetTitle {
                title: format!("title {n}"),
            },
            Deed::Mute { .. }
            | Deed::Block { .. }
            | Deed::Unblock { .. }
            | Deed::Hide { .. }
            | Deed::Seen { .. }
            | Deed::Contact { .. }
            | Deed::Uncontact { .. }
            | Deed::Profile { .. }
            | Deed::Unprofile
            | Deed::Toast { .. }
            | Deed::See { .. }
            | Deed::Badge { .. } => {
                unreachable!("commands to a user's own stream")
            }
        }
    }
}

/// A commit of batches, encoded and read again, as from a log.
pub(crate) fn commit(position: u64, batches: &[Batch]) -> Commit {
    let record = Record {
        position: Position(position),
        shard: Shard(0),
        id: Uuid::from_u128(u128::from(position)),
        payload: Commit::encode(recorded_ms(position), batches),
    };
    Commit::decode(&record).expect("it has just been encoded")
}

/// What somebody caused in one stream, without a command.
pub(crate) fn batch(stream: Stream, actor: &str, events: Vec<Event>) -> Batch {
    Batch {
        stream,
        actor: UserId::new(actor).expect("a user id"),
        command: None,
        happened_ms: None,
        correlation: None,
        causation: None,
        first_index: 0,
        events,
        poison: None,
    }
}

/// When the commit at a position was recorded.
fn recorded_ms(position: u64) -> u64 {
    1_000_000 + position * 1_000
}

/// The other one of a direct conversation.
pub(crate) fn peer(kind: &Kind, of: &UserId) -> Option<UserId> {
    match kind {
        Kind::Direct { pair, .. } if pair.0 == *of => Some(pair.1.clone()),
        Kind::Direct { pair, .. } => Some(pair.0.clone()),
        Kind::Group { .. } => None,
    }
}
