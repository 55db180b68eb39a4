//! A conversation: its rules (`decide`) and its state (`evolve`).

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;

use super::{
    Limits, Refusal,
    command::{self, ConversationCommand},
    event::{Content, Event, Kind, Role},
    id::{ConversationId, UserId},
    review::{Review, Reviewed, Settler, Verdict},
};

/// State of a conversation, as far as it has been loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// `None` until it is started.
    pub head: Option<Head>,
    /// Loaded memberships; `None` within: never a member.
    pub members: HashMap<UserId, Option<Member>>,
    /// Loaded messages; `None` within: no such message.
    pub messages: BTreeMap<u64, Option<Message>>,
    /// What is held, as far as loaded; `None` within: nothing (any more).
    pub held: BTreeMap<u64, Option<Held>>,
    /// Loaded facts "does this user give this reaction to this message".
    pub reactions: HashMap<(u64, UserId, String), bool>,
}

/// What every command looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its sort.
    pub kind: Kind,
    /// A group's title.
    pub title: String,
    /// `seq` of the last message.
    pub last_seq: u64,
    /// Countable messages so far.
    pub last_countable_seq: u64,
    /// Messages held so far.
    pub last_held: u64,
    /// Present members.
    pub member_count: u32,
    /// Owners among them.
    pub owner_count: u32,
}

/// What is held, as far as deciding about it looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Whose it is.
    pub author: UserId,
    /// `seq` of the message that it is a new text of, 0 for a new message.
    pub edits: u64,
    /// `seq` of the message replied to, 0 for none.
    pub reply_to: u64,
    /// The extensions that held it.
    pub by: Vec<String>,
}

/// A present or past member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// `None` once they have left.
    pub role: Option<Role>,
    /// The stretches of history they may see, in order.
    pub intervals: Vec<Interval>,
    /// Read up to this message.
    pub read_seq: u64,
    /// Received up to this message, never less than read.
    pub delivered_seq: u64,
}

/// A stretch of history: messages with `after < seq <= until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Interval {
    /// The last message before it.
    pub after: u64,
    /// The last message in it; `None` while it lasts.
    pub until: Option<u64>,
}

impl Interval {
    /// Whether the message is in it.
    pub fn contains(&self, seq: u64) -> bool {
        seq > self.after && self.until.is_none_or(|until| seq <= until)
    }
}

impl Member {
    /// Whether the member may see a message.
    pub fn sees(&self, seq: u64) -> bool {
        self.intervals.iter().any(|interval| interval.contains(seq))
    }
}

/// What deciding about a message looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Whose it is.
    pub author: UserId,
    /// Its number among the countable ones, 0 for none.
    pub countable_seq: u64,
    /// Taken back.
    pub retracted: bool,
    /// The different reactions given to it and how many give each.
    pub reactions: BTreeMap<String, u32>,
}

/// What is known beside the conversation's own stream.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Who asks.
    pub actor: &'a UserId,
    /// The limits in force.
    pub limits: &'a Limits,
    /// Whether the actor has blocked the user in `Needs::blocked`.
    pub blocked: bool,
}

impl Conversation {
    /// A conversation of which nothing has been loaded: as it is before it is started.
    pub fn new(id: ConversationId) -> Conversation {
        Conversation {
            id,
            head: None,
            members: HashMap::new(),
            messages: BTreeMap::new(),
            held: BTreeMap::new(),
            reactions: HashMap::new(),
        }
    }

    /// What the command makes happen: no events when everything is so already.
    pub fn decide(
        &self,
        context: &Context<'_>,
        command: ConversationCommand,
    ) -> Result<Vec<Event>, Refusal> {
        use ConversationCommand as C;
        match command {
            C::StartDirect {
                pair,
                context: about,
            } => self.start_direct(context, pair, about),
            C::CreateGroup {
                title,
                members,
                history_from_start,
                max_members,
            } => self.create_group(context, title, members, history_from_start, max_members),
            C::Join => self.join(context),
            C::AddMembers { users } => self.add_members(context, users),
            C::RemoveMember { user } => self.remove_member(context, user),
            C::Leave { force } => self.leave(context, force),
            C::SetRole { user, role } => self.set_role(context, user, role),
            C::SetTitle { title } => self.set_title(context, title),
            C::Post {
                text,
                reply_to,
                mentions,
            } => self.post(context, text, reply_to, mentions),
            C::Edit {
                seq,
                text,
                mentions,
            } => self.edit(context, seq, text, mentions),
            C::Settle {
                held,
                by,
                release,
                reason,
            } => self.settle(context, held, by, release, reason),
            C::Label { seq, review } => self.label(seq, review),
            C::Retract { seq } => self.retract(context, seq),
            C::React { seq, reaction } => self.react(context, seq, reaction),
            C::Unreact { seq, reaction } => self.unreact(context, seq, reaction),
            C::MoveCursors { read, delivered } => self.move_cursors(context, read, delivered),
        }
    }

