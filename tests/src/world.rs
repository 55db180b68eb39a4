//! A folder with a configuration, the log it names, and servers and tools that run on it.

use std::{
    fs::File,
    net::{TcpListener, UdpSocket},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::Mutex,
};

use tempfile::TempDir;
use tidings_core::log::jetstream::testing::{Cluster, Server as Nats};

use crate::{
    Server,
    server::{Starting, program},
    token,
};

/// Limits that get in nobody's way.
const GENEROUS: &str = "requests_per_second = 100000\nrequest_burst = 100000\n";

/// Where the log is.
#[allow(clippy::large_enum_variant, reason = "there is one in a test")]
pub enum Log {
    /// In the data folder.
    Embedded,
    /// On one nats-server.
    JetStream(Nats),
    /// On three.
    Replicated(Cluster),
}

/// Everything a server needs.
pub struct World {
    /// Where everything lies.
    pub folder: TempDir,
    /// The log.
    pub log: Log,
    /// Where its servers are reached; empty for the embedded one. A test may put a proxy between.
    pub log_servers: Vec<String>,
    /// The folder of everything the server keeps itself.
    pub data: PathBuf,
    /// Port of the server, TCP and UDP.
    pub port: u16,
    /// Whether development tokens are accepted.
    pub development: bool,
    limits: String,
    messages: String,
    presence: String,
    search: String,
    shards: Option<u16>,
}

impl World {
    /// With the embedded log.
    pub fn embedded() -> World {
        World::of(temporary(), Log::Embedded, Vec::new())
    }

    /// With a log on one nats-server that syncs every write.
    pub async fn jetstream() -> World {
        let folder = temporary();
        let nats = Nats::start(folder.path()).await;
        let servers = vec![nats.url()];
        World::of(folder, Log::JetStream(nats), servers)
    }

    /// The same, with the nats-server's files in a folder of the test's.
    pub async fn jetstream_in(folder: &Path) -> World {
        let nats = Nats::start(folder).await;
        let servers = vec![nats.url()];
        World::of(temporary(), Log::JetStream(nats), servers)
    }

    /// With a log on three nats-servers, each record on all of them.
    pub async fn replicated() -> World {
        let folder = temporary();
        let cluster = Cluster::start(folder.path()).await;
        let servers = cluster.servers.iter().map(Nats::url).collect();
        World::of(folder, Log::Replicated(cluster), servers)
    }

    fn of(folder: TempDir, log: Log, log_servers: Vec<String>) -> World {
        World {
            data: folder.path().join("data"),
            folder,
            log,
            log_servers,
            port: free_port(),
            development: false,
            limits: GENEROUS.to_owned(),
            messages: String::new(),
            presence: String::new(),
            search: String::new(),
            shards: None,
        }
    }

    /// Replaces the limits: lines of the configuration's `[limits]`.
    pub fn with_limits(mut self, lines: &str) -> World {
        self.limits = lines.to_owned();
        self
    }

    /// Adds to the limits.
    pub fn limits(&mut self, lines: &str) {
        self.limits.push_str(lines);
    }

    /// Lines of the configuration's `[messages]`.
    pub fn messages(&mut self, lines: &str) {
        self.messages.push_str(lines);
    }

    /// Lines of the configuration's `[presence]`.
    pub fn presence(&mut self, lines: &str) {
        self.presence.push_str(lines);
    }

    /// Lines of the configuration's `[search]`, instead of those before.
    pub fn search(&mut self, lines: &str) {
        self.search = lines.to_owned();
    }

    /// Shards of a new log on JetStream.
    pub fn shards(&mut self, shards: u16) {
        self.shards = Some(shards);
    }

    /// A second server's world beside this one: the same log and secrets, a folder of its own. Only
    /// where the log is not in the folder.
    pub fn twin(&self) -> World {
        assert!(!self.log_servers.is_empty(), "the log is not shared");
        let mut twin = World::of(temporary(), Log::Embedded, self.log_servers.clone());
        twin.limits.clone_from(&self.limits);
        twin.messages.clone_from(&self.messages);
        twin.presence.clone_from(&self.presence);
        twin.search.clone_from(&self.search);
        twin.shards = self.shards;
        std::fs::create_dir_all(&twin.data).expect("the test's folder can be written");
        for secret in ["operator.key", "ids.secret"] {
            let copied = std::fs::copy(self.data.join(secret), twin.data.join(secret));
            copied.unwrap_or_else(|error| panic!("{secret}: {error}"));
        }
        twin
    }

