//! Word lists: the built-in ones by language and the operator's own.
//!
//! A term is written as in `fold`: small letters without marks. It stands for a whole word; `*` at its end or its beginning lets the
//! word go on there, and a space makes it a phrase. In scripts that leave no space between words a term is looked for
//! everywhere, one in Katakana as a whole run of Katakana.
//!
//! Of the text the first two letters of each word are kept in a small set, so that nearly all terms are passed over
//! with one look: what a list costs hardly depends on the text.

mod lists;
mod reading;
mod term;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Range;

pub use lists::{LISTS, List};

use crate::fold::Folded;
use crate::settings::{self, Severity};
use reading::Reading;
use term::Term;

/// A word that a list names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it stands in the text, in bytes.
    pub span: Range<usize>,
    /// How bad the list says it is.
    pub severity: Severity,
}

/// All words of the lists that the settings choose.
#[must_use]
pub fn find(text: &Folded, settings: &settings::Words<'_>) -> Vec<Found> {
    let reading = Reading::of(text);
    let mut found = Vec::new();
    let chosen = LISTS.iter().filter(|list| {
        let can_occur = if list.east_asian {
            text.east_asian
        } else {
            text.latin
        };
        can_occur
            && settings
                .languages
                .iter()
                .any(|language| language == list.language)
    });
    for list in chosen {
        let before = found.len();
        for (severity, terms) in [
            (Severity::Low, list.low),
            (Severity::Medium, list.medium),
            (Severity::High, list.high),
        ] {
            for term in terms {
                reading.find(&Term::parse(term), severity, &mut found);
            }
        }
        drop_excepted(
            &mut found,
            before,
            &reading,
            list.except.iter().map(|term| Cow::Borrowed(*term)),
        );
    }
    let own = [
        (Severity::Low, &settings.low),
        (Severity::Medium, &settings.medium),
        (Severity::High, &settings.high),
        (Severity::Critical, &settings.critical),
    ];
    for (severity, terms) in own {
        for term in terms {
            reading.find(&Term::parse(&folded(term)), severity, &mut found);
        }
    }
    drop_excepted(
        &mut found,
        0,
        &reading,
        settings.except.iter().map(|term| folded(term)),
    );
    found
        .into_iter()
        .map(|at| Found {
            span: text.span(at.from, at.to),
            severity: at.severity,
        })
        .collect()
}

/// What an operator wrote as it is read. Most of it is that already.
fn folded(term: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'*' || byte == b' ';
    if term.bytes().all(plain) {
        return Cow::Borrowed(term);
    }
    Cow::Owned(Folded::of(term).text())
}

/// Where a term was found, in letters of the folded text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct At {
    from: usize,
    to: usize,
    severity: Severity,
}

/// Takes out what stands within an exception: the exceptions are looked at only where something was found.
fn drop_excepted<'a>(
    found: &mut Vec<At>,
    from: usize,
    reading: &Reading,
    terms: impl Iterator<Item = Cow<'a, str>>,
) {
    if found.len() == from {
        return;
    }
    let mut excepted = Vec::new();
    for term in terms {
        reading.find(&Term::parse(&term), Severity::Low, &mut excepted);
    }
    let mut index = 0;
    found.retain(|at| {
        index += 1;
        index <= from
            || !excepted
                .iter()
                .any(|exception| exception.from <= at.from && at.to <= exception.to)
    });
}
