//! Certificates: own files, development ones, renewal.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConnection, StreamOwned,
    pki_types::ServerName,
};
use tempfile::TempDir;

use super::*;

const DAY_MS: u64 = 24 * 3600 * 1000;

/// The handshake goes by the machine's clock, so certificates begin now.
fn now_ms() -> u64 {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    now.as_millis().try_into().unwrap()
}

fn development(data: &TempDir, names: &[&str], now_ms: u64) -> ServerCertificate {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    let config = TlsConfig {
        names,
        ..TlsConfig::default()
    };
    ServerCertificate::load(&config, data.path(), now_ms).unwrap()
}

/// A handshake over a real connection with a client that trusts the certificate; answers the
/// protocol both agreed on.
fn handshake(certificate: &ServerCertificate, name: &str) -> Result<Option<Vec<u8>>, String> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let config = certificate.server_config(&["tidings/1", "http/1.1"]);
    let server = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
        let mut hello = [0; 5];
        // Where the client refuses the certificate, this fails.
        stream.read_exact(&mut hello).map(|()| hello)
    });
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(rustls::ALL_VERSIONS)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"tidings/1".to_vec()];
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(client, TcpStream::connect(address).unwrap());
    let written = stream.write_all(b"hello").and_then(|()| stream.flush());
    let protocol = stream.conn.alpn_protocol().map(<[u8]>::to_vec);
    drop(stream);
    let heard = server.join().unwrap();
    written.map_err(|error| error.to_string())?;
    assert_eq!(&heard.unwrap(), b"hello");
    Ok(protocol)
}

#[test]
fn a_development_certificate_serves_every_local_name() {
    let data = TempDir::new().unwrap();
    let certificate = development(&data, &["chat.test", "192.0.2.7"], now_ms());
    assert!(certificate.is_development());
    for name in ["localhost", "127.0.0.1", "::1", "chat.test", "192.0.2.7"] {
        assert_eq!(
            handshake(&certificate, name),
            Ok(Some(b"tidings/1".to_vec())),
            "{name}"
        );
    }
    assert!(handshake(&certificate, "other.test").is_err());
}

#[test]
fn a_development_certificate_stays_while_it_lasts() {
    let data = TempDir::new().unwrap();
    let begin = now_ms();
    let first = development(&data, &[], begin).sha256();
    for (later, same) in [
        (0, true),
        (DAY_MS, true),
        (10 * DAY_MS, true),
        (11 * DAY_MS, false),
    ] {
        let data = copy(&data);
        assert_eq!(
            development(&data, &[], begin + later).sha256() == first,
            same,
            "{later} ms"
        );
    }
    // A clock that was wrong when it was made.
    assert_ne!(
        development(&copy(&data), &[], begin - 30 * DAY_MS).sha256(),
        first
    );
    // Another name is asked for.
    let named = development(&data, &["chat.test"], begin).sha256();
    assert_ne!(named, first);
    assert_eq!(development(&data, &["chat.test"], begin).sha256(), named);
    assert_eq!(
        development(&data, &[], begin).sha256(),
        named,
        "more names do no harm"
    );
}

/// What browsers ask of a certificate that a page pins: at most 14 days, ECDSA with P-256.
#[test]
fn a_development_certificate_can_be_pinned_for_webtransport() {
    let data = TempDir::new().unwrap();
    let certificate = development(&data, &[], now_ms());
    let der: &[u8] = certificate.der();
    let contains = |part: &[u8]| der.windows(part.len()).any(|window| window == part);
    // The object identifiers id-ecPublicKey and prime256v1.
    assert!(contains(&[
        0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01
    ]));
    assert!(contains(&[
        0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07
    ]));
    // Validity: two UTCTimes of 13 characters. The day of the second is the first's and 13.
    let at = der
        .windows(2)
        .position(|window| window == [0x17, 0x0d])
        .unwrap();
    let date = |at: usize| {
        let text = std::str::from_utf8(&der[at + 2..at + 15]).unwrap();
        let part = |range: std::ops::Range<usize>| text[range].parse::<u8>().unwrap();
        let month = time::Month::try_from(part(2..4)).unwrap();
        let date = time::Date::from_calendar_date(2000 + i32::from(part(0..2)), month, part(4..6));
        date.unwrap()
            .with_hms(part(6..8), part(8..10), part(10..12))
            .unwrap()
    };
    assert_eq!(date(at + 15) - date(at), time::Duration::days(13));
    // The pin is the digest of the certificate itself.
    let pem = fs::read(data.path().join("tls/development.certificate.pem")).unwrap();
    let stored = CertificateDer::from_pem_slice(&pem).unwrap();
    let digest = ::ring::digest::digest(&::ring::digest::SHA256, &stored);
    assert_eq!(digest.as_ref(), certificate.sha256());
}

