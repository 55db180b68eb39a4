//! Requests of extensions: to hosts that their manifests name and the operator granted by that, never to addresses within the
//! operator's own network, whatever a name resolves to or a redirect points at.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use hashbrown::HashMap;
use parking_lot::Mutex;
use tidings_extension_host::{Header, HttpError, Request, Response};
use tidings_extension_manifest::HttpHost;
use tokio::{sync::Semaphore, time::Instant};
use ureq::{
    Agent, Error,
    config::Config,
    http::{self, Uri, header::LOCATION, uri::Scheme},
    unversioned::{
        resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver},
        transport::{DefaultConnector, NextTimeout},
    },
};

/// Longest body of a response, in bytes.
const BODY_BYTES: u64 = 1 << 20;

/// Redirects that are followed.
const REDIRECTS: usize = 5;

/// Requests under way at a time, of all extensions: each holds a thread.
const AT_ONCE: usize = 64;

/// Failures in a row after which a host is left alone, and for how long.
const FAILURES: u32 = 5;
const LEFT_ALONE: Duration = Duration::from_secs(30);

/// Sends requests of extensions.
pub(crate) struct Client {
    agent: Agent,
    at_once: Arc<Semaphore>,
    hosts: Mutex<HashMap<String, Health>>,
}

#[derive(Default)]
struct Health {
    failures: u32,
    until: Option<Instant>,
}

impl Client {
    /// `private` names hosts that may be at private addresses.
    pub(crate) fn new(private: BTreeSet<String>) -> Client {
        let config = Config::builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_idle_connections(AT_ONCE)
            .user_agent("tidings-extensions")
            // What a proxy reaches is not what was granted.
            .proxy(None)
            .build();
        let resolver = Public {
            names: DefaultResolver::default(),
            private,
        };
        Client {
            agent: Agent::with_parts(config, DefaultConnector::default(), resolver),
            at_once: Arc::new(Semaphore::new(AT_ONCE)),
            hosts: Mutex::default(),
        }
    }

    /// Sends a request to one of the granted hosts, and waits.
    pub(crate) async fn send(
        &self,
        granted: &[HttpHost],
        secrets: Option<&BTreeMap<String, String>>,
        request: Request,
    ) -> Result<Response, HttpError> {
        let uri: Uri = request
            .url
            .parse()
            .map_err(|error| HttpError::Invalid(format!("the address: {error}")))?;
        let host = allowed(granted, &uri)?;
        let mut headers = Vec::with_capacity(request.headers.len());
        for (name, value) in request.headers {
            let secret = matches!(value, Header::Secret { .. });
            let value = match value {
                Header::Text(text) => text,
                Header::Secret { prefix, secret } => {
                    let text = secrets.and_then(|secrets| secrets.get(&secret));
                    let text = text.ok_or_else(|| {
                        HttpError::Denied(format!("there is no secret `{secret}`"))
                    })?;
                    format!("{prefix}{text}")
                }
            };
            headers.push(Named {
                name,
                value,
                secret,
            });
        }
        if !self.may_ask(&host) {
            return Err(HttpError::CircuitOpen);
        }
        let timeout = Duration::from_millis(u64::from(request.timeout_ms));
        let permit = self.at_once.clone().acquire_owned();
        let permit = tokio::time::timeout(timeout, permit).await;
        let permit = permit.map_err(|_| HttpError::Timeout)?;
        let asking = Asking {
            agent: self.agent.clone(),
            granted: granted.to_vec(),
            method: request.method,
            headers,
            body: request.body,
            until: std::time::Instant::now() + timeout,
        };
        let answer = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            asking.follow(uri)
        });
        let answer = answer.await;
        let answer = answer.map_err(|error| HttpError::Transport(error.to_string()))?;
        self.note(host, &answer);
        answer
    }

    fn may_ask(&self, host: &str) -> bool {
        let hosts = self.hosts.lock();
        let until = hosts.get(host).and_then(|health| health.until);
        until.is_none_or(|until| until <= Instant::now())
    }

    fn note(&self, host: String, answer: &Result<Response, HttpError>) {
        let mut hosts = self.hosts.lock();
        let failed = match answer {
            Ok(response) => response.status >= 500,
            Err(error) => matches!(error, HttpError::Timeout | HttpError::Transport(_)),
        };
        if !failed {
            hosts.remove(&host);
            return;
        }
        let health = hosts.entry(host).or_default();
        health.failures += 1;
        if health.failures >= FAILURES {
            health.until = Some(Instant::now() + LEFT_ALONE);
        }
    }
}

