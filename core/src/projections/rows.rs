//! The rows of the projections and their keys. Both are stored: a change here is a new
//! [`super::VERSION`], and so a rebuild.

use std::ops::ControlFlow;

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    ReadError,
    store::{Direction, Snapshot, Table, WriteTx},
};
use crate::domain::{
    ConversationId, Review, Settler, UserId,
    conversation::Interval,
    event::{Kind, Role},
    id::CommandId,
};

pub mod extensions;
pub mod feed;

/// Reading rows: a snapshot, or a transaction that sees its own writes.
pub trait Rows {
    /// One row.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, ReadError>;

    /// The rows with `from <= key < to` in order (or in reverse), until `visit` breaks.
    fn scan(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        reverse: bool,
        visit: &mut dyn FnMut(&[u8], &Bytes) -> ControlFlow<()>,
    ) -> Result<(), ReadError>;
}

impl Rows for Snapshot<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        Ok(Snapshot::get(self, table, key)?)
    }

    fn scan(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        reverse: bool,
        visit: &mut dyn FnMut(&[u8], &Bytes) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let direction = if reverse {
            Direction::Reverse
        } else {
            Direction::Forward
        };
        for row in self.range(table, from..to, direction) {
            let (key, value) = row?;
            if visit(&key, &value).is_break() {
                break;
            }
        }
        Ok(())
    }
}

impl Rows for WriteTx<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, ReadError> {
        Ok(WriteTx::get(self, table, key)?)
    }

    fn scan(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        reverse: bool,
        visit: &mut dyn FnMut(&[u8], &Bytes) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.read().scan(table, from, to, reverse, visit)
    }
}

/// Reads and decodes one row.
pub fn get<T: DeserializeOwned>(
    rows: &dyn Rows,
    table: Table,
    key: &[u8],
) -> Result<Option<T>, ReadError> {
    rows.get(table, key)?
        .map(|bytes| decode(table, &bytes))
        .transpose()
}

/// Decodes a row.
pub fn decode<'a, T: Deserialize<'a>>(table: Table, bytes: &'a [u8]) -> Result<T, ReadError> {
    postcard::from_bytes(bytes)
        .map_err(|error| ReadError::Corrupt(format!("row of {table:?}: {error}")))
}

/// Encodes a row.
pub fn encode<T: Serialize>(row: &T) -> Vec<u8> {
    postcard::to_allocvec(row).expect("rows encode")
}

/// `Conversations`: conversation -> this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    /// Its sort.
    pub kind: Kind,
    /// A group's title.
    pub title: String,
    /// `seq` of the last message.
    pub last_seq: u64,
    /// Countable messages so far.
    pub last_countable_seq: u64,
    /// Messages held so far.
    pub last_held: u64,
    /// Countable messages taken back.
    pub retracted: u64,
    /// Present members.
    pub member_count: u32,
    /// Owners among them.
    pub owner_count: u32,
    /// Position of the last message (or of the start): what the list is sorted by.
    pub activity_position: u64,
    /// Position of the last event of any kind.
    pub changed_position: u64,
    /// (Position, index) at which a member last left.
    pub left_at: (u64, u32),
    /// Which of a direct conversation's pair, in its order, have written a countable message.
    pub wrote: (bool, bool),
}

/// A stretch of the log in which somebody was a member: positions `from..=until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The first event they may see: (position, index) of their joining.
    pub from: (u64, u32),
    /// The last one: of their leaving.
    pub until: Option<(u64, u32)>,
}

/// `Members`: conversation, user -> this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// `None` once they have left.
    pub role: Option<Role>,
    /// What they may see, by `seq`.
    pub intervals: Vec<Interval>,
    /// What they may see, by position: one for each time they joined.
    pub spans: Vec<Span>,
    /// Read up to.
    pub read_seq: u64,
    /// Received up to.
    pub delivered_seq: u64,
    /// (Position, index) at which the read cursor last moved.
    pub read_at: (u64, u32),
    /// (Position, index) at which the delivered cursor last moved.
    pub delivered_at: (u64, u32),
    /// When they joined the last time.
    pub joined_ms: u64,
    /// What a past member goes on seeing.
    pub left: Option<Left>,
    /// What the others go on seeing of somebody who read or received more while invisible.
    pub shown: Option<Shown>,
}

