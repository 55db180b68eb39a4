//! Extensions that are called by name, rank who is found, call back who is absent, and are told of history.

use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};
use tidings_extension_manifest::{Manifest, embed};
use tidings_protocol::{
    command::PostMessage,
    frame::{Outcome, Request},
    query::SearchPeople,
};
use tidings_tests::{Server, Session, Way, World, ask, eventually, http, wait};
use uuid::Uuid;

use crate::extensions::{activate, ask_api, badge, fact, install, notifications, status, with_key};
use crate::kill_rounds::rounds;

on_both_logs! {
    a_command_is_answered_and_carried_out_once,
    a_command_is_refused_with_the_reason,
    what_a_command_wants_done_follows,
    a_page_of_people_is_ranked,
    who_is_absent_is_called_back_once,
    without_an_extension_the_server_calls_back_itself,
    history_is_told_once_and_without_toasts,
    what_waits_keeps_its_order_whatever_is_killed,
    what_was_dealt_with_is_told_to_nobody_again,
    a_message_is_told_with_whom_it_mentions,
    what_is_set_aside_is_told_again_or_forgotten_when_the_operator_says_so,
    who_writes_an_extension_is_told_what_it_says_and_wants,
}

const DESK: &[u8] = include_bytes!("../../../extensions/guests/built/desk.wasm");

/// The component with these hooks and more fields in its manifest.
fn desk(version: &str, more: Value) -> Vec<u8> {
    let callers = |callers: &str| json!({ "callers": callers });
    let mut manifest = json!({
        "id": "front-desk",
        "version": version,
        "summary": "Is called by name, calls back, ranks and counts.",
        "reactor": { "events": ["app.counted", "app.numbered"] },
        "timer": {},
        "recall": {},
        "ranker": {},
        "command": {
            "count": callers("clients"),
            "say": callers("clients"),
            "echo": {
                "callers": "clients",
                "args": {
                    "type": "object",
                    "properties": { "name": { "type": "string" } },
                    "required": ["name"],
                },
            },
            "later": callers("clients"),
            "deliver": callers("backend"),
            "stranger": callers("clients"),
            "usage": callers("clients"),
            "denied": callers("clients"),
            "unavailable": callers("clients"),
            "trap": callers("clients"),
            "impossible": callers("clients"),
        },
        "grants": {
            "effects": ["badge", "toast", "post", "push", "notify", "emit"],
            "attributes": ["rating"],
            "content": true,
        },
        "badges": ["calls", "rung", "told"],
        "channels": ["e-mail"],
        "emits": { "asked": { "schema": 1 } },
    });
    for (name, value) in more.as_object().unwrap() {
        manifest[name] = value.clone();
    }
    let manifest = Manifest::from_json(&manifest.to_string()).unwrap();
    embed(DESK, &manifest).unwrap()
}

async fn start(world: &World) -> Server {
    let server = world.start().await;
    install(&server, &desk("1.0.0", json!({}))).await;
    activate(&server, "front-desk", "1.0.0", json!({})).await;
    server
}

async fn invoke(session: &mut Session, id: Uuid, command: &str, args: Value) -> Outcome {
    let request = ask::invoke("front-desk", command, &args.to_string());
    session.command_as(id, request).await
}

/// Answer, and whether it was one of before.
fn answered(outcome: &Outcome) -> (Value, bool) {
    match outcome {
        Outcome::Accepted(accepted) => {
            let answer = serde_json::from_str(&accepted.answer);
            (answer.unwrap(), accepted.duplicate)
        }
        other => panic!("it is not answered: {other:?}"),
    }
}

fn refused(outcome: &Outcome) -> (String, String) {
    match outcome {
        Outcome::Error(error) => (error.code.clone(), error.message.clone()),
        other => panic!("it is not refused: {other:?}"),
    }
}

async fn call(server: &Server, command: &str, body: Value) -> (u16, Value) {
    let path = format!("/v1/extensions/front-desk/commands/{command}");
    ask_api(server, "POST", &path, body.to_string().as_bytes()).await
}

async fn feed(server: &Server, kind: &str) -> Vec<Value> {
    let path = format!("/v1/feed?kind={kind}");
    let (code, said) = ask_api(server, "GET", &path, b"").await;
    assert_eq!(code, 200, "{said}");
    said["events"].as_array().unwrap().clone()
}

