//! Extensions that mean harm, on a running server: it stays up, messages and another extension go on, and the operator is told.
//!
//! How long a message takes meanwhile is printed and asserted nowhere: machines differ, and others use them too.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tidings_extension_manifest::{Manifest, embed};
use tidings_protocol::{event::Kind, frame::Outcome};
use tidings_tests::{Server, Session, Way, World, ask, eventually, http};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use uuid::Uuid;

use crate::extensions::{activate, ask_api, badge, fact, install, notifications, status, with_key};

on_both_logs! {
    others_go_on_whatever_one_does,
    what_is_not_its_own_is_out_of_reach,
    those_that_answer_each_other_come_to_an_end,
    hosts_that_lie_or_stall_hurt_nobody,
    files_that_are_no_extensions_are_refused,
    what_is_damaged_on_disk_does_not_run,
}

const HOSTILE: &[u8] = include_bytes!("../../../extensions/guests/built/hostile.wasm");
const PROBE: &[u8] = include_bytes!("../../../extensions/guests/built/probe.wasm");
const BADGES: &[u8] = include_bytes!("../../../extensions/standard/built/badges.wasm");

/// The ways in which it does harm, and how the server says that it ended.
const HARM: [(&str, &[&str]); 11] = [
    ("loop", &["fuel", "deadline"]),
    ("memory", &["memory"]),
    ("recursion", &["trap"]),
    ("calls", &["trap"]),
    ("log", &["trap"]),
    ("string", &["trap"]),
    ("list", &["trap"]),
    ("strings", &["trap", "memory"]),
    ("handles", &["trap"]),
    ("late", &["trap"]),
    ("loop", &["fuel", "deadline"]),
];

fn component(bytes: &[u8], manifest: &Value) -> Vec<u8> {
    let manifest = Manifest::from_json(&manifest.to_string()).unwrap();
    embed(bytes, &manifest).unwrap()
}

/// The one that does harm, under a name, with more in its manifest.
fn hostile(id: &str, events: &[&str], more: &Value) -> Vec<u8> {
    let backend = json!({ "callers": "backend" });
    let names = HARM.iter().map(|(name, _)| *name);
    let names = names.chain(["nothing", "reach", "settle", "fill", "fetch"]);
    let commands: serde_json::Map<String, Value> = names
        .map(|name| (name.to_owned(), backend.clone()))
        .collect();
    let mut manifest = json!({
        "id": id,
        "version": "1.0.0",
        "summary": "Means harm.",
        "reactor": { "events": events },
        "command": commands,
        "timer": {},
        "grants": {
            "effects": ["badge", "toast", "post", "push", "notify", "emit", "label", "settle"],
            "views": [
                "get-conversation", "members", "is-member", "recent", "unread", "presence", "profile-attribute",
                "is-blocked-between",
            ],
        },
        "badges": ["harm"],
        "channels": ["e-mail"],
        "emits": { "harmed": { "schema": 1 } },
        // All it can get: what ends it is to be what it does, and not how busy the machine is.
        "limits": { "time_ms": 10_000 },
    });
    for (name, value) in more.as_object().unwrap() {
        manifest[name] = value.clone();
    }
    component(HOSTILE, &manifest)
}

async fn acts(server: &Server, component: &[u8]) {
    let installed = install(server, component).await;
    let (id, version) = (&installed["id"], &installed["version"]);
    let (id, version) = (id.as_str().unwrap(), version.as_str().unwrap());
    activate(server, id, version, json!({})).await;
}

async fn call(server: &Server, id: &str, command: &str, args: Value) -> (u16, Value) {
    let path = format!("/v1/extensions/{id}/commands/{command}");
    let body = json!({ "as": "eve", "args": args }).to_string();
    ask_api(server, "POST", &path, body.as_bytes()).await
}

/// What it says that it was told.
async fn told(server: &Server, command: &str, args: Value) -> Vec<String> {
    let (code, said) = call(server, "hostile", command, args).await;
    assert_eq!(code, 200, "{command}: {said}");
    let all = said["answer"].as_array().unwrap().iter();
    all.map(|one| one.as_str().unwrap().to_owned()).collect()
}

