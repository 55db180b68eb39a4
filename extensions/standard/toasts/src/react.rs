//! What is done about an event.

use serde::Deserialize;

use crate::occasion::Occasion;
use crate::quiet::Quiet;
use crate::settings::{Kind, Settings};
use crate::tally::{Tally, hash};
use crate::texts::{Places, name, shortened};

/// What happened, as far as toasts ask.
#[derive(Debug, Clone, Copy, Default)]
pub struct Event<'a> {
    /// Of which kind.
    pub kind: &'a str,
    /// Who caused it.
    pub actor: Option<&'a str>,
    /// Whom it concerns.
    pub subject: Option<&'a str>,
    /// Where.
    pub conversation: Option<&'a str>,
    /// When.
    pub at: u64,
    /// What else there is to say, as JSON.
    pub payload: &'a str,
}

/// Something to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toast {
    /// To whom.
    pub user: String,
    /// At the top.
    pub title: String,
    /// Below.
    pub body: String,
    /// Takes the place of one with the same key.
    pub collapse: String,
    /// What opens at a click.
    pub link: Option<String>,
    /// Who it tells of.
    pub about_user: String,
    /// The conversation it tells of.
    pub about_conversation: Option<String>,
    /// Not shown any more after so many milliseconds.
    pub expire_after_ms: u32,
}

/// What reacting takes of the server.
pub trait Server {
    /// What a profile says under an attribute, as JSON.
    fn attribute(&self, user: &str, attribute: &str) -> Option<String>;
    /// The first members, so many at most.
    fn members(&self, conversation: &str, limit: u32) -> Vec<String>;
    /// Whether somebody is here, if only away.
    fn is_here(&self, user: &str) -> bool;
    /// What is stored under the key.
    fn load(&self, key: &str) -> Option<Vec<u8>>;
    /// Stores what is about a user, or removes it.
    fn store(&mut self, key: &str, value: Option<&[u8]>, about: &str);
    /// Shows a toast.
    fn show(&mut self, toast: Toast);
}

/// Expiries are at most 30 days.
const MOST_MINUTES: u32 = 30 * 24 * 60;
/// Bytes of a key in the store.
const KEY_BYTES: usize = 256;
/// Members of one conversation that a call can tell: each is an effect, of which it may stage 64.
const MOST_MEMBERS: u32 = 60;

/// Shows what is to be shown.
pub fn react(event: &Event<'_>, settings: &Settings, server: &mut impl Server) {
    if event.kind == "contact_removed" {
        return forget_requests(event, server);
    }
    let (Some(occasion), Some(actor)) = (Occasion::of(event.kind), event.actor) else {
        return;
    };
    let telling = Telling {
        occasion,
        settings,
        kind: settings.kind(occasion),
        event,
        of: actor,
    };
    if occasion == Occasion::ContactAccepted {
        // Kept also while it is not shown, so that it is right when it is switched on.
        if let Some(asked_by) = accepted(event, actor, server).filter(|_| telling.kind.enabled) {
            tell(&telling, &asked_by, server);
        }
        return;
    }
    if !telling.kind.enabled {
        return;
    }
    match (occasion, event.subject) {
        (Occasion::Message, _) => tell_members(&telling, server),
        (Occasion::Matched, Some(subject)) => {
            tell(&telling, subject, server);
            tell(
                &Telling {
                    of: subject,
                    ..telling
                },
                actor,
                server,
            );
        }
        (_, Some(subject)) => tell(&telling, subject, server),
        (_, None) => {}
    }
}

/// An occasion with all that it is told by.
#[derive(Clone, Copy)]
struct Telling<'a> {
    occasion: Occasion,
    settings: &'a Settings,
    kind: &'a Kind,
    event: &'a Event<'a>,
    /// Of whom it tells.
    of: &'a str,
}

fn tell(telling: &Telling<'_>, user: &str, server: &mut impl Server) {
    let Telling {
        occasion,
        kind,
        event,
        of,
        ..
    } = *telling;
    if user == of || is_system(user) {
        return;
    }
    let setting = occasion.setting();
    let together_ms = u64::from(kind.together_minutes) * 60_000;
    let mut count = 1;
    if together_ms > 0 {
        let key = format!("tally/{setting}/{user}");
        let mut tally = Tally::read(server.load(&key), event.at, together_ms);
        if !tally.add(of) {
            return;
        }
        count = tally.count;
        server.store(&key, Some(&tally.write()), user);
    }
    let collapse = if together_ms > 0 {
        setting.to_owned()
    } else {
        format!("{setting}/{of}")
    };
    show(telling, user, (count, "", collapse), server);
}