async fn a_command_is_answered_and_carried_out_once(world: World) {
    let world = with_key(world);
    let mut server = start(&world).await;
    let mut ann = Session::open(&server, Way::WebSocketJson, "ann").await;
    let first = Uuid::now_v7();
    let said = invoke(&mut ann, first, "count", json!({})).await;
    assert_eq!(answered(&said), (json!({ "count": 1 }), false));
    let again = invoke(&mut ann, first, "count", json!({})).await;
    assert_eq!(answered(&again), (json!({ "count": 1 }), true));
    let other = invoke(&mut ann, first, "count", json!({ "other": 1 })).await;
    assert_eq!(refused(&other).0, "command_id_reused");

    // Killed and asked again, again and again: each is counted once, and those that were are answered as before.
    let mut random = Rng::with_seed(wait::seed());
    let last = 1 + rounds(4) as u64;
    let mut asked = vec![(first, 1)];
    for round in 2..=last {
        let id = Uuid::now_v7();
        // Anywhere from before it is called until its effects are done: whoever has no answer asks again.
        let request = ask::invoke("front-desk", "count", "{}");
        ann.send(Some(id), request).await;
        let later = random.u64(..50_000);
        tokio::time::sleep(Duration::from_micros(later)).await;
        server.kill();
        println!("round {round}: killed {later} us after the call");
        server = world.start().await;
        ann = Session::open(&server, Way::WebSocketProtobuf, "ann").await;
        let said = invoke(&mut ann, id, "count", json!({})).await;
        assert_eq!(answered(&said).0, json!({ "count": round }));
        asked.push((id, round));
        // The last ones: as many of them as there are rounds would be asked too often.
        for (id, count) in asked.iter().rev().take(5) {
            let said = invoke(&mut ann, *id, "count", json!({})).await;
            assert_eq!(answered(&said), (json!({ "count": count }), true));
        }
    }
    // What is somebody else's has nothing to do with it.
    let mut ben = Session::open(&server, Way::WebSocketJson, "ben").await;
    let theirs = invoke(&mut ben, first, "count", json!({})).await;
    assert_eq!(answered(&theirs), (json!({ "count": 1 }), false));
    eventually("all is shown", async || {
        let said = notifications(&server, "ann").await;
        (badge(&said, "calls") == last).then_some(())
    })
    .await;

    // At once under one key: called once.
    let bearer = format!("Bearer {}", crate::extensions::KEY);
    let headers = [
        ("Authorization", bearer.as_str()),
        ("Idempotency-Key", "at once"),
    ];
    let path = "/v1/extensions/front-desk/commands/count";
    let at_once = (0..8).map(|_| {
        tidings_tests::http::request(&server, "POST", path, &headers, br#"{ "as": "dora" }"#)
    });
    for answer in futures_util::future::join_all(at_once).await {
        assert_eq!(answer.status, 200, "{answer:?}");
        let said: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(said["answer"], json!({ "count": 1 }));
    }
    let (_, listed) = ask_api(&server, "GET", "/v1/extensions", b"").await;
    let calls = listed["calls"].as_array().unwrap().iter();
    let mut calls = calls.filter(|row| row["hook"] == "command");
    assert_eq!(
        calls.next().unwrap()["outcomes"]["ok"],
        2,
        "ben's and dora's: {listed}"
    );

    let mut calls = Vec::new();
    for _ in 0..20 {
        calls.push(call(&server, "count", json!({ "as": "carl" })));
    }
    let mut counts: Vec<u64> = Vec::new();
    for (code, said) in futures_util::future::join_all(calls).await {
        assert_eq!(code, 200, "{said}");
        counts.push(said["answer"]["count"].as_u64().unwrap());
    }
    counts.sort_unstable();
    assert_eq!(counts, (1..=20).collect::<Vec<u64>>());
}

async fn a_command_is_refused_with_the_reason(world: World) {
    let world = with_key(world);
    let server = start(&world).await;
    let mut ann = Session::open(&server, Way::WebSocketJson, "ann").await;
    for (command, args, code, why) in [
        ("usage", json!({}), "invalid", "say please"),
        (
            "denied",
            json!({}),
            "forbidden",
            "front-desk does not let ann do this",
        ),
        ("unavailable", json!({}), "unavailable", "try again"),
        ("impossible", json!({}), "rejected", "impossible"),
        ("trap", json!({}), "unavailable", "front-desk failed"),
        (
            "deliver",
            json!({}),
            "forbidden",
            "for the product's backend",
        ),
        (
            "nothing",
            json!({}),
            "not_found",
            "that has a command `nothing`",
        ),
        ("echo", json!({ "name": 1 }), "invalid", "does not fit"),
        ("say", json!({}), "invalid", "call it from a conversation"),
        (
            "stranger",
            json!({}),
            "rejected",
            "the call is not about this user",
        ),
        ("echo", json!([]), "invalid", "args is to be a JSON object"),
    ] {
        let said = refused(&invoke(&mut ann, Uuid::now_v7(), command, args).await);
        assert_eq!(said.0, code, "{command}: {said:?}");
        assert!(said.1.contains(why), "{command}: {said:?}");
    }
    let no_id = ann.ask(ask::invoke("front-desk", "count", "{}")).await;
    assert_eq!(refused(&no_id).0, "invalid");
    let nobody = ann
        .command_as(Uuid::now_v7(), ask::invoke("nobody", "count", "{}"))
        .await;
    assert_eq!(refused(&nobody).0, "not_found");
    let (code, said) = call(&server, "usage", json!({ "as": "ann" })).await;
    assert_eq!((code, &said["message"]), (400, &json!("say please")));
    let long = json!({ "as": "ann", "args": { "name": "x".repeat(70_000) } });
    let (code, said) = call(&server, "echo", long).await;
    assert_eq!(code, 400, "{said}");

    // However often one breaks it, others call it as ever, and they do a little later; nothing else is taken from it.
    for _ in 0..20 {
        refused(
            &invoke(
                &mut eve_of(&server).await,
                Uuid::now_v7(),
                "trap",
                json!({}),
            )
            .await,
        );
    }
    assert_eq!(status(&server, "front-desk").await.get("quarantine"), None);
    let said = invoke(&mut ann, Uuid::now_v7(), "echo", json!({ "name": "x" })).await;
    assert!(matches!(said, Outcome::Accepted(_)), "{said:?}");
    let mut eve = eve_of(&server).await;
    eventually("it is called again", async || {
        let said = invoke(&mut eve, Uuid::now_v7(), "echo", json!({ "name": "x" })).await;
        matches!(said, Outcome::Accepted(_)).then_some(())
    })
    .await;

    // From a conversation only for who is in it.
    let room = ann.start(ask::group("room", &["ben"])).await;
    let mut eve = Session::open(&server, Way::WebSocketJson, "eve").await;
    let from = |room: Uuid| match ask::invoke("front-desk", "count", "{}") {
        Request::Invoke(mut invoke) => {
            invoke.conversation = room.as_bytes().to_vec().into();
            Request::Invoke(invoke)
        }
        _ => unreachable!("it is an `invoke`"),
    };
    let said = eve.command_as(Uuid::now_v7(), from(room)).await;
    assert_eq!(refused(&said).0, "not_found");
    let said = ann.command_as(Uuid::now_v7(), from(room)).await;
    assert_eq!(answered(&said).0, json!({ "count": 1 }));

    // One that acts no more is not called.
    let (code, _) = ask_api(&server, "DELETE", "/v1/extensions/front-desk/active", b"").await;
    assert_eq!(code, 200);
    let said = invoke(&mut ann, Uuid::now_v7(), "count", json!({})).await;
    assert_eq!(refused(&said).0, "not_found");
}

async fn eve_of(server: &Server) -> Session {
    Session::open(server, Way::WebSocketJson, "eve").await
}

async fn what_a_command_wants_done_follows(world: World) {
    let world = with_key(world);
    let server = start(&world).await;
    let mut ann = Session::open(&server, Way::WebSocketJson, "ann").await;
    let said = invoke(&mut ann, Uuid::now_v7(), "later", json!({})).await;
    assert_eq!(answered(&said).0, Value::Null);
    eventually("the timer has fired", async || {
        let said = notifications(&server, "ann").await;
        (badge(&said, "rung") == 1).then_some(())
    })
    .await;

    assert!(feed(&server, "").await.is_empty());
    let body = json!({ "as": "ann", "args": { "subject": "höflich" } });
    let (code, said) = call(&server, "deliver", body).await;
    assert_eq!((code, &said["answer"]), (200, &json!(true)), "{said}");
    let found = eventually("the backend is told", async || {
        let found = feed(&server, "").await;
        (found.len() == 3).then_some(found)
    })
    .await;
    let of = |kind: &str| found.iter().find(|event| event["kind"] == kind).unwrap();
    let push = of("delivery.push");
    assert_eq!(
        (&push["subject"], &push["actor"]),
        (&json!("ann"), &json!("extension:front-desk"))
    );
    assert_eq!(push["payload"]["title"], "A title");
    assert_eq!(push["payload"]["link"], "/inbox");
    assert_eq!(
        of("delivery.e-mail")["payload"],
        json!({ "subject": "höflich" })
    );
    assert_eq!(
        of("ext.front-desk.asked")["payload"],
        json!({ "subject": "höflich" })
    );

    // Read on from where one was, and waiting for what comes.
    let (_, page) = ask_api(&server, "GET", "/v1/feed?limit=2", b"").await;
    assert_eq!(page["events"].as_array().unwrap().len(), 2);
    let next = page["next"].as_str().unwrap();
    let (_, rest) = ask_api(&server, "GET", &format!("/v1/feed?after={next}"), b"").await;
    assert_eq!(rest["events"].as_array().unwrap().len(), 1);
    let next = rest["next"].as_str().unwrap().to_owned();
    let waiting = async {
        let path = format!("/v1/feed?after={next}&kind=delivery.&wait_ms=20000");
        ask_api(&server, "GET", &path, b"").await
    };
    let asking = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        call(&server, "deliver", json!({ "as": "ben" })).await
    };
    let ((_, came), (code, _)) = tokio::join!(waiting, asking);
    assert_eq!(code, 200);
    assert_eq!(came["events"][0]["subject"], "ben", "{came}");
    for wrong in ["after=x", "limit=0", "wait_ms=40000"] {
        let (code, said) = ask_api(&server, "GET", &format!("/v1/feed?{wrong}"), b"").await;
        assert_eq!(code, 400, "{wrong}: {said}");
    }

    // What the server does not do for it, its author is told.
    let room = ann.start(ask::group("room", &["ben"])).await;
    let from_room = match ask::invoke("front-desk", "say", "{}") {
        Request::Invoke(mut invoke) => {
            invoke.conversation = room.as_bytes().to_vec().into();
            Request::Invoke(invoke)
        }
        _ => unreachable!("it is an `invoke`"),
    };
    let said = ann.command_as(Uuid::now_v7(), from_room).await;
    assert_eq!(answered(&said).0, Value::Null);
    let line = eventually("its author is told", async || {
        let path = "/v1/extensions/front-desk/logs";
        let (_, said) = ask_api(&server, "GET", path, b"").await;
        let lines = said["lines"].as_array().unwrap().clone();
        lines.into_iter().find(|line| line["hook"] == "effects")
    })
    .await;
    assert_eq!(
        line["line"],
        "an effect came to nothing: no such conversation, or extension:front-desk is no member of it: whoever leads it adds it"
    );
    let page = http::get(&format!("http://{}", server.http), "/metrics").await;
    let page = page.unwrap();
    let counted = "tidings_extension_effects_refused_total{extension=\"front-desk\"} 1\n";
    assert!(page.contains(counted), "{page}");

    // Nobody else may record what looks like it.
    let forged =
        json!({ "events": [{ "kind": "delivery.push", "actor": "ann", "subject": "ben" }] });
    let (code, said) = ask_api(&server, "POST", "/v1/events", forged.to_string().as_bytes()).await;
    assert_eq!(code, 400, "{said}");

    // Whoever is erased takes along what was to reach them.
    let (code, said) = ask_api(&server, "DELETE", "/v1/users/ann", b"").await;
    assert_eq!(code, 200, "{said}");
    eventually("nothing of it is left", async || {
        let found = feed(&server, "delivery.").await;
        found
            .iter()
            .all(|event| event["subject"] != "ann")
            .then_some(())
    })
    .await;
}

