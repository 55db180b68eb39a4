//! `docs/protocol.md` and `tidings.proto` against the crate: the tables between markers are written
//! by this test, and what is written by hand may only name what exists.

use std::{collections::BTreeSet, fmt::Write, fs, path::PathBuf};

use serde_json::Value;
use tidings_protocol::{
    CloseCode, Encoding, ErrorCode,
    close::{self, After},
    error::Remedy,
    version,
};

use crate::{
    golden::Side,
    schema::{Field, Kind, Message, Schema},
};

fn file(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn guide() -> String {
    fs::read_to_string(file("../docs/protocol.md")).expect("docs/protocol.md")
}

#[test]
fn the_tables_are_those_of_the_code() {
    let schema = Schema::read();
    let mut text = guide();
    for (name, content) in [
        ("client frame", fields(schema.message("frame::ClientFrame"))),
        ("requests", variants(&schema, "Request")),
        ("bodies", variants(&schema, "Body")),
        ("outcomes", variants(&schema, "Outcome")),
        ("events", variants(&schema, "Kind")),
        ("views", views(&schema)),
        ("errors", errors()),
        ("remedies", remedies()),
        ("close codes", close_codes()),
        ("after closing", afters()),
    ] {
        let begin = format!("<!-- begin generated: {name} -->\n");
        let start = text
            .find(&begin)
            .unwrap_or_else(|| panic!("no marker {begin:?}"))
            + begin.len();
        let end = start
            + text[start..]
                .find("<!-- end generated -->")
                .expect("an end marker");
        text.replace_range(start..end, &format!("\n{content}\n"));
    }
    compare("../docs/protocol.md", &text);
}

#[test]
fn the_proto_file_is_that_of_the_code() {
    compare("tidings.proto", &proto(&Schema::read()));
}

fn compare(path: &str, expected: &str) {
    let path = file(path);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, expected).expect("documents can be written");
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    for (number, (now, then)) in expected.lines().zip(stored.lines()).enumerate() {
        assert_eq!(
            now,
            then,
            "line {} is not that of the code: UPDATE_DOCS=1",
            number + 1
        );
    }
    assert_eq!(
        expected.len(),
        stored.len(),
        "lines are missing: UPDATE_DOCS=1"
    );
}

/// Every request in the table of who may ask and what is answered, once, in known words.
#[test]
fn the_table_of_requests_is_complete() {
    let (schema, text) = (Schema::read(), guide());
    let table = section(&text, "### Who may ask what");
    let mut seen = Vec::new();
    for row in table.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [request, command_id, _who, answer, refusals] = cells[..] else {
            panic!("{row}")
        };
        seen.push(request.trim_matches('`').to_owned());
        assert!(["yes", "no"].contains(&command_id), "{row}");
        let known: BTreeSet<&str> = (schema.oneof("Outcome").variants.iter())
            .chain(&schema.oneof("Body").variants)
            .map(|variant| variant.name.as_str())
            .collect();
        for name in code_words(answer) {
            assert!(known.contains(name), "no answer {name}: {row}");
        }
        for name in code_words(refusals) {
            assert!(
                ErrorCode::from_name(name).is_some(),
                "no error {name}: {row}"
            );
        }
    }
    let requests = schema.oneof("Request").variants.iter();
    assert_eq!(
        seen,
        requests
            .map(|variant| variant.name.clone())
            .collect::<Vec<_>>()
    );
}

/// The examples are frames of this protocol, with no field it does not know.
#[test]
fn the_examples_are_frames() {
    let text = guide();
    let client = examples::<tidings_protocol::ClientFrame>(&text);
    let server = examples::<tidings_protocol::ServerFrame>(&text);
    let sent: BTreeSet<&String> = client.iter().collect();
    for name in ["hello", "post_message", "ack", "mark_read"] {
        assert!(sent.contains(&name.to_owned()), "no example of {name}");
    }
    for name in ["welcome", "reset", "reply", "event"] {
        assert!(server.contains(&name.to_owned()), "no example of {name}");
    }
}

