//! Where clients reach a server: told to them by the other servers on its log, so it must be an address
//! that a client can use as it stands.

use serde::{Deserialize as _, Deserializer, de::Error as _};
use tidings_sdk::Address;

/// Reads it, or says what is wrong with it.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let url = String::deserialize(from)?;
    if is_base(&url) {
        return Ok(Some(url));
    }
    Err(D::Error::custom(format!(
        "public_url is {url:?}, which is no base URL that clients could use: it is to be like \
         https://chat.example.com or http://10.0.0.5:8080, with http:// or https://, a host, a port where \
         it is not the usual one, and nothing but a path after that"
    )))
}

fn is_base(url: &str) -> bool {
    let rest = ["http://", "https://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme));
    let Some(rest) = rest else {
        return false;
    };
    // Anybody may come to see it, so it is no place for a password.
    let is_bare = !rest.contains(|c: char| c.is_whitespace() || "?#@".contains(c));
    let end_of_host = rest.rfind(']').unwrap_or(0);
    let authority = rest.split('/').next().unwrap_or(rest);
    let port = authority
        .get(end_of_host..)
        .and_then(|end| end.split_once(':'));
    let has_port = port.is_none_or(|(_, port)| port.parse().is_ok_and(|port: u16| port > 0));
    is_bare && has_port && Address::parse(url).is_ok()
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn parsed(url: &str) -> Result<Config, String> {
        toml::from_str(&format!("public_url = {url:?}\n"))
            .map_err(|error| error.message().to_owned())
    }

    #[test]
    fn clients_are_told_what_stands_there() {
        let listens = "127.0.0.1:8080".parse().unwrap();
        for (url, told) in [
            ("https://chat.example.com", "https://chat.example.com"),
            ("https://chat.example.com/", "https://chat.example.com"),
            ("http://10.0.0.5:8080", "http://10.0.0.5:8080"),
            ("http://[2001:db8::5]:8080", "http://[2001:db8::5]:8080"),
            ("https://example.com/chat/", "https://example.com/chat"),
        ] {
            assert_eq!(parsed(url).unwrap().url(listens), told);
        }
    }

    #[test]
    fn what_no_client_could_use_is_refused() {
        for url in [
            "",
            "chat.example.com",
            "chat.example.com:8080",
            "//chat.example.com",
            "ws://chat.example.com",
            "quic://chat.example.com:8080",
            "http://",
            "https://:443",
            "https:///chat",
            "https://chat.example.com:port",
            "https://chat.example.com:0",
            "https://chat.example.com:70000",
            "https://chat example.com",
            " https://chat.example.com",
            "https://chat.example.com?a=b",
            "https://chat.example.com/#chat",
            "https://ann:secret@chat.example.com",
        ] {
            let refused = parsed(url)
                .err()
                .unwrap_or_else(|| panic!("{url:?} is taken"));
            let begin = format!("public_url is {url:?}, which is no base URL");
            assert!(refused.starts_with(&begin), "{refused}");
        }
    }

    #[test]
    fn without_one_it_is_the_address_where_that_is_one() {
        let mut config = Config::default();
        for (listens, told) in [
            ("10.0.0.5:8080", "http://10.0.0.5:8080"),
            ("[2001:db8::5]:1", "http://[2001:db8::5]:1"),
            ("0.0.0.0:8080", ""),
            ("[::]:8080", ""),
        ] {
            assert_eq!(config.url(listens.parse().unwrap()), told);
        }
        config.tls_on_tcp = true;
        let told = config.url("10.0.0.5:8080".parse().unwrap());
        assert_eq!(told, "https://10.0.0.5:8080");
    }
}
