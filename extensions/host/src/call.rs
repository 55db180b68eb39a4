//! One call of a hook: the instance it runs in, what stops it, and how its end is told.

mod functions;
mod state;
mod text;

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime::{Engine as Wasmtime, Store, StoreContextMut, Trap, UpdateDeadline};

use crate::bindings::Extension as World;
use crate::bindings::tidings::extension::context::Call;
use crate::bindings::tidings::extension::types;
use crate::extension::Extension;
use crate::hook::Hook;
use crate::host::Host;
use crate::input::About;
use crate::limits::{HANDLES, KEPT_HANDLES, Limits, TAKEN_BYTES};
use crate::usage::Usage;
use crate::warm::Open;

pub(crate) use state::{State, Stop, Subject};
pub(crate) use text::reason;

/// How a call ended, and what it took.
#[derive(Debug)]
pub struct Called<T> {
    /// What the hook decided, or why there is nothing.
    pub result: Result<T, CallError>,
    /// What the call took and said, whichever way it ended.
    pub usage: Usage,
}

/// Why a call has no result. Whatever it had staged is gone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The extension broke: a panic, too deep a recursion, more calls or bytes than the host bears.
    #[error("trapped: {0}")]
    Trap(String),
    /// It used up its fuel.
    #[error("used up its fuel")]
    Fuel,
    /// Its time was over.
    #[error("used up its time")]
    Deadline,
    /// It asked for more memory than it may have, and did not go on without.
    #[error("used up its memory")]
    Memory,
    /// It said itself that it could not do its work.
    #[error(transparent)]
    Refused(#[from] HookError),
    /// The server could not answer what it asked: not the extension's fault.
    #[error("the host failed: {0}")]
    Host(String),
    /// As many calls are under way as there may be: not the extension's fault.
    #[error("too many calls are under way")]
    Busy,
    /// It was not called: it failed too often lately.
    #[error("it keeps failing, and is left alone for a while")]
    LeftAlone,
}

impl CallError {
    /// Whether this is to be held against the extension.
    #[must_use]
    pub fn is_its_fault(&self) -> bool {
        !matches!(self, Self::Host(_) | Self::Busy | Self::LeftAlone)
    }

    /// One word for metrics.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Trap(_) => "trap",
            Self::Fuel => "fuel",
            Self::Deadline => "deadline",
            Self::Memory => "memory",
            Self::Refused(_) => "refused",
            Self::Host(_) => "host",
            Self::Busy => "busy",
            Self::LeftAlone => "breaker",
        }
    }
}

/// How a hook says that it could not do its work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HookError {
    /// Call again later.
    #[error("asked to be called again")]
    Retry {
        /// Not before this many milliseconds.
        after_ms: Option<u32>,
    },
    /// Never call again about this.
    #[error("gave up: {why}")]
    Park {
        /// At most 512 bytes.
        why: String,
    },
}

impl From<types::HookError> for HookError {
    fn from(error: types::HookError) -> Self {
        match error {
            types::HookError::Retry(after_ms) => Self::Retry { after_ms },
            types::HookError::Park(why) => Self::Park {
                why: text::reason(why),
            },
        }
    }
}

/// All functions that an extension may import. Which of them do something in which hook is decided at each call.
pub(crate) fn linker(engine: &Wasmtime) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    World::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)?;
    // The generated functions see the state alone, and fuel is with the store.
    linker.allow_shadowing(true);
    linker.instance(&Hook::interface("context"))?.func_wrap(
        "[method]call.fuel-left",
        |mut store: StoreContextMut<'_, State>, _: (Resource<Call>,)| {
            store.data_mut().enter()?;
            Ok((store.get_fuel()?,))
        },
    )?;
    Ok(linker)
}

/// What the hook itself answers: the outer errors are wasmtime's.
pub(crate) type Answered<T> = wasmtime::Result<Result<T, types::HookError>>;

