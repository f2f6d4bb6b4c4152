//! Where models and VMs live, and which web service is talked to.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::models::Secret;
use crate::paths;

/// A VirtualBox web service and the account to use it with.
#[derive(Clone)]
pub struct Server {
    /// Address, such as `http://127.0.0.1:18083`.
    pub url: String,
    /// Account name; not looked at when the web service has authentication switched off.
    pub identity: String,
    /// Its password.
    pub credential: Secret,
}

impl Server {
    /// A web service with authentication switched off.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), identity: String::new(), credential: Secret::new("") }
    }

    /// Logs on with this account.
    #[must_use]
    pub fn with_login(mut self, identity: impl Into<String>, credential: Secret) -> Self {
        self.identity = identity.into();
        self.credential = credential;
        self
    }
}

impl Default for Server {
    /// The web service of this machine, on its usual port. The address is numeric because
    /// `localhost` may resolve to an IPv6 address, where the service does not listen.
    fn default() -> Self {
        Self::new("http://127.0.0.1:18083")
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("url", &self.url)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// Environment variable: the model path.
const MODEL_PATH: &str = "VMFEST_MODEL_PATH";
/// Environment variable: the node path.
const NODE_PATH: &str = "VMFEST_NODE_PATH";

/// The folders that a [`Manager`](crate::Manager) works in. VirtualBox must see them under the
/// same paths. A leading `~` is the home directory.
///
/// [`Location::new`] is for what a program was told; [`Location::default`] and
/// [`Location::or_environment`] let the environment variables `VMFEST_MODEL_PATH` and
/// `VMFEST_NODE_PATH` have a say. So arguments count more than the environment, and that more than
/// a configuration:
///
/// ```
/// # use vmfest::Location;
/// # let (argument, configured) = (Some("/srv/models"), "~/cloud");
/// let mut location = Location::new(format!("{configured}/models"), format!("{configured}/nodes"))
///     .or_environment();
/// if let Some(path) = argument {
///     location.model_path = path.into();
/// }
/// # assert_eq!(location.model_path, std::path::Path::new("/srv/models"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Folder with files of models, see [`models`](crate::models).
    pub model_path: PathBuf,
    /// Folder in which each instance gets a folder of its own.
    pub node_path: PathBuf,
}

impl Location {
    /// Other folders than the default ones.
    #[must_use]
    pub fn new(model_path: impl Into<PathBuf>, node_path: impl Into<PathBuf>) -> Self {
        Self { model_path: model_path.into(), node_path: node_path.into() }
    }

    /// The folders of whoever says nothing.
    pub(crate) fn home() -> Self {
        let home = Path::new("~/.vmfest");
        Self::new(home.join("models"), home.join("nodes"))
    }

    /// These folders, unless the environment variables `VMFEST_MODEL_PATH` and `VMFEST_NODE_PATH`
    /// name others.
    #[must_use]
    pub fn or_environment(self) -> Self {
        self.or_found_by(|name| std::env::var_os(name))
    }

    fn or_found_by(self, find: impl Fn(&str) -> Option<OsString>) -> Self {
        let or = |name, path| match find(name).filter(|value| !value.is_empty()) {
            Some(found) => PathBuf::from(found),
            None => path,
        };
        Self {
            model_path: or(MODEL_PATH, self.model_path),
            node_path: or(NODE_PATH, self.node_path),
        }
    }

    pub(crate) fn absolute(self) -> Result<Self, Error> {
        let absolute = |path: PathBuf| {
            paths::absolute(&path).map_err(|e| Error::io("resolve the path", &path, e))
        };
        Ok(Self { model_path: absolute(self.model_path)?, node_path: absolute(self.node_path)? })
    }

    /// The folder of an instance.
    pub(crate) fn instance_folder(&self, name: &str) -> PathBuf {
        self.node_path.join(name)
    }

    /// The folder of the machines that hold image models. No instance can have this name.
    pub(crate) fn holders(&self) -> PathBuf {
        self.node_path.join(".holders")
    }

    /// The folder in which clients note what they hold. No instance can have this name.
    pub(crate) fn clients(&self) -> PathBuf {
        self.node_path.join(".clients")
    }

    /// The folder in which names are claimed by those who make, rename or destroy machines. No
    /// instance can have this name.
    pub(crate) fn unfinished(&self) -> PathBuf {
        self.node_path.join(".unfinished")
    }

    /// The folder in which the ports of forwards are claimed. No instance can have this name.
    pub(crate) fn ports(&self) -> PathBuf {
        self.node_path.join(".ports")
    }
}

impl Default for Location {
    /// `~/.vmfest/models` and `~/.vmfest/nodes`, or what the environment says.
    fn default() -> Self {
        Self::home().or_environment()
    }
}

/// Whether an instance can be called so. The name becomes a folder and a host name.
pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    let problem = if name.is_empty() || name.len() > 200 {
        "it must have 1 to 200 characters"
    } else if !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')) {
        "it may hold letters a to z, digits, '-', '_' and '.'"
    } else if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || name.ends_with('.') {
        "it must begin with a letter or digit and not end in '.'"
    } else {
        return Ok(());
    };
    Err(Error::InvalidName { name: name.to_owned(), problem })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside_the_node_path() {
        for good in ["web-1", "a", "Web_2.example", "7"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "a\\b",
            ".holders",
            "-f",
            "a b",
            "ü",
            "a\n",
            "a.",
            &"x".repeat(201),
        ] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_environment_counts_more_than_the_default() {
        let find = |name: &str| match name {
            "VMFEST_MODEL_PATH" => Some("~/models".into()),
            "VMFEST_NODE_PATH" => Some("".into()),
            _ => None,
        };
        let location = Location::home().or_found_by(find);
        assert_eq!(location, Location::new("~/models", "~/.vmfest/nodes"));
        let home = std::env::home_dir().expect("tests have a home");
        let absolute = location.absolute().expect("resolves");
        assert_eq!(
            absolute,
            Location::new(home.join("models"), home.join(".vmfest").join("nodes"))
        );
        assert_eq!(Location::home().or_found_by(|_| None), Location::home());
    }

    #[test]
    fn the_password_is_not_shown() {
        let server = Server::default().with_login("me", Secret::new("hunter2"));
        assert!(!format!("{server:?}").contains("hunter2"));
    }
}
