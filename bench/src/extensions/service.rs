//! What an extension is set against: a service on this machine that is asked over HTTP, JSON to and fro, on a connection that stays
//! open. The service is hyper on a thread of its own; whoever asks writes and reads the socket itself, which is the least it can
//! take.

use std::{
    convert::Infallible,
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::mpsc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, StatusCode, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::{net::TcpListener, sync::oneshot};

use super::ExtensionsError;

/// Words that the guest in `extensions/guests/words` refuses, too.
const REFUSED: [&str; 4] = ["casino", "crypto", "telegram", "whatsapp"];

/// What a moderator is shown of a draft.
#[derive(Serialize, Deserialize)]
struct Draft<'a> {
    id: &'a str,
    kind: &'a str,
    author: &'a str,
    conversation: &'a str,
    first_contact: bool,
    text: &'a str,
}

/// What it says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Verdict {
    decision: String,
    #[serde(default)]
    reason: Option<String>,
}

/// The service, until this is dropped.
pub(super) struct Service {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Service {
    pub(super) fn start() -> io::Result<Service> {
        let (tell, told) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("http-hook".to_owned())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_io()
                    .build()?;
                runtime.block_on(async move {
                    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
                    // Whoever waits finds out.
                    tell.send(listener.local_addr()?).unwrap_or_default();
                    tokio::select! {
                        ended = serve(listener) => ended,
                        _ = stopped => Ok(()),
                    }
                })
            })?;
        match told.recv() {
            Ok(address) => Ok(Service {
                address,
                stop: Some(stop),
                thread: Some(thread),
            }),
            Err(_) => match thread.join() {
                Ok(Err(error)) => Err(error),
                _ => Err(io::Error::other("it ended before it began")),
            },
        }
    }

    pub(super) fn client(&self, text: &str) -> io::Result<Client> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok(Client {
            stream,
            text: text.to_owned(),
            buffer: Vec::with_capacity(4096),
        })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

async fn serve(listener: TcpListener) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service_fn(answer));
            // A client that leaves in the middle is none that is measured.
            drop(connection.await);
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let said = match request.into_body().collect().await {
        Ok(body) => judged(&body.to_bytes()),
        Err(_) => None,
    };
    let mut response = Response::new(Full::new(Bytes::from(said.clone().unwrap_or_default())));
    if said.is_none() {
        *response.status_mut() = StatusCode::BAD_REQUEST;
    }
    Ok(response)
}

fn judged(body: &[u8]) -> Option<Vec<u8>> {
    let draft: Draft<'_> = serde_json::from_slice(body).ok()?;
    let text = draft.text.to_lowercase();
    let mut words = text.split(|letter: char| !letter.is_alphanumeric());
    let verdict = match words.any(|word| REFUSED.contains(&word)) {
        true => Verdict {
            decision: "reject".to_owned(),
            reason: Some("this word is not wanted here".to_owned()),
        },
        false => Verdict {
            decision: "allow".to_owned(),
            reason: None,
        },
    };
    serde_json::to_vec(&verdict).ok()
}

/// Somebody with a connection to it.
pub(super) struct Client {
    stream: TcpStream,
    text: String,
    buffer: Vec<u8>,
}

impl Client {
    /// Asks once whether the text may be said, which it may.
    pub(super) fn once(&mut self) -> Result<Duration, ExtensionsError> {
        let begun = Instant::now();
        let verdict = self.ask()?;
        let took = begun.elapsed();
        match verdict.decision.as_str() {
            "allow" => Ok(took),
            _ => Err(ExtensionsError::Answer(verdict.decision)),
        }
    }

    fn ask(&mut self) -> Result<Verdict, ExtensionsError> {
        let draft = Draft {
            id: "0198c0de-0000-7000-8000-000000000001",
            kind: "message",
            author: "user-1",
            conversation: "0198c0de-0000-7000-8000-000000000002",
            first_contact: false,
            text: &self.text,
        };
        let body = serde_json::to_vec(&draft).map_err(io::Error::from)?;
        self.buffer.clear();
        write!(
            self.buffer,
            "POST /review HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        )?;
        self.buffer.extend_from_slice(&body);
        self.stream.write_all(&self.buffer)?;
        self.buffer.clear();
        let (head, length) = loop {
            self.read()?;
            if let Some(found) = head(&self.buffer) {
                break found;
            }
        };
        while self.buffer.len() < head + length {
            self.read()?;
        }
        let (before, body) = self.buffer.split_at(head);
        match serde_json::from_slice(body) {
            Ok(verdict) if before.starts_with(b"HTTP/1.1 200 ") => Ok(verdict),
            _ => {
                let said = String::from_utf8_lossy(&self.buffer).into_owned();
                Err(ExtensionsError::Answer(said))
            }
        }
    }

    fn read(&mut self) -> io::Result<()> {
        let mut chunk = [0; 2048];
        match self.stream.read(&mut chunk)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                self.buffer.extend_from_slice(&chunk[..count]);
                Ok(())
            }
        }
    }
}

/// Where the body begins, and how long it is; nothing while the head is not all there.
fn head(answer: &[u8]) -> Option<(usize, usize)> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse().ok()).flatten()
    });
    Some((end, length.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_the_same_as_the_guest() {
        let service = Service::start().expect("a service");
        let mut client = service.client("shall we meet at eight?").expect("a client");
        for _ in 0..3 {
            client.once().expect("it may be said");
        }
        let mut client = service.client("in the Casino, at eight").expect("a client");
        let refused = client.once().expect_err("it may not be said");
        assert!(matches!(refused, ExtensionsError::Answer(said) if said == "reject"));
    }
}
