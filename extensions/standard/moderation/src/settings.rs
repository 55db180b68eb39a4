//! What an operator may set. `settings.schema.json` says the same for people and holds the defaults; a test compares the two.

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// How bad something is. What is done about it stands in [`Actions`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It is not looked for.
    Off,
    /// Worth a note.
    Low,
    /// Not to be seen by others.
    Medium,
    /// For somebody to look at first.
    High,
    /// Not to be.
    Critical,
}

impl Severity {
    /// So many steps worse.
    #[must_use]
    pub fn raised(self, steps: u8) -> Self {
        const ALL: [Severity; 4] = [
            Severity::Low,
            Severity::Medium,
            Severity::High,
            Severity::Critical,
        ];
        match ALL.iter().position(|severity| *severity == self) {
            Some(at) => ALL[(at + usize::from(steps)).min(ALL.len() - 1)],
            None => self,
        }
    }
}

/// What is done about something that was found, from mild to strict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Nothing.
    None,
    /// The message gets a label with the rule's name.
    Label,
    /// Stars take the place of its letters.
    Mask,
    /// It waits for a moderator.
    Hold,
    /// It is refused.
    Reject,
}

/// What is done by how bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Actions {
    /// About `low`.
    pub low: Action,
    /// About `medium`.
    pub medium: Action,
    /// About `high`.
    pub high: Action,
    /// About `critical`.
    pub critical: Action,
}

impl Default for Actions {
    fn default() -> Self {
        Self {
            low: Action::Label,
            medium: Action::Mask,
            high: Action::Hold,
            critical: Action::Reject,
        }
    }
}

impl Actions {
    /// What is done about something as bad as this.
    #[must_use]
    pub fn of(&self, severity: Severity) -> Action {
        match severity {
            Severity::Off => Action::None,
            Severity::Low => self.low,
            Severity::Medium => self.medium,
            Severity::High => self.high,
            Severity::Critical => self.critical,
        }
    }
}

/// Words and phrases.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Words {
    /// Built-in lists, by language.
    pub languages: Vec<String>,
    /// Terms of the operator's own, by how bad they are.
    pub low: Vec<String>,
    /// As `low`.
    pub medium: Vec<String>,
    /// As `low`.
    pub high: Vec<String>,
    /// As `low`.
    pub critical: Vec<String>,
    /// Terms that are never meant.
    pub except: Vec<String>,
}

impl Default for Words {
    fn default() -> Self {
        let languages = crate::words::LISTS
            .iter()
            .map(|list| list.language.to_owned());
        Self {
            languages: languages.collect(),
            low: Vec::new(),
            medium: Vec::new(),
            high: Vec::new(),
            critical: Vec::new(),
            except: Vec::new(),
        }
    }
}

/// Addresses on the web.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Links {
    /// Of a link.
    pub severity: Severity,
    /// Domains that may be linked to, with all below them.
    pub allow: Vec<String>,
    /// Whether addresses are found that are spelled out, as in `example dot com`.
    pub spelled: bool,
}

impl Default for Links {
    fn default() -> Self {
        Self {
            severity: Severity::Medium,
            allow: Vec::new(),
            spelled: true,
        }
    }
}

/// Ways to reach somebody elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Contacts {
    /// Of a telephone number.
    pub phones: Severity,
    /// Digits that make one.
    pub phone_digits: usize,
    /// Of an e-mail address.
    pub emails: Severity,
    /// Of a name at a messenger.
    pub messengers: Severity,
}

impl Default for Contacts {
    fn default() -> Self {
        Self {
            phones: Severity::Low,
            phone_digits: 9,
            emails: Severity::Low,
            messengers: Severity::Low,
        }
    }
}

/// The same text again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Repeats {
    /// Of a text that was sent too often.
    pub severity: Severity,
    /// How often it may be sent in an hour.
    pub per_hour: u32,
    /// Texts with fewer letters may be repeated: `ok`, `see you`.
    pub letters: usize,
}

impl Default for Repeats {
    fn default() -> Self {
        Self {
            severity: Severity::High,
            per_hour: 5,
            letters: 24,
        }
    }
}

