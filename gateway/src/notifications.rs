//! Toasts and badges on their way to clients: what is shown of them, and what need not be shown.

use std::sync::Arc;

use tidings_core::{
    content,
    domain::{Command, ConversationId, UserCommand, UserId, toast::Said},
    handler::Submission,
    projections::{
        read::{self, BadgeView, Text, ToastView},
        resume::{Change, What},
    },
};
use tidings_protocol::{id, query, view};

use crate::{
    query::{fitting, page_limit},
    session::{Gateway, Shared},
    translate::Failure,
};

/// A toast as clients see it. `None` where what it says cannot be read any more: whom it tells of was erased.
pub(crate) fn toast(toast: &ToastView) -> Option<view::Toast> {
    let Text::Open(text) = &toast.text else {
        return None;
    };
    let said: Said = match serde_json::from_str(text) {
        Ok(said) => said,
        Err(error) => {
            tracing::error!(%error, "a toast says nothing that can be read");
            return None;
        }
    };
    let conversation = toast.about_conversation;
    Some(view::Toast {
        toast: toast.toast,
        source: toast.source.clone(),
        title: said.title,
        body: said.body,
        link: said.link.unwrap_or_default(),
        about_user: toast.about_user.as_deref().unwrap_or_default().to_owned(),
        about_conversation: conversation.map_or_else(Default::default, |id| id::to_wire(id.0)),
        at_ms: toast.at_ms,
        expires_ms: toast.expires_ms,
    })
}

/// A badge as clients see it.
pub(crate) fn badge(badge: &BadgeView) -> view::Badge {
    view::Badge {
        source: badge.source.clone(),
        name: badge.name.clone(),
        count: badge.count,
    }
}

/// What is left to say of a change that brings a toast nobody is to be shown any more: those that it took the place
/// of are gone. `None`: the change is to be told as it is.
pub(crate) fn rest(change: &Change, now_ms: u64) -> Option<Option<Change>> {
    let What::ToastQueued { toast, replaces } = &change.what else {
        return None;
    };
    if toast.expires_ms > now_ms && matches!(toast.text, Text::Open(_)) {
        return None;
    }
    let what = What::ToastsSeen {
        toasts: replaces.clone(),
    };
    Some((!replaces.is_empty()).then(|| Change {
        actor: change.actor.clone(),
        what,
        ..*change
    }))
}

/// Answers `list_notifications`.
pub(crate) async fn list(
    shared: &Shared,
    user: &UserId,
    asked: query::ListNotifications,
) -> Result<query::Notifications, Failure> {
    let limit = page_limit(asked.limit, 50, 100)?;
    let node = &shared.gateway.node;
    let (toasts, badges, position) = {
        let rows = node.projections.read();
        let toasts = read::toasts(&rows, user, asked.after)?;
        (toasts, read::badges(&rows, user)?, rows.cursor())
    };
    let now_ms = node.clock.now_ms();
    let waiting = toasts.into_iter();
    let mut toasts: Vec<ToastView> = waiting.filter(|toast| toast.expires_ms > now_ms).collect();
    // All of them, which are not many: those that cannot be read any more are no part of a page.
    content::open_toasts(&*node.keys, &mut toasts).await?;
    let mut toasts: Vec<view::Toast> = toasts.iter().filter_map(self::toast).collect();
    let fit = fitting(shared, toasts.iter().take(limit));
    let more = fit < toasts.len();
    toasts.truncate(fit);
    // An event that is in the answer comes before it: what comes after it is news.
    node.fanout.told(position).await;
    let badges = badges.iter().filter(|badge| badge.count > 0);
    Ok(query::Notifications {
        toasts,
        more,
        badges: badges.map(badge).collect(),
        position,
    })
}

/// Records that a user has seen toasts, without their having said so: they look at what these tell of. Nobody waits
/// for it. Where it cannot be recorded the toasts wait on, until the user looks the next time.
pub(crate) fn see(gateway: &Arc<Gateway>, user: &UserId, toasts: Vec<u64>) {
    let numbers: Vec<[u8; 8]> = toasts.iter().map(|toast| toast.to_be_bytes()).collect();
    let mut parts: Vec<&[u8]> = vec![user.as_bytes()];
    parts.extend(numbers.iter().map(|number| &number[..]));
    // Several nodes may have a device that looks.
    let id = gateway.node.ids.command("toasts looked at", &parts);
    gateway.node.handler.submit(Submission {
        actor: user.clone(),
        command: Command::User(UserCommand::SeeToasts { toasts }),
        id: Some(id),
        happened_ms: None,
        known: 0,
        chain: None,
        trace: None,
        reply: Box::new(|_| {}),
    });
}

/// Somebody looks at a conversation: what tells of it need not wait.
pub(crate) fn looked_at(
    gateway: &Arc<Gateway>,
    user: &UserId,
    conversation: ConversationId,
) -> Result<(), Failure> {
    let toasts = read::toasts(&gateway.node.projections.read(), user, 0)?;
    let about = toasts.iter();
    let about = about.filter(|toast| toast.about_conversation == Some(conversation));
    let about: Vec<u64> = about.map(|toast| toast.toast).collect();
    if !about.is_empty() {
        see(gateway, user, about);
    }
    Ok(())
}
