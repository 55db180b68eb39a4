//! A user's own stream: blocks, mutes, and what the product records about them.

use hashbrown::HashMap;

use super::{
    Limits, Refusal,
    command::UserCommand,
    event::{Content, Event},
    id::{ConversationId, UserId},
    toast::{self, Badges, Toasts},
};

/// Contacts that end with one command of somebody who is erased.
pub const ENDED_AT_ONCE: usize = 1_000;

/// State of a user, as far as it has been loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Who.
    pub id: UserId,
    /// How many users they block, if loaded.
    pub blocked_count: Option<u32>,
    /// Loaded facts "is this user blocked".
    pub blocked: HashMap<UserId, bool>,
    /// Whether they are invisible, if loaded.
    pub invisible: Option<bool>,
    /// When they were here last, milliseconds since 1970, if loaded; 0 for never.
    pub seen_ms: Option<u64>,
    /// How many contacts they have, those asked and asking included, if loaded.
    pub contact_count: Option<u32>,
    /// Loaded contacts.
    pub contacts: HashMap<UserId, Contact>,
    /// Loaded facts "is this conversation muted"; `None` within: not theirs.
    pub muted: HashMap<ConversationId, Option<bool>>,
    /// The profile, if loaded.
    pub profile: Option<Profile>,
    /// The toasts, if loaded.
    pub toasts: Option<Toasts>,
    /// The badges, if loaded.
    pub badges: Option<Badges>,
    /// Loaded facts "is nothing to be told of this user": they block this one, or were erased.
    pub untold: HashMap<UserId, bool>,
}

/// What deciding looks at of a user's profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// Where it was set.
    pub set: Set,
    /// Whether people search leaves the user out.
    pub hidden: bool,
    /// Whether the user was erased.
    pub erased: bool,
}

/// Where a profile was set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Set {
    /// There is none.
    #[default]
    Never,
    /// By the event there: (position, index).
    At((u64, u32)),
    /// By an event that is not in the log yet.
    Now,
}

impl User {
    /// A user of whom nothing has been loaded.
    pub fn new(id: UserId) -> User {
        User {
            id,
            blocked_count: None,
            blocked: HashMap::new(),
            invisible: None,
            seen_ms: None,
            contact_count: None,
            contacts: HashMap::new(),
            muted: HashMap::new(),
            profile: None,
            toasts: None,
            badges: None,
            untold: HashMap::new(),
        }
    }