/// A member's cursors as the others see them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Read up to.
    pub read_seq: u64,
    /// Received up to.
    pub delivered_seq: u64,
    /// (Position, index) at which the read cursor last moved.
    pub read_at: (u64, u32),
    /// (Position, index) at which the delivered cursor last moved.
    pub delivered_at: (u64, u32),
}

impl Shown {
    /// Moves the read cursor, and with it the other one.
    pub fn read(&mut self, seq: u64, at: (u64, u32)) {
        if seq > self.read_seq {
            self.read_seq = seq;
            self.read_at = at;
        }
        self.receive(seq, at);
    }

    /// Moves the delivered cursor.
    pub fn receive(&mut self, seq: u64, at: (u64, u32)) {
        if seq > self.delivered_seq {
            self.delivered_seq = seq;
            self.delivered_at = at;
        }
    }
}

/// A conversation as it was when a member left: later titles are not theirs to see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// A group's title.
    pub title: String,
    /// Those who stayed.
    pub member_count: u32,
}

impl Member {
    /// Whether they may see a message.
    pub fn sees(&self, seq: u64) -> bool {
        self.intervals.iter().any(|interval| interval.contains(seq))
    }

    /// (Position, index) at which they joined the last time.
    pub fn joined(&self) -> (u64, u32) {
        self.spans.last().map_or((0, 0), |span| span.from)
    }

    /// The cursors as they are.
    pub fn cursors(&self) -> Shown {
        Shown {
            read_seq: self.read_seq,
            delivered_seq: self.delivered_seq,
            read_at: self.read_at,
            delivered_at: self.delivered_at,
        }
    }

    /// The cursors as the others see them.
    pub fn shown(&self) -> Shown {
        self.shown.unwrap_or_else(|| self.cursors())
    }

    /// (Read, delivered) as the others see it. Joining puts the cursors to the end without anything
    /// having been read: until they move, nothing is shown.
    pub fn ticks(&self) -> (u64, u64) {
        let joined = self.joined();
        let shown = self.shown();
        let read = if shown.read_at > joined {
            shown.read_seq
        } else {
            0
        };
        let delivered = if shown.delivered_at > joined {
            shown.delivered_seq
        } else {
            read
        };
        (read, delivered)
    }

    /// `seq` of the last message they may see, at most `last_seq`.
    pub fn last_visible(&self, last_seq: u64) -> u64 {
        self.intervals
            .last()
            .map_or(0, |interval| interval.until.unwrap_or(last_seq))
    }
}

/// `Memberships`: user, conversation -> this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// Muted by the user.
    pub muted: bool,
}

/// `Messages`: conversation, seq -> this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message<'a> {
    /// Who wrote it.
    #[serde(borrow)]
    pub author: &'a str,
    /// When.
    pub at_ms: u64,
    /// Where in the log.
    pub at: (u64, u32),
    /// Its number among the countable ones, 0 for none.
    pub countable_seq: u64,
    /// Countable messages up to here, this one included.
    pub countable_total: u64,
    /// What it says.
    #[serde(borrow, with = "serde_bytes")]
    pub sealed: &'a [u8],
    /// The command whose seal it carries: the one that posted or last edited it.
    pub sealed_by: Option<CommandId>,
    /// The command that posted it.
    pub command: Option<CommandId>,
    /// `seq` of the message replied to, 0 for none.
    pub reply_to: u64,
    /// Members mentioned.
    pub mentions: Vec<UserId>,
    /// When it was last edited, 0 for never.
    pub edited_ms: u64,
    /// Taken back: `sealed` is empty.
    pub retracted: bool,
    /// The different reactions and how many give each.
    pub reactions: Vec<(String, u32)>,
    /// (Position, index) at which one was last given or taken back.
    pub reacted: Option<(u64, u32)>,
    /// What it said before, to members who have left since; oldest first.
    pub earlier: Vec<Version>,
}

