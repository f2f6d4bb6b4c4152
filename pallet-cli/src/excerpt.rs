//! Mistakes in files, shown where they stand.

use std::ops::Range;
use std::sync::Arc;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, MietteError,
    NamedSource, Report, SourceCode, SourceSpan, SpanContents,
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

/// A mistake with the line that it is in. Where secrets stand, in the tables of the admin user and
/// of services, only the mistaken words themselves are shown: what is printed may be kept.
pub fn excerpt(diagnostic: &Diagnostic, look: Look) -> String {
    let theme = match look {
        Look::Plain => GraphicalTheme::none(),
        Look::Terminal { color: false } => GraphicalTheme::unicode_nocolor(),
        Look::Terminal { color: true } => GraphicalTheme::unicode(),
    };
    let source = WholeLines(diagnostic.source.clone());
    let is_discreet = may_show_secrets(&source.0, &source.lines(&diagnostic.span));
    let handler = GraphicalReportHandler::new_themed(theme)
        .with_links(false)
        .with_context_lines(usize::from(!is_discreet))
        .with_width(100);
    let label = LabeledSpan::at(diagnostic.span.clone(), diagnostic.label.clone());
    let mut shown = MietteDiagnostic::new(diagnostic.message.clone()).with_label(label);
    shown.help.clone_from(&diagnostic.help);
    let source = NamedSource::new(diagnostic.file.display().to_string(), source);
    let report = Report::new(shown).with_source_code(source);
    let mut text = String::new();
    match handler.render_report(&mut text, report.as_ref()) {
        Ok(()) => text,
        // A span that does not fit its text; the place is said all the same.
        Err(_) => format!("{diagnostic}\n"),
    }
}

/// A source that gives the lines of a span, when it is asked for context, and no others.
#[derive(Debug)]
struct WholeLines(Arc<str>);

impl WholeLines {
    fn lines(&self, span: &Range<usize>) -> Range<usize> {
        let before = self.0.get(..span.start).and_then(|text| text.rfind('\n'));
        let after = self.0.get(span.end..).and_then(|text| text.find('\n'));
        let start = before.map_or(0, |newline| newline + 1);
        start..after.map_or(self.0.len(), |length| span.end + length)
    }
}

impl SourceCode for WholeLines {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let lines = match before + after {
            0 => *span,
            _ => self.lines(&(span.offset()..span.offset() + span.len())).into(),
        };
        (*self.0).read_span(&lines, 0, 0)
    }
}

/// Whether `lines` of a document are part of a table that secrets may stand in.
fn may_show_secrets(source: &str, lines: &Range<usize>) -> bool {
    let names_one = |text: &str| text.contains("admin-user") || text.contains("service");
    let is_heading = |line: &&str| line.trim_start().starts_with('[');
    let heading = source.get(..lines.start).and_then(|above| above.lines().rfind(is_heading));
    let own = source.get(lines.clone());
    heading.is_some_and(names_one) || own.is_some_and(names_one) || is_near_a_secret(source, lines)
}

/// Whether `lines`, or those beside them, have a secret by its name: meta files are no documents,
/// and have them anywhere.
fn is_near_a_secret(source: &str, lines: &Range<usize>) -> bool {
    let before = source.get(..lines.start).and_then(|above| above.lines().next_back());
    let after = source.get(lines.end..).and_then(|below| below.trim_start().lines().next());
    let own = source.get(lines.clone());
    let names_one = |text: &str| {
        ["password", "credential", "passphrase", "secret"].iter().any(|word| text.contains(word))
    };
    [before, own, after].into_iter().flatten().any(names_one)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const SOURCE: &str = "\
[admin-user]
pasword = \"hunter2\"
[group-spec.web]
nme = \"web\"
";

    fn shown(word: &str) -> String {
        let start = SOURCE.find(word).unwrap();
        let diagnostic = Diagnostic {
            message: format!("unknown key `{word}`"),
            help: None,
            label: "not known here".to_owned(),
            file: Path::new("pallet.toml").into(),
            source: SOURCE.into(),
            span: start..start + word.len(),
        };
        excerpt(&diagnostic, Look::Plain)
    }

    #[test]
    fn the_line_is_shown_and_no_other() {
        let expected = "  \
  x unknown key `nme`
   ,-[pallet.toml:4:1]
 4 | nme = \"web\"
   : ^|^
   :  `-- not known here
   `----
";
        assert_eq!(shown("nme"), expected);
    }

    #[test]
    fn what_may_be_a_secret_is_not_shown() {
        let text = shown("pasword");
        assert!(text.contains("pallet.toml:2:1") && !text.contains("hunter2"), "{text}");
    }
}
