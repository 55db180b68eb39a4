//! Messages are found by those who may see them, as they are now, in whatever language.

use std::{fs, path::Path};

use serde_json::Value;
use tidings_protocol::{
    frame::{Outcome, Request},
    query::SearchMessages,
};
use tidings_tests::{Server, Session, Way, World, ask, eventually, http, session::Raw, token};
use uuid::Uuid;

use crate::two_nodes::worlds_of;

on_both_logs!(
    messages_are_found_by_what_they_say_and_by_whom_where_and_when,
    edits_and_retractions_are_obeyed_at_once,
    who_left_finds_what_they_saw_and_nothing_later,
    many_are_in_it_and_each_finds_their_part,
    what_was_erased_is_found_by_nobody,
    an_index_of_messages_that_is_lost_is_built_anew,
    a_wrong_question_for_messages_says_what_would_do,
);

fn asked(query: &str) -> SearchMessages {
    SearchMessages {
        query: query.to_owned(),
        ..SearchMessages::default()
    }
}

/// What is found, in order.
async fn find(session: &mut Session, search: SearchMessages) -> Vec<String> {
    match session.ask(Request::SearchMessages(search)).await {
        Outcome::FoundMessages(found) => {
            let messages = found.messages.into_iter();
            messages
                .map(|found| found.message.expect("a message").text)
                .collect()
        }
        other => panic!("{other:?}"),
    }
}

/// Waits until just these are found, newest first.
async fn finds(session: &mut Session, query: &str, expected: &[&str]) {
    eventually(&format!("{query} finds {expected:?}"), async || {
        let outcome = session.ask(Request::SearchMessages(asked(query))).await;
        let Outcome::FoundMessages(found) = outcome else {
            // While the index is built there is none.
            return None;
        };
        let texts = found.messages.into_iter();
        let texts: Vec<_> = texts
            .map(|found| found.message.expect("a message").text)
            .collect();
        (texts == expected).then_some(())
    })
    .await;
}

async fn say(session: &mut Session, place: Uuid, text: &str) -> u64 {
    session.command(ask::post(place, text)).await.seq
}

async fn messages_are_found_by_what_they_say_and_by_whom_where_and_when(world: World) {
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketProtobuf, "ann").await;
    let mut ben = Session::open(&server, Way::WebSocketJson, "ben").await;
    let mut eve = Session::open(&server, Way::QuicProtobuf, "eve").await;
    let pair = ann.start(ask::direct("ben")).await;
    let group = ann.start(ask::group("lunch", &["ben", "eve"])).await;
    say(&mut ann, pair, "Lunch at the new place in Straße 5?").await;
    say(&mut ben, pair, "Yes, node.js meetup after lunch").await;
    say(&mut eve, group, "明天一起去登山吗？ Bring lunch").await;
    say(&mut ben, group, "İstanbul'da öğle yemeği").await;

    let (new, meetup) = (
        "Lunch at the new place in Straße 5?",
        "Yes, node.js meetup after lunch",
    );
    let (climb, istanbul) = ("明天一起去登山吗？ Bring lunch", "İstanbul'da öğle yemeği");
    finds(&mut ann, "lunch", &[climb, meetup, new]).await;
    // Each what is theirs.
    finds(&mut eve, "lunch", &[climb]).await;
    finds(&mut eve, "", &[istanbul, climb]).await;
    for (query, expected) in [
        ("strasse", vec![new]),
        ("登山", vec![climb]),
        ("一起", vec![climb]),
        ("istanbul yemegi", vec![istanbul]),
        ("node.js", vec![meetup]),
        ("\"after lunch\"", vec![meetup]),
        ("lun* -place", vec![climb, meetup]),
        ("from:ben", vec![istanbul, meetup]),
        ("lunch from:ann,eve", vec![climb, new]),
        ("lunch OR yemegi", vec![istanbul, climb, meetup, new]),
        ("lunch after:-1h", vec![climb, meetup, new]),
        ("lunch before:2020", vec![]),
        ("lunch after:2999", vec![]),
    ] {
        assert_eq!(find(&mut ann, asked(query)).await, expected, "{query}");
    }
    let within = format!("lunch in:{group}");
    assert_eq!(find(&mut ann, asked(&within)).await, [climb]);

    // One page after the other, with the places of the words.
    let mut search = SearchMessages {
        limit: 1,
        highlight: true,
        sort: "relevance".to_owned(),
        ..asked("lunch")
    };
    let mut seen = Vec::new();
    loop {
        let Outcome::FoundMessages(page) = ann.ask(Request::SearchMessages(search.clone())).await
        else {
            panic!("found");
        };
        for found in page.messages {
            let text = found.message.expect("a message").text;
            let place = &found.highlights[0];
            assert_eq!(
                text[place.from as usize..place.to as usize].to_lowercase(),
                "lunch"
            );
            assert!(found.score > 0.0);
            seen.push(text);
        }
        if page.next.is_empty() {
            break;
        }
        search.after = page.next;
    }
    seen.sort_unstable();
    let mut all = vec![climb, meetup, new];
    all.sort_unstable();
    assert_eq!(seen, all);
}

