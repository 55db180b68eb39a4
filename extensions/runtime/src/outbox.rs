//! What extensions want done elsewhere: recorded with the rest, then carried out as commands with ids of their own until each is seen
//! to be done. Such an id is never too old, so whoever is killed when, it happens once.

use hashbrown::HashSet;
use serde::{Deserialize, Serialize};
use tidings_core::{
    content,
    domain::{
        Command, CommandId, ConversationCommand, ConversationId, ExtensionId, Reaction, Refusal,
        Review, Settler, Stream, UserCommand, UserId, Verdict, command::Held, extension::Sealed,
        toast::NewToast,
    },
    handler::{Answer, Submission},
    keys::KeyError,
    projections::{
        Projections, ReadError,
        read::{self, HeldView, Text},
        rows::extensions as rows,
    },
    review::Origin,
};
use tidings_extension_host::staged::{Effect, PostTo};
use uuid::Uuid;

use crate::{
    acting::One,
    deliveries, events,
    reactor::{self, CommitError, Source},
    sealing,
    server::Shared,
};

/// What is to be done, as it is stored.
#[derive(Serialize, Deserialize)]
pub(crate) enum What {
    /// A command.
    Command(Command),
    /// What is held is settled: what it says is read when that is done.
    Settle {
        conversation: ConversationId,
        command: Uuid,
        release: bool,
        reason: String,
    },
    /// Something that is part of a trace.
    Traced { trace: Uuid, what: Box<What> },
}

impl What {
    /// The same, as part of a trace.
    pub(crate) fn traced(self, trace: Option<Uuid>) -> What {
        match trace {
            Some(trace) => What::Traced {
                trace,
                what: Box::new(self),
            },
            None => self,
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        postcard::to_allocvec(self).expect("commands encode")
    }
}

/// An intent that is not sealed yet.
pub(crate) struct Wanted {
    pub(crate) id: CommandId,
    pub(crate) actor: UserId,
    /// Whom it is about.
    pub(crate) subjects: Vec<UserId>,
    pub(crate) what: What,
}

/// Binds a sealed intent to its id.
pub(crate) fn purpose(id: CommandId) -> String {
    format!("intent {id}")
}

/// What an effect comes to. `nth` is its place among those of its call.
pub(crate) fn wanted(
    shared: &Shared,
    one: &One,
    source: &Source,
    nth: usize,
    effect: Effect,
) -> Vec<Wanted> {
    if source.history.is_some()
        && matches!(
            effect,
            Effect::Toast(_) | Effect::Push(_) | Effect::Notify { .. }
        )
    {
        // Nobody is told now of what happened then.
        return Vec::new();
    }
    // What has no key of its own happens again with each time that history is told.
    let unkeyed = |what: &str| match source.history {
        Some(piece) => format!("{what} {nth} {piece}"),
        None => format!("{what} {nth}"),
    };
    let account = one.id.account();
    let id = |key: &str| reactor::intent_id(shared, &one.id, source, key);
    let user = |text: &str| UserId::new(text).ok();
    let conversation = |text: &str| Uuid::parse_str(text).ok().map(ConversationId);
    let command = |key: String, actor: UserId, subjects: Vec<UserId>, command: Command| Wanted {
        id: id(&key),
        actor,
        subjects,
        what: What::Command(command),
    };
    let mut all = Vec::new();
    match effect {
        Effect::Toast(toast) => {
            if let Some(to) = user(&toast.user) {
                let about_user = toast.about_user.as_deref().and_then(user);
                let mut subjects = vec![to.clone()];
                subjects.extend(about_user.clone().filter(|about| *about != to));
                let expires_ms = toast.expire_after_ms;
                let new = NewToast {
                    source: one.id.to_string(),
                    collapse: toast.collapse,
                    title: toast.title,
                    body: toast.body,
                    link: toast.link,
                    about_user,
                    about_conversation: toast.about_conversation.as_deref().and_then(conversation),
                    expires_ms: expires_ms.map(|ms| source.at_ms.saturating_add(u64::from(ms))),
                };
                let toast = Command::User(UserCommand::QueueToast(Box::new(new)));
                all.push(command(unkeyed("toast"), to, subjects, toast));
            }
        }
        Effect::Badge {
            user: to,
            name,
            count,
        } => {
            if let Some(to) = user(&to) {
                let set = UserCommand::SetBadge {
                    source: one.id.to_string(),
                    name,
                    count,
                };
                all.push(command(
                    unkeyed("badge"),
                    to.clone(),
                    vec![to],
                    Command::User(set),
                ));
            }
        }
        Effect::Post(post) => {
            let mentions = post.mentions.iter().filter_map(|text| user(text)).collect();
            let say = |to| {
                let post = ConversationCommand::Post {
                    text: post.text.clone(),
                    reply_to: post.reply_to.unwrap_or_default(),
                    mentions,
                };
                Command::Conversation(to, post)
            };
            let key = &post.key;
            match &post.to {
                PostTo::Conversation(to) => {
                    if let Some(to) = conversation(to) {
                        all.push(command(
                            format!("post {key}"),
                            account.clone(),
                            vec![account],
                            say(to),
                        ));
                    }
                }
                PostTo::User(to) => {
                    if let Some(peer) = user(to).filter(|peer| *peer != account) {
                        let to = shared.node.ids.direct(&account, &peer, "");
                        let pair = match account <= peer {
                            true => (account.clone(), peer.clone()),
                            false => (peer.clone(), account.clone()),
                        };
                        let start = ConversationCommand::StartDirect {
                            pair,
                            context: String::new(),
                        };
                        let start = Command::Conversation(to, start);
                        let subjects = vec![peer];
                        all.push(command(
                            format!("start {key}"),
                            account.clone(),
                            subjects.clone(),
                            start,
                        ));
                        all.push(command(format!("post {key}"), account, subjects, say(to)));
                    }
                }
            }
        }
        Effect::Label {
            conversation: of,
            seq,
            label,
        } => {
            if let Some(of) = conversation(&of) {
                let review = Review {
                    extension: one.id.to_string(),
                    version: one.version.clone(),
                    verdict: Verdict::Allow,
                    reason: String::new(),
                    labels: vec![label.clone()],
                    failed: false,
                };
                let labels = Command::Conversation(of, ConversationCommand::Label { seq, review });
                all.push(command(
                    format!("label {of} {seq} {label}"),
                    account,
                    Vec::new(),
                    labels,
                ));
            }
        }
        Effect::Release { held } => all.extend(settle(id, account, &held, true, String::new())),
        Effect::Reject { held, reason } => all.extend(settle(id, account, &held, false, reason)),
        Effect::Emit {
            kind,
            key,
            payload,
            subject,
            ..
        } => {
            let subject = subject.as_deref().and_then(user);
            let event = Command::AppEvent {
                subject: subject.clone().unwrap_or_else(|| account.clone()),
                kind: format!("ext.{}.{kind}", one.id),
                payload,
            };
            let subjects = subject.into_iter().collect();
            all.push(command(
                format!("emit {kind} {key}"),
                account,
                subjects,
                event,
            ));
        }
        Effect::Push(push) => {
            if let Some(to) = user(&push.user) {
                let payload = deliveries::push(&push, source.at_ms);
                let event = deliveries::command(&to, "push", &payload);
                let key = format!("push {}", push.key);
                all.push(command(key, account, vec![to], event));
            }
        }
        Effect::Notify {
            user: to,
            key,
            channel,
            payload,
        } => {
            if let Some(to) = user(&to) {
                let event = deliveries::noted(&to, &channel, payload);
                let key = format!("notify {channel} {key}");
                all.push(command(key, account, vec![to], event));
            }
        }
    }
    all
}

fn settle(
    id: impl Fn(&str) -> CommandId,
    account: UserId,
    held: &str,
    release: bool,
    reason: String,
) -> Option<Wanted> {
    let (conversation, command) = events::held(held)?;
    Some(Wanted {
        id: id(&format!("settle {held}")),
        actor: account,
        subjects: Vec::new(),
        what: What::Settle {
            conversation,
            command,
            release,
            reason,
        },
    })
}

/// Why what is to be done could not be looked at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<SendError> for CommitError {
    fn from(error: SendError) -> CommitError {
        match error {
            SendError::Commit(error) => error,
            error => CommitError::Unavailable(error.to_string()),
        }
    }
}

