//! The `git` action.

use pallet_core::action::{
    Action, ActionError, Change, Decision, Fragment, Key, Preparation, ProbeSet, View,
};
use pallet_core::shell;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::whole_file::check_parent;
use crate::probes::git::{COMMAND, is_commit};
use crate::probes::{Checkout, CheckoutState, Git as GitProbe, Stat};
use crate::values::RemotePath;

/// A working copy of a git repository, at a branch, a tag or a commit.
///
/// The node fetches from the repository itself: with `as-user`, as that user and with that user's
/// keys. What is checked out is the commit that the name stands for at the time (git calls that a
/// detached head). Files that were changed by hand are an error unless `force` gives them up; files
/// that git does not know stay. Git has to be installed.
///
/// ```
/// use pallet_crates::Git;
/// let app = Git::new("/opt/app", "https://example.com/app.git")?.at("v1.2");
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Git {
    /// Where the working copy is; its parent directory has to exist.
    path: RemotePath,
    /// The address of the repository, as the node reaches it.
    repository: String,
    /// A branch, a tag, or a whole commit id. Default: main.
    #[serde(default = "main", rename = "ref")]
    reference: String,
    /// Whether changes made by hand are given up. Default: false.
    #[serde(default)]
    force: bool,
}

fn main() -> String {
    "main".to_owned()
}

impl Git {
    /// A working copy of the branch `main`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the path.
    pub fn new(path: &str, repository: impl Into<String>) -> Result<Self, String> {
        let repository = repository.into();
        Ok(Self { path: path.parse()?, repository, reference: main(), force: false })
    }

    /// Says which branch, tag or commit.
    #[must_use]
    pub fn at(mut self, reference: impl Into<String>) -> Self {
        self.reference = reference.into();
        self
    }

    /// Gives up changes made by hand.
    #[must_use]
    pub fn force(mut self) -> Self {
        self.force = true;
        self
    }

    fn question(&self) -> Checkout {
        Checkout {
            path: self.path.clone(),
            repository: self.repository.clone(),
            reference: self.reference.clone(),
        }
    }

    fn decide_from(&self, found: &CheckoutState, is_there: bool) -> Result<Decision, ActionError> {
        let path = &self.path;
        if !found.has_git {
            return Err(ActionError::new("the node has no git")
                .help("install it in an earlier step: { package = \"git\" }"));
        }
        let Some(wanted) = &found.wanted else {
            return Err(ActionError::new(format!(
                "{} has no branch or tag `{}`, or cannot be reached from the node",
                self.repository, self.reference
            ))
            .help("try on the node, as the step's user: git ls-remote"));
        };
        let is_copy = found.head.is_some() || found.origin.is_some();
        if is_there && !is_copy {
            return Err(ActionError::new(format!(
                "{path} is there, and is no working copy of git"
            ))
            .help("remove it, or choose another path"));
        }
        let mut details = Vec::new();
        if found.origin.as_ref().is_some_and(|origin| *origin != self.repository) {
            details.push(format!(
                "repository {} → {}",
                found.origin.as_deref().unwrap_or_default(),
                self.repository
            ));
        }
        match &found.head {
            _ if !is_copy => details.push(format!("cloned at {}", short(wanted))),
            Some(head) if head != wanted => {
                details.push(format!("{} → {}", short(head), short(wanted)))
            }
            Some(_) => {}
            None => details.push(format!("checked out at {}", short(wanted))),
        }
        if found.is_modified {
            if !self.force {
                return Err(ActionError::new(format!("files in {path} were changed by hand"))
                    .help("look at them with `git diff`, or give them up with force = true"));
            }
            details.push("changes made by hand given up".to_owned());
        }
        if details.is_empty() {
            return Ok(Decision::Unchanged);
        }
        let change = Change::new(self.fragment(wanted, is_copy), [path.tree()]);
        Ok(Decision::Change(details.into_iter().fold(change, Change::detail)))
    }

    fn fragment(&self, commit: &str, is_copy: bool) -> Fragment {
        let mut fragment = Fragment::new();
        let git = |words: &[&str]| {
            let words = ["-C", self.path.as_str()].into_iter().chain(words.iter().copied());
            format!("{COMMAND} {}", shell::command(words))
        };
        if is_copy {
            fragment.line(&git(&["config", "remote.origin.url", &self.repository]));
            fragment.line(&git(&["fetch", "-q", "--tags", "--force", "origin"]));
        } else {
            let words =
                ["clone", "-q", "--no-checkout", "--", &self.repository, self.path.as_str()];
            fragment.line(&format!("{COMMAND} {}", shell::command(words)));
        }
        let mut words = vec!["checkout", "-q", "--detach"];
        words.extend((self.force || !is_copy).then_some("--force"));
        words.push(commit);
        fragment.line(&git(&words));
        fragment
    }
}

/// As many digits of a commit as people read.
fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}

impl Action for Git {
    const NAME: &'static str = "git";
    const SUMMARY: &'static str = "A working copy of a git repository, at a branch, tag or commit.";
    const EXAMPLE: &'static str = r#"{ git = { path = "/opt/app", repository = "https://example.com/app.git", ref = "v1.2" } }"#;

