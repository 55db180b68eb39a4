//! What search of one collection of messages came to.

use std::fmt;

use serde::Serialize;

use super::{cells::User, index::Loading};
use crate::search::cells::Cost;

/// The figures of one collection of messages.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Messages in the index.
    pub messages: u64,
    /// Its bytes on disk, after merging.
    pub index_bytes: u64,
    /// The same for each message.
    pub index_bytes_per_message: f64,
    /// Filling it; nothing for one that was there.
    pub loading: Option<Loading>,
    /// Highest 99th percentile of a page of those who are in conversations.
    pub worst_p99_ms: f64,
    /// The same of who sees everything.
    pub worst_p99_everything_ms: f64,
    /// Each user.
    pub users: Vec<User>,
}

fn worst(users: &[User], everything: bool) -> f64 {
    let of = users
        .iter()
        .filter(|user| user.conversations.is_none() == everything);
    let cells = of.flat_map(|user| &user.shapes);
    let p99s = cells.map(|cell| cell.newest_ms.p99.max(cell.relevance_ms.p99));
    p99s.fold(0.0, f64::max)
}

impl Figures {
    pub(super) fn new(
        messages: u64,
        index_bytes: u64,
        loading: Option<Loading>,
        users: Vec<User>,
    ) -> Figures {
        Figures {
            messages,
            index_bytes,
            index_bytes_per_message: index_bytes as f64 / (messages as f64).max(1.0),
            loading,
            worst_p99_ms: worst(&users, false),
            worst_p99_everything_ms: worst(&users, true),
            users,
        }
    }
}

fn both(cost: Cost) -> String {
    format!("{:.2}/{:.2}", cost.p50, cost.p99)
}

/// Tables for people.
impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let made = self.loading.map_or_else(String::new, |loading| {
            format!(
                ", indexed in {:.1} s ({:.0} a second, {:.1} us of the caller's CPU each), merged {:.1} s later",
                loading.seconds, loading.messages_per_s, loading.caller_us, loading.merged_s
            )
        });
        writeln!(
            f,
            "  {} messages{made}, {:.0} MiB on disk ({:.0} bytes a message)",
            self.messages,
            self.index_bytes as f64 / f64::from(1 << 20),
            self.index_bytes_per_message
        )?;
        for user in &self.users {
            let who = match user.conversations {
                Some(conversations) => format!("in {conversations} conversations, CPU ms p50/p99"),
                None => "sees everything, CPU ms p50/p99".to_owned(),
            };
            writeln!(
                f,
                "\n{who:<42} {:>14} {:>14} {:>8}",
                "newest first", "best first", "found"
            )?;
            for cell in &user.shapes {
                writeln!(
                    f,
                    "  {:<40} {:>14} {:>14} {:>8.1}",
                    cell.shape,
                    both(cell.newest_ms),
                    both(cell.relevance_ms),
                    cell.found
                )?;
            }
        }
        writeln!(
            f,
            "\n  slowest p99 of a page {:.2} ms; of who sees everything {:.2} ms",
            self.worst_p99_ms, self.worst_p99_everything_ms
        )
    }
}

impl fmt::Display for super::Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            ("Made-up messages", &self.synthetic),
            ("Chat logs", &self.irc),
        ];
        for (of, figures) in parts {
            if let Some(figures) = figures {
                write!(f, "\n{of}\n{figures}")?;
            }
        }
        Ok(())
    }
}
