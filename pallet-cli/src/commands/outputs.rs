//! What commands write for programs: the schema of each.

use serde_json::Value;

type Schema = fn() -> Value;

/// All commands by name, subcommands with a space between, and `error`.
pub(super) fn all() -> Vec<(&'static str, Schema)> {
    Vec::new()
}