async fn well(server: &Server) {
    let answer = http::request(server, "GET", "/healthz", &[], b"").await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// People who write to each other, and somebody whose profile is viewed: of no concern to whoever does harm.
struct Others {
    mia: Session,
    nils: Session,
    room: Uuid,
    messages: u64,
    views: u64,
}

impl Others {
    async fn meet(server: &Server) -> Others {
        acts(server, BADGES).await;
        let mut mia = Session::open(server, Way::WebSocketProtobuf, "mia").await;
        let room = mia.start(ask::group("quiet", &["nils"])).await;
        Others {
            nils: Session::open(server, Way::WebSocketJson, "nils").await,
            mia,
            room,
            messages: 0,
            views: 0,
        }
    }

    /// One message, until it is acknowledged and there.
    async fn message(&mut self) -> Duration {
        let began = Instant::now();
        let seq = self.mia.command(ask::post(self.room, "hello")).await.seq;
        self.nils
            .event_where(
                |event| matches!(&event.kind, Some(Kind::MessagePosted(posted)) if posted.seq == seq),
            )
            .await;
        self.messages += 1;
        assert_eq!(seq, self.messages, "none is lost, none is doubled");
        began.elapsed()
    }

    async fn view(&mut self, server: &Server) {
        let key = format!("view {}", self.views);
        let viewer = format!("viewer {}", self.views);
        fact(server, "profile.viewed", &viewer, "mia", &key).await;
        self.views += 1;
    }

    /// Goes on until something is over, at least this often. How long messages took.
    async fn meanwhile<T>(
        &mut self,
        server: &Server,
        what: &str,
        work: impl Future<Output = T>,
    ) -> T {
        let mut before = Vec::new();
        for _ in 0..100 {
            before.push(self.message().await);
        }
        let over = AtomicBool::new(false);
        let work = async {
            let done = work.await;
            over.store(true, Ordering::Relaxed);
            done
        };
        let others = async {
            let mut during = Vec::new();
            while during.len() < 100 || !over.load(Ordering::Relaxed) {
                during.push(self.message().await);
                if during.len() % 20 == 0 {
                    self.view(server).await;
                }
            }
            during
        };
        let (done, during) = tokio::join!(work, others);
        println!(
            "{what}: p99 of a message {:?} before, {:?} during ({} messages)",
            p99(before),
            p99(during.clone()),
            during.len()
        );
        well(server).await;
        done
    }

    /// The other extension has done all it was to do, and nothing is missing of what was said.
    async fn are_unharmed(&mut self, server: &Server) {
        self.view(server).await;
        let views = self.views;
        eventually("all views are counted", async || {
            let said = notifications(server, "mia").await;
            (badge(&said, "profile_views") == views).then_some(())
        })
        .await;
        self.message().await;
        let badges = status(server, "badges").await;
        assert!(badges.get("active").is_some(), "{badges}");
        assert_eq!(
            (&badges["waiting"], &badges["parked"]),
            (&json!(0), &json!(0))
        );
    }
}

fn p99(mut all: Vec<Duration>) -> Duration {
    all.sort_unstable();
    all[all.len() * 99 / 100]
}

async fn others_go_on_whatever_one_does(world: World) {
    let world = with_key(world);
    let server = world.start().await;
    let mut others = Others::meet(&server).await;
    let kinds: Vec<String> = HARM
        .iter()
        .map(|(how, _)| format!("app.harm.{how}"))
        .collect();
    let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
    acts(&server, &hostile("hostile", &kinds, &json!({}))).await;

    // Called by name: each ends in its own way, and one that goes well in between has it forgiven.
    for (how, ends) in HARM {
        let what = format!("the command {how}");
        let called = call(&server, "hostile", how, json!({}));
        let (code, said) = others.meanwhile(&server, &what, called).await;
        let message = said["message"].as_str().unwrap();
        let named = ends
            .iter()
            .any(|end| message.contains(&format!("failed ({end})")));
        assert!(code == 503 && named, "{how}: {code} {said}");
        assert!(told(&server, "nothing", json!({})).await.is_empty());
    }
    let (_, said) = ask_api(&server, "GET", "/v1/extensions", b"").await;
    let calls = said["calls"].as_array().unwrap().iter();
    let mut commands = calls.filter(|row| row["extension"] == "hostile");
    let row = commands.next().unwrap();
    assert_eq!(row["outcomes"]["ok"], HARM.len(), "{row}");
    assert!(row["last_error"].is_string(), "{row}");
    let now = status(&server, "hostile").await;
    assert_eq!(
        (&now["store_bytes"], &now["timers"]),
        (&json!(0), &json!(0)),
        "nothing is left of what was staged before it failed"
    );
    assert_eq!(badge(&notifications(&server, "eve").await, "harm"), 0);
    let (_, said) = ask_api(&server, "GET", "/v1/extensions/hostile/logs", b"").await;
    let lines = said["lines"].as_array().unwrap().iter();
    let (ends, lines): (Vec<&Value>, Vec<&Value>) = lines.partition(|line| {
        let line = line["line"].as_str().unwrap();
        line.starts_with("the call failed: ")
    });
    assert_eq!(ends.len(), HARM.len(), "each failure is told");
    assert_eq!(lines.len(), 100, "of a flood of lines a hundred are kept");

    // What happened makes it do harm. As long as it is one user's doing, it goes on for all others.
    for (nth, (how, _)) in HARM[6..].iter().enumerate() {
        let (kind, victim) = (format!("harm.{how}"), format!("eve's victim {nth}"));
        fact(&server, &kind, "eve", &victim, &format!("eve's {nth}")).await;
    }
    eventually("all of it waits to be told again", async || {
        let now = status(&server, "hostile").await;
        (now["waiting"].as_u64()? + now["parked"].as_u64()? >= HARM[6..].len() as u64).then_some(())
    })
    .await;
    let now = status(&server, "hostile").await;
    assert!(now.get("quarantine").is_none(), "{now}");
    assert_eq!(now["active"]["left_alone"], json!([]), "{now}");

    // Told again and again for several, it is left alone, and then given up.
    let given_up = async {
        for (nth, (how, _)) in HARM.iter().enumerate() {
            let kind = format!("harm.{how}");
            fact(
                &server,
                &kind,
                &format!("culprit {nth}"),
                &format!("victim {nth}"),
                &format!("harm {nth}"),
            )
            .await;
        }
        eventually("it is left alone for a while", async || {
            let now = status(&server, "hostile").await;
            let alone = now["active"]["left_alone"].as_array()?.clone();
            alone.contains(&json!("reactor")).then_some(())
        })
        .await;
        eventually("it is in quarantine", async || {
            let now = status(&server, "hostile").await;
            now.get("quarantine").cloned()
        })
        .await
    };
    let quarantine = others
        .meanwhile(&server, "until it is given up", given_up)
        .await;
    assert_eq!(
        (&quarantine["version"], &quarantine["hook"]),
        (&json!("1.0.0"), &json!("reactor"))
    );
    let cause = quarantine["cause"].as_str().unwrap();
    assert!(!cause.is_empty());
    let log = std::fs::read_to_string(world.server_log()).unwrap();
    let line = log.lines().find(|line| line.contains("is quarantined"));
    let line = line.expect("the operator's log says so");
    assert!(
        line.contains("hostile") && line.contains("reactor"),
        "{line}"
    );
    let (code, said) = call(&server, "hostile", "nothing", json!({})).await;
    assert_ne!(code, 200, "nothing of it is called any more: {said}");
    others.are_unharmed(&server).await;

    // After a start, too, until somebody tries again.
    server.kill();
    let server = world.start().await;
    let now = status(&server, "hostile").await;
    assert_eq!(now["quarantine"]["cause"], quarantine["cause"]);
    activate(&server, "hostile", "1.0.0", json!({})).await;
    assert!(told(&server, "nothing", json!({})).await.is_empty());
}

async fn texts(session: &mut Session, room: Uuid) -> Vec<String> {
    match session.ask(ask::latest(room, 50)).await {
        Outcome::Messages(found) => {
            let texts = found.messages.into_iter().map(|message| message.text);
            texts.collect()
        }
        other => panic!("not messages: {other:?}"),
    }
}

async fn what_is_not_its_own_is_out_of_reach(world: World) {
    let mut world = with_key(world);
    world.messages("[extensions]\nstore_mib = 1\n");
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketJson, "ann").await;
    let room = ann.start(ask::group("room", &["ben"])).await;
    ann.command(ask::post(room, "among us")).await;
    acts(&server, &hostile("hostile", &["app.nothing"], &json!({}))).await;

    // Neither users nor conversations that a call is not about, whatever they are called.
    let forged = Uuid::now_v7().to_string();
    let long = "x".repeat(5_000);
    for user in [
        "ann",
        "nobody",
        "system:tidings",
        "extension:badges",
        "",
        &long,
        "a\u{1}b",
    ] {
        for room in [&*room.to_string(), &*forged, "", "../../etc", &long] {
            let said = told(&server, "reach", json!({ "user": user, "room": room })).await;
            assert_eq!(said.len(), 16);
            for one in said {
                let refused = one.contains(": denied: ") || one.contains(": invalid: ");
                assert!(refused, "{user:?} {room:?}: {one}");
            }
        }
    }

    // Nor, where the operator lets it reach everybody, a conversation that it is no member of.
    let grants = json!({
        "effects": ["badge", "toast", "post", "label", "settle"],
        "users": "all",
        "conversations": "all",
    });
    let mut reaching = json!({ "version": "2.0.0", "grants": grants });
    reaching["channels"] = json!([]);
    reaching["emits"] = json!({});
    install(&server, &hostile("hostile", &["app.nothing"], &reaching)).await;
    let body = json!({ "version": "2.0.0", "accept_wider": true }).to_string();
    let path = "/v1/extensions/hostile/active";
    let (code, said) = ask_api(&server, "PUT", path, body.as_bytes()).await;
    assert_eq!(code, 200, "{said}");
    for (user, place) in [("nobody", &*forged), ("ann", &*room.to_string())] {
        let said = told(&server, "reach", json!({ "user": user, "room": place })).await;
        assert!(said.contains(&"post: done".to_owned()), "{said:?}");
    }
    eventually("what it may is done", async || {
        let said = notifications(&server, "ann").await;
        (badge(&said, "harm") == 1).then_some(())
    })
    .await;
    let idle = async || {
        eventually(
            "what it wanted has come to something or nothing",
            async || {
                let log = std::fs::read_to_string(world.server_log()).unwrap();
                log.contains("an effect was refused").then_some(())
            },
        )
        .await;
    };
    idle().await;
    assert_eq!(texts(&mut ann, room).await, ["among us"]);

    // Nor what another one holds.
    let watching = json!({
        "id": "probe",
        "version": "1.0.0",
        "summary": "Does what texts say.",
        "moderation": { "kinds": ["message"] },
    });
    acts(&server, &component(PROBE, &watching)).await;
    let command = Uuid::now_v7();
    let outcome = ann
        .command_as(command, ask::post(room, "hold: for somebody to look at"))
        .await;
    assert!(
        matches!(&outcome, Outcome::Accepted(accepted) if accepted.held == 1),
        "{outcome:?}"
    );
    let held = format!("{room}.{command}");
    for wrong in ["", ".", "1", &room.to_string(), &long] {
        let said = told(&server, "settle", json!({ "held": wrong })).await;
        assert!(
            said.iter().all(|one| one.starts_with("invalid: ")),
            "{wrong:?}: {said:?}"
        );
    }
    for id in [
        &*held,
        &*format!("{forged}.{command}"),
        &*format!("{room}.{forged}"),
    ] {
        told(&server, "settle", json!({ "held": id })).await;
    }
    eventually("it has been there", async || {
        let said = notifications(&server, "eve").await;
        (badge(&said, "harm") == 1).then_some(())
    })
    .await;
    eventually("nothing is left to be done", async || {
        let log = std::fs::read_to_string(world.server_log()).unwrap();
        log.contains("an extension settles what it held itself")
            .then_some(())
    })
    .await;
    let (_, waiting) = ask_api(&server, "GET", "/v1/held", b"").await;
    assert_eq!(
        waiting["held"][0]["text"], "hold: for somebody to look at",
        "{waiting}"
    );
    assert_eq!(texts(&mut ann, room).await, ["among us"]);

    // Nor more of the disk than it is given.
    let mut exhausted = false;
    for nth in 0..8 {
        let said = told(&server, "fill", json!({ "prefix": format!("p{nth}") })).await;
        exhausted |= said
            .iter()
            .any(|one| one.starts_with("exhausted: the store would have"));
        let now = status(&server, "hostile").await;
        let bytes = now["store_bytes"].as_u64().unwrap();
        assert!(bytes <= 1 << 20, "{bytes} bytes are kept");
    }
    assert!(exhausted);
    well(&server).await;
}

