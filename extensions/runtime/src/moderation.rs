//! Asking extensions before something is recorded.
//!
//! All moderators of a draft are asked at the same time, in the operator's order where one puts another text in its place: those
//! behind it that saw the text before are asked once more. What they say is recorded with what comes of the draft.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures_util::future::join_all;
use hashbrown::HashSet;
use parking_lot::Mutex;
use ring::digest::{Context as Digesting, SHA256};
use tidings_core::{
    domain::{
        Command, ConversationCommand, ConversationId, Review, Reviewed, UserCommand, UserId,
        Verdict, event::Kind,
    },
    handler::digest::digest,
    projections::{ReadError, read, rows as core_rows},
    review::{Asked, Origin, Reviewer},
};
use tidings_extension_host::{
    CallError, Hook,
    input::{About, Draft, DraftKind as HostKind, Place},
    staged::{self, Decision},
};
use tidings_extension_manifest::{DraftKind, OnFailure};
use tracing::Instrument as _;
use uuid::Uuid;

use crate::{
    acting::One,
    breaker::{GivesUp, Then},
    calling,
    events::draft_id,
    manage,
    rates::Added,
    server::Shared,
    views::{self, Involved, Rating, Views},
};

/// How often a place is waited for where all are taken, and for how long each time.
const PLACES: usize = 20;
const PLACE: Duration = Duration::from_millis(5);

/// What the author of something is told that could not be looked at.
const FAILED: &str = "it could not be checked";

/// The extensions that look at drafts, as the core asks them.
pub(crate) struct Moderators {
    shared: Arc<Shared>,
}

impl Moderators {
    pub(crate) fn new(shared: Arc<Shared>) -> Moderators {
        Moderators { shared }
    }
}

/// What a command is to make others see, if it is looked at.
fn kind_of(command: &Command) -> Option<DraftKind> {
    use ConversationCommand as C;
    match command {
        Command::Conversation(_, C::Post { .. }) => Some(DraftKind::Message),
        Command::Conversation(_, C::Edit { .. }) => Some(DraftKind::Edit),
        Command::Conversation(_, C::CreateGroup { title, .. }) if !title.is_empty() => {
            Some(DraftKind::Name)
        }
        Command::Conversation(_, C::SetTitle { .. }) => Some(DraftKind::Name),
        Command::User(UserCommand::SetProfile {
            attributes: Some(_),
            ..
        }) => Some(DraftKind::Profile),
        _ => None,
    }
}

#[async_trait]
impl Reviewer for Moderators {
    fn looks_at(&self, command: &Command) -> bool {
        kind_of(command).is_some_and(|kind| !self.shared.acting.load().moderators(kind).is_empty())
    }

    async fn review(&self, asked: Asked<'_>) -> Option<Reviewed> {
        let kind = kind_of(asked.command)?;
        let acting = self.shared.acting.load_full();
        let moderators = acting.moderators(kind);
        let draft = self.draft(kind, &asked);
        let draft = match draft {
            Ok(draft) => Arc::new(draft),
            Err(error) => {
                tracing::error!(%error, "a draft cannot be shown to moderators");
                let failed = moderators
                    .iter()
                    .filter(|one| !one.shadow)
                    .map(|one| failure(one));
                return Some(reviewed(asked.command, None, failed.flatten().collect()));
            }
        };
        let until = Instant::now().checked_add(self.shared.cap.moderation);
        let mut looks: Vec<Looking> = moderators
            .iter()
            .map(|one| self.looking(one, asked.trace, until))
            .collect();
        looks.retain_mut(|look| {
            if look.one.shadow {
                self.in_the_shadow(look.one.clone(), draft.clone(), asked.actor.clone());
            }
            !look.one.shadow
        });
        let said = join_all(
            looks
                .iter()
                .map(|look| self.look(look, draft.clone(), asked.actor)),
        );
        let said = said.await;
        let mut text: Option<String> = None;
        let mut reviews = Vec::new();
        for (look, first) in looks.iter().zip(said) {
            let said = match &text {
                // It saw the text before.
                Some(text) => {
                    let draft = Draft {
                        text: text.clone(),
                        ..Draft::clone(&draft)
                    };
                    self.look(look, Arc::new(draft), asked.actor).await
                }
                None => first,
            };
            match said {
                Ok(said) => {
                    reviews.extend(review(&look.one, &said));
                    text = said.text.or(text);
                }
                Err(()) => reviews.extend(failure(&look.one)),
            }
        }
        (!reviews.is_empty()).then(|| reviewed(asked.command, text, reviews))
    }
}

