//! Toasts and badges: on every device at once, once on each, and gone from all when they are seen on one.

use std::path::Path;

use serde_json::{Value, json};
use tidings_protocol::{
    event::{Event, Kind},
    frame::{Cursor, Outcome},
    query::Notifications,
    view::Toast,
};
use tidings_sdk::{Client, Options, Update};
use tidings_tests::{
    Server, Session, Way, World, ask, http,
    token::{self, now_ms},
    wait, within,
};
use uuid::Uuid;

on_both_logs! {
    a_toast_is_shown_on_every_device_at_once,
    whoever_was_away_is_shown_it_once_on_each_device,
    seen_on_one_device_it_goes_from_all,
    one_takes_the_place_of_another_and_the_oldest_make_room,
    what_has_expired_is_shown_to_nobody,
    nothing_is_told_of_whom_one_blocks_or_of_what_one_is_not_in,
    a_toast_goes_with_whom_it_tells_of_and_with_whose_it_is,
    what_is_asked_again_is_shown_once,
    a_toast_about_what_is_being_looked_at_is_not_shown,
    badges_say_the_same_on_every_device,
    a_program_keeps_up_with_the_kit,
}

const KEY: &str = "a key of the tests that is for notifications";

fn with_key(mut world: World) -> World {
    let file = world.folder.path().join("notifications.key");
    std::fs::write(&file, KEY).unwrap();
    world.messages(&format!(
        "[[auth.api_keys]]\nname = \"backend\"\nfile = {file:?}\nscopes = [\"notifications\", \"operate\"]\n"
    ));
    world
}

async fn call(
    server: &Server,
    method: &str,
    path: &str,
    key: Option<&str>,
    body: Value,
) -> (u16, Value) {
    let bearer = format!("Bearer {KEY}");
    let mut headers = vec![("Authorization", bearer.as_str())];
    headers.extend(key.map(|key| ("Idempotency-Key", key)));
    let body = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    let answer = http::request(server, method, path, &headers, body.as_bytes()).await;
    let said = serde_json::from_str(&answer.body);
    (
        answer.status,
        said.unwrap_or_else(|error| panic!("{error}: {answer:?}")),
    )
}

/// Queues a toast for Ann.
async fn toast(server: &Server, new: Value) -> Value {
    let (status, said) = call(server, "POST", "/v1/users/ann/toasts", None, new).await;
    assert_eq!(status, 200, "{said}");
    said
}

async fn badge(server: &Server, name: &str, count: u32) {
    let path = format!("/v1/users/ann/badges/{name}");
    let body = json!({ "count": count });
    let (status, said) = call(server, "PUT", &path, None, body).await;
    assert_eq!(status, 200, "{said}");
}

/// The titles that wait for Ann, as the backend is told.
async fn titles(server: &Server) -> Vec<String> {
    let path = "/v1/users/ann/notifications";
    let (status, said) = call(server, "GET", path, None, Value::Null).await;
    assert_eq!(status, 200, "{said}");
    let toasts = said["toasts"].as_array().unwrap().iter();
    toasts
        .map(|toast| toast["title"].as_str().unwrap().to_owned())
        .collect()
}

/// The same, as a device is told.
async fn listed(session: &mut Session) -> Notifications {
    match session.ask(ask::notifications()).await {
        Outcome::Notifications(listed) => listed,
        other => panic!("not notifications: {other:?}"),
    }
}

fn shown(event: &Event) -> Option<&Toast> {
    match &event.kind {
        Some(Kind::ToastQueued(queued)) => queued.toast.as_ref(),
        _ => None,
    }
}

fn seen(event: &Event) -> Option<&[u64]> {
    match &event.kind {
        Some(Kind::ToastsSeen(seen)) => Some(&seen.toasts),
        _ => None,
    }
}

/// What a device is told, up to a badge that is set now.
async fn told(server: &Server, device: &mut Session, fence: &str) -> Vec<Event> {
    badge(server, fence, 1).await;
    let mut told = Vec::new();
    loop {
        let event = device.event().await;
        match &event.kind {
            Some(Kind::BadgeSet(badge)) if badge.name == fence => return told,
            _ => told.push(event),
        }
    }
}

fn titles_in(events: &[Event]) -> Vec<&str> {
    let shown = events.iter().filter_map(shown);
    shown.map(|toast| toast.title.as_str()).collect()
}

fn seen_in(events: &[Event]) -> Vec<u64> {
    events.iter().filter_map(seen).flatten().copied().collect()
}

