//! What sessions are told, against the state they would fetch instead.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

use parking_lot::Mutex;
use proptest::{prelude::*, test_runner::TestRunner};
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::{
    domain::CommandId,
    history::{
        Act, Client, Deed, Play,
        act::{place, places, user, users},
        acts,
    },
    keys::{
        ContentKey, KeyId, KeyState,
        embedded::Embedded,
        seal::{self, KEY, OperatorKey, RawKey},
    },
    log::Identity,
    projections::{
        read::ToastView,
        resume::{Resume, since},
    },
};

mod answers;
mod blocks;
mod joins;
mod parked;
mod ticks;
mod toasts;

/// A session that keeps what it is told.
#[derive(Default)]
struct Recorder {
    changes: Mutex<Vec<Change>>,
    typing: Mutex<Vec<(UserId, bool)>>,
    interrupts: AtomicUsize,
    wakes: AtomicUsize,
}

impl Recorder {
    /// What it has been told since the last call.
    fn take(&self) -> Vec<Change> {
        std::mem::take(&mut *self.changes.lock())
    }
}

impl Session for Recorder {
    fn nodes(&self, _: &Arc<Nodes>) {}

    fn notify(&self, notice: &Arc<Notice>) {
        self.changes.lock().push(notice.change.clone());
    }

    fn signal(&self, typing: &Arc<Signal>) {
        self.typing
            .lock()
            .push((typing.user.clone(), typing.active));
    }

    fn interrupt(&self) {
        self.interrupts.fetch_add(1, Ordering::Relaxed);
    }

    fn erased(&self) {
        self.interrupts.fetch_add(1, Ordering::Relaxed);
    }

    fn wake(&self) {
        self.wakes.fetch_add(1, Ordering::Relaxed);
    }

    fn looks_at(&self, _: ConversationId) -> bool {
        false
    }

    fn sees(&self, _: u64) {}
}

/// A key store with a key of everybody for everywhere, as a server has after a while.
struct Vault {
    keys: Arc<Embedded>,
    content: Arc<BTreeMap<KeyId, Arc<ContentKey>>>,
    nonces: Arc<AtomicU64>,
    runtime: tokio::runtime::Runtime,
    _folder: TempDir,
}

impl Vault {
    fn new() -> Vault {
        let folder = TempDir::new().expect("a temporary folder");
        let operator = OperatorKey::new(&RawKey::from_bytes([7; KEY]));
        #[expect(clippy::disallowed_methods, reason = "the test hands it in")]
        let random = Arc::new(ring::rand::SystemRandom::new());
        let keys = Arc::new(Embedded::open(folder.path(), operator, random).expect("opens"));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let all = places().flat_map(|id| users().map(move |author| key_id(id, &author)));
        let own = users().map(|user| KeyId::User(user.shared()));
        let ids: Vec<KeyId> = all.chain(own).collect();
        let states = runtime.block_on(keys.ensure(&ids)).expect("keys are made");
        let present = ids.into_iter().zip(states).map(|(id, state)| match state {
            KeyState::Present(key) => (id, key),
            other => panic!("a key was just made, not {other:?}"),
        });
        let content = Arc::new(present.collect());
        Vault {
            keys,
            content,
            nonces: Arc::default(),
            runtime,
            _folder: folder,
        }
    }

    /// A history whose texts are sealed with these keys.
    fn play(&self) -> Play {
        let (content, nonces) = (self.content.clone(), self.nonces.clone());
        let next = move || {
            let mut nonce = [0; 12];
            nonce[4..].copy_from_slice(&nonces.fetch_add(1, Ordering::Relaxed).to_be_bytes());
            nonce
        };
        let (of_toasts, next_of_toasts) = (content.clone(), next.clone());
        Play::sealed_by(
            Box::new(move |id, author, command: Option<CommandId>, text| {
                let aad = seal::content_aad(id.0, author, command.map(|id| id.0));
                content[&key_id(id, author)].seal(&aad, next(), text.as_bytes())
            }),
            Box::new(move |user, source, about, command, text| {
                let of = |user: &UserId| &of_toasts[&KeyId::User(user.shared())];
                let told = about.map(|about| &**about);
                let aad = seal::toast_aad(user, source, told, command.map(|id| id.0));
                let sealed = of(user).seal(&aad, next_of_toasts(), text.as_bytes());
                match about.filter(|about| *about != user) {
                    Some(about) => of(about).seal(&aad, next_of_toasts(), &sealed),
                    None => sealed,
                }
            }),
        )
    }

    fn open_toast(&self, toast: &mut ToastView) {
        let toasts = std::slice::from_mut(toast);
        self.runtime
            .block_on(content::open_toasts(&*self.keys, toasts))
            .expect("keys are there");
        assert_ne!(toasts[0].text, read::Text::Erased, "everything opens");
    }

    fn open_message(&self, message: &mut MessageView) {
        let messages = std::slice::from_mut(message);
        self.runtime
            .block_on(content::open_messages(&*self.keys, messages))
            .expect("keys are there");
        assert_ne!(messages[0].text, read::Text::Erased, "everything opens");
    }
}

fn key_id(id: ConversationId, author: &UserId) -> KeyId {
    KeyId::Content {
        conversation: id.0,
        author: author.shared(),
    }
}

/// A node's projector, driven by hand.
struct Projector<'v> {
    vault: &'v Vault,
    projections: Arc<Projections>,
    fanout: Arc<Fanout>,
    _folder: TempDir,
}

