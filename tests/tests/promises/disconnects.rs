//! Networks that break at any moment, frames that arrive twice or late: in the end every device shows
//! exactly what a new one is shown, for every kind of change.

use std::{sync::Arc, time::Duration};

use fastrand::Rng;
use tidings_protocol::{
    command::CreateGroup,
    frame::{Outcome, Request},
    id,
};
use tidings_sdk::{Client, State};
use tidings_tests::{
    Server, Session, Way, World, ask, eventually, fleet::options, http::metric, proxy::Proxy,
    session::conversation_of, views::View, wait, within,
};
use tokio::sync::watch;
use uuid::Uuid;

on_both_logs! {
    every_device_ends_with_the_fresh_view,
}

const USERS: [&str; 4] = ["ann", "ben", "cleo", "dan"];

/// What each device does at least before the weather clears.
const STEPS: usize = 30;

/// Sessions that are resumed at least before the weather clears.
const RESUMED: u64 = 25;

/// One client installation and the network it is on.
struct Device {
    user: &'static str,
    client: Client,
    network: Arc<Proxy>,
}

impl Device {
    async fn new(server: &Server, user: &'static str, way: Way) -> Device {
        let (network, scheme) = match way.is_quic() {
            true => (Proxy::udp(server.quic).await, "quic"),
            false => (Proxy::tcp(server.http).await, "ws"),
        };
        let url = format!("{scheme}://{}", network.address());
        let connecting = Client::connect(options(&url, user, way.encoding()));
        let (client, _) = within("a client connects", connecting).await.unwrap();
        let network = Arc::new(network);
        Device {
            user,
            client,
            network,
        }
    }
}

/// A command that was accepted, to be repeated later.
type Done = (&'static str, Uuid, Request, u64);

async fn every_device_ends_with_the_fresh_view(mut world: World) {
    let mut random = Rng::with_seed(wait::seed());
    // Short, so that a silent network is noticed soon.
    world.limits("heartbeat_ms = 400\n");
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketJson, "ann").await;
    for group in [
        CreateGroup {
            title: "from joining".into(),
            ..Default::default()
        },
        CreateGroup {
            title: "from the start".into(),
            history_from_start: true,
            ..Default::default()
        },
    ] {
        let members = ["ben".to_owned(), "cleo".to_owned()].to_vec();
        let group = ann
            .command(Request::CreateGroup(CreateGroup { members, ..group }))
            .await;
        ann.command(ask::role(conversation_of(&group), "ben", "moderator"))
            .await;
        ann.command(ask::role(conversation_of(&group), "cleo", "owner"))
            .await;
    }
    ann.command(ask::direct("ben")).await;
    drop(ann);

    let mut devices = Vec::new();
    for (n, user) in USERS.iter().enumerate() {
        for way in [Way::ALL[n % 4], Way::ALL[(n + 2) % 4]] {
            devices.push(Device::new(&server, user, way).await);
        }
    }
    devices.push(Device::new(&server, "ann", Way::WebSocketJson).await);

    let (storm, storms) = watch::channel(true);
    let weather: Vec<_> = devices
        .iter()
        .map(|device| {
            tokio::spawn(break_now_and_then(
                device.network.clone(),
                random.fork(),
                storms.clone(),
            ))
        })
        .collect();
    let server = Arc::new(server);
    let (enough, is_enough) = watch::channel(false);
    let acting: Vec<_> = devices
        .iter()
        .map(|device| {
            tokio::spawn(act(
                device.user,
                device.client.clone(),
                server.clone(),
                random.fork(),
                is_enough.clone(),
            ))
        })
        .collect();
    eventually("sessions break and are resumed", async || {
        let resumed = metric(&server, "tidings_resumes_replayed_total").await;
        (resumed >= RESUMED).then_some(())
    })
    .await;
    enough.send_replace(true);
    let mut done: Vec<Done> = Vec::new();
    for acting in acting {
        done.extend(acting.await.unwrap());
    }
    storm.send_replace(false);
    for weather in weather {
        weather.await.unwrap();
    }
    assert!(done.len() > 30, "only {} messages and groups", done.len());

    // Frames that come late, on another connection: each is recognised, and changes nothing.
    random.shuffle(&mut done);
    for (user, command_id, request, seq) in done.into_iter().take(40) {
        let mut session = Session::open(&server, random.choice(Way::ALL).unwrap(), user).await;
        match session.command_as(command_id, request.clone()).await {
            Outcome::Accepted(again) => {
                assert!(again.duplicate, "{user}: {request:?}");
                assert_eq!(again.seq, seq, "{user}: {request:?}");
            }
            other => panic!("{user}: {request:?}: {other:?}"),
        }
    }

    for device in &devices {
        let what = format!("differences of a device of {}", device.user);
        wait::becomes(&what, &Vec::new(), async || {
            let fresh = View::fresh(&server, device.user).await;
            device.client.with_state(|state| fresh.differences(state))
        })
        .await;
        assert!(
            device
                .client
                .with_state(|state| !state.conversations().is_empty() || device.user == "dan")
        );
    }
    for device in devices {
        within("a client closes", device.client.close()).await;
    }
}

