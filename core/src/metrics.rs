//! What the writers count. On the path of every message, so: relaxed atomics and no locks; who reads
//! them does the rest.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use parking_lot::Mutex;

use crate::{
    domain::{Command, ConversationCommand, ExtensionCommand, UserCommand},
    log::AppendError,
};

/// What the writers of a node have done since it started.
#[derive(Debug)]
pub struct Metrics {
    /// Commands, by [`KINDS`] and [`OUTCOMES`].
    commands: [[AtomicU64; OUTCOMES.len()]; KINDS.len()],
    /// How long an append took that succeeded, in microseconds.
    pub append: Histogram,
    /// Bytes of a commit, as it is stored.
    pub commit_bytes: Histogram,
    /// Commands in a commit.
    pub commit_commands: Histogram,
    /// Appends that failed, by [`FAILURES`].
    failures: [AtomicU64; FAILURES.len()],
    /// When the log last could not be written, milliseconds since 1970; 0 once it could.
    unwritable_ms: AtomicU64,
    /// When a key of content last could not be made, milliseconds since 1970; 0 once it could.
    keyless_ms: AtomicU64,
    /// Rounds of commands for which that was so.
    key_failures: AtomicU64,
    /// Tries to put what is folded on disk that failed.
    flush_failures: AtomicU64,
    /// Why commands last could not be carried out.
    why: Mutex<String>,
}

/// How long an append that failed, and that none has followed, speaks for the log.
const FAILURE_COUNTS_MS: u64 = 60_000;

/// Names of commands.
pub const KINDS: [&str; 33] = [
    "start_direct",
    "create_group",
    "add_members",
    "remove_member",
    "join",
    "leave",
    "set_role",
    "set_title",
    "post_message",
    "edit_message",
    "retract_message",
    "add_reaction",
    "remove_reaction",
    "move_cursors",
    "set_muted",
    "block_user",
    "unblock_user",
    "app_event",
    "set_invisible",
    "record_seen",
    "add_contact",
    "remove_contact",
    "set_profile",
    "remove_profile",
    "erase_user",
    "settle_held",
    "queue_toast",
    "see_toasts",
    "set_badge",
    "extension",
    "extension_react",
    "label",
    "extension_answer",
];

/// The index of a command's name.
fn kind_of(command: &Command) -> usize {
    use ConversationCommand as C;
    match command {
        Command::Conversation(_, command) => match command {
            C::StartDirect { .. } => 0,
            C::CreateGroup { .. } => 1,
            C::AddMembers { .. } => 2,
            C::RemoveMember { .. } => 3,
            C::Join => 4,
            C::Leave { .. } => 5,
            C::SetRole { .. } => 6,
            C::SetTitle { .. } => 7,
            C::Post { .. } => 8,
            C::Edit { .. } => 9,
            C::Retract { .. } => 10,
            C::React { .. } => 11,
            C::Unreact { .. } => 12,
            C::MoveCursors { .. } => 13,
            C::Settle { .. } => 25,
            C::Label { .. } => 31,
        },
        Command::Reviewed(reviewed) => kind_of(&reviewed.command),
        Command::User(UserCommand::SetMuted { .. }) => 14,
        Command::User(UserCommand::Block { .. }) => 15,
        Command::User(UserCommand::Unblock { .. }) => 16,
        Command::AppEvent { .. } => 17,
        Command::Extension(_, ExtensionCommand::React(_)) => 30,
        Command::Extension(_, ExtensionCommand::Answer(_)) => 32,
        Command::Extension(..) => 29,
        Command::User(UserCommand::SetInvisible { .. }) => 18,
        Command::User(UserCommand::RecordSeen { .. }) => 19,
        Command::User(UserCommand::AddContact { .. }) => 20,
        Command::User(UserCommand::RemoveContact { .. }) => 21,
        Command::User(UserCommand::SetProfile { .. }) => 22,
        Command::User(UserCommand::RemoveProfile) => 23,
        Command::User(UserCommand::Erase) => 24,
        Command::User(UserCommand::QueueToast(_)) => 26,
        Command::User(UserCommand::SeeToasts { .. }) => 27,
        Command::User(UserCommand::SetBadge { .. }) => 28,
    }
}

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is durable, or was without effect.
    Accepted,
    /// It had been executed before.
    Duplicate,
    /// By the rules.
    Refused,
    /// It could not be carried out at present.
    Unavailable,
}

/// Names of outcomes, in the order of [`Outcome`].
pub const OUTCOMES: [&str; 4] = ["accepted", "duplicate", "refused", "unavailable"];

