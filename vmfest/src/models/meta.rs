//! Files of models.

use std::collections::BTreeMap;
use std::path::Path;

use super::check::Invalid;
use super::hardware::HardwareModel;
use super::image::ImageModel;
use super::known::Models;
use crate::error::Error;
use crate::tree::{self, Node, Notation, Value};
use crate::{edn, toml};

/// The key of a file that holds hardware models, not an image model.
pub const HARDWARE_MODELS_KEY: &str = "hardware-models";

/// Files of models are written by hand; anything larger is something else.
const MAX_FILE_SIZE: u64 = 1024 * 1024;

/// A TOML file that holds no models, though it may well stand beside them.
const PROJECT_FILE: &str = "pallet.toml";

/// What one file holds.
#[derive(Default)]
pub(super) struct Content {
    pub(super) images: BTreeMap<String, (ImageModel, Node)>,
    pub(super) hardware: BTreeMap<String, (HardwareModel, Node)>,
}

/// Reads all files of a folder that end in `.meta` or `.toml` (but `pallet.toml`), and adds the
/// built-in hardware models. A folder that does not exist has no models.
///
/// # Errors
/// The first file that cannot be read, the first mistake in one, or a name that two files use.
pub fn load_folder(folder: &Path) -> Result<Models, Error> {
    let mut models = Models::looked_for_in(folder);
    let failed = |source| Error::io("read the folder", folder, source);
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(models),
        Err(e) => return Err(failed(e)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let is_project = path.file_name().is_some_and(|name| name == PROJECT_FILE);
        if notation_of(&path).is_some() && !is_project && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    for file in files {
        let content = read_file(&file)?;
        models.add(&file, content)?;
    }
    Ok(models)
}

/// Reads one file, which is TOML if its name ends in `.toml` and EDN otherwise, and adds the
/// built-in hardware models.
///
/// # Errors
/// When the file cannot be read, or the first mistake in it.
pub fn load_file(file: &Path) -> Result<Models, Error> {
    let mut models = Models::looked_for_in(file.parent().unwrap_or(Path::new("")));
    let content = read_file(file)?;
    models.add(file, content)?;
    Ok(models)
}

fn notation_of(file: &Path) -> Option<Notation> {
    match file.extension()?.to_str()? {
        "meta" => Some(Notation::Edn),
        "toml" => Some(Notation::Toml),
        _ => None,
    }
}

fn read_file(file: &Path) -> Result<Content, Error> {
    let failed = |source| Error::io("read the models in", file, source);
    let size = std::fs::metadata(file).map_err(failed)?.len();
    if size > MAX_FILE_SIZE {
        let message = format!("{size} bytes are too many for a file of models");
        return Err(failed(std::io::Error::other(message)));
    }
    let text = std::fs::read_to_string(file).map_err(failed)?;
    let folder = std::path::absolute(file).map_err(failed)?;
    let folder = folder.parent().unwrap_or(Path::new("/"));
    let content = match notation_of(file).unwrap_or_default() {
        Notation::Edn => edn::read(&text).and_then(|node| parse(&node, folder)),
        Notation::Toml => toml::read(&text).and_then(|node| parse(&node, folder)),
    };
    content.map_err(|error| Error::Meta { file: file.to_owned(), error })
}

fn parse(node: &Node, folder: &Path) -> Result<Content, tree::Error> {
    let mut content = Content::default();
    for (name, node) in entries(node)? {
        if name == HARDWARE_MODELS_KEY {
            for (inner, node) in entries(node).map_err(|e| e.inside_key(name))? {
                let named = |e: tree::Error| e.inside_key(inner).inside_key(name);
                let mut model: HardwareModel = tree::from_node(node).map_err(named)?;
                model.check().map_err(|e| named(located(node, &e)))?;
                model.resolve_paths(folder);
                content.hardware.insert(inner.to_owned(), (model, node.clone()));
            }
        } else {
            let named = |e: tree::Error| e.inside_key(name);
            let mut model: ImageModel = tree::from_node(node).map_err(named)?;
            model.check().map_err(|e| named(located(node, &e)))?;
            model.resolve_paths(folder);
            content.images.insert(name.to_owned(), (model, node.clone()));
        }
    }
    Ok(content)
}

/// The entries of a map whose keys are names.
fn entries(node: &Node) -> Result<Vec<(&str, &Node)>, tree::Error> {
    let wrong = |message: &str, node: &Node| tree::Error::new(message, None).at(node);
    let Value::Map(entries) = &node.value else {
        let message = match node.notation {
            Notation::Edn => "expected a map of model names to models, { … }",
            Notation::Toml => "expected a table of models",
        };
        return Err(wrong(message, node));
    };
    entries
        .iter()
        .map(|(key, value)| match key.as_key() {
            Some(name) if !name.is_empty() => Ok((name, value)),
            _ => Err(wrong("a model's name must be a keyword", key)),
        })
        .collect()
}

fn located(model: &Node, invalid: &Invalid) -> tree::Error {
    tree::Error::about(&invalid.problem, model, &invalid.path)
}

#[cfg(test)]
#[path = "meta_tests.rs"]
mod tests;
