//! Ways to reach somebody elsewhere: telephone numbers, e-mail addresses, names at messengers, also spelled out.

mod emails;
mod messengers;
mod phones;

use std::ops::Range;

use crate::fold::Folded;
use crate::settings::{self, Severity};
use crate::spoken::Piece;

/// A way to reach somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// Where it stands in the text, in bytes.
    pub(crate) span: Range<usize>,
    /// What the settings say of its sort.
    pub(crate) severity: Severity,
}

/// All that the settings name.
pub(crate) fn find(text: &Folded, pieces: &[Piece], settings: &settings::Contacts) -> Vec<Found> {
    let mut found = Vec::new();
    let mut add = |severity, letters: Vec<Range<usize>>| {
        let spans = letters
            .into_iter()
            .map(|letters| text.span(letters.start, letters.end));
        found.extend(spans.map(|span| Found { span, severity }));
    };
    if settings.emails != Severity::Off {
        add(settings.emails, emails::find(text, pieces));
    }
    if settings.messengers != Severity::Off {
        add(settings.messengers, messengers::find(text, pieces));
    }
    if settings.phones != Severity::Off {
        add(
            settings.phones,
            phones::find(text, pieces, settings.phone_digits),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spoken;

    #[test]
    fn each_sort_has_a_severity_of_its_own() {
        let text = Folded::of("write to ann@example.org, +49 170 1234567 or telegram: @anna99");
        let settings = settings::Contacts {
            emails: Severity::High,
            phones: Severity::Off,
            messengers: Severity::Medium,
            ..settings::Contacts::default()
        };
        let found = find(&text, &spoken::pieces(&text), &settings);
        let severities: Vec<Severity> = found.iter().map(|found| found.severity).collect();
        assert_eq!(severities, [Severity::High, Severity::Medium]);
    }
}
