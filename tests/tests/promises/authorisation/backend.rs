//! The backend API: every operation that the server's own document lists, for everyone there is, and by
//! every caller there is.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tidings_protocol::ErrorCode;
use tidings_tests::{
    Server, Session, Way, World,
    http::{self, Answer},
    token::{self, now_ms},
};
use uuid::Uuid;

use super::{LAST, MEMBERS, MODERATORS, OWNERS, PEOPLE, end_of_log, everyone, own, stage, victim};

on_both_logs! {
    the_api_answers_everyone_as_they_deserve,
}

/// Every scope there is; each has a key of its own.
const SCOPES: [&str; 11] = [
    "tokens",
    "users",
    "conversations",
    "messages",
    "moderation",
    "notifications",
    "events",
    "feed",
    "commands",
    "import",
    "operate",
];

fn key_of(scope: &str) -> String {
    format!("a key of the tests that is for {scope} only")
}

/// Gives a world a key for each scope.
fn with_keys(mut world: World) -> World {
    for scope in SCOPES {
        let file = world.folder.path().join(format!("{scope}.key"));
        std::fs::write(&file, key_of(scope)).unwrap();
        world.messages(&format!(
            "[[auth.api_keys]]\nname = \"{scope}\"\nfile = {file:?}\nscopes = [\"{scope}\"]\n"
        ));
    }
    world
}

/// Everybody may.
const ANYONE: [&str; 6] = ["accepted"; 6];
/// Who has left goes on reading what they have seen.
const READERS: [&str; 6] = [
    "accepted",
    "accepted",
    "accepted",
    "accepted",
    "accepted",
    "not_found",
];

