//! How the gateway speaks WebSocket, examined by the cases of the Autobahn test suite: those about frames, pings,
//! fragments, UTF-8 and closing. Groups 9 (long messages, for speed), 12 and 13 (compression) are left out.

mod fault;
mod report;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use self::fault::Fault;
use self::report::{GROUPS, Verdict};
use crate::setup::kosoku;
use crate::steps::Outcome;
use crate::workspace::Workspace;

type Action = fn(&Workspace) -> Result<Outcome>;

pub(super) const STEPS: [(&str, Action); 2] =
    [("websocket cases", cases), ("websocket faults", faults)];

/// Cases at a time. Most of them wait rather than work, and none for longer than a second or two: on a machine
/// with little to spare, too many at a time would be late.
const AT_A_TIME: &str = "8";

/// Times that kosoku is started at most: now and then it aborts when it ends, with all its reports written.
const STARTS: u32 = 3;

/// They take seconds.
const DEADLINE: Duration = Duration::from_secs(300);

/// All cases have to pass.
fn cases(workspace: &Workspace) -> Result<Outcome> {
    let server = Server::start(workspace)?;
    let patterns: Vec<String> = GROUPS
        .iter()
        .map(|(group, _)| format!("{group}.*"))
        .collect();
    let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
    let folder = reports(workspace, "cases");
    let verdicts = examine(workspace, server.address, &patterns, &folder)?;
    let judged = report::judge(&verdicts, GROUPS);
    println!(
        "what was seen of each case: {}",
        workspace.relative(&folder).join("index.html").display()
    );
    judged?;
    Ok(Outcome::Done)
}

/// The check sees what is wrong: between the same server and the same cases somebody now breaks the protocol. Cases
/// that this is about have to fail, with the verdict that is due, and one that it leaves alone has to pass.
fn faults(workspace: &Workspace) -> Result<Outcome> {
    let server = Server::start(workspace)?;
    for fault in Fault::ALL {
        let address = fault::between(server.address, *fault)?;
        let patterns = [fault.broken(), fault.sound()].concat();
        let folder = reports(workspace, fault.name());
        let verdicts = examine(workspace, address, &patterns, &folder)?;
        println!("{}:", fault.name());
        for verdict in &verdicts {
            println!("  {verdict}");
        }
        fault.judge(&verdicts)?;
    }
    Ok(Outcome::Done)
}

fn reports(workspace: &Workspace, name: &str) -> PathBuf {
    workspace.target.join("websocket-reports").join(name)
}

/// Runs cases against the echo at this address. What they come to is the caller's to judge.
fn examine(
    workspace: &Workspace,
    address: SocketAddr,
    patterns: &[&str],
    folder: &Path,
) -> Result<Vec<Verdict>> {
    let log = folder.with_extension("log");
    let mut starts = 0;
    let passed = loop {
        starts += 1;
        match run(workspace, address, patterns, folder, &log)? {
            Some(passed) => break passed,
            None if starts < STARTS => println!("kosoku was ended by a signal: starting it again"),
            None => bail!(
                "kosoku was ended by a signal {starts} times\n{}",
                fs::read_to_string(log)?
            ),
        }
    };
    let index = folder.join("index.json");
    let Ok(index) = fs::read_to_string(&index) else {
        bail!("kosoku left no report\n{}", fs::read_to_string(log)?);
    };
    let verdicts = report::parse(&index)?;
    if passed != verdicts.iter().all(Verdict::passed) {
        bail!(
            "kosoku and its own report do not agree on whether all cases passed\n{}",
            fs::read_to_string(log)?
        );
    }
    Ok(verdicts)
}

/// Whether all cases passed; nothing where a signal ended it.
fn run(
    workspace: &Workspace,
    address: SocketAddr,
    patterns: &[&str],
    folder: &Path,
    log: &Path,
) -> Result<Option<bool>> {
    // What an earlier run left must not be read as this one's.
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    let mut command = workspace.command(kosoku::binary(workspace));
    command
        .arg(format!("ws://{address}/echo"))
        .args(["--mode", "fuzzingclient", "--parallelism", AT_A_TIME])
        .args(patterns.iter().flat_map(|pattern| ["--include", pattern]))
        .arg("--outdir")
        .arg(folder);
    let printed = fs::File::create(log)?;
    command.stderr(printed.try_clone()?).stdout(printed);
    let mut child = command.spawn().context("could not start kosoku")?;
    match wait(&mut child) {
        Ok(passed) => Ok(passed),
        Err(error) => bail!("{error:#}\n{}", fs::read_to_string(log)?),
    }
}

/// Waits until kosoku has ended: whether it found every case to have passed, unless a signal ended it.
fn wait(child: &mut Child) -> Result<Option<bool>> {
    let end = Instant::now() + DEADLINE;
    loop {
        match child.try_wait()?.map(|status| (status, status.code())) {
            Some((_, Some(0))) => return Ok(Some(true)),
            Some((_, Some(1))) => return Ok(Some(false)),
            Some((_, None)) => return Ok(None),
            Some((status, _)) => bail!("kosoku failed: {status}"),
            None if Instant::now() < end => thread::sleep(Duration::from_millis(50)),
            None => {
                child.kill()?;
                child.wait()?;
                bail!("kosoku did not end within {} seconds", DEADLINE.as_secs());
            }
        }
    }
}

/// A server that echoes while this is kept: it ends with its standard input.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(workspace: &Workspace) -> Result<Server> {
        let program = workspace.example("websocket_echo");
        let mut child = workspace
            .command(&program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("could not start {}", program.display()))?;
        let printed = child.stdout.take().context("the child has no output")?;
        let mut line = String::new();
        BufReader::new(printed).read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening ");
        let address = address.with_context(|| format!("the server said `{}`", line.trim()))?;
        let address = address.parse()?;
        Ok(Server { child, address })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