async fn a_message_is_told_with_whom_it_mentions(world: World) {
    let world = with_key(world);
    let server = world.start().await;
    let more = json!({ "reactor": { "events": ["message_posted"] } });
    install(&server, &desk("1.0.0", more)).await;
    activate(&server, "front-desk", "1.0.0", json!({})).await;
    let mut ann = Session::open(&server, Way::WebSocketJson, "ann").await;
    let room = ann.start(ask::group("room", &["ben", "cem"])).await;
    let post = match ask::post(room, "look, both of you") {
        Request::PostMessage(post) => Request::PostMessage(PostMessage {
            mentions: vec!["ben".to_owned(), "cem".to_owned()],
            ..post
        }),
        _ => unreachable!("it is a `post_message`"),
    };
    ann.command(post).await;
    let told = eventually("it is told", async || {
        let found = feed(&server, "ext.front-desk.asked").await;
        found.into_iter().next()
    })
    .await;
    assert_eq!(told["payload"], json!({ "mentions": ["ben", "cem"] }));
}

async fn what_was_dealt_with_is_told_to_nobody_again(world: World) {
    let world = with_key(world);
    let mut server = world.start().await;
    let silent = json!({ "reactor": { "events": ["app.passed"] } });
    for version in ["1.0.0", "1.1.0"] {
        install(&server, &desk(version, silent.clone())).await;
    }
    activate(&server, "front-desk", "1.0.0", json!({})).await;
    let calls = async |server: &Server, version: &str| {
        let (_, said) = ask_api(server, "GET", "/v1/extensions", b"").await;
        let rows = said["calls"].as_array().unwrap();
        let mut of_version = rows.iter().filter(|row| row["version"] == version);
        of_version
            .find_map(|row| row["calls"].as_u64())
            .unwrap_or(0)
    };
    let passed = async |server: &Server, version: &str, nth: u32, expected: u64| {
        fact(server, "passed", "ben", "ann", &format!("fact {nth}")).await;
        eventually("it is told", async || {
            (calls(server, version).await >= expected).then_some(())
        })
        .await;
        // Not one more.
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(calls(server, version).await, expected, "fact {nth}");
    };
    for nth in 0..5 {
        passed(&server, "1.0.0", nth, u64::from(nth) + 1).await;
    }
    // It wanted nothing done, so that nothing but its place says that it was told.
    activate(&server, "front-desk", "1.1.0", json!({})).await;
    passed(&server, "1.1.0", 5, 1).await;
    passed(&server, "1.1.0", 6, 2).await;
    server.terminate();
    server.ended().await;
    server = world.start().await;
    passed(&server, "1.1.0", 7, 1).await;
    // Where nobody can say goodbye, what was told in the last moment may be told again.
    tokio::time::sleep(Duration::from_secs(2)).await;
    server.kill();
    server = world.start().await;
    passed(&server, "1.1.0", 8, 1).await;
}

