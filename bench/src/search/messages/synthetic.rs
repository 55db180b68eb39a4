//! Made-up messages: words by Zipf's law, one message in ten in Chinese characters; conversations of two to eight
//! people, and large ones with three messages in ten.

use tidings_search::messages::{Conversation, Document};

use super::corpus::{Corpus, Material, Put, SEARCHERS, SPAN_MS, START_MS, Searcher};
use crate::search::{
    SearchBenchError,
    vocabulary::{CHARACTERS, Vocabulary, WORDS, Zipf, character, word},
};

const CONVERSATIONS: u64 = 100_000;
/// Of which so many are large.
const LARGE: u64 = 200;
const USERS: u64 = 200_000;
/// Large conversations that each of those who search is in.
const LARGE_OF_EACH: u64 = 3;
/// Members of a large conversation.
const LARGE_MEMBERS: usize = 500;

/// As ids are: the first half is close for conversations made at one time.
fn id_of(conversation: u64) -> Conversation {
    let mut random = fastrand::Rng::with_seed(conversation ^ 0x5eed);
    let mut id = [0; 16];
    id[..8].copy_from_slice(&(0x0198_0000_0000_7000 + conversation * 977).to_be_bytes());
    id[8..].copy_from_slice(&random.u64(..).to_be_bytes());
    id
}

fn is_large(conversation: u64) -> bool {
    conversation < LARGE
}

fn searcher(number: usize) -> String {
    format!("searcher-{number}")
}

/// Whether a searcher is in a conversation: spread evenly over the quiet and the busy ones.
fn is_in(searcher: usize, conversation: u64) -> bool {
    if is_large(conversation) {
        return conversation % (LARGE / LARGE_OF_EACH) == searcher as u64;
    }
    let mut random = fastrand::Rng::with_seed(conversation * 4 + searcher as u64);
    random.u64(..CONVERSATIONS - LARGE) < SEARCHERS[searcher]
}

fn members(conversation: u64) -> Vec<String> {
    let mut random = fastrand::Rng::with_seed(conversation ^ 0xbeef);
    let count = if is_large(conversation) {
        LARGE_MEMBERS
    } else {
        random.usize(2..=8)
    };
    let others = (0..count).map(|_| format!("user-{:06}", random.u64(..USERS)));
    let own = (0..SEARCHERS.len()).filter(|searcher| is_in(*searcher, conversation));
    others.chain(own.map(searcher)).collect()
}

/// All of it, the same for the same seed.
pub(super) struct World {
    random: fastrand::Rng,
    messages: u32,
    vocabulary: Vocabulary,
    large: Zipf,
    members: Vec<Vec<String>>,
}

impl World {
    pub(super) fn new(seed: u64, messages: u32) -> World {
        World {
            random: fastrand::Rng::with_seed(seed),
            messages,
            vocabulary: Vocabulary::new(),
            large: Zipf::new(LARGE as usize),
            members: (0..CONVERSATIONS).map(members).collect(),
        }
    }

    fn conversation(&mut self) -> u64 {
        if self.random.u32(..10) < 3 {
            self.large.pick(&mut self.random) as u64
        } else {
            // Some are much busier than others.
            let part = self.random.f64();
            LARGE + (part * part * (CONVERSATIONS - LARGE) as f64) as u64
        }
    }

    fn text(&mut self) -> String {
        let random = &mut self.random;
        if random.u32(..10) == 0 {
            let count = random.usize(4..30);
            return self.vocabulary.characters(count, random);
        }
        let count = random.usize(2..22);
        self.vocabulary.words(count, random)
    }

    fn one(&self, number: usize) -> Searcher {
        let shared = (0..CONVERSATIONS).filter(|conversation| is_in(number, *conversation));
        let shared: Vec<u64> = shared.collect();
        let small = shared
            .iter()
            .filter(|conversation| !is_large(**conversation));
        let members = small.flat_map(|conversation| &self.members[*conversation as usize]);
        let others = members.filter(|member| !member.starts_with("searcher"));
        let mut authors: Vec<String> = others.take(50).cloned().collect();
        authors.extend(["user-000001".to_owned(), searcher(number)]);
        let large = shared
            .iter()
            .filter(|conversation| is_large(**conversation));
        Searcher {
            user: searcher(number),
            large: large.copied().map(id_of).collect(),
            conversations: shared.into_iter().map(id_of).collect(),
            all: false,
            authors,
        }
    }
}

impl Corpus for World {
    fn len(&self) -> u64 {
        self.messages.into()
    }

    fn each(&mut self, put: &mut Put<'_>) -> Result<(), SearchBenchError> {
        let mut seqs = vec![0_u64; CONVERSATIONS as usize];
        let messages = i64::from(self.messages);
        for message in 0..messages {
            let conversation = self.conversation();
            let count = self.members[conversation as usize].len();
            let author = self.random.usize(..count);
            let text = self.text();
            seqs[conversation as usize] += 1;
            // A little out of order, as clocks are.
            let late = self.random.i64(0..10_000);
            let all = &self.members[conversation as usize];
            let members: Vec<&str> = match is_large(conversation) {
                true => Vec::new(),
                false => all.iter().map(String::as_str).collect(),
            };
            put(&Document {
                conversation: id_of(conversation),
                seq: seqs[conversation as usize],
                author: &all[author],
                at_ms: START_MS + SPAN_MS / messages * message + late,
                text: &text,
                members: &members,
            })?;
        }
        Ok(())
    }

    fn material(&self) -> Material {
        let first = (0..30).map(word);
        Material {
            words: (0..WORDS).map(word).collect(),
            phrases: first
                .flat_map(|first| (0..30).map(move |second| format!("{first} {}", word(second))))
                .collect(),
            characters: (0..CHARACTERS).map(character).collect(),
        }
    }

    fn searchers(&self) -> Vec<Searcher> {
        let mut searchers: Vec<Searcher> = (0..SEARCHERS.len())
            .map(|number| self.one(number))
            .collect();
        let authors = searchers[SEARCHERS.len() - 1].authors.clone();
        searchers.push(Searcher {
            user: "operator".to_owned(),
            conversations: Default::default(),
            large: Vec::new(),
            all: true,
            authors,
        });
        searchers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::vocabulary::tests::Fingerprint;

    /// Figures of one day are to be compared with those of another.
    #[test]
    fn a_seed_makes_the_messages_it_always_made() {
        let mut all = Fingerprint::new();
        let mut put = |one: &Document<'_>| {
            let (place, members) = (one.conversation, one.members.join(","));
            all.put(&format!(
                "{place:?} {} {} {} ",
                one.seq, one.author, one.at_ms
            ));
            all.put(&format!("{} {members};", one.text));
            Ok(())
        };
        let mut world = World::new(7, 500);
        world.each(&mut put).expect("all are put");
        assert_eq!(all.digits(), "756ce1c26130b8db");
    }
}