/// Why appends fail.
pub const FAILURES: [&str; 4] = ["conflict", "unclear", "too_large", "unavailable"];

/// Upper ends of the buckets of an append's time, in microseconds.
const APPEND_US: &[u64] = &[
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000,
];

/// Upper ends of the buckets of a commit's bytes.
const COMMIT_BYTES: &[u64] = &[
    256, 1_024, 4_096, 16_384, 65_536, 131_072, 262_144, 524_288, 1_048_576,
];

/// Upper ends of the buckets of a commit's commands.
const COMMIT_COMMANDS: &[u64] = &[1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000];

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics {
            commands: std::array::from_fn(|_| Default::default()),
            append: Histogram::new(APPEND_US, 1e-6),
            commit_bytes: Histogram::new(COMMIT_BYTES, 1.0),
            commit_commands: Histogram::new(COMMIT_COMMANDS, 1.0),
            failures: Default::default(),
            unwritable_ms: AtomicU64::new(0),
            keyless_ms: AtomicU64::new(0),
            key_failures: AtomicU64::new(0),
            flush_failures: AtomicU64::new(0),
            why: Mutex::default(),
        }
    }
}

impl Metrics {
    /// Counts a command that is answered.
    pub(crate) fn command(&self, command: &Command, outcome: Outcome) {
        self.commands[kind_of(command)][outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an append that succeeded.
    pub(crate) fn appended(&self, took: Duration) {
        self.append
            .observe(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        self.unwritable_ms.store(0, Ordering::Relaxed);
    }

    /// Counts one that did not.
    pub(crate) fn append_failed(&self, error: &AppendError, now_ms: u64) {
        let (at, unwritable_ms) = match error {
            // Somebody else could write it.
            AppendError::Conflict { .. } => (0, 0),
            AppendError::Unclear(_) => (1, now_ms),
            // Nothing was tried.
            AppendError::TooLarge { .. } => (2, self.unwritable_ms.load(Ordering::Relaxed)),
            AppendError::Unavailable(_) => (3, now_ms),
        };
        self.failures[at].fetch_add(1, Ordering::Relaxed);
        if let AppendError::Unclear(why) | AppendError::Unavailable(why) = error {
            self.why.lock().clone_from(why);
        }
        self.unwritable_ms.store(unwritable_ms, Ordering::Relaxed);
    }

    /// Counts a round of commands that needed a key of content which could not be made.
    pub(crate) fn keys_failed(&self, why: &str, now_ms: u64) {
        self.key_failures.fetch_add(1, Ordering::Relaxed);
        why.clone_into(&mut self.why.lock());
        self.keyless_ms.store(now_ms, Ordering::Relaxed);
    }

    /// Keys can be made.
    pub(crate) fn keys_made(&self) {
        self.keyless_ms.store(0, Ordering::Relaxed);
    }

    /// Counts a try to put what is folded on disk that failed.
    pub(crate) fn flush_failed(&self) {
        self.flush_failures.fetch_add(1, Ordering::Relaxed);
    }

    /// Rounds of commands that needed a key which could not be made.
    pub fn key_failures(&self) -> u64 {
        self.key_failures.load(Ordering::Relaxed)
    }

    /// Tries to put what is folded on disk that failed.
    pub fn flush_failures(&self) -> u64 {
        self.flush_failures.load(Ordering::Relaxed)
    }

    /// When a command last could not be carried out for want of the log or of a key, milliseconds since
    /// 1970, and why.
    pub fn trouble(&self) -> Option<(u64, String)> {
        let keyless_ms = self.keyless_ms.load(Ordering::Relaxed);
        let since = self.unwritable_ms().unwrap_or_default().max(keyless_ms);
        (since > 0).then(|| (since, self.why.lock().clone()))
    }

    /// When the log could not be written at the last try, milliseconds since 1970; `None` if it could, or
    /// was not tried.
    fn unwritable_ms(&self) -> Option<u64> {
        Some(self.unwritable_ms.load(Ordering::Relaxed)).filter(|ms| *ms > 0)
    }

    /// Whether the log could be written as far as is known. Where there are other nodes a failure counts for
    /// a minute: they may write this one's shards now, and then it does not learn that it could again.
    pub fn is_log_writable(&self, now_ms: u64, others: usize) -> bool {
        let failed = self.unwritable_ms();
        failed.is_none_or(|at| others > 0 && now_ms.saturating_sub(at) >= FAILURE_COUNTS_MS)
    }

    /// Commands there have been: kind, outcome, how many.
    pub fn commands(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        KINDS.iter().zip(&self.commands).flat_map(|(kind, counts)| {
            OUTCOMES
                .iter()
                .zip(counts)
                .map(move |(outcome, count)| (*kind, *outcome, count.load(Ordering::Relaxed)))
        })
    }

    /// Appends that failed: why, how many.
    pub fn failures(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = FAILURES.iter().zip(&self.failures);
        counts.map(|(why, count)| (*why, count.load(Ordering::Relaxed)))
    }
}

/// How often values fell below each of a few bounds.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// What one of the values' units is in the unit they are shown in.
    scale: f64,
    /// One for each bound, and one for everything beyond.
    counts: Vec<AtomicU64>,
    sum: AtomicU64,
}

/// A histogram at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Upper ends of buckets, and how many values were not above each.
    pub buckets: Vec<(f64, u64)>,
    /// The sum of all values.
    pub sum: f64,
    /// How many there were.
    pub count: u64,
}

impl Histogram {
    /// One with these bounds, in ascending order; `scale` turns values into the unit they are shown in.
    pub fn new(bounds: &'static [u64], scale: f64) -> Histogram {
        Histogram {
            bounds,
            scale,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        }
    }