    fn start_direct(
        &self,
        context: &Context<'_>,
        pair: (UserId, UserId),
        about: String,
    ) -> Result<Vec<Event>, Refusal> {
        if pair.0 >= pair.1 || (pair.0 != *context.actor && pair.1 != *context.actor) {
            return Err(Refusal::Invalid(
                "a direct conversation is with another user, not with oneself".to_owned(),
            ));
        }
        if about.len() > super::id::USER_ID_BYTES || about.chars().any(char::is_control) {
            return Err(Refusal::Invalid(
                "a context has at most 128 bytes and no control characters".to_owned(),
            ));
        }
        if context.blocked {
            let peer = if pair.0 == *context.actor {
                pair.1
            } else {
                pair.0
            };
            return Err(Refusal::BlockedByYou(peer));
        }
        if self.head.is_some() {
            return Ok(Vec::new());
        }
        Ok(vec![Event::ConversationStarted {
            kind: Kind::Direct {
                pair,
                context: about,
            },
            title: String::new(),
        }])
    }

    fn create_group(
        &self,
        context: &Context<'_>,
        title: String,
        members: Vec<UserId>,
        history_from_start: bool,
        max_members: u32,
    ) -> Result<Vec<Event>, Refusal> {
        check_title(&title, context.limits)?;
        check_at_once(members.len(), context.limits)?;
        if self.head.is_some() {
            return Err(Refusal::CommandIdReused);
        }
        let limit = context.limits.group_members;
        let max_members = match max_members {
            0 => limit,
            n if n > limit => {
                return Err(Refusal::Invalid(format!(
                    "max_members is {n}, the server's limit is {limit}"
                )));
            }
            n => n,
        };
        let members: BTreeSet<UserId> = members
            .into_iter()
            .filter(|user| user != context.actor)
            .collect();
        let would = members.len() as u64 + 1;
        if would > u64::from(max_members) {
            return Err(Refusal::Full {
                would,
                limit: max_members,
            });
        }
        let mut events = vec![
            Event::ConversationStarted {
                kind: Kind::Group {
                    history_from_start,
                    max_members,
                },
                title,
            },
            Event::MemberJoined {
                user: context.actor.clone(),
                role: Role::Owner,
            },
        ];
        events.extend(members.into_iter().map(|user| Event::MemberJoined {
            user,
            role: Role::Member,
        }));
        Ok(events)
    }

    fn join(&self, context: &Context<'_>) -> Result<Vec<Event>, Refusal> {
        let head = self
            .head
            .as_ref()
            .ok_or(Refusal::NotFound("conversation".into()))?;
        let max_members = group(head)?;
        if self
            .member(context.actor)
            .is_some_and(|member| member.role.is_some())
        {
            return Ok(Vec::new());
        }
        check_room(head, 1, max_members)?;
        Ok(vec![Event::MemberJoined {
            user: context.actor.clone(),
            role: Role::Member,
        }])
    }

    fn add_members(
        &self,
        context: &Context<'_>,
        users: Vec<UserId>,
    ) -> Result<Vec<Event>, Refusal> {
        let (head, role) = self.present(context.actor)?;
        let max_members = group(head)?;
        at_least(
            role,
            Role::Moderator,
            "only owners and moderators add members",
        )?;
        check_at_once(users.len(), context.limits)?;
        let new: BTreeSet<UserId> = users
            .into_iter()
            .filter(|user| self.member(user).is_none_or(|member| member.role.is_none()))
            .collect();
        check_room(head, new.len() as u64, max_members)?;
        Ok(new
            .into_iter()
            .map(|user| Event::MemberJoined {
                user,
                role: Role::Member,
            })
            .collect())
    }

