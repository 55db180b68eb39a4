//! One review: every rule that the settings switch on, and the verdict.

use std::ops::Range;

use crate::fold::Folded;
use crate::settings::{Settings, Severity};
use crate::verdict::{Finding, Rule, Verdict};
use crate::words::Terms;
use crate::{contacts, links, repeats, spoken};

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

/// Where the server counts.
pub trait Windows {
    /// Counts one more under the name and key and answers how many there are in the window; none where it cannot be counted.
    fn count(&self, name: &str, key: &str, window_ms: u32) -> Option<u32>;
}

/// What drafts are looked at with: the settings, and what is made of them once.
#[derive(Debug)]
pub struct Rules {
    settings: Settings,
    terms: Terms,
}

impl Rules {
    /// By the settings.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let terms = Terms::of(&settings.words);
        Self { settings, terms }
    }

    /// Whether the author is the product itself, whose texts are not looked at.
    #[must_use]
    pub fn is_trusted(&self, author: &str) -> bool {
        self.settings.trust_system_accounts && author.starts_with("system:")
    }

    /// What an author is told.
    #[must_use]
    pub fn reason(&self, rule: Rule) -> &str {
        rule.reason(&self.settings.reasons)
    }

    /// Looks at a draft.
    #[must_use]
    pub fn review(&self, draft: &Draft<'_>, windows: &impl Windows) -> Verdict {
        let settings = &self.settings;
        let folded = Folded::of(draft.text);
        let pieces = spoken::pieces(&folded);
        let words = self.terms.find(&folded).into_iter();
        let mut found: Vec<Found> = words
            .map(|word| (Rule::Words, word.severity, Some(word.span)))
            .collect();
        found.extend(
            contacts::find(&folded, &pieces, &settings.contacts)
                .into_iter()
                .map(|way| (Rule::Contacts, way.severity, Some(way.span))),
        );
        if settings.links.severity != Severity::Off {
            let spans = links::find(&folded, &pieces, &settings.links).into_iter();
            found.extend(spans.map(|span| (Rule::Links, settings.links.severity, Some(span))));
        }
        if draft.is_first_contact {
            for (_, severity, _) in &mut found {
                *severity = severity.raised(settings.first_contact_raise);
            }
        }
        if draft.is_message {
            self.count(draft, &folded, windows, &mut found);
        }
        if found.is_empty() {
            return Verdict::default();
        }
        let findings = found.into_iter().map(|(rule, severity, span)| Finding {
            rule,
            action: settings.actions.of(severity),
            span,
        });
        Verdict::of(
            draft.text,
            &findings.collect::<Vec<_>>(),
            draft.can_be_masked,
        )
    }

    /// Counts the draft, and finds when there are too many.
    fn count(
        &self,
        draft: &Draft<'_>,
        folded: &Folded,
        windows: &impl Windows,
        found: &mut Vec<Found>,
    ) {
        let repeats = self.settings.repeats;
        if repeats.severity != Severity::Off {
            let mut most = 0;
            for key in repeats::keys(folded, draft.author, repeats.letters) {
                most = most.max(windows.count("repeats", &key, HOUR).unwrap_or(0));
            }
            if most > repeats.per_hour {
                found.push((Rule::Repeats, repeats.severity, None));
            }
        }
        let rates = self.settings.rates;
        let limits: [(&str, u32, u32, bool); 4] = [
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
        for (name, window_ms, limit, of_first_contacts) in limits {
            if rates.severity == Severity::Off
                || limit == 0
                || (of_first_contacts && !draft.is_first_contact)
            {
                continue;
            }
            if windows
                .count(name, draft.author, window_ms)
                .is_some_and(|count| count > limit)
            {
                found.push((Rule::Rates, rates.severity, None));
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests;
