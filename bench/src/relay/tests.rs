//! The generator against the relay: each holds the other to its word.

use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use tidings_protocol::Encoding;
use tokio::runtime::Runtime;

use super::{Relay, TOKEN};
use crate::{Options, Report, run};

/// A relay that serves as long as this is kept, and its address.
fn relay() -> (Runtime, String) {
    let runtime = Runtime::new().unwrap();
    let any = (Ipv4Addr::LOCALHOST, 0).into();
    let relay = runtime.block_on(Relay::bind(any)).unwrap();
    let address = relay.address().to_string();
    runtime.spawn(relay.serve());
    (runtime, address)
}

fn options(address: &str) -> Options {
    let mut options = Options::new(vec![address.to_owned()], |user| format!("{TOKEN}{user}"));
    options.users = 12;
    options.rate = 400;
    options.warm_up = Duration::ZERO;
    options.duration = Duration::from_millis(250);
    options
}

/// Runs, and checks that everything came to everybody, once and in order.
fn faultless(options: &Options, deliveries_each: u64) -> Report {
    let report = run(options).unwrap();
    assert!(report.exactly_once && report.in_order, "{report}");
    assert_eq!((report.sent, report.acknowledged), (100, 100), "{report}");
    assert_eq!(report.received, 100 * deliveries_each, "{report}");
    assert!(report.errors.is_empty(), "{report}");
    report
}

#[test]
fn pairs_are_served() {
    let (_runtime, address) = relay();
    let mut options = options(&address);
    for encoding in [Encoding::Protobuf, Encoding::Json] {
        options.encoding = encoding;
        let report = faultless(&options, 1);
        assert!(report.delivery_ms.max > 0.0 && report.ack_ms.max > 0.0);
    }
}

#[test]
fn groups_are_served() {
    let (_runtime, address) = relay();
    let mut options = options(&address);
    options.group = Some(4);
    faultless(&options, 3);
}

#[test]
fn strangers_are_turned_away_and_others_still_served() {
    let (_runtime, address) = relay();
    // No WebSocket at all.
    drop(TcpStream::connect(&address).unwrap());
    let mut strange = options(&address);
    strange.token = Box::new(|user| user.to_owned());
    let error = run(&strange).unwrap_err();
    assert!(
        matches!(error, crate::RunError::Connect { connected: 0, .. }),
        "{error}"
    );
    faultless(&options(&address), 1);
}

#[test]
fn figures_are_set_against_the_relays() {
    let (_runtime, address) = relay();
    let mut report = faultless(&options(&address), 1);
    let keys = |report: &Report| {
        let value = serde_json::to_value(report).unwrap();
        (value["baseline"].clone(), value["cpu_ratio"].clone())
    };
    assert_eq!(keys(&report), Default::default(), "not asked for");

    let mut relay = report.clone();
    report.server_cpu_s_per_100k = Some(6.0);
    relay.server_cpu_s_per_100k = Some(1.5);
    report.set_baseline(&relay);
    let (baseline, ratio) = keys(&report);
    assert_eq!(ratio, 4.0);
    assert_eq!(baseline["server_cpu_s_per_100k"], 1.5);
    assert_eq!(baseline["delivery_ms"]["p99"], relay.delivery_ms.p99);
    assert_eq!(baseline["ack_ms"]["p50"], relay.ack_ms.p50);
    assert!(report.to_string().contains("4.00 times"), "{report}");

    relay.server_cpu_s_per_100k = Some(0.0);
    report.set_baseline(&relay);
    assert_eq!(report.cpu_ratio, None, "nothing to divide by");
}
