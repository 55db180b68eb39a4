//! Calling back who is absent and has unread messages: extensions shape it or leave it to the server, and what comes of it is a
//! delivery that the product's backend reads from the feed.
//!
//! Whom to look after is kept in memory, and found again after a start; that nobody is called back twice in one absence is in the log:
//! the command that records it is named after the user and since when they are away.

mod absence;
mod due;

use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use serde_json::{Value, json};
use tidings_core::{
    commit::Commit,
    domain::{CommandId, ConversationId, Event, ExtensionId, Refusal, Stream, UserId},
    handler::Answer,
    presence::record::State,
    projections::{
        ReadError, Table, read,
        rows::{self, feed},
    },
};
use tidings_extension_host::{CallError, Hook, HookError, input, staged::Recall};
use tokio::sync::{Notify, watch};

use crate::{
    acting::One,
    calling::{self, SYSTEM, Seen},
    deliveries,
    moderation::about,
    reactor::Hub,
    server::Shared,
    views::Involved,
};
use absence::{AbsenceError, MEMBERS, Missed};
use due::{Due, Taken, Then};

/// Who causes what the server does by itself.
const SERVER: &str = "system:tidings";

/// The channel under which it is recorded that somebody is left alone in an absence: it is not in the feed.
const SKIPPED: &str = feed::SKIPPED;

/// Times that an extension is asked about an absence before the server goes on without it.
const ATTEMPTS: u32 = 10;

/// How long a wait of an extension's may be, in milliseconds: a minute to 7 days.
const WAIT_MS: std::ops::RangeInclusive<u64> = 60_000..=7 * 24 * 3_600 * 1_000;

/// How often it is looked whether another node has become responsible, in milliseconds.
const ELSEWHERE_MS: u64 = 60_000;

/// Who was here longer ago than this is not looked after again when a server starts, in milliseconds: 7 days.
const FORGOTTEN_MS: u64 = 7 * 24 * 3_600 * 1_000;

/// Rows of users read at a time at a start.
const SCAN: usize = 1_000;

/// When absentees are called back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    /// How long somebody has to be absent with unread messages, in milliseconds.
    pub(crate) after_ms: u64,
    /// Whether the server calls back by itself where no extension says anything.
    pub(crate) nudge: bool,
}

/// Why an absence could not be looked at.
#[derive(Debug, thiserror::Error)]
enum RecallError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Absence(#[from] AbsenceError),
    #[error("it cannot be recorded: {0}")]
    Unavailable(String),
}

/// What is shared with who listens to presence.
#[derive(Default)]
struct Looked {
    due: Mutex<Due>,
    news: Notify,
    /// Somebody wants absentees called back.
    wanted: AtomicBool,
    /// Who went, so far.
    gone: AtomicU64,
}

