//! The `mount` action.

use pallet_core::action::{
    Action, ActionError, Change, Decision, Fragment, Key, Mode, Preparation, ProbeKind, ProbeSet,
    View,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lines::Lines;
use super::whole_file::{WholeFile, check_kind};
use crate::probes::mounted::escape;
use crate::probes::{Entry, EntryKind, FileContent, Mounted, Seen, Stat};
use crate::values::{Ensure, RemotePath};

/// A file system that is mounted, now and after each start of the machine: a line of `/etc/fstab`.
///
/// The directory has to exist. A line for the same directory is replaced: with another device or
/// type the file system is mounted anew, with other options it is remounted. An absent one is
/// unmounted and its line removed.
///
/// ```
/// use pallet_crates::Mount;
/// let data = Mount::new("/srv/data", "UUID=7d3f-12ab", "ext4")?.options("noatime,nodev");
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Mount {
    /// Where it is mounted.
    path: RemotePath,
    /// What is mounted: a device, `UUID=…`, `host:/export`, or a name for the likes of tmpfs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    /// The type of the file system.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    /// Options, separated by commas. Default: defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    options: Option<String>,
    /// Whether it shall be mounted. Default: present.
    #[serde(default)]
    ensure: Ensure,
}

const FSTAB: &str = "/etc/fstab";

impl Mount {
    /// A file system that shall be mounted.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the path.
    pub fn new(
        path: &str,
        device: impl Into<String>,
        kind: impl Into<String>,
    ) -> Result<Self, String> {
        let (device, kind) = (Some(device.into()), Some(kind.into()));
        Ok(Self { device, kind, ensure: Ensure::Present, ..Self::absent(path)? })
    }

    /// A path at which nothing shall be mounted.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the path.
    pub fn absent(path: &str) -> Result<Self, String> {
        let (device, kind, options) = (None, None, None);
        Ok(Self { path: path.parse()?, device, kind, options, ensure: Ensure::Absent })
    }

    /// Sets the options, separated by commas.
    #[must_use]
    pub fn options(mut self, options: impl Into<String>) -> Self {
        self.options = Some(options.into());
        self
    }

    /// The line of fstab, if there shall be one.
    fn line(&self) -> Option<String> {
        let (device, kind) = (self.device.as_ref()?, self.kind.as_ref()?);
        let options = self.options.as_deref().unwrap_or("defaults");
        Some(format!("{} {} {kind} {options} 0 0", escape(device), escape(self.path.as_str())))
    }

    /// Whether a line of fstab is about the path.
    fn is_about(&self, line: &[u8]) -> bool {
        let place = escape(self.path.as_str());
        words(line).get(1).is_some_and(|word| *word == place)
    }

    fn decide_from(&self, found: &Found<'_>, mode: Mode) -> Result<Decision, ActionError> {
        check_kind(found.fstab, found.fstab_entry)?;
        let text: &[u8] = match (found.fstab_entry, found.seen) {
            (None, _) => b"",
            (Some(_), Seen::Text(text)) => text,
            (Some(_), _) => {
                return Err(ActionError::new(format!("{FSTAB} is no text that can be edited")));
            }
        };
        let mut lines = Lines::of(text);
        let before = lines.find(|line| self.is_about(line)).map(<[u8]>::to_vec);
        let mut details = Vec::new();
        let action = match self.line() {
            None => {
                lines.remove(|line| self.is_about(line));
                if before.is_some() {
                    details.push("removed from fstab");
                }
                found.is_mounted.then_some(("unmounted", Remedy::Unmount))
            }
            Some(line) => {
                self.check_directory(found)?;
                let is_same =
                    before.as_deref().is_some_and(|old| words(old) == words(line.as_bytes()));
                if !is_same {
                    if !lines.replace(line.as_bytes(), |line| self.is_about(line)) {
                        lines.push(line.as_bytes());
                    }
                    details.push(if before.is_some() {
                        "line of fstab differs"
                    } else {
                        "added to fstab"
                    });
                }
                let is_other = |old: &Vec<u8>| {
                    let (old, new) = (words(old), words(line.as_bytes()));
                    old.first() != new.first() || old.get(2) != new.get(2)
                };
                match (found.is_mounted, &before) {
                    (false, _) => Some(("mounted", Remedy::Mount)),
                    (true, Some(old)) if is_other(old) => Some(("mounted anew", Remedy::Anew)),
                    (true, Some(_)) if !is_same => Some(("remounted", Remedy::Remount)),
                    (true, _) => None,
                }
            }
        };
        let writes_fstab = !details.is_empty();
        details.extend(action.as_ref().map(|(detail, _)| *detail));
        if details.is_empty() {
            return Ok(Decision::Unchanged);
        }
        let mut fragment = Fragment::new();
        let bytes = lines.text();
        let also = vec![self.path.tree(), Mounted::key(&self.path)];
        let fstab = WholeFile { also: also.clone(), ..WholeFile::new(found.fstab, &bytes) };
        if writes_fstab {
            fstab.replace(&mut fragment, Default::default(), found.fstab_entry.is_some());
        }
        if let Some((_, remedy)) = action {
            remedy.carry_out(&mut fragment, self.path.as_str());
        }
        let details = details.into_iter().map(str::to_owned).collect();
        let seen = Some(found.seen).filter(|_| mode == Mode::Check && writes_fstab);
        let change = match writes_fstab {
            true => fstab.change(fragment, Default::default(), found.fstab_entry, seen, details),
            false => details.into_iter().fold(Change::new(fragment, also), Change::detail),
        };
        let is_mounted = self.ensure == Ensure::Present;
        Ok(Decision::Change(change.predict::<Mounted>(self.path.clone(), is_mounted)))
    }

    fn check_directory(&self, found: &Found<'_>) -> Result<(), ActionError> {
        let path = &self.path;
        match found.entry.map(|entry| entry.kind) {
            Some(EntryKind::Directory) => Ok(()),
            Some(kind) => {
                let what = kind.with_article();
                Err(ActionError::new(format!("nothing can be mounted at {path}: it is {what}")))
            }
            None => Err(ActionError::new(format!("there is no directory {path} to mount it at"))
                .help(format!("create it in an earlier step: {{ directory = \"{path}\" }}"))),
        }
    }
}

/// The words of a line of fstab; none of a comment.
fn words(line: &[u8]) -> Vec<String> {
    let line = String::from_utf8_lossy(line);
    match line.trim_start().starts_with('#') {
        true => Vec::new(),
        false => line.split_whitespace().map(str::to_owned).collect(),
    }
}

/// What is done about a mount, once fstab is right.
enum Remedy {
    Mount,
    Remount,
    Anew,
    Unmount,
}

impl Remedy {
    fn carry_out(&self, fragment: &mut Fragment, path: &str) {
        match self {
            Self::Mount => fragment.run(["mount", "--", path]),
            Self::Remount => fragment.run(["mount", "-o", "remount", "--", path]),
            Self::Anew => fragment.run(["umount", "--", path]).run(["mount", "--", path]),
            Self::Unmount => fragment.run(["umount", "--", path]),
        };
    }
}

/// What was found on the node.
#[derive(Debug)]
struct Found<'a> {
    fstab: &'a RemotePath,
    fstab_entry: Option<&'a Entry>,
    seen: &'a Seen,
    entry: Option<&'a Entry>,
    is_mounted: bool,
}

