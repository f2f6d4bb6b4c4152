//! The files that describe machines, and those that people have besides.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use pallet_core::config::Settings;

use super::{Finding, State};
use crate::args::Global;
use crate::error::CliError;
use crate::project::{self, Project};
use crate::text::count;

const AREA: &str = "files";

/// What there is to say of files, and their mistakes.
pub(super) fn look(global: &Global) -> (Vec<Finding>, Option<CliError>) {
    let mut findings = Vec::new();
    let mut mistakes = None;
    match (project::locate(global), Project::load(global)) {
        (Some(file), Ok(project)) => {
            let infrastructure = &project.infrastructure;
            let groups = count(infrastructure.groups.len(), "group");
            let services = count(infrastructure.services.len(), "service");
            findings.push(Finding::fine(AREA, format!("{}: {groups}, {services}", file.display())));
            if infrastructure.services.is_empty() {
                findings.push(Finding::bad(
                    State::Warning,
                    AREA,
                    file.display().to_string(),
                    "it describes no service: there is nothing to make nodes of",
                    "add a [service.NAME] table; `pallet init` shows one",
                ));
            }
        }
        (Some(file), Err(error)) => {
            let (what, reason) = (file.display().to_string(), error.message.clone());
            findings.push(Finding::bad(State::Problem, AREA, what, reason, "see below"));
            mistakes = Some(error);
        }
        (None, _) => findings.push(Finding::bad(
            State::Warning,
            AREA,
            "pallet.toml",
            "there is none in this folder or above it",
            "`pallet init` writes one",
        )),
    }
    findings.extend(private_files());
    (findings, mistakes)
}

/// Files of a person's own may hold passwords, and are nobody else's business.
fn private_files() -> Vec<Finding> {
    let Some(home) = Settings::home() else { return Vec::new() };
    let services = fs::read_dir(home.join("services")).into_iter().flatten().flatten();
    let mut files: Vec<_> = services.map(|entry| entry.path()).collect();
    files.extend(["config.toml", "config.clj"].map(|name| home.join(name)));
    files.sort();
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.is_file()) {
        let mode = fs::metadata(file).map_or(0, |found| found.permissions().mode());
        let has_password = fs::read_to_string(file).is_ok_and(|text| {
            ["password", "credential", "passphrase"].iter().any(|word| text.contains(word))
        });
        let what = file.display().to_string();
        findings.push(match has_password && mode & 0o077 != 0 {
            true => Finding::bad(
                State::Warning,
                AREA,
                what.clone(),
                "it speaks of passwords, and others may read it",
                format!("`chmod 600 {what}`"),
            ),
            false => Finding::fine(AREA, what),
        });
    }
    findings
}
