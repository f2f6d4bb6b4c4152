//! Names that shells complete: those of groups and nodes, as the file of the folder has them.

use std::ffi::OsString;
use std::time::Duration;

use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};

use crate::app::App;
use crate::args::Global;
use crate::find::names_of;
use crate::project::Project;
use crate::services;

/// How long services are waited for: nobody waits long at a prompt.
const PATIENCE: Duration = Duration::from_millis(700);

/// Completes groups and clusters.
pub fn groups() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let Some(project) = project() else { return Vec::new() };
        candidates(names_of(&project.infrastructure).0, "group")
    })
}

/// Completes groups, clusters and nodes.
pub fn nodes_and_groups() -> ArgValueCandidates {
    ArgValueCandidates::new(|| {
        let Some(project) = project() else { return Vec::new() };
        let (groups, mut nodes) = names_of(&project.infrastructure);
        nodes.extend(running(project));
        nodes.sort();
        nodes.dedup();
        let mut all = candidates(nodes, "node");
        all.extend(candidates(groups, "group"));
        all
    })
}

fn candidates(names: Vec<String>, noun: &'static str) -> Vec<CompletionCandidate> {
    let candidate = |name| CompletionCandidate::new(name).help(Some(noun.into()));
    names.into_iter().map(candidate).collect()
}

/// The project that the line is about; a program of somebody's own completes what its file says.
fn project() -> Option<Project> {
    let global = Global::silent(App::new(), named_file(std::env::args_os().collect()));
    Project::load_with_secrets_late(&global).ok()
}

/// The file that the line names so far.
fn named_file(words: Vec<OsString>) -> Option<std::path::PathBuf> {
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let text = word.to_string_lossy();
        if text == "--config" || text == "-c" {
            return words.next().map(Into::into);
        }
        if let Some(file) = text.strip_prefix("--config=") {
            return Some(file.into());
        }
    }
    None
}

/// The nodes that services tell of, if they do so at once.
fn running(project: Project) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return Vec::new() };
    let listed = runtime.block_on(async {
        tokio::time::timeout(PATIENCE, async {
            let mut names = Vec::new();
            for (_, opened) in services::open_all(project.infrastructure).await {
                if let Ok(service) = opened {
                    let nodes = service.nodes().await.unwrap_or_default();
                    names.extend(nodes.into_iter().map(|node| node.name));
                    service.close().await;
                }
            }
            names
        })
        .await
        .unwrap_or_default()
    });
    runtime.shutdown_background();
    listed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_the_line_counts() {
        let file = |line: &str| {
            named_file(line.split(' ').map(Into::into).collect()).map(|it| it.display().to_string())
        };
        assert_eq!(file("pallet -- pallet lift -c x.toml w").as_deref(), Some("x.toml"));
        assert_eq!(file("pallet --config=y.toml").as_deref(), Some("y.toml"));
        assert_eq!(file("pallet lift --config"), None);
    }
}
