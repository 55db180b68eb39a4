//! The demo's people and what they have said so far.

pub(crate) mod extensions;
pub(crate) mod people;
pub(crate) mod product;

use std::net::SocketAddr;

use anyhow::bail;
use tidings_core::{
    domain::{Command, CommandId, ConversationCommand, ConversationId, UserId},
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

/// What is said, by whom, in answer to which of them (by number from 1, 0 for none).
type Line = (&'static str, &'static str, u64);
/// Up to which message somebody has read, beyond their own last one.
type Read = (&'static str, u64);

const HIKE: &[Line] = &[
    ("carol", "Who is in for a hike on Saturday?", 0),
    ("alice", "Me! The lake loop, or something steeper?", 0),
    ("dave", "Steeper. I have new boots to ruin.", 2),
    ("mei", "可以带狗吗？ Can I bring the dog?", 0),
    ("carol", "Of course. Meet at the north car park at nine.", 4),
    ("bob", "I'll bring coffee ☕", 0),
];
/// Dave has not looked since he wrote, Mei has not seen that the dog may come.
const HIKE_READ: &[Read] = &[("alice", 5), ("carol", 6)];

const ALICE_AND_BOB: &[Line] = &[
    ("bob", "Hi Alice! Is the bicycle still for sale?", 0),
    (
        "alice",
        "It is. A 54 cm frame, new chain, and it has just been serviced.",
        0,
    ),
    ("bob", "Great. Could I see it this week?", 0),
    ("alice", "Thursday after six works for me.", 0),
    ("bob", "Perfect, see you on Thursday 🚲", 0),
];

const MEI_AND_ALICE: &[Line] = &[
    ("mei", "I loved your photos from Lisbon!", 0),
    ("alice", "Thank you! Have you been?", 0),
    (
        "mei",
        "Not yet. Tell me where to eat and I'll book a flight.",
        0,
    ),
];

/// The people the page offers.
pub(crate) fn users() -> Vec<(String, String)> {
    USERS
        .iter()
        .map(|(id, name)| ((*id).to_owned(), (*name).to_owned()))
        .collect()
}

/// Where the page is. An address that stands for all of them is none to open.
pub(crate) fn invitation(tls: bool, http: SocketAddr) -> String {
    let scheme = if tls { "https" } else { "http" };
    if http.ip().is_unspecified() {
        let port = http.port();
        format!(
            "open {scheme}://localhost:{port}/ in a browser: two people side by side, chatting; on other machines, with \
             this machine's name or address in place of localhost"
        )
    } else {
        format!("open {scheme}://{http}/ in a browser: two people side by side, chatting")
    }
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
    for (user, seq) in HIKE_READ {
        read(node, group, user, *seq).await?;
    }
    react(node, group, "carol", 6, "❤️").await?;
    react(node, group, "alice", 5, "👍").await?;
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

/// Writes the lines. Whoever writes has read what came before, so that what is unread is what came after somebody's last words.
async fn say(
    node: &Node,
    conversation: ConversationId,
    about: &str,
    lines: &[Line],
) -> anyhow::Result<()> {
    for ((author, text, reply_to), seq) in lines.iter().zip(1_u64..) {
        let n = usize::try_from(seq - 1)?;
        let id = node
            .ids
            .command("demo", &[about.as_bytes(), &n.to_be_bytes()]);
        let command = ConversationCommand::Post {
            text: (*text).to_owned(),
            reply_to: *reply_to,
            mentions: Vec::new(),
        };
        expect(act(node, conversation, author, command, id).await?)?;
        read(node, conversation, author, seq).await?;
    }
    Ok(())
}

async fn read(
    node: &Node,
    conversation: ConversationId,
    user: &str,
    seq: u64,
) -> anyhow::Result<()> {
    let id = node.ids.command(
        "demo read",
        &[
            conversation.0.as_bytes(),
            user.as_bytes(),
            &seq.to_be_bytes(),
        ],
    );
    let command = ConversationCommand::MoveCursors {
        read: seq,
        delivered: seq,
    };
    allow(act(node, conversation, user, command, id).await?)
}

async fn react(
    node: &Node,
    conversation: ConversationId,
    user: &str,
    seq: u64,
    reaction: &str,
) -> anyhow::Result<()> {
    let id = node.ids.command(
        "demo react",
        &[
            conversation.0.as_bytes(),
            user.as_bytes(),
            &seq.to_be_bytes(),
        ],
    );
    let command = ConversationCommand::React {
        seq,
        reaction: reaction.to_owned(),
    };
    allow(act(node, conversation, user, command, id).await?)
}

async fn act(
    node: &Node,
    conversation: ConversationId,
    user: &str,
    command: ConversationCommand,
    id: CommandId,
) -> anyhow::Result<Answer> {
    let command = Command::Conversation(conversation, command);
    Ok(node
        .handler
        .execute(UserId::new(user)?, command, Some(id), None)
        .await)
}

/// For what decorates only: in a folder that has been used, whoever is to do it may have left.
fn allow(answer: Answer) -> anyhow::Result<()> {
    match answer {
        Answer::Refused(_) => Ok(()),
        other => expect(other),
    }
}

fn expect(answer: Answer) -> anyhow::Result<()> {
    match answer {
        Answer::Accepted(_) => Ok(()),
        Answer::Refused(refusal) => bail!("the demo's data was refused: {refusal}"),
        Answer::Unavailable(why) => bail!("the demo's data could not be written: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_can_be_opened() {
        let said = |tls, address: &str| invitation(tls, address.parse().unwrap());
        assert!(
            said(false, "127.0.0.1:8080").starts_with("open http://127.0.0.1:8080/ in a browser")
        );
        assert!(said(true, "[::1]:8080").starts_with("open https://[::1]:8080/ in a browser"));
        for every in ["0.0.0.0:8080", "[::]:8080"] {
            let said = said(true, every);
            assert!(
                said.starts_with("open https://localhost:8080/ in a browser"),
                "{said}"
            );
            assert!(
                said.ends_with("this machine's name or address in place of localhost"),
                "{said}"
            );
        }
    }
}
