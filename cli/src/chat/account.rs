//! Who chats, with which server, and where their outbox lies.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::ValueEnum;
use tidings_protocol::{ClientFrame, id};
use tidings_sdk::{
    Address, Options, Tls, Token, Transport,
    outbox::{File, Outbox, OutboxError},
};
use uuid::Uuid;

/// As many chats of one user as may run side by side.
const SLOTS: u32 = 16;
/// Far more than anybody scrolls through; they are the user's own to look at.
const KEEP_MESSAGES: usize = 50_000;

#[derive(Debug, clap::Args)]
pub(super) struct Account {
    /// Who you are. Without a token this is all that is said, which a demo takes as proof.
    #[arg(long = "as", value_name = "USER", env = "TIDINGS_USER")]
    user: Option<String>,
    /// The server.
    #[arg(
        long,
        value_name = "URL",
        env = "TIDINGS_SERVER",
        default_value = "http://127.0.0.1:8080"
    )]
    server: String,
    /// How to talk to it; as the URL says, and where that says http or https, QUIC on the same port.
    #[arg(long, value_name = "WAY")]
    transport: Option<Way>,
    /// Your token.
    #[arg(
        long,
        value_name = "TOKEN",
        env = "TIDINGS_TOKEN",
        hide_env_values = true
    )]
    token: Option<String>,
    /// File with your token; read again whenever a fresh one is needed.
    #[arg(long, value_name = "FILE", conflicts_with = "token")]
    token_file: Option<PathBuf>,
    /// SHA-256 of the server's certificate, as the server prints it, to trust that one only.
    #[arg(long, value_name = "SHA256", value_parser = sha256)]
    certificate: Option<[u8; 32]>,
    /// File with the certificates (PEM) to trust instead of the public authorities.
    #[arg(long, value_name = "FILE", conflicts_with = "certificate")]
    ca: Option<PathBuf>,
    /// Folder for what waits to be sent; one of the user's own if not given.
    #[arg(long, value_name = "FOLDER", env = "TIDINGS_CHAT_DATA")]
    data: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Way {
    Quic,
    Ws,
}

/// What a client is started with.
pub(super) struct Opened {
    pub(super) options: Options,
    /// What an earlier run has left to be sent.
    pub(super) waiting: Vec<ClientFrame>,
    /// The server's address, for people.
    pub(super) place: String,
}

impl Account {
    pub(super) fn open(&self) -> anyhow::Result<Opened> {
        let address = self.address()?;
        let (token, said) = self.token()?;
        let user = self.whose(&said)?;
        let folder = match &self.data {
            Some(folder) => folder.clone(),
            None => own_folder().context(
                "there is no home folder to keep unsent messages in: name one with --data",
            )?,
        };
        let server = format!("{}_{}", address.host, address.port);
        let folder = folder.join(file_name(&server)).join(file_name(&user));
        let kept = Kept::take(&folder)?;

        let mut options = Options::new(address.to_string(), token);
        options.tls = self.trust(&address, &said)?;
        options.outbox = Box::new(kept.outbox);
        options.device = kept.device;
        options.client = concat!("tidings-chat/", env!("CARGO_PKG_VERSION")).to_owned();
        options.keep_messages = KEEP_MESSAGES;
        Ok(Opened {
            options,
            waiting: kept.waiting,
            place: address.to_string(),
        })
    }

    fn address(&self) -> anyhow::Result<Address> {
        let text = match self.server.contains("://") {
            true => self.server.clone(),
            false => format!("http://{}", self.server),
        };
        let mut address = Address::parse(&text)?;
        let http = text.starts_with("http");
        match self.transport {
            Some(Way::Quic) => address.transport = Transport::Quic,
            None if http => address.transport = Transport::Quic,
            // Where the URL is a WebSocket's it says itself whether with TLS.
            Some(Way::Ws) if address.transport == Transport::Quic => {
                address.transport = Transport::WebSocket;
            }
            _ => {}
        }
        Ok(address)
    }

    /// The token, and its text as it is now.
    fn token(&self) -> anyhow::Result<(Token, String)> {
        if let Some(path) = &self.token_file {
            let said = read_token(path).map_err(anyhow::Error::msg)?;
            let path = path.clone();
            let token = Token::provider(move || {
                let token = read_token(&path);
                async move { token }
            });
            return Ok((token, said));
        }
        let said = match (&self.token, &self.user) {
            (Some(token), _) => token.trim().to_owned(),
            (None, Some(user)) if !user.is_empty() => format!("dev:{user}"),
            (None, _) => bail!("say who you are with --as, or bring a --token"),
        };
        Ok((Token::Fixed(said.clone()), said))
    }

