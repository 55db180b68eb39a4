//! From what the logs of a channel say to what a group is told: who joins, who leaves, who posts.
//!
//! **Membership.** Logs begin in the middle of things and do not record everything (the newer logger of #ubuntu
//! wrote neither joins nor parts), so: who talks without having been seen joining joins just before; who takes another
//! nick leaves under the old one and joins under the new one, unless that is in already; who is still in at the end of
//! a file and is not seen in a later one leaves there, and who is seen later stays. After the last file nobody is in.
//!
//! **Importing again.** Every step has a key ([`PlannedFile::key`]) from the channel, the date, the file's name without
//! folders and the line, never from the other files given. A file's posts and joins, with their keys, depend on
//! that file alone: whoever stays from an earlier file still gets a join where this file first sees them, marked
//! `carried`, which changes nothing unless the earlier file was imported without this one, in a run whose end they
//! left at. So the same posts come out whatever other files are given with them, in one run or in several.
//! Leaves do depend on what is given. Run by run this means:
//!
//! - The same files again: the same keys, so nothing happens.
//! - More files, or later ones: who left at the end of the earlier run joins again by a carried join.
//! - Fewer files: leaves at ends that the fuller run did not have; they find nobody, which is no error.
//! - A file from between others: its messages come after theirs in the group, for a group only grows at its end;
//!   `at_ms` tells when they were said. Their authors may have left for good by keys already used, so
//!   whoever is still in when a run is over should be removed.
//! - A file that has grown: its authors left at the end it had, and their joins are used up. A post refused
//!   because its author is not a member should be repeated behind a join without a key.
//!
//! A line once imported must stay the line it was: files may grow but not be edited. Two files must not hold the same
//! lines, for nothing tells a line that was said twice from one that was logged twice.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{Date, File, LeftOut, Op, Warning, What};

/// One channel: files in the order in which they are to be imported.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    /// `#ubuntu`, in lower case.
    pub(crate) channel: String,
    /// In order of their first line's time.
    pub(crate) files: Vec<PlannedFile>,
}

/// The steps of one file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PlannedFile {
    /// `#ubuntu 2004-12-25 2004-12-25.train-c.raw.txt`: begins the key of every step.
    pub(crate) id: String,
    /// The file's name without its folders.
    pub(crate) name: String,
    /// In file order, times never decreasing.
    pub(crate) steps: Vec<Step>,
    /// What could not be read or may go wrong.
    pub(crate) warnings: Vec<Warning>,
    /// Lines without a counterpart.
    pub(crate) left_out: LeftOut,
    /// The different texts found between `<` and `>`, unrepaired.
    pub(crate) written_nicks: BTreeSet<String>,
}

/// One change to the group.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    /// Milliseconds since 1970 in UTC.
    pub(crate) at_ms: i64,
    /// The line it comes from, counted from 1.
    pub(crate) line: u32,
    /// Who; see [`super::user_id`].
    pub(crate) nick: String,
    /// What they do.
    pub(crate) act: Act,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Act {
    /// Becomes a member. Nobody joins who is one, but for `carried`.
    Join {
        /// Stayed from an earlier file of this plan: a member already if that was imported in this run.
        carried: bool,
    },
    /// Stops being a member. Only who is one leaves.
    Leave {
        /// Not seen again, rather than seen leaving.
        at_end: bool,
    },
    /// Says something. Only a member does.
    Post {
        /// May be empty or blank (23 of the corpus are). An action reads `* nick sips a coffee`.
        text: String,
    },
}

impl PlannedFile {
    /// Identifies a step for good: from the channel, the date, the file's name, the line and the kind of step, which a
    /// line has at most one of. Leaves at the end share their line and are told apart by the nick.
    pub(crate) fn key(&self, step: &Step) -> String {
        let (id, line) = (&self.id, step.line);
        match step.act {
            Act::Join { .. } => format!("{id}:{line}:join"),
            Act::Leave { at_end: false } => format!("{id}:{line}:leave"),
            Act::Leave { at_end: true } => format!("{id}:{line}:end:{}", step.nick),
            Act::Post { .. } => format!("{id}:{line}:post"),
        }
    }
}

