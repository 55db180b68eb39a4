//! Where a request comes from, where proxies stand before the server: `X-Forwarded-For`, as far as the hops
//! that wrote it are trusted.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
    sync::Arc,
};

use axum::http::HeaderMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// What a proxy notes the address in that a request came to it from, behind what stands there already.
const HEADER: &str = "X-Forwarded-For";

/// The bits before an IPv4 address where it is written as one of IPv6: `::ffff:10.0.0.7`.
const MAPPED: u8 = (Ipv6Addr::BITS - Ipv4Addr::BITS) as u8;

/// Networks whose machines are believed when they say where a request comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Arc<[Network]>);

/// The addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    first: IpAddr,
    bits: u8,
}

/// Something else than networks.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no network: it is to be like 10.0.0.0/8, 2001:db8::/32 or 10.0.0.7")]
pub struct NetworkError(String);

impl Networks {
    /// Whether an address is in one of them.
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(address))
    }

    /// Where a request comes from that arrived from `peer`: the last hop that is not one of these. A hop that
    /// names none, or none that can be read, is as far as this goes.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.contain(client) {
            return client;
        }
        // From the end: what stands before the word of a machine that is not trusted may be made up.
        let values = headers.get_all(HEADER).into_iter().rev();
        // Each by itself: what makes one unreadable says nothing of those behind it.
        for hop in values.flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b',')) {
            let hop = str::from_utf8(hop.trim_ascii()).ok();
            let Some(address) = hop.and_then(address_of) else {
                break;
            };
            client = address.to_canonical();
            if !self.contain(client) {
                break;
            }
        }
        client
    }
}