/// An operation as the document has it, with the scope it takes; what is asked in somebody's name of a
/// group, as path and body; and what owner, moderator, member, left, removed and stranger are answered.
struct Row(
    &'static str,
    &'static str,
    fn(&str, Uuid) -> (String, Value),
    [&'static str; 6],
);

fn of_group(group: Uuid, rest: &str, who: &str) -> String {
    format!("/v1/conversations/{group}{rest}?as={who}")
}

const ROWS: &[Row] = &[
    Row(
        "POST /v1/users/{user}/tokens",
        "tokens",
        |who, _| (format!("/v1/users/{who}/tokens"), json!({ "ttl_s": 60 })),
        ANYONE,
    ),
    Row(
        "GET /v1/users/{user}/conversations",
        "users",
        |who, _| (format!("/v1/users/{who}/conversations"), Value::Null),
        ANYONE,
    ),
    Row(
        "GET /v1/users/{user}/unread",
        "users",
        |who, _| (format!("/v1/users/{who}/unread"), Value::Null),
        ANYONE,
    ),
    Row(
        "GET /v1/users/{user}/blocks",
        "users",
        |who, _| (format!("/v1/users/{who}/blocks"), Value::Null),
        ANYONE,
    ),
    Row(
        "PUT /v1/users/{user}/blocks/{other}",
        "users",
        |who, _| (format!("/v1/users/{who}/blocks/mallory"), Value::Null),
        ANYONE,
    ),
    Row(
        "DELETE /v1/users/{user}/blocks/{other}",
        "users",
        |who, _| (format!("/v1/users/{who}/blocks/mallory"), Value::Null),
        ANYONE,
    ),
    Row(
        "GET /v1/users/{user}/contacts",
        "users",
        |who, _| (format!("/v1/users/{who}/contacts"), Value::Null),
        ANYONE,
    ),
    Row(
        "PUT /v1/users/{user}/contacts/{other}",
        "users",
        |who, _| (format!("/v1/users/{who}/contacts/mallory"), Value::Null),
        ANYONE,
    ),
    Row(
        "DELETE /v1/users/{user}/contacts/{other}",
        "users",
        |who, _| (format!("/v1/users/{who}/contacts/mallory"), Value::Null),
        ANYONE,
    ),
    Row(
        "GET /v1/users/{user}/presence",
        "users",
        |who, _| (format!("/v1/users/{who}/presence"), Value::Null),
        ANYONE,
    ),
    Row(
        "POST /v1/presence",
        "users",
        |who, _| ("/v1/presence".to_owned(), json!({ "users": [who] })),
        ANYONE,
    ),
    Row(
        "PUT /v1/users/{user}/presence",
        "users",
        |who, _| {
            let body = json!({ "state": "away" });
            (format!("/v1/users/{who}/presence"), body)
        },
        ANYONE,
    ),
    Row(
        "PUT /v1/users/{user}/visibility",
        "users",
        |who, _| {
            let body = json!({ "invisible": false });
            (format!("/v1/users/{who}/visibility"), body)
        },
        ANYONE,
    ),
    Row(
        "PUT /v1/conversations/direct",
        "conversations",
        |who, _| {
            let body = json!({ "users": [who, "somebody"] });
            ("/v1/conversations/direct".to_owned(), body)
        },
        ANYONE,
    ),
    Row(
        "POST /v1/conversations/groups",
        "conversations",
        |who, _| {
            let body = json!({ "owner": who, "members": ["somebody"] });
            ("/v1/conversations/groups".to_owned(), body)
        },
        ANYONE,
    ),
    Row(
        "GET /v1/conversations/{conversation}",
        "conversations",
        |who, g| (of_group(g, "", who), Value::Null),
        READERS,
    ),
    Row(
        "GET /v1/conversations/{conversation}/members",
        "conversations",
        |who, g| (of_group(g, "/members", who), Value::Null),
        MEMBERS,
    ),
    Row(
        "POST /v1/conversations/{conversation}/members",
        "conversations",
        |who, g| {
            let body = json!({ "users": [format!("new-of-{who}")] });
            (of_group(g, "/members", who), body)
        },
        MODERATORS,
    ),
    Row(
        "DELETE /v1/conversations/{conversation}/members/{user}",
        "conversations",
        |who, g| {
            let rest = format!("/members/{}", victim(who));
            (of_group(g, &rest, who), Value::Null)
        },
        MODERATORS,
    ),
    // Oneself: that is leaving.
    Row(
        "DELETE /v1/conversations/{conversation}/members/{user}",
        "conversations",
        |who, g| {
            let rest = format!("/members/{who}");
            (of_group(g, &rest, who), Value::Null)
        },
        [
            "last_owner",
            "accepted",
            "accepted",
            "not_member",
            "not_member",
            "not_found",
        ],
    ),
    Row(
        "PUT /v1/conversations/{conversation}/members/{user}/role",
        "conversations",
        |who, g| {
            let rest = format!("/members/{}/role", victim(who));
            (of_group(g, &rest, who), json!({ "role": "moderator" }))
        },
        OWNERS,
    ),
    Row(
        "PUT /v1/conversations/{conversation}/title",
        "conversations",
        |who, g| (of_group(g, "/title", who), json!({ "title": who })),
        MODERATORS,
    ),
    Row(
        "POST /v1/conversations/{conversation}/messages",
        "messages",
        |who, g| (of_group(g, "/messages", who), json!({ "text": who })),
        MEMBERS,
    ),
    Row(
        "GET /v1/conversations/{conversation}/messages",
        "messages",
        |who, g| (of_group(g, "/messages", who), Value::Null),
        READERS,
    ),
    Row(
        "GET /v1/conversations/{conversation}/messages/{seq}",
        "messages",
        |who, g| (of_group(g, "/messages/1", who), Value::Null),
        READERS,
    ),
    // What was said after somebody had left.
    Row(
        "GET /v1/conversations/{conversation}/messages/{seq}",
        "messages",
        |who, g| (of_group(g, &format!("/messages/{LAST}"), who), Value::Null),
        [
            "accepted",
            "accepted",
            "accepted",
            "not_found",
            "not_found",
            "not_found",
        ],
    ),
    Row(
        "PUT /v1/conversations/{conversation}/messages/{seq}",
        "messages",
        |who, g| {
            let rest = format!("/messages/{}", own(who));
            (of_group(g, &rest, who), json!({ "text": "edited" }))
        },
        MEMBERS,
    ),
    // Another's.
    Row(
        "PUT /v1/conversations/{conversation}/messages/{seq}",
        "messages",
        |who, g| {
            let rest = format!("/messages/{}", own(who) % 3 + 1);
            (of_group(g, &rest, who), json!({ "text": "edited" }))
        },
        [
            "forbidden",
            "forbidden",
            "forbidden",
            "not_member",
            "not_member",
            "not_found",
        ],
    ),
    Row(
        "DELETE /v1/conversations/{conversation}/messages/{seq}",
        "messages",
        |who, g| {
            let rest = format!("/messages/{}", own(who));
            (of_group(g, &rest, who), Value::Null)
        },
        MEMBERS,
    ),
    // Another's.
    Row(
        "DELETE /v1/conversations/{conversation}/messages/{seq}",
        "messages",
        |who, g| {
            let rest = format!("/messages/{}", own(who) % 3 + 1);
            (of_group(g, &rest, who), Value::Null)
        },
        MODERATORS,
    ),
    Row(
        "PUT /v1/conversations/{conversation}/messages/{seq}/reactions/{reaction}",
        "messages",
        |who, g| {
            let rest = format!("/messages/{LAST}/reactions/x");
            (of_group(g, &rest, who), Value::Null)
        },
        MEMBERS,
    ),
    Row(
        "DELETE /v1/conversations/{conversation}/messages/{seq}/reactions/{reaction}",
        "messages",
        |who, g| {
            let rest = format!("/messages/{LAST}/reactions/x");
            (of_group(g, &rest, who), Value::Null)
        },
        MEMBERS,
    ),
    Row(
        "POST /v1/events",
        "events",
        |who, _| {
            let fact = json!({ "kind": "profile.viewed", "actor": who, "subject": "somebody" });
            ("/v1/events".to_owned(), json!({ "events": [fact] }))
        },
        ANYONE,
    ),
    Row(
        "PUT /v1/users/{user}/profile",
        "users",
        |who, _| {
            let body = json!({ "attributes": {} });
            (format!("/v1/users/{who}/profile"), body)
        },
        ANYONE,
    ),
    Row(
        "GET /v1/users/{user}/profile",
        "users",
        |who, _| (format!("/v1/users/{who}/profile"), Value::Null),
        ANYONE,
    ),
    Row(
        "DELETE /v1/users/{user}/profile",
        "users",
        |who, _| (format!("/v1/users/{who}/profile"), Value::Null),
        ANYONE,
    ),
    Row(
        "POST /v1/profiles",
        "users",
        |_, _| {
            let profile = json!({ "user": "somebody", "attributes": {} });
            ("/v1/profiles".to_owned(), json!({ "profiles": [profile] }))
        },
        ANYONE,
    ),
    Row(
        "POST /v1/search/people",
        "users",
        |who, _| ("/v1/search/people".to_owned(), json!({ "as": who })),
        ANYONE,
    ),
    Row(
        "GET /v1/search/attributes",
        "users",
        |_, _| ("/v1/search/attributes".to_owned(), Value::Null),
        ANYONE,
    ),
    Row(
        "POST /v1/search/messages",
        "messages",
        |who, _| ("/v1/search/messages".to_owned(), json!({ "as": who })),
        ANYONE,
    ),
    Row(
        "GET /v1/extensions",
        "operate",
        |_, _| ("/v1/extensions".to_owned(), Value::Null),
        ANYONE,
    ),
    Row(
        "POST /v1/extensions",
        "operate",
        |_, _| ("/v1/extensions".to_owned(), json!({ "no": "component" })),
        ["invalid"; 6],
    ),
    Row(
        "GET /v1/extensions/{extension}/versions/{version}",
        "operate",
        |_, _| ("/v1/extensions/x/versions/1.0.0".to_owned(), Value::Null),
        ["not_found"; 6],
    ),
    Row(
        "DELETE /v1/extensions/{extension}/versions/{version}",
        "operate",
        |_, _| ("/v1/extensions/x/versions/1.0.0".to_owned(), Value::Null),
        ["not_found"; 6],
    ),
    Row(
        "PUT /v1/extensions/{extension}/active",
        "operate",
        |_, _| {
            let body = json!({ "version": "1.0.0" });
            ("/v1/extensions/x/active".to_owned(), body)
        },
        ["not_found"; 6],
    ),
    Row(
        "DELETE /v1/extensions/{extension}/active",
        "operate",
        |_, _| ("/v1/extensions/x/active".to_owned(), Value::Null),
        ["not_found"; 6],
    ),
    Row(
        "POST /v1/extensions/{extension}/rollback",
        "operate",
        |_, _| ("/v1/extensions/x/rollback".to_owned(), Value::Null),
        ["not_found"; 6],
    ),
    Row(
        "POST /v1/extensions/{extension}/backfill",
        "operate",
        |_, _| ("/v1/extensions/x/backfill".to_owned(), json!({})),
        ["not_found"; 6],
    ),
    Row(
        "POST /v1/extensions/{extension}/commands/{command}",
        "commands",
        |who, _| {
            let body = json!({ "as": who });
            ("/v1/extensions/x/commands/y".to_owned(), body)
        },
        ["not_found"; 6],
    ),
    Row(
        "GET /v1/feed",
        "feed",
        |_, _| ("/v1/feed".to_owned(), Value::Null),
        ANYONE,
    ),
    Row(
        "GET /v1/extensions/{extension}/logs",
        "operate",
        |_, _| ("/v1/extensions/x/logs".to_owned(), Value::Null),
        ["not_found"; 6],
    ),
    Row(
        "GET /v1/extensions/{extension}/waiting",
        "operate",
        |_, _| ("/v1/extensions/x/waiting".to_owned(), Value::Null),
        ["not_found"; 6],
    ),
    Row(
        "POST /v1/extensions/{extension}/waiting/retry",
        "operate",
        |_, _| ("/v1/extensions/x/waiting/retry".to_owned(), json!({})),
        ["not_found"; 6],
    ),
    Row(
        "POST /v1/extensions/{extension}/waiting/forget",
        "operate",
        |_, _| ("/v1/extensions/x/waiting/forget".to_owned(), json!({})),
        ["not_found"; 6],
    ),
    Row(
        "GET /v1/messages/{message}/reviews",
        "moderation",
        |_, g| {
            let nobodys = "018f0000-0000-7000-8000-000000000000";
            (format!("/v1/messages/{g}.{nobodys}/reviews"), Value::Null)
        },
        ["not_found"; 6],
    ),
    Row(
        "GET /v1/conversations/{conversation}/messages/{seq}/reviews",
        "moderation",
        |_, g| {
            (
                format!("/v1/conversations/{g}/messages/700/reviews"),
                Value::Null,
            )
        },
        ["not_found"; 6],
    ),
    Row(
        "GET /v1/held",
        "moderation",
        |_, _| ("/v1/held".to_owned(), Value::Null),
        ANYONE,
    ),
    Row(
        "PUT /v1/conversations/{conversation}/held/{held}",
        "moderation",
        |_, g| {
            let path = format!("/v1/conversations/{g}/held/7");
            (path, json!({ "release": true }))
        },
        ["not_found"; 6],
    ),
    Row(
        "POST /v1/users/{user}/toasts",
        "notifications",
        |who, _| {
            let body = json!({ "title": "Welcome" });
            (format!("/v1/users/{who}/toasts"), body)
        },
        ANYONE,
    ),
    Row(
        "GET /v1/users/{user}/notifications",
        "notifications",
        |who, _| (format!("/v1/users/{who}/notifications"), Value::Null),
        ANYONE,
    ),
    Row(
        "PUT /v1/users/{user}/badges/{name}",
        "notifications",
        |who, _| {
            let body = json!({ "count": 3 });
            (format!("/v1/users/{who}/badges/offers"), body)
        },
        ANYONE,
    ),
    Row(
        "GET /v1/search/status",
        "operate",
        |_, _| ("/v1/search/status".to_owned(), Value::Null),
        ANYONE,
    ),
    Row(
        "POST /v1/search/rebuild",
        "operate",
        |_, _| ("/v1/search/rebuild".to_owned(), Value::Null),
        ANYONE,
    ),
    // Last, for nobody is there any more.
    Row(
        "DELETE /v1/users/{user}",
        "operate",
        |who, _| (format!("/v1/users/{who}"), Value::Null),
        ANYONE,
    ),
];

/// Asks, and gives back status and code, `accepted` where there is none.
async fn call(
    server: &Server,
    bearer: Option<&str>,
    operation: &str,
    (path, body): &(String, Value),
) -> (Answer, String) {
    let (method, _) = operation.split_once(' ').unwrap();
    let bearer = bearer.map(|bearer| format!("Bearer {bearer}"));
    let headers: Vec<_> = bearer
        .iter()
        .map(|bearer| ("Authorization", bearer.as_str()))
        .collect();
    let body = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    let answer = http::request(server, method, path, &headers, body.as_bytes()).await;
    let said: Value = serde_json::from_str(&answer.body)
        .unwrap_or_else(|error| panic!("{operation}: {error}: {answer:?}"));
    let code = match answer.status {
        200 => "accepted",
        _ => said["code"].as_str().unwrap_or("no code"),
    };
    let code = code.to_owned();
    (answer, code)
}

/// The status of a code, as docs/api.md has it.
fn status(code: &str) -> u16 {
    let Some(code) = ErrorCode::from_name(code) else {
        return 200;
    };
    match code {
        ErrorCode::Invalid | ErrorCode::UnknownRequest | ErrorCode::NotReady => 400,
        ErrorCode::Unauthenticated => 401,
        ErrorCode::NotMember | ErrorCode::Forbidden | ErrorCode::BlockedByYou => 403,
        ErrorCode::NotFound => 404,
        ErrorCode::Retracted
        | ErrorCode::Full
        | ErrorCode::LastOwner
        | ErrorCode::WrongKind
        | ErrorCode::Rejected
        | ErrorCode::TooOld
        | ErrorCode::CommandIdReused => 409,
        ErrorCode::TooLarge => 413,
        ErrorCode::RateLimited => 429,
        ErrorCode::Internal => 500,
        ErrorCode::Unavailable => 503,
    }
}

async fn the_api_answers_everyone_as_they_deserve(world: World) {
    let world = with_keys(world);
    let server = world.start().await;
    every_operation_has_a_row(&server).await;
    let mut people = Vec::new();
    for who in PEOPLE {
        people.push(Session::open(&server, Way::WebSocketProtobuf, who).await);
    }
    people[0]
        .command(tidings_tests::ask::block("blocked"))
        .await;
    let mut wrong = Vec::new();
    for Row(operation, scope, request, expected) in ROWS {
        let group = stage(&mut people).await.group;
        let key = key_of(scope);
        // Those who may least come first: what they ask changes nothing for the others.
        for (who, expected) in PEOPLE.iter().zip(everyone(*expected)).rev() {
            let request = request(who, group);
            let before = end_of_log(&server).await;
            let (answer, code) = call(&server, Some(&key), operation, &request).await;
            let recorded = end_of_log(&server).await != before;
            if (code.as_str(), answer.status) != (expected, status(expected)) {
                wrong.push(format!("{request:?} for {who}: {answer:?}, not {expected}"));
            }
            if recorded && (expected != "accepted" || operation.starts_with("GET ")) {
                wrong.push(format!("{request:?} for {who}: {expected}, and recorded"));
            }
        }
        // A stranger learns nothing, and a system account acts for whoever has a key, no token.
        let there = request("stranger", group);
        let nowhere = request("stranger", Uuid::now_v7());
        if there != nowhere {
            let (there, _) = call(&server, Some(&key), operation, &there).await;
            let (nowhere, _) = call(&server, Some(&key), operation, &nowhere).await;
            if there.body != nowhere.body || there.status != 404 {
                wrong.push(format!("{operation}: {there:?}, {nowhere:?}"));
            }
        }
        let token = token::with_scope("ops", &format!("tidings:{scope}"), now_ms() + 60_000);
        let before = end_of_log(&server).await;
        let in_a_name = request("ann", group) != request("eve", group);
        let request = request("system:shop", group);
        if !in_a_name {
            continue;
        }
        let (answer, code) = call(&server, Some(&token), operation, &request).await;
        if code != "forbidden" || end_of_log(&server).await != before {
            wrong.push(format!("{request:?} with a token: {answer:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// An operation that is added to the API fails here until it has a row, with its scope.
async fn every_operation_has_a_row(server: &Server) {
    let base = format!("http://{}", server.http);
    let document = http::get(&base, "/v1/openapi.json").await.unwrap();
    let document: Value = serde_json::from_str(&document).unwrap();
    let mut listed = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let scope = operation["tags"][0].as_str().unwrap().to_owned();
            listed.insert((format!("{} {path}", method.to_uppercase()), scope));
        }
    }
    let rows: BTreeSet<_> = ROWS
        .iter()
        .map(|Row(operation, scope, ..)| (operation.to_string(), scope.to_string()))
        .collect();
    assert_eq!(rows, listed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_takes_the_scope_it_says_and_no_other() {
    let world = with_keys(World::embedded());
    let server = world.start().await;
    let mut people = Vec::new();
    for who in PEOPLE {
        people.push(Session::open(&server, Way::WebSocketProtobuf, who).await);
    }
    let token = |scope: &str| token::with_scope("ops", scope, now_ms() + 60_000);
    let expired = |scope: &str| token::with_scope("ops", scope, now_ms() - 60_000);
    let mut wrong = Vec::new();
    for Row(operation, scope, request, _) in ROWS {
        let group = stage(&mut people).await.group;
        let request = request("owner", group);
        let before = end_of_log(&server).await;
        let own = format!("tidings:{scope}");
        let unknown = [
            None,
            Some(String::new()),
            Some("dev:owner".to_owned()),
            Some(key_of(scope)[1..].to_owned()),
            Some(key_of(scope) + "x"),
            Some(expired(&own)),
            Some(token::sign(
                "a secret that is not the server's own",
                "ops",
                now_ms() + 60_000,
            )),
        ];
        for bearer in &unknown {
            let (answer, code) = call(&server, bearer.as_deref(), operation, &request).await;
            let challenged = answer.header("www-authenticate") == Some("Bearer");
            if (answer.status, code.as_str()) != (401, "unauthenticated") || !challenged {
                wrong.push(format!("{operation} with {bearer:?}: {answer:?}"));
            }
        }
        let others = SCOPES.iter().filter(|other| *other != scope);
        let lacking = others
            .flat_map(|other| [key_of(other), token(&format!("tidings:{other}"))])
            // A user's own token, and one whose scope is another program's of that name.
            .chain([token(""), token(scope), token(&format!("not-{own}"))]);
        for bearer in lacking {
            let (answer, code) = call(&server, Some(&bearer), operation, &request).await;
            let named = answer.body.contains(scope);
            if (answer.status, code.as_str()) != (403, "forbidden") || !named {
                wrong.push(format!("{operation} with {bearer:?}: {answer:?}"));
            }
        }
        if end_of_log(&server).await != before {
            wrong.push(format!("{operation}: something was recorded"));
        }
        // Each is let through; what the first did the second cannot always do again.
        for bearer in [key_of(scope), token(&format!("chat {own}"))] {
            let (answer, _) = call(&server, Some(&bearer), operation, &request).await;
            if answer.status == 401 || answer.body.contains("scope") {
                wrong.push(format!("{operation} with {bearer:?}: {answer:?}"));
            }
        }
    }
    // Imports are no operation of the document; they answer in words.
    for method in ["GET", "POST"] {
        let ask = async |bearer: &str| {
            let bearer = format!("Bearer {bearer}");
            let headers = [("Authorization", bearer.as_str())];
            http::request(&server, method, "/v1/import", &headers, b"")
                .await
                .status
        };
        for scope in SCOPES {
            let expected = if scope == "import" { 200 } else { 403 };
            for bearer in [key_of(scope), token(&format!("tidings:{scope}"))] {
                let status = ask(&bearer).await;
                if status != expected {
                    wrong.push(format!("{method} /v1/import with {scope}: {status}"));
                }
            }
        }
        for bearer in ["", "x", &expired("tidings:import")] {
            let status = ask(bearer).await;
            if status != 401 {
                wrong.push(format!("{method} /v1/import with {bearer:?}: {status}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
