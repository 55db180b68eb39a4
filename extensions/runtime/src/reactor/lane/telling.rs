//! Calls of the hooks that act, and what they stage.

use std::sync::Arc;

use tidings_extension_host::{CallError, Extension, Hook, HookError, input, staged::Staged};

use super::{Due, Lane, LaneError};
use crate::{
    acting::One,
    calling::{self, Seen},
    events,
    moderation::about,
    reactor::{Batched, Source},
    server::Shared,
    views::{Involved, Views},
};

/// What a hook that acts is told.
#[derive(Clone)]
pub(super) enum Told {
    Event(Box<input::Event>),
    Timer(input::Firing),
    Transition(input::Transition),
}

impl Lane {
    /// Calls the hook about an event, and takes what it stages.
    pub(super) async fn call(
        &mut self,
        batched: &mut Batched,
        due: &Due,
    ) -> Result<Result<(), CallError>, LaneError> {
        let Some((batch, event)) = due.find() else {
            return Ok(Ok(()));
        };
        let content = self.one.manifest.grants.content;
        let node = &self.shared.node;
        let told = events::told(node, &due.commit, batch, due.index, event, content).await?;
        let Some(told) = told else {
            return Ok(Ok(()));
        };
        let source = Source {
            hook: Hook::Reactor,
            id: format!("{}.{}", due.commit.position, due.index).into_bytes(),
            at_ms: told.at,
            by: calling::user(&batch.actor),
            depth: events::depth(batch),
            trace: batch.correlation,
            history: None,
        };
        let involved = events::involved(batch, event);
        let attempt = due.attempts + 1;
        self.invoke(
            batched,
            &source,
            involved,
            attempt,
            Told::Event(Box::new(told)),
        )
        .await
    }

    pub(super) async fn invoke(
        &mut self,
        batched: &mut Batched,
        source: &Source,
        involved: Involved,
        attempt: u32,
        told: Told,
    ) -> Result<Result<(), CallError>, LaneError> {
        let staged = called(
            &self.shared,
            &self.one,
            batched,
            source,
            involved.clone(),
            attempt,
            &told,
        );
        let mut staged = staged.await;
        if let (Ok(first), Told::Event(_), false) = (&staged, &told, batched.is_empty())
            && !batched.has_room(first)
        {
            // It may fit alone.
            let full = std::mem::replace(batched, self.batched()?);
            self.record(full).await?;
            *batched = self.batched()?;
            let again = called(
                &self.shared,
                &self.one,
                batched,
                source,
                involved,
                attempt,
                &told,
            );
            staged = again.await;
        }
        let error = match staged {
            Ok(staged) => match batched.take(source, staged).await? {
                None => return Ok(Ok(())),
                Some(why) => CallError::Refused(HookError::Park { why }),
            },
            Err(error @ (CallError::Host(_) | CallError::Busy | CallError::LeftAlone)) => {
                return Err(LaneError::Host(error));
            }
            Err(error) => error,
        };
        Ok(Err(error))
    }
}

/// Calls a hook that acts and counts it.
async fn called(
    shared: &Arc<Shared>,
    one: &Arc<One>,
    batched: &Batched,
    source: &Source,
    involved: Involved,
    attempt: u32,
    told: &Told,
) -> Result<Staged, CallError> {
    let about = about(
        one,
        source.hook,
        &source.id,
        source.at_ms,
        attempt,
        source.trace,
    );
    let seen = Seen {
        involved,
        by: source.by.clone(),
        overlay: Some(batched.overlay.clone()),
        now_ms: source.at_ms,
        depth: source.depth,
        trace: source.trace,
    };
    let make = |ready: Extension, host: Arc<Views>| {
        let (about, told) = (about.clone(), told.clone());
        async move {
            match told {
                Told::Event(event) => ready.on_event(about, *event, host).await,
                Told::Timer(firing) => ready.on_timer(about, firing, host).await,
                Told::Transition(transition) => ready.on_transition(about, transition, host).await,
            }
        }
    };
    calling::call(shared, one, source.hook, seen, make, |_| "ok").await
}
