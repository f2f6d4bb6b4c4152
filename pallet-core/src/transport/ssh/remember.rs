//! Adding a host key to a known_hosts file.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use russh::keys::PublicKey;

use super::host_key::changed_from;
use super::known_hosts::KnownHost;
use super::{Endpoint, TransportError};

/// How long another writer of the file is waited for.
const LOCK_LIMIT: Duration = Duration::from_secs(5);

/// Appends the key of the host listed as `name`, once, with one write and under a lock. Blocks.
///
/// Another process may have met the same host in the meantime: then its entry decides.
pub(super) fn remember(
    file: &Path,
    endpoint: &Endpoint,
    name: &str,
    key: &PublicKey,
) -> Result<(), TransportError> {
    let failed = |what: &str, error: &dyn std::fmt::Display| TransportError::KeyFile {
        path: file.display().to_string(),
        reason: format!("the host key of {endpoint} could not be remembered: {what}: {error}"),
    };
    if let Some(folder) = file.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| failed("its folder cannot be made", &error))?;
    }
    let mut open = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(file)
        .map_err(|error| failed("it cannot be opened", &error))?;
    lock(&open).map_err(|error| failed("it cannot be locked", &error))?;

    let mut bytes = Vec::new();
    open.read_to_end(&mut bytes).map_err(|error| failed("it cannot be read", &error))?;
    let mut known = KnownHost::default();
    known.read(file, &String::from_utf8_lossy(&bytes), name);
    if known.keys.iter().any(|known| known.key.key_data() == key.key_data()) {
        return Ok(());
    }
    if !known.keys.is_empty() {
        return Err(changed_from(endpoint, &known.keys, key));
    }

    let key = key.to_openssh().map_err(|error| failed("the key cannot be written", &error))?;
    let separator = if bytes.last().is_none_or(|&byte| byte == b'\n') { "" } else { "\n" };
    let line = format!("{separator}{name} {}\n", key.trim_end());
    open.write_all(line.as_bytes()).map_err(|error| failed("it cannot be written", &error))
}

fn lock(file: &File) -> io::Result<()> {
    let deadline = Instant::now() + LOCK_LIMIT;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(10));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "another process holds it"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::super::known_hosts::listed_name;
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIVWLhrpKMdIcmNNADt6/wQQLhGTD53xBjedW8eCSsdH";
    const OTHER: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGurKsGm1iS4PMbfmj7toydlz1qF9TV+XGNupFxJtBzs";

    fn remember(file: &Path, host: &str, key: &PublicKey) -> Result<(), TransportError> {
        let endpoint = Endpoint { host: host.to_owned(), port: 2222 };
        super::remember(file, &endpoint, &listed_name(&endpoint), key)
    }

    fn key(text: &str) -> PublicKey {
        PublicKey::from_openssh(text).unwrap()
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn the_folder_is_private_and_a_line_is_written_once() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join(".ssh/known_hosts");
        remember(&file, "node", &key(KEY)).unwrap();
        remember(&file, "node", &key(KEY)).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), format!("[node]:2222 {KEY}\n"));
        assert_eq!(mode(&file), 0o600);
        assert_eq!(mode(file.parent().unwrap()), 0o700);
    }

    #[test]
    fn a_last_line_without_an_end_stays_a_line() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("known_hosts");
        fs::write(&file, format!("other {OTHER}")).unwrap();
        remember(&file, "node", &key(KEY)).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(text, format!("other {OTHER}\n[node]:2222 {KEY}\n"));
    }

    #[test]
    fn a_key_that_somebody_else_just_wrote_decides() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("known_hosts");
        remember(&file, "node", &key(KEY)).unwrap();
        let error = remember(&file, "node", &key(OTHER)).unwrap_err();
        assert!(matches!(error, TransportError::HostKeyChanged { .. }), "{error}");
    }

    #[test]
    fn many_writers_lose_no_line() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("known_hosts");
        thread::scope(|scope| {
            for number in 0..20 {
                let file = &file;
                scope.spawn(move || {
                    remember(file, &format!("node-{number}"), &key(KEY)).unwrap();
                });
            }
        });
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(text.lines().count(), 20, "{text}");
        assert!(text.lines().all(|line| line.ends_with(KEY)), "{text}");
    }
}