    /// What the command makes happen at a time: no events when everything is so already.
    pub fn decide(
        &self,
        limits: &Limits,
        now_ms: u64,
        command: UserCommand,
    ) -> Result<Vec<Event>, Refusal> {
        let ended = matches!(
            command,
            UserCommand::Erase | UserCommand::RemoveProfile | UserCommand::RecordSeen { .. }
        );
        if self.profile().erased && !ended {
            return Err(Refusal::Forbidden("the user has been erased".into()));
        }
        match command {
            UserCommand::SetMuted {
                conversation,
                muted,
            } => match self.muted.get(&conversation).copied().flatten() {
                None => Err(Refusal::NotFound("conversation".into())),
                Some(now) if now == muted => Ok(Vec::new()),
                Some(_) => Ok(vec![Event::ConversationMuted {
                    conversation,
                    muted,
                }]),
            },
            UserCommand::Block { user } => {
                if user == self.id {
                    return Err(Refusal::Invalid("one cannot block oneself".to_owned()));
                }
                if self.blocks(&user) {
                    return Ok(Vec::new());
                }
                if self
                    .blocked_count
                    .is_some_and(|count| count >= limits.blocked)
                {
                    return Err(Refusal::Invalid(format!(
                        "{} users are blocked, which is the limit",
                        limits.blocked
                    )));
                }
                let toasts = self.toasts.iter().flat_map(|toasts| toasts.without(&user));
                let toasts: Vec<Event> = toasts.collect();
                let blocked = Event::UserBlocked { user };
                Ok(std::iter::once(blocked).chain(toasts).collect())
            }
            UserCommand::Unblock { user } => Ok(if self.blocks(&user) {
                vec![Event::UserUnblocked { user }]
            } else {
                Vec::new()
            }),
            UserCommand::SetInvisible { invisible } => {
                Ok(if self.invisible.unwrap_or(false) == invisible {
                    Vec::new()
                } else {
                    vec![Event::VisibilityChanged { invisible }]
                })
            }
            // Who is invisible is not seen: not even that they have gone.
            UserCommand::RecordSeen { at_ms } => {
                let known = self.seen_ms.unwrap_or(0);
                Ok(if self.invisible.unwrap_or(false) || at_ms <= known {
                    Vec::new()
                } else {
                    vec![Event::Seen { at_ms }]
                })
            }
            UserCommand::AddContact { user } => {
                if user == self.id {
                    return Err(Refusal::Invalid("one is no contact of oneself".to_owned()));
                }
                if self.blocks(&user) {
                    return Err(Refusal::BlockedByYou(user));
                }
                if self.contact(&user).added {
                    return Ok(Vec::new());
                }
                if self
                    .contact_count
                    .is_some_and(|count| count >= limits.contacts)
                {
                    return Err(Refusal::Invalid(format!(
                        "there are {} contacts and requests, which is the limit: remove some",
                        limits.contacts
                    )));
                }
                Ok(vec![Event::ContactAdded { user }])
            }
            UserCommand::RemoveContact { user } => {
                Ok(if self.contact(&user) == Contact::default() {
                    Vec::new()
                } else {
                    vec![Event::ContactRemoved { user }]
                })
            }
            UserCommand::SetProfile {
                attributes,
                hidden,
                same_as,
            } => self.set_profile(attributes, hidden, same_as),
            UserCommand::RemoveProfile => Ok(match self.profile().set {
                Set::Never => Vec::new(),
                Set::At(_) | Set::Now => vec![Event::ProfileRemoved],
            }),
            UserCommand::Erase => Ok(self.erased()),
            UserCommand::QueueToast(new) => {
                let of_user = |user: &UserId| {
                    !self.blocks(user) && !self.untold.get(user).copied().unwrap_or(false)
                };
                let of_conversation =
                    |id: &ConversationId| matches!(self.muted.get(id), Some(Some(_)));
                let welcome = new.about_user.as_ref().is_none_or(of_user)
                    && new.about_conversation.as_ref().is_none_or(of_conversation);
                let none = Toasts::default();
                let toasts = self.toasts.as_ref().unwrap_or(&none);
                toasts.queue(limits, now_ms, *new, welcome)
            }
            UserCommand::SeeToasts { toasts: seen } => {
                let none = Toasts::default();
                self.toasts.as_ref().unwrap_or(&none).see(seen)
            }
            UserCommand::SetBadge {
                source,
                name,
                count,
            } => {
                let none = Badges::new();
                let badges = self.badges.as_ref().unwrap_or(&none);
                toast::set_badge(badges, limits, source, name, count)
            }
        }
    }

    fn set_profile(
        &self,
        attributes: Option<String>,
        hidden: Option<bool>,
        same_as: Option<(u64, u32)>,
    ) -> Result<Vec<Event>, Refusal> {
        let profile = self.profile();
        let mut events = Vec::new();
        match attributes {
            Some(attributes) if attributes.len() > PROFILE_BYTES => {
                return Err(Refusal::TooLarge {
                    len: attributes.len(),
                    limit: PROFILE_BYTES,
                });
            }
            Some(_) if same_as.is_some_and(|at| profile.set == Set::At(at)) => {}
            Some(attributes) => events.push(Event::ProfileSet {
                attributes: Content::Plain(attributes),
            }),
            None if profile.set == Set::Never => {
                return Err(Refusal::NotFound("profile".into()));
            }
            None => {}
        }
        if let Some(hidden) = hidden.filter(|hidden| *hidden != profile.hidden) {
            events.push(Event::HiddenChanged { hidden });
        }
        Ok(events)
    }

    /// Nobody sees who is erased any more. Contacts end one by one, so that the others are told as always; of many, only some end, and nothing
    /// else yet: a commit has its limits. Who was erased is so once more, for what they wrote since.
    fn erased(&self) -> Vec<Event> {
        let contacts = self.contacts.iter();
        let there = contacts.filter(|(_, contact)| **contact != Contact::default());
        let mut others: Vec<&UserId> = there.map(|(other, _)| other).collect();
        others.sort_unstable();
        let all = others.len() <= ENDED_AT_ONCE;
        let removed = others
            .into_iter()
            .take(ENDED_AT_ONCE)
            .map(|other| Event::ContactRemoved {
                user: other.clone(),
            });
        let hides = !self.invisible.unwrap_or(false);
        let hides = hides.then_some(Event::VisibilityChanged { invisible: true });
        let ends = all.then_some(Event::UserErased);
        hides.into_iter().chain(removed).chain(ends).collect()
    }

    fn profile(&self) -> Profile {
        self.profile.unwrap_or_default()
    }

