//! The index of people: profiles in Tantivy, joined with who is online when a query is asked.
//!
//! # What a commit costs
//!
//! What is written is found after [`PeopleIndex::commit`]. A commit ends the segment that is being built,
//! waits for the disk, and makes the view that queries see next, for which every new document is visited
//! once: some ten milliseconds for a few hundred profiles. It costs queries a little, too, as each segment
//! is searched by itself until segments are merged in the background. Once a second is meant for profiles
//! that change by ones; nothing has to be committed when nothing was written. Presence never needs one.
//!
//! # Loading many profiles
//!
//! One thread builds segments and one merges them: two in all, for small machines, and because memory is
//! what each builder takes. `writer_memory` is what the builder fills before it writes a segment. Segments
//! are merged by eight, so every document is merged about twice until there are a million. `tidings bench
//! search` says what that takes. Words of public texts are indexed twice, for the text and for all together,
//! unless there is one such text and no public keyword.
//!
//! # What is removed
//!
//! Who is removed is not found any more after a commit, but the words of the profile stay in the files until
//! its segment is merged, which happens at the latest when a third of it is removed or replaced;
//! [`PeopleIndex::purge`] does it at once.
//!
//! # Ties
//!
//! Who ranks the same is ordered by a number made of the user id, the same in every index and at any time,
//! so that pages follow each other without a gap.

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tantivy::indexer::UserOperation;
use tantivy::{IndexReader, IndexWriter, TantivyError, Term};

use crate::attributes::Attributes;
use crate::profile::Profile;
use crate::query::PeopleQuery;
use crate::text::Analyzer;

mod answer;
mod bits;
mod browse;
pub(crate) mod compile;
mod either;
mod facets;
mod gate;
mod geo;
mod highlight;
mod interner;
mod matching;
#[cfg(test)]
mod model_tests;
mod online;
pub(crate) mod opening;
pub(crate) mod page;
mod payload;
pub(crate) mod purging;
mod ranges;
mod reasons;
mod refusal;
mod run;
pub(crate) mod schema;
mod search;
mod sort;
#[cfg(test)]
mod tests;
pub(crate) mod top;
mod view;
mod withheld;

pub use answer::{Answer, Explanation, Facet, FacetValue, Hit, Presence, Total};
pub use bits::AtomicBits as OnlineBits;
pub use facets::MAX_FACET_VALUES;
pub use highlight::{Highlighter, Highlights, MAX_HIGHLIGHTS};
pub use page::PageError;
pub use ranges::MAX_EXPANSIONS;
pub use refusal::{FilterError, MAX_RANGES};
pub use search::{MAX_FACETS, SearchError};

use online::OnlineState;
use opening::Opened;
use purging::purge;
use schema::Fields;
use search::Search;
use view::View;
use withheld::{Kept, Withheld};

/// Longest user id, in bytes.
pub const MAX_USER_BYTES: usize = 1_024;

/// The least that [`PeopleIndex::open`] takes as `writer_memory`, in bytes.
pub const MIN_WRITER_MEMORY: usize = 15_000_000;

/// What is known of a person besides the profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// When the profile was made, in milliseconds since 1970.
    pub joined_ms: i64,
    /// When the person was active last, in milliseconds since 1970.
    pub active_ms: i64,
    /// Whether clients do not find the person.
    pub hidden: bool,
}

/// Who asks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Viewer<'a> {
    /// Users that are not shown and not counted: blocked either way, already contacted, oneself. Each
    /// costs about a tenth of a microsecond a query, whatever is asked.
    pub exclude: &'a [String],
    /// Whether attributes that are not public can be asked for, and hidden people are found: the backend.
    pub may_see_private: bool,
}

/// What the last commit holds of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The epoch of the log.
    pub epoch: [u8; 16],
    /// The last position whose changes are in it; 0 before any.
    pub position: u64,
}

