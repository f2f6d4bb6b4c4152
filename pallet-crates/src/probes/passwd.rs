//! User accounts.

use std::collections::HashMap;

use pallet_core::action::{Key, ProbeKind};

use super::words::command_lines;
use crate::values::AccountName;

/// Asks for a user account, from wherever the node knows users. `None`: there is none.
#[derive(Debug)]
pub struct Passwd;

/// A user account. In a prediction, `None` says that a value is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// User id.
    pub uid: Option<u32>,
    /// Id of the primary group.
    pub gid: Option<u32>,
    /// The comment, which often is the full name.
    pub comment: Option<String>,
    /// Home directory.
    pub home: Option<String>,
    /// Login shell.
    pub shell: Option<String>,
}

impl ProbeKind for Passwd {
    const NAME: &'static str = "passwd";
    const SHARES_SHELL: bool = true;
    type Request = AccountName;
    type Answer = Option<Account>;

    fn key(name: &AccountName) -> Key {
        Key::user(name.as_str())
    }

    fn script(names: &[AccountName]) -> String {
        getent("passwd", names)
    }

    fn parse(names: &[AccountName], output: &[u8]) -> Result<Vec<Option<Account>>, String> {
        // Comments may be in any encoding.
        let output = String::from_utf8_lossy(output);
        let mut accounts = HashMap::new();
        for line in output.lines() {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, _, uid, gid, comment, home, shell] = fields.as_slice() else {
                return Err(format!("`{line}` is no account"));
            };
            let account = Account {
                uid: Some(id(uid, line)?),
                gid: Some(id(gid, line)?),
                comment: Some((*comment).to_owned()),
                home: Some((*home).to_owned()),
                shell: Some((*shell).to_owned()),
            };
            accounts.insert((*name).to_owned(), account);
        }
        Ok(names.iter().map(|name| accounts.remove(name.as_str())).collect())
    }
}

/// Looks `names` up in a database of the node.
pub(super) fn getent(database: &str, names: &[AccountName]) -> String {
    let lines = command_lines(&format!("getent {database}"), names.iter().map(AccountName::as_str));
    // 2 says that some are missing.
    lines.iter().map(|line| format!("{line} || [ $? -eq 2 ] || exit 1\n")).collect()
}

pub(super) fn id(text: &str, line: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("`{text}` in `{line}` is no id"))
}

#[cfg(test)]
mod tests {
    use super::super::testing::ask;
    use super::*;

    fn names(list: &[&str]) -> Vec<AccountName> {
        list.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn finds_root_and_not_nobody_else() {
        let answers = ask::<Passwd>(&names(&["no-such-user", "root"]));
        assert_eq!(answers[0], None);
        let root = answers[1].clone().unwrap();
        assert_eq!((root.uid, root.gid, root.home.as_deref()), (Some(0), Some(0), Some("/root")));
    }

    #[test]
    fn odd_lines() {
        let app = names(&["app"]);
        let answers = Passwd::parse(&app, b"app:x:7:8:J\xe9r\xf4me, \xe9:/home/a b:\n").unwrap();
        let account = answers[0].clone().unwrap();
        assert_eq!(account.home.as_deref(), Some("/home/a b"));
        assert_eq!(account.shell.as_deref(), Some(""));
        assert!(Passwd::parse(&app, b"app:x:7\n").is_err());
        assert!(Passwd::parse(&app, b"app:x:seven:8::/:/bin/sh\n").is_err());
    }
}
