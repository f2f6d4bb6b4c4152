//! Private key files, each read and decrypted once.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use russh::keys::{PrivateKey, PublicKey, decode_secret_key};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use crate::secret::Secret;

use super::TransportError;

/// The private keys that were read so far. Clones share them, so that a hundred connections
/// decrypt a key once; a file that changes is read again.
#[derive(Clone, Default)]
pub struct KeyRing {
    keys: Arc<Mutex<HashMap<PathBuf, Held>>>,
    /// Keys that are in no file.
    given: Arc<Mutex<Vec<Given>>>,
}

/// A key that is in no file, decoded.
type Given = (Secret, Arc<PrivateKey>);

struct Held {
    modified: Option<SystemTime>,
    key: Arc<PrivateKey>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyRing(…)")
    }
}

impl KeyRing {
    /// The key that is itself given, decrypted if that was not done yet.
    pub(super) async fn parse(
        &self,
        text: &Secret,
        passphrase: Option<&Secret>,
    ) -> Result<Arc<PrivateKey>, KeyProblem> {
        let mut given = self.given.lock().await;
        if let Some((_, key)) = given.iter().find(|(known, _)| known.is_same(text)) {
            return Ok(Arc::clone(key));
        }
        let (text, passphrase) = (text.clone(), passphrase.cloned());
        let known = text.clone();
        let decode = move || {
            let text = text.reveal().map_err(|error| KeyProblem::Unusable(error.to_string()))?;
            // Line ends get lost easily on the way through variables.
            decode(&format!("{}\n", text.trim()), passphrase.as_ref())
        };
        let key = tokio::task::spawn_blocking(decode)
            .await
            .map_err(|error| KeyProblem::Unusable(error.to_string()))??;
        let key = Arc::new(key);
        given.push((known, Arc::clone(&key)));
        Ok(key)
    }

    /// The key in `path`, read and decrypted if that was not done yet.
    pub(super) async fn load(
        &self,
        path: &Path,
        passphrase: Option<&Secret>,
    ) -> Result<Arc<PrivateKey>, KeyProblem> {
        let modified = match fs::metadata(path) {
            Ok(metadata) => metadata.modified().ok(),
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(KeyProblem::Missing),
            Err(error) => return Err(KeyProblem::Unusable(format!("cannot be read: {error}"))),
        };
        // Held while reading: whoever else wants this key waits instead of decrypting it too.
        let mut keys = self.keys.lock().await;
        if let Some(held) = keys.get(path).filter(|held| held.modified == modified) {
            return Ok(Arc::clone(&held.key));
        }
        let (file, passphrase) = (path.to_owned(), passphrase.cloned());
        // Deriving the key of an encrypted file takes long on purpose.
        let key = tokio::task::spawn_blocking(move || read(&file, passphrase.as_ref()))
            .await
            .map_err(|error| KeyProblem::Unusable(error.to_string()))??;
        let key = Arc::new(key);
        keys.insert(path.to_owned(), Held { modified, key: Arc::clone(&key) });
        Ok(key)
    }
}

/// Why a private key file gave no key.
#[derive(Debug)]
pub(super) enum KeyProblem {
    /// There is no such file.
    Missing,
    /// It is encrypted and there is no passphrase. OpenSSH's format shows the public key even so.
    Encrypted(Option<Box<PublicKey>>),
    /// It holds a public key.
    Public(Box<PublicKey>),
    /// Anything else, in words.
    Unusable(String),
}

impl KeyProblem {
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Missing => "there is no such private key file".to_owned(),
            Self::Encrypted(_) => {
                "this private key is encrypted: give its passphrase, or add it to the SSH agent"
                    .to_owned()
            }
            Self::Public(_) => "this is a public key: name the private one, which has no `.pub`, or add it to the SSH agent".to_owned(),
            Self::Unusable(reason) => reason.clone(),
        }
    }

    pub(super) fn into_error(self, path: &Path) -> TransportError {
        TransportError::KeyFile { path: path.display().to_string(), reason: self.reason() }
    }
}

/// The public key in `path`, if it is there.
pub(super) fn public_key(path: &Path) -> Option<Box<PublicKey>> {
    let text = fs::read_to_string(path).ok()?;
    PublicKey::from_openssh(text.trim()).ok().map(Box::new)
}

fn read(path: &Path, passphrase: Option<&Secret>) -> Result<PrivateKey, KeyProblem> {
    let unreadable = |error| KeyProblem::Unusable(format!("cannot be read: {error}"));
    let bytes = Zeroizing::new(fs::read(path).map_err(unreadable)?);
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| KeyProblem::Unusable("is not a private key in text form".to_owned()))?;
    if let Ok(public) = PublicKey::from_openssh(text.trim()) {
        return Err(KeyProblem::Public(Box::new(public)));
    }
    let mode = fs::metadata(path).map_err(unreadable)?.permissions().mode();
    if mode & 0o007 != 0 {
        return Err(KeyProblem::Unusable(format!(
            "everybody on this machine may use this private key (mode {:04o}): run `chmod 600 {}`",
            mode & 0o7777,
            path.display()
        )));
    }
    decode(text, passphrase)
}

