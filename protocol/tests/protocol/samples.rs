//! One frame of every kind with every field set, and the edges.

use bytes::Bytes;
use tidings_protocol::{
    ClientFrame, CloseCode, ErrorCode, ServerFrame, command, event,
    event::{Event, Kind},
    frame::{
        Accepted, Body, Closing, Cursor, Error, Limits, Nodes, Outcome, Pong, Reply, Request,
        Reset, Welcome,
    },
    query, view,
};

/// The largest number a position, a `seq` or a time may take: JSON numbers are doubles in many
/// languages, and beyond this one they lose their last digit.
pub(crate) const LARGEST: u64 = (1 << 53) - 1;

/// Text that breaks careless encoders.
const AWKWARD: &str = "\"quoted\" \\ / \u{0}\u{1f}\t\r\n\u{7f} \u{2028}\u{2029} \u{feff}é e\u{301} ß 中文消息 עברית 👩\u{200d}👩\u{200d}👧 \u{10ffff}";

/// A frame under the name it has in `vectors/`.
pub(crate) struct Sample<F> {
    pub(crate) name: &'static str,
    pub(crate) frame: F,
}

/// A UUIDv7 that is easy to recognise in a dump.
pub(crate) fn id(last: u8) -> Bytes {
    let mut bytes = [
        0x01, 0x98, 0xc0, 0xde, 0x12, 0x34, 0x7a, 0xbc, 0x8d, 0xef, 0x01, 0x23, 0x45, 0x67, 0x89, 0,
    ];
    bytes[15] = last;
    Bytes::copy_from_slice(&bytes)
}

const AT: u64 = 1_764_000_000_123;

fn conversation_id() -> Bytes {
    id(0xc1)
}

