//! People are found by their profiles and by who is here, as whoever asks may see them.

use std::fs;

use serde_json::{Value, json};
use tidings_protocol::{
    event::PeopleOnline,
    frame::{Body, Outcome, Request},
    query::{SearchPeople, WatchPeople},
};
use tidings_tests::{Server, Session, Way, World, ask, eventually, http, within};

use crate::{kill_rounds::rounds, two_nodes::worlds_of};

on_both_logs!(
    people_are_found_by_what_they_are_and_whether_they_are_here,
    the_invisible_are_found_as_offline,
    who_is_blocked_neither_finds_nor_is_found,
    who_is_gone_is_not_found_by_an_old_copy_of_the_index_either,
    an_index_that_is_lost_or_of_other_attributes_is_built_anew,
    a_wrong_query_says_where_and_what_would_do,
    who_comes_online_and_would_be_found_is_announced,
    who_looks_at_a_conversation_is_seen_by_the_others_in_it,
    a_crash_while_profiles_are_written_loses_none,
    words_that_were_to_go_from_the_files_go_at_the_next_start,
    who_left_counts_as_just_active_also_where_nothing_else_happens,
);

const KEY: &str = "a key of the tests for everything there is";

/// What profiles hold here.
pub(crate) const ATTRIBUTES: &str = "attributes = [\
    { name = \"about\", kind = \"text\" }, { name = \"city\", kind = \"keyword\" }, \
    { name = \"age\", kind = \"number\" }, { name = \"location\", kind = \"geo_point\" }, \
    { name = \"email\", kind = \"keyword\", public = false }]\n";

pub(crate) fn with_people(mut world: World) -> World {
    let file = world.folder.path().join("backend.key");
    fs::write(&file, KEY).unwrap();
    world.messages(&format!(
        "[[auth.api_keys]]\nname = \"backend\"\nfile = {file:?}\nscopes = [\"users\", \"operate\"]\n"
    ));
    world.search(ATTRIBUTES);
    world.presence("grace_ms = 500\n");
    world
}

pub(crate) async fn call(server: &Server, method: &str, path: &str, body: Value) -> (u16, Value) {
    let bearer = format!("Bearer {KEY}");
    let body = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    let headers = [("Authorization", bearer.as_str())];
    let answer = http::request(server, method, path, &headers, body.as_bytes()).await;
    let said = serde_json::from_str(&answer.body).unwrap_or(Value::Null);
    (answer.status, said)
}

pub(crate) async fn stop(server: Server) {
    server.terminate();
    assert!(server.ended().await.success());
}

pub(crate) async fn set(server: &Server, user: &str, attributes: Value) {
    let path = format!("/v1/users/{user}/profile");
    let answer = call(server, "PUT", &path, json!({ "attributes": attributes })).await;
    assert_eq!(answer.0, 200, "{answer:?}");
}

/// Who is found, in order.
async fn find(session: &mut Session, search: SearchPeople) -> Vec<String> {
    match session.ask(Request::SearchPeople(search)).await {
        Outcome::People(found) => found.people.into_iter().map(|one| one.user).collect(),
        other => panic!("{other:?}"),
    }
}

fn asked(query: &str, online: &str) -> SearchPeople {
    SearchPeople {
        query: query.to_owned(),
        online: online.to_owned(),
        ..SearchPeople::default()
    }
}

/// Waits until just these are found, in any order.
async fn finds(session: &mut Session, search: SearchPeople, expected: &[&str]) {
    eventually(&format!("{search:?} finds {expected:?}"), async || {
        let mut found = find(session, search.clone()).await;
        found.sort_unstable();
        (found == expected).then_some(())
    })
    .await;
}

/// Waits until the backend finds just these.
async fn backend_finds(server: &Server, query: &str, expected: &[&str]) {
    eventually(&format!("the backend finds {expected:?}"), async || {
        let (status, said) = call(
            server,
            "POST",
            "/v1/search/people",
            json!({ "query": query, "limit": 100 }),
        )
        .await;
        // While the index is built there is none.
        if status == 503 {
            return None;
        }
        let people = said["people"]
            .as_array()
            .unwrap_or_else(|| panic!("{status} {said}"));
        let mut found: Vec<_> = people
            .iter()
            .filter_map(|one| one["user"].as_str())
            .collect();
        found.sort_unstable();
        (found == expected).then_some(())
    })
    .await;
}