async fn what_waits_keeps_its_order_whatever_is_killed(world: World) {
    let world = with_key(world);
    let mut server = start(&world).await;
    let numbered = async |server: &Server, user: &str, numbers: std::ops::Range<u32>| {
        let all: Vec<Value> = numbers
            .map(|number| {
                // The first waits, and one in the middle does when it is its turn.
                let fails = number == 0 || number == 70;
                json!({
                    "kind": "numbered", "actor": "ben", "subject": user, "key": format!("{user} {number}"),
                    "payload": { "number": number, "fails": fails },
                })
            })
            .collect();
        for some in all.chunks(50) {
            let body = json!({ "events": some }).to_string();
            let (code, said) = ask_api(server, "POST", "/v1/events", body.as_bytes()).await;
            assert_eq!(code, 200, "{said}");
        }
    };
    // As many as are not all told at once, among those of somebody else.
    numbered(&server, "ann", 0..60).await;
    numbered(&server, "eve", 1..60).await;
    let told = async |server: &Server, user: &str| -> Vec<u64> {
        let mut numbers = Vec::new();
        let mut after = String::new();
        loop {
            let path = format!("/v1/feed?kind=ext.front-desk.asked&limit=100{after}");
            let (code, page) = ask_api(server, "GET", &path, b"").await;
            assert_eq!(code, 200, "{page}");
            let events = page["events"].as_array().unwrap().clone();
            let of_user = events.iter().filter(|event| event["subject"] == user);
            numbers.extend(of_user.map(|event| event["payload"]["number"].as_u64().unwrap()));
            if events.is_empty() {
                return numbers;
            }
            after = format!("&after={}", page["next"].as_str().unwrap());
        }
    };
    eventually("who has nothing that waits is told", async || {
        (told(&server, "eve").await.len() == 59).then_some(())
    })
    .await;
    server.kill();
    server = world.start().await;
    numbered(&server, "ann", 60..130).await;
    let numbers = eventually("all that waited is told", async || {
        let numbers = told(&server, "ann").await;
        (numbers.len() >= 130).then_some(numbers)
    })
    .await;
    assert_eq!(numbers, (0..130).collect::<Vec<u64>>());
    assert_eq!(told(&server, "eve").await, (1..60).collect::<Vec<u64>>());
    let left = eventually("nothing waits", async || {
        let status = status(&server, "front-desk").await;
        (status["waiting"] == 0).then_some(status)
    })
    .await;
    assert_eq!(left["parked"], 0, "{left}");
}