/// Checks the examples of one side; answers what they ask or say.
fn examples<F: Side>(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for block in text.split(&format!("```json {}\n", F::NAME)).skip(1) {
        let example = block.split("```").next().expect("split yields a part");
        let written: Value =
            serde_json::from_str(example).unwrap_or_else(|e| panic!("{e}:\n{example}"));
        let frame = F::decode(Encoding::Json, example.to_owned().into());
        let read: Value = serde_json::from_slice(&frame.encode(Encoding::Json)).expect("JSON");
        within(&written, &read, example);
        let inner = written
            .get("request")
            .unwrap_or(&written)
            .as_object()
            .expect("an object");
        found.push(inner.keys().next().expect("a kind").clone());
    }
    found
}

/// Everything written is also read: no misspelt field.
fn within(written: &Value, read: &Value, example: &str) {
    match (written, read) {
        (Value::Object(written), Value::Object(read)) => {
            for (key, value) in written {
                let known = read
                    .get(key)
                    .unwrap_or_else(|| panic!("{key:?} is not read:\n{example}"));
                within(value, known, example);
            }
        }
        (Value::Array(written), Value::Array(read)) if written.len() == read.len() => {
            written
                .iter()
                .zip(read)
                .for_each(|(written, read)| within(written, read, example));
        }
        _ => assert_eq!(written, read, "in\n{example}"),
    }
}

/// What the text says of names and numbers.
#[test]
fn the_text_names_what_exists() {
    let text = guide();
    for name in [
        version::SUBPROTOCOL_JSON,
        version::SUBPROTOCOL_PROTOBUF,
        version::ALPN_JSON,
        version::ALPN_PROTOBUF,
    ] {
        assert!(
            text.contains(&format!("`{name}`")),
            "{name} is not explained"
        );
    }
    // Fields of `limits` are explained by name, whatever their values.
    for field in &Schema::read().message("frame::Limits").fields {
        assert!(
            section(&text, "## Limits").contains(&format!("`{}`", field.name)),
            "{}",
            field.name
        );
    }
    // Links within the document lead somewhere.
    let headings: BTreeSet<String> = text
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(anchor)
        .collect();
    for link in text.split("](#").skip(1) {
        let link = link.split(')').next().expect("split yields a part");
        assert!(headings.contains(link), "no heading #{link}");
    }
}

/// Numbers are never given anew: of codes nor of names.
#[test]
fn codes_are_unique_and_found_again() {
    for code in ErrorCode::ALL {
        assert_eq!(ErrorCode::from_name(code.as_str()), Some(*code));
    }
    for code in CloseCode::ALL {
        assert_eq!(CloseCode::from_code(code.code()), Some(*code));
        assert!(
            (4000..5000).contains(&code.code()),
            "{code:?} is not for applications"
        );
    }
    let numbers: BTreeSet<u16> = close::CloseCode::ALL
        .iter()
        .map(|code| code.code())
        .collect();
    assert_eq!(numbers.len(), CloseCode::ALL.len());
    assert_eq!(CloseCode::from_code(1000), None);
    assert_eq!(ErrorCode::from_name("out_of_tea"), None);
}

fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let start = text
        .find(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("no {heading}"));
    let body = &text[start + heading.len() + 2..];
    &body[..body.find("\n#").unwrap_or(body.len())]
}

