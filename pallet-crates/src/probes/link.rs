//! Where symbolic links lead.

use std::collections::HashMap;

use pallet_core::action::{Key, ProbeKind};

use super::words::command_lines;
use crate::values::RemotePath;

/// Asks where a symbolic link leads. `None`: there is none.
#[derive(Debug)]
pub struct LinkTarget;

impl ProbeKind for LinkTarget {
    const NAME: &'static str = "link";
    const SHARES_SHELL: bool = true;
    type Request = RemotePath;
    type Answer = Option<String>;

    fn key(path: &RemotePath) -> Key {
        path.key()
    }

    fn script(paths: &[RemotePath]) -> String {
        // `find` takes everything up to the first word with a dash or a bracket for a path, and
        // these begin with a slash.
        let mut script = String::from(
            "links() { find \"$@\" -maxdepth 0 -type l -printf '%p\\0%l\\0' 2>/dev/null || [ $? -eq 1 ]; }\n",
        );
        for line in command_lines("links", paths.iter().map(RemotePath::as_str)) {
            script.push_str(&line);
            script.push_str(" || exit 1\n");
        }
        script
    }

    fn parse(paths: &[RemotePath], output: &[u8]) -> Result<Vec<Option<String>>, String> {
        let output = String::from_utf8_lossy(output);
        let mut fields = output.split_terminator('\0');
        let mut targets = HashMap::new();
        while let Some(path) = fields.next() {
            let target = fields.next().ok_or_else(|| format!("`{path}` is a link to nothing"))?;
            targets.insert(path, target.to_owned());
        }
        Ok(paths.iter().map(|path| targets.remove(path.as_str())).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::super::testing::{Scratch, ask};
    use super::*;

    #[test]
    fn links_with_hostile_names_and_targets() {
        let scratch = Scratch::new();
        let mut paths = Vec::new();
        let mut expected = Vec::new();
        for name in Scratch::HOSTILE_NAMES {
            let path = scratch.path(name);
            symlink(name, path.as_str()).unwrap();
            paths.push(path);
            expected.push(Some(name.to_owned()));
        }
        fs::write(scratch.path("file").as_str(), "").unwrap();
        for other in ["file", "gone", "gone/below"] {
            paths.push(scratch.path(other));
            expected.push(None);
        }
        assert_eq!(ask::<LinkTarget>(&paths), expected);
    }

    #[test]
    fn no_link_is_fine_and_half_a_record_is_not() {
        let path: RemotePath = "/no/such/link".parse().unwrap();
        assert_eq!(ask::<LinkTarget>(std::slice::from_ref(&path)), [None]);
        assert!(LinkTarget::parse(&[path], b"/no/such/link\0").is_err());
    }
}
