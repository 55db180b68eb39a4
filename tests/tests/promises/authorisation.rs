//! Who may ask what: every request of the protocol, by everyone there is.
//!
//! A stranger gets, word for word, the answer that a conversation gets that does not exist.

use tidings_protocol::{
    ClientFrame,
    event::Kind,
    frame::{Outcome, Request},
};
use tidings_tests::{Session, Way, World, ask, history, session::Raw, token, wait};
use uuid::Uuid;

on_both_logs! {
    a_group_answers_everyone_as_they_deserve,
    a_direct_conversation_is_between_two,
    a_blocked_user_sees_no_difference,
    whoever_has_not_said_hello_gets_nothing,
}

/// Who asks. Each is a user of that name in every stage.
const PEOPLE: [&str; 6] = [
    "owner",
    "moderator",
    "member",
    "left",
    "removed",
    "stranger",
];

/// A group in which everyone of [`PEOPLE`] has posted while they were in it: message n is by the n-th
/// of them, and message 6 came after two had gone.
struct Stage {
    group: Uuid,
}

const LAST: u64 = 6;

/// What is asked: by the name of who asks, on a stage.
type Ask = fn(&str, Uuid) -> Request;

/// A request and what each of [`PEOPLE`] is answered: a code, or the name of the outcome.
struct Row(&'static str, Ask, [&'static str; 6]);

/// Number of the message that somebody has posted.
fn own(who: &str) -> u64 {
    (1..)
        .zip(PEOPLE)
        .find(|(_, name)| *name == who)
        .map_or(0, |(seq, _)| seq)
}

/// A member whom nobody else acts on.
fn victim(who: &str) -> String {
    format!("victim-of-{who}")
}

/// Commands that every present member may give.
const MEMBERS: [&str; 6] = [
    "accepted",
    "accepted",
    "accepted",
    "not_member",
    "not_member",
    "not_found",
];
/// Commands of owners and moderators.
const MODERATORS: [&str; 6] = [
    "accepted",
    "accepted",
    "forbidden",
    "not_member",
    "not_member",
    "not_found",
];
/// Commands of owners.
const OWNERS: [&str; 6] = [
    "accepted",
    "forbidden",
    "forbidden",
    "not_member",
    "not_member",
    "not_found",
];
/// Signals of present members.
const SIGNALS: [&str; 6] = [
    "pong",
    "pong",
    "pong",
    "not_member",
    "not_member",
    "not_found",
];

