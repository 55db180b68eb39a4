//! The functions that extensions import, a file for each subject. Each counts itself, checks what it is given, and then asks
//! the host or stages.

mod context;
mod drafts;
mod effects;
mod http;
mod inputs;
mod kv;
mod model;
mod observe;
mod pages;
mod rates;
mod timers;
mod views;
