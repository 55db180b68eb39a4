//! What comes of a few calls, to be recorded together.

use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tidings_core::{
    domain::{
        Command, CommandId, ExtensionCommand, ExtensionId, Reaction, Refusal, Stream, UserId,
        extension::{Intent, KvChange, Timer, TimerChange, Waiting},
    },
    handler::Answer,
    keys::KeyError,
    projections::rows::extensions as rows,
};
use tidings_extension_host::{
    Hook,
    staged::{self, Effect, Staged},
};

use crate::{
    acting::One,
    outbox,
    sealing::{self, SealError},
    server::Shared,
    views::Overlay,
};

/// Bytes of what is recorded together. A call stages less than that, and a record holds it.
const ROOM: usize = 380 * 1024;

/// What a call was about.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// Which hook was called.
    pub(crate) hook: Hook,
    /// Names it: the same whenever it is called about the same thing.
    pub(crate) id: Vec<u8>,
    /// When it happened, milliseconds since 1970.
    pub(crate) at_ms: u64,
    /// The user whose doing it follows from, if it is one's.
    pub(crate) by: Option<UserId>,
    /// How many extensions' doings it follows from.
    pub(crate) depth: u8,
    /// The trace that it is part of.
    pub(crate) trace: Option<uuid::Uuid>,
    /// The piece of history that it is told with; nothing where it is told as it happens.
    pub(crate) history: Option<CommandId>,
}

/// What is sealed of a timer: its payload, and what the call that set it followed from, so that what goes round by way of a timer
/// comes to an end as what goes round at once does.
#[derive(Serialize, Deserialize)]
pub(crate) struct Armed {
    pub(crate) depth: u8,
    pub(crate) trace: Option<uuid::Uuid>,
    pub(crate) payload: Vec<u8>,
}

impl Armed {
    fn encode(&self) -> Vec<u8> {
        postcard::to_allocvec(self).expect("postcard encodes what is in memory")
    }

    /// What is not what [`Armed::encode`] makes was set before there was such a thing: its payload alone.
    pub(crate) fn decode(bytes: Vec<u8>) -> Armed {
        postcard::from_bytes(&bytes).unwrap_or(Armed {
            depth: 0,
            trace: None,
            payload: bytes,
        })
    }
}

/// What comes of some calls.
pub(crate) struct Batched {
    shared: Arc<Shared>,
    one: Arc<One>,
    pub(crate) reaction: Reaction,
    /// What calls after these see of the extension's store.
    pub(crate) overlay: Arc<Mutex<Overlay>>,
    changes: u64,
}

/// Why nothing was recorded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommitError {
    /// Something else was recorded meanwhile: all of it is to be done again.
    #[error("something else was recorded meanwhile")]
    Moved,
    /// Not now, as far as is known.
    #[error("it cannot be recorded at present: {0}")]
    Unavailable(String),
    /// Never.
    #[error("it is refused: {0}")]
    Refused(Refusal),
}

impl Batched {
    /// Nothing yet, on top of what is recorded.
    pub(crate) fn new(shared: Arc<Shared>, one: Arc<One>, lane: &rows::Lane) -> Batched {
        Batched {
            reaction: Reaction {
                revision: lane.revision,
                version: one.version.clone(),
                upto: lane.upto,
                ..Reaction::default()
            },
            shared,
            one,
            overlay: Arc::default(),
            changes: 0,
        }
    }

    /// Whether there is anything beside a new place in the log.
    pub(crate) fn is_empty(&self) -> bool {
        let reaction = &self.reaction;
        reaction.waiting.is_empty()
            && reaction.done.is_empty()
            && reaction.kv.is_empty()
            && reaction.timers.is_empty()
            && reaction.intents.is_empty()
            && reaction.failed.is_empty()
    }

    /// Whether what another call stages may not fit any more.
    pub(crate) fn is_full(&self) -> bool {
        self.reaction.encoded_size() > ROOM / 4
    }

