//! HTTPS: through a TLS terminator in front of a server that does as it is told, and of the lab's.

#![allow(clippy::unwrap_used, reason = "test support: a failure here is a failed test")]

mod fake_server;

use std::sync::Arc;

use fake_server::FakeServer;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use vbox_soap::{Client, Error, Settings, Trust};

/// A terminator in front of `target`, which is an `http` address.
struct Terminator {
    url: String,
    pem: String,
    sha256: [u8; 32],
}

impl Terminator {
    async fn before(target: &str) -> Self {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![cert.der().clone()], key)
                .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/", listener.local_addr().unwrap());
        let target = target.trim_start_matches("http://").trim_end_matches('/').to_owned();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, target) = (acceptor.clone(), target.clone());
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut inner = TcpStream::connect(target).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut stream, &mut inner).await;
                });
            }
        });
        let digest = ring::digest::digest(&ring::digest::SHA256, cert.der());
        Self { url, pem: cert.pem(), sha256: digest.as_ref().try_into().unwrap() }
    }

    fn client(&self, trust: Trust) -> Client {
        let mut settings = Settings::default();
        settings.trust = trust;
        Client::with_settings(&self.url, settings).unwrap()
    }
}

#[tokio::test]
async fn a_server_is_trusted_by_its_authority_or_by_its_certificate() {
    let server = FakeServer::start(&[]).await;
    let terminator = Terminator::before(&server.url).await;
    for trust in [Trust::Authorities(terminator.pem.clone()), Trust::Certificate(terminator.sha256)]
    {
        let session = terminator.client(trust).logon("", "").await.unwrap();
        assert_eq!(session.virtual_box().get_api_version().await.unwrap(), "7_2");
        session.logoff().await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_is_not_trusted_gets_no_password() {
    let server = FakeServer::start(&[]).await;
    let terminator = Terminator::before(&server.url).await;
    let other = Terminator::before(&server.url).await;
    for (trust, reason) in [
        (Trust::Authorities(other.pem.clone()), "certificate"),
        (Trust::Certificate(other.sha256), "another certificate, with SHA-256"),
    ] {
        let error = terminator.client(trust).logon("me", "secret").await.unwrap_err();
        assert!(matches!(error, Error::Tls { .. }), "{error:?}");
        assert!(error.to_string().contains(reason), "{error}");
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_name_that_is_not_in_the_certificate_is_refused_unless_it_is_pinned() {
    let server = FakeServer::start(&[]).await;
    let terminator = Terminator::before(&server.url).await;
    let elsewhere = Terminator {
        // Another address of this machine.
        url: terminator.url.replace("127.0.0.1", "[::ffff:127.0.0.1]"),
        ..terminator
    };
    let error = elsewhere
        .client(Trust::Authorities(elsewhere.pem.clone()))
        .logon("", "")
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Tls { .. }), "{error:?}");
    elsewhere.client(Trust::Certificate(elsewhere.sha256)).logon("", "").await.unwrap();
}

#[tokio::test]
async fn a_server_without_tls_is_reported_as_such() {
    let server = FakeServer::start(&[]).await;
    let mut settings = Settings::default();
    settings.connect_timeout = std::time::Duration::from_millis(300);
    settings.trust = Trust::Certificate([0; 32]);
    let url = server.url.replace("http:", "https:");
    let error = Client::with_settings(&url, settings).unwrap().logon("", "").await.unwrap_err();
    assert!(matches!(error, Error::Tls { .. }), "{error:?}");
    assert!(error.to_string().contains("--ssl"), "{error}");
}

#[test]
fn authorities_that_are_none_are_refused_at_once() {
    let mut settings = Settings::default();
    settings.trust = Trust::Authorities("no PEM at all".to_owned());
    let error = Client::with_settings("https://localhost/", settings).unwrap_err();
    assert!(error.to_string().contains("has no certificate"), "{error}");
}

#[cfg(feature = "lab-tests")]
#[tokio::test]
async fn the_real_server_is_reached_through_tls() {
    let lab = xtask::lab::State::load().unwrap().vbox().unwrap().clone();
    let terminator = Terminator::before(&lab.url).await;
    let session =
        terminator.client(Trust::Certificate(terminator.sha256)).logon("", "").await.unwrap();
    // More than the server takes on one connection.
    for _ in 0..250 {
        session.virtual_box().get_machines().await.unwrap();
    }
    session.logoff().await.unwrap();
}