pub(crate) async fn some_people(server: &Server) {
    set(
        server,
        "ann",
        json!({ "about": "Rock climbing and tea", "city": "Berlin", "age": 31 }),
    )
    .await;
    set(
        server,
        "ben",
        json!({ "about": "climbing walls", "city": "Berlin", "age": 25 }),
    )
    .await;
    set(
        server,
        "eve",
        json!({
            "about": "喜歡登山", "city": "Taipei", "age": 40, "email": "eve@example.com",
            "location": { "lat": 25.03, "lon": 121.56 },
        }),
    )
    .await;
    backend_finds(server, "", &["ann", "ben", "eve"]).await;
}

async fn people_are_found_by_what_they_are_and_whether_they_are_here(world: World) {
    let world = with_people(world);
    let server = world.start().await;
    some_people(&server).await;
    for way in Way::ALL {
        let mut dave = Session::open(&server, way, "dave").await;
        finds(
            &mut dave,
            asked("climbing city:berlin", ""),
            &["ann", "ben"],
        )
        .await;
        finds(&mut dave, asked("登山", ""), &["eve"]).await;
        finds(&mut dave, asked("age:30..", ""), &["ann", "eve"]).await;
        finds(&mut dave, asked("near:25,121.5,20km", ""), &["eve"]).await;
        finds(&mut dave, asked("", "only"), &[]).await;
        let ben = Session::open(&server, Way::WebSocketJson, "ben").await;
        finds(&mut dave, asked("climbing", "only"), &["ben"]).await;
        let first = find(&mut dave, asked("", "first")).await;
        assert_eq!((first.len(), first[0].as_str()), (3, "ben"), "{first:?}");
        drop(ben);
        finds(&mut dave, asked("climbing", "only"), &[]).await;
    }

    // A page after the other, with what stands where, and what there is of each.
    let mut dave = Session::open(&server, Way::WebSocketProtobuf, "dave").await;
    let mut search = SearchPeople {
        limit: 1,
        facets: vec!["city".to_owned()],
        highlight: true,
        explain: true,
        ..asked("climbing", "first")
    };
    let mut found = Vec::new();
    loop {
        let outcome = dave.ask(Request::SearchPeople(search.clone())).await;
        let Outcome::People(page) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!((page.total, page.at_least), (2, false));
        assert_eq!(page.facets[0].values[0].count, 2);
        for one in &page.people {
            let attributes: Value = serde_json::from_str(&one.attributes).unwrap();
            let place = &one.highlights[0];
            let about = attributes[place.attribute.as_str()].as_str().unwrap();
            assert_eq!(&about[place.from as usize..place.to as usize], "climbing");
            assert!(one.explanation.contains("climbing"), "{one:?}");
            found.push(one.user.clone());
        }
        if page.next.is_empty() {
            break;
        }
        search.after = page.next;
    }
    found.sort_unstable();
    assert_eq!(found, ["ann", "ben"]);

    // What is not public is for the backend.
    backend_finds(&server, "email:eve@example.com", &["eve"]).await;
    let outcome = dave.ask(ask::people("email:eve@example.com")).await;
    assert!(
        matches!(&outcome, Outcome::Error(error) if error.message.contains("email")),
        "{outcome:?}"
    );
    let outcome = dave.ask(ask::profiles(&["eve", "nobody", "ben"])).await;
    let Outcome::Profiles(profiles) = outcome else {
        panic!("{outcome:?}");
    };
    let users: Vec<_> = profiles
        .profiles
        .iter()
        .map(|one| one.user.as_str())
        .collect();
    assert_eq!(users, ["eve", "ben"]);
    assert!(!profiles.profiles[0].attributes.contains("example.com"));
}

