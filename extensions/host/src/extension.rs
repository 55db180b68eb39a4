//! An extension as it is called: its component, its settings, its limits.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use wasmtime::component::Resource;

use crate::artifact::{Artifact, CompileError};
use crate::bindings::exports::tidings::extension::command::CommandError as Unanswered;
use crate::call::{CallError, Called, HookError, State, Subject, reason};
use crate::engine::Engine;
use crate::hook::Hook;
use crate::host::Host;
use crate::input::{About, Absence, Draft, Event, Firing, Invocation, Page, Transition};
use crate::limits::Limits;
use crate::staged::{CommandError, Recall, Staged, Verdict};
use crate::usage::Usage;
use crate::warm::{Open, Warm};

/// What an operator says about an extension.
#[derive(Debug, Clone)]
pub struct Definition {
    /// Its name.
    pub id: String,
    /// Which version of it: for whoever reads logs.
    pub version: String,
    /// Its settings: a JSON object, checked against the manifest's schema and with its defaults filled in.
    pub config: String,
    /// What one call of it may use.
    pub limits: Limits,
}

/// An extension as it is called. Each call runs in an instance of its own, unless it is kept [warm](Extension::kept_warm). Cheap to
/// clone.
#[derive(Clone)]
pub struct Extension {
    id: Arc<str>,
    version: Arc<str>,
    pub(crate) artifact: Artifact,
    pub(crate) limits: Limits,
    pub(crate) config: Arc<BTreeMap<String, String>>,
    /// Instances that rest, if any are to.
    pub(crate) warm: Option<Arc<Warm>>,
    /// Before which call to the host a call ends, if it is to.
    pub(crate) break_at: Option<u32>,
}

/// Why there is no extension.
#[derive(Debug, thiserror::Error)]
pub enum ExtensionError {
    /// The component cannot be made ready.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The settings are no JSON object.
    #[error("the settings are no JSON object: {0}")]
    Config(#[from] serde_json::Error),
}

/// What a command answers, and what it wants recorded: nothing, where it fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// JSON, at most 64 KiB.
    pub answer: Result<String, CommandError>,
    /// What it staged.
    pub staged: Staged,
}

/// Bytes of what a command answers.
const ANSWER_BYTES: usize = 64 << 10;

impl Extension {
    /// Compiles the component and takes the settings.
    ///
    /// # Errors
    ///
    /// When the component cannot be used, or the settings are no JSON object.
    pub fn load(
        engine: &Engine,
        component: &[u8],
        definition: Definition,
    ) -> Result<Self, ExtensionError> {
        Self::new(engine.compile(component)?, definition)
    }

    /// Takes the settings for a component that is ready.
    ///
    /// # Errors
    ///
    /// When the settings are no JSON object.
    pub fn new(artifact: Artifact, definition: Definition) -> Result<Self, ExtensionError> {
        let settings: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&definition.config)?;
        let texts = settings
            .into_iter()
            .map(|(name, value)| (name, value.to_string()));
        Ok(Self {
            id: definition.id.into(),
            version: definition.version.into(),
            artifact,
            limits: definition.limits,
            config: Arc::new(texts.collect()),
            warm: None,
            break_at: None,
        })
    }

    /// The same, but instances answer call after call, until one ends otherwise than well or is worn out. What the guest leaves in its
    /// memory its next call finds: only for those who bear that.
    #[must_use]
    pub fn kept_warm(&self) -> Self {
        Self {
            warm: Some(self.artifact.engine.resting.of_one()),
            ..self.clone()
        }
    }

    /// The same, but each call ends as by a trap in place of its `n`th call to the host, from 1. To find out whether anything is
    /// left of a call that breaks, wherever it does.
    #[must_use]
    pub fn breaking_at(&self, n: u32) -> Self {
        Self {
            break_at: Some(n),
            ..self.clone()
        }
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Which version of it.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What it is made of.
    #[must_use]
    pub fn artifact(&self) -> &Artifact {
        &self.artifact
    }

    /// Whether it has the hook. Calling one that it does not have is an error of the caller's.
    #[must_use]
    pub fn has(&self, hook: Hook) -> bool {
        self.artifact.inspection().hooks.contains(&hook)
    }
}

