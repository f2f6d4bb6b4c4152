//! `pallet models remove`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;
use vmfest::ImageFile;

use super::{failed, with_manager};
use crate::args::Global;
use crate::commands::Ended;
use crate::confirm;
use crate::error::CliError;
use crate::output::Output;
use crate::text::names;

/// What `pallet models remove` is told.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Models, or interrupted imports
    #[arg(value_name = "MODEL", required = true)]
    models: Vec<String>,
    /// Leave the image files where they are
    #[arg(long)]
    keep_disk: bool,
    /// Remove without asking
    #[arg(long)]
    yes: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Removed {
    models: Vec<Row>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Row {
    model: String,
    /// The image file that stayed.
    kept: Option<PathBuf>,
}

/// Carries it out.
pub(super) async fn run(global: &Global, args: &Args, output: &Output) -> Result<Ended, CliError> {
    if !args.yes {
        confirm::remove(&format!("{} would be removed", names(&args.models))).await?;
    }
    let file = if args.keep_disk { ImageFile::Keep } else { ImageFile::Delete };
    let removed = with_manager(global, async |manager| {
        let mut models = Vec::new();
        for name in &args.models {
            let kept = manager.delete_model(name, file).await.map_err(|error| failed(&error))?;
            models.push(Row { model: name.clone(), kept });
        }
        Ok(Removed { models })
    })
    .await?;
    output.result(&removed, || {
        let line = |row: &Row| match &row.kept {
            Some(file) => format!("removed {}; {} stayed\n", row.model, file.display()),
            None => format!("removed {}\n", row.model),
        };
        removed.models.iter().map(line).collect()
    });
    Ok(Ended::Done)
}

/// The schema of what programs read.
pub(crate) fn schema() -> serde_json::Value {
    crate::commands::outputs::of::<Removed>()
}