async fn edits_and_retractions_are_obeyed_at_once(world: World) {
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketProtobuf, "ann").await;
    let mut ben = Session::open(&server, Way::WebSocketProtobuf, "ben").await;
    let place = ann.start(ask::direct("ben")).await;
    let seq = say(&mut ann, place, "the secret is apricot").await;
    let gone = say(&mut ann, place, "apricot again").await;
    finds(
        &mut ben,
        "apricot",
        &["apricot again", "the secret is apricot"],
    )
    .await;
    ann.command(ask::edit(place, seq, "the secret is plum"))
        .await;
    ann.command(ask::retract(place, gone)).await;
    // Nothing of what it said is shown from here on, also before the index knows.
    for _ in 0..20 {
        let found = find(&mut ben, asked("apricot")).await;
        assert!(
            found.iter().all(|text| !text.contains("apricot")),
            "{found:?}"
        );
    }
    finds(&mut ben, "apricot", &[]).await;
    finds(&mut ben, "plum", &["the secret is plum"]).await;
}

async fn who_left_finds_what_they_saw_and_nothing_later(world: World) {
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketProtobuf, "ann").await;
    let mut ben = Session::open(&server, Way::WebSocketProtobuf, "ben").await;
    let mut eve = Session::open(&server, Way::WebSocketProtobuf, "eve").await;
    let place = ann.start(ask::group("a group", &["ben"])).await;
    let seq = say(&mut ann, place, "pear one").await;
    finds(&mut ben, "pear", &["pear one"]).await;
    ben.command(ask::leave(place)).await;
    say(&mut ann, place, "pear two").await;
    ann.command(ask::edit(place, seq, "quince now")).await;
    finds(&mut ann, "pear OR quince", &["pear two", "quince now"]).await;
    assert_eq!(find(&mut ben, asked("pear")).await, Vec::<String>::new());
    assert_eq!(find(&mut ben, asked("quince")).await, Vec::<String>::new());
    // Who joins later finds what they may see: here nothing of before.
    ann.command(ask::add(place, &["eve"])).await;
    say(&mut ann, place, "pear three").await;
    finds(&mut eve, "pear", &["pear three"]).await;
    // And who comes back finds on.
    ann.command(ask::add(place, &["ben"])).await;
    say(&mut ann, place, "pear four").await;
    finds(&mut ben, "pear", &["pear four"]).await;
    finds(&mut ann, "pear", &["pear four", "pear three", "pear two"]).await;
}

