//! What nodes say can be read, and what is damaged does no harm.

use uuid::Uuid;

use super::*;
use crate::{
    domain::{ConversationCommand, ConversationId, Refusal, UserCommand},
    handler::Accepted,
};

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn forwarded(number: u64, command: Command) -> Arrived {
    Forwarded {
        shard: 3,
        number,
        actor: user("ann"),
        command,
        id: Some(CommandId(Uuid::from_u128(u128::from(number)))),
        happened_ms: None,
        known: 77,
        trace: number.is_multiple_of(2).then(|| Uuid::from_u128(9)),
    }
}

fn commands() -> Vec<Arrived> {
    let conversation = ConversationId(Uuid::from_u128(5));
    let post = ConversationCommand::Post {
        text: "Grüße 👋".repeat(100),
        reply_to: 9,
        mentions: vec![user("ben")],
    };
    vec![
        forwarded(1, Command::Conversation(conversation, post)),
        forwarded(2, Command::User(UserCommand::Block { user: user("cleo") })),
        forwarded(
            3,
            Command::Conversation(conversation, ConversationCommand::Leave { force: false }),
        ),
    ]
}

#[test]
fn commands_arrive_as_they_were() {
    let message: Vec<u8> = commands().iter().flat_map(item).collect();
    assert_eq!(items::<Arrived>(&message), commands());
}

#[test]
fn answers_arrive_as_they_were() {
    let answers = [
        Answer::Accepted(Accepted {
            position: 12,
            at_ms: 34,
            conversation: Some(ConversationId(Uuid::from_u128(5))),
            seq: 6,
            held: 0,
            duplicate: true,
        }),
        Answer::Refused(Refusal::NotFound("message".into())),
        Answer::Refused(Refusal::Full {
            would: 11,
            limit: 10,
        }),
        Answer::Unavailable("no leader".to_owned()),
    ];
    let message: Vec<u8> = answers
        .iter()
        .flat_map(|answer| {
            item(&Answered {
                shard: 1,
                number: 2,
                answer: answer.clone(),
            })
        })
        .collect();
    let read = items::<Answered>(&message);
    let read: Vec<String> = read
        .iter()
        .map(|read| format!("{:?}", read.answer))
        .collect();
    assert_eq!(read, answers.map(|answer| format!("{answer:?}")));
}

#[test]
fn what_is_cut_or_damaged_is_read_as_far_as_it_goes() {
    let message: Vec<u8> = commands().iter().flat_map(item).collect();
    let ends: Vec<usize> = commands()
        .iter()
        .scan(0, |end, command| {
            *end += item(command).len();
            Some(*end)
        })
        .collect();
    for len in 0..message.len() {
        let whole = ends.iter().filter(|end| **end <= len).count();
        assert_eq!(items::<Arrived>(&message[..len]).len(), whole);
    }
    for at in 0..message.len() {
        let mut damaged = message.clone();
        damaged[at] ^= 0xff;
        assert!(items::<Arrived>(&damaged).len() <= 3);
    }
}
