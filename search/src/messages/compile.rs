//! From what is asked, and by whom, to Tantivy's queries.

use std::ops::Bound::Included;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tantivy::Term;
use tantivy::query::{EmptyQuery, Query, RangeQuery};

use super::Viewer;
use super::query::Filter;
use super::schema::Fields;
use crate::people::compile::{Clauses, Scored, exact, union, unscored};

/// A filter as the index understands it.
pub(super) struct Compiled {
    pub(super) query: Box<dyn Query>,
    /// What scores.
    pub(super) scored: Vec<Scored>,
    /// When everything that fits was sent: both ends belong to it. Not in `query`, as the way through the
    /// segments knows when what was sent.
    pub(super) from_ms: i64,
    pub(super) to_ms: i64,
    /// Set while searching if a beginning of a word stood for too many.
    pub(super) cut: Arc<AtomicBool>,
}

struct Compiler<'a> {
    fields: &'a Fields,
    scored: Vec<Scored>,
    from_ms: i64,
    to_ms: i64,
    cut: Arc<AtomicBool>,
}

/// Compiles a filter that was checked.
pub(super) fn compile(fields: &Fields, filter: &Filter, viewer: &Viewer<'_>) -> Compiled {
    let mut compiler = Compiler {
        fields,
        scored: Vec::new(),
        from_ms: i64::MIN,
        to_ms: i64::MAX,
        cut: Arc::default(),
    };
    let mut clauses = Clauses::default();
    compiler.top(filter, &mut clauses);
    if !viewer.all {
        clauses.must.push(reach(fields, viewer));
    }
    Compiled {
        query: clauses.query(),
        scored: compiler.scored,
        from_ms: compiler.from_ms,
        to_ms: compiler.to_ms,
        cut: compiler.cut,
    }
}

/// Whatever the viewer might see: written in a conversation where the viewer is or was.
fn reach(fields: &Fields, viewer: &Viewer<'_>) -> Box<dyn Query> {
    let mut conversations: Vec<_> = viewer.large.to_vec();
    conversations.sort_unstable();
    conversations.dedup();
    let mut any = vec![exact(Term::from_field_text(fields.member, viewer.user))];
    any.extend(
        conversations
            .iter()
            .map(|conversation| exact(fields.conversation_term(conversation))),
    );
    unscored(union(any))
}

impl Compiler<'_> {
    /// What everything that fits has to be.
    fn top(&mut self, filter: &Filter, clauses: &mut Clauses) {
        match filter {
            Filter::All(parts) => {
                for part in parts {
                    self.top(part, clauses);
                }
            }
            Filter::Sent { from, to } => {
                self.from_ms = self.from_ms.max(from.unwrap_or(i64::MIN));
                self.to_ms = self.to_ms.min(to.unwrap_or(i64::MAX));
            }
            other => self.all(other, true, clauses),
        }
    }

    /// Adds a condition to those that all have to hold. `scoring` is whether words in it count.
    fn all(&mut self, filter: &Filter, scoring: bool, clauses: &mut Clauses) {
        match filter {
            Filter::All(parts) => {
                for part in parts {
                    self.all(part, scoring, clauses);
                }
            }
            Filter::Not(part) => {
                let query = self.one(part, false);
                clauses.not.push(query);
            }
            Filter::Any(parts) => {
                let before = self.scored.len();
                let any = parts.iter().map(|part| self.one(part, scoring)).collect();
                let any = union(any);
                // Without words that count nothing in it needs to be scored.
                let silent = self.scored.len() == before;
                clauses.must.push(if silent { unscored(any) } else { any });
            }
            Filter::Text { words, how } => {
                for term in how.terms(words, self.fields.analyzer) {
                    let scored = Scored::new(self.fields.words, term, &self.cut);
                    if scoring {
                        clauses.must.push(scored.query.box_clone());
                        self.scored.push(scored);
                    } else {
                        clauses.must.push(unscored(scored.query));
                    }
                }
            }
            Filter::From(users) => {
                let term = |user: &String| exact(Term::from_field_text(self.fields.author, user));
                let any = union(users.iter().map(term).collect());
                clauses.must.push(unscored(any));
            }
            Filter::In(conversations) => {
                let term = |conversation| exact(self.fields.conversation_term(conversation));
                let any = union(conversations.iter().map(term).collect());
                clauses.must.push(unscored(any));
            }
            Filter::Sent { from, to } => clauses.must.push(self.sent(*from, *to)),
        }
    }

    /// A condition by itself.
    fn one(&mut self, filter: &Filter, scoring: bool) -> Box<dyn Query> {
        let mut clauses = Clauses::default();
        self.all(filter, scoring, &mut clauses);
        clauses.query()
    }

    fn sent(&self, from: Option<i64>, to: Option<i64>) -> Box<dyn Query> {
        let (from, to) = (from.unwrap_or(i64::MIN), to.unwrap_or(i64::MAX));
        if from > to {
            return Box::new(EmptyQuery);
        }
        let bound = |ms| Included(Term::from_field_i64(self.fields.at, ms));
        unscored(Box::new(RangeQuery::new(bound(from), bound(to))))
    }
}
