//! The file that describes the machines: found, read, resolved.

use std::path::{Path, PathBuf};

use pallet_core::document::{Document, Infrastructure};

use crate::args::Global;
use crate::error::CliError;
use crate::registry::registry;
use crate::settings;

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
    /// Reads the given file, or the nearest `pallet.toml`, with the layers below and above it.
    pub fn load(global: &Global) -> Result<Self, CliError> {
        match &global.config {
            Some(file) => Self::load_file(file, global),
            None => Self::load_file(&nearest()?, global),
        }
    }

    /// Reads this file with the layers below and above it.
    pub fn load_file(file: &Path, global: &Global) -> Result<Self, CliError> {
        let document = Document::read(file)?;
        let layers = document.over(settings::below()?).under(settings::above(global));
        let infrastructure = layers.resolve(&registry())?;
        Ok(Self { file: file.to_owned(), infrastructure })
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
