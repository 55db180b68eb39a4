//! The demo's profiles: those of `examples/people`, which anybody can import elsewhere.

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::{Map, Value};
use tidings_core::{
    domain::{Command, UserCommand, UserId},
    node::Node,
};
use tidings_gateway::search::{Config, Declared};
use tidings_search::{attributes::Attributes, profile::Profile};

const ATTRIBUTES: &str = include_str!("../../../examples/people/attributes.toml");

const PEOPLE: &str = include_str!("../../../examples/people/people.jsonl");

#[derive(Deserialize)]
struct File {
    search: Config,
}

#[derive(Deserialize)]
struct Person {
    user: String,
    attributes: Map<String, Value>,
}

/// What is declared for them.
pub(crate) fn attributes() -> anyhow::Result<Vec<Declared>> {
    let File { search } = toml::from_str(ATTRIBUTES).context("the demo's attributes")?;
    Ok(search.attributes)
}

/// Sets the profiles. Doing it again, on a folder that has them, changes nothing; where other attributes are
/// declared, what does not fit is left out.
pub(crate) async fn fill(node: &Node, declared: &Attributes) -> anyhow::Result<()> {
    for line in PEOPLE.lines() {
        let Person { user, attributes } = serde_json::from_str(line)?;
        let Ok(profile) = Profile::from_json(declared, &attributes) else {
            continue;
        };
        let attributes = Value::Object(profile.to_json(declared, true)).to_string();
        let id = node
            .ids
            .command("demo profile", &[user.as_bytes(), attributes.as_bytes()]);
        let command = Command::User(UserCommand::SetProfile {
            attributes: Some(attributes),
            hidden: None,
            same_as: None,
        });
        let user = UserId::new(&user)?;
        super::expect(node.handler.execute(user, command, Some(id), None).await)?;
    }
    Ok(())
}
