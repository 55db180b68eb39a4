//! One node: the parts of the core, running.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::{
    clock::SharedClock,
    cluster,
    commit::Commit,
    domain::{ConversationId, Stream, UserId},
    fanout::{Doing, Fanout},
    handler::{self, Handler, Parts, cursors::Cursors, ids::Ids, writer},
    keys::KeyStore,
    log::{EventLog, Lane, Position, SharedLog},
    presence::{self, Presence},
    projections::{Projections, ReadError},
    review::Reviewing,
};

/// How often what is folded goes to disk: rarely costs least (rows that change often are written
/// once), and all that waiting costs is folding so much again after a crash.
const FLUSH_EVERY: Duration = Duration::from_secs(5);

/// Memory of rows not on disk at which they go there sooner, in bytes.
const FLUSH_BYTES: usize = 48 << 20;

/// How often the flusher looks.
const FLUSH_LOOK: Duration = Duration::from_millis(250);

/// How often it is said in the server's log that something still fails.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// Pause after a failure before the projector tries again.
const RETRY: Duration = Duration::from_millis(200);

/// A running node. Threads: the writers, the projector (folding and fan-out), the flusher.
pub struct Node {
    /// Commands go in here that nobody looks at before: the server's own.
    pub handler: Handler,
    /// Commands of clients, backends and extensions go in here.
    pub reviewing: Reviewing,
    /// State.
    pub projections: Arc<Projections>,
    /// Sessions of this node.
    pub fanout: Arc<Fanout>,
    /// Cursors on their way to the log.
    pub cursors: Arc<Cursors>,
    /// Keys of sealed content.
    pub keys: Arc<dyn KeyStore>,
    /// Who is here.
    pub presence: Arc<Presence>,
    /// Derived ids.
    pub ids: Ids,
    /// The log.
    pub log: SharedLog,
    /// Time.
    pub clock: SharedClock,
    /// Randomness.
    pub random: Arc<dyn ring::rand::SecureRandom + Send + Sync>,
    /// The settings the handler runs with.
    pub config: handler::Config,
    health: Arc<Health>,
    threads: parking_lot::Mutex<Vec<JoinHandle<()>>>,
    /// Speaks with other nodes until the flag is set: to the end, they wait for answers.
    speaker: parking_lot::Mutex<Option<(Arc<AtomicBool>, JoinHandle<()>)>>,
}

/// How far the projections are behind the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lag {
    /// Position of the log's last record.
    pub head: u64,
    /// Positions that are not folded yet. Where shards are many, not every position has a record.
    pub positions: u64,
    /// The same in milliseconds of recorded time; 0 when everything is folded.
    pub ms: u64,
}

/// How the node is doing.
#[derive(Debug, Default)]
pub struct Health {
    stopping: AtomicBool,
    /// Recorded time of the last commit folded, milliseconds since 1970.
    folded_ms: AtomicU64,
    /// Set while folding fails.
    failing: AtomicBool,
}

impl Health {
    /// The log can be folded.
    fn folds(&self) {
        if self.failing.swap(false, Ordering::Relaxed) {
            tracing::info!("the log can be folded again");
        }
    }
}

