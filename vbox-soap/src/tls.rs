//! TLS, and what makes a server trusted.

use std::sync::Arc;
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, ring as provider, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::client::Address;
use crate::error::Error;

/// How a server at an `https` address proves that it is the right one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trust {
    /// With a certificate for its name, from an authority that this machine trusts.
    #[default]
    System,
    /// With a certificate for its name, from one of these authorities, in PEM. A self-signed certificate
    /// is an authority for itself if it says so.
    Authorities(String),
    /// With the certificate that has this SHA-256 digest (`openssl x509 -fingerprint -sha256`), whatever is in it.
    Certificate([u8; 32]),
}

/// A server's address, and how to speak TLS there.
#[derive(Clone)]
pub(crate) struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
    url: String,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Tls {
    pub(crate) fn new(address: &Address, trust: &Trust) -> Result<Self, Error> {
        let url = address.url();
        let failed = |reason: String| Error::Tls { url: url.clone(), reason };
        let name = ServerName::try_from(address.host.clone()).map_err(|_| {
            failed(format!("`{}` is no name that a certificate can have", address.host))
        })?;
        let crypto = Arc::new(provider::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> = match trust {
            Trust::Certificate(sha256) => {
                Arc::new(Pinned { sha256: *sha256, crypto: crypto.clone() })
            }
            Trust::System => {
                authorities(system_roots().map_err(failed)?, &crypto).map_err(failed)?
            }
            Trust::Authorities(pem) => {
                authorities(given_roots(pem).map_err(failed)?, &crypto).map_err(failed)?
            }
        };
        let config = ClientConfig::builder_with_provider(crypto)
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name, url })
    }

    /// Shakes hands.
    pub(crate) async fn connect(
        &self,
        stream: TcpStream,
        patience: Duration,
    ) -> Result<TlsStream<TcpStream>, Error> {
        let shaking = self.connector.connect(self.name.clone(), stream);
        let reason = match tokio::time::timeout(patience, shaking).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer to the TLS greeting within {} s", patience.as_secs_f32()),
        };
        Err(Error::Tls { url: self.url.clone(), reason })
    }
}

fn authorities(
    roots: RootCertStore,
    crypto: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, String> {
    let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), crypto.clone());
    Ok(builder.build().map_err(|error| error.to_string())?)
}

fn system_roots() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let reasons: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
        return Err(format!(
            "this machine has no list of trusted authorities {}",
            reasons.join(", ")
        ));
    }
    Ok(roots)
}

fn given_roots(pem: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| format!("the given PEM: {error}"))?;
        roots.add(certificate).map_err(|error| format!("a given authority: {error}"))?;
    }
    if roots.is_empty() {
        return Err("the given PEM has no certificate".to_owned());
    }
    Ok(roots)
}

/// Accepts one certificate.
#[derive(Debug)]
struct Pinned {
    sha256: [u8; 32],
    crypto: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let digest = ring::digest::digest(&ring::digest::SHA256, certificate);
        if digest.as_ref() == self.sha256 {
            return Ok(ServerCertVerified::assertion());
        }
        let hex: Vec<String> = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Err(rustls::Error::General(format!(
            "the server has another certificate, with SHA-256 {}",
            hex.concat()
        )))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.crypto.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.crypto.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.crypto.signature_verification_algorithms.supported_schemes()
    }
}
