//! A client as `docs/protocol.md` wants it: it takes a state and then applies changes, each once and
//! in order. Whatever it holds is then what a fresh state would say.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    domain::{ConversationId, Kind, TICKS_MEMBERS, UserId},
    projections::{
        Snapshot,
        read::{self, ConversationView, CursorView, MessageView, Page, Text, ToastView, Viewer},
        resume::{Change, What},
    },
};

/// What one client holds.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    user: UserId,
    blocked: BTreeSet<UserId>,
    places: BTreeMap<ConversationId, Held>,
    /// What waits to be shown, by number.
    toasts: BTreeMap<u64, String>,
    /// The last one that was told of.
    last_toast: u64,
    /// By source and name.
    badges: BTreeMap<(String, String), u32>,
    /// A block changed: everything is to be fetched anew.
    stale: bool,
    /// There was news of messages in these that the user does not see.
    strange: BTreeSet<ConversationId>,
    /// The last change applied, or what the state was taken at.
    pub(crate) cursor: (u64, u32),
}

#[derive(Clone, Debug)]
struct Held {
    view: ConversationView,
    /// Every message from `known_from` on that the user may see.
    messages: BTreeMap<u64, MessageView>,
    known_from: u64,
    /// Present members, while known.
    members: Option<BTreeSet<UserId>>,
    /// The view cannot be exact without being fetched.
    fetch: bool,
    /// The user has left: they are told of what is taken back, and of nothing more.
    left: bool,
    /// `unread` includes every event up to this position.
    counted_to: u64,
}

/// Takes off the seal where there is one. For histories whose texts are sealed by leaving them as
/// they are.
pub(crate) fn unsealed(message: &mut MessageView) {
    unseal(&mut message.text);
}

/// The same for a toast.
pub(crate) fn unsealed_toast(toast: &mut ToastView) {
    unseal(&mut toast.text);
}

/// What is sealed by leaving it as it is.
pub(crate) fn as_it_was(mut text: Text) -> String {
    unseal(&mut text);
    match text {
        Text::Open(text) => text,
        other => panic!("not to be read: {other:?}"),
    }
}

/// The same for one text.
pub(crate) fn unseal(text: &mut Text) {
    if let Text::Sealed { sealed, .. } = text {
        *text = Text::Open(String::from_utf8(sealed.to_vec()).expect("text as it was"));
    }
}

impl Client {
    /// A client that has just fetched all there is. `open` opens a message's text, `open_toast` a toast's.
    pub(crate) fn fresh(
        rows: &Snapshot<'_>,
        user: &UserId,
        open: &dyn Fn(&mut MessageView),
        open_toast: &dyn Fn(&mut ToastView),
    ) -> Client {
        let viewer = Viewer::load(rows, user).expect("read");
        let mut places = BTreeMap::new();
        for (id, _) in read::memberships(rows, user).expect("read") {
            let view = read::conversation(rows, rows.cursor(), &viewer, id).expect("read");
            let Some(mut view) = view else { continue };
            view.last_message.as_mut().map(open);
            let all = (usize::MAX, usize::MAX);
            let page = read::messages(rows, &viewer, id, Page::Latest, all.0, all.1).expect("read");
            let page = page.expect("a member");
            assert!(!page.more && page.rest.is_none(), "all were asked for");
            let mut messages = page.messages;
            messages.iter_mut().for_each(open);
            let (members, _) = read::members(rows, id, "", usize::MAX).expect("read");
            let members = members.into_iter().map(|member| member.user).collect();
            let held = Held {
                counted_to: view.as_of,
                members: view.role.is_some().then_some(members),
                left: view.role.is_none(),
                view,
                messages: messages
                    .into_iter()
                    .map(|message| (message.seq, message))
                    .collect(),
                known_from: 1,
                fetch: false,
            };
            places.insert(id, held);
        }
        let mut toasts = read::toasts(rows, user, 0).expect("read");
        toasts.iter_mut().for_each(open_toast);
        let toasts: BTreeMap<u64, String> = toasts
            .into_iter()
            .map(|toast| (toast.toast, as_it_was(toast.text)))
            .collect();
        let badges = read::badges(rows, user).expect("read").into_iter();
        let badges = badges.filter(|badge| badge.count > 0);
        Client {
            last_toast: toasts.keys().last().copied().unwrap_or(0),
            toasts,
            badges: badges
                .map(|badge| ((badge.source, badge.name), badge.count))
                .collect(),
            user: user.clone(),
            blocked: viewer.blocked.iter().cloned().collect(),
            places,
            stale: false,
            strange: BTreeSet::new(),
            cursor: (rows.cursor(), u32::MAX),
        }
    }

