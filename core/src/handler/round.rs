//! One round of a writer: commands decided together, to be appended as one commit.

use bytes::Bytes;
use hashbrown::HashMap;

use super::{Accepted, Answer, Submission};
use crate::{
    commit::{self, Batch, CommandRef, Commit},
    domain::{
        CommandId, Content, ConversationId, Event, Extension, ExtensionId, Refusal, Stream, User,
        UserId,
    },
    keys::{KeyError, KeyId, KeyState, KeyStore, seal},
    log::MAX_RECORD_BYTES,
};

/// Room for the record's own header.
const ROOM: usize = MAX_RECORD_BYTES - 1_024;

#[derive(Default)]
pub(super) struct Round {
    pub(super) batches: Vec<Batch>,
    /// Accepted with the commit, each with its batch.
    pub(super) accepted: Vec<(Submission, usize)>,
    /// The same command once more, answered like the first: (reply, batch).
    pub(super) joined: Vec<(Submission, usize)>,
    /// Refused, each with how many were accepted before it.
    refused: Vec<(Submission, Refusal, usize)>,
    /// Command ids in this round, with their batch.
    ids: HashMap<(CommandId, UserId), usize>,
    /// Users' own streams touched in this round.
    pub(super) users: HashMap<UserId, User>,
    /// Extensions touched in this round.
    pub(super) extensions: HashMap<ExtensionId, Extension>,
    size: usize,
}

/// Why a round could not be sealed.
pub(super) enum SealError {
    /// The key store failed.
    Keys(KeyError),
    /// The key of an author, or of whom a fact concerns, was destroyed: they have been erased.
    Erased(UserId),
}

impl Round {
    /// The batch of a command that is in this round already, and its digest.
    pub(super) fn find(&self, id: CommandId, actor: &UserId) -> Option<(usize, u32)> {
        let batch = *self.ids.get(&(id, actor.clone()))?;
        self.batches[batch]
            .command
            .map(|command| (batch, command.digest))
    }

    /// Answers a retry along with the first try.
    pub(super) fn join(&mut self, submission: Submission, batch: usize) {
        self.joined.push((submission, batch));
    }

    /// Refuses a command, once what it rests on is certain: what was decided before it may not happen.
    pub(super) fn refuse(&mut self, submission: Submission, refusal: Refusal) {
        self.refused
            .push((submission, refusal, self.accepted.len()));
    }

    /// Whether any command is refused.
    pub(super) fn refuses(&self) -> bool {
        !self.refused.is_empty()
    }

    /// Takes those that are refused.
    pub(super) fn take_refused(&mut self) -> impl Iterator<Item = (Submission, Refusal)> {
        let refused = std::mem::take(&mut self.refused).into_iter();
        refused.map(|(submission, refusal, _)| (submission, refusal))
    }

    /// Whether so much more still goes into the commit.
    pub(super) fn fits(&self, events: &[Event]) -> bool {
        self.batches.is_empty() || self.size + commit::encoded_size(events) <= ROOM
    }

    /// Adds what a command led to.
    pub(super) fn push(
        &mut self,
        submission: Submission,
        stream: Stream,
        digest: u32,
        events: Vec<Event>,
    ) {
        self.size += commit::encoded_size(&events);
        let batch = batch_of(&submission, stream, digest, events);
        if let Some(id) = submission.id {
            self.ids
                .insert((id, submission.actor.clone()), self.batches.len());
        }
        self.accepted.push((submission, self.batches.len()));
        self.batches.push(batch);
    }

