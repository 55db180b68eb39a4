//! What of a configuration is refused whatever else there is: by `tidings serve` before it touches anything,
//! and by `tidings config`.

use anyhow::{Context as _, anyhow};
use tidings_core::clock::{Clock as _, SystemClock};
use tidings_gateway::{
    auth::{AuthConfig, AuthConfigError, Authenticator, JwksConfig},
    tls::ServerCertificate,
};

use crate::{
    config::{Config, LogConfig},
    secrets,
};

/// Refuses settings that cannot work and files that cannot be used. Nothing is started, made or fetched.
pub(crate) fn without_starting(config: &Config) -> anyhow::Result<()> {
    secrets::check_auth(&config.auth)?;
    authenticator(&unfetched(&config.auth))?;
    secrets::check(&config.secrets)?;
    config.search.check()?;
    if let LogConfig::JetStream(settings) = &config.log {
        settings.connection()?.check().context("log")?;
    }
    Ok(())
}

/// Refuses a certificate that cannot be used. One for development is made where it is soon gone: that tells
/// whether it can be made for the names it is to have.
pub(crate) fn certificate(config: &Config) -> anyhow::Result<()> {
    let elsewhere = tempfile::tempdir().context("cannot make a temporary folder")?;
    ServerCertificate::load(&config.tls, elsewhere.path(), SystemClock.now_ms())?;
    Ok(())
}

/// What checks tokens. Where the keys are at a URL this blocks until they are fetched, for seconds at most.
pub(super) fn authenticator(auth: &AuthConfig) -> anyhow::Result<Authenticator> {
    Authenticator::new(auth).map_err(|error| match error {
        AuthConfigError::NoKeys => anyhow!(
            "{error} (--development-tokens): auth.secrets = [{{ file = \"secret.txt\" }}] in the file that \
             --config names will do, `openssl rand -hex 32` makes a secret"
        ),
        error => error.into(),
    })
}

/// The same without a URL that would be fetched. One that is none stays, to be refused.
fn unfetched(auth: &AuthConfig) -> AuthConfig {
    let mut auth = auth.clone();
    let fetched = |jwks: &JwksConfig| match (&jwks.file, &jwks.url) {
        (None, Some(url)) => {
            let http = ["http://", "https://"]
                .iter()
                .any(|scheme| url.starts_with(scheme));
            http && url.parse::<ureq::http::Uri>().is_ok()
        }
        _ => false,
    };
    if auth.jwks.as_ref().is_some_and(fetched) {
        auth.jwks = None;
        // So that it is not missed.
        auth.development = true;
    }
    auth
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> Option<String> {
        let config: Config = toml::from_str(text).unwrap();
        let checked = without_starting(&config).and_then(|()| certificate(&config));
        checked.err().map(|error| format!("{error:#}"))
    }

    #[test]
    fn what_a_server_refuses_is_found_without_starting_one() {
        let good = "[[auth.secrets]]\nsecret = \"0123456789abcdef0123456789abcdef\"\n";
        assert_eq!(refusal(good), None);
        for (text, said) in [
            ("", "no way to check tokens"),
            ("[auth]\nsecrets = [{ secret = \"short\" }]", "has 5 bytes"),
            ("[auth]\nsecrets = [{}]", "needs either `secret` or `file`"),
            (
                "[auth]\njwks = {}",
                "auth.jwks needs either `file` or `url`",
            ),
            (
                "[auth]\njwks = { url = \"ftp://a/keys\" }",
                "is not an http or https URL",
            ),
            (
                "[auth]\ndevelopment = true\n[[auth.api_keys]]\nname = \"\"\nfile = \"k\"\nscopes = [\"users\"]",
                "auth.api_keys: \"\" is no name",
            ),
            (
                "[auth]\ndevelopment = true\n[secrets]\noperator_key_file = \"/nowhere/key\"",
                "secrets.operator_key_file names /nowhere/key, which does not exist",
            ),
            (
                "[auth]\ndevelopment = true\n[secrets]\nids_secret_file = \"/nowhere/ids\"",
                "secrets.ids_secret_file names /nowhere/ids, which does not exist",
            ),
            (
                "[auth]\ndevelopment = true\n[log]\nbackend = \"jetstream\"\nuser = \"a\"",
                "log.user is \"a\" without a password",
            ),
            (
                "[auth]\ndevelopment = true\n[tls]\nnames = [\"\"]",
                "tls.names: \"\" is neither a host name nor an address",
            ),
            (
                "[auth]\ndevelopment = true\n[tls]\nkey = \"k.pem\"",
                "tls.certificate and tls.key belong together",
            ),
            (
                "[auth]\ndevelopment = true\n[log]\nbackend = \"jetstream\"\nreplicas = 2",
                "log: replicas = 2 is not supported: use 1 or 3",
            ),
            (
                "[auth]\ndevelopment = true\n[log]\nbackend = \"jetstream\"\nshards = 0",
                "log: a log needs at least one shard",
            ),
            (
                "[auth]\ndevelopment = true\n[log]\nbackend = \"jetstream\"\nprefix = \"a.b c\"",
                "log: the prefix \"a.b c\" must be made of",
            ),
            (
                "[auth]\ndevelopment = true\n[log]\nbackend = \"jetstream\"\nservers = []",
                "log: servers = [] names no server",
            ),
            (
                "[auth]\ndevelopment = true\n[log]\nbackend = \"jetstream\"\nservers = [\"nats://u:p@host\"]",
                "log: the address of host holds a user or a token",
            ),
            (
                "[auth]\ndevelopment = true\n[log]\nbackend = \"jetstream\"\ncredentials = \"/nowhere/creds\"",
                "log: cannot use /nowhere/creds: ",
            ),
        ] {
            let refused = refusal(text).unwrap_or_else(|| panic!("{text:?} is taken"));
            assert!(refused.contains(said), "{text}: {refused}");
        }
    }

    #[test]
    fn keys_at_a_url_are_not_fetched() {
        // Whoever asked there would be seen.
        let issuer = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        issuer.set_nonblocking(true).unwrap();
        let address = issuer.local_addr().unwrap();
        let text = format!("[auth]\njwks = {{ url = \"http://{address}/keys\" }}");
        assert_eq!(refusal(&text), None);
        let nobody = issuer.accept().unwrap_err();
        assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock);
    }
}