async fn what_is_set_aside_is_told_again_or_forgotten_when_the_operator_says_so(world: World) {
    let world = with_key(world);
    let server = world.start().await;
    // It may not do what it does: each event is set aside.
    let broken = json!({
        "grants": { "effects": ["badge"], "content": true }, "emits": {}, "channels": [],
    });
    install(&server, &desk("1.0.0", broken)).await;
    activate(&server, "front-desk", "1.0.0", json!({})).await;
    for (number, user) in (0..).zip(["ann", "ann", "ann", "eve"]) {
        let event = json!({ "kind": "numbered", "actor": "ben", "subject": user, "payload": { "number": number } });
        let body = json!({ "events": [event] }).to_string();
        let (code, said) = ask_api(&server, "POST", "/v1/events", body.as_bytes()).await;
        assert_eq!(code, 200, "{said}");
    }
    let parked = async |count: u64| {
        eventually(&format!("{count} are set aside"), async || {
            let now = status(&server, "front-desk").await;
            (now["parked"] == count && now["waiting"] == 0).then_some(())
        })
        .await;
    };
    parked(4).await;
    let waiting = "/v1/extensions/front-desk/waiting";
    let list = async |query: &str| {
        let (code, said) = ask_api(&server, "GET", &format!("{waiting}{query}"), b"").await;
        assert_eq!(code, 200, "{said}");
        said
    };
    let first = eventually("all four are listed", async || {
        let first = list("?limit=3").await;
        first.get("next").is_some().then_some(first)
    })
    .await;
    let all = first["events"].as_array().unwrap();
    assert_eq!(all.len(), 3, "{first}");
    for event in all {
        assert_eq!(
            (&event["kind"], &event["user"], &event["actor"]),
            (&json!("app.numbered"), &json!("ann"), &json!("ben")),
        );
        assert_eq!(
            (&event["attempts"], event.get("again_ms")),
            (&json!(1), None)
        );
        assert_eq!(event["cause"], "it gave up", "{event}");
    }
    let next = first["next"].as_str().unwrap();
    let second = list(&format!("?after={next}")).await;
    assert_eq!(second.get("next"), None, "{second}");
    let of_eve = second["events"][0].clone();
    assert_eq!(of_eve["user"], "eve", "{second}");

    let let_become = async |what: &str, body: Value| {
        let path = format!("{waiting}/{what}");
        let (code, said) = ask_api(&server, "POST", &path, body.to_string().as_bytes()).await;
        (code, said)
    };
    let refused = async |what: &str, body: Value, status: u16, says: &str| {
        let (code, said) = let_become(what, body).await;
        let message = said["message"].as_str().unwrap();
        assert!(code == status && message.contains(says), "{code} {said}");
    };
    refused("retry", json!({ "at": ["12"] }), 400, "as in 12.0").await;
    refused("forget", json!({ "at": ["999999.0"] }), 404, "999999.0").await;
    let (code, said) = ask_api(&server, "DELETE", "/v1/extensions/front-desk/active", b"").await;
    assert_eq!(code, 200, "{said}");
    refused("retry", json!({}), 400, "activate one first").await;

    install(&server, &desk("1.1.0", json!({}))).await;
    let path = "/v1/extensions/front-desk/active";
    let mended = json!({ "version": "1.1.0", "accept_wider": true }).to_string();
    let (code, said) = ask_api(&server, "PUT", path, mended.as_bytes()).await;
    assert_eq!(code, 200, "{said}");
    parked(4).await;
    let told = async |numbers: &[u64]| {
        eventually(&format!("{numbers:?} are told"), async || {
            let feed = "/v1/feed?kind=ext.front-desk.asked";
            let (_, page) = ask_api(&server, "GET", feed, b"").await;
            let events = page["events"].as_array().unwrap().iter();
            let told: Vec<u64> = events
                .map(|event| event["payload"]["number"].as_u64().unwrap())
                .collect();
            (told == numbers).then_some(())
        })
        .await;
    };
    let one = json!({ "at": [all[1]["at"]] });
    assert_eq!(
        let_become("retry", one.clone()).await,
        (200, json!({ "count": 1 }))
    );
    told(&[1]).await;
    parked(3).await;
    refused("retry", one, 404, all[1]["at"].as_str().unwrap()).await;
    let eves = json!({ "at": [of_eve["at"]] });
    assert_eq!(
        let_become("forget", eves).await,
        (200, json!({ "count": 1 }))
    );
    parked(2).await;
    assert_eq!(
        let_become("retry", json!({})).await,
        (200, json!({ "count": 2 }))
    );
    told(&[1, 0, 2]).await;
    parked(0).await;
    assert_eq!(list("").await, json!({ "events": [] }));
    assert_eq!(
        let_become("forget", json!({})).await,
        (200, json!({ "count": 0 }))
    );
}

