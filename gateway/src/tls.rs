//! The server's certificate: the operator's own, or one made here for development.

mod development;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use quinn::crypto::rustls::QuicServerConfig;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
    sign::{CertifiedKey, SingleCertAndKey},
};
use serde::{Deserialize, Serialize};

/// Which certificate to present. Without `certificate` and `key` one is made for development.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    /// PEM file with the certificate and its chain, the server's own first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    /// PEM file with its private key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// More names and addresses for a development certificate, beside localhost.
    pub names: Vec<String>,
}

/// A certificate that cannot be used. Every message names the file or setting to look at.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// One of the pair is missing.
    #[error(
        "tls.certificate and tls.key belong together: set both, or neither for a development certificate"
    )]
    HalfConfigured,
    /// A file that cannot be read.
    #[error("cannot read {what} {}: {error}", path.display())]
    Read {
        /// `certificate` or `private key`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file without what is looked for.
    #[error("no {what} in {}: it must be PEM text{hint}", path.display())]
    Pem {
        /// `certificate` or `private key`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the file holds instead, and what to do.
        hint: &'static str,
    },
    /// The pair does not work together.
    #[error("certificate {} and private key {} cannot be used together: {error}", certificate.display(), key.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        error: rustls::Error,
    },
    /// A name no certificate can carry.
    #[error("tls.names: {name:?} is neither a host name nor an address")]
    Name {
        /// What is configured.
        name: String,
    },
    /// The development certificate could not be made.
    #[error("cannot make a development certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// The development certificate could not be stored.
    #[error("cannot store the development certificate at {}: {error}", path.display())]
    Store {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
}

/// A certificate with its private key, ready to serve.
#[derive(Clone)]
pub struct ServerCertificate {
    key: Arc<CertifiedKey>,
    development: bool,
}

impl ServerCertificate {
    /// The certificate of the configuration. Without one a development certificate is taken from
    /// `<data>/tls/`, and made there first when there is none that will be good for the names asked
    /// for in two days. `now_ms` is the present, milliseconds since 1970.
    ///
    /// # Errors
    /// Names the file or setting to look at.
    pub fn load(
        config: &TlsConfig,
        data: &Path,
        now_ms: u64,
    ) -> Result<ServerCertificate, TlsError> {
        match (&config.certificate, &config.key) {
            (Some(certificate), Some(key)) => ServerCertificate::read(certificate, key, false),
            (None, None) => development::load_or_make(&data.join("tls"), &config.names, now_ms),
            _ => Err(TlsError::HalfConfigured),
        }
    }

    /// Whether it was made here, so that nobody trusts it unless told to.
    pub fn is_development(&self) -> bool {
        self.development
    }

    /// SHA-256 of the certificate in DER, by which clients pin it: `serverCertificateHashes` of
    /// WebTransport, or an SDK's option.
    pub fn sha256(&self) -> [u8; 32] {
        let digest = ::ring::digest::digest(&::ring::digest::SHA256, self.der());
        digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
    }

    /// The certificate itself, without its chain.
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.key.cert[0]
    }

    /// TLS over TCP, offering these protocols.
    pub fn server_config(&self, alpns: &[&str]) -> Arc<ServerConfig> {
        Arc::new(self.config(rustls::ALL_VERSIONS, alpns))
    }

    /// TLS for QUIC, offering these protocols; without 0-RTT.
    pub fn quic_config(&self, alpns: &[&str]) -> Arc<QuicServerConfig> {
        let config = self.config(&[&rustls::version::TLS13], alpns);
        Arc::new(
            config
                .try_into()
                .expect("ring has the cipher suite of QUIC's first packets"),
        )
    }

    fn config(
        &self,
        versions: &[&'static rustls::SupportedProtocolVersion],
        alpns: &[&str],
    ) -> ServerConfig {
        let resolver = SingleCertAndKey::from(self.key.clone());
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .expect("ring has cipher suites for TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = alpns.iter().map(|alpn| alpn.as_bytes().to_vec()).collect();
        config
    }

    fn read(
        certificate: &Path,
        key: &Path,
        development: bool,
    ) -> Result<ServerCertificate, TlsError> {
        let chain = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| unreadable("certificate", certificate, error))?;
        if chain.is_empty() {
            return Err(unreadable(
                "certificate",
                certificate,
                pem::Error::NoItemsFound,
            ));
        }
        let der = PrivateKeyDer::from_pem_file(key)
            .map_err(|error| unreadable("private key", key, error))?;
        // Compares the two, so that a mistake is found here and not by the first client.
        let key = CertifiedKey::from_der(chain, der, &provider()).map_err(|error| {
            let (certificate, key) = (certificate.to_owned(), key.to_owned());
            TlsError::Pair {
                certificate,
                key,
                error,
            }
        })?;
        Ok(ServerCertificate {
            key: Arc::new(key),
            development,
        })
    }
}

impl fmt::Debug for ServerCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerCertificate")
            .field("development", &self.development)
            .finish_non_exhaustive()
    }
}

/// `ring`, named everywhere, so that nothing depends on what another crate made the default.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn unreadable(what: &'static str, path: &Path, error: pem::Error) -> TlsError {
    let path = path.to_owned();
    match error {
        pem::Error::Io(error) => TlsError::Read { what, path, error },
        pem::Error::NoItemsFound if what == "private key" => TlsError::Pem {
            what,
            path,
            hint: ", PKCS #8, PKCS #1 or SEC 1, and not encrypted with a password",
        },
        pem::Error::NoItemsFound => TlsError::Pem {
            what,
            path,
            hint: " with BEGIN CERTIFICATE",
        },
        _ => TlsError::Pem {
            what,
            path,
            hint: ", and what it holds is damaged",
        },
    }
}

#[cfg(test)]
mod tests;
