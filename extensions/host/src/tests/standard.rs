//! The standard set (`extensions/standard`) as it is committed, in the sandbox. What each decides is tested beside its sources; here is
//! that a component says it to the host, and that what it keeps is there at the next call.

mod badges;
mod moderation;
mod product;
mod toasts;

use serde_json::json;

use super::*;
use crate::Hook;
use crate::staged::{Effect, Staged};
use product::Product;

fn standard(component: &[u8], settings: serde_json::Value) -> Extension {
    let definition = Definition {
        id: "standard".to_owned(),
        version: "1".to_owned(),
        config: settings.to_string(),
        limits: patient(),
    };
    Extension::load(&engine(), component, definition).expect("a component that can be used")
}

/// An event of the product's own, as a backend records it.
fn app(kind: &str, actor: &str, subject: &str) -> Event {
    Event {
        kind: format!("app.{kind}"),
        actor: Some(actor.to_owned()),
        subject: Some(subject.to_owned()),
        conversation: None,
        payload: "{}".to_owned(),
        message: None,
        ..event("")
    }
}

/// Calls the reactor and lets what it staged take effect.
async fn react(extension: &Extension, event: Event, product: &Arc<Product>) -> Vec<Effect> {
    let called = extension.on_event(about(), event, product.clone()).await;
    assert_eq!(called.usage.log.len(), 0, "{:?}", called.usage.log);
    land(product, called.result.expect("it reacts"))
}

fn land(product: &Product, staged: Staged) -> Vec<Effect> {
    product.land(&staged.kv);
    staged.effects
}
