//! The `exec-script` action.

use std::collections::BTreeMap;

use pallet_core::action::{
    Action, ActionError, Certainty, Change, Decision, Fragment, Key, Mode, Preparation, ProbeSet,
    View,
};
use pallet_core::secret::{MaybeSecret, Secret};
use pallet_core::shell;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::CLOSE_THE_REST;
use crate::probes::{Guard, Hidden, Question, Stat};
use crate::values::RemotePath;
use crate::values::shorthand::{Shorthand, or_string, shorthand_serde};

/// A bash script that runs on the node.
///
/// It runs each time, and counts as a change, unless one of its conditions says that it is not
/// needed: `creates` (this path exists), `unless` (this script ends with status 0), `only-if`
/// (this script ends with another status). It fails if its last command does; begin it with
/// `set -e` to stop at the first.
///
/// With `interpreter` it is a script for that program, and no bash. Its variables are then in the
/// environment that the program is started with.
///
/// After a script anything may be different, so everything that follows is looked at again; say
/// with `affects` what it can change, and only that is. To show what a run would do, `unless` and
/// `only-if` are tried only if `read-only-guards` says that they change nothing. Where they look at
/// one place alone, `guards-read` spares trying them again after every change elsewhere.
///
/// ```
/// use pallet_crates::ExecScript;
/// let index = ExecScript::new("cd /opt/app && ./build-index > index.db")
///     .creates("/opt/app/index.db")?
///     .affects("/opt/app")?;
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(remote = "Self", deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "ExecScript", transform = or_string)]
pub struct ExecScript {
    /// The script.
    script: String,
    /// Variables that are set for the script and its conditions, and exported: texts, or sources of
    /// secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    env: BTreeMap<String, MaybeSecret>,
    /// The program that runs the script, and its options: `/usr/bin/python3 -u`. Default: bash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    interpreter: Option<String>,
    /// How reports call it. Default: its first line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// A path that the script creates: it runs only if nothing is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    creates: Option<RemotePath>,
    /// A script: if it ends with status 0, nothing has to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unless: Option<String>,
    /// A script: unless it ends with status 0, nothing has to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    only_if: Option<String>,
    /// Whether `unless` and `only-if` change nothing, so that they may run when changes are only
    /// shown. Default: false.
    #[serde(default)]
    read_only_guards: bool,
    /// The directory or file that `unless` and `only-if` look at, if they look at nothing else:
    /// then what earlier steps do elsewhere does not matter to them. Default: anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    guards_read: Option<RemotePath>,
    /// All directories and files that the script may change. Default: anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    affects: Option<Vec<RemotePath>>,
    /// The code that sets the variables, once their values are known.
    #[serde(skip)]
    exports: Option<Secret>,
    /// Whether it stops at the first command that fails.
    #[serde(skip)]
    is_checked: bool,
}

shorthand_serde!(ExecScript);

impl Shorthand for ExecScript {
    const EXPECTING: &'static str = "a script, or a table with script and more";

    fn from_table<'de, D: Deserializer<'de>>(table: D) -> Result<Self, D::Error> {
        Self::deserialize(table)
    }

    fn from_text(script: &str) -> Result<Self, String> {
        Ok(Self::new(script))
    }
}

impl ExecScript {
    /// A script that runs each time.
    pub fn new(script: impl Into<String>) -> Self {
        Self {
            script: script.into(),
            env: BTreeMap::new(),
            interpreter: None,
            exports: None,
            is_checked: false,
            name: None,
            creates: None,
            unless: None,
            only_if: None,
            read_only_guards: false,
            guards_read: None,
            affects: None,
        }
    }

    /// Sets a variable for the script and its conditions.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<MaybeSecret>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// Says which program runs it.
    #[must_use]
    pub fn interpreter(mut self, program: impl Into<String>) -> Self {
        self.interpreter = Some(program.into());
        self
    }

    /// The same, stopping at the first command that fails.
    pub(super) fn checked(self) -> Self {
        Self { is_checked: true, ..self }
    }

    /// Says how reports call it.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Runs it only if nothing is at `path`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the path.
    pub fn creates(mut self, path: &str) -> Result<Self, String> {
        self.creates = Some(path.parse()?);
        Ok(self)
    }

    /// Runs it only if `script` does not end with status 0.
    #[must_use]
    pub fn unless(mut self, script: impl Into<String>) -> Self {
        self.unless = Some(script.into());
        self
    }

    /// Runs it only if `script` ends with status 0.
    #[must_use]
    pub fn only_if(mut self, script: impl Into<String>) -> Self {
        self.only_if = Some(script.into());
        self
    }