fn at(event: &Event, of: &Cursor) -> Cursor {
    Cursor {
        position: event.position,
        index: event.index,
        ..of.clone()
    }
}

async fn a_toast_is_shown_on_every_device_at_once(world: World) {
    let world = with_key(world);
    let server = world.start().await;
    let mut devices = Vec::new();
    for way in Way::ALL {
        devices.push(Session::open(&server, way, "ann").await);
    }
    let mut other = Session::open(&server, Way::WebSocketJson, "ben").await;
    let until = now_ms() + 60_000;
    let said = toast(
        &server,
        json!({
            "title": "Ben likes you",
            "body": "He likes your garden",
            "link": "/people/ben",
            "about_user": "ben",
            "expires_ms": until,
        }),
    )
    .await;
    for device in &mut devices {
        let event = device.event_where(|event| shown(event).is_some()).await;
        assert_eq!(said["position"], event.position);
        assert!(event.conversation.is_empty());
        let at_ms = event.at_ms;
        assert_eq!(
            shown(&event),
            Some(&Toast {
                toast: 1,
                source: "backend".into(),
                title: "Ben likes you".into(),
                body: "He likes your garden".into(),
                link: "/people/ben".into(),
                about_user: "ben".into(),
                at_ms,
                expires_ms: until,
                ..Toast::default()
            })
        );
    }
    // It is nobody else's.
    other.command(ask::block("carl")).await;
    let event = other.event().await;
    assert!(
        matches!(event.kind, Some(Kind::UserBlocked(_))),
        "{event:?}"
    );
    assert_eq!(listed(&mut other).await.toasts, []);
}

async fn whoever_was_away_is_shown_it_once_on_each_device(world: World) {
    let world = with_key(world);
    let server = world.start().await;
    let ways = [Way::WebSocketJson, Way::WebSocketProtobuf];
    let mut cursors = Vec::new();
    for way in ways {
        cursors.push(Session::open(&server, way, "ann").await.cursor);
    }
    toast(&server, json!({ "title": "first" })).await;
    toast(&server, json!({ "title": "second" })).await;
    for (way, cursor) in ways.into_iter().zip(cursors) {
        let mut back = Session::resume(&server, way, "ann", cursor.clone()).await;
        assert!(back.welcome.resumed);
        let first = back.event().await;
        assert_eq!(shown(&first).unwrap().title, "first");
        drop(back);
        // Cut off in between it is shown the rest, and nothing twice.
        let mut back = Session::resume(&server, way, "ann", at(&first, &cursor)).await;
        let fence = format!("fence_{}", way as usize);
        let events = told(&server, &mut back, &fence).await;
        assert_eq!(titles_in(&events), ["second"]);
        let cursor = back.cursor.clone();
        drop(back);
        let mut back = Session::resume(&server, way, "ann", cursor).await;
        let fence = format!("again_{}", way as usize);
        assert_eq!(told(&server, &mut back, &fence).await, []);
    }
    // A new device asks for what waits.
    let mut new = Session::open(&server, Way::WebSocketJson, "ann").await;
    let waiting = listed(&mut new).await;
    let waiting: Vec<_> = waiting.toasts.iter().map(|toast| &*toast.title).collect();
    assert_eq!(waiting, ["first", "second"]);
}

async fn seen_on_one_device_it_goes_from_all(world: World) {
    let world = with_key(world);
    let server = world.start().await;
    let mut here = Session::open(&server, Way::WebSocketJson, "ann").await;
    let mut also = Session::open(&server, Way::WebSocketProtobuf, "ann").await;
    let before = here.cursor.clone();
    toast(&server, json!({ "title": "one" })).await;
    toast(&server, json!({ "title": "two" })).await;
    for device in [&mut here, &mut also] {
        for title in ["one", "two"] {
            let event = device.event_where(|event| shown(event).is_some()).await;
            assert_eq!(shown(&event).unwrap().title, title);
        }
    }
    // One that has shown them and then goes, and one that has not shown them.
    let gone = Session::open(&server, Way::WebSocketJson, "ann")
        .await
        .cursor;
    also.command(ask::see(&[1])).await;
    for device in [&mut here, &mut also] {
        let event = device.event_where(|event| seen(event).is_some()).await;
        assert_eq!(seen(&event), Some(&[1][..]));
    }
    let mut back = Session::resume(&server, Way::WebSocketJson, "ann", gone).await;
    assert_eq!(seen(&back.event().await), Some(&[1][..]));
    let mut late = Session::resume(&server, Way::WebSocketJson, "ann", before).await;
    let events = told(&server, &mut late, "fence").await;
    assert_eq!(titles_in(&events), ["two"]);
    assert_eq!(titles(&server).await, ["two"]);
    // Those that do not wait are passed over, and none at all is a mistake.
    here.command(ask::see(&[1, 77])).await;
    match here.command_as(Uuid::now_v7(), ask::see(&[])).await {
        Outcome::Error(error) => assert_eq!(error.code, "invalid"),
        other => panic!("not refused: {other:?}"),
    }
    assert_eq!(titles(&server).await, ["two"]);
}

