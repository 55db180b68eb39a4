//! Who is here: told to those who watch, at once and not more often; and nobody sees the invisible.

use std::{collections::BTreeMap, time::Duration};

use tidings_protocol::{
    event::{Kind, Presence},
    frame::{Body, Outcome},
};
use tidings_tests::{Session, Way, World, ask, http, wait, within};

use crate::two_nodes::{both, others, worlds_of};

on_both_logs!(
    who_comes_and_goes_is_told,
    a_reload_is_no_news,
    the_invisible_are_seen_by_nobody,
    contacts_are_asked_for_and_watched,
    who_is_blocked_sees_nobody_and_is_not_seen,
    nobody_is_left_over_after_a_crash,
    who_is_back_soon_after_a_crash_has_not_been_away,
);

const GRACE: &str = "grace_ms = 700\n";

/// The next frame of presence.
async fn told(session: &mut Session) -> Presence {
    loop {
        if let Body::Presence(presence) = session.next().await {
            return presence;
        }
    }
}

/// Watches these, and says how they are.
async fn watch(session: &mut Session, users: &[&str], roster: bool) -> BTreeMap<String, String> {
    let answer = session.ask(ask::watch(users, roster)).await;
    assert!(matches!(answer, Outcome::Pong(_)), "{answer:?}");
    loop {
        let snapshot = told(session).await;
        // What has changed before is told before.
        if snapshot.snapshot {
            return states(&snapshot);
        }
    }
}

fn states(presence: &Presence) -> BTreeMap<String, String> {
    let users = presence.users.iter();
    let states = users.map(|seen| (seen.user.clone(), seen.state.clone()));
    states.collect()
}

/// Waits until somebody is told that a user is in a state; says when that user was here last.
async fn becomes(session: &mut Session, user: &str, state: &str) -> u64 {
    let what = format!("{user} becomes {state}");
    let told = within(&what, async {
        loop {
            let diff = told(session).await;
            assert!(!diff.snapshot);
            if let Some(seen) = diff.users.into_iter().find(|seen| seen.user == user) {
                return seen;
            }
        }
    })
    .await;
    assert_eq!(told.state, state, "{user}");
    told.seen_ms
}

fn map(states: &[(&str, &str)]) -> BTreeMap<String, String> {
    let states = states.iter();
    states
        .map(|(user, state)| (user.to_string(), state.to_string()))
        .collect()
}

async fn who_comes_and_goes_is_told(mut world: World) {
    world.presence(GRACE);
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketProtobuf, "ann").await;
    let shown = watch(&mut ann, &["ben", "eve", "ben"], false).await;
    assert_eq!(shown, map(&[("ben", "offline"), ("eve", "offline")]));

    let before = ann.welcome.now_ms;
    for way in Way::ALL {
        let mut ben = Session::open(&server, way, "ben").await;
        becomes(&mut ann, "ben", "available").await;
        ben.ask(ask::presence("away")).await;
        becomes(&mut ann, "ben", "away").await;
        // Another device, which is not.
        let second = Session::open(&server, Way::WebSocketJson, "ben").await;
        becomes(&mut ann, "ben", "available").await;
        drop(second);
        becomes(&mut ann, "ben", "away").await;
        // Who does something is here.
        ben.ask(ask::conversations()).await;
        becomes(&mut ann, "ben", "available").await;
        let here_ms = ben.welcome.now_ms;
        drop(ben);
        // Since when comes with it, and is of this time.
        let seen_ms = becomes(&mut ann, "ben", "offline").await;
        assert!(seen_ms >= here_ms, "{seen_ms} {here_ms}");
    }
    ann.ask(ask::watch(&["ben"], false)).await;
    assert!(told(&mut ann).await.users[0].seen_ms >= before);

    // Versions have no holes, and the list is what was asked for last.
    watch(&mut ann, &["eve"], false).await;
    let mut version = 0;
    let _ben = Session::open(&server, Way::WebSocketJson, "ben").await;
    for _ in 0..3 {
        let eve = Session::open(&server, Way::QuicProtobuf, "eve").await;
        let here = told(&mut ann).await;
        assert_eq!(states(&here), map(&[("eve", "available")]));
        assert!(version == 0 || here.version == version + 1);
        drop(eve);
        let gone = told(&mut ann).await;
        assert_eq!(states(&gone), map(&[("eve", "offline")]));
        version = gone.version;
    }
    let many: Vec<String> = (0..501).map(|n| format!("user {n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (request, what) in [
        (
            ask::watch(&many, false),
            "users names 501 users, the limit is 500",
        ),
        (ask::presence("offline"), "state is \"offline\""),
        (ask::watch(&[""], false), "a user id has 1 to 128 bytes"),
    ] {
        let Outcome::Error(refused) = ann.ask(request).await else {
            panic!("taken: {what}");
        };
        assert_eq!(refused.code, "invalid");
        assert!(refused.message.contains(what), "{}", refused.message);
    }
}

