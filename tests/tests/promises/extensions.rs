//! Extensions on a running server: what they say before something is recorded, and what they do afterwards, once.

use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};
use tidings_extension_manifest::{Manifest, embed};
use tidings_protocol::frame::Outcome;
use tidings_tests::{Server, Session, Way, World, ask, eventually, http, wait};
use uuid::Uuid;

use crate::kill_rounds::rounds;

on_both_logs! {
    a_moderator_rejects_holds_and_replaces,
    a_moderator_that_breaks_is_given_up_and_what_it_looked_at_is_held,
    moderators_have_their_time_together,
    what_is_counted_is_counted_once_whatever_is_killed,
    a_version_takes_the_place_of_another_and_goes_back,
    a_bad_component_changes_nothing,
    what_one_hook_keeps_another_one_sees,
}

pub(crate) const KEY: &str = "a key of the tests that is for operating";

const PROBE: &[u8] = include_bytes!("../../../extensions/guests/built/probe.wasm");
const BADGES: &[u8] = include_bytes!("../../../extensions/standard/built/badges.wasm");
const TOASTS: &[u8] = include_bytes!("../../../extensions/standard/built/toasts.wasm");
const SPAM_SCORE: &[u8] = include_bytes!("../../../examples/extensions/built/spam-score.wasm");
const MODERATION: &[u8] = include_bytes!("../../../extensions/standard/built/moderation.wasm");

pub(crate) fn with_key(mut world: World) -> World {
    let file = world.folder.path().join("operate.key");
    std::fs::write(&file, KEY).unwrap();
    world.messages(&format!(
        "[[auth.api_keys]]\nname = \"operator\"\nfile = {file:?}\n\
         scopes = [\"operate\", \"events\", \"notifications\", \"moderation\", \"commands\", \"feed\", \"users\", \"messages\"]\n"
    ));
    world
}

/// The component that does what texts say.
pub(crate) fn probe(version: &str, on_failure: &str) -> Vec<u8> {
    let manifest = json!({
        "id": "probe",
        "version": version,
        "summary": "Does what texts say.",
        "moderation": { "kinds": ["message", "edit", "name"], "on_failure": on_failure },
        "grants": { "views": ["members", "recent", "get-conversation", "is-member", "presence", "unread"] },
        "rates": { "texts": 60_000 },
        "metrics": ["logged", "size", "odd"],
    });
    let manifest = Manifest::from_json(&manifest.to_string()).unwrap();
    embed(PROBE, &manifest).unwrap()
}

pub(crate) async fn ask_api(
    server: &Server,
    method: &str,
    path: &str,
    body: &[u8],
) -> (u16, Value) {
    let bearer = format!("Bearer {KEY}");
    let headers = [("Authorization", bearer.as_str())];
    let answer = http::request(server, method, path, &headers, body).await;
    let said = serde_json::from_str(&answer.body);
    (
        answer.status,
        said.unwrap_or_else(|error| panic!("{error}: {answer:?}")),
    )
}

pub(crate) async fn install(server: &Server, component: &[u8]) -> Value {
    let (status, said) = ask_api(server, "POST", "/v1/extensions", component).await;
    assert_eq!(status, 200, "{said}");
    said
}

pub(crate) async fn activate(server: &Server, id: &str, version: &str, settings: Value) -> Value {
    let path = format!("/v1/extensions/{id}/active");
    let body = json!({ "version": version, "settings": settings });
    let (status, said) = ask_api(server, "PUT", &path, body.to_string().as_bytes()).await;
    assert_eq!(status, 200, "{said}");
    said
}

pub(crate) async fn status(server: &Server, id: &str) -> Value {
    let (_, said) = ask_api(server, "GET", "/v1/extensions", b"").await;
    let all = said["extensions"].as_array().unwrap();
    all.iter().find(|one| one["id"] == id).unwrap().clone()
}

