//! Texts with places to fill in, and what is filled in there.

/// Bytes of a title and of a body that a toast may have.
const TITLE_BYTES: usize = 256;
const BODY_BYTES: usize = 1_024;
/// Letters of a name.
const NAME_LETTERS: usize = 60;

/// What is filled in: `{name}`, `{id}`, `{count}`, `{others}`, `{text}`, `{conversation}`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places<'a> {
    pub(crate) name: &'a str,
    pub(crate) id: &'a str,
    pub(crate) count: u32,
    pub(crate) text: &'a str,
    pub(crate) conversation: &'a str,
}

impl Places<'_> {
    /// A title, never empty: the name where the setting leaves nothing.
    pub(crate) fn title(&self, template: &str) -> String {
        let title = cut(self.fill(template, &str::to_owned), TITLE_BYTES);
        if title.trim().is_empty() {
            cut(self.name.to_owned(), TITLE_BYTES)
        } else {
            title
        }
    }

    pub(crate) fn body(&self, template: &str) -> String {
        cut(self.fill(template, &str::to_owned), BODY_BYTES)
    }

    /// A link, in which ids cannot break out of their place in the path.
    pub(crate) fn link(&self, template: &str) -> String {
        self.fill(template, &escape)
    }

    fn fill(&self, template: &str, put: &dyn Fn(&str) -> String) -> String {
        let mut filled = String::with_capacity(template.len() + 32);
        let mut rest = template;
        while let Some((before, behind)) = rest.split_once('{') {
            filled.push_str(before);
            let Some((place, after)) = behind.split_once('}') else {
                filled.push('{');
                rest = behind;
                continue;
            };
            match place {
                "name" => filled.push_str(&put(self.name)),
                "id" => filled.push_str(&put(self.id)),
                "count" => filled.push_str(&self.count.to_string()),
                "others" => filled.push_str(&self.count.saturating_sub(1).to_string()),
                "text" => filled.push_str(&put(self.text)),
                "conversation" => filled.push_str(&put(self.conversation)),
                _ => {
                    filled.push('{');
                    rest = behind;
                    continue;
                }
            }
            rest = after;
        }
        filled.push_str(rest);
        filled
    }
}

/// The name in a profile's attribute, given as JSON: a text, or the first of several.
pub(crate) fn name(attribute: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(attribute).ok()?;
    let text = match &value {
        serde_json::Value::Array(values) => values.first()?.as_str()?,
        value => value.as_str()?,
    };
    let text = text.trim();
    (!text.is_empty()).then(|| shortened(text, NAME_LETTERS))
}

/// At most so many letters, on one line.
pub(crate) fn shortened(text: &str, letters: usize) -> String {
    let line = |letter: char| if letter.is_control() { ' ' } else { letter };
    let mut short: String = text.chars().take(letters).map(line).collect();
    if text.chars().nth(letters).is_some() && letters > 0 {
        short.push('…');
    }
    short
}

fn cut(mut text: String, bytes: usize) -> String {
    text.truncate(text.floor_char_boundary(bytes));
    text
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn places_are_filled_in_once() {
        let places = Places {
            name: "{id}",
            id: "a/b",
            count: 3,
            text: "hi",
            conversation: "c?",
        };
        assert_eq!(
            places.title("{name} and {others} of {count} {x} {"),
            "{id} and 2 of 3 {x} {"
        );
        assert_eq!(
            places.link("/people/{id}?in={conversation}"),
            "/people/a%2Fb?in=c%3F"
        );
        assert_eq!(places.title(" "), "{id}");
    }

    #[test]
    fn names_are_texts_or_the_first_of_several() {
        assert_eq!(name(r#""Ann""#).as_deref(), Some("Ann"));
        assert_eq!(name(r#"["Ann", "Anna"]"#).as_deref(), Some("Ann"));
        for none in [r#"" ""#, "7", "[]", "?", "null"] {
            assert_eq!(name(none), None, "{none}");
        }
        assert_eq!(
            name(&format!("{:?}", "x".repeat(100))).map(|name| name.chars().count()),
            Some(61)
        );
    }

    proptest! {
        #[test]
        fn texts_are_no_longer_than_a_toast_takes(template in "\\PC{0,300}", name in "\\PC{1,100}") {
            let places = Places { name: &name, ..Places::default() };
            let title = places.title(&format!("{template}{{name}}"));
            prop_assert!((1..=256).contains(&title.len()));
            prop_assert!(places.body(&template.repeat(8)).len() <= 1_024);
        }
    }
}
