//! Plans in files.

use std::io::Write;
use std::path::{Path, PathBuf};

use pallet_core::run::{PLAN_FORMAT, RunPlan};
use pallet_core::spec::GroupSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::args::Global;
use crate::error::{CliError, Kind};
use crate::project::Project;

/// A plan, and the file that it was made from.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct PlanFile {
    /// The document's path, from the root on; none where a program describes everything itself.
    document: Option<PathBuf>,
    /// The plan.
    #[serde(flatten)]
    pub plan: RunPlan,
}

/// All that has to be understood before the rest may be read.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

impl PlanFile {
    /// A plan made from `document`.
    pub fn new(document: Option<&Path>, plan: RunPlan) -> Result<Self, CliError> {
        let found = |path: &Path| {
            std::fs::canonicalize(path).map_err(|error| {
                CliError::input(format!("{} cannot be found again: {error}", path.display()))
            })
        };
        Ok(Self { document: document.map(found).transpose()?, plan })
    }

    /// The project that it was made from, as it is now; one that is named wins.
    pub fn project(&self, global: &Global) -> Result<Project, CliError> {
        match global.config.as_ref().or(self.document.as_ref()) {
            Some(file) => Project::load_file(file, global),
            None if global.app.describes() => Project::load_program(global),
            None => Err(CliError::input(
                "the plan was made by a program that describes machines itself",
            )
            .hint("carry it out with that program")),
        }
    }

    /// The plan's groups as they are described now, with the plan's counts.
    pub fn groups(&self, project: &Project) -> Result<Vec<GroupSpec>, CliError> {
        let described = &project.infrastructure.groups;
        let group = |planned: &pallet_core::run::PlannedGroup| match described.get(&planned.group) {
            Some(group) => Ok(GroupSpec { count: planned.count, ..group.clone() }),
            None => Err(CliError::new(
                Kind::Refused,
                format!(
                    "the plan is about group `{}`, which {} does not describe any more",
                    planned.group,
                    project.file.display()
                ),
            )
            .hint("nothing was done; make a new plan, and look at it")),
        };
        self.plan.groups.iter().map(group).collect()
    }
}

/// Writes a plan, for its owner alone: it shows differences of files.
pub fn write(path: &Path, plan: &PlanFile) -> Result<(), CliError> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let written = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer_pretty(&mut file, plan)?;
        file.write_all(b"\n")?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    written().map_err(|error| {
        CliError::new(
            Kind::Failed,
            format!("the plan cannot be kept in {}: {error}", path.display()),
        )
    })
}

/// Reads a plan.
pub fn read(path: &Path) -> Result<PlanFile, CliError> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        CliError::input(format!("cannot read {}: {error}", path.display()))
            .hint("plans are made by `pallet plan --out FILE`")
    })?;
    let no_plan = |error: serde_json::Error| {
        let place = format!("{}:{}:{}", path.display(), error.line(), error.column());
        CliError::input(format!("{place}: this is no plan: {error}"))
            .hint("plans are made by `pallet plan --out FILE`")
    };
    let Format { format } = serde_json::from_str(&text).map_err(no_plan)?;
    if format != PLAN_FORMAT {
        let message = format!("{} is a plan of another version of pallet", path.display());
        return Err(CliError::input(message).hint("make a new one"));
    }
    serde_json::from_str(&text).map_err(no_plan)
}
