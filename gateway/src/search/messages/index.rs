//! The index of messages, as it follows the log.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    ops::ControlFlow,
    path::PathBuf,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use parking_lot::RwLock;
use tidings_core::{
    commit::Commit,
    content,
    domain::{ConversationId, Event, Stream, UserId, event::Kind},
    node::Node,
    projections::{
        ReadError, Table,
        read::{self, MessageView, Text},
        rows::{self, Rows as _},
    },
};
use tidings_search::{
    messages::{
        Conversation, Document, Filter, MAX_MEMBERS, MAX_TEXT_BYTES, MessageIndex, MessageQuery,
        Sight, Viewer,
    },
    people::{OpenError, Position},
    text::Analyzer,
};
use tokio::time::Instant;

use super::large::{Large, members};
use crate::search::{
    keeper::{FollowError, Index, Written, stopped},
    made_with, make_with,
};

/// Messages read at a time: nothing is folded meanwhile.
const CHUNK: u64 = 256;

/// Messages after which an index that is being filled is committed: what waits takes memory.
const COMMIT_EVERY: u64 = 100_000;

/// Rows looked at a time when all messages are read.
const LOOK: usize = 1_024;

/// What it is opened with.
pub(in crate::search) struct Settings {
    pub(in crate::search) analyzer: Analyzer,
    /// Bytes that writing may take.
    pub(in crate::search) memory: usize,
}

/// An index, and what has to be known beside it.
pub(crate) struct Opened {
    pub(super) index: MessageIndex,
    pub(super) large: RwLock<Large>,
    folder: PathBuf,
}

/// What is to be written.
#[derive(Default)]
pub(in crate::search) struct Touched {
    messages: BTreeMap<ConversationId, BTreeSet<u64>>,
    joined: BTreeMap<ConversationId, BTreeSet<UserId>>,
    erased: BTreeSet<UserId>,
}

impl Index for Opened {
    const NAME: &'static str = "messages";
    type Settings = Settings;
    type Touched = Touched;

    fn open(folder: PathBuf, settings: &Settings) -> Result<Opened, OpenError> {
        let analyzer = made_with(&folder)?;
        Ok(Opened {
            index: MessageIndex::open_with(&folder, analyzer, settings.memory)?,
            large: RwLock::default(),
            folder,
        })
    }

    fn make(folder: PathBuf, settings: &Settings) -> Result<Opened, OpenError> {
        make_with(&folder, settings.analyzer)?;
        Opened::open(folder, settings)
    }

    fn folder(&self) -> &PathBuf {
        &self.folder
    }

    fn is_outdated(&self, settings: &Settings) -> bool {
        self.index.analyzer() != settings.analyzer
    }

    fn len(&self) -> u64 {
        self.index.len()
    }

    fn position(&self) -> Position {
        self.index.position()
    }

    fn commit(&self, position: u64, epoch: [u8; 16]) -> Result<(), FollowError> {
        Ok(self.index.commit(position, epoch)?)
    }

    fn rollback(&self) -> Result<(), FollowError> {
        Ok(self.index.rollback()?)
    }

    fn purge(&self, stopped: &dyn Fn() -> bool) -> Result<bool, FollowError> {
        Ok(self.index.purge(stopped)?)
    }

    fn touched(commit: &Commit, touched: &mut Touched) {
        for (_, batch, event) in commit.events() {
            match (&batch.stream, event) {
                (
                    Stream::Conversation(id),
                    Event::MessagePosted { seq, .. }
                    | Event::MessageEdited { seq, .. }
                    | Event::MessageRetracted { seq, .. },
                ) => {
                    touched.messages.entry(*id).or_default().insert(*seq);
                }
                (Stream::Conversation(id), Event::MemberJoined { user, .. }) => {
                    touched.joined.entry(*id).or_default().insert(user.clone());
                }
                (
                    Stream::Conversation(id),
                    Event::ConversationStarted {
                        kind: Kind::Direct { pair, .. },
                        ..
                    },
                ) => {
                    let joined = touched.joined.entry(*id).or_default();
                    joined.extend([pair.0.clone(), pair.1.clone()]);
                }
                (Stream::User(user), Event::UserErased) => {
                    touched.erased.insert(user.clone());
                }
                _ => {}
            }
        }
    }

    async fn write(
        &self,
        node: &Node,
        touched: &mut Touched,
        _: Instant,
        stopping: &AtomicBool,
    ) -> Result<Written, FollowError> {
        let Touched {
            messages,
            joined,
            erased,
        } = std::mem::take(touched);
        let mut any = false;
        for (id, users) in joined {
            any |= self.joined(node, id, &users, stopping).await?;
        }
        for (id, seqs) in messages {
            let seqs: Vec<u64> = seqs.into_iter().collect();
            any |= self.put(node, id, &seqs).await?;
        }
        for user in &erased {
            any |= self.erase(user)?;
        }
        let erased = !erased.is_empty();
        Ok(Written { any, erased })
    }

    fn prepare(&self, node: &Node) -> Result<(), FollowError> {
        *self.large.write() = Large::load(node)?;
        Ok(())
    }

    async fn fill(
        &self,
        node: &Node,
        stopping: &AtomicBool,
        done: &AtomicU64,
    ) -> Result<(), FollowError> {
        let mut from = Vec::new();
        loop {
            let (messages, next) = some_messages(node, &from)?;
            for (id, seqs) in messages {
                self.put(node, id, &seqs).await?;
                let so_far = done.fetch_add(seqs.len() as u64, Ordering::Relaxed);
                let now = so_far + seqs.len() as u64;
                if so_far / COMMIT_EVERY != now / COMMIT_EVERY {
                    // Nobody goes on from here: it is not in use yet.
                    self.index.commit(0, [0; 16])?;
                }
            }
            match next {
                Some(next) if !stopping.load(Ordering::Relaxed) => from = next,
                _ => return Ok(()),
            }
        }
    }
}

