//! Profiles brought in from files, once and as a whole, and people found at a terminal.

use std::{
    fmt::Write as _,
    fs::Permissions,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};
use tidings_sdk::{Client, Options, protocol::query::SearchPeople};
use tidings_tests::{
    Server, World, eventually, http,
    server::program,
    token::{self, SECRET, now_ms},
    within,
};

on_both_logs! {
    an_import_sets_profiles_and_once,
    an_import_of_profiles_goes_on_when_the_server_comes_back,
    an_import_of_profiles_that_was_broken_off_is_taken_up_again,
    people_are_found_at_a_terminal,
}

const KEY: &str = "a key of the tests for users and for operating";

/// The sample that comes with the repository, and what it holds.
const ATTRIBUTES: &str = include_str!("../../../examples/people/attributes.toml");
const PEOPLE: &str = include_str!("../../../examples/people/people.jsonl");
const COUNT: usize = 24;

fn with_people(mut world: World) -> World {
    let key = file(&world, "people.key", KEY);
    world.messages(&format!(
        "[[auth.api_keys]]\nname = \"people\"\nfile = {key:?}\nscopes = [\"users\", \"operate\"]\n"
    ));
    world.search(ATTRIBUTES);
    world
}

fn file(world: &World, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = world.folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    // What tools warn of otherwise where it is a key.
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path
}

