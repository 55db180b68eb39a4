//! What everyone may see, kept the naive way: every message has the set of those who may see it,
//! and every question is answered by looking at all of them.

use std::collections::{BTreeMap, BTreeSet};

use super::play::peer;
use crate::{
    domain::{
        CommandId, Content, ConversationId, Event, Stream, TICKS_MEMBERS, UserId,
        event::{Kind, Role},
        user::Contact,
    },
    projections::read::{ConversationView, CursorView, MessageView, Text},
};

/// The whole truth.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    places: BTreeMap<ConversationId, Place>,
    blocks: BTreeSet<(UserId, UserId)>,
    muted: BTreeSet<(UserId, ConversationId)>,
    invisible: BTreeSet<UserId>,
    /// Who has added whom.
    added: BTreeSet<(UserId, UserId)>,
    /// Who has a profile: what it says.
    profiles: BTreeMap<UserId, String>,
    /// Whom people search leaves out.
    hidden: BTreeSet<UserId>,
    /// What waits to be shown to whom: by number, what it says.
    toasts: BTreeMap<UserId, BTreeMap<u64, String>>,
    /// Numbers on screens, by user, source and name.
    badges: BTreeMap<(UserId, String, String), u32>,
}

#[derive(Clone, Debug)]
struct Place {
    kind: Kind,
    title: String,
    members: BTreeMap<UserId, Member>,
    messages: Vec<Message>,
    /// What is held: whose, and which message it would replace.
    held: BTreeMap<u64, (UserId, u64)>,
    last_held: u64,
}

#[derive(Clone, Debug, Default)]
struct Member {
    role: Option<Role>,
    read: u64,
    delivered: u64,
    /// The cursors as far as others have seen them move since joining.
    ticks: (u64, u64),
    /// Position and time.
    joined: (u64, u64),
    /// Title and members when they left.
    left: Option<(String, u32)>,
    /// Messages as they were when they left.
    saw: Vec<Message>,
}

#[derive(Clone, Debug)]
struct Message {
    seq: u64,
    author: UserId,
    text: String,
    at: (u64, u32),
    at_ms: u64,
    reply_to: u64,
    mentions: Vec<UserId>,
    edited_ms: u64,
    retracted: bool,
    reactions: BTreeMap<String, BTreeSet<UserId>>,
    command: Option<CommandId>,
    audience: BTreeSet<UserId>,
}

impl Member {
    /// The others see where a cursor goes, unless it moves invisibly.
    fn show(&mut self, hidden: bool, read: u64, delivered: u64) {
        if !hidden {
            self.ticks.0 = self.ticks.0.max(read);
            self.ticks.1 = self.ticks.1.max(delivered);
        }
    }
}

impl Place {
    fn present(&self) -> impl Iterator<Item = &UserId> {
        self.members
            .iter()
            .filter(|(_, member)| member.role.is_some())
            .map(|(user, _)| user)
    }

    fn last(&self) -> u64 {
        self.messages.len() as u64
    }

    fn message(&mut self, seq: u64) -> &mut Message {
        &mut self.messages[seq as usize - 1]
    }

    fn join(&mut self, user: &UserId, role: Role, joined: (u64, u64)) {
        let last = self.last();
        let member = self.members.entry(user.clone()).or_default();
        *member = Member {
            role: Some(role),
            read: last,
            delivered: last,
            joined,
            ..Member::default()
        };
        if matches!(
            self.kind,
            Kind::Group {
                history_from_start: true,
                ..
            }
        ) {
            for message in &mut self.messages {
                message.audience.insert(user.clone());
            }
        }
    }

    fn leave(&mut self, user: &UserId) {
        let last = self.last();
        let stay = self.present().count() as u32 - 1;
        let title = self.title.clone();
        let saw = self.messages.clone();
        let member = self.members.get_mut(user).expect("a member");
        member.saw = saw;
        member.role = None;
        (member.read, member.delivered) = (last, last);
        member.left = Some((title, stay));
    }
}

impl Model {
    /// The oldest that is held in a conversation, and whose it is.
    pub(crate) fn first_held(&self, id: ConversationId) -> Option<(u64, UserId)> {
        let (held, (author, _)) = self.places.get(&id)?.held.first_key_value()?;
        Some((*held, author.clone()))
    }

    /// The message that what is held would replace.
    pub(crate) fn edits_of(&self, id: ConversationId, held: u64) -> u64 {
        let held = self.places.get(&id).and_then(|place| place.held.get(&held));
        held.map_or(0, |(_, edits)| *edits)
    }

