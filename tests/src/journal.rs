//! The log as it is, read past every server: what was recorded, how often, and where.

use std::collections::{BTreeMap, HashMap};

use tidings_core::{
    commit::Commit,
    domain::{Event, Stream},
    log::{
        EventLog as _, Lane, Position,
        jetstream::{Config, JetStream},
    },
};
use uuid::Uuid;

/// A command by its id and who gave it.
pub type CommandKey = (Uuid, String);

/// What a log holds of commands and messages.
#[derive(Default)]
pub struct Journal {
    read: u64,
    /// Positions at which a command is recorded: one, of one that was carried out.
    pub commands: HashMap<CommandKey, Vec<u64>>,
    /// The command that posted a message, by conversation and number.
    pub messages: BTreeMap<(Uuid, u64), Option<Uuid>>,
    last: HashMap<Uuid, u64>,
    /// Messages whose number does not follow the one before.
    pub wrong: Vec<String>,
}

impl Journal {
    /// Takes in what has been appended since the last time.
    pub async fn read_on(&mut self, config: Config) {
        let log = JetStream::connect_existing(config).await;
        let log = log.expect("the log can be read");
        let head = log.head(Lane::Journal).await.expect("the log has an end");
        let tail = log.tail(Lane::Journal, Position(self.read)).await;
        let mut tail = tail.expect("the log can be read");
        while self.read < head.0 {
            for record in tail.next().await.expect("the log can be read") {
                self.read = record.position.0;
                self.take_in(&Commit::decode(&record).expect("it is a commit"));
            }
        }
    }

    fn take_in(&mut self, commit: &Commit) {
        for batch in &commit.batches {
            let command = batch.command.as_ref().map(|command| command.id.0);
            if let Some(id) = command {
                let key = (id, batch.actor.to_string());
                self.commands
                    .entry(key)
                    .or_default()
                    .push(commit.position.0);
            }
            let Stream::Conversation(conversation) = &batch.stream else {
                continue;
            };
            for event in &batch.events {
                if let Event::MessagePosted { seq, .. } = event {
                    let before = self.last.insert(conversation.0, *seq).unwrap_or_default();
                    if *seq != before + 1 {
                        self.wrong
                            .push(format!("message {seq} after {before} in {conversation}"));
                    }
                    self.messages.insert((conversation.0, *seq), command);
                }
            }
        }
    }
}
