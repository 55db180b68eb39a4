//! Everything a client can ask, one function each.

use tidings_protocol::frame::{Outcome, Request};
use tidings_protocol::{command, id, query, view};
use uuid::Uuid;

use super::{Accepted, Client, Instruction};
use crate::{Error, ErrorKind};

/// Commands return when they are durable on the server, however long that takes: cancelling the call
/// does not cancel the command.
impl Client {
    /// Carries out any command.
    pub async fn execute(&self, request: Request) -> Result<Accepted, Error> {
        self.submit(request).await?.accepted().await
    }

    /// Starts (or finds) the direct conversation with a user about a context, empty for none.
    pub async fn start_direct(&self, user: &str, context: &str) -> Result<Accepted, Error> {
        let request = command::StartDirect {
            user: user.into(),
            context: context.into(),
        };
        self.execute(Request::StartDirect(request)).await
    }

    /// Creates a group of the caller, its owner, and these members.
    pub async fn create_group(&self, group: command::CreateGroup) -> Result<Accepted, Error> {
        self.execute(Request::CreateGroup(group)).await
    }

    /// Adds members to a group, at most 1,000 at a time.
    pub async fn add_members(
        &self,
        conversation: Uuid,
        users: Vec<String>,
    ) -> Result<Accepted, Error> {
        let conversation = id::to_wire(conversation);
        self.execute(Request::AddMembers(command::AddMembers {
            conversation,
            users,
        }))
        .await
    }

    /// Removes a member from a group.
    pub async fn remove_member(&self, conversation: Uuid, user: &str) -> Result<Accepted, Error> {
        let (conversation, user) = (id::to_wire(conversation), user.into());
        self.execute(Request::RemoveMember(command::RemoveMember {
            conversation,
            user,
        }))
        .await
    }

    /// Leaves a group.
    pub async fn leave(&self, conversation: Uuid) -> Result<Accepted, Error> {
        let conversation = id::to_wire(conversation);
        self.execute(Request::Leave(command::Leave { conversation }))
            .await
    }

    /// Makes a member `owner`, `moderator` or `member`.
    pub async fn set_role(
        &self,
        conversation: Uuid,
        user: &str,
        role: &str,
    ) -> Result<Accepted, Error> {
        let conversation = id::to_wire(conversation);
        let request = command::SetRole {
            conversation,
            user: user.into(),
            role: role.into(),
        };
        self.execute(Request::SetRole(request)).await
    }

    /// Changes a group's title.
    pub async fn set_title(&self, conversation: Uuid, title: &str) -> Result<Accepted, Error> {
        let (conversation, title) = (id::to_wire(conversation), title.into());
        self.execute(Request::SetTitle(command::SetTitle {
            conversation,
            title,
        }))
        .await
    }

    /// Mutes or unmutes a conversation for oneself.
    pub async fn set_muted(&self, conversation: Uuid, muted: bool) -> Result<Accepted, Error> {
        let conversation = id::to_wire(conversation);
        self.execute(Request::SetMuted(command::SetMuted {
            conversation,
            muted,
        }))
        .await
    }

    /// Posts a message of plain text.
    pub async fn post(
        &self,
        conversation: Uuid,
        text: impl Into<String>,
    ) -> Result<Accepted, Error> {
        let conversation = id::to_wire(conversation);
        let message = command::PostMessage {
            conversation,
            text: text.into(),
            ..Default::default()
        };
        self.execute(Request::PostMessage(message)).await
    }

    /// Posts a message that may be a reply and mention members.
    pub async fn post_message(&self, message: command::PostMessage) -> Result<Accepted, Error> {
        self.execute(Request::PostMessage(message)).await
    }

    /// Replaces the text of one's own message.
    pub async fn edit_message(&self, edit: command::EditMessage) -> Result<Accepted, Error> {
        self.execute(Request::EditMessage(edit)).await
    }

    /// Takes a message back.
    pub async fn retract_message(&self, conversation: Uuid, seq: u64) -> Result<Accepted, Error> {
        let conversation = id::to_wire(conversation);
        self.execute(Request::RetractMessage(command::RetractMessage {
            conversation,
            seq,
        }))
        .await
    }

    /// Settles what moderation holds of somebody else in a group of which one is owner or moderator: it is let go,
    /// or its author is told why it is not.
    pub async fn settle_held(&self, settle: command::SettleHeld) -> Result<Accepted, Error> {
        self.execute(Request::SettleHeld(settle)).await
    }

