//! What an operator may set. `settings.schema.json` says the same for people and holds the defaults; a test compares the two.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::occasion::Occasion;

/// One kind of toast: its texts, in which `{name}` and the like are filled in, and how it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Kind {
    /// Whether it is shown at all.
    pub enabled: bool,
    /// What stands at the top.
    pub title: String,
    /// What stands below.
    pub body: String,
    /// At the top, where several are one toast.
    pub title_many: String,
    /// Below, where several are one toast.
    pub body_many: String,
    /// What opens at a click; nothing where empty.
    pub link: String,
    /// Not shown any more after so many minutes.
    pub expire_minutes: u32,
    /// Those within so many minutes are one toast; 0 leaves each by itself.
    pub together_minutes: u32,
    /// Whether it is shown however many there were in this hour.
    pub urgent: bool,
}

impl Default for Kind {
    fn default() -> Self {
        Self {
            enabled: true,
            title: String::new(),
            body: String::new(),
            title_many: String::new(),
            body_many: String::new(),
            link: String::new(),
            expire_minutes: 7 * 24 * 60,
            together_minutes: 0,
            urgent: false,
        }
    }
}

impl Kind {
    /// As the schema has it for the setting of that name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let day = 24 * 60;
        let (title, many, together_minutes) = match name {
            "profile_viewed" => (
                "{name} viewed your profile",
                "{count} people viewed your profile",
                day,
            ),
            "flirted" => (
                "{name} is flirting with you",
                "{name} and {others} more are flirting with you",
                day,
            ),
            "liked" => ("{name} likes you", "{name} and {others} more like you", day),
            "matched" => ("It’s a match with {name}", "", 0),
            "contact_accepted" => ("{name} accepted your request", "", 0),
            _ => ("{name}", "", 0),
        };
        Self {
            title: title.to_owned(),
            title_many: many.to_owned(),
            body: if name == "message" {
                "{text}".to_owned()
            } else {
                String::new()
            },
            together_minutes,
            urgent: name == "matched",
            expire_minutes: if name == "message" { 10 } else { 7 * day },
            ..Self::default()
        }
    }
}

/// Which messages are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Messages {
    /// In conversations of up to so many members.
    pub max_members: u32,
    /// Only to members who are here: others are called back in another way.
    pub only_here: bool,
    /// Letters of the message that are shown as `{text}`; 0 for none.
    pub letters: usize,
}

impl Default for Messages {
    fn default() -> Self {
        Self {
            max_members: 10,
            only_here: true,
            letters: 120,
        }
    }
}

/// All of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// In the order of [`Occasion::ALL`].
    kinds: [Kind; Occasion::ALL.len()],
    /// Which messages are told.
    pub messages: Messages,
    /// The attribute of a profile that is somebody's name.
    pub name_attribute: String,
    /// Toasts that a user is shown in an hour.
    pub per_hour: u32,
}

/// The setting of that name is not what the schema says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable(pub &'static str);

impl Settings {
    /// From the JSON of each, by name; what is not set is as the schema has it.
    ///
    /// # Errors
    ///
    /// When one cannot be read.
    pub fn read(json: impl Fn(&'static str) -> Option<String>) -> Result<Self, Unreadable> {
        fn one<T: DeserializeOwned>(
            json: &impl Fn(&'static str) -> Option<String>,
            name: &'static str,
        ) -> Result<Option<T>, Unreadable> {
            let json = json(name);
            json.map(|json| serde_json::from_str(&json).map_err(|_| Unreadable(name)))
                .transpose()
        }
        let mut kinds = Occasion::ALL.map(|occasion| Kind::named(occasion.setting()));
        for (occasion, kind) in Occasion::ALL.into_iter().zip(&mut kinds) {
            if let Some(set) = one(&json, occasion.setting())? {
                *kind = set;
            }
        }
        Ok(Self {
            kinds,
            messages: one(&json, "messages")?.unwrap_or_default(),
            name_attribute: one(&json, "name_attribute")?.unwrap_or_else(|| NAME_ATTRIBUTE.into()),
            per_hour: one(&json, "per_hour")?.unwrap_or(PER_HOUR),
        })
    }

    /// How an occasion is told.
    #[must_use]
    pub fn kind(&self, occasion: Occasion) -> &Kind {
        &self.kinds[occasion as usize]
    }
}

/// The attribute of a profile that is somebody's name, where nothing is set.
pub const NAME_ATTRIBUTE: &str = "name";
/// Toasts that a user is shown in an hour, where nothing is set.
pub const PER_HOUR: u32 = 20;

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::occasion::Occasion;

    fn filled(schema: &Value) -> Value {
        let Some(fields) = schema["properties"].as_object() else {
            return schema["default"].clone();
        };
        let fields = fields
            .iter()
            .map(|(name, schema)| (name.clone(), filled(schema)));
        Value::Object(fields.collect())
    }

    #[test]
    fn the_schema_says_the_same() {
        let schema: Value =
            serde_json::from_str(include_str!("../settings.schema.json")).expect("JSON");
        let all = filled(&schema);
        for occasion in Occasion::ALL {
            let told: Kind =
                serde_json::from_value(all[occasion.setting()].clone()).expect("it fits");
            assert_eq!(told, Kind::named(occasion.setting()), "{occasion:?}");
        }
        let messages: Messages = serde_json::from_value(all["messages"].clone()).expect("it fits");
        assert_eq!(messages, Messages::default());
        assert_eq!(all["name_attribute"], NAME_ATTRIBUTE);
        assert_eq!(all["per_hour"], PER_HOUR);
    }
}