pub(crate) async fn fact(server: &Server, kind: &str, actor: &str, subject: &str, key: &str) {
    let body =
        json!({ "events": [{ "kind": kind, "actor": actor, "subject": subject, "key": key }] });
    // Asked again until it is known to be recorded: the key makes it one.
    eventually("the fact is recorded", async || {
        let bearer = format!("Bearer {KEY}");
        let headers = [("Authorization", bearer.as_str())];
        let body = body.to_string();
        let answer = http::request(server, "POST", "/v1/events", &headers, body.as_bytes()).await;
        (answer.status == 200).then_some(())
    })
    .await;
}

pub(crate) async fn notifications(server: &Server, user: &str) -> Value {
    let path = format!("/v1/users/{user}/notifications");
    ask_api(server, "GET", &path, b"").await.1
}

pub(crate) fn badge(said: &Value, name: &str) -> u64 {
    let badges = said["badges"].as_array();
    let mut badges = badges.into_iter().flatten();
    let found = badges.find(|badge| badge["name"] == name);
    found.and_then(|badge| badge["count"].as_u64()).unwrap_or(0)
}

async fn said(session: &mut Session, room: Uuid, text: &str) -> Outcome {
    session
        .command_as(Uuid::now_v7(), ask::post(room, text))
        .await
}

fn refusal(outcome: &Outcome) -> (&str, &str) {
    match outcome {
        Outcome::Error(error) => (&error.code, &error.message),
        other => panic!("it is not refused: {other:?}"),
    }
}

fn held(outcome: &Outcome) -> u64 {
    match outcome {
        Outcome::Accepted(accepted) => accepted.held,
        other => panic!("it is not accepted: {other:?}"),
    }
}

async fn texts(session: &mut Session, room: Uuid) -> Vec<String> {
    match session.ask(ask::latest(room, 50)).await {
        Outcome::Messages(found) => found
            .messages
            .into_iter()
            .map(|message| message.text)
            .collect(),
        other => panic!("not messages: {other:?}"),
    }
}

