//! Actions and crates: what they take.

use std::fmt::Write;

use pallet_core::action::ActionInfo;
use pallet_core::crates::CrateInfo;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::schema::{Parameter, parameters, prose, short_forms};
use crate::text::Paint;

/// An action, or a crate.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Explanation {
    name: String,
    summary: String,
    /// More about it, in paragraphs.
    documentation: String,
    /// What may be written in place of a table.
    short_forms: Vec<String>,
    /// What an action takes, or what can be set of a crate.
    parameters: Vec<Parameter>,
    /// A crate's phases.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    phases: Vec<String>,
    example: String,
    /// The parameters as a JSON schema.
    schema: Value,
}

/// Explains an action.
pub(super) fn explain(info: &ActionInfo) -> Explanation {
    Explanation {
        name: info.name.to_owned(),
        summary: info.summary.to_owned(),
        documentation: prose(&info.schema),
        short_forms: short_forms(&info.schema),
        parameters: parameters(&info.schema),
        phases: Vec::new(),
        example: info.example.to_owned(),
        schema: info.schema.clone(),
    }
}

/// Explains a crate.
pub(super) fn explain_crate(info: &CrateInfo) -> Explanation {
    Explanation {
        name: info.name.to_owned(),
        summary: info.summary.to_owned(),
        documentation: prose(&info.schema),
        short_forms: Vec::new(),
        parameters: parameters(&info.schema),
        phases: info.phases.clone(),
        example: info.example.trim_end().to_owned(),
        schema: info.schema.clone(),
    }
}

impl Explanation {
    /// For people.
    pub(super) fn text(&self, kind: &str, paint: Paint) -> String {
        let mut text = format!("{kind} {}\n{}\n", paint.bold(&self.name), self.summary);
        for paragraph in self.documentation.split("\n\n").filter(|it| !it.trim().is_empty()) {
            // The first one mostly says the same as the summary.
            if paragraph.trim() != self.summary {
                let _ = writeln!(text, "\n{}", paragraph.trim_end());
            }
        }
        let _ = writeln!(text, "\n{}", paint.bold("example"));
        for line in self.example.lines() {
            let _ = writeln!(text, "{}", format!("  {line}").trim_end());
        }
        if !self.phases.is_empty() {
            let _ = writeln!(text, "\n{}\n  {}", paint.bold("phases"), self.phases.join(", "));
        }
        if !self.short_forms.is_empty() {
            let forms = self.short_forms.join(", or ");
            let _ = writeln!(text, "\n{}\n  {forms}, in place of a table", paint.bold("short"));
        }
        if !self.parameters.is_empty() {
            let heading = if kind == "crate" { "settings" } else { "parameters" };
            let _ = writeln!(text, "\n{}", paint.bold(heading));
            for parameter in &self.parameters {
                text += &parameter.text(paint);
            }
        }
        text
    }
}
