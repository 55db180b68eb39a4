//! What a hook is called about: made of a step, with all that a server would add to it.

use serde_json::{Map, Value, json};
use tidings_extension_host::input::{
    Absence, Draft, DraftKind, Event, Firing, Invocation, Missed, Page, Person, Place, Transition,
};
use tidings_extension_host::{Hook, Message};
use tidings_extension_manifest::Manifest;

use super::duration::duration;
use super::fixture::{
    AbsenceStep, CommandStep, DraftStep, EventStep, FireStep, PageStep, TransitionStep,
};
use super::given::presence;
use crate::world::{Involved, Timer, World};

/// The most bytes of a text in the place of another one: the server's own limit if nothing is set.
const TEXT_BYTES: usize = 16 << 10;

/// What a hook is called about.
#[derive(Debug, Clone)]
pub(super) struct Occasion {
    /// Names it: what is recorded about it is recorded once.
    pub(super) id: String,
    pub(super) about: Subject,
    pub(super) involved: Involved,
}

#[derive(Debug, Clone)]
pub(super) enum Subject {
    Draft(Draft),
    Event(Event),
    Transition(Transition),
    Absence(Absence),
    Firing(Firing),
    Invocation(Invocation),
    Page(Page),
}

impl Subject {
    pub(super) fn hook(&self) -> Hook {
        match self {
            Self::Draft(_) => Hook::Moderation,
            Self::Event(_) => Hook::Reactor,
            Self::Transition(_) => Hook::PresenceWatcher,
            Self::Absence(_) => Hook::Recall,
            Self::Firing(_) => Hook::Timer,
            Self::Invocation(_) => Hook::Command,
            Self::Page(_) => Hook::Ranker,
        }
    }
}

/// Makes occasions, numbered in their order.
pub(super) struct Occasions<'a> {
    pub(super) manifest: &'a Manifest,
    pub(super) count: u32,
}

/// An occasion, or why there is none.
type Made = Result<Occasion, String>;