    /// Applies a change with its texts open. Says what is wrong with being told of it, if anything.
    pub(crate) fn apply(&mut self, change: &Change) -> Result<(), String> {
        if change.at <= self.cursor {
            return Ok(());
        }
        self.cursor = change.at;
        match &change.what {
            What::UserBlocked { .. } | What::UserUnblocked { .. } => self.stale = true,
            // The invisible see what they saw; contacts are no part of a conversation.
            What::VisibilityChanged { .. } | What::ContactChanged(_) => {}
            What::ToastQueued { toast, replaces } => {
                for gone in replaces {
                    self.toasts.remove(gone);
                }
                if toast.toast <= self.last_toast {
                    return Err(format!("told of toast {} twice, or late", toast.toast));
                }
                self.last_toast = toast.toast;
                self.toasts
                    .insert(toast.toast, as_it_was(toast.text.clone()));
            }
            What::ToastsSeen { toasts } => {
                for seen in toasts {
                    self.toasts.remove(seen);
                }
            }
            What::BadgeSet(badge) => {
                let key = (badge.source.clone(), badge.name.clone());
                match badge.count {
                    0 => self.badges.remove(&key),
                    count => self.badges.insert(key, count),
                };
            }
            What::MutedChanged {
                conversation,
                muted,
            } => {
                if let Some(held) = self.places.get_mut(conversation) {
                    held.view.muted = *muted;
                }
            }
            What::ConversationAdded(view) => {
                self.places.insert(view.id, Held::added(view));
            }
            What::MessageHeld { .. }
            | What::MessageReleased { .. }
            | What::MessageRejected { .. } => {
                let id = change.conversation.ok_or("a change of no conversation")?;
                let place = self.places.get(&id);
                // Somebody who is only a member may have been a moderator at that moment.
                let direct =
                    place.is_some_and(|held| matches!(held.view.kind, Kind::Direct { .. }));
                let others = direct && change.actor != self.user;
                if others || place.is_some_and(|held| held.left && !self.stale) {
                    return Err(format!("told of {:?}, held of somebody else", change.what));
                }
            }
            what => {
                let id = change.conversation.ok_or("a change of no conversation")?;
                let Some(held) = self.places.get_mut(&id) else {
                    if matches!(what, What::MessagePosted(_)) {
                        self.strange.insert(id);
                    }
                    return Ok(());
                };
                let told = matches!(what, What::MessageRetracted { .. });
                if held.left && !told && !self.stale {
                    return Err(format!("told of {what:?} after leaving"));
                }
                if held.hides(what) {
                    self.strange.insert(id);
                }
                held.apply(change, &self.user, &self.blocked);
            }
        }
        Ok(())
    }

    /// Compares what is held with a fresh state. Fetches what a client would.
    pub(crate) fn check(&mut self, fresh: &Client) -> Result<(), String> {
        if self.stale {
            *self = fresh.clone();
            return Ok(());
        }
        if (&self.toasts, &self.badges) != (&fresh.toasts, &fresh.badges) {
            return Err(format!(
                "{} is shown {:?} and {:?}, afresh {:?} and {:?}",
                self.user, self.toasts, self.badges, fresh.toasts, fresh.badges
            ));
        }
        if !self.strange.is_empty() {
            return Err(format!(
                "{} was told too much in {:?}",
                self.user, self.strange
            ));
        }
        for (id, held) in &mut self.places {
            if held.fetch {
                let fetched = fresh.places.get(id).ok_or(format!("{id} has gone"))?;
                *held = fetched.clone();
            }
        }
        let (mine, theirs): (Vec<_>, Vec<_>) =
            (self.places.keys().collect(), fresh.places.keys().collect());
        if mine != theirs || self.blocked != fresh.blocked {
            return Err(format!(
                "{} holds {mine:?}, fresh are {theirs:?}",
                self.user
            ));
        }
        for (id, held) in &self.places {
            held.check(&fresh.places[id])
                .map_err(|why| format!("{} in {id}: {why}", self.user))?;
        }
        Ok(())
    }
}

