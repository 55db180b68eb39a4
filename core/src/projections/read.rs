//! What one user may see: conversations, messages, members. Every function takes the viewer, and
//! answers `None` (or an error that says no more) for what the viewer may not know of.

use std::ops::ControlFlow;

use bytes::Bytes;
use uuid::Uuid;

use super::{
    ReadError,
    rows::{self, Rows},
    store::Table,
    unread,
};
use crate::{
    domain::{
        ConversationId, Review, TICKS_MEMBERS, UserId,
        event::{Kind, Role},
        id::CommandId,
        user::Contact,
    },
    keys::KeyId,
};

/// Hidden messages skipped at most while looking for the last visible one.
const LOOK_BACK: usize = 200;

/// A message's text on its way to a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// As stored.
    Sealed {
        /// The seal.
        sealed: Bytes,
        /// The command it was sealed by.
        by: Option<CommandId>,
    },
    /// To be read.
    Open(String),
    /// The message was taken back.
    Retracted,
    /// The key is destroyed: gone for good.
    Erased,
}

/// A message as a viewer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageView {
    /// Where it is.
    pub conversation: ConversationId,
    /// Its number.
    pub seq: u64,
    /// Who wrote it.
    pub author: UserId,
    /// When, milliseconds since 1970.
    pub at_ms: u64,
    /// (Position, index) in the log.
    pub at: (u64, u32),
    /// What it says.
    pub text: Text,
    /// `seq` of the message replied to, 0 for none.
    pub reply_to: u64,
    /// Members mentioned.
    pub mentions: Vec<UserId>,
    /// When it was last edited, 0 for never.
    pub edited_ms: u64,
    /// Whether it counts as unread.
    pub countable: bool,
    /// Reactions, most given first: which, how many, whether the viewer gives it.
    pub reactions: Vec<(String, u32, bool)>,
    /// The command that posted it.
    pub command: Option<Uuid>,
}

impl MessageView {
    /// The key its text is sealed with.
    pub fn key(&self) -> KeyId {
        KeyId::Content {
            conversation: self.conversation.0,
            author: self.author.shared(),
        }
    }
}

/// A message, or a new text of one, that moderation holds: its author and moderators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldView {
    /// Where it is to stand.
    pub conversation: ConversationId,
    /// Its number among those held in the conversation.
    pub held: u64,
    /// Who wrote it.
    pub author: UserId,
    /// When, milliseconds since 1970.
    pub at_ms: u64,
    /// (Position, index) in the log.
    pub at: (u64, u32),
    /// `seq` of the message that it is a new text of, 0 for a new message.
    pub edits: u64,
    /// What it says.
    pub text: Text,
    /// `seq` of the message replied to, 0 for none.
    pub reply_to: u64,
    /// Members mentioned.
    pub mentions: Vec<UserId>,
    /// Who said what about it.
    pub reviews: Vec<Review>,
    /// The command that sent it.
    pub command: Option<Uuid>,
}

impl HeldView {
    /// The key its text is sealed with.
    pub fn key(&self) -> KeyId {
        KeyId::Content {
            conversation: self.conversation.0,
            author: self.author.shared(),
        }
    }
}

/// What is held under a number, whoever may see it.
pub fn held(
    rows: &dyn Rows,
    id: ConversationId,
    number: u64,
) -> Result<Option<HeldView>, ReadError> {
    let bytes = rows.get(Table::Held, &rows::held(id, number))?;
    bytes.map(|bytes| held_view(id, number, &bytes)).transpose()
}

fn held_view(id: ConversationId, number: u64, bytes: &Bytes) -> Result<HeldView, ReadError> {
    let row: rows::Held<'_> = rows::decode(Table::Held, bytes)?;
    Ok(HeldView {
        conversation: id,
        held: number,
        author: UserId::trusted(row.author),
        at_ms: row.at_ms,
        at: row.at,
        edits: row.edits,
        text: Text::Sealed {
            sealed: Bytes::copy_from_slice(row.sealed),
            by: row.command,
        },
        reply_to: row.reply_to,
        mentions: row.mentions,
        reviews: row.reviews,
        command: row.command.map(|command| command.0),
    })
}

/// Whose it was that was held under a number and no longer is.
pub fn settled(
    rows: &dyn Rows,
    id: ConversationId,
    number: u64,
) -> Result<Option<rows::Settled>, ReadError> {
    rows::get(rows, Table::Settled, &rows::held(id, number))
}

/// Whether somebody settles what is held in a conversation: its moderators and owners do.
pub fn moderates(rows: &dyn Rows, id: ConversationId, user: &str) -> Result<bool, ReadError> {
    let role = member(rows, id, user)?.and_then(|member| member.role);
    Ok(role.is_some_and(|role| role >= Role::Moderator))
}

