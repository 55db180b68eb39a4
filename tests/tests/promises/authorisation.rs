//! Who may ask what: every request of the protocol, by everyone there is. `backend` asks the same of
//! the backend API.
//!
//! A stranger gets, word for word, the answer that a conversation gets that does not exist. What is
//! refused leaves nothing in the log, and whoever is not told of something is not told of it then.

use tidings_protocol::{
    ClientFrame,
    event::Kind,
    frame::{Body, Outcome, Request},
};
use tidings_tests::{Server, Session, Way, World, ask, history, http, session::Raw, token, wait};
use uuid::Uuid;

mod backend;

on_both_logs! {
    a_group_answers_everyone_as_they_deserve,
    a_direct_conversation_is_between_two,
    a_blocked_user_sees_no_difference,
    whoever_has_not_said_hello_gets_nothing,
}

/// Who asks. Each is a user of that name in every stage.
const PEOPLE: [&str; 7] = [
    "owner",
    "moderator",
    "member",
    // A member whom the owner has blocked.
    "blocked",
    "left",
    "removed",
    "stranger",
];

/// A group in which everyone of [`PEOPLE`] has posted while they were in it: message n is by the n-th
/// of them, and the last came after two had gone.
struct Stage {
    group: Uuid,
}

const LAST: u64 = 7;

/// What is asked: by the name of who asks, on a stage.
type Ask = fn(&str, Uuid) -> Request;

/// A request and what owner, moderator, member, left, removed and stranger are answered: a code, or
/// the name of the outcome.
struct Row(&'static str, Ask, [&'static str; 6]);

/// What each of [`PEOPLE`] is answered: who is blocked the same as any member.
fn everyone<T: Copy>([owner, moderator, member, left, removed, stranger]: [T; 6]) -> [T; 7] {
    [owner, moderator, member, member, left, removed, stranger]
}

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
        "settle_held",
        |_, g| ask::settle(g, 7, false, "nothing is held"),
        // A member is not told whether anything is held.
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
        "list_held",
        |_, g| ask::held(g),
        [
            "held",
            "held",
            "held",
            "not_member",
            "not_member",
            "not_found",
        ],
    ),
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
    Row("typing", |_, g| ask::typing(g, true), SIGNALS),
    Row("look", |_, g| ask::look(g), SIGNALS),
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
    // Last, for it is recorded a moment later.
    Row("mark_read", |_, g| ask::read(g, LAST), SIGNALS),
];

/// A request about no conversation: its name, the request of a user, its answer.
type Own = (&'static str, fn(&str) -> Request, &'static str);

/// Requests that are about no conversation: everybody may.
const OWN: &[Own] = &[
    ("ping", |_| ask::ping(), "pong"),
    ("ack", |_| ask::ack(1, 0), "pong"),
    ("renew_token", |who| ask::renew(&token::of(who)), "pong"),
    ("list_blocked", |_| ask::blocked(), "blocked"),
    ("list_contacts", |_| ask::contacts(), "contacts"),
    ("see_toasts", |_| ask::see(&[1]), "accepted"),
    (
        "list_notifications",
        |_| ask::notifications(),
        "notifications",
    ),
    ("invoke", |_| ask::invoke("nobody", "x", "{}"), "not_found"),
    ("search_people", |_| ask::people(""), "people"),
    ("watch_people", |_| ask::watch_people(""), "people"),
    ("unwatch_people", |_| ask::unwatch_people(), "pong"),
    (
        "search_messages",
        |_| ask::search_messages("", ""),
        "found_messages",
    ),
    ("get_profiles", |who| ask::profiles(&[who]), "profiles"),
    (
        "add_contact",
        |_| ask::add_contact("somebody else"),
        "accepted",
    ),
    (
        "remove_contact",
        |_| ask::remove_contact("somebody else"),
        "accepted",
    ),
    ("set_invisible", |_| ask::invisible(false), "accepted"),
    ("set_presence", |_| ask::presence("away"), "pong"),
    ("watch_presence", |_| ask::watch(&["ann"], true), "pong"),
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
        Outcome::Contacts(_) => "contacts",
        Outcome::People(_) => "people",
        Outcome::Profiles(_) => "profiles",
        Outcome::FoundMessages(_) => "found_messages",
        Outcome::Held(_) => "held",
        Outcome::Notifications(_) => "notifications",
    }
}