    /// All that is held in a conversation, with its authors.
    pub(crate) fn held(&self, id: ConversationId) -> Vec<(u64, UserId)> {
        let place = self.places.get(&id).into_iter();
        let held = place.flat_map(|place| &place.held);
        held.map(|(held, (author, _))| (*held, author.clone()))
            .collect()
    }

    /// Follows an event.
    pub(crate) fn apply(
        &mut self,
        stream: &Stream,
        actor: &UserId,
        command: Option<CommandId>,
        at: (u64, u32),
        at_ms: u64,
        event: &Event,
    ) {
        let id = match stream {
            Stream::Conversation(id) => *id,
            Stream::User(user) => return self.apply_user(user, event),
            Stream::Extension(_) => return,
        };
        if let Event::ConversationStarted { kind, title } = event {
            let mut place = Place {
                kind: kind.clone(),
                title: title.clone(),
                members: BTreeMap::new(),
                messages: Vec::new(),
                held: BTreeMap::new(),
                last_held: 0,
            };
            if let Kind::Direct { pair, .. } = kind {
                place.join(&pair.0, Role::Member, (at.0, at_ms));
                place.join(&pair.1, Role::Member, (at.0, at_ms));
            }
            assert!(self.places.insert(id, place).is_none(), "started twice");
            return;
        }
        let hidden = self.invisible.contains(actor);
        let place = self.places.get_mut(&id).expect("started");
        match event {
            Event::MemberJoined { user, role } => place.join(user, *role, (at.0, at_ms)),
            Event::MemberLeft { user } | Event::MemberRemoved { user } => place.leave(user),
            Event::RoleChanged { user, role } => {
                place.members.get_mut(user).expect("a member").role = Some(*role);
            }
            Event::TitleChanged { title } => place.title.clone_from(title),
            Event::MessagePosted {
                seq,
                content,
                reply_to,
                mentions,
                ..
            } => {
                assert_eq!(*seq, place.last() + 1, "messages are numbered without gaps");
                let audience = place.present().cloned().collect();
                place.messages.push(Message {
                    seq: *seq,
                    author: actor.clone(),
                    text: plain(content),
                    at,
                    at_ms,
                    reply_to: *reply_to,
                    mentions: mentions.clone(),
                    edited_ms: 0,
                    retracted: false,
                    reactions: BTreeMap::new(),
                    command,
                    audience,
                });
            }
            Event::MessageEdited {
                seq,
                content,
                mentions,
            } => {
                let message = place.message(*seq);
                assert!(!message.retracted && message.author == *actor);
                message.text = plain(content);
                message.mentions.clone_from(mentions);
                message.edited_ms = at_ms;
            }
            Event::MessageReviewed { seq, .. } => {
                assert!(*seq <= place.last(), "what was reviewed is there");
            }
            Event::MessageHeld { held, edits, .. } => {
                place.last_held += 1;
                assert_eq!(
                    *held, place.last_held,
                    "held ones are numbered without gaps"
                );
                place.held.insert(*held, (actor.clone(), *edits));
            }
            Event::MessageReleased { held, .. } | Event::MessageRejected { held, .. } => {
                let (author, _) = place.held.remove(held).expect("held");
                assert_eq!(author, *actor, "it is its author's");
            }
            Event::MessageRetracted { seq, .. } => {
                let message = place.message(*seq);
                message.retracted = true;
                message.mentions.clear();
                message.edited_ms = 0;
                message.reactions.clear();
            }
            Event::ReactionAdded { seq, reaction } => {
                let message = place.message(*seq);
                assert!(!message.retracted);
                let new = message
                    .reactions
                    .entry(reaction.clone())
                    .or_default()
                    .insert(actor.clone());
                assert!(new, "given once");
            }
            Event::ReactionRemoved { seq, reaction } => {
                let message = place.message(*seq);
                let givers = message.reactions.get_mut(reaction).expect("given");
                assert!(givers.remove(actor), "given by them");
                message.reactions.retain(|_, givers| !givers.is_empty());
            }
            Event::ReadUpTo { seq } => {
                let member = place.members.get_mut(actor).expect("a member");
                assert!(*seq > member.read, "cursors only move forward");
                member.read = *seq;
                member.delivered = member.delivered.max(*seq);
                member.show(hidden, *seq, *seq);
            }
            Event::DeliveredUpTo { seq } => {
                let member = place.members.get_mut(actor).expect("a member");
                assert!(*seq > member.delivered, "cursors only move forward");
                member.delivered = *seq;
                member.show(hidden, 0, *seq);
            }
            other => panic!("no event of a conversation: {other:?}"),
        }
    }