impl Opened {
    /// Writes messages of a conversation as they are now.
    async fn put(
        &self,
        node: &Node,
        id: ConversationId,
        seqs: &[u64],
    ) -> Result<bool, FollowError> {
        let conversation: Conversation = *id.0.as_bytes();
        let mut written = false;
        for seqs in seqs.chunks(CHUNK as usize) {
            let (mut messages, members) = {
                let rows = node.projections.read();
                let messages: Result<Vec<Option<MessageView>>, ReadError> = seqs
                    .iter()
                    .map(|seq| read::stored_message(&rows, id, *seq))
                    .collect();
                let members = match self.large.read().contains(&conversation) {
                    true => Vec::new(),
                    false => members(&rows, id)?,
                };
                let messages: Vec<MessageView> = messages?.into_iter().flatten().collect();
                (messages, members)
            };
            content::open_messages(&*node.keys, &mut messages).await?;
            // Who has just come is known of in a moment: then all is written anew, or need not be.
            let names: Vec<&str> = match members.len() {
                0..=MAX_MEMBERS => members.iter().map(|user| &**user).collect(),
                _ => Vec::new(),
            };
            for message in &messages {
                match &message.text {
                    Text::Open(text) => self.index.put(&Document {
                        conversation,
                        seq: message.seq,
                        author: &message.author,
                        at_ms: i64::try_from(message.at_ms).unwrap_or(i64::MAX),
                        text: &text[..text.floor_char_boundary(MAX_TEXT_BYTES)],
                        members: &names,
                    })?,
                    Text::Sealed { .. } | Text::Retracted | Text::Erased => {
                        self.index.remove(conversation, message.seq)?;
                    }
                }
            }
            written |= !messages.is_empty();
        }
        Ok(written)
    }

    /// Somebody joined: what was said before carries their names now, unless it is found otherwise.
    async fn joined(
        &self,
        node: &Node,
        id: ConversationId,
        users: &BTreeSet<UserId>,
        stopping: &AtomicBool,
    ) -> Result<bool, FollowError> {
        let conversation: Conversation = *id.0.as_bytes();
        {
            let mut large = self.large.write();
            if large.contains(&conversation) {
                for user in users {
                    large.joined(user, conversation, &[]);
                }
                return Ok(false);
            }
        }
        let (all, last) = {
            let rows = node.projections.read();
            let last = read::row(&rows, id)?.map_or(0, |row| row.last_seq);
            (members(&rows, id)?, last)
        };
        {
            let mut large = self.large.write();
            for user in users {
                large.joined(user, conversation, &all);
            }
            if large.contains(&conversation) {
                return Ok(false);
            }
        }
        let mut written = false;
        let mut first = 1;
        while first <= last {
            if stopping.load(Ordering::Relaxed) {
                return Err(stopped());
            }
            let seqs: Vec<u64> = (first..=last.min(first + CHUNK - 1)).collect();
            written |= self.put(node, id, &seqs).await?;
            first += CHUNK;
            if first % COMMIT_EVERY < CHUNK {
                // What waits takes memory. Should this be cut off, it is done once more.
                let Position { position, epoch } = self.index.position();
                self.index.commit(position, epoch)?;
            }
        }
        Ok(written)
    }

    /// Removes all that somebody wrote.
    fn erase(&self, user: &UserId) -> Result<bool, FollowError> {
        // What was written a moment ago is found, too.
        let Position { position, epoch } = self.index.position();
        self.index.commit(position, epoch)?;
        let mut query = MessageQuery::new(Filter::From(vec![user.to_string()]));
        query.limit = 100;
        let sees = |_, seq| Sight::of(seq, true);
        let viewer = Viewer {
            user: "",
            large: &[],
            sees: &sees,
            all: true,
        };
        let mut any = false;
        loop {
            let answer = self.index.search(&query, &viewer)?;
            for hit in &answer.hits {
                self.index.remove(hit.conversation, hit.seq)?;
                any = true;
            }
            match answer.next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
        Ok(any)
    }
}

/// Messages by conversation, from a key on; and the key to go on from, if there are more.
type Part = (Vec<(ConversationId, Vec<u64>)>, Option<Vec<u8>>);

fn some_messages(node: &Node, from: &[u8]) -> Result<Part, FollowError> {
    let rows = node.projections.read();
    let mut found: Vec<(ConversationId, Vec<u64>)> = Vec::new();
    let mut next = None;
    let mut looked = 0;
    let mut wrong = false;
    rows.scan(Table::Messages, from, &[0xff; 25], false, &mut |key, _| {
        if looked == LOOK {
            next = Some(key.to_vec());
            return ControlFlow::Break(());
        }
        looked += 1;
        let Some(id) = key.first_chunk() else {
            wrong = true;
            return ControlFlow::Break(());
        };
        let id = ConversationId(uuid::Uuid::from_bytes(*id));
        let seq = rows::trailing_number(key);
        match found.last_mut() {
            Some((last, seqs)) if *last == id => seqs.push(seq),
            _ => found.push((id, vec![seq])),
        }
        ControlFlow::Continue(())
    })?;
    if wrong {
        return Err(io::Error::from(io::ErrorKind::InvalidData).into());
    }
    Ok((found, next))
}
