//! The client against a scripted peer, over both transports: each test says, frame by frame, what the
//! other side does, and checks what the client makes of it.

#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

#[path = "sessions/peer.rs"]
mod peer;

use std::time::Duration;

use peer::{Peer, Transport, accepted, cursor, posted, welcome};
use tidings_protocol::event::PeopleOnline;
use tidings_protocol::frame::{Body, Closing, Outcome, Request, Reset};
use tidings_protocol::{CloseCode, ErrorCode, frame, id, query};
use tidings_sdk::{Client, ErrorKind, Options, Token, Update, Updates};
use tokio::time::timeout;
use uuid::Uuid;

const DEADLINE: Duration = Duration::from_secs(20);

async fn within<T>(work: impl Future<Output = T>) -> T {
    timeout(DEADLINE, work)
        .await
        .expect("done within the deadline")
}

async fn next(updates: &mut Updates) -> Update {
    within(updates.recv()).await.expect("an update")
}

fn options(peer: &Peer) -> Options {
    let mut options = Options::new(peer.url(), "dev:me");
    options.tls = peer.tls();
    options
}

fn reset(position: u64) -> Body {
    Body::Reset(Reset {
        reason: "first".into(),
        cursor: Some(cursor(position)),
        ..Reset::default()
    })
}

async fn a_lost_connection_loses_nothing(transport: Transport) {
    let peer = Peer::listen(transport).await;
    let script = async {
        let mut session = peer.accept().await;
        let hello = session.hello().await;
        assert_eq!((hello.token.as_str(), hello.cursor), ("dev:me", None));
        session.send(welcome(false, 0, 10)).await;
        session.send(reset(10)).await;
        let first = session.recv().await;
        // The command is lost with the connection, or carried out: the client cannot know.
        drop(session);

        let mut session = peer.accept().await;
        assert_eq!(session.hello().await.cursor, Some(cursor(10)));
        session.send(welcome(true, 1, 11)).await;
        session
            .send(posted(11, 1, "ann", "while you were away"))
            .await;
        let again = session.recv().await;
        assert_eq!(again.command_id, first.command_id);
        assert_eq!(again.request, first.request);
        session.reply(again.id, accepted(12, 2, true)).await;
        session
    };
    let application = async {
        let (client, mut updates) = Client::connect(options(&peer)).await.unwrap();
        let answer = client.post(Uuid::from_u128(1), "hello").await.unwrap();
        assert_eq!(
            (answer.position, answer.seq, answer.duplicate),
            (12, 2, true)
        );

        assert_eq!(
            next(&mut updates).await,
            Update::Connected { resumed: false }
        );
        assert!(matches!(next(&mut updates).await, Update::Reset(_)));
        assert_eq!(next(&mut updates).await, Update::CaughtUp);
        assert!(matches!(
            next(&mut updates).await,
            Update::Disconnected { .. }
        ));
        assert_eq!(
            next(&mut updates).await,
            Update::Connected { resumed: true }
        );
        match next(&mut updates).await {
            Update::Event(event) => assert_eq!(event.position, 11),
            other => panic!("{other:?}"),
        }
        assert_eq!(next(&mut updates).await, Update::CaughtUp);
        assert_eq!(
            client.with_state(|state| state.cursor().cloned()),
            Some(cursor(11))
        );
        client
    };
    let (_session, _client) = within(async { tokio::join!(script, application) }).await;
}

#[tokio::test]
async fn a_lost_connection_loses_nothing_over_websocket() {
    a_lost_connection_loses_nothing(Transport::WebSocket).await;
}

#[tokio::test]
async fn a_lost_connection_loses_nothing_over_secure_websocket() {
    a_lost_connection_loses_nothing(Transport::SecureWebSocket).await;
}

#[tokio::test]
async fn a_lost_connection_loses_nothing_over_quic() {
    a_lost_connection_loses_nothing(Transport::Quic).await;
}

