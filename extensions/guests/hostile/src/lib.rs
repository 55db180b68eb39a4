//! An extension that means harm: by name, by what happened, and by answering whatever it reads. The server's tests run on it.

use std::hint::black_box;

wit_bindgen::generate!({
    inline: r#"
        package tests:hostile;

        world hostile {
            include tidings:extension/reactor-extension@0.1.0;
            include tidings:extension/command-extension@0.1.0;
            include tidings:extension/timer-extension@0.1.0;
        }
    "#,
    path: "../../../wit",
    world: "tests:hostile/hostile",
    generate_all,
});

use exports::tidings::extension::{command, reactor, timer};
use tidings::extension::context::Call;
use tidings::extension::events::Event;
use tidings::extension::firings::Firing;
use tidings::extension::http::Request;
use tidings::extension::invocations::Invocation;
use tidings::extension::types::{HookError, Refusal};
use tidings::extension::{config, effects, kv_read, kv_write, log, timers, views};

struct Hostile;

export!(Hostile);

impl command::Guest for Hostile {
    /// Does harm in the way of its name, and answers what it was told.
    fn invoke(_: &Call, invocation: &Invocation) -> Result<String, command::CommandError> {
        let (name, args) = (invocation.name(), invocation.args());
        let said = match name.as_str() {
            "reach" => reach(&field(&args, "user"), &field(&args, "room")),
            "settle" => settle(&invocation.caller(), &field(&args, "held")),
            "fill" => fill(&field(&args, "prefix")),
            "fetch" => vec![fetch(&field(&args, "url"))],
            name => {
                harm(name, &invocation.caller());
                Vec::new()
            }
        };
        let said: Vec<String> = said.iter().map(|said| quoted(said)).collect();
        Ok(format!("[{}]", said.join(",")))
    }
}

impl reactor::Guest for Hostile {
    /// Answers every message, at once or by way of a timer, and does what the kind of another event says.
    fn on_event(call: &Call, event: &Event) -> Result<(), HookError> {
        let kind = event.kind();
        match kind.strip_prefix("app.harm.") {
            Some(how) => harm(how, &event.subject().unwrap_or_default()),
            None => {
                let room = event.conversation().unwrap_or_default();
                if config::get("later").is_some() {
                    let set = timers::at(&event.id(), call.now(), room.as_bytes(), None);
                    set.map_err(|refusal| HookError::Park(why(&refusal)))?;
                } else {
                    answer(&room, "answer");
                }
            }
        }
        Ok(())
    }
}

impl timer::Guest for Hostile {
    fn on_timer(_: &Call, timer: &Firing) -> Result<(), HookError> {
        answer(&String::from_utf8_lossy(&timer.payload()), &timer.key());
        Ok(())
    }
}

fn answer(room: &str, key: &str) {
    if let Err(refusal) = effects::post(room, key, "And another one.") {
        log::warn(&why(&refusal));
    }
}

/// What ends by the host's doing, if at all.
fn harm(how: &str, user: &str) {
    match how {
        "loop" => endless(),
        "memory" => hoard(),
        "recursion" => drop(black_box(descend(1))),
        "calls" => while black_box(views::as_of()) < u64::MAX {},
        "log" => (0..).for_each(|n: u32| log::error(&n.to_string())),
        "string" => drop(effects::toast(user, &"x".repeat(8 << 20), "")),
        "list" => drop(kv_write::set("list", &vec![0; 8 << 20], None, None)),
        "strings" => {
            // Each of a length that may be, and all of them more than there may be.
            let request = Request::new("GET", "https://example.org");
            for n in 0..9_000 {
                request.header(&n.to_string(), &"x".repeat(1 << 10));
            }
            drop(request.send());
            panic!("it was taken: {}", "x".repeat(100));
        }
        "handles" => {
            let mut all = Vec::new();
            loop {
                all.push(Request::new("GET", "https://example.org"));
            }
        }
        // After it has staged something, of which nothing is to be left.
        "late" => {
            drop(effects::badge(user, "harm", 1));
            drop(kv_write::set("harm", b"done", None, None));
            drop(timers::at("harm", 0, b"", None));
            panic!("as asked");
        }
        _ => {}
    }
}

