//! A chat in the terminal with one other user.
//!
//! ```text
//! cargo run -p tidings-sdk --example client -- ws://127.0.0.1:8080 dev:ann ben
//! cargo run -p tidings-sdk --example client -- ws://127.0.0.1:8080 dev:ben ann
//! ```
//!
//! Over QUIC the server shows a certificate. One of its own making, as in development, is told by its
//! SHA-256, which the server prints when it starts:
//!
//! ```text
//! cargo run -p tidings-sdk --example client -- quic://127.0.0.1:8080 dev:ann ben CERTIFICATE-SHA256
//! ```
//!
//! Each line typed is a message. Ctrl-D ends it.

use std::error::Error;

use tidings_sdk::protocol::event::Kind;
use tidings_sdk::protocol::query::ListMessages;
use tidings_sdk::protocol::{id, view};
use tidings_sdk::{Client, Options, Tls, Update};
use tokio::io::{AsyncBufReadExt, BufReader};

#[tokio::main]
async fn main() {
    if let Err(error) = run().await {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(token), Some(other)) =
        (arguments.next(), arguments.next(), arguments.next())
    else {
        return Err("usage: client ADDRESS TOKEN OTHER-USER [CERTIFICATE-SHA256]".into());
    };
    let mut options = Options::new(address, token);
    if let Some(sha256) = arguments.next() {
        options.tls = Tls::certificate_hex(&sha256)?;
    }

    // `connect` waits until the session is open and everything missed is there.
    let (client, mut updates) = Client::connect(options).await?;
    let me = client.with_state(|state| state.user().to_owned());

    // The same two users always get the same conversation, whoever asks first.
    let conversation = client.start_direct(&other, "").await?.conversation;
    let latest = ListMessages {
        conversation: id::to_wire(conversation),
        limit: 20,
        ..Default::default()
    };
    let history = client.list_messages(latest).await?;
    history.messages.iter().for_each(show);
    let mut shown = history.messages.last().map_or(0, |message| message.seq);
    client.mark_read(conversation, shown).await?;

    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    loop {
        tokio::select! {
            line = lines.next_line() => match line? {
                // Waiting for the answer here would hold up what others write; the update shows it.
                Some(text) if !text.is_empty() => {
                    let client = client.clone();
                    tokio::spawn(async move {
                        if let Err(error) = client.post(conversation, text).await {
                            eprintln!("not sent: {error}");
                        }
                    });
                }
                Some(_) => {}
                None => break,
            },
            update = updates.recv() => match update {
                Some(Update::Event(event)) if id::from_wire(&event.conversation) == Some(conversation) => {
                    match event.kind {
                        // The history may overlap with what comes as events.
                        Some(Kind::MessagePosted(message)) if message.seq > shown => {
                            shown = message.seq;
                            show(&message);
                            client.mark_read(conversation, shown).await?;
                        }
                        Some(Kind::ReadUpTo(read)) if read.user != me => {
                            println!("({} has read everything up to {})", read.user, read.seq);
                        }
                        _ => {}
                    }
                }
                Some(Update::Typing(typing)) if typing.active => println!("({} is typing)", typing.user),
                Some(Update::Disconnected { reason, .. }) => println!("(disconnected: {reason})"),
                Some(Update::Connected { resumed: true }) => println!("(back)"),
                Some(Update::Stopped(error)) => return Err(error.into()),
                Some(_) => {}
                None => break,
            },
        }
    }
    client.close().await;
    Ok(())
}

fn show(message: &view::Message) {
    let text = if message.retracted {
        "(taken back)"
    } else {
        &message.text
    };
    println!("{:>4} {}: {text}", message.seq, message.author);
}
