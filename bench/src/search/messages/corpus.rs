//! What there is to find, and who looks for it.

use std::collections::HashSet;

use tidings_search::messages::{Conversation, Document};

use crate::search::SearchBenchError;

/// When the first message was sent, milliseconds since 1970.
pub(super) const START_MS: i64 = 1_700_000_000_000;
/// All messages are of three years.
pub(super) const SPAN_MS: i64 = 3 * 365 * 86_400_000;

/// In how many conversations those who search are, about.
pub(super) const SEARCHERS: [u64; 4] = [4, 57, 365, 7_000];

/// What takes a message into an index.
pub(super) type Put<'a> = dyn FnMut(&Document<'_>) -> Result<(), SearchBenchError> + 'a;

/// Messages and those who search them.
pub(super) trait Corpus {
    /// How many messages there are.
    fn len(&self) -> u64;

    /// Hands over all messages, in the order of their times but for a little.
    fn each(&mut self, put: &mut Put<'_>) -> Result<(), SearchBenchError>;

    /// What questions are made of.
    fn material(&self) -> Material;

    /// Who asks: last somebody who sees everything.
    fn searchers(&self) -> Vec<Searcher>;
}

/// What questions are made of.
pub(super) struct Material {
    /// Words, the most frequent first.
    pub(super) words: Vec<String>,
    /// Words that stand side by side somewhere, or might.
    pub(super) phrases: Vec<String>,
    /// Chinese characters, the most frequent first.
    pub(super) characters: Vec<char>,
}

/// Somebody who searches.
pub(super) struct Searcher {
    pub(super) user: String,
    pub(super) conversations: HashSet<Conversation>,
    /// Of these, those whose messages do not carry the names of all members.
    pub(super) large: Vec<Conversation>,
    /// Sees everything, whatever the conversations.
    pub(super) all: bool,
    /// Who is asked for as an author: members of the same conversations, somebody of no such, and themselves.
    pub(super) authors: Vec<String>,
}
