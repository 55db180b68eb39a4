//! Where identifiers stand in a frame. JSON writes them as text and so has no form for one of a wrong length.

use bytes::Bytes;
use tidings_protocol::{
    ClientFrame, ServerFrame,
    event::{Event, Kind},
    frame::{Body, Cursor, Outcome, Request},
    view::{Conversation, FoundMessage, Held, Message, Toast},
};

/// Whether it is absent or has the length of an identifier.
pub(crate) fn is_whole(id: &[u8]) -> bool {
    matches!(id.len(), 0 | 16)
}

/// Empties the identifiers that have a wrong length.
pub(crate) trait WholeIds {
    fn keep_whole_ids(&mut self);
}

impl WholeIds for Bytes {
    fn keep_whole_ids(&mut self) {
        if !is_whole(self) {
            self.clear();
        }
    }
}

impl<T: WholeIds> WholeIds for Option<T> {
    fn keep_whole_ids(&mut self) {
        if let Some(value) = self {
            value.keep_whole_ids();
        }
    }
}

impl<T: WholeIds> WholeIds for Vec<T> {
    fn keep_whole_ids(&mut self) {
        self.iter_mut().for_each(T::keep_whole_ids);
    }
}

impl WholeIds for Cursor {
    fn keep_whole_ids(&mut self) {
        self.epoch.keep_whole_ids();
    }
}

impl WholeIds for ClientFrame {
    fn keep_whole_ids(&mut self) {
        self.command_id.keep_whole_ids();
        self.request.keep_whole_ids();
    }
}

impl WholeIds for Request {
    fn keep_whole_ids(&mut self) {
        use Request as R;
        // Every variant is named, so that a new one is not forgotten here.
        match self {
            R::Hello(request) => request.cursor.keep_whole_ids(),
            R::AddMembers(request) => request.conversation.keep_whole_ids(),
            R::RemoveMember(request) => request.conversation.keep_whole_ids(),
            R::Leave(request) => request.conversation.keep_whole_ids(),
            R::SetRole(request) => request.conversation.keep_whole_ids(),
            R::SetTitle(request) => request.conversation.keep_whole_ids(),
            R::SetMuted(request) => request.conversation.keep_whole_ids(),
            R::PostMessage(request) => request.conversation.keep_whole_ids(),
            R::EditMessage(request) => request.conversation.keep_whole_ids(),
            R::RetractMessage(request) => request.conversation.keep_whole_ids(),
            R::AddReaction(request) => request.conversation.keep_whole_ids(),
            R::RemoveReaction(request) => request.conversation.keep_whole_ids(),
            R::MarkRead(request) => request.conversation.keep_whole_ids(),
            R::Typing(request) => request.conversation.keep_whole_ids(),
            R::GetConversation(request) => request.conversation.keep_whole_ids(),
            R::ListMessages(request) => request.conversation.keep_whole_ids(),
            R::ListMembers(request) => request.conversation.keep_whole_ids(),
            R::SettleHeld(request) => request.conversation.keep_whole_ids(),
            R::ListHeld(request) => request.conversation.keep_whole_ids(),
            R::GetReceipts(request) => request.conversation.keep_whole_ids(),
            R::GetMessage(request) => request.conversation.keep_whole_ids(),
            R::Look(request) => request.conversation.keep_whole_ids(),
            R::Invoke(request) => request.conversation.keep_whole_ids(),
            R::Ping(_)
            | R::RenewToken(_)
            | R::Ack(_)
            | R::StartDirect(_)
            | R::CreateGroup(_)
            | R::BlockUser(_)
            | R::UnblockUser(_)
            | R::AddContact(_)
            | R::RemoveContact(_)
            | R::ListContacts(_)
            | R::SetInvisible(_)
            | R::SetPresence(_)
            | R::WatchPresence(_)
            | R::ListBlocked(_)
            | R::ListConversations(_)
            | R::GetUnread(_)
            | R::SearchPeople(_)
            | R::WatchPeople(_)
            | R::UnwatchPeople(_)
            | R::SearchMessages(_)
            | R::SeeToasts(_)
            | R::ListNotifications(_)
            | R::GetProfiles(_) => {}
        }
    }
}

impl WholeIds for ServerFrame {
    fn keep_whole_ids(&mut self) {
        match &mut self.body {
            Some(Body::Welcome(welcome)) => {
                welcome.session.keep_whole_ids();
                welcome.cursor.keep_whole_ids();
            }
            Some(Body::Reply(reply)) => reply.outcome.keep_whole_ids(),
            Some(Body::Event(event)) => event.keep_whole_ids(),
            Some(Body::Reset(reset)) => {
                reset.cursor.keep_whole_ids();
                reset.conversations.keep_whole_ids();
            }
            Some(Body::Typing(typing)) => typing.conversation.keep_whole_ids(),
            Some(Body::Looking(looking)) => looking.conversation.keep_whole_ids(),
            Some(Body::Closing(_) | Body::Nodes(_) | Body::Presence(_) | Body::PeopleOnline(_))
            | None => {}
        }
    }
}

impl WholeIds for Outcome {
    fn keep_whole_ids(&mut self) {
        match self {
            Outcome::Accepted(accepted) => accepted.conversation.keep_whole_ids(),
            Outcome::Conversations(page) => page.conversations.keep_whole_ids(),
            Outcome::Conversation(conversation) => conversation.keep_whole_ids(),
            Outcome::Messages(page) => page.messages.keep_whole_ids(),
            Outcome::Message(message) => message.keep_whole_ids(),
            Outcome::FoundMessages(page) => page.messages.keep_whole_ids(),
            Outcome::Held(page) => page.held.keep_whole_ids(),
            Outcome::Notifications(page) => page.toasts.keep_whole_ids(),
            Outcome::Error(_)
            | Outcome::Pong(_)
            | Outcome::Members(_)
            | Outcome::Receipts(_)
            | Outcome::Blocked(_)
            | Outcome::Unread(_)
            | Outcome::Contacts(_)
            | Outcome::People(_)
            | Outcome::Profiles(_) => {}
        }
    }
}

impl WholeIds for Event {
    fn keep_whole_ids(&mut self) {
        self.conversation.keep_whole_ids();
        match &mut self.kind {
            Some(Kind::MessagePosted(message)) => message.keep_whole_ids(),
            Some(Kind::MessageHeld(held)) => held.keep_whole_ids(),
            Some(Kind::ToastQueued(queued)) => queued.toast.keep_whole_ids(),
            Some(Kind::ConversationAdded(conversation)) => conversation.keep_whole_ids(),
            _ => {}
        }
    }
}

impl WholeIds for Conversation {
    fn keep_whole_ids(&mut self) {
        self.id.keep_whole_ids();
        self.last_message.keep_whole_ids();
    }
}

impl WholeIds for FoundMessage {
    fn keep_whole_ids(&mut self) {
        self.conversation.keep_whole_ids();
        self.message.keep_whole_ids();
    }
}

impl WholeIds for Held {
    fn keep_whole_ids(&mut self) {
        self.command_id.keep_whole_ids();
    }
}

impl WholeIds for Toast {
    fn keep_whole_ids(&mut self) {
        self.about_conversation.keep_whole_ids();
    }
}

impl WholeIds for Message {
    fn keep_whole_ids(&mut self) {
        self.command_id.keep_whole_ids();
    }
}
