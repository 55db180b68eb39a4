//! Conversations brought into a running server: as they were, once, and by operators only.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use tidings_protocol::{frame::Outcome, view::Message};
use tidings_tests::{
    Server, Session, Way, World, ask, eventually, history, http,
    server::program,
    token::{self, SECRET, now_ms},
    within,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use uuid::Uuid;

on_both_logs! {
    an_import_brings_in_what_was_said_and_once,
    an_import_goes_on_when_the_server_comes_back,
    an_import_that_was_broken_off_is_taken_up_again,
}

const FIRST: &str = "\
=== ann [u@h]  has joined #talk
[09:00] <ann> is anybody here?
[09:01] <ben> I am
=== cas [u@h]  has joined #talk
[09:02]  * cas waves
=== ann is now known as anna
[09:03] <anna> a new name
this is no line of a log
=== cas [u@h]  has left #talk []
";

/// Ben has stayed from the day before.
const SECOND: &str = "\
[10:00] <ben> still here
[10:01] <dan> hello
[10:01] <ben>\u{20}
";

/// Said in these, in the order in which it was, with the minute of which day.
const SAID: [(&str, &str, u64); 7] = [
    ("irc:ann", "is anybody here?", 9 * 60),
    ("irc:ben", "I am", 9 * 60 + 1),
    ("irc:cas", "* cas waves", 9 * 60 + 2),
    ("irc:anna", "a new name", 9 * 60 + 3),
    ("irc:ben", "still here", 34 * 60),
    ("irc:dan", "hello", 34 * 60 + 1),
    ("irc:ben", "\u{2423}", 34 * 60 + 1),
];

/// 2005-02-08 in milliseconds since 1970.
const DAY_MS: u64 = 12_822 * 86_400_000;

/// Puts a log into the world's folder.
fn file(world: &World, day: u32, text: &str) -> PathBuf {
    let path = world.folder.path().join(format!("2005-02-{day:02}.txt"));
    std::fs::write(&path, text).unwrap();
    path
}

fn secret(world: &World) -> PathBuf {
    let path = world.folder.path().join("secret");
    std::fs::write(&path, format!("{SECRET}\n")).unwrap();
    path
}

/// `tidings import irc`, to be given where to.
fn import(files: &[PathBuf]) -> Command {
    let mut command = Command::new(program());
    command
        .args(["import", "irc", "--channel", "#talk", "--member", "reader"])
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .args(files);
    command
}

/// The same into a running server.
fn into(server: &Server, world: &World, files: &[PathBuf]) -> Command {
    let mut command = import(files);
    let url = format!("http://{}", server.http);
    command
        .args(["--server", &url, "--secret"])
        .arg(secret(world));
    command
}

/// What an import printed: its summary, and what it said of its troubles.
struct Done {
    ok: bool,
    messages: u64,
    known: u64,
    joins: u64,
    leaves: u64,
    summary: String,
    errors: String,
}

async fn done(child: Child) -> Done {
    let output = tokio::task::spawn_blocking(|| child.wait_with_output());
    let output = within("the import ends", output).await.unwrap().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let summary = printed.lines().last().unwrap_or_default().to_owned();
    let number = |word: &str| {
        let before = summary.split(word).next().unwrap_or_default().trim_end();
        let digits = before.rsplit([' ', '(']).next().unwrap_or_default();
        digits.parse().unwrap_or(u64::MAX)
    };
    Done {
        ok: output.status.success(),
        messages: number("messages ("),
        known: number("known already"),
        joins: number("joins,"),
        leaves: number("leaves,"),
        errors: String::from_utf8(output.stderr).unwrap(),
        summary,
    }
}

async fn run(mut command: Command) -> Done {
    done(command.spawn().unwrap()).await
}

/// The channel's group as a reader finds it.
async fn group(session: &mut Session) -> tidings_protocol::view::Conversation {
    match session.ask(ask::conversations()).await {
        Outcome::Conversations(list) => {
            assert_eq!(list.conversations.len(), 1, "{list:?}");
            list.conversations.into_iter().next().unwrap()
        }
        other => panic!("{other:?}"),
    }
}

async fn read(server: &Server) -> (tidings_protocol::view::Conversation, Vec<Message>) {
    let mut reader = Session::open(server, Way::QuicProtobuf, "reader").await;
    let group = group(&mut reader).await;
    let id = Uuid::from_slice(&group.id).unwrap();
    let said = history::all(&mut reader, id).await;
    (group, said)
}

/// What a tool prints, once it has succeeded.
fn printed(world: &World, tool: &[&str]) -> String {
    let output = world.tool(tool);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool:?}: {said}{errors}");
    said
}

