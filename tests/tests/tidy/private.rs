//! No file names a package registry's host or a path of one machine: neither means anything to the next reader. Built components
//! least of all, whose panics say where they happened.

use crate::assert_clean;
use crate::repository::Repository;

#[test]
fn nothing_names_a_registry_or_a_machine() {
    let repository = Repository::load();
    let mut offenders = Vec::new();
    for (path, text) in repository.texts("") {
        offenders.extend(check(path, text));
    }
    assert_clean("hosts of registries and paths of a machine", &offenders);
}

#[test]
fn no_component_names_a_registry_or_a_machine() {
    let repository = Repository::load();
    let mut offenders = Vec::new();
    let mut looked = 0;
    for file in repository
        .files
        .iter()
        .filter(|file| file.path.ends_with(".wasm"))
    {
        let bytes = std::fs::read(repository.root.join(&file.path)).expect("a file");
        looked += 1;
        offenders.extend(check_bytes(&file.path, &bytes));
    }
    assert!(looked > 5, "{looked} components");
    assert_clean(
        "components with paths of the machine they were built on",
        &offenders,
    );
}

fn check_bytes(path: &str, bytes: &[u8]) -> Vec<String> {
    let registry = [".cargo", "/registry"].concat();
    let wrong = hosts().into_iter().chain(folders()).chain([registry]);
    let has = |text: &str| {
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    wrong
        .filter(|text| has(text))
        .map(|text| format!("{path}: {text}"))
        .collect()
}

#[test]
fn paths_in_components_are_found() {
    for path in [
        ["\0/ro", "ot/a.rs\x01"].concat(),
        ["x.car", "go/registry/src"].concat(),
        ["crates/index.cra", "tes.io-1/a"].concat(),
    ] {
        assert!(!check_bytes("a.wasm", path.as_bytes()).is_empty(), "{path}");
    }
    assert!(check_bytes("a.wasm", b"\0crates/serde_json/src/de.rs\xff").is_empty());
}

// Put together from pieces, so that this file holds none of them.
fn hosts() -> Vec<String> {
    [
        ["registry.npm", "js.org"],
        ["npm", "js.com"],
        ["yarn", "pkg.com"],
        ["pypi", ".org"],
        ["python", "hosted.org"],
        ["crates", ".io/"],
        ["crates", ".io\""],
        ["static.cra", "tes.io"],
        ["index.cra", "tes.io"],
        ["deb.", "debian.org"],
        ["security.", "debian.org"],
        ["proxy.go", "lang.org"],
        ["docker", ".io"],
    ]
    .map(|pieces| pieces.concat())
    .to_vec()
}

fn folders() -> Vec<String> {
    ["work", "root", "tmp", "home", "Users"]
        .map(|name| ["/", name, "/"].concat())
        .to_vec()
}

/// Cargo writes the name of its index into its lock file; nobody else's words are excused.
fn cargos_own_words() -> String {
    [
        "registry+https://github.com/rust-lang/crates",
        ".io-index\"",
    ]
    .concat()
}

fn check(path: &str, text: &str) -> Vec<String> {
    let (hosts, folders, excused) = (hosts(), folders(), cargos_own_words());
    let mut offenders = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if path == "Cargo.lock" && line.ends_with(&excused) {
            continue;
        }
        for host in hosts.iter().filter(|host| line.contains(host.as_str())) {
            offenders.push(format!("{path}:{}: {host}", number + 1));
        }
        for folder in folders.iter().filter(|folder| names_folder(line, folder)) {
            offenders.push(format!("{path}:{}: {folder}", number + 1));
        }
        // A mirror may have any name: npm's lock file must hold no address at all.
        if path.ends_with("package-lock.json") && line.contains("\"resolved\": \"http") {
            offenders.push(format!("{path}:{}: the address of a download", number + 1));
        }
    }
    offenders
}

/// Whether the line holds this folder as the beginning of a path, not in the middle of one or of an address.
fn names_folder(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|letter| letter.is_alphanumeric() || "/._-}>)*~".contains(letter))
    })
}

#[test]
fn hosts_and_machine_paths_are_found() {
    for host in hosts() {
        assert_eq!(
            check("docs/a.md", &format!("from https://{host}x")).len(),
            1,
            "{host}"
        );
    }
    for folder in folders() {
        assert_eq!(
            check("docs/a.md", &format!("see `{folder}x`")).len(),
            1,
            "{folder}"
        );
        assert_eq!(
            check("docs/a.md", &format!("see https://example.org{folder}x")).len(),
            0,
            "{folder}"
        );
        assert_eq!(
            check("docs/a.md", &format!("see net{folder}x")).len(),
            0,
            "{folder}"
        );
    }
    let resolved = "  \"resolved\": \"https://mirror.example/a.tgz\",";
    assert_eq!(check("sdk/js/package-lock.json", resolved).len(), 1);
    assert_eq!(check("sdk/js/package.json", resolved).len(), 0);
}

#[test]
fn only_cargos_lock_file_may_name_its_index() {
    let line = format!("source = \"{}", cargos_own_words());
    assert_eq!(check("Cargo.lock", &line).len(), 0);
    assert_eq!(
        check(
            "deny.toml",
            &format!("allow = \"https://static.{}", ["crates", ".io"].concat())
        )
        .len(),
        1
    );
}
