//! `tidings ext backfill` tells an extension of history again, `tidings ext call` calls one of its commands.

use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use uuid::Uuid;

use super::operate::{WHO, endpoint, read, text};
use crate::{
    backend::{At, Endpoint, Failed, TRIES, pause},
    say::say,
    server::progress,
};

/// Tells an extension of what happened before, without toasts and deliveries: piece by piece, each of which is recorded once.
#[derive(Debug, clap::Args)]
pub(crate) struct Backfill {
    /// Which: it has to act.
    #[arg(value_name = "ID")]
    extension: String,
    /// From which position of the log on; where it stopped, to go on.
    #[arg(long, value_name = "POSITION", default_value = "0")]
    after: String,
    /// Up to which position, as far as it was told so far; up to where the version that acts began, if nothing is said.
    #[arg(long, value_name = "POSITION")]
    until: Option<u64>,
    /// An object of JSON at the end, for programs.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: At,
}

/// Calls a command of an extension and shows its answer.
#[derive(Debug, clap::Args)]
pub(crate) struct Call {
    /// Which extension.
    #[arg(value_name = "ID")]
    extension: String,
    /// Which of its commands.
    command: String,
    /// The arguments: an object of JSON.
    #[arg(default_value = "{}")]
    args: String,
    /// In whose name: a user, or with an API key a system account, such as system:shop.
    #[arg(long = "as", value_name = "USER")]
    user: String,
    /// From which conversation, of which that user is a member.
    #[arg(long, value_name = "ID")]
    conversation: Option<Uuid>,
    #[command(flatten)]
    at: At,
}

impl Backfill {
    /// True when all events could be dealt with. Blocking.
    pub(crate) fn run(self) -> anyhow::Result<bool> {
        let endpoint = endpoint(&self.at)?;
        let path = format!("/v1/extensions/{}/backfill", self.extension);
        let (mut told, mut failed, mut after) = (0, 0, self.after.clone());
        let mut until = self.until;
        let bar = progress(0, "telling history");
        let done = loop {
            let piece = json!({ "after": after, "until": until });
            let again = |line| bar.suspend(|| eprintln!("{line}"));
            let answer = match send(&endpoint, &path, &piece, again) {
                Ok(answer) => answer,
                Err(error) => {
                    bar.abandon();
                    return Err(error.context(format!(
                        "stopped after {told} events; to go on: tidings ext backfill {} --after {after}",
                        self.extension
                    )));
                }
            };
            told += answer["told"].as_u64().unwrap_or_default();
            failed += answer["failed"].as_u64().unwrap_or_default();
            // What happens meanwhile is told as it happens.
            until = answer["until"].as_u64();
            bar.set_length(until.unwrap_or_default());
            text(&answer, "next").clone_into(&mut after);
            let position = after.split('.').next().and_then(|at| at.parse().ok());
            bar.set_position(position.unwrap_or_default());
            if answer["done"].as_bool() == Some(true) {
                break answer;
            }
        };
        bar.finish_and_clear();
        match self.json {
            true => say!(
                "{}",
                json!({ "told": told, "failed": failed, "until": done["until"] })
            ),
            false => {
                say!(
                    "{}: {told} events up to position {} told again, {failed} of them could not be dealt with",
                    self.extension,
                    done["until"]
                );
                if failed > 0 {
                    say!("what went wrong: the server's log");
                }
            }
        }
        Ok(failed == 0)
    }
}

impl Call {
    /// Blocking.
    pub(crate) fn run(self) -> anyhow::Result<bool> {
        let args: Value = serde_json::from_str(&self.args)
            .with_context(|| format!("the arguments are no JSON: {}", self.args))?;
        if !args.is_object() {
            bail!("the arguments are to be an object, as in '{{\"name\": 1}}'");
        }
        let body = json!({ "as": self.user, "args": args, "conversation": self.conversation });
        let path = format!(
            "/v1/extensions/{}/commands/{}",
            self.extension, self.command
        );
        let endpoint = self.at.endpoint(WHO, "tidings:commands")?;
        let answer = send(&endpoint, &path, &body, |line| eprintln!("{line}"))?;
        say!("{}", serde_json::to_string_pretty(&answer["answer"])?);
        Ok(true)
    }
}

/// Sends it until it is answered, under one key: it is done once. Whoever waits is told of each try that came to nothing.
fn send(
    endpoint: &Endpoint,
    path: &str,
    body: &Value,
    again: impl Fn(String),
) -> anyhow::Result<Value> {
    let key = Uuid::now_v7().to_string();
    let mut tries = 0;
    loop {
        let body = body.to_string();
        let sent = endpoint.post(path, "application/json", Some(&key), body.as_bytes());
        let (why, after) = match sent {
            Err(Failed::Busy(why, after)) if tries < TRIES => (why, after),
            Err(Failed::Lost(why)) if tries < TRIES => (why, Duration::ZERO),
            sent => return read(sent),
        };
        tries += 1;
        let after = pause(tries).max(after);
        again(format!(
            "{why}: trying again in {:.1} s",
            after.as_secs_f64()
        ));
        std::thread::sleep(after);
    }
}
