//! Commands that are decided together.

use super::*;

#[tokio::test]
async fn what_waits_goes_into_one_commit_in_order() {
    let desk = started().await;
    let author = |n: u8| ["ann", "bob"][usize::from(n % 2)];
    let replies: Vec<_> = (0..100)
        .map(|n| desk.post(author(n), command_id(n + 2), "hello"))
        .collect();
    desk.work().await;
    for (n, reply) in replies.iter().enumerate() {
        let accepted = reply.accepted();
        assert_eq!((accepted.position, accepted.seq), (2, n as u64 + 1));
        assert_eq!(accepted.conversation, Some(conversation()));
    }
    assert_eq!(desk.commits().await.len(), 2);
}

#[tokio::test]
async fn what_does_not_fit_goes_into_the_next_commits_in_order() {
    let desk = started().await;
    let text = "x".repeat(16 * 1024);
    let replies: Vec<_> = (0..100)
        .map(|n| desk.post("ann", command_id(n + 2), &text))
        .collect();
    desk.work().await;
    let seqs: Vec<_> = replies.iter().map(|reply| reply.accepted().seq).collect();
    assert_eq!(seqs, Vec::from_iter(1..=100));
    let commits = desk.commits().await;
    let messages: Vec<_> = commits.iter().map(|commit| commit.batches.len()).collect();
    let most = MAX_RECORD_BYTES / text.len();
    assert!(messages.iter().all(|count| *count <= most), "{messages:?}");
    assert_eq!(
        commits.len(),
        5,
        "as much as fits goes into each: {messages:?}"
    );
}

#[tokio::test]
async fn what_is_refused_makes_no_commit_and_what_changes_nothing_is_remembered() {
    let desk = started().await;
    let read = ConversationCommand::MoveCursors {
        read: 1,
        delivered: 0,
    };
    let refused = desk.submit("ann", None, Command::Conversation(conversation(), read));
    let stranger = desk.post("eve", command_id(2), "hello");
    let again = desk.submit("bob", Some(command_id(3)), start());
    desk.work().await;
    assert!(matches!(refused.refused(), Refusal::Invalid(_)));
    assert_eq!(stranger.refused(), Refusal::NotFound("conversation".into()));
    assert_eq!(
        (again.accepted().position, again.accepted().duplicate),
        (2, false)
    );
    let commits = desk.commits().await;
    let [_, only] = &commits[..] else {
        panic!("{commits:?}")
    };
    assert_eq!((only.batches.len(), only.events().count()), (1, 0));
}

#[tokio::test]
async fn a_users_own_commands_build_on_each_other() {
    let desk = started().await;
    let block = || UserCommand::Block { user: user("bob") };
    let unblock = UserCommand::Unblock { user: user("bob") };
    let mut replies = Vec::new();
    for (n, command) in (2..).zip([block(), block(), unblock, block()]) {
        replies.push(desk.submit("ann", Some(command_id(n)), Command::User(command)));
    }
    desk.work().await;
    assert!(replies.iter().all(|reply| reply.accepted().position == 2));
    let commits = desk.commits().await;
    let events: Vec<_> = commits[1]
        .events()
        .map(|(.., event)| event.clone())
        .collect();
    let blocked = Event::UserBlocked { user: user("bob") };
    let unblocked = Event::UserUnblocked { user: user("bob") };
    assert_eq!(events, [blocked.clone(), unblocked, blocked]);
    // And on what is folded: a post to somebody who is blocked is refused.
    desk.fold().await;
    let desk = desk.again();
    let post = desk.post("ann", command_id(9), "hello");
    desk.work().await;
    assert_eq!(post.refused(), Refusal::BlockedByYou(user("bob")));
}

#[tokio::test]
async fn nothing_is_decided_on_a_parked_stream() {
    let desk = started().await;
    let commits = desk.commits().await;
    let mut unreadable = commits[0].clone();
    unreadable.position = Position(2);
    // Of another shard, as far as this one's writer is concerned: the log has no such record.
    unreadable.shard = crate::log::Shard(1);
    unreadable.batches[0].events.clear();
    unreadable.batches[0].poison = Some("of the future".to_owned());
    assert_eq!(
        desk.parts
            .projections
            .apply(&[unreadable])
            .expect("folds")
            .len(),
        1
    );
    let post = desk.post("ann", command_id(2), "hello");
    let block = UserCommand::Block { user: user("bob") };
    let other = desk.submit("ann", Some(command_id(3)), Command::User(block));
    desk.work().await;
    assert!(
        matches!(post.get(), Some(Answer::Unavailable(_))),
        "{:?}",
        post.get()
    );
    assert_eq!(other.accepted().position, 2, "other streams go on");
}