async fn a_reload_is_no_news(mut world: World) {
    world.presence("grace_ms = 20000\n");
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketProtobuf, "ann").await;
    let mut ben = Session::open(&server, Way::WebSocketProtobuf, "ben").await;
    wait::becomes("ben is here", &map(&[("ben", "available")]), async || {
        watch(&mut ann, &["ben"], false).await
    })
    .await;
    // Nor where another device of theirs is away.
    let mut other = Session::open(&server, Way::WebSocketJson, "ben").await;
    other.ask(ask::presence("away")).await;
    for way in Way::ALL {
        drop(ben);
        // Long enough that it would be told.
        tokio::time::sleep(Duration::from_millis(100)).await;
        ben = Session::open(&server, way, "ben").await;
    }
    ben.ask(ask::presence("away")).await;
    // The first that is told after all that.
    assert_eq!(states(&told(&mut ann).await), map(&[("ben", "away")]));
}

async fn the_invisible_are_seen_by_nobody(mut world: World) {
    world.presence(GRACE);
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketProtobuf, "ann").await;
    let mut ben = Session::open(&server, Way::QuicProtobuf, "ben").await;
    let conversation = ann.start(ask::direct("ben")).await;
    for text in ["one", "two", "three"] {
        ann.command(ask::post(conversation, text)).await;
    }
    ben.ask(ask::read(conversation, 1)).await;
    let is_read = |event: &tidings_protocol::event::Event| match &event.kind {
        Some(Kind::ReadUpTo(read)) => read.user == "ben" && read.seq == 1,
        _ => false,
    };
    ann.event_where(is_read).await;
    wait::becomes("ben is here", &map(&[("ben", "available")]), async || {
        watch(&mut ann, &["ben"], false).await
    })
    .await;

    let hidden_at = ben.welcome.now_ms;
    ben.command(ask::invisible(true)).await;
    let event = ben
        .event_where(|event| matches!(event.kind, Some(Kind::VisibilityChanged(_))))
        .await;
    let Some(Kind::VisibilityChanged(changed)) = event.kind else {
        unreachable!()
    };
    assert!(changed.invisible);
    let seen_ms = becomes(&mut ann, "ben", "offline").await;
    // As who leaves: a grace ago.
    assert!(seen_ms >= hidden_at - 700, "{seen_ms} {hidden_at}");
    // They see others, and themselves.
    wait::becomes(
        "ben sees who is here",
        &map(&[("ann", "available"), ("ben", "available")]),
        async || watch(&mut ben, &["ann", "ben"], false).await,
    )
    .await;
    // Reading, receiving and typing show nothing; what they post does.
    ben.ask(ask::read(conversation, 2)).await;
    ben.send(None, ask::typing(conversation, true)).await;
    ben.ask(ask::ping()).await;
    let mut other = Session::open(&server, Way::WebSocketJson, "ben").await;
    assert!(other.reset.as_ref().is_some_and(|reset| reset.invisible));
    let read = |page: Outcome| match page {
        Outcome::Conversation(view) => view.read_seq,
        other => panic!("{other:?}"),
    };
    wait::becomes("it is recorded that ben has read", &2, async || {
        read(other.ask(ask::conversation(conversation)).await)
    })
    .await;
    ben.command(ask::post(conversation, "from nowhere")).await;
    let posted = within("ann is told of what was posted", async {
        loop {
            match ann.next().await {
                Body::Event(event) => match event.kind {
                    Some(Kind::MessagePosted(message)) => return message,
                    Some(Kind::ReadUpTo(read)) => assert!(read.user != "ben" || read.seq < 2),
                    Some(Kind::DeliveredUpTo(moved)) => assert_ne!(moved.user, "ben"),
                    _ => {}
                },
                Body::Typing(typing) => panic!("{typing:?}"),
                Body::Presence(presence) => panic!("{presence:?}"),
                _ => {}
            }
        }
    })
    .await;
    assert_eq!(posted.author, "ben");
    let ticks =
        async |session: &mut Session| match session.ask(ask::conversation(conversation)).await {
            Outcome::Conversation(view) => view.cursors.into_iter().map(|tick| tick.read_seq).max(),
            other => panic!("{other:?}"),
        };
    assert_eq!(ticks(&mut ann).await, Some(1));
    let Outcome::Receipts(receipts) = ann.ask(ask::receipts(conversation, 2)).await else {
        panic!("no receipts");
    };
    assert_eq!((receipts.read, receipts.members), (0, 1));

    // A crash shows them no more than anything else, nor does coming anew.
    server.kill();
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketProtobuf, "ann").await;
    let mut ben = Session::open(&server, Way::QuicProtobuf, "ben").await;
    let mut eve = Session::open(&server, Way::QuicProtobuf, "eve").await;
    let shown = watch(&mut ann, &["ben", "eve"], false).await;
    assert_eq!(shown["ben"], "offline");
    if shown["eve"] == "offline" {
        // Behind whatever was said of ben.
        assert_eq!(states(&told(&mut ann).await), map(&[("eve", "available")]));
    }
    assert_eq!(ticks(&mut ann).await, Some(1));

    ben.command(ask::invisible(false)).await;
    becomes(&mut ann, "ben", "available").await;
    assert_eq!(
        ticks(&mut ann).await,
        Some(1),
        "what they read unseen stays unseen"
    );
    ben.ask(ask::read(conversation, 3)).await;
    let is_read = |event: &tidings_protocol::event::Event| match &event.kind {
        Some(Kind::ReadUpTo(read)) => read.user == "ben" && read.seq == 3,
        _ => false,
    };
    ann.event_where(is_read).await;
    eve.ask(ask::ping()).await;
}

