//! What is loaded before a command is decided.

use super::*;

fn user(id: &str) -> UserId {
    UserId::new(id).expect("a user id")
}

fn direct() -> Kind {
    Kind::Direct {
        pair: (user("ann"), user("bob")),
        context: String::new(),
    }
}

fn group() -> Kind {
    Kind::Group {
        history_from_start: false,
        max_members: 10,
    }
}

#[test]
fn a_post_looks_at_whom_it_mentions_and_what_it_replies_to() {
    let post = |reply_to| ConversationCommand::Post {
        text: "hello".to_owned(),
        reply_to,
        mentions: vec![user("eve")],
    };
    let needs = post(4).needs(&user("ann"), Some(&group()));
    let expected = Needs {
        members: vec![user("eve")],
        messages: vec![4],
        ..Needs::default()
    };
    assert_eq!(needs, expected);
    assert_eq!(post(0).needs(&user("ann"), None).messages, [] as [u64; 0]);
}

#[test]
fn a_post_in_a_direct_conversation_looks_at_whether_the_other_is_blocked() {
    let post = ConversationCommand::Post {
        text: "hello".to_owned(),
        reply_to: 0,
        mentions: Vec::new(),
    };
    assert_eq!(
        post.needs(&user("ann"), Some(&direct())).blocked,
        Some(user("bob"))
    );
    assert_eq!(
        post.needs(&user("bob"), Some(&direct())).blocked,
        Some(user("ann"))
    );
    assert_eq!(post.needs(&user("bob"), Some(&group())).blocked, None);
    assert_eq!(post.needs(&user("bob"), None).blocked, None);
}

#[test]
fn a_command_goes_to_its_conversation_or_to_the_actors_own_stream() {
    let id = ConversationId(uuid::Uuid::from_u128(5));
    let join = Command::Conversation(id, ConversationCommand::Join);
    assert_eq!(join.stream(&user("ann")), Stream::Conversation(id));
    let block = Command::User(UserCommand::Block { user: user("bob") });
    assert_eq!(block.stream(&user("ann")), Stream::User(user("ann")));
}
