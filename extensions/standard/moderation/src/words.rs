//! Word lists: the built-in ones by language and the operator's own.
//!
//! A term is written as in `fold`: small letters without marks. It stands for a whole word; `*` at its end or its beginning lets the
//! word go on there, and a space makes it a phrase. In scripts that leave no space between words a term is looked for
//! everywhere, one in Katakana as a whole run of Katakana.
//!
//! Terms are put in order once, by the first two letters that differ, and
//! each word of a text is compared with those alone that begin as it does: what a list costs hardly depends on its length.

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
use reading::{BEGINNINGS, Reading, beginning, is_dense};
use term::Term;

/// A word that a list names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it stands in the text, in bytes.
    pub span: Range<usize>,
    /// How bad the list says it is.
    pub severity: Severity,
}

/// All terms of the lists that the settings choose, and of the operator's own.
#[derive(Debug)]
pub struct Terms {
    /// One word each, of scripts with spaces between words.
    words: Sorted,
    /// Several words each.
    phrases: Sorted,
    /// Those that may stand within a word.
    within: Vec<Entry>,
    /// Those of scripts without spaces.
    dense: Vec<Entry>,
    /// The operator's exceptions, which hold for all.
    except: Vec<Cow<'static, str>>,
}

/// Terms by what they begin with.
#[derive(Debug)]
struct Sorted {
    /// In the order of their beginnings.
    entries: Vec<Entry>,
    /// Where those of each beginning start, and at the end where all end.
    starts: Vec<u16>,
}

impl Sorted {
    fn of(mut entries: Vec<Entry>) -> Self {
        // More than an operator can set.
        entries.truncate(usize::from(u16::MAX));
        entries.sort_by_cached_key(|entry| beginning(entry.term().text));
        let mut starts = Vec::with_capacity(BEGINNINGS + 1);
        for (at, entry) in (0..).zip(&entries) {
            starts.resize(beginning(entry.term().text) + 1, at);
        }
        starts.resize(BEGINNINGS + 1, entries.len() as u16);
        Self { entries, starts }
    }

    fn of_beginning(&self, beginning: usize) -> &[Entry] {
        let (from, to) = (self.starts[beginning], self.starts[beginning + 1]);
        &self.entries[from.into()..to.into()]
    }
}

/// A term and where it comes from.
#[derive(Debug, Clone)]
struct Entry {
    text: Cow<'static, str>,
    severity: Severity,
    /// The list in [`LISTS`]; none for the operator's own.
    list: Option<u8>,
}

impl Entry {
    fn term(&self) -> Term<'_> {
        Term::parse(&self.text)
    }
}

/// Where a term was found, in letters of the folded text.
#[derive(Debug, Clone)]
struct At {
    letters: Range<usize>,
    severity: Severity,
    list: Option<u8>,
}

impl Terms {
    /// Puts them in order.
    #[must_use]
    pub fn of(settings: &settings::Words) -> Self {
        let mut all = Vec::new();
        for (at, list) in (0..).zip(&LISTS) {
            if !settings
                .languages
                .iter()
                .any(|chosen| chosen == list.language)
            {
                continue;
            }
            for (severity, terms) in [
                (Severity::Low, list.low),
                (Severity::Medium, list.medium),
                (Severity::High, list.high),
            ] {
                all.extend(terms.iter().map(|term| Entry {
                    text: Cow::Borrowed(term),
                    severity,
                    list: Some(at),
                }));
            }
        }
        for (severity, terms) in [
            (Severity::Low, &settings.low),
            (Severity::Medium, &settings.medium),
            (Severity::High, &settings.high),
            (Severity::Critical, &settings.critical),
        ] {
            all.extend(terms.iter().map(|term| Entry {
                text: folded(term),
                severity,
                list: None,
            }));
        }
        let (dense, spaced): (Vec<Entry>, Vec<Entry>) = all
            .into_iter()
            .filter(|entry| !entry.term().text.is_empty())
            .partition(|entry| entry.term().text.starts_with(is_dense));
        let (within, spaced): (Vec<Entry>, Vec<Entry>) = spaced
            .into_iter()
            .partition(|entry| entry.term().open_start);
        let (phrases, words) = spaced
            .into_iter()
            .partition(|entry| entry.term().is_phrase());
        Self {
            words: Sorted::of(words),
            phrases: Sorted::of(phrases),
            within,
            dense,
            except: settings.except.iter().map(|term| folded(term)).collect(),
        }
    }

