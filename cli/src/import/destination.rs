//! Where an import goes: into a node of its own, or to a server that is running.

mod local;
mod remote;

pub(super) use self::{local::Local, remote::Remote};

use super::deed::{Answered, Deed};

/// Who carries deeds out.
pub(super) enum Destination {
    /// A node in this process.
    Local(Local),
    /// A running server.
    Remote(Remote),
}

impl Destination {
    /// Deeds to hand over at a time.
    pub(super) fn batch(&self) -> usize {
        match self {
            Destination::Local(_) => local::BATCH,
            Destination::Remote(remote) => remote.batch(),
        }
    }

    /// Cap on members that a new group gets: `wanted`, if that was said, else so much that those it
    /// `needs` have room.
    pub(super) fn max_members(&self, wanted: Option<u32>, needs: u32) -> u32 {
        wanted.unwrap_or_else(|| match self {
            Destination::Local(_) => local::MAX_MEMBERS,
            Destination::Remote(remote) => remote.max_members(needs),
        })
    }

    /// Carries deeds out, in their order; returns as many answers. `tell` is given what people should
    /// know meanwhile.
    ///
    /// # Errors
    /// When some of them could not be carried out, nor refused. The same deeds may be tried again.
    pub(super) async fn carry_out(
        &self,
        deeds: &[Deed],
        tell: &dyn Fn(String),
    ) -> anyhow::Result<Vec<Answered>> {
        match self {
            Destination::Local(local) => local.carry_out(deeds).await,
            Destination::Remote(remote) => remote.carry_out(deeds, tell).await,
        }
    }

    /// Waits until everything can be read.
    pub(super) async fn settle(&self) -> anyhow::Result<()> {
        match self {
            Destination::Local(local) => local.settle().await,
            // Whatever is read there after an answer includes it.
            Destination::Remote(_) => Ok(()),
        }
    }

    /// Ends.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        match self {
            Destination::Local(local) => local.stop().await,
            Destination::Remote(_) => Ok(()),
        }
    }
}
