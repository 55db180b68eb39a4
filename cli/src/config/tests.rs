//! What a configuration file says, and what is refused.

use std::fs;

use super::*;

fn parsed(text: &str) -> Result<Config, String> {
    toml::from_str(text).map_err(|error| error.message().to_owned())
}

fn place(data: Option<&Path>, config: Option<&Path>) -> Place {
    Place {
        data: data.map(Path::to_owned),
        config: config.map(Path::to_owned),
    }
}

#[test]
fn a_backend_without_settings_gets_none() {
    for text in ["", "[log]\n", "[log]\nbackend = \"embedded\"\n"] {
        let config = parsed(text).unwrap();
        assert!(matches!(config.log, LogConfig::Embedded), "{text}");
    }
    for (text, said) in [
        (
            "[log]\nservers = [\"nats://a\"]\n",
            "log.servers is set, and the backend is \"embedded\" if nothing is said",
        ),
        (
            "[log]\nbackend = \"embedded\"\nreplicas = 3\n",
            "log.replicas is set, and the backend is \"embedded\", which has no settings",
        ),
        (
            "[log.tls]\nca_file = \"a\"\n",
            "log.tls is set, and the backend is",
        ),
        (
            "[log]\nbackend = \"kafka\"\n",
            "log.backend is \"kafka\": it can be \"embedded\" or \"jetstream\"",
        ),
        (
            "[log]\nbackend = 1\n",
            "log.backend is 1: it can be \"embedded\" or \"jetstream\"",
        ),
        (
            "[log]\nbackend = \"jetstream\"\nserver = \"a\"\n",
            "unknown field `server`",
        ),
    ] {
        let refused = parsed(text).unwrap_err();
        assert!(refused.contains(said), "{text}: {refused}");
    }
    let refused = parsed("[log]\nservers = [\"nats://a\"]\n").unwrap_err();
    assert!(
        refused.contains("set log.backend = \"jetstream\""),
        "{refused}"
    );
}

#[test]
fn paths_in_a_file_count_from_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tidings.toml");
    let text = "data = \"data\"\n\
        [tls]\ncertificate = \"c.pem\"\nkey = \"/k.pem\"\n\
        [secrets]\noperator_key_file = \"o\"\nids_secret_file = \"i\"\n\
        [auth]\nsecrets = [{ file = \"s\" }, { secret = \"in place\" }]\njwks = { file = \"j\" }\n\
        [log]\nbackend = \"jetstream\"\ncredentials = \"l\"\n[log.tls]\nca_file = \"t\"\n";
    fs::write(&file, text).unwrap();
    let config = place(None, Some(&file)).load().unwrap();
    let at = |name| Some(folder.path().join(name));
    assert_eq!(Some(&config.data), at("data").as_ref());
    assert_eq!(config.tls.certificate, at("c.pem"));
    assert_eq!(config.tls.key, Some("/k.pem".into()));
    assert_eq!(config.secrets.operator_key_file, at("o"));
    assert_eq!(config.secrets.ids_secret_file, at("i"));
    let secrets: Vec<_> = config.auth.secrets.iter().map(|s| s.file.clone()).collect();
    assert_eq!(secrets, [at("s"), None]);
    assert_eq!(config.auth.jwks.as_ref().unwrap().file, at("j"));
    let private: Vec<_> = config
        .private_files()
        .iter()
        .map(|p| Some(p.to_path_buf()))
        .collect();
    assert_eq!(private, [at("s"), Some("/k.pem".into()), at("l")]);
    let shown = serde_json::to_value(&config.log).unwrap();
    for (found, name) in [
        (&shown["credentials"], "l"),
        (&shown["tls"]["ca_file"], "t"),
    ] {
        assert_eq!(
            found.as_str(),
            at(name).as_ref().and_then(|path| path.to_str())
        );
    }

    // What a flag says counts from where the program is, as everywhere.
    let config = place(Some(Path::new("elsewhere")), Some(&file)).load();
    assert_eq!(config.unwrap().data, Path::new("elsewhere"));
}

#[test]
fn the_default_folder_is_not_beside_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tidings.toml");
    fs::write(&file, "port = 1\n[tls]\nkey = \"k.pem\"\n").unwrap();
    let config = place(None, Some(&file)).load().unwrap();
    assert_eq!(config.data, Path::new("tidings-data"));
    assert_eq!(config.tls.key, Some(folder.path().join("k.pem")));
    // Whoever names the same one means it.
    fs::write(&file, "data = \"tidings-data\"\n").unwrap();
    let config = place(None, Some(&file)).load().unwrap();
    assert_eq!(config.data, folder.path().join("tidings-data"));
}

#[test]
fn a_file_is_no_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let refused = place(Some(&file), None).load().unwrap_err().to_string();
    assert!(
        refused.starts_with(&format!("{} is a file, and ", file.display())),
        "{refused}"
    );
    assert!(refused.ends_with("choose another --data"), "{refused}");
    let below = place(Some(&file.join("x/y")), None).load().unwrap_err();
    assert!(
        below
            .to_string()
            .contains("is a file, and is to be above the folder"),
        "{below}"
    );
    let config = folder.path().join("tidings.toml");
    fs::write(&config, "data = \"file\"").unwrap();
    let refused = place(None, Some(&config)).load().unwrap_err().to_string();
    assert!(
        refused.ends_with("choose another `data` in the configuration"),
        "{refused}"
    );
}

#[test]
fn advice_names_the_place() {
    let mut config = Config {
        data: "d".into(),
        ..Config::default()
    };
    assert_eq!(
        config.rebuild(),
        "run `tidings projections rebuild --data d`"
    );
    config.file = Some("c.toml".into());
    assert_eq!(
        config.rebuild(),
        "run `tidings projections rebuild --data d --config c.toml`"
    );
}

#[test]
fn tools_on_the_machine_reach_a_server_where_it_listens() {
    for (text, at) in [
        ("", Some("http://127.0.0.1:8080")),
        ("port = 0\n", None),
        (
            "address = \"0.0.0.0\"\nport = 81\n",
            Some("http://127.0.0.1:81"),
        ),
        ("address = \"::\"\nport = 81\n", Some("http://[::1]:81")),
        ("address = \"10.0.0.5\"\n", Some("http://10.0.0.5:8080")),
        ("tls_on_tcp = true\n", Some("https://127.0.0.1:8080")),
        // What it shows goes nowhere unencrypted, nor by way of a proxy.
        (
            "public_url = \"http://chat.example.com\"\n",
            Some("http://127.0.0.1:8080"),
        ),
        (
            "tls_on_tcp = true\npublic_url = \"https://chat.example.com\"\n",
            Some("https://chat.example.com"),
        ),
    ] {
        assert_eq!(parsed(text).unwrap().reached_at().as_deref(), at, "{text}");
    }
}
