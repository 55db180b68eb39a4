//! Profiles in JSON.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value as Json};

use super::{
    GeoPoint, MAX_KEYWORD_BYTES, MAX_PROFILE_BYTES, MAX_TEXT_BYTES, MAX_VALUES, Profile,
    ProfileError, Value, dates,
};
use crate::{
    attributes::{Attributes, Kind},
    text::fold,
};

/// A value of JSON in whose objects, however deep, each name is there once.
struct Once(Json);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Json;

            fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
                to.write_str("a value of JSON")
            }

            fn visit_unit<E>(self) -> Result<Json, E> {
                Ok(Json::Null)
            }

            fn visit_bool<E>(self, yes: bool) -> Result<Json, E> {
                Ok(Json::from(yes))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
                Ok(Json::from(number))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
                Ok(Json::from(number))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Json, E> {
                Ok(Json::from(number))
            }

            fn visit_str<E>(self, text: &str) -> Result<Json, E> {
                Ok(Json::from(text))
            }

            fn visit_string<E>(self, text: String) -> Result<Json, E> {
                Ok(Json::from(text))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Json, A::Error> {
                let mut all = Vec::new();
                while let Some(Once(value)) = from.next_element()? {
                    all.push(value);
                }
                Ok(Json::Array(all))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Json, A::Error> {
                entries(&mut from).map(Json::Object)
            }
        }

        from.deserialize_any(Any).map(Once)
    }
}

/// The entries of an object, each name once.
fn entries<'de, A: MapAccess<'de>>(from: &mut A) -> Result<Map<String, Json>, A::Error> {
    let mut object = Map::new();
    while let Some(name) = from.next_key::<String>()? {
        if object.contains_key(&name) {
            let name = shortened(&name);
            return Err(A::Error::custom(format!("`{name}` is there twice")));
        }
        let Once(value) = from.next_value()?;
        object.insert(name, value);
    }
    Ok(object)
}

/// See [`super::each_once`].
pub(super) fn each_once<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Map<String, Json>>, D::Error> {
    struct Object;

    impl<'de> Visitor<'de> for Object {
        type Value = Map<String, Json>;

        fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
            to.write_str("an object: attributes by name")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Self::Value, A::Error> {
            entries(&mut from)
        }
    }

    impl<'de> DeserializeSeed<'de> for Object {
        type Value = Map<String, Json>;

        fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
            from.deserialize_map(self)
        }
    }

    struct Perhaps;

    impl<'de> Visitor<'de> for Perhaps {
        type Value = Option<Map<String, Json>>;

        fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
            Object.expecting(to)
        }

        fn visit_none<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
            Object.deserialize(from).map(Some)
        }
    }

    from.deserialize_option(Perhaps)
}

pub(super) fn read(
    attributes: &Attributes,
    object: &Map<String, Json>,
) -> Result<Profile, ProfileError> {
    let mut profile = Profile::default();
    let mut bytes = 0;
    for (name, given) in object {
        let Some(attribute) = attributes.get(name) else {
            let declared: Vec<&str> = attributes.iter().map(|(name, _)| name).collect();
            return Err(ProfileError::Unknown {
                name: shortened(name),
                declared: declared.join(", "),
            });
        };
        let one = std::slice::from_ref(given);
        let given = match given {
            Json::Null => continue,
            Json::Array(all) => {
                if !attribute.multiple && all.len() > 1 {
                    return Err(ProfileError::Multiple {
                        name: name.clone(),
                        count: all.len(),
                    });
                }
                all
            }
            _ => one,
        };
        if given.len() > MAX_VALUES {
            return Err(limit(
                name,
                format!("{} values, the limit is {MAX_VALUES}", given.len()),
            ));
        }
        let mut values: Vec<Value> = Vec::with_capacity(given.len());
        let mut folded = Vec::new();
        for given in given {
            let value = value(name, attribute.kind, given)?;
            match &value {
                Value::Text(text) => bytes += text.len(),
                Value::Keyword(keyword) => {
                    let same = fold(keyword);
                    if folded.contains(&same) {
                        continue;
                    }
                    folded.push(same);
                    bytes += keyword.len();
                }
                _ => {}
            }
            if bytes > MAX_PROFILE_BYTES {
                let reason = format!(
                    "the profile has more than {MAX_PROFILE_BYTES} bytes of texts and keywords with it"
                );
                return Err(limit(name, reason));
            }
            values.push(value);
        }
        if !values.is_empty() {
            profile.attributes.insert(name.clone(), values);
        }
    }
    Ok(profile)
}