    /// Says that `unless` and `only-if` change nothing.
    #[must_use]
    pub fn read_only_guards(mut self) -> Self {
        self.read_only_guards = true;
        self
    }

    /// Says that `unless` and `only-if` look at nothing but what is at or below `path`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the path.
    pub fn guards_read(mut self, path: &str) -> Result<Self, String> {
        self.guards_read = Some(path.parse()?);
        Ok(self)
    }

    /// Says that it changes nothing but what is at or below `path`; may be given several times.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the path.
    pub fn affects(mut self, path: &str) -> Result<Self, String> {
        self.affects.get_or_insert_default().push(path.parse()?);
        Ok(self)
    }

    fn question(&self, guard: &str) -> Question {
        Question {
            script: guard.to_owned(),
            below: self.guards_read.clone(),
            before: self.exports.clone().map(Hidden),
        }
    }

    fn exports(&self) -> Result<String, ActionError> {
        let mut code = String::new();
        for (name, value) in &self.env {
            if !is_variable(name) {
                return Err(ActionError::new(format!("`{name}` cannot be a variable's name"))
                    .help("use letters, digits and _, with no digit at the beginning"));
            }
            let value = value.reveal().map_err(|error| ActionError::new(error.to_string()))?;
            if value.contains('\0') {
                let message = format!("the value of `{name}` contains a NUL byte");
                return Err(ActionError::new(message));
            }
            code.push_str(&format!("export {name}={}; ", shell::quote(value)));
        }
        Ok(code)
    }

    pub(super) fn has_interpreter(&self) -> bool {
        self.interpreter.is_some()
    }

    fn has_guards(&self) -> bool {
        self.unless.is_some() || self.only_if.is_some()
    }

    fn may_try_guards(&self, mode: Mode) -> bool {
        mode == Mode::Apply || self.read_only_guards
    }

    fn decide_from(&self, found: &Found) -> Decision {
        if found.is_created == Some(true)
            || found.unless == Some(true)
            || found.only_if == Some(false)
        {
            return Decision::Unchanged;
        }
        let mut change = Change::new(self.fragment(), self.writes());
        if self.has_guards() && !found.tried_guards {
            change.certainty = Certainty::May(
                "its conditions run only when changes are made, unless read-only-guards = true \
                 says that they change nothing"
                    .to_owned(),
            );
        }
        let mut because = Vec::new();
        if let Some(path) = &self.creates {
            because.push(format!("{path} is missing"));
        }
        if found.unless == Some(false) {
            because.push("`unless` does not hold".to_owned());
        }
        if found.only_if == Some(true) {
            because.push("`only-if` holds".to_owned());
        }
        Decision::Change(if because.is_empty() && !self.has_guards() {
            change.detail("runs each time")
        } else {
            because.into_iter().fold(change, Change::detail)
        })
    }

    fn writes(&self) -> Vec<Key> {
        match &self.affects {
            None => vec![Key::Everything],
            Some(paths) => paths.iter().chain(&self.creates).map(RemotePath::tree).collect(),
        }
    }

    /// The script goes through a private file: on a command line other users could read it.
    fn fragment(&self) -> Fragment {
        let mut fragment = Fragment::new();
        let exports = self.exports.as_ref().and_then(|exports| exports.reveal().ok());
        let exports = exports.unwrap_or_default();
        fragment.line("folder=$(mktemp -d)");
        fragment.line("trap 'rm -rf -- \"$folder\"' EXIT");
        match &self.interpreter {
            None => {
                // The variables are set by the script itself, on its first line: a process that is
                // started with them would show them to whoever may look at it.
                let check = if self.is_checked { CHECK } else { "" };
                let script = format!("{exports}{check}{}", self.script);
                let payload = fragment.payload(script.as_bytes());
                fragment.line(&format!("{payload} > \"$folder/script\""));
                fragment.line(&format!("bash -- \"$folder/script\" {CLOSE_THE_REST}"));
            }
            Some(interpreter) => {
                let payload = fragment.payload(exports.as_bytes());
                fragment.line(&format!("{payload} > \"$folder/variables\""));
                let payload = fragment.payload(self.script.as_bytes());
                fragment.line(&format!("{payload} > \"$folder/script\""));
                let program = shell::command(interpreter.split_whitespace());
                fragment.line(&format!(
                    "( . \"$folder/variables\"; {program} \"$folder/script\" {CLOSE_THE_REST} )"
                ));
            }
        }
        fragment
    }
}

/// Stops a script at the first command that fails, and says which one that was.
const CHECK: &str = "set -eEuo pipefail; trap 'pallet_status=$?; echo \"line $LINENO failed with \
    status $pallet_status: $BASH_COMMAND\" >&2' ERR; ";

