//! What a manifest may say: every problem is found, not the first one alone.

use crate::grants::EffectKind;
use crate::hooks::EVENT_KINDS;
use crate::manifest::Manifest;
use crate::parse::{MANIFEST_BYTES, ManifestError, Problem};
use crate::schema;

const SUMMARY_BYTES: usize = 200;
const NAME_BYTES: usize = 64;
const METRICS: usize = 32;
const RATES: usize = 16;
const NAMES: usize = 64;
const WINDOW_MS: std::ops::RangeInclusive<u32> = 1_000..=86_400_000;

/// Channels of the server's own: what stands under them an extension may not make up.
const RESERVED: [&str; 3] = ["push", "recall", "skipped"];

/// What is wrong, as it is found.
#[derive(Default)]
struct Found(Vec<Problem>);

impl Found {
    fn add(&mut self, field: impl Into<String>, what: impl Into<String>) {
        self.0.push(Problem {
            field: field.into(),
            what: what.into(),
        });
    }

    /// `also` is what a name may have beside small letters and digits.
    fn name(&mut self, field: &str, name: &str, also: &str) {
        let fits = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || also.as_bytes().contains(&byte)
        };
        if !(1..=NAME_BYTES).contains(&name.len()) || !name.bytes().all(fits) {
            let also: Vec<String> = also.chars().map(|letter| format!("`{letter}`")).collect();
            let what = format!(
                "`{name}` is not 1 to {NAME_BYTES} of a-z, 0-9, {}",
                also.join(", ")
            );
            self.add(field, what);
        }
    }

    fn at_most(&mut self, field: &str, count: usize, most: usize) {
        if count > most {
            self.add(field, format!("there are {count}, at most {most} may be"));
        }
    }

    fn sentence(&mut self, field: &str, text: &str) {
        if text.trim().is_empty() || text.len() > SUMMARY_BYTES || text.contains(char::is_control) {
            let what = format!("write one line of 1 to {SUMMARY_BYTES} bytes: operators read it");
            self.add(field, what);
        }
    }

    fn schema(&mut self, field: &str, schema: Option<&serde_json::Value>) {
        if let Some(Err(what)) = schema.map(schema::usable) {
            self.add(field, what);
        }
    }
}

impl Manifest {
    /// Whether all of it can be right.
    ///
    /// # Errors
    ///
    /// With everything that cannot.
    pub fn check(&self) -> Result<(), ManifestError> {
        let mut found = Found::default();
        found.name("id", &self.id, "-");
        found.sentence("summary", &self.summary);
        self.check_hooks(&mut found);
        self.check_grants(&mut found);
        self.check_declared(&mut found);
        self.check_http(&mut found);
        self.check_limits(&mut found);
        found.schema("settings", self.settings.as_ref());
        let bytes = self.to_json().len();
        match found.0 {
            problems if !problems.is_empty() => Err(ManifestError::Invalid(problems)),
            _ if bytes > MANIFEST_BYTES => Err(ManifestError::TooLarge(bytes)),
            _ => Ok(()),
        }
    }

    fn check_hooks(&self, found: &mut Found) {
        if self.hooks().is_empty() {
            let what = "there is no hook: add a table for one, such as `[moderation]` with `kinds = [\"message\"]`, \
                 `[reactor]`, `[presence-watcher]`, `[recall]`, `[timer]`, `[command.NAME]` or `[ranker]`";
            found.add("the manifest", what);
        }
        if self
            .moderation
            .as_ref()
            .is_some_and(|hook| hook.kinds.is_empty())
        {
            let what = "name at least one of message, edit, name, profile";
            found.add("moderation.kinds", what);
        }
        if let Some(reactor) = &self.reactor {
            if reactor.events.is_empty() {
                let what = "name at least one kind of event, such as message_posted";
                found.add("reactor.events", what);
            }
            found.at_most("reactor.events", reactor.events.len(), NAMES);
            for event in &reactor.events {
                if let Err(what) = event_kind(&event.kind, event.schema) {
                    found.add("reactor.events", what);
                }
            }
        }
        found.at_most("command", self.command.len(), NAMES);
        for (name, command) in &self.command {
            found.name(&format!("command.{name}"), name, "_-");
            if !command.summary.is_empty() {
                found.sentence(&format!("command.{name}.summary"), &command.summary);
            }
            found.schema(&format!("command.{name}.args"), command.args.as_ref());
        }
    }

    fn check_grants(&self, found: &mut Found) {
        let grants = &self.grants;
        found.at_most("grants.attributes", grants.attributes.len(), NAMES);
        for name in &grants.attributes {
            found.name("grants.attributes", name, "_");
        }
        // What can never come to be used is a mistake: the operator would be asked for it.
        let acts = self.reactor.is_some()
            || self.presence_watcher.is_some()
            || self.timer.is_some()
            || !self.command.is_empty();
        if !acts && !grants.effects.is_empty() {
            let what =
                "no hook here may act: that may reactor, presence-watcher, timer and command";
            found.add("grants.effects", what);
        }
        if !acts && !self.http.is_empty() {
            let what = "no hook here may ask others: that may reactor, presence-watcher, timer and command";
            found.add("http", what);
        }
        if self.moderation.is_none() && !self.rates.is_empty() {
            found.add(
                "rates",
                "they are for the hook moderation, which is not here",
            );
        }
        let needs = [
            ("badges", EffectKind::Badge, !self.badges.is_empty()),
            ("channels", EffectKind::Notify, !self.channels.is_empty()),
            ("emits", EffectKind::Emit, !self.emits.is_empty()),
        ];
        for (field, effect, declared) in needs {
            let effect_name = effect.name();
            match (declared, grants.effects.contains(&effect)) {
                (true, false) => found.add(
                    field,
                    format!("is for the effect {effect_name}, which grants.effects does not name"),
                ),
                (false, true) => found.add(
                    "grants.effects",
                    format!("{effect_name} takes what `{field}` declares, and that is not there"),
                ),
                _ => {}
            }
        }
    }

