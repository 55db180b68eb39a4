//! What an operator sees of a server: its metrics, its health, its own log, its configuration.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use serde_json::Value;
use tidings_protocol::frame::Outcome;
use tidings_tests::{
    Server, Session, Way, World, ask, eventually, http,
    server::{Starting, program},
    within,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// A family on a metrics page.
#[derive(Debug, Default)]
struct Family {
    help: String,
    kind: String,
    /// By name and labels, as they stand there.
    samples: BTreeMap<String, f64>,
}

/// Reads a page as strictly as `promtool check metrics` does, and a little more so.
fn strict(page: &str) -> Result<BTreeMap<String, Family>, String> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut present = String::new();
    if !page.ends_with('\n') {
        return Err("the page does not end with a line".to_owned());
    }
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or(format!("no help: {line}"))?;
            let family = Family {
                help: help.to_owned(),
                ..Family::default()
            };
            if families.insert(name.to_owned(), family).is_some() {
                return Err(format!("{name} is there twice"));
            }
            present = name.to_owned();
            continue;
        }
        let family = families
            .get_mut(&present)
            .ok_or(format!("before any HELP: {line}"))?;
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or(format!("no type: {line}"))?;
            if name != present || !family.kind.is_empty() {
                return Err(format!("a TYPE where it does not belong: {line}"));
            }
            if !["counter", "gauge", "histogram"].contains(&kind) {
                return Err(format!("no such type: {line}"));
            }
            family.kind = kind.to_owned();
            continue;
        }
        let (series, value) = line.rsplit_once(' ').ok_or(format!("no value: {line}"))?;
        let value: f64 = value.parse().map_err(|_| format!("no number: {line}"))?;
        let (name, labels) = match series.split_once('{') {
            Some((name, rest)) => {
                let inner = rest
                    .strip_suffix('}')
                    .ok_or(format!("labels do not end: {line}"))?;
                (
                    name,
                    labels(inner).ok_or(format!("labels are wrong: {line}"))?,
                )
            }
            None => (series, Vec::new()),
        };
        let is_name = |text: &str| {
            let mut chars = text.chars();
            chars
                .next()
                .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
                && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        let suffix = name.strip_prefix(&*present);
        let belongs = match (&*family.kind, suffix) {
            ("histogram", Some("_bucket")) => labels.iter().any(|(label, _)| label == "le"),
            ("histogram", Some("_sum" | "_count")) => true,
            ("counter" | "gauge", Some("")) => true,
            _ => false,
        };
        if !belongs || !is_name(name) || !labels.iter().all(|(label, _)| is_name(label)) {
            return Err(format!(
                "this is not one of {present}, a {}: {line}",
                family.kind
            ));
        }
        if !value.is_finite() || (family.kind != "gauge" && value < 0.0) {
            return Err(format!("no value of a {}: {line}", family.kind));
        }
        if family.samples.insert(series.to_owned(), value).is_some() {
            return Err(format!("{series} is there twice"));
        }
    }
    for (name, family) in &families {
        if family.kind.is_empty() || !family.help.ends_with('.') {
            return Err(format!("{name} has no type, or no help that is a sentence"));
        }
        if (family.kind == "counter") != name.ends_with("_total") {
            return Err(format!("{name} is a {}", family.kind));
        }
        if family.kind == "histogram" {
            histogram(name, family)?;
        }
    }
    Ok(families)
}

/// `a="b",c="d"`; the values here have nothing to be escaped.
fn labels(text: &str) -> Option<Vec<(String, String)>> {
    let mut labels = Vec::new();
    for part in text.split(',') {
        let (label, rest) = part.split_once("=\"")?;
        let value = rest.strip_suffix('"')?;
        if value.contains(['"', '\\']) || labels.iter().any(|(known, _)| known == label) {
            return None;
        }
        labels.push((label.to_owned(), value.to_owned()));
    }
    Some(labels)
}