    fn subject(&self) -> String {
        format!("{} at {}", self.path, self.reference)
    }

    fn prepare(&self, _: &Preparation<'_>) -> Result<Option<Self>, ActionError> {
        let is_odd = |text: &str| {
            text.is_empty() || text.starts_with('-') || text.contains(|c: char| c.is_control())
        };
        if is_odd(&self.repository) {
            return Err(ActionError::new("`repository` is no address of a repository"));
        }
        let is_hex = self.reference.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_odd(&self.reference) || self.reference.contains([' ', '*', '^', '~', ':', '?', '[']) {
            return Err(ActionError::new(format!(
                "`{}` is no branch, tag or commit",
                self.reference.escape_debug()
            )));
        }
        if is_hex && self.reference.len() > 6 && !is_commit(&self.reference) {
            return Err(ActionError::new(format!(
                "`{}` looks like a part of a commit id",
                self.reference
            ))
            .help("write the whole id of 40 digits: `git rev-parse` prints it"));
        }
        Ok(None)
    }

    fn may_write(&self) -> Vec<Key> {
        vec![self.path.tree()]
    }

    fn probe(&self, _: &View<'_>, wanted: &mut ProbeSet) {
        wanted.ask::<GitProbe>(self.question());
        wanted.ask::<Stat>(self.path.clone());
        self.path.parent().into_iter().for_each(|parent| wanted.ask::<Stat>(parent));
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        let found = view.get::<GitProbe>(&self.question())?;
        if let Some(parent) = self.path.parent() {
            check_parent(&self.path, view.get::<Stat>(&parent)?.as_ref())?;
        }
        self.decide_from(found, view.get::<Stat>(&self.path)?.is_some())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::super::testing::{apply, check, outcome};
    use super::*;
    use crate::probes::testing::Scratch;

    #[test]
    fn decision_table() {
        let git = Git::new("/opt/app", "url").unwrap();
        let state = |head: Option<&str>, origin: Option<&str>| CheckoutState {
            has_git: true,
            head: head.map(str::to_owned),
            origin: origin.map(str::to_owned),
            wanted: Some("new".to_owned()),
            is_modified: false,
        };
        let modified = CheckoutState { is_modified: true, ..state(Some("new"), Some("url")) };
        let lost = CheckoutState { wanted: None, ..state(None, None) };
        let cases = [
            (&git, state(None, None), false, "cloned at new"),
            (
                &git,
                state(None, None),
                true,
                "error: /opt/app is there, and is no working copy of git",
            ),
            (&git, state(Some("new"), Some("url")), true, "unchanged"),
            (&git, state(Some("old"), Some("other")), true, "repository other → url; old → new"),
            (&git, modified.clone(), true, "error: files in /opt/app were changed by hand"),
            (&git.clone().force(), modified, true, "changes made by hand given up"),
            (
                &git,
                lost,
                false,
                "error: url has no branch or tag `main`, or cannot be reached from the node",
            ),
            (&git, CheckoutState::default(), false, "error: the node has no git"),
        ];
        for (git, found, is_there, expected) in cases {
            assert_eq!(outcome(git.decide_from(&found, is_there)), expected, "{found:?}");
        }
    }

    #[test]
    fn working_copies_follow_branches_and_tags() {
        let scratch = Scratch::new();
        let origin = scratch.path("it's origin");
        let git = |words: &[&str]| {
            let identity = ["-c", "user.name=t", "-c", "user.email=t@t", "-C", origin.as_str()];
            let output = Command::new("git").args(identity).args(words).output().unwrap();
            assert!(output.status.success(), "{words:?}: {output:?}");
        };
        let commit = |content: &str| {
            fs::write(format!("{origin}/file"), content).unwrap();
            git(&["add", "file"]);
            git(&["commit", "-q", "-m", content]);
        };
        fs::create_dir(origin.as_str()).unwrap();
        git(&["init", "-q", "-b", "main"]);
        commit("one");
        git(&["tag", "-a", "v1", "-m", "v1"]);
        let path = scratch.path("working copy");
        let copy = Git::new(path.as_str(), origin.as_str()).unwrap();
        let content = || fs::read_to_string(format!("{path}/file")).unwrap();

        let told = check(&copy);
        assert!(told.starts_with("cloned at "), "{told}");
        assert_eq!((apply(&copy), apply(&copy)), (told, "unchanged".to_owned()));
        commit("two");
        assert!(apply(&copy).contains(" → "));
        assert_eq!(content(), "two");
        assert!(apply(&copy.clone().at("v1")).contains(" → "));
        assert_eq!(
            (apply(&copy.clone().at("v1")).as_str(), content().as_str()),
            ("unchanged", "one")
        );

        fs::write(format!("{path}/file"), "by hand").unwrap();
        assert!(apply(&copy).contains("were changed by hand"));
        assert_eq!(content(), "by hand");
        assert!(apply(&copy.clone().force()).ends_with("changes made by hand given up"));
        assert_eq!(content(), "two");
        assert!(apply(&copy.at("gone")).contains("no branch or tag `gone`"));
    }
}