    /// Counts a value.
    pub fn observe(&self, value: u64) {
        let at = self.bounds.partition_point(|bound| *bound < value);
        self.counts[at].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// What has been counted.
    pub fn read(&self) -> Reading {
        let mut count = 0;
        let mut counts = self.counts.iter().map(|of_bucket| {
            count += of_bucket.load(Ordering::Relaxed);
            count
        });
        let bounds = self.bounds.iter().map(|bound| *bound as f64 * self.scale);
        // The bounds come first, so that the last count is left over.
        let buckets = bounds.zip(counts.by_ref()).collect();
        counts.for_each(drop);
        Reading {
            buckets,
            sum: self.sum.load(Ordering::Relaxed) as f64 * self.scale,
            count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::ConversationId, log::Position};

    #[test]
    fn a_value_falls_into_the_bucket_it_is_not_above() {
        let histogram = Histogram::new(&[10, 100], 0.5);
        for value in [0, 10, 11, 100, 101, 5_000] {
            histogram.observe(value);
        }
        assert_eq!(
            histogram.read(),
            Reading {
                buckets: vec![(5.0, 2), (50.0, 4)],
                sum: 2_611.0,
                count: 6,
            }
        );
    }

    #[test]
    fn commands_are_counted_by_kind_and_outcome() {
        let metrics = Metrics::default();
        let conversation = ConversationId(uuid::Uuid::nil());
        let join = Command::Conversation(conversation, ConversationCommand::Join);
        let mute = Command::User(UserCommand::SetMuted {
            conversation,
            muted: true,
        });
        metrics.command(&join, Outcome::Refused);
        metrics.command(&join, Outcome::Refused);
        metrics.command(&mute, Outcome::Unavailable);
        let counted: Vec<_> = metrics.commands().filter(|(_, _, n)| *n > 0).collect();
        assert_eq!(
            counted,
            [("join", "refused", 2), ("set_muted", "unavailable", 1)]
        );
    }

    #[test]
    fn the_log_is_unwritable_until_an_append_succeeds() {
        let metrics = Metrics::default();
        assert_eq!(metrics.unwritable_ms(), None);
        metrics.append_failed(&AppendError::Unavailable("full".into()), 7);
        metrics.append_failed(&AppendError::TooLarge { len: 1 }, 8);
        assert_eq!(metrics.unwritable_ms(), Some(7));
        metrics.appended(Duration::from_millis(3));
        assert_eq!(metrics.unwritable_ms(), None);
        metrics.append_failed(&AppendError::Unclear("lost".into()), 9);
        assert_eq!(metrics.unwritable_ms(), Some(9));
        assert!(!metrics.is_log_writable(9 + 59_999, 1));
        assert!(metrics.is_log_writable(9 + 60_000, 1));
        assert!(!metrics.is_log_writable(9 + 60_000, 0));
        let last = Position::START;
        metrics.append_failed(&AppendError::Conflict { last }, 10);
        assert_eq!(metrics.unwritable_ms(), None);
        let failures: Vec<_> = metrics.failures().map(|(_, n)| n).collect();
        assert_eq!(failures, [1, 1, 1, 1]);
        assert_eq!(metrics.append.read().count, 1);
    }
}
