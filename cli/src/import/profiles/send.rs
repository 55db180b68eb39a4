//! Profiles on their way: into a node of the import's own, or to a server that is running.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use serde::Deserialize;
use tidings_core::{
    domain::CommandId,
    handler::{Answer, Submission},
    log::Lane,
    node::Node,
};
use tidings_gateway::search::{
    Declared,
    profiles::{self, Plan, Wanted},
};
use tidings_search::attributes::{Attribute, Attributes};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::{
    backend::{Endpoint, Failed, TRIES, pause},
    config::Config,
    server,
};

/// What came of one.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Set,
    Unchanged,
    Refused(String),
}

/// Who sets them.
pub(super) enum Destination {
    /// A node in this process.
    Local {
        node: Arc<Node>,
        declared: Attributes,
    },
    /// A running server.
    Remote {
        endpoint: Endpoint,
        declared: Attributes,
    },
}

/// Where profiles are set.
const PATH: &str = "/v1/profiles";

/// What a server says that profiles may hold.
#[derive(Deserialize)]
struct Declaration {
    attributes: Vec<Declared>,
}

/// What a server says of many.
#[derive(Deserialize)]
struct Answered {
    results: Vec<OneAnswered>,
}

#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum OneAnswered {
    Set,
    Unchanged,
    Refused { error: Problem },
}

#[derive(Deserialize)]
struct Problem {
    message: String,
    retry: bool,
    retry_after_ms: u64,
}

/// A batch that has to be sent again: why, and how long the server wants to be left alone.
struct Again(String, Duration);

impl Destination {
    /// A node on the folder of a server that is stopped.
    pub(super) async fn local(
        config: &Config,
        declared: Attributes,
    ) -> anyhow::Result<Destination> {
        let (node, ..) = server::node(config).await?;
        Ok(Destination::Local { node, declared })
    }

    /// A server, which says what profiles may hold there. Blocking.
    pub(super) fn remote(endpoint: Endpoint) -> anyhow::Result<Destination> {
        let body = endpoint.get_when_ready("/v1/search/attributes")?;
        let Declaration { attributes } = serde_json::from_slice(&body)
            .context("the server's list of attributes cannot be read")?;
        let declared = attributes.into_iter().map(|declared| {
            let attribute = Attribute {
                kind: declared.kind,
                multiple: declared.multiple,
                public: declared.public,
            };
            (declared.name, attribute)
        });
        Ok(Destination::Remote {
            declared: Attributes::new(declared)?,
            endpoint,
        })
    }

    /// What profiles may hold there.
    pub(super) fn declared(&self) -> &Attributes {
        match self {
            Destination::Local { declared, .. } | Destination::Remote { declared, .. } => declared,
        }
    }

    /// Sets profiles, or with `dry_run` says what that would come to. As many outcomes, in their order.
    /// `batch` names them: sent again under it, they are set once.
    ///
    /// # Errors
    /// When it is not known of some of them what came of them.
    pub(super) async fn set(
        self: Arc<Destination>,
        batch: (Uuid, u64),
        wanted: Vec<Wanted>,
        dry_run: bool,
        tell: impl Fn(String) + Send,
    ) -> anyhow::Result<Vec<Outcome>> {
        match &*self {
            Destination::Local { node, .. } => set_here(node, batch.0, wanted, dry_run).await,
            Destination::Remote { .. } => {
                let key = format!("import-{}-{}", batch.0, batch.1);
                let body = body(&wanted, dry_run);
                let mut tries = 0;
                loop {
                    let (to, key, body) = (self.clone(), key.clone(), body.clone());
                    let posted = tokio::task::spawn_blocking(move || to.post(&key, &body)).await?;
                    let Again(why, after) = match read(posted, wanted.len())? {
                        Ok(outcomes) => return Ok(outcomes),
                        Err(again) => again,
                    };
                    tries += 1;
                    if tries == TRIES {
                        bail!("{why}");
                    }
                    let after = pause(tries).max(after);
                    tell(format!(
                        "{why}: trying again in {:.1} s",
                        after.as_secs_f64()
                    ));
                    tokio::time::sleep(after).await;
                }
            }
        }
    }

    fn post(&self, key: &str, body: &str) -> Result<bytes::Bytes, Failed> {
        let Destination::Remote { endpoint, .. } = self else {
            unreachable!("only a server is asked")
        };
        endpoint.post(PATH, "application/json", Some(key), body.as_bytes())
    }

    /// Ends, when everything is written.
    pub(super) async fn stop(&self) -> anyhow::Result<()> {
        if let Destination::Local { node, .. } = self {
            let last = node.log.head(Lane::Journal).await?;
            node.projections.reached(last.0).await;
            let node = node.clone();
            tokio::task::spawn_blocking(move || node.stop()).await?;
        }
        Ok(())
    }
}

/// Bytes that a profile takes in a request, at most.
pub(super) fn bytes(wanted: &Wanted) -> usize {
    const BESIDE: usize = 128;
    // Each character of a user's id may be written as six.
    let attributes = wanted.attributes.as_ref().map_or(0, String::len);
    BESIDE + wanted.user.len() * 6 + attributes
}

/// The request. The attributes are JSON already.
fn body(wanted: &[Wanted], dry_run: bool) -> Arc<str> {
    let mut body = format!("{{\"dry_run\":{dry_run},\"profiles\":[");
    for (nth, one) in wanted.iter().enumerate() {
        let user = serde_json::to_string(&*one.user).expect("a text is always written");
        body.push_str(if nth == 0 {
            "{\"user\":"
        } else {
            ",{\"user\":"
        });
        body.push_str(&user);
        if let Some(attributes) = &one.attributes {
            body.push_str(",\"attributes\":");
            body.push_str(attributes);
        }
        if let Some(hidden) = one.hidden {
            body.push_str(&format!(",\"hidden\":{hidden}"));
        }
        if let Some(at_ms) = one.at_ms {
            body.push_str(&format!(",\"at_ms\":{at_ms}"));
        }
        body.push('}');
    }
    body.push_str("]}");
    body.into()
}

