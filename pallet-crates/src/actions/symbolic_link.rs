//! The `symbolic-link` action.

use pallet_core::action::{
    Action, ActionError, Change, Decision, Fragment, Key, Preparation, ProbeSet, View,
};
use pallet_core::shell;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::attributes::{Attributes, Ids};
use super::whole_file::check_parent;
use crate::probes::{Entry, EntryKind, LinkTarget, Stat};
use crate::values::{Ensure, FileMode, RemotePath};

/// A symbolic link.
///
/// The target is written into the link as it is given, be it absolute or relative to the link's
/// directory, and whether anything is there or not. A link that leads elsewhere is replaced at
/// once: there is no moment without one. A file in its place is an error unless `force` allows to
/// replace it; a directory always is.
///
/// ```
/// use pallet_crates::SymbolicLink;
/// let current = SymbolicLink::new("/opt/app/current", "releases/7")?;
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SymbolicLink {
    /// Where the link is.
    path: RemotePath,
    /// Where it leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    /// Whether a file in the link's place is replaced. Default: false.
    #[serde(default)]
    force: bool,
    /// Whether the link shall be there. Default: present.
    #[serde(default)]
    ensure: Ensure,
}

impl SymbolicLink {
    /// A link at `path` that leads to `target`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the path.
    pub fn new(path: &str, target: impl Into<String>) -> Result<Self, String> {
        Ok(Self {
            path: path.parse()?,
            target: Some(target.into()),
            force: false,
            ensure: Ensure::Present,
        })
    }

    /// A link that shall not be there, wherever it leads.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the path.
    pub fn absent(path: &str) -> Result<Self, String> {
        Ok(Self { path: path.parse()?, target: None, force: false, ensure: Ensure::Absent })
    }

    /// Lets the link replace a file.
    #[must_use]
    pub fn force(mut self) -> Self {
        self.force = true;
        self
    }

    fn decide_from(&self, found: &Found<'_>) -> Result<Decision, ActionError> {
        let kind = found.entry.map(|entry| entry.kind);
        match (&self.target, kind) {
            (None, None) => return Ok(Decision::Unchanged),
            (_, None | Some(EntryKind::Link)) => {}
            (Some(_), Some(EntryKind::File)) if self.force => {}
            (_, Some(kind)) => {
                let what = kind.with_article();
                let error =
                    ActionError::new(format!("{} is {what}, not a symbolic link", self.path));
                return Err(match kind {
                    EntryKind::File if self.target.is_some() => {
                        error.help("remove it, or let the link replace it with force = true")
                    }
                    _ => error.help("remove it, or choose another path"),
                });
            }
        }
        let Some(target) = &self.target else { return Ok(Decision::Change(self.remove())) };
        check_parent(&self.path, found.parent)?;
        let detail = match (kind, found.target) {
            (None, _) => format!("created, leads to {target}"),
            (Some(_), Some(before)) if before == target => return Ok(Decision::Unchanged),
            (Some(_), Some(before)) => format!("leads to {before} → {target}"),
            (Some(_), None) => format!("replaces a file, leads to {target}"),
        };
        Ok(Decision::Change(self.link(target, kind.is_some()).detail(detail)))
    }

    fn link(&self, target: &str, replaces: bool) -> Change {
        let path = self.path.as_str();
        let mut fragment = Fragment::new();
        if replaces {
            let new = fragment.temporary_beside(path);
            fragment.line(&format!("ln -sT -- {} {new}", shell::quote(target)));
            fragment.last(&format!("mv -fT -- {new} {}", shell::quote(path)));
        } else {
            fragment.last(&shell::command(["ln", "-sT", "--", target, path]));
        }
        fragment.brief();
        let nobody = Attributes { owner: None, group: None, mode: None };
        let mode = FileMode::from_bits(0o777);
        let entry = nobody.entry(EntryKind::Link, mode, Ids::default(), None);
        // What is found below the path is now found elsewhere.
        Change::new(fragment, [self.path.tree()])
            .predict::<Stat>(self.path.clone(), Some(entry))
            .predict::<LinkTarget>(self.path.clone(), Some(target.to_owned()))
    }

    fn remove(&self) -> Change {
        let mut fragment = Fragment::new();
        fragment.run(["rm", "-f", "--", self.path.as_str()]).brief();
        Change::new(fragment, [self.path.tree()])
            .detail("removed")
            .predict::<Stat>(self.path.clone(), None)
            .predict::<LinkTarget>(self.path.clone(), None)
    }
}

/// What was found on the node.
#[derive(Debug, Default)]
struct Found<'a> {
    parent: Option<&'a Entry>,
    entry: Option<&'a Entry>,
    target: Option<&'a String>,
}

impl Action for SymbolicLink {
    const NAME: &'static str = "symbolic-link";
    const SUMMARY: &'static str = "A symbolic link.";
    const EXAMPLE: &'static str =
        r#"{ symbolic-link = { path = "/opt/app/current", target = "/opt/app/releases/7" } }"#;