    fn apply_user(&mut self, user: &UserId, event: &Event) {
        match event {
            Event::ConversationMuted {
                conversation,
                muted: true,
            } => {
                self.muted.insert((user.clone(), *conversation));
            }
            Event::ConversationMuted {
                conversation,
                muted: false,
            } => {
                self.muted.remove(&(user.clone(), *conversation));
            }
            Event::UserBlocked { user: other } => {
                self.blocks.insert((user.clone(), other.clone()));
            }
            Event::UserUnblocked { user: other } => {
                self.blocks.remove(&(user.clone(), other.clone()));
            }
            Event::VisibilityChanged { invisible: true } => {
                assert!(self.invisible.insert(user.clone()), "visible before");
            }
            Event::VisibilityChanged { invisible: false } => {
                assert!(self.invisible.remove(user), "invisible before");
            }
            Event::ContactAdded { user: other } => {
                let new = self.added.insert((user.clone(), other.clone()));
                assert!(new, "added once");
            }
            Event::ContactRemoved { user: other } => {
                let own = self.added.remove(&(user.clone(), other.clone()));
                let theirs = self.added.remove(&(other.clone(), user.clone()));
                assert!(own || theirs, "there was something to remove");
            }
            Event::Seen { .. } => {}
            // Nobody is shown it.
            Event::AppEventRecorded { .. } | Event::Extension(_) => {}
            Event::ProfileSet { attributes } => {
                self.profiles.insert(user.clone(), plain(attributes));
            }
            Event::ProfileRemoved => {
                assert!(self.profiles.remove(user).is_some(), "there was one");
                self.hidden.remove(user);
            }
            Event::HiddenChanged { hidden: true } => {
                assert!(self.hidden.insert(user.clone()), "found before");
            }
            Event::HiddenChanged { hidden: false } => {
                assert!(self.hidden.remove(user), "hidden before");
            }
            Event::ToastQueued {
                toast,
                content,
                replaces,
                ..
            } => {
                let toasts = self.toasts.entry(user.clone()).or_default();
                for gone in replaces {
                    assert!(toasts.remove(gone).is_some(), "it waited");
                }
                assert!(
                    toasts.keys().all(|earlier| earlier < toast),
                    "they are numbered"
                );
                toasts.insert(*toast, plain(content));
            }
            Event::ToastsSeen { toasts: seen } => {
                let toasts = self.toasts.entry(user.clone()).or_default();
                for seen in seen {
                    assert!(toasts.remove(seen).is_some(), "it waited");
                }
            }
            Event::BadgeSet {
                source,
                name,
                count,
            } => {
                let key = (user.clone(), source.clone(), name.clone());
                let before = self.badges.insert(key, *count).unwrap_or(0);
                assert_ne!(before, *count, "it changes");
            }
            other => panic!("no event of a user: {other:?}"),
        }
    }

    /// What somebody's profile says, and whether they are found.
    pub(crate) fn profile(&self, user: &UserId) -> (Option<&str>, bool) {
        let profile = self.profiles.get(user).map(String::as_str);
        (profile, self.hidden.contains(user))
    }

    /// What waits to be shown to somebody: by number, what it says.
    pub(crate) fn toasts(&self, user: &UserId) -> BTreeMap<u64, String> {
        self.toasts.get(user).cloned().unwrap_or_default()
    }

    /// Somebody's badges: source, name, number.
    pub(crate) fn badges(&self, user: &UserId) -> Vec<(String, String, u32)> {
        let badges = self.badges.iter();
        let own = badges.filter(|((of, ..), _)| of == user);
        own.map(|((_, source, name), count)| (source.clone(), name.clone(), *count))
            .collect()
    }

    /// What one is to another.
    pub(crate) fn contact(&self, user: &UserId, other: &UserId) -> Contact {
        Contact {
            added: self.added.contains(&(user.clone(), other.clone())),
            adds: self.added.contains(&(other.clone(), user.clone())),
        }
    }

    /// Whether one blocks another.
    pub(crate) fn blocks(&self, user: &UserId, other: &UserId) -> bool {
        self.blocks.contains(&(user.clone(), other.clone()))
    }

    /// Whether somebody is a present member.
    pub(crate) fn is_present(&self, user: &UserId, id: ConversationId) -> bool {
        self.places
            .get(&id)
            .is_some_and(|place| place.present().any(|member| member == user))
    }

