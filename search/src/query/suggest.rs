//! What there is instead of what was asked for.

use crate::attributes::{Attributes, Kind};

/// That no such attribute can be asked for, what was probably meant, and what there is. Attributes that are
/// not public are not told to those who may not ask for them.
pub(super) fn unknown(name: &str, attributes: &Attributes, all: bool) -> String {
    let told: String = name.chars().take(64).collect();
    let dots = if told.len() < name.len() { "…" } else { "" };
    let declared: Vec<&str> = visible(attributes, all, |_| true);
    let mut message = format!("there is no attribute `{told}{dots}`");
    match nearest(&told, &declared) {
        Some(meant) => message.push_str(&format!(", did you mean `{meant}`?")),
        None => message.push(';'),
    }
    if declared.is_empty() {
        message.push_str(" none is declared");
    } else {
        message.push_str(&format!(" there are: {}", declared.join(", ")));
    }
    message
}

/// The names of attributes that may be asked for and are of a kind.
pub(super) fn visible(
    attributes: &Attributes,
    all: bool,
    wanted: impl Fn(Kind) -> bool,
) -> Vec<&str> {
    attributes
        .iter()
        .filter(|(_, attribute)| (all || attribute.public) && wanted(attribute.kind))
        .map(|(name, _)| name)
        .collect()
}

/// Which of the words was probably meant: one or two slips away.
pub(crate) fn nearest<'a>(given: &str, words: &[&'a str]) -> Option<&'a str> {
    let given: Vec<char> = given.to_lowercase().chars().take(64).collect();
    let most = match given.len() {
        0 | 1 => return None,
        2..=4 => 1,
        _ => 2,
    };
    words
        .iter()
        .map(|word| (slips(&given, &word.chars().collect::<Vec<_>>()), *word))
        .filter(|(slips, word)| *slips <= most || starts(word, &given))
        .min()
        .map(|(_, word)| word)
}

/// Whether someone just stopped early: `loc` for `location`.
fn starts(word: &str, given: &[char]) -> bool {
    given.len() >= 3 && word.chars().zip(given).filter(|(a, b)| a == *b).count() == given.len()
}

/// How many letters were left out, added, taken for another or swapped with the next.
fn slips(given: &[char], word: &[char]) -> usize {
    let mut two_ago: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=word.len()).collect();
    for (row, letter) in given.iter().enumerate() {
        let mut this = Vec::with_capacity(last.len());
        this.push(row + 1);
        for (column, other) in word.iter().enumerate() {
            let taken = last[column] + usize::from(letter != other);
            let mut best = taken.min(last[column + 1] + 1).min(this[column] + 1);
            let swapped =
                row > 0 && column > 0 && given[row - 1] == *other && word[column - 1] == *letter;
            if swapped {
                best = best.min(two_ago[column - 1] + 1);
            }
            this.push(best);
        }
        two_ago = std::mem::replace(&mut last, this);
    }
    last[word.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_are_found() {
        let words = ["age", "city", "joined", "location", "verified"];
        for (given, meant) in [
            ("ctiy", Some("city")),
            ("citty", Some("city")),
            ("Citys", Some("city")),
            ("cities", None),
            ("verifeid", Some("verified")),
            ("loc", Some("location")),
            ("ag", Some("age")),
            ("x", None),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(given, &words), meant, "{given}");
        }
    }
}
