//! The order in which reviewed commands leave, whatever their reviews take.

use tokio::sync::Semaphore;

use super::*;
use crate::{
    domain::{ConversationCommand, ConversationId, Review, Verdict},
    handler::{Config, digest::digest},
    log::{Identity, Shard},
};

/// Looks at posts; those that say `wait` wait until they are let go, those that say `panic` panic.
struct Slow {
    gate: Semaphore,
}

#[async_trait]
impl Reviewer for Slow {
    fn looks_at(&self, command: &Command) -> bool {
        text_of(command).is_some()
    }

    async fn review(&self, asked: Asked<'_>) -> Option<Reviewed> {
        let text = text_of(asked.command).expect("it is asked about posts alone");
        match text {
            "wait" => self.gate.acquire().await.expect("open").forget(),
            "panic" => panic!("as asked"),
            _ => return None,
        }
        Some(Reviewed {
            command: asked.command.clone(),
            digest: digest(asked.command),
            reviews: vec![Review {
                extension: "slow".to_owned(),
                version: "1.0.0".to_owned(),
                verdict: Verdict::Allow,
                reason: String::new(),
                labels: vec!["seen".to_owned()],
                failed: false,
            }],
        })
    }
}

fn text_of(command: &Command) -> Option<&str> {
    match command {
        Command::Conversation(_, ConversationCommand::Post { text, .. }) => Some(text),
        Command::Reviewed(reviewed) => text_of(&reviewed.command),
        _ => None,
    }
}

fn post(place: u128, text: &str) -> Command {
    Command::Conversation(
        ConversationId(uuid::Uuid::from_u128(place)),
        ConversationCommand::Post {
            text: text.to_owned(),
            reply_to: 0,
            mentions: Vec::new(),
        },
    )
}

fn react(place: u128) -> Command {
    Command::Conversation(
        ConversationId(uuid::Uuid::from_u128(place)),
        ConversationCommand::React {
            seq: 1,
            reaction: "+1".to_owned(),
        },
    )
}

struct Bench {
    handler: Handler,
    reviewing: Reviewing,
    reviewer: Arc<Slow>,
    answers: Arc<Mutex<Vec<String>>>,
}

impl Bench {
    fn new(most: usize) -> Bench {
        let identity = Identity {
            epoch: uuid::Uuid::nil(),
            shards: 1,
        };
        let handler = Handler::new(identity, &Config::default(), None);
        let reviewing = Reviewing::new(handler.clone(), most, 1 << 20);
        let reviewer = Arc::new(Slow {
            gate: Semaphore::new(0),
        });
        reviewing.set_reviewer(Some(reviewer.clone()));
        Bench {
            handler,
            reviewing,
            reviewer,
            answers: Arc::default(),
        }
    }

    fn submit(&self, actor: &str, command: Command) {
        let answers = self.answers.clone();
        let submission = Submission {
            actor: UserId::new(actor).expect("a user id"),
            command,
            id: None,
            happened_ms: None,
            known: 0,
            chain: None,
            trace: None,
            reply: Box::new(move |answer| answers.lock().push(format!("{answer:?}"))),
        };
        self.reviewing.submit(Origin::Client, submission);
    }

    /// What has come to the writer since: whose, and what.
    fn came(&self) -> Vec<String> {
        let mut all = Vec::new();
        self.handler.queue(Shard(0)).take_more(&mut all);
        let said = |submission: &Submission| {
            let text = text_of(&submission.command).unwrap_or("reacts");
            let reviewed = matches!(submission.command, Command::Reviewed(_));
            let mark = if reviewed { " reviewed" } else { "" };
            format!("{} {text}{mark}", submission.actor)
        };
        all.iter().map(said).collect()
    }

    async fn settle(&self) {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }

    fn is_idle(&self) -> bool {
        let lines = self.reviewing.0.lines.lock();
        lines.waiting.is_empty() && lines.commands == 0 && lines.bytes == 0
    }
}

#[tokio::test]
async fn what_somebody_asks_of_one_place_keeps_its_order_and_holds_nobody_up() {
    let bench = Bench::new(100);
    bench.submit("ann", post(1, "first"));
    bench.submit("ann", post(1, "wait"));
    bench.submit("ann", react(1));
    bench.submit("ann", post(1, "last"));
    bench.submit("ann", post(2, "elsewhere"));
    bench.submit("bob", post(1, "somebody else"));
    assert_eq!(
        bench.came(),
        ["ann first", "ann elsewhere", "bob somebody else"]
    );
    bench.settle().await;
    assert!(bench.came().is_empty());
    bench.reviewer.gate.add_permits(1);
    bench.settle().await;
    assert_eq!(
        bench.came(),
        ["ann wait reviewed", "ann reacts", "ann last"]
    );
    assert!(bench.is_idle());
    // Without a reviewer everything passes.
    bench.reviewing.set_reviewer(None);
    bench.submit("ann", post(1, "wait"));
    assert_eq!(bench.came(), ["ann wait"]);
}

#[tokio::test]
async fn a_review_that_panics_lets_nothing_past_and_holds_nothing_up() {
    let bench = Bench::new(100);
    bench.submit("ann", post(1, "panic"));
    bench.submit("ann", post(1, "next"));
    bench.settle().await;
    assert_eq!(bench.came(), ["ann next"]);
    let answers = bench.answers.lock().clone();
    assert_eq!(answers.len(), 1);
    assert!(answers[0].contains("moderation has failed"), "{answers:?}");
    assert!(bench.is_idle());
}

#[tokio::test]
async fn only_so_much_waits() {
    let bench = Bench::new(2);
    for text in ["wait", "one", "two", "three"] {
        bench.submit("ann", post(1, text));
    }
    let answers = bench.answers.lock().clone();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert!(answers[0].contains("too many commands"), "{answers:?}");
    bench.reviewer.gate.add_permits(1);
    bench.settle().await;
    assert_eq!(bench.came(), ["ann wait reviewed", "ann one", "ann two"]);
    assert!(bench.is_idle());
}

#[test]
fn who_waits_when_the_runtime_ends_is_told() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let bench = Bench::new(100);
    runtime.block_on(async {
        bench.submit("ann", post(1, "wait"));
        bench.submit("ann", post(1, "next"));
    });
    drop(runtime);
    assert_eq!(bench.answers.lock().len(), 1);
    assert!(bench.is_idle() && bench.came().is_empty());
}