/// How much one author may write; 0 is without limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Rates {
    /// Of what is beyond.
    pub severity: Severity,
    /// Messages a minute.
    pub messages_per_minute: u32,
    /// Messages an hour.
    pub messages_per_hour: u32,
    /// First contacts an hour.
    pub first_contacts_per_hour: u32,
    /// First contacts a day.
    pub first_contacts_per_day: u32,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            severity: Severity::Critical,
            messages_per_minute: 60,
            messages_per_hour: 0,
            first_contacts_per_hour: 30,
            first_contacts_per_day: 100,
        }
    }
}

/// What authors are told, by rule.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Reasons {
    /// Of words.
    pub words: String,
    /// Of links.
    pub links: String,
    /// Of contact details.
    pub contacts: String,
    /// Of repeated texts.
    pub repeats: String,
    /// Of rates.
    pub rates: String,
}

impl Default for Reasons {
    fn default() -> Self {
        Self {
            words: "Please put it in other words.".into(),
            links: "Links are not welcome here.".into(),
            contacts: "Please do not give contact details here.".into(),
            repeats: "You have sent this text too often.".into(),
            rates: "You are writing too much at a time. Please wait a little.".into(),
        }
    }
}

/// All of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// What is done by how bad it is.
    pub actions: Actions,
    /// Words and phrases.
    pub words: Words,
    /// Addresses on the web.
    pub links: Links,
    /// Ways to reach somebody elsewhere.
    pub contacts: Contacts,
    /// The same text again and again.
    pub repeats: Repeats,
    /// How much one author may write.
    pub rates: Rates,
    /// What authors are told.
    pub reasons: Reasons,
    /// Steps that everything found in a first contact is worse by.
    pub first_contact_raise: u8,
    /// Whether what the product itself writes is not looked at.
    pub trust_system_accounts: bool,
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
        Ok(Self {
            actions: one(&json, "actions")?.unwrap_or_default(),
            words: one(&json, "words")?.unwrap_or_default(),
            links: one(&json, "links")?.unwrap_or_default(),
            contacts: one(&json, "contacts")?.unwrap_or_default(),
            repeats: one(&json, "repeats")?.unwrap_or_default(),
            rates: one(&json, "rates")?.unwrap_or_default(),
            reasons: one(&json, "reasons")?.unwrap_or_default(),
            first_contact_raise: one(&json, "first_contact_raise")?.unwrap_or(FIRST_CONTACT_RAISE),
            trust_system_accounts: one(&json, "trust_system_accounts")?.unwrap_or(true),
        })
    }
}

/// Steps that everything found in a first contact is worse by, where nothing is set.
pub const FIRST_CONTACT_RAISE: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    /// The default that the schema gives for a setting, those below it filled in as the host does.
    fn default_of(name: &str) -> String {
        let schema: serde_json::Value =
            serde_json::from_str(include_str!("../settings.schema.json")).expect("JSON");
        fn filled(schema: &serde_json::Value) -> serde_json::Value {
            let Some(fields) = schema["properties"].as_object() else {
                return schema["default"].clone();
            };
            let fields = fields
                .iter()
                .map(|(name, schema)| (name.clone(), filled(schema)));
            serde_json::Value::Object(fields.collect())
        }
        filled(&schema["properties"][name]).to_string()
    }

    #[test]
    fn the_schema_says_the_same() {
        fn same<T: DeserializeOwned + Default + PartialEq + std::fmt::Debug>(
            name: &str,
            json: &str,
        ) {
            let told: T = serde_json::from_str(json).expect("it fits");
            assert_eq!(told, T::default(), "{name}");
        }
        let all = [
            "actions", "words", "links", "contacts", "repeats", "rates", "reasons",
        ]
        .map(default_of);
        let [actions, words, links, contacts, repeats, rates, reasons] = &all;
        same::<Actions>("actions", actions);
        same::<Words>("words", words);
        same::<Links>("links", links);
        same::<Contacts>("contacts", contacts);
        same::<Repeats>("repeats", repeats);
        same::<Rates>("rates", rates);
        same::<Reasons>("reasons", reasons);
        assert_eq!(
            default_of("first_contact_raise"),
            FIRST_CONTACT_RAISE.to_string()
        );
    }

    #[test]
    fn nothing_is_worse_than_critical_and_what_is_off_stays_off() {
        assert_eq!(Severity::Low.raised(1), Severity::Medium);
        assert_eq!(Severity::High.raised(3), Severity::Critical);
        assert_eq!(Severity::Off.raised(3), Severity::Off);
    }
}
