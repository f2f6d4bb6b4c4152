//! Local paths as the author of a document means them.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, de};

thread_local! {
    /// The folder of the document that is being read.
    static FOLDER: RefCell<PathBuf> = RefCell::default();
}

/// Reads with `read`; relative paths that it meets start at `folder`. Deserialising has no way of
/// its own to hand this down.
pub(crate) fn in_folder<T>(folder: &Path, read: impl FnOnce() -> T) -> T {
    struct Back(PathBuf);
    impl Drop for Back {
        fn drop(&mut self) {
            FOLDER.set(std::mem::take(&mut self.0));
        }
    }
    let _back = Back(FOLDER.replace(folder.to_owned()));
    read()
}

/// The folder of the document that is being read; empty for the current one.
pub(crate) fn folder() -> PathBuf {
    FOLDER.with_borrow(PathBuf::clone)
}

/// `path` as the author of the document that is being read means it.
pub(crate) fn here(path: &str) -> Result<PathBuf, String> {
    FOLDER.with_borrow(|folder| resolve(folder, path))
}

/// `path` as the author of a document in `base` means it: `~` is the home folder, and relative
/// paths start at `base`.
///
/// # Errors
/// In words: the home folder of somebody else, or no home folder at all.
pub fn resolve(base: &Path, path: &str) -> Result<PathBuf, String> {
    let Some(below_home) = path.strip_prefix('~') else {
        return Ok(base.join(path));
    };
    let Some(below_home) = below_home.strip_prefix('/').or(below_home.is_empty().then_some(""))
    else {
        return Err(format!("`{path}`: only `~/`, the own home folder, is understood"));
    };
    match std::env::home_dir() {
        Some(home) => Ok(home.join(below_home)),
        None => Err(format!("`{path}`: the own home folder is not known; set HOME")),
    }
}

/// A path in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LocalPath(pub(crate) PathBuf);

impl<'de> Deserialize<'de> for LocalPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let path = String::deserialize(deserializer)?;
        here(&path).map(Self).map_err(de::Error::custom)
    }
}

/// For serde's `deserialize_with`: an optional path.
pub(crate) fn optional<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<PathBuf>, D::Error> {
    Ok(Option::<LocalPath>::deserialize(deserializer)?.map(|path| path.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_start_at_the_document_or_at_home() {
        let base = Path::new("project");
        let home = std::env::home_dir().expect("tests run with a home folder");
        assert_eq!(resolve(base, "keys/id"), Ok(PathBuf::from("project/keys/id")));
        assert_eq!(resolve(base, "/etc/id"), Ok(PathBuf::from("/etc/id")));
        assert_eq!(resolve(base, "~/.ssh/id"), Ok(home.join(".ssh/id")));
        assert_eq!(resolve(base, "~"), Ok(home.join("")));
        assert!(resolve(base, "~root/id").is_err());
    }

    #[test]
    fn the_folder_is_that_of_the_innermost_document() {
        in_folder(Path::new("a"), || {
            in_folder(Path::new("b"), || assert_eq!(here("x"), Ok(PathBuf::from("b/x"))));
            assert_eq!(here("x"), Ok(PathBuf::from("a/x")));
        });
        assert_eq!(here("x"), Ok(PathBuf::from("x")));
    }
}
