//! The sessions of one node: grace, heartbeats, what is said.

use proptest::prelude::*;

use super::*;

const GRACE: u64 = 15_000;

fn user(name: &str) -> UserId {
    UserId::new(name).expect("an id")
}

fn told(said: &[(UserId, State)]) -> Vec<(&str, State)> {
    let mut said: Vec<_> = said.iter().map(|(user, state)| (&**user, *state)).collect();
    said.sort_unstable();
    said
}

#[test]
fn a_reload_is_no_news_and_leaving_is_after_the_grace() {
    use State::{Available, Offline};
    let (mut local, ann) = (Local::new(GRACE), user("ann"));
    local.set(&ann, SessionId(1), Device(7), Available);
    assert_eq!(told(&local.take(0)), [("ann", Available)]);
    local.close(&ann, SessionId(1), 1_000);
    assert_eq!(told(&local.take(1_000)), []);
    assert_eq!(told(&local.said()), [("ann", Available)], "still");
    local.set(&ann, SessionId(2), Device(7), Available);
    assert_eq!(told(&local.take(15_999)), []);
    assert_eq!(told(&local.take(16_000)), []);
    local.close(&ann, SessionId(2), 20_000);
    assert_eq!(local.next_look(), Some(35_000));
    assert_eq!(told(&local.take(34_999)), []);
    assert_eq!(told(&local.take(35_000)), [("ann", Offline)]);
    assert!(local.is_empty() && local.said().is_empty());
}

#[test]
fn who_has_two_devices_is_as_they_are_at_the_better_one() {
    use State::{Available, Away, Offline};
    let (mut local, ann) = (Local::new(GRACE), user("ann"));
    let (desk, phone) = (Device::named("desk"), Device::named("phone"));
    local.set(&ann, SessionId(1), desk, Away);
    local.set(&ann, SessionId(2), phone, Available);
    assert_eq!(told(&local.take(0)), [("ann", Available)]);
    // What they say themselves is so at once.
    local.set(&ann, SessionId(2), phone, Away);
    assert_eq!(told(&local.take(0)), [("ann", Away)]);
    local.set(&ann, SessionId(2), phone, Available);
    assert_eq!(told(&local.take(0)), [("ann", Available)]);
    // A reload of the one is no news beside another that is away, whatever comes of that one meanwhile: it is used, says so
    // again by heartbeats, begins another session before its last one ends, or after.
    local.close(&ann, SessionId(2), 1_000);
    local.set(&ann, SessionId(1), desk, Available);
    local.set(&ann, SessionId(1), desk, Away);
    local.beat(&ann, Away, 2_000, 60_000);
    local.set(&ann, SessionId(3), desk, Available);
    local.set(&ann, SessionId(3), desk, Away);
    local.close(&ann, SessionId(1), 3_000);
    local.close(&ann, SessionId(3), 3_000);
    local.set(&ann, SessionId(4), desk, Away);
    assert_eq!(told(&local.take(3_000)), []);
    // Back: from here on what they say on the phone is so at once again.
    local.set(&ann, SessionId(5), phone, Available);
    assert_eq!(told(&local.take(4_000)), []);
    local.set(&ann, SessionId(5), phone, Away);
    assert_eq!(told(&local.take(5_000)), [("ann", Away)]);
    local.set(&ann, SessionId(5), phone, Available);
    assert_eq!(told(&local.take(20_000)), [("ann", Available)]);
    // Each leaves after its own grace.
    local.close(&ann, SessionId(5), 30_000);
    local.close(&ann, SessionId(4), 40_000);
    assert_eq!(told(&local.take(44_999)), []);
    assert_eq!(told(&local.take(45_000)), [("ann", Away)]);
    assert_eq!(
        told(&local.take(76_999)),
        [],
        "by its heartbeats, and their grace"
    );
    assert_eq!(told(&local.take(77_000)), [("ann", Offline)]);
    assert!(local.is_empty());
}

#[test]
fn heartbeats_that_come_late_keep_nobody_better_than_they_are() {
    use State::{Available, Away};
    let (mut local, ann) = (Local::new(8_000), user("ann"));
    local.set(&ann, SessionId(1), Device::named("phone"), Available);
    local.beat(&ann, Away, 0, 2_000);
    assert_eq!(told(&local.take(0)), [("ann", Available)]);
    local.close(&ann, SessionId(1), 1_000);
    for nth in 1..=3 {
        let now = nth * 2_700;
        assert_eq!(told(&local.take(now)), []);
        local.beat(&ann, Away, now, 2_000);
    }
    assert_eq!(told(&local.take(9_000)), [("ann", Away)]);
}

