//! Servers and streams that are refused, and with which sentence.

use async_nats::ServerInfo;
use async_nats::jetstream::stream::{self, DiscardPolicy, PersistenceMode};

use super::*;
use crate::log::Identity;
use crate::log::jetstream::connect::check_server;
use crate::log::jetstream::testing::free_port;
use crate::log::jetstream::{Auth, ConnectError, Tls, Warning, streams};

async fn refusal(config: Config) -> String {
    match JetStream::connect(config, EPOCH).await {
        Ok(_) => panic!("it was accepted"),
        Err(error) => error.to_string(),
    }
}

fn wanted() -> stream::Config {
    streams::wanted(
        "tidings",
        Lane::Journal,
        1,
        Identity {
            epoch: EPOCH,
            shards: 1,
        },
    )
}

#[test]
fn an_old_server_is_refused() {
    let info = |version: &str| ServerInfo {
        server_name: "n1".to_owned(),
        version: version.to_owned(),
        max_payload: 1024 * 1024,
        ..ServerInfo::default()
    };
    for version in ["2.12.0", "2.15.1", "v2.12.4-RC.1", "3.0.0"] {
        assert!(check_server(&info(version)).is_ok(), "{version}");
    }
    for version in ["2.9.10", "2.11.12", "1.99.0", "", "beta"] {
        let refused = check_server(&info(version));
        assert!(
            matches!(refused, Err(ConnectError::OldServer { .. })),
            "{version}: {refused:?}"
        );
    }
    assert_eq!(
        check_server(&info("2.9.10")).unwrap_err().to_string(),
        "the nats-server n1 is version 2.9.10, which is too old: upgrade it to 2.12 or newer"
    );
}

#[tokio::test]
async fn servers_with_wrong_settings_are_refused() {
    let folder = folder();
    let small =
        Server::start_with(folder.path(), "sync_interval: always", "max_payload: 64K").await;
    let said = refusal(small.config()).await;
    assert!(said.contains("n1 has max_payload 64000"), "{said}");
    drop(small);

    let server = Server::start_with(
        folder.path(),
        "sync_interval: always",
        "accounts { A { users: [ { user: a, password: b } ] } }",
    )
    .await;
    let patience = Duration::from_secs(1);
    let wrong = Auth::User {
        name: "a".to_owned(),
        password: "wrong".to_owned(),
    };
    let said = refusal(Config {
        auth: wrong,
        patience,
        ..server.config()
    })
    .await;
    assert!(said.contains("authorization violation"), "{said}");
    let right = Auth::User {
        name: "a".to_owned(),
        password: "b".to_owned(),
    };
    let said = refusal(Config {
        auth: right,
        patience,
        ..server.config()
    })
    .await;
    assert!(said.contains("n1 has no JetStream for us"), "{said}");
    drop(server);

    let said = refusal(Config {
        servers: vec!["nats://127.0.0.1:1".to_owned()],
        ..Config::default()
    })
    .await;
    assert!(
        said.starts_with("cannot connect to nats://127.0.0.1:1: "),
        "{said}"
    );
}

#[tokio::test]
async fn a_token_and_tls_let_us_in() {
    let folder = folder();
    let issued = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (
        folder.path().join("cert.pem"),
        folder.path().join("key.pem"),
    );
    std::fs::write(&certificate, issued.cert.pem()).unwrap();
    std::fs::write(&key, issued.signing_key.serialize_pem()).unwrap();
    let top = format!(
        "authorization {{ token: secret }}\ntls {{ cert_file: {certificate:?}, key_file: {key:?} }}"
    );
    let server = Server::start_with(folder.path(), "sync_interval: always", &top).await;
    let tls = Tls {
        roots: Some(certificate),
        certificate: None,
    };
    let auth = Auth::Token("secret".to_owned());
    let right = Config {
        auth,
        tls: Some(tls.clone()),
        ..server.config()
    };

    let log = connect(right.clone()).await;
    log.append(journal(0, Position::START, 1)).await.unwrap();
    assert_eq!(ids(&read(&log, Lane::Journal, 1).await), [1]);

    let said = refusal(Config {
        auth: Auth::None,
        ..right.clone()
    })
    .await;
    assert!(said.contains("authorization violation"), "{said}");
    let said = refusal(Config {
        tls: Some(Tls::default()),
        ..right.clone()
    })
    .await;
    assert!(said.contains("UnknownIssuer"), "{said}");
    let missing = Tls {
        roots: Some(folder.path().join("none.pem")),
        certificate: None,
    };
    let said = refusal(Config {
        tls: Some(missing),
        ..right.clone()
    })
    .await;
    assert!(said.contains("No such file"), "{said}");
    let credentials = Auth::Credentials(folder.path().join("none.creds"));
    let said = refusal(Config {
        auth: credentials,
        ..right
    })
    .await;
    assert!(
        said.contains("none.creds") && said.contains("No such file"),
        "{said}"
    );
}