async fn one_takes_the_place_of_another_and_the_oldest_make_room(world: World) {
    let world = with_key(world);
    let server = world.start().await;
    let mut here = Session::open(&server, Way::WebSocketJson, "ann").await;
    let before = here.cursor.clone();
    let viewed = |title: &str| json!({ "title": title, "collapse_key": "views" });
    toast(&server, viewed("viewed once")).await;
    let gone = here.event_where(|event| shown(event).is_some()).await;
    let gone = at(&gone, &before);
    toast(&server, viewed("viewed twice")).await;
    let event = here.event_where(|event| shown(event).is_some()).await;
    match &event.kind {
        Some(Kind::ToastQueued(queued)) => assert_eq!(queued.replaces, [1]),
        other => panic!("not a toast: {other:?}"),
    }
    toast(&server, viewed("viewed thrice")).await;
    assert_eq!(titles(&server).await, ["viewed thrice"]);
    // Whoever was away is shown the last one alone, and no more what it took the place of.
    let mut back = Session::resume(&server, Way::WebSocketJson, "ann", gone).await;
    let events = told(&server, &mut back, "fence").await;
    assert_eq!(titles_in(&events), ["viewed thrice"]);
    let mut replaced = seen_in(&events);
    for event in &events {
        if let Some(Kind::ToastQueued(queued)) = &event.kind {
            replaced.extend(&queued.replaces);
        }
    }
    assert_eq!(replaced, [1, 2]);
    for nth in 1..=51 {
        toast(&server, json!({ "title": format!("toast {nth}") })).await;
    }
    let waiting = titles(&server).await;
    assert_eq!(waiting.len(), 50);
    assert_eq!(
        (&*waiting[0], &*waiting[49]),
        ("toast 2", "toast 51"),
        "the oldest have gone"
    );
    // All of them, a page at a time.
    let (mut found, mut after) = (Vec::new(), 0);
    loop {
        let path = format!("/v1/users/ann/notifications?limit=20&after={after}");
        let (_, page) = call(&server, "GET", &path, None, Value::Null).await;
        let toasts = page["toasts"].as_array().unwrap();
        found.extend(toasts.iter().map(|toast| toast["title"].clone()));
        match toasts.last() {
            Some(last) if page["more"] == true => after = last["toast"].as_u64().unwrap(),
            _ => break,
        }
    }
    assert_eq!(found, waiting);
}

async fn what_has_expired_is_shown_to_nobody(world: World) {
    let world = with_key(world);
    let server = world.start().await;
    let here = Session::open(&server, Way::WebSocketJson, "ann").await;
    let (before, mut here) = (here.cursor.clone(), here);
    let soon = now_ms() + 1_500;
    toast(
        &server,
        json!({ "title": "for a moment", "expires_ms": soon }),
    )
    .await;
    toast(&server, json!({ "title": "for long" })).await;
    let event = here.event_where(|event| shown(event).is_some()).await;
    assert_eq!(shown(&event).unwrap().expires_ms, soon);
    wait::becomes("it expires", &vec!["for long".to_owned()], async || {
        titles(&server).await
    })
    .await;
    assert!(now_ms() >= soon, "not before its time");
    let mut back = Session::resume(&server, Way::WebSocketJson, "ann", before).await;
    let events = told(&server, &mut back, "fence").await;
    assert_eq!(titles_in(&events), ["for long"]);
    // One that has expired before it comes is accepted, and is nothing.
    let expired = now_ms() - 1_000;
    toast(&server, json!({ "title": "late", "expires_ms": expired })).await;
    assert_eq!(titles(&server).await, ["for long"]);
}

