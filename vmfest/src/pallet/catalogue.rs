//! All models that a service knows.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::error::Error;
use crate::manager::Manager;
use crate::models::{HardwareModel, ImageModel, Models, load_file, load_folder};

/// What a service knows besides the files in its model path.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    /// Image models by name; they take the place of those in files.
    pub images: BTreeMap<String, ImageModel>,
    /// Hardware models by name; they take the place of those in files and the built-in ones.
    pub hardware: BTreeMap<String, HardwareModel>,
    /// A further file, or folder of files, with hardware models.
    pub hardware_path: Option<PathBuf>,
    /// What all nodes are made of where neither node-spec, nor image, nor hardware model says it.
    pub defaults: HardwareModel,
    /// Where relative paths of models and of node-specs start.
    pub base: PathBuf,
}

impl Catalogue {
    /// The models by name: those given here, over those of `hardware_path`, over those in the model
    /// path, over the built-in ones. Files are read anew.
    pub(super) fn models(&self, manager: &Manager) -> Result<Models, Error> {
        let mut models = manager.models()?;
        if let Some(path) = &self.hardware_path {
            let more = if path.is_dir() { load_folder(path) } else { load_file(path) };
            models.add_hardware_of(more?);
        }
        for (name, image) in &self.images {
            models.add_image(name, image.clone(), &self.base);
        }
        for (name, hardware) in &self.hardware {
            models.add_hardware(name, hardware.clone(), &self.base);
        }
        Ok(models)
    }
}