/// Tries whatever concerns a user and a conversation, and says what came of each.
fn reach(user: &str, room: &str) -> Vec<String> {
    let mut said = Vec::new();
    let mut tell = |what: &str, answer: Result<(), Refusal>| {
        let answer = answer.map_or_else(|refusal| why(&refusal), |()| "done".to_owned());
        said.push(format!("{what}: {answer}"));
    };
    tell("toast", effects::toast(user, "title", "body").map(drop));
    tell("badge", effects::badge(user, "harm", 1));
    tell(
        "push",
        effects::push(user, "push", "title", "body").map(drop),
    );
    tell("notify", effects::notify(user, "notify", "e-mail", "{}"));
    tell(
        "post-direct",
        effects::post_direct(user, "direct", "text").map(drop),
    );
    tell("emit", effects::emit("harmed", "emit", 1, "{}", Some(user)));
    tell("post", effects::post(room, "post", "text").map(drop));
    tell("label", effects::label(room, 1, "harmed"));
    tell("presence", views::presence(user).map(drop));
    tell("profile", views::profile_attribute(user, "city").map(drop));
    tell("blocked", views::is_blocked_between(user, user).map(drop));
    tell("members", views::members(room, None, 1_000).map(drop));
    tell("recent", views::recent(room, None, 50).map(drop));
    tell("unread", views::unread(room, user).map(drop));
    tell("is-member", views::is_member(room, user).map(drop));
    tell("conversation", views::get_conversation(room).map(drop));
    said
}

/// Settles what it did not hold, and then shows that it was here.
fn settle(user: &str, held: &str) -> Vec<String> {
    let told = |answer: Result<(), Refusal>| {
        answer.map_or_else(|refusal| why(&refusal), |()| "done".to_owned())
    };
    let said = vec![
        told(effects::release(held)),
        told(effects::reject(held, "as it likes")),
    ];
    drop(effects::badge(user, "harm", 1));
    said
}

/// Writes as much as a call may, or as it is let.
fn fill(prefix: &str) -> Vec<String> {
    let value = vec![b'x'; 60 << 10];
    let answers =
        (0..4).map(
            |n| match kv_write::set(&format!("{prefix}/{n}"), &value, None, None) {
                Ok(()) => "done".to_owned(),
                Err(kv_write::WriteError::Exhausted(why)) => format!("exhausted: {why}"),
                Err(_) => "refused otherwise".to_owned(),
            },
        );
    let mut said: Vec<String> = answers.collect();
    said.push(kv_read::scan("", None, 256).len().to_string());
    said
}

/// Asks somebody, for half a second at most.
fn fetch(url: &str) -> String {
    let request = Request::new("GET", url);
    request.timeout(500);
    match request.send() {
        Ok(response) => format!("{} {}", response.status(), response.body().len()),
        Err(error) => format!("{error:?}"),
    }
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

fn why(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Denied(why) => format!("denied: {why}"),
        Refusal::Invalid(why) => format!("invalid: {why}"),
        Refusal::Exhausted(why) => format!("exhausted: {why}"),
    }
}

/// What stands under a name in an object of texts without escapes.
fn field(args: &str, name: &str) -> String {
    let behind = args
        .split_once(&format!("\"{name}\":\""))
        .map(|(_, behind)| behind);
    let text = behind.and_then(|behind| behind.split_once('"'));
    text.map_or_else(String::new, |(text, _)| text.to_owned())
}

/// As JSON.
fn quoted(text: &str) -> String {
    let mut all = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => all.extend(['\\', letter]),
            letter if letter < ' ' => all.push(' '),
            letter => all.push(letter),
        }
    }
    all.push('"');
    all
}