    /// Whether somebody has muted a conversation.
    pub(crate) fn has_muted(&self, user: &UserId, id: ConversationId) -> bool {
        self.muted.contains(&(user.clone(), id))
    }

    /// Present members in order.
    pub(crate) fn roster(&self, id: ConversationId) -> Vec<UserId> {
        self.places
            .get(&id)
            .map_or(Vec::new(), |place| place.present().cloned().collect())
    }

    /// The messages somebody may see; `None` for who was never a member.
    pub(crate) fn messages(&self, user: &UserId, id: ConversationId) -> Option<Vec<MessageView>> {
        let place = self.places.get(&id)?;
        place.members.get(user)?;
        let seen = place
            .messages
            .iter()
            .filter(|message| self.sees(user, message));
        let saw = &place.members[user].saw;
        let shown = seen.map(|message| {
            let mut shown = message.clone();
            if let Some(saw) = saw.get(message.seq as usize - 1)
                && !message.retracted
            {
                shown.text.clone_from(&saw.text);
                shown.mentions.clone_from(&saw.mentions);
                shown.edited_ms = saw.edited_ms;
                shown.reactions.clone_from(&saw.reactions);
            }
            view(user, id, &shown)
        });
        Some(shown.collect())
    }

    fn sees(&self, user: &UserId, message: &Message) -> bool {
        message.audience.contains(user) && !self.blocks(user, &message.author)
    }

    /// Countable, still visible messages after the reader's cursor whose author is neither the reader
    /// nor currently blocked by them.
    pub(crate) fn unread(&self, user: &UserId, id: ConversationId) -> Option<u64> {
        let place = self.places.get(&id)?;
        let member = place.members.get(user)?;
        let counts = |message: &&Message| {
            self.sees(user, message)
                && !message.retracted
                && message.seq > member.read
                && message.author != *user
        };
        Some(place.messages.iter().filter(counts).count() as u64)
    }

    /// A conversation as somebody sees it, `as_of` aside.
    pub(crate) fn conversation(
        &self,
        user: &UserId,
        id: ConversationId,
    ) -> Option<ConversationView> {
        let place = self.places.get(&id)?;
        let member = place.members.get(user)?;
        let peer = peer(&place.kind, user);
        let last_message = self.messages(user, id)?.pop();
        if last_message.is_none() && peer.as_ref().is_some_and(|peer| self.blocks(user, peer)) {
            return None;
        }
        let (activity_position, activity_ms) = match &last_message {
            Some(message) => (message.at.0, message.at_ms),
            None => member.joined,
        };
        let members = place.present().count() as u32;
        let others = place.present().filter(|other| *other != user);
        let cursors = others.map(|other| {
            let (read_seq, delivered_seq) = place.members[other].ticks;
            CursorView {
                user: other.clone(),
                read_seq,
                delivered_seq,
            }
        });
        let shows_cursors = member.role.is_some() && members <= TICKS_MEMBERS;
        let (title, member_count) = match &member.left {
            Some((title, count)) => (title.clone(), *count),
            None => (place.title.clone(), members),
        };
        Some(ConversationView {
            id,
            kind: place.kind.clone(),
            peer,
            title,
            role: member.role,
            member_count,
            last_seq: last_message.as_ref().map_or(0, |message| message.seq),
            last_message,
            read_seq: member.read,
            delivered_seq: member.delivered,
            unread: self.unread(user, id)?,
            muted: self.has_muted(user, id),
            cursors: if shows_cursors {
                cursors.collect()
            } else {
                Vec::new()
            },
            activity_position,
            activity_ms,
            as_of: 0,
        })
    }
}

fn view(viewer: &UserId, id: ConversationId, message: &Message) -> MessageView {
    let mut reactions: Vec<_> = message
        .reactions
        .iter()
        .map(|(name, givers)| (name.clone(), givers.len() as u32, givers.contains(viewer)))
        .collect();
    reactions.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let open = || Text::Open(message.text.clone());
    MessageView {
        conversation: id,
        seq: message.seq,
        author: message.author.clone(),
        at_ms: message.at_ms,
        at: message.at,
        text: if message.retracted {
            Text::Retracted
        } else {
            open()
        },
        reply_to: message.reply_to,
        mentions: message.mentions.clone(),
        edited_ms: message.edited_ms,
        countable: !message.retracted,
        reactions,
        command: message.command.map(|command| command.0),
    }
}

fn plain(content: &Content) -> String {
    match content {
        Content::Plain(text) => text.clone(),
        Content::Sealed(_) => panic!("the model follows what was decided, before it is sealed"),
    }
}
