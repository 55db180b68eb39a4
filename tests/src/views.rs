//! What a client holds, beside what a client that knows nothing is shown.

use std::collections::{BTreeMap, BTreeSet};

use tidings_protocol::{
    frame::Outcome,
    id,
    view::{Conversation, Message},
};
use tidings_sdk::State;
use uuid::Uuid;

use crate::{Server, Session, Way, ask, history, token};

/// Everything a user sees.
#[derive(Debug, PartialEq)]
pub struct View {
    conversations: BTreeMap<Uuid, (Conversation, BTreeMap<u64, Message>)>,
    unread_total: u64,
    blocked: BTreeSet<String>,
}

impl View {
    /// What a new client of this user is shown, whole histories included.
    pub async fn fresh(server: &Server, user: &str) -> View {
        let mut hello = ask::hello(&token::of(user));
        hello.window = 100;
        let mut session = Session::hello(server, Way::WebSocketProtobuf, hello).await;
        let reset = session.reset.take().expect("a first session has a reset");
        assert!(!reset.more, "the window holds every conversation");
        let mut conversations = BTreeMap::new();
        for view in &reset.conversations {
            let id = id::from_wire(&view.id).expect("an id");
            let messages = history::all(&mut session, id).await;
            let messages = messages.into_iter().map(|message| (message.seq, message));
            conversations.insert(id, (comparable(view), messages.collect()));
        }
        match session.ask(ask::unread()).await {
            Outcome::Unread(unread) if unread.total == reset.unread_total => {}
            // Something has happened since the reset: whoever compares asks again.
            other => println!("{user} has {} unread, then {other:?}", reset.unread_total),
        }
        View {
            conversations,
            unread_total: reset.unread_total,
            blocked: reset.blocked.into_iter().collect(),
        }
    }

    /// How a client's state differs from this view. A state may lack messages where it knows that it
    /// lacks them.
    pub fn differences(&self, state: &State) -> Vec<String> {
        let mut found = Vec::new();
        let mut differ = |what: String, held: &dyn std::fmt::Debug, fresh: &dyn std::fmt::Debug| {
            found.push(format!("{what}: held {held:?}, fresh {fresh:?}"));
        };
        if state.unread_total() != self.unread_total {
            differ("unread".into(), &state.unread_total(), &self.unread_total);
        }
        if *state.blocked() != self.blocked {
            differ("blocked".into(), state.blocked(), &self.blocked);
        }
        let held: BTreeSet<_> = state
            .conversations()
            .iter()
            .filter_map(|conversation| id::from_wire(&conversation.view().id))
            .collect();
        let fresh: BTreeSet<_> = self.conversations.keys().copied().collect();
        if held != fresh {
            differ("conversations".into(), &held, &fresh);
        }
        for (id, (view, messages)) in &self.conversations {
            let Some(conversation) = state.conversation(*id) else {
                continue;
            };
            let held = comparable(conversation.view());
            if held != *view {
                differ(format!("conversation {id}"), &held, view);
            }
            if view.role.is_empty() {
                // Who has left is told nothing more, also not of what happens to messages they had.
                continue;
            }
            let holes = conversation.holes();
            for (seq, message) in messages {
                match conversation.messages().get(seq) {
                    Some(held) if held == message => {}
                    None if holes.iter().any(|(from, to)| (from..=to).contains(&seq)) => {}
                    held => differ(format!("message {seq} of {id}"), &held, message),
                }
            }
            for (seq, held) in conversation.messages() {
                if !messages.contains_key(seq) {
                    differ(format!("message {seq} of {id}"), held, &"nothing");
                }
            }
        }
        found
    }
}

/// Without what may differ: the position of the look, and cursors of members who have not begun.
fn comparable(view: &Conversation) -> Conversation {
    let mut view = view.clone();
    view.as_of = 0;
    view.cursors
        .retain(|cursor| cursor.read_seq > 0 || cursor.delivered_seq > 0);
    view.cursors.sort_by(|a, b| a.user.cmp(&b.user));
    if view.role.is_empty()
        && let Some(last) = &mut view.last_message
    {
        *last = Message {
            seq: last.seq,
            author: last.author.clone(),
            ..Message::default()
        };
    }
    view
}
