//! Does what the screen asks for, without making it wait.

use std::ops::ControlFlow;

use tidings_protocol::{frame::Request, id, query::ListMessages};
use tidings_sdk::{Client, Error};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::app::{App, Effect, Load, Outcome};
use crate::chat::{act, people, target::Target};

/// As many messages as are fetched at a time.
const PAGE: u32 = 100;
/// As many conversations.
const CONVERSATIONS: u32 = 50;

pub(super) struct Effects {
    client: Client,
    outcomes: mpsc::UnboundedSender<Outcome>,
    /// Texts, in the order in which they were sent.
    texts: mpsc::UnboundedSender<(Uuid, Request)>,
}

impl Effects {
    pub(super) fn new(client: Client, outcomes: mpsc::UnboundedSender<Outcome>) -> Effects {
        let (texts, inbox) = mpsc::unbounded_channel();
        tokio::spawn(submit(client.clone(), inbox, outcomes.clone()));
        Effects {
            client,
            outcomes,
            texts,
        }
    }

    /// Looks for the conversation that was asked for.
    pub(super) fn find(&self, target: Target) {
        self.spawn(async move |client| {
            let found = match client.ready().await {
                Ok(()) => target.find(&client).await,
                Err(error) => Err(error.into()),
            };
            Outcome::Found(found.map_err(|error| crate::in_full(&error)))
        });
    }

    /// Does everything that is to be done; breaks where that is to end.
    pub(super) fn run(&mut self, app: &mut App) -> ControlFlow<()> {
        for effect in std::mem::take(&mut app.effects) {
            match effect {
                // Who receives it lives as long as the client.
                Effect::Submit(command, request) => {
                    let _ = self.texts.send((command, request));
                }
                Effect::Command(conversation, line, command) => {
                    let talk = conversation.and_then(|id| app.talks.get(&id));
                    let members = talk
                        .and_then(|talk| talk.members.clone())
                        .unwrap_or_default();
                    self.spawn(async move |client| {
                        let done = act::carry_out(&client, conversation, &members, command).await;
                        let done = done.map_err(|error| error.to_string());
                        Outcome::Commanded(conversation, line, done)
                    });
                }
                Effect::MarkRead(conversation, seq) => {
                    let client = self.client.clone();
                    tokio::spawn(async move { client.mark_read(conversation, seq).await });
                }
                Effect::Typing(conversation, active) => {
                    let client = self.client.clone();
                    tokio::spawn(async move { client.typing(conversation, active).await });
                }
                Effect::Load(load) => self.load(load),
                Effect::Quit => return ControlFlow::Break(()),
            }
        }
        ControlFlow::Continue(())
    }

    fn load(&self, load: Load) {
        if let Load::Members(conversation) = load {
            let outcomes = self.outcomes.clone();
            self.spawn(async move |client| {
                let members = people::of(&client, conversation).await;
                let loaded = members.map(|members| {
                    let users = members.into_iter().map(|member| member.user).collect();
                    let _ = outcomes.send(Outcome::Members(conversation, users));
                });
                Outcome::Loaded(load, loaded)
            });
            return;
        }
        self.spawn(async move |client| Outcome::Loaded(load, fetch(&client, load).await));
    }

    fn spawn<F, T>(&self, work: F)
    where
        F: FnOnce(Client) -> T + Send + 'static,
        T: Future<Output = Outcome> + Send + 'static,
    {
        let (client, outcomes) = (self.client.clone(), self.outcomes.clone());
        tokio::spawn(async move {
            // Nobody waits for it after the end.
            let _ = outcomes.send(work(client).await);
        });
    }
}

/// Fetches what becomes part of the client's view.
async fn fetch(client: &Client, load: Load) -> Result<(), Error> {
    match load {
        Load::Messages(conversation, before) => {
            let asked = ListMessages {
                conversation: id::to_wire(conversation),
                before,
                after: None,
                limit: PAGE,
            };
            client.list_messages(asked).await.map(drop)
        }
        Load::Text(conversation, seq) => client.get_message(conversation, seq).await.map(drop),
        Load::Conversations(before) => client
            .list_conversations(before, CONVERSATIONS)
            .await
            .map(drop),
        Load::Members(_) => Ok(()),
    }
}

/// Puts texts into the outbox one after the other, and tells what came of each.
async fn submit(
    client: Client,
    mut texts: mpsc::UnboundedReceiver<(Uuid, Request)>,
    outcomes: mpsc::UnboundedSender<Outcome>,
) {
    while let Some((command, request)) = texts.recv().await {
        let submitted = client.submit_as(command, request).await;
        let outcomes = outcomes.clone();
        tokio::spawn(async move {
            let accepted = match submitted {
                Ok(submitted) => submitted.accepted().await,
                Err(error) => Err(error),
            };
            let seq = accepted.map(|accepted| accepted.seq);
            let _ = outcomes.send(Outcome::Submitted(command, seq));
        });
    }
}
