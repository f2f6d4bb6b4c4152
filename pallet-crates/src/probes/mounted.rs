//! What is mounted where.

use pallet_core::action::{Key, ProbeKind};
use pallet_core::shell;

use crate::values::RemotePath;

/// Asks whether something is mounted at a path.
#[derive(Debug)]
pub struct Mounted;

/// A path as the tables of mounts write it.
pub(crate) fn escape(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len());
    for character in path.chars() {
        match character {
            ' ' => escaped.push_str("\\040"),
            '\t' => escaped.push_str("\\011"),
            '\n' => escaped.push_str("\\012"),
            '#' => escaped.push_str("\\043"),
            '\\' => escaped.push_str("\\134"),
            other => escaped.push(other),
        }
    }
    escaped
}

impl ProbeKind for Mounted {
    const NAME: &'static str = "mounted";
    const SHARES_SHELL: bool = true;
    type Request = RemotePath;
    type Answer = bool;

    /// Not the path: what is written there mounts nothing. systemd calls mounts units, too.
    fn key(path: &RemotePath) -> Key {
        Key::unit(format!("{path}.mount"))
    }

    fn script(paths: &[RemotePath]) -> String {
        let words = paths.iter().map(|path| escape(path.as_str()));
        // bash alone, without a process.
        format!(
            "all=$'\\n'\n\
             while read -r _ place _; do all=$all$place$'\\n'; done </proc/self/mounts || exit 1\n\
             for place in {}; do\n\
             case $all in *$'\\n'\"$place\"$'\\n'*) echo yes ;; *) echo no ;; esac\n\
             done\n",
            shell::command(words)
        )
    }

    fn parse(_: &[RemotePath], output: &[u8]) -> Result<Vec<bool>, String> {
        let output = String::from_utf8_lossy(output);
        let read = |line: &str| match line {
            "yes" => Ok(true),
            "no" => Ok(false),
            other => Err(format!("`{other}` is neither yes nor no")),
        };
        output.lines().map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::ask;
    use super::*;

    #[test]
    fn proc_is_mounted_and_odd_names_are_not() {
        let paths = ["/proc", "/", "/proc/self", "/no such\t*\\place"];
        let paths = paths.map(|path| path.parse().unwrap());
        assert_eq!(ask::<Mounted>(&paths), [true, true, false, false]);
        assert!(Mounted::parse(&paths, b"perhaps\n").is_err());
        assert_eq!(escape("/a b#\\"), "/a\\040b\\043\\134");
    }
}
