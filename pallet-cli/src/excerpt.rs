//! Mistakes in files, shown where they stand.

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource, Report,
};
use pallet_core::document::Diagnostic;

/// How excerpts look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// For pipes and files: ASCII.
    Plain,
    /// For terminals.
    Terminal {
        /// With colours.
        color: bool,
    },
}

/// A mistake with the lines that it is about, and no others: those could hold secrets.
pub fn excerpt(diagnostic: &Diagnostic, look: Look) -> String {
    let theme = match look {
        Look::Plain => GraphicalTheme::none(),
        Look::Terminal { color: false } => GraphicalTheme::unicode_nocolor(),
        Look::Terminal { color: true } => GraphicalTheme::unicode(),
    };
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_links(false)
        .with_context_lines(0)
        .with_width(100);
    let label = LabeledSpan::at(diagnostic.span.clone(), diagnostic.label.clone());
    let mut shown = MietteDiagnostic::new(diagnostic.message.clone()).with_label(label);
    shown.help.clone_from(&diagnostic.help);
    let source =
        NamedSource::new(diagnostic.file.display().to_string(), diagnostic.source.to_string());
    let report = Report::new(shown).with_source_code(source);
    let mut text = String::new();
    match handler.render_report(&mut text, report.as_ref()) {
        Ok(()) => text,
        // A span that does not fit its text; the place is said all the same.
        Err(_) => format!("{diagnostic}\n"),
    }
}
