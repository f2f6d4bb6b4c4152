//! An action: what it takes.

use std::fmt::Write;

use pallet_core::action::ActionInfo;
use serde::Serialize;
use serde_json::Value;

use super::schema::{Parameter, parameters, prose, short_forms};
use crate::text::Paint;

/// An action.
#[derive(Debug, Serialize)]
pub(super) struct Explanation {
    name: String,
    summary: String,
    /// More about it, in paragraphs.
    documentation: String,
    /// What may be written in place of a table.
    short_forms: Vec<String>,
    parameters: Vec<Parameter>,
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
        example: info.example.to_owned(),
        schema: info.schema.clone(),
    }
}

impl Explanation {
    /// For people.
    pub(super) fn text(&self, paint: Paint) -> String {
        let mut text = format!("action {}\n{}\n", paint.bold(&self.name), self.summary);
        for paragraph in self.documentation.split("\n\n").filter(|it| !it.trim().is_empty()) {
            // The first one mostly says the same as the summary.
            if paragraph.trim() != self.summary {
                let _ = writeln!(text, "\n{}", paragraph.trim_end());
            }
        }
        let _ = writeln!(text, "\n{}\n  {}", paint.bold("example"), self.example);
        if !self.short_forms.is_empty() {
            let forms = self.short_forms.join(", or ");
            let _ = writeln!(text, "\n{}\n  {forms}, in place of a table", paint.bold("short"));
        }
        if !self.parameters.is_empty() {
            let _ = writeln!(text, "\n{}", paint.bold("parameters"));
            for parameter in &self.parameters {
                text += &parameter.text(paint);
            }
        }
        text
    }
}
