//! What a search answers.

use serde::Serialize;

use super::id::{self, Conversation};

/// A page of messages.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answer {
    /// Newest or best first.
    pub hits: Vec<Hit>,
    /// Goes on after the last hit; nothing if there are no more.
    pub next: Option<String>,
    /// Best first: since when everything that fits was ranked, in milliseconds since 1970. Nothing if all was;
    /// otherwise older messages are left out, as more than [`MAX_RANKED`](super::MAX_RANKED) newer ones fit
    /// ([`MAX_RANKED_PHRASES`](super::MAX_RANKED_PHRASES) where a phrase is asked for).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since_ms: Option<i64>,
    /// Whether the beginning of a word stood for more words than are looked at, so that messages may be
    /// missing.
    pub cut: bool,
}

/// A message that fits. Its text is not in the index.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hit {
    /// Where it was written.
    #[serde(serialize_with = "id::serialize")]
    pub conversation: Conversation,
    /// Which message of the conversation.
    pub seq: u64,
    /// Who wrote it.
    pub author: String,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// How well the words fit (BM25); 0 if none were looked for or newest come first.
    pub score: f32,
}

/// Whether a message may be seen by who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Whether it may.
    pub sees: bool,
    /// The first message of the conversation, this one or before, for which it is the same up to here.
    pub from: u64,
    /// The last, this one or after.
    pub to: u64,
}

impl Sight {
    /// What is known of one message alone.
    pub fn of(seq: u64, sees: bool) -> Sight {
        Sight {
            sees,
            from: seq,
            to: seq,
        }
    }

    /// By the times of membership: first and last message of each, ascending and apart. What lies between
    /// is not seen.
    pub fn among(seq: u64, seen: impl IntoIterator<Item = (u64, u64)>) -> Sight {
        let mut from = 0;
        for (first, last) in seen {
            if seq < first {
                return Sight {
                    sees: false,
                    from,
                    to: first - 1,
                };
            }
            if seq <= last {
                return Sight {
                    sees: true,
                    from: first,
                    to: last,
                };
            }
            from = last.saturating_add(1);
        }
        Sight {
            sees: false,
            from,
            to: u64::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sight_is_the_interval_around() {
        let seen = [(3, 5), (9, u64::MAX)];
        let sight = |seq| {
            let sight = Sight::among(seq, seen);
            (sight.sees, sight.from, sight.to)
        };
        assert_eq!(sight(1), (false, 0, 2));
        assert_eq!(sight(3), (true, 3, 5));
        assert_eq!(sight(5), (true, 3, 5));
        assert_eq!(sight(6), (false, 6, 8));
        assert_eq!(sight(u64::MAX), (true, 9, u64::MAX));
        assert_eq!(
            Sight::among(7, []),
            Sight {
                sees: false,
                from: 0,
                to: u64::MAX
            }
        );
    }
}