async fn those_that_answer_each_other_come_to_an_end(world: World) {
    let world = with_key(world);
    let server = world.start().await;
    let mut others = Others::meet(&server).await;
    let mut ann = Session::open(&server, Way::WebSocketJson, "ann").await;
    let later = json!({
        "settings": { "type": "object", "properties": { "later": { "type": "boolean" } } },
        // A timer is about no conversation.
        "grants": { "effects": ["badge", "post", "notify", "emit"], "conversations": "all" },
    });
    for (names, more, settings) in [
        (["ping", "pong"], json!({}), json!({})),
        (["tick", "tock"], later, json!({ "later": true })),
    ] {
        for name in names {
            install(&server, &hostile(name, &["message_posted"], &more)).await;
            activate(&server, name, "1.0.0", settings.clone()).await;
        }
        let members = names.map(|name| format!("extension:{name}"));
        let room = ask::group("room", &members.each_ref().map(String::as_str));
        let room = ann.start(room).await;
        for round in 1..=3 {
            let answered = async {
                ann.command(ask::post(room, "hello")).await;
                for name in names {
                    eventually("its answer is refused in the end", async || {
                        let path = format!("/v1/extensions/{name}/logs");
                        let (_, said) = ask_api(&server, "GET", &path, b"").await;
                        let lines = said["lines"].as_array().unwrap().clone();
                        let refused = lines.iter().filter(|line| {
                            let line = line["line"].as_str().unwrap();
                            line.starts_with("exhausted: ") && line.contains("deep already")
                        });
                        (refused.count() == round).then_some(())
                    })
                    .await;
                }
            };
            others
                .meanwhile(&server, "two that answer each other", answered)
                .await;
            // Each answers what ann said, and then the other one, three levels deep.
            assert_eq!(texts(&mut ann, room).await.len(), round * 7);
        }
        for name in names {
            let now = status(&server, name).await;
            assert!(now.get("active").is_some() && now["waiting"] == 0, "{now}");
            let path = format!("/v1/extensions/{name}/active");
            assert_eq!(ask_api(&server, "DELETE", &path, b"").await.0, 200);
        }
    }
    others.are_unharmed(&server).await;
}

