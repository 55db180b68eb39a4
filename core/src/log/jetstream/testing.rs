//! Real servers for tests: started in a folder, killed, frozen and started again on it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::{Config, monitor};

/// How long a server may take to become ready, in steps of [`STEP`].
const STEPS: u32 = 1500;
const STEP: Duration = Duration::from_millis(20);

/// A `nats-server` with JetStream that syncs every write. Dropping it kills it.
pub struct Server {
    folder: PathBuf,
    name: String,
    port: u16,
    monitor_port: u16,
    child: Option<Child>,
}

impl Server {
    /// Starts a single server that keeps its files in `folder`, and waits until it is ready.
    pub async fn start(folder: &Path) -> Server {
        Server::start_with(folder, "sync_interval: always", "").await
    }

    /// The same with lines of its own for the `jetstream` block and for the top of the file.
    pub async fn start_with(folder: &Path, jetstream: &str, top: &str) -> Server {
        let mut server = Server::configure(folder, "n1", jetstream, top);
        server.launch();
        server.ready().await;
        server
    }

    fn configure(folder: &Path, name: &str, jetstream: &str, top: &str) -> Server {
        let folder = folder.join(name);
        std::fs::create_dir_all(&folder).expect("the test's folder can be written");
        let (port, monitor_port) = (free_port(), free_port());
        let store = folder.join("store");
        let text = format!(
            "server_name: {name}\n\
             listen: 127.0.0.1:{port}\n\
             http: 127.0.0.1:{monitor_port}\n\
             jetstream {{ store_dir: \"{}\", max_mem: 1G, max_file: 10G, {jetstream} }}\n\
             {top}\n",
            store.display(),
        );
        std::fs::write(folder.join("server.conf"), text).expect("the test's folder can be written");
        Server {
            folder,
            name: name.to_owned(),
            port,
            monitor_port,
            child: None,
        }
    }

    /// Starts the process, on the files it left.
    fn launch(&mut self) {
        assert!(self.child.is_none(), "{} runs already", self.name);
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.folder.join("server.log"))
            .expect("the test's folder can be written");
        let program = program();
        let child = Command::new(&program)
            .arg("-c")
            .arg(self.folder.join("server.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start {}: {e}", program.display()));
        self.child = Some(child);
    }

    /// Starts it again after [`Server::kill`], and waits until it is ready.
    pub async fn restart(&mut self) {
        self.launch();
        self.ready().await;
    }

    /// Starts it again after [`Server::kill`] without waiting.
    pub fn relaunch(&mut self) {
        self.launch();
    }

    /// Waits until it says of itself that it is healthy.
    pub async fn ready(&mut self) {
        for _ in 0..STEPS {
            if let Some(status) = self
                .child
                .as_mut()
                .and_then(|c| c.try_wait().ok().flatten())
            {
                panic!("{} ended with {status}:\n{}", self.name, self.log());
            }
            if monitor::get(&self.monitor_url(), "healthz").await.is_ok() {
                return;
            }
            tokio::time::sleep(STEP).await;
        }
        panic!("{} is not ready:\n{}", self.name, self.log());
    }

    /// Ends it as a crash would (SIGKILL).
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("the server can be killed");
            child.wait().expect("the server can be waited for");
        }
    }

    /// Freezes it (SIGSTOP): it keeps its connections and answers nothing.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets a frozen server go on (SIGCONT).
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let id = self.child.as_ref().expect("the server runs").id();
        let status = Command::new("sh")
            .arg("-c")
            .arg(format!("kill -{name} {id}"))
            .status();
        assert!(
            status.expect("there is a shell").success(),
            "cannot send {name}"
        );
    }

    /// Its process id while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// The server's name in its cluster.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where clients connect.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Its monitoring address.
    pub fn monitor_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.monitor_port)
    }

    /// Where it keeps its streams.
    pub fn store(&self) -> PathBuf {
        self.folder.join("store")
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("server.log")).unwrap_or_default()
    }

    /// A configuration for a log on this server.
    pub fn config(&self) -> Config {
        Config {
            servers: vec![self.url()],
            monitor_urls: vec![self.monitor_url()],
            ..Config::default()
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Three servers in a cluster.
pub struct Cluster {
    /// Its servers.
    pub servers: Vec<Server>,
}

impl Cluster {
    /// Starts three servers that keep their files in `folder`, and waits until they have a leader.
    pub async fn start(folder: &Path) -> Cluster {
        let routes = [free_port(), free_port(), free_port()];
        let urls = routes
            .map(|port| format!("nats://127.0.0.1:{port}"))
            .join(", ");
        let servers = routes.iter().enumerate().map(|(i, port)| {
            let cluster =
                format!("cluster {{ name: c, listen: 127.0.0.1:{port}, routes: [ {urls} ] }}");
            Server::configure(
                folder,
                &format!("n{}", i + 1),
                "sync_interval: always",
                &cluster,
            )
        });
        let mut cluster = Cluster {
            servers: servers.collect(),
        };
        cluster.servers.iter_mut().for_each(Server::launch);
        for server in &mut cluster.servers {
            server.ready().await;
        }
        cluster
    }

    /// The server of that name.
    pub fn named(&mut self, name: &str) -> &mut Server {
        let found = self.servers.iter_mut().find(|s| s.name == name);
        found.unwrap_or_else(|| panic!("no server {name:?} in the cluster"))
    }

    /// A configuration for a log on three replicas.
    pub fn config(&self) -> Config {
        Config {
            servers: self.servers.iter().map(Server::url).collect(),
            monitor_urls: self.servers.iter().map(Server::monitor_url).collect(),
            replicas: 3,
            patience: Duration::from_secs(30),
            ..Config::default()
        }
    }
}

fn program() -> PathBuf {
    let installed = Path::new("target/tools/nats/bin/nats-server");
    let path = match std::env::var_os("TIDINGS_NATS_SERVER") {
        Some(path) => PathBuf::from(path),
        None => {
            let here = std::env::current_dir().expect("there is a current folder");
            let found = here
                .ancestors()
                .map(|folder| folder.join(installed))
                .find(|p| p.exists());
            found.unwrap_or_else(|| installed.to_owned())
        }
    };
    assert!(
        path.exists(),
        "there is no nats-server at {}: run `cargo xtask setup`",
        path.display()
    );
    path
}

/// A port that nothing listens on. Not one of those that the system gives to outgoing connections:
/// any process could be given it before the server has it. Below are those of the servers under test.
pub(super) fn free_port() -> u16 {
    const FIRST: u32 = 20_000;
    const COUNT: u32 = 10_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Far apart for processes that are started one after another.
    let start = std::process::id().wrapping_mul(61);
    for _ in 0..COUNT {
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = (FIRST + start.wrapping_add(n) % COUNT) as u16;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no loopback port is free");
}