/// One moderator looking at a draft, perhaps more than once.
struct Looking {
    one: Arc<One>,
    added: Arc<Added>,
    trace: Option<Uuid>,
    /// When all have to be done; never where that is beyond what the clock can hold.
    until: Option<Instant>,
}

impl Looking {
    /// How long all may still take.
    fn left(&self) -> Duration {
        self.until.map_or(Duration::MAX, |until| {
            until.saturating_duration_since(Instant::now())
        })
    }
}

impl Moderators {
    fn looking(&self, one: &Arc<One>, trace: Option<Uuid>, until: Option<Instant>) -> Looking {
        Looking {
            one: one.clone(),
            added: Arc::default(),
            trace,
            until,
        }
    }

    /// What one says. An error where its manifest has to say what counts.
    async fn look(
        &self,
        look: &Looking,
        draft: Arc<Draft>,
        author: &UserId,
    ) -> Result<staged::Verdict, ()> {
        let (shared, one) = (&self.shared, &look.one);
        let name = (&*one.id, &*one.version, Hook::Moderation);
        let Ok(ready) = &one.ready else {
            return Err(());
        };
        let breaker = one.breaker(Hook::Moderation);
        let by = calling::user(author);
        let left = look.left();
        if left.is_zero() || !breaker.lets(tokio::time::Instant::now(), by.as_ref()) {
            shared.stats.left_alone(name);
            return Err(());
        }
        let now_ms = shared.node.clock.now_ms();
        let conversation = draft.place.as_ref();
        let conversation = conversation.and_then(|place| place.conversation.parse().ok());
        let mut users: HashSet<UserId> = HashSet::from_iter([author.clone()]);
        users.extend(
            draft
                .mentions
                .iter()
                .filter_map(|user| UserId::new(user).ok()),
        );
        let views = Arc::new(Views {
            shared: shared.clone(),
            one: one.clone(),
            involved: Involved {
                users,
                conversations: conversation.map(ConversationId).into_iter().collect(),
            },
            overlay: None,
            rates: Some(Rating {
                added: look.added.clone(),
                seen: Mutex::default(),
            }),
            now_ms,
            depth: 0,
            missing: Mutex::default(),
            adds: Mutex::default(),
        });
        let about = About {
            until: look.until,
            ..about(
                one,
                Hook::Moderation,
                draft.id.as_bytes(),
                now_ms,
                1,
                look.trace,
            )
        };
        let span = calling::span(one, Hook::Moderation, look.trace);
        let watched = (one.is_being_written() && !one.shadow).then(|| draft.id.clone());
        let mut called = ready
            .review(about.clone(), draft.clone(), views.clone())
            .instrument(span.clone())
            .await;
        for _ in 0..PLACES {
            // As many calls as there may be are under way: most end soon.
            if !matches!(called.result, Err(CallError::Busy)) || look.left().is_zero() {
                break;
            }
            tokio::time::sleep(PLACE).await;
            called = ready
                .review(about.clone(), draft.clone(), views.clone())
                .instrument(span.clone())
                .await;
        }
        if matches!(called.result, Err(CallError::Host(_)))
            && tokio::time::timeout(look.left(), views.fetch()).await == Ok(true)
        {
            called = ready
                .review(about, draft, views.clone())
                .instrument(span.clone())
                .await;
        }
        let outcome = match &called.result {
            Ok(said) => match (&said.decision, &said.text) {
                (Decision::Reject { .. }, _) => "reject",
                (Decision::Hold { .. }, _) => "hold",
                (Decision::Allow, Some(_)) => "replace",
                (Decision::Allow, None) => "allow",
            },
            Err(error) => error.kind(),
        };
        let error = called.result.as_ref().err();
        shared
            .stats
            .called(name, outcome, error, &called.usage, now_ms);
        match called.result {
            Ok(said) => {
                breaker.well(by.as_ref());
                if let Some(id) = watched {
                    let line = format!("it said {} to draft {id}", in_words(&said));
                    shared.stats.note(name, line, now_ms);
                }
                Ok(said)
            }
            Err(error) => {
                tracing::warn!(extension = %one.id, version = one.version, %error, "a review failed");
                // Who is asked when others have used up most of the time is not to blame for not being done.
                let hurried = left < shared.cap.moderation / 2
                    && matches!(error, CallError::Deadline | CallError::Refused(_));
                if error.is_its_fault()
                    && !hurried
                    && breaker.failed(
                        tokio::time::Instant::now(),
                        by.as_ref(),
                        GivesUp::ForSeveral,
                    ) == Then::GiveUp
                {
                    manage::quarantine(shared, one, Hook::Moderation, &error.to_string());
                }
                Err(())
            }
        }
    }

