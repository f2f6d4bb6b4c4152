//! The `authorized-key` action.

use pallet_core::action::{Action, ActionError, Change, Decision, Fragment, Mode, ProbeSet, View};
use pallet_core::shell;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::attributes::{Attributes, Ids};
use super::lines::Lines;
use super::whole_file::{WholeFile, check_kind};
use crate::probes::{Account, Entry, EntryKind, FileContent, Passwd, Seen, Stat};
use crate::values::{AccountName, Ensure, FileMode, PublicKey, RemotePath};

/// A public key with which a user may log in through SSH: a line of `~/.ssh/authorized_keys`.
///
/// Keys are compared without options and comment: where these differ, the line is replaced. Other
/// keys stay. The file and its directory are created where they are missing, private to the user;
/// a file that is there keeps its owner and mode.
///
/// ```
/// use pallet_crates::AuthorizedKey;
/// let key = AuthorizedKey::new("deploy", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBx0 dev@example")?;
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AuthorizedKey {
    /// The user who may log in.
    user: AccountName,
    /// The public key, as in a file that ends in `.pub`; options may stand before it.
    key: PublicKey,
    /// Whether the user may log in with the key. Default: present.
    #[serde(default)]
    ensure: Ensure,
}

const FILE_MODE: FileMode = FileMode::from_bits(0o600);
const FOLDER_MODE: FileMode = FileMode::from_bits(0o700);

impl AuthorizedKey {
    /// A key with which `user` may log in.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the name or the key.
    pub fn new(user: &str, key: &str) -> Result<Self, String> {
        Ok(Self { user: user.parse()?, key: key.parse()?, ensure: Ensure::Present })
    }

    /// The user may not log in with the key.
    #[must_use]
    pub fn absent(mut self) -> Self {
        self.ensure = Ensure::Absent;
        self
    }

    /// Where the keys are, for a user with this home directory.
    fn paths(home: &RemotePath) -> Option<Paths> {
        let folder: RemotePath = format!("{home}/.ssh").parse().ok()?;
        let file = format!("{folder}/authorized_keys").parse().ok()?;
        Some(Paths { home: home.clone(), folder, file })
    }

    /// Where the home directory most often is: with a right guess all is asked at once.
    fn guess(&self) -> Option<RemotePath> {
        let home = match self.user.as_str() {
            "root" => "/root".to_owned(),
            name => format!("/home/{name}"),
        };
        home.parse().ok()
    }

    fn home(&self, account: &Account) -> Option<RemotePath> {
        account.home.as_ref().and_then(|home| home.parse().ok())
    }

    fn decide_from(&self, found: &Found<'_>, mode: Mode) -> Result<Decision, ActionError> {
        check_kind(&found.paths.file, found.entry)?;
        let text: &[u8] = match (found.entry, found.seen) {
            (None, _) if self.ensure == Ensure::Absent => return Ok(Decision::Unchanged),
            (None, _) => b"",
            (Some(_), Seen::Text(text)) => text,
            (Some(_), _) => {
                return Err(ActionError::new(format!(
                    "{} is no text that can be edited",
                    found.paths.file
                ))
                .help("look at it on the node: it is larger than 64 KiB, or no list of keys"));
            }
        };
        let mut lines = Lines::of(text);
        let before = lines.clone();
        let is_key = |line: &[u8]| self.key.is_key_of(line);
        let detail = match self.ensure {
            Ensure::Absent => {
                lines.remove(is_key);
                "key removed"
            }
            Ensure::Present if lines.replace(self.key.line().as_bytes(), is_key) => {
                "options or comment differ"
            }
            Ensure::Present => {
                lines.push(self.key.line().as_bytes());
                "key added"
            }
        };
        if lines == before {
            return Ok(Decision::Unchanged);
        }
        Ok(Decision::Change(self.write(&lines.text(), detail, found, mode)?))
    }