/// Why files cannot be imported together.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PlanError {
    /// Their steps would share keys.
    #[error("two different files are called {0}; rename one")]
    SameName(
        /// Channel, date and name.
        String,
    ),
}

/// Plans the import of files, a plan for each channel. The same file given twice counts once.
pub(crate) fn plan(files: Vec<File>) -> Result<Vec<Plan>, PlanError> {
    let mut channels: BTreeMap<String, BTreeMap<(Date, String), File>> = BTreeMap::new();
    for file in files {
        let files = channels.entry(file.channel.clone()).or_default();
        match files.get(&(file.date, file.name.clone())) {
            None => {
                files.insert((file.date, file.name.clone()), file);
            }
            Some(same) if *same == file => {}
            Some(_) => return Err(PlanError::SameName(id(&file))),
        }
    }
    let plan = |(channel, files): (_, BTreeMap<_, File>)| {
        // Names of one day need not be in the order of time. A stable sort keeps it where times do not tell.
        let mut files: Vec<_> = files.into_values().collect();
        files.sort_by_key(|file| {
            let day = file.date.days() * 86_400_000;
            file.ops.first().map_or(day, |op| op.at_ms)
        });
        let files = plan_channel(files);
        Plan { channel, files }
    };
    Ok(channels.into_iter().map(plan).collect())
}

fn id(file: &File) -> String {
    format!("{} {} {}", file.channel, file.date, file.name)
}

fn plan_channel(mut files: Vec<File>) -> Vec<PlannedFile> {
    let mut last_seen: HashMap<String, usize> = HashMap::new();
    for (at, file) in files.iter().enumerate() {
        for nick in file.ops.iter().flat_map(nicks) {
            match last_seen.get_mut(nick) {
                Some(seen) => *seen = at,
                None => {
                    last_seen.insert(nick.to_owned(), at);
                }
            }
        }
    }
    let mut group = Group::default();
    let mut before: Option<(String, i64)> = None;
    let planned = files.iter_mut().enumerate().map(|(at, file)| {
        let id = id(file);
        if let (Some((earlier, end)), Some(first)) = (&before, file.ops.first())
            && first.at_ms < *end
        {
            let text = format!(
                "begins before {earlier} ends; what both hold will be imported twice, \
                 so remove it from one"
            );
            file.warnings.insert(
                0,
                Warning {
                    line: first.line,
                    text,
                },
            );
        }
        group.begin();
        for op in std::mem::take(&mut file.ops) {
            before = Some((file.name.clone(), op.at_ms));
            group.apply(op);
        }
        group.end(file.lines, |nick| last_seen.get(nick) > Some(&at));
        PlannedFile {
            id,
            name: std::mem::take(&mut file.name),
            steps: std::mem::take(&mut group.steps),
            warnings: std::mem::take(&mut file.warnings),
            left_out: file.left_out,
            written_nicks: std::mem::take(&mut file.written_nicks),
        }
    });
    planned.collect()
}

/// Whom an operation shows to be there.
fn nicks(op: &Op) -> impl Iterator<Item = &str> {
    let (one, other) = match &op.what {
        What::Message { nick, .. } | What::Joined { nick } | What::Left { nick } => (nick, None),
        What::Renamed { from, to } => (from, Some(to)),
    };
    std::iter::once(one).chain(other).map(String::as_str)
}

/// Who is in, and the steps of the file at hand.
#[derive(Default)]
struct Group {
    /// Carried from earlier files and not seen in this one yet.
    carried: HashSet<String>,
    /// Seen in this file and in.
    present: HashSet<String>,
    steps: Vec<Step>,
    last_ms: i64,
}

impl Group {
    fn begin(&mut self) {
        self.carried.extend(self.present.drain());
    }

