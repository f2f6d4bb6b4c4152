//! `pallet explain`: what something is, what it takes, and who set it.

mod action;
mod history;
mod known;
mod place;
mod schema;

use clap::ValueEnum;
use pallet_core::journal::Journals;
use schemars::JsonSchema;
use serde::Serialize;

use super::Ended;
use crate::args::Global;
use crate::error::CliError;
use crate::output::Output;
use crate::project::Project;
use crate::text::{Paint, closest};
use history::History;
use known::Known;

/// What `pallet explain` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What it is, where several things have the name; or the name itself. A kind alone lists what
    /// there is of it, and nothing lists all
    #[arg(value_name = "KIND|NAME")]
    first: Option<String>,
    /// An action, a crate, a phase, a group, a node, or a path on nodes
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

/// The kinds of things that can be explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    /// Something that a step does
    Action,
    /// A unit of configuration that specs extend
    Crate,
    /// A list of steps
    Phase,
    /// Equal nodes
    Group,
    /// A machine
    Node,
    /// A file or folder on nodes
    Path,
}

impl Kind {
    /// Whether only the file tells what there is of it.
    fn is_of_the_file(self) -> bool {
        !matches!(self, Self::Action | Self::Crate)
    }

    fn word(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::Crate => "crate",
            Self::Phase => "phase",
            Self::Group => "group",
            Self::Node => "node",
            Self::Path => "path",
        }
    }
}

/// Everything that has the name.
#[derive(Debug, Serialize, JsonSchema)]
struct Explained {
    explained: Vec<Explanation>,
    /// What can be explained, if no name was given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    known: Vec<Known>,
}

/// One thing that has the name.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
enum Explanation {
    Action(action::Explanation),
    Crate(action::Explanation),
    Phase(place::PhaseExplanation),
    Group(place::GroupExplanation),
    Node(place::NodeExplanation),
    Path(place::PathExplanation),
}

impl Explanation {
    fn text(&self, paint: Paint) -> String {
        match self {
            Self::Action(it) => it.text("action", paint),
            Self::Crate(it) => it.text("crate", paint),
            Self::Phase(it) => it.text(paint),
            Self::Group(it) => it.text(paint),
            Self::Node(it) => it.text(paint),
            Self::Path(it) => it.text(paint),
        }
    }
}

/// Carries it out. What the registry knows is told even where the file has mistakes.
pub fn run(global: &Global, args: &Args, output: &Output) -> Result<Ended, CliError> {
    let asked = asked(args)?;
    let loaded = Project::load_with_secrets_late(global);
    let history = match (&loaded, Journals::usual()) {
        (Ok(project), Ok(journals)) => History::of(project, &journals),
        _ => History::default(),
    };
    let (kind, name) = match asked {
        Asked::List(kind) => {
            let known = match (kind, loaded) {
                (Some(kind), Err(error)) if kind.is_of_the_file() => return Err(error),
                (_, loaded) => known::known(global, loaded.ok().as_ref(), &history, kind),
            };
            let listing = Explained { explained: Vec::new(), known };
            output.result(&listing, || known::text(&listing.known, output.out));
            return Ok(Ended::Done);
        }
        Asked::Name(kind, name) => (kind, name),
    };
    let is_asked = |one: Kind| kind.is_none_or(|kind| kind == one);
    let mut explained = Vec::new();
    if is_asked(Kind::Action)
        && let Some(entry) = global.app.all().find_action(name)
    {
        explained.push(Explanation::Action(action::explain(&entry.info())));
    }
    if is_asked(Kind::Crate)
        && let Some(entry) = global.app.all().find_crate(name)
    {
        explained.push(Explanation::Crate(action::explain_crate(&entry.info())));
    }
    if let Ok(project) = &loaded {
        let infrastructure = &project.infrastructure;
        let place = place::Places { infrastructure, history: &history };
        if is_asked(Kind::Phase) {
            explained.extend(place.phase(name).map(Explanation::Phase));
        }
        if is_asked(Kind::Group) {
            explained.extend(place.group(name).map(Explanation::Group));
        }
        if is_asked(Kind::Node) {
            explained.extend(place.node(name).map(Explanation::Node));
        }
        if is_asked(Kind::Path) && name.starts_with('/') {
            explained.extend(place.path(name).map(Explanation::Path));
        }
    }
    if explained.is_empty() {
        return Err(match loaded {
            // Only with the file it can be told whether there is such a thing.
            Err(error) if kind.is_none_or(Kind::is_of_the_file) && !is_missing(&error) => error,
            loaded => unknown(global, loaded.ok().as_ref(), &history, kind, name),
        });
    }
    let explained = Explained { explained, known: Vec::new() };
    output.result(&explained, || {
        let texts: Vec<String> =
            explained.explained.iter().map(|one| one.text(output.out)).collect();
        texts.join("\n")
    });
    Ok(Ended::Done)
}

/// Whether there is no file at all: then only what the program knows can be explained.
fn is_missing(error: &CliError) -> bool {
    error.diagnostics.is_empty() && error.message.starts_with("there is no pallet.toml")
}

/// What somebody wants to know.
enum Asked<'a> {
    /// What there is, of a kind or of all.
    List(Option<Kind>),
    /// What has this name.
    Name(Option<Kind>, &'a str),
}

fn asked(args: &Args) -> Result<Asked<'_>, CliError> {
    let Some(first) = &args.first else { return Ok(Asked::List(None)) };
    let kind = Kind::from_str(first, false);
    let Some(name) = &args.name else {
        return Ok(match kind {
            Ok(kind) => Asked::List(Some(kind)),
            Err(_) => Asked::Name(None, first),
        });
    };
    let kinds = || Kind::value_variants().iter().map(|kind| kind.word());
    match kind {
        Ok(kind) => Ok(Asked::Name(Some(kind), name)),
        Err(_) => {
            let error = CliError::input(format!("`{first}` is no kind of thing"));
            let error = match closest(first, kinds()) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error,
            };
            Err(error.hint(format!("kinds: {}", kinds().collect::<Vec<_>>().join(", "))))
        }
    }
}

/// Nothing has the name: says which names come near it.
fn unknown(
    global: &Global,
    project: Option<&Project>,
    history: &History,
    kind: Option<Kind>,
    name: &str,
) -> CliError {
    let known = known::known(global, project, history, kind);
    let noun = match kind {
        Some(kind) => kind.word(),
        None if name.starts_with('/') => "managed path",
        None => "action, crate, phase, group or node",
    };
    let error = CliError::input(format!("there is no {noun} `{name}`"));
    let near = closest(name, known.iter().map(|one| one.name.as_str()));
    let error = match known.iter().find(|one| Some(one.name.as_str()) == near) {
        Some(near) => error.hint(format!("did you mean the {} `{}`?", near.kind.word(), near.name)),
        None => error,
    };
    let mut few: Vec<&str> = known.iter().map(|one| one.name.as_str()).collect();
    few.sort_unstable();
    few.dedup();
    match project {
        Some(_) => error
            .hint(format!("known: {}", crate::text::names(&few)))
            .hint("`pallet explain` alone lists all"),
        None => error.hint("without a pallet.toml only actions and crates can be explained"),
    }
}

/// The schema of what programs read.
pub(super) fn schema() -> serde_json::Value {
    crate::commands::outputs::of::<Explained>()
}
