//! The index of messages: full text over one's own conversations.
//!
//! The index keeps words, and no texts: whoever shows a hit fetches the message, and marks the words in it
//! with a [`Highlighter`]. It can be deleted at any time and made again from the log.
//!
//! # Who finds what
//!
//! A message of a conversation that few ever were in carries the names of all of them, so that a search
//! begins with what concerns who asks, however many conversations that are. Larger conversations are found
//! by their own names, of which one person has few ([`Viewer::large`]). Either says only who might see a
//! message; whether somebody does is asked when a message would come on the page ([`Viewer::sees`]), since
//! people come and go. When somebody joins a small conversation, the messages that this person may see are
//! written anew with the new name; when it becomes a large one, they may stay as they are.
//!
//! # What a commit costs
//!
//! What is written is found after [`MessageIndex::commit`], twice a second or so: a commit waits for the
//! disk. What was changed or removed is not found any more as soon as [`MessageIndex::put`] or
//! [`MessageIndex::remove`] returns. Every message since the last commit takes about 50 bytes of memory until
//! then: whoever fills an index commits now and then.
//!
//! # What is removed
//!
//! A removed message is not found any more, but its words stay in the files until its segment is merged,
//! which happens at the latest when a third of it is removed; [`MessageIndex::purge`] does it at once.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tantivy::indexer::UserOperation;
use tantivy::{IndexReader, IndexWriter, TantivyError};

use crate::people::opening::{self, Opened};
use crate::people::purging::purge;
use crate::text::Analyzer;

mod answer;
mod check;
mod coarse;
mod compile;
mod highlight;
pub mod id;
mod language;
#[cfg(test)]
mod model_tests;
mod page;
mod query;
mod run;
mod schema;
mod search;
#[cfg(test)]
mod tests;
mod top;
mod view;

pub use crate::people::{MIN_WRITER_MEMORY, OpenError, Position};
pub use answer::{Answer, Hit, Sight};
pub use check::{MAX_VALUES, check, check_filter};
pub use highlight::Highlighter;
pub use id::Conversation;
pub use language::{Context, parse};
pub use page::PageError;
pub use query::{Filter, MessageQuery, Sort};
pub use search::{MAX_RANKED, MAX_RANKED_PHRASES, SearchError};

use schema::{Fields, Id};
use view::View;

/// Longest user id, in bytes.
pub const MAX_USER_BYTES: usize = 128;

/// Longest text, in bytes.
pub const MAX_TEXT_BYTES: usize = 64 * 1024;

/// Most people that a message carries the names of.
pub const MAX_MEMBERS: usize = 32;

/// A message, as it is to be found.
#[derive(Clone, Copy, Debug)]
pub struct Document<'a> {
    /// Where it was written.
    pub conversation: Conversation,
    /// Which message of the conversation.
    pub seq: u64,
    /// Who wrote it.
    pub author: &'a str,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// What. At most [`MAX_TEXT_BYTES`].
    pub text: &'a str,
    /// Everybody who is or was in the conversation, if they are at most [`MAX_MEMBERS`]; otherwise nobody.
    pub members: &'a [&'a str],
}

impl Document<'_> {
    fn id(&self) -> Id {
        Id {
            conversation: self.conversation,
            seq: self.seq,
        }
    }
}

/// Who asks.
#[derive(Clone, Copy)]
pub struct Viewer<'a> {
    /// Who.
    pub user: &'a str,
    /// The conversations where the user is or was whose messages do not carry the names of all.
    pub large: &'a [Conversation],
    /// Whether the user may see a message now. Asked of what would come on the page alone, and within one
    /// search not again within a range that was answered.
    pub sees: &'a dyn Fn(Conversation, u64) -> Sight,
    /// Everything is found, whoever asks: the operator.
    pub all: bool,
}

/// Why something cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A user id that is empty or too long.
    #[error("a user id has 1 to {MAX_USER_BYTES} bytes, this one has {0}")]
    User(usize),
    /// A text that is too long.
    #[error("a text has at most {MAX_TEXT_BYTES} bytes, this one has {0}")]
    Text(usize),
    /// Too many members: larger conversations are found by their own names.
    #[error("a message carries at most {MAX_MEMBERS} members, this one has {0}")]
    Members(usize),
    /// The index cannot be written any more, for example because the disk is full: open it again and go on
    /// from [`MessageIndex::position`].
    #[error("the index cannot be written: {0}")]
    Index(#[from] TantivyError),
}

/// The index of messages. Shared freely: searches never wait, writers wait for each other.
pub struct MessageIndex {
    fields: Fields,
    writer: Mutex<IndexWriter>,
    reader: IndexReader,
    /// Held while a view is made, so that views are published in the order of their searchers.
    refreshing: Mutex<()>,
    view: ArcSwap<View>,
    /// Held while a change is noted in the view, and while the view is replaced, so that no change is noted
    /// in one that is not seen any more.
    swapping: Mutex<()>,
    /// The turn of what is written now; changed under the lock of the writer. Each commit ends one.
    turn: AtomicU64,
    position: Mutex<Position>,
}

impl MessageIndex {
    /// Opens the index in a folder, or makes an empty one. `writer_memory` is in bytes; 64 MB is plenty.
    pub fn open(folder: &Path, writer_memory: usize) -> Result<MessageIndex, OpenError> {
        MessageIndex::open_with(folder, Analyzer::default(), writer_memory)
    }

