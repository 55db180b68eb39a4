//! An extension that is called by name, calls back, ranks and counts. The server's tests run on it.

wit_bindgen::generate!({
    inline: r#"
        package tests:desk;

        world desk {
            include tidings:extension/reactor-extension@0.1.0;
            include tidings:extension/timer-extension@0.1.0;
            include tidings:extension/command-extension@0.1.0;
            include tidings:extension/recall-extension@0.1.0;
            include tidings:extension/ranker-extension@0.1.0;
        }
    "#,
    path: "../../../wit",
    world: "tests:desk/desk",
    generate_all,
});

use exports::tidings::extension::{command, ranker, reactor, recall, timer};
use tidings::extension::absences::Absence;
use tidings::extension::context::Call;
use tidings::extension::events::Event;
use tidings::extension::firings::Firing;
use tidings::extension::invocations::Invocation;
use tidings::extension::pages::Page;
use tidings::extension::types::{HookError, Refusal};
use tidings::extension::{effects, kv_read, kv_write, timers};

struct Desk;

export!(Desk);

fn why(refusal: Refusal) -> String {
    match refusal {
        Refusal::Denied(why) => format!("denied: {why}"),
        Refusal::Invalid(why) => format!("invalid: {why}"),
        Refusal::Exhausted(why) => format!("exhausted: {why}"),
    }
}

fn parked(refusal: Refusal) -> HookError {
    HookError::Park(why(refusal))
}

/// Adds one to what is stored under a key.
fn count(key: &str, subject: &str) -> u32 {
    let before = kv_read::get(key).map_or(0, |entry| {
        let text = String::from_utf8(entry.value).expect("it was written as text");
        text.parse().expect("it was written as a number")
    });
    let written = kv_write::set(
        key,
        (before + 1_u32).to_string().as_bytes(),
        Some(subject),
        None,
    );
    assert!(written.is_ok(), "the store takes it");
    before + 1
}

impl command::Guest for Desk {
    fn invoke(call: &Call, invocation: &Invocation) -> Result<String, command::CommandError> {
        use command::CommandError::{Denied, Failed, Unavailable, Usage};
        let caller = invocation.caller();
        let failed = |refusal| Failed(why(refusal));
        match invocation.name().as_str() {
            "count" => {
                let count = count(&format!("calls/{caller}"), &caller);
                effects::badge(&caller, "calls", count).map_err(failed)?;
                Ok(format!("{{\"count\":{count}}}"))
            }
            "echo" => Ok(invocation.args()),
            "say" => {
                let room = invocation
                    .conversation()
                    .ok_or_else(|| Usage("call it from a conversation".to_owned()))?;
                effects::post(&room, "say", &invocation.args()).map_err(failed)?;
                Ok("null".to_owned())
            }
            "later" => {
                let staged = timers::at("later", call.now() + 300, b"", Some(&caller));
                staged.map_err(failed)?;
                Ok("null".to_owned())
            }
            "deliver" => {
                let push = effects::push(&caller, "p", "A title", "a body").map_err(failed)?;
                push.link("/inbox").map_err(failed)?;
                let args = invocation.args();
                effects::notify(&caller, "n", "e-mail", &args).map_err(failed)?;
                effects::emit("asked", "e", 1, &args, Some(&caller)).map_err(failed)?;
                Ok("true".to_owned())
            }
            "stranger" => {
                effects::toast("somebody else", "t", "b").map_err(failed)?;
                Ok("true".to_owned())
            }
            "usage" => Err(Usage("say please".to_owned())),
            "denied" => Err(Denied),
            "unavailable" => Err(Unavailable),
            "trap" => panic!("as asked"),
            name => Err(Failed(name.to_owned())),
        }
    }
}

impl timer::Guest for Desk {
    fn on_timer(_: &Call, timer: &Firing) -> Result<(), HookError> {
        let user = timer.subject().unwrap_or_default();
        effects::badge(&user, "rung", 1).map_err(parked)
    }
}

impl reactor::Guest for Desk {
    /// Counts what is told of, by whom it is about, and tells them. What says `"fails":true` fails when it is told first; all of one
    /// kind are passed on as they come, all of another are passed over, and of a message those whom it mentions are named.
    fn on_event(call: &Call, event: &Event) -> Result<(), HookError> {
        let user = event.subject().unwrap_or_default();
        let payload = event.payload();
        if payload.contains("\"fails\":true") && call.attempt() == 1 {
            return Err(HookError::Retry(None));
        }
        match event.kind().as_str() {
            "app.numbered" => {
                let passed = effects::emit("asked", &event.id(), 1, &payload, Some(&user));
                return passed.map_err(parked);
            }
            "app.passed" => return Ok(()),
            "message_posted" => {
                let mentions = event.message().map(|message| message.mentions());
                let mentions = format!("{{\"mentions\":{:?}}}", mentions.unwrap_or_default());
                let named = effects::emit("asked", &event.id(), 1, &mentions, None);
                return named.map_err(parked);
            }
            _ => {}
        }
        let count = count(&format!("told/{user}"), &user);
        effects::badge(&user, "told", count).map_err(parked)?;
        effects::toast(&user, "Something happened", &count.to_string()).map_err(parked)?;
        Ok(())
    }
}

impl recall::Guest for Desk {
    /// Does what the last message asks for.
    fn on_recall(_: &Call, absence: &Absence) -> Result<(), HookError> {
        let missed = absence.conversations();
        let last = missed.first().and_then(|missed| missed.last_message());
        let text = last.and_then(|last| last.text()).unwrap_or_default();
        match text.as_str() {
            "skip" => absence.skip("as asked"),
            "leave" => {}
            "park" => return Err(HookError::Park("as asked".to_owned())),
            text => {
                let mentions: u32 = missed.iter().map(|missed| missed.mentions()).sum();
                let title = format!("{} unread, {mentions} for you", absence.unread());
                absence.send(&title, text).map_err(parked)?;
            }
        }
        Ok(())
    }
}

impl ranker::Guest for Desk {
    /// Those with the highest rating first; who has none keeps the base score.
    fn rank(_: &Call, page: &Page) -> Result<(), HookError> {
        if page.query() == "break" {
            panic!("as asked");
        }
        for index in 0..page.len() {
            let rating = page.attribute(index, "rating");
            if let Some(rating) = rating.and_then(|text| text.parse::<f32>().ok()) {
                page.set_score(index, 1_000.0 + rating);
            }
        }
        Ok(())
    }
}
