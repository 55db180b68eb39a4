//! Words for Tantivy.

use tantivy::tokenizer::{Token, TokenStream, Tokenizer, TokenizerManager};

use super::pieces::Pieces;

/// What [`Words`] is registered as, for the indexing options of text fields.
pub const WORDS: &str = "tidings_words";

/// Cuts texts into folded words and, for scripts without spaces, pairs of characters.
///
/// Every word and every character of a run has a position, so that phrases are found; offsets are bytes of
/// the original text. A run's last character stands alone once more, a name as `C++` also without its
/// signs, each at the position that it has anyway.
#[derive(Clone, Debug, Default)]
pub struct Words {
    pieces: Pieces,
    token: Token,
}

/// Makes [`Words`] known to an index.
pub fn register(tokenizers: &TokenizerManager) {
    tokenizers.register(WORDS, Words::default());
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
        self.pieces.cut(text);
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
