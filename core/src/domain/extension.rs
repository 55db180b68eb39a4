//! An extension's own stream: which versions there are, which one acts, and what came of what it was told.

use std::{borrow::Borrow, fmt, ops::Deref, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    Refusal,
    id::{CommandId, UserId},
};

/// Names an extension: 1 to 64 of a-z, 0-9 and `-`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExtensionId(Arc<str>);

/// Longest id of an extension, in bytes.
pub const EXTENSION_ID_BYTES: usize = 64;

/// Begins the user id of every extension's account.
pub const ACCOUNT: &str = "extension:";

/// Most versions of one extension that are installed at a time.
pub const VERSIONS: usize = 20;

/// Not an extension's id.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no id of an extension: use 1 to {EXTENSION_ID_BYTES} of a-z, 0-9 and -")]
pub struct ExtensionIdError(String);

impl ExtensionId {
    /// Checks and keeps an id.
    pub fn new(text: &str) -> Result<ExtensionId, ExtensionIdError> {
        let named = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        if !(1..=EXTENSION_ID_BYTES).contains(&text.len()) || !text.bytes().all(named) {
            return Err(ExtensionIdError(text.to_owned()));
        }
        Ok(ExtensionId(text.into()))
    }

    /// The account it posts with.
    pub fn account(&self) -> UserId {
        UserId::new(&format!("{ACCOUNT}{}", self.0)).expect("an id of this length")
    }

    /// Whose account this is, if it is an extension's.
    pub fn of_account(user: &str) -> Option<ExtensionId> {
        ExtensionId::new(user.strip_prefix(ACCOUNT)?).ok()
    }
}

impl Deref for ExtensionId {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for ExtensionId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ExtensionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ExtensionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// One version of an extension, as it was installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// As its manifest has it.
    pub version: String,
    /// SHA-256 of the component.
    pub digest: [u8; 32],
    /// Bytes of the component.
    pub size: u64,
    /// The manifest: JSON.
    pub manifest: String,
}

/// A version that is to act, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activation {
    /// Which.
    pub version: String,
    /// Its settings: a JSON object.
    pub settings: String,
    /// Its place among others that look at the same thing: the lowest is asked first.
    pub order: u32,
}

/// Why an extension does not act any more though nobody switched it off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    /// Which version.
    pub version: String,
    /// The hook that failed.
    pub hook: String,
    /// What happened.
    pub cause: String,
}

/// A command to an extension's stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExtensionCommand {
    /// Makes a version known.
    Install(Version),
    /// Lets a version act, in the place of the one that did; or, in its shadow, has it do the same without effect.
    Activate {
        /// Which, and how.
        activation: Activation,
        /// Without effect, beside the one that acts.
        shadow: bool,
    },
    /// Lets no version act any more; or only the one in the shadow no more.
    Deactivate {
        /// Only the one in the shadow.
        shadow: bool,
    },
    /// Lets it act no more, since it fails too often. The server's own.
    Quarantine(Quarantine),
    /// Forgets a version that does not act.
    Remove {
        /// Which.
        version: String,
    },
    /// Records what came of what it was told. The server's own.
    React(Box<Reaction>),
    /// Records what it answered to who called it by name, in the caller's name. The server's own.
    Answer(Box<Answered>),
}

/// What happened to an extension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExtensionEvent {
    /// A version became known.
    Installed(Version),
    /// A version acts from here on.
    Activated {
        /// Which, and how.
        activation: Activation,
        /// Without effect.
        shadow: bool,
    },
    /// None acts any more.
    Deactivated {
        /// Only the one in the shadow does not.
        shadow: bool,
    },
    /// None acts any more, since it failed too often.
    Quarantined(Quarantine),
    /// A version was forgotten; with the last one all that the extension kept.
    Removed {
        /// Which.
        version: String,
    },
    /// It was told of events, and this is what it wanted.
    Reacted(Box<Reaction>),
    /// It was called by name, and this is what it answered and wanted.
    Answered(Box<Answered>),
}

/// What came of a call by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// Digest of what was asked: a call that is repeated is known by it, whatever would come of it now.
    pub asked: u32,
    /// The command that was called.
    pub name: String,
    /// The answer: JSON, sealed for the caller.
    pub answer: Sealed,
    /// What it wanted.
    pub reaction: Reaction,
}

