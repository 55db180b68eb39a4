//! What an event or a command changes.

use serde::Deserialize;

use crate::counter::Counter;
use crate::settings::Badge;

/// The badges, as the manifest, the settings and clients call them.
pub const BADGES: [&str; 3] = ["profile_views", "likes", "matches"];

/// What happened, as far as badges ask.
#[derive(Debug, Clone, Copy, Default)]
pub struct Event<'a> {
    /// Of which kind.
    pub kind: &'a str,
    /// Who caused it.
    pub actor: Option<&'a str>,
    /// Whom it concerns.
    pub subject: Option<&'a str>,
}

/// What counting takes of the server.
pub trait Server {
    /// The setting of that name, as JSON.
    fn setting(&self, name: &str) -> Option<String>;
    /// What is stored under the key, and which revision that is.
    fn load(&self, key: &str) -> Option<(Vec<u8>, u64)>;
    /// Stores what is about a user, or removes it, if the key still has that revision; 0 where it was not there.
    fn store(&mut self, key: &str, value: Option<&[u8]>, about: &str, revision: u64);
    /// Shows the number.
    fn show(&mut self, user: &str, badge: &str, count: u32);
}

/// Why nothing was done: the setting of that name is not what the schema says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable(pub &'static str);

/// Counts what is to be counted, or clears.
///
/// # Errors
///
/// When a setting cannot be read.
pub fn react(event: &Event<'_>, server: &mut impl Server) -> Result<(), Unreadable> {
    let Some(subject) = event.subject else {
        return Ok(());
    };
    if let Some(which) = event.kind.strip_prefix("app.badges.cleared") {
        reset(subject, which.strip_prefix('.'), server);
        return Ok(());
    }
    let Some(actor) = event.actor.filter(|actor| *actor != subject) else {
        return Ok(());
    };
    match event.kind {
        "app.profile.viewed" => count("profile_views", subject, actor, server),
        "app.profile.liked" => count("likes", subject, actor, server),
        "app.match.made" => {
            count("matches", subject, actor, server)?;
            count("matches", actor, subject, server)
        }
        _ => Ok(()),
    }
}

fn key(badge: &str, user: &str) -> String {
    format!("count/{badge}/{user}")
}

fn count(
    badge: &'static str,
    user: &str,
    person: &str,
    server: &mut impl Server,
) -> Result<(), Unreadable> {
    let settings = match server.setting(badge) {
        Some(json) => serde_json::from_str(&json).map_err(|_| Unreadable(badge))?,
        None => Badge::default(),
    };
    if !settings.enabled || user.starts_with("system:") {
        return Ok(());
    }
    let key = key(badge, user);
    let stored = server.load(&key);
    let revision = stored.as_ref().map_or(0, |(_, revision)| *revision);
    let mut counter = Counter::read(stored.as_ref().map(|(value, _)| value.as_slice()));
    if counter.add(person, settings.distinct, settings.most) {
        server.store(&key, Some(&counter.write()), user, revision);
        server.show(user, badge, counter.count);
    }
    Ok(())
}

/// Takes back to nothing what is not there already: the badge of that name, or all. Answers which.
fn reset(user: &str, which: Option<&str>, server: &mut impl Server) -> Vec<&'static str> {
    let mut done = Vec::new();
    for badge in BADGES
        .into_iter()
        .filter(|badge| which.is_none_or(|which| which == *badge))
    {
        let key = key(badge, user);
        if let Some((_, revision)) = server.load(&key) {
            server.store(&key, None, user, revision);
            server.show(user, badge, 0);
            done.push(badge);
        }
    }
    done
}

/// Why a command has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unanswered {
    /// The arguments or the caller are wrong; what would be right.
    Usage(&'static str),
    /// There is no such command.
    Unknown,
}

/// Answers a command: `reset`, of the caller's own badges.
///
/// # Errors
///
/// When there is nothing to answer.
pub fn command(
    name: &str,
    caller: &str,
    args: &str,
    server: &mut impl Server,
) -> Result<String, Unanswered> {
    #[derive(Deserialize)]
    struct Reset {
        badge: Option<String>,
    }
    if name != "reset" {
        return Err(Unanswered::Unknown);
    }
    if caller.starts_with("system:") {
        return Err(Unanswered::Usage(
            "a system account has no badges: record app.badges.cleared with the user as its subject",
        ));
    }
    let usage =
        Unanswered::Usage("badge is one of profile_views, likes, matches, or left out for all");
    let Ok(Reset { badge }) = serde_json::from_str(args) else {
        return Err(usage);
    };
    if badge
        .as_deref()
        .is_some_and(|badge| !BADGES.contains(&badge))
    {
        return Err(usage);
    }
    let done = reset(caller, badge.as_deref(), server);
    Ok(serde_json::json!({ "reset": done }).to_string())
}

#[cfg(test)]
mod tests;