    /// Seals all content in place. The keys are durable before anything sealed with them is. True if some
    /// had to be asked for.
    pub(super) async fn seal(
        &mut self,
        keys: &dyn KeyStore,
        random: &dyn ring::rand::SecureRandom,
    ) -> Result<bool, SealError> {
        let mut wanted = Vec::new();
        for batch in &self.batches {
            wanted.extend(keys_of(batch));
        }
        if wanted.is_empty() {
            return Ok(false);
        }
        let mut states: Vec<Option<KeyState>> =
            wanted.iter().map(|id| present(keys.cached(id))).collect();
        let mut missing: Vec<KeyId> = wanted
            .iter()
            .zip(&states)
            .filter(|(_, state)| state.is_none())
            .map(|(id, _)| id.clone())
            .collect();
        if !missing.is_empty() {
            missing.sort_unstable();
            missing.dedup();
            if let Some(erased) = erased_author(keys, &missing).await? {
                return Err(SealError::Erased(erased));
            }
            let made = keys.ensure(&missing).await.map_err(SealError::Keys)?;
            for (id, state) in wanted
                .iter()
                .zip(&mut states)
                .filter(|(_, state)| state.is_none())
            {
                let at = missing.binary_search(id).expect("asked for above");
                *state = Some(made[at].clone());
            }
        }
        let mut nonces = vec![0; 12 * wanted.len()];
        random.fill(&mut nonces).expect("the system has randomness");
        let mut sealing = wanted.iter().zip(states).zip(nonces.chunks_exact(12));
        for batch in &mut self.batches {
            let layers = keys_of(batch).count();
            if layers == 0 {
                continue;
            }
            let aad = aad(batch);
            let text = batch.events.iter_mut().find_map(text_of);
            let mut text = text.filter(|text| matches!(text, Content::Plain(_)));
            for ((id, state), nonce) in sealing.by_ref().take(layers) {
                let Some(KeyState::Present(key)) = state else {
                    return Err(SealError::Erased(owner(id)));
                };
                let nonce: [u8; 12] = nonce.try_into().expect("12 bytes");
                if let Some(text) = &mut text {
                    let sealed = match &**text {
                        Content::Plain(plain) => key.seal(&aad, nonce, plain.as_bytes()),
                        Content::Sealed(inner) => key.seal(&aad, nonce, inner),
                    };
                    **text = Content::Sealed(sealed);
                }
            }
        }
        Ok(!missing.is_empty())
    }

    /// The commit as it is stored.
    pub(super) fn encode(&self, recorded_ms: u64) -> Bytes {
        Commit::encode(recorded_ms, &self.batches)
    }

    /// Answers everyone: durable at `position`. Returns what a retry will be told.
    pub(super) fn answer(
        self,
        position: u64,
        recorded_ms: u64,
    ) -> Vec<((CommandId, UserId), (u32, Accepted))> {
        let mut remembered = Vec::with_capacity(self.ids.len());
        let accepted = |batch: &Batch, duplicate| Accepted {
            position,
            at_ms: batch.happened_ms.unwrap_or(recorded_ms),
            conversation: conversation(batch),
            seq: posted(batch),
            held: held(batch),
            duplicate,
        };
        for (submission, batch) in self.accepted {
            let batch = &self.batches[batch];
            let accepted = accepted(batch, false);
            if let Some(command) = batch.command {
                remembered.push((
                    (command.id, batch.actor.clone()),
                    (command.digest, accepted),
                ));
            }
            (submission.reply)(Answer::Accepted(accepted));
        }
        for (submission, batch) in self.joined {
            (submission.reply)(Answer::Accepted(accepted(&self.batches[batch], true)));
        }
        remembered
    }

    /// Gives back every command, undecided, in the order they came in; the same command once more at the
    /// end.
    pub(super) fn into_submissions(self) -> Vec<Submission> {
        let mut refused = self.refused.into_iter().peekable();
        let mut all = Vec::new();
        for (before, (submission, _)) in self.accepted.into_iter().enumerate() {
            while let Some((earlier, ..)) = refused.next_if(|(_, _, at)| *at <= before) {
                all.push(earlier);
            }
            all.push(submission);
        }
        all.extend(refused.map(|(submission, ..)| submission));
        all.extend(self.joined.into_iter().map(|(submission, _)| submission));
        all
    }

    /// The conversations it touches.
    pub(super) fn conversations(&self) -> Vec<ConversationId> {
        self.batches.iter().filter_map(conversation).collect()
    }
}

fn batch_of(submission: &Submission, stream: Stream, digest: u32, events: Vec<Event>) -> Batch {
    Batch {
        stream,
        actor: submission.actor.clone(),
        command: submission.id.map(|id| CommandRef { id, digest }),
        happened_ms: submission.happened_ms,
        correlation: submission.trace,
        causation: None,
        first_index: 0,
        events,
        poison: None,
    }
}

fn conversation(batch: &Batch) -> Option<ConversationId> {
    match &batch.stream {
        Stream::Conversation(id) => Some(*id),
        Stream::User(_) | Stream::Extension(_) => None,
    }
}

