//! `pallet models check`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;

use super::{failed, with_manager};
use crate::args::Global;
use crate::commands::Ended;
use crate::error::CliError;
use crate::output::Output;
use crate::text::visible;

/// What `pallet models check` is told.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Models [default: all]
    #[arg(value_name = "MODEL")]
    models: Vec<String>,
    /// Do not read whole images to compare their digests
    #[arg(long)]
    quick: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Checked {
    models: Vec<Row>,
}

/// What was seen of a model.
#[derive(Debug, Serialize, JsonSchema)]
struct Row {
    model: String,
    disk: PathBuf,
    /// What has the image registered.
    holder: &'static str,
    /// Machines that use it.
    users: Vec<String>,
    sha256: Option<String>,
    problems: Vec<String>,
}

/// Carries it out.
pub(super) async fn run(global: &Global, args: &Args, output: &Output) -> Result<Ended, CliError> {
    let checked = with_manager(global, async |manager| {
        let mut names = args.models.clone();
        if names.is_empty() {
            let list = manager.list_models().map_err(|error| failed(&error))?;
            names = list.models.into_iter().map(|model| model.name).collect();
        }
        let mut models = Vec::new();
        for name in names {
            let seen = manager.check_model(&name, !args.quick).await;
            let seen = seen.map_err(|error| failed(&error))?;
            models.push(Row {
                model: seen.name,
                disk: seen.disk,
                holder: seen.holder.as_str(),
                users: seen.users,
                sha256: seen.sha256,
                problems: seen.problems.iter().map(ToString::to_string).collect(),
            });
        }
        Ok(Checked { models })
    })
    .await?;
    output.result(&checked, || checked.models.iter().map(|row| text(row, output)).collect());
    let is_fine = checked.models.iter().all(|row| row.problems.is_empty());
    Ok(if is_fine { Ended::Done } else { Ended::Failed })
}

fn text(row: &Row, output: &Output) -> String {
    let state = match row.problems.is_empty() {
        true => output.out.green("ok"),
        false => output.out.red("problem"),
    };
    let used = match row.users.len() {
        0 => String::new(),
        _ => format!("  used by {}", crate::text::names(&row.users)),
    };
    let problems = row.problems.iter().map(|problem| format!("  {}\n", visible(problem)));
    format!("{}  {state}{}\n{}", visible(&row.model), visible(&used), problems.collect::<String>())
}

/// The schema of what programs read.
pub(crate) fn schema() -> serde_json::Value {
    crate::commands::outputs::of::<Checked>()
}