/// What extensions said of a message, in the order in which they did.
pub fn reviews(rows: &dyn Rows, id: ConversationId, seq: u64) -> Result<Vec<Review>, ReadError> {
    let from = rows::reviews(id, seq, (0, 0));
    let to = rows::reviews(id, seq, (u64::MAX, u32::MAX));
    let mut found = Vec::new();
    let mut failed = None;
    rows.scan(Table::Reviews, &from, &to, false, &mut |_, value| {
        match rows::decode::<rows::Reviews>(Table::Reviews, value) {
            Ok(reviews) => found.extend(reviews),
            Err(error) => failed = Some(error),
        }
        match failed {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        }
    })?;
    failed.map_or(Ok(found), Err)
}

/// What became of commands with an id, whoever gave them.
pub fn commands(rows: &dyn Rows, id: CommandId) -> Result<Vec<rows::Command>, ReadError> {
    let from = rows::command(id, "");
    let mut to = from.clone();
    // No user id has a byte like it.
    to.push(u8::MAX);
    let mut found = Ok(Vec::new());
    rows.scan(Table::Commands, &from, &to, false, &mut |_, value| {
        match (&mut found, rows::decode(Table::Commands, value)) {
            (Ok(found), Ok(command)) => found.push(command),
            (_, Err(error)) => found = Err(error),
            (Err(_), _) => {}
        }
        match found {
            Ok(_) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    })?;
    found
}

/// What is held in a conversation after a number, at most `limit`, and whether there is more: all of it, or
/// what one author has there.
pub fn held_in(
    rows: &dyn Rows,
    id: ConversationId,
    author: Option<&str>,
    after: u64,
    limit: usize,
) -> Result<(Vec<HeldView>, bool), ReadError> {
    let from = rows::held(id, after.saturating_add(1));
    let to = rows::held(id, u64::MAX);
    some_held(rows, &from, &to, author, limit)
}

/// What is held anywhere, in the order of conversations, from behind a place on.
pub fn held_anywhere(
    rows: &dyn Rows,
    after: Option<(ConversationId, u64)>,
    limit: usize,
) -> Result<(Vec<HeldView>, bool), ReadError> {
    let from = after.map(|(id, number)| rows::held(id, number.saturating_add(1)));
    let from: &[u8] = from.as_ref().map_or(&[], |from| from);
    some_held(rows, from, &[0xff; 25], None, limit)
}

fn some_held(
    rows: &dyn Rows,
    from: &[u8],
    to: &[u8],
    author: Option<&str>,
    limit: usize,
) -> Result<(Vec<HeldView>, bool), ReadError> {
    let (mut found, mut more, mut failed) = (Vec::new(), false, None);
    rows.scan(Table::Held, from, to, false, &mut |key, value| {
        let id = uuid::Uuid::from_slice(&key[..16]).expect("a key begins with a conversation");
        match held_view(ConversationId(id), rows::trailing_number(key), value) {
            Ok(held) if author.is_some_and(|author| *held.author != *author) => {}
            Ok(_) if found.len() == limit => {
                more = true;
                return ControlFlow::Break(());
            }
            Ok(held) => found.push(held),
            Err(error) => {
                failed = Some(error);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    })?;
    failed.map_or(Ok((found, more)), Err)
}

/// A toast that waits to be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToastView {
    /// Whose it is.
    pub user: UserId,
    /// Its number among theirs.
    pub toast: u64,
    /// Who wants it shown.
    pub source: String,
    /// Its collapse key.
    pub collapse: Option<String>,
    /// What it says: a JSON object.
    pub text: Text,
    /// Of whom it tells.
    pub about_user: Option<UserId>,
    /// Of which conversation it tells.
    pub about_conversation: Option<ConversationId>,
    /// When it was queued, milliseconds since 1970.
    pub at_ms: u64,
    /// (Position, index) in the log.
    pub at: (u64, u32),
    /// From when on it is not shown any more, milliseconds since 1970.
    pub expires_ms: u64,
}

/// A number beside something on a user's screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadgeView {
    /// Whose it is.
    pub source: String,
    /// Its name.
    pub name: String,
    /// The number; 0 where it was removed.
    pub count: u32,
    /// When it was set, milliseconds since 1970.
    pub at_ms: u64,
    /// (Position, index) in the log.
    pub at: (u64, u32),
}

/// A toast of a user, if it waits.
pub fn toast(rows: &dyn Rows, user: &UserId, number: u64) -> Result<Option<ToastView>, ReadError> {
    let bytes = rows.get(Table::Toasts, &rows::toast(user, number))?;
    bytes
        .map(|bytes| toast_view(user, number, &bytes))
        .transpose()
}

/// Every toast of a user that waits, after a number, oldest first. Those that have expired meanwhile are among them:
/// nothing here knows the time.
pub fn toasts(rows: &dyn Rows, user: &UserId, after: u64) -> Result<Vec<ToastView>, ReadError> {
    let (mut found, mut failed) = (Vec::new(), None);
    let from = rows::toast(user, after.saturating_add(1));
    let (_, to) = rows::of_user(user);
    rows.scan(Table::Toasts, &from, &to, false, &mut |key, value| {
        match toast_view(user, rows::trailing_number(key), value) {
            Ok(toast) => found.push(toast),
            Err(error) => {
                failed = Some(error);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    })?;
    failed.map_or(Ok(found), Err)
}

fn toast_view(user: &UserId, number: u64, bytes: &Bytes) -> Result<ToastView, ReadError> {
    let row: rows::Toast<'_> = rows::decode(Table::Toasts, bytes)?;
    Ok(ToastView {
        user: user.clone(),
        toast: number,
        source: row.source.to_owned(),
        collapse: row.collapse.map(str::to_owned),
        text: Text::Sealed {
            sealed: Bytes::copy_from_slice(row.sealed),
            by: row.sealed_by,
        },
        about_user: row.about_user,
        about_conversation: row.about_conversation,
        at_ms: row.at_ms,
        at: row.at,
        expires_ms: row.expires_ms,
    })
}

/// The badges of a user, those that were removed included, by source and name.
pub fn badges(rows: &dyn Rows, user: &UserId) -> Result<Vec<BadgeView>, ReadError> {
    let (mut found, mut failed) = (Vec::new(), None);
    let (from, to) = rows::of_user(user);
    rows.scan(Table::Badges, &from, &to, false, &mut |key, value| {
        match rows::decode::<rows::Badge>(Table::Badges, value) {
            Ok(row) => {
                let (source, name) = rows::badge_name(user, key);
                found.push(BadgeView {
                    source: source.to_owned(),
                    name: name.to_owned(),
                    count: row.count,
                    at_ms: row.at_ms,
                    at: row.at,
                });
            }
            Err(error) => {
                failed = Some(error);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    })?;
    failed.map_or(Ok(found), Err)
}

/// Who has toasts that tell of a user.
pub fn toasted_about(rows: &dyn Rows, about: &UserId) -> Result<Vec<UserId>, ReadError> {
    let mut users: Vec<UserId> = Vec::new();
    let (from, to) = rows::of_user(about);
    rows.scan(Table::ToastsAbout, &from, &to, false, &mut |key, _| {
        let (user, _) = rows::toast_of(about, key);
        if users.last().is_none_or(|last| **last != *user) {
            users.push(UserId::trusted(user));
        }
        ControlFlow::Continue(())
    })?;
    Ok(users)
}

/// How far a member has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CursorView {
    /// Who.
    pub user: UserId,
    /// Read up to.
    pub read_seq: u64,
    /// Received up to.
    pub delivered_seq: u64,
}

/// A conversation as a viewer sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversationView {
    /// Its id.
    pub id: ConversationId,
    /// Its sort.
    pub kind: Kind,
    /// The other user of a direct conversation.
    pub peer: Option<UserId>,
    /// A group's title.
    pub title: String,
    /// The viewer's role, `None` when they have left.
    pub role: Option<Role>,
    /// Present members.
    pub member_count: u32,
    /// The last message the viewer may see.
    pub last_message: Option<MessageView>,
    /// `seq` of the last message the viewer may see, 0 for none.
    pub last_seq: u64,
    /// The viewer's read cursor.
    pub read_seq: u64,
    /// The viewer's delivered cursor.
    pub delivered_seq: u64,
    /// Unread messages.
    pub unread: u64,
    /// Muted by the viewer.
    pub muted: bool,
    /// The other members' cursors, where ticks are shown to all.
    pub cursors: Vec<CursorView>,
    /// What the list is sorted by.
    pub activity_position: u64,
    /// Time of the last activity.
    pub activity_ms: u64,
    /// Position this view was taken at.
    pub as_of: u64,
}

/// A present member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberView {
    /// Who.
    pub user: UserId,
    /// With which rights.
    pub role: Role,
    /// Since when, milliseconds since 1970.
    pub joined_ms: u64,
}

/// Which stretch of history is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// The latest messages.
    Latest,
    /// Messages with a lower `seq`, nearest first cut.
    Before(u64),
    /// Messages with a higher `seq`.
    After(u64),
}

/// Ticks of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptsView {
    /// Members other than the author.
    pub members: u32,
    /// How many of them have read it.
    pub read: u32,
    /// How many have received it.
    pub delivered: u32,
    /// Some of those who have received it.
    pub cursors: Vec<CursorView>,
}

