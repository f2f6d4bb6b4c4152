//! Whether something shall be there.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether something shall be there or not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ensure {
    /// It shall be there, as described.
    #[default]
    Present,
    /// It shall not be there.
    Absent,
}
