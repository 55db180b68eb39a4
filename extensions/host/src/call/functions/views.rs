//! `views`: what the server knows.

use std::sync::Arc;

use wasmtime::component::Resource;

use crate::bindings::tidings::extension::model::{Conversation, Message};
use crate::bindings::tidings::extension::types;
use crate::bindings::tidings::extension::views::Host;
use crate::call::State;
use crate::call::state::told;
use crate::call::text::{id, sized};
use crate::host::{Ask, Presence, Refusal};
use crate::limits::VIEW_CALLS;

/// What a function of views answers: the outer error ends the call.
type Seen<T> = wasmtime::Result<Result<T, types::Refusal>>;

impl State {
    /// One of the calls that are counted beside all calls.
    fn view<T>(&mut self, see: impl FnOnce(&mut Self) -> Result<T, Ask>) -> Seen<T> {
        self.asked(|state| {
            state.used.views += 1;
            if state.used.views > VIEW_CALLS {
                return Err(Refusal::exhausted(format!("{VIEW_CALLS} calls of views")).into());
            }
            see(state)
        })
    }
}

fn limited(limit: u32, most: u32) -> Result<(), Refusal> {
    if (1..=most).contains(&limit) {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "the limit {limit} is not 1 to {most}"
    )))
}

impl From<Presence> for types::PresenceState {
    fn from(presence: Presence) -> Self {
        match presence {
            Presence::Available => Self::Available,
            Presence::Away => Self::Away,
            Presence::Offline => Self::Offline,
        }
    }
}

impl Host for State {
    fn as_of(&mut self) -> wasmtime::Result<u64> {
        self.enter()?;
        // It is no view that could be refused.
        Ok(told(self.host.as_of())?.unwrap_or(0))
    }

    fn get_conversation(&mut self, conversation: String) -> Seen<Option<Resource<Conversation>>> {
        let found = self.view(|state| {
            id("the conversation", &conversation)?;
            state.host.conversation(&conversation)
        })?;
        match found {
            Ok(Some(found)) => Ok(Ok(Some(self.conversation(found)?))),
            Ok(None) => Ok(Ok(None)),
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    fn members(
        &mut self,
        conversation: String,
        after: Option<String>,
        limit: u32,
    ) -> Seen<Vec<String>> {
        let members = self.view(|state| {
            id("the conversation", &conversation)?;
            limited(limit, 1_000)?;
            state.host.members(&conversation, after.as_deref(), limit)
        })?;
        if let Ok(members) = &members {
            self.give(members.iter().map(|member| member.len() + 8).sum())?;
        }
        Ok(members)
    }

    fn is_member(&mut self, conversation: String, user: String) -> Seen<bool> {
        self.view(|state| {
            id("the conversation", &conversation)?;
            id("the user", &user)?;
            state.host.is_member(&conversation, &user)
        })
    }

    fn recent(
        &mut self,
        conversation: String,
        before: Option<u64>,
        limit: u32,
    ) -> Seen<Vec<Resource<Message>>> {
        let messages = self.view(|state| {
            id("the conversation", &conversation)?;
            limited(limit, 50)?;
            state.host.recent(&conversation, before, limit)
        })?;
        match messages {
            Ok(messages) => {
                let handles = messages
                    .into_iter()
                    .map(|message| self.message(Arc::new(message)));
                Ok(Ok(handles.collect::<wasmtime::Result<_>>()?))
            }
            Err(refusal) => Ok(Err(refusal)),
        }
    }

    fn unread(&mut self, conversation: String, user: String) -> Seen<u32> {
        self.view(|state| {
            id("the conversation", &conversation)?;
            id("the user", &user)?;
            state.host.unread(&conversation, &user)
        })
    }

    fn presence(&mut self, user: String) -> Seen<types::PresenceState> {
        self.view(|state| {
            id("the user", &user)?;
            Ok(state.host.presence(&user)?.into())
        })
    }

    fn profile_attribute(&mut self, user: String, attribute: String) -> Seen<Option<String>> {
        let value = self.view(|state| {
            id("the user", &user)?;
            sized("the attribute", &attribute, 1, 256)?;
            state.host.profile_attribute(&user, &attribute)
        })?;
        if let Ok(Some(value)) = &value {
            self.give(value.len())?;
        }
        Ok(value)
    }

    fn is_blocked_between(&mut self, one: String, other: String) -> Seen<bool> {
        self.view(|state| {
            id("the user", &one)?;
            id("the user", &other)?;
            state.host.is_blocked_between(&one, &other)
        })
    }
}
