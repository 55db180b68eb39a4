//! Who gets gzip, what a browser may keep, and what it has to ask for again.

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};

use super::{Asset, answer, policy, takes_gzip};

const SCRIPT: Asset = Asset {
    path: "/static/1f/console/app.js",
    kind: "text/javascript; charset=utf-8",
    bytes: b"the script as it is",
    gzip: b"packed",
    tag: "W/\"1f\"",
    immutable: true,
};

fn ask(asset: Asset, headers: &[(HeaderName, &'static str)]) -> Response {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
        .collect();
    answer(Some(asset), &headers)
}

fn header_of(response: &Response, name: HeaderName) -> Option<&str> {
    response.headers().get(name)?.to_str().ok()
}

#[test]
fn gzip_goes_to_those_who_take_it() {
    for yes in ["gzip", "GZIP", "gzip;q=0.1", "x-gzip", "gzip ; q=1"] {
        assert!(takes_gzip(yes), "{yes}");
    }
    for no in ["", "br", "*", "gzip;q=0", "gzip; Q=0.000", "gzipped", "q=1"] {
        assert!(!takes_gzip(no), "{no}");
    }
    let packed = ask(SCRIPT, &[(header::ACCEPT_ENCODING, "br, gzip;q=0.5")]);
    assert_eq!(header_of(&packed, header::CONTENT_ENCODING), Some("gzip"));
    assert_eq!(header_of(&packed, header::VARY), Some("accept-encoding"));
    let plain = ask(SCRIPT, &[(header::ACCEPT_ENCODING, "br")]);
    assert_eq!(header_of(&plain, header::CONTENT_ENCODING), None);
    assert_eq!(header_of(&plain, header::VARY), Some("accept-encoding"));
    let never_packed = Asset {
        gzip: b"",
        ..SCRIPT
    };
    let plain = ask(never_packed, &[(header::ACCEPT_ENCODING, "gzip")]);
    assert_eq!(header_of(&plain, header::CONTENT_ENCODING), None);
}

#[test]
fn the_page_is_asked_for_each_time_and_sent_only_when_it_changed() {
    let page = Asset {
        path: "/",
        kind: "text/html; charset=utf-8",
        immutable: false,
        ..SCRIPT
    };
    let first = ask(page, &[]);
    assert_eq!(first.status(), StatusCode::OK);
    assert_eq!(header_of(&first, header::CACHE_CONTROL), Some("no-cache"));
    assert_eq!(header_of(&first, header::ETAG), Some("W/\"1f\""));
    for known in ["W/\"1f\"", "W/\"0\", W/\"1f\"", "*"] {
        let again = ask(page, &[(header::IF_NONE_MATCH, known)]);
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{known}");
        assert_eq!(header_of(&again, header::ETAG), Some("W/\"1f\""));
    }
    let older = ask(page, &[(header::IF_NONE_MATCH, "W/\"0\"")]);
    assert_eq!(older.status(), StatusCode::OK);
}

#[test]
fn scripts_are_kept_for_good_and_what_is_missing_is_not_remembered() {
    let script = ask(SCRIPT, &[]);
    let caching = header_of(&script, header::CACHE_CONTROL).unwrap_or_default();
    assert!(caching.contains("immutable"), "{caching}");
    let missing = answer(None, &HeaderMap::new());
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    assert_eq!(header_of(&missing, header::CACHE_CONTROL), Some("no-store"));
}

#[test]
fn the_page_talks_to_servers_of_its_log_alone() {
    let nodes = [
        "http://10.0.0.2:8080",
        "https://chat-2.example.com/base",
        "https://bad; script-src *",
        "ftp://elsewhere",
    ];
    let policy = policy(&nodes.map(str::to_owned));
    let policy = policy.to_str().expect("text");
    assert!(
        policy.contains("connect-src 'self' ws://10.0.0.2:8080 wss://chat-2.example.com; base-uri"),
        "{policy}"
    );
    assert!(!policy.contains("script-src *"), "{policy}");
}

#[test]
fn a_server_at_an_ipv6_address_is_reached_too() {
    let connects = |nodes: &[&str]| {
        let nodes: Vec<String> = nodes.iter().map(|node| (*node).to_owned()).collect();
        let policy = policy(&nodes);
        let policy = policy.to_str().expect("text");
        let (_, sources) = policy.split_once("connect-src ").expect("there is one");
        let (sources, _) = sources.split_once(';').expect("it ends");
        sources.to_owned()
    };
    assert_eq!(
        connects(&["http://[2001:db8::5]:8080", "http://10.0.0.2:8080"]),
        "'self' ws: ws://10.0.0.2:8080"
    );
    assert_eq!(
        connects(&["https://[2001:db8::5]", "https://[2001:db8::6]/base"]),
        "'self' wss:"
    );
    // Nothing is opened for names.
    assert_eq!(connects(&["https://a.example"]), "'self' wss://a.example");
}
