//! Commands of extensions, called by the product's backend.

use axum::{Json, http::Method, routing::post};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tidings_core::{domain::ExtensionId, review::Origin};
use tidings_extensions::invoke::{Invoke, Invoked};

use super::{
    Endpoint, Refused,
    moderation::conversation_id,
    request::{At, Body, Call},
};
use crate::{auth::Scope, translate::Failure};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::new::<Answered>(
            Method::POST,
            "/v1/extensions/{extension}/commands/{command}",
            Scope::Commands,
            "Calls a command of an extension in somebody's name, and waits for its answer. Under the same `Idempotency-Key` it \
             is called once, and answered alike.",
            post(invoke),
        )
        .takes::<Invocation>()
        .changes(),
    ]
}

/// What a command is called with.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Invocation {
    /// In whose name: a user's, or a system account's (`system:` and a name).
    #[serde(rename = "as")]
    user: String,
    /// The arguments, by the schema in the manifest; at most 64 KiB.
    #[serde(default)]
    args: Map<String, Value>,
    /// From which conversation, of which whoever calls is a member.
    #[serde(default)]
    conversation: Option<String>,
}

/// What an extension answered.
#[derive(Serialize, JsonSchema)]
struct Answered {
    /// Its answer.
    answer: Value,
    /// Position of the log at which it is recorded, with its effects.
    position: u64,
    /// It had been called before under the same key, and this is the answer of then.
    duplicate: bool,
}

async fn invoke(
    call: Call,
    At((extension, command)): At<(String, String)>,
    Body(asked): Body<Invocation>,
) -> Result<Json<Answered>, Refused> {
    let caller = call.acting(&asked.user)?;
    let extension =
        ExtensionId::new(&extension).map_err(|error| Refused::invalid(error.to_string()))?;
    let id = call.command_id_of(&caller, None, 0);
    let asked = Invoke {
        extension,
        command,
        args: asked.args,
        conversation: asked
            .conversation
            .as_deref()
            .map(conversation_id)
            .transpose()?,
        caller,
        origin: Origin::Backend,
        trace: call.trace,
    };
    let invoked = call.gateway.extensions.invoke(asked, id).await;
    let Invoked {
        answer,
        position,
        duplicate,
        ..
    } = invoked.map_err(|error| Refused(Failure::from(error)))?;
    Ok(Json(Answered {
        answer: serde_json::from_str(&answer).unwrap_or_default(),
        position,
        duplicate,
    }))
}
