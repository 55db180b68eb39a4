//! What the state lacks, and what is being fetched.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Conversations (and perhaps the unread total) to be fetched.
///
/// An answer shows some moment between asking and answering. If an event about the same thing came
/// in that time, nobody can say whether the answer includes it: then it is fetched once more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wants {
    conversations: BTreeMap<Uuid, Want>,
    total: Option<Want>,
    /// The latest conversations, of which some may not be held.
    #[serde(default)]
    list: Option<Want>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Want {
    Open,
    Asked { touched: bool },
}

impl Want {
    fn touch(&mut self) {
        if let Want::Asked { touched } = self {
            *touched = true;
        }
    }

    /// What is left of it after an answer.
    fn answered(self) -> Option<Want> {
        (self != Want::Asked { touched: false }).then_some(Want::Open)
    }
}

/// Something to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    Conversation(Uuid),
    UnreadTotal,
    Conversations,
}

impl Wants {
    /// Nothing is wanted: the state is exact.
    pub fn is_empty(&self) -> bool {
        self.conversations.is_empty() && self.total.is_none() && self.list.is_none()
    }

    /// What is to be asked now; from here on it counts as being asked.
    pub(crate) fn ask(&mut self) -> Vec<Ask> {
        let asked = Want::Asked { touched: false };
        let mut asks = Vec::new();
        for (id, want) in &mut self.conversations {
            if *want == Want::Open {
                *want = asked;
                asks.push(Ask::Conversation(*id));
            }
        }
        if self.list == Some(Want::Open) {
            self.list = Some(asked);
            asks.push(Ask::Conversations);
        }
        // Last: then it includes whatever the others' answers include.
        if self.total == Some(Want::Open) {
            self.total = Some(asked);
            asks.push(Ask::UnreadTotal);
        }
        asks
    }

    /// The connection was lost: what was being asked is to be asked again.
    pub(crate) fn unask(&mut self) {
        self.conversations
            .values_mut()
            .for_each(|want| *want = Want::Open);
        self.total = self.total.map(|_| Want::Open);
        self.list = self.list.map(|_| Want::Open);
    }

    pub(super) fn conversation(&mut self, id: Uuid) {
        self.conversations.entry(id).or_insert(Want::Open).touch();
    }

    pub(super) fn touched(&mut self, id: Uuid) {
        if let Some(want) = self.conversations.get_mut(&id) {
            want.touch();
        }
    }

    pub(super) fn fetched(&mut self, id: Uuid) {
        if let Some(want) = self.conversations.remove(&id).and_then(Want::answered) {
            self.conversations.insert(id, want);
        }
    }

    pub(super) fn gone(&mut self, id: Uuid) {
        self.conversations.remove(&id);
    }

    pub(super) fn unread_total(&mut self) {
        self.total.get_or_insert(Want::Open).touch();
    }

    pub(super) fn list(&mut self) {
        self.list.get_or_insert(Want::Open).touch();
    }

    pub(super) fn listed(&mut self) {
        self.list = self.list.and_then(Want::answered);
    }

    pub(super) fn total_touched(&mut self) {
        if let Some(want) = &mut self.total {
            want.touch();
        }
    }

    pub(super) fn total_fetched(&mut self) {
        self.total = self.total.and_then(Want::answered);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_overtaken_by_an_event_is_asked_for_again() {
        let id = Uuid::from_u128(1);
        let mut wants = Wants::default();
        wants.conversation(id);
        assert_eq!(wants.ask(), [Ask::Conversation(id)]);
        assert_eq!(wants.ask(), []);
        wants.touched(id);
        wants.fetched(id);
        assert_eq!(wants.ask(), [Ask::Conversation(id)]);
        wants.fetched(id);
        assert!(wants.is_empty());
    }

    #[test]
    fn a_lost_connection_loses_no_wish() {
        let mut wants = Wants::default();
        wants.conversation(Uuid::from_u128(1));
        wants.unread_total();
        assert_eq!(wants.ask().len(), 2);
        wants.unask();
        assert_eq!(wants.ask().len(), 2);
        wants.fetched(Uuid::from_u128(1));
        wants.total_fetched();
        assert!(wants.is_empty());
    }
}
