//! `tidings bench relay`: the bare relay in a process of its own, so that its CPU time can be told apart.

use std::{
    io::Read as _,
    net::Ipv4Addr,
    process::{Command, Stdio},
};

use anyhow::Context as _;
use tidings_bench::relay::Relay;
use tokio::{runtime::Handle, sync::oneshot};

use super::Ending;

/// Before the address in what the relay prints.
const ADDRESS: &str = "relay=";

/// Serves on loopback until the input ends: with whoever started it, however that went.
pub(super) fn run() -> anyhow::Result<()> {
    let (stop, stopped) = oneshot::channel();
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        let mut buffer = [0; 64];
        while input.read(&mut buffer).is_ok_and(|read| read > 0) {}
        let _ = stop.send(());
    });
    // Called where blocking is allowed, on the runtime that a server would run on.
    Handle::current().block_on(async {
        let relay = Relay::bind((Ipv4Addr::LOCALHOST, 0).into())
            .await
            .context("cannot listen on loopback")?;
        println!("{ADDRESS}{}", relay.address());
        tokio::select! {
            served = relay.serve() => served.context("the relay stopped"),
            _ = stopped => Ok(()),
        }
    })
}

/// Starts one, and says where it is.
pub(super) fn start() -> anyhow::Result<(Ending, String)> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["bench", "relay"]).stdin(Stdio::piped());
    Ending::announced(&mut command, ADDRESS).context("the bare relay did not start")
}
