//! The one place that writes: results to standard output, everything else to standard error.

use std::io::{IsTerminal, Write};

use pallet_core::secret::redact;
use schemars::JsonSchema;
use serde::Serialize;

use crate::args::{Color, Format};
use crate::error::CliError;
use crate::excerpt::{Look, excerpt};
use crate::screen::{self, Size};
use crate::text::{Paint, visible};

/// Where and how things are written.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    format: Format,
    /// How much is told, from 0.
    pub verbose: u8,
    /// Colours of standard output.
    pub out: Paint,
    /// Colours of standard error.
    pub err: Paint,
    look: Look,
    /// Whether each change is told when it is found; the result may tell of them all.
    pub tells_changes: bool,
}

impl Output {
    /// Looks at what the streams are.
    pub fn new(format: Format, color: Color, verbose: u8) -> Self {
        let stderr = std::io::stderr();
        let is_colored = color.applies_to(&stderr);
        let look = match stderr.is_terminal() {
            true => Look::Terminal { color: is_colored },
            false => Look::Plain,
        };
        let out = Paint::new(color.applies_to(&std::io::stdout()));
        Self { format, verbose, out, err: Paint::new(is_colored), look, tells_changes: true }
    }

    /// The same, leaving what changes to the result.
    pub fn without_changes(self) -> Self {
        Self { tells_changes: false, ..self }
    }

    /// Whether programs read the results.
    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Writes a command's result, in the format that was asked for. Of what programs read there is
    /// a schema: see [`outputs`](crate::commands).
    pub fn result(&self, value: &(impl Serialize + JsonSchema), text: impl FnOnce() -> String) {
        match self.format {
            Format::Text => write(std::io::stdout(), &redact(&text())),
            // Reports hold no secrets; looked for in JSON, a simple one could be part of a key.
            Format::Json => write(std::io::stdout(), &json(value)),
        }
    }

    /// Writes a part of a result while a command runs, for people.
    pub fn part(&self, text: &str) {
        write(std::io::stdout(), &redact(text));
    }

    /// Writes a line for people while a command runs.
    pub fn progress(&self, line: &str) {
        screen::say(&redact(&format!("{line}\n")));
    }

    /// Whether what goes on is shown in a view that is drawn anew: people look at a terminal that
    /// says how large it is, and nothing else is written there all the time.
    pub fn is_live(&self) -> bool {
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        !self.is_json()
            && !is_dumb
            && self.verbose < 2
            && matches!(self.look, Look::Terminal { .. })
            && Size::now().is_some_and(|size| size.columns >= 40 && size.rows >= 6)
    }

    /// Writes an error for people.
    pub fn complain(&self, error: &CliError) {
        let mut text = String::new();
        for diagnostic in &error.diagnostics {
            if diagnostic.source.is_empty() {
                text += &self.plain(&diagnostic.to_string(), diagnostic.help.iter());
            } else {
                text += &excerpt(diagnostic, self.look);
                text.push('\n');
            }
        }
        // Excerpts speak for themselves; one that stands alone needs no heading.
        if error.diagnostics.len() != 1 {
            text += &self.plain(&error.message, error.hints.iter());
        }
        screen::say(&redact(&text));
    }

    /// Writes the error that a command ends with: for people, and for programs if they read.
    pub fn error(&self, error: &CliError) {
        self.complain(error);
        if self.is_json() {
            write(std::io::stdout(), &json(&error.json()));
        }
    }

    fn plain<'a>(&self, message: &str, hints: impl Iterator<Item = &'a String>) -> String {
        let mut text = format!("{} {}\n", self.err.red("error:"), visible(message));
        for hint in hints {
            text += &format!("  {} {}\n", self.err.cyan("help:"), visible(hint));
        }
        text
    }
}

/// Values of ours always can be written as JSON; were one not, the reader would see why.
fn json(value: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(value)
        .unwrap_or_else(|error| serde_json::json!({ "error": error.to_string() }).to_string());
    text + "\n"
}

/// Nobody has to read to the end: a closed pipe is no error of ours.
fn write(mut stream: impl Write, text: &str) {
    let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
}
