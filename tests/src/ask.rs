//! Requests, a function each.

use bytes::Bytes;
use tidings_protocol::{command, frame::Request, id, query};
use uuid::Uuid;

fn wire(conversation: Uuid) -> Bytes {
    id::to_wire(conversation)
}

fn names(users: &[&str]) -> Vec<String> {
    users.iter().map(ToString::to_string).collect()
}

/// `start_direct` about nothing in particular.
pub fn direct(user: &str) -> Request {
    Request::StartDirect(command::StartDirect {
        user: user.to_owned(),
        context: String::new(),
    })
}

/// `create_group` whose members see history from joining.
pub fn group(title: &str, members: &[&str]) -> Request {
    Request::CreateGroup(command::CreateGroup {
        title: title.to_owned(),
        members: names(members),
        ..Default::default()
    })
}

/// `add_members`.
pub fn add(conversation: Uuid, users: &[&str]) -> Request {
    Request::AddMembers(command::AddMembers {
        conversation: wire(conversation),
        users: names(users),
    })
}

/// `remove_member`.
pub fn remove(conversation: Uuid, user: &str) -> Request {
    Request::RemoveMember(command::RemoveMember {
        conversation: wire(conversation),
        user: user.to_owned(),
    })
}

/// `leave`.
pub fn leave(conversation: Uuid) -> Request {
    Request::Leave(command::Leave {
        conversation: wire(conversation),
    })
}

/// `set_role`.
pub fn role(conversation: Uuid, user: &str, role: &str) -> Request {
    Request::SetRole(command::SetRole {
        conversation: wire(conversation),
        user: user.to_owned(),
        role: role.to_owned(),
    })
}

/// `set_title`.
pub fn title(conversation: Uuid, title: &str) -> Request {
    Request::SetTitle(command::SetTitle {
        conversation: wire(conversation),
        title: title.to_owned(),
    })
}

/// `set_muted`.
pub fn mute(conversation: Uuid, muted: bool) -> Request {
    Request::SetMuted(command::SetMuted {
        conversation: wire(conversation),
        muted,
    })
}

/// `post_message` of plain text.
pub fn post(conversation: Uuid, text: &str) -> Request {
    Request::PostMessage(command::PostMessage {
        conversation: wire(conversation),
        text: text.to_owned(),
        ..Default::default()
    })
}

/// `edit_message`.
pub fn edit(conversation: Uuid, seq: u64, text: &str) -> Request {
    Request::EditMessage(command::EditMessage {
        conversation: wire(conversation),
        seq,
        text: text.to_owned(),
        ..Default::default()
    })
}

/// `retract_message`.
pub fn retract(conversation: Uuid, seq: u64) -> Request {
    Request::RetractMessage(command::RetractMessage {
        conversation: wire(conversation),
        seq,
    })
}

/// `add_reaction`.
pub fn react(conversation: Uuid, seq: u64, reaction: &str) -> Request {
    Request::AddReaction(command::AddReaction {
        conversation: wire(conversation),
        seq,
        reaction: reaction.to_owned(),
    })
}

/// `remove_reaction`.
pub fn unreact(conversation: Uuid, seq: u64, reaction: &str) -> Request {
    Request::RemoveReaction(command::RemoveReaction {
        conversation: wire(conversation),
        seq,
        reaction: reaction.to_owned(),
    })
}

/// `mark_read`.
pub fn read(conversation: Uuid, seq: u64) -> Request {
    Request::MarkRead(command::MarkRead {
        conversation: wire(conversation),
        seq,
    })
}

/// `typing`.
pub fn typing(conversation: Uuid, active: bool) -> Request {
    Request::Typing(command::Typing {
        conversation: wire(conversation),
        active,
    })
}

/// `block_user`.
pub fn block(user: &str) -> Request {
    Request::BlockUser(command::BlockUser {
        user: user.to_owned(),
    })
}

/// `unblock_user`.
pub fn unblock(user: &str) -> Request {
    Request::UnblockUser(command::UnblockUser {
        user: user.to_owned(),
    })
}

/// `add_contact`.
pub fn add_contact(user: &str) -> Request {
    Request::AddContact(command::AddContact {
        user: user.to_owned(),
    })
}

/// `remove_contact`.
pub fn remove_contact(user: &str) -> Request {
    Request::RemoveContact(command::RemoveContact {
        user: user.to_owned(),
    })
}

/// `search_people`, the first page.
pub fn people(query: &str) -> Request {
    Request::SearchPeople(query::SearchPeople {
        query: query.to_owned(),
        ..query::SearchPeople::default()
    })
}

/// `watch_people`.
pub fn watch_people(query: &str) -> Request {
    let Request::SearchPeople(search) = people(query) else {
        unreachable!("that is what it makes");
    };
    Request::WatchPeople(query::WatchPeople {
        search: Some(search),
    })
}

/// `unwatch_people`.
pub fn unwatch_people() -> Request {
    Request::UnwatchPeople(query::UnwatchPeople {})
}

