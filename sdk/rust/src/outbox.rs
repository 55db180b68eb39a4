//! Where commands wait until the server has answered them.

mod file;

use std::collections::BTreeMap;
use std::{io, path::PathBuf};

use tidings_protocol::ClientFrame;
use uuid::Uuid;

pub use file::File;

/// Keeps commands, in order, from the moment they are accepted from the application until the server
/// has answered them for good. A command is sent only after `put` has returned.
pub trait Outbox: Send + 'static {
    /// Every command put and not removed, in the order of putting.
    fn load(&mut self) -> Result<Vec<ClientFrame>, OutboxError>;

    /// Keeps commands (each with its `command_id`). They are durable, as far as this outbox makes
    /// them so, when this returns.
    fn put(&mut self, commands: &[ClientFrame]) -> Result<(), OutboxError>;

    /// Forgets commands that were answered. May be lost in a crash: the command is then sent once
    /// more, and the server recognises it.
    fn remove(&mut self, command_ids: &[Uuid]) -> Result<(), OutboxError>;

    /// Whether these functions wait for a disk. The client then calls them on a blocking thread.
    fn blocking(&self) -> bool {
        true
    }
}

/// The outbox cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// The file system says no.
    #[error("outbox {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is something else.
    #[error("outbox {path}: not an outbox file of this version")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Another process (or client) uses the file.
    #[error("outbox {path}: in use by another client")]
    InUse {
        /// The file.
        path: PathBuf,
    },
}

/// Keeps commands for as long as the process lives.
#[derive(Debug, Default)]
pub struct Memory {
    commands: Live,
}

impl Outbox for Memory {
    fn load(&mut self) -> Result<Vec<ClientFrame>, OutboxError> {
        Ok(self.commands.in_order())
    }

    fn put(&mut self, commands: &[ClientFrame]) -> Result<(), OutboxError> {
        commands
            .iter()
            .for_each(|command| self.commands.put(command.clone()));
        Ok(())
    }

    fn remove(&mut self, command_ids: &[Uuid]) -> Result<(), OutboxError> {
        command_ids.iter().for_each(|id| self.commands.remove(*id));
        Ok(())
    }

    fn blocking(&self) -> bool {
        false
    }
}

/// Commands in order of putting.
#[derive(Debug, Default)]
struct Live {
    next: u64,
    commands: BTreeMap<u64, ClientFrame>,
    order: std::collections::HashMap<Uuid, u64>,
}

impl Live {
    fn put(&mut self, command: ClientFrame) {
        let id = Uuid::from_slice(&command.command_id).unwrap_or_default();
        if self.order.insert(id, self.next).is_none() {
            self.commands.insert(self.next, command);
        }
        self.next += 1;
    }

    fn remove(&mut self, id: Uuid) {
        if let Some(order) = self.order.remove(&id) {
            self.commands.remove(&order);
        }
    }

    fn in_order(&self) -> Vec<ClientFrame> {
        self.commands.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_protocol::{command::BlockUser, frame::Request, id};

    pub(super) fn command(number: u128) -> ClientFrame {
        let request = Request::BlockUser(BlockUser {
            user: format!("user-{number}"),
        });
        ClientFrame {
            id: 0,
            command_id: id::to_wire(Uuid::from_u128(number)),
            request: Some(request),
        }
    }

    /// What every outbox must do; `reopen` gives the same outbox again.
    fn keeps_order_until_removed<O: Outbox>(mut outbox: O, reopen: impl Fn(O) -> O) {
        assert_eq!(outbox.load().unwrap(), []);
        outbox.put(&[command(3), command(1)]).unwrap();
        outbox.put(&[command(2)]).unwrap();
        outbox
            .remove(&[Uuid::from_u128(1), Uuid::from_u128(77)])
            .unwrap();
        let mut outbox = reopen(outbox);
        assert_eq!(outbox.load().unwrap(), [command(3), command(2)]);
        outbox.put(&[command(4)]).unwrap();
        outbox.remove(&[Uuid::from_u128(3)]).unwrap();
        let mut outbox = reopen(outbox);
        assert_eq!(outbox.load().unwrap(), [command(2), command(4)]);
        outbox
            .remove(&[Uuid::from_u128(2), Uuid::from_u128(4)])
            .unwrap();
        assert_eq!(reopen(outbox).load().unwrap(), []);
    }

    #[test]
    fn memory_keeps_order_until_removed() {
        keeps_order_until_removed(Memory::default(), |outbox| outbox);
    }

    #[test]
    fn a_file_keeps_order_until_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("outbox");
        keeps_order_until_removed(File::open(&path).unwrap(), |outbox| {
            drop(outbox);
            File::open(&path).unwrap()
        });
    }
}
