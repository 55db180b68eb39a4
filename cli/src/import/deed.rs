//! What an import asks for, whoever carries it out, and what came of it.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::irc::{
    self,
    plan::{Act, Plan, PlannedFile, Step},
};

/// What an empty line says: a message has text, so the blank is made visible.
pub(super) const BLANK: &str = "\u{2423}";

/// Owner of imported groups.
pub(super) const IMPORTER: &str = "irc-import";

/// One command.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Deed {
    /// The user who does it.
    pub(super) actor: String,
    /// With `import` before it, what ids are derived for.
    pub(super) source: &'static str,
    /// What the id is derived from.
    pub(super) key: Vec<String>,
    /// Milliseconds since 1970.
    pub(super) happened_ms: Option<u64>,
    pub(super) ask: Ask,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ask {
    CreateGroup { title: String, max_members: u32 },
    AddMembers { group: Uuid, users: Vec<String> },
    Join { group: Uuid },
    Leave { group: Uuid },
    Post { group: Uuid, text: String },
}

/// What came of a deed.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    /// Recorded, or so already without this deed's doing.
    Done,
    /// Recorded by an earlier import.
    Known,
    /// Refused: the actor is a member no more.
    NotMember,
    /// Refused: its id stands for something else.
    IdReused,
    /// Refused, with the reason.
    Refused(String),
}

/// An outcome, and the conversation it is about where there is one.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answered {
    pub(super) outcome: Outcome,
    pub(super) group: Option<Uuid>,
}

/// Makes the group of a channel.
pub(super) fn create(plan: &Plan, max_members: u32) -> Deed {
    Deed {
        actor: IMPORTER.to_owned(),
        source: "irc",
        key: vec![plan.channel.clone()],
        happened_ms: first_ms(plan),
        ask: Ask::CreateGroup {
            title: plan.channel.clone(),
            max_members,
        },
    }
}

/// Lets users into it who are not of the channel.
pub(super) fn add(plan: &Plan, group: Uuid, users: &[String]) -> Deed {
    let channel = std::iter::once(&plan.channel);
    Deed {
        actor: IMPORTER.to_owned(),
        source: "irc members",
        key: channel.chain(users).cloned().collect(),
        happened_ms: first_ms(plan),
        ask: Ask::AddMembers {
            group,
            users: users.to_vec(),
        },
    }
}

/// A step of a plan.
pub(super) fn step(file: &PlannedFile, step: &Step, group: Uuid) -> Deed {
    let ask = match &step.act {
        Act::Join { .. } => Ask::Join { group },
        Act::Leave { .. } => Ask::Leave { group },
        Act::Post { text } => {
            let blank = text.trim().is_empty();
            let text = if blank { BLANK } else { text }.to_owned();
            Ask::Post { group, text }
        }
    };
    Deed {
        actor: irc::user_id(&step.nick),
        source: "irc",
        key: vec![file.key(step)],
        happened_ms: Some(u64::try_from(step.at_ms).unwrap_or(0)),
        ask,
    }
}

fn first_ms(plan: &Plan) -> Option<u64> {
    let steps = plan.files.iter().flat_map(|file| &file.steps);
    let first = steps.map(|step| step.at_ms).min()?;
    u64::try_from(first).ok()
}

/// What an import did.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) messages: u64,
    pub(super) known: u64,
    pub(super) joins: u64,
    pub(super) leaves: u64,
    pub(super) refused: u64,
    /// What was refused: how often, and the first place it was.
    pub(super) why: BTreeMap<String, (u64, String)>,
}

impl Summary {
    /// Counts what became of a step.
    pub(super) fn count(&mut self, act: &Act, outcome: Outcome, place: impl FnOnce() -> String) {
        match (outcome, act) {
            (Outcome::Done, Act::Post { .. }) => self.messages += 1,
            (Outcome::Known, Act::Post { .. }) => self.known += 1,
            (Outcome::Done, Act::Join { carried: false }) => self.joins += 1,
            (Outcome::Done, Act::Leave { .. }) => self.leaves += 1,
            // A carried join only makes sure: as a rule there is nothing to count.
            (Outcome::Done | Outcome::Known, _) => {}
            // Gone already, by an earlier run of the import.
            (Outcome::NotMember, Act::Leave { .. }) => {}
            (Outcome::NotMember, _) => self.refuse("the author is not a member", place),
            (Outcome::IdReused, _) => self.refuse(
                "another line stood here when this file was imported before",
                place,
            ),
            (Outcome::Refused(why), _) => self.refuse(&why, place),
        }
    }

    fn refuse(&mut self, why: &str, place: impl FnOnce() -> String) {
        self.refused += 1;
        match self.why.get_mut(why) {
            Some((count, _)) => *count += 1,
            None => {
                self.why.insert(why.to_owned(), (1, place()));
            }
        }
    }

    pub(super) fn add(&mut self, other: &Summary) {
        self.messages += other.messages;
        self.known += other.known;
        self.joins += other.joins;
        self.leaves += other.leaves;
        self.refused += other.refused;
    }
}

#[cfg(test)]
mod tests;
