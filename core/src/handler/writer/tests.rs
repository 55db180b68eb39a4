//! One writer over a real log: durable before answered, once and in order, whatever goes wrong.

use std::rc::Rc;

use async_trait::async_trait;
use parking_lot::Mutex;
use tempfile::TempDir;

use super::*;
use crate::{
    clock::{Clock, SystemClock},
    commit::Commit,
    domain::{UserCommand, id::COMMAND_MEMORY_MS},
    handler::{Chain, Config},
    keys::{
        embedded::Embedded as Keys,
        seal::{KEY, OperatorKey, RawKey},
    },
    log::{
        Identity, MAX_RECORD_BYTES,
        embedded::{Embedded as Log, Options},
    },
    projections::{Projections, rebuild},
};

mod facts;
mod faults;
mod retries;
mod reviewed;
mod rounds;
mod toasts;

/// What a node has on its disk, and its writer's queue.
struct Desk {
    parts: Parts,
    handler: Handler,
    folder: Rc<TempDir>,
}

impl Desk {
    fn new() -> Desk {
        let folder = TempDir::new().expect("a temporary folder");
        let options = Options {
            segment_bytes: 4 << 20,
            ..Options::new(Uuid::from_u128(1), Uuid::from_u128(2))
        };
        let log = Log::create(&folder.path().join("log"), &options).expect("the log is made");
        let operator = OperatorKey::new(&RawKey::from_bytes([7; KEY]));
        #[expect(clippy::disallowed_methods, reason = "the test hands it in")]
        let random = Arc::new(ring::rand::SystemRandom::new());
        let keys = Keys::open(&folder.path().join("keys"), operator, random.clone());
        let identity = log.identity();
        Desk::over(
            Parts {
                log: Arc::new(log),
                keys: Arc::new(keys.expect("opens")),
                projections: projections(&folder, "rows", identity),
                clock: Arc::new(SystemClock),
                random,
                config: Config::default(),
            },
            Rc::new(folder),
        )
    }

    fn over(parts: Parts, folder: Rc<TempDir>) -> Desk {
        let handler = Handler::new(parts.log.identity(), &parts.config, None);
        Desk {
            parts,
            handler,
            folder,
        }
    }

    /// Another node over the same log, whose rows have yet to be folded.
    fn another(&self, name: &str) -> Desk {
        let projections = projections(&self.folder, name, self.parts.log.identity());
        Desk::over(
            Parts {
                projections,
                ..self.parts.clone()
            },
            self.folder.clone(),
        )
    }

    /// The same node after a restart.
    fn again(&self) -> Desk {
        Desk::over(self.parts.clone(), self.folder.clone())
    }

    /// Submits a command; its answer appears in what is returned.
    fn submit(&self, actor: &str, id: Option<CommandId>, command: Command) -> Reply {
        let answer = Arc::new(Mutex::new(None));
        let told = answer.clone();
        self.handler.submit(Submission {
            actor: user(actor),
            command,
            id,
            happened_ms: None,
            known: 0,
            chain: None,
            trace: None,
            reply: Box::new(move |answer| assert!(told.lock().replace(answer).is_none())),
        });
        Reply(answer)
    }

    /// Submits posts that are carried out in order.
    fn chained(&self, actor: &str, posts: &[(CommandId, String)]) -> Vec<Reply> {
        let chain = Chain::default();
        let submit = |(id, text): &(CommandId, String)| {
            let answer = Arc::new(Mutex::new(None));
            let (told, of) = (answer.clone(), chain.clone());
            self.handler.submit(Submission {
                actor: user(actor),
                command: post(text),
                id: Some(*id),
                happened_ms: None,
                known: 0,
                chain: Some(chain.clone()),
                trace: None,
                reply: Box::new(move |answer| {
                    of.answered(&answer);
                    assert!(told.lock().replace(answer).is_none());
                }),
            });
            Reply(answer)
        };
        posts.iter().map(submit).collect()
    }

    fn post(&self, actor: &str, id: CommandId, text: &str) -> Reply {
        self.submit(actor, Some(id), post(text))
    }

    /// Lets the writer work until everything submitted so far is answered, and stops it.
    async fn work(&self) {
        self.handler.close();
        run(self.handler.clone(), self.parts.clone()).await;
    }

    /// Folds everything that is in the log.
    async fn fold(&self) {
        let head = self.parts.log.head(Lane::Journal).await.expect("reads");
        let (log, projections) = (&*self.parts.log, &self.parts.projections);
        rebuild::fold(log, projections, head, &mut |_, _| {})
            .await
            .expect("folds");
    }

    /// Every commit in the log.
    async fn commits(&self) -> Vec<Commit> {
        let head = self.parts.log.head(Lane::Journal).await.expect("reads");
        let mut tail = self
            .parts
            .log
            .tail(Lane::Journal, Position::START)
            .await
            .expect("reads");
        let mut commits = Vec::new();
        while commits.last().map_or(0, |last: &Commit| last.position.0) < head.0 {
            let records = tail.next().await.expect("reads");
            commits.extend(
                records
                    .iter()
                    .map(|record| Commit::decode(record).expect("a commit")),
            );
        }
        commits
    }

    /// `seq` and command of every message in the log.
    async fn posted(&self) -> Vec<(u64, Option<CommandId>)> {
        let commits = self.commits().await;
        let events = commits.iter().flat_map(Commit::events);
        let posted = events.filter_map(|(_, batch, event)| match event {
            Event::MessagePosted { seq, .. } => {
                Some((*seq, batch.command.map(|command| command.id)))
            }
            _ => None,
        });
        posted.collect()
    }
}

fn projections(folder: &TempDir, name: &str, identity: Identity) -> Arc<Projections> {
    let projections = Projections::open(&folder.path().join(name), identity);
    Arc::new(projections.expect("opens"))
}

/// An answer that has come or will come.
struct Reply(Arc<Mutex<Option<Answer>>>);

impl Reply {
    fn get(&self) -> Option<Answer> {
        self.0.lock().clone()
    }

    fn accepted(&self) -> Accepted {
        match self.get() {
            Some(Answer::Accepted(accepted)) => accepted,
            other => panic!("not accepted: {other:?}"),
        }
    }

    fn refused(&self) -> Refusal {
        match self.get() {
            Some(Answer::Refused(refusal)) => refusal,
            other => panic!("not refused: {other:?}"),
        }
    }
}

fn user(id: &str) -> UserId {
    UserId::new(id).expect("a user id")
}

/// A command id of now.
fn command_id(n: u8) -> CommandId {
    id_at(SystemClock.now_ms(), n)
}

fn id_at(ms: u64, n: u8) -> CommandId {
    CommandId(uuid::Builder::from_unix_timestamp_millis(ms, &[n; 10]).into_uuid())
}

fn conversation() -> ConversationId {
    ConversationId(Uuid::from_u128(77))
}

fn start() -> Command {
    let pair = (user("ann"), user("bob"));
    let context = String::new();
    Command::Conversation(
        conversation(),
        ConversationCommand::StartDirect { pair, context },
    )
}

fn post(text: &str) -> Command {
    let (text, mentions) = (text.to_owned(), Vec::new());
    Command::Conversation(
        conversation(),
        ConversationCommand::Post {
            text,
            reply_to: 0,
            mentions,
        },
    )
}

/// A node whose conversation has been started, folded.
async fn started() -> Desk {
    let desk = Desk::new();
    let reply = desk.submit("ann", Some(command_id(1)), start());
    desk.work().await;
    assert_eq!(reply.accepted().position, 1);
    desk.fold().await;
    Desk::over(desk.parts, desk.folder)
}
