//! The `user` action.

mod builder;
mod home;
mod password;
mod words;

use pallet_core::action::{
    Action, ActionError, Change, Decision, Fragment, Key, Preparation, ProbeSet, View,
};
use pallet_core::secret::MaybeSecret;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use self::home::HomePlace;
use self::password::Password;
use self::words::{Words, arrow, join};
use crate::probes::{
    Account, Entry, EntryKind, GroupEntry, GroupLookup, Passwd, Shadow, ShadowEntry, Stat,
};
use crate::values::shorthand::{Shorthand, or_string, shorthand_serde};
use crate::values::{AccountName, Ensure, RemotePath};

/// A user account.
///
/// What is not given is kept. A new user gets a group of the same name, no password, and the home
/// directory `/home/<name>`, which is filled from the node's skeleton unless it exists. Groups
/// other than that one have to exist; those in `groups` are added to the ones that the user is in.
/// A changed home directory is noted in the account, and nothing is moved there.
///
/// Removing a user keeps the home directory, unless `remove-home` is set.
///
/// ```
/// use pallet_crates::User;
/// let deploy = User::new("deploy")?.shell("/bin/bash")?.groups(["adm", "www-data"])?;
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "User", transform = or_string)]
pub struct User {
    /// Its name.
    name: AccountName,
    /// The user id. Default: kept; the next free one for a new user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uid: Option<u32>,
    /// The primary group. Default: kept; the one called like a new user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<AccountName>,
    /// Groups that the user is in beside the primary one. Default: none are added.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    groups: Vec<AccountName>,
    /// The home directory. Default: kept; `/home/<name>` for a new user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    home: Option<RemotePath>,
    /// The login shell. Default: kept; the system's choice for a new user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shell: Option<RemotePath>,
    /// The comment, often the full name. Default: kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
    /// Whether a new user's home directory is created. Default: true.
    #[serde(default = "yes")]
    create_home: bool,
    /// Whether a new user gets an id from the range for system users. Default: false.
    #[serde(default)]
    system: bool,
    /// The password as the system keeps it, encrypted (`openssl passwd -6` does that), or its
    /// source; `*` for none. Default: kept; none for a new user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password: Option<MaybeSecret>,
    /// Whether nobody can log in with the password. Default: kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    locked: Option<bool>,
    /// Whether the user shall be there. Default: present.
    #[serde(default)]
    ensure: Ensure,
    /// Whether `absent` removes the home directory, too. Default: false.
    #[serde(default)]
    remove_home: bool,
}

shorthand_serde!(User);

impl Shorthand for User {
    const EXPECTING: &'static str = "a name, or a table with name and more";

    fn from_table<'de, D: Deserializer<'de>>(table: D) -> Result<Self, D::Error> {
        Self::deserialize(table)
    }

    fn from_text(name: &str) -> Result<Self, String> {
        Self::new(name)
    }
}

fn yes() -> bool {
    true
}

impl User {
    /// A user who shall be there.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the name.
    pub fn new(name: &str) -> Result<Self, String> {
        Ok(Self {
            name: name.parse()?,
            uid: None,
            group: None,
            groups: Vec::new(),
            home: None,
            shell: None,
            comment: None,
            create_home: true,
            system: false,
            password: None,
            locked: None,
            ensure: Ensure::Present,
            remove_home: false,
        })
    }

    /// The primary group that is asked about: a new user's is known even where none is given.
    fn primary(&self) -> &AccountName {
        self.group.as_ref().unwrap_or(&self.name)
    }

    fn decide_from(&self, found: &Found) -> Result<Decision, ActionError> {
        match (self.ensure, &found.account) {
            (Ensure::Absent, None) => Ok(Decision::Unchanged),
            (Ensure::Absent, Some(_)) => Ok(self.remove()),
            (Ensure::Present, account) => {
                self.check_groups(found)?;
                let decision = match account {
                    None => self.create(found),
                    Some(account) => self.repair(account, found),
                };
                self.with_password(decision, found)
            }
        }
    }

