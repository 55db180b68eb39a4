//! Rounds of killing and of cutting the power, as many as one likes: the tests of `tests/tests/promises`
//! that do a few of them each time, run for long and in view.

use anyhow::{Context, Result, bail};

use crate::setup::{self, Tool};
use crate::test;
use crate::workspace::{Workspace, run as run_in_view};

/// What is done to the server in each round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Kill,
    PowerCut,
}

/// What was asked for.
#[derive(Debug, PartialEq)]
struct Wish {
    rounds: u32,
    seed: Option<u64>,
    /// The tests to run, by name.
    tests: Vec<&'static str>,
}

impl Kind {
    /// Rounds, where no number is given.
    fn usual(self) -> u32 {
        match self {
            Self::Kill => 200,
            Self::PowerCut => 20,
        }
    }

    /// The tests by the log they are about.
    fn tests(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Kill => &[
                ("embedded", "kill_rounds::embedded_kill_rounds"),
                (
                    "embedded",
                    "extensions::embedded::what_is_counted_is_counted_once_whatever_is_killed",
                ),
                (
                    "embedded",
                    "extension_hooks::embedded::a_command_is_answered_and_carried_out_once",
                ),
                ("jetstream", "kill_rounds::jetstream_kill_rounds"),
                (
                    "jetstream",
                    "extensions::jetstream::what_is_counted_is_counted_once_whatever_is_killed",
                ),
                (
                    "jetstream",
                    "extension_hooks::jetstream::a_command_is_answered_and_carried_out_once",
                ),
                (
                    "replicated",
                    "kill_rounds::jetstream_replicated_kill_rounds",
                ),
                ("two-nodes", "node_rounds::two_nodes_kill_rounds"),
            ],
            Self::PowerCut => &[
                ("embedded", "power_cut::embedded_power_cuts"),
                ("jetstream", "power_cut::jetstream_power_cuts"),
            ],
        }
    }
}

pub(crate) fn run(workspace: &Workspace, kind: Kind, arguments: &[&str]) -> Result<()> {
    let wish = parse(kind, arguments)?;
    setup::some(workspace, &[Tool::Nats])?;
    test::build(workspace)?;
    for name in &wish.tests {
        println!("{}: {} rounds", name, wish.rounds);
        let mut command = workspace.cargo();
        command
            .args(["test", "--workspace", "--test", "promises", "--"])
            .args(["--exact", name, "--nocapture"])
            .env("TIDINGS_ROUNDS", wish.rounds.to_string());
        if let Some(seed) = wish.seed {
            command.env("TIDINGS_SEED", seed.to_string());
        }
        run_in_view(&mut command)?;
    }
    Ok(())
}

fn parse(kind: Kind, arguments: &[&str]) -> Result<Wish> {
    let mut wish = Wish {
        rounds: kind.usual(),
        seed: None,
        tests: kind.tests().iter().map(|(_, test)| *test).collect(),
    };
    let mut arguments = arguments.iter();
    while let Some(option) = arguments.next() {
        let value = arguments
            .next()
            .with_context(|| format!("`{option}` needs a value"))?;
        match *option {
            "--rounds" => wish.rounds = number(option, value)?,
            "--seed" => wish.seed = Some(number(option, value)?),
            "--log" => {
                let found = kind.tests().iter().filter(|(log, _)| log == value);
                wish.tests = found.map(|(_, test)| *test).collect();
                if wish.tests.is_empty() {
                    let mut logs: Vec<_> = kind.tests().iter().map(|(log, _)| *log).collect();
                    logs.dedup();
                    bail!("no such log: `{value}` ({})", logs.join(", "));
                }
            }
            other => bail!("no such option: `{other}` (--rounds, --log, --seed)"),
        }
    }
    Ok(wish)
}

fn number<T: std::str::FromStr>(option: &str, value: &str) -> Result<T> {
    match value.parse() {
        Ok(number) => Ok(number),
        Err(_) => bail!("`{option}` needs a number, not `{value}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_understood() {
        let wish = parse(
            Kind::Kill,
            &["--rounds", "7", "--log", "jetstream", "--seed", "9"],
        );
        let expected = Wish {
            rounds: 7,
            seed: Some(9),
            tests: vec![
                "kill_rounds::jetstream_kill_rounds",
                "extensions::jetstream::what_is_counted_is_counted_once_whatever_is_killed",
                "extension_hooks::jetstream::a_command_is_answered_and_carried_out_once",
            ],
        };
        assert_eq!(wish.unwrap(), expected);
        let two = parse(Kind::Kill, &["--log", "two-nodes"]).unwrap();
        assert_eq!(two.tests, ["node_rounds::two_nodes_kill_rounds"]);
        let all = parse(Kind::PowerCut, &[]).unwrap();
        assert_eq!((all.rounds, all.tests.len()), (20, 2));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (arguments, named) in [
            (&["--rounds", "many"][..], "`many`"),
            (&["--log", "paper"], "`paper`"),
            (&["--rounds"], "`--rounds`"),
            (&["--turns", "7"], "`--turns`"),
        ] {
            let error = parse(Kind::PowerCut, arguments).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