    fn remove_member(&self, context: &Context<'_>, user: UserId) -> Result<Vec<Event>, Refusal> {
        let (head, role) = self.present(context.actor)?;
        group(head)?;
        at_least(
            role,
            Role::Moderator,
            "only owners and moderators remove members",
        )?;
        if user == *context.actor {
            return Err(Refusal::Invalid(
                "to go oneself, leave the conversation".to_owned(),
            ));
        }
        let theirs = self
            .member(&user)
            .and_then(|member| member.role)
            .ok_or(Refusal::NotFound("member".into()))?;
        if role != Role::Owner && theirs != Role::Member {
            return Err(Refusal::Forbidden("moderators remove members only".into()));
        }
        Ok(vec![Event::MemberRemoved { user }])
    }

    fn leave(&self, context: &Context<'_>, force: bool) -> Result<Vec<Event>, Refusal> {
        let (head, role) = self.present(context.actor)?;
        group(head)?;
        if role == Role::Owner && head.owner_count == 1 && head.member_count > 1 && !force {
            return Err(Refusal::LastOwner);
        }
        Ok(vec![Event::MemberLeft {
            user: context.actor.clone(),
        }])
    }

    fn set_role(
        &self,
        context: &Context<'_>,
        user: UserId,
        role: Role,
    ) -> Result<Vec<Event>, Refusal> {
        let (head, own) = self.present(context.actor)?;
        group(head)?;
        at_least(own, Role::Owner, "only owners change roles")?;
        let before = self
            .member(&user)
            .and_then(|member| member.role)
            .ok_or(Refusal::NotFound("member".into()))?;
        if before == role {
            return Ok(Vec::new());
        }
        if before == Role::Owner && head.owner_count == 1 {
            return Err(Refusal::LastOwner);
        }
        Ok(vec![Event::RoleChanged { user, role }])
    }

    fn set_title(&self, context: &Context<'_>, title: String) -> Result<Vec<Event>, Refusal> {
        let (head, role) = self.present(context.actor)?;
        group(head)?;
        at_least(
            role,
            Role::Moderator,
            "only owners and moderators set the title",
        )?;
        check_title(&title, context.limits)?;
        if head.title == title {
            return Ok(Vec::new());
        }
        Ok(vec![Event::TitleChanged { title }])
    }

    fn post(
        &self,
        context: &Context<'_>,
        text: String,
        reply_to: u64,
        mentions: Vec<UserId>,
    ) -> Result<Vec<Event>, Refusal> {
        let (head, _) = self.present(context.actor)?;
        check_text(&text, context.limits)?;
        if context.blocked
            && let Kind::Direct { pair, .. } = &head.kind
        {
            let peer = if pair.0 == *context.actor {
                &pair.1
            } else {
                &pair.0
            };
            return Err(Refusal::BlockedByYou(peer.clone()));
        }
        if reply_to != 0 {
            self.visible(context.actor, reply_to)?;
        }
        Ok(vec![Event::MessagePosted {
            seq: head.last_seq + 1,
            countable_seq: head.last_countable_seq + 1,
            content: Content::Plain(text),
            reply_to,
            mentions: self.check_mentions(mentions, context.limits)?,
        }])
    }

    fn edit(
        &self,
        context: &Context<'_>,
        seq: u64,
        text: String,
        mentions: Vec<UserId>,
    ) -> Result<Vec<Event>, Refusal> {
        self.present(context.actor)?;
        let message = self.visible(context.actor, seq)?;
        if message.author != *context.actor {
            return Err(Refusal::Forbidden("only its author edits a message".into()));
        }
        if message.retracted {
            return Err(Refusal::Retracted(seq));
        }
        check_text(&text, context.limits)?;
        let mentions = self.check_mentions(mentions, context.limits)?;
        Ok(vec![Event::MessageEdited {
            seq,
            content: Content::Plain(text),
            mentions,
        }])
    }