const ROWS: &[Row] = &[
    Row(
        "add_members",
        |who, g| ask::add(g, &[&format!("new-of-{who}")]),
        MODERATORS,
    ),
    Row(
        "remove_member",
        |who, g| ask::remove(g, &victim(who)),
        MODERATORS,
    ),
    Row(
        "remove a moderator",
        |_, g| ask::remove(g, "other-moderator"),
        [
            "accepted",
            "forbidden",
            "forbidden",
            "not_member",
            "not_member",
            "not_found",
        ],
    ),
    Row(
        "remove somebody who is no member",
        |_, g| ask::remove(g, "nobody"),
        [
            "not_found",
            "not_found",
            "forbidden",
            "not_member",
            "not_member",
            "not_found",
        ],
    ),
    Row(
        "remove oneself",
        |who, g| ask::remove(g, who),
        [
            "invalid",
            "invalid",
            "forbidden",
            "not_member",
            "not_member",
            "not_found",
        ],
    ),
    Row(
        "leave",
        |_, g| ask::leave(g),
        [
            "last_owner",
            "accepted",
            "accepted",
            "not_member",
            "not_member",
            "not_found",
        ],
    ),
    Row(
        "set_role",
        |who, g| ask::role(g, &victim(who), "moderator"),
        OWNERS,
    ),
    Row(
        "make oneself owner",
        |who, g| ask::role(g, who, "owner"),
        OWNERS,
    ),
    Row(
        "demote the last owner",
        |_, g| ask::role(g, "owner", "member"),
        [
            "last_owner",
            "forbidden",
            "forbidden",
            "not_member",
            "not_member",
            "not_found",
        ],
    ),
    Row("set_title", |who, g| ask::title(g, who), MODERATORS),
    Row(
        "set_muted",
        |_, g| ask::mute(g, true),
        // Muting is of one's own list, in which a conversation one has left is not found.
        [
            "accepted",
            "accepted",
            "accepted",
            "not_found",
            "not_found",
            "not_found",
        ],
    ),
    Row("post_message", |who, g| ask::post(g, who), MEMBERS),
    Row(
        "edit one's own",
        |who, g| ask::edit(g, own(who), "edited"),
        MEMBERS,
    ),
    Row(
        "edit another's",
        |who, g| ask::edit(g, own(who) % 3 + 1, "edited"),
        [
            "forbidden",
            "forbidden",
            "forbidden",
            "not_member",
            "not_member",
            "not_found",
        ],
    ),
    Row(
        "retract one's own",
        |who, g| ask::retract(g, own(who)),
        MEMBERS,
    ),
    Row(
        "retract another's",
        |who, g| ask::retract(g, own(who) % 3 + 1),
        MODERATORS,
    ),
    Row("add_reaction", |_, g| ask::react(g, LAST, "+1"), MEMBERS),
    Row(
        "remove_reaction",
        |_, g| ask::unreact(g, LAST, "+1"),
        MEMBERS,
    ),
    Row("mark_read", |_, g| ask::read(g, LAST), SIGNALS),
    Row("typing", |_, g| ask::typing(g, true), SIGNALS),
    Row(
        "get_conversation",
        |_, g| ask::conversation(g),
        [
            "conversation",
            "conversation",
            "conversation",
            "conversation",
            "conversation",
            "not_found",
        ],
    ),
    Row(
        "list_messages",
        |_, g| ask::latest(g, 10),
        [
            "messages",
            "messages",
            "messages",
            "messages",
            "messages",
            "not_found",
        ],
    ),
    Row(
        "list_members",
        |_, g| ask::members(g),
        [
            "members",
            "members",
            "members",
            "not_member",
            "not_member",
            "not_found",
        ],
    ),
    Row(
        "get_receipts",
        |_, g| ask::receipts(g, 1),
        [
            "receipts",
            "receipts",
            "receipts",
            "not_member",
            "not_member",
            "not_found",
        ],
    ),
    Row(
        "get_message",
        |_, g| ask::message(g, 1),
        [
            "message",
            "message",
            "message",
            "message",
            "message",
            "not_found",
        ],
    ),
    Row(
        "get_message after leaving",
        |_, g| ask::message(g, LAST),
        [
            "message",
            "message",
            "message",
            "not_found",
            "not_found",
            "not_found",
        ],
    ),
];

/// A request about no conversation: its name, the request of a user, its answer.
type Own = (&'static str, fn(&str) -> Request, &'static str);

/// Requests that are about no conversation: everybody may.
const OWN: &[Own] = &[
    ("ping", |_| ask::ping(), "pong"),
    ("ack", |_| ask::ack(1, 0), "pong"),
    ("renew_token", |who| ask::renew(&token::of(who)), "pong"),
    ("list_blocked", |_| ask::blocked(), "blocked"),
    (
        "list_conversations",
        |_| ask::conversations(),
        "conversations",
    ),
    ("get_unread", |_| ask::unread(), "unread"),
    ("start_direct", |_| ask::direct("somebody"), "accepted"),
    (
        "create_group",
        |_| ask::group("a group", &["somebody"]),
        "accepted",
    ),
    ("block_user", |_| ask::block("somebody else"), "accepted"),
    (
        "unblock_user",
        |_| ask::unblock("somebody else"),
        "accepted",
    ),
];

/// The refusal's code, or the outcome's name.
fn name(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Error(error) => &error.code,
        Outcome::Accepted(_) => "accepted",
        Outcome::Pong(_) => "pong",
        Outcome::Conversations(_) => "conversations",
        Outcome::Conversation(_) => "conversation",
        Outcome::Messages(_) => "messages",
        Outcome::Members(_) => "members",
        Outcome::Receipts(_) => "receipts",
        Outcome::Message(_) => "message",
        Outcome::Blocked(_) => "blocked",
        Outcome::Unread(_) => "unread",
    }
}

