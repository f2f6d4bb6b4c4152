//! Parameter types that several actions share: what cannot be right cannot be built.

mod account;
mod duration;
mod ensure;
mod mode;
mod names;
mod package;
mod path;
mod pattern;
mod public_key;
pub(crate) mod shorthand;

pub use account::AccountName;
pub use duration::Seconds;
pub use ensure::Ensure;
pub use mode::FileMode;
pub use names::{DropInName, ReleaseName, ServiceName};
pub use package::PackageName;
pub use path::RemotePath;
pub use pattern::Pattern;
pub use public_key::PublicKey;
