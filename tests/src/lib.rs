//! Helpers shared by the tests of promises: real servers in folders of their own, clients of every
//! kind, a proxy that breaks connections, and a fleet of clients that keeps account of what it was
//! promised. They return data; what it is to be is said in the tests.

pub mod ask;
pub mod crowd;
pub mod disk;
pub mod fleet;
pub mod history;
pub mod http;
pub mod journal;
pub mod proxy;
pub mod server;
pub mod session;
pub mod token;
pub mod views;
pub mod wait;
pub mod world;

pub use server::Server;
pub use session::{Session, Way};
pub use wait::{eventually, within};
pub use world::{Log, World};
