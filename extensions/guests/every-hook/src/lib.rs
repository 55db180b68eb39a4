//! An extension with all hooks, which together use every import. What it does with an event is said by the event's kind. The
//! host's tests run on it.

wit_bindgen::generate!({
    path: "../../../wit",
    world: "extension",
});

use exports::tidings::extension::{
    command, moderation, presence_watcher, ranker, reactor, recall, timer,
};
use tidings::extension::absences::Absence;
use tidings::extension::context::Call;
use tidings::extension::drafts::Draft;
use tidings::extension::events::Event;
use tidings::extension::firings::Firing;
use tidings::extension::http::{HttpError, Request};
use tidings::extension::invocations::Invocation;
use tidings::extension::pages::Page;
use tidings::extension::transitions::Transition;
use tidings::extension::types::{HookError, PresenceState, Refusal};
use tidings::extension::{config, effects, kv_read, kv_write, log, rates, timers};

struct EveryHook;

export!(EveryHook);

/// Ends the hook with what the host refused, so that tests see it.
fn parked(refusal: Refusal) -> HookError {
    HookError::Park(match refusal {
        Refusal::Denied(why) => format!("denied: {why}"),
        Refusal::Invalid(why) => format!("invalid: {why}"),
        Refusal::Exhausted(why) => format!("exhausted: {why}"),
    })
}

fn unwritten(error: kv_write::WriteError) -> HookError {
    use kv_write::WriteError::{Denied, Exhausted, Invalid, Stale};
    HookError::Park(match error {
        Denied(why) => format!("denied: {why}"),
        Invalid(why) => format!("invalid: {why}"),
        Exhausted(why) => format!("exhausted: {why}"),
        Stale(revision) => format!("stale: {revision}"),
    })
}

impl moderation::Guest for EveryHook {
    /// Tries all that a moderator may not do, and says what came of it.
    fn review(_: &Call, draft: &Draft) -> Result<(), HookError> {
        let toast = effects::toast("ann", "title", "body").err();
        let timer = timers::at("key", 0, &[], None).err();
        let write = kv_write::set("key", b"value", None, None).err();
        let request = Request::new("GET", "https://example.org").send().err();
        draft.hold(&format!("{toast:?} {timer:?} {write:?} {request:?}"));
        Ok(())
    }
}

impl reactor::Guest for EveryHook {
    fn on_event(call: &Call, event: &Event) -> Result<(), HookError> {
        let user = event.actor().unwrap_or_default();
        match event.kind().as_str() {
            "effects" => all_effects(event, &user).map_err(parked)?,
            "twice" => {
                effects::push(&user, "same", "t", "b").map_err(parked)?;
                effects::notify(&user, "same", "email", "{}").map_err(parked)?;
            }
            "no-object" => effects::notify(&user, "a", "email", "[1]").map_err(parked)?,
            "effect-flood" => loop {
                effects::badge(&user, "views", 1).map_err(parked)?;
            },
            "large-effects" => {
                for n in 0.. {
                    let text = "x".repeat(60_000);
                    effects::post("room", &n.to_string(), &text).map_err(parked)?;
                }
            }
            "kv" => store().map_err(unwritten)?,
            "kv-flood" => {
                for n in 0.. {
                    kv_write::set(&n.to_string(), b"v", None, None).map_err(unwritten)?;
                }
            }
            "kv-large" => {
                kv_write::set("big", &[0; 100_000], None, None).map_err(unwritten)?;
            }
            "kv-larger" => {
                // Beyond what any call to the host may bring.
                kv_write::set("big", &vec![0; 2 << 20], None, None).map_err(unwritten)?;
            }
            "rates" => drop(rates::bump("texts", "ann", 60_000, 1).map_err(parked)?),
            "http" => fetch(event)?,
            "trap-late" => {
                effects::badge(&user, "views", 1).map_err(parked)?;
                log::error("about to break");
                panic!("as asked");
            }
            "retry-late" => {
                effects::badge(&user, "views", 1).map_err(parked)?;
                return Err(HookError::Retry(Some(call.attempt() * 1_000)));
            }
            "message" => {
                let message = event
                    .message()
                    .map(|message| (message.seq(), message.text()));
                return Err(HookError::Park(format!("{message:?}")));
            }
            _ => {}
        }
        Ok(())
    }
}

fn all_effects(event: &Event, user: &str) -> Result<(), Refusal> {
    let toast = effects::toast(user, "title", "body")?;
    toast.collapse("views")?;
    toast.link("/views")?;
    toast.about_user("bob")?;
    toast.about_conversation("room")?;
    toast.expire_after(1_000)?;
    effects::badge(user, "views", 3)?;
    let push = effects::push(user, "push", "title", "body")?;
    push.collapse("views")?;
    push.link("https://example.org")?;
    push.expire_after(2_000)?;
    effects::notify(user, "notify", "email", &event.payload())?;
    let post = effects::post("room", "post", "text")?;
    post.reply_to(7)?;
    post.mention("bob")?;
    effects::post_direct(user, "direct", "text")?;
    effects::label("room", 7, "spam")?;
    effects::release("draft-1")?;
    effects::reject("draft-2", "no")?;
    effects::emit("seen", "emit", 1, "{}", Some(user))?;
    timers::at("later", event.at() + 1_000, b"payload", Some(user))?;
    timers::cancel("sooner")
}

