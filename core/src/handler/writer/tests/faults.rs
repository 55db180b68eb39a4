//! Appends that fail, or whose outcome nobody knows.

use bytes::Bytes;

use super::*;
use crate::{
    domain::Content,
    history::play::batch,
    log::{SharedLog, Tail},
};

/// What becomes of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// It gets through, and nobody hears of it.
    Deaf,
    /// The same, and another writer appends on top of it.
    Overtaken,
    /// It does not get through, and nobody hears of that.
    Lost,
    /// It is turned away.
    Refused,
}

/// A log whose next appends fail in ways that a network has.
struct Faulty {
    log: SharedLog,
    faults: Mutex<Vec<Fault>>,
}

#[async_trait]
impl EventLog for Faulty {
    fn identity(&self) -> Identity {
        self.log.identity()
    }

    fn incarnation(&self, lane: Lane) -> Uuid {
        self.log.incarnation(lane)
    }

    async fn append(&self, append: Append) -> Result<Position, AppendError> {
        let unclear = Err(AppendError::Unclear("no answer came".to_owned()));
        let fault = self.faults.lock().pop();
        match fault {
            None => self.log.append(append).await,
            Some(Fault::Deaf) => {
                self.log.append(append).await?;
                unclear
            }
            Some(Fault::Overtaken) => {
                let expected = self.log.append(append.clone()).await?;
                let payload = Commit::encode(7, &[posted_elsewhere()]);
                let id = Uuid::from_u128(4);
                self.log
                    .append(Append {
                        expected,
                        id,
                        payload,
                        ..append
                    })
                    .await?;
                unclear
            }
            Some(Fault::Lost) => unclear,
            Some(Fault::Refused) => Err(AppendError::Unavailable("the disk is full".to_owned())),
        }
    }

    async fn last(&self, lane: Lane, shard: Shard) -> Result<Position, LogReadError> {
        self.log.last(lane, shard).await
    }

    async fn head(&self, lane: Lane) -> Result<Position, LogReadError> {
        self.log.head(lane).await
    }

    async fn tail(&self, lane: Lane, after: Position) -> Result<Box<dyn Tail>, LogReadError> {
        self.log.tail(lane, after).await
    }
}

/// The third message, by another node.
fn posted_elsewhere() -> crate::commit::Batch {
    let posted = Event::MessagePosted {
        seq: 3,
        countable_seq: 3,
        content: Content::Sealed(Bytes::new()),
        reply_to: 0,
        mentions: Vec::new(),
    };
    batch(Stream::Conversation(conversation()), "bob", vec![posted])
}

async fn faulty(faults: &[Fault]) -> Desk {
    let faults = Mutex::new(faults.iter().rev().copied().collect());
    let Desk { parts, folder, .. } = started().await;
    let log = Arc::new(Faulty {
        log: parts.log.clone(),
        faults,
    });
    Desk::over(Parts { log, ..parts }, folder)
}

#[tokio::test]
async fn an_unclear_append_is_asked_about_until_its_outcome_is_known() {
    use Fault::{Deaf, Lost, Overtaken, Refused};
    let cases: [&[Fault]; 8] = [
        &[Deaf],
        &[Lost],
        &[Deaf, Lost],
        &[Lost, Lost, Deaf],
        &[Deaf, Refused],
        &[Lost, Refused],
        &[Overtaken],
        &[Lost, Overtaken, Lost],
    ];
    for faults in cases {
        let desk = faulty(faults).await;
        let ids = [2, 3, 4].map(command_id);
        let replies = [
            desk.post("ann", ids[0], "hello"),
            desk.post("bob", ids[1], "you"),
        ];
        let follow = async {
            fold_until(&desk, &replies[1]).await;
            let after = desk.post("ann", ids[2], "and on");
            desk.handler.close();
            fold_until(&desk, &after).await;
            after
        };
        let (_, after) = tokio::join!(run(desk.handler.clone(), desk.parts.clone()), follow);
        let found = replies.map(|reply| (reply.accepted().position, reply.accepted().seq));
        assert_eq!(found, [(2, 1), (2, 2)], "{faults:?}");
        let mut expected = vec![(1, Some(ids[0])), (2, Some(ids[1]))];
        if faults.contains(&Overtaken) {
            expected.push((3, None));
        }
        let last = expected.len() as u64 + 1;
        assert_eq!(after.accepted().seq, last, "{faults:?}");
        expected.push((last, Some(ids[2])));
        assert_eq!(desk.posted().await, expected, "{faults:?}");
    }
}

