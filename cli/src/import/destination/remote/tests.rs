//! Requests and answers, and a server that loses some of them.

use std::{
    cell::RefCell,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    thread,
};

use tidings_gateway::auth::TokenSigner;
use uuid::Uuid;

use super::*;
use crate::backend::Pass;

/// Where the log ended when the import began.
const END: u64 = 10;

fn limits(commands: u32, body_bytes: u64) -> ImportLimits {
    ImportLimits {
        body_bytes,
        commands,
        group_members: 100,
        position: END,
    }
}

fn deeds(count: usize) -> Vec<Deed> {
    let join = |n: usize| Deed {
        actor: "irc:ann".to_owned(),
        source: "irc",
        key: vec![n.to_string()],
        happened_ms: Some(1),
        ask: Ask::Join { group: Uuid::nil() },
    };
    (0..count).map(join).collect()
}

/// What the server does with a request.
#[derive(Clone, Copy)]
enum Does {
    /// Answers all: with a position, as duplicates or not.
    Answer(u64, bool),
    /// Answers so many, and the rest with `unavailable`.
    Half(usize),
    /// Closes the connection.
    Hang,
    Status(&'static str),
}

/// A server that takes requests one by one, each on a connection of its own, and hands back the keys
/// it was given with each.
fn server(
    limits: ImportLimits,
    script: Vec<Does>,
) -> (String, thread::JoinHandle<Vec<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let serving = thread::spawn(move || {
        let mut given = Vec::new();
        let (connection, _) = listener.accept().expect("it is asked for its limits");
        let _ = request(&connection);
        reply(&connection, "200 OK", &limits.encode_to_vec());
        for does in script {
            let (connection, _) = listener.accept().expect("there is a request");
            let keys = request(&connection);
            match does {
                Does::Hang => {}
                Does::Status(status) => reply(&connection, status, b"why\n"),
                Does::Answer(position, duplicate) => {
                    reply(
                        &connection,
                        "200 OK",
                        &answers(keys.len(), keys.len(), position, duplicate),
                    );
                }
                Does::Half(half) => {
                    reply(
                        &connection,
                        "200 OK",
                        &answers(half, keys.len(), END + 1, false),
                    );
                }
            }
            given.push(keys);
        }
        given
    });
    (url, serving)
}

fn answers(good: usize, all: usize, position: u64, duplicate: bool) -> Vec<u8> {
    let mut out = BytesMut::new();
    for n in 0..all {
        let accepted = frame::Accepted {
            position,
            duplicate,
            ..frame::Accepted::default()
        };
        let error = frame::Error {
            code: "unavailable".to_owned(),
            message: "not now".to_owned(),
            retry: true,
            retry_after_ms: 0,
        };
        let answer = ImportAnswer {
            accepted: (n < good).then_some(accepted),
            error: (n >= good).then_some(error),
            conversation: Bytes::new(),
        };
        delimited::write(&answer.encode_to_vec(), &mut out);
    }
    out.to_vec()
}

/// Reads a request, and says which keys its commands have.
fn request(connection: &TcpStream) -> Vec<String> {
    let mut reader = BufReader::new(connection);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a request");
        let line = line.trim().to_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("the whole body");
    let mut body = BytesMut::from(&body[..]);
    let mut keys = Vec::new();
    while let Some(command) = delimited::read(&mut body, usize::MAX).expect("frames") {
        let command = ImportCommand::decode(command).expect("a command");
        keys.push(command.key.concat());
    }
    keys
}

fn reply(mut connection: &TcpStream, status: &str, body: &[u8]) {
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    connection.write_all(head.as_bytes()).expect("it listens");
    connection.write_all(body).expect("it listens");
}

/// Carries so many deeds out at a server with a script: the outcomes, what it was sent, what people
/// were told.
async fn carried_out(
    limits: ImportLimits,
    count: usize,
    script: Vec<Does>,
) -> (anyhow::Result<Vec<Outcome>>, Vec<Vec<String>>, Vec<String>) {
    let (url, serving) = server(limits, script);
    let pass = Pass::Signer(Box::new(TokenSigner::new(&[7; 32])));
    let connect = move || Remote::connect(Endpoint::new(&url, "irc-import", pass, None)?);
    let remote = tokio::task::spawn_blocking(connect)
        .await
        .expect("no panic")
        .expect("it is let in");
    let told = RefCell::new(Vec::new());
    let answered = remote
        .carry_out(&deeds(count), &|text| told.borrow_mut().push(text))
        .await;
    let outcomes = answered.map(|all| all.into_iter().map(|one| one.outcome).collect());
    let given = serving.join().expect("the script was followed");
    (outcomes, given, told.into_inner())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deeds_go_out_in_order_in_requests_of_a_size() {
    let script = vec![Does::Answer(END + 1, false); 3];
    let (outcomes, given, told) = carried_out(limits(2, 1_000), 5, script).await;
    assert_eq!(outcomes.expect("all answered"), vec![Outcome::Done; 5]);
    assert_eq!(given, [vec!["0", "1"], vec!["2", "3"], vec!["4"]]);
    assert!(told.is_empty(), "{told:?}");

    let one = command(&deeds(1)[0]).encoded_len() as u64 + 1;
    let script = vec![Does::Answer(END + 1, false); 2];
    let (outcomes, given, _) = carried_out(limits(100, one * 3), 5, script).await;
    assert_eq!(outcomes.expect("all answered").len(), 5);
    assert_eq!(given, [vec!["0", "1", "2"], vec!["3", "4"]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_gets_lost_is_sent_again_and_counts_as_this_imports_own() {
    let script = vec![
        Does::Hang,
        Does::Status("502 Bad Gateway"),
        Does::Answer(END + 1, true),
        Does::Answer(END + 1, true),
    ];
    let (outcomes, given, told) = carried_out(limits(2, 1_000), 4, script).await;
    let expected = [
        // Recorded since the import began, by a try whose answer was lost.
        Outcome::Done,
        Outcome::Done,
        // Nothing was lost of these: somebody else has recorded them.
        Outcome::Known,
        Outcome::Known,
    ];
    assert_eq!(outcomes.expect("all answered"), expected);
    assert_eq!(given[..3], [vec!["0", "1"], vec!["0", "1"], vec!["0", "1"]]);
    assert_eq!(told.len(), 2, "{told:?}");

    // What was there before the import began is not of its making, lost or not.
    let script = vec![Does::Hang, Does::Answer(END, true)];
    let (outcomes, _, _) = carried_out(limits(2, 1_000), 1, script).await;
    assert_eq!(outcomes.expect("all answered"), [Outcome::Known]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_one_that_could_not_be_written_all_that_follow_come_again() {
    let script = vec![
        Does::Half(1),
        Does::Status("503 Busy"),
        Does::Answer(END + 2, true),
    ];
    let (outcomes, given, told) = carried_out(limits(9, 1_000), 3, script).await;
    assert_eq!(outcomes.expect("all answered"), vec![Outcome::Done; 3]);
    assert_eq!(given, [vec!["0", "1", "2"], vec!["1", "2"], vec!["1", "2"]]);
    assert!(told[0].starts_with("not now: trying again"), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_not_tried_again() {
    let script = vec![Does::Status("403 Forbidden")];
    let (outcomes, given, told) = carried_out(limits(9, 1_000), 3, script).await;
    let error = outcomes.expect_err("it is refused").to_string();
    assert_eq!(error, "the server refuses: 403 Forbidden: why");
    assert_eq!((given.len(), told.len()), (1, 0));
}

#[test]
fn a_server_that_is_not_there_is_named() {
    for (url, expected) in [
        ("127.0.0.1:1", "is not the URL of a server"),
        ("ftp://127.0.0.1:1", "begin it with http:// or https://"),
        ("http://127.0.0.1:1", "cannot reach http://127.0.0.1:1"),
    ] {
        let connected =
            Endpoint::new(url, "irc-import", Pass::Development, None).and_then(Remote::connect);
        let error = match connected {
            Err(error) => format!("{error:#}"),
            Ok(_) => panic!("{url}"),
        };
        assert!(error.contains(expected), "{url}: {error}");
    }
}

#[test]
fn pauses_grow_and_end() {
    let all: Vec<u64> = (1..TRIES).map(|n| pause(n).as_millis() as u64).collect();
    assert_eq!(
        all,
        [400, 800, 1_600, 3_200, 5_000, 5_000, 5_000, 5_000, 5_000]
    );
}