    /// The same for texts that are cut into words in another way than by default. An index that was made with
    /// another analyzer is [`OpenError::Other`].
    pub fn open_with(
        folder: &Path,
        analyzer: Analyzer,
        writer_memory: usize,
    ) -> Result<MessageIndex, OpenError> {
        let fields = Fields::new(analyzer);
        let Opened {
            writer,
            reader,
            position,
        } = opening::open(
            folder,
            fields.schema.clone(),
            fields.fingerprint,
            analyzer,
            writer_memory,
        )?;
        let searcher = reader.searcher();
        let view = View::new(searcher.clone(), &View::empty(searcher), &fields)
            .map_err(opening::open_error)?;
        Ok(MessageIndex {
            fields,
            writer: Mutex::new(writer),
            reader,
            refreshing: Mutex::new(()),
            view: ArcSwap::from_pointee(view),
            swapping: Mutex::new(()),
            turn: AtomicU64::new(1),
            position: Mutex::new(position),
        })
    }

    /// How texts and queries are cut into words.
    pub fn analyzer(&self) -> Analyzer {
        self.fields.analyzer
    }

    /// What the last commit holds: where to go on from after opening.
    pub fn position(&self) -> Position {
        *self.position.lock()
    }

    /// Writes a message, replacing what was written of it before. Found after the next commit; what was
    /// there before is not found any more at once.
    pub fn put(&self, message: &Document<'_>) -> Result<(), WriteError> {
        check_user(message.author)?;
        if message.text.len() > MAX_TEXT_BYTES {
            return Err(WriteError::Text(message.text.len()));
        }
        if message.members.len() > MAX_MEMBERS {
            return Err(WriteError::Members(message.members.len()));
        }
        message
            .members
            .iter()
            .try_for_each(|member| check_user(member))?;
        let document = self.fields.document(message);
        let id = message.id();
        // Under one lock, so that whoever is later stays.
        let writer = self.writer.lock();
        if self.change(id)? {
            let term = self.fields.id_term(&id);
            writer.run([UserOperation::Delete(term), UserOperation::Add(document)])?;
        } else {
            // Looking for a document to delete costs a look into every segment once more.
            writer.add_document(document)?;
        }
        Ok(())
    }

    /// Removes a message. Not found any more at once.
    pub fn remove(&self, conversation: Conversation, seq: u64) -> Result<(), WriteError> {
        let id = Id { conversation, seq };
        let writer = self.writer.lock();
        if self.change(id)? {
            writer.delete_term(self.fields.id_term(&id));
        }
        Ok(())
    }

    /// Notes a change, under the lock of the writer. Returns whether the message may be in the index.
    fn change(&self, id: Id) -> Result<bool, TantivyError> {
        let _swapping = self.swapping.lock();
        let turn = self.turn.load(Ordering::Relaxed);
        self.view.load().change(id, turn)
    }

    /// Makes everything found that was written before, and durable together with how far in the log it is.
    pub fn commit(&self, position: u64, epoch: [u8; 16]) -> Result<(), WriteError> {
        let position = Position { epoch, position };
        {
            let mut writer = self.writer.lock();
            opening::commit(&mut writer, self.fields.fingerprint, position)?;
            self.turn.fetch_add(1, Ordering::SeqCst);
            *self.position.lock() = position;
        }
        self.publish()?;
        Ok(())
    }

    /// Goes back to what the last commit holds, also where writing has failed since: what was written after
    /// it has to be written again.
    pub fn rollback(&self) -> Result<(), WriteError> {
        let mut writer = self.writer.lock();
        writer.rollback()?;
        opening::tune(&writer);
        Ok(())
    }

    /// Lets queries see segments that were merged since the last commit: less work for each. Called now and
    /// then while nothing is written; a commit does the same.
    pub fn refresh(&self) -> Result<(), WriteError> {
        Ok(self.publish()?)
    }

    fn publish(&self) -> Result<(), TantivyError> {
        let _refreshing = self.refreshing.lock();
        // Read before the searcher is made, which so holds all turns before this one.
        let turn = self.turn.load(Ordering::SeqCst);
        self.reader.reload()?;
        let mut view = View::new(self.reader.searcher(), &self.view.load(), &self.fields)?;
        let _swapping = self.swapping.lock();
        view.take_over(&self.view.load(), turn - 1);
        self.view.store(Arc::new(view));
        Ok(())
    }

    /// Takes the words of removed messages out of the files, by writing every segment anew that holds any;
    /// as of the last commit. Takes as long as there is to write: some minutes for gigabytes. Meanwhile
    /// others search, write and commit. False if it was `stopped` before it was done.
    pub fn purge(&self, stopped: &dyn Fn() -> bool) -> Result<bool, WriteError> {
        Ok(purge(&self.writer, stopped, || self.publish())?)
    }

    /// How many messages there are.
    pub fn len(&self) -> u64 {
        self.view.load().searcher.num_docs()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Finds messages.
    pub fn search(&self, query: &MessageQuery, viewer: &Viewer<'_>) -> Result<Answer, SearchError> {
        search::search(&self.fields, &self.view.load_full(), query, viewer)
    }
}

fn check_user(user: &str) -> Result<(), WriteError> {
    match user.len() {
        1..=MAX_USER_BYTES => Ok(()),
        bytes => Err(WriteError::User(bytes)),
    }
}