async fn stage(people: &mut [Session]) -> Stage {
    let [owner, moderator, member, blocked, left, removed, _] = people else {
        panic!("seven people");
    };
    let victims = PEOPLE.map(victim);
    let mut members: Vec<_> = PEOPLE[1..6].to_vec();
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
    blocked.command(ask::post(group, "four")).await;
    left.command(ask::post(group, "five")).await;
    removed.command(ask::post(group, "six")).await;
    left.command(ask::leave(group)).await;
    owner.command(ask::remove(group, "removed")).await;
    let last = owner.command(ask::post(group, "seven")).await;
    assert_eq!(last.seq, LAST);
    Stage { group }
}

/// Where the log ends.
async fn end_of_log(server: &Server) -> u64 {
    http::metric(server, "tidings_log_position").await
}

async fn a_group_answers_everyone_as_they_deserve(world: World) {
    let server = world.start().await;
    let mut people = Vec::new();
    for (who, way) in PEOPLE.iter().zip(Way::ALL.iter().cycle()) {
        people.push(Session::open(&server, *way, who).await);
    }
    people[0].command(ask::block("blocked")).await;
    let mut wrong = Vec::new();
    for Row(what, request, expected) in ROWS {
        let Stage { group } = stage(&mut people).await;
        // Those who may least come first: what they ask changes nothing for the others.
        for ((who, expected), session) in PEOPLE
            .iter()
            .zip(everyone(*expected))
            .zip(&mut people)
            .rev()
        {
            let request = request(who, group);
            let before = end_of_log(&server).await;
            let outcome = session.command_as(Uuid::now_v7(), request).await;
            if name(&outcome) != expected {
                wrong.push(format!("{what} by {who}: {outcome:?}, not {expected}"));
            }
            let after = end_of_log(&server).await;
            if after != before && !["accepted", "pong"].contains(&expected) {
                wrong.push(format!("{what} by {who}: {outcome:?} and recorded"));
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
        match *what {
            "typing" => signalled(&mut people, group).await,
            "look" => looked(&mut people, group).await,
            "mark_read" => marked(&mut people, group).await,
            _ => {}
        }
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

/// Those who are members were seen typing by a member, and nobody else.
async fn signalled(people: &mut [Session], group: Uuid) {
    let mut seen = Vec::new();
    // The owner was the last to ask, and others tell a member in the order in which they asked.
    while seen.last().map(String::as_str) != Some("owner") {
        if let Body::Typing(typing) = people[2].next().await
            && tidings_protocol::id::from_wire(&typing.conversation) == Some(group)
        {
            seen.push(typing.user);
        }
    }
    assert_eq!(seen, ["blocked", "moderator", "owner"]);
}

/// A member was told of the owner's and the moderator's looking, and of no one else's.
async fn looked(people: &mut [Session], group: Uuid) {
    let mut seen = std::collections::BTreeSet::new();
    while !seen.contains("owner") {
        if let Body::Looking(looking) = people[2].next().await
            && tidings_protocol::id::from_wire(&looking.conversation) == Some(group)
        {
            seen.insert(looking.user);
        }
    }
    assert_eq!(
        Vec::from_iter(seen),
        ["blocked", "moderator", "owner"].map(str::to_owned)
    );
}

/// Those who are members have read what they said, and nobody else has.
async fn marked(people: &mut [Session], group: Uuid) {
    for at in [0, 1, 2, 3] {
        wait::becomes("it is read", &LAST, async || {
            history::conversation(&mut people[at], group).await.read_seq
        })
        .await;
    }
    // Those who asked before them would have been recorded before.
    for at in [4, 5] {
        let view = history::conversation(&mut people[at], group).await;
        assert!(view.read_seq < LAST, "{} has read it", PEOPLE[at]);
    }
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
fn every_request() -> [Request; 46] {
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
        ask::look(id),
        ask::people(""),
        ask::profiles(&[]),
        ask::watch_people(""),
        ask::unwatch_people(),
        ask::search_messages("", ""),
        ask::block(""),
        ask::unblock(""),
        ask::blocked(),
        ask::add_contact("somebody"),
        ask::remove_contact("somebody"),
        ask::contacts(),
        ask::invisible(true),
        ask::presence("away"),
        ask::watch(&[], false),
        ask::conversations(),
        ask::conversation(id),
        ask::latest(id, 0),
        ask::members(id),
        ask::receipts(id, 0),
        ask::settle(id, 1, true, ""),
        ask::held(id),
        ask::see(&[]),
        ask::notifications(),
        ask::invoke("", "", ""),
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
        | Request::AddContact(_)
        | Request::RemoveContact(_)
        | Request::ListContacts(_)
        | Request::SetInvisible(_)
        | Request::SetPresence(_)
        | Request::WatchPresence(_)
        | Request::ListConversations(_)
        | Request::GetConversation(_)
        | Request::ListMessages(_)
        | Request::ListMembers(_)
        | Request::GetReceipts(_)
        | Request::SettleHeld(_)
        | Request::ListHeld(_)
        | Request::SeeToasts(_)
        | Request::Invoke(_)
        | Request::ListNotifications(_)
        | Request::GetMessage(_)
        | Request::GetUnread(_)
        | Request::SearchPeople(_)
        | Request::WatchPeople(_)
        | Request::UnwatchPeople(_)
        | Request::SearchMessages(_)
        | Request::Look(_)
        | Request::GetProfiles(_) => all,
    }
}

/// Who asks of a direct conversation: two who are in it, one who has blocked the other one and that
/// one, and one who is in none.
const PAIRS: [&str; 5] = ["ann", "ben", "blocker", "blocked", "eve"];

/// A request about a direct conversation whose first message is by whoever asks, and what they are
/// answered: either of two, the one who has blocked the other, and that one. Anybody else: `not_found`.
type About = (fn(Uuid) -> Request, [&'static str; 3]);

const DIRECT: &[About] = &[
    (|id| ask::add(id, &["carl"]), ["wrong_kind"; 3]),
    (|id| ask::remove(id, "nobody"), ["wrong_kind"; 3]),
    (|id| ask::leave(id), ["wrong_kind"; 3]),
    (|id| ask::role(id, "nobody", "owner"), ["wrong_kind"; 3]),
    (|id| ask::title(id, "ours"), ["wrong_kind"; 3]),
    (|id| ask::mute(id, true), ["accepted"; 3]),
    (
        |id| ask::post(id, "hello"),
        ["accepted", "blocked_by_you", "accepted"],
    ),
    (|id| ask::edit(id, 1, "edited"), ["accepted"; 3]),
    (|id| ask::edit(id, 2, "not mine"), ["forbidden"; 3]),
    (|id| ask::react(id, 1, "+1"), ["accepted"; 3]),
    (|id| ask::unreact(id, 1, "+1"), ["accepted"; 3]),
    (|id| ask::typing(id, true), ["pong"; 3]),
    (|id| ask::look(id), ["pong"; 3]),
    (|id| ask::conversation(id), ["conversation"; 3]),
    (|id| ask::latest(id, 10), ["messages"; 3]),
    (|id| ask::members(id), ["members"; 3]),
    (|id| ask::settle(id, 1, true, ""), ["wrong_kind"; 3]),
    (|id| ask::held(id), ["held"; 3]),
    (|id| ask::receipts(id, 1), ["receipts"; 3]),
    (|id| ask::message(id, 1), ["message"; 3]),
    // What the other one wrote is hidden from who has blocked them.
    (
        |id| ask::message(id, 2),
        ["message", "not_found", "message"],
    ),
    (|id| ask::retract(id, 2), ["forbidden"; 3]),
    (|id| ask::retract(id, 1), ["accepted"; 3]),
    (|id| ask::read(id, 1), ["pong"; 3]),
];

async fn a_direct_conversation_is_between_two(world: World) {
    let server = world.start().await;
    let mut people = Vec::new();
    for (who, way) in PAIRS.iter().zip(Way::ALL.iter().cycle()) {
        people.push(Session::open(&server, *way, who).await);
    }
    let mut wrong = Vec::new();
    for (at, who) in PAIRS.iter().enumerate().take(4) {
        // A conversation for each, in which the other one has written, too.
        let other = at ^ 1;
        people[2].command(ask::unblock("blocked")).await;
        let direct = about(PAIRS[other], who);
        let id = people[at].start(direct).await;
        people[at].command(ask::post(id, "between us")).await;
        people[other].command(ask::post(id, "indeed")).await;
        people[2].command(ask::block("blocked")).await;
        for (request, expected) in DIRECT {
            let what = request(id);
            let before = end_of_log(&server).await;
            let eve = &mut people[4];
            let hers = eve.command_as(Uuid::now_v7(), request(id)).await;
            let nowhere = eve
                .command_as(Uuid::now_v7(), request(Uuid::now_v7()))
                .await;
            if name(&hers) != "not_found" || hers != nowhere {
                wrong.push(format!("{what:?} by eve: {hers:?}, {nowhere:?}"));
            }
            let expected = match *who {
                "blocker" => expected[1],
                "blocked" => expected[2],
                _ => expected[0],
            };
            let own = people[at].command_as(Uuid::now_v7(), request(id)).await;
            if name(&own) != expected {
                wrong.push(format!("{what:?} by {who}: {own:?}, not {expected}"));
            }
            let recorded = end_of_log(&server).await != before;
            if recorded != (expected == "accepted") && expected != "pong" {
                wrong.push(format!(
                    "{what:?} by {who}: {expected}, recorded {recorded}"
                ));
            }
        }
        if *who == "blocker" {
            // Nor is the conversation begun again by who has blocked the other one.
            let again = people[at].command_as(Uuid::now_v7(), about("blocked", who));
            let again = again.await;
            if name(&again) != "blocked_by_you" {
                wrong.push(format!("start_direct by {who}: {again:?}"));
            }
        }
        marks_are_recorded(&mut people[at], id).await;
    }
    let own = people[0].command_as(Uuid::now_v7(), ask::direct("ann"));
    assert_eq!(name(&own.await), "invalid");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// `start_direct` with somebody, about the one who asks.
fn about(user: &str, context: &str) -> Request {
    Request::StartDirect(tidings_protocol::command::StartDirect {
        user: user.to_owned(),
        context: context.to_owned(),
    })
}

/// Waits until a cursor that was moved last is in the log, so that it is not taken for something else.
async fn marks_are_recorded(session: &mut Session, conversation: Uuid) {
    wait::becomes("it is read", &true, async || {
        history::conversation(session, conversation).await.read_seq >= 1
    })
    .await;
}

#[test]
fn every_request_about_a_conversation_is_asked_of_a_direct_one() {
    let of_group = ROWS.iter().map(|Row(_, ask, _)| kind(ask("", Uuid::nil())));
    let of_direct = DIRECT.iter().map(|(ask, _)| kind(ask(Uuid::nil())));
    let sorted = |kinds: Vec<String>| std::collections::BTreeSet::from_iter(kinds);
    assert_eq!(sorted(of_direct.collect()), sorted(of_group.collect()));
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