fn value(name: &str, kind: Kind, given: &Json) -> Result<Value, ProfileError> {
    let wrong = |wanted| ProfileError::Kind {
        name: name.to_owned(),
        wanted,
        found: shortened(&given.to_string()),
    };
    match kind {
        Kind::Text => {
            let text = given.as_str().ok_or_else(|| wrong("a text"))?;
            long(name, text, MAX_TEXT_BYTES)?;
            Ok(Value::Text(text.to_owned()))
        }
        Kind::Keyword => {
            let keyword = given
                .as_str()
                .ok_or_else(|| wrong("a keyword (a string)"))?;
            long(name, keyword, MAX_KEYWORD_BYTES)?;
            if fold(keyword).is_empty() {
                return Err(limit(name, "a keyword cannot be empty".to_owned()));
            }
            if keyword.contains(char::is_control) {
                let reason = "a keyword cannot have control characters".to_owned();
                return Err(limit(name, reason));
            }
            Ok(Value::Keyword(keyword.trim().to_owned()))
        }
        Kind::Number => {
            let number = given.as_f64().ok_or_else(|| wrong("a number"))?;
            if !number.is_finite() {
                return Err(wrong("a number of 64 bits"));
            }
            Ok(Value::Number(number))
        }
        Kind::Date => {
            let text = given.as_str().unwrap_or_default();
            let ms = dates::moment(text).ok_or_else(|| {
                wrong(
                    "a date (`2026-11-22` or RFC 3339 as `2026-11-22T18:30:00Z`, years 1 to 9999)",
                )
            })?;
            Ok(Value::Date(ms))
        }
        Kind::GeoPoint => {
            let place = place(given)
                .ok_or_else(|| wrong(r#"a place (as `{"lat": 52.52, "lon": 13.40}`)"#))?;
            if !place.is_valid() {
                let reason = format!(
                    "there is no latitude {} with longitude {}: -90 to 90 and -180 to 180",
                    place.lat, place.lon
                );
                return Err(limit(name, reason));
            }
            Ok(Value::GeoPoint(place))
        }
        Kind::Boolean => {
            let yes = given.as_bool().ok_or_else(|| wrong("true or false"))?;
            Ok(Value::Boolean(yes))
        }
    }
}

fn place(given: &Json) -> Option<GeoPoint> {
    let object = given.as_object().filter(|object| object.len() == 2)?;
    let degrees = |name| object.get(name).and_then(Json::as_f64);
    Some(GeoPoint {
        lat: degrees("lat")?,
        lon: degrees("lon")?,
    })
}

fn long(name: &str, text: &str, most: usize) -> Result<(), ProfileError> {
    if text.len() <= most {
        return Ok(());
    }
    Err(limit(
        name,
        format!("{} bytes, the limit is {most}", text.len()),
    ))
}

fn limit(name: &str, reason: String) -> ProfileError {
    ProfileError::Limit {
        name: name.to_owned(),
        reason,
    }
}

/// What was given may be long, and is in an answer and a log.
fn shortened(given: &str) -> String {
    const MOST: usize = 64;
    match given.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &given[..end]),
        None => given.to_owned(),
    }
}

pub(super) fn write(profile: &Profile, attributes: &Attributes, all: bool) -> Map<String, Json> {
    let mut object = Map::new();
    for (name, values) in &profile.attributes {
        let Some(attribute) = attributes.visible(name, all) else {
            continue;
        };
        let mut values: Vec<Json> = values.iter().map(json).collect();
        let value = if attribute.multiple || values.len() > 1 {
            Json::Array(values)
        } else {
            values.pop().unwrap_or_default()
        };
        object.insert(name.clone(), value);
    }
    object
}

fn json(value: &Value) -> Json {
    match value {
        Value::Text(text) | Value::Keyword(text) => Json::from(text.as_str()),
        Value::Number(number) => number_json(*number),
        Value::Date(ms) => Json::from(dates::write(*ms)),
        Value::GeoPoint(place) => serde_json::json!({
            "lat": number_json(place.lat),
            "lon": number_json(place.lon),
        }),
        Value::Boolean(yes) => Json::from(*yes),
    }
}

/// Whole numbers without a decimal point, as they are mostly given.
fn number_json(number: f64) -> Json {
    const EXACT: f64 = (1_u64 << 53) as f64;
    if number.fract() == 0.0 && number.abs() < EXACT {
        Json::from(number as i64)
    } else {
        Json::from(number)
    }
}
