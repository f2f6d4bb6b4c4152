//! Parameter types that several actions share: what cannot be right cannot be built.

mod account;
mod ensure;
mod mode;
mod package;
mod path;
pub(crate) mod shorthand;

pub use account::AccountName;
pub use ensure::Ensure;
pub use mode::FileMode;
pub use package::PackageName;
pub use path::RemotePath;
