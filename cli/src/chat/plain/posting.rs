//! Posts lines, in order, each durable in the outbox before the next is read.

use std::{io, sync::Arc};

use parking_lot::Mutex;
use tidings_protocol::frame::Request;
use tidings_sdk::{Accepted, Client, Error};
use tokio::{sync::mpsc, task::JoinSet};
use uuid::Uuid;

use crate::chat::{
    act,
    command::{self, Command, HELP, Line},
};

/// Lines that wait for their answer before stdin has to wait.
const WAITING: usize = 256;

pub(super) struct Posting {
    pub(super) client: Client,
    pub(super) conversation: Uuid,
    pub(super) members: Arc<Mutex<Vec<String>>>,
    pub(super) verbatim: bool,
}

/// How it went.
pub(super) struct Posted {
    /// Whether everything was accepted.
    pub(super) all: bool,
    /// The last message posted; 0 for none.
    pub(super) last_seq: u64,
    /// The user wants to go.
    pub(super) quit: bool,
}

type Answers = JoinSet<(String, Result<Accepted, Error>)>;

impl Posting {
    pub(super) async fn run(self, mut lines: mpsc::Receiver<io::Result<String>>) -> Posted {
        let mut posted = Posted {
            all: true,
            last_seq: 0,
            quit: false,
        };
        let mut answers = Answers::new();
        loop {
            // Answers are taken as they come: a refusal is told while the user still writes.
            tokio::select! {
                line = lines.recv(), if answers.len() < WAITING => match line {
                    Some(Ok(line)) => self.line(&line, &mut answers, &mut posted).await,
                    Some(Err(error)) => {
                        eprintln!("cannot read stdin: {error}");
                        posted.all = false;
                        break;
                    }
                    None => break,
                },
                Some(answer) = answers.join_next() => posted.answer(answer),
            }
            if posted.quit {
                break;
            }
        }
        while let Some(answer) = answers.join_next().await {
            posted.answer(answer);
        }
        posted
    }

    async fn line(&self, line: &str, answers: &mut Answers, posted: &mut Posted) {
        if line.trim().is_empty() {
            return;
        }
        let read = match self.verbatim {
            true => Ok(Line::Message(line.to_owned())),
            false => command::read(line),
        };
        match read {
            Ok(Line::Message(text)) => self.post(text, answers, posted).await,
            Ok(Line::Command(Command::Quit)) => posted.quit = true,
            Ok(Line::Command(Command::Help)) => {
                for (usage, meaning) in HELP {
                    eprintln!("{usage:<18} {meaning}");
                }
            }
            Ok(Line::Command(command)) => {
                let members = self.members.lock().clone();
                let here = Some(self.conversation);
                match act::carry_out(&self.client, here, &members, command).await {
                    Ok(done) => {
                        if let Some(conversation) = done.open {
                            eprintln!("see --conversation {conversation}");
                        }
                        if !done.said.is_empty() {
                            eprintln!("{}", done.said);
                        }
                    }
                    Err(error) => posted.refused(line, &error),
                }
            }
            Err(error) => posted.refused(line, &error),
        }
    }

    async fn post(&self, text: String, answers: &mut Answers, posted: &mut Posted) {
        let request = act::post(self.conversation, &text, 0, &self.members.lock());
        match self.client.submit(request).await {
            Ok(submitted) => {
                answers.spawn(async move { (text, submitted.accepted().await) });
            }
            Err(error) => posted.refused(&text, &error),
        }
    }
}

impl Posted {
    fn answer(
        &mut self,
        answer: Result<(String, Result<Accepted, Error>), tokio::task::JoinError>,
    ) {
        match answer {
            Ok((_, Ok(accepted))) => self.last_seq = self.last_seq.max(accepted.seq),
            Ok((text, Err(error))) => self.refused(&text, &error),
            Err(error) => self.refused("", &error),
        }
    }

    fn refused(&mut self, line: &str, error: &dyn std::fmt::Display) {
        eprintln!("not done: {line}: {error}");
        self.all = false;
    }
}

/// What a request was about, for people.
pub(super) fn text_of(request: &Request) -> &str {
    match request {
        Request::PostMessage(message) => &message.text,
        Request::EditMessage(edit) => &edit.text,
        _ => "a command",
    }
}