    /// Says that one has seen toasts: they go from all of one's devices. At most 1,000 at a time.
    pub async fn see_toasts(&self, toasts: Vec<u64>) -> Result<Accepted, Error> {
        self.execute(Request::SeeToasts(command::SeeToasts { toasts }))
            .await
    }

    /// Calls a command of an extension and waits for its answer, JSON: `args` is a JSON object (empty for none),
    /// `conversation` one of one's own, where the command is about that. It is carried out once, whatever happens to
    /// the connection.
    pub async fn invoke(
        &self,
        extension: &str,
        command: &str,
        args: &str,
        conversation: Option<Uuid>,
    ) -> Result<String, Error> {
        let request = command::Invoke {
            extension: extension.into(),
            command: command.into(),
            args: args.into(),
            conversation: conversation.map(id::to_wire).unwrap_or_default(),
        };
        Ok(self.execute(Request::Invoke(request)).await?.answer)
    }

    /// All of one's toasts that wait to be seen, oldest first, and one's badges: to be asked for when a client
    /// begins and after a reset, and kept current by `toast_queued`, `toasts_seen` and `badge_set` from there on.
    /// Of these only those behind the answer's `position` are news.
    pub async fn notifications(&self) -> Result<query::Notifications, Error> {
        let mut all = query::Notifications::default();
        loop {
            let after = all.toasts.last().map_or(0, |last| last.toast);
            let asked = query::ListNotifications { after, limit: 100 };
            let page = match self.query(Request::ListNotifications(asked)).await? {
                Outcome::Notifications(page) => page,
                other => return Err(unexpected(&other)),
            };
            if after == 0 {
                // What later pages know beyond that comes as events, too.
                all.position = page.position;
            }
            all.toasts.extend(page.toasts);
            all.badges = page.badges;
            if !page.more {
                return Ok(all);
            }
        }
    }

    /// What moderation holds in a conversation, of oneself and for owners and moderators of everybody: those
    /// after a number (0 for all), at most `limit` (0 for the server's choice).
    pub async fn list_held(
        &self,
        conversation: Uuid,
        after: u64,
        limit: u32,
    ) -> Result<query::HeldMessages, Error> {
        let list = query::ListHeld {
            conversation: id::to_wire(conversation),
            after,
            limit,
        };
        match self.query(Request::ListHeld(list)).await? {
            Outcome::Held(held) => Ok(held),
            other => Err(unexpected(&other)),
        }
    }

    /// Adds one's reaction.
    pub async fn add_reaction(
        &self,
        conversation: Uuid,
        seq: u64,
        reaction: &str,
    ) -> Result<Accepted, Error> {
        let (conversation, reaction) = (id::to_wire(conversation), reaction.into());
        let request = command::AddReaction {
            conversation,
            seq,
            reaction,
        };
        self.execute(Request::AddReaction(request)).await
    }

    /// Removes one's reaction.
    pub async fn remove_reaction(
        &self,
        conversation: Uuid,
        seq: u64,
        reaction: &str,
    ) -> Result<Accepted, Error> {
        let (conversation, reaction) = (id::to_wire(conversation), reaction.into());
        let request = command::RemoveReaction {
            conversation,
            seq,
            reaction,
        };
        self.execute(Request::RemoveReaction(request)).await
    }

    /// Blocks a user.
    pub async fn block_user(&self, user: &str) -> Result<Accepted, Error> {
        self.execute(Request::BlockUser(command::BlockUser { user: user.into() }))
            .await
    }

    /// Unblocks a user.
    pub async fn unblock_user(&self, user: &str) -> Result<Accepted, Error> {
        self.execute(Request::UnblockUser(command::UnblockUser {
            user: user.into(),
        }))
        .await
    }

    /// Everything up to this message has been read. Sent at most once a second and conversation,
    /// and again after an interruption; an error only if the client has ended.
    pub async fn mark_read(&self, conversation: Uuid, seq: u64) -> Result<(), Error> {
        self.instruct(Instruction::MarkRead { conversation, seq })
            .await
    }

    /// Tells the others that one is typing, or has stopped; repeat every 4 s. Forgotten where there is
    /// no connection right now.
    pub async fn typing(&self, conversation: Uuid, active: bool) -> Result<(), Error> {
        let conversation = id::to_wire(conversation);
        let request = Request::Typing(command::Typing {
            conversation,
            active,
        });
        self.instruct(Instruction::Volatile(request)).await
    }

