//! Tidings inside a program of one's own: a node on a log in a folder, a gateway around it, a route of the
//! program's beside the gateway's, and a message posted through the handler, without any client.
//!
//! ```text
//! cargo run -p tidings-gateway --example embedded -- 8080 embedded-data
//! cargo run -p tidings-sdk --example client -- ws://127.0.0.1:8080 dev:alice
//! curl -X POST http://127.0.0.1:8080/greet/alice
//! ```
//!
//! `alice` finds a greeting of `concierge` when she comes, and gets another one for each request to
//! `/greet/alice`. What was written is there again at the next start.

use std::{
    error::Error, fs::OpenOptions, io::Write as _, os::unix::fs::OpenOptionsExt as _,
    path::PathBuf, sync::Arc,
};

use axum::{Router, extract::Path, routing::post};
use ring::rand::{SecureRandom as _, SystemRandom};
use tidings_core::{
    clock::{Clock as _, SystemClock},
    domain::{Command, CommandId, ConversationCommand, UserId},
    embedded::{self, Folder},
    handler::{Answer, Config, Parts, ids::Ids},
    keys::seal::OperatorKey,
    node::Node,
    presence,
};
use tidings_extensions::Extensions;
use tidings_gateway::{
    Limits,
    auth::{AuthConfig, Authenticator},
    search::{self, Search},
    server::{Builder, Server},
    tls::{ServerCertificate, TlsConfig},
};

/// Who greets.
const CONCIERGE: &str = "concierge";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().map_or(Ok(8080), |port| port.parse())?;
    let data = PathBuf::from(
        arguments
            .next()
            .unwrap_or_else(|| "embedded-data".to_owned()),
    );

    let server = start(port, &data).await?;
    let position = greet(&server.node, "alice").await?;
    println!("alice is greeted at position {position}");
    println!("listening http={} quic={}", server.http, server.quic);
    tokio::signal::ctrl_c().await?;
    // Clients are told when to come back, and everything is written.
    server.stop().await;
    Ok(())
}

/// Starts a node on the log in `data`, and a gateway to it.
async fn start(port: u16, data: &std::path::Path) -> Result<Server, Box<dyn Error>> {
    let random: Arc<SystemRandom> = Arc::new(SystemRandom::new());
    let folder = Folder::open(data, &(random.clone() as _)).await?;
    // Made with the log and kept with it for ever; a product of several servers has them elsewhere.
    let operator = OperatorKey::load_or_generate(&data.join("operator.key"), &*random)?;
    let ids = Ids::new(&ids_secret(&data.join("ids.secret"), &random)?);
    let (log, keys) = folder.unlock(operator, random.clone())?;
    let projections = embedded::projections(data, &log, &mut |_| {}).await?;
    let parts = Parts {
        log,
        keys,
        projections: Arc::new(projections),
        clock: Arc::new(SystemClock),
        random: random.clone(),
        config: Config::default(),
    };
    let node = Arc::new(Node::start(parts, ids, presence::Config::default(), None)?);

    // Anyone who reaches the port can be anyone: a product has secrets or public keys here.
    let auth = Authenticator::new(&AuthConfig {
        development: true,
        ..AuthConfig::default()
    })?;
    let greeter = node.clone();
    let greetings = post(move |Path(user): Path<String>| async move {
        match greet(&greeter, &user).await {
            Ok(position) => format!("greeted at position {position}\n"),
            Err(why) => format!("not greeted: {why}\n"),
        }
    });
    // What profiles may hold is declared here; with nothing declared there are no profiles.
    let search = Search::start(search::Config::default(), data, node.clone())?;
    let extensions = Extensions::start(
        tidings_extensions::Config::default(),
        data,
        node.clone(),
        None,
        Box::new(|_| false),
    )
    .await?;
    let server = Builder {
        node,
        search,
        extensions,
        auth,
        limits: Limits::default(),
        random,
        listen: ([127, 0, 0, 1], port).into(),
        certificate: ServerCertificate::load(&TlsConfig::default(), data, SystemClock.now_ms())?,
        tls_on_tcp: false,
        development: None,
        assets: &[],
        routes: Router::new().route("/greet/{user}", greetings),
    };
    Ok(server.start().await?)
}

/// The secret that ids are derived with: with another one the same two people would get a second
/// conversation.
fn ids_secret(path: &std::path::Path, random: &SystemRandom) -> Result<[u8; 32], Box<dyn Error>> {
    if !path.exists() {
        let mut secret = [0; 32];
        random
            .fill(&mut secret)
            .map_err(|_| "the system has no randomness")?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(&secret)?;
        file.sync_all()?;
    }
    let secret = std::fs::read(path)?;
    Ok(secret
        .try_into()
        .map_err(|_| "the ids secret has 32 bytes")?)
}

/// Posts a greeting, in the conversation of the two, which is begun if there is none. It is durable when
/// this returns; everybody who is connected, wherever, is told.
async fn greet(node: &Node, user: &str) -> Result<u64, String> {
    let concierge = UserId::new(CONCIERGE).map_err(|error| error.to_string())?;
    let user = UserId::new(user).map_err(|error| error.to_string())?;
    let conversation = node.ids.direct(&concierge, &user, "");
    let pair = match concierge < user {
        true => (concierge.clone(), user),
        false => (user, concierge.clone()),
    };
    let begin = ConversationCommand::StartDirect {
        pair,
        context: String::new(),
    };
    let post = ConversationCommand::Post {
        text: "Welcome! Ask me anything.".to_owned(),
        reply_to: 0,
        mentions: Vec::new(),
    };
    let mut position = 0;
    for command in [begin, post] {
        let command = Command::Conversation(conversation, command);
        // With the same id a command is carried out once, however often it is sent.
        let id = CommandId(uuid::Uuid::now_v7());
        let answer = node
            .handler
            .execute(concierge.clone(), command, Some(id), None);
        position = match answer.await {
            Answer::Accepted(accepted) => accepted.position,
            Answer::Refused(refusal) => return Err(refusal.to_string()),
            Answer::Unavailable(why) => return Err(why),
        };
    }
    Ok(position)
}