async fn what_is_taken_is_acknowledged_and_closing_says_the_rest(transport: Transport) {
    let peer = Peer::listen(transport).await;
    let script = async {
        let mut session = peer.accept().await;
        session.hello().await;
        session.send(welcome(false, 0, 10)).await;
        session.send(reset(10)).await;
        match session.recv().await.request {
            Some(Request::Ack(ack)) => assert_eq!((ack.position, ack.index), (10, u32::MAX)),
            other => panic!("{other:?}"),
        }
        session.send(posted(11, 1, "ann", "one")).await;
        session.send(posted(12, 2, "ann", "two")).await;
        // The next acknowledgement is due a second later; closing brings it forward.
        let mut last = Vec::new();
        let code = loop {
            match session.recv_or_end().await {
                Ok(frame) => last.push(frame.request.unwrap()),
                Err(code) => break code,
            }
        };
        assert_eq!(code, Some(1000));
        assert!(
            matches!(&last[..], [.., Request::Ack(ack), Request::MarkRead(read)]
            if ack.position == 12 && read.seq == 2),
            "{last:?}"
        );
    };
    let application = async {
        let (client, mut updates) = Client::connect(options(&peer)).await.unwrap();
        let mut positions = Vec::new();
        while positions.len() < 2 {
            if let Update::Event(event) = next(&mut updates).await {
                positions.push(event.position);
            }
        }
        assert_eq!(positions, [11, 12]);
        client.mark_read(Uuid::from_u128(1), 2).await.unwrap();
        client.close().await;
        assert!(matches!(next(&mut updates).await, Update::Stopped(_)));
        assert_eq!(updates.recv().await, None);
        let refused = client
            .post(Uuid::from_u128(1), "too late")
            .await
            .unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Closed);
    };
    within(async { tokio::join!(script, application) }).await;
}

#[tokio::test]
async fn what_is_taken_is_acknowledged_over_websocket() {
    what_is_taken_is_acknowledged_and_closing_says_the_rest(Transport::WebSocket).await;
}

#[tokio::test]
async fn what_is_taken_is_acknowledged_over_quic() {
    what_is_taken_is_acknowledged_and_closing_says_the_rest(Transport::Quic).await;
}

#[tokio::test]
async fn a_draining_server_sends_its_clients_elsewhere() {
    let (old, new) = (
        Peer::listen(Transport::WebSocket).await,
        Peer::listen(Transport::WebSocket).await,
    );
    let script = async {
        let mut session = old.accept().await;
        session.hello().await;
        session.send(welcome(false, 0, 10)).await;
        session.send(reset(10)).await;
        let closing = Closing {
            code: CloseCode::Draining.as_str().into(),
            reconnect: true,
            after_ms: 20,
            address: new.url(),
            ..Closing::default()
        };
        session.send(Body::Closing(closing)).await;
        session.close(CloseCode::Draining).await;
        let mut session = new.accept().await;
        assert_eq!(session.hello().await.cursor, Some(cursor(10)));
        session.send(welcome(true, 0, 10)).await;
        session
    };
    let application = async {
        let (_client, mut updates) = Client::connect(options(&old)).await.unwrap();
        let mut delays = Vec::new();
        loop {
            match next(&mut updates).await {
                Update::Disconnected { retry_in, .. } => delays.push(retry_in),
                Update::Connected { resumed: true } => break,
                _ => {}
            }
        }
        assert_eq!(delays, [Duration::from_millis(20)]);
    };
    within(async { tokio::join!(script, application) }).await;
}

#[tokio::test]
async fn a_refused_token_ends_a_client_that_has_no_other() {
    let peer = Peer::listen(Transport::WebSocket).await;
    let script = async {
        let mut session = peer.accept().await;
        let id = session.recv().await.id;
        session.reply(id, refusal(ErrorCode::Unauthenticated)).await;
        session.close(CloseCode::Unauthenticated).await;
    };
    let application = async {
        let error = Client::connect(options(&peer)).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    };
    within(async { tokio::join!(script, application) }).await;
}

#[tokio::test]
async fn a_token_is_renewed_before_it_expires() {
    let peer = Peer::listen(Transport::WebSocket).await;
    let script = async {
        let mut session = peer.accept().await;
        assert_eq!(session.hello().await.token, "token 1");
        let Body::Welcome(mut welcome) = welcome(true, 0, 10) else {
            unreachable!()
        };
        welcome.token_expires_ms = welcome.now_ms + 300;
        session.send(Body::Welcome(welcome)).await;
        let frame = session.recv().await;
        match frame.request {
            Some(Request::RenewToken(renew)) => assert_eq!(renew.token, "token 2"),
            other => panic!("{other:?}"),
        }
        session
            .reply(frame.id, Outcome::Pong(frame::Pong::default()))
            .await;
        session
    };
    let application = async {
        let count = std::sync::atomic::AtomicU32::new(0);
        let mut options = options(&peer);
        options.token = Token::provider(move || {
            let number = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
            async move { Ok(format!("token {number}")) }
        });
        Client::connect(options).await.unwrap()
    };
    within(async { tokio::join!(script, application) }).await;
}