async fn stage(people: &mut [Session]) -> Stage {
    let [owner, moderator, member, left, removed, _] = people else {
        panic!("six people");
    };
    let victims = PEOPLE.map(victim);
    let mut members: Vec<_> = PEOPLE[1..5].to_vec();
    members.extend(victims.iter().map(String::as_str));
    members.push("other-moderator");
    let group = owner.start(ask::group("a group", &members)).await;
    owner
        .command(ask::role(group, "moderator", "moderator"))
        .await;
    owner
        .command(ask::role(group, "other-moderator", "moderator"))
        .await;
    owner.command(ask::post(group, "one")).await;
    moderator.command(ask::post(group, "two")).await;
    member.command(ask::post(group, "three")).await;
    left.command(ask::post(group, "four")).await;
    removed.command(ask::post(group, "five")).await;
    left.command(ask::leave(group)).await;
    owner.command(ask::remove(group, "removed")).await;
    let last = owner.command(ask::post(group, "six")).await;
    assert_eq!(last.seq, LAST);
    Stage { group }
}

async fn a_group_answers_everyone_as_they_deserve(world: World) {
    let server = world.start().await;
    let mut people = Vec::new();
    for (who, way) in PEOPLE.iter().zip(Way::ALL.iter().cycle()) {
        people.push(Session::open(&server, *way, who).await);
    }
    let mut wrong = Vec::new();
    for Row(what, request, expected) in ROWS {
        let Stage { group } = stage(&mut people).await;
        // Those who may least come first: what they ask changes nothing for the others.
        for ((who, expected), session) in PEOPLE.iter().zip(expected).zip(&mut people).rev() {
            let request = request(who, group);
            let outcome = session.command_as(Uuid::now_v7(), request).await;
            if name(&outcome) != *expected {
                wrong.push(format!("{what} by {who}: {outcome:?}, not {expected}"));
            }
        }
        let stranger = people.last_mut().unwrap();
        let existing = stranger
            .command_as(Uuid::now_v7(), request("stranger", group))
            .await;
        let nowhere = request("stranger", Uuid::now_v7());
        let nonexistent = stranger.command_as(Uuid::now_v7(), nowhere).await;
        if existing != nonexistent {
            wrong.push(format!(
                "{what}: {existing:?} where it exists, else {nonexistent:?}"
            ));
        }
        let Outcome::Conversations(listed) = stranger.ask(ask::conversations()).await else {
            panic!("no list");
        };
        assert_eq!(listed.conversations, [], "{what}");
    }
    for (what, request, expected) in OWN {
        for (who, session) in PEOPLE.iter().zip(&mut people) {
            let outcome = session.command_as(Uuid::now_v7(), request(who)).await;
            if name(&outcome) != *expected {
                wrong.push(format!("{what} by {who}: {outcome:?}, not {expected}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_request_is_asked() {
    let mut asked: Vec<String> = ROWS
        .iter()
        .map(|Row(_, ask, _)| ask("owner", Uuid::nil()))
        .map(kind)
        .collect();
    asked.extend(OWN.iter().map(|(_, ask, _)| kind(ask("owner"))));
    asked.push("hello".to_owned());
    asked.sort();
    asked.dedup();
    let mut all: Vec<String> = every_request().map(kind).to_vec();
    all.sort();
    assert_eq!(asked, all);
}

/// A request's name on the wire.
fn kind(request: Request) -> String {
    let frame = serde_json::to_value(ClientFrame {
        request: Some(request),
        ..Default::default()
    });
    let frame = frame.unwrap();
    frame["request"]
        .as_object()
        .unwrap()
        .keys()
        .next()
        .unwrap()
        .clone()
}

/// One of each. A request that is added to the protocol fails the match below.
fn every_request() -> [Request; 29] {
    let id = Uuid::nil();
    let all = [
        Request::Hello(ask::hello("")),
        ask::ping(),
        ask::renew(""),
        ask::ack(0, 0),
        ask::direct(""),
        ask::group("", &[]),
        ask::add(id, &[]),
        ask::remove(id, ""),
        ask::leave(id),
        ask::role(id, "", ""),
        ask::title(id, ""),
        ask::mute(id, true),
        ask::post(id, ""),
        ask::edit(id, 0, ""),
        ask::retract(id, 0),
        ask::react(id, 0, ""),
        ask::unreact(id, 0, ""),
        ask::read(id, 0),
        ask::typing(id, true),
        ask::block(""),
        ask::unblock(""),
        ask::blocked(),
        ask::conversations(),
        ask::conversation(id),
        ask::latest(id, 0),
        ask::members(id),
        ask::receipts(id, 0),
        ask::message(id, 0),
        ask::unread(),
    ];
    match &all[0] {
        Request::Hello(_)
        | Request::Ping(_)
        | Request::RenewToken(_)
        | Request::Ack(_)
        | Request::StartDirect(_)
        | Request::CreateGroup(_)
        | Request::AddMembers(_)
        | Request::RemoveMember(_)
        | Request::Leave(_)
        | Request::SetRole(_)
        | Request::SetTitle(_)
        | Request::SetMuted(_)
        | Request::PostMessage(_)
        | Request::EditMessage(_)
        | Request::RetractMessage(_)
        | Request::AddReaction(_)
        | Request::RemoveReaction(_)
        | Request::MarkRead(_)
        | Request::Typing(_)
        | Request::BlockUser(_)
        | Request::UnblockUser(_)
        | Request::ListBlocked(_)
        | Request::ListConversations(_)
        | Request::GetConversation(_)
        | Request::ListMessages(_)
        | Request::ListMembers(_)
        | Request::GetReceipts(_)
        | Request::GetMessage(_)
        | Request::GetUnread(_) => all,
    }
}

async fn a_direct_conversation_is_between_two(world: World) {
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketJson, "ann").await;
    let mut eve = Session::open(&server, Way::QuicProtobuf, "eve").await;
    let direct = ann.start(ask::direct("ben")).await;
    ann.command(ask::post(direct, "between us")).await;
    type About = (fn(Uuid) -> Request, &'static str);
    let requests: [About; 16] = [
        (|id| ask::add(id, &["carl"]), "wrong_kind"),
        (|id| ask::remove(id, "ben"), "wrong_kind"),
        (|id| ask::leave(id), "wrong_kind"),
        (|id| ask::role(id, "ben", "owner"), "wrong_kind"),
        (|id| ask::title(id, "ours"), "wrong_kind"),
        (|id| ask::mute(id, true), "accepted"),
        (|id| ask::post(id, "hello"), "accepted"),
        (|id| ask::edit(id, 1, "edited"), "accepted"),
        (|id| ask::react(id, 1, "+1"), "accepted"),
        (|id| ask::read(id, 1), "pong"),
        (|id| ask::typing(id, true), "pong"),
        (|id| ask::conversation(id), "conversation"),
        (|id| ask::latest(id, 10), "messages"),
        (|id| ask::members(id), "members"),
        (|id| ask::receipts(id, 1), "receipts"),
        (|id| ask::message(id, 1), "message"),
    ];
    for (request, expected) in requests {
        let hers = eve.command_as(Uuid::now_v7(), request(direct)).await;
        let nowhere = eve
            .command_as(Uuid::now_v7(), request(Uuid::now_v7()))
            .await;
        assert_eq!(name(&hers), "not_found", "{:?}", request(direct));
        assert_eq!(hers, nowhere, "{:?}", request(direct));
        let own = ann.command_as(Uuid::now_v7(), request(direct)).await;
        assert_eq!(name(&own), expected, "{:?}: {own:?}", request(direct));
    }
    let own = ann.command_as(Uuid::now_v7(), ask::direct("ann")).await;
    assert_eq!(name(&own), "invalid");
}

async fn a_blocked_user_sees_no_difference(world: World) {
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketProtobuf, "ann").await;
    let mut ben = Session::open(&server, Way::WebSocketProtobuf, "ben").await;
    let mut cleo = Session::open(&server, Way::QuicProtobuf, "cleo").await;
    let with_ben = ann.start(ask::direct("ben")).await;
    let with_cleo = ann.start(ask::direct("cleo")).await;
    let group = ann.start(ask::group("three", &["ben", "cleo"])).await;
    ann.command(ask::post(with_ben, "before")).await;
    ann.command(ask::post(with_cleo, "before")).await;
    let blocking = ann.command(ask::block("ben")).await;

    // Whatever Ben asks is answered as it is to Cleo, who is not blocked.
    let requests: [fn(Uuid) -> Request; 12] = [
        |_| ask::direct("ann"),
        |id| ask::post(id, "after"),
        |id| ask::edit(id, 2, "after, edited"),
        |id| ask::react(id, 1, "+1"),
        |id| ask::read(id, 1),
        |id| ask::typing(id, true),
        |id| ask::latest(id, 10),
        |id| ask::message(id, 1),
        |id| ask::members(id),
        |id| ask::mute(id, true),
        |id| ask::retract(id, 2),
        |_| ask::unread(),
    ];
    for request in requests {
        let his = ben.command_as(Uuid::now_v7(), request(with_ben)).await;
        let hers = cleo.command_as(Uuid::now_v7(), request(with_cleo)).await;
        let words = |outcome: &Outcome| {
            let seqs: Vec<_> = match outcome {
                Outcome::Messages(page) => page.messages.iter().map(|m| m.text.clone()).collect(),
                Outcome::Accepted(accepted) => vec![accepted.seq.to_string()],
                _ => Vec::new(),
            };
            (name(outcome).to_owned(), seqs)
        };
        assert_eq!(words(&his), words(&hers), "{:?}", request(with_ben));
    }
    let held = ben.command(ask::post(with_ben, "do you hear me?")).await;
    ben.command(ask::post(group, "hello, you two")).await;
    let heard = cleo.command(ask::post(with_cleo, "do you hear me?")).await;

    // Ann hears Cleo, and of Ben nothing, live or later.
    let mut told = Vec::new();
    loop {
        let event = ann.event().await;
        match &event.kind {
            Some(Kind::MessagePosted(message)) => {
                assert!(message.author != "ben", "{event:?}");
                told.push((event.position, message.author.clone()));
            }
            Some(Kind::MessageEdited(_) | Kind::MessageRetracted(_)) => {
                assert!(event.actor != "ben", "{event:?}");
            }
            _ => {}
        }
        // The commit that holds it may hold cursors too, before it.
        if told.contains(&(heard.position, "cleo".to_owned())) {
            break;
        }
        assert!(event.position <= heard.position, "{told:?}");
    }
    let seen = history::all(&mut ann, with_ben).await;
    assert!(
        seen.iter().all(|message| message.author == "ann"),
        "{seen:?}"
    );
    assert_eq!(history::conversation(&mut ann, with_ben).await.unread, 0);
    assert_eq!(history::all(&mut ann, group).await, []);
    let in_group = history::all(&mut cleo, group).await;
    assert_eq!(in_group[0].text, "hello, you two", "others see him");
    let theirs = history::all(&mut ben, with_ben).await;
    assert_eq!(theirs.last().map(|message| message.seq), Some(held.seq));

    // Nor does she write to him, or begin anew with him, before she unblocks him.
    for request in [ask::post(with_ben, "but I do"), ask::direct("ben")] {
        let refused = ann.command_as(Uuid::now_v7(), request).await;
        assert_eq!(name(&refused), "blocked_by_you", "{refused:?}");
    }
    let unblocking = ann.command(ask::unblock("ben")).await;
    assert!(unblocking.position > blocking.position);
    ann.command(ask::post(with_ben, "there you are")).await;
    // What was held comes with it.
    wait::becomes("what Ben wrote is seen", &true, async || {
        let mut fresh = Session::open(&server, Way::WebSocketJson, "ann").await;
        let seen = history::all(&mut fresh, with_ben).await;
        seen.iter().any(|message| message.seq == held.seq)
    })
    .await;
}

async fn whoever_has_not_said_hello_gets_nothing(world: World) {
    let server = world.start().await;
    for (request, way) in every_request()
        .into_iter()
        .skip(1)
        .zip(Way::ALL.iter().cycle())
    {
        let mut raw = Raw::connect(&server, *way).await;
        let frame = ClientFrame {
            id: 7,
            command_id: tidings_protocol::id::to_wire(Uuid::now_v7()),
            request: Some(request.clone()),
        };
        raw.sender.send(&frame).await.unwrap();
        let closed = raw.closed().await;
        let codes: Vec<_> = closed
            .refusals
            .iter()
            .map(|error| error.code.as_str())
            .collect();
        assert_eq!(codes, ["not_ready"], "{way:?}: {request:?}");
        assert_eq!(
            (closed.name(), closed.code()),
            ("protocol", Some(4000)),
            "{way:?}: {request:?}"
        );
        assert!(!closed.closing.unwrap().reconnect);
    }
}