/// Stops the server and looks whether what it leaves is sound.
async fn is_sound(world: &World, server: Server) {
    server.terminate();
    assert!(server.ended().await.success());
    printed(world, &["log", "verify"]);
    printed(world, &["projections", "audit"]);
}

async fn an_import_brings_in_what_was_said_and_once(world: World) {
    let server = world.start().await;
    let files = [file(&world, 8, FIRST), file(&world, 9, SECOND)];
    let first = run(into(&server, &world, &files)).await;
    assert!(first.ok, "{}{}", first.summary, first.errors);
    assert_eq!((first.messages, first.known), (7, 0), "{}", first.summary);
    // Ann, Ben, Cas, Anna, Dan; each has left at last.
    assert_eq!((first.joins, first.leaves), (5, 5), "{}", first.summary);
    let warned = first
        .errors
        .lines()
        .any(|line| line.starts_with("2005-02-08.txt:8: "));
    assert!(warned, "{}", first.errors);

    let (group, said) = read(&server).await;
    assert_eq!(group.title, "#talk");
    assert_eq!(group.member_count, 2, "the importer and the reader");
    let said: Vec<_> = said
        .iter()
        .map(|message| {
            (
                message.author.as_str(),
                message.text.as_str(),
                message.at_ms / 60_000,
            )
        })
        .collect();
    assert_eq!(
        said,
        SAID.map(|(who, what, at)| (who, what, DAY_MS / 60_000 + at))
    );

    // Again adds nothing, from afar and on the spot; also to the log.
    let end = printed(&world, &["log", "stats"]);
    let second = run(into(&server, &world, &files)).await;
    assert!(second.ok, "{}{}", second.summary, second.errors);
    assert_eq!(
        (second.messages, second.known),
        (0, 7),
        "{}",
        second.summary
    );
    assert_eq!((second.joins, second.leaves), (0, 0), "{}", second.summary);
    let after = printed(&world, &["log", "stats"]);
    assert_eq!(after, end, "nothing was recorded");

    is_sound(&world, server).await;
    let before = printed(&world, &["log", "stats"]);
    let mut local = import(&files);
    local.arg("--config").arg(world.config());
    let third = run(local).await;
    assert!(third.ok, "{}{}", third.summary, third.errors);
    assert_eq!((third.messages, third.known), (0, 7), "{}", third.summary);
    assert_eq!((third.joins, third.leaves), (0, 0), "{}", third.summary);
    assert_eq!(printed(&world, &["log", "stats"]), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_may_come_day_by_day() {
    let world = World::embedded();
    let server = world.start().await;
    let files = [file(&world, 8, FIRST), file(&world, 9, SECOND)];
    let first = run(into(&server, &world, &files[..1])).await;
    assert_eq!(first.messages, 4, "{}{}", first.summary, first.errors);
    // Ben, who left where the first day ended, is back for the second.
    let both = run(into(&server, &world, &files)).await;
    assert!(both.ok, "{}{}", both.summary, both.errors);
    assert_eq!((both.messages, both.known), (3, 4), "{}", both.summary);
    let end = printed(&world, &["log", "stats"]);
    let again = run(into(&server, &world, &files)).await;
    assert_eq!((again.messages, again.known), (0, 7), "{}", again.summary);
    let after = printed(&world, &["log", "stats"]);
    assert_eq!(after, end, "nothing was recorded");
    let (group, said) = read(&server).await;
    assert_eq!(group.member_count, 2);
    let authors: Vec<_> = said.iter().map(|message| message.author.as_str()).collect();
    assert_eq!(authors, SAID.map(|(who, _, _)| who));
}

/// A log that takes several requests: lines of many people, each saying a number.
fn long(lines: usize) -> String {
    (0..lines)
        .map(|n| {
            let (hour, minute) = (n * 24 / lines, n * 24 * 60 / lines % 60);
            format!("[{hour:02}:{minute:02}] <nick{}> {n}\n", n % 100)
        })
        .collect()
}

/// Lines that take several requests to the server.
const LINES: usize = 12_000;

/// Waits until some of an import has been accepted, and not all.
async fn half_way(server: &Server, import: &mut Child) {
    eventually("some of the import is in", async || {
        let accepted = http::metric(server, "tidings_commands_accepted_total").await;
        (accepted > 1_000).then_some(())
    })
    .await;
    let ended = import.try_wait().unwrap();
    assert!(
        ended.is_none(),
        "the import was over before it was disturbed"
    );
}

async fn is_whole(server: &Server) {
    let (group, said) = read(server).await;
    assert_eq!(group.member_count, 2);
    let numbers: Vec<usize> = said
        .iter()
        .map(|message| message.text.parse().unwrap())
        .collect();
    assert_eq!(numbers, (0..LINES).collect::<Vec<_>>());
}

async fn an_import_goes_on_when_the_server_comes_back(world: World) {
    let server = world.start().await;
    let files = [file(&world, 8, &long(LINES))];
    let mut tool = into(&server, &world, &files).spawn().unwrap();
    half_way(&server, &mut tool).await;
    server.kill();
    let server = world.start().await;
    let all = done(tool).await;
    assert!(all.ok, "{}{}", all.summary, all.errors);
    assert!(all.errors.contains("trying again"), "{}", all.errors);
    // What was recorded by a request whose answer got lost was added by this import all the same.
    assert_eq!(
        (all.messages, all.known),
        (LINES as u64, 0),
        "{}",
        all.summary
    );
    is_whole(&server).await;
    is_sound(&world, server).await;
}

async fn an_import_that_was_broken_off_is_taken_up_again(world: World) {
    let server = world.start().await;
    let files = [file(&world, 8, &long(LINES))];
    let mut tool = into(&server, &world, &files).spawn().unwrap();
    half_way(&server, &mut tool).await;
    server.kill();
    tool.kill().unwrap();
    tool.wait().unwrap();
    let server = world.start().await;
    let rest = run(into(&server, &world, &files)).await;
    assert!(rest.ok, "{}{}", rest.summary, rest.errors);
    assert!(rest.known > 0 && rest.messages > 0, "{}", rest.summary);
    assert_eq!(rest.known + rest.messages, LINES as u64, "{}", rest.summary);
    is_whole(&server).await;
    is_sound(&world, server).await;
}

/// The status and body of a request to `/v1/import`.
async fn request(server: &Server, head: &str, body: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(server.http).await.unwrap();
    let length = body.len();
    let request = format!("{head}Host: x\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    // It may answer before it has read everything, and not care for the rest.
    let _ = stream.write_all(body).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").unwrap_or_default().1;
    (status.unwrap_or_default(), body.to_owned())
}

async fn asked(server: &Server, token: Option<&str>) -> [u16; 2] {
    let header = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
    let header = header.unwrap_or_default();
    let get = format!("GET /v1/import HTTP/1.1\r\n{header}");
    let post = format!("POST /v1/import HTTP/1.1\r\n{header}");
    [
        request(server, &get, b"").await.0,
        request(server, &post, b"").await.0,
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_operators_import() {
    let world = World::embedded();
    let server = world.start().await;
    let operator = token::with_scope("boss", "chat tidings:import", now_ms() + 60_000);
    let expired = token::with_scope("boss", "tidings:import", now_ms() - 60_000);
    let other = token::with_scope("boss", "import", now_ms() + 60_000);
    assert_eq!(asked(&server, Some(&operator)).await, [200, 200]);
    assert_eq!(asked(&server, None).await, [401, 401]);
    assert_eq!(asked(&server, Some(&token::of("ann"))).await, [403, 403]);
    assert_eq!(asked(&server, Some(&other)).await, [403, 403]);
    for bad in [
        "dev:ann",
        "dev:irc-import",
        "",
        "x",
        expired.as_str(),
        &operator[1..],
    ] {
        assert_eq!(asked(&server, Some(bad)).await, [401, 401], "{bad}");
    }

    // The tool says the same in words.
    let files = [file(&world, 8, FIRST)];
    let url = format!("http://{}", server.http);
    let users = world.folder.path().join("token");
    std::fs::write(&users, token::of("ann")).unwrap();
    let mut command = import(&files);
    command.args(["--server", &url, "--token-file"]).arg(&users);
    let refused = run(command).await;
    assert!(!refused.ok);
    assert!(
        refused.errors.contains("lacks \"tidings:import\""),
        "{}",
        refused.errors
    );
    std::fs::write(&users, &operator).unwrap();
    let mut command = import(&files);
    command.args(["--server", &url, "--token-file"]).arg(&users);
    let let_in = run(command).await;
    assert!(let_in.ok, "{}", let_in.errors);
    assert_eq!(let_in.messages, 4, "{}", let_in.summary);
    // Also with what the server's configuration holds.
    let mut command = import(&files);
    command
        .args(["--server", &url, "--config"])
        .arg(world.config());
    assert_eq!(run(command).await.known, 4);

    // Either into a folder or into a server.
    let mut command = import(&files);
    command
        .args(["--server", &url, "--dev", "--data"])
        .arg(&world.data);
    let both = run(command).await;
    assert!(
        both.errors.contains("cannot be used with"),
        "{}",
        both.errors
    );
    let mut command = import(&files);
    command.args(["--server", &url]);
    let none = run(command).await;
    assert!(none.errors.contains("--token-file"), "{}", none.errors);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn development_tokens_import_where_they_are_accepted() {
    let mut world = World::embedded();
    world.development = true;
    let server = world.start().await;
    let mut command = import(&[file(&world, 8, FIRST)]);
    command.args(["--dev", "--server", &format!("http://{}/", server.http)]);
    let done = run(command).await;
    assert!(done.ok, "{}", done.errors);
    assert_eq!(done.messages, 4, "{}", done.summary);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_much_or_no_batch_is_refused() {
    let world = World::embedded();
    let server = world.start().await;
    let operator = token::with_scope("boss", "tidings:import", now_ms() + 60_000);
    let head = format!("POST /v1/import HTTP/1.1\r\nAuthorization: Bearer {operator}\r\n");
    let (status, said) = request(&server, &head, &vec![0; (4 << 20) + 1]).await;
    assert_eq!(status, 413, "{said}");
    let (status, said) = request(&server, &head, &vec![0; 5_001]).await;
    assert_eq!(status, 400, "{said}");
    assert!(said.contains("more than 5000 commands"), "{said}");
    let (status, said) = request(&server, &head, b"no batch").await;
    assert_eq!(status, 400, "{said}");
    let end = http::metric(&server, "tidings_projection_position").await;
    assert_eq!(end, 0, "nothing was recorded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_larger_than_the_server_allows_is_not_begun() {
    let mut world = World::embedded();
    world.messages("group_members = 4\n");
    let server = world.start().await;
    let files = [file(
        &world,
        8,
        "[09:00] <a> 1\n[09:00] <b> 2\n[09:00] <c> 3\n",
    )];
    let refused = run(into(&server, &world, &files)).await;
    assert!(!refused.ok);
    for part in ["needs room for 5", "limit is 4", "messages.group_members"] {
        assert!(refused.errors.contains(part), "{part}: {}", refused.errors);
    }
    let end = http::metric(&server, "tidings_projection_position").await;
    assert_eq!(end, 0, "nothing was recorded");

    // With one author less it just fits.
    let files = [file(&world, 8, "[09:00] <a> 1\n[09:00] <b> 2\n")];
    let fits = run(into(&server, &world, &files)).await;
    assert!(fits.ok, "{}{}", fits.summary, fits.errors);
    assert_eq!(fits.messages, 2, "{}", fits.summary);
}