/// Why an index cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Made under another declaration of attributes, with another analyzer, or by a version that made
    /// documents differently. It can be searched by nobody: make another beside it and replace it.
    #[error("the index was made for other attributes or settings, or by another version")]
    Other,
    /// Something else has it open for writing.
    #[error("the index is being written by another process")]
    Locked,
    /// Too little memory.
    #[error("{0} bytes are too little to write an index, at least {MIN_WRITER_MEMORY} are needed")]
    Memory(usize),
    /// The folder.
    #[error("the folder of the index cannot be made: {0}")]
    Folder(#[from] std::io::Error),
    /// It cannot be read, for example because files are missing: make it anew.
    #[error("the index cannot be read: {0}")]
    Broken(TantivyError),
}

/// Why something cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A user id that is empty or too long.
    #[error("a user id has 1 to {MAX_USER_BYTES} bytes, this one has {0}")]
    User(usize),
    /// The index cannot be written any more, for example because the disk is full: open it again and go on
    /// from [`PeopleIndex::position`].
    #[error("the index cannot be written: {0}")]
    Index(#[from] TantivyError),
}

/// The index of people. Shared freely: searches never wait, writers wait for each other.
pub struct PeopleIndex {
    fields: Fields,
    writer: Mutex<IndexWriter>,
    reader: IndexReader,
    /// Held while a view is made, so that views are published in the order of their searchers.
    refreshing: Mutex<()>,
    withheld: Withheld,
    view: ArcSwap<View>,
    online: Mutex<OnlineState>,
    position: Mutex<Position>,
}

impl PeopleIndex {
    /// Opens the index in a folder, or makes an empty one. `writer_memory` is in bytes; 64 MB is plenty.
    ///
    /// Everybody is offline until [`PeopleIndex::set_presence`] says otherwise.
    pub fn open(
        folder: &Path,
        attributes: &Attributes,
        writer_memory: usize,
    ) -> Result<PeopleIndex, OpenError> {
        PeopleIndex::open_with(folder, attributes, Analyzer::default(), writer_memory)
    }

    /// The same for texts that are cut into words in another way than by default. An index that was made with
    /// another analyzer is [`OpenError::Other`].
    pub fn open_with(
        folder: &Path,
        attributes: &Attributes,
        analyzer: Analyzer,
        writer_memory: usize,
    ) -> Result<PeopleIndex, OpenError> {
        let fields = Fields::new(attributes, analyzer);
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
        let people = PeopleIndex {
            view: ArcSwap::from_pointee(View::empty(reader.searcher())),
            fields,
            writer: Mutex::new(writer),
            reader,
            refreshing: Mutex::new(()),
            withheld: Withheld::default(),
            online: Mutex::new(OnlineState::default()),
            position: Mutex::new(position),
        };
        people.publish(true).map_err(opening::open_error)?;
        Ok(people)
    }

    /// How texts and queries are cut into words.
    pub fn analyzer(&self) -> Analyzer {
        self.fields.analyzer
    }

    /// What the last commit holds: where to go on from after opening.
    pub fn position(&self) -> Position {
        *self.position.lock()
    }

    /// Writes a person, replacing what was written before. Found after the next commit; who is hidden is not
    /// found by clients, nor counted, from now on.
    pub fn put(&self, user: &str, profile: &Profile, facts: &Facts) -> Result<(), WriteError> {
        check_user(user)?;
        let document = self.fields.document(user, profile, facts);
        // Under one lock, so that whoever is later stays.
        let writer = self.writer.lock();
        if self.online.lock().written(user) {
            match facts.hidden {
                true => self.withheld.add(user, Kept::Hidden),
                false => self.withheld.remove(user),
            }
            let term = Term::from_field_text(self.fields.user, user);
            writer.run([UserOperation::Delete(term), UserOperation::Add(document)])?;
        } else {
            // Looking for a document to delete costs a look into every segment.
            writer.add_document(document)?;
        }
        Ok(())
    }

    /// Removes a person, who is not found nor counted from now on; the document goes with the next commit.
    pub fn remove(&self, user: &str) -> Result<(), WriteError> {
        check_user(user)?;
        let writer = self.writer.lock();
        if self.online.lock().written(user) {
            self.withheld.add(user, Kept::Removed);
            writer.delete_term(Term::from_field_text(self.fields.user, user));
        }
        Ok(())
    }

