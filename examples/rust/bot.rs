//! A bot that answers in every conversation it is in: `ping` with `pong`, anything else with an echo.
//!
//! ```text
//! cargo run -p tidings-sdk --example bot -- ws://127.0.0.1:8080 dev:bot
//! cargo run -p tidings-sdk --example bot -- quic://127.0.0.1:8080 dev:bot CERTIFICATE-SHA256
//! ```
//!
//! Talk to it with the `client` example. Stop and start it while messages come in: nothing is lost
//! and nothing is answered twice, since its view (with the cursor) and its unanswered commands are
//! kept in files.

use std::error::Error;
use std::fs;

use tidings_sdk::protocol::event::Kind;
use tidings_sdk::protocol::id;
use tidings_sdk::{Client, Options, State, Tls, Update, outbox};
use uuid::Uuid;

#[tokio::main]
async fn main() {
    if let Err(error) = run().await {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments
        .next()
        .unwrap_or_else(|| "ws://127.0.0.1:8080".to_owned());
    let token = arguments.next().unwrap_or_else(|| "dev:bot".to_owned());

    let mut options = Options::new(address, token);
    if let Some(sha256) = arguments.next() {
        options.tls = Tls::certificate_hex(&sha256)?;
    }
    options.client = "echo-bot/1".to_owned();
    // Commands survive a crash of the bot here; the server recognises those it has executed already.
    options.outbox = Box::new(outbox::File::open("bot.outbox")?);
    // What an earlier run knew: the server sends what has happened since.
    if let Ok(stored) = fs::read("bot.state.json") {
        options.state = Some(serde_json::from_slice::<State>(&stored)?);
    }

    let (client, mut updates) = Client::connect(options).await?;
    let me = client.with_state(|state| state.user().to_owned());
    println!("{me} is listening");

    loop {
        let update = tokio::select! {
            update = updates.recv() => update,
            _ = tokio::signal::ctrl_c() => break,
        };
        match update {
            Some(Update::Event(event)) => {
                let Some(Kind::MessagePosted(message)) = event.kind else {
                    continue;
                };
                let Some(conversation) = id::from_wire(&event.conversation) else {
                    continue;
                };
                if message.author == me {
                    continue;
                }
                println!("{}: {}", message.author, message.text);
                let answer = match message.text.as_str() {
                    "ping" => "pong".to_owned(),
                    text => format!("you said: {text}"),
                };
                // The same event always gets the same command id, so should the bot stop between
                // answering and storing its state, the second answer is recognised as the first.
                let command_id = answer_id(event.at_ms, conversation, message.seq);
                let request = tidings_sdk::protocol::command::PostMessage {
                    conversation: event.conversation,
                    text: answer,
                    reply_to: message.seq,
                    mentions: Vec::new(),
                };
                let request = tidings_sdk::protocol::frame::Request::PostMessage(request);
                // In the outbox when this returns; nobody has to wait for the rest.
                client.submit_as(command_id, request).await?;
                client.mark_read(conversation, message.seq).await?;
                fs::write("bot.state.json", serde_json::to_vec(&client.state())?)?;
            }
            Some(Update::Disconnected { reason, retry_in }) => {
                println!("disconnected ({reason}), back in {retry_in:?}");
            }
            Some(Update::CaughtUp) => println!("caught up"),
            Some(Update::Stopped(error)) => return Err(error.into()),
            Some(_) => {}
            None => break,
        }
    }
    client.close().await;
    Ok(())
}

/// A UUIDv7 made of the message answered: its time, its conversation and its number.
fn answer_id(at_ms: u64, conversation: Uuid, seq: u64) -> Uuid {
    let mut random = [0; 10];
    random.copy_from_slice(&conversation.as_bytes()[6..]);
    for (byte, seq) in random[2..].iter_mut().zip(seq.to_be_bytes()) {
        *byte ^= seq;
    }
    uuid::Builder::from_unix_timestamp_millis(at_ms, &random).into_uuid()
}