/// Folds what is in the log, as a projector does all the time, until an answer comes.
async fn fold_until(desk: &Desk, reply: &Reply) {
    while reply.get().is_none() {
        desk.fold().await;
        tokio::task::yield_now().await;
    }
}

/// Its sender is told to try again and goes away: what became of it is learnt all the same.
#[tokio::test(start_paused = true)]
async fn an_append_that_was_given_up_is_settled_though_nobody_comes() {
    let lost = vec![Fault::Lost; 20];
    let desk = faulty(&lost).await;
    let id = command_id(2);
    let given_up = desk.post("ann", id, "hello");
    let follow = async {
        while desk.posted().await.is_empty() {
            desk.fold().await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        desk.handler.close();
    };
    tokio::join!(run(desk.handler.clone(), desk.parts.clone()), follow);
    assert!(matches!(given_up.get(), Some(Answer::Unavailable(_))));
    assert_eq!(desk.posted().await, [(1, Some(id))]);
}

/// Not answered as accepted, so not done; and what was decided on top of it has not happened either.
#[tokio::test]
async fn what_could_not_be_appended_has_not_happened() {
    let desk = faulty(&[Fault::Refused]).await;
    let lost = desk.post("ann", command_id(2), "hello");
    let agreed = desk.submit("bob", Some(command_id(3)), start());
    let id = command_id(4);
    let follow = async {
        fold_until(&desk, &agreed).await;
        let read = ConversationCommand::MoveCursors {
            read: 1,
            delivered: 0,
        };
        let read = desk.submit("bob", None, Command::Conversation(conversation(), read));
        let posted = desk.post("ann", id, "again");
        desk.handler.close();
        (read, posted)
    };
    let (_, (read, posted)) = tokio::join!(run(desk.handler.clone(), desk.parts.clone()), follow);
    assert!(
        matches!(lost.get(), Some(Answer::Unavailable(_))),
        "{:?}",
        lost.get()
    );
    // It would have changed nothing, but that is so only once its round is durable.
    assert!(
        matches!(agreed.get(), Some(Answer::Unavailable(_))),
        "{:?}",
        agreed.get()
    );
    assert!(
        matches!(read.refused(), Refusal::Invalid(_)),
        "there is no message to read"
    );
    assert_eq!(posted.accepted().seq, 1);
    assert_eq!(desk.posted().await, [(1, Some(id))]);
}

/// Many commits, the first of which fails: nothing behind it gets in before it.
#[tokio::test]
async fn what_is_carried_out_in_order_stops_where_one_could_not_be_written() {
    let desk = faulty(&[Fault::Refused]).await;
    let text = "x".repeat(16 * 1024);
    let posts: Vec<_> = (2..102).map(|n| (command_id(n), text.clone())).collect();
    let failed = desk.chained("ann", &posts);
    let follow = async {
        fold_until(&desk, &failed[99]).await;
        let again = desk.chained("ann", &posts);
        desk.handler.close();
        fold_until(&desk, &again[99]).await;
        again
    };
    let (_, again) = tokio::join!(run(desk.handler.clone(), desk.parts.clone()), follow);
    for reply in &failed {
        assert!(matches!(reply.get(), Some(Answer::Unavailable(_))));
    }
    let seqs: Vec<_> = again.iter().map(|reply| reply.accepted().seq).collect();
    assert_eq!(seqs, Vec::from_iter(1..=100));
    let expected: Vec<_> = (1..).zip(posts.iter().map(|(id, _)| Some(*id))).collect();
    assert_eq!(desk.posted().await, expected);
}
