//! From what is asked to Tantivy's queries.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tantivy::Term;
use tantivy::columnar::{ColumnType, MonotonicallyMappableToU64 as _};
use tantivy::query::{
    AllQuery, BooleanQuery, ConstScoreQuery, EmptyQuery, Occur, PhrasePrefixQuery, PhraseQuery,
    Query, TermQuery,
};
use tantivy::schema::{Field, IndexRecordOption};

use super::ranges::{BetweenQuery, RangesQuery};
use super::refusal::{FilterError, MAX_RANGES, check_place, kind_error};
use super::schema::{AttributeFields, Fields, boolean};
use crate::attributes::Kind;
use crate::profile::{GeoPoint, Value};
use crate::query::{Filter, MAX_DEPTH, MAX_NODES, MAX_QUERY_BYTES, MAX_WORDS, Words};
use crate::text;

/// Most words that the beginning of a word inside a phrase stands for.
const PHRASE_EXPANSIONS: u32 = 128;

/// What the beginning of a word counts, as words of their own count by how rare they are.
const PREFIX_SCORE: f32 = 1.0;

/// A filter as the index understands it.
pub(super) struct Compiled {
    pub(super) query: Box<dyn Query>,
    /// What scores: each with how it reads. Empty if nothing does.
    pub(super) scored: Vec<Scored>,
    /// Whether it is nothing but words that Tantivy can prune.
    pub(super) prunable: bool,
    /// Set while searching if a beginning of a word stood for too many.
    pub(super) cut: Arc<AtomicBool>,
}

/// A part of a query that adds to the score.
pub(crate) struct Scored {
    pub(crate) label: String,
    pub(crate) terms: Vec<Term>,
    pub(crate) query: Box<dyn Query>,
}

impl Scored {
    /// What finds a term of a query. `cut` is set while searching if a beginning of a word stands for too
    /// many.
    pub(crate) fn new(field: Field, term: text::Term, cut: &Arc<AtomicBool>) -> Scored {
        match term {
            text::Term::Word(word) => {
                let term = Term::from_field_text(field, &word);
                Scored {
                    label: format!("`{word}`"),
                    terms: vec![term.clone()],
                    query: Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs)),
                }
            }
            text::Term::Begins(begin) => Scored {
                label: format!("a word that begins with `{begin}`"),
                terms: Vec::new(),
                query: Box::new(RangesQuery::prefix(field, &begin, PREFIX_SCORE, cut)),
            },
            text::Term::Together { words, begins } => {
                let label = format!("`{}` together", words.join(" "));
                let terms: Vec<Term> = words
                    .iter()
                    .map(|word| Term::from_field_text(field, word))
                    .collect();
                if begins {
                    let mut query = PhrasePrefixQuery::new(terms);
                    query.set_max_expansions(PHRASE_EXPANSIONS);
                    Scored {
                        label,
                        terms: Vec::new(),
                        query: Box::new(ConstScoreQuery::new(Box::new(query), PREFIX_SCORE)),
                    }
                } else {
                    Scored {
                        label,
                        terms: terms.clone(),
                        query: Box::new(PhraseQuery::new(terms)),
                    }
                }
            }
        }
    }
}

struct Compiler<'a> {
    fields: &'a Fields,
    private: bool,
    nodes: usize,
    words: usize,
    ranges: usize,
    scored: Vec<Scored>,
    cut: Arc<AtomicBool>,
}

/// Compiles a filter for someone who sees private attributes, or does not.
pub(super) fn compile(
    fields: &Fields,
    filter: &Filter,
    private: bool,
) -> Result<Compiled, FilterError> {
    let mut compiler = Compiler {
        fields,
        private,
        nodes: 0,
        words: 0,
        ranges: 0,
        scored: Vec::new(),
        cut: Arc::new(AtomicBool::new(false)),
    };
    let mut clauses = Clauses::default();
    compiler.all(filter, true, 0, &mut clauses)?;
    let prunable = clauses.prunable();
    Ok(Compiled {
        query: clauses.query(),
        prunable: prunable && !compiler.scored.is_empty(),
        scored: compiler.scored,
        cut: compiler.cut,
    })
}

/// What has to be, and what must not.
#[derive(Default)]
pub(crate) struct Clauses {
    pub(crate) must: Vec<Box<dyn Query>>,
    pub(crate) not: Vec<Box<dyn Query>>,
}

