//! What belongs to one call, and the books of what it has used.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use wasmtime::ResourceLimiter;
use wasmtime::component::Resource;

use crate::bindings::tidings::extension::types;
use crate::hook::Hook;
use crate::host::{Ask, Conversation, Host, Message, Refusal, Request, Response};
use crate::input::{About, Absence, Draft, Event, Firing, Invocation, Page, Transition};
use crate::limits::{
    CORE_INSTANCES, GIVEN_BYTES, HOST_CALLS, KEPT_HANDLES, LOG_LINE_BYTES, LOG_LINES, MEMORIES,
    TABLE_ELEMENTS, TABLES,
};
use crate::silent::Silent;
use crate::staged::{Effect, KvChange, Recall, Staged, TimerChange, Verdict};
use crate::usage::{Level, LogLine, Metric, Usage};

use super::text;

/// What the hook is called about.
pub(crate) enum Subject {
    Draft(Arc<Draft>),
    Event(Box<Event>),
    Transition(Transition),
    Absence(Absence),
    Firing(Firing),
    Invocation(Invocation),
    Page(Page),
    /// There is no call.
    Nothing,
}

/// The settings, each as JSON by its name.
pub(crate) type Config = Arc<BTreeMap<String, String>>;

pub(crate) struct State {
    pub(super) hook: Hook,
    pub(super) about: About,
    pub(super) subject: Subject,
    pub(super) host: Arc<dyn Host>,
    pub(super) config: Config,
    pub(super) deadline: Option<Instant>,
    pub(crate) memory: Memory,
    pub(super) used: Used,
    pub(super) said: Said,
    pub(super) staging: Staging,
    pub(super) messages: Handles<Arc<Message>>,
    pub(super) conversations: Handles<Conversation>,
    pub(super) missed: Handles<usize>,
    pub(super) requests: Handles<Option<Request>>,
    pub(super) responses: Handles<Response>,
    pub(super) secrets: Vec<String>,
    /// In place of which call to the host this one ends, if it is to.
    pub(super) break_at: Option<u32>,
    log: Vec<LogLine>,
    log_dropped: u32,
    metrics: Vec<Metric>,
}

/// How often the call did what is counted.
#[derive(Default)]
pub(super) struct Used {
    host_calls: u32,
    given_bytes: usize,
    pub(super) views: u32,
    pub(super) rates: u32,
    pub(super) requests: u32,
    pub(super) timers: usize,
}

/// What the hooks that decide something have decided.
#[derive(Default)]
pub(super) struct Said {
    pub(super) reject: Option<String>,
    pub(super) hold: Option<String>,
    pub(super) text: Option<String>,
    pub(super) labels: Vec<String>,
    pub(super) recall: Option<Recall>,
    pub(super) scores: BTreeMap<usize, f32>,
}

/// What is to be recorded.
#[derive(Default)]
pub(super) struct Staging {
    /// The number that the first effect of this call has as a handle: lower ones are those of earlier calls of the instance.
    pub(super) first: u32,
    pub(super) effects: Vec<Effect>,
    pub(super) effect_bytes: usize,
    pub(super) keys: HashSet<String>,
    pub(super) kv: BTreeMap<String, Kept>,
    pub(super) kv_bytes: usize,
    pub(super) timers: BTreeMap<String, TimerChange>,
}

impl Staging {
    /// The effect of a handle, and where it stands.
    pub(super) fn effect(&self, rep: u32) -> Option<(usize, &Effect)> {
        let at = rep.checked_sub(self.first)? as usize;
        self.effects.get(at).map(|effect| (at, effect))
    }
}

/// A change of the store with the revision that the key has for this call: 0 where it was removed.
pub(super) struct Kept {
    pub(super) change: KvChange,
    pub(super) revision: u64,
}

/// What ends a call from within a function of the host.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    #[error("time is over")]
    Deadline,
    #[error("made to break at call {0} to the host")]
    Broken(u32),
    #[error("more than {HOST_CALLS} calls to the host")]
    HostCalls,
    #[error("more than {GIVEN_BYTES} bytes asked of the host")]
    Given,
    #[error("{0}")]
    Host(String),
    #[error("there is no person {0} on the page")]
    Index(u32),
    #[error("a {0} that there is not")]
    Handle(&'static str),
    #[error("a number that is not finite")]
    Infinite,
}

impl State {
    pub(crate) fn new(
        hook: Hook,
        about: About,
        subject: Subject,
        host: Arc<dyn Host>,
        config: Config,
        deadline: Option<Instant>,
        memory: usize,
    ) -> Self {
        Self {
            hook,
            about,
            subject,
            host,
            config,
            deadline,
            memory: Memory::new(memory),
            used: Used::default(),
            said: Said::default(),
            staging: Staging::default(),
            messages: Handles::default(),
            conversations: Handles::default(),
            missed: Handles::default(),
            requests: Handles::default(),
            responses: Handles::default(),
            secrets: Vec::new(),
            break_at: None,
            log: Vec::new(),
            log_dropped: 0,
            metrics: Vec::new(),
        }
    }

