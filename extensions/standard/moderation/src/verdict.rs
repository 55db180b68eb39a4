//! From what was found to what becomes of a draft: the strictest action decides, and all that is to be masked is.

use std::borrow::Cow;
use std::ops::Range;

use crate::settings::{Action, Reasons};

/// What found something. Its name is the label a message gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// Word lists.
    Words,
    /// Links.
    Links,
    /// Contact details.
    Contacts,
    /// Repeated texts.
    Repeats,
    /// Too much at a time.
    Rates,
}

impl Rule {
    /// As labels, settings and metrics call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Words => "words",
            Self::Links => "links",
            Self::Contacts => "contacts",
            Self::Repeats => "repeats",
            Self::Rates => "rates",
        }
    }

    /// What the author is told.
    #[must_use]
    pub fn reason(self, reasons: &Reasons) -> &str {
        match self {
            Self::Words => &reasons.words,
            Self::Links => &reasons.links,
            Self::Contacts => &reasons.contacts,
            Self::Repeats => &reasons.repeats,
            Self::Rates => &reasons.rates,
        }
    }
}

/// Something a rule found, and what the settings say is done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which rule.
    pub rule: Rule,
    /// What is done.
    pub action: Action,
    /// Where it stands, in bytes; absent where it is the whole.
    pub span: Option<Range<usize>>,
}

/// What becomes of a draft.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// It is refused on behalf of this rule.
    pub reject: Option<Rule>,
    /// It waits on behalf of this rule.
    pub hold: Option<Rule>,
    /// What it says instead.
    pub text: Option<String>,
    /// Rules that found something, in their order.
    pub labels: Vec<Rule>,
}

impl Verdict {
    /// Of all that was found in the text. Where it cannot be masked, as in a profile, or there is nothing to mask, it waits.
    #[must_use]
    pub fn of(text: &str, findings: &[Finding], can_be_masked: bool) -> Self {
        let mut verdict = Self::default();
        let mut masked = Vec::new();
        for finding in findings {
            let action = match (finding.action, &finding.span) {
                (Action::Mask, Some(span)) if can_be_masked => {
                    masked.push(span.clone());
                    Action::Mask
                }
                (Action::Mask, _) => Action::Hold,
                (action, _) => action,
            };
            match action {
                Action::None => continue,
                Action::Reject => _ = verdict.reject.get_or_insert(finding.rule),
                Action::Hold => _ = verdict.hold.get_or_insert(finding.rule),
                Action::Mask | Action::Label => {}
            }
            verdict.labels.push(finding.rule);
        }
        verdict.labels.sort_unstable();
        verdict.labels.dedup();
        if !masked.is_empty() {
            verdict.text = Some(mask(text, masked).into_owned());
        }
        verdict
    }
}

/// A star for every letter there; spaces stay, so that the text has its shape.
fn mask(text: &str, mut spans: Vec<Range<usize>>) -> Cow<'_, str> {
    spans.sort_unstable_by_key(|span| (span.start, span.end));
    let mut masked = String::with_capacity(text.len());
    let mut at = 0;
    for span in spans {
        let start = span.start.max(at);
        if span.end <= start {
            continue;
        }
        masked.push_str(&text[at..start]);
        masked.extend(
            text[start..span.end]
                .chars()
                .map(|letter| if letter.is_whitespace() { letter } else { '*' }),
        );
        at = span.end;
    }
    masked.push_str(&text[at..]);
    Cow::Owned(masked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(rule: Rule, action: Action, span: Option<Range<usize>>) -> Finding {
        Finding { rule, action, span }
    }

    #[test]
    fn the_strictest_decides_and_all_are_labels() {
        let verdict = Verdict::of(
            "one two",
            &[
                finding(Rule::Links, Action::Hold, None),
                finding(Rule::Words, Action::Label, Some(0..3)),
                finding(Rule::Contacts, Action::Reject, Some(4..7)),
                finding(Rule::Rates, Action::None, None),
                finding(Rule::Words, Action::Label, Some(4..7)),
            ],
            true,
        );
        assert_eq!(verdict.reject, Some(Rule::Contacts));
        assert_eq!(verdict.hold, Some(Rule::Links));
        assert_eq!(verdict.labels, [Rule::Words, Rule::Links, Rule::Contacts]);
        assert_eq!(verdict.text, None);
    }

    #[test]
    fn masks_keep_the_shape_and_may_overlap() {
        let findings = [
            finding(Rule::Links, Action::Mask, Some(8..14)),
            finding(Rule::Words, Action::Mask, Some(0..7)),
            finding(Rule::Words, Action::Mask, Some(4..10)),
        ];
        let verdict = Verdict::of("größe in dem Haus", &findings, true);
        assert_eq!(verdict.text.as_deref(), Some("***** ** *** Haus"));
    }

    #[test]
    fn what_cannot_be_masked_waits() {
        let words = [finding(Rule::Words, Action::Mask, Some(0..3))];
        assert_eq!(Verdict::of("one", &words, false).hold, Some(Rule::Words));
        let rates = [finding(Rule::Rates, Action::Mask, None)];
        assert_eq!(Verdict::of("one", &rates, true).hold, Some(Rule::Rates));
    }
}
