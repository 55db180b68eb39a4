//! Several nodes on one log, without any of them leading.
//!
//! Every node follows the whole log and delivers to the sessions it holds, so most of a cluster is the
//! log. What is left is said over NATS, and kept by nobody: which nodes are here ([`members`]), commands
//! to the node that writes their shard ([`route`]), and who is typing or looking. Losing any of it costs time and
//! never a message: the fence keeps two writers apart, and a command that is not answered is sent again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_nats::{Client, Message, StatusCode, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    domain::{ConversationId, UserId},
    fanout::{Doing, Fanout},
    handler::{Answer, Queue, Submission},
    log::Shard,
};

mod members;
mod route;
mod wire;

pub use members::Announcement;

use members::ANNOUNCE;
use route::{Outgoing, Router};
use wire::{Answered, Arrived};

/// How a node takes part.
#[derive(Clone)]
pub struct Config {
    /// The connection.
    pub client: Client,
    /// Begins every subject.
    pub prefix: String,
    /// Names this life of the node. Random.
    pub node: Uuid,
    /// The epoch of the log.
    pub epoch: Uuid,
}

/// This node among the others.
pub struct Cluster {
    config: Config,
    router: Arc<Router>,
    queues: Arc<[Arc<Queue>]>,
    answers: Arc<Outgoing>,
}

#[derive(Serialize, Deserialize)]
struct Signalled {
    node: Uuid,
    doing: Doing,
    conversation: ConversationId,
    user: UserId,
    active: bool,
}

/// What a node hears.
struct Ears {
    announcements: Subscriber,
    commands: Subscriber,
    answers: Subscriber,
    signals: Subscriber,
}

impl Cluster {
    pub(crate) fn new(config: Config, queues: Arc<[Arc<Queue>]>) -> Cluster {
        let me = Announcement {
            node: config.node,
            epoch: config.epoch,
            format: wire::FORMAT,
            url: String::new(),
            leaving: false,
            presence: Uuid::nil(),
        };
        let begun = crate::clock::moment();
        let router = Router::new(me, queues.clone(), Box::new(move || begun.elapsed()));
        Cluster {
            config,
            router: Arc::new(router),
            queues,
            answers: Arc::default(),
        }
    }

    /// Submits a command to the node that writes its shard.
    pub(crate) fn submit(&self, shard: Shard, submission: Submission) {
        self.router.submit(shard, submission);
    }

    /// Commands that other nodes have not answered, or that wait to be sent.
    pub(crate) fn waiting(&self) -> usize {
        self.router.waiting()
    }

    /// Where clients reach the other nodes: `http://host:port` each.
    pub fn urls(&self) -> Vec<String> {
        self.router.members.lock().urls()
    }

    /// How many other nodes are here.
    pub fn others(&self) -> usize {
        self.router.members.lock().others()
    }

    /// Whether this node writes a shard, as far as it knows.
    pub(crate) fn writes(&self, shard: Shard) -> bool {
        let members = self.router.members.lock();
        members.writer(shard) == members.me().node
    }

    /// How many shards this node writes.
    pub(crate) fn shards_written(&self) -> usize {
        let members = self.router.members.lock();
        let me = members.me().node;
        let shards = (0..self.queues.len()).map(|shard| Shard(shard as u16));
        shards.filter(|shard| members.writer(*shard) == me).count()
    }

    /// Tells the other nodes' sessions what somebody does.
    pub(crate) fn signal(
        &self,
        doing: Doing,
        conversation: ConversationId,
        user: &UserId,
        active: bool,
    ) {
        if self.others() == 0 {
            return;
        }
        let signalled = Signalled {
            node: self.config.node,
            doing,
            conversation,
            user: user.clone(),
            active,
        };
        let said = postcard::to_allocvec(&signalled).expect("what nodes say encodes");
        let (client, subject) = (self.config.client.clone(), self.subject("signal"));
        // Shed where the connection does not take it at once: it is worth nothing later.
        let publish = client.publish(subject, said.into());
        let _ = futures_util::FutureExt::now_or_never(publish);
    }

