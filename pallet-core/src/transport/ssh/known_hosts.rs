//! OpenSSH's known_hosts files.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use ring::hmac;
use russh::keys::PublicKey;
use russh::keys::ssh_key::known_hosts::HostPatterns;

use super::{Endpoint, TransportError, pattern};

/// What known_hosts files say about one host.
#[derive(Debug, Default)]
pub(super) struct KnownHost {
    /// Its keys.
    pub(super) keys: Vec<KnownKey>,
    /// Keys of authorities whose certificates are accepted for it.
    pub(super) authorities: Vec<KnownKey>,
    /// Keys that must not be accepted for it.
    pub(super) revoked: Vec<KnownKey>,
    /// Lines about it that were not used, and why.
    pub(super) skipped: Vec<String>,
}

/// A key and where it stands.
#[derive(Debug)]
pub(super) struct KnownKey {
    pub(super) key: PublicKey,
    file: PathBuf,
    line: usize,
}

impl KnownKey {
    /// `file:line`.
    pub(super) fn place(&self) -> String {
        format!("{}:{}", self.file.display(), self.line)
    }
}

/// Reads what `files` say about the host listed as `name`. A missing file says nothing.
pub(super) fn look_up(files: &[PathBuf], name: &str) -> Result<KnownHost, TransportError> {
    let mut host = KnownHost::default();
    for file in files {
        match fs::read(file) {
            Ok(bytes) => host.read(file, &String::from_utf8_lossy(&bytes), name),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                return Err(TransportError::KeyFile {
                    path: file.display().to_string(),
                    reason: format!("cannot be read: {error}"),
                });
            }
        }
    }
    Ok(host)
}

/// The name under which known_hosts files list an endpoint.
pub(super) fn listed_name(endpoint: &Endpoint) -> String {
    let host = endpoint.host.to_ascii_lowercase();
    if endpoint.port == 22 { host } else { format!("[{host}]:{}", endpoint.port) }
}

impl KnownHost {
    /// Adds what one file's text says about the host listed as `name`.
    pub(super) fn read(&mut self, file: &Path, text: &str, name: &str) {
        for (index, line) in text.lines().enumerate() {
            let mut fields = line.split_ascii_whitespace().peekable();
            let marker = fields.next_if(|field| field.starts_with('@'));
            let Some(hosts) = fields.next().filter(|hosts| !hosts.starts_with('#')) else {
                continue;
            };
            if !matches(hosts, name) {
                continue;
            }
            let line = index + 1;
            let mut skip =
                |why: &str| self.skipped.push(format!("{}:{line} ({why})", file.display()));
            let (Some(algorithm), Some(base64)) = (fields.next(), fields.next()) else {
                skip("not used: no key in this line");
                continue;
            };
            let key = match PublicKey::from_openssh(&format!("{algorithm} {base64}")) {
                Ok(key) => KnownKey { key, file: file.to_owned(), line },
                Err(error) => {
                    skip(&format!("not used: the key cannot be read: {error}"));
                    continue;
                }
            };
            match marker {
                None => self.keys.push(key),
                Some("@revoked") => self.revoked.push(key),
                Some("@cert-authority") => self.authorities.push(key),
                Some(other) => skip(&format!("not used: unknown marker {other}")),
            }
        }
    }
}

/// Whether a line's host field means the host listed as `name`.
fn matches(hosts: &str, name: &str) -> bool {
    let mut found = false;
    for entry in hosts.split(',') {
        if entry.starts_with("|1|") {
            found |= is_hash_of(entry, name);
        } else if let Some(excluded) = entry.strip_prefix('!') {
            if pattern::matches(excluded, name) {
                return false;
            }
        } else {
            found |= pattern::matches(entry, name);
        }
    }
    found
}

