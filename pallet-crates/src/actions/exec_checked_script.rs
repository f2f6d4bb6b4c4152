//! The `exec-checked-script` action.

use std::borrow::Cow;

use pallet_core::action::{Action, ActionError, Decision, Preparation, ProbeSet, View};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use super::ExecScript;

/// A bash script that stops at the first command that fails, and says which one that was.
///
/// It has all parameters of [`ExecScript`]. It runs with `set -eEuo pipefail`: a failing command, a
/// variable that is not set, and a failure within a pipe end it. `if`, `||` and `!` take failures
/// as they always do.
///
/// ```
/// use pallet_crates::{ExecCheckedScript, ExecScript};
/// let build = ExecScript::new("cd /opt/app\n./configure\nmake | tee log").creates("/opt/app/log")?;
/// let build = ExecCheckedScript::new(build);
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExecCheckedScript(ExecScript);

impl ExecCheckedScript {
    /// A script with its conditions.
    pub fn new(script: ExecScript) -> Self {
        Self(script)
    }
}

impl JsonSchema for ExecCheckedScript {
    fn schema_name() -> Cow<'static, str> {
        "ExecCheckedScript".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ExecScript::json_schema(generator)
    }
}

impl Action for ExecCheckedScript {
    const NAME: &'static str = "exec-checked-script";
    const SUMMARY: &'static str = "A bash script that stops at the first command that fails.";
    const EXAMPLE: &'static str = r#"{ exec-checked-script = { script = "cd /opt/app\n./configure\nmake", creates = "/opt/app/app" } }"#;

    fn subject(&self) -> String {
        self.0.subject()
    }

    fn prepare(&self, context: &Preparation<'_>) -> Result<Option<Self>, ActionError> {
        if self.0.has_interpreter() {
            return Err(ActionError::new("only bash can be told to stop at the first failure")
                .help("use exec-script for scripts of other programs"));
        }
        let prepared = self.0.prepare(context)?.unwrap_or_else(|| self.0.clone());
        Ok(Some(Self(prepared.checked())))
    }

    fn is_repeatable(&self) -> bool {
        self.0.is_repeatable()
    }

    fn probe(&self, view: &View<'_>, wanted: &mut ProbeSet) {
        self.0.probe(view, wanted);
    }

    fn decide(&self, view: &View<'_>) -> Result<Decision, ActionError> {
        self.0.decide(view)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::apply;
    use super::*;

    fn told(script: &str) -> String {
        apply(&ExecCheckedScript::new(ExecScript::new(script).env("GIVEN", "x y")))
    }

    #[test]
    fn the_first_failure_ends_it_and_is_named() {
        assert_eq!(
            told("false || true\n! false\nif false; then :; fi\n[ \"$GIVEN\" = 'x y' ]"),
            "runs each time"
        );
        let failed = told("true\nfalse\necho not here");
        assert!(failed.contains("line 2 failed with status 1: false"), "{failed}");
        assert!(!failed.contains("not here"), "{failed}");
        let piped = told("(exit 7) | cat");
        assert!(piped.contains("line 1 failed with status 7"), "{piped}");
        let inner = told("inner() {\n  ls /nowhere\n}\ninner");
        assert!(inner.contains("line 2 failed"), "{inner}");
        let unset = told("echo \"$NOT_GIVEN\"");
        assert!(unset.contains("NOT_GIVEN"), "{unset}");
    }
}
