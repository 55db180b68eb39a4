//! Conversations in which many are or were: messages of these do not carry all names, so that it has to be
//! known who is or was in which.

use std::{
    collections::{HashMap, HashSet},
    ops::ControlFlow,
};

use tidings_core::{
    domain::{ConversationId, UserId},
    node::Node,
    projections::{
        ReadError, Table,
        rows::{self, Rows},
    },
};
use tidings_search::messages::{Conversation, MAX_MEMBERS};

/// Rows looked at a time: nothing is folded meanwhile.
const LOOK: usize = 4_096;

/// Who is or was in which large conversation.
#[derive(Default)]
pub(super) struct Large {
    conversations: HashSet<Conversation>,
    by_user: HashMap<UserId, Vec<Conversation>>,
}

impl Large {
    /// All of them, as the projections have them.
    pub(super) fn load(node: &Node) -> Result<Large, ReadError> {
        let mut large = Large::default();
        let mut from = Vec::new();
        let mut members: Vec<UserId> = Vec::new();
        let mut of: Option<Conversation> = None;
        loop {
            let mut next = None;
            let mut looked = 0;
            node.projections.read().scan(
                Table::Members,
                &from,
                &[0xff; 17],
                false,
                &mut |key, _| {
                    if looked == LOOK {
                        next = Some(key.to_vec());
                        return ControlFlow::Break(());
                    }
                    looked += 1;
                    let conversation = *key.first_chunk().expect("a key begins with an id");
                    if of != Some(conversation) {
                        large.add_all(of, &mut members);
                        of = Some(conversation);
                    }
                    members.extend(UserId::new(rows::member_user(key)));
                    ControlFlow::Continue(())
                },
            )?;
            match next {
                Some(next) => from = next,
                None => break,
            }
        }
        large.add_all(of, &mut members);
        Ok(large)
    }

    fn add_all(&mut self, conversation: Option<Conversation>, members: &mut Vec<UserId>) {
        if let Some(conversation) = conversation
            && members.len() > MAX_MEMBERS
        {
            self.conversations.insert(conversation);
            for user in members.drain(..) {
                self.by_user.entry(user).or_default().push(conversation);
            }
        }
        members.clear();
    }

    /// Whether a conversation is one.
    pub(super) fn contains(&self, conversation: &Conversation) -> bool {
        self.conversations.contains(conversation)
    }

    /// Somebody is in a conversation, which may have become one.
    pub(super) fn joined(&mut self, user: &UserId, conversation: Conversation, all: &[UserId]) {
        if self.conversations.contains(&conversation) {
            let known = self.by_user.entry(user.clone()).or_default();
            if !known.contains(&conversation) {
                known.push(conversation);
            }
        } else {
            self.add_all(Some(conversation), &mut all.to_vec());
        }
    }

    /// Those in which a user is or was.
    pub(super) fn of(&self, user: &str) -> Vec<Conversation> {
        self.by_user.get(user).cloned().unwrap_or_default()
    }
}

/// Who is or was in a conversation.
pub(super) fn members(rows: &dyn Rows, id: ConversationId) -> Result<Vec<UserId>, ReadError> {
    let from = rows::conversation(id).to_vec();
    // No user id begins like this: they are UTF-8.
    let to = [&from[..], &[0xff]].concat();
    let mut members = Vec::new();
    rows.scan(Table::Members, &from, &to, false, &mut |key, _| {
        members.extend(UserId::new(rows::member_user(key)));
        ControlFlow::Continue(())
    })?;
    Ok(members)
}
