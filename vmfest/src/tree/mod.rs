//! What a file of models says, before it is models: a tree in which every value knows where it
//! stands.
//!
//! [`edn`](crate::edn) and [`toml`](crate::toml) read texts into trees; [`from_node`] turns a tree
//! into any type that implements [`serde::Deserialize`]. Its errors name line, column and the keys
//! that lead there, and suggest what was probably meant, all in the notation of the text.

mod de;
mod error;
#[cfg(feature = "pallet")]
mod json;
mod value;

pub use de::from_node;
pub use error::Error;
pub use value::{MAX_DEPTH, Node, Notation, Position, Value};
