//! A self-signed certificate for a developer's machine.
//!
//! ECDSA P-256 and 13 days, because browsers let a page pin a WebTransport server's certificate only
//! when it is of that kind and valid for at most 14.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
    sync::Arc,
    time::Duration,
};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use rustls::{
    RootCertStore,
    client::WebPkiServerVerifier,
    pki_types::{ServerName, UnixTime},
};
use time::OffsetDateTime;

use super::{ServerCertificate, TlsError, provider};

const VALID_S: u64 = 13 * 24 * 3600;
/// Made again when it would not last this much longer.
const SPARE_S: u64 = 2 * 24 * 3600;
/// Clients whose clocks are behind may use it at once.
const BEFORE_S: u64 = 3600;

/// The certificate in `folder`, or a new one when that is not good enough.
pub(super) fn load_or_make(
    folder: &Path,
    more: &[String],
    now_ms: u64,
) -> Result<ServerCertificate, TlsError> {
    let now_s = now_ms / 1000;
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    names.extend(
        more.iter()
            .filter(|name| !names.contains(name))
            .cloned()
            .collect::<Vec<_>>(),
    );
    for name in &names {
        if ServerName::try_from(name.as_str()).is_err() {
            return Err(TlsError::Name { name: name.clone() });
        }
    }
    let certificate = folder.join("development.certificate.pem");
    let key = folder.join("development.key.pem");
    // Whatever is wrong with the present one (there is none, half of it was written, it ends soon,
    // it lacks a name): a new one is the remedy.
    if let Ok(present) = ServerCertificate::read(&certificate, &key, true)
        && lasts(&present, &names, now_s)
    {
        return Ok(present);
    }
    let (certificate_pem, key_pem) = make(&names, now_s)?;
    let store = |path: &Path, text: &str| {
        write(path, text).map_err(|error| TlsError::Store {
            path: path.to_owned(),
            error,
        })
    };
    fs::create_dir_all(folder).map_err(|error| TlsError::Store {
        path: folder.to_owned(),
        error,
    })?;
    store(&key, &key_pem)?;
    store(&certificate, &certificate_pem)?;
    let names = names.join(", ");
    tracing::info!(path = %certificate.display(), names, "made a development certificate");
    ServerCertificate::read(&certificate, &key, true)
}

/// Whether a client that trusts it would accept it under every name, now and after the spare time.
fn lasts(certificate: &ServerCertificate, names: &[String], now_s: u64) -> bool {
    let mut roots = RootCertStore::empty();
    if roots.add(certificate.der().clone()).is_err() {
        return false;
    }
    let verifier =
        match WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build() {
            Ok(verifier) => verifier,
            Err(_) => return false,
        };
    names.iter().all(|name| {
        let Ok(name) = ServerName::try_from(name.as_str()) else {
            return false;
        };
        [now_s, now_s + SPARE_S].into_iter().all(|second| {
            let time = UnixTime::since_unix_epoch(Duration::from_secs(second));
            use rustls::client::danger::ServerCertVerifier;
            verifier
                .verify_server_cert(certificate.der(), &[], &name, &[], time)
                .is_ok()
        })
    })
}

/// Certificate and key as PEM.
fn make(names: &[String], now_s: u64) -> Result<(String, String), TlsError> {
    let date = |second: u64| {
        i64::try_from(second)
            .ok()
            .and_then(|second| OffsetDateTime::from_unix_timestamp(second).ok())
            .ok_or(rcgen::Error::Time)
    };
    let begins = now_s.saturating_sub(BEFORE_S);
    let mut params = CertificateParams::new(names)?;
    params.not_before = date(begins)?;
    params.not_after = date(begins + VALID_S)?;
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "Tidings development");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// Replaces a file in one step. Only the owner may read it.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)
}
