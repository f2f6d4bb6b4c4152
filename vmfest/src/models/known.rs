//! The models that are known by name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::hardware::{HardwareModel, built_in};
use super::image::ImageModel;
use super::meta::{Content, HARDWARE_MODELS_KEY};
use crate::error::Error;
use crate::tree::{self, Node};

/// The models that are known by name.
#[derive(Debug, Clone, Default)]
pub struct Models {
    folder: PathBuf,
    images: BTreeMap<String, ImageModel>,
    hardware: BTreeMap<String, HardwareModel>,
    image_sources: BTreeMap<String, Source>,
    hardware_sources: BTreeMap<String, Source>,
}

/// Where a model was read.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) file: PathBuf,
    pub(super) node: Node,
}

impl Models {
    /// No images, and the built-in hardware models.
    #[must_use]
    pub fn built_in() -> Self {
        let hardware = built_in().map(|(name, model)| (name.to_owned(), model));
        Self { hardware: hardware.into(), ..Self::default() }
    }

    /// [`Models::built_in`], and says in messages where further ones are looked for.
    pub(super) fn looked_for_in(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), ..Self::built_in() }
    }

    /// The image models by name.
    #[must_use]
    pub fn images(&self) -> &BTreeMap<String, ImageModel> {
        &self.images
    }

    /// The hardware models by name, the built-in ones included.
    #[must_use]
    pub fn hardware(&self) -> &BTreeMap<String, HardwareModel> {
        &self.hardware
    }

    /// The file that an image model was read from.
    #[must_use]
    pub fn source_of_image(&self, name: &str) -> Option<&Path> {
        self.image_sources.get(name).map(|source| source.file.as_path())
    }

    /// The file that a hardware model was read from; nothing for built-in ones.
    #[must_use]
    pub fn source_of_hardware(&self, name: &str) -> Option<&Path> {
        self.hardware_sources.get(name).map(|source| source.file.as_path())
    }

    /// An image model by name.
    ///
    /// # Errors
    /// [`Error::UnknownModel`], with what there is.
    pub fn image(&self, name: &str) -> Result<&ImageModel, Error> {
        self.images.get(name).ok_or_else(|| self.unknown("image", name, &self.images))
    }

    /// A hardware model by name.
    ///
    /// # Errors
    /// [`Error::UnknownModel`], with what there is.
    pub fn hardware_model(&self, name: &str) -> Result<&HardwareModel, Error> {
        self.hardware.get(name).ok_or_else(|| self.unknown("hardware", name, &self.hardware))
    }

    fn unknown<T>(&self, kind: &'static str, name: &str, known: &BTreeMap<String, T>) -> Error {
        Error::UnknownModel {
            kind,
            name: name.to_owned(),
            suggestion: crate::suggest::closest(name, known.keys().map(String::as_str))
                .map(str::to_owned),
            known: known.keys().cloned().collect(),
            folder: self.folder.clone(),
        }
    }

    /// Adds a model, which takes the place of one of the same name. Its relative paths start at
    /// `folder`.
    pub fn add_image(&mut self, name: impl Into<String>, mut model: ImageModel, folder: &Path) {
        let name = name.into();
        model.resolve_paths(folder);
        self.image_sources.remove(&name);
        self.images.insert(name, model);
    }

    /// Adds a model, which takes the place of one of the same name. Its relative paths start at
    /// `folder`.
    pub fn add_hardware(
        &mut self,
        name: impl Into<String>,
        mut model: HardwareModel,
        folder: &Path,
    ) {
        let name = name.into();
        model.resolve_paths(folder);
        self.hardware_sources.remove(&name);
        self.hardware.insert(name, model);
    }

    /// Adds the hardware models that another set has from files; they take the place of those of
    /// the same name.
    #[cfg(feature = "pallet")]
    pub(crate) fn add_hardware_of(&mut self, mut other: Self) {
        for (name, source) in other.hardware_sources {
            if let Some(model) = other.hardware.remove(&name) {
                self.hardware.insert(name.clone(), model);
                self.hardware_sources.insert(name, source);
            }
        }
    }

    /// Adds what a file holds.
    pub(super) fn add(&mut self, file: &Path, content: Content) -> Result<(), Error> {
        for (name, (model, node)) in content.images {
            let source = Source { file: file.to_owned(), node };
            if let Some(first) = self.image_sources.insert(name.clone(), source) {
                return Err(duplicate(name, first, file));
            }
            self.images.insert(name, model);
        }
        for (name, (model, node)) in content.hardware {
            let source = Source { file: file.to_owned(), node };
            if let Some(first) = self.hardware_sources.insert(name.clone(), source) {
                return Err(duplicate(format!("{HARDWARE_MODELS_KEY} {name}"), first, file));
            }
            self.hardware.insert(name, model);
        }
        Ok(())
    }

    /// Says in which file and where in it the value stands that an error is about, if it stands in
    /// one. `image` and `hardware` name the models of the instance that could not be made.
    pub(crate) fn locate(
        &self,
        image: Option<&str>,
        hardware: Option<&str>,
        error: Error,
    ) -> Error {
        let owned = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
        let (paths, problem) = match &error {
            Error::InvalidModel { invalid, .. } => {
                (vec![invalid.path.clone()], invalid.problem.clone())
            }
            Error::ModelFileMissing { .. } => {
                (vec![owned(&["uuid"]), owned(&["path"]), owned(&["location"])], error.to_string())
            }
            _ => return error,
        };
        let image = image.and_then(|name| Some((name, self.image_sources.get(name)?)));
        let hardware = hardware.and_then(|name| Some((name, self.hardware_sources.get(name)?)));
        for path in &paths {
            // The image's `:hardware` counts most, then its own keys, then the hardware model.
            let inner: Vec<String> =
                std::iter::once("hardware".to_owned()).chain(path.clone()).collect();
            for (model, path, outer) in [
                (image, &inner, None),
                (image, path, None),
                (hardware, path, Some(HARDWARE_MODELS_KEY)),
            ] {
                let Some((name, source)) = model else { continue };
                if !source.node.has(path.iter().take(if path == &inner { 2 } else { 1 })) {
                    continue;
                }
                let mistake = tree::Error::about(&problem, &source.node, path).inside_key(name);
                let mistake = match outer {
                    Some(outer) => mistake.inside_key(outer),
                    None => mistake,
                };
                return Error::Meta { file: source.file.clone(), error: mistake };
            }
        }
        error
    }
}

fn duplicate(name: String, first: Source, second: &Path) -> Error {
    Error::DuplicateModel { name, first: first.file, second: second.to_owned() }
}
