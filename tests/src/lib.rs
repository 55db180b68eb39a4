//! Helpers shared by the tests of promises.
