//! The `debconf` action.

use pallet_core::action::{
    Action, ActionError, Change, Decision, Fragment, Key, Preparation, ProbeSet, View,
};
use pallet_core::secret::MaybeSecret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::probes::{DebconfAnswer, Digest};
use crate::values::PackageName;

/// The answer to a question that a package of Debian asks when it is installed.
///
/// Give it before the step that installs the package: nobody is asked then. `debconf-show PACKAGE`
/// lists the questions of a package that is installed.
///
/// ```
/// use pallet_crates::Debconf;
/// let site = Debconf::new("postfix", "postfix/main_mailer_type", "Internet Site")?.kind("select");
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Debconf {
    /// The package.
    package: PackageName,
    /// The question: `tzdata/Areas`.
    question: String,
    /// The kind of the question: `string`, `boolean`, `select`, `multiselect`, `password` or
    /// `note`. Default: string.
    #[serde(default = "string", rename = "type")]
    kind: String,
    /// The answer, or the source of a secret one.
    value: MaybeSecret,
}

fn string() -> String {
    "string".to_owned()
}

const KINDS: [&str; 7] = ["string", "boolean", "select", "multiselect", "password", "note", "text"];

impl Debconf {
    /// An answer to a question of a package.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the package's name.
    pub fn new(
        package: &str,
        question: impl Into<String>,
        value: impl Into<MaybeSecret>,
    ) -> Result<Self, String> {
        let package = package.parse()?;
        Ok(Self { package, question: question.into(), kind: string(), value: value.into() })
    }

    /// Says what kind of question it is.
    #[must_use]
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.kind = kind.into();
        self
    }

    fn value(&self) -> Result<&str, ActionError> {
        self.value.reveal().map_err(|error| ActionError::new(error.to_string()))
    }

    fn decide_from(&self, found: Option<&Digest>) -> Result<Decision, ActionError> {
        let value = self.value()?;
        if found == Some(&Digest::of(value.as_bytes())) {
            return Ok(Decision::Unchanged);
        }
        let mut fragment = Fragment::new();
        let line = format!("{} {} {} {value}\n", self.package.name(), self.question, self.kind);
        let payload = fragment.payload(line);
        fragment.line(&format!("{payload} | debconf-set-selections"));
        let detail = if found.is_some() { "another answer" } else { "answered" };
        let change = Change::new(fragment, [Key::tree("/var/cache/debconf")]).detail(detail);
        let after = Some(Digest::of(value.as_bytes()));
        Ok(Decision::Change(change.predict::<DebconfAnswer>(self.question.clone(), after)))
    }
}

impl Action for Debconf {
    const NAME: &'static str = "debconf";
    const SUMMARY: &'static str = "The answer to a question that a package of Debian asks.";
    const EXAMPLE: &'static str = r#"{ debconf = { package = "postfix", question = "postfix/mailname", value = "example.com" } }"#;

    fn subject(&self) -> String {
        self.question.clone()
    }

    fn prepare(&self, context: &Preparation<'_>) -> Result<Option<Self>, ActionError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._+-".contains(&byte);
        if !self.question.contains('/') || !self.question.bytes().all(is_plain) {
            let question = self.question.escape_debug();
            return Err(ActionError::new(format!("`{question}` is no question"))
                .help("they look like tzdata/Areas: `debconf-show PACKAGE` lists them"));
        }
        if !KINDS.contains(&self.kind.as_str()) {
            let kind = self.kind.escape_debug();
            return Err(ActionError::new(format!("`{kind}` is no type of questions"))
                .help(format!("they are {}", KINDS.join(", "))));
        }
        let value = self.value()?;
        if value.contains(['\n', '\0']) || value.trim() != value {
            return Err(ActionError::new("`value` is not one line, or has spaces around it"));
        }
        let facts = context.facts;
        if !facts.os_families.is_empty() && !facts.is_of_family("debian") {
            return Err(ActionError::new(format!("{} asks no such questions", facts.os))
                .help("leave the step out there: only-on = { os-family = \"debian\" }"));
        }
        Ok(None)
    }

    fn probe(&self, _: &View<'_>, wanted: &mut ProbeSet) {
        wanted.ask::<DebconfAnswer>(self.question.clone());
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        self.decide_from(view.get::<DebconfAnswer>(&self.question)?.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use pallet_core::secret::Secret;

    use super::super::testing::{change, outcome};
    use super::*;

    #[test]
    fn decision_table() {
        let answer = Debconf::new("postfix", "postfix/mailname", "example.com").unwrap();
        let (same, other) = (Digest::of(b"example.com"), Digest::of(b"other"));
        for (found, expected) in
            [(None, "answered"), (Some(&same), "unchanged"), (Some(&other), "another answer")]
        {
            assert_eq!(outcome(answer.decide_from(found)), expected);
        }
    }

    #[test]
    fn answers_are_no_arguments_of_processes() {
        let answer = Debconf::new("x", "x/password", Secret::new("so secret")).unwrap();
        let change = change(answer.kind("password").decide_from(None));
        // `printf` is bash's own.
        let code = "printf %s 'x x/password password so secret\n' | debconf-set-selections\n";
        assert_eq!(change.fragment.code(), code);
    }
}
