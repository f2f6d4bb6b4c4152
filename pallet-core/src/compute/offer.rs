//! What a service has to make nodes of.

use super::matching::ImageTraits;

/// What a service has to make nodes of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offer {
    /// Images, by name.
    pub images: Vec<ImageTraits>,
    /// Hardware models, by name.
    pub hardware: Vec<HardwareOffer>,
}

/// A hardware model that a service has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HardwareOffer {
    /// The name that `hardware-id` takes.
    pub name: String,
    /// MiB of memory.
    pub memory: Option<u32>,
    /// Processors.
    pub processors: Option<u32>,
    /// Anything else that is said of it, in the service's words.
    pub remarks: Vec<String>,
}

/// What nodes of a node-spec would be made of, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chosen {
    /// The image.
    pub image: Option<String>,
    /// The hardware model.
    pub hardware: Option<String>,
}
