//! What holds for every filter that a program makes, whatever it is about: how deep it goes, how many parts
//! and words it has; and where in it something is wrong.

use super::parse::{Tree, count};
use super::{How, MAX_DEPTH, MAX_LIMIT, MAX_NODES, MAX_QUERY_BYTES, MAX_WORDS, QueryError};
use crate::profile::dates;

/// A field of a condition, as in `.text.words`, and what is wrong with it.
pub(crate) type Wrong = (&'static str, String);

/// What was counted so far.
#[derive(Default)]
pub(crate) struct Limits {
    nodes: usize,
    words: usize,
    bytes: usize,
}

/// Goes through a filter and has each condition checked. An error says where in the tree.
pub(crate) fn walk<F: Tree>(
    filter: &F,
    mut condition: impl FnMut(&F, &mut Limits) -> Result<(), Wrong>,
) -> Result<(), QueryError> {
    let mut path = Vec::new();
    Limits::default()
        .part(filter, 1, &mut path, &mut condition)
        .map_err(|(field, message)| QueryError {
            at: format!("filter{}{field}", path.concat()),
            message,
        })
}

impl Limits {
    /// Leaves the steps to what is wrong in `path`.
    fn part<F: Tree>(
        &mut self,
        filter: &F,
        depth: usize,
        path: &mut Vec<String>,
        condition: &mut impl FnMut(&F, &mut Limits) -> Result<(), Wrong>,
    ) -> Result<(), Wrong> {
        if depth > MAX_DEPTH {
            let message = format!("nested too deep: the limit is {MAX_DEPTH} levels");
            return Err(("", message));
        }
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(("", format!("the query has more than {MAX_NODES} parts")));
        }
        let Some((name, parts)) = filter.parts() else {
            return condition(filter, self);
        };
        for (index, part) in parts.iter().enumerate() {
            path.push(match name {
                "not" => ".not".to_owned(),
                name => format!(".{name}[{index}]"),
            });
            self.part(part, depth + 1, path, condition)?;
            path.pop();
        }
        Ok(())
    }

    /// More words that are looked for.
    pub(crate) fn words(&mut self, words: &str, how: How) -> Result<(), String> {
        // Before words are made of it.
        self.bytes += words.len();
        if self.bytes > MAX_QUERY_BYTES {
            return Err(format!(
                "more than {MAX_QUERY_BYTES} bytes of words in the query"
            ));
        }
        let count = count(words, how);
        if count == 0 {
            return Err("there is no letter or digit to look for".to_owned());
        }
        self.words += count;
        if self.words > MAX_WORDS {
            return Err(format!("the query has more than {MAX_WORDS} words"));
        }
        Ok(())
    }
}

/// Whether a page can have so many hits.
pub(crate) fn page(limit: usize) -> Result<(), QueryError> {
    if (1..=MAX_LIMIT).contains(&limit) {
        return Ok(());
    }
    Err(QueryError {
        at: "limit".to_owned(),
        message: format!("{limit} is not from 1 to {MAX_LIMIT}"),
    })
}

/// Whether there is such a moment, in milliseconds since 1970.
pub(crate) fn moment(ms: i64) -> Result<(), String> {
    if dates::RANGE.contains(&ms) {
        return Ok(());
    }
    Err(format!(
        "{ms} milliseconds since 1970 are not in the years 1 to 9999"
    ))
}

/// Whether something lies between two ends; `descends` says that the second comes before the first.
pub(crate) fn range<T: Copy>(
    from: Option<T>,
    to: Option<T>,
    descends: impl FnOnce(T, T) -> bool,
) -> Result<(), String> {
    match (from, to) {
        (None, None) => Err("a range needs `from` or `to`".to_owned()),
        (Some(from), Some(to)) if descends(from, to) => {
            Err("the range ends before it begins".to_owned())
        }
        _ => Ok(()),
    }
}