async fn nothing_is_told_of_whom_one_blocks_or_of_what_one_is_not_in(world: World) {
    let world = with_key(world);
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketJson, "ann").await;
    let mut ben = Session::open(&server, Way::WebSocketJson, "ben").await;
    let mut eve = Session::open(&server, Way::WebSocketJson, "eve").await;
    let about = |user: &str| json!({ "title": format!("of {user}"), "about_user": user });
    toast(&server, about("ben")).await;
    assert_eq!(titles(&server).await, ["of ben"]);
    // What tells of whoever is blocked goes with that.
    ann.command(ask::block("ben")).await;
    let event = ann.event_where(|event| seen(event).is_some()).await;
    assert_eq!(seen(&event), Some(&[1][..]));
    eve.command(ask::block("ann")).await;
    for user in ["ben", "eve"] {
        toast(&server, about(user)).await;
    }
    assert_eq!(titles(&server).await, Vec::<String>::new());
    eve.command(ask::unblock("ann")).await;
    toast(&server, about("eve")).await;
    assert_eq!(titles(&server).await, ["of eve"]);
    let theirs = ben.start(ask::group("Garden", &["eve"])).await;
    let ours = ben.start(ask::group("Park", &["ann"])).await;
    for place in [theirs, ours, Uuid::now_v7()] {
        let new = json!({ "title": format!("of {place}"), "about_conversation": place });
        toast(&server, new).await;
    }
    assert_eq!(
        titles(&server).await,
        ["of eve".to_owned(), format!("of {ours}")]
    );
}

async fn a_toast_goes_with_whom_it_tells_of_and_with_whose_it_is(world: World) {
    let world = with_key(world);
    let server = world.start().await;
    let mut here = Session::open(&server, Way::WebSocketJson, "ann").await;
    let words = "Ben is moving to Lisbon";
    let new = json!({ "title": words, "about_user": "ben", "link": "/people/ben" });
    toast(&server, new.clone()).await;
    toast(&server, json!({ "title": "of nobody" })).await;
    here.event_where(|event| shown(event).is_some()).await;
    let gone = Session::open(&server, Way::WebSocketJson, "ann")
        .await
        .cursor;
    let (status, said) = call(
        &server,
        "POST",
        "/v1/users/carl/toasts",
        None,
        json!({ "title": words, "about_user": "ben" }),
    )
    .await;
    assert_eq!(status, 200, "{said}");
    let erase = async |user: &str| {
        let path = format!("/v1/users/{user}");
        let (status, said) = call(&server, "DELETE", &path, None, Value::Null).await;
        assert_eq!(status, 200, "{said}");
    };
    erase("ben").await;
    let event = here.event_where(|event| seen(event).is_some()).await;
    assert_eq!(seen(&event), Some(&[1][..]));
    let mut back = Session::resume(&server, Way::WebSocketJson, "ann", gone).await;
    assert_eq!(seen(&back.event().await), Some(&[1][..]));
    assert_eq!(titles(&server).await, ["of nobody"]);
    // Nobody is told of them again.
    toast(&server, new).await;
    assert_eq!(titles(&server).await, ["of nobody"]);
    erase("carl").await;
    let path = "/v1/users/carl/notifications";
    let (status, said) = call(&server, "GET", path, None, Value::Null).await;
    assert_eq!((status, &said["code"]), (403, &json!("forbidden")));
    let (status, _) = call(
        &server,
        "PUT",
        "/v1/users/carl/badges/new",
        None,
        json!({ "count": 1 }),
    )
    .await;
    assert_eq!(status, 403);
    server.terminate();
    assert!(server.ended().await.success());
    // It never stood anywhere as it was said: what stands there is sealed with keys that are gone.
    assert_eq!(files_with(world.folder.path(), words.as_bytes()), 0);
    let audit = world.tool(&["projections", "audit"]);
    assert!(audit.status.success(), "{audit:?}");
    let server = world.start().await;
    assert_eq!(titles(&server).await, ["of nobody"]);
}

/// How many files below a folder have these bytes in them, but for the logs of servers.
fn files_with(folder: &Path, bytes: &[u8]) -> usize {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let count = paths.map(|path| match path.is_dir() {
        true => files_with(&path, bytes),
        false => {
            let read = std::fs::read(&path).unwrap_or_default();
            usize::from(read.windows(bytes.len()).any(|part| part == bytes))
        }
    });
    count.sum()
}

