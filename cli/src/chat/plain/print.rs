//! How messages and events look as lines.

use jiff::tz::TimeZone;
use serde_json::{Value, json};
use tidings_protocol::{
    event::{Event, Kind},
    id, view,
};
use tidings_sdk::{Client, Error};
use uuid::Uuid;

use crate::{
    chat::text::{date_and_clock, harmless, one_line},
    say::say,
};

/// As many conversations as a page may hold.
const PAGE: u32 = 100;

pub(super) struct Printer {
    pub(super) json: bool,
    pub(super) zone: TimeZone,
}

impl Printer {
    /// Prints every conversation, latest activity first.
    pub(super) async fn list(&self, client: &Client) -> Result<(), Error> {
        loop {
            let (oldest, more) = client.with_state(|state| {
                let oldest = state
                    .conversations()
                    .last()
                    .map(|one| one.view().activity_position);
                (oldest.unwrap_or_default(), state.more())
            });
            if !more {
                break;
            }
            client.list_conversations(oldest, PAGE).await?;
        }
        let state = client.state();
        for conversation in state.conversations() {
            let view = conversation.view();
            if self.json {
                say!("{}", json!(view));
            } else {
                say!("{}", self.conversation(view));
            }
        }
        Ok(())
    }

    fn conversation(&self, view: &view::Conversation) -> String {
        let id = id::from_wire(&view.id).unwrap_or_default();
        let name = one_line(match view.kind.as_str() {
            "group" => &view.title,
            _ => &view.peer,
        });
        let last = view.last_message.as_ref().map(|last| {
            let text = match last.retracted || last.erased {
                true => "(taken back)".to_owned(),
                false => one_line(&last.text),
            };
            format!("{}: {text}", one_line(&last.author))
        });
        let when = match view.activity_ms {
            0 => String::new(),
            at => date_and_clock(at, &self.zone),
        };
        let last = last.unwrap_or_default();
        format!("{id} {:>4} unread {when:16} {name} | {last}", view.unread)
    }

    pub(super) fn message(&self, conversation: Uuid, message: &view::Message) {
        if self.json {
            let kind = json!({ "message_posted": message });
            say!(
                "{}",
                line(kind, conversation, &message.author, message.at_ms)
            );
            return;
        }
        say!("{}", self.posted(message));
    }

    fn posted(&self, message: &view::Message) -> String {
        let text = match message.retracted || message.erased {
            true => "(taken back)".to_owned(),
            false => harmless(&message.text).replace('\n', "\n    "),
        };
        let reply = match message.reply_to {
            0 => String::new(),
            seq => format!(" (to #{seq})"),
        };
        let edited = if message.edited_ms > 0 {
            " (edited)"
        } else {
            ""
        };
        let when = date_and_clock(message.at_ms, &self.zone);
        let author = one_line(&message.author);
        format!("{when} #{} {author}{reply}: {text}{edited}", message.seq)
    }

    /// Prints any other event.
    pub(super) fn event(&self, event: &Event) {
        let Some(kind) = &event.kind else {
            // Of a kind this version does not know.
            return;
        };
        if self.json {
            let conversation = id::from_wire(&event.conversation).unwrap_or_default();
            say!(
                "{}",
                line(json!(kind), conversation, &event.actor, event.at_ms)
            );
        } else if let Some(said) = in_words(event, kind) {
            say!("{} * {said}", date_and_clock(event.at_ms, &self.zone));
        }
    }
}

/// What happened and where, by whom and when, in one object.
fn line(kind: Value, conversation: Uuid, actor: &str, at_ms: u64) -> Value {
    let mut line = json!({ "conversation": conversation, "actor": actor, "at_ms": at_ms });
    if let (Value::Object(line), Value::Object(kind)) = (&mut line, kind) {
        line.extend(kind);
    }
    line
}

fn why(reason: &str) -> String {
    match reason {
        "" => String::new(),
        reason => format!(" ({})", one_line(reason)),
    }
}

/// What happened in a conversation, on one line; none for what people do not care to read.
pub(in crate::chat) fn in_words(event: &Event, kind: &Kind) -> Option<String> {
    let actor = one_line(&event.actor);
    let users = |users: &[String]| one_line(&users.join(", "));
    Some(match kind {
        Kind::MessageEdited(edit) => {
            let text = if edit.stub { "a long text" } else { &edit.text };
            format!("{actor} changed #{}: {}", edit.seq, one_line(text))
        }
        Kind::MessageRetracted(gone) => format!("{actor} took #{} back", gone.seq),
        Kind::MessageHeld(held) => format!(
            "{}'s message is held{}: {}",
            one_line(&held.author),
            why(&held.reason),
            one_line(&held.text)
        ),
        Kind::MessageRejected(rejected) => {
            format!("{actor}'s message is rejected{}", why(&rejected.reason))
        }
        Kind::ReactionAdded(change) => {
            format!(
                "{actor} reacted to #{}: {}",
                change.seq,
                one_line(&change.reaction)
            )
        }
        Kind::ReactionRemoved(change) => {
            let reaction = one_line(&change.reaction);
            format!(
                "{actor} took a reaction to #{} back: {reaction}",
                change.seq
            )
        }
        Kind::MembersJoined(joined) if joined.users == [event.actor.clone()] => {
            format!("{actor} joined")
        }
        Kind::MembersJoined(joined) => format!("{actor} added {}", users(&joined.users)),
        Kind::MemberLeft(left) if left.removed => {
            format!("{actor} removed {}", users(&left.users))
        }
        Kind::MemberLeft(left) => format!("{} left", users(&left.users)),
        Kind::RoleChanged(change) => format!(
            "{actor} made {} {}",
            one_line(&change.user),
            one_line(&change.role)
        ),
        Kind::TitleChanged(change) => {
            format!("{actor} named the group {}", one_line(&change.title))
        }
        Kind::ToastQueued(tidings_sdk::protocol::event::ToastQueued {
            toast: Some(toast), ..
        }) => {
            let parts = [&toast.title, &toast.body, &toast.link];
            let parts = parts.iter().filter(|part| !part.is_empty());
            let parts: Vec<String> = parts.map(|part| one_line(part)).collect();
            parts.join(" - ")
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use tidings_protocol::event::ReactionChanged;

    use super::*;

    const PRINTER: Printer = Printer {
        json: false,
        zone: TimeZone::UTC,
    };

    #[test]
    fn a_message_is_lines_of_which_only_the_first_looks_like_one() {
        let mut message = view::Message {
            seq: 5,
            author: "bob".to_owned(),
            at_ms: 1_764_000_000_123,
            text: "one\ntwo\x1b".to_owned(),
            reply_to: 3,
            edited_ms: 1,
            ..view::Message::default()
        };
        let expected = "2025-11-24 16:00 #5 bob (to #3): one\n    two\u{fffd} (edited)";
        assert_eq!(PRINTER.posted(&message), expected);
        (message.retracted, message.edited_ms, message.reply_to) = (true, 0, 0);
        assert_eq!(
            PRINTER.posted(&message),
            "2025-11-24 16:00 #5 bob: (taken back)"
        );
    }

    #[test]
    fn an_object_says_where_and_what() {
        let change = ReactionChanged {
            seq: 3,
            reaction: "👍".to_owned(),
            count: 1,
        };
        let kind = json!(Kind::ReactionAdded(change));
        let object = line(kind, Uuid::from_u128(1), "bob", 9);
        assert_eq!(object["reaction_added"]["reaction"], "👍");
        assert_eq!(
            (object["actor"].as_str(), object["at_ms"].as_u64()),
            (Some("bob"), Some(9))
        );
    }
}
