//! The documented part of OpenSSH's `~/.ssh/config`.
//!
//! | key | what is made of it |
//! | --- | --- |
//! | `Host`, `Match all/host/originalhost/user`, `Include` | as OpenSSH does |
//! | `HostName`, `Port`, `User` | the port where the description says 22 or nothing, the user where it names none |
//! | `IdentityFile`, `CertificateFile`, `IdentitiesOnly`, `IdentityAgent` | where the login names neither key nor password |
//! | `ProxyJump` | unless the settings name jump hosts themselves |
//! | `UserKnownHostsFile`, `GlobalKnownHostsFile`, `HostKeyAlias` | as OpenSSH does |
//! | `StrictHostKeyChecking` | `yes` refuses first contacts; what would lower the check is told and not followed |
//!
//! Keys that say how to reach a host in ways that are not supported (`ProxyCommand`, …) are errors
//! for the hosts that they are about. Others that change a connection are told once, as warnings,
//! and keys without a meaning for programs that only run commands are passed over.

mod file;
mod keys;
mod settle;

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use self::file::{Block, Condition, Item, Place};
use self::keys::{Key, Refused};
pub(super) use self::settle::{HostSettings, IdentityAgent};
use super::{TransportError, pattern};

/// OpenSSH's configuration of hosts. Clones share what was read; the file is read when a first
/// host is looked up.
#[derive(Clone, Default)]
pub struct SshConfig(Option<Arc<Source>>);

struct Source {
    file: PathBuf,
    read: OnceLock<Result<Vec<Block>, TransportError>>,
    /// Warnings that were given.
    told: Mutex<HashSet<String>>,
}

impl SshConfig {
    /// No configuration.
    pub fn none() -> Self {
        Self::default()
    }

    /// The configuration in `file`; a file that does not exist says nothing.
    pub fn file(file: impl Into<PathBuf>) -> Self {
        Self(Some(Arc::new(Source {
            file: file.into(),
            read: OnceLock::new(),
            told: Mutex::default(),
        })))
    }

    /// What is said about the host called `name`, for a login of `user`.
    pub(super) fn look_up(&self, name: &str, user: &str) -> Result<HostSettings, TransportError> {
        let mut gathered = Gathered::default();
        let Some(source) = &self.0 else { return Ok(HostSettings::default()) };
        let blocks = source.read.get_or_init(|| file::read(&source.file)).as_ref();
        let blocks = blocks.map_err(Clone::clone)?;
        source.gather(blocks, name, user, &mut gathered)?;
        settle::settle(gathered.values, name, user)
    }
}

impl fmt::Debug for SshConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SshConfig").field(&self.0.as_ref().map(|source| &source.file)).finish()
    }
}

/// What applies to one host, in the order of the file.
#[derive(Default)]
struct Gathered {
    values: Vec<Value>,
    ignored: Vec<String>,
}

/// A supported key with its words.
#[derive(Debug, Clone)]
struct Value {
    key: Key,
    words: Vec<String>,
    place: Place,
}

impl Source {
    fn gather(
        &self,
        blocks: &[Block],
        name: &str,
        user: &str,
        gathered: &mut Gathered,
    ) -> Result<(), TransportError> {
        for block in blocks {
            if !self.applies(&block.condition, name, user, gathered) {
                continue;
            }
            for item in &block.items {
                match item {
                    Item::Include(blocks) => self.gather(blocks, name, user, gathered)?,
                    Item::Set { key, words, place } => self.set(key, words, place, gathered)?,
                }
            }
        }
        Ok(())
    }

    fn applies(&self, on: &Condition, name: &str, user: &str, so_far: &Gathered) -> bool {
        match on {
            Condition::Always => true,
            Condition::Host(patterns) => {
                pattern::any_matches(patterns.iter().map(String::as_str), name)
            }
            Condition::Match(criteria) => criteria.iter().all(|criterion| {
                let found = |key| so_far.values.iter().find(|value| value.key == key);
                let word = |key, otherwise| {
                    found(key)
                        .and_then(|value: &Value| value.words.first())
                        .map_or(otherwise, String::as_str)
                };
                let subject = match criterion.of {
                    file::Subject::OriginalHost => name,
                    file::Subject::Host => word(Key::HostName, name),
                    file::Subject::User => word(Key::User, user),
                };
                let patterns = criterion.patterns.split(',').map(str::trim);
                pattern::any_matches(patterns, subject) != criterion.negated
            }),
            Condition::Unsupported { what, place } => {
                self.tell(place, &format!("the block after {what} is not read"));
                false
            }
        }
    }

    fn set(
        &self,
        key: &str,
        words: &[String],
        place: &Place,
        gathered: &mut Gathered,
    ) -> Result<(), TransportError> {
        let lower = key.to_ascii_lowercase();
        if lower == "ignoreunknown" {
            gathered.ignored.extend(words.iter().flat_map(|it| it.split(',')).map(str::to_owned));
            return Ok(());
        }
        match keys::find(&lower, words) {
            Ok(Key::StrictHostKeyChecking) => match words.first().map(String::as_str) {
                Some("ask") => {}
                Some("yes" | "true") => {
                    let (words, place) = (words.to_vec(), place.clone());
                    gathered.values.push(Value { key: Key::StrictHostKeyChecking, words, place });
                }
                _ => self
                    .tell(place, &format!("{key} is not followed: host keys are always checked")),
            },
            Ok(key) => {
                gathered.values.push(Value { key, words: words.to_vec(), place: place.clone() });
            }
            Err(Refused::NoMatter) => {}
            Err(Refused::NotFollowed) => self.tell(place, &format!("{key} is not followed")),
            Err(Refused::Unknown) => {
                let ignored = gathered.ignored.iter().map(String::as_str);
                if !pattern::any_matches(ignored, &lower) {
                    self.tell(place, &format!("{key} is not known and not followed"));
                }
            }
            Err(Refused::CannotReach(help)) => {
                return Err(place.error(format!("{key} is not supported: {help}")));
            }
        }
        Ok(())
    }

