//! A reader of EDN, the format of `.meta` files.
//!
//! EDN is read as data and never evaluated: there are no tagged values, no reader macros and no
//! symbols with a meaning.
//!
//! ```
//! #[derive(serde::Deserialize)]
//! #[serde(rename_all = "kebab-case", deny_unknown_fields)]
//! struct Size { memory_size: u32 }
//!
//! let size: Size = vmfest::edn::from_str("{:memory-size 512}")?;
//! assert_eq!(size.memory_size, 512);
//!
//! let error = vmfest::edn::from_str::<Size>("{:memory-sise 512}").err().map(|e| e.to_string());
//! assert_eq!(
//!     error.as_deref(),
//!     Some("line 1, column 2: unknown key :memory-sise; did you mean :memory-size?"),
//! );
//! # Ok::<(), vmfest::tree::Error>(())
//! ```

mod reader;

use serde::de::DeserializeOwned;

use crate::tree::{self, Error};

pub use reader::read;

/// Reads a text that holds one value, as a `T`.
///
/// # Errors
/// The first thing that is wrong, with its line and column.
pub fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    tree::from_node(&read(text)?)
}
