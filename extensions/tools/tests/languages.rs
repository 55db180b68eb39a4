//! What `tidings ext new` makes is built and passes its cases, with all hooks and with each alone, in the languages whose tools are
//! there: `TIDINGS_TOOLCHAINS=rust,js,python,c` says which that is to be. Without it nothing is built.

use std::path::Path;
use std::{env, fs};

use clap::ValueEnum as _;
use tidings_extension_host::Hook;
use tidings_extension_tools::Language;
use tidings_extension_tools::build::Build;
use tidings_extension_tools::new::New;
use tidings_extension_tools::test::Test;

fn is_wanted(language: Language) -> bool {
    let wanted = env::var("TIDINGS_TOOLCHAINS").unwrap_or_default();
    let name = language.to_possible_value().expect("it has a name");
    wanted.split(',').any(|wanted| wanted == name.get_name())
}

/// Makes, builds and tests an extension with these hooks.
fn round(place: &Path, name: &str, language: Language, hooks: &[Hook]) {
    let folder = place.join(name);
    let new = New {
        name: name.to_owned(),
        hooks: hooks.to_vec(),
        lang: language,
        into: Some(folder.clone()),
    };
    new.run().expect("there is nothing yet");
    let build = Build {
        folder: folder.clone(),
        out: None,
        component: None,
    };
    let built = build
        .run(&mut |_| ())
        .unwrap_or_else(|error| panic!("{language}: {error}"));
    let errors: Vec<String> = built.findings.iter().map(ToString::to_string).collect();
    assert!(built.is_fine(), "{errors:#?}");
    let test = Test {
        place: folder,
        tests: None,
        only: None,
        json: false,
        compiled: Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled")),
    };
    let report = test
        .run(&mut |_| ())
        .unwrap_or_else(|error| panic!("{language}: {error}"));
    assert!(report.passed(), "{language}\n{}", report.shown(false));
}

/// With all hooks at once, and where a build is quick with each alone.
fn all(language: Language, alone: bool) {
    if !is_wanted(language) {
        return;
    }
    // Below the target folder, so that tools are found as they are beside an extension.
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("new-{language}"));
    drop(fs::remove_dir_all(&place));
    round(&place, "all-hooks", language, &Hook::ALL);
    if alone {
        for hook in Hook::ALL {
            round(&place, &format!("rule-{hook}"), language, &[hook]);
        }
    }
}

#[test]
fn rust_extensions_build_and_pass() {
    all(Language::Rust, false);
}

#[test]
fn c_extensions_build_and_pass() {
    all(Language::C, true);
}

#[test]
fn javascript_extensions_build_and_pass() {
    all(Language::JavaScript, true);
}

#[test]
fn python_extensions_build_and_pass() {
    all(Language::Python, false);
}
