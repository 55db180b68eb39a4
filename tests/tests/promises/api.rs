//! The backend API: what the product's own programs do for its users, once, and no more than they may.

use std::{path::PathBuf, process::Command};

use serde_json::{Value, json};
use tidings_protocol::event::Kind;
use tidings_tests::{
    Server, Session, Way, World, ask,
    http::{self, Answer},
    server::program,
    session::Raw,
    token::{self, now_ms},
    wait,
};
use uuid::Uuid;

on_both_logs! {
    a_heartbeat_keeps_somebody_here_without_a_connection,
    a_message_posted_by_a_backend_reaches_its_reader,
    everything_in_a_conversation_can_be_done,
    users_are_served,
    what_is_sent_again_is_done_once,
    facts_are_recorded,
}

/// A key that may do everything, and one that may only record facts.
const KEY: &str = "an api key of the tests, 32 bytes or more";
const EVENTS_KEY: &str = "another api key, which records facts only";

/// Gives a world the two keys.
fn with_keys(mut world: World) -> World {
    let file = |name: &str, key: &str| {
        let path = world.folder.path().join(name);
        std::fs::write(&path, format!("{key}\n")).unwrap();
        path
    };
    let all = file("backend.key", KEY);
    let events = file("events.key", EVENTS_KEY);
    // The last table of the configuration: others may follow it.
    world.messages(&format!(
        "[[auth.api_keys]]\nname = \"backend\"\nfile = {all:?}\n\
         scopes = [\"tokens\", \"users\", \"conversations\", \"messages\", \"moderation\", \"notifications\", \"events\", \"feed\", \"commands\", \"import\", \"operate\"]\n\
         [[auth.api_keys]]\nname = \"facts\"\nfile = {events:?}\nscopes = [\"events\"]\n"
    ));
    world
}

/// A caller of the API.
#[derive(Clone)]
struct Caller<'a> {
    server: &'a Server,
    bearer: String,
    key: Option<&'a str>,
}

fn backend(server: &Server) -> Caller<'_> {
    Caller {
        server,
        bearer: KEY.to_owned(),
        key: None,
    }
}

impl<'a> Caller<'a> {
    /// The same with an idempotency key.
    fn under(&self, key: &'a str) -> Caller<'a> {
        Caller {
            key: Some(key),
            ..self.clone()
        }
    }

    fn bearing(&self, bearer: &str) -> Caller<'a> {
        Caller {
            bearer: bearer.to_owned(),
            ..self.clone()
        }
    }