    /// Whether what a call staged goes in beside what is there, as far as can be told before it is sealed.
    pub(crate) fn has_room(&self, staged: &Staged) -> bool {
        self.reaction.encoded_size() + size(staged) <= ROOM
    }

    /// Takes what a call staged. Where it is more than can be recorded together nothing of it is taken, and the error says so.
    pub(crate) async fn take(
        &mut self,
        source: &Source,
        staged: Staged,
    ) -> Result<Option<String>, KeyError> {
        let mut kv = Vec::new();
        let mut changed = Vec::new();
        for change in staged.kv {
            let subject = change
                .subject
                .as_deref()
                .and_then(|user| UserId::new(user).ok());
            self.changes += 1;
            let revision = (self.reaction.revision + 1) << 20 | self.changes;
            let value = match change.value {
                Some(plain) => {
                    let sealed = self.seal(&change.key, subject, plain.clone()).await?;
                    // Nothing is kept about who was erased.
                    sealed.map(|sealed| (plain, sealed))
                }
                None => None,
            };
            let plain = value.as_ref().map(|(plain, _)| (plain.clone(), revision));
            changed.push((change.key.clone(), plain));
            kv.push(KvChange {
                key: change.key,
                value: value.map(|(_, sealed)| sealed),
                revision,
            });
        }
        let mut timers = Vec::new();
        for change in staged.timers {
            timers.push(match change {
                staged::TimerChange::Set {
                    key,
                    when,
                    payload,
                    subject,
                } => {
                    let subject = subject.as_deref().and_then(|user| UserId::new(user).ok());
                    let armed = Armed {
                        depth: source.depth,
                        trace: source.trace,
                        payload,
                    };
                    let payload = self
                        .seal(&timer_purpose(&key), subject, armed.encode())
                        .await?;
                    TimerChange {
                        timer: payload.map(|payload| Timer {
                            due_ms: when,
                            payload,
                        }),
                        key,
                    }
                }
                staged::TimerChange::Cancel { key } => TimerChange { key, timer: None },
            });
        }
        let wants = self.one.is_being_written().then(|| {
            let effects = staged.effects.iter();
            effects.map(Effect::to_json).collect::<Vec<_>>()
        });
        let mut intents = Vec::new();
        for (nth, effect) in staged.effects.into_iter().enumerate() {
            for wanted in outbox::wanted(&self.shared, &self.one, source, nth, effect) {
                let plain = wanted.what.traced(source.trace).encode();
                let purpose = outbox::purpose(wanted.id);
                if let Some(what) = self.seal_for(&purpose, wanted.subjects, plain).await? {
                    intents.push(Intent {
                        id: wanted.id,
                        actor: wanted.actor,
                        what,
                    });
                }
            }
        }
        let adds = Reaction {
            kv,
            timers,
            intents,
            ..Reaction::default()
        };
        if adds.encoded_size() + self.reaction.encoded_size() > ROOM {
            let bytes = adds.encoded_size();
            return Ok(Some(format!(
                "it wants {bytes} bytes recorded, more than fit into one record"
            )));
        }
        if let Some(wants) = wants {
            let name = (&*self.one.id, &*self.one.version, source.hook);
            let now_ms = self.shared.node.clock.now_ms();
            for effect in wants {
                let line = format!("it wants {effect}");
                self.shared.stats.note(name, line, now_ms);
            }
        }
        let mut overlay = self.overlay.lock();
        for (key, value) in changed {
            let size = value
                .as_ref()
                .map_or(0, |(value, _)| key.len() + value.len());
            overlay.bytes += size as u64;
            overlay.kv.insert(key, value);
        }
        overlay.timers += adds
            .timers
            .iter()
            .filter(|change| change.timer.is_some())
            .count() as u64;
        drop(overlay);
        for change in adds.kv {
            self.reaction.kv.retain(|before| before.key != change.key);
            self.reaction.kv.push(change);
        }
        for change in adds.timers {
            self.set_timer(change);
        }
        self.reaction.intents.extend(adds.intents);
        Ok(None)
    }