    fn secret(&self) -> Password<'_> {
        Password { user: &self.name, hash: self.password.as_ref(), locked: self.locked }
    }

    /// The decision, with what is to be done about the password.
    fn with_password(&self, decision: Decision, found: &Found) -> Result<Decision, ActionError> {
        let mut fragment = Fragment::new();
        let known = found.shadow.as_ref().filter(|_| found.account.is_some());
        let (details, after) = self.secret().repair(&mut fragment, known)?;
        if details.is_empty() {
            return Ok(decision);
        }
        let mut change = match decision {
            Decision::Change(change) => change,
            Decision::Unchanged => Change::new(Fragment::new(), [Key::user(self.name.as_str())]),
        };
        change.fragment.append(&fragment);
        let change = details.into_iter().fold(change, Change::detail);
        Ok(Decision::Change(change.predict::<Shadow>(self.name.clone(), Some(after))))
    }

    fn check_groups(&self, found: &Found) -> Result<(), ActionError> {
        let missing = |(name, entry): &(AccountName, Option<GroupEntry>)| {
            entry.is_none().then(|| name.clone())
        };
        let primary = self.group.as_ref().filter(|_| found.primary.is_none()).cloned();
        match primary.or_else(|| found.groups.iter().find_map(missing)) {
            None => Ok(()),
            Some(name) => Err(ActionError::new(format!("there is no group `{name}` on the node"))
                .help(format!("create it in an earlier step: {{ group = \"{name}\" }}"))),
        }
    }

    fn create(&self, found: &Found) -> Decision {
        let mut words = Words::new("useradd");
        let mut writes = vec![Key::user(self.name.as_str())];
        let home = match &self.home {
            Some(home) => home.to_string(),
            None => format!("/home/{}", self.name),
        };
        words.flag(self.system, "--system");
        words.option("--uid", self.uid);
        // Said in full, so that the node's defaults do not matter.
        match &found.primary {
            Some(_) => words.option("--gid", Some(self.primary())),
            None => words.flag(true, "--user-group"),
        }
        words.option("--groups", join(&self.groups));
        words.option("--home-dir", Some(&home));
        words.flag(self.create_home, "--create-home");
        words.flag(!self.create_home, "--no-create-home");
        words.option("--shell", self.shell.as_ref());
        words.option("--comment", self.comment.as_ref());

        if found.primary.is_none() {
            writes.push(Key::group(self.name.as_str()));
        }
        writes.extend(found.home.iter().flat_map(HomePlace::writes));
        writes.extend(self.groups.iter().map(|group| Key::group(group.as_str())));
        let mut detail = "created".to_owned();
        if let Some(uid) = self.uid {
            detail.push_str(&format!(" with uid {uid}"));
        }
        let account = Account {
            uid: self.uid,
            gid: found.primary.as_ref().and_then(|group| group.gid),
            comment: Some(self.comment.clone().unwrap_or_default()),
            home: Some(home),
            shell: self.shell.as_ref().map(RemotePath::to_string),
        };
        let mut fragment = words.fragment(&self.name);
        let new_home = found.home.as_ref().filter(|place| place.is_foreseen());
        if let Some(place) = new_home {
            // So that what is foreseen is so, whatever the node's useradd makes of its settings.
            fragment.run(["chmod", "--", &place.mode.five_digits(), place.path.as_str()]);
        }
        let mut change = Change::new(fragment, writes).detail(detail);
        if let Some(place) = new_home {
            let entry = Entry {
                kind: EntryKind::Directory,
                mode: place.mode,
                uid: self.uid,
                owner: Some(self.name.to_string()),
                gid: account.gid,
                group: Some(self.primary().to_string()),
            };
            change = change.predict::<Stat>(place.path.clone(), Some(entry));
        }
        change = change.predict::<Passwd>(self.name.clone(), Some(account));
        if found.primary.is_none() {
            change = change.predict::<GroupLookup>(self.name.clone(), Some(GroupEntry::default()));
        }
        Decision::Change(self.predict_members(change, &found.groups))
    }

    /// Where a new user's home directory is, if it is to be created.
    fn created_home(&self) -> Option<RemotePath> {
        let named = || format!("/home/{}", self.name).parse().ok();
        self.create_home.then(|| self.home.clone().or_else(named)).flatten()
    }

    fn repair(&self, account: &Account, found: &Found) -> Decision {
        let mut words = Words::new("usermod");
        let mut details = Vec::new();
        let mut after = account.clone();
        let mut renumbers = false;
        if let Some(uid) = self.uid.filter(|uid| account.uid != Some(*uid)) {
            words.option("--uid", Some(uid));
            details.push(arrow("uid", account.uid, uid));
            after.uid = Some(uid);
            renumbers = true;
        }
        let primary_gid = found.primary.as_ref().and_then(|group| group.gid);
        if let Some(group) = &self.group
            && (primary_gid.is_none() || primary_gid != account.gid)
        {
            words.option("--gid", Some(group));
            details.push(arrow("primary group", account.gid, group));
            after.gid = primary_gid;
            renumbers = true;
        }
        let texts = [
            ("--home", "home", self.home.as_ref().map(RemotePath::as_str), &mut after.home),
            ("--shell", "shell", self.shell.as_ref().map(RemotePath::as_str), &mut after.shell),
            ("--comment", "comment", self.comment.as_deref(), &mut after.comment),
        ];
        for (option, what, wanted, current) in texts {
            let Some(wanted) = wanted.filter(|wanted| current.as_deref() != Some(*wanted)) else {
                continue;
            };
            words.option(option, Some(wanted));
            details.push(arrow(what, current.as_deref().filter(|text| !text.is_empty()), wanted));
            *current = Some(wanted.to_owned());
        }
        let is_in = |entry: &Option<GroupEntry>| {
            entry.as_ref().is_some_and(|group| {
                let is_primary = group.gid.is_some() && group.gid == after.gid;
                is_primary || group.members.iter().any(|member| member == self.name.as_str())
            })
        };
        let joined: Vec<(AccountName, Option<GroupEntry>)> =
            found.groups.iter().filter(|(_, entry)| !is_in(entry)).cloned().collect();
        let names: Vec<AccountName> = joined.iter().map(|(name, _)| name.clone()).collect();
        if let Some(list) = join(&names) {
            words.flag(true, "--append");
            words.option("--groups", Some(&list));
            details.push(format!("added to {}", list.replace(',', ", ")));
        }
        if details.is_empty() {
            return Decision::Unchanged;
        }
        // With another id the files in the home directory change hands.
        let mut writes =
            vec![if renumbers { Key::Everything } else { Key::user(self.name.as_str()) }];
        writes.extend(names.iter().map(|name| Key::group(name.as_str())));
        let change = Change::new(words.fragment(&self.name), writes);
        let change = details.into_iter().fold(change, Change::detail);
        let change = change.predict::<Passwd>(self.name.clone(), Some(after));
        Decision::Change(self.predict_members(change, &joined))
    }

    fn predict_members(
        &self,
        change: Change,
        groups: &[(AccountName, Option<GroupEntry>)],
    ) -> Change {
        groups.iter().fold(change, |change, (name, entry)| {
            let mut entry = entry.clone().unwrap_or_default();
            entry.members.push(self.name.to_string());
            change.predict::<GroupLookup>(name.clone(), Some(entry))
        })
    }

    fn remove(&self) -> Decision {
        // The user leaves all groups, and the files that stay belong to nobody.
        let mut words = Words::new("userdel");
        words.flag(self.remove_home, "--remove");
        let detail = match self.remove_home {
            true => "removed with the home directory",
            false => "removed, home directory kept",
        };
        let change = Change::new(words.fragment(&self.name), [Key::Everything]).detail(detail);
        Decision::Change(change.predict::<Passwd>(self.name.clone(), None))
    }
}