fn tool(arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command
        .args(arguments)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A tool that asks a running server, with the key.
fn at(server: &Server, world: &World, arguments: &[&str]) -> Command {
    let mut command = tool(arguments);
    let url = format!("http://{}", server.http);
    let key = world.folder.path().join("people.key");
    command.args(["--server", &url, "--key-file"]).arg(key);
    command
}

fn import(server: &Server, world: &World, files: &[&Path]) -> Command {
    let mut command = at(server, world, &["import", "profiles", "--json"]);
    command.args(files);
    command
}

#[derive(Debug)]
struct Done {
    ok: bool,
    said: String,
    errors: String,
}

impl Done {
    /// What a summary in JSON says: set, unchanged, refused, wrong.
    fn counts(&self) -> [u64; 4] {
        let said: Value = serde_json::from_str(&self.said).unwrap_or_default();
        ["set", "unchanged", "refused", "wrong"].map(|name| said[name].as_u64().unwrap_or(u64::MAX))
    }
}

async fn done(child: Child) -> Done {
    let output = tokio::task::spawn_blocking(|| child.wait_with_output());
    let output = within("the tool ends", output).await.unwrap().unwrap();
    Done {
        ok: output.status.success(),
        said: String::from_utf8(output.stdout).unwrap(),
        errors: String::from_utf8(output.stderr).unwrap(),
    }
}

async fn run(mut command: Command) -> Done {
    done(command.spawn().unwrap()).await
}

/// What a tool prints, once it has succeeded.
async fn printed(command: Command) -> String {
    let done = run(command).await;
    assert!(done.ok, "{}{}", done.said, done.errors);
    done.said
}

async fn stats(world: &World) -> String {
    let mut command = tool(&["log", "stats", "--config"]);
    command.arg(world.config());
    printed(command).await
}

/// How many times a profile was set, by the log.
async fn times_set(world: &World) -> usize {
    let stats = stats(world).await;
    let line = stats
        .lines()
        .find_map(|line| line.trim().strip_prefix("profile_set "));
    line.map_or(0, |count| count.trim().parse().unwrap())
}

async fn is_sound(world: &World, server: Server) {
    server.terminate();
    assert!(server.ended().await.success());
    for sub in [["log", "verify"], ["projections", "audit"]] {
        let mut command = tool(&[sub[0], sub[1], "--config"]);
        command.arg(world.config());
        printed(command).await;
    }
}

/// Waits until so many can be found.
async fn indexed(server: &Server, world: &World, count: usize) {
    eventually("all can be found", async || {
        let status = printed(at(server, world, &["search", "status", "--json"])).await;
        let status: Value = serde_json::from_str(&status).unwrap();
        (status["people"]["count"] == json!(count)).then_some(())
    })
    .await;
}

async fn shown(server: &Server, user: &str) -> Value {
    let bearer = format!("Bearer {KEY}");
    let path = format!("/v1/users/{user}/profile");
    let headers = [("Authorization", bearer.as_str())];
    let answer = http::request(server, "GET", &path, &headers, b"").await;
    serde_json::from_str(&answer.body).unwrap()
}

async fn an_import_sets_profiles_and_once(world: World) {
    let world = with_people(world);
    let people = file(&world, "people.jsonl", PEOPLE);
    // Where no server has been yet, a dry run makes nothing.
    let data = &world.data;
    std::fs::create_dir_all(data).unwrap();
    let mut dry = tool(&["import", "profiles", "--dry-run", "--config"]);
    dry.arg(world.config()).arg(&people);
    let dry = run(dry).await;
    assert!(
        !dry.ok && dry.errors.contains("a dry run makes no log"),
        "{dry:?}"
    );
    let made = std::fs::read_dir(data).unwrap().count();
    assert_eq!(made, 0, "nothing was made");
    let wrong = file(&world, "wrong.csv", "user,agee\nann,3\n");
    let mut all = tool(&["import", "profiles", "--config"]);
    all.arg(world.config()).args([&people, &wrong]);
    let all = run(all).await;
    assert!(!all.ok && all.errors.contains("wrong.csv"), "{all:?}");
    let made = std::fs::read_dir(data).unwrap().count();
    assert_eq!(made, 0, "nothing was made where something is wrong");

    let server = world.start().await;
    let more = file(
        &world,
        "more.csv",
        "user,hidden,at_ms,city,interests,age,location,photo,joined,about\r\n\
         zoe,yes,1700000000000,Berlin,hiking| chess,31,\"52.5,13.4\",YES,2026-01-02,\"She said \"\"no\"\",\nand went.\"\r\n\
         yan,,,,,,,,,\r\n",
    );

    let before = stats(&world).await;
    let mut dry = import(&server, &world, &[&people, &more]);
    dry.arg("--dry-run");
    let dry = run(dry).await;
    assert!(dry.ok, "{dry:?}");
    assert_eq!(dry.counts(), [COUNT as u64 + 2, 0, 0, 0], "{dry:?}");
    assert_eq!(stats(&world).await, before, "nothing was recorded");

    let first = run(import(&server, &world, &[&people, &more])).await;
    assert!(first.ok, "{first:?}");
    assert_eq!(first.counts(), [COUNT as u64 + 2, 0, 0, 0], "{first:?}");
    assert_eq!(
        shown(&server, "zoe").await,
        json!({
            "attributes": {
                "about": "She said \"no\",\nand went.", "age": 31, "city": "Berlin",
                "interests": ["hiking", "chess"], "joined": "2026-01-02",
                "location": { "lat": 52.5, "lon": 13.4 }, "photo": true,
            },
            "hidden": true, "made_ms": 1_700_000_000_000_u64,
        })
    );
    assert_eq!(shown(&server, "yan").await["attributes"], json!({}));

    // Again nothing is written, from afar and on the spot.
    let end = stats(&world).await;
    let again = run(import(&server, &world, &[&people, &more])).await;
    assert_eq!(again.counts(), [0, COUNT as u64 + 2, 0, 0], "{again:?}");
    assert_eq!(stats(&world).await, end, "nothing was recorded");
    // Who has changed meanwhile is set again, and nobody else.
    let other = file(
        &world,
        "other.csv",
        "user,city,age\nalice,Paris,32\nyan,,\n",
    );
    let other = run(import(&server, &world, &[&other])).await;
    assert_eq!(other.counts(), [1, 1, 0, 0], "{other:?}");
    let back = run(import(&server, &world, &[&people])).await;
    assert_eq!(back.counts(), [1, COUNT as u64 - 1, 0, 0], "{back:?}");

    is_sound(&world, server).await;
    let end = stats(&world).await;
    let mut local = tool(&["import", "profiles", "--config"]);
    local.arg(world.config()).args([&people, &more]);
    let local = printed(local).await;
    let says = format!(
        "set 0, unchanged {0}, refused 0 of {0} profiles; ",
        COUNT + 2
    );
    assert!(local.starts_with(&says), "{local}");
    assert_eq!(stats(&world).await, end, "nothing was recorded");
    let third = file(&world, "third.csv", "user,city\nnew,Rome\n");
    let mut local = tool(&["import", "profiles", "--json", "--config"]);
    local.arg(world.config()).arg(third);
    assert_eq!(run(local).await.counts(), [1, 0, 0, 0]);
    let server = world.start().await;
    assert_eq!(
        shown(&server, "new").await["attributes"],
        json!({ "city": "Rome" })
    );
    is_sound(&world, server).await;
}

/// Profiles that take many requests to the server.
const MANY: usize = 20_000;

fn many(world: &World) -> PathBuf {
    let mut lines = String::new();
    for n in 0..MANY {
        let _ = writeln!(
            lines,
            "{{\"user\": \"user{n}\", \"attributes\": {{\"age\": {}, \"city\": \"Berlin\"}}}}",
            n % 100
        );
    }
    file(world, "many.jsonl", lines)
}

/// Waits until some of an import has been accepted, and not all.
async fn half_way(server: &Server, import: &mut Child) {
    eventually("some of the import is in", async || {
        let accepted = http::metric(server, "tidings_commands_accepted_total").await;
        (accepted > 1_000).then_some(())
    })
    .await;
    let ended = import.try_wait().unwrap();
    assert!(ended.is_none(), "it was over before it was disturbed");
}

async fn an_import_of_profiles_goes_on_when_the_server_comes_back(world: World) {
    let world = with_people(world);
    let server = world.start().await;
    let people = many(&world);
    let mut child = import(&server, &world, &[&people]).spawn().unwrap();
    half_way(&server, &mut child).await;
    server.kill();
    let server = world.start().await;
    let all = done(child).await;
    assert!(all.ok, "{all:?}");
    assert!(all.errors.contains("trying again"), "{all:?}");
    // What was set by a request whose answer got lost was set by this import all the same.
    assert_eq!(all.counts(), [MANY as u64, 0, 0, 0], "{all:?}");
    assert_eq!(times_set(&world).await, MANY, "each once");
    is_sound(&world, server).await;
}

async fn an_import_of_profiles_that_was_broken_off_is_taken_up_again(world: World) {
    let world = with_people(world);
    let server = world.start().await;
    let people = many(&world);
    let mut child = import(&server, &world, &[&people]).spawn().unwrap();
    half_way(&server, &mut child).await;
    server.kill();
    child.kill().unwrap();
    child.wait().unwrap();
    let server = world.start().await;
    let rest = run(import(&server, &world, &[&people])).await;
    let [set, unchanged, refused, wrong] = rest.counts();
    assert!(set > 0 && unchanged > 0, "{rest:?}");
    assert_eq!(
        (set + unchanged, refused, wrong),
        (MANY as u64, 0, 0),
        "{rest:?}"
    );
    assert_eq!(times_set(&world).await, MANY, "each once");
    is_sound(&world, server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_line_is_wrong_nothing_is_written() {
    let world = with_people(World::embedded());
    let server = world.start().await;
    let before = stats(&world).await;
    let good = file(&world, "good.jsonl", PEOPLE);
    let mut lines = b"{\"user\": \"ann\", \"attributes\": {\"ctiy\": \"Rome\"}}\n\n".to_vec();
    lines.extend(b"{\"user\": \"ben\", \"attributes\": {\"age\": \"old\"}}\n");
    lines.extend(b"{\"user\": \"cas\"}\n{\"user\": \"\", \"hidden\": true}\n");
    lines.extend(b"{\"user\": \"alice\", \"attributes\": {}}\n\xff\nnonsense\n");
    lines.extend(vec![b' '; (1 << 20) + 1]);
    lines.extend(b"\n{\"user\": \"dan\", \"attributes\": {}, \"at_ms\": 99999999999999}\n");
    lines.extend(b"{\"user\": \"eve\", \"attributes\": {}, \"age\": 3}\n");
    lines.extend(
        b"{\"user\": \"ben\", \"attributes\": {\"age\": 1, \"city\": \"Rome\", \"age\": 2}}\n",
    );
    lines.extend(b"{\"user\": \"ann\", \"attributes\": {\"age\": 3}}\n");
    let bad = file(&world, "bad.jsonl", lines);
    let none = file(&world, "none.jsonl", "\n");
    let nobody = file(&world, "nobody.csv", "name,age\nann,3\n");
    let cells = file(
        &world,
        "cells.csv",
        "user,age,photo\nfay,3\ngus,x,yes\nhal,4,perhaps\n",
    );

    let all: [&Path; 5] = [&good, &bad, &none, &nobody, &cells];
    let done = run(import(&server, &world, &all)).await;
    assert!(!done.ok, "{done:?}");
    assert_eq!(done.counts(), [0, 0, 0, 17], "{done:?}");
    for says in [
        "bad.jsonl:1: no attribute `ctiy` is declared; there are: about, age, city, email,",
        "bad.jsonl:3: `age` is a number, and \"old\" is not",
        "bad.jsonl:4: neither attributes nor hidden is given",
        "bad.jsonl:5: ",
        "bad.jsonl:6: \"alice\" is in ",
        "good.jsonl:1 already: which one is to hold?",
        "bad.jsonl:7: not UTF-8, from byte 1 on",
        "bad.jsonl:8: not an object of JSON",
        "bad.jsonl:9: longer than 1048576 bytes",
        "bad.jsonl:10: at_ms is 99999999999999, it is ",
        "bad.jsonl:11: unknown field `age`",
        "bad.jsonl:12: `age` is there twice",
        "bad.jsonl:1 already: which one is to hold?",
        "none.jsonl:1: there is no profile in this file",
        "nobody.csv:1: ",
        "cells.csv:2: 2 cells, and the header has 3",
        "cells.csv:3: `age` is a number, and \"x\" is not",
        "cells.csv:4: `photo` is true or false, and \"perhaps\" is not",
    ] {
        assert!(done.errors.contains(says), "{says}: {}", done.errors);
    }
    assert_eq!(stats(&world).await, before, "nothing was recorded");

    // Of many the first are printed.
    let wrong: String = (0..50).map(|n| format!("user{n},x\n")).collect();
    let wrong = file(&world, "wrong.csv", format!("user,age\n{wrong}"));
    let mut command = at(&server, &world, &["import", "profiles"]);
    command.arg(wrong);
    let done = run(command).await;
    assert_eq!(done.errors.lines().count(), 21, "{}", done.errors);
    assert!(done.errors.ends_with("and 30 more\n"), "{}", done.errors);
    assert_eq!(done.said, "nothing was set: 50 wrong in 50 profiles\n");

    // Whom the server refuses is named by their line, and the others are set.
    let bearer = format!("Bearer {KEY}");
    let headers = [("Authorization", bearer.as_str())];
    let erased = http::request(&server, "DELETE", "/v1/users/bob", &headers, b"").await;
    assert_eq!(erased.status, 200, "{erased:?}");
    let twice = br#"{"attributes": {"age": 1, "age": 2}}"#;
    let many = br#"{"profiles": [{"user": "zoe", "attributes": {"age": 1, "age": 2}}]}"#;
    let within = br#"{"attributes": {"place": {"lat": 1, "lat": 2}}}"#;
    for (method, path, body) in [
        ("PUT", "/v1/users/zoe/profile", &twice[..]),
        ("POST", "/v1/profiles", &many[..]),
        // However deep.
        ("PUT", "/v1/users/zoe/profile", &within[..]),
    ] {
        let refused = http::request(&server, method, path, &headers, body).await;
        assert_eq!(refused.status, 400, "{refused:?}");
        let name = if body == within { "lat" } else { "age" };
        let says = format!("`{name}` is there twice");
        assert!(refused.body.contains(&says), "{refused:?}");
    }
    let done = run(import(&server, &world, &[&good])).await;
    assert!(!done.ok, "{done:?}");
    assert_eq!(done.counts(), [COUNT as u64 - 1, 0, 1, 0], "{done:?}");
    assert!(
        done.errors.contains("good.jsonl:2: bob has been erased"),
        "{done:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn profiles_are_imported_by_who_may() {
    let world = with_people(World::embedded());
    let server = world.start().await;
    let people = file(&world, "people.jsonl", PEOPLE);
    let url = format!("http://{}", server.http);
    let with = |flags: &[&str]| {
        let mut command = tool(&["import", "profiles", "--json"]);
        command.arg(&people).args(flags);
        command
    };
    let secret = file(&world, "secret", format!("{SECRET}\n"));
    let users = file(
        &world,
        "token",
        token::with_scope("boss", "tidings:users", now_ms() + 60_000),
    );
    let other = file(
        &world,
        "other",
        token::with_scope("boss", "tidings:import", now_ms() + 60_000),
    );
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let (config, secret, users, other) = (
        path(&world.config()),
        path(&secret),
        path(&users),
        path(&other),
    );

    let first = run(with(&["--server", &url, "--secret", &secret])).await;
    assert_eq!(first.counts(), [COUNT as u64, 0, 0, 0], "{first:?}");
    for flags in [
        ["--server", &url, "--token-file", &users],
        ["--server", &url, "--config", &config],
    ] {
        let done = run(with(&flags)).await;
        assert_eq!(
            done.counts(),
            [0, COUNT as u64, 0, 0],
            "{flags:?}: {done:?}"
        );
    }
    for (flags, says) in [
        (
            &["--server", &url, "--token-file", &other][..],
            "lacks \"tidings:users\"",
        ),
        (&["--server", &url, "--dev"], "refuses"),
        (
            &["--server", &url],
            "give --key-file, --token-file, --secret or --config",
        ),
        (
            &["--key-file", &users],
            "--key-file is for a running server",
        ),
        (
            &["--server", "http://127.0.0.1:1", "--dev"],
            "does a server run there?",
        ),
        (&["--config", &config], "stop that process first"),
    ] {
        let done = run(with(flags)).await;
        assert!(
            !done.ok && done.errors.contains(says),
            "{flags:?}: {done:?}"
        );
    }
}

/// Users in the order they are shown in.
fn users(found: &str) -> Vec<String> {
    let found: Value = serde_json::from_str(found).unwrap();
    let people = found["people"].as_array().unwrap().iter();
    people
        .map(|one| one["user"].as_str().unwrap().to_owned())
        .collect()
}

async fn people_are_found_at_a_terminal(world: World) {
    let world = with_people(world);
    let server = world.start().await;
    let people = file(&world, "people.jsonl", PEOPLE);
    printed(import(&server, &world, &[&people])).await;
    indexed(&server, &world, COUNT).await;
    let search = |arguments: &[&str]| {
        let mut all = vec!["search", "people"];
        all.extend(arguments);
        at(&server, &world, &all)
    };

    let found = printed(search(&[
        "hiking photography -dogs near:52.52,13.40,30km",
        "--facet",
        "city",
        "--highlight",
    ]))
    .await;
    assert!(
        found.starts_with("Alice (alice)  offline  3.6 km\n"),
        "{found}"
    );
    assert!(
        found.contains("  about       I sell my bicycle and buy another one. *Hiking* at"),
        "{found}"
    );
    assert!(
        found.contains("  interests   *hiking*, cycling, *photography*\n"),
        "{found}"
    );
    assert!(found.ends_with("city: Berlin 1\n1 person\n"), "{found}");
    // A query may begin with what is excluded, and what is not public is for the backend alone.
    let all = printed(search(&["-city:berlin", "--limit", "100", "--json"])).await;
    let all = users(&all);
    assert!(
        !all.contains(&"alice".to_owned()) && all.contains(&"dave".to_owned()),
        "{all:?}"
    );
    let email = "email:alice@example.com";
    assert_eq!(users(&printed(search(&[email, "--json"])).await), ["alice"]);
    let as_bob = run(search(&[email, "--as", "bob"])).await;
    assert!(
        !as_bob.ok && as_bob.errors.contains("there is no attribute `email`"),
        "{as_bob:?}"
    );

    // Page by page everybody once.
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let mut page = vec!["--sort", "newest", "--limit", "7"];
        if !after.is_empty() {
            page.extend(["--after", &after]);
        }
        let found = printed(search(&page)).await;
        let heads = found.lines().filter(|line| line.contains(")  offline"));
        seen.extend(heads.map(str::to_owned));
        assert!(found.contains("24 people\n"), "{found}");
        match found
            .trim_end()
            .rsplit_once("for the next page add: --after ")
        {
            Some((_, next)) => after = next.to_owned(),
            None => break,
        }
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), COUNT, "{seen:?}");

    // What is wrong is underlined.
    let wrong = run(search(&["rock ctiy:berlin"])).await;
    assert!(!wrong.ok, "{wrong:?}");
    let says = "error: the query is wrong:\nrock ctiy:berlin\n     ^^^^^\n";
    assert!(wrong.errors.starts_with(says), "{}", wrong.errors);
    assert!(
        wrong.errors.contains("did you mean `city`?"),
        "{}",
        wrong.errors
    );
    let explained = printed(search(&["hiking", "--explain", "--limit", "1"])).await;
    assert!(explained.contains("ranks here"), "{explained}");

    // Whoever is here comes first, also as the SDK has it.
    let mut options = Options::new(format!("ws://{}", server.http), token::of("omar").as_str());
    options.client = "tests".to_owned();
    let (client, _updates) = Client::connect(options).await.unwrap();
    eventually("omar is seen to be here", async || {
        let found = printed(search(&["--online", "only"])).await;
        (found.starts_with("Omar (omar)  online\n") && found.ends_with("1 person\n")).then_some(())
    })
    .await;
    let first = users(&printed(search(&["--online", "first", "--json"])).await);
    assert_eq!((first.len(), &*first[0]), (20, "omar"));
    let asked = SearchPeople {
        query: "city:berlin bicycle".to_owned(),
        ..SearchPeople::default()
    };
    let page = client.search_people(asked).await.unwrap();
    assert_eq!((page.people.len(), &*page.people[0].user), (1, "alice"));
    let profiles = client.profiles(&["bob", "nobody", "alice"]).await.unwrap();
    let of: Vec<&str> = profiles.iter().map(|one| &*one.user).collect();
    assert_eq!(of, ["bob", "alice"]);
    assert!(!profiles[0].attributes.contains("email"), "{profiles:?}");
    client.close().await;

    let rebuilt = printed(at(&server, &world, &["search", "rebuild"])).await;
    assert!(
        rebuilt.starts_with("built: 24 people as they were at position "),
        "{rebuilt}"
    );
    let none = tool(&[
        "search",
        "status",
        "--server",
        &format!("http://{}", server.http),
    ]);
    assert!(run(none).await.errors.contains("nothing says who you are"));

    // In the folder of a server that is stopped there is the same.
    let query = ["interests:hiking", "--limit", "100", "--json"];
    let running = users(&printed(search(&query)).await);
    server.terminate();
    assert!(server.ended().await.success());
    let before = stats(&world).await;
    let here = |arguments: &[&str]| {
        let mut command = tool(&["search", "people", "--config"]);
        command.arg(world.config()).args(arguments);
        command
    };
    assert_eq!(users(&printed(here(&query)).await), running);
    assert!(running.len() > 3, "{running:?}");
    if matches!(world.log, tidings_tests::Log::Embedded) {
        // Whoever does not say how the server is configured finds the same, and makes no other index over its own.
        let current = world.data.join("search/people/CURRENT");
        let used = std::fs::read(&current).unwrap();
        let mut folder = tool(&["search", "people", "--data"]);
        folder.arg(&world.data).args(query);
        assert_eq!(users(&printed(folder).await), running);
        assert_eq!(std::fs::read(&current).unwrap(), used);
    }
    assert_eq!(stats(&world).await, before, "nothing was recorded");
    let only = run(here(&["--online", "only"])).await;
    assert!(
        !only.ok && only.errors.contains("nobody is online in the folder"),
        "{only:?}"
    );
    let wrong = run(here(&["ctiy:berlin"])).await;
    assert!(
        wrong.errors.contains("\nctiy:berlin\n^^^^^\n"),
        "{}",
        wrong.errors
    );
}
