//! `model`: getters of messages and conversations.

use std::sync::Arc;

use wasmtime::component::Resource;

use crate::bindings::tidings::extension::model::{
    Conversation, Host, HostConversation, HostMessage, Message,
};
use crate::call::State;
use crate::host;

impl State {
    /// A handle of a message. What it holds is kept until the call ends, so it counts as given.
    pub(super) fn message(
        &mut self,
        message: Arc<host::Message>,
    ) -> wasmtime::Result<Resource<Message>> {
        let mentions: usize = message.mentions.iter().map(String::len).sum();
        let text = message.text.as_ref().map_or(0, String::len);
        self.give(message.id.len() + message.conversation.len() + mentions + text)?;
        Ok(self.messages.add(message))
    }

    /// A handle of a conversation.
    pub(super) fn conversation(
        &mut self,
        conversation: host::Conversation,
    ) -> wasmtime::Result<Resource<Conversation>> {
        self.give(conversation.id.len() + conversation.title.len() + conversation.context.len())?;
        Ok(self.conversations.add(conversation))
    }

    fn of_message(&mut self, message: &Resource<Message>) -> wasmtime::Result<Arc<host::Message>> {
        self.enter()?;
        Ok(self.messages.get(message, "message")?.clone())
    }

    fn of_conversation<T>(
        &mut self,
        conversation: &Resource<Conversation>,
        read: impl FnOnce(&host::Conversation) -> T,
    ) -> wasmtime::Result<T> {
        self.enter()?;
        Ok(read(self.conversations.get(conversation, "conversation")?))
    }
}

impl Host for State {}

impl HostMessage for State {
    fn id(&mut self, message: Resource<Message>) -> wasmtime::Result<String> {
        let message = self.of_message(&message)?;
        self.given(&message.id)
    }

    fn conversation(&mut self, message: Resource<Message>) -> wasmtime::Result<String> {
        let message = self.of_message(&message)?;
        self.given(&message.conversation)
    }

    fn seq(&mut self, message: Resource<Message>) -> wasmtime::Result<u64> {
        Ok(self.of_message(&message)?.seq)
    }

    fn author(&mut self, message: Resource<Message>) -> wasmtime::Result<String> {
        let message = self.of_message(&message)?;
        self.given(&message.author)
    }

    fn at(&mut self, message: Resource<Message>) -> wasmtime::Result<u64> {
        Ok(self.of_message(&message)?.at)
    }

    fn text(&mut self, message: Resource<Message>) -> wasmtime::Result<Option<String>> {
        let message = self.of_message(&message)?;
        message
            .text
            .as_deref()
            .map(|text| self.given(text))
            .transpose()
    }

    fn reply_to(&mut self, message: Resource<Message>) -> wasmtime::Result<Option<u64>> {
        Ok(self.of_message(&message)?.reply_to)
    }

    fn mentions(&mut self, message: Resource<Message>) -> wasmtime::Result<Vec<String>> {
        let message = self.of_message(&message)?;
        self.given_all(&message.mentions)
    }

    fn drop(&mut self, message: Resource<Message>) -> wasmtime::Result<()> {
        self.messages.remove(&message);
        Ok(())
    }
}

impl HostConversation for State {
    fn id(&mut self, conversation: Resource<Conversation>) -> wasmtime::Result<String> {
        let id = self.of_conversation(&conversation, |conversation| conversation.id.clone())?;
        self.given(&id)
    }

    fn kind(&mut self, conversation: Resource<Conversation>) -> wasmtime::Result<String> {
        self.of_conversation(&conversation, |conversation| conversation.kind.clone())
    }

    fn title(&mut self, conversation: Resource<Conversation>) -> wasmtime::Result<String> {
        let title =
            self.of_conversation(&conversation, |conversation| conversation.title.clone())?;
        self.given(&title)
    }

    fn context(&mut self, conversation: Resource<Conversation>) -> wasmtime::Result<String> {
        let context =
            self.of_conversation(&conversation, |conversation| conversation.context.clone())?;
        self.given(&context)
    }

    fn member_count(&mut self, conversation: Resource<Conversation>) -> wasmtime::Result<u32> {
        self.of_conversation(&conversation, |conversation| conversation.members)
    }

    fn drop(&mut self, conversation: Resource<Conversation>) -> wasmtime::Result<()> {
        self.conversations.remove(&conversation);
        Ok(())
    }
}