    fn tell(&self, place: &Place, what: &str) {
        let text = format!("{place}: {what}");
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.insert(text.clone()) {
            tracing::warn!("{text}");
        }
    }
}

impl Place {
    fn error(&self, reason: String) -> TransportError {
        TransportError::Configuration { place: self.to_string(), reason }
    }
}

/// For messages about a whole file.
fn whole(file: &Path, reason: String) -> TransportError {
    TransportError::Configuration { place: file.display().to_string(), reason }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use tempfile::TempDir;

    use super::*;

    fn config(text: &str) -> (TempDir, SshConfig) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config");
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        (folder, SshConfig::file(file))
    }

    fn look_up(text: &str, host: &str) -> HostSettings {
        config(text).1.look_up(host, "me").unwrap()
    }

    fn refusal(text: &str, host: &str) -> String {
        config(text).1.look_up(host, "me").unwrap_err().to_string()
    }

    #[test]
    fn the_first_value_wins_and_identities_add_up() {
        let text = "\
            Host web-* !web-9\n  HostName %h.example.net\n  Port=2222\n  IdentityFile /keys/web\n\
            Host *\n  Port 22\n  User \"ops\" # the team\n  IdentityFile /keys/%r-%h\n  IdentitiesOnly yes\n";
        let web = look_up(text, "web-1");
        assert_eq!(web.host_name.as_deref(), Some("web-1.example.net"));
        assert_eq!((web.port, web.user.as_deref()), (Some(2222), Some("ops")));
        let files = ["/keys/web", "/keys/ops-web-1.example.net"].map(PathBuf::from);
        assert_eq!(web.identity_files, files);
        assert!(web.identities_only);
        let other = look_up(text, "web-9");
        assert_eq!((other.host_name, other.port), (None, Some(22)));
    }

    #[test]
    fn matches_that_are_understood() {
        let text = "\
            Match originalhost a\n  HostName 10.0.0.1\nMatch host 10.0.0.* user me\n  Port 7\n\
            Match !host 10.0.0.*\n  Port 8\nMatch all\n  User u\nMatch exec \"true\"\n  Port 9\n";
        let a = look_up(text, "a");
        assert_eq!((a.port, a.user.as_deref()), (Some(7), Some("u")));
        assert_eq!(look_up(text, "b").port, Some(8));
    }

    #[test]
    fn includes_are_read_where_they_stand() {
        let (folder, config) = config("Host a\n  Include parts/*.conf missing\nHost *\n  Port 1\n");
        fs::create_dir(folder.path().join("parts")).unwrap();
        fs::write(folder.path().join("parts/1.conf"), "Port 2\nHost b\n Port 3\n").unwrap();
        fs::write(folder.path().join("parts/2.txt"), "Port 4\n").unwrap();
        assert_eq!(config.look_up("a", "me").unwrap().port, Some(2));
        // The included block about `b` counts only where the include itself does.
        assert_eq!(config.look_up("b", "me").unwrap().port, Some(1));
    }

    #[test]
    fn what_cannot_be_followed_is_an_error_only_for_its_hosts() {
        let text = "Host old\n  ProxyCommand nc %h %p\nHost *\n  ProxyCommand none\n";
        let error = refusal(text, "old");
        assert!(error.contains("config:2") && error.contains("ProxyCommand"), "{error}");
        look_up(text, "new");
        assert!(refusal("Port many\n", "h").contains("config:1"));
        assert!(refusal("IdentityFile %C\n", "h").contains("%C"));
        assert!(refusal("IdentitiesOnly perhaps\n", "h").contains("yes or no"));
        assert!(refusal("Host \"a\n", "h").contains("quote"));
    }

    #[test]
    fn warnings_are_given_once() {
        let (_folder, config) = config("Ciphers aes128-ctr\nCompression yes\nFrobnicate 1\n");
        config.look_up("h", "me").unwrap();
        config.look_up("i", "me").unwrap();
        let told = config.0.as_ref().unwrap().told.lock().unwrap().clone();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told.iter().any(|it| it.contains("config:1: Ciphers")), "{told:?}");
    }

    #[test]
    fn strictness_moves_only_up() {
        assert!(look_up("StrictHostKeyChecking yes\n", "h").strict);
        for lower in ["no", "off", "accept-new", "ask"] {
            assert!(!look_up(&format!("StrictHostKeyChecking {lower}\n"), "h").strict);
        }
    }

    #[test]
    fn a_missing_file_says_nothing_and_an_open_one_is_refused() {
        SshConfig::file("/no/such/config").look_up("h", "me").unwrap();
        let (folder, config) = config("Port 1\n");
        let file = folder.path().join("config");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
        let error = config.look_up("h", "me").unwrap_err().to_string();
        assert!(error.contains("chmod"), "{error}");
    }
}
