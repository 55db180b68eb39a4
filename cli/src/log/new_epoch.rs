//! `tidings log new-epoch`.

use std::io::{self, BufRead as _, IsTerminal as _};

use anyhow::ensure;
use tidings_core::log::{EventLog as _, embedded, jetstream};
use uuid::Uuid;

use crate::{
    config::{Config, LogConfig, Place},
    say::{self, say},
    server,
};

const EXPLAINED: &str = "\
A new epoch begins another history with the records that are in the log now. It is for a log that was
restored from a backup or has lost its end: what is appended next gets positions that had held something
else. No record is changed or removed. At its next start each server builds its projections anew, and
each client is told to begin afresh (a reset with the reason \"epoch\") instead of going on from a
position that means something else now. What clients have not sent yet they send.
No server may be running on the log.";

#[derive(Debug, clap::Args)]
pub(crate) struct NewEpoch {
    #[command(flatten)]
    place: Place,
    /// Do it without asking.
    #[arg(long)]
    yes: bool,
}

impl NewEpoch {
    /// True when it was done.
    pub(crate) async fn run(self) -> anyhow::Result<bool> {
        let config = self.place.load()?;
        if !self.yes {
            look(&config).await?;
            say!("{EXPLAINED}");
            if !confirmed()? {
                say!("nothing was changed");
                return Ok(false);
            }
        }
        let new = server::random_uuid();
        let old = change(&config, new).await?;
        match old {
            Some(old) => say!("old epoch {old}"),
            None => say!("old epoch not told: the log had lost its end"),
        }
        say!("new epoch {new}");
        Ok(true)
    }
}

fn confirmed() -> anyhow::Result<bool> {
    ensure!(
        io::stdin().is_terminal() && say::question("Type yes to begin a new epoch: "),
        "nobody is there to be asked: add --yes to do it"
    );
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim() == "yes")
}

/// Whether there is a log, so that nobody is asked about one that they did not mean.
async fn look(config: &Config) -> anyhow::Result<()> {
    match &config.log {
        LogConfig::Embedded => present(config).map(drop),
        LogConfig::JetStream(_) => server::log_to_read(config).await.map(drop),
    }
}

/// The epoch of a log in the data folder, if that is whole enough to say.
fn present(config: &Config) -> anyhow::Result<Option<Uuid>> {
    match embedded::Reading::open(&config.data.join("log")) {
        Ok(log) => Ok(Some(log.identity().epoch)),
        // For such a log, too, a new epoch is the remedy.
        Err(embedded::OpenError::Lost { .. }) => Ok(None),
        // This says what to do, and where a log was looked for.
        Err(_) => server::embedded_to_read(config).map(|log| Some(log.identity().epoch)),
    }
}

/// Records the new epoch and returns the old one, where the log was whole enough to say.
async fn change(config: &Config, new: Uuid) -> anyhow::Result<Option<Uuid>> {
    match &config.log {
        LogConfig::Embedded => {
            let old = present(config)?;
            let folder = config.data.join("log");
            embedded::new_epoch(&folder, new).map_err(server::unreadable)?;
            Ok(old)
        }
        LogConfig::JetStream(settings) => Ok(Some(
            jetstream::new_epoch(settings.connection()?, new).await?,
        )),
    }
}
