//! Whether a query can be asked.

use super::MAX_USER_BYTES;
use super::query::{Filter, MessageQuery};
use crate::people::{MAX_RANGES, MAX_WORDS};
use crate::profile::dates;
use crate::query::parse::count;
use crate::query::{How, MAX_DEPTH, MAX_LIMIT, MAX_NODES, MAX_QUERY_BYTES, QueryError};
use crate::text;

/// Most users, and conversations, that a query names.
pub const MAX_VALUES: usize = 256;

/// Checks a whole query.
pub fn check(query: &MessageQuery) -> Result<(), QueryError> {
    check_filter(&query.filter)?;
    if !(1..=MAX_LIMIT).contains(&query.limit) {
        return Err(QueryError {
            at: "limit".to_owned(),
            message: format!("{} is not from 1 to {MAX_LIMIT}", query.limit),
        });
    }
    Ok(())
}

/// Checks a filter. An error says where in the tree: `filter.all[1].sent`.
pub fn check_filter(filter: &Filter) -> Result<(), QueryError> {
    let mut path = Vec::new();
    Check::default()
        .filter(filter, 1, &mut path)
        .map_err(|(field, message)| QueryError {
            at: format!("filter{}{field}", path.concat()),
            message,
        })
}

#[derive(Default)]
struct Check {
    nodes: usize,
    words: usize,
    begins: usize,
    bytes: usize,
    values: usize,
}

/// A field of the node, and what is wrong with it.
type Wrong = (&'static str, String);

impl Check {
    /// Leaves the steps to what is wrong in `path`.
    fn filter(
        &mut self,
        filter: &Filter,
        depth: usize,
        path: &mut Vec<String>,
    ) -> Result<(), Wrong> {
        if depth > MAX_DEPTH {
            let message = format!("nested too deep: the limit is {MAX_DEPTH} levels");
            return Err(("", message));
        }
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(("", format!("the query has more than {MAX_NODES} parts")));
        }
        match filter {
            Filter::All(parts) => self.parts("all", parts, depth, path),
            Filter::Any(parts) => self.parts("any", parts, depth, path),
            Filter::Not(part) => {
                path.push(".not".to_owned());
                self.filter(part, depth + 1, path)?;
                path.pop();
                Ok(())
            }
            Filter::Text { words, how } => self
                .text(words, *how)
                .map_err(|message| (".text.words", message)),
            Filter::From(users) => {
                let wrong = users
                    .iter()
                    .find(|user| user.is_empty() || user.len() > MAX_USER_BYTES);
                match wrong {
                    Some(user) => Err((
                        ".from",
                        format!(
                            "the id of a user has 1 to {MAX_USER_BYTES} bytes, this one has {}",
                            user.len()
                        ),
                    )),
                    None => self.values(users.len()).map_err(|error| (".from", error)),
                }
            }
            Filter::In(conversations) => self
                .values(conversations.len())
                .map_err(|error| (".in", error)),
            Filter::Sent { from, to } => sent(*from, *to).map_err(|error| (".sent", error)),
        }
    }

    fn parts(
        &mut self,
        name: &str,
        parts: &[Filter],
        depth: usize,
        path: &mut Vec<String>,
    ) -> Result<(), Wrong> {
        for (index, part) in parts.iter().enumerate() {
            path.push(format!(".{name}[{index}]"));
            self.filter(part, depth + 1, path)?;
            path.pop();
        }
        Ok(())
    }

    fn text(&mut self, words: &str, how: How) -> Result<(), String> {
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
        let begins = |term: &text::Term| {
            matches!(
                term,
                text::Term::Begins(_) | text::Term::Together { begins: true, .. }
            )
        };
        let terms = how.terms(words, text::Analyzer::default());
        self.begins += terms.iter().filter(|term| begins(term)).count();
        if self.begins > MAX_RANGES {
            return Err(format!(
                "the query has more than {MAX_RANGES} beginnings of words and single characters"
            ));
        }
        Ok(())
    }

    fn values(&mut self, count: usize) -> Result<(), String> {
        if count == 0 {
            return Err("the list is empty".to_owned());
        }
        self.values += count;
        if self.values > MAX_VALUES {
            return Err(format!(
                "the query names more than {MAX_VALUES} users and conversations"
            ));
        }
        Ok(())
    }
}

fn sent(from: Option<i64>, to: Option<i64>) -> Result<(), String> {
    for ms in [from, to].into_iter().flatten() {
        if !dates::RANGE.contains(&ms) {
            return Err(format!(
                "{ms} milliseconds since 1970 are not in the years 1 to 9999"
            ));
        }
    }
    match (from, to) {
        (None, None) => Err("a range needs `from` or `to`".to_owned()),
        (Some(from), Some(to)) if from > to => Err("the range ends before it begins".to_owned()),
        _ => Ok(()),
    }
}
