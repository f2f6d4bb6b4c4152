//! TLS as Incus and LXD use it: both sides show a certificate of their own making, and know the
//! other's beforehand.

use std::fmt::Write as _;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, ring as provider, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use sha2::{Digest as _, Sha256};

/// What the client shows, and what it expects of the server.
#[derive(Clone)]
pub struct Credentials {
    /// The client's certificate, PEM.
    pub certificate: String,
    /// Its key, PEM.
    pub key: String,
    /// SHA-256 of the server's certificate, as `incus info` (`lxc info`) shows it. All members of a
    /// cluster have one certificate.
    pub server: [u8; 32],
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("server", &hex(&self.server)).finish_non_exhaustive()
    }
}

impl Credentials {
    /// What TLS needs of it.
    ///
    /// # Errors
    /// What is wrong with the certificate or the key.
    pub(super) fn config(&self) -> Result<ClientConfig, String> {
        let certificates = CertificateDer::pem_slice_iter(self.certificate.as_bytes());
        let certificates: Result<Vec<_>, _> = certificates.collect();
        let certificates = certificates.map_err(|error| format!("the certificate: {error}"))?;
        if certificates.is_empty() {
            return Err("the file of the certificate has none".to_owned());
        }
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes())
            .map_err(|error| format!("the certificate's key: {error}"))?;
        let crypto = Arc::new(provider::default_provider());
        let verifier = Arc::new(Pinned { sha256: self.server, crypto: crypto.clone() });
        ClientConfig::builder_with_provider(crypto)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_auth_cert(certificates, key)
            .map_err(|error| format!("the certificate and its key: {error}"))
    }
}

/// The fingerprint of a certificate in PEM.
///
/// # Errors
/// What is wrong with it.
pub fn fingerprint(pem: &str) -> Result<[u8; 32], String> {
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes())
        .map_err(|error| format!("it is no certificate: {error}"))?;
    Ok(Sha256::digest(&certificate).into())
}

/// Reads a fingerprint in hexadecimal, with or without colons.
pub fn parse_fingerprint(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> =
        text.bytes().filter(|byte| *byte != b':').map(|byte| byte.to_ascii_lowercase()).collect();
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|it| u8::try_from(it).ok());
    let bytes: Option<Vec<u8>> = digits
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(value(*high)? << 4 | value(*low)?),
            _ => None,
        })
        .collect();
    bytes?.try_into().ok()
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Accepts one certificate, whatever stands in it.
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
        let shown: [u8; 32] = Sha256::digest(certificate).into();
        if shown == self.sha256 {
            return Ok(ServerCertVerified::assertion());
        }
        Err(rustls::Error::General(format!(
            "it has another certificate than expected, {}",
            hex(&shown)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read() {
        let plain = "ab".repeat(32);
        let colons = vec!["AB"; 32].join(":");
        assert_eq!(parse_fingerprint(&plain), Some([0xab; 32]));
        assert_eq!(parse_fingerprint(&colons), Some([0xab; 32]));
        assert_eq!(hex(&[0xab; 32]), plain);
        for wrong in ["", "ab", "xy", &plain[1..]] {
            assert_eq!(parse_fingerprint(wrong), None, "{wrong}");
        }
    }
}