impl Node {
    /// Starts the node's threads.
    pub fn start(
        parts: Parts,
        ids: Ids,
        presence: presence::Config,
        cluster: Option<cluster::Config>,
    ) -> io::Result<Node> {
        let handler = Handler::new(parts.log.identity(), &parts.config, cluster);
        let fanout = Arc::new(Fanout::new(parts.projections.clone(), parts.keys.clone()));
        let cursors = Arc::new(Cursors::default());
        let health = Arc::new(Health::default());
        let presence = Arc::new(Presence::new(
            presence,
            parts.projections.clone(),
            handler.clone(),
            parts.clock.clone(),
            parts.random.clone(),
        ));
        let mut threads = Vec::new();
        threads.push(spawn("projector", {
            let (log, projections) = (parts.log.clone(), parts.projections.clone());
            let (fanout, presence) = (fanout.clone(), presence.clone());
            let health = health.clone();
            move || async move { project(&*log, &projections, &fanout, &presence, &health).await }
        })?);
        threads.push(spawn("presence", {
            let (log, presence) = (parts.log.clone(), presence.clone());
            let (cluster, health) = (handler.cluster().cloned(), health.clone());
            move || async move {
                presence
                    .run(&*log, cluster.as_deref(), &health.stopping)
                    .await
            }
        })?);
        threads.push(spawn("writer", {
            let (handler, parts) = (handler.clone(), parts.clone());
            move || writer::run(handler, parts)
        })?);
        threads.push(spawn("cursors", {
            let (handler, cursors, clock) = (handler.clone(), cursors.clone(), parts.clock.clone());
            let (health, fanout) = (health.clone(), fanout.clone());
            move || async move {
                let mut tick =
                    tokio::time::interval(Duration::from_millis(handler::cursors::FLUSH_EVERY_MS));
                while !health.stopping.load(Ordering::Relaxed) {
                    tick.tick().await;
                    cursors.flush(clock.now_ms(), false, &handler);
                    fanout.wake_overdue();
                }
            }
        })?);
        threads.push(spawn("flush", {
            let (projections, health) = (parts.projections.clone(), health.clone());
            let metrics = handler.metrics().clone();
            move || async move {
                let mut flushed = crate::clock::moment();
                let mut failing = None;
                while !health.stopping.load(Ordering::Relaxed) {
                    tokio::time::sleep(FLUSH_LOOK).await;
                    // What failed a moment ago is not tried again sooner because there is much of it.
                    let full = failing.is_none()
                        && projections.store().overlay_bytes() >= FLUSH_BYTES;
                    if !full && flushed.elapsed() < FLUSH_EVERY {
                        continue;
                    }
                    flushed = crate::clock::moment();
                    match projections.flush() {
                        Ok(_) => {
                            if failing.take().is_some() {
                                tracing::info!("the projections can be written again");
                            }
                        }
                        Err(error) => {
                            metrics.flush_failed();
                            if failing.is_none_or(|said| flushed - said >= SAY_EVERY) {
                                failing = Some(flushed);
                                tracing::error!(%error, "the projections could not be written, trying again");
                            }
                        }
                    }
                }
            }
        })?);
        let mut speaker = None;
        if let Some(cluster) = handler.cluster() {
            let (cluster, fanout) = (cluster.clone(), fanout.clone());
            let silent = Arc::new(AtomicBool::new(false));
            let thread = spawn("cluster", {
                let silent = silent.clone();
                move || async move { cluster.run(&fanout, &silent).await }
            })?;
            speaker = Some((silent, thread));
        }
        let reviewing = Reviewing::new(
            handler.clone(),
            parts.config.queue_commands,
            parts.config.queue_bytes,
        );
        Ok(Node {
            speaker: parking_lot::Mutex::new(speaker),
            handler,
            reviewing,
            random: parts.random,
            projections: parts.projections,
            fanout,
            cursors,
            keys: parts.keys,
            presence,
            ids,
            log: parts.log,
            clock: parts.clock,
            config: parts.config,
            health,
            threads: parking_lot::Mutex::new(threads),
        })
    }

    /// How far the projections are behind the log; an error when the log cannot be asked.
    pub async fn lag(&self) -> Result<Lag, crate::log::ReadError> {
        let head = self.log.head(Lane::Journal).await?.0;
        let positions = head.saturating_sub(self.projections.cursor());
        let folded_ms = self.health.folded_ms.load(Ordering::Relaxed);
        Ok(Lag {
            head,
            positions,
            // Before anything was folded since the start nobody knows.
            ms: match (positions, folded_ms) {
                (0, _) | (_, 0) => 0,
                _ => self.clock.now_ms().saturating_sub(folded_ms),
            },
        })
    }

    /// Tells the other members' sessions, on whichever node, what somebody does. Of the invisible they are
    /// told only that what they were told of before is over.
    pub fn signal(
        &self,
        doing: Doing,
        conversation: ConversationId,
        user: &UserId,
        active: bool,
    ) -> Result<(), ReadError> {
        if active && self.projections.is_invisible(user) {
            return Ok(());
        }
        if let Some(cluster) = self.handler.cluster() {
            cluster.signal(doing, conversation, user, active);
        }
        self.fanout.signal(doing, conversation, user, active)
    }

    /// Says where clients reach this node, for the clients of others: `http://host:port`.
    pub fn reachable_at(&self, url: String) {
        if let Some(cluster) = self.handler.cluster() {
            cluster.reachable_at(url);
        }
    }

    /// Leaves this node's shards to others, and is no longer named to clients.
    pub fn leave(&self) {
        if let Some(cluster) = self.handler.cluster() {
            cluster.leave();
        }
    }

    /// How many other nodes are here.
    pub fn others(&self) -> usize {
        self.handler.cluster().map_or(0, |cluster| cluster.others())
    }

    /// How many of the log's shards this node writes.
    pub fn shards_written(&self) -> usize {
        let all = self.log.identity().shards;
        self.handler
            .cluster()
            .map_or(usize::from(all), |cluster| cluster.shards_written())
    }

    /// Whether this node writes what is recorded in a stream, as far as it knows.
    pub fn writes(&self, stream: &Stream) -> bool {
        let shard = self.log.identity().shard_of(stream.hash());
        let cluster = self.handler.cluster();
        cluster.is_none_or(|cluster| cluster.writes(shard))
    }

