//! Runs named steps one after another, goes on after a failure where that makes sense, and sums up.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;

/// What a step that did not fail has to say.
pub(crate) enum Outcome {
    Done,
    /// Nothing was run, and why.
    Skipped(String),
}

type Action<'a> = Box<dyn Fn() -> Result<Outcome> + 'a>;

/// One thing to do, under a heading of its own.
pub(crate) struct Step<'a> {
    name: &'static str,
    needs: &'static [&'static str],
    action: Action<'a>,
}

impl<'a> Step<'a> {
    pub(crate) fn new(name: &'static str, action: impl Fn() -> Result<Outcome> + 'a) -> Self {
        Self {
            name,
            needs: &[],
            action: Box::new(action),
        }
    }

    /// Steps without which this one would mean nothing: it is not run when one of them failed.
    pub(crate) fn needs(mut self, names: &'static [&'static str]) -> Self {
        self.needs = names;
        self
    }
}

#[derive(Debug, PartialEq)]
enum Verdict {
    Ok,
    Skipped(String),
    Failed,
    NotRun(&'static str),
}

impl Verdict {
    fn is_failure(&self) -> bool {
        matches!(self, Self::Failed | Self::NotRun(_))
    }
}

struct Report {
    name: &'static str,
    verdict: Verdict,
    took: Duration,
}

/// Runs the steps in order and prints a summary; fails when a step failed or could not be run.
pub(crate) fn run(steps: &[Step<'_>]) -> ExitCode {
    let reports = execute(steps);
    println!("\n==> summary");
    for report in &reports {
        println!("{}", line(report));
    }
    let failed: Vec<&str> = reports
        .iter()
        .filter(|report| report.verdict.is_failure())
        .map(|report| report.name)
        .collect();
    if failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("\nfailed: {}", failed.join(", "));
    ExitCode::FAILURE
}

fn execute(steps: &[Step<'_>]) -> Vec<Report> {
    let mut reports: Vec<Report> = Vec::new();
    for step in steps {
        let missing = step.needs.iter().copied().find(|need| {
            reports
                .iter()
                .any(|report| report.name == *need && report.verdict.is_failure())
        });
        if let Some(need) = missing {
            reports.push(Report {
                name: step.name,
                verdict: Verdict::NotRun(need),
                took: Duration::ZERO,
            });
            continue;
        }
        println!("\n==> {}", step.name);
        let start = Instant::now();
        let verdict = match (step.action)() {
            Ok(Outcome::Done) => Verdict::Ok,
            Ok(Outcome::Skipped(why)) => {
                println!("skipped: {why}");
                Verdict::Skipped(why)
            }
            Err(error) => {
                println!("error: {error:#}");
                Verdict::Failed
            }
        };
        let took = start.elapsed();
        println!("--- {} took {:.1} s", step.name, took.as_secs_f64());
        reports.push(Report {
            name: step.name,
            verdict,
            took,
        });
    }
    reports
}

fn line(report: &Report) -> String {
    let seconds = report.took.as_secs_f64();
    let (mark, note) = match &report.verdict {
        Verdict::Ok => ("ok", String::new()),
        Verdict::Skipped(why) => ("skipped", format!(": {why}")),
        Verdict::Failed => ("FAILED", String::new()),
        Verdict::NotRun(need) => ("NOT RUN", format!(": needs {need}")),
    };
    format!("{mark:>8} {seconds:>8.1} s  {}{note}", report.name)
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    fn verdicts(steps: &[Step<'_>]) -> Vec<Verdict> {
        execute(steps)
            .into_iter()
            .map(|report| report.verdict)
            .collect()
    }

    #[test]
    fn a_failure_stops_only_what_needs_it() {
        let steps = [
            Step::new("setup", || Ok(Outcome::Done)),
            Step::new("build", || bail!("no compiler")),
            Step::new("lint", || Ok(Outcome::Done)).needs(&["setup"]),
            Step::new("test", || Ok(Outcome::Done)).needs(&["build"]),
            Step::new("report", || Ok(Outcome::Done)).needs(&["test"]),
        ];
        assert_eq!(
            verdicts(&steps),
            [
                Verdict::Ok,
                Verdict::Failed,
                Verdict::Ok,
                Verdict::NotRun("build"),
                Verdict::NotRun("test"),
            ],
        );
    }

    #[test]
    fn a_need_that_is_not_among_the_steps_is_no_obstacle() {
        let steps = [Step::new("test", || Ok(Outcome::Done)).needs(&["setup"])];
        assert_eq!(verdicts(&steps), [Verdict::Ok]);
    }

    #[test]
    fn a_skipped_step_is_no_failure_and_says_why() {
        let steps = [Step::new("deny", || {
            Ok(Outcome::Skipped("not installed".into()))
        })];
        let reports = execute(&steps);
        assert!(!reports[0].verdict.is_failure());
        assert!(line(&reports[0]).ends_with("deny: not installed"));
    }
}
