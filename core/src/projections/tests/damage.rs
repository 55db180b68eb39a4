//! Events that make no sense, rows that are damaged.