    /// One that only looks on: the author does not wait for it.
    fn in_the_shadow(&self, one: Arc<One>, draft: Arc<Draft>, author: UserId) {
        let moderators = Moderators {
            shared: self.shared.clone(),
        };
        tokio::spawn(async move {
            let until = Instant::now().checked_add(moderators.shared.cap.moderation);
            let look = moderators.looking(&one, None, until);
            if let Ok(said) = moderators.look(&look, draft.clone(), &author).await
                && said != staged::Verdict::default()
            {
                let Shared { stats, node, .. } = &*moderators.shared;
                let name = (&*one.id, &*one.version, Hook::Moderation);
                let said = in_words(&said);
                let line = format!(
                    "in the shadow: it would have said {said} to draft {}",
                    draft.id
                );
                stats.note(name, line, node.clock.now_ms());
            }
        });
    }

    fn draft(&self, kind: DraftKind, asked: &Asked<'_>) -> Result<Draft, ReadError> {
        let limits = &self.shared.node.config.limits;
        let rows = self.shared.node.projections.read();
        let mut draft = Draft {
            id: String::new(),
            kind: match kind {
                DraftKind::Message => HostKind::Message,
                DraftKind::Edit => HostKind::Edit,
                DraftKind::Name => HostKind::Name,
                DraftKind::Profile => HostKind::Profile,
            },
            author: asked.actor.to_string(),
            place: None,
            first_contact: false,
            text: String::new(),
            text_limit: limits.text_bytes,
            reply_to: None,
            mentions: Vec::new(),
            attributes: Vec::new(),
            details: vec![("origin".to_owned(), origin(asked.origin).to_owned())],
        };
        let names = |users: &[UserId]| users.iter().map(ToString::to_string).collect();
        use ConversationCommand as C;
        match asked.command {
            Command::Conversation(id, command) => {
                draft.id = draft_id(*id, asked.id.map(|id| id.0));
                let row = read::row(&rows, *id)?;
                let of_new = match command {
                    C::CreateGroup { members, .. } => members.len() as u32 + 1,
                    _ => 0,
                };
                let sort = row.as_ref().map_or("group", |row| views::kind(&row.kind));
                draft.place = Some(Place {
                    conversation: id.to_string(),
                    kind: sort.to_owned(),
                    members: row.as_ref().map_or(of_new, |row| row.member_count),
                });
                match command {
                    C::Post {
                        text,
                        reply_to,
                        mentions,
                    } => {
                        draft.text.clone_from(text);
                        draft.reply_to = (*reply_to != 0).then_some(*reply_to);
                        draft.mentions = names(mentions);
                    }
                    C::Edit { text, mentions, .. } => {
                        draft.text.clone_from(text);
                        draft.mentions = names(mentions);
                    }
                    C::CreateGroup { title, .. } | C::SetTitle { title } => {
                        draft.text.clone_from(title);
                        draft.text_limit = limits.title_bytes;
                    }
                    _ => {}
                }
                if let (DraftKind::Message | DraftKind::Edit, Some(row)) = (kind, &row)
                    && let Some(peer) = read::peer(&row.kind, asked.actor)
                {
                    draft.first_contact = is_first_contact(&rows, row, asked.actor, peer)?;
                }
            }
            Command::User(UserCommand::SetProfile {
                attributes: Some(attributes),
                ..
            }) => {
                draft.id = asked.id.map_or_else(String::new, |id| id.to_string());
                draft.attributes = texts(attributes);
                let all = draft.attributes.iter().flat_map(|(_, values)| values);
                draft.text = all.map(String::as_str).collect::<Vec<_>>().join("\n");
            }
            _ => {}
        }
        Ok(draft)
    }
}

/// Whether somebody writes to one who has never answered and is no contact.
fn is_first_contact(
    rows: &dyn core_rows::Rows,
    row: &core_rows::Conversation,
    author: &UserId,
    peer: &UserId,
) -> Result<bool, ReadError> {
    let answered = match &row.kind {
        Kind::Direct { pair, .. } if pair.0 == *author => row.wrote.1,
        Kind::Direct { .. } => row.wrote.0,
        Kind::Group { .. } => true,
    };
    if answered {
        return Ok(false);
    }
    let key = core_rows::contact(author, peer);
    let contact: Option<core_rows::Contact> =
        core_rows::get(rows, tidings_core::projections::Table::Users, &key)?;
    Ok(!contact.is_some_and(|contact| contact.added && contact.adds))
}

