//! The examples pass their cases, as components that are what their sources say; and a rule that does not is told so.

use std::fs;
use std::path::{Path, PathBuf};

use tidings_extension_host::Digest;
use tidings_extension_manifest::{Instances, Manifest, embed, read};
use tidings_extension_tools::test::{Test, TestReport};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/extensions")
}

/// The component, decompressed where it is stored so.
fn component(name: &str) -> Vec<u8> {
    let built = examples().join("built");
    let plain = built.join(format!("{name}.wasm"));
    if plain.is_file() {
        return fs::read(plain).expect("a file");
    }
    let packed = fs::read(built.join(format!("{name}.wasm.zst"))).expect("a file");
    zstd::stream::decode_all(packed.as_slice()).expect("zstd made it")
}

/// What is not of an example's sources, or lies elsewhere.
const BESIDE: [&str; 6] = [
    "dist",
    "target",
    "node_modules",
    ".venv",
    "__pycache__",
    "deps",
];

/// All files below, by their paths from `root`.
fn below(root: &Path, at: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(root.join(at)).expect("a folder") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().to_string_lossy().into_owned();
        if BESIDE.contains(&name.as_str()) {
            continue;
        }
        let path = format!("{at}/{name}");
        match entry.file_type().expect("it has one").is_dir() {
            true => below(root, &path, found),
            false => found.push(path),
        }
    }
}

/// As `build.sh` computes it.
fn sources(name: &str) -> String {
    let root = examples();
    let mut files = Vec::new();
    below(&root, name, &mut files);
    files.sort();
    let mut lines = String::new();
    for file in files {
        let bytes = fs::read(root.join(&file)).expect("a file");
        lines.push_str(&format!("{}  {file}\n", Digest::of(&bytes)));
    }
    let mut wit = Vec::new();
    let folder = root.join("../../wit");
    let entries = fs::read_dir(&folder).expect("a folder");
    let names = entries.map(|entry| entry.expect("an entry").path());
    let mut names: Vec<PathBuf> = names
        .filter(|path| path.extension().is_some_and(|kind| kind == "wit"))
        .collect();
    names.sort();
    for name in names {
        let text = fs::read_to_string(name).expect("text");
        let kept = text.lines().filter(|line| {
            let line = line.trim_start_matches(' ');
            !line.is_empty() && !line.starts_with("//")
        });
        wit.extend(kept.flat_map(|line| [line, "\n"]).flat_map(str::bytes));
    }
    lines.push_str(&format!("{}  -\n", Digest::of(&wit)));
    Digest::of(lines.as_bytes()).to_string()
}

fn run(component: &[u8], cases: PathBuf) -> TestReport {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("extension.wasm");
    fs::write(&file, component).expect("it can be written");
    let test = Test {
        place: file,
        tests: Some(cases),
        only: None,
        json: false,
        compiled: Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled")),
    };
    test.run(&mut |_| ()).expect("there are cases")
}

/// Of one example all that can be said of it.
fn holds(name: &str) {
    let component = component(name);
    let said = fs::read_to_string(examples().join(format!("built/{name}.json")))
        .expect("it stands beside");
    let said: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    let again = "build it again: examples/extensions/build.sh";
    assert_eq!(
        said["component_sha256"],
        Digest::of(&component).to_string(),
        "{again}"
    );
    assert_eq!(
        said["sources_sha256"],
        sources(name),
        "{name} has changed, or what is in wit: {again}"
    );
    let written = Manifest::read(&examples().join(name)).expect("the manifest is right");
    assert_eq!(
        read(&component).expect("a component"),
        Some(written),
        "{again}"
    );
    let report = run(&component, examples().join(name).join("tests"));
    assert!(report.passed(), "{}", report.shown(false));
    for promise in &report.promises {
        assert!(promise.looked > 0 || name != "spam-score", "{promise:?}");
    }
}

#[test]
fn the_rust_example_holds() {
    holds("spam-score");
}

#[test]
fn the_javascript_example_holds() {
    holds("welcome-bot");
}

#[test]
fn the_python_example_holds() {
    holds("safety-nudge");
}

#[test]
fn the_c_example_holds() {
    holds("word-filter");
}

/// What is told of calls in instances that are kept: how many there were, and how many came to something else.
fn kept(report: &TestReport) -> (u64, usize) {
    let mut promises = report.promises.iter();
    let kept = promises.find(|promise| promise.name.starts_with("kept warm"));
    let kept = kept.expect("it is looked at");
    (kept.looked, kept.broken)
}

/// The same with instances that are kept.
fn holds_warm(name: &str) {
    let component = component(name);
    let mut manifest = read(&component).expect("a component").expect("a manifest");
    manifest.instances = Instances::Warm;
    let warm = embed(&component, &manifest).expect("a component");
    let report = run(&warm, examples().join(name).join("tests"));
    assert!(report.passed(), "{}", report.shown(false));
    assert!(kept(&report).0 > 3);
}

#[test]
fn the_javascript_example_holds_in_instances_that_are_kept() {
    holds_warm("welcome-bot");
}

#[test]
fn the_python_example_holds_in_instances_that_are_kept() {
    holds_warm("safety-nudge");
}

