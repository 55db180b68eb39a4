//! `tidings bench messages`: load against a running server, or one of its own.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use clap::ValueEnum;
use tidings_bench::{Options, TransportKind};
use tidings_core::clock::{Clock as _, SystemClock};
use tidings_gateway::auth::sign_hs256;
use tidings_protocol::Encoding;
use tidings_sdk::Tls;

/// Users' tokens are valid for so long.
const TOKENS_MS: u64 = 3_600_000;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Bench {
    /// Users chat in pairs or groups at a fixed rate, whatever the server's pace (open loop): how
    /// long until messages are acknowledged and received, and what that costs the server.
    Messages(Messages),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Messages {
    /// Start a server for the run, on a temporary folder. The default.
    #[arg(long, conflicts_with = "server")]
    spawn: bool,
    /// A running server: HOST:PORT.
    #[arg(long, value_name = "HOST:PORT")]
    server: Vec<String>,
    /// Its process, whose CPU time and memory are reported.
    #[arg(long, value_name = "PID", requires = "server")]
    pid: Vec<u32>,
    /// File with the server's HS256 secret; without it development tokens are used.
    #[arg(long, value_name = "FILE", requires = "server")]
    secret: Option<PathBuf>,
    /// Connected users.
    #[arg(long, default_value_t = 1_000)]
    users: u32,
    /// Messages a second, all users together.
    #[arg(long, default_value_t = 1_000)]
    rate: u32,
    /// Seconds to measure.
    #[arg(long, default_value_t = 10)]
    duration: u64,
    /// Seconds before that.
    #[arg(long, default_value_t = 2)]
    warm_up: u64,
    /// How users connect.
    #[arg(long, value_enum, default_value = "ws")]
    transport: Transport,
    /// How frames are written.
    #[arg(long, value_enum, default_value = "protobuf")]
    encoding: Frames,
    /// Groups of so many members rather than pairs.
    #[arg(long, value_name = "MEMBERS")]
    group: Option<u32>,
    /// Length of each text, in bytes.
    #[arg(long, default_value_t = 100)]
    text_bytes: usize,
    /// Log of the server that is started.
    #[arg(
        long,
        value_enum,
        default_value = "embedded",
        conflicts_with = "server"
    )]
    log: LogKind,
    /// The nats-server program, for `--log jetstream`.
    #[arg(
        long,
        value_name = "FILE",
        env = "TIDINGS_NATS_SERVER",
        default_value = "nats-server"
    )]
    nats_server: PathBuf,
    /// Folder to make the server's temporary one in: its disk is what is measured.
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Print the figures as one line of JSON, last.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Transport {
    Ws,
    Quic,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Frames {
    Json,
    Protobuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogKind {
    Embedded,
    Jetstream,
}

impl Bench {
    /// True when every promise was kept.
    pub(crate) fn run(self) -> anyhow::Result<bool> {
        match self {
            Bench::Messages(messages) => messages.run(),
        }
    }
}

impl Messages {
    fn run(self) -> anyhow::Result<bool> {
        let spawned = if self.server.is_empty() {
            Some(Spawned::start(&self)?)
        } else {
            None
        };
        let (addresses, secret) = match &spawned {
            Some(spawned) => (vec![spawned.address.clone()], Some(spawned.secret.clone())),
            None => {
                let secret = self
                    .secret
                    .as_ref()
                    .map(fs::read)
                    .transpose()
                    .context("cannot read the secret")?;
                (self.server.clone(), secret)
            }
        };
        let token = move |user: &str| match &secret {
            Some(secret) => sign_hs256(secret, user, SystemClock.now_ms() + TOKENS_MS),
            None => format!("dev:{user}"),
        };
        let mut options = Options::new(addresses, token);
        options.users = self.users;
        options.rate = self.rate;
        options.duration = Duration::from_secs(self.duration);
        options.warm_up = Duration::from_secs(self.warm_up);
        options.transport = match self.transport {
            Transport::Ws => TransportKind::WebSocket,
            Transport::Quic => TransportKind::Quic,
        };
        options.encoding = match self.encoding {
            Frames::Json => Encoding::Json,
            Frames::Protobuf => Encoding::Protobuf,
        };
        options.group = self.group;
        options.text_bytes = self.text_bytes;
        // The generator reaches loopback or a test server: what it measures is not its certificate.
        options.tls = Tls::dangerous_accept_any_certificate();
        options.log = match &spawned {
            Some(_) => format!("{:?}", self.log).to_lowercase(),
            None => String::new(),
        };
        options.progress = true;
        match &spawned {
            Some(spawned) => {
                options.server_pids = vec![spawned.server.0.id()];
                options.nats_pids = spawned.nats.iter().map(|nats| nats.0.id()).collect();
                options.metrics = Some(spawned.address.clone());
            }
            None => options.server_pids.clone_from(&self.pid),
        }
        let (report, kept) = match tidings_bench::run(&options) {
            Ok(report) => (report, true),
            Err(tidings_bench::RunError::Violated(report)) => (*report, false),
            Err(error) => return Err(error.into()),
        };
        println!("{report}");
        if self.json {
            println!("{}", serde_json::to_string(&report)?);
        }
        Ok(kept)
    }
}

/// A process that ends with this value.
struct Ending(Child);

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server started for a run. The fields are dropped in order: the server ends before its log.
struct Spawned {
    server: Ending,
    nats: Option<Ending>,
    address: String,
    secret: Vec<u8>,
    _folder: tempfile::TempDir,
}

impl Spawned {
    fn start(messages: &Messages) -> anyhow::Result<Spawned> {
        let folder = match &messages.scratch {
            Some(scratch) => tempfile::tempdir_in(scratch),
            None => tempfile::tempdir(),
        }
        .context("cannot make a temporary folder")?;
        let secret = b"the bench signs with this secret, which protects nothing".to_vec();
        let secret_file = folder.path().join("secret");
        fs::write(&secret_file, &secret)?;
        let (nats, log) = match messages.log {
            LogKind::Embedded => (None, String::new()),
            LogKind::Jetstream => {
                let (nats, log) = nats(&messages.nats_server, folder.path())?;
                (Some(nats), log)
            }
        };
        // Limits against abuse would refuse a thousand busy users from one address.
        let config = format!(
            "data = {:?}\nport = 0\n{log}\n[auth]\nsecrets = [{{ file = {:?} }}]\n\
             [limits]\nconnections_per_address = 1000000\nrequests_per_second = 10000\nrequest_burst = 10000\n",
            folder.path().join("data"),
            secret_file,
        );
        let path = folder.path().join("tidings.toml");
        fs::write(&path, config)?;
        let mut server = Command::new(std::env::current_exe()?)
            .arg("serve")
            .arg("--config")
            .arg(&path)
            .env("TIDINGS_LOG", "warn")
            .stdout(Stdio::piped())
            .spawn()
            .map(Ending)
            .context("cannot start the server")?;
        let mut line = String::new();
        let output = server.0.stdout.take().context("the server has no output")?;
        BufReader::new(output).read_line(&mut line)?;
        let address = line
            .split_whitespace()
            .find_map(|word| word.strip_prefix("http="))
            .with_context(|| format!("the server did not start: it printed {line:?}"))?
            .to_owned();
        Ok(Spawned {
            server,
            nats,
            address,
            secret,
            _folder: folder,
        })
    }
}

/// Starts a nats-server that syncs every write, and says how a server reaches it.
fn nats(program: &Path, folder: &Path) -> anyhow::Result<(Ending, String)> {
    let (port, monitor) = (free_port()?, free_port()?);
    let path = folder.join("nats.conf");
    fs::write(
        &path,
        format!(
            "server_name: bench\nlisten: 127.0.0.1:{port}\nhttp: 127.0.0.1:{monitor}\n\
             jetstream {{ store_dir: {:?}, max_mem: 1G, max_file: 20G, sync_interval: always }}\n",
            folder.join("nats"),
        ),
    )?;
    let nats = Command::new(program)
        .arg("-c")
        .arg(&path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map(Ending)
        .with_context(|| {
            format!(
                "cannot start {}: name it with --nats-server",
                program.display()
            )
        })?;
    let deadline = Instant::now() + Duration::from_secs(10);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        ensure!(Instant::now() < deadline, "nats-server did not start");
        std::thread::sleep(Duration::from_millis(20));
    }
    let log = format!(
        "[log]\nbackend = \"jetstream\"\nservers = [\"nats://127.0.0.1:{port}\"]\nmonitor_urls = [\"http://127.0.0.1:{monitor}\"]"
    );
    Ok((nats, log))
}

fn free_port() -> anyhow::Result<u16> {
    match TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr()) {
        Ok(address) => Ok(address.port()),
        Err(error) => bail!("no free port: {error}"),
    }
}
