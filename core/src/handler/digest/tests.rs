//! The digests of one command of every sort, which stand in logs.

use uuid::Uuid;

use super::digest;
use crate::domain::{
    Command, ConversationCommand, ConversationId, UserCommand, UserId, command::Held, event::Role,
};

fn user(id: &str) -> UserId {
    UserId::new(id).expect("a user id")
}

fn commands() -> Vec<(&'static str, Command)> {
    use ConversationCommand as C;
    let id = ConversationId(Uuid::from_u128(0x0123_4567_89ab_cdef_fedc_ba98_7654_3210));
    let to = |command| Command::Conversation(id, command);
    let text = || "Hello, wörld".to_owned();
    let mentions = || vec![user("ann"), user("bob")];
    let (title, members) = ("Garden".to_owned(), mentions());
    let pair = (user("ann"), user("bob"));
    let create = C::CreateGroup {
        title,
        members,
        history_from_start: true,
        max_members: 300,
    };
    vec![
        (
            "start_direct",
            to(C::StartDirect {
                pair,
                context: "listing 4".to_owned(),
            }),
        ),
        ("create_group", to(create)),
        ("add_members", to(C::AddMembers { users: mentions() })),
        ("remove_member", to(C::RemoveMember { user: user("ann") })),
        ("join", to(C::Join)),
        ("leave", to(C::Leave { force: false })),
        (
            "set_role",
            to(C::SetRole {
                user: user("ann"),
                role: Role::Moderator,
            }),
        ),
        (
            "set_title",
            to(C::SetTitle {
                title: "Park".to_owned(),
            }),
        ),
        (
            "post",
            to(C::Post {
                text: text(),
                reply_to: 200,
                mentions: mentions(),
            }),
        ),
        (
            "edit",
            to(C::Edit {
                seq: 201,
                text: text(),
                mentions: mentions(),
            }),
        ),
        ("retract", to(C::Retract { seq: 202 })),
        (
            "react",
            to(C::React {
                seq: 203,
                reaction: "🎉".to_owned(),
            }),
        ),
        (
            "unreact",
            to(C::Unreact {
                seq: 204,
                reaction: "🎉".to_owned(),
            }),
        ),
        (
            "move_cursors",
            to(C::MoveCursors {
                read: 205,
                delivered: 206,
            }),
        ),
        ("settle", to(settle("held text"))),
        (
            "reviewed",
            Command::Reviewed(Box::new(crate::domain::Reviewed {
                command: to(C::Retract { seq: 202 }),
                digest: 7,
                reviews: Vec::new(),
            })),
        ),
        (
            "set_muted",
            Command::User(UserCommand::SetMuted {
                conversation: id,
                muted: true,
            }),
        ),
        (
            "block",
            Command::User(UserCommand::Block { user: user("bob") }),
        ),
        (
            "unblock",
            Command::User(UserCommand::Unblock { user: user("bob") }),
        ),
        ("set_profile", set_profile(None)),
        ("remove_profile", Command::User(UserCommand::RemoveProfile)),
        ("erase", Command::User(UserCommand::Erase)),
        (
            "queue_toast",
            Command::User(UserCommand::QueueToast(Box::new(crate::domain::NewToast {
                source: "likes".to_owned(),
                collapse: Some("today".to_owned()),
                title: text(),
                body: text(),
                link: Some("/people/bob".to_owned()),
                about_user: Some(user("bob")),
                about_conversation: Some(id),
                expires_ms: Some(1_700_000_000_123),
            }))),
        ),
        (
            "see_toasts",
            Command::User(UserCommand::SeeToasts {
                toasts: vec![3, 300],
            }),
        ),
        (
            "set_badge",
            Command::User(UserCommand::SetBadge {
                source: "likes".to_owned(),
                name: "new".to_owned(),
                count: 300,
            }),
        ),
        (
            "app_event",
            Command::AppEvent {
                subject: user("bob"),
                kind: "like".to_owned(),
                payload: "{}".to_owned(),
            },
        ),
    ]
}

fn settle(text: &str) -> ConversationCommand {
    ConversationCommand::Settle {
        held: 207,
        by: crate::domain::Settler::Moderator(user("bob")),
        release: Some(Box::new(Held {
            edits: 0,
            text: text.to_owned(),
            mentions: Vec::new(),
        })),
        reason: String::new(),
    }
}

#[test]
fn what_is_held_is_no_part_of_settling_it() {
    let of = |text| {
        let id = ConversationId(uuid::Uuid::nil());
        digest(&Command::Conversation(id, settle(text)))
    };
    assert_eq!(of("held text"), of(""));
}

/// What has been written. Add to it; a line that has to change breaks every retry in flight across
/// the upgrade that changes it.
const WRITTEN: &[(&str, u32)] = &[
    ("start_direct", 0xc9b442b7),
    ("create_group", 0xf2895494),
    ("add_members", 0xcc9b9374),
    ("remove_member", 0x9ac9c082),
    ("join", 0xfdd2ec71),
    ("leave", 0xece64d8a),
    ("set_role", 0xf6e46564),
    ("set_title", 0x87436733),
    ("post", 0xa5fb0a89),
    ("edit", 0x204f5b72),
    ("retract", 0x92cd2b91),
    ("react", 0x5967f6c8),
    ("unreact", 0x9605c15f),
    ("move_cursors", 0x88b6ecd6),
    ("settle", 0xa2489f44),
    ("reviewed", 7),
    ("set_muted", 0x3d02715a),
    ("block", 0x5fc19c0a),
    ("unblock", 0x1861e6da),
    ("set_profile", 0x069d60e3),
    ("remove_profile", 0x5619ab8c),
    ("erase", 0x211e9b1a),
    ("queue_toast", 0x3a21dac4),
    ("see_toasts", 0x49bda70c),
    ("set_badge", 0xb34056a0),
    ("app_event", 0xa631b659),
];

#[test]
fn digests_never_change() {
    let found: Vec<_> = commands()
        .iter()
        .map(|(name, command)| (*name, digest(command)))
        .collect();
    assert_eq!(found, WRITTEN);
}

#[test]
fn everything_a_command_asks_counts() {
    let post = |text: &str, reply_to, mentions| {
        let command = ConversationCommand::Post {
            text: text.to_owned(),
            reply_to,
            mentions,
        };
        digest(&Command::Conversation(ConversationId(Uuid::nil()), command))
    };
    let one = post("hello", 0, vec![]);
    assert_eq!(one, post("hello", 0, vec![]));
    assert_ne!(one, post("hello!", 0, vec![]));
    assert_ne!(one, post("hello", 1, vec![]));
    assert_ne!(one, post("hello", 0, vec![user("ann")]));
}

fn set_profile(same_as: Option<(u64, u32)>) -> Command {
    Command::User(UserCommand::SetProfile {
        attributes: Some("{}".to_owned()),
        hidden: Some(false),
        same_as,
    })
}

#[test]
fn what_has_been_seen_is_no_part_of_what_is_asked() {
    assert_eq!(
        digest(&set_profile(None)),
        digest(&set_profile(Some((7, 1))))
    );
}