#[tokio::test]
async fn impossible_configurations_are_refused() {
    let cases = [
        (
            Config {
                replicas: 2,
                ..Config::default()
            },
            "replicas = 2 is not supported: use 1 or 3",
        ),
        (
            Config {
                shards: Some(0),
                ..Config::default()
            },
            "a log needs at least one shard",
        ),
        (
            Config {
                prefix: "a.b".to_owned(),
                ..Config::default()
            },
            "the prefix \"a.b\" must be made of letters, digits, - and _",
        ),
    ];
    for (config, sentence) in cases {
        assert_eq!(refusal(config).await, sentence);
    }
}

#[tokio::test]
async fn a_log_is_what_it_was_made_as() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let made = connect(Config {
        shards: Some(5),
        ..server.config()
    })
    .await
    .identity();
    assert_eq!(
        made,
        Identity {
            epoch: EPOCH,
            shards: 5
        }
    );
    let again = JetStream::connect(server.config(), Uuid::from_u128(0xbad))
        .await
        .unwrap();
    assert_eq!(
        again.identity(),
        made,
        "the epoch and the shards are the recorded ones"
    );

    let said = refusal(Config {
        shards: Some(4),
        ..server.config()
    })
    .await;
    assert!(
        said.contains("made with 5 shards and the configuration says 4"),
        "{said}"
    );
    let said = refusal(Config {
        replicas: 3,
        ..server.config()
    })
    .await;
    assert!(
        said.contains("tidings-journal has num_replicas 1"),
        "{said}"
    );
    let elsewhere = Config {
        replicas: 3,
        prefix: "other".to_owned(),
        ..server.config()
    };
    let said = refusal(elsewhere).await;
    assert!(said.contains("3 replicas need a cluster"), "{said}");
}

