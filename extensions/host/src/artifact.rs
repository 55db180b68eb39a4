//! A component that is compiled and linked, ready to be instantiated.

mod cache;
mod load;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentNamedList, InstancePre, Lift, Resource};

use crate::bindings::exports::tidings::extension as hooks;
use crate::bindings::tidings::extension::context::Call;
use crate::bindings::tidings::extension::{
    absences, drafts, events, firings, invocations, pages, transitions, types,
};
use crate::call::State;
use crate::engine::{Engine, Inner};
use crate::hook::Hook;
use crate::inspect::{CheckError, Inspection, check};

pub use cache::Cache;

/// Compilations that may be under way at a time, those that were given up included.
const COMPILATIONS: usize = 2;
/// Bytes of stack for a compilation: deeply nested code is compiled by recursion.
const COMPILE_STACK: usize = 32 << 20;

/// A component that is compiled and linked. Cheap to clone.
#[derive(Clone)]
pub struct Artifact {
    pub(crate) engine: Arc<Inner>,
    pub(crate) ready: InstancePre<State>,
    pub(crate) hooks: Arc<Hooks>,
    inspection: Arc<Inspection>,
}

/// Where in the component each hook is that it has.
#[derive(Default)]
pub(crate) struct Hooks {
    pub(crate) moderation: Option<hooks::moderation::GuestIndices>,
    pub(crate) reactor: Option<hooks::reactor::GuestIndices>,
    pub(crate) presence_watcher: Option<hooks::presence_watcher::GuestIndices>,
    pub(crate) recall: Option<hooks::recall::GuestIndices>,
    pub(crate) timer: Option<hooks::timer::GuestIndices>,
    pub(crate) command: Option<hooks::command::GuestIndices>,
    pub(crate) ranker: Option<hooks::ranker::GuestIndices>,
}

/// Why a component could not be made ready.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// It cannot be used.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// It is valid as far as it was read, but cannot be compiled.
    #[error("the component cannot be compiled: {0}")]
    Compile(String),
    /// What it imports or exports has other types than ours: it was built against another package of the same name.
    #[error("the component does not fit tidings:extension: {0}")]
    Link(String),
    /// It takes longer than a compilation may.
    #[error("compiling takes longer than {0:?}")]
    TooSlow(Duration),
    /// Others are being compiled.
    #[error("other components are being compiled")]
    Busy,
}

impl Engine {
    /// Makes a component ready: from the cache, where it is there and undamaged, otherwise by compiling it, which takes from a
    /// tenth of a second (Rust) to some fifteen (Python). This blocks: call it on a thread for that.
    ///
    /// # Errors
    ///
    /// When it cannot be used, or compiling it takes too long. A cache that cannot be read or written is logged and done
    /// without.
    pub fn compile(&self, bytes: &[u8]) -> Result<Artifact, CompileError> {
        let inspection = check(bytes)?;
        let cached = self.inner.cache.as_ref().and_then(|cache| {
            let stored = cache.read(&self.inner.wasmtime, inspection.digest)?;
            load::component(&self.inner.wasmtime, &stored)
        });
        let component = match cached {
            Some(component) => component,
            None => self.compile_anew(bytes, &inspection)?,
        };
        self.link(&component, inspection)
    }

    fn compile_anew(
        &self,
        bytes: &[u8],
        inspection: &Inspection,
    ) -> Result<Component, CompileError> {
        let component = self.compile_in_time(bytes.to_vec())?;
        if let Some(cache) = &self.inner.cache {
            match component.serialize() {
                Ok(compiled) => cache.write(&self.inner.wasmtime, inspection.digest, &compiled),
                Err(error) => tracing::warn!("a compiled extension cannot be stored: {error:#}"),
            }
        }
        Ok(component)
    }

    /// On a thread of its own, so that it can be given up. It then ends by itself: what a component may declare is limited.
    fn compile_in_time(&self, bytes: Vec<u8>) -> Result<Component, CompileError> {
        let compiling = Compiling::begin(&self.inner.compiling)?;
        let (engine, time) = (self.inner.wasmtime.clone(), self.inner.compile_time);
        let (send, receive) = mpsc::sync_channel(1);
        thread::Builder::new()
            .name("extension-compile".to_owned())
            .stack_size(COMPILE_STACK)
            .spawn(move || {
                let component = Component::from_binary(&engine, &bytes);
                drop(compiling);
                // Nobody waits any more where it was given up.
                drop(send.send(component));
            })
            .map_err(|error| CompileError::Compile(error.to_string()))?;
        match receive.recv_timeout(time) {
            Ok(Ok(component)) => Ok(component),
            Ok(Err(error)) => Err(CompileError::Compile(format!("{error:#}"))),
            Err(RecvTimeoutError::Timeout) => Err(CompileError::TooSlow(time)),
            Err(RecvTimeoutError::Disconnected) => {
                Err(CompileError::Compile("the compiler panicked".to_owned()))
            }
        }
    }