    fn write(
        &self,
        text: &[u8],
        detail: &str,
        found: &Found<'_>,
        mode: Mode,
    ) -> Result<Change, ActionError> {
        let paths = found.paths;
        let mut fragment = Fragment::new();
        let is_new = found.entry.is_none();
        let makes_folder = self.makes_folder(found)?;
        // `user:` stands for the user's own primary group.
        let holders = format!("{}:", self.user);
        // The user's own session need not, and may not.
        let is_own = match found.account.uid {
            Some(uid) => format!("[ $EUID = {uid} ]"),
            None => format!("[ \"$(id -un)\" = {} ]", self.user),
        };
        let own = |fragment: &mut Fragment, path: &str| {
            let chown = shell::command(["chown", "-h", "--", &holders, path]);
            fragment.line(&format!("{is_own} || {chown}"));
        };
        if makes_folder {
            let folder = paths.folder.as_str();
            fragment.run(["mkdir", "-m", &FOLDER_MODE.to_string(), "--", folder]);
            own(&mut fragment, folder);
        }
        let mut file = WholeFile::new(&paths.file, text);
        if is_new {
            file.attributes =
                Attributes { owner: Some(&self.user), group: None, mode: Some(FILE_MODE) };
        }
        let ids = Ids { uid: found.account.uid, gid: None };
        file.replace(&mut fragment, ids, !is_new);
        if is_new {
            own(&mut fragment, paths.file.as_str());
        }
        fragment.brief();
        let seen = Some(found.seen).filter(|_| mode == Mode::Check);
        file.also.extend(makes_folder.then(|| paths.folder.key()));
        let mut change = file.change(fragment, ids, found.entry, seen, vec![detail.to_owned()]);
        let new = |kind, mode| Entry {
            kind,
            mode,
            uid: found.account.uid,
            owner: Some(self.user.to_string()),
            gid: found.account.gid,
            group: None,
        };
        if is_new {
            let entry = new(EntryKind::File, FILE_MODE);
            change = change.predict::<Stat>(paths.file.clone(), Some(entry));
        }
        if makes_folder {
            let entry = new(EntryKind::Directory, FOLDER_MODE);
            change = change.predict::<Stat>(paths.folder.clone(), Some(entry));
        }
        Ok(change)
    }

    /// Whether the directory is missing; an error where it cannot be made.
    fn makes_folder(&self, found: &Found<'_>) -> Result<bool, ActionError> {
        let paths = found.paths;
        let is_folder =
            |entry: &Entry| matches!(entry.kind, EntryKind::Directory | EntryKind::Link);
        match (found.home, found.folder) {
            (_, Some(entry)) if is_folder(entry) => Ok(false),
            (_, Some(entry)) => Err(ActionError::new(format!(
                "{} is {}, not a directory",
                paths.folder,
                entry.kind.with_article()
            ))),
            (Some(entry), None) if is_folder(entry) => Ok(true),
            (_, None) => Err(ActionError::new(format!(
                "there is no home directory {} for the keys of {}",
                paths.home, self.user
            ))
            .help("create it in an earlier step, or let the user action create it")),
        }
    }
}

/// Where a user's keys are.
#[derive(Debug)]
struct Paths {
    home: RemotePath,
    folder: RemotePath,
    file: RemotePath,
}

impl Paths {
    fn probe(&self, wanted: &mut ProbeSet) {
        for path in [&self.home, &self.folder, &self.file] {
            wanted.ask::<Stat>(path.clone());
        }
        wanted.ask::<FileContent>(self.file.clone());
    }
}

/// What was found on the node.
#[derive(Debug)]
struct Found<'a> {
    paths: &'a Paths,
    account: &'a Account,
    home: Option<&'a Entry>,
    folder: Option<&'a Entry>,
    entry: Option<&'a Entry>,
    seen: &'a Seen,
}

impl Action for AuthorizedKey {
    const NAME: &'static str = "authorized-key";
    const SUMMARY: &'static str = "A public key with which a user may log in through SSH.";
    const EXAMPLE: &'static str = r#"{ authorized-key = { user = "deploy", key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBx0 dev@example" } }"#;

