//! Commands that moderation has looked at, and what was held.

use super::*;
use crate::{
    content,
    domain::{Review, Settler, command::Held, event::Role},
    handler::digest::digest,
    projections::read::{self, Text},
};

/// A command as one extension sees it.
fn reviewed(asked: &Command, becomes: Command, verdict: Verdict) -> Command {
    Command::Reviewed(Box::new(Reviewed {
        digest: digest(asked),
        command: becomes,
        reviews: vec![Review {
            extension: "rule".to_owned(),
            version: "1.0.0".to_owned(),
            verdict,
            reason: "why".to_owned(),
            labels: vec!["label".to_owned()],
            failed: false,
        }],
    }))
}

fn posted_with(text: &str, verdict: Verdict) -> Command {
    reviewed(&post(text), post(text), verdict)
}

fn settle(held: u64, by: Settler, release: Option<&str>) -> Command {
    Command::Conversation(
        conversation(),
        ConversationCommand::Settle {
            held,
            by,
            release: release.map(|text| {
                Box::new(Held {
                    text: text.to_owned(),
                    ..Held::default()
                })
            }),
            reason: String::new(),
        },
    )
}

/// Works, folds and opens shop again.
async fn after(desk: Desk) -> Desk {
    desk.work().await;
    desk.fold().await;
    Desk::over(desk.parts, desk.folder)
}

#[tokio::test]
async fn what_is_held_is_posted_once_it_is_released_and_counts_from_then() {
    let desk = started().await;
    let (posts, settles) = (command_id(2), command_id(6));
    let held = desk.submit("ann", Some(posts), posted_with("held", Verdict::Hold));
    let other = desk.post("ann", command_id(3), "not held");
    let desk = after(desk).await;
    let accepted = held.accepted();
    assert_eq!((accepted.seq, accepted.held), (0, 1));
    assert_eq!((other.accepted().seq, other.accepted().held), (1, 0));

    // Tried again it gets the same answer, whatever moderation says by now.
    let again = [Verdict::Allow, Verdict::Hold, Verdict::Reject]
        .map(|verdict| desk.submit("ann", Some(posts), posted_with("held", verdict)));
    let desk = after(desk).await;
    for again in again {
        let expected = Accepted {
            duplicate: true,
            ..accepted
        };
        assert_eq!(again.accepted(), expected);
    }

    let views = |desk: &Desk| {
        let rows = desk.parts.projections.read();
        read::held_in(&rows, conversation(), None, 0, 10)
            .expect("reads")
            .0
    };
    let mut views_held = views(&desk);
    content::open_held(&*desk.parts.keys, &mut views_held)
        .await
        .expect("opens");
    assert_eq!(views_held[0].text, Text::Open("held".to_owned()));
    assert_eq!(views_held[0].reviews[0].reason, "why");

    // Of somebody else, or by an extension that did not hold it: no.
    let others = desk.submit(
        "bob",
        Some(command_id(4)),
        settle(1, Settler::Backend, Some("held")),
    );
    let by = Settler::Extension("another".to_owned());
    let strange = desk.submit("ann", Some(command_id(5)), settle(1, by, Some("held")));
    let by = Settler::Extension("rule".to_owned());
    let released = desk.submit("ann", Some(settles), settle(1, by, Some("held")));
    let twice = desk.submit(
        "ann",
        Some(command_id(7)),
        settle(1, Settler::Backend, None),
    );
    let desk = after(desk).await;
    assert!(matches!(others.refused(), Refusal::NotFound(_)));
    assert!(matches!(strange.refused(), Refusal::Forbidden(_)));
    assert_eq!(released.accepted().seq, 2);
    assert!(matches!(twice.refused(), Refusal::NotFound(_)));
    assert!(views(&desk).is_empty());

    // What it said cannot be read any more, and is no part of the question.
    let by = Settler::Extension("rule".to_owned());
    let retry = desk.submit("ann", Some(settles), settle(1, by, Some("")));
    let desk = after(desk).await;
    assert!(retry.accepted().duplicate && retry.accepted().seq == 2);
    let rows = desk.parts.projections.read();
    let message = read::stored_message(&rows, conversation(), 2).expect("reads");
    let mut messages = [message.expect("it is there")];
    drop(rows);
    content::open_messages(&*desk.parts.keys, &mut messages)
        .await
        .expect("opens");
    assert_eq!(messages[0].text, Text::Open("held".to_owned()));
    assert_eq!(&*messages[0].author, "ann");
}