async fn a_moderator_rejects_holds_and_replaces(world: World) {
    let world = with_key(world);
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketJson, "ann").await;
    let mut ben = Session::open(&server, Way::WebSocketProtobuf, "ben").await;
    let room = ann.start(ask::group("room", &["ben"])).await;
    let installed = install(&server, &probe("1.0.0", "hold")).await;
    assert_eq!(installed["hooks"], json!(["moderation"]));
    said(&mut ann, room, "reject: nobody looks yet").await;
    activate(&server, "probe", "1.0.0", json!({})).await;

    let rejected = said(&mut ann, room, "reject: not here").await;
    assert_eq!(refusal(&rejected), ("rejected", "not here"));
    assert_eq!(
        held(&said(&mut ann, room, "replace: something else").await),
        0
    );
    assert_eq!(held(&said(&mut ann, room, "label: odd").await), 0);
    let let_go = Uuid::now_v7();
    let holding = ask::post(room, "hold: to be looked at");
    assert_eq!(held(&ann.command_as(let_go, holding).await), 1);
    let seen = texts(&mut ben, room).await;
    assert_eq!(
        seen,
        ["reject: nobody looks yet", "something else", "label: odd"]
    );
    let mine = texts(&mut ann, room).await;
    assert_eq!(
        mine, seen,
        "nor does its author see what is held among messages"
    );

    let (_, reviews) = ask_api(
        &server,
        "GET",
        &format!("/v1/conversations/{room}/messages/3/reviews"),
        b"",
    )
    .await;
    assert_eq!(reviews["reviews"][0]["labels"], json!(["odd"]));
    let (_, waiting) = ask_api(&server, "GET", "/v1/held", b"").await;
    assert_eq!(waiting["held"][0]["text"], "hold: to be looked at");
    assert_eq!(waiting["held"][0]["reviews"][0]["extension"], "probe");
    // By the ids that extensions are told, too.
    let (posted, kept, refused) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    let posting = ann.command_as(posted, ask::post(room, "label: even")).await;
    assert_eq!(held(&posting), 0);
    let keeping = ann.command_as(kept, ask::post(room, "hold: too")).await;
    assert_eq!(held(&keeping), 2);
    let refusing = ann.command_as(refused, ask::post(room, "reject: it")).await;
    assert_eq!(refusal(&refusing).0, "rejected");
    let of = async |id: Uuid| {
        let path = format!("/v1/messages/{room}.{id}/reviews");
        ask_api(&server, "GET", &path, b"").await
    };
    let (_, said_of) = of(posted).await;
    assert_eq!(
        (
            &said_of["became"],
            &said_of["seq"],
            &said_of["reviews"][0]["labels"]
        ),
        (&json!("posted"), &json!(4), &json!(["even"])),
    );
    let (_, said_of) = of(kept).await;
    assert_eq!(
        (
            &said_of["became"],
            &said_of["held"],
            &said_of["reviews"][0]["reason"]
        ),
        (&json!("held"), &json!(2), &json!("too")),
    );
    let (code, said_of) = of(refused).await;
    assert_eq!(
        (code, &said_of["code"]),
        (404, &json!("not_found")),
        "{said_of}"
    );
    let (code, _) = ask_api(&server, "GET", &format!("/v1/messages/{room}/reviews"), b"").await;
    assert_eq!(code, 400);
    let path = format!("/v1/conversations/{room}/held/2");
    let (code, _) = ask_api(&server, "PUT", &path, br#"{"release": false}"#).await;
    assert_eq!(code, 200);
    let (_, said_of) = of(kept).await;
    assert_eq!(
        (
            &said_of["became"],
            &said_of["settled_by"],
            &said_of["reviews"][0]["reason"]
        ),
        (&json!("rejected"), &json!("backend"), &json!("too")),
    );

    let path = format!("/v1/conversations/{room}/held/1");
    let (code, settled) = ask_api(&server, "PUT", &path, br#"{"release": true}"#).await;
    assert_eq!((code, &settled["seq"]), (200, &json!(5)), "{settled}");
    let (_, said_of) = of(let_go).await;
    assert_eq!(
        (&said_of["became"], &said_of["settled_by"]),
        (&json!("released"), &json!("backend")),
    );

    // What the backend asks as a part of a trace is looked at as a part of it.
    let bearer = format!("Bearer {KEY}");
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let parent = format!("00-{trace}-b7ad6b7169203331-01");
    let headers = [
        ("Authorization", bearer.as_str()),
        ("traceparent", parent.as_str()),
    ];
    let path = format!("/v1/conversations/{room}/messages?as=ann");
    let traced = http::request(
        &server,
        "POST",
        &path,
        &headers,
        br#"{"text": "context: "}"#,
    )
    .await;
    assert!(traced.body.contains(&format!(" 00-{trace}-")), "{traced:?}");

    // An edit, and a name, which has nowhere to wait.
    let edited = ann
        .command_as(Uuid::now_v7(), ask::edit(room, 1, "reject: no edit"))
        .await;
    assert_eq!(refusal(&edited).0, "rejected");
    let named = ann
        .command_as(Uuid::now_v7(), ask::title(room, "hold: a name"))
        .await;
    assert_eq!(refusal(&named), ("rejected", "a name"));

    // What is asked again gets the first answer, whatever moderation says by then.
    let id = Uuid::now_v7();
    let first = ann.command_as(id, ask::post(room, "hold: once")).await;
    let (code, _) = ask_api(&server, "DELETE", "/v1/extensions/probe/active", b"").await;
    assert_eq!(code, 200);
    let again = ann.command_as(id, ask::post(room, "hold: once")).await;
    assert_eq!((held(&first), held(&again)), (3, 3));
    assert_eq!(
        held(&said(&mut ann, room, "reject: nobody looks any more").await),
        0
    );
}

async fn a_moderator_that_breaks_is_given_up_and_what_it_looked_at_is_held(world: World) {
    let world = with_key(world);
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketJson, "ann").await;
    let room = ann.start(ask::group("room", &["ben"])).await;
    install(&server, &probe("1.0.0", "hold")).await;
    activate(&server, "probe", "1.0.0", json!({})).await;
    let ways = [
        "panic", "loop", "memory", "recurse", "calls", "copies", "retry",
    ];
    // Who has found a text that breaks it takes it from nobody else, however often they send it.
    for broken in ways.iter().chain(&["panic"; 10]) {
        assert_ne!(held(&said(&mut ann, room, broken).await), 0, "{broken}");
    }
    let now = status(&server, "probe").await;
    assert!(now.get("quarantine").is_none(), "{now}");
    assert_eq!(
        now["active"]["left_alone_for"],
        json!({"moderation": ["ann"]})
    );
    let mut ben = Session::open(&server, Way::WebSocketJson, "ben").await;
    assert_eq!(held(&said(&mut ben, room, "hello").await), 0);
    // It keeps failing for several: left alone for a while, then for good.
    let mut several = Vec::new();
    for user in ["cleo", "dave", "eve"] {
        let mut session = Session::open(&server, Way::WebSocketJson, user).await;
        let own = session.start(ask::group("another room", &["ben"])).await;
        several.push((session, own));
    }
    eventually("it is in quarantine", async || {
        assert_ne!(held(&said(&mut ann, room, "panic").await), 0);
        for (session, own) in &mut several {
            assert_ne!(held(&said(session, *own, "panic").await), 0);
        }
        let now = status(&server, "probe").await;
        now.get("quarantine")
            .map(|quarantine| assert_eq!(quarantine["hook"], "moderation"))
    })
    .await;
    drop((ann, ben, several));
    drop(server);
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketJson, "ann").await;
    assert_eq!(
        status(&server, "probe").await["quarantine"]["version"],
        "1.0.0"
    );
    assert_ne!(
        held(&said(&mut ann, room, "hello").await),
        0,
        "nothing gets past it because it broke"
    );
    activate(&server, "probe", "1.0.0", json!({})).await;
    assert_eq!(
        held(&said(&mut ann, room, "hello").await),
        0,
        "somebody has tried again"
    );
}