    /// Makes everything found that was written before, and durable together with how far in the log it is.
    pub fn commit(&self, position: u64, epoch: [u8; 16]) -> Result<(), WriteError> {
        let position = Position { epoch, position };
        let covered = {
            let mut writer = self.writer.lock();
            opening::commit(&mut writer, self.fields.fingerprint, position)?;
            self.withheld.turn()
        };
        // Only what is found counts as held: where this fails it is followed once more.
        self.publish(false)?;
        self.withheld.release(covered);
        *self.position.lock() = position;
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
        Ok(self.publish(false)?)
    }

    fn publish(&self, first: bool) -> Result<(), TantivyError> {
        let _refreshing = self.refreshing.lock();
        if !first {
            self.reader.reload()?;
        }
        self.replace(self.prepare()?);
        Ok(())
    }

    /// Takes what removed people's profiles said, and what profiles said before, out of the files, by writing
    /// every segment anew that holds any; as of the last commit. Takes as long as there is to write: half a
    /// minute or so for a million profiles. Meanwhile others search, write and commit.
    /// False if it was `stopped` before it was done.
    pub fn purge(&self, stopped: &dyn Fn() -> bool) -> Result<bool, WriteError> {
        Ok(purge(&self.writer, stopped, || self.publish(false))?)
    }

    /// The view of the newest searcher, which transitions reach from now on.
    fn prepare(&self) -> Result<View, TantivyError> {
        let before = self.view.load_full();
        View::new(self.reader.searcher(), &before, &self.fields, &self.online)
    }

    fn replace(&self, view: View) {
        let mut online = self.online.lock();
        online.retain(&view.online());
        self.view.store(Arc::new(view));
    }

    /// Says whether someone is there, and is told what was said before. The next query knows. People who
    /// have no profile yet are remembered.
    pub fn set_presence(&self, user: &str, presence: Presence) -> Presence {
        match check_user(user) {
            Ok(()) => self.online.lock().set_presence(user, presence),
            Err(_) => Presence::Offline,
        }
    }

    /// What was said last.
    pub fn presence(&self, user: &str) -> Presence {
        self.online.lock().presence(user)
    }

    /// How many people there are, hidden ones included.
    pub fn len(&self) -> u64 {
        self.view.load().searcher.num_docs()
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Finds people.
    pub fn search(&self, query: &PeopleQuery, viewer: &Viewer<'_>) -> Result<Answer, SearchError> {
        let search = Search::new(&self.fields, query, viewer)?;
        let (view, excluded) = self.view_without(viewer);
        search.run(&view, &excluded, |segment, doc| {
            if segment.online.available.contains(doc) {
                Presence::Available
            } else if segment.online.reachable.contains(doc) {
                Presence::Away
            } else {
                Presence::Offline
            }
        })
    }

    /// The view, and by segment which documents are not to be found in it, ascending.
    fn view_without(&self, viewer: &Viewer<'_>) -> (Arc<View>, Vec<Vec<u32>>) {
        // Read before the view: what is released by then is obeyed in the view that follows.
        let withheld = self.withheld.users(viewer.may_see_private);
        if viewer.exclude.is_empty() && withheld.is_empty() {
            return (self.view.load_full(), Vec::new());
        }
        // Views are replaced under the lock, so that places and view belong together.
        let online = self.online.lock();
        let view = self.view.load_full();
        let mut excluded = vec![Vec::new(); view.segments.len()];
        let segments = view.segments.iter().map(|segment| &segment.online);
        for user in viewer.exclude.iter().chain(&withheld) {
            for (segment, doc) in online.places(user, segments.clone()) {
                excluded[segment].push(doc);
            }
        }
        drop(online);
        for docs in &mut excluded {
            docs.sort_unstable();
            docs.dedup();
        }
        (view, excluded)
    }
}

fn check_user(user: &str) -> Result<(), WriteError> {
    match user.len() {
        1..=MAX_USER_BYTES => Ok(()),
        bytes => Err(WriteError::User(bytes)),
    }
}
