//! The file that describes the machines: found, read, resolved.

use std::path::{Path, PathBuf};

use pallet_core::document::{Document, Infrastructure};

use crate::error::CliError;
use crate::registry::registry;

const FILE: &str = "pallet.toml";

/// A file and what it describes.
#[derive(Debug)]
pub struct Project {
    /// The file, as the user would name it.
    pub file: PathBuf,
    /// What it describes.
    pub infrastructure: Infrastructure,
}

impl Project {
    /// Reads the given file, or the nearest `pallet.toml`.
    pub fn load(given: Option<&Path>) -> Result<Self, CliError> {
        let file = match given {
            Some(file) => file.to_owned(),
            None => nearest()?,
        };
        let infrastructure = Document::read(&file)?.resolve(&registry())?;
        Ok(Self { file, infrastructure })
    }
}

/// `pallet.toml`, `../pallet.toml`, …: the first one that exists. Relative, since that is how it
/// will stand in messages.
fn nearest() -> Result<PathBuf, CliError> {
    let here = std::env::current_dir()
        .map_err(|error| CliError::input(format!("the current folder is not known: {error}")))?;
    let mut file = PathBuf::from(FILE);
    for folder in here.ancestors() {
        if folder.join(FILE).exists() {
            return Ok(file);
        }
        file = Path::new("..").join(file);
    }
    Err(CliError::input(format!("there is no {FILE} in {} or above it", here.display()))
        .hint("write one here, or name it with --config FILE"))
}
