//! Which toasts wait, and which badges change.

use super::*;
use crate::domain::{User, UserCommand};

const NOW: u64 = 1_750_000_000_000;

fn id(text: &str) -> UserId {
    UserId::new(text).expect("a user id")
}

fn conversation() -> ConversationId {
    ConversationId(uuid::Uuid::from_u128(1))
}

fn toast(title: &str) -> NewToast {
    NewToast {
        source: BACKEND.to_owned(),
        collapse: None,
        title: title.to_owned(),
        body: String::new(),
        link: None,
        about_user: None,
        about_conversation: None,
        expires_ms: None,
    }
}

fn ann() -> User {
    User::new(id("ann"))
}

fn run_at(user: &mut User, now_ms: u64, command: UserCommand) -> Result<Vec<Event>, Refusal> {
    let events = user.decide(&Limits::default(), now_ms, command)?;
    events.iter().for_each(|event| user.evolve(event));
    Ok(events)
}

fn queue(user: &mut User, toast: NewToast) -> Result<Vec<Event>, Refusal> {
    run_at(user, NOW, UserCommand::QueueToast(Box::new(toast)))
}

/// The number of what was queued, and what it took the place of.
fn queued(user: &mut User, toast: NewToast) -> (u64, Vec<u64>) {
    match &queue(user, toast).expect("it is accepted")[..] {
        [
            Event::ToastQueued {
                toast, replaces, ..
            },
        ] => (*toast, replaces.clone()),
        other => panic!("not one toast: {other:?}"),
    }
}

fn see(user: &mut User, toasts: &[u64]) -> Vec<Event> {
    let toasts = toasts.to_vec();
    run_at(user, NOW, UserCommand::SeeToasts { toasts }).expect("it is accepted")
}

fn waiting(user: &User) -> Vec<u64> {
    let toasts = user.toasts.iter().flat_map(|toasts| toasts.waiting.keys());
    toasts.copied().collect()
}

#[test]
fn a_toast_waits_until_it_is_seen_and_is_seen_once() {
    let mut ann = ann();
    let all = NewToast {
        body: "He likes your garden".to_owned(),
        link: Some("/people/bob".to_owned()),
        about_user: Some(id("bob")),
        ..toast("Bob likes you")
    };
    assert_eq!(
        queue(&mut ann, all),
        Ok(vec![Event::ToastQueued {
            toast: 1,
            source: "backend".to_owned(),
            collapse: None,
            content: Content::Plain(
                r#"{"title":"Bob likes you","body":"He likes your garden","link":"/people/bob"}"#
                    .to_owned()
            ),
            about_user: Some(id("bob")),
            about_conversation: None,
            expires_ms: NOW + WAITS_MS,
            replaces: vec![],
        }])
    );
    assert_eq!(queued(&mut ann, toast("again")), (2, vec![]));
    assert_eq!(
        see(&mut ann, &[7, 1, 1]),
        [Event::ToastsSeen { toasts: vec![1] }]
    );
    assert_eq!(see(&mut ann, &[1]), []);
    assert_eq!(waiting(&ann), [2]);
}

#[test]
fn one_of_the_same_source_and_key_takes_the_place_of_the_other() {
    let mut ann = ann();
    let viewed = |source: &str, key: &str| NewToast {
        source: source.to_owned(),
        collapse: Some(key.to_owned()),
        ..toast("Your profile was viewed")
    };
    assert_eq!(queued(&mut ann, viewed("views", "today")), (1, vec![]));
    assert_eq!(queued(&mut ann, viewed("views", "today")), (2, vec![1]));
    assert_eq!(queued(&mut ann, viewed("likes", "today")), (3, vec![]));
    assert_eq!(queued(&mut ann, viewed("views", "monday")), (4, vec![]));
    // Without a key each stands for itself.
    assert_eq!(queued(&mut ann, toast("one")), (5, vec![]));
    assert_eq!(queued(&mut ann, toast("one")), (6, vec![]));
    see(&mut ann, &[2]);
    assert_eq!(queued(&mut ann, viewed("views", "today")), (7, vec![]));
    assert_eq!(waiting(&ann), [3, 4, 5, 6, 7]);
}

