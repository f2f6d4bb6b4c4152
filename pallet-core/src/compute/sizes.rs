//! Hardware models as far as every kind of service has them: memory and processors.

use std::cmp::Reverse;

use super::ComputeError;
use crate::spec::{HardwareSpec, Preference};

/// The hardware models that every service has: name, MiB of memory, processors.
pub const BUILT_IN: [(&str, u32, u32); 4] =
    [("micro", 512, 1), ("small", 1024, 1), ("medium", 2048, 2), ("large", 4096, 4)];

/// A hardware model's name and size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size<'a> {
    /// The model's name.
    pub name: &'a str,
    /// MiB of memory.
    pub memory: u32,
    /// Processors.
    pub processors: u32,
}

/// The name of the hardware model that a node-spec asks for: by its name, or as the preferred one
/// of those that have enough. `None`: it asks for no model.
///
/// # Errors
/// [`ComputeError`] when no model has enough.
pub fn choose<'a>(
    spec: &'a HardwareSpec,
    sizes: impl Iterator<Item = Size<'a>>,
) -> Result<Option<&'a str>, ComputeError> {
    if let Some(id) = &spec.hardware_id {
        return Ok(Some(id));
    }
    let Some(preference) = spec.prefer else { return Ok(None) };
    let (memory, processors) = (spec.min_ram.unwrap_or(0), spec.min_cores.unwrap_or(0));
    let fitting =
        sizes.filter(|size| u64::from(size.memory) >= memory && size.processors >= processors);
    let best = match preference {
        Preference::Smallest => fitting.min_by_key(|it| (it.memory, it.processors, it.name)),
        Preference::Biggest => {
            fitting.max_by_key(|it| (it.memory, it.processors, Reverse(it.name)))
        }
        Preference::Fastest => {
            fitting.max_by_key(|it| (it.processors, it.memory, Reverse(it.name)))
        }
    };
    best.map(|size| Some(size.name)).ok_or_else(|| {
        ComputeError::input(format!(
            "no hardware model has {memory} MiB and {processors} processors at least"
        ))
        .help("leave `prefer` out, and the node's own model is raised to that")
    })
}