/// `|1|salt|hash`, where the hash is the name's HMAC-SHA1 with the salt as key.
fn is_hash_of(entry: &str, name: &str) -> bool {
    let Ok(HostPatterns::HashedName { salt, hash }) = entry.parse() else { return false };
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &salt);
    hmac::verify(&key, name.as_bytes(), &hash).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIVWLhrpKMdIcmNNADt6/wQQLhGTD53xBjedW8eCSsdH";
    const RSA: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDOZ6hCdDRo1Z/6tTDKW8PeWzZm63fzVdWjNOWXITFniu7VSj3lW24I969LDUZQGVWodHREg4R7xjHg3JKBjvXb1pYe538FOUk+jXwZBK/GgSoDv6UZxQwzODBAil3HEa8QgCJMAnU100/9ZsMVsaLDqrKE/hLghuwLas3/kCbru7jpR5Jt//2Q83jTVLtyCKq0MCaOatI/h7/gqSx00YygzlI1gnBNMOO0bZCBsd8ubLpXCkT1QnIJxPxJxKjNyaUWWnuggTW4qCV/3dn9mT7vLLLVkltSUL/YfipF1pkyZ/E0JU/cyvSIVp6OpmhZIYz4hKWkZh5QvEjz1MiMpvRl";

    fn endpoint(host: &str, port: u16) -> Endpoint {
        Endpoint { host: host.to_owned(), port }
    }

    fn read(text: &str, host: &str, port: u16) -> KnownHost {
        let mut known = KnownHost::default();
        known.read(Path::new("kh"), text, &listed_name(&endpoint(host, port)));
        known
    }

    #[test]
    fn host_fields() {
        // (host field, host, port, whether it is meant)
        let table = [
            ("web.example.net", "web.example.net", 22, true),
            ("web.example.net", "WEB.Example.net", 22, true),
            ("Web.Example.Net", "web.example.net", 22, true),
            ("web.example.net", "web.example.net", 2222, false),
            ("[web.example.net]:2222", "web.example.net", 2222, true),
            ("[web.example.net]:2222", "web.example.net", 22, false),
            ("a,b,10.0.0.1", "10.0.0.1", 22, true),
            ("a,b,10.0.0.1", "10.0.0.11", 22, false),
            ("*.example.net", "web.example.net", 22, true),
            ("*.example.net", "example.net", 22, false),
            ("*.example.net", "web.example.network", 22, false),
            ("10.0.0.?", "10.0.0.7", 22, true),
            ("10.0.0.?", "10.0.0.77", 22, false),
            ("*", "anything", 2222, true),
            ("*.example.net,!db.example.net", "db.example.net", 22, false),
            ("!db.example.net,*.example.net", "db.example.net", 22, false),
            ("!db.example.net,*.example.net", "web.example.net", 22, true),
            ("!db.example.net", "web.example.net", 22, false),
            ("[::1]:2222", "::1", 2222, true),
            ("::1", "::1", 22, true),
            ("[10.0.0.*]:2222", "10.0.0.9", 2222, true),
            // As `ssh-keygen -H` wrote them.
            (
                "|1|GwubAkI/Mi1ltwyG2pJps7vFUIA=|MG375kxu+FFwUbEFRF3aoDuI3p0=",
                "web.example.net",
                22,
                true,
            ),
            (
                "|1|GwubAkI/Mi1ltwyG2pJps7vFUIA=|MG375kxu+FFwUbEFRF3aoDuI3p0=",
                "Web.example.net",
                22,
                true,
            ),
            (
                "|1|GwubAkI/Mi1ltwyG2pJps7vFUIA=|MG375kxu+FFwUbEFRF3aoDuI3p0=",
                "web.example.net",
                2222,
                false,
            ),
            (
                "|1|GwubAkI/Mi1ltwyG2pJps7vFUIA=|MG375kxu+FFwUbEFRF3aoDuI3p0=",
                "db.example.net",
                22,
                false,
            ),
            (
                "|1|37v0c4DmN+lCmt8+rKv5rGt1MXc=|/WxBn/GdTe25uDimyBPys1K2Egg=",
                "web.example.net",
                2222,
                true,
            ),
            (
                "|1|37v0c4DmN+lCmt8+rKv5rGt1MXc=|/WxBn/GdTe25uDimyBPys1K2Egg=",
                "web.example.net",
                22,
                false,
            ),
            ("|1|not base64|x", "web.example.net", 22, false),
        ];
        for (field, host, port, meant) in table {
            let known = read(&format!("{field} {KEY}\n"), host, port);
            assert_eq!(known.keys.len(), usize::from(meant), "{field} for {host} port {port}");
        }
    }

    #[test]
    fn lines() {
        // (line, keys, authorities, revoked, skipped)
        let table = [
            (format!("h {KEY}"), 1, 0, 0, 0),
            (format!("h {KEY} with a comment"), 1, 0, 0, 0),
            (format!("  h\t{KEY}  "), 1, 0, 0, 0),
            (format!("# h {KEY}"), 0, 0, 0, 0),
            (format!("#h {KEY}"), 0, 0, 0, 0),
            (String::new(), 0, 0, 0, 0),
            (format!("@revoked h {KEY}"), 0, 0, 1, 0),
            (format!("@cert-authority h {KEY}"), 0, 1, 0, 0),
            (format!("@new-marker h {KEY}"), 0, 0, 0, 1),
            (format!("@cert-authority other {KEY}"), 0, 0, 0, 0),
            ("h ssh-ed25519".to_owned(), 0, 0, 0, 1),
            ("h ssh-ed25519 AAAA".to_owned(), 0, 0, 0, 1),
            ("h 1024 35 1234567".to_owned(), 0, 0, 0, 1),
            ("h".to_owned(), 0, 0, 0, 1),
        ];
        for (line, keys, authorities, revoked, skipped) in table {
            let known = read(&line, "h", 22);
            let others = (known.authorities.len(), known.revoked.len(), known.skipped.len());
            assert_eq!(known.keys.len(), keys, "{line}");
            assert_eq!(others, (authorities, revoked, skipped), "{line}");
        }
    }

    #[test]
    fn all_keys_of_a_host_are_found_with_their_places() {
        let text = format!("h {KEY}\nx {KEY}\r\n\nh,i {RSA}\r\n");
        let places: Vec<_> = read(&text, "h", 22).keys.iter().map(KnownKey::place).collect();
        assert_eq!(places, ["kh:1", "kh:4"]);
    }

    #[test]
    fn several_files_count_and_a_missing_one_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let files = ["one", "missing", "two"].map(|name| folder.path().join(name));
        fs::write(&files[0], format!("h {KEY}\n")).unwrap();
        fs::write(&files[2], format!("\u{fffd}\nh {RSA}\n")).unwrap();
        assert_eq!(look_up(&files, "h").unwrap().keys.len(), 2);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let error = look_up(&[folder.path().to_owned()], "h").unwrap_err();
        assert!(matches!(error, TransportError::KeyFile { .. }), "{error}");
    }
}
