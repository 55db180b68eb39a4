//! What each layer says, who is over whom, and who is named when it is wrong.

use std::fs;

use super::*;

/// Loads a file with this text, under these variables and flags.
fn loaded(
    text: &str,
    environment: &[(&str, &str)],
    flags: Vec<Flag>,
) -> Result<(Config, std::path::PathBuf), String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tidings.toml");
    fs::write(&path, text).unwrap();
    let variables = environment
        .iter()
        .map(|(name, value)| (OsString::from(name), OsString::from(value)));
    match load(Some(&path), variables, flags) {
        Ok(config) => Ok((config, path)),
        Err(error) => Err(format!("{error:#}").replace(&format!("{}", path.display()), "FILE")),
    }
}

fn refused(text: &str, environment: &[(&str, &str)]) -> String {
    loaded(text, environment, Vec::new())
        .err()
        .unwrap_or_else(|| panic!("{text:?} under {environment:?} is taken"))
}

fn port(value: i64) -> Flag {
    Flag {
        name: "--port",
        path: "port",
        value: value.into(),
    }
}

#[test]
fn a_flag_is_over_a_variable_is_over_the_file_is_over_the_default() {
    let text = "# a comment\nport = 1\n[limits]\nrequests_per_second = 7\nwindow = 9\n";
    let variables = [
        ("TIDINGS_PORT", "2"),
        ("TIDINGS_LIMITS__REQUESTS_PER_SECOND", "8"),
        ("TIDINGS_LOG", "debug"),
        ("TIDINGS_NATS_SERVER", "nats"),
        ("PATH", "x"),
    ];
    let (config, path) = loaded(text, &variables, vec![port(3)]).unwrap();
    assert_eq!(config.port, 3);
    assert_eq!(config.limits.requests_per_second, 8);
    assert_eq!(config.limits.window, 9);
    assert_eq!(config.limits.logins, 8);
    let of = |path: &str| config.origins.of(path);
    assert_eq!(of("port"), Origin::Flag("--port"));
    assert_eq!(
        of("limits.requests_per_second").to_string(),
        "TIDINGS_LIMITS__REQUESTS_PER_SECOND"
    );
    assert_eq!(of("limits.window"), Origin::File(path.clone(), 5));
    assert_eq!(of("data"), Origin::Default);
    assert_eq!(of("limits.logins"), Origin::Default);
    let (config, path) = loaded(text, &[], Vec::new()).unwrap();
    assert_eq!(
        (config.port, config.origins.of("port")),
        (1, Origin::File(path, 2))
    );
}

#[test]
fn every_kind_of_value_comes_from_a_variable() {
    let variables = [
        ("TIDINGS_DATA", "elsewhere"),
        ("TIDINGS_ADDRESS", "::1"),
        ("TIDINGS_TLS_ON_TCP", "true"),
        ("TIDINGS_TLS__NAMES", "a.example, b.example"),
        ("TIDINGS_LOG_FORMAT", "json"),
        ("TIDINGS_LOG__BACKEND", "jetstream"),
        ("TIDINGS_LOG__SERVERS", "[\"nats://a\", \"nats://b\"]"),
        ("TIDINGS_LOG__TLS", "{}"),
        ("TIDINGS_LOG__TLS__CA_FILE", "ca.pem"),
        ("TIDINGS_AUTH__SECRETS", "[{ file = \"secret.txt\" }]"),
        ("TIDINGS_DEVELOPMENT_TOKENS", "1"),
    ];
    let text = "[log]\nreplicas = 3\n[[auth.secrets]]\nsecret = \"s\"\nkid = \"k\"\n";
    let (config, path) = loaded(text, &variables, Vec::new()).unwrap();
    // Relative to where the program is, not to the file.
    assert_eq!(config.data, Path::new("elsewhere"));
    assert_eq!(config.address.to_string(), "::1");
    assert!(config.tls_on_tcp && config.auth.development);
    assert_eq!(config.tls.names, ["a.example", "b.example"]);
    assert_eq!(config.log_format, super::super::LogFormat::Json);
    let log = serde_json::to_value(&config.log).unwrap();
    assert_eq!(log["servers"][1], "nats://b");
    assert_eq!(log["tls"]["ca_file"], "ca.pem");
    assert_eq!(config.origins.of("log.replicas"), Origin::File(path, 2));
    // A list takes the place of the one below.
    assert_eq!(config.auth.secrets.len(), 1);
    assert_eq!(config.auth.secrets[0].file, Some("secret.txt".into()));
    let origin = config.origins.of("auth.secrets[0].kid").to_string();
    assert_eq!(origin, "TIDINGS_AUTH__SECRETS");
}

