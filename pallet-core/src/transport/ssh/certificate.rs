//! OpenSSH certificates: of hosts, and of users.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Algorithm, Certificate, HashAlg};

/// Whether a host's certificate, signed by a known authority, is good for the host called `name`.
/// If not, says why.
pub(super) fn check_host(certificate: &Certificate, name: &str) -> Result<(), String> {
    if certificate.cert_type() != CertType::Host {
        return Err("it is a user's certificate, not a host's".to_owned());
    }
    if matches!(certificate.signature().algorithm(), Algorithm::Rsa { hash: None }) {
        return Err("its signature is RSA with SHA-1, which is not safe".to_owned());
    }
    if let Some((option, _)) = certificate.critical_options().iter().next() {
        return Err(format!("it demands `{option}`, which is not known for hosts"));
    }
    let principals = certificate.valid_principals();
    if !principals.is_empty() && !principals.iter().any(|it| it.eq_ignore_ascii_case(name)) {
        return Err(format!("it is for {}, not for {name}", principals.join(", ")));
    }
    let now = now();
    check_time(certificate, now)?;
    let authority = certificate.signature_key().fingerprint(HashAlg::Sha256);
    certificate
        .validate_at(now, [&authority])
        .map_err(|_| "its signature does not match its contents".to_owned())
}

fn check_time(certificate: &Certificate, now: u64) -> Result<(), String> {
    let from = certificate.valid_after();
    let until = certificate.valid_before();
    if now < from {
        return Err(format!("it is not valid yet, but only in {} s", from - now));
    }
    if now >= until {
        return Err(format!("it expired {} s ago", now - until));
    }
    Ok(())
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The certificate that lies beside a private key: `KEY-cert.pub`.
pub(super) fn beside(key: &Path) -> PathBuf {
    let mut name = key.as_os_str().to_owned();
    name.push("-cert.pub");
    name.into()
}

/// Reads a user's certificate; `None` where there is no such file, and the reason where it cannot
/// be used.
pub(super) fn read_user(file: &Path) -> Option<Result<Certificate, String>> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => return Some(Err(format!("cannot be read: {error}"))),
    };
    let certificate = match Certificate::from_openssh(text.trim()) {
        Ok(certificate) => certificate,
        Err(error) => return Some(Err(format!("is not a certificate: {error}"))),
    };
    if certificate.cert_type() != CertType::User {
        return Some(Err("is a host's certificate, not a user's".to_owned()));
    }
    if let Err(reason) = check_time(&certificate, now()) {
        return Some(Err(reason));
    }
    Some(Ok(certificate))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// A certificate made by the real tool.
    fn signed(folder: &Path, arguments: &[&str]) -> PathBuf {
        for name in ["authority", "key"] {
            let file = folder.join(name);
            let mut command = Command::new("ssh-keygen");
            command.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(file);
            assert!(command.status().unwrap().success());
        }
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-I", "id", "-s"]).arg(folder.join("authority")).args(arguments);
        assert!(command.arg(folder.join("key.pub")).status().unwrap().success());
        beside(&folder.join("key"))
    }

    fn host(arguments: &[&str], name: &str) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        let file = signed(folder.path(), arguments);
        let text = fs::read_to_string(file).unwrap();
        check_host(&Certificate::from_openssh(text.trim()).unwrap(), name)
    }

    #[test]
    fn a_host_certificate_is_good_for_its_names_and_its_time() {
        assert_eq!(host(&["-h", "-n", "web.net,10.0.0.1"], "Web.net"), Ok(()));
        assert_eq!(host(&["-h", "-n", "web.net,10.0.0.1"], "10.0.0.1"), Ok(()));
        assert!(host(&["-h", "-n", "web.net"], "db.net").unwrap_err().contains("for web.net"));
        let old = &["-h", "-n", "web.net", "-V", "20200101:20200102"];
        assert!(host(old, "web.net").unwrap_err().contains("expired"));
        let new = &["-h", "-n", "web.net", "-V", "20900101:20900102"];
        assert!(host(new, "web.net").unwrap_err().contains("not valid yet"));
        assert!(host(&["-n", "web.net"], "web.net").unwrap_err().contains("user's"));
    }

    #[test]
    fn user_certificates_are_told_from_others() {
        let folder = tempfile::tempdir().unwrap();
        let file = signed(folder.path(), &["-n", "me"]);
        assert!(read_user(&file).unwrap().is_ok());
        assert!(read_user(&folder.path().join("missing")).is_none());
        let reason = read_user(&folder.path().join("key.pub")).unwrap().unwrap_err();
        assert!(reason.contains("not a certificate"), "{reason}");
        let folder = tempfile::tempdir().unwrap();
        let host = signed(folder.path(), &["-h"]);
        assert!(read_user(&host).unwrap().unwrap_err().contains("host's"));
    }
}