/// A method for a hook that acts: what it answers is what it staged.
macro_rules! acting {
    ($(#[$doc:meta])* $method:ident, $hook:ident, $field:ident, $call:ident, $input:ident) => {
        $(#[$doc])*
        pub async fn $method(
            &self,
            about: About,
            input: $input,
            host: Arc<dyn Host>,
        ) -> Called<Staged> {
            let Some(indices) = &self.artifact.hooks.$field else {
                return missing(Hook::$hook);
            };
            let call = async |open: &mut Open| {
                let hook = indices.load(&mut open.store, &open.instance)?;
                let (call, input) = (Resource::new_borrow(0), Resource::new_borrow(0));
                hook.$call(&mut open.store, call, input).await
            };
            let finish = |(), state: &mut State| state.staged();
            self.run(Hook::$hook, about, Subject::$input(input.into()), host, call, finish)
                .await
        }
    };
}

impl Extension {
    /// The hook `moderation`: a verdict on the draft.
    pub async fn review(
        &self,
        about: About,
        draft: impl Into<Arc<Draft>>,
        host: Arc<dyn Host>,
    ) -> Called<Verdict> {
        let subject = Subject::Draft(draft.into());
        let Some(indices) = &self.artifact.hooks.moderation else {
            return missing(Hook::Moderation);
        };
        let call = async |open: &mut Open| {
            let hook = indices.load(&mut open.store, &open.instance)?;
            let (call, draft) = (Resource::new_borrow(0), Resource::new_borrow(0));
            hook.call_review(&mut open.store, call, draft).await
        };
        let finish = |(), state: &mut State| state.verdict();
        self.run(Hook::Moderation, about, subject, host, call, finish)
            .await
    }

    acting!(
        /// The hook `reactor`: acts on an event.
        on_event, Reactor, reactor, call_on_event, Event
    );
    acting!(
        /// The hook `presence-watcher`: acts on a transition.
        on_transition, PresenceWatcher, presence_watcher, call_on_transition, Transition
    );
    acting!(
        /// The hook `timer`: does what a timer was set for.
        on_timer, Timer, timer, call_on_timer, Firing
    );

    /// The hook `recall`: what is to be done about an absence; nothing where the extension leaves it to others.
    pub async fn on_recall(
        &self,
        about: About,
        absence: Absence,
        host: Arc<dyn Host>,
    ) -> Called<Option<Recall>> {
        let Some(indices) = &self.artifact.hooks.recall else {
            return missing(Hook::Recall);
        };
        let call = async |open: &mut Open| {
            let hook = indices.load(&mut open.store, &open.instance)?;
            let (call, absence) = (Resource::new_borrow(0), Resource::new_borrow(0));
            hook.call_on_recall(&mut open.store, call, absence).await
        };
        let finish = |(), state: &mut State| state.recall();
        self.run(
            Hook::Recall,
            about,
            Subject::Absence(absence),
            host,
            call,
            finish,
        )
        .await
    }

    /// The hook `command`: an answer for the caller.
    pub async fn invoke(
        &self,
        about: About,
        invocation: Invocation,
        host: Arc<dyn Host>,
    ) -> Called<Reply> {
        let Some(indices) = &self.artifact.hooks.command else {
            return missing(Hook::Command);
        };
        let call = async |open: &mut Open| {
            let hook = indices.load(&mut open.store, &open.instance)?;
            let (call, invocation) = (Resource::new_borrow(0), Resource::new_borrow(0));
            // What it answers is for the caller, an error too: for the host the call went well.
            Ok(Ok(hook
                .call_invoke(&mut open.store, call, invocation)
                .await?))
        };
        let finish = |answer: Result<String, Unanswered>, state: &mut State| reply(answer, state);
        self.run(
            Hook::Command,
            about,
            Subject::Invocation(invocation),
            host,
            call,
            finish,
        )
        .await
    }

    /// The hook `ranker`: the score of each person on the page, in the page's order.
    pub async fn rank(&self, about: About, page: Page, host: Arc<dyn Host>) -> Called<Vec<f32>> {
        let Some(indices) = &self.artifact.hooks.ranker else {
            return missing(Hook::Ranker);
        };
        let call = async |open: &mut Open| {
            let hook = indices.load(&mut open.store, &open.instance)?;
            let (call, page) = (Resource::new_borrow(0), Resource::new_borrow(0));
            hook.call_rank(&mut open.store, call, page).await
        };
        let finish = |(), state: &mut State| state.scores();
        self.run(Hook::Ranker, about, Subject::Page(page), host, call, finish)
            .await
    }
}

fn reply(answer: Result<String, Unanswered>, state: &mut State) -> Reply {
    let answer = match answer {
        Ok(answer) if answer.len() > ANSWER_BYTES => {
            let bytes = answer.len();
            Err(CommandError::Failed(format!(
                "the answer has {bytes} bytes, more than {ANSWER_BYTES}"
            )))
        }
        Ok(answer) => match serde_json::from_str::<serde_json::Value>(&answer) {
            Ok(_) => Ok(answer),
            Err(error) => Err(CommandError::Failed(format!(
                "the answer is no JSON: {error}"
            ))),
        },
        Err(Unanswered::Usage(why)) => Err(CommandError::Usage(reason(why))),
        Err(Unanswered::Denied) => Err(CommandError::Denied),
        Err(Unanswered::Unavailable) => Err(CommandError::Unavailable),
        Err(Unanswered::Failed(why)) => Err(CommandError::Failed(reason(why))),
    };
    let staged = match answer {
        Ok(_) => state.staged(),
        Err(_) => Staged::default(),
    };
    Reply { answer, staged }
}

/// A hook that the extension does not have is one that gave up.
fn missing<T>(hook: Hook) -> Called<T> {
    let why = format!("the extension has no hook {hook}");
    Called {
        result: Err(CallError::Refused(HookError::Park { why })),
        usage: Usage::default(),
    }
}

impl fmt::Debug for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:?}", self.id, self.version, self.artifact)
    }
}