async fn moderators_have_their_time_together(mut world: World) {
    world.messages(
        "[extensions]\nmoderation_ms = 300\ntime_ms = 3600000\nfuel = 1000000000000000\n",
    );
    let world = with_key(world);
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketJson, "ann").await;
    let room = ann.start(ask::group("room", &["ben"])).await;
    for (id, on_failure) in [("patient", "allow"), ("strict", "hold")] {
        let manifest = json!({
            "id": id,
            "version": "1.0.0",
            "summary": "Does what texts say.",
            "moderation": { "kinds": ["message"], "on_failure": on_failure },
            "limits": { "time_ms": 3_600_000, "fuel": 1_000_000_000_000_000_u64 },
            "rates": { "texts": 60_000 },
            "metrics": ["logged", "size", "odd"],
        });
        let manifest = Manifest::from_json(&manifest.to_string()).unwrap();
        install(&server, &embed(PROBE, &manifest).unwrap()).await;
        activate(&server, id, "1.0.0", json!({})).await;
    }
    // Each would have an hour, and the text has them use it.
    assert_ne!(held(&said(&mut ann, room, "loop").await), 0);
    assert_eq!(held(&said(&mut ann, room, "hello").await), 0);
    let (_, said) = ask_api(&server, "GET", "/v1/extensions", b"").await;
    for id in ["patient", "strict"] {
        let mut rows = said["calls"].as_array().unwrap().iter();
        let row = rows.find(|row| row["extension"] == id).unwrap();
        assert_eq!(row["outcomes"], json!({ "allow": 1, "deadline": 1 }));
    }
}