    fn subject(&self) -> String {
        format!("{}: {}", self.user, self.key.comment())
    }

    fn probe(&self, view: &View<'_>, wanted: &mut ProbeSet) {
        wanted.ask::<Passwd>(self.user.clone());
        let home = match view.get::<Passwd>(&self.user) {
            Ok(Some(account)) => self.home(account),
            Ok(None) | Err(_) => self.guess(),
        };
        if let Some(paths) = home.as_ref().and_then(Self::paths) {
            paths.probe(wanted);
        }
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        let Some(account) = view.get::<Passwd>(&self.user)? else {
            if self.ensure == Ensure::Absent {
                return Ok(Decision::Unchanged);
            }
            let user = &self.user;
            return Err(ActionError::new(format!("there is no user `{user}` on the node"))
                .help(format!("create it in an earlier step: {{ user = \"{user}\" }}")));
        };
        let paths = self.home(account).as_ref().and_then(Self::paths).ok_or_else(|| {
            ActionError::new(format!("the user {} has no home directory", self.user))
        })?;
        let found = Found {
            account,
            home: view.get::<Stat>(&paths.home)?.as_ref(),
            folder: view.get::<Stat>(&paths.folder)?.as_ref(),
            entry: view.get::<Stat>(&paths.file)?.as_ref(),
            seen: view.get::<FileContent>(&paths.file)?,
            paths: &paths,
        };
        self.decide_from(&found, view.mode())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{account, entry, outcome};
    use super::*;

    #[test]
    fn decision_table() {
        let key = AuthorizedKey::new("app", "ssh-rsa AAAAX me").unwrap();
        let absent = key.clone().absent();
        let paths = AuthorizedKey::paths(&"/home/app".parse().unwrap()).unwrap();
        let folder = Some(entry(EntryKind::Directory, 0o755));
        let file = Some(entry(EntryKind::File, 0o600));
        let text = |text: &str| Seen::Text(text.into());
        let cases = [
            (&key, &folder, &file, text("ssh-rsa AAAAX me\n"), "unchanged"),
            (&key, &folder, &file, text("ssh-rsa AAAAY me\n"), "key added"),
            (&key, &folder, &file, text("ssh-rsa AAAAX you\n"), "options or comment differ"),
            (&key, &folder, &None, Seen::Nothing, "key added"),
            (&key, &None, &None, Seen::Nothing, "key added"),
            (&key, &file, &None, Seen::Nothing, "error: /home/app/.ssh is a file, not a directory"),
            (
                &key,
                &folder,
                &file,
                Seen::Binary,
                "error: /home/app/.ssh/authorized_keys is no text that can be edited",
            ),
            (&absent, &None, &None, Seen::Nothing, "unchanged"),
            (&absent, &folder, &file, text("no-pty ssh-rsa AAAAX\n"), "key removed"),
        ];
        let home = entry(EntryKind::Directory, 0o755);
        for (action, folder, file, seen, expected) in &cases {
            let found = Found {
                paths: &paths,
                account: &Account::default(),
                home: Some(&home),
                folder: folder.as_ref(),
                entry: file.as_ref(),
                seen,
            };
            assert_eq!(outcome(action.decide_from(&found, Mode::Apply)), *expected, "{found:?}");
            if folder.is_none() {
                let homeless = Found { home: None, ..found };
                let told = outcome(action.decide_from(&homeless, Mode::Apply));
                assert!(told.starts_with("error: there is no home") || told == "unchanged");
            }
        }
    }

    #[test]
    fn guesses() {
        let guess = |name: &str| {
            AuthorizedKey {
                user: account(name),
                ..AuthorizedKey::new("a", "ssh-rsa AAAA").unwrap()
            }
            .guess()
            .map(|path| path.to_string())
        };
        assert_eq!(guess("root").as_deref(), Some("/root"));
        assert_eq!(guess("deploy").as_deref(), Some("/home/deploy"));
    }
}
