//! Which words are made of texts.

use serde::{Deserialize, Serialize};
use tantivy::tokenizer::TokenizerManager;

use super::{
    WORDS, Words, dictionary,
    terms::{Term, ask},
};

/// How texts are cut into words. An index is asked with the one that it was made with, and whoever marks
/// words in a text that it found does it with that, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Analyzer {
    /// What is found of Chinese.
    pub chinese: Chinese,
}

/// What is found of Chinese, and of the Han characters that others write with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Chinese {
    /// Every piece of a text, wherever words begin and end; without a dictionary.
    #[default]
    Pairs,
    /// The words of a dictionary as they stand in a sentence, and single characters. The dictionary is
    /// loaded when the first index or text needs it.
    Words,
}

impl Analyzer {
    /// What has to be there for all words of a text to be there, in any order.
    pub fn terms(self, text: &str) -> Vec<Term> {
        ask(self, text, false, false)
    }

    /// The same, the last word as the beginning of one.
    pub fn prefix(self, text: &str) -> Vec<Term> {
        ask(self, text, false, true)
    }

    /// What has to be there for the words of a text to be there one after the other; nothing if there are
    /// none.
    pub fn phrase(self, text: &str) -> Option<Term> {
        ask(self, text, true, false).pop()
    }

    /// Makes [`Words`] known to an index, so that it cuts texts like this.
    pub fn register(self, tokenizers: &TokenizerManager) {
        if self.chinese == Chinese::Words {
            // Not while somebody waits for an answer.
            dictionary::get();
        }
        tokenizers.register(WORDS, Words::new(self));
    }

    /// Tells indexes apart that hold other words; nothing for what they hold by default.
    pub(crate) fn fingerprint(self) -> &'static str {
        match self.chinese {
            Chinese::Pairs => "",
            Chinese::Words => dictionary::VERSION,
        }
    }
}
