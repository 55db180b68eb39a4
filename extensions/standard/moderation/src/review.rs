//! One review: every rule that the settings switch on, and the verdict.

use std::ops::Range;

use serde::Deserialize;

use crate::fold::Folded;
use crate::settings::{
    Actions, Contacts, FIRST_CONTACT_RAISE, Links, Rates, Repeats, Severity, Words,
};
use crate::verdict::{Finding, Rule, Verdict};
use crate::{contacts, links, repeats, spoken, words};

const MINUTE: u32 = 60_000;
const HOUR: u32 = 60 * MINUTE;
const DAY: u32 = 24 * HOUR;

/// What a rule found: how bad, and where if not in the whole.
type Found = (Rule, Severity, Option<Range<usize>>);

/// What is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Draft<'a> {
    /// Whose it is.
    pub author: &'a str,
    /// What it says.
    pub text: &'a str,
    /// Whether it is a new message: only those are counted.
    pub is_message: bool,
    /// Whether it is the first that somebody hears of the author.
    pub is_first_contact: bool,
    /// Whether another text can take its place.
    pub can_be_masked: bool,
}

/// What a review asks the server.
pub trait Server {
    /// The setting of that name, as JSON.
    fn setting(&self, name: &str) -> Option<String>;
    /// Counts one more under the name and key and answers how many there are in the window; none where it cannot be counted.
    fn count(&self, name: &str, key: &str, window_ms: u32) -> Option<u32>;
}

/// Why there is no verdict: the setting of that name is not what the schema says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable(pub &'static str);

/// The text of a setting has to outlive what is read of it, so this holds the text.
struct Setting {
    name: &'static str,
    json: Option<String>,
}

impl Setting {
    fn of(server: &impl Server, name: &'static str) -> Self {
        Self {
            name,
            json: server.setting(name),
        }
    }

    fn read<'a, T: Deserialize<'a> + Default>(&'a self) -> Result<T, Unreadable> {
        match &self.json {
            None => Ok(T::default()),
            Some(json) => serde_json::from_str(json).map_err(|_| Unreadable(self.name)),
        }
    }
}

/// Looks at a draft.
///
/// # Errors
///
/// When a setting cannot be read.
pub fn review(draft: &Draft<'_>, server: &impl Server) -> Result<Verdict, Unreadable> {
    let folded = Folded::of(draft.text);
    let mut found: Vec<Found> = Vec::new();

    let setting = Setting::of(server, "words");
    let settings: Words<'_> = setting.read()?;
    found.extend(
        words::find(&folded, &settings)
            .into_iter()
            .map(|word| (Rule::Words, word.severity, Some(word.span))),
    );

    let setting = Setting::of(server, "links");
    let link_settings: Links<'_> = setting.read()?;
    let contacts: Contacts = Setting::of(server, "contacts").read()?;
    let pieces = spoken::pieces(&folded);
    found.extend(
        contacts::find(&folded, &pieces, &contacts)
            .into_iter()
            .map(|way| (Rule::Contacts, way.severity, Some(way.span))),
    );
    if link_settings.severity != Severity::Off {
        let spans = links::find(&folded, &pieces, &link_settings).into_iter();
        found.extend(spans.map(|span| (Rule::Links, link_settings.severity, Some(span))));
    }
    if draft.is_first_contact && !found.is_empty() {
        let raise: Option<u8> = Setting::of(server, "first_contact_raise").read()?;
        for (_, severity, _) in &mut found {
            *severity = severity.raised(raise.unwrap_or(FIRST_CONTACT_RAISE));
        }
    }
    if draft.is_message {
        count(draft, &folded, server, &mut found)?;
    }
    if found.is_empty() {
        return Ok(Verdict::default());
    }
    let actions: Actions = Setting::of(server, "actions").read()?;
    let findings = found.into_iter().map(|(rule, severity, span)| Finding {
        rule,
        action: actions.of(severity),
        span,
    });
    Ok(Verdict::of(
        draft.text,
        &findings.collect::<Vec<_>>(),
        draft.can_be_masked,
    ))
}

/// Counts the draft, and finds when there are too many.
fn count(
    draft: &Draft<'_>,
    folded: &Folded,
    server: &impl Server,
    found: &mut Vec<Found>,
) -> Result<(), Unreadable> {
    let repeats: Repeats = Setting::of(server, "repeats").read()?;
    if repeats.severity != Severity::Off {
        let mut most = 0;
        for key in repeats::keys(folded, draft.author, repeats.letters) {
            most = most.max(server.count("repeats", &key, HOUR).unwrap_or(0));
        }
        if most > repeats.per_hour {
            found.push((Rule::Repeats, repeats.severity, None));
        }
    }
    let rates: Rates = Setting::of(server, "rates").read()?;
    let windows: [(&str, u32, u32, bool); 4] = [
        ("messages_minute", MINUTE, rates.messages_per_minute, false),
        ("messages_hour", HOUR, rates.messages_per_hour, false),
        (
            "first_contacts_hour",
            HOUR,
            rates.first_contacts_per_hour,
            true,
        ),
        (
            "first_contacts_day",
            DAY,
            rates.first_contacts_per_day,
            true,
        ),
    ];
    for (name, window_ms, limit, of_first_contacts) in windows {
        if rates.severity == Severity::Off
            || limit == 0
            || (of_first_contacts && !draft.is_first_contact)
        {
            continue;
        }
        if server
            .count(name, draft.author, window_ms)
            .is_some_and(|count| count > limit)
        {
            found.push((Rule::Rates, rates.severity, None));
            break;
        }
    }
    Ok(())
}

/// What an author is told, by the setting `reasons`.
///
/// # Errors
///
/// When the setting cannot be read.
pub fn reason(rule: Rule, server: &impl Server) -> Result<String, Unreadable> {
    let setting = Setting::of(server, "reasons");
    let reasons = setting.read()?;
    Ok(rule.reason(&reasons).to_owned())
}

/// Whether the author is the product itself, whose texts are not looked at.
///
/// # Errors
///
/// When the setting cannot be read.
pub fn is_trusted(author: &str, server: &impl Server) -> Result<bool, Unreadable> {
    if !author.starts_with("system:") {
        return Ok(false);
    }
    let trusted: Option<bool> = Setting::of(server, "trust_system_accounts").read()?;
    Ok(trusted.unwrap_or(true))
}

#[cfg(test)]
mod tests;