#[tokio::test]
async fn a_silent_server_is_pinged_and_then_left() {
    let peer = Peer::listen(Transport::WebSocket).await;
    let script = async {
        let mut session = peer.accept().await;
        session.hello().await;
        let Body::Welcome(mut welcome) = welcome(true, 0, 10) else {
            unreachable!()
        };
        welcome.heartbeat_ms = 150;
        session.send(Body::Welcome(welcome)).await;
        assert!(matches!(
            session.recv().await.request,
            Some(Request::Ping(_))
        ));
        // No answer: the client comes back by itself.
        let mut again = peer.accept().await;
        again.hello().await;
        (session, again)
    };
    let application = Client::connect(options(&peer));
    let (_sessions, _client) = within(async { tokio::join!(script, application) }).await;
}

/// As one that was killed: over QUIC nothing tells of it.
#[tokio::test]
async fn a_server_that_owes_an_answer_is_probed_and_left_soon() {
    let peer = Peer::listen(Transport::Quic).await;
    let script = async {
        let mut session = peer.accept().await;
        session.hello().await;
        session.send(welcome(true, 0, 10)).await;
        let mut asked = Vec::new();
        while asked.len() < 2 {
            match session.recv().await.request {
                Some(Request::Ack(_)) => {}
                request => asked.push(request),
            }
        }
        assert!(
            matches!(
                asked[..],
                [Some(Request::ListBlocked(_)), Some(Request::Ping(_))]
            ),
            "{asked:?}"
        );
        let mut again = peer.accept().await;
        again.hello().await;
        (session, again)
    };
    let application = async {
        let (client, updates) = Client::connect(options(&peer)).await.unwrap();
        let asking = tokio::spawn({
            let client = client.clone();
            async move { client.list_blocked().await }
        });
        (client, updates, asking)
    };
    let (_sessions, _client) = within(async { tokio::join!(script, application) }).await;
}

/// A node that was cut off knows of no others for a moment, and may be gone the next.
#[tokio::test]
async fn nodes_once_told_of_are_a_last_resort() {
    let (first, second) = (
        Peer::listen(Transport::WebSocket).await,
        Peer::listen(Transport::WebSocket).await,
    );
    let options = options(&first);
    let elsewhere = second.url();
    let script = async move {
        let mut session = first.accept().await;
        session.hello().await;
        let Body::Welcome(mut welcome_there) = welcome(true, 0, 10) else {
            unreachable!()
        };
        welcome_there.nodes = vec![elsewhere];
        session.send(Body::Welcome(welcome_there)).await;
        session.send(Body::Nodes(frame::Nodes::default())).await;
        // Nobody listens there any more.
        drop(first);
        drop(session);
        let mut session = second.accept().await;
        assert_eq!(session.hello().await.cursor, Some(cursor(10)));
        session.send(welcome(true, 0, 10)).await;
        session
    };
    let application = Client::connect(options);
    let (_session, _client) = within(async { tokio::join!(script, application) }).await;
}

#[tokio::test]
async fn reading_that_a_server_could_not_record_is_told_again() {
    let peer = Peer::listen(Transport::WebSocket).await;
    let script = async {
        let mut session = peer.accept().await;
        session.hello().await;
        session.send(welcome(false, 0, 10)).await;
        session.send(reset(10)).await;
        let mut told = 0;
        while told < 3 {
            let frame = session.recv().await;
            if let Some(Request::MarkRead(read)) = frame.request {
                assert_eq!((frame.id, read.seq), (0, 7));
                told += 1;
                session.reply(0, refusal(ErrorCode::Unavailable)).await;
            }
        }
        session
    };
    let application = async {
        let (client, _updates) = Client::connect(options(&peer)).await.unwrap();
        client.mark_read(Uuid::from_u128(1), 7).await.unwrap();
        client
    };
    let (_session, _client) = within(async { tokio::join!(script, application) }).await;
}