/// An address, maybe with a port, which some proxies add.
fn address_of(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']'));
    let address = bare.unwrap_or(hop).parse().ok();
    address.or_else(|| hop.parse().ok().map(|hop: SocketAddr| hop.ip()))
}

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                (first.to_bits() ^ address.to_bits()) & mask == 0
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                let mask = u128::MAX
                    .checked_shl(128 - u32::from(self.bits))
                    .unwrap_or(0);
                (first.to_bits() ^ address.to_bits()) & mask == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Network, NetworkError> {
        let wrong = || NetworkError(text.to_owned());
        let (first, bits) = match text.split_once('/') {
            Some((first, bits)) => (first, Some(bits)),
            None => (text, None),
        };
        let first: IpAddr = first.parse().map_err(|_| wrong())?;
        let most = match first {
            IpAddr::V4(_) => Ipv4Addr::BITS as u8,
            IpAddr::V6(_) => Ipv6Addr::BITS as u8,
        };
        let bits = match bits {
            None => most,
            Some(bits) => bits.parse().map_err(|_| wrong())?,
        };
        if bits > most {
            return Err(wrong());
        }
        // Addresses are compared in their own form, and no IPv4 address is in a network of IPv6.
        match first.to_canonical() {
            IpAddr::V4(_) if first.is_ipv6() && bits < MAPPED => Err(wrong()),
            canonical if first.is_ipv6() && canonical.is_ipv4() => Ok(Network {
                first: canonical,
                bits: bits - MAPPED,
            }),
            _ => Ok(Network { first, bits }),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

/// Several are separated by commas.
impl FromStr for Networks {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Networks, NetworkError> {
        let each = text.split(',').map(|each| each.trim().parse());
        Ok(Networks(each.collect::<Result<_, _>>()?))
    }
}

impl<'de> Deserialize<'de> for Networks {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Networks, D::Error> {
        let texts = Vec::<String>::deserialize(from)?;
        let each = texts.iter().map(|text| text.parse());
        let networks = each.collect::<Result<_, _>>();
        networks.map(Networks).map_err(D::Error::custom)
    }
}

impl Serialize for Networks {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.0.iter().map(ToString::to_string))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn client(trusted: &str, peer: &str, forwarded: &[impl AsRef<[u8]>]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            let value = HeaderValue::from_bytes(value.as_ref()).unwrap();
            headers.append("x-forwarded-for", value);
        }
        let trusted: Networks = trusted.parse().unwrap();
        trusted.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn the_last_hop_that_is_not_trusted_is_the_client() {
        let trusted = "10.0.0.0/8, 2001:db8::/32";
        for (peer, forwarded, expected) in [
            ("10.1.2.3", &["192.0.2.1"][..], "192.0.2.1"),
            // What a client says of itself counts nothing.
            ("10.1.2.3", &["127.0.0.1, 192.0.2.1"], "192.0.2.1"),
            ("192.0.2.9", &["192.0.2.1"], "192.0.2.9"),
            // Several proxies, in one header or in several.
            ("10.1.2.3", &["192.0.2.1, 10.9.9.9"], "192.0.2.1"),
            (
                "10.1.2.3",
                &["192.0.2.1", "10.9.9.9 ,10.8.8.8"],
                "192.0.2.1",
            ),
            ("10.1.2.3", &["10.9.9.9, 10.8.8.8"], "10.9.9.9"),
            // Nothing, or nothing that can be read.
            ("10.1.2.3", &[], "10.1.2.3"),
            ("10.1.2.3", &["192.0.2.1, unknown"], "10.1.2.3"),
            ("10.1.2.3", &["192.0.2.1, unknown, 10.9.9.9"], "10.9.9.9"),
            ("10.1.2.3", &[""], "10.1.2.3"),
            // With ports, and as other forms of the same.
            ("10.1.2.3", &["192.0.2.1:4711"], "192.0.2.1"),
            ("10.1.2.3", &["[2001:db9::1]:4711"], "2001:db9::1"),
            ("2001:db8::7", &["[2001:db9::1]"], "2001:db9::1"),
            ("::ffff:10.1.2.3", &["::ffff:192.0.2.1"], "192.0.2.1"),
        ] {
            assert_eq!(client(trusted, peer, forwarded), expected, "{forwarded:?}");
        }
        assert_eq!(client("0.0.0.0/0", "1.2.3.4", &["5.6.7.8"]), "5.6.7.8");
        assert_eq!(client("1.2.3.4", "1.2.3.5", &["5.6.7.8"]), "1.2.3.5");
        assert_eq!(client("1.2.3.4/31", "1.2.3.5", &["5.6.7.8"]), "5.6.7.8");
        assert_eq!(client("::/0", "2001::1", &["5.6.7.8"]), "5.6.7.8");
    }

    #[test]
    fn what_a_client_writes_hides_nothing_of_what_the_proxy_adds() {
        for (forwarded, expected) in [
            (&b"\xff, 192.0.2.1"[..], "192.0.2.1"),
            (b"\xc3\xa9,192.0.2.1 , 10.9.9.9", "192.0.2.1"),
            (b"192.0.2.9, \xff, 10.9.9.9", "10.9.9.9"),
            (b"192.0.2.9, \xff", "10.1.2.3"),
        ] {
            assert_eq!(client("10.0.0.0/8", "10.1.2.3", &[forwarded]), expected);
        }
    }

    #[test]
    fn networks_of_ipv4_may_be_written_as_ipv6() {
        for (trusted, peer, expected) in [
            ("::ffff:10.0.0.1", "10.0.0.1", "192.0.2.1"),
            ("::ffff:10.0.0.1", "::ffff:10.0.0.1", "192.0.2.1"),
            ("::ffff:10.0.0.1", "10.0.0.2", "10.0.0.2"),
            ("::ffff:10.0.0.0/104", "10.1.2.3", "192.0.2.1"),
            ("::ffff:10.0.0.0/104", "11.1.2.3", "11.1.2.3"),
            ("::ffff:0:0/96", "11.1.2.3", "192.0.2.1"),
            // Those of IPv6 are no others.
            ("::/0", "10.0.0.1", "10.0.0.1"),
        ] {
            assert_eq!(client(trusted, peer, &["192.0.2.1"]), expected, "{trusted}");
        }
        let read: Networks = "::ffff:10.0.0.0/104".parse().unwrap();
        assert!(read == "10.0.0.0/8".parse().unwrap());
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0/8",
            "::/129",
            "proxy",
            "10.0.0.0/-1",
            "::ffff:10.0.0.0/95",
            "1.2.3.4/",
        ] {
            let refused = text.parse::<Networks>().unwrap_err().to_string();
            assert!(
                refused.starts_with(&format!("{text:?} is no network")),
                "{refused}"
            );
        }
        let written = serde_json::to_string(&"10.0.0.0/8,::1".parse::<Networks>().unwrap());
        assert_eq!(written.unwrap(), r#"["10.0.0.0/8","::1/128"]"#);
        let read: Networks = serde_json::from_str(r#"["10.0.0.0/8","::1"]"#).unwrap();
        assert!(read.contain("10.255.0.1".parse().unwrap()));
        assert!(Networks::default() == serde_json::from_str("[]").unwrap());
    }
}
