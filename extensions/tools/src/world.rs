//! A server in memory, as far as an extension sees one: what it may read is here, what it does is recorded here, and the clock
//! stands still unless it is moved. Grants are looked at as a server looks at them.

mod admit;
mod host;
mod http;
mod involved;
mod rates;
mod record;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tidings_extension_host::{Message, Presence, Request};

pub use host::Asked;
pub use http::Script;
pub use involved::Involved;
pub use record::{Entry, Recorded};

use rates::Rates;
use record::Batch;

/// All there is. A clone is another one, so that the same can be tried more than once.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// In milliseconds since 1970.
    pub now: u64,
    /// What is known of users; of others nothing is.
    pub users: BTreeMap<String, User>,
    /// By their ids.
    pub conversations: BTreeMap<String, Room>,
    /// The extension's store, by its keys.
    pub kv: BTreeMap<String, Entry>,
    /// Timers that wait, by their keys.
    pub timers: BTreeMap<String, Timer>,
    /// Secrets that the operator gave.
    pub secrets: BTreeSet<String>,
    /// What is answered to `http`, the first that fits.
    pub http: Vec<Script>,
    /// What this extension holds, by the drafts' ids.
    pub held: BTreeSet<String>,
    /// What was asked by `http`, in its order.
    pub requests: Vec<Request>,
    /// Requests that nothing answers: for who writes cases.
    pub unanswered: Vec<String>,
    rates: Rates,
    /// The last position of the log.
    position: u64,
    /// What was recorded, by what it was about.
    batches: BTreeMap<String, Batch>,
    /// How often the store was changed.
    revision: u64,
}

/// What is known of a user.
#[derive(Debug, Clone)]
pub struct User {
    /// As others see it.
    pub presence: Presence,
    /// Attributes of the profile that anybody sees.
    pub profile: BTreeMap<String, Value>,
    /// Attributes that are not public.
    pub private: BTreeMap<String, Value>,
    /// Whom the user blocks.
    pub blocks: BTreeSet<String>,
}

impl Default for User {
    fn default() -> Self {
        Self {
            presence: Presence::Offline,
            profile: BTreeMap::new(),
            private: BTreeMap::new(),
            blocks: BTreeSet::new(),
        }
    }
}

/// A conversation.
#[derive(Debug, Clone, Default)]
pub struct Room {
    /// `direct` or `group`.
    pub kind: String,
    /// A group's title.
    pub title: String,
    /// What a direct conversation is about.
    pub context: String,
    /// Present members.
    pub members: BTreeSet<String>,
    /// In the order of their numbers, from 1.
    pub messages: Vec<Message>,
    /// Up to which number somebody has read; 0 if not said.
    pub read: BTreeMap<String, u64>,
}

/// A timer that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timer {
    /// In milliseconds since 1970.
    pub when: u64,
    /// What it was set with.
    pub payload: Vec<u8>,
    /// Whom it is about.
    pub subject: Option<String>,
}

impl World {
    /// The next position of the log.
    pub fn next_position(&mut self) -> u64 {
        self.position += 1;
        self.position
    }

    /// The timer that is due first, by now: taken out, since it fires once.
    pub fn due(&mut self, until: u64) -> Option<(String, Timer)> {
        let due = self.timers.iter().filter(|(_, timer)| timer.when <= until);
        let first = due.min_by_key(|(key, timer)| (timer.when, (*key).clone()));
        let key = first.map(|(key, _)| key.clone())?;
        self.timers.remove_entry(&key)
    }
}

impl Room {
    /// Adds a message, and answers with it.
    pub fn post(
        &mut self,
        id: String,
        conversation: &str,
        at: u64,
        author: &str,
        text: &str,
    ) -> &mut Message {
        let seq = self.messages.len() as u64 + 1;
        self.messages.push(Message {
            id,
            conversation: conversation.to_owned(),
            seq,
            author: author.to_owned(),
            at,
            text: Some(text.to_owned()),
            reply_to: None,
            mentions: Vec::new(),
        });
        self.messages.last_mut().expect("it was just put there")
    }
}