impl Held {
    fn added(view: &ConversationView) -> Held {
        let last = view
            .last_message
            .iter()
            .map(|message| (message.seq, message.clone()));
        Held {
            messages: last.collect(),
            known_from: view.last_seq.max(1),
            members: None,
            fetch: false,
            // Where they have left again since, a change of its own will say so.
            left: false,
            counted_to: view.as_of,
            view: view.clone(),
        }
    }

    /// Whether it is about a message that the user does not see.
    fn hides(&self, what: &What) -> bool {
        match what {
            What::MessageEdited { seq, .. }
            | What::MessageRetracted { seq, .. }
            | What::ReactionAdded { seq, .. }
            | What::ReactionRemoved { seq, .. } => {
                *seq >= self.known_from && !self.messages.contains_key(seq)
            }
            _ => false,
        }
    }

    fn apply(&mut self, change: &Change, user: &UserId, blocked: &BTreeSet<UserId>) {
        let view = &mut self.view;
        let counts = change.at.0 > self.counted_to;
        let others = |author: &UserId| author != user && !blocked.contains(author);
        match &change.what {
            What::MessagePosted(message) => {
                if message.seq <= view.last_seq {
                    return;
                }
                view.unread += u64::from(message.countable && others(&message.author) && counts);
                view.last_seq = message.seq;
                view.last_message = Some((**message).clone());
                view.activity_position = change.at.0;
                view.activity_ms = change.at_ms;
                self.messages.insert(message.seq, (**message).clone());
            }
            What::MessageEdited {
                seq,
                text,
                mentions,
                ..
            } => self.change(*seq, |message| {
                message.text = match text {
                    // What has been taken back stays so, whatever an older change says.
                    _ if message.text == Text::Retracted => return,
                    // One that was taken back since has none left, which a later change says.
                    Text::Retracted => Text::Open(String::new()),
                    text => text.clone(),
                };
                message.mentions.clone_from(mentions);
                message.edited_ms = change.at_ms;
            }),
            What::MessageRetracted {
                seq,
                author,
                countable,
            } => {
                let before = self.messages.get(seq);
                let held_as_retracted =
                    before.is_some_and(|message| message.text == Text::Retracted);
                if *countable
                    && others(author)
                    && *seq > view.read_seq
                    && counts
                    && !held_as_retracted
                {
                    view.unread -= 1;
                }
                self.change(*seq, |message| {
                    message.text = Text::Retracted;
                    message.mentions.clear();
                    message.reactions.clear();
                    message.edited_ms = 0;
                    message.countable = false;
                });
            }
            What::ReactionAdded {
                seq,
                reaction,
                count,
            } => {
                self.react(
                    *seq,
                    reaction,
                    *count,
                    (change.actor == *user).then_some(true),
                );
            }
            What::ReactionRemoved {
                seq,
                reaction,
                count,
            } => {
                self.react(
                    *seq,
                    reaction,
                    *count,
                    (change.actor == *user).then_some(false),
                );
            }
            What::ReadUpTo {
                user: reader,
                seq,
                unread,
            } if reader == user => {
                let (left, as_of) = unread.expect("one's own says what is left");
                view.read_seq = view.read_seq.max(*seq);
                view.delivered_seq = view.delivered_seq.max(*seq);
                if as_of.max(change.at.0) > self.counted_to {
                    view.unread = left;
                    self.counted_to = as_of.max(change.at.0);
                }
            }
            What::DeliveredUpTo {
                user: receiver,
                seq,
            } if receiver == user => {
                view.delivered_seq = view.delivered_seq.max(*seq);
            }
            What::ReadUpTo { user, seq, .. } => self.tick(user, *seq, *seq),
            What::DeliveredUpTo { user, seq } => self.tick(user, 0, *seq),
            What::MembersJoined {
                users,
                member_count,
            } => {
                view.member_count = *member_count;
                if *member_count > TICKS_MEMBERS {
                    view.cursors.clear();
                }
                if let Some(members) = &mut self.members {
                    members.extend(users.iter().cloned());
                }
            }
            What::MemberLeft { user: gone, .. } if gone == user => {
                view.role = None;
                (self.fetch, self.left) = (true, true);
            }
            What::MemberLeft {
                user, member_count, ..
            } => {
                self.fetch |= view.member_count > TICKS_MEMBERS && *member_count <= TICKS_MEMBERS;
                view.member_count = *member_count;
                view.cursors.retain(|cursor| cursor.user != *user);
                if let Some(members) = &mut self.members {
                    members.remove(user);
                }
            }
            What::RoleChanged { user: whose, role } if whose == user => view.role = Some(*role),
            What::RoleChanged { .. } => {}
            What::TitleChanged { title } => view.title.clone_from(title),
            What::ConversationAdded(_)
            | What::MutedChanged { .. }
            | What::UserBlocked { .. }
            | What::UserUnblocked { .. }
            | What::VisibilityChanged { .. }
            | What::MessageHeld { .. }
            | What::MessageReleased { .. }
            | What::MessageRejected { .. }
            | What::ContactChanged(_)
            | What::ToastQueued { .. }
            | What::ToastsSeen { .. }
            | What::BadgeSet(_) => unreachable!("the whole client's"),
        }
    }

