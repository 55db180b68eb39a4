//! What was told is looked at: nobody has seen the invisible, and when all is quiet everybody sees the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::PoisonError,
    time::Instant,
};

use serde_json::Value;

use super::{
    device::{Device, Entry},
    stage::{Model, Stage, USERS, call, search},
};

/// What sessions have seen that they may not, and how the versions of what they were told were broken.
pub(super) fn leaks(stage: &Stage) -> Vec<String> {
    let model = stage.model.lock().unwrap_or_else(PoisonError::into_inner);
    let mut leaks = std::mem::take(&mut *stage.wrong.lock().unwrap());
    let mut devices = stage.devices.lock().unwrap();
    for device in &*devices {
        leaks.extend(seen_by(device, &model));
    }
    devices.retain(|device| device.is_here());
    leaks
}

/// Of one session. What is looked at once is not again.
fn seen_by(device: &Device, model: &Model) -> Vec<String> {
    let mut held = device.held();
    let mut leaks: Vec<String> = held.wrong.drain(..).collect();
    let mut fences: BTreeMap<&str, usize> = BTreeMap::new();
    let mut asked: BTreeMap<u64, BTreeMap<&str, usize>> = BTreeMap::new();
    let hidden = |fences: &BTreeMap<&str, usize>, user: &str, at: Instant| {
        let spell = fences.get(user)?;
        let spell = &model.spells[user][*spell];
        spell
            .ended
            .is_none_or(|ended| at < ended)
            .then_some(spell.from)
    };
    let mut leak = |what: &str, user: &str, from: u64, at: Instant| {
        let ago = at.elapsed();
        leaks.push(format!(
            "{user}, invisible since {from}: {what}, {ago:?} ago"
        ));
    };
    for (at, entry) in &held.records {
        match entry {
            Entry::Fenced(user, spell) => {
                let last = fences.entry(user).or_insert(*spell);
                *last = (*last).max(*spell);
            }
            Entry::Asked(id) => {
                asked.insert(*id, fences.clone());
            }
            Entry::Saw(what, user) if *user != device.user => {
                if let Some(from) = hidden(&fences, user, *at) {
                    leak(what, user, from, *at);
                }
            }
            Entry::Saw(..) => {}
            Entry::Found(id, what, user) => {
                if let Some(from) = asked.get(id).and_then(|then| hidden(then, user, *at)) {
                    leak(what, user, from, *at);
                }
            }
            // What stands in the log is exact; one commit may hold what was before and what is after.
            Entry::Tick(position, user) => {
                let spells = model.spells.get(user.as_str()).into_iter().flatten();
                for spell in spells {
                    let over = match (spell.to, spell.ended) {
                        (Some(to), _) => to,
                        (None, Some(_)) => 0,
                        (None, None) => u64::MAX,
                    };
                    if (spell.from + 1..over).contains(position) {
                        leak(&format!("ticks at {position}"), user, spell.from, *at);
                    }
                }
            }
        }
    }
    held.records
        .retain(|(_, entry)| matches!(entry, Entry::Fenced(..) | Entry::Asked(_)));
    let name = device.name();
    leaks
        .into_iter()
        .map(|leak| format!("to {name}: {leak}"))
        .collect()
}

/// How somebody is, whoever looks.
fn is(stage: &Stage, model: &Model, user: &str) -> &'static str {
    let devices = stage.here(Some(user));
    let by_device = devices.iter().map(|device| match device.held().away {
        true => "away",
        false => "available",
    });
    let states: BTreeSet<_> = by_device.chain(model.beats.get(user).copied()).collect();
    let best = ["available", "away"];
    let best = best.into_iter().find(|state| states.contains(state));
    best.unwrap_or("offline")
}

/// How everybody looks to somebody.
fn looks(
    stage: &Stage,
    model: &Model,
    viewer: &'static str,
) -> BTreeMap<&'static str, &'static str> {
    let all = USERS.into_iter().map(|user| {
        let hidden = model.invisible.contains(user) || model.unseen(viewer, user);
        match hidden && viewer != user {
            true => (user, "offline"),
            false => (user, is(stage, model, user)),
        }
    });
    all.collect()
}

/// How what is seen differs from what is so. What is far from being so is not asked for in full.
pub(super) async fn differences(stage: &Stage) -> Vec<String> {
    let (views, truth) = {
        let model = stage.model.lock().unwrap();
        let views: Vec<String> = stage
            .here(None)
            .iter()
            .filter_map(|device| view(stage, &model, device))
            .collect();
        let truth: BTreeMap<_, _> = USERS
            .into_iter()
            .map(|user| (user, looks(stage, &model, user)))
            .collect();
        (views, truth)
    };
    if !views.is_empty() {
        return views;
    }
    let mut found = Vec::new();
    let mut times = Vec::new();
    for node in 0..stage.nodes.len() {
        found.extend(asked(stage, node, &truth, &mut times).await);
        if !found.is_empty() {
            return found;
        }
    }
    times.dedup();
    if times.len() > 1 {
        found.push(format!(
            "the nodes do not agree who was here when: {times:?}"
        ));
    }
    found
}

