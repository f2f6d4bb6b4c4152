//! Whether a host key is the right one.

use std::path::PathBuf;

use russh::keys::{Algorithm, Certificate, EcdsaCurve, HashAlg, PublicKey};

use super::known_hosts::{self, KnownHost, KnownKey};
use super::remember::remember;
use super::route::Stop;
use super::{Endpoint, HostKeys, TransportError, certificate};

/// All host key algorithms that we accept, best first. RSA with SHA-1 is not among them.
static ALGORITHMS: [Algorithm; 6] = [
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
];

/// What is expected of one host's key.
#[derive(Debug)]
pub(super) struct HostKeyCheck {
    endpoint: Endpoint,
    /// Its name in known_hosts files and certificates.
    listed: String,
    expected: Expected,
}

#[derive(Debug)]
enum Expected {
    Pinned(Vec<PublicKey>),
    Known { host: KnownHost, files: Vec<PathBuf>, accept_first: bool },
}

impl HostKeyCheck {
    /// Collects what is known about the host.
    pub(super) fn new(stop: &Stop) -> Result<Self, TransportError> {
        let expected = match &stop.host_keys {
            HostKeys::Pinned { keys } => Expected::Pinned(
                keys.iter().map(|key| parse_pinned(key)).collect::<Result<_, _>>()?,
            ),
            HostKeys::KnownHosts | HostKeys::FirstContact => Expected::Known {
                host: known_hosts::look_up(&stop.known_hosts, &stop.listed)?,
                files: stop.known_hosts.clone(),
                accept_first: stop.host_keys == HostKeys::FirstContact,
            },
        };
        Ok(Self { endpoint: stop.endpoint.clone(), listed: stop.listed.clone(), expected })
    }

