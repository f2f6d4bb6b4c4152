//! From a node-spec to models, by the rules of [the module](super).

mod hardware;
mod image;
#[cfg(test)]
mod tests;

use std::path::Path;

use pallet_core::compute::{ComputeError, HardwareOffer, Offer};
use pallet_core::spec::NodeSpec;

use super::service::failed;
use super::words::in_toml;
use crate::error::Error;
use crate::models::{HardwareModel, ImageModel, Models};

/// What a node will be made of.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    /// The image model's name; of an image that only the node-spec has, its file.
    pub(super) image_name: String,
    /// The image model, with what the node-spec overrides in it.
    pub(super) image: ImageModel,
    /// The hardware model's name.
    pub(super) hardware_name: String,
    /// The hardware model, over what the service says of all nodes.
    pub(super) hardware: HardwareModel,
}

impl Choice {
    /// Says in which file the value stands that an error is about, if it stands in one.
    pub(super) fn locate(&self, models: &Models, error: Error) -> Error {
        models.locate(Some(&self.image_name), Some(&self.hardware_name), error)
    }
}

/// All models that there are to choose from.
pub(super) fn offer(models: &Models) -> Offer {
    let images = models.images().iter().map(|(name, image)| image::traits(name, image)).collect();
    let hardware = models.hardware().iter().map(|(name, model)| HardwareOffer {
        name: name.clone(),
        memory: model.memory_size,
        processors: model.cpu_count,
        remarks: model.description.iter().cloned().collect(),
    });
    Offer { images, hardware: hardware.collect() }
}

/// Finds the models that a node-spec asks for. `defaults` is what the service says of all nodes;
/// relative paths in the node-spec start at `base`.
pub(super) fn choose(
    models: &Models,
    defaults: &HardwareModel,
    base: &Path,
    spec: &NodeSpec,
) -> Result<Choice, ComputeError> {
    let (image_name, mut image) = image::choose(models, base, &spec.image)?;
    hardware::refuse_what_cannot_be(spec)?;
    let hardware_name = hardware::choose(models, &spec.hardware)?;
    let named = models.hardware_model(hardware_name).map_err(|e| failed(&e))?;
    let hardware = defaults.clone().overlaid_with(named);

    let asked = hardware::asked(spec, base)?;
    image.hardware = Some(image.hardware.take().unwrap_or_default().overlaid_with(&asked));
    hardware::raise(&mut image, &hardware, &spec.hardware)?;

    image.effective_hardware(&hardware).check_complete().map_err(|invalid| {
        let problem = in_toml(&invalid);
        ComputeError::input(format!("the hardware of the node-spec cannot be made: {problem}"))
    })?;
    Ok(Choice { image_name, image, hardware_name: hardware_name.to_owned(), hardware })
}