/// How what a device watches differs.
fn view(stage: &Stage, model: &Model, device: &Device) -> Option<String> {
    let viewer = USERS.into_iter().find(|user| device.user == *user)?;
    let held = device.held().view.clone();
    let (list, roster) = {
        let held = device.held();
        (held.list.clone(), held.roster)
    };
    let both =
        |one, other| model.added.contains(&(one, other)) && model.added.contains(&(other, one));
    let watched = |user| list.contains(user) || (roster && both(viewer, user));
    let expected: BTreeMap<_, _> = looks(stage, model, viewer)
        .into_iter()
        .map(|(user, state)| (user, if watched(user) { state } else { "offline" }))
        .collect();
    let shown = USERS.into_iter().map(|user| {
        let state = held.get(user).map_or("offline", String::as_str);
        (user, state)
    });
    let wrong: Vec<_> = shown
        .filter(|(user, state)| expected[user] != *state)
        .map(|(user, state)| format!("{user} is {state}, not {}", expected[user]))
        .collect();
    let name = device.name();
    (!wrong.is_empty()).then(|| format!("the view of {name}, roster {roster}: {wrong:?}"))
}

/// How what a node answers differs: of everybody, as they are and as others see them, and whom a search finds.
async fn asked(
    stage: &Stage,
    node: usize,
    truth: &BTreeMap<&'static str, BTreeMap<&'static str, &'static str>>,
    times: &mut Vec<BTreeMap<&'static str, u64>>,
) -> Vec<String> {
    let (server, _) = stage.server(node).expect("it runs");
    let unseen = |one, other| stage.model.lock().unwrap().unseen(one, other);
    let mut wrong = Vec::new();
    let mut seen = BTreeMap::new();
    for (number, user) in USERS.into_iter().enumerate() {
        let others = (1..USERS.len()).map(|step| USERS[(number + step) % USERS.len()]);
        // One of each kind.
        let sees = others.clone().find(|other| !unseen(*other, user));
        let blind = others.clone().find(|other| unseen(*other, user));
        for viewer in [None, sees, blind] {
            let path = format!("/v1/users/{user}/presence");
            let (path, state) = match viewer {
                Some(viewer) => (format!("{path}?as={viewer}"), truth[viewer][user]),
                None => (path, truth[user][user]),
            };
            let (_, said) = call(&server, "GET", &path, "", &Value::Null).await;
            if said["state"] != state {
                wrong.push(format!("node {node}, {path}: {said}, not {state}"));
            }
            if viewer.is_some() && viewer == sees && state == "offline" {
                seen.insert(user, said["seen_ms"].as_u64().unwrap_or_default());
            }
        }
    }
    for viewer in USERS {
        for online in ["first", "only"] {
            if let Some(differs) = finds(&server, viewer, online, truth, &seen, &unseen).await {
                wrong.push(format!("node {node}, {viewer} looks, {online}: {differs}"));
            }
        }
    }
    times.push(seen);
    wrong
}

async fn finds(
    server: &tidings_tests::Server,
    viewer: &'static str,
    online: &str,
    truth: &BTreeMap<&'static str, BTreeMap<&'static str, &'static str>>,
    times: &BTreeMap<&'static str, u64>,
    unseen: &impl Fn(&'static str, &'static str) -> bool,
) -> Option<String> {
    let Some(found) = search(server, viewer, online).await else {
        return Some("there is no answer".to_owned());
    };
    let others = USERS
        .into_iter()
        .filter(|user| *user != viewer && !unseen(viewer, user));
    let expected: BTreeMap<&str, &str> = others
        .map(|user| (user, truth[viewer][user]))
        .filter(|(_, state)| online == "first" || *state != "offline")
        .collect();
    let people: BTreeMap<&str, &str> = found
        .people
        .iter()
        .map(|(user, state, _)| (user.as_str(), state.as_str()))
        .collect();
    if people != expected {
        return Some(format!("{people:?}, not {expected:?}"));
    }
    if !found
        .people
        .is_sorted_by_key(|(_, state, _)| state == "offline")
    {
        return Some(format!("not first who is online: {:?}", found.people));
    }
    let counted: BTreeSet<&str> = found.counted.iter().map(String::as_str).collect();
    let users: BTreeSet<&str> = expected.keys().copied().collect();
    if counted != users || found.total != users.len() as u64 {
        let total = found.total;
        return Some(format!("counted {total}, {counted:?}, not {users:?}"));
    }
    let late = found.people.iter().find(|(user, state, seen_ms)| {
        state == "offline" && times.get(user.as_str()).is_some_and(|at| at != seen_ms)
    });
    late.map(|late| format!("{late:?} at another time than {:?}", times[late.0.as_str()]))
}
