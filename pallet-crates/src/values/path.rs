//! Paths on a node.

use std::fmt;
use std::str::FromStr;

use pallet_core::action::Key;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An absolute path on a node, without `.` and `..`, repeated and trailing slashes.
///
/// ```
/// use pallet_crates::values::RemotePath;
/// let path: RemotePath = "/opt//my app/".parse()?;
/// assert_eq!(path.as_str(), "/opt/my app");
/// assert_eq!(path.parent().map(|parent| parent.to_string()), Some("/opt".to_owned()));
/// assert!("opt".parse::<RemotePath>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
pub struct RemotePath(String);

impl RemotePath {
    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The directory it is in; `/` is in none.
    pub fn parent(&self) -> Option<Self> {
        match self.0.rsplit_once('/') {
            Some((_, "")) | None => None,
            Some(("", _)) => Some(Self("/".to_owned())),
            Some((parent, _)) => Some(Self(parent.to_owned())),
        }
    }

    /// The directories on the way to it, from the top, `/` and itself left out.
    pub fn ancestors(&self) -> Vec<Self> {
        let slashes = self.0.match_indices('/').filter(|(at, _)| *at > 0);
        slashes.filter_map(|(at, _)| self.0.get(..at)).map(|path| Self(path.to_owned())).collect()
    }

    /// The key of this file, directory or link.
    pub fn key(&self) -> Key {
        Key::path(&self.0)
    }

    /// The key of this directory and everything below it.
    pub fn tree(&self) -> Key {
        Key::tree(&self.0)
    }
}

impl FromStr for RemotePath {
    type Err = String;

    fn from_str(path: &str) -> Result<Self, String> {
        let shown = path.escape_debug();
        if !path.starts_with('/') {
            return Err(format!(
                "`{shown}` is not an absolute path on the node: begin it with `/`"
            ));
        }
        if path.contains('\0') {
            return Err(format!("`{shown}` contains a NUL byte, which no path can"));
        }
        let mut clean = String::with_capacity(path.len());
        for part in path.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    return Err(format!(
                        "`{shown}` contains `..`, which leads somewhere else where links are \
                         involved: write the path that is meant"
                    ));
                }
                part => {
                    clean.push('/');
                    clean.push_str(part);
                }
            }
        }
        Ok(Self(if clean.is_empty() { "/".to_owned() } else { clean }))
    }
}

impl TryFrom<String> for RemotePath {
    type Error = String;

    fn try_from(path: String) -> Result<Self, String> {
        path.parse()
    }
}

impl From<RemotePath> for String {
    fn from(path: RemotePath) -> String {
        path.0
    }
}

impl fmt::Display for RemotePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RemotePath {
        text.parse().unwrap()
    }

    #[test]
    fn paths_are_cleaned_or_refused() {
        assert_eq!(path("/").as_str(), "/");
        assert_eq!(path("//a/./b//").as_str(), "/a/b");
        assert_eq!(path("/-x\n'").as_str(), "/-x\n'");
        for bad in ["", "a", "./a", "~/a", "/a/../b", "/a\0b"] {
            assert!(bad.parse::<RemotePath>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn parents_and_ancestors() {
        assert_eq!(path("/").parent(), None);
        assert_eq!(path("/a").parent(), Some(path("/")));
        assert_eq!(path("/a/b").parent(), Some(path("/a")));
        assert_eq!(path("/a/é b/c").ancestors(), [path("/a"), path("/a/é b")]);
        assert!(path("/a").ancestors().is_empty());
        assert!(path("/").ancestors().is_empty());
    }
}