/// Looks after absentees while somebody wants to, for ever.
pub(crate) async fn run(
    shared: Arc<Shared>,
    hub: Arc<Hub>,
    config: Config,
    mut changes: watch::Receiver<u64>,
) {
    if config.after_ms == 0 {
        return;
    }
    let looked: Arc<Looked> = Arc::default();
    let (listening, of) = (looked.clone(), Arc::downgrade(&shared));
    shared.node.presence.listen(move |user, state| {
        let Some(shared) = of.upgrade() else {
            return;
        };
        if !listening.wanted.load(Ordering::Relaxed) {
            return;
        }
        let n = listening.gone.fetch_add(1, Ordering::Relaxed) + 1;
        let mut due = listening.due.lock();
        match state {
            State::Offline => {
                due.gone(user, shared.node.clock.now_ms() + config.after_ms, n);
                listening.news.notify_one();
            }
            State::Available | State::Away => due.back(user),
        }
    });
    while !shared.lanes.is_stopping() {
        let wanted = wants(&shared, config);
        looked.wanted.store(wanted, Ordering::Relaxed);
        if wanted {
            if let Err(error) = find(&shared, config, &looked).await {
                tracing::warn!(%error, "who is absent since before the start is not looked after");
            }
            look_after(&shared, &hub, config, &looked, &mut changes).await;
            looked.wanted.store(false, Ordering::Relaxed);
        }
        looked.due.lock().clear();
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// Whether anybody wants absentees called back.
fn wants(shared: &Shared, config: Config) -> bool {
    let acting = shared.acting.load();
    let mut all = acting.all.iter();
    config.nudge || all.any(|one| !one.shadow && one.has(Hook::Recall))
}

/// Until nobody wants it any more.
async fn look_after(
    shared: &Arc<Shared>,
    hub: &Hub,
    config: Config,
    looked: &Looked,
    changes: &mut watch::Receiver<u64>,
) {
    let kinds = || ["message_posted".to_owned()].into_iter().collect();
    let mut hearing = hub.hear(kinds());
    loop {
        let now_ms = shared.node.clock.now_ms();
        // One between two looks around: asking may take long.
        let taken = looked.due.lock().take(now_ms);
        if let Some(taken) = taken {
            let then = match recall(shared, config, &taken).await {
                Ok(then) => then,
                Err(error) => {
                    tracing::warn!(user = %taken.user, %error, "an absence cannot be looked at, trying again");
                    Then::Again {
                        at_ms: now_ms + 10_000,
                        failed: false,
                    }
                }
            };
            looked.due.lock().decided(&taken, then);
        }
        let next = looked.due.lock().next();
        let wait = next.map_or(60_000, |at| at.saturating_sub(now_ms).min(60_000));
        tokio::select! {
            biased;
            changed = changes.changed() => {
                if changed.is_err() || shared.lanes.is_stopping() || !wants(shared, config) {
                    return;
                }
            }
            heard = hearing.next() => match heard {
                Some(commit) => {
                    shared.node.projections.reached(commit.position.0).await;
                    if let Err(error) = heard_of(shared, config, looked, &commit) {
                        tracing::warn!(%error, "who missed a message cannot be read");
                    }
                }
                None => {
                    // Too slow for what it heard: those are found among the rows.
                    hearing = hub.hear(kinds());
                    if let Err(error) = find(shared, config, looked).await {
                        tracing::warn!(%error, "who is absent cannot be read");
                    }
                }
            },
            () = looked.news.notified() => {}
            () = tokio::time::sleep(Duration::from_millis(wait)) => {}
        }
    }
}

/// Whoever was here in the last days and is not known of. Not before somebody who was here when the server stopped can be back.
async fn find(shared: &Shared, config: Config, looked: &Looked) -> Result<(), ReadError> {
    let now_ms = shared.node.clock.now_ms();
    let mut after = Vec::new();
    loop {
        let (people, next) = {
            let view = shared.node.projections.read();
            read::people_behind(&view, &after, SCAN)?
        };
        {
            let mut due = looked.due.lock();
            for (user, person) in people {
                if !person.erased && person.seen_ms + FORGOTTEN_MS > now_ms {
                    due.found(&user, now_ms + config.after_ms);
                }
            }
        }
        match next {
            Some(next) => after = next,
            None => return Ok(()),
        }
        tokio::task::yield_now().await;
    }
}

/// Whether somebody can be absent at all.
fn is_person(user: &UserId) -> bool {
    !user.starts_with(SYSTEM) && ExtensionId::of_account(user).is_none()
}

/// Whoever missed the messages of a commit.
fn heard_of(
    shared: &Shared,
    config: Config,
    looked: &Looked,
    commit: &Commit,
) -> Result<(), ReadError> {
    let due_ms = shared.node.clock.now_ms() + config.after_ms;
    for (_, batch, event) in commit.events() {
        let (Stream::Conversation(id), Event::MessagePosted { mentions, .. }) =
            (&batch.stream, event)
        else {
            continue;
        };
        let mut users = Vec::new();
        {
            let view = shared.node.projections.read();
            let members = read::row(&view, *id)?.map_or(0, |row| row.member_count);
            if members > MEMBERS {
                users.extend(mentions.iter().cloned());
            } else {
                read::each_member(&view, *id, "", &mut |user, member| {
                    if member.role.is_some()
                        && let Ok(user) = UserId::new(user)
                    {
                        users.push(user);
                    }
                    ControlFlow::Continue(())
                })?;
            }
        }
        for user in users {
            let known = looked.due.lock().knows(&user);
            if user != batch.actor
                && !known
                && is_person(&user)
                && shared.node.presence.seen(None, &user)?.state == State::Offline
            {
                looked.due.lock().found(&user, due_ms);
            }
        }
    }
    Ok(())
}

/// What an absence is known by: the same in all of it, another in the next one.
struct Absence {
    since: u64,
    id: CommandId,
    source: Vec<u8>,
}

fn known_by(shared: &Shared, user: &UserId, since: u64) -> Result<Absence, ReadError> {
    // Of who is invisible it is not recorded when they were here: another absence is one after they have read something.
    let read = match shared.node.projections.is_invisible(user) {
        true => absence::read_so_far(shared, user)?,
        false => 0,
    };
    let (since_be, read_be) = (since.to_be_bytes(), read.to_be_bytes());
    let parts: [&[u8]; 3] = [user.as_bytes(), &since_be, &read_be];
    Ok(Absence {
        since,
        id: shared.node.ids.command("recall", &parts),
        source: parts.concat(),
    })
}

/// Looks at somebody whose time has come.
async fn recall(shared: &Arc<Shared>, config: Config, taken: &Taken) -> Result<Then, RecallError> {
    let (node, user) = (&shared.node, &taken.user);
    let now_ms = node.clock.now_ms();
    let seen = node.presence.seen(None, user)?;
    let again = |after_ms: u64, failed| Then::Again {
        at_ms: now_ms + after_ms,
        failed,
    };
    if seen.state != State::Offline {
        // Here, though perhaps nobody sees it.
        return Ok(again(config.after_ms, false));
    }
    let known = known_by(shared, user, seen.seen_ms)?;
    if is_done(shared, known.id)? {
        return Ok(Then::Settle);
    }
    if !node.writes(&Stream::User(user.clone())) {
        return Ok(again(ELSEWHERE_MS, false));
    }
    let Some(missed) = absence::missed(shared, user, known.since).await? else {
        return Ok(Then::Forget);
    };
    let asked = ask_all(shared, &missed, &known, taken.attempts + 1).await;
    let (payload, channel) = match asked {
        Asked::Later { after_ms, failed } => return Ok(again(after_ms, failed)),
        Asked::Said(by, Recall::Send { title, body }) => {
            let said = Some((&*by, &*title, &*body));
            (payload(&missed, said, now_ms), "recall")
        }
        Asked::Said(_, Recall::Wait(ms)) => {
            let wait = u64::from(ms).clamp(*WAIT_MS.start(), *WAIT_MS.end());
            return Ok(again(wait, false));
        }
        Asked::Said(by, Recall::Skip(why)) => {
            tracing::info!(extension = %by, why, "somebody absent is not called back");
            (json!({}), SKIPPED)
        }
        Asked::Nothing if config.nudge => (payload(&missed, None, now_ms), "recall"),
        Asked::Nothing => return Ok(Then::Settle),
    };
    // Asking may have taken long: whoever is back by now is not called.
    let seen = node.presence.seen(None, user)?;
    if seen.state != State::Offline || seen.seen_ms != known.since {
        return Ok(again(config.after_ms, false));
    }
    let command = deliveries::command(user, channel, &payload);
    let actor = UserId::new(SERVER).expect("an id");
    match node
        .handler
        .execute(actor, command, Some(known.id), None)
        .await
    {
        Answer::Accepted(_) => Ok(Then::Settle),
        Answer::Refused(Refusal::TooLarge { len, limit }) => {
            tracing::warn!(%user, len, limit, "what is to be sent is too long: nobody is called back");
            Ok(Then::Settle)
        }
        Answer::Refused(refusal) => {
            tracing::info!(%user, %refusal, "nobody is called back");
            Ok(Then::Settle)
        }
        Answer::Unavailable(why) => Err(RecallError::Unavailable(why)),
    }
}

/// What the backend is told: with the words of an extension, or without.
fn payload(missed: &Missed, said: Option<(&str, &str, &str)>, now_ms: u64) -> Value {
    let ids: Vec<String> = missed
        .conversations
        .iter()
        .map(ConversationId::to_string)
        .collect();
    let mut payload = json!({
        "since_ms": missed.absence.since,
        "unread": missed.absence.unread,
        "conversations": ids,
        "expires_ms": now_ms + deliveries::PUSH_MS,
    });
    if let Some((by, title, body)) = said {
        payload["by"] = by.into();
        payload["title"] = title.into();
        payload["body"] = body.into();
    }
    payload
}

/// What came of asking.
enum Asked {
    /// This, by that extension.
    Said(String, Recall),
    /// Nothing at present.
    Later { after_ms: u64, failed: bool },
    /// None said anything.
    Nothing,
}

/// Asks one after the other until one says something.
async fn ask_all(shared: &Arc<Shared>, missed: &Missed, known: &Absence, attempt: u32) -> Asked {
    let acting = shared.acting.load_full();
    let asked = acting
        .all
        .iter()
        .filter(|one| !one.shadow && one.has(Hook::Recall));
    for one in asked {
        let absence = match one.manifest.grants.content {
            true => missed.absence.clone(),
            false => absence::without_content(&missed.absence),
        };
        let said = ask(shared, one, absence, &missed.conversations, known, attempt).await;
        let error = match said {
            Ok(Some(recall)) => return Asked::Said(one.id.to_string(), recall),
            Ok(None) => continue,
            Err(error) => error,
        };
        let later = |after_ms: u64, failed| Asked::Later {
            after_ms: after_ms.max(*WAIT_MS.start()),
            failed,
        };
        match error {
            CallError::Refused(HookError::Park { why }) => {
                tracing::info!(extension = %one.id, why, "a recall is left to others");
            }
            // It was not asked.
            CallError::Busy | CallError::LeftAlone | CallError::Host(_) => return later(0, false),
            CallError::Refused(HookError::Retry { after_ms }) if attempt < ATTEMPTS => {
                return later(after_ms.map_or(0, u64::from), true);
            }
            _ if attempt < ATTEMPTS => return later(0, true),
            error => {
                tracing::warn!(extension = %one.id, %error, "a recall is left to others");
            }
        }
    }
    Asked::Nothing
}

async fn ask(
    shared: &Arc<Shared>,
    one: &Arc<One>,
    absence: input::Absence,
    conversations: &[ConversationId],
    known: &Absence,
    attempt: u32,
) -> Result<Option<Recall>, CallError> {
    let now_ms = shared.node.clock.now_ms();
    let about = about(one, Hook::Recall, &known.source, now_ms, attempt, None);
    let user = UserId::new(&absence.user).ok();
    let seen = Seen {
        involved: Involved {
            users: user.iter().cloned().collect(),
            conversations: conversations.iter().copied().collect(),
        },
        by: user,
        overlay: None,
        now_ms,
        depth: 0,
        trace: None,
    };
    let called = calling::call(
        shared,
        one,
        Hook::Recall,
        seen,
        |ready, views| {
            let (about, absence) = (about.clone(), absence.clone());
            async move { ready.on_recall(about, absence, views).await }
        },
        |said| match said {
            None => "none",
            Some(Recall::Send { .. }) => "send",
            Some(Recall::Wait(_)) => "wait",
            Some(Recall::Skip(_)) => "skip",
        },
    );
    called.await
}

fn is_done(shared: &Shared, id: CommandId) -> Result<bool, ReadError> {
    let view = shared.node.projections.read();
    let key = rows::command(id, SERVER);
    let row: Option<rows::Command> = rows::get(&view, Table::Commands, &key)?;
    Ok(row.is_some())
}
