//! What the Rust SDK does by itself for what holds: who is looked at, what is watched.

use tidings_protocol::{
    event::PeopleOnline,
    frame::{Outcome, Request},
    query::{SearchMessages, SearchPeople},
};
use tidings_sdk::{Client, ErrorKind, Options, Update, Updates};
use tidings_tests::{Server, Session, Way, World, ask, eventually, http, token, within};
use uuid::Uuid;

use crate::people::{looking, some_people, with_people};

on_both_logs!(
    a_page_of_people_is_watched_in_each_session,
    looking_is_said_in_each_session_and_to_who_comes,
    messages_are_found_by_the_sdk_too,
);

async fn client(server: &Server, user: &str) -> (Client, Updates) {
    let mut options = Options::new(format!("ws://{}", server.http), token::of(user).as_str());
    options.client = "tests".to_owned();
    within("it connects", Client::connect(options))
        .await
        .unwrap()
}

/// The next update of a kind.
async fn next<T>(updates: &mut Updates, mut pick: impl FnMut(Update) -> Option<T>) -> T {
    within("an update", async {
        loop {
            let update = updates.recv().await.expect("the client runs");
            if let Some(found) = pick(update) {
                return found;
            }
        }
    })
    .await
}

fn online(update: Update) -> Option<PeopleOnline> {
    match update {
        Update::PeopleOnline(news) => Some(news),
        _ => None,
    }
}

fn connected(update: Update) -> Option<()> {
    matches!(update, Update::CaughtUp).then_some(())
}

async fn watched(server: &Server, expected: u64) {
    eventually(&format!("{expected} pages are watched"), async || {
        let watches = http::metric(server, "tidings_search_watches").await;
        (watches == expected).then_some(())
    })
    .await;
}

fn climbing() -> SearchPeople {
    SearchPeople {
        query: "climbing".to_owned(),
        online: "only".to_owned(),
        ..SearchPeople::default()
    }
}

async fn a_page_of_people_is_watched_in_each_session(world: World) {
    let world = with_people(world);
    let server = world.start().await;
    some_people(&server).await;
    let (dave, mut updates) = client(&server, "dave").await;
    let page = dave.watch_people(climbing()).await.unwrap();
    assert!(page.people.is_empty(), "{page:?}");
    let ben = Session::open(&server, Way::WebSocketProtobuf, "ben").await;
    let news = next(&mut updates, online).await;
    assert_eq!((news.count, &*news.users), (1, &["ben".to_owned()][..]));

    // Another server, which knows of nothing: the page is watched again, and counting begins anew.
    drop(ben);
    server.kill();
    let server = world.start().await;
    next(&mut updates, connected).await;
    watched(&server, 1).await;
    let _ann = Session::open(&server, Way::WebSocketJson, "ann").await;
    let news = next(&mut updates, online).await;
    assert_eq!((news.count, &*news.users), (1, &["ann".to_owned()][..]));

    // What is refused is not watched, nor what was before.
    let wrong = SearchPeople {
        query: "ctiy:berlin".to_owned(),
        ..SearchPeople::default()
    };
    let refused = dave.watch_people(wrong).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    watched(&server, 0).await;
    // Ben may be here still, as far as others see, from before the crash.
    eventually("ann alone is on the page", async || {
        let page = dave.watch_people(climbing()).await.unwrap();
        let users = page.people.iter().map(|one| &*one.user);
        users.eq(["ann"]).then_some(())
    })
    .await;
    watched(&server, 1).await;
    dave.unwatch_people().await.unwrap();
    watched(&server, 0).await;
    server.kill();
    let server = world.start().await;
    next(&mut updates, connected).await;
    dave.ping().await.unwrap();
    watched(&server, 0).await;
}

async fn looking_is_said_in_each_session_and_to_who_comes(world: World) {
    let world = with_people(world);
    let server = world.start().await;
    let (dave, mut updates) = client(&server, "dave").await;
    let place = dave.start_direct("ben", "").await.unwrap().conversation;
    let looks = |update| match update {
        Update::Looking(looking) => Some((looking.user, looking.active)),
        _ => None,
    };
    let told = |user: &str, active| (user.to_owned(), active);

    // Who comes later learns who is here already, soon, though it was said before.
    dave.look(Some(place)).await.unwrap();
    dave.ping().await.unwrap();
    let mut ben = Session::open(&server, Way::WebSocketProtobuf, "ben").await;
    ben.ask(ask::look(place)).await;
    assert_eq!(looking(&mut ben).await, told("dave", true));
    assert_eq!(next(&mut updates, looks).await, told("ben", true));
    dave.look(None).await.unwrap();
    assert_eq!(looking(&mut ben).await, told("dave", false));
    dave.look(Some(place)).await.unwrap();
    assert_eq!(looking(&mut ben).await, told("dave", true));

    // In the session that follows, too.
    server.kill();
    let server = world.start().await;
    let mut ben = Session::open(&server, Way::WebSocketProtobuf, "ben").await;
    ben.ask(ask::look(place)).await;
    assert_eq!(looking(&mut ben).await, told("dave", true));

    // Where one is not, one is told so, and does not look.
    let elsewhere = Uuid::now_v7();
    dave.look(Some(elsewhere)).await.unwrap();
    let (request, error) = next(&mut updates, |update| match update {
        Update::Refused { request, error } => Some((request, error)),
        _ => None,
    })
    .await;
    assert_eq!(request, ask::look(elsewhere));
    assert_eq!(error.kind(), ErrorKind::NotFound);
    dave.close().await;
}

async fn messages_are_found_by_the_sdk_too(world: World) {
    let server = world.start().await;
    let (ann, _updates) = client(&server, "ann").await;
    let place = ann.start_direct("ben", "").await.unwrap().conversation;
    for text in ["tea at four", "coffee at five", "more tea"] {
        ann.post(place, text).await.unwrap();
    }
    let asked = SearchMessages {
        query: "tea".to_owned(),
        limit: 1,
        ..SearchMessages::default()
    };
    let page = eventually("both are found", async || {
        let mut found = ann.search_messages(asked.clone()).await.ok()?;
        let text = |found: &tidings_protocol::query::FoundMessages| {
            found
                .messages
                .first()?
                .message
                .as_ref()
                .map(|one| one.text.clone())
        };
        let newest = text(&found)?;
        let next = SearchMessages {
            after: std::mem::take(&mut found.next),
            ..asked.clone()
        };
        let older = text(&ann.search_messages(next).await.ok()?)?;
        (newest == "more tea").then_some([newest, older])
    })
    .await;
    assert_eq!(page, ["more tea", "tea at four"]);
    let wrong = SearchMessages {
        query: "(tea".to_owned(),
        ..SearchMessages::default()
    };
    let refused = ann.search_messages(wrong).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    // As the server has it for whoever speaks the protocol.
    let mut ben = Session::open(&server, Way::WebSocketJson, "ben").await;
    let outcome = ben.ask(Request::SearchMessages(asked)).await;
    assert!(matches!(&outcome, Outcome::FoundMessages(page) if page.messages.len() == 1));
}
