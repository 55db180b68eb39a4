//! Commands find their writer, in order, whoever comes and goes.

use std::sync::atomic::AtomicBool;

use proptest::prelude::*;

use super::*;
use crate::{
    cluster::wire::{Arrived, items},
    domain::{Command, CommandId, ConversationCommand, ConversationId, UserId},
    handler::{Accepted, Config, Handler},
    log::Identity,
};

const SHARD: Shard = Shard(0);

/// A router whose clock is turned by hand; the local queue is looked into, not written from.
struct Bench {
    router: Arc<Router>,
    queue: Arc<Queue>,
    clock: Arc<AtomicU64>,
    told: Arc<Mutex<Vec<(u128, bool)>>>,
}

fn name(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn announcement(number: u128) -> Announcement {
    Announcement {
        node: name(number),
        epoch: name(0),
        format: wire::FORMAT,
        url: String::new(),
        leaving: false,
        presence: Uuid::nil(),
    }
}

/// A node that writes `SHARD` when it is there beside node 1.
fn stronger() -> u128 {
    let mut members = Members::new(announcement(1));
    (2..100)
        .find(|other| {
            members.heard(announcement(*other), Duration::ZERO);
            let strong = members.writer(SHARD) == name(*other);
            members.gone(name(*other));
            strong
        })
        .expect("half of them are")
}

impl Bench {
    fn new() -> Bench {
        let identity = Identity {
            epoch: name(0),
            shards: 1,
        };
        let handler = Handler::new(identity, &Config::default(), None);
        let queue = handler.queue(SHARD);
        let clock = Arc::new(AtomicU64::new(0));
        let shown = clock.clone();
        let now = move || Duration::from_millis(shown.load(Ordering::Relaxed));
        Bench {
            router: Arc::new(Router::new(
                announcement(1),
                Arc::new([queue.clone()]),
                Box::new(now),
            )),
            queue,
            clock,
            told: Arc::default(),
        }
    }

    fn hear(&self, number: u128) {
        let now = self.router.now();
        self.router.members.lock().heard(announcement(number), now);
    }

    fn submit(&self, number: u128) {
        let told = self.told.clone();
        let conversation = ConversationId(name(0));
        self.router.submit(
            SHARD,
            Submission {
                actor: UserId::new("ann").unwrap(),
                command: Command::Conversation(conversation, ConversationCommand::Join),
                id: Some(CommandId(name(number))),
                happened_ms: None,
                known: 0,
                chain: None,
                trace: None,
                reply: Box::new(move |answer| {
                    let accepted = matches!(answer, Answer::Accepted(_));
                    told.lock().push((number, accepted));
                }),
            },
        );
    }

    /// What waits in this node's queue.
    fn here(&self) -> Vec<Submission> {
        let mut taken = Vec::new();
        self.queue.take_more(&mut taken);
        taken
    }

    /// What has been sent to other nodes.
    fn away(&self) -> Vec<(Uuid, Arrived)> {
        let messages = self.router.commands.messages().into_iter();
        messages
            .flat_map(|(node, message)| {
                let arrived = items::<Arrived>(&message).into_iter();
                arrived.map(move |arrived| (node, arrived))
            })
            .collect()
    }

    fn answer_away(&self, arrived: &Arrived) {
        self.router
            .answered(arrived.shard, arrived.number, accepted());
    }

    fn told(&self) -> Vec<(u128, bool)> {
        self.told.lock().clone()
    }
}

fn accepted() -> Answer {
    Answer::Accepted(Accepted {
        position: 1,
        at_ms: 0,
        conversation: None,
        seq: 0,
        held: 0,
        duplicate: false,
    })
}

fn number(submission: &Submission) -> u128 {
    submission.id.expect("they have ids").0.as_u128()
}

fn numbers(submissions: &[Submission]) -> Vec<u128> {
    submissions.iter().map(number).collect()
}

fn answer_all(submissions: Vec<Submission>) {
    for submission in submissions {
        (submission.reply)(accepted());
    }
}

#[test]
fn a_shard_goes_over_once_nothing_is_on_its_way() {
    let bench = Bench::new();
    let other = stronger();
    bench.submit(1);
    let first = bench.here();
    assert_eq!(numbers(&first), [1]);
    bench.hear(other);
    bench.submit(2);
    bench.submit(3);
    assert!(bench.here().is_empty() && bench.away().is_empty(), "held");
    answer_all(first);
    let away = bench.away();
    let sent: Vec<_> = away
        .iter()
        .map(|(node, arrived)| (*node, arrived.id))
        .collect();
    let expected = |number| (name(other), Some(CommandId(name(number))));
    assert_eq!(sent, [expected(2), expected(3)]);
    away.iter()
        .for_each(|(_, arrived)| bench.answer_away(arrived));
    assert_eq!(bench.told(), [(1, true), (2, true), (3, true)]);
    assert_eq!(bench.router.waiting(), 0);
}

#[test]
fn what_a_node_that_went_had_not_answered_is_sent_elsewhere() {
    let bench = Bench::new();
    let other = stronger();
    bench.hear(other);
    for number in 1..=4 {
        bench.submit(number);
    }
    let away = bench.away();
    bench.answer_away(&away[0].1);
    bench.router.gone(name(other));
    bench.submit(5);
    let here = bench.here();
    assert_eq!(numbers(&here), [2, 3, 4, 5]);
    // It comes too late: who was answered is not told again.
    bench.answer_away(&away[1].1);
    answer_all(here);
    let told: Vec<u128> = bench.told().iter().map(|(number, _)| *number).collect();
    assert_eq!(told, [1, 2, 3, 4, 5]);
}

#[test]
fn a_node_that_does_not_answer_is_given_up() {
    let bench = Bench::new();
    let other = stronger();
    bench.hear(other);
    bench.submit(1);
    bench.clock.store(2_000, Ordering::Relaxed);
    bench.hear(other);
    assert!(bench.router.give_up().is_empty());
    // It goes on saying that it is here.
    bench.clock.store(3_001, Ordering::Relaxed);
    bench.hear(other);
    assert_eq!(bench.router.give_up(), [name(other)]);
    assert_eq!(numbers(&bench.here()), [1]);
    // Nor is one whose silence is long enough, whatever it was sent.
    bench.hear(other);
    bench.clock.store(9_000, Ordering::Relaxed);
    assert_eq!(bench.router.give_up(), [name(other)]);
    assert_eq!(bench.router.members.lock().others(), 0);
}

#[test]
fn a_full_queue_refuses_and_the_shard_goes_on() {
    let bench = Bench::new();
    let handler = Handler::new(
        Identity {
            epoch: name(0),
            shards: 1,
        },
        &Config::default(),
        None,
    );
    handler.close();
    let router = Arc::new(Router::new(
        announcement(1),
        Arc::new([handler.queue(SHARD)]),
        Box::new(|| Duration::ZERO),
    ));
    let bench = Bench { router, ..bench };
    bench.submit(1);
    bench.submit(2);
    assert_eq!(bench.told(), [(1, false), (2, false)]);
    let other = stronger();
    bench.hear(other);
    bench.submit(3);
    assert_eq!(bench.away().len(), 1, "nothing is on its way here any more");
}

#[derive(Clone, Debug)]
enum Step {
    Submit,
    Hear(u128),
    Gone(u128),
    /// The writer of this node takes what waits, and answers so many of it.
    Here(usize),
    /// Other nodes take what they were sent, and answer so many.
    Away(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => Just(Step::Submit),
        1 => (2..6_u128).prop_map(Step::Hear),
        1 => (2..6_u128).prop_map(Step::Gone),
        3 => (0..4_usize).prop_map(Step::Here),
        3 => (0..4_usize).prop_map(Step::Away),
    ];
    prop::collection::vec(step, 1..120)
}

proptest! {
    /// Whatever happens, each command is answered once, and no writer is given a command before one
    /// that was submitted earlier has been answered or given to the same writer.
    #[test]
    fn commands_keep_their_order(steps in steps()) {
        let bench = Bench::new();
        let mut next = 1;
        let mut here: VecDeque<Submission> = VecDeque::new();
        let mut away: VecDeque<(Uuid, Arrived)> = VecDeque::new();
        let mut gone: Vec<Uuid> = Vec::new();
        // What each writer was given and has not answered, in order.
        let in_order = |here: &VecDeque<Submission>, away: &VecDeque<(Uuid, Arrived)>, gone: &[Uuid]| {
            let mut open: Vec<(Option<Uuid>, u128)> = here.iter().map(|s| (None, number(s))).collect();
            let live = away.iter().filter(|(node, _)| !gone.contains(node));
            open.extend(live.map(|(node, arrived)| (Some(*node), arrived.id.unwrap().0.as_u128())));
            // One writer at a time, and in its order.
            open.windows(2).all(|pair| pair[0].0 == pair[1].0 && pair[0].1 < pair[1].1)
        };
        for step in steps {
            match step {
                Step::Submit => {
                    bench.submit(next);
                    next += 1;
                }
                Step::Hear(node) => {
                    // Another life of it: what the last one was sent is lost.
                    if !gone.contains(&name(node)) {
                        bench.hear(node);
                    }
                }
                Step::Gone(node) => {
                    bench.router.gone(name(node));
                    away.extend(bench.away());
                    gone.push(name(node));
                }
                Step::Here(count) => {
                    here.extend(bench.here());
                    for _ in 0..count {
                        let Some(submission) = here.pop_front() else { break };
                        (submission.reply)(accepted());
                    }
                }
                Step::Away(count) => {
                    away.extend(bench.away());
                    away.retain(|(node, _)| !gone.contains(node));
                    for _ in 0..count {
                        let Some((_, arrived)) = away.pop_front() else { break };
                        bench.answer_away(&arrived);
                    }
                }
            }
            here.extend(bench.here());
            away.extend(bench.away());
            prop_assert!(in_order(&here, &away, &gone));
        }
        let ended = AtomicBool::new(false);
        for _ in 0..1_000 {
            here.extend(bench.here());
            away.extend(bench.away());
            away.retain(|(node, _)| !gone.contains(node));
            if here.is_empty() && away.is_empty() {
                ended.store(true, Ordering::Relaxed);
                break;
            }
            here.drain(..).for_each(|submission| (submission.reply)(accepted()));
            away.drain(..).for_each(|(_, arrived)| bench.answer_away(&arrived));
        }
        prop_assert!(ended.load(Ordering::Relaxed));
        let told: Vec<u128> = bench.told().iter().map(|(number, _)| *number).collect();
        prop_assert_eq!(told, (1..next).collect::<Vec<_>>());
    }
}
