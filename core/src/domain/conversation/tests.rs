//! The rules of a conversation, one file for each part of them.

use super::{super::event::Role, *};

mod cursors;
mod membership;
mod messages;
mod reactions;
mod start;

/// A conversation of which everything is loaded, and what stands beside it.
struct Talk {
    state: Conversation,
    limits: Limits,
    /// Whether the other one of a direct conversation is blocked by whoever asks.
    blocked: bool,
}

impl Talk {
    fn unborn() -> Talk {
        let state = Conversation::new(ConversationId(uuid::Uuid::from_u128(7)));
        Talk {
            state,
            limits: Limits::default(),
            blocked: false,
        }
    }

    /// `ann` and `bob`.
    fn direct() -> Talk {
        let mut talk = Talk::unborn();
        talk.run("ann", start_direct("ann", "bob", ""));
        talk
    }

    /// `olga` owns it, `mod` moderates it, `ann` and `bob` are members.
    fn group() -> Talk {
        Talk::group_with(false, 0)
    }

    fn group_with(history_from_start: bool, max_members: u32) -> Talk {
        let mut talk = Talk::unborn();
        let members = ["ann", "bob", "mod"].map(user).to_vec();
        let title = "Garden".to_owned();
        talk.run(
            "olga",
            ConversationCommand::CreateGroup {
                title,
                members,
                history_from_start,
                max_members,
            },
        );
        talk.run("olga", set_role("mod", Role::Moderator));
        talk
    }

    /// What a command would make happen.
    fn ask(&self, actor: &str, command: ConversationCommand) -> Result<Vec<Event>, Refusal> {
        let actor = user(actor);
        let context = Context {
            actor: &actor,
            limits: &self.limits,
            blocked: self.blocked,
        };
        self.state.decide(&context, command)
    }

    /// Makes it happen, and says what did.
    fn run(&mut self, actor: &str, command: ConversationCommand) -> Vec<Event> {
        let events = self.ask(actor, command).expect("the command is accepted");
        for event in &events {
            self.state.evolve(&user(actor), event);
        }
        events
    }

    /// Posts `count` messages.
    fn posts(&mut self, actor: &str, count: usize) {
        for n in 0..count {
            self.run(actor, post(&format!("message {n}")));
        }
    }

    fn head(&self) -> &Head {
        self.state.head.as_ref().expect("started")
    }

    fn member(&self, who: &str) -> &Member {
        self.state.members[who].as_ref().expect("a member once")
    }

    /// The messages somebody may see.
    fn seen_by(&self, who: &str) -> Vec<u64> {
        (1..=self.head().last_seq)
            .filter(|seq| self.member(who).sees(*seq))
            .collect()
    }
}

fn user(id: &str) -> UserId {
    UserId::new(id).expect("a user id")
}

fn start_direct(a: &str, b: &str, context: &str) -> ConversationCommand {
    ConversationCommand::StartDirect {
        pair: (user(a), user(b)),
        context: context.to_owned(),
    }
}

fn post(text: &str) -> ConversationCommand {
    reply(text, 0)
}

fn reply(text: &str, reply_to: u64) -> ConversationCommand {
    ConversationCommand::Post {
        text: text.to_owned(),
        reply_to,
        mentions: Vec::new(),
    }
}

fn mention(text: &str, mentions: &[&str]) -> ConversationCommand {
    let mentions = mentions.iter().map(|id| user(id)).collect();
    ConversationCommand::Post {
        text: text.to_owned(),
        reply_to: 0,
        mentions,
    }
}

fn edit(seq: u64, text: &str) -> ConversationCommand {
    ConversationCommand::Edit {
        seq,
        text: text.to_owned(),
        mentions: Vec::new(),
    }
}

fn retract(seq: u64) -> ConversationCommand {
    ConversationCommand::Retract { seq }
}

fn react(seq: u64, reaction: &str) -> ConversationCommand {
    ConversationCommand::React {
        seq,
        reaction: reaction.to_owned(),
    }
}

fn unreact(seq: u64, reaction: &str) -> ConversationCommand {
    ConversationCommand::Unreact {
        seq,
        reaction: reaction.to_owned(),
    }
}

fn add(users: &[&str]) -> ConversationCommand {
    ConversationCommand::AddMembers {
        users: users.iter().map(|id| user(id)).collect(),
    }
}

fn remove(id: &str) -> ConversationCommand {
    ConversationCommand::RemoveMember { user: user(id) }
}

fn leave() -> ConversationCommand {
    ConversationCommand::Leave { force: false }
}

fn set_role(id: &str, role: Role) -> ConversationCommand {
    ConversationCommand::SetRole {
        user: user(id),
        role,
    }
}

fn set_title(title: &str) -> ConversationCommand {
    ConversationCommand::SetTitle {
        title: title.to_owned(),
    }
}

fn cursors(read: u64, delivered: u64) -> ConversationCommand {
    ConversationCommand::MoveCursors { read, delivered }
}

/// One of every command that only members may give.
fn members_commands() -> Vec<ConversationCommand> {
    vec![
        post("hello"),
        reply("hello", 1),
        edit(1, "hello"),
        retract(1),
        react(1, "+1"),
        unreact(1, "+1"),
        cursors(1, 1),
        leave(),
        add(&["zoe"]),
        remove("bob"),
        set_role("bob", Role::Moderator),
        set_title("Another"),
    ]
}