impl Message<'_> {
    /// Who gave what at a moment: what somebody who left then goes on seeing.
    pub fn reactions_at(
        &self,
        rows: &dyn Rows,
        id: ConversationId,
        seq: u64,
        at: (u64, u32),
        visit: &mut dyn FnMut(&str, &str),
    ) -> Result<(), ReadError> {
        let (from, to) = (message(id, seq), message(id, seq + 1));
        let mut failed = None;
        rows.scan(Table::Reactions, &from, &to, false, &mut |key, value| {
            match decode::<Reaction>(Table::Reactions, value) {
                Ok(row) if row.given_at(at) => {
                    let (reaction, user) = reaction_of(key);
                    visit(reaction, user);
                }
                Ok(_) => {}
                Err(error) => {
                    failed = Some(error);
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        })?;
        failed.map_or(Ok(()), Err)
    }
}

/// `Reactions`: conversation, seq, reaction, user -> this.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reaction {
    /// (Position, index) at which it was given, if it is given now.
    pub since: Option<(u64, u32)>,
    /// From when until when it was given before, to members who have left since; oldest first.
    pub earlier: Vec<((u64, u32), (u64, u32))>,
}

impl Reaction {
    /// Whether it was given at a moment.
    pub fn given_at(&self, at: (u64, u32)) -> bool {
        let mut earlier = self.earlier.iter();
        self.since.is_some_and(|since| since <= at)
            || earlier.any(|(from, until)| *from <= at && at < *until)
    }
}

/// What a message said before an edit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The edit that ended it: (position, index).
    pub until: (u64, u32),
    /// What it said.
    #[serde(with = "serde_bytes")]
    pub sealed: Vec<u8>,
    /// The command whose seal it carries.
    pub sealed_by: Option<CommandId>,
    /// Members mentioned.
    pub mentions: Vec<UserId>,
    /// When it was last edited, 0 for never.
    pub edited_ms: u64,
}

/// `Held`: conversation, number -> this, until it is settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held<'a> {
    /// Whose it is.
    #[serde(borrow)]
    pub author: &'a str,
    /// When it was sent.
    pub at_ms: u64,
    /// Where in the log.
    pub at: (u64, u32),
    /// `seq` of the message that it is a new text of, 0 for a new message.
    pub edits: u64,
    /// What it says.
    #[serde(borrow, with = "serde_bytes")]
    pub sealed: &'a [u8],
    /// The command that sent it, whose seal it carries.
    pub command: Option<CommandId>,
    /// `seq` of the message replied to, 0 for none.
    pub reply_to: u64,
    /// Members mentioned.
    pub mentions: Vec<UserId>,
    /// Who said what about it.
    pub reviews: Vec<Review>,
}

/// `Settled`: conversation, number -> this, from when what was held no longer is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// Whose it was.
    pub author: UserId,
    /// The command that sent it.
    pub command: Option<CommandId>,
    /// Who settled it.
    pub by: Settler,
    /// Whether it was released.
    pub released: bool,
}

/// `Reviews`: conversation, seq, position and index -> what moderation said when that was posted or edited.
pub type Reviews = Vec<Review>;

/// `Changes`: stream, position, index -> this. Every event but posted messages and moved cursors,
/// which are found in their own rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change<'a> {
    /// Which event.
    pub kind: u16,
    /// Version of its payload.
    pub schema: u16,
    /// Who caused it.
    #[serde(borrow)]
    pub actor: &'a str,
    /// When.
    pub at_ms: u64,
    /// The command, for the seal of edited content.
    pub command: Option<CommandId>,
    /// The event.
    #[serde(borrow, with = "serde_bytes")]
    pub payload: &'a [u8],
}

/// `Commands`: command id, user -> this. The answer a retry gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Digest of what was asked.
    pub digest: u32,
    /// Position of its commit.
    pub position: u64,
    /// When it happened.
    pub at_ms: u64,
    /// The conversation it was for.
    pub conversation: Option<ConversationId>,
    /// `seq` of the message it posted, 0 for none.
    pub seq: u64,
    /// Its number among those held, if moderation held it, 0 otherwise.
    pub held: u64,
}

/// Key of `Conversations`, and the beginning of `Members`, `Messages`, `Authors`, `Retracted`, `Reactions`.
pub fn conversation(id: ConversationId) -> [u8; 16] {
    *id.0.as_bytes()
}

/// Key of `Members`.
pub fn member(id: ConversationId, user: &str) -> Vec<u8> {
    [id.0.as_bytes(), user.as_bytes()].concat()
}

