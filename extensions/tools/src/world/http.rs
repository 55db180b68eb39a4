//! What is answered to `http`: what the cases say, once the manifest was looked at.

use tidings_extension_host::{Header, HttpError, Request, Response};
use tidings_extension_manifest::Manifest;

use super::World;

/// An answer, for each request that fits.
#[derive(Debug, Clone)]
pub struct Script {
    /// As in `GET`.
    pub method: String,
    /// The whole address.
    pub url: String,
    /// What comes.
    pub answer: Result<Response, HttpError>,
    /// How often, if not always.
    pub times: Option<u32>,
}

impl World {
    /// Answers a request as the first script says that fits.
    pub(super) fn answer(
        &mut self,
        manifest: &Manifest,
        request: Request,
    ) -> Result<Response, HttpError> {
        allowed(manifest, &request)?;
        for (_, header) in &request.headers {
            if let Header::Secret { secret, .. } = header
                && !self.secrets.contains(secret)
            {
                return Err(HttpError::Denied(format!("there is no secret `{secret}`")));
            }
        }
        let fits = |script: &&mut Script| {
            script.method == request.method && script.url == request.url && script.times != Some(0)
        };
        let answer = match self.http.iter_mut().find(fits) {
            Some(script) => {
                script.times = script.times.map(|times| times - 1);
                script.answer.clone()
            }
            None => {
                let what = format!("{} {}", request.method, request.url);
                self.unanswered.push(what);
                Err(HttpError::Transport("nobody answers".to_owned()))
            }
        };
        self.requests.push(request);
        answer
    }
}

/// Whether the manifest names the host, with the port where that is not the usual one.
fn allowed(manifest: &Manifest, request: &Request) -> Result<(), HttpError> {
    let (plain, rest) = match request.url.split_once("://") {
        Some(("https", rest)) => (false, rest),
        Some(("http", rest)) => (true, rest),
        _ => {
            return Err(HttpError::Invalid(
                "the address does not begin with https://".to_owned(),
            ));
        }
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(HttpError::Invalid(
            "the address has a user in it".to_owned(),
        ));
    }
    let host = authority.to_ascii_lowercase();
    let usual = if plain { ":80" } else { ":443" };
    let host = host.strip_suffix(usual).unwrap_or(&host);
    match manifest.http.iter().find(|granted| granted.host == host) {
        None => Err(HttpError::Denied(format!(
            "the manifest does not ask for {host}"
        ))),
        Some(granted) if plain && !granted.plain => Err(HttpError::Denied(format!(
            "{host} is granted with https:// alone"
        ))),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(url: &str) -> Result<Response, HttpError> {
        let manifest = Manifest::parse_toml(
            "id = \"a\"\nversion = \"1.0.0\"\nsummary = \"x\"\n[timer]\n[[http]]\nhost = \"api.example.org\"\nreason = \"x\"",
        );
        let request = Request {
            method: "GET".to_owned(),
            url: url.to_owned(),
            headers: Vec::new(),
            body: None,
            timeout_ms: 1,
        };
        World::default().answer(&manifest.expect("it is right"), request)
    }

    #[test]
    fn only_granted_hosts_are_asked() {
        for url in [
            "https://api.example.org/a",
            "https://API.example.org:443?a",
            "https://api.example.org",
        ] {
            assert!(matches!(ask(url), Err(HttpError::Transport(_))), "{url}");
        }
        for url in [
            "http://api.example.org/a",
            "https://example.org/",
            "https://api.example.org:8443/",
            "https://api.example.org.evil.example/",
        ] {
            assert!(matches!(ask(url), Err(HttpError::Denied(_))), "{url}");
        }
        assert!(matches!(
            ask("https://api.example.org@evil.example/"),
            Err(HttpError::Invalid(_))
        ));
    }
}
