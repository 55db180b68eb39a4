//! A server, and if need be its log, started for one run on a temporary folder.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};

use super::{
    Ending,
    messages::{LogKind, Messages},
    temporary,
};

/// A server started for a run. The fields are dropped in order: the server ends before its log.
pub(super) struct Spawned {
    pub(super) server: Ending,
    pub(super) nats: Option<Ending>,
    pub(super) address: String,
    pub(super) secret: Vec<u8>,
    _folder: tempfile::TempDir,
}

impl Spawned {
    pub(super) fn start(messages: &Messages) -> anyhow::Result<Spawned> {
        let folder = temporary(messages.scratch.as_deref())?;
        let (nats, log) = match messages.log {
            LogKind::Embedded => (None, String::new()),
            LogKind::Jetstream => {
                let (nats, log) = nats(&messages.nats_server, folder.path())?;
                (Some(nats), log)
            }
        };
        let (server, address) = server(folder.path(), "data", &log)?;
        Ok(Spawned {
            server,
            nats,
            address,
            secret: SECRET.to_vec(),
            _folder: folder,
        })
    }
}

/// What users' tokens are signed with.
pub(super) const SECRET: &[u8] = b"the bench signs with this secret, which protects nothing";

/// Starts a server with its data in a folder of that name, and says where it listens. `log` is the
/// configuration's table.
pub(super) fn server(folder: &Path, data: &str, log: &str) -> anyhow::Result<(Ending, String)> {
    let path = folder.join(format!("{data}.toml"));
    fs::write(&path, configuration(folder, data, log)?)?;
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg("serve")
        .arg("--config")
        .arg(&path)
        .env("TIDINGS_LOG", "warn");
    // What the caller has set up for another server would go over the file.
    let all = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for name in all.filter(|name| name.starts_with("TIDINGS_") && name != "TIDINGS_LOG") {
        command.env_remove(name);
    }
    Ending::announced(&mut command, "http=").context("the server did not start")
}

/// What such a server is told.
pub(super) fn configuration(folder: &Path, data: &str, log: &str) -> anyhow::Result<String> {
    let secret_file = folder.join("secret");
    fs::write(&secret_file, SECRET)?;
    fs::set_permissions(&secret_file, fs::Permissions::from_mode(0o600))?;
    // Limits against abuse would refuse a thousand busy users from one address.
    Ok(format!(
        "data = {:?}\nport = 0\n{log}\n[auth]\nsecrets = [{{ file = {:?} }}]\n\
         [limits]\nconnections_per_address = 1000000\nrequests_per_second = 10000\nrequest_burst = 10000\n",
        folder.join(data),
        secret_file,
    ))
}

/// Starts a nats-server that syncs every write, and says how a server reaches it.
pub(super) fn nats(program: &Path, folder: &Path) -> anyhow::Result<(Ending, String)> {
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
    let mut command = Command::new(program);
    command
        .arg("-c")
        .arg(&path)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let nats = Ending::start(&mut command).with_context(|| {
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

/// Ends a server as an operator does.
pub(super) fn stop(mut server: Ending) -> anyhow::Result<()> {
    let pid = rustix::process::Pid::from_child(&server.0);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM)
        .context("the server could not be stopped")?;
    server.0.wait().context("the server did not end")?;
    Ok(())
}

/// Refuses when this process, or a server it starts, may not open so many.
pub(super) fn enough_files(connections: u32) -> anyhow::Result<()> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let needed = u64::from(connections) + 500;
    match limit.current {
        Some(current) if current < needed => bail!(
            "{connections} connections need {needed} open files, and the limit is {current}: `ulimit -n {needed}`"
        ),
        _ => Ok(()),
    }
}

fn free_port() -> anyhow::Result<u16> {
    match TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr()) {
        Ok(address) => Ok(address.port()),
        Err(error) => bail!("no free port: {error}"),
    }
}
