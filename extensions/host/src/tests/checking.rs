//! What is refused before anything is compiled, and what its author is told.

use super::*;
use crate::inspect::CheckError;
use crate::limits::DECLARED;
use crate::{CompileError, Hook, VERSION, check};

fn refused(text: &str) -> String {
    let error = check(&component(text)).expect_err("it cannot be used");
    error.to_string()
}

#[test]
fn a_component_is_described() {
    let found = check(PROBE).expect("the probe can be used");
    assert_eq!(found.hooks, [Hook::Moderation]);
    assert_eq!(found.version, VERSION);
    assert_eq!(found.size, PROBE.len());
    assert!(found.imports.contains(&"rates".to_owned()));
    assert!(!found.imports.contains(&"effects".to_owned()));
    let found = check(EVERY_HOOK).expect("it can be used");
    assert_eq!(found.hooks, Hook::ALL);
}

#[test]
fn wasi_is_refused_with_how_to_build_without() {
    let text = refused(
        r#"(component
            (import "wasi:cli/environment@0.2.6" (instance))
            (import "wasi:io/streams@0.2.6" (instance)))"#,
    );
    for part in [
        "wasi:cli/environment@0.2.6, wasi:io/streams@0.2.6",
        "wasm32-unknown-unknown",
        "jco",
        "componentize-py",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn unknown_imports_are_named() {
    let text = refused(
        r#"(component
            (import "other:package/thing@1.0.0" (instance))
            (import "tidings:extension/moon@0.1.0" (instance))
            (import "free" (func)))"#,
    );
    assert!(
        text.contains("other:package/thing@1.0.0, tidings:extension/moon@0.1.0, free"),
        "{text}"
    );
}

#[test]
fn a_newer_package_is_told_as_such() {
    let text = refused(
        r#"(component
            (import "tidings:extension/log@0.1.9" (instance))
            (import "tidings:extension/moon@0.3.0" (instance)))"#,
    );
    assert!(
        text.contains("tidings:extension@0.3.0, newer than this server's 0.1.0"),
        "{text}"
    );
    assert!(text.contains("tidings:extension/log@0.1.9"), "{text}");
}

#[test]
fn hooks_have_to_be_there() {
    assert!(refused("(component)").contains("exports no hook"));
    let unknown =
        r#"(component (instance $i) (export "tidings:extension/moon@0.1.0" (instance $i)))"#;
    assert!(refused(unknown).contains("There are moderation, reactor"));
}

#[test]
fn a_core_module_is_told_from_a_component() {
    assert_eq!(check(&component("(module)")), Err(CheckError::CoreModule));
    assert!(
        CheckError::CoreModule
            .to_string()
            .contains("wasm-tools component new")
    );
}

#[test]
fn no_part_of_a_component_is_taken_for_one() {
    for length in (0..PROBE.len()).step_by(97) {
        let found = check(&PROBE[..length]);
        assert!(
            matches!(found, Err(CheckError::Invalid(_) | CheckError::NoHooks)),
            "{length}: {found:?}"
        );
    }
}

#[test]
fn damaged_components_are_refused_or_harmless() {
    let engine = engine();
    for at in (8..PROBE.len()).step_by(6_007) {
        let mut damaged = PROBE.to_vec();
        damaged[at] ^= 0x55;
        // In a text or a number it may still be a component; whichever way, nothing panics.
        drop(engine.compile(&damaged));
    }
}

fn declares(found: Result<crate::Inspection, CheckError>) -> &'static str {
    match found.expect_err("it declares too much") {
        CheckError::Declares { what, .. } => what,
        other => panic!("{other}"),
    }
}

