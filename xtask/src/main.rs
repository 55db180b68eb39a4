//! The repository's own tasks: `cargo xtask setup | check | test | ci | bench | fuzz | models | kill-rounds | power-cut`.
//!
//! `test` is what `.ci/run` calls, and `check` is the one definition of "checked". Nothing here is part of the product.

mod bench;
mod check;
mod fuzz;
mod models;
mod rounds;
mod setup;
mod steps;
mod test;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::workspace::Workspace;

const USAGE: &str = "\
usage: cargo xtask <task>

  setup                 install what the tests need (nats-server, kosoku, chromium, npm packages, cargo-nextest)
  check                 formatting, lints, licences of dependencies, types of the JavaScript SDK
  test [--only PART]    setup, check and every test; PART is check, rust, websocket, js or browser
  ci                    the same as test
  bench [KIND ARGS..]   measure a release build and keep the result; without KIND, say how
  fuzz [TARGET] [--seconds N]
                        give the decoders what nobody would send, each for 600 seconds or N
  models [--seconds N]  compare the indexes with models of them while everything goes on at once, each for 600 seconds or N
  kill-rounds           kill servers under load and check what is left: [--rounds N] [--log embedded|jetstream|replicated|two-nodes]
                        [--seed S], 200 rounds on each log if not said otherwise
  power-cut             the same with the power cut, which needs the right to mount: [--rounds N]
                        [--log embedded|jetstream] [--seed S], 20 rounds";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<ExitCode> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let workspace = Workspace::from_env()?;
    match arguments.as_slice() {
        ["setup"] => setup::all(&workspace).map(|()| ExitCode::SUCCESS),
        ["check"] => Ok(test::run(&workspace, Some(test::Part::Check))),
        ["test" | "ci"] => Ok(test::run(&workspace, None)),
        ["test", "--only", part] => Ok(test::run(&workspace, Some(part.parse()?))),
        ["bench", rest @ ..] => bench::run(&workspace, rest).map(|()| ExitCode::SUCCESS),
        ["fuzz", rest @ ..] => fuzz::run(&workspace, rest),
        ["models", rest @ ..] => models::run(&workspace, rest).map(|()| ExitCode::SUCCESS),
        ["kill-rounds", rest @ ..] => {
            rounds::run(&workspace, rounds::Kind::Kill, rest).map(|()| ExitCode::SUCCESS)
        }
        ["power-cut", rest @ ..] => {
            rounds::run(&workspace, rounds::Kind::PowerCut, rest).map(|()| ExitCode::SUCCESS)
        }
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        [] => bail!("name a task\n\n{USAGE}"),
        other => bail!("no such task: `{}`\n\n{USAGE}", other.join(" ")),
    }
}