    /// Asks a user to be a contact, or accepts that they ask.
    pub async fn add_contact(&self, user: &str) -> Result<Accepted, Error> {
        self.execute(Request::AddContact(command::AddContact {
            user: user.into(),
        }))
        .await
    }

    /// Ends a contact, takes a request back or declines one.
    pub async fn remove_contact(&self, user: &str) -> Result<Accepted, Error> {
        self.execute(Request::RemoveContact(command::RemoveContact {
            user: user.into(),
        }))
        .await
    }

    /// A page of contacts, those asked and asking included: user ids after `after` (empty for the first
    /// page), at most `limit` (0 for the server's choice).
    pub async fn list_contacts(&self, after: &str, limit: u32) -> Result<query::Contacts, Error> {
        let after = after.into();
        let request = query::ListContacts { after, limit };
        match self.query(Request::ListContacts(request)).await? {
            Outcome::Contacts(page) => Ok(page),
            other => Err(unexpected(&other)),
        }
    }

    /// Becomes invisible to others, or visible again.
    pub async fn set_invisible(&self, invisible: bool) -> Result<Accepted, Error> {
        self.execute(Request::SetInvisible(command::SetInvisible { invisible }))
            .await
    }

    /// Says whether the user is away from this device, now and in each session that follows. Where the server
    /// will not have it, [`Update::Refused`](super::Update::Refused) says so, as with all that holds.
    pub async fn set_away(&self, away: bool) -> Result<(), Error> {
        let state = if away { "away" } else { "available" }.into();
        let request = Request::SetPresence(command::SetPresence { state });
        self.instruct(Instruction::Standing(request)).await
    }

    /// Watches exactly these users, and with `roster` one's contacts, now and in each session that follows:
    /// [`Update::Presence`](super::Update::Presence) says how they are.
    pub async fn watch_presence(&self, users: &[&str], roster: bool) -> Result<(), Error> {
        let users = users.iter().map(|user| (*user).to_owned()).collect();
        let request = Request::WatchPresence(command::WatchPresence { users, roster });
        self.instruct(Instruction::Standing(request)).await
    }

    /// A page of people who are found by what their profiles say and by whether they are here, as one may see
    /// them. Go on with `after`, the page's `next`.
    pub async fn search_people(&self, search: query::SearchPeople) -> Result<query::People, Error> {
        match self.query(Request::SearchPeople(search)).await? {
            Outcome::People(page) => Ok(page),
            other => Err(unexpected(&other)),
        }
    }

    /// Finds people as [`search_people`](Client::search_people) does, and watches the page:
    /// [`Update::PeopleOnline`](super::Update::PeopleOnline) says how many more people, who would be found and are
    /// not on it, have come online. Watched until another page is, in each session that follows, where counting
    /// begins anew; what fails is not watched, and then none is.
    pub async fn watch_people(&self, search: query::SearchPeople) -> Result<query::People, Error> {
        let search = Some(search);
        let request = Request::WatchPeople(query::WatchPeople { search });
        match self.query(request).await? {
            Outcome::People(page) => Ok(page),
            other => Err(unexpected(&other)),
        }
    }

    /// Watches no page of people any more.
    pub async fn unwatch_people(&self) -> Result<(), Error> {
        self.instruct(Instruction::Over {
            kind: Request::WatchPeople(query::WatchPeople::default()),
            told: Request::UnwatchPeople(query::UnwatchPeople {}),
        })
        .await
    }

    /// A page of messages of one's conversations that are found by what they say. Go on with `after`, the page's
    /// `next`.
    pub async fn search_messages(
        &self,
        search: query::SearchMessages,
    ) -> Result<query::FoundMessages, Error> {
        match self.query(Request::SearchMessages(search)).await? {
            Outcome::FoundMessages(page) => Ok(page),
            other => Err(unexpected(&other)),
        }
    }

    /// Tells the others of a conversation, of up to 32 members, that one is looking at it, until another one is
    /// looked at, or none. Repeated by itself, in each session and to who comes to look;
    /// [`Update::Looking`](super::Update::Looking) says who else does, to be forgotten after 90 s without another
    /// one. Where one is not in it, [`Update::Refused`](super::Update::Refused) says so.
    pub async fn look(&self, conversation: Option<Uuid>) -> Result<(), Error> {
        let instruction = match conversation {
            Some(conversation) => {
                let conversation = id::to_wire(conversation);
                Instruction::Standing(Request::Look(command::Look { conversation }))
            }
            None => {
                let none = Request::Look(command::Look::default());
                Instruction::Over {
                    kind: none.clone(),
                    told: none,
                }
            }
        };
        self.instruct(instruction).await
    }