/// What was found on the node; `None` where it was not asked.
#[derive(Debug, Default)]
struct Found {
    is_created: Option<bool>,
    unless: Option<bool>,
    only_if: Option<bool>,
    tried_guards: bool,
}

fn is_variable(name: &str) -> bool {
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A line of at most 60 characters that tells what a script does.
fn first_line(script: &str) -> String {
    let is_code =
        |line: &&str| !line.is_empty() && !line.starts_with('#') && !line.starts_with("set ");
    let line = script.lines().map(str::trim).find(is_code).unwrap_or("(empty)");
    let mut short: String = line.chars().take(60).collect();
    if short.len() < line.len() {
        short.push('…');
    }
    short
}

/// bash runs every script, so a first line that says something else would be ignored.
fn check_interpreter(script: &str) -> Result<(), ActionError> {
    let first = script.lines().next().unwrap_or_default();
    let Some(line) = first.strip_prefix("#!") else { return Ok(()) };
    let (options, words): (Vec<&str>, Vec<&str>) = line
        .split_whitespace()
        .filter(|word| *word != "-S")
        .partition(|word| word.starts_with('-'));
    let program = words.last().and_then(|word| word.rsplit('/').next()).unwrap_or_default();
    if !["sh", "bash", "dash"].contains(&program) {
        return Err(ActionError::new(format!("the script is for `{program}`, but bash runs it"))
            .help("name it: interpreter = \"/usr/bin/python3\""));
    }
    if !options.is_empty() {
        let options = options.join(" ");
        return Err(ActionError::new(format!(
            "`{options}` in the first line would have no effect"
        ))
        .help(format!("write `set {options}` as a line of its own")));
    }
    Ok(())
}

impl Action for ExecScript {
    const NAME: &'static str = "exec-script";
    const SUMMARY: &'static str = "A bash script, each time or when a condition asks for it.";
    const EXAMPLE: &'static str = r#"{ exec-script = { script = "date > /opt/app/installed", creates = "/opt/app/installed", affects = ["/opt/app"] } }"#;

    fn subject(&self) -> String {
        self.name.clone().unwrap_or_else(|| first_line(&self.script))
    }

    fn prepare(&self, _: &Preparation<'_>) -> Result<Option<Self>, ActionError> {
        if self.script.trim().is_empty() {
            return Err(ActionError::new("the script is empty"));
        }
        let texts = [Some(&self.script), self.unless.as_ref(), self.only_if.as_ref()];
        if texts.into_iter().flatten().any(|text| text.contains('\0')) {
            return Err(ActionError::new(
                "the script contains a NUL byte, at which bash would stop",
            ));
        }
        if self.read_only_guards && !self.has_guards() {
            return Err(ActionError::new("`read-only-guards` without `unless` or `only-if`")
                .help("remove it, or add the condition that was meant"));
        }
        if self.guards_read.is_some() && !self.has_guards() {
            return Err(ActionError::new("`guards-read` without `unless` or `only-if`")
                .help("remove it, or add the condition that was meant"));
        }
        match &self.interpreter {
            None => check_interpreter(&self.script)?,
            Some(program) if program.trim().is_empty() || program.contains('\0') => {
                return Err(ActionError::new("`interpreter` is no program")
                    .help("name it with its options: /usr/bin/python3 -u"));
            }
            Some(_) => {}
        }
        if self.env.is_empty() {
            return Ok(None);
        }
        let exports = Some(Secret::new(self.exports()?));
        Ok(Some(Self { exports, ..self.clone() }))
    }

    /// Its conditions say whether it is needed, not whether it came to its end.
    fn is_repeatable(&self) -> bool {
        false
    }

    fn may_write(&self) -> Vec<Key> {
        self.writes()
    }

    fn probe(&self, view: &View<'_>, wanted: &mut ProbeSet) {
        if let Some(path) = &self.creates {
            wanted.ask::<Stat>(path.clone());
        }
        if self.may_try_guards(view.mode()) {
            for guard in self.unless.iter().chain(&self.only_if) {
                wanted.ask::<Guard>(self.question(guard));
            }
        }
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        let mut found =
            Found { tried_guards: self.may_try_guards(view.mode()), ..Found::default() };
        if let Some(path) = &self.creates {
            found.is_created = Some(view.get::<Stat>(path)?.is_some());
        }
        if found.tried_guards {
            let ask = |guard: &String| view.get::<Guard>(&self.question(guard)).copied();
            found.unless = self.unless.as_ref().map(ask).transpose()?;
            found.only_if = self.only_if.as_ref().map(ask).transpose()?;
        }
        Ok(self.decide_from(&found))
    }
}

#[cfg(test)]
mod tests;