#[test]
fn what_a_component_may_declare_is_limited() {
    let module = |inside: &str| component(&format!("(component (core module {inside}))"));
    assert_eq!(
        declares(check(&module("(memory 20000)"))),
        "pages of memory to begin with"
    );
    assert_eq!(
        declares(check(&module("(table 1000000 funcref)"))),
        "elements of a table to begin with"
    );
    let locals = format!("(func (local {}))", "i64 ".repeat(30_000)).repeat(200);
    assert_eq!(declares(check(&module(&locals))), "locals");
    let long = format!("(func {})", "nop ".repeat(DECLARED.function_bytes as usize));
    assert_eq!(declares(check(&module(&long))), "bytes of one function");
    let modules = "(core module)".repeat(200);
    assert_eq!(
        declares(check(&component(&format!("(component {modules})")))),
        "modules"
    );
}

#[test]
fn a_module_of_too_many_functions_is_not_compiled() {
    let functions = "(func)".repeat(DECLARED.functions as usize + 1);
    let bytes = component(&format!("(component (core module {functions}))"));
    assert_eq!(declares(check(&bytes)), "functions");
    assert!(matches!(
        engine().compile(&bytes),
        Err(CompileError::Check(CheckError::Declares { .. }))
    ));
}

#[test]
fn components_within_components_do_not_multiply() {
    let nested = format!("{}{}", "(component ".repeat(10), ")".repeat(10));
    assert_eq!(
        declares(check(&component(&nested))),
        "levels of components within components"
    );
    let instances = "(instance (instantiate 0))".repeat(150);
    let many = format!("(component (component) {instances})");
    assert_eq!(
        declares(check(&component(&many))),
        "components when instantiated"
    );
    // Each makes two of the one before it: few statements, and a thousand components.
    let mut chain = "(component $c0)".to_owned();
    for n in 1..=10 {
        let twice = "(instance (instantiate $c))".repeat(2);
        let before = n - 1;
        chain.push_str(&format!(
            "(component $c{n} (alias outer 1 $c{before} (component $c)) {twice})"
        ));
    }
    let doubling = format!("(component {chain} (instance (instantiate $c10)))");
    assert_eq!(
        declares(check(&component(&doubling))),
        "components when instantiated"
    );
    // What cannot be seen cannot be counted.
    let given = "(component (component (import \"c\" (component $c)) (instance (instantiate $c))))";
    assert_eq!(
        declares(check(&component(given))),
        "components that are given to components"
    );
}

#[test]
fn a_few_levels_of_components_are_fine() {
    let levels = "(component (component (component (component)) (instance (instantiate 0))) (instance (instantiate 0)))";
    assert_eq!(check(&component(levels)), Err(CheckError::NoHooks));
}

#[test]
fn too_large_a_file_is_not_read() {
    let bytes = vec![0; DECLARED.bytes + 1];
    assert!(matches!(check(&bytes), Err(CheckError::TooLarge { .. })));
}

#[test]
fn another_shape_under_the_same_name_does_not_link() {
    let text = moderator("", "").replace("(case \"park\" string)", "(case \"park\" u64)");
    let error = engine().compile(&component(&text));
    let Err(CompileError::Link(why)) = error else {
        panic!("{error:?}");
    };
    assert!(why.contains("the hook moderation"), "{why}");
}

#[test]
fn a_hook_of_another_shape_does_not_link() {
    let text = r#"(component
        (core module $m (func (export "review")))
        (core instance $i (instantiate $m))
        (func $f (canon lift (core func $i "review")))
        (instance $hook (export "review" (func $f)))
        (export "tidings:extension/moderation@0.1.0" (instance $hook)))"#;
    let error = engine().compile(&component(text));
    assert!(matches!(error, Err(CompileError::Link(_))), "{error:?}");
}

#[test]
fn a_compilation_that_takes_too_long_is_given_up() {
    let engine = Engine::new(Settings {
        calls: 1,
        compile_time: Duration::ZERO,
        ..Settings::default()
    })
    .expect("an engine");
    let error = engine.compile(EVERY_HOOK).expect_err("it takes longer");
    assert!(matches!(error, CompileError::TooSlow(_)), "{error}");
}
