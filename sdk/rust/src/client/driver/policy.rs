//! What to do when a session, or an attempt at one, has ended.

use std::collections::VecDeque;
use std::time::Duration;

use tidings_protocol::CloseCode;
use tidings_protocol::frame::Closing;
use tokio::time::Instant;

use super::super::handshake::Ended;
use crate::{Address, Backoff, Error, ErrorKind, Transport, connection::ConnectError};

/// A session that lasted this long makes up for the failures before it.
const LASTING: Duration = Duration::from_secs(10);
/// The first attempt after a failure comes within this time, chosen at random.
const AT_ONCE: Duration = Duration::from_millis(100);
/// Refused tokens in a row before the client stops: the tokens are refused, not stale.
const REFUSED_TOKENS: u32 = 5;

/// Nodes remembered of which servers tell no more.
const FORMER: usize = 8;

pub(super) struct Policy {
    /// As configured, and behind them those that servers have told of.
    addresses: Vec<Address>,
    configured: usize,
    current: usize,
    /// Those they told of once, the latest first. A node that was cut off for a moment knows of no others, and
    /// it may be the next to go: where none of the addresses answers, one of these is tried.
    former: VecDeque<Address>,
    /// Attempts in vain since a session was open, or since a former node was tried.
    in_vain: usize,
    /// Where the server sent this client.
    sent_to: Option<Address>,
    backoff: Backoff,
    failures: u32,
    refused_tokens: u32,
    /// Whether another token can be had.
    renewable: bool,
    opened: Option<Instant>,
    /// Whether a session was ever open.
    worked: bool,
}

/// What comes next.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    /// Another attempt after this time.
    Wait(Duration),
    /// Nothing: trying again would be in vain.
    Stop(Error),
}

impl Policy {
    pub(super) fn new(addresses: Vec<Address>, backoff: Backoff, renewable: bool) -> Policy {
        Policy {
            configured: addresses.len(),
            addresses,
            current: 0,
            former: VecDeque::new(),
            in_vain: 0,
            sent_to: None,
            backoff,
            failures: 0,
            refused_tokens: 0,
            renewable,
            opened: None,
            worked: false,
        }
    }

    /// Where to connect next.
    pub(super) fn address(&self) -> &Address {
        self.sent_to
            .as_ref()
            .unwrap_or(&self.addresses[self.current])
    }

    /// Takes in where the other nodes are. Those that are configured stay, and the present one does.
    pub(super) fn nodes(&mut self, urls: &[String]) {
        let present = self.address().clone();
        let told = urls.iter().filter_map(|url| self.node(url));
        let mut told: Vec<Address> = told.collect();
        // So that not all who lose a node go to the same one.
        fastrand::shuffle(&mut told);
        self.sent_to = None;
        let known = self.addresses.split_off(self.configured);
        for address in std::iter::once(present.clone()).chain(told) {
            if !self.addresses.contains(&address) {
                self.addresses.push(address);
            }
        }
        known
            .into_iter()
            .for_each(|address| self.former.push_front(address));
        self.former
            .retain(|address| !self.addresses.contains(address));
        self.former.truncate(FORMER);
        let now = self.addresses.iter().position(|one| *one == present);
        self.current = now.unwrap_or_default();
    }

    /// A node that a server names by its base URL, by the transport in use.
    fn node(&self, url: &str) -> Option<Address> {
        let address = Address::parse(url).ok()?;
        match (self.address().transport, address.transport) {
            (Transport::Quic, _) => Some(Address {
                transport: Transport::Quic,
                prefix: String::new(),
                ..address
            }),
            // A token that was shown to nobody on the way is not to be shown now.
            (Transport::SecureWebSocket, Transport::WebSocket) => None,
            _ => Some(address),
        }
    }

    /// A session has opened.
    pub(super) fn opened(&mut self, now: Instant) {
        self.opened = Some(now);
        self.in_vain = 0;
        self.worked = true;
        self.refused_tokens = 0;
    }

