//! Mistakes in node-specs, with the place that they are at.

use pallet_core::compute::ComputeError;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads a value of a node-spec that stands under `keys`.
pub(super) fn read<T: DeserializeOwned>(value: Value, keys: &[&str]) -> Result<T, ComputeError> {
    serde_json::from_value(value).map_err(|error| wrong(keys, &error.to_string()))
}

/// Something in a node-spec that cannot be.
pub(super) fn wrong(keys: &[&str], problem: &str) -> ComputeError {
    ComputeError::input(format!("in the node-spec, {}: {problem}", keys.join(".")))
}