async fn the_invisible_are_found_as_offline(world: World) {
    let world = with_people(world);
    let server = world.start().await;
    some_people(&server).await;
    let mut dave = Session::open(&server, Way::WebSocketProtobuf, "dave").await;
    let mut ben = Session::open(&server, Way::WebSocketProtobuf, "ben").await;
    finds(&mut dave, asked("", "only"), &["ben"]).await;
    ben.command(ask::invisible(true)).await;
    finds(&mut dave, asked("", "only"), &[]).await;
    // From now on by no way of asking, whatever happens to him.
    let by_city = SearchPeople {
        facets: vec!["city".to_owned()],
        ..asked("", "only")
    };
    for round in 0..6 {
        match round {
            1 => drop(ben.ask(ask::conversations()).await),
            3 => {
                ben = Session::open(&server, Way::QuicProtobuf, "ben").await;
            }
            // A change of the profile makes a new document, and a new place for who is here.
            4 => {
                set(
                    &server,
                    "ben",
                    json!({ "about": "climbing still", "city": "Berlin" }),
                )
                .await
            }
            _ => {}
        }
        let outcome = dave.ask(Request::SearchPeople(by_city.clone())).await;
        let Outcome::People(page) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!((page.people.len(), page.total), (0, 0), "{page:?}");
        assert!(page.facets[0].values.is_empty(), "{page:?}");
        let outcome = dave
            .ask(Request::SearchPeople(asked("climbing", "first")))
            .await;
        let Outcome::People(page) = outcome else {
            panic!("{outcome:?}");
        };
        let seen = page.people.iter().find(|one| one.user == "ben");
        assert!(seen.is_none_or(|ben| ben.state == "offline"), "{seen:?}");
    }
    // He sees the others.
    finds(&mut ben, asked("", "only"), &[]).await;
    let _eve = Session::open(&server, Way::WebSocketJson, "eve").await;
    finds(&mut ben, asked("", "only"), &["eve"]).await;
    ben.command(ask::invisible(false)).await;
    finds(&mut dave, asked("", "only"), &["ben", "eve"]).await;
}

async fn who_is_blocked_neither_finds_nor_is_found(world: World) {
    let world = with_people(world);
    let server = world.start().await;
    some_people(&server).await;
    let mut ann = Session::open(&server, Way::WebSocketProtobuf, "ann").await;
    let mut ben = Session::open(&server, Way::WebSocketProtobuf, "ben").await;
    finds(&mut ann, asked("", ""), &["ben", "eve"]).await;
    ben.command(ask::block("ann")).await;
    finds(&mut ann, asked("", ""), &["eve"]).await;
    finds(&mut ben, asked("", ""), &["eve"]).await;
    let outcome = ann.ask(ask::profiles(&["ben"])).await;
    assert!(
        matches!(&outcome, Outcome::Profiles(found) if found.profiles.is_empty()),
        "{outcome:?}"
    );
    ben.command(ask::unblock("ann")).await;
    finds(&mut ann, asked("", ""), &["ben", "eve"]).await;

    // Who has been written to already, if that is asked for.
    let fresh = SearchPeople {
        without_contacted: true,
        ..asked("", "")
    };
    ann.start(ask::direct("eve")).await;
    finds(&mut ann, fresh, &["ben"]).await;
    let but = SearchPeople {
        exclude: vec!["ben".to_owned()],
        ..asked("", "")
    };
    finds(&mut ann, but, &["eve"]).await;
}

async fn who_is_gone_is_not_found_by_an_old_copy_of_the_index_either(world: World) {
    let world = with_people(world);
    let server = world.start().await;
    some_people(&server).await;
    stop(server).await;
    let (index, copy) = (world.data.join("search"), world.folder.path().join("copy"));
    copy_folder(&index, &copy);

    let server = world.start().await;
    let hidden = call(
        &server,
        "PUT",
        "/v1/users/ann/profile",
        json!({ "hidden": true }),
    )
    .await;
    assert_eq!(hidden.0, 200, "{hidden:?}");
    assert_eq!(
        call(&server, "DELETE", "/v1/users/ben/profile", Value::Null)
            .await
            .0,
        200
    );
    assert_eq!(
        call(&server, "DELETE", "/v1/users/eve", Value::Null)
            .await
            .0,
        200
    );
    // The backend sees who is hidden.
    backend_finds(&server, "", &["ann"]).await;
    eventually("what was removed is gone from the files", async || {
        (crate::finding::removed_in_files(&index) == 0).then_some(())
    })
    .await;
    let mut dave = Session::open(&server, Way::WebSocketProtobuf, "dave").await;
    finds(&mut dave, asked("", ""), &[]).await;
    let again = call(
        &server,
        "PUT",
        "/v1/users/eve/profile",
        json!({ "attributes": {} }),
    )
    .await;
    assert_eq!(
        (again.0, &again.1["code"]),
        (403, &"forbidden".into()),
        "{again:?}"
    );
    stop(server).await;

    fs::remove_dir_all(&index).unwrap();
    copy_folder(&copy, &index);
    let server = world.start().await;
    // Not even before it has caught up.
    let mut dave = Session::open(&server, Way::WebSocketProtobuf, "dave").await;
    assert_eq!(find(&mut dave, asked("", "")).await, Vec::<String>::new());
    backend_finds(&server, "", &["ann"]).await;
    let shown = call(&server, "GET", "/v1/users/eve/profile", Value::Null).await;
    assert_eq!(shown.0, 404, "{shown:?}");
}