    /// The state after an event of this user.
    pub fn evolve(&mut self, event: &Event) {
        match event {
            Event::ConversationMuted {
                conversation,
                muted,
            } => {
                self.muted.insert(*conversation, Some(*muted));
            }
            Event::UserBlocked { user } => {
                self.blocked_count = self.blocked_count.map(|count| count + 1);
                self.blocked.insert(user.clone(), true);
            }
            Event::UserUnblocked { user } => {
                self.blocked_count = self.blocked_count.map(|count| count - 1);
                self.blocked.insert(user.clone(), false);
            }
            Event::VisibilityChanged { invisible } => self.invisible = Some(*invisible),
            Event::Seen { at_ms } => self.seen_ms = Some(*at_ms),
            Event::ContactAdded { user } => {
                let contact = self.contacts.entry(user.clone()).or_default();
                if *contact == Contact::default() {
                    self.contact_count = self.contact_count.map(|count| count + 1);
                }
                contact.added = true;
            }
            Event::ContactRemoved { user } => {
                self.contact_count = self.contact_count.map(|count| count.saturating_sub(1));
                self.contacts.insert(user.clone(), Contact::default());
            }
            Event::ProfileSet { .. } => self.profile.get_or_insert_default().set = Set::Now,
            Event::ProfileRemoved => *self.profile.get_or_insert_default() = Profile::default(),
            Event::HiddenChanged { hidden } => {
                self.profile.get_or_insert_default().hidden = *hidden;
            }
            Event::ToastQueued { .. } | Event::ToastsSeen { .. } => {
                self.toasts.get_or_insert_default().evolve(event);
            }
            Event::BadgeSet {
                source,
                name,
                count,
            } => {
                let key = (source.clone(), name.clone());
                self.badges.get_or_insert_default().insert(key, *count);
            }
            Event::UserErased => {
                self.contact_count = None;
                self.toasts = None;
                self.badges = None;
                self.profile = Some(Profile {
                    erased: true,
                    ..Profile::default()
                });
            }
            _ => {}
        }
    }

    fn contact(&self, user: &UserId) -> Contact {
        self.contacts.get(user).copied().unwrap_or_default()
    }

    fn blocks(&self, user: &UserId) -> bool {
        self.blocked.get(user).copied().unwrap_or(false)
    }
}

/// What two users are to each other, as one of them sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Contact {
    /// This one has added the other.
    pub added: bool,
    /// The other one has added this one.
    pub adds: bool,
}

impl Contact {
    /// Name on the wire: `contact`, `asked`, `asking`, or `none`.
    pub fn as_str(self) -> &'static str {
        match (self.added, self.adds) {
            (true, true) => "contact",
            (true, false) => "asked",
            (false, true) => "asking",
            (false, false) => "none",
        }
    }
}

/// Longest profile, in bytes of its JSON.
pub const PROFILE_BYTES: usize = 128 * 1024;

/// Longest kind of an app event, in bytes.
pub const APP_KIND_BYTES: usize = 64;

/// Longest kind of an event that an extension emits, in bytes: `ext.`, its id, a dot, a kind.
const EXT_KIND_BYTES: usize = 4 + 64 + 1 + APP_KIND_BYTES;

/// Longest payload of an app event, in bytes.
pub const APP_PAYLOAD_BYTES: usize = 4 * 1024;

/// What a fact of the product's own makes happen. Any is as good as another: they depend on nothing.
pub fn app_event(kind: &str, payload: &str) -> Result<Vec<Event>, Refusal> {
    // What extensions emit begins with their ids, and channels of theirs are named as freely.
    let own = kind.starts_with("ext.") || kind.starts_with("delivery.");
    let most = if own { EXT_KIND_BYTES } else { APP_KIND_BYTES };
    let named = |c: u8| {
        c.is_ascii_lowercase() || c.is_ascii_digit() || b"_.".contains(&c) || (own && c == b'-')
    };
    if !(1..=most).contains(&kind.len()) || !kind.bytes().all(named) {
        let hyphen = if own { ", -" } else { "" };
        return Err(Refusal::Invalid(format!(
            "kind is {kind:?}: use 1 to {most} of a-z, 0-9, _{hyphen} and ."
        )));
    }
    if payload.len() > APP_PAYLOAD_BYTES {
        return Err(Refusal::TooLarge {
            len: payload.len(),
            limit: APP_PAYLOAD_BYTES,
        });
    }
    Ok(vec![Event::AppEventRecorded {
        kind: kind.to_owned(),
        payload: Content::Plain(payload.to_owned()),
    }])
}

#[cfg(test)]
mod tests;