/// Cuts a network, or lets nothing through in one direction or both, until the storm is over.
async fn break_now_and_then(
    network: Arc<Proxy>,
    mut random: Rng,
    mut storm: watch::Receiver<bool>,
) {
    while *storm.borrow_and_update() {
        match random.u8(..5) {
            0 | 1 => network.cut(),
            2 => network.hold_up(),
            3 => network.hold_down(),
            _ => {
                network.hold_up();
                network.hold_down();
            }
        }
        // Sometimes for longer than either side puts up with.
        let spell = Duration::from_millis(random.u64(1..1_200));
        let _ = tokio::time::timeout(spell, storm.changed()).await;
        network.release();
        let calm = Duration::from_millis(random.u64(50..500));
        let _ = tokio::time::timeout(calm, storm.changed()).await;
    }
    network.release();
}

/// Does all sorts of things on a device; returns what is certain to have been recorded.
async fn act(
    user: &'static str,
    client: Client,
    server: Arc<Server>,
    mut random: Rng,
    enough: watch::Receiver<bool>,
) -> Vec<Done> {
    let mut open = Vec::new();
    for step in 0.. {
        if step >= STEPS && *enough.borrow() {
            break;
        }
        // People think between two things they do.
        tokio::time::sleep(Duration::from_millis(random.u64(..40))).await;
        let Some(request) = client.with_state(|state| something(state, user, &mut random)) else {
            continue;
        };
        if let Request::MarkRead(read) = &request {
            let conversation = id::from_wire(&read.conversation).unwrap();
            client.mark_read(conversation, read.seq).await.unwrap();
            continue;
        }
        let command_id = Uuid::now_v7();
        let submitted = client.submit_as(command_id, request.clone()).await.unwrap();
        let twice = random.u8(..4) == 0;
        if twice {
            // The same frame on another connection, before, while or after it comes on its own.
            let mut session = Session::open(&server, Way::WebSocketProtobuf, user).await;
            session.send(Some(command_id), request.clone()).await;
            if random.bool() {
                session.ask(ask::ping()).await;
            }
        }
        if random.bool() {
            let answer = within("an answer", submitted.accepted()).await;
            open.push((command_id, request, Ok(answer)));
        } else {
            open.push((command_id, request, Err(submitted)));
        }
    }
    let mut done = Vec::new();
    for (command_id, request, answer) in open {
        let answer = match answer {
            Ok(answer) => answer,
            Err(submitted) => within("an answer", submitted.accepted()).await,
        };
        let recorded = matches!(
            request,
            Request::PostMessage(_) | Request::CreateGroup(_) | Request::EditMessage(_)
        );
        // Much of what is tried is refused, which is as well.
        if let (true, Ok(accepted)) = (recorded, answer) {
            done.push((user, command_id, request, accepted.seq));
        }
    }
    done
}

/// Something that the user of a state may think of doing.
fn something(state: &State, user: &str, random: &mut Rng) -> Option<Request> {
    let other = random.choice(USERS)?;
    if random.u8(..12) == 0 {
        return Some(match random.u8(..4) {
            0 => ask::direct(other),
            1 => ask::group(&format!("a group of {user}"), &[other]),
            2 => ask::block(other),
            _ => ask::unblock(other),
        });
    }
    let conversations = state.conversations();
    let view = random.choice(conversations)?.view();
    let conversation = id::from_wire(&view.id)?;
    let seq = random.u64(1..=view.last_seq.max(1));
    let reaction = random.choice(["+1", "heart", "laugh"])?;
    Some(match random.u8(..24) {
        0..8 => ask::post(conversation, &format!("{user} says {}", random.u32(..))),
        8 | 9 => ask::edit(
            conversation,
            seq,
            &format!("{user} corrects {}", random.u32(..)),
        ),
        10 => ask::retract(conversation, seq),
        11 | 12 => ask::react(conversation, seq, reaction),
        13 => ask::unreact(conversation, seq, reaction),
        14 | 15 => ask::read(conversation, seq),
        16 => ask::add(conversation, &[other]),
        17 => ask::remove(conversation, other),
        18 => ask::leave(conversation),
        19 => ask::role(
            conversation,
            other,
            random.choice(["owner", "moderator", "member"])?,
        ),
        20 => ask::title(conversation, &format!("title {}", random.u32(..))),
        21 | 22 => ask::mute(conversation, random.bool()),
        _ => ask::add(conversation, &USERS),
    })
}