#[test]
fn what_names_no_key_is_refused_wherever_it_stands() {
    for (text, said) in [
        (
            "port = 1\n[limits]\nreqests_per_second = 1\n",
            "FILE:3: limits.reqests_per_second is no key of the configuration: limits has frame_bytes, ",
        ),
        (
            "prot = 1\n",
            "FILE:1: prot is no key of the configuration: a configuration has data, ",
        ),
        (
            "\n[[auth.secrets]]\nfiel = \"a\"\n",
            "FILE:3: auth.secrets[].fiel is no key of the configuration: auth.secrets[] has kid, secret, file",
        ),
        (
            "\nlimits = 3\n",
            "FILE:2: limits is a table of settings, and here it is of type integer",
        ),
    ] {
        let refused = refused(text, &[]);
        assert!(refused.starts_with(said), "{text}: {refused}");
    }
    for name in [
        "TIDINGS_PROT",
        "TIDINGS_LIMITS_REQUESTS_PER_SECOND",
        "TIDINGS_LIMITS__REQESTS",
        "TIDINGS_port",
        "TIDINGS_FILE",
        "TIDINGS_AUTH__SECRETS[]__KID",
        "TIDINGS_",
    ] {
        let refused = refused("", &[(name, "1")]);
        let said =
            format!("{name} is set in the environment, and names no key of the configuration");
        assert!(refused.starts_with(&said), "{refused}");
        assert!(!refused.contains("Kubernetes"), "{refused}");
    }
    let kubernetes = refused("", &[("TIDINGS_SERVICE_HOST", "10.0.0.1")]);
    assert!(
        kubernetes.contains("enableServiceLinks: false"),
        "{kubernetes}"
    );
}

#[test]
fn a_wrong_value_names_the_key_and_who_said_so() {
    for (text, variable, said) in [
        (
            "port = 1\n[limits]\nrequests_per_second = \"many\"\n",
            None,
            "FILE:3: limits.requests_per_second: invalid type: string \"many\", expected u32",
        ),
        (
            "port = 70000\n",
            None,
            "FILE:1: port: invalid value: integer `70000`, expected u16",
        ),
        (
            "\npublic_url = \"chat\"\n",
            None,
            "FILE:2: public_url is \"chat\", which is no base URL",
        ),
        (
            "log_format = \"xml\"\n",
            None,
            "FILE:1: log_format: unknown variant `xml`",
        ),
        (
            "[log]\nbackend = \"jetstream\"\nreplicas = \"a\"\n",
            None,
            "FILE:3: log.replicas: invalid type: string \"a\"",
        ),
        (
            "[log]\nservers = [\"nats://a\"]\n",
            None,
            "FILE:2: log.servers is set, and the backend is \"embedded\" if nothing is said",
        ),
        (
            "",
            Some(("TIDINGS_LOG__BACKEND", "kafka")),
            "TIDINGS_LOG__BACKEND: log.backend is \"kafka\"",
        ),
        (
            "",
            Some(("TIDINGS_LIMITS__WINDOW", "many")),
            "TIDINGS_LIMITS__WINDOW: limits.window is to be a whole number, and is \"many\"",
        ),
        (
            "",
            Some(("TIDINGS_LIMITS__WINDOW", "-1")),
            "TIDINGS_LIMITS__WINDOW: limits.window: invalid value: integer `-1`",
        ),
        (
            "",
            Some(("TIDINGS_TLS_ON_TCP", "maybe")),
            "TIDINGS_TLS_ON_TCP: tls_on_tcp is to be true or false, and is \"maybe\"",
        ),
        (
            "",
            Some(("TIDINGS_ADDRESS", "here")),
            "TIDINGS_ADDRESS: address: invalid IP address",
        ),
        (
            "",
            Some(("TIDINGS_AUTH__SECRETS", "secret.txt")),
            "TIDINGS_AUTH__SECRETS: auth.secrets is to be a list as in TOML",
        ),
    ] {
        let refused = refused(text, variable.as_slice());
        assert!(refused.starts_with(said), "{text} {variable:?}: {refused}");
    }
}

#[test]
fn a_secret_of_the_wrong_type_is_not_repeated() {
    for text in [
        "[[auth.secrets]]\nsecret = 8675309\n",
        "[log]\nbackend = \"jetstream\"\npassword = 8675309\n",
    ] {
        let refused = refused(text, &[]);
        assert!(refused.ends_with("it is to be text"), "{refused}");
        assert!(!refused.contains("8675309"), "{refused}");
    }
}
