//! The tests that compare the indexes with models of them, run for long and in view, with other seeds each time.

use anyhow::{Context, Result, bail};

use crate::workspace::{Workspace, run as run_in_view};

/// How long each goes on, where no number is given.
const SECONDS: u64 = 600;

/// By name.
const TESTS: [&str; 2] = [
    "people::model_tests::who_is_online_is_right_whatever_happens",
    "messages::model_tests::nothing_wrong_is_found_and_nothing_is_missing_whatever_happens",
];

pub(crate) fn run(workspace: &Workspace, arguments: &[&str]) -> Result<()> {
    let seconds = parse(arguments)?;
    for name in TESTS {
        println!("{name}: {seconds} seconds");
        let mut command = workspace.cargo();
        command
            .args(["test", "--package", "tidings-search", "--lib", "--"])
            .args(["--exact", name, "--nocapture"])
            .env("TIDINGS_SECONDS", seconds.to_string());
        run_in_view(&mut command)?;
    }
    Ok(())
}

fn parse(arguments: &[&str]) -> Result<u64> {
    match arguments {
        [] => Ok(SECONDS),
        ["--seconds", number] => number
            .parse()
            .with_context(|| format!("--seconds {number}: a number")),
        other => bail!("models takes --seconds N, not {:?}", other.join(" ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_can_be_said() {
        assert_eq!(parse(&[]).unwrap(), SECONDS);
        assert_eq!(parse(&["--seconds", "5"]).unwrap(), 5);
        for wrong in [&["--seconds"][..], &["--seconds", "x"], &["7"]] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
