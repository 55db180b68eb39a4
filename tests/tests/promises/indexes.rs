//! How far the indexes are, and that each can be built anew by itself.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use serde_json::{Value, json};
use tidings_tests::{Server, Session, Way, World, ask, eventually, http, server::program};

on_both_logs!(
    each_index_says_how_far_it_is_and_is_built_anew_by_itself,
    where_messages_are_not_searched_there_is_no_index_of_them,
);

const KEY: &str = "a key of the tests for whoever operates the indexes";

fn with_operator(mut world: World) -> World {
    let file = world.folder.path().join("operator.key");
    fs::write(&file, KEY).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    world.messages(&format!(
        "[[auth.api_keys]]\nname = \"operator\"\nfile = {file:?}\nscopes = [\"users\", \"operate\"]\n"
    ));
    world.search("attributes = [{ name = \"about\", kind = \"text\" }]\n");
    world
}

async fn call(server: &Server, method: &str, path: &str, body: Value) -> (u16, Value) {
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

async fn status(server: &Server) -> Value {
    let (status, said) = call(server, "GET", "/v1/search/status", Value::Null).await;
    assert_eq!(status, 200, "{said}");
    said
}

async fn rebuild(server: &Server, query: &str) -> (u16, Value) {
    call(
        server,
        "POST",
        &format!("/v1/search/rebuild{query}"),
        Value::Null,
    )
    .await
}

/// Waits until nothing is being built, and each index was put in use so often.
async fn installed(server: &Server, people: u64, messages: u64) -> Value {
    eventually(&format!("{people} and {messages} are in use"), async || {
        let status = status(server).await;
        let done = |index: &str, times: u64| {
            status[index]["building"].is_null() && status[index]["installed"] == times
        };
        (done("people", people) && done("messages", messages)).then_some(status)
    })
    .await
}

/// What `tidings search` prints, given these.
async fn printed(world: &World, server: &Server, arguments: &[&str]) -> String {
    let mut command = Command::new(program());
    let key = world.folder.path().join("operator.key");
    let url = format!("http://{}", server.http);
    command
        .arg("search")
        .args(arguments)
        .args(["--server", &url, "--key-file"])
        .arg(key)
        .env("NO_COLOR", "1");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = output.await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

async fn each_index_says_how_far_it_is_and_is_built_anew_by_itself(world: World) {
    let world = with_operator(world);
    let server = world.start().await;
    let set = json!({ "attributes": { "about": "tea" } });
    let set = call(&server, "PUT", "/v1/users/ann/profile", set).await;
    assert_eq!(set.0, 200, "{set:?}");
    let mut ann = Session::open(&server, Way::WebSocketProtobuf, "ann").await;
    let place = ann.start(ask::direct("ben")).await;
    let mut last = 0;
    for text in ["one", "two", "three"] {
        last = ann.command(ask::post(place, text)).await.position;
    }
    let reached = |status: &Value, index: &str, count: u64| {
        let index = &status[index];
        index["ready"] == true
            && index["count"] == count
            && index["position"].as_u64().is_some_and(|at| at >= last)
    };
    eventually("everything is indexed", async || {
        let status = status(&server).await;
        (reached(&status, "people", 1) && reached(&status, "messages", 3)).then_some(())
    })
    .await;
    let before = status(&server).await;
    let times = |index: &str| before[index]["installed"].as_u64().unwrap();
    let (people, messages) = (times("people"), times("messages"));
    installed(&server, people, messages).await;

    // One by itself, the other, and both.
    let begun = rebuild(&server, "?index=people").await;
    let expected = json!({ "begun": { "people": true, "messages": null } });
    assert_eq!(begun, (200, expected));
    installed(&server, people + 1, messages).await;
    let begun = rebuild(&server, "?index=messages").await;
    let expected = json!({ "begun": { "people": null, "messages": true } });
    assert_eq!(begun, (200, expected));
    installed(&server, people + 1, messages + 1).await;
    let begun = rebuild(&server, "").await;
    let expected = json!({ "begun": { "people": true, "messages": true } });
    assert_eq!(begun, (200, expected));
    let after = installed(&server, people + 2, messages + 2).await;
    assert!(reached(&after, "people", 1), "{after}");
    assert!(reached(&after, "messages", 3), "{after}");

    // A wrong name is told what there is.
    for wrong in ["?index=person", "?index=", "?index=People", "?indx=people"] {
        let (status, said) = rebuild(&server, wrong).await;
        let message = said["message"].as_str().unwrap_or_default();
        assert_eq!((status, &said["code"]), (400, &"invalid".into()), "{said}");
        let names = match wrong {
            "?indx=people" => message.contains("`index`"),
            _ => message.contains("`people`") && message.contains("`messages`"),
        };
        assert!(names, "{wrong}: {message}");
    }
    assert_eq!(status(&server).await["people"]["installed"], people + 2);

    // The same at a terminal.
    let said = printed(&world, &server, &["status"]).await;
    let lines: Vec<&str> = said.lines().collect();
    assert!(
        lines.len() == 2
            && lines[0].starts_with("1 people can be found, as they were at position ")
            && lines[1].starts_with("3 messages can be found, as they were at position "),
        "{said}"
    );
    let said = printed(&world, &server, &["status", "--json"]).await;
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said, status(&server).await);
    let said = printed(&world, &server, &["rebuild", "--index", "messages"]).await;
    assert!(
        said.starts_with("built: 3 messages as they were at position ") && !said.contains("people"),
        "{said}"
    );
    installed(&server, people + 2, messages + 3).await;
    let said = printed(&world, &server, &["rebuild", "--json"]).await;
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["people"]["installed"], people + 3, "{said}");
    assert_eq!(said["messages"]["installed"], messages + 4, "{said}");
}

async fn where_messages_are_not_searched_there_is_no_index_of_them(world: World) {
    let mut world = with_operator(world);
    world.search("messages = false\n");
    let server = world.start().await;
    let said = status(&server).await;
    assert!(said["messages"].is_null(), "{said}");
    assert_eq!(said["people"]["count"], 0, "{said}");
    let (status, said) = rebuild(&server, "?index=messages").await;
    let message = said["message"].as_str().unwrap_or_default();
    assert_eq!(status, 400, "{said}");
    assert!(message.contains("search.messages is false"), "{message}");
    let begun = rebuild(&server, "").await;
    let expected = json!({ "begun": { "people": true, "messages": null } });
    assert_eq!(begun, (200, expected));
    let said = printed(&world, &server, &["status"]).await;
    let last = "messages cannot be searched there: search.messages is false\n";
    assert!(said.ends_with(last), "{said}");
}
