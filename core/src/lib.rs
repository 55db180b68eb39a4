//! The core of Tidings: log, domain, projections, fan-out. No sockets, no frames.
//!
//! To be read in this order: `domain`, `commit`, `log`, `keys`, `content`, `handler`, `projections`,
//! `fanout`, `cluster`, `node`.

pub mod domain;

pub mod commit;
pub mod content;
pub mod keys;
pub mod log;

pub mod clock;
pub mod cluster;
pub mod embedded;
pub mod erase;
pub mod fanout;
pub mod feed;
pub mod handler;
pub mod metrics;
pub mod node;
pub mod presence;
pub mod projections;
pub mod review;
pub mod room;

#[cfg(test)]
mod history;
