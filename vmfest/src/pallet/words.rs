//! Mistakes in node-specs and services, in the words of TOML.

use pallet_core::compute::ComputeError;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::models::Invalid;
use crate::tree::{self, Node};

/// What is wrong with a model of a document.
pub(super) fn in_toml(invalid: &Invalid) -> String {
    tree::Error::about(&invalid.problem, &Node::from(Value::Null), &invalid.path).to_string()
}

/// Reads a value of a node-spec that stands under `keys`.
pub(super) fn read<T: DeserializeOwned>(value: Value, keys: &[&str]) -> Result<T, ComputeError> {
    tree::from_node(&Node::from(value)).map_err(|error| {
        let error = keys.iter().rev().fold(error, |error, key| error.inside_key(key));
        ComputeError::input(format!("in the node-spec, {error}"))
    })
}
