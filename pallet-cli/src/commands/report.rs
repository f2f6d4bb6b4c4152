//! `pallet report`: what earlier runs did.

use std::path::PathBuf;
use std::time::Duration;

use pallet_core::action::Mode;
use pallet_core::engine::RunId;
use pallet_core::journal::{Ending, Journals, Story};
use schemars::JsonSchema;
use serde::Serialize;

use super::Ended;
use crate::args::Global;
use crate::error::CliError;
use crate::output::Output;
use crate::page_file;
use crate::project;
use crate::recorded;
use crate::summary::Outcome;
use crate::text::{Table, closest, duration, visible};

/// What `pallet report` is told.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A run, or a part of its name that no other has; `latest` is the latest one [default: list
    /// all runs]
    #[arg(value_name = "RUN")]
    run: Option<String>,
    /// Write the run as a page for browsers to this file [default: of RUN, the latest]
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Runs of all files, and not only of this one
    #[arg(long)]
    all: bool,
}

/// A run.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
struct Run {
    run: RunId,
    /// When it began, for people.
    began: String,
    /// Who began it.
    holder: String,
    /// The file that it was about.
    project: String,
    /// What was done: `converge web=2`.
    command: String,
    /// How it ended.
    state: State,
    changed: usize,
    failed: usize,
    /// How long it took, as far as that is known.
    millis: Option<u64>,
}

/// How a run ended, if it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum State {
    Done,
    Failed,
    Stopped,
    Running,
    CutOff,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Listing {
    runs: Vec<Run>,
}

/// A run with all that happened.
#[derive(Debug, Serialize, JsonSchema)]
struct Whole {
    #[serde(flatten)]
    run: Run,
    report: Outcome,
}

/// Carries it out.
pub fn run(global: &Global, args: &Args, output: &Output) -> Result<Ended, CliError> {
    let journals = Journals::usual()?;
    let project = match args.all {
        true => None,
        false => project::locate(global).map(|file| recorded::name(&file)),
    };
    let is_wanted = |story: &Story| project.as_ref().is_none_or(|it| story.heading.project == *it);
    match (&args.run, &args.html) {
        (None, None) => {
            let stories = stories(&journals)?;
            let runs = stories.iter().filter(|story| is_wanted(story));
            let listing = Listing { runs: runs.map(|story| summed_up(story, &journals)).collect() };
            output.result(&listing, || table(&listing.runs, project.is_none()));
        }
        (wanted, html) => {
            let story = find(&journals, wanted.as_deref().unwrap_or("latest"), is_wanted)?;
            let run = summed_up(&story, &journals);
            if let Some(html) = html {
                page_file::write(html, &page(&run, &story.report()))?;
            }
            let took = Duration::from_millis(run.millis.unwrap_or_default());
            let whole = Whole { report: Outcome::new(story.report(), Mode::Apply, took), run };
            output.result(&whole, || text(&whole, html.as_deref(), output));
        }
    }
    Ok(Ended::Done)
}

/// All journals that can be read, latest first.
fn stories(journals: &Journals) -> Result<Vec<Story>, CliError> {
    let mut stories = Vec::new();
    for run in journals.runs()? {
        match journals.read(&run) {
            Ok(story) => stories.push(story),
            Err(error) => tracing::warn!("{error}"),
        }
    }
    Ok(stories)
}

fn find(
    journals: &Journals,
    wanted: &str,
    is_wanted: impl Fn(&Story) -> bool,
) -> Result<Story, CliError> {
    let runs = journals.runs()?;
    if wanted == "latest" {
        let mut readable = runs.iter().filter_map(|run| journals.read(run).ok());
        return readable.find(is_wanted).ok_or_else(|| {
            CliError::input("no run has been written down yet").hint(
                "`converge` and `lift` write down what they do; --all finds those of other files",
            )
        });
    }
    let fitting: Vec<&RunId> = runs.iter().filter(|run| run.as_str().contains(wanted)).collect();
    match fitting.as_slice() {
        [run] => Ok(journals.read(run)?),
        [] => {
            let error = CliError::input(format!("there is no run `{wanted}`"));
            let near = closest(wanted, runs.iter().map(RunId::as_str));
            let hint = near.map_or_else(
                || "`pallet report` lists all runs".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            Err(error.hint(hint))
        }
        several => {
            Err(CliError::input(format!("{} runs have `{wanted}` in their names", several.len()))
                .hint("give a longer part; `pallet report` lists all runs"))
        }
    }
}

fn summed_up(story: &Story, journals: &Journals) -> Run {
    let heading = &story.heading;
    let report = story.report();
    let totals = report.totals();
    Run {
        run: heading.run.clone(),
        began: heading.run.began(),
        holder: heading.holder.clone(),
        project: heading.project.clone(),
        command: recorded::words(&heading.command),
        state: match story.ending() {
            Ending::Good => State::Done,
            Ending::Failed => State::Failed,
            Ending::Stopped => State::Stopped,
            Ending::None if journals.goes_on(&heading.run) => State::Running,
            Ending::None => State::CutOff,
        },
        changed: totals.changed,
        failed: crate::summary::failures(&report).count(),
        millis: report.begun.zip(report.ended).map(|(begun, ended)| ended.saturating_sub(begun)),
    }
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Running => "goes on",
            Self::CutOff => "cut off",
        }
    }

    fn on_page(self) -> crate::page::Ending {
        use crate::page::Ending;
        match self {
            Self::Done => Ending::Done,
            Self::Failed => Ending::Failed,
            Self::Stopped => Ending::Stopped,
            Self::Running => Ending::Running,
            Self::CutOff => Ending::CutOff,
        }
    }
}

fn page(run: &Run, report: &pallet_core::report::Report) -> String {
    crate::page::html(&crate::page::Page {
        title: format!("{} of {}", run.command, run.project),
        ending: run.state.on_page(),
        lines: vec![format!("run {}, begun {} by {}", run.run, run.began, run.holder)],
        report,
    })
}

fn table(runs: &[Run], with_project: bool) -> String {
    if runs.is_empty() {
        return "no runs\n".to_owned();
    }
    let mut table =
        Table::new(&["run", "began", "command", "state", "changed", "failed", "time"], 4);
    for run in runs {
        let time = run.millis.map_or("-".to_owned(), |it| duration(Duration::from_millis(it)));
        let command = match with_project {
            true => format!("{} of {}", run.command, run.project),
            false => run.command.clone(),
        };
        table.row([
            run.run.to_string(),
            run.began.clone(),
            visible(&command).into_owned(),
            run.state.word().to_owned(),
            run.changed.to_string(),
            run.failed.to_string(),
            time,
        ]);
    }
    table.to_string()
}

fn text(whole: &Whole, html: Option<&std::path::Path>, output: &Output) -> String {
    let run = &whole.run;
    let mut text = format!(
        "{} {}\n{} of {}\nbegun {} by {}\n\n",
        output.out.bold(run.run.as_str()),
        run.state.word(),
        visible(&run.command),
        visible(&run.project),
        run.began,
        visible(&run.holder)
    );
    text += &whole.report.text(output.out);
    if let Some(html) = html {
        text += &format!("\nwritten to {}\n", html.display());
    }
    text
}

/// The schema of what programs read: a list of runs, or one run.
pub(super) fn schema() -> serde_json::Value {
    crate::commands::outputs::either::<Listing, Whole>()
}
