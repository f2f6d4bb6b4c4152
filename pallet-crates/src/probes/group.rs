//! Groups.

use std::collections::HashMap;

use pallet_core::action::{Key, ProbeKind};

use super::passwd::{getent, id};
use crate::values::AccountName;

/// Asks for a group, from wherever the node knows groups. `None`: there is none.
#[derive(Debug)]
pub struct GroupLookup;

/// A group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupEntry {
    /// Group id. `None`: not known, in a prediction.
    pub gid: Option<u32>,
    /// Names of the users who are in it beside those whose primary group it is.
    pub members: Vec<String>,
}

impl ProbeKind for GroupLookup {
    const NAME: &'static str = "group";
    const SHARES_SHELL: bool = true;
    type Request = AccountName;
    type Answer = Option<GroupEntry>;

    fn key(name: &AccountName) -> Key {
        Key::group(name.as_str())
    }

    fn script(names: &[AccountName]) -> String {
        getent("group", names)
    }

    fn parse(names: &[AccountName], output: &[u8]) -> Result<Vec<Option<GroupEntry>>, String> {
        let output = String::from_utf8_lossy(output);
        let mut groups = HashMap::new();
        for line in output.lines() {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, _, gid, members] = fields.as_slice() else {
                return Err(format!("`{line}` is no group"));
            };
            let members = members.split(',').filter(|member| !member.is_empty());
            let entry = GroupEntry {
                gid: Some(id(gid, line)?),
                members: members.map(str::to_owned).collect(),
            };
            groups.insert((*name).to_owned(), entry);
        }
        Ok(names.iter().map(|name| groups.remove(name.as_str())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::ask;
    use super::*;

    #[test]
    fn finds_root_and_reads_members() {
        let names = ["no-such-group", "root"].map(|name| name.parse().unwrap());
        let answers = ask::<GroupLookup>(&names);
        assert_eq!(answers[0], None);
        assert_eq!(answers[1].as_ref().and_then(|group| group.gid), Some(0));

        let answers = GroupLookup::parse(&names, b"root:x:0:a,b\n").unwrap();
        assert_eq!(answers[1].clone().unwrap().members, ["a", "b"]);
        assert!(GroupLookup::parse(&names, b"root:x:0\n").is_err());
    }
}
