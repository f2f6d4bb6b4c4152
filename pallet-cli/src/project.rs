//! The file that describes the machines: found, read, resolved.

use std::path::{Path, PathBuf};

use pallet_core::document::{Document, Infrastructure};
use pallet_core::secret::late;

use crate::args::Global;
use crate::error::CliError;
use crate::settings;

const FILE: &str = "pallet.toml";

/// A file, or a program, and what it describes.
#[derive(Debug)]
pub struct Project {
    /// The file, as the user would name it. Of a program that has no file: its name, in the folder
    /// where relative paths start.
    pub file: PathBuf,
    /// Whether there is such a file.
    pub has_file: bool,
    /// What it describes, the program's own specs included.
    pub infrastructure: Infrastructure,
}

impl Project {
    /// Reads the given file, or the nearest `pallet.toml`, with the layers below and above it. A
    /// program that describes something by itself needs no file.
    pub fn load(global: &Global) -> Result<Self, CliError> {
        match (&global.config, nearest()) {
            (Some(file), _) => Self::load_file(file, global),
            (None, Ok(file)) => Self::load_file(&file, global),
            (None, Err(_)) if global.app.describes() => Self::load_program(global),
            (None, Err(error)) => Err(error),
        }
    }

    /// As [`Project::load`], for commands that need no secret, or not all of them: one that cannot be
    /// had is no mistake then.
    pub fn load_with_secrets_late(global: &Global) -> Result<Self, CliError> {
        late::allowed(|| Self::load(global))
    }

    /// Reads this file with the layers below and above it.
    pub fn load_file(file: &Path, global: &Global) -> Result<Self, CliError> {
        Self::resolve(Document::read(file)?, true, global)
    }

    /// What the program itself describes, with the layers below and above it.
    pub fn load_program(global: &Global) -> Result<Self, CliError> {
        Self::resolve(Document::parse(global.app.place(), "")?, false, global)
    }

    fn resolve(document: Document, has_file: bool, global: &Global) -> Result<Self, CliError> {
        let file = document.path().to_owned();
        let below = settings::below(global, &document.base())?;
        let layers = document.over(below).under(settings::above(global));
        let mut infrastructure = layers.resolve(global.app.all())?;
        global.app.described()?.add_to(&mut infrastructure)?;
        Ok(Self { file, has_file, infrastructure })
    }
}

/// The file that commands are about, or what stands for it; without looking into it.
pub fn locate(global: &Global) -> Option<PathBuf> {
    let file = global.config.clone().or_else(|| nearest().ok());
    file.or_else(|| global.app.describes().then(|| global.app.place()))
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
