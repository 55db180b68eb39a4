//! The demo's people and what they have said so far.

use anyhow::bail;
use tidings_core::{
    domain::{Command, ConversationCommand, ConversationId, UserId},
    handler::Answer,
    node::Node,
};

/// Who there is: id and name.
const USERS: [(&str, &str); 6] = [
    ("alice", "Alice"),
    ("bob", "Bob"),
    ("carol", "Carol"),
    ("dave", "Dave"),
    ("mei", "Mei 美"),
    ("omar", "Omar"),
];

const HIKE: &[(&str, &str)] = &[
    ("carol", "Who is in for a hike on Saturday?"),
    ("alice", "Me! The lake loop, or something steeper?"),
    ("dave", "Steeper. I have new boots to ruin."),
    ("mei", "可以带狗吗？ Can I bring the dog?"),
    ("carol", "Of course. Meet at the north car park at nine."),
    ("bob", "I'll bring coffee ☕"),
];

const ALICE_AND_BOB: &[(&str, &str)] = &[
    ("bob", "Hi Alice! Is the bicycle still for sale?"),
    (
        "alice",
        "It is. A 54 cm frame, new chain, and it has just been serviced.",
    ),
    ("bob", "Great. Could I see it this week?"),
    ("alice", "Thursday after six works for me."),
    ("bob", "Perfect, see you on Thursday 🚲"),
];

const MEI_AND_ALICE: &[(&str, &str)] = &[
    ("mei", "I loved your photos from Lisbon!"),
    ("alice", "Thank you! Have you been?"),
    (
        "mei",
        "Not yet. Tell me where to eat and I'll book a flight.",
    ),
];

/// The people the page offers.
pub(crate) fn users() -> Vec<(String, String)> {
    USERS
        .iter()
        .map(|(id, name)| ((*id).to_owned(), (*name).to_owned()))
        .collect()
}

/// Makes the demo's conversations. Doing it again, on a folder that has them, adds nothing.
pub(crate) async fn fill(node: &Node) -> anyhow::Result<()> {
    let group = group(
        node,
        "carol",
        "Saturday hike",
        &["alice", "bob", "dave", "mei"],
    )
    .await?;
    say(node, group, "hike", HIKE).await?;
    let pair = direct(node, "alice", "bob").await?;
    say(node, pair, "bicycle", ALICE_AND_BOB).await?;
    let pair = direct(node, "mei", "alice").await?;
    say(node, pair, "lisbon", MEI_AND_ALICE).await
}

async fn group(
    node: &Node,
    owner: &str,
    title: &str,
    members: &[&str],
) -> anyhow::Result<ConversationId> {
    let owner = UserId::new(owner)?;
    let id = node.ids.command("demo", &[title.as_bytes()]);
    let conversation = node.ids.group(&owner, id);
    let command = ConversationCommand::CreateGroup {
        title: title.to_owned(),
        members: members
            .iter()
            .map(|user| UserId::new(user))
            .collect::<Result<_, _>>()?,
        history_from_start: true,
        max_members: 0,
    };
    expect(
        node.handler
            .execute(
                owner,
                Command::Conversation(conversation, command),
                Some(id),
                None,
            )
            .await,
    )?;
    Ok(conversation)
}

async fn direct(node: &Node, a: &str, b: &str) -> anyhow::Result<ConversationId> {
    let (a, b) = (UserId::new(a)?, UserId::new(b)?);
    let conversation = node.ids.direct(&a, &b, "");
    let pair = if a < b {
        (a.clone(), b)
    } else {
        (b, a.clone())
    };
    let command = ConversationCommand::StartDirect {
        pair,
        context: String::new(),
    };
    let id = node.ids.command("demo", &[conversation.0.as_bytes()]);
    expect(
        node.handler
            .execute(
                a,
                Command::Conversation(conversation, command),
                Some(id),
                None,
            )
            .await,
    )?;
    Ok(conversation)
}

async fn say(
    node: &Node,
    conversation: ConversationId,
    about: &str,
    lines: &[(&str, &str)],
) -> anyhow::Result<()> {
    for (n, (author, text)) in lines.iter().enumerate() {
        let id = node
            .ids
            .command("demo", &[about.as_bytes(), &n.to_be_bytes()]);
        let command = ConversationCommand::Post {
            text: (*text).to_owned(),
            reply_to: 0,
            mentions: Vec::new(),
        };
        let author = UserId::new(author)?;
        expect(
            node.handler
                .execute(
                    author,
                    Command::Conversation(conversation, command),
                    Some(id),
                    None,
                )
                .await,
        )?;
    }
    Ok(())
}

fn expect(answer: Answer) -> anyhow::Result<()> {
    match answer {
        Answer::Accepted(_) => Ok(()),
        Answer::Refused(refusal) => bail!("the demo's data was refused: {refusal}"),
        Answer::Unavailable(why) => bail!("the demo's data could not be written: {why}"),
    }
}