/// The host of an address, as manifests name it, if it is granted.
fn allowed(granted: &[HttpHost], uri: &Uri) -> Result<String, HttpError> {
    let invalid = |why: &str| HttpError::Invalid(format!("the address {uri}: {why}"));
    let host = uri.host().ok_or_else(|| invalid("it has no host"))?;
    let scheme = uri
        .scheme()
        .ok_or_else(|| invalid("begin it with https://"))?;
    let plain = *scheme == Scheme::HTTP;
    if !plain && *scheme != Scheme::HTTPS {
        return Err(invalid("begin it with https://"));
    }
    if uri
        .authority()
        .is_some_and(|authority| authority.as_str().contains('@'))
    {
        return Err(invalid("say who you are in a header"));
    }
    let usual = if plain { 80 } else { 443 };
    let name = match uri.port_u16() {
        Some(port) if port != usual => format!("{}:{port}", host.to_ascii_lowercase()),
        _ => host.to_ascii_lowercase(),
    };
    match granted.iter().find(|granted| granted.host == name) {
        None => Err(HttpError::Denied(format!(
            "the manifest does not name the host {name}"
        ))),
        Some(granted) if plain && !granted.plain => Err(HttpError::Denied(format!(
            "{name} is granted for https:// alone"
        ))),
        Some(_) => Ok(name),
    }
}

/// A header that is sent.
struct Named {
    name: String,
    value: String,
    /// A secret of the operator's is in it.
    secret: bool,
}

impl Named {
    /// Whether it says who asks: nobody else is to hear that.
    fn is_private(&self) -> bool {
        let name = self.name.to_ascii_lowercase();
        self.secret || matches!(&*name, "authorization" | "cookie" | "proxy-authorization")
    }
}

/// One request, redirects included.
struct Asking {
    agent: Agent,
    granted: Vec<HttpHost>,
    method: String,
    headers: Vec<Named>,
    body: Option<Vec<u8>>,
    until: std::time::Instant,
}

impl Asking {
    fn follow(mut self, mut uri: Uri) -> Result<Response, HttpError> {
        let first = (uri.scheme().cloned(), uri.authority().cloned());
        for _ in 0..=REDIRECTS {
            let answer = self.once(&uri)?;
            let status = answer.status().as_u16();
            let to = answer
                .headers()
                .get(LOCATION)
                .and_then(|to| to.to_str().ok());
            let (true, Some(to)) = (matches!(status, 301 | 302 | 303 | 307 | 308), to) else {
                return self.read(answer);
            };
            uri = target(&uri, to)?;
            allowed(&self.granted, &uri)?;
            if (uri.scheme(), uri.authority()) != (first.0.as_ref(), first.1.as_ref()) {
                // What one host was told is nothing to another, nor to whoever listens on the way.
                self.headers.retain(|header| !header.is_private());
            }
            if matches!(status, 301..=303) && self.method != "HEAD" {
                self.method = "GET".to_owned();
                self.body = None;
            }
        }
        Err(HttpError::Transport(format!(
            "more than {REDIRECTS} redirects"
        )))
    }

    fn once(&self, uri: &Uri) -> Result<http::Response<ureq::Body>, HttpError> {
        let left = self
            .until
            .saturating_duration_since(std::time::Instant::now());
        if left.is_zero() {
            return Err(HttpError::Timeout);
        }
        let mut request = http::Request::builder()
            .method(&*self.method)
            .uri(uri.clone());
        for header in &self.headers {
            request = request.header(&header.name, &header.value);
        }
        let request = request.body(self.body.clone().unwrap_or_default());
        let request = request.map_err(|error| HttpError::Invalid(error.to_string()))?;
        let configured = self.agent.configure_request(request);
        let request = configured
            .timeout_global(Some(left))
            .allow_non_standard_methods(true)
            .build();
        self.agent.run(request).map_err(failed)
    }

    fn read(&self, mut answer: http::Response<ureq::Body>) -> Result<Response, HttpError> {
        let mut headers: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in answer.headers() {
            let value = String::from_utf8_lossy(value.as_bytes());
            headers
                .entry(name.as_str().to_ascii_lowercase())
                .and_modify(|all| *all = format!("{all}, {value}"))
                .or_insert_with(|| value.into_owned());
        }
        let status = answer.status().as_u16();
        let mut body = Vec::new();
        let mut reader = answer.body_mut().as_reader().take(BODY_BYTES + 1);
        reader
            .read_to_end(&mut body)
            .map_err(|error| match error.downcast::<Error>() {
                Ok(error) => failed(error),
                Err(error) => failed(Error::Io(error)),
            })?;
        if body.len() as u64 > BODY_BYTES {
            return Err(HttpError::TooLarge);
        }
        Ok(Response {
            status,
            headers: headers.into_iter().collect(),
            body,
        })
    }
}

/// Where a redirect leads.
fn target(from: &Uri, to: &str) -> Result<Uri, HttpError> {
    let bad = || HttpError::Transport(format!("a redirect to {to:?}"));
    let uri: Uri = to.parse().map_err(|_| bad())?;
    if uri.scheme().is_some() {
        return Ok(uri);
    }
    // One that begins with `//` names a host, which this does not: it is refused rather than guessed at.
    if !to.starts_with('/') || to.starts_with("//") {
        return Err(bad());
    }
    let mut parts = from.clone().into_parts();
    parts.path_and_query = Some(to.parse().map_err(|_| bad())?);
    Uri::from_parts(parts).map_err(|_| bad())
}