/// What came of events, timers or calls that an extension was told of: all of it lands together or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reaction {
    /// Reactions recorded before this one. It is recorded only while that is so.
    pub revision: u64,
    /// The version that was told.
    pub version: String,
    /// Up to where in the log everything was told or is in `waiting`: (position, index).
    pub upto: (u64, u32),
    /// What is to be told again, or is set aside for good.
    pub waiting: Vec<Waiting>,
    /// What was in `waiting` before and is done with.
    pub done: Vec<(u64, u32)>,
    /// Changes of the extension's store.
    pub kv: Vec<KvChange>,
    /// Changes of its timers.
    pub timers: Vec<TimerChange>,
    /// What is to be done elsewhere.
    pub intents: Vec<Intent>,
    /// Intents that came to nothing.
    pub failed: Vec<CommandId>,
}

/// An event that an extension could not deal with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// Where it stands in the log: (position, index).
    pub at: (u64, u32),
    /// How often it was told.
    pub attempts: u32,
    /// When it is to be told again, milliseconds since 1970; `None` once it is set aside for good.
    pub again_ms: Option<u64>,
    /// Why.
    pub cause: String,
}

/// Bytes that are about somebody: sealed with the key of each of them in turn, so that whoever of them is erased
/// takes them along.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// Whose keys, the first one innermost.
    pub subjects: Vec<UserId>,
    /// The bytes; as they are where there are no subjects.
    #[serde(with = "serde_bytes")]
    pub bytes: Vec<u8>,
}

/// A change of an extension's store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KvChange {
    /// The key.
    pub key: String,
    /// What it is to be; `None` to remove it.
    pub value: Option<Sealed>,
    /// Names this state of the key.
    pub revision: u64,
}

/// A change of an extension's timers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimerChange {
    /// The key.
    pub key: String,
    /// What it is to be; `None` where it was cancelled or has fired.
    pub timer: Option<Timer>,
}

/// A timer that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timer {
    /// When it fires, milliseconds since 1970.
    pub due_ms: u64,
    /// What it is set with.
    pub payload: Sealed,
}

/// Something to be done elsewhere: a command with an id of its own, so that it happens once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The command's id.
    pub id: CommandId,
    /// Whose command it is.
    pub actor: UserId,
    /// What is to be done, as the extension host stores it.
    pub what: Sealed,
}

/// What deciding looks at of an extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// Versions that are installed, with the digests of their components.
    pub versions: Vec<(String, [u8; 32])>,
    /// The one that acts.
    pub active: Option<Activation>,
    /// The one in its shadow.
    pub shadow: Option<Activation>,
    /// Whether none acts because the last one failed too often.
    pub quarantined: bool,
    /// Reactions recorded.
    pub revision: u64,
}

impl Extension {
    /// One of which nothing is known.
    pub fn new() -> Extension {
        Extension {
            versions: Vec::new(),
            active: None,
            shadow: None,
            quarantined: false,
            revision: 0,
        }
    }

    /// What the command makes happen: no events when everything is so already.
    pub fn decide(&self, command: ExtensionCommand) -> Result<Vec<ExtensionEvent>, Refusal> {
        use ExtensionEvent as E;
        Ok(match command {
            ExtensionCommand::Install(version) => match self.digest(&version.version) {
                Some(digest) if digest == version.digest => Vec::new(),
                Some(_) => {
                    return Err(Refusal::Invalid(format!(
                        "version {} is installed already and has other contents: give this one another version",
                        version.version
                    )));
                }
                None if self.versions.len() >= VERSIONS => {
                    return Err(Refusal::Invalid(format!(
                        "{VERSIONS} versions are installed, which is the limit: remove some"
                    )));
                }
                None => vec![E::Installed(version)],
            },
            ExtensionCommand::Activate { activation, shadow } => {
                if self.digest(&activation.version).is_none() {
                    return Err(Refusal::NotFound(
                        format!("version {}: install it first", activation.version).into(),
                    ));
                }
                let now = if shadow { &self.shadow } else { &self.active };
                match now.as_ref() == Some(&activation) {
                    true => Vec::new(),
                    false => vec![E::Activated { activation, shadow }],
                }
            }
            ExtensionCommand::Deactivate { shadow } => {
                let acts = match shadow {
                    true => self.shadow.is_some(),
                    false => self.active.is_some() || self.quarantined,
                };
                match acts {
                    true => vec![E::Deactivated { shadow }],
                    false => Vec::new(),
                }
            }
            ExtensionCommand::Quarantine(quarantine) => {
                let active = self.active.as_ref();
                match active.is_some_and(|active| active.version == quarantine.version) {
                    true => vec![E::Quarantined(quarantine)],
                    false => Vec::new(),
                }
            }
            ExtensionCommand::Remove { version } => {
                let mut acting = self.active.iter().chain(&self.shadow);
                if acting.any(|acting| acting.version == version) {
                    return Err(Refusal::Invalid(format!(
                        "version {version} acts: deactivate it first, or activate another one"
                    )));
                }
                match self.digest(&version) {
                    Some(_) => vec![E::Removed { version }],
                    None => {
                        return Err(Refusal::NotFound(format!("version {version}").into()));
                    }
                }
            }
            ExtensionCommand::React(reaction) if reaction.revision != self.revision => {
                return Err(Refusal::Moved);
            }
            ExtensionCommand::React(reaction) => vec![E::Reacted(reaction)],
            ExtensionCommand::Answer(answered)
                if answered.reaction.revision != self.revision
                    // Called before it was switched off, or another version took its place.
                    || self.active.as_ref().map(|active| &active.version)
                        != Some(&answered.reaction.version) =>
            {
                return Err(Refusal::Moved);
            }
            ExtensionCommand::Answer(answered) => vec![E::Answered(answered)],
        })
    }

