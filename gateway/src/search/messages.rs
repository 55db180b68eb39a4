//! Asking for messages.

use std::{collections::HashMap, sync::Arc, time::Instant};

use parking_lot::Mutex;
use tidings_core::{
    content,
    domain::{ConversationId, UserId},
    node::Node,
    projections::read::{self, MessageView, Text},
};
use tidings_protocol::{ErrorCode, query, view};
use tidings_search::{
    messages::{
        Context, Conversation, Highlighter, MessageQuery, SearchError, Sight, Sort, Viewer, parse,
    },
    query::MAX_LIMIT,
};

pub(super) mod index;
mod large;

use super::Search;
use crate::{
    query::page_limit,
    translate::{self, Failure},
};

impl Search {
    /// Finds messages that a user may see.
    pub(crate) async fn find_messages(
        &self,
        node: &Arc<Node>,
        user: &UserId,
        asked: query::SearchMessages,
        push_bytes: usize,
    ) -> Result<query::FoundMessages, Failure> {
        let Some(keeper) = &self.messages else {
            let message = "messages cannot be searched here: search.messages is false";
            return Err(Failure::new(ErrorCode::UnknownRequest, message));
        };
        let Some(opened) = keeper.current() else {
            let done = keeper.status().building.unwrap_or(0);
            return Err(Failure::new(
                ErrorCode::Unavailable,
                format!("the index of messages is being built ({done} so far): try again"),
            ));
        };
        let context = Context {
            now_ms: i64::try_from(node.clock.now_ms()).unwrap_or(i64::MAX),
        };
        let filter = parse(&asked.query, &context).map_err(|error| {
            let message = format!("query:\n{}", error.render(&asked.query));
            Failure::new(ErrorCode::Invalid, message)
        })?;
        let sort = match asked.sort.as_str() {
            "" | "newest" => Sort::Newest,
            "relevance" => Sort::Relevance,
            other => {
                let message = format!("sort is {other:?}: use newest or relevance");
                return Err(Failure::new(ErrorCode::Invalid, message));
            }
        };
        let query = MessageQuery {
            filter,
            sort,
            limit: page_limit(asked.limit, 20, MAX_LIMIT)?,
            after: Some(asked.after).filter(|after| !after.is_empty()),
            highlight: asked.highlight,
        };
        let Ok(slot) = self.slots.clone().acquire_owned().await else {
            return Err(Failure::new(
                ErrorCode::Unavailable,
                "the server is stopping",
            ));
        };
        let (asking, looker) = (node.clone(), user.clone());
        let analyzer = opened.index.analyzer();
        let searched = tokio::task::spawn_blocking(move || {
            let _slot = slot;
            let began = Instant::now();
            let answer = search(&asking, &opened, &looker, &query);
            (answer, query, began.elapsed())
        });
        let (answer, query, took) = searched.await.map_err(|error| {
            tracing::error!(%error, "a search ended in a panic");
            Failure::new(ErrorCode::Internal, "the search failed")
        })?;
        self.took[1].observe(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        let answer = answer?;
        let highlighter = query
            .highlight
            .then(|| Highlighter::with(&query.filter, analyzer));
        let mut found = {
            let rows = node.projections.read();
            let viewer = read::Viewer::load(&rows, user)?;
            let mut found = Vec::with_capacity(answer.hits.len());
            for hit in &answer.hits {
                let id = ConversationId(uuid::Uuid::from_bytes(hit.conversation));
                let shown = read::message(&rows, &viewer, id, hit.seq)?;
                let stored = read::stored_message(&rows, id, hit.seq)?;
                // Who has left sees what it said then: that is not what was found.
                let shown = shown.filter(|shown| stored.is_some_and(|it| it.text == shown.text));
                found.extend(shown.map(|shown| (shown, hit.score)));
            }
            found
        };
        let (mut messages, scores): (Vec<MessageView>, Vec<f32>) = found.drain(..).unzip();
        content::open_messages(&*node.keys, &mut messages).await?;
        let found = messages.iter().zip(scores);
        let found = found.filter(|(message, _)| matches!(message.text, Text::Open(_)));
        let found = found.map(|(message, score)| {
            let places = match (&highlighter, &message.text) {
                (Some(highlighter), Text::Open(text)) => highlighter.of(text),
                _ => Vec::new(),
            };
            view::FoundMessage {
                conversation: tidings_protocol::id::to_wire(message.conversation.0),
                message: Some(translate::message(message, push_bytes)),
                score: (f64::from(score) * 10_000.0).round() / 10_000.0,
                highlights: places
                    .into_iter()
                    .map(|place| view::Highlight {
                        attribute: String::new(),
                        value: 0,
                        from: place.start as u32,
                        to: place.end as u32,
                    })
                    .collect(),
            }
        });
        Ok(query::FoundMessages {
            messages: found.collect(),
            next: answer.next.unwrap_or_default(),
            since_ms: answer
                .since_ms
                .map_or(0, |since_ms| u64::try_from(since_ms).unwrap_or(0)),
            cut: answer.cut,
        })
    }
}

/// What a user may see of a conversation: by `seq`, first and last of each time that they were in it.
type Spans = Arc<[(u64, u64)]>;

/// Asks the index. What may be seen is what the projections say at this moment.
fn search(
    node: &Node,
    opened: &index::Opened,
    user: &UserId,
    query: &MessageQuery,
) -> Result<tidings_search::messages::Answer, Failure> {
    let large = opened.large.read().of(user);
    let known: Mutex<HashMap<Conversation, Spans>> = Mutex::default();
    let sees = |conversation: Conversation, seq: u64| {
        let spans = known.lock().get(&conversation).cloned();
        let spans = spans.unwrap_or_else(|| {
            let spans = spans_of(node, conversation, user);
            known.lock().insert(conversation, spans.clone());
            spans
        });
        Sight::among(seq, spans.iter().copied())
    };
    let viewer = Viewer {
        user,
        large: &large,
        sees: &sees,
        all: false,
    };
    opened
        .index
        .search(query, &viewer)
        .map_err(|error| match error {
            SearchError::Index(error) => {
                tracing::error!(%error, "the index of messages cannot be searched");
                Failure::new(
                    ErrorCode::Internal,
                    "the index of messages cannot be searched",
                )
            }
            SearchError::Query(_) | SearchError::Page(_) => {
                Failure::new(ErrorCode::Invalid, error.to_string())
            }
        })
}

fn spans_of(node: &Node, conversation: Conversation, user: &UserId) -> Spans {
    let id = ConversationId(uuid::Uuid::from_bytes(conversation));
    match read::member(&node.projections.read(), id, user) {
        Ok(member) => member
            .into_iter()
            .flat_map(|member| member.intervals)
            .map(|span| (span.after + 1, span.until.unwrap_or(u64::MAX)))
            .collect(),
        Err(error) => {
            // What cannot be read is not shown.
            tracing::error!(%error, "a membership cannot be read");
            Arc::new([])
        }
    }
}
