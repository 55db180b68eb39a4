//! What moderation holds: showing it, and settling it.

use tidings_core::{
    content,
    domain::{
        Command, ConversationCommand, ConversationId, Kind, Settler, UserId, Verdict, command::Held,
    },
    node::Node,
    projections::read::{self, HeldView, Text},
};
use tidings_protocol::{ErrorCode, id, view};

use crate::{
    query,
    session::Gateway,
    translate::{Failure, names},
};

/// Longest reason, in bytes.
const REASON_BYTES: usize = 512;

/// What is to become of what is held.
pub(crate) struct Settlement {
    pub(crate) conversation: ConversationId,
    /// Its number among those held.
    pub(crate) held: u64,
    pub(crate) by: Settler,
    pub(crate) release: bool,
    pub(crate) reason: String,
}

/// The command that settles it, and whose it is. What was settled before leads to the same command as then, for
/// which there is an answer.
pub(crate) async fn settle(
    gateway: &Gateway,
    settlement: Settlement,
) -> Result<(UserId, Command), Failure> {
    let Settlement {
        conversation,
        held: number,
        by,
        release,
        reason,
    } = settlement;
    let invalid = |message: String| Failure::new(ErrorCode::Invalid, message);
    if reason.len() > REASON_BYTES {
        let bytes = reason.len();
        return Err(invalid(format!(
            "reason has {bytes} bytes, the limit is {REASON_BYTES}"
        )));
    }
    if release && !reason.is_empty() {
        return Err(invalid(
            "a reason is for what is rejected: leave it out".to_owned(),
        ));
    }
    // Whoever settles it may have been told a moment ago that it is held.
    query::caught_up(gateway).await?;
    let node = &gateway.node;
    let (held, settled) = {
        let rows = node.projections.read();
        if let Settler::Moderator(user) = &by {
            may_settle(&rows, conversation, user)?;
        }
        let held = read::held(&rows, conversation, number)?;
        (held, read::settled(&rows, conversation, number)?)
    };
    let (author, release) = match (held, settled) {
        (Some(held), _) => {
            let release = match release {
                true => Some(Box::new(opened(node, held.clone()).await?)),
                false => None,
            };
            (held.author, release)
        }
        (None, Some(settled)) => (settled.author, release.then(Box::default)),
        (None, None) => {
            return Err(Failure::new(ErrorCode::NotFound, "no such held message"));
        }
    };
    let settle = ConversationCommand::Settle {
        held: number,
        by,
        release,
        reason,
    };
    Ok((author, Command::Conversation(conversation, settle)))
}

/// Whoever may not is told so whether or not anything is held.
fn may_settle(
    rows: &tidings_core::projections::Snapshot<'_>,
    conversation: ConversationId,
    user: &UserId,
) -> Result<(), Failure> {
    let no = |code, message: &str| Err(Failure::new(code, message));
    match read::member(rows, conversation, user)? {
        None => no(ErrorCode::NotFound, "no such conversation"),
        Some(member) if member.role.is_none() => no(
            ErrorCode::NotMember,
            "you are no longer a member of this conversation",
        ),
        Some(_) if read::moderates(rows, conversation, user)? => Ok(()),
        Some(_) => match read::row(rows, conversation)?.map(|row| row.kind) {
            Some(Kind::Direct { .. }) => no(
                ErrorCode::WrongKind,
                "a direct conversation has no moderators: the backend settles what is held there",
            ),
            _ => no(
                ErrorCode::Forbidden,
                "only owners and moderators settle what is held",
            ),
        },
    }
}

async fn opened(node: &Node, held: HeldView) -> Result<Held, Failure> {
    let mut views = [held];
    content::open_held(&*node.keys, &mut views).await?;
    let [view] = views;
    match view.text {
        Text::Open(text) => Ok(Held {
            edits: view.edits,
            text,
            mentions: view.mentions,
        }),
        Text::Sealed { .. } | Text::Retracted | Text::Erased => Err(Failure::new(
            ErrorCode::Forbidden,
            "its content has been erased: it can only be rejected",
        )),
    }
}

/// What is held, with its text open: as its author sees it, or as those who settle it.
pub(crate) fn shown(held: &HeldView, settles: bool) -> view::Held {
    let (text, erased) = match &held.text {
        Text::Open(text) => (text.clone(), false),
        Text::Sealed { .. } | Text::Retracted | Text::Erased => (String::new(), true),
    };
    let why = held.reviews.iter();
    let why = why.filter(|review| review.verdict == Verdict::Hold);
    let reviews = held.reviews.iter().map(|review| view::Review {
        extension: review.extension.clone(),
        version: review.version.clone(),
        verdict: review.verdict.as_str().to_owned(),
        reason: review.reason.clone(),
        labels: review.labels.clone(),
        failed: review.failed,
    });
    view::Held {
        held: held.held,
        author: held.author.to_string(),
        at_ms: held.at_ms,
        edits: held.edits,
        text,
        erased,
        reply_to: held.reply_to,
        mentions: names(&held.mentions),
        command_id: held.command.map_or_else(bytes::Bytes::new, id::to_wire),
        reason: why
            .map(|review| review.reason.clone())
            .next()
            .unwrap_or_default(),
        reviews: if settles {
            reviews.collect()
        } else {
            Vec::new()
        },
    }
}