impl Occasions<'_> {
    fn next(&mut self, what: &str) -> String {
        self.count += 1;
        format!("{what}-{}", self.count)
    }

    /// Whether the hook would be called at all.
    fn named(&self, hook: Hook) -> Result<(), String> {
        if self.manifest.hooks().contains(&hook.name()) {
            return Ok(());
        }
        Err(format!(
            "the manifest does not name the hook {hook}, so nothing is called"
        ))
    }

    pub(super) fn draft(&mut self, world: &mut World, step: &DraftStep) -> Made {
        self.named(Hook::Moderation)?;
        let kind = match step.kind.as_str() {
            "message" => DraftKind::Message,
            "edit" => DraftKind::Edit,
            "name" => DraftKind::Name,
            "profile" => DraftKind::Profile,
            other => {
                return Err(format!(
                    "there are no drafts of the kind `{other}`: there are message, edit, name and profile"
                ));
            }
        };
        let kinds = self
            .manifest
            .moderation
            .iter()
            .flat_map(|moderation| &moderation.kinds);
        if !kinds.map(|kind| kind.name()).any(|name| name == step.kind) {
            return Err(format!(
                "moderation.kinds of the manifest does not name `{}`, so nothing is called",
                step.kind
            ));
        }
        let place = match &step.conversation {
            None if kind != DraftKind::Profile => {
                return Err("say in which `conversation`".to_owned());
            }
            None => None,
            Some(id) => {
                let room = room(world, id)?;
                Some(Place {
                    conversation: id.clone(),
                    kind: room.kind.clone(),
                    members: u32::try_from(room.members.len()).unwrap_or(u32::MAX),
                })
            }
        };
        let id = step.id.clone().unwrap_or_else(|| self.next("draft"));
        let users = std::iter::once(step.author.clone()).chain(step.mentions.iter().cloned());
        let involved = Involved::new(world, users, step.conversation.clone());
        let draft = Draft {
            id: id.clone(),
            kind,
            author: step.author.clone(),
            place,
            first_contact: step.first_contact,
            text: step.text.clone(),
            text_limit: TEXT_BYTES,
            reply_to: step.reply_to,
            mentions: step.mentions.clone(),
            attributes: step
                .attributes
                .iter()
                .map(|(name, value)| (name.clone(), texts(value)))
                .collect(),
            details: step
                .detail
                .iter()
                .map(|(name, value)| (name.clone(), text(value)))
                .collect(),
        };
        Ok(Occasion {
            id,
            about: Subject::Draft(draft),
            involved,
        })
    }

    /// What happened is so from now on: a message stands in its conversation, who joined is a member.
    pub(super) fn event(&mut self, world: &mut World, step: &EventStep) -> Made {
        self.named(Hook::Reactor)?;
        if !self.manifest.is_told(&step.kind, step.schema) {
            return Err(format!(
                "reactor.events of the manifest does not name `{}`, so nothing is called",
                step.kind
            ));
        }
        let id = step.id.clone().unwrap_or_else(|| self.next("event"));
        let position = world.next_position();
        let mut payload = step.payload.clone();
        let message = match &step.text {
            Some(text) => Some(posted(world, step, text, &id, &mut payload)?),
            None => told_of(world, step, &payload),
        };
        if let Some(conversation) = &step.conversation {
            follow(world, conversation, &step.kind, &payload)?;
        }
        let users = [
            step.actor.clone(),
            step.subject.clone(),
            field(&payload, "user"),
            field(&payload, "author"),
        ];
        let users = users
            .into_iter()
            .flatten()
            .chain(step.mentions.iter().cloned());
        let involved = Involved::new(world, users, step.conversation.clone());
        let content = self.manifest.grants.content;
        let event = Event {
            id: id.clone(),
            position,
            kind: step.kind.clone(),
            schema: step.schema,
            at: world.now,
            actor: step.actor.clone(),
            subject: step.subject.clone(),
            conversation: step.conversation.clone(),
            payload: Value::Object(shown(payload, &step.kind, content)).to_string(),
            message: message.map(|message| Message {
                text: message.text.filter(|_| content),
                ..message
            }),
        };
        Ok(Occasion {
            id,
            about: Subject::Event(event),
            involved,
        })
    }

    pub(super) fn transition(&mut self, world: &mut World, step: &TransitionStep) -> Made {
        self.named(Hook::PresenceWatcher)?;
        let transition = Transition {
            user: step.user.clone(),
            before: presence(&step.before)?,
            now: presence(&step.now)?,
            since: world.now,
        };
        world.users.entry(step.user.clone()).or_default().presence = transition.now;
        Ok(Occasion {
            id: self.next("transition"),
            involved: Involved::new(world, [step.user.clone()], None),
            about: Subject::Transition(transition),
        })
    }

    pub(super) fn absence(&mut self, world: &World, step: &AbsenceStep) -> Made {
        self.named(Hook::Recall)?;
        let mut conversations = Vec::new();
        for missed in &step.conversations {
            let last = room(world, &missed.conversation)?.messages.last();
            let content = self.manifest.grants.content;
            conversations.push(Missed {
                conversation: missed.conversation.clone(),
                unread: missed.unread,
                mentions: missed.mentions,
                last_message: last.map(|message| Message {
                    text: message.text.clone().filter(|_| content),
                    ..message.clone()
                }),
            });
        }
        let places: Vec<String> = step
            .conversations
            .iter()
            .map(|missed| missed.conversation.clone())
            .collect();
        let absence = Absence {
            user: step.user.clone(),
            since: world.now.saturating_sub(duration(&step.gone)?),
            unread: step.unread,
            conversations,
        };
        Ok(Occasion {
            id: self.next("absence"),
            involved: Involved::new(world, [step.user.clone()], places),
            about: Subject::Absence(absence),
        })
    }

    pub(super) fn command(&mut self, world: &World, step: &CommandStep) -> Made {
        self.named(Hook::Command)?;
        let args = Value::Object(step.args.clone());
        self.manifest
            .check_args(&step.name, &args)
            .map_err(|why| why.to_string())?;
        if let Some(conversation) = &step.conversation
            && !room(world, conversation)?.members.contains(&step.caller)
        {
            return Err(format!(
                "{} is no member of {conversation}, so nothing is called",
                step.caller
            ));
        }
        let invocation = Invocation {
            name: step.name.clone(),
            caller: step.caller.clone(),
            conversation: step.conversation.clone(),
            args: args.to_string(),
        };
        Ok(Occasion {
            id: self.next("command"),
            involved: Involved::new(world, [step.caller.clone()], step.conversation.clone()),
            about: Subject::Invocation(invocation),
        })
    }

    pub(super) fn page(&mut self, world: &World, step: &PageStep) -> Made {
        self.named(Hook::Ranker)?;
        let granted = &self.manifest.grants.attributes;
        let people = step.people.iter().map(|person| {
            let user = world.users.get(&person.user).cloned().unwrap_or_default();
            let private = user
                .private
                .iter()
                .filter(|(name, _)| granted.contains(*name));
            let attributes = user.profile.iter().chain(private);
            Person {
                user: person.user.clone(),
                score: person.score,
                presence: user.presence,
                distance: person.distance,
                attributes: attributes
                    .map(|(name, value)| (name.clone(), value.to_string()))
                    .collect(),
            }
        });
        let page = Page {
            query: step.query.clone(),
            viewer: step.viewer.clone(),
            people: people.collect(),
        };
        let users = step
            .people
            .iter()
            .map(|person| person.user.clone())
            .chain(step.viewer.clone());
        Ok(Occasion {
            id: self.next("page"),
            involved: Involved::new(world, users, None),
            about: Subject::Page(page),
        })
    }

    pub(super) fn fire(&mut self, world: &World, step: &FireStep) -> Made {
        let timer = Timer {
            when: world.now,
            payload: step.payload.clone().into_bytes(),
            subject: step.subject.clone(),
        };
        self.fired(world, step.key.clone(), timer)
    }

    pub(super) fn fired(&mut self, world: &World, key: String, timer: Timer) -> Made {
        self.named(Hook::Timer)?;
        let involved = Involved::new(world, timer.subject.clone(), None);
        let firing = Firing {
            key,
            due: timer.when,
            payload: timer.payload,
            subject: timer.subject,
        };
        Ok(Occasion {
            id: self.next("timer"),
            about: Subject::Firing(firing),
            involved,
        })
    }
}