/// What is to be done with one intent.
enum Next {
    /// This command, in somebody's name.
    Submit(UserId, Command, Option<Uuid>),
    /// Nothing: it can never be done.
    Nothing(&'static str),
}

/// Carries out what an extension wants done, in its order. How much is left.
pub(crate) async fn send(
    shared: &Shared,
    id: &ExtensionId,
    projections: &Projections,
) -> Result<usize, CommitError> {
    Ok(send_all(shared, id, projections).await?)
}

async fn send_all(
    shared: &Shared,
    id: &ExtensionId,
    projections: &Projections,
) -> Result<usize, SendError> {
    let intents = rows::intents(&projections.read(), id)?;
    let (mut failed, mut whys) = (Vec::new(), Vec::new());
    let mut left = 0;
    let mut last = 0;
    // Where one could not be carried out, those behind it wait.
    let mut held_up: HashSet<Stream> = HashSet::new();
    for (command_id, intent) in intents {
        let next = match next(shared, id, command_id, &intent.what).await? {
            Next::Submit(actor, command, trace) => {
                // Settling is carried out for whoever wrote what is held.
                let actor = if matches!(
                    command,
                    Command::Conversation(_, ConversationCommand::Settle { .. })
                ) {
                    actor
                } else {
                    intent.actor.clone()
                };
                let stream = command.stream(&actor);
                if held_up.contains(&stream) {
                    left += 1;
                    continue;
                }
                let answer = submit(shared, actor, command, command_id, trace).await;
                if let Answer::Unavailable(_) = answer {
                    held_up.insert(stream);
                }
                answer
            }
            Next::Nothing(why) => {
                tracing::info!(extension = %id, why, "an effect came to nothing");
                failed.push(command_id);
                whys.push(why.to_owned());
                continue;
            }
        };
        match next {
            Answer::Accepted(accepted) => last = last.max(accepted.position),
            Answer::Refused(refusal) => {
                tracing::info!(extension = %id, %refusal, "an effect was refused");
                failed.push(command_id);
                whys.push(reason(&refusal, id));
            }
            Answer::Unavailable(why) => {
                tracing::warn!(extension = %id, why, "an effect cannot be carried out at present");
                left += 1;
            }
        }
    }
    projections.reached(last).await;
    if !failed.is_empty() {
        let turn = shared.lanes.turn(id);
        let _turn = turn.lock().await;
        let lane = rows::lane_of(&projections.read(), id)?;
        let reaction = Reaction {
            revision: lane.revision,
            upto: lane.upto,
            failed,
            ..Reaction::default()
        };
        reactor::react(shared, id, reaction).await?;
        for why in whys {
            refused(shared, id, &why);
        }
    }
    Ok(left)
}

/// Why an effect was refused, in words that help its author.
fn reason(refusal: &Refusal, id: &ExtensionId) -> String {
    match refusal {
        // Whoever is not in one is not told whether it is there.
        Refusal::NotFound(what) if what == "conversation" => {
            let account = id.account();
            format!("{refusal}, or {account} is no member of it: whoever leads it adds it")
        }
        refusal => refusal.to_string(),
    }
}

/// Tells the author, who does not read the server's log.
fn refused(shared: &Shared, id: &ExtensionId, why: &str) {
    let acting = shared.acting.load();
    let version = acting.named(id).map_or("", |one| one.version.as_str());
    let now_ms = shared.node.clock.now_ms();
    shared.stats.refused(id, version, why, now_ms);
}

async fn next(
    shared: &Shared,
    id: &ExtensionId,
    command: CommandId,
    sealed: &Sealed,
) -> Result<Next, SendError> {
    let keys = &*shared.node.keys;
    let Some(plain) = sealing::open(keys, id, &purpose(command), sealed).await? else {
        return Ok(Next::Nothing("whom it is about was erased"));
    };
    let what: What = match postcard::from_bytes(&plain) {
        Ok(what) => what,
        Err(_) => return Ok(Next::Nothing("it cannot be read")),
    };
    let (what, trace) = match what {
        What::Traced { trace, what } => (*what, Some(trace)),
        what => (what, None),
    };
    match what {
        What::Traced { .. } => Ok(Next::Nothing("it cannot be read")),
        What::Command(command) => Ok(Next::Submit(id.account(), command, trace)),
        What::Settle {
            conversation,
            command,
            release,
            reason,
        } => {
            let Some(held) = held(shared, conversation, command)? else {
                return Ok(Next::Nothing("it is not held any more"));
            };
            let author = held.author.clone();
            let number = held.held;
            let release = match release {
                true => match opened(shared, held).await? {
                    Some(release) => Some(Box::new(release)),
                    None => return Ok(Next::Nothing("what is held was erased")),
                },
                false => None,
            };
            let settle = ConversationCommand::Settle {
                held: number,
                by: Settler::Extension(id.to_string()),
                release,
                reason,
            };
            Ok(Next::Submit(
                author,
                Command::Conversation(conversation, settle),
                trace,
            ))
        }
    }
}

fn held(
    shared: &Shared,
    conversation: ConversationId,
    command: Uuid,
) -> Result<Option<HeldView>, ReadError> {
    let rows = shared.node.projections.read();
    let mut after = 0;
    loop {
        let (found, more) = read::held_in(&rows, conversation, None, after, 200)?;
        after = found.last().map_or(after, |last| last.held);
        let ours = found.into_iter().find(|held| held.command == Some(command));
        if ours.is_some() || !more {
            return Ok(ours);
        }
    }
}

async fn opened(shared: &Shared, held: HeldView) -> Result<Option<Held>, KeyError> {
    let mut views = [held];
    content::open_held(&*shared.node.keys, &mut views).await?;
    let [view] = views;
    Ok(match view.text {
        Text::Open(text) => Some(Held {
            edits: view.edits,
            text,
            mentions: view.mentions,
        }),
        Text::Sealed { .. } | Text::Retracted | Text::Erased => None,
    })
}

/// Submits a command as clients' are: moderation looks at it, too.
async fn submit(
    shared: &Shared,
    actor: UserId,
    command: Command,
    id: CommandId,
    trace: Option<Uuid>,
) -> Answer {
    let (tell, told) = tokio::sync::oneshot::channel();
    let submission = Submission {
        actor,
        command,
        id: Some(id),
        happened_ms: None,
        known: shared.node.projections.cursor(),
        chain: None,
        trace,
        reply: Box::new(move |answer| drop(tell.send(answer))),
    };
    shared.node.reviewing.submit(Origin::Extension, submission);
    told.await
        .unwrap_or_else(|_| Answer::Unavailable("the server is stopping".to_owned()))
}