/// `search_messages`, the first page.
pub fn search_messages(query: &str, sort: &str) -> Request {
    Request::SearchMessages(query::SearchMessages {
        query: query.to_owned(),
        sort: sort.to_owned(),
        ..query::SearchMessages::default()
    })
}

/// `look`.
pub fn look(conversation: Uuid) -> Request {
    Request::Look(command::Look {
        conversation: wire(conversation),
    })
}

/// `get_profiles`.
pub fn profiles(users: &[&str]) -> Request {
    Request::GetProfiles(query::GetProfiles {
        users: users.iter().map(|user| (*user).to_owned()).collect(),
    })
}

/// `list_contacts`, the first page.
pub fn contacts() -> Request {
    Request::ListContacts(query::ListContacts::default())
}

/// `set_invisible`.
pub fn invisible(invisible: bool) -> Request {
    Request::SetInvisible(command::SetInvisible { invisible })
}

/// `set_presence`.
pub fn presence(state: &str) -> Request {
    Request::SetPresence(command::SetPresence {
        state: state.to_owned(),
    })
}

/// `watch_presence`.
pub fn watch(users: &[&str], roster: bool) -> Request {
    Request::WatchPresence(command::WatchPresence {
        users: users.iter().map(|user| (*user).to_owned()).collect(),
        roster,
    })
}

/// `list_blocked`.
pub fn blocked() -> Request {
    Request::ListBlocked(query::ListBlocked {})
}

/// `list_conversations`, the first page.
pub fn conversations() -> Request {
    Request::ListConversations(query::ListConversations::default())
}

/// `get_conversation`.
pub fn conversation(conversation: Uuid) -> Request {
    Request::GetConversation(query::GetConversation {
        conversation: wire(conversation),
    })
}

/// `list_messages`: the latest.
pub fn latest(conversation: Uuid, limit: u32) -> Request {
    Request::ListMessages(query::ListMessages {
        conversation: wire(conversation),
        limit,
        ..Default::default()
    })
}

/// `list_messages` before one.
pub fn before(conversation: Uuid, before: u64, limit: u32) -> Request {
    Request::ListMessages(query::ListMessages {
        conversation: wire(conversation),
        before,
        limit,
        ..Default::default()
    })
}

/// `list_messages` after one.
pub fn after(conversation: Uuid, after: u64, limit: u32) -> Request {
    Request::ListMessages(query::ListMessages {
        conversation: wire(conversation),
        after: Some(after),
        limit,
        ..Default::default()
    })
}

/// `list_members`, the first page.
pub fn members(conversation: Uuid) -> Request {
    Request::ListMembers(query::ListMembers {
        conversation: wire(conversation),
        ..Default::default()
    })
}

/// `settle_held`.
pub fn settle(conversation: Uuid, held: u64, release: bool, reason: &str) -> Request {
    Request::SettleHeld(command::SettleHeld {
        conversation: wire(conversation),
        held,
        release,
        reason: reason.to_owned(),
    })
}

/// `see_toasts`.
pub fn see(toasts: &[u64]) -> Request {
    Request::SeeToasts(command::SeeToasts {
        toasts: toasts.to_vec(),
    })
}

/// `invoke`, with arguments as JSON, from no conversation.
pub fn invoke(extension: &str, command: &str, args: &str) -> Request {
    Request::Invoke(command::Invoke {
        extension: extension.to_owned(),
        command: command.to_owned(),
        args: args.to_owned(),
        ..command::Invoke::default()
    })
}

/// `list_notifications`, the first page.
pub fn notifications() -> Request {
    Request::ListNotifications(query::ListNotifications::default())
}

/// `list_held`.
pub fn held(conversation: Uuid) -> Request {
    Request::ListHeld(query::ListHeld {
        conversation: wire(conversation),
        after: 0,
        limit: 0,
    })
}

/// `get_receipts`.
pub fn receipts(conversation: Uuid, seq: u64) -> Request {
    Request::GetReceipts(query::GetReceipts {
        conversation: wire(conversation),
        seq,
    })
}

/// `get_message`.
pub fn message(conversation: Uuid, seq: u64) -> Request {
    Request::GetMessage(query::GetMessage {
        conversation: wire(conversation),
        seq,
    })
}

/// `get_unread`.
pub fn unread() -> Request {
    Request::GetUnread(query::GetUnread {})
}

/// `ping`.
pub fn ping() -> Request {
    Request::Ping(command::Ping {})
}

/// `ack`.
pub fn ack(position: u64, index: u32) -> Request {
    Request::Ack(command::Ack { position, index })
}

/// `renew_token`.
pub fn renew(token: &str) -> Request {
    Request::RenewToken(command::RenewToken {
        token: token.to_owned(),
    })
}

/// `hello` of a new installation.
pub fn hello(token: &str) -> command::Hello {
    command::Hello {
        token: token.to_owned(),
        device: Uuid::now_v7().to_string(),
        client: "tidings-tests".to_owned(),
        ..Default::default()
    }
}
