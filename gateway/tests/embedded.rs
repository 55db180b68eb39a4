//! The example of a program with Tidings inside itself, run as somebody would who tries it.

#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
};

/// The program while it runs. Dropping it kills it.
struct Program {
    child: Child,
    http: String,
    greeted: u64,
}

impl Program {
    fn start(data: &Path) -> Program {
        // Tests lie in `deps`, beside which cargo puts the examples.
        let own = std::env::current_exe().unwrap();
        let program = own.ancestors().nth(2).unwrap().join("examples/embedded");
        let mut child = Command::new(program)
            .arg("0")
            .arg(data)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut line = || lines.next().expect("it prints two lines").unwrap();
        let greeted = line().rsplit_once(' ').unwrap().1.parse().unwrap();
        let listening = line();
        let http = listening
            .split(' ')
            .find_map(|word| word.strip_prefix("http="));
        Program {
            http: http.unwrap().to_owned(),
            child,
            greeted,
        }
    }

    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.http).unwrap();
        write!(stream, "{request} HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_program_has_tidings_inside_itself() {
    let data = tempfile::tempdir().unwrap();
    let first = Program::start(data.path());
    let answer = first.ask("POST /greet/bob");
    assert!(answer.contains("greeted at position "), "{answer}");
    let ready = first.ask("GET /readyz");
    assert!(
        ready.starts_with("HTTP/1.0 200") && ready.contains("\"ready\":true"),
        "{ready}"
    );
    let metrics = first.ask("GET /metrics");
    let posted = "tidings_commands_total{kind=\"post_message\",outcome=\"accepted\"} 2";
    assert!(metrics.contains(posted), "{metrics}");
    let greeted = first.greeted;
    // As a crash would end it.
    drop(first);
    let again = Program::start(data.path());
    assert!(again.greeted > greeted + 1, "what was written is not there");
}