impl Extension {
    /// Runs one call: in an instance of its own, which is gone when this returns, or in one that is kept warm.
    pub(crate) async fn run<T, R>(
        &self,
        hook: Hook,
        about: About,
        subject: Subject,
        host: Arc<dyn Host>,
        call: impl AsyncFnOnce(&mut Open) -> Answered<R>,
        finish: impl FnOnce(R, &mut State) -> T,
    ) -> Called<T> {
        let started = Instant::now();
        let engine = &self.artifact.engine;
        let running = engine.ticker.run();
        let limits = self.limits;
        // A limit beyond what the clock can hold is no limit.
        let own = started.checked_add(limits.time);
        let deadline = own.into_iter().chain(about.until).min();
        let mut state = State::new(
            hook,
            about,
            subject,
            host,
            self.config.clone(),
            deadline,
            limits.memory,
        );
        state.break_at = self.break_at;
        let (answer, mut ended_in) = match self.open(state, deadline).await {
            Ok(mut open) => (call(&mut open).await, Ended::Open(open)),
            Err((error, store)) => (Err(error), Ended::Store(store)),
        };
        drop(running);
        let store = ended_in.store();
        let fuel = limits.fuel.saturating_sub(store.get_fuel().unwrap_or(0));
        let state = store.data_mut();
        let result = match answer {
            Ok(Ok(answer)) => Ok(finish(answer, state)),
            Ok(Err(refused)) => Err(HookError::from(refused).into()),
            Err(error) => Err(ended(&error, state.memory.refused)),
        };
        let usage = state.usage(fuel, started);
        match (&self.warm, ended_in) {
            // Whatever went otherwise than well may have left a mess.
            (Some(warm), Ended::Open(open)) if result.is_ok() => warm.keep(open),
            (_, ended_in) => drop(ended_in),
        }
        let usage = Usage {
            // With the time that putting the instance away takes: the thread was busy for that long.
            duration: started.elapsed(),
            ..usage
        };
        Called { result, usage }
    }

    /// An instance to call: one that rests, or a new one.
    async fn open(
        &self,
        state: State,
        deadline: Option<Instant>,
    ) -> Result<Open, (wasmtime::Error, Store<State>)> {
        let engine = &self.artifact.engine;
        if let Some(open) = self.warm.as_ref().and_then(|warm| warm.take()) {
            let mut open = open.again(state);
            return match arm(&mut open.store, self.limits, deadline) {
                Ok(()) => Ok(open),
                Err(error) => Err((error, open.store)),
            };
        }
        let mut state = state;
        loop {
            let mut store = Store::new(&engine.wasmtime, state);
            store.limiter(|state| &mut state.memory);
            store.set_hostcall_fuel(TAKEN_BYTES);
            let handles = match self.warm {
                Some(_) => HANDLES + KEPT_HANDLES,
                None => HANDLES,
            };
            store.set_max_component_handles(handles);
            let instance = match arm(&mut store, self.limits, deadline) {
                Ok(()) => self.artifact.ready.instantiate_async(&mut store).await,
                Err(error) => Err(error),
            };
            match instance {
                Ok(instance) => return Ok(Open::new(store, instance)),
                // What rests has to make room for what works.
                Err(error)
                    if error.is::<wasmtime::PoolConcurrencyLimitError>()
                        && engine.resting.give_up_one() =>
                {
                    state = store.into_data().begun_anew();
                }
                Err(error) => return Err((error, store)),
            }
        }
    }
}

/// What a call ended in.
enum Ended {
    Open(Open),
    /// There was no instance.
    Store(Store<State>),
}

impl Ended {
    fn store(&mut self) -> &mut Store<State> {
        match self {
            Self::Open(open) => &mut open.store,
            Self::Store(store) => store,
        }
    }
}

/// Gives a store what one call may use.
fn arm(
    store: &mut Store<State>,
    limits: Limits,
    deadline: Option<Instant>,
) -> wasmtime::Result<()> {
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |_| {
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            Err(Stop::Deadline.into())
        } else {
            Ok(UpdateDeadline::Yield(1))
        }
    });
    store.set_fuel(limits.fuel)
}

/// Tells what wasmtime says in our words.
fn ended(error: &wasmtime::Error, memory_refused: bool) -> CallError {
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return match stop {
            Stop::Deadline => CallError::Deadline,
            Stop::Host(why) => CallError::Host(why.clone()),
            Stop::Broken(_)
            | Stop::HostCalls
            | Stop::Given
            | Stop::Index(_)
            | Stop::Handle(_)
            | Stop::Infinite => CallError::Trap(stop.to_string()),
        };
    }
    if error.is::<wasmtime::PoolConcurrencyLimitError>() {
        return CallError::Busy;
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => return CallError::Fuel,
        Some(Trap::Interrupt) => return CallError::Deadline,
        _ => {}
    }
    // Whoever is refused memory ends in whatever their language does then, mostly a panic.
    if memory_refused {
        return CallError::Memory;
    }
    CallError::Trap(match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => "recursion too deep for the stack".to_owned(),
        Some(Trap::UnreachableCodeReached) => "panicked or aborted".to_owned(),
        Some(trap) => trap.to_string(),
        None => error.root_cause().to_string(),
    })
}

/// How long a call may still take, in milliseconds.
pub(crate) fn left_ms(deadline: Option<Instant>) -> u32 {
    deadline.map_or(u32::MAX, |deadline| {
        let left = deadline.saturating_duration_since(Instant::now());
        u32::try_from(left.as_millis()).unwrap_or(u32::MAX)
    })
}

/// The least that a request is given, so that one sent with nothing left fails in the words for it.
pub(crate) const LEAST_TIMEOUT: Duration = Duration::from_millis(1);
