//! Without a terminal: lines in are posted, messages are printed.

mod posting;
mod print;

pub(super) use self::print::in_words;

use std::{
    future::pending, io::BufRead as _, ops::ControlFlow, pin::pin, sync::Arc, time::Duration,
};

use anyhow::bail;
use jiff::tz::TimeZone;
use parking_lot::Mutex;
use tidings_protocol::{
    event::{Event, Kind},
    id,
    query::ListMessages,
    view,
};
use tidings_sdk::{Client, Error, Update, Updates};
use tokio::sync::mpsc;
use uuid::Uuid;

use self::{posting::Posting, print::Printer};
use super::{people, target::Target, text};
use crate::say;

/// As many messages as are fetched at a time.
const PAGE: u32 = 100;

#[derive(Debug, clap::Args)]
pub(super) struct Plain {
    /// Lines rather than a screen, in a terminal too.
    #[arg(long)]
    plain: bool,
    /// Print an object of JSON a line, with the names of docs/protocol.md.
    #[arg(long)]
    json: bool,
    /// Begin with the last N messages instead of those not read yet (lines only).
    #[arg(long, value_name = "N")]
    history: Option<u64>,
    /// Go on when stdin has ended, until interrupted (lines only).
    #[arg(long)]
    follow: bool,
    /// Lines that begin with a slash are messages, too, not commands (lines only).
    #[arg(long)]
    verbatim: bool,
    /// Fail if there is no session and no conversation after so long; without it, try until interrupted
    /// (lines only).
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    timeout: Option<u64>,
}

impl Plain {
    /// Whether lines were asked for even where there is a terminal.
    pub(super) fn wanted(&self) -> bool {
        self.plain || self.json
    }

    /// True when everything that came in was sent.
    pub(super) async fn run(
        self,
        client: Client,
        mut updates: Updates,
        target: Target,
        zone: TimeZone,
        place: &str,
    ) -> anyhow::Result<bool> {
        let printer = Printer {
            json: self.json,
            zone,
        };
        let found = {
            let find = async {
                client.ready().await?;
                target.find(&client).await
            };
            let mut find = pin!(find);
            let mut late = pin!(late(self.timeout));
            let mut interrupted = pin!(tokio::signal::ctrl_c());
            let mut why = "nothing has answered there".to_owned();
            loop {
                tokio::select! {
                    found = &mut find => break found?,
                    Some(update) = updates.recv() => {
                        notice(&update);
                        match update {
                            Update::Disconnected { reason, .. } => why = reason,
                            Update::Connected { .. } => {
                                why = "it is there, and has not told of the conversation".to_owned();
                            }
                            _ => {}
                        }
                    }
                    seconds = &mut late => {
                        client.close().await;
                        bail!(
                            "not connected to {place} within {seconds} s: {}",
                            text::by_flag(&text::one_line(&why))
                        );
                    }
                    interrupted = &mut interrupted => {
                        interrupted?;
                        client.close().await;
                        return Ok(true);
                    }
                }
            }
        };
        let done = match found {
            None => {
                // Nothing is to be said: what stands in stdin is for whoever reads it next.
                printer.list(&client).await?;
                Ok(true)
            }
            Some(conversation) => {
                let talk = Talk {
                    client: client.clone(),
                    conversation,
                    printer,
                    members: Arc::default(),
                    shown: 0,
                };
                talk.run(updates, lines(), &self).await
            }
        };
        client.close().await;
        done
    }
}

/// Ends after so many seconds, which it returns; never without.
async fn late(seconds: Option<u64>) -> u64 {
    let Some(seconds) = seconds else {
        return pending().await;
    };
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    seconds
}

struct Talk {
    client: Client,
    conversation: Uuid,
    printer: Printer,
    members: Arc<Mutex<Vec<String>>>,
    /// Everything up to here has been printed, or is not to be.
    shown: u64,
}

