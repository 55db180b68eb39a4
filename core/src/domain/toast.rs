//! Toasts and badges: what a user is shown on all their devices until they have seen it on one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Limits, Refusal,
    event::{Content, Event},
    id::{ConversationId, UserId},
};

/// What the product's own backend is called among the sources of toasts and badges. The others are extensions.
pub const BACKEND: &str = "backend";

/// Longest name of a source or of a badge, in bytes.
pub const NAME_BYTES: usize = 64;

/// Longest collapse key, in bytes.
pub const COLLAPSE_BYTES: usize = 256;

/// Longest title, in bytes.
pub const TITLE_BYTES: usize = 256;

/// Longest body, in bytes.
pub const BODY_BYTES: usize = 1_024;

/// Longest link, in bytes.
pub const LINK_BYTES: usize = 1_024;

/// Most toasts that are seen by one command.
pub const SEEN_AT_ONCE: usize = 1_000;

const DAY_MS: u64 = 24 * 3600 * 1000;

/// How long a toast waits if nothing is said of it, milliseconds: 7 days.
pub const WAITS_MS: u64 = 7 * DAY_MS;

/// How long it waits at most, milliseconds: 30 days.
pub const WAITS_MOST_MS: u64 = 30 * DAY_MS;

/// A toast that is to be queued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewToast {
    /// Who wants it shown: an extension's id, or [`BACKEND`].
    pub source: String,
    /// It takes the place of a toast of its source with the same key that has not been seen.
    pub collapse: Option<String>,
    /// What it says.
    pub title: String,
    /// What else it says.
    pub body: String,
    /// What opens at a click: a path, which the client understands, or an https address.
    pub link: Option<String>,
    /// Of whom it tells.
    pub about_user: Option<UserId>,
    /// Of which conversation it tells.
    pub about_conversation: Option<ConversationId>,
    /// From when on it is not shown any more, milliseconds since 1970; `None` for the usual time.
    pub expires_ms: Option<u64>,
}

/// What a toast says, as it is sealed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The title.
    pub title: String,
    /// The body.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// What opens at a click.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

/// A toast that waits to be seen, as far as deciding looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Whose it is.
    pub source: String,
    /// Its collapse key.
    pub collapse: Option<String>,
    /// Of whom it tells.
    pub about_user: Option<UserId>,
    /// From when on it is not shown any more, milliseconds since 1970.
    pub expires_ms: u64,
}

/// The toasts of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Toasts {
    /// How many there ever were: the number of the last one.
    pub last: u64,
    /// Those that wait, by number.
    pub waiting: BTreeMap<u64, Waiting>,
}

/// The badges of a user, by source and name. Those that were removed are there with 0.
pub type Badges = BTreeMap<(String, String), u32>;

impl NewToast {
    fn check(&self, now_ms: u64) -> Result<(), Refusal> {
        check_source(&self.source)?;
        length("title", &self.title, 1, TITLE_BYTES)?;
        length("body", &self.body, 0, BODY_BYTES)?;
        if let Some(key) = &self.collapse {
            length("collapse key", key, 1, COLLAPSE_BYTES)?;
        }
        if let Some(link) = &self.link {
            length("link", link, 1, LINK_BYTES)?;
            check_link(link)?;
        }
        match self.expires_ms {
            Some(ms) if ms > now_ms.saturating_add(WAITS_MOST_MS) => Err(invalid(format!(
                "the toast would expire at {ms}, and it is {now_ms} now: 30 days is the most, in milliseconds"
            ))),
            _ => Ok(()),
        }
    }

    fn content(&self) -> Content {
        let said = Said {
            title: self.title.clone(),
            body: self.body.clone(),
            link: self.link.clone(),
        };
        Content::Plain(serde_json::to_string(&said).expect("text is JSON"))
    }
}

impl Toasts {
    /// Queues one. Those that it takes the place of, those that make room for it and those that nobody is
    /// shown any more go with the same event.
    pub(super) fn queue(
        &self,
        limits: &Limits,
        now_ms: u64,
        new: NewToast,
        welcome: bool,
    ) -> Result<Vec<Event>, Refusal> {
        new.check(now_ms)?;
        let expires_ms = new.expires_ms.unwrap_or(now_ms.saturating_add(WAITS_MS));
        if !welcome || expires_ms <= now_ms {
            return Ok(Vec::new());
        }
        let goes = |toast: &Waiting| {
            let same = toast.source == new.source && toast.collapse == new.collapse;
            toast.expires_ms <= now_ms || (same && new.collapse.is_some())
        };
        let (mut replaces, mut stay) = (Vec::new(), Vec::new());
        for (number, toast) in &self.waiting {
            if goes(toast) {
                replaces.push(*number);
            } else if toast.source == new.source {
                stay.push(*number);
            }
        }
        let too_many = (stay.len() + 1).saturating_sub(limits.toasts.max(1) as usize);
        replaces.extend(stay.into_iter().take(too_many));
        replaces.sort_unstable();
        Ok(vec![Event::ToastQueued {
            toast: self.last + 1,
            content: new.content(),
            source: new.source,
            collapse: new.collapse,
            about_user: new.about_user,
            about_conversation: new.about_conversation,
            expires_ms,
            replaces,
        }])
    }