    /// Sets or removes a timer with all else.
    pub(crate) fn set_timer(&mut self, change: TimerChange) {
        self.reaction
            .timers
            .retain(|before| before.key != change.key);
        self.reaction.timers.push(change);
    }

    /// Something is to be told again, or is set aside.
    pub(crate) fn wait(&mut self, waiting: Waiting) {
        self.reaction.waiting.push(waiting);
    }

    async fn seal(
        &self,
        purpose: &str,
        subject: Option<UserId>,
        plain: Vec<u8>,
    ) -> Result<Option<tidings_core::domain::extension::Sealed>, KeyError> {
        self.seal_for(purpose, subject.into_iter().collect(), plain)
            .await
    }

    async fn seal_for(
        &self,
        purpose: &str,
        subjects: Vec<UserId>,
        plain: Vec<u8>,
    ) -> Result<Option<tidings_core::domain::extension::Sealed>, KeyError> {
        let node = &self.shared.node;
        let sealed = sealing::seal(
            &*node.keys,
            &*node.random,
            &self.one.id,
            purpose,
            subjects,
            plain,
        );
        match sealed.await {
            Ok(sealed) => Ok(Some(sealed)),
            Err(SealError::Erased(_)) => Ok(None),
            Err(SealError::Keys(error)) => Err(error),
        }
    }

    /// All of it, to be recorded with something else.
    pub(crate) fn into_reaction(self) -> Reaction {
        self.reaction
    }

    /// Records all of it, and waits until it can be read here.
    pub(crate) async fn commit(self) -> Result<(), CommitError> {
        react(&self.shared, &self.one.id, self.reaction).await
    }
}

/// Rough number of bytes of what a call staged, from above.
fn size(staged: &Staged) -> usize {
    let kv = staged.kv.iter();
    let kv = kv.map(|change| change.key.len() + change.value.as_ref().map_or(0, Vec::len) + 256);
    let timers = staged.timers.iter().map(|change| match change {
        staged::TimerChange::Set { key, payload, .. } => key.len() + payload.len() + 256,
        staged::TimerChange::Cancel { key } => key.len() + 64,
    });
    // Texts and a few ids.
    let effects = staged
        .effects
        .iter()
        .map(|effect| format!("{effect:?}").len() + 512);
    kv.chain(timers).chain(effects).sum()
}

/// Binds a timer's payload to its key.
pub(crate) fn timer_purpose(key: &str) -> String {
    format!("timer {key}")
}

/// Records a reaction, and waits until it can be read here.
pub(crate) async fn react(
    shared: &Shared,
    id: &ExtensionId,
    reaction: Reaction,
) -> Result<(), CommitError> {
    let command = Command::Extension(id.clone(), ExtensionCommand::React(Box::new(reaction)));
    let answer = shared
        .node
        .handler
        .execute(id.account(), command, None, None)
        .await;
    match answer {
        Answer::Accepted(accepted) => {
            shared.node.projections.reached(accepted.position).await;
            Ok(())
        }
        Answer::Refused(Refusal::Moved) => Err(CommitError::Moved),
        Answer::Refused(refusal) => Err(CommitError::Refused(refusal)),
        Answer::Unavailable(why) => Err(CommitError::Unavailable(why)),
    }
}

/// Names an intent: the same for the same effect of the same call, whichever version was called. How many extensions' doings it
/// follows from stands in its last four bits.
pub(crate) fn intent_id(
    shared: &Shared,
    id: &ExtensionId,
    source: &Source,
    key: &str,
) -> CommandId {
    let parts = [
        id.as_bytes(),
        source.hook.name().as_bytes(),
        &source.id,
        key.as_bytes(),
    ];
    let CommandId(uuid) = shared.node.ids.command("extension", &parts);
    let mut bytes = uuid.into_bytes();
    bytes[15] = bytes[15] & 0xf0 | (source.depth + 1).min(15);
    CommandId(uuid::Uuid::from_bytes(bytes))
}

/// The stream of an extension.
pub(crate) fn stream(id: &ExtensionId) -> Stream {
    Stream::Extension(id.clone())
}
