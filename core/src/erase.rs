//! Erasing a user: the keys of all that they wrote, and of what was recorded about them, are destroyed, so
//! that nobody can read it any more, in the log, in projections or in a backup of either.

use std::ops::ControlFlow;

use crate::{
    domain::UserId,
    keys::{KeyError, KeyId},
    node::Node,
    projections::{
        ReadError, Table, read,
        rows::{self, Rows as _},
    },
};

/// Keys destroyed at a time.
const CHUNK: usize = 256;

/// Why a user could not be erased. What was destroyed by then stays destroyed: try again.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// Which conversations they were in could not be read.
    #[error(transparent)]
    Rows(#[from] ReadError),
    /// The key store failed.
    #[error(transparent)]
    Keys(#[from] KeyError),
}

/// How many contacts somebody has: of very many, one command ends only some.
pub fn contacts(node: &Node, user: &UserId) -> Result<usize, ReadError> {
    let (from, to) = rows::contacts_range(user);
    let mut count = 0;
    node.projections
        .read()
        .scan(Table::Users, &from, &to, false, &mut |_, _| {
            count += 1;
            ControlFlow::Continue(())
        })?;
    Ok(count)
}

/// Destroys all keys of a user, as far as this node knows where they have written.
pub async fn keys(node: &Node, user: &UserId) -> Result<(), EraseError> {
    let memberships = read::memberships(&node.projections.read(), user)?;
    let written = memberships.iter().map(|(id, _)| KeyId::Content {
        conversation: id.0,
        author: user.shared(),
    });
    let ids: Vec<KeyId> = written.chain([KeyId::User(user.shared())]).collect();
    for ids in ids.chunks(CHUNK) {
        node.keys.destroy(ids).await?;
    }
    Ok(())
}