    /// Takes over from the call before in the same instance what is the instance's: the memory it has, and which handles it may
    /// still hold, so that they lead nowhere.
    pub(crate) fn go_on_from(&mut self, before: &Self) {
        self.memory.bytes = before.memory.bytes;
        self.memory.elements = before.memory.elements;
        self.staging.first = before.staging.first + before.staging.effects.len() as u32;
        self.messages.first = before.messages.next();
        self.conversations.first = before.conversations.next();
        self.missed.first = before.missed.next();
        self.requests.first = before.requests.next();
        self.responses.first = before.responses.next();
    }

    /// As it was before an instance was begun that there was no place for.
    pub(crate) fn begun_anew(self) -> Self {
        Self {
            memory: Memory::new(self.memory.limit),
            ..self
        }
    }

    /// The state of an instance that no call is in: of what the last one was about nothing is left.
    pub(crate) fn resting(&self) -> Self {
        let mut resting = Self::new(
            self.hook,
            About::default(),
            Subject::Nothing,
            Arc::new(Silent),
            self.config.clone(),
            None,
            self.memory.limit,
        );
        resting.go_on_from(self);
        resting
    }

    /// Whether a call finds enough handles, whatever earlier ones in this instance have not given back.
    pub(crate) fn has_handles_left(&self) -> bool {
        let given = [
            self.staging.first,
            self.messages.first,
            self.conversations.first,
            self.missed.first,
            self.requests.first,
            self.responses.first,
        ];
        given.iter().map(|given| *given as usize).sum::<usize>() < KEPT_HANDLES
    }

    /// Every function of the host begins with this.
    pub(crate) fn enter(&mut self) -> wasmtime::Result<()> {
        self.used.host_calls += 1;
        if self.used.host_calls > HOST_CALLS {
            return Err(Stop::HostCalls.into());
        }
        if self.break_at == Some(self.used.host_calls) {
            return Err(Stop::Broken(self.used.host_calls).into());
        }
        Ok(())
    }

    /// Counts bytes that the extension is given, or that are kept so that it can ask for them.
    pub(super) fn give(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.used.given_bytes = self.used.given_bytes.saturating_add(bytes);
        if self.used.given_bytes > GIVEN_BYTES {
            return Err(Stop::Given.into());
        }
        Ok(())
    }

    /// A copy of a text for the extension.
    pub(super) fn given(&mut self, text: &str) -> wasmtime::Result<String> {
        self.give(text.len())?;
        Ok(text.to_owned())
    }

    /// A copy of some texts for the extension.
    pub(super) fn given_all(&mut self, texts: &[String]) -> wasmtime::Result<Vec<String>> {
        // Each costs its handle of eight bytes in the extension's memory too.
        self.give(texts.iter().map(|text| text.len() + 8).sum())?;
        Ok(texts.to_vec())
    }

    /// A function that may refuse: counts the call and tells a refusal in the extension's words.
    pub(super) fn asked<T>(
        &mut self,
        ask: impl FnOnce(&mut Self) -> Result<T, Ask>,
    ) -> wasmtime::Result<Result<T, types::Refusal>> {
        self.enter()?;
        told(ask(self))
    }

    /// Whether the hook may stage anything.
    pub(super) fn acts(&self) -> Result<(), Refusal> {
        if self.hook.acts() {
            return Ok(());
        }
        Err(Refusal::denied(format!("not in the hook {}", self.hook)))
    }

    pub(super) fn log(&mut self, level: Level, line: String) {
        if self.log.len() >= LOG_LINES {
            self.log_dropped += 1;
            return;
        }
        let line = text::cut(line, LOG_LINE_BYTES);
        self.log.push(LogLine { level, line });
    }

    pub(super) fn count(&mut self, name: String, by: u32) {
        if !self.declared(&name) {
            return;
        }
        let by = u64::from(by);
        for metric in &mut self.metrics {
            if let Metric::Count { name: has, by: sum } = metric
                && *has == name
            {
                *sum = sum.saturating_add(by);
                return;
            }
        }
        self.metrics.push(Metric::Count { name, by });
    }

    pub(super) fn observe(&mut self, name: String, value: f64) {
        if value.is_finite() && self.declared(&name) {
            self.metrics.push(Metric::Observe { name, value });
        }
    }

    fn declared(&mut self, name: &str) -> bool {
        let declared = self.host.has_metric(name);
        if !declared {
            let name = text::cut(name.to_owned(), 64);
            self.log(
                Level::Warn,
                format!("the metric `{name}` is not declared in the manifest"),
            );
        }
        declared
    }

    /// What was staged, taken out.
    pub(crate) fn staged(&mut self) -> Staged {
        let staging = std::mem::take(&mut self.staging);
        Staged {
            effects: staging.effects,
            kv: staging.kv.into_values().map(|kept| kept.change).collect(),
            timers: staging.timers.into_values().collect(),
        }
    }

