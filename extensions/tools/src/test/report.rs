//! What came of a test, for people and as JSON. Nothing in it depends on the clock or the machine.

use std::fmt::{self, Write as _};

use serde::Serialize;
use tidings_extension_host::usage::Usage;

use super::expect::Difference;

/// What came of all cases.
#[derive(Debug, Clone, Serialize)]
pub struct TestReport {
    /// `id@version`.
    pub name: String,
    /// What one call may use.
    pub fuel_limit: u64,
    /// One for each file.
    pub suites: Vec<Suite>,
    /// What the server promises, tried on every call.
    pub promises: Vec<Promise>,
}

/// What came of the cases in a file.
#[derive(Debug, Clone, Serialize)]
pub struct Suite {
    /// Its name.
    pub file: String,
    /// In the order they stand there.
    pub cases: Vec<CaseReport>,
}

/// What came of a case.
#[derive(Debug, Clone, Serialize)]
pub struct CaseReport {
    /// What is to be so.
    pub name: String,
    /// Calls of hooks.
    pub calls: u32,
    /// The most fuel that one of them used.
    pub fuel: u64,
    /// The most bytes of memory that one of them had.
    pub memory: usize,
    /// What was not as expected, by the steps.
    pub failures: Vec<Failure>,
}

/// What was not as expected in a step.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// Which step, from 1; 0 before the first.
    pub step: usize,
    /// What happened in it.
    pub title: String,
    /// Why it could not be done at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wrong: Option<String>,
    /// What is otherwise than expected: where, and both.
    pub differences: Vec<(String, String, String)>,
    /// Requests that the case has no answer for.
    pub unanswered: Vec<String>,
    /// What the extension logged.
    pub log: Vec<String>,
}

/// Something the server promises.
#[derive(Debug, Clone, Serialize)]
pub struct Promise {
    /// What.
    pub name: String,
    /// How often it was tried.
    pub looked: u64,
    /// How often it did not hold.
    pub broken: usize,
    /// What else there is to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beside: Option<String>,
    /// The first times it did not hold.
    pub told: Vec<String>,
}

impl CaseReport {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            calls: 0,
            fuel: 0,
            memory: 0,
            failures: Vec::new(),
        }
    }

    pub(super) fn count(&mut self, usage: &Usage) {
        self.calls += 1;
        self.fuel = self.fuel.max(usage.fuel);
        self.memory = self.memory.max(usage.memory_peak);
    }

    /// Whether all was as expected.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

impl Failure {
    pub(super) fn new(step: usize, title: &str) -> Self {
        Self {
            step,
            title: title.to_owned(),
            wrong: None,
            differences: Vec::new(),
            unanswered: Vec::new(),
            log: Vec::new(),
        }
    }

    pub(super) fn wrong(step: usize, title: &str, what: String) -> Self {
        Self {
            wrong: Some(what),
            ..Self::new(step, title)
        }
    }

    pub(super) fn add(&mut self, one: Difference) {
        self.differences.push((one.at, one.expected, one.found));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.wrong.is_none() && self.differences.is_empty() && self.unanswered.is_empty()
    }
}

