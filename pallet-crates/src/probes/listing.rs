//! What is in a directory, at any depth.

use pallet_core::action::{Key, ProbeKind};
use pallet_core::shell;

use crate::values::RemotePath;

/// Asks for everything below a directory, as paths from there on; nothing where there is none.
/// Links are not followed, and other file systems not entered.
#[derive(Debug)]
pub struct Listing;

impl ProbeKind for Listing {
    const NAME: &'static str = "listing";
    type Request = RemotePath;
    type Answer = Vec<String>;

    fn key(path: &RemotePath) -> Key {
        path.tree()
    }

    fn script(paths: &[RemotePath]) -> String {
        let list = |path: &RemotePath| {
            let path = shell::quote(path.as_str());
            format!(
                "( cd -- {path} && find . -xdev -mindepth 1 -print0 ) 2>/dev/null; printf '\\0'\n"
            )
        };
        paths.iter().map(list).collect()
    }

    fn parse(paths: &[RemotePath], output: &[u8]) -> Result<Vec<Vec<String>>, String> {
        // An empty name ends a list.
        let mut lists = vec![Vec::new()];
        for name in output.split(|byte| *byte == 0) {
            match (name, lists.last_mut()) {
                ([], _) => lists.push(Vec::new()),
                (name, Some(list)) => {
                    let name = name.strip_prefix(b"./").unwrap_or(name);
                    list.push(String::from_utf8_lossy(name).into_owned());
                }
                (_, None) => {}
            }
        }
        // Behind the last list's end stand an empty one, and what was split off at the end.
        lists.truncate(paths.len());
        match lists.len() == paths.len() {
            true => Ok(lists),
            false => Err(format!("{} directories asked for, {} told of", paths.len(), lists.len())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Scratch, ask};
    use super::*;

    #[test]
    fn lists_hostile_names() {
        let scratch = Scratch::new();
        let folder = scratch.path("folder");
        let mut expected = vec!["below".to_owned()];
        std::fs::create_dir_all(format!("{folder}/below")).unwrap();
        for name in Scratch::HOSTILE_NAMES {
            std::fs::write(format!("{folder}/below/{name}"), "").unwrap();
            expected.push(format!("below/{name}"));
        }
        let mut lists = ask::<Listing>(&[scratch.path("gone"), folder.clone(), folder]);
        assert!(lists[0].is_empty());
        lists[1].sort_unstable();
        expected.sort_unstable();
        assert_eq!(lists[1], expected);
        assert_eq!(lists[2].len(), expected.len());
    }
}
