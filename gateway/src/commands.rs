//! Commands of extensions: called by name, by a client or the backend.

use std::sync::Arc;

use tidings_core::{
    domain::{CommandId, ExtensionId, UserId},
    review::Origin,
};
use tidings_extensions::{
    backfill::BackfillError,
    invoke::{Invoke, InvokeError, Invoked},
};
use tidings_protocol::{ErrorCode, command};

use crate::{
    session::Gateway,
    translate::{self, Failure},
};

impl From<InvokeError> for Failure {
    fn from(error: InvokeError) -> Failure {
        let code = match &error {
            InvokeError::NotFound(_) => ErrorCode::NotFound,
            InvokeError::Denied(_) => ErrorCode::Forbidden,
            InvokeError::Usage(_) => ErrorCode::Invalid,
            InvokeError::Failed(_) => ErrorCode::Rejected,
            InvokeError::Unavailable(_) => ErrorCode::Unavailable,
            InvokeError::Read(_) | InvokeError::Keys(_) => {
                tracing::error!(%error, "a command of an extension cannot be called");
                let why = "the server cannot read what this takes: try again";
                return Failure::new(ErrorCode::Unavailable, why);
            }
            InvokeError::Refused(refusal) => return Failure::from(refusal.clone()),
        };
        Failure::new(code, error.to_string())
    }
}

impl From<BackfillError> for Failure {
    fn from(error: BackfillError) -> Failure {
        let code = match &error {
            BackfillError::NotFound(_) => ErrorCode::NotFound,
            BackfillError::Unavailable(_) => ErrorCode::Unavailable,
            BackfillError::Read(_) | BackfillError::Keys(_) => ErrorCode::Internal,
            BackfillError::Refused(refusal) => return Failure::from(refusal.clone()),
        };
        Failure::new(code, error.to_string())
    }
}

/// Calls a command as a client asks for it.
pub(crate) async fn invoke(
    gateway: &Arc<Gateway>,
    user: &UserId,
    id: CommandId,
    asked: command::Invoke,
) -> Result<Invoked, Failure> {
    let extension = ExtensionId::new(&asked.extension)
        .map_err(|error| Failure::new(ErrorCode::Invalid, format!("extension: {error}")))?;
    let args = match asked.args.as_str() {
        "" => serde_json::Map::new(),
        text => serde_json::from_str(text).map_err(|error| {
            let message = format!("args is to be a JSON object: {error}");
            Failure::new(ErrorCode::Invalid, message)
        })?,
    };
    let conversation = match asked.conversation.is_empty() {
        true => None,
        false => Some(translate::conversation_id(&asked.conversation)?),
    };
    let call = Invoke {
        extension,
        command: asked.command,
        args,
        conversation,
        caller: user.clone(),
        origin: Origin::Client,
        trace: None,
    };
    Ok(gateway.extensions.invoke(call, id).await?)
}
