//! Who looks at which conversation, of the sessions of this node: so that the others are told when somebody's
//! last session looks away, and when somebody becomes invisible or is gone.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use tidings_core::{
    domain::{ConversationId, UserId},
    fanout::Doing,
    node::Node,
};

/// Who looks at what.
pub(crate) struct Looking {
    node: Arc<Node>,
    users: Mutex<HashMap<UserId, HashMap<ConversationId, Looked>>>,
}

/// How a user looks at a conversation.
#[derive(Default)]
struct Looked {
    /// By how many sessions.
    sessions: usize,
    /// Whether the others were told, and not yet that it is over.
    shown: bool,
}

/// A session's look at a conversation: ends with it.
pub(crate) struct Looks {
    looking: Arc<Looking>,
    user: UserId,
    conversation: ConversationId,
}

impl Looking {
    pub(crate) fn new(node: Arc<Node>) -> Arc<Looking> {
        Arc::new(Looking {
            node,
            users: Mutex::default(),
        })
    }

    /// Somebody is not to be seen any more: nor where they look.
    pub(crate) fn hide(&self, user: &UserId) {
        let mut over = Vec::new();
        if let Some(looked) = self.users.lock().get_mut(user) {
            for (conversation, looked) in looked {
                if std::mem::take(&mut looked.shown) {
                    over.push(*conversation);
                }
            }
        }
        for conversation in over {
            self.tell(user, conversation, false);
        }
    }

    /// Whether somebody looks at a conversation, on any device that is connected here.
    pub(crate) fn looks_at(&self, user: &UserId, conversation: ConversationId) -> bool {
        let users = self.users.lock();
        users
            .get(user)
            .and_then(|looked| looked.get(&conversation))
            .is_some_and(|looked| looked.sessions > 0)
    }

    fn tell(&self, user: &UserId, conversation: ConversationId, active: bool) {
        let told = self.node.signal(Doing::Looking, conversation, user, active);
        if let Err(error) = told {
            tracing::debug!(%error, "sessions could not be told who is looking");
        }
    }
}

impl Looks {
    /// Somebody looks at a conversation from now on.
    pub(crate) fn begin(
        looking: &Arc<Looking>,
        user: &UserId,
        conversation: ConversationId,
    ) -> Looks {
        let mut users = looking.users.lock();
        let looked = users.entry(user.clone()).or_default();
        looked.entry(conversation).or_default().sessions += 1;
        drop(users);
        let looks = Looks {
            looking: looking.clone(),
            user: user.clone(),
            conversation,
        };
        looks.repeat();
        looks
    }

    /// Which.
    pub(crate) fn conversation(&self) -> ConversationId {
        self.conversation
    }

    /// Tells the others once more.
    pub(crate) fn repeat(&self) {
        // Nobody is told that the invisible look.
        if self.looking.node.projections.is_invisible(&self.user) {
            return;
        }
        let mut users = self.looking.users.lock();
        let looked = users.entry(self.user.clone()).or_default();
        looked.entry(self.conversation).or_default().shown = true;
        drop(users);
        self.looking.tell(&self.user, self.conversation, true);
    }
}

impl Drop for Looks {
    fn drop(&mut self) {
        let mut users = self.looking.users.lock();
        let Some(looked) = users.get_mut(&self.user) else {
            return;
        };
        let Some(here) = looked.get_mut(&self.conversation) else {
            return;
        };
        here.sessions -= 1;
        if here.sessions > 0 {
            return;
        }
        let shown = here.shown;
        looked.remove(&self.conversation);
        if looked.is_empty() {
            users.remove(&self.user);
        }
        drop(users);
        if shown {
            self.looking.tell(&self.user, self.conversation, false);
        }
    }
}