fn decode(text: &str, passphrase: Option<&Secret>) -> Result<PrivateKey, KeyProblem> {
    if !text.contains("PRIVATE KEY-----") && !text.starts_with("PuTTY-User-Key-File-") {
        let reason = "is not a private key in a known format (OpenSSH, PKCS#1, PKCS#8, PuTTY)";
        return Err(KeyProblem::Unusable(reason.to_owned()));
    }
    if !is_encrypted(text) {
        return decode_secret_key(text, None).map_err(|error| {
            KeyProblem::Unusable(format!("is not a usable private key: {error}"))
        });
    }
    let Some(passphrase) = passphrase else {
        let public = PrivateKey::from_openssh(text).map(|key| Box::new(key.public_key().clone()));
        return Err(KeyProblem::Encrypted(public.ok()));
    };
    let passphrase =
        passphrase.reveal().map_err(|error| KeyProblem::Unusable(error.to_string()))?;
    decode_secret_key(text, Some(passphrase)).map_err(|error| {
        KeyProblem::Unusable(format!(
            "this private key cannot be decrypted: the passphrase is wrong, or the format is too old (`ssh-keygen -p -f FILE` writes a new one): {error}"
        ))
    })
}

fn is_encrypted(text: &str) -> bool {
    text.contains("BEGIN ENCRYPTED PRIVATE KEY")
        || text.contains("Proc-Type: 4,ENCRYPTED")
        || PrivateKey::from_openssh(text).is_ok_and(|key| key.is_encrypted())
        || (text.starts_with("PuTTY-User-Key-File-") && !text.contains("\nEncryption: none"))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// A key file made by the real tool.
    fn generate(folder: &Path, arguments: &[&str]) -> PathBuf {
        let file = folder.join("key");
        let status = Command::new("ssh-keygen")
            .args(["-q", "-C", "", "-f"])
            .arg(&file)
            .args(arguments)
            .status()
            .unwrap();
        assert!(status.success());
        file
    }

    async fn load(path: &Path, passphrase: Option<&str>) -> Result<Arc<PrivateKey>, KeyProblem> {
        KeyRing::default().load(path, passphrase.map(Secret::new).as_ref()).await
    }

    #[tokio::test]
    async fn all_formats_that_ssh_keygen_writes() {
        for arguments in [
            &["-t", "ed25519", "-N", ""][..],
            &["-t", "ecdsa", "-b", "384", "-N", ""],
            &["-t", "ecdsa", "-b", "256", "-m", "PKCS8", "-N", ""],
            &["-t", "rsa", "-b", "2048", "-m", "PEM", "-N", ""],
            &["-t", "rsa", "-b", "2048", "-m", "PKCS8", "-N", ""],
            &["-t", "rsa", "-b", "2048", "-m", "PKCS8", "-N", "open sesame"],
            &["-t", "ed25519", "-a", "2", "-N", "open sesame"],
        ] {
            let folder = tempfile::tempdir().unwrap();
            let file = generate(folder.path(), arguments);
            let key = load(&file, Some("open sesame")).await;
            let key = key.unwrap_or_else(|problem| panic!("{arguments:?}: {}", problem.reason()));
            let public = fs::read_to_string(file.with_extension("pub")).unwrap();
            let public = PublicKey::from_openssh(public.trim()).unwrap();
            assert_eq!(key.public_key().key_data(), public.key_data(), "{arguments:?}");
        }
    }

    #[tokio::test]
    async fn an_encrypted_key_wants_the_right_passphrase() {
        let folder = tempfile::tempdir().unwrap();
        let file = generate(folder.path(), &["-t", "ed25519", "-a", "2", "-N", "right"]);
        let problem = load(&file, None).await.unwrap_err();
        assert!(matches!(problem, KeyProblem::Encrypted(Some(_))), "{}", problem.reason());
        let reason = load(&file, Some("wrong")).await.unwrap_err().reason();
        assert!(reason.contains("passphrase is wrong"), "{reason}");
    }

    #[tokio::test]
    async fn problems_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let file = generate(folder.path(), &["-t", "ed25519", "-N", ""]);
        let reason = |path: PathBuf| async move { load(&path, None).await.unwrap_err().reason() };

        assert!(reason(folder.path().join("missing")).await.contains("no such"));
        let public = file.with_extension("pub");
        assert!(reason(public).await.contains("public key"));
        let garbage = folder.path().join("garbage");
        fs::write(&garbage, "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n").unwrap();
        fs::set_permissions(&garbage, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(reason(garbage).await.contains("not a usable"));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(reason(file).await.contains("chmod 600"));
    }

    #[tokio::test]
    async fn a_key_is_decrypted_once_until_its_file_changes() {
        let folder = tempfile::tempdir().unwrap();
        let file = generate(folder.path(), &["-t", "ed25519", "-a", "2", "-N", "right"]);
        let ring = KeyRing::default();
        let first = ring.load(&file, Some(&Secret::new("right"))).await.unwrap();
        let again = ring.clone().load(&file, None).await.unwrap();
        assert!(Arc::ptr_eq(&first, &again));

        fs::remove_file(&file).unwrap();
        generate(folder.path(), &["-t", "ed25519", "-N", ""]);
        let changed = ring.load(&file, None).await.unwrap();
        assert_ne!(first.public_key().key_data(), changed.public_key().key_data());
    }
}