async fn who_writes_an_extension_is_told_what_it_says_and_wants(world: World) {
    let world = with_key(world);
    let server = world.start().await;
    let counted = async |key: &str| {
        let event = json!({ "kind": "counted", "actor": "ben", "subject": "ann", "key": key });
        let body = json!({ "events": [event] }).to_string();
        let (code, said) = ask_api(&server, "POST", "/v1/events", body.as_bytes()).await;
        assert_eq!(code, 200, "{said}");
    };
    let lines = async || -> Vec<String> {
        let (_, said) = ask_api(&server, "GET", "/v1/extensions/front-desk/logs", b"").await;
        let lines = said["lines"].as_array().unwrap().iter();
        lines
            .map(|line| line["line"].as_str().unwrap().to_owned())
            .collect()
    };
    let told = async |count: u64| {
        eventually("it was told", async || {
            let said = notifications(&server, "ann").await;
            (badge(&said, "told") == count).then_some(())
        })
        .await;
    };
    install(&server, &desk("1.0.0", json!({}))).await;
    activate(&server, "front-desk", "1.0.0", json!({})).await;
    counted("first").await;
    told(1).await;
    assert_eq!(lines().await, [""; 0], "what users get is not in logs");
    // As `tidings ext dev` installs it.
    let written = "1.0.0-dev.1763900000000";
    install(&server, &desk(written, json!({}))).await;
    activate(&server, "front-desk", written, json!({})).await;
    counted("second").await;
    told(2).await;
    let lines = lines().await;
    let badge = r#"it wants {"badge":{"count":2,"name":"told","user":"ann"}}"#;
    assert_eq!(lines.first().map(String::as_str), Some(badge), "{lines:?}");
    let toast = r#"it wants {"toast":{"#;
    assert!(lines.len() == 2 && lines[1].starts_with(toast), "{lines:?}");

    let probe = super::extensions::probe(written, "hold");
    install(&server, &probe).await;
    activate(&server, "probe", written, json!({})).await;
    let mut ann = Session::open(&server, Way::WebSocketJson, "ann").await;
    let room = ann.start(ask::group("room", &["ben"])).await;
    let id = Uuid::now_v7();
    ann.command_as(id, ask::post(room, "reject: not here"))
        .await;
    let (_, said) = ask_api(&server, "GET", "/v1/extensions/probe/logs", b"").await;
    let all = said["lines"].as_array().unwrap().iter();
    let all: Vec<&str> = all.map(|line| line["line"].as_str().unwrap()).collect();
    let verdict = format!("it said reject (not here) to draft {room}.{id}");
    assert!(all.contains(&verdict.as_str()), "{all:?}");
}