    /// The state after an event.
    pub fn evolve(&mut self, event: &ExtensionEvent) {
        match event {
            ExtensionEvent::Installed(version) => {
                self.versions
                    .push((version.version.clone(), version.digest));
            }
            ExtensionEvent::Activated { activation, shadow } => {
                if *shadow {
                    self.shadow = Some(activation.clone());
                } else {
                    // What was under way before it was switched off is not to land any more.
                    self.revision += u64::from(self.active.is_none());
                    self.active = Some(activation.clone());
                    self.quarantined = false;
                }
            }
            ExtensionEvent::Deactivated { shadow: true } => self.shadow = None,
            ExtensionEvent::Deactivated { shadow: false } => {
                self.active = None;
                self.quarantined = false;
            }
            ExtensionEvent::Quarantined(_) => {
                self.active = None;
                self.quarantined = true;
            }
            ExtensionEvent::Removed { version } => {
                self.versions.retain(|(is, _)| is != version);
                // Its store goes with the last one: what was under way is not to land any more.
                self.revision += u64::from(self.versions.is_empty());
            }
            ExtensionEvent::Reacted(_) | ExtensionEvent::Answered(_) => self.revision += 1,
        }
    }

    fn digest(&self, version: &str) -> Option<[u8; 32]> {
        let found = self.versions.iter().find(|(is, _)| is == version)?;
        Some(found.1)
    }
}

impl Default for Extension {
    fn default() -> Extension {
        Extension::new()
    }
}

impl Reaction {
    /// Rough number of bytes it takes in its stored form, from above.
    pub fn encoded_size(&self) -> usize {
        let sealed = |sealed: &Sealed| {
            let subjects: usize = sealed.subjects.iter().map(|user| user.len() + 2).sum();
            sealed.bytes.len() + subjects + 8
        };
        let kv = self.kv.iter().map(|change| {
            let value = change.value.as_ref().map_or(0, &sealed);
            change.key.len() + value + 16
        });
        let timers = self.timers.iter().map(|change| {
            let timer = change.timer.as_ref();
            change.key.len() + timer.map_or(0, |timer| sealed(&timer.payload)) + 16
        });
        let intents = self.intents.iter();
        let intents = intents.map(|intent| sealed(&intent.what) + intent.actor.len() + 24);
        let waiting = self.waiting.iter().map(|waiting| waiting.cause.len() + 40);
        kv.chain(timers)
            .chain(intents)
            .chain(waiting)
            .sum::<usize>()
            + 16 * self.done.len()
            + 17 * self.failed.len()
            + self.version.len()
            + 64
    }
}

impl Answered {
    /// Rough number of bytes it takes in its stored form, from above.
    pub fn encoded_size(&self) -> usize {
        let subjects = self.answer.subjects.iter();
        let subjects: usize = subjects.map(|user| user.len() + 2).sum();
        self.answer.bytes.len() + subjects + self.name.len() + 32 + self.reaction.encoded_size()
    }
}

#[cfg(test)]
mod tests;