    /// What becomes of what was decided, after moderation has looked at it. Whoever may not do it at all is told
    /// that, not what moderation said.
    pub fn reviewed(&self, events: Vec<Event>, reviewed: &Reviewed) -> Result<Vec<Event>, Refusal> {
        let (verdict, reason) = reviewed.verdict();
        let held = self.head.as_ref().map_or(0, |head| head.last_held) + 1;
        let reviews = reviewed.reviews.clone();
        match (verdict, events.first()) {
            _ if reviews.is_empty() => Ok(events),
            (Verdict::Reject, _) => Err(Refusal::Rejected(reason.to_owned())),
            (Verdict::Hold, Some(Event::MessagePosted { .. } | Event::MessageEdited { .. })) => {
                let hold = |event| match event {
                    Event::MessagePosted {
                        content,
                        reply_to,
                        mentions,
                        ..
                    } => Event::MessageHeld {
                        held,
                        edits: 0,
                        content,
                        reply_to,
                        mentions,
                        reviews: reviews.clone(),
                    },
                    Event::MessageEdited {
                        seq,
                        content,
                        mentions,
                    } => Event::MessageHeld {
                        held,
                        edits: seq,
                        content,
                        reply_to: 0,
                        mentions,
                        reviews: reviews.clone(),
                    },
                    other => other,
                };
                Ok(events.into_iter().map(hold).collect())
            }
            // A name has nowhere to wait.
            (Verdict::Hold, _) => Err(Refusal::Rejected(reason.to_owned())),
            (
                Verdict::Allow | Verdict::Replace,
                Some(Event::MessagePosted { seq, .. } | Event::MessageEdited { seq, .. }),
            ) => {
                let seq = *seq;
                let mut events = events;
                events.push(Event::MessageReviewed { seq, reviews });
                Ok(events)
            }
            (Verdict::Allow | Verdict::Replace, _) => Ok(events),
        }
    }

    fn settle(
        &self,
        context: &Context<'_>,
        number: u64,
        by: Settler,
        release: Option<Box<command::Held>>,
        reason: String,
    ) -> Result<Vec<Event>, Refusal> {
        let none = || Refusal::NotFound("held message".into());
        let head = self.head.as_ref().ok_or_else(none)?;
        let held = self.held.get(&number).and_then(Option::as_ref);
        let held = held.filter(|held| held.author == *context.actor);
        let held = held.ok_or_else(none)?;
        match &by {
            Settler::Moderator(user) => {
                let (_, role) = self.present(user)?;
                group(head)?;
                at_least(
                    role,
                    Role::Moderator,
                    "only owners and moderators settle what is held",
                )?;
                if *user == held.author {
                    return Err(Refusal::Forbidden(
                        "what is held of oneself is settled by somebody else".into(),
                    ));
                }
            }
            Settler::Extension(extension) if !held.by.contains(extension) => {
                return Err(Refusal::Forbidden(
                    "an extension settles what it held itself".into(),
                ));
            }
            Settler::Extension(_) | Settler::Backend => {}
        }
        let reject = |reason: String, by| {
            Ok(vec![Event::MessageRejected {
                held: number,
                reason,
                by,
            }])
        };
        let Some(release) = release else {
            return reject(reason, by);
        };
        if release.edits != held.edits {
            return Err(Refusal::Invalid("this is not what is held".to_owned()));
        }
        // It is as if it were sent now, by whoever may still do that.
        if self.present(&held.author).is_err() {
            return reject("the author is no longer a member".to_owned(), by);
        }
        let is_present = |user: &UserId| self.member(user).is_some_and(|of| of.role.is_some());
        let mentions = release.mentions.into_iter().filter(is_present).collect();
        let content = Content::Plain(release.text);
        let event = match held.edits {
            0 => Event::MessagePosted {
                seq: head.last_seq + 1,
                countable_seq: head.last_countable_seq + 1,
                content,
                reply_to: held.reply_to,
                mentions,
            },
            seq => match self.messages.get(&seq) {
                Some(Some(message)) if !message.retracted => Event::MessageEdited {
                    seq,
                    content,
                    mentions,
                },
                _ => return reject("the message was taken back".to_owned(), by),
            },
        };
        Ok(vec![Event::MessageReleased { held: number, by }, event])
    }

    /// An extension says something of a message that stands there already: it need not be a member for that.
    fn label(&self, seq: u64, review: Review) -> Result<Vec<Event>, Refusal> {
        let message = self.messages.get(&seq).and_then(Option::as_ref);
        match message {
            None => Err(Refusal::NotFound("message".into())),
            Some(message) if message.retracted => Err(Refusal::Retracted(seq)),
            Some(_) => Ok(vec![Event::MessageReviewed {
                seq,
                reviews: vec![review],
            }]),
        }
    }