    /// All that stand in the text.
    #[must_use]
    pub fn find(&self, text: &Folded) -> Vec<Found> {
        let reading = Reading::of(text);
        let mut found = Vec::new();
        let can_occur = |entry: &&Entry| can_occur(entry.list, text);
        let mut anywhere = |entries: &[Entry]| {
            for entry in entries.iter().filter(can_occur) {
                reading.find_spaced(&entry.term(), &mut at(entry, &mut found));
            }
        };
        anywhere(&self.within);
        if reading.has_hidden() {
            anywhere(&self.words.entries);
            anywhere(&self.phrases.entries);
        } else {
            for number in reading.words() {
                for beginning in reading.beginnings(number) {
                    let entries = self.words.of_beginning(beginning).iter();
                    for entry in entries.filter(can_occur) {
                        reading.find_word(&entry.term(), number, &mut at(entry, &mut found));
                    }
                }
            }
            for (place, number) in reading.plain().iter().enumerate() {
                for beginning in reading.beginnings(*number) {
                    let entries = self.phrases.of_beginning(beginning).iter();
                    for entry in entries.filter(can_occur) {
                        reading.find_phrase(&entry.term(), place, &mut at(entry, &mut found));
                    }
                }
            }
        }
        if text.east_asian {
            for entry in &self.dense {
                reading.find_dense(&entry.term(), &mut at(entry, &mut found));
            }
        }
        self.drop_excepted(&mut found, &reading);
        found
            .into_iter()
            .map(|at| Found {
                span: text.span(at.letters.start, at.letters.end),
                severity: at.severity,
            })
            .collect()
    }

    /// Takes out what stands within an exception: of its list, or of the operator's.
    fn drop_excepted(&self, found: &mut Vec<At>, reading: &Reading) {
        let mut lists: Vec<Option<u8>> = found.iter().map(|at| at.list).collect();
        // Looked at only where something was found.
        if lists.is_empty() {
            return;
        }
        lists.push(None);
        lists.sort_unstable();
        lists.dedup();
        for list in lists {
            let mut excepted: Vec<Range<usize>> = Vec::new();
            let mut add = |term: &str| {
                reading.find(&Term::parse(term), &mut |letters| excepted.push(letters));
            };
            match list {
                Some(at) => LISTS[usize::from(at)]
                    .except
                    .iter()
                    .for_each(|term| add(term)),
                None => self.except.iter().for_each(|term| add(term)),
            }
            found.retain(|at| {
                let counts = list.is_none() || at.list == list;
                let within = |exception: &Range<usize>| {
                    exception.start <= at.letters.start && at.letters.end <= exception.end
                };
                !(counts && excepted.iter().any(within))
            });
        }
    }
}

fn at<'a>(entry: &'a Entry, found: &'a mut Vec<At>) -> impl FnMut(Range<usize>) + use<'a> {
    move |letters| {
        found.push(At {
            letters,
            severity: entry.severity,
            list: entry.list,
        });
    }
}

/// Whether words of the list can stand in the text: its script is there.
fn can_occur(list: Option<u8>, text: &Folded) -> bool {
    list.is_none_or(|at| match LISTS[usize::from(at)].east_asian {
        true => text.east_asian,
        false => text.latin,
    })
}

/// What an operator wrote as it is read.
fn folded(term: &str) -> Cow<'static, str> {
    let term = Folded::of(term).text();
    // A space beside a star, or at an end, stands for nothing.
    let words: Vec<&str> = term
        .split(' ')
        .filter(|word| !word.is_empty() && *word != "*")
        .collect();
    Cow::Owned(words.join(" "))
}
