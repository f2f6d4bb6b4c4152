//! What in a directory has another owner, group or mode than it shall have.

use pallet_core::action::{Key, ProbeKind};
use pallet_core::shell;

use crate::values::{AccountName, FileMode, RemotePath};

/// Asks how many entries in and below a directory have not the attributes they shall have. Links
/// are not followed, and other file systems not entered.
#[derive(Debug)]
pub struct Strays;

/// What everything below a directory shall have; `None` does not matter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TreeAttributes {
    /// The directory.
    pub path: RemotePath,
    /// The owner of everything.
    pub owner: Option<AccountName>,
    /// The group of everything.
    pub group: Option<AccountName>,
    /// The mode of directories.
    pub directory_mode: Option<u32>,
    /// The mode of files.
    pub file_mode: Option<u32>,
    /// Whether the directory itself is meant, too.
    pub with_itself: bool,
}

/// How many entries differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StrayCounts {
    /// By owner or group. `None`: owner or group do not exist yet.
    pub by_owner: Option<usize>,
    /// By mode.
    pub by_mode: usize,
}

impl TreeAttributes {
    /// The tests of `find` for what differs by owner or group; none where these do not matter.
    pub(crate) fn other_owner(&self) -> Option<String> {
        let test = |name: &str, wanted: &AccountName| {
            format!("! -{name} {}", shell::quote(wanted.as_str()))
        };
        let owner = self.owner.as_ref().map(|owner| test("user", owner));
        let group = self.group.as_ref().map(|group| test("group", group));
        let tests: Vec<String> = owner.into_iter().chain(group).collect();
        (!tests.is_empty()).then(|| format!("\\( {} \\)", tests.join(" -o ")))
    }

    /// The tests for what differs by mode, each with the mode that it shall have.
    pub(crate) fn other_modes(&self) -> Vec<(String, String)> {
        let test = |kind: &str, mode: u32| {
            let mode = FileMode::from_bits(mode).five_digits();
            (format!("-type {kind} ! -perm {mode}"), mode)
        };
        let directories = self.directory_mode.map(|mode| test("d", mode));
        directories.into_iter().chain(self.file_mode.map(|mode| test("f", mode))).collect()
    }

    /// `find` on the directory.
    pub(crate) fn find(&self) -> String {
        let depth = if self.with_itself { 0 } else { 1 };
        format!("find {} -xdev -mindepth {depth}", shell::quote(self.path.as_str()))
    }
}

impl ProbeKind for Strays {
    const NAME: &'static str = "strays";
    type Request = TreeAttributes;
    type Answer = StrayCounts;

    fn key(tree: &TreeAttributes) -> Key {
        tree.path.tree()
    }

    fn script(trees: &[TreeAttributes]) -> String {
        // What ends a name is counted, since names may hold anything else. `find` fails for users
        // it does not know, and where there is no such directory.
        let mut script = "set -o pipefail\n\
             count() { local all; all=$(\"$@\" -print0 2>/dev/null | tr -dc '\\0' | wc -c) \
             && echo $((all)) || echo unknown; }\n"
            .to_owned();
        for tree in trees {
            let find = tree.find();
            match tree.other_owner() {
                Some(tests) => script.push_str(&format!("count {find} {tests}\n")),
                None => script.push_str("echo 0\n"),
            }
            let modes: Vec<String> = tree.other_modes().into_iter().map(|(test, _)| test).collect();
            match modes.is_empty() {
                true => script.push_str("echo 0\n"),
                false => {
                    script.push_str(&format!("count {find} \\( {} \\)\n", modes.join(" -o ")));
                }
            }
        }
        script
    }

    fn parse(trees: &[TreeAttributes], output: &[u8]) -> Result<Vec<StrayCounts>, String> {
        let output = String::from_utf8_lossy(output);
        let lines: Vec<&str> = output.lines().collect();
        if lines.len() != trees.len() * 2 {
            return Err(format!(
                "{} directories asked for, {} lines told",
                trees.len(),
                lines.len()
            ));
        }
        let counts = lines.chunks(2).map(|pair| StrayCounts {
            by_owner: pair.first().and_then(|line| line.parse().ok()),
            by_mode: pair.last().and_then(|line| line.parse().ok()).unwrap_or(0),
        });
        Ok(counts.collect())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::super::testing::{Scratch, ask};
    use super::*;

    #[test]
    fn counts_what_differs() {
        let scratch = Scratch::new();
        let folder = scratch.path("it's a\nfolder");
        fs::create_dir(folder.as_str()).unwrap();
        for name in ["a\nb", "c"] {
            fs::write(format!("{folder}/{name}"), "").unwrap();
            let mode = fs::Permissions::from_mode(0o640);
            fs::set_permissions(format!("{folder}/{name}"), mode).unwrap();
        }
        fs::create_dir(format!("{folder}/d")).unwrap();
        fs::set_permissions(format!("{folder}/d"), fs::Permissions::from_mode(0o2755)).unwrap();
        symlink("/", format!("{folder}/link")).unwrap();
        let tree = |owner: Option<&str>, directory_mode, file_mode| TreeAttributes {
            path: folder.clone(),
            owner: owner.map(|name| name.parse().unwrap()),
            group: None,
            directory_mode,
            file_mode,
            with_itself: owner == Some("bin"),
        };
        let counts = |by_owner, by_mode| StrayCounts { by_owner, by_mode };
        let trees = [
            tree(None, None, None),
            tree(None, Some(0o755), Some(0o640)),
            tree(None, Some(0o2755), Some(0o600)),
            tree(Some("daemon"), None, None),
            tree(Some("bin"), None, None),
            tree(Some("no-such-user"), None, None),
        ];
        assert_eq!(
            ask::<Strays>(&trees),
            [
                counts(Some(0), 0),
                counts(Some(0), 1),
                counts(Some(0), 2),
                counts(Some(4), 0),
                counts(Some(5), 0),
                counts(None, 0),
            ]
        );
        assert!(Strays::parse(&trees, b"1\n").is_err());
    }
}