async fn many_are_in_it_and_each_finds_their_part(world: World) {
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketProtobuf, "ann").await;
    let mut ben = Session::open(&server, Way::WebSocketProtobuf, "ben").await;
    let mut late = Session::open(&server, Way::WebSocketProtobuf, "late").await;
    let some: Vec<String> = (0..29).map(|n| format!("m{n}")).collect();
    let mut names: Vec<&str> = some.iter().map(String::as_str).collect();
    names.push("ben");
    let place = ann.start(ask::group("a crowd", &names)).await;
    say(&mut ann, place, "fig one").await;
    finds(&mut ben, "fig", &["fig one"]).await;
    // 31 so far: with these it is a large one.
    ann.command(ask::add(place, &["x1", "x2", "late"])).await;
    say(&mut ann, place, "fig two").await;
    finds(&mut late, "fig", &["fig two"]).await;
    finds(&mut ben, "fig", &["fig two", "fig one"]).await;
    late.command(ask::leave(place)).await;
    say(&mut ann, place, "fig three").await;
    finds(&mut ben, "fig", &["fig three", "fig two", "fig one"]).await;
    assert_eq!(find(&mut late, asked("fig")).await, ["fig two"]);
}

const KEY: &str = "a key of the tests for whoever operates this";

async fn what_was_erased_is_found_by_nobody(mut world: World) {
    let file = world.folder.path().join("operate.key");
    fs::write(&file, KEY).unwrap();
    world.messages(&format!(
        "[[auth.api_keys]]\nname = \"operator\"\nfile = {file:?}\nscopes = [\"operate\", \"users\", \"tokens\", \"messages\"]\n"
    ));
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketProtobuf, "ann").await;
    let mut ben = Session::open(&server, Way::WebSocketProtobuf, "ben").await;
    let place = ann.start(ask::direct("ben")).await;
    say(&mut ann, place, "cherry of ann").await;
    say(&mut ben, place, "cherry of ben").await;
    finds(&mut ben, "cherry", &["cherry of ben", "cherry of ann"]).await;
    stop(server).await;
    let (index, copy) = (world.data.join("search"), world.folder.path().join("copy"));
    crate::people::copy_folder(&index, &copy);

    let server = world.start().await;
    let ann = Session::open(&server, Way::WebSocketProtobuf, "ann").await;
    let bearer = format!("Bearer {KEY}");
    let headers = [("Authorization", bearer.as_str())];
    let erased = http::request(&server, "DELETE", "/v1/users/ann", &headers, b"").await;
    assert_eq!(erased.status, 200, "{erased:?}");
    let mut ben = Session::open(&server, Way::WebSocketProtobuf, "ben").await;
    finds(&mut ben, "cherry", &["cherry of ben"]).await;
    // Who was erased is sent away, not let in again, and nobody does anything in their name.
    ann.closed().await;
    let again = Raw::connect(&server, Way::WebSocketProtobuf).await;
    let refused = again.hello(ask::hello(&token::of("ann"))).await;
    let closed = refused.err().expect("not let in");
    let why = closed.closing.expect("it is said why");
    assert!(why.message.contains("erased"), "{why:?}");
    for (method, path, body) in [
        (
            "POST",
            format!("/v1/conversations/{place}/messages?as=ann"),
            r#"{"text": "x"}"#,
        ),
        (
            "POST",
            "/v1/users/ann/tokens".to_owned(),
            r#"{"ttl_s": 60}"#,
        ),
        (
            "PUT",
            "/v1/users/ann/presence".to_owned(),
            r#"{"state": "available"}"#,
        ),
        (
            "PUT",
            "/v1/users/ann/visibility".to_owned(),
            r#"{"invisible": false}"#,
        ),
    ] {
        let headers = [headers[0], ("Content-Type", "application/json")];
        let said = http::request(&server, method, &path, &headers, body.as_bytes()).await;
        assert_eq!(said.status, 403, "{path}: {said:?}");
    }
    // Erasing may be asked for again.
    let erased = http::request(&server, "DELETE", "/v1/users/ann", &headers, b"").await;
    assert_eq!(erased.status, 200, "{erased:?}");
    finds(&mut ben, "cherry", &["cherry of ben"]).await;
    // The words are not in the files either, soon.
    eventually("what was removed is gone from the files", async || {
        (removed_in_files(&world.data.join("search")) == 0).then_some(())
    })
    .await;
    stop(server).await;
    // An old copy of the index is put back: it is not found there either.
    fs::remove_dir_all(&index).unwrap();
    crate::people::copy_folder(&copy, &index);
    let server = world.start().await;
    let mut ben = Session::open(&server, Way::WebSocketProtobuf, "ben").await;
    assert_eq!(find(&mut ben, asked("cherry")).await, ["cherry of ben"]);
    finds(&mut ben, "cherry", &["cherry of ben"]).await;
}

