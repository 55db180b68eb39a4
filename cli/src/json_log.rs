//! A server's own log as JSON: an object a line, with what is said of an event beside its message, where
//! programs look for it. A list is a list there, not a text that shows one.

use std::fmt;

use serde_json::Value;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::{Format, Json, Writer},
    },
    registry::LookupSpan,
};

/// Writes the lines.
pub(crate) struct Lines(Format<Json>);

impl Lines {
    pub(crate) fn new(format: Format<Json>) -> Lines {
        Lines(format.flatten_event(true))
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut lists = Lists::default();
        event.record(&mut lists);
        if lists.0.is_empty() {
            return self.0.format_event(context, writer, event);
        }
        let mut line = String::new();
        self.0
            .format_event(context, Writer::new(&mut line), event)?;
        for List { name, text, value } in lists.0 {
            // Within a text the quotes of this would have backslashes before them.
            let (name, text) = (Value::from(name), Value::from(text));
            line = line.replacen(&format!("{name}:{text}"), &format!("{name}:{value}"), 1);
        }
        writer.write_str(&line)
    }
}

/// The fields of an event that are lists.
#[derive(Default)]
struct Lists(Vec<List>);

struct List {
    name: &'static str,
    /// What the field is shown as.
    text: String,
    /// What it holds.
    value: Value,
}

impl Visit for Lists {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        // A text that only looks like a list, such as a user's id, is shown in one way only.
        if !text.starts_with('[') || text == format!("{value:#?}") {
            return;
        }
        if let Ok(value @ Value::Array(_)) = serde_json::from_str(&text) {
            let name = field.name();
            self.0.push(List { name, text, value });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(log: impl FnOnce()) -> Value {
        let written = Log::default();
        let into = written.clone();
        let lines = tracing_subscriber::fmt()
            .with_writer(move || into.clone())
            .json()
            .map_event_format(Lines::new)
            .finish();
        tracing::subscriber::with_default(lines, log);
        let written = written.0.lock().unwrap();
        let line = str::from_utf8(&written).unwrap();
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        serde_json::from_str(line).unwrap()
    }

    #[test]
    fn lists_are_lists() {
        let names = ["localhost", "a\"b"];
        let line = logged(|| tracing::info!(?names, ports = ?[1, 2], path = %"/p", "made"));
        assert_eq!(line["names"], serde_json::json!(["localhost", "a\"b"]));
        assert_eq!(line["ports"], serde_json::json!([1, 2]));
        assert_eq!(
            (&line["path"], &line["message"]),
            (&"/p".into(), &"made".into())
        );
        assert_eq!(line["level"], "INFO");
    }

    #[test]
    fn what_only_looks_like_a_list_stays_a_text() {
        let user = r#"["ann", "ben"]"#;
        let line = logged(
            || tracing::info!(user, shown = %user, addresses = ?[std::net::Ipv4Addr::LOCALHOST], "[1, 2]"),
        );
        assert_eq!(
            (&line["user"], &line["shown"]),
            (&user.into(), &user.into())
        );
        // No list of JSON, and readable as it is.
        assert_eq!(line["addresses"], "[127.0.0.1]");
        assert_eq!(line["message"], "[1, 2]");
    }

    #[test]
    fn a_text_that_holds_what_is_replaced_stays_as_it_is() {
        let names = ["a"];
        let text = r#""names":"[\"a\"]""#;
        let line = logged(|| tracing::info!(text, ?names, "made"));
        assert_eq!(line["text"], text);
        assert_eq!(line["names"], serde_json::json!(["a"]));
    }
}