/// What a server has answered to so many.
fn read(
    posted: Result<bytes::Bytes, Failed>,
    count: usize,
) -> anyhow::Result<Result<Vec<Outcome>, Again>> {
    let body = match posted {
        Ok(body) => body,
        Err(Failed::Busy(why, after)) => return Ok(Err(Again(why, after))),
        Err(Failed::Lost(why)) => return Ok(Err(Again(why, Duration::ZERO))),
        Err(Failed::Refused(why)) => bail!("the server refuses: {why}"),
    };
    let Answered { results } =
        serde_json::from_slice(&body).context("the server's answer cannot be read")?;
    if results.len() != count {
        bail!("the server answers {} of {count} profiles", results.len());
    }
    let mut outcomes = Vec::with_capacity(count);
    for result in results {
        outcomes.push(match result {
            OneAnswered::Set => Outcome::Set,
            OneAnswered::Unchanged => Outcome::Unchanged,
            OneAnswered::Refused { error } if error.retry => {
                let after = Duration::from_millis(error.retry_after_ms);
                return Ok(Err(Again(error.message, after)));
            }
            OneAnswered::Refused { error } => Outcome::Refused(error.message),
        });
    }
    Ok(Ok(outcomes))
}

async fn set_here(
    node: &Node,
    run: Uuid,
    wanted: Vec<Wanted>,
    dry_run: bool,
) -> anyhow::Result<Vec<Outcome>> {
    let wanted: Vec<(Wanted, CommandId)> = wanted
        .into_iter()
        .map(|wanted| {
            let parts = [&run.as_bytes()[..], wanted.user.as_bytes()];
            let id = node.ids.command("import profiles", &parts);
            (wanted, id)
        })
        .collect();
    let plans = profiles::plan(node, &wanted).await;
    let plans = plans.map_err(|failure| anyhow::anyhow!(failure.message))?;
    let mut begun = Vec::with_capacity(plans.len());
    for ((wanted, id), plan) in wanted.into_iter().zip(plans) {
        begun.push(match plan {
            Plan::Nothing => Err(Outcome::Unchanged),
            Plan::Refuse(failure) => Err(Outcome::Refused(failure.message)),
            Plan::Submit(_) if dry_run => Err(Outcome::Set),
            Plan::Submit(command) => {
                let (tell, told) = oneshot::channel();
                node.handler.submit(Submission {
                    actor: wanted.user,
                    command,
                    id: Some(id),
                    happened_ms: wanted.at_ms,
                    known: 0,
                    chain: None,
                    trace: None,
                    reply: Box::new(move |answer| drop(tell.send(answer))),
                });
                Ok(told)
            }
        });
    }
    let mut outcomes = Vec::with_capacity(begun.len());
    for begun in begun {
        outcomes.push(match begun {
            Err(outcome) => outcome,
            Ok(told) => match told.await? {
                Answer::Accepted(_) => Outcome::Set,
                Answer::Refused(refusal) => Outcome::Refused(refusal.to_string()),
                Answer::Unavailable(why) => bail!("{why}"),
            },
        });
    }
    Ok(outcomes)
}

#[cfg(test)]
mod tests {
    use tidings_core::domain::UserId;

    use super::*;

    fn wanted(user: &str, attributes: Option<&str>) -> Wanted {
        Wanted {
            user: UserId::new(user).unwrap(),
            attributes: attributes.map(str::to_owned),
            hidden: Some(true),
            at_ms: None,
        }
    }

    #[test]
    fn a_request_is_json_and_no_longer_than_was_thought() {
        let all = [wanted("a\"n", Some(r#"{"age":3}"#)), wanted("ben", None)];
        let body = body(&all, true);
        let said: serde_json::Value = serde_json::from_str(&body).unwrap();
        let expected = serde_json::json!({ "dry_run": true, "profiles": [
            { "user": "a\"n", "attributes": { "age": 3 }, "hidden": true },
            { "user": "ben", "hidden": true },
        ] });
        assert_eq!(said, expected);
        assert!(body.len() <= all.iter().map(bytes).sum());
    }

    #[test]
    fn a_batch_is_sent_again_where_one_of_it_can_be_tried_again() {
        let body = |retry: bool| {
            let error = format!(
                r#"{{"code":"x","message":"not now","retry":{retry},"retry_after_ms":70}}"#
            );
            let body = format!(
                r#"{{"position":3,"results":[{{"outcome":"set"}},{{"outcome":"unchanged"}},{{"outcome":"refused","error":{error}}}]}}"#
            );
            Ok(bytes::Bytes::from(body))
        };
        let Err(Again(why, after)) = read(body(true), 3).unwrap() else {
            panic!("it is to be tried again");
        };
        assert_eq!((&*why, after), ("not now", Duration::from_millis(70)));
        let outcomes = read(body(false), 3).unwrap().ok().unwrap();
        let refused = Outcome::Refused("not now".to_owned());
        assert_eq!(outcomes, [Outcome::Set, Outcome::Unchanged, refused]);
        assert!(read(body(false), 2).is_err());
        let lost = read(Err(Failed::Lost("gone".to_owned())), 1).unwrap();
        assert!(matches!(lost, Err(Again(why, Duration::ZERO)) if why == "gone"));
        assert!(read(Err(Failed::Refused("no".to_owned())), 1).is_err());
    }
}