    /// Profiles of at most 100 users, as one may see them, in the order asked for; who has none, or blocks one,
    /// is left out.
    pub async fn profiles(&self, users: &[&str]) -> Result<Vec<view::Profile>, Error> {
        let users = users.iter().map(|user| (*user).to_owned()).collect();
        let request = query::GetProfiles { users };
        match self.query(Request::GetProfiles(request)).await? {
            Outcome::Profiles(found) => Ok(found.profiles),
            other => Err(unexpected(&other)),
        }
    }

    /// The users one has blocked.
    pub async fn list_blocked(&self) -> Result<Vec<String>, Error> {
        match self
            .query(Request::ListBlocked(query::ListBlocked {}))
            .await?
        {
            Outcome::Blocked(blocked) => Ok(blocked.users),
            other => Err(unexpected(&other)),
        }
    }

    /// A page of conversations with an `activity_position` lower than `before` (0 for the latest),
    /// at most `limit` (0 for the server's choice). Becomes part of the state.
    pub async fn list_conversations(
        &self,
        before: u64,
        limit: u32,
    ) -> Result<query::Conversations, Error> {
        let request = query::ListConversations { before, limit };
        match self.query(Request::ListConversations(request)).await? {
            Outcome::Conversations(page) => Ok(page),
            other => Err(unexpected(&other)),
        }
    }

    /// One conversation.
    pub async fn get_conversation(&self, conversation: Uuid) -> Result<view::Conversation, Error> {
        let conversation = id::to_wire(conversation);
        let request = Request::GetConversation(query::GetConversation { conversation });
        match self.query(request).await? {
            Outcome::Conversation(view) => Ok(view),
            other => Err(unexpected(&other)),
        }
    }

    /// A page of history. Becomes part of the state.
    pub async fn list_messages(
        &self,
        request: query::ListMessages,
    ) -> Result<query::Messages, Error> {
        match self.query(Request::ListMessages(request)).await? {
            Outcome::Messages(page) => Ok(page),
            other => Err(unexpected(&other)),
        }
    }

    /// A page of members with ids after `after` (empty for the first), at most `limit` (0 for the
    /// server's choice).
    pub async fn list_members(
        &self,
        conversation: Uuid,
        after: &str,
        limit: u32,
    ) -> Result<query::Members, Error> {
        let (conversation, after) = (id::to_wire(conversation), after.into());
        let request = query::ListMembers {
            conversation,
            after,
            limit,
        };
        match self.query(Request::ListMembers(request)).await? {
            Outcome::Members(page) => Ok(page),
            other => Err(unexpected(&other)),
        }
    }

    /// Who has received and read a message.
    pub async fn get_receipts(
        &self,
        conversation: Uuid,
        seq: u64,
    ) -> Result<query::Receipts, Error> {
        let conversation = id::to_wire(conversation);
        match self
            .query(Request::GetReceipts(query::GetReceipts {
                conversation,
                seq,
            }))
            .await?
        {
            Outcome::Receipts(receipts) => Ok(receipts),
            other => Err(unexpected(&other)),
        }
    }

    /// One message in full, however long. Becomes part of the state if that held a stub.
    pub async fn get_message(&self, conversation: Uuid, seq: u64) -> Result<view::Message, Error> {
        let conversation = id::to_wire(conversation);
        match self
            .query(Request::GetMessage(query::GetMessage { conversation, seq }))
            .await?
        {
            Outcome::Message(message) => Ok(message),
            other => Err(unexpected(&other)),
        }
    }

    /// The server's count of unread messages.
    pub async fn get_unread(&self) -> Result<u64, Error> {
        match self.query(Request::GetUnread(query::GetUnread {})).await? {
            Outcome::Unread(unread) => Ok(unread.total),
            other => Err(unexpected(&other)),
        }
    }

    /// The server's time, milliseconds since 1970 (UTC): a round trip and nothing else.
    pub async fn ping(&self) -> Result<u64, Error> {
        match self.query(Request::Ping(command::Ping {})).await? {
            Outcome::Pong(pong) => Ok(pong.now_ms),
            other => Err(unexpected(&other)),
        }
    }
}

fn unexpected(outcome: &Outcome) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        format!("the server gave an unexpected answer: {outcome:?}"),
    )
}