    /// The verdict, taken out.
    pub(crate) fn verdict(&mut self) -> Verdict {
        use crate::staged::Decision;
        let said = std::mem::take(&mut self.said);
        let decision = match (said.reject, said.hold) {
            (Some(reason), _) => Decision::Reject { reason },
            (None, Some(reason)) => Decision::Hold { reason },
            (None, None) => Decision::Allow,
        };
        Verdict {
            decision,
            text: said.text,
            labels: said.labels,
        }
    }

    /// What is to be done about an absence, taken out.
    pub(crate) fn recall(&mut self) -> Option<Recall> {
        self.said.recall.take()
    }

    /// The scores of all people on the page, in its order.
    pub(crate) fn scores(&mut self) -> Vec<f32> {
        let Subject::Page(page) = &self.subject else {
            return Vec::new();
        };
        let score = |(index, person): (usize, &crate::input::Person)| {
            self.said
                .scores
                .get(&index)
                .copied()
                .unwrap_or(person.score)
        };
        page.people.iter().enumerate().map(score).collect()
    }

    pub(super) fn usage(&mut self, fuel: u64, started: Instant) -> Usage {
        Usage {
            fuel,
            memory_peak: self.memory.bytes,
            duration: started.elapsed(),
            host_calls: self.used.host_calls,
            given_bytes: self.used.given_bytes,
            log: std::mem::take(&mut self.log),
            log_dropped: self.log_dropped,
            metrics: std::mem::take(&mut self.metrics),
        }
    }
}

/// Tells a refusal in the extension's words, and a failure in wasmtime's.
pub(super) fn told<T>(answer: Result<T, Ask>) -> wasmtime::Result<Result<T, types::Refusal>> {
    match answer {
        Ok(answer) => Ok(Ok(answer)),
        Err(Ask::Refused(Refusal::Denied(why))) => Ok(Err(types::Refusal::Denied(why))),
        Err(Ask::Refused(Refusal::Invalid(why))) => Ok(Err(types::Refusal::Invalid(why))),
        Err(Ask::Refused(Refusal::Exhausted(why))) => Ok(Err(types::Refusal::Exhausted(why))),
        Err(Ask::Failed(why)) => Err(Stop::Host(why).into()),
    }
}

/// What the extension has handles of. A handle that it drops leaves a gap: how many there are is bounded by the calls.
pub(super) struct Handles<T> {
    /// The number of this call's first: lower ones were given by earlier calls of the instance.
    first: u32,
    all: Vec<Option<T>>,
}

impl<T> Default for Handles<T> {
    fn default() -> Self {
        Self {
            first: 0,
            all: Vec::new(),
        }
    }
}

impl<T> Handles<T> {
    pub(super) fn add<R: 'static>(&mut self, what: T) -> Resource<R> {
        let number = self.next();
        self.all.push(Some(what));
        Resource::new_own(number)
    }

    /// The number of the next one.
    fn next(&self) -> u32 {
        let count = u32::try_from(self.all.len()).expect("fewer than the calls of one call");
        self.first + count
    }

    fn at<R: 'static>(&mut self, handle: &Resource<R>) -> Option<&mut Option<T>> {
        let at = handle.rep().checked_sub(self.first)?;
        self.all.get_mut(at as usize)
    }

    pub(super) fn get<R: 'static>(
        &mut self,
        handle: &Resource<R>,
        what: &'static str,
    ) -> wasmtime::Result<&mut T> {
        self.at(handle)
            .and_then(Option::as_mut)
            .ok_or_else(|| Stop::Handle(what).into())
    }

    pub(super) fn remove<R: 'static>(&mut self, handle: &Resource<R>) {
        if let Some(at) = self.at(handle) {
            *at = None;
        }
    }
}

/// How much memory and how many elements of tables the instance has and may have.
pub(crate) struct Memory {
    limit: usize,
    bytes: usize,
    elements: usize,
    /// Whether it was ever refused some.
    pub(super) refused: bool,
}

impl Memory {
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    fn new(limit: usize) -> Self {
        Self {
            limit,
            bytes: 0,
            elements: 0,
            refused: false,
        }
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let bytes = self.bytes.saturating_add(desired.saturating_sub(current));
        if bytes > self.limit {
            self.refused = true;
            return Ok(false);
        }
        self.bytes = bytes;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.refused = true;
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let elements = self
            .elements
            .saturating_add(desired.saturating_sub(current));
        if elements > TABLE_ELEMENTS {
            self.refused = true;
            return Ok(false);
        }
        self.elements = elements;
        Ok(true)
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        self.refused = true;
        Ok(())
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES
    }

    fn tables(&self) -> usize {
        TABLES as usize
    }

    fn memories(&self) -> usize {
        MEMORIES as usize
    }
}
