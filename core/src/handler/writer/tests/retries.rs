//! A command is executed once, however often and wherever it is tried.

use super::*;

#[tokio::test]
async fn a_retry_gets_the_first_answer() {
    let desk = started().await;
    let id = command_id(2);
    let (first, joined) = (desk.post("ann", id, "hello"), desk.post("ann", id, "hello"));
    let other = desk.post("ann", id, "something else");
    let of_bob = desk.post("bob", id, "hello");
    desk.work().await;
    let (first, joined) = (first.accepted(), joined.accepted());
    assert_eq!((first.position, first.seq, first.duplicate), (2, 1, false));
    assert_eq!(
        joined,
        Accepted {
            duplicate: true,
            ..first
        }
    );
    assert_eq!(other.refused(), Refusal::CommandIdReused);
    assert_eq!(of_bob.accepted().seq, 2, "ids are one's own");

    // From the rows.
    desk.fold().await;
    let desk = desk.again();
    let (again, other) = (
        desk.post("ann", id, "hello"),
        desk.post("ann", id, "another"),
    );
    desk.work().await;
    assert_eq!(again.accepted(), joined);
    assert_eq!(other.refused(), Refusal::CommandIdReused);
    assert_eq!(desk.posted().await, [(1, Some(id)), (2, Some(id))]);
}

/// What changed nothing was executed all the same: later it would change something.
#[tokio::test]
async fn a_retry_of_what_changed_nothing_changes_nothing() {
    let desk = started().await;
    let reaction = || "+1".to_owned();
    let react = || ConversationCommand::React {
        seq: 1,
        reaction: reaction(),
    };
    let unreact = ConversationCommand::Unreact {
        seq: 1,
        reaction: reaction(),
    };
    let to = |command| Command::Conversation(conversation(), command);
    let id = command_id(4);
    let post = desk.post("ann", command_id(2), "hello");
    let added = desk.submit("bob", Some(command_id(3)), to(react()));
    let nothing = desk.submit("bob", Some(id), to(react()));
    desk.work().await;
    assert_eq!((post.accepted().seq, added.accepted().position), (1, 2));
    assert_eq!(nothing.accepted().position, 2);
    desk.fold().await;
    let desk = desk.again();
    let removed = desk.submit("bob", Some(command_id(5)), to(unreact));
    let retried = desk.submit("bob", Some(id), to(react()));
    desk.work().await;
    assert!(!removed.accepted().duplicate);
    let retried = retried.accepted();
    assert_eq!((retried.position, retried.duplicate), (2, true));
    let commits = desk.commits().await;
    let events = commits.iter().flat_map(Commit::events);
    let last = events.last().expect("there are events");
    assert!(matches!(last.2, Event::ReactionRemoved { .. }), "{last:?}");
}

/// Before the rows know of it, the writer itself does.
#[tokio::test]
async fn a_retry_is_recognised_right_after_the_first_try() {
    let desk = started().await;
    let id = command_id(2);
    let first = desk.post("ann", id, "hello");
    let follow = async {
        while first.get().is_none() {
            tokio::task::yield_now().await;
        }
        let again = desk.post("ann", id, "hello");
        desk.handler.close();
        again
    };
    let (_, again) = tokio::join!(run(desk.handler.clone(), desk.parts.clone()), follow);
    assert_eq!(
        again.accepted(),
        Accepted {
            duplicate: true,
            ..first.accepted()
        }
    );
    assert_eq!(
        desk.parts.projections.cursor(),
        1,
        "nothing was folded meanwhile"
    );
}

/// Gives the writer every chance to answer without the rows, which it must not.
async fn unanswered(reply: &Reply) {
    for _ in 0..20_000 {
        tokio::task::yield_now().await;
        assert!(
            reply.get().is_none(),
            "nothing is known yet: {:?}",
            reply.get()
        );
    }
}

/// After a restart rows may lack the last second of the log.
#[tokio::test]
async fn a_retry_after_a_restart_waits_until_the_rows_know_of_it() {
    let desk = started().await;
    let id = command_id(2);
    let first = desk.post("ann", id, "hello");
    desk.work().await;

    let restarted = desk.another("rows of the restarted");
    let again = restarted.post("ann", id, "hello");
    let fold = async {
        unanswered(&again).await;
        restarted.fold().await;
    };
    tokio::join!(restarted.work(), fold);
    assert_eq!(
        again.accepted(),
        Accepted {
            duplicate: true,
            ..first.accepted()
        }
    );
    assert_eq!(desk.posted().await.len(), 1);
}

/// A clock that is ahead.
struct Ahead {
    ms: u64,
}

impl Clock for Ahead {
    fn now_ms(&self) -> u64 {
        SystemClock.now_ms() + self.ms
    }
}

#[tokio::test]
async fn what_may_have_been_forgotten_is_not_executed() {
    let desk = started().await;
    let now = SystemClock.now_ms();
    let old = id_at(now - COMMAND_MEMORY_MS - 60_000, 3);
    let young = id_at(now - COMMAND_MEMORY_MS + 60_000, 3);
    let (refused, accepted) = (
        desk.post("ann", old, "hello"),
        desk.post("ann", young, "hello"),
    );
    desk.work().await;
    assert_eq!(refused.refused(), Refusal::TooOld);
    assert_eq!(accepted.accepted().seq, 1);
    // Remembered after all: an acceptance is never evaluated again.
    desk.fold().await;
    let clock = Arc::new(Ahead { ms: 120_000 });
    let later = Desk::over(
        Parts {
            clock,
            ..desk.parts
        },
        desk.folder,
    );
    let again = later.post("ann", young, "hello");
    later.work().await;
    assert!(again.accepted().duplicate);
}

/// Two nodes believe they own the shard: the one that is behind loses, folds what it missed and
/// decides again.
#[tokio::test]
async fn of_two_writers_the_stale_one_decides_again() {
    let first = started().await;
    let second = first.another("rows of the second");
    let begin = first.post("ann", command_id(9), "to begin with");
    let follow = async {
        while begin.get().is_none() {
            tokio::task::yield_now().await;
        }
        // The first knows where its commit stands and not that the second goes on from there.
        second.fold().await;
        let both = command_id(3);
        let of_second = [
            second.post("bob", command_id(2), "from elsewhere"),
            second.post("ann", both, "both"),
        ];
        second.work().await;
        let of_first = [
            first.post("ann", both, "both"),
            first.post("ann", command_id(4), "on"),
        ];
        first.handler.close();
        unanswered(&of_first[0]).await;
        while of_first.iter().any(|reply| reply.get().is_none()) {
            // What a projector does all the time.
            first.fold().await;
            tokio::task::yield_now().await;
        }
        (of_first, of_second)
    };
    let (_, (of_first, of_second)) =
        tokio::join!(run(first.handler.clone(), first.parts.clone()), follow);
    assert_eq!(
        of_second.each_ref().map(|reply| reply.accepted().seq),
        [2, 3]
    );
    let expected = Accepted {
        duplicate: true,
        ..of_second[1].accepted()
    };
    assert_eq!(of_first[0].accepted(), expected);
    assert_eq!(of_first[1].accepted().seq, 4);
    let seqs: Vec<_> = first
        .posted()
        .await
        .into_iter()
        .map(|(seq, _)| seq)
        .collect();
    assert_eq!(seqs, [1, 2, 3, 4]);
}