async fn what_is_counted_is_counted_once_whatever_is_killed(world: World) {
    let mut random = Rng::with_seed(wait::seed());
    let world = with_key(world);
    let mut server = world.start().await;
    for component in [BADGES, TOASTS] {
        let installed = install(&server, component).await;
        let (id, version) = (&installed["id"], &installed["version"]);
        let (id, version) = (id.as_str().unwrap(), version.as_str().unwrap());
        activate(&server, id, version, json!({})).await;
    }
    const EACH: usize = 15;
    // Of whom the facts of so many rounds are: the badge shows 999 at most.
    const LOT: usize = 20;
    let rounds = rounds(6);
    for round in 0..rounds {
        let viewed = format!("ann-{}", round / LOT);
        // In the middle of them, or behind the last.
        let last = match random.bool() {
            true => random.usize(1..EACH),
            false => EACH,
        };
        let told = async |server: &Server, which: std::ops::Range<usize>| {
            for nth in which {
                let (viewer, key) = (
                    format!("viewer {round} {nth}"),
                    format!("view {round} {nth}"),
                );
                fact(server, "profile.viewed", &viewer, &viewed, &key).await;
            }
        };
        told(&server, 0..last).await;
        // Anywhere in a reaction: it is told, has staged, is recorded, its effects are on their way, are done. What is asked for
        // at that moment is asked for again.
        let later = random.u64(..50_000);
        let until = tokio::time::sleep(Duration::from_micros(later));
        tokio::join!(until, async {
            let rest = told(&server, last..EACH);
            let _ = tokio::time::timeout(Duration::from_micros(later), rest).await;
        });
        server.kill();
        println!("round {round}: killed {later} us after {last} facts");
        server = world.start().await;
        told(&server, last..EACH).await;
    }
    for lot in 0..rounds.div_ceil(LOT) {
        let viewed = format!("ann-{lot}");
        let views = EACH * LOT.min(rounds - lot * LOT);
        fact(
            &server,
            "match.made",
            "ben",
            &viewed,
            &format!("match {lot}"),
        )
        .await;
        eventually("everything is counted", async || {
            let said = notifications(&server, &viewed).await;
            (badge(&said, "matches") == 1).then_some(())
        })
        .await;
        let said = notifications(&server, &viewed).await;
        assert_eq!(badge(&said, "profile_views"), views as u64, "{said}");
        eventually("toasts are shown", async || {
            let said = notifications(&server, &viewed).await;
            let toasts = said["toasts"].as_array().unwrap();
            (toasts.len() == 2).then_some(())
        })
        .await;
    }
    server.kill();
    crate::kill_rounds::sound(&world);
}

