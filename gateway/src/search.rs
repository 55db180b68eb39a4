//! Search: indexes of people and messages that follow the log, people joined with who is here.
//!
//! An index is no truth. Its commits carry the position of the log that they hold, so that it goes on from
//! there ([`keeper`]); where it is missing, of another declaration of attributes or of another log, one is
//! made beside it from the projections and then takes its place ([`place`]). Questions are asked in
//! [`people`] and [`messages`]; result pages that are watched are looked after in [`live`].

use std::{
    collections::BTreeMap,
    fs, io,
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tidings_core::{
    domain::UserId,
    metrics::{Histogram, Reading},
    node::Node,
    presence::record::State,
};
use tidings_search::{
    attributes::{Attribute, Attributes, DeclarationError, Kind},
    people::{OpenError, Presence},
    profile::Profile,
    text::{Analyzer, Chinese},
};
use tokio::sync::Semaphore;

mod keeper;
pub(crate) mod live;
pub(crate) mod messages;
pub(crate) mod people;
mod place;
pub mod profiles;

use keeper::{Attend, Keeper};
use live::Live;

/// Settings of search.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What writing an index may take of memory, in MB: one of people, and one of messages.
    pub memory_mb: usize,
    /// Whether messages can be found.
    pub messages: bool,
    /// What is found of Chinese.
    pub chinese: Chinese,
    /// What profiles may hold.
    pub attributes: Vec<Declared>,
}

/// An attribute of profiles, as it is declared.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Declared {
    /// What it is called in profiles and queries.
    pub name: String,
    /// What its values are.
    pub kind: Kind,
    /// Whether a profile may have several.
    #[serde(default)]
    pub multiple: bool,
    /// Whether other people see it and may look for it.
    #[serde(default = "yes")]
    pub public: bool,
}

fn yes() -> bool {
    true
}

impl Default for Config {
    fn default() -> Config {
        Config {
            memory_mb: 64,
            messages: true,
            chinese: Chinese::Pairs,
            attributes: Vec::new(),
        }
    }
}

/// Why search cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The attributes.
    #[error("search.attributes: {0}")]
    Attributes(#[from] DeclarationError),
    /// One that is declared twice.
    #[error("search.attributes: `{0}` is declared twice")]
    Twice(String),
    /// The memory.
    #[error("search.memory_mb is {0}: use {MIN_MEMORY_MB} to {MAX_MEMORY_MB}")]
    Memory(usize),
    /// The folder of what is not to be searched any more.
    #[error("the index of messages cannot be removed: {0}")]
    Folder(io::Error),
    /// Its thread.
    #[error("the thread of search cannot be started: {0}")]
    Thread(#[from] io::Error),
}

/// Least memory for writing, in MB.
const MIN_MEMORY_MB: usize = 16;

/// Most memory for writing, in MB.
const MAX_MEMORY_MB: usize = 4_000;

impl Config {
    /// As the indexes in `data` were made, if there is one of people: for whoever looks into a folder and does not
    /// know how its server is configured. Indexes of others would be made over these otherwise.
    pub fn as_made(data: &Path) -> Option<Config> {
        let folder = place::current(&data.join("search").join("people"))?;
        let attributes = people::index::declared(&folder)?;
        let chinese = made_with(&folder).ok()?.chinese;
        let attributes = attributes.into_iter().map(|(name, attribute)| Declared {
            name,
            kind: attribute.kind,
            multiple: attribute.multiple,
            public: attribute.public,
        });
        Some(Config {
            chinese,
            attributes: attributes.collect(),
            ..Config::default()
        })
    }

    /// What is declared, checked.
    pub fn check(&self) -> Result<Attributes, StartError> {
        if !(MIN_MEMORY_MB..=MAX_MEMORY_MB).contains(&self.memory_mb) {
            return Err(StartError::Memory(self.memory_mb));
        }
        let mut declared = BTreeMap::new();
        for Declared {
            name,
            kind,
            multiple,
            public,
        } in self.attributes.clone()
        {
            let attribute = Attribute {
                kind,
                multiple,
                public,
            };
            if declared.insert(name.clone(), attribute).is_some() {
                return Err(StartError::Twice(name));
            }
        }
        Ok(Attributes::new(declared)?)
    }
}

/// Search on one node.
pub struct Search {
    /// As declared; the index may still be of what was declared before.
    attributes: Attributes,
    people: Arc<Keeper<people::index::Opened>>,
    /// Unless messages are not to be found.
    messages: Option<Arc<Keeper<messages::index::Opened>>>,
    live: Live,
    /// As many questions are worked on at a time as there are cores: more would only be slower, each of them.
    slots: Arc<Semaphore>,
    /// Time that searches of people and of messages took, in microseconds.
    took: [Histogram; 2],
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// How an index is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Whether it can be searched.
    pub ready: bool,
    /// Position of the log that what can be found goes up to.
    pub position: u64,
    /// How many profiles or messages it holds.
    pub count: u64,
    /// How many another one, that is being built, holds so far, if there is one.
    pub building: Option<u64>,
    /// How many indexes have been put in place since the start: it grows when one that was built takes over.
    pub installed: u64,
}

/// An index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Of people.
    People,
    /// Of messages.
    Messages,
}