#[tokio::test]
async fn what_the_state_lacks_is_fetched() {
    let peer = Peer::listen(Transport::WebSocket).await;
    let unknown = id::to_wire(Uuid::from_u128(1));
    let script = async {
        let mut session = peer.accept().await;
        session.hello().await;
        session.send(welcome(false, 0, 10)).await;
        session.send(reset(10)).await;
        // Of a conversation that was not in the window.
        session.send(posted(11, 40, "ann", "remember me?")).await;
        let mut asked = Vec::new();
        while asked.len() < 2 {
            let frame = session.recv().await;
            match frame.request.clone().unwrap() {
                Request::GetConversation(get) => {
                    assert_eq!(get.conversation, unknown);
                    let view = tidings_protocol::view::Conversation {
                        id: unknown.clone(),
                        title: "old friends".into(),
                        last_seq: 40,
                        unread: 3,
                        as_of: 11,
                        ..Default::default()
                    };
                    session.reply(frame.id, Outcome::Conversation(view)).await;
                    asked.push("conversation");
                }
                Request::GetUnread(_) => {
                    let unread = tidings_protocol::query::Unread { total: 5, as_of: 0 };
                    session.reply(frame.id, Outcome::Unread(unread)).await;
                    asked.push("unread");
                }
                _ => {}
            }
        }
        session
    };
    let application = async {
        let (client, _updates) = Client::connect(options(&peer)).await.unwrap();
        let friends = Uuid::from_u128(1);
        client
            .until(|s| s.conversation(friends).is_some() && s.unread_total() == 5)
            .await
            .unwrap();
        let title = client.with_state(|s| s.conversation(friends).unwrap().view().title.clone());
        assert_eq!(title, "old friends");
        client
    };
    within(async { tokio::join!(script, application) }).await;
}

#[tokio::test]
async fn what_an_earlier_run_was_about_to_fetch_is_fetched() {
    let peer = Peer::listen(Transport::WebSocket).await;
    let (has_asked, asked) = tokio::sync::oneshot::channel();
    let unknown = id::to_wire(Uuid::from_u128(1));
    let script = async {
        let mut session = peer.accept().await;
        session.hello().await;
        session.send(welcome(false, 0, 10)).await;
        session.send(reset(10)).await;
        session.send(posted(11, 40, "ann", "remember me?")).await;
        // It asks, and is not answered.
        let asked =
            |request: &Option<Request>| matches!(request, Some(Request::GetConversation(_)));
        while !asked(&session.recv().await.request) {}
        has_asked.send(()).unwrap();
        let mut later = peer.accept().await;
        later.hello().await;
        later.send(welcome(true, 0, 11)).await;
        loop {
            let frame = later.recv().await;
            if asked(&frame.request) {
                let view = tidings_protocol::view::Conversation {
                    id: unknown.clone(),
                    last_seq: 40,
                    as_of: 11,
                    ..Default::default()
                };
                later.reply(frame.id, Outcome::Conversation(view)).await;
                return (session, later);
            }
        }
    };
    let application = async {
        let (earlier, _updates) = Client::connect(options(&peer)).await.unwrap();
        asked.await.unwrap();
        // As an application keeps it, at whatever moment.
        let options = Options {
            state: Some(earlier.state()),
            ..options(&peer)
        };
        let (client, updates) = Client::connect(options).await.unwrap();
        let friends = Uuid::from_u128(1);
        client
            .until(|state| state.conversation(friends).is_some())
            .await
            .unwrap();
        (earlier, client, updates)
    };
    within(async { tokio::join!(script, application) }).await;
}

