//! Which image models there are.

use std::path::PathBuf;

use super::folder;
use crate::error::Error;
use crate::location::Location;
use crate::manager::Manager;
use crate::models::{self, AttachMode};

/// The image models of a location.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelList {
    /// By name.
    pub models: Vec<ListedModel>,
    /// Imports that were interrupted, by the model's name.
    pub unfinished: Vec<UnfinishedModel>,
}

/// An image model, as its files show it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListedModel {
    /// Its name.
    pub name: String,
    /// The image file.
    pub disk: PathBuf,
    /// The size of that file in bytes; nothing if it is missing.
    pub size: Option<u64>,
    /// The file that describes it.
    pub meta: Option<PathBuf>,
    /// VirtualBox's name of the guest's operating system.
    pub os_type_id: String,
    /// The operating system's family.
    pub os_family: Option<String>,
    /// Its version.
    pub os_version: Option<String>,
    /// Text for people.
    pub description: Option<String>,
    /// How instances use the image.
    pub attach: AttachMode,
}

/// An import that was interrupted. Importing from the same place again goes on with it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnfinishedModel {
    /// The model's name.
    pub name: String,
    /// How many bytes of the download are there.
    pub bytes: u64,
}

impl ModelList {
    /// Reads the model path of a location. VirtualBox is not needed for that.
    ///
    /// # Errors
    /// The first mistake in a file that describes models.
    pub fn read(location: &Location) -> Result<Self, Error> {
        let location = location.clone().absolute()?;
        let found = models::load_folder(&location.model_path)?;
        let models = found.images().iter().map(|(name, image)| ListedModel {
            name: name.clone(),
            disk: image.path.clone(),
            size: std::fs::metadata(&image.path).ok().map(|file| file.len()),
            meta: found.source_of_image(name).map(ToOwned::to_owned),
            os_type_id: image.os_type_id.clone(),
            os_family: image.os_family.clone(),
            os_version: image.os_version.clone(),
            description: image.description.clone(),
            attach: image.attach.unwrap_or_default(),
        });
        let unfinished = folder::unfinished(&location.model_path).into_iter();
        Ok(Self {
            models: models.collect(),
            unfinished: unfinished.map(|(name, bytes)| UnfinishedModel { name, bytes }).collect(),
        })
    }
}

impl Manager {
    /// The image models of this manager's location.
    ///
    /// # Errors
    /// The first mistake in a file that describes models.
    pub fn list_models(&self) -> Result<ModelList, Error> {
        ModelList::read(self.location())
    }
}