    fn retract(&self, context: &Context<'_>, seq: u64) -> Result<Vec<Event>, Refusal> {
        let (head, role) = self.present(context.actor)?;
        let message = self.visible(context.actor, seq)?;
        let moderates = matches!(head.kind, Kind::Group { .. }) && role >= Role::Moderator;
        if message.author != *context.actor && !moderates {
            return Err(Refusal::Forbidden(
                "a message is taken back by its author or, in a group, by owners and moderators"
                    .into(),
            ));
        }
        if message.retracted {
            return Ok(Vec::new());
        }
        let (author, countable_seq) = (message.author.clone(), message.countable_seq);
        Ok(vec![Event::MessageRetracted {
            seq,
            author,
            countable_seq,
        }])
    }

    fn react(
        &self,
        context: &Context<'_>,
        seq: u64,
        reaction: String,
    ) -> Result<Vec<Event>, Refusal> {
        self.present(context.actor)?;
        let message = self.visible(context.actor, seq)?;
        let limits = context.limits;
        if !is_reaction(limits, &reaction) {
            return Err(no_reaction(limits));
        }
        if message.retracted {
            return Err(Refusal::Retracted(seq));
        }
        if self.reacts(context.actor, seq, &reaction) {
            return Ok(Vec::new());
        }
        if !message.reactions.contains_key(&reaction) && message.reactions.len() >= limits.reactions
        {
            return Err(Refusal::Invalid(format!(
                "a message carries at most {} different reactions",
                limits.reactions
            )));
        }
        Ok(vec![Event::ReactionAdded { seq, reaction }])
    }

    fn unreact(
        &self,
        context: &Context<'_>,
        seq: u64,
        reaction: String,
    ) -> Result<Vec<Event>, Refusal> {
        self.present(context.actor)?;
        let message = self.visible(context.actor, seq)?;
        if !is_reaction(context.limits, &reaction) {
            return Err(no_reaction(context.limits));
        }
        // Taking a message back takes its reactions with it.
        if message.retracted || !self.reacts(context.actor, seq, &reaction) {
            return Ok(Vec::new());
        }
        Ok(vec![Event::ReactionRemoved { seq, reaction }])
    }

    fn move_cursors(
        &self,
        context: &Context<'_>,
        read: u64,
        delivered: u64,
    ) -> Result<Vec<Event>, Refusal> {
        let (head, _) = self.present(context.actor)?;
        let furthest = read.max(delivered);
        if furthest > head.last_seq {
            return Err(Refusal::Invalid(format!(
                "message {furthest} does not exist, the last one is {}",
                head.last_seq
            )));
        }
        let member = self
            .member(context.actor)
            .ok_or(Refusal::NotFound("conversation".into()))?;
        let mut events = Vec::new();
        if read > member.read_seq {
            events.push(Event::ReadUpTo { seq: read });
        }
        // Reading implies having received, so it alone says both.
        if delivered > member.delivered_seq.max(read) {
            events.push(Event::DeliveredUpTo { seq: delivered });
        }
        Ok(events)
    }

