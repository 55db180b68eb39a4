//! People who chat in a terminal: each a process of their own, over QUIC, with lines or on a screen.

use std::{
    io::{BufRead as _, BufReader, Read as _, Seek as _, Write as _},
    path::Path,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

use tidings_tests::{Server, World, eventually, server::program, token};

/// A chat of a user's, and what it has printed so far.
struct Chat {
    child: Child,
    input: Option<ChildStdin>,
    printed: Arc<Mutex<Vec<u8>>>,
    errors: Arc<Mutex<Vec<u8>>>,
    collectors: [JoinHandle<()>; 2],
}

/// `tidings chat` over QUIC, with outboxes in the world's folder.
fn chat(world: &World, port: u16, arguments: &[&str]) -> Vec<String> {
    let mut command = vec![program().display().to_string(), "chat".to_owned()];
    let data = world.folder.path().join("chats");
    command.extend(["--server".to_owned(), format!("quic://127.0.0.1:{port}")]);
    command.extend(["--data".to_owned(), data.display().to_string()]);
    command.extend(arguments.iter().map(|&argument| argument.to_owned()));
    command
}

impl Chat {
    fn lines(world: &World, server: &Server, arguments: &[&str]) -> Chat {
        Chat::of(&chat(world, server.quic.port(), arguments))
    }

    /// The same on the screen of a terminal of 90 columns and 24 rows.
    fn screen(world: &World, server: &Server, arguments: &[&str]) -> Chat {
        let words = chat(world, server.quic.port(), arguments);
        let quoted: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
        let command = format!("stty cols 90 rows 24; exec {}", quoted.join(" "));
        let script = [
            "script",
            "--quiet",
            "--return",
            "--flush",
            "--command",
            &command,
            "/dev/null",
        ];
        Chat::of(&script.map(str::to_owned))
    }

    fn of(command: &[String]) -> Chat {
        let mut child = Command::new(&command[0])
            .args(&command[1..])
            .env("TZ", "UTC")
            .env("TERM", "xterm")
            .env_remove("TIDINGS_TOKEN")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{} cannot be started: {error}", command[0]));
        let (printed, prints) = collect(child.stdout.take().unwrap());
        let (errors, tells) = collect(child.stderr.take().unwrap());
        Chat {
            input: child.stdin.take(),
            child,
            printed,
            errors,
            collectors: [prints, tells],
        }
    }

    fn write(&mut self, text: &str) {
        let input = self.input.as_mut().unwrap();
        input.write_all(text.as_bytes()).unwrap();
        input.flush().unwrap();
    }

    fn printed(&self) -> String {
        String::from_utf8_lossy(&self.printed.lock().unwrap()).into_owned()
    }

    fn errors(&self) -> String {
        String::from_utf8_lossy(&self.errors.lock().unwrap()).into_owned()
    }

    async fn prints(&self, text: &str) {
        eventually(&format!("{text:?} is printed"), async || {
            self.printed().contains(text).then_some(())
        })
        .await;
    }

    async fn says(&self, text: &str) {
        eventually(&format!("{text:?} is told"), async || {
            self.errors().contains(text).then_some(())
        })
        .await;
    }

    async fn ended(&mut self) -> ExitStatus {
        let child = &mut self.child;
        let status = eventually("the chat ends", async || child.try_wait().unwrap()).await;
        eventually("all it has said is collected", async || {
            let mut collectors = self.collectors.iter();
            collectors.all(JoinHandle::is_finished).then_some(())
        })
        .await;
        status
    }
}

impl Drop for Chat {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("printed: {:?}\ntold: {}", self.printed(), self.errors());
        }
        // It may have ended by itself, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(from: impl std::io::Read + Send + 'static) -> (Arc<Mutex<Vec<u8>>>, JoinHandle<()>) {
    let collected = Arc::new(Mutex::new(Vec::new()));
    let into = collected.clone();
    let collector = thread::spawn(move || {
        let mut from = BufReader::new(from);
        while let Ok(bytes) = from.fill_buf() {
            if bytes.is_empty() {
                break;
            }
            into.lock().unwrap().extend_from_slice(bytes);
            let taken = bytes.len();
            from.consume(taken);
        }
    });
    (collected, collector)
}