    async fn raw(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        let bearer = format!("Bearer {}", self.bearer);
        let mut headers = vec![("Authorization", bearer.as_str())];
        headers.extend(self.key.map(|key| ("Idempotency-Key", key)));
        http::request(self.server, method, path, &headers, body).await
    }

    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let answer = self.raw(method, path, body.as_bytes()).await;
        let said = serde_json::from_str(&answer.body);
        (
            answer.status,
            said.unwrap_or_else(|error| panic!("{method} {path}: {error}: {answer:?}")),
        )
    }

    async fn get(&self, path: &str) -> Value {
        let (status, said) = self.ask("GET", path, None).await;
        assert_eq!(status, 200, "GET {path}: {said}");
        said
    }

    async fn done(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let (status, said) = self.ask(method, path, body).await;
        assert_eq!(status, 200, "{method} {path}: {said}");
        assert!(said["position"].as_u64().unwrap() > 0, "{said}");
        said
    }

    /// A request that is to be refused, as (status, code, message).
    async fn refused(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> (u16, String, String) {
        let (status, said) = self.ask(method, path, body).await;
        assert_ne!(status, 200, "{method} {path}: {said}");
        let text = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
        assert!(!text("message").is_empty(), "{said}");
        assert!(
            said["retry"].is_boolean() && said["retry_after_ms"].is_u64(),
            "{said}"
        );
        (status, text("code"), text("message"))
    }

    /// The direct conversation of two.
    async fn direct(&self, one: &str, other: &str) -> String {
        let body = json!({ "users": [one, other] });
        let said = self
            .done("PUT", "/v1/conversations/direct", Some(body))
            .await;
        said["conversation"].as_str().unwrap().to_owned()
    }

    async fn post(&self, conversation: &str, user: &str, text: &str) -> Value {
        let path = format!("/v1/conversations/{conversation}/messages?as={user}");
        self.done("POST", &path, Some(json!({ "text": text })))
            .await
    }

    /// Texts of a conversation as a member reads them, at a position.
    async fn texts(&self, conversation: &str, user: &str, at_least: &Value) -> Vec<String> {
        let path =
            format!("/v1/conversations/{conversation}/messages?as={user}&at_least={at_least}");
        let page = self.get(&path).await;
        let messages = page["messages"].as_array().unwrap();
        messages
            .iter()
            .map(|message| message["text"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// Stops the server and looks whether what it leaves is sound.
async fn is_sound(world: &World, server: Server) {
    server.terminate();
    assert!(server.ended().await.success());
    for tool in [["log", "verify"], ["projections", "audit"]] {
        let output = world.tool(&tool);
        assert!(output.status.success(), "{tool:?}: {output:?}");
    }
}

async fn a_message_posted_by_a_backend_reaches_its_reader(world: World) {
    let world = with_keys(world);
    let server = world.start().await;
    let backend = backend(&server);
    let mut bob = Session::open(&server, Way::WebSocketJson, "bob").await;
    let conversation = backend.direct("alice", "bob").await;
    let posted = backend.post(&conversation, "alice", "Hello!").await;
    assert_eq!(
        (&posted["seq"], &posted["duplicate"]),
        (&json!(1), &json!(false))
    );
    let event = bob
        .event_where(|event| matches!(event.kind, Some(Kind::MessagePosted(_))))
        .await;
    assert_eq!(
        (event.actor.as_str(), json!(event.position)),
        ("alice", posted["position"].clone())
    );
    let texts = backend
        .texts(&conversation, "bob", &posted["position"])
        .await;
    assert_eq!(texts, ["Hello!"]);

    // A system account speaks through the same door, and nobody can log in as it.
    let notice = backend.direct("system:shop", "bob").await;
    let said = backend
        .post(&notice, "system:shop", "Your order is paid.")
        .await;
    let texts = backend.texts(&notice, "bob", &said["position"]).await;
    assert_eq!(texts, ["Your order is paid."]);
    let hello = ask::hello(&token::of("system:shop"));
    let closed = Raw::connect(&server, Way::QuicProtobuf)
        .await
        .hello(hello)
        .await;
    drop(bob);
    let closed = closed.err().unwrap();
    assert_eq!(closed.name(), "unauthenticated");
    assert!(closed.closing.unwrap().message.contains("system account"));
    is_sound(&world, server).await;
}

async fn everything_in_a_conversation_can_be_done(world: World) {
    let world = with_keys(world);
    let server = world.start().await;
    let backend = backend(&server);
    let group = json!({ "owner": "ann", "title": "Garden", "members": ["ben"] });
    let made = backend
        .done("POST", "/v1/conversations/groups", Some(group))
        .await;
    let id = made["conversation"].as_str().unwrap();
    let at = |rest: &str| format!("/v1/conversations/{id}{rest}");

    let added = json!({ "users": ["cas", "dan"] });
    backend
        .done("POST", &at("/members?as=ann"), Some(added))
        .await;
    backend
        .done("DELETE", &at("/members/dan?as=ann"), None)
        .await;
    let moderator = json!({ "role": "moderator" });
    backend
        .done("PUT", &at("/members/ben/role?as=ann"), Some(moderator))
        .await;
    let title = json!({ "title": "Gärten" });
    let last = backend.done("PUT", &at("/title?as=ben"), Some(title)).await;
    let path = at(&format!("?as=cas&at_least={}", last["position"]));
    let shown = backend.get(&path).await;
    assert_eq!(shown["title"], "Gärten");
    assert_eq!(
        (&shown["role"], &shown["member_count"]),
        (&json!("member"), &json!(3))
    );
    let members = backend.get(&at("/members?as=cas&limit=2")).await;
    assert_eq!(members["more"], true);
    let roles = |page: &Value| -> Vec<(String, String)> {
        let members = page["members"].as_array().unwrap().iter();
        let text = |member: &Value, name: &str| member[name].as_str().unwrap().to_owned();
        members
            .map(|member| (text(member, "user"), text(member, "role")))
            .collect()
    };
    let pair = |user: &str, role: &str| (user.to_owned(), role.to_owned());
    assert_eq!(
        roles(&members),
        [pair("ann", "owner"), pair("ben", "moderator")]
    );
    let rest = backend.get(&at("/members?as=cas&after=ben")).await;
    assert_eq!(
        (roles(&rest), &rest["more"]),
        (vec![pair("cas", "member")], &json!(false))
    );

    let long = "x".repeat(6_000);
    for text in ["one", "two", "three", long.as_str()] {
        backend.post(id, "cas", text).await;
    }
    let reply = json!({ "text": "@ann", "reply_to": 1, "mentions": ["ann"] });
    let said = backend
        .done("POST", &at("/messages?as=ben"), Some(reply))
        .await;
    assert_eq!(said["seq"], 5);
    let edit = json!({ "text": "zwei" });
    backend
        .done("PUT", &at("/messages/2?as=cas"), Some(edit))
        .await;
    backend
        .done("DELETE", &at("/messages/3?as=cas"), None)
        .await;
    backend
        .done(
            "PUT",
            &at("/messages/1/reactions/%F0%9F%8E%89?as=ann"),
            None,
        )
        .await;
    backend
        .done("PUT", &at("/messages/1/reactions/%2B1?as=ann"), None)
        .await;
    let last = backend
        .done("DELETE", &at("/messages/1/reactions/%2B1?as=ann"), None)
        .await;
    let first = backend
        .get(&at(&format!(
            "/messages/1?as=ann&at_least={}",
            last["position"]
        )))
        .await;
    assert_eq!(
        first["reactions"],
        json!([{ "reaction": "🎉", "count": 1, "mine": true }])
    );
    let page = |rest: &str| {
        let path = at(&format!("/messages?as=ann&{rest}"));
        let backend = &backend;
        async move {
            let page = backend.get(&path).await;
            let messages = page["messages"].as_array().unwrap();
            let seqs: Vec<u64> = messages
                .iter()
                .map(|m| m["seq"].as_u64().unwrap())
                .collect();
            (seqs, page["more"].as_bool().unwrap())
        }
    };
    assert_eq!(page("limit=2").await, (vec![4, 5], true));
    assert_eq!(page("before=4&limit=2").await, (vec![2, 3], true));
    assert_eq!(page("after=0&limit=3").await, (vec![1, 2, 3], true));
    assert_eq!(page("after=3").await, (vec![4, 5], false));
    let all = backend.get(&at("/messages?as=ann")).await;
    let all = &all["messages"];
    assert_eq!(all[1]["text"], "zwei");
    assert!(all[1]["edited_ms"].as_u64().unwrap() > 0);
    assert_eq!(
        (&all[2]["retracted"], &all[2]["text"]),
        (&json!(true), &json!(""))
    );
    assert_eq!(
        (&all[3]["stub"], &all[3]["text"]),
        (&json!(true), &json!(""))
    );
    assert_eq!(
        (&all[4]["reply_to"], &all[4]["mentions"]),
        (&json!(1), &json!(["ann"]))
    );
    assert_eq!(backend.get(&at("/messages/4?as=ann")).await["text"], *long);

    // Who is no member learns nothing, whoever asks for them; who has left is told so.
    let left = backend
        .done("DELETE", &at("/members/cas?as=cas"), None)
        .await;
    let (status, code, _) = backend
        .refused(
            "POST",
            &at("/messages?as=eve"),
            Some(json!({ "text": "let me in" })),
        )
        .await;
    assert_eq!((status, code.as_str()), (404, "not_found"));
    for path in [
        at("?as=eve"),
        at("/members?as=eve"),
        at("/messages?as=eve"),
        at("/messages/1?as=eve"),
    ] {
        let (status, code, _) = backend.refused("GET", &path, None).await;
        assert_eq!((status, code.as_str()), (404, "not_found"), "{path}");
    }
    let (status, code, _) = backend
        .refused(
            "POST",
            &at("/messages?as=cas"),
            Some(json!({ "text": "still here" })),
        )
        .await;
    assert_eq!((status, code.as_str()), (403, "not_member"));
    let forbidden = [
        (
            "PUT",
            at("/messages/1?as=ann"),
            Some(json!({ "text": "mine" })),
            403,
            "forbidden",
        ),
        ("DELETE", at("/members/ann?as=ben"), None, 403, "forbidden"),
        ("DELETE", at("/members/ann?as=ann"), None, 409, "last_owner"),
        (
            "PUT",
            at("/messages/3?as=cas"),
            Some(json!({ "text": "again" })),
            403,
            "not_member",
        ),
        (
            "PUT",
            at("/messages/99/reactions/x?as=ann"),
            None,
            404,
            "not_found",
        ),
        (
            "PUT",
            at("/members/ben/role?as=ann"),
            Some(json!({ "role": "king" })),
            400,
            "invalid",
        ),
        (
            "GET",
            at("/messages?as=ann&limit=201"),
            None,
            400,
            "invalid",
        ),
        (
            "GET",
            at("/messages?as=ann&before=2&after=1"),
            None,
            400,
            "invalid",
        ),
    ];
    for (method, path, body, status, code) in forbidden {
        let refused = backend.refused(method, &path, body).await;
        assert_eq!(
            (refused.0, refused.1.as_str()),
            (status, code),
            "{method} {path}: {refused:?}"
        );
    }
    let position = left["position"].as_u64().unwrap();
    let after = backend
        .get(&at(&format!("/messages?as=ann&at_least={position}")))
        .await;
    assert_eq!(
        after["messages"].as_array().unwrap().len(),
        5,
        "nothing was posted meanwhile"
    );
    is_sound(&world, server).await;
}

async fn users_are_served(world: World) {
    let world = with_keys(world);
    let server = world.start().await;
    let backend = backend(&server);
    let (status, made) = backend
        .ask(
            "POST",
            "/v1/users/j%C3%B6rg%20b/tokens",
            Some(json!({ "ttl_s": 60 })),
        )
        .await;
    assert_eq!(status, 200, "{made}");
    let expires_ms = made["expires_ms"].as_u64().unwrap();
    assert!(
        (now_ms()..now_ms() + 62_000).contains(&expires_ms),
        "{made}"
    );
    let hello = ask::hello(made["token"].as_str().unwrap());
    let session = Session::hello(&server, Way::WebSocketProtobuf, hello).await;
    assert_eq!(session.welcome.user, "jörg b");
    drop(session);

    let about = |context: &str| json!({ "users": ["ann", "ben"], "context": context });
    let path = "/v1/conversations/direct";
    let first = backend.done("PUT", path, Some(about("listing 1"))).await;
    let second = backend.done("PUT", path, Some(about("listing 2"))).await;
    let again = backend
        .done(
            "PUT",
            path,
            Some(json!({ "users": ["ben", "ann"], "context": "listing 1" })),
        )
        .await;
    assert_eq!(again["conversation"], first["conversation"]);
    assert_ne!(second["conversation"], first["conversation"]);
    let first = first["conversation"].as_str().unwrap();
    backend.post(first, "ann", "one").await;
    let last = backend.post(first, "ann", "two").await;
    let position = &last["position"];
    let unread = backend
        .get(&format!("/v1/users/ben/unread?at_least={position}"))
        .await;
    assert_eq!(unread["total"], 2);
    assert!(unread["position"].as_u64() >= position.as_u64());
    let list = backend
        .get(&format!(
            "/v1/users/ben/conversations?limit=1&at_least={position}"
        ))
        .await;
    assert_eq!(list["more"], true);
    let shown = &list["conversations"][0];
    assert_eq!(
        (&shown["peer"], &shown["context"]),
        (&json!("ann"), &json!("listing 1"))
    );
    assert_eq!(
        (&shown["unread"], &shown["last_message"]["text"]),
        (&json!(2), &json!("two"))
    );
    let before = &shown["activity_position"];
    let rest = backend
        .get(&format!("/v1/users/ben/conversations?before={before}"))
        .await;
    assert_eq!(rest["conversations"].as_array().unwrap().len(), 1);

    // A match makes two each other's contacts, whatever their apps do.
    let list = async |user: &str, position: &Value| {
        let path = format!("/v1/users/{user}/contacts?at_least={position}");
        let mut page = backend.get(&path).await;
        assert_eq!(page["more"], false);
        for contact in page["contacts"].as_array_mut().unwrap() {
            assert!(contact["at_ms"].take().as_u64() > Some(0));
        }
        page["contacts"].take()
    };
    let contact =
        |user: &str, state: &str| json!([{ "user": user, "state": state, "at_ms": null }]);
    let asked = backend
        .done("PUT", "/v1/users/ann/contacts/eve", None)
        .await;
    assert_eq!(
        list("eve", &asked["position"]).await,
        contact("ann", "asking")
    );
    let accepted = backend
        .done("PUT", "/v1/users/eve/contacts/ann", None)
        .await;
    assert_eq!(
        list("ann", &accepted["position"]).await,
        contact("eve", "contact")
    );
    let over = backend
        .done("DELETE", "/v1/users/eve/contacts/ann", None)
        .await;
    assert_eq!(list("ann", &over["position"]).await, json!([]));
    let refused = backend
        .refused("PUT", "/v1/users/ann/contacts/ann", None)
        .await;
    assert_eq!((refused.0, refused.1.as_str()), (400, "invalid"));

    // Ann blocks Ben: she cannot write to him, and what he writes does not count for her.
    let blocked = backend.done("PUT", "/v1/users/ann/blocks/ben", None).await;
    let list = backend
        .get(&format!(
            "/v1/users/ann/blocks?at_least={}",
            blocked["position"]
        ))
        .await;
    assert_eq!(list["users"], json!(["ben"]));
    let messages = format!("/v1/conversations/{first}/messages?as=ann");
    let refused = backend
        .refused("POST", &messages, Some(json!({ "text": "three" })))
        .await;
    assert_eq!((refused.0, refused.1.as_str()), (403, "blocked_by_you"));
    let refused = backend.refused("PUT", path, Some(about("listing 3"))).await;
    assert_eq!((refused.0, refused.1.as_str()), (403, "blocked_by_you"));
    let unheard = backend.post(first, "ben", "hello?").await;
    let unread = backend
        .get(&format!(
            "/v1/users/ann/unread?at_least={}",
            unheard["position"]
        ))
        .await;
    assert_eq!(unread["total"], 0);
    backend
        .done("DELETE", "/v1/users/ann/blocks/ben", None)
        .await;
    backend.post(first, "ann", "three").await;
    let refused = backend
        .refused("PUT", "/v1/users/ann/blocks/ann", None)
        .await;
    assert_eq!((refused.0, refused.1.as_str()), (400, "invalid"));
    is_sound(&world, server).await;
}

async fn what_is_sent_again_is_done_once(world: World) {
    let world = with_keys(world);
    let server = world.start().await;
    let first = backend(&server);
    let conversation = first.direct("ann", "ben").await;
    let messages = format!("/v1/conversations/{conversation}/messages?as=ann");
    let text = |text: &str| Some(json!({ "text": text }));
    let posted = first
        .under("order 7")
        .done("POST", &messages, text("paid"))
        .await;
    let again = first
        .under("order 7")
        .done("POST", &messages, text("paid"))
        .await;
    let group = json!({ "owner": "ann", "members": ["ben"] });
    let made = first
        .under("group 1")
        .done("POST", "/v1/conversations/groups", Some(group.clone()))
        .await;
    let facts = json!({ "events": [
        { "kind": "like", "actor": "ann", "subject": "ben", "key": "like ann ben" },
        { "kind": "match", "actor": "ann", "subject": "ben" },
    ] });
    let recorded = first
        .under("batch 1")
        .done("POST", "/v1/events", Some(facts.clone()))
        .await;
    server.kill();

    let server = world.start().await;
    let second = backend(&server);
    let after = second
        .under("order 7")
        .done("POST", &messages, text("paid"))
        .await;
    for again in [&again, &after] {
        assert_eq!(again["duplicate"], true);
        for field in ["position", "at_ms", "seq", "conversation"] {
            assert_eq!(again[field], posted[field], "{field}");
        }
    }
    let remade = second
        .under("group 1")
        .done("POST", "/v1/conversations/groups", Some(group))
        .await;
    assert_eq!(remade["conversation"], made["conversation"]);
    assert_eq!(remade["duplicate"], true);
    let anew = second
        .under("batch 1")
        .done("POST", "/v1/events", Some(facts))
        .await;
    for (was, is) in recorded["results"]
        .as_array()
        .unwrap()
        .iter()
        .zip(anew["results"].as_array().unwrap())
    {
        assert_eq!(
            (&was["duplicate"], &is["duplicate"]),
            (&json!(false), &json!(true))
        );
        assert_eq!(was["position"], is["position"]);
    }

    // Another text under the same key is another change; another user, or caller, has keys of their own.
    let refused = second
        .under("order 7")
        .refused("POST", &messages, text("refunded"))
        .await;
    assert_eq!((refused.0, refused.1.as_str()), (409, "command_id_reused"));
    let block = second
        .under("order 7")
        .refused("PUT", "/v1/users/ann/blocks/eve", None)
        .await;
    assert_eq!((block.0, block.1.as_str()), (409, "command_id_reused"));
    let bens = format!("/v1/conversations/{conversation}/messages?as=ben");
    let theirs = second
        .under("order 7")
        .done("POST", &bens, text("paid"))
        .await;
    let operator = token::with_scope("ops", "tidings:messages", now_ms() + 60_000);
    let others = second
        .bearing(&operator)
        .under("order 7")
        .done("POST", &messages, text("paid"))
        .await;
    // Without a key each is a change of its own.
    let free = second.post(&conversation, "ann", "paid").await;
    let last = second.post(&conversation, "ann", "paid").await;
    let seqs = [&theirs, &others, &free, &last].map(|said| said["seq"].as_u64().unwrap());
    assert_eq!(seqs, [2, 3, 4, 5]);
    let texts = second.texts(&conversation, "ben", &last["position"]).await;
    assert_eq!(texts, ["paid"; 5]);
    is_sound(&world, server).await;
}

async fn facts_are_recorded(world: World) {
    let world = with_keys(world);
    let server = world.start().await;
    let facts = backend(&server).bearing(EVENTS_KEY);
    let mut ben = Session::open(&server, Way::WebSocketJson, "ben").await;
    let secret = "what only the product knows";
    let batch = json!({ "events": [
        { "kind": "profile.viewed", "actor": "ann", "subject": "ben", "at_ms": 1_700_000_000_000_u64,
          "payload": { "note": secret, "times": 3 } },
        { "kind": "order_paid", "actor": "system:shop", "subject": "ann" },
    ] });
    let recorded = facts.done("POST", "/v1/events", Some(batch)).await;
    let results = recorded["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    assert_eq!(results[0]["at_ms"], 1_700_000_000_000_u64);

    // Looking shows that somebody is here.
    let mut shy = Session::open(&server, Way::WebSocketJson, "shy").await;
    shy.command(ask::invisible(true)).await;
    let seen = |key: &str| {
        let fact = |kind: &str| json!({ "kind": kind, "actor": "shy", "subject": "ben", "key": format!("{kind} {key}") });
        let mut view = fact("profile.viewed");
        view["unless_invisible"] = json!(true);
        json!({ "events": [view, fact("like")] })
    };
    let said = facts.done("POST", "/v1/events", Some(seen("1"))).await;
    assert_eq!(said["results"][0], json!({ "left_out": "invisible" }));
    assert!(said["results"][1]["position"].as_u64() > Some(0), "{said}");
    shy.command(ask::invisible(false)).await;
    let said = facts.done("POST", "/v1/events", Some(seen("2"))).await;
    assert!(said["results"][0]["position"].as_u64() > Some(0), "{said}");

    let object = |payload: Value| {
        json!({ "events": [
        { "kind": "x", "actor": "a", "subject": "b", "payload": payload },
    ] })
    };
    let biggest = object(json!({ "x": "y".repeat(4096 - 8) }));
    facts.done("POST", "/v1/events", Some(biggest)).await;
    let one = |change: &dyn Fn(&mut Value)| {
        let good = json!({ "kind": "like", "actor": "ann", "subject": "ben" });
        let mut bad = good.clone();
        change(&mut bad);
        Some(json!({ "events": [good, bad] }))
    };
    let head = printed(&world, &["log", "stats"]);
    let far = now_ms() + 3 * 24 * 3_600_000;
    let refused = [
        (
            one(&|fact| fact["kind"] = json!("Like")),
            "events[1]: kind is \"Like\"",
        ),
        (one(&|fact| fact["kind"] = json!("")), "events[1]: kind is"),
        (
            one(&|fact| fact["kind"] = json!("x".repeat(65))),
            "events[1]: kind is",
        ),
        (
            one(&|fact| fact["actor"] = json!("")),
            "events[1]: a user id has 1 to 128 bytes",
        ),
        (
            one(&|fact| fact["subject"] = json!("a\nb")),
            "events[1]: a user id holds no control",
        ),
        (
            one(&|fact| fact["payload"] = json!([1])),
            "body: invalid type: sequence",
        ),
        (
            one(&|fact| fact["key"] = json!("")),
            "events[1]: key is to have 1 to 128 bytes",
        ),
        (
            one(&|fact| fact["at_ms"] = json!(far)),
            "events[1]: at_ms is",
        ),
        (
            one(&|fact| fact["shape"] = json!(1)),
            "body: unknown field `shape`",
        ),
        (Some(json!({ "events": [] })), "0 events: send 1 to 500"),
        (Some(json!({})), "body: missing field `events`"),
        (
            Some(
                json!({ "events": vec![json!({ "kind": "x", "actor": "a", "subject": "b" }); 501] }),
            ),
            "501 events",
        ),
    ];
    for (body, message) in refused {
        let (status, code, said) = facts.refused("POST", "/v1/events", body).await;
        assert_eq!((status, code.as_str()), (400, "invalid"), "{said}");
        assert!(said.starts_with(message), "{said}");
    }
    let large = object(json!({ "x": "y".repeat(4096 - 7) }));
    let (status, code, _) = facts.refused("POST", "/v1/events", Some(large)).await;
    assert_eq!((status, code.as_str()), (413, "too_large"));
    assert_eq!(
        printed(&world, &["log", "stats"]),
        head,
        "nothing half-done"
    );
    // One that is refused when it is carried out is named; the others stay.
    let reused = |kind: &str| {
        json!({ "events": [
        { "kind": "fine", "actor": "ann", "subject": "ben" },
        { "kind": kind, "actor": "ann", "subject": "ben", "key": "k" },
    ] })
    };
    facts.done("POST", "/v1/events", Some(reused("like"))).await;
    let (status, said) = facts.ask("POST", "/v1/events", Some(reused("match"))).await;
    assert_eq!(
        (status, said["code"].as_str()),
        (409, Some("command_id_reused")),
        "{said}"
    );
    assert!(
        said["message"].as_str().unwrap().starts_with("events[1]: "),
        "{said}"
    );
    assert_eq!(said["results"][0]["duplicate"], false);
    assert_eq!(said["results"][1]["error"]["code"], "command_id_reused");

    // Nobody is told of it: what Ben hears of is a conversation.
    let mut ann = Session::open(&server, Way::WebSocketJson, "ann").await;
    ann.start(ask::direct("ben")).await;
    let heard = ben.event().await;
    assert!(
        matches!(heard.kind, Some(Kind::ConversationAdded(_))),
        "{heard:?}"
    );
    drop((ann, ben));

    // The log has it, sealed.
    let position = recorded["results"][0]["position"].as_u64().unwrap();
    let after = (position - 1).to_string();
    let tail = printed(&world, &["log", "tail", "--after", &after]);
    let line = tail
        .lines()
        .find(|line| line.contains("user ben"))
        .unwrap_or_default();
    assert!(
        line.contains("app_event_recorded by ann kind=profile.viewed payload_bytes="),
        "{tail}"
    );
    assert!(!tail.contains(secret));
    if matches!(world.log, tidings_tests::Log::Embedded) {
        for entry in std::fs::read_dir(world.data.join("log")).unwrap() {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap_or_default();
            let found = bytes
                .windows(secret.len())
                .any(|part| part == secret.as_bytes());
            assert!(!found, "{}", path.display());
        }
    }
    is_sound(&world, server).await;
}

/// What a tool prints, once it has succeeded.
fn printed(world: &World, tool: &[&str]) -> String {
    let output = world.tool(tool);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool:?}: {said}{errors}");
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_server_wrote_another_reads_and_recognises() {
    let world = with_keys(World::jetstream().await);
    let first = world.start().await;
    let other = world.twin();
    let second = other.start().await;
    let (here, there) = (backend(&first), backend(&second));
    let conversation = here.direct("ann", "ben").await;
    let messages = format!("/v1/conversations/{conversation}/messages?as=ann");
    let mut said = Vec::new();
    for n in 0..10 {
        let key = format!("message {n}");
        let text = Some(json!({ "text": key }));
        let caller = here.under(&key);
        let posted = caller.done("POST", &messages, text.clone()).await;
        said.push(key.clone());
        let texts = there.texts(&conversation, "ben", &posted["position"]).await;
        assert_eq!(texts, said);
        let again = there.under(&key).done("POST", &messages, text).await;
        assert_eq!(
            (&again["duplicate"], &again["position"], &again["seq"]),
            (&json!(true), &posted["position"], &posted["seq"])
        );
    }
    second.kill();
    is_sound(&world, first).await;
}

/// An endpoint of each sort that there is: method, path, scope.
const ENDPOINTS: [(&str, &str, &str); 59] = [
    ("GET", "/v1/messages/x/reviews", "moderation"),
    ("GET", "/v1/extensions/x/waiting", "operate"),
    ("POST", "/v1/extensions/x/waiting/retry", "operate"),
    ("POST", "/v1/extensions/x/waiting/forget", "operate"),
    ("POST", "/v1/users/ann/tokens", "tokens"),
    ("GET", "/v1/users/ann/conversations", "users"),
    ("GET", "/v1/users/ann/unread", "users"),
    ("GET", "/v1/users/ann/blocks", "users"),
    ("PUT", "/v1/users/ann/blocks/ben", "users"),
    ("DELETE", "/v1/users/ann/blocks/ben", "users"),
    ("GET", "/v1/users/ann/contacts", "users"),
    ("PUT", "/v1/users/ann/contacts/ben", "users"),
    ("DELETE", "/v1/users/ann/contacts/ben", "users"),
    ("GET", "/v1/users/ann/presence", "users"),
    ("PUT", "/v1/users/ann/presence", "users"),
    ("POST", "/v1/presence", "users"),
    ("PUT", "/v1/users/ann/visibility", "users"),
    ("GET", "/v1/users/ann/profile", "users"),
    ("PUT", "/v1/users/ann/profile", "users"),
    ("DELETE", "/v1/users/ann/profile", "users"),
    ("POST", "/v1/profiles", "users"),
    ("DELETE", "/v1/users/ann", "operate"),
    ("POST", "/v1/search/people", "users"),
    ("GET", "/v1/search/attributes", "users"),
    ("POST", "/v1/search/messages", "messages"),
    ("GET", "/v1/search/status", "operate"),
    ("POST", "/v1/search/rebuild", "operate"),
    ("GET", "/v1/extensions", "operate"),
    ("POST", "/v1/extensions", "operate"),
    ("GET", "/v1/extensions/x/versions/1.0.0", "operate"),
    ("DELETE", "/v1/extensions/x/versions/1.0.0", "operate"),
    ("PUT", "/v1/extensions/x/active", "operate"),
    ("DELETE", "/v1/extensions/x/active", "operate"),
    ("POST", "/v1/extensions/x/rollback", "operate"),
    ("POST", "/v1/extensions/x/backfill", "operate"),
    ("POST", "/v1/extensions/x/commands/y", "commands"),
    ("GET", "/v1/feed", "feed"),
    ("GET", "/v1/extensions/x/logs", "operate"),
    (
        "GET",
        "/v1/conversations/{id}/messages/1/reviews",
        "moderation",
    ),
    ("GET", "/v1/held", "moderation"),
    ("POST", "/v1/users/ann/toasts", "notifications"),
    ("GET", "/v1/users/ann/notifications", "notifications"),
    ("PUT", "/v1/users/ann/badges/offers", "notifications"),
    ("PUT", "/v1/conversations/{id}/held/1", "moderation"),
    ("PUT", "/v1/conversations/direct", "conversations"),
    ("POST", "/v1/conversations/groups", "conversations"),
    ("GET", "/v1/conversations/{id}?as=ann", "conversations"),
    (
        "GET",
        "/v1/conversations/{id}/members?as=ann",
        "conversations",
    ),
    (
        "POST",
        "/v1/conversations/{id}/members?as=ann",
        "conversations",
    ),
    (
        "DELETE",
        "/v1/conversations/{id}/members/ben?as=ann",
        "conversations",
    ),
    (
        "PUT",
        "/v1/conversations/{id}/members/ben/role?as=ann",
        "conversations",
    ),
    (
        "PUT",
        "/v1/conversations/{id}/title?as=ann",
        "conversations",
    ),
    ("POST", "/v1/conversations/{id}/messages?as=ann", "messages"),
    ("GET", "/v1/conversations/{id}/messages?as=ann", "messages"),
    (
        "GET",
        "/v1/conversations/{id}/messages/1?as=ann",
        "messages",
    ),
    (
        "PUT",
        "/v1/conversations/{id}/messages/1?as=ann",
        "messages",
    ),
    (
        "DELETE",
        "/v1/conversations/{id}/messages/1?as=ann",
        "messages",
    ),
    (
        "PUT",
        "/v1/conversations/{id}/messages/1/reactions/x?as=ann",
        "messages",
    ),
    (
        "DELETE",
        "/v1/conversations/{id}/messages/1/reactions/x?as=ann",
        "messages",
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_may_what_their_key_says_and_no_more() {
    let world = with_keys(World::embedded());
    let server = world.start().await;
    let backend = backend(&server);
    let id = backend.direct("ann", "ben").await;
    let posted = backend.post(&id, "ann", "Hello!").await;
    let end = printed(&world, &["log", "stats"]);
    for (method, path, scope) in ENDPOINTS {
        let path = path.replace("{id}", &id);
        let none = http::request(&server, method, &path, &[], b"").await;
        assert_eq!(none.status, 401, "{method} {path}");
        assert_eq!(none.header("www-authenticate"), Some("Bearer"));
        let expired = token::with_scope("ops", &format!("tidings:{scope}"), now_ms() - 60_000);
        for wrong in ["", "x", &KEY[1..], &format!("{KEY}x"), "dev:ann", &expired] {
            let refused = backend.bearing(wrong).refused(method, &path, None).await;
            assert_eq!(
                (refused.0, refused.1.as_str()),
                (401, "unauthenticated"),
                "{wrong} {path}"
            );
        }
        for lacks in [
            EVENTS_KEY,
            &token::of("ann"),
            &token::with_scope("ann", scope, now_ms() + 60_000),
        ] {
            let refused = backend.bearing(lacks).refused(method, &path, None).await;
            assert_eq!(
                (refused.0, refused.1.as_str()),
                (403, "forbidden"),
                "{lacks} {path}"
            );
            assert!(refused.2.contains(scope), "{refused:?}");
        }
    }
    assert_eq!(
        printed(&world, &["log", "stats"]),
        end,
        "nothing was recorded"
    );
    // A token with the scope is as good as a key, but for system accounts.
    let operator = token::with_scope("ops", "chat tidings:messages", now_ms() + 60_000);
    let operator = backend.bearing(&operator);
    let texts = operator.texts(&id, "ben", &posted["position"]).await;
    assert_eq!(texts, ["Hello!"]);
    let path = format!("/v1/conversations/{id}/messages?as=system:shop");
    let refused = operator.refused("GET", &path, None).await;
    assert_eq!((refused.0, refused.1.as_str()), (403, "forbidden"));
    assert!(refused.2.contains("only API keys"), "{refused:?}");
    let ttl = Some(json!({ "ttl_s": 60 }));
    let refused = backend
        .refused("POST", "/v1/users/system:shop/tokens", ttl)
        .await;
    assert_eq!((refused.0, refused.1.as_str()), (403, "forbidden"));
    assert!(refused.2.contains("system account"), "{refused:?}");
    // Imports take the key, too.
    let import = |key: &str| {
        let bearer = format!("Bearer {key}");
        let server = &server;
        async move {
            http::request(
                server,
                "GET",
                "/v1/import",
                &[("Authorization", &bearer)],
                b"",
            )
            .await
        }
    };
    assert_eq!(import(KEY).await.status, 200);
    let lacks = import(EVENTS_KEY).await;
    assert_eq!(lacks.status, 403);
    assert!(lacks.body.contains("\"import\""), "{}", lacks.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_is_refused_with_the_reason() {
    let world = with_keys(World::embedded());
    let server = world.start().await;
    let backend = backend(&server);
    let id = backend.direct("ann", "ben").await;
    backend.post(&id, "ann", "Hello!").await;
    let end = printed(&world, &["log", "stats"]);
    let messages = format!("/v1/conversations/{id}/messages?as=ann");
    for body in [
        &b""[..],
        b"{",
        b"[]",
        b"null",
        b"{\"text\": 1}",
        b"{\"text\": \"a\"} x",
        b"\xff",
        b"{}",
    ] {
        let answer = backend.raw("POST", &messages, body).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        let said: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(said["code"], "invalid");
        assert!(
            said["message"].as_str().unwrap().starts_with("body: "),
            "{said}"
        );
    }
    let at = |rest: &str| format!("/v1/conversations/{id}{rest}");
    let user = "u".repeat(129);
    let none = Uuid::nil();
    let bad = [
        (
            "POST",
            messages.clone(),
            Some(json!({ "text": "a", "colour": "red" })),
            400,
            "unknown field `colour`",
        ),
        (
            "POST",
            messages.clone(),
            Some(json!({ "text": "" })),
            400,
            "",
        ),
        (
            "POST",
            messages.clone(),
            Some(json!({ "text": "x".repeat(16_385) })),
            413,
            "the limit is 16384",
        ),
        (
            "POST",
            messages.clone(),
            Some(json!({ "text": "x".repeat(1 << 20) })),
            413,
            "longer than 1048576",
        ),
        (
            "POST",
            at("/messages"),
            Some(json!({ "text": "a" })),
            400,
            "missing field `as`",
        ),
        (
            "POST",
            at("/messages?as="),
            Some(json!({ "text": "a" })),
            400,
            "a user id has",
        ),
        (
            "POST",
            at("/messages?as=ann&x=1"),
            Some(json!({ "text": "a" })),
            400,
            "unknown field `x`",
        ),
        ("GET", at("/messages?as=ann&limit=x"), None, 400, "query: "),
        (
            "PUT",
            "/v1/users/ann/presence?as=ben".to_owned(),
            Some(json!({})),
            400,
            "this takes no parameters in the query, and has \"as=ben\"",
        ),
        (
            "GET",
            at("/messages?as=ann&at_least=-1"),
            None,
            400,
            "query: ",
        ),
        (
            "GET",
            at("/messages?as=ann&at_least=99999999"),
            None,
            400,
            "the log ends at",
        ),
        ("GET", at("/messages/x?as=ann"), None, 400, "path: "),
        (
            "GET",
            at("/messages/2?as=ann"),
            None,
            404,
            "no such message",
        ),
        (
            "GET",
            "/v1/conversations/x?as=ann".to_owned(),
            None,
            400,
            "which is no UUID",
        ),
        (
            "GET",
            format!("/v1/conversations/{none}?as=ann"),
            None,
            404,
            "no such conversation",
        ),
        (
            "GET",
            format!("/v1/users/{user}/unread"),
            None,
            400,
            "a user id has",
        ),
        (
            "GET",
            "/v1/users/%FF/unread".to_owned(),
            None,
            400,
            "path: ",
        ),
        (
            "GET",
            "/v1/users/%00/unread".to_owned(),
            None,
            400,
            "control",
        ),
        (
            "PUT",
            "/v1/conversations/direct".to_owned(),
            Some(json!({ "users": ["a"] })),
            400,
            "body: ",
        ),
        (
            "PUT",
            "/v1/conversations/direct".to_owned(),
            Some(json!({ "users": ["a", "a"] })),
            400,
            "another user",
        ),
        (
            "PUT",
            at("/title?as=ann"),
            Some(json!({ "title": "a" })),
            409,
            "",
        ),
        (
            "POST",
            "/v1/users/ann/tokens".to_owned(),
            Some(json!({ "ttl_s": 0 })),
            400,
            "ttl_s is 0",
        ),
        (
            "POST",
            "/v1/users/ann/tokens".to_owned(),
            Some(json!({ "ttl_s": 2_592_001 })),
            400,
            "ttl_s is",
        ),
        (
            "POST",
            "/v1/users/ann/tokens".to_owned(),
            Some(json!({})),
            400,
            "missing field `ttl_s`",
        ),
        (
            "POST",
            "/v1/conversation/x".to_owned(),
            None,
            404,
            "there is no POST /v1/conversation/x",
        ),
        ("PATCH", at("/title?as=ann"), None, 405, "PATCH"),
    ];
    for (method, path, body, status, says) in bad {
        let refused = backend.refused(method, &path, body).await;
        assert_eq!(refused.0, status, "{method} {path}: {refused:?}");
        assert!(refused.2.contains(says), "{method} {path}: {refused:?}");
    }
    for key in ["", &"k".repeat(129), "a\tb"] {
        let refused = backend
            .under(key)
            .refused("POST", &messages, Some(json!({ "text": "a" })))
            .await;
        assert_eq!(refused.0, 400, "{key:?}");
        assert!(
            refused.2.starts_with("Idempotency-Key is to have"),
            "{refused:?}"
        );
    }
    // Headers of which only one can be meant, twice: also with the same value.
    let bearer = format!("Bearer {}", backend.bearer);
    let fine = [
        ("Authorization", &*bearer),
        ("Idempotency-Key", "a"),
        ("Content-Type", "application/json"),
    ];
    for (name, value) in fine {
        let mut headers = fine.to_vec();
        headers.push((name, value));
        let answer = http::request(&server, "POST", &messages, &headers, b"{\"text\":\"a\"}").await;
        let said: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!((answer.status, &said["code"]), (400, &json!("invalid")));
        let expected = format!("the header {name} is there 2 times: send it once");
        assert_eq!(said["message"], json!(expected));
        if name != "Idempotency-Key" {
            let answer = http::request(&server, "POST", "/v1/import", &headers, b"").await;
            assert_eq!((answer.status, answer.body.trim()), (400, &*expected));
        }
    }
    assert_eq!(printed(&world, &["log", "stats"]), end, "nothing half-done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_has_a_rate_of_its_own() {
    let mut world = with_keys(World::embedded());
    world.limits("api_requests_per_second = 1\napi_request_burst = 3\n");
    let server = world.start().await;
    let backend = backend(&server);
    let mut limited = None;
    for _ in 0..20 {
        let answer = backend.raw("GET", "/v1/users/ann/unread", b"").await;
        if answer.status != 200 {
            limited = Some(answer);
            break;
        }
    }
    let limited = limited.unwrap();
    assert_eq!(limited.status, 429, "{limited:?}");
    let said: Value = serde_json::from_str(&limited.body).unwrap();
    assert_eq!(
        (&said["code"], &said["retry"]),
        (&json!("rate_limited"), &json!(true))
    );
    assert!(said["retry_after_ms"].as_u64().unwrap() > 0);
    assert!(limited.header("retry-after").is_some());
    let fact = json!({ "events": [{ "kind": "x", "actor": "a", "subject": "b" }] });
    backend
        .bearing(EVENTS_KEY)
        .done("POST", "/v1/events", Some(fact))
        .await;
    assert!(
        http::metric(
            &server,
            "tidings_requests_refused_total{code=\"rate_limited\"}"
        )
        .await
            > 0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_lists_what_is_there() {
    let world = with_keys(World::embedded());
    let server = world.start().await;
    let served = http::request(&server, "GET", "/v1/openapi.json", &[], b"").await;
    assert_eq!(served.status, 200);
    let served: Value = serde_json::from_str(&served.body).unwrap();
    let committed: Value = serde_json::from_str(&document("openapi.json")).unwrap();
    assert_eq!(served, committed);
    let mut listed = Vec::new();
    for (path, methods) in served["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let scope = operation["tags"][0].as_str().unwrap();
            listed.push((
                method.to_uppercase(),
                path.split('/').count(),
                scope.to_owned(),
            ));
        }
    }
    let mut tried: Vec<_> = ENDPOINTS
        .iter()
        .map(|(method, path, scope)| {
            (
                method.to_string(),
                path.split('/').count(),
                scope.to_string(),
            )
        })
        .collect();
    tried.push(("POST".to_owned(), 3, "events".to_owned()));
    listed.sort_unstable();
    tried.sort_unstable();
    assert_eq!(listed, tried, "every endpoint is tried here");
}

fn document(name: &str) -> String {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", "docs", name]
        .iter()
        .collect();
    std::fs::read_to_string(path).unwrap()
}

/// What the page says of how to call is carried out, each block on what those before it left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_page_shows_works() {
    let world = with_keys(World::embedded());
    let server = world.start().await;
    let page = document("api.md");
    let blocks: Vec<&str> = page
        .split("```sh run\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert!(blocks.len() >= 5, "{}", blocks.len());
    let script = format!(
        "set -eu\ncurl() {{ command curl --silent --show-error --fail-with-body \"$@\"; echo; }}\n{}",
        blocks.join("\n")
    );
    let output = Command::new("sh")
        .args(["-c", &script])
        .env("TIDINGS", format!("http://{}", server.http))
        .env("KEY", KEY)
        .output();
    let output = tokio::task::spawn_blocking(|| output)
        .await
        .unwrap()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{errors}");
    assert!(said.contains("Your order is paid."), "{said}");
}

#[test]
fn a_key_is_printed() {
    let key = || {
        let output = Command::new(program())
            .args(["secrets", "api-key"])
            .output()
            .unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    let (one, other) = (key(), key());
    assert_eq!(one.trim_end().len(), 64, "{one:?}");
    assert_ne!(one, other);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_cannot_work_are_refused_at_the_start() {
    let refused = |lines: &str| {
        let mut world = World::embedded();
        std::fs::write(world.folder.path().join("short"), "x".repeat(31)).unwrap();
        std::fs::write(world.folder.path().join("good"), KEY).unwrap();
        world.messages(&format!("[[auth.api_keys]]\n{lines}"));
        async move { world.starting().refused().await }
    };
    for (lines, says) in [
        (
            "name = \"a\"\nfile = \"short\"\nscopes = [\"users\"]\n",
            "holds 31 bytes",
        ),
        (
            "name = \"a\"\nfile = \"gone\"\nscopes = [\"users\"]\n",
            "gone",
        ),
        (
            "name = \"a b\"\nfile = \"good\"\nscopes = [\"users\"]\n",
            "is no name",
        ),
        (
            "name = \"a\"\nfile = \"good\"\nscopes = [\"people\"]\n",
            "people",
        ),
        (
            "name = \"a\"\nfile = \"good\"\nscopes = []\n",
            "has no scopes",
        ),
        ("name = \"a\"\nfile = \"good\"\n", "scopes"),
    ] {
        let error = refused(lines).await;
        assert!(error.contains(says), "{lines}: {error}");
    }
}

async fn a_heartbeat_keeps_somebody_here_without_a_connection(world: World) {
    let mut world = with_keys(world);
    world.presence("grace_ms = 300\nheartbeat_ms = 1200\n");
    let server = world.start().await;
    let backend = backend(&server);
    let path = "/v1/users/ben/presence";
    let (status, beaten) = backend
        .ask("PUT", path, Some(json!({"state": "available"})))
        .await;
    assert_eq!((status, beaten), (200, json!({"within_ms": 1200})));
    let becomes = async |query: &str, state: &str| {
        let path = format!("{path}{query}");
        wait::becomes(&format!("ben is {state}"), &json!(state), async || {
            backend.get(&path).await["state"].clone()
        })
        .await;
    };
    becomes("", "available").await;
    becomes("?as=ann", "available").await;
    let many = async |asked: Value| {
        let (status, answer) = backend.ask("POST", "/v1/presence", Some(asked)).await;
        assert_eq!(status, 200, "{answer}");
        let users = answer["users"].as_array().unwrap().iter();
        let said = users.map(|user| (user["user"].to_string(), user["state"].to_string()));
        said.map(|(user, state)| format!("{user} {state}").replace('"', ""))
            .collect::<Vec<_>>()
    };
    let two = json!({"users": ["zoe", "ben"]});
    assert_eq!(many(two).await, ["zoe offline", "ben available"]);
    let none = Some(json!({"users": []}));
    let (status, _, message) = backend.refused("POST", "/v1/presence", none).await;
    assert_eq!(
        (status, &*message),
        (400, "0 users are asked about: 1 to 500 can be")
    );
    backend
        .ask("PUT", path, Some(json!({"state": "away"})))
        .await;
    becomes("", "away").await;
    let hidden = Some(json!({"invisible": true}));
    backend
        .done("PUT", "/v1/users/ben/visibility", hidden)
        .await;
    becomes("?as=ann", "offline").await;
    assert_eq!(
        many(json!({"users": ["ben"], "as": "ann"})).await,
        ["ben offline"]
    );
    assert_eq!(many(json!({"users": ["ben"]})).await, ["ben away"]);
    // Others are told when ben seems to have left. That is nothing about somebody who is here.
    wait::becomes("a time is told", &json!(true), async || {
        let told = backend.get(&format!("{path}?as=ann")).await;
        json!(told["seen_ms"] != json!(0))
    })
    .await;
    let seen = backend.get(path).await;
    assert_eq!(seen["invisible"], json!(true));
    assert_eq!(
        (&seen["state"], &seen["seen_ms"]),
        (&json!("away"), &json!(0))
    );
    assert_eq!(
        backend.get(&format!("{path}?as=ann")).await["invisible"],
        json!(false)
    );
    // Nothing more comes.
    becomes("", "offline").await;
    // Whoever was never here has left nothing by hiding.
    let hidden = Some(json!({"invisible": true}));
    backend
        .done("PUT", "/v1/users/zoe/visibility", hidden)
        .await;
    let seen = backend.get("/v1/users/zoe/presence?as=ann").await;
    assert_eq!(seen["seen_ms"], json!(0), "{seen}");
    // Nor is who is erased invisible by choice.
    backend.done("DELETE", "/v1/users/zoe", None).await;
    let seen = backend.get("/v1/users/zoe/presence").await;
    assert_eq!(
        seen,
        json!({"state": "offline", "seen_ms": 0, "invisible": false})
    );
    let (status, code, message) = backend
        .refused("PUT", path, Some(json!({"state": "offline"})))
        .await;
    assert_eq!((status, &*code), (400, "invalid"));
    assert!(message.contains("\"available\" or \"away\""), "{message}");
}
