//! The exam every backend takes, on one server and on three.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Mutex;

use super::*;
use crate::log::conformance::Factory;

/// Logs on servers that start with the first of them and end with the case.
struct Servers {
    folder: tempfile::TempDir,
    replicas: usize,
    started: Mutex<Option<(Vec<Server>, Config)>>,
}

impl Servers {
    fn new(replicas: usize) -> Servers {
        Servers {
            folder: folder(),
            replicas,
            started: Mutex::new(None),
        }
    }

    async fn connect(&self, name: &str, epoch: Uuid) -> SharedLog {
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
        let config = Config {
            prefix: name.to_owned(),
            ..config.clone()
        };
        Arc::new(JetStream::connect(config, epoch).await.unwrap())
    }
}

#[async_trait]
impl Factory for Servers {
    async fn create(&self, name: &str) -> SharedLog {
        self.connect(name, crate::log::conformance::new_id()).await
    }

    async fn open(&self, name: &str) -> SharedLog {
        self.connect(name, Uuid::from_u128(0xbad)).await
    }
}

mod one {
    crate::log_conformance!(super::Servers::new(1));
}

mod three {
    crate::log_conformance!(super::Servers::new(3));
}