    fn change(&mut self, seq: u64, change: impl Fn(&mut MessageView)) {
        self.messages.get_mut(&seq).map(&change);
        self.view
            .last_message
            .as_mut()
            .filter(|last| last.seq == seq)
            .map(&change);
    }

    fn react(&mut self, seq: u64, reaction: &str, count: u32, mine: Option<bool>) {
        self.change(seq, |message| {
            let list = &mut message.reactions;
            let found = list.iter().position(|(name, ..)| name == reaction);
            let was_mine = found.is_some_and(|at| list.remove(at).2);
            if count > 0 {
                list.push((reaction.to_owned(), count, mine.unwrap_or(was_mine)));
            }
            list.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        });
    }

    fn tick(&mut self, user: &UserId, read: u64, delivered: u64) {
        if self.view.member_count > TICKS_MEMBERS {
            return;
        }
        let cursors = &mut self.view.cursors;
        let at = cursors
            .iter()
            .position(|cursor| cursor.user == *user)
            .unwrap_or_else(|| {
                cursors.push(CursorView {
                    user: user.clone(),
                    read_seq: 0,
                    delivered_seq: 0,
                });
                cursors.len() - 1
            });
        cursors[at].read_seq = cursors[at].read_seq.max(read);
        cursors[at].delivered_seq = cursors[at].delivered_seq.max(delivered);
    }

    fn check(&self, fresh: &Held) -> Result<(), String> {
        let comparable = |held: &Held| {
            let mut view = ConversationView {
                as_of: 0,
                ..held.view.clone()
            };
            // Of whom nothing is known, nothing need be held.
            view.cursors.retain(|cursor| cursor.delivered_seq > 0);
            view.cursors.sort_by(|a, b| a.user.cmp(&b.user));
            view
        };
        let (mine, theirs) = (comparable(self), comparable(fresh));
        if mine != theirs {
            return Err(format!("the view is\n{mine:#?}\na fresh one\n{theirs:#?}"));
        }
        let known: Vec<_> = fresh.messages.range(self.known_from..).collect();
        let mine: Vec<_> = self.messages.range(self.known_from..).collect();
        if mine != known {
            return Err(format!(
                "the messages are\n{mine:#?}\nfresh ones\n{known:#?}"
            ));
        }
        // Whoever has left does not learn who is there.
        if !self.left && self.members.is_some() && self.members != fresh.members {
            return Err(format!(
                "members are {:?}, afresh {:?}",
                self.members, fresh.members
            ));
        }
        Ok(())
    }
}