/// Creates a stream of a name that another had a moment ago: the server may still be removing its files, and then
/// it cannot make new ones (`error creating store for stream`).
async fn create_again(context: &async_nats::jetstream::Context, config: stream::Config) {
    let mut tries = 0;
    while let Err(error) = context.create_stream(config.clone()).await {
        tries += 1;
        assert!(tries < 40, "{error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn streams_that_would_lose_records_are_refused() {
    type Spoil = fn(&mut stream::Config);
    let cases: [(&str, Spoil); 8] = [
        ("max_age 3600s", |c| c.max_age = Duration::from_secs(3600)),
        ("max_msgs 7", |c| c.max_messages = 7),
        ("max_bytes 70000", |c| c.max_bytes = 70_000),
        ("max_msgs_per_subject 7", |c| c.max_messages_per_subject = 7),
        ("max_msg_size 70000", |c| c.max_message_size = 70_000),
        ("discard Old", |c| c.discard = DiscardPolicy::Old),
        ("persist_mode async", |c| {
            c.persist_mode = Some(PersistenceMode::Async)
        }),
        ("subjects tidings.other.*", |c| {
            c.subjects = vec!["tidings.other.*".to_owned()]
        }),
    ];
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let client = async_nats::connect(server.url()).await.unwrap();
    let context = async_nats::jetstream::new(client);
    for (setting, spoil) in cases {
        let mut config = wanted();
        spoil(&mut config);
        create_again(&context, config).await;
        let said = refusal(server.config()).await;
        assert!(
            said.starts_with(&format!("the stream tidings-journal has {setting}, ")),
            "{said}"
        );
        context.delete_stream("tidings-journal").await.unwrap();
    }

    let of_others = stream::Config {
        metadata: Default::default(),
        ..wanted()
    };
    create_again(&context, of_others).await;
    let said = refusal(server.config()).await;
    assert!(
        said.contains("not made by this version of Tidings"),
        "{said}"
    );
}

#[tokio::test]
async fn an_unsynced_server_is_warned_of() {
    let folder = folder();
    let server = Server::start_with(folder.path(), "", "").await;
    let url = server.monitor_url();
    let log = connect(server.config()).await;
    let interval = Duration::from_secs(120);
    assert_eq!(log.warnings(), [Warning::NotSynced { url, interval }]);

    let log = connect(Config {
        monitor_urls: Vec::new(),
        ..server.config()
    })
    .await;
    assert_eq!(
        log.warnings(),
        [Warning::SyncUnchecked {
            urls: 0,
            replicas: 1
        }]
    );

    let wrong = Config {
        monitor_urls: vec![server.url()],
        ..server.config()
    };
    let log = connect(wrong).await;
    assert!(
        matches!(log.warnings(), [Warning::SyncUnknown { .. }]),
        "{:?}",
        log.warnings()
    );
}

#[tokio::test]
async fn a_message_that_is_no_record_stops_the_tail() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let log = connect(server.config()).await;
    log.append(journal(0, Position::START, 1)).await.unwrap();
    log.context()
        .publish("tidings.journal.0", "intruder".into())
        .await
        .unwrap()
        .await
        .unwrap();
    let mut tail = log.tail(Lane::Journal, Position::START).await.unwrap();
    let mut seen = Vec::new();
    let error = loop {
        match tail.next().await {
            Ok(batch) => seen.extend(batch),
            Err(error) => break error,
        }
    };
    assert_eq!(ids(&seen), [1]);
    assert_eq!(
        error.to_string(),
        "the log is damaged at position 2: not a record, yet published to tidings.journal.0"
    );
}

#[tokio::test]
async fn a_tail_beyond_the_end_says_so() {
    let folder = folder();
    let server = Server::start(folder.path()).await;
    let config = Config {
        patience: Duration::from_millis(500),
        ..server.config()
    };
    let log = connect(config).await;
    let position = log.append(journal(0, Position::START, 1)).await.unwrap();
    let error = log
        .tail(Lane::Journal, Position(9))
        .await
        .err()
        .expect("there is no such record");
    assert!(
        matches!(error, ReadError::Damaged { position: at, .. } if at.0 == position.0 + 1),
        "{error}"
    );
}

#[tokio::test]
async fn a_user_and_a_certificate_of_our_own_let_us_in() {
    let folder = folder();
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let issued = |name: &str| {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key = made.signing_key.serialize_pem();
        (
            file(&format!("{name}.pem"), made.cert.pem()),
            file(&format!("{name}-key.pem"), key),
        )
    };
    let ((theirs, their_key), (ours, our_key)) = (issued("server"), issued("client"));
    let top = format!(
        "authorization {{ user: tidings, password: secret }}\n\
         tls {{ cert_file: {theirs:?}, key_file: {their_key:?}, ca_file: {ours:?}, verify: true }}"
    );
    let server = Server::start_with(folder.path(), "sync_interval: always", &top).await;
    let user = |password: &str| Auth::User {
        name: "tidings".to_owned(),
        password: password.to_owned(),
    };
    let right = Config {
        auth: user("secret"),
        tls: Some(Tls {
            roots: Some(theirs.clone()),
            certificate: Some((ours.clone(), our_key)),
        }),
        ..server.config()
    };
    let log = connect(right.clone()).await;
    log.append(journal(0, Position::START, 1)).await.unwrap();

    let said = refusal(Config {
        auth: user("guessed"),
        ..right.clone()
    })
    .await;
    assert!(said.contains("authorization violation"), "{said}");
    assert!(!said.contains("guessed"), "{said}");
    let nobody = Tls {
        roots: Some(theirs.clone()),
        certificate: None,
    };
    refusal(Config {
        tls: Some(nobody),
        ..right.clone()
    })
    .await;
    let lost = folder.path().join("lost.pem");
    let unknown = Tls {
        roots: Some(theirs),
        certificate: Some((ours, lost.clone())),
    };
    let said = refusal(Config {
        tls: Some(unknown),
        ..right.clone()
    })
    .await;
    assert!(
        said.starts_with(&format!("cannot use {}: No such file", lost.display())),
        "{said}"
    );
    let address = server.url().replace("nats://", "nats://tidings:secret@");
    let said = refusal(Config {
        servers: vec![address],
        ..right
    })
    .await;
    assert_eq!(
        said,
        "the address of 127.0.0.1 holds a user or a token: configure it beside the address"
    );
}

#[tokio::test]
async fn a_log_is_reached_in_a_domain_through_a_leaf() {
    let (folder, port) = (folder(), free_port());
    let listen = format!("leafnodes {{ listen: 127.0.0.1:{port} }}");
    let hub = Server::start_with(
        &folder.path().join("hub"),
        "sync_interval: always, domain: hub",
        &listen,
    )
    .await;
    let remote =
        format!("leafnodes {{ remotes: [ {{ url: \"nats-leaf://127.0.0.1:{port}\" }} ] }}");
    let leaf = Server::start_with(&folder.path().join("leaf"), "domain: leaf", &remote).await;
    let through = |domain: &str| Config {
        domain: Some(domain.to_owned()),
        ..leaf.config()
    };
    let log = connect(through("hub")).await;
    let first = log.append(journal(0, Position::START, 1)).await.unwrap();
    log.append(journal(0, first, 2)).await.unwrap();
    assert_eq!(ids(&read(&log, Lane::Journal, 2).await), [1, 2]);
    let conflict = log.append(journal(0, first, 3)).await;
    assert!(matches!(conflict, Err(AppendError::Conflict { .. })));

    let directly = connect(hub.config()).await;
    assert_eq!(ids(&read(&directly, Lane::Journal, 2).await), [1, 2]);
    let said = refusal(Config {
        patience: Duration::from_secs(1),
        ..through("elsewhere")
    })
    .await;
    assert!(
        said.starts_with("nobody answers for the JetStream domain elsewhere through"),
        "{said}"
    );
    let said = refusal(through("a.b")).await;
    assert_eq!(
        said,
        "the domain \"a.b\" must be made of letters, digits, - and _"
    );
}