impl Action for Mount {
    const NAME: &'static str = "mount";
    const SUMMARY: &'static str = "A file system that is mounted, now and after each start.";
    const EXAMPLE: &'static str = r#"{ mount = { path = "/srv/data", device = "/dev/sdb1", type = "ext4", options = "noatime" } }"#;

    fn subject(&self) -> String {
        self.path.to_string()
    }

    fn prepare(&self, _: &Preparation<'_>) -> Result<Option<Self>, ActionError> {
        let given = [&self.device, &self.kind, &self.options];
        if self.path.parent().is_none() {
            return Err(ActionError::new("the root file system is mounted before anything else"));
        }
        if self.ensure == Ensure::Absent {
            return match given.iter().any(|text| text.is_some()) {
                true => Err(ActionError::new("a mount that shall be absent is not described")
                    .help("give the path alone, or remove ensure = \"absent\"")),
                false => Ok(None),
            };
        }
        if self.device.is_none() || self.kind.is_none() {
            return Err(ActionError::new("`device` and `type` are both needed"));
        }
        let is_odd = |text: &String| text.is_empty() || text.contains(char::is_control);
        let has_space =
            |text: &Option<String>| text.as_ref().is_some_and(|text| text.contains(' '));
        if given.into_iter().flatten().any(is_odd)
            || has_space(&self.kind)
            || has_space(&self.options)
        {
            return Err(ActionError::new(
                "`device`, `type` or `options` is empty or has a space or line break",
            ));
        }
        Ok(None)
    }