/// Writes, and parks when what it reads is not what it wrote.
fn store() -> Result<(), kv_write::WriteError> {
    let keys = || -> Vec<String> {
        let all = kv_read::scan("a/", None, 10);
        all.into_iter().map(|entry| entry.key).collect()
    };
    assert_eq!(keys(), ["a/1", "a/2"]);
    let one = kv_read::get("a/1").expect("it is stored");
    kv_write::set("a/1", b"changed", Some("ann"), Some(one.revision))?;
    let changed = kv_read::get("a/1").expect("it is staged");
    assert_eq!(changed.value, b"changed");
    assert_ne!(changed.revision, one.revision);
    kv_write::set("a/1", b"again", Some("ann"), Some(changed.revision))?;
    kv_write::remove("a/2", None)?;
    assert!(kv_read::get("a/2").is_none());
    kv_write::set("a/3", b"new", None, Some(0))?;
    assert_eq!(keys(), ["a/1", "a/3"]);
    // It is there by now, if only for this call.
    let late = kv_write::set("a/3", b"newer", None, Some(0));
    assert!(matches!(late, Err(kv_write::WriteError::Stale(revision)) if revision > 0));
    Ok(())
}

fn fetch(event: &Event) -> Result<(), HookError> {
    let request = Request::new("POST", "https://api.example.org/score");
    request.header("accept", "application/json");
    if let Some(secret) = config::get_secret("token") {
        request.secret_header("authorization", "Bearer ", secret);
    }
    request.body(event.payload().as_bytes());
    request.timeout(1_000);
    let answer = request.send();
    let again = request.send().err();
    Err(HookError::Park(match answer {
        Ok(response) => format!(
            "{} {:?} {} {again:?}",
            response.status(),
            response.header("Content-Type"),
            response.body().len(),
        ),
        Err(HttpError::Timeout) => return Err(HookError::Retry(None)),
        Err(error) => format!("{error:?}"),
    }))
}

impl presence_watcher::Guest for EveryHook {
    fn on_transition(_: &Call, transition: &Transition) -> Result<(), HookError> {
        if transition.before() == PresenceState::Offline {
            let user = transition.user();
            effects::badge(&user, "visits", transition.since() as u32).map_err(parked)?;
        }
        Ok(())
    }
}

impl recall::Guest for EveryHook {
    fn on_recall(_: &Call, absence: &Absence) -> Result<(), HookError> {
        if absence.unread() < 2 {
            absence.wait(1);
            return Ok(());
        }
        let missed = absence.conversations();
        let Some(last) = missed[0].last_message() else {
            absence.skip("nothing to tell");
            return Ok(());
        };
        let title = format!("{} in {}", missed[0].unread(), missed[0].conversation());
        absence
            .send(&title, &last.text().unwrap_or_default())
            .map_err(parked)
    }
}

impl timer::Guest for EveryHook {
    fn on_timer(_: &Call, timer: &Firing) -> Result<(), HookError> {
        let payload = String::from_utf8(timer.payload()).expect("it was set as text");
        let user = timer.subject().unwrap_or_default();
        effects::toast(&user, &timer.key(), &payload).map_err(parked)?;
        Ok(())
    }
}

impl command::Guest for EveryHook {
    fn invoke(_: &Call, invocation: &Invocation) -> Result<String, command::CommandError> {
        use command::CommandError::{Denied, Failed, Unavailable, Usage};
        let caller = invocation.caller();
        let staged = effects::badge(&caller, "asked", 1);
        staged.map_err(|_| Denied)?;
        match invocation.name().as_str() {
            "echo" => Ok(invocation.args()),
            "no-json" => Ok("no json".to_owned()),
            "usage" => Err(Usage("say please".to_owned())),
            "denied" => Err(Denied),
            "unavailable" => Err(Unavailable),
            name => Err(Failed(name.to_owned())),
        }
    }
}

impl ranker::Guest for EveryHook {
    fn rank(_: &Call, page: &Page) -> Result<(), HookError> {
        for index in 0..page.len() {
            match page.user(index).as_str() {
                "beyond" => drop(page.user(page.len())),
                "infinite" => page.set_score(index, f32::INFINITY),
                _ if page.presence(index) == PresenceState::Available => {
                    page.set_score(index, page.score(index) + 10.0);
                }
                _ => {}
            }
        }
        Ok(())
    }
}
