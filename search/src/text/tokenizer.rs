//! Words for Tantivy.

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

use super::{Analyzer, pieces::Pieces};

/// What [`Words`] is registered as, for the indexing options of text fields.
pub const WORDS: &str = "tidings_words";

/// Cuts texts into folded words and, for scripts without spaces, pairs of characters, or for Chinese words of
/// a dictionary and single characters.
///
/// Every word and every character of a run has a position, so that phrases are found; offsets are bytes of
/// the original text. A run's last character stands alone once more, a name as `C++` also without its
/// signs, each at the position that it has anyway. So does what a dictionary finds.
#[derive(Clone, Debug, Default)]
pub struct Words {
    analyzer: Analyzer,
    pieces: Pieces,
    token: Token,
}

impl Words {
    /// Cuts texts as an analyzer does.
    pub fn new(analyzer: Analyzer) -> Words {
        Words {
            analyzer,
            ..Words::default()
        }
    }
}

/// The words of one text.
pub struct WordStream<'a> {
    pieces: &'a Pieces,
    token: &'a mut Token,
    next: usize,
}

impl Tokenizer for Words {
    type TokenStream<'a> = WordStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> WordStream<'a> {
        self.pieces.cut(text, self.analyzer);
        self.token.reset();
        WordStream {
            pieces: &self.pieces,
            token: &mut self.token,
            next: 0,
        }
    }
}

impl TokenStream for WordStream<'_> {
    fn advance(&mut self) -> bool {
        let Some((piece, folded)) = self.pieces.get(self.next) else {
            return false;
        };
        self.next += 1;
        self.token.offset_from = piece.from;
        self.token.offset_to = piece.to;
        self.token.position = piece.position;
        self.token.text.clear();
        self.token.text.push_str(folded);
        true
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}