async fn a_page_of_people_is_ranked(world: World) {
    let mut world = with_key(world);
    world.search(
        "attributes = [{ name = \"about\", kind = \"text\" }, { name = \"rating\", kind = \"number\", public = false }]\n",
    );
    let server = world.start().await;
    for (user, about, rating) in [
        ("ann", "climbing climbing climbing", json!(2)),
        ("ben", "climbing and much else that is said here", json!(5)),
        ("carl", "climbing, somewhat", Value::Null),
    ] {
        let mut attributes = json!({ "about": about });
        if !rating.is_null() {
            attributes["rating"] = rating;
        }
        let path = format!("/v1/users/{user}/profile");
        let body = json!({ "attributes": attributes }).to_string();
        let (code, said) = ask_api(&server, "PUT", &path, body.as_bytes()).await;
        assert_eq!(code, 200, "{said}");
    }
    let mut dave = Session::open(&server, Way::WebSocketProtobuf, "dave").await;
    let search = |query: &str, online: &str| {
        Request::SearchPeople(SearchPeople {
            query: query.to_owned(),
            online: online.to_owned(),
            explain: true,
            ..SearchPeople::default()
        })
    };
    let mut find = async |query: &str, online: &str| match dave.ask(search(query, online)).await {
        Outcome::People(page) => page.people,
        other => panic!("not people: {other:?}"),
    };
    eventually("they are found", async || {
        let found = find("climbing", "any").await;
        (found.len() == 3 && found[0].user == "ann").then_some(())
    })
    .await;
    install(&server, &desk("1.0.0", json!({}))).await;
    activate(&server, "front-desk", "1.0.0", json!({})).await;
    let found = find("climbing", "any").await;
    let users: Vec<&str> = found.iter().map(|person| person.user.as_str()).collect();
    assert_eq!(users, ["ben", "ann", "carl"]);
    assert!((found[0].score - 1_005.0).abs() < 1e-6, "{found:?}");
    assert!(
        found[0]
            .explanation
            .contains("ranked on this page by front-desk@1.0.0"),
        "{found:?}"
    );
    // Who is online comes first all the same where that is asked for.
    let _carl = Session::open(&server, Way::WebSocketJson, "carl").await;
    eventually("who is online comes first", async || {
        let found = find("climbing", "first").await;
        let users: Vec<&str> = found.iter().map(|person| person.user.as_str()).collect();
        (users == ["carl", "ben", "ann"]).then_some(())
    })
    .await;

    // Without the grant it does not see what is not public; and one that breaks changes nothing.
    let blind = desk(
        "1.1.0",
        json!({ "grants": { "effects": ["badge"] }, "channels": [], "emits": {} }),
    );
    install(&server, &blind).await;
    activate(&server, "front-desk", "1.1.0", json!({})).await;
    let found = find("climbing", "any").await;
    assert_eq!(found[0].user, "ann", "the base order stands");
    let (code, _) = ask_api(&server, "POST", "/v1/extensions/front-desk/rollback", b"").await;
    assert_eq!(code, 200);
    let broken = find("break", "any").await;
    assert!(broken.is_empty());
    let path = "/v1/users/ann/profile";
    let body = json!({ "attributes": { "about": "break", "rating": 1 } }).to_string();
    let (code, _) = ask_api(&server, "PUT", path, body.as_bytes()).await;
    assert_eq!(code, 200);
    eventually("found, though the ranker breaks", async || {
        (find("break", "any").await.len() == 1).then_some(())
    })
    .await;
}

async fn who_is_absent_is_called_back_once(world: World) {
    let mut world = with_key(world);
    world.presence("grace_ms = 300\n");
    world.messages("[extensions]\nrecall_after_s = 1\n");
    let mut server = start(&world).await;
    let mut ann = Session::open(&server, Way::WebSocketJson, "ann").await;
    let ben = Session::open(&server, Way::WebSocketJson, "ben").await;
    let room = ann
        .start(ask::group("room", &["ben", "carl", "dora", "emil"]))
        .await;
    // Long enough that others may have seen it.
    tokio::time::sleep(Duration::from_millis(500)).await;
    drop(ben);
    ann.command(ask::post(room, "hello")).await;
    ann.command(ask::post(room, "are you there?")).await;
    let found = eventually("those who are away are called back", async || {
        let found = feed(&server, "delivery.recall").await;
        (found.len() == 4).then_some(found)
    })
    .await;
    let ben = found
        .iter()
        .find(|event| event["subject"] == "ben")
        .unwrap();
    let payload = &ben["payload"];
    assert_eq!(payload["title"], "2 unread, 0 for you");
    assert_eq!(payload["body"], "are you there?");
    assert_eq!(payload["by"], "front-desk");
    assert_eq!(payload["conversations"], json!([room.to_string()]));
    assert!(payload["since_ms"].as_u64().unwrap() > 0);
    assert!(found.iter().all(|event| event["subject"] != "ann"));

    // Once in an absence, also after a restart.
    ann.command(ask::post(room, "still there?")).await;
    server.kill();
    server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketJson, "ann").await;
    ann.command(ask::post(room, "and now?")).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(feed(&server, "delivery.recall").await.len(), 4);

    // Back, and away again: another absence. What it wants left alone is.
    let ben = Session::open(&server, Way::WebSocketJson, "ben").await;
    let carl = Session::open(&server, Way::WebSocketJson, "carl").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    drop((ben, carl));
    eventually("they are away again", async || {
        let found = feed(&server, "delivery.recall").await;
        (found.len() == 6).then_some(())
    })
    .await;
    let direct = ann.start(ask::direct("fred")).await;
    ann.command(ask::post(direct, "skip")).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let found = feed(&server, "delivery.recall").await;
    assert!(
        found.iter().all(|event| event["subject"] != "fred"),
        "{found:?}"
    );
}

async fn without_an_extension_the_server_calls_back_itself(world: World) {
    let mut world = with_key(world);
    world.presence("grace_ms = 300\n");
    world.messages("[extensions]\nrecall_after_s = 1\nrecall_nudge = true\n");
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketJson, "ann").await;
    let direct = ann.start(ask::direct("ben")).await;
    ann.command(ask::post(direct, "hello")).await;
    let found = eventually("who is away is called back", async || {
        let found = feed(&server, "delivery.recall").await;
        (!found.is_empty()).then_some(found)
    })
    .await;
    assert_eq!(found[0]["actor"], "system:tidings");
    let payload = &found[0]["payload"];
    assert_eq!(
        (&payload["unread"], payload.get("title")),
        (&json!(1), None)
    );
    // Who has read in between is not.
    let mut carl = Session::open(&server, Way::WebSocketJson, "carl").await;
    let direct = ann.start(ask::direct("carl")).await;
    ann.command(ask::post(direct, "hello")).await;
    assert!(matches!(
        carl.ask(ask::read(direct, 1)).await,
        Outcome::Pong(_)
    ));
    drop(carl);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(feed(&server, "delivery.recall").await.len(), 1);
}