    fn subject(&self) -> String {
        self.path.to_string()
    }

    fn prepare(&self, _: &Preparation<'_>) -> Result<Option<Self>, ActionError> {
        if self.path.parent().is_none() {
            return Err(ActionError::new("/ is a directory, not a symbolic link"));
        }
        match (self.ensure, &self.target) {
            (Ensure::Present, None) => {
                Err(ActionError::new("the link leads nowhere")
                    .help("say with `target` where it leads"))
            }
            (Ensure::Present, Some(target)) if target.is_empty() || target.contains('\0') => Err(
                ActionError::new("`target` is empty or contains a NUL byte: no link can hold it"),
            ),
            (Ensure::Absent, target) if target.is_some() || self.force => {
                Err(ActionError::new("a link that shall be absent has no `target` and no `force`")
                    .help("remove them, or remove ensure = \"absent\""))
            }
            _ => Ok(None),
        }
    }

    fn may_write(&self) -> Vec<Key> {
        vec![self.path.tree()]
    }

    fn probe(&self, _: &View<'_>, wanted: &mut ProbeSet) {
        wanted.ask::<Stat>(self.path.clone());
        if self.target.is_some() {
            wanted.ask::<LinkTarget>(self.path.clone());
            self.path.parent().into_iter().for_each(|parent| wanted.ask::<Stat>(parent));
        }
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        let mut found = Found { entry: view.get::<Stat>(&self.path)?.as_ref(), ..Found::default() };
        if self.target.is_some() {
            found.target = view.get::<LinkTarget>(&self.path)?.as_ref();
            if let Some(parent) = self.path.parent() {
                found.parent = view.get::<Stat>(&parent)?.as_ref();
            }
        }
        self.decide_from(&found)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::testing::{apply, check, entry, outcome};
    use super::*;
    use crate::probes::testing::Scratch;

    #[test]
    fn decision_table() {
        let link = SymbolicLink::new("/opt/x", "new").unwrap();
        let force = link.clone().force();
        let absent = SymbolicLink::absent("/opt/x").unwrap();
        let a_link = Some(entry(EntryKind::Link, 0o777));
        let file = Some(entry(EntryKind::File, 0o644));
        let folder = Some(entry(EntryKind::Directory, 0o755));
        let (old, new) = ("old".to_owned(), "new".to_owned());
        let cases = [
            (&link, &folder, &None, None, "created, leads to new"),
            (&link, &folder, &a_link, Some(&new), "unchanged"),
            (&link, &folder, &a_link, Some(&old), "leads to old → new"),
            (&link, &folder, &file, None, "error: /opt/x is a file, not a symbolic link"),
            (
                &link,
                &None,
                &None,
                None,
                "error: /opt/x cannot be written: there is no directory /opt",
            ),
            (&force, &folder, &file, None, "replaces a file, leads to new"),
            (&force, &folder, &folder, None, "error: /opt/x is a directory, not a symbolic link"),
            (&absent, &None, &None, None, "unchanged"),
            (&absent, &None, &a_link, None, "removed"),
            (&absent, &None, &file, None, "error: /opt/x is a file, not a symbolic link"),
        ];
        for (link, parent, entry, target, expected) in cases {
            let found = Found { parent: parent.as_ref(), entry: entry.as_ref(), target };
            assert_eq!(outcome(link.decide_from(&found)), expected, "{link:?} {found:?}");
        }
    }

    #[test]
    fn links_with_hostile_names_lead_where_they_shall() {
        let scratch = Scratch::new();
        for name in Scratch::HOSTILE_NAMES {
            let path = scratch.path(name);
            for target in ["/nowhere", name] {
                let link = SymbolicLink::new(path.as_str(), target).unwrap();
                let expected = check(&link);
                assert!(expected.ends_with(target), "{expected}");
                assert_eq!(apply(&link), expected);
                assert_eq!(fs::read_link(path.as_str()).unwrap().to_str(), Some(target));
                assert_eq!(apply(&link), "unchanged");
            }
            let absent = SymbolicLink::absent(path.as_str()).unwrap();
            assert_eq!(
                (apply(&absent).as_str(), apply(&absent).as_str()),
                ("removed", "unchanged")
            );
        }
    }

    #[test]
    fn a_link_to_a_directory_is_replaced_and_not_entered() {
        let scratch = Scratch::new();
        let path = scratch.path("current");
        fs::create_dir(scratch.path("one").as_str()).unwrap();
        std::os::unix::fs::symlink("one", path.as_str()).unwrap();
        let link = SymbolicLink::new(path.as_str(), "two").unwrap();
        assert_eq!(apply(&link), "leads to one → two");
        assert_eq!(fs::read_link(path.as_str()).unwrap().to_str(), Some("two"));
        assert_eq!(fs::read_dir(scratch.path("one").as_str()).unwrap().count(), 0);
    }
}