/// A toast, if there may be one more in this hour.
fn show(
    telling: &Telling<'_>,
    user: &str,
    (count, text, collapse): (u32, &str, String),
    server: &mut impl Server,
) {
    let Telling {
        settings,
        kind,
        event,
        of,
        ..
    } = *telling;
    if !kind.urgent {
        let key = format!("quiet/{user}");
        let mut quiet = Quiet::read(server.load(&key), event.at);
        if !quiet.admit(event.at, settings.per_hour) {
            return;
        }
        server.store(&key, Some(&quiet.write()), user);
    }
    let named = server.attribute(of, &settings.name_attribute);
    let named = named.as_deref().and_then(name);
    let conversation = event.conversation.unwrap_or_default();
    let places = Places {
        name: named.as_deref().unwrap_or(of),
        id: of,
        count,
        text,
        conversation,
    };
    let many = |one: &'_ str, many: &'_ str| {
        if count > 1 && !many.is_empty() {
            many.to_owned()
        } else {
            one.to_owned()
        }
    };
    let link = places.link(&kind.link);
    server.show(Toast {
        user: user.to_owned(),
        title: places.title(&many(&kind.title, &kind.title_many)),
        body: places.body(&many(&kind.body, &kind.body_many)),
        collapse,
        link: (!link.is_empty()).then_some(link),
        about_user: of.to_owned(),
        about_conversation: event.conversation.map(str::to_owned),
        expire_after_ms: kind.expire_minutes.clamp(1, MOST_MINUTES) * 60_000,
    });
}

fn tell_members(telling: &Telling<'_>, server: &mut impl Server) {
    let Some(conversation) = telling.event.conversation else {
        return;
    };
    let messages = telling.settings.messages;
    let most = messages.max_members.min(MOST_MEMBERS);
    let members = server.members(conversation, most + 1);
    if members.len() > most as usize {
        return;
    }
    let told = |member: &String| {
        member != telling.of
            && !is_system(member)
            && (!messages.only_here || server.is_here(member))
    };
    let told: Vec<String> = members.into_iter().filter(told).collect();
    if told.is_empty() {
        return;
    }
    #[derive(Deserialize)]
    struct Posted {
        text: Option<String>,
    }
    let posted: Option<Posted> = serde_json::from_str(telling.event.payload).ok();
    let text = posted.and_then(|posted| posted.text).unwrap_or_default();
    let text = shortened(&text, messages.letters);
    for member in told {
        let collapse = format!("message/{conversation}");
        show(telling, &member, (1, &text, collapse), server);
    }
}

/// Accounts of the product's own have no screen.
fn is_system(user: &str) -> bool {
    user.starts_with("system:")
}

/// The other one in an event about a contact.
fn other(event: &Event<'_>) -> Option<String> {
    #[derive(Deserialize)]
    struct Contact {
        user: String,
    }
    let contact: Contact = serde_json::from_str(event.payload).ok()?;
    Some(contact.user)
}

/// Who had asked `actor` before, if somebody had: a contact is one when both have added the other. What is asked is kept
/// until then.
fn accepted(event: &Event<'_>, actor: &str, server: &mut impl Server) -> Option<String> {
    let other = other(event)?;
    let asked = asked_key(&other, actor);
    if server.load(&asked).is_some() {
        server.store(&asked, None, &other);
        return Some(other);
    }
    server.store(&asked_key(actor, &other), Some(b"1"), actor);
    None
}

/// Of two ids as long as they may be the key would be longer than the store takes.
fn asked_key(by: &str, of: &str) -> String {
    let key = format!("asked/{by}/{of}");
    if key.len() > KEY_BYTES {
        format!("asked/{:016x}", hash(&key))
    } else {
        key
    }
}

fn forget_requests(event: &Event<'_>, server: &mut impl Server) {
    let (Some(actor), Some(other)) = (event.actor, other(event)) else {
        return;
    };
    for (one, other) in [(actor, other.as_str()), (other.as_str(), actor)] {
        let asked = asked_key(one, other);
        if server.load(&asked).is_some() {
            server.store(&asked, None, one);
        }
    }
}

#[cfg(test)]
mod tests;
