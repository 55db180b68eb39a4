//! Histories, read to their ends.

use tidings_protocol::{
    frame::Outcome,
    view::{Conversation, Message},
};
use uuid::Uuid;

use crate::{Session, ask};

/// Messages of a page.
const PAGE: u32 = 200;

/// All messages of a conversation after one, from oldest to newest.
pub async fn after(session: &mut Session, conversation: Uuid, mut seq: u64) -> Vec<Message> {
    let mut all = Vec::new();
    loop {
        let page = match session.ask(ask::after(conversation, seq, PAGE)).await {
            Outcome::Messages(page) => page,
            other => panic!("no messages: {other:?}"),
        };
        seq = page.messages.last().map_or(seq, |message| message.seq);
        let ended = !page.more;
        assert!(
            ended || !page.messages.is_empty(),
            "an empty page says that there is more"
        );
        all.extend(page.messages);
        if ended {
            return all;
        }
    }
}

/// All messages of a conversation, from oldest to newest.
pub async fn all(session: &mut Session, conversation: Uuid) -> Vec<Message> {
    after(session, conversation, 0).await
}

/// The same, paged from the newest backwards.
pub async fn backwards(session: &mut Session, conversation: Uuid, page: u32) -> Vec<Message> {
    let mut all = Vec::new();
    let mut request = ask::latest(conversation, page);
    loop {
        let page_of = match session.ask(request).await {
            Outcome::Messages(page) => page,
            other => panic!("no messages: {other:?}"),
        };
        let first = page_of.messages.first().map(|message| message.seq);
        all.splice(0..0, page_of.messages);
        match first {
            Some(first) if page_of.more => request = ask::before(conversation, first, page),
            _ => return all,
        }
    }
}

/// A conversation as the session's user sees it.
pub async fn conversation(session: &mut Session, conversation: Uuid) -> Conversation {
    match session.ask(ask::conversation(conversation)).await {
        Outcome::Conversation(view) => view,
        other => panic!("no conversation: {other:?}"),
    }
}
