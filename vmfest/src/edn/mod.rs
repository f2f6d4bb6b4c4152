//! A reader of EDN, the format of `.meta` files.
//!
//! EDN is read as data and never evaluated: there are no tagged values, no reader macros and no
//! symbols with a meaning. [`read`] gives a tree in which every value knows where it stands;
//! [`from_node`] turns a tree into any type that implements [`serde::Deserialize`], with errors
//! that name line, column and key path and suggest the key that was probably meant.
//!
//! ```
//! #[derive(serde::Deserialize)]
//! #[serde(rename_all = "kebab-case", deny_unknown_fields)]
//! struct Size { memory_size: u32 }
//!
//! let tree = vmfest::edn::read("{:memory-size 512}")?;
//! let size: Size = vmfest::edn::from_node(&tree)?;
//! assert_eq!(size.memory_size, 512);
//!
//! let tree = vmfest::edn::read("{:memory-sise 512}")?;
//! let error = vmfest::edn::from_node::<Size>(&tree).err().map(|e| e.to_string());
//! assert_eq!(
//!     error.as_deref(),
//!     Some("line 1, column 2: unknown key :memory-sise; did you mean :memory-size?"),
//! );
//! # Ok::<(), vmfest::edn::Error>(())
//! ```

mod de;
mod error;
mod reader;
mod value;

pub use de::from_node;
pub use error::Error;
pub use reader::{MAX_DEPTH, read};
pub use value::{Node, Position, Value};
