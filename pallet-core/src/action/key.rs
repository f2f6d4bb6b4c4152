//! Keys: the parts of a node that actions read and write.

use std::fmt;

/// A part of a node. Two actions may depend on each other only where their keys overlap.
///
/// Paths are compared as they are written; a path that reaches a file through a symbolic link is
/// another key than the file's own.
///
/// ```
/// use pallet_core::action::Key;
/// assert!(Key::tree("/etc").overlaps(&Key::path("/etc/motd")));
/// assert!(!Key::path("/etc").overlaps(&Key::path("/etc/motd")));
/// assert!(Key::Everything.overlaps(&Key::user("www-data")));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// One file, directory or link, without what is below it.
    Path(String),
    /// A directory and everything below it.
    Tree(String),
    /// A user account.
    User(String),
    /// A group.
    Group(String),
    /// An installed package; the name without version or architecture.
    Package(String),
    /// A service unit.
    Unit(String),
    /// The whole node: what a package or a script may change.
    Everything,
}

impl Key {
    /// One file, directory or link.
    pub fn path(path: impl AsRef<str>) -> Self {
        Self::Path(normal(path.as_ref()))
    }

    /// A directory and everything below it.
    pub fn tree(path: impl AsRef<str>) -> Self {
        Self::Tree(normal(path.as_ref()))
    }

    /// A user account.
    pub fn user(name: impl Into<String>) -> Self {
        Self::User(name.into())
    }

    /// A group.
    pub fn group(name: impl Into<String>) -> Self {
        Self::Group(name.into())
    }

    /// An installed package.
    pub fn package(name: impl Into<String>) -> Self {
        Self::Package(name.into())
    }

    /// A service unit.
    pub fn unit(name: impl Into<String>) -> Self {
        Self::Unit(name.into())
    }

    /// Whether a write to one of the two can be seen through the other.
    pub fn overlaps(&self, other: &Self) -> bool {
        use Key::{Everything, Path, Tree};
        match (self, other) {
            (Everything, _) | (_, Everything) => true,
            (Tree(tree), Path(path)) | (Path(path), Tree(tree)) => contains(tree, path),
            (Tree(one), Tree(two)) => contains(one, two) || contains(two, one),
            (one, two) => one == two,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{path}"),
            Self::Tree(path) => write!(f, "{path}/**"),
            Self::User(name) => write!(f, "user {name}"),
            Self::Group(name) => write!(f, "group {name}"),
            Self::Package(name) => write!(f, "package {name}"),
            Self::Unit(name) => write!(f, "unit {name}"),
            Self::Everything => write!(f, "everything"),
        }
    }
}

/// Drops `.` components, repeated and trailing slashes, so that equal paths are equal keys.
/// `..` stays: where it leads depends on links that only the node knows.
fn normal(path: &str) -> String {
    let mut clean = String::with_capacity(path.len());
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        clean.push('/');
        clean.push_str(part);
    }
    if clean.is_empty() { "/".to_owned() } else { clean }
}

fn contains(tree: &str, path: &str) -> bool {
    // A `..` could lead out of, or into, any tree.
    if tree.contains("/..") || path.contains("/..") {
        return true;
    }
    tree == "/" || path == tree || path.strip_prefix(tree).is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlap_table() {
        let cases = [
            (Key::path("/a"), Key::path("/a"), true),
            (Key::path("/a/"), Key::path("//a/."), true),
            (Key::path("/a"), Key::path("/ab"), false),
            (Key::tree("/a"), Key::path("/a"), true),
            (Key::tree("/a"), Key::path("/a/b/c"), true),
            (Key::tree("/a"), Key::path("/ab"), false),
            (Key::tree("/"), Key::path("/x"), true),
            (Key::tree("/a/b"), Key::tree("/a"), true),
            (Key::tree("/a/b"), Key::tree("/a/c"), false),
            (Key::tree("/a"), Key::path("/b/../a/x"), true),
            (Key::user("a"), Key::user("a"), true),
            (Key::user("a"), Key::group("a"), false),
            (Key::package("a"), Key::unit("a"), false),
            (Key::Everything, Key::Everything, true),
        ];
        for (one, two, expected) in cases {
            assert_eq!(one.overlaps(&two), expected, "{one} and {two}");
            assert_eq!(two.overlaps(&one), expected, "{two} and {one}");
        }
    }
}