    /// Whose outbox it is: nothing that one user wrote may ever be sent as another's.
    fn whose(&self, token: &str) -> anyhow::Result<String> {
        let found = user_of(token);
        match (&self.user, found) {
            (Some(user), Some(found)) if *user != found => {
                bail!("the token is that of {found:?}, not of {user:?}")
            }
            (_, Some(found)) => Ok(found),
            (Some(user), None) => Ok(user.clone()),
            (None, None) => bail!("the token does not say whose it is: say it with --as"),
        }
    }

    /// A demo makes its own certificate. Where any token is good, on this machine, a check of it
    /// would protect nothing.
    fn trust(&self, address: &Address, token: &str) -> anyhow::Result<Tls> {
        if let Some(sha256) = self.certificate {
            return Ok(Tls::certificate_sha256(sha256));
        }
        if let Some(path) = &self.ca {
            let pem = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            return Ok(Tls::roots(pem));
        }
        if is_loopback(&address.host) && token.starts_with("dev:") {
            return Ok(Tls::dangerous_accept_any_certificate());
        }
        Ok(Tls::web_roots())
    }
}

fn sha256(text: &str) -> Result<[u8; 32], String> {
    let digits: String = text.chars().filter(|c| *c != ':').collect();
    if digits.len() != 64 || !digits.is_ascii() {
        return Err(format!("{text:?} is not 64 hexadecimal digits"));
    }
    let mut bytes = [0; 32];
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&digits[at..at + 2], 16)
            .map_err(|_| format!("{text:?} is not 64 hexadecimal digits"))?;
    }
    Ok(bytes)
}

fn read_token(path: &Path) -> Result<String, String> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(error) => Err(format!("cannot read {}: {error}", path.display())),
    }
}

/// Whom a token names. The server checks it; this only keeps people apart on this machine.
fn user_of(token: &str) -> Option<String> {
    if let Some(user) = token.strip_prefix("dev:") {
        return (!user.is_empty()).then(|| user.to_owned());
    }
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&claims).ok()?;
    Some(claims.get("sub")?.as_str()?.to_owned())
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn own_folder() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty());
    let folder = set("XDG_DATA_HOME")
        .or_else(|| set("LOCALAPPDATA"))
        .map(PathBuf::from)
        .or_else(|| set("HOME").map(|home| Path::new(&home).join(".local").join("share")))?;
    Some(folder.join("tidings").join("chat"))
}

/// A name that any file system takes, another for every text.
fn file_name(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => name.push(char::from(byte)),
            b'.' if !name.is_empty() => name.push('.'),
            _ => name.push_str(&format!("%{byte:02x}")),
        }
    }
    name
}

/// An outbox that this process has to itself.
struct Kept {
    outbox: File,
    waiting: Vec<ClientFrame>,
    device: String,
}

impl Kept {
    /// Takes the first outbox nobody uses, and into it what others that nobody uses have left.
    fn take(folder: &Path) -> anyhow::Result<Kept> {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let mut taken: Option<(File, PathBuf)> = None;
        for slot in 1..=SLOTS {
            let path = folder.join(format!("outbox-{slot}"));
            if taken.is_some() && !path.exists() {
                break;
            }
            match (File::open(&path), &mut taken) {
                (Ok(mut left), Some((outbox, _))) => move_over(&mut left, outbox)?,
                (Ok(outbox), None) => taken = Some((outbox, folder.join(format!("device-{slot}")))),
                (Err(OutboxError::InUse { .. }), _) => {}
                (Err(error), _) => return Err(error.into()),
            }
        }
        let Some((mut outbox, device)) = taken else {
            bail!("{SLOTS} chats of this user run already");
        };
        Ok(Kept {
            waiting: outbox.load()?,
            outbox,
            device: device_in(&device)?,
        })
    }
}

/// Sent twice, a command is recognised by its id, so a crash in between does no harm.
fn move_over(from: &mut File, to: &mut File) -> Result<(), OutboxError> {
    let left = from.load()?;
    if left.is_empty() {
        return Ok(());
    }
    to.put(&left)?;
    let ids: Vec<Uuid> = left
        .iter()
        .filter_map(|frame| id::from_wire(&frame.command_id))
        .collect();
    from.remove(&ids)
}

fn device_in(path: &Path) -> anyhow::Result<String> {
    let kept = fs::read_to_string(path).unwrap_or_default();
    if Uuid::parse_str(kept.trim()).is_ok() {
        return Ok(kept.trim().to_owned());
    }
    let made = Uuid::now_v7().to_string();
    fs::write(path, format!("{made}\n"))
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(made)
}

#[cfg(test)]
mod tests;