/// A viewer and whom they block: loaded once per request.
#[derive(Clone, Debug)]
pub struct Viewer {
    /// Who.
    pub user: UserId,
    /// Whom they block, in order.
    pub blocked: Vec<UserId>,
}

impl Viewer {
    /// Loads whom the user blocks.
    pub fn load(rows: &dyn Rows, user: &UserId) -> Result<Viewer, ReadError> {
        let mut blocked = Vec::new();
        let (from, to) = rows::blocks_range(user);
        rows.scan(Table::Users, &from, &to, false, &mut |key, _| {
            blocked.push(rows::other_user(user, key));
            ControlFlow::Continue(())
        })?;
        Ok(Viewer {
            user: user.clone(),
            blocked,
        })
    }

    /// Whether the viewer blocks a user.
    pub fn blocks(&self, user: &str) -> bool {
        self.blocked
            .binary_search_by(|blocked| (**blocked).cmp(user))
            .is_ok()
    }
}

/// What somebody is to the viewer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactView {
    /// Who.
    pub user: UserId,
    /// What.
    pub contact: Contact,
    /// Since when, milliseconds since 1970; 0 where they are nothing.
    pub at_ms: u64,
}

/// What somebody is to the viewer. `None` where the viewer has blocked them: then they are not shown.
pub fn contact(
    rows: &dyn Rows,
    viewer: &Viewer,
    other: &UserId,
) -> Result<Option<ContactView>, ReadError> {
    if viewer.blocks(other) {
        return Ok(None);
    }
    let row: Option<rows::Contact> =
        rows::get(rows, Table::Users, &rows::contact(&viewer.user, other))?;
    Ok(Some(contact_view(other.clone(), row.unwrap_or_default())))
}