fn posted(batch: &Batch) -> u64 {
    batch
        .events
        .iter()
        .find_map(|event| match event {
            Event::MessagePosted { seq, .. } => Some(*seq),
            _ => None,
        })
        .unwrap_or(0)
}

fn held(batch: &Batch) -> u64 {
    let held = batch.events.iter().find_map(|event| match event {
        Event::MessageHeld { held, .. } => Some(*held),
        _ => None,
    });
    held.unwrap_or(0)
}

/// Somebody who was erased and would write somewhere new: where they wrote before, their keys are gone.
async fn erased_author(
    keys: &dyn KeyStore,
    missing: &[KeyId],
) -> Result<Option<UserId>, SealError> {
    let mut authors: Vec<KeyId> = missing
        .iter()
        .filter_map(|id| match id {
            KeyId::Content { author, .. } => Some(KeyId::User(author.clone())),
            KeyId::User(_) => None,
        })
        .collect();
    authors.sort_unstable();
    authors.dedup();
    if authors.is_empty() {
        return Ok(None);
    }
    let states = keys.get(&authors).await.map_err(SealError::Keys)?;
    let erased = authors
        .iter()
        .zip(states)
        .find_map(|(id, state)| match (id, state) {
            (KeyId::User(user), KeyState::Destroyed) => Some(UserId::trusted(user)),
            _ => None,
        });
    Ok(erased)
}

/// What of an event is sealed.
fn text_of(event: &mut Event) -> Option<&mut Content> {
    match event {
        Event::MessagePosted { content, .. }
        | Event::MessageEdited { content, .. }
        | Event::MessageHeld { content, .. }
        | Event::ToastQueued { content, .. }
        | Event::ProfileSet {
            attributes: content,
        }
        | Event::AppEventRecorded {
            payload: content, ..
        } => Some(content),
        _ => None,
    }
}

/// The keys a batch's content is sealed with, one over the other: none when it has none. A command writes at most
/// one text. What tells one user of another can be read while both keys are there: whoever of the two is erased
/// takes it along, out of the log and of every backup, and nobody has to know where it stands.
fn keys_of(batch: &Batch) -> impl Iterator<Item = KeyId> {
    let mut about = None;
    let sealed = batch.events.iter().any(|event| match event {
        Event::MessagePosted { .. }
        | Event::MessageEdited { .. }
        | Event::MessageHeld { .. }
        | Event::ProfileSet { .. }
        | Event::AppEventRecorded { .. } => true,
        Event::ToastQueued { about_user, .. } => {
            about = about_user.as_ref();
            true
        }
        _ => false,
    });
    let inner = sealed.then(|| match &batch.stream {
        Stream::Conversation(conversation) => KeyId::Content {
            conversation: conversation.0,
            author: batch.actor.shared(),
        },
        Stream::User(subject) => KeyId::User(subject.shared()),
        Stream::Extension(_) => KeyId::User(batch.actor.shared()),
    });
    let outer = about.map(|user| KeyId::User(user.shared()));
    let outer = outer.filter(|outer| inner.as_ref() != Some(outer));
    inner.into_iter().chain(outer)
}

/// Whose a key is.
fn owner(key: &KeyId) -> UserId {
    match key {
        KeyId::Content { author: user, .. } | KeyId::User(user) => UserId::trusted(user),
    }
}

fn aad(batch: &Batch) -> Vec<u8> {
    let command = batch.command.map(|command| command.id.0);
    match &batch.stream {
        Stream::Conversation(conversation) => {
            seal::content_aad(conversation.0, &batch.actor, command)
        }
        Stream::Extension(_) => Vec::new(),
        Stream::User(subject) => {
            let of_event = batch.events.iter().find_map(|event| match event {
                Event::AppEventRecorded { kind, .. } => {
                    Some(seal::app_event_aad(subject, kind, &batch.actor, command))
                }
                Event::ToastQueued {
                    source, about_user, ..
                } => {
                    let about = about_user.as_deref();
                    Some(seal::toast_aad(subject, source, about, command))
                }
                _ => None,
            });
            of_event.unwrap_or_else(|| seal::profile_aad(subject, command))
        }
    }
}

fn present(state: Option<KeyState>) -> Option<KeyState> {
    state.filter(|state| !matches!(state, KeyState::Unknown))
}