impl TestReport {
    /// Cases that passed, and those that did not.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let cases = self.suites.iter().flat_map(|suite| &suite.cases);
        let (mut passed, mut failed) = (0, 0);
        for case in cases {
            match case.passed() {
                true => passed += 1,
                false => failed += 1,
            }
        }
        (passed, failed)
    }

    /// Whether every case passed and every promise held.
    #[must_use]
    pub fn passed(&self) -> bool {
        let promises = self.promises.iter().all(|promise| promise.broken == 0);
        promises && self.counts().1 == 0
    }

    /// For people, in colours or without.
    #[must_use]
    pub fn shown(&self, colours: bool) -> String {
        let paint = Paint { colours };
        let mut text = String::new();
        self.write(&mut text, &paint).expect("text takes all");
        text
    }

    fn write(&self, text: &mut String, paint: &Paint) -> fmt::Result {
        let cases = self.suites.iter().flat_map(|suite| &suite.cases);
        let wide = cases
            .map(|case| case.name.chars().count())
            .max()
            .unwrap_or(0)
            .min(72);
        writeln!(text, "{}", paint.bold(&self.name))?;
        for suite in &self.suites {
            writeln!(text, "\n{}", suite.file)?;
            for case in &suite.cases {
                let fuel = paint.faint(&format!("{} fuel", grouped(case.fuel)));
                writeln!(
                    text,
                    "  {}  {:wide$}  {fuel}",
                    paint.mark(case.passed()),
                    case.name
                )?;
                for failure in &case.failures {
                    failure.write(text, paint)?;
                }
            }
        }
        writeln!(
            text,
            "\nwhat the server promises, tried on every call above"
        )?;
        for promise in &self.promises {
            let beside = match &promise.beside {
                Some(beside) => format!("{} calls, {beside}", grouped(promise.looked)),
                None => format!("{} times", grouped(promise.looked)),
            };
            let beside = paint.faint(&format!("({beside})"));
            writeln!(
                text,
                "  {}  {} {beside}",
                paint.mark(promise.broken == 0),
                promise.name
            )?;
            for told in &promise.told {
                writeln!(text, "        {told}")?;
            }
        }
        let (passed, failed) = self.counts();
        let sum = match failed {
            0 => format!("{passed} passed"),
            failed => format!("{passed} passed, {failed} failed"),
        };
        writeln!(text, "\n{}", paint.sum(&sum, self.passed()))
    }
}

impl Failure {
    fn write(&self, text: &mut String, paint: &Paint) -> fmt::Result {
        writeln!(text, "        step {}, {}", self.step, self.title)?;
        if let Some(wrong) = &self.wrong {
            for line in wrong.lines() {
                writeln!(text, "          {line}")?;
            }
        }
        for (at, expected, found) in &self.differences {
            writeln!(text, "          {at}")?;
            writeln!(text, "            {} {expected}", paint.green("expected"))?;
            writeln!(text, "            {} {found}", paint.red("found   "))?;
        }
        for unanswered in &self.unanswered {
            writeln!(text, "          no [[given.http]] answers {unanswered}")?;
        }
        for line in &self.log {
            writeln!(text, "          {}", paint.faint(&format!("log: {line}")))?;
        }
        Ok(())
    }
}

/// Colours, for those who want them.
struct Paint {
    colours: bool,
}

impl Paint {
    fn in_colour(&self, code: &str, text: &str) -> String {
        match self.colours {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }

    fn bold(&self, text: &str) -> String {
        self.in_colour("1", text)
    }

    fn faint(&self, text: &str) -> String {
        self.in_colour("2", text)
    }

    fn green(&self, text: &str) -> String {
        self.in_colour("32", text)
    }

    fn red(&self, text: &str) -> String {
        self.in_colour("31", text)
    }

    fn mark(&self, fine: bool) -> String {
        match fine {
            true => self.green("ok  "),
            false => self.in_colour("1;31", "FAIL"),
        }
    }

    fn sum(&self, text: &str, fine: bool) -> String {
        match fine {
            true => self.in_colour("1;32", text),
            false => self.in_colour("1;31", text),
        }
    }
}

/// Digits in threes.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_where_and_what() {
        let mut failure = Failure::new(2, "draft by ann: \"hi\"");
        failure.differences.push((
            "verdict".to_owned(),
            "\"hold\"".to_owned(),
            "\"allow\"".to_owned(),
        ));
        let case = |name: &str, failures| CaseReport {
            failures,
            fuel: 1_234,
            ..CaseReport::new(name)
        };
        let report = TestReport {
            name: "a@1.0.0".to_owned(),
            fuel_limit: 1_000,
            suites: vec![Suite {
                file: "a.toml".to_owned(),
                cases: vec![case("fine", Vec::new()), case("not so fine", vec![failure])],
            }],
            promises: Vec::new(),
        };
        assert!(!report.passed());
        let expected = "a@1.0.0\n\na.toml\n  ok    fine         1,234 fuel\n  FAIL  not so fine  1,234 fuel\n        \
             step 2, draft by ann: \"hi\"\n          verdict\n            expected \"hold\"\n            found    \"allow\"\n\n\
             what the server promises, tried on every call above\n\n1 passed, 1 failed\n";
        assert_eq!(report.shown(false), expected);
        assert!(report.shown(true).contains("\x1b[1;31mFAIL\x1b[0m"));
    }
}
