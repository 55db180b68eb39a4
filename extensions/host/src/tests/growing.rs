//! What was built against this version of the package still runs when the package has grown.

use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, Store};

use super::*;

/// A server of the next version has its imports under the next number, and looks for hooks under it.
#[test]
fn a_component_of_this_version_links_with_the_next() {
    let engine = Engine::new(&Config::new()).expect("an engine");
    let component = Component::new(&engine, component(&moderator("", ""))).expect("a component");
    let mut linker: Linker<()> = Linker::new(&engine);
    for (interface, resource) in [("context", "call"), ("drafts", "draft")] {
        let mut instance = linker
            .instance(&format!("tidings:extension/{interface}@0.1.1"))
            .expect("nobody else has it");
        let kind = wasmtime::component::ResourceType::host::<()>();
        instance
            .resource(resource, kind, |_, _| Ok(()))
            .expect("nobody else has it");
    }
    linker
        .instance("tidings:extension/types@0.1.1")
        .expect("nobody else has it");
    let mut store = Store::new(&engine, ());
    let instance = linker
        .instantiate(&mut store, &component)
        .expect("0.1.1 does for 0.1.0");
    let hook = instance.get_export_index(&mut store, None, "tidings:extension/moderation@0.1.1");
    assert!(hook.is_some(), "the hook is found under the next number");
}

/// The other way round is refused before linking, and would be refused by it.
#[test]
fn a_component_of_the_next_version_is_refused() {
    let next = moderator("", "").replace("@0.1.0", "@0.1.1");
    let error = check_text(&next);
    assert!(error.contains("newer than this server's 0.1.0"), "{error}");
}

fn check_text(text: &str) -> String {
    let error = crate::check(&component(text)).expect_err("it is newer");
    error.to_string()
}