fn histogram(name: &str, family: &Family) -> Result<(), String> {
    let prefix = format!("{name}_bucket{{le=\"");
    let mut buckets: Vec<(f64, f64)> = Vec::new();
    for (series, count) in &family.samples {
        if let Some(rest) = series.strip_prefix(&prefix) {
            let bound = rest.trim_end_matches("\"}").replace("+Inf", "inf");
            buckets.push((
                bound.parse().map_err(|_| format!("{series}: no bound"))?,
                *count,
            ));
        }
    }
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    let grows = buckets
        .windows(2)
        .all(|two| two[0].0 < two[1].0 && two[0].1 <= two[1].1);
    let count = family.samples.get(&format!("{name}_count"));
    let all = buckets
        .last()
        .filter(|last| last.0 == f64::INFINITY)
        .map(|last| &last.1);
    if !grows || buckets.len() < 2 || count.is_none() || all != count {
        return Err(format!("{name} is no histogram: {family:?}"));
    }
    match family.samples.contains_key(&format!("{name}_sum")) {
        true => Ok(()),
        false => Err(format!("{name} has no sum")),
    }
}

#[test]
fn the_reader_of_metrics_is_strict() {
    let good = "# HELP a_total All.\n# TYPE a_total counter\na_total{b=\"c\"} 1\n\
        # HELP h Times.\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n";
    strict(good).unwrap();
    for (from, to) in [
        ("# HELP a_total All.\n", ""),
        ("# TYPE a_total counter\n", ""),
        ("counter", "gauge"),
        ("a_total", "a"),
        (
            "a_total{b=\"c\"} 1\n",
            "a_total{b=\"c\"} 1\na_total{b=\"c\"} 1\n",
        ),
        ("{b=\"c\"}", "{b=c}"),
        ("{b=\"c\"} 1", "{b=\"c\"} one"),
        ("{b=\"c\"} 1", "{b=\"c\"} -1"),
        ("a_total{", "other_total{"),
        ("h_bucket{le=\"+Inf\"} 2\n", ""),
        ("h_bucket{le=\"1\"} 1", "h_bucket{le=\"1\"} 5"),
        ("h_count 2\n", ""),
        ("h_sum 3\n", ""),
        ("h_count 2", "h_count 3"),
    ] {
        let page = good.replace(from, to);
        assert!(
            strict(&page).is_err(),
            "{from:?} for {to:?} is taken:\n{page}"
        );
    }
}

async fn page(server: &Server) -> BTreeMap<String, Family> {
    let page = http::get(&format!("http://{}", server.http), "/metrics")
        .await
        .unwrap();
    strict(&page).unwrap_or_else(|why| panic!("{why}\n{page}"))
}

fn value(page: &BTreeMap<String, Family>, family: &str, series: &str) -> f64 {
    let found = page
        .get(family)
        .and_then(|family| family.samples.get(series));
    *found.unwrap_or_else(|| panic!("no {series} of {family} in {page:#?}"))
}

on_both_logs! {
    metrics_tell_what_has_happened,
}