#[test]
fn sessions_in_their_grace_are_not_more_and_more() {
    let (mut local, ann) = (Local::new(GRACE), user("ann"));
    for nth in 0..1_000 {
        let device = Device::named(&nth.to_string());
        local.set(&ann, SessionId(nth), device, State::Available);
        local.close(&ann, SessionId(nth), nth);
    }
    assert_eq!(local.users[&ann].left.len(), LEFT);
    local.take(100_000);
    assert!(local.is_empty());
}

#[test]
fn heartbeats_hold_as_long_as_they_come() {
    use State::{Available, Offline};
    let (mut local, ann) = (Local::new(GRACE), user("ann"));
    local.beat(&ann, Available, 0, 60_000);
    assert_eq!(told(&local.take(0)), [("ann", Available)]);
    local.beat(&ann, Available, 50_000, 60_000);
    assert_eq!(told(&local.take(60_000)), []);
    assert_eq!(told(&local.take(109_999)), []);
    assert_eq!(told(&local.take(110_000)), []);
    assert_eq!(told(&local.take(125_000)), [("ann", Offline)]);
    assert!(local.is_empty());
}

#[test]
fn what_could_not_be_said_is_said_later() {
    use State::{Available, Offline};
    let (mut local, ann) = (Local::new(0), user("ann"));
    local.set(&ann, SessionId(1), Device(7), Available);
    let said = local.take(0);
    local.unsaid(said);
    let said = local.take(1);
    assert_eq!(told(&said), [("ann", Available)]);
    local.close(&ann, SessionId(1), 2);
    let said = local.take(2);
    assert_eq!(told(&said), [("ann", Offline)]);
    local.unsaid(said);
    assert_eq!(told(&local.take(3)), [("ann", Offline)]);
    local.set(&ann, SessionId(2), Device(7), Available);
    local.say_all();
    assert_eq!(told(&local.take(4)), [("ann", Available)]);
}

#[derive(Clone, Debug)]
enum Step {
    Set(u8, u64, State),
    Close(u8, u64),
    Beat(u8, State),
    Wait(u64),
    Fail,
}

fn step() -> impl Strategy<Value = Step> {
    let state = || prop_oneof![Just(State::Away), Just(State::Available)];
    prop_oneof![
        (0..3u8, 0..4u64, state()).prop_map(|(user, id, state)| Step::Set(user, id, state)),
        (0..3u8, 0..4u64).prop_map(|(user, id)| Step::Close(user, id)),
        (0..3u8, state()).prop_map(|(user, state)| Step::Beat(user, state)),
        (0..20_000u64).prop_map(Step::Wait),
        Just(Step::Fail),
    ]
}

proptest! {
    /// Whatever happens: what was said last of somebody becomes true when nothing more happens, nothing is
    /// said twice, and nobody who is here is said to be offline.
    #[test]
    fn what_is_said_becomes_true(steps in prop::collection::vec(step(), 0..100)) {
        let mut local = Local::new(GRACE);
        let mut now = 0;
        let mut heard: HashMap<UserId, State> = HashMap::new();
        let mut sessions: HashMap<(u8, u64), State> = HashMap::new();
        let mut beats: HashMap<u8, (u64, State)> = HashMap::new();
        let truth = |sessions: &HashMap<(u8, u64), State>, beats: &HashMap<u8, (u64, State)>, name: u8, now: u64| {
            let by_session = sessions.iter().filter(|((user, _), _)| *user == name).map(|(_, state)| *state);
            let by_beat = beats.get(&name).filter(|(until, _)| *until > now).map(|(_, state)| *state);
            by_session.chain(by_beat).max().unwrap_or_default()
        };
        for step in steps {
            match step {
                Step::Set(name, id, state) => {
                    sessions.insert((name, id), state);
                    local.set(&user(&name.to_string()), SessionId(id), Device(id as u32), state);
                }
                Step::Close(name, id) => {
                    sessions.remove(&(name, id));
                    local.close(&user(&name.to_string()), SessionId(id), now);
                }
                Step::Beat(name, state) => {
                    beats.insert(name, (now + 30_000, state));
                    local.beat(&user(&name.to_string()), state, now, 30_000);
                }
                Step::Wait(ms) => now += ms,
                Step::Fail => {
                    let said = local.take(now);
                    local.unsaid(said);
                    continue;
                }
            }
            for (user, state) in local.take(now) {
                let before = heard.insert(user.clone(), state).unwrap_or_default();
                let name: u8 = user.parse().expect("a number");
                if state == State::Offline {
                    prop_assert_eq!(truth(&sessions, &beats, name, now), State::Offline);
                }
                let _ = before;
            }
        }
        now += 1_000_000;
        for (user, state) in local.take(now) {
            heard.insert(user, state);
        }
        now += 1_000_000;
        for (user, state) in local.take(now) {
            heard.insert(user, state);
        }
        for name in 0..3u8 {
            let is = heard.get(name.to_string().as_str()).copied().unwrap_or_default();
            prop_assert_eq!(is, truth(&sessions, &beats, name, now), "{}", name);
        }
    }
}
