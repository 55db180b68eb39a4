//! The index of people, as it follows the log.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use tidings_core::{
    commit::Commit,
    content,
    domain::{Event, Stream, UserId},
    node::Node,
    projections::{
        ReadError, Table,
        read::{self, Text},
        rows::{self, Rows as _},
    },
};
use tidings_search::{
    attributes::{Attribute, Attributes},
    people::{Facts, OpenError, PeopleIndex, Position},
    text::Analyzer,
};
use tokio::time::Instant;

use crate::search::{
    fitting,
    keeper::{FollowError, Index, Written, stopped},
    made_with, make_with, place,
};

/// What an index was made for stands beside it: it can be asked by that while its successor is built.
const ATTRIBUTES: &str = "attributes.json";

/// Profiles read at a time: nothing is folded meanwhile.
const CHUNK: usize = 256;

/// Rows looked at a time when all profiles are read.
const LOOK: usize = 4_096;

/// How long it takes until it counts for the order that somebody left, at least and at most: a document is written anew for each.
const SEEN: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));
/// And for each that has left, so that writing them takes about one hundredth of a core's time.
const SEEN_EACH: Duration = Duration::from_millis(10);

/// How long so many wait.
fn wait_of(seen: usize) -> Duration {
    let each = u32::try_from(seen).map_or(SEEN.1, |seen| SEEN_EACH.saturating_mul(seen));
    each.clamp(SEEN.0, SEEN.1)
}

/// What it is opened with.
pub(in crate::search) struct Settings {
    pub(in crate::search) attributes: Attributes,
    pub(in crate::search) analyzer: Analyzer,
    /// Bytes that writing may take.
    pub(in crate::search) memory: usize,
}

/// An index and the attributes that it was made for.
pub(crate) struct Opened {
    pub(crate) index: PeopleIndex,
    pub(crate) attributes: Attributes,
    folder: PathBuf,
}

/// Who is to be written.
#[derive(Default)]
pub(in crate::search) struct Touched {
    changed: BTreeSet<UserId>,
    /// Who has left since: that can wait.
    seen: BTreeSet<UserId>,
    seen_since: Option<Instant>,
    /// Somebody was erased.
    erased: bool,
}

impl Index for Opened {
    const NAME: &'static str = "people";
    type Settings = Settings;
    type Touched = Touched;

    fn open(folder: PathBuf, settings: &Settings) -> Result<Opened, OpenError> {
        let attributes = declared(&folder).and_then(|declared| Attributes::new(declared).ok());
        let attributes = attributes.ok_or(OpenError::Other)?;
        let analyzer = made_with(&folder)?;
        let index = PeopleIndex::open_with(&folder, &attributes, analyzer, settings.memory)?;
        Ok(Opened {
            index,
            attributes,
            folder,
        })
    }

    fn make(folder: PathBuf, settings: &Settings) -> Result<Opened, OpenError> {
        let declared: BTreeMap<&str, &Attribute> = settings.attributes.iter().collect();
        let declared =
            serde_json::to_vec_pretty(&declared).expect("a declaration is always written");
        place::write_durably(&folder.join(ATTRIBUTES), &declared)?;
        make_with(&folder, settings.analyzer)?;
        Opened::open(folder, settings)
    }

    fn folder(&self) -> &PathBuf {
        &self.folder
    }

    fn is_outdated(&self, settings: &Settings) -> bool {
        self.attributes != settings.attributes || self.index.analyzer() != settings.analyzer
    }

    fn len(&self) -> u64 {
        self.index.len()
    }

    fn position(&self) -> Position {
        self.index.position()
    }

    fn commit(&self, position: u64, epoch: [u8; 16]) -> Result<(), FollowError> {
        Ok(self.index.commit(position, epoch)?)
    }

    fn rollback(&self) -> Result<(), FollowError> {
        Ok(self.index.rollback()?)
    }

    fn waits(touched: &Touched) -> bool {
        !touched.seen.is_empty()
    }

    fn purge(&self, stopped: &dyn Fn() -> bool) -> Result<bool, FollowError> {
        Ok(self.index.purge(stopped)?)
    }