/// Which indexes began to be built: not those that were being built already. Nothing is said of one that was not
/// asked for, or that there is none of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begun {
    /// That of people.
    pub people: Option<bool>,
    /// That of messages.
    pub messages: Option<bool>,
}

impl Search {
    /// Opens the indexes in `data`, or begins to build them, and follows the log from now on.
    pub fn start(config: Config, data: &Path, node: Arc<Node>) -> Result<Arc<Search>, StartError> {
        let attributes = config.check()?;
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let memory = config.memory_mb * 1_000_000;
        let analyzer = Analyzer {
            chinese: config.chinese,
        };
        let settings = people::index::Settings {
            attributes: attributes.clone(),
            analyzer,
            memory,
        };
        let of_messages = messages::index::Settings { analyzer, memory };
        if !config.messages {
            Keeper::<messages::index::Opened>::forget(data).map_err(StartError::Folder)?;
        }
        let search = Arc::new(Search {
            attributes,
            people: Arc::new(Keeper::new(data, settings)),
            messages: config
                .messages
                .then(|| Arc::new(Keeper::new(data, of_messages))),
            live: Live::default(),
            slots: Arc::new(Semaphore::new(cores)),
            took: [(); 2].map(|()| Histogram::new(TOOK_US, 1e-6)),
            threads: Mutex::default(),
        });
        // Before an index is told who is here: nothing in between is missed.
        let told = search.clone();
        node.presence
            .listen(move |user, state| told.set_presence(user, state));
        let mut threads = Vec::new();
        let (watching, watched) = (search.clone(), node.clone());
        threads.push(
            thread::Builder::new()
                .name("search-live".to_owned())
                .spawn(move || watching.look_after_watches(&watched))?,
        );
        let here = node.clone();
        let attend = Arc::new(move |opened: &Arc<people::index::Opened>| {
            here.presence.everybody(|user, state| {
                opened.index.set_presence(user, presence_of(state));
            });
        });
        threads.push(follow(&search.people, &node, attend)?);
        if let Some(messages) = &search.messages {
            threads.push(follow(messages, &node, Arc::new(|_| {}))?);
        }
        *search.threads.lock() = threads;
        Ok(search)
    }

    /// Makes what was written durable and ends following. Blocking.
    pub fn stop(&self) {
        self.live.stop();
        self.people.stop();
        if let Some(messages) = &self.messages {
            messages.stop();
        }
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a thread of search ended in a panic");
            }
        }
    }

    /// Builds an index anew, or both, beside the present ones, which are searched meanwhile.
    pub fn rebuild(&self, which: Option<Which>) -> Begun {
        let asked = |index| which.is_none_or(|which| which == index);
        let messages = self.messages.as_ref();
        Begun {
            people: asked(Which::People).then(|| self.people.rebuild()),
            messages: messages
                .filter(|_| asked(Which::Messages))
                .map(|messages| messages.rebuild()),
        }
    }

    /// Waits until everything can be searched, but no longer than this: indexes of much take minutes to
    /// build.
    pub async fn ready(&self, patience: Duration) {
        let ready = async {
            self.people.is_ready().await;
            if let Some(messages) = &self.messages {
                messages.is_ready().await;
            }
        };
        let _ = tokio::time::timeout(patience, ready).await;
    }

    /// How the index of people is doing.
    pub fn status(&self) -> Status {
        self.people.status()
    }

    /// How the index of messages is doing, if messages are to be found.
    pub fn messages_status(&self) -> Option<Status> {
        self.messages.as_ref().map(|messages| messages.status())
    }

    /// How long searches took, by what was searched.
    pub fn seconds(&self) -> [(&'static str, Reading); 2] {
        let [people, messages] = &self.took;
        [("people", people.read()), ("messages", messages.read())]
    }

    /// What profiles may hold.
    pub fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// Somebody looks so to those who may see them, from now on.
    pub fn set_presence(&self, user: &UserId, state: State) {
        let presence = presence_of(state);
        self.people.each(|opened, is_current| {
            let before = opened.index.set_presence(user, presence);
            if is_current {
                self.live.changed(user, before, presence);
            }
        });
    }
}

