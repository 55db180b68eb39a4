//! What an operator may set. `settings.schema.json` says the same for people and holds the defaults; a test compares the two.

use serde::Deserialize;

/// One badge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Badge {
    /// Whether it is counted.
    pub enabled: bool,
    /// Whether each person counts once until it is reset.
    pub distinct: bool,
    /// It goes no higher.
    pub most: u32,
}

impl Default for Badge {
    fn default() -> Self {
        Self {
            enabled: true,
            distinct: true,
            most: 999,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::count::BADGES;

    #[test]
    fn the_schema_says_the_same() {
        let schema: Value =
            serde_json::from_str(include_str!("../settings.schema.json")).expect("JSON");
        let named: Vec<&str> = schema["properties"]
            .as_object()
            .expect("an object")
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(named.len(), BADGES.len());
        for name in BADGES {
            let fields = schema["properties"][name]["properties"]
                .as_object()
                .expect("an object");
            let told: serde_json::Map<String, Value> = fields
                .iter()
                .map(|(name, schema)| (name.clone(), schema["default"].clone()))
                .collect();
            let told: Badge = serde_json::from_value(told.into()).expect("it fits");
            assert_eq!(told, Badge::default(), "{name}");
        }
    }
}