/// The user of a key of `Members`.
pub fn member_user(key: &[u8]) -> &str {
    str::from_utf8(&key[16..]).expect("a member's key ends in a user id")
}

/// Key of `Memberships`.
pub fn membership(user: &str, id: ConversationId) -> Vec<u8> {
    [user.as_bytes(), &[0], id.0.as_bytes()].concat()
}

/// Range of a user's `Memberships`, `Toasts` and `Badges` (also of everything in `Users` about them).
pub fn of_user(user: &str) -> (Vec<u8>, Vec<u8>) {
    (
        [user.as_bytes(), &[0]].concat(),
        [user.as_bytes(), &[1]].concat(),
    )
}

/// The conversation of a key of `Memberships`.
pub fn membership_conversation(key: &[u8]) -> ConversationId {
    let id = uuid::Uuid::from_slice(&key[key.len() - 16..]);
    ConversationId(id.expect("a membership's key ends in a conversation"))
}

/// Key of `Messages`.
pub fn message(id: ConversationId, seq: u64) -> [u8; 24] {
    numbered(id, seq)
}

/// Key of `Retracted`: by countable seq.
pub fn retracted(id: ConversationId, countable_seq: u64) -> [u8; 24] {
    numbered(id, countable_seq)
}

/// Key of `Held` and of `Settled`.
pub fn held(id: ConversationId, number: u64) -> [u8; 24] {
    numbered(id, number)
}

/// Key of `Reviews`.
pub fn reviews(id: ConversationId, seq: u64, at: (u64, u32)) -> Vec<u8> {
    [
        &numbered(id, seq)[..],
        &at.0.to_be_bytes(),
        &at.1.to_be_bytes(),
    ]
    .concat()
}

fn numbered(id: ConversationId, number: u64) -> [u8; 24] {
    let mut key = [0; 24];
    key[..16].copy_from_slice(id.0.as_bytes());
    key[16..].copy_from_slice(&number.to_be_bytes());
    key
}

/// The number a key ends in.
pub fn trailing_number(key: &[u8]) -> u64 {
    let bytes: [u8; 8] = key[key.len() - 8..]
        .try_into()
        .expect("a numbered key has 8 more bytes");
    u64::from_be_bytes(bytes)
}

/// `Authors`: conversation, author, countable seq -> this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// Countable messages the author has with this one.
    pub count: u64,
    /// `seq` of this one.
    pub seq: u64,
}

/// Key of `Authors`: one for each countable message.
pub fn author(id: ConversationId, author: &str, countable_seq: u64) -> Vec<u8> {
    [
        id.0.as_bytes(),
        author.as_bytes(),
        &[0],
        &countable_seq.to_be_bytes(),
    ]
    .concat()
}

/// Key of `Reactions`.
pub fn reaction(id: ConversationId, seq: u64, reaction: &str, user: &str) -> Vec<u8> {
    [
        &message(id, seq)[..],
        reaction.as_bytes(),
        &[0],
        user.as_bytes(),
    ]
    .concat()
}

/// The reaction and the user of a key of `Reactions`.
fn reaction_of(key: &[u8]) -> (&str, &str) {
    let text = str::from_utf8(&key[24..]).expect("a reaction's key ends in text");
    text.split_once('\0')
        .expect("a reaction's key has both parts")
}

/// Whether a user gives a reaction.
pub fn gives(
    rows: &dyn Rows,
    id: ConversationId,
    seq: u64,
    reaction: &str,
    user: &str,
) -> Result<bool, ReadError> {
    let key = self::reaction(id, seq, reaction, user);
    let row: Option<Reaction> = get(rows, Table::Reactions, &key)?;
    Ok(row.is_some_and(|row| row.since.is_some()))
}

/// Key of `Users`: `user` blocks `other` -> nothing.
pub fn blocks(user: &str, other: &str) -> Vec<u8> {
    [user.as_bytes(), &[0, b'b'], other.as_bytes()].concat()
}

/// Range of `Users`: whom `user` blocks.
pub fn blocks_range(user: &str) -> (Vec<u8>, Vec<u8>) {
    (
        [user.as_bytes(), &[0, b'b']].concat(),
        [user.as_bytes(), &[0, b'b' + 1]].concat(),
    )
}

