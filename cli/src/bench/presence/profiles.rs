//! Profiles of those whom searches are to find, set over the backend API.

use std::net::SocketAddr;

use anyhow::{Context as _, anyhow, ensure};
use serde_json::{Value, json};
use tidings_bench::presence::edges::ATTRIBUTE;
use tidings_gateway::auth::TokenSigner;

use super::SECRET;
use crate::backend::{Endpoint, Pass};

/// Profiles of one request.
const AT_ONCE: usize = 1_000;

/// What a server's configuration has to say.
pub(super) fn declaration() -> String {
    format!("\n[[search.attributes]]\nname = \"{ATTRIBUTE}\"\nkind = \"keyword\"\n")
}

/// Sets profiles: users, and the value of the attribute that each is to have.
pub(super) fn set(
    address: &SocketAddr,
    profiles: impl Iterator<Item = (String, String)>,
) -> anyhow::Result<()> {
    let signer = TokenSigner::new(SECRET).with_scope("tidings:users");
    let pass = Pass::Signer(Box::new(signer));
    let endpoint = Endpoint::new(&format!("http://{address}"), "bench", pass, None)?;
    let all: Vec<Value> = profiles
        .map(|(user, value)| json!({ "user": user, "attributes": { ATTRIBUTE: value } }))
        .collect();
    for some in all.chunks(AT_ONCE) {
        let body = json!({ "profiles": some }).to_string();
        let answer = endpoint.post("/v1/profiles", "application/json", None, body.as_bytes());
        let answer = answer.map_err(|failed| anyhow!("profiles cannot be set: {failed:?}"))?;
        let answer: Value = serde_json::from_slice(&answer).context("the server's answer")?;
        let results = answer["results"].as_array().map(Vec::as_slice);
        let results = results.unwrap_or_default();
        let set = results.iter().filter(|result| result["outcome"] == "set");
        ensure!(set.count() == some.len(), "profiles were refused: {answer}");
    }
    Ok(())
}