    fn may_write(&self) -> Vec<Key> {
        vec![self.path.tree(), Mounted::key(&self.path)]
    }

    fn probe(&self, _: &View<'_>, wanted: &mut ProbeSet) {
        wanted.ask::<Mounted>(self.path.clone());
        wanted.ask::<Stat>(self.path.clone());
        if let Ok(fstab) = FSTAB.parse::<RemotePath>() {
            wanted.ask::<Stat>(fstab.clone());
            wanted.ask::<FileContent>(fstab);
        }
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        let fstab: RemotePath = FSTAB.parse().map_err(|error: String| ActionError::new(error))?;
        let found = Found {
            fstab_entry: view.get::<Stat>(&fstab)?.as_ref(),
            seen: view.get::<FileContent>(&fstab)?,
            entry: view.get::<Stat>(&self.path)?.as_ref(),
            is_mounted: *view.get::<Mounted>(&self.path)?,
            fstab: &fstab,
        };
        self.decide_from(&found, view.mode())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{change, entry, outcome};
    use super::*;

    #[test]
    fn decision_table() {
        let mount = Mount::new("/srv/a b", "/dev/sdb1", "ext4").unwrap();
        let absent = Mount::absent("/srv/a b").unwrap();
        let line = "/dev/sdb1 /srv/a\\040b ext4 defaults 0 0\n";
        assert_eq!(format!("{}\n", mount.line().unwrap()), line);
        let comment = format!("#{line}");
        let folder = Some(entry(EntryKind::Directory, 0o755));
        let cases = [
            (&mount, line, true, "unchanged"),
            (&mount, "/dev/sdb1\t/srv/a\\040b  ext4 defaults 0 0\n", true, "unchanged"),
            (&mount, line, false, "mounted"),
            (&mount, &comment, false, "added to fstab; mounted"),
            (&mount, "", true, "added to fstab"),
            (
                &mount,
                "/dev/sdb1 /srv/a\\040b ext4 noatime 0 0\n",
                true,
                "line of fstab differs; remounted",
            ),
            (
                &mount,
                "/dev/sdc1 /srv/a\\040b ext4 defaults 0 0\n",
                true,
                "line of fstab differs; mounted anew",
            ),
            (&absent, line, true, "removed from fstab; unmounted"),
            (&absent, line, false, "removed from fstab"),
            (&absent, &comment, false, "unchanged"),
        ];
        let fstab = FSTAB.parse().unwrap();
        let file = entry(EntryKind::File, 0o644);
        let found = |text: &str, is_mounted| (Seen::Text(text.into()), is_mounted);
        for (mount, text, is_mounted, expected) in cases {
            let (seen, is_mounted) = found(text, is_mounted);
            let found = Found {
                fstab: &fstab,
                fstab_entry: Some(&file),
                seen: &seen,
                entry: folder.as_ref(),
                is_mounted,
            };
            assert_eq!(outcome(mount.decide_from(&found, Mode::Apply)), expected, "{text}");
            if expected.ends_with("anew") {
                let code =
                    change(mount.decide_from(&found, Mode::Apply)).fragment.code().to_owned();
                assert!(code.ends_with("umount -- '/srv/a b'\nmount -- '/srv/a b'\n"), "{code}");
            }
            let homeless = outcome(mount.decide_from(&Found { entry: None, ..found }, Mode::Apply));
            let is_refused = homeless.starts_with("error: there is no directory /srv/a b");
            assert_eq!(is_refused, mount.ensure == Ensure::Present, "{homeless}");
        }
    }
}
