//! The exam of `keys::conformance`, and what several nodes must agree on.

use std::path::Path;
use std::time::Duration;

use ring::rand::SystemRandom;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::*;
use crate::keys::conformance::{Factory, id, print};
use crate::keys::seal::{KEY, OVERHEAD};
use crate::log::jetstream::Config as LogConfig;
use crate::log::jetstream::testing::{Cluster, Server};

/// Key stores on servers that start with the first of them and end with the case.
struct Servers {
    folder: tempfile::TempDir,
    replicas: usize,
    started: Mutex<Option<(Vec<Server>, LogConfig)>>,
}

impl Servers {
    fn new(replicas: usize) -> Servers {
        let folder = tempfile::tempdir().unwrap();
        Servers {
            folder,
            replicas,
            started: Mutex::new(None),
        }
    }
}

#[async_trait]
impl Factory for Servers {
    async fn open(&self, name: &str) -> Arc<dyn KeyStore> {
        let mut started = self.started.lock().await;
        if started.is_none() {
            *started = Some(match self.replicas {
                1 => {
                    let server = Server::start(self.folder.path()).await;
                    let config = server.config();
                    (vec![server], config)
                }
                _ => {
                    let cluster = Cluster::start(self.folder.path()).await;
                    let config = cluster.config();
                    (cluster.servers, config)
                }
            });
        }
        let (_, config) = started.as_ref().expect("just started");
        let config = LogConfig {
            prefix: name.to_owned(),
            ..config.clone()
        };
        Arc::new(open(config, 1).await.unwrap())
    }
}

mod one {
    crate::key_conformance!(super::Servers::new(1));
}

mod three {
    crate::key_conformance!(super::Servers::new(3));
}

async fn open(config: LogConfig, operator: u8) -> Result<JetStream, OpenError> {
    let log = JetStreamLog::connect(config, Uuid::from_u128(1))
        .await
        .unwrap();
    let operator = OperatorKey::new(&RawKey::from_bytes([operator; KEY]));
    #[expect(clippy::disallowed_methods, reason = "the test hands it in")]
    let random = Arc::new(SystemRandom::new());
    JetStream::open(&log, operator, random).await
}

async fn single() -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    (folder, server)
}

fn keys_of(states: &[KeyState]) -> Vec<Vec<u8>> {
    let key = |state: &KeyState| match state {
        KeyState::Present(key) => print(key),
        other => panic!("expected a key, not {other:?}"),
    };
    states.iter().map(key).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_that_make_the_same_keys_get_the_same_keys() {
    let (_folder, server) = single().await;
    let nodes = [
        open(server.config(), 1).await.unwrap(),
        open(server.config(), 1).await.unwrap(),
    ];
    let ids: Vec<KeyId> = (0..300).map(|n| id(n, "eve")).collect();
    let (a, b) = tokio::join!(nodes[0].ensure(&ids), nodes[1].ensure(&ids));
    let (a, b) = (keys_of(&a.unwrap()), keys_of(&b.unwrap()));
    assert!(a == b, "each node has the same keys");
    let mut distinct = a.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), ids.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_node_forgets_a_key_that_was_destroyed() {
    let (_folder, server) = single().await;
    let nodes = [
        open(server.config(), 1).await.unwrap(),
        open(server.config(), 1).await.unwrap(),
    ];
    let ids = [id(1, "eve"), id(1, "bob")];
    nodes[0].ensure(&ids).await.unwrap();
    let kept = keys_of(&nodes[1].get(&ids).await.unwrap());
    nodes[0].destroy(&ids[..1]).await.unwrap();
    let heard = async {
        while !matches!(nodes[1].cached(&ids[0]), Some(KeyState::Destroyed)) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), heard)
        .await
        .expect("the node hears of it");
    assert_eq!(keys_of(&nodes[1].get(&ids[1..]).await.unwrap()), kept[1..]);
}

#[tokio::test]
async fn looking_for_a_key_store_makes_none() {
    let (_folder, server) = single().await;
    let log = JetStreamLog::connect(server.config(), Uuid::from_u128(1))
        .await
        .unwrap();
    for _ in 0..2 {
        assert!(!exists(&log).await.unwrap());
    }
    let missing = log.api().info(&stream_of(&log)).await.unwrap_err();
    assert!(missing.to_string().contains("not found"), "{missing}");
    open(server.config(), 1).await.unwrap();
    assert!(exists(&log).await.unwrap());
    log.api().info(&stream_of(&log)).await.unwrap();
}

#[tokio::test]
async fn another_operator_key_is_refused() {
    let (_folder, server) = single().await;
    let keys = open(server.config(), 1).await.unwrap();
    keys.ensure(&[id(1, "eve")]).await.unwrap();
    let refused = open(server.config(), 2)
        .await
        .err()
        .expect("it is another key");
    assert_eq!(
        refused.to_string(),
        "the keys in the bucket tidings-keys were wrapped with another operator key: \
         this node needs a copy of the one that the first node has"
    );
    open(server.config(), 1).await.unwrap();
}

#[tokio::test]
async fn a_bucket_that_cannot_erase_is_refused() {
    let (_folder, server) = single().await;
    let client = async_nats::connect(server.url()).await.unwrap();
    let bucket = async_nats::jetstream::kv::Config {
        bucket: "tidings-keys".to_owned(),
        history: 1,
        ..Default::default()
    };
    async_nats::jetstream::new(client)
        .create_key_value(bucket)
        .await
        .unwrap();
    let refused = open(server.config(), 1)
        .await
        .err()
        .expect("it denies deletes")
        .to_string();
    assert!(
        refused.starts_with("the stream KV_tidings-keys has deny_delete true"),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_a_destroyed_key_is_left_in_the_files() {
    let (_folder, mut server) = single().await;
    let keys = open(server.config(), 1).await.unwrap();
    let ids: Vec<KeyId> = (0..5).map(|n| id(n, "eve")).collect();
    let made = keys_of(&keys.ensure(&ids).await.unwrap());
    let subject = keys.bucket.subject(&ids[2]);
    let stored = keys
        .bucket
        .api
        .last_of(&keys.bucket.stream, &subject)
        .await
        .unwrap()
        .unwrap();
    // The ciphertext, without the version, the nonce and the tag around it.
    let wrapped = stored.payload[OVERHEAD - 16..][..KEY].to_vec();
    assert!(
        holds(&server.store(), &wrapped),
        "it can be found as long as it is there"
    );

    keys.destroy(&ids[2..3]).await.unwrap();
    assert!(
        !holds(&server.store(), &wrapped),
        "the server has overwritten it"
    );

    server.kill();
    server.restart().await;
    let again = open(server.config(), 1).await.unwrap();
    assert!(matches!(
        again.get(&ids[2..3]).await.unwrap()[..],
        [KeyState::Destroyed]
    ));
    let rest = [&ids[..2], &ids[3..]].concat();
    assert_eq!(
        keys_of(&again.get(&rest).await.unwrap()),
        [&made[..2], &made[3..]].concat()
    );
    assert!(!holds(&server.store(), &wrapped));
}

/// Whether a file below a folder holds these bytes.
fn holds(folder: &Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => holds(&path, bytes),
            false => {
                std::fs::read(&path).is_ok_and(|file| file.windows(bytes.len()).any(|w| w == bytes))
            }
        }
    })
}