/// A host that does one thing to whoever asks, by a name of this machine.
async fn host(does: impl Fn(tokio::net::TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            does(stream);
        }
    });
    format!("host.localhost:{port}")
}

/// One that answers with these bytes, and closes.
async fn answering(bytes: Vec<u8>) -> String {
    host(move |mut stream| {
        let bytes = bytes.clone();
        tokio::spawn(async move {
            let mut asked = [0; 4_096];
            let _ = stream.read(&mut asked).await;
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        });
    })
    .await
}

async fn redirecting(to: &str) -> String {
    answering(format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n").into())
        .await
}

async fn hosts_that_lie_or_stall_hurt_nobody(world: World) {
    let fine = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec()).await;
    let silent = host(|stream| {
        tokio::spawn(async move {
            // Held open, and never answered.
            let mut stream = stream;
            let mut asked = [0; 4_096];
            while stream.read(&mut asked).await.is_ok_and(|read| read > 0) {}
        });
    })
    .await;
    let dripping = host(|mut stream| {
        tokio::spawn(async move {
            let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
            let mut written = stream.write_all(head).await;
            while written.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
                written = stream.write_all(b"x").await;
            }
        });
    })
    .await;
    let endless_head = host(|mut stream| {
        tokio::spawn(async move {
            let mut written = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
            while written.is_ok() {
                written = stream.write_all(b"X-More: and more\r\n").await;
            }
        });
    })
    .await;
    let mut large = b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n".to_vec();
    large.resize(large.len() + 3_000_000, b'x');
    let large = answering(large).await;
    let garbage = answering(vec![0xff; 10_000]).await;
    let secret = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret".to_vec()).await;
    let to_private = redirecting(&format!("http://{secret}/")).await;
    let to_others = redirecting("http://127.0.0.1:1/").await;
    let to_metadata = redirecting("http://169.254.169.254/latest").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let around = format!("host.localhost:{}", listener.local_addr().unwrap().port());
    let again = format!(
        "HTTP/1.1 302 Found\r\nLocation: http://{around}/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = [0; 4_096];
            let _ = stream.read(&mut asked).await;
            let _ = stream.write_all(again.as_bytes()).await;
        }
    });

    let mut world = with_key(world);
    let allowed = [
        &fine,
        &silent,
        &dripping,
        &endless_head,
        &large,
        &garbage,
        &to_private,
        &to_others,
        &to_metadata,
        &around,
    ];
    let private: Vec<String> = allowed.iter().map(|host| format!("{host:?}")).collect();
    world.messages(&format!(
        "[extensions]\nprivate_hosts = [{}]\n",
        private.join(", ")
    ));
    let server = world.start().await;
    let mut others = Others::meet(&server).await;
    // The operator agreed to this one by name, and not that it may be at a private address.
    let hosts: Vec<Value> = allowed
        .iter()
        .chain([&&secret])
        .map(|host| json!({ "host": host, "reason": "tests", "plain": true }))
        .collect();
    acts(
        &server,
        &hostile("hostile", &["app.nothing"], &json!({ "http": hosts })),
    )
    .await;
    let fetch = async |url: String| {
        told(&server, "fetch", json!({ "url": url }))
            .await
            .remove(0)
    };
    let all = async {
        assert_eq!(fetch(format!("http://{fine}/")).await, "200 2");
        for (host, ends) in [
            (&dripping, "Timeout"),
            (&endless_head, "Transport"),
            (&large, "TooLarge"),
            (&garbage, "Transport"),
            (&secret, "private address"),
            (&to_private, "private address"),
            (&to_others, "does not name the host 127.0.0.1:1"),
            (&to_metadata, "does not name the host 169.254.169.254"),
            (&around, "more than 5 redirects"),
        ] {
            let said = fetch(format!("http://{host}/")).await;
            assert!(said.contains(ends), "{host}, {ends}: {said}");
        }
        for url in [
            "http://169.254.169.254/latest",
            "http://localhost/",
            "file:///etc/passwd",
            &format!("http://{fine}@evil.example/"),
            "http://[::1]/",
            "http://2130706433/",
            "gopher://example.org/",
            "",
        ] {
            let said = fetch(url.to_owned()).await;
            assert!(
                said.contains("Denied") || said.contains("Invalid"),
                "{url}: {said}"
            );
        }
        // One that never answers is asked a few times, and then left alone.
        let mut ends = Vec::new();
        for _ in 0..6 {
            ends.push(fetch(format!("http://{silent}/")).await);
        }
        assert!(
            ends[..5].iter().all(|end| end.contains("Timeout")),
            "{ends:?}"
        );
        assert!(ends[5].contains("CircuitOpen"), "{ends:?}");
        // The others are not.
        assert_eq!(fetch(format!("http://{fine}/")).await, "200 2");
    };
    others
        .meanwhile(&server, "hosts that lie or stall", all)
        .await;
    let now = status(&server, "hostile").await;
    assert!(
        now.get("quarantine").is_none(),
        "it is told, and no fault of its own: {now}"
    );
    others.are_unharmed(&server).await;
}

