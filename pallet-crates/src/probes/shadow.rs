//! Passwords of users, as far as they have to be known.

use std::collections::HashMap;

use pallet_core::action::{Key, ProbeKind};

use super::Digest;
use super::passwd::getent;
use crate::values::AccountName;

/// Asks how a user's password is kept. Only root may know: `None` for others, and where there is no
/// such user.
#[derive(Debug)]
pub struct Shadow;

/// How a user's password is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShadowEntry {
    /// The digest of what is kept of it, a lock left out: what is kept itself need not travel.
    /// `None`: not known, in a prediction.
    pub digest: Option<Digest>,
    /// Whether nobody can log in with it.
    pub is_locked: bool,
}

impl ProbeKind for Shadow {
    const NAME: &'static str = "shadow";
    type Request = AccountName;
    type Answer = Option<ShadowEntry>;

    fn key(name: &AccountName) -> Key {
        Key::user(name.as_str())
    }

    fn script(names: &[AccountName]) -> String {
        format!(
            "all=$(\n{}) || exit 1\n\
             while IFS=: read -r name kept _; do\n\
             [ -n \"$name\" ] || continue\n\
             case $kept in '!'*) lock=locked ;; *) lock=open ;; esac\n\
             while [ \"${{kept#!}}\" != \"$kept\" ]; do kept=${{kept#!}}; done\n\
             printf '%s %s ' \"$name\" $lock; printf %s \"$kept\" | sha256sum\n\
             done <<<\"$all\"\n",
            getent("shadow", names)
        )
    }

    fn parse(names: &[AccountName], output: &[u8]) -> Result<Vec<Option<ShadowEntry>>, String> {
        let output = String::from_utf8_lossy(output);
        let mut entries = HashMap::new();
        for line in output.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [name, lock, digest, _] = words.as_slice() else {
                return Err(format!("`{line}` tells of no password"));
            };
            let entry = ShadowEntry { digest: Some(digest.parse()?), is_locked: *lock == "locked" };
            entries.insert((*name).to_owned(), entry);
        }
        Ok(names.iter().map(|name| entries.remove(name.as_str())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::ask;
    use super::*;

    #[test]
    fn what_is_kept_does_not_travel() {
        let names = ["no-such-user", "root"].map(|name| name.parse().unwrap());
        // Whoever runs the tests may know, or not.
        assert_eq!(ask::<Shadow>(&names)[0], None);
        let digest = Digest::of(b"*");
        let output = format!("root locked {digest}  -\n");
        let entry = ShadowEntry { digest: Some(digest), is_locked: true };
        assert_eq!(Shadow::parse(&names, output.as_bytes()), Ok(vec![None, Some(entry)]));
        assert!(Shadow::parse(&names, b"root\n").is_err());
    }
}