    /// Says where clients reach this node, `http://host:port`.
    pub(crate) fn reachable_at(&self, url: String) {
        self.router.members.lock().reachable_at(url);
        self.wake();
    }

    /// Tells the others this node's name in the presence lane.
    pub(crate) fn announce_presence(&self, incarnation: Uuid) {
        if self.router.members.lock().announce_presence(incarnation) {
            self.wake();
        }
    }

    /// The other nodes' names in the presence lane; `None` while nobody is heard.
    pub(crate) fn presences(&self) -> Option<Vec<Uuid>> {
        let now = self.router.now();
        self.router.members.lock().presences(now)
    }

    /// Takes nothing from others any more and leaves this node's shards to them.
    pub(crate) fn leave(&self) {
        self.router.members.lock().leave();
        self.wake();
    }

    /// Makes it look around: whether there is news of this node, whether it is to stop.
    pub(crate) fn wake(&self) {
        self.answers.arrived.notify_one();
    }

    /// Listens and speaks, until told to stop.
    pub(crate) async fn run(&self, fanout: &Fanout, stopping: &AtomicBool) {
        let mut ears = loop {
            match self.listen().await {
                Ok(ears) => break ears,
                Err(error) => {
                    tracing::warn!(%error, "cannot listen to other nodes, trying again");
                    tokio::time::sleep(ANNOUNCE).await;
                }
            }
        };
        let mut tick = tokio::time::interval(ANNOUNCE);
        let mut known = self.router.members.lock().me().clone();
        let mut urls = Vec::new();
        while !stopping.load(Ordering::Relaxed) {
            tokio::select! {
                _ = tick.tick() => {
                    self.announce().await;
                    for node in self.router.give_up() {
                        tracing::warn!(%node, "a node is silent: its shards are written by others");
                    }
                }
                Some(message) = ears.announcements.next() => self.heard(&message).await,
                Some(message) = ears.commands.next() => self.asked(&message),
                Some(message) = ears.answers.next() => self.told(&message),
                Some(message) = ears.signals.next() => self.signalled(&message, fanout),
                () = self.router.commands.arrived.notified() => self.send_commands().await,
                () = self.answers.arrived.notified() => self.send_answers().await,
            }
            // What is new with this node need not wait for the next turn.
            let me = self.router.members.lock().me().clone();
            if me != known {
                known = me;
                self.announce().await;
            }
            let now = self.urls();
            if now != urls {
                urls = now;
                fanout.nodes(urls.clone());
            }
        }
        // Without its connection it would wait for that to come back.
        let last = async {
            self.send_answers().await;
            let _ = self.config.client.flush().await;
        };
        let _ = tokio::time::timeout(ANNOUNCE, last).await;
    }

    async fn listen(&self) -> Result<Ears, async_nats::Error> {
        let client = &self.config.client;
        let me = self.config.node;
        let ears = Ears {
            announcements: client.subscribe(self.subject("nodes")).await?,
            commands: client
                .subscribe(self.subject(&format!("node.{me}.commands")))
                .await?,
            answers: client
                .subscribe(self.subject(&format!("node.{me}.answers.*")))
                .await?,
            signals: client.subscribe(self.subject("signal")).await?,
        };
        // Nobody is to be told of this node before it listens.
        client.flush().await?;
        Ok(ears)
    }

    fn subject(&self, name: &str) -> String {
        format!("{}.{name}", self.config.prefix)
    }

    async fn announce(&self) {
        let me = self.router.members.lock().me().clone();
        let said = serde_json::to_vec(&me).expect("an announcement encodes");
        self.publish(self.subject("nodes"), said.into()).await;
    }