#[test]
fn the_oldest_of_a_source_make_room() {
    let mut ann = ann();
    let other = NewToast {
        source: "likes".to_owned(),
        ..toast("first")
    };
    assert_eq!(queued(&mut ann, other), (1, vec![]));
    for number in 2..=51 {
        assert_eq!(queued(&mut ann, toast("more")), (number, vec![]));
    }
    assert_eq!(queued(&mut ann, toast("more")), (52, vec![2]));
    assert_eq!(queued(&mut ann, toast("more")), (53, vec![3]));
    assert_eq!(waiting(&ann).len(), 51);
    // Where the limit was lowered since.
    let limits = Limits {
        toasts: 2,
        ..Limits::default()
    };
    let command = UserCommand::QueueToast(Box::new(toast("few")));
    let events = ann.decide(&limits, NOW, command).expect("accepted");
    let [Event::ToastQueued { replaces, .. }] = &events[..] else {
        panic!("not one toast: {events:?}");
    };
    assert_eq!(replaces, &Vec::from_iter(4..=52));
}

#[test]
fn those_that_have_expired_make_way_and_one_that_has_is_left_out() {
    let mut ann = ann();
    let until = |expires_ms| NewToast {
        expires_ms: Some(expires_ms),
        ..toast("for a while")
    };
    assert_eq!(queue(&mut ann, until(NOW)), Ok(vec![]));
    assert_eq!(queued(&mut ann, until(NOW + 1)), (1, vec![]));
    assert_eq!(queued(&mut ann, until(NOW + 2)), (2, vec![]));
    let later = UserCommand::QueueToast(Box::new(NewToast {
        source: "likes".to_owned(),
        ..toast("later")
    }));
    let events = run_at(&mut ann, NOW + 1, later).expect("accepted");
    let [Event::ToastQueued { replaces, .. }] = &events[..] else {
        panic!("not one toast: {events:?}");
    };
    assert_eq!(replaces, &[1]);
}

#[test]
fn nobody_is_told_of_whom_they_block_or_who_blocks_them() {
    let about = |user: &str| NewToast {
        about_user: Some(id(user)),
        ..toast("news")
    };
    let mut ann = ann();
    ann.blocked_count = Some(0);
    ann.untold.insert(id("eve"), true);
    assert_eq!(queued(&mut ann, about("bob")), (1, vec![]));
    assert_eq!(queued(&mut ann, about("zoe")), (2, vec![]));
    assert_eq!(queue(&mut ann, about("eve")), Ok(vec![]));
    let block = UserCommand::Block { user: id("bob") };
    assert_eq!(
        run_at(&mut ann, NOW, block),
        Ok(vec![
            Event::UserBlocked { user: id("bob") },
            Event::ToastsSeen { toasts: vec![1] }
        ])
    );
    assert_eq!(queue(&mut ann, about("bob")), Ok(vec![]));
    assert_eq!(waiting(&ann), [2]);
}

#[test]
fn nobody_is_told_of_a_conversation_they_are_not_in() {
    let news = || NewToast {
        about_conversation: Some(conversation()),
        ..toast("news")
    };
    let mut ann = ann();
    assert_eq!(queue(&mut ann, news()), Ok(vec![]));
    ann.muted.insert(conversation(), None);
    assert_eq!(queue(&mut ann, news()), Ok(vec![]));
    ann.muted.insert(conversation(), Some(true));
    assert_eq!(queued(&mut ann, news()), (1, vec![]));
}

