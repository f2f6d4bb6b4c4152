//! Mistakes in documents, with their places.

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::position::{Positions, offset};

/// One mistake in a document.
#[derive(Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong.
    pub message: String,
    /// What to do about it, and what would be allowed.
    pub help: Option<String>,
    /// A few words to stand at the place itself.
    pub label: String,
    /// The document.
    pub file: Arc<Path>,
    /// The document's whole text; empty where the file could not be read.
    pub source: Arc<str>,
    /// The bytes of `source` that are meant.
    pub span: Range<usize>,
}

impl Diagnostic {
    /// Line and column where `span` begins, both from 1; columns are characters.
    pub fn line_column(&self) -> (u32, u32) {
        Positions::new(self.source.clone()).locate(self.span.start)
    }
}

impl fmt::Display for Diagnostic {
    /// `file:line:column: message`; without line and column where there is no text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.source.is_empty() {
            return write!(f, "{}: {}", self.file.display(), self.message);
        }
        let (line, column) = self.line_column();
        write!(f, "{}:{line}:{column}: {}", self.file.display(), self.message)
    }
}

/// The document's text stays out: it is long, and it may hold passwords.
impl fmt::Debug for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Diagnostic")
            .field("message", &self.message)
            .field("help", &self.help)
            .field("label", &self.label)
            .field("file", &self.file)
            .field("span", &self.span)
            .finish_non_exhaustive()
    }
}

impl std::error::Error for Diagnostic {}

/// All mistakes of a document and its settings, in the order in which they stand in each file.
///
/// [`Display`](fmt::Display) gives one line `file:line:column: message` for each, followed by an
/// indented line of help where there is some; front ends that can show excerpts find all they need
/// in the fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics {
    /// The mistakes; never empty.
    pub diagnostics: Vec<Diagnostic>,
}

impl Diagnostics {
    /// A mistake at a line and a column, both from 1, of a file that is no document, such as a
    /// template; `None` when the file cannot be read.
    pub fn at(
        file: &Path,
        (line, column): (u32, u32),
        message: impl Into<String>,
        help: Option<String>,
    ) -> Option<Self> {
        let source: Arc<str> = std::fs::read_to_string(file).ok()?.into();
        let span = rest_of_line(&source, line, column);
        let (message, label) = (message.into(), "here".to_owned());
        let file = file.into();
        Some(Self { diagnostics: vec![Diagnostic { message, help, label, file, source, span }] })
    }
}

/// From a place to the end of its line. What is said of the end of a text is said of the last line
/// that has something in it: there is nothing else to show.
pub(super) fn rest_of_line(source: &str, line: u32, column: u32) -> Range<usize> {
    let end = source.trim_end().len();
    let mut start = offset(source, line, column);
    if start >= end {
        start = source.get(..end).and_then(|text| text.rfind('\n')).map_or(0, |at| at + 1);
    }
    let rest = source.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    start..start + rest.trim_end().len()
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.diagnostics.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{diagnostic}")?;
            if let Some(help) = &diagnostic.help {
                write!(f, "\n  help: {help}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

/// A mistake that has not been put into its document yet.
#[derive(Debug)]
pub(super) struct Mistake {
    span: Range<usize>,
    message: String,
    label: String,
    help: Option<String>,
}

impl Mistake {
    /// Something wrong at `span`.
    pub(super) fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), label: "here".to_owned(), help: None }
    }

    /// Replaces the words at the place itself.
    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Adds what to do about it.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds what to do about it, if nothing was said about that so far.
    pub(super) fn help_otherwise(mut self, help: impl FnOnce() -> String) -> Self {
        self.help = self.help.or_else(|| Some(help()));
        self
    }

    /// Where it is.
    pub(super) fn span(&self) -> &Range<usize> {
        &self.span
    }

    /// The mistake with its place counted from `start` on.
    pub(super) fn moved_back(mut self, start: usize) -> Self {
        self.span = self.span.start.saturating_sub(start)..self.span.end.saturating_sub(start);
        self
    }

    /// The mistake as a diagnostic of a document.
    pub(super) fn in_document(self, file: &Arc<Path>, source: &Arc<str>) -> Diagnostic {
        let end = self.span.end.min(source.len());
        Diagnostic {
            message: self.message,
            help: self.help,
            label: self.label,
            file: file.clone(),
            source: source.clone(),
            span: self.span.start.min(end)..end,
        }
    }
}

/// Sorts and puts together the mistakes of documents. The same mistake may have been met on
/// several ways, for example through each group that uses a spec.
pub(super) fn collected(mut diagnostics: Vec<Diagnostic>) -> Diagnostics {
    diagnostics.sort_by(|one, two| {
        let order = |it: &Diagnostic| (it.span.start, it.span.end);
        let files = one.file.cmp(&two.file);
        files.then(order(one).cmp(&order(two))).then_with(|| one.message.cmp(&two.message))
    });
    diagnostics.dedup_by(|one, two| {
        one.file == two.file && one.span == two.span && one.message == two.message
    });
    Diagnostics { diagnostics }
}