impl Talk {
    async fn run(
        mut self,
        mut updates: Updates,
        lines: mpsc::Receiver<std::io::Result<String>>,
        plain: &Plain,
    ) -> anyhow::Result<bool> {
        self.shown = self.client.with_state(|state| {
            let view = state.conversation(self.conversation).map(|one| one.view());
            view.map_or(0, |view| match plain.history {
                Some(n) => view.last_seq.saturating_sub(n),
                None => view.read_seq,
            })
        });
        self.catch_up().await?;
        self.meet().await;
        let posting = Posting {
            client: self.client.clone(),
            conversation: self.conversation,
            members: self.members.clone(),
            verbatim: plain.verbatim,
        };
        let posting = tokio::spawn(posting.run(lines));
        let mut posting = pin!(posting);
        let mut posted = None;
        let mut interrupted = pin!(tokio::signal::ctrl_c());
        loop {
            if say::go_on().is_break() {
                return Ok(true);
            }
            if let Some(posted) = &posted {
                let posting::Posted {
                    all,
                    last_seq,
                    quit,
                } = posted;
                // What was said last is printed, too.
                if *quit || (!plain.follow && self.shown >= *last_seq) {
                    return Ok(*all);
                }
            }
            tokio::select! {
                done = &mut posting, if posted.is_none() => posted = Some(done?),
                update = updates.recv() => match update {
                    Some(update) => {
                        if self.take(update).await?.is_break() {
                            return Ok(false);
                        }
                    }
                    None => return Ok(false),
                },
                interrupted = &mut interrupted => {
                    interrupted?;
                    return Ok(true);
                }
            }
        }
    }

    async fn take(&mut self, update: Update) -> anyhow::Result<ControlFlow<()>> {
        notice(&update);
        match update {
            Update::Event(event)
                if id::from_wire(&event.conversation) == Some(self.conversation) =>
            {
                self.event(event).await?;
            }
            // What was missed may be more than what comes as events.
            Update::Reset(_) | Update::Lagged => self.catch_up().await?,
            Update::Stopped(error) => return Err(error.into()),
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    }

    async fn event(&mut self, event: Event) -> Result<(), Error> {
        match &event.kind {
            Some(Kind::MessagePosted(message)) => {
                if message.seq > self.shown {
                    self.show(message.clone()).await?;
                    self.read().await?;
                }
                return Ok(());
            }
            Some(Kind::MembersJoined(_) | Kind::ConversationAdded(_)) => self.meet().await,
            _ => {}
        }
        self.printer.event(&event);
        Ok(())
    }

    /// Prints what has been posted since.
    async fn catch_up(&mut self) -> Result<(), Error> {
        loop {
            let asked = ListMessages {
                conversation: id::to_wire(self.conversation),
                before: 0,
                after: Some(self.shown),
                limit: PAGE,
            };
            let page = self.client.list_messages(asked).await?;
            let more = page.more && !page.messages.is_empty();
            for message in page.messages {
                self.show(message).await?;
            }
            if !more {
                return self.read().await;
            }
        }
    }

    async fn show(&mut self, mut message: view::Message) -> Result<(), Error> {
        self.shown = message.seq;
        if message.stub {
            message = self
                .client
                .get_message(self.conversation, message.seq)
                .await?;
        }
        self.printer.message(self.conversation, &message);
        Ok(())
    }

    async fn read(&self) -> Result<(), Error> {
        let unread = self.client.with_state(|state| {
            let conversation = state.conversation(self.conversation);
            conversation.is_some_and(|one| one.view().read_seq < self.shown)
        });
        if unread {
            self.client.mark_read(self.conversation, self.shown).await?;
        }
        Ok(())
    }

    /// Learns who may be named. Who has left may read on, but names nobody.
    async fn meet(&self) {
        let members = people::of(&self.client, self.conversation).await;
        let members = members.unwrap_or_default();
        *self.members.lock() = members.into_iter().map(|member| member.user).collect();
    }
}

/// What concerns the connection, for people.
fn notice(update: &Update) {
    match update {
        Update::Disconnected { reason, retry_in } => {
            let when = match retry_in.as_secs_f64() {
                ..0.1 => "at once".to_owned(),
                seconds => format!("in {seconds:.1} s"),
            };
            eprintln!(
                "not connected: {}; trying again {when}",
                text::by_flag(&text::one_line(reason))
            );
        }
        Update::Settled {
            request,
            result: Err(error),
            ..
        } => eprintln!(
            "not sent, of an earlier run: {}: {error}",
            posting::text_of(request)
        ),
        _ => {}
    }
}

/// The lines of stdin. A thread of its own, since nothing can interrupt it, and it ends with the process.
fn lines() -> mpsc::Receiver<std::io::Result<String>> {
    let (sender, lines) = mpsc::channel(64);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            if sender.blocking_send(line).is_err() {
                break;
            }
        }
    });
    lines
}
