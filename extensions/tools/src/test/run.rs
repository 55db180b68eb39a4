//! Runs cases: each begins in a world of its own, and each call in it is one of the sandbox that servers have.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tidings_extension_host::input::About;
use tidings_extension_host::usage::Usage;
use tidings_extension_host::{
    Artifact, CallError, CompileError, Definition, Digest, Engine, EngineError, Extension, Limits,
    Settings,
};
use tidings_extension_manifest::{Instances, Manifest};

use super::fixture::{Case, Fixture, FixtureError, Step, load};
use super::kept::Kept;
use super::occasion::{Occasion, Occasions, Subject};
use super::outcome::{self, Decided};
use super::promises::Promises;
use super::report::{CaseReport, Failure, Suite, TestReport};
use super::{Test, compiled, duration, expect};
use crate::check;
use crate::project::{Built, ProjectError};
use crate::world::{Asked, World};

/// How long a call may take: so long that fuel runs out first, and what comes of a test does not depend on the machine.
const TIME: Duration = Duration::from_secs(60);
/// How long compiling may take: Python's is large.
const COMPILE_TIME: Duration = Duration::from_mins(10);
/// Timers that fire in one step. One that sets itself again at once would have no end.
const FIRINGS: usize = 1_000;

/// Why nothing was run.
#[derive(Debug, thiserror::Error)]
pub enum TestError {
    /// There is no component.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// A file of cases cannot be used.
    #[error(transparent)]
    Fixture(#[from] FixtureError),
    /// There are no cases.
    #[error("{}: there are no cases here: write NAME.toml with at least one [[case]], or say where they are with --tests", .0.display())]
    NoCases(PathBuf),
    /// No case is called so.
    #[error("no case has {only:?} in its name: there are {}", .names.join(", "))]
    NoneNamed {
        /// What names were to have in them.
        only: String,
        /// Those there are.
        names: Vec<String>,
    },
    /// The sandbox cannot be set up.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The component cannot be run.
    #[error(transparent)]
    Compile(#[from] CompileError),
}

impl Test {
    /// Runs all cases. `step` is told what is being done.
    ///
    /// # Errors
    ///
    /// When there is nothing to run. What came of cases stands in the report.
    pub fn run(&self, step: &mut dyn FnMut(&str)) -> Result<TestReport, TestError> {
        let built = Built::of(&self.place)?;
        let folder = self.cases(&built.file);
        let fixtures = if folder.is_dir() {
            load(&folder)?
        } else {
            Vec::new()
        };
        if fixtures.is_empty() {
            return Err(TestError::NoCases(folder));
        }
        if let Some(only) = &self.only {
            let names = fixtures.iter().flat_map(|fixture| &fixture.cases);
            let names = names.map(|case| &case.name);
            if !names.clone().any(|name| name.contains(only)) {
                return Err(TestError::NoneNamed {
                    only: only.clone(),
                    names: names.map(|name| format!("{name:?}")).collect(),
                });
            }
        }
        step("compiling the component");
        let engine = Engine::new(Settings {
            // One call at a time, and a few instances that are kept.
            calls: 8,
            compile_time: COMPILE_TIME,
            cache: self.compiled.as_deref().and_then(compiled::kept),
            ..Settings::default()
        })?;
        let artifact = engine.compile(&built.component)?;
        let limits = check::limits(&built.manifest);
        let mut runner = Runner {
            artifact,
            manifest: Arc::new(built.manifest),
            limits: Limits {
                time: TIME,
                ..limits
            },
            promises: Promises::default(),
            kept: Kept::default(),
            settings: String::new(),
        };
        let mut suites = Vec::new();
        for fixture in fixtures {
            step(&fixture.file);
            suites.push(runner.suite(&fixture, self.only.as_deref()));
        }
        let mut promises = std::mem::take(&mut runner.promises);
        let warm = runner.manifest.instances == Instances::Warm;
        if warm {
            promises.look_at_kept(&runner, &runner.kept);
        }
        Ok(TestReport {
            name: runner.manifest.name(),
            fuel_limit: limits.fuel,
            suites,
            promises: promises.told(limits.fuel, warm),
        })
    }

    fn cases(&self, component: &Path) -> PathBuf {
        match &self.tests {
            Some(tests) => tests.clone(),
            None if self.place.is_dir() => self.place.join("tests"),
            // As it lies in the folder that it was built in.
            None => component.parent().unwrap_or(Path::new("")).join("../tests"),
        }
    }
}

/// What cases run with.
pub(super) struct Runner {
    artifact: Artifact,
    pub(super) manifest: Arc<Manifest>,
    limits: Limits,
    promises: Promises,
    kept: Kept,
    /// Of the case that is run.
    settings: String,
}

/// What one call came to.
pub(super) struct Came {
    pub(super) result: Result<Decided, CallError>,
    pub(super) usage: Usage,
    /// The world after it, in which what it staged is not recorded yet.
    pub(super) world: World,
}

impl Runner {
    fn suite(&mut self, fixture: &Fixture, only: Option<&str>) -> Suite {
        let mut cases = Vec::new();
        for case in &fixture.cases {
            if only.is_none_or(|only| case.name.contains(only)) {
                cases.push(self.case(case));
            }
        }
        Suite {
            file: fixture.file.clone(),
            cases,
        }
    }

    fn case(&mut self, case: &Case) -> CaseReport {
        let mut report = CaseReport::new(&case.name);
        let prepared = self
            .extension(case)
            .and_then(|extension| Ok((extension, case.given.world()?)));
        let (extension, mut world) = match prepared {
            Ok(prepared) => prepared,
            Err(what) => {
                report.failures.push(Failure::wrong(0, "given", what));
                return report;
            }
        };
        let manifest = self.manifest.clone();
        let mut occasions = Occasions {
            manifest: &manifest,
            count: 0,
        };
        for (index, step) in case.steps.iter().enumerate() {
            let mut told = Map::from_iter([
                ("effects".to_owned(), json!([])),
                ("log".to_owned(), json!([])),
                ("metrics".to_owned(), json!({})),
                ("fails".to_owned(), Value::Null),
            ]);
            let asked = world.requests.len();
            let went = self.step(
                &extension,
                step,
                &mut world,
                &mut occasions,
                &mut told,
                &mut report,
            );
            let title = title(step);
            if let Err(what) = went {
                report
                    .failures
                    .push(Failure::wrong(index + 1, &title, what));
                return report;
            }
            outcome::tell_world(&world, &mut told);
            let requests = world.requests[asked..].iter().map(outcome::request);
            told.insert("requests".to_owned(), requests.collect());
            let mut failure = Failure::new(index + 1, &title);
            failure.unanswered = std::mem::take(&mut world.unanswered);
            for one in expect::differences(&step.expect, &told) {
                failure.add(one);
            }
            if !failure.is_empty() {
                failure.log = told["log"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .collect();
                report.failures.push(failure);
            }
        }
        report
    }

    fn extension(&mut self, case: &Case) -> Result<Extension, String> {
        let settings = Value::Object(case.given.settings.clone());
        let settings = self
            .manifest
            .check_settings(&settings)
            .map_err(|why| format!("settings: {why}"))?;
        let definition = Definition {
            id: self.manifest.id.clone(),
            version: self.manifest.version.to_string(),
            config: settings.to_string(),
            limits: self.limits,
        };
        self.settings.clone_from(&definition.config);
        Extension::new(self.artifact.clone(), definition).map_err(|why| why.to_string())
    }

    fn step(
        &mut self,
        extension: &Extension,
        step: &Step,
        world: &mut World,
        occasions: &mut Occasions<'_>,
        told: &mut Map<String, Value>,
        report: &mut CaseReport,
    ) -> Result<(), String> {
        if let Some(advance) = &step.advance {
            let until = world.now + duration::duration(advance)?;
            for _ in 0..FIRINGS {
                let Some((key, timer)) = world.due(until) else {
                    world.now = until;
                    return Ok(());
                };
                world.now = world.now.max(timer.when);
                let occasion = occasions.fired(world, key, timer)?;
                self.happen(extension, world, &occasion, told, report);
            }
            return Err(format!(
                "{FIRINGS} timers fired in one step: does one set itself again at once?"
            ));
        }
        let occasion = match step {
            Step {
                draft: Some(step), ..
            } => occasions.draft(world, step),
            Step {
                event: Some(step), ..
            } => occasions.event(world, step),
            Step {
                transition: Some(step),
                ..
            } => occasions.transition(world, step),
            Step {
                absence: Some(step),
                ..
            } => occasions.absence(world, step),
            Step {
                command: Some(step),
                ..
            } => occasions.command(world, step),
            Step {
                page: Some(step), ..
            } => occasions.page(world, step),
            Step {
                fire: Some(step), ..
            } => occasions.fire(world, step),
            _ => unreachable!("one thing happens in a step"),
        }?;
        self.happen(extension, world, &occasion, told, report);
        Ok(())
    }

    /// Calls the hook, records what it staged, and looks whether the promises hold.
    fn happen(
        &mut self,
        extension: &Extension,
        world: &mut World,
        occasion: &Occasion,
        told: &mut Map<String, Value>,
        report: &mut CaseReport,
    ) {
        let before = world.clone();
        let came = self.call(extension, &before, occasion);
        report.count(&came.usage);
        let mut after = came.world.clone();
        outcome::tell_usage(&came.usage, told);
        match &came.result {
            Ok(decided) => {
                decided.tell(told);
                // What comes of a draft says what the draft said, unless that was replaced.
                if let Subject::Draft(draft) = &occasion.about {
                    told.entry("text").or_insert_with(|| json!(draft.text));
                }
                if let Some(staged) = decided.staged() {
                    after.record(&occasion.id, staged);
                }
                if told.get("verdict").is_some_and(|verdict| verdict == "hold") {
                    after.held.insert(occasion.id.clone());
                }
            }
            Err(error) => {
                told.insert("fails".to_owned(), outcome::failure(error));
                if let (Subject::Draft(_), Some(moderation)) =
                    (&occasion.about, &self.manifest.moderation)
                {
                    told.insert("verdict".to_owned(), json!(moderation.on_failure));
                }
            }
        }
        let mut promises = std::mem::take(&mut self.promises);
        promises.look(
            self,
            extension,
            &before,
            occasion,
            &came,
            &after,
            &report.name,
        );
        self.promises = promises;
        if self.manifest.instances == Instances::Warm {
            let named = (&*report.name, &*self.settings);
            self.kept.see(named, extension, &before, occasion, came);
        }
        *world = after;
    }

    /// One call in a world of its own.
    pub(super) fn call(&self, extension: &Extension, world: &World, occasion: &Occasion) -> Came {
        let world = Arc::new(Mutex::new(world.clone()));
        let host = Arc::new(Asked::new(
            world.clone(),
            self.manifest.clone(),
            occasion.involved.clone(),
            occasion.id.clone(),
        ));
        let about = self.about(&world.lock().expect("nobody panics with it"), occasion);
        let (result, usage) = match occasion.about.clone() {
            Subject::Draft(draft) => {
                told(wait(extension.review(about, draft, host)), Decided::Verdict)
            }
            Subject::Event(event) => told(
                wait(extension.on_event(about, event, host)),
                Decided::Staged,
            ),
            Subject::Transition(one) => told(
                wait(extension.on_transition(about, one, host)),
                Decided::Staged,
            ),
            Subject::Firing(firing) => told(
                wait(extension.on_timer(about, firing, host)),
                Decided::Staged,
            ),
            Subject::Absence(absence) => told(
                wait(extension.on_recall(about, absence, host)),
                Decided::Recall,
            ),
            Subject::Invocation(one) => {
                told(wait(extension.invoke(about, one, host)), Decided::Reply)
            }
            Subject::Page(page) => {
                let users: Vec<String> = page
                    .people
                    .iter()
                    .map(|person| person.user.clone())
                    .collect();
                let scores =
                    |scores: Vec<f32>| Decided::Scores(users.into_iter().zip(scores).collect());
                told(wait(extension.rank(about, page, host)), scores)
            }
        };
        let world = world.lock().expect("nobody panics with it").clone();
        Came {
            result,
            usage,
            world,
        }
    }

    fn about(&self, world: &World, occasion: &Occasion) -> About {
        let hook = occasion.about.hook();
        let named = format!("{}\0{hook}\0{}", self.manifest.id, occasion.id);
        let digest = Digest::of(named.as_bytes());
        About {
            now: world.now,
            seed: digest.0,
            idempotency_key: digest.to_string(),
            attempt: 1,
            traceparent: String::new(),
            until: None,
        }
    }
}

fn told<T>(
    called: tidings_extension_host::Called<T>,
    decided: impl FnOnce(T) -> Decided,
) -> (Result<Decided, CallError>, Usage) {
    (called.result.map(decided), called.usage)
}

/// The world answers at once, so a call only ever gives way to be looked at.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(ready) = future.as_mut().poll(&mut context) {
            return ready;
        }
        std::thread::yield_now();
    }
}

/// What happens in a step, in a few words.
fn title(step: &Step) -> String {
    match step {
        Step {
            draft: Some(draft), ..
        } => format!("draft by {}: {:?}", draft.author, draft.text),
        Step {
            event: Some(event), ..
        } => format!("event {}", event.kind),
        Step {
            transition: Some(one),
            ..
        } => format!("{} is {}", one.user, one.now),
        Step {
            absence: Some(one), ..
        } => format!("{} is absent", one.user),
        Step {
            command: Some(one), ..
        } => format!("{} calls {}", one.caller, one.name),
        Step { page: Some(_), .. } => "a page of people".to_owned(),
        Step {
            fire: Some(one), ..
        } => format!("timer {}", one.key),
        Step {
            advance: Some(one), ..
        } => format!("{one} later"),
        _ => String::new(),
    }
}