/// What was found on the node.
#[derive(Debug)]
struct Found {
    account: Option<Account>,
    primary: Option<GroupEntry>,
    groups: Vec<(AccountName, Option<GroupEntry>)>,
    /// Where a new user's home directory would be created.
    home: Option<HomePlace>,
    shadow: Option<ShadowEntry>,
}

impl Action for User {
    const NAME: &'static str = "user";
    const SUMMARY: &'static str = "A user account.";
    const EXAMPLE: &'static str =
        r#"{ user = { name = "deploy", shell = "/bin/bash", groups = ["adm"] } }"#;

    fn subject(&self) -> String {
        self.name.to_string()
    }

    fn prepare(&self, _: &Preparation<'_>) -> Result<Option<Self>, ActionError> {
        let is_unfit = |text: &str| text.contains([':', '\n', '\0']);
        let fields = [
            ("comment", self.comment.as_deref()),
            ("home", self.home.as_ref().map(RemotePath::as_str)),
            ("shell", self.shell.as_ref().map(RemotePath::as_str)),
        ];
        if let Some((field, _)) = fields.iter().find(|(_, text)| text.is_some_and(is_unfit)) {
            return Err(ActionError::new(format!(
                "`{field}` contains a colon, a line break or a NUL byte, which no account can hold"
            )));
        }
        let describes = fields.iter().any(|(_, text)| text.is_some())
            || self.uid.is_some()
            || self.group.is_some()
            || !self.groups.is_empty()
            || self.password.is_some()
            || self.locked.is_some()
            || self.system;
        if self.ensure == Ensure::Absent && describes {
            return Err(ActionError::new("a user who shall be absent is not described")
                .help("give the name alone, or remove ensure = \"absent\""));
        }
        if self.ensure == Ensure::Present && self.remove_home {
            return Err(ActionError::new("`remove-home` says how to remove a user")
                .help("remove it, or add ensure = \"absent\""));
        }
        self.secret().check()?;
        Ok(None)
    }

    fn may_write(&self) -> Vec<Key> {
        vec![Key::Everything]
    }

    fn probe(&self, _: &View<'_>, wanted: &mut ProbeSet) {
        wanted.ask::<Passwd>(self.name.clone());
        if self.ensure == Ensure::Present {
            for group in self.groups.iter().chain([self.primary()]) {
                wanted.ask::<GroupLookup>(group.clone());
            }
            self.secret().probe(wanted);
            if let Some(home) = self.created_home() {
                HomePlace::probe(&home, wanted);
            }
        }
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        let account = view.get::<Passwd>(&self.name)?.clone();
        let mut found =
            Found { account, primary: None, groups: Vec::new(), home: None, shadow: None };
        if self.ensure == Ensure::Present {
            found.shadow = self.secret().look(view)?;
            found.primary = view.get::<GroupLookup>(self.primary())?.clone();
            for group in &self.groups {
                found.groups.push((group.clone(), view.get::<GroupLookup>(group)?.clone()));
            }
            if let Some(home) = self.created_home() {
                found.home = Some(HomePlace::look(home, view)?);
            }
        }
        self.decide_from(&found)
    }
}

#[cfg(test)]
mod tests;
