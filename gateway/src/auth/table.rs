//! Parts of a configuration that are tables and nothing else.
//!
//! A reader that serde derives takes a list in a table's place, its items in the order of the fields,
//! and where it takes nothing it repeats what stands there, which may be a secret.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor},
    forward_to_deserialize_any,
};

/// `serde(deserialize_with = "table::maybe")` for a table that need not be there.
pub(super) fn maybe<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let table = Option::<Table<T>>::deserialize(deserializer)?;
    Ok(table.map(|Table(table)| table))
}

/// `serde(deserialize_with = "table::many")` for a list of tables.
pub(super) fn many<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let tables = Vec::<Table<T>>::deserialize(deserializer)?;
    Ok(tables.into_iter().map(|Table(table)| table).collect())
}

struct Table<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Table<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Table<T>, D::Error> {
        T::deserialize(Only(deserializer)).map(Table)
    }
}

/// Reads structs from tables only.
struct Only<D>(D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Only<D> {
    type Error = D::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = OfTable { visitor, fields };
        self.0.deserialize_struct(name, fields, visitor)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct OfTable<V> {
    visitor: V,
    fields: &'static [&'static str],
}

impl<V> OfTable<V> {
    fn refuse<T, E: de::Error>(&self, found: &str) -> Result<T, E> {
        let fields = self.fields.join(", ");
        Err(E::custom(format_args!(
            "it is {found}, and is to be a table: {{ ... }} with the keys {fields}"
        )))
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for OfTable<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(map)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<V::Value, A::Error> {
        self.refuse("a list")
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<V::Value, E> {
        self.refuse("text")
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<V::Value, E> {
        self.refuse("true or false")
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<V::Value, E> {
        self.refuse("a number")
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<V::Value, E> {
        self.refuse("a number")
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<V::Value, E> {
        self.refuse("a number")
    }
}
