//! The account files of a sandbox: this machine's without its people and passwords. Pure.

use std::collections::BTreeSet;

/// The account files of a system.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash)]
pub(super) struct Accounts {
    /// `/etc/passwd`.
    pub passwd: String,
    /// `/etc/shadow`.
    pub shadow: String,
    /// `/etc/group`.
    pub group: String,
    /// `/etc/gshadow`.
    pub gshadow: String,
}

/// Ids that systems give to people. The ones below belong to packages; 65534 is nobody.
const PEOPLE: std::ops::Range<u32> = 1000..65534;

impl Accounts {
    /// The accounts without people, and without anything that could be a password.
    pub fn without_people(&self) -> Self {
        let people = names_of_people(&self.passwd);
        let circles = names_of_people(&self.group);
        Self {
            passwd: edited(&self.passwd, &people, |_| {}),
            shadow: edited(&self.shadow, &people, lock),
            group: edited(&self.group, &circles, |fields| {
                lock(fields);
                leave(fields, 3, &people);
            }),
            gshadow: edited(&self.gshadow, &circles, |fields| {
                lock(fields);
                leave(fields, 2, &people);
                leave(fields, 3, &people);
            }),
        }
    }
}

/// Names in passwd or group with an id that people have: the third field of both.
fn names_of_people(text: &str) -> BTreeSet<String> {
    let lines = text.lines().map(|line| line.split(':').collect::<Vec<_>>());
    lines
        .filter(|fields| {
            let id = fields.get(2).and_then(|id| id.parse().ok());
            id.is_some_and(|id| PEOPLE.contains(&id))
        })
        .filter_map(|fields| fields.first().map(|name| (*name).to_owned()))
        .collect()
}

/// The lines whose first field is not in `without`, each with its fields edited.
fn edited(text: &str, without: &BTreeSet<String>, edit: impl Fn(&mut [String])) -> String {
    let mut kept = String::with_capacity(text.len());
    for line in text.lines() {
        let mut fields: Vec<String> = line.split(':').map(str::to_owned).collect();
        if fields.first().is_some_and(|name| without.contains(name)) {
            continue;
        }
        edit(&mut fields);
        kept.push_str(&fields.join(":"));
        kept.push('\n');
    }
    kept
}

/// Makes the password field one that no password fits.
fn lock(fields: &mut [String]) {
    if let Some(password) = fields.get_mut(1)
        && password != "x"
        && (password.is_empty() || !password.chars().all(|sign| "*!".contains(sign)))
    {
        "*".clone_into(password);
    }
}

/// Takes names out of a list of members.
fn leave(fields: &mut [String], field: usize, names: &BTreeSet<String>) {
    if let Some(members) = fields.get_mut(field) {
        let left: Vec<&str> = members.split(',').filter(|name| !names.contains(*name)).collect();
        *members = left.join(",");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_and_passwords_are_left_out() {
        let machine = Accounts {
            passwd: "root:x:0:0:root:/root:/bin/bash\nme:x:1000:1000:Me:/home/me:/bin/sh\n\
                     nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"
                .into(),
            shadow: "root:$y$j9T$salt$hash:19000:0:99999:7:::\nme:$6$a$b:1::::::\n\
                     nobody:*:1::::::\nold:!$6$a$b:1::::::\nopen::1::::::\nlocked:!:1::::::\n"
                .into(),
            group: "sudo:x:27:me,daemon\nme:x:1000:\nodd:$1$a$b:12:\n".into(),
            gshadow: "sudo:*:me:daemon,me\nme:!::\n".into(),
        };
        let sandbox = machine.without_people();
        assert_eq!(
            sandbox.passwd,
            "root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"
        );
        assert_eq!(
            sandbox.shadow,
            "root:*:19000:0:99999:7:::\nnobody:*:1::::::\nold:*:1::::::\nopen:*:1::::::\nlocked:!:1::::::\n"
        );
        assert_eq!(sandbox.group, "sudo:x:27:daemon\nodd:*:12:\n");
        assert_eq!(sandbox.gshadow, "sudo:*::daemon\n");
    }
}
