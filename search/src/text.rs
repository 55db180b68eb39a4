//! How words are made of texts: the same when a profile is indexed and when a query asks for it.
//!
//! Case, accents and the width of letters make no difference ([`fold`]). What stands between spaces and
//! punctuation is a word; scripts that are written without spaces (Chinese, Japanese, Thai) and Korean,
//! whose particles are attached, are indexed as every two neighbouring characters, so that any piece of
//! two or more is found, and each run's last character once more alone, so that every single character is
//! the beginning of something. Han characters can be cut into words by a dictionary instead ([`Chinese`]).

mod analyzer;
mod chinese;
mod dictionary;
mod fold;
mod marks;
mod pieces;
mod terms;
mod tokenizer;
mod units;

pub use analyzer::{Analyzer, Chinese};
pub use fold::fold;
pub use marks::MAX_HIGHLIGHTS;
pub(crate) use marks::{Marks, ranges};
pub use terms::Term;
pub use tokenizer::{WORDS, Words};

/// Longest word that is indexed, in bytes after folding; a longer one is found by its beginning.
pub const MAX_WORD_BYTES: usize = 128;

#[cfg(test)]
mod tests;