    async fn publish(&self, subject: String, message: Bytes) {
        // It fails with the connection only, or waits for it: then others notice the silence.
        let publishing = self.config.client.publish(subject, message);
        match tokio::time::timeout(ANNOUNCE, publishing).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "other nodes cannot be told"),
            Err(_) => tracing::debug!("other nodes cannot be told at present"),
        }
    }

    async fn heard(&self, message: &Message) {
        let said: Announcement = match serde_json::from_slice(&message.payload) {
            Ok(said) => said,
            Err(error) => {
                tracing::warn!(%error, "an announcement cannot be read");
                return;
            }
        };
        let (node, url, leaving) = (said.node, said.url.clone(), said.leaving);
        let now = self.router.now();
        if !self.router.members.lock().heard(said, now) {
            return;
        }
        tracing::info!(%node, url, leaving, "another node is heard");
        // So that whoever has just come need not wait to hear of this one.
        self.announce().await;
    }

    /// Commands from another node: for this node's writer, whoever should write by now.
    fn asked(&self, message: &Message) {
        let asker = message.reply.as_deref().and_then(node_of);
        let Some(asker) = asker else {
            tracing::warn!(subject = %message.subject, "commands from nobody");
            return;
        };
        for asked in wire::items::<Arrived>(&message.payload) {
            let (shard, number) = (asked.shard, asked.number);
            let Some(queue) = self.queues.get(usize::from(shard)) else {
                continue;
            };
            let answers = self.answers.clone();
            let reply = Box::new(move |answer: Answer| {
                let answered = Answered {
                    shard,
                    number,
                    answer,
                };
                answers.push(asker, wire::item(&answered).into());
            });
            let submission = Submission {
                actor: asked.actor,
                command: asked.command,
                id: asked.id,
                happened_ms: asked.happened_ms,
                known: asked.known,
                chain: None,
                trace: asked.trace,
                reply,
            };
            if let Err(refused) = queue.push(submission) {
                let (submission, why) = *refused;
                (submission.reply)(Answer::Unavailable(why.to_owned()));
            }
        }
    }

    fn told(&self, message: &Message) {
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            // Its connection is closed: it has ended, or will begin anew.
            let node = message.subject.rsplit('.').next();
            if let Some(node) = node.and_then(|node| node.parse().ok())
                && self.router.gone(node)
            {
                tracing::warn!(%node, "a node has gone: its shards are written by others");
            }
            return;
        }
        for told in wire::items::<Answered>(&message.payload) {
            self.router.answered(told.shard, told.number, told.answer);
        }
    }

    fn signalled(&self, message: &Message, fanout: &Fanout) {
        let Signalled {
            node,
            doing,
            conversation,
            user,
            active,
        } = match postcard::from_bytes(&message.payload) {
            Ok(signalled) => signalled,
            Err(_) => return,
        };
        if node == self.config.node {
            return;
        }
        if let Err(error) = fanout.signal(doing, conversation, &user, active) {
            tracing::debug!(%error, "sessions could not be told what somebody does");
        }
    }

    async fn send_commands(&self) {
        let me = self.config.node;
        for (node, message) in self.router.commands.messages() {
            let subject = self.subject(&format!("node.{node}.commands"));
            let reply = self.subject(&format!("node.{me}.answers.{node}"));
            let sent = self
                .config
                .client
                .publish_with_reply(subject, reply, message);
            if let Err(error) = sent.await {
                tracing::debug!(%error, "commands cannot be sent");
            }
        }
    }

    async fn send_answers(&self) {
        let me = self.config.node;
        for (node, message) in self.answers.messages() {
            let subject = self.subject(&format!("node.{node}.answers.{me}"));
            self.publish(subject, message).await;
        }
    }
}

/// The node that a subject of answers is for: `<prefix>.node.<node>.answers.<other>`.
fn node_of(subject: &str) -> Option<Uuid> {
    subject.split('.').nth(2)?.parse().ok()
}

/// How long a node that leaves waits for what is on its way to it.
pub(crate) const LEAVE: Duration = Duration::from_millis(200);
