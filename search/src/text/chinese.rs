//! Runs of Han characters, cut into words by a dictionary.
//!
//! Every character is indexed by itself at a position of its own, so that whatever the dictionary does not
//! know is found by its characters, one after the other. At the position of its first character stands each
//! word: those of the sentence, as jieba cuts it; the words within them, as in its search mode, which stops
//! at three characters; and where no word was found, any that the dictionary has.

use super::{
    dictionary,
    pieces::{Kind, Pieces},
    units::{Class, Unit, unit},
};

/// A character of a run.
struct Character {
    /// Where it stands in the text, in bytes.
    from: usize,
    to: usize,
    /// Where its folded form begins in that of the run, in bytes. It ends where the next one begins.
    folded: usize,
    kind: Kind,
    /// Words lie within one of these: a word of the sentence, or all that is between two of them.
    stretch: usize,
}

/// A word of two characters or more.
struct Word {
    kind: Kind,
    /// Its first character, and the one after its last.
    first: usize,
    end: usize,
}

impl Pieces {
    /// A run of Han characters. Answers where it ends.
    pub(super) fn chinese(
        &mut self,
        text: &str,
        first: Unit,
        position: &mut usize,
        mut joined: bool,
    ) -> usize {
        let start = self.folded.len();
        let mut characters: Vec<Character> = Vec::new();
        let mut at = first.from;
        while let Some(next) = unit(text, at) {
            match next.class {
                Class::Run if next.han => characters.push(Character {
                    from: next.from,
                    to: next.to,
                    folded: self.fold(&text[next.from..next.to]) - start,
                    kind: Kind::Unknown,
                    stretch: 0,
                }),
                Class::Unseen => {}
                _ => break,
            }
            at = next.to;
        }
        let run = &self.folded[start..];
        let run_bytes = run.len();
        let mut words = sentence(run, &mut characters);
        within(run, &characters, &mut words);
        let folded = |first: usize, end: usize| {
            let to = characters.get(end).map_or(run_bytes, |next| next.folded);
            (start + characters[first].folded, start + to)
        };
        let mut words = words.iter().peekable();
        for (index, character) in characters.iter().enumerate() {
            // The word of the sentence comes before its characters.
            let mut single = Some(());
            loop {
                let word = words.next_if(|word| {
                    word.first == index && (word.kind == Kind::Known || single.is_none())
                });
                if let Some(word) = word {
                    let bytes = character.from..characters[word.end - 1].to;
                    let folded = folded(index, word.end);
                    self.add(word.kind, bytes, folded, *position, joined);
                } else if single.take().is_some() {
                    let bytes = character.from..character.to;
                    let folded = folded(index, index + 1);
                    self.add(character.kind, bytes, folded, *position, joined);
                } else {
                    break;
                }
            }
            joined = true;
            *position += 1;
        }
        at
    }
}

/// The words of a sentence, one after the other. Characters are told what became of them.
fn sentence(run: &str, characters: &mut [Character]) -> Vec<Word> {
    let dictionary = dictionary::get();
    let mut words = Vec::new();
    let (mut next, mut stretch) = (0, 0);
    for token in dictionary.cut(run, true) {
        let first = next;
        while characters
            .get(next)
            .is_some_and(|it| it.folded < token.byte_end)
        {
            next += 1;
        }
        // A character that is written as several when it is folded is never cut in two.
        let begins = characters.get(first).map(|it| it.folded) == Some(token.byte_start);
        let ends = characters.get(next).map_or(run.len(), |it| it.folded) == token.byte_end;
        let is_known = next > first + 1 && begins && ends && dictionary.has_word(token.word);
        stretch += usize::from(is_known);
        for character in &mut characters[first..next] {
            character.stretch = stretch;
            if is_known {
                character.kind = Kind::Covered;
            }
        }
        if is_known {
            stretch += 1;
            words.push(Word {
                kind: Kind::Known,
                first,
                end: next,
            });
        }
    }
    words
}

/// Adds the words within others, and those where no word of the sentence is. By their first characters, the
/// words of the sentence before others.
fn within(run: &str, characters: &[Character], words: &mut Vec<Word>) {
    let known = words.len();
    let at = |byte: usize| match byte == run.len() {
        true => Some(characters.len()),
        false => characters.binary_search_by_key(&byte, |it| it.folded).ok(),
    };
    let mut of_sentence = 0;
    for token in dictionary::get().cut_all(run) {
        let (Some(first), Some(end)) = (at(token.byte_start), at(token.byte_end)) else {
            continue;
        };
        if end < first + 2 || characters[first].stretch != characters[end - 1].stretch {
            continue;
        }
        while of_sentence < known && words[of_sentence].first < first {
            of_sentence += 1;
        }
        let is_known = words[..known]
            .get(of_sentence)
            .is_some_and(|word| (word.first, word.end) == (first, end));
        if !is_known {
            words.push(Word {
                kind: Kind::Part,
                first,
                end,
            });
        }
    }
    words.sort_by_key(|word| (word.first, word.kind != Kind::Known, word.end));
}