/// The texts of a profile, by attribute.
fn texts(attributes: &str) -> Vec<(String, Vec<String>)> {
    let attributes: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(attributes).unwrap_or_default();
    let texts = attributes.into_iter().filter_map(|(name, value)| {
        let texts: Vec<String> = match value {
            serde_json::Value::String(text) => vec![text],
            serde_json::Value::Array(all) => {
                let texts = all.into_iter().filter_map(|value| match value {
                    serde_json::Value::String(text) => Some(text),
                    _ => None,
                });
                texts.collect()
            }
            _ => Vec::new(),
        };
        (!texts.is_empty()).then_some((name, texts))
    });
    texts.collect()
}

fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Client => "client",
        Origin::Backend => "backend",
        Origin::Extension => "extension",
    }
}

/// What is true of a call about something named by `source`, which is part of a trace or not.
pub(crate) fn about(
    one: &One,
    hook: Hook,
    source: &[u8],
    now_ms: u64,
    attempt: u32,
    trace: Option<Uuid>,
) -> About {
    let mut seed = Digesting::new(&SHA256);
    for part in [one.id.as_bytes(), hook.name().as_bytes(), source] {
        seed.update(&(part.len() as u64).to_be_bytes());
        seed.update(part);
    }
    let seed: [u8; 32] = seed
        .finish()
        .as_ref()
        .try_into()
        .expect("SHA-256 has 32 bytes");
    let mut key = [0; 16];
    key.copy_from_slice(&seed[..16]);
    let key = Uuid::from_bytes(key).simple().to_string();
    About {
        until: None,
        now: now_ms,
        seed,
        attempt,
        traceparent: trace.map_or_else(String::new, |trace| {
            // The call is a span of its own, the same each time it is made.
            let span = key.get(..16).unwrap_or_default();
            format!("00-{}-{span}-01", trace.simple())
        }),
        idempotency_key: key,
    }
}

/// What one said, as it is recorded; nothing where it said nothing.
fn review(one: &One, said: &staged::Verdict) -> Option<Review> {
    let (verdict, reason) = match (&said.decision, &said.text) {
        (Decision::Reject { reason }, _) => (Verdict::Reject, reason.clone()),
        (Decision::Hold { reason }, _) => (Verdict::Hold, reason.clone()),
        (Decision::Allow, Some(_)) => (Verdict::Replace, String::new()),
        (Decision::Allow, None) => (Verdict::Allow, String::new()),
    };
    let silent = verdict == Verdict::Allow && said.labels.is_empty();
    (!silent).then(|| Review {
        extension: one.id.to_string(),
        version: one.version.clone(),
        verdict,
        reason,
        labels: said.labels.clone(),
        failed: false,
    })
}

/// A verdict for who reads logs: not what somebody wrote.
fn in_words(said: &staged::Verdict) -> String {
    let decision = match &said.decision {
        Decision::Reject { reason } => format!("reject ({reason})"),
        Decision::Hold { reason } => format!("hold ({reason})"),
        Decision::Allow if said.text.is_some() => "replace the text".to_owned(),
        Decision::Allow => "allow".to_owned(),
    };
    match said.labels.as_slice() {
        [] => decision,
        labels => format!("{decision} and label {}", labels.join(", ")),
    }
}

/// What counts where one failed; nothing where that is that it goes through, but that it was so.
fn failure(one: &One) -> Option<Review> {
    let moderation = one.manifest.moderation.as_ref()?;
    let (verdict, reason) = match moderation.on_failure {
        OnFailure::Allow => (Verdict::Allow, ""),
        OnFailure::Hold => (Verdict::Hold, FAILED),
        OnFailure::Reject => (Verdict::Reject, FAILED),
    };
    Some(Review {
        extension: one.id.to_string(),
        version: one.version.clone(),
        verdict,
        reason: reason.to_owned(),
        labels: Vec::new(),
        failed: true,
    })
}

fn reviewed(command: &Command, text: Option<String>, reviews: Vec<Review>) -> Reviewed {
    Reviewed {
        digest: digest(command),
        command: match text {
            Some(text) => replaced(command, text),
            None => command.clone(),
        },
        reviews,
    }
}

fn replaced(command: &Command, new: String) -> Command {
    let mut command = command.clone();
    use ConversationCommand as C;
    if let Command::Conversation(_, command) = &mut command {
        match command {
            C::Post { text, .. } | C::Edit { text, .. } => *text = new,
            C::CreateGroup { title, .. } | C::SetTitle { title } => *title = new,
            _ => {}
        }
    }
    command
}
