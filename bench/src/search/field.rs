//! The alternative to a join: a field `online` in an index, where a transition replaces a document.
//!
//! A second, smaller Tantivy index of the same people. A transition deletes the document and adds it again,
//! changed; it is found after the next commit and reload.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use serde::Serialize;
use tantivy::{
    Index, IndexReader, IndexWriter, ReloadPolicy, TantivyDocument, TantivyError, Term,
    indexer::UserOperation,
    schema::{FAST, Field, INDEXED, STRING, Schema, TEXT},
};
use tidings_search::{
    people::{PeopleIndex, Presence},
    profile::Value,
};

use super::{
    Options, SearchBenchError,
    profiles::{World, user},
    ways::cpu_ms,
};
use crate::process;

/// Memory of each of the writer's threads.
const MEMORY: usize = 50_000_000;

/// At full speed there is a commit so often.
const COMMITS: Duration = Duration::from_secs(1);

/// Transitions that are committed each by itself.
const SINGLES: usize = 20;

/// Transitions of the join that are timed.
const TRANSITIONS: u32 = 1_000_000;

/// How old what is found is, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Staleness {
    /// Median.
    pub p50: f64,
    /// 99th percentile.
    pub p99: f64,
}

impl Staleness {
    fn of(mut seconds: Vec<f64>) -> Staleness {
        if seconds.is_empty() {
            return Staleness::default();
        }
        seconds.sort_unstable_by(f64::total_cmp);
        let at = |part: f64| seconds[((seconds.len() - 1) as f64 * part).round() as usize];
        Staleness {
            p50: at(0.5),
            p99: at(0.99),
        }
    }
}

/// Both ways to know who is online.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Transitions {
    /// Profiles in the index with the field.
    pub field_profiles: u32,
    /// Its transitions a second at full speed, with as many threads as there are processors and a commit
    /// about every second.
    pub field_per_s: f64,
    /// From a transition to the first query that could know of it, at that speed.
    pub field_staleness_s: Staleness,
    /// The same where every transition is committed by itself.
    pub field_single_staleness_s: Staleness,
    /// CPU time of all threads for a transition at full speed, microseconds.
    pub field_cpu_us: Option<f64>,
    /// The join's transitions a second, one thread.
    pub join_per_s: f64,
    /// From the beginning of a transition to its end: the next query knows.
    pub join_staleness_s: Staleness,
    /// CPU time for a transition, microseconds.
    pub join_cpu_us: f64,
}

struct Fields {
    user: Field,
    about: Field,
    keywords: Field,
    age: Field,
    online: Field,
}

struct FieldIndex {
    fields: Fields,
    writer: IndexWriter,
    reader: IndexReader,
    /// By number, without the field `online`.
    people: Vec<TantivyDocument>,
    online: Vec<bool>,
}

impl FieldIndex {
    fn make(folder: &Path, world: &World, profiles: u32) -> Result<FieldIndex, TantivyError> {
        let mut schema = Schema::builder();
        let fields = Fields {
            user: schema.add_text_field("user", STRING | FAST),
            about: schema.add_text_field("about", TEXT),
            keywords: schema.add_text_field("keywords", STRING | FAST),
            age: schema.add_f64_field("age", FAST),
            online: schema.add_bool_field("online", INDEXED),
        };
        let index = Index::create_in_dir(folder, schema.build())?;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let writer = index.writer_with_num_threads(threads, MEMORY * threads)?;
        let reader = index
            .reader_builder()
            .reload_policy(ReloadPolicy::Manual)
            .try_into()?;
        let people = (0..profiles).map(|number| fields.document(world, number));
        let mut made = FieldIndex {
            people: people.collect(),
            fields,
            writer,
            reader,
            online: vec![false; profiles as usize],
        };
        for number in 0..profiles as usize {
            let document = made.document(number);
            made.writer.add_document(document)?;
        }
        made.publish()?;
        Ok(made)
    }

