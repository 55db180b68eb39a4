//! Cursors between a client and the writer's queue.

use uuid::Uuid;

use super::*;
use crate::{handler::Config, log::Identity};

struct Desk {
    cursors: Arc<Cursors>,
    handler: Handler,
}

impl Desk {
    fn new() -> Desk {
        let identity = Identity {
            epoch: Uuid::nil(),
            shards: 1,
        };
        Desk {
            cursors: Arc::default(),
            handler: Handler::new(identity, &Config::default(), None),
        }
    }

    fn moved(&self, who: &str, read: u64, delivered: u64) {
        self.cursors
            .moved(place(), &UserId::trusted(who), read, delivered);
    }

    /// What is written at a time: who, read, delivered.
    fn flush(&self, now_ms: u64) -> Vec<(String, u64, u64)> {
        let submissions = self.submissions(now_ms, false);
        submissions.iter().map(shown).collect()
    }

    fn submissions(&self, now_ms: u64, all: bool) -> Vec<Submission> {
        self.cursors.flush(now_ms, all, &self.handler);
        let mut submissions = Vec::new();
        self.handler.queues[0].take_more(&mut submissions);
        submissions
    }
}

fn place() -> ConversationId {
    ConversationId(Uuid::from_u128(7))
}

fn shown(submission: &Submission) -> (String, u64, u64) {
    match &submission.command {
        Command::Conversation(_, ConversationCommand::MoveCursors { read, delivered }) => {
            (submission.actor.to_string(), *read, *delivered)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_first_move_is_written_at_once_and_the_next_ones_together_a_second_later() {
    let desk = Desk::new();
    desk.moved("ann", 0, 1);
    desk.moved("ann", 1, 1);
    assert_eq!(desk.flush(1_000), [("ann".to_owned(), 1, 1)]);
    desk.moved("ann", 2, 3);
    desk.moved("ann", 3, 0);
    assert_eq!(desk.flush(1_999), []);
    assert_eq!(desk.flush(2_000), [("ann".to_owned(), 3, 3)]);
    // Nothing to write: forgotten, and written at once when there is.
    assert_eq!(desk.flush(3_000), []);
    desk.moved("ann", 4, 0);
    assert_eq!(desk.flush(3_001), [("ann".to_owned(), 4, 0)]);
}

#[test]
fn what_does_not_move_forward_is_not_written() {
    let desk = Desk::new();
    desk.moved("ann", 5, 0);
    assert_eq!(desk.flush(1_000).len(), 1);
    desk.moved("ann", 4, 5);
    assert_eq!(desk.flush(2_000), []);
}

#[test]
fn members_do_not_wait_for_each_other() {
    let desk = Desk::new();
    desk.moved("ann", 1, 0);
    assert_eq!(desk.flush(1_000).len(), 1);
    desk.moved("ann", 2, 0);
    desk.moved("ben", 2, 0);
    assert_eq!(desk.flush(1_500), [("ben".to_owned(), 2, 0)]);
    assert_eq!(desk.flush(2_000), [("ann".to_owned(), 2, 0)]);
}

/// Nobody waits for the time to come round again.
#[test]
fn a_clock_that_is_set_back_stops_nobody() {
    let desk = Desk::new();
    desk.moved("ann", 1, 0);
    assert_eq!(desk.flush(9_000_000).len(), 1);
    desk.moved("ann", 2, 0);
    desk.moved("ben", 2, 0);
    assert_eq!(desk.flush(1_000_000).len(), 2);
    desk.moved("ben", 3, 0);
    assert_eq!(desk.flush(1_000_999), []);
    assert_eq!(desk.flush(1_001_000), [("ben".to_owned(), 3, 0)]);
}

#[test]
fn at_a_shutdown_everything_is_written() {
    let desk = Desk::new();
    desk.moved("ann", 1, 0);
    assert_eq!(desk.flush(1_000).len(), 1);
    desk.moved("ann", 2, 0);
    desk.moved("ben", 2, 0);
    assert_eq!(desk.submissions(1_001, true).len(), 2);
    assert!(desk.submissions(9_000, true).is_empty());
}

#[test]
fn what_could_not_be_written_is_tried_again_with_what_came_since() {
    let desk = Desk::new();
    desk.moved("ann", 1, 1);
    let failed = desk.submissions(1_000, false).remove(0);
    desk.moved("ann", 0, 2);
    (failed.reply)(Answer::Unavailable("not now".to_owned()));
    assert_eq!(desk.flush(1_500), []);
    assert_eq!(desk.flush(2_000), [("ann".to_owned(), 1, 2)]);
    // Long after, too.
    let failed = {
        desk.moved("ann", 3, 3);
        desk.submissions(3_000, false).remove(0)
    };
    assert_eq!(desk.flush(4_000), []);
    (failed.reply)(Answer::Unavailable("not now".to_owned()));
    assert_eq!(desk.flush(4_020), [("ann".to_owned(), 3, 3)]);
}