    /// The state after an event of `actor`. What has not been loaded is not touched.
    pub fn evolve(&mut self, actor: &UserId, event: &Event) {
        if let Event::ConversationStarted { kind, title } = event {
            let direct = matches!(kind, Kind::Direct { .. });
            if let Kind::Direct { pair, .. } = kind {
                for user in [&pair.0, &pair.1] {
                    let member = Member {
                        role: Some(Role::Member),
                        intervals: vec![Interval {
                            after: 0,
                            until: None,
                        }],
                        ..Member::default()
                    };
                    self.members.insert(user.clone(), Some(member));
                }
            }
            self.head = Some(Head {
                kind: kind.clone(),
                title: title.clone(),
                last_seq: 0,
                last_countable_seq: 0,
                last_held: 0,
                member_count: if direct { 2 } else { 0 },
                owner_count: 0,
            });
            return;
        }
        // Every stream of a conversation begins with its start: `decide` sees to that.
        let head = self
            .head
            .as_mut()
            .expect("an event follows the conversation's start");
        match event {
            Event::ConversationStarted { .. } => {}
            Event::MemberJoined { user, role } => {
                head.member_count += 1;
                head.owner_count += u32::from(*role == Role::Owner);
                let from_start = matches!(
                    head.kind,
                    Kind::Group {
                        history_from_start: true,
                        ..
                    }
                );
                let after = if from_start { 0 } else { head.last_seq };
                let member = self
                    .members
                    .entry(user.clone())
                    .or_insert(None)
                    .get_or_insert_default();
                if from_start {
                    member.intervals.clear();
                }
                member.role = Some(*role);
                member.intervals.push(Interval { after, until: None });
                member.read_seq = head.last_seq;
                member.delivered_seq = head.last_seq;
            }
            Event::MemberLeft { user } | Event::MemberRemoved { user } => {
                head.member_count -= 1;
                if let Some(Some(member)) = self.members.get_mut(user) {
                    head.owner_count -= u32::from(member.role == Some(Role::Owner));
                    member.leave(head.last_seq);
                }
            }
            Event::RoleChanged { user, role } => {
                if let Some(Some(member)) = self.members.get_mut(user) {
                    head.owner_count -= u32::from(member.role == Some(Role::Owner));
                    head.owner_count += u32::from(*role == Role::Owner);
                    member.role = Some(*role);
                }
            }
            Event::TitleChanged { title } => head.title.clone_from(title),
            Event::MessagePosted {
                seq, countable_seq, ..
            } => {
                head.last_seq = *seq;
                head.last_countable_seq = head.last_countable_seq.max(*countable_seq);
                self.messages.insert(
                    *seq,
                    Some(Message {
                        author: actor.clone(),
                        countable_seq: *countable_seq,
                        retracted: false,
                        reactions: BTreeMap::new(),
                    }),
                );
            }
            Event::MessageHeld {
                held,
                edits,
                reply_to,
                reviews,
                ..
            } => {
                head.last_held = *held;
                let by = reviews.iter().filter(|of| of.verdict == Verdict::Hold);
                self.held.insert(
                    *held,
                    Some(Held {
                        author: actor.clone(),
                        edits: *edits,
                        reply_to: *reply_to,
                        by: by.map(|review| review.extension.clone()).collect(),
                    }),
                );
            }
            Event::MessageReleased { held, .. } | Event::MessageRejected { held, .. } => {
                self.held.insert(*held, None);
            }
            Event::MessageRetracted { seq, .. } => {
                if let Some(Some(message)) = self.messages.get_mut(seq) {
                    message.retracted = true;
                    message.reactions.clear();
                }
                for ((of, ..), given) in &mut self.reactions {
                    *given &= of != seq;
                }
            }
            Event::ReactionAdded { seq, reaction } => {
                if let Some(Some(message)) = self.messages.get_mut(seq) {
                    *message.reactions.entry(reaction.clone()).or_default() += 1;
                }
                self.reactions
                    .insert((*seq, actor.clone(), reaction.clone()), true);
            }
            Event::ReactionRemoved { seq, reaction } => {
                if let Some(Some(message)) = self.messages.get_mut(seq)
                    && let Some(count) = message.reactions.get_mut(reaction)
                {
                    *count -= 1;
                    if *count == 0 {
                        message.reactions.remove(reaction);
                    }
                }
                self.reactions
                    .insert((*seq, actor.clone(), reaction.clone()), false);
            }
            Event::ReadUpTo { seq } => {
                if let Some(Some(member)) = self.members.get_mut(actor) {
                    member.read_seq = member.read_seq.max(*seq);
                    member.delivered_seq = member.delivered_seq.max(*seq);
                }
            }
            Event::DeliveredUpTo { seq } => {
                if let Some(Some(member)) = self.members.get_mut(actor) {
                    member.delivered_seq = member.delivered_seq.max(*seq);
                }
            }
            Event::MessageEdited { .. }
            | Event::MessageReviewed { .. }
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
            | Event::ToastQueued { .. }
            | Event::ToastsSeen { .. }
            | Event::BadgeSet { .. }
            | Event::Extension(_)
            | Event::AppEventRecorded { .. } => {}
        }
    }

    fn member(&self, user: &str) -> Option<&Member> {
        self.members.get(user).and_then(Option::as_ref)
    }