/// The viewer's contacts in order of user id, after `after`; those whom they block are left out. Also
/// whether there are more than `limit`.
pub fn contacts(
    rows: &dyn Rows,
    viewer: &Viewer,
    after: &str,
    limit: usize,
) -> Result<(Vec<ContactView>, bool), ReadError> {
    let (mut from, to) = rows::contacts_range(&viewer.user);
    if !after.is_empty() {
        from = rows::contact(&viewer.user, after);
        from.push(0);
    }
    let (mut found, mut more, mut failed) = (Vec::new(), false, None);
    rows.scan(Table::Users, &from, &to, false, &mut |key, value| {
        let other = rows::other_user(&viewer.user, key);
        if viewer.blocks(&other) {
            return ControlFlow::Continue(());
        }
        if found.len() == limit {
            more = true;
            return ControlFlow::Break(());
        }
        match rows::decode(Table::Users, value) {
            Ok(row) => found.push(contact_view(other, row)),
            Err(error) => {
                failed = Some(error);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    })?;
    failed.map_or(Ok((found, more)), Err)
}

fn contact_view(user: UserId, row: rows::Contact) -> ContactView {
    ContactView {
        user,
        contact: Contact {
            added: row.added,
            adds: row.adds,
        },
        at_ms: row.at_ms,
    }
}

/// When somebody was here last, as far as others could see it, milliseconds since 1970; 0 for never.
pub fn seen_ms(rows: &dyn Rows, user: &str) -> Result<u64, ReadError> {
    let row: Option<rows::Person> = rows::get(rows, Table::Users, &rows::person(user))?;
    Ok(row.unwrap_or_default().seen_ms)
}

/// A page of users and what is known of them, and where to go on: behind a key, looking at so many rows.
#[expect(clippy::type_complexity, reason = "a page")]
pub fn people_behind(
    rows: &dyn Rows,
    after: &[u8],
    look: usize,
) -> Result<(Vec<(UserId, rows::Person)>, Option<Vec<u8>>), ReadError> {
    let mut found = Vec::new();
    let mut looked = 0;
    let mut last = None;
    let mut failed = None;
    let from = [after, &[0]].concat();
    rows.scan(Table::Users, &from, &[u8::MAX], false, &mut |key, value| {
        looked += 1;
        if let Some(user) = rows::person_user(key) {
            match rows::decode(Table::Users, value) {
                Ok(person) => found.push((user, person)),
                Err(error) => {
                    failed = Some(error);
                    return ControlFlow::Break(());
                }
            }
        }
        if looked >= look {
            last = Some(key.to_vec());
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    failed.map_or(Ok((found, last)), Err)
}

/// Whether a user was erased.
pub fn is_erased(rows: &dyn Rows, user: &str) -> Result<bool, ReadError> {
    let row: Option<rows::Person> = rows::get(rows, Table::Users, &rows::person(user))?;
    Ok(row.unwrap_or_default().erased)
}

/// A user's profile and what people search is to know besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileView {
    /// Whose.
    pub user: UserId,
    /// The profile, if there is one.
    pub set: Option<ProfileSet>,
    /// Whether people search leaves them out.
    pub hidden: bool,
    /// Whether they were erased.
    pub erased: bool,
    /// When they were here last, as far as others could see it, milliseconds since 1970; 0 for never.
    pub seen_ms: u64,
}

/// A profile that was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileSet {
    /// The attributes: a JSON object.
    pub text: Text,
    /// Where in the log: (position, index).
    pub at: (u64, u32),
    /// When the user had a profile first, milliseconds since 1970.
    pub made_ms: u64,
}

/// The profile of a user.
pub fn profile(rows: &dyn Rows, user: &UserId) -> Result<ProfileView, ReadError> {
    let person: rows::Person =
        rows::get(rows, Table::Users, &rows::person(user))?.unwrap_or_default();
    let set = match rows.get(Table::Users, &rows::profile(user))? {
        None => None,
        Some(bytes) => {
            let row: rows::Profile<'_> = rows::decode(Table::Users, &bytes)?;
            Some(ProfileSet {
                text: Text::Sealed {
                    sealed: Bytes::copy_from_slice(row.sealed),
                    by: row.sealed_by,
                },
                at: row.at,
                made_ms: row.made_ms,
            })
        }
    };
    Ok(ProfileView {
        user: user.clone(),
        set,
        hidden: person.hidden,
        erased: person.erased,
        seen_ms: person.seen_ms,
    })
}

/// A membership, past or present.
pub fn member(
    rows: &dyn Rows,
    id: ConversationId,
    user: &str,
) -> Result<Option<rows::Member>, ReadError> {
    rows::get(rows, Table::Members, &rows::member(id, user))
}

/// A conversation's row.
pub fn row(rows: &dyn Rows, id: ConversationId) -> Result<Option<rows::Conversation>, ReadError> {
    rows::get(rows, Table::Conversations, &rows::conversation(id))
}

/// One conversation, if the viewer is or was a member. `as_of` is the position of `rows`.
pub fn conversation(
    rows: &dyn Rows,
    as_of: u64,
    viewer: &Viewer,
    id: ConversationId,
) -> Result<Option<ConversationView>, ReadError> {
    let Some(member) = member(rows, id, &viewer.user)? else {
        return Ok(None);
    };
    let Some(row) = row(rows, id)? else {
        return Ok(None);
    };
    view(rows, as_of, viewer, id, row, member)
}

fn view(
    rows: &dyn Rows,
    as_of: u64,
    viewer: &Viewer,
    id: ConversationId,
    row: rows::Conversation,
    member: rows::Member,
) -> Result<Option<ConversationView>, ReadError> {
    let with_blocked = peer(&row.kind, &viewer.user).is_some_and(|peer| viewer.blocks(peer));
    let last = if with_blocked {
        match last_own_message(rows, viewer, id, &member)? {
            Some(message) => Last::Message(Box::new(message)),
            // Nothing but what a blocked user began: the blocker does not see it.
            None => return Ok(None),
        }
    } else {
        last_message(rows, viewer, id, &member)?
    };
    // What the viewer does not see moves nothing. Where it was not found out what they see last, it is
    // somewhere up to `last_seq`, for the client to load.
    let (last_message, last_seq, activity_position, activity_ms) = match last {
        Last::Message(message) => {
            let (seq, at, at_ms) = (message.seq, message.at.0, message.at_ms);
            (Some(*message), seq, at, at_ms)
        }
        Last::None => (None, 0, member.joined().0, member.joined_ms),
        Last::Before { seq, at, at_ms } => (None, seq - 1, at, at_ms),
    };
    // What came after they left is not theirs to see.
    let (title, member_count) = match &member.left {
        Some(left) => (left.title.clone(), left.member_count),
        None => (row.title.clone(), row.member_count),
    };
    let muted: Option<rows::Membership> = rows::get(
        rows,
        Table::Memberships,
        &rows::membership(&viewer.user, id),
    )?;
    let cursors = if member.role.is_some() && row.member_count <= TICKS_MEMBERS {
        cursors(rows, id, &viewer.user)?
    } else {
        Vec::new()
    };
    Ok(Some(ConversationView {
        id,
        peer: peer(&row.kind, &viewer.user).cloned(),
        title,
        role: member.role,
        member_count,
        last_seq,
        last_message,
        read_seq: member.read_seq,
        delivered_seq: member.delivered_seq,
        unread: unread::in_conversation(
            rows,
            id,
            &row,
            &viewer.user,
            &member,
            &viewer.blocked,
            |_| None,
        )?,
        muted: muted.is_some_and(|row| row.muted),
        cursors,
        activity_position,
        activity_ms,
        as_of,
        kind: row.kind,
    }))
}

/// The other user of a direct conversation.
pub fn peer<'k>(kind: &'k Kind, user: &UserId) -> Option<&'k UserId> {
    match kind {
        Kind::Direct { pair, .. } => Some(if pair.0 == *user { &pair.1 } else { &pair.0 }),
        Kind::Group { .. } => None,
    }
}

/// The last message that somebody sees.
enum Last {
    Message(Box<MessageView>),
    /// There is none.
    None,
    /// It comes before this one, which is hidden like all that were looked at after it.
    Before {
        seq: u64,
        at: u64,
        at_ms: u64,
    },
}

fn last_message(
    rows: &dyn Rows,
    viewer: &Viewer,
    id: ConversationId,
    member: &rows::Member,
) -> Result<Last, ReadError> {
    let mut found = Ok(Last::None);
    let mut looked = 0;
    for interval in member.intervals.iter().rev() {
        let from = rows::message(id, interval.after + 1);
        let to = rows::message(id, interval.until.map_or(u64::MAX, |until| until + 1));
        rows.scan(Table::Messages, &from, &to, true, &mut |key, value| {
            let seq = rows::trailing_number(key);
            looked += 1;
            found = match visible_message(rows, viewer, id, member, seq, value) {
                Ok(Some(message)) => Ok(Last::Message(Box::new(message))),
                Ok(None) if looked < LOOK_BACK => return ControlFlow::Continue(()),
                Ok(None) => rows::decode::<rows::Message<'_>>(Table::Messages, value).map(|row| {
                    Last::Before {
                        seq,
                        at: row.at.0,
                        at_ms: row.at_ms,
                    }
                }),
                Err(error) => Err(error),
            };
            ControlFlow::Break(())
        })?;
        if !matches!(found, Ok(Last::None)) {
            break;
        }
    }
    found
}

