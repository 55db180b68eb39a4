//! What the hooks other than moderation and ranking are given: events, transitions, absences, firings, invocations.

use std::sync::Arc;

use wasmtime::component::Resource;

use crate::bindings::tidings::extension::absences::{self, Absence, Missed};
use crate::bindings::tidings::extension::events::{self, Event};
use crate::bindings::tidings::extension::firings::{self, Firing};
use crate::bindings::tidings::extension::invocations::{self, Invocation};
use crate::bindings::tidings::extension::model::Message;
use crate::bindings::tidings::extension::transitions::{self, Transition};
use crate::bindings::tidings::extension::types;
use crate::call::text::{reason, sized};
use crate::call::{State, Stop, Subject};
use crate::input;
use crate::staged::Recall;

/// A minute to seven days, in milliseconds.
const WAIT_MS: (u32, u32) = (60_000, 7 * 86_400_000);
/// Conversations of an absence that are told.
const MISSED: usize = 20;

/// A copy of one field for the extension: the function of the state that counts it needs the state to itself.
macro_rules! give {
    ($state:ident, $text:expr) => {{
        let text = $text.clone();
        $state.give(text.len())?;
        Ok(text)
    }};
    ($state:ident, option $text:expr) => {{
        let text = $text.clone();
        $state.give(text.as_ref().map_or(0, String::len))?;
        Ok(text)
    }};
}

impl State {
    fn event(&mut self) -> wasmtime::Result<&input::Event> {
        self.enter()?;
        match &self.subject {
            Subject::Event(event) => Ok(event),
            _ => Err(Stop::Handle("event").into()),
        }
    }

    fn transition(&mut self) -> wasmtime::Result<&input::Transition> {
        self.enter()?;
        match &self.subject {
            Subject::Transition(transition) => Ok(transition),
            _ => Err(Stop::Handle("transition").into()),
        }
    }

    fn absence(&mut self) -> wasmtime::Result<&input::Absence> {
        self.enter()?;
        match &self.subject {
            Subject::Absence(absence) => Ok(absence),
            _ => Err(Stop::Handle("absence").into()),
        }
    }

    fn missed(&mut self, handle: &Resource<Missed>) -> wasmtime::Result<&input::Missed> {
        self.enter()?;
        let index = *self.missed.get(handle, "missed conversation")?;
        match &self.subject {
            Subject::Absence(absence) => Ok(&absence.conversations[index]),
            _ => Err(Stop::Handle("missed conversation").into()),
        }
    }

    fn firing(&mut self) -> wasmtime::Result<&input::Firing> {
        self.enter()?;
        match &self.subject {
            Subject::Firing(firing) => Ok(firing),
            _ => Err(Stop::Handle("firing").into()),
        }
    }

    fn invocation(&mut self) -> wasmtime::Result<&input::Invocation> {
        self.enter()?;
        match &self.subject {
            Subject::Invocation(invocation) => Ok(invocation),
            _ => Err(Stop::Handle("invocation").into()),
        }
    }
}

impl events::Host for State {}

impl events::HostEvent for State {
    fn id(&mut self, _: Resource<Event>) -> wasmtime::Result<String> {
        give!(self, self.event()?.id)
    }

    fn position(&mut self, _: Resource<Event>) -> wasmtime::Result<u64> {
        Ok(self.event()?.position)
    }

    fn kind(&mut self, _: Resource<Event>) -> wasmtime::Result<String> {
        give!(self, self.event()?.kind)
    }

    fn schema(&mut self, _: Resource<Event>) -> wasmtime::Result<u32> {
        Ok(self.event()?.schema)
    }

    fn at(&mut self, _: Resource<Event>) -> wasmtime::Result<u64> {
        Ok(self.event()?.at)
    }

    fn actor(&mut self, _: Resource<Event>) -> wasmtime::Result<Option<String>> {
        give!(self, option self.event()?.actor)
    }

    fn subject(&mut self, _: Resource<Event>) -> wasmtime::Result<Option<String>> {
        give!(self, option self.event()?.subject)
    }

    fn conversation(&mut self, _: Resource<Event>) -> wasmtime::Result<Option<String>> {
        give!(self, option self.event()?.conversation)
    }

    fn payload(&mut self, _: Resource<Event>) -> wasmtime::Result<String> {
        give!(self, self.event()?.payload)
    }

    fn message(&mut self, _: Resource<Event>) -> wasmtime::Result<Option<Resource<Message>>> {
        let message = self.event()?.message.clone();
        message
            .map(|message| self.message(Arc::new(message)))
            .transpose()
    }