    /// A session, or an attempt at one, has ended; `random` is from 0 to 1.
    pub(super) fn next(&mut self, ended: &Ended, now: Instant, random: f64) -> Next {
        match self.opened.take() {
            Some(opened) if now - opened >= LASTING => self.failures = 0,
            Some(_) => {}
            None => self.in_vain += 1,
        }
        match ended {
            Ended::Closing(closing) => self.announced(closing, random),
            Ended::Disconnect(disconnect) => match disconnect.close_code() {
                Some(code) if !code.reconnect() => self.final_close(code, ended, random),
                // The client's own slowness or silence: this server is well.
                Some(CloseCode::Slow | CloseCode::Idle) => self.failed(random),
                _ => self.elsewhere(random),
            },
            Ended::Refused(error) if error.kind() == ErrorKind::Unauthenticated => {
                self.token_refused(error.to_string(), random)
            }
            Ended::Refused(error) if error.retry() => {
                let Next::Wait(delay) = self.elsewhere(random) else {
                    unreachable!()
                };
                Next::Wait(delay.max(error.retry_after().unwrap_or_default()))
            }
            Ended::Refused(error) => Next::Stop(error.clone()),
            // Trusting it is for whoever made the client: time does not help. What worked once may do so again.
            Ended::Connect(error @ ConnectError::Certificate { .. })
                if !self.worked && self.failures as usize + 1 >= self.addresses.len() =>
            {
                Next::Stop(Error::new(ErrorKind::Untrusted, error.to_string()))
            }
            Ended::Connect(_) | Ended::Timeout(_) => self.elsewhere(random),
            Ended::Token(_) => self.failed(random),
        }
    }

    fn announced(&mut self, closing: &Closing, random: f64) -> Next {
        let code = CloseCode::ALL
            .iter()
            .copied()
            .find(|code| code.as_str() == closing.code);
        if !closing.reconnect {
            let ended = Ended::Closing(closing.clone());
            return self.final_close(code.unwrap_or(CloseCode::Protocol), &ended, random);
        }
        if let Some(address) = self.node(&closing.address) {
            self.sent_to = Some(address);
        }
        // The server has chosen the time. It counts as a failure all the same, so that a server that
        // closes every session at once is not besieged.
        self.failures += 1;
        let own = match self.failures {
            ..=3 => Duration::ZERO,
            failures => self.backoff.delay(failures - 3, random),
        };
        Next::Wait(own.max(Duration::from_millis(closing.after_ms.into())))
    }

    fn final_close(&mut self, code: CloseCode, ended: &Ended, random: f64) -> Next {
        match code {
            CloseCode::Unauthenticated | CloseCode::TokenExpired => {
                self.token_refused(ended.to_string(), random)
            }
            _ => Next::Stop(Error::new(ErrorKind::Invalid, ended.to_string())),
        }
    }

    fn token_refused(&mut self, message: String, random: f64) -> Next {
        self.refused_tokens += 1;
        if !self.renewable || self.refused_tokens > REFUSED_TOKENS {
            return Next::Stop(Error::new(ErrorKind::Unauthenticated, message));
        }
        Next::Wait(match self.refused_tokens {
            1 => Duration::ZERO,
            refused => self.backoff.delay(refused - 1, random),
        })
    }

    /// Another try, at the next address.
    fn elsewhere(&mut self, random: f64) -> Next {
        if self.sent_to.take().is_none() {
            self.current = (self.current + 1) % self.addresses.len();
            if self.in_vain >= self.addresses.len()
                && let Some(former) = self.former.pop_front()
            {
                self.in_vain = 0;
                self.former.push_back(former.clone());
                self.sent_to = Some(former);
            }
        } else {
            self.in_vain = 0;
        }
        self.failed(random)
    }

    /// Every address gets a try at once before delays begin.
    fn failed(&mut self, random: f64) -> Next {
        self.failures += 1;
        let rounds = (self.failures - 1) / self.addresses.len() as u32;
        Next::Wait(match rounds {
            0 => AT_ONCE.mul_f64(random),
            rounds => self.backoff.delay(rounds, random),
        })
    }
}

#[cfg(test)]
mod tests {
    use tidings_protocol::close::After;

    use super::*;
    use crate::Disconnect;

    fn policy(addresses: &[&str], renewable: bool) -> Policy {
        let addresses = addresses
            .iter()
            .map(|text| Address::parse(text).unwrap())
            .collect();
        let backoff = Backoff {
            first: Duration::from_millis(200),
            longest: Duration::from_secs(1),
        };
        Policy::new(addresses, backoff, renewable)
    }

    fn closed(code: u16) -> Ended {
        Ended::Disconnect(Disconnect {
            code: Some(code),
            reason: "because".to_owned(),
        })
    }

    fn dropped() -> Ended {
        Ended::Disconnect(Disconnect::new("reset"))
    }

    fn millis(next: Next) -> u128 {
        match next {
            Next::Wait(delay) => delay.as_millis(),
            Next::Stop(error) => panic!("stopped: {error}"),
        }
    }