impl<'v> Projector<'v> {
    fn new(vault: &'v Vault) -> Projector<'v> {
        let folder = TempDir::new().expect("a temporary folder");
        let identity = Identity {
            epoch: Uuid::nil(),
            shards: 1,
        };
        let projections = Projections::open(folder.path(), identity).expect("opens");
        let projections = Arc::new(projections);
        let fanout = Arc::new(Fanout::new(projections.clone(), vault.keys.clone()));
        Projector {
            vault,
            projections,
            fanout,
            _folder: folder,
        }
    }

    /// Folds commits together and tells everyone, as `node` does.
    fn project(&self, commits: &[Commit]) {
        self.fanout.prepare(commits).expect("reads");
        let parked = self.projections.apply(commits).expect("folds");
        assert_eq!(parked, []);
        self.tell(commits);
    }

    fn tell(&self, commits: &[Commit]) {
        for commit in commits {
            self.vault
                .runtime
                .block_on(self.fanout.commit(commit))
                .expect("everyone is told");
        }
    }

    fn session(&self, user: &UserId) -> (Arc<Recorder>, Registration) {
        let session = Arc::new(Recorder::default());
        let registration = self.fanout.register(user, session.clone());
        (session, registration)
    }

    fn fresh(&self, user: &UserId) -> Client {
        let rows = self.projections.read();
        Client::fresh(
            &rows,
            user,
            &|message| self.vault.open_message(message),
            &|toast| self.vault.open_toast(toast),
        )
    }

    fn resume(&self, user: &UserId, cursor: (u64, u32)) -> Vec<Change> {
        let mut changes = {
            let rows = self.projections.read();
            let viewer = Viewer::load(&rows, user).expect("read");
            match since(&rows, rows.cursor(), &viewer, cursor, 10_000).expect("read") {
                Resume::Changes(changes) => changes,
                Resume::Gap => panic!("there is room"),
            }
        };
        let opening = content::open_changes(&*self.vault.keys, &mut changes);
        self.vault
            .runtime
            .block_on(opening)
            .expect("keys are there");
        changes
    }
}

/// A client, its connection and what it has been told since the last look.
struct Connected {
    user: UserId,
    client: Client,
    session: Arc<Recorder>,
    _registration: Registration,
}

impl Connected {
    fn new(projector: &Projector<'_>, user: UserId) -> Connected {
        let (session, _registration) = projector.session(&user);
        let client = projector.fresh(&user);
        Connected {
            user,
            client,
            session,
            _registration,
        }
    }

    /// Applies what came, and compares with a fresh state. Whoever had lost the connection after any
    /// of the changes and resumed there holds the same.
    fn check(
        &mut self,
        projector: &Projector<'_>,
        cut: &prop::sample::Index,
    ) -> Result<(), String> {
        let changes = self.session.take();
        if !changes.is_sorted_by(|a, b| a.at < b.at) {
            return Err(format!(
                "{} is told out of order or twice: {changes:#?}",
                self.user
            ));
        }
        let fresh = projector.fresh(&self.user);
        let mut cut_off = self.client.clone();
        for change in &changes[..cut.index(changes.len() + 1)] {
            cut_off.apply(change)?;
        }
        for change in projector.resume(&self.user, cut_off.cursor) {
            cut_off.apply(&change)?;
        }
        cut_off
            .check(&fresh)
            .map_err(|why| format!("after a cut: {why}"))?;
        for change in &changes {
            self.client.apply(change)?;
        }
        self.client.check(&fresh)?;
        // Everything up to here has been told.
        self.client.cursor = fresh.cursor;
        Ok(())
    }
}

/// Plays acts in batches of commits to everybody's sessions, some of which begin later.
fn told(
    vault: &Vault,
    acts: &[Act],
    sizes: &[usize],
    cuts: &[prop::sample::Index],
) -> Result<(), String> {
    let projector = Projector::new(vault);
    let (_, commits) = vault.play().all(acts);
    let mut connected: Vec<_> = users()
        .map(|user| Connected::new(&projector, user))
        .collect();
    let (mut rest, mut sizes, mut cuts) = (&commits[..], sizes.iter().cycle(), cuts.iter().cycle());
    while !rest.is_empty() {
        let size = *sizes.next().expect("a cycle");
        let (batch, later) = rest.split_at(size.min(rest.len()));
        rest = later;
        projector.project(batch);
        for connected in &mut connected {
            connected.check(&projector, cuts.next().expect("a cycle"))?;
        }
        if connected.len() < 3 * users().count() && size == 2 {
            let another = user(connected.len() % users().count());
            connected.push(Connected::new(&projector, another));
        }
    }
    Ok(())
}

/// State plus what a session is told is the fresh state, whatever comes together in one batch or one
/// commit, and wherever the connection is cut.
#[test]
fn state_plus_changes_is_the_fresh_state() {
    let histories = (
        acts(20..140),
        prop::collection::vec(1..5_usize, 1..8),
        prop::collection::vec(any::<prop::sample::Index>(), 1..40),
    );
    // One vault for all of them: making keys syncs.
    let vault = Vault::new();
    let mut runner = TestRunner::new(ProptestConfig {
        source_file: Some(file!()),
        ..ProptestConfig::with_cases(24)
    });
    let result = runner.run(&histories, |(acts, sizes, cuts)| {
        told(&vault, &acts, &sizes, &cuts).map_err(TestCaseError::fail)
    });
    if let Err(error) = result {
        panic!("{error}\n{runner}");
    }
}
