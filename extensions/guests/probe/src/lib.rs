//! An extension that does what the draft's text says: `reject: why`, `loop`, `memory` and so on. The host's tests and its
//! measurement run on it.

use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

wit_bindgen::generate!({
    path: "../../../wit",
    world: "moderation-extension",
});

use exports::tidings::extension::moderation::{Call, Draft, Guest, HookError};
use tidings::extension::types::Refusal;
use tidings::extension::{config, kv_read, log, metrics, rates, views};

struct Probe;

export!(Probe);

/// Goes up with each call of one instance. A call that sees more than 1 was given somebody else's memory.
static CALLS: AtomicU32 = AtomicU32::new(0);

impl Guest for Probe {
    fn review(call: &Call, draft: &Draft) -> Result<(), HookError> {
        let calls = CALLS.fetch_add(1, Relaxed) + 1;
        let text = draft.text();
        let (word, rest) = text.split_once(':').unwrap_or((&text, ""));
        let rest = rest.trim();
        match word.trim() {
            "reject" => draft.reject(rest),
            "hold" => draft.hold(rest),
            "replace" => told(draft, draft.replace_text(rest)),
            "label" => told(draft, draft.add_label(rest)),
            "all" => {
                draft.hold("held");
                told(draft, draft.add_label("seen"));
                draft.reject("first");
                draft.reject("second");
            }
            "retry" => return Err(HookError::Retry(rest.parse().ok())),
            "park" => return Err(HookError::Park(rest.to_owned())),
            "calls-of-this-instance" => draft.reject(&calls.to_string()),
            "context" => draft.reject(&context(call)),
            "draft" => draft.reject(&description(draft)),
            "views" => draft.reject(&seen(draft)),
            "config" => draft.reject(&config::get(rest).unwrap_or_default()),
            "kv" => draft.reject(&stored(rest)),
            "rate" => match rates::bump("texts", rest, 60_000, 1) {
                Ok(count) => draft.reject(&count.to_string()),
                Err(refusal) => told(draft, Err(refusal)),
            },
            "log" => {
                log::info(rest);
                metrics::count("logged", 1);
                metrics::observe("size", rest.len() as f64);
                metrics::observe("odd", f64::NAN);
            }
            "loop" => endless(),
            "memory" => hoard(),
            "recurse" => draft.hold(&descend(u64::from(calls)).to_string()),
            "panic" => panic!("as asked"),
            "log-flood" => (0..).for_each(|n: u32| log::info(&n.to_string())),
            "log-long" => log::warn(&"long ".repeat(4_000)),
            "calls" => while black_box(draft.member_count()) < u32::MAX {},
            "copies" => while !black_box(draft.text()).is_empty() {},
            "big-string" => draft.reject(&"x".repeat(8 << 20)),
            "big-list" => {
                // Lists go through the calls that take many strings; here each is a call, so the reason is made long.
                draft.reject(&"é".repeat(1_000));
            }
            _ => {}
        }
        Ok(())
    }
}

/// Rejects with what the host refused, so that tests see it.
fn told(draft: &Draft, answer: Result<(), Refusal>) {
    if let Err(refusal) = answer {
        draft.reject(&refusal_text(&refusal));
    }
}

fn refusal_text(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Denied(why) => format!("denied: {why}"),
        Refusal::Invalid(why) => format!("invalid: {why}"),
        Refusal::Exhausted(why) => format!("exhausted: {why}"),
    }
}

fn context(call: &Call) -> String {
    let (now, attempt, trace) = (call.now(), call.attempt(), call.traceparent());
    let (seed, key) = (call.seed(), call.idempotency_key());
    let fuel = call.fuel_left() > 0;
    format!("{now} {attempt} {trace} {} {key} {fuel}", seed.len())
}

fn description(draft: &Draft) -> String {
    format!(
        "{} {:?} {} {:?} {:?} {} {} {:?} {:?} {:?} {:?} {:?}",
        draft.id(),
        draft.kind(),
        draft.author(),
        draft.conversation(),
        draft.conversation_kind(),
        draft.member_count(),
        draft.is_first_contact(),
        draft.reply_to(),
        draft.mentions(),
        draft.attribute_names(),
        draft.attribute_texts("about"),
        draft.detail("origin"),
    )
}

fn seen(draft: &Draft) -> String {
    let place = draft.conversation().unwrap_or_default();
    let author = draft.author();
    let recent = views::recent(&place, None, 10).unwrap_or_default();
    let texts: Vec<_> = recent
        .iter()
        .map(|message| (message.seq(), message.text()))
        .collect();
    let title = views::get_conversation(&place)
        .ok()
        .flatten()
        .map(|found| found.title());
    let refused = views::unread(&place, &author).map_err(|refusal| refusal_text(&refusal));
    format!(
        "{:?} {texts:?} {title:?} {refused:?} {:?} {:?}",
        views::members(&place, None, 10),
        views::presence(&author),
        views::is_member(&place, &author),
    )
}

fn stored(key: &str) -> String {
    let one = kv_read::get(key).map(|entry| (entry.value, entry.revision));
    let all: Vec<_> = kv_read::scan("", None, 10)
        .into_iter()
        .map(|entry| entry.key)
        .collect();
    format!("{one:?} {all:?}")
}

fn endless() {
    let mut n = 0_u64;
    loop {
        n = black_box(n.wrapping_add(1));
    }
}

/// Takes memory until there is none left.
fn hoard() {
    let mut all = Vec::new();
    loop {
        all.push(black_box(vec![1_u8; 1 << 20]));
    }
}

/// Not a tail call: what comes back is used.
fn descend(depth: u64) -> u64 {
    let frame = black_box([depth; 16]);
    if black_box(depth) == 0 {
        return 0;
    }
    descend(depth + 1) + frame[7]
}