#[tokio::test]
async fn what_holds_is_said_in_each_session_and_what_is_refused_for_good_is_told() {
    let peer = Peer::listen(Transport::WebSocket).await;
    let (refused, is_refused) = tokio::sync::oneshot::channel();
    let (heard, is_heard) = tokio::sync::oneshot::channel();
    let is_watch = |request: &Option<Request>| matches!(request, Some(Request::WatchPeople(_)));
    let is_away = |request: &Option<Request>| matches!(request, Some(Request::SetPresence(_)));
    let script = async {
        let mut session = peer.accept().await;
        session.hello().await;
        session.send(welcome(true, 0, 10)).await;
        // For now it cannot be taken, and comes again.
        for _ in 0..2 {
            let frame = session.recv().await;
            assert!(is_away(&frame.request), "{frame:?}");
            session
                .reply(frame.id, refusal(ErrorCode::Unavailable))
                .await;
        }
        refused.send(()).unwrap();
        let page = loop {
            let frame = session.recv().await;
            match is_watch(&frame.request) {
                true => break frame,
                false => assert!(is_away(&frame.request), "{frame:?}"),
            }
        };
        // Of a page before, of which this client knows nothing.
        session.send(people_online(7)).await;
        session
            .reply(page.id, Outcome::People(query::People::default()))
            .await;
        session.send(people_online(1)).await;
        is_heard.await.unwrap();
        drop(session);

        let mut session = peer.accept().await;
        session.hello().await;
        session.send(welcome(true, 0, 10)).await;
        let again = session.recv().await;
        assert_eq!(again.request, page.request);
        // Behind it, for whoever asks counts as not away.
        let away = session.recv().await;
        assert!(is_away(&away.request), "{away:?}");
        session
            .reply(again.id, Outcome::People(query::People::default()))
            .await;
        session
            .reply(away.id, refusal(ErrorCode::UnknownRequest))
            .await;
        session.send(people_online(2)).await;
        let over = session.recv().await;
        assert!(
            matches!(over.request, Some(Request::UnwatchPeople(_))),
            "{over:?}"
        );
        session.send(people_online(3)).await;
        drop(session);

        // Nothing holds any more.
        let mut session = peer.accept().await;
        session.hello().await;
        session.send(welcome(true, 0, 10)).await;
        let frame = session.recv().await;
        assert!(
            matches!(frame.request, Some(Request::ListBlocked(_))),
            "{frame:?}"
        );
        session.reply(frame.id, refusal(ErrorCode::Invalid)).await;
        session
    };
    let application = async {
        let (client, mut updates) = Client::connect(options(&peer)).await.unwrap();
        client.set_away(true).await.unwrap();
        let search = query::SearchPeople {
            query: "tea".into(),
            ..query::SearchPeople::default()
        };
        is_refused.await.unwrap();
        client.watch_people(search).await.unwrap();
        let mut heard = Some(heard);
        let mut told = Vec::new();
        while told.len() < 3 {
            match next(&mut updates).await {
                Update::PeopleOnline(news) => {
                    told.push(format!("{} online", news.count));
                    if let Some(heard) = heard.take() {
                        heard.send(()).unwrap();
                    }
                }
                Update::Refused { request, error } => {
                    assert!(is_away(&Some(request)));
                    told.push(error.to_string());
                }
                _ => {}
            }
        }
        assert_eq!(told, ["1 online", "no: unknown_request", "2 online"]);
        client.unwatch_people().await.unwrap();
        loop {
            match next(&mut updates).await {
                Update::Disconnected { .. } => break,
                Update::PeopleOnline(news) => panic!("{news:?}"),
                _ => {}
            }
        }
        client.list_blocked().await.unwrap_err();
        client
    };
    let (_session, _client) = within(async { tokio::join!(script, application) }).await;
}

fn people_online(count: u64) -> Body {
    Body::PeopleOnline(PeopleOnline {
        count,
        users: Vec::new(),
    })
}

fn refusal(code: ErrorCode) -> Outcome {
    Outcome::Error(frame::Error {
        code: code.as_str().into(),
        message: format!("no: {}", code.as_str()),
        retry: code.retry(),
        retry_after_ms: 0,
    })
}

#[tokio::test]
async fn a_query_is_asked_again_after_an_interruption_and_given_up_after_a_while() {
    let peer = Peer::listen(Transport::WebSocket).await;
    let script = async {
        let mut session = peer.accept().await;
        session.hello().await;
        session.send(welcome(true, 0, 10)).await;
        assert!(matches!(
            session.recv().await.request,
            Some(Request::ListBlocked(_))
        ));
        drop(session);
        let mut session = peer.accept().await;
        session.hello().await;
        session.send(welcome(true, 0, 10)).await;
        let frame = session.recv().await;
        let blocked = tidings_protocol::query::Blocked {
            users: vec!["ben".into()],
        };
        session.reply(frame.id, Outcome::Blocked(blocked)).await;
        let frame = session.recv().await;
        session
            .reply(frame.id, refusal(ErrorCode::RateLimited))
            .await;
        // The last one is never answered.
        session.recv().await;
        session
    };
    let application = async {
        let mut options = options(&peer);
        options.query_timeout = Duration::from_millis(700);
        let (client, _updates) = Client::connect(options).await.unwrap();
        assert_eq!(client.list_blocked().await.unwrap(), ["ben"]);
        let refused = client.list_blocked().await.unwrap_err();
        assert_eq!(
            (refused.kind(), refused.retry()),
            (ErrorKind::Unavailable, true)
        );
        assert_eq!(
            client.list_blocked().await.unwrap_err().kind(),
            ErrorKind::Timeout
        );
        client
    };
    within(async { tokio::join!(script, application) }).await;
}