#[cfg(unix)]
#[test]
fn the_key_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let data = TempDir::new().unwrap();
    let key = data.path().join("tls/development.key.pem");
    fs::create_dir_all(data.path().join("tls")).unwrap();
    // Not even when there was a file that others could read.
    fs::write(&key, "").unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    development(&data, &[], now_ms());
    assert_eq!(
        fs::metadata(&key).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[test]
fn a_damaged_development_certificate_is_made_again() {
    let data = TempDir::new().unwrap();
    let first = development(&data, &[], now_ms()).sha256();
    let other = TempDir::new().unwrap();
    development(&other, &[], now_ms());
    let key = |data: &TempDir| data.path().join("tls/development.key.pem");
    // The key of another, as a crash between the two writes leaves it.
    fs::copy(key(&other), key(&data)).unwrap();
    let second = development(&data, &[], now_ms());
    assert_ne!(second.sha256(), first);
    assert!(handshake(&second, "localhost").is_ok());
    fs::write(key(&data), "-----BEGIN PRIVATE KEY-----\n").unwrap();
    assert!(handshake(&development(&data, &[], now_ms()), "localhost").is_ok());
}

#[test]
fn the_operators_own_certificate_is_served() {
    let data = TempDir::new().unwrap();
    let made = development(&data, &["chat.test"], now_ms());
    let config = own(&data);
    // Its end is the operator's business: it is served, whatever the date.
    let own = ServerCertificate::load(&config, Path::new("/nonexistent"), 0).unwrap();
    assert!(!own.is_development());
    assert_eq!(own.sha256(), made.sha256());
    assert_eq!(
        handshake(&own, "chat.test"),
        Ok(Some(b"tidings/1".to_vec()))
    );
}

#[test]
fn errors_name_the_file_and_the_remedy() {
    let data = TempDir::new().unwrap();
    development(&data, &[], now_ms());
    let error = |config: &TlsConfig| {
        ServerCertificate::load(config, data.path(), now_ms())
            .unwrap_err()
            .to_string()
    };
    let good = own(&data);
    let half = TlsConfig {
        key: None,
        ..good.clone()
    };
    assert!(error(&half).contains("belong together"));

    let missing = TlsConfig {
        certificate: Some("/nonexistent/c.pem".into()),
        ..good.clone()
    };
    assert!(error(&missing).starts_with("cannot read certificate /nonexistent/c.pem: "));
    let swapped = TlsConfig {
        certificate: good.key.clone(),
        key: good.certificate.clone(),
        names: vec![],
    };
    assert!(
        error(&swapped).contains("no certificate in "),
        "{}",
        error(&swapped)
    );
    let no_key = TlsConfig {
        key: good.certificate.clone(),
        ..good.clone()
    };
    assert!(error(&no_key).contains("no private key in ") && error(&no_key).contains("password"));
    let text = data.path().join("damaged.pem");
    fs::write(
        &text,
        "-----BEGIN CERTIFICATE-----\nMII*\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    let damaged = TlsConfig {
        certificate: Some(text),
        ..good.clone()
    };
    assert!(error(&damaged).contains("damaged"), "{}", error(&damaged));

    let other = TempDir::new().unwrap();
    development(&other, &[], now_ms());
    let mixed = TlsConfig {
        key: own(&other).key,
        ..good
    };
    assert!(error(&mixed).contains("cannot be used together"));

    let named = TlsConfig {
        names: vec!["no spaces allowed".into()],
        ..TlsConfig::default()
    };
    assert!(error(&named).contains("\"no spaces allowed\" is neither"));
    let file = data.path().join("tls/development.key.pem");
    let under_a_file = ServerCertificate::load(&TlsConfig::default(), &file, now_ms()).unwrap_err();
    assert!(
        under_a_file
            .to_string()
            .starts_with("cannot store the development certificate at ")
    );
}

#[test]
fn quic_speaks_its_protocols() {
    let data = TempDir::new().unwrap();
    let certificate = development(&data, &[], now_ms());
    let config = certificate.config(&[&rustls::version::TLS13], &["tidings/1", "h3"]);
    assert_eq!(
        config.alpn_protocols,
        [b"tidings/1".to_vec(), b"h3".to_vec()]
    );
    assert_eq!(config.max_early_data_size, 0);
    // Would panic where the provider lacks what QUIC needs.
    certificate.quic_config(&["tidings/1", "h3"]);
}

fn own(data: &TempDir) -> TlsConfig {
    TlsConfig {
        certificate: Some(data.path().join("tls/development.certificate.pem")),
        key: Some(data.path().join("tls/development.key.pem")),
        names: Vec::new(),
    }
}

fn copy(data: &TempDir) -> TempDir {
    let to = TempDir::new().unwrap();
    fs::create_dir(to.path().join("tls")).unwrap();
    for name in ["tls/development.certificate.pem", "tls/development.key.pem"] {
        fs::copy(data.path().join(name), to.path().join(name)).unwrap();
    }
    to
}
