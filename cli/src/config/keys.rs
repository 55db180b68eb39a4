//! Which keys there are, asked of the structs themselves: a list of them beside these would be wrong one
//! day. What a struct reads is found by letting it read from something that only takes notes.

use std::{cell::RefCell, fmt};

use serde::{
    Deserialize,
    de::{self, DeserializeSeed, Deserializer, Expected, MapAccess, SeqAccess, Visitor},
    forward_to_deserialize_any,
};

use super::{Config, JetStreamConfig};

/// One key: its path, such as `limits.requests_per_second` or `auth.secrets[].file`, and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) path: String,
    pub(crate) kind: Kind,
}

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    Integer,
    Text,
    Path,
    /// A list of texts.
    Texts,
    /// A list of tables; their keys are listed beside it, with `[]` in their paths.
    Tables,
}

impl Key {
    /// Whether its value is for nobody to see. A key is named after what it holds.
    pub(crate) fn is_secret(&self) -> bool {
        let name = self.path.rsplit(['.', ']']).next().unwrap_or(&self.path);
        self.kind == Kind::Text && ["secret", "password", "token", "key"].contains(&name)
    }
}

/// All keys there are, those of both backends of the log among them.
pub(crate) fn all() -> Vec<Key> {
    let mut keys = Vec::new();
    add::<Config>(&mut Vec::new(), "", &mut keys);
    keys
}

/// Where a struct is asked for more: into a field, or into an item of a list.
#[derive(Clone, Copy)]
enum Step {
    Field(&'static str),
    Item,
}

/// What was found at the end of a path.
enum Shape {
    Struct(&'static [&'static str]),
    Seq,
    /// A table that sorts its keys out by itself.
    Map,
    One(Kind),
}

fn add<T: for<'de> Deserialize<'de>>(steps: &mut Vec<Step>, path: &str, keys: &mut Vec<Key>) {
    let found = RefCell::new(None);
    let probe = Probe {
        steps: steps.as_slice(),
        found: &found,
    };
    // It ends with an error, once it has been seen what is there.
    drop(T::deserialize(probe));
    let found = found.into_inner();
    let shape = found.unwrap_or_else(|| panic!("{path} does not say what it reads"));
    let mut push = |kind| {
        keys.push(Key {
            path: path.to_owned(),
            kind,
        })
    };
    match shape {
        Shape::One(kind) => push(kind),
        Shape::Struct(fields) => {
            for field in fields {
                let below = match path {
                    "" => (*field).to_owned(),
                    path => format!("{path}.{field}"),
                };
                steps.push(Step::Field(field));
                add::<T>(steps, &below, keys);
                steps.pop();
            }
        }
        Shape::Seq => {
            let mut items = Vec::new();
            steps.push(Step::Item);
            add::<T>(steps, &format!("{path}[]"), &mut items);
            steps.pop();
            match &items[..] {
                [one] if one.path.ends_with("[]") => push(Kind::Texts),
                _ => {
                    push(Kind::Tables);
                    keys.extend(items);
                }
            }
        }
        Shape::Map => {
            assert_eq!(
                path, "log",
                "the only table whose keys depend on its values"
            );
            keys.push(Key {
                path: "log.backend".to_owned(),
                kind: Kind::Text,
            });
            add::<JetStreamConfig>(&mut Vec::new(), path, keys);
        }
    }
}

/// Follows a path into what is read from it, and notes what it finds there.
struct Probe<'a> {
    steps: &'a [Step],
    found: &'a RefCell<Option<Shape>>,
}

/// The end of every probe.
#[derive(Debug)]
struct Seen;

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("seen")
    }
}

impl std::error::Error for Seen {}

impl de::Error for Seen {
    fn custom<T: fmt::Display>(_: T) -> Seen {
        Seen
    }
}

impl Probe<'_> {
    fn saw<V>(&self, shape: Shape) -> Result<V, Seen> {
        // What lies deeper than asked for is none of a scalar's.
        if self.steps.is_empty() {
            *self.found.borrow_mut() = Some(shape);
        }
        Err(Seen)
    }

    fn below(&self) -> Self {
        Probe {
            steps: &self.steps[1..],
            found: self.found,
        }
    }
}

macro_rules! whole_numbers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Seen> {
            self.saw(Shape::One(Kind::Integer))
        })*
    };
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Seen;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Seen> {
        Err(Seen)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Seen> {
        self.saw(Shape::One(Kind::Bool))
    }

    whole_numbers! {
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Seen> {
        self.deserialize_string(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Seen> {
        let expected = (&visitor as &dyn Expected).to_string();
        self.saw(Shape::One(match &*expected {
            "path string" => Kind::Path,
            _ => Kind::Text,
        }))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Seen> {
        self.saw(Shape::One(Kind::Text))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Seen> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Seen> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Seen> {
        match self.steps.first() {
            Some(Step::Field(name)) => visitor.visit_map(One {
                name: Some(name),
                probe: self.below(),
            }),
            _ => self.saw(Shape::Struct(fields)),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Seen> {
        match self.steps.first() {
            Some(Step::Item) => visitor.visit_seq(One {
                name: None,
                probe: self.below(),
            }),
            _ => self.saw(Shape::Seq),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Seen> {
        self.saw(Shape::Map)
    }

    forward_to_deserialize_any! {
        i128 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

/// A table with the one key that is asked for, or a list with one item.
struct One<'a> {
    name: Option<&'static str>,
    probe: Probe<'a>,
}

impl<'de> MapAccess<'de> for One<'_> {
    type Error = Seen;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Seen> {
        let name = self.name.ok_or(Seen)?;
        seed.deserialize(de::value::StrDeserializer::new(name))
            .map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Seen> {
        seed.deserialize(Probe { ..self.probe })
    }
}

impl<'de> SeqAccess<'de> for One<'_> {
    type Error = Seen;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Seen> {
        seed.deserialize(Probe { ..self.probe }).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structs_tell_their_keys() {
        let keys = all();
        let kind = |path: &str| keys.iter().find(|key| key.path == path).map(|key| key.kind);
        for (path, expected) in [
            ("data", Kind::Path),
            ("address", Kind::Text),
            ("port", Kind::Integer),
            ("public_url", Kind::Text),
            ("tls_on_tcp", Kind::Bool),
            ("tls.names", Kind::Texts),
            ("tls.key", Kind::Path),
            ("log_format", Kind::Text),
            ("log.backend", Kind::Text),
            ("log.replicas", Kind::Integer),
            ("log.password", Kind::Text),
            ("log.tls.ca_file", Kind::Path),
            ("auth.secrets", Kind::Tables),
            ("auth.secrets[].secret", Kind::Text),
            ("auth.jwks.refresh_s", Kind::Integer),
            ("limits.requests_per_second", Kind::Integer),
            ("messages.commit_interval_ms", Kind::Integer),
            ("secrets.operator_key_file", Kind::Path),
        ] {
            assert_eq!(kind(path), Some(expected), "{path}");
        }
        for path in ["file", "origins", "limits", "log", "log.embedded"] {
            assert_eq!(kind(path), None, "{path}");
        }
        let secret: Vec<_> = keys.iter().filter(|key| key.is_secret()).collect();
        let secret: Vec<_> = secret.iter().map(|key| &*key.path).collect();
        for path in ["log.password", "log.token", "auth.secrets[].secret"] {
            assert!(secret.contains(&path), "{secret:?}");
        }
        assert!(!secret.contains(&"tls.key"), "{secret:?}");
    }
}