    /// Head and role of a present member. A stranger learns nothing, a past member that they are one.
    fn present(&self, user: &UserId) -> Result<(&Head, Role), Refusal> {
        match (&self.head, self.member(user)) {
            (
                Some(head),
                Some(Member {
                    role: Some(role), ..
                }),
            ) => Ok((head, *role)),
            (Some(_), Some(_)) => Err(Refusal::NotMember),
            _ => Err(Refusal::NotFound("conversation".into())),
        }
    }

    /// A message the user may see.
    fn visible(&self, user: &UserId, seq: u64) -> Result<&Message, Refusal> {
        let sees = self.member(user).is_some_and(|member| member.sees(seq));
        match self.messages.get(&seq) {
            Some(Some(message)) if sees => Ok(message),
            _ => Err(Refusal::NotFound("message".into())),
        }
    }

    fn reacts(&self, user: &UserId, seq: u64, reaction: &str) -> bool {
        self.reactions
            .get(&(seq, user.clone(), reaction.to_owned()))
            .copied()
            .unwrap_or(false)
    }

    fn check_mentions(
        &self,
        mentions: Vec<UserId>,
        limits: &Limits,
    ) -> Result<Vec<UserId>, Refusal> {
        if mentions.len() > limits.mentions {
            return Err(Refusal::Invalid(format!(
                "{} mentions, the limit is {}",
                mentions.len(),
                limits.mentions
            )));
        }
        let mentions: BTreeSet<UserId> = mentions.into_iter().collect();
        for user in &mentions {
            if self.member(user).is_none_or(|member| member.role.is_none()) {
                return Err(Refusal::Invalid(format!(
                    "{user} is mentioned but is not a member"
                )));
            }
        }
        Ok(mentions.into_iter().collect())
    }
}

impl Member {
    /// Leaving closes the stretch and reads everything in it.
    pub fn leave(&mut self, last_seq: u64) {
        self.role = None;
        if let Some(interval) = self.intervals.last_mut() {
            interval.until = Some(last_seq);
        }
        self.intervals
            .retain(|interval| interval.until != Some(interval.after));
        self.read_seq = last_seq;
        self.delivered_seq = last_seq;
    }
}

fn group(head: &Head) -> Result<u32, Refusal> {
    match head.kind {
        Kind::Group { max_members, .. } => Ok(max_members),
        Kind::Direct { .. } => Err(Refusal::WrongKind(
            "a direct conversation is always between its two users".into(),
        )),
    }
}

fn at_least(role: Role, needed: Role, otherwise: &'static str) -> Result<(), Refusal> {
    if role >= needed {
        Ok(())
    } else {
        Err(Refusal::Forbidden(otherwise.into()))
    }
}

fn check_room(head: &Head, more: u64, limit: u32) -> Result<(), Refusal> {
    let would = u64::from(head.member_count) + more;
    if more > 0 && would > u64::from(limit) {
        return Err(Refusal::Full { would, limit });
    }
    Ok(())
}

fn check_at_once(users: usize, limits: &Limits) -> Result<(), Refusal> {
    if users > limits.members_at_once {
        return Err(Refusal::Invalid(format!(
            "{users} users at once, the limit is {}: add them in several steps",
            limits.members_at_once
        )));
    }
    Ok(())
}

fn check_title(title: &str, limits: &Limits) -> Result<(), Refusal> {
    if title.len() > limits.title_bytes {
        return Err(Refusal::TooLarge {
            len: title.len(),
            limit: limits.title_bytes,
        });
    }
    if title.chars().any(char::is_control) {
        return Err(Refusal::Invalid(
            "a title holds no control characters".to_owned(),
        ));
    }
    Ok(())
}

fn check_text(text: &str, limits: &Limits) -> Result<(), Refusal> {
    if text.len() > limits.text_bytes {
        return Err(Refusal::TooLarge {
            len: text.len(),
            limit: limits.text_bytes,
        });
    }
    if text.trim().is_empty() {
        return Err(Refusal::Invalid("a message has text".to_owned()));
    }
    Ok(())
}

fn is_reaction(limits: &Limits, reaction: &str) -> bool {
    (1..=limits.reaction_bytes).contains(&reaction.len())
        && !reaction
            .chars()
            .any(|c| c.is_control() || c.is_whitespace())
}

fn no_reaction(limits: &Limits) -> Refusal {
    Refusal::Invalid(format!(
        "a reaction is an emoji or a short code of 1 to {} bytes without spaces",
        limits.reaction_bytes
    ))
}

#[cfg(test)]
mod tests;
