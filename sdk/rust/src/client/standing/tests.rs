//! What is said when, of what holds.

use bytes::Bytes;
use tidings_protocol::{ErrorCode, command, frame, query};

use super::*;

fn look(conversation: &'static [u8]) -> Request {
    let conversation = Bytes::from_static(conversation);
    Request::Look(command::Look { conversation })
}

fn away() -> Request {
    let state = "away".to_owned();
    Request::SetPresence(command::SetPresence { state })
}

fn page(query: &str) -> Request {
    let search = Some(query::SearchPeople {
        query: query.to_owned(),
        ..query::SearchPeople::default()
    });
    Request::WatchPeople(query::WatchPeople { search })
}

fn seen(user: &str, active: bool) -> Looking {
    Looking {
        conversation: Bytes::from_static(b"here"),
        user: user.to_owned(),
        active,
    }
}

fn refusal(code: ErrorCode) -> Option<Outcome> {
    Some(Outcome::Error(frame::Error {
        code: code.as_str().into(),
        retry: code.retry(),
        ..frame::Error::default()
    }))
}

struct Scene {
    standing: Standing,
    now: Instant,
    id: u64,
}

impl Scene {
    fn new() -> Scene {
        Scene {
            standing: Standing::default(),
            now: Instant::now(),
            id: 0,
        }
    }

    fn hold(&mut self, request: Request) {
        self.standing.hold(request, self.now);
    }

    /// What is said after a while.
    fn said_after(&mut self, seconds: u64) -> Vec<Request> {
        self.now += Duration::from_secs(seconds);
        let frames = self.standing.take_due(self.now, &mut self.id);
        let requests = frames.into_iter().filter_map(|frame| frame.request);
        requests.collect()
    }
}

#[test]
fn one_of_a_kind_is_said_in_each_session() {
    let mut scene = Scene::new();
    scene.hold(away());
    scene.hold(look(b"there"));
    scene.hold(look(b"here"));
    assert_eq!(scene.said_after(0), [look(b"here"), away()]);
    assert_eq!(scene.said_after(1), []);
    scene.hold(look(b"here"));
    assert_eq!(scene.said_after(1), [], "that is known");
    scene.standing.connected(scene.now);
    assert_eq!(scene.said_after(0), [look(b"here"), away()]);
    assert!(scene.standing.forget(&look(b"")));
    assert!(!scene.standing.forget(&look(b"")));
    scene.standing.connected(scene.now);
    assert_eq!(scene.said_after(0), [away()]);
}

#[test]
fn looking_is_repeated_and_told_to_who_comes_but_not_more_often_than_that() {
    let mut scene = Scene::new();
    scene.hold(look(b"here"));
    assert_eq!(scene.said_after(0).len(), 1);
    assert_eq!(scene.said_after(29).len(), 0);
    assert_eq!(scene.said_after(1).len(), 1);
    // Somebody comes right behind it, and somebody else.
    scene.standing.looks(&seen("ben", true), scene.now);
    scene.standing.looks(&seen("eve", true), scene.now);
    assert_eq!(scene.said_after(1).len(), 0);
    assert_eq!(scene.said_after(1).len(), 1);
    // Their repeats are no news, or two would answer each other for ever.
    for _ in 0..10 {
        scene.standing.looks(&seen("ben", true), scene.now);
        assert_eq!(scene.said_after(2).len(), 0);
    }
    scene.standing.looks(&seen("ben", false), scene.now);
    scene.standing.looks(&seen("ben", true), scene.now);
    assert_eq!(scene.said_after(0).len(), 1);
    // Elsewhere somebody else may look.
    scene.hold(look(b"there"));
    assert_eq!(scene.said_after(0).len(), 1);
    scene.standing.looks(&seen("gus", true), scene.now);
    assert_eq!(scene.said_after(5).len(), 0);
}

#[test]
fn what_is_refused_for_now_is_said_again_and_what_is_refused_for_good_is_not() {
    let mut scene = Scene::new();
    scene.hold(away());
    scene.said_after(0);
    assert!(scene.standing.is_in_flight(1) && !scene.standing.is_in_flight(2));
    let busy = refusal(ErrorCode::Unavailable);
    assert!(scene.standing.answer(1, &busy, scene.now).is_none());
    assert_eq!(scene.standing.deadline(), Some(scene.now + AGAIN));
    assert_eq!(scene.said_after(1), [away()]);
    let no = refusal(ErrorCode::Invalid);
    let refused = scene.standing.answer(2, &no, scene.now).expect("refused");
    assert_eq!(refused.request, away());
    scene.standing.connected(scene.now);
    assert_eq!(scene.said_after(0), []);
}

#[test]
fn a_page_is_held_once_it_is_answered_and_the_last_one_counts() {
    let mut scene = Scene::new();
    let now = scene.now;
    scene.hold(away());
    scene.said_after(0);
    scene.standing.asks(&page("one"));
    scene.standing.asks(&page("two"));
    assert!(!scene.standing.watches_people());
    // Asked again by itself after an interruption: nothing is said here.
    scene.standing.connected(now);
    assert_eq!(scene.said_after(0), [away()]);
    assert!(!scene.standing.asked(&page("one"), true, now));
    assert!(!scene.standing.watches_people());
    assert!(!scene.standing.asked(&page("two"), true, now));
    assert!(scene.standing.watches_people());
    scene.standing.connected(now);
    assert_eq!(scene.said_after(0), [page("two"), away()]);
    // Where it is asked again later, who is away still is.
    let asked = scene.id - 1;
    let busy = refusal(ErrorCode::Unavailable);
    assert!(scene.standing.answer(asked, &busy, scene.now).is_none());
    assert_eq!(scene.said_after(1), [page("two"), away()]);

    // Refused, or not wanted any more: the server is to forget what it may be watching.
    scene.standing.asks(&page("three"));
    assert!(scene.standing.asked(&page("three"), false, now));
    scene.standing.asks(&page("four"));
    assert!(scene.standing.forget(&page("")));
    assert!(scene.standing.asked(&page("four"), true, now));
    assert!(!scene.standing.watches_people());
}

#[test]
fn a_page_that_is_asked_for_twice_is_held_if_either_is_answered() {
    let mut scene = Scene::new();
    let now = scene.now;
    scene.standing.asks(&page("one"));
    scene.standing.asks(&page("one"));
    assert!(!scene.standing.asked(&page("one"), false, now));
    assert!(!scene.standing.asked(&page("one"), true, now));
    assert!(scene.standing.watches_people());
}
