//! Pages in files.

use std::io::Write;
use std::path::Path;

use crate::error::{CliError, Kind};

/// Refuses before anything is done what could not be written afterwards.
pub fn check(path: &Path) -> Result<(), CliError> {
    let folder = folder(path);
    if path.is_dir() {
        return Err(CliError::input(format!("{} is a folder", path.display()))
            .hint("name a file in it, such as report.html"));
    }
    if folder.is_dir() {
        return Ok(());
    }
    Err(CliError::input(format!("there is no folder {} for the report", folder.display()))
        .hint("make it, or name another file"))
}

/// Writes a page, for its owner alone: it shows differences of files.
pub fn write(path: &Path, html: &str) -> Result<(), CliError> {
    check(path)?;
    let written = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder(path))?;
        file.write_all(html.as_bytes())?;
        file.persist(path)?;
        Ok(())
    };
    written().map_err(|error| {
        let message = format!("the report cannot be written to {}: {error}", path.display());
        CliError::new(Kind::Failed, message)
    })
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}