pub(crate) fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_folder(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

async fn an_index_that_is_lost_or_of_other_attributes_is_built_anew(world: World) {
    let mut world = with_people(world);
    let server = world.start().await;
    some_people(&server).await;
    // Beside the one that is searched, which is never empty meanwhile.
    let begun = call(&server, "POST", "/v1/search/rebuild", Value::Null).await;
    assert_eq!(
        (begun.0, &begun.1["begun"]["people"]),
        (200, &true.into()),
        "{begun:?}"
    );
    let mut dave = Session::open(&server, Way::WebSocketProtobuf, "dave").await;
    eventually("it is built", async || {
        assert_eq!(find(&mut dave, asked("", "")).await.len(), 3);
        let status = call(&server, "GET", "/v1/search/status", Value::Null)
            .await
            .1;
        status["people"]["building"].is_null().then_some(())
    })
    .await;
    stop(server).await;

    fs::remove_dir_all(world.data.join("search")).unwrap();
    let server = world.start().await;
    backend_finds(&server, "climbing", &["ann", "ben"]).await;
    stop(server).await;

    // `city` is a text now, and `age` is not declared any more.
    world.search("attributes = [{ name = \"city\", kind = \"text\" }]\n");
    let server = world.start().await;
    let mut dave = Session::open(&server, Way::WebSocketProtobuf, "dave").await;
    eventually("the new declaration holds", async || {
        match dave.ask(ask::people("ber*")).await {
            // Until then it is searched as it was declared before.
            Outcome::People(page) if page.people.is_empty() => None,
            Outcome::People(page) => {
                assert_eq!(page.people.len(), 2, "{page:?}");
                Some(())
            }
            other => panic!("{other:?}"),
        }
    })
    .await;
    let wrong = call(
        &server,
        "PUT",
        "/v1/users/ann/profile",
        json!({ "attributes": { "age": 3 } }),
    )
    .await;
    assert_eq!(wrong.0, 400, "{wrong:?}");
    let message = wrong.1["message"].as_str().unwrap_or_default();
    assert!(
        message.contains("no attribute `age` is declared; there are: city"),
        "{message}"
    );
}

async fn a_wrong_query_says_where_and_what_would_do(world: World) {
    let world = with_people(world);
    let server = world.start().await;
    let mut dave = Session::open(&server, Way::WebSocketJson, "dave").await;
    let wrong = [
        (
            asked("rock ctiy:berlin", ""),
            "     ^^^^^\nthere is no attribute `ctiy`, did you mean `city`?",
        ),
        (asked("age:35..25", ""), "the range ends before it begins"),
        (asked("", "sometimes"), "use any, first or only"),
        (
            SearchPeople {
                sort: "distance".into(),
                ..asked("", "")
            },
            "say from where",
        ),
        (
            SearchPeople {
                sort: "distance".into(),
                from: "91,0".into(),
                ..asked("", "")
            },
            "a latitude and a longitude",
        ),
        (
            SearchPeople {
                sort: "best".into(),
                ..asked("", "")
            },
            "use relevance, distance, active or newest",
        ),
        (
            SearchPeople {
                limit: 101,
                ..asked("", "")
            },
            "100",
        ),
        (
            SearchPeople {
                filter: "{".into(),
                ..asked("", "")
            },
            "filter: ",
        ),
        (
            SearchPeople {
                filter: "{\"has\":{\"attribute\":\"hat\"}}".into(),
                ..asked("", "")
            },
            "filter.has.attribute: there is no attribute `hat`",
        ),
        (
            SearchPeople {
                filter: "{\"all\":[{\"any\":[]},{\"not\":{\"any\":[],\"all\":[]}}]}".into(),
                ..asked("", "")
            },
            "filter.all[1].not: `all` and `any` stand in one object, and a condition has one name",
        ),
        (
            SearchPeople {
                filter: "{\"any\":[{}]}".into(),
                ..asked("", "")
            },
            "filter.any[0]: this is empty",
        ),
        (
            SearchPeople {
                filter: "{\"any\":[\"x\"]}".into(),
                ..asked("", "")
            },
            "filter.any[0]: a condition is an object",
        ),
        (
            SearchPeople {
                after: "AAAA".into(),
                ..asked("", "")
            },
            "`next`",
        ),
        (
            SearchPeople {
                facets: vec!["about".into()],
                ..asked("", "")
            },
            "keywords and booleans can be counted",
        ),
        (
            SearchPeople {
                exclude: vec!["x".into(); 1_001],
                ..asked("", "")
            },
            "1001 users are excluded",
        ),
        (asked(&"word ".repeat(10_000), ""), "4096"),
        (asked(&"(".repeat(500), ""), "deep"),
    ];
    for (search, message) in wrong {
        let outcome = dave.ask(Request::SearchPeople(search.clone())).await;
        let Outcome::Error(error) = &outcome else {
            panic!("{search:?}: {outcome:?}");
        };
        assert_eq!(error.code, "invalid", "{search:?}");
        assert!(
            error.message.contains(message),
            "{search:?}: {}",
            error.message
        );
    }
    let profile = |attributes| json!({ "attributes": attributes });
    for (body, message) in [
        (profile(json!({ "age": "31" })), "`age` is a number"),
        (
            profile(json!({ "location": { "lat": 91, "lon": 0 } })),
            "there is no latitude 91",
        ),
        (profile(json!({ "about": "x".repeat(17_000) })), "`about`"),
        (json!({}), "neither attributes nor hidden"),
        (
            json!({ "attributes": {}, "at_ms": 9_999_999_999_999_u64 }),
            "at_ms",
        ),
    ] {
        let answer = call(&server, "PUT", "/v1/users/ann/profile", body.clone()).await;
        let said = answer.1["message"].as_str().unwrap_or_default();
        assert!(
            answer.0 == 400 && said.contains(message),
            "{body}: {answer:?}"
        );
    }
    let twice =
        json!({ "profiles": [{ "user": "a", "hidden": true }, { "user": "a", "hidden": false }] });
    let answer = call(&server, "POST", "/v1/profiles", twice).await;
    assert_eq!(answer.0, 400, "{answer:?}");
    let answer = call(
        &server,
        "PUT",
        "/v1/users/ann/profile",
        json!({ "hidden": true }),
    )
    .await;
    assert_eq!(answer.0, 404, "{answer:?}");
}

async fn a_crash_while_profiles_are_written_loses_none(world: World) {
    let world = with_people(world);
    let mut server = world.start().await;
    let mut acknowledged: Vec<u64> = vec![0; 20];
    for round in 1..=rounds(3) as u64 {
        let end =
            tokio::time::Instant::now() + std::time::Duration::from_millis(400 + round * 37 % 900);
        let mut age = round * 1_000;
        while tokio::time::Instant::now() < end {
            for (user, last) in acknowledged.iter_mut().enumerate() {
                age += 1;
                let body = json!({ "attributes": { "age": age } });
                let answer =
                    call(&server, "PUT", &format!("/v1/users/u{user}/profile"), body).await;
                assert_eq!(answer.0, 200, "{answer:?}");
                *last = age;
            }
        }
        // In the middle of a commit as likely as not: there is always one.
        server.kill();
        server = world.start().await;
        for (user, age) in acknowledged.iter().enumerate() {
            let user = format!("u{user}");
            backend_finds(&server, &format!("age:{age}"), &[user.as_str()]).await;
        }
        let (_, all) = call(
            &server,
            "POST",
            "/v1/search/people",
            json!({ "facets": [] }),
        )
        .await;
        assert_eq!(all["total"], 20, "{all}");
    }
}

#[tokio::test]
async fn people_are_found_on_every_node_whichever_they_are_at() {
    let world = with_people(World::jetstream().await);
    let (first, second) = worlds_of(world).await;
    let (one, two) = (first.start().await, second.start().await);
    some_people(&one).await;
    backend_finds(&two, "", &["ann", "ben", "eve"]).await;
    let mut dave = Session::open(&two, Way::WebSocketProtobuf, "dave").await;
    let mut ben = Session::open(&one, Way::WebSocketProtobuf, "ben").await;
    finds(&mut dave, asked("", "only"), &["ben"]).await;
    // A second device at the other node, and the first one leaves.
    let second_device = Session::open(&two, Way::WebSocketProtobuf, "ben").await;
    ben.command(ask::invisible(true)).await;
    finds(&mut dave, asked("", "only"), &[]).await;
    ben.command(ask::invisible(false)).await;
    finds(&mut dave, asked("", "only"), &["ben"]).await;
    drop(ben);
    one.kill();
    // Whom the dead node had is gone after the grace; whom this one has is not.
    for _ in 0..5 {
        assert_eq!(find(&mut dave, asked("", "only")).await, ["ben"]);
    }
    drop(second_device);
    finds(&mut dave, asked("", "only"), &[]).await;
}

/// The next frame that says who came online.
async fn announced(session: &mut Session) -> PeopleOnline {
    within("somebody is announced", async {
        loop {
            if let Body::PeopleOnline(news) = session.next().await {
                return news;
            }
        }
    })
    .await
}

async fn who_comes_online_and_would_be_found_is_announced(world: World) {
    let world = with_people(world);
    let server = world.start().await;
    some_people(&server).await;
    set(&server, "gus", json!({ "about": "climbing at night" })).await;
    backend_finds(&server, "climbing", &["ann", "ben", "gus"]).await;
    let mut dave = Session::open(&server, Way::WebSocketProtobuf, "dave").await;
    let _ann = Session::open(&server, Way::WebSocketJson, "ann").await;
    finds(&mut dave, asked("climbing", "only"), &["ann"]).await;

    let watch = |query: &str, online: &str| {
        Request::WatchPeople(WatchPeople {
            search: Some(asked(query, online)),
        })
    };
    let outcome = dave.ask(watch("climbing", "only")).await;
    assert!(
        matches!(&outcome, Outcome::People(page) if page.people.len() == 1),
        "{outcome:?}"
    );
    // Neither who does not fit, nor who is shown already, nor who is not to be seen.
    let _eve = Session::open(&server, Way::WebSocketJson, "eve").await;
    let _second_ann = Session::open(&server, Way::WebSocketJson, "ann").await;
    let mut gus = Session::open(&server, Way::WebSocketJson, "gus").await;
    let news = announced(&mut dave).await;
    assert_eq!((news.count, news.users), (1, vec!["gus".to_owned()]));
    gus.command(ask::invisible(true)).await;
    let mut ben = Session::open(&server, Way::WebSocketProtobuf, "ben").await;
    let news = announced(&mut dave).await;
    // Who has become invisible since is counted, and not named again.
    assert_eq!((news.count, news.users), (2, vec!["ben".to_owned()]));

    // A page asked for anew begins to count anew; who blocks is not told of.
    finds(&mut dave, asked("climbing", "only"), &["ann", "ben"]).await;
    ben.command(ask::block("dave")).await;
    drop(ben);
    finds(&mut dave, asked("climbing", "only"), &["ann"]).await;
    dave.ask(watch("climbing", "only")).await;
    let _ben = Session::open(&server, Way::WebSocketProtobuf, "ben").await;
    gus.command(ask::invisible(false)).await;
    let news = announced(&mut dave).await;
    assert_eq!((news.count, news.users), (1, vec!["gus".to_owned()]));
    let outcome = dave
        .ask(Request::WatchPeople(WatchPeople { search: None }))
        .await;
    assert!(matches!(&outcome, Outcome::Error(error) if error.code == "invalid"));
    assert!(matches!(
        dave.ask(ask::unwatch_people()).await,
        Outcome::Pong(_)
    ));
}

/// The next frame that says who looks where.
pub(crate) async fn looking(session: &mut Session) -> (String, bool) {
    within("somebody looks", async {
        loop {
            if let Body::Looking(looking) = session.next().await {
                return (looking.user, looking.active);
            }
        }
    })
    .await
}

async fn who_looks_at_a_conversation_is_seen_by_the_others_in_it(world: World) {
    let world = with_people(world);
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketProtobuf, "ann").await;
    let mut ben = Session::open(&server, Way::WebSocketJson, "ben").await;
    let mut ben_too = Session::open(&server, Way::WebSocketJson, "ben").await;
    let place = ann.start(ask::direct("ben")).await;
    let other = ann.start(ask::direct("eve")).await;
    let told = |user: &str, active| (user.to_owned(), active);

    ben.ask(ask::look(place)).await;
    assert_eq!(looking(&mut ann).await, told("ben", true));
    ben_too.ask(ask::look(place)).await;
    assert_eq!(looking(&mut ann).await, told("ben", true));
    // One device looks away: he still looks.
    drop(ben);
    ann.ask(ask::look(place)).await;
    assert_eq!(looking(&mut ben_too).await, told("ann", true));
    ann.ask(ask::look(other)).await;
    assert_eq!(looking(&mut ben_too).await, told("ann", false));
    // Who becomes invisible looks away, as far as others see, and is not seen to look again.
    ben_too.command(ask::invisible(true)).await;
    assert_eq!(looking(&mut ann).await, told("ben", false));
    ben_too.ask(ask::look(place)).await;
    ben_too.ask(ask::look(other)).await;
    ben_too.command(ask::invisible(false)).await;
    let refused = ben_too.ask(ask::look(other)).await;
    assert!(matches!(&refused, Outcome::Error(error) if error.code == "not_found"));
    ben_too.ask(ask::look(place)).await;
    assert_eq!(looking(&mut ann).await, told("ben", true));
    drop(ben_too);
    assert_eq!(looking(&mut ann).await, told("ben", false));
}