impl Clauses {
    /// Tantivy prunes single words, flat sets of words that all have to be there, and of which any has to.
    fn prunable(&self) -> bool {
        let is_word = |query: &dyn Query| query.is::<TermQuery>();
        self.not.is_empty()
            && match &self.must[..] {
                [one] => {
                    is_word(one.as_ref())
                        || one.downcast_ref::<BooleanQuery>().is_some_and(|any| {
                            any.clauses().iter().all(|(occur, query)| {
                                *occur == Occur::Should && is_word(query.as_ref())
                            })
                        })
                }
                several => {
                    !several.is_empty() && several.iter().all(|query| is_word(query.as_ref()))
                }
            }
    }

    pub(crate) fn query(mut self) -> Box<dyn Query> {
        if self.not.is_empty() && self.must.len() <= 1 {
            return self.must.pop().unwrap_or_else(everybody);
        }
        if self.must.is_empty() {
            self.must.push(everybody());
        }
        let must = self.must.into_iter().map(|query| (Occur::Must, query));
        let not = self.not.into_iter().map(|query| (Occur::MustNot, query));
        Box::new(BooleanQuery::new(must.chain(not).collect()))
    }
}

fn everybody() -> Box<dyn Query> {
    unscored(Box::new(AllQuery))
}

/// Finds the same, and counts nothing.
pub(crate) fn unscored(query: Box<dyn Query>) -> Box<dyn Query> {
    Box::new(ConstScoreQuery::new(query, 0.0))
}