    /// The algorithms of certificates for the negotiation: none unless an authority is known that
    /// could have signed one, since a host that shows a certificate does not show its key.
    pub(super) fn certificates(&self) -> &'static [Algorithm] {
        match &self.expected {
            Expected::Known { host, .. } if !host.authorities.is_empty() => &ALGORITHMS,
            _ => &[],
        }
    }

    /// The algorithms for the negotiation, those of expected keys first: a host with keys of
    /// several types then shows one that can be compared.
    pub(super) fn algorithms(&self) -> Vec<Algorithm> {
        let keys: Vec<&PublicKey> = match &self.expected {
            Expected::Pinned(keys) => keys.iter().collect(),
            Expected::Known { host, .. } => host.keys.iter().map(|known| &known.key).collect(),
        };
        let expected = |algorithm: &Algorithm| keys.iter().any(|key| same_type(key, algorithm));
        let (mut first, others): (Vec<_>, Vec<_>) = ALGORITHMS.iter().cloned().partition(expected);
        first.extend(others);
        first
    }

    /// Accepts the key that the host shows, or says what is wrong with it. A key that is accepted
    /// because nothing is known about the host is remembered, and its fingerprint returned.
    pub(super) async fn judge(&self, shown: &PublicKey) -> Result<Option<String>, TransportError> {
        let file = match self.compare(shown)? {
            Verdict::Expected => return Ok(None),
            Verdict::FirstContact(file) => file,
        };
        let (endpoint, name, key) = (self.endpoint.clone(), self.listed.clone(), shown.clone());
        let path = file.clone();
        tokio::task::spawn_blocking(move || remember(&path, &endpoint, &name, &key))
            .await
            .map_err(|error| TransportError::KeyFile {
                path: file.display().to_string(),
                reason: error.to_string(),
            })??;
        Ok(Some(fingerprint(shown)))
    }

    /// Accepts the certificate that the host shows, or says what is wrong with it. One of an
    /// unknown authority is worth as much as the key in it.
    pub(super) async fn judge_certificate(
        &self,
        shown: &Certificate,
    ) -> Result<Option<String>, TransportError> {
        let key = PublicKey::new(shown.public_key().clone(), "");
        let Expected::Known { host, .. } = &self.expected else { return self.judge(&key).await };
        let signer = shown.signature_key();
        let is_revoked = |data| host.revoked.iter().find(|known| known.key.key_data() == data);
        if let Some(revoked) = is_revoked(signer).or_else(|| is_revoked(shown.public_key())) {
            return Err(self.revoked(&revoked.key, revoked));
        }
        match host.authorities.iter().find(|known| known.key.key_data() == signer) {
            None => self.judge(&key).await,
            Some(authority) => {
                // Certificates name hosts, not ports.
                let name = self.listed.strip_prefix('[').and_then(|it| it.split(']').next());
                let name = name.unwrap_or(&self.listed);
                certificate::check_host(shown, name).map(|()| None).map_err(|reason| {
                    TransportError::HostCertificate {
                        endpoint: self.endpoint.clone(),
                        reason,
                        authority: authority.place(),
                    }
                })
            }
        }
    }

    fn revoked(&self, shown: &PublicKey, revoked: &KnownKey) -> TransportError {
        TransportError::HostKeyRevoked {
            endpoint: self.endpoint.clone(),
            got: describe(shown),
            source_of_truth: revoked.place(),
        }
    }

    fn compare(&self, shown: &PublicKey) -> Result<Verdict, TransportError> {
        match &self.expected {
            Expected::Pinned(keys) if keys.is_empty() => {
                Err(self.unknown(shown, "the pinned keys: there are none".to_owned()))
            }
            Expected::Pinned(keys) => {
                if keys.iter().any(|key| key.key_data() == shown.key_data()) {
                    return Ok(Verdict::Expected);
                }
                let expected = keys.iter().map(describe).collect();
                Err(changed(&self.endpoint, expected, shown, "pinned".to_owned()))
            }
            Expected::Known { host, files, accept_first } => {
                self.compare_known(host, files, *accept_first, shown)
            }
        }
    }

    fn compare_known(
        &self,
        host: &KnownHost,
        files: &[PathBuf],
        accept_first: bool,
        shown: &PublicKey,
    ) -> Result<Verdict, TransportError> {
        let same = |known: &&KnownKey| known.key.key_data() == shown.key_data();
        if let Some(revoked) = host.revoked.iter().find(same) {
            return Err(self.revoked(shown, revoked));
        }
        if host.keys.iter().any(|known| same(&known)) {
            return Ok(Verdict::Expected);
        }
        // A key of another type than the known ones is as suspicious as a changed one: whoever is
        // in between could show one to look like a first contact.
        if !host.keys.is_empty() {
            return Err(changed_from(&self.endpoint, &host.keys, shown));
        }
        match files.first() {
            Some(file) if accept_first => Ok(Verdict::FirstContact(file.clone())),
            _ => {
                let files: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
                let searched = files.into_iter().chain(host.skipped.iter().cloned());
                Err(self.unknown(shown, searched.collect::<Vec<_>>().join(", ")))
            }
        }
    }

    fn unknown(&self, shown: &PublicKey, searched: String) -> TransportError {
        TransportError::HostKeyUnknown {
            endpoint: self.endpoint.clone(),
            got: describe(shown),
            searched,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Expected,
    /// Nothing is known; remember the key in this file.
    FirstContact(PathBuf),
}

/// `SHA256:…`, as OpenSSH prints it.
pub(super) fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// Type and fingerprint.
pub(super) fn describe(key: &PublicKey) -> String {
    format!("{} {}", key.algorithm(), fingerprint(key))
}

/// The error for a host that shows none of its known keys.
pub(super) fn changed_from(
    endpoint: &Endpoint,
    known: &[KnownKey],
    shown: &PublicKey,
) -> TransportError {
    let expected = known.iter().map(|known| describe(&known.key)).collect();
    let places: Vec<_> = known.iter().map(KnownKey::place).collect();
    changed(endpoint, expected, shown, places.join(", "))
}

fn changed(
    endpoint: &Endpoint,
    expected: Vec<String>,
    shown: &PublicKey,
    source_of_truth: String,
) -> TransportError {
    TransportError::HostKeyChanged {
        endpoint: endpoint.clone(),
        expected: expected.join(" or "),
        got: describe(shown),
        source_of_truth,
    }
}

fn same_type(key: &PublicKey, algorithm: &Algorithm) -> bool {
    match algorithm {
        Algorithm::Rsa { .. } => matches!(key.algorithm(), Algorithm::Rsa { .. }),
        other => key.algorithm() == *other,
    }
}

fn parse_pinned(text: &str) -> Result<PublicKey, TransportError> {
    PublicKey::from_openssh(text.trim()).map_err(|error| TransportError::KeyFile {
        path: "a pinned host key".to_owned(),
        reason: format!("`{text}` is not of the form `ssh-ed25519 AAAA…`: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use super::super::{SshOptions, route};
    use super::*;
    use crate::login::Login;

    // Made with ssh-keygen; the fingerprints are what `ssh-keygen -l` says.
    const ED25519: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIVWLhrpKMdIcmNNADt6/wQQLhGTD53xBjedW8eCSsdH";
    const ED25519_FINGERPRINT: &str = "SHA256:SlO5YST1YoH0ZqqXo2HPFhp3/YAhtSK4Re/s1d3e+PQ";
    const OTHER: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGurKsGm1iS4PMbfmj7toydlz1qF9TV+XGNupFxJtBzs";
    const RSA: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDOZ6hCdDRo1Z/6tTDKW8PeWzZm63fzVdWjNOWXITFniu7VSj3lW24I969LDUZQGVWodHREg4R7xjHg3JKBjvXb1pYe538FOUk+jXwZBK/GgSoDv6UZxQwzODBAil3HEa8QgCJMAnU100/9ZsMVsaLDqrKE/hLghuwLas3/kCbru7jpR5Jt//2Q83jTVLtyCKq0MCaOatI/h7/gqSx00YygzlI1gnBNMOO0bZCBsd8ubLpXCkT1QnIJxPxJxKjNyaUWWnuggTW4qCV/3dn9mT7vLLLVkltSUL/YfipF1pkyZ/E0JU/cyvSIVp6OpmhZIYz4hKWkZh5QvEjz1MiMpvRl";
    const RSA_FINGERPRINT: &str = "SHA256:VImxtWUmT+baPxUyeN6XDRkJti0TeqVWViQHiprzr0I";

    fn check(policy: &HostKeys, files: &[PathBuf]) -> Result<HostKeyCheck, TransportError> {
        let endpoint = Endpoint { host: "node.example.net".to_owned(), port: 22 };
        let options = SshOptions { known_hosts: files.to_vec(), ..SshOptions::isolated() };
        HostKeyCheck::new(&route::plan(&endpoint, &Login::new("me"), policy, &options)?.target)
    }

    fn key(text: &str) -> PublicKey {
        PublicKey::from_openssh(text).unwrap()
    }

    fn pinned(keys: &[&str]) -> HostKeyCheck {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        check(&HostKeys::Pinned { keys }, &[]).unwrap()
    }

    fn known(text: &str, policy: &HostKeys) -> HostKeyCheck {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("known_hosts");
        std::fs::write(&file, text).unwrap();
        check(policy, &[file]).unwrap()
    }

    #[test]
    fn fingerprints_are_those_of_openssh() {
        assert_eq!(fingerprint(&key(ED25519)), ED25519_FINGERPRINT);
        assert_eq!(fingerprint(&key(RSA)), RSA_FINGERPRINT);
    }

    #[test]
    fn a_pinned_key_is_compared() {
        let check = pinned(&[OTHER, &format!("{ED25519} root@node")]);
        assert_eq!(check.compare(&key(ED25519)).unwrap(), Verdict::Expected);
        let error = check.compare(&key(RSA)).unwrap_err().to_string();
        assert!(error.contains(ED25519_FINGERPRINT) && error.contains(RSA_FINGERPRINT), "{error}");
    }

    #[test]
    fn no_pinned_key_accepts_nothing() {
        let error = pinned(&[]).compare(&key(ED25519)).unwrap_err();
        assert!(matches!(error, TransportError::HostKeyUnknown { .. }), "{error}");
    }

    #[test]
    fn a_pinned_key_that_is_none_is_refused_early() {
        let keys = vec!["ssh-ed25519".to_owned()];
        let error = check(&HostKeys::Pinned { keys }, &[]).unwrap_err();
        assert!(error.to_string().contains("`ssh-ed25519`"), "{error}");
    }

    #[test]
    fn expected_types_are_negotiated_first() {
        let first = |check: &HostKeyCheck| check.algorithms().first().cloned().unwrap();
        assert_eq!(first(&pinned(&[])), Algorithm::Ed25519);
        let rsa = pinned(&[RSA]);
        assert_eq!(first(&rsa), Algorithm::Rsa { hash: Some(HashAlg::Sha512) });
        assert_eq!(rsa.algorithms().len(), ALGORITHMS.len());
        let rsa = known(&format!("node.example.net {RSA}\n"), &HostKeys::KnownHosts);
        assert_eq!(first(&rsa), Algorithm::Rsa { hash: Some(HashAlg::Sha512) });
    }

    #[test]
    fn another_type_than_the_known_one_is_a_change_even_on_first_contact() {
        for policy in [HostKeys::KnownHosts, HostKeys::FirstContact] {
            let check = known(&format!("# a comment\nnode.example.net {RSA}\n"), &policy);
            let error = check.compare(&key(ED25519)).unwrap_err();
            let TransportError::HostKeyChanged { source_of_truth, expected, got, .. } = error
            else {
                panic!("{error}")
            };
            assert!(source_of_truth.ends_with("known_hosts:2"), "{source_of_truth}");
            assert!(expected.contains(RSA_FINGERPRINT), "{expected}");
            assert!(got.contains(ED25519_FINGERPRINT), "{got}");
        }
    }

    #[test]
    fn a_revoked_key_is_refused_although_it_is_listed() {
        let text = format!("node.example.net {ED25519}\n@revoked * {ED25519}\n");
        let error = known(&text, &HostKeys::FirstContact).compare(&key(ED25519)).unwrap_err();
        assert!(matches!(error, TransportError::HostKeyRevoked { .. }), "{error}");
    }

    #[test]
    fn an_unknown_host_is_accepted_only_on_first_contact() {
        let text = format!("other.example.net {ED25519}\n@cert-authority *.example.net {OTHER}\n");
        let error = known(&text, &HostKeys::KnownHosts).compare(&key(ED25519)).unwrap_err();
        assert!(matches!(error, TransportError::HostKeyUnknown { .. }), "{error}");
        let verdict = known(&text, &HostKeys::FirstContact).compare(&key(ED25519)).unwrap();
        assert!(matches!(verdict, Verdict::FirstContact(_)));
    }
}
