//! Git working copies.

use pallet_core::action::{Key, ProbeKind};
use pallet_core::shell;

use crate::values::RemotePath;

/// Asks what is checked out at a path, and what a name stands for in a repository.
#[derive(Debug)]
pub struct Git;

/// A question about a working copy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Checkout {
    /// Where the working copy is.
    pub path: RemotePath,
    /// The address of the repository.
    pub repository: String,
    /// A branch, a tag, or a whole commit id.
    pub reference: String,
}

/// What is known of a working copy. `None` throughout where nothing is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckoutState {
    /// Whether the node has git.
    pub has_git: bool,
    /// The commit that is checked out.
    pub head: Option<String>,
    /// The address that the working copy came from.
    pub origin: Option<String>,
    /// The commit that the reference stands for.
    pub wanted: Option<String>,
    /// Whether files that git keeps were changed by hand.
    pub is_modified: bool,
}

/// `git` as it is run without anybody watching, on whoever's working copy it is. Looking refreshes
/// nothing.
pub(crate) const COMMAND: &str =
    "GIT_TERMINAL_PROMPT=0 GIT_OPTIONAL_LOCKS=0 git -c 'safe.directory=*'";

/// Whether a reference is a whole commit id.
pub(crate) fn is_commit(reference: &str) -> bool {
    reference.len() == 40 && reference.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl ProbeKind for Git {
    const NAME: &'static str = "git";
    type Request = Checkout;
    type Answer = CheckoutState;

    fn key(checkout: &Checkout) -> Key {
        checkout.path.tree()
    }

    fn script(checkouts: &[Checkout]) -> String {
        let mut script = format!(
            "look() {{\n\
             type -P git >/dev/null || return 0\n\
             echo git\n\
             if [ -e \"$1/.git\" ]; then\n\
             printf 'head %s\\norigin %s\\n' \"$({COMMAND} -C \"$1\" rev-parse -q --verify HEAD)\" \
             \"$({COMMAND} -C \"$1\" config remote.origin.url)\"\n\
             [ -z \"$({COMMAND} -C \"$1\" status --porcelain -uno)\" ] || echo modified\n\
             fi\n\
             [ -n \"$4\" ] || {COMMAND} ls-remote -q -- \"$2\" \"refs/heads/$3\" \"refs/tags/$3\" \"refs/tags/$3^{{}}\" </dev/null | sed 's/^/ref /'\n\
             }}\n"
        );
        for checkout in checkouts {
            let commit = if is_commit(&checkout.reference) { "commit" } else { "" };
            let (path, repository) = (checkout.path.as_str(), checkout.repository.as_str());
            let words = ["look", path, repository, &checkout.reference, commit];
            script.push_str(&format!("{} 2>/dev/null\necho end\n", shell::command(words)));
        }
        script
    }

    fn parse(checkouts: &[Checkout], output: &[u8]) -> Result<Vec<CheckoutState>, String> {
        let output = String::from_utf8_lossy(output);
        let mut checkouts = checkouts.iter();
        let mut states = Vec::new();
        let mut lines = Vec::new();
        for line in output.lines() {
            match (line, checkouts.as_slice().first()) {
                ("end", Some(checkout)) => {
                    states.push(state(checkout, &std::mem::take(&mut lines)));
                    checkouts.next();
                }
                ("end", None) => return Err("there are more ends than questions".to_owned()),
                (line, _) => lines.push(line),
            }
        }
        Ok(states)
    }
}

fn state(checkout: &Checkout, lines: &[&str]) -> CheckoutState {
    let value = |name: &str| {
        let values = lines.iter().filter_map(|line| line.split_once(' '));
        let found =
            values.filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).next();
        found.filter(|value| !value.is_empty())
    };
    // A branch wins over a tag of the same name; an annotated tag stands for what it points to.
    let reference = |name: String| {
        let refs = lines.iter().filter_map(|line| line.strip_prefix("ref ")?.split_once('\t'));
        refs.filter(|(_, found)| *found == name).map(|(commit, _)| commit.to_owned()).next()
    };
    let name = &checkout.reference;
    let named = || {
        reference(format!("refs/heads/{name}"))
            .or_else(|| reference(format!("refs/tags/{name}^{{}}")))
            .or_else(|| reference(format!("refs/tags/{name}")))
    };
    CheckoutState {
        has_git: lines.contains(&"git"),
        head: value("head"),
        origin: value("origin"),
        wanted: if is_commit(name) { Some(name.to_ascii_lowercase()) } else { named() },
        is_modified: lines.contains(&"modified"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        let checkout = |reference: &str| Checkout {
            path: "/srv/app".parse().unwrap(),
            repository: "x".to_owned(),
            reference: reference.to_owned(),
        };
        let read = |reference: &str, output: &str| {
            Git::parse(&[checkout(reference)], output.as_bytes()).unwrap().remove(0)
        };
        assert_eq!(read("main", "end\n"), CheckoutState::default());
        let state = read(
            "v1",
            "git\nhead aaa\norigin u r l\nmodified\nref bbb\trefs/tags/v1\nref ccc\trefs/tags/v1^{}\nend\n",
        );
        assert_eq!((state.head.as_deref(), state.origin.as_deref()), (Some("aaa"), Some("u r l")));
        assert_eq!((state.wanted.as_deref(), state.is_modified), (Some("ccc"), true));
        let both = read("x", "git\nhead \nref bbb\trefs/tags/x\nref aaa\trefs/heads/x\nend\n");
        assert_eq!((both.wanted.as_deref(), both.head), (Some("aaa"), None));
        let commit = "ABCDEF0123".repeat(4);
        assert_eq!(read(&commit, "git\nend\n").wanted, Some(commit.to_lowercase()));
        assert!(Git::parse(&[], b"end\n").is_err());
    }
}