/// Key of `Users`: `user` is blocked by `other` -> nothing.
pub fn blocked_by(user: &str, other: &str) -> Vec<u8> {
    [user.as_bytes(), &[0, b'r'], other.as_bytes()].concat()
}

/// Range of `Users`: who blocks `user`.
pub fn blocked_by_range(user: &str) -> (Vec<u8>, Vec<u8>) {
    (
        [user.as_bytes(), &[0, b'r']].concat(),
        [user.as_bytes(), &[0, b'r' + 1]].concat(),
    )
}

/// `Users`: user -> this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// When they were here last, as far as others could see it, milliseconds since 1970; 0 for never.
    pub seen_ms: u64,
    /// Whether people search leaves them out.
    pub hidden: bool,
    /// Whether they were erased.
    pub erased: bool,
    /// Toasts so far.
    pub last_toast: u64,
}

/// `Users`: user -> this. The profile that people search finds them by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile<'a> {
    /// The attributes: a JSON object, sealed with the user's key.
    #[serde(borrow, with = "serde_bytes")]
    pub sealed: &'a [u8],
    /// The command whose seal it carries.
    pub sealed_by: Option<CommandId>,
    /// Where in the log it was set: (position, index).
    pub at: (u64, u32),
    /// When the user had a profile first, milliseconds since 1970.
    pub made_ms: u64,
}

/// Key of `Users`: [`Profile`].
pub fn profile(user: &str) -> Vec<u8> {
    [user.as_bytes(), &[0, b'f']].concat()
}

/// The user of a key of `Users`, if it is that of a [`Profile`].
pub fn profile_user(key: &[u8]) -> Option<UserId> {
    let user = key.strip_suffix(&[0, b'f'])?;
    // Keys about two users have another letter behind the first one's zero.
    let user = str::from_utf8(user)
        .ok()
        .filter(|user| !user.contains('\0'))?;
    (!user.is_empty()).then(|| UserId::trusted(user))
}

/// Key of `Users`: [`Person`].
pub fn person(user: &str) -> Vec<u8> {
    [user.as_bytes(), &[0, b'p']].concat()
}

/// The user of a key of `Users`, if it is that of a [`Person`].
pub fn person_user(key: &[u8]) -> Option<UserId> {
    let user = key.strip_suffix(&[0, b'p'])?;
    let user = (!user.contains(&0)).then_some(user)?;
    str::from_utf8(user).ok().map(UserId::trusted)
}

/// `Users`: user, other -> this. There is none where neither has added the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// The user has added the other.
    pub added: bool,
    /// The other has added the user.
    pub adds: bool,
    /// When that last changed, milliseconds since 1970.
    pub at_ms: u64,
}

/// Key of `Users`: what `other` is to `user` -> [`Contact`].
pub fn contact(user: &str, other: &str) -> Vec<u8> {
    [user.as_bytes(), &[0, b'c'], other.as_bytes()].concat()
}

/// Range of `Users`: contacts of `user`.
pub fn contacts_range(user: &str) -> (Vec<u8>, Vec<u8>) {
    (
        [user.as_bytes(), &[0, b'c']].concat(),
        [user.as_bytes(), &[0, b'c' + 1]].concat(),
    )
}

/// Key of `Users`: `user` is invisible -> nothing. No user's id begins like that, so they stand together.
pub fn invisible_key(user: &str) -> Vec<u8> {
    [&[0, b'i'], user.as_bytes()].concat()
}

/// Who is invisible.
pub fn invisible(rows: &dyn Rows) -> Result<hashbrown::HashSet<UserId>, ReadError> {
    let mut found = hashbrown::HashSet::new();
    rows.scan(
        Table::Users,
        &[0, b'i'],
        &[0, b'i' + 1],
        false,
        &mut |key, _| {
            let user = str::from_utf8(&key[2..]).expect("the key ends in a user id");
            found.insert(UserId::trusted(user));
            ControlFlow::Continue(())
        },
    )?;
    Ok(found)
}

/// The other user of a key of `Users`.
pub fn other_user(user: &str, key: &[u8]) -> UserId {
    let text = str::from_utf8(&key[user.len() + 2..]).expect("the key ends in a user id");
    UserId::trusted(text)
}