fn failed(error: Error) -> HttpError {
    match error {
        Error::Timeout(_) => HttpError::Timeout,
        Error::Other(error) if error.is::<PrivateAddress>() => HttpError::Denied(error.to_string()),
        Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => HttpError::Timeout,
        error => HttpError::Transport(error.to_string()),
    }
}

/// Finds addresses of names, and only those that anybody could reach.
#[derive(Debug)]
struct Public {
    names: DefaultResolver,
    private: BTreeSet<String>,
}

/// A name at a private address.
#[derive(Debug, thiserror::Error)]
#[error("{0} is at a private address")]
struct PrivateAddress(String);

impl Resolver for Public {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let name = uri
            .authority()
            .map(|authority| authority.as_str().to_ascii_lowercase());
        let name = name.unwrap_or_default();
        let found = match uri.host().is_some_and(is_this_machine) {
            true => {
                let usual = if uri.scheme() == Some(&Scheme::HTTP) {
                    80
                } else {
                    443
                };
                let mut found = self.empty();
                found.push((Ipv4Addr::LOCALHOST, uri.port_u16().unwrap_or(usual)).into());
                found
            }
            false => self.names.resolve(uri, config, timeout)?,
        };
        if self.private.contains(&name) {
            return Ok(found);
        }
        // One of them is enough: it would be tried.
        match found.iter().all(|address| is_public(address.ip())) {
            true => Ok(found),
            false => Err(Error::Other(Box::new(PrivateAddress(name)))),
        }
    }
}

/// Whether a name is one of this machine's own, of which no resolver is asked:
/// <https://www.rfc-editor.org/rfc/rfc6761#section-6.3>
fn is_this_machine(name: &str) -> bool {
    name.to_ascii_lowercase().ends_with(".localhost")
}

/// Whether an address is one of the public network's.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => is_public_v4(address),
            None => is_public_v6(address),
        },
    }
}

/// <https://www.iana.org/assignments/iana-ipv4-special-registry>
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19));
    !special
}

/// Only what is given out for the public network, and nothing within it that leads elsewhere:
/// <https://www.iana.org/assignments/iana-ipv6-special-registry>
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let global = (0x2000..0x4000).contains(&first);
    let special = (first == 0x2001 && (second < 0x200 || second == 0xdb8))
        || first == 0x2002
        || (first == 0x3fff && second < 0x1000);
    global && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted() -> Vec<HttpHost> {
        let host = |host: &str, plain| HttpHost {
            host: host.to_owned(),
            reason: "tests".to_owned(),
            plain,
        };
        vec![host("api.example.org", false), host("127.0.0.1:9", true)]
    }

    #[test]
    fn only_what_is_named_is_asked() {
        let asks = |url: &str| allowed(&granted(), &url.parse().expect("an address"));
        assert_eq!(
            asks("https://api.example.org/a?b").as_deref(),
            Ok("api.example.org")
        );
        assert_eq!(
            asks("https://API.example.org:443/").as_deref(),
            Ok("api.example.org")
        );
        assert_eq!(asks("http://127.0.0.1:9/").as_deref(), Ok("127.0.0.1:9"));
        for denied in [
            "http://api.example.org/",
            "https://api.example.org:8443/",
            "https://api.example.org.evil.org/",
            "https://evil.org/api.example.org",
        ] {
            assert!(
                matches!(asks(denied), Err(HttpError::Denied(_))),
                "{denied}"
            );
        }
        for invalid in [
            "/path",
            "ftp://api.example.org/",
            "https://api.example.org@evil.org/",
        ] {
            let refused = asks(invalid);
            assert!(
                matches!(refused, Err(HttpError::Invalid(_) | HttpError::Denied(_))),
                "{invalid}"
            );
        }
    }

    #[test]
    fn private_addresses_are_known() {
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "198.18.0.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "::ffff:10.0.0.1",
            "2001:db8::1",
            "2002:7f00:1::",
            "64:ff9b::7f00:1",
            "ff02::1",
        ] {
            assert!(
                !is_public(private.parse().expect("an address")),
                "{private}"
            );
        }
        for public in [
            "8.8.8.8",
            "1.1.1.1",
            "2606:4700:4700::1111",
            "::ffff:8.8.8.8",
        ] {
            assert!(is_public(public.parse().expect("an address")), "{public}");
        }
    }

    #[tokio::test]
    async fn a_private_address_is_not_asked_though_it_is_named() {
        let client = Client::new(BTreeSet::new());
        let request = Request {
            method: "GET".to_owned(),
            url: "http://127.0.0.1:9/".to_owned(),
            headers: Vec::new(),
            body: None,
            timeout_ms: 1_000,
        };
        let answer = client.send(&granted(), None, request).await;
        assert!(
            matches!(&answer, Err(HttpError::Denied(why)) if why.contains("private")),
            "{answer:?}"
        );
    }
}