fn users(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn cursor() -> Cursor {
    Cursor {
        epoch: id(0xe1),
        position: 4711,
        index: 2,
    }
}

fn held() -> view::Held {
    view::Held {
        held: 3,
        author: "bob".into(),
        at_ms: AT,
        edits: 12,
        text: "Write to bob@example.com".into(),
        erased: true,
        reply_to: 11,
        mentions: users(&["alice", "carol"]),
        command_id: id(0xaa),
        reason: "no addresses here".into(),
        reviews: vec![view::Review {
            extension: "contact-details".into(),
            version: "1.2.0".into(),
            verdict: "hold".into(),
            reason: "no addresses here".into(),
            labels: users(&["address"]),
            failed: true,
        }],
    }
}

fn toast() -> view::Toast {
    view::Toast {
        toast: 12,
        source: "likes".into(),
        title: "Bob likes you".into(),
        body: "He likes your garden".into(),
        link: "/people/bob".into(),
        about_user: "bob".into(),
        about_conversation: conversation_id(),
        at_ms: AT,
        expires_ms: AT + 604_800_000,
    }
}

fn badge() -> view::Badge {
    view::Badge {
        source: "likes".into(),
        name: "new".into(),
        count: 3,
    }
}

fn message() -> view::Message {
    view::Message {
        seq: 12,
        author: "bob".into(),
        at_ms: AT,
        text: "See you at 8".into(),
        reply_to: 11,
        mentions: users(&["alice", "carol"]),
        edited_ms: AT + 5000,
        retracted: true,
        erased: true,
        stub: true,
        countable: true,
        reactions: vec![
            view::Reaction {
                reaction: "👍".into(),
                count: 2,
                mine: true,
            },
            view::Reaction {
                reaction: ":tada:".into(),
                count: 1,
                mine: false,
            },
        ],
        command_id: id(0xaa),
    }
}

fn plain_message() -> view::Message {
    view::Message {
        seq: 1,
        author: "alice".into(),
        at_ms: AT,
        text: "Hello".into(),
        countable: true,
        command_id: id(0xaa),
        ..Default::default()
    }
}

fn member_cursor() -> view::MemberCursor {
    view::MemberCursor {
        user: "bob".into(),
        read_seq: 11,
        delivered_seq: 12,
    }
}

fn conversation() -> view::Conversation {
    view::Conversation {
        id: conversation_id(),
        kind: "direct".into(),
        title: "Flat in Berlin".into(),
        peer: "bob".into(),
        context: "listing-7".into(),
        role: "member".into(),
        member_count: 2,
        last_message: Some(message()),
        last_seq: 12,
        read_seq: 9,
        unread: 3,
        muted: true,
        cursors: vec![member_cursor()],
        activity_position: 4711,
        activity_ms: AT,
        delivered_seq: 12,
        as_of: 4711,
    }
}

/// Every request with every field set, in the order of the schema, then the edges.
pub(crate) fn client() -> Vec<Sample<ClientFrame>> {
    let c = conversation_id;
    let mut samples: Vec<Sample<ClientFrame>> = [
        (
            "request/hello",
            Request::Hello(command::Hello {
                token: "eyJhbGciOiJIUzI1NiJ9.e30.sig".into(),
                device: "phone-1".into(),
                cursor: Some(cursor()),
                client: "tidings-js/0.1.0".into(),
                window: 50,
            }),
        ),
        ("request/ping", Request::Ping(command::Ping {})),
        (
            "request/renew_token",
            Request::RenewToken(command::RenewToken {
                token: "dev:alice".into(),
            }),
        ),
        (
            "request/ack",
            Request::Ack(command::Ack {
                position: 4711,
                index: 2,
            }),
        ),
        (
            "request/start_direct",
            Request::StartDirect(command::StartDirect {
                user: "bob".into(),
                context: "listing-7".into(),
            }),
        ),
        (
            "request/create_group",
            Request::CreateGroup(command::CreateGroup {
                title: "Hiking".into(),
                members: users(&["bob", "carol"]),
                history_from_start: true,
                max_members: 50,
            }),
        ),
        (
            "request/add_members",
            Request::AddMembers(command::AddMembers {
                conversation: c(),
                users: users(&["dave", "erin"]),
            }),
        ),
        (
            "request/remove_member",
            Request::RemoveMember(command::RemoveMember {
                conversation: c(),
                user: "dave".into(),
            }),
        ),
        (
            "request/leave",
            Request::Leave(command::Leave { conversation: c() }),
        ),
        (
            "request/set_role",
            Request::SetRole(command::SetRole {
                conversation: c(),
                user: "bob".into(),
                role: "moderator".into(),
            }),
        ),
        (
            "request/set_title",
            Request::SetTitle(command::SetTitle {
                conversation: c(),
                title: "Hiking club".into(),
            }),
        ),
        (
            "request/set_muted",
            Request::SetMuted(command::SetMuted {
                conversation: c(),
                muted: true,
            }),
        ),
        (
            "request/post_message",
            Request::PostMessage(command::PostMessage {
                conversation: c(),
                text: "See you at 8".into(),
                reply_to: 11,
                mentions: users(&["alice", "carol"]),
            }),
        ),
        (
            "request/edit_message",
            Request::EditMessage(command::EditMessage {
                conversation: c(),
                seq: 12,
                text: "See you at 9".into(),
                mentions: users(&["carol"]),
            }),
        ),
        (
            "request/retract_message",
            Request::RetractMessage(command::RetractMessage {
                conversation: c(),
                seq: 12,
            }),
        ),
        (
            "request/add_reaction",
            Request::AddReaction(command::AddReaction {
                conversation: c(),
                seq: 12,
                reaction: "👍".into(),
            }),
        ),
        (
            "request/remove_reaction",
            Request::RemoveReaction(command::RemoveReaction {
                conversation: c(),
                seq: 12,
                reaction: "👍".into(),
            }),
        ),
        (
            "request/mark_read",
            Request::MarkRead(command::MarkRead {
                conversation: c(),
                seq: 12,
            }),
        ),
        (
            "request/typing",
            Request::Typing(command::Typing {
                conversation: c(),
                active: true,
            }),
        ),
        (
            "request/block_user",
            Request::BlockUser(command::BlockUser {
                user: "mallory".into(),
            }),
        ),
        (
            "request/unblock_user",
            Request::UnblockUser(command::UnblockUser {
                user: "mallory".into(),
            }),
        ),
        (
            "request/list_blocked",
            Request::ListBlocked(query::ListBlocked {}),
        ),
        (
            "request/add_contact",
            Request::AddContact(command::AddContact { user: "ann".into() }),
        ),
        (
            "request/remove_contact",
            Request::RemoveContact(command::RemoveContact { user: "ann".into() }),
        ),
        (
            "request/list_contacts",
            Request::ListContacts(query::ListContacts {
                after: "ann".into(),
                limit: 20,
            }),
        ),
        (
            "request/set_invisible",
            Request::SetInvisible(command::SetInvisible { invisible: true }),
        ),
        (
            "request/set_presence",
            Request::SetPresence(command::SetPresence {
                state: "away".into(),
            }),
        ),
        (
            "request/watch_presence",
            Request::WatchPresence(command::WatchPresence {
                users: users(&["ann", "bob"]),
                roster: true,
            }),
        ),
        (
            "request/search_people",
            Request::SearchPeople(query::SearchPeople {
                query: "climbing city:berlin".into(),
                filter: r#"{"has":{"attribute":"photo"}}"#.into(),
                online: "first".into(),
                without_away: true,
                sort: "distance".into(),
                from: "52.52,13.40".into(),
                facets: users(&["city"]),
                limit: 20,
                after: "AQID".into(),
                highlight: true,
                explain: true,
                without_contacted: true,
                exclude: users(&["mallory"]),
            }),
        ),
        (
            "request/watch_people",
            Request::WatchPeople(query::WatchPeople {
                search: Some(query::SearchPeople {
                    query: "climbing".into(),
                    filter: "{}".into(),
                    online: "first".into(),
                    without_away: true,
                    sort: "newest".into(),
                    from: "1,2".into(),
                    facets: users(&["city"]),
                    limit: 20,
                    after: "AQID".into(),
                    highlight: true,
                    explain: true,
                    without_contacted: true,
                    exclude: users(&["mallory"]),
                }),
            }),
        ),
        (
            "request/search_messages",
            Request::SearchMessages(query::SearchMessages {
                query: "lunch from:ann".into(),
                sort: "relevance".into(),
                limit: 20,
                after: "AQID".into(),
                highlight: true,
            }),
        ),
        (
            "request/unwatch_people",
            Request::UnwatchPeople(query::UnwatchPeople {}),
        ),
        (
            "request/look",
            Request::Look(command::Look { conversation: c() }),
        ),
        (
            "request/get_profiles",
            Request::GetProfiles(query::GetProfiles {
                users: users(&["ann", "bob"]),
            }),
        ),
        (
            "request/list_conversations",
            Request::ListConversations(query::ListConversations {
                before: 4711,
                limit: 20,
            }),
        ),
        (
            "request/get_conversation",
            Request::GetConversation(query::GetConversation { conversation: c() }),
        ),
        (
            "request/list_messages",
            Request::ListMessages(query::ListMessages {
                conversation: c(),
                before: 12,
                after: Some(3),
                limit: 50,
            }),
        ),
        (
            "request/list_members",
            Request::ListMembers(query::ListMembers {
                conversation: c(),
                after: "bob".into(),
                limit: 100,
            }),
        ),
        (
            "request/get_receipts",
            Request::GetReceipts(query::GetReceipts {
                conversation: c(),
                seq: 12,
            }),
        ),
        (
            "request/get_message",
            Request::GetMessage(query::GetMessage {
                conversation: c(),
                seq: 12,
            }),
        ),
        (
            "request/settle_held",
            Request::SettleHeld(command::SettleHeld {
                conversation: c(),
                held: 3,
                release: true,
                reason: "no addresses here".into(),
            }),
        ),
        (
            "request/list_held",
            Request::ListHeld(query::ListHeld {
                conversation: c(),
                after: 2,
                limit: 20,
            }),
        ),
        (
            "request/see_toasts",
            Request::SeeToasts(command::SeeToasts {
                toasts: vec![3, 300],
            }),
        ),
        (
            "request/invoke",
            Request::Invoke(command::Invoke {
                extension: "welcome-bot".to_owned(),
                command: "rules".to_owned(),
                args: r#"{"topic":"höflich"}"#.to_owned(),
                conversation: c(),
            }),
        ),
        (
            "request/list_notifications",
            Request::ListNotifications(query::ListNotifications {
                after: 3,
                limit: 50,
            }),
        ),
        (
            "request/get_unread",
            Request::GetUnread(query::GetUnread {}),
        ),
    ]
    .into_iter()
    .map(|(name, request)| Sample {
        name,
        frame: ClientFrame {
            id: 7,
            command_id: id(0xaa),
            request: Some(request),
        },
    })
    .collect();

    let edges = [
        (
            "edge/no_request",
            ClientFrame {
                id: 7,
                command_id: Bytes::new(),
                request: None,
            },
        ),
        (
            "edge/empty_fields",
            ClientFrame {
                request: Some(Request::PostMessage(Default::default())),
                ..Default::default()
            },
        ),
        (
            "edge/first_hello",
            ClientFrame {
                id: 1,
                request: Some(Request::Hello(command::Hello {
                    token: "dev:alice".into(),
                    device: "phone-1".into(),
                    ..Default::default()
                })),
                ..Default::default()
            },
        ),
        (
            "edge/unicode",
            ClientFrame {
                id: 8,
                command_id: id(0xab),
                request: Some(Request::PostMessage(command::PostMessage {
                    conversation: c(),
                    text: AWKWARD.into(),
                    reply_to: 0,
                    mentions: users(&["用户-1", "ünïcode"]),
                })),
            },
        ),
        (
            "edge/largest_numbers",
            ClientFrame {
                id: LARGEST,
                command_id: Bytes::new(),
                request: Some(Request::Ack(command::Ack {
                    position: LARGEST,
                    index: u32::MAX,
                })),
            },
        ),
        (
            "edge/after_zero",
            ClientFrame {
                id: 9,
                command_id: Bytes::new(),
                request: Some(Request::ListMessages(query::ListMessages {
                    conversation: c(),
                    after: Some(0),
                    ..Default::default()
                })),
            },
        ),
    ];
    samples.extend(
        edges
            .into_iter()
            .map(|(name, frame)| Sample { name, frame }),
    );
    samples
}

/// Every body, outcome and event kind with every field set, then the edges.
pub(crate) fn server() -> Vec<Sample<ServerFrame>> {
    let mut samples = bodies();
    samples.extend(outcomes().into_iter().map(|(name, outcome)| Sample {
        name,
        frame: ServerFrame::reply(7, outcome),
    }));
    samples.extend(events().into_iter().map(|(name, kind)| Sample {
        name,
        frame: body(Body::Event(Event {
            position: 4711,
            index: 2,
            conversation: conversation_id(),
            actor: "bob".into(),
            at_ms: AT,
            kind: Some(kind),
        })),
    }));
    samples.extend(edges());
    samples
}

fn body(body: Body) -> ServerFrame {
    ServerFrame { body: Some(body) }
}

fn bodies() -> Vec<Sample<ServerFrame>> {
    [
        (
            "body/welcome",
            Body::Welcome(Welcome {
                id: 1,
                user: "alice".into(),
                session: id(0x51),
                now_ms: AT,
                resumed: true,
                cursor: Some(cursor()),
                heartbeat_ms: 30_000,
                token_expires_ms: AT + 3_600_000,
                limits: Some(Limits {
                    frame_bytes: 65_536,
                    text_bytes: 16_384,
                    requests_per_second: 20,
                    push_text_bytes: 4096,
                }),
                replayed: 3,
                nodes: users(&["https://b.example.com"]),
            }),
        ),
        (
            "body/reply",
            Body::Reply(Reply {
                id: 7,
                outcome: Some(Outcome::Unread(query::Unread { total: 3, as_of: 9 })),
            }),
        ),
        (
            "body/event",
            Body::Event(Event {
                position: 4711,
                index: 0,
                conversation: conversation_id(),
                actor: "alice".into(),
                at_ms: AT,
                kind: Some(Kind::MessagePosted(plain_message())),
            }),
        ),
        (
            "body/reset",
            Body::Reset(Reset {
                reason: "gap".into(),
                cursor: Some(Cursor {
                    index: u32::MAX,
                    ..cursor()
                }),
                conversations: vec![conversation()],
                more: true,
                unread_total: 3,
                blocked: users(&["mallory"]),
                invisible: true,
            }),
        ),
        (
            "body/typing",
            Body::Typing(event::Typing {
                conversation: conversation_id(),
                user: "bob".into(),
                active: true,
            }),
        ),
        (
            "body/nodes",
            Body::Nodes(Nodes {
                nodes: users(&["https://b.example.com", "https://c.example.com"]),
            }),
        ),
        (
            "body/people_online",
            Body::PeopleOnline(event::PeopleOnline {
                count: 12,
                users: users(&["ann", "bob"]),
            }),
        ),
        (
            "body/looking",
            Body::Looking(event::Looking {
                conversation: conversation_id(),
                user: "ann".into(),
                active: true,
            }),
        ),
        (
            "body/presence",
            Body::Presence(event::Presence {
                version: 3,
                snapshot: true,
                users: vec![
                    view::Presence {
                        user: "ann".into(),
                        state: "available".into(),
                        seen_ms: 0,
                    },
                    view::Presence {
                        user: "bob".into(),
                        state: "offline".into(),
                        seen_ms: 1_750_000_000_000,
                    },
                ],
            }),
        ),
        (
            "body/closing",
            Body::Closing(Closing {
                code: CloseCode::Draining.as_str().into(),
                message: "the server is shutting down".into(),
                reconnect: true,
                after_ms: 1840,
                address: "wss://b.example.com".into(),
            }),
        ),
    ]
    .into_iter()
    .map(|(name, kind)| Sample {
        name,
        frame: body(kind),
    })
    .collect()
}

fn outcomes() -> Vec<(&'static str, Outcome)> {
    vec![
        (
            "outcome/error",
            Outcome::Error(Error {
                code: ErrorCode::RateLimited.as_str().into(),
                message: "21 requests within a second, the limit is 20".into(),
                retry: true,
                retry_after_ms: 350,
            }),
        ),
        (
            "outcome/accepted",
            Outcome::Accepted(Accepted {
                position: 4712,
                at_ms: AT,
                conversation: conversation_id(),
                seq: 13,
                duplicate: true,
                held: 3,
                answer: r#"{"ok":true}"#.to_owned(),
            }),
        ),
        (
            "outcome/pong",
            Outcome::Pong(Pong {
                now_ms: AT,
                token_expires_ms: AT + 3_600_000,
            }),
        ),
        (
            "outcome/conversations",
            Outcome::Conversations(query::Conversations {
                conversations: vec![conversation()],
                more: true,
                position: 4711,
            }),
        ),
        (
            "outcome/conversation",
            Outcome::Conversation(conversation()),
        ),
        (
            "outcome/messages",
            Outcome::Messages(query::Messages {
                messages: vec![plain_message(), message()],
                more: true,
                position: 4711,
            }),
        ),
        (
            "outcome/members",
            Outcome::Members(query::Members {
                members: vec![view::Member {
                    user: "bob".into(),
                    role: "owner".into(),
                    joined_ms: AT,
                }],
                more: true,
                position: 4711,
            }),
        ),
        (
            "outcome/receipts",
            Outcome::Receipts(query::Receipts {
                read: 1,
                delivered: 2,
                members: 3,
                cursors: vec![member_cursor()],
            }),
        ),
        ("outcome/message", Outcome::Message(message())),
        (
            "outcome/held",
            Outcome::Held(query::HeldMessages {
                held: vec![held()],
                more: true,
                position: 4711,
            }),
        ),
        (
            "outcome/notifications",
            Outcome::Notifications(query::Notifications {
                toasts: vec![toast()],
                more: true,
                badges: vec![badge()],
                position: 4711,
            }),
        ),
        (
            "outcome/blocked",
            Outcome::Blocked(query::Blocked {
                users: users(&["mallory"]),
            }),
        ),
        (
            "outcome/unread",
            Outcome::Unread(query::Unread { total: 3, as_of: 9 }),
        ),
        (
            "outcome/contacts",
            Outcome::Contacts(query::Contacts {
                contacts: vec![contact()],
                more: true,
                position: 9,
            }),
        ),
        (
            "outcome/people",
            Outcome::People(query::People {
                people: vec![person()],
                total: 4711,
                at_least: true,
                next: "AQID".into(),
                facets: vec![view::Facet {
                    attribute: "city".into(),
                    values: vec![view::FacetValue {
                        value: "Berlin".into(),
                        count: 42,
                    }],
                    more: true,
                }],
                cut: true,
            }),
        ),
        (
            "outcome/found_messages",
            Outcome::FoundMessages(query::FoundMessages {
                messages: vec![view::FoundMessage {
                    conversation: conversation_id(),
                    message: Some(message()),
                    score: 1.5,
                    highlights: vec![view::Highlight {
                        attribute: "about".into(),
                        value: 1,
                        from: 2,
                        to: 7,
                    }],
                }],
                next: "AQID".into(),
                since_ms: AT,
                cut: true,
            }),
        ),
        (
            "outcome/profiles",
            Outcome::Profiles(query::Profiles {
                profiles: vec![view::Profile {
                    user: "ann".into(),
                    attributes: r#"{"city":"Berlin"}"#.into(),
                }],
            }),
        ),
    ]
}

fn person() -> view::Person {
    view::Person {
        user: "ann".into(),
        state: "offline".into(),
        seen_ms: 1_750_000_000_000,
        attributes: r#"{"about":"I climb","city":"Berlin"}"#.into(),
        distance_m: Some(1250.0),
        score: 3.25,
        highlights: vec![view::Highlight {
            attribute: "about".into(),
            value: 1,
            from: 2,
            to: 7,
        }],
        explanation: r#"{"what":"score","value":3.25}"#.into(),
    }
}

fn contact() -> view::Contact {
    view::Contact {
        user: "ann".into(),
        state: "asking".into(),
        at_ms: 1_750_000_000_000,
    }
}

fn events() -> Vec<(&'static str, Kind)> {
    let reaction = || event::ReactionChanged {
        seq: 12,
        reaction: "👍".into(),
        count: 2,
    };
    let moved = || event::CursorMoved {
        user: "bob".into(),
        seq: 12,
        unread: 4,
        as_of: 4713,
    };
    let members = || event::MembersChanged {
        users: users(&["dave", "erin"]),
        member_count: 5,
        removed: true,
    };
    vec![
        ("event/message_posted", Kind::MessagePosted(message())),
        (
            "event/message_edited",
            Kind::MessageEdited(event::MessageEdited {
                seq: 12,
                text: "See you at 9".into(),
                mentions: users(&["carol"]),
                stub: true,
                erased: true,
            }),
        ),
        ("event/message_held", Kind::MessageHeld(held())),
        (
            "event/message_released",
            Kind::MessageReleased(event::MessageReleased { held: 3 }),
        ),
        (
            "event/message_rejected",
            Kind::MessageRejected(event::MessageRejected {
                held: 3,
                reason: "no addresses here".into(),
            }),
        ),
        (
            "event/toast_queued",
            Kind::ToastQueued(event::ToastQueued {
                toast: Some(toast()),
                replaces: vec![3, 7],
            }),
        ),
        (
            "event/toasts_seen",
            Kind::ToastsSeen(event::ToastsSeen {
                toasts: vec![3, 300],
            }),
        ),
        ("event/badge_set", Kind::BadgeSet(badge())),
        (
            "event/message_retracted",
            Kind::MessageRetracted(event::MessageRetracted {
                seq: 12,
                author: "bob".into(),
                countable: true,
            }),
        ),
        ("event/reaction_added", Kind::ReactionAdded(reaction())),
        ("event/reaction_removed", Kind::ReactionRemoved(reaction())),
        ("event/read_up_to", Kind::ReadUpTo(moved())),
        ("event/delivered_up_to", Kind::DeliveredUpTo(moved())),
        (
            "event/conversation_added",
            Kind::ConversationAdded(conversation()),
        ),
        ("event/members_joined", Kind::MembersJoined(members())),
        ("event/member_left", Kind::MemberLeft(members())),
        (
            "event/role_changed",
            Kind::RoleChanged(event::RoleChanged {
                user: "bob".into(),
                role: "owner".into(),
            }),
        ),
        (
            "event/title_changed",
            Kind::TitleChanged(event::TitleChanged {
                title: "Hiking club".into(),
            }),
        ),
        (
            "event/muted_changed",
            Kind::MutedChanged(event::MutedChanged { muted: true }),
        ),
        (
            "event/user_blocked",
            Kind::UserBlocked(event::UserChanged {
                user: "mallory".into(),
            }),
        ),
        (
            "event/user_unblocked",
            Kind::UserUnblocked(event::UserChanged {
                user: "mallory".into(),
            }),
        ),
        (
            "event/visibility_changed",
            Kind::VisibilityChanged(event::VisibilityChanged { invisible: true }),
        ),
        ("event/contact_changed", Kind::ContactChanged(contact())),
    ]
}

fn edges() -> Vec<Sample<ServerFrame>> {
    [
        ("edge/no_body", ServerFrame { body: None }),
        (
            "edge/reply_without_outcome",
            body(Body::Reply(Reply {
                id: 7,
                outcome: None,
            })),
        ),
        (
            "edge/event_without_kind",
            body(Body::Event(Event {
                position: 4711,
                index: 3,
                at_ms: AT,
                ..Default::default()
            })),
        ),
        (
            "edge/empty_welcome",
            body(Body::Welcome(Welcome::default())),
        ),
        (
            "edge/empty_reset",
            body(Body::Reset(Reset {
                reason: "first".into(),
                ..Default::default()
            })),
        ),
        (
            "edge/unicode",
            body(Body::Event(Event {
                position: 4711,
                index: 0,
                conversation: conversation_id(),
                actor: "用户-1".into(),
                at_ms: AT,
                kind: Some(Kind::MessagePosted(view::Message {
                    author: "用户-1".into(),
                    text: AWKWARD.into(),
                    ..plain_message()
                })),
            })),
        ),
        (
            "edge/largest_numbers",
            body(Body::Event(Event {
                position: LARGEST,
                index: u32::MAX,
                conversation: conversation_id(),
                actor: "bob".into(),
                at_ms: LARGEST,
                kind: Some(Kind::ReadUpTo(event::CursorMoved {
                    user: "bob".into(),
                    seq: LARGEST,
                    unread: LARGEST,
                    as_of: LARGEST,
                })),
            })),
        ),
    ]
    .into_iter()
    .map(|(name, frame)| Sample { name, frame })
    .collect()
}
