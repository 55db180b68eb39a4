//! What an extension's stream lets happen.

use super::*;

fn version(version: &str, digest: u8) -> Version {
    Version {
        version: version.to_owned(),
        digest: [digest; 32],
        size: 10,
        manifest: "{}".to_owned(),
    }
}

fn activate(version: &str, shadow: bool) -> ExtensionCommand {
    ExtensionCommand::Activate {
        activation: Activation {
            version: version.to_owned(),
            settings: "{}".to_owned(),
            order: 100,
        },
        shadow,
    }
}

fn react(revision: u64) -> ExtensionCommand {
    ExtensionCommand::React(Box::new(Reaction {
        revision,
        ..Reaction::default()
    }))
}

/// Does it, and says how many events came of it.
fn does(extension: &mut Extension, command: ExtensionCommand) -> Result<usize, Refusal> {
    let events = extension.decide(command)?;
    events.iter().for_each(|event| extension.evolve(event));
    Ok(events.len())
}

#[test]
fn nothing_under_way_lands_once_the_last_version_is_forgotten() {
    let mut is = Extension::new();
    for name in ["1.0.0", "2.0.0"] {
        does(&mut is, ExtensionCommand::Install(version(name, 1))).unwrap();
    }
    for (name, lands) in [("1.0.0", true), ("2.0.0", false)] {
        let version = name.to_owned();
        does(&mut is, ExtensionCommand::Remove { version }).unwrap();
        assert_eq!(is.decide(react(0)).is_ok(), lands, "{name}");
    }
}

#[test]
fn a_version_is_installed_once_and_never_becomes_another() {
    let mut is = Extension::new();
    assert_eq!(
        does(&mut is, ExtensionCommand::Install(version("1.0.0", 1))),
        Ok(1)
    );
    assert_eq!(
        does(&mut is, ExtensionCommand::Install(version("1.0.0", 1))),
        Ok(0)
    );
    let other = does(&mut is, ExtensionCommand::Install(version("1.0.0", 2)));
    assert!(matches!(other, Err(Refusal::Invalid(why)) if why.contains("other contents")));
}

#[test]
fn only_what_is_installed_acts_and_what_acts_is_not_removed() {
    let mut is = Extension::new();
    assert!(matches!(
        does(&mut is, activate("1.0.0", false)),
        Err(Refusal::NotFound(_))
    ));
    does(&mut is, ExtensionCommand::Install(version("1.0.0", 1))).expect("it is new");
    assert_eq!(does(&mut is, activate("1.0.0", false)), Ok(1));
    assert_eq!(does(&mut is, activate("1.0.0", false)), Ok(0));
    let remove = || ExtensionCommand::Remove {
        version: "1.0.0".to_owned(),
    };
    assert!(matches!(does(&mut is, remove()), Err(Refusal::Invalid(_))));
    assert_eq!(
        does(&mut is, ExtensionCommand::Deactivate { shadow: false }),
        Ok(1)
    );
    assert_eq!(
        does(&mut is, ExtensionCommand::Deactivate { shadow: false }),
        Ok(0)
    );
    assert_eq!(does(&mut is, remove()), Ok(1));
}

#[test]
fn a_reaction_lands_only_on_what_it_rests_on() {
    let mut is = Extension::new();
    does(&mut is, ExtensionCommand::Install(version("1.0.0", 1))).expect("it is new");
    does(&mut is, activate("1.0.0", false)).expect("it is installed");
    assert_eq!(is.revision, 1);
    assert_eq!(does(&mut is, react(0)), Err(Refusal::Moved));
    assert_eq!(does(&mut is, react(1)), Ok(1));
    assert_eq!(does(&mut is, react(1)), Err(Refusal::Moved));
    // Another version goes on where this one is; one that was switched off does not.
    does(&mut is, ExtensionCommand::Install(version("2.0.0", 2))).expect("it is new");
    does(&mut is, activate("2.0.0", false)).expect("it is installed");
    assert_eq!(does(&mut is, react(2)), Ok(1));
    does(&mut is, ExtensionCommand::Deactivate { shadow: false }).expect("it acts");
    does(&mut is, activate("2.0.0", false)).expect("it is installed");
    assert_eq!(does(&mut is, react(3)), Err(Refusal::Moved));
}

#[test]
fn quarantine_is_of_the_version_that_failed() {
    let mut is = Extension::new();
    does(&mut is, ExtensionCommand::Install(version("1.0.0", 1))).expect("it is new");
    does(&mut is, activate("1.0.0", false)).expect("it is installed");
    let quarantine = |version: &str| {
        ExtensionCommand::Quarantine(Quarantine {
            version: version.to_owned(),
            hook: "moderation".to_owned(),
            cause: "it traps".to_owned(),
        })
    };
    assert_eq!(does(&mut is, quarantine("0.9.0")), Ok(0));
    assert_eq!(does(&mut is, quarantine("1.0.0")), Ok(1));
    assert_eq!((&is.active, is.quarantined), (&None, true));
    assert_eq!(
        does(&mut is, activate("1.0.0", false)),
        Ok(1),
        "it is tried again"
    );
}

#[test]
fn ids_are_short_and_plain() {
    for bad in ["", "A", "a b", "ä", &"a".repeat(65)] {
        assert!(ExtensionId::new(bad).is_err(), "{bad:?}");
    }
    let id = ExtensionId::new("word-filter").expect("an id");
    assert_eq!(ExtensionId::of_account(&id.account()), Some(id));
    assert_eq!(ExtensionId::of_account("ann"), None);
}