fn code_words(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = words
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// Doc comments speak to Rust programmers; the document does not.
fn plain(doc: &str) -> String {
    let mut text = doc.replace("Limits::", "limits.").replace('|', "\\|");
    for (rust, words) in [
        ("see `ErrorCode`", "see [Errors](#errors)"),
        ("see `CloseCode`", "see [Close codes](#close-codes)"),
        ("[`ListConversations`]", "`list_conversations`"),
        ("[`ListMessages`]", "`list_messages`"),
        ("[`ListMembers`]", "`list_members`"),
        ("[`GetReceipts`]", "`get_receipts`"),
        ("[`ListHeld`]", "`list_held`"),
        ("[`ListNotifications`]", "`list_notifications`"),
        ("[`ListBlocked`]", "`list_blocked`"),
        ("[`GetUnread`]", "`get_unread`"),
        ("[`ListContacts`]", "`list_contacts`"),
        ("[`SearchPeople`]", "`search_people`"),
        ("[`GetProfiles`]", "`get_profiles`"),
        ("[`SearchMessages`]", "`search_messages`"),
    ] {
        text = text.replace(rust, words);
    }
    assert!(
        !text.contains("[`") && !text.contains("::"),
        "say it without Rust: {text}"
    );
    text
}

fn type_name(field: &Field) -> String {
    let name = match &field.kind {
        Kind::Text => "text".to_owned(),
        Kind::Uuid => "UUID".to_owned(),
        Kind::U32 | Kind::U64 | Kind::F64 => "number".to_owned(),
        Kind::Bool => "bool".to_owned(),
        Kind::Message(path) => match path.split_once("::").expect("a path") {
            ("view", name) => format!("[{name}](#{})", name.to_lowercase()),
            (_, name) => name.to_owned(),
        },
        Kind::Oneof(name) => format!("one {}", name.to_lowercase()),
    };
    match (
        field.repeated,
        field.optional && !matches!(field.kind, Kind::Oneof(_)),
    ) {
        (true, _) => format!("list of {name}"),
        (false, true) => format!("{name}, optional"),
        (false, false) => name,
    }
}

fn fields(message: &Message) -> String {
    if message.fields.is_empty() {
        return "No fields.\n".to_owned();
    }
    let mut out = String::from("| Field | Type | Meaning |\n|---|---|---|\n");
    for field in &message.fields {
        let Field { name, doc, .. } = field;
        writeln!(out, "| `{name}` | {} | {} |", type_name(field), plain(doc)).expect("into memory");
    }
    out
}

fn variants(schema: &Schema, oneof: &str) -> String {
    let mut out = String::new();
    for variant in &schema.oneof(oneof).variants {
        let message = schema.message(&variant.message);
        let (module, name) = variant.message.split_once("::").expect("a path");
        let body = match module {
            "view" => format!("A [{name}](#{}).\n", name.to_lowercase()),
            _ => fields(message),
        };
        // The message says more than the variant, where it says anything else.
        let doc = if message.doc.starts_with("Answer to")
            || ["Kind", "Outcome"].contains(&oneof)
            || module == "view"
        {
            &variant.doc
        } else {
            &message.doc
        };
        write!(out, "**`{}`** {}\n\n{body}\n", variant.name, plain(doc)).expect("into memory");
        for path in inner(message) {
            let message = schema.message(&path);
            let (_, name) = path.split_once("::").expect("a path");
            write!(
                out,
                "{name}: {}\n\n{}\n",
                plain(&message.doc),
                fields(message)
            )
            .expect("into memory");
        }
    }
    out.truncate(out.trim_end().len());
    out + "\n"
}

/// Messages outside the views that only this one holds, to be explained right after it.
fn inner(message: &Message) -> Vec<String> {
    let of_message = message.fields.iter().filter_map(|field| match &field.kind {
        Kind::Message(path) if path == "frame::Limits" => Some(path.clone()),
        Kind::Message(path) if path == "frame::Cursor" && message.path == "frame::Welcome" => {
            Some(path.clone())
        }
        _ => None,
    });
    of_message.collect()
}

fn views(schema: &Schema) -> String {
    let mut out = String::new();
    for message in schema
        .messages
        .iter()
        .filter(|message| message.path.starts_with("view::"))
    {
        let name = message.path.trim_start_matches("view::");
        write!(
            out,
            "### {name}\n\n{}\n\n{}\n",
            plain(&message.doc),
            fields(message)
        )
        .expect("into memory");
    }
    out.truncate(out.trim_end().len());
    out + "\n"
}

fn errors() -> String {
    let mut out = String::from(
        "| Code | Retry | Remedy | Meaning, and what else to do |\n|---|---|---|---|\n",
    );
    for code in ErrorCode::ALL {
        let retry = if code.retry() { "yes" } else { "no" };
        let (name, remedy, then) = (code.as_str(), code.remedy().as_str(), code.then());
        let doc = code.doc().trim();
        writeln!(out, "| `{name}` | {retry} | *{remedy}* | {doc} {then} |").expect("into memory");
    }
    out
}

fn remedies() -> String {
    let mut out = String::from("| Remedy | What a client does |\n|---|---|\n");
    for remedy in Remedy::ALL {
        writeln!(out, "| *{}* | {} |", remedy.as_str(), remedy.doc()).expect("into memory");
    }
    out
}

fn close_codes() -> String {
    let mut out = String::from(
        "| Number | Name | Reconnect | Then | Meaning, and what else to do |\n|---|---|---|---|---|\n",
    );
    for code in CloseCode::ALL {
        let reconnect = if code.reconnect() { "yes" } else { "no" };
        let (number, name, after) = (code.code(), code.as_str(), code.after().as_str());
        let (doc, then) = (code.doc().trim(), code.then());
        writeln!(
            out,
            "| {number} | `{name}` | {reconnect} | *{after}* | {doc} {then} |"
        )
        .expect("into memory");
    }
    out
}

fn afters() -> String {
    let mut out = String::from("| Then | What a client does |\n|---|---|\n");
    for after in After::ALL {
        writeln!(out, "| *{}* | {} |", after.as_str(), after.doc()).expect("into memory");
    }
    out
}

/// Every remedy is one of some code, and each is explained once.
#[test]
fn every_remedy_is_used() {
    let used: Vec<Remedy> = ErrorCode::ALL.iter().map(|code| code.remedy()).collect();
    for remedy in Remedy::ALL {
        assert!(used.contains(&remedy), "{remedy:?}");
    }
    assert!(used.iter().all(|remedy| Remedy::ALL.contains(remedy)));
    let used: Vec<After> = CloseCode::ALL.iter().map(|code| code.after()).collect();
    for after in After::ALL {
        assert!(used.contains(&after), "{after:?}");
    }
    assert!(used.iter().all(|after| After::ALL.contains(after)));
}

/// The schema for every other language's Protobuf compiler.
fn proto(schema: &Schema) -> String {
    let mut out = String::from(
        "// The client protocol of Tidings, version 1. Written from the Rust sources by a test of the\n\
         // protocol crate (UPDATE_DOCS=1); docs/protocol.md explains it.\n\n\
         syntax = \"proto3\";\n\npackage tidings.v1;\n",
    );
    for message in &schema.messages {
        write!(
            out,
            "\n{}message {} {{",
            comment(&message.doc, ""),
            proto_name(schema, &message.path)
        )
        .expect("into memory");
        for field in &message.fields {
            let comment = comment(&field.doc, "  ");
            match &field.kind {
                Kind::Oneof(name) => {
                    write!(out, "\n{comment}  oneof {} {{\n", field.name).expect("into memory");
                    for variant in &schema.oneof(name).variants {
                        let ty = proto_name(schema, &variant.message);
                        writeln!(out, "    {ty} {} = {};", variant.name, variant.tag)
                            .expect("into memory");
                    }
                    out.push_str("  }");
                }
                kind => {
                    let ty = match kind {
                        Kind::Text => "string".to_owned(),
                        Kind::Uuid => "bytes".to_owned(),
                        Kind::U32 => "uint32".to_owned(),
                        Kind::U64 => "uint64".to_owned(),
                        Kind::F64 => "double".to_owned(),
                        Kind::Bool => "bool".to_owned(),
                        Kind::Message(path) => proto_name(schema, path),
                        Kind::Oneof(_) => unreachable!("matched above"),
                    };
                    let label = match (field.repeated, field.optional, kind) {
                        (true, ..) => "repeated ",
                        // Messages know absence without it.
                        (_, true, Kind::U64 | Kind::U32 | Kind::F64 | Kind::Text | Kind::Bool) => {
                            "optional "
                        }
                        _ => "",
                    };
                    write!(
                        out,
                        "\n{comment}  {label}{ty} {} = {};",
                        field.name, field.tag
                    )
                    .expect("into memory");
                }
            }
        }
        out.push_str(if message.fields.is_empty() {
            "}\n"
        } else {
            "\n}\n"
        });
    }
    out
}

/// Two messages of one name are told apart by their modules.
fn proto_name(schema: &Schema, path: &str) -> String {
    let (module, name) = path.split_once("::").expect("a path");
    let same = |other: &&Message| other.path.split_once("::").expect("a path").1 == name;
    if schema.messages.iter().filter(same).count() == 1 {
        return name.to_owned();
    }
    format!("{}{}{name}", module[..1].to_uppercase(), &module[1..])
}

fn comment(doc: &str, indent: &str) -> String {
    let mut lines = vec![String::new()];
    let doc = plain(doc)
        .replace("\\|", "|")
        .replace("[Errors](#errors)", "\"Errors\" in docs/protocol.md")
        .replace(
            "[Close codes](#close-codes)",
            "\"Close codes\" in docs/protocol.md",
        );
    for word in doc.split(' ') {
        let last = lines.last_mut().expect("never empty");
        if indent.len() + last.len() + word.len() > 95 {
            lines.push(format!(" {word}"));
        } else {
            last.push(' ');
            last.push_str(word);
        }
    }
    lines
        .iter()
        .map(|line| format!("{indent}//{line}\n"))
        .collect()
}