    /// Those among `toasts` that wait are seen.
    pub(super) fn see(&self, mut toasts: Vec<u64>) -> Result<Vec<Event>, Refusal> {
        if toasts.len() > SEEN_AT_ONCE {
            return Err(invalid(format!(
                "{} toasts are named, the limit is {SEEN_AT_ONCE}: send several commands",
                toasts.len()
            )));
        }
        toasts.retain(|number| self.waiting.contains_key(number));
        toasts.sort_unstable();
        toasts.dedup();
        Ok(seen(toasts))
    }

    /// Those that tell of somebody are not shown any more.
    pub(super) fn without(&self, user: &UserId) -> Vec<Event> {
        let about = self.waiting.iter();
        let about = about.filter(|(_, toast)| toast.about_user.as_ref() == Some(user));
        seen(about.map(|(number, _)| *number).collect())
    }

    pub(super) fn evolve(&mut self, event: &Event) {
        match event {
            Event::ToastQueued {
                toast,
                source,
                collapse,
                about_user,
                expires_ms,
                replaces,
                ..
            } => {
                for gone in replaces {
                    self.waiting.remove(gone);
                }
                self.last = *toast;
                let waiting = Waiting {
                    source: source.clone(),
                    collapse: collapse.clone(),
                    about_user: about_user.clone(),
                    expires_ms: *expires_ms,
                };
                self.waiting.insert(*toast, waiting);
            }
            Event::ToastsSeen { toasts } => {
                for seen in toasts {
                    self.waiting.remove(seen);
                }
            }
            _ => {}
        }
    }
}

fn seen(toasts: Vec<u64>) -> Vec<Event> {
    match toasts.is_empty() {
        true => Vec::new(),
        false => vec![Event::ToastsSeen { toasts }],
    }
}

/// What setting a badge makes happen.
pub(super) fn set_badge(
    badges: &Badges,
    limits: &Limits,
    source: String,
    name: String,
    count: u32,
) -> Result<Vec<Event>, Refusal> {
    check_source(&source)?;
    let named = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_';
    if !(1..=NAME_BYTES).contains(&name.len()) || !name.bytes().all(named) {
        return Err(invalid(format!(
            "the badge's name is {name:?}: use 1 to {NAME_BYTES} of a-z, 0-9 and _"
        )));
    }
    let key = (source, name);
    let before = badges.get(&key);
    if before.copied().unwrap_or(0) == count {
        return Ok(Vec::new());
    }
    let (source, name) = key;
    if before.is_none() {
        let others = badges.keys().filter(|(of, _)| *of == source).count();
        if others >= limits.badges as usize {
            return Err(invalid(format!(
                "{source} has {} badges for this user, which is the limit: a badge stands for a sort of thing, not \
                 for each one",
                limits.badges
            )));
        }
    }
    Ok(vec![Event::BadgeSet {
        source,
        name,
        count,
    }])
}

fn check_source(source: &str) -> Result<(), Refusal> {
    let named =
        |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'_' | b'.');
    if !(1..=NAME_BYTES).contains(&source.len()) || !source.bytes().all(named) {
        return Err(invalid(format!(
            "the source is {source:?}: use 1 to {NAME_BYTES} of a-z, 0-9, -, _ and ."
        )));
    }
    Ok(())
}

/// A path of the product's, or an address somewhere else. What a browser would take for the latter though it begins
/// like the former (`//`, `/\`) is neither.
fn check_link(link: &str) -> Result<(), Refusal> {
    let is_path = link.starts_with('/') && !link[1..].starts_with(['/', '\\']);
    let address = link.strip_prefix("https://");
    let is_address =
        address.is_some_and(|rest| rest.starts_with(|c: char| c.is_alphanumeric() || c == '['));
    if (is_path || is_address) && !link.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Ok(());
    }
    Err(invalid(format!(
        "the link is {link:?}: give a path such as /people/7, or an address that begins with https://"
    )))
}

fn length(what: &str, text: &str, least: usize, most: usize) -> Result<(), Refusal> {
    if (least..=most).contains(&text.len()) {
        return Ok(());
    }
    Err(invalid(format!(
        "the {what} has {} bytes: it is to have {least} to {most}",
        text.len()
    )))
}

fn invalid(message: String) -> Refusal {
    Refusal::Invalid(message)
}

#[cfg(test)]
mod tests;
