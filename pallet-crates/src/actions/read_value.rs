//! The `read-value` action.

use pallet_core::action::{Action, ActionError, Decision, Preparation, ProbeSet, View};
use pallet_core::shell;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::probes::{Print, Printed, Reading};
use crate::values::RemotePath;

/// Reads a value from the node, for the steps that follow.
///
/// Templates see it as `values.NAME`, plan functions put it into the parameters of later actions
/// with `plan.placeholder("NAME")`, and see it as it is from the next phase on.
///
/// The value is the content of a `file`, or what a `script` prints, without the newlines at its
/// end. It has to be UTF-8. A script only looks: it runs in previews, too, and as often as it is
/// needed. If it ends with another status than 0, or the file is not there, the step fails, unless
/// there is a `default`.
///
/// ```
/// use pallet_crates::ReadValue;
/// let id = ReadValue::file("machine-id", "/etc/machine-id")?;
/// let release = ReadValue::script("release", "cat /opt/app/release").default("none");
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ReadValue {
    /// Under which name later steps find it.
    name: String,
    /// A script that prints it, and changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    script: Option<String>,
    /// The file that it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<RemotePath>,
    /// What it is if it cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    default: Option<String>,
}

impl ReadValue {
    /// The content of a file.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the path.
    pub fn file(name: impl Into<String>, path: &str) -> Result<Self, String> {
        let file = Some(path.parse()?);
        Ok(Self { name: name.into(), script: None, file, default: None })
    }

    /// What a script prints. It must not change anything.
    pub fn script(name: impl Into<String>, script: impl Into<String>) -> Self {
        Self { name: name.into(), script: Some(script.into()), file: None, default: None }
    }

    /// Gives the value that it has if it cannot be read.
    #[must_use]
    pub fn default(mut self, value: impl Into<String>) -> Self {
        self.default = Some(value.into());
        self
    }

    fn reading(&self) -> Reading {
        match &self.file {
            Some(file) => Reading {
                script: shell::command(["cat", "--", file.as_str()]),
                file: Some(file.as_str().to_owned()),
            },
            None => Reading { script: self.script.clone().unwrap_or_default(), file: None },
        }
    }

    fn read(&self, view: &View<'_>) -> Result<String, ActionError> {
        let Print { status, output } = view.get::<Printed>(&self.reading())?;
        let what = match &self.file {
            Some(file) => format!("{} cannot be read", file.as_str()),
            None => format!("the script ended with exit status {status}"),
        };
        let value = match status {
            0 => String::from_utf8(output.clone())
                .map_err(|_| ActionError::new(format!("the value `{}` is not UTF-8", self.name))),
            _ => Err(ActionError::new(format!("no value `{}`: {what}", self.name))
                .help("give a `default`, or see to it that it is there")),
        };
        match (value, &self.default) {
            (Ok(mut value), _) => {
                value.truncate(value.trim_end_matches(['\n', '\r']).len());
                Ok(value)
            }
            (Err(_), Some(default)) => Ok(default.clone()),
            (Err(error), None) => Err(error),
        }
    }
}

impl Action for ReadValue {
    const NAME: &'static str = "read-value";
    const SUMMARY: &'static str = "Reads a value from the node, for the steps that follow.";
    const EXAMPLE: &'static str =
        "{ read-value = { name = \"machine-id\", file = \"/etc/machine-id\" } }";

    fn subject(&self) -> String {
        self.name.clone()
    }

    fn prepare(&self, _context: &Preparation<'_>) -> Result<Option<Self>, ActionError> {
        let is_plain = |letter: char| letter.is_alphanumeric() || "-_".contains(letter);
        if self.name.is_empty() || !self.name.chars().all(is_plain) {
            return Err(ActionError::new(format!("`{}` cannot be a value's name", self.name))
                .help("use letters, digits, `-` and `_`"));
        }
        match (&self.script, &self.file) {
            (Some(_), None) | (None, Some(_)) => Ok(None),
            (None, None) => {
                Err(ActionError::new("it is not said what to read")
                    .help("give a `file` or a `script`"))
            }
            (Some(_), Some(_)) => Err(ActionError::new("a value is read from one place")
                .help("give either `file` or `script`")),
        }
    }

