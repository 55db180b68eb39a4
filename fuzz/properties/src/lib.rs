//! What holds for any bytes that a decoder is given.
//!
//! Each module checks one decoder and panics where something does not hold. `fuzz/targets` makes a program for
//! libFuzzer of each, which `cargo xtask fuzz` runs; the tests of this crate run the same checks on what is in
//! `fuzz/seeds`, and on random changes to it.

pub mod frame_json;
pub mod frame_protobuf;
pub mod key_set;
pub mod people_query;
pub mod stored_event;
pub mod token;

pub mod meter;
pub mod mutate;

mod frame;
mod ids;
mod issuer;

pub use meter::Meter;

/// One decoder's checks.
#[derive(Clone, Copy)]
pub struct Target {
    /// As in `fuzz/seeds` and `fuzz/dictionaries`.
    pub name: &'static str,
    /// Panics if something does not hold for these bytes.
    pub check: fn(&[u8], Meter),
}

/// Every decoder there is a target for.
pub const TARGETS: &[Target] = &[
    Target {
        name: "frame_json",
        check: frame_json::check,
    },
    Target {
        name: "frame_protobuf",
        check: frame_protobuf::check,
    },
    Target {
        name: "stored_event",
        check: stored_event::check,
    },
    Target {
        name: "token",
        check: token::check,
    },
    Target {
        name: "key_set",
        check: key_set::check,
    },
    Target {
        name: "people_query",
        check: people_query::check,
    },
];
