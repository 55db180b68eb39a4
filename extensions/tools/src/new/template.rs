//! The files of a new extension, put together from a piece for each hook.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use tidings_extension_host::Hook;

use crate::language::Language;

/// A file from the templates.
macro_rules! piece {
    ($($path:literal),+) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/", $($path),+))
    };
}

/// A piece of source for each hook.
macro_rules! sources {
    ($hook:expr, $folder:literal) => {
        match $hook {
            Hook::Moderation => piece!($folder, "/moderation.txt"),
            Hook::Reactor => piece!($folder, "/reactor.txt"),
            Hook::PresenceWatcher => piece!($folder, "/presence-watcher.txt"),
            Hook::Recall => piece!($folder, "/recall.txt"),
            Hook::Timer => piece!($folder, "/timer.txt"),
            Hook::Command => piece!($folder, "/command.txt"),
            Hook::Ranker => piece!($folder, "/ranker.txt"),
        }
    };
}

pub(super) fn files(name: &str, language: Language, hooks: &[Hook]) -> Vec<(String, String)> {
    let mut files = vec![
        ("extension.toml".to_owned(), manifest(name, hooks)),
        ("README.md".to_owned(), readme(name, language, hooks)),
        (".gitignore".to_owned(), ignored(language).to_owned()),
        (
            language.main_file().to_owned(),
            source(name, language, hooks),
        ),
    ];
    let beside = match language {
        Language::Rust => Some(("Cargo.toml", piece!("rust/Cargo.toml.txt"))),
        Language::JavaScript => Some(("package.json", piece!("javascript/package.json.txt"))),
        Language::Python => Some(("requirements.txt", piece!("python/requirements.txt.txt"))),
        Language::C => None,
    };
    if let Some((file, text)) = beside {
        files.push((file.to_owned(), text.replace("NAME", name)));
    }
    for hook in hooks {
        files.push((format!("tests/{hook}.toml"), fixture(*hook).to_owned()));
    }
    files
}

fn fixture(hook: Hook) -> &'static str {
    match hook {
        Hook::Moderation => piece!("fixtures/moderation.toml"),
        Hook::Reactor => piece!("fixtures/reactor.toml"),
        Hook::PresenceWatcher => piece!("fixtures/presence-watcher.toml"),
        Hook::Recall => piece!("fixtures/recall.toml"),
        Hook::Timer => piece!("fixtures/timer.toml"),
        Hook::Command => piece!("fixtures/command.toml"),
        Hook::Ranker => piece!("fixtures/ranker.toml"),
    }
}

fn summary(hooks: &[Hook]) -> String {
    let names: Vec<&str> = hooks.iter().map(|hook| hook.name()).collect();
    format!("A rule of our own, called at {}", names.join(", "))
}

fn manifest(name: &str, hooks: &[Hook]) -> String {
    let mut text = piece!("manifest.toml")
        .replace("NAME", name)
        .replace("SUMMARY", &summary(hooks));
    let mut effects = BTreeSet::new();
    for hook in hooks {
        let table = match hook {
            Hook::Moderation => {
                "[moderation]\n# What it looks at: message, edit, name, profile.\nkinds = [\"message\"]\n\
                 # What becomes of a draft whose review fails: allow, hold or reject.\non_failure = \"hold\"\n"
            }
            Hook::Reactor => {
                effects.insert("toast");
                "[reactor]\n# What it is told of: the kinds are listed in wit/deps/tidings-extension/reactor.wit.\n\
                 events = [\"message_posted\"]\n"
            }
            Hook::PresenceWatcher => "[presence-watcher]\n",
            Hook::Recall => "[recall]\n",
            Hook::Timer => {
                effects.insert("toast");
                "[timer]\n"
            }
            Hook::Command => {
                "[command.toss]\nsummary = \"Tosses a coin\"\n# Who may call it: clients (for their users) or backend.\n\
                 callers = \"clients\"\n"
            }
            Hook::Ranker => "[ranker]\n",
        };
        write!(text, "\n{table}").expect("text takes all");
    }
    if !effects.is_empty() {
        let effects: Vec<String> = effects
            .iter()
            .map(|effect| format!("\"{effect}\""))
            .collect();
        write!(
            text,
            "\n# What it may read and do, which the operator agrees to.\n[grants]\neffects = [{}]\n",
            effects.join(", ")
        )
        .expect("text takes all");
    }
    text
}

fn source(name: &str, language: Language, hooks: &[Hook]) -> String {
    let (head, uses) = match language {
        Language::Rust => (piece!("rust/head.txt"), rust_uses(hooks)),
        Language::JavaScript => (piece!("javascript/head.txt"), javascript_uses(hooks)),
        Language::Python => (piece!("python/head.txt"), python_uses(hooks)),
        Language::C => (piece!("c/head.txt"), String::new()),
    };
    let mut text = head
        .replace("USES\n", &uses)
        .replace("SUMMARY", &summary(hooks))
        .replace("C_NAME", &name.replace('-', "_"))
        .replace("NAME", name);
    if language == Language::Rust && has(hooks, &[Hook::Reactor, Hook::Timer]) {
        text.push_str(piece!("rust/refused.txt"));
    }
    if language == Language::C {
        text.push_str(&c_helpers(name, hooks));
    }
    for hook in hooks {
        let piece = match language {
            Language::Rust => sources!(hook, "rust"),
            Language::JavaScript => sources!(hook, "javascript"),
            Language::Python => sources!(hook, "python"),
            Language::C => sources!(hook, "c"),
        };
        text.push_str(&piece.replace("C_NAME", &name.replace('-', "_")));
    }
    text
}