/// Counts its calls where the next one finds it, and traps at the third.
const COUNTS: &str = r#"(component
    (import "tidings:extension/types@0.1.0" (instance $types
        (type $error (variant (case "retry" (option u32)) (case "park" string)))
        (export "hook-error" (type (eq $error)))))
    (import "tidings:extension/context@0.1.0" (instance $context
        (export "call" (type (sub resource)))))
    (import "tidings:extension/drafts@0.1.0" (instance $drafts
        (export "draft" (type (sub resource)))))
    (alias export $types "hook-error" (type $hook-error))
    (alias export $context "call" (type $call))
    (alias export $drafts "draft" (type $draft))
    (core func $drop-call (canon resource.drop $call))
    (core func $drop-draft (canon resource.drop $draft))
    (core module $module
        (import "drop" "call" (func $drop-call (param i32)))
        (import "drop" "draft" (func $drop-draft (param i32)))
        (memory (export "memory") 1)
        (global $calls (mut i32) (i32.const 0))
        (func (export "review") (param i32 i32) (result i32)
            (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
            (if (i32.eq (global.get $calls) (i32.const 3)) (then unreachable))
            (call $drop-call (local.get 0))
            (call $drop-draft (local.get 1))
            (i32.const 256)))
    (core instance $core (instantiate $module (with "drop" (instance
        (export "call" (func $drop-call))
        (export "draft" (func $drop-draft))))))
    (func $review
        (param "call" (borrow $call)) (param "draft" (borrow $draft))
        (result (result (error $hook-error)))
        (canon lift (core func $core "review") (memory $core "memory")))
    (instance $hook (export "review" (func $review)))
    (export "tidings:extension/moderation@0.1.0" (instance $hook)))"#;

#[test]
fn a_rule_that_remembers_is_told_so_where_it_is_kept() {
    let bare = wat::parse_str(COUNTS).expect("valid text");
    let cases = tempfile::tempdir().expect("a folder");
    let text = "[given.conversations.room]\nmembers = [\"ann\"]\n\
         [[case]]\nname = \"one\"\ndraft = { author = \"ann\", conversation = \"room\", text = \"a\" }\nexpect = { verdict = \"allow\" }\n\
         [[case]]\nname = \"other\"\ndraft = { author = \"ann\", conversation = \"room\", text = \"b\" }\nexpect = { verdict = \"allow\" }\n";
    fs::write(cases.path().join("counts.toml"), text).expect("it can be written");
    let of = |instances: &str| {
        let manifest = format!(
            "id = \"counts\"\nversion = \"1.0.0\"\nsummary = \"x\"\ninstances = \"{instances}\"\n[moderation]\nkinds = [\"message\"]"
        );
        let manifest = Manifest::parse_toml(&manifest).expect("it is right");
        let component = embed(&bare, &manifest).expect("a component");
        run(&component, cases.path().to_owned())
    };
    assert!(of("fresh").passed());
    let warm = of("warm");
    assert_eq!(warm.counts(), (2, 0));
    assert!(!warm.passed());
    assert_eq!(kept(&warm), (6, 2), "{}", warm.shown(false));
}

#[test]
fn a_rule_that_does_otherwise_is_told_so() {
    const WORDS: &[u8] = include_bytes!("../../guests/built/words.wasm");
    let manifest =
        "id = \"words\"\nversion = \"1.0.0\"\nsummary = \"x\"\n[moderation]\nkinds = [\"message\"]";
    let manifest = Manifest::parse_toml(manifest).expect("it is right");
    let component = embed(WORDS, &manifest).expect("a component");
    let cases = tempfile::tempdir().expect("a folder");
    let text = "[given.conversations.room]\nmembers = [\"ann\"]\n\
         [[case]]\nname = \"as it is\"\ndraft = { author = \"ann\", conversation = \"room\", text = \"a casino\" }\nexpect = { verdict = \"reject\" }\n\
         [[case]]\nname = \"as it is not\"\ndraft = { author = \"ann\", conversation = \"room\", text = \"a casino\" }\n\
         expect = { verdict = \"allow\" }\n\
         [[case]]\nname = \"not looked at\"\ndraft = { kind = \"edit\", author = \"ann\", conversation = \"room\", text = \"a\" }\n\
         [[case]]\nname = \"not there\"\nadvance = \"1m\"\ngiven = { settings = { a = 1 } }\n";
    fs::write(cases.path().join("words.toml"), text).expect("it can be written");
    let report = run(&component, cases.path().to_owned());
    assert_eq!(report.counts(), (1, 3));
    let shown = report.shown(false);
    for part in [
        "  ok    as it is ",
        "  FAIL  as it is not ",
        "        step 1, draft by ann: \"a casino\"\n          verdict\n            expected \"allow\"\n            found    \"reject\"\n",
        "moderation.kinds of the manifest does not name `edit`, so nothing is called",
        "settings: there is no setting `a`: the extension has none",
        "1 passed, 3 failed",
    ] {
        assert!(shown.contains(part), "{part}\nis not in\n{shown}");
    }
    // Whatever machine it runs on, it is told in the same words.
    assert_eq!(run(&component, cases.path().to_owned()).shown(false), shown);
}