    fn apply(&mut self, op: Op) {
        let Op { line, at_ms, what } = op;
        self.last_ms = at_ms;
        match what {
            What::Joined { nick } => self.join(line, &nick),
            What::Left { nick } => self.leave(line, &nick),
            What::Renamed { from, to } if from == to => self.join(line, &to),
            What::Renamed { from, to } => {
                self.leave(line, &from);
                self.join(line, &to);
            }
            What::Message { nick, text, action } => {
                self.join(line, &nick);
                let text = match action {
                    true => format!("* {nick} {text}").trim_end().to_owned(),
                    false => text,
                };
                self.push(line, nick, Act::Post { text });
            }
        }
    }

    fn join(&mut self, line: u32, nick: &str) {
        if !self.present.contains(nick) {
            let carried = self.carried.remove(nick);
            self.present.insert(nick.to_owned());
            self.push(line, nick.to_owned(), Act::Join { carried });
        }
    }

    fn leave(&mut self, line: u32, nick: &str) {
        if self.present.remove(nick) || self.carried.remove(nick) {
            self.push(line, nick.to_owned(), Act::Leave { at_end: false });
        }
    }

    /// Lets those go who are not seen again, in order of their nicks.
    fn end(&mut self, line: u32, seen_later: impl Fn(&str) -> bool) {
        let mut gone: Vec<_> = self.present.extract_if(|nick| !seen_later(nick)).collect();
        gone.sort_unstable();
        for nick in gone {
            self.push(line, nick, Act::Leave { at_end: true });
        }
    }

    fn push(&mut self, line: u32, nick: String, act: Act) {
        self.steps.push(Step {
            at_ms: self.last_ms,
            line,
            nick,
            act,
        });
    }
}

/// What a plan comes to, for a report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Messages.
    pub(crate) posts: usize,
    /// Of these, without anything to see in them.
    pub(crate) blank_posts: usize,
    /// Different nicks that post.
    pub(crate) authors: usize,
    /// Different nicks, posting or not.
    pub(crate) nicks: usize,
    /// Different texts found between `<` and `>`.
    pub(crate) written_nicks: usize,
    /// Joins but for carried ones.
    pub(crate) joins: usize,
    /// Joins of who has stayed from an earlier file.
    pub(crate) carried: usize,
    /// Leaves of both kinds.
    pub(crate) leaves: usize,
    /// Most members at a time.
    pub(crate) most_members: usize,
    /// Lines without a counterpart.
    pub(crate) left_out: LeftOut,
    /// Warnings.
    pub(crate) warnings: usize,
}

impl Plan {
    /// Counts what is planned.
    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        let (mut authors, mut nicks, mut written) =
            (HashSet::new(), HashSet::new(), HashSet::new());
        let mut members = 0usize;
        for file in &self.files {
            written.extend(&file.written_nicks);
            counts.warnings += file.warnings.len();
            counts.left_out.untimed_actions += file.left_out.untimed_actions;
            counts.left_out.modes += file.left_out.modes;
            counts.left_out.topics += file.left_out.topics;
            counts.left_out.network += file.left_out.network;
            for step in &file.steps {
                nicks.insert(&step.nick);
                match &step.act {
                    Act::Join { carried: true } => counts.carried += 1,
                    Act::Join { carried: false } => {
                        counts.joins += 1;
                        members += 1;
                        counts.most_members = counts.most_members.max(members);
                    }
                    Act::Leave { .. } => {
                        counts.leaves += 1;
                        members -= 1;
                    }
                    Act::Post { text } => {
                        counts.posts += 1;
                        counts.blank_posts += usize::from(text.trim().is_empty());
                        authors.insert(&step.nick);
                    }
                }
            }
        }
        counts.authors = authors.len();
        counts.nicks = nicks.len();
        counts.written_nicks = written.len();
        counts
    }
}

#[cfg(test)]
mod tests;