/// How many removed documents the files of indexes still hold.
pub(crate) fn removed_in_files(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let counts = entries.map(|path| {
        if path.is_dir() {
            return removed_in_files(&path);
        }
        if path.file_name() != Some("meta.json".as_ref()) {
            return 0;
        }
        let meta: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let segments = meta["segments"].as_array().unwrap().iter();
        let removed = segments.map(|segment| segment["deletes"]["num_deleted_docs"].as_u64());
        removed.flatten().sum()
    });
    counts.sum()
}

async fn stop(server: Server) {
    server.terminate();
    assert!(server.ended().await.success());
}

async fn an_index_of_messages_that_is_lost_is_built_anew(world: World) {
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketProtobuf, "ann").await;
    let place = ann.start(ask::direct("ben")).await;
    for text in ["olive one", "olive two", "olive three"] {
        say(&mut ann, place, text).await;
    }
    let all = ["olive three", "olive two", "olive one"];
    finds(&mut ann, "olive", &all).await;
    stop(server).await;
    fs::remove_dir_all(world.data.join("search")).unwrap();
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketProtobuf, "ann").await;
    finds(&mut ann, "olive", &all).await;
    // And where a crash leaves it.
    say(&mut ann, place, "olive four").await;
    server.kill();
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketProtobuf, "ann").await;
    finds(&mut ann, "olive four", &["olive four"]).await;
    finds(
        &mut ann,
        "olive",
        &["olive four", "olive three", "olive two", "olive one"],
    )
    .await;
}

async fn a_wrong_question_for_messages_says_what_would_do(mut world: World) {
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketJson, "ann").await;
    for (search, message) in [
        (asked("form:ann lunch"), "^^^^"),
        (asked("has:attachment"), "attachments"),
        (asked("before:yesterday"), "date"),
        (asked("in:lunch"), "in"),
        (asked(&"word ".repeat(10_000)), "4096"),
        (asked(&"(".repeat(300)), "deep"),
        (
            SearchMessages {
                sort: "best".into(),
                ..asked("")
            },
            "use newest or relevance",
        ),
        (
            SearchMessages {
                limit: 500,
                ..asked("")
            },
            "100",
        ),
        (
            SearchMessages {
                after: "AAAA".into(),
                ..asked("")
            },
            "`next`",
        ),
    ] {
        let outcome = ann.ask(Request::SearchMessages(search.clone())).await;
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
    stop(server).await;
    world.search("messages = false\n");
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketJson, "ann").await;
    let outcome = ann.ask(Request::SearchMessages(asked("x"))).await;
    assert!(
        matches!(&outcome, Outcome::Error(error) if error.message.contains("search.messages")),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn messages_are_found_on_every_node() {
    let (first, second) = worlds_of(World::jetstream().await).await;
    let (one, two) = (first.start().await, second.start().await);
    let mut ann = Session::open(&one, Way::WebSocketProtobuf, "ann").await;
    let mut ben = Session::open(&two, Way::WebSocketProtobuf, "ben").await;
    let place = ann.start(ask::direct("ben")).await;
    say(&mut ann, place, "grape one").await;
    finds(&mut ben, "grape", &["grape one"]).await;
    finds(&mut ann, "grape", &["grape one"]).await;
}