impl Compiler<'_> {
    /// Adds a condition to those that all have to hold. `scoring` is whether words in it count.
    fn all(
        &mut self,
        filter: &Filter,
        scoring: bool,
        depth: usize,
        clauses: &mut Clauses,
    ) -> Result<(), FilterError> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(FilterError::TooManyNodes);
        }
        if depth > MAX_DEPTH {
            return Err(FilterError::TooDeep);
        }
        match filter {
            Filter::All(all) => {
                for filter in all {
                    self.all(filter, scoring, depth + 1, clauses)?;
                }
            }
            Filter::Not(inner) => {
                let query = self.one(inner, false, depth + 1)?;
                clauses.not.push(query);
            }
            Filter::Any(any) => {
                let before = self.scored.len();
                let any = any
                    .iter()
                    .map(|filter| self.one(filter, scoring, depth + 1))
                    .collect::<Result<Vec<_>, _>>()?;
                let any = union(any);
                // Without words that count nothing in it needs to be scored.
                let silent = self.scored.len() == before;
                clauses.must.push(if silent { unscored(any) } else { any });
            }
            Filter::Text(words) => self.text(words, scoring, &mut clauses.must)?,
            Filter::Is { attribute, value } => clauses.must.push(self.is(attribute, value)?),
            Filter::Range {
                attribute,
                from,
                to,
            } => {
                clauses
                    .must
                    .push(self.range(attribute, from.as_ref(), to.as_ref())?);
            }
            Filter::Near {
                attribute,
                at,
                within_m,
            } => {
                self.range_of_terms()?;
                clauses.must.push(self.near(attribute, *at, *within_m)?);
            }
            Filter::Has { attribute } => {
                self.attribute(attribute)?;
                let term = Term::from_field_text(self.fields.has, attribute);
                clauses.must.push(exact(term));
            }
        }
        Ok(())
    }

    /// A condition by itself.
    fn one(
        &mut self,
        filter: &Filter,
        scoring: bool,
        depth: usize,
    ) -> Result<Box<dyn Query>, FilterError> {
        let mut clauses = Clauses::default();
        self.all(filter, scoring, depth, &mut clauses)?;
        Ok(clauses.query())
    }

    /// One more place or beginning of a word.
    fn range_of_terms(&mut self) -> Result<(), FilterError> {
        self.ranges += 1;
        if self.ranges > MAX_RANGES {
            Err(FilterError::TooManyRanges)
        } else {
            Ok(())
        }
    }

    fn attribute(&self, name: &str) -> Result<&AttributeFields, FilterError> {
        self.fields
            .attributes
            .get(name)
            .filter(|attribute| attribute.public || self.private)
            .ok_or_else(|| FilterError::Unknown(name.to_owned()))
    }

    fn text(
        &mut self,
        words: &Words,
        scoring: bool,
        must: &mut Vec<Box<dyn Query>>,
    ) -> Result<(), FilterError> {
        if words.words.len() > MAX_QUERY_BYTES {
            return Err(FilterError::TooLong(words.words.len()));
        }
        let (field, place) = match &words.attribute {
            None => (self.fields.words, String::new()),
            Some(name) => {
                let attribute = self.attribute(name)?;
                let kind = attribute.kind;
                let field = attribute.terms.filter(|_| kind == Kind::Text);
                let field = field.ok_or_else(|| kind_error(name, kind, "looking for words"))?;
                (field, format!(" in `{name}`"))
            }
        };
        let terms = words.how.terms(&words.words, self.fields.analyzer);
        if terms.is_empty() {
            return Err(FilterError::NoWords(words.words.chars().take(64).collect()));
        }
        for term in terms {
            let mut scored = self.term(field, term)?;
            if scoring {
                must.push(scored.query.box_clone());
                scored.label.push_str(&place);
                self.scored.push(scored);
            } else {
                must.push(unscored(scored.query));
            }
        }
        Ok(())
    }

    fn term(&mut self, field: Field, term: text::Term) -> Result<Scored, FilterError> {
        self.words += match &term {
            text::Term::Word(_) | text::Term::Begins(_) => 1,
            text::Term::Together { words, .. } => words.len(),
        };
        if self.words > MAX_WORDS {
            return Err(FilterError::TooManyWords);
        }
        if matches!(
            &term,
            text::Term::Begins(_) | text::Term::Together { begins: true, .. }
        ) {
            self.range_of_terms()?;
        }
        Ok(Scored::new(field, term, &self.cut))
    }

    fn is(&self, name: &str, value: &Value) -> Result<Box<dyn Query>, FilterError> {
        let attribute = self.attribute(name)?;
        match (value, attribute.kind, attribute.terms) {
            (Value::Keyword(value), Kind::Keyword, Some(field)) => {
                Ok(exact(Term::from_field_text(field, &text::fold(value))))
            }
            (Value::Boolean(value), Kind::Boolean, Some(field)) => {
                Ok(exact(Term::from_field_text(field, boolean(*value))))
            }
            (Value::Number(_), Kind::Number, _) | (Value::Date(_), Kind::Date, _) => {
                self.range(name, Some(value), Some(value))
            }
            (_, kind, _) => Err(kind_error(name, kind, "this value")),
        }
    }

    fn range(
        &self,
        name: &str,
        from: Option<&Value>,
        to: Option<&Value>,
    ) -> Result<Box<dyn Query>, FilterError> {
        let attribute = self.attribute(name)?;
        let kind = attribute.kind;
        let column_type = match kind {
            Kind::Number => ColumnType::F64,
            Kind::Date => ColumnType::I64,
            _ => return Err(kind_error(name, kind, "a range")),
        };
        let bound = |value: Option<&Value>, open: f64, open_ms: i64| match (value, kind) {
            (None, Kind::Number) => Ok(open.to_u64()),
            (None, _) => Ok(open_ms.to_u64()),
            (Some(Value::Number(value)), Kind::Number) if value.is_nan() => {
                Err(FilterError::Value {
                    attribute: name.to_owned(),
                    reason: "not a number",
                })
            }
            // -0 stands below 0 in a column, and is the same to people.
            (Some(Value::Number(value)), Kind::Number) if *value == 0.0 => {
                Ok(0.0_f64.copysign(open).to_u64())
            }
            (Some(Value::Number(value)), Kind::Number) => Ok(value.to_u64()),
            (Some(Value::Date(value)), Kind::Date) => Ok(value.to_u64()),
            _ => Err(kind_error(name, kind, "this end of the range")),
        };
        let from = bound(from, f64::NEG_INFINITY, i64::MIN)?;
        let to = bound(to, f64::INFINITY, i64::MAX)?;
        Ok(Box::new(BetweenQuery::new(
            &attribute.column_name,
            column_type,
            from..=to,
        )))
    }

    fn near(&self, name: &str, at: GeoPoint, within_m: f64) -> Result<Box<dyn Query>, FilterError> {
        let attribute = self.attribute(name)?;
        let kind = attribute.kind;
        let field = attribute.terms.filter(|_| kind == Kind::GeoPoint);
        let field = field.ok_or_else(|| kind_error(name, kind, "a distance"))?;
        check_place(name, at)?;
        if !within_m.is_finite() || within_m < 0.0 {
            let reason = "a distance is a number of metres, not less than 0";
            return Err(FilterError::Value {
                attribute: name.to_owned(),
                reason,
            });
        }
        let query = RangesQuery::near(field, &attribute.column_name, at, within_m);
        Ok(unscored(Box::new(query)))
    }
}

/// Whatever has a term.
pub(crate) fn exact(term: Term) -> Box<dyn Query> {
    unscored(Box::new(TermQuery::new(term, IndexRecordOption::Basic)))
}

/// Whatever fits one of them.
pub(crate) fn union(mut any: Vec<Box<dyn Query>>) -> Box<dyn Query> {
    match any.len() {
        0 => Box::new(EmptyQuery),
        1 => any.remove(0),
        _ => Box::new(BooleanQuery::union(any)),
    }
}