/// `Toasts`: user, number -> this, while it waits to be seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Toast<'a> {
    /// Who wants it shown.
    #[serde(borrow)]
    pub source: &'a str,
    /// Its collapse key.
    #[serde(borrow)]
    pub collapse: Option<&'a str>,
    /// What it says.
    #[serde(borrow, with = "serde_bytes")]
    pub sealed: &'a [u8],
    /// The command whose seal it carries.
    pub sealed_by: Option<CommandId>,
    /// Of whom it tells.
    pub about_user: Option<UserId>,
    /// Of which conversation it tells.
    pub about_conversation: Option<ConversationId>,
    /// Where in the log it was queued: (position, index).
    pub at: (u64, u32),
    /// When it was queued, milliseconds since 1970.
    pub at_ms: u64,
    /// From when on it is not shown any more, milliseconds since 1970.
    pub expires_ms: u64,
}

/// Key of `Toasts`.
pub fn toast(user: &str, number: u64) -> Vec<u8> {
    [user.as_bytes(), &[0], &number.to_be_bytes()].concat()
}

/// Key of `ToastsAbout`: a toast of `user` that tells of `about` -> nothing.
pub fn toast_about(about: &str, user: &str, number: u64) -> Vec<u8> {
    [
        about.as_bytes(),
        &[0],
        user.as_bytes(),
        &[0],
        &number.to_be_bytes(),
    ]
    .concat()
}

/// The user and the number of a key of `ToastsAbout`.
pub fn toast_of<'k>(about: &str, key: &'k [u8]) -> (&'k str, u64) {
    let user = &key[about.len() + 1..key.len() - 9];
    let user = str::from_utf8(user).expect("the key holds a user id");
    (user, trailing_number(key))
}

/// `Badges`: user, source, name -> this. One that was removed stays, with 0: devices that come back are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Badge {
    /// The number.
    pub count: u32,
    /// Where in the log it was set: (position, index).
    pub at: (u64, u32),
    /// When, milliseconds since 1970.
    pub at_ms: u64,
}

/// Key of `Badges`.
pub fn badge(user: &str, source: &str, name: &str) -> Vec<u8> {
    [
        user.as_bytes(),
        &[0],
        source.as_bytes(),
        &[0],
        name.as_bytes(),
    ]
    .concat()
}

/// The source and the name of a key of `Badges`.
pub fn badge_name<'k>(user: &str, key: &'k [u8]) -> (&'k str, &'k str) {
    let text = str::from_utf8(&key[user.len() + 1..]).expect("the key ends in text");
    text.split_once('\0').expect("the key has both parts")
}

/// Key of `Changes` in a conversation.
pub fn conversation_change(id: ConversationId, at: (u64, u32)) -> Vec<u8> {
    [
        b"c",
        &id.0.as_bytes()[..],
        &at.0.to_be_bytes(),
        &at.1.to_be_bytes(),
    ]
    .concat()
}

/// Key of `Changes` in a conversation that past members are told of, too.
pub fn past_change(id: ConversationId, at: (u64, u32)) -> Vec<u8> {
    let mut key = conversation_change(id, at);
    key[0] = b'p';
    key
}

/// Key of `Changes` in a user's own stream.
pub fn user_change(user: &str, at: (u64, u32)) -> Vec<u8> {
    [
        b"u",
        user.as_bytes(),
        &[0],
        &at.0.to_be_bytes(),
        &at.1.to_be_bytes(),
    ]
    .concat()
}

/// (Position, index) of a key of `Changes`.
pub fn change_at(key: &[u8]) -> (u64, u32) {
    let (rest, index) = key.split_at(key.len() - 4);
    let index: [u8; 4] = index.try_into().expect("a change's key ends in an index");
    (trailing_number(rest), u32::from_be_bytes(index))
}

/// Key of `Commands`.
pub fn command(id: CommandId, user: &str) -> Vec<u8> {
    [id.0.as_bytes(), user.as_bytes()].concat()
}

/// Key of `Meta`: the stream is parked -> why.
pub fn parked(stream: &crate::domain::Stream) -> Vec<u8> {
    [b"parked/", &encode(stream)[..]].concat()
}
