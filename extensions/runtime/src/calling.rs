//! One call of an extension: whether it may be made, what it sees, and what comes of it for its figures and its breaker.

use std::{future::Future, sync::Arc};

use parking_lot::Mutex;
use tidings_core::domain::UserId;
use tidings_extension_host::{CallError, Called, Extension, Hook};
use tokio::time::Instant;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::{
    acting::One,
    breaker::{GivesUp, Then},
    manage,
    server::Shared,
    views::{Involved, Overlay, Views},
};

/// What begins the ids of accounts that nobody logs in as.
pub(crate) const SYSTEM: &str = "system:";

/// What a call is about, as far as the host looks at it.
pub(crate) struct Seen {
    pub(crate) involved: Involved,
    /// The user whose doing it follows from, if it is one's.
    pub(crate) by: Option<UserId>,
    /// What calls before it changed of the extension's store, where that is not recorded yet.
    pub(crate) overlay: Option<Arc<Mutex<Overlay>>>,
    pub(crate) now_ms: u64,
    /// How many extensions' doings it follows from.
    pub(crate) depth: u8,
    /// The trace that it is part of.
    pub(crate) trace: Option<Uuid>,
}

/// Who caused something, where it is a user or what acts as one: not an account of the product's.
pub(crate) fn user(actor: &UserId) -> Option<UserId> {
    (!actor.starts_with(SYSTEM)).then(|| actor.clone())
}

/// The span of a call: below the trace of what caused it, if that has one.
pub(crate) fn span(one: &One, hook: Hook, trace: Option<Uuid>) -> tracing::Span {
    tracing::debug_span!(
        "extension",
        id = %one.id,
        version = one.version,
        hook = hook.name(),
        trace_id = trace.map(|trace| tracing::field::display(trace.simple()))
    )
}

/// Calls a hook and counts it: `make` makes the call, `outcome` names what came of one that went well. Keys that were not at hand are
/// fetched, and the call is made again.
pub(crate) async fn call<T, F>(
    shared: &Arc<Shared>,
    one: &Arc<One>,
    hook: Hook,
    seen: Seen,
    make: impl Fn(Extension, Arc<Views>) -> F,
    outcome: impl Fn(&T) -> &'static str,
) -> Result<T, CallError>
where
    F: Future<Output = Called<T>>,
{
    let Ok(ready) = &one.ready else {
        return Err(CallError::Busy);
    };
    let name = (&*one.id, &*one.version, hook);
    let breaker = one.breaker(hook);
    let by = seen.by;
    // What is told in order waits by itself where it fails, with what comes after it of the same conversation or user.
    let asks = match hook {
        Hook::Command | Hook::Ranker => by.as_ref(),
        _ => None,
    };
    if !breaker.lets(Instant::now(), asks) {
        shared.stats.left_alone(name);
        return Err(CallError::LeftAlone);
    }
    let views = Arc::new(Views {
        shared: shared.clone(),
        one: one.clone(),
        involved: seen.involved,
        overlay: seen.overlay,
        rates: None,
        now_ms: seen.now_ms,
        depth: seen.depth,
        missing: Mutex::default(),
        adds: Mutex::default(),
    });
    let span = span(one, hook, seen.trace);
    let call = make(ready.clone(), views.clone());
    let mut called = call.instrument(span.clone()).await;
    if matches!(called.result, Err(CallError::Host(_))) && views.fetch().await {
        called = make(ready.clone(), views.clone()).instrument(span).await;
    }
    let ended = match &called.result {
        Ok(said) => outcome(said),
        Err(error) => error.kind(),
    };
    let gives_up = match hook {
        Hook::Command | Hook::Ranker => GivesUp::Never,
        Hook::Moderation => GivesUp::ForSeveral,
        Hook::Reactor | Hook::Timer | Hook::PresenceWatcher | Hook::Recall => GivesUp::InOrder,
    };
    let error = called.result.as_ref().err();
    let now_ms = shared.node.clock.now_ms();
    shared
        .stats
        .called(name, ended, error, &called.usage, now_ms);
    match &called.result {
        Ok(_) => breaker.well(by.as_ref()),
        // It said so itself: no fault of the code.
        Err(CallError::Refused(_)) => {}
        Err(error)
            if error.is_its_fault()
                && breaker.failed(Instant::now(), by.as_ref(), gives_up) == Then::GiveUp =>
        {
            manage::quarantine(shared, one, hook, &error.to_string());
        }
        Err(_) => {}
    }
    called.result
}