async fn a_version_takes_the_place_of_another_and_goes_back(world: World) {
    let world = with_key(world);
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketJson, "ann").await;
    let room = ann.start(ask::group("room", &["ben"])).await;
    install(&server, &probe("1.0.0", "hold")).await;
    activate(&server, "probe", "1.0.0", json!({})).await;
    // The same version with other contents, and one that asks for more.
    let (code, why) = ask_api(&server, "POST", "/v1/extensions", &probe("1.0.0", "allow")).await;
    assert_eq!(
        (
            code,
            why["message"].as_str().unwrap().contains("other contents")
        ),
        (400, true),
        "{why}"
    );
    let mut wider: Value = serde_json::from_str(&Manifest::to_json(
        &tidings_extension_manifest::read(&probe("2.0.0", "hold"))
            .unwrap()
            .unwrap(),
    ))
    .unwrap();
    wider["grants"]["content"] = true.into();
    let wider = embed(PROBE, &Manifest::from_json(&wider.to_string()).unwrap()).unwrap();
    let installed = install(&server, &wider).await;
    assert_eq!(installed["widens"], true, "{installed}");
    let body = json!({ "version": "2.0.0" }).to_string();
    let (code, why) = ask_api(
        &server,
        "PUT",
        "/v1/extensions/probe/active",
        body.as_bytes(),
    )
    .await;
    assert_eq!(code, 403, "{why}");
    let body = json!({ "version": "2.0.0", "accept_wider": true }).to_string();
    let (code, why) = ask_api(
        &server,
        "PUT",
        "/v1/extensions/probe/active",
        body.as_bytes(),
    )
    .await;
    assert_eq!(code, 200, "{why}");
    assert_eq!(status(&server, "probe").await["active"]["version"], "2.0.0");
    let (code, back) = ask_api(&server, "POST", "/v1/extensions/probe/rollback", b"").await;
    assert_eq!((code, &back["version"]), (200, &json!("1.0.0")), "{back}");
    // The same once more, under a key: it goes back once.
    let again = async || {
        let bearer = format!("Bearer {KEY}");
        let headers = [("Authorization", &*bearer), ("Idempotency-Key", "back")];
        let path = "/v1/extensions/probe/rollback";
        let answer = http::request(&server, "POST", path, &headers, b"").await;
        (answer.status, answer.body)
    };
    let first = again().await;
    assert_eq!(first, again().await);
    assert_eq!(status(&server, "probe").await["active"]["version"], "2.0.0");
    // What looks on says nothing.
    let body = json!({ "version": "2.0.0", "shadow": true }).to_string();
    ask_api(&server, "DELETE", "/v1/extensions/probe/active", b"").await;
    let (code, why) = ask_api(
        &server,
        "PUT",
        "/v1/extensions/probe/active",
        body.as_bytes(),
    )
    .await;
    assert_eq!(code, 200, "{why}");
    assert_eq!(held(&said(&mut ann, room, "hold: it would").await), 0);
    let (code, why) = ask_api(
        &server,
        "DELETE",
        "/v1/extensions/probe/versions/2.0.0",
        b"",
    )
    .await;
    assert_eq!(code, 400, "{why}");
    let (code, why) = ask_api(
        &server,
        "DELETE",
        "/v1/extensions/probe/versions/1.0.0",
        b"",
    )
    .await;
    assert_eq!(code, 200, "{why}");
}