    #[tokio::test]
    async fn delays_grow_until_a_session_has_lasted() {
        let mut policy = policy(&["ws://a:1"], false);
        let start = Instant::now();
        let fail = |policy: &mut Policy, at| millis(policy.next(&dropped(), at, 1.0));
        assert_eq!(
            [0; 5].map(|_| fail(&mut policy, start)),
            [100, 200, 400, 800, 1000]
        );
        policy.opened(start);
        assert_eq!(fail(&mut policy, start + LASTING / 2), 1000);
        policy.opened(start);
        assert_eq!(fail(&mut policy, start + LASTING), 100);
    }

    #[tokio::test]
    async fn every_address_is_tried_before_delays_begin() {
        let mut policy = policy(&["ws://a:1", "ws://b:1"], false);
        let now = Instant::now();
        let mut tried = Vec::new();
        for _ in 0..4 {
            let delay = millis(policy.next(&dropped(), now, 1.0));
            tried.push((policy.address().host.clone(), delay));
        }
        let expected = [("b", 100), ("a", 100), ("b", 200), ("a", 200)];
        assert_eq!(
            tried,
            expected.map(|(host, delay)| (host.to_owned(), delay))
        );
    }

    #[tokio::test]
    async fn every_close_code_does_what_the_catalogue_says() {
        let now = Instant::now();
        for code in CloseCode::ALL {
            let name = code.as_str();
            let announced = |after_ms| {
                Ended::Closing(Closing {
                    code: name.to_owned(),
                    reconnect: code.reconnect(),
                    after_ms,
                    ..Closing::default()
                })
            };
            // Said in a last frame, and with a number only.
            for ended in [announced(0), closed(code.code())] {
                let fixed = policy(&["ws://a:1", "ws://b:1"], false).next(&ended, now, 0.5);
                let mut policy = policy(&["ws://a:1", "ws://b:1"], true);
                let next = policy.next(&ended, now, 0.5);
                let host = policy.address().host.as_str();
                match code.after() {
                    After::AtOnce => {
                        assert!(millis(next) <= AT_ONCE.as_millis(), "{name}");
                        assert_eq!(host, "a", "{name}: the same server");
                    }
                    After::AsTold | After::Backoff => {
                        millis(next);
                        let home = matches!(ended, Ended::Closing(_));
                        assert_eq!(host, if home { "a" } else { "b" }, "{name}");
                        let told = policy.next(&announced(4321), now, 0.5);
                        assert_eq!(millis(told), 4321, "{name}");
                    }
                    After::NewToken => {
                        assert_eq!(next, Next::Wait(Duration::ZERO), "{name}");
                        let Next::Stop(error) = fixed else {
                            panic!("{name}: with the same token {fixed:?}");
                        };
                        assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{name}");
                    }
                    After::Stop => {
                        let Next::Stop(error) = next else {
                            panic!("{name}: {next:?}");
                        };
                        assert_eq!(error.kind(), ErrorKind::Invalid, "{name}");
                    }
                }
            }
        }
    }

    #[tokio::test]
    async fn the_server_sets_the_time_and_the_place() {
        let mut policy = policy(&["ws://a:1"], false);
        let closing = Ended::Closing(Closing {
            code: "draining".into(),
            reconnect: true,
            after_ms: 4321,
            address: "http://b:2".into(),
            ..Closing::default()
        });
        assert_eq!(millis(policy.next(&closing, Instant::now(), 1.0)), 4321);
        assert_eq!(policy.address().host, "b");
        // The place does not answer: back home.
        policy.next(&Ended::Timeout(Duration::ZERO), Instant::now(), 1.0);
        assert_eq!(policy.address().host, "a");
    }

    #[tokio::test]
    async fn other_nodes_are_tried_by_the_transport_in_use() {
        let mut policy = policy(&["quic://a:1"], false);
        let now = Instant::now();
        policy.nodes(&["http://b:2".to_owned(), "https://c:3".to_owned()]);
        let mut tried = Vec::new();
        for _ in 0..3 {
            let delay = millis(policy.next(&dropped(), now, 1.0));
            tried.push((policy.address().to_string(), delay));
        }
        assert_eq!(tried.pop(), Some(("quic://a:1".to_owned(), 100)));
        tried.sort_unstable();
        let expected = ["quic://b:2", "quic://c:3"];
        assert_eq!(tried, expected.map(|url| (url.to_owned(), 100)));
        // There it stays, whatever node the client was first told to use.
        policy.next(&dropped(), now, 1.0);
        let elsewhere = policy.address().to_string();
        assert!(expected.contains(&&*elsewhere), "{elsewhere}");
        policy.opened(now);
        policy.nodes(&["http://a:1".to_owned()]);
        assert_eq!(policy.address().to_string(), elsewhere);
        policy.next(&dropped(), now, 1.0);
        assert_eq!(policy.address().to_string(), "quic://a:1");
        policy.opened(now);
        policy.nodes(&["nonsense".to_owned()]);
        policy.next(&dropped(), now, 1.0);
        assert_eq!(policy.address().to_string(), "quic://a:1");
    }

