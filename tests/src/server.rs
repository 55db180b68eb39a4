//! A server as its operator runs it: a process of its own, which can be killed, frozen and asked to
//! stop.

use std::{
    env,
    fs::OpenOptions,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
};

use tokio::sync::mpsc;

use crate::{eventually, within};

/// The program under test: `TIDINGS_BIN`, or what lies in the target folder.
pub fn program() -> PathBuf {
    let path = match env::var_os("TIDINGS_BIN") {
        Some(path) => PathBuf::from(path),
        None => {
            // Tests lie in `deps`, beside which cargo puts the programs.
            let own = env::current_exe().expect("a test has a path");
            let folder = own.ancestors().nth(2).expect("it lies in a target folder");
            folder.join("tidings")
        }
    };
    assert!(
        path.is_file(),
        "there is no server at {}: run `cargo build -p tidings-cli` first, or say in TIDINGS_BIN where it is",
        path.display()
    );
    path
}

/// A running server. Dropping it kills it.
pub struct Server {
    child: Child,
    /// Where HTTP and WebSocket are.
    pub http: SocketAddr,
    /// Where QUIC is.
    pub quic: SocketAddr,
    /// SHA-256 of its certificate.
    pub certificate: [u8; 32],
}

/// A server that has been started and may not listen yet. Dropping it kills it.
pub struct Starting {
    child: Option<Child>,
    lines: mpsc::UnboundedReceiver<String>,
    log: PathBuf,
}

impl Starting {
    /// Starts `tidings serve` on a configuration; what it logs is appended to a file.
    pub fn new(config: &Path, log: &Path) -> Starting {
        Starting::under(config, log, &[])
    }

    /// The same with these variables in its environment.
    pub fn under(config: &Path, log: &Path, environment: &[(&str, &str)]) -> Starting {
        let mut serve = Command::new(program());
        serve.args(["serve", "--config"]).arg(config);
        serve.envs(environment.iter().copied());
        Starting::program(serve, log)
    }

    /// Starts `tidings demo` on a folder, wherever there is a free port.
    pub fn demo(data: &Path, arguments: &[&str], log: &Path) -> Starting {
        let mut demo = Command::new(program());
        demo.args(["demo", "--port", "0", "--data"]).arg(data);
        demo.args(arguments);
        Starting::program(demo, log)
    }

    fn program(mut command: Command, log: &Path) -> Starting {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .expect("the test's folder can be written");
        let mut child = command
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .expect("the server can be started");
        let printed = child.stdout.take().expect("it is piped");
        let (tell, lines) = mpsc::unbounded_channel();
        thread::spawn(move || {
            for line in BufReader::new(printed).lines().map_while(Result::ok) {
                // Nobody may listen any more, but the pipe must be drained.
                let _ = tell.send(line);
            }
        });
        Starting {
            child: Some(child),
            lines,
            log: log.to_owned(),
        }
    }

    /// Waits until it listens.
    pub async fn listening(mut self) -> Server {
        let line = within("the server listens", async {
            loop {
                match self.lines.recv().await {
                    Some(line) if line.starts_with("listening ") => return line,
                    Some(_) => {}
                    None => {
                        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
                        panic!("the server did not start:\n{log}");
                    }
                }
            }
        })
        .await;
        let value = |name: &str| {
            let found = line
                .split(' ')
                .find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
            found.unwrap_or_else(|| panic!("no {name} in {line:?}"))
        };
        let address = |name| value(name).parse().expect("an address");
        let mut certificate = [0; 32];
        let digits = value("certificate-sha256");
        for (byte, at) in certificate.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal digits");
        }
        Server {
            http: address("http"),
            quic: address("quic"),
            certificate,
            child: self.child.take().expect("it was started"),
        }
    }

    /// Waits until it has ended instead of listening, and returns the error it ended with.
    pub async fn refused(mut self) -> String {
        within("the server ends", async {
            while let Some(line) = self.lines.recv().await {
                assert!(!line.starts_with("listening "), "the server has started");
            }
        })
        .await;
        let mut child = self.child.take().expect("it was started");
        let status = child.wait().expect("it can be waited for");
        assert!(!status.success(), "{status}");
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let said = log.lines().rfind(|line| line.starts_with("error: "));
        said.unwrap_or_else(|| panic!("no error in:\n{log}"))
            .to_owned()
    }

    /// Ends it as a crash would, wherever it is.
    pub fn kill(mut self) {
        end(self.child.as_mut().expect("it was started"));
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            end(child);
        }
    }
}

impl Server {
    /// Ends it as a crash would (SIGKILL).
    pub fn kill(mut self) {
        end(&mut self.child);
    }

    /// Asks it to stop (SIGTERM).
    pub fn terminate(&self) {
        signal(self.child.id(), "TERM");
    }

    /// Waits until it has ended.
    pub async fn ended(mut self) -> ExitStatus {
        eventually("the server ends", || {
            let ended = self.child.try_wait().expect("it can be waited for");
            async move { ended }
        })
        .await
    }

    /// Freezes it (SIGSTOP), and waits until every thread has come to a halt.
    pub async fn freeze(&self) {
        freeze(self.child.id()).await;
    }

    /// Lets it go on (SIGCONT).
    pub fn thaw(&self) {
        signal(self.child.id(), "CONT");
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn end(child: &mut Child) {
    // It may have ended by itself, which is as well.
    let _ = child.kill();
    let _ = child.wait();
}

/// Freezes a process, and waits until every thread of it has come to a halt: one that is in the
/// middle of writing to a disk finishes that first.
pub async fn freeze(id: u32) {
    signal(id, "STOP");
    eventually("every thread halts", || async move {
        let threads = std::fs::read_dir(format!("/proc/{id}/task")).expect("the process is there");
        threads
            .map(|thread| thread.expect("it can be listed").path().join("stat"))
            // A thread that has just ended has no file any more.
            .filter_map(|stat| std::fs::read_to_string(stat).ok())
            .all(|stat| {
                stat.rsplit_once(") ")
                    .is_some_and(|(_, state)| state.starts_with('T'))
            })
            .then_some(())
    })
    .await;
}

fn signal(id: u32, name: &str) {
    let status = Command::new("sh")
        .arg("-c")
        .arg(format!("kill -{name} {id}"))
        .status();
    assert!(
        status.expect("there is a shell").success(),
        "cannot send {name}"
    );
}