async fn words_that_were_to_go_from_the_files_go_at_the_next_start(world: World) {
    let world = with_people(world);
    let server = world.start().await;
    let users: Vec<String> = (10..30).map(|n| format!("user{n}")).collect();
    let all: Vec<_> = users
        .iter()
        .map(|user| json!({ "user": user, "attributes": { "about": user } }))
        .collect();
    let set = call(&server, "POST", "/v1/profiles", json!({ "profiles": all })).await;
    assert_eq!(set.0, 200, "{set:?}");
    let mut found: Vec<&str> = users.iter().map(String::as_str).collect();
    backend_finds(&server, "", &found).await;
    let removed = call(&server, "DELETE", "/v1/users/user20/profile", Value::Null).await;
    assert_eq!(removed.0, 200, "{removed:?}");
    // Not the only one of a segment, which would go as a whole.
    found.retain(|user| *user != "user20");
    backend_finds(&server, "", &found).await;
    stop(server).await;
    let people = world.data.join("search").join("people");

    // As somebody leaves it who was killed after having erased somebody.
    let used = fs::read_to_string(people.join("CURRENT")).unwrap();
    let noted = people.join(used.trim()).join("PURGE");
    fs::write(&noted, "").unwrap();
    let unfinished = people.join("build-77");
    fs::create_dir(&unfinished).unwrap();
    let server = world.start().await;
    eventually("what was removed is gone from the files", async || {
        let gone = crate::finding::removed_in_files(&people) == 0;
        (gone && !noted.exists() && !unfinished.exists()).then_some(())
    })
    .await;
    backend_finds(&server, "", &found).await;
}