    fn probe(&self, _view: &View<'_>, wanted: &mut ProbeSet) {
        wanted.ask::<Printed>(self.reading());
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        self.read(view).map(|_| Decision::Unchanged)
    }

    fn value_name(&self) -> Option<&str> {
        Some(&self.name)
    }

    fn value(&self, view: &View<'_>) -> Result<String, ActionError> {
        self.read(view)
    }
}

#[cfg(test)]
mod tests {
    use pallet_core::action::Mode;
    use pallet_core::spec::Phase;

    use super::super::testing::engine;
    use super::*;
    use crate::{ExecScript, RemoteFile};

    /// Writes a file, reads it, and puts what was read into another one, by template and by
    /// placeholder.
    fn phase(folder: &std::path::Path) -> Phase {
        let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        std::fs::write(folder.join("t.hbs"), "{{values.id}} by template\n").unwrap();
        let placed = path("placed");
        Phase::new()
            .action(RemoteFile::new(&path("id")).unwrap().content("4711\n"))
            .action(ReadValue::file("id", &path("id")).unwrap())
            .action(RemoteFile::new(&path("templated")).unwrap().template(path("t.hbs")))
            .plan(move |plan| {
                let id = plan.placeholder("id")?;
                let file = RemoteFile::new(&placed).map_err(|error| plan.error(error))?;
                plan.action(file.content(format!("<{id}>")));
                Ok(())
            })
    }

    #[test]
    fn what_was_read_is_in_later_actions() {
        let folder = tempfile::tempdir().unwrap();
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        let created = "created with mode 0644";
        assert_eq!(
            engine(Mode::Apply, phase(folder.path())),
            [created, "unchanged", created, created]
        );
        assert_eq!(
            (read("templated").as_str(), read("placed").as_str()),
            ("4711 by template\n", "<4711>")
        );
        assert_eq!(engine(Mode::Apply, phase(folder.path())), ["unchanged"; 4]);
        assert_eq!(engine(Mode::Check, phase(folder.path())), ["unchanged"; 4]);

        // What it will be once the file is repaired is not known before that.
        std::fs::write(folder.path().join("id"), "1\n").unwrap();
        let told = engine(Mode::Check, phase(folder.path()));
        assert!(told[1].starts_with("may: "), "{told:?}");
        assert!(told[2].starts_with("may: ") && told[3].starts_with("may: "), "{told:?}");
        assert_eq!(read("placed"), "<4711>");
        let told = engine(Mode::Apply, phase(folder.path()));
        assert_eq!(told[1..], ["unchanged"; 3]);
    }

    #[test]
    fn what_cannot_be_read_fails_unless_there_is_a_default() {
        let told = |action: ReadValue| engine(Mode::Apply, Phase::new().action(action)).remove(0);
        assert_eq!(told(ReadValue::script("a", "echo 1; echo 2")), "unchanged");
        assert_eq!(told(ReadValue::script("a", "exit 7").default("x")), "unchanged");
        let failed = told(ReadValue::script("a", "exit 7"));
        assert!(failed.contains("no value `a`: the script ended with exit status 7"), "{failed}");
        let failed = told(ReadValue::script("a", "printf '\\377'"));
        assert!(failed.contains("is not UTF-8"), "{failed}");
        let failed = told(ReadValue::file("a", "/nowhere").unwrap());
        assert!(failed.contains("/nowhere cannot be read"), "{failed}");
    }

    #[test]
    fn what_depends_on_a_value_that_was_not_read_is_not_guessed() {
        let phase = Phase::new().plan(|plan| {
            let never = plan.action(ExecScript::new("true").unless("true"));
            plan.action_when_changed(&[&never], ReadValue::script("a", "echo 1"));
            let text = plan.placeholder("a")?;
            plan.action(ExecScript::new(format!("echo {text}")));
            Ok(())
        });
        let told = engine(Mode::Apply, phase);
        assert!(told[2].contains("the value `a` was not read"), "{told:?}");
    }
}