    fn drop(&mut self, _: Resource<Event>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl transitions::Host for State {}

impl transitions::HostTransition for State {
    fn user(&mut self, _: Resource<Transition>) -> wasmtime::Result<String> {
        give!(self, self.transition()?.user)
    }

    fn before(&mut self, _: Resource<Transition>) -> wasmtime::Result<types::PresenceState> {
        Ok(self.transition()?.before.into())
    }

    fn now(&mut self, _: Resource<Transition>) -> wasmtime::Result<types::PresenceState> {
        Ok(self.transition()?.now.into())
    }

    fn since(&mut self, _: Resource<Transition>) -> wasmtime::Result<u64> {
        Ok(self.transition()?.since)
    }

    fn drop(&mut self, _: Resource<Transition>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl absences::Host for State {}

impl absences::HostMissed for State {
    fn conversation(&mut self, missed: Resource<Missed>) -> wasmtime::Result<String> {
        give!(self, self.missed(&missed)?.conversation)
    }

    fn unread(&mut self, missed: Resource<Missed>) -> wasmtime::Result<u32> {
        Ok(self.missed(&missed)?.unread)
    }

    fn mentions(&mut self, missed: Resource<Missed>) -> wasmtime::Result<u32> {
        Ok(self.missed(&missed)?.mentions)
    }

    fn last_message(
        &mut self,
        missed: Resource<Missed>,
    ) -> wasmtime::Result<Option<Resource<Message>>> {
        let message = self.missed(&missed)?.last_message.clone();
        message
            .map(|message| self.message(Arc::new(message)))
            .transpose()
    }

    fn drop(&mut self, missed: Resource<Missed>) -> wasmtime::Result<()> {
        self.missed.remove(&missed);
        Ok(())
    }
}

impl absences::HostAbsence for State {
    fn user(&mut self, _: Resource<Absence>) -> wasmtime::Result<String> {
        give!(self, self.absence()?.user)
    }

    fn since(&mut self, _: Resource<Absence>) -> wasmtime::Result<u64> {
        Ok(self.absence()?.since)
    }

    fn unread(&mut self, _: Resource<Absence>) -> wasmtime::Result<u32> {
        Ok(self.absence()?.unread)
    }

    fn conversations(&mut self, _: Resource<Absence>) -> wasmtime::Result<Vec<Resource<Missed>>> {
        let count = self.absence()?.conversations.len().min(MISSED);
        Ok((0..count).map(|index| self.missed.add(index)).collect())
    }

    fn send(
        &mut self,
        _: Resource<Absence>,
        title: String,
        body: String,
    ) -> wasmtime::Result<Result<(), types::Refusal>> {
        self.asked(|state| {
            sized("the title", &title, 1, 256)?;
            sized("the body", &body, 0, 1_024)?;
            state.said.recall = Some(Recall::Send { title, body });
            Ok(())
        })
    }

    fn wait(&mut self, _: Resource<Absence>, ms: u32) -> wasmtime::Result<()> {
        self.enter()?;
        self.said.recall = Some(Recall::Wait(ms.clamp(WAIT_MS.0, WAIT_MS.1)));
        Ok(())
    }

    fn skip(&mut self, _: Resource<Absence>, why: String) -> wasmtime::Result<()> {
        self.enter()?;
        self.said.recall = Some(Recall::Skip(reason(why)));
        Ok(())
    }

    fn drop(&mut self, _: Resource<Absence>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl firings::Host for State {}

impl firings::HostFiring for State {
    fn key(&mut self, _: Resource<Firing>) -> wasmtime::Result<String> {
        give!(self, self.firing()?.key)
    }

    fn due(&mut self, _: Resource<Firing>) -> wasmtime::Result<u64> {
        Ok(self.firing()?.due)
    }

    fn payload(&mut self, _: Resource<Firing>) -> wasmtime::Result<Vec<u8>> {
        give!(self, self.firing()?.payload)
    }

    fn subject(&mut self, _: Resource<Firing>) -> wasmtime::Result<Option<String>> {
        give!(self, option self.firing()?.subject)
    }

    fn drop(&mut self, _: Resource<Firing>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl invocations::Host for State {}

impl invocations::HostInvocation for State {
    fn name(&mut self, _: Resource<Invocation>) -> wasmtime::Result<String> {
        give!(self, self.invocation()?.name)
    }

    fn caller(&mut self, _: Resource<Invocation>) -> wasmtime::Result<String> {
        give!(self, self.invocation()?.caller)
    }

    fn conversation(&mut self, _: Resource<Invocation>) -> wasmtime::Result<Option<String>> {
        give!(self, option self.invocation()?.conversation)
    }

    fn args(&mut self, _: Resource<Invocation>) -> wasmtime::Result<String> {
        give!(self, self.invocation()?.args)
    }

    fn drop(&mut self, _: Resource<Invocation>) -> wasmtime::Result<()> {
        Ok(())
    }
}
