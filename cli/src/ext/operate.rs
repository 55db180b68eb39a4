//! `tidings ext install|activate|shadow|deactivate|rollback|remove|list|top|logs|why|waiting|retry|forget`: extensions of a running
//! server.

use std::{
    fs,
    io::{BufRead as _, IsTerminal as _, Write as _},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};
use tidings_core::clock::{Clock as _, SystemClock};

use crate::{
    backend::{At, Endpoint, Failed},
    say::say,
};

/// Who asks.
pub(super) const WHO: &str = "tidings-ext";

/// How often lines are asked for that an extension wrote.
const LOOK: Duration = Duration::from_millis(500);

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Operate {
    /// Installs an extension: says what it asks for and what is new since the version before. It acts once it is activated.
    Install(Install),
    /// Lets a version act, in the place of the one that does.
    Activate(Activate),
    /// Lets a version only look on, beside the one that acts: what it would do has no effect and is written to its log.
    Shadow(Shadow),
    /// Lets no version act any more.
    Deactivate(Deactivate),
    /// Lets the version act again that did before, with the settings of then.
    Rollback(One),
    /// Forgets a version that does not act, or with --with-store the extension with all that it keeps.
    Remove(Remove),
    /// Lists extensions: versions, which of them act, how they fare.
    List(List),
    /// Shows what extensions do and what that takes, again and again; once with --json.
    Top(List),
    /// Shows the lines that an extension wrote.
    Logs(Logs),
    /// Says what extensions said of a message.
    Why(Why),
    /// Lists the events that an extension could not deal with: those it is to be told again, and those set aside.
    Waiting(Waiting),
    /// Has an extension told again, now, of events that it could not deal with.
    Retry(Retry),
    /// Forgets events that an extension could not deal with.
    Forget(Forget),
}

