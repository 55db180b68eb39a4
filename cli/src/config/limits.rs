//! Values under which a server would run, and serve nobody.

use anyhow::bail;
use tidings_core::log::MAX_RECORD_BYTES;
use tidings_gateway::forwarded::Networks;

use super::{Config, MessagesConfig, presence};

/// The protocol's: a client may ask for no more conversations at a time.
const WINDOW: u64 = 100;

/// Between which a number has to be.
struct Bound {
    path: &'static str,
    value: u64,
    least: u64,
    greatest: u64,
    /// Why no other will do.
    why: &'static str,
}

/// The longest text that fits into a frame, and, in any case, into a record.
fn longest_text(frame_bytes: u64) -> u64 {
    frame_bytes
        .saturating_sub(4_096)
        .clamp(1, MAX_RECORD_BYTES as u64 - 8_192)
}

/// The numbers of a configuration that could lock everybody out.
fn bounds(config: &Config) -> Vec<Bound> {
    let limits = &config.limits;
    let MessagesConfig {
        text_bytes,
        group_members,
        commit_interval_ms: _,
    } = config.messages;
    let presence::Config {
        grace_ms,
        away_ms,
        heartbeat_ms,
    } = config.presence;
    let least = |path, value: u64, least, why| Bound {
        path,
        value,
        least,
        greatest: u64::MAX,
        why,
    };
    let nobody = "with none nobody could be served";
    vec![
        least(
            "limits.frame_bytes",
            limits.frame_bytes as u64,
            16_384,
            "the token in a client's first frame alone may have 8192 bytes",
        ),
        least(
            "limits.outgoing_bytes",
            limits.outgoing_bytes as u64,
            131_072,
            "the answer with one message has to fit in, and a page of conversations in the half of it",
        ),
        least(
            "limits.requests_per_second",
            limits.requests_per_second.into(),
            1,
            nobody,
        ),
        least(
            "limits.request_burst",
            limits.request_burst.into(),
            10,
            "a client asks for several things at once when it begins",
        ),
        least(
            "limits.api_requests_per_second",
            limits.api_requests_per_second.into(),
            1,
            nobody,
        ),
        least(
            "limits.api_request_burst",
            limits.api_request_burst.into(),
            1,
            nobody,
        ),
        least(
            "limits.connections_per_user",
            limits.connections_per_user as u64,
            1,
            nobody,
        ),
        least(
            "limits.connections_per_address",
            limits.connections_per_address as u64,
            1,
            nobody,
        ),
        least("limits.connections", limits.connections as u64, 1, nobody),
        least(
            "limits.heartbeat_ms",
            limits.heartbeat_ms.into(),
            100,
            "a client has to be heard within it, over any network",
        ),
        least(
            "limits.hello_ms",
            limits.hello_ms,
            100,
            "a client has to say who it is within it, over any network",
        ),
        Bound {
            path: "limits.window",
            value: limits.window as u64,
            least: 1,
            greatest: WINDOW,
            why: "that many conversations the protocol can tell of at a time",
        },
        least("limits.logins", limits.logins as u64, 1, nobody),
        least("limits.queries", limits.queries as u64, 1, nobody),
        Bound {
            path: "messages.text_bytes",
            value: text_bytes as u64,
            least: 1,
            greatest: longest_text(limits.frame_bytes as u64),
            why: "something is to be said, and it has to fit into a client's frame (limits.frame_bytes) and a \
                  record of the log with what else is said there",
        },
        least(
            "messages.group_members",
            group_members.into(),
            2,
            "a group has somebody to talk to",
        ),
        Bound {
            path: "presence.grace_ms",
            value: grace_ms,
            // Somebody who has gone may be shown so at once.
            least: 0,
            greatest: 3_600_000,
            why: "who has gone for an hour is not here",
        },
        least(
            "presence.away_ms",
            away_ms,
            1,
            "with none everybody would always be away",
        ),
        least(
            "presence.heartbeat_ms",
            heartbeat_ms,
            1,
            "with none no heartbeat would hold",
        ),
    ]
}

/// Refuses them, and names for tokens that nobody could have.
pub(super) fn check(config: &Config) -> anyhow::Result<()> {
    let defaults = bounds(&Config::default());
    for (bound, default) in bounds(config).into_iter().zip(defaults) {
        let Bound {
            path,
            value,
            least,
            greatest,
            why,
        } = bound;
        if (least..=greatest).contains(&value) {
            continue;
        }
        let wanted = match greatest {
            u64::MAX => format!("{least} or more"),
            greatest => format!("{least} to {greatest}"),
        };
        bail!(
            "{}: {path} is {value}, and is to be {wanted}: {why}. The default is {}",
            config.origins.of(path),
            default.value
        );
    }
    let names = [
        ("auth.issuer", &config.auth.issuer),
        ("auth.audience", &config.auth.audience),
    ];
    for (path, name) in names {
        if name.as_deref() == Some("") {
            bail!(
                "{}: {path} is empty, so no token would be good: without it any is, and that is the default",
                config.origins.of(path)
            );
        }
    }
    let secrets = &config.auth.secrets;
    for (at, secret) in secrets.iter().enumerate() {
        let Some(kid) = &secret.kid else { continue };
        if secrets[..at]
            .iter()
            .any(|earlier| earlier.kid == secret.kid)
        {
            let path = format!("auth.secrets[{at}].kid");
            bail!(
                "{}: {path} is {kid:?}, as that of another secret: a token says by it which of them it is signed \
                 with, so each is to have another, or none, which is the default",
                config.origins.of(&path)
            );
        }
    }
    Ok(())
}

/// What to say where everybody is trusted to be a proxy.
pub(crate) fn everybody_is_a_proxy(trusted: &Networks) -> Option<String> {
    let shown = serde_json::to_value(trusted).ok()?;
    let all = shown.as_array()?.iter().find_map(|network| {
        let network = network.as_str()?;
        network.ends_with("/0").then(|| network.to_owned())
    })?;
    Some(format!(
        "EVERY CLIENT CHOOSES ITS OWN ADDRESS: trusted_proxies has {all} in it, so whoever connects is believed when it \
         says in X-Forwarded-For where it comes from, and connections_per_address limits nobody: name the proxies alone"
    ))
}

#[cfg(test)]
mod tests;
