//! What came of a call, as JSON: what cases are compared with.

use serde_json::{Map, Value, json};
use tidings_extension_host::staged::{CommandError, Decision, Effect, Recall, Staged, Verdict};
use tidings_extension_host::usage::{Metric, Usage};
use tidings_extension_host::{CallError, HookError, Reply, Request};

use crate::world::World;

/// What a hook decided.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Decided {
    Verdict(Verdict),
    Staged(Staged),
    Recall(Option<Recall>),
    Reply(Reply),
    /// Users with their scores, in the page's order.
    Scores(Vec<(String, f32)>),
}

impl Decided {
    /// What is to be recorded.
    pub(super) fn staged(&self) -> Option<&Staged> {
        match self {
            Self::Staged(staged) => Some(staged),
            Self::Reply(reply) if reply.answer.is_ok() => Some(&reply.staged),
            _ => None,
        }
    }

    /// Adds what it says to what a step came to.
    pub(super) fn tell(&self, told: &mut Map<String, Value>) {
        match self {
            Self::Verdict(verdict) => tell_verdict(verdict, told),
            Self::Staged(_) => {}
            Self::Recall(recall) => {
                let recall = match recall {
                    None => json!("nothing"),
                    Some(Recall::Send { title, body }) => {
                        json!({"send": {"title": title, "body": body}})
                    }
                    Some(Recall::Wait(ms)) => json!({"wait": ms}),
                    Some(Recall::Skip(reason)) => json!({"skip": reason}),
                };
                told.insert("recall".to_owned(), recall);
            }
            Self::Reply(reply) => match &reply.answer {
                Ok(answer) => {
                    let answer = serde_json::from_str(answer).unwrap_or_default();
                    told.insert("answer".to_owned(), answer);
                }
                Err(error) => {
                    let error = match error {
                        CommandError::Usage(why) => json!({"usage": why}),
                        CommandError::Denied => json!("denied"),
                        CommandError::Unavailable => json!("unavailable"),
                        CommandError::Failed(why) => json!({"failed": why}),
                    };
                    told.insert("error".to_owned(), error);
                }
            },
            Self::Scores(scores) => {
                let mut order: Vec<&(String, f32)> = scores.iter().collect();
                order.sort_by(|one, other| other.1.total_cmp(&one.1));
                let order: Vec<&str> = order.into_iter().map(|(user, _)| user.as_str()).collect();
                let scores: Vec<f32> = scores.iter().map(|(_, score)| *score).collect();
                told.insert("order".to_owned(), json!(order));
                told.insert("scores".to_owned(), json!(scores));
            }
        }
        let effects = self.staged().into_iter().flat_map(|staged| &staged.effects);
        if let Some(Value::Array(all)) = told.get_mut("effects") {
            all.extend(effects.map(Effect::to_json));
        }
    }
}

fn tell_verdict(verdict: &Verdict, told: &mut Map<String, Value>) {
    let (name, reason) = match &verdict.decision {
        Decision::Allow => ("allow", None),
        Decision::Hold { reason } => ("hold", Some(reason)),
        Decision::Reject { reason } => ("reject", Some(reason)),
    };
    told.insert("verdict".to_owned(), json!(name));
    told.insert("labels".to_owned(), json!(verdict.labels));
    if let Some(reason) = reason {
        told.insert("reason".to_owned(), json!(reason));
    }
    if let Some(text) = &verdict.text {
        told.insert("text".to_owned(), json!(text));
    }
}

/// What a failed call came to.
pub(super) fn failure(error: &CallError) -> Value {
    match error {
        CallError::Refused(HookError::Retry { after_ms: None }) => json!("retry"),
        CallError::Refused(HookError::Retry { after_ms: Some(ms) }) => json!({"retry": ms}),
        CallError::Refused(HookError::Park { why }) => json!({"park": why}),
        CallError::Trap(why) => json!({"trap": why}),
        CallError::Host(why) => json!({"host": why}),
        other => json!(other.kind()),
    }
}

/// What the world is like after a step.
pub(super) fn tell_world(world: &World, told: &mut Map<String, Value>) {
    let kv = world.kv.iter();
    let kv: Map<String, Value> = kv
        .map(|(key, entry)| (key.clone(), json!(String::from_utf8_lossy(&entry.value))))
        .collect();
    told.insert("kv".to_owned(), Value::Object(kv));
    let timers = world.timers.iter().map(|(key, timer)| {
        let mut value = json!({
            "in": timer.when.saturating_sub(world.now),
            "payload": String::from_utf8_lossy(&timer.payload),
        });
        if let Some(subject) = &timer.subject {
            value["subject"] = json!(subject);
        }
        (key.clone(), value)
    });
    told.insert("timers".to_owned(), Value::Object(timers.collect()));
}

/// What the call said beside its result.
pub(super) fn tell_usage(usage: &Usage, told: &mut Map<String, Value>) {
    if let Some(Value::Array(log)) = told.get_mut("log") {
        log.extend(usage.log.iter().map(|line| json!(line.line)));
    }
    if let Some(Value::Object(metrics)) = told.get_mut("metrics") {
        for metric in &usage.metrics {
            match metric {
                Metric::Count { name, by } => {
                    let before = metrics.get(name).and_then(Value::as_u64).unwrap_or(0);
                    metrics.insert(name.clone(), json!(before + by));
                }
                Metric::Observe { name, value } => {
                    metrics.insert(name.clone(), json!(value));
                }
            }
        }
    }
}

pub(super) fn request(request: &Request) -> Value {
    let body = request.body.as_deref().map(String::from_utf8_lossy);
    let mut told = json!({"method": request.method, "url": request.url});
    if let Some(body) = body {
        told["body"] = json!(body);
    }
    told
}