async fn contacts_are_asked_for_and_watched(mut world: World) {
    world.presence(GRACE);
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketProtobuf, "ann").await;
    let mut ben = Session::open(&server, Way::QuicProtobuf, "ben").await;
    assert_eq!(watch(&mut ann, &[], true).await, map(&[]));
    let contact = async |session: &mut Session| {
        let event = session
            .event_where(|event| matches!(event.kind, Some(Kind::ContactChanged(_))))
            .await;
        match event.kind {
            Some(Kind::ContactChanged(contact)) => (contact.user, contact.state),
            _ => unreachable!(),
        }
    };
    let listed = async |session: &mut Session| match session.ask(ask::contacts()).await {
        Outcome::Contacts(page) => page
            .contacts
            .into_iter()
            .map(|contact| (contact.user, contact.state))
            .collect::<BTreeMap<_, _>>(),
        other => panic!("{other:?}"),
    };
    let is = |user: &str, state: &str| (user.to_owned(), state.to_owned());
    ann.command(ask::add_contact("ben")).await;
    assert_eq!(contact(&mut ann).await, is("ben", "asked"));
    assert_eq!(contact(&mut ben).await, is("ann", "asking"));
    assert_eq!(listed(&mut ben).await, map(&[("ann", "asking")]));
    ben.command(ask::add_contact("ann")).await;
    assert_eq!(contact(&mut ben).await, is("ann", "contact"));
    // From here on ann's roster has ben in it, who is here.
    becomes(&mut ann, "ben", "available").await;
    assert_eq!(listed(&mut ann).await, map(&[("ben", "contact")]));
    ben.ask(ask::presence("away")).await;
    becomes(&mut ann, "ben", "away").await;

    // Who comes later has the same roster.
    let mut later = Session::open(&server, Way::WebSocketJson, "ann").await;
    assert_eq!(
        watch(&mut later, &["eve"], true).await,
        map(&[("ben", "away"), ("eve", "offline")])
    );

    ben.command(ask::remove_contact("ann")).await;
    assert_eq!(contact(&mut ben).await, is("ann", "none"));
    // Who is no contact any more is not seen any more.
    becomes(&mut ann, "ben", "offline").await;
    assert_eq!(listed(&mut ann).await, map(&[]));
    assert_eq!(watch(&mut ann, &[], true).await, map(&[]));
    let Outcome::Error(refused) = ann
        .command_as(uuid::Uuid::now_v7(), ask::add_contact("ann"))
        .await
    else {
        panic!("one is no contact of oneself");
    };
    assert_eq!(refused.code, "invalid");
}

async fn who_is_blocked_sees_nobody_and_is_not_seen(mut world: World) {
    world.presence(GRACE);
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketProtobuf, "ann").await;
    let mut ben = Session::open(&server, Way::QuicProtobuf, "ben").await;
    for (one, other) in [(&mut ann, "ben"), (&mut ben, "ann")] {
        wait::becomes(
            "they see each other",
            &map(&[(other, "available")]),
            async || watch(one, &[other], false).await,
        )
        .await;
    }
    ann.command(ask::block("ben")).await;
    assert_eq!(becomes(&mut ann, "ben", "offline").await, 0);
    assert_eq!(becomes(&mut ben, "ann", "offline").await, 0);
    // A request from somebody blocked is not shown.
    ben.command(ask::add_contact("ann")).await;
    let Outcome::Contacts(page) = ann.ask(ask::contacts()).await else {
        panic!("no contacts");
    };
    assert_eq!(page.contacts, []);
    ann.command(ask::unblock("ben")).await;
    becomes(&mut ann, "ben", "available").await;
    becomes(&mut ben, "ann", "available").await;
}