    /// The nats-server.
    pub fn nats(&mut self) -> &mut Nats {
        match &mut self.log {
            Log::JetStream(nats) => nats,
            _ => panic!("there is not one nats-server here"),
        }
    }

    /// The three nats-servers.
    pub fn cluster(&mut self) -> &mut Cluster {
        match &mut self.log {
            Log::Replicated(cluster) => cluster,
            _ => panic!("there are no three nats-servers here"),
        }
    }

    /// Writes the configuration and says where it is.
    pub fn config(&self) -> PathBuf {
        let list = |urls: &[String]| {
            let quoted: Vec<_> = urls.iter().map(|url| format!("{url:?}")).collect();
            quoted.join(", ")
        };
        let replicas = match &self.log {
            Log::Replicated(_) => 3,
            _ => 1,
        };
        let shards = self.shards.map(|shards| format!("shards = {shards}\n"));
        let log = if self.log_servers.is_empty() {
            "backend = \"embedded\"\n".to_owned()
        } else {
            format!(
                "backend = \"jetstream\"\nservers = [{}]\nmonitor_urls = [{}]\nreplicas = {replicas}\n{}",
                list(&self.log_servers),
                list(&self.monitors()),
                shards.unwrap_or_default(),
            )
        };
        let text = format!(
            "data = {:?}\nport = {}\n[log]\n{log}[auth]\ndevelopment = {}\n\
             [[auth.secrets]]\nsecret = {:?}\n[limits]\n{}[search]\n{}[presence]\n{}[messages]\n{}",
            self.data.display(),
            self.port,
            self.development,
            token::SECRET,
            self.limits,
            self.search,
            self.presence,
            self.messages,
        );
        let path = self.folder.path().join("tidings.toml");
        std::fs::write(&path, text).expect("the test's folder can be written");
        path
    }

    fn monitors(&self) -> Vec<String> {
        match &self.log {
            Log::Embedded => Vec::new(),
            Log::JetStream(nats) => vec![nats.monitor_url()],
            Log::Replicated(cluster) => cluster.servers.iter().map(Nats::monitor_url).collect(),
        }
    }

    /// Starts a server and does not wait for it.
    pub fn starting(&self) -> Starting {
        Starting::new(&self.config(), &self.server_log())
    }

    /// Starts a server and waits until it listens.
    pub async fn start(&self) -> Server {
        self.starting().listening().await
    }

    /// Runs one of the program's tools on this world, such as `log verify`.
    pub fn tool(&self, arguments: &[&str]) -> Output {
        let output = Command::new(program())
            .args(arguments)
            .arg("--config")
            .arg(self.config())
            .stdin(Stdio::null())
            .output();
        output.expect("the tool can be started")
    }

    /// Where the servers of this world log.
    pub fn server_log(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    /// Leaves everything where it is, to be looked at.
    pub fn keep(&mut self) -> &Path {
        self.folder.disable_cleanup(true);
        self.folder.path()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.server_log()).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            let last = lines.len().saturating_sub(60);
            eprintln!("the server's last words:\n{}", lines[last..].join("\n"));
            if std::env::var_os("TIDINGS_KEEP").is_some() {
                eprintln!("kept: {}", self.keep().display());
            }
        }
    }
}

fn temporary() -> TempDir {
    tempfile::tempdir().expect("there is room for temporary files")
}

/// A port that is free for TCP and UDP. Not one of those the system gives to clients: such a one
/// could be taken while a server that is to come back is down; nor does another test take it until this process ends.
pub fn free_port() -> u16 {
    static TAKEN: Mutex<Vec<File>> = Mutex::new(Vec::new());
    for _ in 0..1_000 {
        let port = fastrand::u16(10_000..20_000);
        let name = format!("tidings-test-port-{port}");
        let Ok(mark) = File::create(std::env::temp_dir().join(name)) else {
            continue;
        };
        if mark.try_lock().is_err() {
            continue;
        }
        let both = (
            TcpListener::bind(("127.0.0.1", port)),
            UdpSocket::bind(("127.0.0.1", port)),
        );
        if let (Ok(_), Ok(_)) = both {
            TAKEN.lock().expect("not poisoned").push(mark);
            return port;
        }
    }
    panic!("no port is free");
}
