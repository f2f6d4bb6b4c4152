//! Cases: small files that say what one step does to a node in some state.
//!
//! `tests/cases/ACTION/CASE.toml`:
//!
//! ```toml
//! step   = { directory = { path = "/t/app", owner = "mail", mode = "0750" } }
//! before = "mkdir /t/app"                 # shell code, as root, with an empty /t
//! report = "owner root → mail; mode 0755 → 0750"
//! after  = "stat -c '%U %a' /t/app"       # shell code that shows how it is afterwards …
//! prints = "mail 750"                     # … and what it prints
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pallet_core::action::ActionBox;
use pallet_core::spec::{Origin, Step, StepKind};
use serde::Deserialize;
use toml::de::{DeTable, DeValue};

/// One case, as it stands in its file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Case {
    /// The step, read once more from the text: places of mistakes are known then.
    #[allow(dead_code, reason = "it has to be there")]
    step: toml::Table,
    /// On which kinds of nodes it runs. Default: plain ones of both releases.
    #[serde(default = "Release::all")]
    pub nodes: Vec<Release>,
    /// As whom the step runs. Default: root.
    pub as_user: Option<String>,
    /// Files that there are before.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// Shell code that makes the state before.
    #[serde(default)]
    pub before: String,
    /// What the run reports: `unchanged`, or the details; `*` stands for anything.
    pub report: Option<String>,
    /// What the preview says, where that is something else.
    pub check: Option<String>,
    /// A part of the difference that the preview shows.
    pub diff: Option<String>,
    /// In place of `report`: a part of the message, or of the output, with which it fails.
    pub fails: Option<String>,
    /// What the second run reports. Default: `unchanged`.
    pub again: Option<String>,
    /// Files that there are afterwards, with all that is in them.
    #[serde(default)]
    pub left: BTreeMap<String, String>,
    /// Shell code that looks at the state afterwards.
    #[serde(default)]
    pub after: String,
    /// What that prints.
    #[serde(default)]
    pub prints: String,
    /// Shell code that clears up outside of /t.
    #[serde(default)]
    pub clean: String,
    /// The file.
    #[serde(skip)]
    pub path: PathBuf,
    /// The text of the file.
    #[serde(skip)]
    text: String,
}

/// A kind of node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Release {
    /// Debian 12.
    Plain,
    /// Debian 12 with systemd.
    Systemd,
    /// Debian 13.
    Trixie,
}

impl Release {
    fn all() -> Vec<Self> {
        vec![Self::Plain, Self::Trixie]
    }
}

/// The folder of all cases.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

impl Case {
    /// All cases of an action, by name. There have to be some.
    pub fn of(action: &str) -> Vec<Self> {
        let folder = folder().join(action);
        let listing = std::fs::read_dir(&folder).unwrap_or_else(|error| {
            panic!("the action {action} has no cases: {}: {error}", folder.display())
        });
        let paths = listing.map(|entry| entry.unwrap().path());
        let mut paths: Vec<PathBuf> =
            paths.filter(|path| path.extension().is_some_and(|it| it == "toml")).collect();
        paths.sort();
        paths.iter().map(|path| Self::read(path, action)).collect()
    }

    /// The names of all folders of cases.
    pub fn folders() -> Vec<String> {
        let listing = std::fs::read_dir(folder()).unwrap();
        listing.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn read(path: &Path, action: &str) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let case: Self =
            toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let case = Self { path: path.to_owned(), text, ..case };
        assert_eq!(case.action().name(), action, "{}", path.display());
        let name = case.name();
        assert!(case.report.is_some() != case.fails.is_some(), "{name}: give report, or fails");
        assert!(case.after.is_empty() == case.prints.is_empty(), "{name}: after prints something");
        case
    }

    /// `directory/drift`.
    pub fn name(&self) -> String {
        let relative = self.path.strip_prefix(folder()).unwrap().with_extension("");
        relative.display().to_string()
    }

    fn action(&self) -> ActionBox {
        let document = DeTable::parse(&self.text).unwrap();
        let (_, step) =
            document.into_inner().into_iter().find(|(key, _)| key.get_ref() == "step").unwrap();
        let DeValue::Table(step) = step.into_inner() else { panic!("{}: no step", self.name()) };
        let (name, parameters) = step.into_iter().next().unwrap();
        let registry = pallet_crates::all();
        let action = registry
            .find_action(name.get_ref())
            .unwrap_or_else(|| panic!("{}: there is no such action", self.name()));
        action.read(parameters).unwrap_or_else(|error| panic!("{}: {error}", self.name()))
    }

    /// The step. Local files are relative to the file of the case.
    pub fn step(&self) -> Step {
        let origin = Origin { file: self.path.as_path().into(), line: 1, column: 1 };
        let step = Step::at(StepKind::Action(self.action()), origin);
        match &self.as_user {
            Some(user) => step.as_user(user),
            None => step,
        }
    }

    /// Shell code for the state before.
    pub fn preparation(&self) -> String {
        let mut script = "cd /\nset -e\nrm -rf /t\nmkdir /t\n".to_owned();
        for (path, content) in &self.files {
            let path = pallet_core::shell::quote(path);
            let content = pallet_core::shell::quote(content);
            script.push_str(&format!("printf %s {content} >{path}\n"));
        }
        script.push_str(&self.before);
        format!("( {script}\n) </dev/null >/dev/null")
    }
}

/// Whether `told` is what a pattern, in which `*` stands for anything, says.
pub fn fits(pattern: &str, told: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = told.strip_prefix(first) else { return false };
    let Some(last) = pieces.next_back() else { return rest.is_empty() };
    for piece in pieces {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Every action has several cases, and every folder is an action's: what cannot run here is read.
pub fn all() -> Vec<Case> {
    let registry = pallet_crates::all();
    let mut all = Vec::new();
    for (name, _) in registry.actions() {
        let cases = Case::of(name);
        assert!(cases.len() >= 2, "the action {name} has less than two cases");
        all.extend(cases);
    }
    for folder in Case::folders() {
        assert!(registry.find_action(&folder).is_some(), "cases/{folder} is no action's");
    }
    all
}