/// A moderator of a few instructions, which allows everything: `inside` is in its module, `body` in the hook.
fn small(inside: &str, body: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
            (import "tidings:extension/types@0.1.0" (instance $types
                (type $error (variant (case "retry" (option u32)) (case "park" string)))
                (export "hook-error" (type (eq $error)))))
            (import "tidings:extension/context@0.1.0" (instance $context
                (export "call" (type (sub resource)))))
            (import "tidings:extension/drafts@0.1.0" (instance $drafts
                (export "draft" (type (sub resource)))))
            (alias export $types "hook-error" (type $hook-error))
            (alias export $context "call" (type $call))
            (alias export $drafts "draft" (type $draft))
            (core func $drop-call (canon resource.drop $call))
            (core func $drop-draft (canon resource.drop $draft))
            (core module $module
                (import "drop" "call" (func $drop-call (param i32)))
                (import "drop" "draft" (func $drop-draft (param i32)))
                (memory (export "memory") 1)
                {inside}
                (func (export "review") (param i32 i32) (result i32)
                    {body}
                    (call $drop-call (local.get 0))
                    (call $drop-draft (local.get 1))
                    (i32.const 256)))
            (core instance $core (instantiate $module (with "drop" (instance
                (export "call" (func $drop-call))
                (export "draft" (func $drop-draft))))))
            (func $review
                (param "call" (borrow $call)) (param "draft" (borrow $draft))
                (result (result (error $hook-error)))
                (canon lift (core func $core "review") (memory $core "memory")))
            (instance $hook (export "review" (func $review)))
            (export "tidings:extension/moderation@0.1.0" (instance $hook)))"#
    );
    wat::parse_str(text).unwrap()
}