#[derive(Debug, clap::Args)]
pub(crate) struct Install {
    /// The component that `tidings ext build` made.
    file: PathBuf,
    /// Activate it, too, with the settings of the version before.
    #[arg(long)]
    activate: bool,
    /// File with its settings (JSON), for --activate.
    #[arg(long, value_name = "FILE", requires = "activate")]
    settings: Option<PathBuf>,
    /// Yes, it may ask for more than the version before.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    at: At,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Activate {
    /// Which: ID@VERSION, or ID for the version that was installed last.
    #[arg(value_name = "ID[@VERSION]")]
    extension: String,
    /// File with its settings (JSON); without it those of the version before are taken over.
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// Its place among others that look at the same thing: the lowest is asked first.
    #[arg(long, value_name = "N")]
    order: Option<u32>,
    /// Yes, it may ask for more than the version before.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    at: At,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Shadow {
    /// Which: ID@VERSION.
    #[arg(value_name = "ID@VERSION")]
    extension: String,
    /// File with its settings (JSON).
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    #[command(flatten)]
    at: At,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Deactivate {
    /// Which.
    #[arg(value_name = "ID")]
    extension: String,
    /// Only the version that looks on.
    #[arg(long)]
    shadow: bool,
    #[command(flatten)]
    at: At,
}

#[derive(Debug, clap::Args)]
pub(crate) struct One {
    /// Which.
    #[arg(value_name = "ID")]
    extension: String,
    #[command(flatten)]
    at: At,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Remove {
    /// Which: ID@VERSION, or ID for all versions.
    #[arg(value_name = "ID[@VERSION]")]
    extension: String,
    /// With the last version its store goes, too, its timers, and events that wait or are set aside.
    #[arg(long)]
    with_store: bool,
    #[command(flatten)]
    at: At,
}

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// An object of JSON, for programs.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: At,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Logs {
    /// Which.
    #[arg(value_name = "ID")]
    extension: String,
    /// Go on showing lines as they are written.
    #[arg(long, short)]
    follow: bool,
    /// A line of JSON each.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: At,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Why {
    /// Its id, as extensions are told it: CONVERSATION.COMMAND. Or its conversation, with its number there.
    #[arg(value_name = "MESSAGE-ID|CONVERSATION")]
    message: String,
    /// Its number in the conversation.
    seq: Option<u64>,
    /// An object of JSON, for programs.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: At,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Waiting {
    /// Which.
    #[arg(value_name = "ID")]
    extension: String,
    /// A line of JSON each.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: At,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Retry {
    /// Which.
    #[arg(value_name = "ID")]
    extension: String,
    /// Which events, as `tidings ext waiting` lists them; all of them, if none is named.
    #[arg(value_name = "POSITION.INDEX")]
    events: Vec<String>,
    #[command(flatten)]
    at: At,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Forget {
    /// Which.
    #[arg(value_name = "ID")]
    extension: String,
    /// Which events, as `tidings ext waiting` lists them.
    #[arg(value_name = "POSITION.INDEX")]
    events: Vec<String>,
    /// All that are set aside.
    #[arg(long, conflicts_with = "events")]
    set_aside: bool,
    #[command(flatten)]
    at: At,
}

/// A running server, asked about its extensions.
pub(super) fn endpoint(at: &At) -> anyhow::Result<Endpoint> {
    at.endpoint(WHO, "tidings:operate")
}

impl Operate {
    /// True when all is well. Blocking.
    pub(crate) fn run(self) -> anyhow::Result<bool> {
        match self {
            Operate::Install(install) => install.run(),
            Operate::Activate(activate) => activate.run(),
            Operate::Shadow(shadow) => shadow.run(),
            Operate::Deactivate(deactivate) => deactivate.run(),
            Operate::Rollback(one) => one.rollback(),
            Operate::Remove(remove) => remove.run(),
            Operate::List(list) => list.run(),
            Operate::Top(list) => list.top(),
            Operate::Logs(logs) => logs.run(),
            Operate::Why(why) => why.run(),
            Operate::Waiting(waiting) => waiting.run(),
            Operate::Retry(retry) => retry.run(),
            Operate::Forget(forget) => forget.run(),
        }
    }
}

/// An answer as JSON.
pub(super) fn read(answer: Result<bytes::Bytes, Failed>) -> anyhow::Result<Value> {
    match answer {
        Ok(body) => serde_json::from_slice(&body).context("the server's answer is no JSON"),
        Err(Failed::Lost(why)) => bail!("{why}: does a server run there?"),
        Err(Failed::Busy(why, _) | Failed::Refused(why)) => bail!("{why}"),
    }
}

/// An extension and a version of it.
fn named(text: &str) -> anyhow::Result<(&str, &str)> {
    text.split_once('@')
        .with_context(|| format!("{text:?}: say which version, as in {text}@1.0.0"))
}

pub(super) fn settings(file: Option<&PathBuf>) -> anyhow::Result<Option<Value>> {
    let Some(path) = file else {
        return Ok(None);
    };
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let settings: Value =
        serde_json::from_str(&text).with_context(|| format!("{} is no JSON", path.display()))?;
    ensure!(
        settings.is_object(),
        "{}: an object is wanted",
        path.display()
    );
    Ok(Some(settings))
}

pub(super) fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

fn list<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v str> {
    value[name]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

/// Asks somebody at a terminal; without one the answer is no.
fn agrees(question: &str) -> bool {
    if !std::io::stdin().is_terminal() {
        return false;
    }
    eprint!("{question} [y/N] ");
    let _ = std::io::stderr().flush();
    let mut line = String::new();
    let answered = std::io::stdin().lock().read_line(&mut line);
    answered.is_ok() && matches!(line.trim(), "y" | "Y" | "yes")
}

fn activate(
    endpoint: &Endpoint,
    extension: &str,
    version: &str,
    settings: Option<&Value>,
    order: Option<u32>,
    (shadow, yes): (bool, bool),
) -> anyhow::Result<()> {
    let mut body = json!({ "version": version, "shadow": shadow, "accept_wider": yes });
    if let Some(settings) = settings {
        body["settings"] = settings.clone();
    }
    if let Some(order) = order {
        body["order"] = order.into();
    }
    let path = format!("/v1/extensions/{extension}/active");
    let mut done = endpoint.put(&path, &body);
    if let Err(Failed::Refused(why)) = &done
        && !yes
        && why.contains("asks for more")
        && agrees(&format!("{why}.\nActivate it?"))
    {
        body["accept_wider"] = true.into();
        done = endpoint.put(&path, &body);
    }
    let done = match done {
        Err(Failed::Refused(why)) if why.contains("asks for more") => bail!("{why}: --yes says so"),
        done => read(done)?,
    };
    let acts = if shadow { "looks on" } else { "acts" };
    say!(
        "{extension}@{version} {acts}, from position {} of the log",
        done["position"]
    );
    Ok(())
}

impl Install {
    fn run(self) -> anyhow::Result<bool> {
        let endpoint = endpoint(&self.at)?;
        let component = fs::read(&self.file).with_context(|| self.file.display().to_string())?;
        let settings = settings(self.settings.as_ref())?;
        let spinner =
            indicatif::ProgressBar::new_spinner().with_message("compiling it on the server");
        spinner.enable_steady_tick(Duration::from_millis(120));
        let answer = endpoint.post("/v1/extensions", "application/wasm", None, &component);
        spinner.finish_and_clear();
        let installed = read(answer)?;
        let (id, version) = (text(&installed, "id"), text(&installed, "version"));
        let known = match installed["duplicate"].as_bool() {
            Some(true) => "was installed already",
            _ => "is installed",
        };
        say!("{id}@{version} {known}: {}", text(&installed, "summary"));
        say!(
            "  hooks: {}",
            list(&installed, "hooks").collect::<Vec<_>>().join(", ")
        );
        say!(
            "  {} bytes, SHA-256 {}",
            installed["size"],
            text(&installed, "digest")
        );
        for ask in list(&installed, "asks") {
            say!("  - {ask}");
        }
        let changes: Vec<&str> = list(&installed, "changes").collect();
        if !changes.is_empty() {
            say!("since the version before:");
            for change in changes {
                say!("  {change}");
            }
        }
        match self.activate {
            true => activate(
                &endpoint,
                id,
                version,
                settings.as_ref(),
                None,
                (false, self.yes),
            )?,
            false => say!("it does not act yet: tidings ext activate {id}@{version}"),
        }
        Ok(true)
    }
}

impl Activate {
    fn run(self) -> anyhow::Result<bool> {
        let endpoint = endpoint(&self.at)?;
        let settings = settings(self.settings.as_ref())?;
        let last;
        let (extension, version) = match self.extension.split_once('@') {
            Some(named) => named,
            None => {
                last = last_version(&endpoint, &self.extension)?;
                (&*self.extension, &*last)
            }
        };
        activate(
            &endpoint,
            extension,
            version,
            settings.as_ref(),
            self.order,
            (false, self.yes),
        )?;
        Ok(true)
    }
}

/// Versions that are installed, the oldest first. At least one.
fn versions(endpoint: &Endpoint, extension: &str) -> anyhow::Result<Vec<String>> {
    let all = read(endpoint.get("/v1/extensions"))?;
    let mut all = all["extensions"].as_array().into_iter().flatten();
    let found = all.find(|one| text(one, "id") == extension);
    let versions = found.and_then(|one| one["versions"].as_array());
    let versions = versions.into_iter().flatten();
    let versions: Vec<String> = versions
        .map(|version| text(version, "version").to_owned())
        .collect();
    ensure!(
        !versions.is_empty(),
        "{extension} is not installed: tidings ext install FILE"
    );
    Ok(versions)
}

/// The version that was installed last.
fn last_version(endpoint: &Endpoint, extension: &str) -> anyhow::Result<String> {
    Ok(versions(endpoint, extension)?.pop().unwrap_or_default())
}

impl Shadow {
    fn run(self) -> anyhow::Result<bool> {
        let endpoint = endpoint(&self.at)?;
        let (extension, version) = named(&self.extension)?;
        let settings = settings(self.settings.as_ref())?;
        activate(
            &endpoint,
            extension,
            version,
            settings.as_ref(),
            None,
            (true, false),
        )?;
        Ok(true)
    }
}

impl Deactivate {
    fn run(self) -> anyhow::Result<bool> {
        let shadow = if self.shadow { "?shadow=true" } else { "" };
        let path = format!("/v1/extensions/{}/active{shadow}", self.extension);
        let done = read(endpoint(&self.at)?.delete(&path))?;
        say!(
            "{} does not act any more, from position {} of the log",
            self.extension,
            done["position"]
        );
        Ok(true)
    }
}

impl One {
    fn rollback(self) -> anyhow::Result<bool> {
        let path = format!("/v1/extensions/{}/rollback", self.extension);
        let done = read(endpoint(&self.at)?.post(&path, "application/json", None, b""))?;
        say!(
            "{}@{} acts again, from position {} of the log",
            self.extension,
            text(&done, "version"),
            done["position"]
        );
        Ok(true)
    }
}

impl Remove {
    fn run(self) -> anyhow::Result<bool> {
        let endpoint = endpoint(&self.at)?;
        let (extension, versions) = match self.extension.split_once('@') {
            Some((extension, version)) => (extension, vec![version.to_owned()]),
            None => {
                ensure!(
                    self.with_store,
                    "{0}: say which version, as in {0}@1.0.0, or --with-store to forget all of it, with what it keeps",
                    self.extension
                );
                (&*self.extension, versions(&endpoint, &self.extension)?)
            }
        };
        let query = if self.with_store {
            "?with_store=true"
        } else {
            ""
        };
        for version in versions {
            let path = format!("/v1/extensions/{extension}/versions/{version}{query}");
            match endpoint.delete(&path) {
                Err(Failed::Refused(why)) if why.contains("with_store") => {
                    bail!("{why}: --with-store says so")
                }
                done => read(done)?,
            };
            say!("{extension}@{version} is forgotten");
        }
        Ok(true)
    }
}

impl List {
    fn run(self) -> anyhow::Result<bool> {
        let all = read(endpoint(&self.at)?.get("/v1/extensions"))?;
        if self.json {
            say!("{all}");
            return Ok(true);
        }
        let extensions = all["extensions"].as_array().cloned().unwrap_or_default();
        if extensions.is_empty() {
            say!("no extension is installed: tidings ext install FILE");
        }
        for one in &extensions {
            say!("{}", state(one));
            for version in one["versions"].as_array().into_iter().flatten() {
                say!("  {}  {} bytes", text(version, "version"), version["size"]);
            }
        }
        Ok(true)
    }

    fn top(self) -> anyhow::Result<bool> {
        let endpoint = endpoint(&self.at)?;
        loop {
            let all = read(endpoint.get("/v1/extensions"))?;
            if self.json {
                say!("{}", all["calls"]);
                return Ok(true);
            }
            let terminal = std::io::stdout().is_terminal();
            if terminal {
                // From the top of an empty screen.
                print!("\x1b[2J\x1b[H");
            }
            for one in all["extensions"].as_array().into_iter().flatten() {
                say!("{}", state(one));
            }
            say!(
                "{:<24} {:<18} {:>9} {:>9} {:>9} {:>10} {:>9}  outcomes",
                "extension",
                "hook",
                "calls",
                "p50 us",
                "p99 us",
                "fuel",
                "KiB"
            );
            for row in all["calls"].as_array().into_iter().flatten() {
                let name = format!("{}@{}", text(row, "extension"), text(row, "version"));
                let calls = row["calls"].as_u64().unwrap_or_default();
                let fuel = row["fuel"]
                    .as_u64()
                    .unwrap_or_default()
                    .checked_div(calls)
                    .unwrap_or_default();
                let us = |name: &str| row[name].as_f64().unwrap_or_default();
                let outcomes = row["outcomes"].as_object().into_iter().flatten();
                let outcomes: Vec<String> = outcomes
                    .map(|(name, count)| format!("{name} {count}"))
                    .collect();
                say!(
                    "{name:<24} {:<18} {calls:>9} {:>9.0} {:>9.0} {fuel:>10} {:>9}  {}",
                    text(row, "hook"),
                    us("p50_us"),
                    us("p99_us"),
                    row["memory_peak"].as_u64().unwrap_or_default() >> 10,
                    outcomes.join(", ")
                );
            }
            if !terminal {
                return Ok(true);
            }
            std::thread::sleep(Duration::from_secs(1));
        }
    }
}

/// An extension in a line.
fn state(one: &Value) -> String {
    let mut line = text(one, "id").to_owned();
    match &one["active"] {
        Value::Null => line.push_str(": does not act"),
        active => {
            let hooks: Vec<&str> = list(active, "hooks").collect();
            line.push_str(&format!(
                "@{} acts: {}",
                text(active, "version"),
                hooks.join(", ")
            ));
            if let Some(broken) = active["broken"].as_str() {
                line.push_str(&format!("; BROKEN here: {broken}"));
            }
            for name in list(active, "lacks_secrets") {
                line.push_str(&format!("; lacks the secret {name:?} here"));
            }
            for (hook, users) in active["left_alone_for"].as_object().into_iter().flatten() {
                let users: Vec<&str> = users
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .collect();
                line.push_str(&format!(
                    "; {hook} keeps failing for {} and is left alone for them",
                    users.join(", ")
                ));
            }
            for hook in list(active, "left_alone") {
                line.push_str(&format!(
                    "; {hook} keeps failing and is left alone for a while"
                ));
            }
        }
    }
    if let Value::Object(_) = &one["shadow"] {
        line.push_str(&format!("; {} looks on", text(&one["shadow"], "version")));
    }
    if let Value::Object(_) = &one["quarantine"] {
        let quarantine = &one["quarantine"];
        line.push_str(&format!(
            "; {} is in QUARANTINE ({}): {}",
            text(quarantine, "version"),
            text(quarantine, "hook"),
            text(quarantine, "cause")
        ));
    }
    for (name, what) in [
        ("lag", "positions behind"),
        ("waiting", "to be told again"),
        ("parked", "set aside"),
    ] {
        if let Some(count) = one[name].as_u64().filter(|count| *count > 0) {
            let count = match name {
                "lag" => count.to_string(),
                _ => events(count),
            };
            line.push_str(&format!("; {count} {what}"));
        }
    }
    line
}

impl Logs {
    fn run(self) -> anyhow::Result<bool> {
        let endpoint = endpoint(&self.at)?;
        let mut since = 0;
        loop {
            let path = format!("/v1/extensions/{}/logs?since_ms={since}", self.extension);
            let found = read(endpoint.get(&path))?;
            for line in found["lines"].as_array().into_iter().flatten() {
                since = since.max(line["at_ms"].as_u64().unwrap_or_default());
                match self.json {
                    true => say!("{line}"),
                    false => say!(
                        "{} {:<5} {} {}  {}",
                        line["at_ms"],
                        text(line, "level"),
                        text(line, "version"),
                        text(line, "hook"),
                        text(line, "line")
                    ),
                }
            }
            if !self.follow {
                return Ok(true);
            }
            std::thread::sleep(LOOK);
        }
    }
}

impl Why {
    fn run(self) -> anyhow::Result<bool> {
        let path = match self.seq {
            Some(seq) => format!("/v1/conversations/{}/messages/{seq}/reviews", self.message),
            None if self.message.contains('.') => format!("/v1/messages/{}/reviews", self.message),
            None => bail!(
                "which message of {0}? Say its number, as in {0} 7, or name it as extensions do: {0}.COMMAND",
                self.message
            ),
        };
        let found = read(self.at.endpoint(WHO, "tidings:moderation")?.get(&path))?;
        if self.json {
            say!("{found}");
            return Ok(true);
        }
        match (text(&found, "became"), &found["seq"], &found["held"]) {
            ("posted", seq, _) => say!("message {seq} of {}", text(&found, "conversation")),
            ("held", _, held) => say!("held, as number {held} of {}", text(&found, "conversation")),
            (became @ ("released" | "rejected"), _, held) => say!(
                "was held, as number {held} of {}, and {became} by {}",
                text(&found, "conversation"),
                text(&found, "settled_by")
            ),
            _ => {}
        }
        let reviews = found["reviews"].as_array().cloned().unwrap_or_default();
        if reviews.is_empty() {
            say!("no extension said anything of it");
        }
        for review in &reviews {
            let labels: Vec<&str> = list(review, "labels").collect();
            let mut line = format!(
                "{}@{}: {}",
                text(review, "extension"),
                text(review, "version"),
                text(review, "verdict")
            );
            if review["failed"].as_bool() == Some(true) {
                line.push_str(" (it failed, and its manifest says that this counts then)");
            }
            if !text(review, "reason").is_empty() {
                line.push_str(&format!(", {:?}", text(review, "reason")));
            }
            if !labels.is_empty() {
                line.push_str(&format!(", labels {}", labels.join(", ")));
            }
            say!("{line}");
        }
        Ok(true)
    }
}

impl Waiting {
    fn run(self) -> anyhow::Result<bool> {
        let endpoint = endpoint(&self.at)?;
        let path = format!("/v1/extensions/{}/waiting", self.extension);
        let mut after = String::new();
        let mut any = false;
        loop {
            let found = read(endpoint.get(&format!("{path}{after}")))?;
            for event in found["events"].as_array().into_iter().flatten() {
                any = true;
                match self.json {
                    true => say!("{event}"),
                    false => say!("{}", waits(event)),
                }
            }
            match found["next"].as_str() {
                Some(next) => after = format!("?after={next}"),
                None => break,
            }
        }
        if !any && !self.json {
            say!(
                "nothing waits for {}, and nothing is set aside",
                self.extension
            );
        }
        Ok(true)
    }
}

/// An event that waits, in a line.
fn waits(event: &Value) -> String {
    let mut line = format!("{:<12} {}", text(event, "at"), text(event, "kind"));
    for (name, what) in [("conversation", "in"), ("user", "of"), ("actor", "by")] {
        if let Some(is) = event[name].as_str() {
            line.push_str(&format!(" {what} {is}"));
            if let (true, Some(seq)) = (name == "conversation", event["seq"].as_u64()) {
                line.push_str(&format!(" #{seq}"));
            }
        }
    }
    let attempts = event["attempts"].as_u64().unwrap_or_default();
    let cause = text(event, "cause");
    let became = match event["again_ms"].as_u64() {
        None => format!("set aside after {}: {cause}", tries(attempts)),
        Some(_) if attempts == 0 => format!("waits: {cause}"),
        Some(again_ms) => {
            let now_ms = SystemClock.now_ms();
            let in_s = again_ms.saturating_sub(now_ms).div_ceil(1_000);
            format!("after {}: {cause}; again in {in_s} s", tries(attempts))
        }
    };
    format!("{line}: {became}")
}

/// Says what is to become of events.
fn let_become(at: &At, (extension, what): (&str, &str), events: &[String]) -> anyhow::Result<u64> {
    let path = format!("/v1/extensions/{extension}/waiting/{what}");
    let body = match events {
        [] => json!({}),
        events => json!({ "at": events }),
    };
    let body = body.to_string();
    let done = endpoint(at)?.post(&path, "application/json", None, body.as_bytes());
    Ok(read(done)?["count"].as_u64().unwrap_or_default())
}

fn tries(count: u64) -> String {
    match count {
        1 => "1 try".to_owned(),
        count => format!("{count} tries"),
    }
}

fn events(count: u64) -> String {
    match count {
        1 => "1 event".to_owned(),
        count => format!("{count} events"),
    }
}

impl Retry {
    fn run(self) -> anyhow::Result<bool> {
        let count = let_become(&self.at, (&self.extension, "retry"), &self.events)?;
        say!("{} is told again of {}", self.extension, events(count));
        Ok(true)
    }
}

impl Forget {
    fn run(self) -> anyhow::Result<bool> {
        ensure!(
            self.set_aside || !self.events.is_empty(),
            "say which events, as `tidings ext waiting {}` lists them, or --set-aside for all that are set aside",
            self.extension
        );
        let count = let_become(&self.at, (&self.extension, "forget"), &self.events)?;
        let are = if count == 1 { "is" } else { "are" };
        say!("{} of {} {are} forgotten", events(count), self.extension);
        Ok(true)
    }
}