fn development() -> World {
    let mut world = World::embedded();
    world.development = true;
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_people_talk_line_by_line() {
    let world = development();
    let server = world.start().await;
    let mut ann = Chat::lines(&world, &server, &["--as", "ann", "--to", "ben", "--json"]);
    let mut ben = Chat::lines(&world, &server, &["--as", "ben", "--to", "ann"]);
    ann.write("is anybody here?\n");
    ben.prints("#1 ann: is anybody here?").await;
    ben.write("I am\n/reply 1 since nine\n/react 1 👍\n/edit 1 not mine\n");
    ann.prints(r#""text":"I am""#).await;
    ann.prints(r#""reply_to":1"#).await;
    ann.prints(r#""reaction_added""#).await;
    ben.says("/edit 1 not mine").await;
    // Who has read what was printed has read it.
    ann.prints(r#""read_up_to""#).await;
    for line in ann.printed().lines() {
        let object: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(object["conversation"].is_string(), "{line}");
    }

    drop(ann.input.take());
    assert!(ann.ended().await.success());
    drop(ben.input.take());
    let status = ben.ended().await;
    assert!(!status.success(), "one line was refused: {}", ben.errors());

    // Who comes later and asks for it finds it all.
    let mut later = Chat::lines(
        &world,
        &server,
        &["--as", "ann", "--to", "ben", "--history", "9"],
    );
    drop(later.input.take());
    assert!(later.ended().await.success(), "{}", later.errors());
    let printed = later.printed();
    let said: Vec<_> = printed
        .lines()
        .filter_map(|line| line.split_once('#'))
        .collect();
    let said: Vec<_> = said.iter().map(|(_, said)| *said).collect();
    let expected = [
        "1 ann: is anybody here?",
        "2 ben: I am",
        "3 ben (to #1): since nine",
    ];
    assert_eq!(said, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_screen_shows_what_others_write_and_leaves_the_terminal_as_it_was() {
    let world = development();
    let server = world.start().await;
    let mut ben = Chat::lines(&world, &server, &["--as", "ben", "--to", "ann", "--follow"]);
    let mut ann = Chat::screen(&world, &server, &["--as", "ann", "--to", "ben"]);
    ann.prints("\u{1b}[?1049h").await;
    ben.write("pterodactyl\n");
    ann.prints("pterodactyl").await;
    // In the list it stands a moment earlier than there is anything to write into.
    ann.prints("the conversation begins here").await;
    ann.write("archaeopteryx\r");
    ben.prints("#2 ann: archaeopteryx").await;
    ann.write("/group Birds\r");
    ann.prints("Birds").await;

    ann.write("\u{3}");
    assert!(ann.ended().await.success(), "{}", ann.printed());
    let printed = ann.printed();
    let last = |code: &str| printed.rfind(code).unwrap_or_else(|| panic!("no {code:?}"));
    assert!(
        last("\u{1b}[?1049l") > last("\u{1b}[?1049h"),
        "the other screen is left"
    );
    assert!(
        last("\u{1b}[?2004l") > last("\u{1b}[?2004h"),
        "pasting is as it was"
    );
    assert!(
        last("\u{1b}[?25h") > last("\u{1b}[?25l"),
        "the cursor is seen"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_without_a_server_is_sent_once_by_the_next_chat() {
    let world = development();
    let server = world.start().await;
    let mut ann = Chat::lines(&world, &server, &["--as", "ann", "--to", "ben", "--follow"]);
    ann.write("first\n");
    ann.prints("#1 ann: first").await;
    server.terminate();
    assert!(server.ended().await.success());
    ann.says("not connected").await;
    ann.write("written in the dark\n");
    let chats = world.folder.path().join("chats");
    eventually("it is in the outbox", async || {
        holds(&chats, b"written in the dark").then_some(())
    })
    .await;
    ann.child.kill().unwrap();
    ann.ended().await;

    let server = world.start().await;
    let arguments = ["--as", "ann", "--to", "ben", "--history", "9", "--follow"];
    let again = Chat::lines(&world, &server, &arguments);
    again.prints("#2 ann: written in the dark").await;
    let mut ben = Chat::lines(&world, &server, &["--as", "ben", "--to", "ann"]);
    drop(ben.input.take());
    assert!(ben.ended().await.success());
    assert_eq!(ben.printed().lines().count(), 2, "{}", ben.printed());
}

/// Whether a file in a folder, however deep, has these bytes in it.
fn holds(folder: &Path, bytes: &[u8]) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return false;
    };
    entries.map(|entry| entry.unwrap().path()).any(|path| {
        if path.is_dir() {
            return holds(&path, bytes);
        }
        let mut held = Vec::new();
        let read = std::fs::File::open(&path).and_then(|mut file| file.read_to_end(&mut held));
        read.is_ok() && held.windows(bytes.len()).any(|window| window == bytes)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_token_wants_a_certificate_that_can_be_trusted() {
    let world = World::embedded();
    let server = world.start().await;
    let path = world.folder.path().join("ann.token");
    std::fs::write(&path, token::of("ann")).unwrap();
    let path = path.display().to_string();
    let ann = ["--token-file", &path, "--to", "ben"];

    let mut refused = Chat::lines(&world, &server, &ann);
    assert!(!refused.ended().await.success());
    refused.says("not trusted").await;
    refused.says("--certificate").await;
    assert!(!refused.errors().contains("Tls::"), "{}", refused.errors());

    let pin: String = server
        .certificate
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let mut trusted = Chat::lines(
        &world,
        &server,
        &[&ann[..], &["--certificate", &pin]].concat(),
    );
    trusted.write("hello\n");
    trusted.prints("#1 ann: hello").await;
    drop(trusted.input.take());
    assert!(trusted.ended().await.success(), "{}", trusted.errors());

    // Nobody is somebody else, and a development token is none here.
    let mut other = Chat::lines(&world, &server, &[&ann[..], &["--as", "ben"]].concat());
    assert!(!other.ended().await.success());
    assert!(
        other.errors().contains("the token is that of \"ann\""),
        "{}",
        other.errors()
    );
    let mut nobody = Chat::lines(&world, &server, &["--as", "ann", "--to", "ben"]);
    assert!(!nobody.ended().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_that_reaches_no_server_is_told_in_time() {
    let world = development();
    let arguments = ["--as", "ann", "--to", "ben", "--timeout", "1"];
    let mut alone = Chat::of(&chat(&world, world.port, &arguments));
    assert_eq!(alone.ended().await.code(), Some(1));
    let place = format!("quic://127.0.0.1:{}", world.port);
    alone
        .says(&format!("error: not connected to {place} within 1 s: "))
        .await;

    // Where there is one, it is no limit of how long the talk may last.
    let server = world.start().await;
    let mut ann = Chat::lines(
        &world,
        &server,
        &["--as", "ann", "--to", "ben", "--timeout", "30"],
    );
    ann.write("hello\n");
    ann.prints("#1 ann: hello").await;
    drop(ann.input.take());
    assert!(ann.ended().await.success(), "{}", ann.errors());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stands_in_stdin_is_left_to_others_where_nobody_is_talked_to() {
    let world = development();
    let server = world.start().await;
    let path = world.folder.path().join("lines");
    std::fs::write(&path, "for whoever reads next\n").unwrap();
    let mut lines = std::fs::File::open(&path).unwrap();
    let words = chat(&world, server.quic.port(), &["--as", "ann", "--plain"]);
    let mut list = Command::new(&words[0]);
    list.args(&words[1..])
        .env_remove("TIDINGS_TOKEN")
        // Both have one place in the file, as the commands of a script have.
        .stdin(lines.try_clone().unwrap());
    let listed = tokio::task::spawn_blocking(move || list.output().unwrap()).await;
    let listed = listed.unwrap();
    assert!(listed.status.success(), "{listed:?}");
    assert_eq!(lines.stream_position().unwrap(), 0);
}