fn room<'a>(world: &'a World, id: &str) -> Result<&'a crate::world::Room, String> {
    let room = world.conversations.get(id);
    room.ok_or_else(|| format!("there is no conversation `{id}`: write [given.conversations.{id}]"))
}

/// Puts a message into its conversation, and what the event says of it into the payload.
fn posted(
    world: &mut World,
    step: &EventStep,
    text: &str,
    id: &str,
    payload: &mut Map<String, Value>,
) -> Result<Message, String> {
    let (Some(author), Some(conversation)) = (&step.actor, &step.conversation) else {
        return Err("a message has an `actor` and a `conversation`".to_owned());
    };
    room(world, conversation)?;
    let now = world.now;
    let room = world
        .conversations
        .get_mut(conversation)
        .expect("it was looked for");
    let message = room.post(id.to_owned(), conversation, now, author, text);
    message.reply_to = step.reply_to;
    message.mentions.clone_from(&step.mentions);
    payload.insert("seq".to_owned(), json!(message.seq));
    payload.insert("text".to_owned(), json!(text));
    payload.insert("reply_to".to_owned(), json!(step.reply_to.unwrap_or(0)));
    payload.insert("mentions".to_owned(), json!(step.mentions));
    Ok(message.clone())
}

/// The message that an event tells of, as it is now.
fn told_of(world: &World, step: &EventStep, payload: &Map<String, Value>) -> Option<Message> {
    let seq = payload.get("seq")?.as_u64()?;
    let room = world.conversations.get(step.conversation.as_ref()?)?;
    room.messages
        .iter()
        .find(|message| message.seq == seq)
        .cloned()
}

/// What is otherwise in the conversation now.
fn follow(
    world: &mut World,
    conversation: &str,
    kind: &str,
    payload: &Map<String, Value>,
) -> Result<(), String> {
    room(world, conversation)?;
    let room = world
        .conversations
        .get_mut(conversation)
        .expect("it was looked for");
    match (kind, field(payload, "user"), field(payload, "title")) {
        ("member_joined", Some(user), _) => {
            room.members.insert(user);
        }
        ("member_left" | "member_removed", Some(user), _) => {
            room.members.remove(&user);
        }
        ("title_changed", _, Some(title)) => room.title = title,
        _ => {}
    }
    Ok(())
}

/// The payload without what the extension may not read.
fn shown(mut payload: Map<String, Value>, kind: &str, content: bool) -> Map<String, Value> {
    if content {
        return payload;
    }
    if kind.starts_with("app.") || kind.starts_with("ext.") {
        return Map::new();
    }
    payload.retain(|name, _| !["text", "title", "reason", "attributes"].contains(&name.as_str()));
    payload
}

fn field(payload: &Map<String, Value>, name: &str) -> Option<String> {
    payload.get(name)?.as_str().map(str::to_owned)
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(values) => values.iter().map(text).collect(),
        value => vec![text(value)],
    }
}