/// What several of the hooks need; clang warns of what none does.
fn c_helpers(name: &str, hooks: &[Hook]) -> String {
    use Hook::{Command, PresenceWatcher, Reactor, Recall, Timer};
    let pieces = [
        (
            piece!("c/park.txt"),
            has(hooks, &[PresenceWatcher, Reactor, Recall, Timer]),
        ),
        (
            piece!("c/joined.txt"),
            has(hooks, &[Command, PresenceWatcher]),
        ),
        (
            piece!("c/decimal.txt"),
            has(hooks, &[Command, PresenceWatcher, Recall]),
        ),
    ];
    let needed = pieces.iter().filter(|(_, needed)| *needed);
    let text: String = needed.map(|(piece, _)| *piece).collect();
    text.replace("C_NAME", &name.replace('-', "_"))
}

fn has(hooks: &[Hook], any: &[Hook]) -> bool {
    hooks.iter().any(|hook| any.contains(hook))
}

/// Lines of those that any of the hooks needs.
fn lines(hooks: &[Hook], uses: &[(&[Hook], &str)]) -> String {
    let needed = uses.iter().filter(|(of, _)| has(hooks, of));
    needed.map(|(_, line)| format!("{line}\n")).collect()
}

fn rust_uses(hooks: &[Hook]) -> String {
    use Hook::{Command, Moderation, PresenceWatcher, Ranker, Reactor, Recall, Timer};
    lines(
        hooks,
        &[
            (&[Recall], "use tidings::extension::absences::Absence;"),
            (&[Moderation], "use tidings::extension::drafts::Draft;"),
            (&[Reactor, Timer], "use tidings::extension::effects;"),
            (&[Reactor], "use tidings::extension::events::Event;"),
            (&[Timer], "use tidings::extension::firings::Firing;"),
            (
                &[Command],
                "use tidings::extension::invocations::Invocation;",
            ),
            (&[Command], "use tidings::extension::kv_read;"),
            (
                &[Command, PresenceWatcher],
                "use tidings::extension::kv_write;",
            ),
            (&[Ranker], "use tidings::extension::pages::Page;"),
            (
                &[PresenceWatcher],
                "use tidings::extension::transitions::Transition;",
            ),
            (
                &[PresenceWatcher, Ranker],
                "use tidings::extension::types::PresenceState;",
            ),
            (&[Reactor, Timer], "use tidings::extension::types::Refusal;"),
        ],
    )
}

fn javascript_uses(hooks: &[Hook]) -> String {
    use Hook::{Command, PresenceWatcher, Reactor, Timer};
    lines(
        hooks,
        &[
            (
                &[Reactor, Timer],
                "import { toast } from 'tidings:extension/effects@0.1.0';",
            ),
            (
                &[Command],
                "import { get as kvGet } from 'tidings:extension/kv-read@0.1.0';",
            ),
            (
                &[Command, PresenceWatcher],
                "import { set as kvSet, remove as kvRemove } from 'tidings:extension/kv-write@0.1.0';",
            ),
        ],
    )
}

fn python_uses(hooks: &[Hook]) -> String {
    use Hook::{Command, PresenceWatcher, Ranker, Reactor, Timer};
    let json = lines(hooks, &[(&[Command], "import json")]);
    let imports = lines(
        hooks,
        &[
            (&[Reactor, Timer], "from wit_world.imports import effects"),
            (&[Command], "from wit_world.imports import kv_read"),
            (
                &[Command, PresenceWatcher],
                "from wit_world.imports import kv_write",
            ),
            (
                &[PresenceWatcher, Ranker],
                "from wit_world.imports.types import PresenceState",
            ),
        ],
    );
    format!("{json}{imports}")
}

fn ignored(language: Language) -> &'static str {
    match language {
        Language::Rust => "dist/\ntarget/\n",
        Language::JavaScript => "dist/\nnode_modules/\n",
        Language::Python => "dist/\n.venv/\n__pycache__/\n",
        Language::C => "dist/\n",
    }
}

fn readme(name: &str, language: Language, hooks: &[Hook]) -> String {
    let before = match language {
        Language::Rust => "rustup target add wasm32-unknown-unknown   # once\n",
        Language::JavaScript => "npm install              # once\n",
        Language::Python => {
            "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt   # once\n"
        }
        Language::C => "",
    };
    let main = language.main_file();
    format!(
        "# {name}\n\n{}. An extension of Tidings, in {language}.\n\n```sh\n{before}\
         tidings ext build        # makes dist/{name}.wasm\n\
         tidings ext test         # runs tests/*.toml on it, in the sandbox that servers have\n\
         tidings ext install dist/{name}.wasm\n```\n\n\
         - `{main}`: the code.\n- `extension.toml`: what it is called at, and what it may read and do.\n\
         - `tests/`: what it is to do.\n- `wit/`: what it is told and can do, described function by function.\n",
        summary(hooks)
    )
}