async fn what_is_asked_again_is_shown_once(world: World) {
    let world = with_key(world);
    let server = world.start().await;
    let mut here = Session::open(&server, Way::WebSocketJson, "ann").await;
    let path = "/v1/users/ann/toasts";
    let new = || json!({ "title": "Welcome" });
    let (_, first) = call(&server, "POST", path, Some("welcome"), new()).await;
    here.command(ask::see(&[1])).await;
    for _ in 0..2 {
        let (status, again) = call(&server, "POST", path, Some("welcome"), new()).await;
        assert_eq!(status, 200, "{again}");
        assert_eq!(again["position"], first["position"]);
        assert_eq!(again["duplicate"], true);
    }
    let other = json!({ "title": "Something else" });
    let (status, said) = call(&server, "POST", path, Some("welcome"), other).await;
    assert_eq!((status, &said["code"]), (409, &json!("command_id_reused")));
    let events = told(&server, &mut here, "fence").await;
    assert_eq!(titles_in(&events), ["Welcome"]);
    assert_eq!(titles(&server).await, Vec::<String>::new());
    // What was wrong with it is said, and nothing is recorded.
    for (new, wrong) in [
        (json!({}), "missing field `title`"),
        (json!({ "title": "" }), "the title has 0 bytes"),
        (
            json!({ "title": "x".repeat(257) }),
            "the title has 257 bytes",
        ),
        (
            json!({ "title": "x", "body": "x".repeat(1_025) }),
            "the body has 1025 bytes",
        ),
        (
            json!({ "title": "x", "link": "javascript:alert(1)" }),
            "the link is",
        ),
        (
            json!({ "title": "x", "collapse_key": "" }),
            "the collapse key has 0 bytes",
        ),
        (json!({ "title": "x", "about_user": "" }), "a user id has"),
        (
            json!({ "title": "x", "about_conversation": "here" }),
            "which is no UUID",
        ),
        (
            json!({ "title": "x", "expires_ms": now_ms() / 1_000 }),
            "which is long ago",
        ),
        (
            json!({ "title": "x", "expires_ms": now_ms() + 31 * 24 * 3_600_000 }),
            "30 days is the most",
        ),
    ] {
        let (status, said) = call(&server, "POST", path, None, new).await;
        assert_eq!((status, &said["code"]), (400, &json!("invalid")), "{said}");
        let message = said["message"].as_str().unwrap();
        assert!(message.contains(wrong), "{message}");
    }
    assert_eq!(told(&server, &mut here, "fence_2").await, []);
}

async fn a_toast_about_what_is_being_looked_at_is_not_shown(world: World) {
    let world = with_key(world);
    let server = world.start().await;
    let mut looking = Session::open(&server, Way::WebSocketJson, "ann").await;
    let mut other = Session::open(&server, Way::WebSocketProtobuf, "ann").await;
    let here = looking.start(ask::direct("ben")).await;
    let there = looking.start(ask::direct("eve")).await;
    let about = |place: Uuid, title: &str| json!({ "title": title, "about_conversation": place });
    looking.ask(ask::look(here)).await;
    toast(&server, about(here, "of here")).await;
    toast(&server, about(there, "of there")).await;
    for (device, fence) in [(&mut looking, "fence"), (&mut other, "fence_2")] {
        let events = told(&server, device, fence).await;
        assert_eq!(titles_in(&events), ["of there"]);
    }
    wait::becomes(
        "it counts as seen",
        &vec!["of there".to_owned()],
        async || titles(&server).await,
    )
    .await;
    // Whoever looks at what a toast tells of has seen that, on every device.
    looking.ask(ask::look(there)).await;
    for device in [&mut looking, &mut other] {
        device.event_where(|event| seen(event) == Some(&[2])).await;
    }
    assert_eq!(titles(&server).await, Vec::<String>::new());
}

