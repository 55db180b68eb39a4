//! A page of people, whoever has found them: in JSON just as a server's API answers it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tidings_protocol::{query, view};

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Found {
    pub(super) people: Vec<Person>,
    pub(super) total: u64,
    pub(super) at_least: bool,
    pub(super) next: String,
    pub(super) facets: Vec<Facet>,
    pub(super) cut: bool,
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Person {
    pub(super) user: String,
    pub(super) state: String,
    pub(super) seen_ms: u64,
    pub(super) attributes: Map<String, Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) distance_m: Option<f64>,
    pub(super) score: f64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) highlights: Vec<Highlight>,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub(super) explanation: Value,
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Highlight {
    pub(super) attribute: String,
    pub(super) value: u32,
    pub(super) from: u32,
    pub(super) to: u32,
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Facet {
    pub(super) attribute: String,
    pub(super) values: Vec<FacetValue>,
    pub(super) more: bool,
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct FacetValue {
    pub(super) value: String,
    pub(super) count: u64,
}

impl From<query::People> for Found {
    fn from(found: query::People) -> Found {
        Found {
            people: found.people.into_iter().map(Person::from).collect(),
            total: found.total,
            at_least: found.at_least,
            next: found.next,
            facets: found.facets.into_iter().map(Facet::from).collect(),
            cut: found.cut,
        }
    }
}

impl From<view::Person> for Person {
    fn from(person: view::Person) -> Person {
        Person {
            // What the node made itself is JSON.
            attributes: serde_json::from_str(&person.attributes).unwrap_or_default(),
            explanation: serde_json::from_str(&person.explanation).unwrap_or_default(),
            user: person.user,
            state: person.state,
            seen_ms: person.seen_ms,
            distance_m: person.distance_m,
            score: person.score,
            highlights: person
                .highlights
                .into_iter()
                .map(|place| Highlight {
                    attribute: place.attribute,
                    value: place.value,
                    from: place.from,
                    to: place.to,
                })
                .collect(),
        }
    }
}

impl From<view::Facet> for Facet {
    fn from(facet: view::Facet) -> Facet {
        let values = facet.values.into_iter().map(|value| FacetValue {
            value: value.value,
            count: value.count,
        });
        Facet {
            attribute: facet.attribute,
            values: values.collect(),
            more: facet.more,
        }
    }
}
