//! Folding the log afresh and comparing every row: do the projections say what the log says?

use std::path::Path;

use super::{
    Direction, Projections, Table,
    rebuild::{self, RebuildError},
};
use crate::log::{EventLog, Position};

/// Differences listed at most; all are counted.
const LISTED: usize = 20;

/// What an audit found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Position both were folded through.
    pub position: u64,
    /// Rows compared.
    pub rows: u64,
    /// Rows that differ, are missing or should not be.
    pub differences: u64,
    /// The first of them: table, key in hexadecimal, what is wrong.
    pub listed: Vec<(&'static str, String, &'static str)>,
    /// Streams that are set aside because an event could not be folded.
    pub parked: usize,
}

impl Report {
    /// Whether all is well.
    pub fn is_clean(&self) -> bool {
        self.differences == 0 && self.parked == 0
    }
}

/// Folds the log into a new store in `folder` (which is removed afterwards) up to where
/// `projections` stand, and compares all rows. Nobody else may be folding `projections` meanwhile.
pub async fn audit(
    log: &dyn EventLog,
    projections: &Projections,
    folder: &Path,
    progress: &mut dyn FnMut(Position, usize),
) -> Result<Report, RebuildError> {
    let afresh = Projections::open(folder, log.identity())?;
    rebuild::fold(log, &afresh, Position(projections.cursor()), progress).await?;
    let report = compare(projections, &afresh);
    drop(afresh);
    std::fs::remove_dir_all(folder)?;
    report
}

/// Compares all rows of two stores.
pub fn compare(found: &Projections, expected: &Projections) -> Result<Report, RebuildError> {
    let (found_rows, expected_rows) = (found.read(), expected.read());
    let mut report = Report {
        position: found_rows.cursor(),
        parked: expected.parked().len(),
        ..Report::default()
    };
    for table in Table::ALL {
        let mut found = found_rows.range(*table, .., Direction::Forward);
        let mut expected = expected_rows.range(*table, .., Direction::Forward);
        let mut next = || found.next().transpose().map_err(super::ReadError::from);
        let mut next_expected = || expected.next().transpose().map_err(super::ReadError::from);
        let (mut a, mut b) = (next()?, next_expected()?);
        loop {
            let (key, wrong) = match (&a, &b) {
                (None, None) => break,
                (Some((key, _)), None) => (key, Some("should not be there")),
                (None, Some((key, _))) => (key, Some("missing")),
                (Some((a, _)), Some((b, _))) if a < b => (a, Some("should not be there")),
                (Some((a, _)), Some((b, _))) if a > b => (b, Some("missing")),
                (Some((key, a)), Some((_, b))) => (key, (a != b).then_some("differs")),
            };
            report.rows += 1;
            if let Some(wrong) = wrong {
                report.differences += 1;
                if report.listed.len() < LISTED {
                    let hex = key.iter().map(|byte| format!("{byte:02x}")).collect();
                    report.listed.push((table.name(), hex, wrong));
                }
            }
            match wrong {
                Some("missing") => b = next_expected()?,
                Some("should not be there") => a = next()?,
                _ => (a, b) = (next()?, next_expected()?),
            }
        }
    }
    Ok(report)
}
