//! Whom to trust.

use std::sync::Arc;

use ring::digest;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// How a server proves who it is, on `quic://` and `wss://`.
#[derive(Clone, Debug, Default)]
pub struct Tls(Trust);

#[derive(Clone, Debug, Default)]
enum Trust {
    #[default]
    WebRoots,
    Roots(Arc<Vec<u8>>),
    Certificate([u8; 32]),
    Anyone,
}

/// TLS cannot be set up as asked.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The PEM text has no usable certificate.
    #[error("certificate authority: {0}")]
    Pem(String),
    /// Not the SHA-256 of a certificate.
    #[error("{0:?} is not a SHA-256 in 64 hexadecimal digits")]
    Hash(String),
    /// The TLS library refuses the configuration.
    #[error("tls configuration: {0}")]
    Config(#[from] rustls::Error),
}

impl Tls {
    /// The certificate authorities browsers trust. The default.
    pub fn web_roots() -> Tls {
        Tls(Trust::WebRoots)
    }

    /// Only the certificate authorities in this PEM text.
    pub fn roots(pem: impl Into<Vec<u8>>) -> Tls {
        Tls(Trust::Roots(Arc::new(pem.into())))
    }

    /// Exactly the certificate whose DER form has this SHA-256, whatever name and dates it carries:
    /// for development servers with a certificate of their own making.
    pub fn certificate_sha256(sha256: [u8; 32]) -> Tls {
        Tls(Trust::Certificate(sha256))
    }

    /// The same as the server prints it: 64 hexadecimal digits.
    pub fn certificate_hex(sha256: &str) -> Result<Tls, TlsError> {
        let digits = sha256.trim().as_bytes();
        let mut bytes = [0; 32];
        if digits.len() != 64 {
            return Err(TlsError::Hash(sha256.to_owned()));
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let pair = str::from_utf8(pair).ok();
            let parsed = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok());
            *byte = parsed.ok_or_else(|| TlsError::Hash(sha256.to_owned()))?;
        }
        Ok(Tls::certificate_sha256(bytes))
    }

    /// Any certificate at all. Whoever sits on the path can read and change everything: for
    /// loopback only.
    pub fn dangerous_accept_any_certificate() -> Tls {
        Tls(Trust::Anyone)
    }

    /// The configuration rustls needs, offering `alpn` protocols (none for WebSocket).
    pub fn client_config(&self, alpn: &[&str]) -> Result<ClientConfig, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()?;
        let own = |accept| {
            builder
                .clone()
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(OwnVerifier { accept, provider }))
                .with_no_client_auth()
        };
        let mut config = match &self.0 {
            Trust::WebRoots => {
                let roots = webpki_roots::TLS_SERVER_ROOTS
                    .iter()
                    .cloned()
                    .collect::<RootCertStore>();
                builder.with_root_certificates(roots).with_no_client_auth()
            }
            Trust::Roots(pem) => builder
                .with_root_certificates(read_roots(pem)?)
                .with_no_client_auth(),
            Trust::Certificate(sha256) => own(Accept::Sha256(*sha256)),
            Trust::Anyone => own(Accept::Anyone),
        };
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Ok(config)
    }
}

fn read_roots(pem: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| TlsError::Pem(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| TlsError::Pem(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(TlsError::Pem("no certificate in the PEM text".to_owned()));
    }
    Ok(roots)
}

#[derive(Debug)]
enum Accept {
    Sha256([u8; 32]),
    Anyone,
}

/// Decides on the certificate itself instead of on a chain to a root. That the server holds the
/// certificate's key is verified as always.
#[derive(Debug)]
struct OwnVerifier {
    accept: Accept,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for OwnVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Accept::Sha256(expected) = &self.accept {
            let found = digest::digest(&digest::SHA256, end_entity);
            if found.as_ref() != expected {
                let found: String = found.as_ref().iter().map(|b| format!("{b:02x}")).collect();
                return Err(rustls::Error::General(format!(
                    "the server's certificate has sha256 {found}, which is not the pinned one"
                )));
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verify(tls: Trust, certificate: &CertificateDer<'_>) -> bool {
        let accept = match tls {
            Trust::Certificate(sha256) => Accept::Sha256(sha256),
            _ => Accept::Anyone,
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let name = ServerName::try_from("localhost").unwrap();
        OwnVerifier { accept, provider }
            .verify_server_cert(certificate, &[], &name, &[], UnixTime::now())
            .is_ok()
    }

    #[test]
    fn a_pin_accepts_only_its_certificate() {
        let one = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let pin: [u8; 32] = digest::digest(&digest::SHA256, one.cert.der())
            .as_ref()
            .try_into()
            .unwrap();
        assert!(verify(Trust::Certificate(pin), one.cert.der()));
        assert!(!verify(Trust::Certificate(pin), other.cert.der()));
        assert!(verify(Trust::Anyone, other.cert.der()));
    }

    #[test]
    fn roots_are_read_from_pem_and_nothing_else() {
        let authority = rcgen::generate_simple_self_signed(["authority".to_owned()]).unwrap();
        assert!(
            Tls::roots(authority.cert.pem())
                .client_config(&["tidings/1"])
                .is_ok()
        );
        assert!(
            Tls::roots("no certificate here")
                .client_config(&[])
                .is_err()
        );
        assert!(Tls::web_roots().client_config(&[]).is_ok());
    }
}