/// The viewer's own last message: all that can be seen in a direct conversation with a user they
/// block, however many the other one goes on sending.
fn last_own_message(
    rows: &dyn Rows,
    viewer: &Viewer,
    id: ConversationId,
    member: &rows::Member,
) -> Result<Option<MessageView>, ReadError> {
    let Some(last) = unread::last_by(rows, id, &viewer.user, u64::MAX)? else {
        return Ok(None);
    };
    match rows.get(Table::Messages, &rows::message(id, last.seq))? {
        Some(value) => visible_message(rows, viewer, id, member, last.seq, &value),
        None => Ok(None),
    }
}

/// The other present members' cursors.
fn cursors(
    rows: &dyn Rows,
    id: ConversationId,
    viewer: &UserId,
) -> Result<Vec<CursorView>, ReadError> {
    let mut found = Vec::new();
    each_member(rows, id, "", &mut |user, row| {
        if row.role.is_some() && *user != **viewer {
            let (read_seq, delivered_seq) = row.ticks();
            found.push(CursorView {
                user: UserId::trusted(user),
                read_seq,
                delivered_seq,
            });
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// Visits members, past ones too, in order of user id, after `after`.
pub fn each_member(
    rows: &dyn Rows,
    id: ConversationId,
    after: &str,
    visit: &mut dyn FnMut(&str, rows::Member) -> ControlFlow<()>,
) -> Result<(), ReadError> {
    let from = if after.is_empty() {
        rows::conversation(id).to_vec()
    } else {
        // The smallest key after this one.
        [&rows::member(id, after)[..], &[0]].concat()
    };
    // User ids are UTF-8: no byte of them is 255.
    let to = [&rows::conversation(id)[..], &[u8::MAX]].concat();
    let mut failed = None;
    rows.scan(
        Table::Members,
        &from,
        &to,
        false,
        &mut |key, value| match rows::decode(Table::Members, value) {
            Ok(row) => visit(rows::member_user(key), row),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        },
    )?;
    failed.map_or(Ok(()), Err)
}

/// The conversations a user is or was a member of.
pub fn memberships(
    rows: &dyn Rows,
    user: &UserId,
) -> Result<Vec<(ConversationId, rows::Membership)>, ReadError> {
    let (from, to) = rows::of_user(user);
    let mut found = Vec::new();
    let mut failed = None;
    rows.scan(Table::Memberships, &from, &to, false, &mut |key, value| {
        match rows::decode(Table::Memberships, value) {
            Ok(row) => found.push((rows::membership_conversation(key), row)),
            Err(error) => {
                failed = Some(error);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    })?;
    failed.map_or(Ok(found), Err)
}

/// A page of the viewer's conversations, latest activity first: those whose activity is before
/// `before` (0 for all). Conversations that share the last one's activity position are all in the
/// page, so that none falls between two pages. Also says whether there are more.
pub fn conversations(
    rows: &dyn Rows,
    as_of: u64,
    viewer: &Viewer,
    before: u64,
    limit: usize,
) -> Result<(Vec<ConversationView>, bool), ReadError> {
    let limit = limit.max(1);
    let mut candidates = Vec::new();
    for (id, _) in memberships(rows, &viewer.user)? {
        let (Some(row), Some(member)) = (row(rows, id)?, member(rows, id, &viewer.user)?) else {
            continue;
        };
        // An upper bound of the viewer's own activity position, known without looking at messages.
        candidates.push((
            row.activity_position.max(member.joined().0),
            id,
            row,
            member,
        ));
    }
    candidates.sort_unstable_by_key(|found| std::cmp::Reverse((found.0, found.1)));
    let mut found: Vec<ConversationView> = Vec::new();
    let mut more = false;
    for (bound, id, row, member) in candidates {
        if found.len() >= limit {
            // Later candidates have a lower bound, so they cannot come before what is found ...
            found.sort_by_key(|view| std::cmp::Reverse(view.activity_position));
            let cut = found[limit - 1].activity_position;
            if bound < cut {
                more = true;
                break;
            }
        }
        if let Some(view) = view(rows, as_of, viewer, id, row, member)?
            && (before == 0 || view.activity_position < before)
        {
            found.push(view);
        }
    }
    found.sort_by_key(|view| std::cmp::Reverse(view.activity_position));
    if found.len() > limit {
        let cut = found[limit - 1].activity_position;
        let kept = found
            .iter()
            .take_while(|view| view.activity_position >= cut)
            .count();
        more |= kept < found.len();
        found.truncate(kept);
    }
    Ok((found, more))
}

/// Unread messages over all conversations that are not muted.
pub fn unread_total(rows: &dyn Rows, viewer: &Viewer) -> Result<u64, ReadError> {
    let mut total = 0;
    for (id, membership) in memberships(rows, &viewer.user)? {
        if membership.muted {
            continue;
        }
        let (Some(row), Some(member)) = (row(rows, id)?, member(rows, id, &viewer.user)?) else {
            continue;
        };
        total += unread::in_conversation(
            rows,
            id,
            &row,
            &viewer.user,
            &member,
            &viewer.blocked,
            |_| None,
        )?;
    }
    Ok(total)
}

/// A message as the viewer sees it, if they may.
fn visible_message(
    rows: &dyn Rows,
    viewer: &Viewer,
    id: ConversationId,
    member: &rows::Member,
    seq: u64,
    value: &Bytes,
) -> Result<Option<MessageView>, ReadError> {
    if !member.sees(seq) {
        return Ok(None);
    }
    let mut row: rows::Message<'_> = rows::decode(Table::Messages, value)?;
    if viewer.blocks(row.author) {
        return Ok(None);
    }
    // Whoever has left reads what they could read then, but for what was taken back since.
    let left = member.spans.last().and_then(|span| span.until);
    let earlier = std::mem::take(&mut row.earlier);
    let seen = left.and_then(|left| earlier.iter().find(|version| version.until > left));
    if let Some(seen) = seen {
        (row.sealed, row.sealed_by) = (&seen.sealed, seen.sealed_by);
        row.mentions.clone_from(&seen.mentions);
        row.edited_ms = seen.edited_ms;
    }
    let mut reactions: Vec<(String, u32, bool)> = Vec::with_capacity(row.reactions.len());
    match left {
        Some(left) if row.reacted.is_some_and(|reacted| reacted > left) => {
            row.reactions_at(rows, id, seq, left, &mut |reaction, user| {
                // They come in order of the reaction.
                if reactions.last().is_none_or(|(last, ..)| last != reaction) {
                    reactions.push((reaction.to_owned(), 0, false));
                }
                if let Some((_, count, mine)) = reactions.last_mut() {
                    *count += 1;
                    *mine |= *user == *viewer.user;
                }
            })?;
        }
        _ => {
            for (reaction, count) in std::mem::take(&mut row.reactions) {
                let mine = rows::gives(rows, id, seq, &reaction, &viewer.user)?;
                reactions.push((reaction, count, mine));
            }
        }
    }
    reactions.sort_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
    let text = if row.retracted {
        Text::Retracted
    } else {
        // Copied: the row's bytes share a block with its neighbours.
        Text::Sealed {
            sealed: Bytes::copy_from_slice(row.sealed),
            by: row.sealed_by,
        }
    };
    Ok(Some(MessageView {
        conversation: id,
        seq,
        author: UserId::trusted(row.author),
        at_ms: row.at_ms,
        at: row.at,
        text,
        reply_to: row.reply_to,
        mentions: row.mentions,
        edited_ms: row.edited_ms,
        countable: row.countable_seq != 0 && !row.retracted,
        reactions,
        command: row.command.map(|command| command.0),
    }))
}

/// One message, if the viewer may see it.
pub fn message(
    rows: &dyn Rows,
    viewer: &Viewer,
    id: ConversationId,
    seq: u64,
) -> Result<Option<MessageView>, ReadError> {
    let Some(member) = member(rows, id, &viewer.user)? else {
        return Ok(None);
    };
    match rows.get(Table::Messages, &rows::message(id, seq))? {
        Some(value) => visible_message(rows, viewer, id, &member, seq, &value),
        None => Ok(None),
    }
}

/// One message as it is stored, whoever may see it: for what is made of all of them.
pub fn stored_message(
    rows: &dyn Rows,
    id: ConversationId,
    seq: u64,
) -> Result<Option<MessageView>, ReadError> {
    let Some(bytes) = rows.get(Table::Messages, &rows::message(id, seq))? else {
        return Ok(None);
    };
    let row: rows::Message<'_> = rows::decode(Table::Messages, &bytes)?;
    Ok(Some(MessageView {
        conversation: id,
        seq,
        author: UserId::trusted(row.author),
        at_ms: row.at_ms,
        at: row.at,
        text: match row.retracted {
            true => Text::Retracted,
            false => Text::Sealed {
                sealed: Bytes::copy_from_slice(row.sealed),
                by: row.sealed_by,
            },
        },
        reply_to: row.reply_to,
        mentions: row.mentions,
        edited_ms: row.edited_ms,
        countable: row.countable_seq != 0,
        reactions: Vec::new(),
        command: row.command.map(|command| command.0),
    }))
}

/// A page of history, or the part of it that was found so far.
#[derive(Debug)]
pub struct Found {
    /// In ascending `seq`.
    pub messages: Vec<MessageView>,
    /// Whether there is more in the direction asked.
    pub more: bool,
    /// Where to go on looking: so many rows were hidden from the viewer that the page is not whole yet.
    pub rest: Option<Page>,
}

/// Rows looked at, at a time, for a page of history: whoever blocks a busy author passes over many, and
/// folding waits meanwhile.
pub const LOOK: usize = 512;

/// A page of history. `None` when the viewer was never a member. At most `look` rows are looked at.
pub fn messages(
    rows: &dyn Rows,
    viewer: &Viewer,
    id: ConversationId,
    page: Page,
    limit: usize,
    look: usize,
) -> Result<Option<Found>, ReadError> {
    let Some(member) = member(rows, id, &viewer.user)? else {
        return Ok(None);
    };
    let (from, to, reverse) = match page {
        Page::Latest => (0, u64::MAX, true),
        Page::Before(seq) => (0, seq, true),
        Page::After(seq) => (seq.saturating_add(1), u64::MAX, false),
    };
    let Some(row) = row(rows, id)? else {
        return Ok(None);
    };
    if peer(&row.kind, &viewer.user).is_some_and(|peer| viewer.blocks(peer)) {
        let within = (from, to.min(row.last_seq + 1));
        let (messages, more) = own_messages(rows, viewer, id, &member, within, reverse, limit)?;
        return Ok(Some(Found {
            messages,
            more,
            rest: None,
        }));
    }
    let mut found = Found {
        messages: Vec::new(),
        more: false,
        rest: None,
    };
    let mut looked = 0;
    // Interval by interval, so that a gap costs nothing however long it is.
    let mut intervals = member.intervals.clone();
    if reverse {
        intervals.reverse();
    }
    for interval in intervals {
        let low = from.max(interval.after + 1);
        let high = to.min(interval.until.map_or(u64::MAX, |until| until + 1));
        if low >= high {
            continue;
        }
        let mut failed = None;
        let (low, high) = (rows::message(id, low), rows::message(id, high));
        rows.scan(Table::Messages, &low, &high, reverse, &mut |key, value| {
            let seq = rows::trailing_number(key);
            match visible_message(rows, viewer, id, &member, seq, value) {
                Ok(Some(_)) if found.messages.len() == limit => found.more = true,
                Ok(Some(message)) => found.messages.push(message),
                Ok(None) => {}
                Err(error) => failed = Some(error),
            }
            looked += 1;
            if looked >= look && !found.more {
                found.rest = Some(match reverse {
                    true => Page::Before(seq),
                    false => Page::After(seq),
                });
            }
            match found.more || found.rest.is_some() || failed.is_some() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        if found.more || found.rest.is_some() {
            break;
        }
    }
    if reverse {
        found.messages.reverse();
    }
    Ok(Some(found))
}

/// A page of the viewer's own messages with `from <= seq < to`: all that can be seen in a direct
/// conversation with a user they block. They are found by their author, so that it does not matter
/// how many the other one sends.
fn own_messages(
    rows: &dyn Rows,
    viewer: &Viewer,
    id: ConversationId,
    member: &rows::Member,
    (from, to): (u64, u64),
    reverse: bool,
    limit: usize,
) -> Result<(Vec<MessageView>, bool), ReadError> {
    if from >= to {
        return Ok((Vec::new(), false));
    }
    let before = |seq: u64| unread::countable_up_to(rows, id, seq.saturating_sub(1));
    let first = rows::author(id, &viewer.user, before(from)? + 1);
    let end = rows::author(id, &viewer.user, before(to)? + 1);
    let mut own = Vec::new();
    let mut failed = None;
    rows.scan(Table::Authors, &first, &end, reverse, &mut |_, value| {
        match rows::decode::<rows::Author>(Table::Authors, value) {
            Ok(row) => own.push(row.seq),
            Err(error) => failed = Some(error),
        }
        if failed.is_some() || own.len() > limit {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    let more = own.len() > limit;
    own.truncate(limit);
    if reverse {
        own.reverse();
    }
    let mut found = Vec::with_capacity(own.len());
    for seq in own {
        if let Some(value) = rows.get(Table::Messages, &rows::message(id, seq))? {
            found.extend(visible_message(rows, viewer, id, member, seq, &value)?);
        }
    }
    Ok((found, more))
}

/// A page of present members in order of user id, and whether there are more.
pub fn members(
    rows: &dyn Rows,
    id: ConversationId,
    after: &str,
    limit: usize,
) -> Result<(Vec<MemberView>, bool), ReadError> {
    let mut found = Vec::new();
    let mut more = false;
    each_member(rows, id, after, &mut |user, row| {
        let Some(role) = row.role else {
            return ControlFlow::Continue(());
        };
        if found.len() == limit {
            more = true;
            return ControlFlow::Break(());
        }
        found.push(MemberView {
            user: UserId::trusted(user),
            role,
            joined_ms: row.joined_ms,
        });
        ControlFlow::Continue(())
    })?;
    Ok((found, more))
}

/// Ticks of a message by `author`: how many present members have received and read it.
pub fn receipts(
    rows: &dyn Rows,
    id: ConversationId,
    author: &str,
    seq: u64,
    limit: usize,
) -> Result<ReceiptsView, ReadError> {
    let mut receipts = ReceiptsView {
        members: 0,
        read: 0,
        delivered: 0,
        cursors: Vec::new(),
    };
    each_member(rows, id, "", &mut |user, row| {
        // Who may not see the message has not received it, whatever their cursor says.
        if row.role.is_none() || user == author || !row.sees(seq) {
            return ControlFlow::Continue(());
        }
        let (read_seq, delivered_seq) = row.ticks();
        receipts.members += 1;
        receipts.read += u32::from(read_seq >= seq);
        if delivered_seq >= seq {
            receipts.delivered += 1;
            if receipts.cursors.len() < limit {
                receipts.cursors.push(CursorView {
                    user: UserId::trusted(user),
                    read_seq,
                    delivered_seq,
                });
            }
        }
        ControlFlow::Continue(())
    })?;
    Ok(receipts)
}