/// With the manifest of a moderator that lets pass what it cannot look at.
fn moderator(id: &str, bytes: &[u8]) -> Vec<u8> {
    let manifest = json!({
        "id": id,
        "version": "1.0.0",
        "summary": "Looks at messages.",
        "moderation": { "kinds": ["message"], "on_failure": "allow" },
    });
    component(bytes, &manifest)
}

fn text(component: &str) -> Vec<u8> {
    wat::parse_str(component).unwrap()
}

async fn refused(server: &Server, component: &[u8]) -> String {
    let (code, said) = ask_api(server, "POST", "/v1/extensions", component).await;
    assert!(code == 400 || code == 413, "{code} {said}");
    said["message"].as_str().unwrap().to_owned()
}

async fn files_that_are_no_extensions_are_refused(world: World) {
    let world = with_key(world);
    let server = world.start().await;
    let mut others = Others::meet(&server).await;
    // Made beforehand, so that what takes long meanwhile is the server's doing.
    let module = |inside: &str| text(&format!("(component (core module {inside}))"));
    let locals = format!("(func (local {}))", "i64 ".repeat(30_000)).repeat(200);
    let long = format!("(func {})", "nop ".repeat(1 << 20));
    let bombs = [
        ("memory", module("(memory 65536)")),
        ("table", module("(table 100000000 funcref)")),
        ("locals", module(&locals)),
        ("one function", module(&long)),
        ("functions", module(&"(func)".repeat(200_001))),
        (
            "modules",
            text(&format!("(component {})", "(core module)".repeat(200))),
        ),
        (
            "components within components",
            text(&format!("{}{}", "(component ".repeat(50), ")".repeat(50))),
        ),
    ];
    let bombs = bombs.map(|(what, bomb)| (what, moderator("bomb", &bomb)));
    let body = "(drop (i32.add (i32.const 1) (i32.const 2)))".repeat(40);
    let heavy = moderator("heavy", &small(&format!("(func {body})").repeat(5_000), ""));
    let all = async {
        // What wants an operating system is told how to be built without.
        let wasi = text(r#"(component (import "wasi:filesystem/preopens@0.2.3" (instance)))"#);
        let said = refused(&server, &moderator("wasi", &wasi)).await;
        assert!(said.contains("wasi:filesystem/preopens@0.2.3"), "{said}");
        assert!(
            said.contains("without"),
            "it says how to build without: {said}"
        );
        let other = text(r#"(component (import "evil:kernel/ring@0.1.0" (instance)))"#);
        let said = refused(&server, &moderator("other", &other)).await;
        assert!(said.contains("evil:kernel/ring@0.1.0"), "{said}");

        // Cut off anywhere, or packed: none of it is an extension.
        let whole = moderator("probe", PROBE);
        for part in 0..16 {
            refused(&server, &whole[..whole.len() * part / 16]).await;
        }
        refused(&server, &whole[..whole.len() - 1]).await;
        refused(
            &server,
            b"\x28\xb5\x2f\xfd\x04\x00\x41\x00\x00not a component",
        )
        .await;
        refused(&server, b"#!/bin/sh\nexit 0\n").await;
        refused(&server, &vec![0; 65 << 20]).await;

        // What declares more than any needs, in few bytes.
        for (what, bomb) in bombs {
            let said = refused(&server, &bomb).await;
            assert!(
                said.contains("declares") && said.contains(what),
                "{what}: {said}"
            );
        }
    };
    others
        .meanwhile(&server, "files that are refused", all)
        .await;

    // A byte that is another: refused, or harmless when it acts. And what may be, but takes long to compile.
    let all = async {
        let whole = moderator("probe", PROBE);
        let mut ann = Session::open(&server, Way::WebSocketJson, "ann").await;
        let room = ann.start(ask::group("room", &["ben"])).await;
        for nth in 0..12 {
            let mut flipped = whole.clone();
            flipped[whole.len() * (2 * nth + 1) / 24] ^= 0x10;
            let (code, said) = ask_api(&server, "POST", "/v1/extensions", &flipped).await;
            assert!(code == 200 || code == 400, "{code} {said}");
            if code == 200 && said["id"] == "probe" {
                activate(&server, "probe", "1.0.0", json!({})).await;
                let seen = ann
                    .command_as(Uuid::now_v7(), ask::post(room, "loop"))
                    .await;
                assert!(matches!(seen, Outcome::Accepted(_)), "{seen:?}");
                ask_api(&server, "DELETE", "/v1/extensions/probe/active", b"").await;
                ask_api(
                    &server,
                    "DELETE",
                    "/v1/extensions/probe/versions/1.0.0",
                    b"",
                )
                .await;
            }
        }
        acts(&server, &heavy).await;
        // Those that do harm in ways that no compiler has a word for.
        let grows = "(loop $more (br_if $more (i32.ne (i32.const -1)
                (table.grow $table (ref.null func) (i32.const 1000))))) unreachable";
        let starts = "(start $forever) (func $forever (loop $more (br $more)))";
        for (name, bytes) in [
            ("table", small("(table $table 1 funcref)", grows)),
            ("lies", small("", "(return (i32.const 0x7fffff00))")),
            ("starts", small(starts, "")),
            (
                "grows",
                small(
                    "",
                    "(if (i32.eq (i32.const -1) (memory.grow (i32.const 60000))) (then unreachable))",
                ),
            ),
        ] {
            acts(&server, &moderator(name, &bytes)).await;
            // Everybody's messages go by it: they are let pass, and it is given up.
            let seen = ann
                .command_as(Uuid::now_v7(), ask::post(room, "hello"))
                .await;
            assert!(
                matches!(seen, Outcome::Accepted(ref accepted) if accepted.held == 0),
                "{name}: {seen:?}"
            );
            let (_, said) = ask_api(&server, "GET", "/v1/extensions", b"").await;
            let mut rows = said["calls"].as_array().unwrap().iter();
            let row = rows.find(|row| row["extension"] == name).unwrap();
            assert!(row["last_error"].is_string(), "{row}");
            assert!(row["outcomes"].get("allow").is_none(), "{row}");
            let path = format!("/v1/extensions/{name}/active");
            ask_api(&server, "DELETE", &path, b"").await;
        }
    };
    others.meanwhile(&server, "files that are odd", all).await;
    others.are_unharmed(&server).await;
}

