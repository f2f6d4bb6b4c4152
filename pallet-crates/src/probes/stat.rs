//! What stands at a path.

use std::collections::HashMap;

use pallet_core::action::{Key, ProbeKind};

use super::words::command_lines;
use crate::values::{FileMode, RemotePath};

/// Asks what stands at a path, links not followed. `None`: nothing.
#[derive(Debug)]
pub struct Stat;

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// File, directory, link or something else.
    pub kind: EntryKind,
    /// Permission bits.
    pub mode: FileMode,
    /// The owner's id. `None`: not known, in a prediction.
    pub uid: Option<u32>,
    /// The owner's name. `None`: the id has none, or not known.
    pub owner: Option<String>,
    /// The group's id. `None`: not known, in a prediction.
    pub gid: Option<u32>,
    /// The group's name. `None`: the id has none, or not known.
    pub group: Option<String>,
}

/// What kind of thing stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, wherever it leads.
    Link,
    /// A named pipe.
    Pipe,
    /// A device or socket.
    Other,
}

impl EntryKind {
    /// For messages: `a directory`.
    pub fn with_article(self) -> &'static str {
        match self {
            Self::File => "a file",
            Self::Directory => "a directory",
            Self::Link => "a symbolic link",
            Self::Pipe => "a named pipe",
            Self::Other => "a device or socket",
        }
    }
}

/// What `stat` prints per file; the name comes last and is written as it is.
const FIELDS: &str = r"%f\0%u\0%U\0%g\0%G\0%n\0";

impl ProbeKind for Stat {
    const NAME: &'static str = "stat";
    const SHARES_SHELL: bool = true;
    type Request = RemotePath;
    type Answer = Option<Entry>;

    fn key(path: &RemotePath) -> Key {
        path.key()
    }

    fn script(paths: &[RemotePath]) -> String {
        let command = format!("stat --printf='{FIELDS}' --");
        let lines = command_lines(&command, paths.iter().map(RemotePath::as_str));
        // 1 says that some are missing.
        lines.iter().map(|line| format!("{line} 2>/dev/null || [ $? -eq 1 ] || exit 1\n")).collect()
    }

    fn parse(paths: &[RemotePath], output: &[u8]) -> Result<Vec<Option<Entry>>, String> {
        let output = std::str::from_utf8(output).map_err(|_| "a name is not UTF-8".to_owned())?;
        let mut fields = output.split('\0');
        let mut entries = HashMap::new();
        while let Some(mode) = fields.next().filter(|mode| !mode.is_empty()) {
            let mut field = || fields.next().ok_or_else(|| format!("`{mode}` begins no record"));
            let (uid, owner, gid, group, name) = (field()?, field()?, field()?, field()?, field()?);
            let bits = u32::from_str_radix(mode, 16).map_err(|_| format!("`{mode}` is no mode"))?;
            let entry = Entry {
                kind: kind(bits),
                mode: FileMode::from_bits(bits),
                uid: Some(id(uid)?),
                owner: named(owner),
                gid: Some(id(gid)?),
                group: named(group),
            };
            entries.insert(name, entry);
        }
        Ok(paths.iter().map(|path| entries.remove(path.as_str())).collect())
    }
}

fn kind(bits: u32) -> EntryKind {
    match bits & 0o170_000 {
        0o100_000 => EntryKind::File,
        0o040_000 => EntryKind::Directory,
        0o120_000 => EntryKind::Link,
        0o010_000 => EntryKind::Pipe,
        _ => EntryKind::Other,
    }
}

fn id(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("`{text}` is no id"))
}

/// `stat` writes UNKNOWN for an id without a name.
fn named(name: &str) -> Option<String> {
    (name != "UNKNOWN").then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::super::testing::{Scratch, ask};
    use super::*;

    #[test]
    fn reads_hostile_names_and_all_kinds() {
        let scratch = Scratch::new();
        let mut paths = Vec::new();
        for (number, name) in Scratch::HOSTILE_NAMES.iter().enumerate() {
            let path = scratch.path(name);
            fs::write(path.as_str(), "x").unwrap();
            let mode = 0o600 + u32::try_from(number).unwrap() % 8;
            fs::set_permissions(path.as_str(), fs::Permissions::from_mode(mode)).unwrap();
            paths.push((path, Some((EntryKind::File, mode))));
        }
        let folder = scratch.path("folder");
        fs::create_dir(folder.as_str()).unwrap();
        fs::set_permissions(folder.as_str(), fs::Permissions::from_mode(0o3750)).unwrap();
        let link = scratch.path("link");
        symlink("nowhere", link.as_str()).unwrap();
        paths.push((folder, Some((EntryKind::Directory, 0o3750))));
        paths.push((link, Some((EntryKind::Link, 0o777))));
        paths.push((scratch.path("missing"), None));
        paths.push((scratch.path("missing/below"), None));
        paths.push(("/dev/null".parse().unwrap(), Some((EntryKind::Other, 0o666))));

        let requests: Vec<_> = paths.iter().map(|(path, _)| path.clone()).collect();
        let answers = ask::<Stat>(&requests);
        for ((path, expected), answer) in paths.iter().zip(&answers) {
            let seen = answer.as_ref().map(|entry| (entry.kind, entry.mode.bits()));
            assert_eq!(seen, *expected, "{path:?}");
        }
        let own = answers.first().cloned().flatten().unwrap();
        assert!(own.uid.is_some() && own.owner.is_some() && own.group.is_some());
    }

    #[test]
    fn more_names_than_fit_on_a_command_line() {
        let scratch = Scratch::new();
        let long = "n".repeat(200);
        let paths: Vec<_> =
            (0..3000).map(|number| scratch.path(&format!("{long}{number}"))).collect();
        fs::write(paths.last().unwrap().as_str(), "").unwrap();
        let answers = ask::<Stat>(&paths);
        assert_eq!(answers.iter().filter(|answer| answer.is_some()).count(), 1);
        assert!(answers.last().unwrap().is_some());
    }

    #[test]
    fn ids_without_a_name_and_cut_output() {
        let path: RemotePath = "/a".parse().unwrap();
        let answers =
            Stat::parse(std::slice::from_ref(&path), b"81a4\x001234\0UNKNOWN\x000\0root\0/a\0");
        let entry = answers.unwrap().remove(0).unwrap();
        assert_eq!((entry.uid, entry.owner, entry.mode.bits()), (Some(1234), None, 0o644));
        assert!(Stat::parse(std::slice::from_ref(&path), b"81a4\x001234").is_err());
        assert!(Stat::parse(&[path], b"what?\0\0\0\0\0\0").is_err());
    }
}