/// Follows the log with an index on a thread of its own.
fn follow<I: keeper::Index>(
    keeper: &Arc<Keeper<I>>,
    node: &Arc<Node>,
    attend: Arc<Attend<I>>,
) -> std::io::Result<JoinHandle<()>> {
    let (keeper, node) = (keeper.clone(), node.clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let thread = thread::Builder::new().name(format!("search-{}", I::NAME));
    thread.spawn(move || {
        in_the_background();
        runtime.block_on(keeper.run(&node, attend));
    })
}

/// Whoever writes an index gives way to whoever answers somebody, with all threads that it starts.
fn in_the_background() {
    let thread = rustix::process::Pid::from_raw(rustix::thread::gettid().as_raw_nonzero().get());
    if let Err(error) = rustix::process::setpriority_process(thread, NICE) {
        tracing::debug!(%error, "the priority of a thread cannot be changed");
    }
}

/// Upper ends of the buckets of a search's time, in microseconds.
const TOOK_US: &[u64] = &[
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000,
];

/// How far it gives way: as `nice` has it.
const NICE: i32 = 10;

/// How an index cuts texts into words stands beside it: it is asked by that while its successor is built.
const ANALYZER: &str = "analyzer.json";

/// What the index in a folder was made with.
fn made_with(folder: &Path) -> Result<Analyzer, OpenError> {
    match fs::read(folder.join(ANALYZER)) {
        Ok(text) => serde_json::from_slice(&text).map_err(|_| OpenError::Other),
        // There was nothing to choose from.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Analyzer::default()),
        Err(error) => Err(OpenError::Folder(error)),
    }
}

/// Notes what the index in a folder is made with.
fn make_with(folder: &Path, analyzer: Analyzer) -> Result<(), OpenError> {
    let text = serde_json::to_vec_pretty(&analyzer).expect("an analyzer is always written");
    Ok(place::write_durably(&folder.join(ANALYZER), &text)?)
}

fn presence_of(state: State) -> Presence {
    match state {
        State::Available => Presence::Available,
        State::Away => Presence::Away,
        State::Offline => Presence::Offline,
    }
}

/// A profile as far as it fits what is declared: what it was checked against may have been another
/// declaration.
pub(crate) fn fitting(attributes: &Attributes, text: &str) -> Profile {
    let object: serde_json::Map<String, serde_json::Value> = match serde_json::from_str(text) {
        Ok(object) => object,
        Err(error) => {
            tracing::error!(%error, "a profile in the log is no JSON object");
            return Profile::default();
        }
    };
    match Profile::from_json(attributes, &object) {
        Ok(profile) => profile,
        Err(_) => {
            let mut profile = Profile::default();
            for (name, value) in object {
                let one = serde_json::Map::from_iter([(name, value)]);
                if let Ok(part) = Profile::from_json(attributes, &one) {
                    profile.attributes.extend(part.attributes);
                }
            }
            profile
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_says_what_it_was_made_with() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        let words = Analyzer {
            chinese: Chinese::Words,
        };
        assert_eq!(made_with(folder).expect("read"), Analyzer::default());
        make_with(folder, words).expect("written");
        assert_eq!(made_with(folder).expect("read"), words);
        fs::write(folder.join(ANALYZER), r#"{"chinese":"verses"}"#).expect("written");
        assert!(matches!(made_with(folder), Err(OpenError::Other)));
    }

    #[test]
    fn chinese_is_pairs_or_words() {
        let read = |chinese: &str| {
            serde_json::from_value::<Config>(serde_json::json!({ "chinese": chinese }))
        };
        assert_eq!(Config::default().chinese, Chinese::Pairs);
        assert_eq!(read("pairs").expect("read"), Config::default());
        assert_eq!(read("words").expect("read").chinese, Chinese::Words);
        assert!(read("jieba").is_err());
    }
}