    /// As a node tells that was cut off from the others for a moment, and is then gone itself.
    #[tokio::test]
    async fn nodes_nobody_tells_of_any_more_are_tried_when_no_other_answers() {
        let mut policy = policy(&["quic://a:1"], false);
        let now = Instant::now();
        policy.opened(now);
        policy.nodes(&["http://b:2".to_owned()]);
        policy.nodes(&["http://c:3".to_owned()]);
        policy.nodes(&[]);
        let mut tried = Vec::new();
        for _ in 0..6 {
            policy.next(&Ended::Timeout(Duration::ZERO), now, 1.0);
            tried.push(policy.address().to_string());
        }
        let [a, b, c] = ["quic://a:1", "quic://b:2", "quic://c:3"];
        // First those that are known to be there, and these again between any two that are not.
        assert_eq!(tried, [a, c, a, b, a, c]);
        // There it stays.
        policy.opened(now);
        policy.nodes(&[]);
        assert_eq!(policy.address().to_string(), c);
        policy.next(&dropped(), now, 1.0);
        assert_eq!(policy.address().to_string(), a);
    }

    #[tokio::test]
    async fn only_so_many_nodes_are_remembered() {
        let mut policy = policy(&["ws://a:1"], false);
        for n in 0..2 * FORMER {
            policy.nodes(&[format!("http://node-{n}:1")]);
        }
        policy.nodes(&[]);
        assert_eq!(policy.former.len(), FORMER);
        let latest = format!("node-{}", 2 * FORMER - 1);
        assert_eq!(policy.former[0].host, latest);
    }

    #[tokio::test]
    async fn a_certificate_that_is_not_trusted_is_told_once_all_are_tried() {
        let untrusted = |host: &str| {
            Ended::Connect(ConnectError::Certificate {
                address: Address::parse(host).unwrap(),
                reason: "unknown issuer".to_owned(),
            })
        };
        let mut policy = policy(&["quic://a:1", "quic://b:1"], false);
        let now = Instant::now();
        assert!(matches!(
            policy.next(&untrusted("quic://a:1"), now, 0.0),
            Next::Wait(_)
        ));
        match policy.next(&untrusted("quic://b:1"), now, 0.0) {
            Next::Stop(error) => assert_eq!(error.kind(), ErrorKind::Untrusted),
            next => panic!("{next:?}"),
        }
        // What worked once may do so again.
        policy.opened(now);
        for _ in 0..5 {
            let next = policy.next(&untrusted("quic://a:1"), now, 0.0);
            assert!(matches!(next, Next::Wait(_)), "{next:?}");
        }
    }

    #[tokio::test]
    async fn nobody_is_led_from_an_encrypted_connection_to_a_plain_one() {
        let mut policy = policy(&["wss://a:1"], false);
        policy.nodes(&["http://b:2".to_owned(), "https://c:3".to_owned()]);
        for expected in ["wss://c:3", "wss://a:1", "wss://c:3"] {
            policy.next(&dropped(), Instant::now(), 1.0);
            assert_eq!(policy.address().to_string(), expected);
        }
    }

    #[tokio::test]
    async fn a_refused_token_is_renewed_a_few_times_if_it_can_be() {
        let refused = closed(CloseCode::TokenExpired.code());
        let now = Instant::now();
        assert!(matches!(
            policy(&["ws://a:1"], false).next(&refused, now, 0.0),
            Next::Stop(_)
        ));

        let mut policy = policy(&["ws://a:1"], true);
        assert_eq!(policy.next(&refused, now, 0.0), Next::Wait(Duration::ZERO));
        for _ in 1..REFUSED_TOKENS {
            assert!(matches!(policy.next(&refused, now, 0.0), Next::Wait(_)));
        }
        match policy.next(&refused, now, 0.0) {
            Next::Stop(error) => assert_eq!(error.kind(), ErrorKind::Unauthenticated),
            next => panic!("{next:?}"),
        }
    }
}
