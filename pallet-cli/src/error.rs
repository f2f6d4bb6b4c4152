//! Why a command did not do what it was asked for.

use std::collections::BTreeSet;

use pallet_core::document::{Diagnostic, Diagnostics};
use pallet_core::run::RunError;
use schemars::JsonSchema;
use serde::Serialize;

/// A command's error: what happened, and what to do about it.
#[derive(Debug)]
pub struct CliError {
    /// What kind of error it is; decides the exit code.
    pub kind: Kind,
    /// What happened.
    pub message: String,
    /// What to do about it.
    pub hints: Vec<String>,
    /// Mistakes in files, with their places; the message only sums them up.
    pub diagnostics: Vec<Diagnostic>,
}

/// Kinds of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The file or the arguments are wrong.
    Input,
    /// A service or this machine failed.
    Failed,
    /// Something would be destroyed, and nobody has said that it may be.
    Refused,
    /// The user or the system stopped it.
    Interrupted,
}

impl CliError {
    /// An error of a kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hints: Vec::new(), diagnostics: Vec::new() }
    }

    /// The file or the arguments are wrong.
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(Kind::Input, message)
    }

    /// Stopped before there was anything to tell.
    pub fn interrupted() -> Self {
        Self::new(Kind::Interrupted, "interrupted")
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The error for programs.
    pub fn json(&self) -> Written {
        let diagnostics = self.diagnostics.iter().map(|diagnostic| {
            let (line, column) = diagnostic.line_column();
            Place {
                file: diagnostic.file.to_string_lossy().into_owned(),
                line,
                column,
                message: diagnostic.message.clone(),
                help: diagnostic.help.clone(),
            }
        });
        Written {
            error: WrittenError {
                kind: self.kind,
                message: self.message.clone(),
                hints: self.hints.clone(),
                diagnostics: diagnostics.collect(),
            },
        }
    }
}

/// What programs read where a command could not do what it was asked for.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Written {
    error: WrittenError,
}

#[derive(Debug, Serialize, JsonSchema)]
struct WrittenError {
    kind: Kind,
    message: String,
    hints: Vec<String>,
    diagnostics: Vec<Place>,
}

/// A mistake in a file.
#[derive(Debug, Serialize, JsonSchema)]
struct Place {
    file: String,
    line: u32,
    column: u32,
    message: String,
    help: Option<String>,
}

impl From<Diagnostics> for CliError {
    fn from(Diagnostics { diagnostics }: Diagnostics) -> Self {
        let files: BTreeSet<String> =
            diagnostics.iter().map(|one| one.file.display().to_string()).collect();
        let files: Vec<String> = files.into_iter().collect();
        let message = match (diagnostics.len(), files.as_slice()) {
            (1, [file]) => format!("{file} has a mistake"),
            (count, [file]) => format!("{file} has {count} mistakes"),
            (count, files) => format!("{} have {count} mistakes", files.join(", ")),
        };
        Self { diagnostics, ..Self::input(message) }
    }
}

impl From<RunError> for CliError {
    fn from(error: RunError) -> Self {
        let kind = match &error {
            error if error.is_input() => Kind::Input,
            error if error.is_refusal() => Kind::Refused,
            _ => Kind::Failed,
        };
        let hints = error.help().into_iter().collect();
        let mut message = error.to_string();
        if let RunError::Moved { differences } = &error {
            for difference in differences {
                message += &format!("\n  {difference}");
            }
        }
        Self { hints, ..Self::new(kind, message) }
    }
}
