//! Paths as people write them.

use std::path::{Path, PathBuf};

/// The path with a leading `~` replaced by the home directory; nothing for paths without one.
pub(crate) fn expand_home(path: &Path) -> Option<PathBuf> {
    let rest = path.strip_prefix("~").ok()?;
    // Without a home directory the path is taken literally and the missing file is reported.
    Some(std::env::home_dir()?.join(rest))
}

/// The path absolute, with `~` expanded.
pub(crate) fn absolute(path: &Path) -> std::io::Result<PathBuf> {
    match expand_home(path) {
        Some(path) => Ok(path),
        None => std::path::absolute(path),
    }
}

/// Whether this is a UUID, by which VirtualBox knows its media, and not a path.
pub(crate) fn is_uuid(path: &Path) -> bool {
    let Some(text) = path.to_str() else { return false };
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.iter().all(|group| group.chars().all(|c| c.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn home_is_expanded_only_as_a_whole_component() {
        let home = std::env::home_dir().expect("tests have a home");
        assert_eq!(expand_home(Path::new("~/a/b")), Some(home.join("a/b")));
        assert_eq!(expand_home(Path::new("~")), Some(home.join("")));
        assert_eq!(expand_home(Path::new("~joe/a")), None);
        assert_eq!(expand_home(Path::new("/a/~")), None);
    }

    #[test]
    fn uuids() {
        assert!(is_uuid(Path::new("1c9a8d3e-0000-4000-8000-5F7F3A6F3F3F")));
        for path in
            ["", "debian.vdi", "1c9a8d3e-0000-4000-8000", "./1c9a8d3e-0000-4000-8000-5f7f3a6f3f3f"]
        {
            assert!(!is_uuid(Path::new(path)), "{path}");
        }
    }
}