    fn document(&self, number: usize) -> TantivyDocument {
        let mut document = self.people[number].clone();
        document.add_bool(self.fields.online, self.online[number]);
        document
    }

    /// One transition.
    fn turn(&mut self, number: usize) -> Result<(), TantivyError> {
        self.online[number] = !self.online[number];
        let old = Term::from_field_text(self.fields.user, &user(number as u32));
        let new = self.document(number);
        self.writer
            .run([UserOperation::Delete(old), UserOperation::Add(new)])?;
        Ok(())
    }

    fn publish(&mut self) -> Result<(), TantivyError> {
        self.writer.commit()?;
        self.reader.reload()
    }
}

impl Fields {
    fn document(&self, world: &World, number: u32) -> TantivyDocument {
        let mut document = TantivyDocument::default();
        document.add_text(self.user, user(number));
        let (profile, _) = world.person(number);
        for value in profile.attributes.values().flatten() {
            match value {
                Value::Text(text) => document.add_text(self.about, text),
                Value::Keyword(keyword) => document.add_text(self.keywords, keyword),
                Value::Number(age) => document.add_f64(self.age, *age),
                _ => {}
            }
        }
        document
    }
}

/// Measures both, one after the other.
pub(super) fn measure(
    people: &PeopleIndex,
    world: &World,
    options: &Options,
) -> Result<Transitions, SearchBenchError> {
    let profiles = options.field_profiles.min(options.profiles);
    let folder = options.folder.join("field");
    std::fs::create_dir(&folder)?;
    let mut index = FieldIndex::make(&folder, world, profiles)?;
    let mut random = world.random(4 << 48);
    let mut staleness = Vec::new();
    let own = [std::process::id()];
    let (started, before) = (Instant::now(), process::cpu_seconds_of(&own));
    while started.elapsed() < options.part * 20 {
        let (begun, mut written) = (Instant::now(), Vec::new());
        while begun.elapsed() < COMMITS.min(options.part * 4) {
            index.turn(random.usize(..profiles as usize))?;
            written.push(begun.elapsed());
        }
        index.publish()?;
        let found = begun.elapsed();
        staleness.extend(written.iter().map(|at| (found - *at).as_secs_f64()));
    }
    let seconds = started.elapsed().as_secs_f64();
    let field_cpu_us = process::cpu_seconds_of(&own)
        .zip(before)
        .map(|(after, before)| (after - before) * 1e6 / staleness.len() as f64);
    let field_per_s = staleness.len() as f64 / seconds;
    let mut singles = Vec::new();
    for _ in 0..SINGLES {
        let begun = Instant::now();
        index.turn(random.usize(..profiles as usize))?;
        index.publish()?;
        singles.push(begun.elapsed().as_secs_f64());
    }
    // Merging writes into the folder until it is over.
    index.writer.wait_merging_threads()?;
    std::fs::remove_dir_all(&folder)?;

    let count = TRANSITIONS.min(options.profiles * 10);
    let mut times = Vec::with_capacity(count as usize);
    let (started, before) = (Instant::now(), cpu_ms());
    for turn in 0..count {
        let presence = if turn.is_multiple_of(2) {
            Presence::Available
        } else {
            Presence::Offline
        };
        let user = user(random.u32(..options.profiles));
        let begun = Instant::now();
        people.set_presence(&user, presence);
        times.push(begun.elapsed().as_secs_f64());
    }
    let (seconds, cpu) = (started.elapsed().as_secs_f64(), cpu_ms() - before);
    Ok(Transitions {
        field_profiles: profiles,
        field_per_s,
        field_staleness_s: Staleness::of(staleness),
        field_single_staleness_s: Staleness::of(singles),
        field_cpu_us,
        join_per_s: f64::from(count) / seconds,
        join_staleness_s: Staleness::of(times),
        join_cpu_us: cpu * 1e3 / f64::from(count),
    })
}
