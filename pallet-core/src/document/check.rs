//! Mistakes in the files that steps name: templates, files to copy.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::diagnostic::{collected, rest_of_line};
use super::{Diagnostic, Diagnostics, Infrastructure};
use crate::action::ActionError;
use crate::spec::{GroupSpec, Origin, Step, StepKind};

impl Infrastructure {
    /// Looks for mistakes in the local files that the steps of `groups` name. Reads these files,
    /// and connects to nothing. What plan functions will do is not known yet.
    ///
    /// # Errors
    /// [`Diagnostics`] with all mistakes, each with its place in the file that it is in.
    pub fn check(&self, groups: &[GroupSpec]) -> Result<(), Diagnostics> {
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        let phases = groups.iter().flat_map(|group| group.server.phases.values());
        for step in phases.flat_map(|phase| &phase.steps) {
            let StepKind::Action(action) = &step.kind else { continue };
            // Groups share steps.
            if !seen.insert((step.origin.to_string(), action.subject())) {
                continue;
            }
            if let Err(error) = action.check(step.origin.base()) {
                found.push(diagnostic(step, error));
            }
        }
        if found.is_empty() { Ok(()) } else { Err(collected(found)) }
    }
}

fn diagnostic(step: &Step, error: ActionError) -> Diagnostic {
    let ActionError { message, help, place } = error;
    let (place, label) = match place {
        Some(place) => (*place, "here"),
        None => (step.origin.clone(), "of this step"),
    };
    let Origin { file, line, column } = place;
    let source: Arc<str> = std::fs::read_to_string(&file).unwrap_or_default().into();
    let span = rest_of_line(&source, line, column);
    // Where the place is shown it needs not be said.
    let said = format!("{}:{line}:{column}: ", file.display());
    let message = match message.strip_prefix(&said) {
        _ if source.is_empty() => format!("{line}:{column}: {message}"),
        Some(message) => message.to_owned(),
        None => message,
    };
    let file: Arc<Path> = file;
    Diagnostic { message, help, label: label.to_owned(), file, source, span }
}
