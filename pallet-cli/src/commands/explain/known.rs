//! All that can be explained.

use std::fmt::Write;

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::Serialize;

use super::Kind;
use super::history::History;
use super::place::Places;
use crate::args::Global;
use crate::project::Project;
use crate::text::{Paint, visible};

/// Something that can be explained.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Known {
    pub(super) kind: Kind,
    pub(super) name: String,
    /// What it is, of actions and crates.
    #[serde(skip_serializing_if = "String::is_empty")]
    summary: String,
}

/// What can be explained of `kind`, or of all kinds.
pub(super) fn known(
    global: &Global,
    project: Option<&Project>,
    history: &History,
    kind: Option<Kind>,
) -> Vec<Known> {
    let registry = global.app.all();
    let known = |kind, name: &str, summary: &str| Known {
        kind,
        name: name.to_owned(),
        summary: summary.to_owned(),
    };
    let mut all: Vec<Known> = registry
        .actions()
        .map(|(name, entry)| known(Kind::Action, name, entry.info().summary))
        .collect();
    all.extend(
        registry.crates().map(|(name, entry)| known(Kind::Crate, name, entry.info().summary)),
    );
    if let Some(project) = project {
        let places = Places { infrastructure: &project.infrastructure, history };
        all.extend(places.names().into_iter().map(|(kind, name)| known(kind, &name, "")));
    }
    all.retain(|one| kind.is_none_or(|kind| kind == one.kind));
    all
}

/// The list for people, by kind.
pub(super) fn text(known: &[Known], paint: Paint) -> String {
    let mut text = String::new();
    for kind in Kind::value_variants() {
        let of_kind: Vec<&Known> = known.iter().filter(|one| one.kind == *kind).collect();
        if of_kind.is_empty() {
            continue;
        }
        let width = of_kind.iter().map(|one| one.name.chars().count()).max().unwrap_or_default();
        let _ = writeln!(text, "{}", paint.bold(&format!("{}s", kind.word())));
        for one in of_kind {
            let line = format!("  {:width$}  {}", visible(&one.name), one.summary);
            let _ = writeln!(text, "{}", line.trim_end());
        }
        text.push('\n');
    }
    text + "`pallet explain NAME` tells more of one.\n"
}