#[tokio::test]
async fn a_full_queue_turns_away_and_a_closed_one_too() {
    let desk = started().await;
    let config = Config {
        queue_commands: 3,
        queue_bytes: 10_000,
        ..Config::default()
    };
    let desk = Desk::over(
        Parts {
            config,
            ..desk.parts
        },
        desk.folder,
    );
    let large = desk.post("ann", command_id(2), &"x".repeat(9_000));
    let too_large = desk.post("ann", command_id(3), &"x".repeat(1_000));
    let replies: Vec<_> = (4..8)
        .map(|n| desk.post("ann", command_id(n), "hello"))
        .collect();
    let turned_away = |reply: &Reply| matches!(reply.get(), Some(Answer::Unavailable(_)));
    assert!(turned_away(&too_large), "too many bytes");
    let away: Vec<_> = replies.iter().map(turned_away).collect();
    assert_eq!(away, [false, false, true, true], "too many commands");
    desk.work().await;
    assert!(
        turned_away(&desk.post("ann", command_id(9), "hello")),
        "closed"
    );
    assert_eq!(large.accepted().seq, 1);
    assert_eq!(replies[1].accepted().seq, 3);
}

/// A refusal is not told by the fence that the writer has missed something.
#[tokio::test]
async fn what_another_writer_did_is_not_held_against_anybody() {
    let one = started().await;
    let other = one.another("rows of the other");
    other.fold().await;
    let answered = async |reply: &Reply| {
        while reply.get().is_none() {
            tokio::task::yield_now().await;
        }
    };
    let conversing = async {
        let first = other.post("ann", command_id(2), "keeps the conversation in mind");
        answered(&first).await;
        one.fold().await;
        one.post("bob", command_id(3), "by another writer");
        one.work().await;
        other.fold().await;
        let cursors = ConversationCommand::MoveCursors {
            read: 2,
            delivered: 2,
        };
        let read = other.submit("ann", None, Command::Conversation(conversation(), cursors));
        answered(&read).await;
        other.handler.close();
        read.accepted()
    };
    let (_, accepted) = tokio::join!(run(other.handler.clone(), other.parts.clone()), conversing);
    assert_eq!(accepted.position, 4);
}

/// Whoever asks the server to stop does not wait for a log that cannot be read.
#[tokio::test(start_paused = true)]
async fn a_writer_that_is_told_to_stop_gives_up_what_it_cannot_finish() {
    let desk = started().await;
    let behind = desk.another("rows that nobody folds");
    let post = behind.post("ann", command_id(2), "hello");
    behind.work().await;
    assert!(
        matches!(post.get(), Some(Answer::Unavailable(_))),
        "{:?}",
        post.get()
    );
}

/// The writer that had the shard before has appended what this one has not heard of.
#[tokio::test]
async fn a_refusal_rests_on_all_that_the_log_holds() {
    let one = started().await;
    let other = one.another("rows of the other");
    other.fold().await;
    let retract = |seq| {
        let command = ConversationCommand::Retract { seq };
        Command::Conversation(conversation(), command)
    };
    let working = async {
        // From now on it knows where its shard ends.
        let early = other.submit("ann", Some(command_id(2)), retract(7));
        answered(&early).await;
        early.refused();
        one.post("ann", command_id(3), "by another writer");
        one.work().await;
        let retracted = other.submit("ann", Some(command_id(4)), retract(1));
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        // What refuses it is past, so it is not answered before that is folded.
        assert!(retracted.get().is_none());
        other.fold().await;
        answered(&retracted).await;
        other.handler.close();
        retracted.accepted()
    };
    let (_, accepted) = tokio::join!(run(other.handler.clone(), other.parts.clone()), working);
    assert_eq!(accepted.position, 3);
}

async fn answered(reply: &Reply) {
    while reply.get().is_none() {
        tokio::task::yield_now().await;
    }
}