async fn nobody_is_left_over_after_a_crash(mut world: World) {
    world.presence(GRACE);
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketProtobuf, "ann").await;
    let _ben = Session::open(&server, Way::QuicProtobuf, "ben").await;
    wait::becomes("ben is here", &map(&[("ben", "available")]), async || {
        watch(&mut ann, &["ben"], false).await
    })
    .await;
    server.kill();
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketProtobuf, "ann").await;
    wait::becomes("ben has gone", &map(&[("ben", "offline")]), async || {
        watch(&mut ann, &["ben"], false).await
    })
    .await;
    wait::becomes("ann alone is counted", &1, async || {
        http::metric(&server, "tidings_online_users").await
    })
    .await;
}

async fn who_is_back_soon_after_a_crash_has_not_been_away(mut world: World) {
    world.presence("grace_ms = 20000\n");
    let server = world.start().await;
    let ben_is_here = map(&[("ben", "available")]);
    let mut ann = Session::open(&server, Way::WebSocketProtobuf, "ann").await;
    let _ben = Session::open(&server, Way::QuicProtobuf, "ben").await;
    wait::becomes("ben is here", &ben_is_here, async || {
        watch(&mut ann, &["ben"], false).await
    })
    .await;
    server.kill();
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketProtobuf, "ann").await;
    wait::becomes("ben counts as here", &ben_is_here, async || {
        watch(&mut ann, &["ben"], false).await
    })
    .await;
    let mut ben = Session::open(&server, Way::WebSocketJson, "ben").await;
    ben.ask(ask::presence("away")).await;
    // He is at the node's earlier self, too, until that is declared gone.
    let mut second = Session::open(&server, Way::WebSocketJson, "carl").await;
    wait::becomes("carl is here", &map(&[("carl", "available")]), async || {
        watch(&mut second, &["carl"], false).await
    })
    .await;
    assert_eq!(watch(&mut ann, &["ben"], false).await, ben_is_here);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_agree_on_who_is_here() {
    let mut world = World::jetstream().await;
    world.presence("grace_ms = 3000\n");
    let (one, two) = worlds_of(world).await;
    let [first, second] = both(&one, &two).await;
    let mut ann = Session::open(&first, Way::WebSocketProtobuf, "ann").await;
    let mut eve = Session::open(&second, Way::WebSocketProtobuf, "eve").await;
    watch(&mut ann, &["ben", "carl"], false).await;
    watch(&mut eve, &["ben", "carl"], false).await;
    // One device at each: gone is who has left both.
    let here = Session::open(&first, Way::QuicProtobuf, "ben").await;
    for watching in [&mut ann, &mut eve] {
        becomes(watching, "ben", "available").await;
    }
    let mut there = Session::open(&second, Way::QuicProtobuf, "ben").await;
    there.ask(ask::presence("away")).await;
    drop(here);
    for watching in [&mut ann, &mut eve] {
        becomes(watching, "ben", "away").await;
    }
    // Invisible at one node is invisible at both.
    let mut carl = Session::open(&first, Way::QuicProtobuf, "carl").await;
    for watching in [&mut ann, &mut eve] {
        becomes(watching, "carl", "available").await;
    }
    carl.command(ask::invisible(true)).await;
    for watching in [&mut ann, &mut eve] {
        becomes(watching, "carl", "offline").await;
    }
    carl.command(ask::invisible(false)).await;
    for watching in [&mut ann, &mut eve] {
        becomes(watching, "carl", "available").await;
    }

    // A node that is killed takes its users with it, once nobody has heard of it for the grace. Who comes
    // back elsewhere by then has never been away.
    first.kill();
    others(&second, 0).await;
    let mut carl = Session::open(&second, Way::WebSocketJson, "carl").await;
    let mut late = Session::open(&second, Way::WebSocketJson, "late").await;
    wait::becomes(
        "ann's session at the node that is gone is over",
        &map(&[("ann", "offline")]),
        async || watch(&mut late, &["ann"], false).await,
    )
    .await;
    carl.ask(ask::presence("away")).await;
    let first_told = states(&told(&mut eve).await);
    assert_eq!(first_told, map(&[("carl", "away")]));

    // One that only slept is believed again.
    let first = one.start().await;
    others(&second, 1).await;
    let mut dan = Session::open(&first, Way::WebSocketProtobuf, "dan").await;
    wait::becomes("dan is here", &map(&[("dan", "available")]), async || {
        watch(&mut late, &["dan"], false).await
    })
    .await;
    first.freeze().await;
    becomes(&mut late, "dan", "offline").await;
    first.thaw();
    becomes(&mut late, "dan", "available").await;
    dan.ask(ask::ping()).await;
}