async fn metrics_tell_what_has_happened(world: World) {
    let server = world.start().await;
    let mut ann = Session::open(&server, Way::WebSocketJson, "ann").await;
    let _ben = Session::open(&server, Way::QuicProtobuf, "ben").await;
    let conversation = ann.start(ask::direct("ben")).await;
    for n in 0..3 {
        ann.command(ask::post(conversation, &format!("message {n}")))
            .await;
    }
    let id = tidings_tests::session::conversation_of(&ann.command(ask::group("g", &[])).await);
    let refused = ann
        .command_as(uuid::Uuid::now_v7(), ask::remove(id, "nobody"))
        .await;
    let page = eventually("everything is folded", || async {
        let page = page(&server).await;
        let lag = value(
            &page,
            "tidings_projection_lag_positions",
            "tidings_projection_lag_positions",
        );
        (lag == 0.0).then_some(page)
    })
    .await;
    let of = |family: &str, labels: &str| value(&page, family, &format!("{family}{labels}"));
    for transport in ["websocket", "quic"] {
        let label = format!("{{transport=\"{transport}\"}}");
        assert_eq!(of("tidings_connections", &label), 1.0);
        assert_eq!(of("tidings_connections_opened_total", &label), 1.0);
        assert_eq!(of("tidings_sessions", &label), 1.0);
    }
    let commands = |kind: &str, outcome: &str| {
        of(
            "tidings_commands_total",
            &format!("{{kind=\"{kind}\",outcome=\"{outcome}\"}}"),
        )
    };
    assert_eq!(commands("post_message", "accepted"), 3.0);
    assert_eq!(commands("start_direct", "accepted"), 1.0);
    let Outcome::Error(refused) = refused else {
        panic!("nobody can be removed");
    };
    assert_eq!(commands("remove_member", "refused"), 1.0, "{refused:?}");
    let appends = of("tidings_append_seconds", "_count");
    assert!(appends >= 5.0, "{appends}");
    assert_eq!(of("tidings_commit_bytes", "_count"), appends);
    assert!(of("tidings_append_seconds", "_sum") > 0.0);
    assert!(of("tidings_commit_bytes", "_sum") > appends * 50.0);
    assert!(of("tidings_commit_commands", "_sum") >= 5.0);
    assert!(of("tidings_log_position", "") >= appends);
    assert_eq!(
        of("tidings_log_position", ""),
        of("tidings_projection_position", "")
    );
    assert_eq!(of("tidings_log_writable", ""), 1.0);
    assert_eq!(of("tidings_resumes_reset_total", ""), 2.0);
    assert_eq!(of("tidings_shards_written", ""), of("tidings_shards", ""));
    assert!(of("process_resident_memory_bytes", "") > 1e6);
    assert!(of("process_cpu_seconds_total", "") > 0.0);
    assert!(
        page["tidings_build_info"]
            .samples
            .keys()
            .all(|series| series.contains("version=\""))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documents_table_has_every_metric() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operating.md");
    let text = fs::read_to_string(document).unwrap();
    let (_, table) = text.split_once("\n## Metrics\n").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let documented: BTreeSet<&str> = rows
        .flat_map(|row| row.split(" |").next().unwrap_or(row).split("`, `"))
        .map(|name| name.trim_end_matches('`'))
        .collect();
    let world = World::embedded();
    let server = world.start().await;
    let page = page(&server).await;
    let measured: BTreeSet<&str> = page.keys().map(String::as_str).collect();
    assert_eq!(documented, measured);
}

/// Status and JSON of an answer, whatever the status.
async fn get(server: &Server, path: &str) -> (u16, Value) {
    let answer = async {
        let mut stream = TcpStream::connect(server.http).await.unwrap();
        let request = format!("GET {path} HTTP/1.0\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    };
    let text = within("an answer", answer).await;
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("application/json"), "{head}");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap())
}

/// On a quiet log nothing comes that would show that it can be read again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_ready_again_after_the_log_was_away_though_nobody_writes() {
    let mut world = World::jetstream().await;
    let server = world.start().await;
    world.nats().freeze();
    eventually("folding fails", || async {
        let (_, ready) = get(&server, "/readyz").await;
        ready["why"]
            .to_string()
            .contains("cannot be folded")
            .then_some(())
    })
    .await;
    world.nats().thaw();
    eventually("it is ready again", || async {
        (get(&server, "/readyz").await.0 == 200).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_says_whether_clients_should_come_and_why_not() {
    let mut world = World::jetstream().await;
    let server = world.start().await;
    let (status, ready) = get(&server, "/readyz").await;
    assert_eq!(
        (status, &ready["ready"]),
        (200, &Value::Bool(true)),
        "{ready}"
    );
    assert_eq!(ready["why"], Value::Array(Vec::new()));
    assert_eq!(
        (&ready["draining"], &ready["log_writable"]),
        (&false.into(), &true.into())
    );
    let (status, health) = get(&server, "/healthz").await;
    assert_eq!((status, &health["alive"]), (200, &Value::Bool(true)));

    world.nats().kill();
    let why = eventually("it says that the log is gone", || async {
        let (status, ready) = get(&server, "/readyz").await;
        (status == 503).then_some(ready)
    })
    .await;
    assert_eq!(why["ready"], false);
    let said = why["why"][0].as_str().unwrap();
    assert!(said.contains("log"), "{why}");
    assert_eq!(why["log_position"], Value::Null);
    // What is not known is left out, and the page is whole all the same.
    let page = page(&server).await;
    assert!(page["tidings_log_position"].samples.is_empty());
    // It is alive, for a restart would not help.
    assert_eq!(get(&server, "/healthz").await.0, 200);

    world.nats().relaunch();
    world.nats().ready().await;
    eventually("it is ready again", || async {
        (get(&server, "/readyz").await.0 == 200).then_some(())
    })
    .await;
}

/// The configuration of a world with a line before it.
fn config_with(world: &World, line: &str) -> std::path::PathBuf {
    let text = fs::read_to_string(world.config()).unwrap();
    let path = world.folder.path().join("changed.toml");
    fs::write(&path, format!("{line}\n{text}")).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_in_json_names_sessions_and_never_a_text() {
    let world = World::embedded();
    let config = config_with(&world, "log_format = \"json\"");
    let log = world.server_log();
    let debug = [("TIDINGS_LOG", "trace")];
    let server = Starting::under(&config, &log, &debug).listening().await;
    let mut ann = Session::open(&server, Way::WebSocketJson, "ann").await;
    let mut ben = Session::open(&server, Way::QuicProtobuf, "ben").await;
    let conversation = ann.start(ask::direct("ben")).await;
    ann.command(ask::post(conversation, "zanzibar")).await;
    ben.event().await;
    let session = tidings_protocol::id::from_wire(&ann.welcome.session).unwrap();
    drop((ann, ben));
    let lines = eventually("the end of a session is logged", || async {
        let text = fs::read_to_string(&log).unwrap();
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}")))
            .collect();
        let is_end = |line: &&Value| {
            line["message"] == "a connection has ended" && line["session"] == session.to_string()
        };
        lines.iter().any(|line| is_end(&line)).then_some(lines)
    })
    .await;
    let of_ann: Vec<_> = lines
        .iter()
        .filter(|line| line["session"] == session.to_string())
        .collect();
    let opened = of_ann
        .iter()
        .find(|line| line["message"] == "a session is open")
        .unwrap();
    assert_eq!(
        (&opened["user"], &opened["transport"]),
        (&"ann".into(), &"websocket".into())
    );
    assert_eq!(
        (&opened["address"], &opened["level"]),
        (&"127.0.0.1".into(), &"DEBUG".into())
    );
    let quic = lines
        .iter()
        .any(|line| line["user"] == "ben" && line["transport"] == "quic");
    assert!(quic);
    let text = fs::read_to_string(&log).unwrap();
    assert!(!text.contains("zanzibar"), "a message's text is logged");
    let made = lines
        .iter()
        .find(|line| line["message"] == "made a development certificate");
    assert_eq!(made.unwrap()["names"], "localhost, 127.0.0.1, ::1");
}

/// Runs `tidings config` under these variables; both streams as text.
fn shown(config: &Path, environment: &[(&str, &str)], flags: &[&str]) -> (bool, String, String) {
    let output = Command::new(program())
        .arg("config")
        .arg("--config")
        .arg(config)
        .args(flags)
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.success(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_force_is_told_with_who_said_so() {
    let world = World::embedded();
    let config = world.config();
    let environment = [
        ("TIDINGS_LIMITS__REQUESTS_PER_SECOND", "51"),
        ("TIDINGS_LIMITS__REQUEST_BURST", "52"),
    ];
    let (done, json, _) = shown(&config, &environment, &["--json", "--port", "53"]);
    assert!(done);
    let json: Value = serde_json::from_str(&json).unwrap();
    let port = &json["port"];
    assert_eq!(
        (&port["value"], &port["from"], &port["name"]),
        (&53.into(), &"flag".into(), &"--port".into())
    );
    let rate = &json["limits.requests_per_second"];
    assert_eq!(
        (&rate["value"], &rate["from"]),
        (&51.into(), &"environment".into())
    );
    assert_eq!(rate["name"], "TIDINGS_LIMITS__REQUESTS_PER_SECOND");
    let data = &json["data"];
    assert_eq!((&data["from"], &data["line"]), (&"file".into(), &1.into()));
    assert_eq!(json["auth.secrets[0].secret"]["value"], "***");
    assert_eq!(json["limits.window"]["from"], "default");

    // And a server runs with it.
    let server = Starting::under(&config, &world.server_log(), &environment)
        .listening()
        .await;
    let session = Session::open(&server, Way::WebSocketJson, "ann").await;
    assert_eq!(session.welcome.limits.unwrap().requests_per_second, 51);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_refuses_is_told_without_starting_one() {
    let world = World::embedded();
    for (line, added) in [
        ("auth = { secrets = [{ secret = \"short\" }] }", ""),
        ("auth = { development = true }", "[tls]\nnames = [\"\"]\n"),
        ("", ""),
    ] {
        let config = world.folder.path().join("refused.toml");
        let head = format!("data = {:?}\nport = {}\n", world.data, world.port);
        fs::write(&config, format!("{head}{line}\n{added}")).unwrap();
        let served = Starting::new(&config, &world.server_log()).refused().await;
        let (done, printed, said) = shown(&config, &[], &[]);
        assert!(!done, "{printed}");
        assert_eq!(said.trim_end(), served);
        // With what is in force, and who said so.
        assert!(
            printed.contains(&format!("port = {}", world.port)),
            "{printed}"
        );
    }
    let (done, _, said) = shown(&world.config(), &[], &[]);
    assert!(done, "{said}");
}

/// Whoever is let in without proof is let in from this machine only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demo_for_others_has_to_be_asked_for() {
    let demo = |arguments: &[&str]| {
        let output = Command::new(program())
            .args(["demo", "--port", "0", "--address"])
            .args(arguments)
            .output()
            .unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let said = demo(&["0.0.0.0"]);
    assert!(
        said.starts_with("error: a demo takes anyone for whoever they say they are"),
        "{said}"
    );
    assert!(said.contains("--allow-anyone"), "{said}");
    // An address that no machine has: it gets as far as listening there.
    let said = demo(&["192.0.2.1", "--allow-anyone"]);
    assert!(
        said.contains("ANYONE who reaches 192.0.2.1 can be ANY user"),
        "{said}"
    );
    assert!(said.contains("cannot listen on 192.0.2.1"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_key_stops_a_server_wherever_it_is_said() {
    let world = World::embedded();
    let log = world.server_log();
    let unknown = [("TIDINGS_LIMITS__REQESTS", "1")];
    let said = Starting::under(&world.config(), &log, &unknown)
        .refused()
        .await;
    assert!(
        said.starts_with("error: TIDINGS_LIMITS__REQESTS is set in the environment"),
        "{said}"
    );
    let wrong = [("TIDINGS_PORT", "http")];
    let said = Starting::under(&world.config(), &log, &wrong)
        .refused()
        .await;
    assert_eq!(
        said,
        "error: TIDINGS_PORT: port is to be a whole number, and is \"http\""
    );
    let config = config_with(&world, "prot = 1");
    let said = Starting::new(&config, &log).refused().await;
    let begins = format!(
        "error: {}:1: prot is no key of the configuration",
        config.display()
    );
    assert!(said.starts_with(&begins), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jetstream_a_server_stops_also_while_its_log_cannot_be_reached() {
    let mut world = World::jetstream().await;
    let server = world.start().await;
    world.nats().kill();
    server.terminate();
    let status = server.ended().await;
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn limits_under_which_nobody_could_be_served_are_refused() {
    let world = World::embedded().with_limits("queries = 0\n");
    let said = world.starting().refused().await;
    let told = ": limits.queries is 0, and is to be 1 or more: with none nobody could be served. The default is 64";
    assert!(said.ends_with(told), "{said}");
}