    fn link(
        &self,
        component: &Component,
        inspection: Inspection,
    ) -> Result<Artifact, CompileError> {
        let link = |error: wasmtime::Error| CompileError::Link(format!("{error:#}"));
        let ready = self.inner.linker.instantiate_pre(component).map_err(link)?;
        let hooks = Hooks::find(&ready, &inspection.hooks).map_err(link)?;
        Ok(Artifact {
            engine: self.inner.clone(),
            ready,
            hooks: Arc::new(hooks),
            inspection: Arc::new(inspection),
        })
    }
}

impl Artifact {
    /// What the component is.
    #[must_use]
    pub fn inspection(&self) -> &Inspection {
        &self.inspection
    }
}

impl fmt::Debug for Artifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Artifact").field(&self.inspection).finish()
    }
}

impl Hooks {
    fn find(ready: &InstancePre<State>, exported: &[Hook]) -> wasmtime::Result<Self> {
        let mut found = Self::default();
        for hook in exported {
            fits(ready, *hook)?;
            match hook {
                Hook::Moderation => {
                    found.moderation = Some(hooks::moderation::GuestIndices::new(ready)?);
                }
                Hook::Reactor => found.reactor = Some(hooks::reactor::GuestIndices::new(ready)?),
                Hook::PresenceWatcher => {
                    found.presence_watcher =
                        Some(hooks::presence_watcher::GuestIndices::new(ready)?);
                }
                Hook::Recall => found.recall = Some(hooks::recall::GuestIndices::new(ready)?),
                Hook::Timer => found.timer = Some(hooks::timer::GuestIndices::new(ready)?),
                Hook::Command => found.command = Some(hooks::command::GuestIndices::new(ready)?),
                Hook::Ranker => found.ranker = Some(hooks::ranker::GuestIndices::new(ready)?),
            }
        }
        Ok(found)
    }
}

/// Whether the hook's function has our types. Each call looks at them too, but who installs an extension wants to know then.
fn fits(ready: &InstancePre<State>, hook: Hook) -> wasmtime::Result<()> {
    match hook {
        Hook::Moderation => fits_as::<drafts::Draft, Plain>(ready, hook, "review"),
        Hook::Reactor => fits_as::<events::Event, Plain>(ready, hook, "on-event"),
        Hook::PresenceWatcher => {
            fits_as::<transitions::Transition, Plain>(ready, hook, "on-transition")
        }
        Hook::Recall => fits_as::<absences::Absence, Plain>(ready, hook, "on-recall"),
        Hook::Timer => fits_as::<firings::Firing, Plain>(ready, hook, "on-timer"),
        Hook::Command => fits_as::<invocations::Invocation, Replied>(ready, hook, "invoke"),
        Hook::Ranker => fits_as::<pages::Page, Plain>(ready, hook, "rank"),
    }
}

/// What most hooks answer.
type Plain = (Result<(), types::HookError>,);
/// What a command answers.
type Replied = (Result<String, hooks::command::CommandError>,);

fn fits_as<Input: 'static, Output>(
    ready: &InstancePre<State>,
    hook: Hook,
    function: &str,
) -> wasmtime::Result<()>
where
    Output: ComponentNamedList + Lift,
{
    let component = ready.component();
    let interface = Hook::interface(hook.name());
    let found = component
        .get_export(None, &interface)
        .and_then(|(_, index)| component.get_export(Some(&index), function));
    match found {
        Some((ComponentItem::ComponentFunc(found), _)) => found
            .typecheck::<(Resource<Call>, Resource<Input>), Output>(&ready.instance_type())
            .map_err(|error| error.context(format!("`{function}` of the hook {hook}"))),
        _ => Err(wasmtime::format_err!(
            "the hook {hook} has no function `{function}`"
        )),
    }
}

/// A place among those that compile. Given back when the compilation ends, not when somebody stops waiting for it.
struct Compiling(Arc<AtomicUsize>);

impl Compiling {
    fn begin(count: &Arc<AtomicUsize>) -> Result<Self, CompileError> {
        let place = Self(count.clone());
        if count.fetch_add(1, SeqCst) >= COMPILATIONS {
            return Err(CompileError::Busy);
        }
        Ok(place)
    }
}

impl Drop for Compiling {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}
