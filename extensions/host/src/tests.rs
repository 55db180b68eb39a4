//! Tests of the crate as its users see it, on real components.

mod archived;
mod caching;
mod checking;
mod effects;
mod growing;
mod guests;
mod hooks;
mod hostile;
mod moderation;
mod server;
mod standard;
mod warm;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::input::{About, Draft, DraftKind, Event, Place};
use crate::{Cache, Definition, Engine, Extension, Limits, Settings};
use server::Server;

/// Compiled from Rust: see `extensions/guests`.
const PROBE: &[u8] = include_bytes!("../../guests/built/probe.wasm");
const EVERY_HOOK: &[u8] = include_bytes!("../../guests/built/every-hook.wasm");

/// Compiling with a compiler that was itself built for debugging takes long: what one test compiled is there for the others.
fn engine() -> Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    let new = || {
        let built = std::env::current_exe().expect("a test runs from a file");
        let folder: PathBuf = built.with_file_name("extension-test-cache");
        Engine::new(Settings {
            calls: 16,
            cache: Some(Cache::new(folder, &[7; 32])),
            ..Settings::default()
        })
        .expect("an engine")
    };
    ENGINE.get_or_init(new).clone()
}

/// Time enough that only what is meant to end a call does.
fn patient() -> Limits {
    Limits {
        time: Duration::from_hours(1),
        ..Limits::default()
    }
}

fn load(component: &[u8], limits: Limits) -> Extension {
    let definition = Definition {
        id: "probe".to_owned(),
        version: "1".to_owned(),
        config: r#"{"words": ["a", "b"], "limit": 3}"#.to_owned(),
        limits,
    };
    Extension::load(&engine(), component, definition).expect("a component that can be used")
}

fn load_text(text: &str, limits: Limits) -> Extension {
    load(&component(text), limits)
}

/// A moderator of a few instructions. What is `declared` is in its module, `body` in the hook, which then allows.
fn moderator(declared: &str, body: &str) -> String {
    format!(
        r#"(component
            (import "tidings:extension/types@0.1.0" (instance $types
                (type $error (variant (case "retry" (option u32)) (case "park" string)))
                (export "hook-error" (type (eq $error)))))
            (import "tidings:extension/context@0.1.0" (instance $context
                (export "call" (type (sub resource)))))
            (import "tidings:extension/drafts@0.1.0" (instance $drafts
                (export "draft" (type (sub resource)))))
            (alias export $types "hook-error" (type $hook-error))
            (alias export $context "call" (type $call))
            (alias export $drafts "draft" (type $draft))
            (core func $drop-call (canon resource.drop $call))
            (core func $drop-draft (canon resource.drop $draft))
            (core module $module
                (import "drop" "call" (func $drop-call (param i32)))
                (import "drop" "draft" (func $drop-draft (param i32)))
                (memory (export "memory") 1)
                {declared}
                (func (export "review") (param i32 i32) (result i32)
                    {body}
                    (call $drop-call (local.get 0))
                    (call $drop-draft (local.get 1))
                    (i32.const 256)))
            (core instance $core (instantiate $module (with "drop" (instance
                (export "call" (func $drop-call))
                (export "draft" (func $drop-draft))))))
            (func $review
                (param "call" (borrow $call)) (param "draft" (borrow $draft))
                (result (result (error $hook-error)))
                (canon lift (core func $core "review") (memory $core "memory")))
            (instance $hook (export "review" (func $review)))
            (export "tidings:extension/moderation@0.1.0" (instance $hook)))"#
    )
}

fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("valid text")
}

fn about() -> About {
    About {
        now: 1_000_000,
        seed: [1; 32],
        idempotency_key: "key-1".to_owned(),
        attempt: 2,
        traceparent: "00-trace".to_owned(),
        until: None,
    }
}

fn draft(text: &str) -> Draft {
    Draft {
        id: "draft-1".to_owned(),
        kind: DraftKind::Message,
        author: "ann".to_owned(),
        place: Some(Place {
            conversation: "room".to_owned(),
            kind: "group".to_owned(),
            members: 3,
        }),
        first_contact: true,
        text: text.to_owned(),
        text_limit: 100,
        reply_to: Some(4),
        mentions: vec!["bob".to_owned()],
        attributes: vec![("about".to_owned(), vec!["one".to_owned(), "two".to_owned()])],
        details: vec![("origin".to_owned(), "client".to_owned())],
    }
}

fn event(kind: &str) -> Event {
    Event {
        id: "event-1".to_owned(),
        position: 17,
        kind: kind.to_owned(),
        schema: 1,
        at: 1_000_000,
        actor: Some("ann".to_owned()),
        subject: None,
        conversation: Some("room".to_owned()),
        payload: r#"{"seq": 1}"#.to_owned(),
        message: Some(server::message(1, "hello")),
    }
}

fn server() -> Arc<Server> {
    Arc::new(Server::default())
}