    fn check_declared(&self, found: &mut Found) {
        found.at_most("badges", self.badges.len(), NAMES);
        for name in &self.badges {
            found.name("badges", name, "_");
        }
        found.at_most("metrics", self.metrics.len(), METRICS);
        for name in &self.metrics {
            found.name("metrics", name, "_");
        }
        found.at_most("rates", self.rates.len(), RATES);
        for (name, window) in &self.rates {
            found.name("rates", name, "_-");
            if !WINDOW_MS.contains(window) {
                let what = format!("{window} ms is not a second (1000) to a day (86400000)");
                found.add(format!("rates.{name}"), what);
            }
        }
        found.at_most("channels", self.channels.len(), NAMES);
        for name in &self.channels {
            found.name("channels", name, "_-");
            if RESERVED.contains(&name.as_str()) {
                let what = format!("`{name}` is the server's own: choose another name");
                found.add("channels", what);
            }
        }
        found.at_most("emits", self.emits.len(), NAMES);
        for (kind, emit) in &self.emits {
            found.name(&format!("emits.{kind}"), kind, "_.");
            if emit.schema == 0 {
                found.add(
                    format!("emits.{kind}.schema"),
                    "schemas are numbered from 1",
                );
            }
            found.schema(&format!("emits.{kind}.payload"), emit.payload.as_ref());
        }
        found.at_most("secrets", self.secrets.len(), NAMES);
        for (index, secret) in self.secrets.iter().enumerate() {
            found.name(&format!("secrets[{index}].name"), &secret.name, "_-");
            found.sentence(&format!("secrets[{index}].reason"), &secret.reason);
            if self.secrets[..index]
                .iter()
                .any(|other| other.name == secret.name)
            {
                found.add(format!("secrets[{index}].name"), "is there twice");
            }
        }
    }

    fn check_http(&self, found: &mut Found) {
        found.at_most("http", self.http.len(), NAMES);
        for (index, http) in self.http.iter().enumerate() {
            found.sentence(&format!("http[{index}].reason"), &http.reason);
            let field = format!("http[{index}].host");
            if let Err(what) = host(&http.host) {
                found.add(&field, what);
            }
            if self.http[..index]
                .iter()
                .any(|other| other.host == http.host)
            {
                found.add(field, "is there twice");
            }
        }
    }

    fn check_limits(&self, found: &mut Found) {
        let limits = &self.limits;
        let zero = [
            ("fuel", limits.fuel == Some(0)),
            ("time_ms", limits.time_ms == Some(0)),
            ("memory_mib", limits.memory_mib == Some(0)),
        ];
        for (name, zero) in zero {
            if zero {
                let what = "0 would let no call end; leave it out for what the host gives";
                found.add(format!("limits.{name}"), what);
            }
        }
    }
}

fn event_kind(kind: &str, schema: u32) -> Result<(), String> {
    if EVENT_KINDS.contains(&kind) {
        return match schema {
            1 => Ok(()),
            _ => Err(format!("`{kind}` has no schema {schema}: there is 1")),
        };
    }
    let named = |name: &str, most: usize| {
        (1..=most).contains(&name.len())
            && name.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.".contains(&byte)
            })
    };
    if kind
        .strip_prefix("app.")
        .is_some_and(|kind| named(kind, NAME_BYTES))
    {
        return match schema {
            1 => Ok(()),
            _ => Err(format!(
                "`{kind}`: events of the product have no schemas, leave out the @{schema}"
            )),
        };
    }
    let own = kind
        .strip_prefix("ext.")
        .and_then(|rest| rest.split_once('.'));
    if own.is_some_and(|(extension, kind)| {
        let id = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !extension.is_empty() && extension.bytes().all(id) && named(kind, NAME_BYTES)
    }) {
        return Ok(());
    }
    Err(format!(
        "there is no kind `{kind}`: there are {}, and `app.KIND` for what the backend records, `ext.EXTENSION.KIND` for what \
         another extension emits",
        EVENT_KINDS.join(", ")
    ))
}

/// A name, not an address in numbers: those that are private could not be told from others by reading the manifest.
fn host(host: &str) -> Result<(), String> {
    let (name, port) = match host.split_once(':') {
        None => (host, true),
        Some((name, port)) => (name, port.parse::<u16>().is_ok_and(|port| port > 0)),
    };
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    // Resolvers read `127.0.0.0xa` as a number, too.
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_hex = last
        .strip_prefix("0x")
        .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let is_name = name.len() <= 253
        && name.split('.').count() > 1
        && name.split('.').all(label)
        && !is_hex
        && !name.ends_with(|letter: char| letter.is_ascii_digit());
    if is_name && port {
        return Ok(());
    }
    Err(format!(
        "`{host}` is no host's full name in small letters, such as api.example.org or api.example.org:8443, without https:// and path; \
         wildcards and addresses in numbers are not allowed"
    ))
}