    /// Where clients reach the other nodes.
    pub fn other_nodes(&self) -> Vec<String> {
        self.handler
            .cluster()
            .map_or_else(Vec::new, |cluster| cluster.urls())
    }

    /// Whether folding is failing at present.
    pub fn is_failing(&self) -> bool {
        self.health.failing.load(Ordering::Relaxed)
    }

    /// Writes what is waiting, folds it, puts it on disk and ends the threads. Blocking: sessions
    /// are to be gone before.
    pub fn stop(&self) {
        self.leave();
        if self.others() > 0 {
            // What is on its way here is carried out still.
            thread::sleep(cluster::LEAVE);
        }
        self.cursors.flush(self.clock.now_ms(), true, &self.handler);
        self.handler.close();
        self.health.stopping.store(true, Ordering::Relaxed);
        for thread in self.threads.lock().drain(..) {
            // The projector waits in the log's tail, which has no end: it goes with the process.
            if thread.thread().name() != Some("projector") && thread.join().is_err() {
                tracing::error!("a thread of the node ended in a panic");
            }
        }
        if let Some((silent, thread)) = self.speaker.lock().take() {
            silent.store(true, Ordering::Relaxed);
            if let Some(cluster) = self.handler.cluster() {
                cluster.wake();
            }
            if thread.join().is_err() {
                tracing::error!("the thread that speaks with other nodes ended in a panic");
            }
        }
        self.log.close();
        // Twice: after a failed flush the first call writes only what that one left.
        for _ in 0..2 {
            if let Err(error) = self.projections.flush() {
                tracing::warn!(%error, "the projections could not be written: they are folded again at the next start");
            }
        }
    }
}

/// A thread with a runtime of its own. The work is made on it, so that it may hold what cannot be
/// sent between threads.
fn spawn<W: Future<Output = ()>>(
    name: &str,
    work: impl FnOnce() -> W + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        let _alone = Indispensable;
        runtime.block_on(work());
    })
}

/// A server without one of its threads would take requests and answer none: it ends, and whoever watches
/// over it starts it again, with everything that it acknowledged.
struct Indispensable;

impl Drop for Indispensable {
    fn drop(&mut self) {
        if thread::panicking() {
            tracing::error!("a thread of the node has ended in a panic: so does the server");
            std::process::abort();
        }
    }
}

/// Folds the log as it grows, and tells the sessions.
async fn project(
    log: &dyn EventLog,
    projections: &Projections,
    fanout: &Fanout,
    presence: &Presence,
    health: &Health,
) {
    while !health.stopping.load(Ordering::Relaxed) {
        let failed = match follow(log, projections, fanout, presence, health).await {
            Ok(()) => return,
            // A log that has been closed has no more to tell.
            Err(_) if health.stopping.load(Ordering::Relaxed) => return,
            Err(failed) => failed,
        };
        health.failing.store(true, Ordering::Relaxed);
        tracing::error!(error = %failed, position = projections.cursor(), "the log cannot be folded, trying again");
        tokio::time::sleep(RETRY).await;
    }
}

async fn follow(
    log: &dyn EventLog,
    projections: &Projections,
    fanout: &Fanout,
    presence: &Presence,
    health: &Health,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut tail = log
        .tail(Lane::Journal, Position(projections.cursor()))
        .await?;
    if health.failing.load(Ordering::Relaxed)
        && log.head(Lane::Journal).await?.0 <= projections.cursor()
    {
        // It was the log that could not be read, and there is nothing left to fold: on a quiet log nothing
        // else would say that it is well again.
        health.folds();
    }
    while !health.stopping.load(Ordering::Relaxed) {
        let records = tail.next().await?;
        let commits = records
            .iter()
            .map(Commit::decode)
            .collect::<Result<Vec<_>, _>>()?;
        while projections.is_behind_on_disk() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        fanout.prepare(&commits)?;
        presence.before(&commits);
        let parked = projections.apply(&commits)?;
        if !parked.is_empty() {
            // Sessions are told nothing of these streams, not even of what was folded just now.
            fanout.interrupt();
        }
        health.folds();
        if let Some(last) = commits.last() {
            health.folded_ms.store(last.recorded_ms, Ordering::Relaxed);
        }
        for commit in &commits {
            // Folded already: a failure here must not fold it again. Sessions that missed something
            // would have a hole, so they are all made to resume.
            if let Err(error) = fanout.commit(commit).await {
                tracing::error!(%error, "sessions could not be told of a commit: they resume");
                fanout.interrupt();
            }
            presence.folded(commit);
        }
    }
    Ok(())
}
