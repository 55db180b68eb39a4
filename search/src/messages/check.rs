//! Whether a query can be asked.

use super::MAX_USER_BYTES;
use super::query::{Filter, MessageQuery};
use crate::people::MAX_RANGES;
use crate::query::limits::{self, Limits, Wrong};
use crate::query::{How, QueryError};
use crate::text::{Analyzer, Term};

/// Most users, and conversations, that a query names.
pub const MAX_VALUES: usize = 256;

/// Checks a whole query.
pub fn check(query: &MessageQuery) -> Result<(), QueryError> {
    check_filter(&query.filter)?;
    limits::page(query.limit)
}

/// Checks a filter. An error says where in the tree: `filter.all[1].sent`.
pub fn check_filter(filter: &Filter) -> Result<(), QueryError> {
    let mut check = Check::default();
    limits::walk(filter, |filter, limits| check.condition(filter, limits))
}

#[derive(Default)]
struct Check {
    begins: usize,
    values: usize,
}

impl Check {
    fn condition(&mut self, filter: &Filter, limits: &mut Limits) -> Result<(), Wrong> {
        let (field, checked) = match filter {
            // What these are made of is looked at by itself.
            Filter::All(_) | Filter::Any(_) | Filter::Not(_) => return Ok(()),
            Filter::Text { words, how } => (
                ".text.words",
                limits
                    .words(words, *how)
                    .and_then(|()| self.begins(words, *how)),
            ),
            Filter::From(users) => (".from", self.users(users)),
            Filter::In(conversations) => (".in", self.values(conversations.len())),
            Filter::Sent { from, to } => (".sent", sent(*from, *to)),
        };
        checked.map_err(|message| (field, message))
    }

    fn begins(&mut self, words: &str, how: How) -> Result<(), String> {
        let begins =
            |term: &Term| matches!(term, Term::Begins(_) | Term::Together { begins: true, .. });
        let terms = how.terms(words, Analyzer::default());
        self.begins += terms.iter().filter(|term| begins(term)).count();
        if self.begins > MAX_RANGES {
            return Err(format!(
                "the query has more than {MAX_RANGES} beginnings of words and single characters"
            ));
        }
        Ok(())
    }

    fn users(&mut self, users: &[String]) -> Result<(), String> {
        let wrong = users
            .iter()
            .find(|user| user.is_empty() || user.len() > MAX_USER_BYTES);
        match wrong {
            Some(user) => Err(format!(
                "the id of a user has 1 to {MAX_USER_BYTES} bytes, this one has {}",
                user.len()
            )),
            None => self.values(users.len()),
        }
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
    [from, to]
        .into_iter()
        .flatten()
        .try_for_each(limits::moment)?;
    limits::range(from, to, |from, to| from > to)
}
