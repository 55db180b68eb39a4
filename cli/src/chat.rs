//! `tidings chat`: conversations in a terminal, or line by line where a script reads and writes.

mod account;
mod act;
mod command;
mod people;
mod plain;
mod target;
pub(crate) mod text;
mod tui;

use std::io::{self, IsTerminal as _};

use anyhow::anyhow;
use clap::ArgGroup;
use jiff::tz::TimeZone;
use tidings_sdk::{Client, Error, ErrorKind};
use uuid::Uuid;

/// Chats in the terminal. Where stdin or stdout is none, lines in are posted and messages are
/// printed, one a line.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("target").args(["to", "group", "conversation"]))]
pub(crate) struct Chat {
    #[command(flatten)]
    account: account::Account,
    /// Talk to this user.
    #[arg(long, value_name = "USER")]
    to: Option<String>,
    /// What the conversation is about, such as a listing's id.
    #[arg(long, value_name = "TEXT", requires = "to", default_value = "")]
    about: String,
    /// Talk in the group with this title.
    #[arg(long, value_name = "TITLE")]
    group: Option<String>,
    /// Make the group, with these members, if there is none of that title.
    #[arg(long, value_name = "USER", requires = "group", value_delimiter = ',')]
    with: Vec<String>,
    /// Talk in this conversation.
    #[arg(long, value_name = "ID")]
    conversation: Option<Uuid>,
    #[command(flatten)]
    plain: plain::Plain,
}

impl Chat {
    /// Runs until the user ends it. True when everything that was to be sent was sent.
    pub(crate) async fn run(self) -> anyhow::Result<bool> {
        let opened = self.account.open()?;
        let target = target::Target {
            to: self.to,
            about: self.about,
            group: self.group,
            with: self.with,
            conversation: self.conversation,
        };
        let (client, updates) = Client::start(opened.options).await?;
        let zone = TimeZone::system();
        let terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
        let done = if terminal && !self.plain.wanted() {
            let session = tui::Session {
                client,
                updates,
                target,
                zone,
                waiting: opened.waiting,
                place: opened.place,
            };
            session.run().await
        } else {
            let place = opened.place;
            self.plain.run(client, updates, target, zone, &place).await
        };
        done.map_err(with_a_way_out)
    }
}

/// An error with what the user can do about it here.
fn with_a_way_out(error: anyhow::Error) -> anyhow::Error {
    let refused = error.downcast_ref::<Error>();
    match refused.filter(|error| error.kind() == ErrorKind::Untrusted) {
        Some(untrusted) => anyhow!(
            "with --certificate SHA256 or --ca FILE the server's own is trusted: {}",
            text::by_flag(&untrusted.to_string())
        ),
        None => error,
    }
}