async fn badges_say_the_same_on_every_device(world: World) {
    let world = with_key(world);
    let server = world.start().await;
    let mut here = Session::open(&server, Way::WebSocketJson, "ann").await;
    let before = here.cursor.clone();
    let said = |events: &[Event]| -> Vec<(String, u32)> {
        let badges = events.iter().filter_map(|event| match &event.kind {
            Some(Kind::BadgeSet(badge)) => Some((badge.name.clone(), badge.count)),
            _ => None,
        });
        badges.collect()
    };
    for (name, count) in [("offers", 3), ("offers", 3), ("views", 7), ("offers", 0)] {
        badge(&server, name, count).await;
    }
    let events = told(&server, &mut here, "fence").await;
    let all = [("offers", 3), ("views", 7), ("offers", 0)];
    let all = all.map(|(name, count)| (name.to_owned(), count));
    assert_eq!(said(&events), all);
    // Whoever was away is told what is so now.
    let mut back = Session::resume(&server, Way::WebSocketJson, "ann", before).await;
    let events = told(&server, &mut back, "fence_2").await;
    let now = [("views", 7), ("offers", 0), ("fence", 1)];
    assert_eq!(
        said(&events),
        now.map(|(name, count)| (name.to_owned(), count))
    );
    let mut new = Session::open(&server, Way::WebSocketJson, "ann").await;
    let badges = listed(&mut new).await.badges;
    let badges = badges.into_iter();
    let badges: Vec<_> = badges
        .map(|badge| (badge.source, badge.name, badge.count))
        .collect();
    let named = |name: &str, count| ("backend".to_owned(), name.to_owned(), count);
    assert_eq!(
        badges,
        [named("fence", 1), named("fence_2", 1), named("views", 7)]
    );
    let path = "/v1/users/ann/badges/No%20Name";
    let (status, said) = call(&server, "PUT", path, None, json!({ "count": 1 })).await;
    assert_eq!((status, &said["code"]), (400, &json!("invalid")));
    let path = "/v1/users/ann/badges/views";
    let (status, said) = call(&server, "PUT", path, None, json!({ "count": -1 })).await;
    assert_eq!((status, &said["code"]), (400, &json!("invalid")));
}

async fn a_program_keeps_up_with_the_kit(world: World) {
    let world = with_key(world);
    let server = world.start().await;
    toast(&server, json!({ "title": "before" })).await;
    badge(&server, "offers", 3).await;
    let options = Options::new(format!("ws://{}", server.http), token::of("ann").as_str());
    let (client, mut updates) = within("it connects", Client::connect(options))
        .await
        .unwrap();
    let begun = within("the notifications", client.notifications())
        .await
        .unwrap();
    assert_eq!(begun.toasts[0].title, "before");
    assert_eq!(begun.badges[0].count, 3);
    toast(&server, json!({ "title": "after" })).await;
    let event = within("the toast", async {
        loop {
            match updates.recv().await {
                Some(Update::Event(event)) if shown(&event).is_some() => return event,
                Some(_) => {}
                None => panic!("the client has ended"),
            }
        }
    })
    .await;
    assert!(event.position > begun.position, "it is news");
    let after = shown(&event).unwrap();
    assert_eq!(after.title, "after");
    client.see_toasts(vec![1, after.toast]).await.unwrap();
    let left = within("the notifications", client.notifications())
        .await
        .unwrap();
    assert_eq!(left.toasts, []);
}

/// Devices of one user are on two servers of one log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn toasts_reach_the_devices_on_every_node_of_jetstream() {
    let world = with_key(World::jetstream().await);
    let one = world.start().await;
    let twin = world.twin();
    let other = twin.start().await;
    let mut here = Session::open(&one, Way::WebSocketJson, "ann").await;
    let mut there = Session::open(&other, Way::WebSocketProtobuf, "ann").await;
    let before = there.cursor.clone();
    for (server, title) in [(&one, "by one"), (&other, "by the other")] {
        toast(server, json!({ "title": title })).await;
        for device in [&mut here, &mut there] {
            let event = device.event_where(|event| shown(event).is_some()).await;
            assert_eq!(shown(&event).unwrap().title, title);
        }
    }
    here.command(ask::see(&[1])).await;
    let event = there.event_where(|event| seen(event).is_some()).await;
    assert_eq!(seen(&event), Some(&[1][..]));
    // A cursor of one server is good at the other.
    let mut back = Session::resume(&one, Way::WebSocketJson, "ann", before).await;
    let events = told(&one, &mut back, "fence").await;
    assert_eq!(titles_in(&events), ["by the other"]);
    // Looked at on one node it counts as seen, and goes from the other.
    let place = here.start(ask::direct("ben")).await;
    here.ask(ask::look(place)).await;
    toast(
        &other,
        json!({ "title": "looked at", "about_conversation": place }),
    )
    .await;
    let event = there
        .event_where(|event| seen(event).is_some_and(|seen| seen.contains(&3)))
        .await;
    assert_eq!(seen(&event), Some(&[3][..]));
    let events = told(&one, &mut here, "fence_2").await;
    assert_eq!(titles_in(&events), Vec::<&str>::new());
    wait::becomes(
        "it is seen everywhere",
        &vec!["by the other".to_owned()],
        async || titles(&other).await,
    )
    .await;
}
