//! Derived ids: the same for ever, and apart from each other.

use super::*;

fn user(id: &str) -> UserId {
    UserId::new(id).expect("a user id")
}

fn ids() -> Ids {
    Ids::new(&[3; 32])
}

#[test]
fn both_sides_reach_the_same_direct_conversation() {
    let (ann, bob) = (user("ann"), user("bob"));
    let id = ids().direct(&ann, &bob, "");
    assert_eq!(id, ids().direct(&bob, &ann, ""));
    assert_ne!(
        id,
        ids().direct(&ann, &bob, "listing 4"),
        "another context, another conversation"
    );
    assert_ne!(
        id,
        Ids::new(&[4; 32]).direct(&ann, &bob, ""),
        "nobody confirms a guess"
    );
    assert_ne!(
        id,
        ids().direct(&user("an"), &user("nbob"), ""),
        "parts are kept apart"
    );
}

/// Every conversation, group and imported command there is was named like this.
#[test]
fn derived_ids_never_change() {
    let command = CommandId(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001));
    let (ann, bob) = (user("ann"), user("bob"));
    let ids = ids();
    let found = [
        ids.direct(&ann, &bob, "listing 4").to_string(),
        ids.group(&ann, command).to_string(),
        ids.command("import", &[b"line", b"1"]).to_string(),
    ];
    assert_eq!(found, WRITTEN);
}

/// Computed apart from this program.
const WRITTEN: [&str; 3] = [
    "4ff4ec8d-e67b-8bc7-a92b-8fa946f1357a",
    "d8edcf30-d86f-894e-827f-1700dd8dab23",
    "c360dcc3-2abb-8a93-96f4-ede99b1b1bdf",
];

#[test]
fn derived_ids_are_recognised_as_such() {
    let id = ids().command("import", &[b"line", b"1"]);
    assert_eq!(id.0.get_version_num(), 8);
    assert_ne!(id, ids().command("import", &[b"line1", b""]));
}