#[tokio::test]
async fn who_may_not_is_told_that_and_not_what_moderation_said() {
    let desk = started().await;
    let stranger = desk.submit(
        "eve",
        Some(command_id(2)),
        posted_with("x", Verdict::Reject),
    );
    let member = desk.submit(
        "ann",
        Some(command_id(3)),
        posted_with("x", Verdict::Reject),
    );
    let profile = Command::User(UserCommand::SetProfile {
        attributes: Some("{}".to_owned()),
        hidden: None,
        same_as: None,
    });
    let held = reviewed(&profile, profile.clone(), Verdict::Hold);
    let held = desk.submit("ann", Some(command_id(4)), held);
    desk.work().await;
    assert!(matches!(stranger.refused(), Refusal::NotFound(_)));
    let why = Refusal::Rejected("why".to_owned());
    assert_eq!(member.refused(), why);
    assert_eq!(held.refused(), why, "a profile has nowhere to wait");
    assert_eq!(desk.commits().await.len(), 1);
}

#[tokio::test]
async fn a_replaced_text_is_posted_with_what_was_said_of_it_and_known_again() {
    let desk = started().await;
    let id = command_id(2);
    let asked = post("darn");
    let masked = reviewed(&asked, post("****"), Verdict::Replace);
    let first = desk.submit("ann", Some(id), masked);
    // Another version of the extension says something else.
    let otherwise = reviewed(&asked, post("d**n"), Verdict::Replace);
    let again = desk.submit("ann", Some(id), otherwise);
    let something_else = desk.submit("ann", Some(id), posted_with("y", Verdict::Allow));
    desk.work().await;
    assert_eq!(first.accepted().seq, 1);
    assert!(again.accepted().duplicate);
    assert_eq!(something_else.refused(), Refusal::CommandIdReused);
    let commits = desk.commits().await;
    let batch = &commits[1].batches[0];
    let [
        Event::MessagePosted { .. },
        Event::MessageReviewed { seq: 1, reviews },
    ] = &batch.events[..]
    else {
        panic!("{:?}", batch.events);
    };
    assert_eq!(reviews[0].labels, ["label"]);
}

#[tokio::test]
async fn whoever_is_removed_during_review_does_not_post() {
    let desk = Desk::new();
    let to = |command| Command::Conversation(conversation(), command);
    let create = to(ConversationCommand::CreateGroup {
        title: "group".to_owned(),
        members: vec![user("ben"), user("mod")],
        history_from_start: false,
        max_members: 0,
    });
    desk.submit("ann", Some(command_id(1)), create);
    let role = ConversationCommand::SetRole {
        user: user("mod"),
        role: Role::Moderator,
    };
    desk.submit("ann", Some(command_id(2)), to(role));
    let held = desk.submit(
        "ben",
        Some(command_id(3)),
        posted_with("one", Verdict::Hold),
    );
    desk.submit(
        "ben",
        Some(command_id(4)),
        posted_with("two", Verdict::Hold),
    );
    let desk = after(desk).await;
    assert_eq!(held.accepted().held, 1);

    let by = |who: &str| Settler::Moderator(user(who));
    let own = desk.submit(
        "ben",
        Some(command_id(5)),
        settle(1, by("ben"), Some("one")),
    );
    let released = desk.submit(
        "ben",
        Some(command_id(6)),
        settle(1, by("mod"), Some("one")),
    );
    let remove = ConversationCommand::RemoveMember { user: user("ben") };
    desk.submit("ann", Some(command_id(7)), to(remove));
    let late = desk.submit(
        "ben",
        Some(command_id(8)),
        settle(2, by("mod"), Some("two")),
    );
    let posted = desk.submit(
        "ben",
        Some(command_id(9)),
        posted_with("three", Verdict::Allow),
    );
    let desk = after(desk).await;
    assert!(matches!(own.refused(), Refusal::Forbidden(_)));
    assert_eq!(released.accepted().seq, 1);
    assert_eq!(late.accepted().seq, 0);
    assert_eq!(posted.refused(), Refusal::NotMember);
    assert_eq!(desk.posted().await.len(), 1);
    let commits = desk.commits().await;
    let events = commits.iter().flat_map(Commit::events);
    let rejected =
        events.filter(|(.., event)| matches!(event, Event::MessageRejected { held: 2, .. }));
    assert_eq!(rejected.count(), 1);
}
