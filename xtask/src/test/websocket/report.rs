//! What kosoku reports, in the format of the Autobahn test suite.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The groups of cases to be passed, and how many cases each has: one that was not run has not passed.
pub(super) const GROUPS: &[(u32, usize)] = &[
    (1, 16),
    (2, 11),
    (3, 7),
    (4, 10),
    (5, 20),
    (6, 145),
    (7, 37),
    (10, 1),
];

/// What a case may come to and be passed. What else there is (`FAILED`, `WRONG CODE`, `UNCLEAN`, `FAILED BY CLIENT`,
/// `UNIMPLEMENTED`, `ERROR`, and whatever is not known here) fails it.
const PASSING: &[&str] = &[OK, NON_STRICT, INFORMATIONAL];
const OK: &str = "OK";
const NON_STRICT: &str = "NON-STRICT";
const INFORMATIONAL: &str = "INFORMATIONAL";

/// What one case came to.
#[derive(Debug, PartialEq)]
pub(super) struct Verdict {
    /// Such as `6.3.1`.
    pub(super) case: String,
    /// How the server answered.
    pub(super) behavior: String,
    /// How the connection was closed.
    pub(super) close: String,
}

impl Verdict {
    pub(super) fn passed(&self) -> bool {
        PASSING.contains(&self.behavior.as_str()) && PASSING.contains(&self.close.as_str())
    }

    /// Such as `[6, 3, 1]`.
    fn numbers(&self) -> Vec<u32> {
        self.case.split('.').flat_map(str::parse).collect()
    }

    fn group(&self) -> u32 {
        self.numbers().first().copied().unwrap_or(0)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Verdict {
            case,
            behavior,
            close,
        } = self;
        write!(f, "{case}: {behavior}, closing {close}")
    }
}

/// Reads `index.json`: cases by the server's name, of which there is one.
pub(super) fn parse(index: &str) -> Result<Vec<Verdict>> {
    let index: Value = serde_json::from_str(index).context("the report is not JSON")?;
    let servers = index.as_object().context("the report is no object")?;
    let mut verdicts = Vec::new();
    for cases in servers.values() {
        let cases = cases
            .as_object()
            .context("a server in the report has no cases")?;
        for (case, verdict) in cases {
            let word = |name| {
                let word = verdict[name].as_str().map(str::to_owned);
                word.with_context(|| format!("case {case} of the report has no `{name}`"))
            };
            verdicts.push(Verdict {
                behavior: word("behavior")?,
                close: word("behaviorClose")?,
                case: case.clone(),
            });
        }
    }
    verdicts.sort_by_key(Verdict::numbers);
    Ok(verdicts)
}

/// Prints what the cases of each group came to; fails unless all of them were run and passed.
pub(super) fn judge(verdicts: &[Verdict], groups: &[(u32, usize)]) -> Result<()> {
    let mut wrong = Vec::new();
    for (group, expected) in groups {
        let of_group = || verdicts.iter().filter(|verdict| verdict.group() == *group);
        let found = of_group().count();
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for verdict in of_group() {
            let word = if verdict.passed() {
                &verdict.behavior
            } else {
                "not passed"
            };
            *counts.entry(word).or_default() += 1;
        }
        let counts: Vec<String> = counts
            .iter()
            .map(|(word, count)| format!("{count} {word}"))
            .collect();
        println!(
            "group {group:<2} {found:>3} of {expected:>3} cases: {}",
            counts.join(", ")
        );
        if found != *expected {
            wrong.push(format!(
                "group {group}: {found} cases instead of {expected}"
            ));
        }
    }
    for verdict in verdicts.iter().filter(|verdict| verdict.passed()) {
        if verdict.behavior != OK || verdict.close != OK {
            println!("  {verdict}");
        }
    }
    let failed = verdicts.iter().filter(|verdict| !verdict.passed());
    wrong.extend(failed.map(Verdict::to_string));
    if !wrong.is_empty() {
        bail!("not passed:\n  {}", wrong.join("\n  "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &str = r#"{
       "127.0.0.1:9001": {
          "2.10": {
             "behavior": "OK",
             "behaviorClose": "OK",
             "duration": 5,
             "remoteCloseCode": 1000,
             "reportfile": "127_0_0_1_9001_case_2_10.json"
          },
          "2.9": {
             "behavior": "NON-STRICT",
             "behaviorClose": "INFORMATIONAL",
             "duration": 5,
             "remoteCloseCode": null,
             "reportfile": "127_0_0_1_9001_case_2_9.json"
          }
       }
    }"#;

    fn verdict(case: &str, behavior: &str, close: &str) -> Verdict {
        Verdict {
            case: case.to_owned(),
            behavior: behavior.to_owned(),
            close: close.to_owned(),
        }
    }

    #[test]
    fn a_report_is_read_in_the_order_of_its_cases() {
        let expected = [
            verdict("2.9", "NON-STRICT", "INFORMATIONAL"),
            verdict("2.10", "OK", "OK"),
        ];
        assert_eq!(parse(INDEX).unwrap(), expected);
        judge(&expected, &[(2, 2)]).unwrap();
    }

    #[test]
    fn a_report_that_lacks_something_is_no_report() {
        for (broken, complaint) in [
            ("{", "not JSON"),
            ("[]", "no object"),
            (r#"{"a": 1}"#, "no cases"),
            (r#"{"a": {"1.1.1": {"behavior": "OK"}}}"#, "`behaviorClose`"),
            (
                r#"{"a": {"1.1.1": {"behavior": 1, "behaviorClose": "OK"}}}"#,
                "`behavior`",
            ),
        ] {
            let error = parse(broken).unwrap_err().to_string();
            assert!(error.contains(complaint), "{error}");
        }
        assert_eq!(parse("{}").unwrap(), []);
    }

    #[test]
    fn either_half_of_a_verdict_fails_a_case() {
        for (behavior, close) in [
            ("FAILED", "OK"),
            ("ERROR", "OK"),
            ("UNIMPLEMENTED", "OK"),
            ("MISSING", "OK"),
            ("OK", "FAILED"),
            ("OK", "WRONG CODE"),
            ("OK", "UNCLEAN"),
            ("OK", "FAILED BY CLIENT"),
            ("NON-STRICT", "UNCLEAN"),
            ("", ""),
        ] {
            let verdicts = [
                verdict("1.1.1", "OK", "OK"),
                verdict("1.1.2", behavior, close),
            ];
            let error = judge(&verdicts, &[(1, 2)]).unwrap_err().to_string();
            assert_eq!(
                error,
                format!("not passed:\n  1.1.2: {behavior}, closing {close}")
            );
        }
    }

    #[test]
    fn a_case_that_was_not_run_has_not_passed() {
        let error = judge(&parse(INDEX).unwrap(), &[(2, 11), (3, 7)]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "not passed:\n  group 2: 2 cases instead of 11\n  group 3: 0 cases instead of 7"
        );
    }
}
