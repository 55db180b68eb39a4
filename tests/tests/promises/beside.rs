//! Tools beside a server that runs: they look at the log, and build the projections anew, while
//! messages go through.

use std::collections::BTreeMap;

use tidings_tests::{World, fleet::Fleet};

use crate::kill_rounds::{check, sound, urls, whole};

on_both_logs! {
    the_log_is_read_and_the_projections_are_rebuilt,
}

fn printed(world: &World, arguments: &[&str]) -> String {
    let output = world.tool(arguments);
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn build_in_use(world: &World) -> String {
    let current = world.data.join("projections").join("CURRENT");
    std::fs::read_to_string(current).unwrap_or_else(|_| "build-1".to_owned())
}

async fn the_log_is_read_and_the_projections_are_rebuilt(world: World) {
    let server = world.start().await;
    let fleet = Fleet::muster(&urls(&server)).await;
    let mut histories = BTreeMap::new();
    fleet.go();
    fleet.until_promised(100).await;

    let before = build_in_use(&world);
    printed(&world, &["log", "verify"]);
    assert!(printed(&world, &["log", "stats"]).contains("messages"));
    assert_eq!(
        printed(&world, &["log", "tail", "--after", "0"])
            .lines()
            .next()
            .map(|line| {
                let event: serde_json::Value = serde_json::from_str(line).unwrap();
                event["position"].as_u64()
            }),
        Some(Some(1))
    );
    let rebuilt = printed(&world, &["projections", "rebuild"]);
    assert!(rebuilt.contains("at its next start"), "{rebuilt}");
    let built = build_in_use(&world);
    assert_ne!(before, built);
    // The server has gone on with the rows it has.
    fleet.until_promised(fleet.promised() + 100).await;
    check(&fleet, &server, &mut histories).await;
    // Once more, and nothing of the server's is removed under it.
    printed(&world, &["projections", "rebuild"]);
    fleet.until_promised(fleet.promised() + 100).await;
    server.kill();

    sound(&world);
    let server = world.start().await;
    check(&fleet, &server, &mut histories).await;
    fleet.until_promised(fleet.promised() + 10).await;
    fleet.rest().await;
    whole(&fleet, &server, histories).await;
    fleet.disband().await;
    let projections = std::fs::read_dir(world.data.join("projections")).unwrap();
    let builds = projections.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().starts_with("build-")
    });
    assert_eq!(builds.count(), 1, "old builds are removed");
}

/// A mistyped folder is not found to be sound.
#[test]
fn embedded_tools_make_no_log_where_there_is_none() {
    let world = World::embedded();
    for tool in [
        ["log", "verify"],
        ["log", "stats"],
        ["log", "tail"],
        ["projections", "list"],
        ["projections", "audit"],
        ["projections", "rebuild"],
    ] {
        let output = world.tool(&tool);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{tool:?} succeeded");
        assert!(said.contains("there is no log in "), "{tool:?}: {said}");
        assert!(!world.data.exists(), "{tool:?} made something");
    }
}