/// Files below that end so.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found
}

fn damage(path: &Path, how: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    match how % 3 {
        0 => bytes.truncate(bytes.len() / 2),
        1 => {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x10;
        }
        _ => bytes.clear(),
    }
    std::fs::write(path, bytes).unwrap();
}

async fn what_is_damaged_on_disk_does_not_run(world: World) {
    let world = with_key(world);
    let mut server = world.start().await;
    acts(&server, &moderator("probe", PROBE)).await;
    let mut ann = Session::open(&server, Way::WebSocketJson, "ann").await;
    let room = ann.start(ask::group("room", &["ben"])).await;
    let rejects = async |session: &mut Session| {
        let outcome = session
            .command_as(Uuid::now_v7(), ask::post(room, "reject: no"))
            .await;
        matches!(outcome, Outcome::Error(error) if error.code == "rejected")
    };
    assert!(rejects(&mut ann).await);

    // What was compiled is compiled again.
    for how in 0..3 {
        server.kill();
        let compiled = files(&world.data, ".cwasm");
        assert!(!compiled.is_empty());
        for path in compiled {
            damage(&path, how);
        }
        server = world.start().await;
        let mut ann = Session::open(&server, Way::WebSocketJson, "ann").await;
        assert!(rejects(&mut ann).await, "{how}");
    }

    // A component that is damaged is had from where all nodes have it, or it is said that it does not act.
    for how in 0..3 {
        server.kill();
        let components = files(&world.data.join("extensions").join("components"), ".wasm");
        assert_eq!(components.len(), 1);
        damage(&components[0], how);
        server = world.start().await;
        well(&server).await;
        let mut ann = Session::open(&server, Way::WebSocketJson, "ann").await;
        let broken = status(&server, "probe").await["active"]
            .get("broken")
            .cloned();
        assert_eq!(rejects(&mut ann).await, broken.is_none(), "{broken:?}");
        if let Some(broken) = broken {
            assert!(
                broken.as_str().unwrap().contains("install it again"),
                "{broken}"
            );
        }
        let log = std::fs::read_to_string(world.server_log()).unwrap();
        assert!(
            log.contains("a component is damaged"),
            "the operator is told"
        );
        install(&server, &moderator("probe", PROBE)).await;
        let mut ann = Session::open(&server, Way::WebSocketProtobuf, "ann").await;
        activate(&server, "probe", "1.0.0", json!({})).await;
        assert!(rejects(&mut ann).await, "installed again, it acts");
    }
}