async fn what_one_hook_keeps_another_one_sees(world: World) {
    let world = with_key(world);
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketJson, "ann").await;
    let room = ann.start(ask::group("room", &["ben"])).await;
    install(&server, SPAM_SCORE).await;
    activate(&server, "spam-score", "0.1.0", json!({ "threshold": 4 })).await;
    for _ in 0..3 {
        assert_eq!(held(&said(&mut ann, room, "Buy now").await), 0);
    }
    // Its reactor has labelled the last one, set a timer, and noted whom its moderator is to hold.
    eventually("a timer waits", async || {
        let now = status(&server, "spam-score").await;
        (now["timers"] == 1).then_some(())
    })
    .await;
    eventually("it is labelled", async || {
        let path = format!("/v1/conversations/{room}/messages/3/reviews");
        let (_, reviews) = ask_api(&server, "GET", &path, b"").await;
        (reviews["reviews"][0]["labels"] == json!(["spam"])).then_some(())
    })
    .await;
    assert_eq!(held(&said(&mut ann, room, "Something else").await), 1);
    drop(ann);
    server.kill();
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketJson, "ann").await;
    assert_eq!(held(&said(&mut ann, room, "And again").await), 2);
    assert_eq!(status(&server, "spam-score").await["timers"], 1);
    let mut ben = Session::open(&server, Way::WebSocketJson, "ben").await;
    assert_eq!(held(&said(&mut ben, room, "Buy now").await), 0);

    // With its last version all of that goes, where it is said that it is to.
    let version = "/v1/extensions/spam-score/versions/0.1.0";
    let remove =
        async |query: &str| ask_api(&server, "DELETE", &format!("{version}{query}"), b"").await;
    let (code, why) = remove("?with_store=true").await;
    assert_eq!(code, 400, "it acts: {why}");
    let path = "/v1/extensions/spam-score/active";
    let (code, _) = ask_api(&server, "DELETE", path, b"").await;
    assert_eq!(code, 200);
    let (code, why) = remove("").await;
    let message = why["message"].as_str().unwrap();
    assert!(code == 400 && message.contains("1 timers"), "{code} {why}");
    let (code, why) = remove("?with_store=true").await;
    assert_eq!(code, 200, "{why}");
    let (code, _) = remove("").await;
    assert_eq!(code, 404);
    let (_, all) = ask_api(&server, "GET", "/v1/extensions", b"").await;
    assert_eq!(all["extensions"], json!([]));
    install(&server, SPAM_SCORE).await;
    activate(&server, "spam-score", "0.1.0", json!({ "threshold": 4 })).await;
    let now = status(&server, "spam-score").await;
    assert_eq!(
        (&now["store_bytes"], &now["timers"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(held(&said(&mut ann, room, "As one unknown").await), 0);
    server.terminate();
    assert!(server.ended().await.success());
    let audit = world.tool(&["projections", "audit"]);
    assert!(audit.status.success(), "{audit:?}");
}

async fn a_bad_component_changes_nothing(world: World) {
    let world = with_key(world);
    let server = world.start().await;
    let half = &PROBE[..PROBE.len() / 2];
    for (component, why) in [
        (&b""[..], "a component is wanted"),
        (b"hello", "component"),
        (half, ""),
        (PROBE, "no manifest"),
    ] {
        let (code, said) = ask_api(&server, "POST", "/v1/extensions", component).await;
        assert_eq!(code, 400, "{said}");
        assert!(said["message"].as_str().unwrap().contains(why), "{said}");
    }
    let moderation = install(&server, MODERATION).await;
    let version = moderation["version"].as_str().unwrap();
    let body = json!({ "version": version, "settings": { "no such setting": 1 } }).to_string();
    let (code, why) = ask_api(
        &server,
        "PUT",
        "/v1/extensions/moderation/active",
        body.as_bytes(),
    )
    .await;
    assert_eq!(code, 400, "{why}");
    let (code, why) = ask_api(
        &server,
        "PUT",
        "/v1/extensions/nobody/active",
        body.as_bytes(),
    )
    .await;
    assert_eq!(code, 404, "{why}");
    assert_eq!(status(&server, "moderation").await.get("active"), None);
}

/// Two servers on one log: what one is told of the other may do, and whichever is killed each event counts once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_two_nodes_each_event_counts_once_jetstream_kill() {
    let world = with_key(World::jetstream().await);
    let mut first = world.start().await;
    let twin = world.twin();
    let mut second = twin.start().await;
    let badges = install(&first, BADGES).await;
    let version = badges["version"].as_str().unwrap().to_owned();
    activate(&first, "badges", &version, json!({})).await;
    // The other one gets the component from the log's object store.
    eventually("both know it", async || {
        let there = status(&second, "badges").await;
        let active = there.get("active")?;
        (active["version"] == version.as_str() && active.get("broken").is_none()).then_some(())
    })
    .await;
    let mut views = 0;
    for round in 0..4 {
        for nth in 0..12 {
            let (viewer, key) = (
                format!("viewer {round} {nth}"),
                format!("view {round} {nth}"),
            );
            let server = if nth % 2 == 0 { &first } else { &second };
            fact(server, "profile.viewed", &viewer, "ann", &key).await;
            views += 1;
        }
        if round % 2 == 0 {
            first.kill();
            fact(
                &second,
                "profile.viewed",
                &format!("late {round}"),
                "ann",
                &format!("late {round}"),
            )
            .await;
            first = world.start().await;
        } else {
            second.kill();
            fact(
                &first,
                "profile.viewed",
                &format!("late {round}"),
                "ann",
                &format!("late {round}"),
            )
            .await;
            second = twin.start().await;
        }
        views += 1;
    }
    for server in [&first, &second] {
        eventually("all is counted", async || {
            let said = notifications(server, "ann").await;
            let counted = badge(&said, "profile_views");
            assert!(counted <= views, "{said}");
            (counted == views).then_some(())
        })
        .await;
    }
}
