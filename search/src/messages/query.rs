//! What is asked of message search.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::id::{self, Conversation};
use crate::profile::Value;
use crate::query::parse::Tree;
use crate::query::{self as people, How};

/// Which messages are looked for. Its [`Display`](fmt::Display) is the query language: what
/// [`parse`](super::parse) reads prints as something that is read as the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// What fits all of these; with none of them: everything.
    All(Vec<Filter>),
    /// What fits at least one.
    Any(Vec<Filter>),
    /// What does not fit.
    Not(Box<Filter>),
    /// What has these words.
    Text {
        /// What is looked for, as written: the analyzer makes words of it.
        words: String,
        /// How they are to stand there.
        #[serde(default)]
        how: How,
    },
    /// What one of these users wrote; ids are compared exactly.
    From(Vec<String>),
    /// What was written in one of these conversations.
    In(#[serde(with = "id::several")] Vec<Conversation>),
    /// What was sent in a time, in milliseconds since 1970; both ends belong to it.
    Sent {
        /// From here on, if said.
        #[serde(default)]
        from: Option<i64>,
        /// Up to here, if said.
        #[serde(default)]
        to: Option<i64>,
    },
}

/// What comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// What was sent last.
    #[default]
    Newest,
    /// What fits the words best; newest first among equals, and where no words are looked for.
    Relevance,
}

/// A question to message search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MessageQuery {
    /// What is looked for; everything if nothing is said.
    #[serde(default = "everything")]
    pub filter: Filter,
    /// What comes first.
    #[serde(default)]
    pub sort: Sort,
    /// Most hits, 1 to [`MAX_LIMIT`](people::MAX_LIMIT).
    #[serde(default = "page")]
    pub limit: usize,
    /// Goes on after an earlier page: its `next`.
    #[serde(default)]
    pub after: Option<String>,
    /// Whether to say where in the texts the words stand. The index has no texts: who shows hits asks a
    /// [`Highlighter`](super::Highlighter).
    #[serde(default)]
    pub highlight: bool,
}

fn everything() -> Filter {
    Filter::All(Vec::new())
}

fn page() -> usize {
    20
}

impl MessageQuery {
    /// The first page of what fits, newest first.
    pub fn new(filter: Filter) -> MessageQuery {
        MessageQuery {
            filter,
            sort: Sort::default(),
            limit: page(),
            after: None,
            highlight: false,
        }
    }
}

impl Tree for Filter {
    fn all(parts: Vec<Filter>) -> Filter {
        Filter::All(parts)
    }

    /// Several users are one condition, several conversations too.
    fn any(parts: Vec<Filter>) -> Filter {
        let (mut users, mut conversations) = (Vec::new(), Vec::new());
        for part in &parts {
            match part {
                Filter::From(more) if conversations.is_empty() => users.extend_from_slice(more),
                Filter::In(more) if users.is_empty() => conversations.extend_from_slice(more),
                _ => return Filter::Any(parts),
            }
        }
        if users.is_empty() {
            Filter::In(conversations)
        } else {
            Filter::From(users)
        }
    }

    fn not(part: Filter) -> Filter {
        Filter::Not(Box::new(part))
    }

    fn text(words: &str, how: How, _: Option<&str>) -> Filter {
        Filter::Text {
            words: words.to_owned(),
            how,
        }
    }

    fn parts(&self) -> Option<(&'static str, &[Filter])> {
        match self {
            Filter::All(parts) => Some(("all", parts)),
            Filter::Any(parts) => Some(("any", parts)),
            Filter::Not(part) => Some(("not", std::slice::from_ref(&**part))),
            _ => None,
        }
    }

    fn words(&self) -> Option<(&str, How)> {
        match self {
            Filter::Text { words, how } => Some((words, *how)),
            _ => None,
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The languages differ only in what stands before the colon.
        self.as_people().fmt(out)
    }
}

impl Filter {
    fn as_people(&self) -> people::Filter {
        let all = |parts: &[Filter]| parts.iter().map(Filter::as_people).collect();
        let any = |attribute: &str, values: Vec<String>| {
            let is = |value| people::Filter::Is {
                attribute: attribute.to_owned(),
                value: Value::Keyword(value),
            };
            people::Filter::Any(values.into_iter().map(is).collect())
        };
        match self {
            Filter::All(parts) => people::Filter::All(all(parts)),
            Filter::Any(parts) => people::Filter::Any(all(parts)),
            Filter::Not(part) => people::Filter::Not(Box::new(part.as_people())),
            Filter::Text { words, how } => people::Filter::text(words, *how, None),
            Filter::From(users) => any("from", users.clone()),
            Filter::In(conversations) => any("in", conversations.iter().map(id::write).collect()),
            Filter::Sent { from, to } => people::Filter::Range {
                attribute: "sent".to_owned(),
                from: from.map(Value::Date),
                to: to.map(Value::Date),
            },
        }
    }
}