async fn history_is_told_once_and_without_toasts(world: World) {
    let world = with_key(world);
    let server = world.start().await;
    for nth in 0..150 {
        fact(&server, "counted", "ben", "ann", &format!("fact {nth}")).await;
    }
    install(&server, &desk("1.0.0", json!({}))).await;
    activate(&server, "front-desk", "1.0.0", json!({})).await;
    fact(&server, "counted", "ben", "ann", "live").await;
    eventually("what happens is told", async || {
        let said = notifications(&server, "ann").await;
        (badge(&said, "told") == 1).then_some(())
    })
    .await;
    // The same answer for a piece that is asked for again under its key.
    let piece = async |after: &str, key: &str| {
        let path = "/v1/extensions/front-desk/backfill";
        let bearer = format!("Bearer {}", crate::extensions::KEY);
        let headers = [("Authorization", bearer.as_str()), ("Idempotency-Key", key)];
        let body = json!({ "after": after }).to_string();
        let answer =
            tidings_tests::http::request(&server, "POST", path, &headers, body.as_bytes()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        serde_json::from_str::<Value>(&answer.body).unwrap()
    };
    let mut after = "0".to_owned();
    let mut told = 0;
    for nth in 0.. {
        let first = piece(&after, &format!("piece {nth}")).await;
        let again = piece(&after, &format!("piece {nth}")).await;
        assert_eq!(first, again);
        assert_eq!(first["failed"], 0, "{first}");
        told += first["told"].as_u64().unwrap();
        after = first["next"].as_str().unwrap().to_owned();
        if first["done"] == true {
            break;
        }
    }
    assert_eq!(told, 150, "what was told as it happened is not told again");
    let said = eventually("all of it is counted", async || {
        let said = notifications(&server, "ann").await;
        (badge(&said, "told") == 151).then_some(said)
    })
    .await;
    let toasts = said["toasts"].as_array().unwrap();
    assert_eq!(
        toasts.len(),
        1,
        "that of what has just happened alone: {said}"
    );
    assert_eq!(status(&server, "front-desk").await["waiting"], 0);
    // A key is good for one thing.
    let other = piece_of(&server, "7", "piece 0").await;
    assert_eq!(other.0, 409, "{other:?}");
}

async fn piece_of(server: &Server, after: &str, key: &str) -> (u16, String) {
    let bearer = format!("Bearer {}", crate::extensions::KEY);
    let headers = [("Authorization", bearer.as_str()), ("Idempotency-Key", key)];
    let path = "/v1/extensions/front-desk/backfill";
    let body = json!({ "after": after }).to_string();
    let answer =
        tidings_tests::http::request(server, "POST", path, &headers, body.as_bytes()).await;
    (answer.status, answer.body)
}

/// Two servers on one log: a call is answered once, whichever is asked, and whichever is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_two_nodes_a_command_counts_once_jetstream() {
    let world = with_key(World::jetstream().await);
    let mut first = start(&world).await;
    let twin = world.twin();
    let second = twin.start().await;
    eventually("both know it", async || {
        let there = status(&second, "front-desk").await;
        there.get("active")?.get("broken").is_none().then_some(())
    })
    .await;
    // What happens is told beside the calls, whichever node tells it.
    for nth in 0..100 {
        fact(&first, "counted", "ben", "dora", &format!("fact {nth}")).await;
        if nth % 4 == 0 {
            let (code, said) = call(&second, "count", json!({ "as": "eve" })).await;
            assert_eq!(code, 200, "{said}");
            let (code, said) = call(&first, "count", json!({ "as": "eve" })).await;
            assert_eq!(code, 200, "{said}");
        }
    }
    eventually("all of it was told", async || {
        let said = notifications(&second, "dora").await;
        (badge(&said, "told") == 100).then_some(())
    })
    .await;
    eventually("all of it was counted", async || {
        let said = notifications(&first, "eve").await;
        (badge(&said, "calls") == 50).then_some(())
    })
    .await;
    let mut count = 0;
    for round in 0..3 {
        for _ in 0..5 {
            let body = || json!({ "as": "ann" });
            let (one, other) = tokio::join!(
                call(&first, "count", body()),
                call(&second, "count", body())
            );
            for (code, said) in [one, other] {
                assert_eq!(code, 200, "{said}");
                count += 1;
            }
        }
        let mut ann = Session::open(&first, Way::WebSocketJson, "ann").await;
        let id = Uuid::now_v7();
        let said = invoke(&mut ann, id, "count", json!({ "round": round })).await;
        count += 1;
        assert_eq!(answered(&said), (json!({ "count": count }), false));
        first.kill();
        let mut ann = Session::open(&second, Way::WebSocketJson, "ann").await;
        let said = eventually("the other one answers", async || {
            let said = invoke(&mut ann, id, "count", json!({ "round": round })).await;
            matches!(said, Outcome::Accepted(_)).then_some(said)
        })
        .await;
        assert_eq!(answered(&said), (json!({ "count": count }), true));
        first = world.start().await;
    }
    for server in [&first, &second] {
        eventually("all is shown", async || {
            let said = notifications(server, "ann").await;
            (badge(&said, "calls") == count).then_some(())
        })
        .await;
    }
}