#[test]
fn what_cannot_be_shown_is_refused_and_says_why() {
    let mut ann = ann();
    let refused = |ann: &mut User, new: NewToast| match queue(ann, new) {
        Err(Refusal::Invalid(why)) => why,
        other => panic!("not refused: {other:?}"),
    };
    let text = |bytes: usize| "x".repeat(bytes);
    assert!(queue(&mut ann, toast(&text(256))).is_ok());
    assert_eq!(
        refused(&mut ann, toast(&text(257))),
        "the title has 257 bytes: it is to have 1 to 256"
    );
    assert!(refused(&mut ann, toast("")).contains("the title has 0 bytes"));
    let body = |body| NewToast {
        body,
        ..toast("news")
    };
    assert!(queue(&mut ann, body(text(1_024))).is_ok());
    assert!(refused(&mut ann, body(text(1_025))).contains("the body has 1025 bytes"));
    let key = |key| NewToast {
        collapse: Some(key),
        ..toast("news")
    };
    assert!(queue(&mut ann, key(text(256))).is_ok());
    assert!(refused(&mut ann, key(String::new())).contains("the collapse key has 0 bytes"));
    let link = |link: &str| NewToast {
        link: Some(link.to_owned()),
        ..toast("news")
    };
    for good in ["/", "/people/7?tab=photos#top", "https://example.com/a"] {
        assert!(queue(&mut ann, link(good)).is_ok(), "{good}");
    }
    for bad in [
        "people/7",
        "//example.com",
        "/\\example.com",
        "http://example.com",
        "https://",
        "https:///a",
        "javascript:alert(1)",
        "/a b",
        "/a\n",
    ] {
        assert!(
            refused(&mut ann, link(bad)).starts_with("the link is "),
            "{bad}"
        );
    }
    let source = |source: &str| NewToast {
        source: source.to_owned(),
        ..toast("news")
    };
    for bad in ["", "Likes", "a b", &text(65)] {
        assert!(refused(&mut ann, source(bad)).starts_with("the source is "));
    }
    let until = |expires_ms| NewToast {
        expires_ms: Some(expires_ms),
        ..toast("news")
    };
    assert!(queue(&mut ann, until(NOW + WAITS_MOST_MS)).is_ok());
    assert!(refused(&mut ann, until(NOW + WAITS_MOST_MS + 1)).contains("30 days is the most"));
    let many = UserCommand::SeeToasts {
        toasts: vec![1; 1_001],
    };
    assert!(matches!(
        run_at(&mut ann, NOW, many),
        Err(Refusal::Invalid(_))
    ));
}

#[test]
fn a_badge_changes_when_its_number_does() {
    let mut ann = ann();
    let mut set = |source: &str, name: &str, count| {
        let badge = UserCommand::SetBadge {
            source: source.to_owned(),
            name: name.to_owned(),
            count,
        };
        run_at(&mut ann, NOW, badge).map(|events| events.len())
    };
    assert_eq!(set("likes", "new", 0), Ok(0));
    assert_eq!(set("likes", "new", 3), Ok(1));
    assert_eq!(set("likes", "new", 3), Ok(0));
    assert_eq!(set("backend", "new", 3), Ok(1));
    assert_eq!(set("likes", "new", 0), Ok(1));
    assert_eq!(set("likes", "new", 0), Ok(0));
    for bad in ["", "New", "a-b", &"x".repeat(65)] {
        assert!(matches!(set("likes", bad, 1), Err(Refusal::Invalid(_))));
    }
    for nth in 1..100 {
        assert_eq!(set("likes", &format!("badge_{nth}"), 1), Ok(1));
    }
    assert!(matches!(
        set("likes", "one_more", 1),
        Err(Refusal::Invalid(_))
    ));
    assert_eq!(
        set("likes", "new", 1),
        Ok(1),
        "there is room for those there were"
    );
    assert_eq!(set("backend", "one_more", 1), Ok(1));
}

#[test]
fn whoever_was_erased_is_shown_nothing() {
    let mut ann = ann();
    ann.evolve(&Event::UserErased);
    assert!(matches!(
        queue(&mut ann, toast("news")),
        Err(Refusal::Forbidden(_))
    ));
}