    fn touched(commit: &Commit, touched: &mut Touched) {
        for (_, batch, event) in commit.events() {
            let Stream::User(user) = &batch.stream else {
                continue;
            };
            match event {
                Event::ProfileSet { .. }
                | Event::ProfileRemoved
                | Event::HiddenChanged { .. }
                | Event::UserErased => {
                    touched.erased |= matches!(event, Event::UserErased);
                    touched.seen.remove(user);
                    touched.changed.insert(user.clone());
                }
                Event::Seen { .. } if !touched.changed.contains(user) => {
                    touched.seen.insert(user.clone());
                }
                _ => {}
            }
        }
    }

    async fn write(
        &self,
        node: &Node,
        touched: &mut Touched,
        now: Instant,
        stopping: &AtomicBool,
    ) -> Result<Written, FollowError> {
        let erased = std::mem::take(&mut touched.erased);
        let mut users = std::mem::take(&mut touched.changed);
        if touched.seen.is_empty() {
            touched.seen_since = None;
        } else if now.duration_since(*touched.seen_since.get_or_insert(now))
            >= wait_of(touched.seen.len())
        {
            users.append(&mut touched.seen);
            touched.seen_since = None;
        }
        let users: Vec<UserId> = users.into_iter().collect();
        for users in users.chunks(CHUNK) {
            if stopping.load(Ordering::Relaxed) {
                return Err(stopped());
            }
            self.put(node, users).await?;
        }
        let any = !users.is_empty();
        Ok(Written { any, erased })
    }

    fn prepare(&self, _: &Node) -> Result<(), FollowError> {
        Ok(())
    }

    async fn fill(
        &self,
        node: &Node,
        stopping: &AtomicBool,
        done: &AtomicU64,
    ) -> Result<(), FollowError> {
        let mut from = Vec::new();
        loop {
            let (users, next) = some_profiles(node, &from)?;
            for users in users.chunks(CHUNK) {
                self.put(node, users).await?;
            }
            done.fetch_add(users.len() as u64, Ordering::Relaxed);
            match next {
                Some(next) if !stopping.load(Ordering::Relaxed) => from = next,
                _ => return Ok(()),
            }
        }
    }
}

/// The attributes that the index in a folder was made for, if that can be read.
pub(in crate::search) fn declared(folder: &Path) -> Option<BTreeMap<String, Attribute>> {
    let text = fs::read(folder.join(ATTRIBUTES)).ok()?;
    serde_json::from_slice(&text).ok()
}

impl Opened {
    /// Writes users as they are now.
    async fn put(&self, node: &Node, users: &[UserId]) -> Result<(), FollowError> {
        let profiles: Result<Vec<_>, ReadError> = {
            let rows = node.projections.read();
            users
                .iter()
                .map(|user| read::profile(&rows, user))
                .collect()
        };
        let mut profiles = profiles?;
        content::open_profiles(&*node.keys, &mut profiles).await?;
        for profile in profiles {
            match profile.set.as_ref().map(|set| (set, &set.text)) {
                Some((set, Text::Open(text))) if !profile.erased => {
                    let facts = Facts {
                        joined_ms: i64::try_from(set.made_ms).unwrap_or(i64::MAX),
                        active_ms: i64::try_from(profile.seen_ms).unwrap_or(i64::MAX),
                        hidden: profile.hidden,
                    };
                    let attributes = fitting(&self.attributes, text);
                    self.index.put(&profile.user, &attributes, &facts)?;
                }
                _ => self.index.remove(&profile.user)?,
            }
        }
        Ok(())
    }
}

/// Who has a profile, from a key on; and the key to go on from, if there are more rows.
type Part = (Vec<UserId>, Option<Vec<u8>>);

fn some_profiles(node: &Node, from: &[u8]) -> Result<Part, ReadError> {
    let rows = node.projections.read();
    let mut users = Vec::new();
    let mut next = None;
    let mut looked = 0;
    // No key begins like this: ids are UTF-8.
    rows.scan(Table::Users, from, &[0xff], false, &mut |key, _| {
        if looked == LOOK {
            next = Some(key.to_vec());
            return ControlFlow::Break(());
        }
        looked += 1;
        users.extend(rows::profile_user(key));
        ControlFlow::Continue(())
    })?;
    Ok((users, next))
}