async fn who_left_counts_as_just_active_also_where_nothing_else_happens(world: World) {
    let world = with_people(world);
    let server = world.start().await;
    some_people(&server).await;
    let active = async || {
        let asked = json!({ "query": "climbing", "sort": "active", "explain": true });
        let (status, said) = call(&server, "POST", "/v1/search/people", asked).await;
        assert_eq!(status, 200, "{said}");
        let people = said["people"].as_array().unwrap().iter();
        let active = people.map(|one| {
            let details = one["explanation"]["details"].as_array().unwrap().iter();
            let mut details = details.filter(|detail| {
                let what = detail["what"].as_str().unwrap();
                what.starts_with("last active")
            });
            let at_ms = details.next().unwrap()["value"].as_f64().unwrap();
            (one["user"].as_str().unwrap().to_owned(), at_ms)
        });
        active.collect::<Vec<_>>()
    };
    let before = active().await;
    assert_eq!(before.len(), 2, "{before:?}");
    assert!(before.iter().all(|(_, at_ms)| *at_ms == 0.0), "{before:?}");

    // Each in a turn of the writer of its own: who comes after all others is the last who was here.
    for user in ["ann", "ben", "ann"] {
        let session = Session::open(&server, Way::WebSocketJson, user).await;
        let path = format!("/v1/users/{user}/presence");
        eventually(&format!("{user} is here"), async || {
            let (_, said) = call(&server, "GET", &path, Value::Null).await;
            (said["state"] == "available").then_some(())
        })
        .await;
        drop(session);
        eventually(&format!("{user} counts as just active"), async || {
            let now = active().await;
            (now[0].0 == user && now[0].1 > now[1].1).then_some(())
        })
        .await;
    }
    stop(server).await;
}
